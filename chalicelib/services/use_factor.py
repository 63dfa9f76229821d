"""Use an officer's second factor, once and for one purpose (issue 7, item 3; A9, B7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import (
    FactorLockedError,
    FactorMovedError,
    FactorRefusedError,
    UnavailableError,
)
from chalicelib.domain.factor_events import LockNotice
from chalicelib.domain.keyring import (
    Grant,
    HeldFactor,
    Keyring,
    plain_code,
    recovery_digest,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import (
    FactorUse,
    NotUsed,
    Result,
    ShownFactor,
    Why,
    recovery_use,
    steps_at,
    use_assertion,
    use_code,
    use_recovery_code,
)
from chalicelib.ports import (
    Clock,
    FactorSecrets,
    FactorStore,
    Ids,
    OneTimeCodes,
    SecurityKeys,
    WorkQueue,
)

# Somebody else wrote the same officer's factors at the same moment.
TRIES = 6
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRoom:
    """Collaborators of everything about second factors; `pause` as in `number`. What
    `dispatch_queue` carries makes the agency's own system hear of a lock."""

    factors: FactorStore
    secrets: FactorSecrets
    codes: OneTimeCodes
    keys: SecurityKeys
    clock: Clock
    ids: Ids
    pause: Callable[[int], None]
    dispatch_queue: WorkQueue


@dataclass(frozen=True, slots=True)
class _Refused:
    """It counts for nothing: there is no factor to charge it to, or one that is locked."""

    why: Why


@dataclass(frozen=True, slots=True)
class _Charged:
    """It was a use, or a failure: the keyring is to be written."""

    keyring: Keyring
    result: Result


def use_factor(
    officer: Officer,
    shown: ShownFactor,
    *,
    purpose: str,
    room: FactorRoom,
    repeatable: bool = True,
) -> FactorUse:
    """Spend what was shown for `purpose` (`second_factor.purpose_of`), and say which use it was.

    The same factor shown again for the same purpose within an hour is the same use; for any other
    purpose it is refused. Not `repeatable` is what gives something new each time it is done, a
    seed say: there the second showing is refused as well. Raises FactorRefusedError (FactorLockedError by the try that locked
    it), UnavailableError.

    Dies before step 3: nothing happened. Dies after it: the use is spent, and the same request,
    made again, gets it.
    """
    for attempt in range(TRIES):
        # 1. What the officer has, and what this does to it.
        keyring, at = room.factors.keyring(officer), room.clock()
        standing = keyring.grants_for(purpose, at) if repeatable else ()
        tried = _Try(keyring, purpose, at, standing, room).show(shown)

        # 2. A use for the same purpose stands; what counts for nothing is not written.
        if isinstance(tried, FactorUse):
            return tried
        if isinstance(tried, _Refused):
            raise refused(tried.why)

        # 3. Write it, on the condition that nobody wrote since, before anything it allows.
        try:
            room.factors.save(tried.keyring)
        except FactorMovedError:
            room.pause(attempt)
            continue

        # 4. Say it.
        if isinstance(tried.result, NotUsed):
            raise told(tried.result, officer, room)
        return tried.keyring.grants[-1].use
    raise busy()


def told(failed: NotUsed, officer: Officer, room: FactorRoom) -> FactorRefusedError:
    """The error of a failure that was written. If it locked the factor, supervisors hear of it: by
    an alarm, in their list, and in the agency's own system, if it has one."""
    if not failed.tell_supervisor:
        return refused(failed.why)
    # The lock stands, whether or not a queue takes the notice; the alarm rings by the error below.
    with suppress(UnavailableError):
        notice = LockNotice(officer.agency_id, room.ids.document_id(), room.clock())
        room.dispatch_queue.send_lock(notice)
    return FactorLockedError(failed.why.value, *_WORDS[failed.why])


def refused(why: Why) -> FactorRefusedError:
    """In words; no more than `why` says."""
    return FactorRefusedError(why.value, *_WORDS[why])


def busy() -> UnavailableError:
    """Too many write the same officer's factors at the same time."""
    return UnavailableError(
        "The officer's second factors are written by others at the same time; repeat the request.",
        "มีการใช้การยืนยันตัวตนขั้นที่สองของเจ้าหน้าที่คนนี้พร้อมกันหลายรายการ โปรดลองใหม่",
    )


