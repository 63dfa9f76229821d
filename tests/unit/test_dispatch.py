"""Dispatch: whatever is due for one delivery is done, once, and told once."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import (
    HandedOver,
    NumberCorrected,
    NumberDisputed,
    Recalled,
    ReceiptNote,
    Received,
    Rejected,
)
from chalicelib.domain.documents import Reason, Urgency
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import ArchiveError, NotFoundError, UnavailableError
from chalicelib.domain.holidays import Holidays
from chalicelib.domain.reminders import Reminders, Stage, StageKind
from tests.support.calendars import THAILAND, at
from tests.support.sending import AGENCIES, BUSY, MONDAY, REFUSED, Sending, agency

STATES = DeliveryState
HOUR = timedelta(hours=1)


@pytest.fixture
def post() -> Sending:
    return Sending()


def receipt(text: str = "receipt", number: int = 7) -> ReceiptNote:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return ReceiptNote(2026, number, f"ร/ ๒๕๖๙/ {number}", Received(MONDAY, MONDAY), digest)


def register(post: Sending, delivery_id: DeliveryId, text: str = "receipt") -> None:
    """The recipient's receipt, as whoever takes it lets it happen."""
    event = HandedOver(at=post.fakes.clock(), receipt=receipt(text))
    post.happens(delivery_id, event, text)


# -- bringing it there ---------------------------------------------------------------------


@pytest.mark.parametrize(("recipient", "told"), [("dga", 0), ("opm", 1), ("web", 1)])
def test_a_letter_is_brought_to_its_recipient(post: Sending, recipient: str, told: int) -> None:
    """Issue 6, 2; A20: taken by the channel is arrived, at that time, and a hosted agency's
    inbox needs no message."""
    sent = post.send(recipient)
    post.fakes.clock.advance(timedelta(minutes=2))
    done = post.dispatch(sent)
    assert done.delivery.state is STATES.CONSIGNED
    assert done.delivery.received == Received(post.fakes.clock(), post.fakes.clock())
    assert post.told(recipient) == [f"{sent}.delivered"] * told
    assert post.record(sent).due_at is not None  # it is reminded of


def test_a_hosted_agency_is_reached_without_any_channel(post: Sending) -> None:
    """Issue 6, 2: the transaction is the delivery; no channel can fail it."""
    sent = post.send("dga")
    vars(post.fakes.channels)["hand_in"] = None
    assert post.dispatch(sent).delivery.state is STATES.CONSIGNED


def test_a_message_that_comes_twice_finds_its_work_done(post: Sending) -> None:
    """P5: neither is the letter sent again, nor another event evidenced, nor anything told."""
    sent = post.send("opm")
    first = post.dispatch(sent)
    before = post.record(sent), list(post.fakes.channels.events), dict(post.fakes.archive.files)
    post.fakes.clock.advance(timedelta(minutes=3))
    assert post.dispatch(sent).delivery == first.delivery
    after = post.record(sent), list(post.fakes.channels.events), dict(post.fakes.archive.files)
    assert after == before


def test_a_letter_that_was_handed_in_before_a_death_is_the_same_message_again(
    post: Sending,
) -> None:
    """P5: died between the send and its note, the recipient gets the same bytes, and the time
    received is that of the second (ADR 41)."""
    sent = post.send("opm")
    broken = post.house()
    steps = broken.dispatch_room.steps
    vars(broken)["dispatch_room"] = replace(
        broken.dispatch_room, steps=replace(steps, deliveries=Dying(steps.deliveries, "write"))
    )
    with pytest.raises(UnavailableError):
        post.dispatch(sent, broken)
    assert post.delivery(sent).state is STATES.PLANNED
    post.dispatch(sent)
    (_, _, one), (_, _, other) = post.fakes.channels.events
    assert one == other
    assert post.delivery(sent).state is STATES.CONSIGNED


class Dying:
    """A port of which one method fails."""

    def __init__(self, port: Any, method: str) -> None:
        self._port, self._method = port, method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise UnavailableError("died here")
        return getattr(self._port, name)


