"""What people read of accesses, in Thai and in English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from chalicelib.domain.access import Action, Relation
from chalicelib.domain.documents import Classification
from chalicelib.domain.thai import in_bangkok, long_date, to_thai_digits

Words = tuple[str, str]
"""Thai and English."""

UNNAMED: Words = ("(ไม่แจ้งชื่อ)", "(not told)")
"""Another agency's officer, of a normal document."""

_ACTIONS: Mapping[str, Words] = {
    Action.SUBMIT_DOCUMENT: ("ยื่นเรื่องซ้ำ", "submitted again"),
    Action.SEND_LETTER: ("ส่งหนังสือ", "sent"),
    Action.READ_DOCUMENT: ("ดูรายการ", "looked at"),
    Action.SEARCH_DOCUMENTS: ("พบในการค้น", "found in a search"),
    Action.READ_FILE: ("เปิดไฟล์", "read the file"),
    Action.READ_REGISTER: ("ดูทะเบียน", "saw in the register"),
    Action.REVOKE_DOCUMENT: ("สั่งเกี่ยวกับผลบังคับ", "ruled on its standing"),
    Action.READ_LETTERS: ("ดูหนังสือส่ง", "looked at in the outbox"),
    Action.RECALL_LETTER: ("เรียกคืน", "recalled"),
    Action.READ_INBOX: ("ดูหนังสือรับ", "looked at in the inbox"),
    Action.REGISTER_LETTER: ("ลงรับ", "registered"),
    Action.REJECT_LETTER: ("ปฏิเสธ", "rejected"),
    Action.FORWARD_LETTER: ("ส่งต่อ", "passed on"),
    Action.APPROVE_DOCUMENT: ("พิจารณาอนุมัติ", "approval"),
    Action.WITHDRAW_DOCUMENT: ("ถอนเรื่อง", "withdrew"),
    Action.APPOINT_OFFICER: ("แต่งตั้งหรือให้พ้น", "appointed or ended"),
    Action.RESET_FACTOR: ("รีเซ็ตการยืนยันตัว", "reset factors"),
    Action.OPEN_SECRET: ("กำหนดผู้อ่าน", "named readers"),
    Action.READ_ACCESS_LOG: ("อ่านบันทึกการเข้าถึง", "read the access log"),
    Action.USE_PROXY: ("ใช้หนังสือมอบอำนาจ", "used a proxy"),
}

_CLASSIFICATIONS: Mapping[str, Words] = {
    Classification.NORMAL: ("ปกติ", "normal"),
    Classification.CONFIDENTIAL: ("ลับ", "confidential"),
    Classification.SECRET: ("ลับมาก", "secret"),
}

_REASONS: Mapping[str, Words] = {
    "registrar": ("นายทะเบียนข้อมูลข่าวสารลับ", "registrar of secrets"),
    "named_officer": ("ได้รับอนุญาตรายบุคคล", "named officer"),
    Relation.OWN_AGENCY: ("เรื่องของหน่วยงาน", "own agency's"),
    Relation.RECIPIENT_BY_EVENT: ("ผู้รับแจ้ง", "told of it"),
    Relation.RECIPIENT_BY_DELIVERY: ("ผู้รับหนังสือ", "recipient"),
    Relation.CENTRAL_APPROVER: ("ผู้อนุมัติส่วนกลาง", "central approver"),
}


def action_words(action: str) -> Words:
    """What somebody did; an action without words is called as it is."""
    return _ACTIONS.get(action, (action, action))


def classification_words(classification: str) -> Words:
    return _CLASSIFICATIONS[classification]


def reason_words(reason: str) -> Words:
    """Why it was allowed."""
    return _REASONS.get(reason, (reason, reason))


def moment_in_thai(at: datetime) -> str:
    """Day, month, year of the Buddhist era, and time (C5), in Asia/Bangkok, to the second."""
    local = in_bangkok(at)
    return f"{long_date(local.date())} เวลา {to_thai_digits(f'{local:%H.%M.%S}')} น."
