"""Pictures of pages one below the other, as one PNG (ISO/IEC 15948), without decoding them.

For what typst writes: 8 bits, RGBA, no interlace. A row is stored as its difference from the
row above, so only the first row of each picture is written anew; all others stay as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

from chalicelib.domain.picture_files import PNG

_HEADER = struct.Struct(">IIBBBBB")
_FORM = (8, 6, 0, 0, 0)  # 8 bits, RGBA
_PIXEL = 4
_BETWEEN = b"\xe8\xe8\xe8\xff"
_NONE, _UP, _AVERAGE = 0, 2, 3


def stacked(pages: Sequence[bytes], *, between: int) -> bytes:
    """One PNG of `pages`, which are equally wide, with so many grey rows between them."""
    if len(pages) == 1:
        return pages[0]
    opened = [_opened(page) for page in pages]
    (width,) = {width for width, _, _ in opened}
    gap = (bytes([_NONE]) + _BETWEEN * width) * between
    rows = gap.join(_begun(pixels, width) for _, _, pixels in opened)
    height = sum(height for _, height, _ in opened) + between * (len(pages) - 1)
    header = _HEADER.pack(width, height, *_FORM)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return PNG + b"".join(_chunk(name, body) for name, body in parts)


def _opened(page: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows. Raises ValueError for what typst does not write."""
    chunks = list(_chunks(page))
    width, height, *form = _HEADER.unpack(dict(chunks)[b"IHDR"])
    if tuple(form) != _FORM:
        raise ValueError("not as typst writes it")
    return width, height, zlib.decompress(b"".join(b for name, b in chunks if name == b"IDAT"))


def _begun(rows: bytes, width: int) -> bytes:
    """The same rows, the first of them as it is and not as a difference: above it was nothing,
    so up is zero, and Paeth's predictor is what lies to the left (ISO/IEC 15948, clause 9)."""
    end = 1 + _PIXEL * width
    kind, first = rows[0], bytearray(rows[1:end])
    if kind not in {_NONE, _UP}:
        for at in range(_PIXEL, len(first)):
            left = first[at - _PIXEL]
            first[at] = first[at] + (left // 2 if kind == _AVERAGE else left) & 0xFF
    return bytes([_NONE]) + first + rows[end:]


def _chunks(page: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at < len(page):
        (length,) = struct.unpack_from(">I", page, at)
        yield page[at + 4 : at + 8], page[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
