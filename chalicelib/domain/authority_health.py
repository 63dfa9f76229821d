"""How a time-stamp authority does, as far as we can tell from asking it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Of the circuit breaker before it."""

    CLOSED = "closed"
    """It answers, or nothing says that it does not."""
    OPEN = "open"
    """It failed several times in a row and rests."""
    HALF_OPEN = "half_open"
    """It has rested; one request tries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityHealth:
    """`failures` are those in a row, `problem` the last one's reason, `rests_for` the
    seconds until it is tried again."""

    authority: str
    state: BreakerState
    failures: int
    problem: str | None
    rests_for: float

    @property
    def answers(self) -> bool:
        return self.state is BreakerState.CLOSED
