"""Advance a batch: whatever comes next for it (P4, P8).

A message about a batch says nothing but its name. Each run reads how far it is and does the
next step, so a message too many finds its work done, and a lost one is sent again by `sweep`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.batches import (
    START_TIME,
    UPLOAD_TIME,
    Batch,
    BatchRef,
    BatchState,
    BatchWork,
    OnError,
    Start,
)
from chalicelib.domain.documents import Reason
from chalicelib.domain.errors import (
    BatchBrokenError,
    BatchMovedError,
    InvalidRequestError,
    UnavailableError,
)
from chalicelib.ports import Directory, DocumentTypes, WorkQueue
from chalicelib.services.check_batch import CheckRoom, check, reason_of
from chalicelib.services.end_batch import EndRoom, finish, void_rest
from chalicelib.services.number import why_no_letter

_TRIES = 6
_ACTOR = "function:batch"
# A batch in which nothing moves is looked at less and less often, but for ever (P4).
_MOST_DOUBLINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRoom:
    """Collaborators of `advance`."""

    checking: CheckRoom
    ending: EndRoom
    types: DocumentTypes
    directory: Directory
    number_queue: WorkQueue
    batch_queue: WorkQueue
    seal_queue: WorkQueue
    sweep_after: timedelta


def advance(ref: BatchRef, *, room: BatchRoom, in_time: Callable[[], bool]) -> Batch | None:
    """Do the next step of a batch; returns it as it is then, None if there is none.

    What time is too short for goes on with another message. Raises UnavailableError. Repeatable.
    Dies anywhere: the message comes back, or `sweep` sends one.
    """
    for _ in range(_TRIES):
        batch = room.checking.batches.get(ref)
        if batch is None or batch.state.ended:
            return batch
        try:
            return _step(batch, room, in_time)
        except BatchMovedError:
            continue  # paused, cancelled or helped on meanwhile: read again
    raise UnavailableError(f"The batch was changed {_TRIES} times in a row.")


def _step(batch: Batch, room: BatchRoom, in_time: Callable[[], bool]) -> Batch:
    match batch.state:
        case BatchState.AWAITING_UPLOAD:
            return _end_late(batch, UPLOAD_TIME, _NO_UPLOAD, room)
        case BatchState.CHECKING:
            return _check(batch, room, in_time)
        case BatchState.READY:
            return _end_late(batch, START_TIME, _NOT_STARTED, room)
        case BatchState.NUMBERING:
            return _number(batch, room)
        case _:
            return _issue(batch, room, in_time)


# -- before numbering ------------------------------------------------------------


def _end_late(batch: Batch, patience: timedelta, reason: Reason, room: BatchRoom) -> Batch:
    """A batch that nobody goes on with ends by itself."""
    now = room.checking.clock()
    if now < batch.history[-1][1] + patience:
        return batch
    ended = batch.entering(BatchState.CANCELLED, now, cancelled_by=_ACTOR, reason=reason)
    room.checking.batches.save(ended)
    return ended


def _check(batch: Batch, room: BatchRoom, in_time: Callable[[], bool]) -> Batch:
    kind = room.types.get(batch.document_type, batch.type_version)
    if kind is None:
        return _refuse(batch, _TYPE_WITHDRAWN, room)
    try:
        if not batch.checked.complete:
            batch = check(batch, kind, room=room.checking, in_time=in_time)
    except BatchBrokenError as error:
        return _refuse(_again(batch, room), Reason.of(error), room)
    except InvalidRequestError as error:
        return _refuse(_again(batch, room), reason_of(error), room)
    if not batch.checked.complete:
        room.batch_queue.send_batch([BatchWork(batch.ref)])
        return batch
    reason = _why_not(batch, room)
    return _refuse(batch, reason, room) if reason else _ready(batch, room)


def _again(batch: Batch, room: BatchRoom) -> Batch:
    """As the check left it."""
    found = room.checking.batches.get(batch.ref)
    if found is None or found.state is not batch.state:
        raise BatchMovedError("The batch was changed meanwhile.")
    return found


def _why_not(batch: Batch, room: BatchRoom) -> Reason | None:
    """Why a checked batch cannot be numbered."""
    checked = batch.checked
    if checked.lines == 0:
        return _EMPTY
    if checked.invalid and batch.on_error is OnError.ALL_OR_NOTHING:
        return _INVALID_LINES
    if checked.valid == 0:
        return _NO_VALID_LINE
    return why_no_letter(batch.book, room.directory)


def _refuse(batch: Batch, reason: Reason, room: BatchRoom) -> Batch:
    refused = batch.entering(BatchState.REFUSED, room.checking.clock(), reason=reason)
    room.checking.batches.save(refused)
    return refused


def _ready(batch: Batch, room: BatchRoom) -> Batch:
    now = room.checking.clock()
    ready = batch.entering(BatchState.READY, now, due_at=now + START_TIME)
    if batch.start is Start.MANUAL:
        room.checking.batches.save(ready)
        return ready
    # One revision for both changes, so that no batch rests between them.
    started = ready.entering(BatchState.NUMBERING, now, due_at=now + room.sweep_after)
    started = replace(started, revision=ready.revision)
    room.checking.batches.save(started)
    room.number_queue.send_batch([BatchWork(batch.ref)], group=batch.book.group)
    return started


def _number(batch: Batch, room: BatchRoom) -> Batch:
    """Whatever message it waits for is sent again."""
    batch = _look_again(batch, room, moved=False)
    room.number_queue.send_batch([BatchWork(batch.ref)], group=batch.book.group)
    return batch


# -- after numbering -------------------------------------------------------------


def _issue(batch: Batch, room: BatchRoom, in_time: Callable[[], bool]) -> Batch:
    if batch.cancelled_by:
        return _cancel(batch, room, in_time)
    done = room.checking.batches.progress(batch.ref).chunks
    if done == batch.chunks:
        return finish(batch, room=room.ending)
    if batch.paused:
        return batch
    if not batch.dispatched or done == batch.seen:
        # Sent anew only where nothing moved since somebody looked last: what waits in a long
        # queue must not be doubled.
        _send_chunks(batch, room)
    return _look_again(batch, room, moved=done != batch.seen, dispatched=True, seen=done)


def _send_chunks(batch: Batch, room: BatchRoom) -> None:
    begun = room.checking.batches.chunks(batch.ref)
    left = [n for n in range(batch.chunks) if n not in begun or not begun[n].done]
    room.seal_queue.send_batch([BatchWork(batch.ref, chunk) for chunk in left])


def _cancel(batch: Batch, room: BatchRoom, in_time: Callable[[], bool]) -> Batch:
    if void_rest(batch, room=room.ending, in_time=in_time):
        return finish(batch, room=room.ending)
    batch = _look_again(batch, room, moved=True)
    if not in_time():
        room.batch_queue.send_batch([BatchWork(batch.ref)])
    return batch


def _look_again(batch: Batch, room: BatchRoom, *, moved: bool, **changes: object) -> Batch:
    """Nothing more to do now; note when somebody has to look again."""
    looks = 0 if moved else batch.looks + 1
    doublings: int = 2 ** min(batch.looks, _MOST_DOUBLINGS)
    later = batch.changed(
        due_at=room.checking.clock() + room.sweep_after * doublings, looks=looks, **changes
    )
    room.checking.batches.save(later)
    return later


_NO_UPLOAD = Reason(
    "no_upload",
    "No file was uploaded and checked in time.",
    "ไม่มีการอัปโหลดและสั่งตรวจไฟล์ภายในเวลาที่กำหนด",
)
_NOT_STARTED = Reason(
    "not_started",
    "The batch was checked, and nobody started it in time.",
    "ตรวจชุดเอกสารแล้วแต่ไม่มีการสั่งเริ่มภายในเวลาที่กำหนด",
)
_TYPE_WITHDRAWN = Reason(
    "document_type_withdrawn",
    "The document type was withdrawn or replaced before the batch was checked. Make a new batch.",
    "ประเภทเอกสารถูกยกเลิกหรือเปลี่ยนรุ่นก่อนตรวจชุดเอกสาร โปรดสร้างชุดเอกสารใหม่",
)
_EMPTY = Reason("empty_file", "The file has no line.", "ไฟล์ไม่มีข้อมูล")
_INVALID_LINES = Reason(
    "invalid_lines",
    "Some lines are not accepted, and the batch is all or nothing. See its report, correct the "
    "file, and make a new batch.",
    "มีบรรทัดที่ไม่ผ่านการตรวจ และชุดนี้กำหนดว่าต้องผ่านทั้งหมด โปรดดูรายงาน แก้ไขไฟล์ แล้วสร้างชุดเอกสารใหม่",
)
_NO_VALID_LINE = Reason(
    "no_valid_line",
    "None of the lines is accepted. See the report.",
    "ไม่มีบรรทัดใดผ่านการตรวจ โปรดดูรายงาน",
)
