"""End a batch: void what a cancelled one did not issue, and archive what became of each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.batches import CANCELLED_REASON, Batch, BatchState, BatchWork
from chalicelib.domain.documents import ArchivedFile, Document, DocumentState, archive_key
from chalicelib.domain.errors import DocumentMovedError, UnavailableError
from chalicelib.domain.evidence import verify_url
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.ports import (
    Archive,
    BatchStore,
    Clock,
    DocumentStore,
    Lease,
    RegisterStore,
    WorkQueue,
)
from chalicelib.services.seal_chunk import LEASE, count_chunk

_OWNER = "function:batch"
_PAGE = 100
_MEDIA_TYPE = "application/jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRoom:
    """Collaborators of `void_rest` and `finish`."""

    batches: BatchStore
    documents: DocumentStore
    registers: RegisterStore
    archive: Archive
    deliver_queue: WorkQueue
    clock: Clock
    lock_mode: LockMode
    public_url: str


def manifest_key(batch: Batch) -> str:
    """Where the manifest lies in the archive."""
    return f"batches/{batch.ref}/manifest.jsonl"


def void_rest(batch: Batch, *, room: EndRoom, in_time: Callable[[], bool]) -> bool:
    """End as void, by whom cancelled the batch, every document of it that is not issued.

    Returns False if something is left: time ran out, or a chunk is still being sealed (its
    worker tells the batch when it ends). Repeatable; dies anywhere: chunks that were ended stay
    so. A document whose file is archived already is issued: the file is out of reach of
    whoever cancels (P2).
    """
    begun = room.batches.chunks(batch.ref)
    complete = True
    for chunk in range(batch.chunks):
        state = begun.get(chunk)
        if state is not None and state.done:
            continue
        if not in_time():
            return False
        work, now = BatchWork(batch.ref, chunk), room.clock()
        lease = room.batches.lease(work, owner=_OWNER, now=now, until=now + LEASE, sealing=False)
        if lease is Lease.TAKEN:
            found = _documents(batch, batch.places(chunk), room)
            ended = [_end(d, batch, room, was_begun=state is not None) for d in found]
            count_chunk(work, ended, room.batches)
        elif lease is Lease.BUSY:
            complete = False
    return complete


def _end(document: Document, batch: Batch, room: EndRoom, *, was_begun: bool) -> Document:
    if document.state is not DocumentState.NUMBERED:
        return document
    # Only a worker that died between archive and register leaves a file that nobody knows of.
    file = room.archive.find(archive_key(document)) if was_begun else None
    try:
        if file is None:
            by = batch.cancelled_by or _OWNER
            return room.registers.void(document, CANCELLED_REASON, by=by, at=room.clock())
        issued = room.registers.finalise(document, file, room.clock())
    except DocumentMovedError:
        # An earlier run of this ended it the other way.
        return _documents_again(document, room)
    room.deliver_queue.send([issued.document_id])
    return issued


def _documents_again(document: Document, room: EndRoom) -> Document:
    found = room.documents.get(document.document_id)
    if found is None:
        raise UnavailableError("A document of the batch cannot be read.")
    return found


def _documents(batch: Batch, places: Sequence[int], room: EndRoom) -> list[Document]:
    ids = [batch.document_id(place) for place in places]
    found = room.documents.get_many(ids)
    if len(found) != len(ids):
        raise UnavailableError("Documents of the batch cannot be read.")
    return [found[document_id] for document_id in ids]


def finish(batch: Batch, *, room: EndRoom) -> Batch:
    """Archive the manifest, write-once and locked, and note the end.

    Raises UnavailableError, BatchMovedError. Repeatable: the first manifest stands. Dies between
    the two: the repeat finds the manifest.
    """
    state = BatchState.CANCELLED if batch.cancelled_by else BatchState.DONE
    manifest = _archive_manifest(batch, room) if batch.numbered else None
    ended = batch.entering(state, room.clock(), manifest=manifest)
    room.batches.save(ended)
    return ended


def _archive_manifest(batch: Batch, room: EndRoom) -> ArchivedFile:
    if batch.hold is None:
        raise ValueError("a batch with numbers held its register")
    until = retain_until(batch.hold.at, batch.checked.retention_years)
    return room.archive.put_pieces_once(
        manifest_key(batch), _pieces(batch, room), until, room.lock_mode, media_type=_MEDIA_TYPE
    )


def _pieces(batch: Batch, room: EndRoom) -> Iterator[bytes]:
    for first in range(0, batch.numbered, _PAGE):
        places = range(first, min(first + _PAGE, batch.numbered))
        rows = (_row(document, room) for document in _documents(batch, places, room))
        yield "".join(
            f"{json.dumps(row, ensure_ascii=False, separators=(',', ':'))}\n" for row in rows
        ).encode()


def _row(document: Document, room: EndRoom) -> Mapping[str, Any]:
    """What became of a line. Holds nothing of its content."""
    if document.numbering is None or document.batch is None:
        raise ValueError("a document of a batch has a number and a line")
    return {
        "line": document.batch.line,
        "document_id": document.document_id,
        "number": document.numbering.number,
        "year": document.numbering.year,
        "printed_number": document.numbering.printed,
        "state": document.state.value,
        "sha256": document.file.sha256 if document.file else None,
        "reason": document.reason.code if document.reason else None,
        "verify": verify_url(document, room.public_url),
    }
