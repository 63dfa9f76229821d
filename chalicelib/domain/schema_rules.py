"""What the house demands of the schema of a document type, beyond that it is JSON Schema.

Whatever a schema lets pass must fit its pages (P4), so everything is bounded; a word the
checker does not know would check nothing, in silence, so there is none; and an integrator
reads in Thai and English what each field is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.domain.content_rules import FORMATS, KEYWORDS
from chalicelib.domain.type_findings import Finding

_FILE = "schema.json"
_WORDS = frozenset(
    [
        "$schema",
        "allOf",
        "dependentRequired",
        "$id",
        "$ref",
        "$defs",
        "title",
        "description",
        "type",
        "format",
        "enum",
        "const",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "uniqueItems",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "if",
        "then",
        "else",
    ]
)
KNOWN = _WORDS | set(KEYWORDS)
_TYPES = frozenset({"object", "array", "string", "integer", "boolean"})
_REFERENCE = re.compile(r"#/\$defs/[A-Za-z0-9_-]+")


def schema_findings(schema: Any, text_rule: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything to mend in a schema that is JSON Schema already. `text_rule` is the one rule
    for printed text, which `$defs/text` must be."""
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        yield _finding(
            "schema_not_an_object",
            "",
            'The content is an object: begin with "type": "object".',
            'เนื้อหาเป็นออบเจกต์: เริ่มด้วย "type": "object"',
        )
        return
    definitions = schema.get("$defs", {})
    if definitions.get("text", text_rule) != text_rule:
        yield _finding(
            "text_rule",
            "/$defs/text",
            "The rule for text is one for all types: copy it as it is from `tra types new`.",
            "กติกาของข้อความใช้ร่วมกันทุกประเภท โปรดคัดลอกตามที่ `tra types new` ให้มา",
        )
    yield from _of_schema(schema, "", definitions)
    for name, definition in definitions.items():
        if name != "text":
            yield from _of_schema(definition, f"/$defs/{name}", definitions)


def _of_schema(schema: Any, at: str, definitions: Mapping[str, Any]) -> Iterator[Finding]:
    if not isinstance(schema, Mapping):
        yield _finding("unbounded", at, "Say what is accepted here.", "โปรดระบุว่ารับค่าแบบใด")
        return
    yield from _unknown_words(schema, at)
    if "$ref" in schema:
        yield from _of_reference(schema, at, definitions)
        return
    match schema.get("type"):
        case "object":
            yield from _of_object(schema, at, definitions)
        case "array":
            yield from _of_array(schema, at, definitions)
        case "integer":
            yield from _demanded(schema, at, "minimum", "maximum")
        case "string":
            yield from _of_string(schema, at)
        case "boolean":
            return
        case _:
            yield _finding(
                "type_missing",
                at,
                f"`type` must be one of {', '.join(sorted(_TYPES))}; numbers with decimals are "
                'strings ("3000.00").',
                f'`type` ต้องเป็นค่าหนึ่งใน {", ".join(sorted(_TYPES))} จำนวนทศนิยมให้เป็นข้อความ ("3000.00")',
            )


def _unknown_words(schema: Mapping[str, Any], at: str) -> Iterator[Finding]:
    for word in sorted(set(schema) - KNOWN):
        yield _finding(
            "unknown_keyword",
            f"{at}/{word}",
            f"{word!r} is no keyword of schemas here, so it would check nothing; remove or correct it.",
            f"ไม่รู้จักคำสั่ง {word!r} จึงไม่มีผลตรวจใด ๆ โปรดนำออกหรือแก้ไข",
        )
    form = schema.get("format")
    if form is not None and form not in FORMATS:
        yield _finding(
            "unknown_format",
            f"{at}/format",
            f"{form!r} is no format here; there are {', '.join(sorted(FORMATS))}.",
            f"ไม่รู้จักรูปแบบ {form!r} รูปแบบที่มีคือ {', '.join(sorted(FORMATS))}",
        )


