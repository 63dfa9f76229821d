"""P5, P8: letters to three kinds of recipients, with a death before and after every call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.erds import DeliveryState
from chalicelib.services.dispute_receipt import dispute_receipt
from chalicelib.services.recall_letter import recall_letter
from chalicelib.services.register_letter import correct_receipt
from chalicelib.services.resend_letter import resend_letter
from tests.fault.harness import Danger, Killed
from tests.fault.letters import CLERK, HOOKED, HOSTED, QUEUED, Act, LetterWorld, audit_letters

Stage = Callable[[LetterWorld, Danger], object]

STAGES: dict[str, Stage] = {
    "number": lambda world, danger: world.step("number", danger),
    "seal": lambda world, danger: world.step("seal", danger),
    "deliver": lambda world, danger: world.step("deliver", danger),
    "dispatch": lambda world, danger: world.step("dispatch", danger),
    "answer": lambda world, danger: world.bring_answers(danger),
    "receive": lambda world, danger: world.receive(danger),
    "register": lambda world, danger: world.visit_inbox(danger),
    "tell": lambda world, danger: world.step("dispatch", danger),
}
"""The way of one letter; each stage finds what the one before it left."""

_WITH_QUEUE = ("deliver", "dispatch", "tell")


def before(stage: str) -> LetterWorld:
    """A world in which it is the turn of `stage`."""
    world = LetterWorld()
    world.accept(world.letter("L1"))
    for name, run in STAGES.items():
        if name == stage:
            return world
        run(world, Danger())
    raise ValueError(stage)


def moments(world: LetterWorld, act: Stage) -> list[str]:
    """Every moment of an undisturbed run."""
    danger = Danger()
    act(world, danger)
    return danger.seen


MOMENTS = {stage: moments(before(stage), act) for stage, act in STAGES.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_death_at_any_call_changes_nothing(stage: str) -> None:
    """P1-P5, P8: one number, one outcome and one receipt for each recipient, each told once and
    in the original bytes, wherever the function, the clerk or the API dies."""
    start = before(stage)
    for moment, what in enumerate(MOMENTS[stage]):
        world = start.copy()
        with pytest.raises(Killed):
            STAGES[stage](world, Danger(kill_at=moment))
        world.come_to_rest()
        assert audit_letters(world) == [], f"killed {what}"
        assert states(world) == dict.fromkeys((HOSTED, QUEUED, HOOKED), DeliveryState.HANDED_OVER)


@pytest.mark.parametrize("stage", _WITH_QUEUE)
def test_the_messages_are_lost_and_sweep_finds_the_deliveries(stage: str) -> None:
    """P4, P5: even if no message ever returns, `sweep` sets each delivery going again; asked
    where each call is made for the first time."""
    every, start = MOMENTS[stage], before(stage)
    for moment in sorted({every.index(what) for what in every}):
        world = start.copy()
        with pytest.raises(Killed):
            STAGES[stage](world, Danger(kill_at=moment))
        world.fakes.deliver_queue.messages.clear()
        world.fakes.dispatch_queue.messages.clear()
        world.come_to_rest()
        assert audit_letters(world) == [], f"killed {every[moment]}"


def states(world: LetterWorld, attempt: int = 1) -> dict[str, DeliveryState]:
    return {
        agency: world.record(f"L1.{agency}.{attempt}").delivery.state
        for agency in (HOSTED, QUEUED, HOOKED)
    }


# -- messages, channels and answers that misbehave -----------------------------------


@pytest.mark.parametrize(
    "disturb", [list.reverse, lambda m: m.extend(m * 2)], ids=["late", "twice"]
)
@pytest.mark.parametrize("stage", _WITH_QUEUE)
def test_messages_in_another_order_or_twice(
    stage: str, disturb: Callable[[list[object]], None]
) -> None:
    """P5, P8: a delivery is looked after as often as somebody asks, and handed in once."""
    world = before(stage)
    disturb(world.fakes.deliver_queue.messages)  # type: ignore[arg-type]  # a list is a list
    disturb(world.fakes.dispatch_queue.messages)  # type: ignore[arg-type]  # a list is a list
    world.come_to_rest()
    assert audit_letters(world) == []


@pytest.mark.parametrize("mood", ["busy", "deaf"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_channel_that_does_not_answer_is_tried_again(mood: str, times: int) -> None:
    """P5, A5: by the same event; a recipient that took it unheard may have answered already, and
    its answer proves the arrival."""
    world = before("dispatch")
    world.roads.moods = {agency: [mood] * times for agency in (QUEUED, HOOKED)}
    world.come_to_rest()
    assert audit_letters(world) == []
    assert set(states(world).values()) == {DeliveryState.HANDED_OVER}


def test_a_channel_that_never_answers_fails_once_and_the_sender_is_told() -> None:
    """A5, P5: after the budget a failure notice, no receipt; the others have theirs."""
    world = before("dispatch")
    world.roads.moods = {HOOKED: ["busy"] * 99}
    world.come_to_rest()
    assert audit_letters(world) == []
    assert states(world)[HOOKED] is DeliveryState.FAILED
    assert f"L1.{HOOKED}.1.failed" in world.systems["diw"].taken
    assert world.record(f"L1.{HOOKED}.1").delivery.receipts == ()


def test_an_answer_to_a_delivery_that_failed_is_refused_and_kept() -> None:
    """P5: a system that took the letter unheard, and registers it when all is over, is told so;
    a failed delivery never gets a receipt."""
    world = before("dispatch")
    world.roads.moods = {HOOKED: ["deaf"] * 99}
    held = world.systems[HOOKED]
    world.step("dispatch")
    late, held.unsent = held.unsent, []
    world.roads.moods[HOOKED] = ["busy"] * 99
    world.come_to_rest()
    held.unsent = late
    world.come_to_rest()
    assert held.refused == [(f"L1.{HOOKED}.1", "delivery_failed")]
    assert audit_letters(world) == []


def test_answers_come_twice_and_before_our_own_note() -> None:
    """P5: the recipient answers before the function that sent it has noted so, and again, signed
    anew: it gets the original, byte for byte."""
    start = before("dispatch")
    for moment in [n for n, what in enumerate(MOMENTS["dispatch"]) if "after channels" in what]:
        world = start.copy()
        with pytest.raises(Killed):
            world.step("dispatch", Danger(kill_at=moment))
        for system in (world.systems[QUEUED], world.systems[HOOKED]):
            for delivery_id in system.answers:
                system.say_again(delivery_id)
        world.bring_answers()
        world.come_to_rest()
        assert audit_letters(world) == []


def test_forged_and_foreign_answers_are_refused_and_kept() -> None:
    """P5: by a stranger's key, of another file: refused, kept, and the right one still counts."""
    world = LetterWorld({QUEUED: lambda _: "forge", HOOKED: lambda _: "forge"})
    world.accept(world.letter("L1"))
    world.come_to_rest()
    assert audit_letters(world) == []
    for agency in (QUEUED, HOOKED):
        kept = world.fakes.deliveries.refused(DeliveryId("L1", agency))
        assert {one.refusal for one in kept} == {"bad_signature", "other_digest"}
        assert states(world)[agency] is DeliveryState.HANDED_OVER


