"""The public verification on the deployed stack: bytes through the gateway, a function of its
own, uploads, and the register's answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from infra import client as api
from infra.local import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_ISSUE_SECONDS = 90


def _send(deployment: Deployment, body: bytes, content_type: str) -> Any:
    answer = urllib3.request(
        "POST",
        f"{deployment.url}/v1/verify",
        body=body,
        headers={"Content-Type": content_type, "Accept": "application/json"},
        timeout=60.0,
    )
    return answer.status, answer.json()


@pytest.fixture(scope="module")
def issued(sign_in: Callable[[str], api.Client]) -> dict[str, Any]:
    """A licence of DIW."""
    path = ROOT / "chalicelib" / "templates" / "licence" / "example.json"
    client = sign_in("diw")
    accepted = client.submit(json.loads(path.read_text(encoding="utf-8")), key="e2e-verify")
    (view,) = api.wait_until_told([(client, accepted["document_id"])], seconds=_ISSUE_SECONDS)
    assert view["state"] == "issued", view["reason"]
    return view


@pytest.fixture(scope="module")
def pdf(issued: dict[str, Any], sign_in: Callable[[str], api.Client]) -> bytes:
    path = f"/v1/documents/{issued['document_id']}/file"
    answer = sign_in("diw").call("GET", path, redirect=False)
    return urllib3.request("GET", answer.headers["Location"]).data


def test_anybody_verifies_a_file(deployment: Deployment, pdf: bytes) -> None:
    """E4, P2: without a token, the archived bytes match the register; a byte more does not."""
    status, told = _send(deployment, pdf, "application/pdf")
    assert status == 200, told
    assert told["register_answer"] == "match"
    assert told["seals"][0]["sealed_at"]
    status, told = _send(deployment, pdf + b"\n", "application/pdf")
    assert (status, told["indication"]) == (200, "TOTAL-FAILED")
    assert told["register_answer"] == "differs"


def test_a_large_file_is_uploaded(deployment: Deployment, pdf: bytes) -> None:
    """api.md: an uploaded file gets the verdict that the same bytes in a request get."""
    invited = urllib3.request("POST", f"{deployment.url}/v1/verify/uploads").json()
    fields = {**invited["fields"], "file": ("file.pdf", pdf, "application/pdf")}
    sent = urllib3.request("POST", invited["url"], fields=fields)
    assert sent.status in {200, 201, 204}, sent.data
    body = json.dumps({"upload": invited["upload"]}).encode()
    status, told = _send(deployment, body, "application/json")
    assert status == 200, told
    assert told["register_answer"] == "match"
    unknown = json.dumps({"upload": "0" * 26}).encode()
    assert _send(deployment, unknown, "application/json")[0] == 404


def test_junk_through_the_gateway(deployment: Deployment) -> None:
    """P4: bytes that are no PDF arrive as they are, and have a verdict."""
    status, told = _send(deployment, bytes(range(256)), "application/pdf")
    assert status == 200, told
    assert told["findings"][0]["code"] == "not_pdf"
