"""Who asks: tokens, scopes, appointments. Every refusal is a problem document (P6, issue 7.2)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.adapters.oidc import JwksVerifier
from chalicelib.bootstrap import utc_now
from chalicelib.domain.access import Action, Actor, Resource, Role
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.officers import Appointment, Ending, Period
from chalicelib.handlers import operations
from chalicelib.handlers.authorizer import authorizer
from infra.devhttp import Call
from infra.issuer import DevelopmentIssuer
from tests.integration.conftest import Answer, Api
from tests.support.appointed import register
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event

ISSUER = "https://issuer.test/oidc"


class Identity:
    """The authorizer function in front of the real development issuer."""

    def __init__(self) -> None:
        self.issuer = DevelopmentIssuer(ISSUER, "tra", stage="local")
        self.foreign = DevelopmentIssuer(ISSUER, "other", stage="local")
        self.house = Fakes().house()
        self.down = False
        vars(self.house)["token_verifier"] = JwksVerifier(
            ISSUER, "tra", clock=utc_now, fetch=self._fetch
        )

    def token(self, issuer: DevelopmentIssuer | None = None, **form: str) -> str:
        body = urlencode({"agency": "diw", "role": "clerk", **form}).encode()
        answer = (issuer or self.issuer)(Call("POST", "/token", body=body))
        return str(json.loads(answer.body)["access_token"])

    def context(self, header: str) -> dict[str, Any]:
        """What the gateway would hand on for this Authorization header."""
        event = {**sample_event("authorizer"), "authorizationToken": header}
        with furnished(self.house):
            answer = authorizer(event, CONTEXT)
        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
        context: dict[str, Any] = answer["context"]
        assert all(isinstance(value, str) for value in context.values())
        return context

    def _fetch(self, url: str) -> bytes:
        if self.down:
            raise UnavailableError("down")
        return self.issuer(Call("GET", url.removeprefix(ISSUER))).body


@pytest.fixture
def identity() -> Identity:
    return Identity()


def test_a_good_token_says_who_and_nothing_more(identity: Identity) -> None:
    """Issue 7.2: agency, subject, scopes and end come from the verified token; roles, clearance
    and name do not, whatever it says of them."""
    boasting = {"roles": ["administrator"], "clearance": "secret", "name": "ท่านอธิบดี"}
    token = identity.issuer.signed(
        {"sub": "somsri", "agency": "diw", "scope": "documents:submit", **boasting}
    )
    context = identity.context(f"Bearer {token}")
    assert set(context) == {"agency", "sub", "scope", "exp"}
    assert (context["agency"], context["sub"]) == ("diw", "somsri")
    assert context["scope"] == "documents:submit"


def test_an_applications_token_says_that_it_is_one(identity: Identity) -> None:
    """RFC 9068, section 2.2: its client id is its subject."""
    context = identity.context(f"Bearer {identity.token(role='application')}")
    assert context["client_id"] == context["sub"] == "diw-app"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("none", "missing"),
        ("word", "malformed"),
        ("scheme", "malformed"),
        ("foreign", "unknown_key"),
        ("tampered", "bad_signature"),
        ("unsigned", "bad_algorithm"),
    ],
)
def test_a_bad_token_is_refused_by_the_api(
    identity: Identity, api: Api, case: str, reason: str
) -> None:
    """P6: no route with an action answers to it; the answer is 401 and says the reason."""
    token = identity.token()
    header = {
        "none": "Bearer ",
        "word": "Bearer word",
        "scheme": f"Basic {token}",
        "foreign": f"Bearer {identity.token(identity.foreign)}",
        "tampered": f"Bearer {token[:-8]}AAAAAAAA",
        "unsigned": "Bearer eyJhbGciOiJub25lIn0.eyJhZ2VuY3kiOiJkaXcifQ.",
    }[case]
    context = identity.context(header)
    for method, resource in [("POST", "/v1/documents"), ("GET", "/v1/documents")]:
        answer = api.call(method, resource, body={}, authorizer=context)
        assert answer.status == 401
        assert answer.json["reason"] == reason
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_of_another_audience_is_refused(identity: Identity, api: Api) -> None:
    """P6: a token for another service of the same issuer opens nothing here."""
    identity.foreign._keys = identity.issuer._keys
    context = identity.context(f"Bearer {identity.token(identity.foreign)}")
    answer = api.call("GET", "/v1/documents", authorizer=context)
    assert (answer.status, answer.json["reason"]) == (401, "wrong_audience")


def test_a_token_that_expired_since_it_was_cached_is_refused(api: Api) -> None:
    """P6: the gateway may reuse the authorizer's answer; the token still ends in time."""
    context = sample_event("api")["requestContext"]["authorizer"]
    now = int(api.fakes.clock().timestamp())
    stale = api.call("GET", "/v1/documents", authorizer={**context, "exp": str(now)})
    assert (stale.status, stale.json["reason"]) == (401, "expired")
    fresh = api.call("GET", "/v1/documents", authorizer={**context, "exp": str(now + 1)})
    assert fresh.status == 200


