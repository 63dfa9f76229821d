"""What a file says of itself: the verification code in its attached content.

A claim and nothing more: it tells where in the register to look, and the digest that lies
there decides.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.pades_validation.reading import open_pdf

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTACHMENT = "content.json"
_CODE = re.compile(r".*/v/([0-9A-Z]{1,64})", re.DOTALL)
_MOST_NAMES = 64
_DEEPEST = 8


def claimed_code(pdf: bytes) -> str | None:
    """The code at the end of `verify_url` in the attachment `content.json`; None if there is
    none. Raises pyHanko's errors if the file cannot be read."""
    content = attached_file(pdf, _ATTACHMENT)
    return None if content is None else _code_in(content)


def attached_file(pdf: bytes, wanted: str) -> bytes | None:
    """The attachment of that name; None if there is none. Raises as `claimed_code`."""
    names: Any = open_pdf(pdf).root.get("/Names")
    if names is None or "/EmbeddedFiles" not in names.get_object():
        return None
    for name, specification in _files(names.get_object()["/EmbeddedFiles"], _DEEPEST):
        if name == wanted:
            data: bytes = specification["/EF"]["/F"].data
            return data
    return None


def _files(node: Any, deepest: int) -> Iterator[tuple[str, Any]]:
    """Names and file specifications of a name tree (ISO 32000-1 §7.9.6), bounded."""
    if "/Names" in node:
        flat = list(node["/Names"])[: 2 * _MOST_NAMES]
        for name, specification in zip(flat[::2], flat[1::2], strict=False):
            yield str(name), specification.get_object()
    if "/Kids" in node and deepest:
        for kid in list(node["/Kids"])[:_MOST_NAMES]:
            yield from _files(kid.get_object(), deepest - 1)


def _code_in(content: bytes) -> str | None:
    told = json.loads(content)
    url = told.get("verify_url") if isinstance(told, dict) else None
    found = _CODE.fullmatch(url) if isinstance(url, str) else None
    return found[1] if found else None
