"""Letters at the sender's side: send, and see what became of each delivery (issue 6)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Role
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    ConfirmationRequiredError,
    ConfirmationStaleError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    LintError,
    MalformedRequestError,
    NotFoundError,
    RenderError,
    RequestTooLargeError,
    TopSecretRefusedError,
    UnavailableError,
)
from chalicelib.domain.letter_requests import Confirmation, confirmation
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.documents import build_submission, known_to
from chalicelib.handlers.letter_models import (
    AcceptedLetter,
    LetterPreview,
    ReadLetter,
    SendLetter,
    read_letter,
)
from chalicelib.handlers.models import Known
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.preview import preview
from chalicelib.services.submit import repeat, submit

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
        MalformedRequestError,
        RequestTooLargeError,
        InvalidRequestError,
        TopSecretRefusedError,
        ConfirmationRequiredError,
        ConfirmationStaleError,
        IdempotencyKeyReusedError,
        RenderError,
        LintError,
        UnavailableError,
    ),
)
def send_letter(call: Call) -> Response:
    raw = call.json_object()
    claim = claim_of(call, {"letter": raw})
    # A repeat is answered before anything else is looked at: the world may have moved on.
    made = claim and repeat(
        claim, documents=call.house.documents, number_queue=call.house.number_queue
    )
    if made:
        return _accepted(call, made)
    letter = read_letter(raw, _sender(call), _known_to(call, raw))
    submission = build_submission(
        call, letter.document, claim, circular=letter.asked.circular, type_at=""
    )
    seen = confirmation(submission.content_digest, letter.to)
    if letter.asked.dry_run:
        previewed = preview(submission, room=call.house.preview_room)
        return as_json(LetterPreview.with_list(previewed, seen))
    _demand_confirmed(call, letter, seen)
    document = submit(
        submission,
        documents=call.house.documents,
        number_queue=call.house.number_queue,
        clock=call.house.clock,
        ids=call.house.ids,
    )
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
