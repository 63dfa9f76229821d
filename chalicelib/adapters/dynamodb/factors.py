"""Second factors in DynamoDB (port: FactorStore), in a table that `api` alone may read and write.

One item holds all of an officer: `pk` = `FACTOR#<agency>#<subject>`, written whole, on the condition
that its revision is the one that was read. Beside it lies, for each agency, who is locked: `pk` =
`LOCKED#<agency>`, `sk` = the subject, in the same transaction as the lock.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import cancellations, is_condition_failure, translated
from chalicelib.adapters.dynamodb.items import bind, to_instant, to_text
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import FactorMovedError
from chalicelib.domain.keyring import Challenge, Grant, HeldFactor, Keyring
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import Factor, FactorState, FactorUse
from chalicelib.ports import LockedFactor

_UNBOUND = "unbound"
_NEVER = "-"


class KeyringItem(Model):
    """All factors of an officer; `body` is JSON, seeds in it encrypted."""

    class Meta:
        table_name = _UNBOUND

    RANGE = "FACTORS"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()
    body = UnicodeAttribute()
    listed_until = UnicodeAttribute(null=True)

    @staticmethod
    def partition(officer: Officer) -> str:
        return f"FACTOR#{officer.agency_id}#{officer.subject}"


class LockedItem(Model):
    """That an officer's factor is locked."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    until = UnicodeAttribute()

    @staticmethod
    def partition(agency_id: str) -> str:
        return f"LOCKED#{agency_id}"


class DynamoFactors:
    """In the factors' table."""

    def __init__(self, table_name: str) -> None:
        self._keyrings = bind(KeyringItem, table_name)
        self._locked = bind(LockedItem, table_name)
        self.connection = QuickConnection()

    def keyring(self, officer: Officer) -> Keyring:
        with translated():
            try:
                item = self._keyrings.get(
                    KeyringItem.partition(officer), KeyringItem.RANGE, consistent_read=True
                )
            except DoesNotExist:
                return Keyring(officer=officer)
        found = _keyring_of(officer, json.loads(item.body))
        return replace(
            found, revision=int(item.revision), listed_until=_instant_or_none(item.listed_until)
        )

    def save(self, keyring: Keyring) -> None:
        """Idempotency key of this write: the revision that was read."""
        item = self._keyrings(
            KeyringItem.partition(keyring.officer),
            KeyringItem.RANGE,
            revision=keyring.revision + 1,
            body=json.dumps(_data_of(keyring), separators=(",", ":")),
            listed_until=_text_or_none(keyring.locked_until),
        )
        if keyring.locked_until == keyring.listed_until:
            self._save(item, keyring.revision)
        else:
            self._save_and_list(item, keyring)

    def locked(self, agency_id: str, at: datetime) -> tuple[LockedFactor, ...]:
        with translated():
            found = self._locked.query(
                LockedItem.partition(agency_id),
                filter_condition=self._locked.until > to_text(at),
                consistent_read=True,
            )
            locked = [
                LockedFactor(Officer(agency_id, item.sk), to_instant(item.until)) for item in found
            ]
        return tuple(sorted(locked, key=lambda one: (one.until, one.officer)))

    def _save(self, item: KeyringItem, seen: int) -> None:
        with translated():
            try:
                item.save(condition=self._as_seen(seen))
            except PutError as error:
                if not is_condition_failure(error):
                    raise
                raise _moved() from error

    def _save_and_list(self, item: KeyringItem, keyring: Keyring) -> None:
        officer, until = keyring.officer, keyring.locked_until
        listed = self._locked(LockedItem.partition(officer.agency_id), officer.subject)
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.save(item, condition=self._as_seen(keyring.revision))
                # Nothing here is ever deleted: a lock that was lifted ended before all time.
                listed.until = _NEVER if until is None else to_text(until)
                transaction.save(listed)
        except TransactWriteError as error:
            cancellations(error)
            raise _moved() from error

    def _as_seen(self, revision: int) -> Condition:
        if revision == 0:
            return self._keyrings.pk.does_not_exist()
        return self._keyrings.revision == revision


def _moved() -> FactorMovedError:
    return FactorMovedError("Somebody else wrote this officer's second factors meanwhile.")


def _data_of(keyring: Keyring) -> dict[str, Any]:
    return {
        "held": [_held_data(held) for held in keyring.held],
        "challenges": [
            {"value": one.value, "purpose": one.purpose, "expires_at": to_text(one.expires_at)}
            for one in keyring.challenges
        ],
        "grants": [
            {
                "factor_id": one.factor_id,
                "method": one.use.method,
                "use": one.use.use,
                "purpose": one.purpose,
                "at": to_text(one.at),
            }
            for one in keyring.grants
        ],
        "reset_asked_at": _text_or_none(keyring.reset_asked_at),
    }


def _keyring_of(officer: Officer, data: Mapping[str, Any]) -> Keyring:
    return Keyring(
        officer=officer,
        held=tuple(_held_of(officer, one) for one in data["held"]),
        challenges=tuple(
            Challenge(
                value=one["value"],
                purpose=one["purpose"],
                expires_at=to_instant(one["expires_at"]),
            )
            for one in data["challenges"]
        ),
        grants=tuple(
            Grant(
                factor_id=one["factor_id"],
                use=FactorUse(Method(one["method"]), one["use"]),
                purpose=one["purpose"],
                at=to_instant(one["at"]),
            )
            for one in data["grants"]
        ),
        reset_asked_at=_instant_or_none(data["reset_asked_at"]),
    )


def _held_data(held: HeldFactor) -> dict[str, Any]:
    factor = held.factor
    return {
        "factor_id": held.factor_id,
        "label": held.label,
        "sealed": _encoded(held.sealed),
        "credential_id": held.credential_id,
        "public_key": _encoded(held.public_key),
        "transports": list(held.transports),
        "challenge": held.challenge,
        "method": factor.method,
        "enrolled_at": to_text(factor.enrolled_at),
        "state": factor.state,
        "last_step": factor.last_step,
        "counter": factor.counter,
        "recovery": sorted(factor.recovery),
        "failures": factor.failures,
        "locks": factor.locks,
        "locked_until": _text_or_none(factor.locked_until),
        "reset_asked_by": factor.reset_asked_by,
    }


def _held_of(officer: Officer, data: Mapping[str, Any]) -> HeldFactor:
    factor = Factor(
        agency_id=officer.agency_id,
        subject=officer.subject,
        method=Method(data["method"]),
        enrolled_at=to_instant(data["enrolled_at"]),
        state=FactorState(data["state"]),
        last_step=data["last_step"],
        counter=data["counter"],
        recovery=frozenset(data["recovery"]),
        failures=data["failures"],
        locks=data["locks"],
        locked_until=_instant_or_none(data["locked_until"]),
        reset_asked_by=data["reset_asked_by"],
    )
    return HeldFactor(
        factor_id=data["factor_id"],
        factor=factor,
        label=data["label"],
        sealed=base64.b64decode(data["sealed"]),
        credential_id=data["credential_id"],
        public_key=base64.b64decode(data["public_key"]),
        transports=tuple(data["transports"]),
        challenge=data["challenge"],
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _text_or_none(at: datetime | None) -> str | None:
    return None if at is None else to_text(at)


def _instant_or_none(text: str | None) -> datetime | None:
    return None if text is None else to_instant(text)
