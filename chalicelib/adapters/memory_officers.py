"""Fake of OfficerStore, with the same promises as the real one."""

from __future__ import annotations

import threading
from datetime import datetime

from chalicelib.domain.access import Role
from chalicelib.domain.appointing import client_moved, client_taken, last_administrator
from chalicelib.domain.clearance import is_cleared
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import (
    AlreadyBegunError,
    FieldFault,
    InvalidRequestError,
    NotFoundError,
)
from chalicelib.domain.officers import (
    Appointment,
    Authority,
    Client,
    Ending,
    revoke,
)
from chalicelib.domain.officers import end as ended
from chalicelib.domain.persons import Officer
from chalicelib.ports import AuthorityPage, OfficerPage

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
        after = _read_cursor(cursor)
        with self._lock:
            rest = [one for one in self._sorted(agency_id) if _place(one) > after]
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

    def administrators(self, agency_id: str) -> tuple[Appointment, ...]:
        with self._lock:
            return tuple(one for one in self._sorted(agency_id) if Role.ADMINISTRATOR in one.roles)

    def end(
        self, appointment: Appointment, ending: Ending, *, remaining: Appointment | None = None
    ) -> Appointment:
        with self._lock:
            key = (appointment.agency_id, appointment.appointment_id)
            if key not in self._appointments:
                raise NotFoundError
            if self._appointments[key].ended is None and self._has_ended(remaining):
                raise last_administrator()
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

    def authorities(self, agency_id: str, *, limit: int, cursor: str | None) -> AuthorityPage:
        after = _read_cursor(cursor)
        with self._lock:
            places = {
                f"{one.holder}#{one.authority_id}": one
                for one in self._authorities.values()
                if one.agency_id == agency_id
            }
        rest = sorted(place for place in places if place > after)
        page = rest[:limit]
        following = page[-1] if len(rest) > limit else None
        return AuthorityPage(tuple(places[place] for place in page), following)

    def revoke_authority(self, authority: Authority, ending: Ending) -> Authority:
        with self._lock:
            key = (authority.agency_id, authority.authority_id)
            if key not in self._authorities:
                raise NotFoundError
            self._authorities[key] = revoke(self._authorities[key], ending)
            return self._authorities[key]

    def has_registrar(self, agency_id: str, classification: Classification, at: datetime) -> bool:
        with self._lock:
            return any(
                one.agency_id == agency_id
                and one.in_force(at)
                and Role.REGISTRAR in one.roles
                and is_cleared(one.clearance, classification)
                for one in self._appointments.values()
            )

    def client(self, client_id: str) -> Client | None:
        with self._lock:
            return self._clients.get(client_id)

    def clients(self, agency_id: str) -> tuple[Client, ...]:
        with self._lock:
            found = [one for one in self._clients.values() if one.agency_id == agency_id]
        return tuple(sorted(found, key=lambda one: one.client_id))

    def put_client(self, client: Client, *, seen: Client | None) -> None:
        with self._lock:
            taken = self._clients.get(client.client_id)
            if taken is not None and taken.agency_id != client.agency_id:
                raise client_taken()
            if taken != seen:
                raise client_moved()
            self._clients[client.client_id] = client

    def _has_ended(self, appointment: Appointment | None) -> bool:
        if appointment is None:
            return False
        stored = self._appointments.get((appointment.agency_id, appointment.appointment_id))
        return stored is None or stored.ended is not None

    def _sorted(self, agency_id: str) -> list[Appointment]:
        found = [one for one in self._appointments.values() if one.agency_id == agency_id]
        return sorted(found, key=_place)


def _place(appointment: Appointment) -> str:
    """Where an appointment stands among those of its agency: by officer."""
    return f"{appointment.subject}#{appointment.appointment_id}"


def _read_cursor(cursor: str | None) -> str:
    if cursor is not None and "#" not in cursor:
        raise InvalidRequestError(
            [FieldFault("/cursor", "bad_cursor", "Use the cursor as given.", "cursor ไม่ถูกต้อง")]
        )
    return cursor or ""
