"""Every error Tra raises on purpose.

One root, `TraError`. Each class has a stable `code` (part of the public
interface, see `handlers/problems.py` for the HTTP side), says whether the same
call can succeed later without change (`retryable`), and explains itself to a
person in English and Thai. No message carries content of a document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from chalicelib.domain.thai import be_year


class TraError(Exception):
    """Root of all errors raised on purpose.

    `code` is stable over versions; `retryable` says whether waiting can help.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, detail_th: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.detail_th = detail_th or detail


# -- what the caller sent ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One bad field: RFC 6901 JSON Pointer, stable code, and what to do about it."""

    pointer: str
    code: str
    detail: str
    detail_th: str


class InvalidRequestError(TraError):
    """The request was understood but breaks the rules; `faults` lists all of them."""

    code = "invalid_request"

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__(
            f"{len(faults)} field(s) need correction; see errors.",
            f"มี {len(faults)} รายการที่ต้องแก้ไข โปรดดู errors",
        )
        self.faults = tuple(faults)


class ConfirmationRequiredError(TraError):
    """A letter is sent by people only after they saw to whom (issue 6.6). `lines` is the plain
    list of recipients, `digest` what the order to send must repeat."""

    code = "confirmation_required"

    def __init__(self, lines: Sequence[str], digest: str) -> None:
        super().__init__(*self._words)
        self.lines = tuple(lines)
        self.digest = digest

    _words = (
        "Look at the list of recipients, and send the letter again with this `confirmation`.",
        "โปรดตรวจรายชื่อผู้รับ แล้วส่งอีกครั้งพร้อมค่า confirmation นี้",
    )


class ConfirmationStaleError(ConfirmationRequiredError):
    """Content, recipients or their channels are other ones than were confirmed."""

    code = "confirmation_stale"

    _words = (
        (
            "The letter, its recipients or their channels changed since they were confirmed. Look "
            "at the list again, and send with this `confirmation`."
        ),
        "เนื้อหา ผู้รับ หรือช่องทางเปลี่ยนไปจากที่ยืนยันไว้ โปรดตรวจรายชื่ออีกครั้ง แล้วส่งพร้อมค่า confirmation นี้",
    )


class MalformedRequestError(TraError):
    """The body is not JSON (RFC 8259), or not a JSON object."""

    code = "malformed_request"


class RequestTooLargeError(TraError):
    """The body is larger than the interface accepts."""

    code = "request_too_large"


class UnknownDocumentTypeError(InvalidRequestError):
    """No document type of that name is published."""

    code = "unknown_document_type"


class TopSecretRefusedError(InvalidRequestError):
    """ลับที่สุด may never travel electronically (A24)."""

    code = "top_secret_refused"


class BatchFileError(InvalidRequestError):
    """A batch file cannot be read at all: wrong encoding, wrong form, or columns that do not
    fit the mapping."""

    code = "batch_file_unreadable"


class IdempotencyKeyReusedError(TraError):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used before with a different body. Use a new key for a new request.",
            "Idempotency-Key นี้เคยใช้กับคำขอที่มีเนื้อหาต่างกัน โปรดใช้ค่าใหม่สำหรับคำขอใหม่",
        )


