"""Handlers on fakes, driven by the sample events."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest

import app
from chalicelib.handlers.telemetry import logger
from tests.support.appointed import arranged
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event
from tests.support.stations import TrustSite, trust_site


@dataclass
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Api:
    """The `api` function, called with real events."""

    fakes: Fakes

    def call(
        self,
        method: str,
        resource: str,
        *,
        path: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: object = None,
        headers: dict[str, str] | None = None,
        authorizer: dict[str, Any] | None = None,
        arrange: bool = True,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """One request. `body`: text as it is, anything else as JSON. `authorizer` replaces
        what the sample's authorizer said; whom it names is appointed (tests/support/appointed.py)
        unless `arrange` is False. `context` is what else the gateway says of the request."""
        event = sample_event("api")
        event["resource"] = event["path"] = resource
        event["httpMethod"] = event["requestContext"]["httpMethod"] = method
        event["requestContext"]["resourcePath"] = resource
        event["pathParameters"] = path
        event["multiValueQueryStringParameters"] = {k: [v] for k, v in (query or {}).items()}
        event["body"] = body if isinstance(body, str) or body is None else json.dumps(body)
        lowered = {"accept": "application/json", **(headers or {})}
        event["headers"] = lowered
        event["multiValueHeaders"] = {name: [value] for name, value in lowered.items()}
        event["requestContext"].update(context or {})
        if authorizer is not None:
            event["requestContext"]["authorizer"] = authorizer
        if arrange:
            told = event["requestContext"]["authorizer"]
            event["requestContext"]["authorizer"] = arranged(
                told, self.fakes.officers, self.fakes.clock()
            )
        answer = app.app(event, CONTEXT)
        return Answer(answer["statusCode"], answer["headers"], answer["body"])

    def send_file(
        self, resource: str, data: bytes, content_type: str = "application/pdf"
    ) -> Answer:
        """POST bytes without a token, as the gateway hands them on."""
        event = sample_event("api")
        event["resource"] = event["path"] = resource
        event["httpMethod"] = event["requestContext"]["httpMethod"] = "POST"
        event["requestContext"]["resourcePath"] = resource
        event["pathParameters"] = None
        event["requestContext"]["authorizer"] = {}
        event["body"], event["isBase64Encoded"] = base64.b64encode(data).decode(), True
        event["headers"] = {"accept": "application/json", "content-type": content_type}
        event["multiValueHeaders"] = {k: [v] for k, v in event["headers"].items()}
        answer = app.app(event, CONTEXT)
        return Answer(answer["statusCode"], answer["headers"], answer["body"])

    def submit(self, body: object, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/v1/documents", body=body, headers=sent)


@pytest.fixture(scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrustSite]:
    with trust_site(tmp_path_factory.mktemp("pki")) as site:
        yield site


@pytest.fixture
def site(_site: TrustSite) -> TrustSite:
    """The development PKI and its servers, all answering; a test may take them down."""
    _site.all_up()
    return _site


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def api(fakes: Fakes) -> Iterator[Api]:
    with furnished(fakes.house()):
        yield Api(fakes)


@pytest.fixture
def licence() -> dict[str, Any]:
    """A body that is accepted."""
    body: dict[str, Any] = json.loads(sample_event("api")["body"])
    return {**body, "recipients": ["dbd"]}


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What Powertools writes, as it writes it (its own handler keeps the stdout of import)."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield stream
    logger._logger.removeHandler(handler)
