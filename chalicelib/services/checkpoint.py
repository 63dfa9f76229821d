"""Checkpoint: extend the logs of every register and sign how far they are (P7). The access logs are
extended in the same way (services/checkpoint_accesses.py).

Whatever was signed once holds for ever, so everything is looked at before it is
signed: each leaf is in its own place, the files lie there, the log is what was
published before with more behind it, and the signature verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.access_log import AccessLeaf
from chalicelib.domain.errors import LogForkError, RegisterConflictError, TraError
from chalicelib.domain.merkle import TreeHead
from chalicelib.domain.notes import (
    Checkpoint,
    KeyKind,
    VerifierKey,
    Verify,
    open_checkpoint,
    sign_checkpoint,
)
from chalicelib.domain.registers import REGISTER_LOGS, LogName, Register
from chalicelib.domain.tlog import FileName, Growth, LogFile, NumberLeaf, OutcomeLeaf
from chalicelib.ports import LogFiles, LogSigner, LogState, LogStore, RegisterStore

_PAGE = 1_000
# A long way is gone in strides, each ending in a checkpoint: a function that runs out of
# time has lost one stride, not everything. A multiple of 256 leaves no partial tiles.
_STRIDE = 65_536
# Each conflict means that somebody else came further, or a witness co-signed.
_MAX_CONFLICTS = 8


Keep = Callable[[Register, int, Sequence[bytes]], None]
"""Takes leaves of a log, from this place on, before they are signed for."""


def _keep_nothing(_register: Register, _start: int, _leaves: Sequence[bytes]) -> None:
    """What is in the tables and in the public files is kept well enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRoom:
    """Collaborators of `extend`. `verify` checks an Ed25519 signature; `keep` keeps leaves
    elsewhere as well."""

    registers: RegisterStore
    logs: LogStore
    files: LogFiles
    signer: LogSigner
    verify: Verify
    public_url: str
    keep: Keep = _keep_nothing
    page: int = _PAGE
    stride: int = _STRIDE


@dataclass(frozen=True, slots=True)
class FailedLog:
    """A log that could not be extended, and why. It stays as it was published."""

    register: Register
    log: LogName
    error: TraError


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """What one run did: logs looked at, those that became longer, by how many entries."""

    logs: int
    extended: int
    entries: int
    failed: tuple[FailedLog, ...]


def checkpoint_all(*, room: CheckpointRoom) -> Checkpointed:
    """Extend both logs of every register; one that fails holds up no other.

    An unchanged log costs two small reads. Repeatable, and safe beside itself.
    Raises only if the registers cannot be listed. Dies anywhere: see `extend`.
    """
    looked_at, added, failed = 0, [], []
    for register in room.registers.registers():
        for log in REGISTER_LOGS:
            looked_at += 1
            try:
                added.append(_extend(register, log, room)[1])
            except TraError as error:
                failed.append(FailedLog(register, log, error))
    return Checkpointed(looked_at, sum(map(bool, added)), sum(added), tuple(failed))


def extend(register: Register, log: LogName, *, room: CheckpointRoom) -> LogState:
    """Publish a checkpoint over everything the log has to say now; returns its state.

    Nothing new: nothing is written and nothing signed. Repeatable, and safe beside
    itself: files are written once, a checkpoint of a size is one text, and the state
    moves by a conditional write, forward only.

    Dies while files are written: the log is the one published before; the next run writes
    the same bytes to the same names, because leaves never change place. Dies after
    signing: a checkpoint that continues the published one is known to nobody, or lies
    among the files, and the next run of that size publishes just this one. Dies after
    publishing: it is done.

    Raises LogForkError if a leaf, a file or the register contradicts what was published,
    TileError if the published files are damaged, RegisterConflictError if others were
    faster again and again, UnavailableError.
    """
    state, _ = _extend(register, log, room)
    return state


def log_key(register: Register, log: LogName, *, public_url: str, public_key: bytes) -> VerifierKey:
    """The log's verifier key. Its name, the origin of all its checkpoints, is the log's
    public address without scheme, so that each log has a name of its own (tlog-checkpoint)."""
    _, _, address = public_url.partition("://")
    origin = f"{address}/v1/registers/{register.register_id}/{log}"
    return VerifierKey(origin, KeyKind.LOG, public_key)


def checkpoint_path(size: int) -> str:
    """Where the checkpoint of that size is kept; sorted by name they are the history."""
    return f"checkpoints/{size:012d}"


def _extend(register: Register, log: LogName, room: CheckpointRoom) -> tuple[LogState, int]:
    """The state, and by how many entries the log became longer meanwhile."""
    begun = state = room.logs.state(register, log)
    for conflicts in range(_MAX_CONFLICTS + 1):
        try:
            state = _extend_from(state, register, log, room)
            break
        except RegisterConflictError:
            if conflicts == _MAX_CONFLICTS:
                raise
            state = room.logs.state(register, log)
    return state, state.head.size - begun.head.size


