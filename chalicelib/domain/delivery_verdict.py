"""What may be said of the evidence of one delivery in a bundle: each kind of tampering, and
each thing that is not there, has a reason of its own (P5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.bundle_problems import (
    FORMAT,
    HASH,
    MISSING,
    SIGNATURE,
    SUSPENDED,
    Problem,
    judge,
)
from chalicelib.domain.delivery_chain import ChainFault, ChainFinding
from chalicelib.domain.delivery_events import Received
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.verdict import Aspect, Finding, Indication


class SignedBy(StrEnum):
    """Whose key a receipt or rejection is signed with: the recipient's own, or, for an agency
    that is hosted here, the service's."""

    RECIPIENT = "recipient"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryVerdict:
    """The verdict on one delivery. `state`, `events`, `received` and `receive_number` are what
    the service's evidence tells, as far as it is its own; the whole story only if the verdict
    passed. `disputed`: the sender says that the receive number is wrong, and no correction is
    here. `checked` and `missing` name the parts of the proof."""

    delivery_id: str
    recipient: str
    state: DeliveryState | None
    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    events: tuple[str, ...] = ()
    received: Received | None = None
    receive_number: str | None = None
    signed_by: SignedBy | None = None
    disputed: bool = False
    checked: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def _finding(code: str, detail: str, detail_th: str, aspect: Aspect = Aspect.DELIVERY) -> Finding:
    return Finding(code, detail, detail_th, aspect)


PROVEN = _finding(
    "delivery_proven",
    "The evidence proves what became of the delivery, from sending to its outcome.",
    "หลักฐานพิสูจน์ผลการส่งตั้งแต่ส่งจนสิ้นสุด",
)
MALFORMED = _finding(
    "delivery_malformed",
    "The bundle's part about a delivery is damaged.",
    "ส่วนของชุดหลักฐานที่เกี่ยวกับการส่งเสียหาย",
)
DOUBLED = _finding(
    "delivery_doubled",
    "The same delivery stands in the bundle twice.",
    "การส่งรายการเดียวกันปรากฏในชุดหลักฐานสองครั้ง",
)
DIFFERS = _finding(
    "delivery_differs",
    "The bundle says that the delivery ended otherwise, or went to another agency, than the "
    "evidence tells.",
    "ชุดหลักฐานระบุผลการส่งหรือหน่วยงานผู้รับไม่ตรงกับหลักฐานที่ลงนาม",
)
END_DIFFERS = _finding(
    "delivery_end_differs",
    "The evidence does not end with the event that the bundle names as its last: something "
    "was cut off or added.",
    "หลักฐานไม่ได้จบที่เหตุการณ์สุดท้ายที่ชุดหลักฐานระบุ อาจถูกตัดหรือเพิ่ม",
)
END_MISSING = _finding(
    "delivery_end_missing",
    "Not checked: the bundle does not name the delivery's last event.",
    "ไม่ได้ตรวจสอบ: ชุดหลักฐานไม่ได้ระบุเหตุการณ์สุดท้ายของการส่ง",
)
STATEMENT_SIGNATURE_WRONG = _finding(
    "statement_signature_wrong",
    "A receipt or rejection is not signed by the recipient's key, nor for it by the service.",
    "ใบรับหรือคำปฏิเสธไม่ได้ลงนามด้วยกุญแจของหน่วยงานผู้รับ หรือของระบบในนามผู้รับ",
)
STATEMENT_MALFORMED = _finding(
    "statement_malformed",
    "This is signed, but it is not the receipt or rejection that the event tells of.",
    "มีลายมือชื่อ แต่ไม่ใช่ใบรับหรือคำปฏิเสธตามที่เหตุการณ์ระบุ",
)
STATEMENT_DIFFERS = _finding(
    "statement_differs",
    "A receipt or rejection is of another delivery, letter or file, or says something else "
    "than the event that rests on it.",
    "ใบรับหรือคำปฏิเสธเป็นของการส่ง หนังสือ หรือไฟล์อื่น หรือไม่ตรงกับเหตุการณ์ที่อ้างถึง",
)
STATEMENT_TIMES = _finding(
    "statement_times_impossible",
    "A receipt or rejection tells times that cannot be: before the letter was sent, or after "
    "the service had it.",
    "ใบรับหรือคำปฏิเสธระบุเวลาที่เป็นไปไม่ได้ คือก่อนการส่งหรือหลังจากที่ระบบได้รับ",
)
STATEMENT_STRAY = _finding(
    "statement_stray",
    "A receipt or rejection is here that no event rests on: it settled nothing.",
    "มีใบรับหรือคำปฏิเสธที่ไม่มีเหตุการณ์ใดอ้างถึง จึงไม่มีผล",
)
RECEIVE_ENTRY_DIFFERS = _finding(
    "receive_entry_differs",
    "The proven entry of the receive register is another delivery's, number's, file's or "
    "receipt's.",
    "รายการในทะเบียนรับเป็นของการส่ง เลขรับ ไฟล์ หรือใบรับอื่น",
    Aspect.REGISTER,
)
RECEIVE_PROOF_WRONG = _finding(
    "receive_proof_wrong",
    "A proof does not lead from the entry to the signed log of the receive register.",
    "หลักฐานไม่เชื่อมโยงรายการกับทะเบียนรับสาธารณะที่ลงนามไว้",
    Aspect.REGISTER,
)
RECEIVE_PROOF_MISSING = _finding(
    "receive_proof_missing",
    "Not checked: the bundle has no proof from the logs of the receive register yet.",
    "ไม่ได้ตรวจสอบ: ชุดหลักฐานยังไม่มีหลักฐานจากทะเบียนรับสาธารณะ",
    Aspect.REGISTER,
)
REPLY_KEYS_MISSING = _finding(
    "reply_keys_missing",
    "Not checked: no keys of the recipient were given, so its signature says nothing.",
    "ไม่ได้ตรวจสอบ: ไม่ได้ให้กุญแจของหน่วยงานผู้รับ จึงตรวจลายมือชื่อไม่ได้",
)
GOES_ON = _finding(
    "delivery_goes_on",
    "More has happened to the delivery than the bundle tells; ask for it again.",
    "มีเหตุการณ์เพิ่มเติมหลังจากชุดหลักฐานนี้ โปรดขอชุดหลักฐานใหม่",
)

