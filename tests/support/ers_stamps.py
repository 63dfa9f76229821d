"""Time-stamp authorities for evidence records: real tokens, at any time in history.

`Era` is an authority that lived once: its certificates, CRLs and tokens carry the times of a
clock that the test moves, so that twenty years of renewals take a second. Signatures,
chains and revocation lists are real (cryptography, certomancer).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asn1crypto import algos, cms, keys, tsp
from asn1crypto import x509 as asn1_x509
from certomancer.crypto_utils import generic_sign
from certomancer.services import TimeStamper, simple_cms_attribute
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chalicelib.adapters.ers_stamps import EmbeddingStamper
from chalicelib.adapters.trust import TimestampToken, ValidationData
from chalicelib.domain.errors import RevocationUnknownError

_DAY = timedelta(days=1)
_CRL = "http://127.0.0.1:9/root.crl"  # nothing is there: the lists are in the tokens


def year(number: int) -> datetime:
    return datetime(number, 1, 1, tzinfo=UTC)


class Root:
    """A root that lasts, with a CRL of its own."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("Root of all eras")
        self.revoked: dict[int, datetime] = {}
        builder = _builder(self.name, self.name, self.key.public_key(), year(2000), year(2100))
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate = builder.add_extension(_usage(ca=True), critical=True).sign(
            self.key, hashes.SHA256()
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def crl(self, at: datetime) -> bytes:
        """What is revoked at that time; good for a day."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(at)
            .next_update(at + _DAY)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        for serial, since in self.revoked.items():
            if since <= at:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(serial)
                    .revocation_date(since)
                    .build()
                )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass
class Era:
    """An authority of some years under `root`. Implements trust.Timestamper and
    trust.RevocationSource, as of the time of `clock`."""

    root: Root
    clock: Callable[[], datetime]
    name: str = "Tokyo time"
    since: datetime = field(default_factory=lambda: year(2020))
    until: datetime = field(default_factory=lambda: year(2030))
    stamped: list[bytes] = field(default_factory=list)
    room: int = 16_384
    reachable: bool = True

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(
            self.root.name, _name(self.name), self._key.public_key(), self.since, self.until
        )
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.key.public_key()),
                critical=False,
            )
        )
        # As every real one: who names a source is asked about, and its data have an end.
        source = x509.DistributionPoint([x509.UniformResourceIdentifier(_CRL)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([source]), critical=False)
        self.certificate = builder.sign(self.root.key, hashes.SHA256())

    @property
    def stamper(self) -> EmbeddingStamper:
        return EmbeddingStamper(self, self)

    def revoke(self, at: datetime) -> None:
        self.root.revoked[self.certificate.serial_number] = at

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        self.stamped.append(digest)
        token = self._token(digest, algorithm)
        return TimestampToken(
            der=token,
            at=self.clock().replace(microsecond=0),
            authority=self.name,
            ends_at=self.until,
            validation_data=self.validation_data(()),
        )

    def validation_data(self, chain: Sequence[bytes]) -> ValidationData:
        """Of any certificate under the root: it keeps one list for all."""
        if not self.reachable:
            raise RevocationUnknownError("The revocation list cannot be reached.")
        mine = (self.certificate, self.root.certificate)
        return ValidationData(
            certificates=tuple(chain) or tuple(c.public_bytes(Encoding.DER) for c in mine),
            ocsp_responses=(),
            crls=(self.root.crl(self.clock().replace(microsecond=0)),),
            fresh_until=self.clock() + _DAY,
        )

    def _token(self, digest: bytes, algorithm: str) -> bytes:
        request = tsp.TimeStampReq(
            {
                "version": 1,
                "message_imprint": {
                    "hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm}),
                    "hashed_message": digest,
                },
            }
        )
        authority = _Sha256TimeStamper(
            tsa_cert=asn1_x509.Certificate.load(self.certificate.public_bytes(Encoding.DER)),
            tsa_key=keys.PrivateKeyInfo.load(
                self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            ),
            fixed_dt=self.clock().replace(microsecond=0),
        )
        return cast("bytes", authority.request_tsa_response(request)["time_stamp_token"].dump())


class _Sha256TimeStamper(TimeStamper):
    """Names its certificate by SHA-256 (ESSCertIDv2, RFC 5816), as authorities do today."""

    def request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        response = super().request_tsa_response(req)
        info = response["time_stamp_token"]["content"]["signer_infos"][0]
        identifier = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(self.tsa_cert.dump()).digest()})
        named = simple_cms_attribute(
            "signing_certificate_v2", tsp.SigningCertificateV2({"certs": [identifier]})
        )
        attributes = cms.CMSAttributes(
            [
                named if a["type"].native == "signing_certificate" else a
                for a in info["signed_attrs"]
            ]
        )
        info["signed_attrs"] = attributes
        info["signature"] = generic_sign(self.tsa_key, attributes.dump(), self.signature_algo)
        return response


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "TH"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    issuer: x509.Name, subject: x509.Name, key: Any, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
