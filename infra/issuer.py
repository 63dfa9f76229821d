"""A development OIDC issuer: hands a token to whoever asks, without a password.

It stands in for the identity provider of the agencies, so that the API can be used on
one machine with the same JWT checks as in production. It warns when built and refuses
the stage `prod`. Keys live in memory only: a restart forgets them, and with them every
token. Follows OpenID Connect Discovery 1.0, RFC 7517, RFC 9068 and RFC 6749 §4.4. Its tokens
say who somebody is and nothing of roles: whom it signs in, `people.json` says, and what they may
do, the table of officers.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.kms import public_jwk, thumbprint
from chalicelib.domain.access import Action, Role
from chalicelib.domain.errors import ConfigurationError
from infra import people
from infra.devhttp import NOT_FOUND, Answer, Call

WARNING = """\
**************************************************************************
*  DEVELOPMENT ONLY: this OIDC issuer gives anybody any identity.
**************************************************************************"""

_ALL_SCOPES = " ".join(Action)
_SIGN_IN_PAGE = "tra-sign-in"
"""The client that people sign in with, as their tokens name it."""

_DEFAULT_LIFETIME = 3600  # seconds
_LONGEST_LIFETIME = 86_400  # seconds
_OLD_KEYS_STAY = timedelta(hours=1)  # longer than a default token lives


@dataclass(frozen=True, slots=True)
class _Key:
    private: ec.EllipticCurvePrivateKey
    jwk: dict[str, str]
    retired_at: datetime | None = None

    @classmethod
    def new(cls) -> _Key:
        private = ec.generate_private_key(ec.SECP256R1())
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        jwk = public_jwk(der)
        return cls(private, {**jwk, "use": "sig", "alg": "ES256", "kid": thumbprint(jwk)})


class DevelopmentIssuer:
    """Answers discovery, JWKS, token and rotation requests below `issuer`, its URL.

    `POST /token` (form) signs in, whichever is given first of
    - `client_id`: the application of that id, if `client_secret` is its own;
    - `sub`: the person of `people.json`, or anybody else of the `agency` that is given;
    - `agency` and `role` (repeatable): the first person there with exactly these roles, or the
      application for the role of that name.
    Besides: `scope` (all of them if not given), `expires_in` (seconds, 1 … 86400).
    Raises ConfigurationError for stage `prod`.
    """

    def __init__(self, issuer: str, audience: str, *, stage: str) -> None:
        if stage == "prod":
            raise ConfigurationError("The development issuer refuses to run for stage prod.")
        print(WARNING, file=sys.stderr)
        self.issuer = issuer.rstrip("/")
        self._audience = audience
        self._lock = threading.Lock()
        self._keys = [_Key.new()]

    def __call__(self, call: Call) -> Answer:
        match call.method, call.path:
            case "GET", "/.well-known/openid-configuration":
                return self._discovery()
            case "GET", "/jwks.json":
                return Answer.of_json({"keys": [key.jwk for key in self._published()]})
            case "POST", "/token":
                return self._token(parse_qs(call.body.decode("utf-8", "replace")))
            case "POST", "/rotate":
                return Answer.of_json({"kid": self.rotate()})
            case _:
                return NOT_FOUND

    def rotate(self) -> str:
        """Sign with a new key from now on, and return its `kid`. The old one stays
        published for an hour, so that tokens it signed keep working."""
        with self._lock:
            old = self._keys[-1]
            self._keys[-1] = _Key(old.private, old.jwk, datetime.now(UTC))
            self._keys.append(_Key.new())
            return self._keys[-1].jwk["kid"]

    def _published(self) -> list[_Key]:
        oldest = datetime.now(UTC) - _OLD_KEYS_STAY
        with self._lock:
            self._keys = [k for k in self._keys if k.retired_at is None or k.retired_at > oldest]
            return list(self._keys)

    def _discovery(self) -> Answer:
        return Answer.of_json(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks.json",
                "token_endpoint": f"{self.issuer}/token",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }
        )

    def _token(self, form: dict[str, list[str]]) -> Answer:
        try:
            lifetime, who = _asked_lifetime(form), _who(form)
        except _RefusedError as refused:
            return refused.answer
        scope = form.get("scope", [_ALL_SCOPES])[0]
        return Answer.of_json(
            {
                "access_token": self.signed({**who, "scope": scope}, lifetime),
                "token_type": "Bearer",
                "expires_in": lifetime,
                "scope": scope,
            }
        )

    def signed(self, who: dict[str, Any], lifetime: int = _DEFAULT_LIFETIME) -> str:
        """A token with these claims and the usual ones, which `who` may replace."""
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": uuid4().hex,
            **who,
        }
        key = self._published()[-1]
        return jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.jwk["kid"]})


class _RefusedError(Exception):
    """There is no token for this form; the answer says why (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        body = {"error": error, "error_description": description}
        self.answer = Answer.of_json(body, status)


def _who(form: dict[str, list[str]]) -> dict[str, str]:
    """Claims that name whoever the form asks for. Raises _RefusedError."""
    given = {name: values[0] for name, values in form.items()}
    if "client_id" in given:
        found = people.application(given["client_id"])
        if found is None or found.secret != given.get("client_secret"):
            raise _RefusedError("invalid_client", "client_id or client_secret is wrong", 401)
        return _application_claims(found)
    if "sub" in given:
        known = people.person(given["sub"])
        agency_id = given.get("agency") or (known.agency_id if known else None)
        if agency_id is None:
            raise _RefusedError("invalid_request", "not in people.json: name the agency, too")
        return _person_claims(given["sub"], agency_id, known)
    if "agency" not in given:
        raise _RefusedError("invalid_request", "agency is missing")
    return _chosen(given["agency"], frozenset(form.get("role", [Role.CLERK])))


def _chosen(agency_id: str, roles: frozenset[str]) -> dict[str, str]:
    if roles == {Role.APPLICATION}:
        return _application_claims(people.applications_of(agency_id)[0])
    known = people.person_with(agency_id, roles)
    if known is None:
        raise _RefusedError("invalid_request", "nobody in people.json has exactly these roles")
    return _person_claims(known.subject, agency_id, known)


def _application_claims(found: people.Application) -> dict[str, str]:
    """RFC 9068 §2.2: without a person the subject is the client."""
    return {"sub": found.client_id, "client_id": found.client_id, "agency": found.agency_id}


def _person_claims(subject: str, agency_id: str, known: people.Person | None) -> dict[str, str]:
    name = {"name": known.name_th} if known else {}
    return {"sub": subject, "client_id": _SIGN_IN_PAGE, "agency": agency_id, **name}


def _asked_lifetime(form: dict[str, list[str]]) -> int:
    """Seconds. Raises _RefusedError."""
    if form.get("grant_type", ["client_credentials"]) != ["client_credentials"]:
        raise _RefusedError("unsupported_grant_type", "grant_type must be client_credentials")
    text = form.get("expires_in", [str(_DEFAULT_LIFETIME)])[0]
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _LONGEST_LIFETIME:
        raise _RefusedError("invalid_request", f"expires_in must be 1 … {_LONGEST_LIFETIME}")
    return int(text)
