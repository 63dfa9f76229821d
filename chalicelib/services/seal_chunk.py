"""Seal a chunk: some documents of a batch, one message for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.batches import Batch, BatchWork
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import NotFoundError
from chalicelib.ports import BatchStore, Clock, Lease, WorkQueue

LEASE = timedelta(minutes=3)
"""Longer than the function runs (.chalice/config.json): who took a chunk before that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRoom:
    """Collaborators of `seal_chunk`."""

    batches: BatchStore
    batch_queue: WorkQueue
    clock: Clock


def seal_chunk(
    work: BatchWork,
    *,
    owner: str,
    room: ChunkRoom,
    seal_each: Callable[[Sequence[str]], Sequence[Document]],
) -> None:
    """Seal the documents of a chunk with `seal_each`, and count them.

    Does nothing while the batch is paused or cancelled: that is decided in one transaction with
    taking the chunk, so a cancelled batch is left alone from then on. `owner` names the message:
    when it comes again, whoever had it before is dead.

    Raises NotFoundError, and what `seal_each` raises; the message then comes back. Dies before
    step 3: documents already issued stay so, and the repeat finds them. Dies between 3 and 4:
    the repeat, or `sweep`, tells the batch.
    """
    # 1. Take the chunk.
    batch = room.batches.get(work.ref)
    if batch is None or work.chunk is None:
        raise NotFoundError
    now = room.clock()
    lease = room.batches.lease(work, owner=owner, now=now, until=now + LEASE, sealing=True)
    if lease is Lease.TAKEN:
        # 2. Seal what is not sealed.
        documents = seal_each(batch.document_ids(work.chunk))
        # 3. Count it, once.
        count_chunk(work, documents, room.batches)
    elif lease is not Lease.DONE:
        return
    # 4. Tell the batch if this was the last one, or somebody waits for this one to end.
    if _is_waited_for(batch, room):
        room.batch_queue.send_batch([BatchWork(work.ref)])


def count_chunk(work: BatchWork, documents: Sequence[Document], batches: BatchStore) -> None:
    """Note how the documents of a chunk ended."""
    issued = sum(d.state is DocumentState.ISSUED for d in documents)
    batches.finish_chunk(work, issued=issued, void=len(documents) - issued)


def _is_waited_for(batch: Batch, room: ChunkRoom) -> bool:
    if room.batches.progress(batch.ref).chunks == batch.chunks:
        return True
    now = room.batches.get(batch.ref)
    return now is not None and now.cancelled_by is not None
