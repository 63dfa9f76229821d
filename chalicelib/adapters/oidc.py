"""Bearer tokens: JWTs of one OIDC issuer, checked against its published keys.

RFC 7519, RFC 8725 (best practice), OpenID Connect Discovery 1.0. Keys are cached per
container; nothing else is kept, and no token is ever logged or quoted in an error.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import jwt
import urllib3

from chalicelib.domain.errors import UnauthenticatedError, UnavailableError
from chalicelib.domain.identity import USUAL_NAMES, ClaimError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from jwt.types import Options

    from chalicelib.domain.identity import ClaimNames, Identity
    from chalicelib.ports import Clock

# Asymmetric ones only: with HS256 a published key would be the secret, `none` is no
# signature (RFC 8725 §3.1).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_REQUIRED = ("exp", "iat", "iss", "aud")
_LAST_INSTANT = 2**53  # beyond it a JSON number is not exact (RFC 8259 §6)

# PyJWT would read the system's clock; claims are checked here with ours.
_SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}

_OK = 200
_LARGEST_ANSWER = 256 * 1024  # bytes
_LONGEST_TOKEN = 16 * 1024  # characters; API Gateway allows 10 kB of headers

_THAI = {
    "missing": "ต้องแสดงโทเคน (Authorization: Bearer …)",
    "malformed": "รูปแบบโทเคนไม่ถูกต้อง",
    "expired": "โทเคนหมดอายุแล้ว โปรดขอใหม่",
    "not_yet_valid": "โทเคนยังไม่เริ่มมีผล",
    "wrong_issuer": "โทเคนไม่ได้ออกโดยผู้ให้บริการที่ระบบนี้ยอมรับ",
    "wrong_audience": "โทเคนไม่ได้ออกให้ใช้กับระบบนี้",
    "bad_signature": "ลายมือชื่อของโทเคนไม่ถูกต้อง",
    "unknown_key": "โทเคนลงลายมือชื่อด้วยกุญแจที่ไม่รู้จัก",
    "bad_algorithm": "โทเคนใช้อัลกอริทึมที่ไม่อนุญาต",
    "missing_claim": "โทเคนขาดข้อมูลที่จำเป็น",
}


@dataclass(slots=True)
class _Keys:
    """The issuer's keys by `kid`, when they were fetched and when last asked for."""

    by_id: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    fetched_at: datetime | None = None
    tried_at: datetime | None = None


