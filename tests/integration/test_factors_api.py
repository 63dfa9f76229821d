"""Second factors over HTTP: as officers enrol and use them, as two others reset them, and what
logs, lists and metrics tell of it (issue 7, item 3)."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import quote

import pyotp
import pytest

from chalicelib.domain.access import Action
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import MOST_FAILURES, STEP, purpose_of, thing_of
from chalicelib.handlers.factor_models import purpose_of_request
from tests.integration.conftest import Answer, Api
from tests.support.factors import BOSS, HEAD, SOMSRI, Authenticator, enrolled
from tests.support.software_key import SoftwareKey

FACTORS = "/v1/me/factors"
CONFIRMATION = "/v1/me/factors/{factor_id}/confirmation"
REMOVAL = "/v1/me/factors/{factor_id}/removal"
RECOVERY = "/v1/me/factors/recovery-codes"
CHALLENGES = "/v1/me/factors/challenges"
RESET = "/v1/officers/{subject}/factor-reset"
LOCKED = "/v1/factors/locked"

THEIRS = {**BOSS, "agency": "dbd"}
APPLICATION = {**SOMSRI, "sub": "diw-app", "client_id": "diw-app"}
APPLICATION.pop("roles")


def _begin(api: Api, method: str = "totp", **more: Any) -> Answer:
    return api.call("POST", FACTORS, body={"method": method, **more}, authorizer=SOMSRI)


def _confirm(api: Api, begun: Answer, **proof: Any) -> Answer:
    path = {"factor_id": begun.json["factor_id"]}
    return api.call("POST", CONFIRMATION, path=path, body=proof, authorizer=SOMSRI)


def _app(begun: Answer) -> Authenticator:
    found = pyotp.parse_uri(begun.json["otpauth_uri"])
    return Authenticator(Officer("diw", "somsri"), found.byte_secret())


def _enrol(api: Api) -> tuple[Authenticator, Answer]:
    begun = _begin(api)
    assert begun.status == 201, begun.text
    app = _app(begun)
    done = _confirm(api, begun, otp=app.code(api.fakes.clock()))
    assert done.status == 200, done.text
    api.fakes.clock.advance(STEP)
    return app, done


def _state(api: Api) -> Any:
    return api.call("GET", FACTORS, authorizer=SOMSRI).json


def _reset(api: Api, who: dict[str, Any], subject: str = "somsri", **shown: Any) -> Answer:
    return api.call("POST", RESET, path={"subject": subject}, body=shown, authorizer=who)


def _app_of(api: Api, who: dict[str, Any]) -> Authenticator:
    return enrolled(api.fakes, Officer(who["agency"], who["sub"]))


def test_an_officer_enrols_an_app(api: Api, log: StringIO) -> None:
    """Issue 7 item 3: URI and picture once, recovery codes once, nothing of either in the log or in
    what is shown later."""
    assert _state(api) == {"factors": [], "recovery_codes_left": 0, "reset_asked": False}
    begun = _begin(api, label="โทรศัพท์")
    assert begun.headers["Cache-Control"] == "no-store"
    assert begun.json["qr"].startswith("data:image/svg+xml")
    assert begun.json["links"]["confirmation"].endswith(
        f"/v1/me/factors/{begun.json['factor_id']}/confirmation"
    )
    done = _confirm(api, begun, otp=_app(begun).code(api.fakes.clock()))
    codes = done.json["recovery_codes"]
    assert len(codes) == 10
    state = api.call("GET", FACTORS, authorizer=SOMSRI)
    assert state.json["recovery_codes_left"] == 10
    [factor] = state.json["factors"]
    assert (factor["method"], factor["state"], factor["label"]) == ("totp", "active", "โทรศัพท์")
    secret = pyotp.parse_uri(begun.json["otpauth_uri"]).secret
    written = log.getvalue()
    assert "TRA-FAC-001" in written
    for told in (secret, "somsri", *codes):
        assert told not in written
    for told in (secret, *codes):
        assert told not in state.text


def test_an_officer_enrols_a_key_and_is_challenged(api: Api) -> None:
    """Issue 7 item 3: registration and assertion options over HTTP; the purpose is the digest of
    what the later request asks for, as that request computes it."""
    begun = _begin(api, "webauthn", label="กุญแจ")
    key = SoftwareKey()
    done = _confirm(api, begun, credential=key.create(begun.json["options"]))
    assert done.status == 200, done.text
    assert len(done.json["recovery_codes"]) == 10
    body = {"action": "factors:enrol", "what": {"method": "totp", "label": "ใหม่"}}
    asked = api.call("POST", CHALLENGES, body=body, authorizer=SOMSRI)
    assert asked.status == 201, asked.text
    assertion = key.get(asked.json["options"])
    raw = {"label": "ใหม่", "method": "totp", "assertion": assertion}
    assert asked.json["purpose"] == purpose_of_request(Action.ENROL_FACTOR, {}, raw)
    other = _begin(api, label="อื่น", assertion=assertion)
    assert (other.status, other.json["reason"]) == (403, "factor_wrong")
    asked = api.call("POST", CHALLENGES, body=body, authorizer=SOMSRI)
    again = _begin(api, label="ใหม่", assertion=key.get(asked.json["options"]))
    assert again.status == 201, again.text


def test_a_stolen_token_enrols_nothing(api: Api) -> None:
    """Issue 7: enrolment hijack. With a factor there, the token alone gets 403 and changes nothing."""
    _enrol(api)
    before = _state(api)
    for method in ("totp", "webauthn"):
        answer = _begin(api, method)
        assert (answer.status, answer.json["reason"]) == (403, "factor_missing")
    assert _begin(api, otp="000000").status == 403
    assert _state(api) == before


def test_guessing_is_told_to_the_supervisor(
    api: Api, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """A28: the guess that locks counts a metric; who it is stands in the agency's own list, for
    whoever may reset, and nowhere else."""
    app, _ = _enrol(api)
    wrong = next(c for c in ("000000", "000001") if c != app.code(api.fakes.clock()))
    reasons = [_begin(api, otp=wrong).json["reason"] for _ in range(MOST_FAILURES + 1)]
    assert reasons == ["factor_wrong"] * (MOST_FAILURES - 1) + ["factor_locked"] * 2
    assert capsys.readouterr().out.count('"FactorLocked"') >= 1
    good = _begin(api, otp=app.code(api.fakes.clock()))
    assert good.json["reason"] == "factor_locked"
    [factor] = _state(api)["factors"]
    assert factor["locked_until"] is not None
    locked = api.call("GET", LOCKED, authorizer=BOSS)
    assert locked.json["locked"] == [{"subject": "somsri", "locked_until": factor["locked_until"]}]
    assert api.call("GET", LOCKED, authorizer=THEIRS).json == {"locked": []}
    assert api.call("GET", LOCKED, authorizer=SOMSRI).status == 403
    assert "somsri" not in log.getvalue()


def test_two_others_reset(api: Api) -> None:
    """Issue 7 item 3: over HTTP; the second word resets, the owner enrols with the token again.
    Both words stand in the access log, under a name that is nobody's (C5)."""
    _enrol(api)
    boss, head = _app_of(api, BOSS), _app_of(api, HEAD)
    first = _reset(api, BOSS, otp=boss.code(api.fakes.clock()))
    assert first.json == {"subject": "somsri", "state": "asked"}
    assert _state(api)["reset_asked"] is True
    second = _reset(api, HEAD, otp=head.code(api.fakes.clock()))
    assert second.json["state"] == "reset"
    assert _state(api)["factors"] == []
    assert _begin(api).status == 201
    owner = Officer("diw", "somsri")
    words = api.fakes.access_log.waiting(10)
    assert {(one.action, one.thing.thing_id, one.subject) for one in words} == {
        (Action.RESET_FACTOR, thing_of(owner), "boss"),
        (Action.RESET_FACTOR, thing_of(owner), "head"),
    }
    assert "somsri" not in thing_of(owner)


