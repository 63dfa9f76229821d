"""Who asks, with what: the token says who, the directory of officers what (A7, P6).

Read for every request and with strong consistency: an appointment takes effect at once, and so
does its end. Nothing is kept between requests.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.access import Actor, Role
from chalicelib.domain.errors import ForbiddenError
from chalicelib.domain.identity import Identity
from chalicelib.domain.officers import standing_at
from chalicelib.domain.persons import Officer
from chalicelib.ports import OfficerStore


def identify(identity: Identity, *, officers: OfficerStore, at: datetime) -> tuple[Actor, ...]:
    """An application as what it is registered for, a person as each of the appointments that hold
    at `at`: role and clearance come from one and the same. Never empty.

    Raises ForbiddenError (`not_appointed`, `not_registered`), UnavailableError.
    """
    if identity.client_id is not None:
        return (_application(identity, identity.client_id, officers),)
    agency_id = identity.agency_id or ""
    held = officers.appointments_of(Officer(agency_id, identity.subject))
    standing = standing_at(held, agency_id, identity.subject, at)
    if not standing.appointments:
        raise _not_appointed()
    return tuple(
        Actor(
            agency_id=agency_id,
            subject=identity.subject,
            roles=one.roles,
            scopes=identity.scopes,
            name=one.name_th,
            clearance=one.clearance,
            appointment_id=one.appointment_id,
        )
        for one in standing.appointments
    )


def _application(identity: Identity, client_id: str, officers: OfficerStore) -> Actor:
    client = officers.client(client_id)
    if client is None or not client.in_force:
        raise _not_registered()
    if identity.agency_id not in {None, client.agency_id}:
        raise _not_registered()
    return Actor(
        agency_id=client.agency_id,
        subject=client_id,
        roles=frozenset({Role.APPLICATION}),
        scopes=identity.scopes & client.scopes,
        name=client.name_th,
    )


def _not_appointed() -> ForbiddenError:
    return ForbiddenError(
        "not_appointed",
        "You are signed in, but hold no appointment in this agency now. The head of the agency, "
        "or who may appoint for it, appoints you (POST /v1/officers); it takes effect at once.",
        "ท่านเข้าสู่ระบบแล้ว แต่ขณะนี้ไม่มีการแต่งตั้งที่มีผลในหน่วยงานนี้ "
        "โปรดให้หัวหน้าหน่วยงานหรือผู้มีอำนาจแต่งตั้งแทนแต่งตั้งท่าน (POST /v1/officers) ซึ่งมีผลทันที",
    )


def _not_registered() -> ForbiddenError:
    return ForbiddenError(
        "not_registered",
        "This application is not registered for the agency now. Who may appoint officers of the "
        "agency registers it by its client id, with the scopes it may use; it takes effect at once.",
        "ระบบงานนี้ไม่ได้ลงทะเบียนกับหน่วยงาน หรือการลงทะเบียนสิ้นสุดแล้ว "
        "โปรดให้ผู้มีอำนาจแต่งตั้งของหน่วยงานลงทะเบียน client id พร้อมขอบเขตสิทธิ (scope) ที่ใช้ได้ ซึ่งมีผลทันที",
    )
