"""Official letters: the regulation's layout, and the four real letters in full."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pypdf
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from chalicelib.adapters.pdf_text import pieces_of
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.documents import Classification, Urgency
from chalicelib.domain.registers import Numbering
from chalicelib.domain.thai import long_date, to_thai_digits
from infra import pictures, real_letters
from tests.support.rendering import AGENCY, NOW, request_of

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.domain.directory import DocumentType

pytestmark = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"
)

MARKS = "ัิีึืฺุู็่้๊๋์ํ๎"
"""What stands above or below a Thai consonant (U+0E31, U+0E34–3A, U+0E47–4E)."""

MM = 72 / 25.4  # points
RESOLUTION = 50  # pixels an inch
PAGE_NUMBER = re.compile("– [๐-๙]+ –")
URGENCIES = {
    Urgency.EXPRESS: "ด่วน",
    Urgency.VERY_EXPRESS: "ด่วนมาก",
    Urgency.MOST_EXPRESS: "ด่วนที่สุด",
}


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


def _spelled(text: str) -> str:
    """Every letter, vowel, mark, digit and sign, in order, without spaces. A reader of shaped
    Thai tells the marks of a consonant in some order and sometimes a cluster twice; so marks
    are sorted, and what comes twice in a row counts once, here as in the source."""
    bare = re.sub(r"[\s\u200b\u00ad]", "", text.replace("ำ", "ํา"))
    ordered = re.sub(f"[{MARKS}]+", lambda marks: "".join(sorted(set(marks[0]))), bare)
    return re.sub(f"([ก-ฮ][{MARKS}]+)\\1+", r"\1", ordered)


def _body(pages: list[str]) -> str:
    """What is written on the pages, without page numbers and the line at their feet."""
    lines = [line for page in pages for line in page.splitlines()]
    return _spelled(
        "".join(
            line
            for line in lines
            if not PAGE_NUMBER.fullmatch(line.strip())
            and not line.startswith("ประทับตราอิเล็กทรอนิกส์โดย")
        )
    )


def _expected(letter: real_letters.RealLetter) -> list[str]:
    """The whole letter in the regulation's order, as it must stand on the pages."""
    content = letter.content
    head = [URGENCIES.get(letter.urgency, ""), "ที่", letter.number, AGENCY.name_th]
    head += [long_date(letter.dated), "เรื่อง", content["subject"]]
    head += [content["salutation"], content["addressee"]]
    if references := content.get("references"):
        head += ["อ้างถึง", *_numbered([_reference(one) for one in references])]
    if enclosures := content.get("enclosures"):
        head += ["สิ่งที่ส่งมาด้วย", *_numbered(enclosures)]
    return [*head, *content["paragraphs"]]


def _numbered(texts: list[str]) -> list[str]:
    if len(texts) == 1:
        return texts
    return [f"{to_thai_digits(str(row))}.{text}" for row, text in enumerate(texts, start=1)]


def _reference(one: dict[str, str]) -> str:
    urgency = URGENCIES[Urgency(one["urgency"])] if "urgency" in one else ""
    return f"หนังสือ{urgency}ที่{one['number']}ลงวันที่{long_date(date.fromisoformat(one['date']))}"


def _dated(letter: real_letters.RealLetter) -> Numbering:
    """The number that the letter really had, given on its day."""
    noon = datetime(letter.dated.year, letter.dated.month, letter.dated.day, 5, tzinfo=UTC)
    return Numbering(year=noon.year, number=1, printed=letter.number, numbered_at=noon)


@pytest.mark.parametrize("name", real_letters.NAMES)
def test_real_letter_loses_no_text(kind: DocumentType, name: str, tmp_path: Path) -> None:
    """Each of the four real letters renders in full (issue 5): from urgency and number to the
    last paragraph every letter, vowel, mark and digit stands on the pages, in order, with
    nothing between them; then closing, position and office; and the attached JSON has it all."""
    letter = real_letters.read(name)
    content = letter.content
    pdf = _rendered(kind, content, urgency=letter.urgency, numbering=_dated(letter))
    attached = json.loads(pypdf.PdfReader(BytesIO(pdf)).attachments["content.json"][0])
    assert attached["content"] == content
    body = _body(_text(pdf, tmp_path))
    expected = _spelled("".join(_expected(letter)))
    assert body[: len(expected)] == expected
    end = body[len(expected) :]
    for last in (
        content["closing"],
        content["signatory"]["position"],
        content["contact"]["office"],
    ):
        assert _spelled(last) in end


