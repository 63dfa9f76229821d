"""openapi.json (OpenAPI 3.1): made of the declared operations and the models that validate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chalicelib.domain.directory import DocumentType
from chalicelib.domain.errors import ForbiddenError, TraError, UnauthenticatedError
from chalicelib.handlers.models import Problem
from chalicelib.handlers.operations import Operation
from chalicelib.handlers.problems import MEDIA_TYPE, kind_of
from chalicelib.version import VERSION

_REF = "#/components/schemas/{model}"
_SECURITY = "issuer"


def describe(
    operations: Sequence[Operation],
    kinds: Iterable[DocumentType],
    *,
    public_url: str,
    issuer: str,
) -> dict[str, Any]:
    """The whole description. Content schemas of all document types stand beside the models."""
    schemas = _schemas(operations)
    content = {
        name: _embedded(name, kind.content_schema)
        for kind in kinds
        for name in [f"Content.{kind.name}"]
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tra",
            "version": VERSION,
            "summary": "Official documents: issued, sealed, numbered, archived, delivered.",
            "description": (
                "Errors are RFC 9457 problem details, in Thai or English by Accept-Language; "
                "`code` is stable. `content` of a submission follows the schema "
                "`Content.<document type>`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "paths": _paths(operations),
        "components": {
            "schemas": schemas | content,
            "securitySchemes": {
                _SECURITY: {
                    "type": "openIdConnect",
                    "openIdConnectUrl": f"{issuer}/.well-known/openid-configuration",
                    "description": "Bearer JWT that says agency, subject and scopes. What an "
                    "officer may do, appointments say (GET /v1/me); of an application, its "
                    "registration.",
                }
            },
        },
    }


def _paths(operations: Sequence[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": _security_of(operation),
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": _ref(operation.body)}}
        for media_type in operation.accepts:
            _add_form(content, media_type)
        described["requestBody"] = {"required": True, "content": content}
    return described


def _security_of(operation: Operation) -> list[dict[str, list[str]]]:
    """The scopes that do, and those that do for every request of the route."""
    if operation.action is None:
        return []
    scopes = [operation.action.value]
    more = [operation.also_action.value] if operation.also_action else []
    return [{_SECURITY: scopes}, *([{_SECURITY: scopes + more}] if more else [])]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    headers = [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in operation.headers.items()
    ]
    return path + headers + _query_parameters(operation.query)


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    properties = query.model_json_schema(by_alias=True)["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "description": schema.pop("description", ""),
            "schema": schema,
        }
        for name, schema in properties.items()
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    responses = {str(code): _answer(code, what) for code, what in operation.answers.items()}
    for other in operation.also:
        _add_form(responses["200"]["content"], other)
    by_status: dict[int, list[str]] = {}
    for error in _errors(operation):
        by_status.setdefault(kind_of(error).status, []).append(error.code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: " + ", ".join(sorted(set(codes))),
            "content": {MEDIA_TYPE: {"schema": _ref(Problem)}},
        }
    return responses


def _errors(operation: Operation) -> tuple[type[TraError], ...]:
    always = (TraError,)
    if operation.action is None:
        return operation.errors + always
    return (UnauthenticatedError, ForbiddenError, *operation.errors, *always)


def _answer(status: int, what: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(what, str):
        return {"description": what}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": _ref(what)}},
    }


def _add_form(content: dict[str, Any], form: type[BaseModel] | str) -> None:
    """Another form of an answer: a file of a media type, or one more model as JSON."""
    if isinstance(form, str):
        binary = {"type": "string", "contentMediaType": form}
        content[form] = {"schema": binary}
        return
    first = content["application/json"]["schema"]
    content["application/json"] = {"schema": {"anyOf": [first, _ref(form)]}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    told = {m for o in operations for m in (*o.answers.values(), *o.also)}
    answers = {m for m in told if not isinstance(m, str)}
    bodies = {o.body for o in operations if o.body is not None}
    _, definitions = models_json_schema(
        [(m, "serialization") for m in sorted(answers | {Problem}, key=_name)]
        + [(m, "validation") for m in sorted(bodies, key=_name)],
        ref_template=_REF,
    )
    return dict(definitions["$defs"])


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _embedded(name: str, schema: Any) -> Any:
    """A schema of its own inside the description: `$id` and `$schema` stay outside, and
    references into its `$defs` lead to where they now stand."""
    match schema:
        case dict():
            return {
                key: _embedded(name, member)
                for key, member in schema.items()
                if key not in {"$id", "$schema"}
            }
        case list():
            return [_embedded(name, member) for member in schema]
        case str() if schema.startswith("#/$defs/"):
            return f"#/components/schemas/{name}{schema[1:]}"
    return schema
