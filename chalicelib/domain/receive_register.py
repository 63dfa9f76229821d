"""Lines of the receive register: what stands there of a letter that was registered.

The sender's public log names the letter, the recipient's names the line. Nothing in a public
leaf leads from one to the other (docs/adr/0041): the subject is a salted hash, and the file
digest is the receipt's, not the letter's.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.registers import RECEIVE, RECEIVE_SECRET, Book, Entry, EntryState
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.thai import to_thai_digits
from chalicelib.domain.tlog import SubjectKind, commit

RECEIVED_LETTER = "received-letter"
"""What lines of the receive register have where others have a document type."""


def receive_book(agency_id: str, *, secret: bool = False) -> Book:
    """The book that letters are registered in when they come; the secret ones in another (A13)."""
    return Book(agency_id, RECEIVE_SECRET if secret else RECEIVE)


def opaque_subject(delivery_id: DeliveryId, salt: str) -> str:
    """What the public logs call a delivery (hex SHA-256): the same for a correction, so that
    everybody sees that two numbers are one letter's, and nobody sees whose."""
    return hashlib.sha256(bytes.fromhex(salt) + str(delivery_id).encode()).hexdigest()


def receive_line(
    record: DeliveryRecord,
    receipt: Receipt,
    jws: str,
    *,
    at: datetime,
    sender_name: str,
    by: str,
) -> Entry:
    """The line that `receipt` (signed as `jws`) tells of; final at once. `at` is its instant,
    `by` the clerk's subject."""
    letter = record.delivery.letter
    return Entry(
        register=receive_book(receipt.agency, secret=letter.is_classified).in_year(receipt.year),
        number=receipt.number,
        subject_kind=SubjectKind.DELIVERY,
        subject_id=opaque_subject(receipt.delivery_id, record.salt),
        commitment=commit(bytes.fromhex(record.salt), letter.file_digest),
        document_type=RECEIVED_LETTER,
        numbered_at=at,
        document_id=None,
        content_digest=letter.file_digest,
        subject=letter.subject,
        counterpart=sender_name,
        state=EntryState.ISSUED,
        file_digest=jws_digest(jws),
        ended_at=at,
        ended_by=by,
        delivery_id=str(receipt.delivery_id),
        letter_number=letter.number,
        letter_date=letter.dated,
        classification=letter.classification,
    )


def remark_on_number(entry: Entry, delivery: Delivery) -> str | None:
    """What a person reads beside a line whose number was corrected, or is a correction; None
    beside any other. A line never changes: what became of its number stands in the delivery."""
    places = [(note.year, note.number) for note in delivery.receipts]
    place = (entry.register.year, entry.number)
    if place not in places:
        return None
    which = places.index(place)
    remarks = []
    if which > 0:
        remarks.append(f"แก้ไขแทนเลขรับ {delivery.receipts[which - 1].printed}")
    if which + 1 < len(places):
        remarks.append(f"เลขรับผิด แก้ไขเป็น {delivery.receipts[which + 1].printed}")
    return to_thai_digits(" ".join(remarks)) or None
