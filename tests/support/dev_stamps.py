"""Time-stamps and revocation data of the development PKI, over HTTP.

What is asked for lies in the certificates themselves (RFC 5280 §4.2.1.13, §4.2.2.1).
Nothing is verified here: the validator does that with what the records hold.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import urllib3
from asn1crypto import algos, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from chalicelib.adapters.ers_stamps import EmbeddingStamper, chain_of
from chalicelib.adapters.trust import TimestampToken, ValidationData


@dataclass(frozen=True)
class DevTimes:
    """Implements trust.Timestamper and trust.RevocationSource."""

    url: str
    root_pem: str
    room: int = 16_384

    @property
    def stamper(self) -> EmbeddingStamper:
        return EmbeddingStamper(self, self)

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        request = tsp.TimeStampReq(
            {
                "version": 1,
                "message_imprint": {
                    "hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm}),
                    "hashed_message": digest,
                },
                "nonce": secrets.randbits(63),
                "cert_req": True,
            }
        )
        answer = _ask("POST", self.url, request.dump(), "application/timestamp-query")
        token = tsp.TimeStampResp.load(answer)["time_stamp_token"]
        chain = [*chain_of(token.dump()), _der(self.root_pem)]
        info = token["content"]["encap_content_info"]["content"].parsed
        certificates = [asn1_x509.Certificate.load(der) for der in chain]
        return TimestampToken(
            der=token.dump(),
            at=info["gen_time"].native,
            authority=certificates[0].subject.native["common_name"],
            ends_at=min(c.not_valid_after for c in certificates),
            validation_data=self.validation_data(chain),
        )

    def validation_data(self, chain: Sequence[bytes]) -> ValidationData:
        answers, crls = [], []
        for der, issuer_der in pairwise(chain):
            subject, issuer = map(x509.load_der_x509_certificate, (der, issuer_der))
            crls.append(_ask("GET", _crl_url(subject)))
            if (responder := _ocsp_url(subject)) is not None:
                builder = ocsp.OCSPRequestBuilder().add_certificate(
                    subject, issuer, hashes.SHA256()
                )
                body = builder.build().public_bytes(Encoding.DER)
                answers.append(_ask("POST", responder, body, "application/ocsp-request"))
        return ValidationData(
            certificates=tuple(chain),
            ocsp_responses=tuple(answers),
            crls=tuple(crls),
            fresh_until=datetime.now(UTC) + timedelta(hours=1),
        )


def _ask(method: str, url: str, body: bytes | None = None, kind: str = "") -> bytes:
    answer = urllib3.request(method, url, body=body, headers={"Content-Type": kind}, timeout=10)
    assert answer.status == 200
    return answer.data


def _crl_url(certificate: x509.Certificate) -> str:
    found = certificate.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS)
    points = cast("x509.CRLDistributionPoints", found.value)
    return str((points[0].full_name or [])[0].value)


def _ocsp_url(certificate: x509.Certificate) -> str | None:
    found = certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
    for access in cast("x509.AuthorityInformationAccess", found.value):
        if access.access_method == AuthorityInformationAccessOID.OCSP:
            return str(access.access_location.value)
    return None


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
