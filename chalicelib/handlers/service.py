"""About the service itself: health and the description of the interface."""

from __future__ import annotations

import json
from functools import lru_cache

from chalice.app import Blueprint, Response

from chalicelib.bootstrap import House
from chalicelib.domain.errors import UnavailableError
from chalicelib.handlers.models import Health
from chalicelib.handlers.openapi import describe
from chalicelib.handlers.operations import OPERATIONS, Call, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.version import VERSION

blueprint = Blueprint(__name__)


@operation(
    blueprint,
    "GET",
    "/healthz",
    summary="Whether the interface is up: settings complete, code loaded.",
    answers={200: Health},
)
def show_health(call: Call) -> Response:
    return as_json(Health(stage=call.house.settings.stage, version=VERSION))


@operation(
    blueprint,
    "GET",
    "/v1/openapi.json",
    summary="This description: OpenAPI 3.1, made of the models that validate.",
    answers={200: "OpenAPI 3.1 document"},
    errors=(UnavailableError,),
)
def show_openapi(call: Call) -> Response:
    return Response(
        _description(call.house.settings.public_url, call.house, _versions(call.house)),
        headers={"Content-Type": "application/json", "Cache-Control": "public, max-age=300"},
    )


def _versions(the_house: House) -> frozenset[tuple[str, int]]:
    """What is described anew when a type is published or withdrawn."""
    return frozenset((kind.name, kind.version) for kind in the_house.types.all())


@lru_cache(maxsize=2)
def _description(public_url: str, the_house: House, _versions: frozenset[tuple[str, int]]) -> str:
    description = describe(
        OPERATIONS,
        the_house.types.all(),
        public_url=public_url,
        issuer=the_house.settings.oidc_issuer,
    )
    return json.dumps(description, ensure_ascii=False)
