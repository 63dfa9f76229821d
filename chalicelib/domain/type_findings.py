"""What the template kit finds in a type before it is published, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import RenderError
from chalicelib.domain.published_types import SHARED

# How typst points at a place: the path, the line, the column.
_PLACE = re.compile(r"┌─ (\S+?):(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class TemplateNote:
    """An error or a warning of typst. It quotes the template, and may quote content: for
    people at their own machine, never for a log."""

    message: str
    diagnostic: str
    hints: tuple[str, ...] = ()

    def place(self, files: Iterable[str]) -> str:
        """`file:line:column` of the first place in `files` that it points at; one in the house
        style counts only if the type's own files have none."""
        found = [
            (file.startswith(SHARED), f"{file}:{line}:{column}")
            for path, line, column in _PLACE.findall(self.diagnostic)
            for file in files
            if path.endswith(f"/{file}")
        ]
        return min(found, key=lambda place: place[0])[1] if found else "template.typ"


class TemplateFaultError(RenderError):
    """typst cannot make pages of this; `notes` say where, for those who may know."""

    def __init__(self, notes: Sequence[TemplateNote]) -> None:
        super().__init__("The template cannot make a page of this content.")
        self.notes = tuple(notes)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend in a type. `place` is a file, `file:line:column`, or a file and a JSON
    Pointer in it (`schema.json#/properties/name`); `code` is stable; the texts say what to do."""

    code: str
    place: str
    detail: str
    detail_th: str


@dataclass(frozen=True, slots=True)
class Faint:
    """A piece of text that is hard to read: where it begins, in points from the lower left
    corner of page `page` (from 1), its colours as #rrggbb, and both contrast ratios (WCAG)."""

    page: int
    left: float
    baseline: float
    text: str
    behind: str
    ratio: float
    least: float
