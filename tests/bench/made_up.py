"""A register that is made up while it is read, so that nothing but its reader needs memory.

    python -m tests.bench.made_up build DIR N      write the logs of N entries under DIR
    python -m tests.bench.made_up audit DIR N      audit it in this process; print JSON

Entry, document and file of a number follow from the number. The logs are real files,
written by the real checkpoint code and signed about a hundred times. There is no
network and hardly a disk in it: what is measured is the audit's own work.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.adapters.ed25519 import verify
from chalicelib.adapters.ers import DerEvidenceRecords
from chalicelib.adapters.memory_access import MemoryAccessStore
from chalicelib.adapters.memory_logs import MemoryLogSigner
from chalicelib.adapters.memory_rounds import MemoryRounds
from chalicelib.domain.documents import ArchivedFile, Change, Document, DocumentState, archive_key
from chalicelib.domain.merkle import EMPTY_HEAD
from chalicelib.domain.notes import Checkpoint, Note
from chalicelib.domain.registers import (
    REGISTER_LOGS,
    Entry,
    EntryState,
    Head,
    LogName,
    Numbering,
    Register,
)
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.tlog import Outcome, commit
from chalicelib.ports import Examined, FileVersion, LogState
from chalicelib.services.audit import AuditRoom, audit
from chalicelib.services.checkpoint import CheckpointRoom, extend
from tests.support.samples import NOON, document

REGISTER = Register("diw", "licence", 2026)
PDF = bytes(40_000)
"""The size of a sealed licence of one page."""

_DIGEST = hashlib.sha256(PDF).hexdigest()
_UNTIL = retain_until(NOON, 10).astimezone(UTC)
_CHECKPOINTS = 100


@cache
def _template() -> Document:
    return document("T", at=NOON)


def _name(number: int) -> str:
    return f"{number:026d}"


def _salt(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def entry_of(number: int) -> Entry:
    digest = _template().content_digest
    return Entry(
        register=REGISTER,
        number=number,
        subject_id=_name(number),
        commitment=commit(_salt(number), digest),
        document_type="licence",
        numbered_at=NOON,
        document_id=_name(number),
        content_digest=digest,
        state=EntryState.ISSUED,
        file_digest=_DIGEST,
        ended_at=NOON,
    )


def document_of(number: int) -> Document:
    numbered = replace(
        _template(),
        document_id=_name(number),
        salt=_salt(number).hex(),
        state=DocumentState.ISSUED,
        history=(Change(DocumentState.ISSUED, NOON),),
        numbering=Numbering(year=2026, number=number, printed=str(number), numbered_at=NOON),
    )
    return replace(
        numbered,
        file=ArchivedFile(
            key=archive_key(numbered),
            version_id="v1",
            sha256=_DIGEST,
            size=len(PDF),
            lock_mode=LockMode.COMPLIANCE,
            retain_until=_UNTIL,
        ),
    )


@dataclass
class MadeUpRegister:
    """Registers, documents and the order of leaves, as far as audit and checkpoint read them."""

    size: int
    files: LogFolder

    def head(self, _register: Register) -> Head:
        return Head(self.size, NOON)

    def entry(self, _register: Register, number: int, child: int = 0) -> Entry | None:
        return entry_of(number) if not child and 1 <= number <= self.size else None

    def entries(
        self, _register: Register, *, after: tuple[int, int] = (0, 0), limit: int = 100
    ) -> tuple[Entry, ...]:
        last = min(after[0] + limit, self.size)
        return tuple(entry_of(number) for number in range(after[0] + 1, last + 1))

    def get(self, document_id: str) -> Document | None:
        return document_of(int(document_id))

    def get_many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        return {document_id: document_of(int(document_id)) for document_id in document_ids}

    def sequence(self, _register: Register) -> int:
        return self.size

    def leaves(
        self, register: Register, log: LogName, *, start: int, limit: int
    ) -> tuple[bytes, ...]:
        places = range(start, min(start + limit, self.size))
        if log is LogName.NUMBERS:
            return tuple(entry_of(place + 1).number_leaf().to_bytes() for place in places)
        return tuple(_outcome(place, register) for place in places)

    def state(self, register: Register, log: LogName) -> LogState:
        """The last kept checkpoint is the published one."""
        kept = list(self.files.paths(register, log, "checkpoints/"))
        if not kept:
            return LogState(EMPTY_HEAD)
        (note,) = self.files.read(register, log, kept[-1:])
        return LogState(Checkpoint.parse(Note.from_bytes(note or b"").text).head, note)

    def advance(self, register: Register, log: LogName, old: LogState, new: LogState) -> None:
        """`state` reads what `extend` has kept."""


def _outcome(place: int, register: Register) -> bytes:
    ended = entry_of(place + 1).ended_as(Outcome.ISSUED, NOON, file_digest=_DIGEST)
    return ended.leaf(register, place).to_bytes()


@dataclass
class LogFolder:
    """Log files in a folder (ports: LogFiles, LogInventory)."""

    folder: Path

    def put(self, _register: Register, log: LogName, path: str, data: bytes) -> None:
        file = self.folder / log / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def get(self, _register: Register, log: LogName, path: str) -> bytes | None:
        file = self.folder / log / path
        return file.read_bytes() if file.is_file() else None

    def link(self, _register: Register, log: LogName, path: str, *, seconds: int) -> str:
        return f"{self.folder / log / path}?{seconds}"

    def paths(self, _register: Register, log: LogName, prefix: str) -> Iterator[str]:
        folder = self.folder / log / prefix
        found = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
        return (prefix + name for name in found)

    def read(
        self, register: Register, log: LogName, paths: Sequence[str]
    ) -> tuple[bytes | None, ...]:
        return tuple(self.get(register, log, path) for path in paths)


@dataclass
class MadeUpArchive:
    """An archive in which every file has the same bytes, hashed anew each time."""

    size: int

    def versions(self, prefix: str) -> Iterator[FileVersion]:
        if not prefix.startswith("documents/"):
            return iter(())
        return (FileVersion(f"{prefix}{_name(n)}.pdf", "v1") for n in range(1, self.size + 1))

    def examine(
        self, files: Sequence[ArchivedFile], *, read_bytes: bool
    ) -> tuple[Examined | None, ...]:
        return tuple(
            Examined(
                size=len(PDF),
                sha256=hashlib.sha256(PDF).hexdigest() if read_bytes else _DIGEST,
                lock_mode=LockMode.COMPLIANCE,
                retain_until=_UNTIL,
            )
            for _ in files
        )

    def digests(
        self, files: Sequence[ArchivedFile], algorithm: str
    ) -> tuple[tuple[str, bytes] | None, ...]:
        return tuple((_DIGEST, hashlib.new(algorithm, PDF).digest()) for _ in files)

    def read(self, _key: str) -> bytes | None:
        return None


def build(folder: Path, size: int) -> None:
    """Write both logs, with about a hundred checkpoints each."""
    files = LogFolder(folder)
    register: Any = MadeUpRegister(size, files)
    room = CheckpointRoom(
        registers=register,
        logs=register,
        files=files,
        signer=MemoryLogSigner(),
        verify=verify,
        public_url="https://bench.test",
        stride=max(size // _CHECKPOINTS, 1),
    )
    for log in REGISTER_LOGS:
        extend(REGISTER, log, room=room)


def audit_it(folder: Path, size: int) -> dict[str, float]:
    """Audit, and say how long it took (s) and the most memory this process had (MB)."""
    files = LogFolder(folder)
    register: Any = MadeUpRegister(size, files)
    room = AuditRoom(
        documents=register,
        registers=register,
        deliveries=register,
        logs=register,
        archive=MadeUpArchive(size),
        log_files=files,
        rounds=MemoryRounds(),
        records=DerEvidenceRecords(),
        access_log=MemoryAccessStore(),
        log_key=lambda: MemoryLogSigner().public_key,
        verify=verify,
        verify_evidence=str.encode,
        clock=lambda: NOON,
        public_url="https://bench.test",
    )
    started = time.perf_counter()
    report = audit(REGISTER, room=room)
    seconds = time.perf_counter() - started
    looked_at = report.counts["entries"], report.counts["files"], report.counts["outcome_leaves"]
    if report.findings or looked_at != (size, size, size):
        raise RuntimeError(f"the audit went wrong: {report.counts} {report.findings[:3]}")
    return {"seconds": seconds, "megabytes": _peak_megabytes()}


def _peak_megabytes() -> float:
    """Of this process alone; what `getrusage` says includes the parent it was forked from."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024


if __name__ == "__main__":
    what, where, how_many = sys.argv[1:]
    if what == "build":
        build(Path(where), int(how_many))
    else:
        print(json.dumps(audit_it(Path(where), int(how_many))))
