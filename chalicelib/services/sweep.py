"""Sweep: find what no message carries any more and set it going again (P4, P8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.domain.batches import BatchWork
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.documents import DocumentState
from chalicelib.domain.errors import SecretUnreadableError, TraError, UnavailableError
from chalicelib.ports import (
    BatchStore,
    Clock,
    DeliveryStore,
    DocumentStore,
    RegisterStore,
    Unsettled,
    WorkQueue,
)
from chalicelib.services.decide_case import CaseRoom, expire_case
from chalicelib.services.reserve import expire

# A document that stays stuck is looked at less and less often, but for ever (P4).
_LONGEST_WAIT = timedelta(hours=6)

_WOKEN_AT_ONCE = 100
_MOST_WOKEN = 2_000
_SENT_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Broom:
    """Collaborators of `sweep`."""

    documents: DocumentStore
    registers: RegisterStore
    batches: BatchStore
    number_queue: WorkQueue
    seal_queue: WorkQueue
    deliver_queue: WorkQueue
    batch_queue: WorkQueue
    deliveries: DeliveryStore
    dispatch_queue: WorkQueue
    cases: CaseRoom
    clock: Clock
    sweep_after: timedelta


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run did: messages sent anew (or documents ended that nobody approved in time), how many of them not for the first time, reservations
    that expired, and documents that could not be sent on just now. And what it saw: how long
    ago the oldest document was submitted that has a number and no seal yet; 0 if none waits.
    `woken` are documents that expired, whose recipients are told now. Documents of batches are
    not among those that wait for a seal: `batches` of those were set going again."""

    resent: int
    stubborn: int
    expired: int
    failed: int
    oldest_unsealed_seconds: int
    woken: int = 0
    batches: int = 0
    deliveries: int = 0
    open_deliveries: Mapping[str, int] = field(default_factory=dict)
    open_seconds: Mapping[str, int] = field(default_factory=dict)


def sweep(*, broom: Broom, limit: int = 500, in_time: Callable[[], bool] = lambda: True) -> Swept:
    """Send the next message of every overdue document, most overdue first, and end what nobody
    approved, and the reservations that nobody used, in time. Deliveries are taken `limit` at a time for as long as
    `in_time` says: on a morning many thousand reminders come due at once, and a letter that waits
    for its next try must not wait behind them.

    Repeatable and safe beside any other function: a message too many finds its work
    done. Dies anywhere: what was not reached is overdue still.
    """
    resent = stubborn = failed = 0
    now = broom.clock()
    for unsettled in broom.documents.unsettled(now, limit):
        try:
            sent = _resend(unsettled, broom)
            broom.documents.postpone(unsettled, now + _wait(unsettled, broom))
        except TraError:
            failed += 1  # overdue still: the next run takes it up; it holds up no other
            continue
        resent += sent
        stubborn += sent and unsettled.sweeps > 0
    expired = expire(registers=broom.registers, clock=broom.clock)
    woken = _wake(broom)
    batches = _resend_batches(broom, limit)
    deliveries = _resend_deliveries(broom, limit, in_time)
    still_open = broom.deliveries.open_items()
    return Swept(
        resent=resent,
        stubborn=stubborn,
        expired=expired,
        failed=failed,
        oldest_unsealed_seconds=_oldest_unsealed(broom),
        woken=woken,
        batches=batches,
        deliveries=deliveries,
        open_deliveries=still_open.counts,
        open_seconds={s: _seconds_since(at, broom) for s, at in still_open.oldest.items()},
    )


def _wake(broom: Broom) -> int:
    """Have the recipients of documents that expired told. What this run does not reach, the
    next one finds: on the last day of a year very many may expire at once."""
    now = broom.clock()
    woken = 0
    while woken < _MOST_WOKEN:
        found = broom.documents.sleepers(now, _WOKEN_AT_ONCE)
        # Unsettled first, so that what follows may die anywhere.
        awake = [s.document_id for s in found if broom.documents.wake(s, now + broom.sweep_after)]
        if not awake:
            break
        with suppress(UnavailableError):
            broom.deliver_queue.send(awake)
        woken += len(awake)
    return woken


