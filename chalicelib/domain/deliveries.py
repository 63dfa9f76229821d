"""Deliveries: one letter on its way to one agency, with exactly one outcome (P5).

`happen` is the only way a delivery changes, and it is total: whatever comes, in whatever
order and however often, the answer is a next delivery, "already so" (what stands, stands),
or "impossible" with the reason. It knows no clock: each event carries its time. So the
same events in the same order give the same delivery, on any machine, on any day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.delivery_events import (
    Consigned,
    Counted,
    DeliveryEvent,
    GaveUp,
    HandedOver,
    NotConsigned,
    NotHandedOver,
    NumberCorrected,
    NumberDisputed,
    Recalled,
    ReceiptNote,
    Received,
    Rejected,
    Relayed,
    RelayRefused,
    Reminded,
    TryFailed,
    key_of,
)
from chalicelib.domain.documents import Classification, Document, Reason, Urgency
from chalicelib.domain.erds import DeliveryState, EventName
from chalicelib.domain.errors import ResendRefusedError
from chalicelib.domain.registers import CIRCULAR
from chalicelib.domain.secrecy import SecretContext
from chalicelib.domain.thai import in_bangkok

FAILING_STEPS = (
    "refused",
    "try_failed",
    "relay_refused",
    "not_consigned",
    "gave_up",
    "not_handed_over",
)
"""Names of the steps that can end a delivery as failed."""

MOST_CORRECTIONS = 5
"""A receive-register number may be disputed and corrected so often; then people must talk."""


@dataclass(frozen=True, slots=True)
class DeliveryId:
    """Which letter, to whom, and which attempt; the same three give the same id for ever, so
    planning a delivery twice makes one. Printed `<document id>.<agency>.<attempt>`."""

    document_id: str
    recipient: str
    attempt: int = 1

    def __post_init__(self) -> None:
        parts = (self.document_id, self.recipient)
        if not all(part and "." not in part for part in parts) or self.attempt < 1:
            raise ValueError("a delivery is of a document, to an agency, attempted once or more")

    def __str__(self) -> str:
        return f"{self.document_id}.{self.recipient}.{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> DeliveryId:
        """Read a printed id. Raises ValueError unless it prints back the same."""
        document_id, recipient, attempt = text.split(".")
        read = cls(document_id, recipient, int(attempt))
        if str(read) != text:
            raise ValueError("a delivery id is written in one way")
        return read


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLetter:
    """What identifies an issued letter to everybody: its number as printed, its date (in
    Asia/Bangkok) and the digest (hex SHA-256) of its sealed file.

    `subject` and `urgency` are what lists show of it, and when it is reminded of; `act_within`
    is the time of "ด่วนภายใน". They stay in the table: neither evidence nor messages tell them.
    A classified letter is registered in books of its own (A13), and what is kept of its
    deliveries lies encrypted.
    `retain_until` is how long the letter is locked, and what lies beside it (B9).
    """

    document_id: str
    sender: str
    number: str
    dated: date
    file_digest: str
    circular: bool = False
    subject: str = ""
    urgency: Urgency = Urgency.ROUTINE
    act_within: datetime | None = None
    retain_until: datetime | None = None
    classification: Classification = Classification.NORMAL

    @property
    def is_classified(self) -> bool:
        return self.classification is not Classification.NORMAL

    def secrecy(self, purpose: str) -> SecretContext | None:
        """What a part of it, or of a delivery of it, is encrypted for; None if it is not
        classified."""
        if not self.is_classified:
            return None
        return SecretContext(
            document_id=self.document_id,
            agency_id=self.sender,
            classification=self.classification,
            purpose=purpose,
        )

    @classmethod
    def of(cls, document: Document, *, subject: str = "") -> SentLetter:
        """Raises ValueError unless the letter is issued: nothing leaves before it is safe (P3)."""
        numbering, file = document.numbering, document.file
        if numbering is None or file is None:
            raise ValueError("only an issued letter can be sent (P3)")
        return cls(
            document_id=document.document_id,
            sender=document.agency_id,
            number=numbering.printed,
            dated=in_bangkok(numbering.dated or numbering.numbered_at).date(),
            file_digest=file.sha256,
            circular=document.book.name == CIRCULAR,
            subject=subject,
            urgency=document.urgency,
            act_within=document.act_within,
            retain_until=file.retain_until,
            classification=document.classification,
        )


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How often, and until when, a channel is tried before the sender is told that it failed
    (A5). Pauses double, from a minute to six hours."""

    give_up_at: datetime
    most_tries: int = 12

    def __post_init__(self) -> None:
        if self.most_tries < 1:
            raise ValueError("a delivery is tried at least once")

    @classmethod
    def lasting(cls, time: timedelta, *, since: datetime) -> RetryBudget:
        """As many tries as fit into `time` with their pauses: it is the time that decides."""
        tries, waited = 1, timedelta(0)
        while waited < time:
            waited += cls.pause_after(tries)
            tries += 1
        return cls(since + time, tries)

    def spent(self, tries: int, at: datetime) -> bool:
        return tries >= self.most_tries or at >= self.give_up_at

    @staticmethod
    def pause_after(tries: int) -> timedelta:
        """How long to wait after so many failed tries."""
        doublings = min(max(tries, 1) - 1, _MOST_DOUBLINGS)
        return min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)