def test_a_busy_system_is_tried_again_and_then_takes_it(post: Sending) -> None:
    """Issue 6, 2: pauses double; a message that comes early does not use up a try; evidence is
    given of what came of it, not of each try."""
    sent = post.send("opm")
    post.fakes.channels.says["opm"] = BUSY
    for no, minutes in ((1, 1), (2, 2), (3, 4)):
        post.dispatch(sent)
        post.dispatch(sent)
        assert post.delivery(sent).tries == no
        wait = timedelta(minutes=minutes)
        assert post.record(sent).due_at == post.fakes.clock() + wait
        post.fakes.clock.advance(wait)
    del post.fakes.channels.says["opm"]
    post.dispatch(sent)
    delivery = post.delivery(sent)
    assert (delivery.state, delivery.tries, delivery.evidence_count) == (STATES.CONSIGNED, 3, 2)
    assert delivery.history[1].reason == Reason.of(BUSY)


def test_when_the_time_is_over_the_sender_is_told_once(post: Sending) -> None:
    """A5, A28: after three days of trying it has failed; the sender is told, once, with the
    evidence, and the supervisor hears of it once."""
    sent = post.send("opm")
    post.fakes.channels.says["opm"] = BUSY
    heard = post.dispatch_until(sent, MONDAY + timedelta(days=30))
    delivery = post.delivery(sent)
    assert delivery.state is STATES.FAILED
    assert delivery.changed_at == MONDAY + timedelta(hours=72)
    assert heard == {"failed": 1}
    (event,) = post.events("slc")
    assert event["type"] == "tra.delivery.failed.v1"
    assert event["data"]["evidence"] == post.fakes.deliveries.evidence(sent)[-1]
    assert event["data"]["tries"] == delivery.tries > 12
    assert post.dispatch(sent).failed is False
    assert len(post.events("slc")) == 1
    assert post.record(sent).due_at is None


def test_a_letter_that_nobody_tried_in_time_is_tried_once(post: Sending) -> None:
    """P5: whatever kept it here for three days, it has an outcome then: it arrives, or its one
    try was the last. It has not failed at a recipient that nobody asked."""
    arrives, fails = post.send("dga"), post.send("opm")
    post.fakes.channels.says["opm"] = BUSY
    post.fakes.clock.advance(timedelta(hours=72))
    assert post.dispatch(arrives).delivery.state is STATES.CONSIGNED
    assert post.dispatch(fails).failed
    assert post.delivery(fails).tries == 1
    assert post.told("slc") == [f"{fails}.failed"]


@pytest.mark.parametrize("code", ["channel_refused", "unknown_agency"])
def test_what_can_never_be_taken_fails_at_once(post: Sending, code: str) -> None:
    """A5: a system that refuses, or an agency that left the directory, is not tried for days."""
    sent = post.send("opm")
    post.fakes.channels.says["opm"] = REFUSED
    if code == "unknown_agency":
        post.fakes.directory = type(post.fakes.directory)(AGENCIES[:2], ())
    assert post.dispatch(sent).failed
    delivery = post.delivery(sent)
    assert (delivery.state, delivery.tries) == (STATES.FAILED, 0)
    assert delivery.reason is not None
    assert delivery.reason.code == code
    assert post.told("slc") == [f"{sent}.failed"]


def test_a_channel_that_confirms_nothing_is_heard_of_or_given_up(post: Sending) -> None:
    """Issue 6, 2 (e-CMS and e-mail later): taken is relayed, and if nothing is heard the time of
    the budget ends it."""
    sent = post.send("opm")
    record = post.record(sent)
    kept = post.fakes.deliveries._kept[sent]
    kept.record = replace(record, delivery=replace(record.delivery, channel=ChannelKind.EMAIL))
    vars(post.fakes.channels)["hand_in"] = lambda *_: None
    post.dispatch(sent)
    assert post.delivery(sent).state is STATES.RELAYED
    assert post.delivery(sent).received is None
    assert post.record(sent).due_at == record.delivery.budget.give_up_at
    post.dispatch(sent)
    assert post.delivery(sent).state is STATES.RELAYED
    post.dispatch_until(sent, MONDAY + timedelta(days=4))
    assert post.delivery(sent).state is STATES.FAILED


# -- what happens meanwhile ------------------------------------------------------------------


