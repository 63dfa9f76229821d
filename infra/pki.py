"""The development PKI: root, issuing CA, time-stamp authority, OCSP and CRLs.

It stands in for a CA that Thai law recognises, so that seals can be made and checked
on one machine. Its keys lie in plain files and it certifies any key it is handed:
every subject says "DEVELOPMENT ONLY", it warns when it is built, and it refuses the
stage `prod`. Certificates follow RFC 5280 and, for seals, EN 319 412-3; answers follow
RFC 6960 (OCSP) and RFC 3161 with RFC 5816 (time-stamps), built with certomancer.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from asn1crypto import algos, cms, core, crl, keys, ocsp, tsp
from asn1crypto import x509 as asn1_x509
from certomancer.crypto_utils import generic_sign
from certomancer.services import (
    CRLBuilder,
    RevocationInfoInterface,
    SimpleOCSPResponder,
    TimeStamper,
    simple_cms_attribute,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
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
from infra.devhttp import NOT_FOUND, Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK = "DEVELOPMENT ONLY"
WARNING = f"""\
**************************************************************************
*  {MARK}: this PKI certifies anything it is asked to and keeps its
*  keys in plain files. Its seals and time-stamps prove nothing to anyone.
**************************************************************************"""

# id-kp-documentSigning, RFC 9336: what a seal certificate is for.
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")

_BACKDATED = timedelta(minutes=5)  # clocks of containers on one machine may differ a little
_ROOT_YEARS, _CA_YEARS, _LEAF_YEARS = 10, 8, 3
_NAME_LIMIT = 64  # ub-organization-name, ub-common-name (RFC 5280)
_PEM_TYPE = "application/x-pem-file"
_IMPRINT_HASHES = frozenset({"sha256", "sha384", "sha512"})

_Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate and the private key that belongs to it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def asn1(self) -> asn1_x509.Certificate:
        der = self.certificate.public_bytes(Encoding.DER)
        return cast("asn1_x509.Certificate", asn1_x509.Certificate.load(der))

    @property
    def asn1_key(self) -> keys.PrivateKeyInfo:
        der = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cast("keys.PrivateKeyInfo", keys.PrivateKeyInfo.load(der))


@dataclass(frozen=True, slots=True)
class DevelopmentPki:
    """The authorities, the folder they live in, and the URL (`…/pki`) they answer at."""

    directory: Path
    base_url: str
    root: Authority
    issuing: Authority
    tsa: Authority

    @property
    def root_pem(self) -> str:
        """The trust anchor of seals and time-stamps."""
        return to_pem(self.root.certificate)

    @property
    def timestamp_url(self) -> str:
        """RFC 3161 endpoint."""
        return f"{self.base_url}/tsa"

    def revoke(self, serial_number: int) -> None:
        """Put a certificate of the issuing CA on the CRL, from now. Repeatable."""
        revoked = _read_revoked(self.directory)
        revoked.setdefault(str(serial_number), datetime.now(UTC).isoformat())
        (self.directory / "revoked.json").write_text(json.dumps(revoked))


def open_pki(directory: Path, base_url: str, *, stage: str) -> DevelopmentPki:
    """Open the PKI in `directory`, making what is missing.

    Keys and root stay over restarts, so that earlier seals still verify. The
    issuing and TSA certificates are renewed if `base_url`, which they name,
    changed. Raises ConfigurationError for stage `prod`. Dies half-way: the next
    start completes it.
    """
    if stage == "prod":
        raise ConfigurationError("The development PKI refuses to run for stage prod.")
    print(WARNING, file=sys.stderr)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    base_url = base_url.rstrip("/")
    if _recorded_url(directory) != base_url:
        for name in ("issuing", "tsa"):
            (directory / f"{name}.pem").unlink(missing_ok=True)
        (directory / "pki.json").write_text(json.dumps({"base_url": base_url}))
    return _assemble(directory, base_url)


def load_pki(directory: Path, *, stage: str) -> DevelopmentPki:
    """Open the PKI that `open_pki` made in `directory`, from another process.
    Raises ConfigurationError if there is none, or for stage `prod`."""
    base_url = _recorded_url(directory)
    if base_url is None:
        raise ConfigurationError(f"There is no development PKI in {directory}.")
    return open_pki(directory, base_url, stage=stage)


def issue_seal_certificate(
    pki: DevelopmentPki, public_key_der: bytes, agency_id: str, name_th: str, name_en: str
) -> tuple[str, ...]:
    """Certify an agency's seal key, which may live in KMS: only its public half
    (SubjectPublicKeyInfo, DER) is needed.

    Returns PEMs: the seal certificate, then the issuing CA (a chain that ends below
    the root, as SealCredential wants it). The agency did not prove possession of
    the key; a real CA demands that.
    """
    public_key = load_der_public_key(public_key_der)
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise TypeError("a seal key is an elliptic-curve key")
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
        years=_LEAF_YEARS,
        extensions=[
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(digital_signature=True, content_commitment=True), True),
            (
                x509.ExtendedKeyUsage([DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION]),
                False,
            ),
            *_pointers(pki.base_url, issuer="issuing"),
        ],
    )
    return to_pem(certificate), to_pem(pki.issuing.certificate)


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


# -- what is served ----------------------------------------------------------


class PkiService:
    """Answers OCSP, CRL, certificate and time-stamp requests below `pki.base_url`."""

    def __init__(self, pki: DevelopmentPki) -> None:
        self._pki = pki
        # Built once: certomancer's own server reads key and certificate on each call.
        self._timestamper = _Rfc5816TimeStamper(
            tsa_cert=pki.tsa.asn1,
            tsa_key=pki.tsa.asn1_key,
            certs_to_embed=[pki.issuing.asn1],
        )

        self._routes: dict[tuple[str, str], Callable[[bytes], Answer]] = {
            ("POST", "/tsa"): self._timestamp,
            ("POST", "/ocsp"): self._ocsp,
            ("GET", "/issuing.crl"): lambda _: _crl(pki.issuing, _read_revoked(pki.directory)),
            ("GET", "/root.crl"): lambda _: _crl(pki.root, {}),
            ("GET", "/issuing.crt"): lambda _: _certificate(pki.issuing),
            ("GET", "/root.crt"): lambda _: _certificate(pki.root),
            ("GET", "/root.pem"): lambda _: Answer(200, _PEM_TYPE, pki.root_pem.encode()),
        }

    def __call__(self, call: Call) -> Answer:
        route = self._routes.get((call.method, call.path))
        return route(call.body) if route else NOT_FOUND

    def _timestamp(self, body: bytes) -> Answer:
        try:
            request = tsp.TimeStampReq.load(body, strict=True)
            hash_name = request["message_imprint"]["hash_algorithm"]["algorithm"].native
        except (ValueError, TypeError):
            return _timestamp_refusal("bad_data_format")
        if hash_name not in _IMPRINT_HASHES:
            return _timestamp_refusal("bad_alg")
        response = self._timestamper.request_tsa_response(request)
        return Answer(200, "application/timestamp-reply", response.dump())

    def _ocsp(self, body: bytes) -> Answer:
        issuing = self._pki.issuing
        responder = SimpleOCSPResponder(
            responder_cert=issuing.asn1,
            responder_key=issuing.asn1_key,
            signature_algo=_ecdsa_sha256(),
            at_time=_whole_seconds(),
            revinfo_interface=_Revocations(issuing.asn1, self._pki.directory),
        )
        try:
            answer = responder.build_ocsp_response(ocsp.OCSPRequest.load(body, strict=True))
        except (ValueError, TypeError):
            answer = SimpleOCSPResponder.build_error_response("malformed_request")
        return Answer(200, "application/ocsp-response", answer.dump())


class _Refusal(core.Sequence):
    """TimeStampResp without its optional token, which asn1crypto insists on."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - as asn1crypto declares it


