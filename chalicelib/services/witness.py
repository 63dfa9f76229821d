"""Witness: what another agency does before it puts its name to a log's state (P7).

A witness remembers the last state it signed and signs only what continues it. It needs
nothing but the public addresses of the log, and the log's key, which it got once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, Protocol

from chalicelib.domain.errors import TraError
from chalicelib.domain.merkle import Proof, ProofError, TreeHead, verify_consistency
from chalicelib.domain.notes import (
    Checkpoint,
    Note,
    NoteSignature,
    Sign,
    VerifierKey,
    Verify,
    cosign,
    open_checkpoint,
)
from chalicelib.ports import Clock


class HistoryForkedError(TraError):
    """The log shows a history that does not continue the one this witness signed.

    `seen` and `offered` are both notes, each signed by the log: together they are the
    proof, which nobody can take back, that it told two stories.
    """

    code = "history_forked"

    def __init__(self, what: str, what_th: str, *, seen: bytes, offered: bytes) -> None:
        notes = f"\n\nseen before:\n{seen.decode()}\noffered now:\n{offered.decode()}"
        super().__init__(what + notes, what_th + notes)
        self.seen = seen
        self.offered = offered


class PublicLog(Protocol):
    """A log as the public sees it. Everything it says may be a lie."""

    def checkpoint(self) -> bytes: ...

    def consistency(self, old_size: int, new_size: int) -> Proof: ...


class Notebook(Protocol):
    """What a witness remembers of one log. One process at a time has it."""

    def last(self) -> bytes | None:
        """The note that was signed last."""

    def keep(self, note: bytes) -> None:
        """Remember; survives the end of the process from the moment it returns."""

    def keep_evidence(self, seen: bytes, offered: bytes) -> None:
        """Put both notes of a fork aside, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRoom:
    """Collaborators of `witness`. `sign` makes Ed25519 signatures with `key`."""

    log: PublicLog
    log_key: VerifierKey
    notebook: Notebook
    key: VerifierKey
    sign: Sign
    verify: Verify
    clock: Clock


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What was co-signed, and the line to submit."""

    checkpoint: Checkpoint
    previous_size: int
    cosignature: NoteSignature


def witness(*, room: WitnessRoom) -> Witnessed:
    """Co-sign the log's current checkpoint, if it continues the last one seen.

    Dies before it remembers: nothing was signed. Dies after: the next run signs the same
    state again, which is harmless, or a later one that continues it (P8).

    Raises NoteError or NoteSignatureError if the checkpoint is not the log's,
    HistoryForkedError if the log went back or shows another history.
    """
    # 1. What the log says now, by its own signature.
    offered = room.log.checkpoint()
    now = open_checkpoint(offered, room.log_key, room.verify).checkpoint
    # 2. Does it continue what was signed before?
    seen = room.notebook.last()
    before = _head(seen)
    try:
        _demand_continuation(before, now.head, room.log)
    except ProofError as error:
        _refuse(error, seen, offered, room)
    # 3. Remember first: what is not remembered could be contradicted by the next signature.
    room.notebook.keep(offered)
    # 4. Sign.
    timestamp = int(room.clock().timestamp())
    return Witnessed(now, before.size, cosign(now, room.key, timestamp, room.sign))


def _head(seen: bytes | None) -> TreeHead:
    """The tree of a note that this witness wrote down; without one, no leaf was seen."""
    if seen is None:
        return TreeHead(0, b"")
    return Checkpoint.parse(Note.from_bytes(seen).text).head


def _demand_continuation(before: TreeHead, now: TreeHead, log: PublicLog) -> None:
    """Raises ProofError unless `now` begins with all of `before` (RFC 9162 2.1.4.2)."""
    if before.size == 0:
        return
    if before.size >= now.size:
        verify_consistency(before, now, ())
        return
    verify_consistency(before, now, log.consistency(before.size, now.size))


def _refuse(error: ProofError, seen: bytes | None, offered: bytes, room: WitnessRoom) -> NoReturn:
    if seen is None:
        raise error
    room.notebook.keep_evidence(seen, offered)
    raise HistoryForkedError(
        f"Not signed: the log does not continue what this witness signed. {error.detail}",
        f"ไม่ลงนาม: ทะเบียนไม่ต่อเนื่องจากสถานะที่พยานเคยลงนาม {error.detail_th}",
        seen=seen,
        offered=offered,
    ) from error
