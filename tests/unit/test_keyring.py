"""All factors of an officer as one record: what is kept, for how long, and who resets (A9, B7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.keyring import (
    CHALLENGE_LASTS,
    REPEAT_WITHIN,
    RESET_WITHIN,
    HeldFactor,
    Keyring,
    plain_code,
    recovery_digest,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import (
    Factor,
    FactorState,
    ShownFactor,
    purpose_of,
    use_code,
)
from tests.support.samples import NOON

OWNER = Officer("diw", "somsri")
STEP_AT_NOON = int(NOON.timestamp()) // 30


def _held(factor_id: str, method: Method = Method.TOTP, *recovery: str) -> HeldFactor:
    factor = Factor(
        agency_id="diw",
        subject="somsri",
        method=method,
        enrolled_at=NOON,
        state=FactorState.ACTIVE,
        recovery=frozenset(recovery),
    )
    return HeldFactor(factor_id=factor_id, factor=factor)


RING = Keyring(officer=OWNER, held=(_held("1", Method.TOTP, "aa"), _held("2", Method.WEBAUTHN)))


def test_challenges_are_few_and_short() -> None:
    """Issue 7: the newest eight for five minutes, each for its purpose, and answered once."""
    ring = RING
    for number in range(12):
        ring = ring.challenged(str(number), "p", NOON)
    assert [one.value for one in ring.challenges] == [str(number) for number in range(4, 12)]
    assert ring.has_challenge("11", "p", NOON)
    assert not ring.has_challenge("11", "q", NOON)
    assert not ring.has_challenge("3", "p", NOON)
    assert not ring.without_challenge("11").has_challenge("11", "p", NOON)
    late = NOON + CHALLENGE_LASTS
    assert not ring.has_challenge("11", "p", late)
    assert len(ring.challenged("new", "p", late).challenges) == 1


def test_uses_are_remembered_for_an_hour() -> None:
    """P8: a repeat finds its use; later it is forgotten, so that the item does not grow."""
    held = RING.held[0]
    ring = RING.after(held, use_code(held.factor, STEP_AT_NOON, NOON), Method.TOTP, "p", NOON)
    assert [one.use.use for one in ring.grants_for("p", NOON)] == [f"totp/{STEP_AT_NOON}"]
    assert ring.grants_for("q", NOON) == ()
    over = NOON + REPEAT_WITHIN
    assert ring.grants_for("p", over) == ()
    again = ring.held_as("1")
    assert again is not None
    later = use_code(again.factor, STEP_AT_NOON + 120, over)
    assert len(ring.after(again, later, Method.TOTP, "p", over).grants) == 1


def test_a_new_app_takes_the_old_ones_place_and_a_key_does_not() -> None:
    """Issue 7 item 3: recovery codes come with it, if none are left elsewhere."""
    ring = RING.confirmed(_held("3"), ["bb"])
    assert {held.factor_id for held in ring.held} == {"2", "3"}
    assert ring.recovery_left == 1
    ring = RING.confirmed(_held("3", Method.WEBAUTHN), ["bb"])
    assert {held.factor_id for held in ring.held} == {"1", "2", "3"}
    assert [held.factor.recovery for held in ring.held if held.factor_id == "3"] == [frozenset()]


def test_new_recovery_codes_stand_in_one_place() -> None:
    """Issue 7 item 3: all that were given before are void, wherever they were."""
    ring = replace(RING, held=(*RING.held, _held("3", Method.WEBAUTHN, "cc"))).renewed(["dd"])
    assert sorted(code for held in ring.held for code in held.factor.recovery) == ["dd"]


_WORDS = st.lists(
    st.tuples(st.sampled_from(["boss", "head"]), st.integers(0, 30)), min_size=1, max_size=8
)


@given(_WORDS)
def test_nobody_resets_alone(words: list[tuple[str, int]]) -> None:
    """Issue 7 item 3: whatever the order, all is gone exactly when two officers gave their word
    within a day of the first."""
    ring, at, first = RING, NOON, None
    for by, hours in words:
        at += timedelta(hours=hours)
        if first is not None and at >= first[1] + RESET_WITHIN:
            first = None
        expected = first is not None and first[0] != by
        ring = ring.reset(by, at)
        assert (ring.held == ()) is expected
        if expected:
            return
        first = first or (by, at)


def test_a_code_however_it_is_typed() -> None:
    """Issue 7 item 3: spaces, hyphens and small letters are people's, not the code's."""
    assert plain_code(" k7qf-2m0d 9abc\t") == "K7QF2M0D9ABC"
    assert recovery_digest("k7qf 2m0d") == recovery_digest("K7QF-2M0D")


@pytest.mark.parametrize("shown", [{}, {"otp": "1", "assertion": {}}])
def test_one_factor_is_shown(shown: dict[str, object]) -> None:
    """B7: neither none nor two."""
    with pytest.raises(ValueError, match="one second factor"):
        ShownFactor(**shown)  # type: ignore[arg-type]  # that is the point


def test_a_purpose_has_one_spelling() -> None:
    """B7: order of members does not matter, anything else does; fractions have none."""
    purpose = purpose_of(Action.APPROVE_DOCUMENT, {"a": 1, "b": "ก"})
    assert purpose == purpose_of(Action.APPROVE_DOCUMENT, {"b": "ก", "a": 1})
    assert purpose != purpose_of(Action.APPROVE_DOCUMENT, {"b": "ก", "a": 2})
    assert purpose != purpose_of(Action.REVOKE_DOCUMENT, {"b": "ก", "a": 1})
    with pytest.raises(ValueError, match="float"):
        purpose_of(Action.APPROVE_DOCUMENT, {"a": 1.0})
