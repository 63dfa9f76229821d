"""Appointing officers, as administrators, officers and strangers see it (issue 7, item 1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.domain.access import Action, Role
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from chalicelib.domain.things import ThingKind
from infra.client import SCOPES
from tests.integration.conftest import Answer, Api
from tests.support.appointed import appoint as arrange
from tests.support.factors import Authenticator, enrolled
from tests.support.rooms import Fakes, furnished, sample_event

_BASE = {
    name: value
    for name, value in sample_event("api")["requestContext"]["authorizer"].items()
    if name not in {"roles", "client_id"}
} | {"scope": SCOPES}
HEAD = {**_BASE, "sub": "head"}
DEPUTY = {**_BASE, "sub": "deputy"}
SOMSRI = {**_BASE, "sub": "somsri"}
THEIR_HEAD = {**_BASE, "agency": "dbd", "sub": "head"}

FAR = "2030-01-01T00:00:00+07:00"
NEW = {
    "subject": "somsri",
    "name_th": "นางสมศรี ตัวอย่าง",
    "position_th": "นักจัดการงานทั่วไปชำนาญการ",
    "roles": ["clerk", "approver"],
    "clearance": "confidential",
    "order": "คำสั่งกรมโรงงานอุตสาหกรรม ที่ ๑/๒๕๖๙",
}
GRANT = {
    "holder": "somsri",
    "kind": "delegated",
    "position_th": "อธิบดีกรมโรงงานอุตสาหกรรม",
    "document_types": ["licence"],
    "most": "confidential",
    "order": "คำสั่งกรมโรงงานอุตสาหกรรม ที่ ๒/๒๕๖๙",
}
SYSTEM = {"client_id": "diw-licensing", "name_th": "ระบบใบอนุญาต", "scopes": ["documents:submit"]}


@dataclass
class Office:
    """An agency with two administrators who have their second factors."""

    api: Api
    apps: dict[tuple[str, str], Authenticator]

    def act(
        self, route: str, body: dict[str, Any], *, by: dict[str, Any] = HEAD, **headers: str
    ) -> Answer:
        """A request with a code that was never used."""
        self.api.fakes.clock.advance(timedelta(seconds=60))
        shown = {"otp": self.code(by), **body}
        return self.send(route, shown, by=by, **headers)

    def send(self, route: str, body: Any, *, by: dict[str, Any] = HEAD, **headers: str) -> Answer:
        lowered = {name.replace("_", "-"): value for name, value in headers.items()}
        resource, path = _resource(route)
        return self.api.call("POST", resource, path=path, body=body, headers=lowered, authorizer=by)

    def get(self, route: str, *, by: dict[str, Any] = HEAD, **query: str) -> Answer:
        resource, path = _resource(route)
        return self.api.call("GET", resource, path=path, query=query, authorizer=by)

    def code(self, by: dict[str, Any]) -> str:
        return self.apps[by["agency"], by["sub"]].code(self.api.fakes.clock())

    def appoint(self, **changes: Any) -> dict[str, Any]:
        answer = self.act("/v1/officers", {**NEW, **changes})
        assert answer.status == 201, answer.text
        made: dict[str, Any] = answer.json
        return made

    def end(self, appointment_id: str, *, by: dict[str, Any] = HEAD) -> Answer:
        return self.act(f"/v1/appointments/{appointment_id}/end", {"reason": "ย้าย"}, by=by)


def _resource(route: str) -> tuple[str, dict[str, str] | None]:
    """As the gateway finds it."""
    parts = route.split("/")[2:]
    names = {
        "officers": "subject",
        "appointments": "appointment_id",
        "authorities": "authority_id",
        "clients": "client_id",
    }
    if len(parts) == 1:
        return route, None
    name = names[parts[0]]
    rest = "/".join(["", *parts[2:]]) if parts[2:] else ""
    return f"/v1/{parts[0]}/{{{name}}}{rest}", {name: parts[1]}


@pytest.fixture
def office(api: Api) -> Office:
    fakes = api.fakes
    apps = {}
    for agency, subject in (("diw", "head"), ("diw", "deputy"), ("dbd", "head")):
        officer = Officer(agency, subject)
        arrange(fakes.officers, officer, frozenset({Role.ADMINISTRATOR}), at=fakes.clock())
        apps[agency, subject] = enrolled(fakes, officer)
    return Office(api, apps)


@pytest.fixture
def api() -> Iterator[Api]:
    fakes = Fakes()
    with furnished(fakes.house()):
        yield Api(fakes)


# -- it takes effect at once -------------------------------------------------------


def test_an_appointment_and_its_end_hold_from_the_next_request(office: Office) -> None:
    """A7: who is appointed may work at once, and who was ended may not, whatever the token
    says."""
    refused = office.get("/v1/me", by=SOMSRI)
    assert (refused.status, refused.json["reason"]) == (403, "not_appointed")
    made = office.appoint()
    me = office.get("/v1/me", by=SOMSRI)
    assert me.status == 200, me.text
    assert me.json["roles"] == ["approver", "clerk"]
    assert [one["appointment_id"] for one in me.json["appointments"]] == [made["appointment_id"]]
    assert office.end(made["appointment_id"]).json["holds"] is False
    refused = office.get("/v1/me", by=SOMSRI)
    assert (refused.status, refused.json["reason"]) == (403, "not_appointed")


def test_an_appointment_shows_everything_that_was_decided(office: Office) -> None:
    """A7: who appointed whom to what, when, by which order; nothing is lost on the way."""
    answer = office.act("/v1/officers", {**NEW, "until": "2027-10-01T00:00:00+07:00"})
    made = answer.json
    assert {name: made[name] for name in NEW if name != "roles"} == {
        name: value for name, value in NEW.items() if name != "roles"
    }
    assert made["roles"] == ["approver", "clerk"]
    assert made["appointed_by"] == "head"
    assert made["until"] == "2027-09-30T17:00:00Z"
    assert made["since"] == made["appointed_at"]
    assert made["ended"] is None
    shown = office.get("/v1/officers/somsri").json
    assert shown["appointments"] == [made]
    assert shown["clearance"] == "confidential"
    assert answer.headers["Location"].endswith("/v1/officers/somsri")


def test_an_appointment_ahead_holds_from_its_day(office: Office) -> None:
    """A7: a period has a beginning too."""
    fakes = office.api.fakes
    day = (fakes.clock() + timedelta(days=1)).isoformat()
    assert office.appoint(since=day)["holds"] is False
    assert office.get("/v1/me", by=SOMSRI).status == 403
    fakes.clock.advance(timedelta(days=1))
    assert office.get("/v1/me", by=SOMSRI).status == 200


def test_two_appointments_do_not_lend_each_other_clearance(office: Office) -> None:
    """A13: the registrar of secrets here is not the cleared approver there: each appointment
    stands for itself, and GET /v1/me shows both."""
    office.appoint(roles=["registrar"], clearance="normal")
    office.appoint(roles=["clerk"], clearance="secret")
    me = office.get("/v1/me", by=SOMSRI).json
    assert {(*one["roles"], one["clearance"]) for one in me["appointments"]} == {
        ("registrar", "normal"),
        ("clerk", "secret"),
    }
    has = office.api.fakes.officers.has_registrar
    assert not has("diw", Classification.CONFIDENTIAL, office.api.fakes.clock())


# -- nobody appoints themselves ----------------------------------------------------


@pytest.mark.parametrize("roles", [["auditor"], ["administrator"], ["approver"]])
def test_nobody_appoints_themselves(office: Office, roles: list[str]) -> None:
    """A7: an administrator gives nothing to oneself, not even what one has already; another
    administrator does."""
    own = {**NEW, "subject": "head", "roles": roles}
    refused = office.act("/v1/officers", own)
    assert (refused.status, refused.json["reason"]) == (409, "own_appointment")
    assert len(office.get("/v1/officers/head").json["appointments"]) == 1
    assert office.act("/v1/officers", own, by=DEPUTY).status == 201


def test_nobody_grants_themselves_authority(office: Office) -> None:
    """A8: the head's authority is not taken, it is given."""
    refused = office.act("/v1/authorities", {**GRANT, "holder": "head"})
    assert (refused.status, refused.json["reason"]) == (409, "own_appointment")
    assert office.get("/v1/authorities").json["items"] == []


