"""Using, enrolling and resetting second factors, on fakes; every attack of issue 7 on them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import (
    FactorLockedError,
    FactorMovedError,
    FactorRefusedError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.keyring import CHALLENGE_LASTS, MOST_KEYS, Keyring
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import (
    CONFIRMED_WITHIN,
    MOST_FAILURES,
    STEP,
    FactorUse,
    ShownFactor,
    purpose_of,
)
from chalicelib.services.enrol_factor import (
    Begun,
    Confirmed,
    begin,
    challenge,
    confirm,
    give_up,
    new_recovery_codes,
)
from chalicelib.services.reset_factor import ResetState, reset_factors
from chalicelib.services.use_factor import FactorRoom, use_factor
from tests.support.factors import Authenticator, app_of, enrolled
from tests.support.rooms import Fakes
from tests.support.software_key import SoftwareKey, encoded

SOMSRI, SOMCHAI = Officer("diw", "somsri"), Officer("diw", "somchai")
BOSS, HEAD = Officer("diw", "boss"), Officer("diw", "head")
ONE = purpose_of(Action.APPROVE_DOCUMENT, {"documents": ["1"]})
TWO = purpose_of(Action.APPROVE_DOCUMENT, {"documents": ["2"]})
HOUR = timedelta(hours=1)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def room(fakes: Fakes) -> FactorRoom:
    return replace(fakes.house().factor_room, pause=lambda _attempt: None)


@pytest.fixture
def app(fakes: Fakes) -> Authenticator:
    return enrolled(fakes, SOMSRI)


def _otp(code: str) -> ShownFactor:
    return ShownFactor(otp=code)


def _refused(why: str) -> Any:
    return pytest.raises(FactorRefusedError, check=lambda error: error.reason == why)


def _wrong(app: Authenticator, fakes: Fakes) -> str:
    """Six digits that are no code of these minutes."""
    good = {app.code(fakes.clock() + n * STEP) for n in range(-3, 4)}
    return next(code for n in range(10) if (code := f"{n:06d}") not in good)


def _key_of(fakes: Fakes, room: FactorRoom, officer: Officer = SOMSRI) -> SoftwareKey:
    """A key of an officer who has nothing else yet."""
    key = SoftwareKey(credential_id=officer.subject.encode() * 4)
    begun = begin(officer, Method.WEBAUTHN, "", None, purpose=ONE, room=room)
    assert begun.options is not None
    confirm(officer, begun.held.factor_id, key.create(begun.options), room=room)
    return key


# -- codes -------------------------------------------------------------------------


def test_a_code_is_good_once_and_for_one_purpose(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """Issue 7: replayed for anything else it is refused; for the same it is the same use, for an
    hour: a list that died half-way goes on."""
    code = _otp(app.code(fakes.clock()))
    use = use_factor(SOMSRI, code, purpose=ONE, room=room)
    assert (use.method, use.use) == (Method.TOTP, f"totp/{int(fakes.clock().timestamp()) // 30}")
    with _refused("factor_wrong"):
        use_factor(SOMSRI, code, purpose=TWO, room=room)
    fakes.clock.advance(HOUR - timedelta(seconds=1))
    assert use_factor(SOMSRI, code, purpose=ONE, room=room) == use
    fakes.clock.advance(timedelta(seconds=1))
    with _refused("factor_wrong"):
        use_factor(SOMSRI, code, purpose=ONE, room=room)


def test_what_gives_something_new_is_not_repeated(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """Issue 7: whoever saw a request to enrol go by cannot have another seed by sending it again."""
    code = _otp(app.code(fakes.clock()))
    begin(SOMSRI, Method.TOTP, "", code, purpose=ONE, room=room)
    with _refused("factor_wrong"):
        begin(SOMSRI, Method.TOTP, "", code, purpose=ONE, room=room)


@pytest.mark.parametrize("steps", [-2, 2, -120])
def test_a_late_or_early_code(
    fakes: Fakes, room: FactorRoom, app: Authenticator, steps: int
) -> None:
    """Issue 7: a code is good for its step and one beside it."""
    with _refused("factor_wrong"):
        use_factor(SOMSRI, _otp(app.code(fakes.clock() + steps * STEP)), purpose=ONE, room=room)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_slow_clock_or_finger(
    fakes: Fakes, room: FactorRoom, app: Authenticator, steps: int
) -> None:
    """RFC 6238 5.2: one step of drift."""
    code = app.code(fakes.clock() + steps * STEP)
    spaced = f" {code[:3]} {code[3:]} "
    assert use_factor(SOMSRI, _otp(spaced), purpose=ONE, room=room).method is Method.TOTP


def test_the_code_of_another_officer(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7: another officer's code, of the same agency or called the same in another one."""
    for other in (SOMCHAI, Officer("dbd", "somsri")):
        theirs = enrolled(fakes, other)
        with _refused("factor_wrong"):
            use_factor(SOMSRI, _otp(theirs.code(fakes.clock())), purpose=ONE, room=room)
    with _refused("factor_not_enrolled"):
        use_factor(BOSS, _otp(app.code(fakes.clock())), purpose=ONE, room=room)


