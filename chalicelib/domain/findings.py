"""What an audit can find, and the report it ends with (P1, P2, P7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.registers import LogName, Register

MOST_KEPT = 1_000
"""A report lists so many findings and counts all: its size is bounded, whatever happened."""


class Fault(StrEnum):
    """Kinds of findings; the values are stable and part of the report's format."""

    GAP = "gap"
    DOUBLE = "double"
    HEAD_MISMATCH = "head_mismatch"
    TIME_ORDER = "time_order"
    STATE_MISMATCH = "state_mismatch"
    ENTRY_WITHOUT_DOCUMENT = "entry_without_document"
    ENTRY_WITHOUT_FILE = "entry_without_file"
    FILE_WITHOUT_ENTRY = "file_without_entry"
    DIGEST_MISMATCH = "digest_mismatch"
    NOT_ENCRYPTED = "not_encrypted"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a code
    LOCK_MISSING = "lock_missing"
    LOCK_WEAKER = "lock_weaker"
    LOCK_TOO_SHORT = "lock_too_short"
    MORE_THAN_ONE_VERSION = "more_than_one_version"
    NUMBER_LOG_MISMATCH = "number_log_mismatch"
    OUTCOME_LOG_MISMATCH = "outcome_log_mismatch"
    TILE_DAMAGED = "tile_damaged"
    CHECKPOINT_SIGNATURE = "checkpoint_signature"
    CHECKPOINT_HISTORY = "checkpoint_history"
    FORKED_LOG = "forked_log"
    CLOSED_YEAR_WRITTEN = "closed_year_written"
    STANDING_MISMATCH = "standing_mismatch"
    RULING_MISSING = "ruling_missing"
    RULING_DIFFERS = "ruling_differs"
    APPROVAL_MISSING = "approval_missing"
    APPROVAL_WRONG = "approval_wrong"
    APPROVAL_RECORD_MISSING = "approval_record_missing"
    APPROVAL_RECORD_DIFFERS = "approval_record_differs"
    APPROVAL_RECORD_WRONG = "approval_record_wrong"
    LETTER_UNSENT = "letter_unsent"
    DELIVERY_MISMATCH = "delivery_mismatch"
    OUTCOME_WRONG = "delivery_outcome_wrong"
    RECEIPT_WITHOUT_NUMBER = "receipt_without_number"
    NUMBER_WITHOUT_RECEIPT = "number_without_receipt"
    STATEMENT_MISSING = "statement_missing"
    STATEMENT_DIFFERS = "statement_differs"
    EVIDENCE_WRONG = "evidence_wrong"
    EVIDENCE_MISSING = "evidence_missing"
    EVIDENCE_DIFFERS = "evidence_differs"
    DELIVERY_FORGOTTEN = "delivery_forgotten"
    RECORD_MISSING = "record_missing"
    RECORD_WRONG = "record_wrong"
    RECORD_BEHIND = "record_behind"
    ACCESS_LOG_MISMATCH = "access_log_mismatch"
    ACCESS_RECORD_MISSING = "access_record_missing"
    ACCESS_RECORD_DIFFERS = "access_record_differs"
    ACCESS_DOUBLED = "access_doubled"
    ACCESS_MISPLACED = "access_misplaced"
    ACCESS_FORGOTTEN = "access_forgotten"
    ACCESS_WAITS = "access_waits"
    UNFINISHED = "unfinished"
    LOG_BEHIND = "log_behind"

    @property
    def is_warning(self) -> bool:
        """Nothing is wrong yet, but somebody should look."""
        return self in _WARNINGS


_WARNINGS = frozenset(
    {
        Fault.UNFINISHED,
        Fault.LOG_BEHIND,
        Fault.RECORD_BEHIND,
        Fault.DELIVERY_FORGOTTEN,
    }
)

