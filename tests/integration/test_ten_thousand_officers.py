"""An agency with 10,000 officers: pages for who lists them, one query for who decides (issue 7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.officers import DynamoOfficers
from chalicelib.domain.access import Action, Resource, Role, Verdict, decide
from chalicelib.domain.documents import Classification
from chalicelib.domain.identity import Identity
from chalicelib.domain.officers import Appointment, Period
from chalicelib.ports import OfficerPage
from chalicelib.services.identify import identify
from infra.client import SCOPES
from tests.integration.conftest import Api
from tests.support.rooms import Fakes, furnished, sample_event
from tests.support.samples import NOON
from tests.support.tables import create_table

MANY = 10_000
PAGE = 200
_SOME_PAGES = 3
FIRST = "p00000"
ASKED = "p07311"

ONE = Appointment(
    appointment_id=f"A-{FIRST}",
    agency_id="diw",
    subject=FIRST,
    name_th="นายตัวอย่าง",
    position_th="นักวิชาการ",
    roles=frozenset({Role.CLERK}),
    period=Period(NOON),
    order="คำสั่งที่ ๑/๒๕๖๙",
    appointed_by="head",
    appointed_at=NOON,
)
HEAD = replace(
    ONE, subject="head", appointment_id="H", roles=frozenset({Role.ADMINISTRATOR, Role.REGISTRAR})
)
IDENTITY = Identity(
    subject=ASKED, agency_id="diw", client_id=None, scopes=frozenset(SCOPES.split()), until=0
)


# -- over the API, on fakes --------------------------------------------------------


@pytest.fixture
def api() -> Iterator[Api]:
    fakes = Fakes()
    fakes.officers.appoint(HEAD)
    for number in range(MANY):
        subject = f"p{number:05}"
        fakes.officers.appoint(replace(ONE, subject=subject, appointment_id=f"A-{subject}"))
    with furnished(fakes.house()):
        yield Api(fakes)


def test_all_are_listed_page_by_page(api: Api) -> None:
    """10,000 officers are 51 answers, each officer once, none of them too large for the gateway."""
    told = _token("head")
    found: list[str] = []
    answers, query = 0, {"limit": str(PAGE)}
    while True:
        answer = api.call("GET", "/v1/officers", query=query, authorizer=told, arrange=False)
        assert answer.status == 200, answer.text
        assert len(answer.text.encode()) < 1_000_000
        answers += 1
        found += [one["subject"] for one in answer.json["items"]]
        if answer.json["cursor"] is None:
            break
        query["cursor"] = answer.json["cursor"]
    assert answers == MANY // PAGE + 1
    assert found == sorted({"head", *(f"p{number:05}" for number in range(MANY))})


def test_who_asks_is_found_without_the_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: a request of one officer reads that officer's appointments, never a list."""

    def listed(*_: object, **__: object) -> OfficerPage:
        raise AssertionError("nobody asked for a list")

    monkeypatch.setattr(api.fakes.officers, "officers", listed)
    me = api.call("GET", "/v1/me", authorizer=_token(ASKED), arrange=False)
    assert (me.status, me.json["roles"]) == (200, ["clerk"])


def _token(subject: str) -> dict[str, Any]:
    base = sample_event("api")["requestContext"]["authorizer"]
    told = {name: value for name, value in base.items() if name not in {"roles", "client_id"}}
    return {**told, "sub": subject, "scope": SCOPES}


# -- in DynamoDB -------------------------------------------------------------------


class Wire:
    """What DynamoDB was asked, and how many items it read for it."""

    def __init__(self, store: DynamoOfficers) -> None:
        self.requests: list[str] = []
        self.read = 0
        connection = store._items._get_connection().connection
        events = connection.client.meta.events
        events.register("after-call.dynamodb", self._note)

    def _note(self, parsed: dict[str, Any], model: Any, **_: object) -> None:
        self.requests.append(model.name)
        self.read += parsed.get("ScannedCount", 1)


@pytest.fixture(scope="module")
def crowded(aws: str) -> DynamoOfficers:
    """The table with 10,000 officers: two are written by the store, all others are copies of what
    it wrote for the first."""
    del aws
    client: Any = boto3.client("dynamodb")
    table = create_table(client, "OfficersTable", f"officers-{uuid4().hex[:8]}")
    store = DynamoOfficers(table)
    store.appoint(ONE)
    written = json.dumps(client.scan(TableName=table)["Items"])
    store.appoint(HEAD)
    copies = [
        {"PutRequest": {"Item": item}}
        for number in range(1, MANY)
        for item in json.loads(written.replace(FIRST, f"p{number:05}"))
    ]
    for start in range(0, len(copies), 25):
        client.batch_write_item(RequestItems={table: copies[start : start + 25]})
    return store


@pytest.mark.aws
def test_one_query_decides_for_one_of_them(crowded: DynamoOfficers) -> None:
    """Issue 7: deciding for one of 10,000 reads one item, with one query and no scan."""
    wire = Wire(crowded)
    (actor,) = identify(IDENTITY, officers=crowded, at=NOON)
    decision = decide(actor, Action.SUBMIT_DOCUMENT, Resource(agency_id="diw"))
    assert decision.verdict is Verdict.ALLOW
    assert (wire.requests, wire.read) == (["Query"], 1)


@pytest.mark.aws
@pytest.mark.parametrize("question", ["has_registrar", "administrators", "appointment"])
def test_no_question_reads_all_of_them(crowded: DynamoOfficers, question: str) -> None:
    """Issue 7: whether there is a registrar, who administrates, what an id names: some items."""
    wire = Wire(crowded)
    match question:
        case "has_registrar":
            assert not crowded.has_registrar("diw", Classification.SECRET, NOON)
            assert crowded.has_registrar("diw", Classification.NORMAL, NOON)
        case "administrators":
            assert crowded.administrators("diw") == (HEAD,)
        case "appointment":
            assert crowded.appointment("diw", f"A-{ASKED}")
    assert "Scan" not in wire.requests
    assert wire.read <= 2


@pytest.mark.aws
def test_a_page_reads_a_page(crowded: DynamoOfficers) -> None:
    """A list costs what it shows: some pages of 51, with one query and one item ahead each."""
    wire = Wire(crowded)
    cursor, found = None, list[str]()
    for _ in range(_SOME_PAGES):
        page = crowded.officers("diw", limit=PAGE, cursor=cursor)
        found += [one.subject for one in page.appointments]
        cursor = page.cursor
    assert found == ["head", *(f"p{number:05}" for number in range(_SOME_PAGES * PAGE - 1))]
    assert wire.requests == ["Query"] * _SOME_PAGES
    assert wire.read == _SOME_PAGES * (PAGE + 1)
