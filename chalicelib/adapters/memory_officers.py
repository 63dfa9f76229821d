"""Fake of OfficerStore, with the same promises as the real one."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.access import Role
from chalicelib.domain.clearance import is_cleared
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import AlreadyBegunError
from chalicelib.domain.officers import Appointment, Authority, Client, Ending
from chalicelib.domain.officers import end as ended
from chalicelib.domain.persons import Officer
from chalicelib.ports import OfficerPage

_Key = tuple[str, str]
"""Agency and id: ids are given out within an agency."""


class MemoryOfficers:
    """Port: OfficerStore."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._appointments: dict[_Key, Appointment] = {}
        self._authorities: dict[_Key, Authority] = {}
        self._clients: dict[str, Client] = {}
        self._begun: set[str] = set()

    def appointments_of(self, officer: Officer) -> tuple[Appointment, ...]:
        with self._lock:
            return tuple(
                one for one in self._sorted(officer.agency_id) if one.subject == officer.subject
            )

    def appointment(self, agency_id: str, appointment_id: str) -> Appointment | None:
        with self._lock:
            return self._appointments.get((agency_id, appointment_id))

    def officers(self, agency_id: str, *, limit: int, cursor: str | None) -> OfficerPage:
        with self._lock:
            rest = [
                one for one in self._sorted(agency_id) if cursor is None or _place(one) > cursor
            ]
        page = tuple(rest[:limit])
        return OfficerPage(page, _place(page[-1]) if len(rest) > limit else None)

    def appoint(self, appointment: Appointment) -> Appointment:
        with self._lock:
            key = (appointment.agency_id, appointment.appointment_id)
            return self._appointments.setdefault(key, appointment)

    def begin(self, appointment: Appointment) -> None:
        with self._lock:
            if appointment.agency_id in self._begun:
                raise AlreadyBegunError
            self._begun.add(appointment.agency_id)
            self.appoint(appointment)

    def end(self, appointment: Appointment, ending: Ending) -> Appointment:
        with self._lock:
            key = (appointment.agency_id, appointment.appointment_id)
            self._appointments[key] = ended(self._appointments[key], ending)
            return self._appointments[key]

    def grant(self, authority: Authority) -> Authority:
        with self._lock:
            key = (authority.agency_id, authority.authority_id)
            return self._authorities.setdefault(key, authority)

    def authority(self, agency_id: str, authority_id: str) -> Authority | None:
        with self._lock:
            return self._authorities.get((agency_id, authority_id))

    def authorities_of(self, holder: Officer) -> tuple[Authority, ...]:
        with self._lock:
            return tuple(
                one
                for _, one in sorted(self._authorities.items())
                if (one.agency_id, one.holder) == holder
            )

    def revoke_authority(self, authority: Authority, ending: Ending) -> Authority:
        with self._lock:
            key = (authority.agency_id, authority.authority_id)
            stored = self._authorities[key]
            if stored.ended is None:
                at = max(ending.at, stored.granted_at)
                self._authorities[key] = stored = replace(stored, ended=replace(ending, at=at))
            return stored

    def has_registrar(self, agency_id: str, classification: Classification, at: datetime) -> bool:
        with self._lock:
            return any(
                one.agency_id == agency_id
                and one.holds(at)
                and Role.REGISTRAR in one.roles
                and is_cleared(one.clearance, classification)
                for one in self._appointments.values()
            )

    def client(self, client_id: str) -> Client | None:
        with self._lock:
            return self._clients.get(client_id)

    def put_client(self, client: Client) -> None:
        with self._lock:
            self._clients[client.client_id] = client

    def _sorted(self, agency_id: str) -> list[Appointment]:
        found = [one for one in self._appointments.values() if one.agency_id == agency_id]
        return sorted(found, key=_place)


def _place(appointment: Appointment) -> str:
    """Where an appointment stands among those of its agency: by officer."""
    return f"{appointment.subject}#{appointment.appointment_id}"
