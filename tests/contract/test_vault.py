"""What every Vault must do, shown on KMS and on the fake."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.vault import KmsVault, MemoryVault
from chalicelib.domain.classification import Classification
from chalicelib.domain.errors import SecretUnreadableError, UnavailableError
from chalicelib.domain.secrecy import SecretContext
from tests.support.planting import forms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_kms import KMSClient

    from chalicelib.ports import Vault

CONTEXT = SecretContext(
    document_id="01JD0000000000000000000001",
    agency_id="diw",
    classification=Classification.SECRET,
    purpose="content",
)
OTHERS = {
    "other document": replace(CONTEXT, document_id="01JD0000000000000000000002"),
    "other agency": replace(CONTEXT, agency_id="dga"),
    "other classification": replace(CONTEXT, classification=Classification.CONFIDENTIAL),
    "other purpose": replace(CONTEXT, purpose="entry"),
}
CLEAR = "ลับมาก: การย้ายผู้ต้องหา".encode()


@pytest.fixture(params=["memory", pytest.param("kms", marks=pytest.mark.aws)], scope="module")
def vault(request: pytest.FixtureRequest) -> Vault:
    if request.param == "memory":
        return MemoryVault()
    kms: KMSClient = request.getfixturevalue("kms")
    return KmsVault(lambda: kms, new_key(kms))


def new_key(kms: KMSClient) -> str:
    return kms.create_key()["KeyMetadata"]["Arn"]


@pytest.mark.parametrize("clear", [b"", b"{}", CLEAR, bytes(range(256)) * 4_000])
def test_what_was_sealed_opens(vault: Vault, clear: bytes) -> None:
    """A13: what is encrypted for a context opens with that context, byte for byte."""
    assert vault.open(vault.seal(clear, CONTEXT), CONTEXT) == clear


def test_nothing_of_it_is_seen(vault: Vault) -> None:
    """A13, C5: the envelope holds the clear text in no form, and no two are alike, so that equal
    texts cannot be told from different ones."""
    first, second = vault.seal(CLEAR, CONTEXT), vault.seal(CLEAR, CONTEXT)
    assert first != second
    assert not [form for form in forms_of(CLEAR.decode()) if form in first]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_context_does_not_open_it(vault: Vault, other: SecretContext) -> None:
    """A13: an envelope that was moved to another document, agency, classification or place is not
    opened."""
    with pytest.raises(SecretUnreadableError) as refused:
        vault.open(vault.seal(CLEAR, CONTEXT), other)
    assert CLEAR.decode() not in refused.value.detail


def test_a_changed_byte_is_found_wherever_it_is(vault: Vault) -> None:
    """A13: header, wrapped key, nonce, text and tag: whichever byte changes, nothing is opened
    rather than something wrong."""
    sealed = vault.seal(CLEAR, CONTEXT)
    places = range(0, len(sealed), 1 if isinstance(vault, MemoryVault) else 7)
    for place in (*places, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 0x01
        with pytest.raises(SecretUnreadableError):
            vault.open(bytes(changed), CONTEXT)


def test_what_is_cut_off_does_not_open(vault: Vault) -> None:
    """A13: no beginning of an envelope, and nothing longer than it, is taken for one."""
    sealed = vault.seal(CLEAR, CONTEXT)
    step = 1 if isinstance(vault, MemoryVault) else 23
    for end in (*range(0, len(sealed), step), len(sealed) - 1):
        with pytest.raises(SecretUnreadableError):
            vault.open(sealed[:end], CONTEXT)
    with pytest.raises(SecretUnreadableError):
        vault.open(sealed + b"\0", CONTEXT)


def test_the_text_of_one_does_not_go_with_the_key_of_another(vault: Vault) -> None:
    """A13: an envelope whose text was exchanged for another's of the same document is refused."""
    one, other = vault.seal(b"A" * 40, CONTEXT), vault.seal(b"B" * 40, CONTEXT)
    with pytest.raises(SecretUnreadableError):
        vault.open(one[:-80] + other[-80:], CONTEXT)


