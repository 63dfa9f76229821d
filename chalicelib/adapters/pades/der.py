"""DER (X.690) as far as a seal needs it: written only, never read.

Values are `bytes` that already are DER; sizes are in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
SEQUENCE, SET = 0x30, 0x31

_SHORT = 0x80  # lengths below this take one byte (X.690 §8.1.3.4)
_SEVEN_BITS = 0x7F


def tlv(tag: int, content: bytes) -> bytes:
    """One value: tag, length, content."""
    size = len(content)
    if size < _SHORT:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, _SHORT | len(length))) + length + content


def sequence(*values: bytes) -> bytes:
    return tlv(SEQUENCE, b"".join(values))


def set_of(values: Iterable[bytes], tag: int = SET) -> bytes:
    """SET OF, its members in ascending order (§11.6); `tag` where it is an implicit one."""
    return tlv(tag, b"".join(sorted(values)))


def explicit(number: int, value: bytes) -> bytes:
    """`[number] EXPLICIT`; for a constructed value's content also `[number] IMPLICIT`."""
    return tlv(0xA0 | number, value)


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def octets(content: bytes) -> bytes:
    return tlv(OCTET_STRING, content)


def oid(dotted: str) -> bytes:
    """An object identifier from its dotted form (§8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(OID, b"".join(_base128(arc) for arc in (40 * first + second, *rest)))


def _base128(arc: int) -> bytes:
    groups = [arc & _SEVEN_BITS]
    while arc := arc >> 7:
        groups.append(_SHORT | (arc & _SEVEN_BITS))
    return bytes(reversed(groups))
