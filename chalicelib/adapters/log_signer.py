"""The key that signs checkpoints: Ed25519 in AWS KMS, which never hands it out (port LogSigner).

Nothing is written here: a process that dies half-way has spent one signature that
nobody saw, and the next one makes the same bytes, because Ed25519 is deterministic.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chalicelib.adapters.aws import translated
from chalicelib.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_SERVICE = "log key"


class KmsLogSigner:
    """One `ECC_NIST_EDWARDS25519` key. Its public half is fetched once per container."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032) over `message` itself, at most 4,096 bytes: a checkpoint has
        about 150. Raises UnavailableError."""
        with translated(_SERVICE):
            answer = self._client.sign(
                KeyId=self._key_id,
                Message=message,
                MessageType="RAW",
                SigningAlgorithm="ED25519_SHA_512",
            )
        return answer["Signature"]

    @cached_property
    def public_key(self) -> bytes:
        """32 bytes. Raises UnavailableError, and ConfigurationError for another kind of key."""
        with translated(_SERVICE):
            answer = self._client.get_public_key(KeyId=self._key_id)
        key = load_der_public_key(answer["PublicKey"])
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigurationError(
                "The log key is not Ed25519; checkpoints need ECC_NIST_EDWARDS25519.",
                "กุญแจลงนามจุดรับรองไม่ใช่ชนิด Ed25519 (ECC_NIST_EDWARDS25519)",
            )
        return key.public_bytes_raw()
