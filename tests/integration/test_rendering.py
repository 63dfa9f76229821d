"""Rendering and lint with the real typst: what is printed, what fits, what is refused."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import pypdf
import pytest
import typst
from pypdf.annotations import Link
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    RectangleObject,
    TextStringObject,
)

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.preview_function import PreviewFunction, answer
from chalicelib.adapters.types import TEMPLATES, PackagedDocumentTypes
from chalicelib.adapters.typst import FONTS, TypstRenderer
from chalicelib.adapters.typst_copy import TypstCopyPrinter
from chalicelib.adapters.typst_register import TypstRegisterPrinter
from chalicelib.domain.directory import DocumentType, Paper
from chalicelib.domain.documents import Classification, Urgency
from chalicelib.domain.errors import LintError, RenderError, UnavailableError
from chalicelib.domain.example_content import FILLS, most_of
from chalicelib.domain.presentation import PREVIEW_MARK
from tests.support.rendering import request_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYPES = PackagedDocumentTypes().all()
CHECKER = JsonSchemaContentChecker()
# Of such content the figures do not add up, and it is a receipt and a note in one, of a buyer
# at home with a postcode as abroad: more than the schema accepts, not less.
TOO_MUCH = {"e-receipt": {"wrong_amount", "wrong_pattern", "unknown_field"}}


@pytest.fixture(scope="module")
def renderer() -> TypstRenderer:
    return TypstRenderer()


def _licence() -> DocumentType:
    return next(kind for kind in TYPES if kind.name == "licence")


def _read(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(BytesIO(pdf))


def _written(writer: pypdf.PdfWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


# -- what is printed ---------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_example_is_one_good_page(renderer: TypstRenderer, kind: DocumentType) -> None:
    """An ordinary document is one page, and a card two sides, that pass every rule of the
    house (item 5)."""
    request = request_of(kind)
    linted = renderer.lint(renderer.render(request), request)
    assert linted.pages == (2 if kind.name == "e-card" else 1)


def test_file_says_what_it_is(renderer: TypstRenderer) -> None:
    """Title, language, number and dates can be read from the file itself (D3, ขมธอ. 11-2560)."""
    kind = _licence()
    reader = _read(renderer.render(request_of(kind)))
    text = reader.pages[0].extract_text()
    assert reader.metadata is not None
    assert reader.metadata.title == kind.example["content"]["title_th"]
    assert cast("Any", reader.trailer["/Root"])["/Lang"] == "th"
    assert "๑๒/๒๕๖๙" in text
    assert "๓,๐๐๐.๐๐" in text
    assert dict(reader.attachments) == {"content.json": [request_of(kind).attachments[0].data]}


def test_same_request_same_bytes(renderer: TypstRenderer) -> None:
    """Rendering again, in another process or after a crash, gives the same bytes (P2, P8)."""
    request = request_of(_licence())
    first = renderer.render(request)
    other = request_of(_licence(), {**_licence().example["content"], "title_th": "อื่น"})
    assert renderer.render(other) != first
    assert renderer.render(request) == first
    assert TypstRenderer().render(request) == first


def test_content_is_never_code(renderer: TypstRenderer) -> None:
    """Text that looks like a command of the template language is printed as text (P6)."""
    content = {**_licence().example["content"], "premises": '#read("/x") *a* $b$ \\ @c'}
    request = request_of(_licence(), content)
    pdf = renderer.render(request)
    assert '#read("/x") *a* $b$' in _read(pdf).pages[0].extract_text()


def test_preview_is_marked(renderer: TypstRenderer) -> None:
    """A preview carries its mark over the page and in its title (api.md, dry_run)."""
    request = request_of(_licence(), watermark=PREVIEW_MARK, numbering=None)
    pdf = renderer.render(request)
    reader = _read(pdf)
    renderer.lint(pdf, request)
    assert "SPECIMEN" in reader.pages[0].extract_text()
    assert reader.metadata is not None
    assert PREVIEW_MARK in (reader.metadata.title or "")
    assert "SPECIMEN" not in _read(renderer.render(request_of(_licence()))).pages[0].extract_text()


# -- what fits ---------------------------------------------------------------


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_worst_content_fits(renderer: TypstRenderer, kind: DocumentType, fill: str) -> None:
    """Whatever the schema accepts can be printed, so a number is never wasted on content
    that overflows (P1, P4)."""
    content = most_of(kind.content_schema, fill, kind.example["content"])
    faults = CHECKER.faults(kind, content)
    assert {fault.code for fault in faults} <= {"not_plain"} | TOO_MUCH.get(kind.name, set())
    request = request_of(
        kind, content, urgency=Urgency.MOST_EXPRESS, classification=Classification.SECRET
    )
    assert renderer.lint(renderer.render(request), request).pages <= kind.max_pages


def test_every_letter_that_passes_has_a_glyph(renderer: TypstRenderer) -> None:
    """What the schemas let pass, the printed font can show: no box is ever sealed (item 5)."""
    accepted = re.compile(_licence().content_schema["$defs"]["text"]["pattern"])
    letters = [chr(code) for code in range(0x21, 0xFFFF) if accepted.fullmatch(chr(code))]
    marks = [f"ก{chr(code)}" for code in range(0xE00, 0xE80) if accepted.fullmatch(f"ก{chr(code)}")]
    statements = [" ".join((letters + marks)[start : start + 90]) for start in range(0, 450, 90)]
    assert len(letters) > 200
    kind = next(kind for kind in TYPES if kind.name == "e-certificate")
    request = request_of(kind, {**kind.example["content"], "statements": statements})
    shown = "".join(page.extract_text() for page in _read(renderer.render(request)).pages)
    assert {"ฃ", "๚", "€", "™"} <= set(shown)


# -- paper -------------------------------------------------------------------


def _card() -> DocumentType:
    return next(kind for kind in TYPES if kind.name == "e-card")


def test_card_is_of_credit_card_size(renderer: TypstRenderer) -> None:
    """A card is 85.6 by 54 mm, front and back (ISO/IEC 7810 ID-1, E4)."""
    pages = _read(renderer.render(request_of(_card()))).pages
    sizes = [tuple(round(float(edge) * 25.4 / 72, 1) for edge in p.mediabox[2:]) for p in pages]
    assert sizes == [(85.6, 54.0)] * 2


def test_paper_of_another_type_is_refused(renderer: TypstRenderer) -> None:
    """Lint holds a file to the paper of its own type, margins included (item 5)."""
    card = request_of(_card())
    pdf = renderer.render(card)
    with pytest.raises(LintError, match="not 210 x 297 mm"):
        renderer.lint(pdf, replace(card, paper=Paper()))
    with pytest.raises(LintError, match="page frame"):
        renderer.lint(pdf, replace(card, paper=replace(card.paper, left=8)))


def test_preview_function_keeps_the_paper(renderer: TypstRenderer) -> None:
    """A dry run of a card crosses to the preview function with all that rendering needs."""

    class Lambda:
        def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
            reply = answer(
                json.loads(Payload), renderer, TypstRegisterPrinter(), TypstCopyPrinter()
            )
            return {"Payload": BytesIO(json.dumps(reply).encode())}

    far = PreviewFunction(Lambda(), "preview")  # type: ignore[arg-type]  # what is used of it
    request = request_of(_card(), watermark=PREVIEW_MARK, numbering=None)
    assert far.render(request).pdf == renderer.render(request)


# -- what is refused ---------------------------------------------------------


@pytest.mark.parametrize("name", ["no-such-type", "../templates/licence", "_common", ""])
def test_only_packaged_types_render(renderer: TypstRenderer, name: str) -> None:
    """No request leads the renderer to a file outside its folders (P6)."""
    with pytest.raises(RenderError):
        renderer.render(replace(request_of(_licence()), document_type=name))


def test_other_version_is_not_guessed(renderer: TypstRenderer) -> None:
    """A document is printed by the version of the type its digest covers (P2); until that is
    installed it waits, because a deployment must not void what is in flight (P4)."""
    with pytest.raises(UnavailableError, match="Version 99"):
        renderer.render(replace(request_of(_licence()), type_version=99))


def test_error_does_not_quote_content(renderer: TypstRenderer) -> None:
    """A letter the font lacks ends the render without the text in the error (no personal
    data in logs)."""
    content = {**_licence().example["content"], "premises": "ลับเฉพาะ漢"}
    with pytest.raises(RenderError) as caught:
        renderer.render(request_of(_licence(), content))
    assert "漢" not in f"{caught.value!r} {caught.value.__cause__!r}"


def _renderer_with(tmp_path: Path, template: str) -> TypstRenderer:
    """A renderer whose licence template ends with `template`."""
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    file = tmp_path / "templates" / "licence" / "template.typ"
    file.write_text(file.read_text(encoding="utf-8") + template, encoding="utf-8")
    return TypstRenderer(tmp_path / "templates", FONTS)


@pytest.mark.parametrize(
    "template",
    ['#read("/../secret.txt")', '#read("../../secret.txt")', '#import "@preview/cetz:0.3.0"'],
)
def test_template_cannot_reach_out(tmp_path: Path, template: str) -> None:
    """A template reads nothing outside its folders and loads nothing from the network (P6)."""
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(RenderError):
        _renderer_with(tmp_path, template).render(request_of(_licence()))


@pytest.mark.parametrize(
    "template",
    [
        "#place(top, dx: 12cm, [ข้อความที่ยาวเกินขอบกระดาษด้านขวา])",
        "#place(top + left, dx: -2cm, [ซ้าย])",
        "#place(bottom, dy: 5cm, [ล่าง])",
        "#block[หนึ่งสอง#h(-12mm)สามสี่]",
    ],
    ids=["right", "left", "below", "overlap"],
)
def test_stray_text_is_seen(tmp_path: Path, template: str) -> None:
    """Text off the page frame or on other text is found in the file itself (item 5)."""
    with pytest.raises(RenderError, match="inside the page"):
        _renderer_with(tmp_path, template).render(request_of(_licence()))


def _encrypt(writer: pypdf.PdfWriter) -> None:
    writer.encrypt("", "owner")


def _add_script(writer: pypdf.PdfWriter) -> None:
    script = DictionaryObject(
        {
            NameObject("/S"): NameObject("/JavaScript"),
            NameObject("/JS"): TextStringObject("app.alert(1)"),
        }
    )
    writer.root_object[NameObject("/OpenAction")] = script


def _add_link(writer: pypdf.PdfWriter) -> None:
    writer.add_annotation(0, Link(rect=(0, 0, 9, 9), url="https://example.org"))


def _make_letter_size(writer: pypdf.PdfWriter) -> None:
    writer.pages[0].mediabox = RectangleObject((0, 0, 612, 792))


def _attach_more(writer: pypdf.PdfWriter) -> None:
    writer.add_attachment("more.txt", b"more")


def _drop_metadata(writer: pypdf.PdfWriter) -> None:
    del writer.root_object["/Metadata"]


def _drop_tags(writer: pypdf.PdfWriter) -> None:
    del writer.root_object["/StructTreeRoot"]


def _drop_font_file(writer: pypdf.PdfWriter) -> None:
    fonts = cast("Any", writer.pages[0]["/Resources"])["/Font"]
    font = fonts[next(iter(fonts))]["/DescendantFonts"][0].get_object()
    del font["/FontDescriptor"].get_object()["/FontFile2"]


def _drop_pages(writer: pypdf.PdfWriter) -> None:
    cast("Any", writer.root_object["/Pages"])[NameObject("/Kids")] = ArrayObject()


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (_encrypt, "encrypted"),
        (_add_script, "actions"),
        (_add_link, "annotations"),
        (_make_letter_size, "not 210 x 297 mm"),
        (_attach_more, "exactly 1 attachment"),
        (_drop_metadata, "PDF/A-3a"),
        (_drop_tags, "tagged"),
        (_drop_font_file, "not embedded"),
        (_drop_pages, "0 pages"),
    ],
)
def test_lint_refuses(
    renderer: TypstRenderer, damage: Callable[[pypdf.PdfWriter], None], rule: str
) -> None:
    """Each rule of lint stops the file that breaks it, before a seal is spent (P3)."""
    request = request_of(_licence())
    writer = pypdf.PdfWriter(clone_from=BytesIO(renderer.render(request)))
    damage(writer)
    with pytest.raises(LintError, match=rule):
        renderer.lint(_written(writer), request)


def test_lint_faults_come_from_the_damage(renderer: TypstRenderer) -> None:
    """Rewriting a good file without damage passes, so each refusal above has its cause (P3)."""
    request = request_of(_licence())
    writer = pypdf.PdfWriter(clone_from=BytesIO(renderer.render(request)))
    assert renderer.lint(_written(writer), request).pages == 1


@pytest.mark.parametrize("keep", [0, 4, 2_000, 20_000])
def test_lint_refuses_half_a_file(renderer: TypstRenderer, keep: int) -> None:
    """A file cut short is refused with the house's own error (P3)."""
    request = request_of(_licence())
    with pytest.raises(LintError):
        renderer.lint(renderer.render(request)[:keep], request)


