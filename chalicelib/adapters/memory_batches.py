"""Batches in memory (port: BatchStore), for the ledger that holds documents and registers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.batches import Batch, BatchRef, BatchState, BatchWork, Progress
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    BatchBrokenError,
    BatchMovedError,
    IdempotencyKeyReusedError,
    RegisterConflictError,
)
from chalicelib.domain.registers import Block, Entry, Head, Register
from chalicelib.ports import ChunkState, IdempotencyClaim, Lease, UploadedFile, UploadForm


@dataclass
class _Chunk:
    owner: str
    leased_until: datetime
    done: bool = False
    issued: int = 0
    void: int = 0


class BatchRegisters:
    """The ledger's part that knows batches; see `adapters/memory.py`."""

    _lock: threading.RLock
    _documents: dict[str, Document]
    _codes: dict[str, str]
    _heads: dict[Register, Head]
    _entries: dict[tuple[Register, int, int], Entry]

    def _begin_batches(self) -> None:
        self._batches: dict[BatchRef, Batch] = {}
        self._batch_claims: dict[tuple[str, str], tuple[BatchRef, str]] = {}
        self._chunks: dict[BatchRef, dict[int, _Chunk]] = {}

    # -- batches -------------------------------------------------------------

    def add_batch(self, batch: Batch, claim: IdempotencyClaim | None) -> Batch:
        with self._lock:
            if claim is not None:
                made = self.batch_made_by(claim)
                if made is not None:
                    return made
                self._batch_claims[claim.agency_id, claim.key] = (batch.ref, claim.request_digest)
            self._batches[batch.ref] = batch
            return batch

    def batch_made_by(self, claim: IdempotencyClaim) -> Batch | None:
        with self._lock:
            made = self._batch_claims.get((claim.agency_id, claim.key))
            if made is None:
                return None
            ref, digest = made
            if digest != claim.request_digest:
                raise IdempotencyKeyReusedError
            return self._batches[ref]

    def batch(self, ref: BatchRef) -> Batch | None:
        with self._lock:
            return self._batches.get(ref)

    def batches_of(self, agency_id: str, *, before: str | None, limit: int) -> tuple[Batch, ...]:
        with self._lock:
            mine = [b for b in self._batches.values() if b.agency_id == agency_id]
        mine.sort(key=lambda batch: batch.batch_id, reverse=True)
        return tuple(b for b in mine if before is None or b.batch_id < before)[:limit]

    def save_batch(self, batch: Batch) -> None:
        with self._lock:
            self._demand_before(batch)
            self._batches[batch.ref] = batch

    def due_batches(self, before: datetime, limit: int) -> tuple[BatchRef, ...]:
        with self._lock:
            due = [b for b in self._batches.values() if b.due_at and b.due_at <= before]
        return tuple(b.ref for b in due[:limit])

    # -- registers -----------------------------------------------------------

    def hold_register(self, batch: Batch, seen: Head) -> None:
        with self._lock:
            self._demand_before(batch)
            self._demand_head(batch.register, seen)
            if seen.closing or seen.hold is not None or batch.hold is None:
                raise RegisterConflictError("The register cannot be held.")
            self._heads[batch.register] = replace(seen, hold=batch.hold, last_at=batch.hold.at)
            self._batches[batch.ref] = batch

    def assign_to_batch(self, block: Block, documents: Sequence[Document], batch: Batch) -> None:
        with self._lock:
            head = self._heads.get(block.register, Head())
            if head.last_number != block.after or not _holds(batch, head):
                raise RegisterConflictError("The head moved, or the register is not this batch's.")
            ends = batch.state is BatchState.ISSUING
            if ends:
                self._demand_before(batch)
                self._batches[batch.ref] = batch
            for entry in block.entries:
                self._entries[block.register, *entry.position] = entry
            for document in documents:
                self._documents[document.document_id] = document
                self._codes[document.verification_code] = document.document_id
            self._heads[block.register] = replace(
                head, last_number=block.last, hold=None if ends else head.hold
            )

    def let_go_of_register(self, batch: Batch, seen: Head) -> None:
        with self._lock:
            self._demand_before(batch)
            self._demand_head(batch.register, seen)
            if not _holds(batch, seen):
                raise RegisterConflictError("The register is not this batch's.")
            self._heads[batch.register] = replace(seen, hold=None)
            self._batches[batch.ref] = batch

    # -- chunks --------------------------------------------------------------

    def lease_chunk(
        self, work: BatchWork, *, owner: str, now: datetime, until: datetime, sealing: bool
    ) -> Lease:
        with self._lock:
            chunks, number = self._chunks.setdefault(work.ref, {}), _chunk(work)
            kept = chunks.get(number)
            if kept is not None and kept.done:
                return Lease.DONE
            if sealing and not self._batches[work.ref].may_seal:
                return Lease.STOPPED
            if kept is not None and kept.owner != owner and kept.leased_until > now:
                return Lease.BUSY
            chunks[number] = _Chunk(owner, until)
            return Lease.TAKEN

    def finish_chunk(self, work: BatchWork, *, issued: int, void: int) -> None:
        with self._lock:
            chunk = self._chunks[work.ref][_chunk(work)]
            if not chunk.done:
                chunk.done, chunk.issued, chunk.void = True, issued, void

    def chunks(self, ref: BatchRef) -> Mapping[int, ChunkState]:
        with self._lock:
            kept = self._chunks.get(ref, {})
            return {n: ChunkState(c.done, c.leased_until) for n, c in kept.items()}

    def progress(self, ref: BatchRef) -> Progress:
        with self._lock:
            done = [c for c in self._chunks.get(ref, {}).values() if c.done]
        return Progress(len(done), sum(c.issued for c in done), sum(c.void for c in done))

    # ------------------------------------------------------------------------

    def _demand_before(self, batch: Batch) -> None:
        kept = self._batches.get(batch.ref)
        if kept is None or kept.revision != batch.revision - 1:
            raise BatchMovedError("The batch was changed meanwhile.")

    def _demand_head(self, register: Register, seen: Head) -> None:
        if self._heads.get(register, Head()) != seen:
            raise RegisterConflictError("Another writer was at this register.")


