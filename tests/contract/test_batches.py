"""One suite for both stores of batches: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.batches import DynamoBatchStore
from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.adapters.memory import MemoryLedger
from chalicelib.adapters.memory_batches import MemoryBatchStore
from chalicelib.domain.batches import (
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    BatchWork,
    Checked,
    CheckedLine,
    OnError,
    Progress,
    Segment,
    Start,
)
from chalicelib.domain.documents import (
    ArchivedFile,
    Classification,
    Document,
    DocumentState,
    Reason,
    Urgency,
)
from chalicelib.domain.errors import (
    BatchMovedError,
    IdempotencyKeyReusedError,
    RegisterConflictError,
    RegisterHeldError,
)
from chalicelib.domain.registers import (
    Block,
    Book,
    Claim,
    Head,
    Hold,
    Register,
    lay_out_block,
    numbering_of,
)
from chalicelib.domain.retention import LockMode
from chalicelib.ports import BatchStore, DocumentStore, IdempotencyClaim, Lease, RegisterStore
from tests.support.samples import NOON, SWEEP_AFTER, claim_of, document
from tests.support.tables import create_table

REGISTER = Register("diw", "licence", 2026)
FULL = 32
"""Documents of one transaction."""


@dataclass
class Ledger:
    batches: BatchStore
    documents: DocumentStore
    registers: RegisterStore

    def held(self, batch: Batch | None = None) -> tuple[Batch, Head]:
        """A batch that holds the register, and its head."""
        batch = batch or _batch(BatchState.NUMBERING)
        self.batches.add(batch, None)
        seen = self.registers.head(REGISTER)
        hold = Hold(str(batch.ref), seen.last_number, NOON)
        holding = batch.holding(hold, REGISTER, None)
        self.batches.hold(holding, seen)
        return holding, self.registers.head(REGISTER)


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "memory":
        memory = MemoryLedger(sweep_after=SWEEP_AFTER)
        yield Ledger(MemoryBatchStore(memory), memory, memory)
        return
    request.getfixturevalue("aws")
    client: Any = boto3.client("dynamodb")
    run = uuid4().hex[:8]
    documents = create_table(client, "DocumentsTable", f"documents-{run}")
    registers = create_table(client, "RegistersTable", f"registers-{run}")
    yield Ledger(
        DynamoBatchStore(registers, documents),
        DynamoDocumentStore(documents, sweep_after=SWEEP_AFTER),
        DynamoRegisterStore(registers, documents, sweep_after=SWEEP_AFTER),
    )
    client.delete_table(TableName=documents)
    client.delete_table(TableName=registers)


def _batch(state: BatchState = BatchState.AWAITING_UPLOAD, name: str = "B1") -> Batch:
    return Batch(
        batch_id=name,
        agency_id="diw",
        submitted_by="app-1",
        created_at=NOON,
        document_type="licence",
        type_version=1,
        book=Book("diw", "licence"),
        file=BatchFile(format="csv", mapping={"ชื่อ": "/content/holder/name"}, delimiter=";"),
        on_error=OnError.SKIP_INVALID,
        start=Start.MANUAL,
        defaults={"recipients": ["dbd"], "valid_from": "2026-12-01"},
        secret=bytes(range(32)),
        state=state,
        history=((BatchState.AWAITING_UPLOAD, NOON),),
        due_at=NOON,
    )


def _block(batch: Batch, head: Head, count: int) -> tuple[Block, list[Document]]:
    accepted = [batch.document(head.last_number + n, _line(n)) for n in range(count)]
    claims = [
        Claim(
            document_id=d.document_id,
            document_type=d.document_type,
            content_digest=d.content_digest,
            salt=d.salt,
        )
        for d in accepted
    ]
    block = lay_out_block(REGISTER, head, claims, NOON + timedelta(hours=1))
    numbered = [d.numbered(numbering_of(e)) for d, e in zip(accepted, block.entries, strict=True)]
    return block, numbered


def _line(number: int) -> CheckedLine:
    return CheckedLine(
        number=number + 1,
        content={"holder": {"name": f"บริษัท {number}"}},
        recipients=("dbd",),
        classification=Classification.NORMAL,
        urgency=Urgency.ROUTINE,
        valid_from=None,
        valid_until=None,
        retention_years=10,
        subject="ใบอนุญาต",
        counterpart="บริษัท",
    )


def test_a_stored_batch_reads_back_equal(ledger: Ledger) -> None:
    """P4: whatever is known of a batch is there again, in any state."""
    first = _batch()
    ledger.batches.add(first, None)
    assert ledger.batches.get(first.ref) == first
    assert ledger.batches.get(BatchRef("dbd", "B1")) is None
    later = first.entering(
        BatchState.ISSUING,
        NOON,
        etag='"e1"',
        size=12,
        year=2026,
        hold=Hold("diw/B1", 3, NOON),
        numbered=2,
        letter_prefix="นร ๐๕๐๕",
        checked=Checked(
            lines=3,
            invalid=1,
            segments=(Segment(2, "ab" * 32),),
            retention_years=10,
            place={"offset": 12},
            complete=True,
        ),
        paused=True,
        cancelled_by="clerk",
        reason=Reason("x", "X.", "เอ็กซ์"),
        manifest=ArchivedFile(
            key="k",
            version_id="v",
            sha256="cd" * 32,
            size=1,
            lock_mode=LockMode.COMPLIANCE,
            retain_until=NOON,
        ),
        due_at=None,
        seen=1,
        dispatched=True,
    )
    ledger.batches.save(later)
    assert ledger.batches.get(first.ref) == later


def test_a_batch_is_written_only_over_what_was_read(ledger: Ledger) -> None:
    """P8: of two who change a batch at once, one is told to read again."""
    first = _batch()
    ledger.batches.add(first, None)
    ledger.batches.save(first.changed(paused=True))
    with pytest.raises(BatchMovedError):
        ledger.batches.save(first.changed(cancelled_by="clerk"))


def test_the_same_key_makes_one_batch(ledger: Ledger) -> None:
    """P8, api.md: a repeat answers with the batch made before; another body is refused."""
    claim = IdempotencyClaim("diw", "key", "digest")
    first = ledger.batches.add(_batch(), claim)
    assert ledger.batches.add(_batch(name="B2"), claim) == first
    assert ledger.batches.made_by(claim) == first
    assert ledger.batches.get(BatchRef("diw", "B2")) is None
    with pytest.raises(IdempotencyKeyReusedError):
        ledger.batches.add(_batch(name="B3"), IdempotencyClaim("diw", "key", "other"))


def test_an_agency_sees_its_batches_newest_first(ledger: Ledger) -> None:
    """P6: and nobody else's."""
    for name in ("B1", "B2", "B3"):
        ledger.batches.add(_batch(name=name), None)
    found = ledger.batches.of_agency("diw", before=None, limit=2)
    assert [b.batch_id for b in found] == ["B3", "B2"]
    assert [b.batch_id for b in ledger.batches.of_agency("diw", before="B2", limit=2)] == ["B1"]
    assert ledger.batches.of_agency("dbd", before=None, limit=2) == ()


