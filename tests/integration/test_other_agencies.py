"""No id of another agency's thing opens anything, on any route (P6, issue 7: IDOR on every id).

Generated over all declared routes: a new one with an id in its path fails here until it is said what
its id may be, and then must answer a stranger exactly as if the thing did not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import app
from chalicelib.domain.access import Action, Resource, Role
from chalicelib.handlers.operations import OPERATIONS, Call, Operation
from tests.integration.conftest import Answer
from tests.support.letter_office import LETTER, Office, letter_office

assert app.app  # which declares the routes

ANYBODYS = {
    # Logs are public, and any agency may be a witness of any log.
    "/v1/registers/{agency}/{book}/{year}/{log}/cosignatures",
}

ITEMS = [o for o in OPERATIONS if o.action and "{" in o.path and o.path not in ANYBODYS]

ABSENT = {
    "document_id": "0" * 26,
    "batch_id": "01JZZZZZZZZZZZZZZZZZZZZZZZ",
    "delivery_id": f"{'0' * 26}.dga.1",
    "agency": "nowhere",
}
"""Ids of nothing, in place of those that say whose a thing is."""


@dataclass
class Place:
    """An office with one of everything, and what its ids are."""

    office: Office
    ids: dict[str, str]

    def ask(self, route: Operation, ids: Mapping[str, str], caller: dict[str, Any]) -> Answer:
        names = [part.split("}")[0] for part in route.path.split("{")[1:]]
        unknown = [name for name in names if name not in self.ids]
        assert not unknown, f"{route.path}: say in this test what {unknown} of another agency is"
        posted = route.method == "POST"
        return self.office.api.call(
            route.method,
            route.path,
            path={name: ids[name] for name in names},
            body={} if posted else None,
            headers={"idempotency-key": "one"} if posted else None,
            authorizer=caller,
        )


@pytest.fixture
def place() -> Iterator[Place]:
    with letter_office() as office:
        document_id = office.sent(LETTER)
        delivery_id = f"{document_id}.dga.1"
        batch = office.post("/v1/batches", {"document_type": "licence"}, by=_somebody("slc"))
        assert batch.status == 201, batch.text
        reserved = office.post(
            "/v1/registers/{agency}/{book}/reservations",
            {"count": 1, "days": 3, "reason": "จองไว้ใช้เมื่อระบบล่ม"},
            by=_somebody("slc"),
            agency="slc",
            book="send",
        )
        assert reserved.status == 201, reserved.text
        yield Place(
            office,
            {
                "document_id": document_id,
                "delivery_id": delivery_id,
                "batch_id": batch.json["batch_id"],
                "agency": "slc",
                "book": "send",
                "year": "2026",
                "number": str(reserved.json["numbers"][0]["number"]),
            },
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
    """P6: an officer with every role, the highest clearance and every scope, and an application,
    of an agency that has nothing to do with the thing, get the very answer of an id of nothing."""
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
    authorise = Call.authorise

    def noted(call: Call, resource: Resource) -> None:
        asked.append(resource)
        authorise(call, resource)

    monkeypatch.setattr(Call, "authorise", noted)
    answer = place.ask(route, place.ids, _somebody(_owner(route)))
    assert answer.status not in {401, 403, 404}, answer.text
    assert asked, "a route with an id in its path authorises a Resource"
    assert _owner(route) in {resource.agency_id for resource in asked}