@pytest.mark.parametrize("context", [{}, {"principalId": "x"}, {"agency": "diw"}])
def test_without_claims_nothing_is_answered(api: Api, context: dict[str, str]) -> None:
    """P6: deny by default, should the gateway ever let a request through without claims."""
    answer = api.call("GET", "/v1/documents", authorizer=context)
    assert (answer.status, answer.json["reason"]) == (401, "missing")


def test_a_scope_that_is_missing_is_named(api: Api, licence: dict[str, Any]) -> None:
    """P6: who may read but not submit is told which scope is missing."""
    context = sample_event("api")["requestContext"]["authorizer"]
    answer = api.call(
        "POST", "/v1/documents", body=licence, authorizer={**context, "scope": "documents:read"}
    )
    assert (answer.status, answer.json["reason"]) == (403, "scope_missing")
    assert "documents:submit" in answer.json["detail"]
    assert not api.fakes.number_queue.messages


def test_a_role_without_the_power_is_refused(api: Api, licence: dict[str, Any]) -> None:
    """P6: an auditor reads but does not submit."""
    context = sample_event("api")["requestContext"]["authorizer"]
    answer = api.call(
        "POST", "/v1/documents", body=licence, authorizer={**context, "roles": "auditor"}
    )
    assert (answer.status, answer.json["reason"]) == (403, "role_missing")


# -- the directory of officers decides --------------------------------------------

SECOND = timedelta(seconds=1)


def _somsri(**changes: str) -> dict[str, str]:
    """What the authorizer tells of a person, with every scope."""
    told = {"agency": "diw", "sub": "somsri", "scope": " ".join(Action), "exp": "4102444800"}
    return {**told, **changes}


def _appointment(since: datetime, until: datetime | None = None, **changes: Any) -> Appointment:
    one = Appointment(
        appointment_id="A1",
        agency_id="diw",
        subject="somsri",
        name_th="นางสาวสมศรี ตัวอย่าง",
        position_th="เจ้าพนักงานธุรการ",
        roles=frozenset({Role.CLERK}),
        period=Period(since, until),
        order="คำสั่งที่ ๑/๒๕๖๙",
        appointed_by="head",
        appointed_at=since,
    )
    return replace(one, **changes)


def _search(api: Api, context: dict[str, str]) -> Answer:
    return api.call("GET", "/v1/documents", authorizer=context, arrange=False)


def _submit(api: Api, licence: dict[str, Any], context: dict[str, str]) -> Answer:
    return api.call("POST", "/v1/documents", body=licence, authorizer=context, arrange=False)


@pytest.mark.parametrize("claim", ["roles", "role", "clearance", "appointment_id"])
def test_claims_without_an_appointment_are_nothing(
    identity: Identity, api: Api, licence: dict[str, Any], claim: str
) -> None:
    """Issue 7, attacks: role and clearance claims without appointment have no effect; who has
    none is told what to do."""
    value = {"roles": ["administrator", "clerk"], "role": "clerk", "clearance": "secret"}
    who = {"sub": "somsri", "agency": "diw", "scope": " ".join(Action)}
    token = identity.issuer.signed({**who, claim: value.get(claim, "A1")})
    for context in (
        identity.context(f"Bearer {token}"),
        _somsri(roles="clerk administrator", clearance="secret", client_id=""),
    ):
        for answer in (_search(api, context), _submit(api, licence, context)):
            assert (answer.status, answer.json["reason"]) == (403, "not_appointed")
            assert "POST /v1/officers" in answer.json["detail"]
    assert not api.fakes.number_queue.messages


