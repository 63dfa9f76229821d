"""Public holidays as packaged: `chalicelib/data/holidays-th.json`.

The file says what it holds and where each year is from; docs/guide/office-hours.md says how
a year or a day is added. It is read once per container, a few milliseconds at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.holidays import Holiday, HolidayKind, Holidays, HolidayYear

HOLIDAYS = Path(__file__).parent.parent / "data" / "holidays-th.json"


def read_holidays(path: Path = HOLIDAYS) -> Holidays:
    """The years in `path`. Raises ConfigurationError if the file is missing, or a day in it
    cannot be read or stands in a wrong year."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        years = {int(year): _year(int(year), known) for year, known in data["years"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"The public holidays in {path.name} cannot be used: {error!r}."
        raise ConfigurationError(message) from error
    return Holidays(years, f"{path.parent.parent.name}/{path.parent.name}/{path.name}")


def _year(year: int, known: Mapping[str, Any]) -> HolidayYear:
    days: dict[date, tuple[Holiday, ...]] = {}
    for entry in known["days"]:
        holiday = _holiday(entry)
        if holiday.day.year != year:
            raise ValueError(f"{holiday.day} stands under {year}")
        days[holiday.day] = (*days.get(holiday.day, ()), holiday)
    return HolidayYear(provisional=known["provisional"], source=known["source"], days=days)


def _holiday(entry: Mapping[str, Any]) -> Holiday:
    instead_of = entry.get("instead_of")
    return Holiday(
        day=date.fromisoformat(entry["date"]),
        kind=HolidayKind(entry["kind"]),
        name_th=entry["name_th"],
        name_en=entry["name_en"],
        certain=entry.get("certain", True),
        instead_of=date.fromisoformat(instead_of) if instead_of else None,
    )
