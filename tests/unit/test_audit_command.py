"""The `audit` function and the `tra audit` command on fakes: what they tell, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import cli
from chalicelib.bootstrap import House
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.registers import Register
from chalicelib.handlers import audits
from chalicelib.services.audit import AuditRoom, Progress, Unaudited, audit_all
from chalicelib.services.audit.room import Watch
from tests.fault.harness import World
from tests.support.rooms import furnished, sample_event
from tests.support.samples import document

REGISTER = Register("diw", "licence", 2026)


@pytest.fixture
def world() -> World:
    """Two registers, three licences each."""
    world = World()
    world.accept(*(document(f"A{n}") for n in range(3)))
    world.accept(*(document(f"B{n}", agency_id="dbd") for n in range(3)))
    world.run_to_rest()
    return world


def _lose_entry(world: World) -> None:
    del world.fakes.ledger._entries[REGISTER, 2, 0]


def _context(milliseconds: int = 900_000) -> Any:
    return SimpleNamespace(
        aws_request_id="52fdfc07-2182-454f-963f-5f0f9a621d72",
        get_remaining_time_in_millis=lambda: milliseconds,
    )


def _metrics(printed: str) -> dict[str, float]:
    """Counted metrics of an invocation (CloudWatch embedded metric format)."""
    for line in printed.splitlines():
        if '"CloudWatchMetrics"' in line:
            said = json.loads(line)
            return {k: sum(v) for k, v in said.items() if isinstance(v, list)}
    return {}


# -- the function --------------------------------------------------------------


def test_the_function_reports_one_register(world: World) -> None:
    """A28: on demand, one register's report with everything in it."""
    _lose_entry(world)
    with furnished(world.fakes.house()):
        report = audits.audit(sample_event("audit"), _context())
    assert report["format"] == "tra.audit.v1"
    assert report["found"] == {"gap": 1}


def test_the_function_audits_all_and_counts_for_the_alarm(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A28: a finding in any register raises the metric that the alarm stands on."""
    with furnished(world.fakes.house()):
        clean = audits.audit({}, _context())
        assert _metrics(capsys.readouterr().out)["AuditFindings"] == 0
        _lose_entry(world)
        found = audits.audit({}, _context())
        assert _metrics(capsys.readouterr().out)["AuditFindings"] == 1
    assert clean == {"audited": 2, "not_audited": 0, "errors": 0, "warnings": 0}
    assert found == {**clean, "errors": 1}


def test_a_register_without_time_left_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A28: what was not looked at is not reported as clean."""
    with furnished(world.fakes.house()):
        done = audits.audit({}, _context(milliseconds=1_000))
    assert (done["audited"], done["not_audited"]) == (0, 2)
    assert _metrics(capsys.readouterr().out)["AuditMissed"] == 2


def test_one_unreadable_register_holds_up_no_other(world: World) -> None:
    """P8: nothing is known of the one; the others are audited."""
    room = world.fakes.house().audit_room
    done = list(audit_all(room=replace(room, registers=_Stubborn(world.fakes.ledger))))
    assert {isinstance(one, Unaudited) for one in done} == {True, False}


class _Stubborn:
    """A register store that cannot read one register."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def head(self, register: Register) -> Any:
        if register == REGISTER:
            raise UnavailableError("The table does not answer.")
        return self._ledger.head(register)


def test_each_day_begins_with_another_register(world: World) -> None:
    """A28: where one run is too short for all, no register is left out for ever."""
    room = world.fakes.house().audit_room
    today = [one.register for one in audit_all(room=room)]
    world.fakes.clock.now = world.fakes.clock.now.replace(day=22)
    tomorrow = [one.register for one in audit_all(room=room)]
    assert today == tomorrow[::-1]


# -- the command ---------------------------------------------------------------


@pytest.fixture
def command(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`tra audit` over the fakes."""
    house: House = world.fakes.house()

    def auditor(_stack: str, _environment: Mapping[str, str], watch: Watch) -> AuditRoom:
        return replace(house.audit_room, watch=watch)

    monkeypatch.setattr("chalicelib.cli_audit.auditor", auditor)
    return lambda *arguments: cli.main(["audit", "--stack", "tra", *arguments])


def test_a_clean_register_ends_with_zero(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 3: exit code, machine-readable report, and a word for the person."""
    path = tmp_path / "report.json"
    assert command("diw/licence/2026", "--json", str(path)) == 0
    assert "diw/licence/2026: clean" in capsys.readouterr().err
    (report,) = json.loads(path.read_text())["registers"]
    assert (report["clean"], report["counts"]["entries"]) == (True, 3)


def test_a_finding_ends_with_one(
    command: Callable[..., int], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 3: whoever calls it from a script learns of findings by the exit code."""
    _lose_entry(world)
    assert command("--all", "--json", "-") == 1
    printed = capsys.readouterr()
    assert "gap  no. 2" in printed.out
    assert "เลขทะเบียนขาดหาย" in printed.out
    written = json.loads(printed.out.strip().splitlines()[-1])
    assert [r["clean"] for r in written["registers"]].count(False) == 1


@pytest.mark.parametrize(
    "arguments", [(), ("diw/licence/2026", "--all"), ("licence",), ("diw/licence/year",), ("//1",)]
)
def test_misuse_ends_with_two(command: Callable[..., int], arguments: tuple[str, ...]) -> None:
    """Issue 3: a wrong call is not taken for a clean register, nor for a finding."""
    assert command(*arguments) == 2


def test_a_register_that_is_not_there_is_not_clean(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 3: a name misspelt must not look like a register without faults."""
    assert command("diw/licence/1999") == 1
    assert "no register diw/licence/1999" in capsys.readouterr().err


def test_progress_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 3: a long audit shows that it goes on, and leaves no traces of that."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    from chalicelib.cli_audit import _ProgressLine  # noqa: PLC0415 - its own class only here

    line = _ProgressLine()
    line.show(Progress("entries", 200, 1_000))
    line.show(Progress("archive", 7))
    line.end()
    shown = capsys.readouterr().err
    assert "entries: 200 of 1000" in shown
    assert "archive: 7" in shown
    assert "\n" not in shown
