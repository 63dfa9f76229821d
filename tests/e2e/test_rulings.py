"""Revoking on the deployed stack: the real roles, queues, tables, keys and archive at work."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from chalicelib.adapters.jws import check_jws
from infra import client as api

if TYPE_CHECKING:
    from collections.abc import Callable

    from boto3.session import Session

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_SECONDS = 30


def _get(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    """Patient: a function that is asked for the first time has to load."""
    return urllib3.request("GET", url, headers=headers, timeout=_SECONDS, retries=False)


def _events(aws: Session, deployment: Deployment, document_id: str, kind: str) -> dict[str, Any]:
    """The event of this kind about this document, from the recipient's own queue."""
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{deployment.stack}-inbox-rd")["QueueUrl"]
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            event: dict[str, Any] = json.loads(message["Body"])
            if event["subject"] == document_id and event["type"].endswith(f".{kind}.v1"):
                return event
    raise AssertionError(f"no {kind} event came")


def test_a_revoked_document_is_so_everywhere(
    deployment: Deployment,
    aws: Session,
    sign_in: Callable[[str], api.Client],
    example: Callable[[str], dict[str, Any]],
) -> None:
    """Issue 5, item 5: an approver revokes; the recipient gets signed evidence, which lies locked
    beside the document; list, code and owner agree."""
    body = {**example("licence"), "recipients": ["rd"], "valid_from": None, "valid_until": None}
    clerk = sign_in("diw")
    document_id = clerk.submit(body, key="rulings-e2e")["document_id"]
    (made,) = api.wait_until_told([(clerk, document_id)], seconds=_SECONDS)
    assert made["state"] == "issued"
    scope = "documents:read documents:revoke"
    approver = api.sign_in(
        deployment.url, deployment.token_url, "diw", roles=("approver",), scope=scope
    )
    answer = approver.call(
        "POST",
        f"/v1/documents/{document_id}/revocation",
        json={"reason_code": "error", "reason": "ทดสอบ"},
        headers={"Idempotency-Key": "revoke-e2e"},
    )
    assert answer.status == 201, answer.data
    assert answer.json()["standing"]["standing"] == "revoked"

    event = _events(aws, deployment, document_id, "revoked")
    jwks = _get(f"{deployment.url}/.well-known/jwks.json").json()
    payload = json.loads(check_jws(event["data"]["evidence"], jwks))
    assert (payload["document_id"], payload["reason_code"]) == (document_id, "error")
    key = f"rulings/{made['numbering']['register_id']}/{document_id}/1.jws"
    bucket = deployment.outputs["ArchiveBucket"]
    archived = aws.client("s3").get_object(Bucket=bucket, Key=key)
    assert archived["Body"].read().decode() == event["data"]["evidence"]
    assert archived["ObjectLockRetainUntilDate"].isoformat() >= made["retain_until"][:19]

    code = made["links"]["verify"].rsplit("/", 1)[1]
    status = _get(f"{deployment.url}/v1/status/{code}")
    assert status.json()["standing"] == "revoked"
    assert status.headers["Cache-Control"] == "public, max-age=30"
    entry = status.json()["credential_status"][0]
    listed = _get(entry["statusListCredential"])
    assert listed.status == 200
    credential = json.loads(check_jws(listed.data.decode(), jwks))
    assert credential["id"] == entry["statusListCredential"]
    assert credential["credentialSubject"]["statusPurpose"] == "revocation"
    again = _get(entry["statusListCredential"], **{"If-None-Match": listed.headers["ETag"]})
    assert again.status == 304
    shown = clerk.show(document_id)["standing"]
    assert shown["rulings"][0]["notified"] == ["rd"]
