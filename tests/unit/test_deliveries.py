"""Deliveries: exactly one outcome, whatever comes, in whatever order and however often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import (
    MOST_CORRECTIONS,
    AlreadySo,
    Delivery,
    DeliveryId,
    Impossible,
    Moved,
    Progress,
    RetryBudget,
    SentLetter,
    Why,
    happen,
    plan,
    refuse,
    resend,
)
from chalicelib.domain.delivery_events import (
    Consigned,
    Counted,
    DeliveryEvent,
    GaveUp,
    HandedOver,
    NotConsigned,
    NotHandedOver,
    NumberCorrected,
    NumberDisputed,
    Recalled,
    Received,
    Rejected,
    Relayed,
    RelayRefused,
    Reminded,
    TryFailed,
)
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.erds import DeliveryState, EventName, follow, leads_to
from chalicelib.domain.errors import ResendRefusedError
from chalicelib.domain.office_hours import Arrival
from chalicelib.domain.registers import Book, Numbering
from chalicelib.domain.retention import LockMode
from tests.support.delivering import (
    BUDGET,
    BUSY,
    EVENTS,
    GIVE_UP_AT,
    LETTER,
    SENT_AT,
    after,
    begun,
    later,
    note,
    received,
)
from tests.support.samples import document

PLANNED = begun().delivery

relayed = Relayed(at=later(1))
consigned = Consigned(at=later(21), received=received())
handed_over = HandedOver(at=later(30), receipt=note())
rejected = Rejected(at=later(30), reason=BUSY, received=received(), digest="d0" * 32)
not_consigned = NotConsigned(at=later(9), reason=BUSY)
not_handed_over = NotHandedOver(at=later(30), reason=BUSY, received=received())
recalled = Recalled(at=later(25))
gave_up = GaveUp(at=GIVE_UP_AT, reason=BUSY)


def _try(no: int, at: datetime | None = None) -> TryFailed:
    return TryFailed(at=at or later(no), no=no, reason=BUSY)


STATES = {
    DeliveryState.PLANNED: PLANNED,
    DeliveryState.RELAYED: after(PLANNED, relayed),
    DeliveryState.CONSIGNED: after(PLANNED, consigned),
    DeliveryState.HANDED_OVER: after(PLANNED, consigned, handed_over),
    DeliveryState.REJECTED: after(PLANNED, consigned, rejected),
    DeliveryState.FAILED: after(PLANNED, relayed, not_consigned),
    DeliveryState.RECALLED: after(PLANNED, consigned, recalled),
}


# -- identity --------------------------------------------------------------------------


def test_planning_twice_makes_one_delivery() -> None:
    """P5, P8: the id follows from letter, recipient and attempt, so a repeat makes no second."""
    assert begun() == begun()
    assert PLANNED.delivery_id == "01HLETTER.dga.1"
    assert PLANNED.recipient == "dga"
    assert DeliveryId.parse(PLANNED.delivery_id) == PLANNED.id


@given(st.text(max_size=30) | st.from_regex(r"[A-Z0-9]{1,5}\.[a-z]{1,5}\.[0-9]{1,3}"))
def test_a_delivery_id_is_written_in_one_way(text: str) -> None:
    """P5: two ids are the same delivery only if they are the same text."""
    try:
        read = DeliveryId.parse(text)
    except ValueError:
        return
    assert str(read) == text


@pytest.mark.parametrize("text", ["", "D1", "D1.dga", "D1.dga.0", "D1.dga.01", "D1..1", "D1.dga.x"])
def test_what_is_no_delivery_id_is_refused(text: str) -> None:
    """P5: nothing is looked up under half a name."""
    with pytest.raises(ValueError, match=r"delivery|unpack|int"):
        DeliveryId.parse(text)


def test_only_an_issued_letter_is_sent() -> None:
    """P3: a delivery names number, date and sealed file, so it cannot be before they are."""
    at = datetime(2026, 12, 31, 18, 0, tzinfo=UTC)  # January in Bangkok
    numbered = replace(document(), book=Book("diw", "circular")).numbered(
        Numbering(year=2027, number=12, printed="อก ๐๓๐๒/ว ๑๒", numbered_at=at)
    )
    with pytest.raises(ValueError, match="P3"):
        SentLetter.of(numbered)
    file = ArchivedFile(
        key="k",
        version_id="v",
        sha256="ab" * 32,
        size=1,
        lock_mode=LockMode.GOVERNANCE,
        retain_until=at,
    )
    assert SentLetter.of(numbered.issued(file, at)) == SentLetter(
        document_id="D1",
        sender="diw",
        number="อก ๐๓๐๒/ว ๑๒",
        dated=date(2027, 1, 1),
        file_digest="ab" * 32,
        circular=True,
        retain_until=at,
    )


def test_a_letter_never_counts_as_received_before_it_came() -> None:
    """E2: outside office hours it counts later, never earlier."""
    with pytest.raises(ValueError, match="E2"):
        Received(later(1), later(0))


# -- the way of a delivery ---------------------------------------------------------------


def test_a_hosted_agency_has_the_letter_at_once() -> None:
    """A20, E2: both times are fixed when it enters the inbox; the receipt ends it (A1)."""
    came = Received(later(20), later(900))
    moved = happen(PLANNED, Consigned(at=later(21), received=came))
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.CONTENT_CONSIGNMENT,)
    assert moved.delivery.received == came
    ended = happen(moved.delivery, handed_over)
    assert isinstance(ended, Moved)
    assert ended.events == (EventName.CONTENT_HANDOVER,)
    assert ended.delivery.state is DeliveryState.HANDED_OVER
    assert ended.delivery.receipt == note()
    assert ended.delivery.received == came, "the receipt tells its own time; ours stands (A20)"


def test_the_working_time_may_be_found_later() -> None:
    """E2, ADR 40: a letter that came in a year without calendar keeps the time it entered; what
    that counts as is filled in once, whatever became of the delivery meanwhile."""
    lying = after(PLANNED, Consigned(at=later(21), received=Received(later(20))))
    assert lying.received is not None
    assert lying.received.stands_at == later(20)
    assert isinstance(happen(PLANNED, Counted(at=later(50), counted_at=later(60))), Impossible)
    for delivery in (lying, after(lying, handed_over), after(lying, rejected)):
        early = happen(delivery, Counted(at=later(50), counted_at=later(19)))
        assert early == Impossible(delivery, Why.OUT_OF_TURN)
        moved = happen(delivery, Counted(at=later(50), counted_at=later(60)))
        assert isinstance(moved, Moved)
        assert moved.events == ()
        assert moved.delivery.received == Received(later(20), later(60))
        assert moved.delivery.state is delivery.state
        again = happen(moved.delivery, Counted(at=later(51), counted_at=later(99)))
        assert again == AlreadySo(moved.delivery)


def test_working_time_says_when_a_letter_was_received() -> None:
    """E2: what the agency's calendar counts is what the delivery keeps."""
    assert Received.of(Arrival(later(1), later(9))) == Received(later(1), later(9))


