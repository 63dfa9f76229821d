"""Pictures in content: what is accepted prints, all else is refused with advice."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typst

from chalicelib.domain.picture_files import PictureError, Size, size_of
from chalicelib.domain.pictures import picture_faults
from infra import pictures as drawing
from tests.support.pictures import (
    GREY,
    PALETTE,
    RGB,
    WITH_ALPHA,
    chunk,
    drawn_jpeg,
    mended,
    mutated,
    png,
    portrait,
)

MOST = Size(900, 1200)
ASKED = {"aspect": [3, 4], "least": [30, 40], "most": [900, 1200], "most_bytes": 32768}
EXIF = b"\xff\xe1\x00\x10Exif\0\0MM\0*\0\0\0\x08"
PLAIN = {
    **{f"grey-{depth}": png(depth=depth, colour=GREY) for depth in (1, 2, 4, 8)},
    **{
        f"palette-{depth}": png(depth=depth, colour=PALETTE, palette=2**depth)
        for depth in (1, 2, 4, 8)
    },
    "palette-short": png(colour=PALETTE, palette=5),
    "rgb": png(),
    "described": png(
        before=chunk(b"sRGB", b"\0") + chunk(b"gAMA", b"\0\0\xb1\x8f") + chunk(b"pHYs", b"\0" * 9)
    ),
}


def _codes(value: object, **asked: object) -> list[str]:
    return [fault.code for fault in picture_faults(ASKED | asked, value)]


def _code(data: bytes) -> str | None:
    asked = {"most_bytes": 32768 if data is LARGE else 100_000}
    return next(iter(_codes(b64encode(data).decode(), **asked)), None)


COMPILER = typst.Compiler(font_paths=typst.Fonts(include_system_fonts=False))


def _print(data: bytes) -> None:
    """As the renderer does it, and as the picture for phones; raises TypstError."""
    main = b'#set document(title: "x")\n#image(bytes(json("p.json")), alt: "x")'
    files: Any = {"main.typ": main, "p.json": json.dumps(list(data)).encode()}
    COMPILER.compile(files, format="pdf", pdf_standards="a-3a", timestamp=0)
    COMPILER.compile(files, format="png")


@pytest.fixture(scope="module", params=["own", "colour", "grey"])
def jpeg(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if request.param == "own":
        return portrait()
    if not drawing.can_draw():
        pytest.skip("pdftoppm (poppler-utils) is not installed")
    options = {"colour": ("-jpegopt", "optimize=y"), "grey": ("-gray",)}[request.param]
    folder: Path = tmp_path_factory.mktemp("jpeg")
    return drawn_jpeg(folder, *options)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_png_passes_and_prints(name: str) -> None:
    """Item 1: a real PNG of any plain form is accepted, and printed in PDF/A."""
    assert size_of(PLAIN[name], most=MOST) == Size(30, 40)
    _print(PLAIN[name])


def test_jpeg_passes_and_prints(jpeg: bytes) -> None:
    """Item 1: JPEG as other programs write it, in colour and grey."""
    assert size_of(jpeg, most=MOST) in {Size(300, 400), Size(60, 80)}
    _print(jpeg)


def without(name: bytes, picture: bytes) -> bytes:
    """A PNG that lacks this chunk."""
    at = picture.index(name) - 4
    (length,) = struct.unpack_from(">I", picture, at)
    return picture[:at] + picture[at + 12 + length :]


LARGE = png(190, 253)
BOMB = png(rows=b"\0" * 50_000_000)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_a_picture"),
        (b"GIF89a\x01\0\x01\0", "not_a_picture"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "not_a_picture"),
        (b"\0\0\0\x18ftypheic", "not_a_picture"),
        (b"<svg/>", "not_a_picture"),
        (b"%PDF-1.7", "not_a_picture"),
        (png()[:-1], "picture_damaged"),
        (png()[:8], "picture_damaged"),
        (without(b"IDAT", png(colour=PALETTE, palette=2)), "picture_damaged"),
        (without(b"IHDR", png()), "picture_damaged"),
        (png(end=b"<script>"), "picture_damaged"),
        (png() + png(), "picture_damaged"),
        (png().replace(b"IEND\xaeB`\x82", b"IEND\0\0\0\0"), "picture_damaged"),
        (png(rows=b"\0" * 91 * 39), "picture_damaged"),
        (png(rows=b"\0" * 91 * 41), "picture_damaged"),
        (png(rows=b"\x05" + b"\0" * (91 * 40 - 1)), "picture_damaged"),
        (BOMB, "picture_damaged"),
        (png(colour=PALETTE), "picture_damaged"),
        (png(depth=1, colour=PALETTE, palette=3), "picture_damaged"),
        (png(before=chunk(b"IDAT", b"x") + chunk(b"gAMA", b"1234")), "picture_damaged"),
        (mended(png().replace(b"IDAT", b"ABCD")), "picture_metadata"),
        (png(901, 4), "picture_dimensions"),
        (png(2**31 - 1, 2**31 - 1, rows=b""), "picture_dimensions"),
        (png(0, 40), "picture_damaged"),
        (png(29, 40), "picture_dimensions"),
        (png(40, 40), "picture_shape"),
        (png(interlace=1), "picture_unsupported"),
        (png(depth=16), "picture_unsupported"),
        (png(colour=WITH_ALPHA), "picture_unsupported"),
        (png(before=chunk(b"tRNS", b"\0" * 6)), "picture_unsupported"),
        (png(before=chunk(b"acTL", b"\0" * 8)), "picture_unsupported"),
        (png(palette=4), "picture_unsupported"),
        (png(after=chunk(b"tEXt", b"Comment\0x")), "picture_metadata"),
        (png(after=chunk(b"eXIf", b"MM\0*")), "picture_metadata"),
        (png(before=chunk(b"iCCP", b"x\0\0")), "picture_metadata"),
        (LARGE, "picture_too_large"),
        (portrait()[:-2], "picture_damaged"),
        (portrait() + b"<?php", "picture_damaged"),
        (portrait() + portrait(), "picture_damaged"),
        (portrait()[:2] + EXIF + portrait()[2:], "picture_metadata"),
        (portrait()[:2] + b"\xff\xfe\0\x04hi" + portrait()[2:], "picture_metadata"),
        (portrait().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "picture_unsupported"),
        (portrait().replace(b"\xff\xc0", b"\xff\xc9"), "picture_unsupported"),
        (portrait().replace(b"\xff\xdb\0\x43\0", b"\xff\xdb\0\x43\x01"), "picture_damaged"),
        (
            portrait().replace(b"\x08\x01\x90\x01\x2c\x03", b"\x08\xff\xff\xff\xff\x03"),
            "picture_dimensions",
        ),
    ],
    ids=range(45),
)
def test_what_would_not_print_is_refused(data: bytes, code: str) -> None:
    """Bad input: bombs, files that are no pictures, damage, and what hides beside the picture
    (the place where it was taken) are told before a number is spent."""
    assert _code(data) == code


def test_a_bomb_is_not_unpacked() -> None:
    """Bad input: 50 MB in 50 kB take no more memory than the declared pixels."""
    assert len(BOMB) < 60_000
    tracemalloc.start()
    try:
        with pytest.raises(PictureError):
            size_of(BOMB, most=MOST)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_accepted_prints(seed: int, jpeg: bytes) -> None:
    """P4: of thousands of damaged pictures, each that is accepted is set by typst without
    error, so that no number ends void for a picture."""
    random = Random(seed)
    sources = [*PLAIN.values(), jpeg, jpeg, jpeg, jpeg]
    accepted = 0
    for _ in range(250):
        damaged = mutated(random.choice(sources), random)
        try:
            size_of(damaged, most=MOST)
        except PictureError:
            continue
        accepted += 1
        _print(damaged)
    assert accepted > 5


@pytest.mark.skipif(not drawing.can_draw(), reason="pdftoppm (poppler-utils) is not installed")
def test_a_progressive_jpeg_is_refused_with_advice(tmp_path: Path) -> None:
    """P4: whether the data of a progressive JPEG are whole takes a decoder; renderers fail on
    damaged ones."""
    assert _code(drawn_jpeg(tmp_path, "-jpegopt", "progressive=y")) == "picture_unsupported"


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64," + b64encode(png()).decode(),
        b64encode(png()).decode() + "\n",
        b64encode(png()).decode()[:-1],
        b64encode(png() + b"x").decode().rstrip("="),
        "iVBORw0KGgo*",
        "ภาพ",
        "",
    ],
)
def test_base64_has_one_spelling(text: str) -> None:
    """P2: one picture, one text, one digest."""
    assert _codes(text) == ["not_a_picture"]


def test_what_is_no_text_is_left_to_the_schema() -> None:
    """Item 3: `type` tells of it, once."""
    assert _codes(7) == []


def test_faults_say_the_bounds_and_nothing_of_the_picture() -> None:
    """PDPA: what to do is told in Thai and English; the picture is not quoted."""
    for data in (png(29, 40), png(40, 40), png(190, 253), portrait() + b"x"):
        text = b64encode(data).decode()
        (fault,) = picture_faults(ASKED, text)
        assert text[:12] not in fault.detail + fault.detail_th
        assert fault.detail != fault.detail_th
        assert struct.pack(">I", zlib.crc32(data)).hex() not in fault.detail


def test_grey_and_colour_are_told_apart() -> None:
    """ISO/IEC 15948, 11.2.2: which depths go with which colours."""
    for colour, depth in ((RGB, 4), (WITH_ALPHA, 4), (GREY, 3), (7, 8)):
        header = struct.pack(">IIBBBBB", 30, 40, depth, colour, 0, 0, 0)
        data = png()[:8] + chunk(b"IHDR", header) + png()[33:]
        with pytest.raises(PictureError):
            size_of(data, most=MOST)
