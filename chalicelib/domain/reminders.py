"""When to remind, and when to tell the supervisor, that a letter waits for its receipt.

The Saraban regulation puts urgency in words: ด่วนที่สุด at once, ด่วนมาก soon, ด่วน sooner than
usual. It names no hours. So every time here is a setting with a default, and not law; only a
"ด่วนภายใน" deadline is a date and time, which the sender wrote on the letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chalicelib.domain.documents import Urgency
from chalicelib.domain.errors import FieldFault, UnknownYearError
from chalicelib.domain.office_hours import Arrival, WorkingTime


class StageKind(StrEnum):
    """`remind` goes to the recipient, `escalate` to supervisor and sender too (A14, A28)."""

    REMIND = "remind"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, order=True)
class Stage:
    """What happens when a letter has waited for `after`, in the recipient's working time."""

    after: timedelta
    kind: StageKind


def _stages(remind: timedelta, escalate: timedelta) -> tuple[Stage, ...]:
    return Stage(remind, StageKind.REMIND), Stage(escalate, StageKind.ESCALATE)


_OFFICE_DAY = timedelta(hours=8)

DEFAULT_STAGES: Mapping[Urgency, tuple[Stage, ...]] = {
    Urgency.MOST_EXPRESS: _stages(timedelta(minutes=30), timedelta(hours=1)),
    Urgency.VERY_EXPRESS: _stages(timedelta(hours=1), timedelta(hours=2)),
    Urgency.EXPRESS: _stages(timedelta(hours=4), _OFFICE_DAY),
    Urgency.ROUTINE: _stages(_OFFICE_DAY, 3 * _OFFICE_DAY),
}
"""Settings. Eight hours are one day of the default office hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """The stages of each urgency, each ascending. An urgency without stages is not followed up."""

    stages: Mapping[Urgency, tuple[Stage, ...]] = field(
        default_factory=lambda: dict(DEFAULT_STAGES), hash=False
    )


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A stage at its time, in UTC."""

    at: datetime
    kind: StageKind


def schedule(
    stages: tuple[Stage, ...],
    arrival: Arrival,
    hours: WorkingTime,
    *,
    within: datetime | None = None,
) -> tuple[Due, ...]:
    """When a letter that arrived is reminded of, ascending; working time runs from `counted`.

    `within` ends the waiting: what would come at it or later is left out, and at it the
    letter is escalated, in office hours or not. Raises UnknownYearError if a time lies in
    a year without holiday data; a year after `within` is not looked at.
    """
    times = (
        Due(hours.deadline(arrival.counted, working=stage.after, within=within), stage.kind)
        for stage in stages
    )
    if within is None:
        return tuple(times)
    before = tuple(due for due in times if due.at < within)
    return (*before, Due(within.astimezone(UTC), StageKind.ESCALATE))


def known_schedule(
    stages: tuple[Stage, ...],
    arrival: Arrival,
    hours: WorkingTime,
    *,
    within: datetime | None = None,
) -> tuple[tuple[Due, ...], bool]:
    """`schedule` as far as it is known, and whether it is known to its end: what lies in a year
    without holiday data is left out and found when that year is announced (ADR 40)."""
    for count in range(len(stages), 0, -1):
        with suppress(UnknownYearError):
            return schedule(stages[:count], arrival, hours, within=within), count == len(stages)
    return schedule((), arrival, hours, within=within), not stages


def within_faults(within: datetime, now: datetime, pointer: str) -> tuple[FieldFault, ...]:
    """What is wrong with a "ด่วนภายใน" deadline (with its time zone) asked for at `now`: it
    must lie ahead. That the office is closed then is no fault; the sender said when."""
    if within > now:
        return ()
    return (
        FieldFault(
            pointer,
            "in_the_past",
            "The deadline (ด่วนภายใน) must lie in the future.",
            "กำหนดเวลาด่วนภายในต้องเป็นเวลาในอนาคต",
        ),
    )
