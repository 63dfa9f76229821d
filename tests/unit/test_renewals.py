"""Renewal seen from outside: the audit, the bundle, the planner and the function."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chalicelib.adapters.trust import TimestampToken
from chalicelib.cli_renewals import as_text
from chalicelib.domain.clock_bound import ClockBound
from chalicelib.domain.errors import EvidenceRecordError
from chalicelib.domain.evidence_records import EndReason
from chalicelib.domain.evidence_rounds import (
    CoveredFile,
    RenewalPolicy,
    RoundFile,
    SliceFile,
    covered_key,
    round_key,
)
from chalicelib.domain.findings import Fault
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel
from chalicelib.handlers import renewals
from chalicelib.services.audit import audit
from chalicelib.services.bundle import bundle
from chalicelib.services.renewals import Loss, ProofBy, RenewalPlan, plan_renewals
from tests.support import rfc4998
from tests.support.decades import LATER, REGISTERS, Decades
from tests.support.ers_stamps import year
from tests.support.rooms import CONTEXT, furnished, sample_event


def _faults(world: Decades) -> set[Fault]:
    room = replace(world.fakes.house().audit_room, renewal=world.policy)
    return set(audit(REGISTERS[0], room=room).found)


def _slice_key(world: Decades) -> str:
    (covered,) = world.fakes.rounds.slices(REGISTERS[0])
    return covered.slice.key(1)


def _lose(world: Decades) -> None:
    del world.fakes.archive.files[_slice_key(world)]


def _alter(world: Decades) -> None:
    key = _slice_key(world)
    held = SliceFile.from_bytes(world.fakes.archive.files[key])
    leaves = (held.leaves[1], held.leaves[0], *held.leaves[2:])
    world.fakes.archive.files[key] = replace(held, leaves=leaves).to_bytes()


def _swap_stamp(world: Decades) -> None:
    key = round_key(1)
    held = RoundFile.from_bytes(world.fakes.archive.files[key])
    stamp = world.fakes.stamper.stamp(bytes(32), "sha256")
    world.fakes.archive.files[key] = replace(held, stamp=stamp).to_bytes()


def _break(world: Decades) -> None:
    world.fakes.archive.files[round_key(1)] = b"{}"


def _stray(world: Decades) -> None:
    world.fakes.archive.put_once(
        "evidence-records/slices/diw/licence/2026/0000000000-0000000001.00000009.json",
        b"{}",
        world.fakes.clock() + LATER,
        LockMode.COMPLIANCE,
    )


def _shorten(world: Decades) -> None:
    key = _slice_key(world)
    described = world.fakes.archive._described
    described[key] = replace(described[key], retain_until=year(2030))


def _forget(world: Decades) -> None:
    world.fakes.rounds._slices.clear()
    world.fakes.clock.advance(timedelta(days=30))


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_lose, {Fault.RECORD_MISSING}),
        (_alter, {Fault.RECORD_WRONG}),
        (_swap_stamp, {Fault.RECORD_WRONG}),
        (_break, {Fault.RECORD_WRONG}),
        (_stray, {Fault.FILE_WITHOUT_ENTRY}),
        (_shorten, {Fault.LOCK_TOO_SHORT}),
        (_forget, {Fault.FILE_WITHOUT_ENTRY, Fault.RECORD_BEHIND}),
    ],
)
def test_what_is_wrong_with_records_is_found(
    plant: Callable[[Decades], None], found: set[Fault]
) -> None:
    """Issue 4, 5: the audit knows the files of evidence records, and what they must hold."""
    world = Decades()
    world.renew()
    assert _faults(world) == set()
    plant(world)
    assert _faults(world) == found


def test_what_is_late_is_a_warning() -> None:
    """Issue 4, 5: a record that was not made in time, and one not renewed in time."""
    world = Decades()
    world.fakes.clock.advance(timedelta(days=2))
    assert _faults(world) == set()
    world.fakes.clock.advance(timedelta(days=3))
    assert _faults(world) == {Fault.RECORD_BEHIND}
    world.renew()
    assert _faults(world) == set()
    world.go_to(datetime(2029, 3, 1, tzinfo=UTC))
    assert _faults(world) == {Fault.RECORD_BEHIND}
    assert Fault.RECORD_BEHIND.is_warning


def test_the_bundle_holds_the_record_and_names_it_only_when_due() -> None:
    """Issue 4, 5: the evidence record is in the document's evidence bundle."""
    world = Decades()
    room = replace(world.fakes.house().bundle_room, record_due_after=timedelta(days=3))
    document = world.fakes.ledger.get("D1")
    assert document is not None
    assert document.file is not None
    young = bundle(document, room=room)
    assert young.content["evidence_records"] == []
    assert "evidence_records" not in young.missing
    world.fakes.clock.advance(timedelta(days=4))
    assert bundle(document, room=room).missing == ("evidence_records",)
    world.renew()
    (text,) = bundle(document, room=room).content["evidence_records"]
    assert bundle(document, room=room).missing == ()
    data = world.fakes.archive.files[document.file.key]
    assert rfc4998.check(base64.b64decode(text), data)


def _plan(world: Decades) -> RenewalPlan:
    return plan_renewals(room=replace(world.fakes.house().plan_room, policy=world.policy))


