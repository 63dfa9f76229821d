"""Reminders and escalation of letters that wait for their receipt."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.documents import Urgency
from chalicelib.domain.office_hours import OfficeHours, WorkingDay, WorkingTime
from chalicelib.domain.reminders import DEFAULT_STAGES, Due, StageKind, schedule, within_faults
from tests.support.calendars import THAILAND, THAILAND_AND_LATER, at, instants, offices

DEFAULT = WorkingTime(OfficeHours(), THAILAND)
REMIND, ESCALATE = StageKind.REMIND, StageKind.ESCALATE


@pytest.mark.parametrize(
    ("urgency", "remind", "escalate"),
    [
        (Urgency.MOST_EXPRESS, "2026-11-23 09:00", "2026-11-23 09:30"),
        (Urgency.VERY_EXPRESS, "2026-11-23 09:30", "2026-11-23 10:30"),
        (Urgency.EXPRESS, "2026-11-23 12:30", "2026-11-24 08:30"),
        (Urgency.ROUTINE, "2026-11-24 08:30", "2026-11-26 08:30"),
    ],
)
def test_stages_run_in_working_time(urgency: Urgency, remind: str, escalate: str) -> None:
    """Issue 6, 1: a letter of Friday evening is followed up from Monday on, sooner the more
    urgent it is (default settings)."""
    arrival = DEFAULT.counted_arrival(at("2026-11-20 18:00"))
    assert schedule(DEFAULT_STAGES[urgency], arrival, DEFAULT) == (
        Due(at(remind), REMIND),
        Due(at(escalate), ESCALATE),
    )


def test_a_date_and_time_escalates_whatever_the_hour() -> None:
    """Issue 6, 1 (ด่วนภายใน): what would come later is left out; at the time itself it is
    escalated, on a Sunday too."""
    arrival = DEFAULT.counted_arrival(at("2026-11-20 15:00"))
    stages = DEFAULT_STAGES[Urgency.VERY_EXPRESS]  # at 16:00 and Monday 08:30
    for within, before in (
        ("2026-11-20 15:30", ()),
        ("2026-11-20 16:00", ()),
        ("2026-11-22 12:00", (Due(at("2026-11-20 16:00"), REMIND),)),
    ):
        told = schedule(stages, arrival, DEFAULT, within=at(within))
        assert told == (*before, Due(at(within), ESCALATE))


def test_nothing_after_the_deadline_is_looked_at() -> None:
    """Issue 6, 1: a deadline in the last known year is kept without data for the next."""
    arrival = DEFAULT.counted_arrival(at("2027-12-30 16:00"))
    within = at("2027-12-31 12:00")
    assert schedule(DEFAULT_STAGES[Urgency.ROUTINE], arrival, DEFAULT, within=within) == (
        Due(within, ESCALATE),
    )


@given(offices(), instants, st.sampled_from(Urgency), st.none() | instants)
def test_stages_come_in_order_and_in_time(
    office: OfficeHours, entered: datetime, urgency: Urgency, within: datetime | None
) -> None:
    """For any calendar: each stage comes once, in order, while somebody is there, and none after
    ด่วนภายใน, which is always the end."""
    hours = WorkingTime(office, THAILAND_AND_LATER)
    arrival = hours.counted_arrival(entered)
    told = schedule(DEFAULT_STAGES[urgency], arrival, hours, within=within)
    assert all(one.at < other.at for one, other in pairwise(told))
    staged = told if within is None else told[:-1]
    assert all(hours.is_open(due.at) and due.at > arrival.counted for due in staged)
    if within is None:
        assert len(told) == len(DEFAULT_STAGES[urgency])
    else:
        assert (told[-1].at, told[-1].kind) == (within, ESCALATE)


def test_a_deadline_must_lie_ahead() -> None:
    """Issue 6, 1: ด่วนภายใน in the past is refused at its field; outside office hours is not."""
    now = at("2026-11-20 15:00")
    (fault,) = within_faults(now, now, "/within")
    assert (fault.pointer, fault.code) == ("/within", "in_the_past")
    assert within_faults(now + timedelta(microseconds=1), now, "/within") == ()
    assert within_faults(at("2026-11-22 03:00"), now, "/within") == ()


def test_a_working_saturday_is_time_to_answer() -> None:
    """A14: a day the head opened counts, so what came on Friday is due on it."""
    saturday = WorkingDay(date(2026, 11, 21), OfficeHours().week[0])
    hours = WorkingTime(OfficeHours(working_days=(saturday,)), THAILAND)
    arrival = hours.counted_arrival(at("2026-11-20 18:00"))
    assert schedule(DEFAULT_STAGES[Urgency.MOST_EXPRESS], arrival, hours)[0].at == at(
        "2026-11-21 09:00"
    )
