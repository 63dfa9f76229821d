"""The check of a seal just made, before it can leave (P3).

It shares nothing with what writes seals: it reads the finished bytes, has its own few
lines of DER (X.690), and lets `cryptography` do the mathematics. It does not ask whom to
trust: the credential and the time-stamps were checked before they were used, so what can
still be wrong is what was written. Only keys and certificates are remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from chalicelib.domain.errors import SealVerificationError
from chalicelib.domain.seals import SealLevel

if TYPE_CHECKING:
    from chalicelib.domain.seals import SealCredential, SealedPdf

_FORMAT = "FORMAT_FAILURE"
_HASH = "HASH_FAILURE"
_CRYPTO = "SIG_CRYPTO_FAILURE"
_CONSTRAINTS = "SIG_CONSTRAINTS_FAILURE"

# Object identifiers as DER content, in hexadecimal.
_SIGNED_DATA = "2a864886f70d010702"
_DATA = "2a864886f70d010701"
_TST_INFO = "2a864886f70d0109100104"
_CONTENT_TYPE = "2a864886f70d010903"
_MESSAGE_DIGEST = "2a864886f70d010904"
_SIGNING_CERTIFICATE_V2 = "2a864886f70d010910022f"
_SIGNATURE_TIMESTAMP = "2a864886f70d010910020e"
_DIGEST_NAMES = {"608648016503040201": "sha256", "608648016503040202": "sha384"}
_SIGNATURE_OIDS = {
    ("rsa", "sha256"): "2a864886f70d01010b",
    ("ec", "sha256"): "2a8648ce3d040302",
    ("ec", "sha384"): "2a8648ce3d040303",
}
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
_MOST_CREDENTIALS = 256  # keys remembered at once


def check_own_seal(sealed: SealedPdf, linted: bytes) -> bool:
    """Check that `sealed` is `linted` and the revisions of its level, nothing else, and
    that every digest, imprint and signature in them is right.

    Returns whether the structure could be followed: False says that the file has a
    cross-reference stream, which only another reader understands. Raises
    SealVerificationError with the ETSI sub-indication (EN 319 102-1 §5.1.3).
    """
    pdf, level = sealed.pdf, sealed.level
    if not pdf.startswith(linted):
        raise _wrong("The sealed file does not begin with the linted one", _FORMAT)
    expected = 2 if level is SealLevel.B_LTA else 1
    signatures = _signatures(pdf, len(linted))
    if not signatures:
        raise _wrong("The file carries no seal", "SIGNED_DATA_NOT_FOUND")
    if len(signatures) != expected:
        raise _wrong("The file does not carry exactly one seal and what its level adds", _FORMAT)
    try:
        _check_seal(pdf, signatures[0], sealed)
        if level is SealLevel.B_LTA:
            _check_document_timestamp(pdf, signatures[1])
        return _check_structure(pdf, len(linted), signatures, level)
    except (LookupError, ValueError) as error:
        # Whatever the readers below stumble over is a damaged file.
        raise _wrong(f"The new seal cannot be read ({type(error).__name__})", _FORMAT) from error


def _wrong(what: str, sub_indication: str) -> SealVerificationError:
    return SealVerificationError(f"{what}.", sub_indication)


# -- signatures in the file --------------------------------------------------

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) (\d+)\s*\]")


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A signature: its DER, and the bytes around its gap. `end` is where the second part
    of these ends."""

    gap: int
    behind: int
    end: int
    der: bytes

    def digest(self, pdf: bytes, algorithm: str) -> bytes:
        view = memoryview(pdf)
        digest = hashlib.new(algorithm, view[: self.gap])
        digest.update(view[self.behind : self.end])
        return digest.digest()


def _signatures(pdf: bytes, start: int) -> list[_Embedded]:
    """Those behind `start`, in the order of the file."""
    found = _BYTE_RANGE.finditer(pdf, start)
    return [_embedded(pdf, start, *map(int, match.groups())) for match in found]


