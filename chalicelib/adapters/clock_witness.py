"""When no credential can be used because of what time it is, look whether it is that time.

A clock more than some minutes wrong makes revocation answers stale or of the future, and
certificates not yet valid: then no seal is begun, no time-stamp is asked for, and the clock
would silence the very alarm that watches it (A19).

Nothing is written: a process that dies half-way has wasted one token.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.domain.errors import (
    CertificateNotYetValidError,
    RevocationUnknownError,
    TraError,
)

if TYPE_CHECKING:
    from chalicelib.adapters.trust import CredentialChecker, Timestamper, UsableCredential
    from chalicelib.domain.seals import SealCredential, SealPolicy

_PAUSE = 60.0  # seconds
_NOTHING = hashlib.sha256(b"").digest()


class ClockWitness:
    """Implements trust.CredentialChecker: what `checker` says. Where that may be the clock's
    fault, one token is asked of `timestamper`, whose watch hears what it proves of the clock,
    at most once in `pause` seconds: tokens cost money. Safe to share between threads."""

    def __init__(
        self,
        checker: CredentialChecker,
        timestamper: Timestamper,
        *,
        pause: float = _PAUSE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checker = checker
        self._timestamper = timestamper
        self._pause = pause
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._not_before = float("-inf")

    def usable(self, credentials: Sequence[SealCredential], policy: SealPolicy) -> UsableCredential:
        """See trust.CredentialChecker."""
        try:
            return self._checker.usable(credentials, policy)
        except (RevocationUnknownError, CertificateNotYetValidError):
            self._look_at_clock()
            raise

    def _look_at_clock(self) -> None:
        with self._lock:
            now = self._monotonic()
            if now < self._not_before:
                return
            self._not_before = now + self._pause
        with suppress(TraError):
            self._timestamper.stamp(_NOTHING)
