"""One suite for both ledgers: documents that wait for officers, and what officers make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore
from chalicelib.adapters.dynamodb.items import DocumentItem
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.adapters.memory import MemoryLedger
from chalicelib.domain.approvals import ApprovalPolicy, Choice, Decided, expire, withdraw
from chalicelib.domain.approved_documents import with_case
from chalicelib.domain.documents import APPROVALS, Document, DocumentState, archived_mark
from chalicelib.domain.errors import DocumentMovedError, InvalidRequestError
from chalicelib.domain.registers import (
    Head,
    Register,
    Reserve,
    insert_after,
    lay_out_block,
    lay_out_reservation,
    numbering_of,
)
from chalicelib.ports import DocumentStore, RegisterStore
from tests.support.approving import TWO, awaiting, case_of, decided, decision
from tests.support.samples import NOON, SWEEP_AFTER, claim_of, document
from tests.support.tables import create_table

REGISTER = Register("diw", "licence", 2026)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FOR_EVER = NOON + timedelta(days=4_000)


@dataclass
class Ledger:
    documents: DocumentStore
    registers: RegisterStore

    def add(self, *documents: Document) -> None:
        for each in documents:
            self.documents.add(each, None)

    def read(self, document_id: str = "D1") -> Document:
        found = self.documents.get(document_id)
        assert found is not None
        return found

    def number(self, *documents: Document, after: int = 0) -> None:
        block = lay_out_block(REGISTER, Head(after), [claim_of(d) for d in documents], NOON)
        numbered = [
            d.numbered(numbering_of(e)) for d, e in zip(documents, block.entries, strict=True)
        ]
        self.registers.assign(block, {d.document_id: d for d in numbered})

    def waiting(self, agency_id: str = "diw", document_type: str | None = None) -> list[str]:
        page = self.documents.awaiting(
            agency_id, document_type=document_type, limit=50, cursor=None
        )
        return [found.document_id for found in page.documents]

    def force(self, document: Document) -> None:
        """Write past the store, as a bug or an intruder would: the state alone."""
        if isinstance(self.documents, MemoryLedger):
            self.documents._documents[document.document_id] = document
            return
        assert isinstance(self.documents, DynamoDocumentStore)
        items = self.documents.items
        items(DocumentItem.key(document.document_id)).update(
            actions=[items.state.set(document.state.value)]
        )


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
    store = DynamoRegisterStore(registers, documents, sweep_after=SWEEP_AFTER)
    yield Ledger(DynamoDocumentStore(documents, sweep_after=SWEEP_AFTER), store)
    client.delete_table(TableName=documents)
    client.delete_table(TableName=registers)


def test_what_waits_for_officers_reads_back_equal(ledger: Ledger) -> None:
    """B7: the case lies with its document, and every decision with its signed record."""
    waiting = awaiting(policy=TWO)
    ledger.add(waiting)
    assert ledger.read() == waiting
    once = decided(waiting, decision(waiting))
    ledger.documents.decide(waiting, once)
    assert ledger.read() == once
    assert case_of(once).decisions[0].record == decision(waiting).record


def test_enough_approvals_accept_it(ledger: Ledger) -> None:
    """B7: with its last approval it is accepted in the same write, and numbered like any other."""
    waiting = awaiting(policy=TWO)
    ledger.add(waiting)
    once = decided(waiting, decision(waiting, "head-1"))
    ledger.documents.decide(waiting, once)
    twice = decided(once, decision(waiting, "head-2"))
    ledger.documents.decide(once, twice)
    assert ledger.read() == twice
    assert twice.state is DocumentState.ACCEPTED
    assert ledger.waiting() == []
    ledger.number(twice)
    assert ledger.read().state is DocumentState.NUMBERED


@pytest.mark.parametrize("choice", [Choice.REJECT, Choice.RETURN])
def test_refused_it_ends_with_a_reason(ledger: Ledger, choice: Choice) -> None:
    """P4: one refusal ends it, and its owner reads why."""
    waiting = awaiting(policy=TWO)
    ledger.add(waiting)
    ended = decided(waiting, decision(waiting, choice=choice))
    ledger.documents.decide(waiting, ended)
    kept = ledger.read()
    assert kept == ended
    assert kept.reason is not None
    assert kept.reason.code == {Choice.REJECT: "approval_rejected"}.get(choice, "approval_returned")
    assert ledger.waiting() == []


def test_two_officers_at_once_lose_no_decision(ledger: Ledger) -> None:
    """B7: who decides on what was decided meanwhile reads again; nothing is overwritten."""
    waiting = awaiting(policy=TWO)
    ledger.add(waiting)
    ledger.documents.decide(waiting, decided(waiting, decision(waiting, "head-1")))
    with pytest.raises(DocumentMovedError):
        ledger.documents.decide(waiting, decided(waiting, decision(waiting, "head-2")))
    assert [d.by for d in case_of(ledger.read()).decisions] == ["head-1"]


def test_what_ended_is_decided_no_more(ledger: Ledger) -> None:
    """B7: withdrawn stays withdrawn, though an officer approved at the same moment."""
    waiting = awaiting()
    ledger.add(waiting)
    withdrawn = withdraw(case_of(waiting), "clerk-1")
    assert isinstance(withdrawn, Decided)
    ledger.documents.decide(waiting, with_case(waiting, withdrawn.case, NOON + HOUR))
    with pytest.raises(DocumentMovedError):
        ledger.documents.decide(waiting, decided(waiting, decision(waiting)))
    assert ledger.read().state is DocumentState.REJECTED


def test_nothing_is_accepted_without_enough_decisions(ledger: Ledger) -> None:
    """B7: a bug above the store writes no accepted document: two officers, and one decided."""
    waiting = awaiting(policy=TWO)
    ledger.add(waiting)
    once = decided(waiting, decision(waiting))
    with pytest.raises(ValueError, match="not approved"):
        ledger.documents.decide(waiting, once.approved(case_of(once), NOON))
    assert ledger.read() == waiting


def test_the_list_of_an_agency_begins_with_the_oldest(ledger: Ledger) -> None:
    """B7: officers find what waits for them, in pages, by type, and what waits longest first."""
    ledger.add(*(awaiting(f"D{n}", at=NOON + n * HOUR) for n in (3, 1, 2)))
    ledger.add(document("D9"))
    page = ledger.documents.awaiting("diw", document_type=None, limit=2, cursor=None)
    assert [found.document_id for found in page.documents] == ["D1", "D2"]
    rest = ledger.documents.awaiting("diw", document_type=None, limit=2, cursor=page.cursor)
    assert [found.document_id for found in rest.documents] == ["D3"]
    assert ledger.waiting(document_type="licence") == ["D1", "D2", "D3"]
    assert ledger.waiting(document_type="permit") == []


def test_another_agency_finds_nothing(ledger: Ledger) -> None:
    """P6: no cursor of one agency leads into the list of another."""
    ledger.add(*(awaiting(f"D{n}", at=NOON + n * HOUR) for n in (1, 2)))
    page = ledger.documents.awaiting("diw", document_type=None, limit=1, cursor=None)
    other = ledger.documents.awaiting("dbd", document_type=None, limit=9, cursor=page.cursor)
    assert other.documents == ()
    with pytest.raises(InvalidRequestError):
        ledger.documents.awaiting("diw", document_type=None, limit=9, cursor="nonsense")


def test_a_central_approver_finds_the_documents_of_all(ledger: Ledger) -> None:
    """6.1.1(2) of the proposal: they lie in the central agency's list, and not in their own's."""
    central = ApprovalPolicy(approvers=1, central="opdc")
    ledger.add(awaiting("D1", central), awaiting("D2", central, agency_id="dbd", at=NOON + HOUR))
    assert ledger.waiting("opdc") == ["D1", "D2"]
    assert ledger.waiting("diw") == ledger.waiting("dbd") == []


def test_it_comes_due_when_its_time_ends(ledger: Ledger) -> None:
    """P4: it is not looked at before, as nothing is to do, and surely then."""
    waiting = awaiting()
    ledger.add(waiting)
    due = case_of(waiting).expires_at
    assert ledger.documents.unsettled(due - timedelta(seconds=1), 10) == ()
    (found,) = ledger.documents.unsettled(due, 10)
    assert (found.document_id, found.state) == ("D1", DocumentState.AWAITING_APPROVAL)
    result = expire(case_of(waiting), due)
    assert isinstance(result, Decided)
    ledger.documents.decide(waiting, with_case(waiting, result.case, due))
    assert ledger.read().settled
    assert ledger.documents.unsettled(FOR_EVER, 10) == ()


def test_how_long_officers_are_waited_for_is_seen(ledger: Ledger) -> None:
    """P4: since when the oldest waits, and only what waits for officers."""
    of = ledger.documents.waiting_since
    assert of(DocumentState.AWAITING_APPROVAL) is None
    ledger.add(document("D0", at=NOON - HOUR), awaiting("D1"), awaiting("D2", at=NOON + HOUR))
    assert of(DocumentState.AWAITING_APPROVAL) == NOON
    assert of(DocumentState.ACCEPTED) == NOON - HOUR
    waiting = ledger.read("D1")
    ledger.documents.decide(waiting, decided(waiting, decision(waiting)))
    assert of(DocumentState.AWAITING_APPROVAL) == NOON + HOUR


def test_accepted_it_is_swept_like_any_other(ledger: Ledger) -> None:
    """P8: if the message to number it is lost, it comes due within minutes, not in a month."""
    waiting = awaiting()
    ledger.add(waiting)
    approved = decided(waiting, decision(waiting))
    ledger.documents.decide(waiting, approved)
    at = approved.history[-1].at
    assert ledger.documents.unsettled(at + SWEEP_AFTER - timedelta(seconds=1), 10) == ()
    (found,) = ledger.documents.unsettled(at + SWEEP_AFTER, 10)
    assert (found.state, found.group) == (DocumentState.ACCEPTED, "diw.licence")


def test_refused_it_is_unsettled_until_its_records_are_archived(ledger: Ledger) -> None:
    """C2: who died between the decision and the archive leaves a trace that is swept; archived,
    nothing is left to do, though it had recipients and a period."""
    waiting = awaiting(recipients=("rd",))
    waiting = replace(waiting, valid_until=(NOON + DAY).date())
    ledger.add(waiting)
    ended = decided(waiting, decision(waiting, choice=Choice.REJECT))
    ledger.documents.decide(waiting, ended)
    assert not ended.settled
    with pytest.raises(ValueError, match="work is left"):
        ledger.documents.settle(ended)
    (found,) = ledger.documents.unsettled(NOON + DAY, 10)
    assert found.state is DocumentState.REJECTED
    archived = ledger.documents.mark_notified("D1", archived_mark(APPROVALS))
    assert archived.settled
    ledger.documents.settle(archived)
    assert ledger.documents.unsettled(FOR_EVER, 10) == ()
    assert ledger.documents.sleepers(FOR_EVER, 10) == ()


def test_no_transaction_numbers_what_nobody_approved(ledger: Ledger) -> None:
    """B7: neither a message too early nor an edited state brings a number: the condition is in
    the transaction that gives it, for the next number, a reserved one and an inserted one."""
    ledger.add(document("D0"), awaiting("D1"))
    ledger.number(document("D0"))
    reserve = Reserve(reservation_id="R1", owner="central", reason="ประชุม", expires_at=NOON + DAY)
    held = lay_out_reservation(REGISTER, Head(1), reserve, ["00" * 32], NOON)
    ledger.registers.assign(held, {})
    edited = replace(awaiting("D1"), state=DocumentState.ACCEPTED)
    for seen in (awaiting("D1"), edited):
        ledger.force(seen)
        with pytest.raises(DocumentMovedError):
            ledger.number(edited, after=2)
        entry = ledger.registers.entry(REGISTER, 2)
        parent = ledger.registers.entry(REGISTER, 1)
        assert entry is not None
        assert parent is not None
        with pytest.raises(DocumentMovedError):
            ledger.registers.use_reserved(entry, edited.numbered(numbering_of(entry)))
        child = insert_after(parent, 1, claim_of(edited), NOON)
        with pytest.raises(DocumentMovedError):
            ledger.registers.insert(child, edited.numbered(numbering_of(child)))
    assert ledger.registers.head(REGISTER).last_number == 2


def test_no_transaction_numbers_other_content(ledger: Ledger) -> None:
    """B7: what was approved is one content; a number for another is not written."""
    waiting = awaiting()
    ledger.add(waiting)
    approved = decided(waiting, decision(waiting))
    ledger.documents.decide(waiting, approved)
    with pytest.raises(DocumentMovedError):
        ledger.number(replace(approved, content_digest="00" * 32))
    ledger.number(approved)
