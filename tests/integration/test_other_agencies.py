"""No id of another agency's thing opens anything, on any route (P6, issue 7: IDOR on every id).

Generated over all declared routes: a new one with an id in its path fails here until it is said what
its id may be, and then must answer a stranger exactly as if the thing did not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib.domain.access import Action, Actor, Decision, Resource, Role, decide
from chalicelib.domain.officers import Authority, AuthorityKind, Period
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Book
from chalicelib.domain.second_factor import FactorState
from chalicelib.handlers import operations
from chalicelib.handlers.operations import OPERATIONS, Operation
from tests.integration.conftest import Answer
from tests.support.appointed import appoint, register
from tests.support.approving import awaiting
from tests.support.factors import Authenticator, enrolled
from tests.support.letter_office import LETTER, Office, letter_office

TEMPLATES = Path(__file__).parent.parent.parent / "chalicelib" / "templates"

assert app.app  # which declares the routes

ANYBODYS = {
    # Logs are public, and any agency may be a witness of any log.
    "/v1/registers/{agency}/{book}/{year}/{log}/cosignatures",
    # Whoever was shown the code of an e-Proxy may ask of it: the use is the asker's own.
    "/v1/proxies/{code}/uses",
}

ITEMS = [o for o in OPERATIONS if o.action and "{" in o.path and o.path not in ANYBODYS]

SELF = "/v1/me/"
"""What is below is the caller's own, and of nobody else in the agency either."""

ABSENT = {
    "document_id": "0" * 26,
    "batch_id": "01JZZZZZZZZZZZZZZZZZZZZZZZ",
    "delivery_id": f"{'0' * 26}.dga.1",
    "agency": "nowhere",
    "subject": "nobody",
    "appointment_id": "nothing",
    "authority_id": "nothing",
    "client_id": "nothing",
    "factor_id": "nothing",
    "use_id": "nothing",
}
"""Ids of nothing, in place of those that say whose a thing is."""

AWAITING = replace(awaiting("AWAITING", agency_id="slc"), book=Book("slc", "licence"))

BODIES: Mapping[str, Mapping[str, Any]] = {
    "decide_document": {"decision": "approve", "content_digest": AWAITING.content_digest},
    "end_an_appointment": {"reason": "ย้าย"},
    "end_an_authority": {"reason": "ย้าย"},
    "end_a_client": {"reason": "เลิกใช้"},
    "reset_officers_factors": {},
    "confirm_factor": {},
    "remove_factor": {},
}
"""What is right in the body of routes that read it, with a second factor, before anything else."""


@dataclass
class Place:
    """An office with one of everything, what its ids are, and people with an app for codes."""

    office: Office
    ids: dict[str, str]
    apps: dict[str, Authenticator] = field(default_factory=dict)

    def ask(self, route: Operation, ids: Mapping[str, str], caller: dict[str, Any]) -> Answer:
        names = [part.split("}")[0] for part in route.path.split("{")[1:]]
        if "use_id" in names and "use_id" not in self.ids:
            self._use_a_proxy()
            ids = {**self.ids, "use_id": ids.get("use_id", self.ids["use_id"])}
        unknown = [name for name in names if name not in self.ids]
        assert not unknown, f"{route.path}: say in this test what {unknown} of another agency is"
        posted = route.method == "POST"
        path = {name: ids[name] for name in names}
        if path.get("document_id") == self.ids["document_id"] and _about_approval(route):
            path["document_id"] = AWAITING.document_id
        if path.get("factor_id") == self.ids["factor_id"] and route.name == "confirm_factor":
            path["factor_id"] = self._begun(Officer("slc", _somebody("slc")["sub"]))
        return self.office.api.call(
            route.method,
            route.path,
            path=path,
            body=self._body(route, caller) if posted else None,
            headers={"idempotency-key": "one"} if posted else None,
            authorizer=caller,
        )

    def _use_a_proxy(self) -> None:
        """An e-Proxy of slc's was used by slc itself."""
        owner, path = _somebody("slc"), TEMPLATES / "e-proxy" / "example.json"
        proxy = {**json.loads(path.read_bytes()), "recipients": []}
        made = self.office.post("/v1/documents", proxy, by=owner)
        assert made.status == 202, made.text
        self.office.rest()
        document = self.office.fakes.ledger.get(made.json["document_id"])
        assert document is not None
        used = self.office.post(
            "/v1/proxies/{code}/uses",
            {"attorney": {"registration_no": "3501200456785"}, "power": "fee.pay"},
            by=owner,
            headers={"idempotency-key": "use"},
            code=document.verification_code,
        )
        assert used.status == 201, used.text
        self.ids |= {"code": document.verification_code, "use_id": used.json["use_id"]}

    def _begun(self, officer: Officer) -> str:
        """A factor that is still to be confirmed."""
        factors = self.office.fakes.factors
        keyring = factors.keyring(officer)
        begun = replace(
            keyring.held[0],
            factor_id="factor-begun",
            factor=replace(keyring.held[0].factor, state=FactorState.PENDING),
        )
        factors.save(keyring.with_held(begun))
        return begun.factor_id

    def _body(self, route: Operation, caller: dict[str, Any]) -> dict[str, Any]:
        if route.name not in BODIES:
            return {}
        clock, officer = self.office.fakes.clock, Officer(caller["agency"], caller["sub"])
        if officer.subject not in self.apps:
            self.apps[officer.subject] = enrolled(self.office.fakes, officer)
        clock.advance(timedelta(seconds=30))  # a code is good once
        return {**BODIES[route.name], "otp": self.apps[officer.subject].code(clock())}


