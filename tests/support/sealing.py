"""Keys, certificates, answers and time-stamps for seals, real ones, all in one process.

What AWS KMS, a CA and a time-stamp authority would give over the network is made here by
`cryptography` with the keys of the development PKI, so that tests and benchmarks of the
sealing itself wait for nobody.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from chalicelib.adapters.pades import der
from chalicelib.adapters.trust import (
    SigningKey,
    TimestampToken,
    UsableCredential,
    ValidationData,
)
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealPolicy
from infra.pki import Authority, DevelopmentPki, issue_seal_certificate, open_pki, to_pem

_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
_DIGEST_OIDS = {"sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2"}
_ANSWERS_LAST = timedelta(days=1)
_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


# -- keys --------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class SoftwareKey:
    """A key in this process (adapters.trust.SigningKey)."""

    algorithm: KeyAlgorithm
    private: _PrivateKey

    @cached_property
    def public_key_der(self) -> bytes:
        return self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    def sign_digest(self, digest: bytes) -> bytes:
        prehashed = Prehashed(_HASHES[self.algorithm.digest])
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(digest, padding.PKCS1v15(), prehashed)
        return self.private.sign(digest, ec.ECDSA(prehashed))


@cache
def software_key(algorithm: KeyAlgorithm) -> SoftwareKey:
    """One key of each kind per process: RSA keys take long to find."""
    return new_key(algorithm)


def new_key(algorithm: KeyAlgorithm) -> SoftwareKey:
    """Another one each time."""
    return SoftwareKey(algorithm, _generated(algorithm))


def _generated(algorithm: KeyAlgorithm) -> _PrivateKey:
    match algorithm:
        case KeyAlgorithm.RSA_2048:
            return rsa.generate_private_key(65537, 2048)
        case KeyAlgorithm.RSA_3072:
            return rsa.generate_private_key(65537, 3072)
        case KeyAlgorithm.P_256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.P_384:
            return ec.generate_private_key(ec.SECP384R1())


# -- a PKI and what it says ---------------------------------------------------


def local_pki(directory: Path, base_url: str = "http://pki.test/pki") -> DevelopmentPki:
    """The development PKI without its server."""
    return open_pki(directory, base_url, stage="local")


def usable_credential(
    pki: DevelopmentPki,
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
    *,
    name: str = "กรมโรงงานอุตสาหกรรม",
    key: SigningKey | None = None,
) -> UsableCredential:
    """A seal by a software key, or by `key`, as a CredentialChecker would hand it over."""
    key = key or software_key(algorithm)
    pem, _ = issue_seal_certificate(pki, key.public_key_der, "diw", name, "Test seal")
    certificate = x509.load_pem_x509_certificate(pem.encode())
    chain = [certificate, pki.issuing.certificate]
    return UsableCredential(
        credential=SealCredential(
            key_id=f"software-{key.algorithm}", chain_pem=tuple(map(to_pem, chain))
        ),
        key=key,
        certificate=_der(certificate),
        issuers=(_der(pki.issuing.certificate),),
        ends_at=min(c.not_valid_after_utc for c in chain),
        validation_data=validation_data(pki, certificate),
    )


def validation_data(
    pki: DevelopmentPki, certificate: x509.Certificate, at: datetime | None = None
) -> ValidationData:
    """OCSP for a certificate of the issuing CA, the root's CRL for that CA itself, as they
    were `at` (now, if None)."""
    now = (at or datetime.now(UTC)).replace(microsecond=0)
    chain = (certificate, pki.issuing.certificate, pki.root.certificate)
    return ValidationData(
        certificates=tuple(map(_der, chain)),
        ocsp_responses=(_good(certificate, pki.issuing, now),),
        crls=(_empty_crl(pki.root, now),),
        fresh_until=now + _ANSWERS_LAST,
    )


def _good(certificate: x509.Certificate, issuer: Authority, now: datetime) -> bytes:
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA1(),  # as every responder names certificates
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=now + _ANSWERS_LAST,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        .certificates([issuer.certificate])
        .sign(issuer.key, hashes.SHA256())
    )
    return response.public_bytes(Encoding.DER)


def _empty_crl(issuer: Authority, now: datetime) -> bytes:
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + _ANSWERS_LAST)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        .sign(issuer.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@dataclass
class GivenChecker:
    """A CredentialChecker that hands out what it was given, by credential."""

    known: list[UsableCredential] = field(default_factory=list)

    def usable(self, credentials: Sequence[SealCredential], policy: SealPolicy) -> UsableCredential:
        return next(usable for usable in self.known if usable.credential in credentials)


# -- time-stamps -------------------------------------------------------------


@dataclass
class LocalTimestamper:
    """The development TSA without HTTP (adapters.trust.Timestamper): tokens as RFC 3161,
    RFC 5816 and EN 319 422 have them, by the TSA's real key."""

    pki: DevelopmentPki
    room: int = 4_096
    stamps: int = 0
    _serials: count[int] = field(default_factory=lambda: count(secrets.randbits(62)))

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        self.stamps += 1
        at = datetime.now(UTC)
        return TimestampToken(
            der=self._token(digest, algorithm, at),
            at=at.replace(microsecond=0),
            authority="tsa.test",
            ends_at=self._validation.ends_at,
            validation_data=self._validation.data,
        )

    def _token(self, digest: bytes, algorithm: str, at: datetime) -> bytes:
        """A TimeStampToken (RFC 3161 §2.4.2): ContentInfo with SignedData over a TSTInfo."""
        algorithm_der = der.sequence(der.oid(_DIGEST_OIDS[algorithm]), _NO_PARAMETERS)
        info = der.sequence(
            der.integer(1),
            _POLICY,
            der.sequence(algorithm_der, der.octets(digest)),
            der.integer(next(self._serials)),
            der.tlv(0x18, at.strftime("%Y%m%d%H%M%SZ").encode()),
        )
        attributes = [
            der.sequence(_CONTENT_TYPE, der.set_of([_TST_INFO])),
            der.sequence(_MESSAGE_DIGEST, der.set_of([der.octets(hashlib.sha256(info).digest())])),
            self._fixed.certificate_attribute,
        ]
        signed = der.set_of(attributes)
        key = self.pki.tsa.key
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the first development TSA has an elliptic-curve key")
        signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
        signer = der.sequence(
            der.integer(1),
            self._fixed.signer_id,
            _SHA256,
            b"\xa0" + signed[1:],
            _ECDSA_SHA256,
            der.octets(signature),
        )
        signed_data = der.sequence(
            der.integer(3),
            der.set_of([_SHA256]),
            der.sequence(_TST_INFO, der.explicit(0, der.octets(info))),
            self._fixed.certificates,
            der.set_of([signer]),
        )
        return der.sequence(_SIGNED_DATA, der.explicit(0, signed_data))

    @cached_property
    def _fixed(self) -> _FixedParts:
        tsa = self.pki.tsa.certificate
        certificates = [_der(tsa), _der(self.pki.issuing.certificate)]
        named = der.sequence(der.sequence(der.octets(tsa.fingerprint(hashes.SHA256()))))
        return _FixedParts(
            signer_id=der.sequence(tsa.issuer.public_bytes(), der.integer(tsa.serial_number)),
            certificates=der.set_of(certificates, tag=0xA0),
            certificate_attribute=der.sequence(
                _SIGNING_CERTIFICATE, der.set_of([der.sequence(named)])
            ),
        )

    @cached_property
    def _validation(self) -> _Validation:
        chain = (self.pki.tsa, self.pki.issuing, self.pki.root)
        return _Validation(
            ends_at=min(a.certificate.not_valid_after_utc for a in chain),
            data=validation_data(self.pki, self.pki.tsa.certificate),
        )


@dataclass(frozen=True)
class _FixedParts:
    signer_id: bytes
    certificates: bytes
    certificate_attribute: bytes


@dataclass(frozen=True)
class _Validation:
    ends_at: datetime
    data: ValidationData


_POLICY = der.oid("2.999.1")  # an example arc
# As most authorities write it (RFC 5754 §2 allows both): asn1crypto, and so pyHanko, takes
# ten times as long over an algorithm without parameters.
_NO_PARAMETERS = b"\x05\x00"
_SHA256 = der.sequence(der.oid(_DIGEST_OIDS["sha256"]), _NO_PARAMETERS)
_ECDSA_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE = der.oid("1.2.840.113549.1.9.16.2.47")
_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
