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
    AccessLeaf,
    AccessLogFault,
    AccessLogFinding,
    AccessRecord,
    Origin,
    accesses_by,
    accesses_to,
    check_access_log,
    place,
    record_access,
    verify_access,
)
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import Classification
from chalicelib.domain.merkle import (
    Frontier,
    ProofError,
    TiledTree,
    TreeHead,
    layers_over,
    leaf_hash,
)
from chalicelib.domain.officers import Period
from chalicelib.domain.persons import Officer
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
)
SECRET = Resource(
    agency_id="dbd", delivered_to=frozenset({"diw"}), classification=Classification.SECRET
)
ALLOWED = decide(REGISTRAR, Action.READ_FILE, SECRET)


def _record(access_id: str = "A1", **changes: Any) -> AccessRecord:
    record = record_access(
        access_id=access_id,
        salt=bytes(32),
        actor=REGISTRAR,
        action=Action.READ_FILE,
        decision=ALLOWED,
        document_id="D1",
        owner="dbd",
        classification=Classification.SECRET,
        origin=Origin(address="203.0.113.7", request_id="R1"),
        at=NOON,
        appointment_id="AP1",
    )
    return replace(record, **changes)


def _records(count: int) -> list[AccessRecord]:
    """Two in each second."""
    return [_record(f"A{n}", at=NOON + timedelta(seconds=n // 2)) for n in range(count)]


def _entries(count: int) -> list[bytes]:
    return [leaf.to_bytes() for leaf in place(_records(count), LOG, 0)]


def _head(entries: list[bytes]) -> TreeHead:
    return Frontier().extended(map(leaf_hash, entries)).head


def _tree(entries: list[bytes]) -> TiledTree:
    """A tree so small that each level lies in one tile."""
    layers = layers_over([leaf_hash(entry) for entry in entries])
    return TiledTree(len(entries), lambda level, _i, width: b"".join(layers[8 * level][:width]))


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
        "document_id": "D1",
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
        ("document_id", "ขอความอนุเคราะห์"),
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
        ("classification", Classification.NORMAL),
        ("classification", Classification.TOP_SECRET),
        ("at", NOON.replace(tzinfo=None)),
        ("at", NOON.replace(year=9999)),
    ],
)
def test_what_does_not_belong_into_a_record(member: str, value: Any) -> None:
    """P6, PDPA: ids, stable words and one spelling of each; only classified documents."""
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
                access_id="A1",
                salt=bytes(32),
                actor=uncleared,
                action=Action.READ_FILE,
                decision=decision,
                document_id="D1",
                owner="dbd",
                classification=Classification.SECRET,
                origin=Origin(address="::1", request_id="R1"),
                at=NOON,
            )


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


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_one_access_is_shown_without_the_others(count: int) -> None:
    """C5: an entry, a proof and a signed head are enough; a changed entry is not there."""
    entries = _entries(count)
    tree, head = _tree(entries), _head(entries)
    for index, entry in enumerate(entries):
        leaf = verify_access(entry, tree.inclusion_proof(index), head, log_id=LOG)
        assert leaf.access_id == f"A{index}"
        forged = replace(leaf, subject="somchai").to_bytes()
        with pytest.raises(ProofError):
            verify_access(forged, tree.inclusion_proof(index), head, log_id=LOG)
    with pytest.raises(LeafError):
        verify_access(entries[0], tree.inclusion_proof(0), head, log_id="diw/access/2027")


def test_a_whole_log_is_derived_anew() -> None:
    """C5: what is in order has no finding, the empty log too, and entries after the head."""
    entries = _entries(9)
    assert list(check_access_log(entries, _head(entries), log_id=LOG)) == []
    assert list(check_access_log([], _head([]), log_id=LOG)) == []
    assert list(check_access_log(entries, _head(entries[:4]), log_id=LOG)) == []


def _leaf(index: int, **changes: Any) -> bytes:
    return replace(place(_records(5), LOG, 0)[index], **changes).to_bytes()


