"""Batches, and the registers they hold, in DynamoDB (port: BatchStore).

A register is one batch's while its head says so (`held_by`). Head, entries, documents and, at
the ends of a hold, the batch itself change in one TransactWriteItems, so that at no instant
two of them say different things (P1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.batch_items import (
    BatchClaimItem,
    BatchItem,
    ChunkItem,
    CounterItem,
)
from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import (
    Cancellation,
    cancellations,
    is_condition_failure,
    translated,
)
from chalicelib.adapters.dynamodb.items import (
    BegunItem,
    CodeItem,
    DocumentItem,
    EntryItem,
    HeadItem,
    bind,
    to_instant,
    to_text,
)
from chalicelib.adapters.dynamodb.register_lines import free_after
from chalicelib.domain.batches import (
    Batch,
    BatchRef,
    BatchState,
    BatchWork,
    Progress,
    counter_of,
)
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    BatchMovedError,
    IdempotencyKeyReusedError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.registers import Block, Head, Hold
from chalicelib.ports import ChunkState, IdempotencyClaim, Lease


class DynamoBatchStore:
    """Batches in the registers' table, their documents in the documents' one."""

    def __init__(self, registers_table: str, documents_table: str) -> None:
        self._batches = bind(BatchItem, registers_table)
        self._claims = bind(BatchClaimItem, registers_table)
        self._chunks = bind(ChunkItem, registers_table)
        self._counters = bind(CounterItem, registers_table)
        self._heads = bind(HeadItem, registers_table)
        self._begun = bind(BegunItem, registers_table)
        self._entries = bind(EntryItem, registers_table)
        self._documents = bind(DocumentItem, documents_table)
        self._codes = bind(CodeItem, documents_table)
        self.connection = QuickConnection()

    # -- batches -------------------------------------------------------------

    def add(self, batch: Batch, claim: IdempotencyClaim | None) -> Batch:
        """Idempotency key of this write: the claim; without one, the fresh batch id."""
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.save(
                    self._batches.of(batch), condition=self._batches.register_id.does_not_exist()
                )
                if claim is not None:
                    transaction.save(
                        self._claims(
                            *_claim_key(claim),
                            batch_id=batch.batch_id,
                            request_digest=claim.request_digest,
                        ),
                        condition=self._claims.register_id.does_not_exist(),
                    )
        except TransactWriteError as error:
            made = self.made_by(claim) if claim and _condition_failed(error) else None
            if made is None:
                message = "The batch could not be stored just now; repeat the request."
                raise UnavailableError(message) from error
            return made
        return batch

    def made_by(self, claim: IdempotencyClaim) -> Batch | None:
        with translated():
            try:
                kept = self._claims.get(*_claim_key(claim), consistent_read=True)
            except DoesNotExist:
                return None
        if kept.request_digest != claim.request_digest:
            raise IdempotencyKeyReusedError
        return self.get(BatchRef(claim.agency_id, kept.batch_id))

    def get(self, ref: BatchRef) -> Batch | None:
        with translated():
            try:
                found = self._batches.get(*_key(ref), consistent_read=True)
            except DoesNotExist:
                return None
            return found.to_domain()

    def of_agency(self, agency_id: str, *, before: str | None, limit: int) -> tuple[Batch, ...]:
        with translated():
            found = self._batches.query(
                BatchItem.partition(agency_id),
                self._batches.line < before if before else None,
                scan_index_forward=False,
                consistent_read=True,
                limit=limit,
            )
            return tuple(item.to_domain() for item in found)

    def save(self, batch: Batch) -> None:
        """Idempotency key of this write: the revision before."""
        with translated():
            try:
                self._batches.of(batch).save(condition=self._before(batch))
            except PutError as error:
                if is_condition_failure(error):
                    raise BatchMovedError("The batch was changed meanwhile.") from error
                raise

    def due(self, before: datetime, limit: int) -> tuple[BatchRef, ...]:
        with translated():
            found = self._batches.by_due.query(
                BatchItem.DUE, self._batches.expires_at <= to_text(before), limit=limit
            )
            return tuple(BatchRef(i.register_id.partition("!")[0], i.line) for i in found)

    # -- registers -----------------------------------------------------------

    def hold(self, batch: Batch, seen: Head) -> None:
        """Idempotency key of this write: the batch's revision."""
        hold = _hold_of(batch)
        heads = self._heads
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.save(self._batches.of(batch), condition=self._before(batch))
                transaction.update(
                    heads(batch.register.register_id, HeadItem.LINE),
                    actions=[
                        heads.last_number.set(hold.after),
                        heads.last_at.set(to_text(hold.at)),
                        heads.held_by.set(hold.batch),
                        heads.held_after.set(hold.after),
                        heads.held_at.set(to_text(hold.at)),
                    ],
                    condition=free_after(heads, seen.last_number),
                )
        except TransactWriteError as error:
            self._explain(error, batch_at=0)

    def assign(self, block: Block, documents: Sequence[Document], batch: Batch) -> None:
        """Idempotency key of this write: the head's last number."""
        register_id = block.register.register_id
        ends = batch.state is BatchState.ISSUING
        heads = self._heads
        # pynamodb sends puts before updates, each in the order they were given in.
        try:
            with TransactWrite(connection=self.connection) as transaction:
                if ends:
                    transaction.save(self._batches.of(batch), condition=self._before(batch))
                if block.after == 0:
                    transaction.save(self._begun(BegunItem.PARTITION, register_id))
                for entry in block.entries:
                    transaction.save(
                        self._entries.of(entry),
                        condition=self._entries.register_id.does_not_exist(),
                    )
                for document in documents:
                    transaction.save(
                        self._documents.of_numbered(document),
                        condition=self._documents.pk.does_not_exist(),
                    )
                    transaction.save(
                        self._codes(
                            CodeItem.key(document.verification_code),
                            document_id=document.document_id,
                        ),
                        condition=self._codes.pk.does_not_exist(),
                    )
                transaction.update(
                    heads(register_id, HeadItem.LINE),
                    actions=[heads.last_number.set(block.last), *(_freeing(heads) if ends else ())],
                    condition=(heads.last_number == block.after)
                    & (heads.held_by == str(batch.ref)),
                )
        except TransactWriteError as error:
            self._explain(error, batch_at=0 if ends else None)

    def let_go(self, batch: Batch, seen: Head) -> None:
        """Idempotency key of this write: the batch's revision."""
        heads = self._heads
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.save(self._batches.of(batch), condition=self._before(batch))
                transaction.update(
                    heads(batch.register.register_id, HeadItem.LINE),
                    actions=_freeing(heads),
                    condition=(heads.last_number == seen.last_number)
                    & (heads.held_by == str(batch.ref)),
                )
        except TransactWriteError as error:
            self._explain(error, batch_at=0)

    # -- chunks --------------------------------------------------------------

    def lease(
        self, work: BatchWork, *, owner: str, now: datetime, until: datetime, sealing: bool
    ) -> Lease:
        """Idempotency key of this write: the owner."""
        chunks = self._chunks
        key = _chunk_key(work)
        try:
            with TransactWrite(connection=self.connection) as transaction:
                if sealing:
                    transaction.condition_check(
                        self._batches,
                        *_key(work.ref),
                        condition=self._batches.may_seal == True,  # noqa: E712 - a DynamoDB condition
                    )
                transaction.update(
                    chunks(*key),
                    actions=[chunks.owner.set(owner), chunks.leased_until.set(to_text(until))],
                    condition=chunks.done.does_not_exist()
                    & (
                        chunks.register_id.does_not_exist()
                        | (chunks.owner == owner)
                        | (chunks.leased_until <= to_text(now))
                    ),
                )
        except TransactWriteError as error:
            reasons = cancellations(error)
            if Cancellation.CONDITION not in reasons:
                raise UnavailableError("The chunk is being written just now.") from error
            return self._refusal(key, stopped=sealing and reasons[0] is Cancellation.CONDITION)
        return Lease.TAKEN

    def finish_chunk(self, work: BatchWork, *, issued: int, void: int) -> None:
        """Idempotency key of this write: the chunk is not done."""
        chunks, counters = self._chunks, self._counters
        key = _chunk_key(work)
        counter = counters(CounterItem.partition(work.ref), f"{counter_of(_number(work)):02d}")
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.update(
                    chunks(*key),
                    actions=[chunks.done.set(True)],
                    condition=chunks.register_id.exists() & chunks.done.does_not_exist(),
                )
                transaction.update(
                    counter,
                    actions=[
                        counters.chunks.add(1),
                        counters.issued.add(issued),
                        counters.void.add(void),
                    ],
                )
        except TransactWriteError as error:
            if cancellations(error)[0] is not Cancellation.CONDITION:
                raise UnavailableError("The chunk's end was not counted.") from error
            if not self._chunk_is_done(key):
                raise UnavailableError("Nobody began this chunk.") from error

    def chunks(self, ref: BatchRef) -> Mapping[int, ChunkState]:
        with translated():
            found = self._chunks.query(ChunkItem.partition(ref), consistent_read=True)
            return {
                int(item.line): ChunkState(bool(item.done), to_instant(item.leased_until))
                for item in found
            }

    def progress(self, ref: BatchRef) -> Progress:
        with translated():
            found = list(self._counters.query(CounterItem.partition(ref), consistent_read=True))
        return Progress(
            sum(int(c.chunks) for c in found),
            sum(int(c.issued) for c in found),
            sum(int(c.void) for c in found),
        )

    # ------------------------------------------------------------------------

    def _before(self, batch: Batch) -> Condition:
        return self._batches.revision == batch.revision - 1

    def _explain(self, error: TransactWriteError, *, batch_at: int | None) -> None:
        """Raise what a failed condition means. Of the puts only the batch's can fail without
        the head's failing too."""
        reasons = cancellations(error)
        if batch_at is not None and reasons[batch_at] is Cancellation.CONDITION:
            raise BatchMovedError("The batch was changed meanwhile.") from error
        if Cancellation.BUSY in reasons or reasons[-1] is Cancellation.CONDITION:
            message = "Another writer was at this register; read its head again."
            raise RegisterConflictError(message) from error
        message = "The register holds an entry beyond its head; numbering has stopped."
        raise UnavailableError(message) from error

    def _refusal(self, key: tuple[str, str], *, stopped: bool) -> Lease:
        if self._chunk_is_done(key):
            return Lease.DONE
        return Lease.STOPPED if stopped else Lease.BUSY

    def _chunk_is_done(self, key: tuple[str, str]) -> bool:
        with translated():
            try:
                return bool(self._chunks.get(*key, consistent_read=True).done)
            except DoesNotExist:
                return False


def _freeing(heads: type[HeadItem]) -> list[Action]:
    return [heads.held_by.remove(), heads.held_after.remove(), heads.held_at.remove()]


def _key(ref: BatchRef) -> tuple[str, str]:
    return BatchItem.partition(ref.agency_id), ref.batch_id


def _claim_key(claim: IdempotencyClaim) -> tuple[str, str]:
    # Hashed: clients put customer numbers into keys, and keys appear in traces.
    digest = hashlib.sha256(claim.key.encode()).hexdigest()
    return BatchClaimItem.partition(claim.agency_id), digest


def _chunk_key(work: BatchWork) -> tuple[str, str]:
    return ChunkItem.partition(work.ref), ChunkItem.line_of(_number(work))


def _number(work: BatchWork) -> int:
    if work.chunk is None:
        raise ValueError("this work names no chunk")
    return work.chunk


def _hold_of(batch: Batch) -> Hold:
    if batch.hold is None:
        raise ValueError("the batch holds no register")
    return batch.hold


def _condition_failed(error: TransactWriteError) -> bool:
    return Cancellation.CONDITION in cancellations(error)
