"""Functions that the clock triggers; each can also be invoked on demand."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from chalice.app import Blueprint, CloudWatchEvent, Rate

from chalicelib.bootstrap import house
from chalicelib.domain.erds import DeliveryState
from chalicelib.handlers.messages import time_left
from chalicelib.handlers.telemetry import (
    LogEvent,
    count,
    instrumented,
    logger,
    measure,
    measure_of,
)
from chalicelib.services.checkpoint import FailedLog, checkpoint_all
from chalicelib.services.checkpoint_accesses import CheckpointedAccesses, checkpoint_accesses
from chalicelib.services.sweep import sweep as sweep_documents

blueprint = Blueprint(__name__)

# Some hundred deliveries take ten seconds, and then the open ones are counted.
_SWEEPING_STOPS_MILLIS = 30_000
# The access logs are still to be extended.
_PLACING_STOPS_MILLIS = 30_000

_OPEN_STATES = tuple(state for state in DeliveryState if not state.ended)


@blueprint.schedule(Rate(5, unit=Rate.MINUTES), name="sweep")
@instrumented
def sweep(event: CloudWatchEvent) -> dict[str, Any]:
    """Set going again what no message carries any more (P4, P8)."""
    in_time = partial(time_left, event, _SWEEPING_STOPS_MILLIS)
    swept = sweep_documents(broom=house().broom, in_time=in_time)
    count("DocumentSwept", swept.resent)
    count("DocumentStubborn", swept.stubborn)
    logger.info(LogEvent.SWEPT, extra=asdict(swept))
    count("ReservationExpired", swept.expired)
    count("DocumentExpired", swept.woken)
    measure("OldestUnsealedSeconds", swept.oldest_unsealed_seconds, MetricUnit.Seconds)
    count("DeliverySwept", swept.deliveries)
    for state in _OPEN_STATES:
        of = ("state", state.value)
        waiting = swept.open_deliveries.get(state, 0)
        measure_of("OpenDeliveries", waiting, MetricUnit.Count, of=of)
        seconds = swept.open_seconds.get(state, 0)
        measure_of("OldestOpenDeliverySeconds", seconds, MetricUnit.Seconds, of=of)
    return asdict(swept)


@blueprint.schedule(Rate(5, unit=Rate.MINUTES), name="checkpoint")
@instrumented
def checkpoint(event: CloudWatchEvent) -> dict[str, int]:
    """Extend and sign the public logs of every register (P7), and the access logs (C5)."""
    done = checkpoint_all(room=house().checkpoint_room)
    accesses = _checkpoint_accesses(event)
    failed = (*done.failed, *accesses.failed)
    for one in failed:
        _log_failed(one)
    counts = {
        "logs": done.logs,
        "extended": done.extended + accesses.extended,
        "failed": len(failed),
        "entries": done.entries,
        "accesses": accesses.placed,
    }
    count("CheckpointPublished", counts["extended"])
    count("CheckpointFailed", len(failed))
    count("AccessPlaced", accesses.placed)
    logger.info(LogEvent.CHECKPOINTED, extra=counts)
    return counts


def _checkpoint_accesses(event: CloudWatchEvent) -> CheckpointedAccesses:
    in_time = partial(time_left, event, _PLACING_STOPS_MILLIS)
    return checkpoint_accesses(room=replace(house().access_checkpoint_room, in_time=in_time))


def _log_failed(failed: FailedLog) -> None:
    logger.error(
        LogEvent.CHECKPOINT_FAILED,
        extra={
            "register": failed.register.register_id,
            "log": failed.log,
            "code": failed.error.code,
            "detail": failed.error.detail,
        },
    )
