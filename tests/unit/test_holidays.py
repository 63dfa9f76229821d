"""The holiday data, held against rules that share nothing with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.holidays import HOLIDAYS, read_holidays
from chalicelib.domain.errors import ConfigurationError, UnknownYearError
from chalicelib.domain.holidays import Holiday, HolidayKind

KNOWN = read_holidays()
YEARS = sorted(KNOWN.years)
DAY = timedelta(days=1)
SATURDAY = 5

YEARLY = [
    "01-01",
    "04-06",
    "04-13",
    "04-14",
    "04-15",
    "05-04",
    "06-03",
    "07-28",
    "08-12",
    "10-13",
    "10-23",
    "12-05",
    "12-10",
    "12-31",
]


def _of(year: int, *kinds: HolidayKind) -> list[Holiday]:
    days = KNOWN.years[year].days.values()
    return [holiday for found in days for holiday in found if holiday.kind in kinds]


def test_the_years_of_the_task_are_there() -> None:
    """Issue 6, 1: 2568 to 2570, each with its source; what is not final says so."""
    assert YEARS == [2025, 2026, 2027]
    assert all(KNOWN.years[year].source for year in YEARS)
    assert KNOWN.provisional() == (2027,)
    unsure = [h.kind for y in YEARS for h in _of(y, *HolidayKind) if not h.certain]
    assert set(unsure) == {HolidayKind.LUNAR, HolidayKind.SUBSTITUTE}
    for year in YEARS:
        assert all(h.certain for h in _of(year, *HolidayKind)) is (year != 2027)


@pytest.mark.parametrize("year", YEARS)
def test_each_year_has_its_yearly_days(year: int) -> None:
    """Issue 6, 1: none of the yearly days is missing, and none is there twice."""
    fixed = [holiday.day.isoformat() for holiday in _of(year, HolidayKind.FIXED)]
    assert sorted(fixed) == [f"{year}-{day}" for day in YEARLY]


# The Thai lunar calendar by its own arithmetic: months of 29 and 30 days in turn; a year with a
# second eighth month (อธิกมาส) has 30 days more, one with a longer seventh month (อธิกวาร) one more.
# Which years are which is in the printed calendar; how long they are follows.
EXTRA_DAY, EXTRA_MONTH = {2568}, {2569}
ASANHA_2567 = date(2024, 7, 20)  # 15th waxing of the eighth month, as celebrated


def _lunar_days(be_year: int, asanha_before: date) -> dict[str, date]:
    """Makha in month 3, Visakha in month 6, Asanha in month 8, each at the 15th waxing; all a
    month later in a year with two eighth months. Khao Phansa is the day after Asanha."""
    late = be_year in EXTRA_MONTH
    months = {n: 29 + (n % 2 == 0) for n in range(1, 13)} | {7: 29 + (be_year in EXTRA_DAY)}
    makha = asanha_before + DAY * sum(months[n] for n in (8, 9, 10, 11, 12, 1, 2))
    makha += DAY * (months[3] if late else 0)
    visakha = makha + DAY * sum(months[n] for n in ((4, 5, 6) if late else (3, 4, 5)))
    asanha = visakha + DAY * (months[7] + 30 if late else months[6] + months[7])
    return {"Makha": makha, "Visakha": visakha, "Asanha": asanha, "Khao": asanha + DAY}


def _expected_lunar_days() -> Iterator[tuple[int, dict[str, date]]]:
    asanha = ASANHA_2567
    for year in YEARS:
        days = _lunar_days(year + 543, asanha)
        asanha = days["Asanha"]
        yield year, days


def test_lunar_days_follow_the_thai_calendar() -> None:
    """Issue 6, 1: Makha, Visakha, Asanha and Khao Phansa, worked out from one known day."""
    for year, expected in _expected_lunar_days():
        told = {h.name_en.split()[0]: h.day for h in _of(year, HolidayKind.LUNAR)}
        assert told == expected


# Mean full moon: epoch 2000-01-21 04:40 UTC, synodic month 29.530589 days (Meeus, chapter 49).
FULL_MOON = datetime(2000, 1, 21, 4, 40, tzinfo=UTC)
SYNODIC = timedelta(days=29.530589)


@pytest.mark.parametrize("year", YEARS)
def test_the_moon_is_full_on_lunar_days(year: int) -> None:
    """Issue 6, 1: no lunar day is a month off; the calendar's month keeps within a day and a
    half of the mean moon."""
    for holiday in _of(year, HolidayKind.LUNAR):
        if holiday.name_en == "Khao Phansa":
            continue
        noon = datetime(holiday.day.year, holiday.day.month, holiday.day.day, 5, tzinfo=UTC)
        off = (noon - FULL_MOON) % SYNODIC
        assert min(off, SYNODIC - off) < timedelta(days=1.5)


@pytest.mark.parametrize("year", YEARS)
def test_weekends_are_made_up_for_on_the_next_working_day(year: int) -> None:
    """Cabinet resolutions of 1 May 2544 and 3 February 2547: a holiday on Saturday or Sunday is
    made up for on the next working day, one day for several in a row."""
    holidays = sorted(
        _of(year, *(kind for kind in HolidayKind if kind is not HolidayKind.SUBSTITUTE)),
        key=lambda holiday: holiday.day,
    )
    closed = {holiday.day for holiday in holidays}
    expected: dict[date, date] = {}
    for holiday in holidays:
        if holiday.day.weekday() >= SATURDAY:
            substitute = holiday.day
            while substitute.weekday() >= SATURDAY or substitute in closed:
                substitute += DAY
            expected.setdefault(substitute, holiday.day)
    told = {h.day: h.instead_of for h in _of(year, HolidayKind.SUBSTITUTE)}
    assert told == expected


@pytest.mark.parametrize("year", YEARS)
def test_days_beside_the_rules_are_working_days_otherwise(year: int) -> None:
    """Issue 6, 1: special days and the Ploughing Ceremony fall on no other holiday or weekend."""
    for holiday in _of(year, HolidayKind.SPECIAL, HolidayKind.ANNOUNCED):
        assert holiday.day.weekday() < SATURDAY
        assert KNOWN.on(holiday.day) == (holiday,)
    assert len(_of(year, HolidayKind.ANNOUNCED)) == (year != 2027)


def test_names_are_in_both_languages() -> None:
    """E2: a sender abroad and a clerk here read why the office was closed."""
    for year in YEARS:
        for holiday in _of(year, *HolidayKind):
            assert holiday.name_en.isascii()
            assert holiday.name_th.startswith(("วัน", "ชดเชยวัน"))


def test_what_is_known_ends_with_the_data() -> None:
    """Issue 6, 1: the last day with data is told before it comes, and asking beyond fails."""
    assert KNOWN.known_until(date(2026, 11, 22)) == date(2027, 12, 31)
    assert KNOWN.known_until(date(2028, 1, 1)) is None
    assert KNOWN.on(date(2027, 12, 31))
    with pytest.raises(UnknownYearError):
        KNOWN.on(date(2028, 1, 1))


def _written(folder: Path, **changed: Any) -> Path:
    day = {"date": "2026-01-01", "kind": "fixed", "name_th": "วัน", "name_en": "Day", **changed}
    year = {"provisional": False, "source": "test", "days": [day]}
    path = folder / "holidays.json"
    path.write_text(json.dumps({"years": {"2026": year}}))
    return path


@pytest.mark.parametrize(
    "changed",
    [{"date": "2569-01-01"}, {"date": "2025-01-01"}, {"date": "1 Jan"}, {"kind": "lunatic"}],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    """Issue 6, 1: a slip in the file stops at once, and is not a day that silently is none."""
    assert read_holidays(_written(tmp_path)).on(date(2026, 1, 1))
    with pytest.raises(ConfigurationError, match=r"holidays\.json"):
        read_holidays(_written(tmp_path, **changed))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """P4: no data is a configuration error and not a calendar without holidays."""
    with pytest.raises(ConfigurationError, match="none"):
        read_holidays(tmp_path / "none.json")
    assert HOLIDAYS.exists()
