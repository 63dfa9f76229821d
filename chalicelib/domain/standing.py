"""What an issued document is worth: rulings about it, and what follows from them at a time.

A ruling (คำสั่ง) is an officer's decision on an issued document: to suspend it, to lift that, to
revoke it; or the decision, made by issuing another document, to replace it. Rulings are only
ever added. One holds from its effective time on, in place of whatever earlier ones say of that
time, so that the standing at a time is that of the last one decided that holds by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from chalicelib.domain.errors import StandingConflictError
from chalicelib.domain.tlog import Outcome

MOST_RULINGS = 20
"""With so many, a document can only be reinstated, revoked at once or replaced: its item and
its evidence stay small, and the way out stays open."""


class Standing(StrEnum):
    """What a document is worth at a time. The first that applies is told: see `Document`."""

    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    NOT_YET_VALID = "not_yet_valid"
    VALID = "valid"

    @property
    def final(self) -> bool:
        """No ruling changes it any more."""
        return self in {Standing.REVOKED, Standing.SUPERSEDED}


class RulingKind(StrEnum):
    """What was decided; also the middle of the event's type."""

    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"

    @property
    def standing(self) -> Standing:
        """What the document is worth while this ruling is the last word."""
        return _STANDINGS[self]

    @property
    def outcome(self) -> Outcome:
        """How the outcome log calls it."""
        return _OUTCOMES[self]


_STANDINGS = {
    RulingKind.SUSPENDED: Standing.SUSPENDED,
    RulingKind.REINSTATED: Standing.VALID,
    RulingKind.REVOKED: Standing.REVOKED,
    RulingKind.SUPERSEDED: Standing.SUPERSEDED,
}
_OUTCOMES = {
    RulingKind.SUSPENDED: Outcome.SUSPENDED,
    RulingKind.REINSTATED: Outcome.REINSTATED,
    RulingKind.REVOKED: Outcome.REVOKED,
    RulingKind.SUPERSEDED: Outcome.REPLACED,
}
KIND_OF_OUTCOME = {outcome: kind for kind, outcome in _OUTCOMES.items()}


class ReasonCode(StrEnum):
    """Why, as a public code: the outcome log repeats it, so it says nothing of a person."""

    ERROR = "error"
    FRAUD = "fraud"
    CONDITIONS_BROKEN = "conditions_broken"
    WITHDRAWN_BY_HOLDER = "withdrawn_by_holder"
    COURT_ORDER = "court_order"
    CESSATION = "cessation"
    INVESTIGATION = "investigation"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"

    @property
    def thai(self) -> str:
        """As an officer reads it in the register."""
        return _REASONS_TH[self]


_REASONS_TH = {
    ReasonCode.ERROR: "ออกโดยผิดพลาด",
    ReasonCode.FRAUD: "ได้มาโดยทุจริต",
    ReasonCode.CONDITIONS_BROKEN: "ผิดเงื่อนไข",
    ReasonCode.WITHDRAWN_BY_HOLDER: "ผู้ถือขอยกเลิก",
    ReasonCode.COURT_ORDER: "คำสั่งศาลหรือคำสั่งทางปกครอง",
    ReasonCode.CESSATION: "เลิกกิจการหรือสิ้นสภาพ",
    ReasonCode.INVESTIGATION: "อยู่ระหว่างตรวจสอบ",
    ReasonCode.RESOLVED: "เหตุสิ้นสุดแล้ว",
    ReasonCode.SUPERSEDED: "ออกเอกสารใหม่แทน",
}

