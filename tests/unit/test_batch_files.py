"""Batch files: what is read, how it is split, and what is refused with which advice."""

from __future__ import annotations

import csv
import io
import itertools
import json
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.batch_files import DELIMITERS, probe, read_lines
from chalicelib.adapters.types import TEMPLATES
from chalicelib.domain.batch_lines import (
    MAX_LINE_BYTES,
    START,
    Encoding,
    FileFormat,
    FileShape,
    Line,
    Position,
)
from chalicelib.domain.errors import BatchFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

JSONL, CSV = FileFormat.JSON_LINES, FileFormat.CSV
SCHEMA = json.loads((TEMPLATES / "licence" / "schema.json").read_text())
MAPPING = {
    "ชื่อ": "/content/holder/name",
    "เลข": "/content/holder/registration_no",
    "รายการ": "/content/items/0/name",
    "จำนวน": "/content/items/0/quantity",
    "รายการ2": "/content/items/1/name",
    "ถึง": "/recipients/0",
    "ปี": "/retention_years",
}
HEADER = list(MAPPING)

# Cells that are no formula and no fault, with everything that needs quotation marks.
CELLS = (
    st.lists(
        st.sampled_from(["กา", "น้ำ", " ", ",", ";", "\t", "\r\n", "\n", "x", "9", '"']), min_size=1
    )
    .map("".join)
    .filter(lambda text: text[0] not in "\t\r\n" and bool(text.strip()))
)


def _all(file: bytes, shape: FileShape, at: Position = START) -> list[Line]:
    return list(read_lines([file[at.offset :]], shape, at=at))


def _csv_shape(file: bytes, **more: Any) -> FileShape:
    return probe(file, format=CSV, mapping=MAPPING, content_schema=SCHEMA, **more)


def _codes(line: Line) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in line.faults]


def _refused(file: bytes, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(BatchFileError) as refused:
        probe(file, **({"format": JSONL} | more))
    assert all(fault.detail_th != fault.detail for fault in refused.value.faults)
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


def _row(*cells: str, delimiter: str = ",", terminator: str = "\r\n", quoting: Any = 0) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=terminator, quoting=quoting).writerow(cells)
    return out.getvalue()


def _file(*rows: list[str], encoding: str = "utf-8") -> bytes:
    return "".join(_row(*row) for row in [HEADER, *rows]).encode(encoding)


# -- any file, any pieces ----------------------------------------------------

NASTY = st.lists(
    st.sampled_from(
        [
            *(b"\r", b"\n", b"\r\n", b'"', b'""', b",", b";", b"{", b"}", b'{"a":1}', b"x", b" "),
            *(b"\xef\xbb\xbf", b"\xe0\xb8\x81", b"\xa1\xd2", b"\0", b"\xff", b'"\n",'),
            b"y" * 70_000,
        ]
    ),
    max_size=30,
).map(b"".join)
SHAPES = (
    FileShape(format=JSONL),
    _csv_shape(_file()),
    FileShape(format=JSONL, encoding=Encoding.TIS_620),
)


@pytest.mark.parametrize("shape", SHAPES, ids=["jsonl", "csv", "tis-620"])
@given(file=NASTY, cuts=st.lists(st.integers(0, 200_000), max_size=8))
def test_pieces_do_not_matter(shape: FileShape, file: bytes, cuts: list[int]) -> None:
    """Item 4: whatever pieces S3 hands over, the same lines at the same places; nothing raises."""
    edges = sorted({0, *(cut for cut in cuts if cut < len(file)), len(file)})
    pieces = [file[a:b] for a, b in pairwise(edges)]
    whole = _all(file, shape)
    assert list(read_lines(pieces, shape)) == whole
    if len(file) < 2_000:
        assert list(read_lines((bytes([byte]) for byte in file), shape)) == whole


@pytest.mark.parametrize("shape", SHAPES, ids=["jsonl", "csv", "tis-620"])
@given(file=NASTY)
def test_reading_goes_on_after_any_line(shape: FileShape, file: bytes) -> None:
    """P8: killed after any line, `line.after` and the stored shape give exactly the rest."""
    whole = _all(file, shape)
    again = FileShape.of(json.loads(json.dumps(shape.as_json())))
    for done, line in enumerate(whole, 1):
        assert _all(file, again, line.after) == whole[done:]
        assert line.start < line.end <= len(file)
    assert all(a.end <= b.start and a.number < b.number for a, b in pairwise(whole))


