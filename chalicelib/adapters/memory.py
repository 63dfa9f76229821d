"""Fakes in memory that pass the same contract tests as the real adapters.

They keep the same promises (conditional writes, whole transactions, first file wins)
in one lock each, so that services can be tested, and killed, thousands of times a second.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.memory_batches import BatchRegisters
from chalicelib.adapters.sealed_parts import opened_entries, sealed_entry
from chalicelib.adapters.vault import MemoryVault
from chalicelib.domain.approved_documents import demand_possible
from chalicelib.domain.batches import BatchWork
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import (
    ISSUED,
    ArchivedFile,
    Classification,
    Document,
    DocumentState,
    Reason,
    Stored,
    Waiting,
)
from chalicelib.domain.errors import (
    ArchiveError,
    ChannelRefusedError,
    DocumentMovedError,
    EntryMovedError,
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
    RegisterClosedError,
    RegisterConflictError,
    RegisterHeldError,
    SealVerificationError,
    TraError,
    UnavailableError,
    XmlRefusedError,
)
from chalicelib.domain.factor_events import LockNotice
from chalicelib.domain.merkle import EMPTY_HEAD
from chalicelib.domain.persons import Officer
from chalicelib.domain.published_types import TypeBundle, TypeRecord
from chalicelib.domain.registers import (
    Block,
    Entry,
    EntryState,
    Head,
    LogName,
    PendingOutcome,
    Register,
)
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealCredential, SealedPdf, SealLevel, SealPolicy
from chalicelib.domain.secrecy import SecretContext
from chalicelib.domain.standing import Ruling, marks_of
from chalicelib.domain.status_list import Marked
from chalicelib.domain.status_list import Page as StatusPage
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import (
    DeadLetter,
    IdempotencyClaim,
    LintedPdf,
    LogState,
    Page,
    RenderRequest,
    Search,
    Unsettled,
    UploadForm,
    Vault,
)


@dataclass
class _Watch:
    """When `sweep` should look at a document again."""

    due_at: datetime
    sweeps: int = 0


class MemoryLedger(BatchRegisters):
    """Documents, registers, order of logs (ports: DocumentStore, RegisterStore, LogStore): one lock stands for
    the transactions that span both, and batches (`MemoryBatchStore`)."""

    def __init__(self, *, sweep_after: timedelta, vault: Vault | None = None) -> None:
        self._lock = threading.RLock()
        self._vault = vault or MemoryVault()
        self._sweep_after = sweep_after
        self._documents: dict[str, Document] = {}
        self._codes: dict[str, str] = {}
        self._claims: dict[tuple[str, str], tuple[str, str]] = {}
        self._ruling_claims: dict[tuple[str, str], int] = {}
        self._watched: dict[str, _Watch] = {}
        self._asleep: dict[str, datetime] = {}
        self._marked: dict[tuple[Register, int, int], Marked] = {}
        self._heads: dict[Register, Head] = {}
        self._entries: dict[tuple[Register, int, int], Entry] = {}
        self._pending: dict[Register, list[PendingOutcome]] = {}
        self._leaves: dict[Register, list[bytes]] = {}
        self._logs: dict[tuple[Register, LogName], LogState] = {}
        self._begin_batches()

    # -- DocumentStore -------------------------------------------------------

    def add(
        self, document: Document, claim: IdempotencyClaim | None, *others: Document
    ) -> Document:
        with self._lock:
            if claim is not None:
                made = self._claims.get((claim.agency_id, claim.key))
                if made is not None:
                    return self._made_before(made, claim)
                self._claims[claim.agency_id, claim.key] = (
                    document.document_id,
                    claim.request_digest,
                )
            for each in (document, *others):
                self._documents[each.document_id] = each
                self._codes[each.verification_code] = each.document_id
                self._watch(each.document_id, each.submitted_at)
                if each.decided_until is not None:
                    self._watched[each.document_id] = _Watch(each.decided_until)
            return document

    def made_by(self, claim: IdempotencyClaim) -> Document | None:
        with self._lock:
            made = self._claims.get((claim.agency_id, claim.key))
            return self._made_before(made, claim) if made else None

    def get(self, document_id: str) -> Document | None:
        with self._lock:
            return self._documents.get(document_id)

    def get_many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        with self._lock:
            return {i: self._documents[i] for i in document_ids if i in self._documents}

    def by_code(self, code: str) -> Document | None:
        with self._lock:
            return self._documents.get(self._codes.get(code, ""))

    def search(self, search: Search) -> Page:
        with self._lock:
            mine = [d for d in self._documents.values() if _matches(d, search)]
        mine.sort(key=_age, reverse=True)
        if search.cursor is not None:
            after = _read_cursor(search.cursor)
            mine = [d for d in mine if _age(d) < after]
        found = tuple(mine[: search.limit])
        more = len(mine) > search.limit
        return Page(found, _cursor(found[-1]) if more else None)

    def reject(self, document: Document, reason: Reason, at: datetime) -> Document:
        with self._lock:
            kept = self._in_state(document.document_id, DocumentState.ACCEPTED)
            return self._end(kept.rejected(reason, at), at)

    def decide(self, seen: Document, decided: Document) -> None:
        demand_possible(decided)
        with self._lock:
            kept = self._in_state(seen.document_id, DocumentState.AWAITING_APPROVAL)
            if kept.approval != seen.approval:
                raise DocumentMovedError("Another decision was made meanwhile.")
            self._documents[kept.document_id] = decided
            if not decided.awaits_approval:
                self._end(decided, decided.history[-1].at)

    def awaiting(
        self,
        agency_id: str,
        *,
        document_type: str | None,
        limit: int,
        cursor: str | None,
        visible: frozenset[Classification] = frozenset({Classification.NORMAL}),
        named_for: Officer | None = None,
    ) -> Page:
        with self._lock:
            waiting = [
                document
                for document in self._documents.values()
                if document.awaits_approval
                and document.decided_by == agency_id
                and document_type in {None, document.document_type}
                and (document.classification in visible or named_for in document.named)
            ]
        waiting.sort(key=_age)
        if cursor is not None:
            after = _read_cursor(cursor)
            waiting = [document for document in waiting if _age(document) > after]
        found = tuple(waiting[:limit])
        return Page(found, _cursor(found[-1]) if len(waiting) > limit else None)

    def name_readers(self, seen: Document, named: frozenset[Officer]) -> Document:
        with self._lock:
            kept = self._documents[seen.document_id]
            if kept.named != seen.named:
                raise DocumentMovedError("Somebody else named readers; read it again.")
            self._documents[seen.document_id] = replace(kept, named=named)
            return self._documents[seen.document_id]

    def note_waiting(self, document: Document, waiting: Waiting) -> None:
        with self._lock:
            kept = self._documents[document.document_id]
            if kept.state is not DocumentState.NUMBERED:
                return
            since = kept.waiting.since if kept.waiting else waiting.since
            waiting = replace(waiting, since=since)
            self._documents[document.document_id] = replace(kept, waiting=waiting)

    def ruled_by(self, claim: IdempotencyClaim) -> tuple[Document, Ruling] | None:
        with self._lock:
            key = (claim.agency_id, claim.key)
            made = self._claims.get(key)
            if made is None:
                return None
            document = self._made_before(made, claim)
            return document, document.rulings[self._ruling_claims[key] - 1]

    def keep_evidence(self, document_id: str, evidence: str, *, notice: str = ISSUED) -> str:
        with self._lock:
            kept = self._documents[document_id]
            if notice == ISSUED:
                first = kept.evidence or evidence
                self._documents[document_id] = replace(kept, evidence=first)
                return first
            first = kept.evidences.get(notice, evidence)
            evidences = {**kept.evidences, notice: first}
            self._documents[document_id] = replace(kept, evidences=evidences)
            return first

    def mark_notified(self, document_id: str, mark: str) -> Document:
        with self._lock:
            kept = self._documents.get(document_id)
            if kept is None or kept.state not in {DocumentState.ISSUED, DocumentState.REJECTED}:
                raise DocumentMovedError("The document is in another state by now.")
            kept = replace(kept, notified=kept.notified | {mark})
            self._documents[document_id] = kept
            return kept

    def settle(self, document: Document) -> None:
        if not document.settled:
            raise ValueError("work is left on this document")
        with self._lock:
            if len(self._documents[document.document_id].rulings) != len(document.rulings):
                return
            self._watched.pop(document.document_id, None)
            if document.wakes_at is not None:
                self._asleep[document.document_id] = document.wakes_at

    def sleepers(self, due_before: datetime, limit: int) -> tuple[Unsettled, ...]:
        with self._lock:
            due = sorted((at, i) for i, at in self._asleep.items() if at <= due_before)
            kept = [(self._documents[i], at) for at, i in due[:limit]]
            return tuple(Unsettled(d.document_id, d.state, d.book.group, at, 0) for d, at in kept)

    def wake(self, seen: Unsettled, due_at: datetime) -> bool:
        with self._lock:
            if self._asleep.get(seen.document_id) != seen.due_at:
                return False
            del self._asleep[seen.document_id]
            self._watched[seen.document_id] = _Watch(due_at)
            return True

    def unsettled(self, due_before: datetime, limit: int) -> tuple[Unsettled, ...]:
        with self._lock:
            due = [
                Unsettled(
                    document_id,
                    self._documents[document_id].state,
                    self._documents[document_id].book.group,
                    watch.due_at,
                    watch.sweeps,
                )
                for document_id, watch in self._watched.items()
                if watch.due_at <= due_before
            ]
        return tuple(sorted(due, key=lambda unsettled: unsettled.due_at)[:limit])

    def waiting_since(self, state: DocumentState) -> datetime | None:
        with self._lock:
            kept = [self._documents[document_id] for document_id in self._watched]
        return min((d.submitted_at for d in kept if d.state is state), default=None)

    def postpone(self, seen: Unsettled, due_at: datetime) -> bool:
        with self._lock:
            watch = self._watched.get(seen.document_id)
            if watch is None or watch.due_at != seen.due_at:
                return False
            self._watched[seen.document_id] = _Watch(due_at, seen.sweeps + 1)
            return True

    # -- RegisterStore -------------------------------------------------------

    def head(self, register: Register) -> Head:
        with self._lock:
            return self._heads.get(register, Head())

    def assign(self, block: Block, documents: Mapping[str, Document]) -> None:
        with self._lock:
            head = self._heads.get(block.register, Head())
            if head.last_number != block.after or head.closing or head.hold is not None:
                raise RegisterConflictError("Another writer was at this register.")
            numbered = [documents[e.document_id] for e in block.entries if e.document_id]
            for document in numbered:
                self._demand_accepted(document)
            for entry in block.entries:
                self._enter(entry)
            for document in numbered:
                self._keep(document)
            self._heads[block.register] = Head(block.last, block.entries[-1].numbered_at)

    def use_reserved(self, entry: Entry, document: Document) -> None:
        with self._lock:
            self._demand_accepted(document)
            self._in_entry_state(entry, EntryState.RESERVED)
            kept = self._entries[entry.register, *entry.position]
            if kept.reserve is None or kept.reserve.expires_at <= document.history[-1].at:
                raise EntryMovedError("The reservation has expired.")
            used = replace(
                entry,
                state=EntryState.OPEN,
                document_id=document.document_id,
                content_digest=document.content_digest,
            )
            self._enter(used)
            self._keep(document)
            self._bring_content(used, document, Outcome.RESERVATION_USED)

    def insert(self, entry: Entry, document: Document) -> None:
        with self._lock:
            if self._heads.get(entry.register, Head()).closing:
                raise RegisterClosedError("The year of this register is closed.")
            self._demand_accepted(document)
            if self.children(entry.register, entry.number) != entry.child - 1:
                raise EntryMovedError("The entry is in another state by now.")
            self._enter(entry)
            self._keep(document)
            self._bring_content(entry, document, Outcome.INSERTED)

    def release(self, entry: Entry, *, reason: str, by: str, at: datetime) -> None:
        with self._lock:
            kept = self._entries[entry.register, *entry.position]
            if kept.state is EntryState.VOID:
                return
            self._in_entry_state(entry, EntryState.RESERVED)
            self._entries[entry.register, *entry.position] = replace(
                kept, state=EntryState.VOID, ended_at=at, ended_by=by, reason=reason
            )
            self._await_place(entry.register, kept.ended_as(Outcome.VOID, at, reason_code=reason))

    def finalise(
        self,
        document: Document,
        file: ArchivedFile,
        at: datetime,
        *,
        replaced: Document | None = None,
    ) -> Document:
        ended = document.issued(file, at)
        with self._lock:
            kept = self._documents[document.document_id]
            if replaced is not None and kept.state is DocumentState.NUMBERED:
                self._demand_unruled(replaced)
            issued = self._end_entry(ended, EntryState.ISSUED, at, file_digest=file.sha256)
            if replaced is not None and kept.state is DocumentState.NUMBERED:
                self._rule(replaced)
            return issued

    def rule(self, document: Document, claim: IdempotencyClaim | None) -> None:
        with self._lock:
            if claim is not None and (claim.agency_id, claim.key) in self._claims:
                raise RegisterConflictError("The Idempotency-Key was used.")
            self._demand_unruled(document)
            if claim is not None:
                key = (claim.agency_id, claim.key)
                self._claims[key] = (document.document_id, claim.request_digest)
                self._ruling_claims[key] = len(document.rulings)
            self._rule(document)

    def marked(self, register: Register, page: StatusPage) -> tuple[Marked, ...]:
        first, last = page.span
        with self._lock:
            mine = [m for (r, *at), m in self._marked.items() if r == register]
        found = [m for m in mine if first <= (m.number, m.child) <= last]
        return tuple(sorted(found, key=lambda m: (m.number, m.child)))

    def void(self, document: Document, reason: Reason, *, by: str, at: datetime) -> Document:
        ended = document.voided(reason, at)
        return self._end_entry(ended, EntryState.VOID, at, reason=reason.code, ended_by=by)

    def entry(self, register: Register, number: int, child: int = 0) -> Entry | None:
        with self._lock:
            return self._entries.get((register, number, child))

    def children(self, register: Register, number: int) -> int:
        with self._lock:
            return sum(1 for r, n, c in self._entries if (r, n) == (register, number) and c)

    def entries(
        self, register: Register, *, after: tuple[int, int] = (0, 0), limit: int = 100
    ) -> tuple[Entry, ...]:
        with self._lock:
            mine = [
                e for (r, *_), e in self._entries.items() if r == register and e.position > after
            ]
        return tuple(sorted(mine, key=lambda entry: entry.position)[:limit])

    def opened(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return opened_entries(entries, self._vault)

    def registers(self) -> tuple[Register, ...]:
        with self._lock:
            return tuple(sorted(r for r, head in self._heads.items() if head.last_number))

    def expired(self, before: datetime, limit: int) -> tuple[Entry, ...]:
        with self._lock:
            due = [
                e
                for e in self._entries.values()
                if e.state is EntryState.RESERVED and e.reserve and e.reserve.expires_at <= before
            ]
        return tuple(due[:limit])

    def begin_closing(self, register: Register) -> Head:
        with self._lock:
            if (hold := self._heads[register].hold) is not None:
                raise RegisterHeldError(hold.batch)
            self._heads[register] = replace(self._heads[register], closing=True)
            return self._heads[register]

    def mark_closed(self, register: Register, statement: str) -> Head:
        with self._lock:
            head = self._heads[register]
            self._heads[register] = replace(head, statement=head.statement or statement)
            return self._heads[register]

    # -- lines of receive registers (`MemoryDeliveryStore`) -------------------

    def enter(self, entry: Entry, seen: Head) -> None:
        """The next line of a register, final at once, and its outcome."""
        with self._lock:
            head = self._heads.get(entry.register, Head())
            if head.closing:
                raise RegisterClosedError("The year of this register is closed.")
            if head.last_number != seen.last_number or head.hold is not None:
                raise RegisterConflictError("Another writer was at this register.")
            self._enter(entry)
            self._heads[entry.register] = Head(entry.number, entry.numbered_at)
            self._await_place(entry.register, entry.issued_at_once())

    # -- LogStore ------------------------------------------------------------

    def sequence(self, register: Register) -> int:
        with self._lock:
            placed = self._leaves.setdefault(register, [])
            for outcome in sorted(self._pending.pop(register, ()), key=lambda o: (o.order, o.key)):
                placed.append(outcome.leaf(register, len(placed)).to_bytes())
            return len(placed)

    def leaves(
        self, register: Register, log: LogName, *, start: int, limit: int
    ) -> tuple[bytes, ...]:
        with self._lock:
            if log is LogName.OUTCOMES:
                return tuple(self._leaves.get(register, [])[start : start + limit])
            numbers = range(start + 1, start + limit + 1)
            found = (self._entries.get((register, number, 0)) for number in numbers)
            return tuple(entry.number_leaf().to_bytes() for entry in found if entry)

    def outcomes_of(self, register: Register, number: int, child: int = 0) -> tuple[int, ...]:
        with self._lock:
            leaves = map(OutcomeLeaf.from_bytes, self._leaves.get(register, []))
            return tuple(
                leaf.seq for leaf in leaves if (leaf.number, leaf.child) == (number, child)
            )

    def state(self, register: Register, log: LogName) -> LogState:
        with self._lock:
            return self._logs.get((register, log), LogState(EMPTY_HEAD))

    def advance(self, register: Register, log: LogName, old: LogState, new: LogState) -> None:
        with self._lock:
            if self.state(register, log) != old:
                raise RegisterConflictError("Another checkpoint was published meanwhile.")
            self._logs[register, log] = new

    # ------------------------------------------------------------------------

    def _enter(self, entry: Entry) -> None:
        self._entries[entry.register, *entry.position] = sealed_entry(entry, self._vault)

    def _made_before(self, made: tuple[str, str], claim: IdempotencyClaim) -> Document:
        document_id, request_digest = made
        if request_digest != claim.request_digest:
            raise IdempotencyKeyReusedError
        return self._documents[document_id]

    def _in_state(self, document_id: str, state: DocumentState) -> Document:
        kept = self._documents.get(document_id)
        if kept is None or kept.state is not state:
            raise DocumentMovedError("The document is in another state by now.")
        return kept

    def _demand_accepted(self, document: Document) -> None:
        """`document` as it will be: numbered."""
        kept = self._in_state(document.document_id, DocumentState.ACCEPTED)
        if kept.content_digest != document.content_digest:
            raise DocumentMovedError("The document has another digest.")
        if not kept.is_approved:
            raise DocumentMovedError("The document was not approved.")

    def _in_entry_state(self, entry: Entry, state: EntryState) -> None:
        kept = self._entries.get((entry.register, *entry.position))
        if kept is None or kept.state is not state:
            raise EntryMovedError("The entry is in another state by now.")

    def _demand_unruled(self, document: Document) -> None:
        """`document` as it will be: with one more ruling."""
        kept = self._documents[document.document_id]
        if kept.state is not DocumentState.ISSUED or kept.rulings != document.rulings[:-1]:
            raise RegisterConflictError("The document was ruled on meanwhile.")

    def _rule(self, document: Document) -> None:
        kept = self._documents[document.document_id]
        self._documents[document.document_id] = replace(kept, rulings=document.rulings)
        register, position = document.register, _position(document)
        marks = marks_of(document.rulings)
        entry = replace(self._entries[register, *position], marks=marks)
        self._entries[register, *position] = entry
        number, child = position
        self._marked[register, number, child] = Marked(number=number, child=child, marks=marks)
        self._await_place(register, entry.ruled_as(marks[-1]))
        self._asleep.pop(document.document_id, None)
        self._watch(document.document_id, document.rulings[-1].decided_at)

    def _keep(self, document: Document) -> None:
        self._documents[document.document_id] = document
        self._watch(document.document_id, document.history[-1].at)

    def _bring_content(self, entry: Entry, document: Document, outcome: Outcome) -> None:
        at = document.history[-1].at
        self._await_place(
            entry.register, entry.ended_as(outcome, at, commitment=document.commitment)
        )

    def _await_place(self, register: Register, outcome: PendingOutcome) -> None:
        self._pending.setdefault(register, []).append(outcome)

    def _end_entry(
        self, wanted: Document, state: EntryState, at: datetime, **changes: Any
    ) -> Document:
        with self._lock:
            kept = self._documents[wanted.document_id]
            if kept.state is wanted.state:
                return kept
            self._in_state(wanted.document_id, DocumentState.NUMBERED)
            key = (wanted.register, *_position(wanted))
            ended = replace(self._entries[key], state=state, ended_at=at, **changes)
            self._entries[key] = ended
            outcome = Outcome.ISSUED if state is EntryState.ISSUED else Outcome.VOID
            self._await_place(
                wanted.register,
                ended.ended_as(
                    outcome, at, file_digest=ended.file_digest, reason_code=ended.reason
                ),
            )
            return self._end(wanted, at)

    def _end(self, document: Document, at: datetime | None = None) -> Document:
        self._documents[document.document_id] = document
        if document.settled:
            self._watched.pop(document.document_id, None)
        elif at is not None:
            self._watch(document.document_id, at)
        return document

    def _watch(self, document_id: str, since: datetime) -> None:
        self._watched[document_id] = _Watch(since + self._sweep_after)


class MemoryDirectory:
    """Port: Directory."""

    def __init__(self, agencies: Sequence[Agency] = (), anchors: Sequence[str] = ()) -> None:
        self._agencies = {agency.agency_id: agency for agency in agencies}
        self._anchors = tuple(anchors)

    def agency(self, agency_id: str) -> Agency | None:
        return self._agencies.get(agency_id)

    def agencies(self) -> tuple[Agency, ...]:
        return tuple(self._agencies[i] for i in sorted(self._agencies))

    def put_agency(self, agency: Agency) -> None:
        self._agencies[agency.agency_id] = agency

    def trust_anchors(self) -> tuple[str, ...]:
        return self._anchors

    def put_trust_anchors(self, pems: Sequence[str]) -> None:
        self._anchors = tuple(pems)


class MemoryTypeStore:
    """Port: TypeStore. `files` are the bundles' bytes by digest."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._records: dict[str, TypeRecord] = {}
        self._lock = threading.Lock()

    def record(self, name: str) -> TypeRecord | None:
        return self._records.get(name)

    def records(self) -> tuple[TypeRecord, ...]:
        return tuple(self._records[name] for name in sorted(self._records))

    def bundle(self, name: str, digest: str) -> TypeBundle:
        if digest not in self.files:
            raise UnavailableError(f"No bundle of {name} lies there.")
        return TypeBundle.from_bytes(self.files[digest], digest)

    def keep(self, bundle: TypeBundle, _retain_until: datetime, _mode: LockMode) -> None:
        self.files.setdefault(bundle.digest, bundle.to_bytes())

    def replace(self, old: TypeRecord | None, new: TypeRecord) -> None:
        with self._lock:
            if self._records.get(new.name) != old:
                raise UnavailableError(f"Somebody else published {new.name} just now.")
            self._records[new.name] = new