def _embedded(pdf: bytes, start: int, gap: int, behind: int, rest: int) -> _Embedded:
    """ISO 32000-1 §12.8.1: the gap is exactly the hexadecimal of one DER value, filled up
    with zeros; nothing can hide in it."""
    digits = pdf[gap + 1 : behind - 1]
    if not (start < gap < behind <= behind + rest <= len(pdf)):
        raise _wrong("A signature covers what it cannot", _FORMAT)
    if pdf[gap : gap + 1] != b"<" or pdf[behind - 1 : behind] != b">":
        raise _wrong("The gap in the signed bytes is not the signature", _FORMAT)
    try:
        room = bytes.fromhex(digits.decode("ascii"))
        end = _element(room, 0).end
    except (ValueError, IndexError):
        raise _wrong("The signature is not DER in hexadecimal", _FORMAT) from None
    if len(digits) != 2 * len(room) or any(room[end:]):
        raise _wrong("Something lies behind the signature in its room", _FORMAT)
    return _Embedded(gap, behind, behind + rest, room[:end])


# -- the seal ----------------------------------------------------------------


def _check_seal(pdf: bytes, embedded: _Embedded, sealed: SealedPdf) -> None:
    expected = _expected(sealed.credential)
    signed_data = _SignedData(embedded.der)
    if signed_data.content_type != _DATA or signed_data.content is not None:
        raise _wrong("The seal is not over detached data", _FORMAT)
    if expected.certificate not in signed_data.certificates:
        raise _wrong("The seal is not by this agency's certificate", _CONSTRAINTS)
    if not expected.chain.issuperset(signed_data.certificates):
        raise _wrong("The seal carries certificates that are not its credential's", _CONSTRAINTS)
    attributes, algorithm = signed_data.signed_attributes, signed_data.digest_algorithm
    if attributes[_CONTENT_TYPE].hex != _DATA:
        raise _wrong("The seal's content type is wrong", _FORMAT)
    if attributes[_MESSAGE_DIGEST].content != embedded.digest(pdf, algorithm):
        raise _wrong("The seal's digest is not that of the file", _HASH)
    _check_named(attributes[_SIGNING_CERTIFICATE_V2], expected.certificate)
    _check_signature(signed_data, expected)
    _check_signature_timestamp(signed_data, sealed.level)


def _check_named(attribute: _Element, certificate: bytes) -> None:
    """ESSCertIDv2 (RFC 5035 §4): [algorithm], hash, [issuer and serial]."""
    identifier = attribute.children[0].children[0].children
    algorithm = "sha256"  # DEFAULT
    if identifier[0].tag == _SEQUENCE:
        algorithm, identifier = _digest_name(identifier[0]), identifier[1:]
    if identifier[0].content != hashlib.new(algorithm, certificate).digest():
        raise _wrong("The seal names another certificate as its own", _CONSTRAINTS)


def _check_signature(signed_data: _SignedData, expected: _Expected) -> None:
    algorithm = signed_data.digest_algorithm
    if algorithm != expected.digest:
        raise _wrong("The seal's digest does not go with its key", _CONSTRAINTS)
    if signed_data.signature_oid != _SIGNATURE_OIDS[expected.kind, algorithm]:
        raise _wrong("The seal says another algorithm than its key's", _CONSTRAINTS)
    digest = hashlib.new(algorithm, signed_data.signed).digest()
    hashed = Prehashed(_HASHES[algorithm])
    try:
        if isinstance(expected.key, rsa.RSAPublicKey):
            expected.key.verify(signed_data.signature, digest, padding.PKCS1v15(), hashed)
        else:
            expected.key.verify(signed_data.signature, digest, ec.ECDSA(hashed))
    except InvalidSignature:
        raise _wrong("The seal's signature is wrong", _CRYPTO) from None


def _check_signature_timestamp(signed_data: _SignedData, level: SealLevel) -> None:
    tokens = [
        value for oid, value in signed_data.unsigned_attributes if oid == _SIGNATURE_TIMESTAMP
    ]
    if len(tokens) != int(level.stamped):
        raise _wrong("The seal has not the time-stamp of its level", _FORMAT)
    for token in tokens:
        algorithm, imprint = _imprint(token)
        if imprint != hashlib.new(algorithm, signed_data.signature).digest():
            raise _wrong("The time-stamp belongs to another signature", _HASH)


def _check_document_timestamp(pdf: bytes, embedded: _Embedded) -> None:
    if embedded.end != len(pdf):
        raise _wrong("The document time-stamp does not cover the whole file", _FORMAT)
    algorithm, imprint = _imprint(_element(embedded.der, 0))
    if imprint != embedded.digest(pdf, algorithm):
        raise _wrong("The document time-stamp belongs to another file", _HASH)


