"""AWS KMS: keys that never leave it. Seals have RSA or elliptic-curve keys, evidence P-256.

KMS is handed digests (`MessageType=DIGEST`), never content, so nothing of a
document travels. Nothing here is written anywhere: a process that dies half-way has
spent at most one signature that nobody saw.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chalicelib.domain.errors import SealError, UnavailableError
from chalicelib.domain.seals import KeyAlgorithm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.literals import SigningAlgorithmSpecType

_COORDINATE_BYTES = 32  # P-256
_DIGEST_BYTES = {"sha256": 32, "sha384": 48}
_SIGNING_ALGORITHMS: dict[KeyAlgorithm, SigningAlgorithmSpecType] = {
    KeyAlgorithm.RSA_2048: "RSASSA_PKCS1_V1_5_SHA_256",
    KeyAlgorithm.RSA_3072: "RSASSA_PKCS1_V1_5_SHA_256",
    KeyAlgorithm.P_256: "ECDSA_SHA_256",
    KeyAlgorithm.P_384: "ECDSA_SHA_384",
}

# Errors of KMS that waiting can heal; every other one needs a person.
_TRANSIENT = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)


class KmsSigningKey:
    """One asymmetric key for signing (adapters.trust.SigningKey). What it is and its public
    half are asked once per container."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self.key_id = key_id

    def sign_digest(self, digest: bytes) -> bytes:
        """Signature over a digest made with `algorithm.digest`: RSASSA-PKCS1-v1_5 (RFC 8017
        §8.2), or DER `ECDSA-Sig-Value` (RFC 3279).

        Raises UnavailableError when waiting can help, SealError when the key is
        missing, disabled, of another kind or not permitted to us.
        """
        if len(digest) not in _DIGEST_BYTES.values():
            raise ValueError("KMS signs digests of 32 bytes (SHA-256) or 48 bytes (SHA-384) here")
        if len(digest) != _DIGEST_BYTES[self.algorithm.digest]:
            raise ValueError("the digest is not the one that goes with the key")
        try:
            answer = self._client.sign(
                KeyId=self.key_id,
                Message=digest,
                MessageType="DIGEST",
                SigningAlgorithm=_SIGNING_ALGORITHMS[self.algorithm],
            )
        except (BotoCoreError, ClientError) as error:
            raise _translated(error, "sign with") from error
        return answer["Signature"]

    @property
    def algorithm(self) -> KeyAlgorithm:
        """What KMS calls the key (KeySpec). Raises like `sign_digest`, and SealError if it
        is of a kind that seals do not use."""
        return self._public[1]

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo (RFC 5280), DER. Raises like `algorithm`."""
        return self._public[0]

    @cached_property
    def _public(self) -> tuple[bytes, KeyAlgorithm]:
        try:
            answer = self._client.get_public_key(KeyId=self.key_id)
        except (BotoCoreError, ClientError) as error:
            raise _translated(error, "read the public half of") from error
        algorithm = _algorithm_of(answer["PublicKey"])
        if algorithm is None or answer["KeySpec"] != algorithm:
            raise SealError(
                "The KMS key is of a kind that neither seals nor evidence use.",
                "กุญแจใน KMS เป็นชนิดที่ไม่รองรับสำหรับตราประทับอิเล็กทรอนิกส์",
            )
        return answer["PublicKey"], algorithm


class KmsEvidenceSigner:
    """Signs evidence as compact JWS, ES256 (RFC 7515, RFC 7518 §3.4). Implements
    ports.EvidenceSigner.

    `kid` is the RFC 7638 thumbprint of the public key unless another is given, so
    anyone can recompute it and two keys can never share it. ECDSA in KMS is
    randomised: the same payload gives another signature each time, which is why
    services keep the first one (P5).
    """

    def __init__(self, client: KMSClient, key_id: str, kid: str | None = None) -> None:
        self._key = KmsSigningKey(client, key_id)
        self._kid = kid

    def sign(self, payload: bytes, *, media_type: str | None = None) -> str:
        """Compact JWS with the header members `alg`, `kid` and, without `application/`, `typ`
        (RFC 7515 §4.1.9). Raises UnavailableError or SealError."""
        typed = {} if media_type is None else {"typ": media_type.removeprefix("application/")}
        return self._compact(payload, typed)

    def sign_detached(self, payload: bytes, members: Mapping[str, str | int]) -> str:
        """Compact JWS with `members` in its protected header and without the payload, which
        travels beside it (RFC 7515, appendix F). Raises as `sign`."""
        head, _, signature = self._compact(payload, members).split(".")
        return f"{head}..{signature}"

    def _compact(self, payload: bytes, members: Mapping[str, str | int]) -> str:
        header = {"alg": "ES256", "kid": self._jwk["kid"], **members}
        protected = base64url(json.dumps(header, separators=(",", ":")).encode())
        signing_input = f"{protected}.{base64url(payload)}"
        der = self._key.sign_digest(hashlib.sha256(signing_input.encode()).digest())
        return f"{signing_input}.{base64url(raw_signature(der))}"

    def jwks(self) -> Mapping[str, Any]:
        """The public key as a JWK Set (RFC 7517). Raises UnavailableError or SealError."""
        return {"keys": [dict(self._jwk)]}

    @cached_property
    def _jwk(self) -> Mapping[str, str]:
        jwk = public_jwk(self._key.public_key_der)
        kid = self._kid or thumbprint(jwk)
        return {**jwk, "use": "sig", "alg": "ES256", "kid": kid}


def public_jwk(public_key_der: bytes) -> dict[str, str]:
    """The required members of a P-256 public key as JWK (RFC 7518 §6.2.1).
    Raises SealError if it is another kind of key."""
    numbers = _p256(public_key_der).public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": base64url(numbers.x.to_bytes(_COORDINATE_BYTES)),
        "y": base64url(numbers.y.to_bytes(_COORDINATE_BYTES)),
    }


def thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638 SHA-256 thumbprint of the required members of an EC key."""
    required = {member: jwk[member] for member in ("crv", "kty", "x", "y")}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    return base64url(hashlib.sha256(canonical).digest())


