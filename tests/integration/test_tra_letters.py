"""`tra letter`, `tra outbox`, `tra inbox` and what goes with them, against the real handlers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest

from chalicelib.cli import main
from tests.support.letter_office import LETTER, SCOPES, TO_ALL, Office, letter_office
from tests.support.near_http import served
from tests.support.previews import near_preview
from tests.support.rooms import furnished


class Desk:
    """Somebody at a terminal, for one agency at a time."""

    def __init__(
        self,
        office: Office,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.office, self._monkeypatch, self._capsys = office, monkeypatch, capsys

    def does(self, agency: str, *words: str, exits: int = 0) -> tuple[str, str]:
        """What `tra` said, and said beside it."""
        self._monkeypatch.setenv("TRA_TOKEN", agency)
        assert main(list(words)) == exits, self._capsys.readouterr()
        self.office.rest()
        said = self._capsys.readouterr()
        # Powertools writes logs and metrics to the same place; no line of `tra` is JSON there.
        out = "\n".join(line for line in said.out.splitlines() if not line.startswith('{"'))
        return out, said.err


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with letter_office() as office:
        house = office.fakes.house()
        vars(house)["previewer"] = near_preview()
        with furnished(house), served(office.fakes, SCOPES, role="clerk") as url:
            monkeypatch.setenv("TRA_URL", url)
            monkeypatch.setenv("LANG", "en_US.UTF-8")
            yield Desk(office, monkeypatch, capsys)


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    file = tmp_path / "letter.json"
    file.write_text(json.dumps(LETTER), encoding="utf-8")
    return file


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_who_sends_sees_to_whom_and_agrees(
    desk: Desk, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6.6: the list is shown and asked about; without a yes nothing is sent."""
    monkeypatch.setattr(sys, "stdin", _Terminal("n\n"))
    _, beside = desk.does("slc", "letter", "send", str(letter), exits=1)
    assert "๑. สำนักงานพัฒนารัฐบาลดิจิทัล (dga)" in beside
    assert "not sent" in beside
    assert desk.office.stored() == ()
    monkeypatch.setattr(sys, "stdin", _Terminal("y\n"))
    out, _ = desk.does("slc", "letter", "send", str(letter))
    (document,) = desk.office.stored()
    assert out == document.document_id


def test_without_a_terminal_the_list_is_confirmed_by_its_digest(
    desk: Desk, letter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6.6: a script says what it saw, or --yes; a stale digest sends nothing."""
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    preview = tmp_path / "preview.pdf"
    _, beside = desk.does("slc", "letter", "send", str(letter), "--preview", str(preview), exits=1)
    assert preview.read_bytes().startswith(b"%PDF-")
    digest = re.findall(r"--confirm ([0-9a-f]{64})", beside)[0]
    _, beside = desk.does("slc", "letter", "send", str(letter), "--confirm", "0" * 64, exits=1)
    assert "changed since they were confirmed" in beside
    assert desk.office.stored() == ()
    desk.does("slc", "letter", "send", str(letter), "--confirm", digest)
    desk.does("slc", "letter", "send", str(letter), "--yes")
    assert len(desk.office.stored()) == 2


def test_from_stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6.1: what is no JSON object is refused in words, not by a trace."""
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(json.dumps(LETTER).encode())))
    desk.does("slc", "letter", "send", "-", "--yes")
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"[]")))
    _, beside = desk.does("slc", "letter", "send", "-", "--yes", exits=1)
    assert beside.startswith("tra: ")


def test_a_letter_from_hand_to_hand(desk: Desk) -> None:
    """Issue 6.3, 6.6: receive prints the six fields of A1; reject, resend, dispute, correct,
    forward, recall and print do what they say."""
    document_id = desk.office.sent(TO_ALL)
    dga, onep, opm = (f"{document_id}.{name}.1" for name in ("dga", "onep", "opm"))
    inbox, _ = desk.does("dga", "inbox", "--state", "consigned")
    assert inbox.split("  ")[:3] == [dga, "consigned", "slc"]

    receipt, _ = desk.does("dga", "receive", dga)
    assert [row.split("  ")[0] for row in receipt.splitlines()] == [
        "ที่",
        "ลงวันที่",
        "เลขทะเบียนรับ",
        "วันเวลาที่รับ",
        "ผู้รับ",
        "ส่วนราชการผู้รับ",
    ]
    jws, _ = desk.does("dga", "receive", dga, "--jws")
    assert jws.count(".") == 2
    desk.does("slc", "dispute", dga, "--year", "2026", "--number", "1")
    corrected, _ = desk.does("dga", "correct", dga)
    assert "เลขทะเบียนรับ  สพร ร/ ๒๕๖๙/ ๒" in corrected
    assert desk.does("dga", "forward", dga, "--unit", "law")[0] == f"{dga}  law"
    whole, _ = desk.does("dga", "inbox", dga)
    assert '"unit": "law"' in whole

    said, _ = desk.does("onep", "reject", onep, "--reason", "misdirected", "--suggest", "opm")
    assert said == f"{onep}  The letter is for another agency."
    told, _ = desk.does("slc", "deliveries", document_id, exits=1)
    assert "[misdirected] The letter is for another agency." in told
    assert "2/3 ended: 1 consigned, 1 handed_over, 1 rejected" in told
    assert desk.does("slc", "resend", onep)[0] == f"{document_id}.onep.2"

    assert desk.does("slc", "recall", opm)[0] == f"{opm}  recalled"
    rest, _ = desk.does("slc", "recall", document_id, exits=1)
    assert f"{dga}  not recalled: delivery_handed_over" in rest
    assert f"{document_id}.onep.2  recalled" in rest
    outbox, _ = desk.does("slc", "outbox", "--q", "opm")
    assert outbox.startswith(f"{opm}  recalled  opm")
    shown, _ = desk.does("slc", "letter", "show", document_id)
    assert '"recalled": 2' in shown


def test_a_copy_is_fetched(desk: Desk, tmp_path: Path) -> None:
    """ตรารับ: `tra print` keeps the copy where it is told to; what is refused is told."""
    delivery_id = f"{desk.office.sent(LETTER)}.dga.1"
    file = tmp_path / "copy.pdf"
    _, beside = desk.does("opm", "print", delivery_id, "-o", str(file), exits=1)
    assert "404" in beside
    assert not file.exists()


def test_many_pages_are_one_list(desk: Desk) -> None:
    """Issue 6.8: the list goes on where a page ends, as far as it was asked for."""
    for _ in range(3):
        desk.office.sent(LETTER)
    assert len(desk.does("slc", "outbox", "--limit", "2")[0].splitlines()) == 2
    assert len(desk.does("slc", "outbox")[0].splitlines()) == 3
