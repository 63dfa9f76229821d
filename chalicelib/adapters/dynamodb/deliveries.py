"""Deliveries in DynamoDB (port: DeliveryStore).

That a delivery has one outcome (P5) rests on one condition: its history is as long as the
writer saw it. Evidence, statement, marks, and the line of the receive register are written in
the same TransactWriteItems, so that none of them is there without the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.delivery_items import (
    EvidenceItem,
    MarkItem,
    RefusalsItem,
    RefusedItem,
    StateItem,
    StatementItem,
    check_body,
    id_of,
    kept_body,
    kept_passings,
    open_shard,
    open_shards,
    partition,
    passings_of,
)
from chalicelib.adapters.dynamodb.faults import (
    Cancellation,
    cancellations,
    is_condition_failure,
    translated,
)
from chalicelib.adapters.dynamodb.items import bind, renamed, timed_key, to_instant, to_text
from chalicelib.adapters.dynamodb.register_lines import Found, RegisterLines
from chalicelib.adapters.dynamodb.searching import (
    SEARCH_PAGE_SIZE,
    bad_cursor,
    every_one,
    found_among_hidden,
    found_keys,
    from_key,
    key_after,
    nearest_shown,
    one_of_or_none,
    or_named,
    timed_between,
    timed_key_after,
)
from chalicelib.adapters.sealed_parts import NoVault, side_by_side
from chalicelib.domain.deliveries import Delivery, DeliveryId, Outline, Progress
from chalicelib.domain.delivery_records import (
    MOST_REFUSED,
    DeliveryChange,
    DeliveryRecord,
    FileCheck,
    OpenItems,
    Passing,
    RefusedAnswer,
    as_searched,
)
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    DeliveryMovedError,
    NotFoundError,
    RegisterClosedError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.letter_marks import LetterMarks
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Block, Entry, Head
from chalicelib.ports import LetterPage, LetterSearch, Vault

# A planned delivery is two items; a transaction has a hundred.
_PLANNED_AT_ONCE = 50

# Another delivery may put down each of the two marks between our look and our write.
_TRIES_FOR_MARKS = 3


class DynamoDeliveryStore:
    """Deliveries in a table of their own; registering writes to the registers' table too."""

    def __init__(
        self, deliveries_table: str, registers_table: str, vault: Vault | None = None
    ) -> None:
        self._vault = vault or NoVault()
        self.items = bind(StateItem, deliveries_table)
        self._evidence = bind(EvidenceItem, deliveries_table)
        self._statements = bind(StatementItem, deliveries_table)
        self._refused = bind(RefusedItem, deliveries_table)
        self._refusals = bind(RefusalsItem, deliveries_table)
        self._marks = bind(MarkItem, deliveries_table)
        self._lines = RegisterLines(registers_table, vault)
        self.connection = QuickConnection()

    # -- planning ------------------------------------------------------------

    def plan(self, planned: Sequence[tuple[Delivery, str, str]], due_at: datetime) -> None:
        """Idempotency key of each write: the delivery's id."""
        once = {delivery.id: (delivery, jws, salt) for delivery, jws, salt in reversed(planned)}
        rest = list(once.values())
        while rest:
            few, rest = rest[:_PLANNED_AT_ONCE], rest[_PLANNED_AT_ONCE:]
            while few:
                few = self._plan_new(few, due_at)

    def _plan_new(
        self, planned: Sequence[tuple[Delivery, str, str]], due_at: datetime
    ) -> list[tuple[Delivery, str, str]]:
        """Store all of these, or none because some are there already: then the others are
        returned, to be stored without them."""
        items, evidence = self.items, self._evidence
        try:
            with TransactWrite(connection=self.connection) as transaction:
                for delivery, jws, salt in planned:
                    transaction.save(
                        items.planned(delivery, salt, due_at, self._vault),
                        condition=items.pk.does_not_exist(),
                    )
                    transaction.save(
                        evidence.of(delivery, 0, jws, self._vault),
                        condition=evidence.pk.does_not_exist(),
                    )
        except TransactWriteError as error:
            states = cancellations(error)[::2]
            new = [
                each
                for each, found in zip(planned, states, strict=True)
                if found is not Cancellation.CONDITION
            ]
            if len(new) == len(planned):
                message = "The deliveries could not be stored just now; repeat the request."
                raise UnavailableError(message) from error
            return new
        return []

    # -- steps ---------------------------------------------------------------

    def get(self, delivery_id: DeliveryId) -> DeliveryRecord | None:
        with translated():
            try:
                found = self.items.get(partition(delivery_id), StateItem.SK, consistent_read=True)
            except DoesNotExist:
                return None
            return found.to_domain(self._vault)

    def write(self, change: DeliveryChange) -> None:
        """Idempotency key of this write: the length of the history before."""
        if change.evidence or change.statement or change.arrives:
            self._transact(change, None)
        else:
            self._step(change)

    def register(self, change: DeliveryChange, entry: Entry, head: Head) -> None:
        """Idempotency key of this write: the length of the history before."""
        if head.closing:
            raise RegisterClosedError("The year of this register is closed.")
        self._transact(change, Block(entry.register, head.last_number, (entry,)))

    def _step(self, change: DeliveryChange) -> None:
        with translated():
            try:
                self._item(change.seen.id).update(
                    actions=self._moving(change, None), condition=self._unmoved(change.seen)
                )
            except UpdateError as error:
                if is_condition_failure(error):
                    raise _moved() from error
                raise

    def _transact(self, change: DeliveryChange, block: Block | None) -> None:
        for _ in range(_TRIES_FOR_MARKS):
            marks = self._look_at_marks(change)
            try:
                with TransactWrite(connection=self.connection) as transaction:
                    puts = self._put_line(transaction, block) if block else 0
                    puts += self._put_evidence(transaction, change)
                    for key in marks.to_put:
                        mark = self._marks(key, delivery_id=change.delivery.delivery_id)
                        transaction.save(mark, condition=self._marks.pk.does_not_exist())
                    if block:
                        self._lines.move_head(transaction, block)
                    transaction.update(
                        self._item(change.seen.id),
                        actions=self._moving(change, marks.first),
                        condition=self._unmoved(change.seen),
                    )
            except TransactWriteError as error:
                found = Found(
                    cancellations(error),
                    puts=puts + len(marks.to_put),
                    updates=("head", "state") if block else ("state",),
                )
                self._explain(found, puts, block, error)
            else:
                return
        message = "Others bring the same letter at this moment; read the delivery again."
        raise DeliveryMovedError(message)

    def _explain(
        self, found: Found, puts: int, block: Block | None, error: TransactWriteError
    ) -> None:
        """Raise what the failure means, unless only the marks were in the way."""
        if found.stopped("state"):
            raise _moved() from error
        if block and found.failed("head") and self._lines.head(block.register).closing:
            raise RegisterClosedError("The year of this register is closed.") from error
        if found.stopped("head"):
            message = "Another writer was at this register; read its head again."
            raise RegisterConflictError(message) from error
        if found.any_put(puts):
            # The state allowed what already lies there: somebody writes past Tra. Stop; the
            # audit names the delivery or the register.
            message = "Evidence or a register line lies there beyond its delivery's state."
            raise UnavailableError(message) from error
        if found.any_busy_put(puts):
            raise (_conflict() if block else _moved()) from error

    def _put_line(self, transaction: TransactWrite, block: Block) -> int:
        (entry,) = block.entries
        puts = self._lines.put_block(transaction, block)
        self._lines.put_outcome(transaction, block.register, entry.issued_at_once())
        return puts + 1

    def _put_evidence(self, transaction: TransactWrite, change: DeliveryChange) -> int:
        evidence, statements = self._evidence, self._statements
        for place, jws in enumerate(change.evidence, start=change.seen.evidence_count):
            transaction.save(
                evidence.of(change.seen, place, jws, self._vault),
                condition=evidence.pk.does_not_exist(),
            )
        if change.statement is None:
            return len(change.evidence)
        transaction.save(
            statements.of(change.seen, change.statement, self._vault),
            condition=statements.pk.does_not_exist(),
        )
        return len(change.evidence) + 1

    def _look_at_marks(self, change: DeliveryChange) -> _Marks:
        if not change.arrives:
            return _Marks((), None)
        keys = MarkItem.keys(change.delivery.recipient, LetterMarks.of(change.delivery.letter))
        found = self._marks_at(keys)
        first = next((found[key] for key in keys if key in found), None)
        return _Marks(tuple(key for key in keys if key not in found), first)

    def _marks_at(self, keys: Iterable[str]) -> dict[str, str]:
        with translated():
            places = [(key, MarkItem.SK) for key in keys]
            found = self._marks.batch_get(places, consistent_read=True)
            return {mark.pk: mark.delivery_id for mark in found}

    def _item(self, delivery_id: DeliveryId) -> StateItem:
        return self.items(partition(delivery_id), StateItem.SK)

    def _unmoved(self, seen: Delivery) -> Condition:
        unmoved: Condition = self.items.steps == len(seen.history)
        return unmoved

    def _moving(self, change: DeliveryChange, duplicate_of: str | None) -> list[Action]:
        items, delivery = self.items, change.delivery
        actions: list[Action] = [
            items.state.set(delivery.state.value),
            items.waits_since.set(to_text(delivery.waits_since)),
            items.steps.set(len(delivery.history)),
            items.body.set(kept_body(delivery, self._vault)),
            *self._watching(delivery, change.due_at),
        ]
        if change.arrives and delivery.received is not None:
            entered = timed_key(delivery.received.entered_at, delivery.delivery_id)
            actions.append(items.entered_key.set(entered))
        if duplicate_of is not None:
            actions.append(items.duplicate_of.set(duplicate_of))
        return actions

    def _watching(self, delivery: Delivery, due_at: datetime | None) -> list[Action]:
        items = self.items
        if delivery.state.ended and due_at is None:
            return [items.open_shard.remove(), items.due_at.remove()]
        return [
            items.open_shard.set(open_shard(delivery.id)),
            items.due_at.set(to_text(due_at) if due_at else StateItem.NEVER),
        ]

    # -- what was signed -----------------------------------------------------

    def evidence(self, delivery_id: DeliveryId) -> tuple[str, ...]:
        with translated():
            found = self._evidence.query(
                partition(delivery_id),
                self._evidence.sk.startswith(EvidenceItem.PREFIX),
                consistent_read=True,
            )
            return tuple(item.text(self._vault) for item in found)

    def statement(self, delivery_id: DeliveryId, digest: str) -> str | None:
        with translated():
            try:
                found = self._statements.get(
                    partition(delivery_id), StatementItem.PREFIX + digest, consistent_read=True
                )
            except DoesNotExist:
                return None
            return found.text(self._vault)

    def statements(self, delivery_id: DeliveryId) -> tuple[str, ...]:
        with translated():
            found = self._statements.query(
                partition(delivery_id),
                self._statements.sk.startswith(StatementItem.PREFIX),
                consistent_read=True,
            )
            ordered = sorted(found, key=lambda item: int(item.step))
            return tuple(item.text(self._vault) for item in ordered)

    def refuse(self, delivery_id: DeliveryId, refused: RefusedAnswer) -> None:
        """Idempotency key of this write: the digest of the text."""
        texts, counts = self._refused, self._refusals
        parts = self._there(delivery_id).parts(self._vault)
        digest = hashlib.sha256(refused.text.encode()).hexdigest()
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.condition_check(
                    self.items,
                    partition(delivery_id),
                    StateItem.SK,
                    condition=self.items.pk.exists(),
                )
                transaction.save(
                    texts.of(delivery_id, digest, refused, parts),
                    condition=texts.pk.does_not_exist(),
                )
                transaction.update(
                    counts(partition(delivery_id), RefusalsItem.SK),
                    actions=[counts.kept.add(1)],
                    condition=counts.pk.does_not_exist() | (counts.kept < MOST_REFUSED),
                )
        except TransactWriteError as error:
            reasons = cancellations(error)
            if reasons[0] is Cancellation.CONDITION:
                raise NotFoundError from error
            if Cancellation.CONDITION not in reasons:
                message = "The refused answer was not kept; repeat the request."
                raise UnavailableError(message) from error

    def refused(self, delivery_id: DeliveryId) -> tuple[RefusedAnswer, ...]:
        with translated():
            found = self._refused.query(
                partition(delivery_id),
                self._refused.sk.startswith(RefusedItem.PREFIX),
                consistent_read=True,
            )
            read = (item.to_domain(self._vault) for item in found)
            return tuple(sorted(read, key=lambda r: r.at))

    def _there(self, delivery_id: DeliveryId) -> StateItem:
        with translated():
            try:
                return self.items.get(partition(delivery_id), StateItem.SK, consistent_read=True)
            except DoesNotExist as error:
                raise NotFoundError from error

    # -- what was done about it ----------------------------------------------

    def mark_told(self, delivery_id: DeliveryId, notice: str) -> None:
        self._note(delivery_id, self.items.told.add({notice}))

    def mark_archived(self, delivery_id: DeliveryId, names: Sequence[str]) -> None:
        if names:
            self._note(delivery_id, self.items.archived.add(set(names)))

    def keep_check(self, delivery_id: DeliveryId, check: FileCheck) -> None:
        self._note(delivery_id, self.items.check.set(check_body(check)))

    def _note(self, delivery_id: DeliveryId, action: Action) -> None:
        with translated():
            try:
                self._item(delivery_id).update(actions=[action], condition=self.items.pk.exists())
            except UpdateError as error:
                if is_condition_failure(error):
                    raise NotFoundError from error
                raise

    def name_readers(self, seen: DeliveryRecord, named: frozenset[Officer]) -> DeliveryRecord:
        items = self.items
        item = items(partition(seen.delivery.id), StateItem.SK)
        action, unmoved = renamed(items.named, seen.named, named)
        with translated():
            try:
                item.update(actions=[action], condition=items.state.exists() & unmoved)
            except UpdateError as error:
                if is_condition_failure(error):
                    message = "Somebody else named readers; read it again."
                    raise DeliveryMovedError(message) from error
                raise
            return item.to_domain(self._vault)

    def pass_on(self, delivery_id: DeliveryId, passing: Passing) -> DeliveryRecord:
        """Idempotency key of this write: how often it was passed on before."""
        items, item = self.items, self._there(delivery_id)
        parts = item.parts(self._vault)
        passed_on = passings_of(item.read_passings(parts))
        with translated():
            before = items.passed == len(passed_on) if passed_on else items.passed.does_not_exist()
            try:
                item.update(
                    actions=[
                        items.passings.set(
                            kept_passings(delivery_id, [*passed_on, passing], parts)
                        ),
                        items.passed.set(len(passed_on) + 1),
                        items.unit.set(passing.unit),
                    ],
                    condition=before,
                )
            except UpdateError as error:
                if is_condition_failure(error):
                    message = "Somebody else passed the letter on; read it again."
                    raise DeliveryMovedError(message) from error
                raise
            return item.to_domain(self._vault)

    def look_again(self, seen: Delivery, due_at: datetime | None) -> bool:
        with translated():
            try:
                self._item(seen.id).update(
                    actions=self._watching(seen, due_at), condition=self._unmoved(seen)
                )
            except UpdateError as error:
                if is_condition_failure(error):
                    return False
                raise
        return True

    # -- finding -------------------------------------------------------------

    def due(self, before: datetime, limit: int) -> tuple[DeliveryId, ...]:
        with translated():
            found = [
                (item.due_at, item.pk)
                for shard in open_shards()
                for item in self.items.open.query(
                    shard,
                    self.items.due_at <= to_text(before),
                    limit=limit,
                    attributes_to_get=["pk", "due_at"],
                )
            ]
        return tuple(id_of(pk) for _, pk in sorted(found)[:limit])

    def first_with(self, agency_id: str, marks: LetterMarks) -> DeliveryId | None:
        keys = MarkItem.keys(agency_id, marks)
        found = self._marks_at(keys)
        first = next((found[key] for key in keys if key in found), None)
        return DeliveryId.parse(first) if first else None

    def of_letter(
        self, document_id: str, *, cursor: str | None = None, limit: int = 100
    ) -> LetterPage:
        with translated():
            pages = self.items.letter.query(
                document_id,
                page_size=min(limit, SEARCH_PAGE_SIZE),
                last_evaluated_key=_letter_after(document_id, cursor),
            ).page_iter
            found, on = found_keys(pages, "attempt_key", limit)
        return self._page([_attempt(document_id, key) for key in found], on)

    def progress(self, document_id: str) -> Progress:
        with translated():
            pages = self.items.letter.query(document_id).page_iter
            return Progress.of(_outline(raw) for page in pages for raw in page["Items"])

    def outbox(self, search: LetterSearch) -> LetterPage:
        items = self.items
        known = one_of_or_none(items.classification, search.visible)
        matching = _naming(items, search, items.recipient)
        return self._search(search, items.outbox, ("sender", "planned_key"), known, matching)

    def inbox(self, search: LetterSearch) -> LetterPage:
        items = self.items
        matching = every_one(
            _naming(items, search, items.sender),
            items.unit == search.unit if search.unit else None,
        )
        known, keys = _visible(items, search), ("recipient", "entered_key")
        return self._search(search, items.inbox, keys, known, matching)

    def _search(
        self,
        search: LetterSearch,
        index: Any,
        keys: tuple[str, str],
        known: Condition,
        matching: Condition | None,
    ) -> LetterPage:
        """Newest first, in the agency's own partition of an index. `known`: what whoever asks may
        know of; `matching`: what is looked for among it."""
        items, (agency_key, time_key) = self.items, keys
        in_state = items.state == search.state.value if search.state else None
        key_of, first = getattr(items, time_key), _key_after(search, agency_key, time_key)

        def read(after: Any) -> Any:
            return index.query(
                search.agency_id,
                range_key_condition=timed_between(key_of, search.since, search.until),
                filter_condition=every_one(known, in_state, matching),
                scan_index_forward=False,
                page_size=SEARCH_PAGE_SIZE,
                last_evaluated_key=after,
            ).page_iter

        def shown(key: str) -> str | None:
            newer = index.query(
                search.agency_id,
                range_key_condition=from_key(key_of, key, search.until),
                filter_condition=known,
                page_size=SEARCH_PAGE_SIZE,
            ).page_iter
            return nearest_shown(newer, time_key, first)

        with translated():
            found, cursor = found_among_hidden(read, first, time_key, search.limit, shown)
        return self._page([_timed(key) for key in found], cursor)

    def open_items(self) -> OpenItems:
        """Reads the index of what is open, which is a small part of the table, and no more."""
        with translated():
            waiting = [
                (state, to_instant(raw["waits_since"]["S"]))
                for shard in open_shards()
                for page in self.items.open.query(shard).page_iter
                for raw in page["Items"]
                if not (state := DeliveryState(raw["state"]["S"])).ended
            ]
        return OpenItems.of(waiting)

    # ------------------------------------------------------------------------

    def _page(self, ids: Sequence[DeliveryId], cursor: str | None) -> LetterPage:
        """What was found, as it is now, in the order of the index."""
        keys = [(partition(delivery_id), StateItem.SK) for delivery_id in ids]
        with translated():
            found = self.items.batch_get(keys, consistent_read=True)
            items = list(found)
        every_at_once = any(item.parts(self._vault).are_secret for item in items)
        read = side_by_side(self._opened, items) if every_at_once else map(self._opened, items)
        known = dict(zip((item.pk for item in items), read, strict=True))
        return LetterPage(tuple(known[pk] for pk, _ in keys), cursor)

    def _opened(self, item: StateItem) -> DeliveryRecord:
        return item.to_domain(self._vault)


