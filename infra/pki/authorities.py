"""Who the development PKI is made of, and the certificates it issues."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)

from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.seals import DEVELOPMENT_MARK, KeyAlgorithm

if TYPE_CHECKING:
    from pathlib import Path

MARK = DEVELOPMENT_MARK
WARNING = f"""\
**************************************************************************
*  {MARK}: this PKI certifies anything it is asked to and keeps its
*  keys in plain files. Its seals and time-stamps prove nothing to anyone.
**************************************************************************"""

# id-kp-documentSigning, RFC 9336: what a seal certificate is for.
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")

# Policy of its time-stamps, below the enterprise number for examples (RFC 5612).
DEVELOPMENT_POLICY = "1.3.6.1.4.1.32473.1.1"

_BACKDATED = timedelta(minutes=5)  # clocks of containers on one machine may differ a little
_ROOT_YEARS, _CA_YEARS, _LEAF_YEARS = 10, 8, 3
_NAME_LIMIT = 64  # ub-organization-name, ub-common-name (RFC 5280)

# Everything below the root; renewed when the address they name changes.
_ISSUED = ("issuing", "tsa", "tsa2", "ocsp")

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate and the private key that belongs to it."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def asn1(self) -> asn1_x509.Certificate:
        return cast("asn1_x509.Certificate", asn1_x509.Certificate.load(self.der))

    @property
    def asn1_key(self) -> keys.PrivateKeyInfo:
        der = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cast("keys.PrivateKeyInfo", keys.PrivateKeyInfo.load(der))


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is valid."""

    start: datetime
    end: datetime

    @classmethod
    def years(cls, years: int) -> Validity:
        now = whole_seconds()
        return cls(now - _BACKDATED, now + timedelta(days=365 * years))


@dataclass(frozen=True, slots=True)
class DevelopmentPki:
    """The authorities, the folder they live in, and the URL (`…/pki`) they answer at.

    `tsa` has a P-256 key, `tsa2` an RSA-2048 one; `ocsp` answers for `issuing` where a
    delegated responder is asked for.
    """

    directory: Path
    base_url: str
    ocsp_url: str
    root: Authority
    issuing: Authority
    tsa: Authority
    tsa2: Authority
    ocsp: Authority

    @property
    def root_pem(self) -> str:
        """The trust anchor of seals and time-stamps."""
        return to_pem(self.root.certificate)

    @property
    def timestamp_url(self) -> str:
        """RFC 3161 endpoint of the first authority."""
        return self.timestamp_urls[0]

    @property
    def timestamp_urls(self) -> tuple[str, str]:
        """RFC 3161 endpoints of both authorities."""
        return f"{self.base_url}/tsa", f"{self.base_url}/tsa2"

    def revoke(self, serial_number: int) -> None:
        """Put a certificate of either CA on its CRL and in OCSP, from now. Repeatable."""
        revoked = read_revoked(self.directory)
        revoked.setdefault(str(serial_number), datetime.now(UTC).isoformat())
        (self.directory / "revoked.json").write_text(json.dumps(revoked))


def open_pki(
    directory: Path, base_url: str, *, stage: str, ocsp_url: str | None = None
) -> DevelopmentPki:
    """Open the PKI in `directory`, making what is missing. Certificates name `ocsp_url`
    where OCSP is not served below `base_url` (a server of its own can be down alone).

    Keys and root stay over restarts, so that earlier seals still verify. What is below
    the root is renewed if an address changed that it names. Raises ConfigurationError
    for stage `prod`. Dies half-way: the next start completes it.
    """
    if stage == "prod":
        raise ConfigurationError("The development PKI refuses to run for stage prod.")
    print(WARNING, file=sys.stderr)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    base_url = base_url.rstrip("/")
    addresses = {"base_url": base_url, "ocsp_url": ocsp_url or f"{base_url}/ocsp"}
    if _recorded(directory) != addresses:
        for name in _ISSUED:
            (directory / f"{name}.pem").unlink(missing_ok=True)
        (directory / "pki.json").write_text(json.dumps(addresses))
    return _assemble(directory, **addresses)


def load_pki(directory: Path, *, stage: str) -> DevelopmentPki:
    """Open the PKI that `open_pki` made in `directory`, from another process.
    Raises ConfigurationError if there is none, or for stage `prod`."""
    addresses = _recorded(directory)
    if addresses is None:
        raise ConfigurationError(f"There is no development PKI in {directory}.")
    return open_pki(directory, **addresses, stage=stage)


