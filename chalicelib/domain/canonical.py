"""One spelling for a JSON value, so that it has one digest."""

from __future__ import annotations

import json
from collections.abc import Mapping


def canonical_json(value: object) -> bytes:
    """Canonical bytes of a JSON value: sorted keys, no spaces, UTF-8.

    Equal to RFC 8785 for what Tra accepts: strings, integers, booleans, null,
    lists, objects. Floats are refused, because money and measures are decimal
    strings and a float has no single spelling.
    """
    _refuse_floats(value)
    return json.dumps(
        value,
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
        default=_as_object,
    ).encode()


def _as_object(value: object) -> object:
    """Content that is opened when somebody looks into it is no dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _refuse_floats(value: object) -> None:
    match value:
        case float():
            raise ValueError("a float has no canonical form; use a decimal string")
        case dict():
            for member in value.values():
                _refuse_floats(member)
        case list() | tuple():
            for member in value:
                _refuse_floats(member)
        case str() | int() | None:
            pass
        case Mapping():
            _refuse_floats(dict(value))
