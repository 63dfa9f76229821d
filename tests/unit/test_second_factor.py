"""The second factor: usable once, locked after guesses, reset by two (A9, B7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.approvals import Method
from chalicelib.domain.second_factor import (
    MOST_FAILURES,
    Factor,
    FactorState,
    NotUsed,
    Used,
    Why,
    reset,
    steps_at,
    use_assertion,
    use_code,
    use_recovery_code,
)

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
NOW = steps_at(NOON)[0]
FRESH = Factor(agency_id="diw", subject="somsri", method=Method.TOTP, enrolled_at=NOON)
ACTIVE = replace(FRESH, state=FactorState.ACTIVE, recovery=frozenset({"aa", "bb"}))


def test_the_steps_of_a_moment() -> None:
    """RFC 6238: the current step, the one before and the one after."""
    assert steps_at(NOON) == (NOW, NOW - 1, NOW + 1)
    assert steps_at(NOON + timedelta(seconds=29))[0] == NOW
    assert steps_at(NOON + timedelta(seconds=30))[0] == NOW + 1


def test_the_first_code_confirms() -> None:
    """Issue 7 item 3: a factor that nobody confirmed in time is none."""
    used = use_code(FRESH, NOW, NOON)
    assert isinstance(used, Used)
    assert used.factor.state is FactorState.ACTIVE
    late = NOON + timedelta(minutes=15)
    assert use_code(FRESH, steps_at(late)[0], late) == NotUsed(FRESH, Why.NOT_ENROLLED)
    with_codes = replace(FRESH, recovery=frozenset({"aa"}))
    assert use_recovery_code(with_codes, "aa", NOON) == NotUsed(with_codes, Why.NOT_ENROLLED)


def test_a_code_is_used_once() -> None:
    """RFC 6238 5.2: neither the same code again nor an older one that was not used."""
    used = use_code(ACTIVE, NOW, NOON)
    assert isinstance(used, Used)
    assert used.use == f"totp/{NOW}"
    for step in (NOW, NOW - 1):
        again = use_code(used.factor, step, NOON)
        assert isinstance(again, NotUsed)
        assert again.why is Why.WRONG
    assert isinstance(use_code(used.factor, NOW + 1, NOON), Used)


def test_a_code_of_another_time_is_wrong() -> None:
    """Issue 7: late, early or of no step."""
    for step in (NOW - 2, NOW + 2, None):
        assert isinstance(use_code(ACTIVE, step, NOON), NotUsed)


def test_guessing_locks_and_tells_the_supervisor() -> None:
    """A28: the fifth wrong code locks, a good one does not open, each lock is longer."""
    factor, told = ACTIVE, []
    for _ in range(MOST_FAILURES):
        result = use_code(factor, None, NOON)
        assert isinstance(result, NotUsed)
        factor = result.factor
        told.append(result.tell_supervisor)
    assert told == [False] * (MOST_FAILURES - 1) + [True]
    assert use_code(factor, NOW, NOON) == NotUsed(factor, Why.LOCKED)
    assert factor.locked_until == NOON + timedelta(minutes=15)
    after = NOON + timedelta(minutes=15)
    for _ in range(MOST_FAILURES):
        factor = use_code(factor, None, after).factor
    assert factor.locked_until == after + timedelta(minutes=30)
    opened = after + timedelta(minutes=30)
    good = use_code(factor, steps_at(opened)[0], opened)
    assert isinstance(good, Used)
    assert (good.factor.failures, good.factor.locks) == (0, 0)


def test_a_recovery_code_is_used_once() -> None:
    """Issue 7 item 3."""
    used = use_recovery_code(ACTIVE, "aa", NOON)
    assert isinstance(used, Used)
    assert used.factor.recovery == {"bb"}
    assert isinstance(use_recovery_code(used.factor, "aa", NOON), NotUsed)


def test_a_counter_that_goes_back_is_a_copy() -> None:
    """WebAuthn 6.1.1; authenticators without a counter always say 0."""
    key = replace(ACTIVE, method=Method.WEBAUTHN, counter=7)
    assert isinstance(use_assertion(key, 8, "c1", NOON), Used)
    for counter in (7, 6, 0, None):
        assert isinstance(use_assertion(key, counter, "c1", NOON), NotUsed)
    assert isinstance(use_assertion(replace(key, counter=0), 0, "c1", NOON), Used)


def test_two_people_reset() -> None:
    """Issue 7 item 3: not one, not one twice, not the owner; and a good code says that the
    owner is still there."""
    asked = reset(ACTIVE, "boss-1")
    assert reset(asked, "boss-1").state is FactorState.ACTIVE
    gone = reset(asked, "boss-2")
    assert gone.state is FactorState.RESET
    assert use_code(gone, NOW, NOON) == NotUsed(gone, Why.NOT_ENROLLED)
    assert use_code(asked, NOW, NOON).factor.reset_asked_by is None
    with pytest.raises(ValueError, match="own"):
        reset(ACTIVE, "somsri")


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 300)), max_size=12))
def test_no_step_is_ever_used_twice(tries: list[tuple[int, int]]) -> None:
    """RFC 6238 5.2: in whatever order and however often codes come."""
    factor, at, uses = ACTIVE, NOON, []
    for offset, seconds in tries:
        at += timedelta(seconds=seconds)
        result = use_code(factor, steps_at(at)[0] + offset, at)
        factor = result.factor
        if isinstance(result, Used):
            uses.append(int(result.use.removeprefix("totp/")))
    assert uses == sorted(set(uses))