def _of_reference(
    schema: Mapping[str, Any], at: str, definitions: Mapping[str, Any]
) -> Iterator[Finding]:
    target = str(schema["$ref"])
    if not _REFERENCE.fullmatch(target) or target.rpartition("/")[2] not in definitions:
        yield _finding(
            "unknown_reference",
            f"{at}/$ref",
            "Refer to something under `$defs` of this schema.",
            "โปรดอ้างถึงรายการใน `$defs` ของ schema นี้",
        )
    elif target.endswith("/text"):
        yield from _demanded(schema, at, "maxLength")


def _of_object(
    schema: Mapping[str, Any], at: str, definitions: Mapping[str, Any]
) -> Iterator[Finding]:
    if schema.get("additionalProperties") is not False:
        yield _finding(
            "unknown_fields_pass",
            at,
            'Add "additionalProperties": false, so that a misspelt field is told and not lost.',
            'โปรดเพิ่ม "additionalProperties": false เพื่อให้พบรายการที่สะกดผิด',
        )
    members = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in members:
            yield _finding(
                "required_unknown",
                f"{at}/required",
                f"{name!r} is required but not among the properties.",
                f"{name!r} เป็นรายการบังคับแต่ไม่มีใน properties",
            )
    for name, member in members.items():
        yield from _of_member(member, f"{at}/properties/{_escaped(name)}", definitions)


def _of_member(member: Any, at: str, definitions: Mapping[str, Any]) -> Iterator[Finding]:
    if isinstance(member, Mapping):
        if not re.search("[ก-ฮ]", str(member.get("title", ""))):
            yield _finding(
                "title_missing", at, "Add a `title` in Thai.", "โปรดเพิ่ม `title` เป็นภาษาไทย"
            )
        if not re.search("[A-Za-z]", str(member.get("description", ""))):
            yield _finding(
                "description_missing",
                at,
                "Add a `description` in English.",
                "โปรดเพิ่ม `description` เป็นภาษาอังกฤษ",
            )
    yield from _of_schema(member, at, definitions)


def _of_array(
    schema: Mapping[str, Any], at: str, definitions: Mapping[str, Any]
) -> Iterator[Finding]:
    yield from _demanded(schema, at, "maxItems")
    yield from _of_schema(schema.get("items"), f"{at}/items", definitions)


def _of_string(schema: Mapping[str, Any], at: str) -> Iterator[Finding]:
    if "const" in schema or "enum" in schema:
        return
    yield from _demanded(schema, at, "maxLength")
    if "pattern" not in schema:
        yield _finding(
            "any_text_passes",
            at,
            'Printed text is {"$ref": "#/$defs/text", "maxLength": n}; anything else needs a `pattern`.',
            'ข้อความที่พิมพ์ใช้ {"$ref": "#/$defs/text", "maxLength": n} อย่างอื่นต้องมี `pattern`',
        )
    elif "\\d" in str(schema["pattern"]):
        yield _finding(
            "thai_digits_pass",
            f"{at}/pattern",
            "Write [0-9] for \\d: it would let Thai digits pass.",
            "โปรดใช้ [0-9] แทน \\d เพราะ \\d รับเลขไทยด้วย",
        )


def _demanded(schema: Mapping[str, Any], at: str, *words: str) -> Iterator[Finding]:
    for word in words:
        if not isinstance(schema.get(word), int):
            yield _finding(
                "unbounded",
                at,
                f"Add `{word}`: what has no bound does not fit a page.",
                f"โปรดเพิ่ม `{word}` สิ่งที่ไม่มีขอบเขตย่อมไม่พอดีหน้ากระดาษ",
            )


def _finding(code: str, at: str, detail: str, detail_th: str) -> Finding:
    return Finding(code, f"{_FILE}#{at}" if at else _FILE, detail, detail_th)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
