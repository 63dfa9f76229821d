"""Print a copy: a received letter with the receive stamp (ตรารับ) over its first page. The sealed
file stays as it is (P2)."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.errors import ArchiveError, CopyTooLargeError, NotFoundError
from chalicelib.domain.receipts import receive_stamp
from chalicelib.domain.thai import long_instant
from chalicelib.ports import (
    Archive,
    Clock,
    CopyPrinter,
    DeliveryStore,
    DocumentStore,
    StampSheet,
)
from chalicelib.services.reading_copy import Reader
from chalicelib.services.show_delivery import statements_of

MOST_BYTES = 4_000_000
"""What a function can be sent, and can answer with, in Base64 (6 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRoom:
    """Collaborators of `print_copy`."""

    deliveries: DeliveryStore
    documents: DocumentStore
    archive: Archive
    printer: CopyPrinter
    clock: Clock


def print_copy(record: DeliveryRecord, reader: Reader, *, room: CopyRoom) -> bytes:
    """PDF bytes: every page of the sealed file, marked as a copy, with the stamp of the receipt
    that stands; without a stamp while there is none. Of a classified letter every page says who
    has the copy (C5).

    Changes nothing. Raises NotFoundError if there is no file, CopyTooLargeError, ArchiveError if
    other bytes lie there than were sent, RenderError, UnavailableError.
    """
    delivery = record.delivery
    # 1. The very bytes that were sent.
    document = room.documents.get(delivery.letter.document_id)
    if document is None or document.file is None:
        raise NotFoundError
    if document.file.size > MOST_BYTES:
        raise CopyTooLargeError
    if document.file.sha256 != delivery.letter.file_digest:
        raise ArchiveError("The archive holds other bytes than the letter that was sent (P2).")
    sealed = room.archive.read(document.file)
    # 2. The stamp, and that this is a copy.
    receipt = statements_of(delivery, deliveries=room.deliveries).receipt
    now = room.clock()
    sheet = StampSheet(
        agency=receipt.agency_name if receipt else "",
        lines=receive_stamp(receipt).lines if receipt else (),
        printed_at=long_instant(now),
        created_at=int(now.timestamp()),
        reader=reader.at(now) if delivery.letter.is_classified else "",
    )
    # 3. Both on paper.
    printed = room.printer.print_copy(sealed, sheet)
    if len(printed) > MOST_BYTES:
        raise CopyTooLargeError
    return printed
