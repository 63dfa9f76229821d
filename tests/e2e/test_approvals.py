"""Approvals on the deployed stack: the real roles, tables, keys, queues and archive at work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

import pyotp
import pytest
import urllib3

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.cli import main
from chalicelib.domain.presentation import APPROVAL_FILE
from infra import client as api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from boto3.session import Session

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_SECONDS = 60
_SCOPE = "documents:approve documents:read factors:enrol"


def _enrolled(approver: api.Client) -> str:
    """A code that was not used yet: the one that confirms is spent."""
    begun = approver.call("POST", "/v1/me/factors", json={"method": "totp", "label": "e2e"})
    assert begun.status == 201, begun.data
    told = begun.json()
    seed = parse_qs(urlparse(told["otpauth_uri"]).query)["secret"][0]
    path = f"/v1/me/factors/{told['factor_id']}/confirmation"
    confirmed = approver.call("POST", path, json={"otp": pyotp.TOTP(seed).now()})
    assert confirmed.status == 200, confirmed.data
    recovery: str = confirmed.json()["recovery_codes"][0]
    return recovery


def test_two_officers_approve_a_list(  # noqa: PLR0917 - fixtures
    deployment: Deployment,
    aws: Session,
    sign_in: Callable[[str], api.Client],
    example: Callable[[str], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """B7, C2: nothing is numbered before two officers of the agency approved it, each with one code
    for the whole list; then the sealed file tells of them, the records lie locked in the archive,
    and the bundle verifies offline."""
    clerk = sign_in("opdc")
    body = {**example("e-certificate"), "recipients": []}
    ids = [clerk.submit(body, key=f"approve-{n}")["document_id"] for n in range(2)]
    for subject in ("opdc-approver", "opdc-approver2"):
        approver = api.sign_in_as(deployment.url, deployment.token_url, subject, scope=_SCOPE)
        items = approver.get("/v1/approvals")["items"]
        assert {item["document_id"] for item in items} == set(ids)
        preview = approver.get(f"/v1/documents/{ids[0]}/preview")
        decisions = [
            {
                "document_id": item["document_id"],
                "content_digest": item["content_digest"],
                "decision": "approve",
            }
            for item in items
        ]
        assert preview["content_digest"] in {one["content_digest"] for one in decisions}
        assert clerk.show(ids[0])["state"] == "awaiting_approval"
        sent = {"otp": _enrolled(approver), "decisions": decisions}
        answer = approver.call("POST", "/v1/approvals", json=sent)
        assert answer.status == 200, answer.data
        assert answer.json()["decided"] == 2, answer.data
    views = api.wait_until_told([(clerk, one) for one in ids], seconds=_SECONDS)
    assert [view["state"] for view in views] == ["issued", "issued"]

    pdf = clerk.file(ids[0])
    attached = PadesValidator().attached(pdf, APPROVAL_FILE)
    assert attached is not None
    gist = json.loads(attached)
    assert len({one["name_th"] for one in gist["approvals"]}) == 2

    bundle = clerk.get(f"/v1/documents/{ids[0]}/evidence")
    s3, bucket = aws.client("s3"), deployment.outputs["ArchiveBucket"]
    for place, record in enumerate(bundle["approval"]["records"], 1):
        archived = s3.get_object(Bucket=bucket, Key=f"approvals/{ids[0]}/{place}.jws")
        assert archived["Body"].read().decode() == record
        assert archived["ObjectLockRetainUntilDate"].isoformat() >= views[0]["retain_until"][:19]

    monkeypatch.chdir(tmp_path)
    (tmp_path / "certificate.pdf").write_bytes(pdf)
    (tmp_path / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    jwks = urllib3.request("GET", f"{deployment.url}/.well-known/jwks.json").data
    (tmp_path / "jwks.json").write_bytes(jwks)
    believed = ["--jwks", "jwks.json", "--anchors", str(deployment.root_certificate)]
    main(["verify", "bundle.json", "certificate.pdf", *believed])
    told = capsys.readouterr().out
    assert "approvals" in told
    assert "[approval_" not in told
