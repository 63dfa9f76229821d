"""The public logs of a deployed stack, by nothing but the `tra` command and HTTP (P7)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from chalicelib.cli import main
from chalicelib.domain.thai import register_year
from infra import client as api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]


@pytest.fixture
def tra(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The command, talking to the deployment; returns what it printed."""
    for name, value in deployment.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        status = main(arguments)
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    return run


def test_from_an_issued_document_to_a_cosigned_checkpoint(
    deployment: Deployment,
    sign_in: Callable[[str], api.Client],
    example: Callable[[str], dict[str, Any]],
    tra: Callable[..., str],
    tmp_path: Path,
) -> None:
    """P7: issue, checkpoint on demand, verify a number and its tile, co-sign: over HTTP only."""
    issuer = sign_in("diw")
    made = [issuer.submit(example("licence"), key=f"logs-{n}")["document_id"] for n in range(3)]
    api.wait_until_told([(issuer, i) for i in made], seconds=120)
    counts = json.loads(tra("checkpoint"))
    assert counts["failed"] == 0
    assert counts["extended"] >= 2
    log = f"diw/licence/{register_year(datetime.now(UTC))}/numbers"
    shown = tra("log", log, "--number", "1")
    assert "verified: entry 0 of this log" in shown
    _follow_a_tile(deployment, log)
    _witness(deployment, log, tra, tmp_path)
    assert "co-signed by witness.opdc.example/1" in tra("log", log)
    assert json.loads(tra("checkpoint"))["extended"] == 0


def _follow_a_tile(deployment: Deployment, log: str) -> None:
    """The redirect leads to the immutable file, without any token."""
    url = f"{deployment.url}/v1/registers/{log}"
    size = int(urllib3.request("GET", f"{url}/checkpoint").data.split(b"\n")[1])
    answer = urllib3.request("GET", f"{url}/tile/0/000.p/{size}")
    assert (answer.status, len(answer.data)) == (200, 32 * size)
    beyond = urllib3.request("GET", f"{url}/tile/0/000.p/{size + 1}", redirect=False)
    assert (beyond.status, beyond.json()["code"]) == (404, "not_found")


def _witness(deployment: Deployment, log: str, tra: Callable[..., str], folder: Path) -> None:
    from chalicelib.adapters.dynamodb.directory import (  # noqa: PLC0415 - reads the region when imported
        DynamoDirectory,
    )

    vkey = tra("witness", "--new-key", str(folder / "key"), "--name", "witness.opdc.example/1")
    directory = DynamoDirectory(deployment.outputs["DirectoryTable"])
    agency = directory.agency("opdc")
    assert agency is not None
    directory.put_agency(replace(agency, witness_key=vkey.strip()))
    options = ("--key", str(folder / "key"), "--state", str(folder / "state"), "--agency", "opdc")
    line = tra("witness", log, *options)
    assert line.startswith("— witness.opdc.example/1 ")
    tra("witness", log, *options)  # again: it remembers, and signs the same state
