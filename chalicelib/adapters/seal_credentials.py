"""May this certificate seal now? Asked before each seal; mostly answered from memory.

What cannot change is checked once per container and credential: the profile of the
certificate, its path to a trust anchor, that it is for the key in KMS. What time changes
is looked at each time: validity, how long is left, revocation. A key that refuses to sign
says that something has changed all the same.

Nothing is written: a process that dies half-way has lost what it remembered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from chalicelib.adapters.trust import SigningKey, UsableCredential, ValidationData
from chalicelib.adapters.x509_paths import (
    Anchors,
    DistrustError,
    Path,
    anchors_from,
    extension,
    find_path,
    from_pem,
    usage,
)
from chalicelib.domain.errors import (
    CertificateNotYetValidError,
    CertificateRevokedError,
    RevocationUnknownError,
    SealError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.adapters.trust import RevocationSource
    from chalicelib.ports import Clock

# The kinds of domain.seals.KeyAlgorithm.
_RSA_BITS = frozenset({2_048, 3_072})
_CURVES = frozenset({"secp256r1", "secp384r1"})
_LEAST_EXPONENT = 65_537
_MOST_REMEMBERED = 1_000
_REST_AFTER_REFUSAL = 60.0  # seconds

# Purposes of which one is enough. Those of the vendors are older than the standard one.
_SEAL_PURPOSES = frozenset(
    {
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # id-kp-documentSigning (RFC 9336)
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        x509.ObjectIdentifier("1.2.840.113583.1.1.5"),  # Adobe Authentic Documents
        x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # Microsoft document signing
    }
)

_ROTATE = "rotate the seal (docs/guide/seals.md)"
_ROTATE_TH = "โปรดเปลี่ยนตราประทับ"
_WAIT = "keep the seal before it in the directory until then"
_WAIT_TH = "โปรดคงตราประทับเดิมไว้จนกว่าจะถึงวันนั้น"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

KeyOf = Callable[[str], SigningKey]
"""From a key id to the key; `adapters/kms.py` has it."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A credential whose unchanging parts are right."""

    credential: SealCredential
    key: SigningKey
    path: Path


@dataclass(frozen=True, slots=True)
class _WatchedKey:
    """A key whose refusal to sign is told; otherwise the key itself."""

    key: SigningKey
    refused: Callable[[], None]

    @property
    def algorithm(self) -> KeyAlgorithm:
        return self.key.algorithm

    @property
    def public_key_der(self) -> bytes:
        return self.key.public_key_der

    def sign_digest(self, digest: bytes) -> bytes:
        try:
            return self.key.sign_digest(digest)
        except SealError:
            self.refused()
            raise


