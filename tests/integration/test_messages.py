"""A queue message opens nothing by itself: the record it names says what may be done (P6, ADR 43)."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

import app
from chalicelib.domain.documents import DocumentState, Reason
from chalicelib.handlers import exchange, queues
from chalicelib.ports import Search
from tests.fault.harness import World
from tests.support.rooms import CONTEXT, furnished, sample_event
from tests.support.samples import document

OWN = {
    "number": queues.number,
    "seal": queues.seal,
    "batch": queues.batch,
    "deliver": queues.deliver,
    "dispatch": exchange.dispatch,
}
"""Functions that take messages of Tra's own functions alone, by queue policy."""

STRANGERS = {"receive"}
"""Functions that others may send to: nothing is believed but by signature (test_receive.py)."""

SCHEDULED = {"sweep", "checkpoint", "close", "renew"}

BOAST = {"roles": ["administrator"], "state": "numbered", "number": 7, "agency_id": "diw"}


def test_every_trigger_is_known_here() -> None:
    """Issue 7.5: a function that something new can trigger says here what authorises it."""
    assert {source.name for source in app.app.event_sources} == {*OWN, *STRANGERS, *SCHEDULED}


def _tell(world: World, function: str, body: dict[str, Any]) -> None:
    event = sample_event(function)
    record = {**event["Records"][0], "body": json.dumps(body)}
    with furnished(world.fakes.house()):
        OWN[function]({"Records": [record]}, CONTEXT)


def _all(world: World) -> object:
    """Documents, lines, files and what was sent on."""
    fakes = world.fakes
    return (
        fakes.ledger.search(Search(agency_id="diw")).documents,
        fakes.ledger.registers(),
        dict(fakes.archive.files),
        list(fakes.inboxes.events),
        [list(queue.messages) for queue in (fakes.seal_queue, fakes.deliver_queue)],
    )


@pytest.mark.parametrize(
    ("function", "told"),
    list(
        product(
            OWN,
            (
                {"document_id": "0" * 26},
                {"delivery": f"{'0' * 26}.dbd.1"},
                {"batch": "diw/01JZZZZZZZZZZZZZZZZZZZZZZZ"},
                {"document_id": "rejected"},
                {"document_id": "../../rejected"},
            ),
        )
    ),
)
def test_a_message_about_nothing_does_nothing(function: str, told: dict[str, Any]) -> None:
    """P6: neither ids of nothing, nor of what has ended, nor what else a message says, change
    anything."""
    world = World()
    rejected = document("rejected")
    world.fakes.ledger.add(rejected, None)
    gone = Reason("render_failed", "x", "y")
    world.fakes.ledger.reject(rejected, gone, world.fakes.clock())
    before = _all(world)
    _tell(world, function, {**told, **BOAST})
    assert _all(world) == before


@pytest.mark.parametrize("function", sorted(set(OWN) - {"number"}))
def test_no_step_is_skipped_by_a_message(function: str) -> None:
    """P1, P6: a document that was not numbered is neither sealed nor delivered, whoever sends
    the message: each function looks at the state that the one before wrote."""
    world = World()
    world.fakes.ledger.add(document("waiting"), None)
    before = _all(world)
    _tell(world, function, {"document_id": "waiting", **BOAST})
    assert _all(world) == before
    stored = world.fakes.ledger.get("waiting")
    assert stored is not None
    assert stored.state is DocumentState.ACCEPTED