@dataclass(frozen=True, slots=True)
class _Marks:
    """Which marks are not there yet, and the delivery that put the first of the others there."""

    to_put: tuple[str, ...]
    first: str | None


def _moved() -> DeliveryMovedError:
    return DeliveryMovedError("Somebody else wrote to this delivery; read it again.")


def _conflict() -> RegisterConflictError:
    return RegisterConflictError("Another writer was at this register; read its head again.")


def _naming(
    items: type[StateItem], search: LetterSearch, other_agency: UnicodeAttribute
) -> Condition | None:
    if not search.text:
        return None
    text = as_searched(search.text)
    named: Condition = items.search_text.contains(text) | other_agency.contains(text)
    return named


def _visible(items: type[StateItem], search: LetterSearch) -> Condition:
    """Of these classifications, or opened to this officer by name."""
    allowed = one_of_or_none(items.classification, search.visible)
    return or_named(allowed, items.named, search.named_for)


def _timed(key: str) -> DeliveryId:
    return DeliveryId.parse(key.partition("#")[2])


def _attempt(document_id: str, key: str) -> DeliveryId:
    """Raises ValueError."""
    recipient, _, attempt = key.partition("#")
    return DeliveryId(document_id, recipient, int(attempt))


def _outline(raw: Any) -> Outline:
    planned_at, _, _ = raw["planned_key"]["S"].partition("#")
    return Outline(id_of(raw["pk"]["S"]), DeliveryState(raw["state"]["S"]), to_instant(planned_at))


def _key_after(
    search: LetterSearch, agency_key: str, time_key: str
) -> dict[str, dict[str, Any]] | None:
    """The index key after which to go on. The agency comes from the search, never from the
    cursor."""
    if search.cursor is None:
        return None
    key, delivery_id = timed_key_after(search.cursor, search.since, search.until)
    return {
        agency_key: {"S": search.agency_id},
        time_key: {"S": key},
        "pk": {"S": f"DELIVERY#{delivery_id}"},
        "sk": {"S": StateItem.SK},
    }


def _letter_after(document_id: str, cursor: str | None) -> dict[str, dict[str, Any]] | None:
    if cursor is None:
        return None
    key = key_after(cursor)
    try:
        delivery_id = _attempt(document_id, key)
    except ValueError as error:
        raise bad_cursor() from error
    return {
        "document_id": {"S": document_id},
        "attempt_key": {"S": key},
        "pk": {"S": partition(delivery_id)},
        "sk": {"S": StateItem.SK},
    }