class NotFoundError(TraError):
    """Nothing of that name that the caller may know of."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing here that you may see.", "ไม่พบรายการที่ท่านมีสิทธิเข้าถึง")


class NotReadyError(TraError):
    """The document has no file yet; it can be asked for again."""

    code = "not_ready"
    retryable = True


class NoPictureError(TraError):
    """Documents of this type are not shown as pictures, or this one has no such side."""

    code = "no_picture"

    def __init__(self) -> None:
        super().__init__(
            "Documents of this type have no picture for phones, or not of this side; see "
            "`phone_image` of the type.",
            "เอกสารประเภทนี้ไม่มีภาพสำหรับแสดงบนโทรศัพท์ หรือไม่มีด้านที่ขอ โปรดดู phone_image ของประเภทเอกสาร",
        )


class NotInForceError(TraError):
    """The document is revoked, replaced, suspended or expired, so it is not shown."""

    code = "not_in_force"

    def __init__(self, standing: str) -> None:
        super().__init__(
            f"The document is {standing}, so no picture of it is given any more.",
            f"เอกสารอยู่ในสถานะ {standing} จึงไม่แสดงภาพอีกต่อไป",
        )


class EndedWithoutFileError(TraError):
    """The document ended as rejected or void, so there will never be a file."""

    code = "ended_without_file"


# -- who asked ---------------------------------------------------------------


class UnauthenticatedError(TraError):
    """The token is missing or cannot be trusted; `reason` is a stable word."""

    code = "unauthenticated"

    def __init__(self, reason: str, detail: str, detail_th: str) -> None:
        super().__init__(detail, detail_th)
        self.reason = reason


class ForbiddenError(TraError):
    """The caller is known but may not do this; `reason` is a stable word."""

    code = "forbidden"

    def __init__(self, reason: str, detail: str, detail_th: str) -> None:
        super().__init__(detail, detail_th)
        self.reason = reason


# -- the register ------------------------------------------------------------


class RegisterConflictError(TraError):
    """Somebody else wrote to the same register at the same moment; read again and retry."""

    code = "register_conflict"
    retryable = True


class DocumentMovedError(TraError):
    """A document is no longer in the state this write expects; read it again."""

    code = "document_moved"
    retryable = True


class EntryMovedError(TraError):
    """An entry is no longer in the state this write expects; read it again."""

    code = "entry_moved"
    retryable = True


class NumberUsedError(EntryMovedError):
    """A reserved number became a document's, so it cannot be given back."""

    code = "number_used"
    retryable = False


class RegisterClosedError(TraError):
    """The year of this register is closed: no number of it is given any more (A18)."""

    code = "register_closed"


class RegisterHeldError(TraError):
    """The next numbers of this register are a batch's (`batch`: agency/id) until it has them all."""

    code = "register_held"
    retryable = True

    def __init__(self, batch: str) -> None:
        super().__init__(
            "A batch is getting its numbers from this register just now; repeat in a minute.",
            "ทะเบียนนี้กำลังออกเลขให้ชุดเอกสารอยู่ โปรดลองใหม่ในอีกสักครู่",
        )
        self.batch = batch


class RegisterNotOverError(TraError):
    """The year of this register still lasts in Asia/Bangkok, so it cannot be closed."""

    code = "register_not_over"


class StandingConflictError(TraError):
    """What is asked does not go with what was decided of this document before."""

    code = "standing_conflict"


class LogForkError(TraError):
    """A log file would change what was published. Nothing is written; somebody must look."""

    code = "log_fork"


# -- batches -------------------------------------------------------------------


class BatchMovedError(TraError):
    """A batch is in another state than this needs, or somebody else changed it meanwhile."""

    code = "batch_moved"


class BatchBrokenError(TraError):
    """What a batch needs of its file cannot be had: it was changed after its check began, or
    what was kept of it is gone. The batch ends."""

    code = "batch_broken"


# -- rendering, sealing, archiving -------------------------------------------


class RenderError(TraError):
    """The template cannot make a page of this content; the same content fails again."""

    code = "render_failed"


class TemplateLimitError(RenderError):
    """The template takes more time, memory or pages than it may, however often it is tried."""

    code = "template_limit"


class XmlRefusedError(RenderError):
    """The XML cannot be signed or read safely; the same XML fails again."""

    code = "xml_refused"


class LintError(TraError):
    """The rendered file breaks a rule of the house, so it must not be sealed."""

    code = "lint_failed"


class SealError(TraError):
    """The seal cannot be made with this credential; somebody has to act."""

    code = "seal_failed"
    retryable = True


class CertificateNotYetValidError(SealError):
    """None of the agency's seals may be used now, and one of them not yet: its day is still
    to come, or the clock is behind."""

    code = "certificate_not_yet_valid"


class CertificateRevokedError(SealError):
    """A certificate was revoked by who issued it, so nothing may be signed with it."""

    code = "certificate_revoked"


