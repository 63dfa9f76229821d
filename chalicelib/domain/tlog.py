"""The two public logs of a register year, as files (P7).

C2SP tlog-tiles: hash tiles and entry bundles under paths of their own, written
once and never changed, so that everything below a signed checkpoint can be
cached, copied and checked by anyone. `Growth` says which files a longer log
needs; `NumberLeaf` and `OutcomeLeaf` are what an entry of a log says.

Leaves are canonical JSON, hold identifiers and digests only, and never the
content digest itself but a salted commitment to it (`commit`), because the
content of a medical certificate, say, can be guessed and then confirmed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.errors import TraError
from chalicelib.domain.merkle import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Frontier,
    TileError,
    TileReader,
    TreeHead,
    layers_over,
    leaf_hash,
    split_hashes,
)

MAX_ENTRY_BYTES = 0xFFFF
"""An entry bundle gives the length of an entry in two bytes."""
MAX_LEVEL = 63
SALT_BYTES = 32
LEAF_VERSION = 1


class PathError(TraError):
    """No file of a log has this path."""

    code = "no_such_tile"


class LeafError(TraError):
    """A log entry is not the canonical form of a leaf."""

    code = "leaf_malformed"


class CommitmentError(TraError):
    """The content is not the one that was committed to at numbering (P2)."""

    code = "commitment_broken"


# -- files -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class HashTile:
    """`width` hashes of perfect subtrees of 256**level leaves; full with 256."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _demand_position(self.index, self.width)
        if not 0 <= self.level <= MAX_LEVEL:
            raise ValueError("a tile's level is 0 to 63")

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{_index_path(self.index, self.width)}"


