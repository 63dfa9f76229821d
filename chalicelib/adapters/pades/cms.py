"""The CMS of a seal (RFC 5652, CAdES profile of EN 319 142-1 §6.3), fixed parts made once.

Of one credential's seals only three things differ: the digest, the signature and the
time-stamp token. Everything else is DER that is prepared when the credential is first
used. There is no signing-time attribute: in PAdES the signature dictionary has /M.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509

from chalicelib.adapters.pades.der import explicit, integer, octets, oid, sequence, set_of
from chalicelib.domain.errors import SealError
from chalicelib.domain.seals import KeyAlgorithm

if TYPE_CHECKING:
    from chalicelib.adapters.trust import UsableCredential

_DATA = oid("1.2.840.113549.1.7.1")
_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")  # RFC 5035
_ALGORITHM_PROTECTION = oid("1.2.840.113549.1.9.52")  # RFC 6211
_SIGNATURE_TIMESTAMP = oid("1.2.840.113549.1.9.16.2.14")  # RFC 3161 appendix A

# RFC 5754 §2: parameters are absent for SHA-2, NULL for RSA with it, absent for ECDSA.
_DIGESTS = {
    "sha256": sequence(oid("2.16.840.1.101.3.4.2.1")),
    "sha384": sequence(oid("2.16.840.1.101.3.4.2.2")),
}
_RSA_SHA256 = sequence(oid("1.2.840.113549.1.1.11"), b"\x05\x00")
_SIGNATURES = {
    KeyAlgorithm.RSA_2048: _RSA_SHA256,
    KeyAlgorithm.RSA_3072: _RSA_SHA256,
    KeyAlgorithm.P_256: sequence(oid("1.2.840.10045.4.3.2")),
    KeyAlgorithm.P_384: sequence(oid("1.2.840.10045.4.3.3")),
}
_LARGEST_SIGNATURE = {  # bytes; ECDSA-Sig-Value as DER
    KeyAlgorithm.RSA_2048: 256,
    KeyAlgorithm.RSA_3072: 384,
    KeyAlgorithm.P_256: 72,
    KeyAlgorithm.P_384: 104,
}
# Longer headers around a token than around none: the attribute, and larger lengths outside.
_ROOM_AROUND_TOKEN = 64
_MOST_CREDENTIALS = 256  # prepared at once; a container serves that many agencies


class SealTemplate:
    """What is the same in every seal of one credential."""

    def __init__(
        self, certificate: bytes, issuers: tuple[bytes, ...], algorithm: KeyAlgorithm
    ) -> None:
        """Raises SealError if the certificate is not in DER that can be quoted."""
        digest, signature = _DIGESTS[algorithm.digest], _SIGNATURES[algorithm]
        self.algorithm = algorithm
        self._signature_algorithm = signature
        self._head = integer(1) + _signer_id(certificate) + digest
        self._certificates = (
            integer(1)
            + set_of([digest])
            + sequence(_DATA)
            + set_of([certificate, *issuers], tag=0xA0)
        )
        protection = sequence(digest, explicit(1, signature[2:]))
        fixed = [
            _attribute(_CONTENT_TYPE, _DATA),
            _attribute(_SIGNING_CERTIFICATE_V2, _named(certificate, algorithm.digest)),
            _attribute(_ALGORITHM_PROTECTION, protection),
        ]
        # Attributes stand in ascending order. Their first bytes decide on it, never the
        # digest, so where that goes is known beforehand.
        empty = bytes(hashlib.new(algorithm.digest).digest_size)
        self._before_digest, self._after_digest = set_of(
            [*fixed, _attribute(_MESSAGE_DIGEST, octets(empty))]
        ).split(empty)
        without_token = self.content_info(empty, bytes(_LARGEST_SIGNATURE[algorithm]), None)
        self._largest = len(without_token)

    def room(self, token_room: int | None) -> int:
        """Bytes that no seal of this credential exceeds, with a token of `token_room`
        bytes at most, or None without."""
        return self._largest + (0 if token_room is None else token_room + _ROOM_AROUND_TOKEN)

    def signed_attributes(self, digest: bytes) -> bytes:
        """What is signed: the attributes as SET OF (RFC 5652 §5.4)."""
        return self._before_digest + digest + self._after_digest

    def content_info(self, digest: bytes, signature: bytes, token: bytes | None) -> bytes:
        """The finished ContentInfo."""
        attributes = self.signed_attributes(digest)
        signer = self._head + b"\xa0" + attributes[1:] + self._signature_algorithm
        signer += octets(signature)
        if token is not None:
            signer += explicit(1, _attribute(_SIGNATURE_TIMESTAMP, token))
        signed_data = sequence(self._certificates, set_of([sequence(signer)]))
        return sequence(_SIGNED_DATA, explicit(0, signed_data))


@lru_cache(maxsize=_MOST_CREDENTIALS)
def _template(
    certificate: bytes, issuers: tuple[bytes, ...], algorithm: KeyAlgorithm
) -> SealTemplate:
    return SealTemplate(certificate, issuers, algorithm)


def template_for(usable: UsableCredential) -> SealTemplate:
    """Prepared once per credential and container. Raises SealError."""
    return _template(usable.certificate, usable.issuers, usable.key.algorithm)


def _attribute(kind: bytes, value: bytes) -> bytes:
    return sequence(kind, set_of([value]))


def _signer_id(certificate: bytes) -> bytes:
    """IssuerAndSerialNumber (RFC 5652 §10.2.4), the name byte for byte as certified."""
    parsed = x509.load_der_x509_certificate(certificate)
    serial, issuer = integer(parsed.serial_number), parsed.issuer.public_bytes()
    if issuer not in parsed.tbs_certificate_bytes:
        raise SealError(
            "The seal cannot be used: its certificate is not in DER.",
            "ใช้ตราประทับไม่ได้: ใบรับรองไม่อยู่ในรูปแบบ DER",
        )
    return sequence(issuer, serial)


def _named(certificate: bytes, digest: str) -> bytes:
    """SigningCertificateV2 (RFC 5035 §3): SHA-256 is its default and then left out."""
    hashed = octets(hashlib.new(digest, certificate).digest())
    algorithm = b"" if digest == "sha256" else _DIGESTS[digest]
    return sequence(sequence(sequence(algorithm, hashed)))
