"""An officer's app in real time, for what runs against a clock that nobody moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyotp

_STEP = 30
# So late in a step its predecessor may be refused by the time the request arrives.
_LATE = 20


@dataclass
class LiveApp:
    """Shows each code once, the oldest that is still taken first: three can be used at once, then
    one every half a minute (guide/second-factor.md)."""

    totp: pyotp.TOTP
    _last: int = 0

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
