"""Working time: when an agency is open, when what enters counts, how much time is left."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import ConfigurationError, UnknownYearError
from chalicelib.domain.holidays import Holidays
from chalicelib.domain.office_hours import (
    ClosedDay,
    OfficeHours,
    Span,
    WorkingDay,
    WorkingTime,
)
from tests.support.calendars import (
    MINUTE,
    THAILAND,
    THAILAND_AND_LATER,
    at,
    instants,
    offices,
    open_in_minute,
    spans,
)

HOUR = timedelta(hours=1)
DEFAULT = WorkingTime(OfficeHours(), THAILAND)
NOON_BREAK = WorkingTime(
    OfficeHours(
        week=(*((Span.of("08:30", "12:00"), Span.of("13:00", "16:30")),) * 5, (), ()),
        closed_days=(ClosedDay(date(2026, 11, 27), "วันสถาปนากรม", "Founding day"),),
        working_days=(
            WorkingDay(date(2026, 11, 28), (Span.of("09:00", "12:00"),)),
            WorkingDay(date(2026, 12, 7), (Span.of("00:00", "24:00"),)),
        ),
    ),
    THAILAND,
)


@pytest.mark.parametrize(
    ("entered", "counted"),
    [
        ("2026-11-20 08:30", "2026-11-20 08:30"),  # Friday, at the minute of opening
        ("2026-11-20 08:29", "2026-11-20 08:30"),
        ("2026-11-20 12:30", "2026-11-20 12:30"),  # no noon break unless one is set
        ("2026-11-20 16:29", "2026-11-20 16:29"),
        ("2026-11-20 16:30", "2026-11-23 08:30"),  # closed at the minute of closing
        ("2026-11-22 10:00", "2026-11-23 08:30"),  # Sunday
        ("2026-04-10 17:00", "2026-04-16 08:30"),  # weekend, then Songkran
        ("2025-04-11 17:00", "2025-04-17 08:30"),  # Songkran and its substitute
        ("2026-12-30 16:30", "2027-01-04 08:30"),  # over the end of the year
    ],
)
def test_what_enters_outside_office_hours_counts_at_the_next_working_time(
    entered: str, counted: str
) -> None:
    """E2, section 10: both times are kept, and they are the same in office hours (A20)."""
    arrival = DEFAULT.counted_arrival(at(entered))
    assert (arrival.entered, arrival.counted) == (at(entered), at(counted))
    assert arrival.entered.tzinfo is arrival.counted.tzinfo is UTC


@pytest.mark.parametrize(
    ("entered", "counted"),
    [
        ("2026-11-26 11:59", "2026-11-26 11:59"),
        ("2026-11-26 12:00", "2026-11-26 13:00"),
        ("2026-11-26 16:30", "2026-11-28 09:00"),  # its own closed Friday, then a working Saturday
        ("2026-11-28 12:00", "2026-11-30 08:30"),
        ("2026-12-04 16:30", "2026-12-07 00:00"),  # open on a substitute holiday, all day
        ("2026-12-07 23:59", "2026-12-07 23:59"),
        ("2026-12-08 00:00", "2026-12-08 08:30"),
    ],
)
def test_hours_set_by_the_head_are_what_counts(entered: str, counted: str) -> None:
    """A14: noon break, own closed days, and working days that stand above holidays."""
    assert NOON_BREAK.counted_arrival(at(entered)).counted == at(counted)


def test_seconds_and_less_are_not_lost() -> None:
    """A20: a deciding instant is exact; the last microsecond of a day is still that day."""
    last = at("2026-11-20 16:30") - timedelta(microseconds=1)
    assert DEFAULT.counted_arrival(last).counted == last
    after = DEFAULT.add_working_time(last, timedelta(microseconds=1))
    assert after == at("2026-11-23 08:30")


def test_a_day_of_work_ends_when_the_next_one_begins() -> None:
    """ADR 0040: what is over when the office closes is acted on when it opens."""
    assert DEFAULT.add_working_time(at("2026-11-20 08:30"), 8 * HOUR) == at("2026-11-23 08:30")
    assert NOON_BREAK.add_working_time(at("2026-11-24 08:30"), 7 * HOUR) == at("2026-11-25 08:30")
    assert NOON_BREAK.add_working_time(at("2026-11-24 11:00"), HOUR) == at("2026-11-24 13:00")


def test_a_deadline_with_date_and_time_comes_first() -> None:
    """Issue 6, 1 (ด่วนภายใน): it is absolute, also on a Sunday; without it working time decides."""
    friday = at("2026-11-20 16:00")
    assert DEFAULT.deadline(friday, working=2 * HOUR) == at("2026-11-23 10:00")
    for within in ("2026-11-22 12:00", "2026-11-23 09:59", "2026-11-23 10:00", "2026-11-20 15:00"):
        assert DEFAULT.deadline(friday, working=2 * HOUR, within=at(within)) == at(within)
    at_closing = at("2026-11-20 16:30")
    assert DEFAULT.deadline(friday, working=HOUR / 2, within=at_closing) == at_closing
    later = at("2026-11-23 10:01")
    assert DEFAULT.deadline(friday, working=2 * HOUR, within=later) == at("2026-11-23 10:00")


def test_a_year_without_data_is_told() -> None:
    """Issue 6, 1: deadlines are not guessed; the error names the year and the file to extend,
    in both languages, and counts as configuration."""
    with pytest.raises(UnknownYearError) as raised:
        DEFAULT.counted_arrival(at("2027-12-31 09:00"))  # a holiday; what follows is 2571
    assert raised.value.year == 2028
    assert isinstance(raised.value, ConfigurationError)
    assert "chalicelib/data/holidays-th.json" in raised.value.detail
    assert "2571" in raised.value.detail
    assert "2571" in raised.value.detail_th
    for instant in ("2028-01-03 09:00", "2024-12-30 09:00", "2028-01-01 09:00"):
        with pytest.raises(UnknownYearError):
            DEFAULT.is_open(at(instant))
    with pytest.raises(UnknownYearError):
        DEFAULT.working_time_between(at("2027-12-30 09:00"), at("2028-01-02 09:00"))


def test_the_edge_of_the_data_is_exact() -> None:
    """Issue 6, 1: what is known is answered, up to the last minute of the last year."""
    assert DEFAULT.working_time_between(at("2027-12-30 16:00"), at("2027-12-31 23:59")) == HOUR / 2
    within = at("2027-12-31 23:00")
    assert DEFAULT.deadline(at("2027-12-30 16:00"), working=8 * HOUR, within=within) == within


def test_an_agency_that_never_opens_is_not_waited_for_for_ever() -> None:
    """P4: settings refuse such a week; should one come about, an error ends the search."""
    never = WorkingTime(OfficeHours(week=((),) * 7), THAILAND)
    with pytest.raises(UnknownYearError):
        never.counted_arrival(at("2026-11-20 09:00"))


def test_times_without_zone_and_backward_time_are_refused() -> None:
    """A20: a time that could be UTC or Bangkok decides nothing."""
    naive = datetime(2026, 11, 20, 9)
    zoned = at("2026-11-20 09:00")
    for ask in (
        lambda: DEFAULT.is_open(naive),
        lambda: DEFAULT.counted_arrival(naive),
        lambda: DEFAULT.working_time_between(naive, naive),
        lambda: DEFAULT.deadline(zoned, working=HOUR, within=naive),
        lambda: DEFAULT.add_working_time(zoned, -HOUR),
        lambda: DEFAULT.working_time_between(zoned, zoned - HOUR),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - any of its texts
            ask()


def test_no_holidays_at_all_is_an_unknown_year() -> None:
    """Issue 6, 1: an empty file closes nothing silently."""
    with pytest.raises(UnknownYearError, match="somewhere"):
        WorkingTime(OfficeHours(), Holidays({}, "somewhere")).is_open(at("2026-11-20 09:00"))


# -- for every calendar ------------------------------------------------------

amounts = st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=60))


@given(offices(), instants, amounts)
def test_added_time_is_measured_again(
    office: OfficeHours, instant: datetime, amount: timedelta
) -> None:
    """For any calendar: adding working time and measuring it gives the same back, and the
    time it leads to is working time."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    over = hours.add_working_time(instant, amount)
    assert hours.working_time_between(instant, over) == amount
    assert hours.is_open(over)
    assert over >= instant


