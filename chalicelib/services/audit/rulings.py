"""Rulings on issued documents: status lists against entries, the archive against documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, islice

from chalicelib.domain.documents import ArchivedFile, Document, ruling_key, rulings_prefix
from chalicelib.domain.findings import Fault, Finding, Findings
from chalicelib.domain.registers import Entry, Register
from chalicelib.domain.standing import Mark, Ruling
from chalicelib.domain.status_list import Page
from chalicelib.ports import FileVersion
from chalicelib.services.audit.entries import Pair, at
from chalicelib.services.audit.files import unread
from chalicelib.services.audit.room import AuditRoom

_BATCH = 100


class StatusLines:
    """What status lists are made of, read along with the entries: a page of numbers at a
    time, and of inserted numbers those under one."""

    def __init__(self, register: Register, *, room: AuditRoom, findings: Findings) -> None:
        self._register, self._room, self._findings = register, room, findings
        self._page: Page | None = None
        self._lines: dict[tuple[int, int], tuple[Mark, ...]] = {}

    def take(self, entry: Entry) -> None:
        """The next entry, in order."""
        page = Page.of(entry.number, 0)
        if page != self._page:
            self.end()
            self._page, self._lines = page, self._read(page)
        listed = self._lines.pop(entry.position, ())
        if listed != entry.marks and not self._agree_by_now(entry):
            self._findings.note(at(entry, Fault.STANDING_MISMATCH, "status list"))

    def end(self) -> None:
        """No more entries of this page: what is left belongs to none."""
        for number, child in self._lines:
            if self._room.registers.entry(self._register, number, child) is None:
                self._findings.add(
                    Fault.STANDING_MISMATCH, number=number, child=child, place="status list"
                )
        self._lines = {}

    def _read(self, page: Page) -> dict[tuple[int, int], tuple[Mark, ...]]:
        found = self._room.registers.marked(self._register, page)
        return {(m.number, m.child): m.marks for m in found}

    def _agree_by_now(self, entry: Entry) -> bool:
        """The two were read at two moments; a ruling may have come in between."""
        again = self._room.registers.entry(entry.register, *entry.position)
        lines = self._read(Page.of(entry.number, 0))
        return again is None or lines.get(entry.position, ()) == again.marks


def examine_rulings(
    page: Sequence[Pair], limit: datetime, *, room: AuditRoom
) -> tuple[list[Finding], int]:
    """What is wrong with the signed rulings on these documents, and how many were looked at.
    One that is younger than `limit` may be on its way."""
    ruled = [
        (e, d, r) for e, d in page if d is not None and d.numbering is not None for r in d.rulings
    ]
    faults = ((one[0], _fault_of(*one[1:], limit, room)) for one in ruled)
    return [at(e, fault[0], fault[1]) for e, fault in faults if fault], len(ruled)


def _fault_of(
    document: Document, ruling: Ruling, limit: datetime, room: AuditRoom
) -> tuple[Fault, str] | None:
    evidence, key = document.evidences.get(ruling.notice), ruling_key(document, ruling)
    if evidence is None or not document.is_archived(ruling.notice):
        return (Fault.UNFINISHED, key) if ruling.decided_at < limit else None
    found = room.archive.read(key)
    if found is None:
        return Fault.RULING_MISSING, key
    return None if found == evidence.encode() else (Fault.RULING_DIFFERS, key)


def sift_rulings(register: Register, *, room: AuditRoom, findings: Findings) -> int:
    """Find what lies among the signed rulings and is none, or is not locked as long as the
    document's own file; how many keys there are."""
    prefix = rulings_prefix(register)
    by_key = groupby(room.archive.versions(prefix), key=lambda version: version.key)
    keys = ((key, list(islice(versions, 2))) for key, versions in by_key)
    count = 0
    while batch := list(islice(keys, _BATCH)):
        count += len(batch)
        known = room.documents.get_many([_document_id(key, prefix) for key, _ in batch])
        for key, versions in batch:
            document = known.get(_document_id(key, prefix))
            _sift(key, versions, document, register=register, room=room, findings=findings)
    return count


def _sift(
    key: str,
    versions: Sequence[FileVersion],
    document: Document | None,
    *,
    register: Register,
    room: AuditRoom,
    findings: Findings,
) -> None:
    document_id = document.document_id if document else None
    if len(versions) > 1 or versions[0].deleted:
        findings.add(Fault.MORE_THAN_ONE_VERSION, document_id=document_id, place=key)
    elif document is None or document.file is None or not _names(document, key, register):
        findings.add(Fault.FILE_WITHOUT_ENTRY, document_id=document_id, place=key)
    else:
        _examine_lock(versions[0], document, document.file, room, findings)


def _names(document: Document, key: str, register: Register) -> bool:
    if document.numbering is None or document.register != register:
        return False
    return any(ruling_key(document, ruling) == key for ruling in document.rulings)


def _examine_lock(
    version: FileVersion,
    document: Document,
    file: ArchivedFile,
    room: AuditRoom,
    findings: Findings,
) -> None:
    (found,) = room.archive.examine([unread(version)], read_bytes=False)
    document_id = document.document_id
    if found is None or found.lock_mode is None or found.retain_until is None:
        findings.add(Fault.LOCK_MISSING, document_id=document_id, place=version.key)
    elif found.retain_until < file.retain_until.replace(microsecond=0):
        findings.add(Fault.LOCK_TOO_SHORT, document_id=document_id, place=version.key)


def _document_id(key: str, prefix: str) -> str:
    return key.removeprefix(prefix).partition("/")[0]
