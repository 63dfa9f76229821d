"""What may be said of an evidence bundle: each kind of tampering has a reason of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.bundle_problems import REVOKED, SUSPENDED, Problem, judge
from chalicelib.domain.delivery_verdict import DeliveryVerdict
from chalicelib.domain.standing import Standing
from chalicelib.domain.verdict import Aspect, Finding, Indication


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """What a bundle says of its document; true only if the verdict passed."""

    document_id: str
    document_type: str
    agency_id: str
    register_id: str
    number: int
    child: int
    printed_number: str
    content_digest: str
    file_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVerdict:
    """`checked` and `missing` name the parts of the proof; what is missing denies a pass only
    if nothing else can take its place (then a finding says so). `proven_at`: an evidence
    record proves the file for that time. `genuine`: it proves what it says of the document,
    though that may not stand any more, whatever its deliveries come to."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    checked: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    document: DocumentFacts | None = None
    deliveries: tuple[DeliveryVerdict, ...] = ()
    proven_at: datetime | None = None
    genuine: bool = False

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED


def _finding(code: str, detail: str, detail_th: str, aspect: Aspect = Aspect.BUNDLE) -> Finding:
    return Finding(code, detail, detail_th, aspect)


VALID = _finding(
    "bundle_valid",
    "The bundle proves the document's place in the register, its content and its file.",
    "ชุดหลักฐานพิสูจน์เลขทะเบียน เนื้อหา และไฟล์ของเอกสาร",
)
MALFORMED = _finding(
    "bundle_malformed",
    "This is not an evidence bundle (tra.evidence.v1), or it is damaged.",
    "ไม่ใช่ชุดหลักฐาน (tra.evidence.v1) หรือชุดหลักฐานเสียหาย",
)
COMMITMENT_WRONG = _finding(
    "commitment_wrong",
    "Salt and content digest do not give the commitment: the content is not the one numbered.",
    "ค่าสุ่มและค่าแฮชของเนื้อหาไม่ตรงกับค่าผูกมัด เนื้อหาไม่ใช่เนื้อหาที่ได้รับเลข",
)
NUMBER_ENTRY_DIFFERS = _finding(
    "number_entry_differs",
    "The entry in the number log belongs to another document, number or content.",
    "รายการในทะเบียนเลขสาธารณะเป็นของเอกสาร เลข หรือเนื้อหาอื่น",
    Aspect.REGISTER,
)
OUTCOME_ENTRY_DIFFERS = _finding(
    "outcome_entry_differs",
    "An entry in the outcome log belongs to another document, number, content or file.",
    "รายการในทะเบียนผลสาธารณะเป็นของเอกสาร เลข เนื้อหา หรือไฟล์อื่น",
    Aspect.REGISTER,
)
NUMBER_PROOF_WRONG = _finding(
    "number_proof_wrong",
    "The proof does not lead from the entry to the signed number log.",
    "หลักฐานไม่เชื่อมโยงรายการกับทะเบียนเลขสาธารณะที่ลงนามไว้",
    Aspect.REGISTER,
)
OUTCOME_PROOF_WRONG = _finding(
    "outcome_proof_wrong",
    "A proof does not lead from the entry to the signed outcome log.",
    "หลักฐานไม่เชื่อมโยงรายการกับทะเบียนผลสาธารณะที่ลงนามไว้",
    Aspect.REGISTER,
)
CHECKPOINT_WRONG = _finding(
    "checkpoint_wrong",
    "A checkpoint is not signed by the log's key, or is another log's.",
    "จุดรับรองทะเบียนไม่ได้ลงนามด้วยกุญแจของทะเบียน หรือเป็นของทะเบียนอื่น",
    Aspect.REGISTER,
)
EVIDENCE_SIGNATURE_WRONG = _finding(
    "evidence_signature_wrong",
    "The signature of the evidence is wrong, or by a key that is not the service's.",
    "ลายมือชื่อของหลักฐานไม่ถูกต้อง หรือไม่ได้ลงนามด้วยกุญแจของระบบ",
)
EVIDENCE_DIFFERS = _finding(
    "evidence_differs",
    "The signed evidence tells of another document, number, content or file.",
    "หลักฐานที่ลงนามไว้เป็นของเอกสาร เลข เนื้อหา หรือไฟล์อื่น",
)
FILE_DIFFERS = _finding(
    "file_differs",
    "The file beside the bundle is not the one that was archived.",
    "ไฟล์ที่แนบมาไม่ใช่ไฟล์ที่เก็บไว้ในคลัง",
    Aspect.FILE,
)
DOCUMENT_VOID = _finding(
    "document_void",
    "The number was made void: there is no such document.",
    "เลขนี้ถูกยกเลิก ไม่มีเอกสารตามเลขนี้",
    Aspect.DOCUMENT,
)
DOCUMENT_REVOKED = _finding(
    "document_revoked",
    "The document was revoked by its issuer.",
    "เอกสารถูกเพิกถอนโดยหน่วยงานที่ออก",
    Aspect.DOCUMENT,
)
DOCUMENT_REPLACED = _finding(
    "document_replaced",
    "The document was replaced by another one.",
    "เอกสารถูกแทนที่ด้วยเอกสารอื่น",
    Aspect.DOCUMENT,
)
DOCUMENT_SUSPENDED = _finding(
    "document_suspended",
    "The document is suspended by its issuer: it is not in force now.",
    "เอกสารถูกพักใช้โดยหน่วยงานที่ออก ขณะนี้ใช้ไม่ได้",
    Aspect.DOCUMENT,
)
DOCUMENT_EXPIRED = _finding(
    "document_expired",
    "The document is genuine, but its period is over.",
    "เอกสารออกจริง แต่หมดอายุแล้ว",
    Aspect.DOCUMENT,
)
DOCUMENT_NOT_YET_VALID = _finding(
    "document_not_yet_valid",
    "The document is genuine, but its period has not begun.",
    "เอกสารออกจริง แต่ยังไม่ถึงวันเริ่มมีผล",
    Aspect.DOCUMENT,
)
RULING_SIGNATURE_WRONG = _finding(
    "ruling_signature_wrong",
    "The signature of a ruling is wrong, or by a key that is not the service's.",
    "ลายมือชื่อของคำสั่งไม่ถูกต้อง หรือไม่ได้ลงนามด้วยกุญแจของระบบ",
)
RULING_DIFFERS = _finding(
    "ruling_differs",
    "A signed ruling is about another document, or says something else than bundle or log.",
    "คำสั่งที่ลงนามไว้เป็นของเอกสารอื่น หรือไม่ตรงกับชุดหลักฐานหรือทะเบียนผล",
)
RECORD_MALFORMED = _finding(
    "record_unreadable",
    "The evidence record cannot be read.",
    "ไม่สามารถอ่านระเบียนหลักฐานได้",
)


