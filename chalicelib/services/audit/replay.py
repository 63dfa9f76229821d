"""Build a public log again, leaf by leaf, and compare it with everything published of it (P7).

Two trees grow side by side where they have to: one from what the register says (`ours`)
and one from the published entry bundles (`theirs`). At every checkpoint ever signed, the
signed root says which of the two is right: so a changed entry, a damaged file and
a forked log are told apart. Memory: one bundle and one tile per level, and a few
dozen small files read ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice

from chalicelib.domain.errors import TraError
from chalicelib.domain.findings import Fault, Findings
from chalicelib.domain.merkle import EMPTY_HEAD, TILE_HEIGHT, TILE_WIDTH, TileError
from chalicelib.domain.notes import Checkpoint, open_checkpoint
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import (
    EntryBundle,
    FileName,
    Growth,
    HashTile,
    LogFile,
    decode_bundle,
)
from chalicelib.ports import LogState
from chalicelib.services.audit.room import AuditRoom
from chalicelib.services.checkpoint import checkpoint_path, log_key

_CHECKPOINTS = "checkpoints/"
_AHEAD = 32
_MOST_SUSPECTS = 1_000

_MISMATCH = {
    LogName.NUMBERS: Fault.NUMBER_LOG_MISMATCH,
    LogName.OUTCOMES: Fault.OUTCOME_LOG_MISMATCH,
    LogName.ACCESSES: Fault.ACCESS_LOG_MISMATCH,
}


@dataclass(frozen=True, slots=True)
class _Judge:
    """A signed statement about the tree of `size` leaves."""

    size: int
    note: bytes | None
    place: str


class Replay:
    """One log, built again: `add` every leaf in order, then `finish`."""

    def __init__(
        self,
        register: Register,
        log: LogName,
        state: LogState,
        *,
        room: AuditRoom,
        findings: Findings,
    ) -> None:
        self.size = 0
        self.checkpoints = 0
        self._register, self._log, self._state = register, log, state
        self._room, self._findings = room, findings
        self._key = log_key(register, log, public_url=room.public_url, public_key=room.log_key())
        self._ours = _empty()
        self._theirs: Growth | None = None
        self._block: list[bytes | None] = []
        self._suspects: list[int] = []
        self._compared: dict[int, HashTile] = {}
        self._ahead: dict[str, bytes | None] = {}
        self._judges = self._all_judges()
        self._next = next(self._judges, None)

    @property
    def published(self) -> int:
        """How many leaves the log is published with."""
        return self._state.head.size

    def add(self, leaf: bytes | None) -> None:
        """The next leaf; None for one the register has lost, which is told elsewhere."""
        self._block.append(leaf)
        self.size += 1
        if len(self._block) == TILE_WIDTH:
            self._settle()
        while self._next is not None and self._next.size <= self.size:
            self._judge(self._next)
            self._next = next(self._judges, None)

    def finish(self) -> None:
        """No more leaves. What was signed beyond them contradicts the register, unless it
        came while this audit was at work."""
        while self._next is not None:
            judge, self._next = self._next, next(self._judges, None)
            if not judge.place:
                self._find(_MISMATCH[self._log], place=f"size {judge.size}")
            elif judge.size > self._state.head.size and not self._grown_meanwhile(judge.size):
                self._find(Fault.CHECKPOINT_HISTORY, place=judge.place)

    # -- leaves --------------------------------------------------------------

    def _settle(self) -> None:
        """A bundle is full: grow by it, and compare the files that are full with it."""
        published = self.size <= self._state.head.size
        bundle = EntryBundle(self.size // TILE_WIDTH - 1)
        stored = self._entries_in(bundle) if published else None
        leaves = self._sure(self._block, stored)
        self._block = []
        self._note_difference(bundle, leaves, stored)
        ours = theirs = list(self._ours.add(leaves))
        if self._theirs is not None:
            theirs = list(self._theirs.add(leaves if stored is None else stored))
        if published:
            self._compare(ours, theirs)

    def _sure(self, leaves: Sequence[bytes | None], stored: Sequence[bytes] | None) -> list[bytes]:
        """Our leaves; a lost one is taken from what was published, so that one gap does
        not make everything after it look wrong."""
        instead = stored if stored is not None else [b""] * len(leaves)
        return [b if a is None else a for a, b in zip(leaves, instead, strict=True)]

    def _note_difference(
        self, bundle: EntryBundle, leaves: Sequence[bytes], stored: Sequence[bytes] | None
    ) -> None:
        if stored is None or list(stored) == list(leaves):
            return
        if self._theirs is None:
            self._theirs = deepcopy(self._ours)
        start = bundle.index * TILE_WIDTH
        differing = [start + n for n, leaf in enumerate(leaves) if leaf != stored[n]]
        self._suspects += differing[: _MOST_SUSPECTS - len(self._suspects)]

    # -- judgement -----------------------------------------------------------

    def _all_judges(self) -> Iterator[_Judge]:
        """Every kept checkpoint and the one that is published, smallest first."""
        published = _Judge(self._state.head.size, self._state.note, "")
        kept_published = self._state.note is None
        for judge in self._kept():
            if judge.size == 0:
                continue  # says nothing: every log begins with the empty tree
            if not kept_published and judge.size >= published.size:
                kept_published = True
                if judge.size != published.size:
                    self._find(Fault.CHECKPOINT_HISTORY, place=checkpoint_path(published.size))
                yield published
            yield judge
        if not kept_published:
            self._find(Fault.CHECKPOINT_HISTORY, place=checkpoint_path(published.size))
            yield published

    def _kept(self) -> Iterator[_Judge]:
        """Kept checkpoints, a few at a time, with the partial files of their sizes."""
        paths = self._room.log_files.paths(self._register, self._log, _CHECKPOINTS)
        while chunk := list(islice(paths, _AHEAD)):
            sizes = {path: self._size_in(path) for path in chunk}
            partial = [
                name.path
                for size in sizes.values()
                if size is not None and size <= self._state.head.size
                for name in _partial_files(size)
            ]
            wanted = list(dict.fromkeys([*chunk, *partial]))
            found = self._room.log_files.read(self._register, self._log, wanted)
            self._ahead = dict(zip(wanted, found, strict=True))
            for path, size in sizes.items():
                if size is None:
                    self._find(Fault.CHECKPOINT_HISTORY, place=path)
                else:
                    yield _Judge(size, self._ahead[path], path)

    def _size_in(self, path: str) -> int | None:
        digits = path.removeprefix(_CHECKPOINTS)
        if not (digits.isascii() and digits.isdigit()) or checkpoint_path(int(digits)) != path:
            return None
        return int(digits)

    def _judge(self, judge: _Judge) -> None:
        """Let a signed root decide which of the trees is right."""
        self.checkpoints += judge.place != ""
        root = self._signed_root(judge)
        if root is None:
            return
        stored = self._partial_entries(judge.size)
        leaves = self._sure(self._block, stored)
        bundle = EntryBundle(self.size // TILE_WIDTH, max(len(leaves), 1))
        self._note_difference(bundle, leaves, stored)
        ours, theirs = deepcopy(self._ours), deepcopy(self._theirs)
        _feed(ours, leaves)
        if theirs is not None:
            _feed(theirs, leaves if stored is None else stored)
        if judge.size <= self._state.head.size:
            self._compare(list(ours.finish()), list((theirs or ours).finish()))
        if root == (theirs or ours).head.root:
            self._blame_register(stored)
        elif root == ours.head.root:
            self._blame_files()
        else:
            self._find(Fault.FORKED_LOG, place=judge.place or f"size {judge.size}")

    def _signed_root(self, judge: _Judge) -> bytes | None:
        if judge.note is None:
            self._find(Fault.CHECKPOINT_HISTORY, place=judge.place)
            return None
        try:
            checkpoint = self._opened(judge.note)
        except TraError:
            self._find(Fault.CHECKPOINT_SIGNATURE, place=judge.place or f"size {judge.size}")
            return None
        if checkpoint.size != judge.size:
            self._find(Fault.CHECKPOINT_HISTORY, place=judge.place)
            return None
        if not judge.place and checkpoint.head != self._state.head:
            self._find(Fault.CHECKPOINT_SIGNATURE, place=f"size {judge.size}")
        return checkpoint.root

    def _opened(self, note: bytes) -> Checkpoint:
        return open_checkpoint(note, self._key, self._room.verify).checkpoint

    def _blame_register(self, stored: Sequence[bytes] | None) -> None:
        """What is published is what was signed: entries were changed afterwards. From here
        on the published leaves are built upon."""
        for index in self._suspects:
            number = index + 1 if self._log is LogName.NUMBERS else None
            self._find(_MISMATCH[self._log], number=number, place=f"leaf {index}")
        self._suspects = []
        if self._theirs is not None:
            self._ours, self._theirs = self._theirs, None
            if stored is not None:
                self._block = list(stored)

    def _blame_files(self) -> None:
        """What the register says is what was signed: published files were changed."""
        for index in dict.fromkeys(suspect // TILE_WIDTH for suspect in self._suspects):
            self._find(Fault.TILE_DAMAGED, place=f"tile/entries bundle {index}")
        self._suspects = []
        self._theirs = None

    def _grown_meanwhile(self, size: int) -> bool:
        return self._room.logs.state(self._register, self._log).head.size >= size or (
            self._log is LogName.NUMBERS
            and self._room.registers.head(self._register).last_number >= size
        )

    # -- files ---------------------------------------------------------------

    def _entries_in(self, bundle: EntryBundle) -> tuple[bytes, ...] | None:
        (data,) = self._stored([bundle.path])
        try:
            return decode_bundle(_there(data), bundle.width)
        except TileError:
            self._find(Fault.TILE_DAMAGED, place=bundle.path)
            return None

    def _partial_entries(self, size: int) -> tuple[bytes, ...] | None:
        width = size % TILE_WIDTH
        if not width or size > self._state.head.size:
            return None
        return self._entries_in(EntryBundle(size // TILE_WIDTH, width))

    def _compare(self, ours: Sequence[LogFile], theirs: Sequence[LogFile]) -> None:
        """Published tiles with what they must be; one that fits either tree is not damaged
        itself. The bundle's own leaves were compared one by one."""
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if self._is_new(a.name)]
        found = self._stored([our.name.path for our, _ in pairs])
        for (our, their), data in zip(pairs, found, strict=True):
            if data not in (our.data, their.data):
                self._find(Fault.TILE_DAMAGED, place=our.name.path)

    def _is_new(self, name: FileName) -> bool:
        """Not compared a moment ago: checkpoints share the partial tiles of upper levels."""
        if not isinstance(name, HashTile):
            return False
        before = self._compared.get(name.level)
        self._compared[name.level] = name
        return name != before

    def _stored(self, paths: Sequence[str]) -> list[bytes | None]:
        missing = [path for path in paths if path not in self._ahead]
        read = self._room.log_files.read(self._register, self._log, missing) if missing else ()
        known = {**self._ahead, **dict(zip(missing, read, strict=True))}
        return [known[path] for path in paths]

    def _find(self, fault: Fault, *, number: int | None = None, place: str) -> None:
        self._findings.add(fault, number=number, log=self._log, place=place)


def _empty() -> Growth:
    """A log from its beginning; it reads nothing."""

    def nothing(name: object) -> bytes:
        raise TileError(f"An empty log has no file {name}.")

    return Growth(EMPTY_HEAD, nothing)


def _there(data: bytes | None) -> bytes:
    if data is None:
        raise TileError("A published file is not there.")
    return data


def _feed(growth: Growth, leaves: Sequence[bytes]) -> None:
    for _ in growth.add(leaves):
        pass


def _partial_files(size: int) -> Iterator[FileName]:
    """The files at the right edge of a log of `size` entries that are not full."""
    if width := size % TILE_WIDTH:
        yield EntryBundle(size // TILE_WIDTH, width)
    level = 0
    while count := size >> TILE_HEIGHT * level:
        index, width = divmod(count, TILE_WIDTH)
        if width:
            yield HashTile(level, index, width)
        level += 1
