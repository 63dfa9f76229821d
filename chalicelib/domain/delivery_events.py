"""What can happen to a delivery, as its channel, its recipient or its sender tells it.

Each event carries its own time and says by `key_of` by what it is known when it comes
again. `domain.deliveries` decides what it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.documents import Reason
from chalicelib.domain.office_hours import Arrival


@dataclass(frozen=True, slots=True)
class Received:
    """When the letter entered the recipient's system (A20), and the working time that counts
    as: the same instant within office hours, the next working time outside them (E2). None
    where nobody knows yet, because the calendar of that year is still to come (ADR 40)."""

    entered_at: datetime
    counted_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.counted_at is not None and self.counted_at < self.entered_at:
            raise ValueError("a letter never counts as received before it came (E2)")

    @classmethod
    def of(cls, arrival: Arrival) -> Received:
        return cls(arrival.entered, arrival.counted)

    @property
    def stands_at(self) -> datetime:
        """The time received, as far as it is known."""
        return self.counted_at or self.entered_at


@dataclass(frozen=True, slots=True)
class ReceiptNote:
    """What a delivery remembers of a receipt: the number in the recipient's receive register,
    the time received as the recipient tells it, and the SHA-256 (hex) of the signed receipt,
    which is kept beside it."""

    year: int
    number: int
    printed: str
    received: Received
    digest: str

    @property
    def place(self) -> str:
        """Where in the recipient's receive register: `2026/1577`."""
        return f"{self.year}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """The channel took the letter, and will say later whether it arrived."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TryFailed:
    """Try `no` (from 1) came to nothing; waiting may help."""

    at: datetime
    no: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRefused:
    """The channel will never take it."""

    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Consigned:
    """The letter lies in the recipient's system."""

    at: datetime
    received: Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The working time that the arrival counts as was found, for it was not known then."""

    at: datetime
    counted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConsigned:
    """The channel that took it says that it did not arrive and will not."""

    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """The time of the retry budget is over, and nothing was heard of an arrival."""

    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminded:
    """The recipient was told for the `no`th time (from 1) that the letter lies there; if it
    `escalates`, the sender and the supervisor as well (A14, A28)."""

    at: datetime
    no: int
    escalates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The recipient registered the letter. Its time of arrival is used if none was known
    before: who gives a receipt has the letter."""

    at: datetime
    receipt: ReceiptNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The recipient will not register it. `suggested_agency`: who is the right one, where the
    letter is misdirected (E2). `digest`: SHA-256 (hex) of the signed rejection."""

    at: datetime
    reason: Reason
    received: Received
    digest: str
    suggested_agency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHandedOver:
    """The letter arrived and the recipient's system can never hand it to anybody."""

    at: datetime
    reason: Reason
    received: Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The sender took it back."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDisputed:
    """The sender says that the receipt's receive-register number is wrong (InvalidAcceptID).
    `place` is the number as in `ReceiptNote.place`."""

    at: datetime
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCorrected:
    """The recipient answers a dispute with another receipt; both are kept."""

    at: datetime
    receipt: ReceiptNote


DeliveryEvent = (
    Relayed
    | TryFailed
    | RelayRefused
    | Consigned
    | Counted
    | NotConsigned
    | GaveUp
    | Reminded
    | HandedOver
    | Rejected
    | NotHandedOver
    | Recalled
    | NumberDisputed
    | NumberCorrected
)


def key_of(event: DeliveryEvent) -> str:
    """By what an event is known again. Who answers with another number, or for another
    reason, says something else."""
    name = _KEYS[type(event)]
    match event:
        case TryFailed():
            return f"{name}/{event.no}"
        case Reminded():
            return f"{ESCALATED if event.escalates else name}/{event.no}"
        case HandedOver() | NumberCorrected():
            return f"{name}/{event.receipt.place}"
        case Rejected():
            return f"{name}/{event.reason.code}"
        case NumberDisputed():
            return f"{name}/{event.place}"
        case _:
            return name


ESCALATED = "escalated"
"""A reminder that told the sender too is known by this; both kinds are counted together."""

_KEYS: Mapping[type[DeliveryEvent], str] = {
    Relayed: "relayed",
    TryFailed: "try_failed",
    RelayRefused: "relay_refused",
    Consigned: "consigned",
    Counted: "counted",
    NotConsigned: "not_consigned",
    GaveUp: "gave_up",
    Reminded: "reminded",
    HandedOver: "handed_over",
    Rejected: "rejected",
    NotHandedOver: "not_handed_over",
    Recalled: "recalled",
    NumberDisputed: "disputed",
    NumberCorrected: "corrected",
}
