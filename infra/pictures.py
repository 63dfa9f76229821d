"""Pages of a PDF as pictures, by pdftoppm (poppler-utils), and small PNG files of them.

Only what looking at documents needs: grey or RGB, 8 bits, no transparency. PNG files are
written and read with the standard library (ISO/IEC 15948); read are only those written here.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_COLOUR_TYPE = {1: 0, 3: 2}  # channels → grey, RGB
_KINDS = {b"P5": 1, b"P6": 3}  # netpbm magic → channels
_MOST_PAGES = 200
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Picture:
    """`pixels` are rows from the top, `channels` bytes a pixel (1 grey, 3 RGB)."""

    width: int
    height: int
    channels: int
    pixels: bytes


def can_draw() -> bool:
    """Whether pdftoppm is installed."""
    return shutil.which("pdftoppm") is not None


def pages(pdf: Path, *, resolution: int, grey: bool = False) -> list[Picture]:
    """Every page as a picture, `resolution` in dots per inch. Raises CalledProcessError if
    the file is no PDF, FileNotFoundError if pdftoppm is not installed."""
    return _drawn(pdf, "-r", str(resolution), *(["-gray"] if grey else []))


def pages_of_width(pdf: Path, width: int) -> list[Picture]:
    """Every page in colour, `width` pixels wide. Raises as `pages` does."""
    return _drawn(pdf, "-scale-to-x", str(width), "-scale-to-y", "-1")


def _drawn(pdf: Path, *options: str) -> list[Picture]:
    command = ["pdftoppm", *options, "-l", str(_MOST_PAGES), str(pdf)]
    return _netpbm(
        subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS).stdout
    )


def _netpbm(data: bytes) -> list[Picture]:
    """Pictures one after another, each `P5|P6 width height 255` and its pixels."""
    found, at = [], 0
    while at < len(data):
        magic, width, height, _ = data[at : at + 64].split(maxsplit=4)[:4]
        head = data.index(b"255\n", at) + len(b"255\n")
        channels = _KINDS[magic]
        at = head + int(width) * int(height) * channels
        found.append(Picture(int(width), int(height), channels, data[head:at]))
    return found


def to_png(picture: Picture) -> bytes:
    stride = picture.width * picture.channels
    rows = (
        picture.pixels[start : start + stride] for start in range(0, len(picture.pixels), stride)
    )
    header = _HEADER.pack(picture.width, picture.height, 8, _COLOUR_TYPE[picture.channels], 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks)


def from_png(data: bytes) -> Picture:
    """The picture that `to_png` wrote. Raises ValueError for any other file."""
    chunks = dict(_chunks(data)) if data.startswith(_SIGNATURE) else {}
    if set(chunks) != {b"IHDR", b"IDAT", b"IEND"}:
        raise ValueError("this PNG was not written here")
    width, height, depth, colour, *_ = _HEADER.unpack(chunks[b"IHDR"])
    channels = {kind: channels for channels, kind in _COLOUR_TYPE.items()}[colour]
    stride = width * channels + 1
    raw = zlib.decompress(chunks[b"IDAT"])
    if depth != 8 or len(raw) != stride * height or any(raw[::stride]):  # noqa: PLR2004 - bits
        raise ValueError("this PNG was not written here")
    rows = (raw[start + 1 : start + stride] for start in range(0, len(raw), stride))
    return Picture(width, height, channels, b"".join(rows))


def _chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(_SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return found
