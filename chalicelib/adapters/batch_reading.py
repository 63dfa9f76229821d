"""Lines of an uploaded batch file (port: BatchReader)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chalicelib.adapters.batch_files import PROBE_BYTES, probe, read_lines
from chalicelib.domain.batch_lines import START, Encoding, FileFormat, FileShape, Position
from chalicelib.domain.batches import BatchFile
from chalicelib.ports import ReadLine


class FileReader:
    """Finds out how the file is shaped once, and notes it with the place."""

    def read(
        self,
        open_at: Callable[[int], Iterator[bytes]],
        file: BatchFile,
        place: Mapping[str, Any] | None,
        *,
        content_schema: Mapping[str, Any],
    ) -> Iterator[tuple[ReadLine, Mapping[str, Any]]]:
        if place is None:
            shape, at = _probe(open_at, file, content_schema), START
        else:
            shape = FileShape.of(place["shape"])
            at = Position(place["offset"], place["line"])
        spelled = shape.as_json()
        for line in read_lines(open_at(at.offset), shape, at=at):
            after = {"shape": spelled, "offset": line.after.offset, "line": line.after.line}
            yield ReadLine(line.number, line.body, line.faults), after


def _probe(
    open_at: Callable[[int], Iterator[bytes]],
    file: BatchFile,
    content_schema: Mapping[str, Any],
) -> FileShape:
    first = bytearray()
    for piece in open_at(0):
        first += piece
        if len(first) >= PROBE_BYTES:
            break
    return probe(
        bytes(first[:PROBE_BYTES]),
        format=FileFormat(file.format),
        mapping=file.mapping,
        content_schema=content_schema,
        encoding=Encoding(file.encoding) if file.encoding else None,
        delimiter=file.delimiter,
    )
