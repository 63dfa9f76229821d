"""Extending the public logs: what is published is right, once, and only forward."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.ed25519 import verify
from chalicelib.domain.errors import LogForkError, RegisterConflictError, UnavailableError
from chalicelib.domain.merkle import TileError
from chalicelib.domain.notes import Checkpoint, Note, NoteSignatureError, open_checkpoint
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import OutcomeLeaf, decode_bundle, files_of
from chalicelib.ports import LogState
from chalicelib.services.checkpoint import (
    CheckpointRoom,
    checkpoint_all,
    checkpoint_path,
    extend,
    log_key,
)
from tests.support.logs import REGISTER, BruteForce, give_numbers, void_numbers
from tests.support.rooms import Fakes

NUMBERS, OUTCOMES = LogName.NUMBERS, LogName.OUTCOMES
OTHER = Register("dbd", "licence", 2026)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def _room(fakes: Fakes, **changes: Any) -> CheckpointRoom:
    return replace(fakes.house().checkpoint_room, **changes)


def _leaves(fakes: Fakes, log: LogName = NUMBERS) -> tuple[bytes, ...]:
    return fakes.ledger.leaves(REGISTER, log, start=0, limit=10_000)


def _extend(fakes: Fakes, log: LogName = NUMBERS, **changes: Any) -> LogState:
    return extend(REGISTER, log, room=_room(fakes, **changes))


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 300, 600])
def test_the_root_is_that_of_all_numbers(fakes: Fakes, count: int) -> None:
    """P7: the checkpoint commits exactly the register's entries, in order."""
    give_numbers(fakes.ledger, count)
    state = _extend(fakes)
    assert state.head.size == count
    assert state.head.root == BruteForce(_leaves(fakes)).root


def test_every_file_of_the_tree_lies_there_before_its_checkpoint(fakes: Fakes) -> None:
    """P7: whoever reads a checkpoint finds all tiles and entries that it needs."""
    give_numbers(fakes.ledger, 300)
    size = _extend(fakes).head.size
    for name in files_of(size):
        assert fakes.log_files.get(REGISTER, NUMBERS, name.path) is not None
    first = fakes.log_files.files[REGISTER, NUMBERS, "tile/entries/000"]
    rest = fakes.log_files.files[REGISTER, NUMBERS, "tile/entries/001.p/44"]
    assert decode_bundle(first, 256) + decode_bundle(rest, 44) == _leaves(fakes)


def test_anyone_can_verify_the_checkpoint(fakes: Fakes) -> None:
    """P7: the signature is Ed25519 by a key named after the log's public address."""
    give_numbers(fakes.ledger, 3)
    state = _extend(fakes)
    key = log_key(
        REGISTER,
        NUMBERS,
        public_url="https://tra.test",
        public_key=fakes.log_signer.public_key,
    )
    assert key.name == "tra.test/v1/registers/diw/licence/2026/numbers"
    assert state.note is not None
    assert open_checkpoint(state.note, key, verify).checkpoint.head == state.head


def test_nothing_new_costs_nothing(fakes: Fakes) -> None:
    """P8: repeated without news, nothing is written and no signature is spent."""
    give_numbers(fakes.ledger, 5)
    first = _extend(fakes)
    files = dict(fakes.log_files.files)
    assert _extend(fakes) == first
    assert fakes.log_files.files == files
    assert len(fakes.log_signer.signed) == 1


def test_the_number_log_waits_for_nobody(fakes: Fakes) -> None:
    """P7: open reservations are in the number log, and the outcome log is still empty."""
    give_numbers(fakes.ledger, 5)
    assert _extend(fakes, NUMBERS).head.size == 5
    assert _extend(fakes, OUTCOMES) == fakes.ledger.state(REGISTER, OUTCOMES)
    assert fakes.ledger.state(REGISTER, OUTCOMES).note is None


