"""Pictures in content: Base64 of a PNG or JPEG that is whole, plain, and prints (P4).

A number is given before a page is made, so what passes here must print. What the files look
like inside is `domain/picture_files.py`'s business.

Metadata is refused, not removed: a photo's place and time (EXIF) are nobody's business, but
the digest binds the content as it was sent, so nothing may be changed in it (P2).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.domain.errors import FieldFault
from chalicelib.domain.picture_files import DIMENSIONS, PictureError, Size, size_of

_ASPECT_TOLERANCE = 0.02


_TOLD = {
    "not_a_picture": (
        (
            "Must be a PNG or JPEG file in Base64, without line ends and without data: before it. "
            "Export HEIC, WebP, GIF and SVG as JPEG."
        ),
        (
            "ต้องเป็นไฟล์ PNG หรือ JPEG ในรูป Base64 ไม่มีการขึ้นบรรทัดใหม่และไม่มี data: นำหน้า ภาพ HEIC, WebP, GIF "
            "และ SVG โปรดส่งออกเป็น JPEG"
        ),
    ),
    "picture_damaged": (
        "The picture's file is damaged or something follows its end. Export it again.",
        "ไฟล์ภาพเสียหายหรือมีข้อมูลต่อท้าย โปรดส่งออกใหม่",
    ),
    "picture_unsupported": (
        (
            "The picture has a form that is not accepted. Export it as a baseline JPEG (not progressive; RGB or grey), or as "
            "PNG of 8 bits without transparency, interlacing or movement."
        ),
        (
            "รูปแบบภายในของภาพใช้ไม่ได้ โปรดส่งออกเป็น JPEG แบบ baseline (ไม่ใช่ progressive สี RGB หรือขาวดำ) หรือ PNG 8 บิต ไม่โปร่งใส "
            "ไม่สลับเส้น และไม่เคลื่อนไหว"
        ),
    ),
    "picture_metadata": (
        (
            "The picture carries more than a picture: EXIF (perhaps place and time), a colour profile or "
            "comments. Export it without metadata, in sRGB."
        ),
        (
            "ภาพมีข้อมูลอื่นติดมาด้วย เช่น EXIF (อาจมีพิกัดและเวลา) โปรไฟล์สี หรือหมายเหตุ โปรดส่งออกโดยไม่มีข้อมูลกำกับ "
            "ในระบบสี sRGB"
        ),
    ),
}


def decode_picture(text: str) -> bytes:
    """The file that a text of content is (RFC 4648, section 4, in its one spelling). Raises
    PictureError."""
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise PictureError("not_a_picture") from error
    if b64encode(data).decode() != text:
        raise PictureError("not_a_picture")
    return data


def picture_faults(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"picture": {"aspect": [3, 4], "least": [240, 320], "most": [900, 1200], "most_bytes":
    32768}`: a PNG or JPEG file in Base64 of that shape, size in pixels and size in bytes."""
    if not isinstance(value, str):
        return
    try:
        data = decode_picture(value)
        if len(data) > asked["most_bytes"]:
            yield _too_large(asked["most_bytes"])
            return
        size = size_of(data, most=Size(*asked["most"]))
    except PictureError as error:
        code = str(error.args[0])
        told = _TOLD[code] if code in _TOLD else _dimensions(asked)
        yield FieldFault("", code, *told)
        return
    least, aspect = Size(*asked["least"]), asked["aspect"][0] / asked["aspect"][1]
    if size.width < least.width or size.height < least.height:
        yield FieldFault("", DIMENSIONS, *_dimensions(asked))
    elif abs(size.width / size.height / aspect - 1) > _ASPECT_TOLERANCE:
        yield FieldFault("", "picture_shape", *_shape(asked))


def _too_large(most: int) -> FieldFault:
    return FieldFault(
        "",
        "picture_too_large",
        f"The picture's file may have at most {most // 1024} KiB. Save it smaller or with less quality.",
        f"ไฟล์ภาพต้องไม่เกิน {most // 1024} KiB โปรดย่อขนาดหรือลดคุณภาพ",
    )


def _dimensions(asked: Mapping[str, Any]) -> tuple[str, str]:
    least, most = ("{} x {}".format(*asked[name]) for name in ("least", "most"))
    return (
        f"The picture must have from {least} to {most} pixels.",
        f"ภาพต้องมีขนาดตั้งแต่ {least} ถึง {most} พิกเซล",
    )


def _shape(asked: Mapping[str, Any]) -> tuple[str, str]:
    aspect = "{}:{}".format(*asked["aspect"])
    return (
        f"The picture must be {aspect} (width to height). Crop it.",
        f"ภาพต้องมีสัดส่วนกว้างต่อสูง {aspect} โปรดตัดภาพ",
    )
