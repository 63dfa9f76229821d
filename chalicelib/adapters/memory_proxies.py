"""Fake of ProxyUseStore, with the same promises as the real one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from chalicelib.domain.errors import RegisterConflictError
from chalicelib.domain.proxies import Count, Use


class MemoryProxyUses:
    """Port: ProxyUseStore."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._uses: dict[tuple[str, str], Use] = {}
        self._times: dict[tuple[str, str], int] = {}

    def use(self, document_id: str, use_id: str) -> Use | None:
        with self._lock:
            return self._uses.get((document_id, use_id))

    def times(self, document_id: str, power: str) -> int:
        with self._lock:
            return self._times.get((document_id, power), 0)

    def enter(self, use: Use, counts: Sequence[Count]) -> Use:
        with self._lock:
            stored = self._uses.get((use.document_id, use.use_id))
            if stored is not None:
                return stored
            if any(self.times(one.document_id, one.power) != one.number - 1 for one in counts):
                raise RegisterConflictError("The power was used meanwhile.")
            self._times |= {(one.document_id, one.power): one.number for one in counts}
            self._uses[use.document_id, use.use_id] = use
            return use
