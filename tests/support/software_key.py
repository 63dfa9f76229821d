"""A security key in software: real keys and signatures, and every way to misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
_ORIGIN = "https://tra.test"


@dataclass
class SoftwareKey:
    """A P-256 authenticator (ES256) at one origin, whose counter counts."""

    origin: str = _ORIGIN
    counter: int = 0
    counts: bool = True
    flags: int = PRESENT | VERIFIED
    credential_id: bytes = field(default_factory=lambda: hashlib.sha256(b"key").digest())
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: Mapping[str, Any], **tricks: Any) -> dict[str, Any]:
        """What `navigator.credentials.create(options)` gives, as JSON. `tricks`: `rp_id`,
        `challenge`, `origin`, `cose` (the public key) in the place of the right ones."""
        numbers = self.private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = (
            bytes(16)
            + len(self.credential_id).to_bytes(2)
            + self.credential_id
            + cbor2.dumps(tricks.get("cose", cose))
        )
        rp_id = tricks.get("rp_id", options["rp"]["id"])
        data = self._data(rp_id, ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options, tricks)
        return self._public_key_credential(
            {
                "clientDataJSON": encoded(client_data),
                "attestationObject": encoded(attestation),
                "transports": ["usb", "cable-car"],
            }
        )

    def get(self, options: Mapping[str, Any], **tricks: Any) -> dict[str, Any]:
        """What `navigator.credentials.get(options)` gives, as JSON. `tricks` as in `create`, and
        `user_handle`."""
        if self.counts:
            self.counter += 1
        data = self._data(tricks.get("rp_id", options["rpId"]), 0)
        client_data = self._client_data("webauthn.get", options, tricks)
        signed = data + hashlib.sha256(client_data).digest()
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(data),
            "signature": encoded(self.private.sign(signed, ec.ECDSA(SHA256()))),
        }
        if "user_handle" in tricks:
            response["userHandle"] = encoded(tricks["user_handle"])
        return self._public_key_credential(response)

    def _data(self, rp_id: str, more: int) -> bytes:
        """authenticatorData (WebAuthn level 2, 6.1)."""
        flags = bytes([self.flags | more])
        return hashlib.sha256(rp_id.encode()).digest() + flags + self.counter.to_bytes(4)

    def _client_data(
        self, kind: str, options: Mapping[str, Any], tricks: Mapping[str, Any]
    ) -> bytes:
        told = {
            "type": tricks.get("type", kind),
            "challenge": tricks.get("challenge", options["challenge"]),
            "origin": tricks.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(told).encode()

    def _public_key_credential(self, response: Mapping[str, Any]) -> dict[str, Any]:
        identity = encoded(self.credential_id)
        return {
            "id": identity,
            "rawId": identity,
            "type": "public-key",
            "response": dict(response),
            "clientExtensionResults": {},
        }


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
