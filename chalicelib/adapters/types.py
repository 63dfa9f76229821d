"""Document types (port DocumentTypes): as packaged, one folder of `chalicelib/templates` each,
and as published, bundles in the store of types.

A folder holds `type.json` (name and rules, `paper` and `seal` among them), `schema.json` (JSON Schema 2020-12 of
`content`), `example.json` (the body of a POST /v1/documents) and `template.typ`.
Nothing heavy is imported: the API lists types without the renderer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.directory import AttachmentKind, DocumentType, Paper
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.published_types import TYPE_NAME, TypeBundle, TypeRecord
from chalicelib.domain.seals import SealAppearance, SealLevel, SealPolicy
from chalicelib.ports import DocumentTypes, TypeStore

TEMPLATES = Path(__file__).parent.parent / "templates"

_AT_ONCE = 10  # as many connections as botocore keeps


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


class PublishedDocumentTypes:
    """Every version that was ever published, and the packaged types.

    Which versions there are is asked again after `fresh_seconds` (a type published now can be
    issued within this time in every container), and at once for a name never
    heard of; what is in a version never, for it cannot change. Those that are packaged are
    not even asked for.
    """

    def __init__(
        self,
        packaged: DocumentTypes,
        store: TypeStore,
        *,
        fresh_seconds: float = 30,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fresh_seconds = fresh_seconds
        self._packaged = packaged
        self._store = store
        self._monotonic = monotonic
        self._kept: dict[tuple[str, int], DocumentType] = {}
        self._records: tuple[float, dict[str, TypeRecord]] | None = None

    def get(self, name: str, version: int | None = None) -> DocumentType | None:
        """Raises UnavailableError, BundleDamagedError."""
        if not TYPE_NAME.fullmatch(name):
            return None
        if version is None:
            return self._newest(name)
        packaged = self._packaged.get(name, version)
        return packaged if packaged is not None else self._published(name, version)

    def all(self) -> tuple[DocumentType, ...]:
        """The newest version of each that is not withdrawn, by name. Raises as `get`."""
        names = {kind.name for kind in self._packaged.all()} | set(self._fresh_records())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(self._newest, sorted(names))
        return tuple(kind for kind in found if kind is not None)

    def bundle(self, name: str, version: int) -> TypeBundle | None:
        """What pages of this version are made of; None if it was never published."""
        digest = self._digest(name, version)
        return None if digest is None else self._store.bundle(name, digest)

    def _newest(self, name: str) -> DocumentType | None:
        packaged = self._packaged.get(name)
        record = self._fresh_records().get(name)
        if record is None and packaged is None:
            record = self._store.record(name)  # published since, perhaps
        if record is None or (packaged and packaged.version > record.newest.version):
            return packaged
        if record.withdrawn_at is not None:
            return None
        return self.get(name, record.newest.version)

    def _published(self, name: str, version: int) -> DocumentType | None:
        kept = self._kept.get((name, version))
        if kept is None:
            bundle = self.bundle(name, version)
            if bundle is None:
                return None
            kept = self._kept[name, version] = document_type_of(bundle)
        return kept

    def _digest(self, name: str, version: int) -> str | None:
        """By what is remembered, which only grows; and if it is not there, by what is there now."""
        remembered = self._records[1].get(name) if self._records else None
        published = remembered and remembered.version(version)
        if published is None and (record := self._store.record(name)) is not None:
            published = record.version(version)
        return published.digest if published else None

    def _fresh_records(self) -> dict[str, TypeRecord]:
        now = self._monotonic()
        if self._records is None or now - self._records[0] >= self._fresh_seconds:
            self._records = (now, {record.name: record for record in self._store.records()})
        return self._records[1]


def document_type_of(bundle: TypeBundle) -> DocumentType:
    """Raises ConfigurationError if the bundle is incomplete."""
    return _type_of(bundle.name, lambda name: json.loads(bundle.files[name]))


def _read_type(folder: Path) -> DocumentType:
    return _type_of(folder.name, lambda name: _read_json(folder / name))


def _type_of(name: str, read: Callable[[str], Any]) -> DocumentType:
    try:
        rules = read("type.json")
        kind = DocumentType(
            name=name,
            seal=_seal_policy(rules.pop("seal", {})),
            paper=Paper(**rules.pop("paper", {})),
            requires=tuple(rules.pop("requires", ())),
            business_key=tuple(rules.pop("business_key", ())),
            issuers=tuple(rules.pop("issuers", ())),
            approval=ApprovalPolicy(**rules.pop("approval", {})),
            attachment=AttachmentKind(rules.pop("attachment", AttachmentKind.CONTENT)),
            content_schema=read("schema.json"),
            example=read("example.json"),
            **rules,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"Document type {name!r} cannot be read.", f"อ่านประเภทเอกสาร {name!r} ไม่ได้"
        ) from error
    if kind.seal.appearance is not None and not _lies_on(kind.paper, kind.seal.appearance):
        raise ConfigurationError(
            f"The seal of document type {name!r} is not on the paper.",
            f"ตราประทับของประเภทเอกสาร {name!r} อยู่นอกกระดาษ",
        )
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
