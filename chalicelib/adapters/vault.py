"""Encrypts what is classified (port: Vault): a data key of its own for every text and file.

KMS makes the data key and wraps it (envelope encryption); what is classified never travels
there. The encryption context of KMS and the associated data of AES-256-GCM (NIST SP 800-38D)
both say which document, agency, classification and part it is, so an envelope that was moved to
another place does not open (docs/adr/0047). Nothing is written here: a process that dies
half-way has asked for a key that nobody uses.

An envelope carries all it takes but the key in KMS:
`TRAV` · version (1 byte) · length of the wrapped key (2) · wrapped key · nonce (12) · AES-GCM.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.errors import SecretUnreadableError, UnavailableError
from chalicelib.domain.secrecy import SecretContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_kms import KMSClient

_VERSION = 1
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16
_LENGTH_BYTES = 2
_HEADER = b"TRAV" + bytes([_VERSION])

# What KMS says of a wrapped key that was changed, is of another context, or of another key.
_NOT_THIS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsVault:
    """Under one symmetric key of KMS. `client` is asked for when it is first needed: most
    documents are not classified, and most functions meet none that are."""

    def __init__(self, client: Callable[[], KMSClient], key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def seal(self, clear: bytes, context: SecretContext) -> bytes:
        """Asks KMS once (GenerateDataKey). Two calls never give the same bytes."""
        with _translated():
            made = self._client().generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=_told(context)
            )
        return _close(clear, made["Plaintext"], made["CiphertextBlob"], context)

    def open(self, sealed: bytes, context: SecretContext) -> bytes:
        """Asks KMS once (Decrypt), by name: an envelope under another key, somebody's own say,
        is refused."""
        envelope = _Envelope.read(sealed)
        with _translated():
            key = self._client().decrypt(
                KeyId=self._key_id,
                CiphertextBlob=envelope.wrapped,
                EncryptionContext=_told(context),
            )["Plaintext"]
        return envelope.open(key, context)


class MemoryVault:
    """A fake with a key of its own in place of KMS; the same envelopes."""

    def __init__(self) -> None:
        self._key = os.urandom(_KEY_BYTES)

    @property
    def _master(self) -> AESGCM:
        # Made anew each time: a fake can be copied, and a cipher cannot.
        return AESGCM(self._key)

    def seal(self, clear: bytes, context: SecretContext) -> bytes:
        key, nonce = os.urandom(_KEY_BYTES), os.urandom(_NONCE_BYTES)
        wrapped = nonce + self._master.encrypt(nonce, key, canonical_json(_told(context)))
        return _close(clear, key, wrapped, context)

    def open(self, sealed: bytes, context: SecretContext) -> bytes:
        envelope = _Envelope.read(sealed)
        nonce, wrapped = envelope.wrapped[:_NONCE_BYTES], envelope.wrapped[_NONCE_BYTES:]
        try:
            key = self._master.decrypt(nonce, wrapped, canonical_json(_told(context)))
        except (InvalidTag, ValueError) as error:
            raise _unreadable() from error
        return envelope.open(key, context)


class _Envelope:
    """An envelope taken apart."""

    def __init__(self, wrapped: bytes, nonce: bytes, sealed: bytes) -> None:
        self.wrapped = wrapped
        self._nonce = nonce
        self._sealed = sealed

    @classmethod
    def read(cls, data: bytes) -> _Envelope:
        """Raises SecretUnreadableError for anything that `_close` did not make."""
        start = len(_HEADER) + _LENGTH_BYTES
        length = int.from_bytes(data[len(_HEADER) : start])
        wrapped, rest = data[start : start + length], data[start + length :]
        whole = length > 0 and len(wrapped) == length
        if not data.startswith(_HEADER) or not whole or len(rest) < _NONCE_BYTES + _TAG_BYTES:
            raise _unreadable()
        return cls(wrapped, rest[:_NONCE_BYTES], rest[_NONCE_BYTES:])

    def open(self, key: bytes, context: SecretContext) -> bytes:
        try:
            return AESGCM(key).decrypt(self._nonce, self._sealed, _bound(self.wrapped, context))
        except (InvalidTag, ValueError) as error:
            raise _unreadable() from error


def _close(clear: bytes, key: bytes, wrapped: bytes, context: SecretContext) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, clear, _bound(wrapped, context))
    return _front(wrapped) + nonce + sealed


def _front(wrapped: bytes) -> bytes:
    return _HEADER + len(wrapped).to_bytes(_LENGTH_BYTES) + wrapped


def _told(context: SecretContext) -> dict[str, str]:
    """The encryption context. It stands in clear in the trail of KMS's calls: identifiers only."""
    return {
        "document": context.document_id,
        "agency": context.agency_id,
        "classification": context.classification.value,
        "purpose": context.purpose,
    }


def _bound(wrapped: bytes, context: SecretContext) -> bytes:
    """Associated data: all that stands before the text, and what it is for."""
    return _front(wrapped) + canonical_json(_told(context))


def _unreadable() -> SecretUnreadableError:
    return SecretUnreadableError(
        "What is encrypted was changed, or belongs to another document.",
        "ข้อมูลที่เข้ารหัสไว้ถูกแก้ไข หรือเป็นของเอกสารอื่น",
    )


@contextmanager
def _translated() -> Iterator[None]:
    """KMS's errors in our words. Names the error code, never the message: that may carry account
    ids and roles. A key that is disabled, or that we lost the permission to use, can be given
    back: what waits for it goes on then, so that nothing is lost."""
    try:
        yield
    except ClientError as error:
        name = error.response.get("Error", {}).get("Code", "unknown")
        if name in _NOT_THIS:
            raise _unreadable() from error
        raise UnavailableError(
            f"The key of classified documents cannot be used ({name}).",
            f"ใช้กุญแจของเอกสารที่มีชั้นความลับไม่ได้ ({name})",
        ) from error
    except BotoCoreError as error:
        raise UnavailableError("KMS did not answer.", "ระบบกุญแจ (KMS) ไม่ตอบสนอง") from error
