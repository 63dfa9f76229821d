"""Dispatch: do for one delivery whatever is due (docs/adr/0041).

A delivery comes here whenever something happened to it, and whenever its time has come. Each
step asks what stands, does what is missing, and may be repeated: by a message that comes twice,
beside another worker, or after a death at any line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId, Step
from chalicelib.domain.delivery_events import (
    ESCALATED,
    Consigned,
    Counted,
    DeliveryEvent,
    GaveUp,
    Relayed,
    RelayRefused,
    Reminded,
    TryFailed,
)
from chalicelib.domain.delivery_evidence import evidence_place
from chalicelib.domain.delivery_messages import delivered_event
from chalicelib.domain.delivery_notices import untold
from chalicelib.domain.delivery_records import DeliveryRecord, evidence_name
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Reason
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    ChannelBusyError,
    ChannelRefusedError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.office_hours import Arrival, WorkingTime
from chalicelib.domain.reminders import Due, StageKind, known_schedule
from chalicelib.ports import Channels
from chalicelib.services.archive_delivery import DeliveryArchive, archive_delivery, unarchived
from chalicelib.services.delivery_steps import UNKNOWN_AGENCY, DeliveryRoom, received_at, write_step
from chalicelib.services.give_notices import Given, NoticeRoom, give_notices

# Holidays are announced, and come with a release of Tra: nobody needs to know within the hour.
_ANNOUNCED_AGAIN = timedelta(days=1)

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
    archive: DeliveryArchive
    notices: NoticeRoom
    check_arrival: Callable[[DeliveryRecord], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """How the delivery stands, and what the supervisor has to hear of (A28): that it `failed`,
    `escalated` so often, that so many notices can be given to nobody. The first two are told by
    the run that notes their evidence as archived, whoever made it: one that fails before that
    leaves them to the next one."""

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
    now = replace(record, delivery=delivery)
    work = unarchived(now) or untold(delivery, now.told)
    chain = room.steps.deliveries.evidence(delivery_id) if work else ()
    archived = archive_delivery(now, chain, room=room.archive)

    # 6. Tell who has to be told, by the same bytes each time (P5).
    given = give_notices(now, chain, room=room.notices)

    # 7. Verify the file that arrived here: nobody can register it before.
    if _is_unchecked(now):
        room.check_arrival(now)

    # 8. Only now: until it is noted, what was archived is new, for the supervisor too (A28).
    room.steps.deliveries.mark_archived(delivery_id, sorted(archived))

    # 9. When somebody must look again. Whoever moved it meanwhile has sent it here anew.
    due_at = min(_due(delivery, agency, given, room), default=None)
    if due_at != record.due_at or delivery != record.delivery:
        _look_again(delivery, due_at, room, heard=bool(archived))
    return _for_the_supervisor(delivery, archived, given)


def _look_again(
    delivery: Delivery, due_at: datetime | None, room: DispatchRoom, *, heard: bool
) -> None:
    """Raises UnavailableError, unless something is to be `heard` of this run: then the time that
    its step set stands, and `sweep` asks again."""
    try:
        room.steps.deliveries.look_again(delivery, due_at)
    except UnavailableError:
        if not heard:
            raise


def _take(delivery: Delivery, event: DeliveryEvent, room: DispatchRoom) -> Delivery:
    """The event is of the delivery as this run knows it: what came too late does nothing."""
    return write_step(delivery.id, lambda _record: event, room=room.steps).delivery


# -- to the recipient ----------------------------------------------------------------


def _bring(delivery: Delivery, agency: Agency | None, room: DispatchRoom) -> Delivery:
    if delivery.state not in {DeliveryState.PLANNED, DeliveryState.RELAYED}:
        return delivery
    now = room.steps.clock()
    # However late we are: a letter that was never handed in has not failed at the recipient.
    begun = delivery.tries > 0 or delivery.state is DeliveryState.RELAYED
    if begun and now >= delivery.budget.give_up_at:
        return _take(delivery, GaveUp(at=now, reason=_GAVE_UP), room)
    if delivery.state is DeliveryState.RELAYED or now < _next_try(delivery):
        return delivery
    return _take(delivery, _hand_in(delivery, agency, room), room)


def _hand_in(delivery: Delivery, agency: Agency | None, room: DispatchRoom) -> DeliveryEvent:
    """What came of it. A channel that took it and was not heard gets the same event again."""
    steps = room.steps
    if agency is None:
        return RelayRefused(at=steps.clock(), reason=UNKNOWN_AGENCY)
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
    dues, known = known_schedule(
        agency.reminders.stages.get(letter.urgency, ()),
        Arrival(received.entered_at, received.stands_at),
        WorkingTime(agency.office, room.steps.holidays),
        within=letter.act_within,
    )
    return dues[delivery.reminders :], known


# -- what is left ------------------------------------------------------------------------


def _is_unchecked(record: DeliveryRecord) -> bool:
    delivery = record.delivery
    waits = delivery.state is DeliveryState.CONSIGNED and record.check is None
    return waits and delivery.channel is ChannelKind.HOSTED


def _due(
    delivery: Delivery, agency: Agency | None, given: Given, room: DispatchRoom
) -> Iterator[datetime]:
    """When something comes due, each time that is known."""
    if given.again_at is not None:
        yield given.again_at
    if delivery.state is DeliveryState.PLANNED:
        yield min(_next_try(delivery), delivery.budget.give_up_at)
    if delivery.state is DeliveryState.RELAYED:
        yield delivery.budget.give_up_at
    if agency is None:
        return
    reminders, known = _reminders_left(delivery, agency, room)
    yield from (due.at for due in reminders[:1])
    uncounted = delivery.received is not None and delivery.received.counted_at is None
    if uncounted or not known:
        yield room.steps.clock() + _ANNOUNCED_AGAIN


def _for_the_supervisor(delivery: Delivery, archived: Collection[str], given: Given) -> Dispatched:
    """What happened is new while its evidence was not archived."""
    new = [step for step in delivery.history if _evidence_of(step, delivery) in archived]
    return Dispatched(
        delivery=delivery,
        failed=any(step.state is DeliveryState.FAILED for step in new),
        escalated=sum(step.key.startswith(ESCALATED) for step in new),
        untellable=given.untellable,
    )


def _evidence_of(step: Step, delivery: Delivery) -> str | None:
    with suppress(ValueError):
        return evidence_name(evidence_place(delivery, step.key))
    return None
