"""The directory in DynamoDB (port: Directory)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pynamodb.exceptions import DoesNotExist

from chalicelib.adapters.dynamodb.faults import translated
from chalicelib.adapters.dynamodb.items import DirectoryItem, bind
from chalicelib.domain.approval_settings import approvals_data, approvals_of
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency, Unit
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.office_settings import (
    office_hours_data,
    office_hours_of,
    reminders_data,
    reminders_of,
)
from chalicelib.domain.seals import SealCredential

_T = TypeVar("_T")

_AGENCY = "AGENCY"
_TRUST, _ANCHORS = "TRUST", "ANCHORS"


class DynamoDirectory:
    """Agencies and trust anchors. They change seldom and are read for every document: what was
    read is believed for `fresh_seconds`, and every container sees a change, a rotated
    certificate say, within that time."""

    def __init__(
        self,
        table_name: str,
        *,
        fresh_seconds: float = 30,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._items = bind(DirectoryItem, table_name)
        self._fresh_seconds = fresh_seconds
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, Any]] = {}

    def agency(self, agency_id: str) -> Agency | None:
        return self._cached(f"{_AGENCY}/{agency_id}", lambda: self._read_agency(agency_id))

    def agencies(self) -> tuple[Agency, ...]:
        return self._cached(_AGENCY, self._read_agencies)

    def put_agency(self, agency: Agency) -> None:
        """Idempotency key of this write: the agency id; the last one stands."""
        body = {
            **asdict(agency),
            "office": office_hours_data(agency.office),
            "reminders": reminders_data(agency.reminders),
            "approvals": approvals_data(agency.approvals),
        }
        self._put(_AGENCY, agency.agency_id, body)

    def trust_anchors(self) -> tuple[str, ...]:
        return self._cached(_TRUST, self._read_anchors)

    def put_trust_anchors(self, pems: Sequence[str]) -> None:
        """Idempotency key of this write: there is one list; the last one stands."""
        self._put(_TRUST, _ANCHORS, list(pems))

    def _cached(self, key: str, read: Callable[[], _T]) -> _T:
        now = self._monotonic()
        kept = self._cache.get(key)
        if kept is not None and now - kept[0] < self._fresh_seconds:
            found: _T = kept[1]
            return found
        value = read()
        self._cache[key] = (now, value)
        return value

    def _read_agency(self, agency_id: str) -> Agency | None:
        with translated():
            try:
                return _agency(self._items.get(_AGENCY, agency_id).body)
            except DoesNotExist:
                return None

    def _read_agencies(self) -> tuple[Agency, ...]:
        with translated():
            return tuple(_agency(item.body) for item in self._items.query(_AGENCY))

    def _read_anchors(self) -> tuple[str, ...]:
        with translated():
            try:
                return tuple(json.loads(self._items.get(_TRUST, _ANCHORS).body))
            except DoesNotExist as error:
                message = "The directory holds no trust anchors; run the onboarding."
                raise ConfigurationError(message) from error

    def _put(self, pk: str, sk: str, value: Any) -> None:
        with translated():
            self._items(pk, sk, body=json.dumps(value, ensure_ascii=False)).save()
        self._cache.clear()


def _agency(body: str) -> Agency:
    data = json.loads(body)
    seals = data.pop("seals", ())
    # Entries written before there were office hours have the default ones.
    office, reminders = data.pop("office", {}), data.pop("reminders", {})
    channel, units = data.pop("channel", None), data.pop("units", ())
    keys, approvals = data.pop("reply_keys", ()), data.pop("approvals", {})
    return Agency(
        **data,
        channel=ChannelKind(channel) if channel else None,
        reply_keys=tuple(keys),
        units=tuple(Unit(**unit) for unit in units),
        office=office_hours_of(office),
        reminders=reminders_of(reminders),
        approvals=approvals_of(approvals),
        seals=tuple(
            SealCredential(key_id=seal["key_id"], chain_pem=tuple(seal["chain_pem"]))
            for seal in seals
        ),
    )
