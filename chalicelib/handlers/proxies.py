"""e-Proxies at work: an attorney stands at the counter, or uses an agency's application."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.appointing import record_id
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.proxies import Proxy
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, is_identifier, operation
from chalicelib.handlers.proxy_models import ProxyUse, UseProxy
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.ports import IdempotencyClaim
from chalicelib.services.use_proxy import UseRequest, find_use, use_proxy

blueprint = Blueprint(__name__)


@operation(
    blueprint,
    "POST",
    "/v1/proxies/{code}/uses",
    summary="Ask whether an attorney may do this for the principal now, by the code of an issued "
    "e-Proxy. The answer is `allowed` or reasons; whatever it is, it is signed and recorded, and an "
    "allowed one counts against the proxy's limits.",
    action=Action.USE_PROXY,
    body=UseProxy,
    headers={
        "Idempotency-Key": "Required: an act counts once. Same key and body: same answer. Same key, "
        "other body: 422."
    },
    answers={201: ProxyUse},
    errors=(
        NotFoundError,
        IdempotencyKeyReusedError,
        UnavailableError,
    ),
)
def use_a_proxy(call: Call) -> Response:
    proxy = _proxy(call)
    raw = call.json_object()
    claim = _claim(call, raw)
    body = parse(UseProxy, raw)
    call.authorise(_resource(call, proxy))
    used = use_proxy(
        UseRequest(
            use_id=f"{proxy.document_id}-{record_id(claim.agency_id, claim.key)}",
            by=call.caller.officer,
            document=proxy,
            further=tuple(code.upper() for code in body.sub_proxies),
            act=body.act(),
            reference=body.reference,
            request_digest=claim.request_digest,
        ),
        room=call.house.proxy_room,
    )
    count("ProxyUsed" if used.use.allowed else "ProxyRefused")
    told = {"use_id": used.use.use_id, "reasons": [one.why for one in used.use.reasons]}
    logger.info(LogEvent.PROXY_ASKED, extra=told)
    view = ProxyUse.of(used, _url(call))
    return as_json(view, status=201, headers={"Location": view.links["self"]})


@operation(
    blueprint,
    "GET",
    "/v1/proxies/{code}/uses/{use_id}",
    summary="What your agency was answered before, with the signed statement.",
    action=Action.USE_PROXY,
    answers={200: ProxyUse},
    errors=(NotFoundError, UnavailableError),
)
def show_proxy_use(call: Call) -> Response:
    proxy, use_id = _proxy(call), call.path["use_id"]
    if not is_identifier(use_id):
        raise NotFoundError
    room, agency_id = call.house.proxy_room, call.caller.agency_id
    used = find_use(proxy.document_id, use_id, agency_id, room=room)
    call.authorise(_resource(call, proxy))
    return as_json(ProxyUse.of(used, _url(call)))


def _proxy(call: Call) -> Document:
    """Who does not know the code of an issued e-Proxy is told nothing, whatever else there is."""
    code = call.path["code"].upper()
    document = call.house.documents.by_code(code) if is_identifier(code) else None
    if document is None or Proxy.of(document, call.house.clock()) is None:
        raise NotFoundError
    return document


def _resource(call: Call, proxy: Document) -> Resource:
    """The use is the asking agency's own, whoever issued the proxy: its code was shown."""
    return Resource(agency_id=call.caller.agency_id, thing_id=proxy.document_id)


def _claim(call: Call, raw: dict[str, object]) -> IdempotencyClaim:
    claim = claim_of(call, raw)
    if claim is None:
        raise InvalidRequestError(
            [
                FieldFault(
                    "/headers/Idempotency-Key",
                    "missing",
                    "An act counts once: name it with an Idempotency-Key.",
                    "การใช้อำนาจแต่ละครั้งนับหนึ่งครั้ง โปรดระบุ Idempotency-Key",
                )
            ]
        )
    return claim


def _url(call: Call) -> str:
    return f"{call.house.settings.public_url}/v1/proxies/{call.path['code'].upper()}/uses"
