"""Merkle hashes, roots and proofs: against the reference vectors, against the definitions
of RFC 9162 written down once more, and against every small forgery."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.merkle import (
    EMPTY_HEAD,
    EMPTY_ROOT,
    Frontier,
    ProofError,
    TiledTree,
    TileError,
    TreeHead,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTORS = json.loads((Path(__file__).parent / "vectors" / "rfc6962.json").read_text("utf-8"))
ENTRIES = [bytes.fromhex(entry) for entry in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
EDGES = [1, 2, 3, 255, 256, 257, 511, 512, 513, 1023, 1025]
LARGE = 100_000


# -- RFC 9162 section 2.1, word for word and without thought of speed -----------


def _mth(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = _split(len(entries))
    return sha256(b"\x01" + _mth(entries[:k]) + _mth(entries[k:])).digest()


def _path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(entries) == 1:
        return []
    k = _split(len(entries))
    if m < k:
        return [*_path(m, entries[:k]), _mth(entries[k:])]
    return [*_path(m - k, entries[k:]), _mth(entries[:k])]


def _subproof(m: int, entries: Sequence[bytes], *, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(entries):
        return [] if known else [_mth(entries)]
    k = _split(len(entries))
    if m <= k:
        return [*_subproof(m, entries[:k], known=known), _mth(entries[k:])]
    return [*_subproof(m - k, entries[k:], known=False), _mth(entries[:k])]


def _split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


# -- a tree to read ------------------------------------------------------------


def _entries(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(1, size + 1)]


def _tree(entries: Sequence[bytes]) -> TiledTree:
    """Tiles as tlog-tiles defines them: hash i of tile n of level l is
    MTH(D[(n*256+i) * 256**l : (n*256+i+1) * 256**l])."""

    def read(level: int, index: int, width: int) -> bytes:
        span = 256**level
        first = index * 256
        assert width == min(256, len(entries) // span - first), "such a tile is not served"
        starts = range(first * span, (first + width) * span, span)
        return b"".join(_mth(entries[start : start + span]) for start in starts)

    return TiledTree(len(entries), read)


def _head(entries: Sequence[bytes]) -> TreeHead:
    return TreeHead(len(entries), _mth(entries))


def _hex(hashes: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(value) for value in hashes)


@cache
def _large_tiles() -> tuple[dict[tuple[int, int], bytes], bytes]:
    """Tiles and root of a tree with three levels, by adding up layers."""
    tiles: dict[tuple[int, int], bytes] = {}
    hashes = [leaf_hash(entry) for entry in _entries(LARGE)]
    root = root_of(hashes)
    level = 0
    while hashes:
        groups = [hashes[start : start + 256] for start in range(0, len(hashes), 256)]
        tiles |= {(level, index): b"".join(group) for index, group in enumerate(groups)}
        hashes = [root_of(group) for group in groups if len(group) == 256]
        level += 1
    return tiles, root


# -- vectors -------------------------------------------------------------------


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    """P7: anyone's RFC 9162 implementation computes our roots."""
    assert root_of(leaf_hash(entry) for entry in ENTRIES[:size]) == ROOTS[size]


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=str)
def test_inclusion_proofs_are_those_of_certificate_transparency(
    vector: dict[str, Any],
) -> None:
    """P7: our inclusion proofs are the standard's, hash for hash."""
    index, size, proof = vector["index"], vector["size"], _hex(vector["proof"])
    assert _tree(ENTRIES[:size]).inclusion_proof(index) == proof
    verify_inclusion(leaf_hash(ENTRIES[index]), index, proof, TreeHead(size, ROOTS[size]))


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=str)
def test_consistency_proofs_are_those_of_certificate_transparency(
    vector: dict[str, Any],
) -> None:
    """P7: our consistency proofs are the standard's, hash for hash."""
    old, new, proof = vector["old"], vector["new"], _hex(vector["proof"])
    assert _tree(ENTRIES[:new]).consistency_proof(old) == proof
    verify_consistency(TreeHead(old, ROOTS[old]), TreeHead(new, ROOTS[new]), proof)


# -- properties ----------------------------------------------------------------


@given(first=st.integers(0, 300), more=st.integers(0, 300))
def test_a_frontier_grows_to_the_same_root_in_any_steps(first: int, more: int) -> None:
    """P8: how often checkpoints were taken leaves no trace in the root."""
    entries = _entries(first + more)
    begun = Frontier().extended(map(leaf_hash, entries[:first]))
    assert begun.head == _head(entries[:first])
    assert begun.extended(map(leaf_hash, entries[first:])).head == _head(entries)


@given(size=st.sampled_from(EDGES) | st.integers(1, 700), data=st.data())
def test_any_inclusion_proof_from_tiles_is_the_defined_one(size: int, data: st.DataObject) -> None:
    """P7: each number of a register of any size has its proof, and it verifies."""
    index = data.draw(st.integers(0, size - 1))
    entries = _entries(size)
    tree = _tree(entries)
    proof = tree.inclusion_proof(index)
    assert list(proof) == _path(index, entries)
    assert tree.leaf(index) == leaf_hash(entries[index])
    verify_inclusion(tree.leaf(index), index, proof, _head(entries))


