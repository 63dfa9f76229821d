"""The part of a bundle about a letter's deliveries: what proves what became of each (P5, B9).

The sender gets all deliveries, some at a time; a recipient gets its own, and nothing that tells
of the others. What is in the bundle was signed when it happened: keys to check it with are not,
because a bundle that brings its own keys proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from chalicelib.domain.access import is_in_inbox
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.deliveries import Progress as LetterProgress
from chalicelib.domain.delivery_events import ReceiptNote
from chalicelib.domain.delivery_records import DeliveryRecord, RefusedAnswer
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.receive_register import receive_book
from chalicelib.domain.registers import Entry, Register
from chalicelib.domain.statements import jws_digest, jws_kid, write_instant
from chalicelib.ports import DeliveryStore, RegisterStore
from chalicelib.services.proof_json import number_proof, plain_proof
from chalicelib.services.prove import ProvingRoom, prove_outcomes

AT_ONCE = 20
"""Deliveries in one bundle: about 10 kB each, so that it stays well below what an answer, and
POST /v1/verify, may hold."""

_MOST_REFUSED_TEXT = 64 * 1024
"""Characters of refused answers that one delivery shows in full; of the rest, the digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesRoom:
    """Collaborators of `bundle_deliveries`."""

    deliveries: DeliveryStore
    registers: RegisterStore
    proving: ProvingRoom


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """Which deliveries are asked for: one, or those from `cursor` on. `only`: who asks is this
    recipient, and may know of nothing else; None: the sender."""

    only: str | None = None
    delivery: DeliveryId | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledDeliveries:
    """The deliveries as JSON, where to go on, how far the letter is with all its recipients
    (None: not for who asks), and what is not there yet."""

    content: list[dict[str, Any]]
    cursor: str | None = None
    progress: dict[str, Any] | None = None
    missing: tuple[str, ...] = ()


def bundle_deliveries(
    document: Document, asked: AskedFor, *, room: DeliveriesRoom
) -> BundledDeliveries:
    """What proves the deliveries of an issued letter; nothing for any other document.

    Raises NotFoundError for a delivery that is not of this document, or another recipient's.
    Reads only. A delivery that moves meanwhile is told as it was when it was read first.
    """
    if not document.is_letter or document.state is not DocumentState.ISSUED:
        if asked.delivery is not None:
            raise NotFoundError
        return BundledDeliveries(content=[])
    # 1. Which deliveries, as they are now.
    records, cursor = _records(document.document_id, asked, room)
    # 2. What proves each.
    bundled = [_Bundled(record, room) for record in records]
    # 3. How far the letter is: the sender's to know.
    progress = None if asked.only else room.deliveries.progress(document.document_id)
    missing = [part for one in bundled for part in one.missing]
    return BundledDeliveries(
        content=[one.content(only=asked.only) for one in bundled],
        cursor=cursor,
        progress=_progress(progress) if progress else None,
        missing=tuple(missing if bundled else ["deliveries"]),
    )


def _records(
    document_id: str, asked: AskedFor, room: DeliveriesRoom
) -> tuple[Sequence[DeliveryRecord], str | None]:
    if asked.delivery is not None:
        return [_record(asked.delivery, document_id, asked.only, room.deliveries)], None
    if asked.only is not None:
        attempts = _attempts(document_id, asked.only, room.deliveries)
        return [record for record in attempts if is_in_inbox(record.delivery)], None
    page = room.deliveries.of_letter(document_id, cursor=asked.cursor, limit=AT_ONCE)
    return page.records, page.cursor


def _record(
    delivery_id: DeliveryId, document_id: str, only: str | None, store: DeliveryStore
) -> DeliveryRecord:
    """Raises NotFoundError."""
    is_there = delivery_id.document_id == document_id and only in {None, delivery_id.recipient}
    record = store.get(delivery_id) if is_there else None
    if record is None or not (only is None or is_in_inbox(record.delivery)):
        raise NotFoundError
    return record