def test_outcomes_follow_in_their_own_order(fakes: Fakes) -> None:
    """P7: the outcome log says of each leaf which place it has."""
    give_numbers(fakes.ledger, 5)
    void_numbers(fakes.ledger, 4)
    _extend(fakes, OUTCOMES)
    void_numbers(fakes.ledger, 2, 3)
    assert _extend(fakes, OUTCOMES).head.size == 3
    told = [OutcomeLeaf.from_bytes(leaf) for leaf in _leaves(fakes, OUTCOMES)]
    assert [(leaf.seq, leaf.number) for leaf in told] == [(0, 4), (1, 2), (2, 3)]


def test_each_checkpoint_is_kept(fakes: Fakes) -> None:
    """P7: the history of checkpoints can be audited."""
    for count in (3, 1, 300):
        give_numbers(fakes.ledger, count)
        note = _extend(fakes).note
        size = fakes.ledger.head(REGISTER).last_number
        assert fakes.log_files.files[REGISTER, NUMBERS, checkpoint_path(size)] == note


def test_a_long_way_is_gone_in_strides(fakes: Fakes) -> None:
    """P8: a large backlog is published piece by piece, so a function that dies keeps some."""
    give_numbers(fakes.ledger, 700)
    state = _extend(fakes, stride=256, page=100)
    signed = [Checkpoint.parse(text.decode()).size for text in fakes.log_signer.signed]
    assert signed == [256, 512, 700]
    assert state.head.root == BruteForce(_leaves(fakes)).root


