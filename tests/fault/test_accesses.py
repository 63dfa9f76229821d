"""C5, P8: the access log survives whatever happens to those who place, archive and sign it."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.access_log import AccessLeaf
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import LogName, Register
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint_accesses import checkpoint_accesses
from tests.fault.harness import Danger, Killed, Trouble
from tests.support.accesses import LOG, NOON, access, accesses
from tests.support.rooms import Fakes

DIW = Register("diw", "access", 2026)
# Over the edge of a tile, and more than one transaction.
_BEFORE, _MORE = 240, 60


def _prepared() -> Fakes:
    """A log that is published, and news for it and for another agency's."""
    fakes = Fakes()
    fakes.clock.now = NOON + timedelta(hours=1)
    fakes.access_log.add(*accesses(_BEFORE))
    _run(fakes)
    fakes.access_log.add(*accesses(_MORE, first=_BEFORE), access("B1", agency_id="rd"))
    return fakes


def _run(fakes: Fakes, danger: Danger | None = None) -> Any:
    house = fakes.house((danger or Danger()).wrap)
    return checkpoint_accesses(room=house.access_checkpoint_room)


def _found(fakes: Fakes) -> dict[Fault, int]:
    return audit(DIW, room=fakes.house().audit_room).found


def _demand_whole(fakes: Fakes) -> None:
    """Every access once, in a log that was signed for and is archived."""
    leaves = [AccessLeaf.from_bytes(leaf) for leaf in fakes.access_log.leaves_of[LOG]]
    assert sorted(leaf.access_id for leaf in leaves) == [
        record.access_id for record in accesses(_BEFORE + _MORE)
    ]
    assert [leaf.seq for leaf in leaves] == list(range(len(leaves)))
    assert fakes.access_log.waiting(10) == ()
    assert fakes.ledger.state(DIW, LogName.ACCESSES).head.size == _BEFORE + _MORE
    assert _found(fakes) == {}


def _moments() -> list[str]:
    danger = Danger()
    _run(_prepared(), danger)
    return danger.seen


CASES = [
    pytest.param(moment, id=f"{moment:02d}-{what.replace(' ', '-')}")
    for moment, what in enumerate(_moments())
]


def test_there_is_much_to_die_at() -> None:
    """P8: reads, placings, archiving, tiles, signatures and publications are all among it."""
    seen = " ".join(_moments())
    for call in (
        "access_log.waiting",
        "access_log.place",
        "archive.put_once",
        "log_files.put",
        "log_signer.sign",
        "logs.advance",
    ):
        assert f"before {call}" in seen
        assert f"after {call}" in seen


@pytest.mark.parametrize("moment", CASES)
def test_killed_anywhere_the_log_is_whole_and_then_complete(moment: int) -> None:
    """C5, P8: what is there after the death has no finding; the next run does the rest."""
    fakes = _prepared()
    with pytest.raises(Killed):
        _run(fakes, Danger(kill_at=moment))
    assert _found(fakes) == {}
    _run(fakes)
    _demand_whole(fakes)


@pytest.mark.parametrize("moment", CASES)
def test_a_call_that_fails_anywhere_loses_nothing(moment: int) -> None:
    """C5, P8: it may have worked, and nobody knows; and more comes before the next run."""
    fakes = _prepared()
    with suppress(Exception):
        _run(fakes, Trouble(kill_at=moment))
    assert _found(fakes) == {}
    _run(fakes)
    _demand_whole(fakes)


def test_several_at_once_place_each_access_once() -> None:
    """P8: the schedule, an operator and a retry at the same moment."""
    fakes = _prepared()
    runs = [threading.Thread(target=_run, args=(fakes,)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    _run(fakes)
    _demand_whole(fakes)
