"""JSON Pointers (RFC 6901): from a pointer to the value it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def steps(pointer: str) -> list[str]:
    """The names a pointer goes by, unescaped; none for the empty pointer, which is the whole."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def value_at(content: object, pointer: str) -> Any:
    """The value at `pointer` within objects; None where there is none."""
    value: Any = content
    for name in steps(pointer):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
