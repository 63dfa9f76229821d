"""What time-stamps show of our clock and of their authorities, as metrics and log lines.

`ClockErrorBoundMs` is the proved error, which an alarm watches (A19); `ClockErrorCeilingMs`
is what the error is proved not to exceed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.bootstrap import House
from chalicelib.domain.authority_health import AuthorityHealth
from chalicelib.domain.clock_bound import ClockBound
from chalicelib.handlers.telemetry import LogEvent, count, logger, measure


class TrustReport:
    """Gathers during one invocation, perhaps from several threads, and tells at its end."""

    def __init__(self) -> None:
        self._bounds: list[tuple[str, ClockBound]] = []
        self._health: list[AuthorityHealth] = []

    def clock_seen(self, authority: str, bound: ClockBound) -> None:
        self._bounds.append((authority, bound))

    def authority_changed(self, health: AuthorityHealth) -> None:
        self._health.append(health)

    def tell(self) -> None:
        for health in self._health:
            _tell_authority(health)
        if self._bounds:
            _tell_clock(self._bounds)


@contextmanager
def trust_watched(house: House) -> Iterator[None]:
    """Within, the house's time-stamps are watched; told also if the work fails."""
    report = TrustReport()
    house.trust_watch = report
    try:
        yield
    finally:
        report.tell()


def _tell_authority(health: AuthorityHealth) -> None:
    if health.answers:
        logger.info(LogEvent.AUTHORITY_ANSWERS, extra={"authority": health.authority})
        return
    count("TimestampAuthorityRests")
    logger.warning(
        LogEvent.AUTHORITY_RESTS,
        extra={
            "authority": health.authority,
            "failures": health.failures,
            "problem": health.problem,
        },
    )


def _tell_clock(bounds: list[tuple[str, ClockBound]]) -> None:
    """The worst that is proved counts, and the best: one narrow bound is enough to know
    that the clock is right."""
    authority, worst = max(bounds, key=lambda seen: seen[1].error_at_least)
    _, narrowest = min(bounds, key=lambda seen: seen[1].error_at_most)
    measure("ClockErrorBoundMs", worst.error_at_least_ms, MetricUnit.Milliseconds)
    measure("ClockErrorCeilingMs", narrowest.error_at_most_ms, MetricUnit.Milliseconds)
    if worst.exceeds():
        logger.error(LogEvent.CLOCK_WRONG, extra=_shown(authority, worst))
    elif not narrowest.keeps():
        logger.info(LogEvent.CLOCK_UNPROVED, extra=_shown(authority, narrowest))


def _shown(authority: str, bound: ClockBound) -> dict[str, object]:
    return {
        "authority": authority,
        "error_at_least_ms": bound.error_at_least_ms,
        "error_at_most_ms": bound.error_at_most_ms,
    }
