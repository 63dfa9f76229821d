"""The function that makes evidence records and renews them, daily (RFC 4998)."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, cast

from chalice.app import Blueprint, CloudWatchEvent, Cron

from chalicelib.bootstrap import house
from chalicelib.domain.evidence_rounds import Round
from chalicelib.handlers.telemetry import LogEvent, count, instrumented, logger
from chalicelib.handlers.trust_watch import trust_watched
from chalicelib.services.renew import renew as renew_records

blueprint = Blueprint(__name__)

# One slice: some 16,000 files are read and hashed anew in the worst case.
_LAST_START_MILLIS = 300_000

# At 01:20 in Bangkok, before the audit looks.
_DAILY = Cron(20, 18, "*", "*", "?", "*")


class _Context(Protocol):
    def get_remaining_time_in_millis(self) -> int: ...


@blueprint.schedule(_DAILY, name="renew")
@instrumented
def renew(event: CloudWatchEvent) -> dict[str, int]:
    """Make the evidence records that are due, and renew those that end (issue of renewal)."""
    context = cast("_Context", event.context)
    room = replace(
        house().renewal_room,
        in_time=lambda: context.get_remaining_time_in_millis() > _LAST_START_MILLIS,
    )
    with trust_watched(house()):
        done = renew_records(room=room)
    for made in done.rounds:
        _tell(made)
    counts = {
        "rounds": len(done.rounds),
        "waiting": done.waiting,
        "left_out": done.left_out,
        "unfinished": int(done.unfinished),
    }
    count("RoundMade", len(done.rounds))
    # An alarm stands on it, so it is counted even where it is nothing.
    count("RenewalAttention", done.waiting + done.left_out)
    logger.info(LogEvent.RENEWED, extra=counts)
    return counts


def _tell(made: Round) -> None:
    logger.info(
        LogEvent.ROUND_MADE,
        extra={
            "round": made.number,
            "kind": made.kind.value,
            "algorithm": made.algorithm,
            "documents": made.end.documents if made.end else 0,
            "ends_at": made.end.ends_at.isoformat() if made.end else None,
        },
    )
