"""P8 for the request itself: the API may die anywhere, and the client repeats it."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from chalicelib.domain.registers import Register
from chalicelib.ports import Search
from tests.fault.harness import Danger, Killed, World, audit
from tests.support.appointed import arranged
from tests.support.rooms import CONTEXT, furnished, sample_event

REGISTER = Register("diw", "licence", 2026)


def _submit(world: World, danger: Danger | None = None) -> dict[str, Any]:
    event = sample_event("api")
    event["body"] = json.dumps({**json.loads(event["body"]), "recipients": ["dbd"]})
    caller = event["requestContext"]["authorizer"]
    event["requestContext"]["authorizer"] = arranged(
        caller, world.fakes.officers, world.fakes.clock()
    )
    with furnished(world.fakes.house((danger or Danger()).wrap)):
        answer: dict[str, Any] = app.app(event, CONTEXT)
    return answer


def _moments() -> list[str]:
    danger = Danger()
    _submit(World(), danger)
    return danger.seen


MOMENTS = list(enumerate(_moments()))


@pytest.mark.parametrize(("moment", "what"), MOMENTS)
def test_a_repeat_with_the_same_key_makes_one_document(moment: int, what: str) -> None:
    """P8: killed before or after any call, the repeated request leads to one issued document."""
    world = World()
    with pytest.raises(Killed):
        _submit(world, Danger(kill_at=moment))
    assert _submit(world)["statusCode"] == 202, what
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
    assert len(world.fakes.ledger.search(Search(agency_id="diw")).documents) == 1


@pytest.mark.parametrize(("moment", "what"), MOMENTS)
def test_without_a_repeat_what_was_stored_still_ends(moment: int, what: str) -> None:
    """P4: a document that was stored ends, though its client never asks again."""
    world = World()
    with pytest.raises(Killed):
        _submit(world, Danger(kill_at=moment))
    world.fakes.number_queue.messages.clear()
    world.sweep()
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == [], what