_WORDS: dict[Fault, tuple[str, str]] = {
    Fault.GAP: ("Numbers are missing.", "เลขทะเบียนขาดหาย"),
    Fault.DOUBLE: ("One document or number stands twice.", "เอกสารหรือเลขซ้ำ"),
    Fault.HEAD_MISMATCH: (
        "The register's last number is not that of its last entry.",
        "เลขล่าสุดของทะเบียนไม่ตรงกับรายการสุดท้าย",
    ),
    Fault.TIME_ORDER: (
        "The entry is older than the one before it.",
        "รายการนี้มีเวลาเก่ากว่ารายการก่อนหน้า",
    ),
    Fault.STATE_MISMATCH: (
        "Entry and document are in states that do not go together.",
        "สถานะของรายการทะเบียนกับเอกสารไม่สอดคล้องกัน",
    ),
    Fault.ENTRY_WITHOUT_DOCUMENT: (
        "The entry's document does not exist.",
        "ไม่มีเอกสารของรายการนี้",
    ),
    Fault.ENTRY_WITHOUT_FILE: (
        "The issued document's file is not in the archive.",
        "ไม่มีไฟล์ของเอกสารที่ออกแล้วในคลังเอกสาร",
    ),
    Fault.FILE_WITHOUT_ENTRY: (
        "A file in the archive belongs to no issued entry.",
        "ไฟล์ในคลังเอกสารไม่มีรายการทะเบียนรองรับ",
    ),
    Fault.DIGEST_MISMATCH: (
        "Entry, document and file do not name the same content.",
        "ค่าแฮชของรายการ เอกสาร และไฟล์ไม่ตรงกัน",
    ),
    Fault.NOT_ENCRYPTED: (
        "A classified document's file lies in clear.",
        "ไฟล์ของเอกสารที่มีชั้นความลับไม่ได้เข้ารหัสไว้",
    ),
    Fault.SECRET_UNREADABLE: (
        "What is encrypted of the document was changed, or is another document's.",
        "ข้อมูลที่เข้ารหัสของเอกสารถูกแก้ไข หรือเป็นของเอกสารอื่น",
    ),
    Fault.LOCK_MISSING: ("The file is not locked.", "ไฟล์ไม่ถูกล็อก"),
    Fault.LOCK_WEAKER: (
        "The file is locked in another mode than was written down.",
        "ไฟล์ถูกล็อกด้วยโหมดที่ต่างจากที่บันทึกไว้",
    ),
    Fault.LOCK_TOO_SHORT: (
        "The lock ends before the retention does.",
        "การล็อกไฟล์สิ้นสุดก่อนครบอายุการเก็บ",
    ),
    Fault.MORE_THAN_ONE_VERSION: (
        "More than one version lies at the document's key.",
        "มีไฟล์มากกว่าหนึ่งเวอร์ชันของเอกสารเดียว",
    ),
    Fault.NUMBER_LOG_MISMATCH: (
        "The register says something else than its published number log.",
        "ทะเบียนไม่ตรงกับบันทึกสาธารณะของเลขทะเบียน",
    ),
    Fault.OUTCOME_LOG_MISMATCH: (
        "What became of the number is not what the outcome log says.",
        "ผลของเลขนี้ไม่ตรงกับบันทึกสาธารณะของผล",
    ),
    Fault.TILE_DAMAGED: (
        "A published file of the log is missing or has other bytes.",
        "ไฟล์สาธารณะของทะเบียนสูญหายหรือถูกเปลี่ยนแปลง",
    ),
    Fault.CHECKPOINT_SIGNATURE: (
        "The checkpoint is not signed by the log's key.",
        "จุดรับรองไม่ได้ลงนามด้วยกุญแจของทะเบียน",
    ),
    Fault.CHECKPOINT_HISTORY: (
        "The kept checkpoints are not one unbroken history.",
        "ประวัติจุดรับรองไม่ต่อเนื่องเป็นหนึ่งเดียว",
    ),
    Fault.FORKED_LOG: (
        "The log's key signed another history.",
        "กุญแจของทะเบียนลงนามรับรองประวัติที่ขัดแย้งกัน",
    ),
    Fault.CLOSED_YEAR_WRITTEN: (
        "The register was written after its year, or contradicts its closing statement.",
        "ทะเบียนถูกเขียนหลังสิ้นปี หรือขัดแย้งกับคำรับรองปิดปี",
    ),
    Fault.STANDING_MISMATCH: (
        "Document, entry and status list do not tell the same decisions on the document.",
        "คำสั่งเกี่ยวกับเอกสารในเอกสาร รายการทะเบียน และบัญชีสถานะไม่ตรงกัน",
    ),
    Fault.RULING_MISSING: (
        "The signed decision on a document is not in the archive.",
        "ไม่มีคำสั่งที่ลงนามของเอกสารในคลังเอกสาร",
    ),
    Fault.RULING_DIFFERS: (
        "The archive holds another decision than the one that was signed and told.",
        "คำสั่งในคลังเอกสารไม่ใช่คำสั่งที่ลงนามและแจ้งไว้",
    ),
    Fault.APPROVAL_MISSING: (
        "The number was given without the approvals that the document needs.",
        "ออกเลขโดยได้รับอนุมัติไม่ครบ",
    ),
    Fault.APPROVAL_WRONG: (
        "A decision on the document cannot have been made: of another officer, content or time.",
        "ผลการพิจารณาไม่ถูกต้อง เช่น ผู้อนุมัติซ้ำ คนละหน่วยงาน คนละเนื้อหา หรือพ้นกำหนด",
    ),
    Fault.APPROVAL_RECORD_MISSING: (
        "The signed record of a decision is not in the archive.",
        "ไม่มีบันทึกการอนุมัติที่ลงนามในคลังเอกสาร",
    ),
    Fault.APPROVAL_RECORD_DIFFERS: (
        "The archive holds another record of a decision than was signed.",
        "บันทึกการอนุมัติในคลังเอกสารไม่ใช่ที่ลงนามไว้",
    ),
    Fault.APPROVAL_RECORD_WRONG: (
        "The record of a decision is not signed by the service, or says something else.",
        "บันทึกการอนุมัติไม่ได้ลงนามโดยระบบ หรือไม่ตรงกับผลการพิจารณา",
    ),
    Fault.LETTER_UNSENT: (
        "An issued letter has no delivery to one of its recipients.",
        "หนังสือที่ออกแล้วไม่มีรายการส่งถึงผู้รับบางราย",
    ),
    Fault.DELIVERY_MISMATCH: (
        "A delivery is not of this letter, to none of its recipients, or out of turn.",
        "รายการส่งไม่ตรงกับหนังสือ ไม่ใช่ผู้รับของหนังสือ หรือผิดลำดับ",
    ),
    Fault.OUTCOME_WRONG: (
        "A delivery has more than one outcome, or a receipt that does not go with it.",
        "รายการส่งมีผลมากกว่าหนึ่งอย่าง หรือมีใบรับที่ไม่สอดคล้องกับผล",
    ),
    Fault.RECEIPT_WITHOUT_NUMBER: (
        "A receipt names a number that the receive register gave to nothing, or to something else.",
        "ใบรับอ้างเลขทะเบียนรับที่ไม่มีหรือเป็นของรายการอื่น",
    ),
    Fault.NUMBER_WITHOUT_RECEIPT: (
        "A number of the receive register has no delivery that was handed over under it.",
        "เลขทะเบียนรับไม่มีรายการส่งที่ลงรับด้วยเลขนี้",
    ),
    Fault.STATEMENT_MISSING: (
        "The signed receipt or rejection of a delivery is not kept.",
        "ไม่มีใบรับหรือคำปฏิเสธที่ลงนามของรายการส่ง",
    ),
    Fault.STATEMENT_DIFFERS: (
        "A receipt or rejection says something else than its delivery.",
        "ใบรับหรือคำปฏิเสธไม่ตรงกับรายการส่ง",
    ),
    Fault.EVIDENCE_WRONG: (
        "The evidence of a delivery is forged, incomplete, or leads somewhere else.",
        "หลักฐานของรายการส่งถูกปลอม ไม่ครบถ้วน หรือไม่ตรงกับผล",
    ),
    Fault.EVIDENCE_MISSING: (
        "Evidence of a delivery is not in the archive.",
        "ไม่มีหลักฐานการส่งในคลังเอกสาร",
    ),
    Fault.EVIDENCE_DIFFERS: (
        "The archive holds other evidence of a delivery than was signed.",
        "หลักฐานการส่งในคลังเอกสารไม่ใช่ที่ลงนามไว้",
    ),
    Fault.RECORD_MISSING: (
        "A file that evidence records are made of is not in the archive.",
        "ไฟล์ที่ใช้ประกอบระเบียนหลักฐานหายไปจากคลังเอกสาร",
    ),
    Fault.RECORD_WRONG: (
        "Evidence records are over something else than what was issued.",
        "ระเบียนหลักฐานไม่ตรงกับเอกสารที่ออก",
    ),
    Fault.RECORD_BEHIND: (
        "An evidence record was due long ago and was not made or renewed.",
        "ระเบียนหลักฐานเลยกำหนดจัดทำหรือต่ออายุ",
    ),
    Fault.ACCESS_LOG_MISMATCH: (
        "The access log is not what was signed: an access was changed, removed, added or moved.",
        "บันทึกการเข้าถึงไม่ตรงกับที่ลงนามไว้ มีรายการถูกแก้ไข ลบ เพิ่ม หรือย้าย",
    ),
    Fault.ACCESS_RECORD_MISSING: (
        "An access that has its place in the log is no longer among the records.",
        "รายการเข้าถึงที่อยู่ในบันทึกแล้วหายไปจากระเบียน",
    ),
    Fault.ACCESS_RECORD_DIFFERS: (
        "The record of an access says something else than the log, or reports do not find it.",
        "ระเบียนการเข้าถึงไม่ตรงกับบันทึก หรือรายงานค้นไม่พบ",
    ),
    Fault.ACCESS_DOUBLED: ("One access stands twice in the log.", "รายการเข้าถึงเดียวกันปรากฏซ้ำ"),
    Fault.ACCESS_MISPLACED: (
        "The record of an access names a place in the log that is not its own.",
        "ระเบียนการเข้าถึงระบุลำดับในบันทึกไม่ตรงกับลำดับจริง",
    ),
    Fault.ACCESS_FORGOTTEN: (
        "An access has no place in the log, and nothing will give it one.",
        "รายการเข้าถึงไม่มีลำดับในบันทึกและไม่อยู่ในคิวรอ",
    ),
    Fault.ACCESS_WAITS: (
        "An access waits for its place in the log for too long.",
        "รายการเข้าถึงรอเข้าบันทึกนานเกินไป",
    ),
    Fault.UNFINISHED: ("The number waits for its end for too long.", "เลขนี้ค้างอยู่นานเกินไป"),
    Fault.DELIVERY_FORGOTTEN: (
        "A delivery waits, and nobody has looked after it for too long.",
        "รายการส่งค้างอยู่โดยไม่มีการติดตามนานเกินไป",
    ),
    Fault.LOG_BEHIND: (
        "The public log is far behind the register.",
        "บันทึกสาธารณะล่าช้ากว่าทะเบียนมาก",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `number` and `child` say where in the register, `log` and
    `place` (a key, a path, a range) where else; nothing here is personal."""

    fault: Fault
    register_id: str
    number: int | None = None
    child: int = 0
    document_id: str | None = None
    log: LogName | None = None
    place: str | None = None

    @property
    def detail(self) -> str:
        return _WORDS[self.fault][0]

    @property
    def detail_th(self) -> str:
        return _WORDS[self.fault][1]

    def to_json(self) -> dict[str, Any]:
        severity = "warning" if self.fault.is_warning else "error"
        return {
            **asdict(self),
            "severity": severity,
            "detail": self.detail,
            "detail_th": self.detail_th,
        }


@dataclass
class Findings:
    """Gathers what one audit finds: counts all, keeps the first `MOST_KEPT`."""

    register: Register
    counted: Counter[Fault] = field(default_factory=Counter)
    kept: list[Finding] = field(default_factory=list)

    def add(self, fault: Fault, **where: Any) -> None:
        self.note(Finding(fault=fault, register_id=self.register.register_id, **where))

    def note(self, finding: Finding) -> None:
        self.counted[finding.fault] += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How an audit ended. `counts` says how much was looked at; `found` counts every
    finding by kind, of which `findings` lists the first."""

    register: Register
    started_at: datetime
    ended_at: datetime
    counts: dict[str, int]
    found: dict[Fault, int]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        return sum(self._severe())

    @property
    def warnings(self) -> int:
        return sum(self.found.values()) - self.errors

    @property
    def clean(self) -> bool:
        """Nothing is wrong. There may be warnings."""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "tra.audit.v1",
            "register_id": self.register.register_id,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "clean": self.clean,
            "errors": self.errors,
            "warnings": self.warnings,
            "counts": dict(self.counts),
            "found": {fault.value: times for fault, times in self.found.items()},
            "findings": [finding.to_json() for finding in self.findings],
        }

    def _severe(self) -> Iterator[int]:
        return (times for fault, times in self.found.items() if not fault.is_warning)
