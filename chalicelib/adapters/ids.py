"""Fresh identifiers (port: Ids): Crockford base 32, no vowels to spell words with
nor letters that read like digits."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RandomIds:
    """ULID (time and 80 random bits) for documents; 130 random bits for QR codes."""

    def document_id(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        return _base32(milliseconds << 80 | secrets.randbits(80))

    def salt(self) -> str:
        return secrets.token_hex(32)

    def verification_code(self) -> str:
        return _base32(secrets.randbits(130))


def _base32(value: int) -> str:
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