@given(size=st.sampled_from(EDGES) | st.integers(1, 700), data=st.data())
def test_any_consistency_proof_from_tiles_is_the_defined_one(
    size: int, data: st.DataObject
) -> None:
    """P7: between any two checkpoints there is a proof that nothing was changed."""
    old = data.draw(st.integers(1, size))
    entries = _entries(size)
    proof = _tree(entries).consistency_proof(old)
    assert list(proof) == _subproof(old, entries, known=True)
    verify_consistency(_head(entries[:old]), _head(entries), proof)


def test_all_proofs_between_all_small_trees() -> None:
    """P7: no shape of tree up to forty leaves is an exception."""
    entries = _entries(40)
    for size in range(1, 41):
        tree = _tree(entries[:size])
        for index in range(size):
            verify_inclusion(
                leaf_hash(entries[index]), index, tree.inclusion_proof(index), _head(entries[:size])
            )
        for old in range(1, size + 1):
            proof = tree.consistency_proof(old)
            verify_consistency(_head(entries[:old]), _head(entries[:size]), proof)


@given(size=st.sampled_from(EDGES) | st.integers(0, 700))
def test_a_tree_in_tiles_knows_its_root_and_can_be_continued(size: int) -> None:
    """P8: nothing but the tiles is needed to go on."""
    entries = _entries(size + 3)
    tree = _tree(entries[:size])
    assert tree.root == _mth(entries[:size])
    assert tree.frontier.extended(map(leaf_hash, entries[size:])).head == _head(entries)


def test_everything_continues_the_empty_tree() -> None:
    """P7: the first checkpoint needs no proof, and none is accepted."""
    head = _head(_entries(5))
    assert _tree(_entries(5)).consistency_proof(0) == ()
    verify_consistency(EMPTY_HEAD, head, ())
    verify_consistency(EMPTY_HEAD, EMPTY_HEAD, ())
    with pytest.raises(ProofError):
        verify_consistency(EMPTY_HEAD, head, (head.root,))
    with pytest.raises(ProofError):
        verify_consistency(TreeHead(0, head.root), head, ())


# -- forgeries -----------------------------------------------------------------


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 8]) + value[1:]


def _spoilt(proof: tuple[bytes, ...], other: bytes) -> list[tuple[bytes, ...]]:
    """All the ways of being nearly right."""
    changed = [(*proof[:i], _flipped(p), *proof[i + 1 :]) for i, p in enumerate(proof)]
    removed = [(*proof[:i], *proof[i + 1 :]) for i in range(len(proof))]
    added = [(*proof[:i], other, *proof[i:]) for i in range(len(proof) + 1)]
    cut = [(*proof[:i], p[:-1], *proof[i + 1 :]) for i, p in enumerate(proof)]
    return changed + removed + added + cut


@given(size=st.integers(1, 200), data=st.data())
def test_no_spoilt_inclusion_proof_passes(size: int, data: st.DataObject) -> None:
    """P7: a proof that was touched, for another leaf, place, size or root, is refused."""
    index = data.draw(st.integers(0, size - 1))
    entries = _entries(size)
    head, leaf = _head(entries), leaf_hash(entries[index])
    proof = _tree(entries).inclusion_proof(index)
    attempts = [(leaf, index, p, head) for p in _spoilt(proof, head.root)]
    attempts += [(leaf, other, proof, head) for other in range(-1, size + 1) if other != index]
    attempts += [
        (_flipped(leaf), index, proof, head),
        (leaf[:-1], index, proof, head),
        (leaf, index, proof, TreeHead(size, _flipped(head.root))),
        (leaf, index, proof, TreeHead(size, EMPTY_ROOT)),
        (leaf, index, proof, TreeHead(0, head.root)),
        (leaf, index, proof, TreeHead(2 * size + 1, head.root)),
    ]
    for attempt in attempts:
        with pytest.raises(ProofError):
            verify_inclusion(*attempt)


@given(size=st.integers(2, 200), data=st.data())
def test_no_spoilt_consistency_proof_passes(size: int, data: st.DataObject) -> None:
    """P7: a proof that was touched, or is between other trees, is refused."""
    old_size = data.draw(st.integers(1, size - 1))
    entries = _entries(size)
    old, new = _head(entries[:old_size]), _head(entries)
    proof = _tree(entries).consistency_proof(old_size)
    attempts = [(old, new, p) for p in _spoilt(proof, new.root)]
    attempts += [
        (new, old, proof),
        (TreeHead(old_size, new.root), TreeHead(size, old.root), proof),
        (TreeHead(old_size, _flipped(old.root)), new, proof),
        (old, TreeHead(size, _flipped(new.root)), proof),
        (TreeHead(old_size + 1, old.root), new, proof),
        (TreeHead(old_size - 1, old.root), new, proof),
        (old, TreeHead(2 * size, new.root), proof),
        (TreeHead(-1, old.root), new, proof),
    ]
    for attempt in attempts:
        with pytest.raises(ProofError):
            verify_consistency(*attempt)


