"""Decide, withdraw, expire: what becomes of a document that awaits officers (B7, P4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest

from chalicelib.adapters.memory import MemoryLedger, MemoryQueue
from chalicelib.domain.approvals import ApprovalDecision, ApprovalPolicy, CaseState, Choice, Why
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import ApprovalRefusedError, DocumentMovedError, UnavailableError
from chalicelib.services.decide_case import (
    CaseRoom,
    decide_case,
    enter_decision,
    expire_case,
    set_going,
    withdraw_case,
)
from tests.support.approving import ONE, TWO, awaiting, case_of, decision
from tests.support.rooms import Clock
from tests.support.samples import NOON, SWEEP_AFTER, document

HOUR = timedelta(hours=1)


class RacedLedger(MemoryLedger):
    """Before the next write of a decision, somebody else's."""

    race: Callable[[], object] | None = None

    def decide(self, seen: Document, decided: Document) -> None:
        race, self.race = self.race, None
        if race is not None:
            race()
        super().decide(seen, decided)


class BusyLedger(MemoryLedger):
    def decide(self, seen: Document, decided: Document) -> None:
        raise DocumentMovedError("Somebody else was there.")


@dataclass
class Desk:
    ledger: MemoryLedger = field(default_factory=lambda: RacedLedger(sweep_after=SWEEP_AFTER))
    numbering: MemoryQueue = field(default_factory=MemoryQueue)
    delivering: MemoryQueue = field(default_factory=MemoryQueue)
    clock: Clock = field(default_factory=lambda: Clock(NOON + HOUR))

    @property
    def room(self) -> CaseRoom:
        return CaseRoom(
            documents=self.ledger,
            number_queue=self.numbering,
            deliver_queue=self.delivering,
            clock=self.clock,
            pause=lambda _: None,
        )

    def add(self, policy: ApprovalPolicy = ONE, document_id: str = "D1") -> Document:
        return self.ledger.add(awaiting(document_id, policy), None)

    def read(self, document_id: str = "D1") -> Document:
        found = self.ledger.get(document_id)
        assert found is not None
        return found

    def decide(
        self, about: Document, by: str = "head-1", choice: Choice = Choice.APPROVE
    ) -> Document:
        return decide_case(about, lambda seen: decision(seen, by, choice), room=self.room)


def _refused(why: Why, work: Callable[[], object]) -> None:
    with pytest.raises(ApprovalRefusedError) as refused:
        work()
    assert refused.value.reason == why
    assert refused.value.detail_th != refused.value.detail


def test_the_last_approval_sets_numbering_going() -> None:
    """B7: two officers, and only then one message; what they decided is kept with its record."""
    desk = Desk()
    once = desk.decide(desk.add(TWO))
    assert once.awaits_approval
    assert desk.numbering.messages == []
    twice = desk.decide(once, "head-2")
    assert twice == desk.read()
    assert (twice.state, twice.reason) == (DocumentState.ACCEPTED, None)
    assert [d.by for d in case_of(twice).decisions] == ["head-1", "head-2"]
    assert desk.numbering.messages == [("D1", "diw.licence")]


@pytest.mark.parametrize(
    ("choice", "code"),
    [(Choice.REJECT, "approval_rejected"), (Choice.RETURN, "approval_returned")],
)
def test_a_refusal_ends_it(choice: Choice, code: str) -> None:
    """P4: it ends as rejected with a reason in both languages; its record is on its way to the
    archive, and the officer's own words stand in the case alone."""
    desk = Desk()
    ended = desk.decide(desk.add(TWO), choice=choice)
    assert ended.state is DocumentState.REJECTED
    assert ended.reason is not None
    assert ended.reason.code == code
    assert ended.reason.detail_th
    assert "แก้วันที่" not in ended.reason.detail_th
    assert desk.numbering.messages == []
    assert desk.delivering.messages == [("D1", None)]


def test_the_same_decision_again_changes_nothing_and_goes_on() -> None:
    """P8: who died after the write repeats, and the message is sent then."""
    desk = Desk()
    about = desk.add()
    enter_decision(about, decision, room=desk.room)
    assert desk.numbering.messages == []
    repeated = desk.decide(desk.read())
    assert len(case_of(repeated).decisions) == 1
    assert desk.numbering.messages == [("D1", "diw.licence")]


def test_a_list_is_sent_on_at_its_end() -> None:
    """Issue 7.4: of many documents decided with one code, numbered ones go book by book in few
    messages, and refused ones to the archive."""
    desk = Desk()
    choices = {"D1": Choice.APPROVE, "D2": Choice.REJECT, "D3": Choice.APPROVE}
    decided = [
        enter_decision(desk.add(document_id=name), partial(decision, choice=choice), room=desk.room)
        for name, choice in choices.items()
    ]
    set_going(decided, room=desk.room)
    assert desk.numbering.messages == [("D1", "diw.licence"), ("D3", "diw.licence")]
    assert desk.delivering.messages == [("D2", None)]


