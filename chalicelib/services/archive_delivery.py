"""Archive what proves a delivery, beside its letter and locked as long (B9)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.deliveries import Delivery
from chalicelib.domain.delivery_records import (
    DeliveryRecord,
    archive_prefix,
    evidence_name,
    statement_name,
)
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.ports import Archive, Clock, DeliveryStore

_MEDIA_TYPE = "application/jose"

_LATE_YEARS = 1
"""How long is locked what proves a step that came after the letter's own lock had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryArchive:
    """Collaborators of `archive_delivery`."""

    deliveries: DeliveryStore
    archive: Archive
    lock_mode: LockMode
    clock: Clock


def archive_delivery(
    record: DeliveryRecord, chain: Sequence[str], *, room: DeliveryArchive
) -> frozenset[str]:
    """Put what is not there yet into the archive; returns its names below `archive_prefix`, to be
    noted with `mark_archived` when all that follows from it is done.

    `chain` is the delivery's evidence. Dies half-way: the repeat finds what lies there (P2).
    Raises ArchiveError if that is something else, or what is to be archived is lost,
    UnavailableError.
    """
    missing = unarchived(record)
    evidence = {evidence_name(place): jws for place, jws in enumerate(chain)}
    for name in missing:
        _put(record.delivery, name, evidence.get(name) or _stated(record, name, room), room)
    return frozenset(missing)


def unarchived(record: DeliveryRecord) -> tuple[str, ...]:
    """Names of what is known to be there and not known to be archived."""
    delivery = record.delivery
    evidence = (evidence_name(place) for place in range(delivery.evidence_count))
    names = (*evidence, *_statements(delivery))
    return tuple(name for name in names if name not in record.archived)


def _statements(delivery: Delivery) -> Mapping[str, str]:
    """Digests of all that the recipient stated, by the name of each."""
    return {statement_name(digest): digest for digest in _digests(delivery)}


def _digests(delivery: Delivery) -> Iterator[str]:
    yield from (receipt.digest for receipt in delivery.receipts)
    if delivery.statement is not None:
        yield delivery.statement


def _stated(record: DeliveryRecord, name: str, room: DeliveryArchive) -> str:
    digest = _statements(record.delivery).get(name)
    stated = room.deliveries.statement(record.delivery.id, digest) if digest else None
    if stated is None:
        raise ArchiveError("Evidence of a delivery, or what it rests on, is not in the table.")
    return stated


def _put(delivery: Delivery, name: str, jws: str, room: DeliveryArchive) -> None:
    until = delivery.letter.retain_until
    if until is None:
        raise ValueError("an issued letter is locked until some day")
    now = room.clock()
    if until <= now:
        # What is sent again, or corrected, so late is no less proof; no lock may end in the past.
        until = retain_until(now, _LATE_YEARS)
    key = archive_prefix(delivery.id) + name
    file = room.archive.put_once(
        key,
        jws.encode(),
        until,
        room.lock_mode,
        media_type=_MEDIA_TYPE,
        # What a recipient writes when it rejects a letter may tell what that says.
        secret=delivery.letter.secrecy(key),
    )
    if file.sha256 != hashlib.sha256(jws.encode()).hexdigest():
        raise ArchiveError("The archive holds other evidence under this delivery's key.")
