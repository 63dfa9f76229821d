"""Kill a function between any two external calls, let its message return, and audit.

`Danger` stands between the house and each port. It counts moments (before and after
every call) and kills the running function at a chosen one. Death is a BaseException,
so no handler can catch it, as no handler can catch the end of its process.

`World` is everything around the functions: queues that give a message back when its
function died or reported it, a clock, and recipients who keep what they got.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from chalicelib.adapters.memory import MemoryQueue
from chalicelib.domain.documents import (
    EXPIRED,
    Classification,
    Document,
    DocumentState,
    archive_key,
)
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import Entry, EntryState, Register
from chalicelib.handlers import exchange, queues, schedules
from chalicelib.ports import Search
from chalicelib.services.audit import audit as audit_register
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event

QUEUES = ("number", "seal", "batch", "batch_seal", "deliver", "dispatch")
"""Queues of work; chunks of batches come to `seal` by one of their own."""

_HANDLERS = {"batch_seal": "seal"}
_MODULES = {"dispatch": exchange}
_AT_ONCE = {"batch": 1, "batch_seal": 2}

# Reading a clock or an id is no external call.
_PURE = frozenset({"messages", "files", "events", "connection", "items"})


MIDNIGHT = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
"""The year 2027 begins in Bangkok."""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Danger:
    """Counts the moments of external calls; kills at `kill_at` (None: never)."""

    kill_at: int | None = None
    moment: int = 0
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrap(self, name: str, port: Any) -> Any:
        return _Exposed(name, port, self)

    def pass_by(self, what: str) -> None:
        """A process dies with all its threads: from the chosen moment on nothing passes."""
        with self.lock:
            self.seen.append(what)
            mine, self.moment = self.moment, self.moment + 1
        if self.kill_at is not None and self._is_over(mine, self.kill_at):
            raise Killed(what)

    def _is_over(self, moment: int, kill_at: int) -> bool:
        return moment >= kill_at


class Trouble(Danger):
    """As Danger, but the call fails where the function would die: it may have worked, and
    nobody knows."""

    def pass_by(self, what: str) -> None:
        try:
            super().pass_by(what)
        except Killed as killed:
            raise UnavailableError("Something did not answer.") from killed

    def _is_over(self, moment: int, kill_at: int) -> bool:
        return moment == kill_at  # one call fails, and the function goes on


class _Exposed:
    """A port whose every call can be the last."""

    def __init__(self, name: str, port: Any, danger: Danger) -> None:
        self._name, self._port, self._danger = name, port, danger

    def __getattr__(self, method: str) -> Any:
        target = getattr(self._port, method)
        if method in _PURE or not callable(target):
            return target
        return partial(self._call, method, target)

    def _call(self, method: str, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._danger.pass_by(f"before {self._name}.{method}")
        result = target(*args, **kwargs)
        self._danger.pass_by(f"after {self._name}.{method}")
        return result


@dataclass
class World:
    """The functions on fakes, with everything that can go wrong around them."""

    fakes: Fakes = field(default_factory=Fakes)

    def accept(self, *documents: Document) -> None:
        """As `api` leaves them: stored, and the number queue told."""
        for document in documents:
            self.fakes.ledger.add(document, None)
            self.fakes.number_queue.send([document.document_id], group=document.book.group)

    def step(self, function: str, danger: Danger | None = None, *, batch: int = 10) -> bool:
        """Let one function take a batch from its queue; False if there was none. What it
        does not finish comes back, in front, as SQS FIFO would give it."""
        queue, handler = self._queue(function), _HANDLERS.get(function, function)
        batch = min(batch, _AT_ONCE.get(function, batch))
        taken, queue.messages[:] = queue.messages[:batch], queue.messages[batch:]
        if not taken:
            return False
        wrap = (danger or Danger()).wrap
        try:
            with furnished(self.fakes.house(wrap)):
                module = _MODULES.get(handler, queues)
                report = getattr(module, handler)(_event(handler, taken), _context(handler))
        except Killed:
            queue.messages[:0] = taken
            raise
        failed = {failure["itemIdentifier"] for failure in report["batchItemFailures"]}
        queue.messages[:0] = [m for i, m in enumerate(taken) if _message_id(i, m) in failed]
        return True

    def run_to_rest(self) -> None:
        """Let all functions work until nothing moves."""
        for _ in range(10_000):
            moved = [self.step(name) for name in QUEUES]
            if not any(moved):
                return
        raise AssertionError("the functions never come to rest")

    def sweep(self, danger: Danger | None = None) -> None:
        """Ten minutes later, the schedule fires."""
        self.fakes.clock.advance(timedelta(minutes=10))
        with furnished(self.fakes.house((danger or Danger()).wrap)):
            schedules.sweep(sample_event("sweep"), CONTEXT)

    def _queue(self, function: str) -> MemoryQueue:
        queue: MemoryQueue = getattr(self.fakes, f"{function}_queue")
        return queue


def _context(function: str) -> Any:
    """`batch` may run for minutes."""
    millis = 300_000 if function == "batch" else 30_000
    return SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: millis})


def _event(function: str, messages: list[tuple[str, str | None]]) -> dict[str, Any]:
    """The sample event, with a record of its own id for each message."""
    template = sample_event(function)["Records"][0]
    return {
        "Records": [
            {
                **template,
                "messageId": _message_id(position, message),
                "body": json.dumps({_member(message[0]): message[0]}),
                "attributes": {**template["attributes"], "MessageGroupId": message[1]},
            }
            for position, message in enumerate(messages)
        ]
    }


def _message_id(position: int, message: tuple[str, str | None]) -> str:
    """A message that comes again has the id it had."""
    return message[0] if _member(message[0]) == "batch" else str(position)


def _member(work: str) -> str:
    """A delivery's id has dots, that of work on a batch slashes, a document's neither."""
    if "." in work:
        return "delivery"
    return "batch" if "/" in work else "document_id"


def audit(fakes: Fakes, register: Register, *, agency_id: str = "diw") -> list[str]:
    """What is wrong with P1 to P5 in one register; an empty list if nothing is."""
    return [
        *_audit_register(fakes, register),
        *_audit_documents(fakes, agency_id),
        *_audit_as_in_production(fakes, register),
    ]


def _audit_as_in_production(fakes: Fakes, register: Register) -> Iterator[str]:
    report = audit_register(register, room=fakes.house().audit_room)
    found = (f for f in report.findings if f.fault is not Fault.RECORD_BEHIND)  # nobody renews here
    yield from (f"{f.fault} at {f.number}/{f.child} {f.place}" for f in found)


def _audit_register(fakes: Fakes, register: Register) -> Iterator[str]:
    entries = fakes.ledger.entries(register, limit=1_000_000)
    numbers = [entry.number for entry in entries if not entry.child]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"numbers are {numbers}"
    if fakes.ledger.head(register).last_number != len(numbers):
        yield "the head does not match the entries"
    for document_id, times in Counter(entry.document_id for entry in entries).items():
        if document_id is not None and times > 1:
            yield f"{document_id} has {times} numbers"
    for entry in entries:
        yield from _audit_entry(fakes, entry)


def _audit_entry(fakes: Fakes, entry: Entry) -> Iterator[str]:
    if entry.document_id is None:
        if entry.state is not EntryState.VOID:
            yield f"{entry.number} is {entry.state} and nobody's"
        return
    document = fakes.ledger.get(entry.document_id)
    if document is None or document.content_digest != entry.content_digest:
        yield f"{entry.number} binds another content"
    elif entry.state is EntryState.OPEN:
        yield f"{entry.number} is open"
    elif entry.state is EntryState.ISSUED and (
        document.file is None or entry.file_digest != document.file.sha256
    ):
        yield f"{entry.number} and its document name different files"


def _audit_documents(fakes: Fakes, agency_id: str) -> Iterator[str]:
    documents = fakes.ledger.search(
        Search(agency_id=agency_id, limit=1_000_000, visible=frozenset(Classification))
    ).documents
    told: dict[str, set[bytes]] = {}
    for _, event in fakes.inboxes.events:
        told.setdefault(json.loads(event)["id"], set()).add(event)
    expected = set()
    for document in documents:
        if not document.state.ended:
            yield f"{document.document_id} rests as {document.state}"
        if document.state is DocumentState.ISSUED:
            told_of = [
                "issued",
                *(f"{ruling.kind}.{ruling.number}" for ruling in document.rulings),
                *(["expired"] if EXPIRED in document.evidences else []),
            ]
            expected |= {
                f"{document.document_id}.{what}.{r}"
                for what in told_of
                for r in document.recipients
            }
            yield from _audit_file(fakes, document)
    if set(told) != expected:
        yield f"events {sorted(set(told) ^ expected)} are missing or too many"
    yield from (f"{i} came in {len(b)} versions" for i, b in told.items() if len(b) > 1)
    if left := fakes.ledger.unsettled(fakes.clock() + timedelta(days=365), 10):
        yield f"{[u.document_id for u in left]} are still swept"


def _audit_file(fakes: Fakes, document: Document) -> Iterator[str]:
    found = fakes.archive.find(archive_key(document))
    if found is None or found != document.file:
        yield f"{document.document_id} names a file that does not lie there"