def test_two_officers_at_once_both_count() -> None:
    """B7: the second write meets the first, reads again and makes its record anew: in it stands
    which decision of the case it is."""
    desk = Desk()
    about, places = desk.add(TWO), []

    def second(seen: Document) -> ApprovalDecision:
        places.append(len(case_of(seen).decisions) + 1)
        return decision(seen, "head-2")

    assert isinstance(desk.ledger, RacedLedger)
    desk.ledger.race = lambda: desk.decide(about, "head-1")
    decided = decide_case(about, second, room=desk.room)
    assert decided.state is DocumentState.ACCEPTED
    assert places == [1, 2]
    assert [d.by for d in case_of(desk.read()).decisions] == ["head-1", "head-2"]


def test_withdrawn_at_the_same_moment_it_is_not_approved() -> None:
    """B7: of a withdrawal and an approval one wins, and the other learns of it."""
    desk = Desk()
    about = desk.add()
    assert isinstance(desk.ledger, RacedLedger)
    desk.ledger.race = lambda: withdraw_case(about, "clerk-1", room=desk.room)
    _refused(Why.ENDED, lambda: desk.decide(about))
    assert desk.numbering.messages == []


def test_who_is_always_late_is_told_so() -> None:
    """P8: it does not go round for ever."""
    desk = Desk(ledger=BusyLedger(sweep_after=SWEEP_AFTER))
    with pytest.raises(UnavailableError):
        desk.decide(desk.add())


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        (Why.OTHER_CONTENT, {"content_digest": "00" * 32}),
        (Why.OTHER_AGENCY, {"agency_id": "dbd"}),
        (Why.OWN_SUBMISSION, {"by": "clerk-1"}),
        (Why.EXPIRED, {"at": NOON + timedelta(days=30)}),
    ],
)
def test_what_has_no_effect_says_why(why: Why, changes: dict[str, object]) -> None:
    """B7: other content, another agency, the own submission, too late: refused, with a stable
    word and a sentence in both languages; nothing is written."""
    desk = Desk()
    about = desk.add()
    wrong = replace(decision(about), **changes)  # type: ignore[arg-type]  # of the parameters
    _refused(why, lambda: decide_case(about, lambda _: wrong, room=desk.room))
    assert desk.read() == about


def test_what_nobody_has_to_approve_cannot_be_decided() -> None:
    """B7: a document without a case is none of the officers' business."""
    desk = Desk()
    plain = desk.ledger.add(document("D9"), None)
    _refused(Why.ENDED, lambda: desk.decide(plain))


def test_what_was_decided_otherwise_stays() -> None:
    """B7: nobody takes a decision back."""
    desk = Desk()
    once = desk.decide(desk.add(TWO))
    _refused(Why.DECIDED_OTHERWISE, lambda: desk.decide(once, choice=Choice.REJECT))


def test_withdrawn_it_says_by_whom() -> None:
    """P4: it ends at once; nobody decided, so nothing is to be archived; a repeat is the same."""
    desk = Desk()
    about = desk.add()
    for _ in range(2):
        ended = withdraw_case(desk.read(), "clerk-1", room=desk.room)
        assert ended.reason is not None
        assert ended.reason.code == "approval_withdrawn"
        assert case_of(ended).withdrawn_by == "clerk-1"
        assert ended.settled
    assert desk.delivering.messages == []
    _refused(Why.ENDED, lambda: desk.decide(about))


def test_it_expires_not_a_second_too_early() -> None:
    """P4: until its time is over it waits, and then it ends."""
    desk = Desk()
    about = desk.add()
    end = case_of(about).expires_at
    desk.clock.now = end - timedelta(seconds=1)
    assert expire_case(about, room=desk.room).awaits_approval
    desk.clock.now = end
    ended = expire_case(about, room=desk.room)
    assert ended.reason is not None
    assert ended.reason.code == "approval_expired"
    assert case_of(desk.read()).state is CaseState.EXPIRED


def test_half_approved_its_record_is_archived_when_it_expires() -> None:
    """C2: one of two approved; though no document came of it, that was decided."""
    desk = Desk()
    once = desk.decide(desk.add(TWO))
    desk.clock.now = case_of(once).expires_at
    assert not expire_case(once, room=desk.room).settled
    assert desk.delivering.messages == [("D1", None)]


def test_decided_meanwhile_it_does_not_expire() -> None:
    """B7: sweep saw it waiting; an officer was quicker."""
    desk = Desk()
    about = desk.add()
    desk.decide(about)
    desk.clock.now = case_of(about).expires_at
    expire_case(about, room=desk.room)
    assert desk.read().state is DocumentState.ACCEPTED


def test_of_a_run_whichever_is_decided_last_sends_it_on() -> None:
    """B7, P1: numbers of a run follow each other, so the end of the last wait, a refusal too,
    tells the numbering."""
    desk = Desk()
    about = replace(awaiting(), run=("D1", "D2"))
    desk.ledger.add(about, None)
    desk.decide(about, choice=Choice.REJECT)
    assert desk.numbering.messages == [("D1", "diw.licence")]


def test_a_history_never_goes_back() -> None:
    """P4: two functions' clocks differ; a document is accepted neither before it was submitted nor
    before the decision that accepted it."""
    desk = Desk(clock=Clock(NOON - HOUR))
    decided = desk.decide(desk.add())
    assert [change.at for change in decided.history] == [NOON, NOON + HOUR]