def test_a_recalled_letter_is_not_sent(post: Sending) -> None:
    """Issue 6, 6: recalled before it left, it does not leave; the recipient is told, in case it
    has it all the same."""
    sent = post.send("opm")
    post.happens(sent, Recalled(at=MONDAY))
    post.dispatch(sent)
    assert post.told("opm") == [f"{sent}.recalled"]
    assert post.record(sent).due_at is None


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Recalled(at=MONDAY), STATES.RECALLED),
        (HandedOver(at=MONDAY, receipt=receipt()), STATES.HANDED_OVER),
    ],
)
def test_the_first_writer_wins_while_the_letter_is_handed_in(
    post: Sending, event: Any, state: DeliveryState
) -> None:
    """P5, ADR 41: what is written while the channel takes the letter stands; our own note of the
    arrival comes too late and changes nothing."""
    sent = post.send("opm")
    take = post.fakes.channels.hand_in

    def meanwhile(*arguments: Any) -> None:
        if not post.delivery(sent).state.ended:
            post.happens(sent, event, "receipt" if isinstance(event, HandedOver) else None)
        take(*arguments)

    vars(post.fakes.channels)["hand_in"] = meanwhile
    done = post.dispatch(sent)
    assert done.delivery.state is state
    assert post.delivery(sent) == done.delivery
    assert post.delivery(sent).knows("consigned") is False
    expected = {STATES.RECALLED: "opm", STATES.HANDED_OVER: "slc"}[state]
    assert post.told(expected)[-1].startswith(str(sent))
    assert len(post.fakes.deliveries.evidence(sent)) == done.delivery.evidence_count


# -- after the answer ------------------------------------------------------------------------


def test_the_receipt_is_archived_and_returned(post: Sending) -> None:
    """A1, B9: the sender gets the receipt as signed; it lies beside the letter, locked as long,
    with all evidence of the delivery."""
    sent = post.send("opm")
    post.dispatch(sent)
    register(post, sent)
    post.dispatch(sent)
    (event,) = post.events("slc")
    assert event["type"] == "tra.receipt.issued.v1"
    assert event["data"]["receipt"] == "receipt"
    chain = post.fakes.deliveries.evidence(sent)
    assert event["data"]["evidence"] == chain[2]
    below = f"deliveries/L1/{sent}/"
    files = {k: v for k, v in post.fakes.archive.files.items() if k.startswith(below)}
    stated = hashlib.sha256(b"receipt").hexdigest()
    assert files == {
        **{f"{below}evidence-{place:04}.jws": jws.encode() for place, jws in enumerate(chain)},
        f"{below}statement-{stated}.jws": b"receipt",
    }
    letter = post.fakes.archive.find("documents/slc/send/2026/L1.pdf")
    assert letter is not None
    kept = [post.fakes.archive.find(key) for key in files]
    assert {file.retain_until for file in kept if file} == {letter.retain_until}
    assert post.record(sent).due_at is None


def test_a_rejection_is_returned_with_the_reason(post: Sending) -> None:
    """Issue 6, 3: the sender gets the recipient's own statement."""
    sent = post.send("opm")
    post.dispatch(sent)
    digest = hashlib.sha256(b"rejection").hexdigest()
    reason = Reason("misdirected", "It is for another agency.", "ส่งผิดหน่วยงาน")
    event = Rejected(
        at=MONDAY, reason=reason, received=Received(MONDAY), digest=digest, suggested_agency="dga"
    )
    post.happens(sent, event, "rejection")
    post.dispatch(sent)
    (told,) = post.events("slc")
    assert told["type"] == "tra.delivery.rejected.v1"
    assert told["data"]["rejection"] == "rejection"
    assert told["data"]["suggested_agency"] == "dga"


