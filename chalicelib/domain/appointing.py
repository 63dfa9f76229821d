"""What an administrator may do with appointments, authorities and applications, and what not
(A7, A8; docs/adr/0044).

Nobody appoints themselves: what somebody gets, another person gave. An agency always has an
administrator. Both hold whoever the caller is, the head too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.access import Action, Actor, Role, Verdict, decide
from chalicelib.domain.errors import AppointmentRefusedError, FieldFault, UnavailableError
from chalicelib.domain.officers import Appointment
from chalicelib.domain.persons import Officer

BOOTSTRAP = "bootstrap"
"""Who appointed the first administrator: an operator, from outside. No issuer can call anybody so:
see `is_nobody`."""


class Intervention(StrEnum):
    """Why an operator gives an agency an administrator: its first one, or all others are lost."""

    FIRST = "first"
    LOST = "lost"


LATE = timedelta(minutes=1)
"""A caller's clock may be late by as much and still mean "now"."""


# As an issuer calls people and applications (OIDC core, 2: at most 255 characters of ASCII). No `%`:
# in a path it would stand for two names.
SUBJECT = r"^[!-$&-~]{1,255}$"


def is_nobody(subject: str) -> bool:
    """Whether this is a name that stands for no person in the records."""
    return subject == BOOTSTRAP or subject.startswith("function:")


def demand_another(by: Officer, subject: str) -> None:
    """Raises AppointmentRefusedError for who would give something to oneself."""
    if by.subject == subject:
        raise AppointmentRefusedError(
            "own_appointment",
            "Nobody appoints themselves or grants themselves authority. Another administrator of "
            "your agency has to do it.",
            "ไม่มีผู้ใดแต่งตั้งหรือมอบอำนาจให้ตนเองได้ ต้องให้ผู้ดูแลอีกคนของหน่วยงานดำเนินการ",
        )


def other_administrator(
    administrators: Iterable[Appointment], leaving: str, at: datetime
) -> Appointment:
    """Who administrates the agency once `leaving` (a subject) does not: of other people, the one
    whose appointment holds at `at` and does so longest. Somebody's own second appointment does not
    count: who leaves, leaves with all. Raises AppointmentRefusedError if there is nobody."""
    others = [one for one in administrators if one.in_force(at) and one.subject != leaving]
    if not others:
        raise last_administrator()
    return max(others, key=_how_long)


def _how_long(appointment: Appointment) -> tuple[bool, datetime]:
    until = appointment.period.until
    return until is None, until or appointment.period.since


def last_administrator() -> AppointmentRefusedError:
    return AppointmentRefusedError(
        "last_administrator",
        "This is the agency's last administrator. Appoint another person as administrator first.",
        "ผู้นี้เป็นผู้ดูแลคนสุดท้ายของหน่วยงาน โปรดแต่งตั้งผู้ดูแลคนอื่นก่อน",
    )


def client_taken() -> AppointmentRefusedError:
    """Client ids are the issuer's: one names one application, of one agency."""
    return AppointmentRefusedError(
        "client_taken",
        "This client id is not free. Use the one that the issuer gave to your application.",
        "client id นี้ใช้ไม่ได้ โปรดใช้รหัสที่ผู้ออกโทเคนกำหนดให้ระบบของท่าน",
    )


def client_moved() -> UnavailableError:
    """Two administrators at one moment: nobody writes over what was not seen, an end least of all."""
    return UnavailableError(
        "The registration was changed by another administrator meanwhile; look at it, and repeat.",
        "ผู้ดูแลอีกคนเพิ่งแก้ไขการลงทะเบียนนี้ โปรดตรวจดูอีกครั้งแล้วลองใหม่",
    )


def period_faults(
    since: datetime | None, until: datetime | None, now: datetime
) -> tuple[FieldFault, ...]:
    """Nothing holds from before it was decided: what an officer did without it was done without
    it. No `since`: from now on."""
    if since is not None and since < now - LATE:
        return (
            FieldFault(
                "/since",
                "in_the_past",
                "It holds from now on or later, never from before it was decided.",
                "มีผลได้ตั้งแต่บัดนี้หรือภายหลังเท่านั้น ไม่มีผลย้อนหลัง",
            ),
        )
    if until is not None and until <= (since or now):
        return (
            FieldFault(
                "/until",
                "ends_before_start",
                "Must lie after the beginning.",
                "ต้องอยู่หลังวันที่เริ่มมีผล",
            ),
        )
    return ()


def unit_faults(unit: str | None, units: Collection[str]) -> tuple[FieldFault, ...]:
    """None: the central Saraban unit (A12)."""
    if unit is None or unit in units:
        return ()
    return (
        FieldFault(
            "/unit",
            "unknown_unit",
            "Your agency has no unit of this id; see GET /v1/agencies.",
            "หน่วยงานของท่านไม่มีหน่วยย่อยรหัสนี้ โปรดดู GET /v1/agencies",
        ),
    )


def holder_faults(appointments: Iterable[Appointment], begins: datetime) -> tuple[FieldFault, ...]:
    """Who acts for another is an officer already, when it begins: authority adds to an
    appointment, and gives no role."""
    if any(one.holds(begins) for one in appointments):
        return ()
    return (
        FieldFault(
            "/holder",
            "not_appointed",
            "Nobody of this name is an officer of your agency when this begins. Appoint first: "
            "POST /v1/officers.",
            "ผู้นี้ยังไม่เป็นเจ้าหน้าที่ของหน่วยงานในวันที่เริ่มมีผล โปรดแต่งตั้งก่อนด้วย POST /v1/officers",
        ),
    )


def application_scopes() -> frozenset[str]:
    """What an application can be allowed at all."""
    return frozenset(
        action.value
        for action in Action
        if decide(_application(action), action).verdict is Verdict.ALLOW
    )


def _application(action: Action) -> Actor:
    return Actor(
        agency_id="any",
        subject="any",
        roles=frozenset({Role.APPLICATION}),
        scopes=frozenset({action.value}),
    )


def record_id(agency_id: str, key: str) -> str:
    """The id of what is made with an Idempotency-Key: the same for each repeat, in whatever
    container, and another for each agency."""
    return hashlib.sha256(f"{agency_id}\0{key}".encode()).hexdigest()[:32]
