"""Errors as HTTP: RFC 9457 problem details. The only place where they meet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chalice.app import Response

from chalicelib.domain import errors
from chalicelib.domain.errors import FieldFault, InvalidRequestError, TraError, UnauthenticatedError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tra:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one error class looks from outside."""

    status: int
    title: str
    title_th: str


# Looked up along the class's bases, so a new subclass is covered by its parent.
KINDS: dict[type[TraError], Kind] = {
    errors.MalformedRequestError: Kind(400, "The body is not a JSON object", "เนื้อหาไม่ใช่ JSON"),
    errors.UnauthenticatedError: Kind(401, "The token was not accepted", "ไม่ยอมรับโทเคนนี้"),
    errors.ForbiddenError: Kind(403, "You may not do this", "ท่านไม่มีสิทธิดำเนินการนี้"),
    errors.NotFoundError: Kind(404, "Not found", "ไม่พบรายการ"),
    errors.NoPictureError: Kind(404, "There is no such picture", "ไม่มีภาพนี้"),
    errors.NotInForceError: Kind(409, "The document is not in force", "เอกสารไม่มีผลใช้บังคับ"),
    errors.NotReadyError: Kind(409, "Not ready yet", "ยังไม่พร้อม"),
    errors.RegisterNotOverError: Kind(
        409, "The year of this register still lasts", "ทะเบียนปีนี้ยังไม่สิ้นปี"
    ),
    errors.EntryMovedError: Kind(
        409, "The entry is in another state by now", "รายการเปลี่ยนสถานะแล้ว"
    ),
    errors.StandingConflictError: Kind(
        409, "This does not go with earlier decisions", "ขัดกับคำสั่งก่อนหน้า"
    ),
    errors.RegisterClosedError: Kind(409, "The year of the register is closed", "ทะเบียนปีนี้ปิดแล้ว"),
    errors.EndedWithoutFileError: Kind(410, "There will be no file", "จะไม่มีไฟล์"),
    errors.RequestTooLargeError: Kind(413, "The body is too large", "เนื้อหาใหญ่เกินกำหนด"),
    errors.TopSecretRefusedError: Kind(
        422,
        "Top secret documents never travel electronically",
        "เอกสารลับที่สุดห้ามส่งทางอิเล็กทรอนิกส์",
    ),
    errors.UnknownDocumentTypeError: Kind(
        422, "There is no such document type", "ไม่มีประเภทเอกสารนี้"
    ),
    errors.InvalidRequestError: Kind(422, "The request needs correction", "คำขอต้องแก้ไข"),
    errors.CopyTooLargeError: Kind(409, "Too large for a copy", "ไฟล์ใหญ่เกินสำหรับสำเนา"),
    errors.ConfirmationRequiredError: Kind(
        409, "The recipients are to be confirmed", "ต้องยืนยันรายชื่อผู้รับก่อนส่ง"
    ),
    errors.RenderError: Kind(
        422, "No page can be made of this content", "ไม่สามารถจัดหน้าเอกสารจากเนื้อหานี้"
    ),
    errors.LintError: Kind(
        422, "No page can be made of this content", "ไม่สามารถจัดหน้าเอกสารจากเนื้อหานี้"
    ),
    errors.IdempotencyKeyReusedError: Kind(
        422, "The Idempotency-Key was used before", "Idempotency-Key ถูกใช้แล้ว"
    ),
    errors.UnavailableError: Kind(503, "Not available just now", "ระบบไม่พร้อมชั่วคราว"),
    errors.RegisterConflictError: Kind(503, "The register is busy", "ทะเบียนกำลังถูกใช้งาน"),
    errors.RegisterHeldError: Kind(
        503, "A batch is getting its numbers", "ทะเบียนกำลังออกเลขให้ชุดเอกสาร"
    ),
    errors.BatchMovedError: Kind(
        409, "The batch is in another state by now", "ชุดเอกสารเปลี่ยนสถานะแล้ว"
    ),
    errors.DeliveryConflictError: Kind(
        409, "This does not go with what became of the delivery", "ขัดกับผลการส่งที่มีอยู่แล้ว"
    ),
    errors.NotHostedError: Kind(
        409, "The agency's own system registers this letter", "ต้องลงทะเบียนในระบบของหน่วยงานเอง"
    ),
    errors.UntrustedFileError: Kind(
        409, "The file did not pass verification", "ไฟล์ไม่ผ่านการตรวจสอบ"
    ),
    errors.AnswerRefusedError: Kind(409, "The answer is not believed", "ไม่ยอมรับคำตอบนี้"),
    errors.ReadingTooLargeError: Kind(
        422, "The file is too large for one answer", "ไฟล์ใหญ่เกินกว่าจะส่งในครั้งเดียว"
    ),
    errors.ResendRefusedError: Kind(409, "This delivery cannot be sent again", "ส่งรายการนี้ซ้ำไม่ได้"),
    errors.FactorRefusedError: Kind(
        403, "The second factor was not accepted", "ไม่ยอมรับการยืนยันตัวตนขั้นที่สอง"
    ),
    errors.ApprovalRefusedError: Kind(409, "This decision has no effect", "การตัดสินใจนี้ไม่มีผล"),
    errors.AppointmentRefusedError: Kind(
        409, "This does not go with who is appointed", "ขัดกับการแต่งตั้งที่มีอยู่แล้ว"
    ),
    errors.TraError: Kind(500, "Something went wrong on our side", "เกิดข้อผิดพลาดที่ระบบ"),
}

