"""P7, P8: the public logs survive whatever happens to those who extend them."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.adapters.ed25519 import verify
from chalicelib.domain.errors import RegisterConflictError
from chalicelib.domain.merkle import TiledTree, TreeHead, leaf_hash, verify_consistency
from chalicelib.domain.notes import open_checkpoint
from chalicelib.domain.registers import REGISTER_LOGS, LogName
from chalicelib.domain.tlog import files_of, tile_reader
from chalicelib.ports import LogState
from chalicelib.services.checkpoint import checkpoint_all, extend, log_key
from tests.fault.harness import Danger, Killed
from tests.support.logs import REGISTER, BruteForce, give_numbers, void_numbers
from tests.support.rooms import Fakes

# Over the edge of a tile, so that full and partial files are written.
_BEFORE, _MORE = 250, 20


@dataclass
class Watched:
    """A world whose every publication is written down."""

    fakes: Fakes = field(default_factory=Fakes)
    published: dict[LogName, list[LogState]] = field(
        default_factory=lambda: {log: [] for log in REGISTER_LOGS}
    )

    def __post_init__(self) -> None:
        advance = self.fakes.ledger.advance

        def watched(register: Any, log: LogName, old: LogState, new: LogState) -> None:
            advance(register, log, old, new)
            self.published[log].append(new)

        self.fakes.ledger.advance = watched  # type: ignore[method-assign] # an eye, no other behaviour

    def run(self, danger: Danger | None = None) -> None:
        """One run of `checkpoint`, which may be its last."""
        checkpoint_all(room=self.fakes.house((danger or Danger()).wrap).checkpoint_room)

    def findings(self) -> list[str]:
        """What is wrong with the logs; an empty list if nothing is."""
        return [finding for log in REGISTER_LOGS for finding in self._findings(log)]

    def _findings(self, log: LogName) -> list[str]:
        leaves = self.fakes.ledger.leaves(REGISTER, log, start=0, limit=10_000)
        state = self.fakes.ledger.state(REGISTER, log)
        if state.head != TreeHead(len(leaves), BruteForce(leaves).root):
            return [f"{log}: {state.head.size} published, {len(leaves)} there, or another root"]
        return [
            *self._wrong_files(log, state, leaves),
            *self._wrong_history(log, state),
            *self._wrong_signatures(log),
        ]

    def _wrong_files(self, log: LogName, state: LogState, leaves: tuple[bytes, ...]) -> list[str]:
        files = self.fakes.log_files.files
        missing = [
            f"{log}: {name.path} is missing"
            for name in files_of(state.head.size)
            if (REGISTER, log, name.path) not in files
        ]
        tree = self._tree(log, state.head.size)
        wrong = [i for i, leaf in enumerate(leaves) if tree.leaf(i) != leaf_hash(leaf)]
        return missing + [f"{log}: leaf {i} has another hash" for i in wrong]

    def _wrong_history(self, log: LogName, state: LogState) -> list[str]:
        """Every checkpoint that was published or only signed continues the one before."""
        kept = [
            open_checkpoint(note, self._key(log), verify).checkpoint.head
            for (_, of, path), note in self.fakes.log_files.files.items()
            if of is log and path.startswith("checkpoints/")
        ]
        sizes = [published.head.size for published in self.published[log]]
        if sizes != sorted(set(sizes)):
            return [f"{log}: went from size to size {sizes}"]
        for head in sorted(kept, key=lambda head: head.size):
            proof = self._tree(log, state.head.size).consistency_proof(head.size)
            verify_consistency(head, state.head, proof)
        return []

    def _wrong_signatures(self, log: LogName) -> list[str]:
        return [
            f"{log}: the note of {state.head.size} states another tree"
            for state in self.published[log]
            if open_checkpoint(state.note or b"", self._key(log), verify).checkpoint.head
            != state.head
        ]

    def _tree(self, log: LogName, size: int) -> TiledTree:
        files = self.fakes.log_files.files
        return TiledTree(size, tile_reader(lambda name: files[REGISTER, log, name.path]))

    def _key(self, log: LogName) -> Any:
        return log_key(
            REGISTER,
            log,
            public_url="https://tra.test",
            public_key=self.fakes.log_signer.public_key,
        )


def _prepared() -> Watched:
    """A published log, and news for both of them."""
    world = Watched()
    give_numbers(world.fakes.ledger, _BEFORE)
    void_numbers(world.fakes.ledger, *range(1, 5))
    world.run()
    give_numbers(world.fakes.ledger, _MORE)
    void_numbers(world.fakes.ledger, *range(5, 12))
    return world


def _moments() -> list[str]:
    danger = Danger()
    _prepared().run(danger)
    return danger.seen


CASES = [
    pytest.param(moment, id=f"{moment:02d}-{what.replace(' ', '-')}")
    for moment, what in enumerate(_moments())
]


@pytest.mark.parametrize("moment", CASES)
def test_killed_and_run_again(moment: int) -> None:
    """P7, P8: killed at this moment and run again, both logs are right and never went back."""
    world = _prepared()
    with pytest.raises(Killed):
        world.run(Danger(kill_at=moment))
    world.run()
    assert world.findings() == []


@pytest.mark.parametrize("moment", CASES)
def test_killed_and_run_again_after_more_numbers(moment: int) -> None:
    """P7, P8: neither does it matter that the log grew before the next run."""
    world = _prepared()
    with pytest.raises(Killed):
        world.run(Danger(kill_at=moment))
    give_numbers(world.fakes.ledger, _MORE)
    void_numbers(world.fakes.ledger, *range(12, 15))
    world.run()
    assert world.findings() == []


def test_killed_again_and_again() -> None:
    """P8: even if every run but the last is killed, one call later each time."""
    world = _prepared()
    for moment in range(len(_moments())):
        give_numbers(world.fakes.ledger, 1)
        with suppress(Killed):  # what an earlier run did need not be done again
            world.run(Danger(kill_at=moment))
    world.run()
    assert world.findings() == []


def test_two_at_every_moment() -> None:
    """P8: a second run, between any two calls of the first, disturbs neither of them."""
    for moment in range(len(_moments())):
        world = _prepared()
        world.run(_Visit(world, at=moment))
        world.run()
        assert world.findings() == [], moment


def test_many_at_once() -> None:
    """P8: threads that number, end and checkpoint at the same time leave right logs."""
    world = _prepared()
    failures: list[BaseException] = []

    def checkpointer() -> None:
        try:
            for _ in range(10):
                for log in REGISTER_LOGS:
                    _extend_patiently(world, log)
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=checkpointer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20, 60):
        give_numbers(world.fakes.ledger, 7)
        void_numbers(world.fakes.ledger, number)
    for thread in threads:
        thread.join()
    world.run()
    assert failures == []
    assert world.findings() == []


def test_these_tests_can_fail() -> None:
    """P7: the findings these tests rely on are found."""
    world = _prepared()
    assert len(world.findings()) == 1  # the number log is behind
    world.run()
    assert world.findings() == []
    del world.fakes.log_files.files[REGISTER, LogName.NUMBERS, "tile/entries/000"]
    assert len(world.findings()) == 1


def _extend_patiently(world: Watched, log: LogName) -> None:
    """What an error heals by waiting for, the next run heals (every five minutes)."""
    with suppress(RegisterConflictError):
        extend(REGISTER, log, room=world.fakes.house().checkpoint_room)


class _Visit(Danger):
    """In place of death, somebody else's whole run at one moment."""

    def __init__(self, world: Watched, *, at: int) -> None:
        super().__init__()
        self._world, self._at = world, at

    def pass_by(self, what: str) -> None:
        mine, self.moment = self.moment, self.moment + 1
        if mine == self._at:
            give_numbers(self._world.fakes.ledger, 3)
            void_numbers(self._world.fakes.ledger, 15)
            self._world.run()