class JwksVerifier:
    """Verifies tokens of `issuer` for `audience`.

    Keys are fetched at first use, again after `ttl`, and at once for an unknown `kid`,
    but never more often than every `refetch_after`: a flood of forged key ids cannot
    hammer the issuer. While the issuer is down, keys once fetched keep working.
    `names` says how the issuer calls its claims, `leeway` forgives clocks that differ. `fetch` (URL → body; raises UnavailableError)
    is HTTP unless given.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        clock: Clock,
        fetch: Callable[[str], bytes] | None = None,
        names: ClaimNames = USUAL_NAMES,
        leeway: timedelta = timedelta(seconds=5),
        ttl: timedelta = timedelta(minutes=10),
        refetch_after: timedelta = timedelta(seconds=10),
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._fetch = fetch or HttpFetcher()
        self._names = names
        self._leeway = leeway
        self._ttl = ttl
        self._refetch_after = refetch_after
        self._lock = threading.Lock()
        self._keys = _Keys()

    def verify(self, token: str | None) -> Identity:
        """Whom a token that can be trusted names.

        Raises UnauthenticatedError with `reason` one of missing, malformed, expired,
        not_yet_valid, wrong_issuer, wrong_audience, bad_signature, unknown_key,
        bad_algorithm, missing_claim; UnavailableError if the issuer's keys were never
        had and cannot be had now.
        """
        # 1. Read the header, which nothing vouches for yet.
        if not token:
            _refuse("missing", "A bearer token is needed.")
        algorithm, key_id = _header(token)
        # 2. Find the key it names; the key, not the token, decides what it signs.
        key = self._key(key_id)
        if not _fits(key, algorithm):
            _refuse("bad_algorithm", "The token's algorithm is not that of its key.")
        # 3. Check the signature, then the claims.
        claims = _signed_claims(token, key, algorithm)
        self._check_claims(claims)
        return self._identity(claims)

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        for name in _REQUIRED:
            if claims.get(name) in (None, ""):
                _refuse("missing_claim", f"The token lacks the claim {name}.")
        if claims["iss"] != self._issuer:
            _refuse("wrong_issuer", "The token comes from another issuer.")
        if self._audience not in _audiences(claims["aud"]):
            _refuse("wrong_audience", "The token is meant for another service.")
        now, leeway = self._clock().timestamp(), self._leeway.total_seconds()
        if now >= _instant(claims, "exp") + leeway:
            _refuse("expired", "The token has expired.")
        for name in ("iat", "nbf"):
            if name in claims and now < _instant(claims, name) - leeway:
                _refuse("not_yet_valid", "The token is not valid yet.")

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        until = int(_instant(claims, "exp") + self._leeway.total_seconds())
        try:
            return self._names.identity(claims, until=until)
        except ClaimError as error:
            if error.missing:
                _refuse("missing_claim", f"The token lacks the claim {error}.")
            _refuse("malformed", f"The claim {error} is not what it should be.")

    def _key(self, key_id: str) -> jwt.PyJWK:
        with self._lock:
            if self._is_stale() or key_id not in self._keys.by_id:
                self._refetch()
            key = self._keys.by_id.get(key_id)
        if key is None:
            _refuse("unknown_key", "The token was signed with an unknown key.")
        return key

    def _is_stale(self) -> bool:
        fetched_at = self._keys.fetched_at
        return fetched_at is None or self._clock() - fetched_at >= self._ttl

    def _refetch(self) -> None:
        """Fetch the keys, unless somebody just tried. Keeps the old ones on failure."""
        now, tried_at = self._clock(), self._keys.tried_at
        if tried_at is not None and now - tried_at < self._refetch_after:
            self._require_some()
            return
        self._keys.tried_at = now
        try:
            self._keys.by_id = self._published()
        except UnavailableError:
            self._require_some()
            return
        self._keys.fetched_at = now

    def _require_some(self) -> None:
        if self._keys.fetched_at is None:
            raise UnavailableError(
                "The identity provider does not answer.", "ระบบยืนยันตัวตนไม่ตอบสนอง"
            )

    def _published(self) -> dict[str, jwt.PyJWK]:
        discovery = self._json(f"{self._issuer}/.well-known/openid-configuration")
        # Discovery §4.3: another issuer's document would bring another issuer's keys.
        if discovery.get("issuer") != self._issuer:
            raise UnavailableError("The identity provider's discovery document is not its own.")
        keys = self._json(str(discovery.get("jwks_uri", ""))).get("keys")
        return _usable(keys if isinstance(keys, list) else [])

    def _json(self, url: str) -> Mapping[str, Any]:
        try:
            value = json.loads(self._fetch(url))
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise UnavailableError("The identity provider answered with something else than JSON.")
        return value


class HttpFetcher:
    """GET with `timeout` (seconds, in all), one retry, no redirects."""

    def __init__(self, timeout: float = 3.0) -> None:
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=timeout),
            retries=urllib3.Retry(total=1, redirect=0, backoff_factor=0.1),
        )

    def __call__(self, url: str) -> bytes:
        """The body of a 200. Raises UnavailableError otherwise."""
        try:
            answer = self._pool.request("GET", url, preload_content=False)
            body = answer.read(_LARGEST_ANSWER + 1)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError("The identity provider did not answer.") from error
        if answer.status != _OK or len(body) > _LARGEST_ANSWER:
            raise UnavailableError(f"The identity provider answered with status {answer.status}.")
        return body


def _header(token: str) -> tuple[str, str]:
    """`alg` and `kid`. A token without `kid` cannot name its key."""
    if len(token) > _LONGEST_TOKEN:
        _refuse("malformed", "The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        _refuse("malformed", "The token is not a JWT.")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        _refuse("bad_algorithm", "The token's algorithm is not accepted.")
    if not isinstance(key_id, str):
        _refuse("unknown_key", "The token does not say which key signed it.")
    return algorithm, key_id


def _signed_claims(token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
    except jwt.InvalidSignatureError:
        _refuse("bad_signature", "The token's signature is wrong.")
    except jwt.InvalidTokenError:
        _refuse("malformed", "The token is not a JWT.")


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    """PyJWT binds each key to one algorithm; RSA keys without `alg` serve RS256 only."""
    return key.algorithm_name == algorithm


def _usable(keys: list[Any]) -> dict[str, jwt.PyJWK]:
    """Signing keys we can use, by `kid`; others (RFC 7517 §5) are passed over."""
    usable = {}
    for jwk in keys:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(jwk)
        except jwt.PyJWTError:
            continue
        if key.key_id and key.algorithm_name in ALGORITHMS:
            usable[key.key_id] = key
    return usable


def _audiences(claim: object) -> list[Any]:
    """RFC 7519 §4.1.3: one string or a list."""
    return claim if isinstance(claim, list) else [claim]


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    # JSON `true` is an int to Python, and NaN would pass no comparison.
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("malformed", f"The claim {name} is not a time.")
    if not 0 <= value <= _LAST_INSTANT:
        _refuse("malformed", f"The claim {name} is not a time.")
    return value


def _refuse(reason: str, detail: str) -> NoReturn:
    raise UnauthenticatedError(reason, detail, _THAI[reason])
