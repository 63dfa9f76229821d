"""Rejecting, recalling, sending again and passing on, on fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import GaveUp
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.documents import Decision, Reason
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    DeliveryConflictError,
    DeliveryMovedError,
    InvalidRequestError,
    NotFoundError,
    NotHostedError,
    ResendRefusedError,
    UnavailableError,
)
from chalicelib.domain.receipts import RejectionReason
from chalicelib.domain.standing import ReasonCode, RulingKind
from chalicelib.services.delivery_steps import take_step
from chalicelib.services.pass_on import MOST_PASSINGS, pass_on
from chalicelib.services.recall_letter import recall_letter
from chalicelib.services.register_letter import register_letter
from chalicelib.services.reject_letter import RejectedLetter, RejectionRequest, reject_letter
from chalicelib.services.resend_letter import resend_letter
from tests.fault.harness import Danger, Killed
from tests.support.receiving import CLERK, Intruder, Post

MISDIRECTED = RejectionRequest(code=RejectionReason.MISDIRECTED, suggested_agency="opm")
ILLEGIBLE = RejectionRequest(code=RejectionReason.ILLEGIBLE)
_REVOKED = Decision(
    kind=RulingKind.REVOKED,
    reason_code=ReasonCode.ERROR,
    reason="ออกโดยผิดพลาด",
    by="approver-1",
    agency_id="slc",
)
NOWHERE = DeliveryId("01HNOTHING", "dga")


def _same(_name: str, port: Any) -> Any:
    return port


def _reject(
    post: Post,
    delivery_id: DeliveryId,
    request: RejectionRequest = ILLEGIBLE,
    wrap: Callable[[str, Any], Any] = _same,
) -> RejectedLetter:
    return reject_letter(delivery_id, request, room=post.house(wrap).delivery_room)


def _resend(
    post: Post, delivery_id: DeliveryId, wrap: Callable[[str, Any], Any] = _same
) -> DeliveryRecord:
    return resend_letter(delivery_id, room=post.house(wrap).resend_room)


def _pass_on(post: Post, delivery_id: DeliveryId, unit: str) -> DeliveryRecord:
    return pass_on(delivery_id, unit, by=CLERK.subject, room=post.house().delivery_room)


def _register(post: Post, delivery_id: DeliveryId) -> None:
    register_letter(delivery_id, receiver=CLERK, room=post.house().receiving_room)


def _recall(post: Post, delivery_id: DeliveryId) -> DeliveryState:
    return recall_letter(delivery_id, room=post.house().delivery_room).state


# -- rejecting ------------------------------------------------------------------------------


def test_a_rejection_is_signed_and_names_the_right_agency() -> None:
    """Issue 6.3, E2: reason, suggested agency and the clerk's words go to the sender, signed."""
    post = Post()
    delivery_id = post.arrived()
    done = _reject(post, delivery_id, replace(MISDIRECTED, note="เรื่องของกรมอื่น"))
    assert (done.rejection.code, done.rejection.suggested_agency, done.rejection.note) == (
        RejectionReason.MISDIRECTED,
        "opm",
        "เรื่องของกรมอื่น",
    )
    delivery = post.delivery(delivery_id)
    assert (delivery.state, delivery.suggested_agency) == (DeliveryState.REJECTED, "opm")
    assert post.fakes.deliveries.statements(delivery_id) == (done.jws,)
    assert str(delivery_id) in post.fakes.dispatch_queue.messages[-1]
    assert post.faults() == []


def test_a_rejection_repeated_is_the_first_one_byte_for_byte() -> None:
    """P5: the same reason is known again, whatever else is said; another one is refused."""
    post = Post()
    delivery_id = post.arrived()
    first = _reject(post, delivery_id, MISDIRECTED)
    again = _reject(post, delivery_id, replace(MISDIRECTED, suggested_agency="rd"))
    assert (again.jws, again.rejection) == (first.jws, first.rejection)
    with pytest.raises(DeliveryConflictError) as raised:
        _reject(post, delivery_id, ILLEGIBLE)
    assert raised.value.reason == "other_answer"
    assert post.faults() == []


def test_two_rejections_at_once_are_one() -> None:
    """P5: at whatever moment the other clerk rejects for the same reason, both are told one."""
    counted = Danger()
    post = Post()
    _reject(post, post.arrived(), wrap=counted.wrap)
    for moment in range(counted.moment):
        post = Post()
        delivery_id = post.arrived()
        other: list[RejectedLetter] = []
        intruder = Intruder(
            kill_at=moment,
            act=lambda: other.append(_reject(post, delivery_id)),  # noqa: B023 - called within
        )
        mine = _reject(post, delivery_id, wrap=intruder.wrap)
        assert [each.jws for each in other] == [mine.jws]
        assert post.faults() == []