def _extend_from(
    state: LogState, register: Register, log: LogName, room: CheckpointRoom
) -> LogState:
    """Raises RegisterConflictError where somebody else was faster."""
    # 1. How long the log is, each leaf in its place for ever. Read after the state was:
    #    it can only be as long, or longer.
    length = _length(register, log, room)
    if length < state.head.size:
        raise _contradiction(register, log, "the register is shorter than its published log")
    # 2. Go there.
    while state.head.size < length:
        state = _stride(register, log, state, length, room)
    return state


def _length(register: Register, log: LogName, room: CheckpointRoom) -> int:
    """How many leaves have their place. The number log waits for nobody: leaf *i* is
    number *i + 1* from the moment it is given."""
    if log is LogName.NUMBERS:
        return room.registers.head(register).last_number
    return room.logs.sequence(register)


def _stride(
    register: Register, log: LogName, state: LogState, length: int, room: CheckpointRoom
) -> LogState:
    """Publish a checkpoint over the next leaves, at most `room.stride` of them."""
    # 1. Continue from the published tree, whose edge is read and checked against its root.
    growth = Growth(state.head, lambda name: _read(register, log, name, room))
    # 2. Files first: whoever reads a checkpoint finds all that it needs.
    end = min(length, state.head.size // room.stride * room.stride + room.stride)
    start = state.head.size
    for page in _pages(register, log, start, end, room):
        room.keep(register, start, page)
        _store(register, log, growth.add(page), room)
        start += len(page)
    _store(register, log, growth.finish(), room)
    # 3. Sign, or find what a run that died had signed.
    head = growth.head
    longer = LogState(head, _signed(register, log, head, room))
    # 4. Publish. Co-signatures were over the note before.
    room.logs.advance(register, log, state, longer)
    return longer


def _read(register: Register, log: LogName, name: FileName, room: CheckpointRoom) -> bytes:
    data = room.files.get(register, log, name.path)
    if data is None:
        raise _contradiction(register, log, f"the published file {name.path} is not there")
    return data


def _store(
    register: Register, log: LogName, files: Iterable[LogFile], room: CheckpointRoom
) -> None:
    for file in files:
        room.files.put(register, log, file.name.path, file.data)


def _pages(
    register: Register, log: LogName, start: int, end: int, room: CheckpointRoom
) -> Iterator[tuple[bytes, ...]]:
    """Leaves `start` to `end`, each checked to be the one of its place (P1)."""
    while start < end:
        page = room.logs.leaves(register, log, start=start, limit=min(room.page, end - start))
        if not page:
            raise _contradiction(register, log, f"leaf {start} is missing")
        for index, leaf in enumerate(page, start):
            _demand_place(leaf, index, register, log)
        yield page
        start += len(page)


def _demand_place(leaf: bytes, index: int, register: Register, log: LogName) -> None:
    """Raises LeafError, or LogForkError if it is the leaf of another place."""
    stated: tuple[str, int]
    match log:
        case LogName.NUMBERS:
            number = NumberLeaf.from_bytes(leaf)
            stated = number.register_id, number.number - 1
        case LogName.OUTCOMES:
            outcome = OutcomeLeaf.from_bytes(leaf)
            stated = outcome.register_id, outcome.seq
        case LogName.ACCESSES:
            access = AccessLeaf.from_bytes(leaf)
            stated = access.log_id, access.seq
    if stated != (register.register_id, index):
        raise _contradiction(register, log, f"leaf {index} says that it is another")


def _signed(register: Register, log: LogName, head: TreeHead, room: CheckpointRoom) -> bytes:
    """The one note over `head`, kept as a file of its own and verified."""
    key = log_key(register, log, public_url=room.public_url, public_key=room.signer.public_key)
    checkpoint = Checkpoint(key.name, head.size, head.root)
    path = checkpoint_path(head.size)
    note = room.files.get(register, log, path)
    if note is None:
        note = sign_checkpoint(checkpoint, key, room.signer.sign).to_bytes()
    if open_checkpoint(note, key, room.verify).checkpoint != checkpoint:
        raise _contradiction(register, log, f"another checkpoint of size {head.size} was signed")
    room.files.put(register, log, path, note)
    return note


def _contradiction(register: Register, log: LogName, what: str) -> LogForkError:
    return LogForkError(
        f"The {log} log of {register.register_id} was not extended: {what}.",
        f"ไม่ได้ขยายบันทึกสาธารณะ {log} ของทะเบียน {register.register_id} เนื่องจากข้อมูลขัดแย้งกัน",
    )
