"""Rulings in both ledgers: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore
from chalicelib.domain.documents import (
    EXPIRED,
    Decision,
    Document,
    DocumentState,
    archived_mark,
    told_mark,
)
from chalicelib.domain.errors import (
    IdempotencyKeyReusedError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.registers import EntryState, LogName, insert_after, numbering_of
from chalicelib.domain.standing import REASONS_FOR, Replacement, RulingKind, marks_of
from chalicelib.domain.status_list import Page
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import IdempotencyClaim
from tests.contract.test_ledger import FILE, REGISTER, Ledger, ledger
from tests.support.samples import NOON, SWEEP_AFTER, claim_of, document

__all__ = ["ledger"]  # the fixture of the other suite: the same two ledgers

HOUR = timedelta(hours=1)
KEY = IdempotencyClaim("diw", "key-1", "digest-1")


def issue(ledger: Ledger, *document_ids: str, **changes: object) -> list[Document]:
    """Documents numbered from 1 on, issued at noon."""
    waiting = [replace(document(i), **changes) for i in document_ids]  # type: ignore[arg-type]  # any field
    ledger.accept(*waiting)
    return [ledger.registers.finalise(d, FILE, NOON) for d in ledger.number(*waiting)]


def decided(
    made: Document,
    kind: RulingKind,
    *,
    at: datetime = NOON,
    effective_at: datetime | None = None,
    by: Document | None = None,
) -> Document:
    decision = Decision(
        kind=kind,
        reason_code=REASONS_FOR[kind][0],
        reason="เหตุผล",
        by="approver-1",
        agency_id="diw",
        effective_at=effective_at,
        replaced_by=Replacement(by.document_id, "๒/๒๕๖๙") if by else None,
    )
    return made.ruled(decision, at)


def outcomes(ledger: Ledger) -> list[OutcomeLeaf]:
    size = ledger.logs.sequence(REGISTER)
    if not size:
        return []
    found = ledger.logs.leaves(REGISTER, LogName.OUTCOMES, start=0, limit=size)
    return [OutcomeLeaf.from_bytes(body) for body in found]


def test_a_ruling_is_in_document_entry_list_and_log(ledger: Ledger) -> None:
    """Issue 5, item 5: one transaction writes all four; the entry stays issued (P1)."""
    (made,) = issue(ledger, "D1")
    ruled = decided(made, RulingKind.REVOKED, at=NOON + HOUR, effective_at=NOON + 5 * HOUR)
    ledger.registers.rule(ruled, None)
    assert ledger.documents.get("D1") == ruled
    (entry,) = ledger.registers.entries(REGISTER)
    assert (entry.state, entry.marks) == (EntryState.ISSUED, marks_of(ruled.rulings))
    (listed,) = ledger.registers.marked(REGISTER, Page(0))
    assert ((listed.number, listed.child), listed.marks) == ((1, 0), entry.marks)
    (leaf,) = (x for x in outcomes(ledger) if x.outcome is Outcome.REVOKED)
    assert (leaf.number, leaf.subject_id, leaf.reason_code) == (1, "D1", "error")
    assert leaf.at == NOON + 5 * HOUR


def test_two_who_decide_at_once_decide_one_after_the_other(ledger: Ledger) -> None:
    """P8: who read the document before another decided writes nothing."""
    (made,) = issue(ledger, "D1")
    first = decided(made, RulingKind.SUSPENDED)
    ledger.registers.rule(first, None)
    with pytest.raises(RegisterConflictError):
        ledger.registers.rule(decided(made, RulingKind.REVOKED), KEY)
    assert ledger.documents.get("D1") == first
    assert ledger.documents.ruled_by(KEY) is None
    assert [x.outcome for x in outcomes(ledger)] == [Outcome.ISSUED, Outcome.SUSPENDED]
    ledger.registers.rule(decided(first, RulingKind.REVOKED), None)
    assert outcomes(ledger)[-1].outcome is Outcome.REVOKED


def test_what_is_not_issued_is_not_ruled_on(ledger: Ledger) -> None:
    """P3: nothing is said of a document before it is final."""
    (made,) = issue(ledger, "D1")
    ruled = decided(made, RulingKind.REVOKED)
    ledger.accept(document("D2"))
    ledger.number(document("D2"), after=1)
    with pytest.raises(RegisterConflictError):
        ledger.registers.rule(replace(ruled, document_id="D2"), None)


def test_the_same_key_gives_the_same_ruling(ledger: Ledger) -> None:
    """api.md: a repeat gets what it made, though another decision followed; another body, or
    a submission's key, is refused."""
    (made,) = issue(ledger, "D1")
    first = decided(made, RulingKind.SUSPENDED)
    ledger.registers.rule(first, KEY)
    second = decided(first, RulingKind.REVOKED)
    ledger.registers.rule(second, None)
    assert ledger.documents.ruled_by(KEY) == (second, second.rulings[0])
    with pytest.raises(IdempotencyKeyReusedError):
        ledger.documents.ruled_by(replace(KEY, request_digest="digest-2"))
    with pytest.raises(IdempotencyKeyReusedError):
        ledger.documents.add(document("D9"), replace(KEY, request_digest="digest-2"))
    with pytest.raises(RegisterConflictError):
        ledger.registers.rule(decided(made, RulingKind.REVOKED), KEY)


