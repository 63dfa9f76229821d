"""Every page of every type's example looks as it did when somebody last looked at it.

`TRA_LOOKED=1 .venv/bin/pytest tests/integration/test_golden.py` keeps what is rendered now as
the new pictures: look at each of them before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.directory import DocumentType
from infra import pictures
from tests.support.rendering import request_of

TYPES = PackagedDocumentTypes().all()
GOLDEN = Path(__file__).parents[1] / "golden"
RESOLUTION = {"e-card": 90}  # dots per inch; a card is small
TILE = 8  # pixels
# Other releases of poppler smooth edges otherwise: a tile may differ a little, none much.
MOST_IN_A_TILE = 40.0  # grey levels of 255, mean over the tile
MOST_IN_ALL = 1.5

pytestmark = pytest.mark.skipif(
    not pictures.can_draw(), reason="pdftoppm (poppler-utils) is not installed"
)


def _drawn(kind: DocumentType, folder: Path, title: str | None = None) -> list[pictures.Picture]:
    content = dict(kind.example["content"])
    if title is not None and kind.subject_at is not None:
        content[kind.subject_at.removeprefix("/")] = title
    file = folder / f"{kind.name}.pdf"
    file.write_bytes(TypstRenderer().render(request_of(kind, content)))
    return pictures.pages(file, resolution=RESOLUTION.get(kind.name, 40), grey=True)


def _golden(kind: DocumentType) -> list[pictures.Picture]:
    files = sorted(GOLDEN.glob(f"{kind.name}-[0-9].png"))
    return [pictures.from_png(file.read_bytes()) for file in files]


def _tiles(one: pictures.Picture, other: pictures.Picture) -> list[float]:
    """Mean difference of each tile of two pictures of the same size."""
    differences = bytes(abs(a - b) for a, b in zip(one.pixels, other.pixels, strict=True))
    width = one.width
    rows = [differences[at : at + width] for at in range(0, len(differences), width)]
    found = []
    for top in range(0, one.height, TILE):
        for left in range(0, width, TILE):
            parts = [row[left : left + TILE] for row in rows[top : top + TILE]]
            found.append(sum(map(sum, parts)) / sum(map(len, parts)))
    return found


def _same(one: pictures.Picture, other: pictures.Picture) -> bool:
    if (one.width, one.height) != (other.width, other.height):
        return False
    tiles = _tiles(one, other)
    return max(tiles) <= MOST_IN_A_TILE and sum(tiles) / len(tiles) <= MOST_IN_ALL


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_looks_as_it_did(kind: DocumentType, tmp_path: Path) -> None:
    """A change of a template, of the house style or of the renderer is seen before it is
    issued under a seal (item 5)."""
    drawn = _drawn(kind, tmp_path)
    if os.environ.get("TRA_LOOKED"):
        for place, picture in enumerate(drawn, start=1):
            (GOLDEN / f"{kind.name}-{place}.png").write_bytes(pictures.to_png(picture))
    golden = _golden(kind)
    assert len(drawn) == len(golden)
    assert all(_same(one, other) for one, other in zip(drawn, golden, strict=True))


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_another_look_is_noticed(kind: DocumentType, tmp_path: Path) -> None:
    """The comparison sees another title, so it would see a lost one (item 5)."""
    drawn, golden = _drawn(kind, tmp_path, "อื่น"), _golden(kind)
    assert not all(_same(one, other) for one, other in zip(drawn, golden, strict=True))