def test_a_dispute_and_its_correction_are_told(post: Sending) -> None:
    """Issue 6, 6 (InvalidAcceptID): the recipient is told of the dispute, the sender of the
    corrected number; nothing is told twice."""
    sent = post.send("opm")
    post.dispatch(sent)
    register(post, sent)
    post.dispatch(sent)
    post.happens(sent, NumberDisputed(at=MONDAY, place="2026/7"))
    post.dispatch(sent)
    post.happens(sent, NumberCorrected(at=MONDAY, receipt=receipt("second", 8)), "second")
    post.dispatch(sent)
    post.dispatch(sent)
    assert post.told("opm") == [f"{sent}.delivered", f"{sent}.disputed.1"]
    assert post.told("slc") == [f"{sent}.receipt.1", f"{sent}.receipt.2"]
    chain = post.fakes.deliveries.evidence(sent)
    places = [2, 4]
    assert [e["data"]["evidence"] for e in post.events("slc")] == [chain[p] for p in places]


def test_what_is_told_again_is_told_by_the_same_bytes(post: Sending) -> None:
    """P5: died between a notice and its mark, the sender gets the same bytes, whatever happened
    to the delivery since."""
    sent = post.send("opm")
    post.fakes.holidays = Holidays({}, "nowhere")
    post.dispatch(sent)
    digest = hashlib.sha256(b"rejection").hexdigest()
    reason = Reason("illegible", "It cannot be read.", "อ่านไม่ได้")
    event = Rejected(at=MONDAY, reason=reason, received=Received(MONDAY), digest=digest)
    post.happens(sent, event, "rejection")
    house = post.house()
    room = house.dispatch_room
    notices = replace(room.notices, deliveries=Dying(room.notices.deliveries, "mark_told"))
    vars(house)["dispatch_room"] = replace(room, notices=notices)
    with pytest.raises(UnavailableError):
        post.dispatch(sent, house)
    post.fakes.holidays = THAILAND
    post.fakes.clock.advance(timedelta(days=1))
    post.dispatch(sent)
    assert post.delivery(sent).knows("counted")
    one, other = [event for agency, _, event in post.fakes.channels.events if agency == "slc"]
    assert one == other


def test_hosted_agencies_get_no_message(post: Sending) -> None:
    """Brief of issue 6: outbox and inbox show it, so nothing is sent and nothing stays due."""
    sent = post.send("opm", sender="dga")
    post.dispatch(sent)
    register(post, sent)
    post.dispatch(sent)
    assert post.told("dga") == []
    assert post.record(sent).told == frozenset()
    assert post.record(sent).due_at is None


def test_a_notice_waits_for_a_busy_sender_and_not_for_ever(post: Sending) -> None:
    """A5: tried again, later and later; after two weeks, or if its system refuses, the supervisor
    hears that nobody could be told."""
    sent = post.send("opm")
    post.dispatch(sent)
    register(post, sent)
    post.fakes.channels.says["slc"] = BUSY
    post.dispatch(sent)
    assert post.record(sent).due_at == post.fakes.clock() + timedelta(minutes=1)
    heard = post.dispatch_until(sent, MONDAY + timedelta(days=30))
    assert heard == {"untellable": 1}
    assert post.record(sent).told == {"receipt.1/untellable"}
    assert post.record(sent).due_at is None
    assert post.told("slc") == []


def test_a_notice_that_is_refused_holds_up_nobody(post: Sending) -> None:
    """A14: of two who are to be told of a reminder, the one whose system refuses is given up, the
    other one is told."""
    sent = post.send("opm", urgency=Urgency.MOST_EXPRESS)
    post.dispatch(sent)
    post.fakes.channels.says["opm"] = REFUSED
    heard = post.dispatch_until(sent, MONDAY + HOUR)
    assert heard == {"untellable": 2, "escalated": 1}
    assert post.told("slc") == [f"{sent}.escalated.2"]


# -- the archive -----------------------------------------------------------------------------


def test_the_archive_may_be_away_for_a_while(post: Sending) -> None:
    """P8, B9: the letter is brought on its way all the same; what was not archived is, once the
    archive answers, and nothing is told of it before."""
    sent = post.send("opm")
    post.fakes.channels.says["opm"] = REFUSED
    house = post.house()
    room = house.dispatch_room
    archive = replace(room.archive, archive=Dying(room.archive.archive, "put_once"))
    vars(house)["dispatch_room"] = replace(room, archive=archive)
    with pytest.raises(UnavailableError):
        post.dispatch(sent, house)
    assert post.delivery(sent).state is STATES.FAILED
    assert post.told("slc") == []
    assert post.record(sent).due_at is not None
    assert post.dispatch(sent).failed
    assert post.told("slc") == [f"{sent}.failed"]