def test_who_is_not_appointed_is_told_in_thai(api: Api) -> None:
    """Issue 7: clear words, in the language that was asked for."""
    answer = api.call(
        "GET",
        "/v1/documents",
        headers={"accept-language": "th"},
        authorizer=_somsri(),
        arrange=False,
    )
    assert "แต่งตั้ง" in answer.json["detail"]


def test_an_appointment_takes_effect_at_once_and_so_does_its_end(api: Api) -> None:
    """A7: from the second it begins until the second it ends, with the same token, and nothing in
    between is remembered."""
    officers, clock = api.fakes.officers, api.fakes.clock
    begins = clock() + SECOND
    officers.appoint(_appointment(begins, begins + 10 * SECOND))
    assert _search(api, _somsri()).json["reason"] == "not_appointed"
    clock.advance(SECOND)
    assert _search(api, _somsri()).status == 200
    clock.advance(9 * SECOND)
    assert _search(api, _somsri()).status == 200
    clock.advance(SECOND)
    assert _search(api, _somsri()).json["reason"] == "not_appointed"


def test_an_appointment_that_was_ended_is_none(api: Api) -> None:
    """A7, issue 7: the head ends it, and the next request of a token that still holds is refused,
    though the clock of the function that wrote the end goes ahead of this one's."""
    officers, clock = api.fakes.officers, api.fakes.clock
    appointment = officers.appoint(_appointment(clock() - SECOND))
    assert _search(api, _somsri()).status == 200
    officers.end(appointment, Ending(at=clock() + SECOND, by="head", reason="moved"))
    assert _search(api, _somsri()).json["reason"] == "not_appointed"
    clock.advance(SECOND)
    assert _search(api, _somsri()).json["reason"] == "not_appointed"


@pytest.mark.parametrize(
    ("agency_id", "subject"),
    [("dbd", "somsri"), ("diw", "somsri2"), ("diw", "Somsri"), ("diw", "som")],
)
def test_somebody_elses_appointment_is_of_no_use(api: Api, agency_id: str, subject: str) -> None:
    """P6, issue 7: a token of one agency opens nothing by an appointment in another one, nor by
    that of somebody whose name is alike."""
    api.fakes.officers.appoint(
        _appointment(api.fakes.clock(), agency_id=agency_id, subject=subject)
    )
    assert _search(api, _somsri()).json["reason"] == "not_appointed"


def test_the_agency_of_the_token_is_the_one_that_counts(api: Api, licence: dict[str, Any]) -> None:
    """P6: who is appointed in two agencies acts in the one the token names, and sees nothing of
    the other one."""
    since = api.fakes.clock()
    for agency_id in ("diw", "dbd"):
        api.fakes.officers.appoint(_appointment(since, agency_id=agency_id))
    made = _submit(api, licence, _somsri()).json["document_id"]
    path = {"document_id": made}
    route = ("GET", "/v1/documents/{document_id}")
    own = api.call(*route, path=path, authorizer=_somsri(), arrange=False)
    other = api.call(*route, path=path, authorizer=_somsri(agency="dbd"), arrange=False)
    assert (own.status, other.status) == (200, 404)