def test_the_last_administrator_stays(office: Office) -> None:
    """A7: an agency always has who may appoint; one of two may go, also by oneself."""
    ids = {
        one["subject"]: one["appointment_id"]
        for one in office.get("/v1/officers").json["items"]
        if one["roles"] == ["administrator"]
    }
    assert office.end(ids["deputy"]).status == 200
    refused = office.end(ids["head"])
    assert (refused.status, refused.json["reason"]) == (409, "last_administrator")
    assert office.get("/v1/me").status == 200


def test_an_expired_administrator_is_nobody_who_remains(office: Office) -> None:
    """A7: who remains has to be one now, not once."""
    fakes = office.api.fakes
    until = (fakes.clock() + timedelta(hours=1)).isoformat()
    deputies = [o for o in office.get("/v1/officers").json["items"] if o["subject"] == "deputy"]
    office.appoint(subject="third", roles=["administrator"], until=until)
    assert office.end(deputies[0]["appointment_id"]).status == 200
    fakes.clock.advance(timedelta(hours=2))
    head = office.get("/v1/officers/head").json["appointments"][0]
    assert office.end(head["appointment_id"]).json["reason"] == "last_administrator"


# -- the second factor -------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/v1/officers", NEW),
        ("/v1/authorities", {**GRANT, "holder": "deputy"}),
        ("/v1/clients", SYSTEM),
        ("/v1/appointments/deputy-1/end", {"reason": "ย้าย"}),
    ],
)
def test_nothing_changes_without_the_second_factor(
    office: Office, route: str, body: dict[str, Any]
) -> None:
    """A9, B7: a stolen token appoints nobody: no factor, a wrong one, and one that was used for
    something else are refused, and nothing is written."""
    before = _everything(office)
    missing = office.send(route, body)
    assert (missing.status, missing.json["errors"][0]["pointer"]) == (422, "/otp")
    good = office.code(HEAD)
    wrong = f"{(int(good) + 1) % 1_000_000:06}"
    assert office.send(route, {**body, "otp": wrong}).json["code"] == "factor_refused"
    assert _everything(office) == before
    assert office.send("/v1/officers", {**NEW, "subject": "other", "otp": good}).status == 201
    before = _everything(office)
    assert office.send(route, {**body, "otp": good}).json["code"] == "factor_refused"
    assert _everything(office) == before


