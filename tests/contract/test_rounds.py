"""Contract of RoundStore: the fake and DynamoDB alike."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.rounds import DynamoRounds
from chalicelib.adapters.memory_rounds import MemoryRounds
from chalicelib.domain.errors import EvidenceRecordError, RegisterConflictError
from chalicelib.domain.evidence_records import EndReason
from chalicelib.domain.evidence_rounds import (
    CoveredSlice,
    Members,
    RoundEnd,
    RoundKind,
    RoundPlan,
    Slice,
)
from chalicelib.domain.registers import Register
from chalicelib.ports import RoundStore
from tests.support.samples import NOON
from tests.support.tables import create_table

REGISTER, OTHER = Register("diw", "licence", 2026), Register("dbd", "licence", 2026)
SLICES = (Slice(REGISTER, 0, 10), Slice(OTHER, 0, 3))
PLAN = RoundPlan(
    number=1,
    kind=RoundKind.INITIAL,
    algorithm="sha256",
    planned_at=NOON,
    members=Members(SLICES),
)
END = RoundEnd(
    at=NOON + timedelta(seconds=1),
    authority="A",
    ends_at=NOON + timedelta(days=900),
    because=EndReason.CERTIFICATE,
    documents=12,
    retain_until=NOON + timedelta(days=3650),
)


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def rounds(request: pytest.FixtureRequest) -> Iterator[RoundStore]:
    if request.param == "memory":
        yield MemoryRounds()
        return
    request.getfixturevalue("aws")
    name = f"registers-{uuid4().hex[:8]}"
    yield DynamoRounds(create_table(boto3.client("dynamodb"), "RegistersTable", name))


def test_a_plan_is_kept_whole(rounds: RoundStore) -> None:
    """P8: whoever finishes a round that another run planned finds all that it covers."""
    rounds.plan(PLAN)
    (found,) = rounds.rounds()
    assert (found.number, found.kind, found.algorithm) == (1, RoundKind.INITIAL, "sha256")
    assert (found.planned_at, found.end, found.covered_by) == (NOON, None, None)
    assert rounds.members(1) == PLAN.members
    assert rounds.slices(REGISTER) == ()
    assert rounds.last_slice(REGISTER) is None


def test_a_number_is_planned_once(rounds: RoundStore) -> None:
    """P8: of two runs that plan at the same moment one learns that it must help the other."""
    rounds.plan(PLAN)
    with pytest.raises(RegisterConflictError):
        rounds.plan(replace(PLAN, members=Members()))
    assert rounds.members(1) == PLAN.members
    with pytest.raises(EvidenceRecordError):
        rounds.members(2)


def test_a_finished_round_leads_to_its_slices(rounds: RoundStore) -> None:
    """Issue 4, 5: from a place in the outcome log to the slice that covers it."""
    rounds.plan(PLAN)
    rounds.finish(PLAN, END)
    later = replace(PLAN, number=2, members=Members((Slice(REGISTER, 10, 12),)))
    rounds.plan(later)
    rounds.finish(later, END)
    assert [r.end for r in rounds.rounds()] == [END, END]
    first, second = CoveredSlice(SLICES[0], (1,)), CoveredSlice(Slice(REGISTER, 10, 12), (2,))
    assert rounds.slices(REGISTER) == (first, second)
    assert rounds.last_slice(REGISTER) == second
    for place, expected in ((0, first), (9, first), (10, second), (11, second), (12, None)):
        assert rounds.slice_of(REGISTER, place) == expected
    assert rounds.last_slice(OTHER) == CoveredSlice(SLICES[1], (1,))


def test_the_first_end_stands_and_a_repeat_changes_nothing(rounds: RoundStore) -> None:
    """P8: a round that ends twice ended the first time."""
    rounds.plan(PLAN)
    rounds.finish(PLAN, END)
    rounds.finish(PLAN, replace(END, authority="B"))
    assert [r.end for r in rounds.rounds()] == [END]
    assert [s.rounds for s in rounds.slices(REGISTER)] == [(1,)]


def test_rounds_are_taken_over(rounds: RoundStore) -> None:
    """RFC 4998 §5.2: a round that was renewed names the one that covers it; one that is only
    partly hashed anew is not retired yet, but its slices have another chain."""
    rounds.plan(PLAN)
    rounds.finish(PLAN, END)
    part = replace(
        PLAN, number=2, kind=RoundKind.HASHES, members=Members(SLICES[:1], (1,), retires=False)
    )
    rounds.plan(part)
    rounds.finish(part, END)
    assert [r.covered_by for r in rounds.rounds()] == [None, None]
    rest = replace(part, number=3, members=Members(SLICES[1:], (1,)))
    rounds.plan(rest)
    assert rounds.members(3) == rest.members
    rounds.finish(rest, END)
    rounds.finish(rest, END)
    assert [r.covered_by for r in rounds.rounds()] == [3, None, None]
    assert [s.rounds for s in rounds.slices(REGISTER)] == [(1, 2)]
    assert [s.rounds for s in rounds.slices(OTHER)] == [(1, 3)]


def test_of_many_at_once_one_plans(rounds: RoundStore) -> None:
    """P8: however many runs begin at the same moment, a number is one round's."""

    def attempt(n: int) -> int:
        with suppress(RegisterConflictError):
            rounds.plan(replace(PLAN, planned_at=NOON + timedelta(seconds=n)))
            return 1
        return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(rounds.rounds()) == 1
