"""The access log of the deployed stack: recorded, placed, archived, reported, audited (C5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib import bootstrap, cli
from infra import client as api
from infra.local import ROOT
from tests.e2e.test_audit import invoke
from tests.support.rooms import sample_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_ISSUE_SECONDS = 90


@pytest.fixture(scope="module")
def document_id(
    aws: boto3.session.Session, deployment: Deployment, sign_in: Callable[[str], api.Client]
) -> Iterator[str]:
    """A licence of DIW that its clerk and the recipient's read, in logs that are checkpointed."""
    path = ROOT / "chalicelib" / "templates" / "licence" / "example.json"
    client = sign_in("diw")
    accepted = client.submit(json.loads(path.read_text(encoding="utf-8")), key="e2e-access")
    document_id: str = accepted["document_id"]
    api.wait_until_told([(client, document_id)], seconds=_ISSUE_SECONDS)
    assert client.file(document_id).startswith(b"%PDF")
    assert sign_in("dbd").file(document_id).startswith(b"%PDF")
    done = invoke(aws, deployment, "checkpoint", sample_event("checkpoint"))
    assert done["failed"] == 0
    assert done["accesses"] >= 2
    bootstrap.forget_clients()
    yield document_id
    bootstrap.forget_clients()


def _report(deployment: Deployment, agency: str, **asked: str) -> list[dict[str, Any]]:
    auditor = api.sign_in(deployment.url, deployment.token_url, agency, ("auditor",))
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    items: list[dict[str, Any]] = auditor.get(f"/v1/access-log?{query}")["items"]
    return items


def test_the_owner_hears_of_all_and_others_of_their_own(
    document_id: str, deployment: Deployment
) -> None:
    """C5, P6: who read the file of a normal document; of another agency only that it was it."""
    own, other = _report(deployment, "diw", document_id=document_id)
    assert (own["agency_id"], own["action"], own["address"]) == ("diw", "files:read", "127.0.0.1")
    assert own["name_th"]
    assert (other["agency_id"], other["officer"]) == ("dbd", None)
    (theirs,) = _report(deployment, "dbd", document_id=document_id)
    assert theirs["officer"]
    assert _report(deployment, "rd", document_id=document_id) == []
    told = _report(deployment, "diw", officer=own["officer"])
    assert document_id in {one["thing_id"] for one in told}


def test_a_clerk_does_not_read_the_log(
    document_id: str, sign_in: Callable[[str], api.Client]
) -> None:
    """C5: readable only by auditors."""
    with pytest.raises(api.ClientError, match="403"):
        sign_in("diw").get(f"/v1/access-log?document_id={document_id}")


def test_the_log_is_checked_with_the_rights_of_the_audit(
    aws: boto3.session.Session, deployment: Deployment, log_id: str
) -> None:
    """C5: leaves, records, archive, tiles and checkpoints go together, for the function with its
    own role and for anybody with read-only credentials."""
    report = invoke(aws, deployment, "audit", {"register": log_id})
    assert report["findings"] == []
    assert report["counts"]["accesses"] >= 1
    assert report["counts"]["slices"] >= 1
    assert cli.main(["audit", log_id, "--stack", deployment.stack]) == 0
    assert cli.main(["audit", "diw/access/1999", "--stack", deployment.stack]) == 1


@pytest.fixture
def log_id(document_id: str, aws: boto3.session.Session, deployment: Deployment) -> str:
    """Of DIW, this year's; the document was read."""
    assert document_id
    table = deployment.outputs["AccessTable"]
    found = aws.client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="pk = :logs",
        ExpressionAttributeValues={":logs": {"S": "#LOGS"}},
    )
    (log_id,) = (i["sk"]["S"] for i in found["Items"] if i["sk"]["S"].startswith("diw/"))
    return str(log_id)


def test_the_checkpoint_is_public_and_the_entries_are_not(
    deployment: Deployment,
    log_id: str,
    sign_in: Callable[[str], api.Client],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """C5, P6: anybody sees how far the log is, and nobody what stands in it."""
    monkeypatch.setenv("TRA_URL", deployment.url)
    assert cli.main(["log", f"{log_id}/accesses"]) == 0
    assert f"{log_id}/accesses" in capsys.readouterr().out
    anybody = sign_in("rd")
    path = f"/v1/registers/{log_id}/accesses"
    size = int(anybody.call("GET", f"{path}/checkpoint").data.decode().splitlines()[1])
    tile = anybody.call("GET", f"{path}/tile/0/000.p/{size}", redirect=False)
    assert tile.status == 303
    entries = anybody.call("GET", f"{path}/tile/entries/000.p/{size}", redirect=False)
    assert entries.status == 404


def test_a_changed_record_is_found_from_outside(
    aws: boto3.session.Session,
    deployment: Deployment,
    log_id: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """C5: somebody with all rights on the table takes a name out of a leaf; it does not fit any
    more, and is put back."""
    key = {"pk": {"S": f"{log_id}!leaves"}, "sk": {"S": "0000000000"}}
    table, dynamodb = deployment.outputs["AccessTable"], aws.client("dynamodb")
    leaf = dynamodb.get_item(TableName=table, Key=key)["Item"]
    forged = {**json.loads(leaf["body"]["S"]), "subject": "nobody"}
    text = json.dumps(forged, sort_keys=True, separators=(",", ":"))
    dynamodb.put_item(TableName=table, Item={**leaf, "body": {"S": text}})
    try:
        assert cli.main(["audit", log_id, "--stack", deployment.stack]) == 1
    finally:
        dynamodb.put_item(TableName=table, Item=leaf)
    told = capsys.readouterr().out
    assert "access_log_mismatch  accesses leaf 0" in told
    assert "nobody" not in told


def test_the_archived_log_is_locked(
    aws: boto3.session.Session, deployment: Deployment, log_id: str
) -> None:
    """A26, C5: not even root takes a slice away before its time."""
    agency, _, year = log_id.split("/")
    s3, bucket = aws.client("s3"), deployment.outputs["ArchiveBucket"]
    found = s3.list_object_versions(Bucket=bucket, Prefix=f"access/{agency}/{year}/")["Versions"]
    assert found
    for version in found:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
