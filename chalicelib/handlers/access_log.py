"""The access log's reports, for auditors; reading one is an access itself (C5, P6)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.errors import (
    FieldFault,
    InvalidRequestError,
    NotFoundError,
    RenderError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.thai import long_date, start_of_day
from chalicelib.domain.things import ThingKind
from chalicelib.handlers.access_models import AccessPage, AskAccesses
from chalicelib.handlers.models import demand_ascending, parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.ports import AccessSearch
from chalicelib.services.print_accesses import print_accesses
from chalicelib.services.report_access import ToldPage, report_document, report_officer

blueprint = Blueprint(__name__)

_PATH = "/v1/access-log"


@operation(
    blueprint,
    "GET",
    _PATH,
    summary="Who had to do with a document, or with what an officer had to do, oldest first. For "
    "auditors; each page that is read is recorded as well. In Thai to be printed, if Accept names "
    "application/pdf first.",
    action=Action.READ_ACCESS_LOG,
    query=AskAccesses,
    answers={200: AccessPage},
    also=(PDF,),
    errors=(InvalidRequestError, NotFoundError, RenderError, UnavailableError),
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
    if call.names_first(PDF):
        return _as_pdf(call, asked, page)
    return as_json(AccessPage.of(page), headers={"Vary": "Accept"})


def _as_pdf(call: Call, asked: AskAccesses, page: ToldPage) -> Response:
    """A header `Link: <…>; rel=next` leads to the next file."""
    agency = call.house.directory.agency(call.caller.agency_id)
    if agency is None:
        raise NotFoundError
    about = asked.document_id or asked.officer or ""
    pdf = print_accesses(
        page.accesses, about, agency, period=_period(asked), room=call.house.paper_room
    )
    headers: dict[str, str | list[str]] = {
        "Content-Type": PDF,
        "Content-Disposition": 'attachment; filename="access-report.pdf"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }
    if page.cursor is not None:
        query = urlencode({**call.query, "cursor": page.cursor})
        url = f"{call.house.settings.public_url}{_PATH}?{query}"
        headers["Link"] = f'<{url}>; rel="next"'
    return Response(pdf, headers=headers)


def _period(asked: AskAccesses) -> str | None:
    """The days that were asked for, in Thai."""
    first = f"ตั้งแต่ {long_date(date.fromisoformat(asked.from_))}" if asked.from_ else ""
    last = f"ถึง {long_date(date.fromisoformat(asked.to))}" if asked.to else ""
    return f"{first} {last}".strip() or None


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
