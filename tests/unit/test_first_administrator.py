"""The first administrator of an agency: once, and heard by everybody (issue 7, item 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib import cli_officers
from chalicelib.adapters.announcing import EVENT, METRIC, OperatorAnnouncer
from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.adapters.memory_officers import MemoryOfficers
from chalicelib.cli import main
from chalicelib.domain.access import Role
from chalicelib.domain.appointing import Intervention
from chalicelib.domain.errors import (
    AlreadyBegunError,
    AppointmentRefusedError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.officers import Ending
from chalicelib.services.first_administrator import (
    BootstrapRoom,
    FirstAdministrator,
    begin_agency,
    replace_lost,
)
from tests.support.samples import AGENCIES, NOON

HEAD = FirstAdministrator(
    agency_id="diw",
    subject="prathan.k",
    name_th="นายประธาน ตัวอย่างดี",
    position_th="อธิบดีกรมโรงงานอุตสาหกรรม",
    order="คำสั่งที่ ๑/๒๕๖๙",
)


@dataclass
class Site:
    """A deployment, and what was heard of it."""

    officers: MemoryOfficers = field(default_factory=MemoryOfficers)
    heard: list[tuple[str, Intervention, int]] = field(default_factory=list)
    deaf: bool = False

    @property
    def room(self) -> BootstrapRoom:
        return BootstrapRoom(
            officers=self.officers,
            directory=MemoryDirectory(AGENCIES, ()),
            clock=lambda: NOON,
            new_id=lambda: f"B{len(self.heard)}",
            announce=self.announce,
        )

    def announce(self, agency_id: str, why: Intervention) -> None:
        if self.deaf:
            raise UnavailableError("nobody listens")
        self.heard.append((agency_id, why, len(self.officers.administrators(agency_id))))


@pytest.fixture
def site() -> Site:
    return Site()


# -- the service -------------------------------------------------------------------


def test_it_is_done_once_and_shown_for_ever(site: Site) -> None:
    """A7: the record says by whom; there is no second first one, not even after the first left."""
    made = begin_agency(HEAD, room=site.room)
    assert (made.roles, made.appointed_by) == (frozenset({Role.ADMINISTRATOR}), "bootstrap")
    site.officers.end(made, Ending(at=NOON, by="x", reason="x"))
    with pytest.raises(AlreadyBegunError):
        begin_agency(replace(HEAD, subject="thief"), room=site.room)
    assert [one.subject for one in site.officers.administrators("diw")] == ["prathan.k"]


def test_it_is_heard_before_it_is_done_and_in_vain_too(site: Site) -> None:
    """A7: nobody becomes administrator in silence, and who tries to is heard."""
    begin_agency(HEAD, room=site.room)
    with pytest.raises(AlreadyBegunError):
        begin_agency(HEAD, room=site.room)
    assert site.heard == [("diw", Intervention.FIRST, 0), ("diw", Intervention.FIRST, 1)]


def test_what_cannot_be_heard_is_not_done(site: Site) -> None:
    """A7: without the alarm there is no administrator."""
    begin_agency(replace(HEAD, agency_id="dbd"), room=site.room)
    site.deaf = True
    for appoint, agency in ((begin_agency, "diw"), (replace_lost, "dbd")):
        with pytest.raises(UnavailableError):
            appoint(replace(HEAD, agency_id=agency, subject="other"), room=site.room)
    assert site.officers.administrators("diw") == ()
    assert len(site.officers.administrators("dbd")) == 1


def test_lost_administrators_are_replaced_as_loudly(site: Site) -> None:
    """Runbook: one more beside the lost ones, of an agency that had begun."""
    with pytest.raises(AppointmentRefusedError) as refused:
        replace_lost(HEAD, room=site.room)
    assert refused.value.reason == "not_begun"
    begin_agency(HEAD, room=site.room)
    another = replace_lost(replace(HEAD, subject="new"), room=site.room)
    assert another.appointed_by == "bootstrap"
    assert [why for _, why, _ in site.heard] == [Intervention.FIRST, Intervention.LOST]
    assert {one.subject for one in site.officers.administrators("diw")} == {"prathan.k", "new"}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"subject": "bootstrap"}, "/subject"),
        ({"subject": "นายประธาน"}, "/subject"),
        ({"subject": ""}, "/subject"),
        ({"name_th": " "}, "/name_th"),
        ({"order": "ที่ ๑\u202e"}, "/order"),
    ],
)
def test_nonsense_is_refused_in_silence(site: Site, changes: dict[str, str], pointer: str) -> None:
    """A mistyped command raises no alarm and appoints nobody."""
    with pytest.raises(InvalidRequestError) as refused:
        begin_agency(replace(HEAD, **changes), room=site.room)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    with pytest.raises(NotFoundError):
        begin_agency(replace(HEAD, agency_id="nobody"), room=site.room)
    assert site.heard == []


# -- the command -------------------------------------------------------------------

COMMAND = [
    *("bootstrap", "diw", "--stack", "tra-dev"),
    *("--subject", HEAD.subject, "--name-th", HEAD.name_th),
    *("--position-th", HEAD.position_th, "--order", HEAD.order),
]


@pytest.fixture
def operator(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(cli_officers, "aws_caller", lambda _: "arn:aws:iam::1:user/operator")
    monkeypatch.setattr(cli_officers, "bootstrap_room", lambda _stack, _env: site.room)
    return site


def _types(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    class Keyboard:
        def readline(self) -> str:
            return text

    monkeypatch.setattr("sys.stdin", Keyboard())


def test_the_command_says_what_it_does_before_it_does_it(
    operator: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 7: loudly: whose credentials, whom, that it is for ever and rings; in both languages.
    Only the agency's id says yes."""
    for answer in ("y\n", "dbd\n", ""):
        _types(monkeypatch, answer)
        assert main(COMMAND) == 1
    told = capsys.readouterr()
    assert "nothing was done" in told.err
    for said in (
        "user/operator",
        HEAD.subject,
        HEAD.order,
        "ตั้งผู้ดูแลคนแรก",
        "the first administrator, once",
        "tra-dev-administrator-bootstrapped",
    ):
        assert said in told.out
    assert operator.officers.administrators("diw") == ()
    _types(monkeypatch, "diw\n")
    assert main(COMMAND) == 0
    assert "appointed: prathan.k" in capsys.readouterr().out


