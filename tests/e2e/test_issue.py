"""Documents from submission to the recipients, through the deployed stack."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError

from chalicelib.adapters.types import PackagedDocumentTypes
from infra import client as api
from infra.local import ROOT
from infra.seal_check import check_seal, check_with_pdfsig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from boto3.session import Session

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_ISSUE_SECONDS = 90
_MANY = 30
# Each at a time costs the embedded AWS an authorizer and an API worker, unpacked anew.
_AT_ONCE = 6
_MANY_SECONDS = 240
_EVENT_SECONDS = 20


@pytest.fixture(scope="module")
def issued(sign_in: Callable[[str], api.Client]) -> dict[str, Any]:
    """A licence of DIW, issued, its recipients told."""
    path = ROOT / "chalicelib" / "templates" / "licence" / "example.json"
    client = sign_in("diw")
    accepted = client.submit(json.loads(path.read_text(encoding="utf-8")), key="e2e-issued")
    (view,) = api.wait_until_told([(client, accepted["document_id"])], seconds=_ISSUE_SECONDS)
    assert view["state"] == "issued", view["reason"]
    return view


def _place(client: api.Client, document_id: str, bucket: str) -> tuple[str, str]:
    answer = client.call("GET", f"/v1/documents/{document_id}/file", redirect=False)
    link = urlsplit(answer.headers["Location"])
    query = dict(pair.split("=", 1) for pair in link.query.split("&"))
    return unquote(link.path).removeprefix(f"/{bucket}/"), unquote(query["versionId"])


def test_document_is_issued_and_its_seal_holds(
    issued: dict[str, Any],
    sign_in: Callable[[str], api.Client],
    deployment: Deployment,
    tmp_path: Path,
) -> None:
    """P2, P3: what is downloaded is the file the entry names, and its seal verifies with code
    that did not make it."""
    pdf = sign_in("diw").file(issued["document_id"])
    assert hashlib.sha256(pdf).hexdigest() == issued["file"]["sha256"]
    report = check_seal(pdf, deployment.root_certificate.read_text())
    assert report.problems == []
    assert report.stamped_at is not None
    path = tmp_path / "licence.pdf"
    path.write_bytes(pdf)
    assert check_with_pdfsig(path) is None


def test_recipient_is_told_once_per_event_id(
    issued: dict[str, Any], aws: boto3.session.Session, deployment: Deployment
) -> None:
    """P3, P5: the recipient's own queue holds a CloudEvent about the issued document."""
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{deployment.stack}-inbox-dbd")["QueueUrl"]
    found: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + _EVENT_SECONDS
    while not found and time.monotonic() < deadline:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            event = json.loads(message["Body"])
            if event["subject"] == issued["document_id"]:
                found[event["id"]] = event
    (event,) = found.values()
    assert event["specversion"] == "1.0"
    assert event["type"] == "tra.document.issued.v1"
    assert event["source"] == "/agencies/diw"


def test_repeated_submission_is_the_same_document(
    sign_in: Callable[[str], api.Client],
    issued: dict[str, Any],
    example: Callable[[str], dict[str, Any]],
) -> None:
    """P2: the same Idempotency-Key and body give the same document, another body 422."""
    client, request = sign_in("diw"), example("licence")
    assert client.submit(request, key="e2e-issued")["document_id"] == issued["document_id"]
    other = {**request, "recipients": ["rd"]}
    answer = client.call(
        "POST", "/v1/documents", json=other, headers={"Idempotency-Key": "e2e-issued"}
    )
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_archived_version_cannot_be_deleted_or_overwritten(
    issued: dict[str, Any],
    sign_in: Callable[[str], api.Client],
    aws: boto3.session.Session,
    deployment: Deployment,
) -> None:
    """P2: not even root of the account deletes, overwrites or unlocks what is archived."""
    s3, bucket = aws.client("s3"), deployment.outputs["ArchiveBucket"]
    key, version = _place(sign_in("diw"), issued["document_id"], bucket)
    lock = s3.get_object_retention(Bucket=bucket, Key=key, VersionId=version)["Retention"]
    assert lock["Mode"] == "COMPLIANCE"
    with pytest.raises(ClientError):
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version, BypassGovernanceRetention=True)
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key=key, Body=b"other", IfNoneMatch="*")
    with pytest.raises(ClientError):
        s3.put_object_retention(
            Bucket=bucket,
            Key=key,
            VersionId=version,
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC)},
        )
    kept = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
    assert hashlib.sha256(kept).hexdigest() == issued["file"]["sha256"]