# -- what people do ------------------------------------------------------------------


def settled(acts: dict[str, Act] | None = None) -> LetterWorld:
    """A letter whose deliveries have all come to rest, as `acts` have it."""
    world = LetterWorld(acts)
    world.accept(world.letter("L1"))
    world.come_to_rest()
    return world


def arrived() -> LetterWorld:
    """A letter that lies with all three, and nobody answers."""
    waits: Act = lambda _: "wait"  # noqa: E731 - a word for it
    world = LetterWorld(dict.fromkeys((HOSTED, QUEUED, HOOKED), waits))
    world.accept(world.letter("L1"))
    world.run_to_rest()
    return world


def recall_all(world: LetterWorld, danger: Danger) -> None:
    for agency in (HOSTED, QUEUED, HOOKED):
        recall_letter(DeliveryId("L1", agency), room=world.house(danger).delivery_room)


def dispute(world: LetterWorld, danger: Danger) -> None:
    for agency in (HOSTED, QUEUED):
        room = world.house(danger).delivery_room
        dispute_receipt(DeliveryId("L1", agency), "2026/1", room=room)


def correct(world: LetterWorld, danger: Danger) -> None:
    room = world.house(danger).receiving_room
    correct_receipt(DeliveryId("L1", HOSTED), receiver=CLERK, room=room)


def disputed() -> LetterWorld:
    """The sender says that two numbers are wrong; the queue's system has corrected its own."""
    world = settled()
    dispute(world, Danger())
    world.come_to_rest()
    return world


def resend_all(world: LetterWorld, danger: Danger) -> None:
    for agency in (HOSTED, QUEUED, HOOKED):
        resend_letter(DeliveryId("L1", agency), room=world.house(danger).resend_room)


def rejected() -> LetterWorld:
    """All three rejected the letter, and would register it the second time."""

    def once(delivery_id: str) -> str:
        return "reject" if delivery_id.endswith(".1") else "register"

    return settled(dict.fromkeys((HOSTED, QUEUED, HOOKED), once))


PEOPLE: dict[str, tuple[Callable[[], LetterWorld], Stage]] = {
    "recall": (arrived, recall_all),
    "dispute": (settled, dispute),
    "correct": (disputed, correct),
    "resend": (rejected, resend_all),
}


@pytest.mark.parametrize("what", PEOPLE)
def test_a_death_while_people_decide(what: str) -> None:
    """P5, P8: recall, dispute, correction and resend may die at any call: nothing or all of it
    happened, and a repeat makes it so."""
    prepared, act = PEOPLE[what]
    start = prepared()
    for moment in range(len(moments(start.copy(), act))):
        world = start.copy()
        with pytest.raises(Killed):
            act(world, Danger(kill_at=moment))
        act(world, Danger())
        world.come_to_rest()
        assert audit_letters(world) == []
