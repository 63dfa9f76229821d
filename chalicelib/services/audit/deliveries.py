"""Letters against their deliveries, receipts against receive registers, evidence against the
archive (P3, P5, A1, B9).

A send or circular register is asked for the deliveries of each letter; a receive register for
the delivery behind each number. So a receipt without a number is found from one side, and a
number without a receipt from the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.delivery_consistency import (
    Contradiction,
    contradictions,
    follows,
    is_its_entry,
    left_alone,
)
from chalicelib.domain.delivery_records import (
    DeliveryRecord,
    archive_prefix,
    evidence_name,
    statement_name,
)
from chalicelib.domain.documents import ArchivedFile, Document
from chalicelib.domain.findings import Fault, Finding
from chalicelib.domain.receive_register import receive_book
from chalicelib.domain.registers import Entry, EntryState
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.tlog import SubjectKind
from chalicelib.ports import Examined, FileVersion
from chalicelib.services.audit.entries import Pair, at
from chalicelib.services.audit.files import unread
from chalicelib.services.audit.room import AuditRoom

_PAGE = 100
_FILES = 100


def examine_letters(
    page: Sequence[Pair], limit: datetime, *, room: AuditRoom
) -> tuple[list[Finding], Counter[str]]:
    """What is wrong with the deliveries of these letters, and how much was looked at. What is
    younger than `limit` may be on its way."""
    findings: list[Finding] = []
    counts: Counter[str] = Counter()
    for entry, document in page:
        if document is None or not document.is_letter:
            continue
        letter = _Letter(entry, document, limit, room, counts)
        findings += letter.examine()
    return findings, counts


def examine_received(
    page: Sequence[Pair], *, room: AuditRoom
) -> tuple[list[Finding], Counter[str]]:
    """What is wrong with lines of a receive register, and how many were looked at. Line and
    delivery were written together, so the delivery, read later, must know the line."""
    lines = [entry for entry, _ in page if entry.subject_kind is SubjectKind.DELIVERY]
    findings = [
        at(entry, Fault.NUMBER_WITHOUT_RECEIPT, entry.delivery_id)
        for entry in lines
        if not _is_received(entry, room)
    ]
    return findings, Counter(received=len(lines))


def _is_received(entry: Entry, room: AuditRoom) -> bool:
    try:
        delivery_id = DeliveryId.parse(entry.delivery_id or "")
    except ValueError:
        return False
    record = room.deliveries.get(delivery_id)
    return record is not None and is_its_entry(entry, record)


@dataclass
class _Letter:
    """One letter, with all its deliveries, at a time."""

    entry: Entry
    document: Document
    limit: datetime
    room: AuditRoom
    counts: Counter[str]
    expected: dict[str, str] = field(default_factory=dict)
    """Digests (hex SHA-256) of what has to lie, or may already lie, in the archive, by key."""
    demanded: set[str] = field(default_factory=set)

    def examine(self) -> Iterator[Finding]:
        if self.document.file is None or self.entry.state is not EntryState.ISSUED:
            if self.room.deliveries.of_letter(self.document.document_id, limit=1).records:
                yield self._finding(Fault.DELIVERY_MISMATCH, "not issued")
            return
        reached: set[str] = set()
        before: Delivery | None = None
        for record in self._records():
            self.counts["deliveries"] += 1
            if before is not None and before.recipient != record.delivery.recipient:
                before = None
            yield from self._examine_delivery(record, before)
            before = record.delivery
            reached.add(record.delivery.recipient)
        yield from self._look_for_unsent(reached)
        yield from self._sift_archive(self.document.file)

    def _records(self) -> Iterator[DeliveryRecord]:
        cursor: str | None = None
        while True:
            page = self.room.deliveries.of_letter(
                self.document.document_id, cursor=cursor, limit=_PAGE
            )
            yield from page.records
            cursor = page.cursor
            if cursor is None:
                return

    def _look_for_unsent(self, reached: set[str]) -> Iterator[Finding]:
        """The list of deliveries is eventually consistent, so absence is asked for again."""
        if (self.entry.ended_at or self.entry.numbered_at) >= self.limit:
            return
        for recipient in self.document.recipients:
            first = DeliveryId(self.document.document_id, recipient)
            if recipient not in reached and self.room.deliveries.get(first) is None:
                yield self._finding(Fault.LETTER_UNSENT, recipient)

    # -- one delivery ------------------------------------------------------------

    def _examine_delivery(
        self, record: DeliveryRecord, before: Delivery | None
    ) -> Iterator[Finding]:
        """A delivery, its evidence and its statements were read at different moments. A
        suspicion counts once the delivery, read again, is as it was."""
        while True:
            found, files = self._contradictions(record, before)
            again = self.room.deliveries.get(record.delivery.id) if found else None
            if again is None or again == record:
                break
            record = again
        self.counts["evidence"] += record.delivery.evidence_count
        self.counts["receipts"] += len(record.delivery.receipts)
        self.expected |= files
        prefix = archive_prefix(record.delivery.id)
        demanded = {prefix + name for name in record.archived}
        self.demanded |= demanded
        if record.delivery.changed_at < self.limit and not files.keys() <= demanded:
            found.append((Fault.DELIVERY_FORGOTTEN, "archive"))
        if left_alone(record) or (record.due_at is not None and record.due_at < self.limit):
            found.append((Fault.DELIVERY_FORGOTTEN, "due"))
        for fault, place in found:
            yield self._finding(fault, f"{record.delivery.delivery_id} {place}")

    def _contradictions(
        self, record: DeliveryRecord, before: Delivery | None
    ) -> tuple[list[Contradiction], Mapping[str, str]]:
        delivery, deliveries = record.delivery, self.room.deliveries
        chain = deliveries.evidence(delivery.id)
        statements = deliveries.statements(delivery.id)
        found = list(
            contradictions(
                record, self.document, chain, statements, verify=self.room.verify_evidence
            )
        )
        if not follows(delivery, before):
            found.append((Fault.DELIVERY_MISMATCH, "attempt"))
        found += self._receipts_without_number(record)
        return found, _files_of(delivery, chain, statements)

    def _receipts_without_number(self, record: DeliveryRecord) -> Iterator[Contradiction]:
        """An agency that is hosted here registers here; another one's register is its own."""
        delivery = record.delivery
        if delivery.channel is not ChannelKind.HOSTED:
            return
        book = receive_book(delivery.recipient, secret=delivery.letter.is_classified)
        for note in delivery.receipts:
            register = book.in_year(note.year)
            entry = self.room.registers.entry(register, note.number)
            if entry is None or not is_its_entry(entry, record):
                yield Fault.RECEIPT_WITHOUT_NUMBER, f"{register.register_id} {note.number}"

    # -- the archive -------------------------------------------------------------

    def _sift_archive(self, file: ArchivedFile) -> Iterator[Finding]:
        """What lies beside the letter, against what was signed."""
        prefix = f"deliveries/{self.document.document_id}/"
        by_key = groupby(self.room.archive.versions(prefix), key=lambda version: version.key)
        keys = ((key, list(islice(versions, 2))) for key, versions in by_key)
        while batch := list(islice(keys, _FILES)):
            self.counts["delivery_files"] += len(batch)
            newest = [unread(versions[0]) for _, versions in batch]
            # The digest that the store tells of an encryption says nothing of what was signed.
            read = self.room.read_bytes or self.document.is_classified
            there = self.room.archive.examine(newest, read_bytes=read)
            for (key, versions), examined in zip(batch, there, strict=True):
                self.demanded.discard(key)
                yield from self._faults_of_file(key, versions, examined, file)
        for key in sorted(self.demanded):
            yield self._finding(Fault.EVIDENCE_MISSING, key)

    def _faults_of_file(
        self,
        key: str,
        versions: Sequence[FileVersion],
        examined: Examined | None,
        file: ArchivedFile,
    ) -> Iterator[Finding]:
        if len(versions) > 1 or versions[0].deleted:
            yield self._finding(Fault.MORE_THAN_ONE_VERSION, key)
            return
        digest = self.expected.get(key) or self._expected_by_now(key)
        if digest is None:
            yield self._finding(Fault.FILE_WITHOUT_ENTRY, key)
        elif examined is None or _clear_digest(examined) != digest:
            yield self._finding(Fault.EVIDENCE_DIFFERS, key)
        elif self.document.is_classified and examined.clear_sha256 is None:
            yield self._finding(Fault.NOT_ENCRYPTED, key)
        elif examined.lock_mode is None or examined.retain_until is None:
            yield self._finding(Fault.LOCK_MISSING, key)
        elif examined.retain_until < file.retain_until.replace(microsecond=0):
            yield self._finding(Fault.LOCK_TOO_SHORT, key)

    def _expected_by_now(self, key: str) -> str | None:
        """A delivery may have gone on since it was read."""
        try:
            delivery_id = DeliveryId.parse(key.split("/")[2])
        except (IndexError, ValueError):
            return None
        record = self.room.deliveries.get(delivery_id)
        if record is None or delivery_id.document_id != self.document.document_id:
            return None
        chain = self.room.deliveries.evidence(delivery_id)
        statements = self.room.deliveries.statements(delivery_id)
        return _files_of(record.delivery, chain, statements).get(key)

    def _finding(self, fault: Fault, place: str) -> Finding:
        return at(self.entry, fault, place)


def _files_of(
    delivery: Delivery, chain: Sequence[str], statements: Sequence[str]
) -> Mapping[str, str]:
    """Digests of what is archived of a delivery, by key."""
    digests = {evidence_name(place): jws_digest(jws) for place, jws in enumerate(chain)}
    digests |= {statement_name(digest): digest for digest in map(jws_digest, statements)}
    return {archive_prefix(delivery.id) + name: digest for name, digest in digests.items()}


def _clear_digest(examined: Examined) -> str | None:
    return examined.sha256 if examined.clear_sha256 is None else examined.clear_sha256
