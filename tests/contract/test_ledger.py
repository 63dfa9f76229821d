"""One suite for both ledgers: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.adapters.memory import MemoryLedger
from chalicelib.domain.documents import ArchivedFile, Document, DocumentState, Reason
from chalicelib.domain.errors import (
    DocumentMovedError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    RegisterConflictError,
)
from chalicelib.domain.registers import EntryState, Head, Register, lay_out_block, numbering_of
from chalicelib.domain.retention import LockMode
from chalicelib.ports import DocumentStore, IdempotencyClaim, RegisterStore, Search
from tests.support.samples import NOON, SWEEP_AFTER, claim_of, document
from tests.support.tables import create_table

REGISTER = Register("diw", "licence", 2026)
REASON = Reason("render_failed", "No page can be made.", "จัดหน้าไม่ได้")
FILE = ArchivedFile(
    key="documents/diw/licence/2026/D1.pdf",
    version_id="v1",
    sha256="ab" * 32,
    size=12,
    lock_mode=LockMode.COMPLIANCE,
    retain_until=NOON + timedelta(days=3650),
)


@dataclass
class Ledger:
    documents: DocumentStore
    registers: RegisterStore

    def accept(self, *documents: Document) -> None:
        for accepted in documents:
            self.documents.add(accepted, None)

    def number(self, *documents: Document, after: int = 0) -> list[Document]:
        block = lay_out_block(REGISTER, Head(after), [claim_of(d) for d in documents], NOON)
        numbered = [
            d.numbered(numbering_of(e)) for d, e in zip(documents, block.entries, strict=True)
        ]
        self.registers.assign(block, {d.document_id: d for d in numbered})
        return numbered


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "memory":
        memory = MemoryLedger(sweep_after=SWEEP_AFTER)
        yield Ledger(memory, memory)
        return
    request.getfixturevalue("aws")
    client: Any = boto3.client("dynamodb")
    run = uuid4().hex[:8]
    documents = create_table(client, "DocumentsTable", f"documents-{run}")
    registers = create_table(client, "RegistersTable", f"registers-{run}")
    yield Ledger(
        DynamoDocumentStore(documents, sweep_after=SWEEP_AFTER),
        DynamoRegisterStore(registers, documents, sweep_after=SWEEP_AFTER),
    )
    client.delete_table(TableName=documents)
    client.delete_table(TableName=registers)


def test_a_stored_document_reads_back_equal(ledger: Ledger) -> None:
    """P4: what was accepted is visible exactly as it was accepted."""
    accepted = document(recipients=("rd",))
    assert ledger.documents.add(accepted, None) == accepted
    assert ledger.documents.get("D1") == accepted
    assert ledger.documents.by_code("CODE-D1") == accepted
    assert ledger.documents.get_many(["D1", "D9"]) == {"D1": accepted}


def test_what_does_not_exist_is_none(ledger: Ledger) -> None:
    """P6: an unknown id or code is no error and no hint."""
    assert ledger.documents.get("nothing") is None
    assert ledger.documents.by_code("nothing") is None


def test_the_same_key_and_body_give_the_first_document(ledger: Ledger) -> None:
    """P8: a request that comes twice makes one document."""
    claim = IdempotencyClaim("diw", "key-1", "digest-1")
    first = ledger.documents.add(document("D1"), claim)
    assert ledger.documents.add(document("D2"), claim) == first
    assert ledger.documents.get("D2") is None


def test_the_same_key_with_another_body_is_refused(ledger: Ledger) -> None:
    """api.md: the same Idempotency-Key with another body is an error, and stores nothing."""
    ledger.documents.add(document("D1"), IdempotencyClaim("diw", "key-1", "digest-1"))
    with pytest.raises(IdempotencyKeyReusedError):
        ledger.documents.add(document("D2"), IdempotencyClaim("diw", "key-1", "digest-2"))
    assert ledger.documents.get("D2") is None


def test_two_agencies_may_use_the_same_key(ledger: Ledger) -> None:
    """P6: one agency's keys say nothing about another's."""
    ledger.documents.add(document("D1"), IdempotencyClaim("diw", "key-1", "digest-1"))
    other = document("D2", agency_id="dbd")
    assert ledger.documents.add(other, IdempotencyClaim("dbd", "key-1", "digest-2")) == other


def test_a_block_numbers_all_its_documents(ledger: Ledger) -> None:
    """P1: a block gives consecutive numbers from the head on, and moves the head."""
    waiting = [document(f"D{n}") for n in range(1, 4)]
    ledger.accept(*waiting)
    numbered = ledger.number(*waiting)
    assert [d.numbering.number for d in numbered if d.numbering] == [1, 2, 3]
    assert ledger.registers.head(REGISTER).last_number == 3
    assert ledger.documents.get("D2") == numbered[1]
    entries = ledger.registers.entries(REGISTER)
    assert [(e.number, e.document_id, e.state) for e in entries] == [
        (1, "D1", EntryState.OPEN),
        (2, "D2", EntryState.OPEN),
        (3, "D3", EntryState.OPEN),
    ]
    assert [e.content_digest for e in entries] == [d.content_digest for d in waiting]


def test_a_block_of_49_fits_one_transaction(ledger: Ledger) -> None:
    """P1: the largest block the service makes stays within 100 items."""
    waiting = [document(f"D{n:02d}") for n in range(49)]
    ledger.accept(*waiting)
    assert len(ledger.number(*waiting)) == 49
    assert len(ledger.registers.entries(REGISTER, after=(9, 0), limit=20)) == 20


def test_a_stale_head_gives_no_number(ledger: Ledger) -> None:
    """P1: who saw an old head writes nothing at all."""
    ledger.accept(document("D1"), document("D2"))
    ledger.number(document("D1"))
    with pytest.raises(RegisterConflictError):
        ledger.number(document("D2"), after=0)
    kept = ledger.documents.get("D2")
    assert kept is not None
    assert kept.state is DocumentState.ACCEPTED
    assert ledger.registers.head(REGISTER).last_number == 1


def test_a_document_is_numbered_once(ledger: Ledger) -> None:
    """P2: one document, one number, however often the message comes."""
    ledger.accept(document("D1"), document("D2"))
    ledger.number(document("D1"))
    with pytest.raises(DocumentMovedError):
        ledger.number(document("D2"), document("D1"), after=1)
    assert ledger.registers.head(REGISTER).last_number == 1
    assert [e.document_id for e in ledger.registers.entries(REGISTER)] == ["D1"]


def test_a_number_binds_only_the_digest_that_was_accepted(ledger: Ledger) -> None:
    """P2: the digest in the numbering transaction must be the accepted one."""
    ledger.accept(document("D1"))
    with pytest.raises(DocumentMovedError):
        ledger.number(replace(document("D1"), content_digest="00" * 32))
    assert ledger.registers.head(REGISTER).last_number == 0


def test_parallel_writers_leave_no_gap(ledger: Ledger) -> None:
    """P1: N writers at once give exactly 1..N."""
    waiting = [document(f"D{n}") for n in range(12)]
    ledger.accept(*waiting)

    def number_one(mine: Document) -> None:
        while True:
            try:
                ledger.number(mine, after=ledger.registers.head(REGISTER).last_number)
            except RegisterConflictError:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(number_one, waiting))
    assert [e.number for e in ledger.registers.entries(REGISTER)] == list(range(1, 13))


def test_finalising_ends_entry_and_document_together(ledger: Ledger) -> None:
    """P3: the entry is final in the same transaction as the document."""
    ledger.accept(document(recipients=("rd",)))
    (numbered,) = ledger.number(document(recipients=("rd",)))
    issued = ledger.registers.finalise(numbered, FILE, NOON)
    assert issued.file == FILE
    assert ledger.documents.get("D1") == issued
    (entry,) = ledger.registers.entries(REGISTER)
    assert (entry.state, entry.file_digest) == (EntryState.ISSUED, FILE.sha256)


def test_the_first_file_stays(ledger: Ledger) -> None:
    """P2: finalising again, even with another file, changes nothing."""
    ledger.accept(document())
    (numbered,) = ledger.number(document())
    first = ledger.registers.finalise(numbered, FILE, NOON)
    other = replace(FILE, sha256="cd" * 32, version_id="v2")
    assert ledger.registers.finalise(numbered, other, NOON + timedelta(seconds=9)) == first
    assert ledger.registers.entries(REGISTER)[0].file_digest == FILE.sha256


def test_void_keeps_the_number_and_the_reason(ledger: Ledger) -> None:
    """P1, P4: a void entry stays, with a reason its owner can read."""
    ledger.accept(document())
    (numbered,) = ledger.number(document())
    voided = ledger.registers.void(numbered, REASON, by="test", at=NOON)
    assert (voided.state, voided.reason) == (DocumentState.VOID, REASON)
    assert ledger.documents.get("D1") == voided
    (entry,) = ledger.registers.entries(REGISTER)
    assert (entry.state, entry.reason) == (EntryState.VOID, "render_failed")


def test_what_is_void_is_never_issued(ledger: Ledger) -> None:
    """P1: an entry has one end."""
    ledger.accept(document())
    (numbered,) = ledger.number(document())
    ledger.registers.void(numbered, REASON, by="test", at=NOON)
    with pytest.raises(DocumentMovedError):
        ledger.registers.finalise(numbered, FILE, NOON)


def test_rejecting_needs_no_number(ledger: Ledger) -> None:
    """P4: what can never be numbered ends as rejected, and is not swept any more."""
    ledger.accept(document())
    rejected = ledger.documents.reject(document(), REASON, NOON)
    assert rejected.state is DocumentState.REJECTED
    assert ledger.documents.get("D1") == rejected
    with pytest.raises(DocumentMovedError):
        ledger.documents.reject(document(), REASON, NOON)
    assert ledger.documents.unsettled(NOON + timedelta(days=1), 10) == ()


def test_the_first_evidence_stays(ledger: Ledger) -> None:
    """P5: repeats carry the original."""
    ledger.accept(document())
    assert ledger.documents.keep_evidence("D1", "first") == "first"
    assert ledger.documents.keep_evidence("D1", "second") == "first"


def test_notes_of_who_was_told_add_up(ledger: Ledger) -> None:
    """P5: a recipient is noted once, in any order, and the last one settles."""
    accepted = document(recipients=("rd", "dbd"))
    ledger.accept(accepted)
    (numbered,) = ledger.number(accepted)
    with pytest.raises(DocumentMovedError):
        ledger.documents.mark_notified("D1", "rd")
    ledger.registers.finalise(numbered, FILE, NOON)
    assert ledger.documents.mark_notified("D1", "dbd").unnotified == ("rd",)
    assert ledger.documents.mark_notified("D1", "dbd").unnotified == ("rd",)
    told = ledger.documents.mark_notified("D1", "rd")
    assert told.settled
    ledger.documents.settle(told)
    assert ledger.documents.unsettled(NOON + timedelta(days=1), 10) == ()


def test_what_waits_is_found_when_it_is_due(ledger: Ledger) -> None:
    """P4: no unsettled document is ever out of sight, and none is looked at too early."""
    ledger.accept(document("D1"), document("D2", at=NOON + timedelta(minutes=1)))
    assert ledger.documents.unsettled(NOON + SWEEP_AFTER - timedelta(seconds=1), 10) == ()
    found = ledger.documents.unsettled(NOON + timedelta(hours=1), 10)
    assert [u.document_id for u in found] == ["D1", "D2"]
    assert found[0].group == "diw.licence"
    assert ledger.documents.unsettled(NOON + timedelta(hours=1), 1) == found[:1]


def test_two_sweeps_postpone_once(ledger: Ledger) -> None:
    """P8: of two sweeps at the same moment one moves the due time."""
    ledger.accept(document())
    (seen,) = ledger.documents.unsettled(NOON + timedelta(hours=1), 10)
    assert ledger.documents.postpone(seen, NOON + timedelta(hours=2))
    assert not ledger.documents.postpone(seen, NOON + timedelta(hours=3))
    (again,) = ledger.documents.unsettled(NOON + timedelta(hours=2), 10)
    assert (again.due_at, again.sweeps) == (NOON + timedelta(hours=2), 1)


def test_an_issued_document_without_recipients_is_settled(ledger: Ledger) -> None:
    """P4: what has nobody to tell needs no sweep."""
    ledger.accept(document())
    (numbered,) = ledger.number(document())
    ledger.registers.finalise(numbered, FILE, NOON)
    assert ledger.documents.unsettled(NOON + timedelta(days=1), 10) == ()


def test_search_stays_within_the_agency(ledger: Ledger) -> None:
    """P6, A2: search finds the agency's own documents, newest first, page by page."""
    mine = [document(f"D{n}", at=NOON + timedelta(minutes=n)) for n in range(5)]
    ledger.accept(*mine, document("X1", agency_id="dbd"))
    first = ledger.documents.search(Search(agency_id="diw", limit=3))
    assert [d.document_id for d in first.documents] == ["D4", "D3", "D2"]
    rest = ledger.documents.search(Search(agency_id="diw", limit=3, cursor=first.cursor))
    assert [d.document_id for d in rest.documents] == ["D1", "D0"]
    assert rest.cursor is None
    foreign = ledger.documents.search(Search(agency_id="dbd", limit=3, cursor=first.cursor))
    assert {d.agency_id for d in foreign.documents} <= {"dbd"}


def test_search_narrows_by_state_type_text_and_time(ledger: Ledger) -> None:
    """A2: each filter of the interface narrows, and they combine."""
    one = document("D1", content={"holder": {"name": "Bangplee Juice"}})
    two = document("D2", at=NOON + timedelta(days=1))
    ledger.accept(one, two)
    ledger.number(one)

    def ids(**filters: Any) -> list[str]:
        found = ledger.documents.search(Search(agency_id="diw", **filters))
        return [d.document_id for d in found.documents]

    assert ids(state=DocumentState.NUMBERED) == ["D1"]
    assert ids(document_type="licence") == ["D2", "D1"]
    assert ids(document_type="e-certificate") == []
    assert ids(text="bangplee JUICE") == ["D1"]
    assert ids(since=NOON + timedelta(hours=1)) == ["D2"]
    assert ids(until=NOON) == ["D1"]
    assert ids(since=NOON, until=NOON, text="juice") == ["D1"]


def test_a_forged_cursor_is_refused(ledger: Ledger) -> None:
    """P6: a cursor is only what the last answer gave."""
    with pytest.raises(InvalidRequestError):
        ledger.documents.search(Search(agency_id="diw", cursor="bm9uc2Vuc2U"))
