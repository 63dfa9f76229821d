"""The audit of the deployed stack: by the function with its own role, and by `tra audit`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import bootstrap, cli
from infra import client as api
from infra.local import ROOT
from tests.support.rooms import sample_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import boto3

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_ISSUE_SECONDS = 90


@pytest.fixture(scope="module")
def register(
    aws: boto3.session.Session,
    deployment: Deployment,
    sign_in: Callable[[str], api.Client],
) -> Iterator[str]:
    """The licences of DIW: one issued at least, and checkpointed."""
    path = ROOT / "chalicelib" / "templates" / "licence" / "example.json"
    client = sign_in("diw")
    accepted = client.submit(json.loads(path.read_text(encoding="utf-8")), key="e2e-audit")
    (view,) = api.wait_until_told([(client, accepted["document_id"])], seconds=_ISSUE_SECONDS)
    invoke(aws, deployment, "checkpoint", sample_event("checkpoint"))
    bootstrap.forget_clients()
    yield view["numbering"]["register_id"]
    bootstrap.forget_clients()


def invoke(
    aws: boto3.session.Session, deployment: Deployment, function: str, event: dict[str, Any]
) -> dict[str, Any]:
    answer = aws.client("lambda").invoke(
        FunctionName=f"{deployment.stack}-{function}", Payload=json.dumps(event).encode()
    )
    payload: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def test_the_function_audits_with_its_own_role(
    register: str, aws: boto3.session.Session, deployment: Deployment
) -> None:
    """P1, P2, P7: read-only rights are enough to look at everything, and all is well."""
    report = invoke(aws, deployment, "audit", {"register": register})
    assert report["findings"] == []
    assert report["counts"]["files"] >= 1
    assert report["counts"]["checkpoints"] >= 2
    everything = invoke(aws, deployment, "audit", {})
    assert everything["audited"] >= 1
    assert (everything["errors"], everything["not_audited"]) == (0, 0)


def test_the_command_audits_from_outside(
    register: str, deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """P7: anyone with read-only credentials audits with own hands; codes tell the outcome."""
    report = tmp_path / "report.json"
    stack = ["--stack", deployment.stack]
    assert cli.main(["audit", register, *stack, "--json", str(report)]) == 0
    (written,) = json.loads(report.read_text())["registers"]
    assert written["clean"]
    assert written["register_id"] == register
    assert cli.main(["audit", "--all", *stack]) == 0
    assert "clean" in capsys.readouterr().err
    assert cli.main(["audit", "diw/licence/1999", *stack]) == 1
    assert cli.main(["audit", "licence", *stack]) == 2
    assert cli.main(["audit", *stack]) == 2


def test_the_command_finds_what_was_planted(
    register: str,
    aws: boto3.session.Session,
    deployment: Deployment,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """P2: a file that nobody issued is found from outside, and the exit code says so."""
    s3 = aws.client("s3")
    bucket, key = deployment.outputs["ArchiveBucket"], f"documents/{register}/01PLANTED.pdf"
    planted = s3.put_object(Bucket=bucket, Key=key, Body=b"planted")
    try:
        assert cli.main(["audit", register, "--quick", "--stack", deployment.stack]) == 1
    finally:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=planted["VersionId"])
    assert "file_without_entry" in capsys.readouterr().out
