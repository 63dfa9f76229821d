"""DER and tokens: whatever the bytes are, an answer or a clear refusal."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from asn1crypto import tsp
from asn1crypto.core import ObjectIdentifier, ParsableOctetString
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters import der
from chalicelib.adapters.timestamp_tokens import (
    Token,
    TokenError,
    TokenSigner,
    check_answer,
    read_response,
    request,
)
from infra.pki import TimestampService, open_pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.pki import DevelopmentPki

DIGEST = hashlib.sha256(b"a seal").digest()
NONCE = 2**62 + 1

fuzzing = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentPki:
    return open_pki(tmp_path_factory.mktemp("pki"), "http://127.0.0.1:9/pki", stage="local")


@pytest.fixture(scope="module", params=["P-256", "RSA-2048"])
def honest(request: pytest.FixtureRequest, pki: DevelopmentPki) -> tuple[TokenSigner, bytes]:
    """A signer and one honest answer of it."""
    authority = pki.tsa if request.param == "P-256" else pki.tsa2
    body = TimestampService(authority, [pki.issuing]).answer(ask()).body
    return TokenSigner(authority.certificate), body


@pytest.fixture
def answer(honest: tuple[TokenSigner, bytes]) -> Callable[[], tuple[TokenSigner, bytes]]:
    """Behind a call, because hypothesis prints its arguments."""
    return lambda: honest


def ask() -> bytes:
    return request(DIGEST, "sha256", NONCE)


def verified(signer: TokenSigner, body: bytes) -> Token:
    token = read_response(body)
    check_answer(token, digest=DIGEST, algorithm="sha256", nonce=NONCE, policies=())
    signer.check(token)
    return token


# -- DER ---------------------------------------------------------------------


@given(st.integers(0, 2**200))
def test_integers_are_read_as_written(value: int) -> None:
    """X.690 §8.3: numbers of any size survive."""
    assert der.Reader(der.encoded_integer(value)).next().integer == value


@given(st.lists(st.integers(0, 2**70), min_size=1, max_size=9), st.integers(0, 2))
def test_object_identifiers_are_written_as_others_do(arcs: list[int], first: int) -> None:
    """X.690 §8.19: the same bytes as a general library, and read back."""
    arcs[0] %= 40
    dotted = ".".join(map(str, (first, *arcs)))
    written = der.encoded_oid(dotted)
    assert written == ObjectIdentifier(dotted).dump()
    assert der.dotted_oid(der.Reader(written).next().content) == dotted


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",  # indefinite length
        b"\x30\x81\x05hello",  # a long form that could be short
        b"\x30\x82\x00\x85" + bytes(133),  # a length with leading zeros
        b"\x30\x85\x01\x00\x00\x00\x00",  # four gigabytes
        b"\x1f\x81\x01\x00",  # a tag of several bytes
        b"\x30\x05abc",  # longer than there is
    ],
)
def test_what_is_not_der_is_refused(bad: bytes) -> None:
    """X.690 §10: other encodings of the same are not accepted."""
    with pytest.raises(ValueError, match="DER"):
        der.Reader(bad).next()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """P4: no bytes crash or hang the reader."""
    reader = der.Reader(data)
    try:
        total = sum(len(element.encoded) for element in reader.all())
    except ValueError:
        return
    assert total == len(data)


# -- tokens ------------------------------------------------------------------


def test_requests_are_those_of_a_general_library() -> None:
    """RFC 3161 §2.4.1: byte for byte what asn1crypto writes."""
    theirs = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256"},
                "hashed_message": DIGEST,
            },
            "nonce": NONCE,
            "cert_req": True,
        }
    )
    assert ask() == theirs.dump()


def test_an_honest_token(honest: tuple[TokenSigner, bytes]) -> None:
    """A19: an honest token passes, and says when and how precisely."""
    token = verified(*honest)
    assert abs(token.info.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert token.info.accuracy == timedelta(milliseconds=1)
    assert token.info.resolution <= timedelta(milliseconds=100)


@pytest.mark.parametrize(
    ("at", "resolution"),
    [
        (datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC), timedelta(seconds=1)),
        (datetime(2026, 11, 21, 5, 0, 0, 400_000, tzinfo=UTC), timedelta(milliseconds=100)),
        (datetime(2026, 11, 21, 5, 0, 0, 123_000, tzinfo=UTC), timedelta(milliseconds=1)),
        (datetime(2026, 11, 21, 5, 0, 0, 7, tzinfo=UTC), timedelta(microseconds=1)),
    ],
)
def test_the_time_as_it_was_written(
    pki: DevelopmentPki, at: datetime, resolution: timedelta
) -> None:
    """RFC 3161 §2.4.2: trailing zeros are dropped, and what was written is what is known."""
    body = TimestampService(pki.tsa, [pki.issuing], clock=lambda: at).answer(ask()).body
    info = read_response(body).info
    assert (info.at, info.resolution) == (at, resolution)


@pytest.mark.parametrize("micros", [1, 999, 1_000, 1_500, 1_000_000, 2_001_003])
def test_accuracy_in_all_its_parts(pki: DevelopmentPki, micros: int) -> None:
    """RFC 3161 §2.4.2: seconds, millis and micros add up."""
    accuracy = timedelta(microseconds=micros)
    body = TimestampService(pki.tsa, [pki.issuing], accuracy=accuracy).answer(ask()).body
    assert read_response(body).info.accuracy == accuracy


@fuzzing
@given(data=st.data())
def test_any_flipped_bit_is_noticed(
    answer: Callable[[], tuple[TokenSigner, bytes]], data: st.DataObject
) -> None:
    """A19: a token with any bit flipped is refused, or says the same: no crash, no other
    time, no other digest."""
    signer, body = answer()
    at = data.draw(st.integers(0, len(body) - 1))
    flipped = bytes([body[at] ^ (1 << data.draw(st.integers(0, 7)))])
    try:
        token = verified(signer, body[:at] + flipped + body[at + 1 :])
    except TokenError:
        return
    assert token.info == read_response(body).info


@fuzzing
@given(data=st.data())
def test_any_cut_is_refused(
    answer: Callable[[], tuple[TokenSigner, bytes]], data: st.DataObject
) -> None:
    """P4: half an answer is no answer."""
    signer, body = answer()
    with pytest.raises(TokenError):
        verified(signer, body[: data.draw(st.integers(0, len(body) - 1))])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    """P4: noise is refused as malformed, or as a refusal."""
    with pytest.raises(TokenError):
        read_response(data)


def test_the_other_authoritys_certificate(pki: DevelopmentPki) -> None:
    """A19: a token is checked by the certificate it names and no other."""
    body = TimestampService(pki.tsa, [pki.issuing]).answer(ask()).body
    with pytest.raises(TokenError, match="another signer"):
        TokenSigner(pki.tsa2.certificate).check(read_response(body))


@pytest.mark.parametrize("who", ["issuing", "root", "ocsp"])
def test_who_may_not_stamp(pki: DevelopmentPki, who: str) -> None:
    """RFC 3161 §2.3: certificates for other purposes do not sign tokens."""
    with pytest.raises(TokenError, match="not for time-stamps"):
        TokenSigner(getattr(pki, who).certificate)


@pytest.mark.parametrize("seconds", [-1, 10**13, 10**40])
def test_an_accuracy_beyond_all_reason_is_refused(
    honest: tuple[TokenSigner, bytes], seconds: int
) -> None:
    """P4: no number in an answer keeps the next authority from being asked."""
    response = tsp.TimeStampResp.load(honest[1])
    content = response["time_stamp_token"]["content"]["encap_content_info"]
    info = content["content"].parsed
    info["accuracy"] = tsp.Accuracy({"seconds": seconds})
    content["content"] = ParsableOctetString(info.dump(force=True))
    with pytest.raises(TokenError, match="malformed"):
        read_response(response.dump(force=True))