def test_only_what_is_due_is_swept(ledger: Ledger) -> None:
    """P4: a batch is found when its time has come, and not once nobody has to look."""
    batch = _batch()
    ledger.batches.add(batch, None)
    assert ledger.batches.due(NOON - timedelta(seconds=1), 10) == ()
    assert ledger.batches.due(NOON, 10) == (batch.ref,)
    assert ledger.registers.expired(NOON, 10) == ()
    ledger.batches.save(batch.changed(due_at=None))
    assert ledger.batches.due(NOON, 10) == ()


# -- the hold ----------------------------------------------------------------


def test_a_held_register_gives_numbers_to_its_batch_alone(ledger: Ledger) -> None:
    """P1: others get a conflict, and find the hold when they look again."""
    batch, head = ledger.held()
    assert head.hold == Hold("diw/B1", 0, NOON)
    other = document("D1")
    ledger.documents.add(other, None)
    block = lay_out_block(REGISTER, Head(), [claim_of(other)], NOON)
    numbered = other.numbered(numbering_of(block.entries[0]))
    with pytest.raises(RegisterConflictError):
        ledger.registers.assign(block, {"D1": numbered})
    with pytest.raises(RegisterHeldError):
        ledger.registers.begin_closing(REGISTER)
    mine, documents = _block(batch, head, FULL)
    ledger.batches.assign(mine, documents, batch)
    assert ledger.registers.head(REGISTER).last_number == FULL
    assert ledger.documents.get(documents[3].document_id) == documents[3]
    assert ledger.documents.by_code(documents[3].verification_code) == documents[3]
    (entry, *_) = ledger.registers.entries(REGISTER)
    assert (entry.numbered_at, entry.document_id) == (NOON, documents[0].document_id)
    assert ledger.registers.registers() == (REGISTER,)


