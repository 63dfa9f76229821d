"""Who asks: tokens, scopes, roles. Every refusal is a problem document (P6)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.adapters.oidc import JwksVerifier
from chalicelib.bootstrap import utc_now
from chalicelib.domain.errors import UnavailableError
from chalicelib.handlers.authorizer import authorizer
from infra.devhttp import Call
from infra.issuer import DevelopmentIssuer
from tests.integration.conftest import Api
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


def test_a_good_token_becomes_claims(identity: Identity) -> None:
    """P6, A1: agency, subject, roles, scopes and the name that a receipt tells come from the
    verified token, and nothing else."""
    context = identity.context(f"Bearer {identity.token(name='นางสาวรับ ตัวอย่าง')}")
    assert (context["agency"], context["roles"]) == ("diw", "clerk")
    assert "documents:submit" in context["scope"].split()
    assert set(context) == {"agency", "sub", "roles", "scope", "exp", "name"}
    assert context["name"] == "นางสาวรับ ตัวอย่าง"


@pytest.mark.parametrize(
    ("claimed", "name"),
    [("ก\u202eข\nค", "ก ข ค"), ("ก" * 500, "ก" * 100), (" \t ", "")],
)
def test_a_name_is_one_line_that_can_be_printed(
    identity: Identity, claimed: str, name: str
) -> None:
    """A1: what turns text around or prints as nothing has no place in a receipt."""
    assert identity.context(f"Bearer {identity.token(name=claimed)}")["name"] == name


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
    """P6: an auditor reads but does not submit, and an unknown role is no role."""
    context = sample_event("api")["requestContext"]["authorizer"]
    for roles in ("auditor", "emperor", ""):
        answer = api.call(
            "POST", "/v1/documents", body=licence, authorizer={**context, "roles": roles}
        )
        assert (answer.status, answer.json["reason"]) == (403, "role_missing")


def test_an_issuer_that_is_down_is_503(identity: Identity, api: Api) -> None:
    """P4: the caller learns that waiting helps, and is not told its token is bad."""
    token = identity.token()
    identity.down = True
    context = identity.context(f"Bearer {token}")
    answer = api.call("GET", "/v1/documents", authorizer=context)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