def test_a_channel_that_cannot_say_yet_relays_first() -> None:
    """ETSI EN 319 522: RelayAcceptance, then ContentConsignment (e-CMS, e-mail)."""
    moved = happen(PLANNED, relayed)
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.RELAY_ACCEPTANCE,)
    moved = happen(moved.delivery, consigned)
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.CONTENT_CONSIGNMENT,)
    assert {kind for kind in ChannelKind if not kind.confirms_arrival} == {
        ChannelKind.ECMS,
        ChannelKind.EMAIL,
    }


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (handed_over, EventName.CONTENT_HANDOVER),
        (rejected, EventName.CONSIGNMENT_REJECTION),
        (not_handed_over, EventName.CONTENT_HANDOVER_FAILURE),
    ],
)
@pytest.mark.parametrize("before", [DeliveryState.PLANNED, DeliveryState.RELAYED])
def test_an_answer_proves_the_arrival(
    answer: DeliveryEvent, name: EventName, before: DeliveryState
) -> None:
    """P8: the channel took it and we died before we wrote so; the recipient answers meanwhile."""
    moved = happen(STATES[before], answer)
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.CONTENT_CONSIGNMENT, name)
    assert moved.delivery.received == received()
    assert isinstance(happen(moved.delivery, consigned), AlreadySo | Impossible)


def test_tries_are_counted_until_the_budget_is_spent() -> None:
    """A5: what cannot be delivered fails after the retry budget, with the last reason."""
    tried = after(PLANNED, _try(1), _try(2))
    assert (tried.state, tried.tries, tried.reason) == (DeliveryState.PLANNED, 2, None)
    assert happen(tried, _try(2)) == AlreadySo(tried)
    assert happen(tried, _try(4)) == Impossible(tried, Why.OUT_OF_TURN)
    last = happen(tried, _try(3))
    assert isinstance(last, Moved)
    assert last.events == (EventName.RELAY_FAILURE,)
    assert (last.delivery.state, last.delivery.reason) == (DeliveryState.FAILED, BUSY)
    assert [step.reason for step in last.delivery.history] == [None, BUSY, BUSY, BUSY]


