"""Print a report on accesses as an auditor files it: A4 across, in Thai (C5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.access_words import (
    UNNAMED,
    action_words,
    classification_words,
    moment_in_thai,
    reason_words,
)
from chalicelib.domain.directory import Agency
from chalicelib.domain.thai import long_instant, to_thai_digits
from chalicelib.ports import Clock, RegisterPrinter, RegisterSheet
from chalicelib.services.report_access import Told

_HEADS = (
    "ลำดับ",
    "วัน เดือน ปี เวลา",
    "หน่วยงาน",
    "ผู้เข้าถึง",
    "การกระทำ",
    "สิ่งที่เข้าถึง",
    "ชั้นความลับ",
    "จาก และเหตุที่เข้าถึงได้",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRoom:
    """Collaborators of `print_accesses`."""

    printer: RegisterPrinter
    clock: Clock


def print_accesses(
    told: Sequence[Told], about: str, agency: Agency, *, period: str | None, room: PaperRoom
) -> bytes:
    """PDF. `about` says of whom or what the report is, `period` of which days, as asked. Raises
    RenderError, UnavailableError."""
    now = room.clock()
    sheet = RegisterSheet(
        agency=agency.name_th,
        title="รายงานการเข้าถึง",
        year=about,
        extent=f"{to_thai_digits(str(len(told)))} รายการ",
        selection=period,
        printed_at=long_instant(now),
        created_at=int(now.timestamp()),
        heads=_HEADS,
        rows=tuple(_row(number, one) for number, one in enumerate(told, 1)),
    )
    return room.printer.print_register(sheet)


def _row(number: int, told: Told) -> tuple[str, ...]:
    one, appointed = told.access, told.appointment
    named = f"{appointed.name_th} {appointed.position_th}" if appointed else one.subject
    reason = reason_words(one.reason)[0]
    return (
        to_thai_digits(str(number)),
        moment_in_thai(one.at),
        one.agency_id,
        named if told.named else UNNAMED[0],
        action_words(one.action)[0],
        one.thing_id,
        classification_words(one.classification)[0],
        f"{one.address} {reason}" if told.own else reason,
    )