def test_a_death_while_rejecting_leaves_nothing_or_everything() -> None:
    """P8: killed at any call, the repeat ends with one rejection."""
    counted = Danger()
    post = Post()
    _reject(post, post.arrived(), wrap=counted.wrap)
    for moment in range(counted.moment):
        post = Post()
        delivery_id = post.arrived()
        with pytest.raises(Killed):
            _reject(post, delivery_id, wrap=Danger(kill_at=moment).wrap)
        assert post.faults() == []
        _reject(post, delivery_id)
        assert post.faults() == []


@pytest.mark.parametrize(
    ("request_", "faults"),
    [
        (replace(MISDIRECTED, suggested_agency="dga"), {("/suggested_agency", "same_agency")}),
        (replace(MISDIRECTED, suggested_agency="none"), {("/suggested_agency", "unknown_agency")}),
        (replace(ILLEGIBLE, suggested_agency="opm"), {("/suggested_agency", "not_misdirected")}),
        (RejectionRequest(code=RejectionReason.OTHER), {("/note", "missing")}),
        (replace(ILLEGIBLE, note="two\nlines"), {("/note", "not_one_line")}),
        (replace(ILLEGIBLE, note="ก" * 501), {("/note", "not_one_line")}),
    ],
)
def test_a_rejection_that_makes_no_sense_is_refused_at_its_field(
    request_: RejectionRequest, faults: set[tuple[str, str]]
) -> None:
    """api.md: every fault at once, each at its field; nothing is signed."""
    post = Post()
    delivery_id = post.arrived()
    with pytest.raises(InvalidRequestError) as raised:
        _reject(post, delivery_id, request_)
    assert {(fault.pointer, fault.code) for fault in raised.value.faults} == faults
    assert post.delivery(delivery_id).state is DeliveryState.CONSIGNED


def test_only_what_lies_here_is_rejected_here() -> None:
    """A20, issue 6.2: not before it came, not for an agency with its own system, not twice."""
    post = Post()
    planned, other = post.planned(), post.arrived("opm", document_id="01HOTHER", number=13)
    with pytest.raises(DeliveryConflictError) as raised:
        _reject(post, planned)
    assert raised.value.reason == "not_arrived"
    with pytest.raises(NotHostedError):
        _reject(post, other)
    with pytest.raises(NotFoundError):
        _reject(post, NOWHERE)
    post.arrive(planned)
    _register(post, planned)
    with pytest.raises(DeliveryConflictError) as raised:
        _reject(post, planned)
    assert raised.value.reason == "delivery_handed_over"


# -- recalling --------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [Post.planned, Post.arrived])
def test_a_letter_is_recalled_before_it_is_registered(begin: Callable[[Post], DeliveryId]) -> None:
    """Issue 6.6: on its way or lying there; a repeat is told the same."""
    post = Post()
    delivery_id = begin(post)
    assert [_recall(post, delivery_id) for _ in range(2)] == [DeliveryState.RECALLED] * 2
    assert post.faults() == []


def test_a_registered_letter_is_not_recalled() -> None:
    """Issue 6.6: once the recipient has given its number, the letter is its."""
    post = Post()
    delivery_id = post.arrived()
    _register(post, delivery_id)
    with pytest.raises(DeliveryConflictError) as raised:
        _recall(post, delivery_id)
    assert raised.value.reason == "delivery_handed_over"
    with pytest.raises(NotFoundError):
        _recall(post, NOWHERE)


# -- sending again ------------------------------------------------------------------------------


def test_a_rejected_letter_is_sent_again_as_a_delivery_of_its_own() -> None:
    """Issue 6.6: the next attempt, with as much time as the first; the ended one stays as it is."""
    post = Post()
    delivery_id = post.arrived()
    _reject(post, delivery_id)
    ended = post.record(delivery_id)
    post.fakes.clock.advance(timedelta(days=9))
    again = _resend(post, delivery_id).delivery
    assert (str(again.id), again.state) == ("01HLETTER.dga.2", DeliveryState.PLANNED)
    assert again.letter == ended.delivery.letter
    assert again.budget.give_up_at - again.planned_at == timedelta(days=3)
    assert post.record(delivery_id) == ended
    assert post.record(again.id).salt != ended.salt
    assert str(again.id) in post.fakes.dispatch_queue.messages[-1]
    assert _resend(post, delivery_id) == post.record(again.id)
    post.arrive(again.id)
    _register(post, again.id)
    assert _resend(post, delivery_id).delivery.state is DeliveryState.HANDED_OVER
    assert post.faults() == []


def test_it_goes_by_the_channel_that_the_directory_names_now() -> None:
    """C1: a failed channel is often the reason why it is sent again."""
    post = Post()
    delivery_id = post.planned("opm")
    post.fakes.clock.advance(timedelta(days=4))
    over = GaveUp(at=post.fakes.clock(), reason=Reason("gave_up", "Over.", "หมดเวลา"))
    take_step(delivery_id, lambda _: over, room=post.house().delivery_room)
    post.fakes.directory.put_agency(replace(post.agency("opm"), channel=ChannelKind.HOSTED))
    assert _resend(post, delivery_id).delivery.channel is ChannelKind.HOSTED


