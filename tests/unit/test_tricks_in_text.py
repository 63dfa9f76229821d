"""Text that reads otherwise than it is stored is refused, in every printed text of every type."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.thai import is_garbled
from chalicelib.handlers.models import Known, SubmitDocument, parse
from tests.support.samples import AGENCIES, NOON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.domain.directory import DocumentType

TYPES = PackagedDocumentTypes()
KINDS = TYPES.all()
KNOWN = Known(
    document_type=TYPES.get,
    agency=lambda _id: AGENCIES[0],
    content_faults=JsonSchemaContentChecker().faults,
    now=NOON,
    issuer="diw",
)
# Each is put into the middle of a text that is right.
TRICKS = {
    "right-to-left-override": "\u202e",
    "isolate": "\u2067",
    "right-to-left-mark": "\u200f",
    "zero-width-space": "\u200b",
    "zero-width-joiner": "\u200d",
    "word-joiner": "\u2060",
    "byte-order-mark": "\ufeff",
    "soft-hyphen": "\u00ad",
    "line-separator": "\u2028",
    "next-line": "\u0085",
    "no-break-space": "\u00a0",
    "hangul-filler": "\u3164",
    "braille-blank": "\u2800",
    "tag": "\U000e0041",
    "variation-selector": "\ufe0f",
    "annotation": "\ufff9",
    "private-use": "\ue000",
    "unassigned": "\u0378",
    "lone-surrogate": "\ud800",
    "arabic": "\u0645",
    "hebrew": "\u05d0",
    "cyrillic-a": "\u0430",
    "greek-o": "\u03bf",
    "full-width-digit": "\uff11",
    "chinese": "\u516c",
    "emoji": "\U0001f600",
    "combining-on-latin": "a\u0301",
    "combining-bomb": "\u0e01" + "\u0e48" * 40,
    "combining-latin-bomb": "a" + "\u0300\u0489" * 40,
    "mark-on-nothing": " \u0e48",
    "garbled-utf-8": "สมชาย".encode().decode("latin-1").replace("\x8a", "Š").replace("\x95", "•"),
    "garbled-tis-620": "สมชาย".encode("tis-620").decode("latin-1"),
}
CODES = {"control_character", "wrong_pattern", "garbled_text", "not_plain", "too_long"}


def _texts(
    value: Any, schema: dict[str, Any], root: dict[str, Any], at: str
) -> Iterator[tuple[str, int]]:
    """Pointer of each printed text in `value`, and how long it may be."""
    reference = schema.get("$ref", "")
    if reference == "#/$defs/text":
        yield at, schema["maxLength"]
        return
    if reference:
        schema = {**root["$defs"][reference.rpartition("/")[2]], **schema}
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _texts(
                member, schema.get("properties", {}).get(name, {}), root, f"{at}/{name}"
            )
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _texts(member, schema.get("items", {}), root, f"{at}/{place}")


def _faults(kind: DocumentType, pointer: str, text: str) -> list[FieldFault]:
    body: Any = deepcopy({**kind.example, "recipients": []})
    *path, last = pointer.strip("/").split("/")
    around = body
    for step in path:
        around = around[int(step)] if isinstance(around, list) else around[step]
    around[int(last) if isinstance(around, list) else last] = text
    try:
        parse(SubmitDocument, body, KNOWN)
    except InvalidRequestError as error:
        return list(error.faults)
    return []


PLACES = [
    pytest.param(kind, pointer, most, id=f"{kind.name}:{pointer}")
    for kind in KINDS
    for pointer, most in _texts(
        kind.example["content"], dict(kind.content_schema), dict(kind.content_schema), "/content"
    )
]


@pytest.mark.parametrize(("kind", "pointer", "most"), PLACES)
def test_no_printed_text_lets_a_trick_pass(kind: DocumentType, pointer: str, most: int) -> None:
    """Bad input: whatever turns text around, hides in it, piles up or has no glyph is refused at
    its field, in every printed text of every type, in Thai and English and without the text."""
    for name, trick in TRICKS.items():
        text = f"กข{trick}คง"[:most]
        faults = [fault for fault in _faults(kind, pointer, text) if fault.pointer == pointer]
        assert {fault.code for fault in faults} & CODES, (name, faults)
        for fault in faults:
            assert fault.detail != fault.detail_th
            assert text not in fault.detail + fault.detail_th


def test_every_type_has_printed_texts() -> None:
    """The test above looks at several texts of each type."""
    looked = [place.values[0] for place in PLACES]
    assert all(looked.count(kind) > 3 for kind in KINDS)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("กข\u202eคง", "control_character", 3),
        ("กข\u200b", "control_character", 3),
        ("กขค公司", "wrong_pattern", 4),
        ("公", "wrong_pattern", 1),
        ("ก\u0e48\u0e48\u0e48\u0e48ข", "wrong_pattern", 5),
        ("aа", "wrong_pattern", 2),
    ],
)
def test_the_place_is_told(text: str, code: str, place: int) -> None:
    """Bad input: a letter that the fonts have not, or that cannot be seen, is told by its place."""
    kind = TYPES.get("licence")
    assert kind is not None
    (fault,) = [f for f in _faults(kind, "/content/title_th", text) if f.code == code]
    assert f"haracter {place}" in fault.detail
    assert f"อักขระที่ {place}" in fault.detail_th


NAMES = [
    "ร้าน Café Zoë",
    "Müller & Søn",
    "Łódź",
    "50 €",
    "Crème brûlée",
    "½ × ¾ (±2%)",
    "«à la carte»",
]


@pytest.mark.parametrize("text", [*NAMES, "นางสาวกันยา", "ÄÖÜß"])
def test_latin_letters_with_accents_are_not_garbled(text: str) -> None:
    """Bad input: names of firms with accents are names, not a wrong encoding."""
    assert not is_garbled(text)


@given(st.text(st.sampled_from("กขคงจสมชยรลวะาิ่้เแ"), min_size=5))
def test_garbled_thai_is_seen(text: str) -> None:
    """Bad input: Thai read in an encoding for Western Europe is seen, from UTF-8 and TIS-620."""
    assert is_garbled(text.encode("tis-620").decode("latin-1"))
    assert is_garbled(text.encode().decode("latin-1"))
    assert not is_garbled(text)
