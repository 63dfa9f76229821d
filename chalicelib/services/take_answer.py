"""Take an answer: a receipt or rejection that an agency's own system signed (issue 6.3, 6.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.delivery_records import DeliveryRecord, RefusedAnswer
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import (
    AnswerRefusedError,
    DeliveryMovedError,
    EvidenceSignatureError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.receipt_judgement import (
    Accepted,
    Duplicate,
    Judgement,
    Refusal,
    Refused,
    Signed,
    judge_receipt,
    judge_rejection,
)
from chalicelib.domain.receipts import RECEIPT, REJECTION, Receipt
from chalicelib.domain.statements import (
    StatementError,
    claimed_payload,
    jws_kid,
    read_statement,
)
from chalicelib.ports import Directory
from chalicelib.services.delivery_steps import DeliveryRoom, go_on, signed

# A conflict means that somebody else moved the same delivery at the same moment.
_TRIES = 6

_LONGEST_ID = 200

CheckJws = Callable[[str, Mapping[str, Any]], bytes]
"""The payload of a compact JWS by one of the keys of a JWK Set, ES256 alone. Raises
EvidenceSignatureError."""


class AnswerKind(StrEnum):
    """What an agency's own system may answer."""

    RECEIPT = "receipt"
    REJECTION = "rejection"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRoom:
    """Collaborators of `take_answer`."""

    delivering: DeliveryRoom
    check_jws: CheckJws


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The statement that stands, as first kept, and its delivery. `new`: it came with this
    answer."""

    jws: str
    delivery: Delivery
    new: bool


def take_answer(
    jws: str,
    kind: AnswerKind,
    *,
    delivery_id: DeliveryId | None = None,
    brought_by: str | None = None,
    room: AnswerRoom,
) -> Answered:
    """Believe an answer, know it again, or refuse it and keep it as evidence (P5).

    `delivery_id` is the delivery it was handed in for; None: the one that it claims itself.
    `brought_by` is the agency whose token brought it; None from the reply queue.

    Repeatable: said before, the answer is the statement as first kept, byte for byte. Raises
    NotFoundError if there is no such delivery, AnswerRefusedError, UnavailableError. Dies
    before the write: it comes again; after it: it is a duplicate then.
    """
    # 1. What it is about. What is not spelled as a signed statement is not kept.
    claimed = _read_claimed(jws)
    if delivery_id is None:
        delivery_id = _claimed_delivery(claimed, kind)
    for attempt in range(_TRIES):
        record = room.delivering.deliveries.get(delivery_id)
        if record is None:
            raise NotFoundError
        # 2. Judge it against the delivery as it is now.
        judgement = _judged(jws, kind, record.delivery, room)
        match judgement:
            case Refused():
                # 3a. Keep what is not believed.
                raise _refused(jws, judgement, record, brought_by, room)
            case Duplicate():
                # 3b. What stands, stands.
                return _original(jws, kind, record, room)
            case Accepted():
                # 3c. State, evidence and statement in ONE transaction.
                change = signed(
                    record.delivery, judgement.moved, room=room.delivering, statement=jws
                )
                try:
                    room.delivering.deliveries.write(change)
                except DeliveryMovedError:
                    room.delivering.pause(attempt)
                    continue
                # 4. The sender is told by `dispatch`.
                go_on(delivery_id, room=room.delivering)
                return Answered(jws=jws, delivery=change.delivery, new=True)
            case _:
                assert_never(judgement)
    message = "Others work on this delivery at the same time; repeat the request."
    raise UnavailableError(message)


def signer_of(directory: Directory, check_jws: CheckJws, *, expected: str) -> Signed:
    """Whose key signed a JWS: looked up in the directory by the `kid` it names, never taken
    from the JWS itself (RFC 8725 §3). The `expected` agency's keys are tried first, so that no
    other agency can make its receipts its own by putting the same key into the directory."""

    def signer(jws: str) -> tuple[str, bytes]:
        # Whoever names no key would have all keys of all agencies tried.
        kid = jws_kid(jws)
        for agency in _agencies(directory, expected) if kid else ():
            keys = [key for key in _usable(agency.reply_keys) if key["kid"] == kid]
            if not keys:
                continue
            try:
                return agency.agency_id, check_jws(jws, {"keys": keys})
            except EvidenceSignatureError:
                continue
        raise EvidenceSignatureError(
            "No agency in the directory has the key that signed this.",
            "ไม่มีหน่วยงานใดในทะเบียนหน่วยงานมีกุญแจที่ลงนามนี้",
        )

    return signer


def _agencies(directory: Directory, first: str) -> Iterator[Agency]:
    expected = directory.agency(first)
    if expected is not None:
        yield expected
    yield from (agency for agency in directory.agencies() if agency.agency_id != first)


def _usable(keys: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """P-256 with a name: no other kind of key takes part (ES256, RFC 7518 §3.4)."""
    return [
        key
        for key in keys
        if (key.get("kty"), key.get("crv")) == ("EC", "P-256") and key.get("kid")
    ]


def _judged(jws: str, kind: AnswerKind, delivery: Delivery, room: AnswerRoom) -> Judgement:
    judge = judge_receipt if kind is AnswerKind.RECEIPT else judge_rejection
    verify = signer_of(room.delivering.directory, room.check_jws, expected=delivery.recipient)
    judgement = judge(delivery, jws, verify=verify, now=room.delivering.clock())
    # Its number would not be the one of the register that is kept here (P1).
    if isinstance(judgement, Accepted) and delivery.channel is ChannelKind.HOSTED:
        return Refused(Refusal.HOSTED_HERE)
    return judgement


def _refused(
    jws: str,
    judgement: Refused,
    record: DeliveryRecord,
    brought_by: str | None,
    room: AnswerRoom,
) -> AnswerRefusedError:
    """Kept with the delivery, once, however often it comes."""
    refusal = RefusedAnswer(
        text=jws,
        refusal=judgement.refusal,
        field=judgement.field,
        brought_by=brought_by,
        at=room.delivering.clock(),
    )
    room.delivering.deliveries.refuse(record.delivery.id, refusal)
    return answer_refused(judgement, record.delivery.delivery_id)


def answer_refused(refused: Refused, kept_at: str | None = None) -> AnswerRefusedError:
    """To be raised: the word, and what it means, in both languages."""
    reason = refused.refusal.reason
    return AnswerRefusedError(
        reason.code,
        reason.detail,
        reason.detail_th,
        field=refused.field,
        delivery_id=kept_at,
    )


def _read_claimed(jws: str) -> bytes:
    try:
        return claimed_payload(jws)
    except StatementError as error:
        raise answer_refused(Refused(Refusal.UNREADABLE, error.field)) from error


def _claimed_delivery(payload: bytes, kind: AnswerKind) -> DeliveryId:
    """Raises AnswerRefusedError if it is no statement of this kind: it is nobody's."""
    try:
        fields = read_statement(payload, RECEIPT if kind is AnswerKind.RECEIPT else REJECTION)
        return DeliveryId.parse(fields.text("delivery_id", _LONGEST_ID))
    except StatementError as error:
        raise answer_refused(Refused(Refusal.UNREADABLE, error.field)) from error
    except ValueError as error:
        raise answer_refused(Refused(Refusal.UNREADABLE, "delivery_id")) from error


def _original(jws: str, kind: AnswerKind, record: DeliveryRecord, room: AnswerRoom) -> Answered:
    """The statement that said so first: of this number, or the rejection."""
    delivery = record.delivery
    if kind is AnswerKind.RECEIPT:
        receipt = Receipt.read(claimed_payload(jws))
        place = receipt.note(jws).place
        digest = next(note.digest for note in delivery.receipts if note.place == place)
    else:
        digest = delivery.statement or ""
    kept = room.delivering.deliveries.statement(delivery.id, digest)
    if kept is None:
        raise NotFoundError
    return Answered(jws=kept, delivery=delivery, new=False)