def test_only_what_was_rejected_or_failed_is_sent_again() -> None:
    """P5: anything else has, or will have, its own outcome."""
    post = Post()
    delivery_id = post.arrived()
    with pytest.raises(ResendRefusedError):
        _resend(post, delivery_id)
    _register(post, delivery_id)
    with pytest.raises(ResendRefusedError):
        _resend(post, delivery_id)
    with pytest.raises(NotFoundError):
        _resend(post, NOWHERE)


def test_what_was_revoked_or_has_no_recipient_any_more_is_not_sent_again() -> None:
    """P3, issue 6.6: a letter out of force goes nowhere, nor to an agency nobody knows."""
    post = Post()
    delivery_id = post.arrived()
    _reject(post, delivery_id)
    agencies = post.fakes.directory
    post.fakes.directory = MemoryDirectory((post.agency("slc"),), ())
    with pytest.raises(ResendRefusedError):
        _resend(post, delivery_id)
    post.fakes.directory = agencies
    letter = post.fakes.ledger.get(delivery_id.document_id)
    assert letter is not None
    post.fakes.ledger.add(letter.ruled(_REVOKED, post.fakes.clock()), None)
    with pytest.raises(ResendRefusedError):
        _resend(post, delivery_id)


def test_a_death_while_sending_again_makes_one_attempt() -> None:
    """P8: killed at any call, the repeat finds or makes the one next attempt."""
    counted = Danger()

    def rejected(post: Post) -> DeliveryId:
        delivery_id = post.arrived()
        _reject(post, delivery_id)
        return delivery_id

    post = Post()
    _resend(post, rejected(post), wrap=counted.wrap)
    for moment in range(counted.moment):
        post = Post()
        delivery_id = rejected(post)
        with pytest.raises(Killed):
            _resend(post, delivery_id, wrap=Danger(kill_at=moment).wrap)
        kept = post.fakes.deliveries.get(DeliveryId("01HLETTER", "dga", 2))
        again = _resend(post, delivery_id)
        assert kept is None or kept == again
        assert post.fakes.deliveries.get(DeliveryId("01HLETTER", "dga", 3)) is None
        assert post.faults() == []


# -- passing on -----------------------------------------------------------------------------------


def test_a_letter_is_passed_on_from_unit_to_unit() -> None:
    """Issue 6.3, A7: before or after it is registered; who had it stays in its history, and the
    same unit does not get it twice."""
    post = Post()
    delivery_id = post.arrived()
    assert _pass_on(post, delivery_id, "saraban").unit == "saraban"
    _register(post, delivery_id)
    for _ in range(2):
        assert _pass_on(post, delivery_id, "law").unit == "law"
    passed = post.record(delivery_id).passed_on
    assert [(each.unit, each.by) for each in passed] == [
        ("saraban", CLERK.subject),
        ("law", CLERK.subject),
    ]


def test_a_letter_is_passed_on_within_the_agency_that_has_it() -> None:
    """A7: to a unit that the directory knows, while the letter is there."""
    post = Post()
    planned = post.planned()
    with pytest.raises(InvalidRequestError) as raised:
        _pass_on(post, planned, "nobody")
    assert raised.value.faults[0].pointer == "/unit"
    with pytest.raises(DeliveryConflictError) as conflict:
        _pass_on(post, planned, "law")
    assert conflict.value.reason == "not_arrived"
    _recall(post, planned)
    with pytest.raises(DeliveryConflictError) as conflict:
        _pass_on(post, planned, "law")
    assert conflict.value.reason == "delivery_recalled"
    with pytest.raises(NotFoundError):
        _pass_on(post, NOWHERE, "law")


def test_a_letter_is_not_passed_on_without_end() -> None:
    """P5: units that send a letter back and forth do not fill its item, which would keep
    everybody from registering it."""
    post = Post()
    delivery_id = post.arrived()
    units = [("saraban", "law")[turn % 2] for turn in range(MOST_PASSINGS)]
    for unit in units:
        _pass_on(post, delivery_id, unit)
    with pytest.raises(DeliveryConflictError) as conflict:
        _pass_on(post, delivery_id, "saraban")
    assert conflict.value.reason == "passed_on_too_often"
    assert len(post.record(delivery_id).passed_on) == MOST_PASSINGS
    assert _pass_on(post, delivery_id, "law").unit == "law"
    _register(post, delivery_id)


def test_units_that_pass_on_at_the_same_moment_are_told_to_repeat() -> None:
    """P4: after six tries against others; nothing was written."""
    post = Post()
    delivery_id = post.arrived()
    house = post.house(lambda name, port: _Moving(port) if name == "deliveries" else port)
    with pytest.raises(UnavailableError):
        pass_on(delivery_id, "law", by="x", room=house.delivery_room)
    assert post.record(delivery_id).passed_on == ()


class _Moving:
    """A store in which somebody else is always faster."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, delivery_id: DeliveryId) -> Any:
        return self._store.get(delivery_id)

    def pass_on(self, *_args: object) -> None:
        raise DeliveryMovedError("Somebody else passed it on.")