def _imprint(token: _Element) -> tuple[str, bytes]:
    """Hash algorithm and message imprint of a time-stamp token (RFC 3161 §2.4.2)."""
    signed_data = _SignedData(token.data[token.start : token.end])
    if signed_data.content_type != _TST_INFO or signed_data.content is None:
        raise _wrong("A time-stamp is not a time-stamp", _FORMAT)
    _version, _policy, imprint, *_ = _element(signed_data.content, 0).children
    algorithm, hashed = imprint.children
    return _digest_name(algorithm), hashed.content


# -- whose seal it should be -------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Expected:
    """The certificate of a credential, its chain and key, and what goes with that."""

    certificate: bytes
    chain: frozenset[bytes]
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    kind: str
    digest: str


def _expected(credential: SealCredential) -> _Expected:
    return _expected_of(credential.chain_pem)


@lru_cache(maxsize=_MOST_CREDENTIALS)
def _expected_of(pems: tuple[str, ...]) -> _Expected:
    chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in pems]
    ders = [certificate.public_bytes(Encoding.DER) for certificate in chain]
    key = chain[0].public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return _Expected(ders[0], frozenset(ders), key, "rsa", "sha256")
    if isinstance(key, ec.EllipticCurvePublicKey):
        strong = isinstance(key.curve, ec.SECP384R1)
        return _Expected(ders[0], frozenset(ders), key, "ec", "sha384" if strong else "sha256")
    raise _wrong("A seal's key is RSA or on a curve", _CONSTRAINTS)


# -- CMS ---------------------------------------------------------------------

_SEQUENCE = 0x30
_CERTIFICATES, _UNSIGNED = 0xA0, 0xA1
_LONG_FORM, _SEVEN_BITS = 0x80, 0x7F


@dataclass(frozen=True, slots=True)
class _Element:
    """One DER value within `data`: all of it from `start`, its content from `inner`."""

    data: bytes
    tag: int
    start: int
    inner: int
    end: int

    @property
    def content(self) -> bytes:
        return self.data[self.inner : self.end]

    @property
    def hex(self) -> str:
        return self.content.hex()

    @property
    def whole(self) -> bytes:
        return self.data[self.start : self.end]

    @property
    def children(self) -> list[_Element]:
        found, at = [], self.inner
        while at < self.end:
            child = _element(self.data, at)
            if child.end > self.end:
                raise ValueError("a value reaches out of the one around it")
            found.append(child)
            at = child.end
        return found


def _element(data: bytes, at: int) -> _Element:
    """The value that begins at `at`. Raises ValueError, IndexError."""
    length, inner = data[at + 1], at + 2
    if length & _LONG_FORM:
        size = length & _SEVEN_BITS
        length = int.from_bytes(data[inner : inner + size])
        inner += size
    if inner + length > len(data):
        raise ValueError("a value is cut off")
    return _Element(data, data[at], at, inner, inner + length)


class _SignedData:
    """SignedData with one signer (RFC 5652 §5.1), taken apart."""

    def __init__(self, der: bytes) -> None:
        kind, explicit = _element(der, 0).children
        if kind.hex != _SIGNED_DATA:
            raise ValueError("not SignedData")
        _version, _digests, encapsulated, *optional, signers = explicit.children[0].children
        content_type, *content = encapsulated.children
        self.content_type = content_type.hex
        self.content = content[0].children[0].content if content else None
        self.certificates = [
            certificate.whole
            for part in optional
            if part.tag == _CERTIFICATES
            for certificate in part.children
        ]
        (signer,) = signers.children
        _version, _identifier, digest, attributes, signature_algorithm, signature, *rest = (
            signer.children
        )
        self.digest_algorithm = _digest_name(digest)
        # Signed is the SET OF, not the implicit tag that stands in the file (§5.4).
        self.signed = b"\x31" + attributes.whole[1:]
        self.signed_attributes = dict(_attributes(attributes))
        self.signature_oid = signature_algorithm.children[0].hex
        self.signature = signature.content
        self.unsigned_attributes = [
            pair for part in rest if part.tag == _UNSIGNED for pair in _attributes(part)
        ]


def _attributes(attributes: _Element) -> list[tuple[str, _Element]]:
    """Types and values; each has exactly one value here."""
    pairs = []
    for attribute in attributes.children:
        kind, values = attribute.children
        (value,) = values.children
        pairs.append((kind.hex, value))
    return pairs


