"""Codes of an app, by pyotp (port: OneTimeCodes)."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence

import pyotp

from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import STEP

ISSUER = "Tra"
_SEED_BYTES = 20


class PyotpCodes:
    """RFC 6238 with what every app can: HMAC-SHA-1, six digits."""

    def new_seed(self) -> bytes:
        return secrets.token_bytes(_SEED_BYTES)

    def step_of(self, seed: bytes, code: str, steps: Sequence[int]) -> int | None:
        totp, shown = _totp(seed), code.encode()
        # All are compared, each in constant time: how long it takes tells nothing.
        good = [s for s in steps if hmac.compare_digest(totp.generate_otp(s).encode(), shown)]
        return good[0] if good else None

    def uri(self, seed: bytes, officer: Officer) -> str:
        """The account is agency and subject: an app shows no name of anybody."""
        account = f"{officer.subject}@{officer.agency_id}"
        return _totp(seed).provisioning_uri(name=account, issuer_name=ISSUER)

    def picture(self, uri: str) -> str:
        import segno  # noqa: PLC0415 - only who enrols an app waits for it

        picture: str = segno.make(uri, error="m", micro=False).svg_data_uri(scale=4)
        return picture


def _totp(seed: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(seed).decode(), interval=int(STEP.total_seconds()))
