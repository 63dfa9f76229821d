"""Messages of Tra's own queues, as every function that takes them reads, does and reports them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.domain.batches import BatchWork
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.errors import NotFoundError, TraError
from chalicelib.domain.factor_events import LockNotice
from chalicelib.handlers.telemetry import LogEvent, count, logger

Report = dict[str, list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Message:
    """What one message asks for: work on a document, on a batch, or on a delivery, or to tell of
    a lock."""

    message_id: str
    group: str
    document_id: str = ""
    batch: BatchWork | None = None
    delivery: DeliveryId | None = None
    lock: LockNotice | None = None

    @property
    def named(self) -> dict[str, str]:
        """What it is about, for log lines."""
        named = {"document_id": self.document_id} if self.document_id else {}
        if self.batch is not None:
            named["batch"] = str(self.batch)
        if self.delivery is not None:
            named["delivery_id"] = str(self.delivery)
        if self.lock is not None:
            named["lock"] = str(self.lock)
        return named


def messages_of(event: SQSEvent) -> list[Message]:
    """The readable messages. One that nobody can read is let go, because it would come
    back for ever and, in a FIFO queue, hold up its book (P4)."""
    found = []
    for record in event.to_dict()["Records"]:
        group = record.get("attributes", {}).get("MessageGroupId", "")
        message = _read(record["messageId"], group, record["body"])
        if message is None:
            logger.warning(LogEvent.POISONED, extra={"message_id": record["messageId"]})
            continue
        found.append(message)
    return found


def _read(message_id: str, group: str, body: str) -> Message | None:
    try:
        told = json.loads(body)
        if "batch" in told:
            return Message(message_id, group, batch=BatchWork.parse(told["batch"]))
        if "delivery" in told:
            return Message(message_id, group, delivery=DeliveryId.parse(told["delivery"]))
        if "lock" in told:
            return Message(message_id, group, lock=LockNotice.parse(told["lock"]))
        value = told["document_id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Message(message_id, group, value) if isinstance(value, str) and value else None


def attempt(message: Message, work: Callable[[], None], *, delayed: LogEvent) -> Sequence[Message]:
    """Do the work of one message; returns it if it has to come again."""
    try:
        work()
    except NotFoundError:
        # The store is the truth: there is nothing to do, now or later.
        logger.warning(LogEvent.POISONED, extra={"message_id": message.message_id})
    except Exception as error:  # noqa: BLE001 - whatever it is, other messages go on
        log_delay(delayed, error, **message.named)
        return (message,)
    return ()


def report_of(failed: Sequence[Message]) -> Report:
    """What Lambda is told: these come again (`ReportBatchItemFailures`)."""
    return {"batchItemFailures": [{"itemIdentifier": m.message_id} for m in failed]}


def time_left(event: SQSEvent | CloudWatchEvent, reserve_millis: int) -> bool:
    """Whether more than this is left before Lambda ends the invocation."""
    context: Any = event.context
    return int(context.get_remaining_time_in_millis()) > reserve_millis


def log_delay(event: LogEvent, error: Exception, **ids: Any) -> None:
    """Only errors raised on purpose are told in full; others can quote values."""
    count("WorkDelayed")
    if isinstance(error, TraError):
        logger.warning(event, extra={"code": error.code, "detail": error.detail, **ids})
    else:
        logger.error(event, extra={"code": "unforeseen", "error": type(error).__name__, **ids})
