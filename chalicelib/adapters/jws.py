"""Check a compact JWS against a JWK Set (RFC 7515, RFC 7517), as evidence is signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt
import urllib3

from chalicelib.domain.errors import EvidenceSignatureError, UnavailableError

# Evidence is signed with P-256 only; a set of keys must not choose the algorithm (RFC 8725).
_ALGORITHM = "ES256"
_OK = 200
_LARGEST_SET = 8 * 1024 * 1024  # bytes; a directory of some thousand agencies
_TIMEOUT_SECONDS = 10.0


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


def fetch(url: str) -> Mapping[str, Any]:
    """Keys (a JWK Set, or the directory) from where the user said they lie. Raises
    UnavailableError."""
    try:
        answer = urllib3.request(
            "GET", url, timeout=_TIMEOUT_SECONDS, retries=False, preload_content=False
        )
        try:
            found = json.loads(answer.read(_LARGEST_SET)) if answer.status == _OK else None
        finally:
            answer.release_conn()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UnavailableError(f"{url} gave no keys ({type(error).__name__}).") from error
    if not isinstance(found, dict):
        raise UnavailableError(f"{url} gave no keys.")
    return found


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