@pytest.mark.parametrize("name", real_letters.NAMES)
def test_real_letters_are_read_whole(name: str) -> None:
    """The comparison above is with everything that the reference data holds of a letter."""
    raw = real_letters.read_raw(name)
    given = _spelled("".join(_expected(real_letters.read(name))))
    for field in ("number_as_printed", "subject", "salutation", "paragraphs", "enclosures"):
        value = raw[field]
        for text in [value] if isinstance(value, str) else value:
            assert _spelled(text) in given
    assert len(real_letters.read(name).content.get("references", [])) == len(raw["references"])


def test_lost_text_is_noticed(kind: DocumentType, tmp_path: Path) -> None:
    """The comparison above fails where a paragraph, a tone mark or a digit is missing."""
    example = kind.example["content"]
    paragraphs = example["paragraphs"]
    expected = _spelled("".join(paragraphs))
    assert expected in _body(_text(_rendered(kind), tmp_path))
    lossy = [[text for at, text in enumerate(paragraphs) if at != place] for place in range(5)]
    for lost in "่็๔า":
        place = next(at for at, text in enumerate(paragraphs) if lost in text)
        fewer = list(paragraphs)
        fewer[place] = fewer[place].replace(lost, "", 1)
        lossy.append(fewer)
    for fewer in lossy:
        pages = _text(_rendered(kind, {**example, "paragraphs": fewer}), tmp_path)
        assert expected not in _body(pages)


@dataclass(frozen=True)
class Word:
    """A word on a page; places in points from its upper left corner."""

    text: str
    left: float
    right: float
    top: float
    bottom: float


def _words(pdf: bytes, tmp_path: Path) -> list[list[Word]]:
    """The words of each page, where a reader other than ours finds them."""
    file = tmp_path / "letter.pdf"
    file.write_bytes(pdf)
    said = subprocess.run(["pdftotext", "-bbox", file, "-"], check=True, capture_output=True)
    pages = ET.fromstring(said.stdout).iter("{http://www.w3.org/1999/xhtml}page")
    return [
        [
            Word(
                word.text or "", *(float(word.attrib[f]) for f in ("xMin", "xMax", "yMin", "yMax"))
            )
            for word in page
        ]
        for page in pages
    ]


def test_pages_are_numbered_above(kind: DocumentType, tmp_path: Path) -> None:
    """Every page but the first has its number in the middle above (Saraban regulation)."""
    example = kind.example["content"]
    long = {**example, "paragraphs": example["paragraphs"] * 8}
    pdf = _rendered(kind, long)
    first, *others = _text(pdf, tmp_path)
    assert len(others) >= 2
    assert "– ๑ –" not in first
    for place, (page, words) in enumerate(
        zip(others, _words(pdf, tmp_path)[1:], strict=True), start=2
    ):
        number = "๐๑๒๓๔๕๖๗๘๙"[place]
        assert page.startswith(f"– {number} –")
        found = [word for word in words if word.bottom < 26 * MM]
        assert [word.text for word in found] == ["–", number, "–"]
        # In the middle of what is between the margins (30 and 20 mm).
        assert abs(found[1].left + found[1].right - (210 + 10) * MM) / 2 < 2


def test_no_signature_stands_alone(kind: DocumentType, tmp_path: Path) -> None:
    """However long a letter is, its last paragraph stands on the page of its signature."""
    example = kind.example["content"]
    for more in range(5, 16):
        long = {**example, "paragraphs": [*["เติม " * 15 + "ท้าย"] * more, *example["paragraphs"]]}
        *_, last = _text(_rendered(kind, long), tmp_path)
        assert _spelled("จึงเรียนมาเพื่อโปรด") in _spelled(last)
        assert _spelled("ขอแสดงความนับถือ") in _spelled(last)


