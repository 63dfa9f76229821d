"""Revoking, suspending, reinstating, replacing: as officers, recipients and the public see it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.jws import check_jws
from chalicelib.services.audit import audit
from chalicelib.services.bundle import bundle
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.close import close_all
from chalicelib.services.verify_bundle import verify_bundle
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes, furnished, sample_event

READER = Path(__file__).parent / "read_status_list.mjs"
RULE = "/v1/documents/{document_id}/"
LIST = "/v1/registers/{agency}/{book}/{year}/status/{purpose}/{page}"
SECRET_WORDS = "นายสมชาย ทุจริตการสอบ"

_BASE = sample_event("api")["requestContext"]["authorizer"]
_ALL = (
    "documents:submit documents:read documents:search documents:revoke documents:supersede "
    "files:read registers:read"
)
CLERK = {**_BASE, "sub": "clerk-1", "roles": "clerk", "scope": _ALL}
APPROVER = {**CLERK, "sub": "approver-1", "roles": "approver"}
THEIRS = {**APPROVER, "agency": "dbd", "sub": "dbd-approver"}


@pytest.fixture
def fakes() -> Fakes:
    return Fakes(signer=LocalSigner())


@pytest.fixture
def licence() -> dict[str, Any]:
    """A body that is accepted, of a document without end that dbd is told of."""
    body: dict[str, Any] = json.loads(sample_event("api")["body"])
    return {**body, "recipients": ["dbd"], "valid_from": None, "valid_until": None}


@pytest.fixture
def api(fakes: Fakes) -> Iterator[Api]:
    with furnished(fakes.house()):
        yield Api(fakes)


def issue(api: Api, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = api.call("POST", "/v1/documents", body={**body, **changes}, authorizer=CLERK)
    assert answer.status == 202, answer.text
    World(api.fakes).run_to_rest()
    return show(api, answer.json["document_id"])


def show(api: Api, document_id: str) -> dict[str, Any]:
    path = {"document_id": document_id}
    found: dict[str, Any] = api.call(
        "GET", "/v1/documents/{document_id}", path=path, authorizer=CLERK
    ).json
    return found


def rule(
    api: Api,
    document_id: str,
    what: str,
    body: dict[str, Any] | None = None,
    *,
    caller: dict[str, Any] = APPROVER,
    **headers: str,
) -> Answer:
    codes = {"revocation": "fraud", "suspension": "investigation", "reinstatement": "resolved"}
    sent = {"reason_code": codes[what], "reason": SECRET_WORDS} if body is None else body
    lowered = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    path = {"document_id": document_id}
    return api.call("POST", RULE + what, path=path, body=sent, headers=lowered, authorizer=caller)


def status(api: Api, made: dict[str, Any], **headers: str) -> Answer:
    code = made["links"]["verify"].rsplit("/", 1)[1]
    lowered = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call("GET", "/v1/status/{code}", path={"code": code}, headers=lowered, authorizer={})


def page(api: Api, made: dict[str, Any]) -> str:
    code = made["links"]["verify"].rsplit("/", 1)[1]
    headers = {"accept": "text/html"}
    return api.call("GET", "/v/{code}", path={"code": code}, headers=headers).text


def listed(api: Api, purpose: str, page: str = "0", **headers: str) -> Answer:
    path = {"agency": "diw", "book": "licence", "year": "2026", "purpose": purpose, "page": page}
    lowered = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call("GET", LIST, path=path, headers=lowered, authorizer={})


def events(api: Api) -> list[dict[str, Any]]:
    return [json.loads(event) for _, event in api.fakes.inboxes.events]


def rest(api: Api) -> None:
    World(api.fakes).run_to_rest()


# -- the whole story -----------------------------------------------------------------


def test_suspended_reinstated_revoked(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: each decision shows at once in the owner's view, the public answers, the
    register, the recipients' queue and the log; the file stays."""
    made = issue(api, licence)
    document_id = made["document_id"]
    assert made["standing"]["standing"] == "valid"
    assert "อยู่ในอายุ" in page(api, made)

    suspended = rule(api, document_id, "suspension")
    assert suspended.status == 201, suspended.text
    assert suspended.json["ruling"]["by"] == "approver-1"
    assert suspended.json["standing"]["standing"] == "suspended"
    assert status(api, made).json["standing"] == "suspended"
    assert "ถูกพักใช้" in page(api, made)

    api.fakes.clock.advance(timedelta(hours=1))
    assert rule(api, document_id, "reinstatement").json["standing"]["standing"] == "valid"
    api.fakes.clock.advance(timedelta(hours=1))
    assert rule(api, document_id, "revocation").json["standing"]["standing"] == "revoked"
    rest(api)

    shown = show(api, document_id)
    assert (shown["state"], shown["standing"]["standing"]) == ("issued", "revoked")
    told = [(r["number"], r["kind"], r["notified"]) for r in shown["standing"]["rulings"]]
    assert told == [
        (1, "suspended", ["dbd"]),
        (2, "reinstated", ["dbd"]),
        (3, "revoked", ["dbd"]),
    ]
    assert shown["standing"]["rulings"][2]["reason"] == SECRET_WORDS
    public = page(api, made)
    assert 'class="status revoked"' in public
    assert "ตั้งแต่ ๒๑ พฤศจิกายน ๒๕๖๙" in public
    path = {"document_id": document_id}
    file = api.call("GET", "/v1/documents/{document_id}/file", path=path, authorizer=CLERK)
    assert file.status == 303
    register = {"agency": "diw", "book": "licence", "year": "2026"}
    lines = api.call("GET", "/v1/registers/{agency}/{book}/{year}", path=register, authorizer=CLERK)
    (line,) = lines.json["items"]
    assert line["state"] == "issued"
    assert "พักใช้ตั้งแต่" in line["remarks"]
    assert "เพิกถอนตั้งแต่" in line["remarks"]
    assert "(ได้มาโดยทุจริต)" in line["remarks"]
    room = api.fakes.house().audit_room
    (of,) = api.fakes.ledger.registers()
    assert audit(of, room=room).clean


