"""People and applications of the local stack: `people.json`, for every agency. DEVELOPMENT ONLY.

The issuer signs them in, and `appoint_people` puts them into the table of officers, as the head of
each agency would. Subjects, names and secrets are the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from chalicelib.domain.access import Role
from chalicelib.domain.appointing import BOOTSTRAP
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import AlreadyBegunError
from chalicelib.domain.officers import Appointment, Client, Period
from chalicelib.ports import OfficerStore

FILE = Path(__file__).parent / "people.json"

_ORDER = "คำสั่งตัวอย่างที่ ๑/๒๕๖๙"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of an agency, as `people.json` says."""

    agency_id: str
    subject: str
    name_th: str
    position_th: str
    roles: frozenset[Role]
    clearance: Classification

    def appointed(self, at: datetime) -> Appointment:
        """By the head of the agency, who is appointed by nobody here."""
        return Appointment(
            appointment_id=f"demo-{self.subject}",
            agency_id=self.agency_id,
            subject=self.subject,
            name_th=self.name_th,
            position_th=self.position_th,
            roles=self.roles,
            clearance=self.clearance,
            period=Period(at),
            order=_ORDER,
            appointed_by=f"{self.agency_id}-head",
            appointed_at=at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A system of an agency, with its client secret."""

    agency_id: str
    client_id: str
    name_th: str
    secret: str
    scopes: frozenset[str]

    def registered(self, at: datetime) -> Client:
        return Client(
            client_id=self.client_id,
            agency_id=self.agency_id,
            name_th=self.name_th,
            scopes=self.scopes,
            registered_by=f"{self.agency_id}-head",
            registered_at=at,
        )


@cache
def _listed() -> dict[str, Any]:
    listed: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return listed


def people_of(agency_id: str) -> tuple[Person, ...]:
    surnames = _listed()["surnames"]
    surname = surnames[crc32(agency_id.encode()) % len(surnames)]
    return tuple(
        Person(
            agency_id=agency_id,
            subject=f"{agency_id}-{one['key']}",
            name_th=f"{one['name_th']} {surname}",
            position_th=one["position_th"],
            roles=frozenset(Role(role) for role in one["roles"]),
            clearance=Classification(one["clearance"]),
        )
        for one in _listed()["people"]
    )


def applications_of(agency_id: str) -> tuple[Application, ...]:
    return tuple(
        Application(
            agency_id=agency_id,
            client_id=f"{agency_id}-{one['key']}",
            name_th=one["name_th"],
            secret=one["secret"].format(agency=agency_id),
            scopes=frozenset(one["scopes"]),
        )
        for one in _listed()["applications"]
    )


def person(subject: str) -> Person | None:
    """Whoever is called so, in whichever agency: keys have no hyphens, agencies may have some."""
    return next((p for p in people_of(subject.rpartition("-")[0]) if p.subject == subject), None)


def application(client_id: str) -> Application | None:
    listed = applications_of(client_id.rpartition("-")[0])
    return next((one for one in listed if one.client_id == client_id), None)


def person_with(agency_id: str, roles: frozenset[str]) -> Person | None:
    """The first one with exactly these roles."""
    return next((p for p in people_of(agency_id) if p.roles == roles), None)


def appoint_people(officers: OfficerStore, agencies: Iterable[str], at: datetime) -> None:
    """Appoint and register them all, in each agency. Repeatable."""
    for agency_id in agencies:
        for one in people_of(agency_id):
            appointment = one.appointed(at)
            if Role.ADMINISTRATOR in one.roles:
                with suppress(AlreadyBegunError):
                    officers.begin(replace(appointment, appointed_by=BOOTSTRAP))
            else:
                officers.appoint(appointment)
        for system in applications_of(agency_id):
            client = system.registered(at)
            officers.put_client(client, seen=officers.client(client.client_id))
