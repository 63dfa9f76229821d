"""Records: the evidence record of one document, put together from slices and rounds.

Nothing is written. A reader keeps what it read, so that many records of one slice cost
little more than one; it holds one slice and a few rounds in memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TypeVar

from chalicelib.domain.documents import Document
from chalicelib.domain.errors import EvidenceRecordError
from chalicelib.domain.evidence_records import ArchiveTimestamp, Chain
from chalicelib.domain.evidence_rounds import (
    CoveredFile,
    CoveredSlice,
    Round,
    RoundFile,
    RoundKind,
    Slice,
    SliceFile,
    covered_key,
    round_key,
)
from chalicelib.domain.hash_tree import HashTree, joined
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import ArchiveInventory, EvidenceRecords, LogStore, RoundStore

_T = TypeVar("_T")

# A slice has a file for each of its chains.
_KEPT_SLICES, _KEPT_ROUNDS = 8, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRoom:
    """Collaborators of `record_of`."""

    logs: LogStore
    rounds: RoundStore
    inventory: ArchiveInventory
    records: EvidenceRecords


def record_of(document: Document, *, room: RecordRoom) -> bytes | None:
    """The document's evidence record as it stands (DER, RFC 4998); None while no round covers
    it. Raises EvidenceRecordError if the archive contradicts the index, UnavailableError."""
    if document.numbering is None or document.file is None:
        return None
    # 1. Where the outcome log says that it was issued.
    place = place_of(document, room.logs)
    if place is None:
        return None
    # 2. The slice that covers this place.
    covered = room.rounds.slice_of(document.register, place)
    if covered is None:
        return None
    # 3. Its chains, each as far as rounds have taken it over.
    chains = RecordReader(room).chains(covered, place)
    return room.records.record(chains) if chains else None


def place_of(document: Document, logs: LogStore) -> int | None:
    """The document's place in the outcome log; None until it was sequenced."""
    if document.numbering is None:
        return None
    register, numbering = document.register, document.numbering
    for place in logs.outcomes_of(register, numbering.number, numbering.child):
        if issued_at(register, place, logs) is not None:
            return place
    return None


def issued_at(register: Register, place: int, logs: LogStore) -> OutcomeLeaf | None:
    """The leaf at this place, if it tells of an issued document."""
    bodies = logs.leaves(register, LogName.OUTCOMES, start=place, limit=1)
    leaf = OutcomeLeaf.from_bytes(bodies[0]) if bodies else None
    return leaf if leaf and leaf.outcome is Outcome.ISSUED else None


class RecordReader:
    """Puts chains together. The rounds are those that had an end when it was made."""

    def __init__(self, room: RecordRoom) -> None:
        self._room = room
        self._rounds = {r.number: r for r in room.rounds.rounds() if r.end is not None}
        self._slices: _Kept[SliceFile] = _Kept(_KEPT_SLICES)
        self._trees: _Kept[HashTree] = _Kept(_KEPT_SLICES)
        self._files: _Kept[tuple[RoundFile, HashTree]] = _Kept(_KEPT_ROUNDS)
        self._covered: _Kept[CoveredFile] = _Kept(_KEPT_ROUNDS)

    def chains(
        self, covered: CoveredSlice, place: int, tokens: Mapping[int, bytes] | None = None
    ) -> tuple[Chain, ...]:
        """The chains of the document at this place, oldest first. `tokens` are time-stamps that
        a round in the making takes over, in place of those the rounds hold. Empty if the
        slice does not hold the place."""
        made = [n for n in covered.rounds if n in self._rounds]
        chains: list[Chain] = []
        for number, following in zip_longest(made, made[1:]):
            position = self._position(covered.slice, number, place)
            if position is None:
                break  # its bytes were disposed of before this round
            # A chain ends as the next one took it over, whatever became of its rounds later.
            ended = following is not None and self._holds(covered.slice, following, place)
            taken_over = self._covered_by(following).tokens if ended else (tokens or {})
            first = self._first(covered.slice, number, position)
            chains.append(self._followed(first, number, following if ended else None, taken_over))
        return tuple(chains)

    def _position(self, of: Slice, number: int, place: int) -> int | None:
        """The leaf of this place in the slice's tree of that round."""
        places = self._slice(of, number).places
        position = bisect_left(places, place)
        return position if position < len(places) and places[position] == place else None

    def _holds(self, of: Slice, number: int, place: int) -> bool:
        return self._position(of, number, place) is not None

    def _first(self, of: Slice, number: int, position: int) -> ArchiveTimestamp:
        """The archive time-stamp that begins a chain."""
        file, upper = self._round(number)
        path = joined(
            self._tree(of, number).reduced(position),
            upper.reduced(file.plan.members.slices.index(of)),
        )
        return ArchiveTimestamp(algorithm=file.plan.algorithm, reduced=path, token=file.stamp.token)

    def _followed(
        self,
        first: ArchiveTimestamp,
        number: int,
        until: int | None,
        tokens: Mapping[int, bytes],
    ) -> Chain:
        """The chain, with every time-stamp that took the one before it over, before round
        `until`."""
        chain: Chain = (first,)
        while (cover := self._cover_of(number, until)) is not None:
            taken = replace(chain[-1], token=self._covered_by(cover.number).tokens[number])
            file, tree = self._round(cover.number)
            path = tree.reduced(file.plan.members.covers.index(number))
            newest = ArchiveTimestamp(
                algorithm=cover.algorithm, reduced=path, token=file.stamp.token
            )
            chain, number = (*chain[:-1], taken, newest), cover.number
        if number in tokens:
            chain = (*chain[:-1], replace(chain[-1], token=tokens[number]))
        return chain

    def _cover_of(self, number: int, until: int | None) -> Round | None:
        """The round whose time-stamp covers that of round `number`."""
        by = self._rounds[number].covered_by
        cover = self._rounds.get(by) if by is not None else None
        if cover is None or cover.kind is not RoundKind.STAMPS:
            return None
        return cover if until is None or cover.number < until else None

    # -- files ---------------------------------------------------------------

    def _slice(self, of: Slice, number: int) -> SliceFile:
        key = of.key(number)
        return self._slices.get(key, lambda: SliceFile.from_bytes(self._bytes(key)))

    def _tree(self, of: Slice, number: int) -> HashTree:
        return self._trees.get(of.key(number), lambda: self._slice(of, number).tree())

    def _round(self, number: int) -> tuple[RoundFile, HashTree]:
        def read() -> tuple[RoundFile, HashTree]:
            file = RoundFile.from_bytes(self._bytes(round_key(number)))
            leaves = list(file.roots)
            if file.plan.kind is RoundKind.STAMPS:
                leaves = self._covered_by(number).leaves(
                    file.plan.members.covers, file.plan.algorithm
                )
            return file, HashTree(leaves, file.plan.algorithm)

        return self._files.get(round_key(number), read)

    def _covered_by(self, number: int) -> CoveredFile:
        key = covered_key(number)
        return self._covered.get(key, lambda: CoveredFile.from_bytes(self._bytes(key)))

    def _bytes(self, key: str) -> bytes:
        found = self._room.inventory.read(key)
        if found is None:
            raise EvidenceRecordError(f"{key} is not in the archive.")
        return found


class _Kept(OrderedDict[str, _T]):
    """The last few things read."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def get(self, key: str, read: Callable[[], _T]) -> _T:  # type: ignore[override]  # a cache asks how to read what it misses
        if key not in self:
            self[key] = read()
            while len(self) > self._most:
                self.popitem(last=False)
        self.move_to_end(key)
        return self[key]
