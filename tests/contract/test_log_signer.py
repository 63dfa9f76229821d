"""One suite for both log signers: the key in memory and the one in KMS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from chalicelib.adapters.ed25519 import verify
from chalicelib.adapters.log_signer import KmsLogSigner
from chalicelib.adapters.memory_logs import MemoryLogSigner
from chalicelib.domain.errors import ConfigurationError, UnavailableError
from chalicelib.domain.notes import (
    Checkpoint,
    KeyKind,
    VerifierKey,
    open_checkpoint,
    sign_checkpoint,
)
from chalicelib.ports import LogSigner


def _new_key(spec: str = "ECC_NIST_EDWARDS25519") -> tuple[Any, str]:
    kms: Any = boto3.client("kms")
    made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    return kms, made["KeyMetadata"]["KeyId"]


@pytest.fixture(params=["memory", pytest.param("kms", marks=pytest.mark.aws)])
def signer(request: pytest.FixtureRequest) -> Iterator[LogSigner]:
    if request.param == "memory":
        yield MemoryLogSigner()
        return
    request.getfixturevalue("aws")
    yield KmsLogSigner(*_new_key())


def test_anyone_can_verify(signer: LogSigner) -> None:
    """P7: pure Ed25519 over the message itself, by the published key."""
    signature = signer.sign(b"message")
    assert (len(signature), len(signer.public_key)) == (64, 32)
    assert verify(signer.public_key, b"message", signature)
    assert not verify(signer.public_key, b"massage", signature)
    assert not verify(bytes(32), b"message", signature)
    assert not verify(signer.public_key, b"message", signature[:-1])


def test_the_same_message_has_one_signature(signer: LogSigner) -> None:
    """P8: a run that was killed after signing makes the same note again (RFC 8032, 5.1.6)."""
    assert signer.sign(b"message") == signer.sign(b"message")


def test_a_checkpoint_is_signed(signer: LogSigner) -> None:
    """P7: a signed note (C2SP), Thai-free and small, passes through the key."""
    key = VerifierKey(
        "tra.test/v1/registers/diw/licence/2026/numbers", KeyKind.LOG, signer.public_key
    )
    checkpoint = Checkpoint(key.name, 7, bytes(32))
    note = sign_checkpoint(checkpoint, key, signer.sign).to_bytes()
    assert open_checkpoint(note, key, verify).checkpoint == checkpoint


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_other_kinds_of_keys_are_refused() -> None:
    """P7: checkpoints are Ed25519 only; a P-256 key is refused before it is published."""
    with pytest.raises(ConfigurationError):
        _ = KmsLogSigner(*_new_key("ECC_NIST_P256")).public_key


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_a_disabled_key_signs_nothing() -> None:
    """P7: what KMS refuses is an error, not an empty signature."""
    kms, key_id = _new_key()
    kms.disable_key(KeyId=key_id)
    with pytest.raises(UnavailableError):
        KmsLogSigner(kms, key_id).sign(b"message")


def test_unreachable_kms_heals_by_waiting() -> None:
    """P4: no answer from KMS is retried by the next run."""
    nobody: Any = boto3.client(
        "kms",
        endpoint_url="http://127.0.0.1:9",  # the discard port: nobody listens
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    with pytest.raises(UnavailableError):
        KmsLogSigner(nobody, "any").sign(b"message")
