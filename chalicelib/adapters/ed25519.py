"""Ed25519 (RFC 8032) outside KMS: checking signatures, and the key file of a witness."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chalicelib.domain.notes import KeyKind, NoteError, VerifierKey

_SEED_BYTES = 32
_MARK = "PRIVATE+KEY+"


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is by `public_key` (32 bytes) over exactly `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True, repr=False)
class WitnessKey:
    """A witness's own key: 32 secret bytes under a name. Has no repr, so no log shows it."""

    name: str
    seed: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `to_text` wrote. Raises NoteError if it is anything else."""
        if not text.startswith(_MARK):
            raise _not_a_key()
        name, _, rest = text.strip().removeprefix(_MARK).partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            material = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _not_a_key() from error
        if len(material) != 1 + _SEED_BYTES or material[0] != KeyKind.WITNESS:
            raise _not_a_key()
        key = cls(name, material[1:])
        if key.verifier.key_id.hex() != key_id:
            raise _not_a_key()
        return key

    def to_text(self) -> str:
        """The form of the signed-note tools: `PRIVATE+KEY+name+id+material`, one line."""
        material = base64.b64encode(bytes([KeyKind.WITNESS]) + self.seed).decode()
        return f"{_MARK}{self.name}+{self.verifier.key_id.hex()}+{material}\n"

    @property
    def verifier(self) -> VerifierKey:
        """What others check its signatures with; `verifier.vkey` is registered for an agency."""
        return VerifierKey(
            self.name, KeyKind.WITNESS, self._private.public_key().public_bytes_raw()
        )

    def sign(self, message: bytes) -> bytes:
        """64 bytes; the same message always gives the same ones."""
        return self._private.sign(message)

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _not_a_key() -> NoteError:
    return NoteError(
        "This is not the key file of a witness; make one with `tra witness --new-key`.",
        "ไม่ใช่ไฟล์กุญแจของพยาน โปรดสร้างด้วยคำสั่ง `tra witness --new-key`",
    )
