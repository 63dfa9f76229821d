"""Rulings on issued documents: revoke, suspend, reinstate."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action
from chalicelib.domain.errors import (
    IdempotencyKeyReusedError,
    NotFoundError,
    NotReadyError,
    StandingConflictError,
    UnavailableError,
)
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.documents import authorised
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.ruling_models import (
    ReinstateDocument,
    RevokeDocument,
    RuleOnDocument,
    RulingMade,
    SuspendDocument,
)
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.revoke import repeat, rule

blueprint = Blueprint(__name__)

_HEADERS = {"Idempotency-Key": "Same key and body: same ruling. Same key, other body: 422."}
_ERRORS = (
    IdempotencyKeyReusedError,
    NotFoundError,
    NotReadyError,
    StandingConflictError,
    UnavailableError,
)


@operation(
    blueprint,
    "POST",
    "/v1/documents/{document_id}/revocation",
    summary="Revoke an issued document (เพิกถอน), at once or from a later time. Recipients are "
    "told; the archived file stays.",
    action=Action.REVOKE_DOCUMENT,
    body=RevokeDocument,
    headers=_HEADERS,
    answers={201: RulingMade},
    errors=_ERRORS,
)
def revoke_document(call: Call) -> Response:
    return _rule(call, RevokeDocument)


@operation(
    blueprint,
    "POST",
    "/v1/documents/{document_id}/suspension",
    summary="Suspend an issued document (พักใช้), at once or from a later time.",
    action=Action.REVOKE_DOCUMENT,
    body=SuspendDocument,
    headers=_HEADERS,
    answers={201: RulingMade},
    errors=_ERRORS,
)
def suspend_document(call: Call) -> Response:
    return _rule(call, SuspendDocument)


@operation(
    blueprint,
    "POST",
    "/v1/documents/{document_id}/reinstatement",
    summary="Lift a suspension (คืนสถานะ), and withdraw what was ordered for later.",
    action=Action.REVOKE_DOCUMENT,
    body=ReinstateDocument,
    headers=_HEADERS,
    answers={201: RulingMade},
    errors=_ERRORS,
)
def reinstate_document(call: Call) -> Response:
    return _rule(call, ReinstateDocument)


def _rule(call: Call, model: type[RuleOnDocument]) -> Response:
    document_id = authorised(call).document_id
    raw = call.json_object()
    claim = claim_of(call, {"rule": model.kind.value, "document_id": document_id, "body": raw})
    bench = call.house.bench
    # A repeat is answered before anything else is looked at: its time may be past by now.
    made = repeat(claim, bench=bench) if claim else None
    if made is None:
        decision = parse(model, raw).decision(call.caller, call.house.clock())
        made = rule(document_id, decision, claim, bench=bench)
    document, ruling = made
    count(f"Document{ruling.kind.capitalize()}")
    told = {"document_id": document_id, "ruling": ruling.kind, "reason_code": ruling.reason_code}
    logger.info(LogEvent.RULED, extra=told)
    # As of now, after it was entered: what holds at once holds in the answer.
    now = max(call.house.clock(), ruling.decided_at)
    view = RulingMade.of(document, ruling, call.house.settings.public_url, now)
    return as_json(view, status=201, headers={"Location": view.links["self"]})
