"""Fakes in memory that pass the same contract tests as the real adapters.

They keep the same promises (conditional writes, whole transactions, first file wins)
in one lock each, so that services can be tested, and killed, thousands of times a second.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.directory import Agency, SealCredential
from chalicelib.domain.documents import ArchivedFile, Document, DocumentState, Reason
from chalicelib.domain.errors import (
    DocumentMovedError,
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    RegisterConflictError,
    SealVerificationError,
    UnavailableError,
)
from chalicelib.domain.registers import Block, Entry, EntryState, Register, numbering_of
from chalicelib.domain.retention import LockMode
from chalicelib.ports import (
    IdempotencyClaim,
    LintedPdf,
    Page,
    RenderRequest,
    Search,
    Unsettled,
)


@dataclass
class _Watch:
    """When `sweep` should look at a document again."""

    due_at: datetime
    sweeps: int = 0


class MemoryLedger:
    """Documents and registers (ports: DocumentStore, RegisterStore): one lock stands for
    the transactions that span both."""

    def __init__(self, *, sweep_after: timedelta) -> None:
        self._lock = threading.RLock()
        self._sweep_after = sweep_after
        self._documents: dict[str, Document] = {}
        self._codes: dict[str, str] = {}
        self._claims: dict[tuple[str, str], tuple[str, str]] = {}
        self._watched: dict[str, _Watch] = {}
        self._heads: dict[Register, int] = {}
        self._entries: dict[tuple[Register, int], Entry] = {}

    # -- DocumentStore -------------------------------------------------------

    def add(self, document: Document, claim: IdempotencyClaim | None) -> Document:
        with self._lock:
            if claim is not None:
                made = self._claims.get((claim.agency_id, claim.key))
                if made is not None:
                    return self._made_before(made, claim)
                self._claims[claim.agency_id, claim.key] = (
                    document.document_id,
                    claim.request_digest,
                )
            self._documents[document.document_id] = document
            self._codes[document.verification_code] = document.document_id
            self._watch(document.document_id, document.submitted_at)
            return document

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
        mine.sort(key=_position, reverse=True)
        if search.cursor is not None:
            after = _read_cursor(search.cursor)
            mine = [d for d in mine if _position(d) < after]
        found = tuple(mine[: search.limit])
        more = len(mine) > search.limit
        return Page(found, _cursor(found[-1]) if more else None)

    def reject(self, document: Document, reason: Reason, at: datetime) -> Document:
        with self._lock:
            kept = self._in_state(document.document_id, DocumentState.ACCEPTED)
            return self._end(kept.rejected(reason, at))

    def keep_evidence(self, document_id: str, evidence: str) -> str:
        with self._lock:
            kept = self._documents[document_id]
            if kept.evidence is None:
                self._documents[document_id] = replace(kept, evidence=evidence)
                return evidence
            return kept.evidence

    def mark_notified(self, document_id: str, agency_id: str) -> Document:
        with self._lock:
            kept = self._in_state(document_id, DocumentState.ISSUED)
            kept = replace(kept, notified=kept.notified | {agency_id})
            self._documents[document_id] = kept
            return kept

    def settle(self, document: Document) -> None:
        if not document.settled:
            raise ValueError("work is left on this document")
        with self._lock:
            self._watched.pop(document.document_id, None)

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

    def postpone(self, seen: Unsettled, due_at: datetime) -> bool:
        with self._lock:
            watch = self._watched.get(seen.document_id)
            if watch is None or watch.due_at != seen.due_at:
                return False
            self._watched[seen.document_id] = _Watch(due_at, seen.sweeps + 1)
            return True

    # -- RegisterStore -------------------------------------------------------

    def last_number(self, register: Register) -> int:
        with self._lock:
            return self._heads.get(register, 0)

    def assign(self, block: Block, documents: Mapping[str, Document]) -> dict[str, Document]:
        with self._lock:
            if self._heads.get(block.register, 0) != block.after:
                raise RegisterConflictError("Another writer was at this register.")
            for entry in block.entries:
                kept = self._in_state(entry.document_id, DocumentState.ACCEPTED)
                if kept.content_digest != entry.content_digest:
                    raise DocumentMovedError("The document has another digest.")
            numbered = {}
            for entry in block.entries:
                document = documents[entry.document_id].numbered(numbering_of(entry))
                self._entries[block.register, entry.number] = entry
                self._documents[entry.document_id] = document
                self._watch(entry.document_id, entry.numbered_at)
                numbered[entry.document_id] = document
            self._heads[block.register] = block.last
            return numbered

    def finalise(self, document: Document, file: ArchivedFile, at: datetime) -> Document:
        return self._end_entry(
            document.issued(file, at), EntryState.ISSUED, at, file_digest=file.sha256
        )

    def void(self, document: Document, reason: Reason, at: datetime) -> Document:
        return self._end_entry(document.voided(reason, at), EntryState.VOID, at, reason=reason.code)

    def entries(self, register: Register, *, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
        with self._lock:
            mine = [e for (r, n), e in self._entries.items() if r == register and n > after]
        return tuple(sorted(mine, key=lambda entry: entry.number)[:limit])

    # ------------------------------------------------------------------------

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

    def _end_entry(
        self, wanted: Document, state: EntryState, at: datetime, **changes: Any
    ) -> Document:
        with self._lock:
            kept = self._documents[wanted.document_id]
            if kept.state is wanted.state:
                return kept
            self._in_state(wanted.document_id, DocumentState.NUMBERED)
            key = (wanted.register, _number(wanted))
            self._entries[key] = replace(self._entries[key], state=state, ended_at=at, **changes)
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


@dataclass
class MemoryQueue:
    """Port: WorkQueue. `messages` are (document id, group), oldest first."""

    messages: list[tuple[str, str | None]] = field(default_factory=list)

    def send(self, document_ids: Sequence[str], *, group: str | None = None) -> None:
        self.messages += [(document_id, group) for document_id in document_ids]


@dataclass
class MemoryInboxes:
    """Port: Inboxes. `events` are (agency id, CloudEvent)."""

    events: list[tuple[str, bytes]] = field(default_factory=list)

    def send(self, agency: Agency, event: bytes) -> None:
        if agency.inbox_url is None:
            raise UnavailableError(f"Agency {agency.agency_id} has no queue to be told by.")
        self.events.append((agency.agency_id, event))


class MemoryArchive:
    """Port: Archive. `files` are the bytes by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.files: dict[str, bytes] = {}
        self._described: dict[str, ArchivedFile] = {}

    def put_once(
        self, key: str, sealed: bytes, retain_until: datetime, mode: LockMode
    ) -> ArchivedFile:
        with self._lock:
            if key not in self.files:
                self.files[key] = sealed
                self._described[key] = ArchivedFile(
                    key=key,
                    version_id=f"v{len(self.files)}",
                    sha256=hashlib.sha256(sealed).hexdigest(),
                    size=len(sealed),
                    lock_mode=mode,
                    retain_until=retain_until.astimezone(UTC),
                )
            return self._described[key]

    def find(self, key: str) -> ArchivedFile | None:
        with self._lock:
            return self._described.get(key)

    def link(self, file: ArchivedFile, *, filename: str, seconds: int) -> str:
        return f"memory:{file.key}?version={file.version_id}&as={filename}&for={seconds}"