# -- JSON Lines --------------------------------------------------------------


@given(
    bodies=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3)),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r", "\n\n \n"]), min_size=1),
    codec=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_json_lines_round_trip(bodies: list[dict[str, str]], ends: list[str], codec: str) -> None:
    """Item 4, bad input: mixed line ends, blank lines and a BOM change nothing."""
    text = "".join(
        json.dumps(body, ensure_ascii=False) + ends[at % len(ends)]
        for at, body in enumerate(bodies)
    )
    file = text.encode(codec)
    if bodies:
        assert probe(file, format=JSONL) == FileShape(
            format=JSONL, byte_order_mark=codec == "utf-8-sig"
        )
    lines = _all(file, FileShape(format=JSONL))
    assert [line.body for line in lines] == bodies
    assert [json.loads(file[line.start : line.end]) for line in lines] == bodies
    assert [line.number for line in lines] == [
        1 + sum(ends[n % len(ends)].count("\n") or 1 for n in range(at))
        for at in range(len(bodies))
    ]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": 1', "malformed_request"),
        (b"[1]", "malformed_request"),
        (b'{"a": 1, "a": 2}', "malformed_request"),
        (b'{"a": NaN}', "malformed_request"),
        (b'{"a": -Infinity}', "malformed_request"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "malformed_request"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "malformed_request"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "malformed_request"),
        (b'{"a": "\xff"}', "wrong_encoding"),
        ('{"a": "กา"}'.encode("cp874"), "wrong_encoding"),
        (b'{"a": "\0"}', "nul_byte"),
        (b'\xef\xbb\xbf{"a": 1}', "byte_order_mark"),
        (b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}', "line_too_long"),
        (b"y" * 3_000_000, "line_too_long"),
    ],
    ids=range(14),
)
def test_a_bad_line_is_told_and_the_next_is_read(line: bytes, code: str) -> None:
    """Bad input: each line that cannot be read says why; what follows is read as if nothing was."""
    file = b'{"n": 1}\n' + line + b'\r\n{"n": 3}'
    first, bad, last = _all(file, FileShape(format=JSONL))
    assert (first.body, bad.body, last.body) == ({"n": 1}, None, {"n": 3})
    assert _codes(bad) == [("", code)]
    assert (bad.number, last.number) == (2, 3)
    assert file[bad.start : bad.end] == line + b"\r\n"


def test_a_line_as_long_as_a_request_is_read() -> None:
    """Item 4: the bound is that of a single request, to the byte."""
    fits = b'{"a": "' + b"x" * (MAX_LINE_BYTES - 9) + b'"}'
    assert len(fits) == MAX_LINE_BYTES
    (line,) = _all(fits + b"\r\n", FileShape(format=JSONL))
    assert line.body == {"a": "x" * (MAX_LINE_BYTES - 9)}


def test_what_grows_when_converted_is_measured_afterwards() -> None:
    """P1, P4: Thai takes three times the bytes in UTF-8, in which it is stored. A line that grows
    beyond what a request may have would fit no item, and could never be numbered."""
    shape = FileShape(format=FileFormat.JSON_LINES, encoding=Encoding.TIS_620)
    for letters, codes in ((40_000, []), (44_000, [("", "line_too_long")])):
        line = json.dumps({"a": "ก" * letters}, ensure_ascii=False)
        (told,) = _all(f"{line}\n".encode("cp874"), shape)
        assert _codes(told) == codes
        assert (told.body is None) is bool(codes)


