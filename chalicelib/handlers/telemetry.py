"""Logs, metrics and traces by Powertools: catalogued events, no content, no names.

Log lines carry ids of documents and agencies, codes and counts. Whoever sends
personal data here has made a mistake that `tests/integration/test_privacy.py` looks for.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

_SERVICE = "tra"
_NAMESPACE = "Tra"

_P = ParamSpec("_P")
_R = TypeVar("_R")

logger = Logger(service=_SERVICE)
metrics = Metrics(namespace=_NAMESPACE, service=_SERVICE)
tracer = Tracer(service=_SERVICE)


class LogEvent(StrEnum):
    """Every line Tra logs on purpose. The code goes first, so that it can be searched."""

    REQUEST_REFUSED = "TRA-API-001 request refused"
    REQUEST_FAILED = "TRA-API-002 request failed"
    DOCUMENT_ACCEPTED = "TRA-API-003 document accepted"
    TOKEN_REFUSED = "TRA-AUTH-001 token refused"  # noqa: S105 - a log line, no secret
    ISSUER_UNREACHABLE = "TRA-AUTH-002 issuer unreachable, its keys unknown"
    RULED = "TRA-API-004 document revoked, suspended or reinstated"
    LETTER_ACCEPTED = "TRA-API-005 letter accepted"
    LETTER_RECALLED = "TRA-API-006 delivery recalled"
    LETTER_REGISTERED = "TRA-API-007 letter registered"
    READERS_NAMED = "TRA-API-020 readers of a classified document named"
    LETTER_REJECTED = "TRA-API-008 letter rejected"
    APPOINTED = "TRA-OFF-001 officer appointed"
    APPOINTMENT_ENDED = "TRA-OFF-002 appointment ended"
    AUTHORITY_GRANTED = "TRA-OFF-003 authority granted"
    AUTHORITY_ENDED = "TRA-OFF-004 authority revoked"
    CLIENT_REGISTERED = "TRA-OFF-005 application registered"
    CLIENT_ENDED = "TRA-OFF-006 application ended"
    APPROVED = "TRA-APP-001 officer decided on documents"
    WITHDRAWN = "TRA-APP-002 document withdrawn before it was approved"
    PROXY_ASKED = "TRA-PRX-001 use of an e-Proxy judged and recorded"
    NUMBERING_DELAYED = "TRA-NUM-001 numbering delayed"
    NUMBERED = "TRA-NUM-002 messages numbered"
    SEALING_DELAYED = "TRA-SEAL-001 sealing delayed"
    DOCUMENT_ENDED = "TRA-SEAL-002 document ended"
    AUTHORITY_RESTS = "TRA-TSA-001 time-stamp authority does not answer and rests"
    AUTHORITY_ANSWERS = "TRA-TSA-002 time-stamp authority answers again"
    CLOCK_WRONG = "TRA-CLK-001 clock proved wrong by more than 30 ms"
    CLOCK_UNPROVED = "TRA-CLK-002 no time-stamp is precise enough to prove the clock right"
    DELIVERY_DELAYED = "TRA-DEL-001 delivery delayed"
    DELIVERED = "TRA-DEL-002 recipients told"
    DISPATCHED = "TRA-DEL-003 delivery looked after"
    DISPATCH_DELAYED = "TRA-DEL-004 delivery could not be looked after yet"
    ANSWER_TAKEN = "TRA-ANS-001 answer of an agency's own system taken"
    ANSWER_REFUSED = "TRA-ANS-002 answer refused"
    ANSWER_DELAYED = "TRA-ANS-003 answer delayed"
    POISONED = "TRA-MSG-001 message without document let go"
    BATCH_ADVANCED = "TRA-BAT-001 batch went on"
    BATCH_DELAYED = "TRA-BAT-002 batch delayed"
    BATCH_ASKED = "TRA-BAT-003 batch made or changed on request"
    SWEPT = "TRA-SWP-001 swept"
    RESERVED = "TRA-REG-001 numbers reserved"
    GIVEN_BACK = "TRA-REG-002 reserved number given back"
    CLOSED = "TRA-CLO-001 years closed"
    CLOSING_FAILED = "TRA-CLO-002 a year could not be closed"
    CHECKPOINTED = "TRA-LOG-001 logs checkpointed"
    CHECKPOINT_FAILED = "TRA-LOG-002 log not extended, it stays as it was published"
    AUDITED = "TRA-AUD-001 register audited"
    FOUND = "TRA-AUD-002 the audit found something"
    NOT_AUDITED = "TRA-AUD-003 register not audited"
    VERIFIED = "TRA-VER-001 file or bundle verified"
    RENEWED = "TRA-EVR-001 evidence records made or renewed"
    ROUND_MADE = "TRA-EVR-002 round of evidence time-stamped"
    FACTOR_ENROLLED = "TRA-FAC-001 second factor confirmed"
    FACTOR_GIVEN_UP = "TRA-FAC-002 second factor given up by its owner"
    LOCK_TOLD = "TRA-FAC-004 an agency's own system told of a locked second factor"
    FACTOR_RESET = "TRA-FAC-003 word given for the reset of an officer's second factors"
    COSIGNED = "TRA-LOG-003 checkpoint co-signed"


def count(name: str, value: float = 1) -> None:
    """Add to a counted metric of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def measure(name: str, value: float, unit: MetricUnit) -> None:
    """Add a measured value to a metric of this invocation."""
    metrics.add_metric(name=name, unit=unit, value=value)


def measure_of(name: str, value: float, unit: MetricUnit, *, of: tuple[str, str]) -> None:
    """Tell a value that has a dimension of its own (its name and value), at once."""
    with single_metric(name=name, unit=unit, value=value, namespace=_NAMESPACE) as metric:
        metric.add_dimension(name="service", value=_SERVICE)
        metric.add_dimension(name=of[0], value=of[1])


def flush() -> None:
    """Write this invocation's metrics; Powertools warns where there are none."""
    if metrics.metric_set:
        metrics.flush_metrics()


def in_this_trace(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """`work` for other threads, whose calls belong to this thread's trace: X-Ray keeps its
    context by thread, and complains of each call without one."""
    if tracer.disabled:
        return work
    recorder: Any = tracer.provider  # X-Ray's own recorder, which Powertools types too widely
    entity = recorder.get_trace_entity()

    @wraps(work)
    def continued(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        recorder.set_trace_entity(entity)
        return work(*args, **kwargs)

    return continued


def instrumented(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap the work of a function: correlation id, cold start metric, trace, flush.

    The correlation id is the id of the invocation; with the document ids in the lines
    the way of a document can be read across functions.
    """

    @tracer.capture_method(capture_response=False, capture_error=False)
    def traced(event: Any) -> Any:
        return work(event)

    @wraps(work)
    def wrapped(event: Any) -> Any:
        context = getattr(event, "context", None)
        logger.set_correlation_id(getattr(context, "aws_request_id", None))
        try:
            return traced(event)
        finally:
            flush()

    return wrapped