def test_the_last_block_frees_the_register(ledger: Ledger) -> None:
    """P1: numbers, documents, batch and head change in one transaction, which fits."""
    batch, head = ledger.held()
    block, documents = _block(batch, head, FULL)
    after = batch.let_go(FULL, NOON, due_at=NOON)
    ledger.batches.assign(block, documents, after)
    assert ledger.registers.head(REGISTER) == Head(FULL, NOON)
    assert ledger.batches.get(batch.ref) == after
    with pytest.raises((RegisterConflictError, BatchMovedError)):
        ledger.batches.assign(block, documents, after)


def test_a_block_is_written_once(ledger: Ledger) -> None:
    """P1, P8: the same block again, or one behind a stale head, writes nothing."""
    batch, head = ledger.held()
    block, documents = _block(batch, head, 2)
    ledger.batches.assign(block, documents, batch)
    with pytest.raises(RegisterConflictError):
        ledger.batches.assign(block, documents, batch)
    assert ledger.registers.head(REGISTER).last_number == 2


def test_a_batch_that_was_changed_ends_no_hold(ledger: Ledger) -> None:
    """P4: a pause or cancellation between read and last block is seen, not overwritten."""
    batch, head = ledger.held()
    block, documents = _block(batch, head, 2)
    ledger.batches.save(batch.changed(cancelled_by="clerk"))
    with pytest.raises(BatchMovedError):
        ledger.batches.assign(block, documents, batch.let_go(2, NOON, due_at=NOON))
    assert ledger.registers.head(REGISTER).last_number == 0


def test_only_one_batch_holds_a_register(ledger: Ledger) -> None:
    """P1: the second gets a conflict."""
    _, head = ledger.held()
    other = _batch(BatchState.NUMBERING, "B2")
    ledger.batches.add(other, None)
    holding = other.holding(Hold("diw/B2", 0, NOON), REGISTER, None)
    for seen in (head, Head()):
        with pytest.raises(RegisterConflictError):
            ledger.batches.hold(holding, seen)
    kept = ledger.batches.get(other.ref)
    assert kept is not None
    assert kept.hold is None


def test_a_hold_is_let_go_before_its_end(ledger: Ledger) -> None:
    """P4: after a cancellation the book goes on behind the numbers given."""
    batch, head = ledger.held()
    block, documents = _block(batch, head, 2)
    ledger.batches.assign(block, documents, batch)
    seen = replace(head, last_number=2)
    ledger.batches.let_go(batch.let_go(2, NOON, due_at=NOON), seen)
    assert ledger.registers.head(REGISTER).hold is None
    other = document("D1")
    ledger.documents.add(other, None)
    next_block = lay_out_block(REGISTER, Head(2, NOON), [claim_of(other)], NOON)
    numbered = other.numbered(numbering_of(next_block.entries[0]))
    ledger.registers.assign(next_block, {"D1": numbered})
    assert ledger.registers.head(REGISTER).last_number == 3


