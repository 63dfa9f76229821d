"""Tokens: every reason to refuse one, key rotation, and how seldom the issuer is asked."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
    body = urlencode({"agency": "diw", "role": "clerk", **form}).encode()
    answer = issuer(Call("POST", "/token", body))
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
    person = verifier.verify(token(issuer, scope="documents:read files:read"))
    assert (person.agency_id, person.subject, person.client_id) == ("diw", "diw-clerk", None)
    assert person.scopes == {"documents:read", "files:read"}
    application = verifier.verify(token(issuer, role="application"))
    assert (application.agency_id, application.client_id) == ("diw", "diw-app")


def test_roles_and_clearance_of_a_token_are_not_even_read(
    issuer: DevelopmentIssuer, verifier: JwksVerifier
) -> None:
    """Issue 7.2: no claim about roles or clearance becomes anything."""
    plain = verifier.verify(token(issuer))
    boasting = signed_by_issuer(
        issuer,
        roles=["administrator", "registrar"],
        role="administrator",
        clearance="secret",
        groups=["registrar"],
        appointment_id="A1",
    )
    assert replace(verifier.verify(boasting), until=plain.until) == plain


@pytest.mark.parametrize("presented", [None, ""])
def test_missing(verifier: JwksVerifier, presented: str | None) -> None:
    """A11: nobody passes without a token."""
    assert reason(verifier, presented) == "missing"


@pytest.mark.parametrize("presented", ["x", "a.b.c", "ก.ข.ค", "....", "e30.e30.e30", "x" * 20_000])
def test_malformed(verifier: JwksVerifier, wire: Wire, presented: str) -> None:
    """A11: what is not a JWT is refused without asking the issuer anything."""
    assert reason(verifier, presented) in {"malformed", "bad_algorithm"}
    assert wire.asked == []


@pytest.mark.parametrize("leeway", [0, 5, 60])
def test_expired(issuer: DevelopmentIssuer, wire: Wire, leeway: int) -> None:
    """A11: a token ends when it says, give or take the tolerance, and not a second later."""
    ends = int(datetime.now(UTC).timestamp()) + 600
    presented = signed_by_issuer(issuer, exp=ends)
    moment = datetime.fromtimestamp(ends + leeway - 1, UTC)
    tolerance = timedelta(seconds=leeway)
    before = JwksVerifier(ISSUER, AUDIENCE, clock=lambda: moment, fetch=wire, leeway=tolerance)
    assert before.verify(presented).until == ends + leeway
    late = moment + timedelta(seconds=1)
    after = JwksVerifier(ISSUER, AUDIENCE, clock=lambda: late, fetch=wire, leeway=tolerance)
    assert reason(after, presented) == "expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize("leeway", [0, 5, 60])
def test_not_yet_valid(issuer: DevelopmentIssuer, wire: Wire, claim: str, leeway: int) -> None:
    """A11: a token from the future is refused, from one second beyond the tolerance."""
    begins = int(datetime.now(UTC).timestamp())
    moment = datetime.fromtimestamp(begins - leeway, UTC)
    tolerance = timedelta(seconds=leeway)
    long_ago = {"iat": begins - 600, "nbf": begins - 600}
    presented = signed_by_issuer(issuer, **{**long_ago, claim: begins})
    there = JwksVerifier(ISSUER, AUDIENCE, clock=lambda: moment, fetch=wire, leeway=tolerance)
    assert there.verify(presented).agency_id == "diw"
    early = moment - timedelta(seconds=1)
    before = JwksVerifier(ISSUER, AUDIENCE, clock=lambda: early, fetch=wire, leeway=tolerance)
    assert reason(before, presented) == "not_yet_valid"


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
    assert verifier.verify(signed_by_issuer(issuer, aud=["other", AUDIENCE])).agency_id == "diw"


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "agency"])
def test_missing_claim(issuer: DevelopmentIssuer, verifier: JwksVerifier, claim: str) -> None:
    """P6: without these claims nothing can be decided."""
    assert reason(verifier, signed_by_issuer(issuer, **{claim: None})) == "missing_claim"


@pytest.mark.parametrize(
    "agency", [7, ["diw"], {"a": 1}, True, "diw#x", "diw/x", "ก", "diw ", "d" * 65]
)
def test_agency_must_be_a_name(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, agency: object
) -> None:
    """P6: an agency that is no name could compare equal to none, to all, or to part of a key."""
    assert reason(verifier, signed_by_issuer(issuer, agency=agency)) == "malformed"


@pytest.mark.parametrize("subject", [7, ["a"], "a\nb", "a\u202eb", " a", "a" * 256])
def test_subject_must_be_a_name(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, subject: object
) -> None:
    """P6: a subject is one line of at most 255 characters (OpenID Connect Core, section 2)."""
    assert reason(verifier, signed_by_issuer(issuer, sub=subject)) == "malformed"


@pytest.mark.parametrize(
    "value", ["soon", True, float("nan"), float("inf"), -1, 2**53 + 1, 10**400]
)
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


def _by_hand(header: dict[str, Any], claims: dict[str, Any], signature: bytes | None) -> bytes:
    """What is signed, or the whole token if there is a signature: no library writes the like."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode()]
    parts += [] if signature is None else [signature]
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "diw-head",
    "agency": "diw",
    "iat": 0,
    "exp": 2**33,
}


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS256"])
def test_no_algorithm(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, algorithm: str | None
) -> None:
    """RFC 8725 §3.1: `none` is no signature, however it is written."""
    key_id = issuer._keys[-1].jwk["kid"]
    unsigned = _by_hand({"alg": algorithm, "kid": key_id}, CLAIMS, b"").decode()
    assert reason(verifier, unsigned) in {"bad_algorithm", "malformed"}


