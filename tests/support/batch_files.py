"""A reader of JSON Lines that is right and simple, and files to be read by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.batches import BatchFile
from chalicelib.domain.errors import FieldFault
from chalicelib.ports import ReadLine


class JsonLines:
    """Port: BatchReader."""

    def read(
        self,
        open_at: Callable[[int], Iterator[bytes]],
        file: BatchFile,
        place: Mapping[str, Any] | None,
        *,
        content_schema: Mapping[str, Any],
    ) -> Iterator[tuple[ReadLine, Mapping[str, Any]]]:
        offset, number = (place["offset"], place["line"]) if place else (0, 1)
        for raw in b"".join(open_at(offset)).splitlines(keepends=True):
            offset, read = offset + len(raw), number
            number += 1
            if not raw.strip():
                continue
            try:
                line = ReadLine(read, json.loads(raw))
            except ValueError:
                fault = FieldFault("", "malformed_request", "No JSON.", "ไม่ใช่ JSON")
                line = ReadLine(read, None, (fault,))
            yield line, {"offset": offset, "line": number}


def json_lines(bodies: Sequence[object]) -> bytes:
    return "".join(f"{json.dumps(body, ensure_ascii=False)}\n" for body in bodies).encode()
