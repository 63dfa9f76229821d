"""One person in one agency, as every record names one."""

from __future__ import annotations

from typing import NamedTuple


class Officer(NamedTuple):
    """One person in one agency: issuers of two agencies may call two people the same."""

    agency_id: str
    subject: str