def test_what_comes_after_the_letters_lock_is_locked_all_the_same(post: Sending) -> None:
    """B9: S3 takes no lock that ends in the past; a receipt that comes when the letter's own has
    run out would never be archived, and so never told."""
    sent = post.send("opm")
    post.dispatch(sent)
    post.fakes.clock.advance(timedelta(days=4000))
    register(post, sent)
    post.dispatch(sent)
    (key,) = [key for key in post.fakes.archive.files if "statement-" in key]
    kept = post.fakes.archive.find(key)
    assert kept is not None
    assert kept.retain_until > post.fakes.clock()


@pytest.mark.parametrize("method", ["mark_told", "look_again"])
def test_the_supervisor_hears_of_a_failure_though_a_run_broke_off(
    post: Sending, method: str
) -> None:
    """A28: a run that archived the evidence of a failure and then broke off told nobody; so the next
    one does."""
    sent = post.send("opm")
    post.fakes.channels.says["opm"] = REFUSED
    house = post.house()
    room = house.dispatch_room
    dying = Dying(post.fakes.deliveries, method)
    broken = replace(
        room,
        steps=replace(room.steps, deliveries=dying),
        notices=replace(room.notices, deliveries=dying),
    )
    vars(house)["dispatch_room"] = broken
    heard = []
    for each in (house, None):
        with suppress(UnavailableError):
            heard.append(post.dispatch(sent, each).failed)
    assert True in heard


def test_other_evidence_in_the_archive_is_an_error(post: Sending) -> None:
    """P2: what contradicts the table is never taken for the evidence."""
    sent = post.send("opm")
    post.fakes.archive.put_once(
        f"deliveries/L1/{sent}/evidence-0000.jws",
        b"forged",
        MONDAY + timedelta(days=1),
        post.house().settings.lock_mode,
    )
    with pytest.raises(ArchiveError):
        post.dispatch(sent)


# -- reminders -------------------------------------------------------------------------------


def test_reminders_run_in_the_recipients_working_time(post: Sending) -> None:
    """Issue 6, 1; A14: eight working hours after Friday afternoon is Monday afternoon; the sender
    and the supervisor hear of the escalation, and the recipient of both."""
    post.fakes.clock.now = at("2026-11-27 15:30")
    sent = post.send("opm")
    post.dispatch(sent)
    assert post.record(sent).due_at == at("2026-11-30 15:30")
    heard = post.dispatch_until(sent, at("2026-12-31 12:00"))
    steps = [(s.key, s.at) for s in post.delivery(sent).history[2:]]
    assert steps == [
        ("reminded/1", at("2026-11-30 15:30")),
        ("escalated/2", at("2026-12-02 15:30")),
    ]
    assert heard == {"escalated": 1}
    assert post.told("opm") == [f"{sent}.delivered", f"{sent}.reminded.1", f"{sent}.reminded.2"]
    assert post.told("slc") == [f"{sent}.escalated.2"]
    chain = post.fakes.deliveries.evidence(sent)
    assert [e["data"]["evidence"] for e in post.events("opm")] == [chain[0], chain[2], chain[3]]
    assert post.events("slc")[0]["data"]["evidence"] == chain[3]
    assert post.record(sent).due_at is None


def test_each_agency_sets_its_own_stages(post: Sending) -> None:
    """A14: the recipient's settings decide, by the letter's urgency; none means none."""
    stages = {Urgency.EXPRESS: (Stage(HOUR, StageKind.REMIND),)}
    post.fakes.directory.put_agency(
        agency("opm", ChannelKind.QUEUE, reminders=Reminders(stages=stages))
    )
    urgent = post.send("opm", urgency=Urgency.EXPRESS)
    routine = post.send("opm", document_id="L2")
    for sent in (urgent, routine):
        post.dispatch(sent)
    assert post.record(urgent).due_at == MONDAY + HOUR
    assert post.record(routine).due_at is None


