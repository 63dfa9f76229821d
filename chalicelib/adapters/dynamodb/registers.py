"""Registers and the order of their logs in DynamoDB (ports: RegisterStore, LogStore).

P1 and P2 rest on conditions, all in one TransactWriteItems: the head still holds the
number the writer saw, no entry of these numbers exists, and each document is still
accepted, and approved where officers have to, with the digest that its entry binds. Whatever ends an entry puts, in the same
transaction, what the outcome log will say of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pynamodb.exceptions import DoesNotExist, TransactWriteError, UpdateError
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import (
    Cancellation,
    cancellations,
    is_condition_failure,
    translated,
)
from chalicelib.adapters.dynamodb.items import (
    BegunItem,
    ChangeMap,
    DocumentItem,
    EntryItem,
    FileMap,
    HeadItem,
    IdempotencyItem,
    LeafItem,
    LogItem,
    MarkedItem,
    MarkMap,
    NumberingMap,
    PendingItem,
    PlaceItem,
    ReasonMap,
    RulingMap,
    bind,
    may_be_numbered,
    parts_of,
    ruled_so_often,
    search_text_of,
    shard_of,
    to_text,
)
from chalicelib.adapters.dynamodb.register_lines import Found, RegisterLines
from chalicelib.adapters.sealed_parts import opened_entries, sealed_entry
from chalicelib.domain.documents import ArchivedFile, Document, DocumentState, Reason
from chalicelib.domain.errors import (
    DocumentMovedError,
    EntryMovedError,
    RegisterClosedError,
    RegisterConflictError,
    RegisterHeldError,
    UnavailableError,
)
from chalicelib.domain.registers import (
    Block,
    Entry,
    EntryState,
    Head,
    LogName,
    Numbering,
    PendingOutcome,
    Register,
)
from chalicelib.domain.standing import marks_of
from chalicelib.domain.status_list import Marked
from chalicelib.domain.status_list import Page as StatusPage
from chalicelib.domain.tlog import Outcome
from chalicelib.ports import IdempotencyClaim, LogState, Vault

# A sequenced outcome costs a delete and two puts; the log's length is the hundredth item.
_OUTCOMES_PER_TRANSACTION = 33


class DynamoRegisterStore:
    """Registers in one table, documents in another, one transaction over both."""

    def __init__(
        self,
        registers_table: str,
        documents_table: str,
        *,
        sweep_after: timedelta,
        vault: Vault | None = None,
    ) -> None:
        self._lines = RegisterLines(registers_table, vault)
        self._vault = self._lines.vault
        self._heads = self._lines.heads
        self._entries = self._lines.entries
        self._begun = bind(BegunItem, registers_table)
        self._pending = bind(PendingItem, registers_table)
        self._leaves = bind(LeafItem, registers_table)
        self._places = bind(PlaceItem, registers_table)
        self._logs = bind(LogItem, registers_table)
        self._marked = bind(MarkedItem, registers_table)
        self._documents = bind(DocumentItem, documents_table)
        self._claims = bind(IdempotencyItem, documents_table)
        self._sweep_after = sweep_after
        self.connection = QuickConnection()

    # -- reading -------------------------------------------------------------

    def head(self, register: Register) -> Head:
        return self._lines.head(register)

    def entry(self, register: Register, number: int, child: int = 0) -> Entry | None:
        found = self._entry_item(register, number, child)
        return found.to_domain(register) if found else None

    def children(self, register: Register, number: int) -> int:
        found = self._entry_item(register, number)
        return int(found.children) if found else 0

    def entries(
        self, register: Register, *, after: tuple[int, int] = (0, 0), limit: int = 100
    ) -> tuple[Entry, ...]:
        with translated():
            found = self._entries.query(
                register.register_id,
                self._entries.line > EntryItem.line_of(*after),
                consistent_read=True,
                limit=limit,
            )
            return tuple(item.to_domain(register) for item in found)

    def opened(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return opened_entries(entries, self._vault)

    def registers(self) -> tuple[Register, ...]:
        with translated():
            found = self._begun.query(BegunItem.PARTITION, consistent_read=True)
            return tuple(item.to_domain() for item in found)

    def expired(self, before: datetime, limit: int) -> tuple[Entry, ...]:
        with translated():
            found = self._entries.by_expiry.query(
                EntryItem.EXPIRING, self._entries.expires_at <= to_text(before), limit=limit
            )
            return tuple(item.to_domain(_register(item.register_id)) for item in found)

    # -- numbering -----------------------------------------------------------

    def assign(self, block: Block, documents: Mapping[str, Document]) -> None:
        """Idempotency key of this write: the head's last number."""
        numbered = [documents[e.document_id] for e in block.entries if e.document_id]
        try:
            with TransactWrite(connection=self.connection) as transaction:
                puts = self._lines.put_block(transaction, block)
                self._lines.move_head(transaction, block)
                for document in numbered:
                    self._number(transaction, document)
        except TransactWriteError as error:
            found = Found(cancellations(error), puts=puts, updates=("head",))
            self._explain_block(found, len(block.entries), error)

    def use_reserved(self, entry: Entry, document: Document) -> None:
        """Idempotency key of this write: the entry's state `reserved`."""
        entries = self._entries
        outcome = _with_document(entry, document, Outcome.RESERVATION_USED)
        bound = replace(
            entry, document_id=document.document_id, content_digest=document.content_digest
        )
        try:
            with TransactWrite(connection=self.connection) as transaction:
                self._lines.put_outcome(transaction, entry.register, outcome)
                transaction.update(
                    self._key_of(entry),
                    actions=[
                        entries.state.set(EntryState.OPEN.value),
                        entries.document_id.set(document.document_id),
                        entries.content_digest.set(document.content_digest),
                        *self._describing(bound),
                        entries.expiring.remove(),
                    ],
                    condition=(entries.state == EntryState.RESERVED.value)
                    & (entries.expires_at > to_text(_numbering(document).numbered_at)),
                )
                self._number(transaction, document)
        except TransactWriteError as error:
            found = Found(cancellations(error), puts=1, updates=("entry", "document"))
            _explain(found, error)

    def _describing(self, entry: Entry) -> list[Action]:
        """What people read of it, in clear or encrypted."""
        entries, told = self._entries, sealed_entry(entry, self._vault)
        if told.sealed is None:
            return [entries.subject.set(told.subject), entries.counterpart.set(told.counterpart)]
        return [
            entries.classification.set(told.classification.value),
            entries.sealed.set(told.sealed),
        ]

    def insert(self, entry: Entry, document: Document) -> None:
        """Idempotency key of this write: the parent's number of children."""
        entries = self._entries
        parent = entries(entry.register.register_id, EntryItem.line_of(entry.number))
        outcome = _with_document(entry, document, Outcome.INSERTED)
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.condition_check(
                    self._heads,
                    entry.register.register_id,
                    HeadItem.LINE,
                    condition=self._heads.closing.does_not_exist(),
                )
                self._lines.put_outcome(transaction, entry.register, outcome)
                transaction.save(
                    entries.of(sealed_entry(entry, self._vault)),
                    condition=entries.register_id.does_not_exist(),
                )
                transaction.update(
                    parent,
                    actions=[entries.children.set(entry.child)],
                    condition=entries.register_id.exists() & (entries.children == entry.child - 1),
                )
                self._number(transaction, document)
        except TransactWriteError as error:
            found = Found(
                cancellations(error), checks=("closing",), puts=2, updates=("entry", "document")
            )
            _explain(found, error)

    # -- ends ----------------------------------------------------------------

    def release(self, entry: Entry, *, reason: str, by: str, at: datetime) -> None:
        """Idempotency key of this write: the entry's state `reserved`."""
        entries = self._entries
        outcome = entry.ended_as(Outcome.VOID, at, reason_code=reason)
        try:
            with TransactWrite(connection=self.connection) as transaction:
                self._lines.put_outcome(transaction, entry.register, outcome)
                transaction.update(
                    self._key_of(entry),
                    actions=[
                        *self._ending(EntryState.VOID, at, by),
                        entries.reason.set(reason),
                        entries.expiring.remove(),
                    ],
                    condition=entries.state == EntryState.RESERVED.value,
                )
        except TransactWriteError as error:
            found = Found(cancellations(error), puts=1, updates=("entry",))
            kept = self.entry(entry.register, *entry.position)
            if kept is None or kept.state is not EntryState.VOID:
                _explain(found, error)

    def finalise(
        self,
        document: Document,
        file: ArchivedFile,
        at: datetime,
        *,
        replaced: Document | None = None,
    ) -> Document:
        """Idempotency key of this write: the entry's state `open`."""
        end = _End(
            entry_state=EntryState.ISSUED,
            entry_actions=[self._entries.file_digest.set(file.sha256)],
            document=document.issued(file, at),
            document_actions=[self._documents.file.set(FileMap.of(file))],
            outcome=Outcome.ISSUED,
            file_digest=file.sha256,
        )
        return self._end(document, end, at, by=None, replaced=replaced)

    def void(self, document: Document, reason: Reason, *, by: str, at: datetime) -> Document:
        """Idempotency key of this write: the entry's state `open`."""
        end = _End(
            entry_state=EntryState.VOID,
            entry_actions=[self._entries.reason.set(reason.code)],
            document=document.voided(reason, at),
            document_actions=[
                self._documents.reason.set(ReasonMap.of(reason, parts_of(document, self._vault)))
            ],
            outcome=Outcome.VOID,
            reason_code=reason.code,
        )
        return self._end(document, end, at, by=by)

    def rule(self, document: Document, claim: IdempotencyClaim | None) -> None:
        """Idempotency key of this write: how often the document was ruled on."""
        try:
            with TransactWrite(connection=self.connection) as transaction:
                self._put_ruling(transaction, document)
                if claim is not None:
                    self._put_claim(transaction, document, claim)
                self._update_ruling(transaction, document)
        except TransactWriteError as error:
            cancellations(error)
            message = "The document was ruled on meanwhile; read it again."
            raise RegisterConflictError(message) from error

    def marked(self, register: Register, page: StatusPage) -> tuple[Marked, ...]:
        first, last = page.span
        with translated():
            found = self._marked.query(
                MarkedItem.partition(register),
                self._marked.line.between(EntryItem.line_of(*first), EntryItem.line_of(*last)),
                consistent_read=True,
            )
            return tuple(item.to_domain() for item in found)

    def begin_closing(self, register: Register) -> Head:
        """Idempotency key of this write: the head itself."""
        heads = self._heads
        item = heads(register.register_id, HeadItem.LINE)
        with translated():
            try:
                item.update(
                    actions=[heads.closing.set(True)],
                    condition=heads.register_id.exists() & heads.held_by.does_not_exist(),
                )
            except UpdateError as error:
                found = self.head(register)
                if not is_condition_failure(error) or found.hold is None:
                    raise
                raise RegisterHeldError(found.hold.batch) from error
        return item.to_domain()

    def mark_closed(self, register: Register, statement: str) -> Head:
        """Idempotency key of this write: there is no statement yet."""
        heads = self._heads
        item = heads(register.register_id, HeadItem.LINE)
        with translated():
            try:
                item.update(
                    actions=[heads.statement.set(statement)],
                    condition=(heads.closing == True)  # noqa: E712 - a DynamoDB condition
                    & heads.statement.does_not_exist(),
                )
            except UpdateError as error:
                if not is_condition_failure(error):
                    raise
        return self.head(register)

    # -- logs ----------------------------------------------------------------

    def sequence(self, register: Register) -> int:
        """Idempotency key of each write: the length the log had before."""
        while True:
            log = self._log_item(register, LogName.OUTCOMES)
            length = int(log.sequenced)
            with translated():
                waiting = list(
                    self._pending.query(
                        PendingItem.partition(register),
                        consistent_read=True,
                        limit=_OUTCOMES_PER_TRANSACTION,
                    )
                )
            if not waiting:
                return length
            self._place(register, log, length, waiting)

    def leaves(
        self, register: Register, log: LogName, *, start: int, limit: int
    ) -> tuple[bytes, ...]:
        with translated():
            if log is LogName.NUMBERS:
                entries = self._entries.query(
                    register.register_id,
                    self._entries.line.between(
                        EntryItem.line_of(start + 1), EntryItem.line_of(start + limit)
                    ),
                    filter_condition=self._entries.child == 0,
                    consistent_read=True,
                )
                return tuple(e.to_domain(register).number_leaf().to_bytes() for e in entries)
            leaves = self._leaves.query(
                LeafItem.partition(register),
                self._leaves.line.between(
                    LeafItem.line_of(start), LeafItem.line_of(start + limit - 1)
                ),
                consistent_read=True,
            )
            return tuple(leaf.body.encode() for leaf in leaves)

    def outcomes_of(self, register: Register, number: int, child: int = 0) -> tuple[int, ...]:
        with translated():
            found = self._places.query(
                PlaceItem.partition(register),
                self._places.line.startswith(PlaceItem.prefix(number, child)),
                consistent_read=True,
            )
            return tuple(int(place.index) for place in found)

    def state(self, register: Register, log: LogName) -> LogState:
        return self._log_item(register, log).to_domain()

    def advance(self, register: Register, log: LogName, old: LogState, new: LogState) -> None:
        """Idempotency key of this write: the note that was published before."""
        if new.note is None:
            raise ValueError("a log is published with a signed note")
        logs = self._logs
        before = logs.note.does_not_exist() if old.note is None else logs.note == old.note.decode()
        if old.cosignatures or new.head == old.head:
            before &= (
                logs.cosignatures == list(old.cosignatures)
                if old.cosignatures
                else logs.cosignatures.does_not_exist()
            )
        item = logs(register.register_id, LogItem.line_of(log))
        with translated():
            try:
                item.update(
                    actions=[
                        logs.size.set(new.head.size),
                        logs.root.set(new.head.root.hex()),
                        logs.note.set(new.note.decode()),
                        logs.cosignatures.set(list(new.cosignatures))
                        if new.cosignatures
                        else logs.cosignatures.remove(),
                    ],
                    condition=before,
                )
            except UpdateError as error:
                if is_condition_failure(error):
                    message = "Another checkpoint of this log was published meanwhile."
                    raise RegisterConflictError(message) from error
                raise

    # -- parts of transactions -----------------------------------------------

    def _number(self, transaction: TransactWrite, document: Document) -> None:
        """`document` as it will be: numbered."""
        documents, numbering = self._documents, _numbering(document)
        transaction.update(
            documents(DocumentItem.key(document.document_id)),
            actions=[
                documents.numbering.set(NumberingMap.of(numbering)),
                *self._findable(document),
                *self._entering(document),
            ],
            condition=may_be_numbered(documents, document.content_digest),
        )

    def _findable(self, document: Document) -> list[Action]:
        """Of a classified document its number is all that can be searched for."""
        if not document.is_classified:
            return []
        return [self._documents.search_text.set(search_text_of(document))]

    def _explain_block(self, found: Found, size: int, error: TransactWriteError) -> None:
        if found.busy or found.failed("head"):
            message = "Another writer was at this register; read its head again."
            raise RegisterConflictError(message) from error
        if found.any_later_update:
            message = "A document of the block is in another state by now."
            raise DocumentMovedError(message) from error
        if found.any_put(size):
            # The head allowed a number that an entry already holds: P1 is broken by
            # somebody who writes past Tra. Stop; the audit names the register.
            message = "The register holds an entry beyond its head; numbering has stopped."
            raise UnavailableError(message) from error
        raise error

    def _put_ruling(self, transaction: TransactWrite, document: Document) -> None:
        """What the logs and lists say of the last ruling of `document`, as it will be."""
        numbering, marks = _numbering(document), marks_of(document.rulings)
        outcome = PendingOutcome(
            number=numbering.number,
            child=numbering.child,
            subject_id=document.document_id,
            outcome=marks[-1].kind.outcome,
            at=marks[-1].effective_at,
            reason_code=marks[-1].reason_code.value,
            ruling=marks[-1],
        )
        self._lines.put_outcome(transaction, document.register, outcome)
        # In place of what earlier rulings put there: the entry's condition guards both.
        marked = Marked(number=numbering.number, child=numbering.child, marks=marks)
        transaction.save(self._marked.of(document.register, marked))

    def _put_claim(
        self, transaction: TransactWrite, document: Document, claim: IdempotencyClaim
    ) -> None:
        transaction.save(
            self._claims(
                IdempotencyItem.key(claim),
                document_id=document.document_id,
                request_digest=claim.request_digest,
                ruling=len(document.rulings),
            ),
            condition=self._claims.pk.does_not_exist(),
        )

    def _update_ruling(self, transaction: TransactWrite, document: Document) -> None:
        entries, documents, numbering = self._entries, self._documents, _numbering(document)
        parts = parts_of(document, self._vault)
        rulings = [RulingMap.of(ruling, parts) for ruling in document.rulings]
        marks = [MarkMap.of(mark) for mark in marks_of(document.rulings)]
        before = len(rulings) - 1
        line = EntryItem.line_of(numbering.number, numbering.child)
        transaction.update(
            entries(document.register.register_id, line),
            actions=[entries.marks.set(marks), entries.ruled.set(len(marks))],
            condition=(entries.state == EntryState.ISSUED.value) & ruled_so_often(entries, before),
        )
        due_at = document.rulings[-1].decided_at + self._sweep_after
        transaction.update(
            documents(DocumentItem.key(document.document_id)),
            actions=[
                documents.rulings.set(rulings),
                documents.ruled.set(len(rulings)),
                documents.unsettled_shard.set(shard_of(document.document_id)),
                documents.due_at.set(to_text(due_at)),
                documents.sweeps.set(0),
            ],
            condition=(documents.state == DocumentState.ISSUED.value)
            & ruled_so_often(documents, before),
        )

    def _end(
        self,
        document: Document,
        end: _End,
        at: datetime,
        *,
        by: str | None,
        replaced: Document | None = None,
    ) -> Document:
        """Entry and document end together, and with them the document they replace. If they
        ended before, the first end stands."""
        entries, documents = self._entries, self._documents
        numbering = _numbering(document)
        register = document.register
        entry = entries(register.register_id, EntryItem.line_of(numbering.number, numbering.child))
        outcome = PendingOutcome(
            number=numbering.number,
            child=numbering.child,
            subject_id=document.document_id,
            outcome=end.outcome,
            # An end never stands before its beginning, whatever the clocks say.
            at=max(at, numbering.numbered_at),
            file_digest=end.file_digest,
            reason_code=end.reason_code,
        )
        try:
            with TransactWrite(connection=self.connection) as transaction:
                self._lines.put_outcome(transaction, register, outcome)
                if replaced is not None:
                    self._put_ruling(transaction, replaced)
                    self._update_ruling(transaction, replaced)
                transaction.update(
                    entry,
                    actions=[*self._ending(end.entry_state, at, by), *end.entry_actions],
                    condition=(entries.state == EntryState.OPEN.value)
                    & (entries.document_id == document.document_id)
                    & (entries.content_digest == document.content_digest),
                )
                transaction.update(
                    documents(DocumentItem.key(document.document_id)),
                    actions=[*end.document_actions, *self._entering(end.document)],
                    condition=documents.state == DocumentState.NUMBERED.value,
                )
        except TransactWriteError as error:
            if Cancellation.CONDITION not in cancellations(error):
                message = "The register was busy; the end of the document was not entered."
                raise UnavailableError(message) from error
            return self._as_ended_before(document, end, error, replaces=replaced is not None)
        return end.document

    def _as_ended_before(
        self, document: Document, end: _End, error: TransactWriteError, *, replaces: bool
    ) -> Document:
        with translated():
            kept = self._documents.get(
                DocumentItem.key(document.document_id), consistent_read=True
            ).to_domain(self._vault)
        if kept.state is DocumentState.NUMBERED and replaces:
            message = "What this document replaces was ruled on meanwhile; read it again."
            raise RegisterConflictError(message) from error
        if kept.state is not end.document.state:
            raise DocumentMovedError(f"The document already ended as {kept.state}.") from error
        return kept

    def _ending(self, state: EntryState, at: datetime, by: str | None) -> list[Action]:
        entries = self._entries
        actor: list[Action] = [entries.ended_by.set(by)] if by else []
        return [entries.state.set(state.value), entries.ended_at.set(to_text(at)), *actor]

    def _entering(self, document: Document) -> list[Action]:
        """Actions that bring the stored document into the state of `document`."""
        documents, last = self._documents, document.history[-1]
        watch: list[Action] = (
            [documents.unsettled_shard.remove(), documents.due_at.remove()]
            if document.settled
            else [
                # Of a document of a batch, from its issue on: see `DocumentItem.of_numbered`.
                documents.unsettled_shard.set(shard_of(document.document_id)),
                documents.due_at.set(to_text(last.at + self._sweep_after)),
                documents.sweeps.set(0),
            ]
        )
        return [
            documents.state.set(document.state.value),
            documents.history.set(documents.history.append([ChangeMap.of(last)])),
            *watch,
        ]

    def _place(
        self, register: Register, log: LogItem, length: int, waiting: Sequence[PendingItem]
    ) -> None:
        logs, leaves = self._logs, self._leaves
        try:
            with TransactWrite(connection=self.connection) as transaction:
                for index, pending in enumerate(waiting, start=length):
                    leaf = pending.to_domain().leaf(register, index)
                    transaction.delete(pending, condition=self._pending.register_id.exists())
                    transaction.save(
                        leaves(
                            LeafItem.partition(register),
                            LeafItem.line_of(index),
                            body=leaf.to_bytes().decode(),
                        ),
                        condition=leaves.register_id.does_not_exist(),
                    )
                    prefix = PlaceItem.prefix(leaf.number, leaf.child)
                    transaction.save(
                        self._places(
                            PlaceItem.partition(register),
                            prefix + LeafItem.line_of(index),
                            index=index,
                        )
                    )
                transaction.update(
                    log,
                    actions=[logs.sequenced.set(length + len(waiting))],
                    condition=logs.sequenced == length
                    if length
                    else logs.sequenced.does_not_exist() | (logs.sequenced == 0),
                )
        except TransactWriteError as error:
            cancellations(error)
            message = "Another sequencer was at this log; read its length again."
            raise RegisterConflictError(message) from error

    def _entry_item(self, register: Register, number: int, child: int = 0) -> EntryItem | None:
        with translated():
            try:
                return self._entries.get(
                    register.register_id, EntryItem.line_of(number, child), consistent_read=True
                )
            except DoesNotExist:
                return None

    def _key_of(self, entry: Entry) -> EntryItem:
        return self._entries(entry.register.register_id, EntryItem.line_of(*entry.position))

    def _log_item(self, register: Register, log: LogName) -> LogItem:
        with translated():
            try:
                return self._logs.get(
                    register.register_id, LogItem.line_of(log), consistent_read=True
                )
            except DoesNotExist:
                return self._logs(register.register_id, LogItem.line_of(log))


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How entry and document end together; `document` as it will be."""

    entry_state: EntryState
    entry_actions: Sequence[Action]
    document: Document
    document_actions: Sequence[Action]
    outcome: Outcome
    file_digest: str | None = None
    reason_code: str | None = None


def _explain(found: Found, error: TransactWriteError) -> None:
    """Raise what the failed condition means."""
    if found.busy:
        raise RegisterConflictError("Another writer was at this register.") from error
    if found.failed("closing"):
        raise RegisterClosedError("The year of this register is closed.") from error
    if found.failed("document"):
        raise DocumentMovedError("The document is in another state by now.") from error
    raise EntryMovedError("The entry is in another state by now.") from error


def _with_document(entry: Entry, document: Document, outcome: Outcome) -> PendingOutcome:
    """The outcome that brings a document's content to a number."""
    return PendingOutcome(
        number=entry.number,
        child=entry.child,
        subject_id=document.document_id,
        outcome=outcome,
        at=_numbering(document).numbered_at,
        commitment=document.commitment,
    )


def _register(register_id: str) -> Register:
    agency_id, book, year = register_id.split("/")
    return Register(agency_id, book, int(year))


def _numbering(document: Document) -> Numbering:
    if document.numbering is None:
        raise ValueError("the document has no number")
    return document.numbering