def _resend_batches(broom: Broom, limit: int) -> int:
    """Set batches going in which nothing moved; how many. Each says itself when somebody is to
    look at it again."""
    due = broom.batches.due(broom.clock(), limit)
    broom.batch_queue.send_batch([BatchWork(ref) for ref in due])
    return len(due)


def _resend_deliveries(broom: Broom, limit: int, in_time: Callable[[], bool]) -> int:
    """Have looked after what is due; how many. Each says itself when it is due next; until it
    has, it is due again after as long as it has been as it is, at most six hours."""
    found = 0
    while due := broom.deliveries.due(broom.clock(), limit):
        sent = sum(
            _send_due(due[start : start + _SENT_AT_ONCE], broom)
            for start in range(0, len(due), _SENT_AT_ONCE)
        )
        found += sent
        if len(due) < limit or not sent or not in_time():
            break
    return found


def _send_due(due: Sequence[DeliveryId], broom: Broom) -> int:
    # Postponed first: whoever gets the message says when it is due, and has the last word.
    ids = []
    for delivery_id in due:
        # Overdue still, or damaged: it keeps no other one waiting.
        with suppress(UnavailableError, SecretUnreadableError):
            if _postponed(delivery_id, broom):
                ids.append(delivery_id)
    with suppress(UnavailableError):
        broom.dispatch_queue.send_deliveries(ids)
        return len(ids)
    return 0


def _postponed(delivery_id: DeliveryId, broom: Broom) -> bool:
    """False if it was looked after meanwhile, or moved, and so has a message of its own."""
    record, now = broom.deliveries.get(delivery_id), broom.clock()
    if record is None or record.due_at is None or record.due_at > now:
        return False
    delivery = record.delivery
    wait = min(max(now - delivery.changed_at, broom.sweep_after), _LONGEST_WAIT)
    return broom.deliveries.look_again(delivery, now + wait)


def _oldest_unsealed(broom: Broom) -> int:
    """Also of documents that are not due: the longer one is stuck, the later it is swept."""
    since = broom.documents.waiting_since(DocumentState.NUMBERED)
    return _seconds_since(since, broom) if since else 0


def _seconds_since(since: datetime, broom: Broom) -> int:
    return max(0, int((broom.clock() - since).total_seconds()))


def _resend(unsettled: Unsettled, broom: Broom) -> bool:
    """False if it rests on purpose."""
    ids = [unsettled.document_id]
    match unsettled.state:
        case DocumentState.AWAITING_APPROVAL:
            _end_undecided(unsettled, broom)
        case DocumentState.ACCEPTED:
            if _waits_for_its_run(unsettled, broom):
                return False
            broom.number_queue.send(ids, group=unsettled.group)
        case DocumentState.NUMBERED:
            broom.seal_queue.send(ids)
        case _:
            broom.deliver_queue.send(ids)
    return True


def _waits_for_its_run(unsettled: Unsettled, broom: Broom) -> bool:
    """It is approved, and another document of its run is not decided yet: whoever decides on
    that one sends them on, and this one is not stuck."""
    document = broom.documents.get(unsettled.document_id)
    run = document.run if document else ()
    if not run:
        return False
    return any(other.awaits_approval for other in broom.documents.get_many(run).values())


def _end_undecided(unsettled: Unsettled, broom: Broom) -> None:
    """Nobody decided in time: it ends, and its owner can read why (P4)."""
    document = broom.documents.get(unsettled.document_id)
    if document is not None and document.awaits_approval:
        expire_case(document, room=broom.cases)


def _wait(unsettled: Unsettled, broom: Broom) -> timedelta:
    doublings: int = 2 ** min(unsettled.sweeps, 10)
    return min(broom.sweep_after * doublings, _LONGEST_WAIT)