class _Rfc5816TimeStamper(TimeStamper):
    """Certomancer's TSA, naming its certificate by SHA-256 (ESSCertIDv2, RFC 5816):
    EN 319 422 no longer allows the SHA-1 that RFC 3161 has."""

    def request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        response = super().request_tsa_response(req)
        signer_info = response["time_stamp_token"]["content"]["signer_infos"][0]
        attributes = cms.CMSAttributes(
            [
                self._certificate_id() if a["type"].native == "signing_certificate" else a
                for a in signer_info["signed_attrs"]
            ]
        )
        signer_info["signed_attrs"] = attributes
        signer_info["signature"] = generic_sign(
            self.tsa_key, attributes.dump(), self.signature_algo
        )
        return response

    def _certificate_id(self) -> cms.CMSAttribute:
        identifier = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(self.tsa_cert.dump()).digest()})
        value = tsp.SigningCertificateV2({"certs": [identifier]})
        return cast("cms.CMSAttribute", simple_cms_attribute("signing_certificate_v2", value))


class _Revocations(RevocationInfoInterface):
    """What the OCSP responder knows: whatever is not revoked is good."""

    def __init__(self, issuer: asn1_x509.Certificate, directory: Path) -> None:
        self._issuer = issuer
        self._directory = directory

    def get_issuer_cert(self) -> asn1_x509.Certificate:
        return self._issuer

    def check_revocation_status(
        self,
        cid: ocsp.CertId,
        at_time: datetime,  # noqa: ARG002 - the interface has it; revocation here is from now on
    ) -> tuple[ocsp.CertStatus, list[ocsp.SingleResponseExtension]]:
        at = _read_revoked(self._directory).get(str(cid["serial_number"].native))
        if at is None:
            return ocsp.CertStatus("good"), []
        moment = datetime.fromisoformat(at).replace(microsecond=0)
        return ocsp.CertStatus("revoked", ocsp.RevokedInfo({"revocation_time": moment})), []


