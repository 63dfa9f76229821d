"""RFC 4998 word by word, and nobody's code but this: shares nothing with the adapter.

Reads DER with asn1crypto's bare parser, hashes with hashlib, checks signatures with
`cryptography`. Of a token it believes the certificate that it carries.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from asn1crypto import cms, parser
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


def check(record: bytes, data: bytes) -> list[datetime]:
    """The times of a record that proves `data`. Raises AssertionError if it does not."""
    version, *_, sequence = _children(record)
    assert _content(version) == b"\x01"
    times: list[datetime] = []
    chains = _children(sequence)
    for number, chain in enumerate(chains):
        before = b""
        for stamp in _children(chain):
            *optional, token = _children(stamp)
            algorithm = _algorithm(optional)
            if before:  # 5.2, time-stamp renewal
                leaf = _hash(algorithm, before)
            elif number:  # 5.2, hash-tree renewal
                older = _wrapped(b"".join(chains[:number]))
                leaf = _hash(algorithm, _hash(algorithm, data) + _hash(algorithm, older))
            else:  # 4.3
                leaf = _hash(algorithm, data)
            imprint, at = _signed(token)
            assert imprint == _root(optional, leaf, algorithm)
            times.append(at)
            before = token
    assert times == sorted(times)
    return times


def _root(optional: list[bytes], leaf: bytes, algorithm: str) -> bytes:
    """4.3, steps 1 and 2. One hash alone is not hashed again (4.2, step 3)."""
    groups = [
        [_content(h) for h in _children(g)] for o in optional if o[0] == 0xA2 for g in _children(o)
    ]
    if not groups:
        return leaf
    assert leaf in groups[0]
    node: list[bytes] = []
    for group in groups:
        members = sorted(node + group)
        node = members if len(members) == 1 else [_hash(algorithm, b"".join(members))]
    return node[0]


def _signed(token: bytes) -> tuple[bytes, datetime]:
    """Imprint and time of a token whose signature is right."""
    signed = cms.ContentInfo.load(token)["content"]
    (info,) = signed["signer_infos"]
    body = signed["encap_content_info"]["content"].contents
    told = {a["type"].native: a["values"][0] for a in info["signed_attrs"]}
    digest = hashlib.new(info["digest_algorithm"]["algorithm"].native, body).digest()
    assert told["message_digest"].native == digest
    serial = info["sid"].chosen["serial_number"].native
    (certificate,) = [
        c
        for c in map(x509.load_der_x509_certificate, [c.dump() for c in signed["certificates"]])
        if c.serial_number == serial
    ]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    attributes = b"\x31" + info["signed_attrs"].dump()[1:]
    key.verify(info["signature"].native, attributes, ec.ECDSA(hashes.SHA256()))
    stated = signed["encap_content_info"]["content"].parsed
    return stated["message_imprint"]["hashed_message"].native, stated["gen_time"].native


def _algorithm(optional: list[bytes]) -> str:
    (stated,) = [o for o in optional if o[0] == 0xA0]
    digits = cms.ContentType.load(_children(stated)[0])
    return _HASHES[digits.dotted]


def _hash(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data).digest()


def _wrapped(content: bytes) -> bytes:
    return bytes(parser.emit(0, 1, 16, content))


def _content(der: bytes) -> bytes:
    return bytes(parser.parse(der)[4])


def _children(der: bytes) -> list[bytes]:
    content, found = _content(der), []
    while content:
        length = parser.peek(content)
        found.append(content[:length])
        content = content[length:]
    return found
