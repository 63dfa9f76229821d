"""Nothing is numbered before its approvals are complete (B7): submit, number and sweep."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.memory import CountingIds
from chalicelib.domain.approvals import ApprovalPolicy, Choice
from chalicelib.domain.documents import Classification, Document, DocumentState, Reason, Urgency
from chalicelib.domain.errors import SecretUnreadableError
from chalicelib.domain.registers import NumberWish, Register, WishKind
from chalicelib.ports import IdempotencyClaim
from chalicelib.services.decide_case import decide_case, withdraw_case
from chalicelib.services.submit import Submission, repeat, submit
from chalicelib.services.sweep import sweep
from tests.fault.harness import World
from tests.support.approving import ONE, TWO, awaiting, case_of, decided, decision
from tests.support.samples import LICENCE, NOON, document

REGISTER = Register("diw", "licence", 2026)


def _submission(policy: ApprovalPolicy = ONE, recipients: tuple[str, ...] = ()) -> Submission:
    return Submission(
        agency_id="diw",
        submitted_by="clerk-1",
        document_type=LICENCE,
        content={"holder": {"name": "บริษัท น้ำผลไม้บางพลี จำกัด"}},
        recipients=recipients,
        valid_from=None,
        valid_until=None,
        classification=Classification.NORMAL,
        urgency=Urgency.ROUTINE,
        retention_years=10,
        wish=None,
        per_recipient=bool(recipients),
        claim=IdempotencyClaim("diw", "key-1", "digest-1"),
        approval=policy,
    )


class Office(World):
    """Functions on fakes, and officers who decide."""

    def submit(self, submission: Submission) -> Document:
        return submit(
            submission,
            documents=self.fakes.ledger,
            number_queue=self.fakes.number_queue,
            clock=self.fakes.clock,
            ids=self.ids,
        )

    def __init__(self) -> None:
        super().__init__()
        self.ids = CountingIds()

    def read(self, document_id: str) -> Document:
        found = self.fakes.ledger.get(document_id)
        assert found is not None
        return found

    def decide(self, document_id: str, by: str = "head-1", choice: Choice = Choice.APPROVE) -> None:
        at = self.fakes.clock()
        decide_case(
            self.read(document_id),
            lambda seen: decision(seen, by, choice, at=at),
            room=self.fakes.house().case_room,
        )

    @property
    def numbered(self) -> list[str | None]:
        entries = self.fakes.ledger.entries(REGISTER)
        return [entry.document_id for entry in entries]


def test_it_waits_and_no_message_is_sent() -> None:
    """B7: submitted, it awaits its officers, with all they need to decide; a repeat of the request
    gives the same document and sends nothing either."""
    office = Office()
    submission = _submission()
    made = office.submit(submission)
    case = case_of(made)
    assert made.state is DocumentState.AWAITING_APPROVAL
    assert (case.document_id, case.issuer) == (made.document_id, "diw")
    assert (case.content_digest, case.submitted_by) == (made.content_digest, "clerk-1")
    assert (case.opened_at, case.expires_at) == (NOON, NOON + timedelta(days=30))
    assert office.submit(submission) == made
    assert submission.claim is not None
    ledger, queue = office.fakes.ledger, office.fakes.number_queue
    assert repeat(submission.claim, documents=ledger, number_queue=queue) == made
    assert queue.messages == []


def test_without_policy_all_is_as_it_was() -> None:
    """B7: where nobody has to approve, it is accepted and numbered at once."""
    office = Office()
    made = office.submit(_submission(ApprovalPolicy()))
    assert (made.state, made.approval) == (DocumentState.ACCEPTED, None)
    assert len(office.fakes.number_queue.messages) == 1


def test_approved_by_two_it_is_issued() -> None:
    """B7: the second officer's approval is what numbers it."""
    office = Office()
    name = office.submit(_submission(TWO)).document_id
    office.decide(name, "head-1")
    office.run_to_rest()
    assert office.numbered == []
    office.decide(name, "head-2")
    office.run_to_rest()
    assert office.read(name).state is DocumentState.ISSUED
    assert office.numbered == [name]


