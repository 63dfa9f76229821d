"""That a second factor was locked, as an agency's own system is told (A28).

Nothing of it names a person: who it is, supervisors read with their own token.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

LOCKED = "tra.factor.locked.v1"

_NAMED = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([0-9A-Za-z]{1,64})/([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class LockNotice:
    """One lock: in which agency, and when, to the second. `notice_id` is the event's."""

    agency_id: str
    notice_id: str
    at: datetime

    def __str__(self) -> str:
        """As a message names it."""
        return f"{self.agency_id}/{self.notice_id}/{int(self.at.timestamp())}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is none."""
        named = _NAMED.fullmatch(text)
        if named is None:
            raise ValueError("no notice of a lock")
        return cls(named[1], named[2], datetime.fromtimestamp(int(named[3]), UTC))


def locked_event(notice: LockNotice, *, public_url: str) -> bytes:
    """The CloudEvent. Same notice, same bytes: whoever gets it twice can drop it (P5)."""
    event = {
        "specversion": "1.0",
        "id": f"{notice.notice_id}.locked",
        "source": f"/agencies/{notice.agency_id}",
        "type": LOCKED,
        "subject": notice.notice_id,
        "time": notice.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "datacontenttype": "application/json",
        "data": {
            "agency_id": notice.agency_id,
            "links": {"locked": f"{public_url}/v1/factors/locked"},
        },
    }
    return json.dumps(event, separators=(",", ":")).encode()
