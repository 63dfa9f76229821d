"""`tra factor`: what a person without a front end sees and types (issue 7, item 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest

from chalicelib.cli import main
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import STEP
from tests.integration.conftest import Api
from tests.support.factors import BOSS, HEAD, SOMSRI, Authenticator, enrolled
from tests.support.rooms import Fakes, furnished

_PEOPLE = {"somsri": SOMSRI, "boss": BOSS, "head": HEAD}


class NearApi:
    """The API in this process, in the place of HTTP: `tra` as `--person` says."""

    def __init__(self, api: Api) -> None:
        self.api, self.typed = api, list[str]()

    def ask(self, _prompt: str) -> str:
        """What the person types; nothing of it is echoed."""
        return self.typed.pop(0)

    def json(self, remote: Any, method: str, path: str, *, body: bytes = b"", **_: str) -> Any:
        resource, values = _routed(path)
        answer = self.api.call(
            method,
            resource,
            path=values,
            body=body.decode() or None,
            authorizer=_PEOPLE[remote.person],
        )
        if answer.status >= 400:
            raise SystemExit(answer.json["reason"])
        return answer.json


def _routed(path: str) -> tuple[str, dict[str, str] | None]:
    parts = path.strip("/").split("/")
    if path.startswith("/v1/officers/"):
        return "/v1/officers/{subject}/factor-reset", {"subject": parts[2]}
    if parts[-1] in {"confirmation", "removal"}:
        return f"/v1/me/factors/{{factor_id}}/{parts[-1]}", {"factor_id": parts[3]}
    return path, None


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> Iterator[NearApi]:
    fakes = Fakes()
    for name in ("TRA_TOKEN", "TRA_OTP", "TRA_PERSON"):
        monkeypatch.delenv(name, raising=False)
    with furnished(fakes.house()):
        near = NearApi(Api(fakes))

        def json_of(remote: Any, *asked: str, **more: Any) -> Any:
            return near.json(remote, *asked, **more)

        monkeypatch.setattr("chalicelib.cli.Remote.json", json_of)
        monkeypatch.setattr("getpass.getpass", near.ask)
        yield near


def _tra(*arguments: str, person: str = "somsri") -> int:
    return main(["factor", *arguments, "--person", person])


def _begin(near: NearApi, capsys: pytest.CaptureFixture[str]) -> tuple[Authenticator, str]:
    assert _tra("enrol", "--uri", "--no-confirm") == 0
    told = capsys.readouterr()
    uri = next(line for line in told.out.splitlines() if line.startswith("otpauth:"))
    seed = pyotp.parse_uri(uri).byte_secret()
    return Authenticator(Officer("diw", "somsri"), seed), told.err.split()[0]


def _lines(out: str) -> list[str]:
    """What the command printed, without the log of the API beside it."""
    return [line for line in out.splitlines() if line and not line.startswith("{")]


def test_a_person_enrols_at_the_terminal(near: NearApi, capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 7 item 3: begin, confirm by the code that is typed, ten recovery codes; then use one
    factor for the next."""
    app, factor_id = _begin(near, capsys)
    near.typed = [app.code(near.api.fakes.clock())]
    assert _tra("confirm", factor_id) == 0
    told = capsys.readouterr()
    codes = _lines(told.out)
    assert len(codes) == 10
    assert "shown this once" in told.err
    assert _tra("show") == 0
    shown = json.loads("\n".join(line for line in _lines_of_json(capsys.readouterr().out)))
    assert (shown["recovery_codes_left"], len(shown["factors"])) == (10, 1)
    near.typed = [codes[0]]
    assert _tra("recovery-codes") == 0
    assert len(_lines(capsys.readouterr().out)) == 10
    near.api.fakes.clock.advance(STEP)
    near.typed = [app.code(near.api.fakes.clock())]
    assert _tra("remove", factor_id) == 0
    assert _lines(capsys.readouterr().out) == ["0 left"]


def _lines_of_json(out: str) -> list[str]:
    return [line for line in out.splitlines() if not line.startswith('{"')]


def test_the_terminal_shows_a_qr_code(
    near: NearApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 7 item 3: what the app scans; the seed itself is not printed beside it."""
    assert _tra("enrol", "--no-confirm") == 0
    out = capsys.readouterr().out
    assert "▀" in out or "█" in out
    assert "otpauth" not in out


def test_codes_for_scripts(
    near: NearApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 7: from the environment, or as an option; nobody is asked then."""
    app, factor_id = _begin(near, capsys)
    monkeypatch.setenv("TRA_OTP", app.code(near.api.fakes.clock()))
    assert _tra("confirm", factor_id) == 0
    near.api.fakes.clock.advance(STEP)
    assert _tra("recovery-codes", "--otp", app.code(near.api.fakes.clock())) == 0


def test_two_people_reset_at_the_terminal(
    near: NearApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 7 item 3: each of two types the own code; the list of locked ones is theirs too."""
    fakes = near.api.fakes
    enrolled(fakes, Officer("diw", "somsri"))
    for person, state in (("boss", "asked"), ("head", "reset")):
        near.typed = [enrolled(fakes, Officer("diw", person)).code(fakes.clock())]
        assert _tra("reset", "somsri", person=person) == 0
        assert _lines(capsys.readouterr().out) == [f"somsri  {state}"]
    assert _tra("locked", person="boss") == 0