REASONS_FOR: dict[RulingKind, tuple[ReasonCode, ...]] = {
    RulingKind.REVOKED: (
        ReasonCode.ERROR,
        ReasonCode.FRAUD,
        ReasonCode.CONDITIONS_BROKEN,
        ReasonCode.WITHDRAWN_BY_HOLDER,
        ReasonCode.COURT_ORDER,
        ReasonCode.CESSATION,
    ),
    RulingKind.SUSPENDED: (
        ReasonCode.INVESTIGATION,
        ReasonCode.CONDITIONS_BROKEN,
        ReasonCode.WITHDRAWN_BY_HOLDER,
        ReasonCode.COURT_ORDER,
    ),
    RulingKind.REINSTATED: (ReasonCode.RESOLVED, ReasonCode.ERROR, ReasonCode.COURT_ORDER),
    RulingKind.SUPERSEDED: (ReasonCode.SUPERSEDED,),
}
"""Which reasons go with which decision."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The document that took the place of another."""

    document_id: str
    printed_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the register says of a ruling: no words, no names."""

    number: int
    kind: RulingKind
    reason_code: ReasonCode
    decided_at: datetime
    effective_at: datetime
    replaced_by: str | None = None
    """The printed number of the document that replaced it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One decision on an issued document. `number` is its place among the document's, from 1.

    `reason` are words for the agency alone: they may speak of a person, so neither log, nor
    event, nor evidence repeats them. `by` is the officer's subject, of agency `agency_id`.
    """

    number: int
    kind: RulingKind
    reason_code: ReasonCode
    reason: str
    by: str
    agency_id: str
    decided_at: datetime
    effective_at: datetime
    replaced_by: Replacement | None = None

    @property
    def notice(self) -> str:
        """The key under which its evidence is kept and its recipients are noted."""
        return f"ruling-{self.number}"

    @property
    def mark(self) -> Mark:
        return Mark(
            number=self.number,
            kind=self.kind,
            reason_code=self.reason_code,
            decided_at=self.decided_at,
            effective_at=self.effective_at,
            replaced_by=self.replaced_by.printed_number if self.replaced_by else None,
        )


class _Decided(Protocol):
    @property
    def kind(self) -> RulingKind: ...
    @property
    def effective_at(self) -> datetime: ...


_R = TypeVar("_R", bound=_Decided)


def in_force(rulings: Sequence[_R], at: datetime) -> _R | None:
    """The last word at a time: of the rulings that hold by then the one decided last."""
    return next((r for r in reversed(rulings) if r.effective_at <= at), None)


def standing_by(rulings: Sequence[_Decided], at: datetime) -> Standing:
    """What rulings, in the order they were decided, make of a document at a time."""
    ruling = in_force(rulings, at)
    return ruling.kind.standing if ruling else Standing.VALID


def still_to_come(rulings: Sequence[_R], after: datetime) -> list[_R]:
    """Rulings that will hold later than `after` and that no later decision has overtaken."""
    found: list[_R] = []
    earliest: datetime | None = None
    for ruling in reversed(rulings):
        if ruling.effective_at > after and (earliest is None or ruling.effective_at < earliest):
            found.append(ruling)
        earliest = min(ruling.effective_at, earliest or ruling.effective_at)
    return found[::-1]


def demand_possible(rulings: Sequence[Ruling], new: Ruling) -> None:
    """Raise StandingConflictError unless `new` may follow: the document's way is

        valid ⇄ suspended → revoked | superseded

    and the last two are final once they hold. A revocation ordered for later can be brought
    forward, and withdrawn by a reinstatement before it holds; so can a suspension. Nothing else
    passes over what was ordered for later, because it would end that silently.
    """
    at = new.effective_at
    now = standing_by(rulings, new.decided_at)
    then = standing_by(rulings, at)
    later = still_to_come(rulings, at)
    if now.final or then.final:
        raise _conflict(_ENDED)
    if len(rulings) >= MOST_RULINGS and _adds_without_end(new):
        raise _conflict(_TOO_MANY)
    match new.kind:
        case RulingKind.SUSPENDED:
            if then is Standing.SUSPENDED:
                raise _conflict(_SUSPENDED)
            if later:
                raise _conflict(_ORDERED)
        case RulingKind.REINSTATED:
            if then is not Standing.SUSPENDED and not later:
                raise _conflict(_NOTHING_TO_LIFT)


def _adds_without_end(new: Ruling) -> bool:
    return new.kind is RulingKind.SUSPENDED or new.effective_at > new.decided_at


_Words = tuple[str, str]
_ENDED: _Words = (
    "The document is revoked or replaced already (by then); that is final.",
    "เอกสารถูกเพิกถอนหรือถูกแทนที่แล้ว (ณ เวลานั้น) ซึ่งเป็นที่สุด",
)
_SUSPENDED: _Words = (
    "The document is suspended already (by then).",
    "เอกสารถูกพักใช้อยู่แล้ว (ณ เวลานั้น)",
)
_ORDERED: _Words = (
    "Something is ordered for later that this would end; withdraw it first by a reinstatement.",
    "มีคำสั่งที่จะมีผลภายหลังอยู่ โปรดยกเลิกคำสั่งนั้นด้วยการคืนสถานะก่อน",
)
_NOTHING_TO_LIFT: _Words = (
    "The document is not suspended, and nothing is ordered for later.",
    "เอกสารไม่ได้ถูกพักใช้ และไม่มีคำสั่งที่จะมีผลภายหลัง",
)
_TOO_MANY: _Words = (
    f"There are {MOST_RULINGS} decisions on this document; only an end at once is possible.",
    f"เอกสารนี้มีคำสั่งครบ {MOST_RULINGS} ครั้งแล้ว ทำได้เพียงคืนสถานะ เพิกถอนทันที หรือออกเอกสารแทน",
)


def _conflict(words: _Words) -> StandingConflictError:
    return StandingConflictError(*words)


def marks_of(rulings: Iterable[Ruling]) -> tuple[Mark, ...]:
    """What the register holds of them."""
    return tuple(ruling.mark for ruling in rulings)
