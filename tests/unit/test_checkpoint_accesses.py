"""Accesses get their place, are archived and signed for (C5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.ed25519 import verify
from chalicelib.bootstrap import House
from chalicelib.domain.access_log import (
    AccessLeaf,
    AccessRecord,
    LogSlice,
    archive_prefix,
    slice_leaves,
)
from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.domain.merkle import TreeHead
from chalicelib.domain.notes import open_checkpoint
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.retention import LockMode
from chalicelib.services.checkpoint import log_key
from chalicelib.services.checkpoint_accesses import (
    CheckpointedAccesses,
    checkpoint_accesses,
    place_waiting,
)
from chalicelib.services.prove import file_link, prove_consistency, published
from tests.support.accesses import LOG, access, accesses
from tests.support.logs import BruteForce
from tests.support.rooms import Fakes

DIW, RD = Register("diw", "access", 2026), Register("rd", "access", 2026)


def _run(house: House) -> CheckpointedAccesses:
    return checkpoint_accesses(room=house.access_checkpoint_room)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def test_a_log_is_placed_archived_and_signed(fakes: Fakes) -> None:
    """C5: more than one transaction, one bundle and one tile; the signed root is that of the
    leaves in the order of time."""
    records = accesses(300)
    fakes.access_log.add(*reversed(records))
    house = fakes.house()
    assert _run(house) == CheckpointedAccesses(placed=300, extended=1, failed=())
    leaves = fakes.access_log.leaves(LOG, start=0, limit=1_000)
    assert [AccessLeaf.from_bytes(leaf).record for leaf in leaves] == records
    state = fakes.ledger.state(DIW, LogName.ACCESSES)
    assert state.head == TreeHead(300, BruteForce(leaves).root)
    key = log_key(
        DIW,
        LogName.ACCESSES,
        public_url="https://tra.test",
        public_key=fakes.log_signer.public_key,
    )
    assert key.name == "tra.test/v1/registers/diw/access/2026/accesses"
    assert state.note is not None
    assert open_checkpoint(state.note, key, verify).checkpoint.head == state.head


def test_nothing_new_changes_nothing(fakes: Fakes) -> None:
    """P8: repeatable; an unchanged log is not signed again."""
    fakes.access_log.add(*accesses(3))
    house = fakes.house()
    _run(house)
    signed, files = list(fakes.log_signer.signed), dict(fakes.archive.files)
    assert _run(house) == CheckpointedAccesses(placed=0, extended=0, failed=())
    assert (fakes.log_signer.signed, fakes.archive.files) == (signed, files)


def test_what_comes_later_stands_behind(fakes: Fakes) -> None:
    """C5: whatever time it names, an access whose place was given stays where it is."""
    house = fakes.house()
    fakes.access_log.add(*accesses(3, first=10))
    _run(house)
    fakes.access_log.add(*accesses(2))
    _run(house)
    leaves = map(AccessLeaf.from_bytes, fakes.access_log.leaves(LOG, start=0, limit=9))
    assert [leaf.access_id for leaf in leaves] == [
        "A00010",
        "A00011",
        "A00012",
        "A00000",
        "A00001",
    ]
    size, _ = prove_consistency(DIW, LogName.ACCESSES, 3, None, room=house.proving_room)
    assert size == 5


def test_leaves_are_archived_before_they_are_signed_for(fakes: Fakes) -> None:
    """C5, A26: every leaf, under Object Lock, until the tenth year after its own is over."""
    house = fakes.house()
    fakes.access_log.add(*accesses(3))
    _run(house)
    fakes.access_log.add(*accesses(2, first=3))
    _run(house)
    keys = sorted(key for key in fakes.archive.files if key.startswith(archive_prefix(DIW)))
    assert [LogSlice.of_key(key) for key in keys] == [LogSlice(0, 3), LogSlice(3, 5)]
    archived = [leaf for key in keys for leaf in slice_leaves(fakes.archive.files[key])]
    assert archived == list(fakes.access_log.leaves(LOG, start=0, limit=9))
    file = fakes.archive.find(keys[0])
    assert file is not None
    assert file.lock_mode is LockMode.COMPLIANCE
    assert file.retain_until == datetime(2036, 12, 31, 16, 59, 59, tzinfo=UTC)
    assert fakes.archive.media_types[keys[0]] == "application/x-ndjson"


def test_nothing_is_signed_of_which_other_leaves_are_archived(fakes: Fakes) -> None:
    """C5, P2: what lies at the place of these leaves and differs from them stays, and no checkpoint
    says that they are kept."""
    fakes.access_log.add(*accesses(3))
    key = LogSlice(0, 3).key(DIW)
    until = datetime(2090, 1, 1, tzinfo=UTC)
    fakes.archive.put_once(key, b"{}\n{}\n{}\n", until, LockMode.COMPLIANCE)
    (failed,) = _run(fakes.house()).failed
    assert (failed.register, failed.error.code) == (DIW, "archive_contradiction")
    assert fakes.ledger.state(DIW, LogName.ACCESSES).note is None


def test_no_leaf_is_public(fakes: Fakes) -> None:
    """P6, PDPA: public are hashes (of leaves with a salt each) and checkpoints; no subject, no
    document and no address is in any public file, and no link leads to an entry."""
    house = fakes.house()
    fakes.access_log.add(*accesses(300))
    _run(house)
    public = {path: data for (_, _, path), data in fakes.log_files.files.items()}
    assert {path.split("/")[0] for path in public} == {"tile", "checkpoints"}
    assert not [path for path in public if "entries" in path]
    for record in accesses(300):
        for planted in (record.subject, record.thing_id, record.address, record.access_id):
            assert not [
                path
                for path, data in public.items()
                if planted.encode() in data and len(planted) > 3
            ]
    for path in ("tile/entries/000", "tile/entries/001.p/44"):
        with pytest.raises(NotFoundError):
            file_link(DIW, LogName.ACCESSES, path, seconds=9, room=house.proving_room)
    assert file_link(DIW, LogName.ACCESSES, "tile/0/000", seconds=9, room=house.proving_room)


def test_agencies_have_logs_of_their_own(fakes: Fakes) -> None:
    """P6: one that fails holds up no other, and says why."""
    fakes.access_log.add(access("A1"), access("B1", agency_id="rd"))
    house = fakes.house()
    assert _run(house).extended == 2
    assert published(RD, LogName.ACCESSES, room=house.proving_room).head.size == 1
    fakes.access_log.leaves_of[LOG][0] = access_leaf(access("A1", subject="somchai"), 0)
    fakes.access_log.add(access("A2"), access("B2", agency_id="rd"))
    done = _run(house)
    assert (done.placed, done.extended) == (2, 1)
    assert [(one.register, one.error.code) for one in done.failed] == [(DIW, "tile_invalid")]


def access_leaf(record: AccessRecord, seq: int) -> bytes:
    members = {**json.loads(record.to_bytes()), "seq": seq}
    return AccessLeaf.from_bytes(
        json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    ).to_bytes()


def test_placing_stops_in_time(fakes: Fakes) -> None:
    """P8: the function that runs out of time leaves the rest to the next run."""
    fakes.access_log.add(*accesses(2_000))
    times = iter([True, True, False])
    room = replace(fakes.house().access_checkpoint_room, in_time=lambda: next(times))
    assert place_waiting(room=room) == 1_960
    assert place_waiting(room=fakes.house().access_checkpoint_room) == 40


def test_a_store_that_does_not_answer_is_said(fakes: Fakes) -> None:
    """P8: the schedule's alarm rings; nothing was lost."""

    class Silent:
        def waiting(self, _limit: int) -> tuple[AccessRecord, ...]:
            raise UnavailableError("The table does not answer.")

    house = fakes.house()
    with pytest.raises(UnavailableError):
        checkpoint_accesses(room=replace(house.access_checkpoint_room, access_log=Silent()))  # type: ignore[arg-type] # what is used of it


@pytest.mark.parametrize(
    "key",
    [
        "access/diw/2026/000000000003-000000000003",
        "access/diw/2026/000000000004-000000000003",
        "access/diw/2026/3-4",
        "access/diw/2026/000000000003-000000000004.jsonl",
        "access/diw/26/000000000003-000000000004",
        "documents/diw/2026/000000000003-000000000004",
    ],
)
def test_other_keys_are_no_slices(key: str) -> None:
    """P8: what lies below the prefix by mistake is not taken for leaves."""
    assert LogSlice.of_key(key) is None
    assert LogSlice.of_key(LogSlice(3, 4).key(DIW)) == LogSlice(3, 4)
