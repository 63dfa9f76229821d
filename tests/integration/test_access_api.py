"""What is recorded of requests, and who may read it (C5, P6)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from chalicelib.bootstrap import house
from chalicelib.domain.access import Action, Relation, Role
from chalicelib.domain.access_log import AccessRecord
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.officers import Appointment, Period
from chalicelib.domain.persons import Officer
from chalicelib.domain.things import ThingKind
from chalicelib.ports import AccessSearch, RegisterSheet
from chalicelib.services.checkpoint_accesses import checkpoint_accesses
from tests.integration.conftest import Answer, Api
from tests.support.accesses import access
from tests.support.rooms import Fakes, furnished, sample_event
from tests.support.samples import NOON, document

_AS = sample_event("api")["requestContext"]["authorizer"]
_ALL = " ".join(Action)


def _person(role: Role, agency: str = "diw", sub: str | None = None, **more: str) -> dict[str, Any]:
    told = {**_AS, "agency": agency, "sub": sub or f"{role}.{agency}", "roles": role.value}
    return {**told, "scope": _ALL, **more}


AUDITOR = _person(Role.AUDITOR)
CLERK = _person(Role.CLERK)
REGISTRAR = _person(Role.REGISTRAR, clearance=Classification.SECRET.value)
_REQUESTS = iter(range(10**6))


def _get(
    api: Api,
    path: str,
    who: dict[str, Any],
    *,
    query: dict[str, str] | None = None,
    request_id: str | None = None,
    **names: str,
) -> Answer:
    return api.call(
        "GET",
        path,
        path=names or None,
        query=query,
        authorizer=who,
        context={"extendedRequestId": request_id or f"R-{next(_REQUESTS)}="},
    )


def _report(api: Api, who: dict[str, Any] = AUDITOR, /, **query: str) -> Answer:
    return _get(api, "/v1/access-log", who, query=query)


def _recorded(api: Api) -> list[AccessRecord]:
    return [kept.record for kept in api.fakes.access_log.records.values()]


@pytest.fixture
def secret(api: Api) -> str:
    """A confidential document of diw."""
    api.fakes.ledger.add(replace(document("S1"), classification=Classification.CONFIDENTIAL), None)
    return "S1"


@pytest.fixture
def normal(api: Api) -> str:
    api.fakes.ledger.add(document("N1", recipients=("dbd",)), None)
    return "N1"


def test_an_access_to_a_classified_document_is_recorded(api: Api, secret: str) -> None:
    """C5: who, when, what, from where as the gateway saw it, by which appointment, and why."""
    forged = {"x-forwarded-for": "198.51.100.1"}
    answer = api.call(
        "GET",
        "/v1/documents/{document_id}",
        path={"document_id": secret},
        authorizer=REGISTRAR,
        headers=forged,
        context={"extendedRequestId": "R-one"},
    )
    assert answer.status == 200
    (record,) = _recorded(api)
    assert record == access(
        record.access_id,
        salt=record.salt,
        subject="registrar.diw",
        appointment_id="registrar.diw-1",
        action=Action.READ_DOCUMENT,
        thing_id="S1",
        owner="diw",
        classification=Classification.CONFIDENTIAL,
        at=NOON,
        request_id="R-one",
        relation=Relation.OWN_AGENCY,
        reason="registrar",
    )


def test_who_would_replace_a_classified_document_had_to_do_with_it(
    api: Api, secret: str, licence: dict[str, Any]
) -> None:
    """C5: whether it can be replaced is told of it, also in a dry run, and who asked is recorded;
    who may not know of it is told, and recorded, nothing."""
    clerk = _person(Role.CLERK, sub="s.phrom", clearance="secret")
    held = api.fakes.ledger._documents[secret]
    named = replace(held, named=frozenset({Officer("diw", "s.phrom")}))
    api.fakes.ledger._documents[secret] = named
    for who, code in ((CLERK, "unknown_document"), (clerk, "not_issued")):
        answer = api.call(
            "POST",
            "/v1/documents",
            body={**licence, "supersedes": secret, "dry_run": True},
            authorizer=who,
        )
        told = {(e["pointer"], e["code"]) for e in answer.json["errors"]}
        assert told == {("/supersedes", code)}
    (record,) = _recorded(api)
    assert (record.action, record.thing_id) == (Action.SUPERSEDE_DOCUMENT, secret)
    assert (record.subject, record.reason) == ("s.phrom", "named_officer")


def test_what_was_refused_is_not_recorded(api: Api, secret: str) -> None:
    """P6: it looks non-existent, and nobody stands in the log for what was not shown."""
    for who in (CLERK, _person(Role.REGISTRAR, "dbd", clearance="secret")):
        assert _get(api, "/v1/documents/{document_id}", who, document_id=secret).status == 404
    assert _recorded(api) == []


def test_looking_at_a_normal_document_is_not_recorded_but_its_file_is(
    api: Api, normal: str
) -> None:
    """C5: as the list of actions in domain/access_log.py says."""
    assert _get(api, "/v1/documents/{document_id}", CLERK, document_id=normal).status == 200
    assert _recorded(api) == []
    file = _get(api, "/v1/documents/{document_id}/file", CLERK, document_id=normal)
    assert file.status == 409
    (record,) = _recorded(api)
    assert (record.action, record.kind, record.thing_id) == (
        Action.READ_FILE,
        ThingKind.DOCUMENT,
        "N1",
    )


def test_the_same_request_again_is_one_access(api: Api, secret: str) -> None:
    """P8: the gateway's id of the request decides; another request is another access."""
    for request_id in ("R-1", "R-1", "R-2"):
        _get(
            api,
            "/v1/documents/{document_id}",
            REGISTRAR,
            document_id=secret,
            request_id=request_id,
        )
    assert sorted(one.request_id for one in _recorded(api)) == ["R-1", "R-2"]