def test_a_refused_appointment_spends_no_factor(office: Office) -> None:
    """A mistake costs no code: the same one serves for the corrected request."""
    office.api.fakes.clock.advance(timedelta(seconds=60))
    code = office.code(HEAD)
    assert office.send("/v1/officers", {**NEW, "unit": "nowhere", "otp": code}).status == 422
    assert office.send("/v1/officers", {**NEW, "otp": code}).status == 201


# -- repeats -----------------------------------------------------------------------


def test_a_repeated_appointment_is_the_same(office: Office) -> None:
    """P8: the same key and body make one appointment, however late, and without another code;
    another body with the same key makes none."""
    since = (office.api.fakes.clock() + timedelta(minutes=5)).isoformat()
    body = {**NEW, "since": since}
    first = office.act("/v1/officers", body, Idempotency_Key="k1")
    office.api.fakes.clock.advance(timedelta(days=2))
    again = office.send("/v1/officers", {**body, "otp": "000000"}, Idempotency_Key="k1")
    assert again.status == 201, again.text
    assert again.json["appointment_id"] == first.json["appointment_id"]
    for change in ({"roles": ["auditor"]}, {"until": "2020-01-01T00:00:00Z"}):
        other = office.act("/v1/officers", {**body, **change}, Idempotency_Key="k1")
        assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert len(office.get("/v1/officers/somsri").json["appointments"]) == 1
    granted = office.act("/v1/authorities", GRANT, Idempotency_Key="k1")
    assert granted.status == 201, "another route's key is another key"