def test_recipients_get_signed_events(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: one event for each decision, with evidence that verifies under the
    published keys, and the places where the standing can be looked up."""
    made = issue(api, licence)
    rule(api, made["document_id"], "suspension")
    rule(api, made["document_id"], "revocation")
    rest(api)
    issued, suspended, revoked = events(api)
    assert suspended["type"] == "tra.document.suspended.v1"
    assert revoked["type"] == "tra.document.revoked.v1"
    assert revoked["id"] == f"{made['document_id']}.revoked.2.dbd"
    assert revoked["data"]["reason_code"] == "fraud"
    payload = json.loads(check_jws(revoked["data"]["evidence"], api.fakes.signer.jwks()))
    assert payload["type"] == revoked["type"]
    assert payload["file_digest"] == issued["data"]["file_digest"]
    assert payload["effective_at"] == revoked["data"]["effective_at"]
    entries = issued["data"]["credential_status"]
    assert [e["statusPurpose"] for e in entries] == ["revocation", "suspension"]
    assert (
        entries
        == revoked["data"]["credential_status"]
        == status(api, made).json["credential_status"]
    )
    key = f"rulings/diw/licence/2026/{made['document_id']}/2.jws"
    assert api.fakes.archive.files[key].decode() == revoked["data"]["evidence"]


def test_words_of_reasons_stay_in_the_agency(
    api: Api, licence: dict[str, Any], log: StringIO
) -> None:
    """PDPA: a reason in words may speak of a person; no event, evidence, log, list or page has
    it, nor the officer's subject."""
    made = issue(api, licence)
    rule(api, made["document_id"], "revocation")
    rest(api)
    checkpoint_all(room=api.fakes.house().checkpoint_room)
    outside = [
        *(event.decode() for _, event in api.fakes.inboxes.events),
        *(data.decode(errors="replace") for data in api.fakes.log_files.files.values()),
        *(base64.urlsafe_b64decode(p + "==").decode() for p in _payloads(api)),
        status(api, made).text,
        page(api, made),
        log.getvalue(),
    ]
    assert not [text for text in outside if "สมชาย" in text or "approver-1" in text]
    assert any('"reason_code":"fraud"' in text for text in outside)


def _payloads(api: Api) -> list[str]:
    rulings = [data for key, data in api.fakes.archive.files.items() if key.startswith("rulings/")]
    assert rulings
    return [data.decode().split(".")[1] for data in rulings]


# -- authority and bad input -----------------------------------------------------------


def test_who_may_decide(api: Api, licence: dict[str, Any]) -> None:
    """P6: an approver with the scope, of the own agency; for others the document does not
    exist, not even for its recipients."""
    made = issue(api, licence)["document_id"]
    assert rule(api, made, "revocation", caller=CLERK).status == 403
    unscoped = {**APPROVER, "scope": "documents:read documents:submit"}
    assert rule(api, made, "revocation", caller=unscoped).json["reason"] == "scope_missing"
    assert rule(api, made, "revocation", caller=THEIRS).status == 404
    assert rule(api, "nothing", "revocation").status == 404
    assert show(api, made)["standing"]["rulings"] == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, ("/reason_code", "missing")),
        ({"reason_code": "resolved", "reason": "x"}, ("/reason_code", "not_allowed")),
        ({"reason_code": "superseded", "reason": "x"}, ("/reason_code", "not_allowed")),
        ({"reason_code": "fraud", "reason": ""}, ("/reason", "too_short")),
        ({"reason_code": "fraud", "reason": " \u00a0 "}, ("/reason", "wrong_pattern")),
        ({"reason_code": "fraud", "reason": "x" * 501}, ("/reason", "too_long")),
        ({"reason_code": "fraud", "reason": "x\u202e"}, ("/reason", "control_character")),
        ({"reason_code": "fraud", "reason": "x", "by": "y"}, ("/by", "unknown_field")),
        (
            {"reason_code": "fraud", "reason": "x", "effective_at": "พรุ่งนี้"},
            ("/effective_at", "wrong_format"),
        ),
        (
            {"reason_code": "fraud", "reason": "x", "effective_at": "2027-01-01T00:00:00"},
            ("/effective_at", "wrong_format"),
        ),
        (
            {"reason_code": "fraud", "reason": "x", "effective_at": "2570-01-01T00:00:00Z"},
            ("/effective_at", "wrong_format"),
        ),
        (
            {"reason_code": "fraud", "reason": "x", "effective_at": "2026-11-21T00:00:00Z"},
            ("/effective_at", "in_the_past"),
        ),
    ],
)
def test_bad_input_decides_nothing(
    api: Api, licence: dict[str, Any], body: dict[str, Any], fault: tuple[str, str]
) -> None:
    """Issue 5, bad input: every fault has its pointer, in both languages; nothing is stored."""
    made = issue(api, licence)["document_id"]
    answer = rule(api, made, "revocation", body)
    assert answer.status == 422
    assert fault in {(e["pointer"], e["code"]) for e in answer.json["errors"]}
    thai = rule(api, made, "revocation", body, Accept_Language="th")
    assert thai.json["errors"] != answer.json["errors"]
    assert show(api, made)["standing"]["rulings"] == []


