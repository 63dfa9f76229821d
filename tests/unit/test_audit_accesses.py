"""The audit of an access log: silent where nothing is wrong, right about every planted fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import House
from chalicelib.domain.access_log import AccessLeaf, archive_prefix
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.findings import Fault, Report
from chalicelib.domain.merkle import TreeHead, root_of
from chalicelib.domain.notes import Checkpoint, sign_checkpoint
from chalicelib.domain.registers import (
    Head,
    LogName,
    Register,
    lay_out_block,
    numbering_of,
)
from chalicelib.domain.retention import LockMode
from chalicelib.ports import LogState
from chalicelib.services.audit import Unaudited, audit, audit_all
from chalicelib.services.checkpoint import log_key
from chalicelib.services.checkpoint_accesses import checkpoint_accesses, place_waiting
from tests.support.accesses import LOG, NOON, access, accesses
from tests.support.rooms import Fakes
from tests.support.samples import claim_of, document

DIW = Register("diw", "access", 2026)
ACCESSES = LogName.ACCESSES


class Site:
    """An access log of 301 leaves, signed for at three sizes, and two records that wait."""

    def __init__(self) -> None:
        self.fakes = Fakes()
        self.fakes.clock.now = NOON + timedelta(hours=1)
        self.house: House = self.fakes.house()
        self.records = accesses(301)
        for some in (self.records[:5], self.records[5:270], self.records[270:]):
            self.store.add(*some)
            self.checkpoint()
        self.store.add(access("W1"), access("W2"))

    @property
    def store(self) -> Any:
        return self.fakes.access_log

    @property
    def leaves(self) -> list[bytes]:
        found: list[bytes] = self.store.leaves_of[LOG]
        return found

    def checkpoint(self) -> None:
        assert checkpoint_accesses(room=self.house.access_checkpoint_room).failed == ()

    def kept(self, access_id: str) -> Any:
        return self.store.records[LOG, access_id]

    def audit(self) -> Report:
        return audit(DIW, room=self.house.audit_room)

    def found(self) -> dict[Fault, int]:
        return self.audit().found

    def archived(self, place: int) -> str:
        keys = sorted(key for key in self.fakes.archive.files if key.startswith("access/"))
        return keys[place]


@pytest.fixture
def site() -> Site:
    return Site()


def _changed(entry: bytes, **members: Any) -> bytes:
    return canonical_json({**json.loads(entry), **members})


def test_a_log_that_is_whole_has_no_finding(site: Site) -> None:
    """C5: and the report says how much was looked at."""
    report = site.audit()
    assert (report.clean, report.found) == (True, {})
    assert report.counts == {
        "accesses": 301,
        "checkpoints": 3,
        "records": 303,
        "waiting": 2,
        "slices": 3,
    }


def test_an_empty_log_and_one_that_only_waits_are_whole() -> None:
    """C5: the first record of a log counts before there is a checkpoint."""
    fakes = Fakes()
    fakes.clock.now = NOON
    fakes.access_log.add(access())
    reports = list(audit_all(room=fakes.house().audit_room))
    (report,) = reports
    assert isinstance(report, Report)
    assert (report.register, report.clean, report.counts["waiting"]) == (DIW, True, 1)


def test_access_logs_are_audited_with_the_registers(site: Site) -> None:
    """C5: `tra audit --all` and the nightly function leave none out."""
    reports = list(audit_all(room=site.house.audit_room))
    assert [one.register for one in reports if not isinstance(one, Unaudited)] == [DIW]


def test_a_log_whose_table_was_emptied_is_audited_all_the_same(site: Site) -> None:
    """C5: the table says of no log any more; what was signed for still does, and all is missed."""
    accepted = document("D1")
    site.fakes.ledger.add(accepted, None)
    register = accepted.book.in_year(2026)
    block = lay_out_block(register, Head(), [claim_of(accepted)], NOON)
    numbered = accepted.numbered(numbering_of(block.entries[0], "อก ๐๓๐๑"))
    site.fakes.ledger.assign(block, {"D1": numbered})
    site.store.leaves_of.clear()
    site.store.records.clear()
    reports = [one for one in audit_all(room=site.house.audit_room) if isinstance(one, Report)]
    assert {one.register for one in reports} == {DIW, register}
    (emptied,) = [one for one in reports if one.register == DIW]
    assert not emptied.clean


def _plant_leaf(site: Site, place: int, leaf: bytes) -> None:
    site.leaves[place] = leaf


def _change_leaf_and_record(site: Site) -> None:
    _plant_leaf(site, 7, _changed(site.leaves[7], subject="somchai"))
    site.kept("A00007").record = replace(site.records[7], subject="somchai")


def _swap_leaves(site: Site) -> None:
    first, second = site.leaves[7], site.leaves[8]
    _plant_leaf(site, 7, _changed(second, seq=7))
    _plant_leaf(site, 8, _changed(first, seq=8))


_Planted = Callable[[Site], Any]

_FAULTS: list[tuple[str, _Planted, set[Fault]]] = [
    (
        "leaf-changed",
        lambda s: _plant_leaf(s, 7, _changed(s.leaves[7], subject="somchai")),
        {Fault.ACCESS_LOG_MISMATCH, Fault.ACCESS_RECORD_DIFFERS},
    ),
    (
        "leaf-and-record-changed",
        _change_leaf_and_record,
        {Fault.ACCESS_LOG_MISMATCH},
    ),
    (
        "leaf-no-json",
        lambda s: _plant_leaf(s, 7, b"{}"),
        {Fault.ACCESS_LOG_MISMATCH, Fault.ACCESS_MISPLACED},
    ),
    (
        "last-leaf-removed",
        lambda s: s.leaves.pop(),
        {Fault.ACCESS_LOG_MISMATCH, Fault.ACCESS_MISPLACED},
    ),
    (
        "access-removed-and-the-rest-moved-up",
        lambda s: s.leaves.pop(100),
        {Fault.ACCESS_LOG_MISMATCH, Fault.ACCESS_MISPLACED},
    ),
    (
        "leaf-of-another-log",
        lambda s: _plant_leaf(s, 7, _changed(s.leaves[7], agency_id="rd")),
        {Fault.ACCESS_LOG_MISMATCH},
    ),
    (
        "leaf-added-behind",
        lambda s: s.leaves.append(_changed(s.leaves[7], seq=301)),
        {Fault.ACCESS_DOUBLED},
    ),
    (
        "leaf-made-up-behind",
        lambda s: s.leaves.append(_changed(s.leaves[7], seq=301, access_id="X")),
        {Fault.ACCESS_RECORD_MISSING},
    ),
    (
        "leaves-swapped",
        _swap_leaves,
        {Fault.ACCESS_LOG_MISMATCH, Fault.ACCESS_MISPLACED},
    ),
    (
        "record-changed",
        lambda s: setattr(
            s.kept("A00007"), "record", replace(s.records[7], reason="named_officer")
        ),
        {Fault.ACCESS_RECORD_DIFFERS},
    ),
    (
        "record-removed",
        lambda s: s.store.records.pop((LOG, "A00007")),
        {Fault.ACCESS_RECORD_MISSING},
    ),
    (
        "record-hidden-from-reports",
        lambda s: setattr(s.kept("A00007"), "listed", False),
        {Fault.ACCESS_RECORD_DIFFERS},
    ),
    (
        "record-in-another-place",
        lambda s: setattr(s.kept("A00007"), "seq", 8),
        {Fault.ACCESS_MISPLACED},
    ),
    (
        "record-in-a-place-that-is-not",
        lambda s: setattr(s.kept("A00007"), "seq", 999),
        {Fault.ACCESS_MISPLACED},
    ),
    (
        "record-that-claims-anothers-place",
        lambda s: s.store.records.update(
            {(LOG, "X"): replace(s.kept("A00007"), record=access("X"))}
        ),
        {Fault.ACCESS_MISPLACED},
    ),
    (
        "record-that-nobody-will-place",
        lambda s: setattr(s.kept("W1"), "waits", False),
        {Fault.ACCESS_FORGOTTEN},
    ),
    (
        "record-of-another-agency-in-this-log",
        lambda s: setattr(s.kept("W1"), "record", access("W1", agency_id="rd")),
        {Fault.ACCESS_RECORD_DIFFERS},
    ),
    (
        "archive-changed",
        lambda s: s.fakes.archive.files.update(
            {s.archived(1): s.fakes.archive.files[s.archived(1)].replace(b"somsri", b"somwut", 1)}
        ),
        {Fault.TILE_DAMAGED},
    ),
    (
        "archive-lost",
        lambda s: s.fakes.archive.files.pop(s.archived(1)),
        {Fault.TILE_DAMAGED},
    ),
    (
        "archive-with-something-else",
        lambda s: s.fakes.archive.put_once(
            f"{archive_prefix(DIW)}note", b"", NOON + timedelta(days=9999), LockMode.COMPLIANCE
        ),
        {Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "public-tile-changed",
        lambda s: s.fakes.log_files.files.update({(DIW, ACCESSES, "tile/0/000"): bytes(32 * 256)}),
        {Fault.TILE_DAMAGED},
    ),
    (
        "checkpoint-lost",
        lambda s: s.fakes.log_files.files.pop((DIW, ACCESSES, "checkpoints/000000000301")),
        {Fault.CHECKPOINT_HISTORY},
    ),
]


@pytest.mark.parametrize(("plant", "faults"), [f[1:] for f in _FAULTS], ids=[f[0] for f in _FAULTS])
def test_whatever_is_done_to_a_log_is_found(
    site: Site, plant: _Planted, faults: set[Fault]
) -> None:
    """C5: changed, removed, doubled, moved, slipped in, hidden, or forgotten."""
    plant(site)
    assert set(site.found()) == faults


def test_an_access_is_named_by_its_place(site: Site) -> None:
    """C5: the finding says which leaf, and nothing of a person."""
    site.store.records.pop((LOG, "A00007"))
    (finding,) = site.audit().findings
    assert (finding.log, finding.place) == (ACCESSES, "leaf 7")
    assert "somsri" not in json.dumps(finding.to_json())


def test_another_history_that_was_signed_is_found(site: Site) -> None:
    """P7: who has the log's key and rewrites table, archive and checkpoint is betrayed by what was
    signed before."""
    forged = [_changed(leaf, subject="nobody") for leaf in site.leaves]
    site.leaves[:] = forged
    for n, record in enumerate(site.records):
        site.kept(record.access_id).record = AccessLeaf.from_bytes(forged[n]).record
    signer = site.fakes.log_signer
    key = log_key(DIW, ACCESSES, public_url="https://tra.test", public_key=signer.public_key)
    head = TreeHead(301, root_of(forged))
    note = sign_checkpoint(Checkpoint(key.name, 301, head.root), key, signer.sign).to_bytes()
    site.fakes.ledger._logs[DIW, ACCESSES] = LogState(head, note)
    site.fakes.log_files.files[DIW, ACCESSES, "checkpoints/000000000301"] = note
    assert Fault.ACCESS_LOG_MISMATCH in site.found()
    assert not site.audit().clean


@pytest.mark.parametrize(
    ("later", "found"),
    [
        (timedelta(hours=23), {}),
        (timedelta(hours=25), {Fault.ACCESS_WAITS: 2}),
    ],
)
def test_records_that_wait_for_too_long_are_told(
    site: Site, later: timedelta, found: dict[Fault, int]
) -> None:
    """C5: an error, so that the alarm rings: it waits for what runs every five minutes."""
    site.fakes.clock.now = NOON + later
    report = site.audit()
    assert (report.found, report.clean) == (found, not found)


def test_leaves_that_nobody_signs_for_are_told(site: Site) -> None:
    """C5: placed, and then nothing for more than a day."""
    room = site.house.access_checkpoint_room
    site.fakes.clock.now = NOON + timedelta(hours=25)
    place_waiting(room=room)
    assert site.found() == {Fault.LOG_BEHIND: 1}


@pytest.mark.parametrize("years", [1, 9])
def test_a_lock_that_ends_too_early_is_found(site: Site, years: int) -> None:
    """A26: nothing of the log can go before its time."""
    key = site.archived(0)
    file = site.fakes.archive.find(key)
    assert file is not None
    short = replace(file, retain_until=NOON + timedelta(days=365 * years))
    site.fakes.archive._described[key] = short
    assert site.found() == {Fault.LOCK_TOO_SHORT: 1}


def test_what_comes_while_the_audit_is_at_work_is_no_finding(site: Site) -> None:
    """P8: accesses are recorded, placed and signed for at any moment."""
    walk = site.store.all_kept

    def busy(log_id: str) -> Any:
        site.store.add(access("M1"))
        site.checkpoint()
        site.store.add(access("M2"))
        return walk(log_id)

    site.store.all_kept = busy
    assert site.found() == {}


def test_a_record_says_nothing_of_a_removed_waiting_one(site: Site) -> None:
    """docs/threat-model.md: what is taken away before it has its place is not found by an audit;
    no function may do that (policies), and the place comes within minutes."""
    site.store.records.pop((LOG, "W1"))
    assert site.found() == {}
