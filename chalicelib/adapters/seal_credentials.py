"""May this certificate seal now? Asked before each seal; mostly answered from memory.

What cannot change is checked once per container and credential: the profile of the
certificate, its path to a trust anchor, that it is for the key in KMS. What time changes
is looked at each time: validity, how long is left, revocation.

Nothing is written: a process that dies half-way has lost what it remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
    CertificateRevokedError,
    RevocationUnknownError,
    SealError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.seals import SealCredential, SealPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.adapters.trust import RevocationSource
    from chalicelib.ports import Clock

# The kinds of domain.seals.KeyAlgorithm.
_RSA_BITS = frozenset({2_048, 3_072})
_CURVES = frozenset({"secp256r1", "secp384r1"})
_LEAST_EXPONENT = 65_537
_MOST_REMEMBERED = 1_000

_ROTATE = "rotate the seal (docs/guide/seals.md)"
_ROTATE_TH = "โปรดเปลี่ยนตราประทับ"
_WAIT = "keep the seal before it in the directory until then"
_WAIT_TH = "โปรดคงตราประทับเดิมไว้จนกว่าจะถึงวันนั้น"

KeyOf = Callable[[str], SigningKey]
"""From a key id to the key; `adapters/kms.py` has it."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A credential whose unchanging parts are right."""

    credential: SealCredential
    key: SigningKey
    path: Path


class KmsCredentialChecker:
    """Implements trust.CredentialChecker. Safe to share between threads: two that check the
    same credential at once find the same.

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
    ) -> None:
        self._key_of = key_of
        self._anchors = anchors
        self._revocation = revocation
        self._clock = clock
        self._refuse_development = refuse_development
        self._checked: dict[tuple[SealCredential, tuple[str, ...]], _Checked] = {}
        self._public_keys: dict[str, bytes] = {}

    def usable(self, credentials: Sequence[SealCredential], policy: SealPolicy) -> UsableCredential:
        """See trust.CredentialChecker. A credential about which nothing can be said just now
        (KMS or the CA does not answer) does not stop the next one from being used; if none
        can, that is what is raised, because waiting can help."""
        pems = tuple(self._anchors())
        refusals: list[_Refusal] = []
        waiting: TraError | None = None
        for position, credential in enumerate(credentials, 1):
            try:
                return self._usable(credential, policy, pems)
            except DistrustError as error:
                refusals.append(_Refusal(position, error.why, error.why_th))
            except CertificateRevokedError as error:
                refusals.append(_Refusal.revoked(position, error))
            except (RevocationUnknownError, UnavailableError) as error:
                waiting = waiting or error
        raise waiting or _none_fits(refusals)

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
        checked = _Checked(credential, key, path)
        if len(self._checked) >= _MOST_REMEMBERED:
            self._checked.clear()
        self._checked[credential, pems] = checked
        return checked

    def _public_key_of(self, key: SigningKey, key_id: str) -> bytes:
        """KMS never changes the key behind an id, so it is asked once. Raises like
        SigningKey, which says it as a refusal of this credential."""
        if key_id not in self._public_keys:
            try:
                self._public_keys[key_id] = key.public_key_der
            except SealError as error:
                raise DistrustError(error.detail, error.detail_th) from error
        return self._public_keys[key_id]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why one credential may not seal; `position` is its place in the agency's list."""

    position: int
    why: str
    why_th: str

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
    return SealError(
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
    """RFC 5280 §4.2.1.3 and §4.2.1.9, EN 319 412-2 §4.3.2."""
    constraints = extension(leaf, x509.BasicConstraints)
    is_ca = getattr(constraints.value, "ca", False) if constraints else False
    if is_ca:
        raise DistrustError(
            "its certificate is a CA's; ask for one for seals",
            "ใบรับรองเป็นของผู้ออกใบรับรอง โปรดขอใบรับรองสำหรับตราประทับ",
        )
    allowed = usage(leaf)
    missing = [
        name
        for name, given in (
            ("digitalSignature", allowed and allowed.digital_signature),
            ("nonRepudiation", allowed and allowed.content_commitment),
        )
        if not given
    ]
    if missing:
        raise DistrustError(
            f"its certificate lacks the key usage {', '.join(missing)}; ask the CA for one that has it",
            "ใบรับรองไม่ได้กำหนดให้ใช้ลงลายมือชื่อ โปรดขอใบรับรองที่มี key usage "
            f"{', '.join(missing)} จากผู้ออกใบรับรอง",
        )
    _check_key(leaf)


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
        raise DistrustError(
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