@dataclass
class MemoryQueue:
    """Port: WorkQueue. `messages` are (document id or work on a batch, group), oldest first."""

    messages: list[tuple[str, str | None]] = field(default_factory=list)

    def send(self, document_ids: Sequence[str], *, group: str | None = None) -> None:
        self.messages += [(document_id, group) for document_id in document_ids]

    def send_batch(self, work: Sequence[BatchWork], *, group: str | None = None) -> None:
        self.messages += [(str(each), group) for each in work]

    def send_deliveries(self, deliveries: Sequence[DeliveryId]) -> None:
        self.messages += [(str(each), None) for each in deliveries]

    def send_lock(self, notice: LockNotice) -> None:
        self.messages.append((str(notice), None))


@dataclass
class MemoryDeadLetters:
    """Port: DeadLetters. What lies in the dead-letter queue, and what was given back."""

    dead: list[str] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    _held: list[str] = field(default_factory=list)

    def count(self) -> int:
        return len(self.dead) + len(self._held)

    def take(self) -> Sequence[DeadLetter]:
        taken, self.dead = self.dead[:10], self.dead[10:]
        self._held += taken
        return tuple(DeadLetter(about=each, handle=each) for each in taken)

    def give_back(self, letter: DeadLetter) -> None:
        self.queue.append(letter.handle)
        self._held.remove(letter.handle)

    def release(self, letter: DeadLetter) -> None:
        self._held.remove(letter.handle)
        self.dead.append(letter.handle)


