"""Public verification of files and bundles, and the function that parses strangers' files."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.bootstrap import house
from chalicelib.domain.errors import (
    MalformedRequestError,
    NotFoundError,
    RequestTooLargeError,
    UnavailableError,
)
from chalicelib.domain.strict_json import json_object
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, operation, quiet
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.handlers.verify_models import UploadInvitation, VerificationView, VerifySent
from chalicelib.services.verify_document import (
    Verification,
    invite_upload,
    verify_file,
    verify_sent_bundle,
    verify_upload,
)

blueprint = Blueprint(__name__)

_PDF_MARK = b"%PDF-"
MAX_PDF_BYTES = 4 * 1024 * 1024
"""As Base64 in an invocation (6 MB), which is how it travels from the gateway on."""
MAX_BUNDLE_BYTES = 1024 * 1024
"""Twenty deliveries and what proves them take a fourth of it; so much is verified in seconds."""


@operation(
    blueprint,
    "POST",
    "/v1/verify",
    summary="Verify a sealed PDF, an upload, or an evidence bundle: a verdict with reasons.",
    body=VerifySent,
    accepts=(PDF,),
    answers={200: VerificationView},
    errors=(
        NotFoundError,
        UnavailableError,
    ),
)
def verify_sent(call: Call) -> Response:
    done = _verify(call)
    count("FileVerified")
    told = {"indication": done.indication, "register": done.register}
    codes = [finding.code for finding in done.findings]
    logger.info(LogEvent.VERIFIED, extra={**told, "codes": codes})
    return as_json(VerificationView.of(done, call.house.clock()))


@operation(
    blueprint,
    "POST",
    "/v1/verify/uploads",
    summary="Permission to send one PDF of up to 100 MiB for verification.",
    answers={201: UploadInvitation},
    errors=(UnavailableError,),
)
def invite_file(call: Call) -> Response:
    upload_id, form = invite_upload(room=call.house.verification_room)
    return as_json(UploadInvitation.of(upload_id, form), status=201)


@blueprint.lambda_function(name="verify")
@quiet
def verify(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Check one file within bounds; stores nothing, may reach nothing but uploads."""
    return house().answer_verification(event)


def _verify(call: Call) -> Verification:
    room = call.house.verification_room
    sent_bytes = _bytes_of(call)
    if call.media_type == PDF:
        return verify_file(sent_bytes, room=room)
    if sent_bytes.startswith(_PDF_MARK):
        raise MalformedRequestError(
            "Send a PDF with Content-Type: application/pdf.",
            "โปรดส่งไฟล์ PDF พร้อม Content-Type: application/pdf",
        )
    sent = json_object(call.body(MAX_BUNDLE_BYTES))
    if "upload" in sent:
        return verify_upload(_upload_id(sent), room=room)
    return verify_sent_bundle(sent, room=room)


def _bytes_of(call: Call) -> bytes:
    try:
        return call.body(MAX_PDF_BYTES)
    except RequestTooLargeError as error:
        raise RequestTooLargeError(
            f"{error.detail} Send a larger PDF by the form that POST /v1/verify/uploads gives.",
            f"{error.detail_th} ไฟล์ PDF ที่ใหญ่กว่านี้โปรดส่งผ่าน POST /v1/verify/uploads",
        ) from error


def _upload_id(sent: dict[str, Any]) -> str:
    upload = parse(VerifySent, {"upload": sent["upload"]}).upload
    if upload is None:
        raise NotFoundError
    return upload