@pytest.mark.parametrize("subject", ["somsri@diw.go.th", "auth0|5f7c"])
def test_an_officer_of_an_odd_name_is_found(api: Api, subject: str) -> None:
    """Issue 7 item 3: a subject is whatever an issuer says, and stands quoted in a path (as `tra
    factor reset` sends it); a key is asked for the name itself, not for how a path spells it."""
    owner = Officer("diw", subject)
    enrolled(api.fakes, owner)
    boss, quoted = _app_of(api, BOSS), quote(subject, safe="")
    first = _reset(api, BOSS, quoted, otp=boss.code(api.fakes.clock()))
    assert first.json == {"subject": subject, "state": "asked"}
    purpose = purpose_of_request(Action.RESET_FACTOR, {"subject": quoted}, {})
    assert purpose == purpose_of(Action.RESET_FACTOR, {"subject": subject})


def test_who_may_not_reset(api: Api) -> None:
    """Issue 7: one alone, the owner, without an own factor, and of another agency: to whom the
    officer looks non-existent."""
    app, _ = _enrol(api)
    boss, theirs = _app_of(api, BOSS), _app_of(api, THEIRS)
    now = api.fakes.clock()
    owner = {**SOMSRI, "roles": "supervisor"}
    answer = _reset(api, owner, otp=app.code(now))
    assert (answer.status, answer.json["reason"]) == (403, "own_factor")
    assert _reset(api, SOMSRI, otp=app.code(now)).json["reason"] == "role_missing"
    assert _reset(api, HEAD, otp="123456").json["reason"] == "factor_not_enrolled"
    assert _reset(api, BOSS).json["errors"][0]["pointer"] == "/otp"
    nobody = _reset(api, BOSS, "nobody", otp=boss.code(now))
    stranger = _reset(api, THEIRS, otp=theirs.code(now))
    assert nobody.status == stranger.status == 404
    assert {**nobody.json, "instance": ""} == {**stranger.json, "instance": ""}
    assert _reset(api, BOSS, otp=boss.code(now)).json["state"] == "asked"
    assert _reset(api, BOSS, otp=boss.code(now + STEP)).json["state"] == "asked"
    assert len(_state(api)["factors"]) == 1


