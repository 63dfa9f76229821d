"""JSON as Tra accepts it: RFC 8259 without what two parsers could read in two ways."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.domain.errors import MalformedRequestError

MAX_DEPTH = 32
"""Lists and objects within each other. No schema asks for half as many, and what walks
through a value may then call itself."""

_DEEP = (
    f"More than {MAX_DEPTH} lists and objects lie within each other.",
    f"มีรายการซ้อนกันเกิน {MAX_DEPTH} ชั้น",
)


def json_object(raw: bytes | str) -> dict[str, Any]:
    """The object that `raw` is. Raises MalformedRequestError: not JSON, no object, a name
    twice in an object, NaN or Infinity, or deeper than MAX_DEPTH. Quotes nothing of it."""
    try:
        value = json.loads(raw, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise MalformedRequestError(
            f"Not valid JSON (RFC 8259); look at character {error.pos + 1}.",
            f"ไม่ใช่ JSON ที่ถูกต้อง (RFC 8259) โปรดดูที่อักขระตัวที่ {error.pos + 1}",
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedRequestError("Not UTF-8.", "ไม่ใช่ UTF-8") from error
    except ValueError as error:
        raise MalformedRequestError(
            "Not JSON that everybody reads alike (RFC 8259): no name twice in an object, no NaN, "
            "no Infinity, no number of thousands of digits.",
            "ไม่ใช่ JSON ที่ถูกต้อง (RFC 8259): ชื่อในวัตถุเดียวกันต้องไม่ซ้ำ และไม่รับ NaN, Infinity "
            "หรือตัวเลขยาวหลายพันหลัก",
        ) from error
    except RecursionError as error:
        raise MalformedRequestError(*_DEEP) from error
    if not isinstance(value, dict):
        raise MalformedRequestError("Must be a JSON object.", "ต้องเป็น JSON object")
    if _is_deeper(value, MAX_DEPTH):
        raise MalformedRequestError(*_DEEP)
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two members of one name mean different things to different parsers; refuse them."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("repeated name")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _is_deeper(value: object, most: int) -> bool:
    """Level by level, for a value may be deeper than calls may nest."""
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            member
            for holder in level
            for member in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(member, dict | list)
        ]
    return bool(level)