def test_guessing_locks(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7: five wrong codes; then even a good one is refused, and costs nothing, until the
    pause is over; each pause is longer. Supervisors see who it is."""
    wrong = _otp(_wrong(app, fakes))
    for _ in range(MOST_FAILURES - 1):
        with _refused("factor_wrong"):
            use_factor(SOMSRI, wrong, purpose=ONE, room=room)
    with pytest.raises(FactorLockedError):
        use_factor(SOMSRI, wrong, purpose=ONE, room=room)
    [locked] = fakes.factors.locked("diw", fakes.clock())
    assert (locked.officer, locked.until - fakes.clock()) == (SOMSRI, timedelta(minutes=15))
    before = fakes.factors.keyring(SOMSRI)
    with _refused("factor_locked"):
        use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    assert fakes.factors.keyring(SOMSRI) == before
    fakes.clock.advance(timedelta(minutes=15))
    wrong = _otp(_wrong(app, fakes))
    for _ in range(MOST_FAILURES):
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, wrong, purpose=ONE, room=room)
    [locked] = fakes.factors.locked("diw", fakes.clock())
    assert locked.until - fakes.clock() == timedelta(minutes=30)
    fakes.clock.advance(timedelta(minutes=30))
    use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    assert fakes.factors.locked("diw", fakes.clock()) == ()


def test_a_lock_holds_repeats_back_too(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7: a good code during a lock stays refused, whatever it was good for before."""
    code = _otp(app.code(fakes.clock()))
    use_factor(SOMSRI, code, purpose=ONE, room=room)
    for _ in range(MOST_FAILURES):
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, _otp(_wrong(app, fakes)), purpose=ONE, room=room)
    with _refused("factor_locked"):
        use_factor(SOMSRI, code, purpose=ONE, room=room)