def test_rulings_stand_in_the_log_as_they_were_decided(ledger: Ledger) -> None:
    """P7: a revocation ordered for later and withdrawn before any checkpoint stands before its
    withdrawal, so that the log alone tells what holds."""
    (made,) = issue(ledger, "D1")
    first = decided(made, RulingKind.REVOKED, effective_at=NOON + 9 * HOUR)
    ledger.registers.rule(first, None)
    ledger.registers.rule(decided(first, RulingKind.REINSTATED, at=NOON + HOUR), None)
    assert [(x.outcome, x.at) for x in outcomes(ledger)] == [
        (Outcome.ISSUED, NOON),
        (Outcome.REVOKED, NOON + 9 * HOUR),
        (Outcome.REINSTATED, NOON + HOUR),
    ]


def test_suspended_twice_is_told_twice(ledger: Ledger) -> None:
    """P7: an entry can have the same outcome more than once."""
    (made,) = issue(ledger, "D1")
    for kind in (RulingKind.SUSPENDED, RulingKind.REINSTATED) * 2:
        made = decided(made, kind)
        ledger.registers.rule(made, None)
    told = [x.outcome for x in outcomes(ledger)][1:]
    assert told == [Outcome.SUSPENDED, Outcome.REINSTATED] * 2


def test_a_closed_year_takes_rulings(ledger: Ledger) -> None:
    """Issue 5, item 5: only numbers are closed with a year; the outcome log goes on."""
    (made,) = issue(ledger, "D1")
    ledger.registers.begin_closing(REGISTER)
    ledger.registers.mark_closed(REGISTER, "ab" * 32)
    ledger.registers.rule(decided(made, RulingKind.REVOKED), None)
    assert outcomes(ledger)[-1].outcome is Outcome.REVOKED


def test_a_ruled_document_is_swept_until_it_is_told(ledger: Ledger) -> None:
    """P4, P5: settled once, a ruling makes it unsettled; evidence, archive and recipients
    settle it again, each noted once."""
    (made,) = issue(ledger, "D1", recipients=("rd",))
    ledger.documents.keep_evidence("D1", "issue")
    ledger.documents.settle(ledger.documents.mark_notified("D1", "rd"))
    ruled = decided(made, RulingKind.SUSPENDED, at=NOON + HOUR)
    ledger.registers.rule(ruled, None)
    due = NOON + HOUR + SWEEP_AFTER
    assert ledger.documents.unsettled(due - timedelta(seconds=1), 9) == ()
    assert [u.document_id for u in ledger.documents.unsettled(due, 9)] == ["D1"]
    notice = ruled.rulings[0].notice
    assert ledger.documents.keep_evidence("D1", "first", notice=notice) == "first"
    assert ledger.documents.keep_evidence("D1", "second", notice=notice) == "first"
    ledger.documents.mark_notified("D1", archived_mark(notice))
    told = ledger.documents.mark_notified("D1", told_mark(notice, "rd"))
    assert (told.evidence, told.evidences) == ("issue", {notice: "first"})
    assert told.settled
    ledger.documents.settle(told)
    assert ledger.documents.unsettled(NOON + 99 * HOUR, 9) == ()


def test_settling_an_older_sight_of_a_document_changes_nothing(ledger: Ledger) -> None:
    """P8: who settles what was ruled on meanwhile leaves the ruling to be told."""
    (made,) = issue(ledger, "D1")
    ledger.documents.keep_evidence("D1", "issue")
    ledger.registers.rule(decided(made, RulingKind.SUSPENDED), None)
    ledger.documents.settle(replace(made, evidence="issue"))
    assert len(ledger.documents.unsettled(NOON + HOUR, 9)) == 1


def test_a_settled_document_sleeps_until_it_expires(ledger: Ledger) -> None:
    """Issue 5, item 5: found by its day without a scan, woken once, and no part of what is
    unsettled meanwhile."""
    (made,) = issue(ledger, "D1", recipients=("rd",), valid_until=date(2026, 11, 30))
    ledger.documents.keep_evidence("D1", "issue")
    told = ledger.documents.mark_notified("D1", "rd")
    ledger.documents.settle(told)
    midnight = made.expires_at
    assert midnight is not None
    long_after = midnight + timedelta(days=9)
    assert ledger.documents.unsettled(long_after, 9) == ()
    assert ledger.documents.waiting_since(DocumentState.ISSUED) is None
    assert ledger.documents.sleepers(midnight - timedelta(seconds=1), 9) == ()
    (seen,) = ledger.documents.sleepers(midnight, 9)
    assert (seen.document_id, seen.due_at) == ("D1", midnight)
    assert ledger.documents.wake(seen, midnight + SWEEP_AFTER)
    assert not ledger.documents.wake(seen, midnight + SWEEP_AFTER)
    assert ledger.documents.sleepers(long_after, 9) == ()
    (awake,) = ledger.documents.unsettled(long_after, 9)
    assert awake.due_at == midnight + SWEEP_AFTER
    ledger.documents.keep_evidence("D1", "over", notice=EXPIRED)
    done = ledger.documents.mark_notified("D1", told_mark(EXPIRED, "rd"))
    assert done.wakes_at is None
    ledger.documents.settle(done)
    assert ledger.documents.sleepers(long_after, 9) == ()
    assert ledger.documents.unsettled(long_after, 9) == ()


