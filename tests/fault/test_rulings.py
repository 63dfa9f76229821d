"""P8: rulings, replacements and expiry may be killed at any call; then the audit finds nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from chalicelib.domain.documents import Decision, Document, content_digest
from chalicelib.domain.errors import StandingConflictError
from chalicelib.domain.registers import Register
from chalicelib.domain.standing import REASONS_FOR, RulingKind, Standing
from chalicelib.ports import IdempotencyClaim
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.revoke import rule
from tests.fault.harness import Danger, Killed, World, audit
from tests.support.samples import document

REGISTER = Register("diw", "licence", 2026)


def issued(valid_until: date | None = None) -> World:
    """Two documents, issued and told."""
    world = World()
    world.accept(
        *(_until(document(f"D{n}", recipients=("dbd", "rd")), valid_until) for n in range(2))
    )
    world.run_to_rest()
    return world


def _until(made: Document, day: date | None) -> Document:
    digest = content_digest(
        agency_id=made.agency_id,
        document_type=made.document_type,
        type_version=made.type_version,
        content=made.content,
        valid_from=made.valid_from,
        valid_until=day,
    )
    return replace(made, valid_until=day, content_digest=digest)


def decide(world: World, kind: RulingKind, danger: Danger | None = None) -> None:
    """As the API does it, with an Idempotency-Key."""
    decision = Decision(
        kind=kind,
        reason_code=REASONS_FOR[kind][0],
        reason="เหตุผล",
        by="approver-1",
        agency_id="diw",
    )
    claim = IdempotencyClaim("diw", f"key-{kind}", "digest")
    bench = replace(world.fakes.house((danger or Danger()).wrap).bench, pause=lambda _attempt: None)
    rule("D0", decision, claim, bench=bench)


def moments(act: Callable[[Danger], object]) -> list[int]:
    danger = Danger()
    act(danger)
    return list(range(danger.moment))


def kept(world: World, document_id: str) -> Document:
    found = world.fakes.ledger.get(document_id)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [RulingKind.REVOKED, RulingKind.SUSPENDED])
def test_the_api_dies_while_it_rules(kind: RulingKind) -> None:
    """P4, P5: whatever the client does then, there is one ruling or none; repeated with its
    key there is exactly one, told once to each."""
    for moment in moments(lambda danger: decide(issued(), kind, danger)):
        world = issued()
        with pytest.raises(Killed):
            decide(world, kind, Danger(kill_at=moment))
        # The message may be lost; the client repeats, or does not.
        world.fakes.deliver_queue.messages.clear()
        abandoned = len(kept(world, "D0").rulings)
        assert abandoned in {0, 1}
        world.sweep()
        world.run_to_rest()
        assert audit(world.fakes, REGISTER) == []
        decide(world, kind)
        world.run_to_rest()
        assert len(kept(world, "D0").rulings) == 1
        assert audit(world.fakes, REGISTER) == []


def ruled(*kinds: RulingKind) -> World:
    world = issued()
    for kind in kinds:
        decide(world, kind)
    return world


STEPS = (RulingKind.SUSPENDED, RulingKind.REINSTATED, RulingKind.REVOKED)


@pytest.mark.parametrize("lost", [False, True], ids=["returns", "is-lost"])
@pytest.mark.parametrize("moment", moments(lambda danger: ruled(*STEPS).step("deliver", danger)))
def test_the_delivery_dies_while_it_tells(moment: int, *, lost: bool) -> None:
    """P5: three rulings at once are each signed, archived and told once, by the same bytes."""
    world = ruled(*STEPS)
    with pytest.raises(Killed):
        world.step("deliver", Danger(kill_at=moment))
    if lost:
        world.fakes.deliver_queue.messages.clear()
        world.sweep()
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
    keys = [key for key in world.fakes.archive.files if key.startswith("rulings/")]
    assert keys == [f"rulings/diw/licence/2026/D0/{n}.jws" for n in (1, 2, 3)]
    events = [json.loads(event) for _, event in world.fakes.inboxes.events]
    told = {(e["data"]["kind"], e["data"]["recipient"]) for e in events if "kind" in e["data"]}
    assert told == {(kind, agency) for kind in STEPS for agency in ("dbd", "rd")}


def replacing() -> World:
    """A document that replaces D0 is about to be sealed."""
    world = issued()
    world.accept(replace(document("NEW", recipients=("dbd",)), supersedes="D0"))
    world.step("number")
    return world


@pytest.mark.parametrize("lost", [False, True], ids=["returns", "is-lost"])
@pytest.mark.parametrize("moment", moments(lambda danger: replacing().step("seal", danger)))
def test_sealing_dies_while_it_replaces(moment: int, *, lost: bool) -> None:
    """Issue 5, item 5: the old document ends in the moment the new one is final, exactly once,
    and its recipients learn by what."""
    world = replacing()
    with pytest.raises(Killed):
        world.step("seal", Danger(kill_at=moment))
    new, old = kept(world, "NEW"), kept(world, "D0")
    assert (new.file is not None) is (len(old.rulings) == 1)
    if lost:
        world.fakes.seal_queue.messages.clear()
        world.fakes.deliver_queue.messages.clear()
        world.sweep()
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
    (ruling,) = kept(world, "D0").rulings
    assert ruling.replaced_by is not None
    assert (ruling.replaced_by.document_id, ruling.replaced_by.printed_number) == ("NEW", "๓/๒๕๖๙")


def test_what_was_revoked_meanwhile_stays_revoked() -> None:
    """Issue 5, item 5: a revocation between submission and seal wins; the new one is issued."""
    world = replacing()
    decide(world, RulingKind.REVOKED)
    world.run_to_rest()
    assert [r.kind for r in kept(world, "D0").rulings] == [RulingKind.REVOKED]
    assert kept(world, "NEW").file is not None
    assert audit(world.fakes, REGISTER) == []


def test_a_ruling_after_the_retention_is_locked_and_told() -> None:
    """P5: a document whose lock has run out can still be revoked; no lock may end in the past
    (S3 refuses it), or its recipients would never be told."""
    world = issued()
    file = kept(world, "D0").file
    assert file is not None
    world.fakes.clock.now = file.retain_until + timedelta(days=40)
    decide(world, RulingKind.REVOKED)
    world.run_to_rest()
    locked = world.fakes.archive.find("rulings/diw/licence/2026/D0/1.jws")
    assert locked is not None
    assert locked.retain_until > world.fakes.clock()
    assert not checkpoint_all(room=world.fakes.house().checkpoint_room).failed
    assert audit(world.fakes, REGISTER) == []


def expired() -> World:
    """The last day of both documents is over."""
    world = issued(valid_until=date(2026, 11, 30))
    assert not checkpoint_all(room=world.fakes.house().checkpoint_room).failed
    world.fakes.clock.advance(timedelta(days=10))
    return world


def test_recipients_are_told_that_documents_expired() -> None:
    """Issue 5, item 5: once, after the last day, and nothing waits afterwards."""
    world = expired()
    before = len(world.fakes.inboxes.events)
    world.sweep()
    world.run_to_rest()
    world.sweep()
    world.run_to_rest()
    events = [json.loads(event) for _, event in world.fakes.inboxes.events[before:]]
    assert sorted(e["id"] for e in events) == [
        f"D{n}.expired.{agency}" for n in (0, 1) for agency in ("dbd", "rd")
    ]
    assert {e["type"] for e in events} == {"tra.document.expired.v1"}
    assert {e["time"] for e in events} == {"2026-11-30T17:00:00Z"}
    assert audit(world.fakes, REGISTER) == []
    house = world.fakes.house()
    assert kept(world, "D0").standing_at(house.clock()).standing is Standing.EXPIRED


def test_expiry_dies_anywhere() -> None:
    """P8: sweep or delivery killed at any call, each recipient is told by the same event."""
    for moment in moments(lambda danger: expired().sweep(danger)):
        world = expired()
        with pytest.raises(Killed):
            world.sweep(Danger(kill_at=moment))
        world.fakes.deliver_queue.messages.clear()
        _come_to_rest(world)
    for moment in moments(lambda danger: _woken().step("deliver", danger)):
        world = _woken()
        with pytest.raises(Killed):
            world.step("deliver", Danger(kill_at=moment))
        _come_to_rest(world)


def _woken() -> World:
    world = expired()
    world.sweep()
    return world


def _come_to_rest(world: World) -> None:
    for _ in range(2):
        world.sweep()
        world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
    told = {json.loads(event)["id"] for _, event in world.fakes.inboxes.events}
    assert {i for i in told if "expired" in i} == {
        f"D{n}.expired.{agency}" for n in (0, 1) for agency in ("dbd", "rd")
    }


def test_of_two_revocations_at_once_one_holds() -> None:
    """P8: the second is a conflict, not a second ruling."""
    world = ruled(RulingKind.REVOKED)
    bench = world.fakes.house().bench
    decision = Decision(
        kind=RulingKind.REVOKED,
        reason_code=REASONS_FOR[RulingKind.REVOKED][0],
        reason="อีกครั้ง",
        by="approver-2",
        agency_id="diw",
    )
    with pytest.raises(StandingConflictError):
        rule("D0", decision, None, bench=bench)
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
