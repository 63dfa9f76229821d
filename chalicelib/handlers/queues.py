"""Functions that queues trigger. Each message carries a document id, or names a batch or a chunk
of one, and nothing else.

A message whose work failed is reported back (`ReportBatchItemFailures`) and comes
again; after its budget it lies in the dead-letter queue, an alarm tells the
supervisor (A28), and `sweep` still finds the document (P4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import groupby

from chalice.app import Blueprint, SQSEvent

from chalicelib.bootstrap import house
from chalicelib.domain.batches import BatchWork
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import NotFoundError
from chalicelib.handlers.batch_lines import batch_room
from chalicelib.handlers.messages import (
    Message,
    Report,
    attempt,
    log_delay,
    messages_of,
    report_of,
    time_left,
)
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

# Deliveries of some dozens of recipients take a second or two, a webhook that is silent ten.
_DELIVERING_STOPS_MILLIS = 15_000


@blueprint.on_sqs_message(queue=_NUMBER, batch_size=10, name="number")
@instrumented
def number(event: SQSEvent) -> Report:
    """Number a batch, book by book. If a book fails, its messages come again, in order;
    other books are not held up."""
    failed: list[Message] = []
    for _, messages in groupby(sorted(messages_of(event), key=_group), key=_group):
        failed += _number_book(list(messages), partial(time_left, event, _NUMBERING_STOPS_MILLIS))
    return report_of(failed)


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
    failed: list[Message] = []
    at_once = house().settings.seal_at_once
    with trust_watched(house()), ThreadPoolExecutor(max_workers=at_once) as pool:
        messages = messages_of(event)
        begun = [(m, pool.submit(work, m.document_id)) for m in messages if m.batch is None]
        for message, sealing in begun:
            ended = partial(_seal_ended, sealing)
            failed += attempt(message, ended, delayed=LogEvent.SEALING_DELAYED)
        for message in messages:
            if message.batch is not None:
                chunk = partial(_seal_chunk, message, message.batch, pool, work)
                failed += attempt(message, chunk, delayed=LogEvent.SEALING_DELAYED)
    return report_of(failed)


def _seal_chunk(
    message: Message,
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
    in_time = partial(time_left, event, _BATCH_STOPS_MILLIS)
    failed: list[Message] = []
    for message in messages_of(event):
        work = partial(_advance, message, in_time)
        failed += attempt(message, work, delayed=LogEvent.BATCH_DELAYED)
    return report_of(failed)


def _advance(message: Message, in_time: Callable[[], bool]) -> None:
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

    in_time = partial(time_left, event, _DELIVERING_STOPS_MILLIS)

    def tell(document_id: str) -> None:
        document = deliver_document(document_id, courier=house().courier, in_time=in_time)
        count("DocumentDelivered")
        logger.info(
            LogEvent.DELIVERED,
            extra={"document_id": document_id, "recipients": len(document.recipients)},
        )

    failed: list[Message] = []
    for message in messages_of(event):
        work = partial(tell, message.document_id)
        failed += attempt(message, work, delayed=LogEvent.DELIVERY_DELAYED)
    return report_of(failed)


def _number_book(messages: Sequence[Message], in_time: Callable[[], bool]) -> Sequence[Message]:
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
        log_delay(LogEvent.NUMBERING_DELAYED, error, book_group=messages[0].group)
        return messages
    count("MessageNumbered", len(messages))
    logger.info(LogEvent.NUMBERED, extra={"messages": len(messages)})
    return ()


def _group(message: Message) -> str:
    return message.group


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