def test_conflicts_are_told(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: revoked is final, and a repeat without a key is a conflict."""
    made = issue(api, licence)["document_id"]
    assert rule(api, made, "reinstatement").status == 409
    assert rule(api, made, "revocation").status == 201
    for what in ("revocation", "suspension", "reinstatement"):
        answer = rule(api, made, what)
        assert (answer.status, answer.json["code"]) == (409, "standing_conflict")
    assert "ที่สุด" in rule(api, made, "revocation", Accept_Language="th").json["detail"]
    waiting = api.call("POST", "/v1/documents", body=licence, authorizer=CLERK).json["document_id"]
    answer = rule(api, waiting, "revocation")
    assert (answer.status, answer.json["code"]) == (409, "not_ready")


def test_a_key_makes_a_repeat_harmless(api: Api, licence: dict[str, Any]) -> None:
    """api.md: same key, same body: the same ruling, though its time has come meanwhile; another
    body, or the same on another document: 422."""
    one, other = (issue(api, licence)["document_id"] for _ in range(2))
    at = {"effective_at": "2026-11-21T13:00:00+07:00"}
    body = {"reason_code": "error", "reason": "ชื่อผิด", **at}
    first = rule(api, one, "revocation", body, Idempotency_Key="k-1")
    api.fakes.clock.advance(timedelta(days=1))
    again = rule(api, one, "revocation", body, Idempotency_Key="k-1")
    assert (again.status, again.json["ruling"]) == (201, first.json["ruling"])
    for document_id, what, changed in (
        (one, "revocation", {**body, "reason": "อื่น"}),
        (one, "suspension", body),
        (other, "revocation", body),
    ):
        answer = rule(api, document_id, what, changed, Idempotency_Key="k-1")
        assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")


def test_a_revocation_ordered_for_later(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: it is told at once, holds from its time on, and can be withdrawn until
    then."""
    made = issue(api, licence)
    later = {"reason_code": "cessation", "reason": "เลิกกิจการสิ้นปี"}
    body = {**later, "effective_at": "2027-01-01T00:00:00+07:00"}
    assert rule(api, made["document_id"], "revocation", body).status == 201
    rest(api)
    assert events(api)[-1]["data"]["effective_at"] == "2026-12-31T17:00:00.000000Z"
    assert status(api, made).json["standing"] == "valid"
    assert ones(listed(api, "revocation")) == []
    api.fakes.clock.advance(timedelta(days=60))
    assert status(api, made).json["standing"] == "revoked"
    assert status(api, made).json["since"] == "2026-12-31T17:00:00Z"
    assert ones(listed(api, "revocation")) == [0]
    assert rule(api, made["document_id"], "reinstatement").status == 409


def test_withdrawn_before_it_holds(api: Api, licence: dict[str, Any]) -> None:
    """ADR 31: a reinstatement withdraws what was ordered for later, and the log shows both."""
    made = issue(api, licence)["document_id"]
    body = {"reason_code": "error", "reason": "x", "effective_at": "2027-01-01T00:00:00Z"}
    rule(api, made, "revocation", body)
    assert rule(api, made, "suspension").status == 409
    assert rule(api, made, "reinstatement").status == 201
    api.fakes.clock.advance(timedelta(days=60))
    assert show(api, made)["standing"]["standing"] == "valid"


# -- replacement -----------------------------------------------------------------------


def test_a_new_document_replaces_an_old_one(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: the old one's answers point to the new one, from the moment it is
    issued."""
    old = issue(api, licence)
    new = issue(api, licence, supersedes=old["document_id"])
    assert new["supersedes"] == old["document_id"]
    shown = show(api, old["document_id"])["standing"]
    assert shown["standing"] == "superseded"
    by = {"document_id": new["document_id"], "printed_number": "๒/๒๕๖๙"}
    assert shown["replaced_by"] == by
    assert status(api, old).json["replaced_by"] == "๒/๒๕๖๙"
    assert "เอกสารเลขที่ ๒/๒๕๖๙" in page(api, old)
    told = [e for e in events(api) if e["type"] == "tra.document.superseded.v1"]
    assert [e["data"]["replaced_by"] for e in told] == [by]
    assert ones(listed(api, "revocation")) == [0]
    again = api.call(
        "POST",
        "/v1/documents",
        body={**licence, "supersedes": old["document_id"]},
        authorizer=CLERK,
    )
    assert {(e["pointer"], e["code"]) for e in again.json["errors"]} == {
        ("/supersedes", "already_ended")
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"supersedes": "nothing"}, "unknown_document"),
        ({"supersedes": "not an id"}, "wrong_pattern"),
        ({"supersedes": 7}, "wrong_type"),
        ({"supersedes": "OLD", "numbers": "per_recipient"}, "several_would_replace"),
    ],
)
def test_what_cannot_be_replaced(
    api: Api, licence: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    """Issue 5, item 5: refused with a pointer before anything is stored."""
    answer = api.call("POST", "/v1/documents", body={**licence, **changes}, authorizer=CLERK)
    assert answer.status == 422
    assert ("/supersedes", code) in {(e["pointer"], e["code"]) for e in answer.json["errors"]}


def test_replacing_needs_a_scope_and_the_own_agency(api: Api, licence: dict[str, Any]) -> None:
    """P6: ending a document by replacing it is more than submitting one."""
    old = issue(api, licence)["document_id"]
    body = {**licence, "supersedes": old}
    plain = {**CLERK, "scope": "documents:submit documents:read"}
    answer = api.call("POST", "/v1/documents", body=body, authorizer=plain)
    assert (answer.status, answer.json["reason"]) == (403, "scope_missing")
    theirs = {**CLERK, "agency": "dbd"}
    answer = api.call(
        "POST", "/v1/documents", body={**body, "recipients": ["diw"]}, authorizer=theirs
    )
    assert [e["code"] for e in answer.json["errors"]] == ["unknown_document"]
    dry = api.call("POST", "/v1/documents", body={**body, "dry_run": True}, authorizer=plain)
    assert dry.status == 403


# -- public lists ------------------------------------------------------------------------


def ones(answer: Answer) -> list[int]:
    """Set bits, read by PyJWT-free means of this test alone."""
    import gzip  # noqa: PLC0415 - beside its only use

    encoded = _credential(answer)["credentialSubject"]["encodedList"][1:]
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return [i for i in range(len(bits) * 8) if bits[i // 8] >> (7 - i % 8) & 1]


def _credential(answer: Answer) -> dict[str, Any]:
    payload = answer.text.split(".")[1]
    found: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return found


def test_lists_change_with_decisions_and_are_kept_for_seconds(
    api: Api, licence: dict[str, Any]
) -> None:
    """Issue 5, item 5: cacheable, revalidated without a body while nothing changed, and never
    more than a minute old."""
    made = [issue(api, licence)["document_id"] for _ in range(3)]
    before = listed(api, "revocation")
    assert (before.status, ones(before)) == (200, [])
    assert before.headers["Content-Type"] == "application/vc+jwt"
    assert before.headers["Cache-Control"] == "public, max-age=30"
    rule(api, made[1], "revocation")
    rule(api, made[2], "suspension")
    api.fakes.clock.advance(timedelta(seconds=10))
    assert ones(listed(api, "revocation")) == [1]
    assert ones(listed(api, "suspension")) == [2]
    tag = listed(api, "revocation").headers["ETag"]
    assert tag != before.headers["ETag"]
    api.fakes.clock.advance(timedelta(seconds=60))
    again = listed(api, "revocation", if_none_match=f'"other", {tag}')
    assert (again.status, again.text) == (304, "")
    assert again.headers["ETag"] == tag
    assert listed(api, "revocation", if_none_match=before.headers["ETag"]).status == 200


def test_what_is_revalidated_never_runs_out(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: who keeps a list for as long as it is told that nothing changed (304)
    never holds one whose `validUntil` is past."""
    issue(api, licence)
    kept = listed(api, "revocation")
    for _ in range(60):
        api.fakes.clock.advance(timedelta(seconds=30))
        again = listed(api, "revocation", if_none_match=kept.headers["ETag"])
        kept = kept if again.status == 304 else again
        until = datetime.fromisoformat(_credential(kept)["validUntil"])
        # It may be kept for `max-age` more before anybody is asked.
        assert until > api.fakes.clock() + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("purpose", "page"),
    [
        ("revocation", "1"),
        ("revocation", "under-1"),
        ("revocation", "x"),
        ("message", "0"),
    ],
)
def test_no_other_lists(api: Api, licence: dict[str, Any], purpose: str, page: str) -> None:
    """P4: nothing is signed about what does not exist."""
    issue(api, licence)
    assert listed(api, purpose, page).status == 404
    path = {"agency": "diw", "book": "licence", "year": "2025", "purpose": "revocation"}
    assert api.call("GET", LIST, path={**path, "page": "0"}, authorizer={}).status == 404


def test_an_inserted_number_has_a_list(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: 1/1 stands on the page of what was inserted under 1."""
    issue(api, licence)
    made = issue(api, licence, insert_after={"year": 2026, "number": 1})
    rule(api, made["document_id"], "revocation")
    assert ones(listed(api, "revocation", "under-1")) == [0]
    assert ones(listed(api, "revocation")) == []
    entry = status(api, made).json["credential_status"][0]
    assert entry["statusListCredential"].endswith("/status/revocation/under-1")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_another_reader_reads_the_list(api: Api, licence: dict[str, Any], tmp_path: Path) -> None:
    """Issue 5, item 5: a reader that shares no code with Tra (Node: WebCrypto, zlib) checks the
    signature under the published keys and finds the bits where `credentialStatus` says."""
    made = [issue(api, licence) for _ in range(2)]
    rule(api, made[1]["document_id"], "revocation")
    entry = status(api, made[1]).json["credential_status"][0]
    jwt, jwks = tmp_path / "list.jwt", tmp_path / "jwks.json"
    jwt.write_text(listed(api, "revocation").text)
    jwks.write_text(api.call("GET", "/.well-known/jwks.json", authorizer={}).text)
    done = subprocess.run(
        ["node", READER, jwt, jwks, "0", entry["statusListIndex"]],
        check=True,
        capture_output=True,
        text=True,
    )
    read = json.loads(done.stdout)
    assert read["header"]["typ"] == "vc+jwt"
    assert read["credential"]["id"] == entry["statusListCredential"]
    assert read["credential"]["issuer"] == "https://tra.test"
    assert read["bits"] == {"0": 0, "1": 1}
    assert read["ones"] == [1]
    forged = jwt.read_text().split(".")
    jwt.write_text(".".join([forged[0], forged[1][:-8] + "AAAAAAAA", forged[2]]))
    bad = subprocess.run(["node", READER, jwt, jwks], check=False, capture_output=True)
    assert bad.returncode != 0


def test_the_answer_for_one_document(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: no personal data, kept for half a minute, revalidated by its tag."""
    made = issue(api, licence)
    answer = status(api, made)
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    assert answer.json["printed_number"] == "๑/๒๕๖๙"
    holder = licence["content"]["holder"]["name"]
    assert holder not in answer.text
    tag = answer.headers["ETag"]
    assert status(api, made, if_none_match=tag).status == 304
    rule(api, made["document_id"], "suspension")
    assert status(api, made, if_none_match=tag).status == 200
    unknown = api.call("GET", "/v1/status/{code}", path={"code": "NOPE"}, authorizer={})
    assert unknown.status == 404


# -- proofs ---------------------------------------------------------------------------------


def _bundle(api: Api, document_id: str) -> dict[str, Any]:
    house = api.fakes.house()
    assert not checkpoint_all(room=house.checkpoint_room).failed
    document = api.fakes.ledger.get(document_id)
    assert document is not None
    return json.loads(json.dumps(bundle(document, room=house.bundle_room).content))  # type: ignore[no-any-return]


def _codes(api: Api, content: dict[str, Any], **later: int) -> tuple[str, list[str]]:
    house = api.fakes.house()
    now = api.fakes.clock() + timedelta(**later)
    verdict = verify_bundle(content, trust=house._own_keys(), now=now)
    return verdict.indication, [f.code for f in verdict.findings]


def test_a_bundle_carries_signed_rulings(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5: offline, a bundle says what was decided until it was fetched, and who
    leaves a decision out or changes it is found out."""
    made = issue(api, licence)["document_id"]
    before = _bundle(api, made)
    assert _codes(api, before) == ("TOTAL-PASSED", ["bundle_valid"])
    rule(api, made, "suspension")
    unsigned = _bundle(api, made)
    assert unsigned["missing"] == ["rulings"]
    assert _codes(api, unsigned)[1] == ["ruling_evidence_missing", "document_suspended"]
    rest(api)
    suspended = _bundle(api, made)
    assert _codes(api, suspended) == ("INDETERMINATE", ["document_suspended"])
    api.fakes.clock.advance(timedelta(hours=1))
    rule(api, made, "reinstatement")
    rest(api)
    lifted = _bundle(api, made)
    assert _codes(api, lifted) == ("TOTAL-PASSED", ["bundle_valid"])
    api.fakes.clock.advance(timedelta(hours=1))
    body = {"reason_code": "error", "reason": "x", "effective_at": "2027-01-01T00:00:00Z"}
    rule(api, made, "revocation", body)
    rest(api)
    whole = _bundle(api, made)
    assert [r["kind"] for r in whole["rulings"]] == ["suspended", "reinstated", "revoked"]
    assert _codes(api, whole) == ("TOTAL-PASSED", ["bundle_valid"])
    assert _codes(api, whole, days=60) == ("TOTAL-FAILED", ["document_revoked"])

    # left out: the log still tells; left out of both: the bundle of before
    stripped = {**whole, "rulings": whole["rulings"][:2]}
    assert _codes(api, stripped, days=60) == ("TOTAL-FAILED", ["document_revoked"])
    no_log = {**whole, "outcome_log": whole["outcome_log"][:1]}
    assert _codes(api, no_log, days=60) == ("TOTAL-FAILED", ["document_revoked"])
    # changed, or in another order
    changed = json.loads(json.dumps(whole))
    changed["rulings"][2]["effective_at"] = "2099-01-01T00:00:00.000000Z"
    assert "ruling_differs" in _codes(api, changed)[1]
    swapped = {**whole, "rulings": [whole["rulings"][n] for n in (0, 2, 1)]}
    assert "ruling_differs" in _codes(api, swapped)[1]
    forged = json.loads(json.dumps(whole))
    forged["rulings"][2]["evidence"] = LocalSigner().sign(b"{}")
    assert "ruling_signature_wrong" in _codes(api, forged)[1]


def test_a_ruling_of_another_document_proves_nothing(api: Api, licence: dict[str, Any]) -> None:
    """P7: a signed revocation is of exactly one document."""
    one, other = (issue(api, licence)["document_id"] for _ in range(2))
    for each in (one, other):
        rule(api, each, "revocation")
    rest(api)
    mine, theirs = _bundle(api, one), _bundle(api, other)
    assert "ruling_differs" in _codes(api, {**mine, "rulings": theirs["rulings"]})[1]


def test_a_closed_year_goes_on_in_its_outcome_log(api: Api, licence: dict[str, Any]) -> None:
    """Issue 5, item 5; A18: after the year is closed a document of it can be revoked; the
    statement stands, the log goes on, and the audit finds nothing."""
    made = issue(api, licence)["document_id"]
    api.fakes.clock.advance(timedelta(days=60))
    house = api.fakes.house()
    checkpoint_all(room=house.checkpoint_room)
    assert close_all(room=house.closing_room).closed == 1
    (register,) = api.fakes.ledger.registers()
    statement = api.fakes.ledger.head(register).statement
    assert rule(api, made, "revocation").status == 201
    rest(api)
    assert _codes(api, _bundle(api, made)) == ("TOTAL-FAILED", ["document_revoked"])
    assert api.fakes.ledger.head(register).statement == statement
    found = audit(register, room=house.audit_room)
    assert [f.fault for f in found.findings if not f.fault.is_warning] == []
