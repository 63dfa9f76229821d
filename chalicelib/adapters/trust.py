"""What the makers of a seal hand each other: keys, time-stamps, proofs of non-revocation.

Everything is DER, checked by whoever hands it over, so that who writes the file parses
nothing twice. These are seams within the adapters, not ports: services do not see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.authority_health import AuthorityHealth
from chalicelib.domain.clock_bound import ClockBound
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealPolicy


class SigningKey(Protocol):
    """A private key that never leaves its house."""

    @property
    def algorithm(self) -> KeyAlgorithm: ...

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo (RFC 5280)."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Signature over a digest made with `algorithm.digest`: RSASSA-PKCS1-v1_5, or
        DER `ECDSA-Sig-Value`. Raises UnavailableError, SealError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationData:
    """What a validator will want to see, and until when all of it is fresh. Certificates
    are those of the chains (roots included), answers those that cover them; no element
    comes twice."""

    certificates: tuple[bytes, ...]
    ocsp_responses: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    fresh_until: datetime


class RevocationSource(Protocol):
    def validation_data(self, chain: Sequence[bytes]) -> ValidationData:
        """Proof that no certificate of `chain` (DER, leaf first, trust anchor last) is
        revoked, fresh now. Cheap when called again: answers are kept as long as they are
        fresh. Raises CertificateRevokedError, RevocationUnknownError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableCredential:
    """A credential that was checked and may seal now.

    `certificate` and `issuers` (up to and without the root) are DER; `ends_at` is when
    the first of them ends. `validation_data` covers the whole chain; it is empty for
    policies that embed none.
    """

    credential: SealCredential
    key: SigningKey
    certificate: bytes
    issuers: tuple[bytes, ...]
    ends_at: datetime
    validation_data: ValidationData


class CredentialChecker(Protocol):
    def usable(self, credentials: Sequence[SealCredential], policy: SealPolicy) -> UsableCredential:
        """The first credential that may seal now. Cheap when called again: what was checked
        is remembered as long as it stays true. Raises SealError naming what is wrong with
        each, RevocationUnknownError, UnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampToken:
    """An RFC 3161 token that was verified: status, nonce, imprint, signature, chain.

    `der` is the ContentInfo. `ends_at` is when the first certificate of its chain ends.
    `validation_data` covers the authority's chain as it is now.
    """

    der: bytes
    at: datetime
    authority: str
    ends_at: datetime
    validation_data: ValidationData


class Timestamper(Protocol):
    @property
    def room(self) -> int:
        """Bytes to keep free for a token's DER; no token that `stamp` returns is larger."""

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        """A token over `digest` (made with `algorithm`) from the first authority that gives
        one that can be trusted. Raises TimestampError, which also says so where nobody
        knows whether an authority's certificate is revoked; ConfigurationError."""


class TrustWatch(Protocol):
    """Told what time-stamps show, by any thread. Must not raise."""

    def clock_seen(self, authority: str, bound: ClockBound) -> None:
        """What one token of `authority` proves of the local clock; also told of tokens that
        are refused afterwards for being out of time, or of a certificate that is revoked."""

    def authority_changed(self, health: AuthorityHealth) -> None:
        """An authority begins to rest, or answers again."""