def _crl(authority: Authority, revoked: dict[str, str]) -> Answer:
    """The CRL of `authority` as of now (RFC 5280 §5), good for a day."""
    now = _whole_seconds()
    builder = CRLBuilder(
        issuer_name=authority.asn1.subject,
        issuer_key=authority.asn1_key,
        signature_algo=_ecdsa_sha256(),
        authority_key_identifier=authority.asn1.key_identifier_value,
    )
    entries = [
        CRLBuilder.format_revoked_cert(
            int(serial),
            crl.CRLReason("unspecified"),
            datetime.fromisoformat(at).replace(microsecond=0),
        )
        for serial, at in revoked.items()
    ]
    made = builder.build_crl(
        crl_number=int(now.timestamp()),
        this_update=now - _BACKDATED,
        next_update=now + timedelta(days=1),
        revoked_certs=entries,
    )
    return Answer(200, "application/pkix-crl", made.dump())


def _certificate(authority: Authority) -> Answer:
    return Answer(200, "application/pkix-cert", authority.certificate.public_bytes(Encoding.DER))


def _timestamp_refusal(failure: str) -> Answer:
    """A PKIStatusInfo `rejection` (RFC 3161 §2.4.2)."""
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {failure}})
    refusal: bytes = core.Sequence.dump(_Refusal({"status": status}))  # type: ignore[no-untyped-call]  # asn1crypto has no types
    return Answer(200, "application/timestamp-reply", refusal)


def _ecdsa_sha256() -> algos.SignedDigestAlgorithm:
    return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})


def _whole_seconds() -> datetime:
    """RFC 5280 §4.1.2.5 and RFC 6960 times carry no fraction."""
    return datetime.now(UTC).replace(microsecond=0)


# -- making certificates -----------------------------------------------------


def _assemble(directory: Path, base_url: str) -> DevelopmentPki:
    ca = [(x509.BasicConstraints(ca=True, path_length=None), True), (_ca_usage(), True)]
    sub_ca = [(x509.BasicConstraints(ca=True, path_length=0), True), (_ca_usage(), True)]
    tsa = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        # RFC 3161 §2.3: this purpose alone, and critical.
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
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
        extensions=[*sub_ca, *_pointers(base_url, issuer="root")],
    )
    stamper = _authority(
        directory,
        "tsa",
        title="Time-stamp authority",
        issuer=issuing,
        years=_LEAF_YEARS,
        extensions=[*tsa, *_pointers(base_url, issuer="issuing")],
    )
    return DevelopmentPki(directory, base_url, root, issuing, stamper)


def _authority(
    directory: Path,
    name: str,
    *,
    title: str,
    issuer: Authority | None,
    years: int,
    extensions: list[_Extension],
) -> Authority:
    """The authority called `name` as it lies in `directory`, made if it does not."""
    key = _key(directory / f"{name}.key")
    path = directory / f"{name}.pem"
    if path.exists():
        return Authority(x509.load_pem_x509_certificate(path.read_bytes()), key)
    subject = _name(common_name=f"Tra {title} ({MARK})", organisation="Tra", identifier=None)
    certificate = _sign_certificate(
        subject,
        key.public_key(),
        issuer=issuer,
        years=years,
        extensions=extensions,
        own_key=key,
    )
    path.write_text(to_pem(certificate))
    return Authority(certificate, key)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.touch(mode=0o600)
        path.write_bytes(pem)
    return cast("ec.EllipticCurvePrivateKey", load_pem_private_key(path.read_bytes(), None))


def _sign_certificate(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    issuer: Authority | None,
    years: int,
    extensions: list[_Extension],
    own_key: ec.EllipticCurvePrivateKey | None = None,
) -> x509.Certificate:
    """A certificate by `issuer`, or self-signed with `own_key` if there is none."""
    signing_key = issuer.key if issuer else own_key
    if signing_key is None:
        raise ValueError("a certificate needs an issuer or the key of its own")
    now = _whole_seconds()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=365 * years))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA256())


def _name(*, common_name: str, organisation: str, identifier: str | None) -> x509.Name:
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


def _pointers(base_url: str, *, issuer: str) -> list[_Extension]:
    """Where revocation and the issuer's certificate are found. Only the issuing CA has
    an OCSP responder; the root publishes a CRL."""
    access = [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, _url(f"{base_url}/{issuer}.crt")
        )
    ]
    if issuer == "issuing":
        access.append(
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _url(f"{base_url}/ocsp"))
        )
    point = x509.DistributionPoint([_url(f"{base_url}/{issuer}.crl")], None, None, None)
    return [
        (x509.CRLDistributionPoints([point]), False),
        (x509.AuthorityInformationAccess(access), False),
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


def _recorded_url(directory: Path) -> str | None:
    path = directory / "pki.json"
    if not path.exists():
        return None
    return str(json.loads(path.read_text())["base_url"])


def _read_revoked(directory: Path) -> dict[str, str]:
    """Serial number → ISO 8601 time of revocation."""
    path = directory / "revoked.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}
