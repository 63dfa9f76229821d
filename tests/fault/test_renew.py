"""Renewal over decades, on fakes with real time-stamps, killed before and after every call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.adapters.ers import read_record
from chalicelib.adapters.ers_stamps import EmbeddingStamper
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import ArchiveError, RevocationUnknownError
from chalicelib.domain.evidence_rounds import RoundFile, RoundKind, round_key
from chalicelib.domain.retention import LockMode
from chalicelib.services.renew import Renewed
from tests.fault.harness import Danger, Killed
from tests.support.decades import LATER, NAMES, REGISTERS, Decades
from tests.support.ers_stamps import year


def test_one_time_stamp_covers_all_that_was_issued() -> None:
    """Issue 4, 5: one time-stamp for many documents, over registers of several agencies."""
    world = Decades()
    done = world.renew()
    assert [r.kind for r in done.rounds] == [RoundKind.INITIAL]
    assert (world.times.stamps, done.rounds[0].end and done.rounds[0].end.documents) == (1, 6)
    assert world.problems(*NAMES) == []
    assert world.verdict("D0").proof_until == year(2030)


def test_nothing_is_done_twice() -> None:
    """P8: a second run on the same day, and one with nothing new, ask for no time-stamp."""
    world = Decades()
    world.renew()
    assert world.renew() == Renewed()
    world.fakes.clock.advance(LATER)
    assert world.renew() == Renewed()
    assert world.times.stamps == 1


def test_what_came_later_gets_a_round_of_its_own() -> None:
    """Issue 4, 5: slices follow each other without gap; the day's documents wait for the next."""
    world = Decades()
    world.renew()
    world.issue("D5", "D6")
    world.renew()
    assert world.record("D5") is None
    world.fakes.clock.advance(LATER)
    world.renew()
    assert world.problems(*NAMES, "D5", "D6") == []
    slices = world.fakes.rounds.slices(REGISTERS[0])
    assert [(s.slice.start, s.slice.end) for s in slices] == [(0, 5), (5, 7)]


def _renewed_twice(world: Decades) -> None:
    """Two daily rounds, then 2029 and 2037: each before the authority's certificate ends."""
    world.renew()
    world.issue("D5")
    world.fakes.clock.advance(LATER)
    world.renew()
    for moment in (datetime(2029, 2, 1, tzinfo=UTC), datetime(2037, 2, 1, tzinfo=UTC)):
        world.go_to(moment)
        world.renew()


def test_one_time_stamp_renews_all_rounds_before_their_certificate_ends() -> None:
    """Issue 4, 5: two rounds become one; after twenty years the first day is still proven."""
    world = Decades()
    _renewed_twice(world)
    assert world.times.stamps == 4
    world.go_to(year(2045))
    assert world.problems(*NAMES, "D5") == []
    verdict = world.verdict("D5")
    assert (verdict.proven_at or year(2100)) < year(2027)
    assert verdict.proof_until == year(2050)
    record = world.record("D5")
    assert record is not None
    assert [len(chain) for chain in read_record(record)] == [3]


def test_a_hash_that_ends_is_changed_with_the_documents_at_hand() -> None:
    """RFC 4998 §5.2: before the hash ends all documents are read and hashed anew, and their
    whole past with them; time-stamps go on from there."""
    world = Decades()
    _renewed_twice(world)
    world.policy = replace(world.policy, ends={"sha256": datetime(2038, 1, 1, tzinfo=UTC)})
    world.go_to(datetime(2037, 8, 1, tzinfo=UTC))
    done = world.renew()
    assert [r.kind for r in done.rounds] == [RoundKind.HASHES]
    assert done.rounds[0].algorithm == "sha384"
    world.go_to(year(2049))
    assert world.problems(*NAMES, "D5") == []
    record = world.record("D5")
    assert record is not None
    assert [len(chain) for chain in read_record(record)] == [3, 1]


def test_new_documents_are_hashed_with_what_lasts() -> None:
    """Once SHA-256 is about to end, what is issued is read and hashed with its successor."""
    world = Decades()
    world.policy = replace(world.policy, ends={"sha256": datetime(2027, 3, 1, tzinfo=UTC)})
    done = world.renew()
    assert [r.algorithm for r in done.rounds] == ["sha384"]
    assert world.problems(*NAMES) == []


