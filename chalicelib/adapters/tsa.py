"""Time-stamps from RFC 3161 authorities over HTTP, verified before use.

Authorities are asked in order. One that fails several times in a row rests for a while
and is then tried again by a single request, so that its timeout is not paid for each
document. What is verified of a certificate (its path, its purpose) is remembered; of a
token everything is verified each time.

Nothing is written: a process that dies half-way has wasted one token.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.adapters.bounded_http import BoundedHttp, FetchError
from chalicelib.adapters.timestamp_tokens import (
    Token,
    TokenError,
    TokenSigner,
    check_answer,
    read_response,
    request,
)
from chalicelib.adapters.trust import TimestampToken
from chalicelib.adapters.x509_paths import (
    Anchors,
    DistrustError,
    Path,
    anchors_from,
    certificate,
    check_time,
    find_path,
)
from chalicelib.domain.authority_health import AuthorityHealth, BreakerState
from chalicelib.domain.clock_bound import ClockBound, Stamping, bound
from chalicelib.domain.errors import (
    CertificateRevokedError,
    RevocationUnknownError,
    TimestampError,
)

if TYPE_CHECKING:
    from cryptography import x509

    from chalicelib.adapters.trust import RevocationSource, TrustWatch, ValidationData
    from chalicelib.ports import Clock

_HEADERS = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
}
_STATUS_ROOM = 1024  # bytes of an answer beside its token
_NONCE_BITS = 63
_MOST_SIGNERS = 32  # certificates remembered; authorities have one or two


class TimestampAuthorities:
    """Implements trust.Timestamper over several authorities, in order of preference.

    `anchors` gives PEMs of the roots that authorities must lead to. `policies` are the
    accepted policy OIDs, all if empty. `timeout` is for one request, in seconds.
    `failures_to_rest` failures in a row let an authority rest for `rest` seconds.
    `room` bounds a token, in bytes: a larger one is refused. `refuse_development` is for
    production. Safe to share between threads.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        anchors: Anchors,
        revocation: RevocationSource,
        clock: Clock,
        policies: Collection[str] = (),
        timeout: float = 5.0,
        failures_to_rest: int = 3,
        rest: float = 30.0,
        room: int = 8_192,
        refuse_development: bool = False,
        watch: TrustWatch | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        connections: int = 16,
    ) -> None:
        self._authorities = tuple(
            _Breaker(url, failures_to_rest, rest, monotonic, watch) for url in urls
        )
        self._anchors = anchors
        self._revocation = revocation
        self._clock = clock
        self._policies = frozenset(policies)
        self._room = room
        self._refuse_development = refuse_development
        self._watch = watch
        self._monotonic = monotonic
        self._http = BoundedHttp(timeout=timeout, connections=connections)
        self._signers: dict[_SignerKey, _TrustedSigner] = {}

    @property
    def room(self) -> int:
        """Bytes; see trust.Timestamper."""
        return self._room

    def health(self) -> tuple[AuthorityHealth, ...]:
        """Of each authority, in order."""
        return tuple(breaker.health() for breaker in self._authorities)

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        """See trust.Timestamper. Raises TimestampError naming each authority and why it
        gave no token, ConfigurationError if the trust anchors cannot be read."""
        pems = tuple(self._anchors())
        anchors_from(pems)  # whether they can be read is not an authority's fault
        refusals = []
        for breaker in self._authorities:
            try:
                with breaker.tried():
                    return self._from(breaker.url, digest, algorithm, pems)
            except _RestingError as error:
                refusals.append(f"{breaker.url}: {error}")
            except _REFUSALS as error:
                refusals.append(f"{breaker.url}: {_reason(error)}")
        listed = "; ".join(refusals) or "no authority is configured"
        raise TimestampError(
            f"No time-stamp could be had; the document waits. {listed}",
            f"ขอประทับรับรองเวลาไม่ได้จากผู้ให้บริการรายใด เอกสารจะรอดำเนินการต่อ ({listed})",
        )

    def _from(
        self, url: str, digest: bytes, algorithm: str, pems: tuple[str, ...]
    ) -> TimestampToken:
        # 1. Ask, and measure how long it took by a clock that nobody sets.
        nonce = secrets.randbits(_NONCE_BITS)
        started = self._monotonic()  # first: what passes between the two widens the bound
        sent_at = self._clock()
        body = self._http.fetch(
            url,
            limit=self._room + _STATUS_ROOM,
            body=request(digest, algorithm, nonce),
            headers=_HEADERS,
        )
        received_at = sent_at + timedelta(seconds=self._monotonic() - started)
        # 2. The token answers the request and is by the certificate it names.
        token = read_response(body)
        if len(token.der) > self._room:
            raise TokenError(f"the token has {len(token.der)} bytes, and room is {self._room}")
        check_answer(
            token, digest=digest, algorithm=algorithm, nonce=nonce, policies=self._policies
        )
        # 3. That certificate leads to an anchor, for this purpose, and its key signed.
        signer = self._trusted(token, pems)
        signer.signer.check(token)
        # 4. What it proves of our clock: before anything is measured by that clock, because
        #    one that is wrong lets the next steps fail and must not silence its own alarm.
        if self._watch is not None:
            self._watch.clock_seen(url, _clock_bound(token, sent_at, received_at))
        # 5. The certificate was valid then and is now, and nobody revoked it.
        signer.check_times(token, sent_at)
        data = self._revocation.validation_data(signer.path.der)
        return _stamped(token, url, signer.path, data)

    def _trusted(self, token: Token, pems: tuple[str, ...]) -> _TrustedSigner:
        """Remembered per certificate and anchors; times are checked by
        `check_times`."""
        der = token.signing_certificate()
        key = (der, pems)
        known = self._signers.get(key)
        if known is None:
            known = self._signer(der, token.certificates, anchors_from(pems))
            if len(self._signers) >= _MOST_SIGNERS:
                self._signers.clear()
            self._signers[key] = known
        return known

    def _signer(
        self, der: bytes, others: Sequence[bytes], anchors: Sequence[x509.Certificate]
    ) -> _TrustedSigner:
        leaf = certificate(der)
        signer = TokenSigner(leaf)
        path = find_path(leaf, [certificate(each) for each in others if each != der], anchors)
        if self._refuse_development and path.is_marked:
            raise DistrustError("it is a development authority", "เป็นผู้ให้บริการสำหรับการพัฒนาระบบเท่านั้น")
        return _TrustedSigner(signer, path)


