"""Rounds of evidence: which documents get their time-stamp together, and how it is kept.

A *slice* is a stretch of a register's outcome log: the documents issued there, in the order
that nothing changes any more. A *round* is one time-stamp: over new slices (`initial`),
over time-stamps of earlier rounds that end soon (`time_stamps`), or over slices again,
under another hash algorithm (`hash_trees`). Rounds and slices lie in the archive as locked
files; the evidence record of one document (RFC 4998) is put together from them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.algorithms import hash_end, lasting_hash
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.errors import EvidenceRecordError
from chalicelib.domain.evidence_records import ArchiveStamp, EndReason, stamp_leaf
from chalicelib.domain.hash_tree import HashTree, digest_of
from chalicelib.domain.registers import Register
from chalicelib.domain.thai import in_bangkok

PREFIX = "evidence-records/"
"""Where slices and rounds lie in the archive."""

MEDIA_TYPE = "application/json"

_A_DAY = timedelta(days=1)

_SLICE, _ROUND, _COVERED = (
    "tra.evidence-slice.v1",
    "tra.evidence-round.v1",
    "tra.evidence-covered.v1",
)


class RoundKind(StrEnum):
    """What a round covers; values are stable."""

    INITIAL = "initial"
    STAMPS = "time_stamps"
    HASHES = "hash_trees"


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """The outcomes `start` to `end` (without) of a register's outcome log."""

    register: Register
    start: int
    end: int

    def key(self, number: int) -> str:
        """Where the slice lies as round `number` hashed it."""
        name = f"{self.start:010d}-{self.end:010d}.{number:08d}.json"
        return f"{slices_prefix(self.register)}{name}"


def slices_prefix(register: Register) -> str:
    return f"{PREFIX}slices/{register.register_id}/"


def round_key(number: int) -> str:
    return f"{PREFIX}rounds/{number:08d}.json"


def covered_key(number: int) -> str:
    return f"{PREFIX}rounds/{number:08d}.covered.json"


@dataclass(frozen=True, slots=True)
class Members:
    """What a round covers: slices, and earlier rounds whose time-stamps it takes over.
    `retires`: nothing rests on those any more afterwards (a hash-tree renewal of many
    slices takes several rounds, and only the last retires what all of them cover)."""

    slices: tuple[Slice, ...] = ()
    covers: tuple[int, ...] = ()
    retires: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """The intent of a round. Everything but the time-stamp follows from it."""

    number: int
    kind: RoundKind
    algorithm: str
    planned_at: datetime
    members: Members


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnd:
    """How a round ended. `retain_until` is when the last of its documents may be disposed of."""

    at: datetime
    authority: str
    ends_at: datetime
    because: EndReason
    documents: int
    retain_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as it stands: `end` is None while it is being made; `covered_by` is the
    round that took its time-stamp over."""

    number: int
    kind: RoundKind
    algorithm: str
    planned_at: datetime
    end: RoundEnd | None = None
    covered_by: int | None = None


@dataclass(frozen=True, slots=True)
class CoveredSlice:
    """A slice and the rounds that hashed it, oldest first: one chain of its records each."""

    slice: Slice
    rounds: tuple[int, ...]


# -- policy ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPolicy:
    """When rounds are due. New slices are cut every `slice_days` days (Bangkok);
    time-stamps are renewed `lead` before they end. `ends` are ends of hash algorithms that
    count instead of the table's (see `algorithms.hash_end`)."""

    slice_days: int = 7
    lead: timedelta = timedelta(days=365)
    most_documents: int = 16_384
    most_slices: int = 2_000
    ends: Mapping[str, datetime] = field(default_factory=dict)

    def cuts_on(self, now: datetime, last: datetime | None) -> bool:
        """Whether new slices are due; `last` is when the last ones were planned."""
        if last is None:
            return True
        days = in_bangkok(now).toordinal() - in_bangkok(last).toordinal()
        return days >= self.slice_days

    @property
    def patience(self) -> timedelta:
        """How long after its issue a document may be without record: until the slices are cut,
        and two daily runs more."""
        return timedelta(days=self.slice_days + 2)

    def due_at(self, round_: Round) -> datetime | None:
        """When a round must be taken over; None while it is being made, and once it was. Never
        before half of its time: an authority that changes its certificate late would
        otherwise be asked every day. And never on the day it was made, whatever the clocks
        say: time-stamps cost money."""
        if round_.end is None or round_.covered_by is not None:
            return None
        at, ends_at = round_.end.at, self.proof_until(round_)
        by_proof = max(ends_at - self.lead, at + (ends_at - at) / 2)
        return max(by_proof, round_.planned_at + _A_DAY)

    def proof_until(self, round_: Round) -> datetime:
        """Until when the round's time-stamp and its tree prove something."""
        if round_.end is None:
            raise ValueError("a round without time-stamp proves nothing")
        return min(round_.end.ends_at, hash_end(round_.algorithm, self.ends))

    def reason(self, round_: Round) -> EndReason:
        """Why the round's proof ends."""
        if round_.end is None:
            raise ValueError("a round without time-stamp proves nothing")
        by_hash = hash_end(round_.algorithm, self.ends) <= round_.end.ends_at
        return EndReason.HASH if by_hash else round_.end.because

    def algorithm(self, now: datetime) -> str:
        """What new trees are hashed with. Raises EvidenceRecordError if nothing lasts."""
        found = lasting_hash(now + self.lead, self.ends)
        if found is None:
            message = "No hash algorithm is known that lasts; see domain/algorithms.py."
            raise EvidenceRecordError(message, "ไม่มีอัลกอริทึมแฮชที่ยังใช้ได้นานพอ")
        return found


