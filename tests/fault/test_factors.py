"""P8: using, confirming, locking and resetting second factors may be killed at any call, and is
repeated; then each use was spent once, and nothing was allowed that was not written before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyotp
import pytest

from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import FactorRefusedError, NotFoundError, UnavailableError
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import MOST_FAILURES, STEP, ShownFactor, purpose_of
from chalicelib.services.enrol_factor import begin, confirm, new_recovery_codes
from chalicelib.services.reset_factor import ResetState, reset_factors
from chalicelib.services.use_factor import FactorRoom, use_factor
from tests.fault.harness import Danger, Killed, Trouble
from tests.support.factors import Authenticator, enrolled
from tests.support.rooms import Fakes

SOMSRI, BOSS, HEAD = (Officer("diw", name) for name in ("somsri", "boss", "head"))
ONE, TWO = (purpose_of(Action.APPROVE_DOCUMENT, number) for number in (1, 2))
RESET = purpose_of(Action.RESET_FACTOR, {"subject": "somsri"})


def _room(fakes: Fakes, danger: Danger | None = None) -> FactorRoom:
    house = fakes.house((danger or Danger()).wrap)
    return replace(house.factor_room, pause=lambda _attempt: None)


def _otp(app: Authenticator, fakes: Fakes) -> ShownFactor:
    return ShownFactor(otp=app.code(fakes.clock()))


def _deaths(
    prepare: Callable[[Fakes], Authenticator],
    work: Callable[[Fakes, Authenticator, FactorRoom], object],
) -> Iterator[tuple[Fakes, Authenticator]]:
    """What is left after each death that the work can die; the last one outlived it."""
    for moment in range(100):
        fakes = Fakes()
        app = prepare(fakes)
        try:
            work(fakes, app, _room(fakes, Danger(kill_at=moment)))
        except Killed:
            yield fakes, app
        else:
            assert moment > 2, "nothing was ever killed"
            return
    pytest.fail("the work never ends")


def _one(fakes: Fakes) -> Authenticator:
    return enrolled(fakes, SOMSRI)


def test_a_use_is_spent_once_wherever_it_dies() -> None:
    """P8: the same request gets the same use; another purpose gets nothing of it."""

    def work(fakes: Fakes, app: Authenticator, room: FactorRoom) -> object:
        return use_factor(SOMSRI, _otp(app, fakes), purpose=ONE, room=room)

    for fakes, app in _deaths(_one, work):
        room = _room(fakes)
        use = use_factor(SOMSRI, _otp(app, fakes), purpose=ONE, room=room)
        assert use_factor(SOMSRI, _otp(app, fakes), purpose=ONE, room=room) == use
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, _otp(app, fakes), purpose=TWO, room=room)
        assert [grant.use for grant in fakes.factors.keyring(SOMSRI).grants] == [use]


@pytest.mark.parametrize("moment", range(6))
def test_a_call_that_may_have_worked(moment: int) -> None:
    """P8: a store that does not answer is asked again by the same request, for the same use."""
    fakes = Fakes()
    app = _one(fakes)
    shaky = _room(fakes, Trouble(kill_at=moment))
    try:
        use = use_factor(SOMSRI, _otp(app, fakes), purpose=ONE, room=shaky)
    except UnavailableError:
        use = use_factor(SOMSRI, _otp(app, fakes), purpose=ONE, room=_room(fakes))
    assert [grant.use for grant in fakes.factors.keyring(SOMSRI).grants] == [use]


def test_a_factor_is_confirmed_or_not() -> None:
    """P8: who did not see the recovery codes has a factor and asks for new ones, or confirms again."""
    begun_as: dict[str, str] = {}

    def prepare(fakes: Fakes) -> Authenticator:
        begun = begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=_room(fakes))
        begun_as["id"] = begun.held.factor_id
        return Authenticator(SOMSRI, pyotp.parse_uri(begun.uri or "").byte_secret())

    def work(fakes: Fakes, app: Authenticator, room: FactorRoom) -> object:
        return confirm(SOMSRI, begun_as["id"], app.code(fakes.clock()), room=room)

    for fakes, app in _deaths(prepare, work):
        room = _room(fakes)
        try:
            codes = confirm(SOMSRI, begun_as["id"], app.code(fakes.clock()), room=room).recovery
        except NotFoundError:
            fakes.clock.advance(STEP)
            codes = new_recovery_codes(SOMSRI, _otp(app, fakes), purpose=TWO, room=room)
        shown = ShownFactor(otp=codes[0])
        assert use_factor(SOMSRI, shown, purpose=ONE, room=room).method is Method.RECOVERY_CODE
        assert fakes.factors.keyring(SOMSRI).recovery_left == 9


def test_a_guess_locks_wherever_it_dies() -> None:
    """A28: no guess is free: a death before the write costs one more try, and tells the guesser
    nothing; after the write the lock stands and is listed."""
    wrong = ShownFactor(otp="AAAA-BBBB-CCCC-DDDD")

    def prepare(fakes: Fakes) -> Authenticator:
        app = _one(fakes)
        for _ in range(MOST_FAILURES - 1):
            with pytest.raises(FactorRefusedError):
                use_factor(SOMSRI, wrong, purpose=ONE, room=_room(fakes))
        return app

    def work(_fakes: Fakes, _app: Authenticator, room: FactorRoom) -> object:
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, wrong, purpose=ONE, room=room)
        return None

    for fakes, app in _deaths(prepare, work):
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, wrong, purpose=ONE, room=_room(fakes))
        with pytest.raises(FactorRefusedError) as refused:
            use_factor(SOMSRI, _otp(app, fakes), purpose=ONE, room=_room(fakes))
        assert refused.value.reason == "factor_locked"
        assert [one.officer for one in fakes.factors.locked("diw", fakes.clock())] == [SOMSRI]


def test_the_second_word_resets_wherever_it_dies() -> None:
    """P8: the same request, made again, ends it; one officer's word never counts as two."""

    def prepare(fakes: Fakes) -> Authenticator:
        _one(fakes)
        boss = enrolled(fakes, BOSS)
        shown = _otp(boss, fakes)
        state = reset_factors(SOMSRI, BOSS, shown, purpose=RESET, room=_room(fakes))
        assert state is ResetState.ASKED
        return enrolled(fakes, HEAD)

    def work(fakes: Fakes, head: Authenticator, room: FactorRoom) -> object:
        return reset_factors(SOMSRI, HEAD, _otp(head, fakes), purpose=RESET, room=room)

    for fakes, head in _deaths(prepare, work):
        shown = _otp(head, fakes)
        state = reset_factors(SOMSRI, HEAD, shown, purpose=RESET, room=_room(fakes))
        assert state is ResetState.RESET
        assert fakes.factors.keyring(SOMSRI).held == ()
        assert len(fakes.factors.keyring(HEAD).grants) == 1
