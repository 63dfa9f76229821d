"""Enrol a second factor, and confirm it by its first use (issue 7, item 3).

Whoever has no factor enrols the first one with the token alone; whoever has one shows it, so that a
stolen token enrols nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.approvals import Method
from chalicelib.domain.base32 import base32
from chalicelib.domain.errors import FactorMovedError, NotFoundError
from chalicelib.domain.keyring import (
    RECOVERY_CODES,
    HeldFactor,
    Keyring,
    recovery_digest,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import (
    Factor,
    NotUsed,
    Result,
    ShownFactor,
    Why,
    steps_at,
    use_assertion,
    use_code,
)
from chalicelib.services.use_factor import TRIES, FactorRoom, busy, refused, told, use_factor

_CODE_LETTERS = 16  # of 32 letters each: 80 bits
_GROUP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A factor that waits for its first use. Of an app `uri` holds its seed: shown once, never
    kept or printed; of a key `options` is what the browser is handed."""

    held: HeldFactor
    uri: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A factor in use. `recovery` are its recovery codes, shown once; none if others are left."""

    held: HeldFactor
    recovery: tuple[str, ...] = field(repr=False)


def begin(
    officer: Officer,
    method: Method,
    label: str,
    shown: ShownFactor | None,
    *,
    purpose: str,
    room: FactorRoom,
) -> Begun:
    """Begin to enrol an app (TOTP) or a key (WEBAUTHN), which has a quarter of an hour to be
    confirmed. What was begun of its kind before is forgotten.

    Raises FactorRefusedError: `factor_missing` if there is a factor and none was shown, or as
    `use_factor`; UnavailableError. Dies half-way: the factor that was shown is spent perhaps,
    and nothing else changed.
    """
    # 1. A factor that there is has to be shown, for exactly this, and once.
    spent = False
    if room.factors.keyring(officer).active:
        _spend(officer, shown, purpose, room)
        spent = True

    # 2. The new one, not in use yet.
    held, uri = _new(officer, method, label, room)

    # 3. Kept, if there is still none but what was shown.
    def beginning(keyring: Keyring) -> Keyring:
        if keyring.active and not spent:
            raise refused(Why.MISSING)
        if not keyring.room_for(method):
            raise refused(Why.TOO_MANY)
        return keyring.beginning(held)

    keyring = _change(officer, beginning, room)

    # 4. What is shown once.
    if held.challenge is None:
        return Begun(held=held, uri=uri)
    options = room.keys.registration_options(officer, held.challenge, keyring.active)
    return Begun(held=held, options=options)


def confirm(
    officer: Officer, factor_id: str, proof: str | Mapping[str, Any], *, room: FactorRoom
) -> Confirmed:
    """The first use of a factor makes it one: a code of the app, or what the browser made of the
    options. An app takes the place of the one before.

    Raises NotFoundError if no such factor waits, FactorRefusedError as `use_factor`,
    UnavailableError. Dies half-way: it is confirmed or not; whoever did not see the recovery
    codes asks for new ones.
    """
    for attempt in range(TRIES):
        # 1. What waits.
        keyring, at = room.factors.keyring(officer), room.clock()
        held = keyring.held_as(factor_id)
        if held is None or not held.waits(at):
            raise NotFoundError

        # 2. Its first use.
        used, result = _first_use(keyring, held, proof, at, room)
        if isinstance(result, NotUsed) and result.factor == held.factor:
            raise refused(result.why)

        # 3. Write what came of it.
        codes = _recovery_codes(room)
        noted = (
            keyring.with_held(used)
            if isinstance(result, NotUsed)
            else keyring.confirmed(used, map(recovery_digest, codes))
        )
        try:
            room.factors.save(noted)
        except FactorMovedError:
            room.pause(attempt)
            continue

        # 4. Say it.
        if isinstance(result, NotUsed):
            raise told(result, officer, room)
        kept = noted.held_as(factor_id)
        if kept is None:
            raise ValueError("a factor that was confirmed is kept")
        return Confirmed(kept, codes if kept.factor.recovery else ())
    raise busy()


def new_recovery_codes(
    officer: Officer, shown: ShownFactor, *, purpose: str, room: FactorRoom
) -> tuple[str, ...]:
    """New recovery codes, shown once, in the place of all that were given before.

    Raises FactorRefusedError, UnavailableError. Dies half-way: the factor is spent perhaps, and
    the codes of before hold, or nobody knows the new ones: ask again.
    """
    use_factor(officer, shown, purpose=purpose, room=room, repeatable=False)
    codes = _recovery_codes(room)
    digests = tuple(map(recovery_digest, codes))
    _change(officer, lambda keyring: keyring.renewed(digests), room)
    return codes


def give_up(
    officer: Officer, factor_id: str, shown: ShownFactor, *, purpose: str, room: FactorRoom
) -> None:
    """An officer gives one of the own factors up, showing one of them.

    Raises NotFoundError, FactorRefusedError, UnavailableError. Repeatable with the same factor
    shown, within an hour.
    """
    if room.factors.keyring(officer).held_as(factor_id) is None:
        raise NotFoundError
    use_factor(officer, shown, purpose=purpose, room=room)
    _change(officer, lambda keyring: keyring.without(factor_id), room)


def challenge(officer: Officer, purpose: str, *, room: FactorRoom) -> Mapping[str, Any]:
    """Options for an assertion that allows `purpose`, with a challenge that holds for five minutes
    and is answered once.

    Raises FactorRefusedError for an officer without a key, UnavailableError.
    """
    value = _challenge(room)

    def challenged(keyring: Keyring) -> Keyring:
        if not any(held.method is Method.WEBAUTHN for held in keyring.active):
            raise refused(Why.NOT_ENROLLED)
        return keyring.challenged(value, purpose, room.clock())

    keyring = _change(officer, challenged, room)
    return room.keys.assertion_options(value, keyring.active)


def _spend(officer: Officer, shown: ShownFactor | None, purpose: str, room: FactorRoom) -> None:
    if shown is None:
        raise refused(Why.MISSING)
    use_factor(officer, shown, purpose=purpose, room=room, repeatable=False)


def _new(
    officer: Officer, method: Method, label: str, room: FactorRoom
) -> tuple[HeldFactor, str | None]:
    factor = Factor(
        agency_id=officer.agency_id,
        subject=officer.subject,
        method=method,
        enrolled_at=room.clock(),
    )
    held = HeldFactor(factor_id=room.ids.document_id(), factor=factor, label=label)
    if method is Method.WEBAUTHN:
        return replace(held, challenge=_challenge(room)), None
    seed = room.codes.new_seed()
    sealed = room.secrets.seal(seed, officer)
    return replace(held, sealed=sealed), room.codes.uri(seed, officer)


def _first_use(
    keyring: Keyring,
    held: HeldFactor,
    proof: str | Mapping[str, Any],
    at: datetime,
    room: FactorRoom,
) -> tuple[HeldFactor, Result]:
    if held.factor.is_locked(at):
        return held, NotUsed(held.factor, Why.LOCKED)
    if isinstance(proof, str) and held.method is Method.TOTP:
        seed = room.secrets.open(held.sealed, keyring.officer)
        step = room.codes.step_of(seed, proof, steps_at(at))
        result = use_code(held.factor, step, at)
        return replace(held, factor=result.factor), result
    if isinstance(proof, str) or held.challenge is None:
        return held, NotUsed(held.factor, Why.WRONG)
    key = room.keys.register(proof, held.challenge)
    known = key is not None and any(one.credential_id == key.credential_id for one in keyring.held)
    counter = None if key is None or known else key.counter
    result = use_assertion(held.factor, counter, held.challenge, at)
    if key is None or isinstance(result, NotUsed):
        return replace(held, factor=result.factor), result
    registered = replace(
        held,
        factor=result.factor,
        credential_id=key.credential_id,
        public_key=key.public_key,
        transports=key.transports,
    )
    return registered, result


def _change(officer: Officer, changed: Callable[[Keyring], Keyring], room: FactorRoom) -> Keyring:
    """Write what `changed` makes of the officer's factors as they stand; again, if somebody else
    wrote meanwhile. Returns what was written."""
    for attempt in range(TRIES):
        keyring = changed(room.factors.keyring(officer))
        try:
            room.factors.save(keyring)
        except FactorMovedError:
            room.pause(attempt)
            continue
        return keyring
    raise busy()


def _challenge(room: FactorRoom) -> str:
    """32 random bytes, base64url without padding."""
    return room.keys.challenge_of(bytes.fromhex(room.ids.salt()))


def _recovery_codes(room: FactorRoom) -> tuple[str, ...]:
    """`K7QF-…`: 80 random bits each, in letters that survive being read aloud."""
    return tuple(_recovery_code(bytes.fromhex(room.ids.salt())) for _ in range(RECOVERY_CODES))


def _recovery_code(random: bytes) -> str:
    letters = base32(int.from_bytes(hashlib.sha256(random).digest()))[-_CODE_LETTERS:]
    return "-".join(letters[at : at + _GROUP] for at in range(0, _CODE_LETTERS, _GROUP))
