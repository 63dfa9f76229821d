"""Batch files read as a stream: JSON Lines and CSV (RFC 4180), in constant memory.

`probe` looks at the beginning of a file once and says how it is shaped; `read_lines` then
reads it, from its start or from any Position, whatever pieces the bytes come in. A file is
split at bytes, which UTF-8 and TIS-620 both allow (every byte of a Thai letter is above
0x7F), so places are exact in the file as uploaded, and each line is decoded by itself.

What cannot be read is a fault of its line and the reading goes on; no message quotes a
cell, it may be personal. How the format looks to users: docs/guide/batch-files.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from chalicelib.adapters.batch_files.cells import cells_of, values_of
from chalicelib.adapters.batch_files.encodings import BYTE_ORDER_MARK, encoding_of
from chalicelib.adapters.batch_files.records import TOO_LONG, Record, csv_records_of, lines_of
from chalicelib.domain.batch_lines import (
    MAX_LINE_BYTES,
    START,
    BodyMaker,
    Column,
    Encoding,
    FileFormat,
    FileShape,
    Line,
    Position,
    column_kinds,
    pointer_to_column,
)
from chalicelib.domain.errors import BatchFileError, FieldFault, MalformedRequestError
from chalicelib.domain.strict_json import json_object

PROBE_BYTES = 1024 * 1024
"""How much of a file's beginning `probe` should get. The header must lie in it, and the
more there is, the surer is the encoding."""

DELIMITERS = (",", ";", "\t")


# -- probing -----------------------------------------------------------------


def probe(
    first: bytes,
    *,
    format: FileFormat,  # noqa: A002 - its name in the interface
    mapping: Mapping[str, str] | None = None,
    content_schema: Mapping[str, Any] | None = None,
    encoding: Encoding | None = None,
    delimiter: str | None = None,
) -> FileShape:
    """How a file is shaped, by its first bytes (PROBE_BYTES of them, or all).

    `mapping` (column → JSON Pointer into the body) and `content_schema` are for CSV.
    `encoding` and `delimiter` are found out where they are not said. Raises BatchFileError
    with every fault: pointers "" (the file), `/column/<name>` and `/delimiter`.
    """
    _demand_text(first)
    found = encoding or encoding_of(first)
    if found is None:
        raise _unreadable(*_NO_ENCODING)
    if format is FileFormat.JSON_LINES:
        _demand_objects(first)
        return FileShape(
            format=format, encoding=found, byte_order_mark=first.startswith(BYTE_ORDER_MARK)
        )
    return _csv_shape(first, found, mapping or {}, content_schema or {}, delimiter)


_NO_ENCODING = (
    "wrong_encoding",
    "The file is neither UTF-8 nor Thai in TIS-620. Save it as UTF-8; in Excel: CSV UTF-8.",
    "ไฟล์ไม่ใช่ UTF-8 และไม่ใช่ภาษาไทยแบบ TIS-620 โปรดบันทึกเป็น UTF-8 ใน Excel เลือก CSV UTF-8",
)
_UTF_16 = (
    "utf_16",
    (
        'The file is UTF-16 or UTF-32 ("Unicode" in some programs). Save it as UTF-8; in Excel: '
        "CSV UTF-8."
    ),
    'ไฟล์เป็น UTF-16 หรือ UTF-32 (บางโปรแกรมเรียกว่า "Unicode") โปรดบันทึกเป็น UTF-8 ใน Excel เลือก CSV UTF-8',
)
# How files begin that are no text, and what to do about each.
_NO_TEXT = (
    ((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"), _UTF_16),
    (
        (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"),
        (
            "spreadsheet",
            "The file is a spreadsheet or an archive, not text. Save the sheet as CSV UTF-8.",
            "ไฟล์เป็นแผ่นงานหรือไฟล์บีบอัด ไม่ใช่ข้อความ โปรดบันทึกแผ่นงานเป็น CSV UTF-8",
        ),
    ),
    (
        (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"),
        ("compressed", "The file is compressed. Unpack it first.", "ไฟล์ถูกบีบอัด โปรดคลายไฟล์ก่อน"),
    ),
)
_NULS_OF_UTF_16 = 0.2  # of the first bytes; a single one is the fault of its line


def _demand_text(first: bytes) -> None:
    if not first.removeprefix(BYTE_ORDER_MARK).strip():
        raise _unreadable("empty_file", "The file is empty.", "ไฟล์ว่าง")
    for beginnings, told in _NO_TEXT:
        if first.startswith(beginnings):
            raise _unreadable(*told)
    head = first[:1024]
    if head.count(0) >= _NULS_OF_UTF_16 * len(head):
        raise _unreadable(*_UTF_16)


def _demand_objects(first: bytes) -> None:
    begins = first.removeprefix(BYTE_ORDER_MARK).lstrip()[:1]
    if begins == b"[":
        raise _unreadable(
            "wrong_form",
            "The file is one JSON list. JSON Lines has one object per line, without brackets and "
            "commas around them (jq -c '.[]' makes it).",
            "ไฟล์เป็น JSON แบบรายการเดียว ต้องเป็น JSON Lines คือหนึ่งวัตถุต่อหนึ่งบรรทัด (ใช้ jq -c '.[]' แปลงได้)",
        )
    if begins != b"{":
        raise _unreadable(
            "wrong_form",
            "The file does not begin with a JSON object. If it is CSV, say so.",
            "ไฟล์ไม่ได้ขึ้นต้นด้วยวัตถุ JSON หากเป็น CSV โปรดระบุ",
        )


def _unreadable(code: str, detail: str, detail_th: str) -> BatchFileError:
    return BatchFileError([FieldFault("", code, detail, detail_th)])


# -- columns -----------------------------------------------------------------


def _csv_shape(
    first: bytes,
    encoding: Encoding,
    mapping: Mapping[str, str],
    content_schema: Mapping[str, Any],
    delimiter: str | None,
) -> FileShape:
    mark, names = _header(first, encoding, mapping, _demand_delimiter(delimiter))
    kinds, faults = column_kinds(mapping, content_schema)
    if faults := (*faults, *_faults_of_header(names, mapping)):
        raise BatchFileError(faults)
    return FileShape(
        format=FileFormat.CSV,
        encoding=encoding,
        byte_order_mark=first.startswith(BYTE_ORDER_MARK),
        delimiter=mark,
        width=len(names),
        columns=tuple(
            Column(name, place, mapping[name], kinds[name])
            for place, name in enumerate(names)
            if name in mapping
        ),
        ignored=tuple(name for name in names if name not in mapping),
    )


def _demand_delimiter(said: str | None) -> tuple[str, ...]:
    if said is None:
        return DELIMITERS
    if said not in DELIMITERS:
        fault = (
            "not_allowed",
            "Must be a comma, a semicolon or a tab.",
            "ต้องเป็นจุลภาค อัฒภาค หรือแท็บ",
        )
        raise BatchFileError([FieldFault("/delimiter", *fault)])
    return (said,)


def _header(
    first: bytes, encoding: Encoding, mapping: Mapping[str, str], delimiters: tuple[str, ...]
) -> tuple[str, list[str]]:
    """The delimiter by which the header has most of the mapped columns (or most columns), and
    the names it then has, without spaces around them. Raises BatchFileError if it cannot be
    read by any."""
    headers: list[tuple[str, list[str]]] = []
    faults: tuple[FieldFault, ...] = ()
    for mark in delimiters:
        try:
            names = _next_filled(csv_records_of([first], START, mark), encoding, mark)
        except _UnreadableLineError as error:
            faults = faults or error.faults
        else:
            headers.append((mark, [name.strip() for name in names]))
    if not headers:
        raise BatchFileError(faults)
    return max(headers, key=lambda header: (len(set(header[1]) & set(mapping)), len(header[1])))


def _next_filled(records: Iterator[Record], encoding: Encoding, delimiter: str) -> list[str]:
    """Cells of the next record that is not empty; none at the end. Raises _UnreadableLineError."""
    cells = (cells_of(_decoded(record, encoding), delimiter) for record in records)
    return next((found for found in cells if not _is_empty(found)), [])


def _faults_of_header(names: list[str], mapping: Mapping[str, str]) -> Iterator[FieldFault]:
    if not mapping:
        yield FieldFault("", *_NO_MAPPING)
    for name in mapping:
        if name not in names:
            yield FieldFault(pointer_to_column(name), *_MISSING_COLUMN)
        elif names.count(name) > 1:
            yield FieldFault(pointer_to_column(name), *_REPEATED_COLUMN)


_NO_MAPPING = (
    "no_mapping",
    "A CSV file needs a mapping from its columns to fields of the document.",
    "ไฟล์ CSV ต้องมีส่วนจับคู่คอลัมน์กับรายการของเอกสาร",
)
_MISSING_COLUMN = (
    "missing_column",
    (
        "The mapping names this column, but the first line of the file does not have it. Look at "
        "spelling, delimiter and encoding."
    ),
    "ส่วนจับคู่ระบุคอลัมน์นี้ แต่บรรทัดแรกของไฟล์ไม่มี โปรดตรวจตัวสะกด ตัวคั่น และรหัสอักขระ",
)
_REPEATED_COLUMN = (
    "repeated_column",
    "The file has this column more than once.",
    "ไฟล์มีคอลัมน์นี้มากกว่าหนึ่งคอลัมน์",
)


# -- reading -----------------------------------------------------------------


def read_lines(
    chunks: Iterable[bytes], shape: FileShape, *, at: Position = START
) -> Iterator[Line]:
    """Every line that is not blank, in order of the file; of a CSV, every record after the
    header in which any cell is filled.

    `chunks` are the bytes from `at.offset` on, split anyhow. Going on at `line.after` of any
    line gives the rest that reading on would give. Holds one line and one chunk. Whatever the
    bytes are, nothing is raised: what cannot be read is a Line without body.
    """
    body_of: Callable[[str], Mapping[str, Any] | None] = _body_of_json
    if shape.format is FileFormat.JSON_LINES:
        records = lines_of(chunks, at)
    else:
        records = csv_records_of(chunks, at, shape.delimiter)
        body_of = _body_of_cells(shape)
        if at.offset == 0:
            with suppress(_UnreadableLineError):  # `probe` could read it
                _next_filled(records, shape.encoding, shape.delimiter)
    for record in records:
        faults: tuple[FieldFault, ...] = ()
        body = None
        try:
            body = body_of(_decoded(record, shape.encoding))
        except _UnreadableLineError as error:
            faults = error.faults
        if body is not None or faults:
            yield Line(record.number, record.start, record.end, body, faults, record.spans)


class _UnreadableLineError(Exception):
    def __init__(self, *faults: FieldFault) -> None:
        super().__init__()
        self.faults = faults


def _decoded(record: Record, encoding: Encoding) -> str:
    """The record's text. Raises _UnreadableLineError."""
    if record.broken is not None:
        raise _UnreadableLineError(FieldFault("", *record.broken))
    if b"\0" in record.raw:
        raise _UnreadableLineError(FieldFault("", *_NUL))
    try:
        text = record.raw.decode(encoding.codec)
    except UnicodeDecodeError as error:
        raise _UnreadableLineError(FieldFault("", *_WRONG_BYTES[encoding])) from error
    # Thai grows threefold: what would fit no request fits no item of the database either.
    if encoding is not Encoding.UTF_8 and len(text.encode()) > MAX_LINE_BYTES:
        raise _UnreadableLineError(FieldFault("", *TOO_LONG))
    if text.startswith("\ufeff"):
        raise _UnreadableLineError(FieldFault("", *_MARK_WITHIN))
    return text


