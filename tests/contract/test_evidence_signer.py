"""What every EvidenceSigner must do, shown on KMS."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import boto3
import jwt
import pytest
from botocore.config import Config

from chalicelib.adapters.kms import KmsEvidenceSigner, KmsSigningKey
from chalicelib.domain.errors import SealError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from chalicelib.ports import EvidenceSigner

pytestmark = pytest.mark.aws


def kms_client(endpoint: str) -> KMSClient:
    return boto3.client(
        "kms",
        endpoint_url=endpoint,
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )


@pytest.fixture(scope="module")
def kms(aws_endpoint: str) -> KMSClient:
    return kms_client(aws_endpoint)


def new_key(kms: KMSClient, spec: str = "ECC_NIST_P256") -> str:
    made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")  # type: ignore[arg-type]  # a test passes wrong ones too
    return made["KeyMetadata"]["KeyId"]


@pytest.fixture(scope="module")
def signer(kms: KMSClient) -> EvidenceSigner:
    return KmsEvidenceSigner(kms, new_key(kms))


@pytest.mark.parametrize(
    "payload", [b"", b"{}", '{"เรื่อง":"ทดสอบ"}'.encode(), bytes(range(256)) * 400]
)
def test_anyone_can_verify(signer: EvidenceSigner, payload: bytes) -> None:
    """P5, P7: evidence verifies with nothing but the published keys, byte for byte."""
    evidence = signer.sign(payload)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(signer.jwks())).keys}
    header = jwt.get_unverified_header(evidence)
    assert header["alg"] == "ES256"
    assert jwt.PyJWS().decode(evidence, keys[header["kid"]], algorithms=["ES256"]) == payload


def test_changed_evidence_fails(signer: EvidenceSigner) -> None:
    """P5: evidence cannot be edited afterwards."""
    head, _, signature = signer.sign(b'{"accepted":true}').split(".")
    other = base64.urlsafe_b64encode(b'{"accepted":false}').rstrip(b"=").decode()
    key = jwt.PyJWKSet.from_dict(dict(signer.jwks())).keys[0]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.PyJWS().decode(f"{head}.{other}.{signature}", key, algorithms=["ES256"])


def test_a_message_is_signed_without_being_repeated(kms: KMSClient) -> None:
    """Issue 6, 2: whoever puts the body back where it belongs (RFC 7515, appendix F) verifies it
    with any JOSE library, and sees what the header binds it to."""
    signer, body = KmsEvidenceSigner(kms, new_key(kms)), '{"id":"เลข ๑"}'.encode()
    head, nothing, signature = signer.sign_detached(
        body, {"aud": "https://a.example", "iat": 7}
    ).split(".")
    assert nothing == ""
    key = jwt.PyJWKSet.from_dict(dict(signer.jwks())).keys[0]
    whole = f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{signature}"
    found = jwt.PyJWS().decode_complete(whole, key, algorithms=["ES256"])
    assert found["payload"] == body
    assert found["header"] == {
        "alg": "ES256",
        "kid": key.key_id,
        "aud": "https://a.example",
        "iat": 7,
    }


def test_signatures_always_have_64_bytes(signer: EvidenceSigner) -> None:
    """RFC 7518 §3.4: r and s are padded, also when DER made them shorter; 1 in 128 is."""
    lengths = {len(signer.sign(b"%d" % n).rsplit(".", 1)[1]) for n in range(300)}
    assert lengths == {86}  # 64 bytes in base64url


def test_kid_is_the_thumbprint(signer: EvidenceSigner) -> None:
    """P7: whoever has the key can recompute its id (RFC 7638)."""
    key = signer.jwks()["keys"][0]
    required = {name: key[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    expected = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    assert key["kid"] == expected


def test_only_public_members_are_published(signer: EvidenceSigner) -> None:
    """P7: the published set holds nothing private (RFC 7518 §6.2.2)."""
    (key,) = signer.jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"}


def test_given_kid_is_used(kms: KMSClient) -> None:
    """A key may keep the id it was published under before."""
    signer = KmsEvidenceSigner(kms, new_key(kms), kid="evidence-2026")
    assert jwt.get_unverified_header(signer.sign(b"{}"))["kid"] == "evidence-2026"
    assert signer.jwks()["keys"][0]["kid"] == "evidence-2026"


def test_unknown_key(kms: KMSClient) -> None:
    """P4: a key that is not there needs a person, and the error says so without ids."""
    key_id = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(SealError) as refused:
        KmsEvidenceSigner(kms, key_id).sign(b"{}")
    assert "NotFoundException" in refused.value.detail
    assert key_id not in refused.value.detail


def test_disabled_key(kms: KMSClient) -> None:
    """P4: a disabled key refuses to sign; that is not a fault that waiting heals."""
    key_id = new_key(kms)
    kms.disable_key(KeyId=key_id)
    with pytest.raises(SealError):
        KmsSigningKey(kms, key_id).sign_digest(bytes(32))


def test_other_kinds_of_keys_are_refused(kms: KMSClient) -> None:
    """A6: seals and evidence are P-256 only; an RSA key is refused before it signs."""
    with pytest.raises(SealError):
        KmsEvidenceSigner(kms, new_key(kms, "RSA_2048")).sign(b"{}")


def test_unreachable_kms_heals_by_waiting() -> None:
    """P4: no answer from KMS is retried, not reported as a bad key."""
    nobody = kms_client("http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(UnavailableError):
        KmsSigningKey(nobody, "any").sign_digest(bytes(32))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_only_digests_are_signed(kms: KMSClient, size: int) -> None:
    """P6: content cannot slip to KMS in place of its digest."""
    with pytest.raises(ValueError, match="32 bytes"):
        KmsSigningKey(kms, "any").sign_digest(bytes(size))
