"""Deliveries in memory (port: DeliveryStore), beside the ledger that holds the registers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.adapters.memory import MemoryLedger
from chalicelib.domain.deliveries import Delivery, DeliveryId, Progress
from chalicelib.domain.delivery_records import (
    MOST_REFUSED,
    DeliveryChange,
    DeliveryRecord,
    FileCheck,
    OpenItems,
    Passing,
    RefusedAnswer,
    as_searched,
    searched_in,
)
from chalicelib.domain.errors import (
    DeliveryMovedError,
    FieldFault,
    InvalidRequestError,
    NotFoundError,
)
from chalicelib.domain.letter_marks import LetterMarks
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Entry, Head
from chalicelib.domain.statements import jws_digest
from chalicelib.ports import LetterPage, LetterSearch


@dataclass
class _Kept:
    """A delivery and what lies beside it."""

    record: DeliveryRecord
    evidence: list[str]
    statements: dict[str, str] = field(default_factory=dict)
    refused: dict[str, RefusedAnswer] = field(default_factory=dict)


class MemoryDeliveryStore:
    """Port: DeliveryStore. One lock stands for its transactions; the ledger's own lock is taken
    within it, never the other way round."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._lock = threading.RLock()
        self._kept: dict[DeliveryId, _Kept] = {}
        self._marks: dict[tuple[str, str], DeliveryId] = {}

    # -- steps ---------------------------------------------------------------

    def plan(self, planned: Sequence[tuple[Delivery, str, str]], due_at: datetime) -> None:
        with self._lock:
            for delivery, evidence, salt in planned:
                record = DeliveryRecord(delivery=delivery, salt=salt, due_at=due_at)
                self._kept.setdefault(delivery.id, _Kept(record, [evidence]))

    def get(self, delivery_id: DeliveryId) -> DeliveryRecord | None:
        with self._lock:
            kept = self._kept.get(delivery_id)
            return kept.record if kept else None

    def write(self, change: DeliveryChange) -> None:
        with self._lock:
            self._demand_unmoved(change.seen)
            self._write(change)

    def register(self, change: DeliveryChange, entry: Entry, head: Head) -> None:
        with self._lock:
            self._demand_unmoved(change.seen)
            self._ledger.enter(entry, head)
            self._write(change)

    def evidence(self, delivery_id: DeliveryId) -> tuple[str, ...]:
        with self._lock:
            kept = self._kept.get(delivery_id)
            return tuple(kept.evidence) if kept else ()

    def statement(self, delivery_id: DeliveryId, digest: str) -> str | None:
        with self._lock:
            kept = self._kept.get(delivery_id)
            return kept.statements.get(digest) if kept else None

    def statements(self, delivery_id: DeliveryId) -> tuple[str, ...]:
        with self._lock:
            kept = self._kept.get(delivery_id)
            return tuple(kept.statements.values()) if kept else ()

    def refuse(self, delivery_id: DeliveryId, refused: RefusedAnswer) -> None:
        with self._lock:
            kept = self._there(delivery_id).refused
            if len(kept) < MOST_REFUSED:
                kept.setdefault(hashlib.sha256(refused.text.encode()).hexdigest(), refused)

    def refused(self, delivery_id: DeliveryId) -> tuple[RefusedAnswer, ...]:
        with self._lock:
            kept = self._kept.get(delivery_id)
            return tuple(sorted(kept.refused.values(), key=lambda r: r.at)) if kept else ()

    # -- what was done about it ----------------------------------------------

    def mark_told(self, delivery_id: DeliveryId, notice: str) -> None:
        with self._lock:
            kept = self._there(delivery_id)
            kept.record = replace(kept.record, told=kept.record.told | {notice})

    def mark_archived(self, delivery_id: DeliveryId, names: Sequence[str]) -> None:
        with self._lock:
            kept = self._there(delivery_id)
            kept.record = replace(kept.record, archived=kept.record.archived | set(names))

    def keep_check(self, delivery_id: DeliveryId, check: FileCheck) -> None:
        with self._lock:
            kept = self._there(delivery_id)
            kept.record = replace(kept.record, check=check)

    def name_readers(self, seen: DeliveryRecord, named: frozenset[Officer]) -> DeliveryRecord:
        with self._lock:
            kept = self._there(seen.delivery.id)
            if kept.record.named != seen.named:
                raise DeliveryMovedError("Somebody else named readers; read it again.")
            kept.record = replace(kept.record, named=named)
            return kept.record

    def pass_on(self, delivery_id: DeliveryId, passing: Passing) -> DeliveryRecord:
        with self._lock:
            kept = self._there(delivery_id)
            kept.record = replace(kept.record, passed_on=(*kept.record.passed_on, passing))
            return kept.record

    def look_again(self, seen: Delivery, due_at: datetime | None) -> bool:
        with self._lock:
            kept = self._kept.get(seen.id)
            if kept is None or len(kept.record.delivery.history) != len(seen.history):
                return False
            kept.record = replace(kept.record, due_at=due_at)
            return True

    # -- finding -------------------------------------------------------------

    def due(self, before: datetime, limit: int) -> tuple[DeliveryId, ...]:
        with self._lock:
            waiting = [(r.due_at, r.delivery.id) for r in self._records() if r.due_at]
        due = sorted((at, str(i), i) for at, i in waiting if at <= before)
        return tuple(delivery_id for _, _, delivery_id in due[:limit])

    def first_with(self, agency_id: str, marks: LetterMarks) -> DeliveryId | None:
        with self._lock:
            found = (self._marks.get(key) for key in _mark_keys(agency_id, marks))
            return next((delivery_id for delivery_id in found if delivery_id), None)

    def of_letter(
        self, document_id: str, *, cursor: str | None = None, limit: int = 100
    ) -> LetterPage:
        with self._lock:
            mine = [r for r in self._records() if r.delivery.id.document_id == document_id]
        return _page(mine, _attempt_key, limit=limit, cursor=cursor)

    def progress(self, document_id: str) -> Progress:
        with self._lock:
            every = [record.delivery for record in self._records()]
        return Progress.of(d for d in every if d.id.document_id == document_id)

    def outbox(self, search: LetterSearch) -> LetterPage:
        search = replace(search, named_for=None)  # who is named there is the recipient's
        with self._lock:
            mine = [
                r
                for r in self._records()
                if r.delivery.letter.sender == search.agency_id
                and _matches(r, search, r.delivery.planned_at, r.delivery.recipient)
            ]
        return _page(mine, _planned_key, limit=search.limit, cursor=search.cursor, newest=True)

    def inbox(self, search: LetterSearch) -> LetterPage:
        with self._lock:
            mine = [
                r
                for r in self._records()
                if r.delivery.recipient == search.agency_id
                and r.delivery.received is not None
                and _matches(r, search, r.delivery.received.entered_at, r.delivery.letter.sender)
                and (search.unit is None or r.unit == search.unit)
            ]
        return _page(mine, _entered_key, limit=search.limit, cursor=search.cursor, newest=True)

    def open_items(self) -> OpenItems:
        with self._lock:
            waiting = [r.delivery for r in self._records() if not r.delivery.state.ended]
        return OpenItems.of((delivery.state, delivery.waits_since) for delivery in waiting)

    # ------------------------------------------------------------------------

    def _records(self) -> Iterable[DeliveryRecord]:
        return [kept.record for kept in self._kept.values()]

    def _there(self, delivery_id: DeliveryId) -> _Kept:
        if delivery_id not in self._kept:
            raise NotFoundError
        return self._kept[delivery_id]

    def _demand_unmoved(self, seen: Delivery) -> None:
        kept = self._kept.get(seen.id)
        if kept is None or len(kept.record.delivery.history) != len(seen.history):
            raise DeliveryMovedError("Somebody else wrote to this delivery; read it again.")

    def _write(self, change: DeliveryChange) -> None:
        kept = self._kept[change.delivery.id]
        duplicate_of = kept.record.duplicate_of
        if change.arrives:
            duplicate_of = self._put_marks(change.delivery)
        kept.record = replace(
            kept.record, delivery=change.delivery, due_at=change.due_at, duplicate_of=duplicate_of
        )
        kept.evidence += change.evidence
        if change.statement is not None:
            kept.statements[jws_digest(change.statement)] = change.statement

    def _put_marks(self, delivery: Delivery) -> str | None:
        """The marks that do not lie there yet; returns who put the others there."""
        marks = LetterMarks.of(delivery.letter)
        first = self.first_with(delivery.recipient, marks)
        for key in _mark_keys(delivery.recipient, marks):
            self._marks.setdefault(key, delivery.id)
        return str(first) if first else None


