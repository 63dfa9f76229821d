"""Closing a register year: what it states, what it refuses, and that it may die anywhere."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.adapters.memory import CountingSigner
from chalicelib.domain.documents import DocumentState
from chalicelib.domain.errors import RegisterNotOverError
from chalicelib.domain.registers import Book, EntryState, LogName, Register, statement_key
from chalicelib.services.close import Closing, close_year
from chalicelib.services.reserve import ReservationDesk, ReservationRequest, reserve
from tests.fault.harness import Danger, Killed, World, audit
from tests.support.samples import NOON, document

REGISTER = Register("diw", "licence", 2026)
NEW_YEAR = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
"""1 January 2027, 00:00 in Bangkok."""


class TellingSigner(CountingSigner):
    """Signs by showing what it signs, in the shape of a compact JWS."""

    def sign(self, payload: bytes, *, media_type: str | None = None) -> str:
        return f"x.{base64.urlsafe_b64encode(payload).decode()}.x"


def _world() -> World:
    """Three documents issued, one void, two numbers reserved, in the evening of the year."""
    world = World()
    world.fakes.signer = TellingSigner()
    world.accept(*(document(f"D{n}", recipients=("rd",)) for n in range(3)))
    world.run_to_rest()
    house = world.fakes.house()
    desk = ReservationDesk(
        registers=house.registers, clock=world.fakes.clock, ids=house.ids, pause=lambda _n: None
    )
    request = ReservationRequest(
        book=Book("diw", "licence"),
        count=2,
        owner="clerk-1",
        reason="รอลงนาม",
        expires_at=NEW_YEAR - timedelta(seconds=1),
    )
    reserve(request, desk=desk)
    return world


def _close(world: World, danger: Danger | None = None) -> Closing:
    house = world.fakes.house((danger or Danger()).wrap)
    return close_year(REGISTER, room=house.closing_room)


def _statement(world: World) -> dict[str, Any]:
    signed = world.fakes.archive.files[statement_key(REGISTER)]
    stated: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.split(b".")[1]))
    return stated


def test_a_year_is_not_closed_before_it_is_over() -> None:
    """A18: until midnight in Bangkok the register goes on."""
    world = _world()
    world.fakes.clock.now = NEW_YEAR - timedelta(milliseconds=1)
    with pytest.raises(RegisterNotOverError):
        _close(world)
    assert not world.fakes.ledger.head(REGISTER).closing


def test_the_statement_says_what_became_of_every_number() -> None:
    """A18, P7: last number, counts, void numbers with reasons, roots of both logs; locked."""
    world = _world()
    world.fakes.clock.now = NEW_YEAR
    closing = _close(world)
    stated = _statement(world)
    assert stated["register_id"] == "diw/licence/2026"
    assert (stated["last_number"], stated["issued"], stated["void"]) == (5, 3, 2)
    assert [(v["number"], v["reason"]) for v in stated["void_numbers"]] == [
        (4, "year_closed"),
        (5, "year_closed"),
    ]
    for log, size in ((LogName.NUMBERS, 5), (LogName.OUTCOMES, 5)):
        state = world.fakes.ledger.state(REGISTER, log)
        assert stated["logs"][log]["size"] == state.head.size == size
        assert stated["logs"][log]["root"] == state.head.root.hex()
    file = world.fakes.archive.find(statement_key(REGISTER))
    assert file is not None
    assert file.sha256 == closing.statement == world.fakes.ledger.head(REGISTER).statement
    assert file.retain_until.year == 2047


def test_the_statement_waits_for_the_last_document() -> None:
    """P3, P4: nothing is stated of a year while one of its documents is still being made."""
    world = _world()
    world.fakes.clock.now = NEW_YEAR - timedelta(seconds=1)
    world.accept(document("D9", at=NEW_YEAR - timedelta(seconds=2)))
    world.step("number")
    world.fakes.clock.now = NEW_YEAR
    assert _close(world) == Closing(REGISTER, None, 1)
    assert world.fakes.archive.find(statement_key(REGISTER)) is None
    world.run_to_rest()
    assert _close(world).statement is not None
    assert _statement(world)["issued"] == 4


def test_after_midnight_numbers_start_at_one_and_the_old_year_takes_none() -> None:
    """A18, A22: two submissions a millisecond apart get the last number and number 1."""
    world = _world()
    for moment, name in ((-1, "OLD"), (0, "NEW")):
        world.fakes.clock.now = NEW_YEAR + timedelta(milliseconds=moment)
        world.accept(document(name, at=world.fakes.clock.now))
        world.step("number")
    old, new = world.fakes.ledger.get("OLD"), world.fakes.ledger.get("NEW")
    assert old is not None
    assert new is not None
    assert old.numbering is not None
    assert new.numbering is not None
    assert (old.numbering.year, old.numbering.number) == (2026, 6)
    assert (new.numbering.year, new.numbering.number) == (2027, 1)
    world.run_to_rest()
    _close(world)
    # A writer whose clock is late by an hour finds the year closed and leaves it alone.
    world.fakes.clock.now = NEW_YEAR - timedelta(hours=1)
    world.accept(document("LATE", at=world.fakes.clock.now))
    world.step("number")
    late = world.fakes.ledger.get("LATE")
    assert late is not None
    assert late.state is DocumentState.ACCEPTED
    assert world.fakes.ledger.head(REGISTER).last_number == 6
    world.fakes.clock.now = NEW_YEAR + timedelta(hours=1)
    world.run_to_rest()
    ended = world.fakes.ledger.get("LATE")
    assert ended is not None
    assert ended.numbering is not None
    assert (ended.numbering.year, ended.numbering.number) == (2027, 2)


def _moments() -> list[str]:
    danger, world = Danger(), _world()
    world.fakes.clock.now = NEW_YEAR
    _close(world, danger)
    return danger.seen


@pytest.mark.parametrize(("moment", "what"), list(enumerate(_moments())))
def test_killed_anywhere_one_statement_stands(moment: int, what: str) -> None:
    """P8: killed before or after any call and run again, the year has one statement, and it
    is the one that lies in the archive."""
    world = _world()
    world.fakes.clock.now = NEW_YEAR
    with pytest.raises(Killed):
        _close(world, Danger(kill_at=moment))
    world.fakes.clock.now = NEW_YEAR + timedelta(days=1)
    closing = _close(world)
    file = world.fakes.archive.find(statement_key(REGISTER))
    assert file is not None
    assert closing.statement == file.sha256, what
    assert _statement(world)["void"] == 2
    assert _close(world) == closing
    entries = world.fakes.ledger.entries(REGISTER)
    assert {e.state for e in entries} == {EntryState.ISSUED, EntryState.VOID}
    assert audit(world.fakes, REGISTER) == []


def test_the_clock_at_noon_is_in_the_year() -> None:
    """A18: the samples of these tests lie in the year they close."""
    assert Book("diw", "licence").at(NOON) == REGISTER
