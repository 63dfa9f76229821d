"""Does the outcome log say exactly what became of each number? (P4, P7)

The log is in order of time, the register in order of number. So that neither must be
held whole, the log is read once for each stretch of numbers, and every leaf is added,
as a hash, to the sum of its number; later each entry is asked for the same sum. A
leaf missing, doubled, edited or invented changes its number's sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations

from chalicelib.domain.documents import Document
from chalicelib.domain.registers import Entry, EntryState, PendingOutcome, Register
from chalicelib.domain.tlog import Outcome, OutcomeLeaf

STRETCH = 1 << 18
"""Numbers whose sums are held at once: 4 MiB, one reading of the log for each stretch."""

_SUM_BYTES = 16
_MODULUS = 1 << 8 * _SUM_BYTES
# Outcomes too young to be demanded can be there or not: so many are tried out.
_MOST_YOUNG = 8


class OutcomeSums:
    """What the outcome log says of the numbers `first` … `first + STRETCH - 1`."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = min(last, first + STRETCH - 1)
        self._sums = bytearray(_SUM_BYTES * max(self.last - first + 1, 0))

    def add(self, leaf: OutcomeLeaf) -> None:
        if self.first <= leaf.number <= self.last:
            self._put(leaf.number, (self._of(leaf.number) + _hash(leaf)) % _MODULUS)

    def agree(self, number: int, old: Sequence[OutcomeLeaf], young: Sequence[OutcomeLeaf]) -> bool:
        """Whether the log says of `number` all of `old`, perhaps some of `young`, and
        nothing else. With very many young ones, which nobody can try out, True."""
        missing = (self._of(number) - sum(map(_hash, old))) % _MODULUS
        if missing == 0 or len(young) > _MOST_YOUNG:
            return True
        hashes = [_hash(leaf) for leaf in young]
        return any(
            sum(some) % _MODULUS == missing
            for count in range(1, len(hashes) + 1)
            for some in combinations(hashes, count)
        )

    def _of(self, number: int) -> int:
        at = _SUM_BYTES * (number - self.first)
        return int.from_bytes(self._sums[at : at + _SUM_BYTES], "big")

    def _put(self, number: int, value: int) -> None:
        at = _SUM_BYTES * (number - self.first)
        self._sums[at : at + _SUM_BYTES] = value.to_bytes(_SUM_BYTES, "big")


def expected_of(entry: Entry, document: Document | None) -> tuple[OutcomeLeaf, ...]:
    """What the outcome log has to say of an entry, in whatever places."""
    return tuple(outcome.leaf(entry.register, 0) for outcome in _outcomes(entry, document))


def split_by_age(
    leaves: Sequence[OutcomeLeaf], limit: datetime
) -> tuple[list[OutcomeLeaf], list[OutcomeLeaf]]:
    """Those that must be in the log by now, and those that may be on their way."""
    old = [leaf for leaf in leaves if leaf.at < limit]
    return old, [leaf for leaf in leaves if leaf.at >= limit]


def _outcomes(entry: Entry, document: Document | None) -> list[PendingOutcome]:
    found = []
    if document is not None and document.numbering is not None:
        at, commitment = document.numbering.numbered_at, document.commitment
        if entry.child:
            found.append(entry.ended_as(Outcome.INSERTED, at, commitment=commitment))
        elif entry.reserve is not None:
            found.append(entry.ended_as(Outcome.RESERVATION_USED, at, commitment=commitment))
    if entry.ended_at is not None and entry.state is EntryState.ISSUED:
        found.append(entry.ended_as(Outcome.ISSUED, entry.ended_at, file_digest=entry.file_digest))
    if entry.ended_at is not None and entry.state is EntryState.VOID:
        found.append(entry.ended_as(Outcome.VOID, entry.ended_at, reason_code=entry.reason))
    found += [entry.ruled_as(mark) for mark in entry.marks]
    return found


def _hash(leaf: OutcomeLeaf) -> int:
    """Of everything but the place in the log. No member of a leaf holds a line break."""
    told = (
        str(leaf.number),
        str(leaf.child),
        leaf.outcome.value,
        leaf.subject_id,
        leaf.commitment or "",
        leaf.file_digest or "",
        leaf.reason_code or "",
        leaf.at.astimezone(UTC).isoformat(),
    )
    return int.from_bytes(sha256("\n".join(told).encode()).digest()[:_SUM_BYTES], "big")


def belongs_to(leaf: OutcomeLeaf, register: Register, seq: int) -> bool:
    return (leaf.register_id, leaf.seq) == (register.register_id, seq)
