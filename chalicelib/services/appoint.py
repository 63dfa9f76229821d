"""Appoint officers of an agency, and end appointments (issue 7, item 1; A7, docs/adr/0044)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.access import Role
from chalicelib.domain.appointing import (
    demand_another,
    other_administrator,
    period_faults,
    unit_faults,
)
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import (
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
)
from chalicelib.domain.officers import Appointment, Ending, Period
from chalicelib.domain.persons import Officer
from chalicelib.ports import Clock, Directory, OfficerStore

Prove = Callable[[], object]
"""Uses the second factor of who asks, for exactly what is asked. Raises FactorRefusedError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonnelOffice:
    """Collaborators of everything about officers, authorities and applications."""

    officers: OfficerStore
    directory: Directory
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentRequest:
    """Whom to appoint to what, and on whose word. No `since`: from now on."""

    appointment_id: str
    by: Officer
    subject: str
    name_th: str
    position_th: str
    unit: str | None
    roles: frozenset[Role]
    clearance: Classification
    since: datetime | None
    until: datetime | None
    order: str

    def made_at(self, at: datetime) -> Appointment:
        return Appointment(
            appointment_id=self.appointment_id,
            agency_id=self.by.agency_id,
            subject=self.subject,
            name_th=self.name_th,
            position_th=self.position_th,
            unit=self.unit,
            roles=self.roles,
            clearance=self.clearance,
            period=Period(self.since or at, self.until),
            order=self.order,
            appointed_by=self.by.subject,
            appointed_at=at,
        )


def appoint(request: AppointmentRequest, prove: Prove, *, office: PersonnelOffice) -> Appointment:
    """Appoint an officer; it holds from the moment it is stored, or from `since`.

    Raises AppointmentRefusedError for who would appoint oneself, InvalidRequestError for a unit
    that is none or a time that is past, IdempotencyKeyReusedError, FactorRefusedError.

    Dies before step 4: nothing is stored, and the same request, made again, goes on with the same
    use of the factor. Dies after it: the repeat is answered by step 1.
    """
    # 1. A repeat is answered with what was stored, however late it comes.
    stored = office.officers.appointment(request.by.agency_id, request.appointment_id)
    if stored is not None:
        return _the_same(stored, request)

    # 2. What is refused whoever asks.
    now = office.clock()
    demand_another(request.by, request.subject)
    agency = office.directory.agency(request.by.agency_id)
    units = {unit.unit_id for unit in agency.units} if agency else set()
    faults = period_faults(request.since, request.until, now)
    faults += unit_faults(request.unit, units)
    if faults:
        raise InvalidRequestError(faults)

    # 3. Spent only on what can be done.
    prove()

    # 4. The first with this id stands.
    return _the_same(office.officers.appoint(request.made_at(now)), request)


def end_appointment(
    agency_id: str, appointment_id: str, ending: Ending, prove: Prove, *, office: PersonnelOffice
) -> Appointment:
    """End an appointment at once. Repeatable: the first end stands.

    Raises NotFoundError, AppointmentRefusedError for the last administrator's, FactorRefusedError.
    Dies anywhere: it ended, or it did not.
    """
    # 1. Only what there is, and once.
    found = office.officers.appointment(agency_id, appointment_id)
    if found is None:
        raise NotFoundError
    if found.ended is not None:
        return found

    # 2. An agency always has who may appoint: who remains is held to it in the same transaction.
    remaining = None
    if Role.ADMINISTRATOR in found.roles and found.holds(ending.at):
        heads = office.officers.administrators(agency_id)
        remaining = other_administrator(heads, found.subject, ending.at)

    # 3. Spent only on what can be done.
    prove()

    # 4. At once, for every request that comes after.
    return office.officers.end(found, ending, remaining=remaining)


def _the_same(stored: Appointment, request: AppointmentRequest) -> Appointment:
    try:
        asked = request.made_at(stored.appointed_at)
    except ValueError as error:  # a period that is none was never stored
        raise IdempotencyKeyReusedError from error
    if asked != replace(stored, ended=None):
        raise IdempotencyKeyReusedError
    return stored
