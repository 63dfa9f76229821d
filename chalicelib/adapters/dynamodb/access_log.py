"""The access log in DynamoDB (port: AccessStore).

A record is one item for ever: first with `waiting`, later with its place instead. Records of a log
lie in several partitions, and nothing is counted when one comes, so that an agency's 10,000
officers do not queue up behind each other. Indexes hold keys only; what they lead to is read as it
is, with strong consistency.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, islice
from typing import Any, TypeVar

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import cancellations, is_condition_failure, translated
from chalicelib.adapters.dynamodb.items import bind, to_text
from chalicelib.adapters.dynamodb.searching import (
    SEARCH_PAGE_SIZE,
    items_among_hidden,
    nearest_shown,
    timed_between,
    timed_key_after,
)
from chalicelib.domain.access_log import AccessLeaf, AccessRecord
from chalicelib.domain.errors import RegisterConflictError
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Register
from chalicelib.domain.things import Thing
from chalicelib.domain.tlog import LeafError
from chalicelib.ports import AccessPage, AccessSearch, KeptAccess

_SHARDS = 8
# DynamoDB takes 100 puts in a transaction.
_MOST_ADDED = 100
_READ_AT_ONCE = 100
_UNBOUND = "unbound"

_T = TypeVar("_T")


class _ByThing(GlobalSecondaryIndex["RecordItem"]):
    class Meta:
        index_name = "thing"
        projection = IncludeProjection(["agency_id"])

    thing = UnicodeAttribute(hash_key=True)
    moment = UnicodeAttribute(range_key=True)


class _ByOfficer(GlobalSecondaryIndex["RecordItem"]):
    class Meta:
        index_name = "officer"
        projection = IncludeProjection(["agency_id"])

    officer = UnicodeAttribute(hash_key=True)
    moment = UnicodeAttribute(range_key=True)


class _Waiting(GlobalSecondaryIndex["RecordItem"]):
    class Meta:
        index_name = "waiting"
        projection = KeysOnlyProjection()

    waiting = UnicodeAttribute(hash_key=True)
    moment = UnicodeAttribute(range_key=True)


class RecordItem(Model):
    """A record: `pk` = `<log>#<shard>`, `sk` = its id. `body` is what it says; `seq` its place."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    thing = UnicodeAttribute()
    officer = UnicodeAttribute()
    agency_id = UnicodeAttribute()
    moment = UnicodeAttribute()
    waiting = UnicodeAttribute(null=True)
    seq = NumberAttribute(null=True)

    by_thing = _ByThing()
    by_officer = _ByOfficer()
    by_waiting = _Waiting()

    @classmethod
    def of(cls, record: AccessRecord) -> RecordItem:
        return cls(
            *cls.key(record.log_id, record.access_id),
            body=record.to_bytes().decode(),
            thing=record.thing.key,
            officer=_officer_key(record.officer),
            agency_id=record.agency_id,
            moment=record.moment,
            waiting=f"waiting-{_shard_of(record.access_id)}",
        )

    @staticmethod
    def key(log_id: str, access_id: str) -> tuple[str, str]:
        return f"{log_id}#{_shard_of(access_id)}", access_id

    @property
    def log_id(self) -> str:
        return str(self.pk).partition("#")[0]

    def record(self) -> AccessRecord | None:
        """None if it was damaged: the audit says so, and nobody else stumbles over it."""
        try:
            record = AccessRecord.from_bytes(self.body.encode())
        except LeafError:
            return None
        return record if RecordItem.key(record.log_id, record.access_id) == self.place else None

    @property
    def place(self) -> tuple[str, str]:
        return self.pk, self.sk

    def kept(self) -> KeptAccess:
        return KeptAccess(
            access_id=self.sk,
            body=self.body.encode(),
            seq=None if self.seq is None else int(self.seq),
            waits=self.waiting is not None,
            listed=self._is_listed(),
        )

    def _is_listed(self) -> bool:
        """Whether the indexes lead to it by what it says."""
        record = self.record()
        if record is None:
            return False
        meant = RecordItem.of(record)
        names = ("thing", "officer", "agency_id", "moment")
        return all(getattr(self, name) == getattr(meant, name) for name in names)


