"""Why something cannot be done with a delivery any more, in words for whoever asked."""

from __future__ import annotations

from chalicelib.domain.deliveries import Why
from chalicelib.domain.errors import DeliveryConflictError


def conflict(why: Why) -> DeliveryConflictError:
    """To be raised: the word, and what it means, in both languages."""
    return DeliveryConflictError(why.value, *_WORDS[why])


_WORDS: dict[Why, tuple[str, str]] = {
    Why.FAILED: (
        "The delivery has failed and the sender was told; it can be sent again.",
        "การส่งไม่สำเร็จและแจ้งผู้ส่งแล้ว ผู้ส่งส่งใหม่ได้",
    ),
    Why.REJECTED: (
        "The recipient has rejected the letter; it can be sent again.",
        "หน่วยงานผู้รับปฏิเสธหนังสือแล้ว ผู้ส่งส่งใหม่ได้",
    ),
    Why.RECALLED: (
        "The sender recalled the letter before it was registered.",
        "ผู้ส่งเรียกหนังสือคืนก่อนลงทะเบียนรับ",
    ),
    Why.HANDED_OVER: (
        "The recipient has registered the letter.",
        "หน่วยงานผู้รับลงทะเบียนรับหนังสือแล้ว",
    ),
    Why.OTHER_RECEIPT: (
        "A receipt with another receive-register number was given before; that one stands.",
        "เคยออกใบรับที่มีเลขรับอื่นแล้ว ใบรับเดิมมีผล",
    ),
    Why.OTHER_ANSWER: (
        "The letter was rejected for another reason before; that stands.",
        "เคยปฏิเสธหนังสือด้วยเหตุอื่นแล้ว คำปฏิเสธเดิมมีผล",
    ),
    Why.ARRIVED: (
        "The letter has arrived in the recipient's system.",
        "หนังสือถึงระบบของหน่วยงานผู้รับแล้ว",
    ),
    Why.NOT_ARRIVED: (
        "The letter has not arrived yet.",
        "หนังสือยังมาไม่ถึง",
    ),
    Why.NOT_DUE: ("It is too early for this.", "ยังไม่ถึงเวลา"),
    Why.OUT_OF_TURN: (
        "This does not follow on what happened before.",
        "ไม่เป็นไปตามลำดับของสิ่งที่เกิดขึ้นก่อน",
    ),
    Why.NOT_HANDED_OVER: (
        "The recipient has not registered the letter, so there is no receipt.",
        "หน่วยงานผู้รับยังไม่ได้ลงทะเบียนรับหนังสือ จึงยังไม่มีใบรับ",
    ),
    Why.NO_SUCH_RECEIPT: (
        "The receipt that stands has another number.",
        "ใบรับที่มีผลมีเลขรับอื่น",
    ),
    Why.NOT_DISPUTED: (
        "The sender has not said that the number is wrong.",
        "ผู้ส่งไม่ได้แจ้งว่าเลขรับผิด",
    ),
    Why.SAME_NUMBER: (
        "This number was given before; a correction has another one.",
        "เลขรับนี้เคยใช้แล้ว การแก้ไขต้องใช้เลขรับอื่น",
    ),
    Why.TOO_MANY_CORRECTIONS: (
        "The number was corrected as often as it can be; settle it with the recipient.",
        "แก้ไขเลขรับครบจำนวนครั้งที่กำหนดแล้ว โปรดประสานหน่วยงานผู้รับโดยตรง",
    ),
    Why.PASSED_ON_TOO_OFTEN: (
        "The letter was passed on as often as it can be; settle among the units who keeps it.",
        "ส่งต่อหนังสือครบจำนวนครั้งที่กำหนดแล้ว โปรดตกลงระหว่างหน่วยงานภายในว่าหน่วยใดเก็บเรื่อง",
    ),
}
