"""How far the local clock can be from the time of a time-stamp authority.

The error of the clock may not exceed 30 ms (A19). Nobody tells us the true time, but each
time-stamp bounds it: the authority made the token between our sending and our receiving
(RFC 3161), and says when, and how accurately. So the difference lies within an interval;
what the interval excludes is proved, and nothing else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LIMIT = timedelta(milliseconds=30)
"""A19."""

UNSTATED_ACCURACY = timedelta(seconds=1)
"""For tokens that state none: EN 319 421 §7.7.2 demands one second or better."""

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """One exchange with an authority, by the local clock, and the time in its token.

    `received_at` is `sent_at` plus the time that passed, measured by a clock that nobody
    sets. `resolution` is the unit of the last digit of `stamped_at` as it was written:
    one second if there was no fraction (RFC 3161 §2.4.2 drops trailing zeros, so it is
    that or finer). `accuracy` is None where the token states none.
    """

    sent_at: datetime
    received_at: datetime
    stamped_at: datetime
    resolution: timedelta
    accuracy: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBound:
    """The local clock minus the true time lies between `low` and `high`, both included."""

    low: timedelta
    high: timedelta

    @property
    def error_at_least(self) -> timedelta:
        """How wrong the clock is for certain; zero if it may be right."""
        return max(self.low, -self.high, timedelta(0))

    @property
    def error_at_most(self) -> timedelta:
        return max(abs(self.low), abs(self.high))

    @property
    def error_at_least_ms(self) -> float:
        return self.error_at_least / _MILLISECOND

    @property
    def error_at_most_ms(self) -> float:
        return self.error_at_most / _MILLISECOND

    def exceeds(self, limit: timedelta = LIMIT) -> bool:
        """The clock is proved to be more than `limit` wrong."""
        return self.error_at_least > limit

    def keeps(self, limit: timedelta = LIMIT) -> bool:
        """The clock is proved to be no more than `limit` wrong. Where it neither exceeds
        nor keeps, the bound is too wide to tell."""
        return self.error_at_most <= limit


def bound(stamping: Stamping) -> ClockBound:
    """What one token proves of the local clock.

    At the true moment of the stamping the local clock showed something between `sent_at`
    and `received_at`, and that moment is `stamped_at`, give or take the accuracy and,
    because nothing says whether authorities round or cut off, one unit of the last digit.
    Raises ValueError if the answer came before the question.
    """
    if stamping.received_at < stamping.sent_at:
        raise ValueError("an answer cannot come before its question")
    accuracy = UNSTATED_ACCURACY if stamping.accuracy is None else stamping.accuracy
    slack = accuracy + stamping.resolution
    return ClockBound(
        low=stamping.sent_at - (stamping.stamped_at + slack),
        high=stamping.received_at - (stamping.stamped_at - slack),
    )
