"""Merkle trees of the register logs: hashes, roots and proofs (P7).

RFC 9162 section 2.1 with SHA-256, the same hashes as RFC 6962. A tree is never
held whole: `Frontier` appends in O(log n) memory, and `TiledTree` makes proofs
from the tiles of C2SP tlog-tiles, reading about two per eight levels.

Hashes are 32 raw bytes; a proof is a tuple of them, ordered from the leaf
towards the root; a leaf's index counts from 0. Verification raises and returns
nothing, so that no caller can forget to look at an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from chalicelib.domain.errors import TraError

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162 section 2.1.1)."""

TileReader = Callable[[int, int, int], bytes]
"""`tile(level, index, width)` gives exactly `width` hashes, end to end (C2SP
tlog-tiles). Where a partial tile was superseded, its reader cuts the full one."""

Proof = tuple[bytes, ...]


class ProofError(TraError):
    """A proof does not connect what it claims to connect: somebody is mistaken or lies."""

    code = "proof_invalid"


class TileError(TraError):
    """A stored piece of a log has not the shape or the hashes that its tree demands."""

    code = "tile_invalid"


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a log entry; the prefix keeps leaves and nodes apart (RFC 9162 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 9162 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint states of a tree: how many leaves, and their root."""

    size: int
    root: bytes


EMPTY_HEAD = TreeHead(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves, reduced to what appending needs.

    `subtrees` are the roots of its perfect subtrees, largest first: one for
    each bit that is set in `size`.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.subtrees):
            raise ValueError("a frontier has one subtree for each bit of its size")

    def extended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The tree with these leaves appended. Streams: O(log n) memory."""
        size, stack = self.size, list(self.subtrees)
        for leaf in leaf_hashes:
            node, complete = leaf, size
            while complete & 1:
                node = node_hash(stack.pop(), node)
                complete >>= 1
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack))

    @property
    def root(self) -> bytes:
        return _join(self.subtrees) if self.subtrees else EMPTY_ROOT

    @property
    def head(self) -> TreeHead:
        return TreeHead(self.size, self.root)


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Merkle tree hash of a list of leaf hashes."""
    return Frontier().extended(leaf_hashes).root


def layers_over(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """`hashes`, then their parents, and so on up: every complete pair, nothing else.

    256 hashes give nine layers, the last being the root of the 256.
    """
    layers = [list(hashes)]
    while len(below := layers[-1]) > 1:
        layers.append(
            [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)],
        )
    return layers


def split_hashes(data: bytes, count: int) -> list[bytes]:
    """The `count` hashes that `data` consists of. Raises TileError for any other length."""
    if len(data) != count * HASH_BYTES:
        raise TileError(
            f"A tile of {count} hashes has {count * HASH_BYTES} bytes, not {len(data)}.",
            f"ไทล์ที่มี {count} ค่าแฮชต้องยาว {count * HASH_BYTES} ไบต์ แต่พบ {len(data)} ไบต์",
        )
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


class TiledTree:
    """A tree of `size` leaves whose hashes lie in tiles.

    Tiles are read when first needed, and the last `keep` stay in memory with
    the nodes above them (about 50 kB each). They are believed: whoever hands a
    proof on verifies it against a signed root first, which costs O(log n).
    """

    def __init__(self, size: int, read: TileReader, *, keep: int = 16) -> None:
        if size < 0:
            raise ValueError("a tree cannot have less than no leaves")
        self.size = size
        self._read = read
        self._layers = lru_cache(maxsize=keep)(self._read_layers)

    @property
    def frontier(self) -> Frontier:
        """The state from which the tree can be extended; read from the right edge's tiles."""
        return Frontier(self.size, tuple(self._nodes(0, self.size)))

    @property
    def root(self) -> bytes:
        return self.frontier.root

    def leaf(self, index: int) -> bytes:
        """The hash of one leaf."""
        self._demand_leaf(index)
        return self._node(0, index)

    def inclusion_proof(self, index: int) -> Proof:
        """That leaf `index` is in this tree (RFC 9162 2.1.3.1)."""
        self._demand_leaf(index)
        return tuple(self._subtree(*span) for span in _inclusion_spans(index, self.size))

    def consistency_proof(self, old_size: int) -> Proof:
        """That this tree begins with the first `old_size` leaves (RFC 9162 2.1.4.1).

        Empty for `old_size` 0 and for the tree's own size.
        """
        if not 0 <= old_size <= self.size:
            raise ValueError("only a smaller tree can be the beginning of this one")
        if old_size == 0:
            return ()
        return tuple(self._subtree(*span) for span in _consistency_spans(old_size, self.size))

    def _demand_leaf(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise ValueError("the tree has no such leaf")

    def _subtree(self, start: int, end: int) -> bytes:
        return _join(tuple(self._nodes(start, end)))

    def _nodes(self, start: int, end: int) -> Iterator[bytes]:
        return (self._node(height, index) for height, index in _perfect_subtrees(start, end))

    def _node(self, height: int, index: int) -> bytes:
        """Root of the perfect subtree of 2**height leaves, the `index`-th of its height."""
        level, inner = divmod(height, TILE_HEIGHT)
        tile, position = divmod(index, TILE_WIDTH >> inner)
        return self._layers(level, tile)[inner][position]

    def _read_layers(self, level: int, tile: int) -> list[list[bytes]]:
        hashes_at_level = self.size >> TILE_HEIGHT * level
        width = min(TILE_WIDTH, hashes_at_level - tile * TILE_WIDTH)
        return layers_over(split_hashes(self._read(level, tile, width), width))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a tree of `size` leaves must have if `proof` is true (RFC 9162 2.1.3.2).

    Raises ProofError if the proof cannot be one of that leaf and size.
    """
    if not 0 <= index < size:
        raise ProofError("The tree has no such leaf.", "ไม่มีรายการนี้ในต้นไม้แฮช")
    _demand_hashes(leaf, *proof)
    position, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _wrong_length()
        if position & 1 or position == last:
            root = node_hash(sibling, root)
            position, last = _skip_missing_levels(position, last)
        else:
            root = node_hash(root, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise _wrong_length()
    return root


def verify_inclusion(leaf: bytes, index: int, proof: Sequence[bytes], head: TreeHead) -> None:
    """Raise ProofError unless `leaf` (its hash) is number `index` of the tree `head`."""
    if root_from_inclusion(leaf, index, head.size, proof) != head.root:
        raise ProofError(
            "The proof does not lead from this entry to the root of the log.",
            "หลักฐานไม่เชื่อมโยงรายการนี้กับค่ารากของทะเบียน",
        )


def verify_consistency(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    """Raise ProofError unless the tree `new` begins with all leaves of `old` (RFC 9162 2.1.4.2).

    Two heads of the same size must be equal; everything continues the empty tree.
    """
    if not 0 <= old.size <= new.size:
        raise ProofError("A log cannot become shorter.", "ทะเบียนไม่สามารถสั้นลงได้")
    _demand_hashes(old.root, new.root, *proof)
    if old.size in {0, new.size}:
        if proof:
            raise _wrong_length()
        expected = EMPTY_ROOT if old.size == 0 else new.root
        _demand_same_history(old.root == expected)
        return
    _demand_same_history(_roots_from_consistency(old, new.size, proof) == (old.root, new.root))


def _roots_from_consistency(
    old: TreeHead, new_size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Old and new root as the proof has them, for 0 < old size < new size."""
    path = list(proof)
    if old.size.bit_count() == 1:  # the old tree is itself a node of the new one
        path.insert(0, old.root)
    if not path:
        raise _wrong_length()
    position, last = old.size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_root = new_root = path[0]
    for node in path[1:]:
        if last == 0:
            raise _wrong_length()
        if position & 1 or position == last:
            old_root, new_root = node_hash(node, old_root), node_hash(node, new_root)
            position, last = _skip_missing_levels(position, last)
        else:
            new_root = node_hash(new_root, node)
        position, last = position >> 1, last >> 1
    if last:
        raise _wrong_length()
    return old_root, new_root


def _skip_missing_levels(position: int, last: int) -> tuple[int, int]:
    """A node at the right edge has no sibling on some levels, so no hash in the proof."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _inclusion_spans(index: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges whose roots make PATH(index, D[0:size]), leaf's sibling first."""
    spans = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _largest_power_below(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def _consistency_spans(old_size: int, size: int) -> list[tuple[int, int]]:
    """Leaf ranges whose roots make PROOF(old_size, D[0:size]), lowest first."""
    spans = []
    start, end = 0, size
    while end != old_size:
        middle = start + _largest_power_below(end - start)
        if old_size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    if start:  # otherwise the verifier has this root already: it is the old one
        spans.append((start, end))
    return spans[::-1]


def _perfect_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest perfect subtrees that cover the leaves [start, end), as (height, index).

    `start` is 0 or a multiple of the largest subtree, as in every range of RFC 9162,
    so the sizes fall from left to right.
    """
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _join(subtrees: Sequence[bytes]) -> bytes:
    """Root over adjacent perfect subtrees, largest first; at least one."""
    *rest, root = subtrees
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def _largest_power_below(count: int) -> int:
    """The largest power of two smaller than `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _demand_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ProofError("A hash of the proof has not 32 bytes.", "ค่าแฮชในหลักฐานไม่ใช่ 32 ไบต์")


def _demand_same_history(same: bool) -> None:  # noqa: FBT001 - the only thing it is told
    if not same:
        raise ProofError(
            "The two states of the log do not share one history.",
            "สถานะทั้งสองของทะเบียนไม่ได้มาจากประวัติเดียวกัน",
        )


def _wrong_length() -> ProofError:
    return ProofError(
        "The proof is too short or too long for a tree of this size.",
        "หลักฐานสั้นหรือยาวเกินไปสำหรับขนาดของทะเบียน",
    )
