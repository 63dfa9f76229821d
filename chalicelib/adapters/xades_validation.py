"""Look at the XAdES signature of an XML document with signxml and pyHanko's validators.

Shares no code with `xades`, which writes. Accepts one shape only: exactly one
signature, last child of the root, over the whole document and its signed properties.
That leaves no room for signature wrapping. Nothing is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from lxml import etree
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus
from pyhanko_certvalidator import CertificateValidator
from pyhanko_certvalidator.errors import (
    ExpiredError,
    InvalidCertificateError,
    PathError,
    RevokedError,
    ValidationError,
)
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature
from signxml.verifier import SignatureConfiguration
from signxml.xades.xades import XAdESVerifier

from chalicelib.adapters.coroutines import result_of
from chalicelib.adapters.pades_validation import validation_context
from chalicelib.adapters.xml_reading import canonical, read_xml, refuse_ambiguous
from chalicelib.domain.errors import SealVerificationError, XmlRefusedError
from chalicelib.domain.xml_seals import XmlSealObservation, XmlStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signxml.verifier import VerifyResult

# Both log what they read: names of certificates, and whole documents at DEBUG.
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("signxml").setLevel(logging.CRITICAL)

_NAMESPACES = {
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xades": "http://uri.etsi.org/01903/v1.3.2#",
}
_SIGNATURE = f"{{{_NAMESPACES['ds']}}}Signature"
_PROPERTIES = "ds:Object/xades:QualifyingProperties/"
_REFERENCES = 2

# What is strong enough still (ETSI TS 119 312).
_SIGNATURE_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_IMPRINT_HASHES = frozenset({"sha256", "sha384", "sha512"})
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})

# The first that fits names the problem; sub-indications of EN 319 102-1 §5.1.3.
_TRUST_PROBLEMS: tuple[tuple[type[Exception], str], ...] = (
    (PathError, "NO_CERTIFICATE_CHAIN_FOUND"),
    (RevokedError, "REVOKED_NO_POE"),
    (ExpiredError, "OUT_OF_BOUNDS_NO_POE"),
    (InvalidCertificateError, "CHAIN_CONSTRAINTS_FAILURE"),
    (ValidationError, "CERTIFICATE_CHAIN_GENERAL_FAILURE"),
)


class XadesValidator:
    """Stateless."""

    def observe(self, xml: bytes, anchors: Sequence[str], *, at: datetime) -> XmlSealObservation:
        """The signature of `xml`, as seen at `at` with trust in `anchors` (PEM) alone.

        Raises SealVerificationError, with the ETSI sub-indication, if there is none or it
        cannot be read.
        """
        try:
            return _observe(_Sealed(xml), tuple(anchors), at)
        except SealVerificationError:
            raise
        except Exception as error:
            # What a hostile file makes three libraries raise cannot be listed. Only the
            # kind of error is told: its text may quote the file.
            raise SealVerificationError(
                f"The file cannot be read as signed XML ({type(error).__name__}).",
                "FORMAT_FAILURE",
            ) from error

    def content_of(self, xml: bytes) -> bytes:
        """What the signature of `xml` is over: the canonical document without it. Raises
        SealVerificationError."""
        return _Sealed(xml).content


class _Sealed:
    """A document of the one shape that is accepted, taken apart."""

    def __init__(self, xml: bytes) -> None:
        self.xml = xml
        self._tree = _read(xml)
        self.signature = _only_signature(self._tree)
        self.certificates = tuple(
            _certificate_in(element)
            for element in self.signature.iterfind(
                "ds:KeyInfo/ds:X509Data/ds:X509Certificate", _NAMESPACES
            )
        )

    @property
    def content(self) -> bytes:
        tree = _read(self.xml)
        signature = _only_signature(tree)
        _remove(signature)
        return canonical(tree)

    @property
    def signed_properties(self) -> bytes:
        return canonical(self.find(f"{_PROPERTIES}xades:SignedProperties"))

    @property
    def claimed_at(self) -> datetime:
        path = f"{_PROPERTIES}xades:SignedProperties/xades:SignedSignatureProperties/"
        return datetime.fromisoformat(_text(self.find(f"{path}xades:SigningTime")))

    def find(self, path: str) -> etree._Element:
        found = self.signature.findall(path, _NAMESPACES)
        if len(found) != 1:
            _fail("The signature lacks a part, or has it twice.", "FORMAT_FAILURE")
        return found[0]


def _observe(sealed: _Sealed, anchors: tuple[str, ...], at: datetime) -> XmlSealObservation:
    if not sealed.certificates:
        _fail("The signature comes without its certificate.", "NO_SIGNING_CERTIFICATE_FOUND")
    certificate, *others = sealed.certificates
    valid, intact = _signature_holds(sealed, certificate)
    stamp = result_of(_stamp(sealed, anchors, at))
    moment = stamp.at if stamp is not None and stamp.problem is None else at
    return XmlSealObservation(
        signature_id=sealed.signature.get("Id", ""),
        valid=valid,
        intact=intact,
        certificate=certificate.dump(),
        trust_problem=result_of(_trust_problem(certificate, others, anchors, moment)),
        claimed_at=sealed.claimed_at,
        stamp=stamp,
    )


# -- shape -------------------------------------------------------------------


def _read(xml: bytes) -> etree._ElementTree:
    try:
        tree = read_xml(xml)
        refuse_ambiguous(tree)
    except XmlRefusedError as error:
        raise SealVerificationError(error.detail, "FORMAT_FAILURE") from error
    return tree


def _only_signature(tree: etree._ElementTree) -> etree._Element:
    found = list(tree.iter(_SIGNATURE))
    if not found:
        _fail("The XML carries no signature.", "SIGNED_DATA_NOT_FOUND")
    if (
        len(found) > 1
        or next(tree.getroot().iterchildren("*", reversed=True), None) is not found[0]
    ):
        _fail("The XML has another signature than one at its end.", "FORMAT_FAILURE")
    return found[0]


def _remove(signature: etree._Element) -> None:
    """Take the signature out and leave what follows it, as the enveloped-signature transform
    does (XMLDSig §6.6.4)."""
    parent, before = signature.getparent(), signature.getprevious()
    tail = signature.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    signature.tail = None
    parent.remove(signature)


def _certificate_in(element: etree._Element) -> asn1_x509.Certificate:
    der = base64.b64decode(_text(element))
    certificate: asn1_x509.Certificate = asn1_x509.Certificate.load(der, strict=True)
    return certificate


def _text(element: etree._Element) -> str:
    return (element.text or "").strip()


def _fail(detail: str, sub_indication: str) -> NoReturn:
    raise SealVerificationError(detail, sub_indication)


# -- digests and signature ---------------------------------------------------


def _signature_holds(sealed: _Sealed, certificate: asn1_x509.Certificate) -> tuple[bool, bool]:
    """Whether the signature is by this certificate's key, and whether the document and the
    signed properties are those that were signed."""
    try:
        results = _signxml_results(sealed.xml, certificate)
    except InvalidDigest:
        return True, False
    except InvalidSignature:
        return False, True
    # Which bytes were digested is told by the library; they must be the ones we read.
    signed = [result.signed_data for result in results]
    return True, signed == [sealed.content, sealed.signed_properties]


class _Verifier(XAdESVerifier):
    """signxml's verifier, but for one fault."""

    def _tostring(self, xml_node: etree._Element, **options: str) -> bytes:
        # signxml 5.2 copies elements by way of ASCII, in which there are no Thai names.
        copied: bytes = etree.tostring(xml_node, **{"encoding": "UTF-8", **options})
        return copied


