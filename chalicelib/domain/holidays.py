"""Public holidays as data: which days government offices are closed, and for which years it is known.

A year nobody has entered is not a year without holidays. Whoever asks for one is told so
(`UnknownYearError`), because a deadline that ignores Songkran looks right and is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chalicelib.domain.errors import UnknownYearError


class HolidayKind(StrEnum):
    """Why a day is a holiday, which says how its date is found."""

    FIXED = "fixed"
    LUNAR = "lunar"
    ANNOUNCED = "announced"
    SPECIAL = "special"
    SUBSTITUTE = "substitute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """One public holiday. `instead_of` is the day that a substitute makes up for. A day that
    is not `certain` was worked out and not yet seen in a published list."""

    day: date
    kind: HolidayKind
    name_th: str
    name_en: str
    certain: bool = True
    instead_of: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayYear:
    """The holidays of one calendar year, by day, and where they are from. A `provisional`
    year may still get or lose days."""

    provisional: bool
    source: str
    days: Mapping[date, tuple[Holiday, ...]]


@dataclass(frozen=True, slots=True)
class Holidays:
    """The holidays of the years there is data for; `file` is where another year is added."""

    years: Mapping[int, HolidayYear]
    file: str

    def on(self, day: date) -> tuple[Holiday, ...]:
        """What is celebrated on `day`, in Asia/Bangkok; empty on most days.

        Raises UnknownYearError if there is no data for its year.
        """
        year = self.years.get(day.year)
        if year is None:
            raise UnknownYearError(day.year, self.file)
        return year.days.get(day, ())

    def known_until(self, day: date) -> date | None:
        """The last day up to which every year from that of `day` on is known; None if its own
        year is not."""
        year = day.year
        while year in self.years:
            year += 1
        return date(year - 1, 12, 31) if year > day.year else None

    def provisional(self) -> tuple[int, ...]:
        """Years whose list is not final, ascending."""
        return tuple(sorted(year for year, known in self.years.items() if known.provisional))
