"""Registers through the deployed stack: real roles, the real gateway, the real renderer."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pypdf
import pytest

from infra import client as api
from infra.local import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_YEAR = (datetime.now(UTC) + timedelta(hours=7)).year
_BOOK = "/v1/registers/dopa/licence"
_SECONDS = 60


def _reserve(client: api.Client, **body: Any) -> dict[str, Any]:
    answer = client.call("POST", f"{_BOOK}/reservations", json={"reason": "ประชุม", **body})
    assert answer.status == 201, answer.data
    reserved: dict[str, Any] = answer.json()
    return reserved


@pytest.fixture(scope="module")
def lines(
    deployment: Deployment, aws: boto3.session.Session, sign_in: Callable[[str], api.Client]
) -> list[dict[str, Any]]:
    """Four numbers: one used by a document, one given back, two expired."""
    client = sign_in("dopa")
    used, back = (n["number"] for n in _reserve(client, count=2, days=1)["numbers"])
    soon = datetime.now(UTC) + timedelta(seconds=1)
    expiring = [
        n["number"] for n in _reserve(client, count=2, expires_at=soon.isoformat())["numbers"]
    ]
    path = ROOT / "chalicelib/templates/licence/example.json"
    request = {**json.loads(path.read_text(encoding="utf-8")), "recipients": []}
    wish = {"use_reserved": {"year": _YEAR, "number": used}}
    accepted = client.submit({**request, **wish}, key="e2e-reserved")
    released = client.call(
        "POST", f"{_BOOK}/{_YEAR}/reservations/{back}/release", json={"reason": "not_needed"}
    )
    assert released.status == 200, released.data
    (issued,) = api.wait_until_told([(client, accepted["document_id"])], seconds=_SECONDS)
    assert (issued["state"], issued["number"]) == ("issued", used)
    return _when_swept(client, aws, deployment, expiring)


def _when_swept(
    client: api.Client, aws: boto3.session.Session, deployment: Deployment, numbers: list[int]
) -> list[dict[str, Any]]:
    """The register's lines once `numbers` are void."""
    function = f"{deployment.stack}-sweep"
    sample = (ROOT / "events/sweep.json").read_bytes()
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        aws.client("lambda").invoke(FunctionName=function, Payload=sample)
        items: list[dict[str, Any]] = client.call("GET", f"{_BOOK}/{_YEAR}").json()["items"]
        if all(item["state"] == "void" for item in items if item["number"] in numbers):
            return items
    raise AssertionError("the reservations never expire")


def test_each_number_has_the_end_it_came_to(lines: list[dict[str, Any]]) -> None:
    """P1, P4: `api`, `number`, `seal` and `sweep` may each do their part and end every number."""
    ends = [(line["state"], line["reason"]) for line in lines]
    assert ends == [
        ("issued", None),
        ("void", "reservation_not_needed"),
        ("void", "reservation_expired"),
        ("void", "reservation_expired"),
    ]


def test_the_gateway_hands_the_pdf_on_as_bytes(
    lines: list[dict[str, Any]], sign_in: Callable[[str], api.Client]
) -> None:
    """A25: what arrives is a PDF, not its base64."""
    answer = sign_in("dopa").call(
        "GET", f"{_BOOK}/{_YEAR}.pdf", headers={"Accept": "application/pdf"}
    )
    assert answer.headers["Content-Type"] == "application/pdf"
    (page,) = pypdf.PdfReader(io.BytesIO(answer.data)).pages
    assert "๑/๑" in page.extract_text()
    assert lines


def test_the_csv_arrives_byte_by_byte(
    lines: list[dict[str, Any]], sign_in: Callable[[str], api.Client]
) -> None:
    """A25: mark, line ends and Thai letters survive the gateway."""
    answer = sign_in("dopa").call("GET", f"{_BOOK}/{_YEAR}.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert [row[5] for row in rows[1:]] == [line["subject"] for line in lines]
