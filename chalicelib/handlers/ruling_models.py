"""Models of rulings: what officers send to revoke, suspend and reinstate, and what is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.domain.access import Actor
from chalicelib.domain.content_rules import LATEST
from chalicelib.domain.documents import Classification, Decision, Document, DocumentState
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.standing import ReasonCode, Ruling, RulingKind, Standing

LONGEST_REASON = 500
# A caller's clock may be late by as much and still mean "now".
_LATE = timedelta(minutes=1)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


# -- requests ------------------------------------------------------------------


class RuleOnDocument(BaseModel):
    """Common to all rulings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    kind: ClassVar[RulingKind]

    reason: str = Field(
        min_length=1,
        max_length=LONGEST_REASON,
        pattern=r"\S",
        description="In words, for the agency's own records: no event, log or page repeats them.",
    )
    effective_at: str | None = Field(
        default=None,
        max_length=40,
        description="From when it holds: ISO 8601 instant with offset, not in the past. "
        "At once if not said.",
        examples=["2027-01-01T00:00:00+07:00"],
    )

    @property
    def code(self) -> ReasonCode:
        raise NotImplementedError

    def decision(self, actor: Actor, now: datetime) -> Decision:
        """Raises InvalidRequestError for a time that is none, or past."""
        effective_at = _instant(self.effective_at, now) if self.effective_at else None
        return Decision(
            kind=self.kind,
            reason_code=self.code,
            reason=self.reason,
            by=actor.subject,
            agency_id=actor.agency_id,
            effective_at=effective_at,
        )


class RevokeDocument(RuleOnDocument):
    """Take an issued document back (เพิกถอน): final once it holds. Before that, a reinstatement
    withdraws it."""

    kind: ClassVar[RulingKind] = RulingKind.REVOKED
    reason_code: Literal[
        "error", "fraud", "conditions_broken", "withdrawn_by_holder", "court_order", "cessation"
    ] = Field(description="Public: the outcome log repeats it.")

    @property
    def code(self) -> ReasonCode:
        return ReasonCode(self.reason_code)


class SuspendDocument(RuleOnDocument):
    """Suspend an issued document (พักใช้) until it is reinstated, revoked or replaced."""

    kind: ClassVar[RulingKind] = RulingKind.SUSPENDED
    reason_code: Literal[
        "investigation", "conditions_broken", "withdrawn_by_holder", "court_order"
    ] = Field(description="Public: the outcome log repeats it.")

    @property
    def code(self) -> ReasonCode:
        return ReasonCode(self.reason_code)


class ReinstateDocument(RuleOnDocument):
    """Lift a suspension (คืนสถานะ), and withdraw whatever was ordered for later."""

    kind: ClassVar[RulingKind] = RulingKind.REINSTATED
    reason_code: Literal["resolved", "error", "court_order"] = Field(
        description="Public: the outcome log repeats it."
    )

    @property
    def code(self) -> ReasonCode:
        return ReasonCode(self.reason_code)


# -- answers -------------------------------------------------------------------


class ReplacementView(_Answer):
    document_id: str
    printed_number: str


class RulingView(_Answer):
    """One decision on an issued document."""

    number: int = Field(description="Its place among the document's, from 1.")
    kind: RulingKind
    reason_code: ReasonCode
    reason_th: str = Field(description="The code in Thai.")
    reason: str = Field(description="In the officer's words; only the own agency sees them.")
    by: str = Field(description="Subject of the officer; who replaced it, of a replacement.")
    agency_id: str
    decided_at: datetime
    effective_at: datetime
    replaced_by: ReplacementView | None
    notified: list[str] = Field(description="Recipients that were told.")

    @classmethod
    def of(cls, ruling: Ruling, document: Document) -> Self:
        by = ruling.replaced_by
        untold = document.untold(ruling.notice)
        return cls(
            number=ruling.number,
            kind=ruling.kind,
            reason_code=ruling.reason_code,
            reason_th=ruling.reason_code.thai,
            reason=ruling.reason,
            by=ruling.by,
            agency_id=ruling.agency_id,
            decided_at=ruling.decided_at,
            effective_at=ruling.effective_at,
            replaced_by=ReplacementView(
                document_id=by.document_id, printed_number=by.printed_number
            )
            if by
            else None,
            notified=[r for r in document.recipients if r not in untold],
        )


class StandingView(_Answer):
    """What an issued document is worth now, and every ruling on it."""

    standing: Standing
    since: datetime | None
    replaced_by: ReplacementView | None
    rulings: list[RulingView]

    @classmethod
    def of(cls, document: Document, now: datetime) -> Self | None:
        if document.state is not DocumentState.ISSUED:
            return None
        current = document.standing_at(now)
        views = [RulingView.of(ruling, document) for ruling in document.rulings]
        ruling = current.ruling
        return cls(
            standing=current.standing,
            since=current.since,
            replaced_by=views[ruling.number - 1].replaced_by if ruling else None,
            rulings=views,
        )


class RulingMade(_Answer):
    """A ruling as entered, and what the document is worth now: it may hold later."""

    document_id: str
    ruling: RulingView
    standing: StandingView
    links: dict[str, str]

    @classmethod
    def of(cls, document: Document, ruling: Ruling, public_url: str, now: datetime) -> Self:
        standing = StandingView.of(document, now)
        if standing is None:
            raise ValueError("only an issued document is ruled on")
        base = f"{public_url}/v1/documents/{document.document_id}"
        return cls(
            document_id=document.document_id,
            ruling=RulingView.of(ruling, document),
            standing=standing,
            links={
                "self": base,
                "status": f"{public_url}/v1/status/{document.verification_code}",
            },
        )


class PublicStatus(_Answer):
    """What anyone who holds the QR code may know of a document's standing."""

    document_id: str
    printed_number: str
    classification: Classification
    standing: Standing
    since: datetime | None
    replaced_by: str | None = Field(description="Printed number of the document in its place.")
    valid_from: str | None
    valid_until: str | None
    credential_status: list[dict[str, str]] = Field(
        description="Where its bits stand: W3C Bitstring Status List entries."
    )


def _instant(text: str, now: datetime) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise _refused(*_NO_INSTANT) from error
    if instant.tzinfo is None or instant.year > LATEST:
        raise _refused(*_NO_INSTANT)
    if instant < now - _LATE:
        raise _refused(*_IN_THE_PAST)
    return instant.astimezone(now.tzinfo)


def _refused(code: str, detail: str, detail_th: str) -> InvalidRequestError:
    return InvalidRequestError([FieldFault("/effective_at", code, detail, detail_th)])


_NO_INSTANT: tuple[Any, ...] = (
    "wrong_format",
    "Use an ISO 8601 instant with offset, such as 2026-12-15T17:00:00+07:00.",
    "โปรดใช้เวลาแบบ ISO 8601 พร้อมเขตเวลา เช่น 2026-12-15T17:00:00+07:00",
)
_IN_THE_PAST: tuple[Any, ...] = (
    "in_the_past",
    "A decision holds from now on or later: who relied on the document until now did so rightly.",
    "คำสั่งมีผลได้ตั้งแต่บัดนี้หรือภายหลังเท่านั้น ไม่มีผลย้อนหลัง",
)