def _about_approval(route: Operation) -> bool:
    last = route.path.rpartition("/")[2]
    return last in {"approval", "approvals", "preview", "withdrawal"}


@pytest.fixture
def place() -> Iterator[Place]:
    with letter_office() as office:
        document_id = office.sent(LETTER)
        office.fakes.ledger.add(AWAITING, None)
        owner = _somebody("slc")
        batch = office.post("/v1/batches", {"document_type": "licence"}, by=owner)
        assert batch.status == 201, batch.text
        reserved = office.post(
            "/v1/registers/{agency}/{book}/reservations",
            {"count": 1, "days": 3, "reason": "จองไว้ใช้เมื่อระบบล่ม"},
            by=owner,
            agency="slc",
            book="send",
        )
        assert reserved.status == 201, reserved.text
        officer = Officer("slc", owner["sub"])
        enrolled_app = enrolled(office.fakes, officer)
        colleague = Officer("slc", "slc-colleague")
        appoint(office.fakes.officers, colleague, frozenset({Role.CLERK}), at=office.fakes.clock())
        enrolled(office.fakes, colleague)
        (appointment,) = office.fakes.officers.appointments_of(colleague)
        office.fakes.officers.grant(_authority(officer, office.fakes.clock()))
        register(office.fakes.officers, "slc-system", "slc", at=office.fakes.clock())
        yield Place(
            office,
            {
                "document_id": document_id,
                "delivery_id": f"{document_id}.dga.1",
                "batch_id": batch.json["batch_id"],
                "agency": "slc",
                "book": "send",
                "year": "2026",
                "number": str(reserved.json["numbers"][0]["number"]),
                "subject": colleague.subject,
                "appointment_id": appointment.appointment_id,
                "authority_id": "AUTHORITY",
                "client_id": "slc-system",
                "factor_id": "factor-slc",
            },
            {officer.subject: enrolled_app},
        )


def _authority(holder: Officer, at: datetime) -> Authority:
    return Authority(
        authority_id="AUTHORITY",
        agency_id=holder.agency_id,
        holder=holder.subject,
        kind=AuthorityKind.ACTING,
        position_th="เลขาธิการ",
        period=Period(at),
        order="คำสั่งที่ ๑/๒๕๖๙",
        granted_by="head",
        granted_at=at,
    )


OFFICER_ROLES = " ".join(sorted(set(Role) - {Role.APPLICATION}))


def _somebody(agency_id: str, roles: str = OFFICER_ROLES) -> dict[str, Any]:
    """Who may do everything in an agency, in one appointment, cleared for all."""
    return {
        "agency": agency_id,
        "sub": f"{agency_id}-everything-{len(roles)}",
        "roles": roles,
        "clearance": "secret",
        "scope": " ".join(Action),
        "exp": "4102444800",
    }


def _owner(route: Operation) -> str:
    """Whose the things of a route are: letters arrive at another agency than they leave."""
    return "dga" if route.path.startswith("/v1/inbox") else "slc"


