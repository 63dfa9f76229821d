"""B7, P8: whoever dies on the way from submission to number, nothing is numbered without its
approvals, no decision is lost or counts twice, and every case ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from chalicelib.domain.approvals import ApprovalPolicy, Choice
from chalicelib.domain.documents import APPROVALS, Document, DocumentState
from chalicelib.domain.registers import Register
from chalicelib.ports import Search
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.decide_case import enter_decision, withdraw_case
from tests.fault.harness import Danger, Killed, World, audit
from tests.integration.conftest import Answer, Api
from tests.support.approval_desk import DECIDE, LIST, ApprovalDesk, Approver, list_of
from tests.support.approving import ONE, TWO, awaiting, case_of, decision
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes, furnished, sample_event
from tests.support.samples import document

REGISTER = Register("diw", "licence", 2026)
SUBMISSION = {**json.loads(sample_event("api")["body"]), "recipients": ["dbd"]}


class Office(World):
    """An API where licences have to be approved, and officers with their apps for codes. The
    decisions of a list are made one by one, so that each moment is the same in every run."""

    def __init__(self, policy: ApprovalPolicy = ONE) -> None:
        super().__init__(Fakes(signer=LocalSigner(), approve_at_once=1))
        self.desk = ApprovalDesk(Api(self.fakes), policy)
        self.officers = [self.desk.officer("approver-1"), self.desk.officer("approver-2")]

    def submit(self, danger: Danger | None = None) -> Answer:
        headers = {"idempotency-key": "key-1"}
        return self.within(
            lambda: self.desk.api.call("POST", "/v1/documents", body=SUBMISSION, headers=headers),
            danger,
        )

    def within(self, work: Callable[[], Answer], danger: Danger | None = None) -> Answer:
        """Requests at a house in which any call may be the last."""
        with furnished(self.fakes.house((danger or Danger()).wrap)):
            return work()

    def decide(self, by: Approver, code: str, danger: Danger | None = None) -> Answer:
        """About the only document there is."""
        (about,) = self.documents()
        body = {"decision": "approve", "content_digest": about.content_digest, "otp": code}
        return self.within(lambda: by.call("POST", DECIDE, about.document_id, body=body), danger)

    def decide_all(self, by: Approver, code: str, danger: Danger | None = None) -> Answer:
        body = {**list_of(self.documents()), "otp": code}
        return self.within(lambda: by.call("POST", LIST, body=body), danger)

    def documents(self) -> list[Document]:
        found = self.fakes.ledger.search(Search(agency_id="diw", limit=1_000)).documents
        return sorted(found, key=lambda one: one.document_id)

    def come_to_an_end(self) -> None:
        """Nobody does anything any more: messages are lost, and a month goes by."""
        for name in ("number", "seal", "deliver"):
            self._queue(name).messages.clear()
        for days in (0, 40, 0):
            self.fakes.clock.advance(timedelta(days=days))
            self.sweep()
            self.run_to_rest()

    def faults(self) -> list[str]:
        """What the audit says, and what no audit of a register sees."""
        assert not checkpoint_all(room=self.fakes.house().checkpoint_room).failed
        found = audit(self.fakes, REGISTER)
        for one in self.documents():
            if one.numbering is not None and not one.is_approved:
                found.append(f"{one.document_id} has a number without approvals")
            if one.approval is not None and one.approval.missing:
                found.append(f"the case of {one.document_id} is pending")
        return found


@cache
def _moments(prepare: Callable[[], Office], work: Callable[[Office, Danger], Any]) -> list[str]:
    danger = Danger()
    work(prepare(), danger)
    return danger.seen


def _cases(prepare: Callable[[], Office], work: Callable[[Office, Danger], Any]) -> list[Any]:
    return [
        pytest.param(moment, id=f"{moment:02d}-{what.replace(' ', '-')}")
        for moment, what in enumerate(_moments(prepare, work))
    ]


# -- submit ----------------------------------------------------------------------


@pytest.mark.parametrize("moment", _cases(Office, Office.submit))
def test_submitted_twice_it_is_one_case(moment: int) -> None:
    """P8: killed anywhere, the repeated request leads to one document that awaits approval, and
    no message numbers it."""
    office = Office()
    with pytest.raises(Killed):
        office.submit(Danger(kill_at=moment))
    assert office.submit().json["state"] == "awaiting_approval"
    (about,) = office.documents()
    office.run_to_rest()
    assert office.documents() == [about]
    office.come_to_an_end()
    assert office.faults() == []
    assert office.documents()[0].state is DocumentState.REJECTED


# -- approve ---------------------------------------------------------------------


def _one() -> Office:
    office = Office()
    office.submit()
    return office


def _half() -> Office:
    """The first of two officers approved."""
    office = Office(TWO)
    office.submit()
    code = office.officers[0].code
    assert office.decide(office.officers[0], code).status == 200
    return office


def _many() -> Office:
    """Three documents await one officer; one more awaits nobody."""
    office = Office()
    for n in range(3):
        office.fakes.ledger.add(awaiting(f"D{n}", recipients=("dbd",)), None)
    return office


def _decide_last(office: Office, danger: Danger) -> None:
    last = office.officers[-1]
    office.decide(last, last.code, danger)


def _decide_list(office: Office, danger: Danger) -> None:
    last = office.officers[-1]
    office.decide_all(last, last.code, danger)


WAYS = [
    *(
        pytest.param(_one, _decide_last, *c.values, id=f"one-{c.id}")
        for c in _cases(_one, _decide_last)
    ),
    *(
        pytest.param(_half, _decide_last, *c.values, id=f"two-{c.id}")
        for c in _cases(_half, _decide_last)
    ),
    *(
        pytest.param(_many, _decide_list, *c.values, id=f"list-{c.id}")
        for c in _cases(_many, _decide_list)
    ),
]

_Prepare = Callable[[], Office]
_Decide = Callable[[Office, Danger], None]


@pytest.mark.parametrize(("prepare", "decide", "moment"), WAYS)
def test_the_officer_repeats_with_the_same_code(
    prepare: _Prepare, decide: _Decide, moment: int
) -> None:
    """Issue 7.3, 7.4: killed anywhere, the same request with the same code goes on; each document
    has one number, and each officer decided once."""
    office = prepare()
    with pytest.raises(Killed):
        decide(office, Danger(kill_at=moment))
    decide(office, Danger())
    office.run_to_rest()
    assert office.faults() == []
    for one in office.documents():
        assert one.state is DocumentState.ISSUED
        officers = [d.by for d in case_of(one).decisions]
        assert len(officers) == len(set(officers)) == case_of(one).policy.approvers


@pytest.mark.parametrize("moment", range(len(_moments(_many, _decide_list))))
def test_a_list_dies_with_all_its_threads(moment: int) -> None:
    """P8: however far each decision of a list had come, the same request goes on with it."""
    office = _many()
    office.fakes.approve_at_once = 8
    with pytest.raises(Killed):
        _decide_list(office, Danger(kill_at=moment))
    _decide_list(office, Danger())
    office.run_to_rest()
    assert office.faults() == []
    for one in office.documents():
        assert one.state is DocumentState.ISSUED
        assert [d.by for d in case_of(one).decisions] == [office.officers[-1].officer.subject]


@pytest.mark.parametrize(("prepare", "decide", "moment"), WAYS)
def test_the_officer_never_comes_back(prepare: _Prepare, decide: _Decide, moment: int) -> None:
    """P4, P8: killed anywhere and nobody repeats, all messages lost besides: what was approved is
    issued, what was not expires, and nothing rests in between."""
    office = prepare()
    with pytest.raises(Killed):
        decide(office, Danger(kill_at=moment))
    office.come_to_an_end()
    assert office.faults() == []
    for one in office.documents():
        complete = len(case_of(one).approvals) == case_of(one).policy.approvers
        assert one.state is (DocumentState.ISSUED if complete else DocumentState.REJECTED)
        assert complete or not one.has_records or one.is_archived(APPROVALS)


# -- number, seal, deliver, sweep --------------------------------------------------


def _on_its_way(function: str) -> Office:
    """It is the turn of `function`: two are approved, one by two officers; one is refused after
    an approval, one awaits, one needs nobody."""
    office = Office()
    ledger, room = office.fakes.ledger, office.fakes.house().case_room
    office.accept(document("D0", recipients=("dbd",)))
    for name, policy in (("D1", ONE), ("D2", TWO), ("D3", TWO)):
        ledger.add(awaiting(name, policy, recipients=("dbd",)), None)
    ledger.add(awaiting("D4", recipients=("dbd",)), None)
    said = (
        ("D1", "a", Choice.APPROVE),
        ("D2", "a", Choice.APPROVE),
        ("D2", "b", Choice.APPROVE),
        ("D3", "a", Choice.APPROVE),
        ("D3", "b", Choice.REJECT),
    )
    for name, by, choice in said:
        seen = ledger.get(name)
        assert seen is not None

        def say(about: Document, by: str = by, choice: Choice = choice) -> Any:
            return decision(about, by, choice, signer=office.fakes.signer)

        enter_decision(seen, say, room=room)
    office.fakes.clock.advance(timedelta(hours=2))
    # A message for each, too early for one of them, and too late for another.
    office.fakes.number_queue.send([f"D{n}" for n in range(1, 5)], group="diw.licence")
    office.fakes.deliver_queue.send(["D3"])
    for earlier in ("number", "seal", "deliver"):
        if earlier == function:
            return office
        while office.step(earlier):
            pass
    raise ValueError(function)


STEPS = [
    pytest.param(function, moment, id=f"{function}-{moment:02d}-{what.replace(' ', '-')}")
    for function in ("number", "seal", "deliver")
    for moment, what in enumerate(
        _moments(
            lambda function=function: _on_its_way(function),
            lambda office, danger, function=function: office.step(function, danger),
        )
    )
]


def _demand_right_ends(office: Office) -> None:
    assert {one.document_id: one.state.value for one in office.documents()} == {
        "D0": "issued",
        "D1": "issued",
        "D2": "issued",
        "D3": "rejected",
        "D4": "rejected",
    }
    reasons = {one.document_id: one.reason.code for one in office.documents() if one.reason}
    assert reasons == {"D3": "approval_rejected", "D4": "approval_expired"}
    archived = [key for key in office.fakes.archive.files if key.startswith("approvals/")]
    assert len(archived) == 5
    assert office.faults() == []


@pytest.mark.parametrize(("function", "moment"), STEPS)
def test_a_function_dies_and_its_message_returns(function: str, moment: int) -> None:
    """P8, B7: numbers for what was approved, for nothing else, and every record archived."""
    office = _on_its_way(function)
    with pytest.raises(Killed):
        office.step(function, Danger(kill_at=moment))
    office.run_to_rest()
    assert office.documents()[-1].awaits_approval
    office.come_to_an_end()
    _demand_right_ends(office)


@pytest.mark.parametrize(("function", "moment"), STEPS)
def test_a_function_dies_and_all_messages_are_lost(function: str, moment: int) -> None:
    """P4, P8: `sweep` finds them all."""
    office = _on_its_way(function)
    with pytest.raises(Killed):
        office.step(function, Danger(kill_at=moment))
    office.come_to_an_end()
    _demand_right_ends(office)


def _overdue() -> Office:
    """Two cases are over: nobody decided on one, one of two officers on the other."""
    office = Office()
    ledger, room = office.fakes.ledger, office.fakes.house().case_room
    ledger.add(awaiting("D1"), None)
    ledger.add(awaiting("D2", TWO), None)
    seen = ledger.get("D2")
    assert seen is not None
    enter_decision(seen, lambda about: decision(about, signer=office.fakes.signer), room=room)
    office.fakes.clock.advance(timedelta(days=31))
    return office


@pytest.mark.parametrize("moment", _cases(_overdue, Office.sweep))
def test_sweep_dies_and_the_next_one_ends_the_cases(moment: int) -> None:
    """P4, P8: each case ends once, with its records archived."""
    office = _overdue()
    with pytest.raises(Killed):
        office.sweep(Danger(kill_at=moment))
    office.come_to_an_end()
    assert office.faults() == []
    assert [one.reason.code for one in office.documents() if one.reason] == ["approval_expired"] * 2
    assert office.documents()[1].is_archived(APPROVALS)


def _withdrawing(office: Office, danger: Danger) -> None:
    (about,) = office.documents()
    withdraw_case(about, "clerk-1", room=office.fakes.house(danger.wrap).case_room)


@pytest.mark.parametrize("moment", _cases(_half, _withdrawing))
def test_a_withdrawal_dies_and_is_repeated(moment: int) -> None:
    """P8: withdrawn once, after one of two approvals, whose record is kept."""
    office = _half()
    with pytest.raises(Killed):
        _withdrawing(office, Danger(kill_at=moment))
    _withdrawing(office, Danger())
    office.run_to_rest()
    (ended,) = office.documents()
    assert ended.reason is not None
    assert ended.reason.code == "approval_withdrawn"
    assert ended.is_archived(APPROVALS)
    assert office.fakes.ledger.unsettled(office.fakes.clock() + timedelta(days=365), 10) == ()


def test_a_run_dies_between_its_approvals() -> None:
    """P1, P8: killed at any moment of numbering a run of which one was refused: the others'
    numbers follow each other."""

    def prepare() -> Office:
        office = Office()
        run = ("R1", "R2", "R3")
        room = office.fakes.house().case_room
        for name in run:
            office.fakes.ledger.add(replace(awaiting(name, recipients=("dbd",)), run=run), None)
        for name, choice in zip(run, (Choice.APPROVE, Choice.RETURN, Choice.APPROVE), strict=True):
            seen = office.fakes.ledger.get(name)
            assert seen is not None

            def say(about: Document, choice: Choice = choice) -> Any:
                return decision(about, "a", choice, signer=office.fakes.signer)

            enter_decision(seen, say, room=room)
        office.fakes.clock.advance(timedelta(hours=2))
        office.fakes.number_queue.send(["R3"], group="diw.licence")
        return office

    def step(office: Office, danger: Danger) -> None:
        office.step("number", danger)

    for moment in range(len(_moments(prepare, step))):
        office = prepare()
        with pytest.raises(Killed):
            step(office, Danger(kill_at=moment))
        office.come_to_an_end()
        assert office.faults() == []
        entries = office.fakes.ledger.entries(REGISTER)
        assert [entry.document_id for entry in entries] == ["R1", "R3"]