def test_a_try_after_the_time_is_the_last() -> None:
    """A5: the budget is of tries and of time."""
    failed = happen(PLANNED, _try(1, at=GIVE_UP_AT))
    assert isinstance(failed, Moved)
    assert failed.delivery.state is DeliveryState.FAILED


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (DeliveryState.PLANNED, EventName.RELAY_FAILURE),
        (DeliveryState.RELAYED, EventName.CONTENT_CONSIGNMENT_FAILURE),
    ],
)
def test_silence_ends_when_the_time_is_over(before: DeliveryState, name: EventName) -> None:
    """P4, A5: no delivery stays on its way for ever, and none is given up too early."""
    early = GaveUp(at=GIVE_UP_AT - timedelta(seconds=1), reason=BUSY)
    assert happen(STATES[before], early) == Impossible(STATES[before], Why.NOT_DUE)
    moved = happen(STATES[before], gave_up)
    assert isinstance(moved, Moved)
    assert (moved.events, moved.delivery.state) == ((name,), DeliveryState.FAILED)


def test_a_letter_that_arrived_is_reminded_of_but_never_given_up() -> None:
    """A20: it is received, whether or not somebody opens the inbox (A14 raises an alert)."""
    lying = STATES[DeliveryState.CONSIGNED]
    assert happen(lying, gave_up) == Impossible(lying, Why.ARRIVED)
    moved = happen(lying, Reminded(at=later(60), no=1))
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.CONSIGNMENT_NOTIFICATION,)
    assert (moved.delivery.reminders, moved.delivery.state) == (1, DeliveryState.CONSIGNED)


def test_pauses_double_from_a_minute_to_six_hours() -> None:
    """Issue 6.2: retries with backoff."""
    pauses = [RetryBudget.pause_after(tries) for tries in range(12)]
    assert pauses[:4] == [timedelta(minutes=m) for m in (1, 1, 2, 4)]
    assert pauses[-1] == timedelta(hours=6)
    assert pauses == sorted(pauses)
    with pytest.raises(ValueError, match="at least once"):
        RetryBudget(GIVE_UP_AT, most_tries=0)


POSSIBLE: dict[type[DeliveryEvent], set[DeliveryState]] = {
    Relayed: {DeliveryState.PLANNED},
    TryFailed: {DeliveryState.PLANNED},
    RelayRefused: {DeliveryState.PLANNED},
    Consigned: {DeliveryState.PLANNED, DeliveryState.RELAYED},
    Counted: set(),  # only where it was not known at once
    NotConsigned: {DeliveryState.PLANNED, DeliveryState.RELAYED},
    GaveUp: {DeliveryState.PLANNED, DeliveryState.RELAYED},
    Reminded: {DeliveryState.CONSIGNED},
    HandedOver: {DeliveryState.PLANNED, DeliveryState.RELAYED, DeliveryState.CONSIGNED},
    Rejected: {DeliveryState.PLANNED, DeliveryState.RELAYED, DeliveryState.CONSIGNED},
    NotHandedOver: {DeliveryState.PLANNED, DeliveryState.RELAYED, DeliveryState.CONSIGNED},
    Recalled: {DeliveryState.PLANNED, DeliveryState.RELAYED, DeliveryState.CONSIGNED},
    NumberDisputed: {DeliveryState.HANDED_OVER},
    NumberCorrected: set(),  # only after a dispute
}

ANY_OTHER: Sequence[DeliveryEvent] = (
    Relayed(at=later(40)),
    _try(1),
    RelayRefused(at=later(40), reason=BUSY),
    Consigned(at=later(40), received=received(39)),
    Counted(at=later(40), counted_at=later(60)),
    NotConsigned(at=later(40), reason=BUSY),
    gave_up,
    Reminded(at=later(40), no=1),
    HandedOver(at=later(40), receipt=note(99)),
    Rejected(
        at=later(40), reason=replace(BUSY, code="illegible"), received=received(), digest="d1" * 32
    ),
    NotHandedOver(at=later(40), reason=BUSY, received=received()),
    Recalled(at=later(40)),
    NumberDisputed(at=later(40), place=note().place),
    NumberCorrected(at=later(40), receipt=note(99)),
)


