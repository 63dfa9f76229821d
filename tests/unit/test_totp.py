"""Codes of an app: the vectors of the RFC, and what an app is handed."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from chalicelib.adapters.totp import PyotpCodes
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import STEP

SEED = b"12345678901234567890"
# RFC 6238, appendix B, SHA-1: eight digits there, of which apps show the last six.
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_vectors_of_the_rfc(seconds: int, code: str) -> None:
    """RFC 6238, appendix B: the code of each moment, and of no step beside it."""
    step = seconds // int(STEP.total_seconds())
    codes = PyotpCodes()
    assert codes.step_of(SEED, code[-6:], (step,)) == step
    assert codes.step_of(SEED, code[-6:], (step + 1, step, step - 1)) == step
    assert codes.step_of(SEED, code[-6:], (step - 1, step + 1)) is None


@pytest.mark.parametrize("shown", ["", "28708", "2870820", "๒๘๗๐๘๒", "28708a"])
def test_what_is_no_code_is_none(shown: str) -> None:
    """Issue 7: bad input is refused, not stumbled over."""
    assert PyotpCodes().step_of(SEED, shown, (1,)) is None


def test_what_an_app_is_handed() -> None:
    """Issue 7 item 3: issuer Tra, an account that names nobody, a seed of 160 bits, new each time."""
    codes = PyotpCodes()
    uri = urlsplit(codes.uri(SEED, Officer("diw", "u-7")))
    told = parse_qs(uri.query)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Tra:u-7@diw"
    assert told["issuer"] == ["Tra"]
    assert base64.b32decode(told["secret"][0]) == SEED
    assert set(told) <= {"secret", "issuer", "algorithm", "digits", "period"}
    assert len(codes.new_seed()) == 20
    assert codes.new_seed() != codes.new_seed()


def test_the_picture_holds_the_uri_only() -> None:
    """Issue 7 item 3: the QR code is a picture of its own; nothing is fetched for it."""
    picture = PyotpCodes().picture("otpauth://totp/Tra:u-7@diw?secret=GEZDGNBVGY3TQOJQ&issuer=Tra")
    assert picture.startswith("data:image/svg+xml")
    assert "GEZDGNBV" not in picture
