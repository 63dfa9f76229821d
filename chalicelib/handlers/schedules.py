"""Functions that the clock triggers; each can also be invoked on demand."""

from __future__ import annotations

from dataclasses import asdict

from chalice.app import Blueprint, CloudWatchEvent, Rate

from chalicelib.bootstrap import house
from chalicelib.handlers.telemetry import LogEvent, count, instrumented, logger
from chalicelib.services.sweep import sweep as sweep_documents

blueprint = Blueprint(__name__)


@blueprint.schedule(Rate(5, unit=Rate.MINUTES), name="sweep")
@instrumented
def sweep(_event: CloudWatchEvent) -> dict[str, int]:
    """Set going again what no message carries any more (P4, P8)."""
    swept = sweep_documents(broom=house().broom)
    count("DocumentSwept", swept.resent)
    count("DocumentStubborn", swept.stubborn)
    logger.info(LogEvent.SWEPT, extra=asdict(swept))
    count("ReservationExpired", swept.expired)
    return asdict(swept)