@pytest.mark.parametrize(("first", "code"), [(b"x", "line_too_long"), (b'"', "unclosed_quote")])
def test_memory_stays_constant(first: bytes, code: str) -> None:
    """Item 4: 100 MB without a line end need no more memory than a line and a few chunks."""
    chunk = b"x" * 65_536
    chunks = itertools.chain([first], itertools.repeat(chunk, 1_600))
    tracemalloc.start()
    try:
        (line,) = read_lines(chunks, SHAPES[1], at=Position(1, 2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert _codes(line) == [("", code)]
    assert peak < 1_000_000


# -- what is no such file ----------------------------------------------------


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf \r\n", "empty_file"),
        ('{"a": 1}'.encode("utf-16"), "utf_16"),
        ('{"a": 1}'.encode("utf-16-be"), "utf_16"),
        ('{"a": 1}'.encode("utf-32"), "utf_16"),
        ("ชื่อ,เลข".encode("utf-16"), "utf_16"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet"),
        (b"\x1f\x8b\x08", "compressed"),
        (b'[{"a": 1}]', "wrong_form"),
        ("ชื่อ,เลข".encode(), "wrong_form"),
        ('{"a": "caf\xe9 Zürich"}'.encode("latin-1"), "wrong_encoding"),
        ('{"a": "重庆市人民政府"}'.encode("gbk"), "wrong_encoding"),
        ('{"a": "東京都庁"}'.encode("shift-jis"), "wrong_encoding"),
        ('{"a": "Москва, Россия"}'.encode("cp1251"), "wrong_encoding"),
    ],
)
def test_what_is_no_such_file_is_refused_with_advice(file: bytes, code: str) -> None:
    """Bad input: UTF-16, workbooks, other encodings and forms are named, with what to do."""
    assert _refused(file) == [("", code)]


# -- Thai in TIS-620 ---------------------------------------------------------

THAI = (
    "นางสาวกันยา เชิงเขา",
    "บริษัท โรงสีข้าวร่วมใจ จำกัด (มหาชน)",
    "ใบอนุญาตประกอบกิจการโรงงาน เลขที่ ๑๒/๒๕๖๙ ฯลฯ",
    "ห้ามสูบบุหรี่ในเขตนี้ “เด็ดขาด” – ปรับ ๒,๐๐๐ บาท",
    "แม่น้ำเจ้าพระยา ไม้ไผ่ โต๊ะ เก้าอี้ ผู้ใหญ่",
)


@given(
    rows=st.lists(st.tuples(st.sampled_from(THAI), CELLS), min_size=1),
    delimiter=st.sampled_from(DELIMITERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    terminator=st.sampled_from(["\r\n", "\n"]),
    encoding=st.sampled_from(["tis-620", "utf-8", "utf-8-sig"]),
)
def test_csv_round_trip(
    rows: list[tuple[str, str]], delimiter: str, quoting: Any, terminator: str, encoding: str
) -> None:
    """Bad input: rows with odd cells, by any delimiter and quoting, in UTF-8 or in TIS-620,
    come back as they were written."""
    how: Any = {"delimiter": delimiter, "quoting": quoting, "terminator": terminator}
    table = [HEADER, *[[a, b, "", "7", "", "dbd", ""] for a, b in rows]]
    codec = "cp874" if encoding == "tis-620" else encoding
    file = "".join(_row(*row, **how) for row in table).encode(codec)
    shape = _csv_shape(file)
    assert shape.delimiter == delimiter
    assert shape.encoding is (Encoding.TIS_620 if encoding == "tis-620" else Encoding.UTF_8)
    assert shape.byte_order_mark is (encoding == "utf-8-sig")
    lines = _all(file, shape)
    assert [line.faults for line in lines] == [()] * len(rows)
    assert [line.body for line in lines] == [
        {
            "content": {"holder": {"name": a, "registration_no": b}, "items": [{"quantity": 7}]},
            "recipients": ["dbd"],
        }
        for a, b in rows
    ]
    for line, row in zip(lines, table[1:], strict=True):
        assert file[line.start : line.end].decode(codec) == _row(*row, **how)


@pytest.mark.parametrize("text", THAI)
def test_thai_in_tis_620_is_found_and_converted(text: str) -> None:
    """Bad input: TIS-620, common in Thai systems, is detected; the facts say so."""
    file = json.dumps({"a": text}, ensure_ascii=False).encode("cp874")
    shape = probe(file, format=JSONL)
    assert shape.encoding is Encoding.TIS_620
    assert [line.body for line in _all(file, shape)] == [{"a": text}]


def test_the_encoding_may_be_said() -> None:
    """Bad input: where the beginning is all ASCII, the user says that the rest is TIS-620."""
    file = b'{"a": "x"}\n' + '{"a": "กา"}'.encode("cp874")
    found = _all(file, probe(file[:11], format=JSONL))
    assert [_codes(line) for line in found] == [[], [("", "wrong_encoding")]]
    said = probe(file[:11], format=JSONL, encoding=Encoding.TIS_620)
    assert [line.body for line in _all(file, said)] == [{"a": "x"}, {"a": "กา"}]


def test_a_character_cut_off_by_the_probe_is_no_fault() -> None:
    """Item 4: only the first bytes are probed, and they may end within a letter."""
    file = '{"a": "ก"}'.encode()
    for end in range(1, len(file)):
        assert probe(file[:end], format=JSONL).encoding is Encoding.UTF_8


# -- columns and cells -------------------------------------------------------

GOOD = ["นาย ก", "0755560000012", "เตา", "2", "", "dbd", "12"]


def _change(cells: Mapping[str, str]) -> list[str]:
    return [cells.get(name, cell) for name, cell in zip(HEADER, GOOD, strict=True)]


def test_cells_become_what_the_schema_asks_for() -> None:
    """Item 4: integers by the type's schema, lists by position, an empty cell is absent."""
    (line,) = _all(_file(GOOD), _csv_shape(_file()))
    assert line.body == {
        "content": {
            "holder": {"name": "นาย ก", "registration_no": "0755560000012"},
            "items": [{"name": "เตา", "quantity": 2}],
        },
        "recipients": ["dbd"],
        "retention_years": 12,
    }


@pytest.mark.parametrize(
    ("cells", "pointer", "code"),
    [
        ({"ชื่อ": "=HYPERLINK(1)"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "+cmd|' /C calc'!A0"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "-2+3+cmd"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "@SUM(A1)"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "\t=1"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "\r=1"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "＝1"}, "/column/ชื่อ", "formula_in_cell"),
        ({"ชื่อ": "#VALUE!"}, "/column/ชื่อ", "error_in_cell"),
        ({"ชื่อ": "#NUM!"}, "/column/ชื่อ", "error_in_cell"),
        ({"เลข": "7.5556E+11"}, "/column/เลข", "shortened_number"),
        ({"จำนวน": "1,200"}, "/column/จำนวน", "no_integer"),
        ({"จำนวน": "๒"}, "/column/จำนวน", "no_integer"),
        ({"จำนวน": "2.0"}, "/column/จำนวน", "no_integer"),
        ({"จำนวน": "02"}, "/column/จำนวน", "no_integer"),
        ({"จำนวน": "9" * 400}, "/column/จำนวน", "no_integer"),
        ({"รายการ": "", "จำนวน": "", "รายการ2": "เตา"}, "/column/รายการ2", "gap_in_list"),
    ],
)
def test_a_bad_cell_is_told_by_its_column(cells: dict[str, str], pointer: str, code: str) -> None:
    """Bad input: formulas and what spreadsheets break are refused at their column; no message
    quotes the cell."""
    file = _file(_change(cells), GOOD)
    bad, good = _all(file, _csv_shape(file))
    assert _codes(bad) == [(pointer, code)]
    assert bad.body is None
    assert good.faults == ()
    assert not any(cell and cell in fault.detail for cell in cells.values() for fault in bad.faults)


@pytest.mark.parametrize("cell", ["-5", "+66 2 000 0000", "-", "--", "- 5", "1-2", "a=b", "’=1"])
def test_signed_numbers_and_dashes_are_no_formulas(cell: str) -> None:
    """Bad input: what runs nothing in a spreadsheet is accepted as it is."""
    file = _file(_change({"ชื่อ": cell}))
    if cell == "- 5":
        assert _codes(_all(file, _csv_shape(file))[0]) == [("/column/ชื่อ", "formula_in_cell")]
    else:
        body: Any = _all(file, _csv_shape(file))[0].body
        assert body["content"]["holder"]["name"] == cell


def test_a_negative_integer_is_one() -> None:
    """Bad input: -5 in a column of integers is a number; the schema says whether it may be."""
    body: Any = _all(_file(_change({"จำนวน": "-5"})), _csv_shape(_file()))[0].body
    assert body["content"]["items"][0]["quantity"] == -5


def test_records_over_several_lines_and_empty_ones() -> None:
    """RFC 4180: line ends in cells count lines, not records; empty records are skipped."""
    rows = [_change({"ชื่อ": "สอง\r\nบรรทัด"}), [""] * 7, _change({"ชื่อ": '"อ้าง"'})]
    file = b"\r\n" + _file(*rows)
    lines = _all(file, _csv_shape(file))
    assert [(line.number, line.spans) for line in lines] == [(3, 2), (6, 1)]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ("นาย ก,1,2,3,4,5,6,7", "wrong_width"),
        ("นาย ก", "wrong_width"),
        ('ท่อ 5" ยาว,,,,,,', "stray_quote"),
        ('"นาย ก" จริง,,,,,,', "stray_quote"),
        ('"' + "x" * MAX_LINE_BYTES + '",,,,,,', "line_too_long"),
    ],
)
def test_a_bad_record_is_told_and_the_next_is_read(record: str, code: str) -> None:
    """RFC 4180: wrong number of cells and wrong quotation marks are faults of their record."""
    file = _file() + record.encode() + b"\r\n" + _row(*GOOD).encode()
    bad, good = _all(file, _csv_shape(file))
    assert (_codes(bad), good.faults) == ([("", code)], ())
    assert (bad.number, good.number) == (2, 3)


