"""Evidence records against the outcome log and the archive (RFC 4998, issue of renewal).

Of every slice: that it begins where the one before ends, that each of its files lies there
once and locked, that its leaves are the digests of what was issued, and that the round's
time-stamp is over them. Leaves of a hash-tree renewal are digests of bytes and of the
past; `tra verify` checks those, document by document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from chalicelib.domain.errors import EvidenceRecordError, HashTreeError
from chalicelib.domain.evidence_rounds import (
    CoveredSlice,
    Round,
    RoundFile,
    Slice,
    SliceFile,
    round_key,
    slices_prefix,
)
from chalicelib.domain.findings import Fault, Findings
from chalicelib.domain.hash_tree import HashTree
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import FileVersion
from chalicelib.services.audit.files import unread
from chalicelib.services.audit.room import AuditRoom

_LEAVES = 1_000


def examine_records(
    register: Register, now: datetime, *, room: AuditRoom, findings: Findings
) -> int:
    """What is wrong with a register's evidence records; how many documents have one."""
    slices = room.rounds.slices(register)
    rounds = {r.number: r for r in room.rounds.rounds()}
    _examine_order(slices, findings)
    covered = 0
    for one in slices:
        covered += _examine_slice(one, rounds, room, findings)
    _sift(register, slices, rounds, room, findings)
    _examine_new(register, slices, now, room, findings)
    _examine_age(slices, rounds, now, room, findings)
    return covered


def _examine_order(slices: Sequence[CoveredSlice], findings: Findings) -> None:
    expected = 0
    for one in slices:
        if one.slice.start != expected:
            findings.add(Fault.RECORD_WRONG, place=f"outcomes {expected}-{one.slice.start}")
        expected = one.slice.end


def _examine_slice(
    one: CoveredSlice, rounds: Mapping[int, Round], room: AuditRoom, findings: Findings
) -> int:
    """Each chain of the slice: its file, and the time-stamp over it."""
    issued = dict(_issued(one.slice, room))
    ended = [n for n in one.rounds if n in rounds and rounds[n].end is not None]
    for nth, number in enumerate(ended):
        key = one.slice.key(number)
        data = room.archive.read(key)
        if data is None:
            findings.add(Fault.RECORD_MISSING, place=key)
            continue
        if not _is_right(data, one.slice, number, issued, room, is_first=nth == 0):
            findings.add(Fault.RECORD_WRONG, place=key)
    return len(issued)


def _is_right(
    data: bytes,
    of: Slice,
    number: int,
    issued: Mapping[int, bytes],
    room: AuditRoom,
    *,
    is_first: bool,
) -> bool:
    try:
        held = SliceFile.from_bytes(data)
        told = RoundFile.from_bytes(room.archive.read(round_key(number)) or b"")
        root = told.roots[told.plan.members.slices.index(of)]
        tree = HashTree(told.roots, told.plan.algorithm)
        imprint = room.records.imprint(told.stamp.token)
    except (EvidenceRecordError, HashTreeError, ValueError, IndexError):
        return False
    is_bound = held.root == root and imprint == (told.plan.algorithm, tree.root)
    if is_first and held.algorithm == "sha256":
        return is_bound and dict(zip(held.places, held.leaves, strict=True)) == issued
    return is_bound and set(held.places) <= set(issued)


def _issued(of: Slice, room: AuditRoom) -> Iterator[tuple[int, bytes]]:
    for place, leaf in _outcomes(of.register, of.start, of.end, room):
        if leaf.outcome is Outcome.ISSUED:
            yield place, bytes.fromhex(leaf.file_digest or "")


def _outcomes(
    register: Register, start: int, end: int, room: AuditRoom
) -> Iterator[tuple[int, OutcomeLeaf]]:
    for at in range(start, end, _LEAVES):
        page = room.logs.leaves(register, LogName.OUTCOMES, start=at, limit=min(_LEAVES, end - at))
        yield from ((at + n, OutcomeLeaf.from_bytes(body)) for n, body in enumerate(page))


def _sift(
    register: Register,
    slices: Sequence[CoveredSlice],
    rounds: Mapping[int, Round],
    room: AuditRoom,
    findings: Findings,
) -> None:
    """What lies where slices lie, and is none; and their locks."""
    known = {one.slice.key(number) for one in slices for number in one.rounds}
    for number in (n for n, r in rounds.items() if r.end is None):
        known |= {s.key(number) for s in room.rounds.members(number).slices}
    by_key = groupby(room.archive.versions(slices_prefix(register)), key=lambda v: v.key)
    for key, group in by_key:
        versions = list(group)
        if len(versions) > 1 or versions[0].deleted:
            findings.add(Fault.MORE_THAN_ONE_VERSION, place=key)
        elif key not in known:
            findings.add(Fault.FILE_WITHOUT_ENTRY, place=key)
        else:
            _examine_lock(versions[0], room, findings)


def _examine_lock(version: FileVersion, room: AuditRoom, findings: Findings) -> None:
    data = room.archive.read(version.key)
    until = _retain_until(data)
    (found,) = room.archive.examine([unread(version)], read_bytes=False)
    if found is None or found.lock_mode is None or found.retain_until is None:
        findings.add(Fault.LOCK_MISSING, place=version.key)
    elif until is not None and found.retain_until < until.replace(microsecond=0):
        findings.add(Fault.LOCK_TOO_SHORT, place=version.key)


def _retain_until(data: bytes | None) -> datetime | None:
    try:
        return SliceFile.from_bytes(data or b"").retain_until
    except EvidenceRecordError:
        return None  # told already


def _examine_new(
    register: Register,
    slices: Sequence[CoveredSlice],
    now: datetime,
    room: AuditRoom,
    findings: Findings,
) -> None:
    """Whether something that was issued should have a record long ago."""
    start = slices[-1].slice.end if slices else 0
    size = room.logs.state(register, LogName.OUTCOMES).head.size
    limit = now - room.renewal.patience - room.patience
    for place, leaf in _outcomes(register, start, size, room):
        if leaf.outcome is Outcome.ISSUED and leaf.at < limit:
            findings.add(Fault.RECORD_BEHIND, place=f"outcome {place}")
            return


def _examine_age(
    slices: Sequence[CoveredSlice],
    rounds: Mapping[int, Round],
    now: datetime,
    room: AuditRoom,
    findings: Findings,
) -> None:
    """Whether a round that these slices rest on should have been renewed long ago."""
    limit = now - room.renewal.patience - room.patience
    resting = {_head(one.rounds[-1], rounds) for one in slices}
    for number in sorted(resting & rounds.keys()):
        due = room.renewal.due_at(rounds[number])
        if due is not None and due < limit and _is_kept(rounds[number], now):
            findings.add(Fault.RECORD_BEHIND, place=f"round {number}")


def _head(number: int, rounds: Mapping[int, Round]) -> int:
    while number in rounds and (covered_by := rounds[number].covered_by) is not None:
        number = covered_by
    return number


def _is_kept(one: Round, now: datetime) -> bool:
    return one.end is not None and one.end.retain_until > now