@dataclass(frozen=True, slots=True, order=True)
class EntryBundle:
    """`width` log entries, those whose hashes are in the level 0 tile of this index."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _demand_position(self.index, self.width)

    @property
    def path(self) -> str:
        return f"tile/entries/{_index_path(self.index, self.width)}"


FileName = HashTile | EntryBundle

FileReader = Callable[[FileName], bytes]
"""Bytes of one file, which exists: every checkpoint's files are kept. Raises
whatever the store raises otherwise."""

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)
_MAX_PATH = 64
"""Room for any index that a tree of 2**63 leaves can have."""


def parse_path(path: str) -> FileName:
    """The file that `path` names. Raises PathError unless it is the one spelling of it."""
    match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
    if match is None:
        raise _no_such_path()
    index = int(re.sub("[x/]", "", match["index"]))
    width = int(match["width"] or TILE_WIDTH)
    try:
        name = _file_name(match["level"], index, width)
    except ValueError as error:
        raise _no_such_path() from error
    if name.path != path:
        raise _no_such_path()
    return name


def parse_bundle(path: str) -> EntryBundle | None:
    """The entry bundle that `path` names; None if it names anything else."""
    try:
        name = parse_path(path)
    except PathError:
        return None
    return name if isinstance(name, EntryBundle) else None


@dataclass(frozen=True, slots=True)
class LogFile:
    """One immutable file. Writing it again with the same bytes is harmless; other
    bytes under the same name mean that the log forked."""

    name: FileName
    data: bytes


def bundle_of(index: int, size: int) -> EntryBundle:
    """Where a log of `size` entries keeps entry `index`, at position `index % 256`."""
    if not 0 <= index < size:
        raise ValueError("the log has no such entry")
    bundle = index // TILE_WIDTH
    return EntryBundle(bundle, min(TILE_WIDTH, size - bundle * TILE_WIDTH))


def files_of(size: int) -> Iterator[FileName]:
    """Every file of a log of `size` entries, without files of its earlier sizes."""
    return new_files(0, size)


def new_files(old_size: int, size: int) -> Iterator[FileName]:
    """The files of a log of `size` entries that it did not have at `old_size`, those of
    lower levels first."""
    if not 0 <= old_size <= size:
        raise ValueError("a log never becomes shorter")
    yield from (EntryBundle(*position) for position in _new_positions(old_size, size))
    level = 0
    while count := size >> TILE_HEIGHT * level:
        old_count = old_size >> TILE_HEIGHT * level
        for position in _new_positions(old_count, count):
            yield HashTile(level, *position)
        level += 1


def tile_reader(read: FileReader) -> TileReader:
    """For `merkle.TiledTree`: hashes out of the files that `read` gives."""
    return lambda level, index, width: read(HashTile(level, index, width))


# -- entry bundles -----------------------------------------------------------


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries, each after its length in two bytes, big-endian."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError("an entry longer than 65,535 bytes fits in no bundle")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """The `width` entries that `data` consists of. Raises TileError for anything else."""
    entries = []
    start = 0
    for _ in range(width):
        begin = start + 2
        end = begin + int.from_bytes(data[start:begin], "big")
        if end > len(data):
            raise _bad_bundle()
        entries.append(data[begin:end])
        start = end
    if start != len(data):
        raise _bad_bundle()
    return tuple(entries)


# -- growing -----------------------------------------------------------------


class Growth:
    """A log becoming longer, in memory of one bundle and one tile per level.

        growth = Growth(head, read)
        for file in growth.add(entries): store(file)
        for file in growth.finish(): store(file)
        sign(growth.head)

    Files come before the checkpoint that needs them, entries before hashes,
    lower levels before higher ones. If the process dies in between, the log is
    still the one of the last checkpoint; the next run starts from there and
    writes the same bytes to every full file again, and to the partial ones if
    it ends at the same size (P8). That holds only because entries never
    change place: feed it from a source whose order is fixed.
    """

    def __init__(self, head: TreeHead, read: FileReader) -> None:
        """Continue the log at `head`, reading at most one file per level and one bundle.

        Raises TileError if what was read does not have the root of `head`, so
        that a damaged log is not grown further.
        """
        self._old_size = self._size = head.size
        self._edge = _read_edge(head, read)
        self._entries = _read_open_bundle(head.size, self._edge, read)

    @property
    def head(self) -> TreeHead:
        """The tree with everything added so far. Hashed anew on each call: keep it."""
        return Frontier(self._size, _subtrees_of(self._edge)).head

    def add(self, entries: Iterable[bytes]) -> Iterator[LogFile]:
        """Append `entries`; gives each file as it becomes full. Must be read to the end."""
        for entry in entries:
            self._entries.append(entry)
            self._edge[0].append(leaf_hash(entry))
            self._size += 1
            if len(self._entries) == TILE_WIDTH:
                yield from self._full_files()

    def finish(self) -> Iterator[LogFile]:
        """The partial files at the right edge, where they are new. Changes nothing, so
        more may be added afterwards."""
        if self._entries and self._size != self._old_size:
            bundle = EntryBundle(self._size // TILE_WIDTH, len(self._entries))
            yield LogFile(bundle, encode_bundle(self._entries))
        for level, hashes in enumerate(self._edge):
            count = self._size >> TILE_HEIGHT * level
            if hashes and count != self._old_size >> TILE_HEIGHT * level:
                tile = HashTile(level, count // TILE_WIDTH, len(hashes))
                yield LogFile(tile, b"".join(hashes))

    def _full_files(self) -> Iterator[LogFile]:
        """The bundle that has become full, and each tile that has with it."""
        yield LogFile(EntryBundle(self._size // TILE_WIDTH - 1), encode_bundle(self._entries))
        self._entries = []
        level = 0
        while len(hashes := self._edge[level]) == TILE_WIDTH:
            index = (self._size >> TILE_HEIGHT * (level + 1)) - 1
            yield LogFile(HashTile(level, index), b"".join(hashes))
            self._edge[level] = []
            level += 1
            if level == len(self._edge):
                self._edge.append([])
            self._edge[level].append(layers_over(hashes)[-1][0])


def _read_edge(head: TreeHead, read: FileReader) -> list[list[bytes]]:
    """Per level the hashes of the partial tile, empty where there is none."""
    edge = []
    level = 0
    while level == 0 or head.size >> TILE_HEIGHT * level:
        index, width = divmod(head.size >> TILE_HEIGHT * level, TILE_WIDTH)
        edge.append(split_hashes(read(HashTile(level, index, width)), width) if width else [])
        level += 1
    if Frontier(head.size, _subtrees_of(edge)).root != head.root:
        raise TileError(
            "The tiles at the end of the log do not have the root of its checkpoint.",
            "ไทล์ท้ายทะเบียนไม่ตรงกับค่ารากของจุดรับรอง",
        )
    return edge


def _read_open_bundle(size: int, edge: list[list[bytes]], read: FileReader) -> list[bytes]:
    """Entries of the partial bundle; those of full ones are never needed again."""
    index, width = divmod(size, TILE_WIDTH)
    if not width:
        return []
    entries = list(decode_bundle(read(EntryBundle(index, width)), width))
    if [leaf_hash(entry) for entry in entries] != edge[0]:
        raise TileError(
            "The entries at the end of the log do not have the hashes in its tiles.",
            "รายการท้ายทะเบียนไม่ตรงกับค่าแฮชในไทล์",
        )
    return entries


def _subtrees_of(edge: list[list[bytes]]) -> tuple[bytes, ...]:
    """The frontier's perfect subtrees, largest first, out of partial tiles."""
    subtrees: list[bytes] = []
    for hashes in reversed(edge):
        # What hangs under a partial tile is itself a small tree.
        subtrees += Frontier().extended(hashes).subtrees
    return tuple(subtrees)


