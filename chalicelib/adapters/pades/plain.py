"""Read of a PDF the few objects that a seal touches, if it is as typst 0.15 writes it.

That is: one revision, a classic cross-reference table, plain objects, a flat page tree.
Whatever is a byte different is refused, not guessed at: the reference path (pyHanko)
takes it. The grammar is that of ISO 32000-1 §7.3, less what typst does not use.
"""

from __future__ import annotations

import re

_NAME = rb"/[^\s()<>\[\]{}/%]++"
_ATOM = rb"|".join(
    (
        rb"[0-9]++ 0 R",
        rb"[+-]?[0-9]++(?:\.[0-9]++)?",
        _NAME,
        rb"\((?:[^()\\]|\\.)*+\)",
        rb"<[0-9A-Fa-f]*+>",
        rb"true|false|null",
    )
)
_DEEPEST = 4  # /Names of the catalog holds a dictionary of a dictionary of an array


def _value(depth: int) -> bytes:
    """Pattern of a value that nests at most `depth` arrays or dictionaries."""
    if depth == 0:
        return rb"(?>" + _ATOM + rb")"
    inner = _value(depth - 1)
    array = rb"\[ ?(?:" + inner + rb" ?)*+\]"
    dictionary = rb"<<(?:" + _NAME + rb" ?" + inner + rb" ?)*+>>"
    return rb"(?>" + _ATOM + rb"|" + array + rb"|" + dictionary + rb")"


_ENTRY = re.compile(rb"(" + _NAME + rb") ?(" + _value(_DEEPEST) + rb") ?", re.DOTALL)
_TRAILER = re.compile(rb"trailer\n(<<.*>>)\nstartxref\n([0-9]{1,10})\n%%EOF\n?\Z", re.DOTALL)
_TABLE = re.compile(rb"xref\n0 ([0-9]{1,8})\n")
_IN_USE = re.compile(rb"([0-9]{10}) 00000 n[\r ][\n]")
_REFERENCE = re.compile(rb"([0-9]+) 0 R")
_REFERENCES = re.compile(rb"\[(?:[0-9]++ 0 R ?)*+\]")
_TWO_STRINGS = re.compile(rb"\[(\([^()\\]*\)|<[0-9A-Fa-f]*>) ?(?:\([^()\\]*\)|<[0-9A-Fa-f]*>)\]")
_LONGEST_TRAILER = 2_048  # bytes
_LINE_OF_TABLE = 20  # §7.5.4

_TRAILER_ENTRIES = frozenset({b"/Size", b"/Root", b"/Info", b"/ID"})
_CATALOG_ENTRIES = frozenset(
    {
        b"/Type",
        b"/Pages",
        b"/Metadata",
        b"/OutputIntents",
        b"/Outlines",
        b"/PageLabels",
        b"/Lang",
        b"/StructTreeRoot",
        b"/MarkInfo",
        b"/ViewerPreferences",
        b"/Names",
        b"/AF",
    }
)
_PAGE_ENTRIES = frozenset(
    {
        b"/Type",
        b"/Resources",
        b"/MediaBox",
        b"/StructParents",
        b"/Tabs",
        b"/Parent",
        b"/Contents",
        b"/Group",
    }
)

Entries = dict[bytes, bytes]
"""Names and values of a dictionary, both as they stand in the file."""


class NotPlainError(Exception):
    """The file is not written as typst writes it; says in what, without quoting it."""


