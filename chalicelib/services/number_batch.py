"""Number a batch: its documents get one block of consecutive numbers, in file order (P1, P2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.batches import (
    Batch,
    BatchRef,
    BatchState,
    BatchWork,
    CheckedLine,
    kept_lines,
    numbers_given,
    segment_at,
)
from chalicelib.domain.documents import Document, Reason
from chalicelib.domain.errors import (
    BatchBrokenError,
    BatchMovedError,
    RegisterClosedError,
    RegisterConflictError,
    RegisterHeldError,
    UnavailableError,
)
from chalicelib.domain.registers import Claim, Head, Hold, lay_out_block, numbering_of
from chalicelib.ports import BatchFiles, BatchStore, Clock, Directory, RegisterStore, WorkQueue
from chalicelib.services.number import BYTES_PER_BLOCK, why_no_letter

# One transaction holds at most 100 items: the head, the batch, at the beginning of a year the
# register's own line, and for each number an entry, a document and a verification code.
DOCUMENTS_PER_BLOCK = 32

_TRIES = 6
_ACTOR = "function:number"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNumberer:
    """Collaborators of `number_batch`; `pause` as in `number`."""

    batches: BatchStore
    registers: RegisterStore
    files: BatchFiles
    directory: Directory
    batch_queue: WorkQueue
    clock: Clock
    pause: Callable[[int], None]
    sweep_after: timedelta


def segment_name(index: int) -> str:
    """What a piece of a checked file is kept as."""
    return f"segments/{index:05d}.jsonl"


def number_batch(ref: BatchRef, *, to: BatchNumberer, in_time: Callable[[], bool]) -> bool:
    """Give the batch its numbers, block by block, for as long as `in_time` says.

    Returns False if time ran out first: then it has to be called again. The register is held
    for the batch from before its first number until after its last, so that nobody else's
    stands between; all its entries carry the instant of the hold, so that a year that turns
    meanwhile splits nothing. A batch that was cancelled lets go after the segment at hand (at most
    1,000 numbers); one whose agency cannot number letters any more ends before it holds anything.

    Raises RegisterHeldError if another batch is first, RegisterClosedError, UnavailableError.
    Repeatable: the register's head says how many were given. Dies anywhere: blocks are written
    whole, and the next call, whoever makes it, goes on behind the last one (P8).
    """
    # 1. Read how far it is.
    batch = to.batches.get(ref)
    if batch is None:
        return True
    if batch.state is BatchState.NUMBERING:
        # 2. Take the register, once.
        held = _held(batch, to)
        if held is None:
            return True  # paused or cancelled before its first number
        # 3. Blocks, until the last one frees the register.
        if not _give_all(held, to, in_time):
            return False
    # 4. Sealing begins, by this run or a repeat.
    to.batch_queue.send_batch([BatchWork(ref)])
    return True


# -- the hold --------------------------------------------------------------------


def _held(batch: Batch, to: BatchNumberer) -> Batch | None:
    for attempt in range(_TRIES):
        if batch.state is not BatchState.NUMBERING:
            return None
        if batch.hold is not None:
            return batch
        if batch.paused or batch.cancelled_by:
            return None
        now = to.clock()
        register = batch.book.at(now)
        head = to.registers.head(register)
        if head.closing:
            raise RegisterClosedError("This clock still shows a year whose register is closed.")
        if head.hold is not None and head.hold.batch != str(batch.ref):
            raise RegisterHeldError(head.hold.batch)
        hold = Hold(str(batch.ref), head.last_number, head.next_instant(now))
        agency = to.directory.agency(batch.agency_id)
        prefix = agency.letter_prefix if agency else None
        holding = batch.holding(hold, register, prefix)
        # Checked before, but the agency may have lost its prefix since: no register is held for
        # numbers that nobody can print.
        reason = why_no_letter(batch.book, to.directory)
        try:
            if reason is not None:
                _end(batch, reason, now, to)
                return None
            to.batches.hold(holding, head)
        except (RegisterConflictError, BatchMovedError):
            to.pause(attempt)
            batch = _again(batch, to)
            continue
        return holding
    raise UnavailableError(f"The register was busy {_TRIES} times in a row.")


def _end(batch: Batch, reason: Reason, now: datetime, to: BatchNumberer) -> None:
    ended = batch.entering(BatchState.CANCELLED, now, cancelled_by=_ACTOR, reason=reason)
    to.batches.save(ended)


def _again(batch: Batch, to: BatchNumberer) -> Batch:
    found = to.batches.get(batch.ref)
    if found is None:
        raise UnavailableError("The batch cannot be read.")
    return found


# -- blocks ----------------------------------------------------------------------


def _give_all(batch: Batch, to: BatchNumberer, in_time: Callable[[], bool]) -> bool:
    """True once all is given; False if time ran out."""
    attempt = 0
    segment: tuple[int, Sequence[CheckedLine]] | None = None
    head = to.registers.head(batch.register)
    while _is_holder(batch, head):
        if not in_time():
            return False
        given = numbers_given(batch, head)
        try:
            if batch.cancelled_by:
                _let_go(batch, head, given, to)
                return True
            index, first = segment_at(batch, given)
            if segment is None or segment[0] != index:
                segment = index, _lines(batch, index, to)
                batch = _again(batch, to)  # was it cancelled meanwhile?
                continue
            head = _give_block(batch, head, segment[1][given - first :], to)
            attempt = 0
        except BatchBrokenError as error:
            broken = replace(batch, cancelled_by=_ACTOR, reason=Reason.of(error))
            _let_go(broken, head, given, to)
            return True
        except (RegisterConflictError, BatchMovedError):
            # Somebody helps, or the batch was paused or cancelled: look again.
            attempt += 1
            if attempt >= _TRIES:
                raise UnavailableError(f"The register was busy {_TRIES} times in a row.") from None
            to.pause(attempt)
            batch, head = _again(batch, to), to.registers.head(batch.register)
    return True


def _is_holder(batch: Batch, head: Head) -> bool:
    return head.hold is not None and head.hold.batch == str(batch.ref)


def _let_go(batch: Batch, head: Head, given: int, to: BatchNumberer) -> None:
    now = to.clock()
    to.batches.let_go(batch.let_go(given, now, due_at=now + to.sweep_after), head)


def _lines(batch: Batch, index: int, to: BatchNumberer) -> Sequence[CheckedLine]:
    """The valid lines of a segment. Raises BatchBrokenError if they are not what was checked."""
    kept = to.files.kept(batch.ref, segment_name(index))
    if kept is None or hashlib.sha256(kept).hexdigest() != batch.checked.segments[index].sha256:
        raise BatchBrokenError(
            "What was kept of the checked file is gone or changed; the batch ends.",
            "ข้อมูลที่ตรวจแล้วของชุดเอกสารสูญหายหรือเปลี่ยนไป จึงสิ้นสุดชุดเอกสาร",
        )
    return list(kept_lines(kept))


def _give_block(batch: Batch, head: Head, lines: Sequence[CheckedLine], to: BatchNumberer) -> Head:
    """Number as many lines as fit a transaction; the head as it is then."""
    given = numbers_given(batch, head)
    accepted = list(_fitting(batch, given, lines))
    claims = [
        Claim(
            document_id=document.document_id,
            document_type=document.document_type,
            content_digest=document.content_digest,
            salt=document.salt,
            subject=line.subject,
            counterpart=line.counterpart,
        )
        for document, line in zip(accepted, lines, strict=False)
    ]
    now = to.clock()
    block = lay_out_block(batch.register, head, claims, now)
    numbered = [
        document.numbered(numbering_of(entry, batch.letter_prefix))
        for document, entry in zip(accepted, block.entries, strict=True)
    ]
    total = given + len(numbered)
    ends = total == batch.checked.valid
    due_at = None if batch.paused else now + to.sweep_after
    after = batch.let_go(total, now, due_at=due_at) if ends else batch
    to.batches.assign(block, numbered, after)
    return replace(head, last_number=block.last, hold=None if ends else head.hold)


def _fitting(batch: Batch, given: int, lines: Sequence[CheckedLine]) -> Iterator[Document]:
    weight = 0
    for place, line in enumerate(lines[:DOCUMENTS_PER_BLOCK], start=given):
        document = batch.document(place, line)
        weight += document.weight
        if weight > BYTES_PER_BLOCK and place > given:
            return
        yield document