def test_the_command_does_it_once(operator: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A7: the second time it says who may appoint; lost administrators have an option of their
    own."""
    assert main([*COMMAND, "--yes"]) == 0
    assert main([*COMMAND, "--yes"]) == 1
    assert "POST /v1/officers" in capsys.readouterr().err
    assert main([*COMMAND, "--yes", "--administrators-lost"]) == 0
    assert len(operator.officers.administrators("diw")) == 2


def test_the_command_names_what_is_wrong(
    operator: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors tell what to do, by the option's name and in both languages."""
    assert main(["bootstrap", "nobody", *COMMAND[2:], "--yes"]) == 1
    assert "no such agency: nobody" in capsys.readouterr().err
    assert main([*COMMAND, "--subject", "a b", "--yes"]) == 2
    told = capsys.readouterr().err
    assert "--subject" in told
    assert "ASCII" in told
    assert operator.heard == []


# -- how it is heard ---------------------------------------------------------------


class Recorder:
    """A client of AWS that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda **given: self.asked.append((name, given))


def test_it_is_heard_in_a_log_and_by_an_alarm() -> None:
    """Issue 7: a line that says who did it, and the metric that the alarm in resources.yaml is
    about."""
    logs, metrics = Recorder(), Recorder()
    announcer = OperatorAnnouncer(
        logs, metrics, log_group="/tra/tra-dev/operators", caller="arn:me"
    )
    announcer.announce("diw", Intervention.FIRST)
    ((_, _), (name, line)) = logs.asked
    assert name == "put_log_events"
    (event,) = line["logEvents"]
    assert EVENT in event["message"]
    assert '"by": "arn:me"' in event["message"]
    ((name, given),) = metrics.asked
    assert (name, given["Namespace"]) == ("put_metric_data", "Tra")
    assert given["MetricData"][0]["MetricName"] == METRIC
