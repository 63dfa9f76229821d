"""Check a compact JWS against a JWK Set (RFC 7515, RFC 7517), as evidence is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from chalicelib.domain.errors import EvidenceSignatureError

# Evidence is signed with P-256 only; a set of keys must not choose the algorithm (RFC 8725).
_ALGORITHM = "ES256"


def check_jws(jws: str, jwks: Mapping[str, Any]) -> bytes:
    """The payload. Raises EvidenceSignatureError unless the key that `kid` names, or one of
    them if it names none, signed exactly this."""
    try:
        kid = jwt.get_unverified_header(jws).get("kid")
        keys = [key for key in jwks["keys"] if kid is None or key.get("kid") == kid]
        for key in keys:
            payload = _verified(jws, key)
            if payload is not None:
                return payload
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong() from error
    raise _wrong()


def _verified(jws: str, key: Mapping[str, Any]) -> bytes | None:
    try:
        public = jwt.PyJWK(dict(key), _ALGORITHM)
        payload: bytes = jwt.PyJWS().decode(jws, public, algorithms=[_ALGORITHM])
    except jwt.PyJWTError:
        return None
    return payload


def _wrong() -> EvidenceSignatureError:
    return EvidenceSignatureError(
        "The evidence is not signed by any of the keys.", "หลักฐานไม่ได้ลงนามด้วยกุญแจที่ให้ไว้"
    )