def test_a_request_id_that_the_caller_chose_hides_nothing(api: Api, secret: str) -> None:
    """C5: X-Amzn-RequestId becomes the gateway's `requestId`; who sends the one of yesterday again
    is recorded again."""
    for n in range(3):
        api.call(
            "GET",
            "/v1/documents/{document_id}",
            path={"document_id": secret},
            authorizer=REGISTRAR,
            context={"requestId": "as-yesterday", "extendedRequestId": f"JJbxmplHYosFVYQ{n}="},
        )
    assert len(_recorded(api)) == 3


class _Broken:
    def add(self, *_: AccessRecord) -> None:
        raise UnavailableError("The table does not answer.")


@pytest.fixture
def unrecording(fakes: Fakes) -> Iterator[Api]:
    """An API whose access log takes nothing."""
    house = fakes.house()
    vars(house)["access_log"] = _Broken()
    with furnished(house):
        yield Api(fakes)


def test_what_cannot_be_recorded_is_not_answered(unrecording: Api) -> None:
    """C5, P6: 503 and nothing of the document; what needs no record goes on."""
    api = unrecording
    api.fakes.ledger.add(replace(document("S1"), classification=Classification.SECRET), None)
    api.fakes.ledger.add(document("N1"), None)
    answer = _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id="S1")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert "content_digest" not in answer.text
    assert _get(api, "/v1/documents/{document_id}", CLERK, document_id="N1").status == 200
    assert _report(api, document_id="N1").status == 503


@pytest.mark.parametrize(
    "context",
    [{"identity": {}}, {"identity": {"sourceIp": "somewhere"}}, {"extendedRequestId": "a b"}],
    ids=["no-address", "no-ip", "strange-id"],
)
def test_without_an_origin_there_is_no_answer(
    api: Api, secret: str, context: dict[str, Any]
) -> None:
    """C5: a record that does not say from where is none."""
    answer = api.call(
        "GET",
        "/v1/documents/{document_id}",
        path={"document_id": secret},
        authorizer=REGISTRAR,
        context=context,
    )
    assert answer.status == 503
    assert _recorded(api) == []


def test_a_list_is_an_access_to_each_classified_thing_in_it(
    api: Api, secret: str, normal: str
) -> None:
    """C5: whoever searches has seen what the answer tells; who gets nothing of it has not."""
    answer = _get(api, "/v1/documents", REGISTRAR)
    assert {one["document_id"] for one in answer.json["items"]} == {secret, normal}
    (record,) = _recorded(api)
    assert (record.action, record.thing_id, record.reason) == (
        Action.SEARCH_DOCUMENTS,
        secret,
        "registrar",
    )
    api.fakes.access_log.records.clear()
    answer = _get(api, "/v1/documents", CLERK)
    assert {one["document_id"] for one in answer.json["items"]} == {normal}
    assert _recorded(api) == []