HISTORY = AccessLogFinding(AccessLogFault.OTHER_HISTORY)


@pytest.mark.parametrize(
    ("tampered", "findings"),
    [
        (lambda e: e[:4], [AccessLogFinding(AccessLogFault.MISSING, 4)]),
        (
            lambda e: [*e[:3], e[4]],
            [
                AccessLogFinding(AccessLogFault.OUT_OF_PLACE, 3),
                AccessLogFinding(AccessLogFault.MISSING, 4),
            ],
        ),
        (lambda e: [*e[:2], _leaf(2, subject="somchai"), *e[3:]], [HISTORY]),
        (
            lambda e: [*e[:2], b"{}", *e[3:]],
            [AccessLogFinding(AccessLogFault.MALFORMED, 2), HISTORY],
        ),
        (
            lambda e: [*e[:2], e[2] + b" ", *e[3:]],
            [AccessLogFinding(AccessLogFault.MALFORMED, 2), HISTORY],
        ),
        (
            lambda e: [*e[:4], _leaf(4, access_id="A0")],
            [AccessLogFinding(AccessLogFault.DOUBLED, 4), HISTORY],
        ),
        (
            lambda e: [*e[:4], _leaf(4, agency_id="rd")],
            [AccessLogFinding(AccessLogFault.OTHER_LOG, 4), HISTORY],
        ),
        (
            lambda e: [e[1], e[0], *e[2:]],
            [
                AccessLogFinding(AccessLogFault.OUT_OF_PLACE, 0),
                AccessLogFinding(AccessLogFault.OUT_OF_PLACE, 1),
                HISTORY,
            ],
        ),
    ],
    ids=["cut", "left-out", "changed", "no-leaf", "spelled", "doubled", "foreign", "swapped"],
)
def test_whatever_is_done_to_a_log_is_found(tampered: Any, findings: list[Any]) -> None:
    """C5: nobody takes an access out, or changes, doubles, moves or slips in another one."""
    entries = _entries(5)
    assert list(check_access_log(tampered(entries), _head(entries), log_id=LOG)) == findings


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
def test_no_entry_breaks_the_check(member: str, value: object) -> None:
    """P8: whatever stands in a log, the check names it and goes on."""
    entries = _entries(3)
    strange = canonical_json({**json.loads(entries[1]), member: value})
    found = list(check_access_log([entries[0], strange, entries[2]], _head(entries), log_id=LOG))
    assert (found == []) is (strange == entries[1])


# -- reports --------------------------------------------------------------------


def test_who_had_to_do_with_a_document() -> None:
    """C5: of all agencies, in order of time, each access once though it is read twice, with place
    and without."""
    mine = [_record("A2", at=NOON + timedelta(hours=2)), _record("A1")]
    theirs = _record("B1", agency_id="rd", subject="somchai", at=NOON + timedelta(hours=1))
    other = _record("A3", document_id="D2")
    placed = place([mine[1]], LOG, 0)
    report = accesses_to([*mine, theirs, other, *placed], "D1")
    assert [one.access_id for one in report.accesses] == ["A1", "B1", "A2"]
    assert list(report.times_by_officer.items()) == [
        (Officer("diw", "somsri@diw.example"), 2),
        (Officer("rd", "somchai"), 1),
    ]


def test_what_one_officer_had_to_do_with() -> None:
    """C5, P6: in one agency and one time; who is called the same elsewhere is somebody else."""
    records = [
        _record("A1", document_id="D2"),
        _record("A2", at=NOON + timedelta(hours=1)),
        _record("A3", at=NOON + timedelta(days=1)),
        _record("B1", agency_id="rd"),
    ]
    within = Period(NOON, NOON + timedelta(days=1))
    officer = Officer("diw", "somsri@diw.example")
    report = accesses_by(records, officer, within)
    assert dict(report.times_by_document) == {"D2": 1, "D1": 1}
    assert len(accesses_by(records, officer).accesses) == 3