def test_a_request_that_was_seen_makes_nothing_anew(office: Office) -> None:
    """Issue 7: replayed within the hour, token, code and all, after what it made was ended: the same
    Idempotency-Key shows what ended, and without it, or under another, the code is used."""
    office.appoint(subject="keeper")
    for route, body in (("/v1/officers", NEW), ("/v1/authorities", GRANT | {"holder": "keeper"})):
        office.api.fakes.clock.advance(timedelta(seconds=60))
        seen = {"otp": office.code(HEAD), **body}
        made = office.send(route, seen, Idempotency_Key="seen")
        assert made.status == 201, made.text
        name = "appointment_id" if "appointment_id" in made.json else "authority_id"
        records = "appointments" if name == "appointment_id" else "authorities"
        ended = office.act(f"/v1/{records}/{made.json[name]}/end", {"reason": "ย้าย"})
        assert ended.status == 200, ended.text
        again = office.send(route, seen, Idempotency_Key="seen")
        assert (again.json[name], again.json["holds"]) == (made.json[name], False)
        for refused in (
            office.send(route, seen),
            office.send(route, seen, Idempotency_Key="other"),
        ):
            assert (refused.status, refused.json["reason"]) == (403, "factor_wrong")


def test_an_ended_application_is_not_registered_again_by_a_replay(office: Office) -> None:
    """Issue 7: nor is the last word of an application taken back by an older one."""
    office.api.fakes.clock.advance(timedelta(seconds=60))
    seen = {"otp": office.code(HEAD), **SYSTEM}
    assert office.send("/v1/clients", seen).status in {200, 201}
    assert office.act(f"/v1/clients/{SYSTEM['client_id']}/end", {"reason": "เลิกใช้"}).status == 200
    refused = office.send("/v1/clients", seen)
    assert (refused.status, refused.json["reason"]) == (403, "factor_wrong")


def test_an_end_is_repeatable_and_the_first_stands(office: Office) -> None:
    """P8, A7: asked again, the answer is the first end."""
    made = office.appoint()
    first = office.end(made["appointment_id"]).json
    again = office.end(made["appointment_id"], by=DEPUTY).json
    assert again == first
    assert first["ended"]["by"] == "head"


# -- what is refused, and where the fault is -----------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"clearance": "top_secret"}, "/clearance", "top_secret_refused"),
        ({"unit": "nowhere"}, "/unit", "unknown_unit"),
        ({"since": "2020-01-01T00:00:00+07:00"}, "/since", "in_the_past"),
        ({"until": "2020-01-01T00:00:00+07:00"}, "/until", "ends_before_start"),
        ({"since": FAR, "until": FAR}, "/until", "ends_before_start"),
        ({"since": "tomorrow"}, "/since", "wrong_format"),
        ({"roles": []}, "/roles", "too_few"),
        ({"roles": ["application"]}, "/roles/0", "not_allowed"),
        ({"roles": ["king"]}, "/roles/0", "not_allowed"),
        ({"subject": "bootstrap"}, "/subject", "not_a_person"),
        ({"subject": "สมศรี"}, "/subject", "wrong_pattern"),
        ({"subject": "a b"}, "/subject", "wrong_pattern"),
        ({"subject": "a%62"}, "/subject", "wrong_pattern"),
        ({"name_th": "สมศรี\u202eabc"}, "/name_th", "control_character"),
        ({"order": ""}, "/order", "too_short"),
        ({"name_th": " "}, "/name_th", "blank"),
        ({"position_th": "  "}, "/position_th", "blank"),
        ({"order": "   "}, "/order", "blank"),
        ({"appointed_by": "bootstrap"}, "/appointed_by", "unknown_field"),
        ({"agency_id": "dbd"}, "/agency_id", "unknown_field"),
    ],
)
def test_a_bad_appointment_is_told_where(
    office: Office, changes: dict[str, Any], pointer: str, code: str
) -> None:
    """A24 and good manners: each fault names its field, top secret its legal reason."""
    answer = office.act("/v1/officers", {**NEW, **changes})
    assert answer.status == 422, answer.text
    told = {(fault["pointer"], fault["code"]) for fault in answer.json["errors"]}
    assert (pointer, code) in told, told
    if code == "top_secret_refused":
        assert "annex 6" in answer.text
    assert office.get("/v1/officers/somsri").status == 404


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"holder": "stranger"}, "/holder", "not_appointed"),
        ({"document_types": ["licence", "none"]}, "/document_types/1", "unknown_document_type"),
        ({"most": "top_secret"}, "/most", "top_secret_refused"),
        ({"kind": "borrowed"}, "/kind", "not_allowed"),
        ({"since": "2020-01-01T00:00:00+07:00"}, "/since", "in_the_past"),
    ],
)
def test_a_bad_authority_is_told_where(
    office: Office, changes: dict[str, Any], pointer: str, code: str
) -> None:
    """A8: authority adds to an appointment, for document types that there are."""
    office.appoint()
    answer = office.act("/v1/authorities", {**GRANT, **changes})
    assert answer.status == 422, answer.text
    assert (pointer, code) in {(f["pointer"], f["code"]) for f in answer.json["errors"]}


