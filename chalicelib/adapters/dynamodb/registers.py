"""Registers in DynamoDB (port: RegisterStore).

P1 and P2 rest on three conditions, all in one TransactWriteItems: the head still
holds the number the writer saw, no entry of these numbers exists, and each
document is still accepted with the digest that its entry binds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.faults import Cancellation, cancellations, translated
from chalicelib.adapters.dynamodb.items import (
    ChangeMap,
    DocumentItem,
    EntryItem,
    FileMap,
    HeadItem,
    NumberingMap,
    ReasonMap,
    bind,
    to_text,
)
from chalicelib.domain.documents import ArchivedFile, Change, Document, DocumentState, Reason
from chalicelib.domain.errors import (
    DocumentMovedError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.registers import (
    Block,
    Entry,
    EntryState,
    Numbering,
    Register,
    numbering_of,
)


class DynamoRegisterStore:
    """Registers in one table, documents in another, one transaction over both."""

    def __init__(
        self, registers_table: str, documents_table: str, *, sweep_after: timedelta
    ) -> None:
        self._heads = bind(HeadItem, registers_table)
        self._entries = bind(EntryItem, registers_table)
        self._documents = bind(DocumentItem, documents_table)
        self._sweep_after = sweep_after
        self.connection = Connection()

    def last_number(self, register: Register) -> int:
        with translated():
            try:
                head = self._heads.get(register.register_id, HeadItem.LINE, consistent_read=True)
            except DoesNotExist:
                return 0
            return int(head.last_number)

    def assign(self, block: Block, documents: Mapping[str, Document]) -> dict[str, Document]:
        """Idempotency key of this write: the head's last number."""
        with self._transaction_for(block) as transaction:
            for entry in block.entries:
                transaction.save(
                    self._entries.of(entry), condition=self._entries.register_id.does_not_exist()
                )
            self._move_head(transaction, block)
            for entry in block.entries:
                self._number_document(transaction, entry)
        return {
            entry.document_id: documents[entry.document_id].numbered(numbering_of(entry))
            for entry in block.entries
        }

    def finalise(self, document: Document, file: ArchivedFile, at: datetime) -> Document:
        """Idempotency key of this write: the entry's state `open`."""
        ending = _Ending(
            entry_state=EntryState.ISSUED,
            entry_actions=[self._entries.file_digest.set(file.sha256)],
            document_state=DocumentState.ISSUED,
            document_actions=[self._documents.file.set(FileMap.of(file))],
        )
        return self._end(document, ending, at, wanted=document.issued(file, at))

    def void(self, document: Document, reason: Reason, at: datetime) -> Document:
        """Idempotency key of this write: the entry's state `open`."""
        ending = _Ending(
            entry_state=EntryState.VOID,
            entry_actions=[self._entries.reason.set(reason.code)],
            document_state=DocumentState.VOID,
            document_actions=[self._documents.reason.set(ReasonMap.of(reason))],
        )
        return self._end(document, ending, at, wanted=document.voided(reason, at))

    def entries(self, register: Register, *, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
        with translated():
            found = self._entries.query(
                register.register_id,
                self._entries.line > EntryItem.line_of(after),
                consistent_read=True,
                limit=limit,
            )
            return tuple(item.to_domain(register) for item in found)

    @contextmanager
    def _transaction_for(self, block: Block) -> Iterator[TransactWrite]:
        try:
            with TransactWrite(connection=self.connection) as transaction:
                yield transaction
        except TransactWriteError as error:
            # Order of a transaction: puts (entries), then updates (head, documents).
            found = cancellations(error)
            size = len(block.entries)
            entries, head, documents = found[:size], found[size], found[size + 1 :]
            if Cancellation.BUSY in found or head is Cancellation.CONDITION:
                message = "Another writer was at this register; read its head again."
                raise RegisterConflictError(message) from error
            if Cancellation.CONDITION in documents:
                message = "A document of the block is in another state by now."
                raise DocumentMovedError(message) from error
            if Cancellation.CONDITION in entries:
                # The head allowed a number that an entry already holds: P1 is broken
                # by somebody who writes past Tra. Stop; the audit names the register.
                message = "The register holds an entry beyond its head; numbering has stopped."
                raise UnavailableError(message) from error
            raise

    def _move_head(self, transaction: TransactWrite, block: Block) -> None:
        head = self._heads(block.register.register_id, HeadItem.LINE)
        expected = (
            self._heads.last_number == block.after
            if block.after
            else self._heads.register_id.does_not_exist()
        )
        transaction.update(
            head, actions=[self._heads.last_number.set(block.last)], condition=expected
        )

    def _number_document(self, transaction: TransactWrite, entry: Entry) -> None:
        documents = self._documents
        transaction.update(
            documents(DocumentItem.key(entry.document_id)),
            actions=[
                documents.numbering.set(NumberingMap.of(numbering_of(entry))),
                *self._entering(DocumentState.NUMBERED, entry.numbered_at),
            ],
            condition=(documents.state == DocumentState.ACCEPTED.value)
            & (documents.content_digest == entry.content_digest),
        )

    def _end(
        self, document: Document, ending: _Ending, at: datetime, *, wanted: Document
    ) -> Document:
        """Entry and document end together. If they ended before, the first end stands."""
        entries, documents = self._entries, self._documents
        numbering = _numbering(document)
        entry = entries(document.register.register_id, EntryItem.line_of(numbering.number))
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.update(
                    entry,
                    actions=[
                        entries.state.set(ending.entry_state.value),
                        entries.ended_at.set(to_text(at)),
                        *ending.entry_actions,
                    ],
                    condition=(entries.state == EntryState.OPEN.value)
                    & (entries.document_id == document.document_id)
                    & (entries.content_digest == document.content_digest),
                )
                transaction.update(
                    documents(DocumentItem.key(document.document_id)),
                    actions=[
                        *ending.document_actions,
                        *self._entering(ending.document_state, at, settled=wanted.settled),
                    ],
                    condition=documents.state == DocumentState.NUMBERED.value,
                )
        except TransactWriteError as error:
            if Cancellation.CONDITION not in cancellations(error):
                message = "The register was busy; the end of the document was not entered."
                raise UnavailableError(message) from error
            return self._as_ended_before(document, ending, error)
        return wanted

    def _as_ended_before(
        self, document: Document, ending: _Ending, error: TransactWriteError
    ) -> Document:
        with translated():
            kept = self._documents.get(
                DocumentItem.key(document.document_id), consistent_read=True
            ).to_domain()
        if kept.state is not ending.document_state:
            raise DocumentMovedError(f"The document already ended as {kept.state}.") from error
        return kept

    def _entering(
        self, state: DocumentState, at: datetime, *, settled: bool = False
    ) -> list[Action]:
        documents = self._documents
        change = ChangeMap.of(Change(state, at))
        watch: list[Action] = (
            [documents.unsettled_shard.remove(), documents.due_at.remove()]
            if settled
            else [documents.due_at.set(to_text(at + self._sweep_after)), documents.sweeps.set(0)]
        )
        return [
            documents.state.set(state.value),
            documents.history.set(documents.history.append([change])),
            *watch,
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How entry and document end together."""

    entry_state: EntryState
    entry_actions: Sequence[Action]
    document_state: DocumentState
    document_actions: Sequence[Action]


def _numbering(document: Document) -> Numbering:
    if document.numbering is None:
        raise ValueError("only a numbered document has an entry to end")
    return document.numbering
