"""Registers: the yearly books whose numbers run without a gap (P1, A18, A22)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.thai import be_year, register_year, to_thai_digits


@dataclass(frozen=True, slots=True, order=True)
class Book:
    """One agency's purpose for numbers: `send`, `receive`, or a document type's own."""

    agency_id: str
    name: str

    @property
    def group(self) -> str:
        """FIFO message group: numbering is serial per book, parallel between books."""
        return f"{self.agency_id}.{self.name}"

    def in_year(self, year: int) -> Register:
        return Register(self.agency_id, self.name, year)

    def at(self, instant: datetime) -> Register:
        """The register that gives numbers at `instant` (Asia/Bangkok decides the year)."""
        return self.in_year(register_year(instant))


@dataclass(frozen=True, slots=True, order=True)
class Register:
    """A book in one calendar year (CE)."""

    agency_id: str
    book: str
    year: int

    @property
    def register_id(self) -> str:
        """Stable key: `diw/licence/2026`."""
        return f"{self.agency_id}/{self.book}/{self.year}"


class EntryState(StrEnum):
    """Life of an entry: `open` until its document ends, then final."""

    OPEN = "open"
    ISSUED = "issued"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a register. `content_digest` never changes after numbering (P2)."""

    register: Register
    number: int
    document_id: str
    document_type: str
    content_digest: str
    numbered_at: datetime
    state: EntryState = EntryState.OPEN
    file_digest: str | None = None
    ended_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """What one document gets: its number, year, printed form and instant (UTC)."""

    year: int
    number: int
    printed: str
    numbered_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A document that wants a number, with the digest that number will bind (P2)."""

    document_id: str
    document_type: str
    content_digest: str


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive entries of one register, written in one transaction or not at all.

    `after` is the last number the writer saw; the write is conditional on it,
    so two writers can never give the same number nor leave one out (P1).
    """

    register: Register
    after: int
    entries: tuple[Entry, ...]

    @property
    def last(self) -> int:
        return self.after + len(self.entries)


def lay_out_block(register: Register, after: int, claims: Sequence[Claim], now: datetime) -> Block:
    """Give `claims` the numbers `after + 1 …` of `register`, in order."""
    entries = tuple(
        Entry(
            register=register,
            number=after + position,
            document_id=claim.document_id,
            document_type=claim.document_type,
            content_digest=claim.content_digest,
            numbered_at=now,
        )
        for position, claim in enumerate(claims, start=1)
    )
    return Block(register, after, entries)


def print_number(number: int, year: int) -> str:
    """Number of a document type's own book as printed: `๑๒/๒๕๖๙`."""
    return to_thai_digits(f"{number}/{be_year(year)}")


def numbering_of(entry: Entry) -> Numbering:
    """What the document is told about its entry."""
    return Numbering(
        year=entry.register.year,
        number=entry.number,
        printed=print_number(entry.number, entry.register.year),
        numbered_at=entry.numbered_at,
    )