def test_codes_and_factors_are_given_up_and_renewed(api: Api) -> None:
    """Issue 7 item 3: new recovery codes void the old; one's own factor is given up with it."""
    app, done = _enrol(api)
    new = api.call("POST", RECOVERY, body={"otp": app.code(api.fakes.clock())}, authorizer=SOMSRI)
    assert new.status == 200, new.text
    old = done.json["recovery_codes"][0]
    path = {"factor_id": done.json["factor"]["factor_id"]}
    body = {"otp": old}
    assert api.call("POST", REMOVAL, path=path, body=body, authorizer=SOMSRI).status == 403
    body = {"otp": new.json["recovery_codes"][0]}
    gone = api.call("POST", REMOVAL, path=path, body=body, authorizer=SOMSRI)
    assert gone.json["factors"] == []


def test_ids_of_others_are_nothing(api: Api) -> None:
    """Issue 7: IDOR on a factor's id, one of nobody, and one that is none."""
    _enrol(api)
    boss = _app_of(api, BOSS)
    for factor_id in ("factor-diw", "0" * 26, "../x", "ก"):
        path, body = {"factor_id": factor_id}, {"otp": "123456"}
        assert api.call("POST", REMOVAL, path=path, body=body, authorizer=SOMSRI).status == 404
        answer = api.call("POST", CONFIRMATION, path=path, body=body, authorizer=SOMSRI)
        assert answer.status == 404
    assert boss.officer in api.fakes.factors.keyrings


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"method": "sms"}, "/method"),
        ({"method": "totp", "label": "x" * 61}, "/label"),
        ({"method": "totp", "otp": 123456}, "/otp"),
        ({"method": "totp", "otp": "1" * 41}, "/otp"),
        ({"method": "totp", "otp": "123456", "assertion": {}}, ""),
        ({"method": "totp", "officer": "boss"}, "/officer"),
    ],
)
def test_bad_input(api: Api, body: dict[str, Any], pointer: str) -> None:
    """Issue 7: faults point at the field and quote no value."""
    answer = api.call("POST", FACTORS, body=body, authorizer=SOMSRI)
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
    assert "123456" not in answer.text


@pytest.mark.parametrize("what", [{"amount": 1.5}, {"list": [{"x": 0.1}]}])
def test_what_has_no_one_spelling_has_no_challenge(api: Api, what: dict[str, Any]) -> None:
    """P2: a purpose is a digest; floats have no canonical form, wherever they come from."""
    with pytest.raises(InvalidRequestError):
        purpose_of_request(Action.APPROVE_DOCUMENT, {}, what)
    body = {"action": "documents:approve", "what": what}
    answer = api.call("POST", CHALLENGES, body=body, authorizer=SOMSRI)
    assert (answer.status, answer.json["errors"][0]["code"]) == (422, "inexact_number")


def test_applications_have_no_second_factor(api: Api) -> None:
    """A13: who is nobody enrols nothing."""
    assert api.call("GET", FACTORS, authorizer=APPLICATION).json["reason"] == "role_missing"


def test_a_purpose_is_the_whole_request() -> None:
    """B7: the same body for another thing, or for another action, is another purpose; the factor
    itself and the order of members are none of it."""
    body = {"otp": "123456", "b": [1], "a": "ก"}
    purpose = purpose_of_request(Action.APPROVE_DOCUMENT, {"id": "1"}, body)
    assert purpose == purpose_of(Action.APPROVE_DOCUMENT, {"a": "ก", "id": "1", "b": [1]})
    same = json.loads(json.dumps({"a": "ก", "b": [1], "assertion": {}}))
    assert purpose_of_request(Action.APPROVE_DOCUMENT, {"id": "1"}, same) == purpose
    others = {
        purpose_of_request(Action.APPROVE_DOCUMENT, {"id": "2"}, body),
        purpose_of_request(Action.WITHDRAW_DOCUMENT, {"id": "1"}, body),
        purpose_of_request(Action.APPROVE_DOCUMENT, {"id": "1"}, {**body, "b": [1, 2]}),
    }
    assert len(others | {purpose}) == 4


def test_a_path_value_cannot_be_overwritten() -> None:
    """B7: a body that brings a member called like the path's cannot pass for another thing."""
    mine = purpose_of_request(Action.RESET_FACTOR, {"subject": "a"}, {})
    assert purpose_of_request(Action.RESET_FACTOR, {"subject": "a"}, {"subject": "b"}) == mine


def test_it_is_for_a_quarter_of_an_hour(api: Api) -> None:
    """Issue 7 item 3: what was begun and not confirmed is gone from the list too."""
    begun = _begin(api)
    assert [f["state"] for f in _state(api)["factors"]] == ["pending"]
    api.fakes.clock.advance(timedelta(minutes=15))
    assert _state(api)["factors"] == []
    assert _confirm(api, begun, otp=_app(begun).code(api.fakes.clock())).status == 404