# -- authorities -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("delegated", "ปฏิบัติราชการแทน อธิบดีกรมโรงงานอุตสาหกรรม"),
        ("acting", "รักษาราชการแทน อธิบดีกรมโรงงานอุตสาหกรรม"),
        ("acting_in_position", "รักษาการในตำแหน่ง อธิบดีกรมโรงงานอุตสาหกรรม"),
    ],
)
def test_authority_is_granted_and_revoked(office: Office, kind: str, words: str) -> None:
    """A8: with scope, dates, order and revocation, in the regulation's words."""
    office.appoint()
    granted = office.act("/v1/authorities", {**GRANT, "kind": kind}).json
    assert granted["words_th"] == words
    assert (granted["document_types"], granted["most"]) == (["licence"], "confidential")
    assert office.get("/v1/me", by=SOMSRI).json["authorities"] == [granted]
    ended = office.act(f"/v1/authorities/{granted['authority_id']}/end", {"reason": "ยกเลิก"})
    assert (ended.json["holds"], ended.json["ended"]["reason"]) == (False, "ยกเลิก")
    assert office.get("/v1/me", by=SOMSRI).json["authorities"] == []
    assert office.get("/v1/authorities").json["items"] == [ended.json]


# -- applications ------------------------------------------------------------------


def test_an_application_has_what_it_is_registered_for(office: Office) -> None:
    """P6: token and registration together; an end holds at once."""
    system = {**_BASE, "sub": "diw-licensing", "client_id": "diw-licensing"}

    def me() -> Answer:
        return office.api.call("GET", "/v1/me", authorizer=system, arrange=False)

    assert me().json["reason"] == "not_registered"
    body = {**SYSTEM, "scopes": ["documents:submit", "me:read"]}
    assert office.act("/v1/clients", body).status == 201
    assert (me().json["kind"], me().json["roles"]) == ("application", ["application"])
    assert me().json["scopes"] == ["documents:submit", "me:read"]
    assert office.act("/v1/clients/diw-licensing/end", {"reason": "เลิกใช้"}).status == 200
    assert me().json["reason"] == "not_registered"
    (listed,) = office.get("/v1/clients").json["items"]
    assert listed["ended"]["reason"] == "เลิกใช้"


@pytest.mark.parametrize("scope", ["officers:appoint", "documents:approve", "everything"])
def test_an_application_gets_no_officer_s_scope(office: Office, scope: str) -> None:
    """B7: no application decides, appoints or reads the access log."""
    answer = office.act("/v1/clients", {**SYSTEM, "scopes": [scope]})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/scopes")


def test_no_agency_takes_over_another_s_application(office: Office) -> None:
    """P6: a client id is one agency's; the other is told nothing about whose."""
    assert office.act("/v1/clients", SYSTEM).status == 201
    refused = office.act("/v1/clients", SYSTEM, by=THEIR_HEAD)
    assert (refused.status, refused.json["reason"]) == (409, "client_taken")
    assert "diw" not in refused.json["detail"]
    assert office.get("/v1/clients", by=THEIR_HEAD).json["items"] == []
    gone = office.act("/v1/clients/diw-licensing/end", {"reason": "x"}, by=THEIR_HEAD)
    assert gone.status == 404


