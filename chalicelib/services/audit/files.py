"""The archive against the register, from both sides (P2, P3, A26)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice

from chalicelib.domain.documents import ArchivedFile, Document, DocumentState
from chalicelib.domain.findings import Fault, Finding, Findings
from chalicelib.domain.registers import Entry, EntryState, Register
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.ports import Examined, FileVersion
from chalicelib.services.audit.entries import Pair, at
from chalicelib.services.audit.room import AuditRoom

_BATCH = 100
_SUFFIX = ".pdf"


def examine_files(page: Sequence[Pair], *, room: AuditRoom) -> tuple[list[Finding], int]:
    """What is wrong with the files of these issued entries, and how many were looked at."""
    issued = [(e, d, d.file) for e, d in page if d and d.file and e.state is EntryState.ISSUED]
    there = room.archive.examine([file for *_, file in issued], read_bytes=room.read_bytes)
    findings = [
        finding
        for (entry, document, file), found in zip(issued, there, strict=True)
        for finding in _faults_of(entry, document, file, found)
    ]
    return findings, len(issued)


def _faults_of(
    entry: Entry, document: Document, file: ArchivedFile, found: Examined | None
) -> Iterator[Finding]:
    if found is None:
        yield at(entry, Fault.ENTRY_WITHOUT_FILE, file.key)
        return
    lies, clear = file.lies_as, found.clear_sha256
    if (found.size, found.sha256) != (lies.size, lies.sha256) or clear not in {None, file.sha256}:
        yield at(entry, Fault.DIGEST_MISMATCH, file.key)
    if document.is_classified and file.stored is None:
        yield at(entry, Fault.NOT_ENCRYPTED, file.key)
    if found.lock_mode is None or found.retain_until is None:
        yield at(entry, Fault.LOCK_MISSING, file.key)
        return
    if found.lock_mode is not file.lock_mode:
        yield at(entry, Fault.LOCK_WEAKER, file.key)
    due = retain_until(entry_time(document), document.retention_years)
    if found.retain_until < max(due, file.retain_until):
        yield at(entry, Fault.LOCK_TOO_SHORT, file.key)


def entry_time(document: Document) -> datetime:
    """When retention begins: the numbering."""
    if document.numbering is None:
        raise ValueError("an issued document has a number")
    return document.numbering.numbered_at


def sift_archive(register: Register, *, room: AuditRoom, findings: Findings) -> int:
    """Find what lies in the archive and is no issued entry's file; how many keys there are."""
    prefix = f"documents/{register.register_id}/"
    by_key = groupby(room.archive.versions(prefix), key=lambda version: version.key)
    keys = ((key, list(islice(versions, 2))) for key, versions in by_key)
    count = 0
    while batch := list(islice(keys, _BATCH)):
        count += len(batch)
        known = room.documents.get_many([_document_id(key, prefix) for key, _ in batch])
        for key, versions in batch:
            _sift(key, versions, known.get(_document_id(key, prefix)), register, findings)
    return count


def _sift(
    key: str,
    versions: Sequence[FileVersion],
    document: Document | None,
    register: Register,
    findings: Findings,
) -> None:
    document_id = document.document_id if document else None
    if len(versions) > 1 or versions[0].deleted:
        findings.add(Fault.MORE_THAN_ONE_VERSION, document_id=document_id, place=key)
    if document is None or not _is_at_home(document, register):
        findings.add(Fault.FILE_WITHOUT_ENTRY, document_id=document_id, place=key)
        return
    if document.state is DocumentState.NUMBERED:
        return  # archived, and about to be final; the entry is watched for its age
    mine = document.file is not None and any(
        (v.key, v.version_id) == (document.file.key, document.file.version_id) for v in versions
    )
    if not mine and len(versions) == 1:
        findings.add(Fault.FILE_WITHOUT_ENTRY, document_id=document_id, place=key)


def _is_at_home(document: Document, register: Register) -> bool:
    """Only a numbered document has a file, and only in its own register."""
    return document.numbering is not None and document.register == register


def _document_id(key: str, prefix: str) -> str:
    name = key.removeprefix(prefix)
    # A name that is none of ours must not find a document.
    return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else key


def unread(version: FileVersion) -> ArchivedFile:
    """Names a version whose facts are asked for."""
    return ArchivedFile(
        key=version.key,
        version_id=version.version_id,
        sha256="",
        size=0,
        lock_mode=LockMode.GOVERNANCE,
        retain_until=datetime.min,  # noqa: DTZ901 - of no meaning: what is true is asked for
    )
