"""Records of approvals lie in the archive before anything is sealed on their word (C2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.adapters.memory import MemoryArchive
from chalicelib.domain.approval_records import record_key
from chalicelib.domain.approvals import Choice
from chalicelib.domain.documents import APPROVALS, Document, archive_key
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.services.archive_approvals import archive_records
from chalicelib.services.decide_case import decide_case, expire_case
from tests.fault.harness import World
from tests.support.approving import TWO, awaiting, case_of, decided, decision
from tests.support.rooms import Fakes
from tests.support.samples import NOON

LATER = NOON + timedelta(days=4_000)


def _read(fakes: Fakes, document_id: str = "D1") -> Document:
    found = fakes.ledger.get(document_id)
    assert found is not None
    return found


def _decide(world: World, by: str, choice: Choice = Choice.APPROVE) -> None:
    decide_case(
        _read(world.fakes),
        lambda seen: decision(seen, by, choice),
        room=world.fakes.house().case_room,
    )


def _records(fakes: Fakes) -> list[bytes]:
    keys = sorted(key for key in fakes.archive.files if key.startswith("approvals/"))
    return [fakes.archive.files[key] for key in keys]


def test_records_come_before_the_sealed_file() -> None:
    """C2: both officers' records are archived, as signed, locked as long as the document, and
    before its file."""
    world = World()
    world.fakes.ledger.add(awaiting(policy=TWO), None)
    _decide(world, "head-1")
    _decide(world, "head-2")
    assert _records(world.fakes) == []
    world.run_to_rest()
    issued = _read(world.fakes)
    records = [d.record for d in case_of(issued).decisions]
    assert [record.decode() for record in _records(world.fakes)] == records
    keys = list(world.fakes.archive.files)
    first = record_key("D1", 1)
    assert keys.index(first) < keys.index(archive_key(issued))
    kept = world.fakes.archive.find(first)
    assert kept is not None
    assert issued.file is not None
    assert kept.retain_until == issued.file.retain_until


def test_what_was_refused_is_archived_too() -> None:
    """C2, P4: one approved, another rejected; nothing is issued, and both records are kept."""
    world = World()
    world.fakes.ledger.add(awaiting(policy=TWO), None)
    _decide(world, "head-1")
    _decide(world, "head-2", Choice.REJECT)
    world.run_to_rest()
    assert len(_records(world.fakes)) == 2
    ended = _read(world.fakes)
    assert ended.is_archived(APPROVALS)
    assert ended.settled
    assert world.fakes.ledger.unsettled(LATER, 10) == ()


def test_a_lost_message_leaves_no_record_behind() -> None:
    """P8: the process died between decision and archive; `sweep` has it completed."""
    world = World()
    world.fakes.ledger.add(awaiting(policy=TWO), None)
    _decide(world, "head-1")
    world.fakes.clock.now = case_of(_read(world.fakes)).expires_at
    expire_case(_read(world.fakes), room=world.fakes.house().case_room)
    world.fakes.deliver_queue.messages.clear()
    world.sweep()
    world.run_to_rest()
    assert len(_records(world.fakes)) == 1
    assert world.fakes.ledger.unsettled(LATER, 10) == ()


def test_twice_is_once() -> None:
    """P8: a repeat writes nothing, and a record is locked as it was first."""
    archive, waiting = MemoryArchive(), awaiting()
    ended = decided(waiting, decision(waiting, choice=Choice.RETURN))
    for _ in range(2):
        archive_records(ended, archive=archive, lock_mode=LockMode.COMPLIANCE)
    (key,) = archive.files
    kept = archive.find(key)
    assert kept is not None
    assert kept.retain_until == retain_until(ended.history[-1].at, ended.retention_years)


def test_another_record_under_its_key_stops_it() -> None:
    """P2: whoever wrote something else there is found, not overwritten."""
    archive, waiting = MemoryArchive(), awaiting()
    archive.put_once(record_key("D1", 1), b"other", LATER, LockMode.COMPLIANCE)
    ended = decided(waiting, decision(waiting))
    with pytest.raises(ArchiveError):
        archive_records(ended, archive=archive, lock_mode=LockMode.COMPLIANCE)


def test_without_approvals_nothing_is_archived() -> None:
    """Issue 7.4: where nobody decides, everything is as before."""
    archive = MemoryArchive()
    archive_records(awaiting(), archive=archive, lock_mode=LockMode.COMPLIANCE)
    assert archive.files == {}
