"""Number in turn: what waits for numbers of one book, documents and batches, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from chalicelib.domain.batches import BatchRef, BatchWork
from chalicelib.domain.errors import RegisterHeldError, UnavailableError
from chalicelib.ports import WorkQueue
from chalicelib.services.number import Numberer, number
from chalicelib.services.number_batch import BatchNumberer, number_batch

# A helped batch is through, so the second try finds the register free; a third batch in a row
# is rare, and the queue brings back what met it.
_TRIES = 3

Work = str | BatchRef
"""A document's id, or a batch."""


def number_in_turn(
    work: Sequence[Work],
    *,
    group: str,
    to: Numberer,
    batches: BatchNumberer,
    queue: WorkQueue,
    in_time: Callable[[], bool],
) -> None:
    """Number what arrived for one book, in the order of arrival.

    Whoever meets a register that a batch holds helps that batch on first. What time is too
    short for goes to the end of the book's queue, behind the batch at work: it counts as no
    failure, and no message waits in vain.

    Raises UnavailableError; then everything has to come again. Repeatable. Dies anywhere: the
    messages come back, and what was sent on already comes twice, which harms nothing.
    """
    parts = [
        (kind, list(each)) for kind, each in groupby(work, key=lambda w: isinstance(w, BatchRef))
    ]
    for index, (_, part) in enumerate(parts):
        waits_for = _number_part(part, to, batches, in_time)
        if waits_for is not None:
            left = [each for _, later in parts[index:] for each in later]
            _send_back(waits_for, left, queue, group)
            return


def _number_part(
    part: Sequence[Work], to: Numberer, batches: BatchNumberer, in_time: Callable[[], bool]
) -> BatchRef | None:
    """Number documents, or batches one by one; the batch that was not done with in time."""
    for _ in range(_TRIES):
        try:
            documents = [each for each in part if isinstance(each, str)]
            if documents:
                number(documents, to=to)
            for each in part:
                if isinstance(each, BatchRef) and not number_batch(
                    each, to=batches, in_time=in_time
                ):
                    return each
        except RegisterHeldError as held:
            holder = BatchRef.parse(held.batch)
            if not number_batch(holder, to=batches, in_time=in_time):
                return holder
        else:
            return None
    raise UnavailableError(f"The register was held {_TRIES} times in a row.")


def _send_back(first: BatchRef, left: Sequence[Work], queue: WorkQueue, group: str) -> None:
    queue.send_batch([BatchWork(first)], group=group)
    for each in left:
        if isinstance(each, BatchRef):
            if each != first:
                queue.send_batch([BatchWork(each)], group=group)
        else:
            queue.send([each], group=group)
