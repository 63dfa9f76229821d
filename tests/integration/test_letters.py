"""Official letters: the regulation's layout, and the four real letters in full."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pypdf
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from chalicelib.adapters.pdf_text import pieces_of
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.documents import Classification, Urgency
from chalicelib.domain.registers import Numbering
from infra import pictures
from tests.support import reference
from tests.support.rendering import NOW, request_of

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.directory import DocumentType

pytestmark = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"
)

# What is printed beside the letter's own text: heads, page numbers, office, link.
MOST_BESIDE = 500
MOST_BESIDE_A_PAGE = 120


@pytest.fixture(scope="module")
def kind() -> DocumentType:
    found = PackagedDocumentTypes().get("official-letter")
    assert found is not None
    return found


def _rendered(kind: DocumentType, content: dict[str, Any] | None = None, **changes: Any) -> bytes:
    renderer = TypstRenderer()
    request = request_of(kind, content, valid_from=None, valid_until=None, **changes)
    pdf = renderer.render(request)
    renderer.lint(pdf, request)
    return pdf


def _text(pdf: bytes, tmp_path: Path) -> list[str]:
    """Text of each page in reading order, as a reader other than ours finds it."""
    file = tmp_path / "letter.pdf"
    file.write_bytes(pdf)
    said = subprocess.run(["pdftotext", "-raw", file, "-"], check=True, capture_output=True)
    return said.stdout.decode().split("\f")[:-1]


def _skeleton(text: str) -> str:
    """Consonants, digits and Latin letters: what no text extraction of Thai leaves out, though
    it doubles some and moves vowels (docs: the attached JSON is the text of record)."""
    return re.sub("[^ก-ฮ0-9๐-๙A-Za-z]", "", text)


def _beside(expected: str, found: str) -> int | None:
    """How many letters of `found` stand between those of `expected`, which must all come in
    order; None if one is missing."""
    at = 0
    for letter in expected:
        at = found.find(letter, at) + 1
        if not at:
            return None
    return len(found) - len(expected)


@pytest.mark.parametrize("name", reference.LETTERS)
def test_real_letter_loses_no_text(kind: DocumentType, name: str, tmp_path: Path) -> None:
    """Each of the four real letters renders in full: every paragraph is in the attached JSON
    word for word, and on the pages in order (issue 5)."""
    letter = reference.letter(name)
    pdf = _rendered(kind, letter.content, urgency=letter.urgency, printed=letter.number)
    attached = json.loads(pypdf.PdfReader(BytesIO(pdf)).attachments["content.json"][0])
    assert attached["content"] == letter.content
    pages = _text(pdf, tmp_path)
    found = _skeleton("".join(pages))
    expected = _skeleton("".join(letter.content["paragraphs"]))
    beside = _beside(expected, found)
    assert beside is not None
    assert beside <= MOST_BESIDE + MOST_BESIDE_A_PAGE * len(pages)
    for head in (letter.content["subject"], letter.content["addressee"], letter.number):
        assert _beside(_skeleton(head), _skeleton(pages[0])) is not None


def test_lost_text_is_noticed(kind: DocumentType, tmp_path: Path) -> None:
    """The comparison above fails where a paragraph is missing from the pages."""
    example = kind.example["content"]
    expected = _skeleton("".join(example["paragraphs"]))
    for place in range(len(example["paragraphs"])):
        fewer = [text for at, text in enumerate(example["paragraphs"]) if at != place]
        pages = _text(_rendered(kind, {**example, "paragraphs": fewer}), tmp_path)
        assert _beside(expected, _skeleton("".join(pages))) is None


def test_pages_are_numbered_above(kind: DocumentType, tmp_path: Path) -> None:
    """Every page but the first has its number in the middle above (Saraban regulation)."""
    example = kind.example["content"]
    long = {**example, "paragraphs": example["paragraphs"] * 8}
    first, *others = _text(_rendered(kind, long), tmp_path)
    assert len(others) >= 2
    assert "– ๑ –" not in first
    for place, page in enumerate(others, start=2):
        assert page.startswith(f"– {'๐๑๒๓๔๕๖๗๘๙'[place]} –")


def test_no_signature_stands_alone(kind: DocumentType, tmp_path: Path) -> None:
    """However long a letter is, its last paragraph stands on the page of its signature."""
    example = kind.example["content"]
    for more in range(5, 16):
        long = {**example, "paragraphs": [*["เติม " * 15 + "ท้าย"] * more, *example["paragraphs"]]}
        *_, last = _text(_rendered(kind, long), tmp_path)
        assert _skeleton("จึงเรียนมาเพื่อโปรด") in _skeleton(last)
        assert _skeleton("ขอแสดงความนับถือ") in _skeleton(last)


def test_classification_stands_above_and_below(kind: DocumentType, tmp_path: Path) -> None:
    """A classified letter says so at the top and at the bottom of every page (A24)."""
    example = kind.example["content"]
    long = {**example, "paragraphs": example["paragraphs"] * 4}
    pages = _text(_rendered(kind, long, classification=Classification.SECRET), tmp_path)
    assert len(pages) >= 2
    for page in pages:
        assert page.count("ลับมาก") == 2
        assert page.startswith("ลับมาก")


def test_urgency_is_red_and_large(kind: DocumentType, tmp_path: Path) -> None:
    """Urgency is printed in red, in letters of 32 points at least (Saraban regulation)."""
    plain, urgent = (
        _rendered(kind, urgency=urgency) for urgency in (Urgency.ROUTINE, Urgency.MOST_EXPRESS)
    )
    assert _largest(plain) < 32 <= _largest(urgent)
    assert not _red_pixels(plain, tmp_path)
    assert _red_pixels(urgent, tmp_path) > 100


def _largest(pdf: bytes) -> float:
    page = _pyhanko_page(pdf)
    return max(piece.size for piece in pieces_of(page))


def _pyhanko_page(pdf: bytes) -> Any:
    pages = PdfFileReader(BytesIO(pdf)).root["/Pages"]
    while "/Kids" in pages:
        pages = pages["/Kids"][0]
    return pages


def _red_pixels(pdf: bytes, tmp_path: Path) -> int:
    file = tmp_path / "page.pdf"
    file.write_bytes(pdf)
    (page,) = pictures.pages(file, resolution=50)
    triples = zip(*(iter(page.pixels),) * 3, strict=True)
    return sum(red > 150 and green < 60 and blue < 60 for red, green, blue in triples)


def test_letter_of_a_reserved_number_says_when_it_was_issued(
    kind: DocumentType, tmp_path: Path
) -> None:
    """Beside the letter date stands the real time of issue, where they differ (A18)."""
    reserved = Numbering(
        year=2026, number=12, printed="อก ๐๓๐๒/๑๒", numbered_at=NOW, dated=NOW.replace(month=11)
    )
    (page,) = _text(_rendered(kind, numbering=reserved), tmp_path)
    assert "๑ พฤศจิกายน ๒๕๖๙" in page.replace("\xa0", " ")
    assert "ออกเลขจริง" in page