def test_a_date_and_time_on_the_letter_escalates_it(post: Sending) -> None:
    """Issue 6, 1 (ด่วนภายใน): at that time, on a Sunday too, and nothing after it."""
    within = at("2026-11-22 12:00")
    post.fakes.clock.now = at("2026-11-20 15:00")
    sent = post.send("opm", act_within=within)
    post.dispatch(sent)
    post.dispatch_until(sent, at("2026-12-31 12:00"))
    assert [(s.key, s.at) for s in post.delivery(sent).history[2:]] == [("escalated/1", within)]


def test_nobody_is_reminded_of_what_is_registered(post: Sending) -> None:
    """P5: with its outcome a delivery is left in peace."""
    sent = post.send("opm")
    post.dispatch(sent)
    register(post, sent)
    assert post.dispatch_until(sent, MONDAY + timedelta(days=30)) == {}
    assert post.told("opm") == [f"{sent}.delivered"]


def test_a_year_without_holidays_is_waited_for(post: Sending) -> None:
    """ADR 40, E2: the letter arrives and keeps its time; when that counts, and when to remind, is
    found once the year is announced, looked for once a day."""
    known = post.fakes.holidays
    post.fakes.holidays = Holidays({}, "nowhere")
    sent = post.send("opm")
    post.dispatch(sent)
    assert post.delivery(sent).received == Received(MONDAY)
    assert post.record(sent).due_at == MONDAY + timedelta(days=1)
    post.fakes.holidays = known
    post.fakes.clock.advance(timedelta(days=1))
    post.dispatch(sent)
    assert post.delivery(sent).received == Received(MONDAY, MONDAY)
    assert post.delivery(sent).knows("reminded/1")


def test_what_ended_is_still_counted(post: Sending) -> None:
    """ADR 40: a receipt does not wait for the calendar, and the calendar not for the receipt."""
    known = post.fakes.holidays
    post.fakes.holidays = Holidays({}, "nowhere")
    sent = post.send("opm")
    post.dispatch(sent)
    register(post, sent)
    post.dispatch(sent)
    assert post.record(sent).due_at == MONDAY + timedelta(days=1)
    post.fakes.holidays = known
    post.dispatch(sent)
    assert post.delivery(sent).received == Received(MONDAY, MONDAY)
    assert post.record(sent).due_at is None


def test_reminders_of_the_next_year_wait_for_its_holidays(post: Sending) -> None:
    """ADR 40: what is known is done, and the rest is asked for again each day."""
    post.fakes.clock.now = at("2027-12-30 10:00")
    sent = post.send("opm", urgency=Urgency.EXPRESS)
    post.dispatch(sent)
    assert post.record(sent).due_at == at("2027-12-30 14:00")
    post.fakes.clock.now = at("2027-12-30 14:00")
    post.dispatch(sent)
    assert post.delivery(sent).reminders == 1
    assert post.record(sent).due_at == at("2027-12-31 14:00")


def test_the_deadline_on_a_letter_needs_no_holidays(post: Sending) -> None:
    """ADR 40: whatever is not known of the year, at the time that the sender wrote it escalates."""
    post.fakes.holidays = Holidays({}, "nowhere")
    sent = post.send("opm", act_within=MONDAY + HOUR)
    post.dispatch(sent)
    post.dispatch_until(sent, MONDAY + HOUR)
    assert post.delivery(sent).knows("escalated/1")


# -- around it -------------------------------------------------------------------------------


def test_what_arrives_here_is_verified_once(post: Sending) -> None:
    """Issue 6, 3: an arrived file is looked at before anybody can register it; one that went to
    another system is not this one's to look at."""
    checked: list[str] = []
    for recipient in ("dga", "opm"):
        sent = post.send(recipient, document_id=f"L-{recipient}")
        house = post.house()
        vars(house)["dispatch_room"] = replace(
            house.dispatch_room, check_arrival=lambda r: checked.append(r.delivery.recipient)
        )
        post.dispatch(sent, house)
    assert checked == ["dga"]


def test_an_unknown_delivery_is_not_found(post: Sending) -> None:
    """P4: a message that names nothing is let go by its function."""
    with pytest.raises(NotFoundError):
        post.dispatch(DeliveryId("L1", "opm"))
