"""Tokens: every reason to refuse one, key rotation, and how seldom the issuer is asked."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chalicelib.adapters.oidc import JwksVerifier
from chalicelib.domain.errors import ConfigurationError, UnauthenticatedError, UnavailableError
from infra.devhttp import Call
from infra.issuer import DevelopmentIssuer

ISSUER = "https://issuer.test/oidc"
AUDIENCE = "tra"


class Clock:
    """The real time, plus what a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Wire:
    """From the verifier to the real development issuer; counts, and can be cut."""

    def __init__(self, issuer: DevelopmentIssuer) -> None:
        self.issuer = issuer
        self.cut = False
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if self.cut:
            raise UnavailableError("cut")
        answer = self.issuer(Call("GET", url.removeprefix(ISSUER)))
        assert answer.status == 200
        return answer.body

    @property
    def key_fetches(self) -> int:
        return sum(url.endswith("/jwks.json") for url in self.asked)


@pytest.fixture
def issuer() -> DevelopmentIssuer:
    return DevelopmentIssuer(ISSUER, AUDIENCE, stage="local")


@pytest.fixture
def wire(issuer: DevelopmentIssuer) -> Wire:
    return Wire(issuer)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(wire: Wire, clock: Clock) -> JwksVerifier:
    return JwksVerifier(ISSUER, AUDIENCE, clock=clock, fetch=wire)


def token(issuer: DevelopmentIssuer, **form: Any) -> str:
    body = urlencode({"agency": "diw", "role": ["clerk", "approver"], **form}, doseq=True)
    answer = issuer(Call("POST", "/token", body.encode()))
    assert answer.status == 200
    return str(json.loads(answer.body)["access_token"])


def signed_by_issuer(issuer: DevelopmentIssuer, **changes: Any) -> str:
    """A token with the issuer's own key, whose claims differ; None takes one away."""
    key = issuer._keys[-1]
    claims = jwt.decode(token(issuer), options={"verify_signature": False}) | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    # By hand, because PyJWT refuses to write some of what others may send.
    body = json.dumps(claims).encode()
    return jwt.PyJWS().encode(body, key.private, algorithm="ES256", headers={"kid": key.jwk["kid"]})


def reason(verifier: JwksVerifier, presented: str | None) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        verifier.verify(presented)
    assert refused.value.detail_th != refused.value.detail
    assert presented is None or len(presented) < 20 or presented not in str(refused.value)
    return refused.value.reason


