"""A stream of bytes split into lines or CSV records, with exact places, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.adapters.batch_files.encodings import BYTE_ORDER_MARK
from chalicelib.domain.batch_lines import MAX_LINE_BYTES, Position

_QUOTE = ord('"')
_RETURN = ord("\r")
_LINE_END = re.compile(rb"[\r\n]")
_LINE_END_OR_QUOTE = re.compile(rb'[\r\n"]')

Why = tuple[str, str, str]  # code, English, Thai

TOO_LONG: Why = (
    "line_too_long",
    f"The line has more than {MAX_LINE_BYTES} bytes (in UTF-8).",
    f"บรรทัดยาวเกิน {MAX_LINE_BYTES} ไบต์ (นับแบบ UTF-8)",
)
STRAY_QUOTE: Why = (
    "stray_quote",
    (
        "A quotation mark stands within a cell. Put such a cell in quotation marks and double the one "
        'in it: "5"" pipe" (RFC 4180).'
    ),
    'มีเครื่องหมายคำพูดอยู่กลางเซลล์ โปรดครอบเซลล์ด้วยเครื่องหมายคำพูดและพิมพ์ตัวที่อยู่ภายในซ้ำสองตัว เช่น "5"" ท่อ" (RFC 4180)',
)
UNCLOSED_QUOTE: Why = (
    "unclosed_quote",
    "A quotation mark opens a cell here and none closes it, so nothing after it can be read.",
    "มีเครื่องหมายคำพูดเปิดเซลล์ที่บรรทัดนี้แต่ไม่มีเครื่องหมายปิด จึงอ่านข้อมูลหลังจากนี้ไม่ได้",
)


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes from `start` to `end` (exclusive, terminator included), which begin in physical
    line `number` and span `spans` of them. `raw` is without terminator; what is `broken` is
    told instead of read."""

    number: int
    start: int
    end: int
    spans: int
    raw: bytes
    broken: Why | None = None


def lines_of(chunks: Iterable[bytes], at: Position) -> Iterator[Record]:
    """Physical lines; they end with LF, CR LF or CR, mixed as they like."""
    return _Splitter(chunks, at, None).records()


def csv_records_of(chunks: Iterable[bytes], at: Position, delimiter: str) -> Iterator[Record]:
    """CSV records (RFC 4180): lines, but a line end within quotation marks belongs to its
    cell. A quotation mark opens a cell only at the cell's beginning."""
    return _Splitter(chunks, at, ord(delimiter)).records()


class _Splitter:
    """Looks only at line ends and quotation marks. `_held` begins with the current record; of
    one that is too long only the last bytes are kept."""

    def __init__(self, chunks: Iterable[bytes], at: Position, delimiter: int | None) -> None:
        self._chunks = iter(chunks)
        self._marks = _LINE_END if delimiter is None else _LINE_END_OR_QUOTE
        self._delimiter = delimiter
        self._after_quote = {b"", b"\r", b"\n", bytes([delimiter or 0])}
        self._held = bytearray()
        self._offset = at.offset  # of the record's first byte
        self._line = at.line
        self._dropped = 0  # bytes of the record that are held no more
        self._scan = 0  # up to here `_held` was looked at

    def records(self) -> Iterator[Record]:
        self._skip_byte_order_mark()
        while (record := self._next()) is not None:
            yield record

    def _skip_byte_order_mark(self) -> None:
        if self._offset == 0:
            while len(self._held) < len(BYTE_ORDER_MARK) and self._more():
                pass
            if self._held.startswith(BYTE_ORDER_MARK):
                self._forget(len(BYTE_ORDER_MARK))

    def _next(self) -> Record | None:
        """The next record; None at the end of the file."""
        spans, quoted, stray = 1, False, False
        while (place := self._next_mark()) is not None:
            following = bytes(self._held[place + 1 : place + 2])
            self._scan = place + 1
            if self._held[place] != _QUOTE:
                self._scan += self._held[place] == _RETURN and following == b"\n"
                if not quoted:
                    return self._cut(place, self._scan, spans, STRAY_QUOTE if stray else None)
                spans += 1
            elif not quoted:
                quoted = self._begins_cell(place)
                stray = stray or not quoted
            elif following == b'"':
                self._scan += 1
            else:
                quoted = False
                stray = stray or following not in self._after_quote
        if not self._held and not self._dropped:
            return None
        end = len(self._held)
        return self._cut(
            end, end, spans, UNCLOSED_QUOTE if quoted else STRAY_QUOTE if stray else None
        )

    def _next_mark(self) -> int | None:
        """Where the next mark lies in `_held`, with the byte after it held too unless the
        file ends there: what a mark means depends on it."""
        while True:
            mark = self._marks.search(self._held, self._scan)
            self._scan = mark.start() if mark else len(self._held)
            if mark and mark.end() < len(self._held):
                return mark.start()
            if not self._more():
                return self._scan if mark else None

    def _begins_cell(self, place: int) -> bool:
        return place + self._dropped == 0 or self._held[place - 1] == self._delimiter

    def _cut(self, length: int, end: int, spans: int, broken: Why | None) -> Record:
        """The record, of which `length` bytes are held, and everything ready for the next."""
        if length + self._dropped > MAX_LINE_BYTES and broken is not UNCLOSED_QUOTE:
            broken = TOO_LONG
        start, line = self._offset, self._line
        raw = b"" if broken else bytes(self._held[:length])
        self._forget(end)
        self._line += spans
        return Record(line, start, self._offset, spans, raw, broken)

    def _forget(self, end: int) -> None:
        """Begin anew after `end` bytes of what is held."""
        del self._held[:end]
        self._offset += self._dropped + end
        self._dropped = self._scan = 0

    def _more(self) -> bool:
        """Hold another chunk; False at the end of the file. What is looked at of a record
        that is too long goes, but for one byte: a cell may begin after it."""
        if self._scan > MAX_LINE_BYTES:
            gone = self._scan - 1
            del self._held[:gone]
            self._dropped += gone
            self._scan -= gone
        chunk = next((chunk for chunk in self._chunks if chunk), None)
        if chunk is not None:
            self._held += chunk
        return chunk is not None
