"""Functions that queues trigger. Each message carries a document id, or names a batch or a chunk
of one, and nothing else.

A message whose work failed is reported back (`ReportBatchItemFailures`) and comes
again; after its budget it lies in the dead-letter queue, an alarm tells the
supervisor (A28), and `sweep` still finds the document (P4).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.bootstrap import house
from chalicelib.domain.batches import BatchWork
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import NotFoundError, TraError
from chalicelib.handlers.batch_lines import batch_room
from chalicelib.handlers.telemetry import LogEvent, count, in_this_trace, instrumented, logger
from chalicelib.handlers.trust_watch import trust_watched
from chalicelib.services.advance_batch import advance
from chalicelib.services.deliver import deliver as deliver_document
from chalicelib.services.number_in_turn import number_in_turn
from chalicelib.services.seal import seal as seal_document
from chalicelib.services.seal_chunk import seal_chunk

blueprint = Blueprint(__name__)

# The queues' real names come with the deployment (infra/resources.yaml overrides the
# event sources), so these only have to differ.
_NUMBER, _SEAL, _DELIVER, _BATCH = "number.fifo", "seal", "deliver", "batch"

# A block takes well under a second; the rest is for sending on what there was no time for.
_NUMBERING_STOPS_MILLIS = 10_000

# A segment of the check takes seconds.
_BATCH_STOPS_MILLIS = 60_000

Report = dict[str, list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class _Message:
    message_id: str
    group: str
    document_id: str = ""
    batch: BatchWork | None = None


@blueprint.on_sqs_message(queue=_NUMBER, batch_size=10, name="number")
@instrumented
def number(event: SQSEvent) -> Report:
    """Number a batch, book by book. If a book fails, its messages come again, in order;
    other books are not held up."""
    failed: list[_Message] = []
    for _, messages in groupby(sorted(_messages(event), key=_group), key=_group):
        failed += _number_book(list(messages), partial(_in_time, event, _NUMBERING_STOPS_MILLIS))
    return _report(failed)


# Twenty keep one core busy (docs/benchmarks.md); more than ten want a window to gather in.
@blueprint.on_sqs_message(
    queue=_SEAL, batch_size=20, maximum_batching_window_in_seconds=1, name="seal"
)
@instrumented
def seal(event: SQSEvent) -> Report:
    """Seal the documents of the messages, several at once: while one waits for KMS, time-stamp
    or archive, others are rendered. One that fails does not hold up the others. Chunks of
    batches come from a queue of their own, so that no single document waits behind them."""
    room = house().sealing_room  # built here, before threads would build it twice
    work = in_this_trace(partial(seal_document, room=room))
    failed: list[_Message] = []
    at_once = house().settings.seal_at_once
    with trust_watched(house()), ThreadPoolExecutor(max_workers=at_once) as pool:
        messages = _messages(event)
        begun = [(m, pool.submit(work, m.document_id)) for m in messages if m.batch is None]
        for message, sealing in begun:
            ended = partial(_seal_ended, sealing)
            failed += _attempt(message, ended, delayed=LogEvent.SEALING_DELAYED)
        for message in messages:
            if message.batch is not None:
                chunk = partial(_seal_chunk, message, message.batch, pool, work)
                failed += _attempt(message, chunk, delayed=LogEvent.SEALING_DELAYED)
    return _report(failed)


def _seal_chunk(
    message: _Message,
    work: BatchWork,
    pool: ThreadPoolExecutor,
    seal_one: Callable[[str], Document],
) -> None:
    def seal_each(ids: Sequence[str]) -> list[Document]:
        """All of them are tried; then the first that failed is told."""
        begun = [pool.submit(seal_one, document_id) for document_id in ids]
        wait(begun)
        documents = [sealing.result() for sealing in begun]
        count("DocumentIssued", sum(d.state is DocumentState.ISSUED for d in documents))
        return documents

    seal_chunk(work, owner=message.message_id, room=house().chunk_room, seal_each=seal_each)


@blueprint.on_sqs_message(queue=_BATCH, batch_size=1, name="batch")
@instrumented
def batch(event: SQSEvent) -> Report:
    """Go on with a batch: check its file, send out its chunks, end it."""
    in_time = partial(_in_time, event, _BATCH_STOPS_MILLIS)
    failed: list[_Message] = []
    for message in _messages(event):
        attempt = partial(_advance, message, in_time)
        failed += _attempt(message, attempt, delayed=LogEvent.BATCH_DELAYED)
    return _report(failed)


def _advance(message: _Message, in_time: Callable[[], bool]) -> None:
    if message.batch is None:
        raise NotFoundError
    advanced = advance(message.batch.ref, room=batch_room(house()), in_time=in_time)
    if advanced is not None:
        extra = {"batch": str(advanced.ref), "state": advanced.stands}
        logger.info(LogEvent.BATCH_ADVANCED, extra=extra)


def _seal_ended(sealing: Future[Document]) -> None:
    _log_end(sealing.result())


@blueprint.on_sqs_message(queue=_DELIVER, batch_size=10, name="deliver")
@instrumented
def deliver(event: SQSEvent) -> Report:
    """Tell the recipients of each document of a batch."""

    def work(document_id: str) -> None:
        document = deliver_document(document_id, courier=house().courier)
        count("DocumentDelivered")
        logger.info(
            LogEvent.DELIVERED,
            extra={"document_id": document_id, "recipients": len(document.recipients)},
        )

    failed: list[_Message] = []
    for message in _messages(event):
        attempt = partial(work, message.document_id)
        failed += _attempt(message, attempt, delayed=LogEvent.DELIVERY_DELAYED)
    return _report(failed)


def _in_time(event: SQSEvent, reserve_millis: int) -> bool:
    """Whether more than this is left before Lambda ends the invocation."""
    context: Any = event.context
    return int(context.get_remaining_time_in_millis()) > reserve_millis


def _number_book(messages: Sequence[_Message], in_time: Callable[[], bool]) -> Sequence[_Message]:
    try:
        number_in_turn(
            [m.batch.ref if m.batch else m.document_id for m in messages],
            group=messages[0].group,
            to=house().numberer,
            batches=house().batch_numberer,
            queue=house().number_queue,
            in_time=in_time,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, other books go on
        _log_delay(LogEvent.NUMBERING_DELAYED, error, book_group=messages[0].group)
        return messages
    count("MessageNumbered", len(messages))
    logger.info(LogEvent.NUMBERED, extra={"messages": len(messages)})
    return ()


def _attempt(
    message: _Message, work: Callable[[], None], *, delayed: LogEvent
) -> Sequence[_Message]:
    """Do the work of one message; returns it if it has to come again."""
    try:
        work()
    except NotFoundError:
        # The document store is the truth: there is nothing to do, now or later.
        logger.warning(LogEvent.POISONED, extra={"message_id": message.message_id})
    except Exception as error:  # noqa: BLE001 - whatever it is, other documents go on
        named = {"batch": str(message.batch)} if message.batch else {}
        _log_delay(delayed, error, **{"document_id": message.document_id, **named})
        return (message,)
    return ()


def _messages(event: SQSEvent) -> list[_Message]:
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


def _read(message_id: str, group: str, body: str) -> _Message | None:
    try:
        told = json.loads(body)
        if "batch" in told:
            return _Message(message_id, group, batch=BatchWork.parse(told["batch"]))
        value = told["document_id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return _Message(message_id, group, value) if isinstance(value, str) and value else None


def _group(message: _Message) -> str:
    return message.group


def _report(failed: Sequence[_Message]) -> Report:
    return {"batchItemFailures": [{"itemIdentifier": m.message_id} for m in failed]}


def _log_end(document: Document) -> None:
    count(f"Document{document.state.capitalize()}")
    logger.info(
        LogEvent.DOCUMENT_ENDED,
        extra={
            "document_id": document.document_id,
            "agency_id": document.agency_id,
            "state": document.state,
            "reason": document.reason.code if document.reason else None,
        },
    )


def _log_delay(event: LogEvent, error: Exception, **ids: Any) -> None:
    """Only errors raised on purpose are told in full; others can quote values."""
    count("WorkDelayed")
    if isinstance(error, TraError):
        logger.warning(event, extra={"code": error.code, "detail": error.detail, **ids})
    else:
        logger.error(event, extra={"code": "unforeseen", "error": type(error).__name__, **ids})
