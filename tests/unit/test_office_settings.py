"""Office hours and reminders as JSON: read, refused with every fault, written back."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.documents import Urgency
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.domain.office_hours import DEFAULT_WEEK, ClosedDay, OfficeHours, Span, WorkingDay
from chalicelib.domain.office_settings import (
    MAX_DAYS,
    closed_days_of,
    office_hours_data,
    office_hours_of,
    reminders_data,
    reminders_of,
)
from chalicelib.domain.reminders import DEFAULT_STAGES, Reminders, Stage, StageKind
from tests.support.calendars import offices

DAY = {"opens": "08:30", "closes": "16:30"}
CLOSED = {"date": "2026-11-27", "name_th": "วันสถาปนา", "name_en": "Founding day"}
WORKING = {"date": "2026-11-28", "hours": [{"opens": "09:00", "closes": "24:00"}]}


def _told(read: Any, data: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequestError) as raised:
        read(data, "/x")
    assert all(fault.detail and fault.detail_th for fault in raised.value.faults)
    return [(fault.pointer, fault.code) for fault in raised.value.faults]


def test_hours_are_read_as_written() -> None:
    """A14: what the head set, a noon break for example, is what the platform works with."""
    noon = [{"opens": "08:30", "closes": "12:00"}, {"opens": "13:00", "closes": "16:30"}]
    office = office_hours_of(
        {"week": {"monday": noon}, "closed_days": [CLOSED], "working_days": [WORKING]}
    )
    assert office == OfficeHours(
        week=((Span(510, 720), Span(780, 990)), (), (), (), (), (), ()),
        closed_days=(ClosedDay(date(2026, 11, 27), "วันสถาปนา", "Founding day"),),
        working_days=(WorkingDay(date(2026, 11, 28), (Span(540, 1440),)),),
    )


def test_nothing_said_is_the_default() -> None:
    """E2: an agency that announced no hours has those of government offices."""
    assert office_hours_of({}) == OfficeHours()
    assert (*((Span(510, 990),),) * 5, (), ()) == DEFAULT_WEEK


@given(offices())
def test_hours_are_written_as_they_are_read(office: OfficeHours) -> None:
    """One form for hand, store and public: nothing is lost on the way and back."""
    assert office_hours_of(office_hours_data(office)) == office


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        ([], [("/x", "wrong_type")]),
        ({"weeks": {}}, [("/x/weeks", "unknown_field")]),
        ({"a/b~": 1}, [("/x/a~1b~0", "unknown_field")]),
        ({"week": {}}, [("/x/week", "never_open")]),
        ({"week": {"monday": []}}, [("/x/week", "never_open")]),
        ({"week": None}, [("/x/week", "wrong_type")]),
        ({"week": {"mon": [DAY]}}, [("/x/week/mon", "unknown_field")]),
        ({"week": {"monday": DAY}}, [("/x/week/monday", "wrong_type")]),
        ({"week": {"monday": [DAY] * 9}}, [("/x/week/monday", "too_many")]),
        ({"week": {"monday": [DAY, DAY]}}, [("/x/week/monday", "not_in_order")]),
        (
            {"week": {"monday": [{"opens": "8:30", "closes": "24:01"}]}},
            [
                ("/x/week/monday/0/opens", "wrong_format"),
                ("/x/week/monday/0/closes", "wrong_format"),
            ],
        ),
        (
            {"week": {"monday": [{"opens": "16:30", "closes": "08:30"}]}},
            [("/x/week/monday/0", "not_in_order")],
        ),
        (
            {"closed_days": [{**CLOSED, "date": "2569-11-27"}]},
            [("/x/closed_days/0/date", "wrong_format")],
        ),
        (
            {"closed_days": [{**CLOSED, "name_th": " "}]},
            [("/x/closed_days/0/name_th", "wrong_format")],
        ),
        ({"closed_days": [{**CLOSED, "why": ""}]}, [("/x/closed_days/0/why", "unknown_field")]),
        ({"closed_days": [CLOSED] * (MAX_DAYS + 1)}, [("/x/closed_days", "too_many")]),
        ({"closed_days": [CLOSED, CLOSED]}, [("/x/closed_days/1/date", "repeated")]),
        (
            {"closed_days": [CLOSED], "working_days": [{**WORKING, "date": CLOSED["date"]}]},
            [("/x/working_days/0/date", "repeated")],
        ),
        ({"working_days": [{"date": "2026-11-28"}]}, [("/x/working_days/0/hours", "missing")]),
        (
            {"week": {"monday": 1}, "working_days": ["2026-11-28"]},
            [
                ("/x/week/monday", "wrong_type"),
                ("/x/working_days/0", "wrong_type"),
                ("/x/working_days/0/date", "wrong_format"),
                ("/x/working_days/0/hours", "missing"),
            ],
        ),
    ],
)
def test_wrong_hours_are_pointed_at(data: object, faults: list[tuple[str, str]]) -> None:
    """E2: hours decide when something counts, so each slip in them is refused and named."""
    assert _told(office_hours_of, data) == faults


def test_closed_days_alone_are_checked_alike() -> None:
    """Issue 6, 1: days off of all agencies are checked as those of one."""
    assert closed_days_of([CLOSED]) == (ClosedDay(date(2026, 11, 27), "วันสถาปนา", "Founding day"),)
    with pytest.raises(InvalidRequestError) as raised:
        closed_days_of([CLOSED, CLOSED], "/closed_days")
    assert [fault.pointer for fault in raised.value.faults] == ["/closed_days/1/date"]
    assert _told(closed_days_of, [{}])[0] == ("/x/0/date", "wrong_format")


def test_reminders_are_read_over_their_defaults() -> None:
    """A14: an agency sets what it wants otherwise; an empty list is no reminder at all."""
    reminders = reminders_of(
        {"routine": [], "express": [{"after_minutes": 90, "kind": "escalate"}]}
    )
    assert reminders.stages == {
        **DEFAULT_STAGES,
        Urgency.ROUTINE: (),
        Urgency.EXPRESS: (Stage(timedelta(minutes=90), StageKind.ESCALATE),),
    }
    assert reminders_of({}) == Reminders()
    assert reminders_of(reminders_data(reminders)) == reminders


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (None, [("/x", "wrong_type")]),
        ({"urgent": []}, [("/x/urgent", "unknown_field")]),
        ({"routine": {}}, [("/x/routine", "wrong_type")]),
        (
            {"routine": [{"after_minutes": 0, "kind": "shout"}]},
            [("/x/routine/0/after_minutes", "wrong_format"), ("/x/routine/0/kind", "not_allowed")],
        ),
        (
            {"routine": [{"after_minutes": True, "kind": []}]},
            [("/x/routine/0/after_minutes", "wrong_format"), ("/x/routine/0/kind", "not_allowed")],
        ),
        (
            {"routine": [{"after_minutes": n, "kind": "remind"} for n in (60, 60)]},
            [("/x/routine", "not_in_order")],
        ),
        (
            {"routine": [{"after_minutes": 10**9, "kind": "remind"}]},
            [("/x/routine/0/after_minutes", "wrong_format")],
        ),
    ],
)
def test_wrong_reminders_are_pointed_at(data: object, faults: list[tuple[str, str]]) -> None:
    """A14: a reminder that would never come is refused and named."""
    assert _told(reminders_of, data) == faults


_NAMES = [
    "week",
    "monday",
    "opens",
    "closes",
    "closed_days",
    "working_days",
    "date",
    "hours",
    "name_th",
    "routine",
    "after_minutes",
    "kind",
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("08:30"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_json_is_read_or_refused(data: object) -> None:
    """Bad input stores nothing: whatever JSON comes, it is settings or a refusal."""
    for read in (office_hours_of, reminders_of):
        with contextlib.suppress(InvalidRequestError):
            read(data)
