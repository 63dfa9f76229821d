"""Lines of a receive register, as the public logs tell them: without telling who writes to whom.

The sender's public log names its document, so nothing in the recipient's may lead there: the
subject of a line is opaque, and what a number was given to is a commitment. Who holds the salt
(sender and recipient, in their bundles) can recompute both (docs/adr/0041).
"""

from __future__ import annotations

from hashlib import sha256

from chalicelib.domain.deliveries import DeliveryId

DOCUMENT_TYPE = "received-letter"
"""What the number log calls whatever a receive register's number was given to."""

_SUBJECT_DOMAIN = b"tra/received-letter/v1\n"


def opaque_subject(salt: bytes, delivery_id: DeliveryId) -> str:
    """Hex SHA-256 over domain, salt (32 bytes) and delivery id: the subject of its line."""
    return sha256(_SUBJECT_DOMAIN + salt + str(delivery_id).encode()).hexdigest()
