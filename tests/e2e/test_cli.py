"""The `tra` command as a developer types it, against the deployed stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

LICENCE = Path("chalicelib/templates/licence/example.json")


def _tra(
    deployment: Deployment, *arguments: str | Path, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command; `LANG` decides the language of problems."""
    done = subprocess.run(
        [sys.executable, "-m", "chalicelib.cli", *map(str, arguments)],
        env={**os.environ, **deployment.environment(), "LANG": "en_US.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == expect, done.stderr
    return done


def test_issue_show_file_verify(deployment: Deployment, tmp_path: Path) -> None:
    """Issue 2: from a JSON file to a verified PDF with four commands."""
    issued = _tra(deployment, "issue", LICENCE, "--agency", "diw")
    document_id, printed, digest = issued.stdout.split()
    assert [line.split()[-1] for line in issued.stderr.splitlines()][-1] == "issued"
    shown = json.loads(_tra(deployment, "show", document_id, "--agency", "diw").stdout)
    assert (shown["state"], shown["printed_number"]) == ("issued", printed)
    bundle = json.loads(_tra(deployment, "evidence", document_id, "--agency", "diw").stdout)
    assert bundle["file"]["sha256"] == digest
    pdf = tmp_path / "out.pdf"
    _tra(deployment, "file", document_id, "--agency", "diw", "-o", pdf)
    (verdict,) = json.loads(_tra(deployment, "verify", pdf, "--json").stdout)["files"]
    assert verdict["indication"] == "TOTAL-PASSED"
    assert shown["file"]["sha256"] == digest
    pdf.write_bytes(pdf.read_bytes().replace(b"/Count 1", b"/Count 2", 1))
    assert "TOTAL-FAILED" in _tra(deployment, "verify", pdf, expect=1).stdout


def test_a_token_is_printed_bare(deployment: Deployment) -> None:
    """Issue 2: `TOKEN=$(tra token …)` works in a shell."""
    token = _tra(deployment, "token", "--agency", "diw", "--role", "clerk").stdout
    assert token.count(".") == 2
    assert token.endswith("\n")
    assert " " not in token


def test_what_is_wrong_is_said_with_its_place(deployment: Deployment, tmp_path: Path) -> None:
    """P4: a person reads which field to correct, and the exit code tells a script."""
    body = json.loads(LICENCE.read_text(encoding="utf-8"))
    body["content"]["fee_thb"] = "3000"
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(body), encoding="utf-8")
    refused = _tra(deployment, "issue", bad, "--agency", "diw", expect=1)
    assert "/content/fee_thb" in refused.stderr
    missing = _tra(deployment, "show", "0" * 26, "--agency", "diw", expect=1)
    assert "404" in missing.stderr
    nowhere = _tra(deployment, "issue", tmp_path / "none.json", "--agency", "diw", expect=1)
    assert "none.json" in nowhere.stderr
    nobody = _tra(deployment, "show", "0" * 26, expect=1)
    assert "--agency" in nobody.stderr
