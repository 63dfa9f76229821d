"""The most and the least that a schema accepts: what a template must be able to print."""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

# Texts that fill lines badly in different ways: wide letters, no spaces, words of just
# over half a line, strings that are no language, digits, repetition marks, dates.
FILLS = (
    "W",
    "W" * 20 + " ",
    "@",
    "ฒ",
    "ฌ" * 30 + " ",
    "รร",
    "ๆ",
    "๘",
    "ก ",
    "ก ๑",
    "เกี๊ยว",
    "กรุงเทพมหานคร",
    "๙ พฤศจิกายน ๒๕๖๙ ",
    "เครื่องปั่นน้ำผลไม้อุตสาหกรรมชนิดที่ ๒ กำลังการผลิตสูง ",
)

# The widest text of each format that is not made of digits alone.
_WIDEST = {
    "country": "TH",
    "date": "2026-11-28",
    "date-time": "2026-11-28T08:58:58+07:00",
    "juristic-id": "0888888888881",
    "letter-number": "ศธ (ฌฒฌฒ) ๘๘๘๘.๘๘๘๘/ว(ฌฒฌฒ) ๘๘๘๘๘๘๘๘๘๘๘๘/๘๘๘๘๘๘๘๘",
    "price": "8888888888.88888",
    "quantity": "888888888.888888",
    "subdistrict": "101406",
    "tax-id": "8888888888886",
    "thai-id": "8888888888886",
    "thb": "9" * 10 + ".99",
}
_WIDE_EMAIL = "W" * 64 + "@" + ".".join(["W" * 63] * 3)


class NoPictureError(ValueError):
    """A schema asks for a picture, and the example has none to make others of."""


def most_of(schema: Mapping[str, Any], fill: str, example: Any) -> Any:
    """The longest value a schema (of the house's kind) accepts, made of `fill`; pictures are
    those of `example`, a value that it accepts. Raises NoPictureError."""
    if "$ref" in schema:
        return (fill * schema["maxLength"])[: schema["maxLength"]]
    match schema["type"]:
        case "object":
            known = example if isinstance(example, Mapping) else {}
            members = schema["properties"].items()
            return {name: most_of(s, fill, known.get(name)) for name, s in members}
        case "array":
            return _longest_list(schema, fill, example)
        case "integer":
            return schema["maximum"]
        case "boolean":
            return True
    return _picture(example) if "picture" in schema else _longest_text(schema)


def _picture(example: Any) -> str:
    if not isinstance(example, str):
        raise NoPictureError
    return example


def least_of(content: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """`content` without anything that `schema` does not require."""
    if isinstance(content, Mapping) and "properties" in schema:
        required, members = schema.get("required", ()), schema["properties"]
        return {n: least_of(content[n], members[n], root) for n in content if n in required}
    if isinstance(content, list) and content:
        kept = content[: max(schema.get("minItems", 0), 0)]
        return [least_of(member, schema.get("items", {}), root) for member in kept]
    return content


def _longest_text(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return str(schema["enum"][0])
    if "picture" in schema:
        return b64encode(_grey_picture(*_largest(schema["picture"]))).decode()
    most, form = int(schema["maxLength"]), schema.get("format", "")
    if form == "digits" and most == len(_WIDEST["juristic-id"]):
        return _WIDEST["juristic-id"]
    if form in _WIDEST:
        return _WIDEST[form]
    wide = ("W" * most, _WIDE_EMAIL[:most], "+888-" + "8" * (most - 5))
    return next((text for text in wide if re.search(schema["pattern"], text)), "8" * most)


def _longest_list(schema: Mapping[str, Any], fill: str, example: Any) -> list[Any]:
    first = example[0] if isinstance(example, list) and example else None
    member, most = most_of(schema["items"], fill, first), schema["maxItems"]
    if "maxTotalLength" in schema:
        whole, rest = divmod(schema["maxTotalLength"], len(member))
        return [member] * whole + [member[:rest]] * bool(rest)
    if name := schema.get("uniqueBy"):
        told_apart = schema["items"]["properties"][name].get("enum")
        keys = told_apart or [f"p{n:02}" + "-w" * 20 for n in range(most)]
        return [{**member, name: key} for key in keys]
    return [member] * most


def _largest(asked: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of the largest picture that the keyword `picture` lets pass."""
    wide, high = asked["most"]
    across, down = asked.get("aspect", (wide, high))
    times = min(wide // across, high // down)
    return across * times, down * times


def _grey_picture(width: int, height: int) -> bytes:
    """PNG (ISO/IEC 15948), all of one grey, a byte for each pixel."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xb0" * width) * height)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
