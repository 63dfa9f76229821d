"""Fakes of LogFiles and LogSigner: they keep the same rules in one process."""

from __future__ import annotations

import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.domain.errors import LogForkError
from chalicelib.domain.registers import LogName, Register

_Place = tuple[Register, LogName, str]


class MemoryLogFiles:
    """Files in a dict; `files` is for tests to look into, and to tamper with."""

    def __init__(self) -> None:
        self.files: dict[_Place, bytes] = {}
        self._lock = threading.Lock()

    def put(self, register: Register, log: LogName, path: str, data: bytes) -> None:
        with self._lock:
            there = self.files.setdefault((register, log, path), data)
        if there != data:
            raise LogForkError(f"Other bytes lie at {path}.")

    def get(self, register: Register, log: LogName, path: str) -> bytes | None:
        return self.files.get((register, log, path))

    def link(self, register: Register, log: LogName, path: str, *, seconds: int) -> str:
        return f"memory:{register.register_id}/{log}/{path}?seconds={seconds}"


class MemoryLogSigner:
    """A real Ed25519 key that lies in this process, always the same one for a seed."""

    def __init__(self, seed: bytes = bytes(32)) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.signed: list[bytes] = []

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return self._key.sign(message)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()
