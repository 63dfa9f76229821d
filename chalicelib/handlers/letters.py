"""Letters at the sender's side: send, and see what became of each delivery (issue 6)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource, Role
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    ConfirmationRequiredError,
    ConfirmationStaleError,
    DeliveryConflictError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    LintError,
    NotFoundError,
    NotReadyError,
    RenderError,
    ResendRefusedError,
    TopSecretRefusedError,
    UnavailableError,
)
from chalicelib.domain.letter_requests import Confirmation, confirmation
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.delivery_models import (
    AskDeliveries,
    AskOutbox,
    AskRecall,
    DeliveryDetail,
    DeliveryPage,
    DeliveryView,
    DisputeReceipt,
    LetterView,
    OutboxPage,
    ProgressView,
    RecallAnswer,
)
from chalicelib.handlers.delivery_path import delivery_of, letter_search, name_of, statements
from chalicelib.handlers.documents import (
    accepted,
    authorised,
    build_submission,
    demand_proposable,
    known_to,
    made_before,
    proposed,
)
from chalicelib.handlers.letter_models import (
    AcceptedLetter,
    LetterPreview,
    ReadLetter,
    SendLetter,
    read_letter,
)
from chalicelib.handlers.models import Known, parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.secret_files import reader_of
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.dispute_receipt import dispute_receipt
from chalicelib.services.preview import preview
from chalicelib.services.recall_all import recall_all
from chalicelib.services.recall_letter import recall_letter
from chalicelib.services.resend_letter import resend_letter

blueprint = Blueprint(__name__)

_LOOKED_UP_SINGLY = 20


@operation(
    blueprint,
    "POST",
    "/v1/letters",
    summary="Send a letter to other agencies: numbered in the send (or circular) register, sealed, "
    "archived, and delivered to each. With dry_run, or without the `confirmation` that people "
    "owe, only the list of recipients to confirm.",
    action=Action.SEND_LETTER,
    body=SendLetter,
    headers={"Idempotency-Key": "Same key and body: same answer. Same key, other body: 422."},
    answers={202: AcceptedLetter, 200: LetterPreview},
    errors=(
        TopSecretRefusedError,
        ConfirmationRequiredError,
        ConfirmationStaleError,
        IdempotencyKeyReusedError,
        NotFoundError,
        RenderError,
        LintError,
        UnavailableError,
    ),
)
def send_letter(call: Call) -> Response:
    raw = call.json_object()
    claim = claim_of(call, {"letter": raw})
    # A repeat is answered before anything else is looked at: the world may have moved on.
    made = made_before(call, claim)
    if made:
        return _accepted(call, made)
    letter = read_letter(raw, _sender(call), _known_to(call, raw))
    demand_proposable(call, letter.document)
    submission = proposed(
        call,
        build_submission(call, letter.document, claim, circular=letter.asked.circular, type_at=""),
        recipients_at="/to",
    )
    seen = confirmation(submission.content_digest, letter.to)
    if letter.asked.dry_run:
        previewed = preview(submission, reader_of(call), room=call.house.preview_room)
        return as_json(LetterPreview.with_list(previewed, seen))
    _demand_confirmed(call, letter, seen)
    document = accepted(call, submission)
    count("LetterAccepted")
    logger.info(LogEvent.LETTER_ACCEPTED, extra={"document_id": document.document_id})
    return _accepted(call, document)


def _accepted(call: Call, document: Document) -> Response:
    view = AcceptedLetter.of(document, call.house.settings.public_url)
    return as_json(view, status=202, headers={"Location": view.links.self})


def _sender(call: Call) -> Agency:
    """Raises NotFoundError for an agency that is not in the directory."""
    sender = call.house.directory.agency(call.caller.agency_id)
    if sender is None:
        raise NotFoundError
    return sender


def _known_to(call: Call, raw: dict[str, object]) -> Known:
    """What the edge looks things up in; of many recipients all at once, and each once."""
    known = known_to(call)
    to = raw.get("to")
    if isinstance(to, list) and len(to) > _LOOKED_UP_SINGLY:
        agencies = {agency.agency_id: agency for agency in call.house.directory.agencies()}
        return replace(known, agency=agencies.get)
    return replace(known, agency=cache(known.agency))


def _demand_confirmed(call: Call, letter: ReadLetter, seen: Confirmation) -> None:
    """People see to whom a letter goes before it leaves; what they saw is what is sent. An
    application confirms nothing, unless it says so itself. Raises ConfirmationRequiredError,
    ConfirmationStaleError."""
    given = letter.asked.confirmation
    if given is None:
        if Role.APPLICATION not in call.caller.roles:
            raise ConfirmationRequiredError(seen.lines, seen.digest)
    elif given != seen.digest:
        raise ConfirmationStaleError(seen.lines, seen.digest)


# -- what became of it -------------------------------------------------------------


@operation(
    blueprint,
    "GET",
    "/v1/outbox",
    summary="Search what the agency sent, newest first: one line for each recipient and attempt.",
    action=Action.READ_LETTERS,
    query=AskOutbox,
    answers={200: OutboxPage},
    errors=(InvalidRequestError, UnavailableError),
)
def search_outbox(call: Call) -> Response:
    found = call.house.deliveries.outbox(letter_search(call, parse(AskOutbox, call.query)))
    known = call.shown(found.records, lambda record: Resource.sent(record.delivery))
    items = [_view(call, record) for record in known]
    return as_json(OutboxPage(items=items, cursor=found.cursor))


@operation(
    blueprint,
    "GET",
    "/v1/letters/{document_id}",
    summary="Show a letter: its state, and how far it is with all its recipients.",
    action=Action.READ_LETTERS,
    answers={200: LetterView},
    errors=(NotFoundError, UnavailableError),
)
def show_letter(call: Call) -> Response:
    letter = _letter(call)
    kind = call.house.types.get(letter.document_type, letter.type_version)
    view = LetterView.of(
        letter,
        kind.subject_of(letter.content) if kind else "",
        call.house.deliveries.progress(letter.document_id),
        call.house.settings.public_url,
    )
    return as_json(view)


@operation(
    blueprint,
    "GET",
    "/v1/letters/{document_id}/deliveries",
    summary="What became of each send of a letter: state, history, times, receive number, reason.",
    action=Action.READ_LETTERS,
    query=AskDeliveries,
    answers={200: DeliveryPage},
    errors=(InvalidRequestError, NotFoundError, UnavailableError),
)
def list_deliveries(call: Call) -> Response:
    asked = parse(AskDeliveries, call.query)
    document_id = _letter(call).document_id
    deliveries = call.house.deliveries
    found = deliveries.of_letter(document_id, cursor=asked.cursor, limit=int(asked.limit))
    page = DeliveryPage(
        document_id=document_id,
        progress=ProgressView.of(deliveries.progress(document_id)),
        items=[_view(call, record) for record in found.records],
        cursor=found.cursor,
    )
    return as_json(page)


@operation(
    blueprint,
    "GET",
    "/v1/letters/{document_id}/deliveries/{delivery_id}",
    summary="One send of a letter, with the receipt (A1) or the rejection as signed.",
    action=Action.READ_LETTERS,
    answers={200: DeliveryDetail},
    errors=(NotFoundError, UnavailableError),
)
def show_delivery(call: Call) -> Response:
    return as_json(_detail(call, _sent(call)))


@operation(
    blueprint,
    "POST",
    "/v1/letters/{document_id}/deliveries/{delivery_id}/recall",
    summary="Take one send back, as long as the recipient has not registered it.",
    action=Action.RECALL_LETTER,
    answers={200: DeliveryView},
    errors=(NotFoundError, DeliveryConflictError, UnavailableError),
)
def recall_delivery(call: Call) -> Response:
    record = _sent(call)
    recalled = recall_letter(record.delivery.id, room=call.house.delivery_room)
    count("LetterRecalled")
    logger.info(LogEvent.LETTER_RECALLED, extra={"delivery_id": recalled.delivery_id})
    return as_json(_view(call, replace(record, delivery=recalled)))


@operation(
    blueprint,
    "POST",
    "/v1/letters/{document_id}/recall",
    summary="Take a letter back from all who have not registered it; some hundred at a time, so "
    "repeat with `cursor` until it is null.",
    action=Action.RECALL_LETTER,
    query=AskRecall,
    answers={200: RecallAnswer},
    errors=(InvalidRequestError, NotFoundError, NotReadyError, UnavailableError),
)
def recall_whole_letter(call: Call) -> Response:
    asked = parse(AskRecall, call.query)
    outcome = recall_all(_letter(call), cursor=asked.cursor, room=call.house.delivery_room)
    count("LetterRecalled", len(outcome.recalled))
    return as_json(RecallAnswer.of(outcome))


@operation(
    blueprint,
    "POST",
    "/v1/letters/{document_id}/deliveries/{delivery_id}/dispute",
    summary="Say that the receive-register number of a receipt is wrong (e-CMS InvalidAcceptID): "
    "the recipient answers with a corrected receipt.",
    action=Action.SEND_LETTER,
    body=DisputeReceipt,
    answers={200: DeliveryView},
    errors=(
        NotFoundError,
        DeliveryConflictError,
        UnavailableError,
    ),
)
def dispute_number(call: Call) -> Response:
    record = _sent(call)
    asked = parse(DisputeReceipt, call.json_object())
    disputed = dispute_receipt(record.delivery.id, asked.place, room=call.house.delivery_room)
    return as_json(_view(call, replace(record, delivery=disputed)))


@operation(
    blueprint,
    "POST",
    "/v1/letters/{document_id}/deliveries/{delivery_id}/resend",
    summary="Send a letter that was rejected, or could not be delivered, to the same agency again: "
    "a delivery of its own. A repeat makes no second one.",
    action=Action.SEND_LETTER,
    answers={201: DeliveryView},
    errors=(NotFoundError, ResendRefusedError, UnavailableError),
)
def resend_delivery(call: Call) -> Response:
    again = resend_letter(_sent(call).delivery.id, room=call.house.resend_room)
    count("LetterResent")
    view = _view(call, again)
    return as_json(view, status=201, headers={"Location": view.links.self})


def _letter(call: Call) -> Document:
    """Raises NotFoundError for what is no letter, or not the caller's agency's (P6)."""
    letter = authorised(call)
    if not letter.is_letter:
        raise NotFoundError
    return letter


def _sent(call: Call) -> DeliveryRecord:
    """The delivery that the path names, of that letter. Raises NotFoundError, ForbiddenError."""
    record = delivery_of(call)
    call.authorise(sent(call, record))
    if record.delivery.id.document_id != call.path["document_id"]:
        raise NotFoundError
    return record


def sent(call: Call, record: DeliveryRecord) -> Resource:
    """A delivery as its sender has it, with whom its registrar of secrets named."""
    thing = Resource.sent(record.delivery)
    if not record.delivery.letter.is_classified:
        return thing
    letter = call.house.documents.get(record.delivery.id.document_id)
    return replace(thing, named=letter.named) if letter else thing


def _view(call: Call, record: DeliveryRecord) -> DeliveryView:
    return DeliveryView.of(record, name_of(call), call.house.settings.public_url)


def _detail(call: Call, record: DeliveryRecord) -> DeliveryDetail:
    receipts, rejection = statements(call, record)
    return DeliveryDetail.with_statements(
        record,
        name_of(call),
        call.house.settings.public_url,
        receipts=receipts,
        rejection=rejection,
    )
