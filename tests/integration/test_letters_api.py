"""POST /v1/letters as clerks and applications use it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.conftest import Answer, Api
from tests.support.rooms import Fakes, sample_event
from tests.support.samples import AGENCIES

_BASE = sample_event("api")["requestContext"]["authorizer"]
_ALL = "letters:send letters:read letters:recall documents:read files:read registers:read"
CLERK = {**_BASE, "sub": "clerk-1", "name": "นางสาวสารบรรณ", "roles": "clerk", "scope": _ALL}
APPLICATION = {**CLERK, "sub": "app-1", "roles": "application"}
LETTER: dict[str, Any] = {
    "subject": "ขอเชิญประชุม",
    "to": ["dbd"],
    "paragraphs": ["ด้วยกรมกำหนดจัดประชุม", "จึงเรียนมาเพื่อโปรดทราบ"],
}


@pytest.fixture
def fakes() -> Fakes:
    made = Fakes()
    for agency in AGENCIES:
        made.directory.put_agency(replace(agency, letter_prefix="อก ๐๓๐๑"))
    return made


def send(api: Api, body: Any, *, by: dict[str, Any] = CLERK, **headers: str) -> Answer:
    sent = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return api.call("POST", "/v1/letters", body=body, headers=sent, authorizer=by)


def confirmed(api: Api, body: Any, **headers: str) -> Answer:
    """As a clerk sends: look at the list, and say so."""
    digest = send(api, body).json["confirmation"]["digest"]
    return send(api, {**body, "confirmation": digest}, **headers)


def stored(api: Api) -> int:
    return len(api.fakes.ledger.documents)


def test_a_clerk_sees_the_list_first(api: Api) -> None:
    """Issue 6.6: without the right confirmation nothing is stored, and the answer says to whom
    the letter would go; with it the letter is on its way."""
    refused = send(api, LETTER)
    assert (refused.status, refused.json["code"]) == (409, "confirmation_required")
    assert refused.json["confirmation"]["recipients"] == [
        "๑. กรมพัฒนาธุรกิจการค้า (dbd) ทางระบบของหน่วยงาน (คิวข้อความ)"
    ]
    digest = refused.json["confirmation"]["digest"]
    stale = send(api, {**LETTER, "to": ["rd"], "confirmation": digest}, Accept_Language="th")
    assert (stale.status, stale.json["code"]) == (409, "confirmation_stale")
    assert "กรมสรรพากร" in stale.json["confirmation"]["recipients"][0]
    assert stored(api) == 0
    sent = send(api, {**LETTER, "confirmation": digest})
    assert sent.status == 202, sent.text
    assert sent.json["recipients"] == 1
    assert sent.headers["Location"] == sent.json["links"]["self"]
    assert stored(api) == 1