_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=6)
_MOST_DOUBLINGS = 10


# -- a delivery ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a delivery's history: what happened, when, and where that led. `key` names
    the event so that it is known again when it comes twice. `at` never lies before the step
    before it, though clocks differ: a history that goes backwards convinces nobody."""

    key: str
    at: datetime
    state: DeliveryState
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One send of one issued letter to one agency.

    `received` is fixed once and never changes (A20), but that the working time it counts as
    may be found later. `receipts`: the original, then its
    corrections; the last one stands. `disputed`: the sender waits for a correction.
    `evidence_count` and `evidence_end` say how far the chain of signed evidence goes: how
    many, and what the next one must name as its predecessor (hex SHA-256; of the letter's
    sealed file while there is none).
    """

    id: DeliveryId
    letter: SentLetter
    channel: ChannelKind
    budget: RetryBudget
    planned_at: datetime
    state: DeliveryState
    tries: int = 0
    reminders: int = 0
    received: Received | None = None
    receipts: tuple[ReceiptNote, ...] = ()
    disputed: bool = False
    reason: Reason | None = None
    suggested_agency: str | None = None
    statement: str | None = None
    history: tuple[Step, ...] = ()
    evidence_count: int = 0
    evidence_end: str

    @property
    def delivery_id(self) -> str:
        return str(self.id)

    @property
    def recipient(self) -> str:
        return self.id.recipient

    @property
    def receipt(self) -> ReceiptNote | None:
        """The receipt that stands."""
        return self.receipts[-1] if self.receipts else None

    @property
    def changed_at(self) -> datetime:
        """When it last changed."""
        return self.history[-1].at

    @property
    def waits_since(self) -> datetime:
        """When it came into the state it is in."""
        since = self.changed_at
        for step in reversed(self.history):
            if step.state is not self.state:
                break
            since = step.at
        return since

    def knows(self, key: str) -> bool:
        """Whether this event is in the history."""
        return any(step.key == key for step in self.history)

    def last(self, *names: str) -> Step:
        """The last step of one of these kinds (the part of its key before the slash). Raises
        ValueError if there is none."""
        for step in reversed(self.history):
            if step.key.partition("/")[0] in names:
                return step
        raise ValueError("this never happened to the delivery")

    def chained(self, digest: str) -> Delivery:
        """With one more piece of evidence, whose JWS has this SHA-256 (hex)."""
        return replace(self, evidence_count=self.evidence_count + 1, evidence_end=digest)


class Why(StrEnum):
    """Why something cannot happen to a delivery; stable words, told to whoever sent it."""

    FAILED = "delivery_failed"
    REJECTED = "delivery_rejected"
    RECALLED = "delivery_recalled"
    HANDED_OVER = "delivery_handed_over"
    OTHER_RECEIPT = "other_receipt"
    OTHER_ANSWER = "other_answer"
    ARRIVED = "already_arrived"
    NOT_ARRIVED = "not_arrived"
    NOT_DUE = "not_due"
    OUT_OF_TURN = "out_of_turn"
    NOT_HANDED_OVER = "not_handed_over"
    NO_SUCH_RECEIPT = "no_such_receipt"
    NOT_DISPUTED = "not_disputed"
    SAME_NUMBER = "same_number"
    TOO_MANY_CORRECTIONS = "too_many_corrections"
    PASSED_ON_TOO_OFTEN = "passed_on_too_often"


@dataclass(frozen=True, slots=True)
class Moved:
    """The delivery as it is next, and the events to give evidence of, in order. Passing
    failures give none: they are told by the history."""

    delivery: Delivery
    events: tuple[EventName, ...]


