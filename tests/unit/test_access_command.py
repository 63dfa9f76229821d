"""`tra access-report`: what it asks for, and what people read (C5)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from chalicelib import cli
from chalicelib.cli import main
from tests.support.accesses import access

_OWN = {
    "access_id": "A1",
    "at": "2026-11-22T05:00:07Z",
    "agency_id": "diw",
    "officer": "somsri@diw.example",
    "name_th": "นางสมศรี ตัวอย่าง",
    "position_th": "เจ้าหน้าที่",
    "appointment_id": "AP1",
    "action": "files:read",
    "kind": "document",
    "thing_id": "D1",
    "classification": "secret",
    "address": "203.0.113.7",
    "request_id": "R1",
    "relation": "own_agency",
    "reason": "registrar",
}
_OTHER = {
    **_OWN,
    "access_id": "B1",
    "at": "2026-12-31T17:00:00Z",
    "agency_id": "dbd",
    "officer": None,
    "name_th": None,
    "address": None,
    "classification": "normal",
    "reason": "recipient_by_event",
}


class _Remote:
    """Answers a report in two pages, and keeps what was asked."""

    def __init__(self, language: str) -> None:
        self.environment = {"LANG": language}
        self.asked: list[Mapping[str, list[str]]] = []

    def json(self, _method: str, path: str) -> Any:
        self.asked.append(parse_qs(urlparse(path).query))
        if "cursor" in self.asked[-1]:
            return {"items": [_OTHER], "cursor": None}
        return {"items": [_OWN], "cursor": "C1"}

    def call(self, _method: str, path: str, *, Accept: str) -> Any:  # noqa: N803 - a header
        assert Accept.startswith("application/pdf")
        self.asked.append(parse_qs(urlparse(path).query))
        link = '<https://tra.test/v1/access-log?document_id=D1&cursor=C1>; rel="next"'
        headers = {} if "cursor" in self.asked[-1] else {"Link": link}
        return SimpleNamespace(data=b"%%PDF-%d" % len(self.asked), headers=headers)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> _Remote:
    remote = _Remote(getattr(request, "param", "th_TH.UTF-8"))
    monkeypatch.setattr(cli, "Remote", lambda *_: remote)
    return remote


def test_a_table_in_thai(remote: _Remote, capsys: pytest.CaptureFixture[str]) -> None:
    """C5: who, day, month, year (B.E.) and time; all pages, the new year by the clock of Bangkok."""
    assert main(["access-report", "--document", "D1"]) == 0
    heads, own, other = capsys.readouterr().out.splitlines()
    assert heads.split()[:4] == ["วัน", "เดือน", "ปี", "เวลา"]
    assert own.startswith("๒๒ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐.๐๗ น.")
    for told in ("นางสมศรี ตัวอย่าง", "diw", "เปิดไฟล์", "D1", "ลับมาก", "203.0.113.7", "นายทะเบียน"):
        assert told in own
    assert other.startswith("๑ มกราคม ๒๕๗๐ เวลา ๐๐.๐๐.๐๐ น.")
    for told in ("(ไม่แจ้งชื่อ)", "dbd", "ปกติ", "–", "ผู้รับแจ้ง"):
        assert told in other
    assert remote.asked == [
        {"document_id": ["D1"], "limit": ["200"]},
        {"document_id": ["D1"], "limit": ["200"], "cursor": ["C1"]},
    ]


@pytest.mark.parametrize("remote", ["en_GB.UTF-8"], indirect=True)
def test_a_table_in_english(remote: _Remote, capsys: pytest.CaptureFixture[str]) -> None:
    """C5: the same for who reads no Thai; columns stand below each other."""
    arguments = ["access-report", "--officer", "somsri@diw.example"]
    assert main([*arguments, "--from", "2026-11-01", "--to", "2027-01-01"]) == 0
    heads, own, _ = capsys.readouterr().out.splitlines()
    assert own.startswith("22 Nov 2569 BE 12:00:07")
    assert "read the file" in own
    assert "registrar of secrets" in own
    assert heads.index("who") == own.index("นาง")
    assert remote.asked[0] == {
        "officer": ["somsri@diw.example"],
        "from": ["2026-11-01"],
        "to": ["2027-01-01"],
        "limit": ["200"],
    }


def test_json_is_what_the_interface_tells(
    remote: _Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    """C5: whole, for other programs."""
    assert main(["access-report", "--document", "D1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"items": [_OWN, _OTHER]}
    assert len(remote.asked) == 2


def test_csv_for_spreadsheets(
    remote: _Remote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """C5: with a byte order mark; and a name that a spreadsheet would run is text."""
    monkeypatch.setitem(_OTHER, "officer", "=1+1")
    file = tmp_path / "report.csv"
    assert main(["access-report", "--document", "D1", "--csv", str(file)]) == 0
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert [len(row) for row in rows] == [8, 8, 8]
    assert rows[2][1] == "'=1+1"
    assert capsys.readouterr().out == ""
    assert main(["access-report", "--document", "D1", "--csv", "-"]) == 0
    assert capsys.readouterr().out.startswith("วัน เดือน ปี เวลา,ผู้เข้าถึง")
    assert len(remote.asked) == 4


def test_pdf_to_print(remote: _Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """C5: in as many files as it takes, each named."""
    file = tmp_path / "report.pdf"
    assert main(["access-report", "--document", "D1", "--pdf", str(file)]) == 0
    assert capsys.readouterr().out.split() == [str(file), str(tmp_path / "report-2.pdf")]
    assert file.read_bytes() == b"%PDF-1"
    assert (tmp_path / "report-2.pdf").read_bytes() == b"%PDF-2"
    assert remote.asked == [
        {"document_id": ["D1"], "limit": ["200"]},
        {"document_id": ["D1"], "cursor": ["C1"]},
    ]


def test_one_thing_is_asked_for() -> None:
    """api.md: a document or an officer, not both and not nothing."""
    for wrong in ([], ["--document", "D1", "--officer", "x"]):
        with pytest.raises(SystemExit) as stopped:
            main(["access-report", *wrong])
        assert stopped.value.code == 2


def test_the_samples_are_as_the_log_has_them() -> None:
    """C5: what is told here is what a record holds."""
    assert _OWN["action"] == access().action
    assert _OWN["reason"] == access().reason
