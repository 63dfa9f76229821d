"""What is kept of a delivery beside its state, what one step writes, and who is to be told.

A delivery (`domain/deliveries.py`) says what happened. Around it lies what was done about it:
who was told, what lies in the archive, whether the file was found to be genuine, which unit of
the recipient it was passed on to. None of that changes what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.deliveries import Delivery, DeliveryId, SentLetter
from chalicelib.domain.persons import Officer
from chalicelib.domain.receipt_judgement import Refusal
from chalicelib.domain.thai import to_arabic_digits


def archive_prefix(delivery_id: DeliveryId) -> str:
    """Below it lies in the archive what proves a delivery, locked as long as its letter (B9)."""
    return f"deliveries/{delivery_id.document_id}/{delivery_id}/"


def evidence_name(place: int) -> str:
    """Name below `archive_prefix` of the evidence at this place of the chain."""
    return f"evidence-{place:04d}.jws"


def statement_name(digest: str) -> str:
    """The same of a receipt or rejection, by the SHA-256 (hex) of its JWS."""
    return f"statement-{digest}.jws"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What verification said of the file that arrived: a letter is registered only if it
    `passed`. `indication` and `reasons` are as in the answer of POST /v1/verify."""

    passed: bool
    indication: str
    reasons: tuple[str, ...]
    sha256: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """The recipient passed the letter on to another of its units (A7: who may see it there)."""

    unit: str
    by: str
    at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A delivery and what was done about it.

    `told`: keys of notices that were given (`delivery_notices`). `archived`: names of what lies
    in the archive beside the letter. `duplicate_of`: the delivery that brought this letter here
    first. `named`: officers of the recipient to whom its registrar of secrets opened a classified
    letter (A13). `salt` (hex, 32 bytes) hides the delivery in the public log of the receive register.
    `due_at`: when somebody must look at it again; None if nothing is left to do.
    """

    delivery: Delivery
    told: frozenset[str] = frozenset()
    archived: frozenset[str] = frozenset()
    duplicate_of: str | None = None
    check: FileCheck | None = None
    passed_on: tuple[Passing, ...] = ()
    named: frozenset[Officer] = frozenset()
    salt: str
    due_at: datetime | None = None

    @property
    def unit(self) -> str | None:
        """The unit of the recipient that has the letter now."""
        return self.passed_on[-1].unit if self.passed_on else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChange:
    """What one step writes in ONE transaction, on the condition that nobody wrote since `seen`
    (its history is as long as then).

    `evidence`: the JWSs of places `seen.evidence_count` and on. `statement`: a receipt or
    rejection as signed, kept under its digest. `arrives`: with this step the letter entered the
    recipient's system, so its marks are put down if none lie there.
    """

    seen: Delivery
    delivery: Delivery
    evidence: tuple[str, ...] = ()
    statement: str | None = None
    due_at: datetime | None = None

    @property
    def arrives(self) -> bool:
        return self.seen.received is None and self.delivery.received is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedAnswer:
    """What came back and was not believed, kept as evidence (P5): the text as it came, why, and
    who brought it (an agency's id as its token says; None from the reply queue)."""

    text: str
    refusal: Refusal
    field: str = ""
    brought_by: str | None = None
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenItems:
    """How many deliveries wait in each state, and since when the oldest is in it."""

    counts: Mapping[str, int] = field(default_factory=dict)
    oldest: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, waiting: Iterable[tuple[str, datetime]]) -> OpenItems:
        """From the state of each, and since when it is in it."""
        counts: Counter[str] = Counter()
        oldest: dict[str, datetime] = {}
        for state, since in waiting:
            counts[state] += 1
            oldest[state] = min(since, oldest.get(state, since))
        return cls(dict(counts), oldest)


MOST_REFUSED = 100
"""Answers that are kept of one delivery though nobody believes them: enough to see what goes on,
and no way to fill a table."""


def searched_in(letter: SentLetter) -> str:
    """What of a letter a search looks in, beside the other agency's id; of a classified one its
    number alone."""
    if letter.is_classified:
        return as_searched(letter.number)
    return as_searched(f"{letter.number}\n{letter.subject}")


def as_searched(text: str) -> str:
    """So that digits of either kind find each other, and letters of either case."""
    return to_arabic_digits(text).lower()