def _told(answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.text)
    return body


def _id(route: Operation) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ITEMS, ids=_id)
def test_another_agencys_thing_looks_like_none(route: Operation, place: Place) -> None:
    """P6: an officer with every role, the highest clearance, every scope and a second factor, and
    an application, of an agency that has nothing to do with the thing, get the very answer of an
    id of nothing."""
    for roles in (OFFICER_ROLES, str(Role.APPLICATION)):
        stranger = _somebody("opm", roles)
        there = place.ask(route, place.ids, stranger)
        absent = place.ask(route, {**place.ids, **ABSENT}, stranger)
        if there.status == 403:  # of the role, before anything was looked up
            assert (_told(there)["reason"], roles) == ("role_missing", Role.APPLICATION)
        else:
            assert there.status == 404, there.text
        assert (there.status, _told(there)) == (absent.status, _told(absent))
        assert {**there.headers, "traceparent": ""} == {**absent.headers, "traceparent": ""}


@pytest.mark.parametrize("route", ITEMS, ids=_id)
def test_the_same_id_is_something_to_its_agency(
    route: Operation, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: that stranger was refused for being one: the owner's officer finds the thing, and the
    route asked the one place that decides for this very thing."""
    asked: list[Resource] = []

    def noted(actor: Actor, action: Action, resource: Resource | None = None) -> Decision:
        asked.extend([resource] if resource else [])
        return decide(actor, action, resource)

    monkeypatch.setattr(operations, "decide", noted)
    answer = place.ask(route, place.ids, _somebody(_owner(route)))
    # Its picture may be one that no type has, once it is issued: said only of what is found.
    assert answer.status not in {401, 404} or _told(answer)["code"] == "no_picture", answer.text
    # A begun factor is confirmed by a code of its own, which nobody has here.
    assert answer.status != 403 or _told(answer)["code"] == "factor_refused", answer.text
    if not route.path.startswith(SELF):
        assert asked, "a route with an id in its path authorises a Resource"
        assert _owner(route) in {resource.agency_id for resource in asked}


LISTS = [
    o
    for o in OPERATIONS
    if o.action and "{" not in o.path and o.method == "GET" and o.query
    if "cursor" in o.query.model_fields
]

FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"limit": "1"},
    {"agency": "slc"},
    {"agency_id": "slc"},
    {"officer": "slc-colleague"},
    {"document_id": AWAITING.document_id},
    {"q": "ขอเชิญประชุม"},
    {"type": "licence"},
    {"state": "awaiting_approval"},
    {"cursor": "c2xjIw"},
)


NEEDED = {"/v1/access-log": {"document_id": AWAITING.document_id}}
"""What a list cannot be asked for without."""


def _listed(
    place: Place, route: Operation, caller: dict[str, Any], query: dict[str, str]
) -> Answer:
    return place.office.api.call("GET", route.path, query=query, authorizer=caller)


@pytest.mark.parametrize("route", LISTS, ids=_id)
def test_no_filter_and_no_cursor_widens_a_list(route: Operation, place: Place) -> None:
    """P6, issue 7: whatever a stranger filters by, and with the very cursor of the owner's list,
    nothing of the owner's is listed, and a page of nothing says no more than that."""
    owner, stranger = _somebody(_owner(route)), _somebody("opm")
    things = {AWAITING.document_id, *place.ids.values()} - {"slc", "send", "2026", "1"}
    things -= {place.ids["number"]}
    # Which the access log tells of.
    place.ask(next(o for o in ITEMS if o.name == "preview_document"), place.ids, owner)
    needed = NEEDED.get(route.path, {})
    own = _listed(place, route, owner, needed)
    assert own.status == 200, own.text
    assert any(thing in own.text for thing in things), own.text
    cursor = _told(_listed(place, route, owner, {**needed, "limit": "1"})).get("cursor")
    for query in (*FILTERS, {"cursor": cursor} if cursor else {}):
        answer = _listed(place, route, stranger, {**needed, **query})
        assert answer.status in {200, 404, 422}, answer.text
        asked_for = {*needed.values(), *query.values()}
        assert not [thing for thing in things - asked_for if thing in answer.text]
        if answer.status == 200:
            told = json.dumps(_told(answer)["items"])
            assert "slc" not in told
