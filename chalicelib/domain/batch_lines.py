"""Lines of a batch file: what one is, how a file is shaped, and which cell goes where.

A file is JSON Lines (one submission body per line) or CSV (RFC 4180: one per record, made by
a mapping from columns to JSON Pointers into the body). Pure; `adapters/batch_files.py` reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from chalicelib.domain.errors import FieldFault
from chalicelib.domain.pointers import steps

MAX_LINE_BYTES = 128 * 1024
"""As much as one request may have (`handlers/operations.py`), as uploaded and in UTF-8; terminator
not counted."""


class FileFormat(StrEnum):
    JSON_LINES = "jsonl"
    CSV = "csv"


class Encoding(StrEnum):
    """How a file spells its letters. TIS-620 is read by its superset CP874, which is what
    Windows writes under that name (ISO-8859-11 is the same but for a no-break space)."""

    UTF_8 = "utf-8"
    TIS_620 = "tis-620"

    @property
    def codec(self) -> str:
        return {"utf-8": "utf-8", "tis-620": "cp874"}[self.value]


class CellKind(StrEnum):
    """What a cell's text becomes."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file that is used: `place` counts from 0, `pointer` (RFC 6901) says
    where its cells go in the body."""

    name: str
    place: int
    pointer: str
    kind: CellKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShape:
    """What `probe` found out, enough to read the file from any Position.

    `width` is the number of cells of each CSV record, `ignored` the names of its columns that
    nothing is mapped to.
    """

    format: FileFormat
    encoding: Encoding = Encoding.UTF_8
    byte_order_mark: bool = False
    delimiter: str = ","
    width: int = 0
    columns: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `of` reads it back."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError, ValueError for what `as_json` never wrote."""
        return cls(
            format=FileFormat(stored["format"]),
            encoding=Encoding(stored["encoding"]),
            byte_order_mark=stored["byte_order_mark"],
            delimiter=stored["delimiter"],
            width=int(stored["width"]),
            columns=tuple(
                Column(c["name"], int(c["place"]), c["pointer"], CellKind(c["kind"]))
                for c in stored["columns"]
            ),
            ignored=tuple(stored["ignored"]),
        )


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two lines: `offset` in bytes of the file as uploaded, and the number
    of the physical line that begins there."""

    offset: int
    line: int


START = Position(0, 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file, or one CSV record, which may span several.

    `number` is that of the (first) physical line, from 1; blank lines and the header count.
    `start` and `end` are byte offsets, `end` that of whatever follows the line's terminator.
    `body` is the submission it makes, None if it cannot be read; `faults` then say why, with
    pointer "" or `/column/<name>`.
    """

    number: int
    start: int
    end: int
    body: Mapping[str, Any] | None = field(repr=False)  # content has no place in logs
    faults: tuple[FieldFault, ...] = ()
    spans: int = 1

    @property
    def after(self) -> Position:
        """Where to go on reading when this line is done."""
        return Position(self.end, self.number + self.spans)


# -- which cell goes where ---------------------------------------------------

ENVELOPE: Mapping[str, Any] = {
    "recipients": {"type": "array", "items": {"type": "string"}},
    "valid_from": {"type": "string"},
    "valid_until": {"type": "string"},
    "classification": {"type": "string"},
    "urgency": {"type": "string"},
    "retention_years": {"type": "integer"},
}
"""Fields of a submission beside its content that a column may fill. The type, dry runs and
wishes for numbers are the batch's own business."""

_MAX_ITEMS = 1000
_PLACE = re.compile(r"0|[1-9][0-9]{0,2}")
_SIMPLE = {"integer": CellKind.INTEGER, "boolean": CellKind.BOOLEAN}


