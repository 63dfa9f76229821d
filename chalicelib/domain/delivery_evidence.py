"""Evidence of what happened to a delivery: signed events in a chain (ETSI EN 319 522, P5).

Each event is canonical JSON, signed by Tra as compact JWS (ES256). It names its predecessor
by the SHA-256 of that JWS; the first one names the letter's sealed file. So whoever holds the
last event of a delivery can tell whether he was shown all of them, unchanged, in order.

Evidence tells agencies, numbers, digests and times. The name of the officer who received a
letter stands in the receipt alone (A1); what an agency signed itself (receipt, rejection) is
a statement of its own, and evidence names it by digest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.deliveries import Delivery, DeliveryId, Moved, Step
from chalicelib.domain.delivery_events import ReceiptNote, Received
from chalicelib.domain.erds import DeliveryState, EventName
from chalicelib.domain.statements import (
    Fields,
    StatementError,
    jws_digest,
    read_statement,
    to_the_millisecond,
    write_digest,
    write_instant,
)

TYPE = "tra.delivery-evidence.v1"

_BY_SENDER = frozenset({EventName.RECALL, EventName.INVALID_ACCEPT_ID})
_BY_RECIPIENT = frozenset(
    {
        EventName.CONTENT_HANDOVER,
        EventName.CONTENT_HANDOVER_FAILURE,
        EventName.CONSIGNMENT_REJECTION,
        EventName.CORRECTED_ACCEPT_ID,
    }
)
_WITH_RECEIVED = frozenset(
    {
        EventName.CONTENT_CONSIGNMENT,
        EventName.CONTENT_HANDOVER,
        EventName.CONTENT_HANDOVER_FAILURE,
        EventName.CONSIGNMENT_REJECTION,
    }
)
_WITH_NUMBER = frozenset(
    {EventName.CONTENT_HANDOVER, EventName.INVALID_ACCEPT_ID, EventName.CORRECTED_ACCEPT_ID}
)
_WITH_REASON = frozenset(
    {
        EventName.SUBMISSION_REJECTION,
        EventName.RELAY_REJECTION,
        EventName.RELAY_FAILURE,
        EventName.CONTENT_CONSIGNMENT_FAILURE,
        EventName.CONTENT_HANDOVER_FAILURE,
        EventName.CONSIGNMENT_REJECTION,
    }
)
_WITH_STATEMENT = frozenset(
    {
        EventName.CONTENT_HANDOVER,
        EventName.CORRECTED_ACCEPT_ID,
        EventName.CONSIGNMENT_REJECTION,
    }
)

_MOST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One event as signed. `seq` counts from 0; `previous` and `statement` are hex SHA-256.
    `at`: when the service knew of it; `received`: when the letter came, which may be earlier.
    `by` is the agency that did it; None: the service."""

    issuer: str
    event: EventName
    seq: int
    delivery_id: DeliveryId
    sender: str
    letter_number: str
    letter_date: date
    file_digest: str
    at: datetime
    by: str | None = None
    received: Received | None = None
    receive_number: tuple[int, int, str] | None = None
    reason: str | None = None
    suggested_agency: str | None = None
    statement: str | None = None
    previous: str

    @property
    def event_id(self) -> str:
        """Stable over repeats: a place in a chain is one event."""
        return f"{self.delivery_id}.{self.seq}"

    def payload(self) -> bytes:
        """Canonical JSON, to be signed."""
        return canonical_json(
            {
                "type": TYPE,
                "iss": self.issuer,
                "event_id": self.event_id,
                "event": self.event.value,
                "event_uri": self.event.uri,
                "seq": self.seq,
                "previous": write_digest(self.previous),
                "delivery_id": str(self.delivery_id),
                "document_id": self.delivery_id.document_id,
                "letter_number": self.letter_number,
                "letter_date": self.letter_date.isoformat(),
                "file_digest": write_digest(self.file_digest),
                "sender": self.sender,
                "recipient": self.delivery_id.recipient,
                "at": write_instant(self.at),
                "by": self.by,
                "received": write_received(self.received) if self.received else None,
                "receive_number": write_number(self.receive_number),
                "reason": self.reason,
                "suggested_agency": self.suggested_agency,
                "statement": write_digest(self.statement) if self.statement else None,
            }
        )

    @classmethod
    def read(cls, payload: bytes) -> Evidence:
        """Read what `payload` wrote. Raises StatementError for anything else."""
        fields = read_statement(payload, TYPE)
        received = fields.object_or_none("received")
        evidence = cls(
            issuer=fields.text("iss", _MOST_TEXT),
            event=_event_name(fields),
            seq=fields.count("seq", least=0),
            delivery_id=_delivery_id(fields),
            sender=fields.text("sender", _MOST_TEXT),
            letter_number=fields.text("letter_number", _MOST_TEXT),
            letter_date=fields.day("letter_date"),
            file_digest=fields.digest("file_digest"),
            at=fields.instant("at"),
            by=fields.text_or_none("by", _MOST_TEXT),
            received=read_received(received) if received else None,
            receive_number=_read_number(fields.object_or_none("receive_number")),
            reason=fields.text_or_none("reason", _MOST_TEXT),
            suggested_agency=fields.text_or_none("suggested_agency", _MOST_TEXT),
            statement=fields.digest_or_none("statement"),
            previous=fields.digest("previous"),
        )
        # Signed once, spelled once: what reads the same and is spelled otherwise is not Tra's.
        if evidence.payload() != payload:
            raise StatementError("")
        return evidence


