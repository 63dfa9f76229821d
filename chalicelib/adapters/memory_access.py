"""Fake of AccessStore, with the same promises as the real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.access_log import AccessLeaf, AccessRecord
from chalicelib.domain.errors import FieldFault, InvalidRequestError, RegisterConflictError
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Register
from chalicelib.domain.things import Thing
from chalicelib.ports import AccessPage, AccessSearch, KeptAccess


@dataclass
class MemoryRecord:
    """A record as it is kept; tests may change it."""

    record: AccessRecord
    seq: int | None = None
    waits: bool = True
    listed: bool = True

    def kept(self) -> KeptAccess:
        body = self.record.to_bytes()
        return KeptAccess(
            access_id=self.record.access_id,
            body=body,
            seq=self.seq,
            waits=self.waits,
            listed=self.listed,
        )


class MemoryAccessStore:
    """Port: AccessStore. `records` and `leaves_of` are for tests to look into, and to tamper
    with."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.records: dict[tuple[str, str], MemoryRecord] = {}
        self.leaves_of: dict[str, list[bytes]] = {}

    def add(self, *records: AccessRecord) -> None:
        with self._lock:
            for record in records:
                key = (record.log_id, record.access_id)
                self.records.setdefault(key, MemoryRecord(record))

    def waiting(self, limit: int) -> tuple[AccessRecord, ...]:
        with self._lock:
            found = (kept.record for kept in self.records.values() if kept.waits)
            return tuple(sorted(found, key=lambda record: record.moment)[:limit])

    def length(self, log_id: str) -> int:
        with self._lock:
            return len(self.leaves_of.get(log_id, ()))

    def place(self, leaves: Sequence[AccessLeaf]) -> None:
        with self._lock:
            for index, leaf in enumerate(leaves):
                self._demand_next(leaf, index)
            for leaf in leaves:
                kept = self.records[leaf.log_id, leaf.access_id]
                kept.seq, kept.waits = leaf.seq, False
                self.leaves_of.setdefault(leaf.log_id, []).append(leaf.to_bytes())

    def leaves(self, log_id: str, *, start: int, limit: int) -> tuple[bytes, ...]:
        with self._lock:
            return tuple(self.leaves_of.get(log_id, ())[start : start + limit])

    def logs(self) -> tuple[Register, ...]:
        with self._lock:
            return tuple(Register.parse(log_id) for log_id in sorted(self.leaves_of))

    def of_thing(self, thing: Thing, search: AccessSearch) -> AccessPage:
        return self._search(lambda record: record.thing.key == thing.key, search)

    def of_officer(self, officer: Officer, search: AccessSearch) -> AccessPage:
        return self._search(lambda record: record.officer == officer, search)

    def kept(self, log_id: str, access_ids: Sequence[str]) -> dict[str, KeptAccess]:
        with self._lock:
            keys = ((log_id, access_id) for access_id in access_ids)
            return {key[1]: self.records[key].kept() for key in keys if key in self.records}

    def all_kept(self, log_id: str) -> Iterator[KeptAccess]:
        with self._lock:
            found = [kept.kept() for (log, _), kept in self.records.items() if log == log_id]
        return iter(found)

    def waiting_logs(self) -> tuple[Register, ...]:
        with self._lock:
            ids = {log_id for (log_id, _), kept in self.records.items() if kept.waits}
            return tuple(Register.parse(log_id) for log_id in sorted(ids))

    def _demand_next(self, leaf: AccessLeaf, index: int) -> None:
        kept = self.records.get((leaf.log_id, leaf.access_id))
        is_next = leaf.seq == len(self.leaves_of.get(leaf.log_id, ())) + index
        if kept is None or not kept.waits or not is_next:
            raise RegisterConflictError("Somebody else gave this place, or this record one.")

    def _search(self, wanted: Callable[[AccessRecord], bool], search: AccessSearch) -> AccessPage:
        with self._lock:
            found = sorted(
                (kept.record for kept in self.records.values() if wanted(kept.record)),
                key=lambda record: record.moment,
            )
        if search.cursor is not None and "#" not in search.cursor:
            fault = FieldFault(
                "/cursor", "bad_cursor", "Use the cursor as given.", "cursor ไม่ถูกต้อง"
            )
            raise InvalidRequestError([fault])
        matching = [
            record
            for record in found
            if (search.since is None or record.at >= search.since)
            and (search.until is None or record.at <= search.until)
            and (search.agency_id is None or record.agency_id == search.agency_id)
            and (search.cursor is None or record.moment > search.cursor)
        ]
        page = tuple(matching[: search.limit])
        follows = len(matching) > len(page)
        return AccessPage(page, page[-1].moment if follows else None)