@dataclass
class MemoryInboxes:
    """Agencies' own queues. `events` are (agency id, CloudEvent)."""

    events: list[tuple[str, bytes]] = field(default_factory=list)

    def send(self, agency: Agency, event: bytes) -> None:
        if agency.inbox_url is None:
            raise UnavailableError(f"Agency {agency.agency_id} has no queue to be told by.")
        self.events.append((agency.agency_id, event))


@dataclass
class MemoryChannels:
    """Port: Channels. `events` are (agency id, kind, CloudEvent), oldest first; what goes to a
    queue lies in `inboxes` as well. `says` is what an agency's system answers instead."""

    inboxes: MemoryInboxes = field(default_factory=MemoryInboxes)
    events: list[tuple[str, ChannelKind, bytes]] = field(default_factory=list)
    says: dict[str, TraError] = field(default_factory=dict)

    def hand_in(self, agency: Agency, kind: ChannelKind, event: bytes) -> None:
        if kind is ChannelKind.HOSTED:
            return
        if kind in {ChannelKind.ECMS, ChannelKind.EMAIL}:
            raise ChannelRefusedError(f"Nothing can be sent by {kind} yet.")
        if agency.agency_id in self.says:
            raise self.says[agency.agency_id]
        if kind is ChannelKind.QUEUE:
            self.inboxes.send(agency, event)
        self.events.append((agency.agency_id, kind, event))


