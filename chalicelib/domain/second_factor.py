"""The second factor of an officer: usable once, locked after guesses, reset by two (A9, B7).

What is here is the bookkeeping. Whether six digits are right for a moment (RFC 6238) or an
assertion is signed by the enrolled key (WebAuthn) is found out by libraries, which say of a good
one which *use* it was: the time step of a code, the counter or challenge of an assertion, the
digest of a recovery code. A use that was made is made: the state is written, on the condition
that nobody wrote since, before anything that it allows is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.persons import Officer

STEP = timedelta(seconds=30)
"""Length of a time step (RFC 6238, 4.1)."""

DRIFT = 1
"""Steps before and after the current one that are taken: clocks and fingers are slow."""

MOST_FAILURES = 5
"""Wrong codes in a row until the factor is locked. With one million codes, three of them good at
a time, five guesses succeed once in some 67,000 locks."""

_FIRST_LOCK = timedelta(minutes=15)
_LONGEST_LOCK = timedelta(hours=24)
_PENDING_FOR = timedelta(minutes=15)


CONFIRMED_WITHIN = _PENDING_FOR
"""How long a factor that was begun waits for its first use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFactor:
    """What an officer shows beside the token: exactly one of both, never to be printed. `otp` is
    six digits, or a recovery code; `assertion` a WebAuthn assertion as the browser gives it.

    Raises ValueError for none or two."""

    otp: str | None = field(default=None, repr=False)
    assertion: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.otp is None) == (self.assertion is None):
            raise ValueError("one second factor is shown: a code or an assertion")


@dataclass(frozen=True, slots=True)
class FactorUse:
    """That a factor was good, once: `use` names which use of which factor it was, for the record
    of what it allowed (`totp/59823312`)."""

    method: Method
    use: str


def purpose_of(action: Action, what: object) -> str:
    """What a use of a factor allows, as one digest (hex SHA-256): the action and everything that
    is asked for, as JSON. A factor shown for one purpose does nothing for any other.

    Raises ValueError for what has no canonical form (floats)."""
    return hashlib.sha256(canonical_json({"action": action.value, "what": what})).hexdigest()


def thing_of(officer: Officer) -> str:
    """What an officer's second factors are called in the access log: no name, the same always."""
    return "factors-" + hashlib.sha256("/".join(officer).encode()).hexdigest()[:32]


