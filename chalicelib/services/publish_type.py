"""Publish: a type of an agency, or of the package, becomes a version for ever (issue 5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.directory import DocumentType
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.published_types import (
    PublishedVersion,
    TypeBundle,
    TypeRecord,
    TypeRefusedError,
    with_version,
    withdrawn,
)
from chalicelib.domain.retention import MAX_RETENTION_YEARS, LockMode, retain_until
from chalicelib.ports import Clock, TypeStore

YEARS_IN_USE = 10
"""So long a version may be issued before its bundle's lock could end before its documents'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingRoom:
    """Collaborators of `publish`. `packaged`: digest by name of the types of the package;
    `is_agency`: whether the directory has an agency of that id."""

    store: TypeStore
    clock: Clock
    lock_mode: LockMode
    packaged: Mapping[str, str] = field(default_factory=dict)
    is_agency: Callable[[str], bool] = lambda _: True


def publish(
    bundle: TypeBundle, kind: DocumentType, *, by: str, room: PublishingRoom
) -> PublishedVersion:
    """Publish `bundle`, which holds `kind`; the same bundle again changes nothing.

    Raises TypeRefusedError where `with_version` does, for a name of the package's, and for
    issuers nobody knows; UnavailableError if somebody else published it meanwhile.

    Dies before step 3: a bundle lies in the store that nothing names. Dies after it: it is
    published. Running again finishes.
    """
    # 1. What is there, and what it would become.
    old = room.store.record(bundle.name)
    _demand_own_name(bundle, room.packaged)
    _demand_issuers(kind, room.is_agency)
    others = [record for record in room.store.records() if record.name != bundle.name]
    now = room.clock()
    new = with_version(old, bundle, kind.book, others, at=now, by=by)

    # 2. Store the bundle under its digest, locked.
    if new != old:
        years = min(kind.retention_years + YEARS_IN_USE, MAX_RETENTION_YEARS)
        room.store.keep(bundle, retain_until(now, years), room.lock_mode)

        # 3. Name it.
        room.store.replace(old, new)
    return _version(new, bundle)


def refuse_changed(bundles: Collection[TypeBundle], *, store: TypeStore) -> None:
    """Raise TypeRefusedError if one of the package's types could not be published: its files
    changed, or the house style with them, and its version did not. Changes nothing."""
    records = {record.name: record for record in store.records()}
    for bundle in bundles:
        record = records.get(bundle.name)
        there = record.version(bundle.version) if record else None
        if there is not None and there.digest != bundle.digest:
            raise TypeRefusedError(
                f"Version {bundle.version} of {bundle.name} was published with other files; "
                "raise `version` in its type.json.",
                f"รุ่น {bundle.version} ของ {bundle.name} เผยแพร่แล้วด้วยไฟล์อื่น โปรดเพิ่ม `version` ใน type.json",
            )


def withdraw(name: str, *, by: str, room: PublishingRoom) -> TypeRecord:
    """No new document of this type, until another version is published. What was accepted
    ends as it began. Repeatable. Raises NotFoundError, UnavailableError."""
    old = room.store.record(name)
    if old is None:
        raise NotFoundError
    new = withdrawn(old, at=room.clock(), by=by)
    if new != old:
        room.store.replace(old, new)
    return new


def _demand_own_name(bundle: TypeBundle, packaged: Mapping[str, str]) -> None:
    if packaged.get(bundle.name, bundle.digest) != bundle.digest:
        raise TypeRefusedError(
            f"{bundle.name} is a type of Tra itself; give yours another name.",
            f"{bundle.name} เป็นประเภทเอกสารของระบบเอง โปรดตั้งชื่ออื่น",
        )


def _demand_issuers(kind: DocumentType, is_agency: Callable[[str], bool]) -> None:
    unknown = ", ".join(name for name in kind.issuers if not is_agency(name))
    if unknown:
        raise TypeRefusedError(
            f"`issuers` in type.json names agencies that are not in the directory: {unknown}.",
            f"`issuers` ใน type.json มีหน่วยงานที่ไม่อยู่ในทำเนียบ: {unknown}",
        )


def _version(record: TypeRecord, bundle: TypeBundle) -> PublishedVersion:
    found = record.version(bundle.version)
    if found is None:
        raise ValueError("a record holds what was published")
    return found