FAULTS = {
    fault: _finding(fault.value, ChainFinding(fault).detail, ChainFinding(fault).detail_th)
    for fault in ChainFault
}
"""What is said of each fault of a chain."""

_SUB_INDICATIONS = {
    ChainFault.FORGED: SIGNATURE,
    ChainFault.MALFORMED: FORMAT,
    ChainFault.MISSING: MISSING,
    ChainFault.STATEMENT_MISSING: MISSING,
    ChainFault.UNFINISHED: SUSPENDED,
}


def problem_of_fault(fault: ChainFault) -> Problem:
    """A hole, and an end that is still to come, leave it open; all else was done by somebody."""
    return Problem(_SUB_INDICATIONS.get(fault, HASH), FAULTS[fault])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """What the evidence itself tells of a delivery, as far as it was believed."""

    state: DeliveryState | None = None
    events: tuple[str, ...] = ()
    received: Received | None = None
    receive_number: str | None = None
    signed_by: SignedBy | None = None
    disputed: bool = False


def judge_delivery(
    delivery_id: str,
    recipient: str,
    facts: DeliveryFacts,
    problems: Iterable[Problem],
    *,
    checked: Sequence[str],
    missing: Sequence[str],
) -> DeliveryVerdict:
    """All that speaks against the evidence of a delivery is listed; the first decides."""
    judged = judge(problems, valid=PROVEN)
    return DeliveryVerdict(
        delivery_id=delivery_id,
        recipient=recipient,
        state=facts.state,
        indication=judged.indication,
        sub_indication=judged.sub_indication,
        findings=judged.findings,
        events=facts.events,
        received=facts.received,
        receive_number=facts.receive_number,
        signed_by=facts.signed_by,
        disputed=facts.disputed,
        checked=tuple(checked),
        missing=tuple(missing),
    )
