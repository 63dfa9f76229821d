"""What an agency asks of its batches: make one, check it, start, pause, resume, cancel it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.domain.batches import (
    UPLOAD_TIME,
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    BatchWork,
    OnError,
    Start,
    demand_state,
)
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.errors import (
    BatchMovedError,
    NotFoundError,
    NotReadyError,
    UnavailableError,
)
from chalicelib.domain.registers import Book
from chalicelib.ports import BatchFiles, BatchStore, Clock, IdempotencyClaim, Ids, WorkQueue

_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """A batch as asked for; type and defaults were validated at the edge."""

    agency_id: str
    submitted_by: str
    document_type: DocumentType
    file: BatchFile
    on_error: OnError
    start: Start
    defaults: Mapping[str, Any]
    claim: IdempotencyClaim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDesk:
    """Collaborators of all that is asked of batches."""

    batches: BatchStore
    files: BatchFiles
    number_queue: WorkQueue
    batch_queue: WorkQueue
    clock: Clock
    ids: Ids
    sweep_after: timedelta


def create(request: BatchRequest, *, desk: BatchDesk) -> Batch:
    """A new batch that waits for its file, or the one the same claim made before.

    Raises IdempotencyKeyReusedError, UnavailableError. Dies anywhere: nothing happened, or it
    lies there and ends by itself if nobody goes on with it.
    """
    now, kind = desk.clock(), request.document_type
    batch = Batch(
        batch_id=desk.ids.document_id(),
        agency_id=request.agency_id,
        submitted_by=request.submitted_by,
        created_at=now,
        document_type=kind.name,
        type_version=kind.version,
        book=Book(request.agency_id, kind.book),
        file=request.file,
        on_error=request.on_error,
        start=request.start,
        defaults=request.defaults,
        secret=bytes.fromhex(desk.ids.salt()),
        state=BatchState.AWAITING_UPLOAD,
        history=((BatchState.AWAITING_UPLOAD, now),),
        due_at=now + UPLOAD_TIME,
    )
    return desk.batches.add(batch, request.claim)


def find(ref: BatchRef, *, desk: BatchDesk) -> Batch:
    """Raises NotFoundError."""
    batch = desk.batches.get(ref)
    if batch is None:
        raise NotFoundError
    return batch


def begin_check(ref: BatchRef, *, desk: BatchDesk) -> Batch:
    """Pin the uploaded file and have it checked. Repeatable; once it goes on, nothing happens.

    Raises NotReadyError if nothing was uploaded, NotFoundError, UnavailableError.
    """

    def pinned(batch: Batch) -> Batch:
        if batch.state is not BatchState.AWAITING_UPLOAD:
            return batch
        file = desk.files.uploaded(ref)
        if file is None:
            raise NotReadyError(
                "No file was uploaded yet. Send it with the form that the batch was answered with.",
                "ยังไม่มีการอัปโหลดไฟล์ โปรดส่งไฟล์ด้วยแบบฟอร์มที่ได้รับเมื่อสร้างชุดเอกสาร",
            )
        now = desk.clock()
        return batch.entering(
            BatchState.CHECKING,
            now,
            etag=file.etag,
            size=file.size,
            due_at=now + desk.sweep_after,
        )

    batch = _change(ref, pinned, desk)
    _send_on(batch, desk)
    return batch


def start(ref: BatchRef, *, desk: BatchDesk) -> Batch:
    """Number and issue a checked batch. Repeatable. Raises BatchMovedError if it is not checked
    or has ended without numbers, NotFoundError, UnavailableError."""

    def started(batch: Batch) -> Batch:
        demand_state(
            batch, BatchState.READY, BatchState.NUMBERING, BatchState.ISSUING, BatchState.DONE
        )
        if batch.state is not BatchState.READY:
            return batch
        now = desk.clock()
        return batch.entering(BatchState.NUMBERING, now, due_at=now + desk.sweep_after)

    batch = _change(ref, started, desk)
    _send_on(batch, desk)
    return batch


def pause(ref: BatchRef, *, desk: BatchDesk) -> Batch:
    """Seal nothing further until it is resumed; chunks at work are ended. Numbering that has
    begun is ended too: other documents wait for the register. Repeatable. Raises
    BatchMovedError, NotFoundError, UnavailableError."""

    def paused(batch: Batch) -> Batch:
        demand_state(batch, BatchState.NUMBERING, BatchState.ISSUING)
        if batch.paused or batch.cancelled_by:
            return batch
        being_numbered = batch.state is BatchState.NUMBERING and batch.hold is not None
        return batch.changed(paused=True, due_at=batch.due_at if being_numbered else None)

    return _change(ref, paused, desk)


def resume(ref: BatchRef, *, desk: BatchDesk) -> Batch:
    """Go on with a paused batch. Repeatable. Raises BatchMovedError, NotFoundError,
    UnavailableError."""

    def resumed(batch: Batch) -> Batch:
        demand_state(batch, BatchState.NUMBERING, BatchState.ISSUING)
        if not batch.paused:
            return batch
        due_at = desk.clock() + desk.sweep_after
        return batch.changed(paused=False, dispatched=False, due_at=due_at, looks=0)

    batch = _change(ref, resumed, desk)
    _send_on(batch, desk)
    return batch


def cancel(ref: BatchRef, *, by: str, desk: BatchDesk) -> Batch:
    """End a batch: what was issued stays; what has a number and no file ends as void; the rest
    ends without number. Repeatable. Raises BatchMovedError if it has ended otherwise,
    NotFoundError, UnavailableError.

    Dies after the change: the messages are lost, and `sweep` goes on with it.
    """

    def cancelled(batch: Batch) -> Batch:
        if batch.state is BatchState.CANCELLED or batch.cancelled_by:
            return batch
        if batch.state.ended:
            demand_state(batch)
        now = desk.clock()
        if batch.state is BatchState.ISSUING or batch.hold is not None:
            return batch.changed(
                cancelled_by=by, paused=False, due_at=now + desk.sweep_after, looks=0
            )
        return batch.entering(BatchState.CANCELLED, now, cancelled_by=by)

    batch = _change(ref, cancelled, desk)
    _send_on(batch, desk)
    return batch


def _change(ref: BatchRef, change: Callable[[Batch], Batch], desk: BatchDesk) -> Batch:
    """Read, change, write over exactly what was read; again if somebody was faster."""
    for _ in range(_TRIES):
        seen = find(ref, desk=desk)
        wanted = change(seen)
        if wanted is seen:
            return seen
        try:
            desk.batches.save(wanted)
        except BatchMovedError:
            continue
        return wanted
    raise UnavailableError("The batch is busy; repeat the request.")


def _send_on(batch: Batch, desk: BatchDesk) -> None:
    """Whoever works on it next is told. A repeat tells it again, which harms nothing."""
    if batch.state is BatchState.NUMBERING:
        desk.number_queue.send_batch([BatchWork(batch.ref)], group=batch.book.group)
    elif batch.state in {BatchState.CHECKING, BatchState.ISSUING}:
        desk.batch_queue.send_batch([BatchWork(batch.ref)])