def _digest_name(algorithm: _Element) -> str:
    return _DIGEST_NAMES[algorithm.children[0].hex]


# -- revisions ---------------------------------------------------------------

_END = re.compile(rb"startxref\s+(\d+)\s+%%EOF\r?\n?\Z")
_SECTION = re.compile(rb"\s*(\d+) (\d+)[ ]*\r?\n")
_PREVIOUS = re.compile(rb"/Prev (\d+)")
_STREAM = re.compile(rb"\d+ 0 obj\s")
_LONGEST_END = 64  # bytes of `startxref … %%EOF`
_LONGEST_TRAILER = 1_024  # bytes
_LINE = 20  # of a cross-reference table (ISO 32000-1 §7.5.4)
_REVISIONS = {SealLevel.B_B: 1, SealLevel.B_T: 1, SealLevel.B_LT: 2, SealLevel.B_LTA: 3}


def _check_structure(
    pdf: bytes, start: int, signatures: Sequence[_Embedded], level: SealLevel
) -> bool:
    """Follow the cross-reference tables back to the linted file."""
    ends = [len(pdf)]
    while ends[0] > start:
        before = _check_revision(pdf, start, ends[0])
        if before is None:
            return False
        ends.insert(0, before)
    if ends[0] != start or len(ends) != 1 + _REVISIONS[level]:
        raise _wrong("The file has not the revisions of its level", _FORMAT)
    if signatures[0].end != ends[1]:
        raise _wrong("The seal does not cover its revision", _FORMAT)
    if level.has_validation_data and b"/DSS" not in pdf[ends[1] : ends[2]]:
        raise _wrong("The file has no document security store", _FORMAT)
    return True


def _check_revision(pdf: bytes, start: int, end: int) -> int | None:
    """The revision that ends at `end`: its table says where each of its objects is, and
    there is nothing else in it. Returns where the one before it ends; None if it has a
    cross-reference stream in place of a table."""
    table_at = _table_of(pdf, end)
    if table_at is None:
        return None
    offsets, trailer_at = _table(pdf, table_at)
    previous = _PREVIOUS.search(pdf, trailer_at, min(end, trailer_at + _LONGEST_TRAILER))
    before = None if previous is None else _end_of_previous(pdf, start, int(previous[1]))
    if before is None or before >= end:
        raise _wrong("A revision does not continue the one before", _FORMAT)
    in_order = sorted(offsets)
    right = (
        len(in_order) == pdf.count(b" 0 obj", before, table_at)
        and all(pdf.startswith(b"%d 0 obj" % offsets[at], at) for at in in_order)
        and not pdf[before : in_order[0]].strip()
        and all(_ends_object(pdf, at) for at in (*in_order[1:], table_at))
    )
    if not right:
        raise _wrong("The cross-reference table is wrong", _FORMAT)
    return before


def _ends_object(pdf: bytes, at: int) -> bool:
    return pdf[at - 8 : at].rstrip().endswith(b"endobj")


def _table_of(pdf: bytes, end: int) -> int | None:
    """Where the table of the revision that ends at `end` begins."""
    closing = _END.search(pdf[max(0, end - _LONGEST_END) : end])
    table_at = -1 if closing is None else int(closing[1])
    if 0 <= table_at < end:
        if pdf.startswith(b"xref", table_at):
            return table_at
        if _STREAM.match(pdf, table_at):
            return None
    raise _wrong("A cross-reference table is not where it should be", _FORMAT)


def _table(pdf: bytes, table_at: int) -> tuple[dict[int, int], int]:
    """Object numbers by offset, and where the trailer begins."""
    offsets = {}
    at = table_at + len(b"xref")
    while section := _SECTION.match(pdf, at):
        first, count = int(section[1]), int(section[2])
        at = section.end()
        for number in range(first, first + count):
            offset, _generation, kind = pdf[at : at + _LINE].split()
            at += _LINE
            if kind == b"n":
                offsets[int(offset)] = number
    return offsets, at


def _end_of_previous(pdf: bytes, start: int, table_at: int) -> int | None:
    """Where the revision ends that has its table at `table_at`."""
    if table_at < start:
        return start if _table_of(pdf, start) in {table_at, None} else None
    end = pdf.find(b"%%EOF", table_at)
    return None if end < 0 else end + len(b"%%EOF\n")