# -- whose they are ----------------------------------------------------------------


def test_another_agency_s_officers_do_not_exist(office: Office) -> None:
    """P6: ids of another agency lead nowhere, in every route."""
    made = office.appoint()
    granted = office.act("/v1/authorities", GRANT).json
    for answer in (
        office.get("/v1/officers/somsri", by=THEIR_HEAD),
        office.end(made["appointment_id"], by=THEIR_HEAD),
        office.act(
            f"/v1/authorities/{granted['authority_id']}/end", {"reason": "x"}, by=THEIR_HEAD
        ),
    ):
        assert answer.status == 404
    assert [o["subject"] for o in office.get("/v1/officers", by=THEIR_HEAD).json["items"]] == [
        "head"
    ]
    cursor = office.get("/v1/officers", limit="1").json["cursor"]
    assert office.get("/v1/officers", by=THEIR_HEAD, cursor=cursor).json["items"] in (
        [],
        office.get("/v1/officers", by=THEIR_HEAD).json["items"],
    )
    assert office.get("/v1/officers/somsri").json["appointments"][0]["ended"] is None


@pytest.mark.parametrize(
    ("roles", "reads"),
    [
        ("clerk", 403),
        ("approver", 403),
        ("registrar", 403),
        ("supervisor", 200),
        ("auditor", 200),
    ],
)
def test_only_administrators_appoint(office: Office, roles: str, reads: int) -> None:
    """A7: supervisors and auditors see who is who; nobody but an administrator changes it."""
    other = {**_BASE, "sub": "other", "roles": roles}
    assert office.get("/v1/officers", by=other).status == reads
    for route, body in (
        ("/v1/officers", NEW),
        ("/v1/authorities", GRANT),
        ("/v1/clients", SYSTEM),
        ("/v1/appointments/head-1/end", {"reason": "x"}),
    ):
        answer = office.send(route, {**body, "otp": "123456"}, by=other)
        assert (answer.status, answer.json["reason"]) == (403, "role_missing")


def test_an_issuer_s_odd_names_are_found(office: Office) -> None:
    """A subject is whatever an issuer says: with an at sign, a bar or a hash."""
    for subject in ("auth0|5f7c", "somsri@diw.go.th", "a#b"):
        office.appoint(subject=subject)
        shown = office.get(f"/v1/officers/{quote(subject, safe='')}").json
        assert shown["subject"] == subject


def test_no_name_reaches_a_log(office: Office, log: StringIO) -> None:
    """PDPA: lines tell ids, not people; no code of a factor either."""
    made = office.appoint()
    office.act("/v1/authorities", GRANT)
    office.end(made["appointment_id"])
    told = log.getvalue()
    assert made["appointment_id"] in told
    for secret in ("สมศรี", "somsri", "ย้าย", office.code(HEAD)):
        assert secret not in told
        assert json.dumps(secret)[1:-1] not in told


def test_each_change_is_in_the_access_log(office: Office) -> None:
    """Issue 7, item 7: who changed whose appointment, authority or application, when; what was
    refused before it could be done too, because it was tried with the right to it."""
    made = office.appoint()
    granted = office.act("/v1/authorities", GRANT).json
    office.act("/v1/clients", SYSTEM)
    office.end(made["appointment_id"], by=DEPUTY)
    logged = {
        (one.subject, one.action, one.kind, one.thing_id)
        for one in office.api.fakes.access_log.waiting(100)
    }
    appoint = Action.APPOINT_OFFICER
    assert logged == {
        ("head", appoint, ThingKind.APPOINTMENT, made["appointment_id"]),
        ("deputy", appoint, ThingKind.APPOINTMENT, made["appointment_id"]),
        ("head", appoint, ThingKind.AUTHORITY, granted["authority_id"]),
        ("head", appoint, ThingKind.CLIENT, SYSTEM["client_id"]),
    }


def _everything(office: Office) -> tuple[Any, ...]:
    store = office.api.fakes.officers
    return (
        store.officers("diw", limit=100, cursor=None),
        store.authorities("diw", limit=100, cursor=None),
        store.clients("diw"),
    )
