"""Fresh identifiers (port: Ids), in Crockford base 32."""

from __future__ import annotations

import secrets
import time

from chalicelib.domain.base32 import base32


class RandomIds:
    """ULID (time and 80 random bits) for documents; 130 random bits for QR codes."""

    def document_id(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        return base32(milliseconds << 80 | secrets.randbits(80))

    def salt(self) -> str:
        return secrets.token_hex(32)

    def verification_code(self) -> str:
        return base32(secrets.randbits(130))