def test_many_slices_change_their_hash_in_several_rounds() -> None:
    """A round has bounded size: the last one retires what all of them covered."""
    world = Decades()
    world.policy = replace(world.policy, most_documents=2, most_slices=2)
    world.renew()
    assert [len(world.fakes.rounds.slices(r)) for r in REGISTERS] == [3, 1]
    world.policy = replace(world.policy, ends={"sha256": datetime(2028, 1, 1, tzinfo=UTC)})
    world.go_to(datetime(2027, 7, 1, tzinfo=UTC))
    done = world.renew()
    assert [r.kind for r in done.rounds] == [RoundKind.HASHES] * len(done.rounds)
    assert len(done.rounds) == 2
    world.go_to(datetime(2029, 1, 1, tzinfo=UTC))
    assert world.problems(*NAMES) == []


def test_a_round_whose_slices_were_all_taken_over_is_retired() -> None:
    """P8: an authority that cannot be asked between two hash-tree rounds leaves its own round
    behind without slices; that holds up nothing, costs no time-stamp, and is put right."""
    world = Decades()
    world.policy = replace(world.policy, most_documents=2, most_slices=2)
    world.renew()
    first, _second = world.fakes.rounds.rounds()
    world.policy = replace(world.policy, ends={"sha256": datetime(2028, 1, 1, tzinfo=UTC)})
    world.go_to(datetime(2027, 7, 1, tzinfo=UTC))
    stamper = world.fakes.stamper
    world.renew(stamper=_OutOfReachAfter(world, stamper, first.number))
    world.renew()
    stamps = world.times.stamps
    world.fakes.clock.advance(LATER)
    assert world.renew() == Renewed()
    assert world.times.stamps == stamps == 4
    assert all(r.covered_by for r in world.fakes.rounds.rounds() if r.kind is RoundKind.INITIAL)
    world.go_to(datetime(2029, 1, 1, tzinfo=UTC))
    assert world.problems(*NAMES) == []


class _OutOfReachAfter:
    """A stamper that gets no revocation data for one round's authority once a hash-tree round
    was made."""

    def __init__(self, world: Decades, stamper: EmbeddingStamper, number: int) -> None:
        self._world, self._stamper, self._number = world, stamper, number
        self.stamp = stamper.stamp

    def refresh(self, token: bytes) -> bytes:
        made = self._world.fakes.rounds.rounds()
        file = RoundFile.from_bytes(self._world.fakes.archive.files[round_key(self._number)])
        hashed = any(r.kind is RoundKind.HASHES and r.end for r in made)
        if hashed and token == file.stamp.token:
            raise RevocationUnknownError("The revocation list cannot be reached.")
        return self._stamper.refresh(token)


def test_slices_past_their_retention_do_not_stop_a_renewal() -> None:
    """P8: no lock can end before it begins (S3 refuses that), so what is hashed anew after the
    retention of its documents is locked for a day: nobody needs it longer."""
    world = Decades()
    world.issue("F0", years=1)
    world.policy = replace(world.policy, most_documents=1)
    archive = _LockingArchive(world)
    world.renew(archive=archive)
    world.policy = replace(world.policy, ends={"sha256": datetime(2029, 1, 1, tzinfo=UTC)})
    world.go_to(datetime(2028, 7, 1, tzinfo=UTC))
    done = world.renew(archive=archive)
    assert [r.kind for r in done.rounds] == [RoundKind.HASHES]
    assert world.problems(*NAMES) == []


class _LockingArchive:
    """The archive, with S3's rule that a lock must end in the future (PutObject answers 400)."""

    def __init__(self, world: Decades) -> None:
        self._world = world

    def put_once(
        self, key: str, data: bytes, until: datetime, mode: LockMode, **described: Any
    ) -> ArchivedFile:
        if until <= self._world.fakes.clock():
            raise ArchiveError("The archive did not take the request (InvalidArgument).")
        return self._world.fakes.archive.put_once(key, data, until, mode, **described)


def test_a_document_that_was_changed_is_left_out_and_told() -> None:
    """P2: a hash-tree renewal speaks only for bytes that are those archived."""
    world = Decades()
    world.renew()
    found = world.fakes.ledger.get("D3")
    assert found is not None
    assert found.file is not None
    world.fakes.archive.files[found.file.key] += b"changed"
    world.policy = replace(world.policy, ends={"sha256": datetime(2028, 1, 1, tzinfo=UTC)})
    world.go_to(datetime(2027, 7, 1, tzinfo=UTC))
    assert world.renew().left_out == 1
    record = world.record("D3")
    assert record is not None
    assert len(read_record(record)) == 1
    assert len(read_record(world.record("D2") or b"")) == 2


def test_what_time_is_left_is_used() -> None:
    """A run that has no time for the next slice keeps what it did; the next goes on."""
    world = Decades()
    world.policy = replace(world.policy, most_documents=2)
    answers = iter([True, False])
    done = world.renew(in_time=lambda: next(answers))
    assert (done.unfinished, done.rounds, world.times.stamps) == (True, (), 0)
    assert not world.renew().unfinished
    assert world.problems(*NAMES) == []
    assert world.times.stamps == 1


