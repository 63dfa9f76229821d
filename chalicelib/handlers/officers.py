"""Officers of an agency, whose authority they use, and its applications.

What changes who may do what needs the administrator's second factor (A9), holds at once, and is
recorded in the access log.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.appointing import record_id
from chalicelib.domain.errors import (
    AppointmentRefusedError,
    FactorRefusedError,
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
    TopSecretRefusedError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.things import ThingKind
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.factor_models import FactorShown, purpose_of_request
from chalicelib.handlers.models import parse
from chalicelib.handlers.officer_models import (
    AppointmentView,
    AppointOfficer,
    AuthorityListing,
    AuthorityView,
    ClientListing,
    ClientView,
    EndIt,
    GrantAuthority,
    ListOfficers,
    OfficerListing,
    OfficerView,
    RegisterClient,
    WhoAmI,
)
from chalicelib.handlers.operations import Call, is_identifier, named_in_path, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.appoint import Prove, appoint, end_appointment
from chalicelib.services.grant_authority import end_authority, grant_authority
from chalicelib.services.register_client import end_client, register_client
from chalicelib.services.use_factor import use_factor

blueprint = Blueprint(__name__)

_HEADERS = {"Idempotency-Key": "Same key and body: same record. Same key, other body: 422."}
_READ_ERRORS: tuple[type[TraError], ...] = (InvalidRequestError, NotFoundError, UnavailableError)
_END_ERRORS: tuple[type[TraError], ...] = (
    NotFoundError,
    AppointmentRefusedError,
    FactorRefusedError,
    UnavailableError,
)
_CREATE_ERRORS: tuple[type[TraError], ...] = (
    *_END_ERRORS,
    TopSecretRefusedError,
    IdempotencyKeyReusedError,
)


# -- officers --------------------------------------------------------------------


@operation(
    blueprint,
    "POST",
    "/v1/officers",
    summary="Appoint an officer of your agency: it takes effect at once. Nobody appoints themselves.",
    action=Action.APPOINT_OFFICER,
    body=AppointOfficer,
    headers=_HEADERS,
    answers={201: AppointmentView},
    errors=_CREATE_ERRORS,
)
def appoint_officer(call: Call) -> Response:
    raw = call.json_object()
    body = parse(AppointOfficer, raw)
    appointment_id = _new_id(call, raw)
    _authorise(call, ThingKind.APPOINTMENT, appointment_id)
    made = appoint(
        body.request(appointment_id, call.caller.officer),
        _proof_of_new(call, raw, body),
        office=call.house.personnel_office,
    )
    _tell(LogEvent.APPOINTED, "OfficerAppointed", appointment_id)
    view = AppointmentView.of(made, call.house.clock())
    return as_json(view, status=201, headers={"Location": _place_of(call, made.subject)})


@operation(
    blueprint,
    "GET",
    "/v1/officers",
    summary="All appointments of your agency, by officer, in pages.",
    action=Action.READ_OFFICERS,
    query=ListOfficers,
    answers={200: OfficerListing},
    errors=_READ_ERRORS,
)
def list_officers(call: Call) -> Response:
    asked = parse(ListOfficers, call.query)
    page = call.house.officers.officers(
        call.caller.agency_id, limit=int(asked.limit), cursor=asked.cursor
    )
    now = call.house.clock()
    items = [AppointmentView.of(one, now) for one in page.appointments]
    return as_json(OfficerListing(items=items, cursor=page.cursor))


@operation(
    blueprint,
    "GET",
    "/v1/officers/{subject}",
    summary="One officer of your agency: every appointment and authority there ever was.",
    action=Action.READ_OFFICERS,
    answers={200: OfficerView},
    errors=_READ_ERRORS,
)
def show_officer(call: Call) -> Response:
    officer = Officer(call.caller.agency_id, named_in_path(call, "subject"))
    appointments = call.house.officers.appointments_of(officer)
    if not appointments:
        raise NotFoundError
    thing = appointments[0].appointment_id
    call.authorise(
        Resource(agency_id=officer.agency_id, thing_id=thing, kind=ThingKind.APPOINTMENT)
    )
    authorities = call.house.officers.authorities_of(officer)
    return as_json(OfficerView.of(officer, appointments, authorities, call.house.clock()))


@operation(
    blueprint,
    "POST",
    "/v1/appointments/{appointment_id}/end",
    summary="End an appointment at once. Your agency's last administrator cannot be ended.",
    action=Action.APPOINT_OFFICER,
    body=EndIt,
    answers={200: AppointmentView},
    errors=_END_ERRORS,
)
def end_an_appointment(call: Call) -> Response:
    appointment_id = _identifier(call, "appointment_id")
    raw = call.json_object()
    body = parse(EndIt, raw)
    _authorise(call, ThingKind.APPOINTMENT, appointment_id)
    now = call.house.clock()
    ended = end_appointment(
        call.caller.agency_id,
        appointment_id,
        body.ending(call.caller, now),
        _proof(call, raw, body),
        office=call.house.personnel_office,
    )
    _tell(LogEvent.APPOINTMENT_ENDED, "AppointmentEnded", appointment_id)
    return as_json(AppointmentView.of(ended, call.house.clock()))


@operation(
    blueprint,
    "GET",
    "/v1/me",
    summary="Who I am: appointments and authorities that hold now, and the scopes of this token.",
    action=Action.READ_SELF,
    answers={200: WhoAmI},
    errors=(UnavailableError,),
)
def who_am_i(call: Call) -> Response:
    caller, officers = call.caller, call.house.officers
    is_officer = caller.appointment_id is not None
    appointments = officers.appointments_of(caller.officer) if is_officer else ()
    authorities = officers.authorities_of(caller.officer) if is_officer else ()
    return as_json(WhoAmI.of(caller, appointments, authorities, call.house.clock()))


# -- authorities -----------------------------------------------------------------


@operation(
    blueprint,
    "POST",
    "/v1/authorities",
    summary="Let an officer act with the authority of another position (ปฏิบัติราชการแทน, "
    "รักษาราชการแทน, รักษาการในตำแหน่ง).",
    action=Action.APPOINT_OFFICER,
    body=GrantAuthority,
    headers=_HEADERS,
    answers={201: AuthorityView},
    errors=_CREATE_ERRORS,
)
def grant_an_authority(call: Call) -> Response:
    raw = call.json_object()
    body = parse(GrantAuthority, raw)
    _demand_types(call, body.document_types)
    authority_id = _new_id(call, raw)
    _authorise(call, ThingKind.AUTHORITY, authority_id)
    granted = grant_authority(
        body.request(authority_id, call.caller.officer),
        _proof_of_new(call, raw, body),
        office=call.house.personnel_office,
    )
    _tell(LogEvent.AUTHORITY_GRANTED, "AuthorityGranted", authority_id)
    view = AuthorityView.of(granted, call.house.clock())
    return as_json(view, status=201, headers={"Location": _place_of(call, granted.holder)})


@operation(
    blueprint,
    "GET",
    "/v1/authorities",
    summary="All authorities that officers of your agency use or used, by holder, in pages.",
    action=Action.READ_OFFICERS,
    query=ListOfficers,
    answers={200: AuthorityListing},
    errors=_READ_ERRORS,
)
def list_authorities(call: Call) -> Response:
    asked = parse(ListOfficers, call.query)
    page = call.house.officers.authorities(
        call.caller.agency_id, limit=int(asked.limit), cursor=asked.cursor
    )
    now = call.house.clock()
    items = [AuthorityView.of(one, now) for one in page.authorities]
    return as_json(AuthorityListing(items=items, cursor=page.cursor))


@operation(
    blueprint,
    "POST",
    "/v1/authorities/{authority_id}/end",
    summary="Revoke an authority at once.",
    action=Action.APPOINT_OFFICER,
    body=EndIt,
    answers={200: AuthorityView},
    errors=_END_ERRORS,
)
def end_an_authority(call: Call) -> Response:
    authority_id = _identifier(call, "authority_id")
    raw = call.json_object()
    body = parse(EndIt, raw)
    _authorise(call, ThingKind.AUTHORITY, authority_id)
    ended = end_authority(
        call.caller.agency_id,
        authority_id,
        body.ending(call.caller, call.house.clock()),
        _proof(call, raw, body),
        office=call.house.personnel_office,
    )
    _tell(LogEvent.AUTHORITY_ENDED, "AuthorityEnded", authority_id)
    return as_json(AuthorityView.of(ended, call.house.clock()))


# -- applications ----------------------------------------------------------------


@operation(
    blueprint,
    "POST",
    "/v1/clients",
    summary="Register an application of your agency with the scopes it may use at most. The last "
    "registration stands, at once.",
    action=Action.APPOINT_OFFICER,
    body=RegisterClient,
    answers={201: ClientView},
    errors=_END_ERRORS,
)
def register_a_client(call: Call) -> Response:
    raw = call.json_object()
    body = parse(RegisterClient, raw)
    _authorise(call, ThingKind.CLIENT, body.client_id)
    client = register_client(
        body.request(call.caller.officer),
        _proof(call, raw, body, repeatable=False),
        office=call.house.personnel_office,
    )
    _tell(LogEvent.CLIENT_REGISTERED, "ClientRegistered", client.client_id)
    return as_json(ClientView.of(client), status=201)


@operation(
    blueprint,
    "GET",
    "/v1/clients",
    summary="The applications of your agency, those that ended too.",
    action=Action.READ_OFFICERS,
    answers={200: ClientListing},
    errors=(UnavailableError,),
)
def list_clients(call: Call) -> Response:
    found = call.house.officers.clients(call.caller.agency_id)
    return as_json(ClientListing(items=[ClientView.of(one) for one in found]))


@operation(
    blueprint,
    "POST",
    "/v1/clients/{client_id}/end",
    summary="End an application at once: its tokens open nothing from then on.",
    action=Action.APPOINT_OFFICER,
    body=EndIt,
    answers={200: ClientView},
    errors=_END_ERRORS,
)
def end_a_client(call: Call) -> Response:
    client_id = named_in_path(call, "client_id")
    raw = call.json_object()
    body = parse(EndIt, raw)
    _authorise(call, ThingKind.CLIENT, client_id)
    ended = end_client(
        call.caller.agency_id,
        client_id,
        body.ending(call.caller, call.house.clock()),
        _proof(call, raw, body),
        office=call.house.personnel_office,
    )
    _tell(LogEvent.CLIENT_ENDED, "ClientEnded", client_id)
    return as_json(ClientView.of(ended))


# -- parts -----------------------------------------------------------------------


def _new_id(call: Call, raw: dict[str, object]) -> str:
    """The same for each repeat with the same Idempotency-Key, at the same route."""
    claim = claim_of(call, raw)
    if claim is None:
        return call.house.ids.document_id()
    return record_id(claim.agency_id, f"{call.request.path}/{claim.key}")


def _authorise(call: Call, kind: ThingKind, thing_id: str) -> None:
    """Of the caller's own agency: no request names another one."""
    call.authorise(Resource(agency_id=call.caller.agency_id, kind=kind, thing_id=thing_id))