def test_written_before_it_allows_anything(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """P8: if the store does not take the use, nothing is allowed, and nothing was spent."""

    class Broken:
        keyring = staticmethod(fakes.factors.keyring)

        def save(self, keyring: Keyring) -> None:
            raise UnavailableError("down")

    code = _otp(app.code(fakes.clock()))
    with pytest.raises(UnavailableError):
        use_factor(SOMSRI, code, purpose=ONE, room=replace(room, factors=Broken()))  # type: ignore[arg-type]  # what is used of it
    assert use_factor(SOMSRI, code, purpose=TWO, room=room).method is Method.TOTP


def test_somebody_else_always_writes_first(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """P4: it ends with a reason, and asks to be repeated."""

    class Busy:
        keyring = staticmethod(fakes.factors.keyring)

        def save(self, keyring: Keyring) -> None:
            raise FactorMovedError("somebody else")

    with pytest.raises(UnavailableError):
        use_factor(
            SOMSRI,
            _otp(app.code(fakes.clock())),
            purpose=ONE,
            room=replace(room, factors=Busy()),  # type: ignore[arg-type]  # what is used of it
        )


# -- enrolling -----------------------------------------------------------------------


def _seed_in(begun: Begun) -> Authenticator:
    assert begun.uri is not None
    found = pyotp.parse_uri(begun.uri)
    return Authenticator(SOMSRI, found.byte_secret())


def _enrol(fakes: Fakes, room: FactorRoom) -> tuple[Authenticator, Confirmed]:
    begun = begin(SOMSRI, Method.TOTP, "โทรศัพท์", None, purpose=ONE, room=room)
    app = _seed_in(begun)
    return app, confirm(SOMSRI, begun.held.factor_id, app.code(fakes.clock()), room=room)


def test_an_app_is_enrolled(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: begun, confirmed by its first code, ten recovery codes of 80 bits."""
    app, done = _enrol(fakes, room)
    assert done.held.is_active
    assert len(set(done.recovery)) == 10
    assert all(re.fullmatch(r"([0-9A-Z]{4}-){3}[0-9A-Z]{4}", code) for code in done.recovery)
    with _refused("factor_wrong"):  # the code that confirmed is used
        use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    fakes.clock.advance(STEP)
    assert use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)


def test_nothing_secret_is_kept_in_clear_or_printed(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: neither seed nor recovery code is in the store, nor in the repr of anything."""
    begun = begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=room)
    app = _seed_in(begun)
    done = confirm(SOMSRI, begun.held.factor_id, app.code(fakes.clock()), room=room)
    stored = fakes.factors.keyring(SOMSRI)
    secrets = [begun.uri or "", repr(app.seed)[2:-1], *done.recovery]
    printed = " ".join(map(repr, (begun, done, stored, _otp(done.recovery[0]))))
    assert not [one for one in secrets if one in printed]
    assert stored.held[0].sealed.find(app.seed) < 0


def test_not_confirmed_in_time_is_none(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: a quarter of an hour."""
    begun = begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=room)
    app = _seed_in(begun)
    fakes.clock.advance(CONFIRMED_WITHIN)
    with pytest.raises(NotFoundError):
        confirm(SOMSRI, begun.held.factor_id, app.code(fakes.clock()), room=room)
    with _refused("factor_not_enrolled"):
        use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)


def test_a_factor_that_waits_is_none_yet(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: it allows nothing before it was confirmed, and wrong codes lock it."""
    begun = begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=room)
    app = _seed_in(begun)
    with _refused("factor_not_enrolled"):
        use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    wrong = _wrong(app, fakes)
    for _ in range(MOST_FAILURES):
        with pytest.raises(FactorRefusedError):
            confirm(SOMSRI, begun.held.factor_id, wrong, room=room)
    with _refused("factor_locked"):
        confirm(SOMSRI, begun.held.factor_id, app.code(fakes.clock()), room=room)


def test_nobody_confirms_anothers(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: IDOR on a factor's id."""
    begun = begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=room)
    app = _seed_in(begun)
    with pytest.raises(NotFoundError):
        confirm(SOMCHAI, begun.held.factor_id, app.code(fakes.clock()), room=room)


def test_a_stolen_token_enrols_nothing(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7: who has a factor shows it; neither nothing, nor a wrong code, nor a used one, nor one
    for another purpose will do, and what is there stays."""
    before = fakes.factors.keyring(SOMSRI).held
    used = _otp(app.code(fakes.clock()))
    use_factor(SOMSRI, used, purpose=TWO, room=room)
    for method in (Method.TOTP, Method.WEBAUTHN):
        with _refused("factor_missing"):
            begin(SOMSRI, method, "", None, purpose=ONE, room=room)
        for shown in (used, _otp(_wrong(app, fakes))):
            with _refused("factor_wrong"):
                begin(SOMSRI, method, "", shown, purpose=ONE, room=room)
    after = fakes.factors.keyring(SOMSRI).held
    assert [held.factor_id for held in after] == [held.factor_id for held in before]


def test_a_factor_enrolled_meanwhile_counts(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: between the look and the write of a thief's enrolment, the owner enrols."""

    class Overtaken:
        looked = 0

        def keyring(self, officer: Officer) -> Keyring:
            self.looked += 1
            if self.looked == 2:
                enrolled(fakes, SOMSRI)
            return fakes.factors.keyring(officer)

        save = staticmethod(fakes.factors.save)

    with _refused("factor_missing"):
        begin(
            SOMSRI,
            Method.TOTP,
            "",
            None,
            purpose=ONE,
            room=replace(room, factors=Overtaken()),  # type: ignore[arg-type]  # what is used of it
        )
    assert len(fakes.factors.keyring(SOMSRI).held) == 1


def test_what_a_thief_began_before_the_first_factor_is_void(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: with a stolen token a key is begun while the owner has nothing yet; once the owner's
    app is confirmed, it is none of the owner's any more."""
    key = SoftwareKey()
    thief = begin(SOMSRI, Method.WEBAUTHN, "", None, purpose=ONE, room=room)
    owner = begin(SOMSRI, Method.TOTP, "", None, purpose=TWO, room=room)
    assert thief.options is not None
    confirm(SOMSRI, owner.held.factor_id, _seed_in(owner).code(fakes.clock()), room=room)
    with pytest.raises(NotFoundError):
        confirm(SOMSRI, thief.held.factor_id, key.create(thief.options), room=room)
    assert [one.factor_id for one in fakes.factors.keyring(SOMSRI).held] == [owner.held.factor_id]


def test_a_new_app_takes_the_place_of_the_old_one(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """Issue 7 item 3: until it is confirmed the old one holds, from then on the new one alone."""
    begun = begin(SOMSRI, Method.TOTP, "", _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    new = _seed_in(begun)
    fakes.clock.advance(STEP)
    use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=TWO, room=room)
    done = confirm(SOMSRI, begun.held.factor_id, new.code(fakes.clock()), room=room)
    assert len(done.recovery) == 10
    fakes.clock.advance(STEP)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    assert use_factor(SOMSRI, _otp(new.code(fakes.clock())), purpose=ONE, room=room)


def test_no_more_keys_than_that(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7: an item does not grow without end."""
    for number in range(MOST_KEYS):
        shown = _otp(app.code(fakes.clock()))
        begun = begin(SOMSRI, Method.WEBAUTHN, "", shown, purpose=ONE, room=room)
        assert begun.options is not None
        key = SoftwareKey(credential_id=bytes([number]) * 16)
        confirm(SOMSRI, begun.held.factor_id, key.create(begun.options), room=room)
        fakes.clock.advance(2 * STEP)
    with _refused("factor_too_many"):
        begin(SOMSRI, Method.WEBAUTHN, "", _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    fakes.clock.advance(2 * STEP)
    [first, *_] = [h for h in fakes.factors.keyring(SOMSRI).active if h.method is Method.WEBAUTHN]
    shown = _otp(app.code(fakes.clock()))
    give_up(SOMSRI, first.factor_id, shown, purpose=TWO, room=room)
    assert fakes.factors.keyring(SOMSRI).held_as(first.factor_id) is None
    with pytest.raises(NotFoundError):
        give_up(SOMSRI, first.factor_id, shown, purpose=TWO, room=room)


# -- recovery codes ------------------------------------------------------------------


def test_a_recovery_code_is_good_once(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: however it is spaced; again it is refused, and so is a guess."""
    _, done = _enrol(fakes, room)
    spoken = done.recovery[0].lower().replace("-", " ")
    use = use_factor(SOMSRI, _otp(spoken), purpose=ONE, room=room)
    assert use.method is Method.RECOVERY_CODE
    assert use_factor(SOMSRI, _otp(done.recovery[0]), purpose=ONE, room=room) == use
    for wrong in (done.recovery[0], "AAAA-BBBB-CCCC-DDDD"):
        with _refused("factor_wrong"):
            use_factor(SOMSRI, _otp(wrong), purpose=TWO, room=room)
    assert fakes.factors.keyring(SOMSRI).recovery_left == 9
    with _refused("factor_not_enrolled"):
        use_factor(SOMCHAI, _otp(done.recovery[1]), purpose=ONE, room=room)


def test_new_recovery_codes_void_the_old(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: a list that was seen by others is replaced, showing a factor."""
    app, done = _enrol(fakes, room)
    fakes.clock.advance(STEP)
    shown = _otp(app.code(fakes.clock()))
    codes = new_recovery_codes(SOMSRI, shown, purpose=ONE, room=room)
    assert not set(codes) & set(done.recovery)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, _otp(done.recovery[0]), purpose=TWO, room=room)
    assert use_factor(SOMSRI, _otp(codes[0]), purpose=TWO, room=room)


# -- keys ----------------------------------------------------------------------------


def test_a_key_signs_for_one_purpose_once(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: the challenge was given for this purpose; shown again for it, it is the same
    use; for another one it is refused, and so is an assertion for which nobody asked."""
    key = _key_of(fakes, room)
    assertion = key.get(challenge(SOMSRI, ONE, room=room))
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=assertion), purpose=TWO, room=room)
    with _refused("factor_wrong"):  # it was answered, badly: nobody answers it again
        use_factor(SOMSRI, ShownFactor(assertion=assertion), purpose=ONE, room=room)
    assertion = key.get(challenge(SOMSRI, ONE, room=room))
    use = use_factor(SOMSRI, ShownFactor(assertion=assertion), purpose=ONE, room=room)
    assert use.method is Method.WEBAUTHN
    assert use_factor(SOMSRI, ShownFactor(assertion=assertion), purpose=ONE, room=room) == use
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=assertion), purpose=TWO, room=room)
    own = key.get({"challenge": encoded(b"x" * 32), "rpId": "tra.test"})
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=own), purpose=ONE, room=room)


def test_a_late_assertion(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: a challenge holds five minutes."""
    key = _key_of(fakes, room)
    assertion = key.get(challenge(SOMSRI, ONE, room=room))
    fakes.clock.advance(CHALLENGE_LASTS)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=assertion), purpose=ONE, room=room)


def test_a_copied_key_is_noticed(fakes: Fakes, room: FactorRoom) -> None:
    """WebAuthn 6.1.1: a counter that does not go on is refused."""
    key = _key_of(fakes, room)
    first = key.get(challenge(SOMSRI, ONE, room=room))
    use_factor(SOMSRI, ShownFactor(assertion=first), purpose=ONE, room=room)
    key.counter = 0
    copied = key.get(challenge(SOMSRI, TWO, room=room))
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=copied), purpose=TWO, room=room)


def test_the_key_of_another_officer(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: it signs my challenge, but is not mine; it is charged to nobody."""
    _key_of(fakes, room)
    theirs = _key_of(fakes, room, SOMCHAI)
    options = challenge(SOMSRI, ONE, room=room)
    before = fakes.factors.keyring(SOMSRI)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=theirs.get(options)), purpose=ONE, room=room)
    assert fakes.factors.keyring(SOMSRI) == before
    with _refused("factor_not_enrolled"):
        use_factor(BOSS, ShownFactor(assertion=theirs.get(options)), purpose=ONE, room=room)
    with _refused("factor_not_enrolled"):
        challenge(BOSS, ONE, room=room)


