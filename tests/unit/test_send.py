"""Sending a letter: one delivery for each recipient, whatever the number, however it is broken off."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId, RetryBudget
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Decision, Document
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    NotReadyError,
    SecretUnreadableError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.registers import CIRCULAR, Book, Entry, EntryState
from chalicelib.domain.standing import REASONS_FOR, RulingKind
from chalicelib.handlers import exchange, schedules
from chalicelib.services.deliver import deliver
from chalicelib.services.recall_all import recall_all
from chalicelib.services.sweep import sweep
from tests.fault.harness import Danger, Killed
from tests.support.rooms import CONTEXT, furnished, sample_event
from tests.support.sending import AGENCIES, BUSY, MONDAY, REFUSED, Sending, agency


@pytest.fixture
def post() -> Sending:
    return Sending()


def kept(post: Sending, document_id: str = "L1") -> Document:
    found = post.fakes.ledger.get(document_id)
    assert found is not None
    return found


def begun(post: Sending) -> list[str]:
    return [text for text, _ in post.fakes.dispatch_queue.messages]


def test_a_letter_becomes_deliveries_and_no_other_message(post: Sending) -> None:
    """Issue 6, 1: each recipient gets a delivery with evidence of its beginning, and none gets
    the event that other documents give; the letter is settled."""
    post.send("dga", "opm", "web")
    ids = [DeliveryId("L1", recipient) for recipient in ("dga", "opm", "web")]
    assert begun(post) == [str(i) for i in ids]
    for delivery_id in ids:
        record = post.record(delivery_id)
        assert record.delivery.state is DeliveryState.PLANNED
        assert record.delivery.budget.give_up_at == MONDAY + timedelta(hours=72)
        assert record.due_at == MONDAY + post.house().delivery_room.look_after
        assert len(post.fakes.deliveries.evidence(delivery_id)) == 1
        assert len(bytes.fromhex(record.salt)) == 32
    assert {post.record(i).delivery.channel for i in ids} == {
        ChannelKind.HOSTED,
        ChannelKind.QUEUE,
        ChannelKind.WEBHOOK,
    }
    assert post.fakes.channels.events == []
    assert post.fakes.ledger.unsettled(MONDAY + timedelta(days=9), 10) == ()


def test_the_subject_is_the_registers(post: Sending) -> None:
    """A23: lists of deliveries show what the register says the letter is about."""
    issued = post.issue("opm")
    entry = Entry(
        register=issued.register,
        number=12,
        subject_id="L1",
        commitment="c" * 64,
        document_type=issued.document_type,
        numbered_at=MONDAY,
        document_id="L1",
        content_digest=issued.content_digest,
        subject="ขอเชิญประชุม",
        state=EntryState.ISSUED,
    )
    post.fakes.ledger._entries[issued.register, 12, 0] = entry
    deliver("L1", courier=post.house().courier)
    assert post.delivery(DeliveryId("L1", "opm")).letter.subject == "ขอเชิญประชุม"


@pytest.mark.parametrize(
    ("recipient", "code"), [("old", "channel_unsupported"), ("gone", "unknown_agency")]
)
def test_who_cannot_be_reached_gets_a_delivery_that_failed(
    post: Sending, recipient: str, code: str
) -> None:
    """A5, A23: the sender sees it at once among the others, with the reason, and is told, once."""
    sent = post.send(recipient, "opm")
    delivery = post.delivery(sent)
    assert delivery.state is DeliveryState.FAILED
    assert delivery.reason is not None
    assert delivery.reason.code == code
    assert post.delivery(DeliveryId("L1", "opm")).state is DeliveryState.PLANNED
    assert post.dispatch(sent).failed
    assert post.dispatch(sent).failed is False
    (event,) = post.events("slc")
    assert event["type"] == "tra.delivery.failed.v1"
    assert event["data"]["reason"]["code"] == code


def test_sending_twice_sends_once(post: Sending) -> None:
    """P5: a message that comes again plans nothing anew and signs nothing; one whose note was
    lost leaves what is there as it is."""
    sent = post.send("opm")
    before = post.record(sent), post.fakes.deliveries.evidence(sent)
    deliver("L1", courier=post.house().courier)
    assert begun(post) == [str(sent)]
    unmarked = replace(kept(post), notified=frozenset())
    post.fakes.ledger._documents["L1"] = unmarked
    deliver("L1", courier=post.house().courier)
    assert (post.record(sent), post.fakes.deliveries.evidence(sent)) == before


def circular(post: Sending, count: int) -> list[str]:
    names = [f"a{number:03}" for number in range(count)]
    for name in names:
        post.fakes.directory.put_agency(agency(name, ChannelKind.HOSTED))
    return names


def test_a_circular_to_a_thousand_goes_on_where_time_ended(post: Sending) -> None:
    """Issue 6, 7: one file, one number, a thousand deliveries, in as many runs as it takes; what
    the document remembers of it stays small."""
    names = circular(post, 1_000)
    post.issue(*names, book=Book("slc", CIRCULAR))
    runs = 0
    post.fakes.deliver_queue.send(["L1"])
    while post.fakes.deliver_queue.messages:
        post.fakes.deliver_queue.messages.clear()
        few = iter([True] * 6)
        deliver("L1", courier=post.house().courier, in_time=partial(next, few, False))
        runs += 1
    assert runs == 4
    assert post.fakes.deliveries.progress("L1").total == 1_000
    assert sorted(begun(post)) == sorted(str(DeliveryId("L1", name)) for name in names)
    document = kept(post)
    assert document.unnotified == ()
    assert len(document.notified) == 20
    assert document.settled
    assert post.delivery(DeliveryId("L1", "a000")).letter.circular


def test_sending_may_be_killed_at_any_call(post: Sending) -> None:
    """P8: at the first or last call of each kind; wherever it dies, the repeat has one delivery for each recipient, and each is begun."""
    names = circular(post, 60)
    danger = Danger()
    trial(danger, names)
    first = {what: moment for moment, what in reversed(list(enumerate(danger.seen)))}
    last = {what: moment for moment, what in enumerate(danger.seen)}
    for moment in {*first.values(), *last.values()}:
        world = trial(Danger(kill_at=moment), names)
        deliver("L1", courier=world.house().courier)
        assert world.fakes.deliveries.progress("L1").total == 60
        assert set(begun(world)) == {str(DeliveryId("L1", name)) for name in names}
        assert kept(world).settled


def trial(danger: Danger, names: list[str]) -> Sending:
    world = Sending()
    circular(world, len(names))
    world.issue(*names)
    try:
        deliver("L1", courier=world.house(danger.wrap).courier)
    except Killed:
        assert danger.kill_at is not None
    return world


def test_a_letter_of_an_earlier_release_is_not_sent_again(post: Sending) -> None:
    """P5: recipients that were told by the event of those days are left in peace."""
    post.issue("opm", "web", notified=frozenset({"opm"}), evidence="jws")
    deliver("L1", courier=post.house().courier)
    assert begun(post) == ["L1.web.1"]
    assert kept(post).settled


def test_a_budget_lasts_for_its_time() -> None:
    """A5: however many tries fit into the time, it is the time that ends them."""
    budget = RetryBudget.lasting(timedelta(hours=72), since=MONDAY)
    assert budget.give_up_at == MONDAY + timedelta(hours=72)
    tried_at = MONDAY
    for tries in range(1, budget.most_tries):
        assert not budget.spent(tries, tried_at)
        tried_at += budget.pause_after(tries)
    assert tried_at >= budget.give_up_at


# -- the function ----------------------------------------------------------------------------


def test_the_function_brings_the_letters_of_its_messages(post: Sending) -> None:
    """Issue 6, 2: one message for each delivery; what nobody can read or find is let go (P4), and
    what failed comes again without the others."""
    sent = post.send("opm")
    event = sample_event("dispatch")
    template = event["Records"][0]
    bodies = [f'{{"delivery": "{sent}"}}', "no json", '{"delivery": "L9.opm.1"}', '{"delivery": 1}']
    bodies += ['{"document_id": "L1"}']
    event["Records"] = [
        {**template, "messageId": str(no), "body": body} for no, body in enumerate(bodies)
    ]
    with furnished(post.house()):
        assert exchange.dispatch(event, CONTEXT) == {"batchItemFailures": []}
    assert post.delivery(sent).state is DeliveryState.CONSIGNED

    other = post.send("web", document_id="L2")
    broken = post.house()

    def refuse(*_: Any) -> None:
        raise UnavailableError("not now")

    vars(broken.channels)["hand_in"] = refuse
    event["Records"] = [
        {**template, "messageId": str(no), "body": f'{{"delivery": "{each}"}}'}
        for no, each in enumerate((sent, other))
    ]
    with furnished(broken):
        assert exchange.dispatch(event, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "1"}]}


# -- sweeping --------------------------------------------------------------------------------


def test_what_is_due_is_swept_and_not_swept_again_at_once(post: Sending) -> None:
    """P8: a delivery whose message was lost is found; each further time later, so that what is
    stuck does not fill the queue."""
    sent = post.send("opm")
    post.fakes.dispatch_queue.messages.clear()
    assert sweep(broom=post.house().broom).deliveries == 0
    waits = []
    for _ in range(8):
        due_at = post.record(sent).due_at
        assert due_at is not None
        waits.append(due_at - post.fakes.clock())
        post.fakes.clock.now = due_at
        assert sweep(broom=post.house().broom).deliveries == 1
    assert begun(post) == [str(sent)] * 8
    minutes = [wait.total_seconds() / 60 for wait in waits]
    assert minutes == [5, 5, 10, 20, 40, 80, 160, 320]


@pytest.mark.parametrize(("rounds", "swept"), [(9, 7), (1, 3)])
def test_more_than_a_handful_is_swept_while_there_is_time(
    post: Sending, rounds: int, swept: int
) -> None:
    """P4: on a morning many thousand reminders are due at once, and what is due last is not left
    for hours while there is time; where there is none, the next run goes on."""
    many = [agency(f"a{no}", ChannelKind.QUEUE) for no in range(7)]
    post.fakes.directory = type(post.fakes.directory)((*AGENCIES, *many), ("root",))
    post.send(*(each.agency_id for each in many))
    post.fakes.clock.advance(timedelta(hours=1))
    asked = iter(range(1, 99))
    done = sweep(broom=post.house().broom, limit=3, in_time=lambda: next(asked) < rounds)
    assert done.deliveries == swept


@pytest.mark.parametrize("error", [UnavailableError, SecretUnreadableError])
def test_one_that_cannot_be_postponed_keeps_no_other_waiting(
    post: Sending, error: type[TraError]
) -> None:
    """P4: the first of the overdue fails each time, or does not open; those after it are swept, and
    what is open is counted all the same."""
    post.send("opm", "web")
    post.fakes.clock.advance(timedelta(hours=1))
    look_again = post.fakes.deliveries.look_again

    def fails_for_one(seen: Delivery, due_at: datetime | None) -> bool:
        if seen.recipient == "opm":
            raise error("busy")
        return look_again(seen, due_at)

    vars(post.fakes.deliveries)["look_again"] = fails_for_one
    done = sweep(broom=post.house().broom)
    assert (done.deliveries, done.open_deliveries) == (1, {"planned": 2})


def test_what_was_looked_after_meanwhile_is_left_alone(post: Sending) -> None:
    """P4: an index that lags behind makes no work, and takes no due time away."""
    sent = post.send("opm")
    post.dispatch(sent)
    due_at = post.record(sent).due_at
    house = post.house()
    stale = house.deliveries

    class Lagging:
        def __getattr__(self, name: str) -> Any:
            return getattr(stale, name)

        def due(self, *_: Any) -> tuple[DeliveryId, ...]:
            return (sent, DeliveryId("L9", "opm"))

    swept = sweep(broom=replace(house.broom, deliveries=Lagging()))
    assert swept.deliveries == 0
    assert post.record(sent).due_at == due_at


def test_open_items_are_counted_with_their_age(post: Sending) -> None:
    """A14, A28: how many letters wait in each state, and how long the oldest of them does."""
    post.fakes.channels.says["opm"] = BUSY
    post.send("opm", "web", "old")
    for recipient in ("opm", "web", "old"):
        post.dispatch(DeliveryId("L1", recipient))
    post.fakes.clock.advance(timedelta(minutes=30))
    swept = sweep(broom=post.house().broom)
    assert swept.open_deliveries == {"planned": 1, "consigned": 1}
    assert swept.open_seconds == {"planned": 1800, "consigned": 1800}
    with furnished(post.house()):
        told = schedules.sweep(sample_event("sweep"), CONTEXT)
    assert json.loads(json.dumps(told))["open_deliveries"] == {"planned": 1, "consigned": 1}


def test_a_letter_is_taken_back_from_all_or_not_yet(post: Sending) -> None:
    """Issue 6, 6: half of a circular's deliveries are still to begin; who takes it back then is
    told to ask again, and not that all is recalled while the rest goes out."""
    many = [agency(f"a{no}", ChannelKind.QUEUE) for no in range(60)]
    post.fakes.directory = type(post.fakes.directory)((*AGENCIES, *many), ("root",))
    issued = post.issue(*(each.agency_id for each in many))
    rounds = iter([True, False])
    deliver("L1", courier=post.house().courier, in_time=partial(next, rounds))
    room = post.house().delivery_room
    with pytest.raises(NotReadyError):
        recall_all(issued, cursor=None, room=room)
    deliver("L1", courier=post.house().courier)
    recalled = recall_all(issued, cursor=None, room=room)
    assert (len(recalled.recalled), recalled.others, recalled.cursor) == (60, (), None)


# -- rulings on letters ----------------------------------------------------------------------


def test_a_ruling_on_a_letter_is_told_by_each_channel(post: Sending) -> None:
    """P5, A25: a revoked letter's recipients are told by the same event as of any document, but
    those hosted here, who see it; one whose system is busy holds up no other."""
    post.send("dga", "opm", "web")
    decision = Decision(
        kind=RulingKind.REVOKED,
        reason_code=REASONS_FOR[RulingKind.REVOKED][0],
        reason="เหตุผล",
        by="approver-1",
        agency_id="slc",
    )
    post.fakes.ledger._documents["L1"] = kept(post).ruled(decision, post.fakes.clock())
    post.fakes.channels.says["opm"] = BUSY
    with pytest.raises(UnavailableError, match="opm"):
        deliver("L1", courier=post.house().courier)
    assert post.told("web") == ["L1.revoked.1.web"]
    del post.fakes.channels.says["opm"]
    deliver("L1", courier=post.house().courier)
    assert post.told("opm") == ["L1.revoked.1.opm"]
    assert len(post.told("web")) == 1
    assert post.told("dga") == []
    assert kept(post).settled


def test_silent_webhooks_keep_nobody_else_from_being_told(post: Sending) -> None:
    """P4, P8: three webhooks that never answer take ten seconds each of the function's thirty;
    whoever comes after them is told all the same, if not by the first run."""
    silent, others = {"w1", "w2", "w3"}, ("opm", "w4", "w5", "w6")
    webhooks = [agency(f"w{no}", ChannelKind.WEBHOOK) for no in range(1, 7)]
    post.fakes.directory = type(post.fakes.directory)((*AGENCIES, *webhooks), ("root",))
    post.send(*sorted(silent), *others)
    decision = Decision(
        kind=RulingKind.REVOKED,
        reason_code=REASONS_FOR[RulingKind.REVOKED][0],
        reason="เหตุผล",
        by="approver-1",
        agency_id="slc",
    )
    post.fakes.ledger._documents["L1"] = kept(post).ruled(decision, post.fakes.clock())
    take, begun_at = post.fakes.channels.hand_in, post.fakes.clock()

    def left() -> timedelta:
        return timedelta(seconds=30) - (post.fakes.clock() - begun_at)

    def hand_in(agency: Agency, kind: ChannelKind, event: bytes) -> None:
        if agency.agency_id not in silent:
            take(agency, kind, event)
            return
        post.fakes.clock.advance(timedelta(seconds=10))
        if left() <= timedelta(0):
            raise Killed
        raise BUSY

    vars(post.fakes.channels)["hand_in"] = hand_in
    for _ in range(12):
        begun_at = post.fakes.clock()
        with suppress(UnavailableError, Killed):
            deliver(
                "L1",
                courier=post.house().courier,
                in_time=lambda: left() > timedelta(seconds=15),
            )
        post.fakes.clock.advance(timedelta(seconds=181))
    assert [post.told(each) for each in others] == [[f"L1.revoked.1.{each}"] for each in others]


# -- what operators see ----------------------------------------------------------------------


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], float]:
    """Values by metric and state (CloudWatch embedded metric format)."""
    found: dict[tuple[str, str], float] = {}
    for line in capsys.readouterr().out.splitlines():
        if '"CloudWatchMetrics"' in line:
            said = json.loads(line)
            values = {k: sum(v) for k, v in said.items() if isinstance(v, list)}
            found |= {(name, said.get("state", "")): value for name, value in values.items()}
    return found


def test_the_supervisor_is_told_by_metrics(
    post: Sending, capsys: pytest.CaptureFixture[str]
) -> None:
    """A28: a failure is counted by the run that finds it; the sweep measures what waits, by
    state, zero where nothing does."""
    post.fakes.channels.says |= {"opm": REFUSED, "web": BUSY}
    post.send("opm", "web")
    event = sample_event("dispatch")
    template = event["Records"][0]
    event["Records"] = [
        {**template, "messageId": each, "body": json.dumps({"delivery": each})}
        for each in begun(post)
    ]
    with furnished(post.house()):
        exchange.dispatch(event, CONTEXT)
    told = metrics(capsys)
    assert told["DeliveryFailed", ""] == 1
    assert told["DeliveryEscalated", ""] == 0
    post.fakes.clock.advance(timedelta(minutes=7))
    with furnished(post.house()):
        schedules.sweep(sample_event("sweep"), CONTEXT)
    told = metrics(capsys)
    assert told["DeliverySwept", ""] == 1
    assert told["OpenDeliveries", "planned"] == 1
    assert told["OldestOpenDeliverySeconds", "planned"] == 420
    assert told["OpenDeliveries", "consigned"] == 0
