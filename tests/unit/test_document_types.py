"""The packaged document types: complete, strict, and true to their examples."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.types import TEMPLATES, PackagedDocumentTypes
from chalicelib.domain.content_rules import FORMATS, KEYWORDS
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.presentation import display_of
from chalicelib.domain.type_rules import submission_faults
from infra import real_letters
from tests.support import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.domain.directory import DocumentType

TYPES = PackagedDocumentTypes().all()
CHECKER = JsonSchemaContentChecker()
JSON_SCHEMA = {"$schema", "$id", "$ref", "$defs", "title", "description", "type", "format", "enum"}
JSON_SCHEMA |= {"pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
JSON_SCHEMA |= {"required", "properties", "additionalProperties", "items", "if", "then", "else"}
JSON_SCHEMA |= {"allOf", "dependentRequired"}
ENVELOPE = {"document_type", "content", "recipients", "valid_from", "valid_until"}


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """All subschemas, with those of `$defs`."""
    yield schema
    for name in ("properties", "$defs"):
        for member in schema.get(name, {}).values():
            yield from _schemas(member)
    if "items" in schema:
        yield from _schemas(schema["items"])


def _pointers(kind: DocumentType, content: object) -> list[str]:
    return [fault.pointer for fault in CHECKER.faults(kind, content)]


def _with_subject(kind: DocumentType, text: str) -> dict[str, Any]:
    """The example with `text` where the type's title or subject stands."""
    assert kind.subject_at is not None
    return {**kind.example["content"], kind.subject_at.removeprefix("/"): text}


def test_pilot_types_ship() -> None:
    """The pilot kinds can be issued out of the box (B4)."""
    pilot = {"licence", "e-certificate", "e-medical-certificate", "e-proxy", "e-card"}
    assert pilot | {"e-receipt", "official-letter"} <= {kind.name for kind in TYPES}
    assert [kind.name for kind in TYPES] == sorted(kind.name for kind in TYPES)


def test_unknown_type_is_none() -> None:
    """A type nobody packaged is answered as unknown, whatever its name (bad input)."""
    types = PackagedDocumentTypes()
    assert types.get("no-such-type") is None
    assert types.get("../domain") is None
    assert types.get("_common") is None
    assert types.get("licence") is not None


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_example_passes_its_schema(kind: DocumentType) -> None:
    """The example shown to integrators is a body that is accepted (api.md)."""
    assert CHECKER.faults(kind, kind.example["content"]) == ()
    assert list(submission_faults(kind, kind.example)) == []
    assert set(kind.example) == ENVELOPE
    assert kind.example["document_type"] == kind.name


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_schema_bounds_everything(kind: DocumentType) -> None:
    """Every string and list is bounded and no field is unknown, so no content overflows
    its pages (P4: what is accepted can be printed)."""
    jsonschema_rs.meta.validate(dict(kind.content_schema))
    for schema in _schemas(kind.content_schema):
        match schema.get("type"):
            case "object":
                assert schema["additionalProperties"] is False
            case "array":
                assert "maxItems" in schema
            case "integer":
                assert {"minimum", "maximum"} <= set(schema)
            case "string" if schema is not kind.content_schema["$defs"]["text"]:
                assert "maxLength" in schema
                assert "pattern" in schema or "enum" in schema
            case None:
                assert {"$ref", "maxLength"} <= set(schema)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_patterns_mean_arabic_digits(kind: DocumentType) -> None:
    r"""Numbers are asked for in Arabic digits: `\d` would let Thai ones pass (bad input)."""
    for schema in _schemas(kind.content_schema):
        assert "\\d" not in schema.get("pattern", "")
        if schema.get("format") in {"digits", "thb"}:
            assert not re.fullmatch(schema["pattern"], "๑๒๓.๐๐")
            assert not re.fullmatch(schema["pattern"], "๑๒๓")


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_fields_are_explained_in_thai_and_english(kind: DocumentType) -> None:
    """An integrator reads in Thai and English what each field is (api.md, document-types)."""
    for schema in _schemas(kind.content_schema):
        for member in schema.get("properties", {}).values():
            assert re.search("[ก-ฮ]", member["title"])
            assert re.search("[A-Za-z]", member["description"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " นำหน้า",
        "ขึ้น\nบรรทัด",
        "ศูนย์\x00",
        "ซ้าย\u202eขวา",
        "ซ่อน\u200bไว้",
        "漢字",
        "ยิ้ม😀",
        "่ลอย",
        "ก ่",
        "ก่่่่",
    ],
)
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_unprintable_text_is_refused(kind: DocumentType, text: str) -> None:
    """Control, hidden and foreign characters and orphaned tone marks are refused at the
    door, for the seal would fail or lie on them (P4, bad input)."""
    pointers = _pointers(kind, _with_subject(kind, text))
    assert pointers
    assert all(pointer == kind.subject_at for pointer in pointers)


