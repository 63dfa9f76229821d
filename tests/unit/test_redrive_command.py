"""`tra redrive` on fakes: what it shows, what it moves, and what is left when it is broken off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib import cli
from chalicelib.adapters.dead_letters import QUEUES
from chalicelib.adapters.memory import MemoryDeadLetters
from chalicelib.services.redrive import redrive

RESOURCES = Path(__file__).parent.parent.parent / "infra/resources.yaml"


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryDeadLetters]:
    """Fifteen dead letters of `dispatch`, none of `seal`."""
    found = {"dispatch": MemoryDeadLetters([f"L{n}.opm.1" for n in range(15)])}
    found["seal"] = MemoryDeadLetters()
    monkeypatch.setattr("chalicelib.cli_redrive.dead_letters", lambda _stack, _environment: found)
    monkeypatch.setenv("TRA_STACK", "tra-test")
    return found


def test_all_queues_are_worked_off(
    queues: dict[str, MemoryDeadLetters], capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6, 5: each message is named as it is sent back; both languages say how many."""
    names = list(queues["dispatch"].dead)
    assert cli.main(["redrive"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "dispatch: ค้างอยู่ / in the dead-letter queue: 15"
    assert [line.strip() for line in shown[1:16]] == names
    assert shown[16:] == ["dispatch: ส่งกลับแล้ว / sent back to work: 15", "seal: ว่าง / empty"]
    assert queues["dispatch"].queue == names
    assert queues["dispatch"].count() == 0


def test_a_dry_run_moves_nothing(
    queues: dict[str, MemoryDeadLetters], capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6, 5: who only wants to know changes nothing."""
    names = set(queues["dispatch"].dead)
    assert cli.main(["redrive", "dispatch", "--dry-run"]) == 0
    shown = {line.strip() for line in capsys.readouterr().out.splitlines()[1:]}
    assert shown == names == set(queues["dispatch"].dead)
    assert queues["dispatch"].queue == []


def test_misuse_is_told(
    queues: dict[str, MemoryDeadLetters],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2 for a queue that does not exist, with those that do, and for no stack."""
    assert cli.main(["redrive", "dispach"]) == 2
    assert "dispach (dispatch seal)" in capsys.readouterr().err
    monkeypatch.setenv("TRA_STACK", "")
    assert cli.main(["redrive"]) == 2
    assert queues["dispatch"].queue == []


def test_a_kill_loses_nothing() -> None:
    """P4: died between a send and its deletion, the message is in both; the rest is as it was."""

    class Dies(MemoryDeadLetters):
        def give_back(self, letter: Any) -> None:
            self.queue.append(letter.handle)
            if len(self.queue) == 3:
                raise KeyboardInterrupt
            self._held.remove(letter.handle)

    names = [f"L{n}" for n in range(5)]
    letters = Dies(list(names))
    with pytest.raises(KeyboardInterrupt):
        redrive(letters, tell=lambda _: None)
    assert letters.queue == names[:3]
    assert letters.count() == 3


def test_every_queue_of_the_stack_can_be_redriven() -> None:
    """Issue 6, 5: no queue with dead letters is forgotten."""

    class Loader(yaml.SafeLoader):
        """Reads the template's tags as nothing."""

    Loader.add_multi_constructor("!", lambda *_: None)
    template = yaml.load(RESOURCES.read_text(encoding="utf-8"), Loader)
    names = {
        resource["Properties"]["QueueName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        for resource in template["Resources"].values()
        if resource.get("Type") == "AWS::SQS::Queue" and "RedrivePolicy" in resource["Properties"]
    }
    assert names == set(QUEUES)
