"""The access log: each access in its place, for ever, and what is told of it (C5, P6)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.access import Action, Actor, Resource, Role, Verdict, decide
from chalicelib.domain.access_log import (
    LOGGED,
    AccessLeaf,
    AccessRecord,
    Origin,
    access_id_of,
    is_logged,
    place,
    read_leaf,
    record_access,
    thing_of,
)
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Book
from chalicelib.domain.things import Thing, ThingKind
from chalicelib.domain.tlog import LeafError

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
LOG = "diw/access/2026"
REGISTRAR = Actor(
    agency_id="diw",
    subject="somsri@diw.example",
    roles=frozenset({Role.REGISTRAR}),
    scopes=frozenset({Action.READ_FILE.value}),
    name="นางสมศรี ตัวอย่าง",
    clearance=Classification.SECRET,
    appointment_id="AP1",
)
SECRET = Resource(
    agency_id="dbd",
    delivered_to=frozenset({"diw"}),
    classification=Classification.SECRET,
    thing_id="D1",
)
ORIGIN = Origin(address="203.0.113.7", request_id="R1")
ALLOWED = decide(REGISTRAR, Action.READ_FILE, SECRET)


def _record(access_id: str = "A1", **changes: Any) -> AccessRecord:
    record = record_access(
        salt="00" * 32,
        actor=REGISTRAR,
        action=Action.READ_FILE,
        decision=ALLOWED,
        resource=SECRET,
        origin=ORIGIN,
        at=NOON,
    )
    return replace(record, access_id=access_id, **changes)


def _records(count: int) -> list[AccessRecord]:
    """Two in each second."""
    return [_record(f"A{n}", at=NOON + timedelta(seconds=n // 2)) for n in range(count)]


def _entries(count: int) -> list[bytes]:
    return [leaf.to_bytes() for leaf in place(_records(count), LOG, 0)]


# -- records --------------------------------------------------------------------


def test_a_record_says_who_what_when_from_where_and_why() -> None:
    """C5: and nothing else, so no name and no words of the document; its bytes are one spelling."""
    (leaf,) = place([_record()], LOG, 7)
    assert json.loads(leaf.to_bytes()) == {
        "v": 1,
        "seq": 7,
        "access_id": "A1",
        "salt": "00" * 32,
        "agency_id": "diw",
        "subject": "somsri@diw.example",
        "appointment_id": "AP1",
        "clearance": "secret",
        "action": "files:read",
        "kind": "document",
        "thing_id": "D1",
        "owner": "dbd",
        "classification": "secret",
        "at": "2026-11-22T05:00:00.000000Z",
        "address": "203.0.113.7",
        "request_id": "R1",
        "relation": "recipient_by_delivery",
        "reason": "registrar",
    }
    assert leaf.to_bytes() == canonical_json(json.loads(leaf.to_bytes()))
    assert AccessLeaf.from_bytes(leaf.to_bytes()) == leaf


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("subject", "นางสมศรี ตัวอย่าง"),
        ("subject", ""),
        ("thing_id", "ขอความอนุเคราะห์"),
        ("access_id", "a b"),
        ("request_id", ""),
        ("appointment_id", "คำสั่งที่ ๑"),
        ("agency_id", "DIW"),
        ("owner", "กรมพัฒนาธุรกิจการค้า"),
        ("reason", "Because I may"),
        ("salt", "00"),
        ("address", "somewhere"),
        ("address", "2001:DB8::1"),
        ("address", "fe80::1%somsri"),
        ("classification", Classification.TOP_SECRET),
        ("at", NOON.replace(tzinfo=None)),
        ("at", NOON.replace(year=9999)),
    ],
)
def test_what_does_not_belong_into_a_record(member: str, value: Any) -> None:
    """P6, PDPA: ids, stable words and one spelling of each; what is ลับที่สุด never comes here."""
    with pytest.raises(LeafError, match=member):
        _record(**{member: value})


def test_what_was_refused_is_no_access() -> None:
    """P6: nobody stands in the log for what was not shown; nor for a question about nothing."""
    uncleared = replace(REGISTRAR, clearance=Classification.NORMAL)
    hidden = decide(uncleared, Action.READ_FILE, SECRET)
    assert hidden.verdict is Verdict.HIDE
    for decision in (hidden, decide(REGISTRAR, Action.READ_FILE)):
        with pytest.raises(ValueError, match="allowed"):
            record_access(
                salt="00" * 32,
                actor=uncleared,
                action=Action.READ_FILE,
                decision=decision,
                resource=SECRET,
                origin=ORIGIN,
                at=NOON,
            )


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("classification", [Classification.NORMAL, Classification.CONFIDENTIAL])
@pytest.mark.parametrize("exists", [True, False])
def test_what_is_recorded(action: Action, classification: Classification, exists: bool) -> None:  # noqa: FBT001
    """C5: everything that is done with a classified thing; of normal ones what opens a file, decides,
    appoints, resets, or reads this log. What is only proposed is no thing yet."""
    resource = Resource(agency_id="diw", classification=classification, exists=exists)
    secret = classification is not Classification.NORMAL
    assert is_logged(action, resource) is (exists and (secret or action in LOGGED))


def test_the_actions_recorded_of_normal_things() -> None:
    """C5: a list that nobody shortens by chance."""
    assert {
        Action.READ_FILE,
        Action.REVOKE_DOCUMENT,
        Action.APPROVE_DOCUMENT,
        Action.WITHDRAW_DOCUMENT,
        Action.APPOINT_OFFICER,
        Action.RESET_FACTOR,
        Action.OPEN_SECRET,
        Action.READ_ACCESS_LOG,
        Action.USE_PROXY,
    } == LOGGED


def test_what_an_access_is_about() -> None:
    """C5: the action says it, unless the resource does; a thing without name is a mistake."""
    mine = Resource(agency_id="diw", thing_id="X1")
    assert thing_of(Action.READ_FILE, mine) == Thing(ThingKind.DOCUMENT, "X1", "diw")
    assert thing_of(Action.APPOINT_OFFICER, mine).kind is ThingKind.APPOINTMENT
    client = replace(mine, kind=ThingKind.CLIENT)
    assert thing_of(Action.APPOINT_OFFICER, client) == Thing(ThingKind.CLIENT, "X1", "diw")
    assert thing_of(Action.READ_INBOX, mine).kind is ThingKind.DOCUMENT
    assert thing_of(Action.USE_PROXY, mine).kind is ThingKind.DOCUMENT
    with pytest.raises(ValueError, match="thing_id"):
        thing_of(Action.READ_FILE, Resource(agency_id="diw"))


def test_the_same_request_is_the_same_access() -> None:
    """P8: its id is made of the request, who, what and how, and of nothing else."""
    thing = Thing(ThingKind.DOCUMENT, "D1", "dbd")
    ids = {
        access_id_of(ORIGIN, REGISTRAR.officer, Action.READ_FILE, thing),
        access_id_of(replace(ORIGIN, request_id="R2"), REGISTRAR.officer, Action.READ_FILE, thing),
        access_id_of(ORIGIN, Officer("rd", REGISTRAR.subject), Action.READ_FILE, thing),
        access_id_of(ORIGIN, REGISTRAR.officer, Action.READ_DOCUMENT, thing),
        access_id_of(ORIGIN, REGISTRAR.officer, Action.READ_FILE, replace(thing, thing_id="D2")),
    }
    assert len(ids) == 5
    other_salt = replace(_record(), salt="ff" * 32)
    assert _record().access_id == other_salt.access_id
    moved = replace(ORIGIN, address="::1")
    assert access_id_of(moved, REGISTRAR.officer, Action.READ_FILE, thing) in ids


def test_the_year_is_the_one_in_bangkok() -> None:
    """A18: seven hours before the year ends in Greenwich, the next log begins."""
    new_year = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
    assert _record(at=new_year).log_id == "diw/access/2027"
    assert _record(at=new_year - timedelta(microseconds=1)).log_id == LOG


# -- the log --------------------------------------------------------------------


@settings(max_examples=25)
@given(st.permutations(range(12)), st.integers(0, 3))
def test_places_do_not_depend_on_the_order_records_come_in(order: list[int], start: int) -> None:
    """P8: twice or in another order, the same records get the same places."""
    records = _records(12)
    shuffled = [records[n] for n in (*order, *order[:4])]
    leaves = place(shuffled, LOG, start)
    assert leaves == place(records, LOG, start)
    assert [leaf.seq for leaf in leaves] == list(range(start, start + 12))


def test_a_record_of_another_log_gets_no_place() -> None:
    """P6: an agency's log holds its own officers' accesses."""
    with pytest.raises(ValueError, match="another log"):
        place([_record(), _record("A2", agency_id="rd")], LOG, 0)


def test_a_leaf_is_read_in_its_place() -> None:
    """C5: one of another log, of another place, changed in its spelling, or none, is not taken."""
    entries = _entries(3)
    for index, entry in enumerate(entries):
        assert read_leaf(entry, index, LOG).record == _records(3)[index]
    strange = json.loads(entries[1])
    for wrong in (
        entries[0],
        entries[1] + b" ",
        b"{}",
        b"",
        canonical_json({**strange, "agency_id": "rd"}),
        canonical_json({**strange, "v": 2}),
        canonical_json({**strange, "name": "x"}),
    ):
        with pytest.raises(LeafError):
            read_leaf(wrong, 1, LOG)


@settings(max_examples=60)
@given(
    st.sampled_from(["subject", "at", "seq", "classification", "address", "appointment_id", "v"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.lists(st.integers(), max_size=2)
    | st.just("9999-12-31T23:59:59.999999Z"),
)
def test_whatever_stands_in_a_log_is_a_leaf_or_none(member: str, value: object) -> None:
    """P8: no entry breaks who reads it."""
    entry = _entries(2)[1]
    strange = canonical_json({**json.loads(entry), member: value})
    try:
        leaf = read_leaf(strange, 1, LOG)
    except LeafError:
        assert strange != entry
    else:
        assert leaf.to_bytes() == strange


def test_no_register_is_called_like_an_access_log() -> None:
    """P1, C5: no number can ever be given in its name, whoever named the book."""
    with pytest.raises(ValueError, match="access log"):
        Book("diw", "access")
