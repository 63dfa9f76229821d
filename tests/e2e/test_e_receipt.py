"""A receipt through the deployed stack: its XML is sealed by the agency's key in KMS."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pypdf
import pytest

from chalicelib.adapters.xades_validation import XadesValidator
from infra import client as api
from infra.local import ROOT
from infra.seal_check import check_seal
from tests.support import etax

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_ISSUE_SECONDS = 90


@pytest.fixture(scope="module")
def receipt() -> dict[str, Any]:
    path = ROOT / "chalicelib" / "templates" / "e-receipt" / "example.json"
    request: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return request


@pytest.fixture(scope="module")
def pdf(sign_in: Callable[[str], api.Client], receipt: dict[str, Any]) -> bytes:
    """The sealed file of a receipt that the Comptroller General's Department issued."""
    client = sign_in("cgd")
    accepted = client.submit(receipt, key="e2e-receipt")
    (view,) = api.wait_until_told([(client, accepted["document_id"])], seconds=_ISSUE_SECONDS)
    assert view["state"] == "issued", view["reason"]
    return client.file(view["document_id"])


def _attachments(pdf: bytes) -> dict[str, bytes]:
    return {n: data for n, (data,) in pypdf.PdfReader(BytesIO(pdf)).attachments.items()}


def test_both_seals_hold(pdf: bytes, deployment: Deployment) -> None:
    """Issue 5, item 1: the seal of the PDF and that of the XML in it lead to the same root, and
    the record beside it is the submitted content."""
    root = deployment.root_certificate.read_text()
    assert check_seal(pdf, root).problems == []
    seen = XadesValidator().observe(_attachments(pdf)["ETDA-invoice.xml"], [root], at=_now())
    assert seen.sub_indication is None
    assert seen.stamp is not None


@etax.needs_standards
def test_the_xml_is_valid(pdf: bytes, receipt: dict[str, Any]) -> None:
    """B3: what the archive holds keeps to XSD and Schematron of ขมธอ. 3-2560."""
    attachments = _attachments(pdf)
    assert json.loads(attachments["content.json"])["content"] == receipt["content"]
    assert etax.faults(attachments["ETDA-invoice.xml"]) == []


def test_a_dry_run_has_unsigned_xml(
    sign_in: Callable[[str], api.Client], receipt: dict[str, Any]
) -> None:
    """api.md, dry_run: the XML is shown without number and without a signature."""
    answer = sign_in("cgd").call("POST", "/v1/documents", json={**receipt, "dry_run": True})
    shown = _attachments(base64.b64decode(answer.json()["preview_base64"]))
    xml = shown["ETDA-invoice.xml"]
    assert b"<ram:ID>SPECIMEN</ram:ID>" in xml
    assert b"Signature" not in xml


def _now() -> datetime:
    return datetime.now(UTC)
