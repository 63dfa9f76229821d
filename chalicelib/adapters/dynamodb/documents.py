"""Documents in DynamoDB (port: DocumentStore)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import DoesNotExist, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.approval_items import case_to_json
from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import (
    Cancellation,
    cancellations,
    is_condition_failure,
    is_missing_place,
    translated,
)
from chalicelib.adapters.dynamodb.items import (
    WAITING,
    ChangeMap,
    CodeItem,
    DocumentItem,
    IdempotencyItem,
    ReasonMap,
    awaiting_shards,
    bind,
    parts_of,
    renamed,
    ruled_so_often,
    shard_of,
    shards,
    sleepers_shard_of,
    sleepers_shards,
    to_instant,
    to_text,
)
from chalicelib.adapters.dynamodb.searching import (
    SEARCH_PAGE_SIZE,
    every_one,
    found_among_hidden,
    from_key,
    nearest_shown,
    one_of,
    or_named,
    timed_between,
    timed_key_after,
)
from chalicelib.adapters.sealed_parts import NoVault
from chalicelib.domain.approved_documents import demand_possible
from chalicelib.domain.documents import (
    ISSUED,
    Change,
    Classification,
    Document,
    DocumentState,
    Reason,
    Waiting,
)
from chalicelib.domain.errors import (
    DocumentMovedError,
    IdempotencyKeyReusedError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.standing import Ruling
from chalicelib.ports import IdempotencyClaim, Page, Search, Unsettled, Vault


class DynamoDocumentStore:
    """Documents, verification codes and idempotency claims in one table."""

    def __init__(
        self, table_name: str, *, sweep_after: timedelta, vault: Vault | None = None
    ) -> None:
        self._vault = vault or NoVault()
        self.items = bind(DocumentItem, table_name)
        self._codes = bind(CodeItem, table_name)
        self._claims = bind(IdempotencyItem, table_name)
        self._sweep_after = sweep_after
        self.connection = QuickConnection()

    def add(
        self, document: Document, claim: IdempotencyClaim | None, *others: Document
    ) -> Document:
        """Idempotency key of this write: the claim; without one, the fresh document id."""
        try:
            with TransactWrite(connection=self.connection) as transaction:
                for each in (document, *others):
                    self._put(transaction, each)
                if claim is not None:
                    transaction.save(
                        self._claims(
                            IdempotencyItem.key(claim),
                            document_id=document.document_id,
                            request_digest=claim.request_digest,
                        ),
                        condition=self._claims.pk.does_not_exist(),
                    )
        except TransactWriteError as error:
            if claim is None or cancellations(error)[-1] is not Cancellation.CONDITION:
                message = "The document could not be stored just now; repeat the request."
                raise UnavailableError(message) from error
            made = self.made_by(claim)
            if made is None:
                message = "The document of this Idempotency-Key cannot be read; repeat the request."
                raise UnavailableError(message) from error
            return made
        return document

    def made_by(self, claim: IdempotencyClaim) -> Document | None:
        kept = self._claimed(claim)
        return self.get(kept.document_id) if kept else None

    def _claimed(self, claim: IdempotencyClaim) -> IdempotencyItem | None:
        with translated():
            try:
                kept = self._claims.get(IdempotencyItem.key(claim), consistent_read=True)
            except DoesNotExist:
                return None
        if kept.request_digest != claim.request_digest:
            raise IdempotencyKeyReusedError
        return kept

    def _put(self, transaction: TransactWrite, document: Document) -> None:
        transaction.save(
            self.items.of(
                document,
                due_at=document.decided_until or document.submitted_at + self._sweep_after,
                vault=self._vault,
            ),
            condition=self.items.pk.does_not_exist(),
        )
        transaction.save(
            self._codes(CodeItem.key(document.verification_code), document_id=document.document_id),
            condition=self._codes.pk.does_not_exist(),
        )

    def get(self, document_id: str) -> Document | None:
        with translated():
            try:
                item = self.items.get(DocumentItem.key(document_id), consistent_read=True)
            except DoesNotExist:
                return None
            return item.to_domain(self._vault)

    def get_many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        keys = [DocumentItem.key(document_id) for document_id in set(document_ids)]
        with translated():
            items = self.items.batch_get(keys, consistent_read=True)
            return {item.document_id: item.to_domain(self._vault) for item in items}

    def by_code(self, code: str) -> Document | None:
        with translated():
            try:
                found = self._codes.get(CodeItem.key(code), consistent_read=True)
            except DoesNotExist:
                return None
        return self.get(found.document_id)

    def search(self, search: Search) -> Page:
        """Newest first. Reads the agency's own index partition only, so no filter and no
        cursor can reach another agency's documents (P6). The index holds what is searched
        and no more (docs/adr/0033); what was found is then read as it is now."""
        items, first = self.items, _key_after(search)

        def read(after: Any) -> Any:
            return items.by_agency.query(
                search.agency_id,
                range_key_condition=timed_between(items.submitted_key, search.since, search.until),
                filter_condition=_matching(items, search),
                scan_index_forward=False,
                page_size=SEARCH_PAGE_SIZE,
                last_evaluated_key=after,
            ).page_iter

        def shown(key: str) -> str | None:
            newer = items.by_agency.query(
                search.agency_id,
                range_key_condition=from_key(items.submitted_key, key, search.until),
                filter_condition=_visible(items, search),
                page_size=SEARCH_PAGE_SIZE,
            ).page_iter
            return nearest_shown(newer, "submitted_key", first)

        with translated():
            found, cursor = found_among_hidden(read, first, "submitted_key", search.limit, shown)
        return Page(self._at(found), cursor)

    def _at(self, keys: Sequence[str]) -> tuple[Document, ...]:
        """The documents of these keys of the index, in their order."""
        ids = [document_id for _, _, document_id in (key.partition("#") for key in keys)]
        known = self.get_many(ids)
        return tuple(known[document_id] for document_id in ids)

    def reject(self, document: Document, reason: Reason, at: datetime) -> Document:
        rejected = document.rejected(reason, at)
        item = self.items(DocumentItem.key(document.document_id))
        with _moved_if_condition_fails():
            item.update(
                actions=[
                    self.items.state.set(DocumentState.REJECTED.value),
                    self.items.reason.set(ReasonMap.of(reason, parts_of(document, self._vault))),
                    self.items.history.set(
                        self.items.history.append(
                            [ChangeMap.of(Change(DocumentState.REJECTED, at))]
                        )
                    ),
                    *self._watching(rejected, at),
                ],
                condition=self.items.state == DocumentState.ACCEPTED.value,
            )
        return item.to_domain(self._vault)

    def decide(self, seen: Document, decided: Document) -> None:
        """Idempotency key of this write: the number of decisions before it."""
        demand_possible(decided)
        if seen.approval is None:
            raise ValueError("nobody decides on this document")
        items = self.items
        with _moved_if_condition_fails():
            items(DocumentItem.key(seen.document_id)).update(
                actions=self._deciding(decided),
                condition=(items.state == DocumentState.AWAITING_APPROVAL.value)
                & (items.decisions == len(seen.approval.decisions)),
            )

    def _deciding(self, decided: Document) -> list[Action]:
        """Actions that bring the stored document to what the decision made of it."""
        items, case = self.items, decided.approval
        if case is None:
            raise ValueError("nobody decides on this document")
        parts = parts_of(decided, self._vault)
        actions: list[Action] = [
            items.approval.set(parts.keep_json("approval", case_to_json(case))),
            items.decisions.set(len(case.decisions)),
        ]
        if decided.awaits_approval:
            return actions
        last = decided.history[-1]
        actions += [
            items.state.set(decided.state.value),
            items.history.set(items.history.append([ChangeMap.of(last)])),
            items.approving_agency.remove(),
            items.awaiting_key.remove(),
            *self._watching(decided, last.at),
        ]
        if decided.reason is not None:
            actions.append(items.reason.set(ReasonMap.of(decided.reason, parts)))
        if decided.state is DocumentState.ACCEPTED:
            actions.append(items.approved_digest.set(decided.content_digest))
        return actions

    def _watching(self, document: Document, since: datetime) -> list[Action]:
        items = self.items
        if document.settled:
            return [items.unsettled_shard.remove(), items.due_at.remove()]
        return [
            items.unsettled_shard.set(shard_of(document.document_id)),
            items.due_at.set(to_text(since + self._sweep_after)),
            items.sweeps.set(0),
        ]

    def awaiting(
        self,
        agency_id: str,
        *,
        document_type: str | None,
        limit: int,
        cursor: str | None,
        visible: frozenset[Classification] = frozenset({Classification.NORMAL}),
        named_for: Officer | None = None,
    ) -> Page:
        """Reads the approving agency's own index partition only (P6); what was found is then
        read as it is now."""
        items, first = self.items, _awaiting_after(agency_id, cursor)
        known = _known(items, visible, named_for)
        of_type = items.document_type == document_type if document_type else None

        def read(after: Any) -> Any:
            return items.awaiting.query(
                agency_id,
                filter_condition=every_one(known, of_type),
                page_size=SEARCH_PAGE_SIZE,
                last_evaluated_key=after,
            ).page_iter

        def shown(key: str) -> str | None:
            older = items.awaiting.query(
                agency_id,
                range_key_condition=items.awaiting_key <= key,
                filter_condition=known,
                scan_index_forward=False,
                page_size=SEARCH_PAGE_SIZE,
            ).page_iter
            return nearest_shown(older, "awaiting_key", first)

        with translated():
            found, following = found_among_hidden(read, first, "awaiting_key", limit, shown)
        documents = self._at(found)
        return Page(tuple(d for d in documents if d.awaits_approval), following)

    def name_readers(self, seen: Document, named: frozenset[Officer]) -> Document:
        items = self.items
        item = items(DocumentItem.key(seen.document_id))
        action, unmoved = renamed(items.named, seen.named, named)
        with _moved_if_condition_fails():
            item.update(actions=[action], condition=items.state.exists() & unmoved)
        return item.to_domain(self._vault)

    def note_waiting(self, document: Document, waiting: Waiting) -> None:
        item = self.items(DocumentItem.key(document.document_id))
        parts = parts_of(document, self._vault)
        since = self.items.waiting_since
        with translated():
            try:
                item.update(
                    actions=[
                        self.items.waits_for.set(ReasonMap.of(waiting.reason, parts, WAITING)),
                        since.set(since | to_text(waiting.since)),
                    ],
                    condition=self.items.state == DocumentState.NUMBERED.value,
                )
            except UpdateError as error:
                if not is_condition_failure(error):
                    raise

    def ruled_by(self, claim: IdempotencyClaim) -> tuple[Document, Ruling] | None:
        kept = self._claimed(claim)
        if kept is None:
            return None
        document = self.get(kept.document_id)
        if document is None:
            message = "The document of this Idempotency-Key cannot be read; repeat the request."
            raise UnavailableError(message)
        return document, document.rulings[int(kept.ruling) - 1]

    def keep_evidence(self, document_id: str, evidence: str, *, notice: str = ISSUED) -> str:
        item = self.items(DocumentItem.key(document_id))
        place: Any = self.items.evidence if notice == ISSUED else self.items.evidences[notice]
        with translated():
            try:
                item.update(
                    actions=[place.set(evidence)],
                    condition=self.items.pk.exists() & place.does_not_exist(),
                )
            except UpdateError as error:
                if is_missing_place(error):
                    self._make_place(item)
                    return self.keep_evidence(document_id, evidence, notice=notice)
                if not is_condition_failure(error):
                    raise
                document = self.items.get(item.pk, consistent_read=True).to_domain(self._vault)
                issued = notice == ISSUED
                kept = document.evidence if issued else document.evidences.get(notice)
                if kept is None:
                    raise
                return kept
        return evidence

    def _make_place(self, item: DocumentItem) -> None:
        """What was stored before there were rulings lacks the place for their evidence."""
        items = self.items
        try:
            item.update(
                actions=[items.evidences.set({})],
                condition=items.pk.exists() & items.evidences.does_not_exist(),
            )
        except UpdateError as error:
            if not is_condition_failure(error):
                raise

    def mark_notified(self, document_id: str, mark: str) -> Document:
        item = self.items(DocumentItem.key(document_id))
        with _moved_if_condition_fails():
            item.update(
                actions=[self.items.notified.add({mark})],
                condition=self.items.state.is_in(
                    DocumentState.ISSUED.value, DocumentState.REJECTED.value
                ),
            )
        return item.to_domain(self._vault)

    def settle(self, document: Document) -> None:
        if not document.settled:
            raise ValueError("work is left on this document")
        items, wakes_at = self.items, document.wakes_at
        item = items(DocumentItem.key(document.document_id))
        rest: list[Action] = (
            [items.unsettled_shard.remove(), items.due_at.remove()]
            if wakes_at is None
            else [
                items.unsettled_shard.set(sleepers_shard_of(document.document_id)),
                items.due_at.set(to_text(wakes_at)),
            ]
        )
        with translated():
            try:
                # Recipients are only ever added to `notified`, so settled stays settled, but for
                # another ruling.
                item.update(actions=rest, condition=ruled_so_often(items, len(document.rulings)))
            except UpdateError as error:
                if not is_condition_failure(error):
                    raise

    def unsettled(self, due_before: datetime, limit: int) -> tuple[Unsettled, ...]:
        return self._due_in((*shards(), *awaiting_shards()), due_before, limit)

    def sleepers(self, due_before: datetime, limit: int) -> tuple[Unsettled, ...]:
        return self._due_in(sleepers_shards(), due_before, limit)

    def wake(self, seen: Unsettled, due_at: datetime) -> bool:
        items = self.items
        item = items(DocumentItem.key(seen.document_id))
        asleep = items.unsettled_shard == sleepers_shard_of(seen.document_id)
        with translated():
            try:
                item.update(
                    actions=[
                        items.unsettled_shard.set(shard_of(seen.document_id)),
                        items.due_at.set(to_text(due_at)),
                        items.sweeps.set(0),
                    ],
                    condition=(items.due_at == to_text(seen.due_at)) & asleep,
                )
            except UpdateError as error:
                if is_condition_failure(error):
                    return False
                raise
        return True

    def _due_in(
        self, these: Iterable[str], due_before: datetime, limit: int
    ) -> tuple[Unsettled, ...]:
        with translated():
            due = [
                Unsettled(
                    document_id=item.document_id,
                    state=DocumentState(item.state),
                    group=item.book_group,
                    due_at=to_instant(item.due_at),
                    sweeps=int(item.sweeps),
                )
                for shard in these
                for item in self.items.unsettled.query(
                    shard, self.items.due_at <= to_text(due_before), limit=limit
                )
            ]
        return tuple(sorted(due, key=lambda unsettled: unsettled.due_at)[:limit])

    def waiting_since(self, state: DocumentState) -> datetime | None:
        waits = state is DocumentState.AWAITING_APPROVAL
        with translated():
            submitted = [
                item.submitted_at
                for shard in (awaiting_shards() if waits else shards())
                for item in self.items.unsettled.query(
                    shard,
                    filter_condition=self.items.state == state.value,
                    attributes_to_get=["submitted_at"],
                )
            ]
        return to_instant(min(submitted)) if submitted else None

    def postpone(self, seen: Unsettled, due_at: datetime) -> bool:
        item = self.items(DocumentItem.key(seen.document_id))
        with translated():
            try:
                item.update(
                    actions=[
                        self.items.due_at.set(to_text(due_at)),
                        self.items.sweeps.set(seen.sweeps + 1),
                    ],
                    condition=(self.items.due_at == to_text(seen.due_at))
                    & self.items.unsettled_shard.exists(),
                )
            except UpdateError as error:
                if is_condition_failure(error):
                    return False
                raise
        return True


@contextmanager
def _moved_if_condition_fails() -> Iterator[None]:
    with translated():
        try:
            yield
        except UpdateError as error:
            if is_condition_failure(error):
                raise DocumentMovedError("The document is in another state by now.") from error
            raise


def _matching(items: type[DocumentItem], search: Search) -> Condition | None:
    return every_one(
        items.state == search.state.value if search.state else None,
        items.document_type == search.document_type if search.document_type else None,
        items.search_text.contains(search.text.lower()) if search.text else None,
        _visible(items, search),
    )


def _visible(items: type[DocumentItem], search: Search) -> Condition:
    return _known(items, search.visible, search.named_for)


def _known(
    items: type[DocumentItem], visible: frozenset[Classification], named_for: Officer | None
) -> Condition:
    """Of these classifications, or opened to this officer by name."""
    return or_named(one_of(items.classification, visible), items.named, named_for)


def _awaiting_after(agency_id: str, cursor: str | None) -> dict[str, dict[str, Any]] | None:
    """As `_key_after`."""
    if cursor is None:
        return None
    key, document_id = timed_key_after(cursor, None, None)
    return {
        "approving_agency": {"S": agency_id},
        "awaiting_key": {"S": key},
        "pk": {"S": DocumentItem.key(document_id)},
    }


def _key_after(search: Search) -> dict[str, dict[str, Any]] | None:
    """The index key after which to go on. The agency comes from the search, never from
    the cursor."""
    if search.cursor is None:
        return None
    key, document_id = timed_key_after(search.cursor, search.since, search.until)
    return {
        "agency_id": {"S": search.agency_id},
        "submitted_key": {"S": key},
        "pk": {"S": DocumentItem.key(document_id)},
    }