@pytest.mark.parametrize("event", ANY_OTHER, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", DeliveryState)
def test_the_table_of_what_moves_what(state: DeliveryState, event: DeliveryEvent) -> None:
    """P5: in every state every event has an answer; who has ended stays as it is."""
    delivery = STATES[state]
    result = happen(delivery, event)
    assert isinstance(result, Moved) is (state in POSSIBLE[type(event)])
    if not isinstance(result, Moved):
        assert result.delivery is delivery


def test_a_failed_delivery_never_gets_a_receipt() -> None:
    """P5: nor does a rejected or recalled one, and the reason is told."""
    for state, why in (
        (DeliveryState.FAILED, Why.FAILED),
        (DeliveryState.REJECTED, Why.REJECTED),
        (DeliveryState.RECALLED, Why.RECALLED),
    ):
        assert happen(STATES[state], handed_over) == Impossible(STATES[state], why)


def test_a_letter_is_recalled_only_before_handover() -> None:
    """Issue 6.6: what stands in the recipient's register stays there."""
    registered = STATES[DeliveryState.HANDED_OVER]
    assert happen(registered, recalled) == Impossible(registered, Why.HANDED_OVER)
    moved = happen(STATES[DeliveryState.CONSIGNED], recalled)
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.RECALL,)


def test_the_same_answer_again_is_told_apart_from_another() -> None:
    """P5: a duplicate gets what stands; another receipt, or another rejection, is refused."""
    registered = STATES[DeliveryState.HANDED_OVER]
    assert happen(registered, replace(handed_over, at=later(99))) == AlreadySo(registered)
    other = HandedOver(at=later(31), receipt=note(1578))
    assert happen(registered, other) == Impossible(registered, Why.OTHER_RECEIPT)
    refused = STATES[DeliveryState.REJECTED]
    assert happen(refused, replace(rejected, digest="d9" * 32)) == AlreadySo(refused)
    for_another_reason = replace(rejected, reason=replace(BUSY, code="illegible"))
    assert happen(refused, for_another_reason) == Impossible(refused, Why.OTHER_ANSWER)


@pytest.mark.parametrize("letter", list(permutations([_try(1), relayed, consigned, handed_over])))
def test_an_honest_run_ends_the_same_in_any_order(letter: Sequence[DeliveryEvent]) -> None:
    """P8: messages may come in another order; what can come later is sent again."""
    delivery = PLANNED
    for event in (*letter, *letter):
        delivery = happen(delivery, event).delivery
    assert delivery.state is DeliveryState.HANDED_OVER
    assert delivery.receipts == (note(),)
    assert delivery.received == received()


# -- wrong receive numbers -----------------------------------------------------------------


def test_a_wrong_receive_number_is_disputed_and_corrected() -> None:
    """Issue 6.6 (e-CMS InvalidAcceptID): both receipts are kept, the last one stands, and the
    outcome is the one it was."""
    registered = STATES[DeliveryState.HANDED_OVER]
    dispute = NumberDisputed(at=later(50), place=note().place)
    moved = happen(registered, dispute)
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.INVALID_ACCEPT_ID,)
    disputed = moved.delivery
    assert disputed.disputed
    assert happen(disputed, dispute) == AlreadySo(disputed)
    same = NumberCorrected(at=later(51), receipt=note())
    assert happen(disputed, same) == Impossible(disputed, Why.SAME_NUMBER)
    right = NumberCorrected(at=later(52), receipt=note(1578))
    moved = happen(disputed, right)
    assert isinstance(moved, Moved)
    assert moved.events == (EventName.CORRECTED_ACCEPT_ID,)
    corrected = moved.delivery
    assert corrected.receipts == (note(), note(1578))
    assert corrected.receipt == note(1578)
    assert corrected.state is DeliveryState.HANDED_OVER
    for again in (right, dispute, handed_over):
        assert happen(corrected, again) == AlreadySo(corrected)
    for other in (note(1577), note(1579)):
        assert happen(corrected, NumberCorrected(at=later(60), receipt=other)) == Impossible(
            corrected, Why.NOT_DISPUTED
        )


