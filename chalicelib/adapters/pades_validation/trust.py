"""Chains and revocation at a given time, offline.

Revocation is not fetched: a file's certificates would decide which addresses we call.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from asn1crypto import crl, ocsp, pem, x509
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.sign.validation import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    FreshnessReqType,
    RevocationCheckingPolicy,
)

from chalicelib.domain.errors import ConfigurationError, MalformedRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
    from pyhanko.sign.validation.status import SignatureStatus


class Revocation(Enum):
    """What is asked of revocation data."""

    IF_THERE = CertRevTrustPolicy(
        RevocationCheckingPolicy.from_legacy("soft-fail"),
        freshness=timedelta(days=36_500),
        freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
    )
    """None need be there; what is there counts, however old it is."""
    FOR_THE_TIME = CertRevTrustPolicy(
        RevocationCheckingPolicy.from_legacy("hard-fail"),
        # An answer given later than the time in question tells of it, too, by the date of the
        # revocation.
        retroactive_revinfo=True,
    )
    """They must be there for each certificate that names a source, and cover the time."""


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates and revocation data that may help; none of it is believed unverified."""

    certificates: tuple[x509.Certificate, ...] = ()
    ocsp_responses: tuple[ocsp.OCSPResponse, ...] = ()
    crls: tuple[crl.CertificateList, ...] = ()

    @classmethod
    def embedded(cls, revision: HistoricalResolver | PdfFileReader) -> Material:
        """The DSS (EN 319 142-1 §5.4.2) as this revision of the file has it."""
        try:
            dss = DocumentSecurityStore.read_dss(revision)
        except NoDSSFoundError:
            return cls()
        return cls(
            tuple(dss.load_certs()),
            tuple(
                ocsp.OCSPResponse.load(_data(ref, DecodePurpose.OCSP_RESPONSE)) for ref in dss.ocsps
            ),
            tuple(crl.CertificateList.load(_data(ref, DecodePurpose.CRL)) for ref in dss.crls),
        )

    @classmethod
    def given(cls, ocsp_responses: Sequence[bytes], crls: Sequence[bytes]) -> Material:
        """What the checker obtained. Raises MalformedRequestError for what is neither."""
        try:
            answers = tuple(ocsp.OCSPResponse.load(der, strict=True) for der in ocsp_responses)
            lists = tuple(crl.CertificateList.load(der, strict=True) for der in crls)
            for part in (*answers, *lists):
                _ = part.native  # asn1crypto parses what it is asked for
        except (ValueError, TypeError) as error:
            raise MalformedRequestError(
                "The revocation data are no OCSP responses or CRLs (DER).",
                "ข้อมูลการเพิกถอนไม่ใช่ OCSP response หรือ CRL (DER)",
            ) from error
        return cls((), answers, lists)

    def __or__(self, other: Material) -> Material:
        return Material(
            self.certificates + other.certificates,
            self.ocsp_responses + other.ocsp_responses,
            self.crls + other.crls,
        )

    def __bool__(self) -> bool:
        return bool(self.ocsp_responses or self.crls)


def _data(reference: Any, purpose: DecodePurpose) -> bytes:
    data: bytes = reference.get_object().read_data(purpose)
    return data


def validation_context(
    anchors: Sequence[str],
    *,
    moment: datetime | None = None,
    material: Material | None = None,
    revocation: Revocation = Revocation.IF_THERE,
) -> ValidationContext:
    """Trust in `anchors` (PEM) and nothing else, at `moment` (now if None), offline."""
    helps = material or Material()
    return ValidationContext(
        trust_roots=[load_pem(anchor) for anchor in anchors],
        other_certs=list(helps.certificates),
        ocsps=list(helps.ocsp_responses),
        crls=list(helps.crls),
        moment=moment,
        best_signature_time=moment,
        allow_fetching=False,
        revinfo_policy=revocation.value,
    )


def load_pem(text: str) -> x509.Certificate:
    """One certificate. Raises ValueError if the text is not a PEM certificate."""
    _, _, der = pem.unarmor(text.encode("ascii"))
    certificate: x509.Certificate = x509.Certificate.load(der, strict=True)
    return certificate


def check_anchors(anchors: Sequence[str]) -> None:
    """Raises ConfigurationError if one is not a certificate (PEM): that is no fault of the file."""
    try:
        for anchor in anchors:
            _ = load_pem(anchor).native  # asn1crypto parses what it is asked for
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            "A trust anchor is not a certificate (PEM).", "ใบรับรองหลักที่ระบุไม่ใช่ใบรับรอง (PEM)"
        ) from error


def problem_of(status: SignatureStatus) -> str | None:
    """The sub-indication that speaks against the chain; None if it is trusted."""
    if status.trusted:
        return None
    problem = status.trust_problem_indic
    # A self-signed certificate that is no anchor leads nowhere, whatever else is wrong with it.
    if problem is None or status.signing_cert.self_signed != "no":
        return "NO_CERTIFICATE_CHAIN_FOUND"
    name: str = problem.standard_name
    return name


def issuers_of(status: SignatureStatus) -> list[x509.Certificate]:
    """The certificates between the leaf and the anchor."""
    path = status.validation_path
    return list(path.iter_certs(include_root=False))[:-1] if path else []


def ends_at(status: SignatureStatus) -> datetime | None:
    """When the first certificate of the chain ends, the anchor left out."""
    path = status.validation_path
    if path is None:
        return None
    ends: list[Any] = [c.not_valid_after for c in path.iter_certs(include_root=False)]
    first: datetime = min(ends)
    return first
