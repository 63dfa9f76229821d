"""Reading DER (X.690) where a library costs too much: one pass, nothing kept, strict.

Only definite, shortest lengths and tags of one byte: all that RFC 3161 tokens have. Every
fault is a ValueError, however the bytes are damaged.
"""

from __future__ import annotations

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
SEQUENCE, SET, GENERALIZED_TIME, BOOLEAN = 0x30, 0x31, 0x18, 0x01
CONTEXT_0, CONTEXT_1 = 0x80, 0x81
CONSTRUCTED_0, CONSTRUCTED_1 = 0xA0, 0xA1

_LONG_FORM = 0x80
_LONGEST_LENGTH = 4
_MANY_BYTE_TAG = 0x1F


class Element:
    """One value: its tag, where it begins, where its content begins, where it ends."""

    __slots__ = ("body", "data", "end", "head", "tag")

    def __init__(self, data: bytes, head: int, limit: int) -> None:
        try:
            self.tag = data[head]
            length = data[head + 1]
        except IndexError:
            raise ValueError("DER: nothing where a value should be") from None
        if self.tag & _MANY_BYTE_TAG == _MANY_BYTE_TAG:
            raise ValueError("DER: a tag of several bytes")
        body = head + 2
        if length >= _LONG_FORM:
            count = length - _LONG_FORM
            octets = data[body : body + count]
            length = int.from_bytes(octets)
            body += count
            if (
                not 0 < count <= _LONGEST_LENGTH
                or length < _LONG_FORM
                or not octets[0]
                or len(octets) != count
            ):
                raise ValueError("DER: not the shortest length")
        self.data, self.head, self.body, self.end = data, head, body, body + length
        if self.end > limit:
            raise ValueError("DER: longer than what holds it")

    @property
    def content(self) -> bytes:
        return self.data[self.body : self.end]

    @property
    def encoded(self) -> bytes:
        return self.data[self.head : self.end]

    @property
    def integer(self) -> int:
        if self.tag != INTEGER or self.body == self.end:
            raise ValueError("DER: not an integer")
        return int.from_bytes(self.content, signed=True)

    def inside(self) -> Reader:
        return Reader(self.data, self.body, self.end)


class Reader:
    """Values one after the other between two places."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at = data, at
        self.end = len(data) if end is None else end

    @property
    def tag(self) -> int | None:
        """Of the next value; None at the end."""
        return self.data[self.at] if self.at < self.end else None

    def next(self, tag: int | None = None) -> Element:
        """The next value, which must have `tag` if one is given."""
        if self.at >= self.end:
            raise ValueError("DER: nothing where a value should be")
        element = Element(self.data, self.at, self.end)
        if tag is not None and element.tag != tag:
            raise ValueError(f"DER: tag {element.tag:#x} where {tag:#x} should be")
        self.at = element.end
        return element

    def enter(self, tag: int) -> Reader:
        """What is within the next value."""
        return self.next(tag).inside()

    def optional(self, tag: int) -> Element | None:
        """The next value if it has `tag`."""
        return self.next() if self.tag == tag else None

    def all(self) -> list[Element]:
        found = []
        while self.at < self.end:
            found.append(self.next())
        return found

    def done(self) -> None:
        if self.at != self.end:
            raise ValueError("DER: something behind the last value")


def only(data: bytes, tag: int) -> Reader:
    """What is within the one value that `data` is."""
    reader = Reader(data)
    inside = reader.enter(tag)
    reader.done()
    return inside


def encoded(tag: int, *parts: bytes) -> bytes:
    """A value with `parts` as its content."""
    content = b"".join(parts)
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def encoded_integer(value: int) -> bytes:
    """A value that is not negative."""
    return encoded(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def encoded_oid(dotted: str) -> bytes:
    """Raises ValueError if it is not an object identifier."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encoded(OID, *(_base_128(arc) for arc in (40 * first + second, *rest)))


def dotted_oid(content: bytes) -> str:
    """From the content of an OBJECT IDENTIFIER."""
    arcs, value = [], 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if octet < _LONG_FORM:
            arcs.append(value)
            value = 0
    if not arcs or content[-1] >= _LONG_FORM:
        raise ValueError("DER: not an object identifier")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _base_128(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(_LONG_FORM | value & 0x7F)
    return bytes(reversed(octets))
