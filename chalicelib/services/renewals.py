"""Renewals: what loses proof when, what has records, and what renewing will cost.

Reads only. A register's documents pass by in pages; what is kept is a sum per month.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.evidence_records import EndReason
from chalicelib.domain.evidence_rounds import RenewalPolicy, Round, due_rounds
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.thai import in_bangkok
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import Clock, DocumentStore, LogStore, RegisterStore, RoundStore

_PAGE = 500
_YEAR = timedelta(days=365)

# USD; S3 Standard in ap-southeast-1, https://aws.amazon.com/s3/pricing/, 2026-11.
_USD_PER_PUT = Decimal("0.000005")
_USD_PER_GET = Decimal("0.0000004")
_USD_PER_GB_MONTH = Decimal("0.025")
_GB = Decimal(10**9)

# Bytes, as measured (docs/adr/0017): a leaf with its place in a slice, and a time-stamp with
# its certificates and revocation data in a round.
BYTES_PER_DOCUMENT = 50
BYTES_PER_ROUND = 16_000


class ProofBy(StrEnum):
    """What proves a document."""

    SEAL = "seal"
    """Its own seal; no record yet."""
    RECORD = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRoom:
    """Collaborators of `plan_renewals`."""

    documents: DocumentStore
    registers: RegisterStore
    logs: LogStore
    rounds: RoundStore
    clock: Clock
    policy: RenewalPolicy
    timestamp_price_satang: int


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """Documents that lose their proof in a month (`2029-04`, Bangkok; `unknown` for files
    from before it was kept), by what, and why it ends."""

    month: str
    proof: ProofBy
    reason: EndReason
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of the coming twelve months. Storage is what one year's files cost per month."""

    time_stamps: int
    time_stamps_thb: Decimal
    puts: int
    gets: int
    bytes: int
    requests_usd: Decimal
    storage_usd_month: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPlan:
    """What there is, what ends, what is due and what it costs."""

    at: datetime
    rounds: int
    with_record: int
    without_record: int
    due_now: int
    next_due_at: datetime | None
    losses: tuple[Loss, ...]
    cost: Cost


@dataclass(slots=True)
class _Sums:
    losses: Counter[tuple[str, ProofBy, EndReason]] = field(default_factory=Counter)
    covered: int = 0
    uncovered: int = 0


def plan_renewals(*, room: PlanRoom) -> RenewalPlan:
    """Look at all registers. Raises UnavailableError."""
    now = room.clock()
    rounds = {r.number: r for r in room.rounds.rounds()}
    sums = _Sums()
    for head in _heads(rounds):
        _add_head(head, room.policy, sums)
    for register in room.registers.registers():
        _add_uncovered(register, room, sums)
    dues = [due for r in rounds.values() if (due := room.policy.due_at(r)) is not None]
    return RenewalPlan(
        at=now,
        rounds=len(rounds),
        with_record=sums.covered,
        without_record=sums.uncovered,
        due_now=len(due_rounds(tuple(rounds.values()), room.policy, now)),
        next_due_at=min(dues, default=None),
        losses=tuple(sorted(Loss(*key, count) for key, count in sums.losses.items())),
        cost=_cost(rounds, room, now),
    )


def _heads(rounds: dict[int, Round]) -> Iterator[Round]:
    """Rounds on which documents rest now."""
    return (r for r in rounds.values() if r.end is not None and r.covered_by is None)


def _add_head(head: Round, policy: RenewalPolicy, sums: _Sums) -> None:
    documents = head.end.documents if head.end else 0
    month = _month(policy.proof_until(head))
    sums.losses[month, ProofBy.RECORD, policy.reason(head)] += documents
    sums.covered += documents


def _add_uncovered(register: Register, room: PlanRoom, sums: _Sums) -> None:
    """Documents that only their own seal proves."""
    last = room.rounds.last_slice(register)
    start = last.slice.end if last else 0
    while page := room.logs.leaves(register, LogName.OUTCOMES, start=start, limit=_PAGE):
        start += len(page)
        leaves = (OutcomeLeaf.from_bytes(body) for body in page)
        ids = [leaf.subject_id for leaf in leaves if leaf.outcome is Outcome.ISSUED]
        documents = room.documents.get_many(ids)
        for document_id in ids:
            document = documents.get(document_id)
            file = document.file if document else None
            until = file.proof_until if file else None
            month = _month(until) if until else "unknown"
            sums.losses[month, ProofBy.SEAL, EndReason.CERTIFICATE] += 1
            sums.uncovered += 1


def _cost(rounds: dict[int, Round], room: PlanRoom, now: datetime) -> Cost:
    """Initial rounds go on as they did in the last year, but at least as the policy asks; each
    day on which something is due makes one time-stamp more."""
    until = now + _YEAR
    due = [d for r in rounds.values() if (d := room.policy.due_at(r)) is not None and d <= until]
    renewal_days = {in_bangkok(max(d, now)).date() for d in due}
    initial = -(-_YEAR.days // room.policy.slice_days)
    stamps = initial + len(renewal_days)
    last_year = [r for r in rounds.values() if r.planned_at > now - _YEAR and r.end is not None]
    slices = sum(len(room.rounds.members(r.number).slices) for r in last_year)
    documents = sum(r.end.documents for r in last_year if r.end)
    puts = stamps + max(slices, initial) + len(renewal_days)
    size = documents * BYTES_PER_DOCUMENT + stamps * BYTES_PER_ROUND
    gets = 2 * puts + len(due)
    return Cost(
        time_stamps=stamps,
        time_stamps_thb=Decimal(stamps * room.timestamp_price_satang) / 100,
        puts=puts,
        gets=gets,
        bytes=size,
        requests_usd=(puts * _USD_PER_PUT + gets * _USD_PER_GET).quantize(Decimal("0.0001")),
        storage_usd_month=(size / _GB * _USD_PER_GB_MONTH).quantize(Decimal("0.0001")),
    )


def _month(instant: datetime) -> str:
    """`9999-12` for what has no end: near the end of the calendar there is no other zone."""
    try:
        return in_bangkok(instant).strftime("%Y-%m")
    except OverflowError:
        return "9999-12"