class MemoryArchive:
    """Port: Archive. `files` are the bytes by key, as they lie there: of what is classified
    their encryption."""

    def __init__(self, vault: Vault | None = None) -> None:
        self._lock = threading.Lock()
        self._vault = vault or MemoryVault()
        self._secret: dict[str, SecretContext] = {}
        self.files: dict[str, bytes] = {}
        self.media_types: dict[str, str] = {}
        self._described: dict[str, ArchivedFile] = {}

    def put_once(
        self,
        key: str,
        sealed: bytes,
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str = "application/pdf",
        seal_level: SealLevel | None = None,
        proof_until: datetime | None = None,
        secret: SecretContext | None = None,
    ) -> ArchivedFile:
        with self._lock:
            if key not in self.files:
                lies = self._encrypt(key, sealed, secret) if secret else sealed
                self.files[key] = lies
                self.media_types[key] = media_type
                self._described[key] = ArchivedFile(
                    key=key,
                    version_id=f"v{len(self.files)}",
                    sha256=hashlib.sha256(sealed).hexdigest(),
                    size=len(sealed),
                    lock_mode=mode,
                    retain_until=retain_until.astimezone(UTC),
                    seal_level=seal_level,
                    proof_until=proof_until.astimezone(UTC) if proof_until else None,
                    stored=Stored(hashlib.sha256(lies).hexdigest(), len(lies)) if secret else None,
                )
            elif secret is not None:
                self._vault.open(self.files[key], replace(secret, purpose=key))
            return self._described[key]

    def _encrypt(self, key: str, clear: bytes, secret: SecretContext) -> bytes:
        self._secret[key] = replace(secret, purpose=key)
        return self._vault.seal(clear, self._secret[key])

    def put_pieces_once(
        self,
        key: str,
        pieces: Iterable[bytes],
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str,
    ) -> ArchivedFile:
        return self.put_once(key, b"".join(pieces), retain_until, mode, media_type=media_type)

    def find(self, key: str) -> ArchivedFile | None:
        with self._lock:
            return self._described.get(key)

    def clear(self, key: str) -> bytes | None:
        """What lies there, decrypted if it is encrypted."""
        lies, secret = self.files.get(key), self._secret.get(key)
        return lies if lies is None or secret is None else self._vault.open(lies, secret)

    def read(self, file: ArchivedFile) -> bytes:
        clear = self.clear(file.key)
        if clear is None or hashlib.sha256(clear).hexdigest() != file.sha256:
            raise ArchiveError("The archive holds other bytes than were archived (P2).")
        return clear

    def link(self, file: ArchivedFile, *, filename: str, seconds: int) -> str:
        if file.stored is not None:
            raise ArchiveError("No link leads to a classified file.")
        return f"memory:{file.key}?version={file.version_id}&as={filename}&for={seconds}"


