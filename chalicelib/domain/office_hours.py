"""Working time: when an agency is open, when what enters counts, and what time is left.

Clock times are those of Asia/Bangkok. Instants come in with a time zone and go out in UTC.
Every span is half-open: an office open 08:30 to 16:30 is open at 08:30:00 and closed at
16:30:00. So the time at which a deadline is over is always one at which somebody is there
to act on it: eight hours from Monday 08:30 end on Tuesday 08:30, when Tuesday opens, and not
at the moment Monday closes (docs/adr/0040).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self

from chalicelib.domain.holidays import Holidays
from chalicelib.domain.thai import BANGKOK, in_bangkok

MINUTES_OF_DAY = 24 * 60

_DAY = timedelta(days=1)
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Open from `opens` until before `closes`: minutes after midnight, at most 1440."""

    opens: int
    closes: int

    @classmethod
    def of(cls, opens: str, closes: str) -> Self:
        """From clock times: `Span.of("08:30", "16:30")`; the day ends at 24:00."""
        minutes = [int(clock[:2]) * 60 + int(clock[3:]) for clock in (opens, closes)]
        return cls(*minutes)

    @property
    def clock(self) -> tuple[str, str]:
        """As people write it: `("08:30", "16:30")`."""
        opens, closes = (f"{at // 60:02}:{at % 60:02}" for at in (self.opens, self.closes))
        return opens, closes


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day on which the agency is closed although its week says open."""

    day: date
    name_th: str
    name_en: str


@dataclass(frozen=True, slots=True)
class WorkingDay:
    """A day on which the agency is open in `hours`, whatever its week and the holidays say."""

    day: date
    hours: tuple[Span, ...]


_OFFICE_DAY = (Span.of("08:30", "16:30"),)

DEFAULT_WEEK: tuple[tuple[Span, ...], ...] = (*(_OFFICE_DAY,) * 5, (), ())
"""Monday to Friday 08:30–16:30: a setting, as are all hours. The head of an agency sets others
(A14), a noon break among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeHours:
    """What the head of an agency set: hours of each weekday (Monday first, ascending, not
    overlapping), and days that differ. `working_days` stand above `closed_days`, those above
    public holidays, and those above the week."""

    week: tuple[tuple[Span, ...], ...] = DEFAULT_WEEK
    closed_days: tuple[ClosedDay, ...] = ()
    working_days: tuple[WorkingDay, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """When something entered the recipient's system (A20), and when that counts: at once in
    office hours, otherwise at the next working time (E2, section 10). In UTC."""

    entered: datetime
    counted: datetime


class WorkingTime:
    """The working time of one agency.

    Everything here raises UnknownYearError where the answer lies in, or beyond, a year without
    holiday data, and ValueError for an instant without time zone. What is far off is found day
    by day, so it costs a few microseconds a day.
    """

    def __init__(self, office: OfficeHours, holidays: Holidays) -> None:
        self._week = office.week
        self._closed = frozenset(closed.day for closed in office.closed_days)
        self._working = {working.day: working.hours for working in office.working_days}
        self._holidays = holidays

    def hours_of(self, day: date) -> tuple[Span, ...]:
        """When the agency is open on `day`; empty if it is not."""
        on_holiday = self._holidays.on(day)  # first, because it knows the limits of the data
        if day in self._working:
            return self._working[day]
        if day in self._closed or on_holiday:
            return ()
        return self._week[day.weekday()]

    def is_open(self, instant: datetime) -> bool:
        """Whether `instant` is working time."""
        return any(
            opens <= instant < closes
            for opens, closes in self._spans_of(in_bangkok(instant).date())
        )

    def counted_arrival(self, entered: datetime) -> Arrival:
        """When what entered at `entered` counts as received (E2, section 10)."""
        counted = self.add_working_time(entered, _NOTHING)
        return Arrival(entered.astimezone(UTC), counted)

    def add_working_time(self, instant: datetime, amount: timedelta) -> datetime:
        """The first moment of working time at which `amount` of it has gone by since `instant`.

        Raises ValueError for a negative amount.
        """
        if amount < _NOTHING:
            raise ValueError("working time is added forwards only")
        left = amount
        for opens, closes in self._spans_from(in_bangkok(instant).date()):
            begins = max(opens, instant)
            if left < closes - begins:
                return (begins + left).astimezone(UTC)
            left -= max(closes - begins, _NOTHING)
        raise AssertionError("spans end only by an error")

    def working_time_between(self, start: datetime, end: datetime) -> timedelta:
        """How much working time lies from `start` until before `end`.

        Raises ValueError if `end` is earlier.
        """
        start, end = in_bangkok(start), in_bangkok(end)
        if end < start:
            raise ValueError("the end is before the start")
        day, total = start.date(), _NOTHING
        while day <= end.date():
            for opens, closes in self._spans_of(day):
                total += max(min(closes, end) - max(opens, start), _NOTHING)
            day += _DAY
        return total

    def deadline(
        self, after: datetime, *, working: timedelta, within: datetime | None = None
    ) -> datetime:
        """When `working` time after `after` is over, or earlier if `within` (ด่วนภายใน, a date
        and time, which counts whether or not the office is open then) comes first."""
        if within is None:
            return self.add_working_time(after, working)
        after, within = in_bangkok(after), in_bangkok(within)
        # Not past `within`: what comes after it needs no holiday data.
        if within <= after or self.working_time_between(after, within) <= working:
            return within.astimezone(UTC)
        return self.add_working_time(after, working)

    def _spans_of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=BANGKOK)
        for span in self.hours_of(day):
            yield (
                midnight + timedelta(minutes=span.opens),
                midnight + timedelta(minutes=span.closes),
            )

    def _spans_from(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """Ascending; ends by UnknownYearError where the data ends."""
        while True:
            yield from self._spans_of(day)
            day += _DAY