@pytest.mark.parametrize("secret", ["pem", "der", "jwk", "x"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_secret(
    issuer: DevelopmentIssuer, verifier: JwksVerifier, secret: str, algorithm: str
) -> None:
    """RFC 8725 §3.1 (key confusion): HMAC with the published key, in whatever form."""
    key = issuer._keys[-1]
    public = key.private.public_key()
    form = PublicFormat.SubjectPublicKeyInfo
    secrets = {
        "pem": public.public_bytes(Encoding.PEM, form),
        "der": public.public_bytes(Encoding.DER, form),
        "jwk": json.dumps(key.jwk).encode(),
        "x": key.jwk["x"].encode(),
    }
    header = {"alg": algorithm, "kid": key.jwk["kid"], "typ": "JWT"}
    signing = _by_hand(header, CLAIMS, None)
    digest = hmac.digest(secrets[secret], signing, f"sha{algorithm[2:]}")
    forged = _by_hand(header, CLAIMS, digest).decode()
    assert reason(verifier, forged) == "bad_algorithm"


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/proc/self/environ",
        "https://evil.test/jwks.json",
        "' OR '1'='1",
        "x" * 4000,
        "",
        None,
        7,
        ["a"],
        {"a": 1},
    ],
)
def test_a_kid_leads_nowhere(verifier: JwksVerifier, wire: Wire, kid: object) -> None:
    """RFC 8725 §3.10: a key id is looked up among the published ones, and is no path, address or
    query; and a key that the token brings along is no key."""
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    there = "https://evil.test/jwks.json"
    header = {"alg": "ES256", "kid": kid, "jwk": {**jwk, "kid": kid}, "jku": there, "x5u": there}
    signing = _by_hand(header, CLAIMS, None)
    r, s = decode_dss_signature(own.sign(signing, ec.ECDSA(hashes.SHA256())))
    forged = _by_hand(header, CLAIMS, r.to_bytes(32) + s.to_bytes(32)).decode()
    assert reason(verifier, forged) in {"unknown_key", "malformed"}
    assert all(url.startswith(ISSUER) for url in wire.asked)


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
    assert verifier.verify(old).agency_id == "diw"
    clock.ahead = timedelta(minutes=11)
    assert reason(verifier, old) == "unknown_key"
    assert wire.key_fetches == 2


def test_rotation(issuer: DevelopmentIssuer, verifier: JwksVerifier, clock: Clock) -> None:
    """P6: after a rotation new tokens work at once, and old ones until they end."""
    old = token(issuer)
    verifier.verify(old)
    clock.ahead = timedelta(seconds=11)
    issuer.rotate()
    assert verifier.verify(token(issuer)).agency_id == "diw"
    assert verifier.verify(old).agency_id == "diw"


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
    assert verifier.verify(long).agency_id == "diw"


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
    assert verifier.verify(token(issuer)).agency_id == "diw"


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
        {"agency": "diw", "role": "emperor"},
        {"sub": "diw-nobody"},
        {"client_id": "diw-app"},
        {"client_id": "diw-app", "client_secret": "not-a-secret-of-rd"},
        {"client_id": "diw-clerk", "client_secret": "not-a-secret-of-diw"},
    ],
)
def test_issuer_refuses_bad_forms(issuer: DevelopmentIssuer, form: dict[str, str]) -> None:
    """The development issuer answers a bad form as RFC 6749 §5.2 says, and gives no token."""
    answer = issuer(Call("POST", "/token", urlencode(form).encode()))
    assert answer.status == (401 if "client_id" in form else 400)
    assert "access_token" not in json.loads(answer.body)


@pytest.mark.parametrize(
    ("form", "who"),
    [
        ({"agency": "diw"}, ("diw", "diw-clerk", None)),
        ({"agency": "rd", "role": "approver"}, ("rd", "rd-approver", None)),
        ({"sub": "rd-approver2"}, ("rd", "rd-approver2", None)),
        ({"sub": "somebody", "agency": "rd"}, ("rd", "somebody", None)),
        ({"agency": "rd", "role": "application"}, ("rd", "rd-app", "rd-app")),
        (
            {"client_id": "rd-app", "client_secret": "not-a-secret-of-rd"},
            ("rd", "rd-app", "rd-app"),
        ),
    ],
)
def test_issuer_signs_in_the_people_listed(
    issuer: DevelopmentIssuer,
    verifier: JwksVerifier,
    form: dict[str, str],
    who: tuple[str, str, str | None],
) -> None:
    """Issue 7.2: the local stack has people and applications of its own, the same every time."""
    answer = issuer(Call("POST", "/token", urlencode(form).encode()))
    assert answer.status == 200, answer.body
    found = verifier.verify(json.loads(answer.body)["access_token"])
    assert (found.agency_id, found.subject, found.client_id) == who