def test_bad_assertions_lock_the_key(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: as wrong codes do; junk is charged to nobody."""
    key = _key_of(fakes, room)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion={"id": 1}), purpose=ONE, room=room)
    for _ in range(MOST_FAILURES):
        options = challenge(SOMSRI, ONE, room=room)
        bad = key.get(options, origin="https://evil.example")
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, ShownFactor(assertion=bad), purpose=ONE, room=room)
    good = key.get(challenge(SOMSRI, ONE, room=room))
    with _refused("factor_locked"):
        use_factor(SOMSRI, ShownFactor(assertion=good), purpose=ONE, room=room)


# -- resetting -----------------------------------------------------------------------


def _reset(owner: Officer, by: Authenticator, fakes: Fakes, room: FactorRoom) -> ResetState:
    shown = _otp(by.code(fakes.clock()))
    purpose = purpose_of(Action.RESET_FACTOR, {"subject": owner.subject})
    return reset_factors(owner, by.officer, shown, purpose=purpose, room=room)


def test_two_people_reset(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7 item 3: neither one alone, nor the same twice; then the owner enrols with the token."""
    boss, head = enrolled(fakes, BOSS), enrolled(fakes, HEAD)
    assert _reset(SOMSRI, boss, fakes, room) is ResetState.ASKED
    assert _reset(SOMSRI, boss, fakes, room) is ResetState.ASKED  # the same request, repeated
    fakes.clock.advance(STEP)
    assert _reset(SOMSRI, boss, fakes, room) is ResetState.ASKED  # a new one of the same officer
    assert fakes.factors.keyring(SOMSRI).active
    assert _reset(SOMSRI, head, fakes, room) is ResetState.RESET
    assert _reset(SOMSRI, head, fakes, room) is ResetState.RESET  # repeated
    assert fakes.factors.keyring(SOMSRI).held == ()
    with _refused("factor_not_enrolled"):
        use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    assert begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=room).uri


