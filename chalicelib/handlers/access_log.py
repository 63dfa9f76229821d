"""The access log's reports, for auditors; reading one is an access itself (C5, P6)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.errors import FieldFault, InvalidRequestError, UnavailableError
from chalicelib.domain.persons import Officer
from chalicelib.domain.thai import start_of_day
from chalicelib.domain.things import ThingKind
from chalicelib.handlers.access_models import AccessPage, AskAccesses
from chalicelib.handlers.models import demand_ascending, parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.ports import AccessSearch
from chalicelib.services.report_access import report_document, report_officer

blueprint = Blueprint(__name__)

_PATH = "/v1/access-log"


@operation(
    blueprint,
    "GET",
    _PATH,
    summary="Who had to do with a document, or with what an officer had to do, oldest first. For "
    "auditors; each page that is read is recorded as well.",
    action=Action.READ_ACCESS_LOG,
    query=AskAccesses,
    answers={200: AccessPage},
    errors=(InvalidRequestError, UnavailableError),
)
def read_access_log(call: Call) -> Response:
    asked = parse(AskAccesses, call.query)
    search = _search(asked)
    own, room = call.caller.agency_id, call.house.report_room
    if asked.document_id is not None and asked.officer is None:
        kind, thing_id = ThingKind.DOCUMENT_ACCESSES, asked.document_id
    elif asked.officer is not None and asked.document_id is None:
        kind, thing_id = ThingKind.OFFICER_ACCESSES, asked.officer
    else:
        raise _one_of_both()
    # What is read is the own agency's log, whoever's the document is.
    call.authorise(Resource(agency_id=own, thing_id=thing_id, kind=kind))
    page = (
        report_document(thing_id, search, agency_id=own, room=room)
        if kind is ThingKind.DOCUMENT_ACCESSES
        else report_officer(Officer(own, thing_id), search, room=room)
    )
    return as_json(AccessPage.of(page))


def _search(asked: AskAccesses) -> AccessSearch:
    demand_ascending(asked.from_, asked.to)
    return AccessSearch(
        since=start_of_day(date.fromisoformat(asked.from_)) if asked.from_ else None,
        until=_end_of_day(date.fromisoformat(asked.to)) if asked.to else None,
        limit=int(asked.limit),
        cursor=asked.cursor,
    )


def _end_of_day(day: date) -> datetime:
    return start_of_day(day) + timedelta(days=1, microseconds=-1)


def _one_of_both() -> InvalidRequestError:
    fault = FieldFault(
        "/document_id",
        "one_of_both",
        "Name a document (document_id) or an officer (officer), and not both.",
        "โปรดระบุเอกสาร (document_id) หรือเจ้าหน้าที่ (officer) อย่างใดอย่างหนึ่ง",
    )
    return InvalidRequestError([fault])
