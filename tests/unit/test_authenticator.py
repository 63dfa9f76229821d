"""The app that runs in real time: no code twice, and none that is too old when it arrives."""

from __future__ import annotations

import pyotp
import pytest

from infra.authenticator import Authenticator

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_no_code_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6238 5.2: three at once (the step before, this one, the next), then it waits for time."""
    now = [1_000_000 * 30 + 3.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.sleep", sleep)
    totp = pyotp.TOTP(SECRET)
    app = Authenticator(totp)
    shown = [app.code() for _ in range(3)]
    assert shown == [totp.generate_otp(1_000_000 + n) for n in (-1, 0, 1)]
    assert slept == []
    assert app.code() == totp.generate_otp(1_000_002)
    assert sum(slept) == pytest.approx(27)


def test_late_in_a_step_it_begins_with_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 7: a code of the step before might be too old by the time it arrives."""
    monkeypatch.setattr("time.time", lambda: 30_000_025.0)
    totp = pyotp.TOTP(SECRET)
    assert Authenticator(totp).code() == totp.generate_otp(1_000_000)
