"""Second factors in memory: fakes of the store and of the key that encrypts."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import replace
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.domain.errors import FactorMovedError, SecretUnreadableError
from chalicelib.domain.keyring import Keyring
from chalicelib.domain.persons import Officer
from chalicelib.ports import LockedFactor

_NONCE = 12


class MemoryFactors:
    """Port: FactorStore."""

    def __init__(self) -> None:
        self.keyrings: dict[Officer, Keyring] = {}
        self._lock = threading.Lock()

    def keyring(self, officer: Officer) -> Keyring:
        with self._lock:
            return self.keyrings.get(officer, Keyring(officer=officer))

    def save(self, keyring: Keyring) -> None:
        with self._lock:
            stored = self.keyrings.get(keyring.officer)
            if (stored.revision if stored else 0) != keyring.revision:
                raise FactorMovedError("Somebody else wrote these factors.")
            self.keyrings[keyring.officer] = replace(
                keyring, revision=keyring.revision + 1, listed_until=keyring.locked_until
            )

    def locked(self, agency_id: str, at: datetime) -> tuple[LockedFactor, ...]:
        with self._lock:
            found = [
                LockedFactor(officer, keyring.locked_until)
                for officer, keyring in self.keyrings.items()
                if officer.agency_id == agency_id
                and keyring.locked_until is not None
                and at < keyring.locked_until
            ]
        return tuple(sorted(found, key=lambda one: (one.until, one.officer)))


class MemoryFactorSecrets:
    """Port: FactorSecrets, under a key of this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def seal(self, clear: bytes, officer: Officer) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._key).encrypt(nonce, clear, _bound_to(officer))

    def open(self, sealed: bytes, officer: Officer) -> bytes:
        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_to(officer))
        except InvalidTag as error:
            raise SecretUnreadableError("Not this officer's, or changed.") from error


def _bound_to(officer: Officer) -> bytes:
    return json.dumps(officer).encode()