def issue_seal_certificate(
    pki: DevelopmentPki,
    public_key_der: bytes,
    agency_id: str,
    name_th: str,
    name_en: str,
    *,
    valid: Validity | None = None,
) -> tuple[str, ...]:
    """Certify an agency's seal key, which may live in KMS: only its public half
    (SubjectPublicKeyInfo, DER; RSA or elliptic curve) is needed.

    Returns PEMs: the seal certificate, then the issuing CA (a chain that ends below
    the root, as SealCredential wants it). The agency did not prove possession of
    the key; a real CA demands that.
    """
    public_key = load_der_public_key(public_key_der)
    if not isinstance(public_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise TypeError("a seal key is an RSA or elliptic-curve key")
    suffix = f" ({MARK})"
    subject = _name(
        common_name=name_en[: _NAME_LIMIT - len(suffix)] + suffix,
        organisation=name_th[:_NAME_LIMIT],
        identifier=f"TR:TH-{agency_id}",
    )
    certificate = _sign_certificate(
        subject,
        public_key,
        issuer=pki.issuing,
        valid=valid or Validity.years(_LEAF_YEARS),
        extensions=[
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(digital_signature=True, content_commitment=True), True),
            (
                x509.ExtendedKeyUsage([DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION]),
                False,
            ),
            *_leaf_pointers(pki.base_url, pki.ocsp_url),
        ],
    )
    return to_pem(certificate), to_pem(pki.issuing.certificate)


def issue_timestamp_authority(
    pki: DevelopmentPki,
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
    *,
    valid: Validity | None = None,
    purposes: Sequence[ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    purposes_critical: bool = True,
) -> Authority:
    """Another time-stamp authority of the issuing CA, kept by the caller. What RFC 3161
    §2.3 wants of its certificate (this purpose alone, critical) can be broken for tests."""
    key = _new_key(algorithm)
    certificate = _sign_certificate(
        _name(common_name=f"Tra Time-stamp authority ({MARK})", organisation="Tra"),
        key.public_key(),
        issuer=pki.issuing,
        valid=valid or Validity.years(_LEAF_YEARS),
        extensions=[
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage(purposes), purposes_critical),
            *_leaf_pointers(pki.base_url, pki.ocsp_url),
        ],
    )
    return Authority(certificate, key)


def issue_ocsp_responder(
    pki: DevelopmentPki,
    *,
    valid: Validity | None = None,
    purposes: Sequence[ObjectIdentifier] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
    no_check: bool = True,
) -> Authority:
    """Another OCSP responder that the issuing CA delegates to (RFC 6960 §4.2.2.2), kept by
    the caller."""
    key = _new_key(KeyAlgorithm.P_256)
    certificate = _sign_certificate(
        _name(common_name=f"Tra OCSP responder ({MARK})", organisation="Tra"),
        key.public_key(),
        issuer=pki.issuing,
        valid=valid or Validity.years(_LEAF_YEARS),
        extensions=[
            *_responder_extensions(purposes, no_check=no_check),
            *([] if no_check else _pointers(pki.base_url, "issuing", [])),
        ],
    )
    return Authority(certificate, key)


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def whole_seconds() -> datetime:
    """Now; RFC 5280 §4.1.2.5 and RFC 6960 times carry no fraction."""
    return datetime.now(UTC).replace(microsecond=0)


def read_revoked(directory: Path) -> dict[str, str]:
    """Serial number → ISO 8601 time of revocation."""
    path = directory / "revoked.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


# -- making certificates -----------------------------------------------------


def _assemble(directory: Path, base_url: str, ocsp_url: str) -> DevelopmentPki:
    ca = [(x509.BasicConstraints(ca=True, path_length=None), True), (_ca_usage(), True)]
    sub_ca = [(x509.BasicConstraints(ca=True, path_length=0), True), (_ca_usage(), True)]
    tsa = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        # RFC 3161 §2.3: this purpose alone, and critical.
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
        *_leaf_pointers(base_url, ocsp_url),
    ]
    root = _authority(
        directory, "root", title="Root CA", issuer=None, years=_ROOT_YEARS, extensions=ca
    )
    issuing = _authority(
        directory,
        "issuing",
        title="Issuing CA",
        issuer=root,
        years=_CA_YEARS,
        extensions=[*sub_ca, *_pointers(base_url, "root", [])],
    )

    def leaf(
        name: str,
        title: str,
        extensions: list[_Extension],
        algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
    ) -> Authority:
        return _authority(
            directory,
            name,
            title=title,
            issuer=issuing,
            years=_LEAF_YEARS,
            extensions=extensions,
            algorithm=algorithm,
        )

    return DevelopmentPki(
        directory,
        base_url,
        ocsp_url,
        root,
        issuing,
        tsa=leaf("tsa", "Time-stamp authority", tsa),
        tsa2=leaf("tsa2", "Second time-stamp authority", tsa, KeyAlgorithm.RSA_2048),
        ocsp=leaf(
            "ocsp",
            "OCSP responder",
            _responder_extensions([ExtendedKeyUsageOID.OCSP_SIGNING], no_check=True),
        ),
    )


