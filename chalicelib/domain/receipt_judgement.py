"""Judging what a recipient's own system sends back: believed, said before, or refused.

A receipt or rejection is read strictly, held against the delivery it claims, and then put to
`happen`, which alone decides what it does. What is refused is kept as evidence too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.deliveries import (
    AlreadySo,
    Delivery,
    DeliveryId,
    Impossible,
    Moved,
    Result,
    SentLetter,
    Why,
    happen,
)
from chalicelib.domain.delivery_events import HandedOver, NumberCorrected
from chalicelib.domain.documents import Reason
from chalicelib.domain.errors import EvidenceSignatureError
from chalicelib.domain.letter_marks import plain_number
from chalicelib.domain.receipts import Receipt, Rejection
from chalicelib.domain.statements import CLOCKS_DIFFER_SECONDS, StatementError

_CLOCKS_DIFFER = timedelta(seconds=CLOCKS_DIFFER_SECONDS)


class Refusal(StrEnum):
    """Why a statement of a recipient is not believed; stable words."""

    BAD_SIGNATURE = "bad_signature"
    UNREADABLE = "unreadable"
    OTHER_AGENCY = "other_agency"
    OTHER_DELIVERY = "other_delivery"
    OTHER_LETTER = "other_letter"
    OTHER_DIGEST = "other_digest"
    TIME_IMPOSSIBLE = "time_impossible"
    OTHER_NUMBER = "other_number"
    OTHER_ANSWER = "other_answer"
    NOT_CORRECTING = "not_correcting"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_REJECTED = "delivery_rejected"
    DELIVERY_RECALLED = "delivery_recalled"
    DELIVERY_HANDED_OVER = "delivery_handed_over"
    HOSTED_HERE = "hosted_here"

    @property
    def reason(self) -> Reason:
        """In both languages, for whoever sent it."""
        return Reason(self.value, *_REFUSALS[self])


_REFUSALS: dict[Refusal, tuple[str, str]] = {
    Refusal.BAD_SIGNATURE: (
        "The signature is wrong, or by a key that no agency has in the directory.",
        "ลายมือชื่อไม่ถูกต้อง หรือไม่ใช่กุญแจของหน่วยงานใดในทะเบียนหน่วยงาน",
    ),
    Refusal.UNREADABLE: (
        "The statement is not written as demanded; see the named field.",
        "รูปแบบข้อความไม่ถูกต้อง โปรดดูรายการที่ระบุ",
    ),
    Refusal.OTHER_AGENCY: (
        "Another agency signed this than the one the letter was sent to.",
        "ผู้ลงนามไม่ใช่หน่วยงานที่หนังสือส่งถึง",
    ),
    Refusal.OTHER_DELIVERY: (
        "This is about another delivery.",
        "เป็นเรื่องของการส่งรายการอื่น",
    ),
    Refusal.OTHER_LETTER: (
        "Number, date or sender are another letter's.",
        "เลขที่ วันที่ หรือผู้ส่ง เป็นของหนังสือฉบับอื่น",
    ),
    Refusal.OTHER_DIGEST: (
        "The digest is another file's than the one that was sent.",
        "ค่าแฮชไม่ตรงกับไฟล์ที่ส่ง",
    ),
    Refusal.TIME_IMPOSSIBLE: (
        "The times cannot be right: before the letter was sent, or still to come.",
        "เวลาเป็นไปไม่ได้ คือก่อนการส่งหรือยังมาไม่ถึง",
    ),
    Refusal.OTHER_NUMBER: (
        "A receipt with another receive-register number was given before; that one stands.",
        "เคยออกใบรับที่มีเลขรับอื่นแล้ว ใบรับเดิมมีผล",
    ),
    Refusal.OTHER_ANSWER: (
        "The letter was rejected for another reason before; that stands.",
        "เคยปฏิเสธหนังสือด้วยเหตุอื่นแล้ว คำปฏิเสธเดิมมีผล",
    ),
    Refusal.NOT_CORRECTING: (
        "This corrects no receipt whose number the sender disputes, or changes more than the number.",
        "ไม่ได้แก้ไขใบรับที่ผู้ส่งแจ้งว่าเลขรับผิด หรือแก้ไขมากกว่าเลขรับ",
    ),
    Refusal.DELIVERY_FAILED: (
        "The delivery has failed and the sender was told; it can be sent again.",
        "การส่งไม่สำเร็จและแจ้งผู้ส่งแล้ว ผู้ส่งส่งใหม่ได้",
    ),
    Refusal.DELIVERY_REJECTED: (
        "The letter was rejected before; it can be sent again.",
        "หนังสือถูกปฏิเสธไปแล้ว ผู้ส่งส่งใหม่ได้",
    ),
    Refusal.DELIVERY_RECALLED: (
        "The sender recalled the letter before it was registered.",
        "ผู้ส่งเรียกหนังสือคืนก่อนลงทะเบียนรับ",
    ),
    Refusal.DELIVERY_HANDED_OVER: (
        "The letter was registered before, so it cannot be rejected.",
        "ลงทะเบียนรับหนังสือแล้ว จึงปฏิเสธไม่ได้",
    ),
    Refusal.HOSTED_HERE: (
        "The letter lies in an inbox hosted here; it is registered or rejected there.",
        "หนังสืออยู่ในกล่องรับหนังสือของระบบนี้ จึงต้องลงทะเบียนรับหรือปฏิเสธในกล่องนั้น",
    ),
}

_REFUSAL_OF = {
    Why.FAILED: Refusal.DELIVERY_FAILED,
    Why.REJECTED: Refusal.DELIVERY_REJECTED,
    Why.RECALLED: Refusal.DELIVERY_RECALLED,
    Why.HANDED_OVER: Refusal.DELIVERY_HANDED_OVER,
    Why.OTHER_RECEIPT: Refusal.OTHER_NUMBER,
    Why.OTHER_ANSWER: Refusal.OTHER_ANSWER,
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """Believed: the delivery moves."""

    statement: Receipt | Rejection
    moved: Moved


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Said before. The answer is what stands, byte for byte as first kept (P5)."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Refused:
    """Not believed, and kept as evidence. `field`: what cannot be read, if that is it."""

    refusal: Refusal
    field: str = ""


Judgement = Accepted | Duplicate | Refused

Signed = Callable[[str], tuple[str, bytes]]
"""Whose key (agency id, as the directory says) signed a JWS, and its payload. Raises
EvidenceSignatureError."""


def judge_receipt(delivery: Delivery, jws: str, *, verify: Signed, now: datetime) -> Judgement:
    """Whether a receipt that came back settles `delivery`. `now` bounds the times it may tell.

    Repeatable: judged again after the delivery moved, the same receipt is a duplicate. Raises
    nothing; the first thing that is wrong is named, in the order of `Refusal`.
    """
    try:
        signer, payload = verify(jws)
        receipt = Receipt.read(payload)
    except EvidenceSignatureError:
        return Refused(Refusal.BAD_SIGNATURE)
    except StatementError as error:
        return Refused(Refusal.UNREADABLE, error.field)
    refusal = _not_about(delivery, receipt, signer, now)
    if refusal is not None:
        return Refused(refusal)
    if receipt.corrects is not None:
        return _judge_correction(delivery, receipt, jws, now)
    return _judged(receipt, happen(delivery, HandedOver(at=now, receipt=receipt.note(jws))))


def judge_rejection(delivery: Delivery, jws: str, *, verify: Signed, now: datetime) -> Judgement:
    """The same of a rejection."""
    try:
        signer, payload = verify(jws)
        rejection = Rejection.read(payload)
    except EvidenceSignatureError:
        return Refused(Refusal.BAD_SIGNATURE)
    except StatementError as error:
        return Refused(Refusal.UNREADABLE, error.field)
    refusal = _not_about(delivery, rejection, signer, now)
    if refusal is not None:
        return Refused(refusal)
    if delivery.letter.is_classified and rejection.note is not None:
        # It would go to the sender's own system in clear: of a classified letter only a code does.
        return Refused(Refusal.UNREADABLE, "note")
    return _judged(rejection, happen(delivery, rejection.event(jws, now)))


def _not_about(
    delivery: Delivery, said: Receipt | Rejection, signer: str, now: datetime
) -> Refusal | None:
    """Why a statement cannot be about this delivery, or not be true of it."""
    if signer != delivery.recipient:
        return Refusal.OTHER_AGENCY
    return why_not_about(
        said, delivery_id=delivery.id, letter=delivery.letter, since=delivery.planned_at, until=now
    )


def why_not_about(
    said: Receipt | Rejection,
    *,
    delivery_id: DeliveryId,
    letter: SentLetter,
    since: datetime,
    until: datetime,
) -> Refusal | None:
    """Why what was said, whoever signed it, cannot be about this delivery of `letter`, which was
    sent at `since` and of which the service heard by `until` (clocks may differ); None if it
    can."""
    if said.delivery_id.recipient != delivery_id.recipient:
        return Refusal.OTHER_AGENCY
    if said.delivery_id != delivery_id:
        return Refusal.OTHER_DELIVERY
    if not _same_letter(said, letter):
        return Refusal.OTHER_LETTER
    if said.file_digest != letter.file_digest:
        return Refusal.OTHER_DIGEST
    if not _can_be(said, since=since - _CLOCKS_DIFFER, until=until + _CLOCKS_DIFFER):
        return Refusal.TIME_IMPOSSIBLE
    return None


def _can_be(said: Receipt | Rejection, *, since: datetime, until: datetime) -> bool:
    """It came after it was sent, was answered after it came, and that is not still to be."""
    answered_at = said.registered_at if isinstance(said, Receipt) else said.rejected_at
    entered, counted = said.received.entered_at, said.received.stands_at
    in_order = since <= entered <= answered_at + _CLOCKS_DIFFER
    return in_order and answered_at <= until and counted - entered <= _LONGEST_CLOSED


_LONGEST_CLOSED = timedelta(days=31)
"""No office is closed for longer: the next working time lies within."""


def _same_letter(said: Receipt | Rejection, letter: SentLetter) -> bool:
    return (
        said.sender == letter.sender
        and said.letter_date == letter.dated
        and plain_number(said.letter_number) == plain_number(letter.number)
    )


def _judge_correction(delivery: Delivery, receipt: Receipt, jws: str, now: datetime) -> Judgement:
    """Only what the sender disputed is corrected, only by naming the receipt that stands, and
    never the time received (A20)."""
    result = happen(delivery, NumberCorrected(at=now, receipt=receipt.note(jws)))
    if isinstance(result, AlreadySo):
        return Duplicate(result.delivery)
    standing = delivery.receipt
    if isinstance(result, Impossible) or standing is None:
        return Refused(Refusal.NOT_CORRECTING)
    if (standing.digest, standing.received) != (receipt.corrects, receipt.received):
        return Refused(Refusal.NOT_CORRECTING)
    return Accepted(receipt, result)


def _judged(statement: Receipt | Rejection, result: Result) -> Judgement:
    match result:
        case Moved():
            return Accepted(statement, result)
        case AlreadySo():
            return Duplicate(result.delivery)
        case Impossible():
            return Refused(_REFUSAL_OF[result.why])
