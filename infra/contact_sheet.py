"""First pages of many documents on one picture, to be looked at.

    python -m infra.contact_sheet build/demo/contact-sheet.png build/demo/*.pdf

Pages are drawn by pdftoppm (poppler-utils), so visible seals show as a reader sees them;
typst lays them out with their captions.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typst

from chalicelib.adapters.typst import FONTS
from infra import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS = 4
_WIDTH = 420  # pixels of a page
_PPI = 72  # one pixel a point, so that pages are shown as they were drawn
_LAYOUT = """
#let sheet = json(bytes(sys.inputs.sheet))
#set page(width: auto, height: auto, margin: 20pt, fill: luma(225))
#set text(font: "Sarabun", size: 16pt, lang: "th")
#grid(
  columns: sheet.columns,
  gutter: 20pt,
  align: center + top,
  ..sheet.shown.map(one => {
    for file in one.files {
      block(below: 8pt, image(file, width: sheet.width * 1pt))
    }
    block(width: sheet.width * 1pt, one.caption)
  })
)
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A PDF, what to write below it, and how many of its pages to show."""

    pdf: Path
    caption: str
    pages: int = 1


def contact_sheet(shown: Sequence[Shown], target: Path) -> None:
    """Write `target`, a PNG. Raises CalledProcessError if a file is no PDF, FileNotFoundError
    without pdftoppm (`pictures.can_draw`)."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        cells = [_drawn(one, place, Path(folder)) for place, one in enumerate(shown)]
        layout = Path(folder) / "sheet.typ"
        layout.write_text(_LAYOUT, encoding="utf-8")
        sheet = {"columns": min(_COLUMNS, len(cells)), "width": _WIDTH, "shown": cells}
        typst.Compiler(str(layout), root=folder, font_paths=[str(FONTS)]).compile(
            output=str(target),
            format="png",
            ppi=_PPI,
            sys_inputs={"sheet": json.dumps(sheet)},
        )


def _drawn(one: Shown, place: int, folder: Path) -> dict[str, object]:
    files = []
    for page, picture in enumerate(pictures.pages_of_width(one.pdf, _WIDTH)[: one.pages]):
        file = folder / f"{place}-{page}.png"
        file.write_bytes(pictures.to_png(picture))
        files.append(file.name)
    return {"files": files, "caption": one.caption}


def main() -> int:
    target, *files = map(Path, sys.argv[1:])
    contact_sheet([Shown(file, file.stem, pages=2) for file in files], target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
