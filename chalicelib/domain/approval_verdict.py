"""What may be said of the approvals in an evidence bundle: each kind of tampering has a reason of
its own (B7, C2)."""

from __future__ import annotations

from chalicelib.domain.approval_records import RecordFault
from chalicelib.domain.bundle_problems import FORMAT, HASH, MISSING, SIGNATURE, Problem
from chalicelib.domain.verdict import Aspect, Finding


def _finding(code: str, detail: str, detail_th: str) -> Finding:
    return Finding(code, detail, detail_th, Aspect.DOCUMENT)


MALFORMED = _finding(
    "approval_malformed",
    "An approval record cannot be read: it is no record (tra.approval.v1), or damaged.",
    "ไม่สามารถอ่านบันทึกการอนุมัติได้ ไม่ใช่บันทึก (tra.approval.v1) หรือเสียหาย",
)
SIGNATURE_WRONG = _finding(
    "approval_signature_wrong",
    "The signature of an approval record is wrong, or by a key that is not the service's.",
    "ลายมือชื่อของบันทึกการอนุมัติไม่ถูกต้อง หรือไม่ได้ลงนามด้วยกุญแจของระบบ",
)
DIFFERS = _finding(
    "approval_differs",
    "The approval records are not those that the signed evidence names.",
    "บันทึกการอนุมัติไม่ใช่ชุดที่หลักฐานที่ลงนามไว้ระบุถึง",
)
GIST_DIFFERS = _finding(
    "approval_gist_differs",
    "What is attached to the file about its approvals is not what the records say.",
    "ข้อมูลการอนุมัติที่แนบอยู่ในไฟล์ไม่ตรงกับบันทึกการอนุมัติ",
)
LEFT_OUT = _finding(
    "approval_missing",
    "Not checked: approvals that the document needed are not in the bundle.",
    "ไม่ได้ตรวจสอบ: ชุดหลักฐานไม่มีบันทึกการอนุมัติที่เอกสารนี้ต้องมี",
)
OF_OTHER_DOCUMENT = _finding(
    "approval_of_other_document",
    "An approval record is about another document or other content.",
    "บันทึกการอนุมัติเป็นของเอกสารหรือเนื้อหาอื่น",
)
OUT_OF_ORDER = _finding(
    "approval_out_of_order",
    "The approval records do not follow each other from the first one on.",
    "บันทึกการอนุมัติไม่เรียงต่อกันตั้งแต่รายการแรก",
)
NOT_GIVEN = _finding(
    "approval_not_given",
    "An officer did not approve the document, and yet it has a number.",
    "มีเจ้าหน้าที่ไม่อนุมัติเอกสาร แต่เอกสารได้รับเลข",
)
OF_OTHER_AGENCY = _finding(
    "approval_of_other_agency",
    "An approval is by an officer of an agency that does not decide on the document.",
    "ผู้อนุมัติเป็นเจ้าหน้าที่ของหน่วยงานที่ไม่มีอำนาจอนุมัติเอกสารนี้",
)
AFTER_NUMBERING = _finding(
    "approval_after_numbering",
    "An approval was given after the document got its number.",
    "มีการอนุมัติหลังจากเอกสารได้รับเลขแล้ว",
)
POLICY_DIFFERS = _finding(
    "approval_policy_differs",
    "The approval records do not agree on how many officers, of which agency, had to approve.",
    "บันทึกการอนุมัติระบุจำนวนหรือหน่วยงานของผู้อนุมัติไม่ตรงกัน",
)

PROBLEMS = {
    RecordFault.OTHER_DOCUMENT: Problem(HASH, OF_OTHER_DOCUMENT),
    RecordFault.OUT_OF_ORDER: Problem(HASH, OUT_OF_ORDER),
    RecordFault.NOT_APPROVED: Problem(HASH, NOT_GIVEN),
    RecordFault.OTHER_AGENCY: Problem(HASH, OF_OTHER_AGENCY),
    RecordFault.TOO_FEW: Problem(MISSING, LEFT_OUT),
    RecordFault.TOO_LATE: Problem(HASH, AFTER_NUMBERING),
    RecordFault.OTHER_POLICY: Problem(HASH, POLICY_DIFFERS),
}
"""What each fault of the records speaks against."""

NO_RECORD = Problem(FORMAT, MALFORMED)
NOT_SIGNED = Problem(SIGNATURE, SIGNATURE_WRONG)
OTHER_RECORDS = Problem(HASH, DIFFERS)
OTHER_GIST = Problem(HASH, GIST_DIFFERS)
NOT_THERE = Problem(MISSING, LEFT_OUT)
