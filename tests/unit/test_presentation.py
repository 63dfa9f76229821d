"""What is printed and attached, field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.documents import Classification, Document, Urgency
from chalicelib.domain.presentation import (
    PREVIEW_MARK,
    break_anywhere,
    display_of,
    machine_readable,
    present,
)
from chalicelib.domain.registers import Numbering
from tests.support import samples

NUMBERED_AT = datetime(2026, 12, 31, 17, 30, tzinfo=UTC)  # 1 January 2027 in Bangkok
URL = "https://tra.example.go.th/v/K7QX2M9TNB4HWZC5YRD3"
AGENCY = Agency(
    agency_id="diw",
    name_th="กรมโรงงานอุตสาหกรรม",
    name_en="Department of Industrial Works",
    signatory_position_th="อธิบดี",
)


def _licence() -> DocumentType:
    licence = PackagedDocumentTypes().get("licence")
    assert licence is not None
    return licence


def _document(**changes: Any) -> Document:
    kind = _licence()
    numbering = Numbering(year=2027, number=12, printed="๑๒/๒๕๗๐", numbered_at=NUMBERED_AT)
    document = samples.printable(kind, kind.example["content"], numbering)
    return replace(document, **changes)


def _present(document: Document, **options: Any) -> dict[str, Any]:
    return present(document, AGENCY, _licence(), verify_url=URL, **options)


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u200b", "")


def test_heads_are_thai() -> None:
    """Number and dates print in Thai digits and Buddhist years, dated in Bangkok at
    numbering (A18, D3)."""
    data = _present(_document())
    assert data["number"] == "๑๒/๒๕๗๐"
    assert _plain(data["date"]) == "๑ มกราคม ๒๕๗๐"
    assert _plain(data["valid_from"]) == "๑ มกราคม ๒๕๗๐"
    assert _plain(data["valid_until"]) == "๓๑ ธันวาคม ๒๕๗๔"
    assert data["created_at"] == int(NUMBERED_AT.timestamp())


def test_content_is_shown_by_format() -> None:
    """Fees, counts and identity numbers print in Thai digits; what was submitted stays (P2)."""
    data = _present(_document())
    shown = data["display"]
    assert shown["fee_thb"] == "๓,๐๐๐.๐๐"
    assert shown["fee_thb_text"] == "สามพันบาทถ้วน"
    assert shown["holder"]["registration_no"] == "๐๗๕๕๕๖๐๐๐๐๐๑๒"
    assert shown["items"][0]["quantity"] == "๒"
    assert data["content"] == _licence().example["content"]


def test_dates_in_content_are_long() -> None:
    """A date field of any type prints as a Thai long date without a line break in it (D3)."""
    schema = {
        "properties": {"days": {"items": {"$ref": "#/$defs/day"}}},
        "$defs": {"day": {"type": "string", "format": "date"}},
    }
    assert display_of({"days": ["2026-11-21"]}, schema) == {"days": ["๒๑\u00a0พฤศจิกายน\u00a0๒๕๖๙"]}


def test_large_counts_are_grouped() -> None:
    """Counts of a thousand and more are read without counting digits (D3)."""
    assert display_of({"n": 1234567}, {"properties": {"n": {"type": "integer"}}}) == {
        "n": "๑,๒๓๔,๕๖๗"
    }


def test_number_keeps_to_its_word() -> None:
    """No line begins with a number torn from its word, nor ends before its unit (item 5)."""
    shown = display_of({"t": "ตาม พ.ศ. ๒๕๓๕ ภายใน ๑๕ วัน"}, {})
    assert shown["t"] == "ตาม พ.ศ.\u00a0๒๕๓๕ ภายใน\u00a0๑๕\u00a0วัน"


@given(st.text(max_size=200))
def test_presentation_loses_no_text(text: str) -> None:
    """Break points and tied spaces change no letter of what was submitted (P2)."""
    kept = text.replace("\u200b", "").replace("\u00a0", " ")
    shown = display_of({"t": kept}, {})
    assert _plain(shown["t"]) == kept
    assert _plain(break_anywhere(shown, 3)["t"]) == kept


@given(st.lists(st.sampled_from(["ก", "กี่", "เกี๊", "แก้", "กา", "น้ำ", "ๆ", "๑", "W", "@", "เ"])))
def test_break_anywhere_breaks_between_cells(cells: list[str]) -> None:
    """Even as the last resort no mark is parted from its consonant (no orphaned marks)."""
    (broken,) = break_anywhere(["".join(cells)], 1)
    pieces = broken.split("\u200b")
    assert not any(piece[:1] in set("ิี่๊้ำา") for piece in pieces)
    assert all(len(piece) <= 5 for piece in pieces)


def test_long_codes_can_break() -> None:
    """A code or link longer than a line may be broken, so it stays on the page (P4)."""
    shown = display_of({"t": "W" * 30}, {})
    assert shown["t"] == "\u200b".join("W" * 30)
    assert display_of({"t": "W" * 20}, {})["t"] == "W" * 20


def test_signatory_defaults_to_the_agencys() -> None:
    """Without a signatory in the content the agency's default answers for it (B7)."""
    content = {k: v for k, v in _licence().example["content"].items() if k != "signatory"}
    assert _present(_document(content=content))["signatory"] == {"name": None, "position": "อธิบดี"}
    named = {**content, "signatory": {"name": "นางสาวใจดี มีสุข", "position": "รองอธิบดี"}}
    assert _present(_document(content=named))["signatory"] == {
        "name": "นางสาวใจดี มีสุข",
        "position": "รองอธิบดี",
    }


def test_marks_of_urgency_and_classification() -> None:
    """Urgency and classification are printed where they are not ordinary (A24)."""
    data = _present(
        _document(urgency=Urgency.MOST_EXPRESS, classification=Classification.CONFIDENTIAL)
    )
    assert (data["urgency"], data["classification"]) == ("ด่วนที่สุด", "ลับ")
    plain = _present(_document())
    assert (plain["urgency"], plain["classification"]) == (None, None)


def test_preview_has_no_number() -> None:
    """A preview spends no number and says what it is (api.md, dry_run)."""
    data = _present(_document(numbering=None), watermark=PREVIEW_MARK)
    assert data["watermark"] == PREVIEW_MARK
    assert not any(character in "๐๑๒๓๔๕๖๗๘๙" for character in data["number"] + data["date"])


def test_only_a_preview_lacks_a_number() -> None:
    """A document without number cannot be printed as a real one (P1)."""
    with pytest.raises(ValueError, match="preview"):
        _present(_document(numbering=None))


def test_data_is_json() -> None:
    """What a template gets survives JSON, so a render can be repeated from it (P8)."""
    data = _present(_document())
    assert json.loads(json.dumps(data)) == data


def test_machine_readable_is_canonical() -> None:
    """Machines get number, digest and content in one canonical form (P2, ขมธอ. 11-2560)."""
    attached = machine_readable(_document(), AGENCY, verify_url=URL)
    record = json.loads(attached.data)
    assert record["number"] == 12
    assert record["printed_number"] == "๑๒/๒๕๗๐"
    assert record["year"] == 2027
    assert record["numbered_at"] == "2026-12-31T17:30:00+00:00"
    assert record["content"] == _licence().example["content"]
    assert record["content_digest"] == "ab" * 32
    assert record["verify_url"] == URL
    assert (record["valid_from"], record["valid_until"]) == ("2027-01-01", "2031-12-31")
    assert attached == machine_readable(_document(), AGENCY, verify_url=URL)
    assert "app" not in record.values()
