"""Files of pictures, walked byte by byte: PNG (ISO/IEC 15948) and JPEG (ITU-T T.81).

No picture library is loaded where this runs, so only plain forms pass that every decoder
reads alike. PNG: 8 bits or fewer, grey, RGB or palette, without interlace, transparency or
movement; its pixels are unpacked, with a bound, so no bomb passes. JPEG: baseline, 8 bits,
grey or YCbCr, in one scan without restarts: there a decoder ends where the data end, whatever
they say. In other forms damaged data make it fail, and to see that takes a decoder.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"

NO_PICTURE = "not_a_picture"
DAMAGED = "picture_damaged"
UNSUPPORTED = "picture_unsupported"
METADATA = "picture_metadata"
DIMENSIONS = "picture_dimensions"


class PictureError(Exception):
    """Why a file is no picture that can be printed; `args[0]` is one of the codes above."""


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels."""

    width: int
    height: int


def size_of(data: bytes, *, most: Size) -> Size:
    """Of a picture that prints, never more than `most` to either side. Raises PictureError;
    takes memory for no more than `most`."""
    if data.startswith(PNG):
        return _png_size(data, most)
    if data.startswith(JPEG):
        return _jpeg_size(data, most)
    raise PictureError(NO_PICTURE)


def _demand(condition: object, code: str = DAMAGED) -> None:
    if not condition:
        raise PictureError(code)


def _bounded(width: int, height: int, most: Size) -> Size:
    _demand(width and height)
    _demand(width <= most.width and height <= most.height, DIMENSIONS)
    return Size(width, height)


# -- PNG ---------------------------------------------------------------------

_GREY, _RGB, _PALETTE = 0, 2, 3
_DEPTHS = {_GREY: (1, 2, 4, 8), _RGB: (8,), _PALETTE: (1, 2, 4, 8)}
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1}
_OF_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
# They say how the pixels are meant and nothing else.
_HARMLESS = {b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"pHYs": 9}
_FORMS = {b"acTL", b"fcTL", b"fdAT", b"tRNS"}
_LAST_FILTER = 4


