"""Cells of a CSV record: what they become, and what spreadsheets do to them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from chalicelib.domain.batch_lines import CellKind, Column, pointer_to_column
from chalicelib.domain.errors import FieldFault

# What a spreadsheet may run when somebody opens the register or a report made of it, and
# in a wide letter too (OWASP, CSV injection).
_FORMULA = frozenset("=+-@＝＋－＠\t\r\n")
# Signed numbers, telephone numbers (+66 2 000 0000) and the dash that says "none" run nothing.
_HARMLESS = re.compile(r"[+-][0-9][0-9 ()-]*(\.[0-9]+)?|-+")
_BROKEN = re.compile(r"#(REF|N/A|VALUE|NAME|DIV/0|NUM|NULL|SPILL|CALC)[!?]?")
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]{1,3}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_BOOLEANS = {"true": True, "false": False}

_TOLD = {
    "formula_in_cell": (
        (
            "The cell begins like a spreadsheet formula (=, +, -, @, tab or line end). Export values "
            "instead of formulas, and write no such character first."
        ),
        (
            "เซลล์ขึ้นต้นเหมือนสูตรของโปรแกรมตารางคำนวณ (= + - @ แท็บ หรือขึ้นบรรทัดใหม่) "
            "โปรดส่งออกเป็นค่าแทนสูตร และอย่าขึ้นต้นด้วยอักขระดังกล่าว"
        ),
    ),
    "error_in_cell": (
        "The cell is an error of a spreadsheet (#REF!, #N/A …). Correct the sheet and export again.",
        "เซลล์เป็นข้อความผิดพลาดของโปรแกรมตารางคำนวณ (#REF!, #N/A …) โปรดแก้ไขแล้วส่งออกใหม่",
    ),
    "shortened_number": (
        (
            "A spreadsheet shortened this number (1.1E+12) and its digits are lost. Format the column "
            "as text, enter the numbers again and export again."
        ),
        (
            "โปรแกรมตารางคำนวณย่อตัวเลขนี้ (1.1E+12) ทำให้หลักหายไป โปรดจัดรูปแบบคอลัมน์เป็นข้อความ "
            "กรอกใหม่ แล้วส่งออกอีกครั้ง"
        ),
    ),
    "no_integer": (
        "Must be a whole number in Arabic digits, without separators: 1200.",
        "ต้องเป็นจำนวนเต็มเลขอารบิก ไม่มีตัวคั่นหลัก เช่น 1200",
    ),
    "no_boolean": ("Must be true or false.", "ต้องเป็น true หรือ false"),
}


class _CellError(Exception):
    """`args[0]` is a code of _TOLD."""


def cells_of(text: str, delimiter: str) -> list[str]:
    """The cells of a record that the splitter found whole (RFC 4180)."""
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])


def values_of(
    columns: Sequence[Column], cells: Sequence[str]
) -> tuple[list[object], tuple[FieldFault, ...]]:
    """One value for each column, None for an empty cell; and every cell that has none."""
    values: list[object] = []
    faults = []
    for column in columns:
        try:
            values.append(_value(cells[column.place], column.kind))
        except _CellError as error:
            code = error.args[0]
            faults.append(FieldFault(pointer_to_column(column.name), code, *_TOLD[code]))
    return values, tuple(faults)


def _value(cell: str, kind: CellKind) -> object:
    if not cell:
        return None
    if cell[0] in _FORMULA and not _HARMLESS.fullmatch(cell):
        raise _CellError("formula_in_cell")
    if _BROKEN.fullmatch(cell):
        raise _CellError("error_in_cell")
    if _SHORTENED.fullmatch(cell):
        raise _CellError("shortened_number")
    match kind:
        case CellKind.INTEGER:
            if not _INTEGER.fullmatch(cell):
                raise _CellError("no_integer")
            return int(cell)
        case CellKind.BOOLEAN:
            if cell.lower() not in _BOOLEANS:
                raise _CellError("no_boolean")
            return _BOOLEANS[cell.lower()]
        case CellKind.TEXT:
            return cell
