"""`tra appoint`, `officers`, `end-appointment`, `authority`, `client`, `me`, as an administrator
uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chalicelib.cli import main
from chalicelib.domain.persons import Officer
from infra.client import SCOPES
from tests.support.factors import Authenticator, enrolled
from tests.support.near_http import served
from tests.support.rooms import Fakes, furnished

HEAD = Officer("diw", "diw-administrator")
ORDER = ["--order", "คำสั่งที่ ๑/๒๕๖๙"]
SOMSRI = [
    *("appoint", "somsri", "--name-th", "นางสมศรี ตัวอย่าง"),
    *("--position-th", "นักวิชาการ", "--as", "clerk", "--as", "approver", *ORDER),
]


@dataclass
class Desk:
    """An administrator at the command line."""

    fakes: Fakes
    app: Authenticator

    def run(self, *command: str) -> int:
        """With a code that was never used, where one is asked for."""
        self.fakes.clock.advance(timedelta(seconds=60))
        return main([*command])

    def code(self) -> list[str]:
        self.fakes.clock.advance(timedelta(seconds=60))
        return ["--otp", self.app.code(self.fakes.clock())]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    fakes = Fakes()
    app = enrolled(fakes, HEAD)
    with furnished(fakes.house()), served(fakes, SCOPES, role="administrator") as url:
        monkeypatch.setenv("TRA_URL", url)
        monkeypatch.setenv("TRA_TOKEN", "diw")
        yield Desk(fakes, app)


def test_an_officer_is_appointed_listed_and_ended(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 7, item 1: a line for each, with the id that the next command takes."""
    assert main([*SOMSRI, "--clearance", "secret", *desk.code()]) == 0
    told = capsys.readouterr().out
    assert "แต่งตั้งแล้ว / appointed: + somsri" in told
    assert "approver,clerk" in told
    (made,) = desk.fakes.officers.appointments_of(Officer("diw", "somsri"))
    assert made.appointment_id in told
    assert main(["officers"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in listed] == [["+", "diw-administrator"], ["+", "somsri"]]
    end = ["end-appointment", made.appointment_id, "--reason", "ย้าย"]
    assert main([*end, *desk.code()]) == 0
    assert "ended:" in capsys.readouterr().out
    assert main(["officers", "somsri"]) == 0
    assert json.loads(capsys.readouterr().out)["appointments"][0]["ended"]["reason"] == "ย้าย"


def test_all_pages_are_shown(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A list longer than a page ends with the last officer."""
    assert main([*SOMSRI, *desk.code()]) == 0
    (one,) = desk.fakes.officers.appointments_of(Officer("diw", "somsri"))
    for number in range(450):
        desk.fakes.officers.appoint(
            type(one)(
                appointment_id=f"A{number}",
                agency_id="diw",
                subject=f"p{number:03}",
                name_th=one.name_th,
                position_th=one.position_th,
                roles=one.roles,
                period=one.period,
                order=one.order,
                appointed_by="bootstrap",
                appointed_at=one.appointed_at,
            )
        )
    capsys.readouterr()
    assert main(["officers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 452
    assert sum(line.endswith("[bootstrap]") for line in lines) == 450


def test_authority_is_granted_listed_and_revoked(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """A8: in the words of the regulation."""
    assert main([*SOMSRI, *desk.code()]) == 0
    grant = ["authority", "grant", "somsri", "--kind", "acting", "--type", "licence", *ORDER]
    assert main([*grant, "--position-th", "อธิบดี", *desk.code()]) == 0
    assert "รักษาราชการแทน อธิบดี" in capsys.readouterr().out
    (granted,) = desk.fakes.officers.authorities_of(Officer("diw", "somsri"))
    end = ["authority", "end", granted.authority_id, "--reason", "กลับมาแล้ว"]
    assert main([*end, *desk.code()]) == 0
    capsys.readouterr()
    assert main(["authority", "list"]) == 0
    assert capsys.readouterr().out.startswith("- somsri")


def test_an_application_is_registered_listed_and_ended(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 7, item 2: an application has what an administrator gave it."""
    register = ["client", "register", "diw-licensing", "--name-th", "ระบบใบอนุญาต"]
    assert main([*register, "--scope", "documents:submit", *desk.code()]) == 0
    assert "registered: + diw-licensing" in capsys.readouterr().out
    assert main(["client", "end", "diw-licensing", "--reason", "เลิกใช้", *desk.code()]) == 0
    capsys.readouterr()
    assert main(["client", "list"]) == 0
    assert capsys.readouterr().out.startswith("- diw-licensing")


def test_a_fault_is_told_by_field(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors say where and what to do."""
    assert main([*SOMSRI, "--clearance", "top_secret", *desk.code()]) == 1
    told = capsys.readouterr().err
    assert "/clearance" in told
    assert main([*SOMSRI, "--otp", "000000"]) == 1
    assert "403" in capsys.readouterr().err


def test_the_factor_is_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A code that is typed is not shown, and stands in no shell history."""
    monkeypatch.setattr("getpass.getpass", lambda _prompt: f" {desk.code()[1]} ")
    assert main(SOMSRI) == 0
    assert "appointed" in capsys.readouterr().out


def test_scripts_give_the_factor_by_the_environment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One way for every command; without a terminal and without a code, nothing is done."""
    assert main(SOMSRI) == 1
    assert "TRA_OTP" in capsys.readouterr().err
    monkeypatch.setenv("TRA_OTP", desk.code()[1])
    assert main(SOMSRI) == 0


def test_who_i_am(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """GET /v1/me as a command."""
    assert desk.run("me") == 0
    assert json.loads(capsys.readouterr().out)["roles"] == ["administrator"]