@pytest.mark.parametrize(
    ("classification", "word"),
    [(Classification.CONFIDENTIAL, "ลับ"), (Classification.SECRET, "ลับมาก")],
)
def test_classification_stands_above_and_below(
    kind: DocumentType, classification: Classification, word: str, tmp_path: Path
) -> None:
    """A classified letter says so at the top and at the bottom of every page, larger than its
    text and in red (A24); one that is not says nothing."""
    example = kind.example["content"]
    long = {**example, "paragraphs": example["paragraphs"] * 4}
    pdf = _rendered(kind, long, classification=classification)
    pages = _words(pdf, tmp_path)
    assert len(pages) >= 2
    for page in pages:
        above, below = (found for found in page if found.text == word)
        assert above.bottom < 26 * MM  # in the margins, beyond the text
        assert below.top > (297 - 26) * MM
        assert min(above.bottom - above.top, below.bottom - below.top) > 18
    assert _red_pixels(pdf, tmp_path) > 100
    plain = _rendered(kind, long)
    assert word not in {found.text for page in _words(plain, tmp_path) for found in page}
    assert not _red_pixels(plain, tmp_path)


@pytest.mark.parametrize(("urgency", "word"), URGENCIES.items())
def test_urgency_is_red_and_large(
    kind: DocumentType, urgency: Urgency, word: str, tmp_path: Path
) -> None:
    """Each urgency is printed in red, in letters of 32 points at least, and nothing else is
    (Saraban regulation): what is red lies where the word stands and is as large."""
    plain, urgent = (_rendered(kind, urgency=each) for each in (Urgency.ROUTINE, urgency))
    assert _largest(plain) < 32 <= _largest(urgent)
    assert not _red_pixels(plain, tmp_path)
    (first,) = _words(urgent, tmp_path)
    printed = max(first, key=lambda found: found.bottom - found.top)
    assert _spelled(printed.text) == _spelled(word)
    left, right, top, bottom = _red_box(urgent, tmp_path)
    assert printed.left - 2 <= left < right <= printed.right + 2
    marks = 10  # tone marks rise above what the font says is a line
    assert printed.top - marks <= top < bottom <= printed.bottom + 2
    assert right - left > 0.9 * (printed.right - printed.left)


@pytest.mark.parametrize("urgency", [Urgency.ROUTINE, Urgency.MOST_EXPRESS])
def test_act_within_says_until_when(kind: DocumentType, urgency: Urgency, tmp_path: Path) -> None:
    """ด่วนภายใน stands where the urgency does, in red and as large, with day and time in Bangkok
    below it; the longest of them leaves the emblem alone (lint measured it)."""
    within = datetime(2026, 11, 30, 16, 45, tzinfo=UTC)  # 23:45 in Bangkok
    pdf = _rendered(kind, urgency=urgency, act_within=within)
    (page,) = _text(pdf, tmp_path)
    assert _spelled("ด่วนภายใน") in _spelled(page)
    assert _spelled("๓๐ พฤศจิกายน ๒๕๖๙ เวลา ๒๓.๔๕ น.") in _spelled(page)
    assert _largest(pdf) >= 32
    _, right, _, _ = _red_box(pdf, tmp_path)
    assert right < (105 + 5 - 16) * MM  # the emblem begins there
    attached = json.loads(pypdf.PdfReader(BytesIO(pdf)).attachments["content.json"][0])
    assert attached["act_within"] == "2026-11-30T16:45:00+00:00"


def _largest(pdf: bytes) -> float:
    page = _pyhanko_page(pdf)
    return max(piece.size for piece in pieces_of(page))


def _pyhanko_page(pdf: bytes) -> Any:
    pages = PdfFileReader(BytesIO(pdf)).root["/Pages"]
    while "/Kids" in pages:
        pages = pages["/Kids"][0]
    return pages


def _red_pixels(pdf: bytes, tmp_path: Path) -> int:
    return len(_red(pdf, tmp_path))


def _red_box(pdf: bytes, tmp_path: Path) -> tuple[float, float, float, float]:
    """Left, right, top and bottom, in points, of all that is red on the first page."""
    across, down = zip(*_red(pdf, tmp_path), strict=True)
    point = 72 / RESOLUTION
    return min(across) * point, max(across) * point, min(down) * point, max(down) * point


def _red(pdf: bytes, tmp_path: Path) -> list[tuple[int, int]]:
    """Column and row of each red pixel of the first page."""
    file = tmp_path / "page.pdf"
    file.write_bytes(pdf)
    page, *_ = pictures.pages(file, resolution=RESOLUTION)
    triples = zip(*(iter(page.pixels),) * 3, strict=True)
    return [
        (place % page.width, place // page.width)
        for place, (red, green, blue) in enumerate(triples)
        if red > 150 and green < 60 and blue < 60
    ]


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
