"""Registers as officers see them: lines, files, and numbers taken ahead (A18, A25)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource, seen_wholly
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import (
    InvalidRequestError,
    NotFoundError,
    NumberUsedError,
    RegisterClosedError,
    RegisterHeldError,
    RenderError,
    UnavailableError,
)
from chalicelib.domain.register_lines import Line
from chalicelib.domain.registers import (
    CIRCULAR,
    RECEIVING,
    SEND,
    SENDING,
    Book,
    Register,
    book_beside,
)
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.register_models import (
    AskRegister,
    LineView,
    PrintedRegister,
    RegisterPage,
    ReleaseNumber,
    ReservationView,
    ReserveNumbers,
    write_cursor,
)
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.print_register import print_csv, print_pdf
from chalicelib.services.register_receipts import with_deliveries
from chalicelib.services.register_view import Position, RegisterQuery, view_register
from chalicelib.services.reserve import ReservationRequest, give_back, reserve

blueprint = Blueprint(__name__)

_YEAR_AND_FORM = re.compile(r"([1-9][0-9]{3})(\.csv|\.pdf)?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@operation(
    blueprint,
    "GET",
    "/v1/registers/{agency}/{book}/{year}",
    summary="A register of the own agency, line by line. `{year}.csv` is a file for a "
    "spreadsheet, `{year}.pdf` pages to print: application/pdf if Accept names it first, else "
    "PrintedRegister. A header `Link: <…>; rel=next` leads to the next file.",
    action=Action.READ_REGISTER,
    query=AskRegister,
    answers={200: RegisterPage},
    also=(PrintedRegister, "text/csv", PDF),
    errors=(InvalidRequestError, NotFoundError, RenderError, UnavailableError),
)
def show_register(call: Call) -> Response:
    agency = _own_agency(call)
    register, form = _register(call)
    query = parse(AskRegister, call.query).query_of(register, seen_wholly(call.actors))
    match form:
        case ".csv":
            return _as_csv(call, query, agency)
        case ".pdf":
            return _as_pdf(call, query, agency)
    return _as_page(call, query, agency)


@operation(
    blueprint,
    "POST",
    "/v1/registers/{agency}/{book}/reservations",
    summary="Reserve the next numbers (จองเลข). Not idempotent: a repeat takes further numbers; "
    "give back what is not needed.",
    action=Action.RESERVE_NUMBERS,
    body=ReserveNumbers,
    answers={201: ReservationView},
    errors=(
        NotFoundError,
        RegisterClosedError,
        RegisterHeldError,
        UnavailableError,
    ),
)
def reserve_numbers(call: Call) -> Response:
    agency = _own_agency(call)
    book = _numbering_book(call, agency)
    body = parse(ReserveNumbers, call.json_object())
    request = ReservationRequest(
        book=book,
        count=body.count,
        owner=call.caller.subject,
        reason=body.reason,
        expires_at=body.expiry(call.house.clock()),
    )
    entries = reserve(request, desk=call.house.reservation_desk)
    view = ReservationView.of(entries, agency)
    count("NumberReserved", len(entries))
    logger.info(LogEvent.RESERVED, extra={"reservation_id": view.reservation_id})
    numbers = {"from_number": entries[0].number, "to_number": entries[-1].number}
    place = f"{_url(call, entries[0].register)}?{urlencode(numbers)}"
    return as_json(view, status=201, headers={"Location": place})


@operation(
    blueprint,
    "POST",
    "/v1/registers/{agency}/{book}/{year}/reservations/{number}/release",
    summary="Give a reserved number back: it ends as void and stays in the register.",
    action=Action.RESERVE_NUMBERS,
    body=ReleaseNumber,
    answers={200: LineView},
    errors=(
        NotFoundError,
        NumberUsedError,
        UnavailableError,
    ),
)
def release_number(call: Call) -> Response:
    agency = _own_agency(call)
    register, form = _register(call)
    if form or not _NUMBER.fullmatch(call.path["number"]):
        raise NotFoundError
    body = parse(ReleaseNumber, call.json_object())
    ended = give_back(
        register,
        int(call.path["number"]),
        reason=body.code,
        by=call.caller.subject,
        desk=call.house.reservation_desk,
    )
    count("NumberGivenBack")
    logger.info(LogEvent.GIVEN_BACK, extra={"register": register.register_id})
    return as_json(LineView.of(Line(ended, ended.numbered_at), agency))


# -- which register --------------------------------------------------------------


def _own_agency(call: Call) -> Agency:
    """Raises NotFoundError for another agency's registers (P6)."""
    call.authorise(Resource(agency_id=call.path["agency"]))
    agency = call.house.directory.agency(call.path["agency"])
    if agency is None:
        raise NotFoundError
    return agency


