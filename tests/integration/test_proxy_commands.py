"""`tra proxy use`, as a clerk at the counter uses it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.cli import main
from infra.client import SCOPES
from tests.integration.conftest import Api
from tests.integration.test_proxies_api import ATTORNEY, IN_FORCE, SOMBAT, issue
from tests.support.evidence import LocalSigner
from tests.support.near_http import served
from tests.support.rooms import Fakes, furnished

USE = ["--power", "fee.pay", "--amount", "500.00"]


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    fakes = Fakes(signer=LocalSigner())
    with furnished(fakes.house()), served(fakes, SCOPES, role="clerk") as url:
        monkeypatch.setenv("TRA_URL", url)
        monkeypatch.setenv("TRA_TOKEN", "diw")
        found = issue(Api(fakes))
        fakes.clock.now = IN_FORCE
        yield found


def test_a_clerk_sees_what_to_look_at(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Item 8: who for whom, the power in words, how many are left, and what is excluded."""
    assert main(["proxy", "use", code, "--attorney", ATTORNEY, *USE]) == 0
    told = capsys.readouterr().out
    for line in (
        "อนุญาต / allowed: ",
        "บริษัท สวนมะพร้าวแม่กลอง จำกัด → นายคมสัน ท่าเรือ",
        "ครั้งที่ / use 1, เหลือ / left 2",
        "! ไม่รวมการทำนิติกรรม",
    ):
        assert line in told


def test_a_refusal_says_why_in_both_languages(
    code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Item 8: exit code 1, a code, and words; a bad number is told by its field."""
    assert main(["proxy", "use", code, "--attorney", SOMBAT, *USE]) == 1
    told = capsys.readouterr().out
    assert "[not_the_attorney] ผู้นี้ไม่ใช่ผู้รับมอบอำนาจ" in told
    assert "not the attorney whom the proxy names" in told
    assert main(["proxy", "use", code, "--attorney", "12", *USE]) == 1
    assert "/attorney/registration_no" in capsys.readouterr().err


def test_a_key_counts_once(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """P8: the same command with its key is the same use; a principal is checked."""
    given = ["proxy", "use", code, "--attorney", ATTORNEY, *USE]
    for _ in range(2):
        assert main([*given, "--key", "k1", "--principal", "0755560000012"]) == 0
        assert "use 1, " in capsys.readouterr().out
    assert main([*given, "--principal", SOMBAT]) == 1
    assert "not_the_principal" in capsys.readouterr().out