def test_of_two_appointments_the_one_that_opened_it_is_recorded(api: Api, secret: str) -> None:
    """C5, A13: the registrar's, though the clerk's came first and would open normal things."""
    officer = Officer("diw", "both")
    roles = {"a": Role.CLERK, "b": Role.REGISTRAR}
    for name, role in roles.items():
        api.fakes.officers.appoint(
            Appointment(
                appointment_id=f"both-{name}",
                agency_id="diw",
                subject="both",
                name_th="สองตำแหน่ง",
                position_th="เจ้าหน้าที่",
                roles=frozenset({role}),
                clearance=Classification.SECRET
                if role is Role.REGISTRAR
                else Classification.NORMAL,
                period=Period(NOON - timedelta(days=9)),
                order="๑/๒๕๖๙",
                appointed_by="head",
                appointed_at=NOON - timedelta(days=9),
            )
        )
    left_out = {"roles", "client_id"}
    who = {name: value for name, value in CLERK.items() if name not in left_out} | {"sub": "both"}
    assert _get(api, "/v1/documents/{document_id}", who, document_id=secret).status == 200
    (record,) = _recorded(api)
    assert (record.officer, record.appointment_id) == (officer, "both-b")


# -- reports --------------------------------------------------------------------


def test_the_owner_is_told_who_had_to_do_with_a_document(api: Api, secret: str) -> None:
    """C5: its own officers by name, with address; and the officers of others, because the document
    is classified, but not from where."""
    _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id=secret)
    theirs = access("B1", agency_id="dbd", subject="somchai", thing_id=secret, owner="diw")
    # Called as an appointment of diw is, too.
    theirs = replace(theirs, appointment_id="registrar.diw-1")
    api.fakes.access_log.add(replace(theirs, at=NOON + timedelta(seconds=1)))
    answer = _report(api, document_id=secret)
    assert (answer.status, answer.json["cursor"]) == (200, None)
    own, other = answer.json["items"]
    assert own == {
        "access_id": own["access_id"],
        "at": NOON.isoformat().replace("+00:00", "Z"),
        "agency_id": "diw",
        "officer": "registrar.diw",
        "name_th": "registrar.diw",
        "position_th": "เจ้าหน้าที่",
        "appointment_id": "registrar.diw-1",
        "action": "documents:read",
        "kind": "document",
        "thing_id": secret,
        "classification": "confidential",
        "address": "203.0.113.7",
        "request_id": own["request_id"],
        "relation": "own_agency",
        "reason": "registrar",
    }
    assert (other["agency_id"], other["officer"]) == ("dbd", "somchai")
    assert {other[name] for name in ("address", "request_id", "appointment_id", "name_th")} == {
        None
    }


def test_of_a_normal_document_the_owner_is_told_which_agency(api: Api, normal: str) -> None:
    """P6, PDPA: it was that agency; who of its officers is that agency's to know."""
    made = {"thing_id": normal, "classification": Classification.NORMAL}
    api.fakes.access_log.add(access("B1", agency_id="dbd", subject="somchai", **made))
    (told,) = _report(api, document_id=normal).json["items"]
    assert (told["agency_id"], told["officer"]) == ("dbd", None)
    (told,) = _report(api, _person(Role.AUDITOR, "dbd"), document_id=normal).json["items"]
    assert (told["officer"], told["address"]) == ("somchai", "203.0.113.7")


def test_another_agency_is_told_of_its_own_officers_alone(api: Api, secret: str) -> None:
    """P6, IDOR: of a document of others, of none, and of one that there is not, the answer is the
    same, and nothing in it is of others."""
    _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id=secret)
    theirs = _person(Role.AUDITOR, "dbd")
    answers = [_report(api, theirs, document_id=one) for one in (secret, "NONE")]
    assert [(one.status, one.json) for one in answers] == [(200, {"items": [], "cursor": None})] * 2
    api.fakes.access_log.add(access("B1", agency_id="dbd", thing_id=secret))
    assert len(_report(api, theirs, document_id=secret).json["items"]) == 1