def test_nobody_resets_the_own_one(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7 item 3: not even with a good code."""
    with pytest.raises(ForbiddenError):
        _reset(SOMSRI, app, fakes, room)


def test_nobody_of_another_agency_resets(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """P6: two of another agency neither."""
    for subject in ("boss", "head"):
        theirs = enrolled(fakes, Officer("dbd", subject))
        with pytest.raises(NotFoundError):
            _reset(SOMSRI, theirs, fakes, room)
    assert fakes.factors.keyring(SOMSRI).reset_asked_at is None


def test_a_reset_needs_the_factor_of_who_asks(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """Issue 7 item 3: a stolen token of a supervisor resets nothing."""
    boss = enrolled(fakes, BOSS)
    with _refused("factor_wrong"):
        reset_factors(SOMSRI, BOSS, _otp(_wrong(boss, fakes)), purpose=ONE, room=room)
    with _refused("factor_not_enrolled"):
        reset_factors(SOMSRI, HEAD, _otp("123456"), purpose=ONE, room=room)
    assert fakes.factors.keyring(SOMSRI).reset_asked_at is None


def test_a_first_word_holds_a_day_and_until_a_good_code(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """Issue 7 item 3: two people, not one now and one last year; an owner who is there objects."""
    boss, head = enrolled(fakes, BOSS), enrolled(fakes, HEAD)
    _reset(SOMSRI, boss, fakes, room)
    use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    assert _reset(SOMSRI, head, fakes, room) is ResetState.ASKED
    fakes.clock.advance(timedelta(days=1))
    assert _reset(SOMSRI, boss, fakes, room) is ResetState.ASKED
    fakes.clock.advance(timedelta(hours=23))
    assert _reset(SOMSRI, head, fakes, room) is ResetState.RESET


def test_a_use_is_what_the_record_says(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """B7: the record of a decision names method and use; two decisions of a list the same."""
    use = use_factor(SOMSRI, _otp(app.code(fakes.clock())), purpose=ONE, room=room)
    assert use == FactorUse(Method.TOTP, use.use)
    assert app_of(app.seed).at(int(use.use.partition("/")[2]) * 30) == app.code(fakes.clock())


# -- what looks like a repeat, or like something new, and is not -------------------------


def test_a_repeat_is_signed_too(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: who saw which challenge was answered cannot answer it again without the key."""
    key = _key_of(fakes, room)
    options = challenge(SOMSRI, ONE, room=room)
    use_factor(SOMSRI, ShownFactor(assertion=key.get(options)), purpose=ONE, room=room)
    forger = SoftwareKey(credential_id=key.credential_id, counter=key.counter)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, ShownFactor(assertion=forger.get(options)), purpose=ONE, room=room)


