"""Certificates and the way from one to a trust anchor (RFC 5280 §6).

Small on purpose: the chains are short, no policies are asked for, and whatever is not
understood is refused. Full validation of other people's files is pyHanko's work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.seals import DEVELOPMENT_MARK

_LONGEST = 6  # certificates between a leaf and its anchor
_MOST_ISSUERS = 16  # certificates that may come with a leaf; real chains bring two or three
_LEAST_RSA_BITS = 2_048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})  # ETSI TS 119 312
_UNDERSTOOD: tuple[type[x509.ExtensionType], ...] = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.SubjectKeyIdentifier,
    x509.AuthorityKeyIdentifier,
    x509.AuthorityInformationAccess,
    x509.CRLDistributionPoints,
    # No policy is demanded, so what allows or narrows policies changes nothing.
    x509.CertificatePolicies,
    x509.InhibitAnyPolicy,
    x509.OCSPNoCheck,
)


class DistrustError(Exception):
    """A certificate cannot be trusted; says why in two languages."""

    def __init__(self, why: str, why_th: str) -> None:
        super().__init__(why)
        self.why = why
        self.why_th = why_th


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A certificate, the issuers below the anchor, and the anchor; checked but for
    revocation, and for times, which `check_times` looks at whenever it is used.

    Times are those of all but the anchor, which is a name and a key (RFC 5280 §6.1.1 d):
    it is trusted for as long as the directory lists it. Validators do the same.
    """

    certificates: tuple[x509.Certificate, ...]
    der: tuple[bytes, ...]
    starts_at: datetime
    ends_at: datetime

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def is_marked(self) -> bool:
        """It is of the development PKI."""
        return any(DEVELOPMENT_MARK in _subject(c) for c in self.certificates)

    def check_times(self, now: datetime) -> None:
        """Raises DistrustError if a certificate is not valid at `now`."""
        for certificate in self.certificates[:-1]:
            check_time(certificate, now)


def certificate(der: bytes) -> x509.Certificate:
    """Raises DistrustError if the bytes are not a certificate, wholly."""
    try:
        loaded = x509.load_der_x509_certificate(der)
        # Parsed on access, so a damaged one may show only here.
        _ = loaded.subject, loaded.issuer, loaded.extensions, loaded.public_key()
    except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise DistrustError("it cannot be read", "อ่านใบรับรองไม่ได้") from error
    except Exception as error:  # cryptography's UnsupportedAlgorithm and kin
        raise DistrustError("it is of a kind not known here", "ใบรับรองเป็นชนิดที่ไม่รู้จัก") from error
    return loaded


def from_pem(text: str) -> x509.Certificate:
    """Raises DistrustError if the text is not a PEM certificate."""
    try:
        der = x509.load_pem_x509_certificate(text.encode("ascii")).public_bytes(Encoding.DER)
    except ValueError as error:
        raise DistrustError("it cannot be read", "อ่านใบรับรองไม่ได้") from error
    return certificate(der)


@lru_cache(maxsize=8)
def anchors_from(pems: tuple[str, ...]) -> tuple[x509.Certificate, ...]:
    """Trust anchors as the directory keeps them. Raises ConfigurationError."""
    try:
        return tuple(from_pem(pem) for pem in pems)
    except DistrustError as error:
        raise ConfigurationError(
            "A trust anchor in the directory is not a PEM certificate; run the onboarding again."
        ) from error


def without_development(pems: tuple[str, ...]) -> tuple[str, ...]:
    """The anchors that are not of the development PKI. Raises ConfigurationError."""
    read = zip(pems, anchors_from(pems), strict=True)
    return tuple(pem for pem, root in read if DEVELOPMENT_MARK not in _subject(root))


