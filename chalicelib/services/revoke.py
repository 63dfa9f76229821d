"""Revoke, suspend, reinstate: an officer's ruling on an issued document (issue 5, item 5).

Replacing one is `seal`'s: it happens in the moment the new document is final.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from chalicelib.domain.documents import Decision, Document
from chalicelib.domain.errors import NotFoundError, RegisterConflictError, UnavailableError
from chalicelib.domain.standing import Ruling
from chalicelib.ports import Clock, DocumentStore, IdempotencyClaim, RegisterStore, WorkQueue

# A conflict means that somebody else ruled on the same document at the same moment.
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Collaborators of `rule`; `pause` as in `number`."""

    documents: DocumentStore
    registers: RegisterStore
    deliver_queue: WorkQueue
    clock: Clock
    pause: Callable[[int], None]


def rule(
    document_id: str, decision: Decision, claim: IdempotencyClaim | None, *, bench: Bench
) -> tuple[Document, Ruling]:
    """Enter a decision on an issued document, for ever: document, register entry, status list
    and outcome in one transaction.

    Returns the document and the ruling, which is the one of before if the same claim made it.
    Who may decide was checked before. Raises NotFoundError, NotReadyError,
    StandingConflictError, IdempotencyKeyReusedError, UnavailableError.

    Dies before step 3: nothing happened. Dies between 3 and 4: the ruling holds, and `sweep`,
    or a repeat with the same claim, has its recipients told.
    """
    for attempt in range(_TRIES):
        # 1. A repeat gets what it made, whatever was decided since.
        made = repeat(claim, bench=bench) if claim else None
        if made is not None:
            return made

        # 2. Decide on what was decided before.
        document = bench.documents.get(document_id)
        if document is None:
            raise NotFoundError
        ruled = document.ruled(decision, bench.clock())

        # 3. ONE transaction, conditional on nobody having ruled meanwhile.
        try:
            bench.registers.rule(ruled, claim)
        except RegisterConflictError:
            bench.pause(attempt)
            continue

        # 4. Have the recipients told.
        _tell(ruled, bench)
        return ruled, ruled.rulings[-1]
    message = "Others decide on this document at the same time; repeat the request."
    raise UnavailableError(message)


def repeat(claim: IdempotencyClaim, *, bench: Bench) -> tuple[Document, Ruling] | None:
    """The ruling that this claim made before, its recipients told again if they were not; None
    for a claim never seen. Raises IdempotencyKeyReusedError."""
    made = bench.documents.ruled_by(claim)
    if made is not None:
        _tell(made[0], bench)
    return made


def _tell(document: Document, bench: Bench) -> None:
    """The ruling holds already: a queue that does not answer must not make it look undone."""
    if not document.settled:
        with suppress(UnavailableError):
            bench.deliver_queue.send([document.document_id])