@dataclass(frozen=True, slots=True)
class AlreadySo:
    """Nothing changes: it came before, or something came that includes it. Who asks gets
    what stands: the original evidence, the original receipt (P5)."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Impossible:
    """Nothing changes, and what was told is not so. Refuse it, and keep it if somebody signed
    it."""

    delivery: Delivery
    why: Why


Result = Moved | AlreadySo | Impossible


# -- the beginning -----------------------------------------------------------------


def plan(
    letter: SentLetter,
    recipient: str,
    channel: ChannelKind,
    *,
    at: datetime,
    budget: RetryBudget,
    attempt: int = 1,
) -> Moved:
    """A delivery at its beginning. Same letter, recipient and attempt, same id."""
    delivery = _begun(
        DeliveryId(letter.document_id, recipient, attempt), letter, channel, budget, at
    )
    return Moved(delivery, (EventName.SUBMISSION_ACCEPTANCE,))


def refuse(
    letter: SentLetter,
    recipient: str,
    channel: ChannelKind,
    *,
    at: datetime,
    budget: RetryBudget,
    reason: Reason,
) -> Moved:
    """A delivery that cannot even begin (the agency left the directory, its channel may not
    carry this classification): it ends as failed at once, and the sender sees why (A5, A23)."""
    begun = _begun(DeliveryId(letter.document_id, recipient), letter, channel, budget, at)
    failed = _ended(begun, DeliveryState.FAILED, "refused", at, reason)
    return Moved(failed, (EventName.SUBMISSION_REJECTION,))


def resend(
    ended: Delivery, *, at: datetime, budget: RetryBudget, channel: ChannelKind | None = None
) -> Moved:
    """The same letter to the same agency again, as a delivery of its own.

    Raises ResendRefusedError unless `ended` was rejected or failed.
    """
    if ended.state not in {DeliveryState.REJECTED, DeliveryState.FAILED}:
        raise ResendRefusedError(
            "Only a delivery that was rejected or failed can be sent again.",
            "ส่งซ้ำได้เฉพาะรายการที่ถูกปฏิเสธหรือส่งไม่สำเร็จเท่านั้น",
        )
    return plan(
        ended.letter,
        ended.recipient,
        channel or ended.channel,
        at=at,
        budget=budget,
        attempt=ended.id.attempt + 1,
    )


def _begun(
    delivery_id: DeliveryId,
    letter: SentLetter,
    channel: ChannelKind,
    budget: RetryBudget,
    at: datetime,
) -> Delivery:
    return Delivery(
        id=delivery_id,
        letter=letter,
        channel=channel,
        budget=budget,
        planned_at=at,
        state=DeliveryState.PLANNED,
        history=(Step(key="planned", at=at, state=DeliveryState.PLANNED),),
        evidence_end=letter.file_digest,
    )


# -- the way on ----------------------------------------------------------------------


_ON_THE_WAY = frozenset({DeliveryState.PLANNED, DeliveryState.RELAYED})
_OPEN = _ON_THE_WAY | {DeliveryState.CONSIGNED}
_BY_THE_RECIPIENT = frozenset(
    {DeliveryState.CONSIGNED, DeliveryState.HANDED_OVER, DeliveryState.REJECTED}
)
"""States of a letter that is in the recipient's system."""

_WHY_ENDED = {
    DeliveryState.FAILED: Why.FAILED,
    DeliveryState.REJECTED: Why.REJECTED,
    DeliveryState.RECALLED: Why.RECALLED,
    DeliveryState.HANDED_OVER: Why.HANDED_OVER,
}


def why_ended(delivery: Delivery) -> Why | None:
    """Why nothing more can become of it; None while it has no outcome."""
    return _WHY_ENDED.get(delivery.state)


def happen(delivery: Delivery, event: DeliveryEvent) -> Result:
    """What `event` does to `delivery`.

    Raises nothing. Guarantees: an ended delivery stays in its state; an event that moved a
    delivery is "already so" ever after; time of arrival and receipts are never overwritten.
    """
    if delivery.knows(key_of(event)):
        return AlreadySo(delivery)
    result: Result
    match event:
        case Relayed() | Consigned():
            result = _go_on(delivery, event)
        case TryFailed() | RelayRefused() | NotConsigned() | GaveUp():
            result = _fall_short(delivery, event)
        case HandedOver() | Rejected() | NotHandedOver():
            result = _be_answered(delivery, event)
        case Counted():
            result = _be_counted(delivery, event)
        case Reminded():
            result = _be_reminded(delivery, event)
        case Recalled():
            result = _be_recalled(delivery, event)
        case NumberDisputed():
            result = _be_disputed(delivery, event)
        case NumberCorrected():
            result = _be_corrected(delivery, event)
        case _:
            assert_never(event)
    return result