def test_a_forged_message_numbers_nothing() -> None:
    """B7: a message for a document that awaits approval, forged or too early, does nothing, and
    holds up nobody else."""
    office = Office()
    office.fakes.ledger.add(awaiting("D1"), None)
    office.accept(awaiting("D2"), document("D3"))
    office.fakes.number_queue.send(["D1"], group="diw.licence")
    office.run_to_rest()
    assert office.numbered == ["D3"]
    assert office.read("D1").awaits_approval


def _half(waiting: Document) -> Document:
    return decided(waiting, decision(waiting))


@pytest.mark.parametrize(
    "edited",
    [
        awaiting(),
        _half(awaiting(policy=TWO)),
        replace(decided(awaiting(), decision(awaiting())), content_digest="00" * 32),
    ],
    ids=["nobody decided", "one of two decided", "decided on other content"],
)
def test_an_edited_state_numbers_nothing(edited: Document) -> None:
    """B7: `number` believes no state but counts the decisions on this very content; what somebody
    wrote past Tra ends, with a reason, and others are numbered."""
    office = Office()
    office.accept(replace(edited, state=DocumentState.ACCEPTED), document("D2"))
    office.run_to_rest()
    assert office.numbered == ["D2"]
    ended = office.read("D1")
    assert (ended.state, ended.reason and ended.reason.code) == (
        DocumentState.REJECTED,
        "not_approved",
    )


def test_a_lost_message_is_sent_again() -> None:
    """P8: approved, and the process died before its message: `sweep` sends it."""
    office = Office()
    office.fakes.ledger.add(awaiting(), None)
    office.decide("D1")
    office.fakes.number_queue.messages.clear()
    office.sweep()
    office.run_to_rest()
    assert office.numbered == ["D1"]


def test_what_nobody_decides_ends() -> None:
    """P4: after its time `sweep` ends it, once, and its owner can read why."""
    office = Office()
    office.fakes.ledger.add(awaiting(policy=replace(ONE, open_days=2)), None)
    office.fakes.clock.advance(timedelta(days=2, minutes=-11))
    office.sweep()
    assert office.read("D1").awaits_approval
    office.sweep()
    ended = office.read("D1")
    assert ended.reason is not None
    assert ended.reason.code == "approval_expired"
    office.sweep()
    assert office.read("D1") == ended


def test_a_run_waits_for_all_its_approvals() -> None:
    """P1, B7: each document of a run has a case of its own; none gets a number before all are
    decided, and then their numbers follow each other."""
    office = Office()
    made = office.submit(_submission(recipients=("rd", "dbd", "paper")))
    first, second, third = made.run
    office.accept(document("BETWEEN"))
    office.decide(third)
    office.decide(first)
    office.run_to_rest()
    assert office.numbered == ["BETWEEN"]
    office.decide(second)
    office.run_to_rest()
    assert office.numbered == ["BETWEEN", first, second, third]


def test_what_is_refused_drops_out_of_its_run() -> None:
    """P4, B7: the others are not held up by it; which of them was decided last does not matter."""
    office = Office()
    first, second, third = office.submit(_submission(recipients=("rd", "dbd", "paper"))).run
    office.decide(first)
    office.decide(second, choice=Choice.REJECT)
    office.run_to_rest()
    assert office.numbered == []
    withdraw_case(office.read(third), "clerk-1", room=office.fakes.house().case_room)
    office.run_to_rest()
    assert office.numbered == [first]


def test_a_run_is_swept_on_when_its_last_message_is_lost() -> None:
    """P8: the refusal that freed the others died before its message."""
    office = Office()
    first, second = office.submit(_submission(recipients=("rd", "dbd"))).run
    office.decide(first)
    office.decide(second, choice=Choice.REJECT)
    office.fakes.number_queue.messages.clear()
    office.sweep()
    office.run_to_rest()
    assert office.numbered == [first]