class MemoryBatchStore:
    """Port: BatchStore, over the ledger's lock."""

    def __init__(self, ledger: BatchRegisters) -> None:
        self.add = ledger.add_batch
        self.made_by = ledger.batch_made_by
        self.get = ledger.batch
        self.of_agency = ledger.batches_of
        self.save = ledger.save_batch
        self.due = ledger.due_batches
        self.hold = ledger.hold_register
        self.assign = ledger.assign_to_batch
        self.let_go = ledger.let_go_of_register
        self.lease = ledger.lease_chunk
        self.finish_chunk = ledger.finish_chunk
        self.chunks = ledger.chunks
        self.progress = ledger.progress


class MemoryBatchFiles:
    """Port: BatchFiles. `uploads` are the bytes by batch; whoever is invited puts them there."""

    def __init__(self) -> None:
        self.uploads: dict[BatchRef, bytes] = {}
        self.files: dict[tuple[BatchRef, str], bytes] = {}

    def invite(self, ref: BatchRef) -> UploadForm:
        return UploadForm(
            url="memory:batches", fields={"key": str(ref)}, largest=512 << 20, seconds=3600
        )

    def uploaded(self, ref: BatchRef) -> UploadedFile | None:
        content = self.uploads.get(ref)
        return UploadedFile(_etag(content), len(content)) if content is not None else None

    def read(self, ref: BatchRef, etag: str, start: int) -> Any:
        content = self.uploads.get(ref, b"")
        if _etag(content) != etag:
            raise BatchBrokenError("The file was changed after its check began.")
        step = 1 << 16
        return (content[at : at + step] for at in range(start, len(content), step))

    def keep(self, ref: BatchRef, name: str, content: bytes) -> None:
        self.files[ref, name] = content

    def kept(self, ref: BatchRef, name: str) -> bytes | None:
        return self.files.get((ref, name))

    def write(self, ref: BatchRef, name: str, pieces: Any) -> None:
        self.files[ref, name] = b"".join(pieces)

    def link(self, ref: BatchRef, name: str, *, filename: str, seconds: int) -> str:
        return f"memory:{ref}/{name}?as={filename}&for={seconds}"


def _holds(batch: Batch, head: Head) -> bool:
    return head.hold is not None and head.hold.batch == str(batch.ref)


def _etag(content: bytes) -> str:
    return f"{len(content)}-{hash(content)}"


def _chunk(work: BatchWork) -> int:
    if work.chunk is None:
        raise ValueError("this work names no chunk")
    return work.chunk
