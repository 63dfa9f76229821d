"""Print a register: for the supervisor on paper (A25), or for a spreadsheet."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.directory import Agency
from chalicelib.domain.register_lines import HEADS, Columns, Line, columns_of, title_of, year_of
from chalicelib.domain.thai import long_instant, to_thai_digits
from chalicelib.ports import (
    Clock,
    DeliveryStore,
    DocumentTypes,
    RegisterPrinter,
    RegisterSheet,
    RegisterStore,
)
from chalicelib.services.register_receipts import LETTER_BOOKS, with_deliveries
from chalicelib.services.register_view import Found, Position, RegisterQuery, view_register

MOST_IN_CSV = 5_000
MOST_IN_PDF = 1_000
"""Entries in one file; the next file goes on where it ends."""

MOST_LETTERS = 1_000
"""Entries in one file of a letter book: each is looked up with its deliveries."""

MOST_SECRET = 200
"""Entries in one file of a register of secrets: each is decrypted, and its reading recorded."""

# A function's answer has at most 6 MB, and Thai letters may be spelt out in it as six bytes.
_MOST_BYTES = 2_400_000

_BOM = "\ufeff"
_FORMULA = frozenset("=+-@＝＋－＠")
_UNSEEN = frozenset({"Cf", "Zs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintingRoom:
    """Collaborators of `print_csv` and `print_pdf`."""

    registers: RegisterStore
    deliveries: DeliveryStore
    types: DocumentTypes
    printer: RegisterPrinter
    clock: Clock


@dataclass(frozen=True, slots=True)
class PrintedCsv:
    """A file for a spreadsheet (RFC 4180, UTF-8 with mark); `next` is where the next one
    begins, None if this is the last. `lines` are those in it."""

    text: str
    next: Position | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class PrintedPdf:
    """Pages; `next` and `lines` as in `PrintedCsv`."""

    pdf: bytes
    next: Position | None
    lines: tuple[Line, ...]


def print_csv(query: RegisterQuery, agency: Agency, *, room: PrintingRoom) -> PrintedCsv:
    """Up to `MOST_IN_CSV` lines of one of `agency`'s registers. No cell is a formula."""
    rows, found = _rows(query, agency, MOST_IN_CSV, room)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADS)
    writer.writerows(map(harmless, row.texts) for row in rows)
    return PrintedCsv(_BOM + out.getvalue(), found.next, found.lines)


def print_pdf(query: RegisterQuery, agency: Agency, *, room: PrintingRoom) -> PrintedPdf:
    """Up to `MOST_IN_PDF` lines of one of `agency`'s registers, on A4 across (A25).

    Raises RenderError, UnavailableError.
    """
    rows, found = _rows(query, agency, MOST_IN_PDF, room)
    now = room.clock()
    sheet = RegisterSheet(
        agency=agency.name_th,
        title=title_of(query.register, room.types.all()),
        year=year_of(query.register),
        extent=_extent(rows),
        selection=_selection(query, found),
        printed_at=long_instant(now),
        created_at=int(now.timestamp()),
        heads=HEADS,
        rows=tuple(row.texts for row in rows),
    )
    return PrintedPdf(room.printer.print_register(sheet), found.next, found.lines)


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what begins,
    after unseen characters too, with a sign that starts one, full-width or not, or with a
    control character such as a tab.

    A text that begins with an apostrophe gets another, so taking one away gives it back.
    """
    for character in cell:
        category = unicodedata.category(character)
        if character in _FORMULA or category == "Cc":
            return f"'{cell}"
        if category not in _UNSEEN:
            break
    return f"'{cell}" if cell.startswith("'") else cell


# -- rows ----------------------------------------------------------------------


def _rows(
    query: RegisterQuery, agency: Agency, most: int, room: PrintingRoom
) -> tuple[list[Columns], Found]:
    """Lines as printed, and what was found, cut to what fits into one answer."""
    most = min(most, MOST_LETTERS) if query.register.book in LETTER_BOOKS else most
    most = min(most, MOST_SECRET) if query.register.is_secret else most
    wide = replace(query, limit=most, most_read=MOST_IN_CSV)
    found = view_register(wide, registers=room.registers)
    lines = with_deliveries(found.lines, deliveries=room.deliveries)
    rows = [columns_of(line, agency) for line in lines]
    fitting = _count_fitting(rows)
    if fitting == len(rows):
        return rows, found
    return rows[:fitting], _cut(found.lines, fitting)


def _count_fitting(rows: Sequence[Columns]) -> int:
    """How many rows stay below `_MOST_BYTES`; at least one."""
    size = 0
    for position, row in enumerate(rows):
        size += sum(len(text.encode()) + 3 for text in row.texts)
        if size > _MOST_BYTES:
            return max(position, 1)
    return len(rows)


def _cut(lines: Sequence[Line], count: int) -> Found:
    return Found(tuple(lines[:count]), lines[count - 1].entry.position)


def _extent(rows: Sequence[Columns]) -> str:
    if not rows:
        return "ไม่มีรายการ"
    count = to_thai_digits(f"{len(rows):,}")
    return f"เลขทะเบียน {rows[0].running_number} ถึง {rows[-1].running_number} รวม {count} รายการ"


def _selection(query: RegisterQuery, found: Found) -> str | None:
    """What the supervisor must know of a print that is not the whole register."""
    told: Iterable[str] = (
        "คัดเฉพาะรายการตามเงื่อนไขที่ระบุ" if query.partial else "",
        "ต่อจากแฟ้มก่อนหน้า" if query.after else "",
        "ยังมีรายการต่อในแฟ้มถัดไป" if found.next else "",
    )
    return " · ".join(filter(None, told)) or None