def test_only_the_number_that_stands_can_be_disputed() -> None:
    """Issue 6.6: a dispute about a number nobody gave changes nothing."""
    registered = STATES[DeliveryState.HANDED_OVER]
    wrong = NumberDisputed(at=later(50), place="2020/1")
    assert happen(registered, wrong) == Impossible(registered, Why.NO_SUCH_RECEIPT)
    lying = STATES[DeliveryState.CONSIGNED]
    assert happen(lying, wrong) == Impossible(lying, Why.NOT_HANDED_OVER)
    early = NumberCorrected(at=later(50), receipt=note(2))
    assert happen(lying, early) == Impossible(lying, Why.NOT_HANDED_OVER)


def test_two_systems_cannot_correct_each_other_for_ever() -> None:
    """P4: after some corrections people must talk."""
    delivery = STATES[DeliveryState.HANDED_OVER]
    for number in range(1, MOST_CORRECTIONS + 1):
        standing = delivery.receipt
        assert standing is not None
        delivery = after(
            delivery,
            NumberDisputed(at=later(50), place=standing.place),
            NumberCorrected(at=later(50), receipt=note(number)),
        )
    once_more = NumberDisputed(at=later(60), place=note(MOST_CORRECTIONS).place)
    assert happen(delivery, once_more) == Impossible(delivery, Why.TOO_MANY_CORRECTIONS)


# -- beginning again -------------------------------------------------------------------------


@pytest.mark.parametrize("state", DeliveryState)
def test_only_what_was_rejected_or_failed_is_sent_again(state: DeliveryState) -> None:
    """Issue 6.6: a resend is a new delivery of the same letter, with its own outcome."""
    ended = STATES[state]
    if state not in {DeliveryState.REJECTED, DeliveryState.FAILED}:
        with pytest.raises(ResendRefusedError) as raised:
            resend(ended, at=later(99), budget=BUDGET)
        assert raised.value.code == "resend_refused"
        return
    again = resend(ended, at=later(99), budget=BUDGET, channel=ChannelKind.WEBHOOK)
    assert again == resend(ended, at=later(99), budget=BUDGET, channel=ChannelKind.WEBHOOK)
    assert again.delivery.delivery_id == "01HLETTER.dga.2"
    assert again.delivery.letter == ended.letter
    assert again.delivery.channel is ChannelKind.WEBHOOK
    assert again.delivery.state is DeliveryState.PLANNED
    assert resend(ended, at=later(99), budget=BUDGET).delivery.channel is ended.channel


def test_a_recipient_who_cannot_be_reached_at_all_is_a_failed_delivery() -> None:
    """A5, A23: the sender sees it beside the others, with the reason."""
    moved = refuse(LETTER, "gone", ChannelKind.QUEUE, at=SENT_AT, budget=BUDGET, reason=BUSY)
    assert moved.events == (EventName.SUBMISSION_REJECTION,)
    assert moved.delivery.state is DeliveryState.FAILED
    assert moved.delivery.reason == BUSY
    assert resend(moved.delivery, at=later(1), budget=BUDGET).delivery.id.attempt == 2


def test_progress_counts_each_recipient_once() -> None:
    """Issue 6.7: a circular's progress is told by its last attempts."""
    failed = STATES[DeliveryState.FAILED]
    again = resend(failed, at=later(60), budget=BUDGET).delivery
    others = [
        plan(LETTER, name, ChannelKind.HOSTED, at=later(5), budget=BUDGET).delivery
        for name in ("opdc", "opm")
    ]
    progress = Progress.of([again, failed, after(others[0], consigned, handed_over), others[1]])
    assert progress.total == 3
    assert progress.ended == 1
    assert progress.states == {DeliveryState.PLANNED: 2, DeliveryState.HANDED_OVER: 1}
    assert progress.oldest_open == later(5)
    assert Progress.of([]).oldest_open is None


# -- anything at all ---------------------------------------------------------------------------


@given(st.lists(EVENTS, max_size=25))
def test_the_same_events_give_the_same_delivery(events: list[DeliveryEvent]) -> None:
    """P8: a replay on another machine, on another day, gives the identical result."""
    runs = []
    for _ in range(2):
        delivery, results = PLANNED, []
        for event in events:
            results.append(happen(delivery, event))
            delivery = results[-1].delivery
        runs.append(results)
    assert runs[0] == runs[1]