def test_what_an_officer_had_to_do_with(api: Api, secret: str, normal: str) -> None:
    """C5, P6: of the own agency; an officer of another one, called the same or not, is nobody."""
    _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id=secret)
    _get(api, "/v1/documents/{document_id}/file", REGISTRAR, document_id=normal)
    told = _report(api, officer="registrar.diw").json["items"]
    assert {one["thing_id"] for one in told} == {secret, normal}
    theirs = _person(Role.AUDITOR, "dbd")
    assert _report(api, theirs, officer="registrar.diw").json["items"] == []


def test_only_auditors_read_the_log(api: Api, secret: str) -> None:
    """C5, P6: no other role, no application, and no auditor without the scope."""
    for role in set(Role) - {Role.AUDITOR}:
        assert _report(api, _person(role), document_id=secret).status == 403
    without = {**AUDITOR, "scope": "documents:read files:read"}
    assert _report(api, without, document_id=secret).status == 403
    assert _recorded(api) == []


def test_reading_the_log_is_an_access(api: Api, secret: str) -> None:
    """C5: of whom or what the report was, page by page; the report on the reader tells it."""
    _report(api, document_id=secret)
    _report(api, officer="registrar.diw")
    told = _report(api, officer=AUDITOR["sub"]).json["items"]
    assert {(one["action"], one["kind"], one["thing_id"]) for one in told} == {
        ("access:read", "document_accesses", secret),
        ("access:read", "officer_accesses", "registrar.diw"),
        ("access:read", "officer_accesses", "auditor.diw"),
    }


def test_a_report_is_of_a_time_and_comes_in_pages(api: Api) -> None:
    """C5: days are those of Bangkok, both inclusive; a cursor leads through all of it."""
    for n in range(5):
        api.fakes.access_log.add(access(f"A{n}", at=NOON + timedelta(days=n), thing_id="D1"))
    first = (NOON + timedelta(days=1, hours=7)).date().isoformat()
    last = (NOON + timedelta(days=3, hours=7)).date().isoformat()
    query = {"document_id": "D1", "from": first, "to": last, "limit": "2"}
    page = _report(api, **query).json
    rest = _report(api, **query, cursor=page["cursor"]).json
    ids = [one["access_id"] for one in (*page["items"], *rest["items"])]
    assert (ids, rest["cursor"]) == (["A1", "A2", "A3"], None)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/document_id"),
        ({"document_id": "D1", "officer": "somsri"}, "/document_id"),
        ({"document_id": "../D1"}, "/document_id"),
        ({"officer": "สมศรี"}, "/officer"),
        ({"officer": ""}, "/officer"),
        ({"document_id": "D1", "from": "2026-02-30"}, "/from"),
        ({"document_id": "D1", "from": "2026-02-02", "to": "2026-02-01"}, "/to"),
        ({"document_id": "D1", "limit": "0"}, "/limit"),
        ({"document_id": "D1", "limit": "201"}, "/limit"),
        ({"document_id": "D1", "cursor": "nonsense"}, "/cursor"),
        ({"document_id": "D1", "agency_id": "dbd"}, "/agency_id"),
    ],
)
def test_what_is_asked_wrongly_is_pointed_at(api: Api, query: dict[str, str], pointer: str) -> None:
    """api.md: faults point at the field; no parameter widens what one may see (P6)."""
    answer = _report(api, **query)
    assert answer.status == 422
    assert pointer in {fault["pointer"] for fault in answer.json["errors"]}


