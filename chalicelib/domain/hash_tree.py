"""Hash trees of evidence records (RFC 4998 §4): many data objects, one hash to time-stamp.

A tree hashes its nodes in groups; within a group they are sorted as bytes and
concatenated. What one leaf needs to lead to the root again is its reduced hash tree: a list
of groups, each without the node that the group before it gives.

These trees know no prefix that tells leaves from nodes (RFC 9162 has one), so a digest
proves data only where somebody has the data, which is what evidence records are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from chalicelib.domain.errors import HashTreeError

PartialHashTree = tuple[bytes, ...]
"""Digests that are hashed together; in a reduced tree, those nobody can compute."""

ReducedHashTree = tuple[PartialHashTree, ...]
"""From the leaf's own group up to the children of the root."""

_PAIR = 2


def digest_of(data: bytes, algorithm: str) -> bytes:
    """`algorithm` as hashlib names it. Raises HashTreeError for one that is not known."""
    try:
        return hashlib.new(algorithm, data, usedforsecurity=True).digest()
    except (ValueError, TypeError) as error:
        raise HashTreeError(f"The hash algorithm {algorithm} is not known here.") from error


def group_digest(digests: Sequence[bytes], algorithm: str) -> bytes:
    """The father of a group (RFC 4998 §4.2, steps 3 and 4). A group of one is its own father:
    hashing it again would prove nothing more."""
    if not digests:
        raise HashTreeError("An empty group has no hash.")
    if len(digests) == 1:
        return digests[0]
    return digest_of(b"".join(sorted(digests)), algorithm)


class HashTree:
    """The tree over `leaves`, in the order given. Holds about twice the leaves in memory.

    Groups are pairs; a node that is left over is its own father. RFC 4998 allows larger
    groups, but BouncyCastle (1.83) hashes a group's other members before it adds the node
    that comes from below, so that only pairs mean the same to everybody.
    """

    def __init__(self, leaves: Sequence[bytes], algorithm: str = "sha256") -> None:
        """Raises HashTreeError for no leaves, and for one that is no digest of `algorithm`."""
        size = len(digest_of(b"", algorithm))
        if not leaves:
            raise HashTreeError("A hash tree has at least one leaf.")
        if any(len(leaf) != size for leaf in leaves):
            raise HashTreeError(f"A leaf is no {algorithm} digest.")
        self.algorithm = algorithm
        self._levels = [tuple(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(self._fathers(self._levels[-1]))

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def __len__(self) -> int:
        return len(self._levels[0])

    def reduced(self, index: int) -> ReducedHashTree:
        """What leads from leaf `index` to the root (RFC 4998 §4.2). The first group is the leaf
        alone, so that nobody takes its neighbours for parts of the same data object group."""
        if not 0 <= index < len(self):
            raise HashTreeError("There is no such leaf.")
        groups: list[PartialHashTree] = [(self._levels[0][index],)]
        for level in self._levels[:-1]:
            neighbour = index ^ 1
            if neighbour < len(level):
                groups.append((level[neighbour],))
            index //= _PAIR
        return tuple(groups)

    def _fathers(self, nodes: Sequence[bytes]) -> tuple[bytes, ...]:
        pairs = (nodes[at : at + _PAIR] for at in range(0, len(nodes), _PAIR))
        return tuple(group_digest(pair, self.algorithm) for pair in pairs)


def joined(lower: ReducedHashTree, upper: ReducedHashTree) -> ReducedHashTree:
    """From a leaf of `lower` to the root of `upper`, whose leaf is the root of `lower`."""
    return (*lower, *upper[1:])


def root_of(reduced: ReducedHashTree, leaf: bytes, algorithm: str) -> bytes:
    """The root that `reduced` leads `leaf` to (RFC 4998 §4.3). Without groups the leaf is
    the root. Raises HashTreeError if the first group does not hold the leaf."""
    if not reduced:
        return leaf
    if leaf not in reduced[0]:
        raise HashTreeError("The hash is not in the first group of the reduced hash tree.")
    node = group_digest(reduced[0], algorithm)
    for group in reduced[1:]:
        node = group_digest((*group, node), algorithm)
    return node
