"""Bad input: each a problem document that points at the fault, and nothing is stored."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from chalicelib.ports import Search
from tests.integration.conftest import Answer, Api


def _is_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json
    assert problem["code"] == code
    assert problem["type"] == f"urn:tra:problem:{code}"
    assert {"title", "status", "instance"} <= set(problem)
    return problem


def _faults(answer: Answer) -> set[tuple[str, str]]:
    return {(fault["pointer"], fault["code"]) for fault in answer.json["errors"]}


def _nothing_is_stored(api: Api) -> bool:
    ledger = api.fakes.ledger
    return (
        not ledger.search(Search(agency_id="diw")).documents and not api.fakes.number_queue.messages
    )


@pytest.mark.parametrize(
    "body",
    ["", "{", "null", "[]", '"text"', '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000],
    ids=["empty", "cut", "null", "list", "text", "repeated-name", "nan", "deep"],
)
def test_what_is_no_json_object_is_refused(api: Api, body: str) -> None:
    """P4: a body nobody can read is told to be so (400)."""
    _is_problem(api.submit(body), 400, "malformed_request")
    assert _nothing_is_stored(api)


def test_all_violations_are_told_at_once(api: Api, licence: dict[str, Any]) -> None:
    """api.md: errors[] holds a pointer for each bad field, of envelope and content alike."""
    bad = deepcopy(licence)
    bad["surprise"] = 1
    bad["valid_from"] = "2026-02-30"
    bad["recipients"] = ["nowhere"]
    bad["content"]["holder"].pop("name")
    bad["content"]["items"][0]["quantity"] = "๔"
    bad["content"]["fee_thb"] = "3000"
    answer = api.submit(bad)
    _is_problem(answer, 422, "invalid_request")
    assert _faults(answer) == {
        ("/surprise", "unknown_field"),
        ("/valid_from", "wrong_format"),
        ("/recipients/0", "unknown_recipient"),
        ("/content/holder/name", "missing"),
        ("/content/items/0/quantity", "wrong_type"),
        ("/content/fee_thb", "wrong_pattern"),
    }
    assert _nothing_is_stored(api)


def _set(body: dict[str, Any], pointer: str, value: object) -> dict[str, Any]:
    changed = deepcopy(body)
    *path, last = pointer.strip("/").split("/")
    place: Any = changed
    for step in path:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    return changed


@pytest.mark.parametrize(
    ("pointer", "value", "code"),
    [
        ("/content/holder/name", "ก" * 10_000, "too_long"),
        ("/content/holder/name", "บริษัท\u0000 จำกัด", "control_character"),
        ("/content/holder/name", "บริษัท\u202eดำกัจ", "control_character"),
        ("/content/holder/name", "บริ\u200bษัท", "control_character"),
        ("/content/holder/name", "公司", "wrong_pattern"),
        ("/content/items/0/quantity", "๑๒", "wrong_type"),
        ("/content/items/0/quantity", "12", "wrong_type"),
        ("/content/items/0/quantity", 4.0, "inexact_number"),
        ("/content/items/0/quantity", 2**60, "inexact_number"),
        ("/content/items/0/quantity", 0, "too_small"),
        ("/content/items", [{"name": "ก", "quantity": 1}] * 500, "too_many"),
        ("/content/conditions", ["ต้องแสดง" * 200], "too_long"),
        ("/content/holder", "บริษัท", "wrong_type"),
        ("/content", [], "wrong_type"),
        ("/content", None, "wrong_type"),
        ("/valid_from", "1 มกราคม 2569", "wrong_pattern"),
        ("/valid_from", "๒๕๖๙-๐๑-๐๑", "wrong_pattern"),
        ("/valid_from", "2026-13-01", "wrong_format"),
        ("/valid_from", "2569-01-01", "wrong_format"),
        ("/valid_from", "0001-01-01", "wrong_format"),
        ("/valid_until", "2000-01-01", "ends_before_start"),
        ("/recipients", ["nowhere"], "unknown_recipient"),
        ("/recipients", ["paper"], "unknown_recipient"),
        ("/recipients", ["dbd", "dbd"], "repeated"),
        ("/recipients", ["../x"], "wrong_pattern"),
        ("/recipients", "dbd", "wrong_type"),
        ("/classification", "public", "not_allowed"),
        ("/urgency", "now", "not_allowed"),
        ("/retention_years", 9, "retention_shortened"),
        ("/retention_years", 0, "too_small"),
        ("/retention_years", 101, "too_large"),
        ("/retention_years", "15", "wrong_type"),
        ("/dry_run", "yes", "wrong_type"),
        ("/document_type", 7, "wrong_type"),
    ],
)
def test_one_bad_field_is_pointed_at(
    api: Api, licence: dict[str, Any], pointer: str, value: object, code: str
) -> None:
    """P4: the answer says which field and what to do, in the language asked for."""
    answer = api.submit(_set(licence, pointer, value))
    assert answer.status == 422, answer.text
    found = _faults(answer)
    assert any(p.startswith(pointer) and c == code for p, c in found), found
    assert _nothing_is_stored(api)


def test_faults_quote_no_value(api: Api, licence: dict[str, Any]) -> None:
    """PDPA: what was sent wrongly may be personal, so no answer repeats it."""
    secret = "1103700123456"
    answer = api.submit(_set(licence, "/content/holder/name", secret + "\u0007"))
    assert answer.status == 422
    assert secret not in answer.text


def test_an_unknown_type_is_refused(api: Api, licence: dict[str, Any]) -> None:
    """api.md: a type that is not published is told to be so."""
    answer = api.submit({**licence, "document_type": "passport"})
    _is_problem(answer, 422, "unknown_document_type")
    assert ("/document_type", "unknown_document_type") in _faults(answer)
    assert _nothing_is_stored(api)


def test_top_secret_is_refused_with_its_legal_reason(api: Api, licence: dict[str, Any]) -> None:
    """A24: ลับที่สุด never travels here, and the answer says by what rule."""
    answer = api.submit({**licence, "classification": "top_secret"}, accept_language="th")
    _is_problem(answer, 422, "top_secret_refused")
    assert "ระเบียบ" in answer.text
    assert answer.headers["Content-Language"] == "th"
    assert _nothing_is_stored(api)


def test_a_body_over_the_limit_is_refused(api: Api, licence: dict[str, Any]) -> None:
    """api.md: too large is 413 and says how large it may be."""
    body = json.dumps(_set(licence, "/content/holder/name", "x" * 300_000))
    problem = _is_problem(api.submit(body), 413, "request_too_large")
    assert "131072" in problem["detail"]
    assert _nothing_is_stored(api)


def test_the_same_key_with_another_body_is_422(api: Api, licence: dict[str, Any]) -> None:
    """api.md: the same Idempotency-Key with another body is refused and stores nothing."""
    first = api.submit(licence, idempotency_key="k1")
    again = api.submit(licence, idempotency_key="k1")
    assert (first.status, again.status) == (202, 202)
    assert first.json == again.json
    other = _set(licence, "/content/holder/name", "บริษัท อื่น จำกัด")
    _is_problem(api.submit(other, idempotency_key="k1"), 422, "idempotency_key_reused")
    assert len(api.fakes.ledger.search(Search(agency_id="diw")).documents) == 1


@pytest.mark.parametrize("key", ["", " ", "k" * 256])
def test_an_unusable_key_is_refused(api: Api, licence: dict[str, Any], key: str) -> None:
    """api.md: a key that cannot be kept is told before anything is stored."""
    answer = api.submit(licence, idempotency_key=key)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == "/headers/Idempotency-Key"
    assert _nothing_is_stored(api)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"state": "lost"}, "/state"),
        ({"from": "yesterday"}, "/from"),
        ({"to": "2026-02-31"}, "/to"),
        ({"from": "0001-01-01"}, "/from"),
        ({"to": "9999-12-31"}, "/to"),
        ({"limit": "0"}, "/limit"),
        ({"limit": "๕"}, "/limit"),
        ({"limit": "1000"}, "/limit"),
        ({"cursor": "nonsense"}, "/cursor"),
        ({"q": "x" * 201}, "/q"),
        ({"agency": "dbd"}, "/agency"),
    ],
)
def test_a_bad_search_is_pointed_at(api: Api, query: dict[str, str], pointer: str) -> None:
    """A2, P6: a search that is not understood answers nothing, and cannot name an agency."""
    answer = api.call("GET", "/v1/documents", query=query)
    _is_problem(answer, 422, "invalid_request")
    assert answer.json["errors"][0]["pointer"] == pointer


def _example(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.call("GET", "/v1/document-types/{name}", path={"name": name}).json[
        "example"
    ]
    return found


def test_health_data_stays_within_its_consent(api: Api) -> None:
    """PDPA section 26, issue 5: an agency that the consent does not name is refused as recipient,
    at its place, in the reader's language, with every other fault of the same request."""
    body = {**_example(api, "e-medical-certificate"), "recipients": ["dbd"]}
    body["content"]["patient"]["national_id"] = "1101700203451"
    answer = api.submit(body)
    _is_problem(answer, 422, "invalid_request")
    assert _faults(answer) == {
        ("/recipients/0", "outside_scope"),
        ("/content/patient/national_id", "wrong_check_digit"),
    }
    assert "1101700203451" not in answer.text
    assert _nothing_is_stored(api)


def test_a_proxy_needs_its_period(api: Api) -> None:
    """Issue 5: what a type requires of the envelope is told like any other missing field."""
    body = {**_example(api, "e-proxy"), "recipients": []}
    del body["valid_until"]
    answer = api.submit(body)
    _is_problem(answer, 422, "invalid_request")
    assert _faults(answer) == {("/valid_until", "missing")}
    assert _nothing_is_stored(api)