@given(
    clear=st.binary(max_size=2_000),
    document=st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26),
    purpose=st.text(min_size=1, max_size=60),
    place=st.integers(min_value=0),
    bit=st.integers(min_value=0, max_value=7),
)
def test_any_text_any_context_any_damage(
    clear: bytes, document: str, purpose: str, place: int, bit: int
) -> None:
    """A13: for all texts and contexts: what was sealed opens, and one changed bit anywhere makes
    it unreadable."""
    vault = MemoryVault()
    context = replace(CONTEXT, document_id=document, purpose=purpose)
    sealed = vault.seal(clear, context)
    assert vault.open(sealed, context) == clear
    changed = bytearray(sealed)
    changed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(SecretUnreadableError):
        vault.open(bytes(changed), context)


# -- KMS alone -----------------------------------------------------------------


@pytest.mark.aws
def test_an_envelope_under_another_key_is_refused(kms: KMSClient) -> None:
    """A13: what somebody made with a key of their own does not pass for ours."""
    theirs = KmsVault(lambda: kms, new_key(kms)).seal(CLEAR, CONTEXT)
    with pytest.raises(SecretUnreadableError):
        KmsVault(lambda: kms, new_key(kms)).open(theirs, CONTEXT)


@pytest.mark.aws
def test_a_disabled_key_is_waited_for(kms: KMSClient) -> None:
    """P4: a key that was disabled can be enabled again: nothing is refused for good, and the
    error tells the operator why without naming the key."""
    key = new_key(kms)
    vault = KmsVault(lambda: kms, key)
    sealed = vault.seal(CLEAR, CONTEXT)
    kms.disable_key(KeyId=key)
    attempts: list[Callable[[], bytes]] = [
        lambda: vault.open(sealed, CONTEXT),
        lambda: vault.seal(CLEAR, CONTEXT),
    ]
    for attempt in attempts:
        with pytest.raises(UnavailableError) as refused:
            attempt()
        assert "DisabledException" in refused.value.detail
        assert key not in refused.value.detail
    kms.enable_key(KeyId=key)
    assert vault.open(sealed, CONTEXT) == CLEAR


def test_kms_that_does_not_answer_is_waited_for() -> None:
    """P4: no answer is no verdict."""
    nobody: Any = boto3.client(
        "kms",
        endpoint_url="http://127.0.0.1:9",  # the discard port: nobody listens
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    with pytest.raises(UnavailableError):
        KmsVault(lambda: nobody, "any").seal(CLEAR, CONTEXT)


def test_kms_is_told_the_context_and_never_the_text() -> None:
    """A13: one call each, with document, agency, classification and purpose; what KMS hears (and
    its trail keeps) holds nothing of the text."""
    heard: list[dict[str, Any]] = []
    key = bytes(32)

    class Kms:
        def generate_data_key(self, **asked: Any) -> dict[str, bytes]:
            heard.append(asked)
            return {"Plaintext": key, "CiphertextBlob": b"wrapped"}

        def decrypt(self, **asked: Any) -> dict[str, bytes]:
            heard.append(asked)
            return {"Plaintext": key}

    vault = KmsVault(Kms, "the-key")  # type: ignore[arg-type]  # as much of KMS as is asked
    assert vault.open(vault.seal(CLEAR, CONTEXT), CONTEXT) == CLEAR
    told = {
        "document": CONTEXT.document_id,
        "agency": "diw",
        "classification": "secret",
        "purpose": "content",
    }
    assert heard == [
        {"KeyId": "the-key", "KeySpec": "AES_256", "EncryptionContext": told},
        {"KeyId": "the-key", "CiphertextBlob": b"wrapped", "EncryptionContext": told},
    ]


def test_what_is_looked_for_would_be_found() -> None:
    """The search for clear text, here and in test_planted_secrets, finds what is there."""
    for stored in (
        CLEAR,
        base64.b64encode(b"x" + CLEAR),
        CLEAR.decode().encode("utf-16-be"),
        CLEAR.hex().encode(),
    ):
        assert [form for form in forms_of(CLEAR.decode()) if form in stored]
    assert CLEAR not in zlib.compress(CLEAR * 3)
