"""Contract of AccessStore: the fake and DynamoDB alike (C5, P6)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb import access_log, searching
from chalicelib.adapters.dynamodb.access_log import DynamoAccessStore, RecordItem
from chalicelib.adapters.dynamodb.searching import key_after
from chalicelib.adapters.memory_access import MemoryAccessStore
from chalicelib.domain.access_log import MOST_PLACED, AccessLeaf, AccessRecord, place
from chalicelib.domain.errors import InvalidRequestError, RegisterConflictError
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Register
from chalicelib.domain.things import Thing, ThingKind
from chalicelib.ports import AccessPage, AccessSearch, AccessStore
from tests.support.accesses import LOG, NOON, access
from tests.support.tables import create_table

DOCUMENT = Thing(ThingKind.DOCUMENT, "D1", "dbd")
SOMSRI = Officer("diw", "somsri@diw.example")


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def store(request: pytest.FixtureRequest) -> Iterator[AccessStore]:
    if request.param == "memory":
        yield MemoryAccessStore()
        return
    request.getfixturevalue("aws")
    name = f"access-{uuid4().hex[:8]}"
    yield DynamoAccessStore(create_table(boto3.client("dynamodb"), "AccessTable", name))


def _later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _several(count: int) -> list[AccessRecord]:
    return [access(f"A{n:03d}", at=_later(n)) for n in range(count)]


def _place_all(store: AccessStore, log_id: str = LOG) -> tuple[AccessLeaf, ...]:
    waiting = [one for one in store.waiting(100) if one.log_id == log_id]
    leaves = place(waiting, log_id, store.length(log_id))
    store.place(leaves)
    return leaves


def _ids(page: AccessPage) -> list[str]:
    return [one.access_id for one in page.accesses]


def test_a_record_is_kept_as_it_is(store: AccessStore) -> None:
    """C5: who, what, when, from where and why, down to the microsecond."""
    record = access(at=_later(0.000001), appointment_id=None)
    store.add(record)
    assert store.waiting(10) == (record,)
    (kept,) = store.all_kept(LOG)
    assert (kept.access_id, kept.body, kept.seq, kept.waits) == (
        "A1",
        record.to_bytes(),
        None,
        True,
    )
    assert store.kept(LOG, ["A1", "A2", "A1"]) == {"A1": kept}


def test_the_same_request_again_is_the_same_access(store: AccessStore) -> None:
    """P8: as first kept, while it waits and after it has its place, by itself or with others."""
    store.add(access())
    store.add(access(salt="ff" * 32, at=_later(3)))
    store.add(access(salt="ff" * 32), access("A2", at=_later(1)))
    assert store.waiting(10) == (access(), access("A2", at=_later(1)))
    _place_all(store)
    store.add(access(salt="ff" * 32))
    assert store.waiting(10) == ()
    assert len(list(store.all_kept(LOG))) == 2


def test_many_records_at_once(store: AccessStore) -> None:
    """C5: each line of a long list that was shown is an access of its own."""
    store.add(*_several(120))
    assert store.waiting(200) == tuple(_several(120))
    assert store.waiting(8) != ()
    store.add()
    assert len(list(store.all_kept(LOG))) == 120


def test_places_are_given_once_and_stay(store: AccessStore) -> None:
    """C5, P8: what has its place keeps it; leaves are read back in order, from anywhere."""
    assert store.length(LOG) == 0
    assert store.logs() == ()
    store.add(*_several(3))
    first = _place_all(store)
    store.add(access("B1", at=_later(-60)))
    second = _place_all(store)
    assert [leaf.access_id for leaf in (*first, *second)] == ["A000", "A001", "A002", "B1"]
    assert store.length(LOG) == 4
    assert store.waiting(10) == ()
    bodies = tuple(leaf.to_bytes() for leaf in (*first, *second))
    assert store.leaves(LOG, start=0, limit=10) == bodies
    assert store.leaves(LOG, start=1, limit=2) == bodies[1:3]
    assert store.leaves(LOG, start=4, limit=2) == ()
    assert {kept.access_id: (kept.seq, kept.waits) for kept in store.all_kept(LOG)} == {
        "A000": (0, False),
        "A001": (1, False),
        "A002": (2, False),
        "B1": (3, False),
    }
    assert store.logs() == (Register("diw", "access", 2026),)


def test_as_many_as_are_placed_at_once(store: AccessStore) -> None:
    """C5: the first transaction of a log holds one more item than the others."""
    store.add(*_several(MOST_PLACED))
    store.place(place(store.waiting(100), LOG, 0))
    assert store.length(LOG) == MOST_PLACED


def test_nobody_gives_a_place_twice(store: AccessStore) -> None:
    """P8: neither one place to two records nor one record two places, and all or nothing."""
    store.add(*_several(3))
    records = store.waiting(10)
    store.place(place(records[:1], LOG, 0))
    for wrong in (
        place(records[1:], LOG, 0),
        place(records, LOG, 1),
        place(records[1:], LOG, 2),
        place([access("never-kept")], LOG, 1),
    ):
        with pytest.raises(RegisterConflictError):
            store.place(wrong)
    assert store.length(LOG) == 1
    assert store.waiting(10) == records[1:]
    store.place(place(records[1:], LOG, 1))
    assert store.length(LOG) == 3
    store.place(())


def test_of_those_who_place_at_the_same_moment_one_does(store: AccessStore) -> None:
    """P8: the others learn that they were too late, and no place is given twice."""
    store.add(*_several(4))
    leaves = place(store.waiting(10), LOG, 0)

    def attempt(_: int) -> bool:
        try:
            store.place(leaves)
        except RegisterConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1
    assert store.length(LOG) == 4


def test_logs_do_not_mix(store: AccessStore) -> None:
    """P6: each agency and year has its own; what waits is found in all of them."""
    store.add(access(), access("B1", agency_id="rd"), access("C1", at=_later(86400 * 60)))
    assert [one.log_id for one in store.waiting(10)] == [LOG, "rd/access/2026", "diw/access/2027"]
    assert [one.register_id for one in store.waiting_logs()] == [
        LOG,
        "diw/access/2027",
        "rd/access/2026",
    ]
    _place_all(store)
    assert [one.register_id for one in store.logs()] == [LOG]
    assert [one.access_id for one in store.all_kept("rd/access/2026")] == ["B1"]
    assert store.kept("rd/access/2026", ["A1"]) == {}
    assert len(store.waiting_logs()) == 2


def test_who_had_to_do_with_a_thing(store: AccessStore) -> None:
    """C5: in order of time, in all logs, with place and without; nothing of other things."""
    store.add(access("A2", at=_later(7200)), access("A1"))
    _place_all(store)
    store.add(
        access("B1", agency_id="rd", subject="somchai", owner="rd", at=_later(3600)),
        access("X1", thing_id="D2"),
        access("X2", kind=ThingKind.APPOINTMENT),
    )
    assert _ids(store.of_thing(DOCUMENT, AccessSearch())) == ["A1", "B1", "A2"]
    assert _ids(store.of_thing(DOCUMENT, AccessSearch(agency_id="rd"))) == ["B1"]
    assert _ids(store.of_thing(DOCUMENT, AccessSearch(agency_id="dms"))) == []
    within = AccessSearch(since=NOON, until=_later(3600))
    assert _ids(store.of_thing(DOCUMENT, within)) == ["A1", "B1"]


def test_two_agencies_may_name_two_things_the_same(store: AccessStore) -> None:
    """P6: the factors of somebody called somchai here are not those of somchai there."""
    store.add(
        access("A1", kind=ThingKind.FACTOR, thing_id="somchai", owner="diw"),
        access("B1", kind=ThingKind.FACTOR, thing_id="somchai", owner="rd"),
    )
    of_rd = store.of_thing(Thing(ThingKind.FACTOR, "somchai", "rd"), AccessSearch())
    assert _ids(of_rd) == ["B1"]


def test_what_an_officer_had_to_do_with(store: AccessStore) -> None:
    """C5, P6: in one agency; who is called the same elsewhere is somebody else."""
    store.add(
        access("A1"),
        access("A2", thing_id="D2", at=_later(1)),
        access("B1", agency_id="rd"),
        access("C1", subject="somchai"),
    )
    assert _ids(store.of_officer(SOMSRI, AccessSearch())) == ["A1", "A2"]
    assert _ids(store.of_officer(Officer("rd", "somchai"), AccessSearch())) == []


def test_a_report_comes_in_pages(store: AccessStore) -> None:
    """C5: none is left out and none told twice, also of those at the same moment."""
    store.add(*(access(f"A{n:03d}", at=_later(n // 4)) for n in range(11)))
    search, told = AccessSearch(limit=3, until=_later(2)), []
    while True:
        page = store.of_officer(SOMSRI, search)
        told += _ids(page)
        if page.cursor is None:
            break
        search = replace(search, cursor=page.cursor)
    assert told == [f"A{n:03d}" for n in range(11)]


@pytest.mark.parametrize("since", [None, 1])
@pytest.mark.parametrize("own", [frozenset[int](), frozenset({0, 4, 5})])
def test_no_cursor_tells_of_other_agencies_accesses(
    store: AccessStore,
    own: frozenset[int],
    since: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P6: who asks for the own agency's accesses to another's document, which many others read,
    learns by no cursor that there is such a document, nor when others read it."""
    monkeypatch.setattr(searching, "SEARCH_PAGES", 1)
    monkeypatch.setattr(access_log, "SEARCH_PAGE_SIZE", 2)
    every = [access(f"A{n}", at=_later(n), agency_id="diw" if n in own else "rd") for n in range(9)]
    store.add(*every)
    begin = None if since is None else _later(since)
    search, found = AccessSearch(agency_id="diw", since=begin), list[str]()
    for _ in every:
        page = store.of_thing(DOCUMENT, search)
        found += _ids(page)
        if page.cursor is None:
            break
        named = key_after(page.cursor) if isinstance(store, DynamoAccessStore) else page.cursor
        assert named.rpartition("#")[2] in found
        search = replace(search, cursor=page.cursor)
    assert page.cursor is None
    assert found == [f"A{n}" for n in sorted(own) if n >= (since or 0)]


