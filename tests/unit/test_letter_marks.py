"""Letters that came before are known again, however they are typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, plan
from chalicelib.domain.delivery_events import Consigned, HandedOver
from chalicelib.domain.letter_marks import LetterMarks, plain_number, received_before
from tests.support.delivering import BUDGET, LETTER, after, later, note, received


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("นร ๐๕๐๕/๑๗๑๒๑", "นร0505 / 17121"),
        ("ดศ (สพธอ) ๕๑๑.๐๔/๐๓๓๕", "ดศ(สพธอ) 511.04/335"),
        ("มท ๐๒๐๑.๒/ว ๑๕๙๐", "มท 0201.2/ว1590"),
        ("ABC 12/ 5", "ABC  ๑๒/ ๕"),
    ],
)
def test_a_number_is_the_same_however_it_is_typed(one: str, other: str) -> None:
    """Issue 6.3: normalised by the letter numbers' own grammar; a foreign one by digits and
    spaces alone."""
    assert plain_number(one) == plain_number(other)


@pytest.mark.parametrize("other", ["นร ๐๕๐๕/ว ๑๗๑๒๑", "นร ๐๕๐๕/๑๗๑๒๑/๑", "นร ๐๕๐๖/๑๗๑๒๑"])
def test_other_numbers_stay_others(other: str) -> None:
    """Issue 6.3: a circular, an inserted number and another unit are other letters."""
    assert plain_number(other) != plain_number("นร ๐๕๐๕/๑๗๑๒๑")


def test_a_letter_is_known_by_its_number_or_by_its_file() -> None:
    """Issue 6.3: same letter number and sender, or same file digest; numbers begin anew each
    year (A18), so the year belongs to the number."""
    marks = LetterMarks.of(LETTER)
    sealed_again = replace(LETTER, document_id="X", number="นร 0505/17121", file_digest="00" * 32)
    assert marks.same_letter(LetterMarks.of(sealed_again))
    other_number = replace(LETTER, number="นร ๐๕๐๕/๑")
    assert marks.same_letter(LetterMarks.of(other_number))
    for change in (
        {"number": "นร ๐๕๐๕/๑"},
        {"sender": "opdc"},
        {"dated": date(2021, 6, 4)},
    ):
        other = replace(LETTER, file_digest="00" * 32, **change)
        assert not marks.same_letter(LetterMarks.of(other))


def _delivery(attempt: int) -> Delivery:
    planned = plan(
        LETTER, "dga", ChannelKind.HOSTED, at=later(attempt), budget=BUDGET, attempt=attempt
    )
    return planned.delivery


def test_it_is_shown_with_the_first_that_was_registered() -> None:
    """Issue 6.3: recognised, and shown with the first."""
    new = replace(LETTER, number="นร ๐๕๐๕/๑", file_digest="00" * 32)
    lying = after(_delivery(1), Consigned(at=later(2), received=received(2)))
    registered = after(_delivery(2), HandedOver(at=later(30), receipt=note()))
    third = after(_delivery(3), HandedOver(at=later(90), receipt=note(1600, minutes=80)))
    assert received_before(LETTER, [third, registered, lying]) == registered
    assert received_before(LETTER, [lying]) == lying
    assert received_before(LETTER, [_delivery(5), lying]) == lying
    assert received_before(LETTER, []) is None
    assert received_before(new, [registered]) is None