@given(st.lists(EVENTS, max_size=25), st.data())
def test_what_moved_a_delivery_moves_it_only_once(
    events: list[DeliveryEvent], data: st.DataObject
) -> None:
    """P5, P8: duplicates of what happened, sent at any later time, change nothing."""
    plain = doubled = PLANNED
    happened: list[DeliveryEvent] = []
    for event in events:
        result = happen(plain, event)
        plain = result.delivery
        doubled = happen(doubled, event).delivery
        if isinstance(result, Moved):
            happened.append(event)
        if happened:
            again = happen(doubled, data.draw(st.sampled_from(happened)))
            assert isinstance(again, AlreadySo)
            assert again.delivery is doubled
    assert plain == doubled


@given(st.lists(EVENTS, max_size=25))
def test_events_follow_each_other_as_the_standard_has_them(events: list[DeliveryEvent]) -> None:
    """ETSI EN 319 522: whatever comes, the events to give evidence of are a possible chain that
    ends in the delivery's own state."""
    first = begun()
    state = follow(None, first.events[0])
    delivery = first.delivery
    for event in events:
        result = happen(delivery, event)
        delivery = result.delivery
        for name in result.events if isinstance(result, Moved) else ():
            state = follow(state, name)
            assert state is leads_to(name)
        assert state is delivery.state


def test_names_are_the_standards_or_say_that_they_are_not() -> None:
    """ETSI EN 319 522-3 table 2: identifiers of events."""
    assert EventName.CONTENT_HANDOVER.uri == "http://uri.etsi.org/19522/Event/ContentHandover"
    assert EventName.RECALL.uri == "urn:tra:delivery-event:Recall"
    own = {name for name in EventName if name.uri.startswith("urn:tra:")}
    assert own == {
        EventName.RECALL,
        EventName.INVALID_ACCEPT_ID,
        EventName.CORRECTED_ACCEPT_ID,
    }


class Deliveries(RuleBasedStateMachine):
    """P5: messages come twice, late, in another order, from writers that read stale state."""

    sent: Bundle[DeliveryEvent] = Bundle("sent")

    @initialize()
    def begin(self) -> None:
        self.delivery = PLANNED
        self.stale = PLANNED
        self.outcomes: list[DeliveryState] = []
        self.times_received: list[Received] = []
        self.receipts: list[Any] = []

    @rule(target=sent, event=EVENTS)
    def something_happens(self, event: DeliveryEvent) -> DeliveryEvent:
        self._write(self.delivery, event)
        return event

    @rule(event=sent)
    def a_message_comes_again(self, event: DeliveryEvent) -> None:
        self._write(self.delivery, event)

    @rule()
    def a_writer_reads(self) -> None:
        self.stale = self.delivery

    @rule(event=EVENTS)
    def a_writer_that_read_long_ago_writes(self, event: DeliveryEvent) -> None:
        self._write(self.stale, event)

    def _write(self, read: Delivery, event: DeliveryEvent) -> None:
        """As the store does: only if nobody wrote since it was read."""
        result = happen(read, event)
        if read != self.delivery or not isinstance(result, Moved):
            return
        before, now = self.delivery, result.delivery
        assert len(now.history) == len(before.history) + 1
        assert now.history[:-1] == before.history
        if now.state.ended and not before.state.ended:
            self.outcomes.append(now.state)
        if now.received != before.received and now.received is not None:
            self.times_received.append(now.received)
            if before.received is not None:
                assert now.received.entered_at == before.received.entered_at
                assert before.received.counted_at is None
        self.receipts += now.receipts[len(before.receipts) :]
        self.delivery = now

    @invariant()
    def there_is_at_most_one_outcome(self) -> None:
        assert len(self.outcomes) <= 1
        assert self.delivery.state.ended is bool(self.outcomes)

    @invariant()
    def nothing_written_is_overwritten(self) -> None:
        assert len(self.times_received) <= 2, "entered, and counted later at most"
        assert self.delivery.received == (self.times_received[-1] if self.times_received else None)
        assert list(self.delivery.receipts) == self.receipts

    @invariant()
    def receipts_belong_to_handed_over_letters(self) -> None:
        handed = self.delivery.state is DeliveryState.HANDED_OVER
        assert bool(self.delivery.receipts) is handed
        places = [receipt.place for receipt in self.delivery.receipts]
        assert len(places) == len(set(places))

    @invariant()
    def time_never_goes_back(self) -> None:
        times = [step.at for step in self.delivery.history]
        assert times == sorted(times)

    @invariant()
    def who_ended_without_receipt_says_why(self) -> None:
        told = self.delivery.state in {DeliveryState.FAILED, DeliveryState.REJECTED}
        assert (self.delivery.reason is not None) is told


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