def test_what_others_published_meanwhile_is_kept(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: two at once: the second one sees the first one's checkpoint and goes on from there."""
    give_numbers(fakes.ledger, 10)
    room = _room(fakes)
    visited: list[bool] = []
    advance = fakes.ledger.advance

    def visited_first(register: Register, log: LogName, old: LogState, new: LogState) -> None:
        if not visited:
            visited.append(True)
            give_numbers(fakes.ledger, 7)
            extend(REGISTER, NUMBERS, room=room)
        advance(register, log, old, new)

    monkeypatch.setattr(fakes.ledger, "advance", visited_first)
    state = extend(REGISTER, NUMBERS, room=room)
    assert state.head.size == 17
    assert state.head.root == BruteForce(_leaves(fakes)).root


def test_who_is_always_late_gives_up(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: endless conflict ends as an error that a later run heals."""
    give_numbers(fakes.ledger, 1)

    def late(*_: object) -> None:
        raise RegisterConflictError("Another checkpoint was published meanwhile.")

    monkeypatch.setattr(fakes.ledger, "advance", late)
    with pytest.raises(RegisterConflictError):
        _extend(fakes)


# -- what must not be signed ---------------------------------------------------


def test_a_missing_entry_is_not_signed_over(fakes: Fakes) -> None:
    """P1: a gap in the register stops its log."""
    give_numbers(fakes.ledger, 5)
    del fakes.ledger._entries[REGISTER, 3, 0]
    with pytest.raises(LogForkError):
        _extend(fakes)
    assert not fakes.log_signer.signed


def test_a_missing_last_entry_is_not_signed_over(fakes: Fakes) -> None:
    """P1: neither does a gap at the end pass for a shorter register."""
    give_numbers(fakes.ledger, 5)
    del fakes.ledger._entries[REGISTER, 5, 0]
    with pytest.raises(LogForkError):
        _extend(fakes)
    assert not fakes.log_signer.signed


def test_a_register_that_became_shorter_is_noticed(fakes: Fakes) -> None:
    """P1: an older copy of the table, restored, does not pass."""
    give_numbers(fakes.ledger, 5)
    _extend(fakes)
    fakes.ledger._heads[REGISTER] = replace(fakes.ledger.head(REGISTER), last_number=4)
    with pytest.raises(LogForkError):
        _extend(fakes)


@pytest.mark.parametrize("path", ["tile/0/000.p/5", "tile/entries/000.p/5"])
def test_a_damaged_log_is_not_grown(fakes: Fakes, path: str) -> None:
    """P7: tiles that do not have the signed root are found before anything is signed."""
    give_numbers(fakes.ledger, 5)
    _extend(fakes)
    place = (REGISTER, NUMBERS, path)
    fakes.log_files.files[place] = fakes.log_files.files[place][:-1] + b"?"
    give_numbers(fakes.ledger, 1)
    with pytest.raises(TileError):
        _extend(fakes)
    assert len(fakes.log_signer.signed) == 1


def test_other_bytes_under_a_name_stop_the_log(fakes: Fakes) -> None:
    """P7: nothing that was published is ever replaced."""
    fakes.log_files.files[REGISTER, NUMBERS, "tile/0/000.p/5"] = bytes(160)
    give_numbers(fakes.ledger, 5)
    with pytest.raises(LogForkError):
        _extend(fakes)
    assert not fakes.log_signer.signed


def test_a_checkpoint_of_another_tree_stops_the_log(fakes: Fakes) -> None:
    """P7: the same size is never signed with two roots."""
    other = Fakes(log_signer=fakes.log_signer)
    give_numbers(other.ledger, 5)
    entry = other.ledger._entries[REGISTER, 5, 0]
    other.ledger._entries[REGISTER, 5, 0] = replace(entry, commitment="0" * 64)
    _extend(other)
    path = checkpoint_path(5)
    fakes.log_files.files[REGISTER, NUMBERS, path] = other.log_files.files[REGISTER, NUMBERS, path]
    give_numbers(fakes.ledger, 5)
    with pytest.raises(LogForkError):
        _extend(fakes)


def test_a_signature_that_does_not_verify_is_not_published(fakes: Fakes) -> None:
    """P7: a key service that signs something else is noticed before anybody else does."""
    give_numbers(fakes.ledger, 5)
    wrong = _room(fakes, verify=lambda *_: False)
    with pytest.raises(NoteSignatureError):
        extend(REGISTER, NUMBERS, room=wrong)
    assert fakes.ledger.state(REGISTER, NUMBERS).note is None
    assert (REGISTER, NUMBERS, checkpoint_path(5)) not in fakes.log_files.files


def test_a_checkpoint_that_was_signed_is_used(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: killed between signing and publishing, the next run publishes the same note."""
    give_numbers(fakes.ledger, 5)

    def dead(*_: object) -> None:
        raise UnavailableError("dead")

    with monkeypatch.context() as patch:
        patch.setattr(fakes.ledger, "advance", dead)
        with pytest.raises(UnavailableError):
            _extend(fakes)
    note = _extend(fakes).note
    assert note == fakes.log_files.files[REGISTER, NUMBERS, checkpoint_path(5)]
    assert len(fakes.log_signer.signed) == 1


# -- all registers -------------------------------------------------------------


def test_all_registers_are_extended(fakes: Fakes) -> None:
    """P7: one run publishes both logs of every register, and says how much it did."""
    give_numbers(fakes.ledger, 5)
    give_numbers(fakes.ledger, 3, OTHER)
    void_numbers(fakes.ledger, 2)
    done = checkpoint_all(room=_room(fakes))
    assert (done.logs, done.extended, done.entries, done.failed) == (4, 3, 9, ())
    again = checkpoint_all(room=_room(fakes))
    assert (again.logs, again.extended, again.entries) == (4, 0, 0)


def test_one_register_that_fails_holds_up_no_other(fakes: Fakes) -> None:
    """P4: what is wrong is reported, and the rest is published."""
    give_numbers(fakes.ledger, 5)
    give_numbers(fakes.ledger, 3, OTHER)
    del fakes.ledger._entries[OTHER, 1, 0]
    done = checkpoint_all(room=_room(fakes))
    assert fakes.ledger.state(REGISTER, NUMBERS).head.size == 5
    assert [(f.register, f.log, f.error.code) for f in done.failed] == [
        (OTHER, NUMBERS, "log_fork")
    ]


def test_notes_hold_nothing_but_the_tree(fakes: Fakes) -> None:
    """P6: a checkpoint says origin, size and root; nothing of any document."""
    give_numbers(fakes.ledger, 5)
    note = Note.from_bytes(_extend(fakes).note or b"")
    assert len(note.text.splitlines()) == 3
