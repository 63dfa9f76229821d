"""A short random campaign with letters in every run of the tests; the long one is `make campaign`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.domain.deliveries import DeliveryId
from tests.fault.letter_campaign import LetterCampaign, Outcome, run
from tests.fault.letters import HOSTED, SENDER, LetterWorld, Wrong, audit_letters

_SEED = 20_260_608
_LETTERS = 60


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(_SEED, _LETTERS)


def test_nothing_is_lost_doubled_or_left_without_receipt(outcome: Outcome) -> None:
    """P1-P5, P8: whatever dies, fails, comes twice or never: one outcome each, one number for
    each receipt, and everybody told."""
    assert outcome.clean, str(outcome)
    assert "lost 0 / doubled 0 / unreceipted 0 / other 0" in str(outcome)
    assert outcome.letters >= _LETTERS


@pytest.mark.parametrize(
    "what",
    [
        "kills",
        "calls failed",
        "messages doubled",
        "messages reordered",
        "messages delayed",
        "messages lost",
        "messages poisoned",
        "answers disturbed",
        "answers repeated",
        "answers refused",
        "channels busy",
        "channels deaf",
        "recalls",
        "disputes",
        "resends",
        "sweeps",
        "pauses",
        "reminders",
        "year changes",
        "deliveries handed_over",
        "deliveries rejected",
        "deliveries recalled",
        "deliveries failed",
    ],
)
def test_the_campaign_really_disturbed(outcome: Outcome, what: str) -> None:
    """P8: a campaign in which nothing happens shows nothing."""
    assert outcome.done.get(what, 0) > 0


def test_the_same_seed_is_the_same_campaign() -> None:
    """P8: a failure can be looked at again, by its seed."""
    first, again, other = run(_SEED, 10), run(_SEED, 10), run(_SEED + 1, 10)
    assert (again.done, again.letters) == (first.done, first.letters)
    assert other.done != first.done


# -- the judgement itself ----------------------------------------------------------------


def _lose_delivery(world: LetterWorld) -> None:
    del world.fakes.deliveries._kept[DeliveryId("L1", HOSTED)]


def _tell_in_other_bytes(world: LetterWorld) -> None:
    system = world.systems[SENDER]
    event = system.taken[f"L1.{HOSTED}.1.receipt.1"]
    system.take(event + b" ")


def _forget_notice(world: LetterWorld) -> None:
    del world.systems[SENDER].taken[f"L1.{HOSTED}.1.receipt.1"]


def _lose_receipt(world: LetterWorld) -> None:
    kept = world.fakes.deliveries._kept[DeliveryId("L1", "rd")]
    kept.record = replace(kept.record, delivery=replace(kept.record.delivery, receipts=()))


def _lose_number(world: LetterWorld) -> None:
    (place,) = (p for p in world.fakes.ledger._entries if p[0].book == "receive")
    del world.fakes.ledger._entries[place]


SABOTAGE: dict[str, tuple[Callable[[LetterWorld], None], set[Wrong]]] = {
    "a delivery lost": (_lose_delivery, {Wrong.LOST, Wrong.DOUBLED}),
    "other bytes": (_tell_in_other_bytes, {Wrong.DOUBLED}),
    "a notice lost": (_forget_notice, {Wrong.LOST}),
    "a receipt lost": (_lose_receipt, {Wrong.DOUBLED, Wrong.LOST}),
    "a number lost": (_lose_number, {Wrong.LOST, Wrong.UNRECEIPTED}),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_judgement_can_fail(name: str) -> None:
    """P5: what campaign and harness rely on sees a lost, doubled or unreceipted delivery."""
    world = LetterWorld()
    world.accept(world.letter("L1"))
    world.come_to_rest()
    assert audit_letters(world) == []
    sabotage, expected = SABOTAGE[name]
    sabotage(world)
    assert expected <= {problem.kind for problem in audit_letters(world)}


def test_a_campaign_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """P8: whatever is wrong in the end is told with the seed."""
    rest = LetterCampaign._come_to_rest

    def spoiled(campaign: LetterCampaign) -> None:
        rest(campaign)
        campaign.world.systems[SENDER].taken.clear()

    monkeypatch.setattr(LetterCampaign, "_come_to_rest", spoiled)
    outcome = run(_SEED, 5)
    assert not outcome.clean
    assert f"make campaign SEED={_SEED}" in str(outcome)
