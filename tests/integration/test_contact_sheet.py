"""Many documents on one picture."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from infra import pictures
from infra.contact_sheet import Shown, contact_sheet
from tests.support.rendering import request_of


@pytest.mark.skipif(not pictures.can_draw(), reason="pdftoppm (poppler-utils) is not installed")
def test_sheet_shows_every_type(tmp_path: Path) -> None:
    """First pages of all types, and both sides of a card, are on one picture (issue 5)."""
    shown = []
    for kind in PackagedDocumentTypes().all():
        file = tmp_path / f"{kind.name}.pdf"
        file.write_bytes(TypstRenderer().render(request_of(kind)))
        shown.append(Shown(file, kind.title_th, pages=2))
    contact_sheet(shown, tmp_path / "sheet.png")
    data = (tmp_path / "sheet.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 4 * 420
    assert height > 2 * 594
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".png"}  # nothing is left


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