@dataclass(frozen=True, slots=True)
class _Try:
    """One look at what was shown, as everything stands now; `standing` are uses that may be
    repeated. Nothing is written here."""

    keyring: Keyring
    purpose: str
    at: datetime
    standing: tuple[Grant, ...]
    room: FactorRoom

    def show(self, shown: ShownFactor) -> FactorUse | _Refused | _Charged:
        if shown.assertion is not None:
            return self._show_assertion(shown.assertion)
        code = plain_code(shown.otp or "")
        return self._show_code(code) if is_one_time(code) else self._show_recovery_code(code)

    def _show_code(self, code: str) -> FactorUse | _Refused | _Charged:
        held = next((one for one in self.keyring.active if one.method is Method.TOTP), None)
        if held is None or held.factor.is_locked(self.at):
            return _refused_by(held)
        step_of = partial(
            self.room.codes.step_of, self.room.secrets.open(held.sealed, self.keyring.officer), code
        )
        for grant in self.standing:
            if grant.factor_id == held.factor_id and step_of(_step_in(grant.use)) is not None:
                return grant.use
        return self._charge(held, use_code(held.factor, step_of(steps_at(self.at)), self.at))

    def _show_recovery_code(self, code: str) -> FactorUse | _Refused | _Charged:
        digest = recovery_digest(code)
        # A wrong one is charged to where such codes are; to any factor, if none are left.
        by_codes = sorted(self.keyring.active, key=lambda one: not one.factor.recovery)
        having = (one for one in by_codes if digest in one.factor.recovery)
        held = next(having, by_codes[0] if by_codes else None)
        if held is None or held.factor.is_locked(self.at):
            return _refused_by(held)
        for grant in self.standing:
            if grant.use == FactorUse(Method.RECOVERY_CODE, recovery_use(digest)):
                return grant.use
        result = use_recovery_code(held.factor, digest, self.at)
        return self._charge(held, result, Method.RECOVERY_CODE)

    def _show_assertion(self, assertion: Mapping[str, Any]) -> FactorUse | _Refused | _Charged:
        keys = {one.credential_id: one for one in self.keyring.active if one.credential_id}
        if not keys:
            return _Refused(Why.NOT_ENROLLED)
        asserted = self.room.keys.asserted(assertion)
        held = keys.get(asserted.credential_id) if asserted else None
        # A key that is nobody's, or another officer's, is charged to nobody: it guesses nothing.
        if asserted is None or held is None:
            return _Refused(Why.WRONG)
        if held.factor.is_locked(self.at):
            return _refused_by(held)
        challenge = asserted.challenge
        counter = self.room.keys.counter_of(assertion, challenge, self.keyring.officer, held)
        repeated = FactorUse(Method.WEBAUTHN, f"webauthn/{challenge}")
        for grant in self.standing:
            if counter is not None and grant.use == repeated:
                return grant.use
        if not self.keyring.has_challenge(challenge, self.purpose, self.at):
            counter = None
        charged = self._charge(held, use_assertion(held.factor, counter, challenge, self.at))
        return replace(charged, keyring=charged.keyring.without_challenge(challenge))

    def _charge(self, held: HeldFactor, result: Result, method: Method | None = None) -> _Charged:
        used_as = method or held.method
        return _Charged(self.keyring.after(held, result, used_as, self.purpose, self.at), result)


def is_one_time(code: str) -> bool:
    """Whether this is a code of an app; anything else is taken for a recovery code."""
    return len(code) == _DIGITS and code.isascii() and code.isdigit()


def _refused_by(held: HeldFactor | None) -> _Refused:
    return _Refused(Why.LOCKED if held else Why.NOT_ENROLLED)


def _step_in(use: FactorUse) -> tuple[int, ...]:
    """The time step of a use of a code; none of any other."""
    return (int(use.use.partition("/")[2]),) if use.method is Method.TOTP else ()


_WORDS = {
    Why.NOT_ENROLLED: (
        "You have no second factor of this kind. Enrol one with POST /v1/me/factors.",
        "ท่านยังไม่ได้ลงทะเบียนการยืนยันตัวตนขั้นที่สองแบบนี้ โปรดลงทะเบียนด้วย POST /v1/me/factors",
    ),
    Why.LOCKED: (
        "Your second factor is locked after wrong codes. GET /v1/me/factors says until when.",
        "การยืนยันตัวตนขั้นที่สองของท่านถูกระงับชั่วคราวเพราะใส่รหัสผิดหลายครั้ง ดูเวลาที่ใช้ได้อีกครั้งที่ GET /v1/me/factors",
    ),
    Why.WRONG: (
        "The second factor was not accepted. Each code is good once, for one request.",
        "ไม่ยอมรับการยืนยันตัวตนขั้นที่สอง รหัสแต่ละรหัสใช้ได้ครั้งเดียวต่อหนึ่งคำขอ",
    ),
    Why.MISSING: (
        "You have a second factor already: show it to enrol another one.",
        "ท่านมีการยืนยันตัวตนขั้นที่สองอยู่แล้ว โปรดแสดงก่อนลงทะเบียนเพิ่ม",
    ),
    Why.TOO_MANY: (
        "You have as many second factors as one officer may; give one up first.",
        "ท่านมีการยืนยันตัวตนขั้นที่สองครบจำนวนแล้ว โปรดยกเลิกรายการเดิมก่อน",
    ),
}
