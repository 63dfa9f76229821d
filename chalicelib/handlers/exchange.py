"""Functions that bring letters to agencies and take their answers (docs/adr/0041).

As in `handlers/queues.py`, a message whose work failed comes again, then lies in the
dead-letter queue (`tra redrive`), and `sweep` still finds the delivery (P4).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chalice.app import Blueprint, SQSEvent

from chalicelib.bootstrap import house
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.factor_events import LockNotice
from chalicelib.handlers.messages import Message, Report, attempt, messages_of, report_of
from chalicelib.handlers.telemetry import LogEvent, count, in_this_trace, instrumented, logger
from chalicelib.services.dispatch import Dispatched
from chalicelib.services.dispatch import dispatch as dispatch_delivery
from chalicelib.services.tell_lock import tell_lock

blueprint = Blueprint(__name__)

# The queue's real name comes with the deployment (infra/resources.yaml).
_DISPATCH = "dispatch"


@blueprint.on_sqs_message(queue=_DISPATCH, batch_size=10, name="dispatch")
@instrumented
def dispatch(event: SQSEvent) -> Report:
    """Do what is due for the delivery of each message, several at once: while one recipient's
    system is slow to answer, the letters of the others are on their way. Of a lock its agency is
    told besides."""
    room = house().dispatch_room  # built here, before threads would build it twice
    work = in_this_trace(partial(dispatch_delivery, room=room))
    failed: list[Message] = []
    with ThreadPoolExecutor(max_workers=house().settings.dispatch_at_once) as pool:
        messages = messages_of(event)
        begun = [(m, _begun(m, work, pool)) for m in messages if m.lock is None]
        for message in messages:
            if message.lock is not None:
                tell = partial(_tell_lock, message.lock)
                failed += attempt(message, tell, delayed=LogEvent.DISPATCH_DELAYED)
        for message, dispatching in begun:
            ended = partial(_log_end, dispatching)
            failed += attempt(message, ended, delayed=LogEvent.DISPATCH_DELAYED)
    return report_of(failed)


def _begun(
    message: Message, work: Callable[[DeliveryId], Dispatched], pool: ThreadPoolExecutor
) -> Callable[[], Dispatched]:
    """What waits for the end of this message's work."""
    if message.delivery is None:
        return _nothing
    return pool.submit(work, message.delivery).result


def _tell_lock(notice: LockNotice) -> None:
    taken = tell_lock(notice, room=house().lock_room)
    count("NoticeUntellable", not taken)
    logger.info(LogEvent.LOCK_TOLD, extra={"lock": str(notice), "taken": taken})


def _nothing() -> Dispatched:
    raise NotFoundError


def _log_end(dispatching: Callable[[], Dispatched]) -> None:
    done = dispatching()
    count("DeliveryFailed", done.failed)
    count("DeliveryEscalated", done.escalated)
    count("NoticeUntellable", done.untellable)
    extra = {"delivery_id": done.delivery.delivery_id, "state": done.delivery.state}
    logger.info(LogEvent.DISPATCHED, extra=extra)
