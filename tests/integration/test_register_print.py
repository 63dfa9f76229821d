"""The register on paper, with the real typst."""

from __future__ import annotations

import io
import json
import unicodedata
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import pypdf
import pytest

from chalicelib.adapters.pdf_text import Piece, pieces_of
from chalicelib.adapters.preview_function import PreviewFunction, answer
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer, _open, _pages
from chalicelib.adapters.typst_copy import TypstCopyPrinter
from chalicelib.adapters.typst_register import TypstRegisterPrinter
from chalicelib.domain.errors import RenderError, UnavailableError
from chalicelib.domain.register_lines import HEADS
from chalicelib.ports import RegisterSheet

if TYPE_CHECKING:
    from collections.abc import Mapping

_MM = 72 / 25.4
_ROUNDING = 0.1
# Widths of the columns of chalicelib/print/register.typ.
_WIDTHS = (16, 31, 24, 41, 41, 50, 24, 46)

ROW = (
    "๑๒/๑",
    "อก ๐๓๐๒/๑๒/๑",
    "๒๑ พฤศจิกายน ๒๕๖๙",
    "กรมโรงงานอุตสาหกรรม",
    "บริษัท น้ำผลไม้บางพลี จำกัด",
    "ใบอนุญาตประกอบกิจการเครื่องปั่นน้ำผลไม้อุตสาหกรรม",
    "ออกเอกสารแล้ว",
    "เลขแทรก ออกเลขจริงเมื่อ ๒๓ พฤศจิกายน ๒๕๖๙ เวลา ๑๕.๐๐ น.",
)
SHEET = RegisterSheet(
    agency="กรมโรงงานอุตสาหกรรม",
    title="ทะเบียนหนังสือส่ง",
    year="พ.ศ. ๒๕๖๙",
    extent="เลขทะเบียน ๑ ถึง ๓๐ รวม ๓๐ รายการ",
    selection="คัดเฉพาะรายการตามเงื่อนไขที่ระบุ",
    printed_at="๒๔ พฤศจิกายน ๒๕๖๙ เวลา ๐๙.๐๐ น.",
    created_at=1_795_500_000,
    heads=HEADS,
    rows=(ROW,) * 30,
)


@pytest.fixture(scope="module")
def printer() -> TypstRegisterPrinter:
    return TypstRegisterPrinter()


def _read(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


def _text(page: pypdf.PageObject) -> str:
    """Without spaces: extraction of shaped Thai places them as it likes."""
    extracted = unicodedata.normalize("NFC", page.extract_text())
    return "".join(extracted.split())


def _squeezed(text: str) -> str:
    return "".join(text.split())


def test_every_page_says_what_it_is(printer: TypstRegisterPrinter) -> None:
    """A25: A4 across; agency, book, year, heads, time of printing and `page x/y` on each page."""
    reader = _read(printer.print_register(SHEET))
    count = len(reader.pages)
    assert count > 1
    for number, page in enumerate(reader.pages, start=1):
        size = (float(page.mediabox.width) / _MM, float(page.mediabox.height) / _MM)
        assert size == pytest.approx((297, 210), abs=0.1)
        text = _text(page)
        shown = str(number).translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))
        assert f"{shown}/" in text
        for digits in ("๒๕๖๙", "๐๙.๐๐"):
            assert digits in text
        for head in ("จาก", "ถึง"):
            assert head in text
    assert reader.metadata is not None
    assert reader.metadata.title == "ทะเบียนหนังสือส่ง พ.ศ. ๒๕๖๙ กรมโรงงานอุตสาหกรรม"


def test_every_line_is_printed_once(printer: TypstRegisterPrinter) -> None:
    """A25: nothing is lost or doubled where a page ends, and inserted numbers show."""
    rows = tuple((f"#{n:04d}", *ROW[1:]) for n in range(1, 121))
    pages = _read(printer.print_register(replace(SHEET, rows=rows))).pages
    text = "".join(map(_text, pages))
    assert [text.count(row[0]) for row in rows] == [1] * 120
    assert text.count("๐๓๐๒/๑๒/๑") == 120


def test_it_can_be_kept_and_read_aloud(printer: TypstRegisterPrinter) -> None:
    """A25, A26: PDF/A, tagged, in Thai, fonts inside; the same sheet gives the same bytes."""
    pdf = printer.print_register(SHEET)
    root = cast("Any", _read(pdf).trailer["/Root"])
    assert root["/Lang"] == "th"
    assert "/StructTreeRoot" in root
    assert b"<pdfaid:part>2</pdfaid:part>" in pdf
    assert TypstRegisterPrinter().print_register(SHEET) == pdf


def test_an_empty_register_is_a_page(printer: TypstRegisterPrinter) -> None:
    """A25: a book in which nothing was entered can be shown to be empty."""
    (page,) = _read(printer.print_register(replace(SHEET, rows=()))).pages
    assert "รายการ" in _text(page)


