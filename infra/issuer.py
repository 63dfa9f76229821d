"""A development OIDC issuer: hands a token to whoever asks.

It stands in for the identity provider of the agencies, so that the API can be used on
one machine with the same JWT checks as in production. It warns when built and refuses
the stage `prod`. Keys live in memory only: a restart forgets them, and with them every
token. Follows OpenID Connect Discovery 1.0, RFC 7517 and RFC 6749 §4.4.
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
from chalicelib.domain.access import Action
from chalicelib.domain.errors import ConfigurationError
from infra.devhttp import NOT_FOUND, Answer, Call

WARNING = """\
**************************************************************************
*  DEVELOPMENT ONLY: this OIDC issuer gives anybody any identity.
**************************************************************************"""

_ALL_SCOPES = " ".join(Action)
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

    `POST /token` (form): `agency` (required), `role` (repeatable), `sub`, `name`,
    `clearance`, `scope` (all of them if not given), `expires_in` (seconds, 1 … 86400).
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
        if form.get("grant_type", ["client_credentials"]) != ["client_credentials"]:
            return _refusal("unsupported_grant_type", "grant_type must be client_credentials")
        if not form.get("agency"):
            return _refusal("invalid_request", "agency is missing")
        lifetime = _lifetime(form)
        if lifetime is None:
            return _refusal("invalid_request", f"expires_in must be 1 … {_LONGEST_LIFETIME}")
        claims = self._claims(form, lifetime)
        key = self._published()[-1]
        token = jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.jwk["kid"]})
        return Answer.of_json(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": lifetime,
                "scope": claims["scope"],
            }
        )

    def _claims(self, form: dict[str, list[str]], lifetime: int) -> dict[str, Any]:
        agency = form["agency"][0]
        roles = form.get("role", [])
        now = int(datetime.now(UTC).timestamp())
        return {
            "iss": self.issuer,
            "aud": self._audience,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": uuid4().hex,
            "sub": form.get("sub", [f"{agency}-{'-'.join(roles) or 'app'}"])[0],
            "name": form.get("name", [f"Development officer of {agency}"])[0],
            "agency": agency,
            "roles": roles,
            "clearance": form.get("clearance", ["normal"])[0],
            "scope": form.get("scope", [_ALL_SCOPES])[0],
        }


def _lifetime(form: dict[str, list[str]]) -> int | None:
    text = form.get("expires_in", [str(_DEFAULT_LIFETIME)])[0]
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _LONGEST_LIFETIME:
        return None
    return int(text)


def _refusal(error: str, description: str) -> Answer:
    """RFC 6749 §5.2."""
    return Answer.of_json({"error": error, "error_description": description}, 400)