def common_name(certificate: x509.Certificate) -> str:
    """What a person calls it; the serial number where it has no name."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else f"{certificate.serial_number:x}"


def check_time(certificate: x509.Certificate, now: datetime) -> None:
    """Raises DistrustError if it is not valid at `now`."""
    name = common_name(certificate)
    if now < certificate.not_valid_before_utc:
        since = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
        raise DistrustError(
            f"the certificate {name} is not yet valid, only from {since}",
            f"ใบรับรอง {name} ยังไม่เริ่มมีผล จะเริ่มวันที่ {since}",
        )
    if now > certificate.not_valid_after_utc:
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise DistrustError(
            f"the certificate {name} has expired on {until}",
            f"ใบรับรอง {name} หมดอายุแล้วเมื่อ {until}",
        )


def find_path(
    leaf: x509.Certificate,
    issuers: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
) -> Path:
    """The shortest way from `leaf` over some of `issuers` to one of `anchors`: signatures,
    names, CA constraints, key usages, algorithms, extensions. Raises DistrustError.

    Strangers send `issuers`, so each extends one chain at most: breadth first, the chain
    that reaches it first is the shortest one to it, and what a longer one may do (RFC 5280
    §4.2.1.9) it may, too. That costs the square of their number in signatures.
    """
    left = [issuer for issuer in dict.fromkeys(issuers) if issuer != leaf]
    if len(left) > _MOST_ISSUERS:
        raise DistrustError("it comes with too many certificates", "มีใบรับรองแนบมามากเกินไป")
    _check_signed(leaf)
    why: DistrustError | None = None
    chains: deque[tuple[x509.Certificate, ...]] = deque([(leaf,)])
    while chains:
        chain = chains.popleft()
        for anchor in _issuers_of(chain, anchors):
            refusal = _refusal(anchor, chain, is_anchor=True)
            if refusal is None:
                return _path((*chain, anchor))
            why = refusal
        for issuer in _issuers_of(chain, left) if len(chain) <= _LONGEST else ():
            left.remove(issuer)
            refusal = _refusal(issuer, chain, is_anchor=False)
            if refusal is None:
                chains.append((*chain, issuer))
            why = refusal or why
    raise why or DistrustError(
        "no chain of certificates leads to a trust anchor", "ไม่มีสายใบรับรองไปถึงผู้ออกใบรับรองที่เชื่อถือ"
    )


def check_algorithms(certificate: x509.Certificate) -> None:
    """Raises DistrustError if key or signature are weak or unknown."""
    name = common_name(certificate)
    key = certificate.public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if not strong:
        raise DistrustError(
            f"the key of {name} is weak or of an unknown kind",
            f"กุญแจของ {name} ไม่แข็งแรงพอหรือเป็นชนิดที่ไม่รู้จัก",
        )
    if not is_strong(certificate):
        raise DistrustError(
            f"the signature on {name} uses a weak hash", f"ลายมือชื่อบนใบรับรอง {name} ใช้แฮชที่ไม่แข็งแรง"
        )


def is_strong(signed: x509.Certificate | x509.CertificateRevocationList) -> bool:
    """Signed with a hash that still holds."""
    try:
        algorithm = signed.signature_hash_algorithm
    except Exception:  # noqa: BLE001 - cryptography's UnsupportedAlgorithm and kin
        return False
    return algorithm is not None and algorithm.name in _STRONG_HASHES


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Name and signature fit."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def extension(
    certificate: x509.Certificate | x509.CertificateRevocationList,
    kind: type[x509.ExtensionType],
) -> x509.Extension[x509.ExtensionType] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    found = extension(certificate, x509.KeyUsage)
    return found.value if found and isinstance(found.value, x509.KeyUsage) else None


def _issuers_of(
    chain: tuple[x509.Certificate, ...], candidates: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    return [candidate for candidate in candidates if is_issued_by(chain[-1], candidate)]


def _refusal(
    issuer: x509.Certificate, chain: tuple[x509.Certificate, ...], *, is_anchor: bool
) -> DistrustError | None:
    """Why it may not stand above `chain`."""
    try:
        if not is_anchor:
            _check_signed(issuer)
        _check_ca(issuer, len(chain) - 1, is_anchor=is_anchor)
    except DistrustError as error:
        return error
    return None


def _check_signed(certificate: x509.Certificate) -> None:
    """What is asked of each but an anchor, which is trusted as it is."""
    check_algorithms(certificate)
    _check_extensions(certificate)


def _check_extensions(certificate: x509.Certificate) -> None:
    for found in certificate.extensions:
        if found.critical and not isinstance(found.value, _UNDERSTOOD):
            name, oid = common_name(certificate), found.oid.dotted_string
            raise DistrustError(
                f"{name} has a critical extension that is not understood here ({oid})",
                f"ใบรับรอง {name} มีส่วนขยายสำคัญที่ระบบไม่รู้จัก ({oid})",
            )


def _check_ca(issuer: x509.Certificate, below: int, *, is_anchor: bool) -> None:
    """`below` CAs stand between it and the leaf (RFC 5280 §4.2.1.9)."""
    name = common_name(issuer)
    constraints = extension(issuer, x509.BasicConstraints)
    allowed = usage(issuer)
    if constraints is None or not isinstance(constraints.value, x509.BasicConstraints):
        is_ca, longest = is_anchor, None  # old roots say nothing of themselves
    else:
        is_ca, longest = constraints.value.ca, constraints.value.path_length
    if not is_ca or (allowed is not None and not allowed.key_cert_sign):
        raise DistrustError(f"{name} may not issue certificates", f"{name} ไม่มีสิทธิออกใบรับรอง")
    if longest is not None and below > longest:
        raise DistrustError(
            f"the chain below {name} is longer than it allows", f"สายใบรับรองใต้ {name} ยาวเกินกำหนด"
        )


def _path(chain: tuple[x509.Certificate, ...]) -> Path:
    return Path(
        certificates=chain,
        der=tuple(c.public_bytes(Encoding.DER) for c in chain),
        starts_at=max(c.not_valid_before_utc for c in chain[:-1]),
        ends_at=min(c.not_valid_after_utc for c in chain[:-1]),
    )


def _subject(certificate: x509.Certificate) -> str:
    return " ".join(str(attribute.value) for attribute in certificate.subject)


Anchors = Callable[[], Sequence[str]]
"""PEMs of the roots, asked at each use so that new ones count at once."""