def _go_on(delivery: Delivery, event: Relayed | Consigned) -> Result:
    if delivery.state in _BY_THE_RECIPIENT:
        return AlreadySo(delivery)
    if delivery.state.ended:
        return Impossible(delivery, _WHY_ENDED[delivery.state])
    if isinstance(event, Consigned):
        return Moved(
            _stepped(
                replace(delivery, received=event.received),
                DeliveryState.CONSIGNED,
                key_of(event),
                event.at,
            ),
            (EventName.CONTENT_CONSIGNMENT,),
        )
    # A relayed one knows the key already, so this one is planned.
    relayed = _stepped(delivery, DeliveryState.RELAYED, key_of(event), event.at)
    return Moved(relayed, (EventName.RELAY_ACCEPTANCE,))


def _fall_short(
    delivery: Delivery, event: TryFailed | RelayRefused | NotConsigned | GaveUp
) -> Result:
    """It did not get there: only what has not arrived can still fail to."""
    if delivery.state.ended:
        return Impossible(delivery, _WHY_ENDED[delivery.state])
    if delivery.state not in _ON_THE_WAY:
        return Impossible(delivery, Why.ARRIVED)
    relayed = delivery.state is DeliveryState.RELAYED
    match event:
        case TryFailed():
            return _fail_a_try(delivery, event)
        case RelayRefused():
            name = EventName.RELAY_REJECTION
            if relayed:
                return Impossible(delivery, Why.OUT_OF_TURN)
        case NotConsigned():
            name = EventName.CONTENT_CONSIGNMENT_FAILURE
        case GaveUp():
            name = EventName.CONTENT_CONSIGNMENT_FAILURE if relayed else EventName.RELAY_FAILURE
            if event.at < delivery.budget.give_up_at:
                return Impossible(delivery, Why.NOT_DUE)
        case _:
            assert_never(event)
    failed = _ended(delivery, DeliveryState.FAILED, key_of(event), event.at, event.reason)
    return Moved(failed, (name,))


def _fail_a_try(delivery: Delivery, event: TryFailed) -> Result:
    if delivery.state is DeliveryState.RELAYED or event.no != delivery.tries + 1:
        return Impossible(delivery, Why.OUT_OF_TURN)
    tried = replace(delivery, tries=event.no)
    if delivery.budget.spent(event.no, event.at):
        failed = _ended(tried, DeliveryState.FAILED, key_of(event), event.at, event.reason)
        return Moved(failed, (EventName.RELAY_FAILURE,))
    return Moved(_stepped(tried, tried.state, key_of(event), event.at, event.reason), ())


def _be_answered(delivery: Delivery, event: HandedOver | Rejected | NotHandedOver) -> Result:
    """The recipient's own word. It may come before ours that the letter arrived (the channel
    took it, and we died before we wrote so): then it proves the arrival as well."""
    if delivery.state.ended:
        return Impossible(delivery, _why_no_answer(delivery, event))
    told = event.receipt.received if isinstance(event, HandedOver) else event.received
    arrived = replace(delivery, received=delivery.received or told)
    implied = (EventName.CONTENT_CONSIGNMENT,) if delivery.state in _ON_THE_WAY else ()
    key = key_of(event)
    match event:
        case HandedOver():
            registered = replace(arrived, receipts=(event.receipt,), statement=event.receipt.digest)
            ended = _stepped(registered, DeliveryState.HANDED_OVER, key, event.at)
            name = EventName.CONTENT_HANDOVER
        case Rejected():
            refused = replace(
                arrived, suggested_agency=event.suggested_agency, statement=event.digest
            )
            ended = _ended(refused, DeliveryState.REJECTED, key, event.at, event.reason)
            name = EventName.CONSIGNMENT_REJECTION
        case NotHandedOver():
            ended = _ended(arrived, DeliveryState.FAILED, key, event.at, event.reason)
            name = EventName.CONTENT_HANDOVER_FAILURE
        case _:
            assert_never(event)
    return Moved(ended, (*implied, name))


def _why_no_answer(delivery: Delivery, event: HandedOver | Rejected | NotHandedOver) -> Why:
    if delivery.state is DeliveryState.HANDED_OVER and isinstance(event, HandedOver):
        return Why.OTHER_RECEIPT
    if delivery.state is DeliveryState.REJECTED and isinstance(event, Rejected):
        return Why.OTHER_ANSWER
    return _WHY_ENDED[delivery.state]