class FactorState(StrEnum):
    """pending until its first code confirmed it; then active, until it is reset."""

    PENDING = "pending"
    ACTIVE = "active"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One officer's second factor. `last_step` is the newest TOTP step that was used: neither it
    nor one before it is taken again (RFC 6238, 5.2). `recovery` are the SHA-256 (hex) of codes
    that were not used yet. `locks` counts locks since the last good code: each is longer."""

    agency_id: str
    subject: str
    method: Method
    enrolled_at: datetime
    state: FactorState = FactorState.PENDING
    last_step: int | None = None
    counter: int = 0
    recovery: frozenset[str] = frozenset()
    failures: int = 0
    locks: int = 0
    locked_until: datetime | None = None
    reset_asked_by: str | None = None

    def is_locked(self, at: datetime) -> bool:
        return self.locked_until is not None and at < self.locked_until


class Why(StrEnum):
    """Why a factor was not accepted; stable words. Who asks is told no more: not whether the code
    was wrong or old."""

    NOT_ENROLLED = "factor_not_enrolled"
    LOCKED = "factor_locked"
    WRONG = "factor_wrong"
    MISSING = "factor_missing"
    TOO_MANY = "factor_too_many"


@dataclass(frozen=True, slots=True)
class Used:
    """It was good, once. `use` names this use in the record of what it allowed."""

    factor: Factor
    use: str


@dataclass(frozen=True, slots=True)
class NotUsed:
    """It was not. The factor is to be written all the same: it counts. `tell_supervisor`: with
    this try it was locked (A28)."""

    factor: Factor
    why: Why
    tell_supervisor: bool = False


Result = Used | NotUsed


def steps_at(at: datetime) -> tuple[int, ...]:
    """The TOTP steps whose codes are taken at `at`, the current one first."""
    now = int(at.timestamp()) // int(STEP.total_seconds())
    return tuple(sorted(range(now - DRIFT, now + DRIFT + 1), key=lambda step: abs(step - now)))


def use_code(factor: Factor, step: int | None, at: datetime) -> Result:
    """A code was shown, and it is the one of `step` (None: of none that is taken at `at`)."""
    if refusal := _not_now(factor, at, confirming=True):
        return refusal
    fresh = (
        step is not None
        and step in steps_at(at)
        and (factor.last_step is None or step > factor.last_step)
    )
    if step is None or not fresh:
        return _failed(factor, at)
    return Used(replace(_good(factor), last_step=step), f"totp/{step}")


def use_recovery_code(factor: Factor, digest: str, at: datetime) -> Result:
    """A recovery code was shown; `digest` is its SHA-256 (hex)."""
    if refusal := _not_now(factor, at, confirming=False):
        return refusal
    if digest not in factor.recovery:
        return _failed(factor, at)
    left = factor.recovery - {digest}
    return Used(replace(_good(factor), recovery=left), recovery_use(digest))


def recovery_use(digest: str) -> str:
    """What the use of a recovery code is called, by its SHA-256 (hex)."""
    return f"recovery/{digest[:16]}"


def use_assertion(factor: Factor, counter: int | None, challenge: str, at: datetime) -> Result:
    """An assertion over `challenge` (which is given out once, by whoever keeps it) was checked;
    `counter` is the authenticator's (0: it has none), None if the check failed. A counter that
    goes back tells of a copied key (WebAuthn level 2, 6.1.1)."""
    if refusal := _not_now(factor, at, confirming=True):
        return refusal
    copied = counter is not None and (counter or factor.counter) and counter <= factor.counter
    if counter is None or copied:
        return _failed(factor, at)
    return Used(replace(_good(factor), counter=counter), f"webauthn/{challenge}")


def _not_now(factor: Factor, at: datetime, *, confirming: bool) -> NotUsed | None:
    pending = factor.state is FactorState.PENDING
    too_late = pending and at >= factor.enrolled_at + _PENDING_FOR
    if factor.state is FactorState.RESET or too_late or (pending and not confirming):
        return NotUsed(factor, Why.NOT_ENROLLED)
    # Even a good code: else a lock would tell a guesser which one was good.
    return NotUsed(factor, Why.LOCKED) if factor.is_locked(at) else None


def _good(factor: Factor) -> Factor:
    return replace(
        factor,
        state=FactorState.ACTIVE,
        failures=0,
        locks=0,
        locked_until=None,
        reset_asked_by=None,
    )


def _failed(factor: Factor, at: datetime) -> NotUsed:
    failures = factor.failures + 1
    if failures < MOST_FAILURES:
        return NotUsed(replace(factor, failures=failures), Why.WRONG)
    pause = min(_FIRST_LOCK * 2 ** min(factor.locks, 10), _LONGEST_LOCK)
    locked = replace(factor, failures=0, locks=factor.locks + 1, locked_until=at + pause)
    return NotUsed(locked, Why.LOCKED, tell_supervisor=True)


def reset(factor: Factor, by: str) -> Factor:
    """An officer with the right to it wants the factor reset. It takes two different ones, neither
    of them its owner; the second one ends it, and its owner enrols anew.

    Raises ValueError for the owner. A good code in between takes the first one's word back.
    """
    if by == factor.subject:
        raise ValueError("nobody resets the own second factor")
    if factor.reset_asked_by in {None, by}:
        return replace(factor, reset_asked_by=by)
    return replace(factor, state=FactorState.RESET, recovery=frozenset())
