"""Published document types: a bundle of files under a name and a version, for ever the same.

A bundle holds everything its pages are made of: the type's own folder and a copy of the
house style it imports. Its digest names it, so that other files can never take its place;
the record of a type says which digest each version has, and only ever grows.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.errors import TraError
from chalicelib.domain.registers import ACCESS_BOOK

TYPE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
SHARED = "_common/"
"""Where the house style lies in a bundle; everything else is the type's own."""

LARGEST_BUNDLE = 2 * 1024 * 1024
"""Bytes of all files of a type together: texts and drawings; no albums."""
MOST_FILES = 40
_FILE_NAME = re.compile(r"(?:_common/)?[a-z0-9][a-z0-9_-]{0,60}\.(?:typ|json|svg)")
_FORMAT = "tra.document-type.v1"


class TypeRefusedError(TraError):
    """This cannot be published; the text says what to change. Nothing was."""

    code = "type_refused"


class BundleDamagedError(TraError):
    """What lies in the store is not what was published under that digest."""

    code = "bundle_damaged"


@dataclass(frozen=True, kw_only=True)
class TypeBundle:
    """`files`: path → bytes, `type.json`, `schema.json`, `example.json`, `template.typ` and
    whatever else the template uses; under `_common/` the house style. `made_with` says which
    typst and fonts were there when it was made: it is not part of what is published, and so
    not of the digest, for the same files stay the same type.

    Raises TypeRefusedError for a name, a number or a size that no type may have.
    """

    name: str
    version: int
    files: Mapping[str, bytes] = field(repr=False)
    made_with: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not TYPE_NAME.fullmatch(self.name):
            raise bad_name()
        for path, data in self.files.items():
            if not _FILE_NAME.fullmatch(path) or not _is_text(data):
                raise TypeRefusedError(
                    f"{path!r} cannot be part of a type: .typ, .json and .svg in UTF-8, named with "
                    "small letters, digits, - and _. A photograph goes into an .svg: "
                    "`tra types picture`.",
                    f"ไฟล์ {path!r} ใช้ในประเภทเอกสารไม่ได้: ใช้ได้เฉพาะ .typ .json .svg ที่เป็น UTF-8 "
                    "ชื่อไฟล์ใช้อักษร a-z ตัวเล็ก ตัวเลข - และ _ ภาพถ่ายให้แปลงเป็น .svg ด้วย `tra types picture`",
                )
        size = sum(map(len, self.files.values()))
        if len(self.files) > MOST_FILES or size > LARGEST_BUNDLE:
            raise TypeRefusedError(
                f"A type has at most {MOST_FILES} files and {LARGEST_BUNDLE // 2**20} MiB in all; "
                f"this one has {len(self.files)} and {size / 2**20:.1f} MiB.",
                f"ประเภทเอกสารมีได้ไม่เกิน {MOST_FILES} ไฟล์ รวมไม่เกิน {LARGEST_BUNDLE // 2**20} MiB "
                f"ขณะนี้มี {len(self.files)} ไฟล์ {size / 2**20:.1f} MiB",
            )

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of name, version and the digest of each file."""
        files = {path: hashlib.sha256(data).hexdigest() for path, data in self.files.items()}
        told = {"name": self.name, "version": self.version, "files": files}
        return hashlib.sha256(canonical_json(told)).hexdigest()

    def to_bytes(self) -> bytes:
        """JSON; same bundle, same bytes."""
        return canonical_json(
            {
                "format": _FORMAT,
                "name": self.name,
                "version": self.version,
                "made_with": dict(self.made_with),
                "files": {path: b64encode(data).decode() for path, data in self.files.items()},
            }
        )

    @classmethod
    def from_bytes(cls, stored: bytes, digest: str) -> TypeBundle:
        """Raises BundleDamagedError unless it is the bundle of that digest."""
        try:
            told = json.loads(stored)
            found = cls(
                name=told["name"],
                version=told["version"],
                files={path: b64decode(data) for path, data in told["files"].items()},
                made_with=told["made_with"],
            )
        except (ValueError, KeyError, TypeError, TypeRefusedError) as error:
            raise BundleDamagedError("A published document type cannot be read.") from error
        if found.digest != digest:
            raise BundleDamagedError("A published document type is not what was published.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """One version, who published it and when."""

    version: int
    digest: str
    published_at: datetime
    published_by: str
    made_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRecord:
    """All versions of a type, 1, 2, 3 …, from the first that was published here. The book is
    that of all of them: a register does not change its name.

    A withdrawn type takes no new document; what was accepted ends as it began.
    """

    format: ClassVar[str] = "tra.document-type-record.v1"

    name: str
    book: str
    versions: tuple[PublishedVersion, ...]
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None

    @property
    def newest(self) -> PublishedVersion:
        return self.versions[-1]

    def version(self, number: int) -> PublishedVersion | None:
        return next((one for one in self.versions if one.version == number), None)

    def to_json(self) -> dict[str, Any]:
        told = asdict(self)
        for one in told["versions"]:
            one["published_at"] = one["published_at"].isoformat()
        told["withdrawn_at"] = self.withdrawn_at.isoformat() if self.withdrawn_at else None
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> TypeRecord:
        withdrawn = told["withdrawn_at"]
        return cls(
            name=told["name"],
            book=told["book"],
            versions=tuple(
                PublishedVersion(
                    **{**one, "published_at": datetime.fromisoformat(one["published_at"])}
                )
                for one in told["versions"]
            ),
            withdrawn_at=datetime.fromisoformat(withdrawn) if withdrawn else None,
            withdrawn_by=told["withdrawn_by"],
        )


def with_version(
    record: TypeRecord | None,
    bundle: TypeBundle,
    book: str,
    others: Sequence[TypeRecord],
    *,
    at: datetime,
    by: str,
) -> TypeRecord:
    """The record after publishing `bundle`; the record itself if it holds it already.

    Raises TypeRefusedError: other files under a version that is published, a version that
    does not follow the newest, another book than before, or the book of another type or of the
    access log.
    """
    if record is None:
        _demand_free(book, bundle.name, others)
        published = _published(bundle, at, by)
        return TypeRecord(name=bundle.name, book=book, versions=(published,))
    there = record.version(bundle.version)
    if there is not None and there.digest == bundle.digest:
        return record
    following = record.newest.version + 1
    if bundle.version != following:
        what = "is published with other files" if there else "does not follow the newest"
        what_th = "เผยแพร่แล้วและมีไฟล์ต่างกัน" if there else "ไม่ต่อจากรุ่นล่าสุด"
        raise TypeRefusedError(
            f"Version {bundle.version} of {bundle.name} {what}; raise `version` in type.json to {following}.",
            f"รุ่น {bundle.version} ของ {bundle.name} {what_th} โปรดแก้ `version` ใน type.json เป็น {following}",
        )
    if book != record.book:
        raise TypeRefusedError(
            f"The book of {bundle.name} is {record.book!r} and stays so: its register goes on.",
            f"สมุดทะเบียนของ {bundle.name} คือ {record.book!r} และเปลี่ยนไม่ได้ เพราะทะเบียนต้องต่อเนื่อง",
        )
    versions = (*record.versions, _published(bundle, at, by))
    return replace(record, versions=versions, withdrawn_at=None, withdrawn_by=None)


def withdrawn(record: TypeRecord, *, at: datetime, by: str) -> TypeRecord:
    """The record after withdrawing; the first withdrawal stands."""
    if record.withdrawn_at is not None:
        return record
    return replace(record, withdrawn_at=at, withdrawn_by=by)


def bad_name() -> TypeRefusedError:
    return TypeRefusedError(
        "A type's name has small letters, digits and hyphens, and begins with a letter.",
        "ชื่อประเภทเอกสารใช้อักษร a-z ตัวเล็ก ตัวเลข และขีด (-) และต้องขึ้นต้นด้วยตัวอักษร",
    )


def _is_text(data: bytes) -> bool:
    """typst takes nothing else from memory."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _demand_free(book: str, name: str, others: Sequence[TypeRecord]) -> None:
    if book == ACCESS_BOOK:
        raise TypeRefusedError(
            f"The book {book!r} is that of the access log; give {name} a `book` of its own.",
            f"สมุดทะเบียน {book!r} เป็นของบันทึกการเข้าถึง โปรดกำหนด `book` ของ {name} แยกต่างหาก",
        )
    holder = next((o.name for o in others if o.book == book and o.name != name), None)
    if holder is not None:
        raise TypeRefusedError(
            f"The book {book!r} is that of {holder}; give {name} a `book` of its own.",
            f"สมุดทะเบียน {book!r} เป็นของ {holder} โปรดกำหนด `book` ของ {name} แยกต่างหาก",
        )


def _published(bundle: TypeBundle, at: datetime, by: str) -> PublishedVersion:
    return PublishedVersion(
        version=bundle.version,
        digest=bundle.digest,
        published_at=at,
        published_by=by,
        made_with=bundle.made_with,
    )