def _be_counted(delivery: Delivery, event: Counted) -> Result:
    """However the delivery ended: when it came stays a question."""
    if delivery.received is None:
        return Impossible(delivery, Why.NOT_ARRIVED)
    if delivery.received.counted_at is not None:
        return AlreadySo(delivery)
    entered = delivery.received.entered_at
    if event.counted_at < entered:
        return Impossible(delivery, Why.OUT_OF_TURN)
    counted = replace(delivery, received=Received(entered, event.counted_at))
    return Moved(_stepped(counted, delivery.state, key_of(event), event.at), ())


def _be_reminded(delivery: Delivery, event: Reminded) -> Result:
    if delivery.state.ended:
        return Impossible(delivery, _WHY_ENDED[delivery.state])
    if delivery.state is not DeliveryState.CONSIGNED:
        return Impossible(delivery, Why.NOT_ARRIVED)
    if event.no != delivery.reminders + 1:
        return Impossible(delivery, Why.OUT_OF_TURN)
    reminded = replace(delivery, reminders=event.no)
    return Moved(
        _stepped(reminded, delivery.state, key_of(event), event.at),
        (EventName.CONSIGNMENT_NOTIFICATION,),
    )


def _be_recalled(delivery: Delivery, event: Recalled) -> Result:
    if delivery.state not in _OPEN:
        return Impossible(delivery, _WHY_ENDED[delivery.state])
    recalled = _stepped(delivery, DeliveryState.RECALLED, key_of(event), event.at)
    return Moved(recalled, (EventName.RECALL,))


def _be_disputed(delivery: Delivery, event: NumberDisputed) -> Result:
    if delivery.receipt is None:
        return Impossible(delivery, Why.NOT_HANDED_OVER)
    if delivery.receipt.place != event.place:
        return Impossible(delivery, Why.NO_SUCH_RECEIPT)
    if len(delivery.receipts) > MOST_CORRECTIONS:
        return Impossible(delivery, Why.TOO_MANY_CORRECTIONS)
    disputed = replace(delivery, disputed=True)
    return Moved(
        _stepped(disputed, delivery.state, key_of(event), event.at), (EventName.INVALID_ACCEPT_ID,)
    )


def _be_corrected(delivery: Delivery, event: NumberCorrected) -> Result:
    if delivery.receipt is None:
        return Impossible(delivery, Why.NOT_HANDED_OVER)
    if not delivery.disputed:
        return Impossible(delivery, Why.NOT_DISPUTED)
    if event.receipt.place in {receipt.place for receipt in delivery.receipts}:
        return Impossible(delivery, Why.SAME_NUMBER)
    corrected = replace(
        delivery,
        receipts=(*delivery.receipts, event.receipt),
        disputed=False,
        statement=event.receipt.digest,
    )
    return Moved(
        _stepped(corrected, delivery.state, key_of(event), event.at),
        (EventName.CORRECTED_ACCEPT_ID,),
    )


def _stepped(
    delivery: Delivery,
    state: DeliveryState,
    key: str,
    at: datetime,
    reason: Reason | None = None,
) -> Delivery:
    step = Step(key=key, at=max(at, delivery.changed_at), state=state, reason=reason)
    return replace(delivery, state=state, history=(*delivery.history, step))


def _ended(
    delivery: Delivery, state: DeliveryState, key: str, at: datetime, reason: Reason
) -> Delivery:
    return _stepped(replace(delivery, reason=reason), state, key, at, reason)


# -- many deliveries of one letter ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outline:
    """As much of a delivery as progress is made of."""

    id: DeliveryId
    state: DeliveryState
    planned_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a letter to many agencies is. `oldest_open`: since when the longest waits."""

    total: int
    states: Mapping[DeliveryState, int]
    oldest_open: datetime | None

    @property
    def ended(self) -> int:
        return sum(count for state, count in self.states.items() if state.ended)

    @classmethod
    def of(cls, deliveries: Iterable[Delivery | Outline]) -> Progress:
        """Counts the last attempt for each recipient: what became of it in the end."""
        last: dict[str, Delivery | Outline] = {}
        for delivery in deliveries:
            known = last.get(delivery.id.recipient)
            if known is None or known.id.attempt < delivery.id.attempt:
                last[delivery.id.recipient] = delivery
        waiting = [d.planned_at for d in last.values() if not d.state.ended]
        return cls(
            total=len(last),
            states=Counter(delivery.state for delivery in last.values()),
            oldest_open=min(waiting, default=None),
        )
