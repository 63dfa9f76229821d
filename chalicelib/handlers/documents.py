"""Documents: submit, show, search, file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from chalice.app import Blueprint, Response

from chalicelib.bootstrap import House
from chalicelib.domain.access import Action, Actor, Resource, only_recipient, seen_wholly
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import (
    ArchivedFile,
    Classification,
    Document,
    DocumentState,
    Urgency,
)
from chalicelib.domain.errors import (
    EndedWithoutFileError,
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    LintError,
    NoPictureError,
    NotFoundError,
    NotInForceError,
    NotReadyError,
    ReadingTooLargeError,
    RenderError,
    TopSecretRefusedError,
    UnavailableError,
    UnknownDocumentTypeError,
)
from chalicelib.domain.registers import SENDING, Book, NumberWish, WishKind
from chalicelib.domain.thai import start_of_day
from chalicelib.handlers.bundle_models import AskEvidence, EvidenceBundle
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.models import (
    AcceptedDocument,
    AskFile,
    AskPicture,
    ClassifiedFile,
    DocumentPage,
    DocumentPicture,
    DocumentView,
    Known,
    Preview,
    SearchDocuments,
    SubmitDocument,
    demand_ascending,
    instant_of,
    parse,
)
from chalicelib.handlers.operations import Call, is_identifier, operation
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.handlers.secret_files import classified_file, reader_of
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.ports import IdempotencyClaim, Search, Side
from chalicelib.services.bundle import bundle
from chalicelib.services.bundle_deliveries import AskedFor
from chalicelib.services.number import (
    BYTES_PER_BLOCK,
    no_registrar,
    why_no_letter,
    why_not,
    without_registrar,
)
from chalicelib.services.preview import preview
from chalicelib.services.show_picture import demand_picture, show_picture
from chalicelib.services.submit import Submission, repeat, submit, why_not_superseded

blueprint = Blueprint(__name__)

_LINK_SECONDS = 60
PNG = "image/png"


@operation(
    blueprint,
    "POST",
    "/v1/documents",
    summary="Submit a document; with dry_run, check it and preview it.",
    action=Action.SUBMIT_DOCUMENT,
    also_action=Action.SUPERSEDE_DOCUMENT,
    body=SubmitDocument,
    headers={"Idempotency-Key": "Same key and body: same answer. Same key, other body: 422."},
    answers={202: AcceptedDocument, 200: Preview},
    errors=(
        UnknownDocumentTypeError,
        TopSecretRefusedError,
        IdempotencyKeyReusedError,
        NotFoundError,
        RenderError,
        LintError,
        UnavailableError,
    ),
)
def submit_document(call: Call) -> Response:
    raw = call.json_object()
    claim = claim_of(call, raw)
    # A repeat is answered before anything else is looked at: the world may have moved on.
    made = made_before(call, claim)
    if made:
        return _accepted(call, made)
    body = parse(SubmitDocument, raw, known_to(call))
    demand_proposable(call, body)
    submission = proposed(call, build_submission(call, body, claim))
    _demand_numberable(submission)
    if body.dry_run:
        return as_json(
            Preview.of(preview(submission, reader_of(call), room=call.house.preview_room))
        )
    if submission.recipients:
        demand_sender(call, submission.book.name)
    document = accepted(call, submission)
    count("DocumentAccepted")
    logger.info(LogEvent.DOCUMENT_ACCEPTED, extra={"document_id": document.document_id})
    return _accepted(call, document)


def made_before(call: Call, claim: IdempotencyClaim | None) -> Document | None:
    """The document that this request made before; None for a new one. Raises
    IdempotencyKeyReusedError, NotFoundError for a classified one that the caller may not know of."""
    if claim is None:
        return None
    made = repeat(claim, documents=call.house.documents, number_queue=call.house.number_queue)
    if made is not None:
        call.authorise(Resource.of(made))
    return made


def demand_proposable(call: Call, body: SubmitDocument) -> None:
    """What is classified so is proposed by a cleared officer, never by an application (A13). Who
    may not learns nothing of what such a request would be looked up in: numbers of the register
    of secrets, say. Raises ForbiddenError."""
    call.authorise(Resource.proposed(call.caller.agency_id, Classification(body.classification)))


def proposed(
    call: Call, submission: Submission, *, recipients_at: str = "/recipients"
) -> Submission:
    """The submission of who may make it (`demand_proposable`), with who may read it. Who proposes
    what is classified reads it, and so does the registrar of secrets; others are named later.

    Raises InvalidRequestError for a recipient where nobody may receive it; `number` looks again.
    """
    if not submission.is_classified:
        return submission
    without = without_registrar(
        submission.recipients,
        submission.classification,
        officers=call.house.officers,
        at=call.house.clock(),
    )
    if without:
        raise InvalidRequestError(
            [_no_registrar(recipient, submission, recipients_at) for recipient in without]
        )
    return replace(submission, named=frozenset({call.caller.officer}))


def _no_registrar(recipient: str, submission: Submission, recipients_at: str) -> FieldFault:
    reason = no_registrar([recipient])
    place = f"{recipients_at}/{submission.recipients.index(recipient)}"
    return FieldFault(place, reason.code, reason.detail, reason.detail_th)


def accepted(call: Call, submission: Submission) -> Document:
    """The document that a request asks for, from now on sure to end (P4). Raises as `submit`."""
    document = submit(
        submission,
        documents=call.house.documents,
        number_queue=call.house.number_queue,
        clock=call.house.clock,
        ids=call.house.ids,
    )
    if document.is_classified:
        # Who brings a secret in has had to do with it, as everybody after (C5).
        call.authorise(Resource.of(document))
    return document


def _accepted(call: Call, document: Document) -> Response:
    view = AcceptedDocument.of(document, call.house.settings.public_url)
    return as_json(view, status=202, headers={"Location": view.links.self})


@operation(
    blueprint,
    "GET",
    "/v1/documents",
    summary="Search the agency's own documents, newest first.",
    action=Action.SEARCH_DOCUMENTS,
    query=SearchDocuments,
    answers={200: DocumentPage},
    errors=(InvalidRequestError, UnavailableError),
)
def search_documents(call: Call) -> Response:
    found = call.house.documents.search(_search(call, parse(SearchDocuments, call.query)))
    public_url = call.house.settings.public_url
    now = call.house.clock()
    # Who was named and is not cleared any more finds it in the index, and gets nothing of it.
    known = call.shown(found.documents, Resource.of)
    items = [DocumentView.of(document, public_url, now) for document in known]
    return as_json(DocumentPage(items=items, cursor=found.cursor))


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}",
    summary="Show a document: state, history, number, digest, retention.",
    action=Action.READ_DOCUMENT,
    answers={200: DocumentView},
    errors=(NotFoundError, UnavailableError),
)
def show_document(call: Call) -> Response:
    document = authorised(call)
    view = DocumentView.of(document, call.house.settings.public_url, call.house.clock())
    return as_json(view)


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}/file",
    summary="The sealed PDF, by a redirect to a link that lives for a minute. Of a classified "
    "document no link, but a copy that says on every page who reads it: application/pdf if Accept "
    "names it first, else ClassifiedFile.",
    action=Action.READ_FILE,
    also_action=Action.OPEN_SECRET,
    query=AskFile,
    answers={303: "Redirect to the PDF. Do not send the token along.", 200: ClassifiedFile},
    also=(PDF,),
    errors=(
        InvalidRequestError,
        NotFoundError,
        NotReadyError,
        EndedWithoutFileError,
        ReadingTooLargeError,
        RenderError,
        UnavailableError,
    ),
)
def download_file(call: Call) -> Response:
    document = authorised(call)
    if document.file is None:
        raise _no_file(document)
    if document.is_classified:
        thing = resource_of(call, document)
        return classified_file(call, document.document_id, document.file, thing)
    return redirect_to(call, document.document_id, document.file)


def redirect_to(call: Call, document_id: str, file: ArchivedFile) -> Response:
    """To the sealed bytes, by a link that soon ends and that nobody keeps."""
    link = call.house.archive.link(file, filename=f"{document_id}.pdf", seconds=_LINK_SECONDS)
    return Response("", status_code=303, headers={"Location": link, "Cache-Control": "no-store"})


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}/image",
    summary="The document as a picture for a phone, of types with `phone_image`: image/png if "
    "Accept names it first, else DocumentPicture. Ask again before it is shown: what is not in "
    "force any more has no picture, and one that did not change costs nothing (ETag).",
    action=Action.READ_FILE,
    query=AskPicture,
    headers={"If-None-Match": "The ETag of the picture at hand: 304 if it is still to be shown."},
    answers={200: DocumentPicture, 304: "The picture at hand is still to be shown."},
    also=(PNG,),
    errors=(
        InvalidRequestError,
        NotFoundError,
        NoPictureError,
        NotInForceError,
        NotReadyError,
        EndedWithoutFileError,
        RenderError,
        UnavailableError,
    ),
)
def show_image(call: Call) -> Response:
    side = Side(parse(AskPicture, call.query).side)
    document = authorised(call)
    if document.file is None:
        raise _no_file(document)
    kind = demand_picture(document, room=call.house.picture_room)
    headers = _headers_of_picture(document.file, side)
    if headers["ETag"] in str(call.request.headers.get("if-none-match", "")):
        return Response("", status_code=304, headers={**headers})
    png = show_picture(document, kind, side, room=call.house.picture_room)
    if call.names_first(PNG):
        return Response(png, headers={**headers, "Content-Type": PNG})
    return as_json(DocumentPicture.of(document.document_id, side, png), headers=headers)


def _headers_of_picture(file: ArchivedFile, side: Side) -> dict[str, str]:
    """The sealed file decides what its picture shows; whether it may be shown is asked anew."""
    return {
        "ETag": f'"{file.sha256[:32]}-{side}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Authorization",
    }


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}/evidence",
    summary="Everything that proves the document, in one bundle; `missing` names what is not "
    "there yet. Of a letter also what became of each delivery, 20 at a time; a recipient gets "
    "its own only.",
    action=Action.READ_FILE,
    query=AskEvidence,
    answers={200: EvidenceBundle},
    errors=(InvalidRequestError, NotFoundError, NotReadyError, UnavailableError),
)
def show_evidence(call: Call) -> Response:
    query = parse(AskEvidence, call.query)
    document = authorised(call)
    asked = AskedFor(
        only=only_recipient(call.caller, Resource.of(document)),
        delivery=_delivery_id(query.delivery),
        cursor=query.cursor,
    )
    made = bundle(document, room=call.house.bundle_room, asked=asked)
    return as_json(EvidenceBundle(**made.content))


def _delivery_id(text: str | None) -> DeliveryId | None:
    """Raises NotFoundError for what no delivery is called."""
    try:
        return DeliveryId.parse(text) if text else None
    except ValueError as error:
        raise NotFoundError from error


def authorised(call: Call) -> Document:
    """The document that the path names. Raises NotFoundError, ForbiddenError (P6)."""
    document_id = call.path["document_id"]
    document = call.house.documents.get(document_id) if is_identifier(document_id) else None
    if document is None:
        raise NotFoundError
    call.authorise(resource_of(call, document))
    return document


def resource_of(call: Call, document: Document) -> Resource:
    """Whose the document is; of a letter, also an agency's to which a delivery of it came, and
    whom its registrar named there (A13)."""
    if not document.is_letter or document.agency_id == call.caller.agency_id:
        return Resource.of(document)
    records = list(_deliveries_to_caller(call, document))
    thing = Resource.of_letter(document, (record.delivery for record in records))
    return replace(thing, named=thing.named.union(*(record.named for record in records)))


def _deliveries_to_caller(call: Call, letter: Document) -> Iterator[DeliveryRecord]:
    """All attempts; there is a next one only after the one before it."""
    if call.caller.agency_id not in letter.recipients:
        return
    for attempt in itertools.count(1):
        delivery_id = DeliveryId(letter.document_id, call.caller.agency_id, attempt)
        record = call.house.deliveries.get(delivery_id)
        if record is None:
            return
        yield record


def _no_file(document: Document) -> NotReadyError | EndedWithoutFileError:
    if document.reason is not None:
        return EndedWithoutFileError(
            f"The document ended as {document.state}: {document.reason.detail}",
            f"เอกสารสิ้นสุดในสถานะ {document.state}: {document.reason.detail_th}",
        )
    return NotReadyError(
        f"The document is {document.state}; ask again when it is issued.",
        f"เอกสารอยู่ในสถานะ {document.state} โปรดลองใหม่เมื่อออกเอกสารแล้ว",
    )


class Submitter(Protocol):
    """For whom a document is submitted, and in which house: a request, or a batch."""

    @property
    def house(self) -> House: ...

    @property
    def caller(self) -> Actor: ...

    def demand(self, action: Action) -> None:
        """Raises ForbiddenError."""

    def reach(self, action: Action, resource: Resource) -> bool:
        """Whether another thing is open to who asks; then it was an access."""


def known_to(call: Submitter, version: int | None = None) -> Known:
    """What the edge looks things up in; of types the newest, or one version."""
    return Known(
        document_type=lambda name: call.house.types.get(name, version),
        agency=call.house.directory.agency,
        content_faults=call.house.content_checker.faults,
        now=call.house.clock(),
        issuer=call.caller.agency_id,
    )


def submission_of(by: Submitter, raw: dict[str, Any], version: int) -> Submission:
    """What a body asks for that came another way, under one version of its type; validated as
    POST /v1/documents does. Raises InvalidRequestError."""
    return build_submission(by, parse(SubmitDocument, raw, known_to(by, version)), None, version)


def build_submission(
    call: Submitter,
    body: SubmitDocument,
    claim: IdempotencyClaim | None,
    version: int | None = None,
    *,
    circular: bool = False,
    type_at: str = "/document_type",
) -> Submission:
    """`type_at`: where a fault of the type as such is shown. Raises InvalidRequestError."""
    kind = call.house.types.get(body.document_type, version)
    if kind is None:
        raise NotFoundError
    demand_prefix(call, kind, type_at)
    made = Submission(
        agency_id=call.caller.agency_id,
        submitted_by=call.caller.subject,
        document_type=kind,
        content=body.content,
        recipients=tuple(body.recipients),
        valid_from=_day(body.valid_from),
        valid_until=_day(body.valid_until),
        classification=Classification(body.classification),
        urgency=Urgency(body.urgency),
        retention_years=body.retention_years or kind.retention_years,
        wish=None,
        per_recipient=body.numbers == "per_recipient",
        claim=claim,
        supersedes=_superseded(call, kind, body),
        circular=circular,
        act_within=instant_of(body.act_within) if body.act_within else None,
        approval=approval_of(call, kind, type_at),
    )
    if made.is_classified and circular:
        raise InvalidRequestError([_SECRET_CIRCULAR])
    return replace(made, wish=_wish(call, made.book, body))


_SECRET_CIRCULAR = FieldFault(
    "/circular",
    "classified_circular",
    "A classified letter is no circular: each copy has a number, and a registrar who answers for it. "
    "Leave `circular` out.",
    "หนังสือที่มีชั้นความลับเป็นหนังสือเวียนไม่ได้ เพราะแต่ละฉบับต้องมีนายทะเบียนข้อมูลข่าวสารลับรับผิดชอบ โปรดไม่ระบุ circular",
)


def approval_of(call: Submitter, kind: DocumentType, at: str = "/document_type") -> ApprovalPolicy:
    """How the caller's agency approves documents of this type. Raises InvalidRequestError if the
    agency whose officers are to decide is not there: nobody ever would."""
    agency = call.house.directory.agency(call.caller.agency_id)
    policy = kind.approved_by(agency) if agency else kind.approval
    if policy.approvers and policy.central and call.house.directory.agency(policy.central) is None:
        fault = FieldFault(
            at,
            "no_central_approver",
            "The agency whose officers approve documents of this type is not in the directory.",
            "ไม่มีหน่วยงานกลางที่มีอำนาจอนุมัติเอกสารประเภทนี้ในทะเบียนหน่วยงาน",
        )
        raise InvalidRequestError([fault])
    return policy


def demand_prefix(call: Submitter, kind: DocumentType, at: str = "/document_type") -> None:
    """Who asks learns at once that its letters cannot be numbered; `number` looks again."""
    reason = why_no_letter(Book(call.caller.agency_id, kind.book), call.house.directory)
    if reason is not None:
        fault = FieldFault(at, reason.code, reason.detail, reason.detail_th)
        raise InvalidRequestError([fault])


def demand_sender(call: Submitter, book: str) -> None:
    """Who may issue documents may not therefore send letters (A7). Raises ForbiddenError."""
    if book in SENDING:
        call.demand(Action.SEND_LETTER)


def _demand_numberable(submission: Submission) -> None:
    """A run is numbered in one transaction or never; refuse what will not fit."""
    if submission.per_recipient:
        weight = 2 * len(canonical_json(submission.content)) * len(submission.recipients)
        if weight > BYTES_PER_BLOCK // 2:
            raise InvalidRequestError(
                [
                    FieldFault(
                        "/recipients",
                        "run_too_large",
                        "This content is too large for so many consecutive numbers; send fewer "
                        "recipients at once, or use one number for all.",
                        "เนื้อหาใหญ่เกินไปสำหรับการออกเลขเรียงจำนวนเท่านี้ โปรดลดจำนวนผู้รับต่อครั้ง "
                        "หรือใช้เลขเดียวกันทุกผู้รับ",
                    )
                ]
            )


def _wish(call: Submitter, book: Book, body: SubmitDocument) -> NumberWish | None:
    """A wished-for number is looked up at once, so that who asks learns at once; `number`
    looks again, because until then somebody else may use it."""
    for field, wished, way in (
        ("use_reserved", body.use_reserved, WishKind.RESERVED),
        ("insert_after", body.insert_after, WishKind.INSERTED),
    ):
        if wished is not None:
            wish = NumberWish(way, wished.year, wished.number)
            reason = why_not(wish, book, to=call.house.registers, clock=call.house.clock)
            if reason is not None:
                fault = FieldFault(f"/{field}", reason.code, reason.detail, reason.detail_th)
                raise InvalidRequestError([fault])
            return wish
    return None


def _superseded(call: Submitter, kind: DocumentType, body: SubmitDocument) -> str | None:
    """The document to be replaced is looked up at once, so that who asks learns at once."""
    if body.supersedes is None:
        return None
    call.demand(Action.SUPERSEDE_DOCUMENT)
    old = call.house.documents.get(body.supersedes)
    if old is not None and not call.reach(Action.SUPERSEDE_DOCUMENT, Resource.of(old)):
        old = None  # what one may not know of looks non-existent (P6)
    reason = why_not_superseded(
        old,
        agency_id=call.caller.agency_id,
        document_type=kind.name,
        classification=Classification(body.classification),
        now=call.house.clock(),
    )
    if reason is not None:
        fault = FieldFault("/supersedes", reason.code, reason.detail, reason.detail_th)
        raise InvalidRequestError([fault])
    return body.supersedes


def _search(call: Call, query: SearchDocuments) -> Search:
    demand_ascending(query.from_, query.to)
    return Search(
        agency_id=call.caller.agency_id,
        state=DocumentState(query.state) if query.state else None,
        document_type=query.type,
        text=query.q,
        since=start_of_day(date.fromisoformat(query.from_)) if query.from_ else None,
        until=_end_of_day(date.fromisoformat(query.to)) if query.to else None,
        visible=seen_wholly(call.actors),
        named_for=call.caller.officer,
        limit=int(query.limit),
        cursor=query.cursor,
    )


def _end_of_day(day: date) -> datetime:
    return start_of_day(day) + timedelta(days=1, microseconds=-1)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