class PlainPdf:
    """A file of one revision. `size` is the first free object number, `table_at` where
    its cross-reference table begins. Raises NotPlainError, here and in each method."""

    def __init__(self, pdf: bytes) -> None:
        if not pdf.startswith(b"%PDF-1.7\n"):
            raise NotPlainError("header")
        at = pdf.rfind(b"trailer\n", max(0, len(pdf) - _LONGEST_TRAILER))
        trailer = _TRAILER.match(pdf, at) if at > 0 else None
        if trailer is None:
            raise NotPlainError("trailer")
        self.pdf = pdf
        self.table_at = int(trailer[2])
        table = _TABLE.match(pdf, self.table_at)
        if table is None or table.end() + _LINE_OF_TABLE * int(table[1]) != at:
            raise NotPlainError("cross-reference table")
        self.size = int(table[1])
        self._lines_at = table.end()
        self._read_trailer(entries(trailer[1]))

    def _read_trailer(self, trailer: Entries) -> None:
        if not trailer.keys() <= _TRAILER_ENTRIES or number_in(trailer, b"/Size") != self.size:
            raise NotPlainError("trailer")
        identifiers = _TWO_STRINGS.fullmatch(trailer.get(b"/ID", b""))
        if identifiers is None:
            raise NotPlainError("file identifier")
        self.first_id = identifiers[1]
        self.root = reference_in(trailer, b"/Root")
        self.info = trailer.get(b"/Info")

    def entries_of(self, number: int) -> Entries:
        """The dictionary that is object `number`."""
        start = self._start_of(number)
        end = self.pdf.find(b"\nendobj\n", start)
        return entries(self.pdf[start : max(end, start)])

    def body_of(self, number: int) -> tuple[bytes, bytes | None]:
        """Object `number` before its stream, and the stream if it has one."""
        start = self._start_of(number)
        end = self.pdf.find(b"\nendobj\n", start)
        at = self.pdf.find(b"\nstream\n", start, end)
        if at < 0:
            return self.pdf[start : max(end, start)], None
        head = self.pdf[start:at]
        begin = at + len(b"\nstream\n")
        stop = begin + number_in(entries(head), b"/Length")
        if not self.pdf.startswith(b"\nendstream\nendobj\n", stop):
            raise NotPlainError("stream")
        return head, self.pdf[begin:stop]

    def _start_of(self, number: int) -> int:
        line = self._lines_at + _LINE_OF_TABLE * number
        at = _IN_USE.match(self.pdf, line) if 0 < number < self.size else None
        head = b"%d 0 obj\n" % number
        if at is None or not self.pdf.startswith(head, int(at[1])):
            raise NotPlainError("object")
        return int(at[1]) + len(head)

    def catalog(self) -> Entries:
        found = self.entries_of(self.root)
        if found.get(b"/Type") != b"/Catalog" or not found.keys() <= _CATALOG_ENTRIES:
            raise NotPlainError("catalog")
        return found

    def pages(self, catalog: Entries) -> list[int]:
        """Object numbers of the pages, first to last."""
        tree = self.entries_of(reference_in(catalog, b"/Pages"))
        numbers = references_in(tree, b"/Kids")
        if len(numbers) != number_in(tree, b"/Count"):
            raise NotPlainError("page tree")
        return numbers

    def page(self, number: int) -> Entries:
        found = self.entries_of(number)
        if found.get(b"/Type") != b"/Page" or not found.keys() <= _PAGE_ENTRIES:
            raise NotPlainError("page")
        return found


def entries(text: bytes) -> Entries:
    """A dictionary taken apart. Raises NotPlainError if it is anything else, or names
    something twice."""
    if not (text.startswith(b"<<") and text.endswith(b">>")):
        raise NotPlainError("dictionary")
    found: Entries = {}
    at, end = 2, len(text) - 2
    while at < end:
        entry = _ENTRY.match(text, at, end)
        if entry is None or entry[1] in found:
            raise NotPlainError("dictionary")
        found[entry[1]] = entry[2]
        at = entry.end()
    return found


def dictionary(parts: Entries) -> bytes:
    """The opposite of `entries`."""
    return b"<<" + b"".join([b"%b %b" % part for part in parts.items()]) + b">>"


def number_in(parts: Entries, name: bytes) -> int:
    value = parts.get(name, b"")
    if not value.isdigit():
        raise NotPlainError("number")
    return int(value)


def reference_in(parts: Entries, name: bytes) -> int:
    value = _REFERENCE.fullmatch(parts.get(name, b""))
    if value is None:
        raise NotPlainError("reference")
    return int(value[1])


def references_in(parts: Entries, name: bytes) -> list[int]:
    value = _REFERENCES.fullmatch(parts.get(name, b""))
    if value is None:
        raise NotPlainError("references")
    return [int(number) for number in _REFERENCE.findall(value[0])]