def _png_size(data: bytes, most: Size) -> Size:
    _demand(len(data) > len(PNG))
    names, bodies = zip(*_chunks(data), strict=True)
    _demand(names[0] == b"IHDR" and names[-1] == b"IEND" and not bodies[-1])
    _demand(len(bodies[0]) == 13)  # noqa: PLR2004 - of IHDR
    _demand(names.count(b"IHDR") == 1 and names.count(b"IEND") == 1)
    for name, body in zip(names, bodies, strict=True):
        _demand(name not in _FORMS, UNSUPPORTED)
        _demand(name in _OF_PIXELS or name in _HARMLESS, METADATA)
        _demand(len(body) == _HARMLESS.get(name, len(body)))
    width, height, depth, colour, *methods, interlace = struct.unpack(">IIBBBBB", bodies[0])
    size = _bounded(width, height, most)
    _demand(methods == [0, 0])
    _demand(depth in _DEPTHS.get(colour, ()) and not interlace, UNSUPPORTED)
    _demand(b"IDAT" in names)
    _demand_palette(names, bodies, colour, depth)
    first = names.index(b"IDAT")
    packed = bodies[first : first + names.count(b"IDAT")]
    _demand(set(names[first : first + len(packed)]) == {b"IDAT"})
    _demand_pixels(b"".join(packed), -(-width * depth * _CHANNELS[colour] // 8), height)
    return size


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at < len(data):
        _demand(at + 12 <= len(data))
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        _demand(end <= len(data))
        name, body = data[at + 4 : at + 8], data[at + 8 : end - 4]
        _demand(struct.unpack_from(">I", data, end - 4)[0] == zlib.crc32(data[at + 4 : end - 4]))
        yield name, body
        at = end


def _demand_palette(
    names: tuple[bytes, ...], bodies: tuple[bytes, ...], colour: int, depth: int
) -> None:
    """One for a picture made of it, none else; before the pixels, no longer than they count."""
    if colour != _PALETTE:
        _demand(b"PLTE" not in names, UNSUPPORTED)
        return
    _demand(names.count(b"PLTE") == 1 and names.index(b"PLTE") < names.index(b"IDAT"))
    entries, rest = divmod(len(bodies[names.index(b"PLTE")]), 3)
    _demand(not rest and 1 <= entries <= 2**depth)


def _demand_pixels(packed: bytes, row: int, height: int) -> None:
    """Exactly `height` rows of `row` bytes and a filter each, and never unpacking more."""
    expected = (row + 1) * height
    unpacker = zlib.decompressobj()
    try:
        rows = unpacker.decompress(packed, expected + 1)
    except zlib.error as error:
        raise PictureError(DAMAGED) from error
    _demand(len(rows) == expected and unpacker.eof and not unpacker.unused_data)
    _demand(max(rows[:: row + 1]) <= _LAST_FILTER)


# -- JPEG --------------------------------------------------------------------

_BASELINE, _HUFFMAN, _END, _SCAN = 0xC0, 0xC4, 0xD9, 0xDA
_QUANTISATION, _INTERVAL = 0xDB, 0xDD
_JFIF, _ADOBE = 0xE0, 0xEE
_OTHER_FORMS = frozenset({*range(0xC1, 0xC4), *range(0xC5, 0xD0), 0xDC, 0xDE, 0xDF})
_MORE_THAN_PICTURE = frozenset({*range(0xE0, 0xF0), 0xFE})
# They say how colours are meant; a JFIF header may not bring a picture of its own.
_HARMLESS_BODIES = {
    _JFIF: re.compile(rb"JFIF\0\x01.{6}\0\0", re.DOTALL),
    _ADOBE: re.compile(rb"Adobe\0.{5}\x01", re.DOTALL),
}
# The data of a scan end at the first marker; a stuffed byte is none.
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xff]")
_SAMPLING = {1: ({0x11},), 3: ({0x11, 0x21, 0x12, 0x22}, {0x11}, {0x11})}
_TABLES = 4
_BLOCK = 64
_CODE_LENGTHS = 16
_MOST_DC_BITS = 11


def _jpeg_size(data: bytes, most: Size) -> Size:
    jpeg = _Jpeg(most)
    for marker, body in _segments(data):
        jpeg.take(marker, body)
    _demand(jpeg.scanned)
    return jpeg.size


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and parameters of each segment between start and end of the image; what is
    coded in scans is passed over."""
    at = len(JPEG)
    while True:
        _demand((data[at : at + 1] == b"\xff" and at + 4 <= len(data)) or data[at:] == b"\xff\xd9")
        marker = data[at + 1]
        if marker == _END:
            _demand(at + 2 == len(data))
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        _demand(length >= 2 and end <= len(data))  # noqa: PLR2004 - it counts itself
        yield marker, data[at + 4 : end]
        if marker == _SCAN:
            after = _AFTER_SCAN.search(data, end)
            _demand(after)
            end = after.end() - 2 if after else end
        at = end


class _Jpeg:
    """What was declared so far: each part must have what it needs before it."""

    def __init__(self, most: Size) -> None:
        self._most = most
        self._components: dict[int, int] = {}  # id → quantisation table
        self._quantisation: set[int] = set()
        self._huffman: set[int] = set()
        self.size = Size(0, 0)
        self.scanned = False

    def take(self, marker: int, body: bytes) -> None:
        """Raises PictureError."""
        if marker == _BASELINE:
            self._frame(body)
        elif marker == _QUANTISATION:
            self._quantisation_tables(body)
        elif marker == _HUFFMAN:
            self._huffman_tables(body)
        elif marker == _SCAN:
            self._scan(body)
        elif marker == _INTERVAL:
            _demand(body == b"\0\0", UNSUPPORTED)  # restarts
        elif not (marker in _HARMLESS_BODIES and _HARMLESS_BODIES[marker].fullmatch(body)):
            _demand(marker not in _OTHER_FORMS, UNSUPPORTED)
            _demand(marker not in _MORE_THAN_PICTURE, METADATA)
            raise PictureError(DAMAGED)

    def _frame(self, body: bytes) -> None:
        _demand(not self._components and len(body) > struct.calcsize(">BHHB"))
        precision, height, width, count = struct.unpack_from(">BHHB", body)
        _demand(len(body) == struct.calcsize(">BHHB") + 3 * count)
        _demand(precision == 8 and count in _SAMPLING, UNSUPPORTED)  # noqa: PLR2004 - bits
        parts = [body[at : at + 3] for at in range(struct.calcsize(">BHHB"), len(body), 3)]
        for (_, sampling, _table), allowed in zip(parts, _SAMPLING[count], strict=True):
            _demand(sampling in allowed, UNSUPPORTED)
        self._components = {component: table for component, _, table in parts}
        _demand(len(self._components) == count)
        self.size = _bounded(width, height, self._most)

    def _quantisation_tables(self, body: bytes) -> None:
        for at in range(0, len(body), 1 + _BLOCK):
            number, table = body[at], body[at + 1 : at + 1 + _BLOCK]
            _demand(number < _TABLES, UNSUPPORTED)  # 16 bits are for 12-bit pictures
            _demand(len(table) == _BLOCK and 0 not in table)
            self._quantisation.add(number)

    def _huffman_tables(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            table, counts = body[at], body[at + 1 : at + 1 + _CODE_LENGTHS]
            end = at + 1 + _CODE_LENGTHS + sum(counts)
            values = body[at + 1 + _CODE_LENGTHS : end]
            _demand(table & 0xEF < _TABLES and len(counts) == _CODE_LENGTHS)
            _demand(end <= len(body) and values and len(set(values)) == len(values))
            _demand(table & 0x10 or max(values) <= _MOST_DC_BITS)
            _demand_prefix_code(counts)
            self._huffman.add(table)
            at = end

    def _scan(self, body: bytes) -> None:
        """The header of the one scan, of all components (T.81, B.2.3)."""
        _demand(not self.scanned, UNSUPPORTED)
        count = len(self._components)
        _demand(count and body[:1] == bytes([count]) and len(body) == 4 + 2 * count)
        _demand(tuple(body[-3:]) == (0, _BLOCK - 1, 0))
        _demand(list(body[1:-3:2]) == list(self._components))
        _demand(set(self._components.values()) <= self._quantisation)
        for tables in body[2:-3:2]:
            _demand({tables >> 4, 0x10 | tables & 15} <= self._huffman)
        self.scanned = True


def _demand_prefix_code(counts: bytes) -> None:
    """So many codes of each length can be told apart (T.81, annex C)."""
    free = 1
    for count in counts:
        free = 2 * free - count
        _demand(free >= 0)
