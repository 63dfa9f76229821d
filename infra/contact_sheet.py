"""Pages of many documents on one picture, to be looked at.

    python -m infra.contact_sheet build/demo/contact-sheet.png build/demo/*.pdf

Pages are drawn by pdftoppm (poppler-utils), so visible seals show as a reader sees them;
typst lays them out with their captions.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import typst

from chalicelib.adapters.typst import FONTS
from infra import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS = 4
_WIDTH = 420  # pixels of a page
_THUMBNAILS = 4  # pages after the first that are shown, two in a row and half as wide
_PPI = 72  # one pixel a point, so that pages are shown as they were drawn
_LAYOUT = """
#let sheet = json(bytes(sys.inputs.sheet))
#let gap = 12pt
#set page(width: auto, height: auto, margin: 24pt, fill: luma(225))
#set text(font: "Sarabun", size: 15pt, lang: "th")
#set par(leading: 0.45em)
#let pictures(files, width) = grid(
  columns: calc.max(1, calc.floor(sheet.width * 1pt / width)),
  gutter: gap,
  ..files.map(file => image(file, width: width))
)
#grid(
  columns: sheet.columns,
  column-gutter: 28pt,
  row-gutter: 32pt,
  align: left + top,
  ..sheet.shown.map(one => block(width: sheet.width * 1pt, breakable: false, {
    block(below: gap, {
      text(size: 20pt, weight: "bold", one.title)
      for line in one.below [ \\ #text(fill: luma(70), line)]
    })
    pictures(one.large, sheet.width * 1pt)
    if one.small.len() > 0 {
      v(gap, weak: true)
      pictures(one.small, (sheet.width * 1pt - gap) / 2)
    }
  }))
)
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A PDF, and what stands above its pages: a title, and smaller lines below it."""

    pdf: Path
    title: str
    below: tuple[str, ...] = ()


def contact_sheet(shown: Sequence[Shown], target: Path) -> None:
    """Write `target`, a PNG: of each PDF the first page, the second too if it is a card, and
    some more of a long one, smaller. Raises CalledProcessError if a file is no PDF,
    FileNotFoundError without pdftoppm (`pictures.can_draw`)."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        cells = [_drawn(one, place, Path(folder)) for place, one in enumerate(shown)]
        layout = Path(folder) / "sheet.typ"
        layout.write_text(_LAYOUT, encoding="utf-8")
        sheet = {"columns": _columns(len(cells)), "width": _WIDTH, "shown": cells}
        typst.Compiler(str(layout), root=folder, font_paths=[str(FONTS)]).compile(
            output=str(target),
            format="png",
            ppi=_PPI,
            sys_inputs={"sheet": json.dumps(sheet)},
        )


def _columns(count: int) -> int:
    """As many rows as are needed, and all about as full: seven stand as four and three."""
    rows = max(1, ceil(count / _COLUMNS))
    return max(1, ceil(count / rows))


def _drawn(one: Shown, place: int, folder: Path) -> dict[str, object]:
    pages = pictures.pages_of_width(one.pdf, _WIDTH)
    large = 2 if _is_card(pages) else 1
    small = pages[large : large + _THUMBNAILS]
    files = []
    for page, picture in enumerate([*pages[:large], *small]):
        file = folder / f"{place}-{page}.png"
        file.write_bytes(pictures.to_png(picture))
        files.append(file.name)
    return {
        "title": one.title,
        "below": [*one.below, *_of_many(len(pages), len(files))],
        "large": files[:large],
        "small": files[large:],
    }


def _is_card(pages: Sequence[pictures.Picture]) -> bool:
    """Two pages wider than high are the sides of one thing, and as important."""
    return len(pages) == len("AB") and all(page.width > page.height for page in pages)


def _of_many(pages: int, shown: int) -> list[str]:
    """That there is more than the picture shows is said."""
    if pages == shown:
        return []
    return [f"{shown} จาก {pages} หน้า · {shown} of {pages} pages"]


def main() -> int:
    target, *files = map(Path, sys.argv[1:])
    contact_sheet([Shown(file, file.stem) for file in files], target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
