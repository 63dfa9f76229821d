"""Renew: evidence records over whole archive slices, external to locked files (RFC 4998).

A round is one time-stamp, whatever it covers. Its intent is written first and fixes
everything but the time-stamp itself; the files of a round are written once, under Object
Lock, and the first writer wins: so a run that dies anywhere is repeated by the next one
and ends with the same trees and one time-stamp (P8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from chalicelib.domain.documents import ArchivedFile, Document
from chalicelib.domain.errors import (
    ArchiveError,
    RegisterConflictError,
    RevocationUnknownError,
    TraError,
)
from chalicelib.domain.evidence_records import renewed_leaf
from chalicelib.domain.evidence_rounds import (
    MEDIA_TYPE,
    CoveredFile,
    CoveredSlice,
    Members,
    RenewalPolicy,
    Round,
    RoundFile,
    RoundKind,
    RoundPlan,
    Slice,
    SliceFile,
    covered_key,
    due_rounds,
    round_key,
)
from chalicelib.domain.hash_tree import HashTree
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import (
    Archive,
    ArchiveInventory,
    ArchiveStamper,
    Clock,
    DocumentStore,
    EvidenceRecords,
    LogStore,
    RegisterStore,
    RoundStore,
)
from chalicelib.services.records import RecordReader, RecordRoom

_LEAVES = 1_000
_BATCH = 100
_REGISTER_YEARS = 20
_SHORTEST_LOCK = timedelta(days=1)

Leaf = tuple[int, OutcomeLeaf]
"""A place of the outcome log, and what stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalRoom:
    """Collaborators of `renew`. `in_time` says whether there is time for one more slice."""

    documents: DocumentStore
    registers: RegisterStore
    logs: LogStore
    rounds: RoundStore
    archive: Archive
    inventory: ArchiveInventory
    stamper: ArchiveStamper
    records: EvidenceRecords
    clock: Clock
    lock_mode: LockMode
    policy: RenewalPolicy = field(default_factory=RenewalPolicy)
    in_time: Callable[[], bool] = lambda: True

    @property
    def record_room(self) -> RecordRoom:
        return RecordRoom(
            logs=self.logs, rounds=self.rounds, inventory=self.inventory, records=self.records
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What one run did. `left_out` are documents whose bytes are gone or are not those that
    were archived: a hash-tree renewal cannot speak for them. `waiting` are rounds that are
    due and of whose authority no revocation data could be had. `unfinished`: there was no
    time left, and the next run goes on."""

    rounds: tuple[Round, ...] = ()
    left_out: int = 0
    waiting: int = 0
    unfinished: bool = False


class _OutOfTimeError(TraError):
    """There was no time for the next slice; what was done is kept."""

    code = "no_time_left"
    retryable = True


def renew(*, room: RenewalRoom) -> Renewed:
    """Finish the round that is being made, if one is; then make every round that is due.

    Repeatable, and safe beside itself. Raises TimestampError, RevocationUnknownError,
    UnavailableError: then what is done is kept and the next run goes on. Dies anywhere:
    see the module.
    """
    done: list[Round] = []
    left_out = 0
    try:
        while (plan := _begun(room) or _next(room)) is not None:
            left_out += _make(plan, room)
            done += [r for r in room.rounds.rounds() if r.number == plan.number]
    except _OutOfTimeError:
        return Renewed(rounds=tuple(done), left_out=left_out, unfinished=True)
    waiting = len(due_rounds(room.rounds.rounds(), room.policy, room.clock()))
    return Renewed(rounds=tuple(done), left_out=left_out, waiting=waiting)


# -- what is due ---------------------------------------------------------------


def _begun(room: RenewalRoom) -> RoundPlan | None:
    """The round that an earlier run planned and did not finish."""
    for one in room.rounds.rounds():
        if one.end is None:
            return _plan_of(one, room.rounds.members(one.number))
    return None


def _plan_of(one: Round, members: Members) -> RoundPlan:
    return RoundPlan(
        number=one.number,
        kind=one.kind,
        algorithm=one.algorithm,
        planned_at=one.planned_at,
        members=members,
    )


def _next(room: RenewalRoom) -> RoundPlan | None:
    """Plan the next round that is due; None if none is. What loses most goes first: a hash
    algorithm that ends takes everything with it."""
    now = room.clock()
    rounds = _without_bare(room.rounds.rounds(), room, now)
    due = _ready(due_rounds(rounds, room.policy, now), room, now)
    kind, algorithm, members = (
        _hashes_due(due, rounds, room, now) or _stamps_due(due) or _slices_due(rounds, room, now)
    ) or (None, "", Members())
    if kind is None:
        return None
    plan = RoundPlan(
        number=rounds[-1].number + 1 if rounds else 1,
        kind=kind,
        algorithm=algorithm,
        planned_at=now,
        members=members,
    )
    try:
        room.rounds.plan(plan)
    except RegisterConflictError:
        return _begun(room)  # somebody else planned it: help to finish that one
    return plan


_Due = tuple[RoundKind, str, Members]


def _ready(due: Sequence[Round], room: RenewalRoom, now: datetime) -> tuple[Round, ...]:
    """Those of whose authority revocation data can be had. The others wait, until half of the
    lead is gone: then old data are better than no renewal."""
    return tuple(r for r in due if _is_late(r, room, now) or _refreshed(r.number, room))


def _is_late(one: Round, room: RenewalRoom, now: datetime) -> bool:
    return room.policy.proof_until(one) - now < room.policy.lead / 2


def _refreshed(number: int, room: RenewalRoom) -> bytes | None:
    """The round's time-stamp with revocation data as of now; None if none can be had."""
    try:
        return room.stamper.refresh(_round_file(number, room).stamp.token)
    except RevocationUnknownError:
        return None


def _without_bare(rounds: Sequence[Round], room: RenewalRoom, now: datetime) -> tuple[Round, ...]:
    """The rounds, after those that hash-tree rounds have taken every slice of were retired:
    one whose authority could not be asked just when the last of these was planned was not
    among what that one retires. Idempotency key of the write: as of the round's own end."""
    ending = {r.number for r in due_rounds(rounds, room.policy, now) if _hash_ends(r, room)}
    if not ending:
        return tuple(rounds)
    known = {r.number: r for r in rounds}
    bare = ending - {_head_of(s.rounds[-1], known) for s in _slices(room)}
    for one in rounds:
        if bare and one.kind is RoundKind.HASHES and one.end is not None:
            members = room.rounds.members(one.number)
            taken = tuple(sorted(bare.intersection(members.covers)))
            room.rounds.finish(_plan_of(one, Members(covers=taken)), one.end)
    return room.rounds.rounds() if bare else tuple(rounds)


def _slices(room: RenewalRoom) -> Iterator[CoveredSlice]:
    for register in room.registers.registers():
        yield from room.rounds.slices(register)


def _hashes_due(
    due: Sequence[Round], rounds: Sequence[Round], room: RenewalRoom, now: datetime
) -> _Due | None:
    """All slices whose newest chain rests on these rounds. Slices are read later than rounds:
    one that another run has taken on meanwhile makes this plan fail by its number."""
    algorithm = room.policy.algorithm(now)
    ending = {r.number for r in due if r.algorithm != algorithm and _hash_ends(r, room)}
    if not ending:
        return None
    known = {r.number: r for r in rounds}
    resting = (s.slice for s in _slices(room) if _head_of(s.rounds[-1], known) in ending)
    slices = tuple(islice(resting, room.policy.most_slices))
    is_last = next(resting, None) is None
    return RoundKind.HASHES, algorithm, Members(slices, tuple(sorted(ending)), is_last)


def _hash_ends(one: Round, room: RenewalRoom) -> bool:
    return one.end is not None and room.policy.proof_until(one) < one.end.ends_at


def _head_of(number: int, rounds: Mapping[int, Round]) -> int:
    """The round on whose time-stamp a round rests by now."""
    while number in rounds and (covered_by := rounds[number].covered_by) is not None:
        number = covered_by
    return number


def _stamps_due(due: Sequence[Round]) -> _Due | None:
    """All due rounds with the algorithm of the first: one time-stamp takes them over."""
    if not due:
        return None
    algorithm = due[0].algorithm
    numbers = tuple(r.number for r in due if r.algorithm == algorithm)
    return RoundKind.STAMPS, algorithm, Members(covers=numbers)


def _slices_due(rounds: Sequence[Round], room: RenewalRoom, now: datetime) -> _Due | None:
    """What registers issued since their last slices, if it is the day to cut new ones."""
    last = next((r for r in reversed(rounds) if r.kind is RoundKind.INITIAL), None)
    if last and not (room.policy.cuts_on(now, last.planned_at) or _was_full(last, room)):
        return None
    found = (s for register in room.registers.registers() for s in _new_slices(register, room))
    slices = tuple(islice(found, room.policy.most_slices))
    return (RoundKind.INITIAL, room.policy.algorithm(now), Members(slices)) if slices else None


def _was_full(one: Round, room: RenewalRoom) -> bool:
    """The round took as many slices as one can, so there may be more."""
    return len(room.rounds.members(one.number).slices) >= room.policy.most_slices


def _new_slices(register: Register, room: RenewalRoom) -> Iterator[Slice]:
    """Stretches of what is published and in no slice yet; each ends with an issued document,
    so that none is empty."""
    last = room.rounds.last_slice(register)
    start = last.slice.end if last else 0
    size = room.logs.state(register, LogName.OUTCOMES).head.size
    issued = 0
    for place, leaf in _leaves(register, start, size, room):
        if leaf.outcome is not Outcome.ISSUED:
            continue
        issued, end = issued + 1, place + 1
        if issued == room.policy.most_documents:
            yield Slice(register, start, end)
            issued, start = 0, end
    if issued:
        yield Slice(register, start, end)


def _leaves(register: Register, start: int, end: int, room: RenewalRoom) -> Iterator[Leaf]:
    for at in range(start, end, _LEAVES):
        limit = min(_LEAVES, end - at)
        page = room.logs.leaves(register, LogName.OUTCOMES, start=at, limit=limit)
        yield from ((at + n, OutcomeLeaf.from_bytes(body)) for n, body in enumerate(page))


# -- making a round --------------------------------------------------------------


def _make(plan: RoundPlan, room: RenewalRoom) -> int:
    """Make one round; how many documents had to be left out.

    Dies before step 3: the next run makes the same trees from the same plan. Dies between
    3 and 4: it finds the time-stamp in the archive. The one archived first is the only one.
    """
    # 1. What is taken over: earlier time-stamps, with revocation data as of today.
    kept = _taken_over(plan, room)
    # 2. The trees: a leaf per slice, or per time-stamp taken over.
    leaves, totals = _leaves_of(plan, kept, room)
    # 3. One time-stamp over all of it, archived with what it is over.
    file = _stamped(plan, leaves, totals, room)
    # 4. From now on records are put together with it.
    room.rounds.finish(plan, file.end)
    return totals.left_out


@dataclass(slots=True)
class _Totals:
    """What a round speaks for, summed up while its slices pass by."""

    documents: int = 0
    left_out: int = 0
    retain_until: datetime | None = None

    def take(self, documents: int, retain_until: datetime) -> None:
        self.documents += documents
        self.retain_until = max(self.retain_until or retain_until, retain_until)


def _taken_over(plan: RoundPlan, room: RenewalRoom) -> CoveredFile:
    if not plan.members.covers:
        return CoveredFile(plan.number, {})
    key = covered_key(plan.number)
    found = room.inventory.read(key)
    if found is None:
        files = [_round_file(n, room) for n in plan.members.covers]
        tokens = {f.plan.number: _refreshed(f.plan.number, room) or f.stamp.token for f in files}
        until = max(f.retain_until for f in files)
        found = _put(key, CoveredFile(plan.number, tokens).to_bytes(), until, room)
    return CoveredFile.from_bytes(found)


def _leaves_of(
    plan: RoundPlan, kept: CoveredFile, room: RenewalRoom
) -> tuple[list[bytes], _Totals]:
    totals = _Totals()
    if plan.kind is RoundKind.STAMPS:
        for number in plan.members.covers:
            file = _round_file(number, room)
            totals.take(file.documents, file.retain_until)
        return kept.leaves(plan.members.covers, plan.algorithm), totals
    make = (
        partial(_first_hashed, room=room)
        if plan.kind is RoundKind.INITIAL
        else partial(_rehashed, kept=kept, reader=RecordReader(room.record_room), room=room)
    )
    roots = []
    for one in plan.members.slices:
        held = _slice_file(one, plan, make, totals, room)
        totals.take(len(held.places), held.retain_until)
        roots.append(held.root)
    return roots, totals


_Hashed = tuple[list[int], list[bytes], int, datetime]
"""Places, leaves, how many were left out, and until when the last is kept."""


def _slice_file(
    one: Slice,
    plan: RoundPlan,
    make: Callable[[Slice, RoundPlan], _Hashed],
    totals: _Totals,
    room: RenewalRoom,
) -> SliceFile:
    """The slice as this round hashes it; made, unless an earlier run did."""
    found = room.inventory.read(one.key(plan.number))
    if found is None:
        if not room.in_time():
            raise _OutOfTimeError("There is no time left for this slice.")
        places, leaves, left_out, until = make(one, plan)
        totals.left_out += left_out
        file = SliceFile(
            slice=one,
            number=plan.number,
            algorithm=plan.algorithm,
            places=tuple(places),
            leaves=tuple(leaves),
            retain_until=until,
        )
        found = _put(one.key(plan.number), file.to_bytes(), until, room)
    return SliceFile.from_bytes(found)


def _first_hashed(one: Slice, plan: RoundPlan, *, room: RenewalRoom) -> _Hashed:
    """The digests that were recorded when the files were archived, if the round hashes with
    SHA-256; read and hashed again otherwise."""
    if plan.algorithm != "sha256":
        return _hashed(one, plan, lambda _place, digest: digest, room)
    places, leaves, until = [], [], []
    for batch in _batches(one, room):
        for place, leaf, document in batch:
            places.append(place)
            leaves.append(bytes.fromhex(leaf.file_digest or ""))
            until += [document.file.retain_until] if document and document.file else []
    return places, leaves, 0, _latest(until, plan)


def _rehashed(
    one: Slice, plan: RoundPlan, *, kept: CoveredFile, reader: RecordReader, room: RenewalRoom
) -> _Hashed:
    """Digests of bytes and of all chains so far (RFC 4998 §5.2, hash-tree renewal)."""
    covered = room.rounds.slice_of(one.register, one.start)
    if covered is None:
        raise ArchiveError(f"The slice {one.key(plan.number)} is in no round.")

    def leaf(place: int, digest: bytes) -> bytes:
        older = _before(covered, plan.number)
        chains = reader.chains(older, place, kept.tokens)
        return renewed_leaf(digest, room.records.sequence(chains), plan.algorithm)

    return _hashed(one, plan, leaf, room)


def _before(covered: CoveredSlice, number: int) -> CoveredSlice:
    """The slice as it stood before round `number`."""
    return CoveredSlice(covered.slice, tuple(n for n in covered.rounds if n < number))


def _hashed(
    one: Slice, plan: RoundPlan, leaf_of: Callable[[int, bytes], bytes], room: RenewalRoom
) -> _Hashed:
    """Leaves of all documents whose bytes still are those that were archived."""
    places, leaves, until = [], [], []
    left_out = 0
    for batch in _batches(one, room):
        filed = [(p, leaf, d.file) for p, leaf, d in batch if d and d.file]
        left_out += len(batch) - len(filed)
        digests = room.inventory.digests([file for *_, file in filed], plan.algorithm)
        for (place, leaf, file), found in zip(filed, digests, strict=True):
            if found is None or found[0] != leaf.file_digest:
                left_out += 1
                continue
            places.append(place)
            leaves.append(leaf_of(place, found[1]))
            until.append(file.retain_until)
    return places, leaves, left_out, _latest(until, plan)


def _batches(
    one: Slice, room: RenewalRoom
) -> Iterator[list[tuple[int, OutcomeLeaf, Document | None]]]:
    """Issued documents of a slice in order, some at a time."""
    leaves = _leaves(one.register, one.start, one.end, room)
    issued = (leaf for leaf in leaves if leaf[1].outcome is Outcome.ISSUED)
    while batch := list(islice(issued, _BATCH)):
        documents = room.documents.get_many([leaf.subject_id for _, leaf in batch])
        yield [(place, leaf, documents.get(leaf.subject_id)) for place, leaf in batch]


def _latest(until: Sequence[datetime], plan: RoundPlan) -> datetime:
    """The end of the longest retention; where no document tells (the audit reports that, and
    it holds up nobody else), as long as registers are kept."""
    return max(until, default=retain_until(plan.planned_at, _REGISTER_YEARS))


def _stamped(
    plan: RoundPlan, leaves: Sequence[bytes], totals: _Totals, room: RenewalRoom
) -> RoundFile:
    """The round's file as it lies in the archive, over these leaves and no others."""
    tree = HashTree(leaves, plan.algorithm)
    found = room.inventory.read(round_key(plan.number))
    if found is None:
        if totals.retain_until is None:
            raise ValueError("a round covers something")
        file = RoundFile(
            plan=plan,
            roots=() if plan.kind is RoundKind.STAMPS else tuple(leaves),
            stamp=room.stamper.stamp(tree.root, plan.algorithm),
            documents=totals.documents,
            retain_until=totals.retain_until,
        )
        found = _put(round_key(plan.number), file.to_bytes(), totals.retain_until, room)
    there = RoundFile.from_bytes(found)
    if room.records.imprint(there.stamp.token) != (plan.algorithm, tree.root):
        message = f"The time-stamp of round {plan.number} is over something else."
        raise ArchiveError(message)
    return there


def _put(key: str, data: bytes, until: datetime, room: RenewalRoom) -> bytes:
    """Archive, write-once and locked; returns the bytes that lie there, whoever wrote them.
    A lock must end in the future, also that of a slice whose documents' retention is over
    while others of its round are kept."""
    lock_end = max(until, room.clock() + _SHORTEST_LOCK)
    file: ArchivedFile = room.archive.put_once(
        key, data, lock_end, room.lock_mode, media_type=MEDIA_TYPE
    )
    there = room.inventory.read(file.key)
    if there is None:
        raise ArchiveError(f"{key} was archived and is not there.")
    return there


def _round_file(number: int, room: RenewalRoom) -> RoundFile:
    found = room.inventory.read(round_key(number))
    if found is None:
        raise ArchiveError(f"The file of round {number} is not in the archive.")
    return RoundFile.from_bytes(found)
