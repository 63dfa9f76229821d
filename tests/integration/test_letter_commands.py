"""`tra evidence` and `tra verify` of a letter, as sender and recipient use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.cli import main
from chalicelib.domain.channels import ChannelKind
from chalicelib.services.bundle_deliveries import AT_ONCE
from tests.support.letter_desk import Desk, letter_desk
from tests.support.near_http import served

PASSED, FAILED, DOUBT, UNREADABLE = 0, 1, 2, 3


@dataclass(frozen=True)
class Counter:
    """The desk, its API's address, and a folder for files."""

    desk: Desk
    url: str
    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with letter_desk() as desk, served(desk.world.fakes, "files:read") as url:
        yield Counter(desk, url, tmp_path_factory.mktemp("counter"))


@pytest.fixture(autouse=True)
def _environment(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRA_TRUST_ANCHORS", "TRA_JWKS", "TRA_LOG_KEY", "TRA_AGENCIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRA_URL", counter.url)
    monkeypatch.setenv("TRA_TOKEN", "diw")


def test_evidence_is_fetched_and_verified(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6.4: the sender fetches one file, and `tra verify` tells a person, in Thai too, what
    became of each send."""
    file = counter.path("A.json")
    assert main(["evidence", "A", "-o", file]) == 0
    assert main(["verify", file, "--keys", counter.url, "--lang", "en"]) == PASSED
    shown = capsys.readouterr().out
    assert "to dbd (A.dbd.1): passed (TOTAL-PASSED)" in shown
    assert "outcome: handed_over, receive number ร/ ๒๕๖๙/ ๑, arrived 2026-11-21" in shown
    assert "signed for the recipient by the service" in shown
    assert "signed by the recipient" in shown
    assert "outcome: rejected" in shown
    assert main(["verify", file, "--keys", counter.url, "--lang", "th"]) == PASSED
    shown = capsys.readouterr().out
    assert "ส่งถึง dbd (A.dbd.1): ผ่านการตรวจสอบ" in shown
    assert "ลงนามโดยหน่วยงานผู้รับ" in shown


def test_offline_with_keys_that_were_kept(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    """P7: with files alone, nobody is asked; without the recipients' keys that is named, and a
    file that is no directory is refused."""
    desk, file = counter.desk, counter.path("offline.json")
    assert main(["evidence", "A", "--delivery", "A.rd.1", "-o", file]) == 0
    directory = [{"agency_id": a, "reply_keys": keys} for a, keys in desk.reply_keys.items()]
    for name, content in (("jwks", desk.signer.jwks()), ("agencies", {"items": directory})):
        Path(counter.path(f"{name}.json")).write_text(json.dumps(content), encoding="utf-8")
    (key,) = desk.trust.log_keys
    trusted = ["--jwks", counter.path("jwks.json"), "--log-key", key.vkey, "--lang", "en"]
    agencies = ["--agencies", counter.path("agencies.json")]
    assert main(["verify", file, *trusted, *agencies]) == PASSED
    assert main(["verify", file, *trusted]) == DOUBT
    assert "deliveries/A.rd.1/reply_keys" in capsys.readouterr().out
    assert main(["verify", file, *trusted, "--agencies", file]) == UNREADABLE
    assert "GET /v1/agencies" in capsys.readouterr().err


def test_what_is_missing_is_named(counter: Counter, capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 6.4: an open delivery is named when the bundle is fetched, and when it is verified,
    where scripts see it by exit code and JSON."""
    file = counter.path("B.json")
    assert main(["evidence", "B", "-o", file]) == 0
    assert "not there yet: deliveries/B.dbd.1/outcome" in capsys.readouterr().err
    assert main(["verify", file, "--keys", counter.url, "--json"]) == DOUBT
    (told,) = json.loads(capsys.readouterr().out)["files"]
    states = {one["recipient"]: (one["state"], one["indication"]) for one in told["deliveries"]}
    assert states["dbd"] == ("consigned", "INDETERMINATE")
    assert states["paper"] == ("recalled", "TOTAL-PASSED")


def test_a_recipient_fetches_its_own(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """P6: the same command gives a recipient its own delivery, which verifies alone."""
    monkeypatch.setenv("TRA_TOKEN", "rd")
    assert main(["evidence", "A"]) == 0
    bundle = json.loads(capsys.readouterr().out)
    assert [one["recipient"] for one in bundle["deliveries"]] == ["rd"]
    file = counter.path("rd.json")
    Path(file).write_text(json.dumps(bundle), encoding="utf-8")
    assert main(["verify", file, "--keys", counter.url]) == PASSED


def test_the_command_puts_pages_together(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6.7: of a letter to many, one file holds all deliveries, each once."""
    desk = counter.desk
    letter = desk.house.documents.get("C")
    assert letter is not None
    many = [f"agency-{number:02}" for number in range(AT_ONCE + 5)]
    desk.post.send(letter, dict.fromkeys(many, ChannelKind.HOSTED))
    assert main(["evidence", "C"]) == 0
    bundle = json.loads(capsys.readouterr().out)
    found = [one["recipient"] for one in bundle["deliveries"]]
    assert found == sorted({*many, "dbd", "rd", "paper"})
    assert bundle["cursor"] is None