def as_told(received: Received) -> Received:
    """To the millisecond, as a statement tells it: what is kept equals what was signed."""
    counted = received.counted_at
    return Received(
        to_the_millisecond(received.entered_at), to_the_millisecond(counted) if counted else None
    )


def write_received(received: Received) -> dict[str, str | None]:
    """Both times of E2 as statements spell them."""
    counted = received.counted_at
    return {
        "entered_at": write_instant(received.entered_at),
        "counted_at": write_instant(counted) if counted else None,
    }


def read_received(fields: Fields) -> Received:
    """Raises StatementError, also where the second time lies before the first."""
    entered, counted = fields.instant("entered_at"), fields.instant_or_none("counted_at")
    try:
        return Received(entered, counted)
    except ValueError as error:
        raise StatementError("received/counted_at") from error


def write_number(number: tuple[int, int, str] | None) -> dict[str, Any] | None:
    if number is None:
        return None
    return dict(zip(("year", "number", "printed"), number, strict=True))


def _event_name(fields: Fields) -> EventName:
    try:
        return EventName(fields.text("event", _MOST_TEXT))
    except ValueError as error:
        raise StatementError("event") from error


def _delivery_id(fields: Fields) -> DeliveryId:
    try:
        return DeliveryId.parse(fields.text("delivery_id", _MOST_TEXT))
    except ValueError as error:
        raise StatementError("delivery_id") from error


def _read_number(fields: Fields | None) -> tuple[int, int, str] | None:
    if fields is None:
        return None
    return fields.count("year"), fields.count("number"), fields.text("printed", _MOST_TEXT)


# -- giving it -----------------------------------------------------------------


def give_evidence(
    moved: Moved, *, issuer: str, sign: Callable[[bytes], str]
) -> tuple[Delivery, tuple[str, ...]]:
    """The delivery with its chain grown, and the new JWSs in order, to be written in the same
    transaction as the delivery.

    `sign` makes a compact JWS of a payload. A signature that lost against another writer is
    thrown away: only what the transaction wrote is evidence.
    """
    delivery, jwss = moved.delivery, []
    for event in moved.events:
        jws = sign(next_evidence(delivery, event, issuer=issuer).payload())
        delivery = delivery.chained(jws_digest(jws))
        jwss.append(jws)
    return delivery, tuple(jwss)


def next_evidence(delivery: Delivery, event: EventName, *, issuer: str) -> Evidence:
    """Evidence of `event`, which has just happened to `delivery` (as `Moved` gave both)."""
    rejected = event is EventName.CONSIGNMENT_REJECTION
    return Evidence(
        issuer=issuer,
        event=event,
        seq=delivery.evidence_count,
        delivery_id=delivery.id,
        sender=delivery.letter.sender,
        letter_number=delivery.letter.number,
        letter_date=delivery.letter.dated,
        file_digest=delivery.letter.file_digest,
        at=delivery.changed_at,
        by=_by(delivery, event),
        received=delivery.received if event in _WITH_RECEIVED else None,
        receive_number=number_of(delivery.receipt) if event in _WITH_NUMBER else None,
        reason=delivery.reason.code if delivery.reason and event in _WITH_REASON else None,
        suggested_agency=delivery.suggested_agency if rejected else None,
        statement=delivery.statement if event in _WITH_STATEMENT else None,
        previous=delivery.evidence_end,
    )


def evidence_place(delivery: Delivery, key: str) -> int:
    """Where in the chain the evidence of a step lies (its `key` as in the history); the last of
    it, where an answer gave evidence of the arrival as well.

    Raises ValueError if this never happened or gave no evidence.
    """
    place, before = -1, None
    for step in delivery.history:
        events = _events_of(step, before, refused=delivery.knows("refused"))
        place += events
        if step.key == key and events:
            return place
        before = step.state
    raise ValueError("the delivery has no evidence of this")


def _events_of(step: Step, before: DeliveryState | None, *, refused: bool) -> int:
    """How many events of evidence a step gave, as `happen` decided."""
    name = step.key.partition("/")[0]
    if name in _ANSWERS:
        return 1 if before is DeliveryState.CONSIGNED else 2
    if name == "planned":
        return 0 if refused else 1
    if name == "try_failed":
        return int(step.state is DeliveryState.FAILED)
    return int(name != "counted")


_ANSWERS = frozenset({"handed_over", "rejected", "not_handed_over"})
"""Who answers has the letter: the arrival is evidenced with it, if it was not before."""


def _by(delivery: Delivery, event: EventName) -> str | None:
    if event in _BY_SENDER:
        return delivery.letter.sender
    return delivery.recipient if event in _BY_RECIPIENT else None


def number_of(receipt: ReceiptNote | None) -> tuple[int, int, str] | None:
    return None if receipt is None else (receipt.year, receipt.number, receipt.printed)
