"""Second factors: an officer's own, and those that two others reset (issue 7, item 3)."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import (
    FactorRefusedError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.keyring import Keyring
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import CONFIRMED_WITHIN, thing_of
from chalicelib.domain.strict_json import json_object
from chalicelib.handlers.factor_models import (
    AskChallenge,
    AssertionAsked,
    BeginFactor,
    ConfirmFactor,
    FactorBegun,
    FactorConfirmed,
    FactorsView,
    FactorView,
    LockedFactors,
    LockedView,
    RecoveryCodes,
    ResetView,
    ShowFactor,
    purpose_of_request,
)
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, is_identifier, named_in_path, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.enrol_factor import (
    begin,
    challenge,
    confirm,
    give_up,
    new_recovery_codes,
)
from chalicelib.services.reset_factor import ResetState, reset_factors

blueprint = Blueprint(__name__)

# As long as the longest request that shows a factor: a list of decisions (handlers/approvals.py).
_MOST_ASKED_BYTES = 4 * 1024 * 1024

_ERRORS = (
    FactorRefusedError,
    UnavailableError,
)


@operation(
    blueprint,
    "GET",
    "/v1/me/factors",
    summary="Your second factors, and until when one is locked.",
    action=Action.ENROL_FACTOR,
    answers={200: FactorsView},
    errors=(UnavailableError,),
)
def show_own_factors(call: Call) -> Response:
    return as_json(FactorsView.of(_own(call), call.house.clock()))


@operation(
    blueprint,
    "POST",
    "/v1/me/factors",
    summary="Begin to enrol an app or a key. It is in use once it was confirmed, within 15 minutes.",
    action=Action.ENROL_FACTOR,
    body=BeginFactor,
    answers={201: FactorBegun},
    errors=_ERRORS,
)
def begin_factor(call: Call) -> Response:
    raw = call.json_object()
    asked = parse(BeginFactor, raw)
    room = call.house.factor_room
    begun = begin(
        call.caller.officer,
        Method(asked.method),
        asked.label,
        asked.shown_if_any(),
        purpose=_purpose(call, raw),
        room=room,
    )
    held = begun.held
    confirmation = f"{_base(call)}/{held.factor_id}/confirmation"
    view = FactorBegun(
        factor_id=held.factor_id,
        method=held.method,
        confirm_before=held.factor.enrolled_at + CONFIRMED_WITHIN,
        otpauth_uri=begun.uri,
        qr=room.codes.picture(begun.uri) if begun.uri else None,
        options=dict(begun.options) if begun.options else None,
        links={"confirmation": confirmation},
    )
    return as_json(view, status=201)


@operation(
    blueprint,
    "POST",
    "/v1/me/factors/{factor_id}/confirmation",
    summary="Confirm a factor by its first use. Recovery codes are shown once.",
    action=Action.ENROL_FACTOR,
    body=ConfirmFactor,
    answers={200: FactorConfirmed},
    errors=(*_ERRORS, NotFoundError),
)
def confirm_factor(call: Call) -> Response:
    factor_id = _factor_id(call)
    proof = parse(ConfirmFactor, call.json_object()).proof
    done = confirm(call.caller.officer, factor_id, proof, room=call.house.factor_room)
    count("FactorEnrolled")
    logger.info(LogEvent.FACTOR_ENROLLED, extra={"factor_id": factor_id})
    view = FactorView.of(done.held, call.house.clock())
    return as_json(FactorConfirmed(factor=view, recovery_codes=list(done.recovery)))


@operation(
    blueprint,
    "POST",
    "/v1/me/factors/{factor_id}/removal",
    summary="Give one of your own factors up, showing one of them.",
    action=Action.ENROL_FACTOR,
    body=ShowFactor,
    answers={200: FactorsView},
    errors=(*_ERRORS, NotFoundError),
)
def remove_factor(call: Call) -> Response:
    factor_id, raw = _factor_id(call), call.json_object()
    give_up(
        call.caller.officer,
        factor_id,
        parse(ShowFactor, raw).shown(),
        purpose=_purpose(call, raw),
        room=call.house.factor_room,
    )
    logger.info(LogEvent.FACTOR_GIVEN_UP, extra={"factor_id": factor_id})
    return as_json(FactorsView.of(_own(call), call.house.clock()))


@operation(
    blueprint,
    "POST",
    "/v1/me/factors/recovery-codes",
    summary="New recovery codes in the place of all others, shown once.",
    action=Action.ENROL_FACTOR,
    body=ShowFactor,
    answers={200: RecoveryCodes},
    errors=_ERRORS,
)
def renew_recovery_codes(call: Call) -> Response:
    raw = call.json_object()
    shown = parse(ShowFactor, raw).shown()
    codes = new_recovery_codes(
        call.caller.officer, shown, purpose=_purpose(call, raw), room=call.house.factor_room
    )
    return as_json(RecoveryCodes(recovery_codes=list(codes)))


@operation(
    blueprint,
    "POST",
    "/v1/me/factors/challenges",
    summary="A challenge for your key, for one purpose, answered once within five minutes.",
    action=Action.ENROL_FACTOR,
    body=AskChallenge,
    answers={201: AssertionAsked},
    errors=_ERRORS,
)
def ask_challenge(call: Call) -> Response:
    asked = parse(AskChallenge, json_object(call.body(_MOST_ASKED_BYTES)))
    purpose = purpose_of_request(asked.action, {}, asked.what)
    options = challenge(call.caller.officer, purpose, room=call.house.factor_room)
    return as_json(AssertionAsked(purpose=purpose, options=dict(options)), status=201)


@operation(
    blueprint,
    "POST",
    "/v1/officers/{subject}/factor-reset",
    summary="Give your word for the reset of an officer's second factors. The second word, of another "
    "officer within a day, resets them.",
    action=Action.RESET_FACTOR,
    body=ShowFactor,
    answers={200: ResetView},
    errors=(*_ERRORS, NotFoundError, ForbiddenError),
)
def reset_officers_factors(call: Call) -> Response:
    by = call.caller.officer
    owner = Officer(by.agency_id, named_in_path(call, "subject"))
    raw = call.json_object()
    shown = parse(ShowFactor, raw).shown()
    _find(owner, call)
    # Recorded before anything is done (C5): whose factors, by a name that is no name.
    call.authorise(Resource(agency_id=owner.agency_id, thing_id=thing_of(owner)))
    state = reset_factors(
        owner, by, shown, purpose=_purpose(call, raw), room=call.house.factor_room
    )
    if state is ResetState.RESET:
        count("FactorReset")
    logger.info(LogEvent.FACTOR_RESET, extra={"state": state})
    return as_json(ResetView(subject=owner.subject, state=state))


@operation(
    blueprint,
    "GET",
    "/v1/factors/locked",
    summary="Officers of your agency whose second factor is locked after wrong codes.",
    action=Action.RESET_FACTOR,
    answers={200: LockedFactors},
    errors=(UnavailableError,),
)
def list_locked_factors(call: Call) -> Response:
    found = call.house.factors.locked(call.caller.agency_id, call.house.clock())
    locked = [LockedView(subject=one.officer.subject, locked_until=one.until) for one in found]
    return as_json(LockedFactors(locked=locked))


def _own(call: Call) -> Keyring:
    return call.house.factors.keyring(call.caller.officer)


def _find(owner: Officer, call: Call) -> None:
    """Raises NotFoundError for somebody who never had a second factor in this agency, whether or
    not there is such a person."""
    if not call.house.factors.keyring(owner).revision:
        raise NotFoundError


def _factor_id(call: Call) -> str:
    factor_id = call.path["factor_id"]
    if not is_identifier(factor_id):
        raise NotFoundError
    return factor_id


def _purpose(call: Call, raw: dict[str, object]) -> str:
    if call.action is None:
        raise ValueError("a public route needs no second factor")
    return purpose_of_request(call.action, call.path, raw)


def _base(call: Call) -> str:
    return f"{call.house.settings.public_url}/v1/me/factors"