def test_the_planner_tells_what_loses_proof_when() -> None:
    """Issue 4, 5: by month and reason, with and without record, and what renewal costs."""
    world = Decades()
    before = _plan(world)
    assert (before.with_record, before.without_record) == (0, 6)
    assert [(loss.proof, loss.documents) for loss in before.losses] == [(ProofBy.SEAL, 6)]
    world.renew()
    world.issue("D5")
    plan = _plan(world)
    assert (plan.with_record, plan.without_record, plan.due_now) == (6, 1, 0)
    assert Loss("2030-01", ProofBy.RECORD, EndReason.CERTIFICATE, 6) in plan.losses
    assert plan.next_due_at == year(2029)
    assert plan.cost.time_stamps == 365
    assert plan.cost.time_stamps_thb == Decimal(1095)
    world.policy = replace(world.policy, slice_days=30, ends={"sha256": year(2028)})
    plan = _plan(world)
    assert Loss("2028-01", ProofBy.RECORD, EndReason.HASH, 6) in plan.losses
    assert plan.cost.time_stamps == 14
    assert "2028-01" in as_text(plan)


def test_until_when_a_file_proves_itself_is_what_its_seal_said() -> None:
    """Issue 4, 5: `proof_until` of the seal comes with the archived file, and the planner
    counts by it."""
    world = Decades()
    document = world.fakes.ledger.get("D0")
    assert document is not None
    assert document.file is not None
    assert document.file.seal_level is SealLevel.B_LTA
    assert document.file.proof_until is not None
    assert {loss.month for loss in _plan(world).losses} == {"9999-12"}


def test_the_function_makes_what_is_due() -> None:
    """P8: the schedule's event is all it needs, and it tells what it did."""
    world = Decades()
    with furnished(world.fakes.house()):
        context = type(CONTEXT)(
            **{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 900_000}
        )
        done = renewals.renew(sample_event("renew"), context)
        again = renewals.renew(sample_event("renew"), context)
    assert done == {"rounds": 1, "waiting": 0, "left_out": 0, "unfinished": 0}
    assert again["rounds"] == 0
    assert world.problems("D0", "E0") == []


def test_time_stamps_of_the_function_are_watched(capsys: pytest.CaptureFixture[str]) -> None:
    """A19, A28: what a renewal's time-stamp proves of the clock reaches the alarm's metric."""
    world = Decades()
    house = world.fakes.house()
    stamp = world.times.stamp
    minute = timedelta(minutes=1)

    def seen(digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        house.clock_seen("the authority", ClockBound(low=minute, high=2 * minute))
        return stamp(digest, algorithm)

    world.times.stamp = seen  # type: ignore[method-assign]  # an eye, no other behaviour
    context = type(CONTEXT)(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 900_000})
    with furnished(house):
        renewals.renew(sample_event("renew"), context)
    assert '"ClockErrorBoundMs":[60000.0]' in capsys.readouterr().out.replace(" ", "")


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"type":"tra.evidence-slice.v1"}'])
def test_damaged_files_are_named(damage: bytes) -> None:
    """Never a crash: what lies in the archive and cannot be read is an error with a code."""
    for kind in (SliceFile, RoundFile, CoveredFile):
        with pytest.raises(EvidenceRecordError):
            kind.from_bytes(damage)


def test_files_come_back_as_they_were() -> None:
    """P2: slices, rounds and what they take over survive the archive."""
    world = Decades()
    world.renew()
    world.go_to(datetime(2029, 2, 1, tzinfo=UTC))
    world.renew()
    files = world.fakes.archive.files
    for key, kind in (
        (_slice_key(world), SliceFile),
        (round_key(1), RoundFile),
        (round_key(3), RoundFile),
        (covered_key(2), CoveredFile),
    ):
        if key in files:
            assert kind.from_bytes(files[key]).to_bytes() == files[key]


def test_a_renewal_is_never_due_before_half_of_its_time() -> None:
    """An authority whose certificate ends within the lead is not asked every day."""
    world = Decades()
    world.policy = RenewalPolicy(slice_days=1, lead=timedelta(days=3650))
    world.renew()
    (made,) = world.fakes.rounds.rounds()
    assert made.end is not None
    due = world.policy.due_at(made)
    assert due == made.end.at + (made.end.ends_at - made.end.at) / 2
    assert world.policy.due_at(replace(made, covered_by=2)) is None


def test_a_clock_that_is_wrong_does_not_spend_time_stamps() -> None:
    """A clock far ahead of the authority's finds every new time-stamp old: still there is one
    renewal a day at most, never a loop of them."""
    world = Decades()
    world.renew()
    second = world.times.eras[1]
    second.until = year(2031)
    second.clock = lambda: world.fakes.clock() - timedelta(days=500)
    world.policy = replace(world.policy, lead=timedelta(days=4000))
    world.go_to(datetime(2030, 6, 1, tzinfo=UTC))
    before = world.times.stamps
    budget = iter([True] * 8)
    second_stamp = second.stamp

    def counted(digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        assert next(budget, False), "a loop of time-stamps"
        return second_stamp(digest, algorithm)

    second.stamp = counted  # type: ignore[method-assign]  # an eye, no other behaviour
    world.renew()
    world.renew()
    assert world.times.stamps == before + 1


def test_no_hash_that_lasts_is_told() -> None:
    """When nothing lasts, somebody must look: no round is made with what is broken."""
    world = Decades()
    names = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")
    world.policy = replace(world.policy, ends=dict.fromkeys(names, year(2026)))
    with pytest.raises(EvidenceRecordError):
        world.renew()
    assert json.dumps([r.number for r in world.fakes.rounds.rounds()]) == "[]"