def _mark_keys(agency_id: str, marks: LetterMarks) -> tuple[tuple[str, str], ...]:
    return (agency_id, marks.by_number), (agency_id, marks.by_file)


def _matches(record: DeliveryRecord, search: LetterSearch, at: datetime, other_agency: str) -> bool:
    text = as_searched(search.text or "")
    return (
        _may_be_found(record, search)
        and (search.state is None or record.delivery.state is search.state)
        and (search.since is None or at >= search.since)
        and (search.until is None or at <= search.until)
        and (text in searched_in(record.delivery.letter) or text in other_agency.lower())
    )


def _may_be_found(record: DeliveryRecord, search: LetterSearch) -> bool:
    return (
        record.delivery.letter.classification in search.visible or search.named_for in record.named
    )


def _planned_key(record: DeliveryRecord) -> str:
    return f"{record.delivery.planned_at.isoformat()}|{record.delivery.delivery_id}"


def _entered_key(record: DeliveryRecord) -> str:
    received = record.delivery.received
    return f"{received.entered_at.isoformat() if received else ''}|{record.delivery.delivery_id}"


def _attempt_key(record: DeliveryRecord) -> str:
    return f"{record.delivery.recipient}|{record.delivery.id.attempt:06d}"


def _page(
    records: Iterable[DeliveryRecord],
    key: Callable[[DeliveryRecord], str],
    *,
    limit: int,
    cursor: str | None,
    newest: bool = False,
) -> LetterPage:
    if cursor is not None and "|" not in cursor:
        raise InvalidRequestError(
            [FieldFault("/cursor", "bad_cursor", "Use the cursor as given.", "cursor ไม่ถูกต้อง")]
        )
    found = sorted(records, key=key, reverse=newest)
    if cursor is not None:
        found = [r for r in found if (key(r) < cursor if newest else key(r) > cursor)]
    more = len(found) > limit
    return LetterPage(tuple(found[:limit]), key(found[limit - 1]) if more else None)