def _signxml_results(xml: bytes, certificate: asn1_x509.Certificate) -> list[VerifyResult]:
    """Verify schema, digests (also of the certificate) and signature. The certificate's
    own validity is another question."""
    trusted = x509.load_der_x509_certificate(certificate.dump())
    return _Verifier().verify(
        xml,
        x509_cert=trusted,
        expect_config=SignatureConfiguration(
            location="./",
            expect_references=_REFERENCES,
            signature_methods=_SIGNATURE_METHODS,
            digest_algorithms=_DIGESTS,
            verification_time=trusted.not_valid_before_utc,
            # What XMLDSig §4.4.3.2 says for a reference without a transform.
            default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
        ),
    )


# -- time and trust ----------------------------------------------------------


async def _stamp(sealed: _Sealed, anchors: tuple[str, ...], at: datetime) -> XmlStamp | None:
    path = f"{_PROPERTIES}xades:UnsignedProperties/xades:UnsignedSignatureProperties/"
    found = sealed.signature.find(f"{path}xades:SignatureTimeStamp", _NAMESPACES)
    if found is None:
        return None
    encoded = found.findtext("xades:EncapsulatedTimeStamp", "", _NAMESPACES)
    token = cms.ContentInfo.load(base64.b64decode(encoded), strict=True)
    value = canonical(sealed.find("ds:SignatureValue"))
    status = TimestampSignatureStatus(
        **await validate_tst_signed_data(
            token["content"], validation_context(anchors, moment=at), _imprint_of(value)
        )
    )
    return XmlStamp(at=status.timestamp, problem=_stamp_problem(status))


def _imprint_of(value: bytes) -> Callable[[str], bytes]:
    def imprint(algorithm: str) -> bytes:
        # A weak hash proves nothing; an empty imprint equals none.
        return hashlib.new(algorithm, value).digest() if algorithm in _IMPRINT_HASHES else b""

    return imprint


def _stamp_problem(status: TimestampSignatureStatus) -> str | None:
    if not (status.intact and status.valid):
        return "SIG_CONSTRAINTS_FAILURE"
    if status.trusted:
        return None
    problem = status.trust_problem_indic
    return problem.standard_name if problem is not None else "NO_CERTIFICATE_CHAIN_FOUND"


async def _trust_problem(
    certificate: asn1_x509.Certificate,
    others: Sequence[asn1_x509.Certificate],
    anchors: tuple[str, ...],
    moment: datetime,
) -> str | None:
    """None if the certificate leads to an anchor and was good for a seal at `moment`."""
    context = validation_context(anchors, moment=moment)
    validator = CertificateValidator(certificate, others, validation_context=context)
    try:
        await validator.async_validate_usage({"non_repudiation"})
    except (PathError, ValidationError) as error:
        return next(name for kind, name in _TRUST_PROBLEMS if isinstance(error, kind))
    return None