class KmsCredentialChecker:
    """Implements trust.CredentialChecker. Safe to share between threads: two that check the
    same credential at once find the same.

    The keys that it hands out tell it when they refuse to sign (disabled, not permitted any
    more). Such a credential is forgotten, and for `rest_after_refusal` seconds it is used
    only where no other can be: the document is tried again and takes the next one.

    `refuse_development` is for production: no certificate of the development PKI seals.
    """

    def __init__(
        self,
        *,
        key_of: KeyOf,
        anchors: Anchors,
        revocation: RevocationSource,
        clock: Clock,
        refuse_development: bool = False,
        rest_after_refusal: float = _REST_AFTER_REFUSAL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key_of = key_of
        self._anchors = anchors
        self._revocation = revocation
        self._clock = clock
        self._refuse_development = refuse_development
        self._checked: dict[tuple[SealCredential, tuple[str, ...]], _Checked] = {}
        self._public_keys: dict[str, bytes] = {}
        self._rest = rest_after_refusal
        self._monotonic = monotonic
        self._rests_until: dict[SealCredential, float] = {}

    def usable(self, credentials: Sequence[SealCredential], policy: SealPolicy) -> UsableCredential:
        """See trust.CredentialChecker. A credential about which nothing can be said just now
        (KMS or the CA does not answer) does not stop the next one from being used; if none
        can, that is what is raised, because waiting can help."""
        pems = tuple(self._anchors())
        refusals: list[_Refusal] = []
        waiting: TraError | None = None
        for position, credential in sorted(
            enumerate(credentials, 1), key=lambda placed: self._rests(placed[1])
        ):
            try:
                return self._usable(credential, policy, pems)
            except DistrustError as error:
                early = isinstance(error, _NotYetError)
                refusals.append(_Refusal(position, error.why, error.why_th, early=early))
            except CertificateRevokedError as error:
                refusals.append(_Refusal.revoked(position, error))
            except (RevocationUnknownError, UnavailableError) as error:
                waiting = waiting or error
        raise waiting or _none_fits(sorted(refusals, key=lambda refusal: refusal.position))

    def _rests(self, credential: SealCredential) -> bool:
        return self._monotonic() < self._rests_until.get(credential, float("-inf"))

    def _refused(self, credential: SealCredential) -> None:
        """Its key did not sign: what was remembered of it counts no more."""
        _remember(self._rests_until, credential, self._monotonic() + self._rest)
        self._public_keys.pop(credential.key_id, None)
        for known in [key for key in tuple(self._checked) if key[0] == credential]:
            self._checked.pop(known, None)

    def _usable(
        self, credential: SealCredential, policy: SealPolicy, pems: tuple[str, ...]
    ) -> UsableCredential:
        checked = self._check(credential, pems)
        path = checked.path
        # 4. Valid now, and for long enough.
        _check_time_left(path, self._clock(), policy)
        # 5. Not revoked.
        data = self._revocation.validation_data(path.der)
        embedded = data if policy.level.has_validation_data else _nothing(data)
        return UsableCredential(
            credential=credential,
            key=checked.key,
            certificate=path.der[0],
            issuers=path.der[1:-1],
            ends_at=path.ends_at,
            validation_data=embedded,
        )

    def _check(self, credential: SealCredential, pems: tuple[str, ...]) -> _Checked:
        """What cannot change as long as credential and anchors stay; only successes are
        remembered, because somebody mends what is refused."""
        known = self._checked.get((credential, pems))
        if known is not None:
            return known
        # 1. A certificate for seals.
        leaf, issuers = _read(credential)
        _check_profile(leaf)
        # 2. It leads to a trust anchor.
        path = find_path(leaf, issuers, anchors_from(pems))
        if self._refuse_development and path.is_marked:
            raise DistrustError(
                "it is of the development PKI and may not seal in production; have a recognised "
                "CA certify the key and onboard the agency again",
                "เป็นใบรับรองสำหรับการพัฒนาระบบ ใช้ในระบบจริงไม่ได้ โปรดขอใบรับรองจากผู้ให้บริการออกใบรับรอง "
                "ที่ได้รับการยอมรับแล้วนำเข้าใหม่",
            )
        # 3. It is for the key in KMS.
        key = self._key_of(credential.key_id)
        if _public_key(leaf) != self._public_key_of(key, credential.key_id):
            raise DistrustError(
                "its certificate belongs to another key than the one in KMS; onboard the agency "
                "again with the certificate for this key",
                "ใบรับรองไม่ตรงกับกุญแจในระบบ KMS โปรดนำเข้าใบรับรองของกุญแจนี้อีกครั้ง",
            )
        watched = _WatchedKey(key, partial(self._refused, credential))
        checked = _Checked(credential, watched, path)
        _remember(self._checked, (credential, pems), checked)
        return checked

    def _public_key_of(self, key: SigningKey, key_id: str) -> bytes:
        """KMS never changes the key behind an id, so it is asked once. Raises like
        SigningKey, which says it as a refusal of this credential."""
        known = self._public_keys.get(key_id)
        if known is not None:
            return known
        try:
            public_key = key.public_key_der
        except SealError as error:
            raise DistrustError(error.detail, error.detail_th) from error
        _remember(self._public_keys, key_id, public_key)
        return public_key


def _remember(memory: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(memory) >= _MOST_REMEMBERED:
        memory.clear()
    memory[key] = value


class _NotYetError(DistrustError):
    """It is not valid yet."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why one credential may not seal; `position` is its place in the agency's list."""

    position: int
    why: str
    why_th: str
    early: bool = False

    @classmethod
    def revoked(cls, position: int, error: CertificateRevokedError) -> _Refusal:
        return cls(
            position,
            f"{error.detail} Now {_ROTATE}.",
            f"{error.detail_th} {_ROTATE_TH}",
        )


def _none_fits(refusals: Sequence[_Refusal]) -> SealError:
    listed = "; ".join(f"seal {r.position}: {r.why}" for r in refusals)
    listed_th = "; ".join(f"ตราที่ {r.position}: {r.why_th}" for r in refusals)
    kind = CertificateNotYetValidError if any(r.early for r in refusals) else SealError
    return kind(
        f"The agency has no seal that may be used now. {listed or 'It has none at all.'}",
        f"หน่วยงานไม่มีตราประทับที่ใช้ได้ในขณะนี้ {listed_th or 'ยังไม่มีการนำเข้าตราประทับ'}",
    )


# -- the certificate ---------------------------------------------------------


def _read(credential: SealCredential) -> tuple[x509.Certificate, list[x509.Certificate]]:
    try:
        leaf, *issuers = (from_pem(text) for text in credential.chain_pem)
    except (ValueError, DistrustError) as error:
        raise DistrustError(
            "its certificates cannot be read; onboard the agency again",
            "อ่านใบรับรองไม่ได้ โปรดนำเข้าใบรับรองอีกครั้ง",
        ) from error
    return leaf, issuers


def _check_profile(leaf: x509.Certificate) -> None:
    """RFC 5280 §4.2.1.3, §4.2.1.9 and §4.2.1.12, EN 319 412-2 §4.3.2.

    A seal commits the agency to what it says, so its certificate must allow
    nonRepudiation (contentCommitment): types A, B and F of EN 319 412-2, of which A, that
    usage alone, is preferred. digitalSignature alone (type C) is for authentication; EU DSS
    warns of a seal by such a certificate, and pyHanko, our own reader too, refuses it.
    """
    constraints = extension(leaf, x509.BasicConstraints)
    is_ca = getattr(constraints.value, "ca", False) if constraints else False
    if is_ca:
        raise DistrustError(
            "its certificate is a CA's; ask for one for seals",
            "ใบรับรองเป็นของผู้ออกใบรับรอง โปรดขอใบรับรองสำหรับตราประทับ",
        )
    allowed = usage(leaf)
    if allowed is None or not allowed.content_commitment:
        raise DistrustError(
            "its certificate lacks the key usage nonRepudiation; ask the CA for one that has it",
            "ใบรับรองไม่ได้กำหนดให้ใช้ลงลายมือชื่อ โปรดขอใบรับรองที่มี key usage nonRepudiation จากผู้ออกใบรับรอง",
        )
    _check_purposes(leaf)
    _check_key(leaf)


def _check_purposes(leaf: x509.Certificate) -> None:
    """Where a certificate says what it is for, that binds, critical or not (RFC 5280
    §4.2.1.12)."""
    found = extension(leaf, x509.ExtendedKeyUsage)
    if found is None or not isinstance(found.value, x509.ExtendedKeyUsage):
        return
    if _SEAL_PURPOSES.isdisjoint(found.value):
        raise DistrustError(
            "its certificate is for other purposes than sealing documents; ask the CA for one "
            "with the extended key usage documentSigning, or with none",
            "ใบรับรองออกให้เพื่อวัตถุประสงค์อื่น โปรดขอใบรับรองที่มี extended key usage documentSigning "
            "หรือไม่กำหนดไว้ จากผู้ออกใบรับรอง",
        )


def _check_key(leaf: x509.Certificate) -> None:
    """One of KeyAlgorithm, and no weak exponent."""
    key = leaf.public_key()
    fits = (
        isinstance(key, rsa.RSAPublicKey)
        and key.key_size in _RSA_BITS
        and key.public_numbers().e >= _LEAST_EXPONENT
    ) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES)
    if not fits:
        raise DistrustError(
            "its key is of a kind that does not seal here; use RSA 2048 or 3072, P-256 or P-384",
            "กุญแจเป็นชนิดที่ระบบไม่ใช้ประทับตรา โปรดใช้ RSA 2048, RSA 3072, P-256 หรือ P-384",
        )


def _public_key(leaf: x509.Certificate) -> bytes:
    return leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_time_left(path: Path, now: datetime, policy: SealPolicy) -> None:
    try:
        path.check_times(now)
    except DistrustError as error:
        early = now < path.starts_at
        raise (_NotYetError if early else DistrustError)(
            f"{error}; {_WAIT if early else _ROTATE}",
            f"{error.why_th} {_WAIT_TH if early else _ROTATE_TH}",
        ) from error
    if path.ends_at - now < policy.least_left:
        ends, days = f"{path.ends_at:%Y-%m-%d}", policy.least_days_left
        raise DistrustError(
            f"its certificate chain ends on {ends}, less than {days} days from now; {_ROTATE}",
            f"สายใบรับรองจะหมดอายุวันที่ {ends} เหลือไม่ถึง {days} วัน {_ROTATE_TH}",
        )


def _nothing(data: ValidationData) -> ValidationData:
    """For levels that embed nothing; fresh as long as the check is."""
    return ValidationData(certificates=(), ocsp_responses=(), crls=(), fresh_until=data.fresh_until)
