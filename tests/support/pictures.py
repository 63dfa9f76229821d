"""Pictures as content carries them, whole and damaged."""

from __future__ import annotations

import struct
import subprocess
import zlib
from base64 import b64decode
from pathlib import Path
from random import Random

import typst

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.picture_files import PNG

GREY, RGB, PALETTE, WITH_ALPHA = 0, 2, 3, 6
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, 4: 2, WITH_ALPHA: 4}


def portrait() -> bytes:
    """The drawn portrait of the example card: a baseline JPEG of 300 x 400 pixels."""
    card = PackagedDocumentTypes().get("e-card")
    assert card is not None
    return b64decode(card.example["content"]["holder"]["photo"])


def drawn_jpeg(folder: Path, *options: str) -> bytes:
    """The example card as another program (pdftoppm) makes a JPEG of it."""
    drawing = b"#set page(width: 60pt, height: 80pt, fill: gradient.linear(red, blue))\n#rect()"
    page = folder / "page.pdf"
    page.write_bytes(typst.compile(drawing))
    command = [
        "pdftoppm",
        "-jpeg",
        *options,
        "-r",
        "72",
        "-singlefile",
        str(page),
        str(folder / "page"),
    ]
    subprocess.run(command, check=True)
    return (folder / "page.jpg").read_bytes()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int = 30,
    height: int = 40,
    *,
    depth: int = 8,
    colour: int = RGB,
    interlace: int = 0,
    palette: int = 0,
    before: bytes = b"",
    after: bytes = b"",
    rows: bytes | None = None,
    end: bytes = b"",
) -> bytes:
    """A PNG file of noise; `palette` colours, `before` and `after` the pixels other chunks."""
    noise = Random(width)
    row = -(-width * depth * _CHANNELS[colour] // 8)
    if rows is None:
        rows = b"".join(b"\0" + noise.randbytes(row) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    colours = chunk(b"PLTE", noise.randbytes(3 * palette)) if palette else b""
    return b"".join(
        (
            PNG,
            chunk(b"IHDR", header),
            before,
            colours,
            chunk(b"IDAT", zlib.compress(rows)),
            after,
            chunk(b"IEND", b""),
            end,
        )
    )


def mended(data: bytes) -> bytes:
    """The same chunks with right lengths and sums, as far as they can be told apart."""
    out, at = PNG, len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        out += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return out


def mutated(data: bytes, random: Random) -> bytes:
    """One to three places changed, removed, doubled or filled with noise; of a PNG often with
    its sums put right again."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        # Half of the time near the beginning, where the file says what it is.
        at = random.randrange(len(changed) if random.random() < 0.5 else min(len(changed), 700))
        match random.randrange(5):
            case 0:
                del changed[at : at + random.randrange(1, 20)]
            case 1:
                changed[at:at] = random.randbytes(random.randrange(1, 6))
            case 2:
                changed[at] ^= 1 << random.randrange(8)
            case 3:
                changed[at] = random.choice((0, 1, 254, 255))
            case _:
                other = random.randrange(len(changed))
                changed[at : at + 4] = changed[other : other + 4]
        changed = changed or bytearray(b"\0")
    if data.startswith(PNG) and random.random() < 0.8:
        return mended(bytes(changed))
    return bytes(changed)
