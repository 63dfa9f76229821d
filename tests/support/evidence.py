"""A key that signs evidence in this process, as the one in KMS does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.kms import base64url, public_jwk, raw_signature, thumbprint


class LocalSigner:
    """Port: EvidenceSigner, and adapters.webhook.MessageSigner, with a real P-256 key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        jwk = public_jwk(der)
        self._jwk = {**jwk, "use": "sig", "alg": "ES256", "kid": thumbprint(jwk)}

    def sign(self, payload: bytes, *, media_type: str | None = None) -> str:
        return self._signed(
            payload, {"typ": media_type.removeprefix("application/")} if media_type else {}
        )

    def sign_detached(self, payload: bytes, members: Mapping[str, str | int]) -> str:
        head, _, signature = self._signed(payload, members).split(".")
        return f"{head}..{signature}"

    def _signed(self, payload: bytes, members: Mapping[str, str | int]) -> str:
        header = json.dumps({"alg": "ES256", "kid": self._jwk["kid"], **members}).encode()
        signing_input = f"{base64url(header)}.{base64url(payload)}"
        der = self._key.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256()))
        return f"{signing_input}.{base64url(raw_signature(der))}"

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": [dict(self._jwk)]}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
