"""The first administrator of an agency, and another one when all are lost (`tra bootstrap`).

An operator does this with the cloud's own credentials: there is nobody yet who could sign in. It
is done once for each agency, and loudly: the record says `bootstrap`, a line is logged, a metric
raises an alarm (docs/adr/0044, docs/runbook.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.access import Role
from chalicelib.domain.appointing import BOOTSTRAP, SUBJECT, Intervention, is_nobody
from chalicelib.domain.errors import (
    AppointmentRefusedError,
    FieldFault,
    InvalidRequestError,
    NotFoundError,
)
from chalicelib.domain.officers import Appointment, Period
from chalicelib.ports import Clock, Directory, OfficerStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapRoom:
    """`announce` makes it heard. Raises UnavailableError, and then nothing is done."""

    officers: OfficerStore
    directory: Directory
    clock: Clock
    new_id: Callable[[], str]
    announce: Callable[[str, Intervention], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAdministrator:
    """Who it is, by which order of the head (คำสั่งที่)."""

    agency_id: str
    subject: str
    name_th: str
    position_th: str
    order: str

    def made_at(self, at: datetime, appointment_id: str) -> Appointment:
        return Appointment(
            appointment_id=appointment_id,
            agency_id=self.agency_id,
            subject=self.subject,
            name_th=self.name_th,
            position_th=self.position_th,
            roles=frozenset({Role.ADMINISTRATOR}),
            period=Period(at),
            order=self.order,
            appointed_by=BOOTSTRAP,
            appointed_at=at,
        )


def begin_agency(first: FirstAdministrator, *, room: BootstrapRoom) -> Appointment:
    """Appoint the first administrator. Raises NotFoundError for an agency that is not onboarded,
    AlreadyBegunError if there ever was one.

    Dies before step 3: it was announced, and did not happen. Repeatable then; after step 3 the
    repeat raises AlreadyBegunError, and `tra officers` shows who it is.
    """
    # 1. Only of an agency that there is, and somebody who can sign in.
    _demand_sense(first, room.directory)

    # 2. Heard even if step 3 fails: who tries this in vain is of interest too.
    room.announce(first.agency_id, Intervention.FIRST)

    # 3. One transaction with the mark that an agency has only once.
    appointment = first.made_at(room.clock(), room.new_id())
    room.officers.begin(appointment)
    return appointment


def replace_lost(another: FirstAdministrator, *, room: BootstrapRoom) -> Appointment:
    """Appoint another administrator when those of the agency are all lost: dead, gone, without
    their second factor. As loud as the first; the lost ones are ended by the new one.

    Raises NotFoundError, AppointmentRefusedError for an agency that never began. Dies before
    step 3: it was announced, and did not happen.
    """
    # 1. This is no second way to begin.
    _demand_sense(another, room.directory)
    if not room.officers.administrators(another.agency_id):
        raise AppointmentRefusedError(
            "not_begun",
            "The agency never had an administrator; appoint its first one.",
            "หน่วยงานนี้ยังไม่เคยมีผู้ดูแล โปรดตั้งผู้ดูแลคนแรก",
        )

    # 2. Heard, whatever becomes of it.
    room.announce(another.agency_id, Intervention.LOST)

    # 3. An appointment beside the others.
    return room.officers.appoint(another.made_at(room.clock(), room.new_id()))


def _demand_sense(somebody: FirstAdministrator, directory: Directory) -> None:
    if directory.agency(somebody.agency_id) is None:
        raise NotFoundError
    faults = [
        FieldFault(f"/{name}", "wrong_format", *_NO_TEXT)
        for name in ("name_th", "position_th", "order")
        if not getattr(somebody, name).strip() or not getattr(somebody, name).isprintable()
    ]
    if not re.match(SUBJECT, somebody.subject) or is_nobody(somebody.subject):
        faults.append(FieldFault("/subject", "wrong_format", *_NO_SUBJECT))
    if faults:
        raise InvalidRequestError(faults)


_NO_TEXT = ("Must be text that can be printed.", "ต้องเป็นข้อความที่พิมพ์ได้")
_NO_SUBJECT = (
    "Must be the `sub` of a person, as the identity provider issues it: ASCII without spaces.",
    "ต้องเป็นค่า sub ของบุคคลตามที่ผู้ให้บริการยืนยันตัวตนกำหนด เป็นอักษร ASCII ไม่มีช่องว่าง",
)
