"""An officer's app for codes, as the demo and the tests have one. Knows nothing but HTTP."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyotp

if TYPE_CHECKING:
    from infra.client import Client

_STEP = 30
# So late in a step its predecessor may be refused by the time the request arrives.
_LATE = 20


@dataclass
class Authenticator:
    """Shows each code once, the oldest that is still taken first: three can be used at once, then
    one every half a minute (guide/second-factor.md)."""

    totp: pyotp.TOTP
    recovery_codes: list[str] = field(default_factory=list, repr=False)
    _last: int = 0

    @classmethod
    def enrol(cls, client: Client, **shown: Any) -> Authenticator:
        """Enrol an app for whoever the client speaks for, and confirm it. Who has a factor already
        shows it: `otp` or `assertion`."""
        body = {"method": "totp", **shown}
        begun = client.post("/v1/me/factors", body, key=secrets.token_hex(8))
        found = pyotp.parse_uri(begun["otpauth_uri"])
        if not isinstance(found, pyotp.TOTP):
            raise TypeError("an app for codes has another URI")
        app = cls(found)
        path = f"/v1/me/factors/{begun['factor_id']}/confirmation"
        done = client.post(path, {"otp": app.code()}, key=secrets.token_hex(8))
        app.recovery_codes = done["recovery_codes"]
        return app

    def code(self) -> str:
        """A code that was not shown before; waits for the next step if all were."""
        while True:
            now = time.time()
            step = int(now) // _STEP
            oldest = step if now % _STEP > _LATE else step - 1
            wanted = max(self._last + 1, oldest)
            if wanted <= step + 1:
                self._last = wanted
                return self.totp.generate_otp(wanted)
            time.sleep(_STEP - now % _STEP)