@given(offices(), instants, amounts, amounts)
def test_adding_twice_is_adding_once(
    office: OfficeHours, instant: datetime, one: timedelta, other: timedelta
) -> None:
    """For any calendar: stages do not drift; one after another end where their sum ends."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    step = hours.add_working_time(instant, one)
    assert hours.add_working_time(step, other) == hours.add_working_time(instant, one + other)


@given(offices(), instants, instants, amounts, amounts)
def test_later_never_ends_earlier(
    office: OfficeHours, one: datetime, other: datetime, less: timedelta, more: timedelta
) -> None:
    """For any calendar: who comes later, or has more time, is not due before."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    earlier, later = sorted((one, other))
    short, long = sorted((less, more))
    assert hours.add_working_time(earlier, short) <= hours.add_working_time(later, short)
    assert hours.add_working_time(earlier, short) <= hours.add_working_time(earlier, long)
    assert (hours.add_working_time(earlier, short) < hours.add_working_time(earlier, long)) is (
        short < long
    )


@given(offices(), instants)
def test_an_arrival_counts_at_the_first_open_moment(office: OfficeHours, entered: datetime) -> None:
    """E2, for any calendar: counted is never before entered, never in closed time, the same in
    open time, and nothing was open in between; asked twice it stays."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    counted = hours.counted_arrival(entered).counted
    assert counted >= entered
    assert hours.is_open(counted)
    assert (counted == entered) is hours.is_open(entered)
    assert hours.working_time_between(entered, counted) == timedelta(0)
    assert hours.counted_arrival(counted).counted == counted


@given(offices(), instants, amounts, instants)
def test_a_deadline_is_the_earlier_of_both(
    office: OfficeHours, after: datetime, working: timedelta, within: datetime
) -> None:
    """Issue 6, 1, for any calendar: ด่วนภายใน shortens a deadline and never lengthens it."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    both = min(hours.add_working_time(after, working), within)
    assert hours.deadline(after, working=working, within=within) == both


@settings(max_examples=40)
@given(offices(), instants, st.integers(0, 4 * 24 * 60), st.integers(0, 12 * 60))
def test_the_same_as_counting_minutes(
    office: OfficeHours, start: datetime, length: int, minutes: int
) -> None:
    """For any calendar: measuring, opening and adding agree with a walk minute by minute."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    walk = [start + n * MINUTE for n in range(length)]
    is_open = [open_in_minute(office, minute) for minute in walk]
    assert hours.working_time_between(start, start + length * MINUTE) == sum(is_open) * MINUTE
    assert [hours.is_open(minute) for minute in walk[:: max(1, length // 50)]] == is_open[
        :: max(1, length // 50)
    ]
    assume(sum(is_open) > minutes)
    opened = [minute for minute, open_then in zip(walk, is_open, strict=True) if open_then]
    assert hours.add_working_time(start, minutes * MINUTE) == opened[minutes]


@given(spans())
def test_clock_times_read_back(hours: tuple[Span, ...]) -> None:
    """Hours print as people write them, 24:00 included, and read back the same."""
    assert tuple(Span.of(*span.clock) for span in hours) == hours