def test_role_and_clearance_are_of_one_appointment(
    api: Api, licence: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docs/adr/0042: a registrar of secrets in one office is not a cleared clerk in the other. Each
    appointment is an actor of its own; the first that is allowed is the caller."""
    since = api.fakes.clock()
    officers = api.fakes.officers
    officers.appoint(_appointment(since))
    registrar = _appointment(
        since,
        appointment_id="A2",
        roles=frozenset({Role.REGISTRAR}),
        clearance=Classification.SECRET,
        name_th="นายทะเบียน",
    )
    officers.appoint(registrar)
    callers: list[Actor] = []
    authorise = operations.Call.authorise

    def noted(call: operations.Call, resource: Resource) -> None:
        secret = replace(resource, classification=Classification.SECRET)
        assert not call.may(secret)
        authorise(call, resource)
        callers.append(call.caller)

    monkeypatch.setattr(operations.Call, "authorise", noted)
    assert _submit(api, licence, _somsri()).status == 202
    assert [(one.appointment_id, one.name) for one in callers] == [("A1", "นางสาวสมศรี ตัวอย่าง")]


def test_who_may_not_with_any_appointment_is_refused_the_role(
    api: Api, licence: dict[str, Any]
) -> None:
    """P6: of several appointments each counts, and none of them here."""
    since = api.fakes.clock()
    for number, role in enumerate((Role.AUDITOR, Role.SUPERVISOR, Role.ADMINISTRATOR)):
        api.fakes.officers.appoint(
            _appointment(since, appointment_id=f"A{number}", roles=frozenset({role}))
        )
    assert _search(api, _somsri()).status == 200
    assert _submit(api, licence, _somsri()).json["reason"] == "role_missing"


# -- applications -------------------------------------------------------------------


def _application(**changes: str) -> dict[str, str]:
    return {**_somsri(sub="app-7", client_id="app-7"), **changes}


@pytest.mark.parametrize("agency", ["diw", ""])
def test_an_application_is_what_it_is_registered_for(api: Api, agency: str) -> None:
    """Issue 7.2: scopes are those of the token that were registered; the agency is that of the
    registration, whether the token names it or not."""
    told = _application(agency=agency)
    assert _search(api, told).json["reason"] == "not_registered"
    now = api.fakes.clock()
    register(api.fakes.officers, "app-7", "diw", at=now, scopes=frozenset({"documents:search"}))
    assert _search(api, told).status == 200
    assert _search(api, {**told, "scope": "documents:read"}).json["reason"] == "scope_missing"
    refused = api.call("GET", "/v1/inbox", authorizer=told, arrange=False)
    assert (refused.status, refused.json["reason"]) == (403, "scope_missing")


@pytest.mark.parametrize("case", ["unknown", "ended", "other agency", "officer"])
def test_an_application_that_is_not_registered(api: Api, case: str) -> None:
    """Issue 7.2: not registered, registered no longer, by another agency, or known as a person."""
    officers, now = api.fakes.officers, api.fakes.clock()
    if case == "ended":
        register(officers, "app-7", "diw", at=now)
        client = officers.client("app-7")
        assert client is not None
        # By a function whose clock goes ahead.
        ending = Ending(at=now + SECOND, by="head", reason="replaced")
        officers.put_client(replace(client, ended=ending), seen=client)
    elif case == "other agency":
        register(officers, "app-7", "dbd", at=now)
    elif case == "officer":
        officers.appoint(_appointment(now, subject="app-7"))
    answer = _search(api, _application())
    assert (answer.status, answer.json["reason"]) == (403, "not_registered")
    assert "client id" in answer.json["detail"]


def test_a_registration_makes_no_person(api: Api) -> None:
    """Issue 7.2: a person's token does not borrow the registration of an application."""
    register(api.fakes.officers, "somsri", "diw", at=api.fakes.clock())
    assert _search(api, _somsri()).json["reason"] == "not_appointed"


# -- what is down ----------------------------------------------------------------------


@pytest.mark.parametrize("context", [_somsri(), _application()])
def test_officers_that_cannot_be_read_are_503(fakes: Fakes, context: dict[str, str]) -> None:
    """P4: that the table does not answer is never taken for having no appointment, nor for any."""

    class Down:
        def __getattr__(self, _: str) -> Any:
            raise UnavailableError("The table does not answer.")

    house = fakes.house()
    vars(house)["officers"] = Down()
    with furnished(house):
        answer = _search(Api(fakes), context)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")


def test_an_issuer_that_is_down_is_503(identity: Identity, api: Api) -> None:
    """P4: the caller learns that waiting helps, and is not told its token is bad."""
    token = identity.token()
    identity.down = True
    context = identity.context(f"Bearer {token}")
    answer = api.call("GET", "/v1/documents", authorizer=context)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
