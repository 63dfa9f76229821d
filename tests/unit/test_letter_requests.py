"""From what a clerk fills in to the document that is issued, and the list to confirm."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.domain.letter_requests import (
    Addressee,
    as_document,
    confirmation,
    letter_pointer,
)
from infra import real_letters

SLC = Agency(agency_id="slc", name_th="สำนักเลขาธิการคณะรัฐมนตรี", name_en="Secretariat of the Cabinet")
DGA = Agency(
    agency_id="dga",
    name_th="สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)",
    name_en="DGA",
    signatory_position_th="ผู้อำนวยการสำนักงานพัฒนารัฐบาลดิจิทัล",
)
OPM = Agency(agency_id="opm", name_th="สำนักงานปลัดสำนักนายกรัฐมนตรี", name_en="OPM")
TO_DGA = Addressee(DGA, ChannelKind.QUEUE)
TO_OPM = Addressee(OPM, ChannelKind.HOSTED)
LETTER: dict[str, Any] = {
    "subject": "ขอเชิญประชุม",
    "to": ["dga"],
    "references": [{"number": "นร ๐๑๐๖/๗๖๕"}],
    "enclosures": [],
    "paragraphs": ["ด้วยสำนักเลขาธิการคณะรัฐมนตรีกำหนดจัดประชุม", "จึงเรียนมาเพื่อโปรดทราบ"],
    "urgency": "most_express",
    "classification": "normal",
    "acknowledge_by": "electronic",
}


def test_a_letter_becomes_a_document() -> None:
    """api.md POST /v1/letters: the fields it names are enough for one recipient, and what comes
    out is what the type's own schema demands."""
    body = as_document(LETTER, SLC, [TO_DGA])
    assert body == {
        "document_type": "official-letter",
        "content": {
            "subject": "ขอเชิญประชุม",
            "addressee": "ผู้อำนวยการสำนักงานพัฒนารัฐบาลดิจิทัล",
            "references": [{"number": "นร ๐๑๐๖/๗๖๕"}],
            "paragraphs": LETTER["paragraphs"],
            "closing": "ขอแสดงความนับถือ",
            "contact": {"office": "สำนักเลขาธิการคณะรัฐมนตรี"},
            "acknowledge_by": "electronic",
        },
        "recipients": ["dga"],
        "urgency": "most_express",
        "classification": "normal",
    }
    kind = PackagedDocumentTypes().get("official-letter")
    assert kind is not None
    assert JsonSchemaContentChecker().faults(kind, body["content"]) == ()


@pytest.mark.parametrize("name", real_letters.NAMES)
def test_the_real_letters_can_be_written_so(name: str) -> None:
    """Issue 6, done when: the four real letters travel; what they say themselves is kept."""
    content = real_letters.read(name).content
    body = as_document({**content, "urgency": "routine"}, SLC, [TO_DGA, TO_OPM])
    assert body["content"] == content
    assert body["recipients"] == ["dga", "opm"]


def test_who_has_no_head_in_the_directory_is_addressed_by_name() -> None:
    """Issue 6.1: the directory says as much as it knows."""
    body = as_document(LETTER, SLC, [TO_OPM])
    assert body["content"]["addressee"] == "สำนักงานปลัดสำนักนายกรัฐมนตรี"


@pytest.mark.parametrize(
    ("change", "to", "pointers"),
    [
        ({}, [TO_DGA, TO_OPM], ["/addressee"]),
        ({"salutation": "นมัสการ"}, [TO_DGA], ["/closing"]),
        ({"salutation": "นมัสการ"}, [TO_DGA, TO_OPM], ["/addressee", "/closing"]),
    ],
)
def test_what_is_left_open_is_asked_for(
    change: dict[str, Any], to: list[Addressee], pointers: list[str]
) -> None:
    """api.md: every fault at once, with its place in the letter."""
    with pytest.raises(InvalidRequestError) as raised:
        as_document({**LETTER, **change}, SLC, to)
    assert [fault.pointer for fault in raised.value.faults] == pointers
    said = {**LETTER, **change, "addressee": "หัวหน้าส่วนราชการ", "closing": "ขอนมัสการ"}
    assert as_document(said, SLC, to)["content"]["closing"] == "ขอนมัสการ"


def test_a_high_salutation_has_its_own_closing() -> None:
    """Saraban regulation, annex 2."""
    body = as_document({**LETTER, "salutation": "กราบเรียน"}, SLC, [TO_DGA])
    assert body["content"]["closing"] == "ขอแสดงความนับถืออย่างยิ่ง"


@pytest.mark.parametrize(
    ("document", "letter"),
    [
        ("/content/paragraphs/0", "/paragraphs/0"),
        ("/content", ""),
        ("/recipients/2", "/to/2"),
        ("/recipients", "/to"),
        ("/urgency", "/urgency"),
        ("/contents", "/contents"),
    ],
)
def test_faults_are_shown_where_the_clerk_wrote(document: str, letter: str) -> None:
    """api.md: a JSON Pointer per bad field, into the body that was sent."""
    assert letter_pointer(document) == letter


def test_recipients_are_shown_before_anything_is_sent() -> None:
    """Issue 6.6: wrong recipients are the commonest mistake; what was seen is what is sent."""
    seen = confirmation("ab" * 32, [TO_OPM, TO_DGA])
    assert seen.lines == (
        "๑. สำนักงานปลัดสำนักนายกรัฐมนตรี (opm) ทางกล่องรับหนังสือในระบบ",
        "๒. สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน) (dga) ทางระบบของหน่วยงาน (คิวข้อความ)",
    )
    assert confirmation("ab" * 32, [TO_DGA, TO_OPM]).digest == seen.digest
    for other in (
        confirmation("ac" * 32, [TO_OPM, TO_DGA]),
        confirmation("ab" * 32, [TO_OPM]),
        confirmation("ab" * 32, [TO_OPM, Addressee(DGA, ChannelKind.EMAIL)]),
    ):
        assert other.digest != seen.digest


@pytest.mark.parametrize("channel", ChannelKind)
def test_every_channel_has_a_name(channel: ChannelKind) -> None:
    """Issue 6.2: an officer sees which way a letter goes."""
    assert "ทาง" in confirmation("ab" * 32, [Addressee(DGA, channel)]).lines[0]
