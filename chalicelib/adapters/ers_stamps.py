"""Time-stamps that carry all that a validator will ask for (port: ArchiveStamper).

Certificates and revocation data go into the token's own CMS structure (RFC 5652 §5.1;
OCSP answers by RFC 5940), outside of what the authority signed: so they are there when
the authority is gone, and the next time-stamp covers them too (RFC 4998 §5.2 hashes the
whole token).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from asn1crypto import cms, core, crl, ocsp, x509

from chalicelib.adapters.ers import readable
from chalicelib.adapters.trust import RevocationSource, Timestamper, TimestampToken, ValidationData
from chalicelib.domain.algorithms import signature_end
from chalicelib.domain.errors import RevocationUnknownError, SealError
from chalicelib.domain.evidence_records import ArchiveStamp, EndReason

_WITH_OTHER_REVOCATION_DATA = "v5"
"""RFC 5652 §5.1: the version of SignedData that holds OCSP answers."""


class EmbeddingStamper:
    """Asks `timestamper`, and puts into each token what it found out about the authority;
    `revocation` tells of one that stamped long ago."""

    def __init__(self, timestamper: Timestamper, revocation: RevocationSource) -> None:
        self._timestamper = timestamper
        self._revocation = revocation

    def stamp(self, digest: bytes, algorithm: str) -> ArchiveStamp:
        """Nothing is kept: a process that dies half-way has wasted one token. Raises
        TimestampError, RevocationUnknownError."""
        given = self._timestamper.stamp(digest, algorithm)
        return _archive_stamp(given)

    def refresh(self, token: bytes) -> bytes:
        """The same time-stamp, with revocation data as of now: what is covered next then
        shows that its authority was good until then. Raises RevocationUnknownError."""
        try:
            data = self._revocation.validation_data(chain_of(token))
        except SealError as error:  # revoked: nothing will ever show that it was not
            raise RevocationUnknownError(error.detail, error.detail_th) from error
        return with_validation_data(token, data)


def _archive_stamp(given: TimestampToken) -> ArchiveStamp:
    token = with_validation_data(given.der, given.validation_data)
    weak_from = signature_end(*signature_of(token))
    because = EndReason.CERTIFICATE if given.ends_at <= weak_from else EndReason.SIGNATURE
    return ArchiveStamp(
        token=token,
        at=given.at,
        authority=given.authority,
        ends_at=min(given.ends_at, weak_from),
        because=because,
    )


@readable
def with_validation_data(token: bytes, data: ValidationData) -> bytes:
    """The token with these certificates and answers besides its own; none twice. Both sets
    come out in DER order, whatever order the authority wrote."""
    content = cms.ContentInfo.load(token, strict=True)
    signed = content["content"]
    certificates = {*_members(signed["certificates"]), *data.certificates}
    answers = {*_members(signed["crls"]), *data.crls, *map(_as_other, data.ocsp_responses)}
    fields = {
        name: signed[name]
        for name in ("version", "digest_algorithms", "encap_content_info", "signer_infos")
    }
    if certificates:
        fields["certificates"] = [
            cms.CertificateChoices.load(der, strict=True) for der in sorted(certificates)
        ]
    if answers:
        fields["crls"] = [_revocation_choice(der) for der in sorted(answers)]
        if any(choice.name == "other" for choice in fields["crls"]):
            fields["version"] = _WITH_OTHER_REVOCATION_DATA
    made = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(fields)})
    return cast("bytes", made.dump())


@readable
def chain_of(token: bytes) -> tuple[bytes, ...]:
    """The certificate that signed the token, then each one's issuer as far as the token
    holds it (DER)."""
    signed = cms.ContentInfo.load(token, strict=True)["content"]
    held = [c.chosen for c in signed["certificates"] if isinstance(c.chosen, x509.Certificate)]
    chain = [signer_of(signed)]
    while chain[-1].issuer != chain[-1].subject and len(chain) <= len(held):
        issuer = next((c for c in held if _may_issue(c, chain[-1])), None)
        if issuer is None:
            break
        chain.append(issuer)
    return tuple(certificate.dump() for certificate in chain)


def _may_issue(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """By name and, where both tell it, by key."""
    wanted, has = subject.authority_key_identifier, issuer.key_identifier
    same_key = wanted is None or has is None or wanted == has
    return bool(issuer.subject == subject.issuer) and same_key


@readable
def signature_of(token: bytes) -> tuple[str, int]:
    """Scheme and bits of the key that signed the token."""
    signed = cms.ContentInfo.load(token, strict=True)["content"]
    scheme: str = signed["signer_infos"][0]["signature_algorithm"].signature_algo
    return scheme, int(signer_of(signed).public_key.bit_size)


def signer_of(signed: cms.SignedData) -> x509.Certificate:
    """The certificate of the only signer. Raises ValueError if it is not in the token."""
    (info,) = signed["signer_infos"]
    for choice in signed["certificates"]:
        certificate = choice.chosen
        if isinstance(certificate, x509.Certificate) and _is_of(info["sid"], certificate):
            return certificate
    raise ValueError("the token does not hold its signer's certificate")


def _is_of(sid: cms.SignerIdentifier, certificate: x509.Certificate) -> bool:
    if sid.name == "issuer_and_serial_number":
        serial = sid.chosen["serial_number"].native
        return (
            bool(certificate.issuer == sid.chosen["issuer"]) and certificate.serial_number == serial
        )
    return bool(certificate.key_identifier == sid.chosen.native)


def revocation_data(
    signed: cms.SignedData,
) -> tuple[list[crl.CertificateList], list[ocsp.OCSPResponse]]:
    """CRLs and OCSP answers (RFC 5940) that a token holds."""
    if isinstance(signed["crls"], core.Void):
        return [], []
    crls = [choice.chosen for choice in signed["crls"] if choice.name == "crl"]
    others = [choice.chosen for choice in signed["crls"] if choice.name == "other"]
    answers = [
        ocsp.OCSPResponse.load(other["other_rev_info"].dump())
        for other in others
        if other["other_rev_info_format"].native == "ocsp_response"
    ]
    return crls, answers


def _members(elements: Iterable[cms.CertificateChoices] | core.Void) -> set[bytes]:
    return set() if isinstance(elements, core.Void) else {e.dump() for e in elements}


def _as_other(answer: bytes) -> bytes:
    """An OCSP answer as RevocationInfoChoice (RFC 5940 §2)."""
    other = cms.OtherRevocationInfoFormat(
        {
            "other_rev_info_format": "ocsp_response",
            "other_rev_info": ocsp.OCSPResponse.load(answer),
        }
    )
    return cast("bytes", cms.RevocationInfoChoice("other", other).dump())


def _revocation_choice(der: bytes) -> cms.RevocationInfoChoice:
    return cast("cms.RevocationInfoChoice", cms.RevocationInfoChoice.load(der, strict=True))