RETRY_AFTER_SECONDS = 2

_WITH_REASON = (
    UnauthenticatedError,
    errors.ForbiddenError,
    errors.DeliveryConflictError,
    errors.AnswerRefusedError,
    errors.FactorRefusedError,
    errors.ApprovalRefusedError,
    errors.AppointmentRefusedError,
)


def kind_of(error: type[TraError]) -> Kind:
    """The nearest entry of `KINDS` along the class's bases."""
    return next(KINDS[base] for base in error.__mro__ if base in KINDS)


def problem(error: TraError, *, instance: str, thai: bool) -> Response:
    """The response for an error raised on purpose.

    Errors that are not the caller's business (500) are told without detail.
    """
    kind = kind_of(type(error))
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": kind.title_th if thai else kind.title,
        "status": kind.status,
        "code": error.code,
        "instance": instance,
    }
    if kind.status != KINDS[TraError].status:
        body["detail"] = error.detail_th if thai else error.detail
    if isinstance(error, InvalidRequestError):
        body["errors"] = [_fault(fault, thai=thai) for fault in error.faults]
    if isinstance(error, errors.ConfirmationRequiredError):
        body["confirmation"] = {"recipients": list(error.lines), "digest": error.digest}
    if isinstance(error, _WITH_REASON):
        body["reason"] = error.reason
    if isinstance(error, errors.ApprovalRefusedError) and error.field:
        fault = FieldFault(f"/{error.field}", error.reason, error.detail, error.detail_th)
        body["errors"] = [_fault(fault, thai=thai)]
    if isinstance(error, errors.AnswerRefusedError) and error.field:
        body["field"] = error.field
    if isinstance(error, errors.UntrustedFileError):
        body["reasons"] = list(error.reasons)
    return Response(
        json.dumps(body, ensure_ascii=False),
        status_code=kind.status,
        headers=_headers(error, thai=thai),
    )


def unexpected(*, instance: str, thai: bool) -> Response:
    """The response for an error nobody foresaw: no detail leaves the house."""
    return problem(TraError("unexpected"), instance=instance, thai=thai)


def _fault(fault: FieldFault, *, thai: bool) -> dict[str, str]:
    return {
        "pointer": fault.pointer,
        "code": fault.code,
        "detail": fault.detail_th if thai else fault.detail,
    }


def _headers(error: TraError, *, thai: bool) -> dict[str, str | list[str]]:
    headers: dict[str, str | list[str]] = {
        "Content-Type": MEDIA_TYPE,
        "Content-Language": "th" if thai else "en",
        "Cache-Control": "no-store",
    }
    if isinstance(error, UnauthenticatedError):
        # RFC 6750, section 3
        challenge = "" if error.reason == "missing" else ' error="invalid_token"'
        headers["WWW-Authenticate"] = f'Bearer realm="tra"{"," if challenge else ""}{challenge}'
    if error.retryable:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return headers
