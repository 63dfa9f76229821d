"""Show a delivery: what its recipient signed, as first kept and as read."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.deliveries import Delivery
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.receipts import Receipt, Rejection
from chalicelib.domain.statements import claimed_payload
from chalicelib.ports import DeliveryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Receipts in the order they were given (the last one stands), and the rejection; each with
    its compact JWS."""

    receipts: tuple[tuple[str, Receipt], ...]
    rejection: tuple[str, Rejection] | None

    @property
    def receipt(self) -> Receipt | None:
        """The one that stands."""
        return self.receipts[-1][1] if self.receipts else None


def statements_of(delivery: Delivery, *, deliveries: DeliveryStore) -> Statements:
    """Raises UnavailableError."""
    kept = (deliveries.statement(delivery.id, note.digest) for note in delivery.receipts)
    receipts = tuple((jws, Receipt.read(claimed_payload(jws))) for jws in kept if jws)
    return Statements(receipts=receipts, rejection=_rejection(delivery, deliveries))


def _rejection(delivery: Delivery, deliveries: DeliveryStore) -> tuple[str, Rejection] | None:
    if delivery.state is not DeliveryState.REJECTED or delivery.statement is None:
        return None
    jws = deliveries.statement(delivery.id, delivery.statement)
    return (jws, Rejection.read(claimed_payload(jws))) if jws else None
