"""One entry and its document: do they say the same? (P1, P2, P4, A18)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.batches import BatchRef
from chalicelib.domain.documents import Document, DocumentState, archive_key, content_digest
from chalicelib.domain.errors import SecretUnreadableError
from chalicelib.domain.findings import Fault, Finding, Findings
from chalicelib.domain.registers import Entry, EntryState, Register
from chalicelib.domain.standing import marks_of
from chalicelib.domain.thai import register_year
from chalicelib.domain.tlog import SubjectKind
from chalicelib.services.audit.room import AuditRoom

_PAGE = 200

Pair = tuple[Entry, Document | None]

_STATES = {
    EntryState.OPEN: DocumentState.NUMBERED,
    EntryState.ISSUED: DocumentState.ISSUED,
    EntryState.VOID: DocumentState.VOID,
}


def pages(register: Register, *, room: AuditRoom) -> Iterator[list[Pair]]:
    """All entries in order with their documents, a page at a time."""
    after = (0, 0)
    while found := room.registers.entries(register, after=after, limit=_PAGE):
        documents = room.documents.get_many([e.document_id for e in found if e.document_id])
        yield [(entry, documents.get(entry.document_id or "")) for entry in found]
        after = found[-1].position


def examine_pair(entry: Entry, document: Document | None, *, room: AuditRoom) -> Finding | None:
    """What is wrong between an entry and its document: the worst of it, or None.

    The two were read at two moments. A suspicion counts once both, read again, are as
    they were: a document that moved on meanwhile is judged as it is by then.
    """
    while True:
        fault = _fault_of(entry, document, room)
        if fault is None:
            return None
        again = room.registers.entry(entry.register, *entry.position)
        document_again = room.documents.get(entry.document_id) if entry.document_id else None
        if again is None or (again, document_again) == (entry, document):
            return at(entry, fault)
        entry, document = again, document_again


def examine_texts(page: list[Pair], *, room: AuditRoom) -> list[Finding]:
    """Classified lines of which the texts were changed, or are another one's: they are decrypted
    for this, in memory, and nothing is done with them."""
    secret = [entry for entry, _ in page if entry.sealed is not None]
    if _open(secret, room):
        return []
    return [
        at(entry, Fault.SECRET_UNREADABLE, "line") for entry in secret if not _open([entry], room)
    ]


def _open(entries: list[Entry], room: AuditRoom) -> bool:
    try:
        room.registers.opened(entries)
    except SecretUnreadableError:
        return False
    return True


def at(entry: Entry, fault: Fault, place: str | None = None) -> Finding:
    """A finding about this entry."""
    return Finding(
        fault=fault,
        register_id=entry.register.register_id,
        number=entry.number,
        child=entry.child,
        document_id=entry.document_id,
        place=place,
    )


def _fault_of(entry: Entry, document: Document | None, room: AuditRoom) -> Fault | None:
    if entry.document_id is None:
        return _fault_without_document(entry, room.clock() - room.patience)
    if document is None:
        return Fault.ENTRY_WITHOUT_DOCUMENT
    fault = _fault_between(entry, document, room.clock() - room.patience)
    if fault is Fault.UNFINISHED and document.batch is not None:
        # Whoever paused a batch knows that it waits, and `GET /v1/batches/{id}` says so.
        ref = BatchRef(document.agency_id, document.batch.batch_id)
        return None if room.is_paused(ref) else fault
    return fault


def _fault_between(entry: Entry, document: Document, limit: datetime) -> Fault | None:
    fault = None
    if not _is_its_entry(entry, document):
        fault = Fault.DOUBLE
    elif content_fault := _fault_of_content(entry, document):
        fault = content_fault
    elif document.state is not _STATES.get(entry.state):
        fault = Fault.STATE_MISMATCH
    elif entry.marks != marks_of(document.rulings):
        fault = Fault.STANDING_MISMATCH
    elif entry.state is EntryState.ISSUED:
        fault = _fault_of_file(entry, document)
    elif entry.state is EntryState.OPEN and document.history[-1].at < limit:
        fault = Fault.UNFINISHED
    return fault


def _fault_without_document(entry: Entry, limit: datetime) -> Fault | None:
    """Only a received letter, and a reservation that nobody used, have no document."""
    if entry.subject_kind is SubjectKind.DELIVERY:
        return None  # looked at with its delivery
    if entry.reserve is None or entry.state in {EntryState.OPEN, EntryState.ISSUED}:
        return Fault.ENTRY_WITHOUT_DOCUMENT
    if entry.state is EntryState.RESERVED and entry.reserve.expires_at < limit:
        return Fault.UNFINISHED
    return None


def _is_its_entry(entry: Entry, document: Document) -> bool:
    """A document knows one number, so a second entry that names it is found."""
    numbering = document.numbering
    return numbering is not None and (
        document.book.in_year(numbering.year),
        numbering.number,
        numbering.child,
    ) == (entry.register, *entry.position)


def _fault_of_content(entry: Entry, document: Document) -> Fault | None:
    """Of a classified document its content is decrypted for this, in memory."""
    try:
        return None if _same_content(entry, document) else Fault.DIGEST_MISMATCH
    except SecretUnreadableError:
        return Fault.SECRET_UNREADABLE


def _same_content(entry: Entry, document: Document) -> bool:
    digest = content_digest(
        agency_id=document.agency_id,
        document_type=document.document_type,
        type_version=document.type_version,
        content=document.content,
        valid_from=document.valid_from,
        valid_until=document.valid_until,
    )
    committed = entry.subject_kind is SubjectKind.RESERVATION or (
        (entry.subject_id, entry.commitment) == (document.document_id, document.commitment)
    )
    return digest == document.content_digest == entry.content_digest and committed


def _fault_of_file(entry: Entry, document: Document) -> Fault | None:
    if document.file is None or document.file.key != archive_key(document):
        return Fault.ENTRY_WITHOUT_FILE
    return None if entry.file_digest == document.file.sha256 else Fault.DIGEST_MISMATCH


@dataclass
class Sequence:
    """Whether numbers follow each other: 1, 2, 3 … and under each its own 1, 2, 3 … (P1)."""

    findings: Findings
    register: Register
    number: int = 0
    child: int = 0
    at: datetime | None = field(default=None)

    def take(self, entry: Entry) -> int:
        """The next entry; how many whole numbers are missing before it."""
        number, child = entry.position
        if (number, child) <= (self.number, self.child) or entry.register != self.register:
            self._find(Fault.DOUBLE, entry)
            return 0
        missing = max(number - self.number - 1, 0) if not child else number - self.number
        expected_child = self.child + 1 if number == self.number else 0
        if missing:
            self._find_gap(self.number + 1, self.number + missing)
            expected_child = 1 if child else 0
        if child != expected_child:
            self.findings.add(
                Fault.GAP, number=number, child=expected_child, place=f"children to {child - 1}"
            )
        self._check_time(entry)
        self.number, self.child = number, child
        return missing

    def end(self, last_number: int, *, room: AuditRoom) -> None:
        """No more entries. `last_number` is what the head said before the first was read."""
        if self.number < last_number:
            self._find_gap(self.number + 1, last_number)
        if self.number > room.registers.head(self.register).last_number:
            self.findings.add(Fault.HEAD_MISMATCH, number=self.number)

    def _check_time(self, entry: Entry) -> None:
        if entry.child:
            return  # an inserted number has a time of its own
        if self.at is not None and entry.numbered_at < self.at:
            self._find(Fault.TIME_ORDER, entry)
        if register_year(entry.numbered_at) != self.register.year:
            self._find(Fault.CLOSED_YEAR_WRITTEN, entry)
        self.at = entry.numbered_at

    def _find(self, fault: Fault, entry: Entry) -> None:
        self.findings.note(at(entry, fault))

    def _find_gap(self, first: int, last: int) -> None:
        place = None if first == last else f"to {last}"
        self.findings.add(Fault.GAP, number=first, place=place)