def test_a_report_is_printed_for_the_file(api: Api, secret: str) -> None:
    """C5: in Thai, A4 across, with who, day, month, year and time; the next file is linked."""
    _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id=secret)
    theirs = access("B1", agency_id="dbd", subject="somchai", thing_id=secret)
    api.fakes.access_log.add(replace(theirs, at=NOON + timedelta(seconds=1)))
    query = {"document_id": secret, "limit": "1", "from": "2026-11-01"}
    answer = api.call(
        "GET",
        "/v1/access-log",
        query=query,
        authorizer=AUDITOR,
        headers={"accept": "application/pdf"},
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    assert base64.b64decode(answer.text).startswith(b"%PDF")
    following = re.fullmatch(
        r'<https://tra.test/v1/access-log\?(.*)>; rel="next"', answer.headers["Link"]
    )
    assert following is not None
    asked = dict(parse_qsl(following[1]))
    assert asked.pop("cursor")
    assert asked == query


def test_what_is_printed(api: Api, secret: str) -> None:
    """C5, P6: each line as the interface tells it; of others' no address."""
    _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id=secret)
    theirs = access("B1", agency_id="dbd", subject="somchai", thing_id=secret)
    api.fakes.access_log.add(replace(theirs, at=NOON + timedelta(seconds=1)))

    class Sheets:
        """Keeps what would be printed."""

        def print_register(self, sheet: RegisterSheet) -> bytes:
            self.sheet = sheet
            return b"%PDF-"

    kept = Sheets()
    vars(house())["register_printer"] = kept
    api.call(
        "GET",
        "/v1/access-log",
        query={"document_id": secret, "from": "2026-11-01", "to": "2026-11-30"},
        authorizer=AUDITOR,
        headers={"accept": "application/pdf"},
    )
    sheet = kept.sheet
    assert (sheet.title, sheet.year, sheet.extent) == ("รายงานการเข้าถึง", secret, "๒ รายการ")
    assert sheet.selection == "ตั้งแต่ ๑ พฤศจิกายน ๒๕๖๙ ถึง ๓๐ พฤศจิกายน ๒๕๖๙"
    own, other = sheet.rows
    assert own == (
        "๑",
        "๒๑ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐.๐๐ น.",
        "diw",
        "registrar.diw เจ้าหน้าที่",
        "ดูรายการ",
        secret,
        "ลับ",
        "203.0.113.7 นายทะเบียนข้อมูลข่าวสารลับ",
    )
    assert other[2:4] == ("dbd", "somchai")
    assert "203.0.113.7" not in other[-1]


def test_no_name_of_a_person_is_in_the_log(api: Api, secret: str) -> None:
    """PDPA: ids and stable words; the name in a report is looked up when it is read."""
    who = {**REGISTRAR, "name": "นางสมศรี ตัวอย่าง"}
    _get(api, "/v1/documents/{document_id}", who, document_id=secret)
    (record,) = _recorded(api)
    text = json.dumps(json.loads(record.to_bytes()), ensure_ascii=False)
    assert text.isascii()
    officer = Officer("diw", "registrar.diw")
    assert len(api.fakes.access_log.of_officer(officer, AccessSearch()).accesses) == 1
    (told,) = _report(api, document_id=secret).json["items"]
    assert told["name_th"] == "นางสมศรี ตัวอย่าง"


# -- the public side ---------------------------------------------------------------


_LOG = {"agency": "diw", "book": "access", "year": "2026", "log": "accesses"}
_PUBLIC = "/v1/registers/{agency}/{book}/{year}/{log}"


def test_anybody_sees_how_far_a_log_is_and_nobody_what_stands_in_it(api: Api, secret: str) -> None:
    """C5, P6: checkpoint, key, hash tiles and consistency as of every log; entries look as if there
    were none, and there is no register of that name."""
    for _ in range(3):
        _get(api, "/v1/documents/{document_id}", REGISTRAR, document_id=secret)
    checkpoint_accesses(room=house().access_checkpoint_room)

    def public(path: str, **names: str) -> Answer:
        return api.call("GET", f"{_PUBLIC}{path}", path={**_LOG, **names}, authorizer={})

    note = public("/checkpoint").text
    assert note.startswith("tra.test/v1/registers/diw/access/2026/accesses\n3\n")
    assert public("/key").status == 200
    tile = {"a": "000.p", "b": "3"}
    assert public("/tile/{level}/{a}/{b}", level="0", **tile).status == 303
    assert public("/tile/{level}/{a}/{b}", level="entries", **tile).status == 404
    consistent = api.call(
        "GET", f"{_PUBLIC}/consistency", path=_LOG, query={"from": "1"}, authorizer={}
    )
    assert (consistent.status, consistent.json["to"]) == (200, 3)
    place = {name: _LOG[name] for name in ("agency", "book", "year")}
    for path in ("/proof/1", "/statement", ""):
        route = f"/v1/registers/{{agency}}/{{book}}/{{year}}{path.replace('/1', '/{number}')}"
        answer = api.call("GET", route, path={**place, "number": "1"}, authorizer=CLERK)
        assert answer.status == 404, path
