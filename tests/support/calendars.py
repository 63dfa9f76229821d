"""Calendars for tests: random ones, and a slow way to tell working time that shares no code
with the fast one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import strategies as st

from chalicelib.adapters.holidays import read_holidays
from chalicelib.domain.holidays import HolidayYear
from chalicelib.domain.office_hours import (
    MINUTES_OF_DAY,
    ClosedDay,
    OfficeHours,
    Span,
    WorkingDay,
)

THAILAND = read_holidays()
_PLAIN = HolidayYear(provisional=True, source="made up", days={})
THAILAND_AND_LATER = replace(
    THAILAND, years={**dict.fromkeys(range(2025, 2080), _PLAIN), **THAILAND.years}
)
"""With years after those that are known: an office that opens a quarter of an hour a week needs
years for some days' work."""

MINUTE = timedelta(minutes=1)

_PLUS_SEVEN = timezone(timedelta(hours=7))
_FIRST = date(2026, 4, 1)
"""Random days lie around here: Songkran, a substitute or two, and weekends."""
_DAYS = 45


def at(text: str) -> datetime:
    """`at("2026-04-10 16:30")`, on the clocks of Bangkok."""
    return datetime.fromisoformat(f"{text}+07:00")


def day_of(number: int) -> date:
    return _FIRST + timedelta(days=number)


@st.composite
def spans(draw: st.DrawFn, *, at_least: int = 0) -> tuple[Span, ...]:
    """Hours of one day: up to three spans, some of which touch."""
    count = draw(st.integers(at_least, 3))
    edge = st.integers(0, MINUTES_OF_DAY // 15).map(lambda quarter: quarter * 15)
    edges = sorted(draw(st.lists(edge, min_size=2 * count, max_size=2 * count)))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    found = tuple(Span(opens, closes) for opens, closes in pairs if opens < closes)
    return found if len(found) >= at_least else (Span(510, 990),)


@st.composite
def offices(draw: st.DrawFn) -> OfficeHours:
    """Random weeks, closed days and working days around Songkran 2569."""
    week = [draw(spans()) for _ in range(6)]
    numbers = st.lists(st.integers(0, _DAYS), max_size=8, unique=True)
    odd = draw(numbers)
    closed, working = odd[::2], odd[1::2]
    return OfficeHours(
        week=(*week, draw(spans(at_least=1))),
        closed_days=tuple(ClosedDay(day_of(n), "ปิด", "closed") for n in closed),
        working_days=tuple(WorkingDay(day_of(n), draw(spans(at_least=1))) for n in working),
    )


instants = st.integers(0, _DAYS * MINUTES_OF_DAY).map(
    lambda minutes: datetime(2026, 4, 1, tzinfo=_PLUS_SEVEN).astimezone(UTC) + minutes * MINUTE
)
"""Whole minutes of those days."""


def open_in_minute(office: OfficeHours, instant: datetime) -> bool:
    """Whether the office works in the minute that begins at `instant`: read off its settings
    one rule after the other."""
    local = instant.astimezone(_PLUS_SEVEN)
    minute = local.hour * 60 + local.minute
    hours = office.week[local.weekday()]
    if local.date() in _HOLIDAYS:
        hours = ()
    if any(closed.day == local.date() for closed in office.closed_days):
        hours = ()
    for working in office.working_days:
        if working.day == local.date():
            hours = working.hours
    return any(span.opens <= minute < span.closes for span in hours)


_HOLIDAYS = frozenset(day for year in THAILAND.years.values() for day in year.days)