class SealVerificationError(TraError):
    """A seal does not verify. Carries the ETSI EN 319 102-1 sub-indication where known."""

    code = "seal_invalid"
    retryable = True

    def __init__(self, detail: str, sub_indication: str | None = None) -> None:
        super().__init__(detail)
        self.sub_indication = sub_indication


class EvidenceSignatureError(TraError):
    """Signed evidence is not signed by any of the keys it should be."""

    code = "evidence_signature_wrong"


class TooLargeToCheckError(TraError):
    """Checking this file would take more memory or time than any honest file needs; `limit`
    names what it is too much of."""

    code = "too_large_to_check"

    def __init__(self, limit: str) -> None:
        super().__init__(
            f"The file is too large or too convoluted to be checked ({limit}).",
            f"ไฟล์ใหญ่หรือซับซ้อนเกินกว่าจะตรวจสอบได้ ({limit})",
        )
        self.limit = limit


class TimestampError(TraError):
    """No time-stamp authority gave a token that can be trusted (RFC 3161)."""

    code = "timestamp_failed"
    retryable = True


class RevocationUnknownError(TraError):
    """Neither OCSP nor a CRL said, freshly and verifiably, whether a certificate is revoked."""

    code = "revocation_unknown"
    retryable = True


class HashTreeError(TraError):
    """Hashes that make no tree, or do not lead to its root (RFC 4998 §4)."""

    code = "hash_tree"


class EvidenceRecordError(TraError):
    """An evidence record cannot be read or made (RFC 4998)."""

    code = "evidence_record"


class DeliveryMovedError(TraError):
    """Somebody else wrote to the delivery since it was read; read it again."""

    code = "delivery_moved"
    retryable = True


class CopyTooLargeError(TraError):
    """The file is larger than a printed copy can be made of."""

    code = "copy_too_large"

    def __init__(self) -> None:
        super().__init__(
            "The file is too large for a copy with a stamp; fetch the sealed file and print that.",
            "ไฟล์ใหญ่เกินกว่าจะพิมพ์สำเนาพร้อมตรารับ โปรดดาวน์โหลดไฟล์ต้นฉบับเพื่อพิมพ์",
        )


class ReadingTooLargeError(TraError):
    """A classified file is larger than an answer can be, and there is no link to one."""

    code = "reading_too_large"

    def __init__(self) -> None:
        super().__init__(
            "The file is too large to be given out in one answer, and classified files have no "
            "links. Ask the operator for it on a medium that the registrar of secrets keeps.",
            "ไฟล์ใหญ่เกินกว่าจะส่งให้ในครั้งเดียว และไฟล์ที่มีชั้นความลับไม่มีลิงก์ดาวน์โหลด "
            "โปรดขอไฟล์จากผู้ดูแลระบบบนสื่อที่นายทะเบียนข้อมูลข่าวสารลับเก็บรักษา",
        )


class DeliveryConflictError(TraError):
    """What is asked does not go with what became of the delivery; `reason` is a stable word."""

    code = "delivery_conflict"

    def __init__(self, reason: str, detail: str, detail_th: str) -> None:
        super().__init__(detail, detail_th)
        self.reason = reason


class NotHostedError(TraError):
    """The letter lies in the recipient's own system, which gives it a number and answers."""

    code = "not_hosted_here"

    def __init__(self) -> None:
        super().__init__(
            "The letter went to the agency's own system, which registers or rejects it there and "
            "sends the signed answer.",
            "หนังสือส่งเข้าระบบของหน่วยงานเอง จึงต้องลงทะเบียนรับหรือปฏิเสธในระบบนั้น แล้วส่งคำตอบที่ลงนามกลับมา",
        )


class UntrustedFileError(TraError):
    """The file that arrived did not pass verification, so the letter cannot be registered;
    `reasons` are codes of findings (docs/guide/verify.md)."""

    code = "untrusted_file"

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(
            f"The file did not pass verification ({', '.join(reasons)}); reject the letter, or have "
            "the sender look at it.",
            f"ไฟล์ไม่ผ่านการตรวจสอบ ({', '.join(reasons)}) โปรดปฏิเสธหนังสือหรือแจ้งผู้ส่งให้ตรวจสอบ",
        )
        self.reasons = tuple(reasons)


