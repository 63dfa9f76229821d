"""Letters at the recipient's side: what arrived, and what its clerks do with it (issue 6.3)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource, is_in_inbox, may_read_file
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.errors import (
    AnswerRefusedError,
    CopyTooLargeError,
    DeliveryConflictError,
    FieldFault,
    InvalidRequestError,
    NotFoundError,
    NotHostedError,
    ReadingTooLargeError,
    RegisterHeldError,
    RenderError,
    UnavailableError,
    UntrustedFileError,
)
from chalicelib.domain.receipts import Receipt, Rejection, RejectionReason
from chalicelib.domain.statements import claimed_payload
from chalicelib.handlers.delivery_models import (
    AskInbox,
    ForwardLetter,
    InboxDetail,
    InboxItem,
    InboxPage,
    PrintedCopy,
    ReceiptView,
    RegisterLetter,
    RejectionView,
    RejectLetter,
)
from chalicelib.handlers.delivery_path import delivery_of, letter_search, name_of, statements
from chalicelib.handlers.documents import redirect_to
from chalicelib.handlers.models import AskFile, ClassifiedFile, parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.handlers.secret_files import classified_file, reader_of
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.pass_on import pass_on
from chalicelib.services.print_copy import print_copy
from chalicelib.services.register_letter import (
    Receiver,
    correct_receipt,
    register_letter,
)
from chalicelib.services.reject_letter import RejectionRequest, reject_letter
from chalicelib.services.take_answer import AnswerKind, take_answer

blueprint = Blueprint(__name__)


# -- what arrived ------------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/v1/inbox",
    summary="Search what arrived at the agency, newest first, whatever became of it.",
    action=Action.READ_INBOX,
    query=AskInbox,
    answers={200: InboxPage},
    errors=(InvalidRequestError, UnavailableError),
)
def search_inbox(call: Call) -> Response:
    found = call.house.deliveries.inbox(letter_search(call, parse(AskInbox, call.query)))
    public_url = call.house.settings.public_url
    known = call.shown(found.records, received)
    items = [InboxItem.of(record, name_of(call), public_url) for record in known]
    return as_json(InboxPage(items=items, cursor=found.cursor))


@operation(
    blueprint,
    "GET",
    "/v1/inbox/{delivery_id}",
    summary="One letter that arrived: what it is, when it came, whether its file is genuine, whether "
    "it came before, the receipt, and where it was passed on to.",
    action=Action.READ_INBOX,
    answers={200: InboxDetail},
    errors=(NotFoundError, UnavailableError),
)
def show_arrival(call: Call) -> Response:
    return as_json(_detail(call, arrived(call)))


@operation(
    blueprint,
    "GET",
    "/v1/inbox/{delivery_id}/file",
    summary="The sealed PDF, by a redirect to a link that lives for a minute; not of a letter that "
    "was recalled. Of a classified letter no link, but a copy that says on every page who reads it: "
    "application/pdf if Accept names it first, else ClassifiedFile.",
    action=Action.READ_INBOX,
    also_action=Action.OPEN_SECRET,
    query=AskFile,
    answers={303: "Redirect to the PDF. Do not send the token along.", 200: ClassifiedFile},
    also=(PDF,),
    errors=(
        InvalidRequestError,
        NotFoundError,
        ReadingTooLargeError,
        RenderError,
        UnavailableError,
    ),
)
def download_arrival(call: Call) -> Response:
    record = _readable(call)
    document = call.house.documents.get(record.delivery.id.document_id)
    if document is None or document.file is None:
        raise NotFoundError
    if document.is_classified:
        thing = received(record)
        return classified_file(call, document.document_id, document.file, thing)
    return redirect_to(call, document.document_id, document.file)


@operation(
    blueprint,
    "GET",
    "/v1/inbox/{delivery_id}/print",
    summary="A copy to print, with the receive stamp (ตรารับ) on its first page: application/pdf if "
    "Accept names it first, else PrintedCopy. The sealed file stays as it is.",
    action=Action.READ_INBOX,
    answers={200: PrintedCopy},
    also=(PDF,),
    errors=(NotFoundError, CopyTooLargeError, RenderError, UnavailableError),
)
def print_arrival(call: Call) -> Response:
    record = _readable(call)
    pdf = print_copy(record, reader_of(call), room=call.house.copy_room)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if call.names_first(PDF):
        return Response(pdf, headers={**headers, "Content-Type": PDF})
    view = PrintedCopy(
        delivery_id=record.delivery.delivery_id, pdf_base64=base64.b64encode(pdf).decode()
    )
    return as_json(view, headers=headers)


# -- what is done with it ----------------------------------------------------------


@operation(
    blueprint,
    "POST",
    "/v1/inbox/{delivery_id}/receipt",
    summary="Enter a letter in the receive register: next number, receipt (A1), sender told. An agency "
    "with a system of its own hands in the receipt that it signed. A repeat gets the receipt that "
    "stands, byte for byte.",
    action=Action.REGISTER_LETTER,
    body=RegisterLetter,
    answers={201: ReceiptView, 200: ReceiptView},
    errors=(
        NotFoundError,
        NotHostedError,
        DeliveryConflictError,
        UntrustedFileError,
        AnswerRefusedError,
        RegisterHeldError,
        UnavailableError,
    ),
)
def register_arrival(call: Call) -> Response:
    record = arrived(call)
    asked = parse(RegisterLetter, _body(call))
    if asked.receipt is not None:
        return _take_receipt(call, record, asked.receipt)
    registered = register_letter(
        record.delivery.id, receiver=_receiver(call), room=call.house.receiving_room
    )
    return _receipt_given(registered.jws, new=record.delivery.receipt is None)


@operation(
    blueprint,
    "POST",
    "/v1/inbox/{delivery_id}/correction",
    summary="Answer a sender who says that the receive-register number is wrong: the next number, and "
    "a receipt that names the one it corrects.",
    action=Action.REGISTER_LETTER,
    answers={201: ReceiptView, 200: ReceiptView},
    errors=(
        NotFoundError,
        NotHostedError,
        DeliveryConflictError,
        RegisterHeldError,
        UnavailableError,
    ),
)
def correct_number(call: Call) -> Response:
    record = arrived(call)
    corrected = correct_receipt(
        record.delivery.id, receiver=_receiver(call), room=call.house.receiving_room
    )
    return _receipt_given(corrected.jws, new=record.delivery.disputed)


@operation(
    blueprint,
    "POST",
    "/v1/inbox/{delivery_id}/rejection",
    summary="Send a letter back unregistered, and say why. An agency with a system of its own hands in "
    "the rejection that it signed.",
    action=Action.REJECT_LETTER,
    body=RejectLetter,
    answers={201: RejectionView, 200: RejectionView},
    errors=(
        NotFoundError,
        NotHostedError,
        DeliveryConflictError,
        AnswerRefusedError,
        UnavailableError,
    ),
)
def reject_arrival(call: Call) -> Response:
    record = arrived(call)
    asked = parse(RejectLetter, _body(call))
    if asked.rejection is not None:
        return _take_rejection(call, record, asked)
    if asked.note is not None and record.delivery.letter.is_classified:
        raise InvalidRequestError([_NO_NOTE])
    rejected = reject_letter(record.delivery.id, _request(asked), room=call.house.delivery_room)
    return _rejection_given(rejected.jws, new=not record.delivery.state.ended)


@operation(
    blueprint,
    "POST",
    "/v1/inbox/{delivery_id}/forward",
    summary="Pass a letter on to another unit of the agency.",
    action=Action.FORWARD_LETTER,
    body=ForwardLetter,
    answers={200: InboxDetail},
    errors=(NotFoundError, DeliveryConflictError, UnavailableError),
)
def forward_arrival(call: Call) -> Response:
    record = arrived(call)
    asked = parse(ForwardLetter, call.json_object())
    passed = pass_on(
        record.delivery.id,
        asked.unit,
        by=call.caller.subject,
        note=asked.note,
        room=call.house.delivery_room,
    )
    return as_json(_detail(call, passed))


# -- parts -------------------------------------------------------------------------


def arrived(call: Call) -> DeliveryRecord:
    """The delivery that the path names, if it may be known to the caller's agency. Raises
    NotFoundError, ForbiddenError (P6)."""
    record = delivery_of(call)
    call.authorise(received(record))
    if not is_in_inbox(record.delivery):
        raise NotFoundError
    return record


def received(record: DeliveryRecord) -> Resource:
    """A delivery as its recipient has it, with whom its registrar of secrets named."""
    return replace(Resource.received(record.delivery), named=record.named)


def _readable(call: Call) -> DeliveryRecord:
    """The same of a letter whose file may be read, and is about to be."""
    record = arrived(call)
    if not may_read_file(record.delivery):
        raise NotFoundError
    call.note(Action.READ_FILE, received(record))
    return record


def _body(call: Call) -> dict[str, Any]:
    """A body that may be left out."""
    return call.json_object() if call.request.raw_body else {}


def _receiver(call: Call) -> Receiver:
    return Receiver(name=call.caller.called, subject=call.caller.subject)


def _detail(call: Call, record: DeliveryRecord) -> InboxDetail:
    receipts, rejection = statements(call, record)
    letter = call.house.documents.get(record.delivery.id.document_id)
    if letter is None:
        raise NotFoundError
    return InboxDetail.with_statements(
        record,
        name_of(call),
        call.house.settings.public_url,
        standing=letter.standing_at(call.house.clock()),
        receipts=receipts,
        rejection=rejection,
    )


def _take_receipt(call: Call, record: DeliveryRecord, jws: str) -> Response:
    answered = take_answer(
        jws,
        AnswerKind.RECEIPT,
        delivery_id=record.delivery.id,
        brought_by=call.caller.agency_id,
        room=call.house.answer_room,
    )
    return _receipt_given(answered.jws, new=answered.new)


def _receipt_given(jws: str, *, new: bool) -> Response:
    """The same bytes each time: nothing but what the receipt says."""
    view = ReceiptView.of(jws, Receipt.read(claimed_payload(jws)))
    if new:
        count("LetterRegistered")
        logger.info(LogEvent.LETTER_REGISTERED, extra={"delivery_id": view.delivery_id})
    return as_json(view, status=201 if new else 200)


def _request(asked: RejectLetter) -> RejectionRequest:
    """Raises InvalidRequestError."""
    if asked.reason is None:
        raise InvalidRequestError([_NO_REASON])
    return RejectionRequest(
        code=RejectionReason(asked.reason),
        suggested_agency=asked.suggested_agency,
        note=asked.note,
    )


def _take_rejection(call: Call, record: DeliveryRecord, asked: RejectLetter) -> Response:
    """What was signed says all; nothing can stand beside it."""
    beside = [name for name in ("reason", "suggested_agency", "note") if getattr(asked, name)]
    if beside or asked.rejection is None:
        raise InvalidRequestError([_beside(name) for name in beside])
    answered = take_answer(
        asked.rejection,
        AnswerKind.REJECTION,
        delivery_id=record.delivery.id,
        brought_by=call.caller.agency_id,
        room=call.house.answer_room,
    )
    return _rejection_given(answered.jws, new=answered.new)


def _rejection_given(jws: str, *, new: bool) -> Response:
    view = RejectionView.of(jws, Rejection.read(claimed_payload(jws)))
    if new:
        count("LetterRejected")
        logger.info(
            LogEvent.LETTER_REJECTED,
            extra={"delivery_id": view.delivery_id, "reason_code": view.reason.code},
        )
    return as_json(view, status=201 if new else 200)


_NO_REASON = FieldFault(
    "/reason", "missing", "Say why the letter is rejected.", "ต้องระบุเหตุที่ปฏิเสธหนังสือ"
)


_NO_NOTE = FieldFault(
    "/note",
    "classified_note",
    "A rejection goes to the sender's own system in clear, so of a classified letter it says the code "
    "of the reason only; write what has to be said in a letter.",
    "คำปฏิเสธส่งถึงระบบของผู้ส่งโดยไม่เข้ารหัส หนังสือที่มีชั้นความลับจึงระบุได้เฉพาะรหัสเหตุผล รายละเอียดอื่นโปรดทำเป็นหนังสือ",
)


def _beside(name: str) -> FieldFault:
    return FieldFault(
        f"/{name}",
        "signed_already",
        "A signed rejection says this itself; send nothing beside it.",
        "คำปฏิเสธที่ลงนามแล้วระบุรายการนี้อยู่แล้ว ไม่ต้องส่งซ้ำ",
    )
