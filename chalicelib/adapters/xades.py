"""XAdES: the seal of an attached XML document, by a key in KMS (port XmlSealer).

An enveloped signature as last child of the root, baseline B-B or B-T of EN 319 132-1,
in the shape of the signed sample of ขมธอ. 3-2560: one reference to the whole document,
one to the signed properties, Canonical XML 1.0 throughout. Whatever is written is read
by other code (`xades_validation`) before it leaves.

Nothing is stored: a process that dies half-way has spent a KMS signature and a
time-stamp, and signing again is always allowed until the file around it is archived (P2).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree
from lxml.builder import ElementMaker

from chalicelib.adapters.xades_validation import XadesValidator
from chalicelib.adapters.xml_reading import canonical, read_xml, refuse_ambiguous
from chalicelib.domain.errors import SealVerificationError, XmlRefusedError
from chalicelib.domain.seals import KeyAlgorithm, SealLevel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from chalicelib.adapters.trust import CredentialChecker, Timestamper, UsableCredential
    from chalicelib.domain.seals import SealCredential, SealPolicy
    from chalicelib.ports import Clock

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"

_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_ENVELOPED = f"{DS}enveloped-signature"
_SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
# RFC 9231 §2.1, §2.3
_DIGEST_URIS = {
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
}
_SIGNATURE_URI = "http://www.w3.org/2001/04/xmldsig-more#{kind}-{digest}"
_COORDINATE_BYTES = {KeyAlgorithm.P_256: 32, KeyAlgorithm.P_384: 48}

_ds = ElementMaker(namespace=DS, nsmap={"ds": DS})
_xades = ElementMaker(namespace=XADES, nsmap={"xades": XADES})


class XadesSealer:
    """Implements ports.XmlSealer.

    `rsa_digest` is the hash that RSA keys sign, `sha256` or `sha512` (as the signed sample
    of ขมธอ. 3-2560 has it); it must be one that the key takes. `anchors` gives the PEMs of
    the roots that a new signature must lead to.
    """

    def __init__(
        self,
        checker: CredentialChecker,
        timestamper: Timestamper,
        *,
        anchors: Callable[[], Sequence[str]],
        clock: Clock,
        rsa_digest: str = "sha256",
    ) -> None:
        self._checker = checker
        self._timestamper = timestamper
        self._anchors = anchors
        self._clock = clock
        self._rsa_digest = rsa_digest
        self._validator = XadesValidator()

    def seal_xml(
        self, xml: bytes, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> bytes:
        """The document (UTF-8) with its signature; what it says otherwise stays as it was.

        Raises XmlRefusedError for XML that cannot be signed safely, SealError,
        TimestampError, RevocationUnknownError, SealVerificationError, UnavailableError.
        """
        # 1. Read the document and digest it as it is.
        tree = read_xml(xml)
        _refuse_unsignable(tree)
        content = canonical(tree)
        # 2. A credential that may seal now.
        usable = self._checker.usable(credentials, policy)
        digest = self._digest_for(usable.key.algorithm)
        # 3. Put the signature in its place, then sign it there: namespaces of the document
        #    are part of what is signed.
        draft = _Draft.write(tree, content, usable, digest, self._clock())
        draft.sign(usable, digest)
        # 4. Stamp the signature.
        if policy.level.stamped:
            draft.stamp(self._timestamper, digest)
        sealed: bytes = etree.tostring(tree, encoding="UTF-8", xml_declaration=True)
        # 5. Read it anew before it can leave (P3).
        self._check(sealed, content, usable, policy.level)
        return sealed

    def _digest_for(self, algorithm: KeyAlgorithm) -> str:
        return self._rsa_digest if algorithm.is_rsa else algorithm.digest

    def _check(
        self, sealed: bytes, content: bytes, usable: UsableCredential, level: SealLevel
    ) -> None:
        """Raises SealVerificationError with the ETSI sub-indication."""
        seen = self._validator.observe(sealed, self._anchors(), at=self._clock())
        if seen.sub_indication is not None:
            raise SealVerificationError(
                "The new signature of the XML does not verify.", seen.sub_indication
            )
        if self._validator.content_of(sealed) != content:
            raise SealVerificationError("The signature covers another XML.", "HASH_FAILURE")
        if seen.certificate != usable.certificate or level.stamped is (seen.stamp is None):
            raise SealVerificationError(
                "The signature of the XML is not what was asked for.", "SIG_CONSTRAINTS_FAILURE"
            )


def _refuse_unsignable(tree: etree._ElementTree) -> None:
    refuse_ambiguous(tree)
    if next(tree.iter(f"{{{DS}}}Signature"), None) is not None:
        raise XmlRefusedError("The XML is signed already.", "XML นี้มีลายมือชื่อแล้ว")


# -- the signature -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Draft:
    """A signature in its place, and the parts of it that are filled in one by one."""

    signed_info: etree._Element
    value: etree._Element
    qualifying: etree._Element

    @classmethod
    def write(
        cls,
        tree: etree._ElementTree,
        content: bytes,
        usable: UsableCredential,
        digest: str,
        now: datetime,
    ) -> _Draft:
        """All but the signature value."""
        # Ids need only be unique in the document, so they are made of what it says.
        name = f"seal-{hashlib.sha256(content).hexdigest()[:32]}"
        properties_digest = _digest_value(b"", digest)
        signed_info = _signed_info(name, content, usable.key.algorithm, digest, properties_digest)
        value = _ds.SignatureValue(Id=f"{name}-value")
        properties = _signed_properties(name, usable.certificate, digest, now)
        qualifying = _xades.QualifyingProperties(properties, Target=f"#{name}")
        tree.getroot().append(
            _ds.Signature(
                signed_info,
                value,
                _key_info([usable.certificate, *usable.issuers]),
                _ds.Object(qualifying),
                Id=name,
            )
        )
        properties_digest.text = _digest_value(canonical(properties), digest).text
        return cls(signed_info, value, qualifying)

    def sign(self, usable: UsableCredential, digest: str) -> None:
        to_sign = hashlib.new(digest, canonical(self.signed_info)).digest()
        signature = usable.key.sign_digest(to_sign)
        self.value.text = _base64(_as_xmldsig(signature, usable.key.algorithm))

    def stamp(self, timestamper: Timestamper, digest: str) -> None:
        """SignatureTimeStamp, EN 319 132-1 §5.3: over the canonical SignatureValue."""
        imprint = hashlib.new(digest, canonical(self.value)).digest()
        token = timestamper.stamp(imprint, digest)
        self.qualifying.append(
            _xades.UnsignedProperties(
                _xades.UnsignedSignatureProperties(
                    _xades.SignatureTimeStamp(
                        _ds.CanonicalizationMethod(Algorithm=_C14N),
                        _xades.EncapsulatedTimeStamp(_base64(token.der)),
                    )
                )
            )
        )


def _signed_info(
    name: str,
    content: bytes,
    algorithm: KeyAlgorithm,
    digest: str,
    properties_digest: etree._Element,
) -> etree._Element:
    kind = "rsa" if algorithm.is_rsa else "ecdsa"
    method = _SIGNATURE_URI.format(kind=kind, digest=digest)
    return _ds.SignedInfo(
        _ds.CanonicalizationMethod(Algorithm=_C14N),
        _ds.SignatureMethod(Algorithm=method),
        _ds.Reference(
            _ds.Transforms(
                _ds.Transform(Algorithm=_ENVELOPED),
                _ds.Transform(Algorithm=_C14N),
            ),
            _ds.DigestMethod(Algorithm=_DIGEST_URIS[digest]),
            _digest_value(content, digest),
            Id=f"{name}-document",
            URI="",
        ),
        _ds.Reference(
            _ds.Transforms(_ds.Transform(Algorithm=_C14N)),
            _ds.DigestMethod(Algorithm=_DIGEST_URIS[digest]),
            properties_digest,
            Type=_SIGNED_PROPERTIES,
            URI=f"#{name}-properties",
        ),
    )


def _signed_properties(name: str, certificate: bytes, digest: str, now: datetime) -> etree._Element:
    """What baseline B-B demands: EN 319 132-1 §6.3, table 2."""
    return _xades.SignedProperties(
        _xades.SignedSignatureProperties(
            _xades.SigningTime(f"{now:%Y-%m-%dT%H:%M:%SZ}"),
            _xades.SigningCertificateV2(
                _xades.Cert(
                    _xades.CertDigest(
                        _ds.DigestMethod(Algorithm=_DIGEST_URIS[digest]),
                        _digest_value(certificate, digest),
                    )
                )
            ),
        ),
        _xades.SignedDataObjectProperties(
            _xades.DataObjectFormat(
                _xades.MimeType("text/xml"), ObjectReference=f"#{name}-document"
            )
        ),
        Id=f"{name}-properties",
    )


def _key_info(chain: Sequence[bytes]) -> etree._Element:
    certificates = (_ds.X509Certificate(_base64(certificate)) for certificate in chain)
    return _ds.KeyInfo(_ds.X509Data(*certificates))


def _digest_value(data: bytes, digest: str) -> etree._Element:
    return _ds.DigestValue(_base64(hashlib.new(digest, data).digest()))


def _as_xmldsig(signature: bytes, algorithm: KeyAlgorithm) -> bytes:
    """RSA as it is; ECDSA as r || s, each as long as the curve's order (RFC 4050 §3.3)."""
    if algorithm.is_rsa:
        return signature
    length = _COORDINATE_BYTES[algorithm]
    r, s = decode_dss_signature(signature)
    return r.to_bytes(length) + s.to_bytes(length)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