# -- leaves ------------------------------------------------------------------


class SubjectKind(StrEnum):
    """What a number was given to."""

    DOCUMENT = "document"
    RESERVATION = "reservation"
    DELIVERY = "delivery"


class Outcome(StrEnum):
    """What became of a number."""

    ISSUED = "issued"
    RESERVATION_USED = "reservation_used"
    VOID = "void"
    REVOKED = "revoked"
    REPLACED = "replaced"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    INSERTED = "inserted"


_BRINGING_CONTENT = frozenset({Outcome.RESERVATION_USED, Outcome.INSERTED})
_GIVING_REASONS = frozenset(
    {
        Outcome.VOID,
        Outcome.REVOKED,
        Outcome.REPLACED,
        Outcome.SUSPENDED,
        Outcome.REINSTATED,
    }
)

_REGISTER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}/[1-9][0-9]{3}")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What all kinds of leaves share: canonical JSON of their fields and `v`."""

    def to_bytes(self) -> bytes:
        """The log entry."""
        members = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return canonical_json({"v": LEAF_VERSION, **members})

    @classmethod
    def from_bytes(cls, entry: bytes) -> Self:
        """Read a log entry. Raises LeafError unless `to_bytes` gives the same bytes."""
        members = _members(entry)
        names = {f.name for f in fields(cls)}
        if members.keys() != {"v", *names} or members["v"] != LEAF_VERSION:
            raise bad_leaf("v")
        leaf = cls(**{name: cls._typed(name, members[name]) for name in names})
        if leaf.to_bytes() != entry:
            raise bad_leaf("form")
        return leaf

    @classmethod
    def _typed(cls, name: str, value: Any) -> Any:
        """A member of the JSON as the field wants it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLeaf(Leaf):
    """Fixed at numbering (P1, P2). Leaf *i* of the number log is number *i + 1*.

    `commitment` is `commit(salt, content_digest)`; `numbered_at` is UTC.
    """

    register_id: str
    number: int
    subject_kind: SubjectKind
    subject_id: str
    commitment: str
    document_type: str
    numbered_at: datetime

    def __post_init__(self) -> None:
        demand_match(_REGISTER, register_id=self.register_id)
        demand_count(1, number=self.number)
        demand_match(IDENTIFIER, subject_id=self.subject_id)
        demand_match(DIGEST, commitment=self.commitment)
        demand_match(WORD, document_type=self.document_type)
        demand_instant(numbered_at=self.numbered_at)

    @classmethod
    def _typed(cls, name: str, value: Any) -> Any:
        match name:
            case "subject_kind":
                return member_of(SubjectKind, name, value)
            case "numbered_at":
                return read_instant(name, value)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLeaf(Leaf):
    """What became of a number. `seq` is the leaf's own index in the outcome log.

    `child` is 0, or the place of an inserted number under its parent. `file_digest` is
    the hex SHA-256 of the sealed file and always there when one was issued (P3); void
    and every ruling on an issued document carry a reason (P4). `commitment` is there where
    content comes to a number after the number log spoke: a reservation used, a number
    inserted (P2). `at` is when it holds from: of a ruling perhaps later than its place
    tells. Rulings on one document stand in the order they were decided, and of those that
    hold by a time the last one counts.
    """

    register_id: str
    seq: int
    number: int
    child: int
    outcome: Outcome
    subject_id: str
    commitment: str | None
    file_digest: str | None
    reason_code: str | None
    at: datetime

    def __post_init__(self) -> None:
        demand_match(_REGISTER, register_id=self.register_id)
        demand_count(0, seq=self.seq)
        demand_count(1, number=self.number)
        demand_count(0, child=self.child)
        demand_match(IDENTIFIER, subject_id=self.subject_id)
        if self.commitment is not None or self.outcome in _BRINGING_CONTENT:
            demand_match(DIGEST, commitment=self.commitment)
        if self.file_digest is not None or self.outcome is Outcome.ISSUED:
            demand_match(DIGEST, file_digest=self.file_digest)
        if self.reason_code is not None or self.outcome in _GIVING_REASONS:
            demand_match(WORD, reason_code=self.reason_code)
        if self.outcome is Outcome.VOID and self.file_digest is not None:
            raise bad_leaf("file_digest")
        demand_instant(at=self.at)

    @classmethod
    def _typed(cls, name: str, value: Any) -> Any:
        match name:
            case "outcome":
                return member_of(Outcome, name, value)
            case "at":
                return read_instant(name, value)
        return value


# -- commitments -------------------------------------------------------------

_COMMITMENT_DOMAIN = b"tra/content-commitment/v1\n"


def commit(salt: bytes, content_digest: str) -> str:
    """Hex SHA-256 over domain, salt and digest: binds the content, shows nothing of it.

    `salt` is 32 random bytes, new for each entry, and travels in the evidence
    bundle; `content_digest` is hex SHA-256. Both have fixed lengths, so no two
    pairs make the same message.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt has 32 bytes")
    if not DIGEST.fullmatch(content_digest):
        raise ValueError("a content digest is 64 lower-case hex digits")
    return sha256(_COMMITMENT_DOMAIN + salt + bytes.fromhex(content_digest)).hexdigest()