def test_revocation_that_cannot_be_had_is_waited_for() -> None:
    """Issue 4, 4 and 5: stale data are not embedded; the renewal waits, visibly, and only late
    in the lead goes on with what is there."""
    world = Decades()
    world.renew()
    world.go_to(datetime(2029, 2, 1, tzinfo=UTC))
    for era in world.times.eras:
        era.reachable = False
    world.times.eras[1].reachable = True
    world.times.validation_data = world.times.eras[0].validation_data  # type: ignore[method-assign]  # only the old one's list is down
    assert world.renew() == Renewed(waiting=1)
    world.go_to(datetime(2029, 9, 1, tzinfo=UTC))
    assert [r.kind for r in world.renew().rounds] == [RoundKind.STAMPS]
    assert world.problems(*NAMES) == []


def test_what_no_longer_is_kept_is_not_renewed() -> None:
    """A26: once retention is over nobody pays for time-stamps."""
    world = Decades()
    _renewed_twice(world)
    world.go_to(datetime(2052, 1, 1, tzinfo=UTC))
    assert world.renew() == Renewed()


# -- killed at every call --------------------------------------------------------


def _first(world: Decades) -> None:
    """Before the first round."""


def _before_stamps(world: Decades) -> None:
    """Two rounds that must be taken over."""
    world.renew()
    world.issue("D5")
    world.fakes.clock.advance(LATER)
    world.renew()
    world.go_to(datetime(2029, 2, 1, tzinfo=UTC))


def _before_hashes(world: Decades) -> None:
    """A chain of two time-stamps under a hash that ends."""
    _before_stamps(world)
    world.renew()
    world.policy = replace(world.policy, ends={"sha256": datetime(2031, 1, 1, tzinfo=UTC)})
    world.go_to(datetime(2030, 6, 1, tzinfo=UTC))


SCENES: dict[str, Callable[[Decades], None]] = {
    "initial": _first,
    "time-stamps": _before_stamps,
    "hash-trees": _before_hashes,
}


def _scene(name: str) -> Decades:
    world = Decades(documents=2)
    SCENES[name](world)
    return world


def _moments(name: str) -> list[tuple[int, str]]:
    """Before each call, and after the last: nothing happens between two calls."""
    danger = Danger()
    _scene(name).renew(danger)
    seen = list(enumerate(danger.seen))
    return [m for m in seen if m[1].startswith("before")] + seen[-1:]


def _cases() -> list[object]:
    return [
        pytest.param(name, moment, id=f"{name}-{moment:02d}-{what.replace(' ', '-')}")
        for name in SCENES
        for moment, what in _moments(name)
    ]


@pytest.mark.parametrize(("scene", "moment"), _cases())
def test_killed_and_run_again(scene: str, moment: int) -> None:
    """P8: killed at this moment and run again, every document has a valid record, nothing lies
    in the archive that nobody knows, and no round was made twice."""
    world = _scene(scene)
    before = len(world.fakes.rounds.rounds())
    with pytest.raises(Killed):
        world.renew(Danger(kill_at=moment))
    world.fakes.clock.advance(timedelta(hours=1))
    world.renew()
    assert world.problems("D0", "D1", "E0") == []
    assert len(world.fakes.rounds.rounds()) == before + 1
    assert all(r.end for r in world.fakes.rounds.rounds())


@pytest.mark.parametrize("scene", SCENES)
def test_killed_again_and_again(scene: str) -> None:
    """P8: even if every run but the last is killed, one call later each time."""
    world = _scene(scene)
    for moment, _ in _moments(scene):
        with suppress(Killed):
            world.renew(Danger(kill_at=moment))
    world.renew()
    assert world.problems("D0", "D1", "E0") == []


@pytest.mark.parametrize("scene", SCENES)
def test_two_at_every_moment(scene: str) -> None:
    """P8: a second run between two calls of the first disturbs neither of them."""
    for moment, _ in _moments(scene)[::2]:
        world = _scene(scene)
        before = len(world.fakes.rounds.rounds())
        world.renew(_Visit(world, at=moment))
        assert world.problems("D0", "D1", "E0") == [], moment
        assert len(world.fakes.rounds.rounds()) == before + 1


class _Visit(Danger):
    """In place of death, somebody else's whole run at one moment."""

    def __init__(self, world: Decades, *, at: int) -> None:
        super().__init__()
        self._world, self._at = world, at

    def pass_by(self, what: str) -> None:
        mine, self.moment = self.moment, self.moment + 1
        if mine == self._at:
            self._world.renew()
