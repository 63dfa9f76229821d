"""What an agency hears of a locked second factor (A28)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.bootstrap import House
from chalicelib.domain.errors import (
    ChannelBusyError,
    ChannelRefusedError,
    FactorLockedError,
    FactorRefusedError,
    UnavailableError,
)
from chalicelib.domain.factor_events import LockNotice, locked_event
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import MOST_FAILURES, ShownFactor
from chalicelib.handlers.exchange import dispatch
from chalicelib.services.use_factor import use_factor
from tests.support.factors import enrolled
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event
from tests.support.samples import NOON

NOTICE = LockNotice("diw", "01M7ZZC37QN9BN4D6KWRDNVKP4", NOON)


def _dispatch(body: object) -> dict[str, object]:
    event = sample_event("dispatch")
    event["Records"] = [{**event["Records"][0], "body": json.dumps(body)}]
    answer: dict[str, object] = dispatch(event, CONTEXT)
    return answer


def _locked(fakes: Fakes, house: House) -> str:
    """The message that the guess which locks leaves behind."""
    officer, shown = Officer("diw", "somsri"), ShownFactor(otp="AAAA-BBBB")
    enrolled(fakes, officer)
    for _ in range(MOST_FAILURES - 1):
        with pytest.raises(FactorRefusedError):
            use_factor(officer, shown, purpose="x", room=house.factor_room)
    assert fakes.dispatch_queue.messages == []
    with pytest.raises(FactorLockedError):
        use_factor(officer, shown, purpose="x", room=house.factor_room)
    [(message, _)] = fakes.dispatch_queue.messages
    return message


def test_a_lock_reaches_the_agencys_own_system() -> None:
    """A28: from the guess that locks, by a message without a name, to one CloudEvent, the same
    however often the message comes (P5)."""
    fakes = Fakes()
    house = fakes.house()
    message = _locked(fakes, house)
    assert "somsri" not in message
    with furnished(house):
        assert _dispatch({"lock": message}) == {"batchItemFailures": []}
        assert _dispatch({"lock": message}) == {"batchItemFailures": []}
    first, second = [event for agency, _, event in fakes.channels.events if agency == "diw"]
    assert first == second
    told = json.loads(first)
    assert told["type"] == "tra.factor.locked.v1"
    assert told["data"]["links"]["locked"] == "https://tra.test/v1/factors/locked"
    assert "somsri" not in first.decode()


def test_a_system_that_is_busy_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    """P4: the message comes again; one that will never take it is counted for the operator."""
    fakes = Fakes()
    house = fakes.house()
    with furnished(house):
        fakes.channels.says["diw"] = ChannelBusyError("busy")
        assert _dispatch({"lock": str(NOTICE)})["batchItemFailures"]
        fakes.channels.says["diw"] = ChannelRefusedError("never")
        assert _dispatch({"lock": str(NOTICE)}) == {"batchItemFailures": []}
        nobody = replace(NOTICE, agency_id="nobody")
        assert _dispatch({"lock": str(nobody)}) == {"batchItemFailures": []}
    assert capsys.readouterr().out.count('"NoticeUntellable":[1.0]') == 2


def test_a_lock_stands_whatever_the_queue_says() -> None:
    """P4: a queue that is down does not undo the lock, nor hide the alarm."""

    class Down:
        def send_lock(self, notice: LockNotice) -> None:
            raise UnavailableError("down")

    fakes = Fakes(dispatch_queue=Down())  # type: ignore[arg-type]  # what is used of it
    room = fakes.house().factor_room
    officer = Officer("diw", "somsri")
    enrolled(fakes, officer)
    for _ in range(MOST_FAILURES):
        with pytest.raises(FactorRefusedError) as refused:
            use_factor(officer, ShownFactor(otp="AAAA-BBBB"), purpose="x", room=room)
    assert isinstance(refused.value, FactorLockedError)
    assert len(fakes.factors.locked("diw", fakes.clock())) == 1


@pytest.mark.parametrize(
    "text", ["", "diw", "diw/1", "diw/1/x", "DIW/1/1", "diw/../1", "diw/1/1/1"]
)
def test_a_message_that_is_none(text: str) -> None:
    """P4: what nobody can read is let go."""
    with pytest.raises(ValueError, match="no notice"):
        LockNotice.parse(text)
    with furnished(Fakes().house()):
        assert _dispatch({"lock": text}) == {"batchItemFailures": []}


def test_a_notice_is_named_and_read() -> None:
    """P5: what the message names makes the same event each time."""
    assert LockNotice.parse(str(NOTICE)) == NOTICE
    event = json.loads(locked_event(NOTICE, public_url="https://tra.test"))
    assert event["time"] == "2026-11-21T05:00:00Z"
    assert LockNotice.parse(str(replace(NOTICE, at=NOON + timedelta(milliseconds=7)))) == NOTICE
