"""Dispatch: do for one delivery whatever is due (docs/adr/0041).

A delivery comes here whenever something happened to it, and whenever its time has come. Each
step asks what stands, does what is missing, and may be repeated: by a message that comes twice,
beside another worker, or after a death at any line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId, Moved
from chalicelib.domain.delivery_events import (
    Consigned,
    Counted,
    DeliveryEvent,
    GaveUp,
    Relayed,
    RelayRefused,
    Reminded,
    TryFailed,
)
from chalicelib.domain.delivery_messages import delivered_event
from chalicelib.domain.delivery_notices import (
    Notice,
    NoticeKind,
    notice_event,
    notices,
    tell_again_at,
    untold,
)
from chalicelib.domain.delivery_records import (
    DeliveryRecord,
    archive_prefix,
    evidence_name,
    statement_name,
)
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Reason
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    ArchiveError,
    ChannelBusyError,
    ChannelRefusedError,
    NotFoundError,
)
from chalicelib.domain.office_hours import Arrival, WorkingTime
from chalicelib.domain.reminders import Due, StageKind, known_schedule
from chalicelib.domain.retention import LockMode
from chalicelib.ports import Archive, Channels
from chalicelib.services.delivery_steps import DeliveryRoom, received_at, write_step

_MEDIA_TYPE = "application/jose"

# Holidays are announced, and come with a release of Tra: nobody needs to know within the hour.
_ANNOUNCED_AGAIN = timedelta(days=1)

_UNKNOWN_AGENCY = Reason(
    "unknown_agency",
    "The recipient is not in the directory of agencies any more.",
    "ไม่พบหน่วยงานผู้รับในทะเบียนหน่วยงานแล้ว",
)
_GAVE_UP = Reason(
    "gave_up",
    "The recipient's system could not be reached in the time set for that.",
    "ติดต่อระบบของหน่วยงานผู้รับไม่ได้ภายในเวลาที่กำหนด",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRoom:
    """Collaborators of `dispatch`. `check_arrival` verifies the file of a letter that arrived
    at an agency hosted here, and notes what it found."""

    steps: DeliveryRoom
    channels: Channels
    archive: Archive
    lock_mode: LockMode
    check_arrival: Callable[[DeliveryRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """How the delivery stands, and what the supervisor has to hear of (A28): it `failed`,
    `escalated` so often, so many notices are `untellable`. Each is told with the run that put
    the evidence of it into the archive; a death may have it told twice."""

    delivery: Delivery
    failed: bool = False
    escalated: int = 0
    untellable: int = 0


def dispatch(delivery_id: DeliveryId, *, room: DispatchRoom) -> Dispatched:
    """Do whatever is due for one delivery, and note when somebody must look at it again.

    Raises NotFoundError, ArchiveError if the archive holds something else, UnavailableError;
    then what was done stands, and `sweep` finds the rest. Dies half-way: the same.
    """
    # 1. Read how far it is.
    record = room.steps.deliveries.get(delivery_id)
    if record is None:
        raise NotFoundError
    agency = room.steps.directory.agency(delivery_id.recipient)

    # 2. Bring it to the recipient's system; or give up (A5).
    delivery = _bring(record.delivery, agency, room)

    # 3. When its arrival counts, if that was not known then (E2, ADR 40).
    delivery = _count(delivery, agency, room)

    # 4. Remind a recipient that has it and does not register it (A14).
    delivery = _remind(delivery, agency, room)

    # 5. Evidence and statements into the archive beside the letter (B9).
    chain = room.steps.deliveries.evidence(delivery_id) if _has_work(record, delivery) else ()
    archived = _archive(record, delivery, chain, room)

    # 6. Tell who has to be told. The same bytes each time (P5).
    told = _Telling(room, delivery, chain).tell(untold(delivery, record.told))

    # 7. Verify the file that arrived: nobody registers it before.
    if _is_unchecked(record, delivery):
        room.check_arrival(record)

    # 8. When somebody must look again. Whoever moved it meanwhile has sent it here anew.
    due_at = min((*told.again, *_due(delivery, agency, room)), default=None)
    if delivery.history != record.delivery.history or due_at != record.due_at:
        room.steps.deliveries.look_again(delivery, due_at)
    return _seen(delivery, archived, told.untellable)


def _take(delivery: Delivery, event: DeliveryEvent, room: DispatchRoom) -> Delivery:
    """The event is of the delivery as this run knows it: what came too late does nothing."""
    return write_step(delivery.id, lambda _record: event, room=room.steps).delivery


# -- to the recipient ----------------------------------------------------------------


def _bring(delivery: Delivery, agency: Agency | None, room: DispatchRoom) -> Delivery:
    if delivery.state not in {DeliveryState.PLANNED, DeliveryState.RELAYED}:
        return delivery
    now = room.steps.clock()
    if now >= delivery.budget.give_up_at:
        return _take(delivery, GaveUp(at=now, reason=_GAVE_UP), room)
    if delivery.state is DeliveryState.RELAYED or now < _next_try(delivery):
        return delivery
    return _take(delivery, _hand_in(delivery, agency, room), room)


def _hand_in(delivery: Delivery, agency: Agency | None, room: DispatchRoom) -> DeliveryEvent:
    """What came of it. A channel that took it and was not heard gets the same event again."""
    steps = room.steps
    if agency is None:
        return RelayRefused(at=steps.clock(), reason=_UNKNOWN_AGENCY)
    try:
        if delivery.channel is not ChannelKind.HOSTED:
            accepted, *_ = steps.deliveries.evidence(delivery.id)
            event = delivered_event(delivery, accepted, public_url=steps.public_url)
            room.channels.hand_in(agency, delivery.channel, event)
    except ChannelBusyError as error:
        return TryFailed(at=steps.clock(), no=delivery.tries + 1, reason=Reason.of(error))
    except ChannelRefusedError as error:
        return RelayRefused(at=steps.clock(), reason=Reason.of(error))
    now = steps.clock()
    if delivery.channel.confirms_arrival:
        return Consigned(at=now, received=received_at(agency, now, room=steps))
    return Relayed(at=now)


def _next_try(delivery: Delivery) -> datetime:
    """However often a message comes: a busy channel is left alone until then."""
    if not delivery.tries:
        return delivery.planned_at
    return delivery.last("try_failed").at + delivery.budget.pause_after(delivery.tries)


# -- with the recipient ----------------------------------------------------------------


def _count(delivery: Delivery, agency: Agency | None, room: DispatchRoom) -> Delivery:
    received = delivery.received
    if received is None or received.counted_at is not None or agency is None:
        return delivery
    counted_at = received_at(agency, received.entered_at, room=room.steps).counted_at
    if counted_at is None:
        return delivery
    return _take(delivery, Counted(at=room.steps.clock(), counted_at=counted_at), room)


def _remind(delivery: Delivery, agency: Agency | None, room: DispatchRoom) -> Delivery:
    if agency is None:
        return delivery
    now = room.steps.clock()
    for due in _reminders_left(delivery, agency, room)[0]:
        if due.at > now or delivery.state is not DeliveryState.CONSIGNED:
            break
        escalates = due.kind is StageKind.ESCALATE
        event = Reminded(at=now, no=delivery.reminders + 1, escalates=escalates)
        delivery = _take(delivery, event, room)
    return delivery


def _reminders_left(
    delivery: Delivery, agency: Agency, room: DispatchRoom
) -> tuple[tuple[Due, ...], bool]:
    """Reminders to come, by the working time and settings of the recipient, and whether all
    of them are known yet (ADR 40)."""
    received = delivery.received
    if delivery.state is not DeliveryState.CONSIGNED or received is None:
        return (), True
    letter = delivery.letter
    counted = received.counted_at is not None
    stages = agency.reminders.stages.get(letter.urgency, ())
    dues, known = known_schedule(
        stages if counted else (),
        Arrival(received.entered_at, received.stands_at),
        WorkingTime(agency.office, room.steps.holidays),
        within=letter.act_within,
    )
    return dues[delivery.reminders :], known and counted


# -- what follows ------------------------------------------------------------------------


def _has_work(record: DeliveryRecord, delivery: Delivery) -> bool:
    archived = all(name in record.archived for name in _names(delivery))
    return not archived or bool(untold(delivery, record.told))


def _names(delivery: Delivery) -> Iterator[str]:
    yield from (evidence_name(place) for place in range(delivery.evidence_count))
    yield from (statement_name(digest) for digest in _statements(delivery))


def _statements(delivery: Delivery) -> Sequence[str]:
    """Digests of all that the recipient stated, in order."""
    stated = [receipt.digest for receipt in delivery.receipts]
    return [*stated] if delivery.statement in (None, *stated) else [str(delivery.statement)]


def _archive(
    record: DeliveryRecord, delivery: Delivery, chain: Sequence[str], room: DispatchRoom
) -> Collection[str]:
    """What this run put there, by name. Dies half-way: the repeat finds it there (P2)."""
    store, new = room.steps.deliveries, []
    texts = {evidence_name(place): jws for place, jws in enumerate(chain)}
    for name in _names(delivery):
        if name not in record.archived:
            text = texts.get(name) or store.statement(delivery.id, _digest_in(name))
            _put(delivery, name, text, room)
            new.append(name)
    if new:
        store.mark_archived(delivery.id, new)
    return new
