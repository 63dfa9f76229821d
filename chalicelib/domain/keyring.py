"""All second factors of one officer, and what they were used for (issue 7, item 3; A9, B7).

They are one record, written whole under one condition: so nobody enrols a second factor beside a
first one that was enrolled meanwhile, and no use of any of them is spent twice. What is secret of
a factor lies within only encrypted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.domain.approvals import Method
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import (
    CONFIRMED_WITHIN,
    Factor,
    FactorState,
    FactorUse,
    Result,
    Used,
    reset,
)

REPEAT_WITHIN = timedelta(hours=1)
"""How long a factor shown again for the same purpose is the same use: a list of decisions that
died half-way goes on."""

CHALLENGE_LASTS = timedelta(minutes=5)

RESET_WITHIN = timedelta(hours=24)
"""How long the first officer's word for a reset waits for the second's."""

MOST_KEYS = 5
"""A spare, and one for each place of work. Apps for codes there is one."""

RECOVERY_CODES = 10

_MOST_CHALLENGES = 8
_MOST_GRANTS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFactor:
    """One factor and what checks it: of an app the seed, encrypted (`sealed`); of a key its
    credential id and public key (COSE, RFC 9052), which are no secrets. `challenge` is what a key
    that is being registered has to sign. `label` is what its owner calls it."""

    factor_id: str
    factor: Factor
    label: str = ""
    sealed: bytes = field(default=b"", repr=False)
    credential_id: str = ""
    public_key: bytes = field(default=b"", repr=False)
    transports: tuple[str, ...] = ()
    challenge: str | None = field(default=None, repr=False)

    @property
    def is_active(self) -> bool:
        return self.factor.state is FactorState.ACTIVE

    @property
    def method(self) -> Method:
        return self.factor.method

    def waits(self, at: datetime) -> bool:
        """Whether it is still to be confirmed, and can be."""
        pending = self.factor.state is FactorState.PENDING
        return pending and at < self.factor.enrolled_at + CONFIRMED_WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a key has to sign, given out once and for one purpose."""

    value: str = field(repr=False)
    purpose: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One use of a factor, and what it was for."""

    factor_id: str
    use: FactorUse
    purpose: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """An officer's factors. `revision` counts writes; 0: nothing was ever written. `listed_until`
    is what the agency's list of locked ones says of it (FactorStore.locked).

    Every method returns the keyring as it is next and raises nothing unless it says so.
    """

    officer: Officer
    revision: int = 0
    held: tuple[HeldFactor, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    grants: tuple[Grant, ...] = ()
    reset_asked_at: datetime | None = None
    listed_until: datetime | None = None

    @property
    def active(self) -> tuple[HeldFactor, ...]:
        return tuple(held for held in self.held if held.is_active)

    @property
    def locked_until(self) -> datetime | None:
        """Until when the factor that is locked longest is; past perhaps."""
        ends = [held.factor.locked_until for held in self.held if held.factor.locked_until]
        return max(ends, default=None)

    @property
    def recovery_left(self) -> int:
        return sum(len(held.factor.recovery) for held in self.active)

    def held_as(self, factor_id: str) -> HeldFactor | None:
        return next((held for held in self.held if held.factor_id == factor_id), None)

    def with_held(self, held: HeldFactor) -> Keyring:
        """With this in the place of what has the same id."""
        others = tuple(one for one in self.held if one.factor_id != held.factor_id)
        return replace(self, held=(*others, held))

    def room_for(self, method: Method) -> bool:
        """Whether another one of this kind may be enrolled."""
        keys = [held for held in self.active if held.method is Method.WEBAUTHN]
        return method is not Method.WEBAUTHN or len(keys) < MOST_KEYS

    # -- enrolling -------------------------------------------------------------

    def beginning(self, held: HeldFactor) -> Keyring:
        """A factor is to be enrolled. What was begun of its kind before is forgotten; what is
        active stays until the new one is confirmed."""
        kept = tuple(one for one in self.held if one.is_active or one.method is not held.method)
        return replace(self, held=(*kept, held))

    def confirmed(self, held: HeldFactor, recovery: Iterable[str]) -> Keyring:
        """A factor (as it is now: active) takes its place; an app for codes takes that of the one
        before. It carries the digests `recovery` if no other factor has codes left.

        With the first one of an officer, what else was begun is forgotten: whoever began it showed
        no factor, and nobody knows that it was the owner."""
        others = tuple(
            one
            for one in self.held
            if one.factor_id != held.factor_id
            and not (_is_app(one) and _is_app(held))
            and (one.is_active or self.active)
        )
        left = any(one.factor.recovery for one in others if one.is_active)
        codes = frozenset() if left else frozenset(recovery)
        kept = replace(held, challenge=None, factor=replace(held.factor, recovery=codes))
        return replace(self, held=(*others, kept))

    def renewed(self, recovery: Iterable[str]) -> Keyring:
        """New recovery codes in the place of all others, with the factor that was first."""
        first = min(self.active, key=lambda held: held.factor_id, default=None)
        renewed = (
            replace(
                held,
                factor=replace(
                    held.factor, recovery=frozenset(recovery) if held is first else frozenset()
                ),
            )
            for held in self.held
        )
        return replace(self, held=tuple(renewed))

    # -- using -----------------------------------------------------------------

    def challenged(self, value: str, purpose: str, at: datetime) -> Keyring:
        """A challenge is given out for this purpose. Of many that wait the newest ones stay."""
        waiting = tuple(one for one in self.challenges if at < one.expires_at)
        given = Challenge(value=value, purpose=purpose, expires_at=at + CHALLENGE_LASTS)
        return replace(self, challenges=(*waiting, given)[-_MOST_CHALLENGES:])

    def has_challenge(self, value: str, purpose: str, at: datetime) -> bool:
        return any(
            (one.value, one.purpose) == (value, purpose) and at < one.expires_at
            for one in self.challenges
        )

    def without_challenge(self, value: str) -> Keyring:
        """It was answered, well or badly: nobody answers it again."""
        return replace(self, challenges=tuple(one for one in self.challenges if one.value != value))

    def grants_for(self, purpose: str, at: datetime) -> tuple[Grant, ...]:
        """Uses for this very purpose that may be repeated."""
        return tuple(
            one for one in self.grants if one.purpose == purpose and at < one.at + REPEAT_WITHIN
        )

    def after(
        self, held: HeldFactor, result: Result, method: Method, purpose: str, at: datetime
    ) -> Keyring:
        """What a use, good or not, made of a factor. A good one takes the first word for a reset
        back: its owner is still there."""
        noted = self.with_held(replace(held, factor=result.factor))
        if not isinstance(result, Used):
            return noted
        fresh = tuple(one for one in self.grants if at < one.at + REPEAT_WITHIN)
        grant = Grant(
            factor_id=held.factor_id, use=FactorUse(method, result.use), purpose=purpose, at=at
        )
        unasked = tuple(
            replace(one, factor=replace(one.factor, reset_asked_by=None)) for one in noted.held
        )
        return replace(
            noted, held=unasked, grants=(*fresh, grant)[-_MOST_GRANTS:], reset_asked_at=None
        )

    # -- ending ----------------------------------------------------------------

    def without(self, factor_id: str) -> Keyring:
        """Its owner gave a factor up."""
        return replace(self, held=tuple(one for one in self.held if one.factor_id != factor_id))

    def reset(self, by: str, at: datetime) -> Keyring:
        """An officer with the right to it wants all factors reset; see `second_factor.reset`. The
        first word holds a day. With the second nothing is left of them.

        Raises ValueError for the owner.
        """
        late = self.reset_asked_at is not None and at >= self.reset_asked_at + RESET_WITHIN
        asked = tuple(
            replace(
                one,
                factor=reset(replace(one.factor, reset_asked_by=None) if late else one.factor, by),
            )
            for one in self.held
        )
        left = tuple(one for one in asked if one.factor.state is not FactorState.RESET)
        if asked and not left:
            return replace(self, held=(), challenges=(), grants=(), reset_asked_at=None)
        first = at if late or self.reset_asked_at is None else self.reset_asked_at
        return replace(self, held=left, reset_asked_at=first)


def recovery_digest(code: str) -> str:
    """SHA-256 (hex) of a recovery code, however it is spaced: 80 random bits need no salt."""
    return hashlib.sha256(plain_code(code).encode()).hexdigest()


def plain_code(shown: str) -> str:
    """A code as it was typed, without what people put between its parts."""
    return "".join(shown.split()).replace("-", "").upper()


def _is_app(held: HeldFactor) -> bool:
    return held.method is Method.TOTP
