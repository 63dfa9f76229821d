"""Translation of DynamoDB's answers into Tra's errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from pynamodb.exceptions import CancellationReason, PynamoDBException, TransactWriteError

from chalicelib.domain.errors import UnavailableError

_CONDITION_FAILED = "ConditionalCheckFailed"
_CONDITION_FAILED_SINGLE = "ConditionalCheckFailedException"

# AWS: "Reasons for transaction cancellation". Waiting heals these.
_HEALS_BY_WAITING = frozenset(
    {"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"}
)


class Cancellation(StrEnum):
    """Why one item of a transaction stopped it."""

    NONE = "none"
    CONDITION = "condition"
    BUSY = "busy"


def is_condition_failure(error: PynamoDBException) -> bool:
    """A single conditional write found its condition false."""
    return error.cause_response_code == _CONDITION_FAILED_SINGLE


def is_missing_place(error: PynamoDBException) -> bool:
    """An update wants to write into a map that the item has not; DynamoDB tells that apart from
    other invalid updates by its words alone."""
    invalid = error.cause_response_code == "ValidationException"
    return invalid and "document path" in (error.cause_response_message or "")


def cancellations(error: TransactWriteError) -> Sequence[Cancellation]:
    """One per item, in the order of the request: deletes, puts, updates as pynamodb
    sends them. Raises UnavailableError for a failure that is no cancellation, and
    re-raises what no caller can heal (a validation error is a bug)."""
    reasons = error.cancellation_reasons
    if not reasons:
        raise unavailable(error) from error
    return [_cancellation(reason, error) for reason in reasons]


def _cancellation(reason: CancellationReason | None, error: TransactWriteError) -> Cancellation:
    if reason is None:
        return Cancellation.NONE
    if reason.code == _CONDITION_FAILED:
        return Cancellation.CONDITION
    if reason.code in _HEALS_BY_WAITING:
        return Cancellation.BUSY
    raise error


@contextmanager
def translated() -> Iterator[None]:
    """Whatever DynamoDB says that the caller did not expect becomes UnavailableError.

    Permission and validation errors too: the message returns to its queue, ends in
    the dead-letter queue and raises an alarm, and nothing is lost meanwhile (P4).
    """
    try:
        yield
    except PynamoDBException as error:
        raise unavailable(error) from error


def unavailable(error: PynamoDBException) -> UnavailableError:
    """Names the vendor's code only: messages can quote keys and values."""
    code = error.cause_response_code or type(error).__name__
    return UnavailableError(f"The register database did not take the request ({code}).")
