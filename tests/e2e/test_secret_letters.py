"""A secret letter between two registrars of secrets, through the deployed stack."""

from __future__ import annotations

import base64
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pypdf
import pytest

from infra import client as api
from infra import real_letters

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_SECONDS = 90
_WORD = "Kradangnga"


def _wait(found: Callable[[], Any]) -> Any:
    """What `found` gives once it gives something."""
    deadline = time.monotonic() + _SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return value


def test_a_secret_letter_between_two_registrars(deployment: Deployment) -> None:
    """A13, A24, C5, P6: dga's registrar sends, slc's reads a copy that names its reader, verifies,
    registers in the register of secrets, and opens it to one cleared officer; nobody else at
    either side finds it."""

    def who(subject: str) -> api.Client:
        return api.sign_in_as(deployment.url, deployment.token_url, subject)

    sender, registrar = who("dga-registrar"), who("slc-registrar")
    letter = {
        **real_letters.read("dga-186").content,
        "subject": f"แผน {_WORD}",
        "to": ["slc"],
        "addressee": "เลขาธิการคณะรัฐมนตรี",
        "classification": "secret",
    }

    # 1. Neither an uncleared clerk nor to an agency without registrar; top secret never.
    headers = {"Idempotency-Key": "e2e-secret-refused"}
    refused = who("dga-clerk").call("POST", "/v1/letters", json=letter, headers=headers)
    assert refused.status == 403
    top = {**letter, "classification": "top_secret"}
    assert sender.call("POST", "/v1/letters", json=top, headers=headers).status == 422

    # 2. The registrar sends it: numbered in the register of secrets, and delivered.
    headers = {"Idempotency-Key": "e2e-secret"}
    seen = sender.call("POST", "/v1/letters", json=letter, headers=headers)
    assert seen.status == 409, seen.data
    letter["confirmation"] = seen.json()["confirmation"]["digest"]
    document_id = sender.post("/v1/letters", letter, key="e2e-secret")["document_id"]

    def arrived() -> Any:
        items = sender.get(f"/v1/letters/{document_id}/deliveries")["items"]
        return next((one for one in items if one["state"] == "consigned"), None)

    delivery_id = _wait(arrived)["delivery_id"]
    shown = sender.show(document_id)
    assert "/ล " in shown["printed_number"]
    assert shown["classification"] == "secret"

    # 3. The recipient's registrar reads and registers it.
    _wait(lambda: registrar.get(f"/v1/inbox/{delivery_id}")["trust"]["trusted"])
    copy = registrar.get(f"/v1/inbox/{delivery_id}/file")
    text = "".join(
        page.extract_text()
        for page in pypdf.PdfReader(BytesIO(base64.b64decode(copy["pdf_base64"]))).pages
    )
    assert _WORD in text
    sealed = registrar.get(f"/v1/inbox/{delivery_id}/file?form=sealed")
    assert len(base64.b64decode(sealed["pdf_base64"])) == shown["file"]["size"]
    receipt = registrar.post(f"/v1/inbox/{delivery_id}/receipt", {}, key="e2e-secret-register")
    assert "ร(ล)/" in receipt["receive_number"]

    # 4. One cleared officer is named, and finds it; then no longer.
    named = who("slc-clerk2")
    assert named.call("GET", f"/v1/inbox/{delivery_id}").status == 404
    path = f"/v1/inbox/{delivery_id}/readers"
    registrar.post(path, {"add": ["slc-clerk2"]}, key="e2e-readers")
    assert _WORD in named.get(f"/v1/inbox/{delivery_id}")["subject"]
    _wait(lambda: _finds(named, "/v1/inbox", document_id))
    registrar.post(path, {"remove": ["slc-clerk2"]}, key="e2e-readers-2")
    assert named.call("GET", f"/v1/inbox/{delivery_id}").status == 404

    # 5. Others learn from the register that there is one, and no more.
    register = f"/v1/registers/slc/receive-secret/{receipt['year']}"
    lines = who("slc-clerk").get(register)["items"]
    assert {line["subject"] for line in lines} == {"ลับมาก"}
    assert _WORD in str(registrar.get(register)["items"])
    for clerk, box in ((who("dga-clerk"), "/v1/outbox"), (who("slc-clerk"), "/v1/inbox")):
        assert not _finds(clerk, box, document_id)
        assert clerk.call("GET", f"/v1/documents/{document_id}").status == 404


def _finds(officer: api.Client, box: str, document_id: str) -> bool:
    return any(item["document_id"] == document_id for item in officer.get(box)["items"])
