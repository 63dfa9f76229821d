"""Knowing a letter again that was received before (issue 6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.deliveries import Delivery, SentLetter
from chalicelib.domain.letter_numbers import LetterNumber, LetterNumberError
from chalicelib.domain.thai import to_thai_digits


def plain_number(letter_number: str) -> str:
    """A letter number so that what is the same number is the same text, however it was
    typed: digits, spaces and leading zeros do not matter. What is no letter number (a foreign
    one) is left as it is but for digits and spaces."""
    try:
        return replace(LetterNumber.parse(letter_number), width=0).printed
    except LetterNumberError:
        return " ".join(to_thai_digits(letter_number).split())


@dataclass(frozen=True, slots=True)
class LetterMarks:
    """By what a recipient knows a letter again: `by_number` is its sender, number and year,
    because numbers begin anew each year (A18); `by_file` its bytes. Two letters are the same if
    either is. Both are keys: equal texts, and nothing personal in them."""

    by_number: str
    by_file: str

    @classmethod
    def of(cls, letter: SentLetter) -> LetterMarks:
        number = plain_number(letter.number)
        return cls(f"{letter.sender}/{letter.dated.year}/{number}", letter.file_digest)

    def same_letter(self, other: LetterMarks) -> bool:
        return self.by_number == other.by_number or self.by_file == other.by_file


def received_before(letter: SentLetter, earlier: Iterable[Delivery]) -> Delivery | None:
    """The first of `earlier` (deliveries to the same agency) that brought this letter and was
    registered, else the first that brought it at all; None if it is new."""
    marks = LetterMarks.of(letter)
    same = [d for d in earlier if LetterMarks.of(d.letter).same_letter(marks)]
    registered = [delivery for delivery in same if delivery.receipt is not None]
    return min(registered or same, key=_came_at, default=None)


def _came_at(delivery: Delivery) -> datetime:
    return delivery.received.entered_at if delivery.received else delivery.planned_at
