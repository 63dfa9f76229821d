"""How long sealed bytes are kept under Object Lock (A26, A27)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from chalicelib.domain.thai import in_bangkok

MAX_RETENTION_YEARS = 100
"""The longest a request may ask for. A lock cannot be shortened, so a slip of the hand (1000 for
10) would be paid for through the ages; what is historic goes to the National Archives."""


class LockMode(StrEnum):
    """S3 Object Lock modes. Nobody, not even root, shortens COMPLIANCE."""

    COMPLIANCE = "COMPLIANCE"
    GOVERNANCE = "GOVERNANCE"


def retain_until(issued_at: datetime, years: int) -> datetime:
    """End of retention: the last second (Bangkok) of the `years`-th calendar year
    after the year of issue, because disposal is proposed per register year.

    A whole extra part-year is kept rather than a day too little.
    """
    if years < 1:
        raise ValueError("a retention of less than a year keeps nothing")
    local = in_bangkok(issued_at)
    return local.replace(
        year=local.year + years, month=12, day=31, hour=23, minute=59, second=59, microsecond=0
    )
