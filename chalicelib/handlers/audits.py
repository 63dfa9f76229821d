"""The function that audits: daily, and on demand for one register."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from chalice.app import Blueprint

from chalicelib.bootstrap import house
from chalicelib.domain.findings import Report
from chalicelib.domain.registers import Register
from chalicelib.handlers.telemetry import LogEvent, count, instrumented, logger
from chalicelib.services.audit import Unaudited
from chalicelib.services.audit import audit as audit_register
from chalicelib.services.audit import audit_all as audit_all_registers

blueprint = Blueprint(__name__)

# The last register begun must end, or be known not to have ended, before the function does.
_LAST_START_MILLIS = 300_000
# A log line for each; what is more is counted, and in the report.
_MOST_LOGGED = 100


class _Context(Protocol):
    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Invocation:
    event: dict[str, Any]
    context: _Context


@blueprint.lambda_function(name="audit")
def audit(event: dict[str, Any], context: _Context) -> dict[str, Any]:
    """Audit the register that `register` names, or all. Reads only. Returns the report of
    the one, or counts."""
    return _audit(_Invocation(event, context))  # type: ignore[no-any-return]  # instrumented knows no types


@instrumented
def _audit(invocation: _Invocation) -> dict[str, Any]:
    named = invocation.event.get("register")
    if named:
        report = audit_register(Register.parse(named), room=house().audit_room)
        _tell(report)
        return report.to_json()
    return _audit_all(invocation.context)


def _audit_all(context: _Context) -> dict[str, Any]:
    counts: Counter[str] = Counter(audited=0, not_audited=0, errors=0, warnings=0)
    for done in audit_all_registers(
        room=house().audit_room,
        in_time=lambda: context.get_remaining_time_in_millis() > _LAST_START_MILLIS,
    ):
        if isinstance(done, Unaudited):
            _tell_unaudited(done)
            counts["not_audited"] += 1
            continue
        _tell(done)
        counts.update(audited=1, errors=done.errors, warnings=done.warnings)
    return dict(counts)


def _tell(report: Report) -> None:
    """An alarm stands on `AuditFindings`, so it is counted even where it is nothing."""
    count("AuditFindings", report.errors)
    count("AuditWarnings", report.warnings)
    for finding in report.findings[:_MOST_LOGGED]:
        logger.error(LogEvent.FOUND, extra=finding.to_json())
    logger.info(
        LogEvent.AUDITED,
        extra={
            "register_id": report.register.register_id,
            "errors": report.errors,
            "warnings": report.warnings,
            "entries": report.counts.get("entries", 0),
        },
    )


def _tell_unaudited(done: Unaudited) -> None:
    count("AuditMissed")
    logger.error(
        LogEvent.NOT_AUDITED,
        extra={
            "register_id": done.register.register_id,
            "code": done.error.code if done.error else "no_time_left",
            "detail": done.error.detail if done.error else "",
        },
    )
