"""What a line of the receive register shows of a letter in public: nothing (docs/adr/0041)."""

from __future__ import annotations

import hashlib

from chalicelib.domain.deliveries import DeliveryId


def opaque_subject(salt: str, delivery_id: DeliveryId) -> str:
    """What the public log names in place of the delivery: hex SHA-256 over the delivery's salt
    (hex, 32 bytes) and its id. Who has the salt can say what it stands for; nobody else can."""
    return hashlib.sha256(bytes.fromhex(salt) + str(delivery_id).encode()).hexdigest()