def test_a_hold_let_go_before_the_first_number_leaves_an_empty_register(ledger: Ledger) -> None:
    """P1: number 1 is still to be given, by whoever comes."""
    batch, head = ledger.held()
    ledger.batches.let_go(batch.let_go(0, NOON, due_at=NOON), head)
    assert ledger.registers.registers() == ()
    other = document("D1")
    ledger.documents.add(other, None)
    block = lay_out_block(REGISTER, Head(0, NOON), [claim_of(other)], NOON)
    ledger.registers.assign(block, {"D1": other.numbered(numbering_of(block.entries[0]))})
    assert ledger.registers.registers() == (REGISTER,)


def test_a_batchs_document_is_swept_from_its_issue_on(ledger: Ledger) -> None:
    """P4: until then its batch is watched, not each of its documents."""
    batch, head = ledger.held()
    block, (numbered,) = _block(batch, head, 1)
    ledger.batches.assign(block, [numbered], batch.let_go(1, NOON, due_at=NOON))
    late = NOON + timedelta(days=1)
    assert ledger.documents.unsettled(late, 10) == ()
    file = ArchivedFile(
        key="documents/x.pdf",
        version_id="v1",
        sha256="ab" * 32,
        size=12,
        lock_mode=LockMode.COMPLIANCE,
        retain_until=late,
    )
    issued = ledger.registers.finalise(numbered, file, NOON)
    assert issued.state is DocumentState.ISSUED
    (unsettled,) = ledger.documents.unsettled(late, 10)
    assert unsettled.document_id == numbered.document_id


# -- chunks ------------------------------------------------------------------


def _lease(ledger: Ledger, owner: str = "m1", *, minutes: int = 0, sealing: bool = True) -> Lease:
    now = NOON + timedelta(minutes=minutes)
    return ledger.batches.lease(
        BatchWork(BatchRef("diw", "B1"), 7),
        owner=owner,
        now=now,
        until=now + timedelta(minutes=3),
        sealing=sealing,
    )


def test_a_chunk_is_one_workers_until_it_is_surely_gone(ledger: Ledger) -> None:
    """P8: the same message may go on at once, another one after the lease."""
    ledger.batches.add(_batch(BatchState.ISSUING), None)
    assert _lease(ledger) is Lease.TAKEN
    assert _lease(ledger, "m2") is Lease.BUSY
    assert _lease(ledger) is Lease.TAKEN
    assert _lease(ledger, "m2", minutes=4) is Lease.TAKEN
    (chunk,) = ledger.batches.chunks(BatchRef("diw", "B1")).values()
    assert not chunk.done


def test_a_finished_chunk_is_counted_once(ledger: Ledger) -> None:
    """P4: progress is what was done, however often it is said."""
    ledger.batches.add(_batch(BatchState.ISSUING), None)
    ref = BatchRef("diw", "B1")
    for chunk in (7, 7 + 64, 8):
        work = BatchWork(ref, chunk)
        until = NOON + timedelta(minutes=3)
        ledger.batches.lease(work, owner="m", now=NOON, until=until, sealing=True)
        for _ in range(2):
            ledger.batches.finish_chunk(work, issued=19, void=1)
    assert ledger.batches.progress(ref) == Progress(3, 57, 3)
    assert _lease(ledger, "m2", minutes=9) is Lease.DONE
    assert {n for n, c in ledger.batches.chunks(ref).items() if c.done} == {7, 8, 71}


def test_nobody_begins_a_chunk_of_a_paused_batch(ledger: Ledger) -> None:
    """Issue 5 item 4: decided with the lease; whoever cancels may take the chunk."""
    batch = _batch(BatchState.ISSUING)
    ledger.batches.add(batch, None)
    ledger.batches.save(batch.changed(paused=True))
    assert _lease(ledger) is Lease.STOPPED
    assert _lease(ledger, "function:batch", sealing=False) is Lease.TAKEN