@given(size=st.integers(2, 300), data=st.data())
def test_two_histories_are_told_apart(size: int, data: st.DataObject) -> None:
    """P7: who changes, removes or swaps an entry below a checkpoint has no proof for it."""
    old_size = data.draw(st.integers(1, size))
    place = data.draw(st.integers(0, old_size - 1))
    honest = _entries(size)
    forged = [*honest[:place], b"forged", *honest[place + 1 :]]
    removed = [*honest[:place], *honest[place + 1 :], b"filler"]
    for history in (forged, removed):
        with pytest.raises(ProofError):
            verify_consistency(
                _head(honest[:old_size]), _head(history), _tree(history).consistency_proof(old_size)
            )


def test_a_proof_of_a_larger_tree_is_not_one_of_a_smaller() -> None:
    """P7: hashes beyond what the size allows are refused, even where they lead to the root."""
    first, second = map(leaf_hash, _entries(2))
    with pytest.raises(ProofError, match="too short or too long"):
        verify_inclusion(second, 0, (first,), TreeHead(1, root_of([first, second])))


def test_hashes_cannot_be_cut_elsewhere() -> None:
    """P7: the same bytes, parted at another place, are other hashes."""
    first, second = map(leaf_hash, _entries(2))
    head = TreeHead(2, root_of([first, second]))
    shifted, rest = first + second[:1], second[1:]
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(shifted, 0, (rest,), head)
    with pytest.raises(ProofError, match="32 bytes"):
        verify_consistency(TreeHead(1, shifted), head, (rest,))


def test_same_size_means_same_root() -> None:
    """P7: two checkpoints of one size with different roots are a fork."""
    head = _head(_entries(7))
    verify_consistency(head, head, ())
    with pytest.raises(ProofError, match="one history"):
        verify_consistency(head, TreeHead(7, EMPTY_ROOT), ())


def test_a_leaf_cannot_pose_as_a_node() -> None:
    """P7: an entry made of two hashes does not hash like their parent (second preimage)."""
    left, right = leaf_hash(b"1"), leaf_hash(b"2")
    assert leaf_hash(left + right) != root_of([left, right])


# -- tiles ---------------------------------------------------------------------


def test_proofs_of_a_large_register_read_few_tiles() -> None:
    """P7: a proof out of 100,000 entries costs at most two tiles per level, not a register."""
    tiles, root = _large_tiles()
    head = TreeHead(LARGE, root)
    leaves = [leaf_hash(entry) for entry in _entries(LARGE)]
    for index in (0, 255, 256, 65_535, 65_536, 99_840, LARGE - 1):
        reads: list[tuple[int, int]] = []

        def read(level: int, tile: int, width: int, reads: list[tuple[int, int]] = reads) -> bytes:
            reads.append((level, tile))
            assert len(tiles[level, tile]) == 32 * width
            return tiles[level, tile]

        proof = TiledTree(LARGE, read).inclusion_proof(index)
        verify_inclusion(leaves[index], index, proof, head)
        assert len(reads) == len(set(reads)) <= 6
        reads.clear()
        proof = TiledTree(LARGE, read).consistency_proof(index + 1)
        verify_consistency(TreeHead(index + 1, root_of(leaves[: index + 1])), head, proof)
        assert len(reads) == len(set(reads)) <= 6


@pytest.mark.parametrize("length", [0, 1, 3 * 32 - 1, 3 * 32 + 1, 4 * 32])
def test_a_tile_of_the_wrong_length_is_found(length: int) -> None:
    """P7: a truncated tile is an error, never a wrong proof."""
    tree = TiledTree(3, lambda _level, _index, _width: bytes(length))
    with pytest.raises(TileError):
        tree.inclusion_proof(0)


def test_what_does_not_exist_has_no_proof() -> None:
    """P7: asking for a leaf or a state beyond the tree is a mistake of the caller."""
    tree = _tree(_entries(3))
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no such leaf"):
            tree.inclusion_proof(index)
        with pytest.raises(ValueError, match="no such leaf"):
            tree.leaf(index)
    for size in (-1, 4):
        with pytest.raises(ValueError, match="smaller tree"):
            tree.consistency_proof(size)
    with pytest.raises(ValueError, match="less than no leaves"):
        TiledTree(-1, lambda *_: b"")


def test_a_frontier_must_fit_its_size() -> None:
    """P7: a state that no tree has is refused where it is made."""
    with pytest.raises(ValueError, match="each bit"):
        Frontier(3, (EMPTY_ROOT,))
