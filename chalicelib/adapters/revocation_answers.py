"""One question about one certificate, and whether the answer can be believed.

OCSP as RFC 6960 has it, CRLs as RFC 5280 §5. An answer counts only if its signature is by
the issuer or by whom the issuer delegates to, and if it is about now.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from chalicelib.adapters.bounded_http import BoundedHttp, FetchError, StatusError
from chalicelib.adapters.x509_paths import (
    DistrustError,
    check_algorithms,
    check_time,
    extension,
    is_issued_by,
    is_strong,
    usage,
)

_LARGEST_OCSP = 64 * 1024  # bytes; one with its responder's certificate has about 2 kB
_LARGEST_CRL = 8 * 1024 * 1024
_OCSP_HEADERS = {
    "Content-Type": "application/ocsp-request",
    "Accept": "application/ocsp-response",
}
_NONCE_BYTES = 32  # RFC 9654 §2.1
_SKEW = timedelta(minutes=5)  # of the answerer's clock against ours
_UNDATED_LASTS = timedelta(hours=1)  # an OCSP answer that does not say until when it is good
_METHOD_REFUSED = frozenset({405, 501})
_STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})
_UNREADABLE = (ValueError, TypeError, x509.DuplicateExtension, UnsupportedAlgorithm)
_PSS = "1.2.840.113549.1.1.10"


class NoAnswerError(Exception):
    """No answer that counts; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A verified answer about one certificate, with the certificates of who signed it if
    that was not the issuer. `revoked_at` is None if it is good."""

    ocsp_responses: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()
    made_at: datetime
    fresh_until: datetime
    revoked_at: datetime | None

    def supersedes(self, other: Proof, now: datetime) -> bool:
        """An older answer must not replace a newer one that says `revoked`, or that is
        still fresh."""
        stale_and_good = other.revoked_at is None and other.fresh_until <= now
        return stale_and_good or self.made_at >= other.made_at


@dataclass(frozen=True, slots=True)
class Question:
    """Is `subject`, issued by `issuer`, revoked as of `now`?"""

    subject: x509.Certificate
    issuer: x509.Certificate
    now: datetime
    http: BoundedHttp


@dataclass(frozen=True, slots=True)
class Pointers:
    """Where a certificate says that one can ask about it."""

    ocsp: tuple[str, ...]
    crl: tuple[str, ...]


def pointers(certificate: x509.Certificate) -> Pointers:
    """AIA and CDP (RFC 5280 §4.2.2.1, §4.2.1.13)."""
    return Pointers(tuple(_ocsp_urls(certificate)), tuple(_crl_urls(certificate)))


def _ocsp_urls(certificate: x509.Certificate) -> Iterator[str]:
    found = extension(certificate, x509.AuthorityInformationAccess)
    if found is not None and isinstance(found.value, x509.AuthorityInformationAccess):
        for access in found.value:
            place = access.access_location
            is_url = isinstance(place, x509.UniformResourceIdentifier)
            if access.access_method == AuthorityInformationAccessOID.OCSP and is_url:
                yield place.value


def _crl_urls(certificate: x509.Certificate) -> Iterator[str]:
    """Of whole CRLs by the issuer itself."""
    found = extension(certificate, x509.CRLDistributionPoints)
    if found is not None and isinstance(found.value, x509.CRLDistributionPoints):
        for point in found.value:
            if point.reasons is None and point.crl_issuer is None:
                yield from (
                    name.value
                    for name in point.full_name or ()
                    if isinstance(name, x509.UniformResourceIdentifier)
                    and name.value.startswith("http")
                )


# -- OCSP --------------------------------------------------------------------


def from_ocsp(question: Question, url: str) -> Proof:
    """What the responder at `url` says. Certificates are named by SHA-256, and by SHA-1
    for responders that know no other name (RFC 5019): some refuse then, some say that they
    do not know the certificate, some answer by the other name. Raises NoAnswerError."""
    try:
        return _asked(question, url, hashes.SHA256())
    except _NameNotKnownError:
        return _asked(question, url, hashes.SHA1())  # noqa: S303 - a name, not a proof


class _NameNotKnownError(NoAnswerError):
    """The responder answers, but not to this name of the certificate."""


def _asked(question: Question, url: str, names: hashes.SHA256 | hashes.SHA1) -> Proof:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    request = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(question.subject, question.issuer, names)
        .add_extension(x509.OCSPNonce(nonce), critical=False)
        .build()
    )
    try:
        body = _exchanged(question.http, url, request.public_bytes(Encoding.DER))
    except FetchError as error:
        raise NoAnswerError(str(error)) from error
    try:
        return _judged(question, body, request, nonce)
    except _UNREADABLE as error:
        raise NoAnswerError("the answer is malformed") from error


def _exchanged(http: BoundedHttp, url: str, request: bytes) -> bytes:
    """By POST, or by GET if that is refused (RFC 6960 appendix A.1)."""
    try:
        return http.fetch(url, limit=_LARGEST_OCSP, body=request, headers=_OCSP_HEADERS)
    except StatusError as error:
        if error.status not in _METHOD_REFUSED:
            raise
    encoded = quote(base64.b64encode(request).decode("ascii"), safe="")
    return http.fetch(f"{url.rstrip('/')}/{encoded}", limit=_LARGEST_OCSP)


def _judged(question: Question, body: bytes, request: ocsp.OCSPRequest, nonce: bytes) -> Proof:
    answer = ocsp.load_der_ocsp_response(body)
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise _NameNotKnownError(f"refused ({answer.response_status.name.lower()})")
    _check_nonce(answer, nonce)
    responder = _responder(answer, question.issuer)
    _check_signature(answer, responder or question.issuer)
    if answer.produced_at_utc > question.now + _SKEW:
        raise NoAnswerError("the answer is from the future")
    single = _about(answer, request)
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise _NameNotKnownError("it does not know the certificate")
    proof = Proof(
        ocsp_responses=(body,),
        made_at=single.this_update_utc,
        fresh_until=_fresh_until(single, question.now),
        revoked_at=single.revocation_time_utc,
    )
    return _delegated(proof, responder, question) if responder else proof


def _check_nonce(answer: ocsp.OCSPResponse, nonce: bytes) -> None:
    """An answer made in advance has none; one that has another is to somebody else."""
    for found in answer.extensions:
        if isinstance(found.value, x509.OCSPNonce):
            if found.value.nonce != nonce:
                raise NoAnswerError("the answer is to another request (nonce)")
        elif found.critical:
            raise NoAnswerError("the answer has a critical extension that is not understood")


def _responder(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """The delegated certificate that signed, None if it was the issuer itself."""
    if _is_named(answer, issuer):
        return None
    for certificate in answer.certificates:
        if _is_named(answer, certificate):
            return certificate
    raise NoAnswerError("the answer does not hold its responder's certificate")


def _is_named(answer: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    if answer.responder_name is not None:
        return answer.responder_name == certificate.subject
    identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    return answer.responder_key_hash == identifier.digest


def _check_signature(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> None:
    key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    if algorithm is None or algorithm.name not in _STRONG_HASHES:
        raise NoAnswerError("the answer is signed with a weak hash")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
            if answer.signature_algorithm_oid.dotted_string == _PSS:
                scheme = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
            key.verify(answer.signature, answer.tbs_response_bytes, scheme, algorithm)
        else:
            raise NoAnswerError("the answer is signed by an unknown kind of key")
    except InvalidSignature as error:
        raise NoAnswerError("the signature of the answer is wrong") from error


def _delegated(proof: Proof, responder: x509.Certificate, question: Question) -> Proof:
    """With what shows that the issuer made `responder` speak for it and takes nothing back
    (RFC 6960 §4.2.2.2): its certificate, and the CRL that says so if it is needed."""
    _check_responder(responder, question)
    crls: tuple[bytes, ...] = ()
    fresh_until = min(proof.fresh_until, responder.not_valid_after_utc)
    if extension(responder, x509.OCSPNoCheck) is None:
        own = _by_any_crl(replace(question, subject=responder))
        crls, fresh_until = own.crls, min(fresh_until, own.fresh_until)
    return replace(
        proof,
        crls=crls,
        certificates=(responder.public_bytes(Encoding.DER),),
        fresh_until=fresh_until,
    )


def _check_responder(responder: x509.Certificate, question: Question) -> None:
    purposes = extension(responder, x509.ExtendedKeyUsage)
    allowed = usage(responder)
    if (
        not is_issued_by(responder, question.issuer)
        or purposes is None
        or ExtendedKeyUsageOID.OCSP_SIGNING not in list(purposes.value)  # type: ignore[call-overload]  # an ExtendedKeyUsage is a list of identifiers
        or (allowed is not None and not allowed.digital_signature)
    ):
        raise NoAnswerError("the responder is not authorised by the issuer")
    try:
        check_algorithms(responder)
        check_time(responder, question.now)
    except DistrustError as error:
        raise NoAnswerError(f"the responder cannot be trusted: {error}") from error


def _by_any_crl(question: Question) -> Proof:
    """Of a responder that does not vouch for itself: not by OCSP, which would ask it."""
    for url in pointers(question.subject).crl:
        try:
            proof = from_crl(question, url)
        except NoAnswerError:
            continue
        if proof.revoked_at is None:
            return proof
        raise NoAnswerError("the responder's own certificate is revoked")
    raise NoAnswerError("nobody says whether the responder's own certificate is revoked")


def _about(answer: ocsp.OCSPResponse, request: ocsp.OCSPRequest) -> ocsp.OCSPSingleResponse:
    """The part that answers the request."""
    for single in answer.responses:
        if (
            single.serial_number == request.serial_number
            and single.issuer_name_hash == request.issuer_name_hash
            and single.issuer_key_hash == request.issuer_key_hash
        ):
            return single
    raise _NameNotKnownError("the answer is about another certificate")


def _fresh_until(single: ocsp.OCSPSingleResponse, now: datetime) -> datetime:
    since, until = single.this_update_utc, single.next_update_utc
    return _checked_times(since, until or since + _UNDATED_LASTS, now)


def _checked_times(since: datetime, until: datetime, now: datetime) -> datetime:
    if since > now + _SKEW:
        raise NoAnswerError("the answer is from the future")
    if until <= now:
        raise NoAnswerError("the answer is not fresh any more")
    return until


# -- CRL ---------------------------------------------------------------------


def from_crl(question: Question, url: str) -> Proof:
    """What the CRL at `url` says. Raises NoAnswerError."""
    try:
        body = question.http.fetch(url, limit=_LARGEST_CRL)
        crl = x509.load_der_x509_crl(body)
        _check_crl(crl, url, question)
        until = crl.next_update_utc
        if until is None:  # RFC 5280 §5.1.2.5 wants it
            raise NoAnswerError("the CRL does not say until when it is good")
        fresh_until = _checked_times(crl.last_update_utc, until, question.now)
        entry = crl.get_revoked_certificate_by_serial_number(question.subject.serial_number)
    except FetchError as error:
        raise NoAnswerError(str(error)) from error
    except _UNREADABLE as error:
        raise NoAnswerError("the CRL is malformed") from error
    return Proof(
        crls=(body,),
        made_at=crl.last_update_utc,
        fresh_until=fresh_until,
        revoked_at=entry.revocation_date_utc if entry else None,
    )


def _check_crl(crl: x509.CertificateRevocationList, url: str, question: Question) -> None:
    """By the issuer, whole, and about certificates like this one."""
    issuer = question.issuer
    allowed = usage(issuer)
    if allowed is not None and not allowed.crl_sign:
        raise NoAnswerError("the issuer may not sign CRLs")
    if crl.issuer != issuer.subject:
        raise NoAnswerError("the CRL is by somebody else")
    if not is_strong(crl):
        raise NoAnswerError("the CRL is signed with a weak hash")
    if not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # its kind was checked with the path
        raise NoAnswerError("the signature of the CRL is wrong")
    for found in crl.extensions:
        if isinstance(found.value, x509.IssuingDistributionPoint):
            _check_scope(found.value, url, question.subject)
        elif found.critical:  # a delta CRL among them
            raise NoAnswerError("the CRL has a critical extension that is not understood")


def _check_scope(scope: x509.IssuingDistributionPoint, url: str, subject: x509.Certificate) -> None:
    """RFC 5280 §5.2.5."""
    constraints = extension(subject, x509.BasicConstraints)
    is_ca = isinstance(getattr(constraints, "value", None), x509.BasicConstraints) and bool(
        constraints.value.ca  # type: ignore[union-attr]  # the line above looked
    )
    names = [name.value for name in scope.full_name or ()]
    if (
        scope.indirect_crl
        or scope.only_some_reasons
        or scope.only_contains_attribute_certs
        or (scope.only_contains_user_certs and is_ca)
        or (scope.only_contains_ca_certs and not is_ca)
        or (names and url not in names)
    ):
        raise NoAnswerError("the CRL is not about this certificate")