def _attempts(document_id: str, recipient: str, store: DeliveryStore) -> Iterator[DeliveryRecord]:
    """All deliveries of a letter to one agency; a resend is the next attempt."""
    for attempt in count(1):
        record = store.get(DeliveryId(document_id, recipient, attempt))
        if record is None:
            return
        yield record


def _progress(progress: LetterProgress) -> dict[str, Any]:
    oldest = progress.oldest_open
    return {
        "total": progress.total,
        "ended": progress.ended,
        "states": {state.value: number for state, number in sorted(progress.states.items())},
        "oldest_open": write_instant(oldest) if oldest else None,
    }


# -- one delivery -------------------------------------------------------------------------


class _Bundled:
    """What proves one delivery, as it was when its record was read: what was written since is
    left to the next bundle."""

    def __init__(self, record: DeliveryRecord, room: DeliveriesRoom) -> None:
        self._record, self._room = record, room
        delivery = record.delivery
        self._events = room.deliveries.evidence(delivery.id)[: delivery.evidence_count]
        named = {delivery.statement, *(receipt.digest for receipt in delivery.receipts)}
        kept = room.deliveries.statements(delivery.id)
        self._statements = [jws for jws in kept if jws_digest(jws) in named]
        self._entries = list(self._receive_entries(delivery))

    def content(self, *, only: str | None) -> dict[str, Any]:
        delivery = self._record.delivery
        signed = [*self._events, *self._statements]
        refused = self._room.deliveries.refused(delivery.id)
        shown = [one for one in refused if only in {None, one.brought_by}]
        return {
            "delivery_id": delivery.delivery_id,
            "recipient": delivery.recipient,
            "state": delivery.state.value,
            "events": list(self._events),
            "evidence_end": delivery.evidence_end,
            "statements": self._statements,
            "receive_entries": self._entries,
            "refused": list(_refused(shown)),
            "archived": sorted(self._record.archived),
            "kids": sorted({kid for jws in signed if (kid := jws_kid(jws))}),
        }

    @property
    def missing(self) -> list[str]:
        """Parts that will be there later, as `deliveries/<id>/<part>`."""
        delivery = self._record.delivery
        parts = {
            "outcome": not delivery.state.ended,
            "correction": delivery.disputed,
            "receive_entry": any(
                entry["number_log"] is None or not entry["outcome_log"] for entry in self._entries
            ),
            "archive": len(self._record.archived) < len(self._events) + len(self._statements),
        }
        return [f"deliveries/{delivery.id}/{part}" for part, lacks in parts.items() if lacks]

    def _receive_entries(self, delivery: Delivery) -> Iterator[dict[str, Any]]:
        """Its lines in the receive register, if that is kept here."""
        book = receive_book(delivery.recipient, secret=delivery.letter.is_classified)
        for receipt in delivery.receipts:
            register = book.in_year(receipt.year)
            entry = self._room.registers.entry(register, receipt.number)
            if entry is not None and entry.delivery_id == delivery.delivery_id:
                yield self._receive_entry(register, receipt, entry)

    def _receive_entry(
        self, register: Register, receipt: ReceiptNote, entry: Entry
    ) -> dict[str, Any]:
        proving = self._room.proving
        return {
            "register_id": register.register_id,
            "number": entry.number,
            "salt": self._record.salt,
            "number_log": number_proof(register, receipt.number, room=proving),
            "outcome_log": [
                plain_proof(one)
                for one in prove_outcomes(register, receipt.number, 0, room=proving)
            ],
        }


def _refused(answers: Sequence[RefusedAnswer]) -> Iterator[dict[str, Any]]:
    """What came back and was not believed. Large ones are told by their digest alone."""
    left = _MOST_REFUSED_TEXT
    for answer in answers:
        shown = len(answer.text) <= left
        left -= len(answer.text) if shown else 0
        yield {
            "sha256": hashlib.sha256(answer.text.encode("utf-8", "surrogatepass")).hexdigest(),
            "refusal": answer.refusal.value,
            "field": answer.field,
            "brought_by": answer.brought_by,
            "at": write_instant(answer.at),
            "text": answer.text if shown else None,
        }
