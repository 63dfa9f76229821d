"""Resend: a letter that was rejected or failed goes to the same agency again (issue 6.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId, RetryBudget, resend
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.errors import NotFoundError, ResendRefusedError
from chalicelib.ports import DocumentStore, Ids
from chalicelib.services.delivery_steps import UNKNOWN_AGENCY, DeliveryRoom, evidenced, go_on


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRoom:
    """Collaborators of `resend_letter`."""

    delivering: DeliveryRoom
    documents: DocumentStore
    ids: Ids


def resend_letter(delivery_id: DeliveryId, *, room: ResendRoom) -> DeliveryRecord:
    """The next attempt: a delivery of its own, by the channel that the directory names now. The
    ended one stays as it is.

    Repeatable: the attempt after this one is made once, whatever became of it. Raises
    NotFoundError, ResendRefusedError, UnavailableError. Dies before step 3: nothing happened;
    after it: the delivery is planned, and `sweep` sends it.
    """
    delivering = room.delivering
    # 1. What ended, and whether it was sent again before.
    record = delivering.deliveries.get(delivery_id)
    if record is None:
        raise NotFoundError
    again = DeliveryId(delivery_id.document_id, delivery_id.recipient, delivery_id.attempt + 1)
    planned = delivering.deliveries.get(again)
    if planned is None:
        # 2. The next attempt, and evidence that it was taken on.
        now = delivering.clock()
        channel = _channel(delivery_id, now, room)
        moved = resend(
            record.delivery,
            at=now,
            budget=_as_before(record.delivery, now),
            channel=channel,
        )
        delivery, (evidence,) = evidenced(moved, room=delivering)
        # 3. Store it, once.
        due_at = now + delivering.look_after
        delivering.deliveries.plan([(delivery, evidence, room.ids.salt())], due_at)
        planned = delivering.deliveries.get(again)
        if planned is None:
            raise NotFoundError
    # 4. Send it.
    go_on(again, room=delivering)
    return planned


def _channel(delivery_id: DeliveryId, now: datetime, room: ResendRoom) -> ChannelKind:
    """By which it goes now. Raises ResendRefusedError if the recipient left the directory, or
    the letter was taken out of force since."""
    agency = room.delivering.directory.agency(delivery_id.recipient)
    if agency is None:
        raise ResendRefusedError(UNKNOWN_AGENCY.detail, UNKNOWN_AGENCY.detail_th)
    document = room.documents.get(delivery_id.document_id)
    standing = document.standing_at(now) if document else None
    if standing is not None and standing.standing.final:
        raise ResendRefusedError(
            "The letter was revoked or replaced, so it is not sent again.",
            "หนังสือถูกเพิกถอนหรือถูกแทนที่แล้ว จึงส่งซ้ำไม่ได้",
        )
    return agency.reached_by


def _as_before(ended: Delivery, now: datetime) -> RetryBudget:
    """As many tries, and as much time, as the attempt that ended."""
    return replace(ended.budget, give_up_at=now + (ended.budget.give_up_at - ended.planned_at))