def test_accepts_a_good_token(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: who the caller is comes from the token, exactly as the issuer said it."""
    claims = verifier.verify(token(issuer, clearance="secret", scope="documents:read"))
    assert claims["agency"] == "diw"
    assert claims["roles"] == ["clerk", "approver"]
    assert claims["clearance"] == "secret"
    assert claims["scope"] == "documents:read"


@pytest.mark.parametrize("presented", [None, ""])
def test_missing(verifier: JwksVerifier, presented: str | None) -> None:
    """A11: nobody passes without a token."""
    assert reason(verifier, presented) == "missing"


@pytest.mark.parametrize("presented", ["x", "a.b.c", "ก.ข.ค", "....", "e30.e30.e30", "x" * 20_000])
def test_malformed(verifier: JwksVerifier, wire: Wire, presented: str) -> None:
    """A11: what is not a JWT is refused without asking the issuer anything."""
    assert reason(verifier, presented) in {"malformed", "bad_algorithm"}
    assert wire.asked == []


def test_expired(issuer: DevelopmentIssuer, verifier: JwksVerifier, clock: Clock) -> None:
    """A11: a token ends when it says, give or take the leeway of 5 seconds."""
    short = token(issuer, expires_in=60)
    clock.ahead = timedelta(seconds=63)
    assert verifier.verify(short)["agency"] == "diw"
    clock.ahead = timedelta(seconds=66)
    assert reason(verifier, short) == "expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_not_yet_valid(issuer: DevelopmentIssuer, verifier: JwksVerifier, claim: str) -> None:
    """A11: a token from the future is refused."""
    later = int(datetime.now(UTC).timestamp()) + 60
    assert reason(verifier, signed_by_issuer(issuer, **{claim: later})) == "not_yet_valid"


def test_wrong_issuer(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: only the configured issuer speaks for agencies."""
    assert reason(verifier, signed_by_issuer(issuer, iss="https://other.test")) == "wrong_issuer"


@pytest.mark.parametrize("audience", ["other", ["other", "another"], {"tra": 1}])
def test_wrong_audience(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, audience: object
) -> None:
    """P6: a token meant for another service does not work here."""
    assert reason(verifier, signed_by_issuer(issuer, aud=audience)) == "wrong_audience"


def test_one_of_several_audiences(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: an audience may be a list (RFC 7519 §4.1.3)."""
    assert verifier.verify(signed_by_issuer(issuer, aud=["other", AUDIENCE]))["agency"] == "diw"


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "agency"])
def test_missing_claim(issuer: DevelopmentIssuer, verifier: JwksVerifier, claim: str) -> None:
    """P6: without these claims nothing can be decided."""
    assert reason(verifier, signed_by_issuer(issuer, **{claim: None})) == "missing_claim"


@pytest.mark.parametrize("agency", [7, "", ["diw"], True])
def test_agency_must_be_a_name(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, agency: object
) -> None:
    """P6: an agency that is not a string could compare equal to none or to all."""
    assert reason(verifier, signed_by_issuer(issuer, agency=agency)) == "missing_claim"


@pytest.mark.parametrize("value", ["soon", True, float("nan"), float("inf")])
def test_times_must_be_numbers(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, value: object
) -> None:
    """A11: an expiry that cannot be compared must not count as never."""
    assert reason(verifier, signed_by_issuer(issuer, exp=value)) == "malformed"


def test_altered_claims(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: changing the agency inside a genuine token breaks it."""
    head, body, signature = token(issuer).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = json.dumps(claims | {"agency": "rd"}).encode()
    body = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
    assert reason(verifier, f"{head}.{body}.{signature}") == "bad_signature"


def test_forged_with_known_kid(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: naming the issuer's key does not help who does not have it."""
    key_id = jwt.get_unverified_header(token(issuer))["kid"]
    own = ec.generate_private_key(ec.SECP256R1())
    forged = jwt.encode({"agency": "diw"}, own, algorithm="ES256", headers={"kid": key_id})
    assert reason(verifier, forged) == "bad_signature"


def test_unknown_key(verifier: JwksVerifier) -> None:
    """P6: a key the issuer does not publish is no key."""
    own = ec.generate_private_key(ec.SECP256R1())
    assert reason(verifier, jwt.encode({}, own, algorithm="ES256", headers={"kid": "x"})) == (
        "unknown_key"
    )
    assert reason(verifier, jwt.encode({}, own, algorithm="ES256")) == "unknown_key"


def test_symmetric_and_no_algorithm(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: `none`, and HMAC with the published key as secret, are refused (RFC 8725 §3.1)."""
    key_id = jwt.get_unverified_header(token(issuer))["kid"]
    header = {"kid": key_id}
    published = issuer._keys[-1].jwk["x"]  # PyJWT refuses to take the whole JWK as secret
    unsigned = jwt.encode({"agency": "diw"}, "", algorithm="none", headers=header)
    hmac = jwt.encode({"agency": "diw"}, published, algorithm="HS256", headers=header)
    assert reason(verifier, unsigned) == "bad_algorithm"
    assert reason(verifier, hmac) == "bad_algorithm"


def test_algorithm_of_another_key_kind(issuer: DevelopmentIssuer, verifier: JwksVerifier) -> None:
    """P6: the key decides the algorithm, not the token (RFC 8725 §3.1)."""
    key_id = jwt.get_unverified_header(token(issuer))["kid"]
    own = rsa.generate_private_key(65537, 2048)
    forged = jwt.encode({"agency": "diw"}, own, algorithm="RS256", headers={"kid": key_id})
    assert reason(verifier, forged) == "bad_algorithm"


def test_keys_are_cached(issuer: DevelopmentIssuer, verifier: JwksVerifier, wire: Wire) -> None:
    """One fetch serves many tokens, so the issuer is no bottleneck."""
    for _ in range(20):
        verifier.verify(token(issuer))
    assert wire.key_fetches == 1


def test_cache_ends(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, wire: Wire, clock: Clock
) -> None:
    """P6: a key the issuer withdrew stops working after the time to live."""
    old = token(issuer, expires_in=86_400)
    verifier.verify(old)
    issuer.rotate()
    issuer._keys = issuer._keys[-1:]  # withdrawn at once
    assert verifier.verify(old)["agency"] == "diw"
    clock.ahead = timedelta(minutes=11)
    assert reason(verifier, old) == "unknown_key"
    assert wire.key_fetches == 2


def test_rotation(issuer: DevelopmentIssuer, verifier: JwksVerifier, clock: Clock) -> None:
    """P6: after a rotation new tokens work at once, and old ones until they end."""
    old = token(issuer)
    verifier.verify(old)
    clock.ahead = timedelta(seconds=11)
    issuer.rotate()
    assert verifier.verify(token(issuer))["agency"] == "diw"
    assert verifier.verify(old)["agency"] == "diw"


def test_forged_key_ids_do_not_hammer_the_issuer(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, wire: Wire, clock: Clock
) -> None:
    """A flood of made-up key ids costs the issuer one request in ten seconds."""
    verifier.verify(token(issuer))
    clock.ahead = timedelta(seconds=11)
    own = ec.generate_private_key(ec.SECP256R1())
    for number in range(100):
        forged = jwt.encode({}, own, algorithm="ES256", headers={"kid": f"made-up-{number}"})
        assert reason(verifier, forged) == "unknown_key"
    assert wire.key_fetches == 2
    clock.ahead = timedelta(seconds=22)
    assert reason(verifier, jwt.encode({}, own, algorithm="ES256", headers={"kid": "y"})) == (
        "unknown_key"
    )
    assert wire.key_fetches == 3


def test_works_while_the_issuer_is_down(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, wire: Wire, clock: Clock
) -> None:
    """P4: with cached keys the API goes on, even past their time to live."""
    long = token(issuer, expires_in=86_400)
    verifier.verify(long)
    wire.cut = True
    clock.ahead = timedelta(hours=2)
    assert verifier.verify(long)["agency"] == "diw"


def test_unavailable_without_any_key(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, wire: Wire, clock: Clock
) -> None:
    """P4: an issuer never reached is a fault that heals, not a bad token."""
    wire.cut = True
    for _ in range(10):
        with pytest.raises(UnavailableError):
            verifier.verify(token(issuer))
    assert len(wire.asked) == 1
    wire.cut = False
    clock.ahead = timedelta(seconds=11)
    assert verifier.verify(token(issuer))["agency"] == "diw"


@pytest.mark.parametrize(
    "document",
    [b"<html>", b"[]", b'{"issuer": "https://other.test", "jwks_uri": "https://other.test/k"}'],
)
def test_foreign_discovery_document(
    issuer: DevelopmentIssuer, clock: Clock, document: bytes
) -> None:
    """P6: a discovery document that is not the issuer's own brings no keys (§4.3)."""
    verifier = JwksVerifier(ISSUER, AUDIENCE, clock=clock, fetch=lambda _: document)
    with pytest.raises(UnavailableError):
        verifier.verify(token(issuer))


def test_issuer_refuses_production() -> None:
    """P6: the issuer that gives anybody any identity cannot run where documents bind."""
    with pytest.raises(ConfigurationError):
        DevelopmentIssuer(ISSUER, AUDIENCE, stage="prod")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"agency": ""},
        {"agency": "diw", "expires_in": "0"},
        {"agency": "diw", "expires_in": "-1"},
        {"agency": "diw", "expires_in": "๑๐"},
        {"agency": "diw", "grant_type": "password"},
    ],
)
def test_issuer_refuses_bad_forms(issuer: DevelopmentIssuer, form: dict[str, str]) -> None:
    """The development issuer answers a bad form as RFC 6749 §5.2 says, and gives no token."""
    answer = issuer(Call("POST", "/token", urlencode(form).encode()))
    assert answer.status == 400
    assert "access_token" not in json.loads(answer.body)