def _proof(
    call: Call, raw: dict[str, object], body: FactorShown, *, repeatable: bool = True
) -> Prove:
    """Raises InvalidRequestError if no second factor was shown. What is returned spends it, for
    exactly this request."""
    return _proof_under(None, call, raw, body, repeatable=repeatable)


def _proof_of_new(call: Call, raw: dict[str, object], body: FactorShown) -> Prove:
    """As `_proof`, of what is made anew by each request: only under the same Idempotency-Key,
    which gives the same record, the same code is good again. Whoever saw the request go by cannot
    have it done once more after it was ended."""
    claim = claim_of(call, raw)
    key = claim.key if claim else None
    return _proof_under(key, call, raw, body, repeatable=key is not None)


def _proof_under(
    key: str | None,
    call: Call,
    raw: dict[str, object],
    body: FactorShown,
    *,
    repeatable: bool,
) -> Prove:
    return partial(
        use_factor,
        call.caller.officer,
        body.shown(),
        purpose=purpose_of_request(Action.APPOINT_OFFICER, call.path, raw, key=key),
        room=call.house.factor_room,
        repeatable=repeatable,
    )


def _identifier(call: Call, name: str) -> str:
    value = call.path[name]
    if not is_identifier(value):
        raise NotFoundError
    return value


def _demand_types(call: Call, names: list[str]) -> None:
    faults = [
        FieldFault(
            f"/document_types/{position}",
            "unknown_document_type",
            "There is no such document type; see GET /v1/document-types.",
            "ไม่มีประเภทเอกสารนี้ โปรดดู GET /v1/document-types",
        )
        for position, name in enumerate(names)
        if call.house.types.get(name) is None
    ]
    if faults:
        raise InvalidRequestError(faults)


def _place_of(call: Call, subject: str) -> str:
    return f"{call.house.settings.public_url}/v1/officers/{quote(subject, safe='')}"


def _tell(event: LogEvent, metric: str, about: str) -> None:
    """Ids only: who it is stands in the table and in the access log."""
    count(metric)
    logger.info(event, extra={"record": about})
