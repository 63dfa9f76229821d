"""An access log against what was signed of it, what is archived of it, and its records (C5, P6).

The leaves in the table and those in the archive are two copies; at every checkpoint the signed root
says which of them is right (see `replay`). Memory does not grow with the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import count as numbers_from
from itertools import groupby, islice

from chalicelib.domain.access_log import (
    LEAST_RETENTION_YEARS,
    AccessLeaf,
    AccessRecord,
    LogSlice,
    archive_prefix,
    read_leaf,
    slice_leaves,
)
from chalicelib.domain.findings import Fault, Findings, Report
from chalicelib.domain.merkle import TILE_WIDTH
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.retention import retain_until
from chalicelib.domain.tlog import EntryBundle, LeafError, encode_bundle, parse_bundle
from chalicelib.ports import ArchiveInventory, FileVersion, KeptAccess, LogInventory, LogState
from chalicelib.services.audit.files import unread
from chalicelib.services.audit.replay import Replay
from chalicelib.services.audit.room import AuditRoom, Progress

_LEAVES = 1_000
_SLICES_AT_ONCE = 100
_SLICES_KEPT = 16
_LOG = LogName.ACCESSES


def audit_accesses(log: Register, *, room: AuditRoom) -> Report:
    """Look at everything of one access log and report; nothing is written anywhere.

    Accesses recorded or placed while it runs are no findings. Raises UnavailableError if
    something cannot be read. Repeatable; dies anywhere: nothing happened.
    """
    visit = _Visit(log, room)
    # 1. How far the log is published. Read first: whatever comes later is newer.
    visit.begin()
    # 2. The leaves, built again and held against all checkpoints, the public files and the
    #    archive; each has its record.
    visit.replay_leaves()
    # 3. Each record has its leaf, or waits for it, and not for long.
    visit.walk_records()
    # 4. What is archived is locked for long enough, and there once.
    visit.sift_archive()
    return visit.report()


@dataclass
class _Visit:
    """One audit at work."""

    log: Register
    room: AuditRoom
    counts: Counter[str] = field(default_factory=Counter)
    sum_of_leaves: int = 0
    size: int = 0

    def begin(self) -> None:
        self.findings = Findings(self.log)
        self.started_at = self.room.clock()
        self.limit: datetime = self.started_at - self.room.patience
        self.state: LogState = self.room.logs.state(self.log, _LOG)

    # -- 2 -------------------------------------------------------------------

    def replay_leaves(self) -> None:
        replay = self._replay()
        for page in self._pages():
            placed = []
            for body in page:
                replay.add(body)
                leaf = self._read(body)
                if leaf is not None:
                    placed.append(leaf)
                self.size += 1
            self._examine_records_of(placed)
            self.room.watch(Progress("access log", self.size, self.state.head.size))
        replay.finish()
        self.counts["accesses"] = self.size
        self.counts["checkpoints"] = replay.checkpoints

    def _replay(self) -> Replay:
        files = ArchivedLeaves(self.log, self.room.log_files, self.room.archive)
        room = replace(self.room, log_files=files)
        return Replay(self.log, _LOG, self.state, room=room, findings=self.findings)

    def _pages(self) -> Iterator[tuple[bytes, ...]]:
        for start in numbers_from(0, _LEAVES):
            page = self.room.access_log.leaves(self.log.register_id, start=start, limit=_LEAVES)
            yield page
            if len(page) < _LEAVES:
                return

    def _read(self, body: bytes) -> AccessLeaf | None:
        try:
            leaf = read_leaf(body, self.size, self.log.register_id)
        except LeafError:
            self._find(Fault.ACCESS_LOG_MISMATCH, f"leaf {self.size}")
            return None
        if self.size == self.state.head.size and leaf.at < self.limit:
            self._find(Fault.LOG_BEHIND, f"leaf {self.size}")
        return leaf

    def _examine_records_of(self, leaves: Sequence[AccessLeaf]) -> None:
        ids = [leaf.access_id for leaf in leaves]
        kept = self.room.access_log.kept(self.log.register_id, ids)
        for leaf in leaves:
            self.sum_of_leaves += _number_of(leaf.access_id, leaf.seq)
            fault = self._fault_of(leaf, kept.get(leaf.access_id))
            if fault is not None:
                self._find(fault, f"leaf {leaf.seq}")

    def _fault_of(self, leaf: AccessLeaf, record: KeptAccess | None) -> Fault | None:
        if record is None:
            return Fault.ACCESS_RECORD_MISSING
        if record.body != leaf.record.to_bytes() or not record.listed:
            return Fault.ACCESS_RECORD_DIFFERS
        if record.seq == leaf.seq:
            return None
        twice = record.seq is not None and self._stands_at(record.seq, leaf.access_id)
        return Fault.ACCESS_DOUBLED if twice else Fault.ACCESS_MISPLACED

    # -- 3 -------------------------------------------------------------------

    def walk_records(self) -> None:
        sum_of_records = 0
        for record in self.room.access_log.all_kept(self.log.register_id):
            self.counts["records"] += 1
            if record.seq is None:
                self._examine_unplaced(record)
            elif record.seq < self.size:
                sum_of_records += _number_of(record.access_id, record.seq)
            else:
                self._examine_newer(record, record.seq)
        if sum_of_records != self.sum_of_leaves:
            self._look_for_misplaced()

    def _examine_unplaced(self, record: KeptAccess) -> None:
        self.counts["waiting"] += 1
        place = f"record {record.access_id}"
        read = self._record_of(record)
        if read is None:
            self._find(Fault.ACCESS_RECORD_DIFFERS, place)
        elif not record.waits:
            self._find(Fault.ACCESS_FORGOTTEN, place)
        elif read.at < self.limit:
            self._find(Fault.ACCESS_WAITS, place)

    def _examine_newer(self, record: KeptAccess, seq: int) -> None:
        """Placed while this audit was at work, or never."""
        if not self._stands_at(seq, record.access_id):
            self._find(Fault.ACCESS_MISPLACED, f"record {record.access_id}")

    def _record_of(self, kept: KeptAccess) -> AccessRecord | None:
        try:
            record = AccessRecord.from_bytes(kept.body)
        except LeafError:
            return None
        at_home = (record.access_id, record.log) == (kept.access_id, self.log)
        return record if at_home and kept.listed else None

    def _look_for_misplaced(self) -> None:
        """Leaves and records do not go together: look at each record again, now by its place."""
        for record in self.room.access_log.all_kept(self.log.register_id):
            seq = record.seq
            if seq is not None and seq < self.size and not self._stands_at(seq, record.access_id):
                self._find(Fault.ACCESS_MISPLACED, f"record {record.access_id}")

    def _stands_at(self, seq: int, access_id: str) -> bool:
        found = self.room.access_log.leaves(self.log.register_id, start=seq, limit=1)
        try:
            return bool(found) and AccessLeaf.from_bytes(found[0]).access_id == access_id
        except LeafError:
            return False

    # -- 4 -------------------------------------------------------------------

    def sift_archive(self) -> None:
        versions = self.room.archive.versions(archive_prefix(self.log))
        by_key = groupby(versions, key=lambda version: version.key)
        keys = ((key, list(islice(found, 2))) for key, found in by_key)
        while some := list(islice(keys, _SLICES_AT_ONCE)):
            self.counts["slices"] += len(some)
            for key, found in some:
                if len(found) > 1 or found[0].deleted:
                    self._find(Fault.MORE_THAN_ONE_VERSION, key)
                if LogSlice.of_key(key) is None:
                    self._find(Fault.FILE_WITHOUT_ENTRY, key)
            self._examine_locks([found[0] for _, found in some if not found[0].deleted])

    def _examine_locks(self, versions: Sequence[FileVersion]) -> None:
        files = [unread(version) for version in versions]
        for version, there in zip(
            versions, self.room.archive.examine(files, read_bytes=False), strict=True
        ):
            if there is None or there.lock_mode is None or there.retain_until is None:
                self._find(Fault.LOCK_MISSING, version.key)
            elif there.retain_until < self._due(version.key):
                self._find(Fault.LOCK_TOO_SHORT, version.key)

    def _due(self, key: str) -> datetime:
        """Of the youngest access in it, as the archive has it; what it should have, see above."""
        try:
            last = AccessLeaf.from_bytes(slice_leaves(self.room.archive.read(key) or b"")[-1])
        except (LeafError, IndexError):
            return self.started_at
        return retain_until(last.at, LEAST_RETENTION_YEARS)

    # ------------------------------------------------------------------------

    def report(self) -> Report:
        return Report(
            register=self.log,
            started_at=self.started_at,
            ended_at=self.room.clock(),
            counts=dict(self.counts),
            found=dict(self.findings.counted),
            findings=tuple(self.findings.kept),
        )

    def _find(self, fault: Fault, place: str) -> None:
        self.findings.add(fault, log=_LOG, place=place)


def _number_of(access_id: str, seq: int) -> int:
    """Summed up over leaves and over records this tells whether they are the same, in whatever
    order they pass by."""
    return int.from_bytes(sha256(f"{access_id}@{seq}".encode()).digest(), "big")


class ArchivedLeaves:
    """Port LogInventory: public files as they lie there, and bundles of entries, which are no
    files, out of what is archived of the log."""

    def __init__(self, log: Register, public: LogInventory, archive: ArchiveInventory) -> None:
        self._public = public
        found = {LogSlice.of_key(version.key) for version in archive.versions(archive_prefix(log))}
        self._slices = sorted(one for one in found if one is not None)
        self._starts = [one.start for one in self._slices]
        # A run that died before it signed left a slice that another one overlaps.
        self._most = max((one.end - one.start for one in self._slices), default=0)

        @lru_cache(maxsize=_SLICES_KEPT)
        def leaves_of(one: LogSlice) -> tuple[bytes, ...]:
            return slice_leaves(archive.read(one.key(log)) or b"")

        self._leaves_of = leaves_of

    def paths(self, register: Register, log: LogName, prefix: str) -> Iterator[str]:
        return self._public.paths(register, log, prefix)

    def read(
        self, register: Register, log: LogName, paths: Sequence[str]
    ) -> tuple[bytes | None, ...]:
        bundles = {path: bundle for path in paths if (bundle := parse_bundle(path)) is not None}
        public = [path for path in paths if path not in bundles]
        found = dict(zip(public, self._public.read(register, log, public), strict=True))
        return tuple(
            self._bundle(bundles[path]) if path in bundles else found[path] for path in paths
        )

    def _bundle(self, bundle: EntryBundle) -> bytes | None:
        start = bundle.index * TILE_WIDTH
        leaves: list[bytes] = []
        while len(leaves) < bundle.width:
            more = self._from(start + len(leaves))
            if not more:
                return None
            leaves += more[: bundle.width - len(leaves)]
        return encode_bundle(leaves)

    def _from(self, index: int) -> tuple[bytes, ...]:
        """Leaves from this one on, as far as one slice holds them."""
        for place in range(bisect_right(self._starts, index) - 1, -1, -1):
            one = self._slices[place]
            if one.start + self._most <= index:
                break
            if index < one.end:
                return self._leaves_of(one)[index - one.start :]
        return ()
