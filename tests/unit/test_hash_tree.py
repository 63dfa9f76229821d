"""Hash trees of evidence records (RFC 4998 §4)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import HashTreeError
from chalicelib.domain.hash_tree import HashTree, digest_of, group_digest, joined, root_of

_ALGORITHMS = st.sampled_from(["sha256", "sha384", "sha512", "sha3_256"])
_DATA = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def _h(*digests: bytes) -> bytes:
    """RFC 4998 §4.2 step 4, word by word."""
    return hashlib.sha256(b"".join(sorted(digests))).digest()


@given(_DATA, _ALGORITHMS)
def test_every_leaf_leads_to_the_root(data: list[bytes], algorithm: str) -> None:
    """RFC 4998 §4.3: whatever the number of leaves, doubles included, each finds the root."""
    leaves = [digest_of(d, algorithm) for d in data]
    tree = HashTree(leaves, algorithm)
    for index, leaf in enumerate(leaves):
        reduced = tree.reduced(index)
        assert root_of(reduced, leaf, algorithm) == tree.root
        assert reduced[0] == (leaf,)
        assert all(1 <= len(group) <= 2 for group in reduced)


@given(_DATA, st.data())
def test_another_hash_finds_nothing(data: list[bytes], draw: st.DataObject) -> None:
    """RFC 4998 §4.3 step 1: a digest that is not in the first group is refused, and a reduced
    tree in which one bit is another leads elsewhere."""
    leaves = [digest_of(d, "sha256") for d in data]
    tree = HashTree(leaves)
    index = draw.draw(st.integers(0, len(leaves) - 1))
    reduced = tree.reduced(index)
    with pytest.raises(HashTreeError):
        root_of(reduced, digest_of(b"nobody has this data", "sha256"), "sha256")
    for level in range(1, len(reduced)):
        group = (bytes([reduced[level][0][0] ^ 1]) + reduced[level][0][1:], *reduced[level][1:])
        changed = (*reduced[:level], group, *reduced[level + 1 :])
        assert root_of(changed, leaves[index], "sha256") != tree.root


@given(st.lists(_DATA, min_size=1, max_size=6), st.data())
def test_a_tree_of_trees_is_a_tree(slices: list[list[bytes]], draw: st.DataObject) -> None:
    """One time-stamp over several slices: the joined path leads to the upper root."""
    trees = [HashTree([digest_of(d, "sha256") for d in data]) for data in slices]
    upper = HashTree([tree.root for tree in trees])
    number = draw.draw(st.integers(0, len(trees) - 1))
    index = draw.draw(st.integers(0, len(trees[number]) - 1))
    path = joined(trees[number].reduced(index), upper.reduced(number))
    leaf = digest_of(slices[number][index], "sha256")
    assert root_of(path, leaf, "sha256") == upper.root


def test_the_tree_is_that_of_the_rfc() -> None:
    """RFC 4998 §4.2: pairs are sorted as bytes, concatenated and hashed; the rest of five
    leaves is its own father until it finds a neighbour."""
    a, b, c, d, e = (hashlib.sha256(bytes([n])).digest() for n in range(5))
    tree = HashTree([a, b, c, d, e])
    assert tree.root == _h(_h(_h(a, b), _h(c, d)), e)
    assert tree.reduced(1) == ((b,), (a,), (_h(c, d),), (e,))
    assert tree.reduced(4) == ((e,), (_h(_h(a, b), _h(c, d)),))


def test_a_group_of_several_is_hashed_and_a_group_of_one_is_not() -> None:
    """RFC 4998 §4.2 step 3: only groups of more than one document are hashed."""
    a, b = (hashlib.sha256(bytes([n])).digest() for n in range(2))
    assert group_digest([b, a], "sha256") == _h(a, b)
    assert group_digest([a], "sha256") == a
    assert root_of((), a, "sha256") == a
    assert root_of(((a, b),), a, "sha256") == _h(a, b)


@pytest.mark.parametrize(
    ("leaves", "algorithm"),
    [((), "sha256"), ((b"short",), "sha256"), ((bytes(32),), "sha512"), ((bytes(32),), "none")],
)
def test_what_makes_no_tree_is_refused(leaves: tuple[bytes, ...], algorithm: str) -> None:
    """A tree of something else than digests would prove something else."""
    with pytest.raises(HashTreeError):
        HashTree(leaves, algorithm)


def test_there_are_only_so_many_leaves() -> None:
    """No path is made up, and no group is empty."""
    with pytest.raises(HashTreeError):
        HashTree([bytes(32)]).reduced(1)
    with pytest.raises(HashTreeError):
        group_digest([], "sha256")
