"""About all routes, errors, functions and settings at once, so that a new one cannot be
forgotten."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

import app
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.config import Settings
from chalicelib.domain import errors
from chalicelib.domain.access import Action
from chalicelib.handlers import openapi
from chalicelib.handlers.operations import OPERATIONS, Operation
from chalicelib.handlers.problems import KINDS, kind_of
from tests.support.samples import FUNCTIONS

ROOT = Path(__file__).parent.parent.parent
PUBLIC = {
    "/v1/agencies",
    "/v1/document-types",
    "/v1/document-types/{name}",
    "/v1/openapi.json",
    "/v/{code}",
    "/v1/status/{code}",
    "/v1/registers/{agency}/{book}/{year}/status/{purpose}/{page}",
    "/v1/verify",
    "/v1/verify/uploads",
    "/.well-known/jwks.json",
    "/healthz",
    "/v1/registers/{agency}/{book}/{year}/proof/{number}",
    "/v1/registers/{agency}/{book}/{year}/statement",
    *(
        f"/v1/registers/{{agency}}/{{book}}/{{year}}/{{log}}/{rest}"
        for rest in (
            "checkpoint",
            "key",
            "consistency",
            "tile/{level}/{a}",
            "tile/{level}/{a}/{b}",
            "tile/{level}/{a}/{b}/{c}",
        )
    ),
}


def _id(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_every_route_is_a_declared_operation() -> None:
    """api.md: openapi.json names every route, because a route is only made by declaring it."""
    routed = {(m, p) for p, methods in app.app.routes.items() for m in methods}
    assert routed == {(o.method, o.path) for o in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=_id)
def test_every_route_that_is_not_public_has_an_authorizer(operation: Operation) -> None:
    """P6: no route is open by oversight."""
    entry = app.app.routes[operation.path][operation.method]
    assert (entry.authorizer is None) is (operation.path in PUBLIC)
    assert (operation.action is None) is (operation.path in PUBLIC)


def test_every_action_is_some_routes() -> None:
    """P6: a scope nobody can use is a scope nobody reviews."""
    wanted = {action for o in OPERATIONS for action in (o.action, o.also_action)}
    assert wanted - {None} == set(Action)


def _errors() -> list[type[errors.TraError]]:
    return [
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, errors.TraError)
    ]


@pytest.mark.parametrize("error", _errors(), ids=lambda error: error.__name__)
def test_every_error_has_a_code_of_its_own_and_a_status(error: type[errors.TraError]) -> None:
    """api.md: `code` is stable and tells one error from another; an error that is a case of
    another one may share its code, and tells by `reason` which case."""
    sharing = [e for e in _errors() if e.code == error.code]
    assert all(issubclass(e, error) or issubclass(error, e) for e in sharing)
    assert 400 <= kind_of(error).status < 600
    assert error.__name__.endswith("Error")


def test_the_table_of_problems_has_no_dead_rows() -> None:
    """api.md: each row of the table is an error that exists."""
    assert set(KINDS) <= set(_errors())


def _description() -> dict[str, Any]:
    return openapi.describe(
        OPERATIONS,
        PackagedDocumentTypes().all(),
        public_url="https://tra.test",
        issuer="https://issuer.test",
    )


def test_openapi_is_valid() -> None:
    """api.md: GET /v1/openapi.json is OpenAPI 3.1."""
    description = _description()
    assert description["openapi"].startswith("3.1")
    validate(description)


def test_openapi_names_scopes_errors_and_content() -> None:
    """api.md: every route, error and scope is named, and the content of every type."""
    description = _description()
    submit = description["paths"]["/v1/documents"]["post"]
    assert submit["security"] == [
        {"issuer": ["documents:submit"]},
        {"issuer": ["documents:submit", "documents:supersede"]},
    ]
    assert "top_secret_refused" in submit["responses"]["422"]["description"]
    assert {"Content.licence", "Content.e-certificate"} <= set(description["components"]["schemas"])


def test_the_template_sets_every_setting() -> None:
    """stack: what config.py reads, resources.yaml gives."""
    resources = (ROOT / "infra/resources.yaml").read_text(encoding="utf-8")
    source = inspect.getsource(Settings)
    for field in dataclasses.fields(Settings):
        name = f"TRA_{field.name.upper()}"
        assert name in source
        assert name in resources


def test_every_trigger_has_a_sample_event() -> None:
    """style: tests run on what AWS really sends."""
    functions = set(FUNCTIONS)
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == functions
    sources = {source.name for source in app.app.event_sources}
    pure = {function.name for function in app.app.pure_lambda_functions}
    builtin = {handler.name for handler in app.app.builtin_auth_handlers}
    assert sources | pure | builtin | {"api"} == functions
