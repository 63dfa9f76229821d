"""Fakes of ArchiveInventory and LogInventory over the fakes they look into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from chalicelib.adapters.memory import MemoryArchive
from chalicelib.adapters.memory_logs import MemoryLogFiles
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import SecretUnreadableError
from chalicelib.domain.registers import LogName, Register
from chalicelib.ports import Examined, FileVersion


class MemoryArchiveInventory:
    """What lies in a `MemoryArchive`; every key has one version."""

    def __init__(self, archive: MemoryArchive) -> None:
        self._archive = archive

    def versions(self, prefix: str) -> Iterator[FileVersion]:
        for key in sorted(self._archive.files):
            file = self._archive.find(key)
            if key.startswith(prefix):
                yield FileVersion(key, file.version_id if file else "unknown")

    def examine(
        self, files: Sequence[ArchivedFile], *, read_bytes: bool
    ) -> tuple[Examined | None, ...]:
        return tuple(self._examine(file, read_bytes=read_bytes) for file in files)

    def digests(
        self, files: Sequence[ArchivedFile], algorithm: str
    ) -> tuple[tuple[str, bytes] | None, ...]:
        return tuple(self._digests(file, algorithm) for file in files)

    def read(self, key: str) -> bytes | None:
        return self._archive.clear(key)

    def _digests(self, file: ArchivedFile, algorithm: str) -> tuple[str, bytes] | None:
        there, data = self._archive.find(file.key), self._archive.clear(file.key)
        if there is None or data is None or there.version_id != file.version_id:
            return None
        return hashlib.sha256(data).hexdigest(), hashlib.new(algorithm, data).digest()

    def _examine(self, file: ArchivedFile, *, read_bytes: bool) -> Examined | None:
        there = self._archive.find(file.key)
        data = self._archive.files.get(file.key)
        if there is None or data is None or there.version_id != file.version_id:
            return None
        return Examined(
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest() if read_bytes else there.lies_as.sha256,
            lock_mode=there.lock_mode,
            retain_until=there.retain_until,
            clear_sha256=self._clear_digest(file.key) if there.stored and read_bytes else None,
        )

    def _clear_digest(self, key: str) -> str:
        try:
            return hashlib.sha256(self._archive.clear(key) or b"").hexdigest()
        except SecretUnreadableError:
            return ""


class MemoryLogInventory:
    """What lies in `MemoryLogFiles`."""

    def __init__(self, files: MemoryLogFiles) -> None:
        self._files = files

    def paths(self, register: Register, log: LogName, prefix: str) -> Iterator[str]:
        mine = [p for (r, name, p) in self._files.files if (r, name) == (register, log)]
        yield from sorted(path for path in mine if path.startswith(prefix))

    def read(
        self, register: Register, log: LogName, paths: Sequence[str]
    ) -> tuple[bytes | None, ...]:
        return tuple(self._files.get(register, log, path) for path in paths)