def raw_signature(der: bytes) -> bytes:
    """`r || s`, 64 bytes, as JWS wants it (RFC 7518 §3.4), from DER."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _algorithm_of(der: bytes) -> KeyAlgorithm | None:
    """What a public key is, by itself: KMS's word for it is checked against this."""
    match load_der_public_key(der):
        case RSAPublicKey(key_size=2048):
            return KeyAlgorithm.RSA_2048
        case RSAPublicKey(key_size=3072):
            return KeyAlgorithm.RSA_3072
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return KeyAlgorithm.P_256
        case EllipticCurvePublicKey(curve=SECP384R1()):
            return KeyAlgorithm.P_384
        case _:
            return None


def _p256(der: bytes) -> EllipticCurvePublicKey:
    key = load_der_public_key(der)
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise SealError(
            "The KMS key is not a P-256 key; evidence needs ECC_NIST_P256.",
            "กุญแจใน KMS ไม่ใช่ชนิด P-256 ซึ่งจำเป็นสำหรับหลักฐานอิเล็กทรอนิกส์",
        )
    return key


def _translated(error: BotoCoreError | ClientError, doing: str) -> SealError | UnavailableError:
    """KMS's error in our words. Names the error code, never the message: that may
    carry account ids and roles."""
    if not isinstance(error, ClientError):  # no answer at all
        return UnavailableError("KMS did not answer.", "ระบบกุญแจ (KMS) ไม่ตอบสนอง")
    name = error.response.get("Error", {}).get("Code", "unknown")
    if name in _TRANSIENT:
        return UnavailableError(f"KMS is busy ({name}).", f"ระบบกุญแจ (KMS) ไม่ว่าง ({name})")
    return SealError(
        f"KMS refused to {doing} the key ({name}).", f"ระบบกุญแจ (KMS) ปฏิเสธการใช้กุญแจ ({name})"
    )