def test_lint_wants_the_attachment_asked_for(renderer: TypstRenderer) -> None:
    """A file with another document's data is not sealed (P2)."""
    request = request_of(_licence())
    pdf = renderer.render(request)
    other = replace(request.attachments[0], data=b"{}")
    with pytest.raises(LintError, match="not what was asked for"):
        renderer.lint(pdf, replace(request, attachments=(other,)))


def test_lint_counts_pages(renderer: TypstRenderer) -> None:
    """A file longer than its type allows is not sealed (P4)."""
    content = most_of(_licence().content_schema, "กรุงเทพ ", {})
    request = replace(request_of(_licence(), content), max_pages=2)
    with pytest.raises(LintError, match="allowed are 1 to 2"):
        renderer.lint(renderer.render(request), request)


def test_lint_refuses_other_pdf_kinds(renderer: TypstRenderer) -> None:
    """A PDF that is not PDF/A-3a and lacks the data is refused with all its faults (P3)."""
    pdf = typst.Compiler(
        b'#set page(paper: "us-letter");x',
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[str(FONTS)]),
    ).compile(format="pdf")
    assert isinstance(pdf, bytes)
    with pytest.raises(LintError, match=r"not 210 x 297 mm.*PDF/A-3a.*exactly 1 attachment"):
        renderer.lint(pdf, request_of(_licence()))
