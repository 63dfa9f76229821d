"""Recall: the sender takes a letter back before the recipient has registered it (issue 6.6)."""

from __future__ import annotations

from chalicelib.domain.deliveries import Delivery, DeliveryId, Impossible
from chalicelib.domain.delivery_conflicts import conflict
from chalicelib.domain.delivery_events import Recalled
from chalicelib.services.delivery_steps import DeliveryRoom, take_step


def recall_letter(delivery_id: DeliveryId, *, room: DeliveryRoom) -> Delivery:
    """Take one delivery of a letter back; the others go on.

    Repeatable. Against a clerk who registers at the same moment one of the two wins, and the
    other is told. Raises NotFoundError, DeliveryConflictError if it has another outcome,
    UnavailableError. Dies half-way: as `take_step`.
    """
    result = take_step(delivery_id, lambda _: Recalled(at=room.clock()), room=room)
    if isinstance(result, Impossible):
        raise conflict(result.why)
    return result.delivery