def test_a_cursor_widens_nothing(store: AccessStore) -> None:
    """P6: it says where to go on in what one asked for, whoever's it was; nonsense is refused."""
    store.add(access("A1"), access("A2", at=_later(1)))
    store.add(access("B1", agency_id="rd", at=_later(2)), access("B2", agency_id="rd"))
    cursor = store.of_officer(SOMSRI, AccessSearch(limit=1)).cursor
    assert cursor is not None
    theirs = store.of_officer(
        Officer("rd", "somsri@diw.example"), AccessSearch(limit=9, cursor=cursor)
    )
    assert _ids(theirs) == ["B2", "B1"]
    with pytest.raises(InvalidRequestError):
        store.of_officer(SOMSRI, AccessSearch(cursor="bm9uc2Vuc2U"))


@pytest.mark.aws
def test_a_damaged_record_holds_up_nobody(aws: object) -> None:
    """C5, P8: what an operator broke in the table is skipped by who places and who reports, and is
    told to the audit; so is one that reports would not find."""
    assert aws
    name, dynamodb = f"access-{uuid4().hex[:8]}", boto3.client("dynamodb")
    store = DynamoAccessStore(create_table(dynamodb, "AccessTable", name))
    store.add(*_several(3))
    for n, change in enumerate(({"body": "{}"}, {"thing": "document#D2"})):
        (pk, sk), (attribute, value) = RecordItem.key(LOG, f"A{n:03d}"), next(iter(change.items()))
        dynamodb.update_item(
            TableName=name,
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            UpdateExpression="SET #a = :v",
            ExpressionAttributeNames={"#a": attribute},
            ExpressionAttributeValues={":v": {"S": value}},
        )
    assert [one.access_id for one in store.waiting(10)] == ["A001", "A002"]
    assert _ids(store.of_officer(SOMSRI, AccessSearch())) == ["A001", "A002"]
    listed = {kept.access_id: kept.listed for kept in store.all_kept(LOG)}
    assert listed == {"A000": False, "A001": False, "A002": True}
