"""RFC 3161 requests and tokens: written, read and checked without a network.

Read by hand (`der.py`) because one is checked for each time-stamp of each document; a
general CMS library takes longer for that than everything else together. What is read
here is checked by `TokenSigner` against a certificate that was trusted before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from chalicelib.adapters import der
from chalicelib.adapters.x509_paths import extension, usage

_SIGNED_DATA = der.encoded_oid("1.2.840.113549.1.7.2")
_TST_INFO = der.encoded_oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = der.encoded_oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.encoded_oid("1.2.840.113549.1.9.4")
_CERTIFICATE_ID = der.encoded_oid("1.2.840.113549.1.9.16.2.12")
_CERTIFICATE_ID_V2 = der.encoded_oid("1.2.840.113549.1.9.16.2.47")

_DIGESTS = {
    "sha256": der.encoded_oid("2.16.840.1.101.3.4.2.1"),
    "sha384": der.encoded_oid("2.16.840.1.101.3.4.2.2"),
    "sha512": der.encoded_oid("2.16.840.1.101.3.4.2.3"),
}
_DIGEST_NAMES = {oid: name for name, oid in _DIGESTS.items()}
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}

_RSA_ANY_HASH = der.encoded_oid("1.2.840.113549.1.1.1")
_RSA_PSS = der.encoded_oid("1.2.840.113549.1.1.10")
_RSA = {
    der.encoded_oid("1.2.840.113549.1.1.11"): "sha256",
    der.encoded_oid("1.2.840.113549.1.1.12"): "sha384",
    der.encoded_oid("1.2.840.113549.1.1.13"): "sha512",
}
_ECDSA = {
    der.encoded_oid("1.2.840.10045.4.3.2"): "sha256",
    der.encoded_oid("1.2.840.10045.4.3.3"): "sha384",
    der.encoded_oid("1.2.840.10045.4.3.4"): "sha512",
}

_VERSION_1 = der.encoded_integer(1)
_TRUE = der.encoded(der.BOOLEAN, b"\xff")
_NO_PARAMETERS = der.encoded(der.NULL)

_GRANTED = frozenset({0, 1})  # granted, grantedWithMods
_STATUS = (
    "granted",
    "granted with changes",
    "rejection",
    "waiting",
    "revocation warning",
    "revocation notification",
)
_TIME = re.compile(rb"(\d{14})(?:\.(\d+))?Z")
_MICRO_DIGITS = 6
# Of seconds, and of their fractions, in an accuracy (RFC 3161 §2.4.2): times can be reckoned
# with what is less.
_LARGEST_NUMBER = 1_000_000


class TokenError(Exception):
    """An answer that cannot be used; says why, without quoting it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """TSTInfo (RFC 3161 §2.4.2). `resolution` is the unit of the last digit of `at` as it
    was written."""

    policy: str
    imprint: bytes
    imprint_algorithm: str
    at: datetime
    resolution: timedelta
    accuracy: timedelta | None
    nonce: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSignature:
    """SignerInfo (RFC 5652 §5.3). `signer` is the SignerIdentifier, DER. `certificate_ids`
    are hashes and their names, by which the token names its certificate (RFC 5816, RFC 2634)."""

    signer: bytes
    signed_attributes: bytes
    content_digest: bytes
    digest_algorithm: str
    signature_algorithm: bytes
    signature: bytes
    certificate_ids: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a TimeStampResp holds, not yet verified."""

    der: bytes
    content: bytes
    info: TokenInfo
    certificates: tuple[bytes, ...]
    signed: TokenSignature

    def signing_certificate(self) -> bytes:
        """The one of `certificates` that the token names. Raises TokenError."""
        for certificate in self.certificates:
            if self._names(certificate):
                return certificate
        raise TokenError("the token does not hold the certificate it names")

    def _names(self, certificate: bytes) -> bool:
        return bool(self.signed.certificate_ids) and all(
            hashlib.new(name, certificate, usedforsecurity=False).digest() == digest
            for name, digest in self.signed.certificate_ids
        )


def request(digest: bytes, algorithm: str, nonce: int) -> bytes:
    """TimeStampReq (RFC 3161 §2.4.1) that asks for the certificates, too."""
    imprint = der.encoded(
        der.SEQUENCE,
        der.encoded(der.SEQUENCE, _DIGESTS[algorithm], _NO_PARAMETERS),
        der.encoded(der.OCTET_STRING, digest),
    )
    return der.encoded(der.SEQUENCE, _VERSION_1, imprint, der.encoded_integer(nonce), _TRUE)


def read_response(body: bytes) -> Token:
    """Raises TokenError if there is no token, or none that can be read."""
    try:
        response = der.only(body, der.SEQUENCE)
        _check_status(response.enter(der.SEQUENCE))
        token = response.next(der.SEQUENCE)
        response.done()
        return _read_token(token)
    except ValueError as error:
        raise TokenError("the answer is malformed") from error


def check_answer(
    token: Token, *, digest: bytes, algorithm: str, nonce: int, policies: Collection[str]
) -> None:
    """The token answers this request. Raises TokenError."""
    if token.info.nonce != nonce:
        raise TokenError("the answer is to another request (nonce)")
    if (token.info.imprint_algorithm, token.info.imprint) != (algorithm, digest):
        raise TokenError("the token does not fit the request (imprint)")
    if policies and token.info.policy not in policies:
        raise TokenError(f"its policy {token.info.policy} is not an accepted one")


class TokenSigner:
    """A certificate that signs tokens, made ready once to check many."""

    def __init__(self, certificate: x509.Certificate) -> None:
        """Raises TokenError if it may not sign tokens (RFC 3161 §2.3)."""
        _check_purpose(certificate)
        self._der = certificate.public_bytes(Encoding.DER)
        self._key = certificate.public_key()
        self._names = _identifiers(certificate)

    def check(self, token: Token) -> None:
        """The token is by this certificate. Raises TokenError."""
        signed = token.signed
        if self._der not in token.certificates or signed.signer not in self._names:
            raise TokenError("the token names another signer than its certificate")
        if signed.content_digest != hashlib.new(signed.digest_algorithm, token.content).digest():
            raise TokenError("the token was changed (digest)")
        try:
            self._verify(signed)
        except (InvalidSignature, ValueError) as error:
            raise TokenError("its signature is wrong") from error

    def _verify(self, signed: TokenSignature) -> None:
        chosen = _HASHES[signed.digest_algorithm]
        if isinstance(self._key, ec.EllipticCurvePublicKey):
            _expect(_ECDSA.get(signed.signature_algorithm) == signed.digest_algorithm)
            self._key.verify(signed.signature, signed.signed_attributes, ec.ECDSA(chosen))
        elif isinstance(self._key, rsa.RSAPublicKey):
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
            if signed.signature_algorithm == _RSA_PSS:
                scheme = padding.PSS(padding.MGF1(chosen), padding.PSS.AUTO)
            elif signed.signature_algorithm != _RSA_ANY_HASH:
                _expect(_RSA.get(signed.signature_algorithm) == signed.digest_algorithm)
            self._key.verify(signed.signature, signed.signed_attributes, scheme, chosen)
        else:
            raise TokenError("its key is of an unknown kind")


# -- the certificate ---------------------------------------------------------


def _check_purpose(certificate: x509.Certificate) -> None:
    purposes = extension(certificate, x509.ExtendedKeyUsage)
    allowed = usage(certificate)
    if purposes is None or not isinstance(purposes.value, x509.ExtendedKeyUsage):
        raise TokenError("its certificate is not for time-stamps")
    if list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING] or not purposes.critical:
        raise TokenError("its certificate is not for time-stamps alone (RFC 3161, 2.3)")
    if allowed is not None and not (allowed.digital_signature or allowed.content_commitment):
        raise TokenError("its certificate may not sign")


def _identifiers(certificate: x509.Certificate) -> frozenset[bytes]:
    """The forms a SignerIdentifier of it may have (RFC 5652 §5.3)."""
    names = {
        der.encoded(
            der.SEQUENCE,
            certificate.issuer.public_bytes(),
            der.encoded_integer(certificate.serial_number),
        ),
        der.encoded(der.SEQUENCE, *_issuer_and_serial(certificate)),
    }
    found = extension(certificate, x509.SubjectKeyIdentifier)
    if found is not None and isinstance(found.value, x509.SubjectKeyIdentifier):
        names.add(der.encoded(der.CONTEXT_0, found.value.digest))
    return frozenset(names)


def _issuer_and_serial(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """As they are written in the certificate; a library might write them otherwise."""
    fields = der.only(certificate.tbs_certificate_bytes, der.SEQUENCE)
    fields.optional(der.CONSTRUCTED_0)  # version
    serial = fields.next(der.INTEGER)
    fields.next(der.SEQUENCE)  # signature algorithm
    return fields.next(der.SEQUENCE).encoded, serial.encoded


# -- reading -----------------------------------------------------------------


def _expect(condition: object) -> None:
    if not condition:
        raise ValueError("not as RFC 3161 has it")


def _check_status(status: der.Reader) -> None:
    value = status.next(der.INTEGER).integer
    if value not in _GRANTED:
        name = _STATUS[value] if 0 <= value < len(_STATUS) else str(value)
        raise TokenError(f"refused ({name})")


def _read_token(token: der.Element) -> Token:
    content = token.inside()
    _expect(content.next(der.OID).encoded == _SIGNED_DATA)
    signed = content.enter(der.CONSTRUCTED_0).enter(der.SEQUENCE)
    signed.next(der.INTEGER)  # version
    signed.next(der.SET)  # digest algorithms, repeated by the signer
    encapsulated = signed.enter(der.SEQUENCE)
    _expect(encapsulated.next(der.OID).encoded == _TST_INFO)
    info = encapsulated.enter(der.CONSTRUCTED_0).next(der.OCTET_STRING).content
    held = signed.optional(der.CONSTRUCTED_0)
    signed.optional(der.CONSTRUCTED_1)  # CRLs
    signers = signed.enter(der.SET)
    signer = signers.enter(der.SEQUENCE)
    signers.done()  # RFC 3161 §2.4.2: no other signature
    certificates = held.inside().all() if held else []
    return Token(
        der=token.encoded,
        content=info,
        info=_read_info(info),
        certificates=tuple(c.encoded for c in certificates if c.tag == der.SEQUENCE),
        signed=_read_signer(signer),
    )


def _read_info(info: bytes) -> TokenInfo:
    fields = der.only(info, der.SEQUENCE)
    _expect(fields.next(der.INTEGER).encoded == _VERSION_1)
    policy = der.dotted_oid(fields.next(der.OID).content)
    imprint = fields.enter(der.SEQUENCE)
    algorithm = _digest_name(imprint.enter(der.SEQUENCE))
    digest = imprint.next(der.OCTET_STRING).content
    fields.next(der.INTEGER)  # serial number
    at, resolution = _read_time(fields.next(der.GENERALIZED_TIME).content)
    accuracy = fields.optional(der.SEQUENCE)
    fields.optional(der.BOOLEAN)  # ordering
    nonce = fields.optional(der.INTEGER)
    fields.optional(der.CONSTRUCTED_0)  # name of the authority, a hint
    extensions = fields.optional(der.CONSTRUCTED_1)
    fields.done()
    if extensions is not None:
        _refuse_critical(extensions.inside())
    return TokenInfo(
        policy=policy,
        imprint=digest,
        imprint_algorithm=algorithm,
        at=at,
        resolution=resolution,
        accuracy=_read_accuracy(accuracy.inside()) if accuracy else None,
        nonce=nonce.integer if nonce else None,
    )


def _read_time(written: bytes) -> tuple[datetime, timedelta]:
    """A GeneralizedTime, and the unit of its last digit."""
    found = _TIME.fullmatch(written)
    if found is None:
        raise ValueError("not a time")
    whole = datetime.strptime(found[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if found[2] is None:
        return whole, timedelta(seconds=1)
    digits = found[2][:_MICRO_DIGITS].decode()
    micros = int(digits.ljust(_MICRO_DIGITS, "0"))
    unit = timedelta(microseconds=10 ** (_MICRO_DIGITS - len(digits)))
    return whole + timedelta(microseconds=micros), unit


def _read_accuracy(parts: der.Reader) -> timedelta:
    seconds = parts.optional(der.INTEGER)
    millis = parts.optional(der.CONTEXT_0)
    micros = parts.optional(der.CONTEXT_1)
    parts.done()
    stated = (
        seconds.integer if seconds else 0,
        int.from_bytes(millis.content) if millis else 0,
        int.from_bytes(micros.content) if micros else 0,
    )
    _expect(all(0 <= number <= _LARGEST_NUMBER for number in stated))
    return timedelta(seconds=stated[0], milliseconds=stated[1], microseconds=stated[2])


def _refuse_critical(extensions: der.Reader) -> None:
    """None is known, so none may be critical."""
    for each in extensions.all():
        fields = each.inside()
        fields.next(der.OID)
        flag = fields.optional(der.BOOLEAN)
        _expect(flag is None or flag.encoded != _TRUE)


def _read_signer(fields: der.Reader) -> TokenSignature:
    """With the attributes RFC 3161 wants."""
    fields.next(der.INTEGER)  # version, follows from the identifier
    signer = fields.next()
    digest = _digest_name(fields.enter(der.SEQUENCE))
    attributes = fields.next(der.CONSTRUCTED_0)
    signature_algorithm = fields.enter(der.SEQUENCE).next(der.OID).encoded
    signature = fields.next(der.OCTET_STRING).content
    found = _read_attributes(attributes.inside())
    _expect(found[_CONTENT_TYPE].encoded == _TST_INFO)
    return TokenSignature(
        signer=signer.encoded,
        # What is signed has the tag of a SET (RFC 5652 §5.4).
        signed_attributes=bytes([der.SET]) + attributes.encoded[1:],
        content_digest=_octets(found[_MESSAGE_DIGEST]),
        digest_algorithm=digest,
        signature_algorithm=signature_algorithm,
        signature=signature,
        certificate_ids=tuple(_certificate_ids(found)),
    )


def _octets(element: der.Element) -> bytes:
    _expect(element.tag == der.OCTET_STRING)
    return element.content


def _read_attributes(attributes: der.Reader) -> dict[bytes, der.Element]:
    """The one value of each attribute."""
    found: dict[bytes, der.Element] = {}
    for each in attributes.all():
        fields = each.inside()
        kind = fields.next(der.OID).encoded
        values = fields.enter(der.SET)
        fields.done()
        value = values.next()
        if kind in {_CONTENT_TYPE, _MESSAGE_DIGEST, _CERTIFICATE_ID, _CERTIFICATE_ID_V2}:
            values.done()
            _expect(kind not in found)
            found[kind] = value
    _expect(_CONTENT_TYPE in found and _MESSAGE_DIGEST in found)
    return found


def _certificate_ids(attributes: dict[bytes, der.Element]) -> list[tuple[str, bytes]]:
    """The first of each list is the signer's (RFC 5035 §3, RFC 2634 §5.4)."""
    found = []
    if (old := attributes.get(_CERTIFICATE_ID)) is not None:
        first = old.inside().enter(der.SEQUENCE).enter(der.SEQUENCE)
        found.append(("sha1", first.next(der.OCTET_STRING).content))
    if (new := attributes.get(_CERTIFICATE_ID_V2)) is not None:
        first = new.inside().enter(der.SEQUENCE).enter(der.SEQUENCE)
        stated = first.optional(der.SEQUENCE)
        name = _digest_name(stated.inside()) if stated else "sha256"
        found.append((name, first.next(der.OCTET_STRING).content))
    return found


def _digest_name(algorithm: der.Reader) -> str:
    """Of an AlgorithmIdentifier; only strong ones have a name."""
    name = _DIGEST_NAMES.get(algorithm.next(der.OID).encoded)
    if name is None:
        raise ValueError("a digest that is not accepted")
    return name
