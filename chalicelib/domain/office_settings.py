"""Office hours and reminders as JSON: the one form in which they are written by hand, stored
and published.

    {"week": {"monday": [{"opens": "08:30", "closes": "12:00"}, {"opens": "13:00", "closes": "16:30"}]},
     "closed_days": [{"date": "2026-11-27", "name_th": "…", "name_en": "…"}],
     "working_days": [{"date": "2026-11-28", "hours": [{"opens": "08:30", "closes": "12:00"}]}]}

    {"express": [{"after_minutes": 240, "kind": "remind"}, {"after_minutes": 480, "kind": "escalate"}]}

`week` names the days that are open and leaves the others out; without it, it is Monday to Friday
08:30–16:30. Reminders count working minutes; an urgency left out keeps its default, an empty list
means none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from chalicelib.domain.content_rules import EARLIEST, LATEST, is_date
from chalicelib.domain.documents import Urgency
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.office_hours import (
    DEFAULT_WEEK,
    MINUTES_OF_DAY,
    ClosedDay,
    OfficeHours,
    Span,
    WorkingDay,
)
from chalicelib.domain.reminders import Reminders, Stage, StageKind
from chalicelib.domain.settings_reading import Place

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

MAX_SPANS = 8
MAX_DAYS = 366
MAX_STAGES = 8
MAX_AFTER_MINUTES = 60 * MINUTES_OF_DAY
"""Sixty times around the clock; of eight-hour days that is half a year and more."""

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_MINUTE = timedelta(minutes=1)


def office_hours_of(data: object, pointer: str = "") -> OfficeHours:
    """Read office hours. Raises InvalidRequestError with every fault, each pointing from the
    root of what `pointer` points into."""
    faults: list[FieldFault] = []
    there = Place(data, pointer, faults)
    there.only("week", "closed_days", "working_days")
    office = OfficeHours(
        week=_week(there.at("week")) if there.has("week") else DEFAULT_WEEK,
        closed_days=there.at("closed_days").each(_closed_day, MAX_DAYS),
        working_days=there.at("working_days").each(_working_day, MAX_DAYS),
    )
    if not faults:
        faults += _repeated_days(office, pointer)
    if faults:
        raise InvalidRequestError(faults)
    return office


def office_hours_data(office: OfficeHours) -> dict[str, Any]:
    """Office hours as JSON; `office_hours_of` reads it back to the same."""
    return {
        "week": {
            name: [_span_data(span) for span in spans]
            for name, spans in zip(WEEKDAYS, office.week, strict=True)
            if spans
        },
        "closed_days": [
            {"date": closed.day.isoformat(), "name_th": closed.name_th, "name_en": closed.name_en}
            for closed in office.closed_days
        ],
        "working_days": [
            {"date": working.day.isoformat(), "hours": [_span_data(s) for s in working.hours]}
            for working in office.working_days
        ],
    }


def closed_days_of(data: object, pointer: str = "") -> tuple[ClosedDay, ...]:
    """Read a list of closed days alone. Raises InvalidRequestError with every fault."""
    faults: list[FieldFault] = []
    days = Place(data, pointer, faults).each(_closed_day, MAX_DAYS)
    if not faults:
        faults += _repeated_days(
            OfficeHours(closed_days=days), pointer.removesuffix("/closed_days")
        )
    if faults:
        raise InvalidRequestError(faults)
    return days


def reminders_of(data: object, pointer: str = "") -> Reminders:
    """Read reminders. Raises InvalidRequestError with every fault."""
    faults: list[FieldFault] = []
    there = Place(data, pointer, faults)
    there.only(*Urgency)
    given = {urgency: _stages(there.at(urgency)) for urgency in Urgency if there.has(urgency)}
    if faults:
        raise InvalidRequestError(faults)
    return Reminders(stages={**Reminders().stages, **given})


def reminders_data(reminders: Reminders) -> dict[str, Any]:
    """Reminders as JSON; `reminders_of` reads it back to the same."""
    return {
        str(urgency): [
            {"after_minutes": stage.after // _MINUTE, "kind": str(stage.kind)} for stage in stages
        ]
        for urgency, stages in reminders.stages.items()
    }


# -- pieces ------------------------------------------------------------------


def _day(there: Place) -> date | None:
    if isinstance(there.value, str) and is_date(there.value):
        return date.fromisoformat(there.value)
    there.fault(
        "wrong_format",
        f"There is no such day. Use YYYY-MM-DD, Common Era, {EARLIEST} to {LATEST}.",
        f"ไม่มีวันที่นี้ โปรดใช้ ปปปป-ดด-วว ปี ค.ศ. {EARLIEST} ถึง {LATEST}",
    )
    return None


def _minutes(there: Place) -> int:
    if type(there.value) is int and 1 <= there.value <= MAX_AFTER_MINUTES:
        return there.value
    there.fault(
        "wrong_format",
        f"Must be a whole number of minutes, 1 to {MAX_AFTER_MINUTES}.",
        f"ต้องเป็นจำนวนนาที 1 ถึง {MAX_AFTER_MINUTES}",
    )
    return 0


def _week(there: Place) -> tuple[tuple[Span, ...], ...]:
    there.only(*WEEKDAYS)
    week = tuple(_spans(there.at(name)) for name in WEEKDAYS)
    if not there.faults and not any(week):
        there.fault(
            "never_open",
            "At least one weekday must be open.",
            "ต้องมีวันทำการอย่างน้อยหนึ่งวันในสัปดาห์",
        )
    return week


def _spans(there: Place) -> tuple[Span, ...]:
    spans = there.each(_span, MAX_SPANS)
    if any(later.opens < earlier.closes for earlier, later in pairwise(spans)):
        there.fault(
            "not_in_order",
            "Hours of a day must follow each other without overlapping.",
            "ช่วงเวลาในหนึ่งวันต้องเรียงลำดับและไม่ซ้อนกัน",
        )
    return spans


def _span(there: Place) -> Span | None:
    there.only("opens", "closes")
    clocks = [there.at(name) for name in ("opens", "closes")]
    right = True
    for clock in clocks:
        if not (isinstance(clock.value, str) and _CLOCK.fullmatch(clock.value)):
            right = False
            clock.fault(
                "wrong_format",
                "Use a time of day as HH:MM, 00:00 to 24:00.",
                "โปรดระบุเวลาเป็น ชช:นน ตั้งแต่ 00:00 ถึง 24:00",
            )
    if not right:
        return None
    span = Span.of(*(str(clock.value) for clock in clocks))
    if span.opens >= span.closes:
        there.fault(
            "not_in_order",
            "The time of closing must be after the time of opening, on the same day.",
            "เวลาปิดต้องอยู่หลังเวลาเปิดในวันเดียวกัน",
        )
    return span


def _closed_day(there: Place) -> ClosedDay | None:
    there.only("date", "name_th", "name_en")
    day = _day(there.at("date"))
    name_th, name_en = there.at("name_th").text(), there.at("name_en").text()
    return ClosedDay(day, name_th, name_en) if day else None


def _working_day(there: Place) -> WorkingDay | None:
    there.only("date", "hours")
    day, hours = _day(there.at("date")), _spans(there.at("hours"))
    if not hours:
        there.at("hours").fault(
            "missing", "Say in which hours the agency is open.", "ต้องระบุเวลาทำการของวันนี้"
        )
    return WorkingDay(day, hours) if day else None


def _stages(there: Place) -> tuple[Stage, ...]:
    stages = there.each(_stage, MAX_STAGES)
    if any(later.after <= earlier.after for earlier, later in pairwise(stages)):
        there.fault(
            "not_in_order",
            "Each stage must come later than the one before.",
            "แต่ละขั้นต้องอยู่หลังขั้นก่อนหน้า",
        )
    return stages


def _stage(there: Place) -> Stage | None:
    there.only("after_minutes", "kind")
    minutes, kind = _minutes(there.at("after_minutes")), there.at("kind")
    if kind.value not in list(StageKind):
        kind.fault(
            "not_allowed",
            f"Must be one of {', '.join(StageKind)}.",
            f"ต้องเป็นค่าใดค่าหนึ่งใน {', '.join(StageKind)}",
        )
        return None
    return Stage(minutes * _MINUTE, StageKind(str(kind.value)))


def _repeated_days(office: OfficeHours, pointer: str) -> Iterator[FieldFault]:
    """A day is named once, as closed or as working."""
    days = [(f"{pointer}/closed_days/{n}", d.day) for n, d in enumerate(office.closed_days)]
    days += [(f"{pointer}/working_days/{n}", d.day) for n, d in enumerate(office.working_days)]
    seen: set[date] = set()
    for place, day in days:
        if day in seen:
            yield FieldFault(
                f"{place}/date",
                "repeated",
                "This day is named more than once.",
                "ระบุวันนี้ซ้ำ",
            )
        seen.add(day)


def _span_data(span: Span) -> dict[str, str]:
    opens, closes = span.clock
    return {"opens": opens, "closes": closes}