def _register(call: Call) -> tuple[Register, str]:
    """The register, and the form that was asked for: `.csv`, `.pdf` or nothing."""
    asked = _YEAR_AND_FORM.fullmatch(call.path["year"])
    if asked is None:
        raise NotFoundError
    register = Register(call.path["agency"], call.path["book"], int(asked[1]))
    books = {*_type_books(call), *SENDING, *RECEIVING}
    if (
        book_beside(register.book) not in books
        and not call.house.registers.head(register).last_number
    ):
        raise NotFoundError
    return register, asked[2] or ""


def _numbering_book(call: Call, agency: Agency) -> Book:
    """A book whose numbers documents of this agency get; anything else does not exist to be
    reserved in. Letters have numbers only where the agency has a prefix for them."""
    book = call.path["book"]
    prefixed = agency.letter_prefix is not None or book not in SENDING
    if book not in _type_books(call, agency) or not prefixed:
        raise NotFoundError
    return Book(agency.agency_id, book)


def _type_books(call: Call, issuer: Agency | None = None) -> set[str]:
    """Books of all types, or of those that `issuer` may issue."""
    books = {
        kind.book
        for kind in call.house.types.all()
        if issuer is None or kind.is_issued_by(issuer.agency_id)
    }
    # Whoever sends letters may send circulars.
    return books | {CIRCULAR} if SEND in books else books


# -- forms -----------------------------------------------------------------------


def _as_page(call: Call, query: RegisterQuery, agency: Agency) -> Response:
    found = view_register(query, registers=call.house.registers)
    _note_shown(call, found.lines)
    lines = with_deliveries(found.lines, deliveries=call.house.deliveries)
    place = _url(call, query.register)
    page = RegisterPage(
        register_id=query.register.register_id,
        items=[LineView.of(line, agency) for line in lines],
        cursor=write_cursor(found.next),
        links={"self": place, "csv": f"{place}.csv", "pdf": f"{place}.pdf"},
    )
    return as_json(page)


def _note_shown(call: Call, lines: Sequence[Line]) -> None:
    """Who reads what a classified line is about has had to do with it (C5). A veiled one tells
    nothing of it. Raises UnavailableError if it cannot be recorded."""
    call.shown((line for line in lines if not line.veiled), _thing_of)


def _thing_of(line: Line) -> Resource:
    """The document or letter that a line is about; a reservation, where there is none yet."""
    entry = line.entry
    arrived = DeliveryId.parse(entry.delivery_id).document_id if entry.delivery_id else None
    return Resource(
        agency_id=entry.register.agency_id,
        classification=entry.classification,
        thing_id=entry.document_id or arrived or entry.subject_id,
    )


def _as_csv(call: Call, query: RegisterQuery, agency: Agency) -> Response:
    printed = print_csv(query, agency, room=call.house.printing_room)
    _note_shown(call, printed.lines)
    following = _following(call, query.register, ".csv", printed.next)
    headers = _file_headers(query.register, "csv", following)
    return Response(printed.text, headers={**headers, "Content-Type": "text/csv; charset=utf-8"})


def _as_pdf(call: Call, query: RegisterQuery, agency: Agency) -> Response:
    printed = print_pdf(query, agency, room=call.house.printing_room)
    _note_shown(call, printed.lines)
    following = _following(call, query.register, ".pdf", printed.next)
    headers = {**_file_headers(query.register, "pdf", following), "Vary": "Accept"}
    if call.names_first(PDF):
        return Response(printed.pdf, headers={**headers, "Content-Type": PDF})
    del headers["Content-Disposition"]
    view = PrintedRegister.of(printed, query.register, following)
    return as_json(view, headers=headers)


def _file_headers(register: Register, suffix: str, following: str | None) -> dict[str, str]:
    name = f"{register.agency_id}-{register.book}-{register.year}.{suffix}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return {**headers, "Link": f'<{following}>; rel="next"'} if following else headers


def _following(call: Call, register: Register, form: str, position: Position | None) -> str | None:
    """The address of the next file, with the filters of this one."""
    cursor = write_cursor(position)
    if cursor is None:
        return None
    query: Iterable[tuple[str, str]] = {**call.query, "cursor": cursor}.items()
    return f"{_url(call, register)}{form}?{urlencode(list(query))}"


def _url(call: Call, register: Register) -> str:
    return f"{call.house.settings.public_url}/v1/registers/{register.register_id}"
