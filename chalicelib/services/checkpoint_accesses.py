"""Give accesses their place in the access logs, archive them, and sign how far the logs are (C5).

What was recorded waits until this runs; its order is fixed under a condition before anything is
hashed (docs/adr/0010). Leaves are private: they lie in the table, and under Object Lock in the
archive. Hashes of leaves, which are salted, and checkpoints are public, so that witnesses can hold
the agency to what it once had in its log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from chalicelib.domain.access_log import (
    MOST_PLACED,
    AccessLeaf,
    AccessRecord,
    LogSlice,
    place,
    slice_bytes,
)
from chalicelib.domain.errors import ArchiveError, RegisterConflictError, TraError
from chalicelib.domain.merkle import TILE_WIDTH
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.tlog import encode_bundle, parse_bundle
from chalicelib.ports import AccessStore, Archive, LogFiles, LogState, LogStore
from chalicelib.services.checkpoint import CheckpointRoom, FailedLog, extend

# Read at a time; a multiple of what is placed at a time.
_WAITING = 980
# Leaves archived in one object, at most: some six hundred kilobytes.
PAGE = 1_000
MEDIA_TYPE = "application/x-ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessCheckpointRoom:
    """Collaborators of `checkpoint_accesses`. `checkpoints` works on `AccessLogs`,
    `AccessLogFiles` and a `LeafKeeper`; `in_time` says whether there is time for more."""

    access_log: AccessStore
    checkpoints: CheckpointRoom
    in_time: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class CheckpointedAccesses:
    """What one run did: records that got their place, logs that became longer."""

    placed: int
    extended: int
    failed: tuple[FailedLog, ...]


def checkpoint_accesses(*, room: AccessCheckpointRoom) -> CheckpointedAccesses:
    """Place what waits, then extend each access log; one that fails holds up no other.

    Repeatable, and safe beside itself. Dies anywhere: some have their place, for ever; the rest
    follow, and what has its place is signed for by the next run. Raises UnavailableError if
    neither what waits nor the logs can be listed.
    """
    placed = place_waiting(room=room)
    extended, failed = 0, []
    for log in room.access_log.logs():
        try:
            extended += _extend(log, room)
        except TraError as error:
            failed.append(FailedLog(log, LogName.ACCESSES, error))
    return CheckpointedAccesses(placed, extended, tuple(failed))


def place_waiting(*, room: AccessCheckpointRoom) -> int:
    """Give what waits its place, oldest first; returns to how many. What comes meanwhile may
    wait for the next run, and so does what somebody else places at the same moment."""
    placed = 0
    while room.in_time():
        waiting = room.access_log.waiting(_WAITING)
        now_placed = sum(_place(log, mine, room) for log, mine in _by_log(waiting))
        placed += now_placed
        if not now_placed:
            break
    return placed


def _by_log(waiting: Iterable[AccessRecord]) -> Iterable[tuple[Register, list[AccessRecord]]]:
    logs: defaultdict[Register, list[AccessRecord]] = defaultdict(list)
    for record in waiting:
        logs[record.log].append(record)
    return logs.items()


def _place(log: Register, waiting: Sequence[AccessRecord], room: AccessCheckpointRoom) -> int:
    """Idempotency key of each write: the length the log had before."""
    length = room.access_log.length(log.register_id)
    done = 0
    for start in range(0, len(waiting), MOST_PLACED):
        some = waiting[start : start + MOST_PLACED]
        try:
            room.access_log.place(place(some, log.register_id, length + done))
        except RegisterConflictError:
            break  # somebody else is at it
        done += len(some)
    return done


def _extend(log: Register, room: AccessCheckpointRoom) -> bool:
    before = room.checkpoints.logs.state(log, LogName.ACCESSES)
    return extend(log, LogName.ACCESSES, room=room.checkpoints) != before


# -- the parts that make an access log a log like the others ----------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogs:
    """Port LogStore: leaves come from the access log's own store; how far a log is published is
    kept beside the registers' logs, where it is shown and co-signed."""

    access_log: AccessStore
    states: LogStore

    def sequence(self, register: Register) -> int:
        return self.access_log.length(register.register_id)

    def leaves(
        self, register: Register, _log: LogName, *, start: int, limit: int
    ) -> tuple[bytes, ...]:
        return self.access_log.leaves(register.register_id, start=start, limit=limit)

    def outcomes_of(self, _register: Register, _number: int, _child: int = 0) -> tuple[int, ...]:
        return ()

    def state(self, register: Register, log: LogName) -> LogState:
        return self.states.state(register, log)

    def advance(self, register: Register, log: LogName, old: LogState, new: LogState) -> None:
        self.states.advance(register, log, old, new)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogFiles:
    """Port LogFiles: tiles and checkpoints are public files; the entries, which are private, are
    no files at all, but read from the store where a log goes on."""

    access_log: AccessStore
    public: LogFiles

    def put(self, register: Register, log: LogName, path: str, data: bytes) -> None:
        if parse_bundle(path) is None:
            self.public.put(register, log, path, data)

    def get(self, register: Register, log: LogName, path: str) -> bytes | None:
        bundle = parse_bundle(path)
        if bundle is None:
            return self.public.get(register, log, path)
        start = bundle.index * TILE_WIDTH
        leaves = self.access_log.leaves(register.register_id, start=start, limit=bundle.width)
        return encode_bundle(leaves) if len(leaves) == bundle.width else None

    def link(self, register: Register, log: LogName, path: str, *, seconds: int) -> str:
        return self.public.link(register, log, path, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafKeeper:
    """Archives leaves under Object Lock before they are signed for, so that the whole log can be
    derived anew without the table, and nobody takes one away before its time."""

    archive: Archive
    lock_mode: LockMode
    years: int

    def keep(self, register: Register, start: int, leaves: Sequence[bytes]) -> None:
        """Idempotency key of this write: which leaves these are. Raises ArchiveError if others lie
        there."""
        last, content = AccessLeaf.from_bytes(leaves[-1]), slice_bytes(leaves)
        file = self.archive.put_once(
            LogSlice(start, start + len(leaves)).key(register),
            content,
            retain_until(last.at, self.years),
            self.lock_mode,
            media_type=MEDIA_TYPE,
        )
        if file.sha256 != sha256(content).hexdigest():
            raise ArchiveError("The archive holds other accesses at the place of these.")
