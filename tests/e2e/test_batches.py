"""A batch through the deployed stack, by the `tra` command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import client as api
from infra.local import Deployment
from tests.support.batch_files import json_lines

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_LINES = 25


def _tra(deployment: Deployment, *arguments: str | Path, expect: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "chalicelib.cli", "batch", *map(str, arguments), "--agency", "diw"],
        env={**os.environ, **deployment.environment(), "LANG": "en_US.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout


@pytest.fixture
def lines(example: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    content = example("licence")["content"]
    return [
        {"content": {**content, "premises": f"เลขที่ {n} ถนนราชดำเนิน กรุงเทพมหานคร"}}
        for n in range(1, _LINES + 1)
    ]


def test_a_batch_from_file_to_manifest(
    deployment: Deployment, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Issue 5 item 4: with each function's own role: presigned upload, check, one block, issue,
    manifest; and the report of bad lines."""
    file = tmp_path / "lines.jsonl"
    file.write_bytes(json_lines([*lines, {"content": {}}]))
    told = _tra(
        deployment, "submit", file, "--type", "licence", "--skip-invalid", "--watch",
        "--defaults", '{"recipients": ["dbd"]}',
    )  # fmt: skip
    batch_id, state = told.split(":")[0].split()
    assert state == "done", told
    shown = json.loads(_tra(deployment, "show", batch_id))
    counted = ("lines", "invalid", "numbered", "issued", "void")
    assert [shown[name] for name in counted] == [_LINES + 1, 1, _LINES, _LINES, 0]
    rows = [json.loads(row) for row in _tra(deployment, "manifest", batch_id).splitlines()]
    first = shown["first_number"]
    assert [(r["line"], r["number"]) for r in rows] == [
        (n, first + n - 1) for n in range(1, _LINES + 1)
    ]
    assert all(row["sha256"] for row in rows)
    report = [json.loads(row) for row in _tra(deployment, "report", batch_id).splitlines()]
    assert {row["line"] for row in report} == {_LINES + 1}
    out = tmp_path / "report.csv"
    _tra(deployment, "report", batch_id, "--csv", "-o", out)
    assert out.read_text(encoding="utf-8-sig").startswith("line,pointer,code")


def test_a_checked_batch_is_cancelled(
    deployment: Deployment,
    lines: list[dict[str, Any]],
    tmp_path: Path,
    sign_in: Callable[[str], api.Client],
) -> None:
    """Issue 5 item 4: `manual` waits, `cancel` ends it without a number; others see nothing."""
    file = tmp_path / "lines.jsonl"
    file.write_bytes(json_lines(lines))
    told = _tra(deployment, "submit", file, "--type", "licence", "--manual", "--watch")
    batch_id = told.split()[0]
    assert "ready" in told
    assert sign_in("dbd").call("GET", f"/v1/batches/{batch_id}").status == 404
    assert json.loads(_tra(deployment, "cancel", batch_id))["state"] == "cancelled"
    assert "ended as cancelled" in _fails(deployment, "manifest", batch_id)


def _fails(deployment: Deployment, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "chalicelib.cli", "batch", *arguments, "--agency", "diw"],
        env={**os.environ, **deployment.environment(), "LANG": "en_US.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    return done.stderr