_NUL = ("nul_byte", "The line has a NUL byte.", "บรรทัดนี้มีไบต์ NUL")
_MARK_WITHIN = (
    "byte_order_mark",
    "A byte order mark stands within the file: several files were joined. Remove it.",
    "มีเครื่องหมายลำดับไบต์ (BOM) อยู่กลางไฟล์ อาจเกิดจากการนำหลายไฟล์มาต่อกัน โปรดนำออก",
)
_WRONG_BYTES = {
    Encoding.UTF_8: (
        "wrong_encoding",
        (
            "The line is not UTF-8, as the beginning of the file is. If the file is TIS-620, say so or "
            "save it as UTF-8."
        ),
        "บรรทัดนี้ไม่ใช่ UTF-8 ทั้งที่ตอนต้นของไฟล์เป็น UTF-8 หากไฟล์เป็น TIS-620 โปรดระบุ หรือบันทึกเป็น UTF-8",
    ),
    Encoding.TIS_620: (
        "wrong_encoding",
        "The line has bytes that are no letter of TIS-620, as which the file is read.",
        "บรรทัดนี้มีไบต์ที่ไม่ใช่อักษรของ TIS-620 ซึ่งเป็นรหัสที่ใช้อ่านไฟล์นี้",
    ),
}


def _body_of_json(text: str) -> Mapping[str, Any] | None:
    if not text.strip():
        return None
    try:
        return json_object(text)
    except MalformedRequestError as error:
        fault = FieldFault("", error.code, error.detail, error.detail_th)
        raise _UnreadableLineError(fault) from error


def _body_of_cells(shape: FileShape) -> Callable[[str], Mapping[str, Any] | None]:
    """Body of a record, None for a record of empty cells."""
    maker = BodyMaker(shape.columns)

    def body(text: str) -> Mapping[str, Any] | None:
        cells = cells_of(text, shape.delimiter)
        if _is_empty(cells):
            return None
        if len(cells) != shape.width:
            raise _UnreadableLineError(FieldFault("", *_wrong_width(shape.width, len(cells))))
        values, faults = values_of(shape.columns, cells)
        if faults:
            raise _UnreadableLineError(*faults)
        made, faults = maker.body(values)
        if faults:
            raise _UnreadableLineError(*faults)
        return made

    return body


def _wrong_width(expected: int, found: int) -> tuple[str, str, str]:
    return (
        "wrong_width",
        (
            f"The line has {found} cells, the header {expected}. Put cells that hold a delimiter in "
            "quotation marks."
        ),
        f"บรรทัดนี้มี {found} เซลล์ แต่หัวตารางมี {expected} โปรดครอบเซลล์ที่มีตัวคั่นด้วยเครื่องหมายคำพูด",
    )


def _is_empty(cells: list[str]) -> bool:
    return not any(cell.strip() for cell in cells)