def _authority(
    directory: Path,
    name: str,
    *,
    title: str,
    issuer: Authority | None,
    years: int,
    extensions: list[_Extension],
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
) -> Authority:
    """The authority called `name` as it lies in `directory`, made if it does not."""
    key = _key(directory / f"{name}.key", algorithm)
    path = directory / f"{name}.pem"
    if path.exists():
        return Authority(x509.load_pem_x509_certificate(path.read_bytes()), key)
    certificate = _sign_certificate(
        _name(common_name=f"Tra {title} ({MARK})", organisation="Tra"),
        key.public_key(),
        issuer=issuer,
        valid=Validity.years(years),
        extensions=extensions,
        own_key=key,
    )
    path.write_text(to_pem(certificate))
    return Authority(certificate, key)


def _key(path: Path, algorithm: KeyAlgorithm) -> PrivateKey:
    if not path.exists():
        pem = _new_key(algorithm).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.touch(mode=0o600)
        path.write_bytes(pem)
    return cast("PrivateKey", load_pem_private_key(path.read_bytes(), None))


def _new_key(algorithm: KeyAlgorithm) -> PrivateKey:
    match algorithm:
        case KeyAlgorithm.P_256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.P_384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyAlgorithm.RSA_2048:
            return rsa.generate_private_key(65_537, 2_048)
        case KeyAlgorithm.RSA_3072:
            return rsa.generate_private_key(65_537, 3_072)


def _sign_certificate(
    subject: x509.Name,
    public_key: PublicKey,
    *,
    issuer: Authority | None,
    valid: Validity,
    extensions: list[_Extension],
    own_key: PrivateKey | None = None,
) -> x509.Certificate:
    """A certificate by `issuer`, or self-signed with `own_key` if there is none."""
    signing_key = issuer.key if issuer else own_key
    if signing_key is None:
        raise ValueError("a certificate needs an issuer or the key of its own")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid.start)
        .not_valid_after(valid.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA256())


def _name(*, common_name: str, organisation: str, identifier: str | None = None) -> x509.Name:
    """C, O, OU, organizationIdentifier and CN, as EN 319 412-3 §4.2.1 orders for seals."""
    attributes: list[x509.NameAttribute[Any]] = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "TH"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, MARK),
    ]
    if identifier is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, identifier))
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _responder_extensions(
    purposes: Sequence[ObjectIdentifier], *, no_check: bool
) -> list[_Extension]:
    """RFC 6960 §4.2.2.2: the purpose that delegates, and whether to check the responder."""
    extensions: list[_Extension] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage(purposes), False),
    ]
    if no_check:
        extensions.append((x509.OCSPNoCheck(), False))
    return extensions


def _leaf_pointers(base_url: str, ocsp_url: str) -> list[_Extension]:
    """Only the issuing CA has an OCSP responder; the root publishes a CRL."""
    responder = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _url(ocsp_url))
    return _pointers(base_url, "issuing", [responder])


def _pointers(
    base_url: str, issuer: str, others: Sequence[x509.AccessDescription]
) -> list[_Extension]:
    """Where revocation and the issuer's certificate are found."""
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, _url(f"{base_url}/{issuer}.crt")
    )
    point = x509.DistributionPoint([_url(f"{base_url}/{issuer}.crl")], None, None, None)
    return [
        (x509.CRLDistributionPoints([point]), False),
        (x509.AuthorityInformationAccess([access, *others]), False),
    ]


def _url(url: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(url)


def _ca_usage() -> x509.KeyUsage:
    # digitalSignature because the CA signs its OCSP answers itself.
    return _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    """`content_commitment` is the bit once called nonRepudiation."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _recorded(directory: Path) -> dict[str, str] | None:
    """The addresses that the certificates in `directory` name."""
    path = directory / "pki.json"
    return dict(json.loads(path.read_text())) if path.exists() else None