def test_a_thousand_lines_fit_into_one_answer(printer: TypstRegisterPrinter) -> None:
    """A25: the largest file stays below what a function may answer (6 MB, base64)."""
    rows = tuple((f"{n}", *ROW[1:]) for n in range(1_000))
    pdf = printer.print_register(replace(SHEET, rows=rows))
    assert len(pdf) * 4 / 3 < 5_500_000


# Words, strings that are no language, wide letters, links: each can be too wide for a column.
@pytest.mark.parametrize(
    "fill",
    ["W", "ฒ", "๘", "ๆ", "@", "กรุงเทพมหานคร", "ก ", "https://example.go.th/a?b=c&", "เกี๊ยว"],
)
@pytest.mark.parametrize("column", [1, 4, 5, 7])
def test_no_text_leaves_its_column(printer: TypstRegisterPrinter, fill: str, column: int) -> None:
    """A25: whatever stands in a line, it lies on nothing else and inside the page."""
    row = list(ROW)
    row[column] = (fill * 300)[:300]
    pdf = printer.print_register(replace(SHEET, rows=(tuple(row),)))
    right_edge = (12 + sum(_WIDTHS[: column + 1])) * _MM
    left_edge = (12 + sum(_WIDTHS[:column])) * _MM
    for page in _pages(_open(pdf)):
        for piece in pieces_of(page):
            assert 12 * _MM - _ROUNDING < piece.left < piece.right
            assert piece.right < (297 - 12) * _MM + _ROUNDING
            if left_edge <= piece.left < right_edge and _in_table(piece):
                assert piece.right <= right_edge


def _in_table(piece: Piece) -> bool:
    return 16 * _MM < piece.baseline < (210 - 22) * _MM


def test_content_is_never_code(printer: TypstRegisterPrinter) -> None:
    """P6: an entry that looks like a command of the template language is printed as text."""
    row = (*ROW[:5], '#read("/x") *a* $b$ \\ @c', *ROW[6:])
    (page,) = _read(printer.print_register(replace(SHEET, rows=(row,)))).pages
    assert _squeezed('#read("/x") *a* $b$') in _text(page)


_UNPRINTABLE = replace(SHEET, rows=((5, *["ลับเฉพาะ"] * 7),))  # type: ignore[arg-type]  # what no code of ours makes


def test_an_error_does_not_quote_the_register(printer: TypstRegisterPrinter) -> None:
    """PDPA: a row that cannot be printed ends the printing without its text in the error."""
    with pytest.raises(RenderError) as caught:
        printer.print_register(_UNPRINTABLE)
    told = f"{caught.value.detail}{caught.value.detail_th}{caught.value.__cause__}"
    assert "ลับเฉพาะ" not in told


def test_a_letter_the_font_lacks_does_not_stop_the_register(printer: TypstRegisterPrinter) -> None:
    """A25: a register must print whatever stands in it; what has no letter prints as "?"."""
    row = (*ROW[:5], "Reason 漢😀", *ROW[6:])
    page = _read(printer.print_register(replace(SHEET, rows=(row,)))).pages[0]
    assert "Reason??" in _text(page)


def test_the_template_is_no_document_type() -> None:
    """P2: nobody can issue a register as a document."""
    assert not any("register" in kind.name for kind in PackagedDocumentTypes().all())


class _Lambda:
    """The other end of the call, in this process, on the same bytes."""

    def __init__(self, printer: TypstRegisterPrinter, *, broken: bool = False) -> None:
        self._printer, self._broken = printer, broken

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == "preview"
        if self._broken:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"{}")}
        reply = answer(json.loads(Payload), TypstRenderer(), self._printer, TypstCopyPrinter())
        return {"Payload": io.BytesIO(json.dumps(reply).encode())}


def test_the_function_prints_what_the_api_asks_for(printer: TypstRegisterPrinter) -> None:
    """A25: the API, which loads no renderer, gets the bytes the printer made, and its
    refusals as they are."""
    far = PreviewFunction(_Lambda(printer), "preview")  # type: ignore[arg-type]  # what is used of it
    assert far.print_register(SHEET) == printer.print_register(SHEET)
    with pytest.raises(RenderError, match="cannot be printed"):
        far.print_register(_UNPRINTABLE)
    broken = PreviewFunction(_Lambda(printer, broken=True), "preview")  # type: ignore[arg-type]  # as above
    with pytest.raises(UnavailableError):
        broken.print_register(SHEET)


def test_the_sheet_travels_as_json() -> None:
    """A25: nothing of a sheet is lost between the two functions."""
    assert json.loads(json.dumps(asdict(SHEET)))["rows"][0] == list(ROW)
