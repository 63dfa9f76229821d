"""Typed models of deliveries, as sender and recipient see them, and of what both may ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from chalicelib.domain.access import may_read_file
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, Progress, Step
from chalicelib.domain.delivery_events import ReceiptNote, Received
from chalicelib.domain.delivery_records import DeliveryRecord, FileCheck, Passing
from chalicelib.domain.documents import Document, DocumentState, Reason, StandingNow, Urgency
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.receipts import (
    MOST_NOTE,
    Receipt,
    Rejection,
    receipt_text,
    receive_stamp,
)
from chalicelib.domain.registers import CIRCULAR
from chalicelib.domain.standing import Standing
from chalicelib.domain.statements import MOST_JWS
from chalicelib.handlers.letter_models import LetterLinks
from chalicelib.handlers.models import AgencyId, IsoDate, ReasonView, SubmitDocument
from chalicelib.services.recall_all import Recalled

NameOf = Callable[[str], str]
"""The Thai name of an agency, by its id."""


class _Strict(BaseModel):
    # Built at first use: whoever asks for something else does not wait for it at a cold start.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


# -- what is asked -------------------------------------------------------------

_State = Literal["planned", "relayed", "consigned", "handed_over", "rejected", "failed", "recalled"]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Cursor = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_UpTo200 = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|200)$")]


class AskOutbox(_Strict):
    """Query of GET /v1/outbox."""

    state: _State | None = None
    q: _Words | None = Field(
        default=None, description="Text in number, subject or the other agency's id, any case."
    )
    from_: IsoDate | None = Field(
        default=None, alias="from", description="First day, Asia/Bangkok: sent, or arrived."
    )
    to: IsoDate | None = Field(default=None, description="Last day, Asia/Bangkok.")
    limit: _UpTo200 = Field(default="50", description="1 to 200.")
    cursor: _Cursor | None = None

    @field_validator("from_", "to")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        return SubmitDocument._is_a_day(text)  # noqa: SLF001 - the same rule for all dates


class AskInbox(AskOutbox):
    """Query of GET /v1/inbox."""

    unit: _Words | None = Field(default=None, description="The unit that has the letter now.")


class AskDeliveries(_Strict):
    """Query of GET /v1/letters/{id}/deliveries."""

    # An answer has at most 6 MB (Lambda), and a delivery that was tried for days a long history.
    limit: _UpTo200 = Field(default="100", description="1 to 200.")
    cursor: _Cursor | None = None


class AskRecall(_Strict):
    """Query of POST /v1/letters/{id}/recall."""

    cursor: _Cursor | None = Field(
        default=None, description="Where the answer before said that it goes on."
    )


class DisputeReceipt(_Strict):
    """The receive-register number that is wrong (e-CMS InvalidAcceptID), as the receipt that
    stands has it: so a repeat never disputes the correction."""

    year: int = Field(ge=2000, le=9999, description="Register year, CE.", examples=[2026])
    number: int = Field(ge=1, examples=[1577])

    @property
    def place(self) -> str:
        return f"{self.year}/{self.number}"


_Jws = Annotated[str, StringConstraints(min_length=1, max_length=MOST_JWS)]


class RegisterLetter(_Strict):
    """Empty for an agency whose inbox is here: the letter gets its number and the receipt is
    signed here. An agency with a system of its own sends the receipt it signed."""

    receipt: _Jws | None = Field(
        default=None, description="Compact JWS (ES256) by a key of the agency's in the directory."
    )


class RejectLetter(_Strict):
    """Why the letter is not registered; or, from an agency with a system of its own, the
    rejection that it signed, and nothing else."""

    reason: (
        Literal[
            "misdirected",
            "illegible",
            "wrong_attachment",
            "missing_attachment",
            "duplicate",
            "not_trusted",
            "other",
        ]
        | None
    ) = None
    suggested_agency: AgencyId | None = Field(
        default=None, description="Who is the right one, of a misdirected letter."
    )
    note: str | None = Field(
        default=None,
        max_length=MOST_NOTE,
        description="In your own words, for the sender; demanded with the reason `other`.",
    )
    rejection: _Jws | None = Field(
        default=None, description="Compact JWS (ES256) by a key of the agency's in the directory."
    )


class ForwardLetter(_Strict):
    """The unit of the agency that the letter goes to."""

    unit: _Words
    note: Annotated[str, StringConstraints(min_length=1, max_length=MOST_NOTE)] | None = None


# -- parts of answers ------------------------------------------------------------


class ReceivedView(_Answer):
    entered_at: datetime = Field(
        description="When the letter entered the recipient's system (A20)."
    )
    counted_at: datetime | None = Field(
        description="The working time that counts as (E2); null while that year's holidays are "
        "not known."
    )

    @classmethod
    def of(cls, received: Received | None) -> Self | None:
        if received is None:
            return None
        return cls(entered_at=received.entered_at, counted_at=received.counted_at)


class StepView(_Answer):
    event: str = Field(examples=["consigned"])
    at: datetime
    state: DeliveryState
    reason: ReasonView | None

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(
            event=step.key.partition("/")[0],
            at=step.at,
            state=step.state,
            reason=_reason(step.reason),
        )


class ReceiveNumberView(_Answer):
    year: int = Field(description="Register year, CE.")
    number: int
    printed: str = Field(description="เลขทะเบียนรับ, as on the stamp.")
    received: ReceivedView | None
    digest: str = Field(description="Hex SHA-256 of the signed receipt.")

    @classmethod
    def of(cls, note: ReceiptNote) -> Self:
        return cls(
            year=note.year,
            number=note.number,
            printed=note.printed,
            received=ReceivedView.of(note.received),
            digest=note.digest,
        )


class Labelled(_Answer):
    label: str
    value: str


class ReceiptView(_Answer):
    """A receipt (A1) as signed, and what it says."""

    receipt: str = Field(description="The receipt as first kept: compact JWS (ES256).")
    digest: str = Field(description="Hex SHA-256 of the JWS.")
    delivery_id: str
    letter_number: str
    letter_date: date
    receive_number: str = Field(description="As printed, in Thai digits.")
    year: int
    number: int
    received: ReceivedView | None
    registered_at: datetime
    receiver: str
    receiving_agency: str
    receiving_agency_name: str
    corrects: str | None = Field(description="Hex SHA-256 of the receipt that this replaces.")
    fields: list[Labelled] = Field(description="The six fields of A1, in Thai.")
    stamp: list[str] = Field(description="Lines of the receive stamp (ตรารับ).")

    @classmethod
    def of(cls, jws: str, receipt: Receipt) -> Self:
        return cls(
            receipt=jws,
            digest=receipt.note(jws).digest,
            delivery_id=str(receipt.delivery_id),
            letter_number=receipt.letter_number,
            letter_date=receipt.letter_date,
            receive_number=receipt.printed,
            year=receipt.year,
            number=receipt.number,
            received=ReceivedView.of(receipt.received),
            registered_at=receipt.registered_at,
            receiver=receipt.receiver,
            receiving_agency=receipt.agency,
            receiving_agency_name=receipt.agency_name,
            corrects=receipt.corrects,
            fields=[Labelled(label=label, value=value) for label, value in receipt_text(receipt)],
            stamp=list(receive_stamp(receipt).lines),
        )


class RejectionView(_Answer):
    """A rejection as signed, and what it says."""

    rejection: str = Field(description="As first kept: compact JWS (ES256).")
    delivery_id: str
    reason: ReasonView
    suggested_agency: str | None
    note: str | None
    rejected_at: datetime

    @classmethod
    def of(cls, jws: str, rejection: Rejection) -> Self:
        reason = rejection.code.reason
        return cls(
            rejection=jws,
            delivery_id=str(rejection.delivery_id),
            reason=ReasonView(code=reason.code, detail=reason.detail, detail_th=reason.detail_th),
            suggested_agency=rejection.suggested_agency,
            note=rejection.note,
            rejected_at=rejection.rejected_at,
        )


def _reason(reason: Reason | None) -> ReasonView | None:
    if reason is None:
        return None
    return ReasonView(code=reason.code, detail=reason.detail, detail_th=reason.detail_th)


# -- the sender's side -------------------------------------------------------------


class ProgressView(_Answer):
    """Of the last attempt for each recipient."""

    total: int
    ended: int
    states: dict[DeliveryState, int]
    oldest_open: datetime | None = Field(description="Since when the longest waits.")

    @classmethod
    def of(cls, progress: Progress) -> Self:
        return cls(
            total=progress.total,
            ended=progress.ended,
            states=dict(progress.states),
            oldest_open=progress.oldest_open,
        )


class LetterView(_Answer):
    """A letter of the agency, and how far it is with all its recipients."""

    document_id: str
    state: DocumentState
    printed_number: str | None
    subject: str
    circular: bool
    urgency: Urgency
    act_within: datetime | None
    submitted_at: datetime
    recipients: int
    progress: ProgressView
    reason: ReasonView | None
    links: LetterLinks

    @classmethod
    def of(cls, document: Document, subject: str, progress: Progress, public_url: str) -> Self:
        return cls(
            document_id=document.document_id,
            state=document.state,
            printed_number=document.numbering.printed if document.numbering else None,
            subject=subject,
            circular=document.book.name == CIRCULAR,
            urgency=document.urgency,
            act_within=document.act_within,
            submitted_at=document.submitted_at,
            recipients=len(document.recipients),
            progress=ProgressView.of(progress),
            reason=_reason(document.reason),
            links=LetterLinks.of(document.document_id, public_url),
        )


class DeliveryLinks(_Answer):
    self: str
    letter: str
    recall: str
    dispute: str
    resend: str


class DeliveryView(_Answer):
    """One send of a letter to one agency, as its sender sees it."""

    delivery_id: str
    document_id: str
    recipient: str
    recipient_name: str
    attempt: int
    letter_number: str
    letter_date: date
    subject: str
    urgency: Urgency
    act_within: datetime | None
    circular: bool
    channel: ChannelKind
    state: DeliveryState
    planned_at: datetime
    received: ReceivedView | None
    receive_number: ReceiveNumberView | None = Field(description="The one that stands.")
    disputed: bool = Field(description="Whether a corrected number is waited for.")
    reason: ReasonView | None = Field(description="Why it was rejected, or failed.")
    suggested_agency: str | None
    tries: int
    next_try: datetime | None = Field(description="Of a delivery that no channel has taken yet.")
    reminders: int
    history: list[StepView]
    links: DeliveryLinks

    @classmethod
    def of(cls, record: DeliveryRecord, name_of: NameOf, public_url: str) -> Self:
        return cls(**_sent(record, name_of, public_url))


def _sent(record: DeliveryRecord, name_of: NameOf, public_url: str) -> dict[str, Any]:
    delivery = record.delivery
    base = f"{public_url}/v1/letters/{delivery.id.document_id}"
    own = f"{base}/deliveries/{delivery.delivery_id}"
    return {
        **_letter_facts(delivery),
        "recipient": delivery.recipient,
        "recipient_name": name_of(delivery.recipient),
        "channel": delivery.channel,
        "planned_at": delivery.planned_at,
        "reason": _reason(delivery.reason),
        "suggested_agency": delivery.suggested_agency,
        "tries": delivery.tries,
        "next_try": _next_try(delivery),
        "history": [StepView.of(step) for step in delivery.history],
        "links": DeliveryLinks(
            self=own,
            letter=base,
            recall=f"{own}/recall",
            dispute=f"{own}/dispute",
            resend=f"{own}/resend",
        ),
    }


def _next_try(delivery: Delivery) -> datetime | None:
    if delivery.state is not DeliveryState.PLANNED or not delivery.tries:
        return None
    return delivery.last("try_failed").at + delivery.budget.pause_after(delivery.tries)


def _letter_facts(delivery: Delivery) -> dict[str, Any]:
    """What both sides see of a delivery and its letter."""
    letter = delivery.letter
    return {
        "delivery_id": delivery.delivery_id,
        "document_id": letter.document_id,
        "attempt": delivery.id.attempt,
        "letter_number": letter.number,
        "letter_date": letter.dated,
        "subject": letter.subject,
        "urgency": letter.urgency,
        "act_within": letter.act_within,
        "circular": letter.circular,
        "state": delivery.state,
        "received": ReceivedView.of(delivery.received),
        "receive_number": ReceiveNumberView.of(delivery.receipt) if delivery.receipt else None,
        "disputed": delivery.disputed,
        "reminders": delivery.reminders,
    }


class DeliveryDetail(DeliveryView):
    """The same with what the recipient signed."""

    receipts: list[ReceiptView] = Field(
        description="The original, then its corrections; the last one stands."
    )
    rejection: RejectionView | None

    @classmethod
    def with_statements(
        cls,
        record: DeliveryRecord,
        name_of: NameOf,
        public_url: str,
        *,
        receipts: list[ReceiptView],
        rejection: RejectionView | None,
    ) -> Self:
        return cls(**_sent(record, name_of, public_url), receipts=receipts, rejection=rejection)


class OutboxPage(_Answer):
    items: list[DeliveryView]
    cursor: str | None = Field(description="Pass it on for the next page; null at the end.")


class DeliveryPage(OutboxPage):
    """All attempts to all recipients of a letter, by recipient."""

    document_id: str
    progress: ProgressView


class NotRecalled(_Answer):
    delivery_id: str
    recipient: str
    reason: str = Field(description="Stable word.", examples=["delivery_handed_over"])


class RecallAnswer(_Answer):
    """What became of an order to take a letter back from all who have not registered it."""

    recalled: list[str] = Field(description="Deliveries that are recalled, now or before.")
    not_recalled: list[NotRecalled]
    cursor: str | None = Field(description="Where to go on, with another request; null at the end.")

    @classmethod
    def of(cls, outcome: Recalled) -> Self:
        return cls(
            recalled=[delivery.delivery_id for delivery in outcome.recalled],
            not_recalled=[
                NotRecalled(
                    delivery_id=delivery.delivery_id, recipient=delivery.recipient, reason=reason
                )
                for delivery, reason in outcome.others
            ],
            cursor=outcome.cursor,
        )


# -- the recipient's side ------------------------------------------------------------


class TrustView(_Answer):
    """Whether the file that arrived is genuine; what is not cannot be registered."""

    trusted: bool | None = Field(description="Null while it is not checked yet.")
    indication: str | None
    reasons: list[str] = Field(description="Codes of what was found (docs/guide/verify.md).")
    checked_at: datetime | None

    @classmethod
    def of(cls, check: FileCheck | None) -> Self:
        if check is None:
            return cls(trusted=None, indication=None, reasons=[], checked_at=None)
        return cls(
            trusted=check.passed,
            indication=check.indication,
            reasons=list(check.reasons),
            checked_at=check.at,
        )


class PassingView(_Answer):
    unit: str
    by: str
    at: datetime
    note: str | None

    @classmethod
    def of(cls, passing: Passing) -> Self:
        return cls(unit=passing.unit, by=passing.by, at=passing.at, note=passing.note)


class InboxLinks(_Answer):
    self: str
    file: str | None = Field(description="Null once the sender has recalled the letter.")
    print: str | None = Field(description="A copy with the receive stamp on it.")
    receipt: str
    rejection: str
    forward: str
    evidence: str
    duplicate_of: str | None = Field(description="The delivery that brought this letter first.")


class InboxItem(_Answer):
    """One delivery, as its recipient sees it."""

    delivery_id: str
    document_id: str
    sender: str
    sender_name: str
    attempt: int
    letter_number: str
    letter_date: date
    subject: str
    urgency: Urgency
    act_within: datetime | None
    circular: bool
    state: DeliveryState
    received: ReceivedView | None
    receive_number: ReceiveNumberView | None
    disputed: bool = Field(description="The sender says that the number is wrong: correct it.")
    reminders: int
    unit: str | None = Field(description="The unit that has the letter now.")
    trust: TrustView
    duplicate_of: str | None = Field(
        description="This letter came before, with that delivery: register it once."
    )
    file_sha256: str
    links: InboxLinks

    @classmethod
    def of(cls, record: DeliveryRecord, name_of: NameOf, public_url: str) -> Self:
        return cls(**_arrived(record, name_of, public_url))


def _arrived(record: DeliveryRecord, name_of: NameOf, public_url: str) -> dict[str, Any]:
    delivery = record.delivery
    base = f"{public_url}/v1/inbox"
    own = f"{base}/{delivery.delivery_id}"
    readable = may_read_file(delivery)
    return {
        **_letter_facts(delivery),
        "sender": delivery.letter.sender,
        "sender_name": name_of(delivery.letter.sender),
        "unit": record.unit,
        "trust": TrustView.of(record.check),
        "duplicate_of": record.duplicate_of,
        "file_sha256": delivery.letter.file_digest,
        "links": InboxLinks(
            self=own,
            file=f"{own}/file" if readable else None,
            print=f"{own}/print" if readable else None,
            receipt=f"{own}/receipt",
            rejection=f"{own}/rejection",
            forward=f"{own}/forward",
            evidence=f"{public_url}/v1/documents/{delivery.id.document_id}/evidence",
            duplicate_of=f"{base}/{record.duplicate_of}" if record.duplicate_of else None,
        ),
    }


class LetterStanding(_Answer):
    """What the letter is worth now: its sender may have revoked it since (เพิกถอน)."""

    standing: Standing
    since: datetime | None


class InboxDetail(InboxItem):
    """The same with the receipt and the stamp, or the rejection, and where it went."""

    standing: LetterStanding
    receipts: list[ReceiptView] = Field(
        description="The original, then its corrections; the last one stands."
    )
    rejection: RejectionView | None
    passed_on: list[PassingView]
    history: list[StepView]

    @classmethod
    def with_statements(
        cls,
        record: DeliveryRecord,
        name_of: NameOf,
        public_url: str,
        *,
        standing: StandingNow,
        receipts: list[ReceiptView],
        rejection: RejectionView | None,
    ) -> Self:
        return cls(
            **_arrived(record, name_of, public_url),
            standing=LetterStanding(standing=standing.standing, since=standing.since),
            receipts=receipts,
            rejection=rejection,
            passed_on=[PassingView.of(passing) for passing in record.passed_on],
            history=[
                StepView.of(step)
                for step in record.delivery.history
                if step.state not in {DeliveryState.PLANNED, DeliveryState.RELAYED}
            ],
        )


class InboxPage(_Answer):
    items: list[InboxItem]
    cursor: str | None = Field(description="Pass it on for the next page; null at the end.")


class PrintedCopy(_Answer):
    """A copy to print, for clients that do not ask for application/pdf."""

    delivery_id: str
    media_type: Literal["application/pdf"] = "application/pdf"
    pdf_base64: str