def test_parallel_submissions_get_every_number_once(
    sign_in: Callable[[str], api.Client], example: Callable[[str], dict[str, Any]]
) -> None:
    """P1: thirty submissions to one register, six at a time, are numbered exactly 1 … 30."""
    client = sign_in("opdc")
    request = {**example("licence"), "recipients": []}

    def submit(position: int) -> str:
        document_id: str = client.submit(request, key=f"e2e-many-{position}")["document_id"]
        return document_id

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ids = list(pool.map(submit, range(_MANY)))
    views = api.wait_until_told([(client, i) for i in ids], seconds=_MANY_SECONDS)
    assert sorted(view["number"] for view in views) == list(range(1, _MANY + 1))
    assert {view["state"] for view in views} == {"issued"}


def test_gateway_refuses_in_problem_documents(deployment: Deployment) -> None:
    """P6: without a token the gateway itself refuses, says how to authenticate, and does so
    as a problem document; so it does for a route that is not there."""
    http = urllib3.PoolManager()
    refused = http.request("GET", f"{deployment.url}/v1/documents")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    missing = http.request("GET", f"{deployment.url}/v1/nothing-here")
    assert missing.status == 404
    for answer in (refused, missing):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status


def test_dry_run_previews_and_leaves_nothing(
    deployment: Deployment,
    aws: Session,
    sign_in: Callable[[str], api.Client],
    example: Callable[[str], dict[str, Any]],
    issued: dict[str, Any],
) -> None:
    """P1, issue 5 item 6: a dry run of every type is rendered by the `preview` function; of its
    agency, which issues nothing else, no table, bucket, queue or log knows anything after it."""
    client = sign_in("sso")
    for kind in PackagedDocumentTypes().all():
        request = {**example(kind.name), "recipients": [], "dry_run": True}
        answer = client.call(
            "POST", "/v1/documents", json=request, headers={"Idempotency-Key": kind.name}
        )
        assert answer.status == 200, answer.data[:500]
        assert base64.b64decode(answer.json()["preview_base64"]).startswith(b"%PDF-")
    assert client.call("GET", "/v1/documents").json()["items"] == []
    assert _left_by("sso", deployment, aws) == []
    assert len(_left_by(issued["agency_id"], deployment, aws)) > 1  # what is left is found


def _left_by(agency: str, deployment: Deployment, aws: Session) -> list[str]:
    """Whatever in the state of the deployment is the agency's, but its directory entry."""
    found = []
    owns = {"agency_id": agency, "pk": f"KEY#{agency}#", "register_id": f"{agency}/"}
    for table in ("DocumentsTable", "RegistersTable"):
        pages = aws.client("dynamodb").get_paginator("scan")
        for page in pages.paginate(TableName=deployment.outputs[table], ConsistentRead=True):
            found += [
                str(item)
                for item in page["Items"]
                if any(item.get(k, {}).get("S", "").startswith(v) for k, v in owns.items())
            ]
    s3 = aws.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        listed = s3.list_object_versions(Bucket=bucket["Name"]).get("Versions", [])
        found += [version["Key"] for version in listed if f"/{agency}/" in version["Key"]]
    logs = aws.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        lines = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        found += [line["message"] for line in lines if "นางสาว" in line["message"]]
    return found