class PlainRenderer:
    """Port: Renderer (and Previewer's other end). "Pages" are the data as JSON."""

    def render(self, request: RenderRequest) -> bytes:
        return json.dumps(dict(request.data), sort_keys=True, ensure_ascii=False).encode()

    def draw(self, request: RenderRequest, width: int) -> tuple[bytes, ...]:
        return (b"%d " % width + self.render(request),)

    def lint(self, pdf: bytes, request: RenderRequest) -> LintedPdf:
        return LintedPdf(pdf, min(1, request.max_pages))


class MarkingSealer:
    """Port: Sealer. A seal is a counter, so that no two seals are alike: as with real
    ones, sealing again gives other bytes."""

    def __init__(self) -> None:
        self._count = 0

    def seal(
        self, linted: LintedPdf, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> SealedPdf:
        self._count += 1
        mark = f"\n%sealed {credentials[0].key_id} {self._count}".encode()
        return SealedPdf(
            pdf=linted.pdf + mark,
            credential=credentials[0],
            level=policy.level,
            stamped_at=None,
            proof_until=datetime.max.replace(tzinfo=UTC),
        )

    def verify_own(self, sealed: SealedPdf, linted: LintedPdf) -> None:
        mark = f"\n%sealed {sealed.credential.key_id} ".encode()
        if not sealed.pdf.startswith(linted.pdf + mark):
            raise SealVerificationError("This is not our seal.")


class MarkingXmlSealer:
    """Port: XmlSealer. The signature is empty, but in its place; no two are alike."""

    def __init__(self) -> None:
        self._count = 0

    def seal_xml(
        self, xml: bytes, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> bytes:
        content, end_tag, name = xml.rpartition(b"</")
        if not end_tag or b"<ds:Signature" in xml:
            raise XmlRefusedError("This XML cannot be signed.")
        self._count += 1
        mark = f"{credentials[0].key_id}-{policy.level}-{self._count}"
        signature = f'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="{mark}"/>'
        return content + signature.encode() + end_tag + name


class MemoryUploads:
    """Port: Uploads. `files` are the bytes by id; whoever is invited puts them there."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.invited: list[str] = []

    def invite(self, upload_id: str) -> UploadForm:
        self.invited.append(upload_id)
        fields = {"key": upload_id}
        return UploadForm(url="memory:uploads", fields=fields, largest=100 << 20, seconds=900)

    def read(self, upload_id: str) -> bytes:
        if upload_id not in self.files:
            raise NotFoundError
        return self.files[upload_id]


class CountingSigner:
    """Port: EvidenceSigner. Compact JWSs in form; not two alike, as with ECDSA."""

    def __init__(self) -> None:
        self._count = 0

    def sign(self, payload: bytes, *, media_type: str | None = None) -> str:
        self._count += 1
        header = {"alg": "none", "typ": media_type or "JOSE"}
        parts = (json.dumps(header).encode(), payload, str(self._count).encode())
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": []}


class CountingIds:
    """Port: Ids. The same in every run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def document_id(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._count:026d}"

    def salt(self) -> str:
        return hashlib.sha256(self.document_id().encode()).hexdigest()

    def verification_code(self) -> str:
        return "V" + self.document_id()[1:]


def _matches(document: Document, search: Search) -> bool:
    return (
        document.agency_id == search.agency_id
        and (search.state is None or document.state is search.state)
        and (search.document_type is None or document.document_type == search.document_type)
        and (search.since is None or document.submitted_at >= search.since)
        and (search.until is None or document.submitted_at <= search.until)
        and (search.text is None or search.text.lower() in _searched_in(document))
        and (document.classification in search.visible or search.named_for in document.named)
    )


def _searched_in(document: Document) -> str:
    if document.is_classified:
        return document.numbering.printed if document.numbering else ""
    return json.dumps(document.content, ensure_ascii=False).lower()


def _age(document: Document) -> tuple[str, str]:
    return document.submitted_at.isoformat(), document.document_id


def _cursor(document: Document) -> str:
    return "|".join(_age(document))


def _read_cursor(cursor: str) -> tuple[str, str]:
    instant, separator, document_id = cursor.partition("|")
    if not separator:
        raise InvalidRequestError(
            [FieldFault("/cursor", "bad_cursor", "Use the cursor as given.", "cursor ไม่ถูกต้อง")]
        )
    return instant, document_id


def _position(document: Document) -> tuple[int, int]:
    if document.numbering is None:
        raise ValueError("only a numbered document has an entry to end")
    return document.numbering.number, document.numbering.child