def due_rounds(rounds: Sequence[Round], policy: RenewalPolicy, now: datetime) -> tuple[Round, ...]:
    """Rounds that must be taken over now, and whose documents are still kept."""
    return tuple(
        r
        for r in rounds
        if (due := policy.due_at(r)) is not None
        and due <= now
        and r.end is not None
        and r.end.retain_until > now
    )


# -- files -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFile:
    """A slice as one round hashed it: the leaves of its tree, and the place in the outcome
    log that each belongs to. `retain_until`: the last of its documents."""

    slice: Slice
    number: int
    algorithm: str
    places: tuple[int, ...]
    leaves: tuple[bytes, ...]
    retain_until: datetime

    @property
    def root(self) -> bytes:
        """The root of its tree; that of nothing once all its documents were disposed of."""
        return self.tree().root if self.leaves else digest_of(b"", self.algorithm)

    def tree(self) -> HashTree:
        return HashTree(self.leaves, self.algorithm)

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same slice gives the same bytes."""
        return canonical_json(
            {
                "type": _SLICE,
                "register_id": self.slice.register.register_id,
                "start": self.slice.start,
                "end": self.slice.end,
                "round": self.number,
                "algorithm": self.algorithm,
                "places": list(self.places),
                "leaves": _text(b"".join(self.leaves)),
                "retain_until": self.retain_until.isoformat(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> SliceFile:
        """Raises EvidenceRecordError."""
        told = _members(data, _SLICE)
        try:
            places = tuple(int(place) for place in told["places"])
            joined = _bytes(told["leaves"])
            size = len(digest_of(b"", told["algorithm"]))
            if len(joined) != size * len(places):
                raise _damaged(_SLICE)
            return cls(
                slice=Slice(Register.parse(told["register_id"]), told["start"], told["end"]),
                number=told["round"],
                algorithm=told["algorithm"],
                places=places,
                leaves=tuple(joined[n : n + size] for n in range(0, len(joined), size)),
                retain_until=datetime.fromisoformat(told["retain_until"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(_SLICE) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFile:
    """A round's time-stamp and what it is over: `roots` of its slices' trees, or nothing,
    where the leaves are those of the time-stamps that it covers."""

    plan: RoundPlan
    roots: tuple[bytes, ...]
    stamp: ArchiveStamp
    documents: int
    retain_until: datetime

    @property
    def end(self) -> RoundEnd:
        return RoundEnd(
            at=self.stamp.at,
            authority=self.stamp.authority,
            ends_at=self.stamp.ends_at,
            because=self.stamp.because,
            documents=self.documents,
            retain_until=self.retain_until,
        )

    def to_bytes(self) -> bytes:
        plan, stamp = self.plan, self.stamp
        return canonical_json(
            {
                "type": _ROUND,
                "round": plan.number,
                "kind": plan.kind.value,
                "algorithm": plan.algorithm,
                "planned_at": plan.planned_at.isoformat(),
                "covers": list(plan.members.covers),
                "retires": plan.members.retires,
                "slices": members_json(plan.members.slices),
                "roots": [root.hex() for root in self.roots],
                "time_stamp": _text(stamp.token),
                "at": stamp.at.isoformat(),
                "authority": stamp.authority,
                "ends_at": stamp.ends_at.isoformat(),
                "because": stamp.because.value,
                "documents": self.documents,
                "retain_until": self.retain_until.isoformat(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> RoundFile:
        """Raises EvidenceRecordError."""
        told = _members(data, _ROUND)
        try:
            return cls(
                plan=RoundPlan(
                    number=told["round"],
                    kind=RoundKind(told["kind"]),
                    algorithm=told["algorithm"],
                    planned_at=datetime.fromisoformat(told["planned_at"]),
                    members=Members(
                        slices_of_json(told["slices"]), tuple(told["covers"]), told["retires"]
                    ),
                ),
                roots=tuple(bytes.fromhex(root) for root in told["roots"]),
                stamp=ArchiveStamp(
                    token=_bytes(told["time_stamp"]),
                    at=datetime.fromisoformat(told["at"]),
                    authority=told["authority"],
                    ends_at=datetime.fromisoformat(told["ends_at"]),
                    because=EndReason(told["because"]),
                ),
                documents=told["documents"],
                retain_until=datetime.fromisoformat(told["retain_until"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(_ROUND) from error


@dataclass(frozen=True, slots=True)
class CoveredFile:
    """The time-stamps that a round takes over, with revocation data as of that day."""

    number: int
    tokens: Mapping[int, bytes]

    def leaves(self, covers: Sequence[int], algorithm: str) -> list[bytes]:
        return [stamp_leaf(self.tokens[number], algorithm) for number in covers]

    def to_bytes(self) -> bytes:
        tokens = [{"round": n, "time_stamp": _text(t)} for n, t in sorted(self.tokens.items())]
        return canonical_json({"type": _COVERED, "round": self.number, "covered": tokens})

    @classmethod
    def from_bytes(cls, data: bytes) -> CoveredFile:
        """Raises EvidenceRecordError."""
        told = _members(data, _COVERED)
        try:
            covered = {one["round"]: _bytes(one["time_stamp"]) for one in told["covered"]}
            return cls(told["round"], covered)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(_COVERED) from error


def members_json(slices: Sequence[Slice]) -> list[list[Any]]:
    return [[s.register.register_id, s.start, s.end] for s in slices]


def slices_of_json(told: Sequence[Sequence[Any]]) -> tuple[Slice, ...]:
    """Raises ValueError, TypeError."""
    return tuple(Slice(Register.parse(name), int(start), int(end)) for name, start, end in told)


def _members(data: bytes, kind: str) -> Mapping[str, Any]:
    try:
        told = json.loads(data)
    except ValueError as error:
        raise _damaged(kind) from error
    if not isinstance(told, dict) or told.get("type") != kind:
        raise _damaged(kind)
    return told


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _damaged(kind: str) -> EvidenceRecordError:
    return EvidenceRecordError(f"A file of type {kind} in the archive is damaged.")