class LeafItem(Model):
    """A leaf in its place: `pk` = `<log>!leaves`, `sk` = its index in ten digits."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()

    @staticmethod
    def partition(log_id: str) -> str:
        return f"{log_id}!leaves"

    @staticmethod
    def line_of(index: int) -> str:
        return f"{index:010d}"


class LengthItem(Model):
    """How many places of a log are given: `pk` = the log, `sk` = `#LENGTH`."""

    class Meta:
        table_name = _UNBOUND

    LINE = "#LENGTH"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    length = NumberAttribute()


class BegunLogItem(Model):
    """A log that was begun: `pk` = `#LOGS`, `sk` = its id."""

    class Meta:
        table_name = _UNBOUND

    PARTITION = "#LOGS"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class DynamoAccessStore:
    """In a table of its own."""

    def __init__(self, table: str) -> None:
        self.items = bind(RecordItem, table)
        self._leaves = bind(LeafItem, table)
        self._lengths = bind(LengthItem, table)
        self._begun = bind(BegunLogItem, table)
        self.connection = QuickConnection()

    def add(self, *records: AccessRecord) -> None:
        """Idempotency key of each write: the access id."""
        if len(records) == 1:
            self._add(records[0])
            return
        for some in _chunks(records, _MOST_ADDED):
            try:
                with TransactWrite(connection=self.connection) as transaction:
                    for record in some:
                        transaction.save(
                            self.items.of(record), condition=self.items.pk.does_not_exist()
                        )
            except TransactWriteError as error:
                cancellations(error)
                # One of them is there, or somebody is writing it: each by itself finds out.
                for record in some:
                    self._add(record)

    def waiting(self, limit: int) -> tuple[AccessRecord, ...]:
        with translated():
            found = chain.from_iterable(
                islice(self._waiting_in(shard), -(-limit // _SHARDS)) for shard in range(_SHARDS)
            )
            ordered = sorted(found, key=lambda record: record.moment)
        return tuple(ordered[:limit])

    def length(self, log_id: str) -> int:
        with translated():
            try:
                found = self._lengths.get(log_id, LengthItem.LINE, consistent_read=True)
            except DoesNotExist:
                return 0
            return int(found.length)

    def place(self, leaves: Sequence[AccessLeaf]) -> None:
        """Idempotency key of this write: the length the log had before."""
        if not leaves:
            return
        log_id, start = leaves[0].log_id, leaves[0].seq
        try:
            with TransactWrite(connection=self.connection) as transaction:
                for leaf in leaves:
                    self._place(transaction, leaf)
                if start == 0:
                    transaction.save(self._begun(BegunLogItem.PARTITION, log_id))
                transaction.update(
                    self._lengths(log_id, LengthItem.LINE),
                    actions=[self._lengths.length.set(start + len(leaves))],
                    condition=self._lengths.length == start
                    if start
                    else self._lengths.length.does_not_exist(),
                )
        except TransactWriteError as error:
            cancellations(error)
            message = "Somebody else gives places in this log; read its length again."
            raise RegisterConflictError(message) from error

    def leaves(self, log_id: str, *, start: int, limit: int) -> tuple[bytes, ...]:
        with translated():
            found = self._leaves.query(
                LeafItem.partition(log_id),
                self._leaves.sk.between(
                    LeafItem.line_of(start), LeafItem.line_of(start + limit - 1)
                ),
                consistent_read=True,
            )
            return tuple(leaf.body.encode() for leaf in found)

    def logs(self) -> tuple[Register, ...]:
        with translated():
            found = self._begun.query(BegunLogItem.PARTITION, consistent_read=True)
            return tuple(Register.parse(item.sk) for item in found)

    def of_thing(self, thing: Thing, search: AccessSearch) -> AccessPage:
        return self._search(self.items.by_thing, thing.key, search)

    def of_officer(self, officer: Officer, search: AccessSearch) -> AccessPage:
        return self._search(self.items.by_officer, _officer_key(officer), search)

    def kept(self, log_id: str, access_ids: Sequence[str]) -> dict[str, KeptAccess]:
        keys = [RecordItem.key(log_id, access_id) for access_id in dict.fromkeys(access_ids)]
        with translated():
            return {item.sk: item.kept() for item in self._read(keys)}

    def all_kept(self, log_id: str) -> Iterator[KeptAccess]:
        with translated():
            for shard in range(_SHARDS):
                for item in self.items.query(f"{log_id}#{shard}", consistent_read=True):
                    yield item.kept()

    def waiting_logs(self) -> tuple[Register, ...]:
        with translated():
            ids = {
                item.log_id
                for shard in range(_SHARDS)
                for item in self.items.by_waiting.query(f"waiting-{shard}")
            }
        return tuple(Register.parse(log_id) for log_id in sorted(ids))

    def _add(self, record: AccessRecord) -> None:
        with translated():
            try:
                self.items.of(record).save(condition=self.items.pk.does_not_exist())
            except PutError as error:
                if not is_condition_failure(error):
                    raise

    def _place(self, transaction: TransactWrite, leaf: AccessLeaf) -> None:
        items = self.items
        transaction.update(
            items(*RecordItem.key(leaf.log_id, leaf.access_id)),
            actions=[items.seq.set(leaf.seq), items.waiting.remove()],
            # Nothing is said of the body: who gives places may not even name it (policy), and one
            # that was changed since it was read differs from its leaf for ever.
            condition=items.waiting.exists() & items.seq.does_not_exist(),
        )
        transaction.save(
            self._leaves(
                LeafItem.partition(leaf.log_id),
                LeafItem.line_of(leaf.seq),
                body=leaf.to_bytes().decode(),
            ),
            condition=self._leaves.pk.does_not_exist(),
        )

    def _waiting_in(self, shard: int) -> Iterator[AccessRecord]:
        """Those of the index that have no place yet, as they are; a page at a time."""
        found = self.items.by_waiting.query(f"waiting-{shard}", page_size=_READ_AT_ONCE)
        for some in _chunks(found, _READ_AT_ONCE):
            known = {item.place: item for item in self._read([item.place for item in some])}
            for item in some:
                there = known.get(item.place)
                record = there.record() if there and there.waiting else None
                if record is not None:
                    yield record

    def _search(self, index: Any, key: str, search: AccessSearch) -> AccessPage:
        """The partition comes from who asks, and no filter and no cursor leads out of it (P6)."""
        moment = self.items.moment
        first = None if search.cursor is None else _moment_of(search)
        own = self.items.agency_id == search.agency_id if search.agency_id else None

        def read(after: Any) -> Any:
            return index.query(
                key,
                range_key_condition=_moments(moment, search, first),
                filter_condition=own,
                page_size=SEARCH_PAGE_SIZE,
                last_evaluated_key=after,
            ).page_iter

        def shown(there: str) -> str | None:
            """The nearest moment before it that may be told."""
            earlier = index.query(
                key,
                range_key_condition=moment.between(to_text(search.since), there)
                if search.since
                else moment <= there,
                filter_condition=own,
                scan_index_forward=False,
                page_size=SEARCH_PAGE_SIZE,
            ).page_iter
            return nearest_shown(earlier, "moment", first and {"moment": {"S": first}})

        with translated():
            found, cursor = items_among_hidden(read, None, "moment", search.limit, shown)
            places = [(raw["pk"]["S"], raw["sk"]["S"]) for raw in found]
            known = {item.place: item.record() for item in self._read(places)}
        records = (known.get(place) for place in places)
        return AccessPage(tuple(one for one in records if one is not None), cursor)

    def _read(self, keys: Sequence[tuple[str, str]]) -> Iterator[RecordItem]:
        return self.items.batch_get(keys, consistent_read=True) if keys else iter(())


def _moment_of(search: AccessSearch) -> str:
    """After which moment to go on. Raises InvalidRequestError."""
    return timed_key_after(search.cursor or "", search.since, search.until)[0]


def _moments(moment: UnicodeAttribute, search: AccessSearch, after: str | None) -> Condition | None:
    """Within the search's times, and after where it goes on."""
    if after is None:
        return timed_between(moment, search.since, search.until)
    # '!' is the first sign there is: it stands behind this one and before all that follow.
    return moment.between(f"{after}!", f"{to_text(search.until)}#~" if search.until else "~")


def _shard_of(access_id: str) -> int:
    return sha256(access_id.encode()).digest()[0] % _SHARDS


def _officer_key(officer: Officer) -> str:
    return f"{officer.agency_id}#{officer.subject}"


def _chunks(found: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(found)
    while some := list(islice(rest, size)):
        yield some