@pytest.mark.parametrize(
    "text", ["น้ำ", "นํ้า", "เกี๊ยว", "สิทธิ์", "พ.ศ. ๒๕๓๕", "Café №".replace("№", "no.")]
)
def test_real_spelling_is_accepted(text: str) -> None:
    """Correct Thai, however its marks are written, is never refused (E1)."""
    for kind in TYPES:
        assert _pointers(kind, _with_subject(kind, text)) == []


def test_one_rule_for_all_texts() -> None:
    """Every type lets the same letters pass, those the printed fonts have (P4)."""
    rules = [json.dumps(kind.content_schema["$defs"], sort_keys=True) for kind in TYPES]
    assert len(set(rules)) == 1


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_only_known_formats_and_keywords(kind: DocumentType) -> None:
    """A misspelt format or keyword would check nothing, in silence; there is none."""
    known = {*KEYWORDS, *JSON_SCHEMA}
    for schema in _schemas(kind.content_schema):
        assert set(schema) <= known
        assert schema.get("format", "digits") in FORMATS


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_example_can_be_presented(kind: DocumentType) -> None:
    """Every field of an example has a form for people (D3)."""
    shown = display_of(kind.example["content"], kind.content_schema)
    assert set(kind.example["content"]) <= set(shown)


@pytest.mark.parametrize("name", reference.DOCUMENTS)
def test_reference_content_is_accepted(name: str) -> None:
    """The programme's own requests pass, once their suggested names are those of the type (B4)."""
    kind = PackagedDocumentTypes().get(name)
    assert kind is not None
    body = reference.document(name)
    assert CHECKER.faults(kind, body["content"]) == ()
    assert list(submission_faults(kind, body)) == []


@pytest.mark.parametrize("name", real_letters.NAMES)
def test_reference_letters_are_accepted(name: str) -> None:
    """The four real letters pass whole (issue 5)."""
    kind = PackagedDocumentTypes().get("official-letter")
    assert kind is not None
    assert CHECKER.faults(kind, real_letters.read(name).content) == ()


def test_incomplete_type_is_named(tmp_path: Path) -> None:
    """A type folder with a file missing stops the function with its name, not later (P4)."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "type.json").write_bytes((TEMPLATES / "licence" / "type.json").read_bytes())
    with pytest.raises(ConfigurationError, match="broken"):
        PackagedDocumentTypes(tmp_path).all()


@pytest.mark.parametrize(
    ("name", "left_mm", "fits"),
    [("licence", 150, True), ("e-card", 40, True), ("e-card", 50, False)],
)
def test_a_visible_seal_lies_on_the_paper(
    tmp_path: Path, name: str, left_mm: float, *, fits: bool
) -> None:
    """Issue 4: a type whose seal would be printed beside its paper stops the function with its
    name, before any document has a number."""
    folder = tmp_path / name
    shutil.copytree(TEMPLATES / name, folder)
    rules = json.loads((folder / "type.json").read_text(encoding="utf-8"))
    place = {"left_mm": left_mm, "bottom_mm": 2, "width_mm": 40, "height_mm": 10}
    rules["seal"] = {"appearance": place}
    (folder / "type.json").write_text(json.dumps(rules), encoding="utf-8")
    if fits:
        assert PackagedDocumentTypes(tmp_path).get(name) is not None
    else:
        with pytest.raises(ConfigurationError, match=r"e-card.*not on the paper"):
            PackagedDocumentTypes(tmp_path).all()


PERSONS = {"holder", "patient", "physician", "given_by", "principal", "attorney", "signatory"}
PERSONS |= {"payer", "payee"}


def _names_of_persons(schema: Any, within: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each `name` and `name_en` of a person, with whose it is."""
    for name, member in schema.get("properties", {}).items():
        if within in PERSONS and name in {"name", "name_en"}:
            yield f"{within}/{name}", member
        yield from _names_of_persons(member, name)
    if "items" in schema:
        yield from _names_of_persons(schema["items"], within)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_names_of_persons_are_spelled_plainly(kind: DocumentType) -> None:
    """Issue 5: two names that look the same are the same, whoever's they are (`format: name`)."""
    named = _names_of_persons(kind.content_schema)
    assert [whose for whose, schema in named if schema.get("format") != "name"] == []