FINDINGS = {
    Standing.REVOKED: DOCUMENT_REVOKED,
    Standing.SUPERSEDED: DOCUMENT_REPLACED,
    Standing.SUSPENDED: DOCUMENT_SUSPENDED,
}
"""What is said of a document that does not stand."""


def problem_of(standing: Standing) -> Problem | None:
    """What speaks against a document by its rulings. Of a suspended one nobody can say how it
    will end, as of a certificate on hold (EN 319 102-1 §5.2.6.4)."""
    finding = FINDINGS.get(standing)
    if finding is None:
        return None
    return Problem(SUSPENDED if standing is Standing.SUSPENDED else REVOKED, finding)


def _missing(code: str, what: str, what_th: str) -> Finding:
    return _finding(code, f"Not checked: {what}.", f"ไม่ได้ตรวจสอบ: {what_th}")


NO_LOG_KEY = _missing(
    "log_key_missing",
    "no key of the public log was given",
    "ไม่ได้ให้กุญแจของทะเบียนสาธารณะ",
)
NO_JWKS = _missing("jwks_missing", "no keys of the evidence were given", "ไม่ได้ให้กุญแจของหลักฐาน")
NO_NUMBER_PROOF = _missing(
    "number_proof_missing",
    "the bundle has no proof from the number log",
    "ชุดหลักฐานไม่มีหลักฐานจากทะเบียนเลขสาธารณะ",
)
NO_OUTCOME_PROOF = _missing(
    "outcome_proof_missing",
    "the bundle has no proof from the outcome log that the document was issued",
    "ชุดหลักฐานไม่มีหลักฐานจากทะเบียนผลว่าเอกสารออกแล้ว",
)
NO_EVIDENCE = _missing(
    "evidence_missing", "the bundle has no signed evidence", "ชุดหลักฐานไม่มีหลักฐานที่ลงนาม"
)


NO_RULING_EVIDENCE = _missing(
    "ruling_evidence_missing",
    "a decision on the document is not signed yet; fetch the bundle again",
    "คำสั่งเกี่ยวกับเอกสารยังไม่ได้ลงนาม โปรดขอชุดหลักฐานใหม่",
)


def judge_bundle(
    problems: Sequence[Problem],
    *,
    checked: Sequence[str],
    missing: Sequence[str],
    document: DocumentFacts | None,
    deliveries: Sequence[DeliveryVerdict] = (),
    delivery_problems: Sequence[Problem] = (),
    proven_at: datetime | None = None,
) -> BundleVerdict:
    """All that speaks against a bundle is listed; failures first, and the first decides.
    `problems` are the document's own, `delivery_problems` those of its deliveries."""
    judged = judge([*problems, *delivery_problems], valid=VALID)
    return BundleVerdict(
        indication=judged.indication,
        sub_indication=judged.sub_indication,
        findings=judged.findings,
        checked=tuple(checked),
        missing=tuple(missing),
        document=document,
        deliveries=tuple(deliveries),
        proven_at=proven_at,
        genuine=all(problem.finding in FINDINGS.values() for problem in problems),
    )