def test_a_wish_is_granted_after_approval() -> None:
    """B3, B7: an inserted number is asked for at submission and given after the approval."""
    office = Office()
    office.accept(document("D0"))
    office.run_to_rest()
    wish = NumberWish(WishKind.INSERTED, 2026, 1)
    office.fakes.ledger.add(replace(awaiting(), wish=wish), None)
    office.fakes.number_queue.send(["D1"], group="diw.licence")
    office.run_to_rest()
    assert office.numbered == ["D0"]
    office.decide("D1")
    office.run_to_rest()
    assert office.numbered == ["D0", "D1"]


def test_a_refused_reason_is_not_overwritten() -> None:
    """P4: the first end stands."""
    office = Office()
    office.fakes.ledger.add(awaiting(), None)
    office.decide("D1", choice=Choice.RETURN)
    ended = office.read("D1")
    assert isinstance(ended.reason, Reason)
    office.fakes.number_queue.send(["D1"], group="diw.licence")
    office.run_to_rest()
    assert office.read("D1").reason == ended.reason


def test_no_number_is_older_than_its_approvals() -> None:
    """C2: the clock of `number` is behind the one that approved; who holds decision and number
    side by side finds them in order all the same, for next, reserved and inserted numbers."""
    office = Office()
    office.accept(document("D0"))
    office.run_to_rest()
    wish = NumberWish(WishKind.INSERTED, 2026, 1)
    for waiting in (awaiting("D1"), replace(awaiting("D2"), wish=wish)):
        office.fakes.ledger.add(waiting, None)
        office.fakes.clock.now = NOON + timedelta(hours=3)
        office.decide(waiting.document_id)
        office.fakes.clock.now = NOON + timedelta(hours=1)
        office.run_to_rest()
        numbering = office.read(waiting.document_id).numbering
        assert numbering is not None
        assert numbering.numbered_at >= NOON + timedelta(hours=3)


def test_who_waits_for_its_run_is_not_stuck() -> None:
    """A28: approved, and another of the run is not, for days: no alarm of stubborn documents; once
    the other is decided, a lost message is found within hours."""
    office = Office()
    first, second = office.submit(_submission(recipients=("rd", "dbd"))).run
    office.decide(first)
    office.run_to_rest()
    broom = office.fakes.house().broom
    for _ in range(12):
        office.fakes.clock.advance(timedelta(hours=3))
        swept = sweep(broom=broom)
        assert (swept.resent, swept.stubborn, swept.failed) == (0, 0, 0)
    assert office.fakes.number_queue.messages == []
    office.decide(second)
    office.fakes.number_queue.messages.clear()
    office.fakes.clock.advance(timedelta(hours=6))
    assert sweep(broom=broom).resent == 2
    office.run_to_rest()
    assert office.numbered == [first, second]


def test_what_cannot_be_read_holds_up_no_sweep() -> None:
    """P4: a secret document that does not open (changed in its table, say) is counted, and
    others are swept."""
    office = Office()
    office.fakes.ledger.add(awaiting("D1", replace(ONE, open_days=1)), None)
    office.fakes.ledger.add(document("D2"), None)

    class Damaged:
        def __getattr__(self, name: str) -> object:
            return getattr(office.fakes.ledger, name)

        def get(self, document_id: str) -> Document | None:
            if document_id == "D1":
                raise SecretUnreadableError("changed")
            return office.fakes.ledger.get(document_id)

    broom = replace(office.fakes.house().broom, documents=Damaged())  # type: ignore[arg-type]  # all but get is the ledger's
    office.fakes.clock.advance(timedelta(days=2))
    swept = sweep(broom=broom)
    assert (swept.failed, swept.resent) == (1, 1)