class AnswerRefusedError(TraError):
    """A signed receipt or rejection is not believed; `reason` is a stable word and `field` what
    cannot be read, if that is it. `delivery_id` is where it was kept, if anywhere."""

    code = "answer_refused"

    def __init__(
        self,
        reason: str,
        detail: str,
        detail_th: str,
        *,
        field: str = "",
        delivery_id: str | None = None,
    ) -> None:
        super().__init__(detail, detail_th)
        self.reason = reason
        self.field = field
        self.delivery_id = delivery_id


class ResendRefusedError(TraError):
    """Only what was rejected or failed is sent again; anything else has, or will have, its
    own outcome."""

    code = "resend_refused"


class ChannelBusyError(TraError):
    """A channel did not take a message now; waiting may help."""

    code = "channel_busy"
    retryable = True


class ChannelRefusedError(TraError):
    """A channel will never take a message: it is not set up, or its other end forbids it."""

    code = "channel_refused"


class FactorRefusedError(TraError):
    """The second factor that was shown is not accepted; `reason` is a stable word
    (`second_factor.Why`), and tells no more than that."""

    code = "factor_refused"

    def __init__(self, reason: str, detail: str, detail_th: str) -> None:
        super().__init__(detail, detail_th)
        self.reason = reason


class FactorLockedError(FactorRefusedError):
    """The try that locked the factor: supervisors hear of it (A28)."""

    code = "factor_locked_now"


class FactorMovedError(TraError):
    """Somebody else wrote an officer's second factors since they were read; read them again."""

    code = "factor_moved"
    retryable = True


class ApprovalRefusedError(TraError):
    """A decision, or a withdrawal, has no effect; `reason` is a stable word (`approvals.Why`), and
    `field` the member of what was asked that is in the way, if one is."""

    code = "approval_refused"

    def __init__(self, reason: str, detail: str, detail_th: str, *, field: str = "") -> None:
        super().__init__(detail, detail_th)
        self.reason = reason
        self.field = field


class AppointmentRefusedError(TraError):
    """An appointment, an authority or their end does not go with what stands; `reason` is a stable
    word."""

    code = "appointment_refused"

    def __init__(self, reason: str, detail: str, detail_th: str) -> None:
        super().__init__(detail, detail_th)
        self.reason = reason


class AlreadyBegunError(AppointmentRefusedError):
    """The agency has, or had, its first administrator: another one is appointed by an officer."""

    def __init__(self) -> None:
        super().__init__(
            "already_begun",
            "The agency had its first administrator already. Who may appoint others does it with "
            "POST /v1/officers.",
            "หน่วยงานนี้ตั้งผู้ดูแลคนแรกไปแล้ว การแต่งตั้งต่อไปต้องทำโดยผู้มีอำนาจผ่าน POST /v1/officers",
        )


class SecretUnreadableError(TraError):
    """What is encrypted cannot be opened: it was changed, or belongs to another document."""

    code = "secret_unreadable"


class ArchiveError(TraError):
    """The archive holds something that contradicts the register."""

    code = "archive_contradiction"


class UnavailableError(TraError):
    """A service Tra depends on did not answer or throttled; wait and repeat."""

    code = "unavailable"
    retryable = True


class ConfigurationError(TraError):
    """A setting is missing or cannot be used in this stage."""

    code = "configuration"


class UnknownYearError(ConfigurationError):
    """No public holidays are known for a year, so nothing about its working time can be said.

    Nothing is lost: whoever waits for the answer can ask again when the year was added.
    """

    code = "unknown_year"

    def __init__(self, year: int, file: str) -> None:
        super().__init__(
            f"No public holidays are known for {year} (B.E. {be_year(year)}). Add the year to {file} as "
            "docs/guide/office-hours.md says, and deploy.",
            f"ยังไม่มีข้อมูลวันหยุดราชการของปี พ.ศ. {be_year(year)} โปรดเพิ่มปีนี้ใน {file} "
            "ตาม docs/guide/office-hours.md แล้วติดตั้งใหม่",
        )
        self.year = year
