"""A step of a delivery: decide, sign, write (docs/adr/0041). All that moves one goes this way.

Only registering in a receive register of this house writes more in the same transaction; it
uses the parts (`services/register_letter.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.deliveries import Delivery, DeliveryId, Moved, Result, happen
from chalicelib.domain.delivery_events import DeliveryEvent, Received
from chalicelib.domain.delivery_evidence import as_told, give_evidence
from chalicelib.domain.delivery_records import DeliveryChange, DeliveryRecord
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Reason
from chalicelib.domain.errors import (
    DeliveryMovedError,
    NotFoundError,
    UnavailableError,
    UnknownYearError,
)
from chalicelib.domain.holidays import Holidays
from chalicelib.domain.office_hours import WorkingTime
from chalicelib.ports import Clock, DeliveryStore, Directory, EvidenceSigner, WorkQueue

# A conflict means that somebody else moved the same delivery at the same moment.
_TRIES = 6

UNKNOWN_AGENCY = Reason(
    "unknown_agency",
    "The recipient is not in the directory of agencies any more.",
    "ไม่พบหน่วยงานผู้รับในทะเบียนหน่วยงานแล้ว",
)
"""Why nothing can be sent to somebody who was there when the letter was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRoom:
    """Collaborators of every step. `pause(attempt)` waits before the next try, longer each time
    and with jitter. `look_after` is how long what no message carries any more may rest,
    `give_up_after` how long a channel is tried (A5)."""

    deliveries: DeliveryStore
    directory: Directory
    signer: EvidenceSigner
    dispatch_queue: WorkQueue
    holidays: Holidays
    clock: Clock
    pause: Callable[[int], None]
    public_url: str
    look_after: timedelta
    give_up_after: timedelta = timedelta(hours=72)


def take_step(
    delivery_id: DeliveryId,
    event_of: Callable[[DeliveryRecord], DeliveryEvent],
    *,
    room: DeliveryRoom,
    statement: str | None = None,
) -> Result:
    """Let something happen to a delivery: what it does, and evidence of it, in ONE transaction.

    Returns what `happen` said of the delivery as it was at that moment. `event_of` makes the
    event for the delivery as it is then, each time it is tried; `statement` is the receipt or
    rejection that the event is about, kept with it. Raises NotFoundError, UnavailableError.

    Dies before the write: nothing happened. Dies after it: the step stands, and `sweep`, or a
    repeat, has done what follows from it.
    """
    result = write_step(delivery_id, event_of, room=room, statement=statement)
    if isinstance(result, Moved):
        go_on(delivery_id, room=room)
    return result


def write_step(
    delivery_id: DeliveryId,
    event_of: Callable[[DeliveryRecord], DeliveryEvent],
    *,
    room: DeliveryRoom,
    statement: str | None = None,
) -> Result:
    """`take_step` for who does himself what follows from it."""
    for attempt in range(_TRIES):
        record = room.deliveries.get(delivery_id)
        if record is None:
            raise NotFoundError
        result = happen(record.delivery, event_of(record))
        if not isinstance(result, Moved):
            return result
        change = signed(record.delivery, result, room=room, statement=statement)
        try:
            room.deliveries.write(change)
        except DeliveryMovedError:
            room.pause(attempt)
            continue
        return Moved(change.delivery, result.events)
    message = "Others work on this delivery at the same time; repeat the request."
    raise UnavailableError(message)


def signed(
    seen: Delivery, moved: Moved, *, room: DeliveryRoom, statement: str | None = None
) -> DeliveryChange:
    """The change that writes `moved` with its evidence. Somebody must look soon: what follows
    from a step (archive, notices) is done after it."""
    delivery, evidence = evidenced(moved, room=room)
    return DeliveryChange(
        seen=seen,
        delivery=delivery,
        evidence=evidence,
        statement=statement,
        due_at=room.clock() + room.look_after,
    )


def evidenced(moved: Moved, *, room: DeliveryRoom) -> tuple[Delivery, tuple[str, ...]]:
    """The delivery with its chain grown, and the signed evidence, by this service's key."""
    return give_evidence(moved, issuer=room.public_url, sign=room.signer.sign)


def go_on(delivery_id: DeliveryId, *, room: DeliveryRoom) -> None:
    """Have done what follows from a step. The step stands already: a queue that does not answer
    must not make it look undone, and `sweep` finds what is left."""
    with suppress(UnavailableError):
        room.dispatch_queue.send_deliveries([delivery_id])


def received_at(agency: Agency, entered: datetime, *, room: DeliveryRoom) -> Received:
    """An arrival in an agency's system, and when it counts (A20, E2), to the millisecond. The
    second is None while nobody knows the holidays of that year (ADR 40)."""
    hours = WorkingTime(agency.office, room.holidays)
    try:
        return as_told(Received.of(hours.counted_arrival(entered)))
    except UnknownYearError:
        return as_told(Received(entered))