def verify_commitment(commitment: str, salt: bytes, content_digest: str) -> None:
    """Raise CommitmentError unless `commitment` was made for this salt and digest (P2)."""
    if commit(salt, content_digest) != commitment:
        raise CommitmentError(
            "The content is not what the number was given to.",
            "เนื้อหาไม่ตรงกับเนื้อหาที่ได้รับเลขไว้",
        )


# -- helpers -----------------------------------------------------------------


def _new_positions(old_count: int, count: int) -> Iterator[tuple[int, int]]:
    """Index and width of tiles that `count` hashes have and `old_count` had not."""
    for index in range(old_count // TILE_WIDTH, count // TILE_WIDTH):
        yield index, TILE_WIDTH
    if count != old_count and count % TILE_WIDTH:
        yield divmod(count, TILE_WIDTH)


def _file_name(level: str, index: int, width: int) -> FileName:
    if level == "entries":
        return EntryBundle(index, width)
    return HashTile(int(level), index, width)


def _index_path(index: int, width: int) -> str:
    """`1234067` → `x001/x234/067`, with `.p/5` behind if only 5 wide."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    partial = f".p/{width}" if width != TILE_WIDTH else ""
    return "/".join(reversed(groups)) + partial


def _demand_position(index: int, width: int) -> None:
    if index < 0 or not 1 <= width <= TILE_WIDTH:
        raise ValueError("a tile holds 1 to 256 hashes, and the first is number 0")


def _no_such_path() -> PathError:
    return PathError("No file of a log has this path.", "ไม่มีไฟล์ของทะเบียนตามเส้นทางนี้")


def _bad_bundle() -> TileError:
    return TileError(
        "The bundle does not consist of the entries it should hold.",
        "ชุดรายการไม่ประกอบด้วยรายการตามจำนวนที่กำหนด",
    )


def bad_leaf(member: str) -> LeafError:
    """The error for a leaf in which this member is wrong. Says its name, never its value."""
    return LeafError(
        f"The log entry is not the canonical form of a leaf: {member}.",
        f"รายการในทะเบียนสาธารณะไม่อยู่ในรูปแบบมาตรฐาน: {member}",
    )


def _members(entry: bytes) -> Mapping[str, Any]:
    try:
        members = json.loads(entry)
    except (ValueError, RecursionError) as error:
        raise bad_leaf("JSON") from error
    if not isinstance(members, dict):
        raise bad_leaf("JSON")
    return members


def _plain(value: object) -> object:
    return value.astimezone(UTC).strftime(_TIME) if isinstance(value, datetime) else value


def read_instant(name: str, value: Any) -> datetime:
    """A moment as leaves spell it. Raises LeafError."""
    try:
        return datetime.strptime(value, _TIME).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise bad_leaf(name) from error


def member_of(kind: type[StrEnum], name: str, value: Any) -> StrEnum:
    """One of the words a member may be. Raises LeafError."""
    try:
        return kind(value)
    except ValueError as error:
        raise bad_leaf(name) from error


def demand_match(pattern: re.Pattern[str], **named: str | None) -> None:
    """Raise LeafError unless each of the named members is written like `pattern`."""
    for name, value in named.items():
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise bad_leaf(name)


def demand_count(least: int, **named: int) -> None:
    """Raise LeafError unless each of the named members is a number from `least` on."""
    for name, value in named.items():
        if type(value) is not int or value < least:
            raise bad_leaf(name)


def demand_instant(**named: datetime) -> None:
    """Raise LeafError unless each of the named moments says its time zone."""
    for name, value in named.items():
        if value.tzinfo is None:
            raise bad_leaf(name)