def test_nothing_after_an_unclosed_quote_is_guessed() -> None:
    """RFC 4180: what could belong to a cell that never ends is not issued as records."""
    file = _file(GOOD) + '"นาย ก,,,,,,\r\n'.encode() + _row(*GOOD).encode()
    good, bad = _all(file, _csv_shape(file))
    assert (good.faults, _codes(bad)) == ((), [("", "unclosed_quote")])
    assert bad.end == len(file)


def _mapping_faults(mapping: Mapping[str, str], header: str = "a,b") -> list[tuple[str, str]]:
    file = header.encode() + b"\r\n1,2\r\n"
    return _refused(file, format=CSV, mapping=mapping, content_schema=SCHEMA)


@pytest.mark.parametrize(
    ("mapping", "header", "faults"),
    [
        ({}, "a,b", [("", "no_mapping")]),
        ({"c": "/content/holder/name"}, "a,b", [("/column/c", "missing_column")]),
        ({"a": "/content/holder/name"}, "a,a", [("/column/a", "repeated_column")]),
        ({"a": "/content/holder/nme"}, "a,b", [("/column/a", "unknown_field")]),
        ({"a": "content/holder/name"}, "a,b", [("/column/a", "unknown_field")]),
        ({"a": "/content/items/00/name"}, "a,b", [("/column/a", "unknown_field")]),
        ({"a": "/content/items/999/name"}, "a,b", [("/column/a", "unknown_field")]),
        ({"a": "/dry_run"}, "a,b", [("/column/a", "unknown_field")]),
        ({"a": "/content/holder"}, "a,b", [("/column/a", "not_a_field")]),
        ({"a": "/recipients"}, "a,b", [("/column/a", "not_a_field")]),
        (
            {"a": "/content/holder/name", "b": "/content/holder/name"},
            "a,b",
            [("/column/b", "repeated")],
        ),
        (
            {"a": "/content/holder/name", "x/~": "/valid_from"},
            "a,b",
            [("/column/x~1~0", "missing_column")],
        ),
    ],
)
def test_a_mapping_that_does_not_fit_is_told_at_once(
    mapping: dict[str, str], header: str, faults: list[tuple[str, str]]
) -> None:
    """Item 4: columns and fields that do not exist are told before any line is read."""
    assert _mapping_faults(mapping, header) == faults


def test_what_is_not_mapped_is_said() -> None:
    """Item 4: columns that nothing is made of are named, so that none is lost unnoticed."""
    shape = probe(
        b" a ;b;\r\n1;2;\r\n", format=CSV, mapping={"a": "/valid_from"}, content_schema=SCHEMA
    )
    assert (shape.delimiter, shape.ignored, shape.width) == (";", ("b", ""), 3)


def test_a_delimiter_that_is_none_is_refused() -> None:
    """RFC 4180: comma, semicolon or tab."""
    more: Any = {"format": CSV, "mapping": {"a": "/valid_from"}, "content_schema": SCHEMA}
    assert _refused(b"a|b", delimiter="|", **more) == [("/delimiter", "not_allowed")]
