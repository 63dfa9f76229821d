"""Give notices: tell sender and recipient what became of a delivery (A4, A5, A14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.delivery_notices import Notice, notice_event, tell_again_at, untold
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ChannelBusyError, ChannelRefusedError
from chalicelib.ports import Channels, Clock, DeliveryStore, Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRoom:
    """Collaborators of `give_notices`."""

    deliveries: DeliveryStore
    directory: Directory
    channels: Channels
    clock: Clock
    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What came of it: how many were told, how many never can be, and when to try those again
    that were not taken now."""

    told: int = 0
    untellable: int = 0
    again_at: datetime | None = None


def give_notices(record: DeliveryRecord, chain: Sequence[str], *, room: NoticeRoom) -> Given:
    """Give every notice that the delivery calls for and that was not given. One that is not
    taken holds up no other.

    `chain` is the delivery's evidence. Dies after a send and before its note: that agency gets
    the same bytes again (P5). Raises UnavailableError.
    """
    told = untellable = 0
    again: list[datetime] = []
    for notice in untold(record.delivery, record.told):
        agency = room.directory.agency(notice.to)
        if agency is not None and agency.reached_by is ChannelKind.HOSTED:
            continue  # its inbox and outbox show it
        taken = agency is not None and _send(notice, agency, record, chain, room)
        if taken is None:
            next_at = tell_again_at(notice, room.clock())
            if next_at is not None:
                again.append(next_at)
                continue
        key = notice.key if taken else notice.given_up_key
        room.deliveries.mark_told(record.delivery.id, key)
        told, untellable = told + bool(taken), untellable + (not taken)
    return Given(told=told, untellable=untellable, again_at=min(again, default=None))


def _send(
    notice: Notice,
    agency: Agency,
    record: DeliveryRecord,
    chain: Sequence[str],
    room: NoticeRoom,
) -> bool | None:
    """Whether it was taken; None: not now."""
    delivery_id, digest = record.delivery.id, notice.statement
    statement = room.deliveries.statement(delivery_id, digest) if digest else None
    event = notice_event(
        notice, record.delivery, chain, public_url=room.public_url, statement=statement
    )
    try:
        room.channels.hand_in(agency, agency.reached_by, event)
    except ChannelBusyError:
        return None
    except ChannelRefusedError:
        return False
    return True
