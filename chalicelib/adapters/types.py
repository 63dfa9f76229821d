"""Document types as packaged: one folder of `chalicelib/templates` each (port DocumentTypes).

A folder holds `type.json` (name and rules, `paper` and `seal` among them), `schema.json` (JSON Schema 2020-12 of
`content`), `example.json` (the body of a POST /v1/documents) and `template.typ`.
Nothing heavy is imported: the API lists types without the renderer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from chalicelib.domain.directory import AttachmentKind, DocumentType, Paper
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.seals import SealAppearance, SealLevel, SealPolicy

TEMPLATES = Path(__file__).parent.parent / "templates"


class PackagedDocumentTypes:
    """Types in `folder`, read once, at first use.

    Raises ConfigurationError at that use if a folder is incomplete, or a type's visible seal
    would be printed beside its paper.
    """

    def __init__(self, folder: Path = TEMPLATES) -> None:
        self._folder = folder

    def get(self, name: str, version: int | None = None) -> DocumentType | None:
        """Of the packaged types only the newest version is known."""
        kind = self._by_name.get(name)
        return kind if kind is not None and version in {None, kind.version} else None

    def all(self) -> tuple[DocumentType, ...]:
        """All types, by name."""
        return tuple(self._by_name.values())

    @cached_property
    def _by_name(self) -> dict[str, DocumentType]:
        folders = sorted(path.parent for path in self._folder.glob("*/type.json"))
        return {folder.name: _read_type(folder) for folder in folders}


def _read_type(folder: Path) -> DocumentType:
    try:
        rules = _read_json(folder / "type.json")
        kind = DocumentType(
            name=folder.name,
            seal=_seal_policy(rules.pop("seal", {})),
            paper=Paper(**rules.pop("paper", {})),
            requires=tuple(rules.pop("requires", ())),
            business_key=tuple(rules.pop("business_key", ())),
            issuers=tuple(rules.pop("issuers", ())),
            attachment=AttachmentKind(rules.pop("attachment", AttachmentKind.CONTENT)),
            content_schema=_read_json(folder / "schema.json"),
            example=_read_json(folder / "example.json"),
            **rules,
        )
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"Document type {folder.name!r} cannot be read.") from error
    if kind.seal.appearance is not None and not _lies_on(kind.paper, kind.seal.appearance):
        raise ConfigurationError(f"The seal of document type {folder.name!r} is not on the paper.")
    return kind


def _lies_on(paper: Paper, place: SealAppearance) -> bool:
    """Whether the whole of a visible seal would be printed."""
    return (
        min(place.left_mm, place.bottom_mm) >= 0
        and min(place.width_mm, place.height_mm) > 0
        and place.left_mm + place.width_mm <= paper.width
        and place.bottom_mm + place.height_mm <= paper.height
    )


def _seal_policy(rules: Mapping[str, Any]) -> SealPolicy:
    """`rules` may name a `level`, an `appearance` and `least_days_left`; what it does not
    name is as `SealPolicy` has it. Raises ValueError, TypeError."""
    given = dict(rules)
    if "level" in given:
        given["level"] = SealLevel(given["level"])
    if given.get("appearance") is not None:
        given["appearance"] = SealAppearance(**given["appearance"])
    return SealPolicy(**given)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