_SignerKey = tuple[bytes, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _TrustedSigner:
    """A certificate of an authority with a verified path to an anchor."""

    signer: TokenSigner
    path: Path

    def check_times(self, token: Token, now: datetime) -> None:
        """It was valid then and is now. Raises DistrustError."""
        self.path.check_times(now)
        check_time(self.path.leaf, token.info.at)


class _RestingError(Exception):
    """The authority is not asked just now."""


_REFUSALS = (
    FetchError,
    TokenError,
    DistrustError,
    CertificateRevokedError,
    RevocationUnknownError,
)


class _Breaker:
    """One authority's circuit breaker. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        failures_to_rest: int,
        rest: float,
        monotonic: Callable[[], float],
        watch: TrustWatch | None,
    ) -> None:
        self.url = url
        self._limit = failures_to_rest
        self._rest = rest
        self._monotonic = monotonic
        self._watch = watch
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._problem: str | None = None
        self._rests_until = 0.0

    def health(self) -> AuthorityHealth:
        with self._lock:
            return self._health()

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Around one request. Raises _RestingError instead of letting it through."""
        self._admit()
        try:
            yield
        except RevocationUnknownError:
            # Its CA is out of reach, not the authority itself.
            self._record(None)
            raise
        except BaseException as error:
            self._record(_reason(error))
            raise
        self._record(None)

    def _admit(self) -> None:
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return
            left = self._rests_until - self._monotonic()
            if self._state is BreakerState.HALF_OPEN or left > 0:
                raise _RestingError(
                    f"rests after {self._failures} failures in a row ({self._problem})"
                )
            self._state = BreakerState.HALF_OPEN

    def _record(self, problem: str | None) -> None:
        with self._lock:
            before = self._state
            if problem is None:
                self._state, self._failures, self._problem = BreakerState.CLOSED, 0, None
            else:
                self._failures += 1
                self._problem = problem
                if before is BreakerState.HALF_OPEN or self._failures >= self._limit:
                    self._state = BreakerState.OPEN
                    self._rests_until = self._monotonic() + self._rest
            is_news = (before is BreakerState.CLOSED) is not (self._state is BreakerState.CLOSED)
            health = self._health()
        if is_news and self._watch is not None:
            self._watch.authority_changed(health)

    def _health(self) -> AuthorityHealth:
        rests = self._state is BreakerState.OPEN
        return AuthorityHealth(
            authority=self.url,
            state=self._state,
            failures=self._failures,
            problem=self._problem,
            rests_for=max(0.0, self._rests_until - self._monotonic()) if rests else 0.0,
        )


def _reason(error: BaseException) -> str:
    """For people who look after authorities. Only errors raised on purpose are quoted."""
    if isinstance(error, DistrustError):
        return f"its certificate is not trusted ({error})"
    return str(error) if isinstance(error, _REFUSALS) else type(error).__name__


def _clock_bound(token: Token, sent_at: datetime, received_at: datetime) -> ClockBound:
    return bound(
        Stamping(
            sent_at=sent_at,
            received_at=received_at,
            stamped_at=token.info.at,
            resolution=token.info.resolution,
            accuracy=token.info.accuracy,
        )
    )


def _stamped(token: Token, url: str, path: Path, data: ValidationData) -> TimestampToken:
    return TimestampToken(
        der=token.der, at=token.info.at, authority=url, ends_at=path.ends_at, validation_data=data
    )
