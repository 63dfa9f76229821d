"""JSON Schema 2020-12 by jsonschema-rs (port: ContentChecker)."""

from __future__ import annotations

import json
import re
from dataclasses import astuple, replace
from typing import Any

import jsonschema_rs

from chalicelib.domain.content_rules import FORMAT_FAULTS, FORMATS, KEYWORDS, Keyword
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.errors import FieldFault

# Keyword → what to do about it. {0} is what the schema asks for. The value that came
# is never quoted: it may be personal.
_TEXTS = {
    "required": ("This field is required.", "ต้องระบุรายการนี้"),
    "additionalProperties": (
        "This field is not known here; remove it.",
        "ไม่รู้จักรายการนี้ โปรดนำออก",
    ),
    "falseSchema": (
        "This field has no place here; remove it.",
        "ไม่ใช้รายการนี้ในกรณีนี้ โปรดนำออก",
    ),
    "type": ("Must be of type {0}.", "ต้องเป็นชนิด {0}"),
    "minLength": ("Must have at least {0} character(s).", "ต้องมีอย่างน้อย {0} อักขระ"),
    "maxLength": ("Must have at most {0} characters.", "ต้องมีไม่เกิน {0} อักขระ"),
    "minItems": ("Must have at least {0} item(s).", "ต้องมีอย่างน้อย {0} รายการ"),
    "maxItems": ("Must have at most {0} items.", "ต้องมีไม่เกิน {0} รายการ"),
    "minimum": ("Must be {0} or more.", "ต้องไม่น้อยกว่า {0}"),
    "maximum": ("Must be {0} or less.", "ต้องไม่มากกว่า {0}"),
    "pattern": ("Does not have the form asked for: {0}", "รูปแบบไม่ถูกต้อง: {0}"),
    "format": ("Must be a valid {0}.", "ต้องเป็น {0} ที่ถูกต้อง"),
    "enum": ("Must be one of {0}.", "ต้องเป็นค่าใดค่าหนึ่งใน {0}"),
    "const": ("Must be {0}.", "ต้องเป็น {0}"),
    "uniqueItems": ("Items must not repeat.", "รายการต้องไม่ซ้ำกัน"),
}
# Codes are shared with the envelope's own checks (`handlers/models.py`).
_CODES = {
    "required": "missing",
    "additionalProperties": "unknown_field",
    "falseSchema": "unknown_field",
    "type": "wrong_type",
    "minLength": "too_short",
    "maxLength": "too_long",
    "minItems": "too_few",
    "maxItems": "too_many",
    "minimum": "too_small",
    "maximum": "too_large",
    "pattern": "wrong_pattern",
    "format": "wrong_format",
    "enum": "not_allowed",
    "const": "not_allowed",
    "uniqueItems": "repeated",
}
_FORMAT_CODES = {code for code, _, _ in FORMAT_FAULTS.values()}
_OTHER = ("Does not follow the schema of the document type.", "ไม่เป็นไปตามแบบของประเภทเอกสาร")


class JsonSchemaContentChecker:
    """Compiles each type's schema once per container."""

    def __init__(self) -> None:
        self._validators: dict[tuple[str, int], Any] = {}

    def faults(self, document_type: DocumentType, content: object) -> tuple[FieldFault, ...]:
        found = {
            fault
            for error in self._validator(document_type).iter_errors(content)
            for fault in _faults(error, document_type.content_schema)
        }
        # What has the wrong form is not told of its check digit too.
        misformed = {fault.pointer for fault in found if fault.code == _CODES["pattern"]}
        told = [f for f in found if f.code not in _FORMAT_CODES or f.pointer not in misformed]
        return tuple(sorted(told, key=lambda fault: (fault.pointer, fault.code)))

    def _validator(self, kind: DocumentType) -> Any:
        key = (kind.name, kind.version)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                dict(kind.content_schema),
                validate_formats=True,
                formats=dict(FORMATS),
                keywords={name: _as_validator(keyword) for name, keyword in KEYWORDS.items()},
                retriever=_refuse,
            )
        return self._validators[key]


def _refuse(_url: str) -> Any:
    """A published schema must not make us call addresses of its choice."""
    raise ValueError("schemas refer to nothing outside of themselves")


def schema_fault(schema: Any) -> tuple[str, str] | None:
    """Where a value is no JSON Schema 2020-12 (pointer), and what is wrong there; None if it is
    one that can be used."""
    try:
        jsonschema_rs.meta.validate(schema)
        jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)
    except jsonschema_rs.ValidationError as error:
        return _pointer([str(step) for step in error.instance_path]), error.message.splitlines()[0]
    return None


def _as_validator(keyword: Keyword) -> type[Any]:
    """One of our keywords as jsonschema-rs calls it. A fault can leave it only as the text
    of an exception, so all of them travel in it as JSON."""

    class Validator:
        def __init__(self, _schema: Any, asked: Any, _path: Any) -> None:
            self._asked = asked

        def validate(self, instance: Any) -> None:
            found = [astuple(fault) for fault in keyword(self._asked, instance)]
            if found:
                raise ValueError(json.dumps(found))

    return Validator


def _faults(error: Any, schema: Any) -> list[FieldFault]:
    path = [str(step) for step in error.instance_path]
    keyword = error.kind.name
    if keyword in KEYWORDS:
        return [
            FieldFault(_pointer(path) + pointer, *rest)
            for pointer, *rest in json.loads(error.kind.message)
        ]
    if keyword == "format" and error.kind.format in FORMAT_FAULTS:
        return [FieldFault(_pointer(path), *FORMAT_FAULTS[error.kind.format])]
    if keyword == "required":
        return [_fault([*path, error.kind.property], keyword, "")]
    if keyword == "additionalProperties":
        return [_fault([*path, name], keyword, "") for name in error.kind.unexpected]
    fault = _fault(path, keyword, _asked(schema, error.schema_path))
    if error.schema_path == _TEXT_RULE:
        fault = _placed(fault, _first_wrong(error.kind.pattern, error.instance))
    return [fault]


# The pattern of printed text, which repeats a cell up to the end of the text.
_TEXT_RULE = ["$defs", "text", "pattern"]


def _first_wrong(pattern: str, text: str) -> int:
    """Which character, from 1, the rule for printed text does not let pass: what the pattern
    matches without its end is all that is right."""
    right = re.match(pattern.removesuffix("$"), text)
    return (right.end() if right else 0) + 1


def _placed(fault: FieldFault, character: int) -> FieldFault:
    return replace(
        fault,
        detail=f"{fault.detail} Look at character {character}.",
        detail_th=f"{fault.detail_th} โปรดดูอักขระที่ {character}",
    )


def _fault(path: list[str], keyword: str, asked: str) -> FieldFault:
    detail, detail_th = _TEXTS.get(keyword, _OTHER)
    return FieldFault(
        _pointer(path), _CODES.get(keyword, keyword), detail.format(asked), detail_th.format(asked)
    )


def _asked(schema: Any, path: list[str | int]) -> str:
    """What the schema asks for at `path`, as text. A pattern is told by its description,
    which a person can read."""
    around = schema
    for step in path:
        around, schema = schema, schema[step]
    if path[-1] == "pattern" and isinstance(around, dict):
        return str(around.get("description", schema))
    if isinstance(schema, str):
        return schema
    return json.dumps(schema, ensure_ascii=False)


def _pointer(path: list[str]) -> str:
    """RFC 6901."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