def test_a_repeat_is_of_the_same_app(fakes: Fakes, room: FactorRoom, app: Authenticator) -> None:
    """Issue 7: what the new app showed when the old one was used is no repeat of that."""
    then = fakes.clock()
    use_factor(SOMSRI, _otp(app.code(then)), purpose=ONE, room=room)
    fakes.clock.advance(2 * STEP)
    shown = _otp(app.code(fakes.clock()))
    begun = begin(SOMSRI, Method.TOTP, "", shown, purpose=TWO, room=room)
    new = _seed_in(begun)
    confirm(SOMSRI, begun.held.factor_id, new.code(fakes.clock()), room=room)
    with _refused("factor_wrong"):
        use_factor(SOMSRI, _otp(new.code(then)), purpose=ONE, room=room)


def test_a_code_gives_recovery_codes_once(
    fakes: Fakes, room: FactorRoom, app: Authenticator
) -> None:
    """Issue 7: the same request again would show a thief a list that holds."""
    shown = _otp(app.code(fakes.clock()))
    new_recovery_codes(SOMSRI, shown, purpose=ONE, room=room)
    with _refused("factor_wrong"):
        new_recovery_codes(SOMSRI, shown, purpose=ONE, room=room)


def test_a_key_beside_an_app_shows_no_recovery_codes(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: ten are left; codes that were shown and do not hold would be worse than none."""
    app, _ = _enrol(fakes, room)
    fakes.clock.advance(STEP)
    shown = _otp(app.code(fakes.clock()))
    begun = begin(SOMSRI, Method.WEBAUTHN, "", shown, purpose=ONE, room=room)
    assert begun.options is not None
    done = confirm(SOMSRI, begun.held.factor_id, SoftwareKey().create(begun.options), room=room)
    assert done.recovery == ()
    assert fakes.factors.keyring(SOMSRI).recovery_left == 10


def test_the_same_key_twice_is_one(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: browsers stop it by `excludeCredentials`, we do if they do not."""
    key = _key_of(fakes, room)
    shown = ShownFactor(assertion=key.get(challenge(SOMSRI, TWO, room=room)))
    begun = begin(SOMSRI, Method.WEBAUTHN, "", shown, purpose=TWO, room=room)
    assert begun.options is not None
    with _refused("factor_wrong"):
        confirm(SOMSRI, begun.held.factor_id, key.create(begun.options), room=room)
    assert len(fakes.factors.keyring(SOMSRI).active) == 1


def test_a_locked_confirmation_writes_nothing(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7: tries during a lock neither count nor make it longer."""
    begun = begin(SOMSRI, Method.TOTP, "", None, purpose=ONE, room=room)
    wrong = _wrong(_seed_in(begun), fakes)
    for _ in range(MOST_FAILURES):
        with pytest.raises(FactorRefusedError):
            confirm(SOMSRI, begun.held.factor_id, wrong, room=room)
    before = fakes.factors.keyring(SOMSRI)
    with _refused("factor_locked"):
        confirm(SOMSRI, begun.held.factor_id, wrong, room=room)
    assert fakes.factors.keyring(SOMSRI) == before


def test_any_factor_of_the_owner_objects_to_a_reset(fakes: Fakes, room: FactorRoom) -> None:
    """Issue 7 item 3: the first word is about all factors; a use of one takes it back for all."""
    key, boss, head = _key_of(fakes, room), enrolled(fakes, BOSS), enrolled(fakes, HEAD)
    enrolled(fakes, SOMSRI)
    assert _reset(SOMSRI, boss, fakes, room) is ResetState.ASKED
    shown = ShownFactor(assertion=key.get(challenge(SOMSRI, ONE, room=room)))
    use_factor(SOMSRI, shown, purpose=ONE, room=room)
    assert _reset(SOMSRI, head, fakes, room) is ResetState.ASKED
    assert len(fakes.factors.keyring(SOMSRI).active) == 2