def test_a_ruling_wakes_a_sleeper(ledger: Ledger) -> None:
    """P5: what waits for its last day is told of a ruling at once."""
    (made,) = issue(ledger, "D1", recipients=("rd",), valid_until=date(2026, 11, 30))
    ledger.documents.keep_evidence("D1", "issue")
    ledger.documents.settle(ledger.documents.mark_notified("D1", "rd"))
    ledger.registers.rule(decided(made, RulingKind.REVOKED), None)
    assert len(ledger.documents.unsettled(NOON + HOUR, 9)) == 1
    assert ledger.documents.sleepers(NOON + timedelta(days=99), 9) == ()


def test_replacing_is_one_transaction_with_issuing(ledger: Ledger) -> None:
    """Issue 5, item 5: the old document ends in the moment the new one is final, or not."""
    (old,) = issue(ledger, "D1")
    fresh = replace(document("D2"), supersedes="D1")
    ledger.accept(fresh)
    (numbered,) = ledger.number(fresh, after=1)
    ended = decided(old, RulingKind.SUPERSEDED, at=NOON + HOUR, by=fresh)
    # Somebody suspends the old one meanwhile: neither is written.
    between = decided(old, RulingKind.SUSPENDED)
    ledger.registers.rule(between, None)
    with pytest.raises(RegisterConflictError):
        ledger.registers.finalise(numbered, FILE, NOON + HOUR, replaced=ended)
    kept = ledger.documents.get("D2")
    assert kept is not None
    assert kept.state is DocumentState.NUMBERED
    # Read again, both are; and a repeat changes nothing.
    ended = decided(between, RulingKind.SUPERSEDED, at=NOON + HOUR, by=fresh)
    made = ledger.registers.finalise(numbered, FILE, NOON + HOUR, replaced=ended)
    assert made.supersedes == "D1"
    assert ledger.documents.get("D1") == ended
    again = ledger.registers.finalise(numbered, FILE, NOON + 2 * HOUR, replaced=None)
    assert again.issued_at == NOON + HOUR
    told = [x.outcome for x in outcomes(ledger)]
    assert told[:2] == [Outcome.ISSUED, Outcome.SUSPENDED]
    assert set(told[2:]) == {Outcome.REPLACED, Outcome.ISSUED}


def test_a_document_with_an_inserted_number_is_on_its_parents_page(ledger: Ledger) -> None:
    """Issue 5, item 5: 1/1 has a place of its own, and none on the page of whole numbers."""
    (parent_document,) = issue(ledger, "D1")
    parent = ledger.registers.entry(REGISTER, 1)
    assert parent is not None
    inserted = document("D2")
    ledger.accept(inserted)
    entry = insert_after(parent, 1, claim_of(inserted), NOON)
    numbered = inserted.numbered(numbering_of(entry))
    ledger.registers.insert(entry, numbered)
    made = ledger.registers.finalise(numbered, FILE, NOON)
    for one in (parent_document, made):
        ledger.registers.rule(decided(one, RulingKind.REVOKED), None)
    under = ledger.registers.marked(REGISTER, Page(parent=1))
    assert [(m.number, m.child) for m in under] == [(1, 1)]
    whole = ledger.registers.marked(REGISTER, Page(0))
    assert [(m.number, m.child) for m in whole] == [(1, 0), (1, 1)]
    assert ledger.registers.marked(REGISTER, Page(1)) == ()


@pytest.mark.aws
@pytest.mark.parametrize("ledger", ["dynamodb"], indirect=True)
def test_a_document_from_before_rulings_can_be_ruled_on(ledger: Ledger) -> None:
    """P5: what was stored by an earlier release has no place for such evidence yet; its
    recipients are told all the same."""
    (made,) = issue(ledger, "D1")
    ledger.registers.rule(decided(made, RulingKind.REVOKED), None)
    store = ledger.documents
    assert isinstance(store, DynamoDocumentStore)
    item = store.items("DOC#D1")
    item.update(actions=[store.items.evidences.remove()])
    for signed in ("signed", "another"):
        assert store.keep_evidence("D1", signed, notice="ruling-1") == "signed"
    found = store.get("D1")
    assert found is not None
    assert found.evidences == {"ruling-1": "signed"}
    with pytest.raises(UnavailableError):
        store.keep_evidence("D9", "signed", notice="ruling-1")
    assert store.get("D9") is None
