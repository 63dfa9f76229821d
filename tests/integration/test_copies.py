"""Copies of received letters as the `preview` function makes them."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdf
import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.adapters.typst_copy import TypstCopyPrinter
from chalicelib.domain.errors import RenderError
from chalicelib.ports import StampSheet
from tests.support.previews import near_preview
from tests.support.rendering import request_of

SHEET = StampSheet(
    agency="กรมพัฒนาธุรกิจการค้า",
    lines=("เลขที่รับ พณ ร/ ๒๕๖๙/ ๑", "วันที่ ๒๑ พฤศจิกายน ๒๕๖๙", "เวลา ๑๒.๐๐ น.", "ผู้รับ ตัวอย่าง 李"),
    printed_at="๒๑ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐ น.",
    created_at=1_795_000_000,
)


def _rendered(name: str) -> bytes:
    kind = PackagedDocumentTypes().get(name)
    assert kind is not None
    return TypstRenderer().render(request_of(kind))


@pytest.mark.parametrize("name", ["official-letter", "e-card"])
def test_pages_keep_their_size(name: str) -> None:
    """Issue 6.3: whatever the paper, a copy has the pages of the file; what is added behind the
    rendered file (the seal) adds none, and what it has attached is left out."""
    rendered = _rendered(name)
    copied = TypstCopyPrinter().print_copy(rendered + b"\n% a seal\n%%EOF\n", SHEET)
    was, now = (pypdf.PdfReader(BytesIO(pdf)) for pdf in (rendered, copied))
    sizes = [
        [round(float(side)) for page in pdf.pages for side in page.mediabox] for pdf in (was, now)
    ]
    assert sizes[0] == sizes[1]
    assert was.attachments
    assert not now.attachments


def test_the_function_copies_what_the_api_asks_for() -> None:
    """Issue 6.3: file and stamp cross to the function that has a renderer, and the copy comes
    back; the same each time. A letter the font lacks does not stop it."""
    rendered = _rendered("official-letter")
    copied = near_preview().print_copy(rendered, SHEET)
    assert copied == TypstCopyPrinter().print_copy(rendered, SHEET)
    assert copied.startswith(b"%PDF-")


@pytest.mark.parametrize("broken", [b"", b"%PDF-1.7\n%%EOF", b"no file at all"])
def test_what_is_no_letter_is_refused(broken: bytes) -> None:
    """A damaged file is told in words and quotes nothing."""
    with pytest.raises(RenderError) as raised:
        near_preview().print_copy(broken, SHEET)
    assert "copied" in raised.value.detail


def test_a_copy_never_lies_on_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Issue 7, 6: the clear file of a classified letter is in memory while it is copied, and
    nowhere else: all that lies in the temporary folder is a template and a link to nothing."""
    seen: dict[str, bool] = {}
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rendered = _rendered("official-letter")
    compiled = TypstCopyPrinter._compiled

    def looking(self: TypstCopyPrinter, root: Path, *rest: Any) -> bytes:
        for file in tmp_path.rglob("*"):
            if file.is_file() and not file.is_symlink():
                seen[file.name] = rendered[:2_000] in file.read_bytes()
        return compiled(self, root, *rest)

    monkeypatch.setattr(TypstCopyPrinter, "_compiled", looking)
    assert TypstCopyPrinter().print_copy(rendered, SHEET).startswith(b"%PDF-")
    assert seen == {"copy.typ": False}
    assert not list(tmp_path.iterdir())
