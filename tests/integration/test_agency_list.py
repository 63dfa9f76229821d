"""The list of agencies that is onboarded: hours, days off and reminders in it."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.holidays import read_holidays
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Unit
from chalicelib.domain.documents import Urgency
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.domain.office_hours import ClosedDay, OfficeHours, Span
from chalicelib.domain.reminders import Reminders, Stage, StageKind
from infra import onboard
from infra.agency_list import read_agencies

DAY_OFF = {"date": "2026-12-11", "name_th": "วันหยุดเพิ่มเป็นกรณีพิเศษ", "name_en": "Special holiday"}
# The base point of P-256: a key that nobody may use, but a key.
_GX = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY"
_GY = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
CLOSED = ClosedDay(date(2026, 12, 11), DAY_OFF["name_th"], DAY_OFF["name_en"])


def _agency(agency_id: str, **more: Any) -> dict[str, Any]:
    return {"agency_id": agency_id, "name_th": "ก", "name_en": "A", **more}


def _list(folder: Path, *agencies: dict[str, Any], **more: Any) -> Path:
    path = folder / "agencies.json"
    path.write_text(json.dumps({"agencies": agencies, **more}))
    return path


def test_hours_and_reminders_are_read(tmp_path: Path) -> None:
    """A14: each agency has what its head set, and the defaults where nothing was set."""
    hours = {"week": {"monday": [{"opens": "09:00", "closes": "12:00"}]}}
    reminders = {"routine": [{"after_minutes": 60, "kind": "remind"}]}
    path = _list(tmp_path, _agency("a", office_hours=hours, reminders=reminders), _agency("b"))
    own, other = read_agencies(path)
    assert own.office.week == ((Span(540, 720),), (), (), (), (), (), ())
    assert own.reminders.stages[Urgency.ROUTINE] == (Stage(timedelta(hours=1), StageKind.REMIND),)
    assert (other.office, other.reminders) == (OfficeHours(), Reminders())


def test_a_day_off_of_all_is_one_of_each(tmp_path: Path) -> None:
    """Issue 6, 1: a holiday the cabinet has just added is entered once; a head who keeps the
    agency open that day, or calls the day otherwise, keeps the last word."""
    open_then = {"date": "2026-12-11", "hours": [{"opens": "08:30", "closes": "12:00"}]}
    named = {**DAY_OFF, "name_en": "Founding day"}
    path = _list(
        tmp_path,
        _agency("a"),
        _agency("b", office_hours={"working_days": [open_then]}),
        _agency("c", office_hours={"closed_days": [named]}),
        closed_days=[DAY_OFF],
    )
    closed, working, own = (agency.office for agency in read_agencies(path))
    assert closed.closed_days == (CLOSED,)
    assert working.closed_days == ()
    assert [day.name_en for day in own.closed_days] == ["Founding day"]


def test_every_fault_of_the_list_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """E2: wrong hours are refused before AWS is asked anything; who wrote the list sees where
    each fault stands."""
    path = _list(
        tmp_path,
        _agency("a", office_hours={"week": {"monday": [{"opens": "9", "closes": "12:00"}]}}),
        _agency("b", reminders={"urgent": []}),
        closed_days=[DAY_OFF, DAY_OFF],
    )
    with pytest.raises(InvalidRequestError) as raised:
        read_agencies(path)
    pointers = [fault.pointer for fault in raised.value.faults]
    assert pointers == [
        "/closed_days/1/date",
        "/agencies/0/office_hours/week/monday/0/opens",
        "/agencies/1/reminders/urgent",
    ]
    command = ["onboard", "--stack", "x", "--chains", ".", "--agencies", str(path)]
    monkeypatch.setattr(sys, "argv", command)
    assert onboard.main() == 1
    told = capsys.readouterr().err
    assert all(pointer in told for pointer in pointers)


def test_days_off_together_are_not_more_than_can_be_stored(tmp_path: Path) -> None:
    """P4: what the directory could not read back is refused before it is written."""
    days = [
        {**DAY_OFF, "date": (date(2026, 1, 1) + timedelta(days=n)).isoformat()} for n in range(400)
    ]
    path = _list(
        tmp_path, _agency("a", office_hours={"closed_days": days[:300]}), closed_days=days[300:]
    )
    with pytest.raises(InvalidRequestError) as raised:
        read_agencies(path)
    assert [(f.pointer, f.code) for f in raised.value.faults] == [
        ("/agencies/0/office_hours/closed_days", "too_many")
    ]


def test_onboarding_says_how_far_holidays_are_known() -> None:
    """Issue 6, 1: whoever runs the platform is told in time, with the file to extend."""
    known = read_holidays()
    assert "known to 2027-12-31; provisional: 2027" in onboard.holidays_shown(
        known, date(2026, 11, 22)
    )
    for today, said in ((date(2027, 10, 1), "only to 2027-12-31"), (date(2028, 1, 1), "not even")):
        shown = onboard.holidays_shown(known, today)
        assert said in shown
        assert "chalicelib/data/holidays-th.json" in shown


def test_how_agencies_are_reached_is_read(tmp_path: Path) -> None:
    """C1: the channel of each agency comes from the list; every fault of it is told with its place,
    also a key that two agencies claim: an answer says by its `kid` alone whose it is."""
    key = {"kty": "EC", "crv": "P-256", "kid": "same", "x": _GX, "y": _GY}
    unit = {"unit_id": "registry", "name_th": "งานสารบรรณ", "name_en": "Registry"}
    path = _list(
        tmp_path,
        _agency("a", channel="queue", reply_keys=[key]),
        _agency("b", channel="hosted", units=[unit]),
        _agency("c"),
    )
    queue, hosted, unsaid = read_agencies(path)
    assert (queue.reached_by, [k["kid"] for k in queue.reply_keys]) == (ChannelKind.QUEUE, ["same"])
    assert (hosted.reached_by, hosted.unit("registry")) == (ChannelKind.HOSTED, Unit(**unit))
    assert unsaid.channel is None
    twice = _list(tmp_path, _agency("a", reply_keys=[key]), _agency("b", reply_keys=[key]))
    with pytest.raises(InvalidRequestError) as raised:
        read_agencies(twice)
    assert [f.pointer for f in raised.value.faults] == ["/agencies/1/reply_keys/0/kid"]


def test_the_list_that_is_shipped_has_each_channel() -> None:
    """C1: the demo and a developer's stack show a hosted agency, a queue and a webhook; those of
    the real letters are called as on their letter heads."""
    agencies = {agency.agency_id: agency for agency in read_agencies()}
    assert {agency.reached_by for agency in agencies.values() if agency.channel} == {
        ChannelKind.HOSTED,
        ChannelKind.QUEUE,
        ChannelKind.WEBHOOK,
    }
    heads = {name: agencies[name].letter_prefix for name in ("slc", "opdc", "dga", "mot")}
    assert heads == {
        "slc": "นร ๐๕๐๕",
        "opdc": "นร ๑๒๐๐",
        "dga": "สพร ๒๕๖๓",
        "mot": "คค (ปคร) ๐๒๑๐",
    }


def test_how_documents_are_approved_is_read(tmp_path: Path) -> None:
    """Issue 7.4: an agency turns approvals on in the list, by type; a central agency must be there
    to decide, and every fault is told at its place."""
    wanted = {"licence": {"approvers": 1, "central": "b", "open_days": 7}}
    own, other = read_agencies(_list(tmp_path, _agency("a", approvals=wanted), _agency("b")))
    assert own.approvals == {"licence": ApprovalPolicy(approvers=1, central="b", open_days=7)}
    assert other.approvals == {}
    bad = {"licence": {"approvers": 9}, "permit": {"approvers": 1}}
    with pytest.raises(InvalidRequestError) as raised:
        read_agencies(_list(tmp_path, _agency("a", approvals=bad)))
    assert [f.pointer for f in raised.value.faults] == ["/agencies/0/approvals/licence/approvers"]
    with pytest.raises(InvalidRequestError) as raised:
        read_agencies(_list(tmp_path, _agency("a", approvals=wanted)))
    assert [f.pointer for f in raised.value.faults] == ["/agencies/0/approvals/licence/central"]
