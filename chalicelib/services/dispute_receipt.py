"""Dispute: the sender says that the receipt's receive-register number is wrong (e-CMS 2.0
InvalidAcceptID)."""

from __future__ import annotations

from chalicelib.domain.deliveries import Delivery, DeliveryId, Impossible
from chalicelib.domain.delivery_conflicts import conflict
from chalicelib.domain.delivery_events import NumberDisputed
from chalicelib.services.delivery_steps import DeliveryRoom, take_step


def dispute_receipt(delivery_id: DeliveryId, place: str, *, room: DeliveryRoom) -> Delivery:
    """Ask the recipient for a corrected receipt. `place` is the number that is wrong, as
    `ReceiptNote.place` writes it (`2026/1577`): so a repeat never disputes the correction.

    Repeatable. Raises NotFoundError, DeliveryConflictError if that number does not stand or was
    corrected too often, UnavailableError. Dies half-way: as `take_step`.
    """
    result = take_step(
        delivery_id, lambda _: NumberDisputed(at=room.clock(), place=place), room=room
    )
    if isinstance(result, Impossible):
        raise conflict(result.why)
    return result.delivery