class PlainRenderer:
    """Port: Renderer (and Previewer's other end). "Pages" are the data as JSON."""

    def render(self, request: RenderRequest) -> bytes:
        return json.dumps(dict(request.data), sort_keys=True, ensure_ascii=False).encode()

    def lint(self, pdf: bytes, request: RenderRequest) -> LintedPdf:
        return LintedPdf(pdf, min(1, request.max_pages))


class MarkingSealer:
    """Port: Sealer. A seal is a counter, so that no two seals are alike: as with real
    ones, sealing again gives other bytes."""

    def __init__(self) -> None:
        self._count = 0

    def seal(self, linted: LintedPdf, credential: SealCredential) -> bytes:
        self._count += 1
        return linted.pdf + f"\n%sealed {credential.key_id} {self._count}".encode()

    def verify_own(
        self, sealed: bytes, linted: LintedPdf, credential: SealCredential, anchors: Sequence[str]
    ) -> None:
        mark = f"\n%sealed {credential.key_id} ".encode()
        if not sealed.startswith(linted.pdf + mark):
            raise SealVerificationError(f"This is not our seal ({len(anchors)} anchors).")


class CountingSigner:
    """Port: EvidenceSigner. Not two signatures alike, as with ECDSA."""

    def __init__(self) -> None:
        self._count = 0

    def sign(self, payload: bytes) -> str:
        self._count += 1
        return f"{hashlib.sha256(payload).hexdigest()}.{self._count}"

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

    def verification_code(self) -> str:
        return "V" + self.document_id()[1:]


def _matches(document: Document, search: Search) -> bool:
    return (
        document.agency_id == search.agency_id
        and (search.state is None or document.state is search.state)
        and (search.document_type is None or document.document_type == search.document_type)
        and (search.since is None or document.submitted_at >= search.since)
        and (search.until is None or document.submitted_at <= search.until)
        and (
            search.text is None
            or search.text.lower() in json.dumps(document.content, ensure_ascii=False).lower()
        )
    )


def _position(document: Document) -> tuple[str, str]:
    return document.submitted_at.isoformat(), document.document_id


def _cursor(document: Document) -> str:
    return "|".join(_position(document))


def _read_cursor(cursor: str) -> tuple[str, str]:
    instant, separator, document_id = cursor.partition("|")
    if not separator:
        raise InvalidRequestError(
            [FieldFault("/cursor", "bad_cursor", "Use the cursor as given.", "cursor ไม่ถูกต้อง")]
        )
    return instant, document_id


def _number(document: Document) -> int:
    if document.numbering is None:
        raise ValueError("only a numbered document has an entry to end")
    return document.numbering.number
