"""Many documents on one picture."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from infra import pictures
from infra.contact_sheet import Shown, contact_sheet
from tests.support.rendering import request_of

WIDTH = 420  # pixels of a page
A4_HEIGHT = 594


needs_pictures = pytest.mark.skipif(
    not pictures.can_draw(), reason="pdftoppm (poppler-utils) is not installed"
)


def _size(png: Path) -> tuple[int, int]:
    """Width and height in pixels."""
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _drawn(tmp_path: Path, *shown: Shown) -> tuple[int, int]:
    contact_sheet(shown, tmp_path / "sheet.png")
    return _size(tmp_path / "sheet.png")


def _pdf(tmp_path: Path, name: str, content: dict[str, Any] | None = None) -> Path:
    kind = PackagedDocumentTypes().get(name)
    assert kind is not None
    file = tmp_path / f"{name}{'-long' if content else ''}.pdf"
    file.write_bytes(TypstRenderer().render(request_of(kind, content)))
    return file


@needs_pictures
def test_sheet_shows_every_type(tmp_path: Path) -> None:
    """All types are on one picture, in rows about as full (issue 5)."""
    shown = [
        Shown(_pdf(tmp_path, kind.name), kind.title_th, (kind.title_en,))
        for kind in PackagedDocumentTypes().all()
    ]
    width, height = _drawn(tmp_path, *shown)
    assert width > 3 * WIDTH
    assert height > 2 * A4_HEIGHT
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".png"}  # nothing is left


@needs_pictures
def test_sheet_grows_with_its_documents(tmp_path: Path) -> None:
    """One document or nine: no column is empty in every row, and nothing is left out."""
    one = Shown(_pdf(tmp_path, "licence"), "ใบอนุญาต")
    widths = [_drawn(tmp_path, *[one] * count)[0] // WIDTH for count in (1, 4, 5, 7, 8, 9)]
    assert widths == [1, 4, 3, 4, 4, 3]


@needs_pictures
def test_sheet_shows_both_sides_and_more_pages(tmp_path: Path) -> None:
    """Both sides of a card are as large; of a long letter some pages follow, smaller."""
    kind = PackagedDocumentTypes().get("official-letter")
    assert kind is not None
    content = kind.example["content"]
    long = {**content, "paragraphs": content["paragraphs"] * 12}
    letter = _drawn(tmp_path, Shown(_pdf(tmp_path, "official-letter"), "letter"))
    longer = _drawn(tmp_path, Shown(_pdf(tmp_path, "official-letter", long), "letter"))
    assert letter[0] == longer[0]
    assert longer[1] - letter[1] > A4_HEIGHT // 2
    card = _drawn(tmp_path, Shown(_pdf(tmp_path, "e-card"), "card"))
    assert card[1] > 2 * WIDTH * 54 / 85.6


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.data())
def test_pictures_are_kept_exactly(
    width: int, height: int, channels: int, data: st.DataObject
) -> None:
    """A golden picture reads back as it was written."""
    size = width * height * channels
    pixels = data.draw(st.binary(min_size=size, max_size=size))
    picture = pictures.Picture(width, height, channels, pixels)
    assert pictures.from_png(pictures.to_png(picture)) == picture


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_other_files_are_no_golden_pictures(data: bytes) -> None:
    """A file that was not written here is refused, not misread."""
    with pytest.raises(ValueError, match="not written here"):
        pictures.from_png(data)
