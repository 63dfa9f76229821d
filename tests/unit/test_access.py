"""The one place that decides (P6)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from chalicelib.domain.access import (
    Action,
    Actor,
    Resource,
    Role,
    Verdict,
    decide,
    is_in_inbox,
    may_read_file,
    only_recipient,
)
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, plan
from chalicelib.domain.delivery_events import (
    Consigned,
    DeliveryEvent,
    Recalled,
    Received,
    Relayed,
)
from chalicelib.domain.registers import SEND, Book
from tests.support.delivering import BUDGET, LETTER, SENT_AT, after
from tests.support.samples import document

ALL_SCOPES = frozenset(action.value for action in Action)
MINE = Resource(agency_id="diw")
THEIRS = Resource(agency_id="dbd")
SENT_TO_ME = Resource(agency_id="dbd", recipients=frozenset({"diw"}))


def _actor(*roles: Role, scopes: frozenset[str] = ALL_SCOPES) -> Actor:
    return Actor(agency_id="diw", subject="s", roles=frozenset(roles), scopes=scopes)


@pytest.mark.parametrize(("action", "role"), list(product(Action, Role)))
def test_no_action_reaches_into_another_agency(action: Action, role: Role) -> None:
    """P6: whatever role and scope, other agencies' things are never allowed."""
    assert decide(_actor(role), action, THEIRS).verdict is not Verdict.ALLOW


@pytest.mark.parametrize(("action", "role"), list(product(Action, Role)))
def test_without_the_scope_nothing_is_allowed(action: Action, role: Role) -> None:
    """P6: a token does only what it was given for."""
    actor = _actor(role, scopes=ALL_SCOPES - {action.value})
    assert decide(actor, action, MINE).verdict is Verdict.FORBID


@pytest.mark.parametrize("action", Action)
def test_without_a_role_nothing_is_allowed(action: Action) -> None:
    """A7: only who was given a role acts."""
    assert decide(_actor(), action, MINE).verdict is Verdict.FORBID


@pytest.mark.parametrize(("action", "role"), list(product(Action, Role)))
def test_what_a_role_may_do_at_home(action: Action, role: Role) -> None:
    """A8: everybody in an office reads documents; each other action is for whom it was given to."""
    saraban = {Role.APPLICATION, Role.CLERK, Role.REGISTRAR}
    may = {
        Action.SUBMIT_DOCUMENT: {Role.APPLICATION, Role.CLERK},
        Action.SUPERSEDE_DOCUMENT: {Role.APPLICATION, Role.CLERK},
        Action.REVOKE_DOCUMENT: {Role.APPROVER},
        Action.COSIGN_LOG: {Role.APPLICATION, Role.AUDITOR},
        Action.READ_REGISTER: set(Role) - {Role.APPROVER, Role.ADMINISTRATOR},
        Action.RESERVE_NUMBERS: {Role.CLERK, Role.REGISTRAR},
        Action.SEND_LETTER: saraban,
        Action.RECALL_LETTER: saraban,
        Action.REGISTER_LETTER: saraban,
        Action.REJECT_LETTER: saraban,
        Action.FORWARD_LETTER: saraban,
        Action.APPROVE_DOCUMENT: {Role.APPROVER},
        Action.WITHDRAW_DOCUMENT: {Role.APPLICATION, Role.CLERK},
        Action.READ_SELF: set(Role),
        Action.READ_OFFICERS: {Role.ADMINISTRATOR, Role.SUPERVISOR, Role.AUDITOR},
        Action.APPOINT_OFFICER: {Role.ADMINISTRATOR},
        Action.ENROL_FACTOR: set(Role) - {Role.APPLICATION},
        Action.RESET_FACTOR: {Role.ADMINISTRATOR, Role.SUPERVISOR},
        Action.OPEN_SECRET: {Role.REGISTRAR},
        Action.READ_ACCESS_LOG: {Role.AUDITOR},
        Action.USE_PROXY: {Role.APPLICATION, Role.CLERK},
    }
    # Who appoints officers has nothing to do with documents.
    allowed = role in may.get(action, set(Role) - {Role.ADMINISTRATOR})
    verdict = decide(_actor(role), action, MINE).verdict
    assert verdict is (Verdict.ALLOW if allowed else Verdict.FORBID)


def _delivery(channel: ChannelKind, *events: DeliveryEvent, to: str = "diw") -> Delivery:
    moved = plan(LETTER, to, channel, at=SENT_AT, budget=BUDGET)
    return after(moved.delivery, *events)


ARRIVED = Consigned(at=SENT_AT, received=Received(SENT_AT))
RECALLED = Recalled(at=SENT_AT)


@pytest.mark.parametrize(
    ("delivery", "known", "readable"),
    [
        (_delivery(ChannelKind.HOSTED), False, False),
        (_delivery(ChannelKind.HOSTED, RECALLED), False, False),
        (_delivery(ChannelKind.HOSTED, ARRIVED), True, True),
        (_delivery(ChannelKind.HOSTED, ARRIVED, RECALLED), True, False),
        # Its own system may have been told though our note of it is still to come.
        (_delivery(ChannelKind.QUEUE), True, True),
        (_delivery(ChannelKind.WEBHOOK, Relayed(at=SENT_AT)), True, True),
        (_delivery(ChannelKind.QUEUE, RECALLED), False, False),
    ],
)
def test_a_letter_is_its_recipients_once_it_lies_there(
    delivery: Delivery, *, known: bool, readable: bool
) -> None:
    """A20, issue 6.6: what has not arrived does not exist for its recipient, and what was taken
    back has no file."""
    assert (is_in_inbox(delivery), may_read_file(delivery)) == (known, readable)
    letter = replace(document(agency_id="dbd"), book=Book("dbd", SEND))
    others = _delivery(ChannelKind.HOSTED, ARRIVED, to="rd")
    resource = Resource.of_letter(letter, [delivery, others])
    verdict = decide(_actor(Role.CLERK), Action.READ_FILE, resource).verdict
    assert verdict is (Verdict.ALLOW if readable else Verdict.HIDE)


def test_sides_of_a_delivery() -> None:
    """P6: the outbox is the sender's, the inbox the recipient's."""
    delivery = _delivery(ChannelKind.HOSTED, ARRIVED)
    assert decide(_actor(Role.CLERK), Action.READ_INBOX, Resource.received(delivery)).verdict is (
        Verdict.ALLOW
    )
    assert decide(_actor(Role.CLERK), Action.READ_LETTERS, Resource.sent(delivery)).verdict is (
        Verdict.HIDE
    )


@pytest.mark.parametrize("action", Action)
def test_recipients_may_have_the_file_and_nothing_else(action: Action) -> None:
    """api.md: owner agency and recipients get the file; the rest is the owner's."""
    verdict = decide(_actor(Role.CLERK), action, SENT_TO_ME).verdict
    assert (verdict is Verdict.ALLOW) is (action is Action.READ_FILE)


def test_who_else_got_a_letter_is_the_senders_to_know() -> None:
    """P6: the sender is told of all deliveries, anybody else of those to itself."""
    assert only_recipient(_actor(), MINE) is None
    assert only_recipient(_actor(), SENT_TO_ME) == "diw"
