"""Which notices a delivery calls for, with which evidence."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.deliveries import Delivery, Impossible, happen
from chalicelib.domain.delivery_events import (
    Consigned,
    DeliveryEvent,
    HandedOver,
    Recalled,
    Reminded,
)
from chalicelib.domain.delivery_evidence import evidence_place
from chalicelib.domain.delivery_notices import (
    NoticeKind,
    notice_event,
    notices,
    tell_again_at,
    untold,
)
from chalicelib.domain.erds import DeliveryState
from tests.support.delivering import EVENTS, after, begun, evidenced, later, note
from tests.support.delivering import received as received_after

CALLED_FOR = {
    DeliveryState.PLANNED: set(),
    DeliveryState.RELAYED: set(),
    DeliveryState.CONSIGNED: set(),
    DeliveryState.HANDED_OVER: {NoticeKind.RECEIPT},
    DeliveryState.REJECTED: {NoticeKind.REJECTED},
    DeliveryState.FAILED: {NoticeKind.FAILED},
    DeliveryState.RECALLED: {NoticeKind.RECALLED},
}
BY_EVENT = {
    "ContentHandover": NoticeKind.RECEIPT,
    "CorrectedAcceptID": NoticeKind.RECEIPT,
    "ConsignmentRejection": NoticeKind.REJECTED,
    "RelayRejection": NoticeKind.FAILED,
    "RelayFailure": NoticeKind.FAILED,
    "ContentConsignmentFailure": NoticeKind.FAILED,
    "ContentHandoverFailure": NoticeKind.FAILED,
    "Recall": NoticeKind.RECALLED,
    "InvalidAcceptID": NoticeKind.DISPUTED,
}


def history(events: list[DeliveryEvent]) -> tuple[Delivery, list[str]]:
    """The delivery after `events`, and its evidence, unsigned."""
    return evidenced(begun(), events, bytes.decode)


@given(st.lists(EVENTS, max_size=12))
@settings(max_examples=60)
def test_each_notice_carries_the_evidence_of_what_it_tells(events: list[DeliveryEvent]) -> None:
    """P5: whatever happened, in whatever order, the state has its notice, that notice the
    evidence of just that, and the message makes of the same delivery the same bytes."""
    delivery, chain = history(events)
    found = notices(delivery)
    kinds = {n.kind for n in found}
    reminders = {NoticeKind.REMINDED, NoticeKind.ESCALATED}
    disputed = {NoticeKind.DISPUTED} if delivery.disputed else set()
    assert kinds - reminders == CALLED_FOR[delivery.state] | disputed
    assert len({n.key for n in found}) == len(found)
    assert sum(n.kind is NoticeKind.REMINDED for n in found) == delivery.reminders
    for notice in found:
        event = json.loads(chain[notice.place])["event"]
        if notice.kind in reminders:
            assert event == "ConsignmentNotification"
        else:
            assert BY_EVENT[event] is notice.kind
        for_recipient = notice.kind in {"reminded", "recalled", "disputed"}
        assert notice.to == ("dga" if for_recipient else "slc")
        told = notice_event(notice, delivery, chain, public_url="https://tra.test", statement="jws")
        assert json.loads(told)["id"] == f"{delivery.delivery_id}.{notice.key}"
        assert json.loads(told)["data"]["evidence"] == chain[notice.place]


@given(st.lists(EVENTS, max_size=12))
@settings(max_examples=60)
def test_every_piece_of_evidence_has_its_step(events: list[DeliveryEvent]) -> None:
    """P5: read from the history, the chain is as long as it is, in the order of the steps."""
    delivery, chain = history(events)
    places = []
    for step in delivery.history:
        try:
            places.append(evidence_place(delivery, step.key))
        except ValueError:
            continue
    assert places == sorted(set(places))
    assert places[-1] == len(chain) - 1


def test_what_was_told_or_given_up_is_not_told_again() -> None:
    """P5: each notice is given once, or given up once."""
    delivery = after(begun().delivery, Recalled(at=later(1)))
    (notice,) = notices(delivery)
    assert untold(delivery, ()) == (notice,)
    assert untold(delivery, {"delivered", "recalled"}) == ()
    assert untold(delivery, {notice.given_up_key}) == ()


def test_a_reminder_is_known_again_whether_it_escalates_or_not() -> None:
    """P5: two workers of whom one thinks that the time to escalate has come count one reminder."""
    arrived = after(begun().delivery, Consigned(at=later(1), received=received_after()))
    reminded = after(arrived, Reminded(at=later(2), no=1, escalates=True))
    assert reminded.reminders == 1
    assert isinstance(happen(reminded, Reminded(at=later(2), no=1)), Impossible)


def test_an_answer_is_told_with_the_answer() -> None:
    """P5: no notice of a receipt without the receipt."""
    delivery, chain = history([HandedOver(at=later(30), receipt=note())])
    (notice,) = notices(delivery)
    with pytest.raises(ValueError, match="answer itself"):
        notice_event(notice, delivery, chain, public_url="https://tra.test")


def test_a_notice_that_is_not_taken_is_tried_later_and_later() -> None:
    """A5: the pause doubles to six hours, and ends after two weeks."""
    delivery = after(begun().delivery, Recalled(at=later(0)))
    (notice,) = notices(delivery)
    for waited, pause in ((0, 1), (1, 1), (8, 8), (10_000, 360)):
        assert tell_again_at(notice, later(waited)) == later(waited + pause)
    assert tell_again_at(notice, notice.since + timedelta(days=14)) is None
