"""A witness: what it remembers, and that it remembers before it signs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.ed25519 import WitnessKey, verify
from chalicelib.adapters.memory_logs import MemoryLogSigner
from chalicelib.adapters.witness_files import NotebookFiles, new_key, read_key
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.merkle import Proof
from chalicelib.domain.notes import (
    Checkpoint,
    KeyKind,
    NoteError,
    NoteSignatureError,
    VerifierKey,
    sign_checkpoint,
)
from chalicelib.services.witness import HistoryForkedError, WitnessRoom, witness
from tests.support.samples import NOON

ORIGIN = "tra.test/v1/registers/diw/licence/2026/numbers"
WITNESS = WitnessKey("witness.example", b"w" * 32)
LOG = MemoryLogSigner()
LOG_KEY = VerifierKey(ORIGIN, KeyKind.LOG, LOG.public_key)


class Told:
    """A log that says what the test wants."""

    def __init__(self, size: int, root: bytes, *, signer: MemoryLogSigner = LOG) -> None:
        key = VerifierKey(ORIGIN, KeyKind.LOG, signer.public_key)
        self.note = sign_checkpoint(Checkpoint(ORIGIN, size, root), key, signer.sign).to_bytes()

    def checkpoint(self) -> bytes:
        return self.note

    def consistency(self, old_size: int, new_size: int) -> Proof:
        return ()


def _room(log: Told, notebook: Any, sign: Any = WITNESS.sign) -> WitnessRoom:
    return WitnessRoom(
        log=log,
        log_key=LOG_KEY,
        notebook=notebook,
        key=WITNESS.verifier,
        sign=sign,
        verify=verify,
        clock=lambda: NOON,
    )


def test_it_remembers_before_it_signs(tmp_path: Path) -> None:
    """P8: killed while signing, it already knows what its next signature must continue."""
    notebook = NotebookFiles(tmp_path)
    log = Told(3, bytes(32))

    def dead(_message: bytes) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        witness(room=_room(log, notebook, dead))
    assert notebook.last() == log.note


def test_a_proof_that_proves_nothing_is_not_signed_over(tmp_path: Path) -> None:
    """P7: without a proof that holds, nothing is signed; both notes are put aside."""
    notebook = NotebookFiles(tmp_path)
    seen, offered = Told(3, bytes(32)), Told(5, b"1" * 32)
    witness(room=_room(seen, notebook))
    with pytest.raises(HistoryForkedError) as caught:
        witness(room=_room(offered, notebook))
    assert seen.note.decode() in caught.value.detail
    assert offered.note.decode() in caught.value.detail
    assert notebook.last() == seen.note
    kept = {path.name[-7:]: path.read_bytes() for path in tmp_path.glob("fork-*")}
    assert set(kept.values()) == {seen.note, offered.note}


def test_another_key_is_not_the_log(tmp_path: Path) -> None:
    """P7: whoever answers at the log's address must also have its key."""
    stranger = Told(3, bytes(32), signer=MemoryLogSigner(b"s" * 32))
    notebook = NotebookFiles(tmp_path)
    with pytest.raises(NoteSignatureError):
        witness(room=_room(stranger, notebook))
    assert notebook.last() is None


def test_the_logs_key_is_believed_once(tmp_path: Path) -> None:
    """P7: a key that changes later is refused."""
    with NotebookFiles.opened(tmp_path, "https://tra.test/log") as notebook:
        assert notebook.trust(LOG_KEY) == LOG_KEY
    other = VerifierKey(ORIGIN, KeyKind.LOG, bytes(32))
    with (
        NotebookFiles.opened(tmp_path, "https://tra.test/log") as notebook,
        pytest.raises(NoteSignatureError),
    ):
        notebook.trust(other)
    with NotebookFiles.opened(tmp_path, "https://tra.test/log2") as notebook:
        assert notebook.trust(other) == other


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """P8: two at once could sign two histories."""
    with NotebookFiles.opened(tmp_path, "log"):
        another = NotebookFiles.opened(tmp_path, "log")
        with pytest.raises(ConfigurationError):
            another.__enter__()


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    """P6: the key is its owner's alone, comes back as it was, and shows itself nowhere."""
    path = tmp_path / "key"
    key = new_key(path, "witness.example")
    assert path.stat().st_mode & 0o077 == 0
    assert read_key(path) == key
    assert VerifierKey.parse(key.verifier.vkey).kind is KeyKind.WITNESS
    with pytest.raises(FileExistsError):
        new_key(path, "witness.example")
    assert key.seed.hex() not in repr(key)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text.replace("PRIVATE+KEY+", ""),
        lambda text: text.replace("witness.example", "witness.other"),
        lambda text: text[:-6] + "\n",
        lambda text: text.rpartition("+")[0] + "+!!!!",
    ],
    ids=["empty", "unmarked", "renamed", "short", "not-base64"],
)
def test_what_is_no_key_file_is_refused(spoil: Any) -> None:
    """P6: a damaged key signs nothing."""
    with pytest.raises(NoteError):
        WitnessKey.parse(spoil(WITNESS.to_text()))


def test_a_name_that_cannot_be_leaves_no_file(tmp_path: Path) -> None:
    """P6: a key name is a URL without scheme, spaces and plus."""
    with pytest.raises(NoteError):
        new_key(tmp_path / "key", "two words")
    assert not (tmp_path / "key").exists()
