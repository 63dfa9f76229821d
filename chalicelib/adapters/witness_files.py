"""What a witness keeps on disk: its key, and per log the last state it signed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.adapters.ed25519 import WitnessKey
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.notes import NoteSignatureError, VerifierKey

_LAST, _LOG_KEY, _LOCK = "checkpoint", "log.vkey", "lock"


def new_key(path: Path, name: str) -> WitnessKey:
    """Make a key and write it to `path`, for its owner's eyes only. Never overwrites:
    raises FileExistsError."""
    key = WitnessKey(name, secrets.token_bytes(32))
    text = key.to_text()  # first, so that a name that cannot be leaves no file
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return key


def read_key(path: Path) -> WitnessKey:
    """Raises NoteError, OSError."""
    return WitnessKey.parse(path.read_text(encoding="utf-8"))


class NotebookFiles:
    """A folder of its own for each log (port: services.witness.Notebook)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def opened(cls, state: Path, address: str) -> Iterator[NotebookFiles]:
        """The notebook for the log at `address`; no other process has it meanwhile.
        Raises ConfigurationError if one does: two could sign two histories."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", address)[-80:]
        folder = state / f"{readable}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"Another process witnesses with {folder} just now."
                raise ConfigurationError(message) from error
            yield cls(folder)

    def last(self) -> bytes | None:
        path = self._folder / _LAST
        return path.read_bytes() if path.exists() else None

    def keep(self, note: bytes) -> None:
        self._write(_LAST, note)

    def keep_evidence(self, seen: bytes, offered: bytes) -> None:
        for role, note in (("seen", seen), ("offered", offered)):
            self._write(f"fork-{hashlib.sha256(seen + offered).hexdigest()[:8]}-{role}", note)

    def trust(self, key: VerifierKey) -> VerifierKey:
        """The log's key: from the first time on always the same one. Raises
        NoteSignatureError if the log, or its user, names another."""
        path = self._folder / _LOG_KEY
        if not path.exists():
            self._write(_LOG_KEY, f"{key.vkey}\n".encode())
        if path.read_text(encoding="utf-8").strip() != key.vkey:
            raise NoteSignatureError(
                f"The log's key is not the one in {path}; find out why before you go on.",
                f"กุญแจของทะเบียนไม่ตรงกับที่บันทึกไว้ใน {path} โปรดตรวจสอบก่อนดำเนินการต่อ",
            )
        return key

    def _write(self, name: str, data: bytes) -> None:
        """Whole or not at all, and on the disk when this returns."""
        draft = self._folder / f".{name}"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
