"""Contract of FactorStore and FactorSecrets: the fakes, and DynamoDB and KMS alike."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.factors import DynamoFactors
from chalicelib.adapters.factor_secrets import KmsFactorSecrets
from chalicelib.adapters.memory_factors import MemoryFactors, MemoryFactorSecrets
from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import FactorMovedError, FactorRefusedError, SecretUnreadableError
from chalicelib.domain.keyring import Challenge, Grant, HeldFactor, Keyring
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import (
    Factor,
    FactorState,
    FactorUse,
    ShownFactor,
    purpose_of,
)
from chalicelib.ports import FactorSecrets, FactorStore, LockedFactor
from chalicelib.services.use_factor import use_factor
from tests.support.factors import enrolled
from tests.support.rooms import Fakes
from tests.support.samples import NOON
from tests.support.tables import create_table

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

SOMSRI = Officer("diw", "somsri")
HELD = HeldFactor(
    factor_id="01",
    label="โทรศัพท์",
    sealed=b"\x00\x01sealed",
    credential_id="Y3JlZA",
    public_key=b"\xa5cose",
    transports=("usb", "nfc"),
    challenge="Y2hhbGxlbmdl",
    factor=Factor(
        agency_id="diw",
        subject="somsri",
        method=Method.TOTP,
        enrolled_at=NOON,
        state=FactorState.ACTIVE,
        last_step=59841240,
        counter=7,
        recovery=frozenset({"aa", "bb"}),
        failures=2,
        locks=1,
        reset_asked_by="boss",
    ),
)
FULL = Keyring(
    officer=SOMSRI,
    held=(HELD,),
    challenges=(Challenge(value="dg", purpose="ab" * 32, expires_at=NOON),),
    grants=(
        Grant(factor_id="01", use=FactorUse(Method.TOTP, "totp/1"), purpose="cd" * 32, at=NOON),
    ),
    reset_asked_at=NOON,
)
UNTIL = NOON + timedelta(minutes=15)


def _locked(keyring: Keyring, until: timedelta | None) -> Keyring:
    ends = None if until is None else NOON + until
    held = replace(keyring.held[0], factor=replace(keyring.held[0].factor, locked_until=ends))
    return keyring.with_held(held)


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def factors(request: pytest.FixtureRequest) -> Iterator[FactorStore]:
    if request.param == "memory":
        yield MemoryFactors()
        return
    request.getfixturevalue("aws")
    name = f"factors-{uuid4().hex[:8]}"
    yield DynamoFactors(create_table(boto3.client("dynamodb"), "FactorsTable", name))


def test_what_was_written_is_read(factors: FactorStore) -> None:
    """Issue 7 item 3: nothing of a factor is lost or changed on its way."""
    assert factors.keyring(SOMSRI) == Keyring(officer=SOMSRI)
    factors.save(FULL)
    assert factors.keyring(SOMSRI) == replace(FULL, revision=1)
    assert factors.keyring(Officer("dbd", "somsri")) == Keyring(officer=Officer("dbd", "somsri"))


def test_nobody_writes_over_anybody(factors: FactorStore) -> None:
    """P8: a write holds only for what was read; the first of two stands."""
    factors.save(FULL)
    with pytest.raises(FactorMovedError):
        factors.save(Keyring(officer=SOMSRI))
    seen = factors.keyring(SOMSRI)
    factors.save(replace(seen, held=()))
    with pytest.raises(FactorMovedError):
        factors.save(seen)
    with pytest.raises(FactorMovedError):
        factors.save(_locked(seen, timedelta(hours=1)))
    assert factors.keyring(SOMSRI).held == ()
    assert factors.locked("diw", NOON) == ()


def test_supervisors_see_who_is_locked(factors: FactorStore) -> None:
    """A28: of their own agency, as long as it lasts, and no more once it was reset."""
    factors.save(_locked(FULL, timedelta(minutes=15)))
    assert factors.locked("diw", NOON) == (LockedFactor(SOMSRI, UNTIL),)
    assert factors.locked("diw", UNTIL) == ()
    assert factors.locked("dbd", NOON) == ()
    factors.save(replace(factors.keyring(SOMSRI), reset_asked_at=None))
    assert factors.locked("diw", NOON) == (LockedFactor(SOMSRI, UNTIL),)
    factors.save(replace(factors.keyring(SOMSRI), held=()))
    assert factors.locked("diw", NOON) == ()


def test_one_code_of_many_requests_is_one_use(factors: FactorStore) -> None:
    """Issue 7: the same code, shown at once for eight purposes, is good for exactly one."""
    fakes = Fakes(factors=factors)  # type: ignore[arg-type]  # the real store in the place of the fake
    app, room = enrolled(fakes, SOMSRI), fakes.house().factor_room
    shown = ShownFactor(otp=app.code(NOON))
    won: list[FactorUse] = []

    def use(number: int) -> None:
        purpose = purpose_of(Action.APPROVE_DOCUMENT, number)
        with suppress(FactorRefusedError):
            won.append(use_factor(SOMSRI, shown, purpose=purpose, room=room))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert len(won) == 1
    assert len(factors.keyring(SOMSRI).grants) == 1


@pytest.fixture(params=["memory", pytest.param("kms", marks=pytest.mark.aws)])
def factor_secrets(request: pytest.FixtureRequest) -> FactorSecrets:
    if request.param == "memory":
        return MemoryFactorSecrets()
    kms: KMSClient = request.getfixturevalue("kms")
    return KmsFactorSecrets(kms, kms.create_key()["KeyMetadata"]["KeyId"])


def test_a_seed_is_opened_for_its_officer_only(factor_secrets: FactorSecrets) -> None:
    """Issue 7 item 3: bound to agency and subject, and to its own bytes."""
    sealed = factor_secrets.seal(b"seed", SOMSRI)
    assert b"seed" not in sealed
    assert factor_secrets.open(sealed, SOMSRI) == b"seed"
    for other in (Officer("dbd", "somsri"), Officer("diw", "somchai")):
        with pytest.raises(SecretUnreadableError):
            factor_secrets.open(sealed, other)
    # Of a changed ciphertext the embedded KMS notices less than AWS: its head only.
    changed = bytearray(sealed)
    changed[40 % len(sealed)] ^= 1
    with pytest.raises(SecretUnreadableError):
        factor_secrets.open(bytes(changed), SOMSRI)
