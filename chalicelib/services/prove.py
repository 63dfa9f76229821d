"""Prove: what anybody can ask of the published logs (P7).

Everything is read from the published files and, before it is handed out, checked
against the root that was signed: Tra finds a damaged log before its readers do.
Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.merkle import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Proof,
    TiledTree,
    TileError,
    TileReader,
    TreeHead,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from chalicelib.domain.notes import VerifierKey
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import (
    EntryBundle,
    FileName,
    HashTile,
    LeafError,
    OutcomeLeaf,
    PathError,
    bundle_of,
    decode_bundle,
    parse_path,
    tile_reader,
)
from chalicelib.ports import LogFiles, LogSigner, LogState, LogStore
from chalicelib.services.checkpoint import log_key

# 8 kB each; the edges of three trees of any size fit.
_KEPT_TILES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvingRoom:
    """Collaborators of the proofs."""

    logs: LogStore
    files: LogFiles
    signer: LogSigner
    public_url: str


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A log with a checkpoint. `note` is the signed checkpoint, co-signatures included."""

    register: Register
    log: LogName
    head: TreeHead
    note: bytes


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That `leaf` (the entry's bytes) is number `index` of the tree under `published.note`."""

    published: PublishedLog
    index: int
    leaf: bytes
    proof: Proof


def published(register: Register, log: LogName, *, room: ProvingRoom) -> PublishedLog:
    """The log as last published; it never goes backwards. Raises NotFoundError for a log
    without checkpoint, as every unknown one is."""
    state = room.logs.state(register, log)
    if state.note is None:
        raise NotFoundError
    return PublishedLog(register, log, state.head, published_note(state, state.note))


def published_note(state: LogState, note: bytes) -> bytes:
    """The note with the lines of those who co-signed it."""
    return note + "".join(state.cosignatures).encode()


def key_of(register: Register, log: LogName, *, room: ProvingRoom) -> VerifierKey:
    """What the log's checkpoints are verified with. Raises NotFoundError."""
    published(register, log, room=room)
    public_key = room.signer.public_key
    return log_key(register, log, public_url=room.public_url, public_key=public_key)


def file_link(
    register: Register, log: LogName, path: str, *, seconds: int, room: ProvingRoom
) -> str:
    """A short-lived link to a tile or entry bundle (C2SP tlog-tiles) of the published log.

    Raises NotFoundError for a path that is none, for a file beyond the checkpoint or of a width
    that no checkpoint needed, and for the entries of an access log, which are private.
    """
    try:
        name = parse_path(path)
    except PathError as error:
        raise NotFoundError from error
    if log is LogName.ACCESSES and isinstance(name, EntryBundle):
        raise NotFoundError
    log_of = published(register, log, room=room)
    if not _is_within(name, log_of.head.size):
        raise NotFoundError
    # Full files lie there for certain; of the partial ones only those some checkpoint had.
    if name.width < TILE_WIDTH and room.files.get(register, log, path) is None:
        raise NotFoundError
    return room.files.link(register, log, path, seconds=seconds)


def prove_inclusion(
    register: Register, log: LogName, index: int, *, room: ProvingRoom
) -> Inclusion:
    """The entry at `index` (from 0) and the proof that the last checkpoint includes it.

    Reads one bundle and about two tiles per 256-fold size. Raises NotFoundError while no
    checkpoint includes it, TileError or ProofError if the files do not match the root.
    """
    # 1. Under which checkpoint.
    log_of = published(register, log, room=room)
    if not 0 <= index < log_of.head.size:
        raise NotFoundError
    # 2. The entry and its proof, from the published files.
    leaf = _entry(log_of, index, room)
    proof = TiledTree(log_of.head.size, _tiles(log_of, room)).inclusion_proof(index)
    # 3. Only what verifies leaves the house.
    verify_inclusion(leaf_hash(leaf), index, proof, log_of.head)
    return Inclusion(log_of, index, leaf, proof)


def prove_outcomes(
    register: Register, number: int, child: int, *, room: ProvingRoom
) -> tuple[Inclusion, ...]:
    """What became of an entry, as far as it is published, in the log's order; `child` is 0 or
    the place of an inserted number. Raises like `prove_inclusion`, but not for an entry
    without outcome."""
    size = room.logs.state(register, LogName.OUTCOMES).head.size
    places = room.logs.outcomes_of(register, number, child)
    proved = tuple(
        prove_inclusion(register, LogName.OUTCOMES, place, room=room)
        for place in places
        if place < size
    )
    for outcome in proved:
        _demand_entry(outcome, number, child)
    return proved


def prove_consistency(
    register: Register, log: LogName, old_size: int, new_size: int | None, *, room: ProvingRoom
) -> tuple[int, Proof]:
    """The proof that the tree of `new_size` (None: the published one) begins with the tree
    of `old_size`, and the new size.

    Raises NotFoundError for a size beyond the checkpoint or if the new one is smaller;
    TileError or ProofError if the files do not match the root.
    """
    # 1. Both trees must be published.
    log_of = published(register, log, room=room)
    size = log_of.head.size if new_size is None else new_size
    if not 0 <= old_size <= size <= log_of.head.size:
        raise NotFoundError
    # 2. Both hang together with what was signed, and so with each other.
    tiles = _tiles(log_of, room)
    old, new = TiledTree(old_size, tiles), TiledTree(size, tiles)
    whole = TiledTree(log_of.head.size, tiles)
    new_head = TreeHead(size, new.root)
    verify_consistency(new_head, log_of.head, whole.consistency_proof(size))
    proof = new.consistency_proof(old_size)
    verify_consistency(TreeHead(old_size, old.root), new_head, proof)
    return size, proof


def _demand_entry(outcome: Inclusion, number: int, child: int) -> None:
    """The index of places is no part of the log; what lies there decides."""
    leaf = OutcomeLeaf.from_bytes(outcome.leaf)
    if (leaf.number, leaf.child) != (number, child):
        raise LeafError(
            f"The outcome at {outcome.index} is another entry's.",
            f"ผลลำดับที่ {outcome.index} เป็นของรายการอื่น",
        )


def _is_within(name: FileName, size: int) -> bool:
    """Whether a log of `size` entries has, or had, this file."""
    level = name.level if isinstance(name, HashTile) else 0
    return name.index * TILE_WIDTH + name.width <= size >> TILE_HEIGHT * level


def _tiles(log_of: PublishedLog, room: ProvingRoom) -> TileReader:
    """Tiles as the published tree has them, cut where a smaller tree asks."""
    read = tile_reader(lru_cache(maxsize=_KEPT_TILES)(lambda name: _file(log_of, name, room)))

    def cut(level: int, index: int, width: int) -> bytes:
        hashes = log_of.head.size >> TILE_HEIGHT * level
        there = min(TILE_WIDTH, hashes - index * TILE_WIDTH)
        data = read(level, index, there)
        return data[: len(data) * width // there]

    return cut


def _entry(log_of: PublishedLog, index: int, room: ProvingRoom) -> bytes:
    bundle: EntryBundle = bundle_of(index, log_of.head.size)
    return decode_bundle(_file(log_of, bundle, room), bundle.width)[index % TILE_WIDTH]


def _file(log_of: PublishedLog, name: FileName, room: ProvingRoom) -> bytes:
    data = room.files.get(log_of.register, log_of.log, name.path)
    if data is None:
        raise TileError(
            f"The published file {name.path} is not there.", f"ไม่พบไฟล์ {name.path} ที่เผยแพร่ไว้"
        )
    return data
