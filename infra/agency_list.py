"""The list of agencies that `infra.onboard` brings in: `infra/agencies.json`, or a file like it.

    {"closed_days": [{"date": "2026-12-11", "name_th": "…", "name_en": "…"}],
     "agencies": [{"agency_id": "diw", "name_th": "…", "name_en": "…", "seal_key": "RSA_3072",
                   "channel": "queue", "reply_keys": […], "units": […],
                   "office_hours": {…}, "reminders": {…}, "approvals": {…}}]}

What stands in `office_hours` and `reminders` is said in domain/office_settings.py, in `approvals`
(how its documents are approved) in domain/approval_settings.py, how an agency
is reached in domain/channel_settings.py; `closed_days` are days off of all agencies, such as a
holiday the cabinet has just added.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.domain.approval_settings import approvals_of
from chalicelib.domain.channel_settings import MEMBERS, Reach, reach_of, repeated
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.office_hours import ClosedDay, OfficeHours
from chalicelib.domain.office_settings import (
    closed_days_of,
    office_hours_data,
    office_hours_of,
    reminders_of,
)
from chalicelib.domain.seals import KeyAlgorithm

AGENCIES = Path(__file__).resolve().parent / "agencies.json"

_READ_APART = frozenset({"seal_key", "office_hours", "reminders", "approvals"}) | MEMBERS

_T = TypeVar("_T")


def read_agencies(path: Path = AGENCIES) -> tuple[Agency, ...]:
    """The agencies of the list. Raises InvalidRequestError with every fault in closed days,
    hours, reminders, approvals and channels, pointers from the root of the file."""
    listed = json.loads(path.read_text(encoding="utf-8"))
    reading = _Reading()
    everywhere = reading.section(listed, "", "closed_days", closed_days_of) or ()
    agencies = tuple(
        reading.agency(entry, f"/agencies/{position}", everywhere)
        for position, entry in enumerate(listed["agencies"])
    )
    if not reading.faults:
        # By its `kid` alone an answer says whose it is.
        reading.faults += repeated("kid", _kids(agencies))
        reading.faults += _unknown_central(agencies)
    if reading.faults:
        raise InvalidRequestError(reading.faults)
    return agencies


def read_keys(path: Path = AGENCIES) -> dict[str, KeyAlgorithm]:
    """What kind of seal key each agency wants, where it says so."""
    return {
        entry["agency_id"]: KeyAlgorithm(entry["seal_key"])
        for entry in json.loads(path.read_text(encoding="utf-8"))["agencies"]
        if "seal_key" in entry
    }


class _Reading:
    """Reads on after a fault, so that all of them are told at once."""

    def __init__(self) -> None:
        self.faults: list[FieldFault] = []

    def agency(
        self, entry: Mapping[str, Any], pointer: str, everywhere: Sequence[ClosedDay]
    ) -> Agency:
        agency = Agency(**{k: v for k, v in entry.items() if k not in _READ_APART})
        agency = _reached(agency, self.read(entry, pointer, reach_of))
        office = self.section(entry, pointer, "office_hours", office_hours_of) or agency.office
        both = {"office_hours": office_hours_data(_closed_too(office, everywhere))}
        return replace(
            agency,
            # Read once more, as the directory will: together they may be too many days.
            office=self.section(both, pointer, "office_hours", office_hours_of) or office,
            reminders=self.section(entry, pointer, "reminders", reminders_of) or agency.reminders,
            approvals=self.section(entry, pointer, "approvals", approvals_of) or {},
        )

    def section(
        self,
        entry: Mapping[str, Any],
        pointer: str,
        name: str,
        read: Callable[[object, str], _T],
    ) -> _T | None:
        """What `read` makes of the member `name`; None if it is absent or faulty."""
        return self.read(entry[name], f"{pointer}/{name}", read) if name in entry else None

    def read(self, value: object, pointer: str, read: Callable[[object, str], _T]) -> _T | None:
        try:
            return read(value, pointer)
        except InvalidRequestError as error:
            self.faults += error.faults
            return None


def _reached(agency: Agency, reach: Reach | None) -> Agency:
    if reach is None:
        return agency
    return replace(
        agency,
        channel=reach.channel,
        inbox_url=reach.inbox_url,
        webhook_url=reach.webhook_url,
        reply_keys=reach.reply_keys,
        units=reach.units,
    )


def _kids(agencies: Sequence[Agency]) -> Iterator[tuple[str, str]]:
    for position, agency in enumerate(agencies):
        for place, key in enumerate(agency.reply_keys):
            yield f"/agencies/{position}/reply_keys/{place}/kid", key["kid"]


def _unknown_central(agencies: Sequence[Agency]) -> Iterator[FieldFault]:
    """Nobody would decide on what waits for the officers of an agency that is not there."""
    known = {agency.agency_id for agency in agencies}
    for position, agency in enumerate(agencies):
        for name, policy in agency.approvals.items():
            if policy.central is not None and policy.central not in known:
                yield FieldFault(
                    f"/agencies/{position}/approvals/{name}/central",
                    "unknown_agency",
                    "This agency is not in the list.",
                    "ไม่มีหน่วยงานนี้ในรายชื่อ",
                )


def _closed_too(office: OfficeHours, everywhere: Sequence[ClosedDay]) -> OfficeHours:
    """`office`, closed on days of all agencies too. On a day it names itself its own word
    stands: its head may keep it open."""
    own = {day.day for day in office.closed_days} | {day.day for day in office.working_days}
    added = tuple(day for day in everywhere if day.day not in own)
    return replace(office, closed_days=(*office.closed_days, *added))
