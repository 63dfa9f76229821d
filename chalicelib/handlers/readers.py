"""Who may read a classified document: named by the registrar of secrets (A13)."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action
from chalicelib.domain.errors import (
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.handlers.documents import authorised
from chalicelib.handlers.inbox import arrived
from chalicelib.handlers.models import NameReaders, ReadersView, ReaderView, parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.name_readers import Naming, name_readers, name_recipients_readers

blueprint = Blueprint(__name__)

_ERRORS = (
    NotFoundError,
    UnavailableError,
)


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}/readers",
    summary="Officers to whom a classified document of the agency is open by name.",
    action=Action.OPEN_SECRET,
    answers={200: ReadersView},
    errors=(NotFoundError, UnavailableError),
)
def list_readers(call: Call) -> Response:
    return _view(call, authorised(call).named)


@operation(
    blueprint,
    "POST",
    "/v1/documents/{document_id}/readers",
    summary="Open a classified document to cleared officers of the agency, or close it to them. "
    "Repeatable; it takes effect at once.",
    action=Action.OPEN_SECRET,
    body=NameReaders,
    answers={200: ReadersView},
    errors=_ERRORS,
)
def open_document(call: Call) -> Response:
    document = authorised(call)
    opened = name_readers(document, _naming(call), room=call.house.reader_room)
    _note(document.document_id)
    return _view(call, opened.named)


@operation(
    blueprint,
    "GET",
    "/v1/inbox/{delivery_id}/readers",
    summary="Officers of the recipient to whom a classified letter is open by name.",
    action=Action.OPEN_SECRET,
    answers={200: ReadersView},
    errors=(NotFoundError, UnavailableError),
)
def list_readers_of_arrival(call: Call) -> Response:
    return _view(call, arrived(call).named)


@operation(
    blueprint,
    "POST",
    "/v1/inbox/{delivery_id}/readers",
    summary="Open a classified letter that came to cleared officers of the agency, or close it to "
    "them. Repeatable; it takes effect at once.",
    action=Action.OPEN_SECRET,
    body=NameReaders,
    answers={200: ReadersView},
    errors=_ERRORS,
)
def open_arrival(call: Call) -> Response:
    record = arrived(call)
    opened = name_recipients_readers(record, _naming(call), room=call.house.reader_room)
    _note(record.delivery.id.document_id)
    return _view(call, opened.named)


def _naming(call: Call) -> Naming:
    """Whom the registrar names are officers of the own agency."""
    asked = parse(NameReaders, call.json_object())
    return Naming(agency_id=call.caller.agency_id, add=asked.add, remove=asked.remove)


def _note(document_id: str) -> None:
    count("ReadersNamed")
    logger.info(LogEvent.READERS_NAMED, extra={"document_id": document_id})


def _view(call: Call, named: frozenset[Officer]) -> Response:
    own = sorted(one.subject for one in named if one.agency_id == call.caller.agency_id)
    return as_json(ReadersView(readers=[_reader(call, subject) for subject in own]))


def _reader(call: Call, subject: str) -> ReaderView:
    """With the name of an appointment that holds; of somebody who has none any more only who it
    was: such a person reads nothing."""
    now = call.house.clock()
    officer = Officer(call.caller.agency_id, subject)
    held = [one for one in call.house.officers.appointments_of(officer) if one.holds(now)]
    if not held:
        return ReaderView(subject=subject, name=None, position=None)
    return ReaderView(subject=subject, name=held[0].name_th, position=held[0].position_th)
