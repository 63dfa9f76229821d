"""Number: accepted documents get the next numbers of their book, in one block (P1, P2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import Document, DocumentState, Reason
from chalicelib.domain.errors import DocumentMovedError, RegisterConflictError, UnavailableError
from chalicelib.domain.registers import Book, Claim, lay_out_block
from chalicelib.ports import Clock, DocumentStore, DocumentTypes, RegisterStore, WorkQueue

# One transaction holds at most 100 items: the head, and an entry and a document
# for each number.
NUMBERS_PER_BLOCK = 49

# A conflict means that somebody else numbered meanwhile. With one FIFO group per
# book that is rare (a message delivered twice), so a few tries settle it; the
# queue brings back what they do not.
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Numberer:
    """Collaborators of `number`. `pause(attempt)` waits before the next try, longer
    each time and with jitter, so that two writers part."""

    documents: DocumentStore
    registers: RegisterStore
    types: DocumentTypes
    seal_queue: WorkQueue
    clock: Clock
    pause: Callable[[int], None]


def number(document_ids: Sequence[str], *, to: Numberer) -> None:
    """Number the accepted ones of `document_ids` in the order given; all of one book.

    Raises UnavailableError if the block could not be written, or not all seal
    messages sent. Repeatable: who has a number keeps it and is only sent on.

    Dies before step 3: nothing happened. Dies after it: documents are numbered, the
    messages come back and step 4 sends them on (P8).
    """
    for start in range(0, len(document_ids), NUMBERS_PER_BLOCK):
        _number_block(document_ids[start : start + NUMBERS_PER_BLOCK], to)


def _number_block(document_ids: Sequence[str], to: Numberer) -> None:
    for attempt in range(_TRIES):
        # 1. Read how far each document is.
        found = _in_order(document_ids, to.documents.get_many(document_ids))

        # 2. End what can never be numbered, so that it does not block its register (P4).
        waiting = _reject_impossible(found, to)

        try:
            # 3. Head, entries and documents in ONE transaction.
            numbered = _assign(waiting, to)
        except (RegisterConflictError, DocumentMovedError):
            to.pause(attempt)
            continue

        # 4. Send on what is numbered, by this run or an earlier one.
        to.seal_queue.send(
            [d.document_id for d in (*numbered, *found) if d.state is DocumentState.NUMBERED]
        )
        return
    message = f"The register was busy {_TRIES} times in a row."
    raise UnavailableError(message)


def _in_order(document_ids: Sequence[str], found: Mapping[str, Document]) -> list[Document]:
    """Each document once, in order of arrival. An id without document is a message that
    outlived a test stack or was forged: there is nothing to number."""
    return [found[i] for i in dict.fromkeys(document_ids) if i in found]


def _reject_impossible(found: Sequence[Document], to: Numberer) -> list[Document]:
    waiting = []
    for document in found:
        if document.state is not DocumentState.ACCEPTED:
            continue
        reason = _impossible(document, to.types.get(document.document_type))
        if reason is None:
            waiting.append(document)
        else:
            to.documents.reject(document, reason, to.clock())
    return waiting


def _impossible(document: Document, kind: DocumentType | None) -> Reason | None:
    if kind is None or kind.version < document.type_version:
        return Reason(
            "document_type_withdrawn",
            "The document type was withdrawn before the document was numbered. Submit it "
            "again with a type that is published.",
            "ประเภทเอกสารถูกยกเลิกก่อนออกเลข โปรดส่งคำขอใหม่ด้วยประเภทเอกสารที่เปิดใช้อยู่",
        )
    return None


def _assign(waiting: Sequence[Document], to: Numberer) -> list[Document]:
    if not waiting:
        return []
    now = to.clock()
    register = _book_of(waiting).at(now)
    block = lay_out_block(
        register,
        to.registers.last_number(register),
        [Claim(d.document_id, d.document_type, d.content_digest) for d in waiting],
        now,
    )
    numbered = to.registers.assign(block, {d.document_id: d for d in waiting})
    return list(numbered.values())


def _book_of(waiting: Sequence[Document]) -> Book:
    books = {document.book for document in waiting}
    if len(books) != 1:
        raise ValueError("a block belongs to one book")
    return books.pop()