def pointer_to_column(name: str) -> str:
    """`/column/<name>` (RFC 6901), printable, for faults."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in name[:100])
    return "/column/" + printable.replace("~", "~0").replace("/", "~1")


def column_kinds(
    mapping: Mapping[str, str], content_schema: Mapping[str, Any]
) -> tuple[dict[str, CellKind], tuple[FieldFault, ...]]:
    """What the cells of each mapped column become, by the type's schema; and every fault of
    the mapping: a pointer that leads to no field, to a whole list or object, or where
    another column already goes."""
    kinds: dict[str, CellKind] = {}
    faults: list[FieldFault] = []
    for name, pointer in mapping.items():
        found = _kind_at(pointer, content_schema)
        if isinstance(found, CellKind):
            kinds[name] = found
        else:
            faults.append(FieldFault(pointer_to_column(name), *found))
    faults += _clashes(mapping)
    return kinds, tuple(faults)


_UNKNOWN = (
    "unknown_field",
    (
        "The mapping sends this column to a field that the document type does not have. Give a JSON "
        "Pointer into the body, such as /content/holder/name or /content/items/0/name."
    ),
    (
        "ส่วนจับคู่ระบุรายการที่ประเภทเอกสารนี้ไม่มี โปรดระบุ JSON Pointer เช่น /content/holder/name "
        "หรือ /content/items/0/name"
    ),
)
_NO_LEAF = (
    "not_a_field",
    (
        "The mapping sends this column to a whole list or object; a cell fills one text, integer or "
        "boolean. Name the field within it."
    ),
    "ส่วนจับคู่ระบุรายการที่เป็นกลุ่มข้อมูล เซลล์หนึ่งใส่ได้เพียงข้อความ จำนวนเต็ม หรือค่าจริงเท็จ โปรดระบุรายการย่อย",
)
_CLASH = (
    "repeated",
    "Another column of the mapping goes to the same field, or into it.",
    "มีคอลัมน์อื่นที่จับคู่กับรายการเดียวกันหรือรายการย่อยของกันและกัน",
)


def _kind_at(pointer: str, content_schema: Mapping[str, Any]) -> CellKind | tuple[str, str, str]:
    root: Mapping[str, Any] = {}
    schema: Mapping[str, Any] = {"properties": {**ENVELOPE, "content": content_schema}}
    if not pointer.startswith("/"):
        return _UNKNOWN
    for position, step in enumerate(steps(pointer)):
        if position == 1:
            root = content_schema
        inner = _member(schema, step, root)
        if inner is None:
            return _UNKNOWN
        schema = inner
    schema = _resolved(schema, root)
    named = schema.get("type", "string")
    names = {named} if isinstance(named, str) else set(named)
    if "string" in names:
        return CellKind.TEXT
    return next((_SIMPLE[name] for name in _SIMPLE if name in names), _NO_LEAF)


def _member(
    schema: Mapping[str, Any], step: str, root: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The subschema of one step, None where a value can have no such member."""
    schema = _resolved(schema, root)
    if isinstance(items := schema.get("items"), Mapping):
        most = schema.get("maxItems", _MAX_ITEMS)
        return items if _PLACE.fullmatch(step) and int(step) < most else None
    inner = schema.get("properties", {}).get(step) if not _PLACE.fullmatch(step) else None
    return inner if isinstance(inner, Mapping) else None


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a local `$ref` (`#/$defs/name`) laid under its own keywords."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return {**_resolved(target, root), **schema, "$ref": None}


def _clashes(mapping: Mapping[str, str]) -> Iterator[FieldFault]:
    taken: list[tuple[str, ...]] = []
    for name, pointer in mapping.items():
        path = tuple(steps(pointer))
        if any(path[: len(other)] == other[: len(path)] for other in taken):
            yield FieldFault(pointer_to_column(name), *_CLASH)
        taken.append(path)


# -- a body of cells ---------------------------------------------------------

_GAP = (
    "gap_in_list",
    (
        "This cell is an item of a list, and an item before it is empty. Fill the items of a list "
        "from the first on."
    ),
    "เซลล์นี้เป็นรายการในชุด แต่รายการก่อนหน้าว่างอยู่ โปรดกรอกเรียงตั้งแต่รายการแรก",
)


class BodyMaker:
    """Puts converted cells where their columns point."""

    def __init__(self, columns: Sequence[Column]) -> None:
        paths = [[_step(step) for step in steps(column.pointer)] for column in columns]
        # By place in lists, so that columns may stand in any order.
        order = sorted(range(len(columns)), key=lambda place: [_rank(s) for s in paths[place]])
        self._order = [
            (place, pointer_to_column(columns[place].name), paths[place]) for place in order
        ]

    def body(self, values: Sequence[object]) -> tuple[dict[str, Any], tuple[FieldFault, ...]]:
        """The body that `values`, one of each column, make; None is an empty cell, and absent.
        A list has no gaps: each is a fault of the cell after it."""
        body: dict[str, Any] = {}
        faults = [
            FieldFault(pointer, *_GAP)
            for place, pointer, path in self._order
            if values[place] is not None and not _put(body, path, values[place])
        ]
        return body, tuple(faults)


def _step(step: str) -> str | int:
    """Digits are a place in a list: `column_kinds` lets no field of such a name pass."""
    return int(step) if _PLACE.fullmatch(step) else step


def _rank(step: str | int) -> tuple[int, str]:
    return (step, "") if isinstance(step, int) else (-1, step)


def _put(body: dict[str, Any], path: Sequence[str | int], value: object) -> bool:
    """False if a list would get a gap."""
    around: Any = body
    for step, following in zip(path, [*path[1:], None], strict=True):
        inner = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if step > len(around):
                return False
            if step == len(around):
                around.append(inner)
            around = around[step]
        else:
            around = around.setdefault(step, inner)
    return True
