"""`tra` with classified letters: send, read, receive, name readers, against the real handlers."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pypdf
import pytest

from chalicelib.cli import main
from tests.support.letter_office import SCOPES
from tests.support.near_http import served
from tests.support.secret_office import SECRET, WORD, one, secret_office


def test_registrars_work_at_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A13, C5: a secret letter is sent, named readers are shown, the copy comes as a file that names
    its reader, the sealed file only when asked for, and the letter is received."""
    letter = tmp_path / "letter.json"
    letter.write_text(json.dumps(SECRET), encoding="utf-8")
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    with (
        secret_office("slc", "dga") as office,
        served(office.fakes, SCOPES + " secrets:open", role="registrar", clearance="secret") as url,
    ):
        monkeypatch.setenv("TRA_URL", url)

        def does(agency: str, *words: str, exits: int = 0) -> str:
            monkeypatch.setenv("TRA_TOKEN", agency)
            assert main(list(words)) == exits, capsys.readouterr()
            office.rest()
            out = capsys.readouterr().out.splitlines()
            return "\n".join(line for line in out if not line.startswith('{"'))

        document_id = does("slc", "letter", "send", str(letter), "--yes").split()[-1]
        delivery_id = f"{document_id}.dga.1"
        assert WORD in does("dga", "inbox", delivery_id)
        for thing, form in ((document_id, ()), (delivery_id, ()), (delivery_id, ("--sealed",))):
            file = tmp_path / "file.pdf"
            agency = "slc" if thing == document_id else "dga"
            does(agency, "file", thing, "-o", str(file), *form)
            text = pypdf.PdfReader(BytesIO(file.read_bytes())).pages[0].extract_text()
            assert WORD in text
            assert (f"{agency}-registrar" in text) is not bool(form)
        assert "ร(ล)/" in does("dga", "receive", delivery_id)
        named = one("dga", "clerk", "secret")
        office.get("/v1/inbox", by=named)  # appointed now
        told = does("dga", "readers", delivery_id, "--add", named["sub"])
        assert named["sub"] in told
        assert does("dga", "readers", delivery_id) == told
        assert does("dga", "readers", delivery_id, "--remove", named["sub"]) == ""
        does("slc", "readers", document_id, "--add", "nobody", exits=1)
