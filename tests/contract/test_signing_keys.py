"""Signing keys: KMS and the stand-in in this process keep the same promises."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.domain.errors import SealError
from chalicelib.domain.seals import KeyAlgorithm
from tests.support.sealing import software_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_kms import KMSClient

    from chalicelib.adapters.trust import SigningKey

_MESSAGE = b"attributes"


def kms_key(kms: KMSClient, spec: str) -> KmsSigningKey:
    made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")  # type: ignore[arg-type]  # tests name others too
    return KmsSigningKey(kms, made["KeyMetadata"]["KeyId"])


@pytest.fixture(
    params=["software", pytest.param("kms", marks=pytest.mark.aws)],
)
def key_of(request: pytest.FixtureRequest) -> Callable[[KeyAlgorithm], SigningKey]:
    """Makes a key of a kind, in one house or the other."""
    if request.param == "software":
        return software_key
    kms: KMSClient = request.getfixturevalue("kms")
    return lambda algorithm: kms_key(kms, algorithm.value)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_signs_as_it_says(
    key_of: Callable[[KeyAlgorithm], SigningKey], algorithm: KeyAlgorithm
) -> None:
    """A6: each kind of key signs a digest made with its own hash, and anyone can verify it."""
    key = key_of(algorithm)
    assert key.algorithm is algorithm
    signature = key.sign_digest(hashlib.new(algorithm.digest, _MESSAGE).digest())
    hashed = hashes.SHA384() if algorithm.digest == "sha384" else hashes.SHA256()
    public = load_der_public_key(key.public_key_der)
    if algorithm.is_rsa:
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(signature, _MESSAGE, padding.PKCS1v15(), hashed)
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(signature, _MESSAGE, ec.ECDSA(hashed))


@pytest.mark.aws
@pytest.mark.parametrize("spec", ["RSA_4096", "ECC_SECG_P256K1"])
def test_other_kinds_are_refused(kms: KMSClient, spec: str) -> None:
    """A6: a key that no seal may have is refused before it signs."""
    with pytest.raises(SealError):
        kms_key(kms, spec).sign_digest(bytes(32))


@pytest.mark.aws
def test_the_digest_goes_with_the_key(kms: KMSClient) -> None:
    """A6: a SHA-384 digest never meets a P-256 key."""
    with pytest.raises(ValueError, match="goes with the key"):
        kms_key(kms, "ECC_NIST_P256").sign_digest(bytes(48))
