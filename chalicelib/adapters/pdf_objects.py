"""Objects of a PDF by ISO 32000-1 §7.3 and §7.5, as far as a file fresh from typst has them.

One revision, a classic cross-reference table, no encryption, no object streams: what is
written otherwise is refused, not guessed at. Lint reads each file once and a moment after
it was made, so this is about speed; what comes from outside is read with pyHanko.

Dictionaries and arrays follow references when an entry is asked for, not when they are
walked through. Names are text with their slash, `/Type`; strings are text (§7.9.2).
"""

from __future__ import annotations

import re
import zlib
from typing import Any

_SPACE = rb"(?:[\0\t\n\f\r ]++|%[^\r\n]*+)*+"
_TOKEN = re.compile(
    _SPACE
    + rb"(?:(?P<reference>(\d++)[\0\t\n\f\r ]++\d++[\0\t\n\f\r ]++R(?![^\0\t\n\f\r ()<>\[\]{}/%]))"
    rb"|(?P<integer>[+-]?\d++(?![.\d]))"
    rb"|(?P<real>[+-]?(?:\d++\.?\d*+|\.\d++))"
    rb"|(?P<name>/[^\0\t\n\f\r ()<>\[\]{}/%]*+)"
    rb"|(?P<open><<|\[)"
    rb"|(?P<close>>>|\])"
    rb"|<(?P<hex>[0-9A-Fa-f\0\t\n\f\r ]*+)>"
    rb"|(?P<string>\()"
    rb"|(?P<word>true|false|null)(?![a-z]))"
)
_WORDS = {b"true": True, b"false": False, b"null": None}
_STREAM = re.compile(_SPACE + rb"stream\r?\n")
_END_OF_STREAM = re.compile(rb"[\r\n ]*+endstream[\0\t\n\f\r ]++endobj\b")
_END_OF_OBJECT = re.compile(_SPACE + rb"endobj\b")
_TABLE = re.compile(rb"xref[\r\n ]++0 (\d++) ?(?:\r\n|\n|\r)")
_IN_USE = re.compile(rb"(\d{10}) \d{5} n[ \r][\r\n]")
_LINE_OF_TABLE = 20  # bytes (§7.5.4)
_TRAILER = re.compile(rb"trailer\b")
_START = re.compile(rb"startxref\s++(\d++)\s++%%EOF\s*+\Z")
_LONGEST_END = 1_024  # bytes
_HASHED = re.compile(rb"#([0-9A-Fa-f]{2})")
# Inside of a string up to a parenthesis that counts (§7.3.4.2).
_UP_TO_PARENTHESIS = re.compile(rb"(?:[^()\\]|\\.)*+[()]", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_ESCAPED = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"b": b"\b",
    b"f": b"\f",
    b"\r\n": b"",
    b"\n": b"",
    b"\r": b"",
}
_UTF_16 = b"\xfe\xff"


class UnreadablePdfError(ValueError):
    """The file is damaged, or not written as typst writes files."""


class Name(str):
    """A name, with its slash."""

    __slots__ = ()


class Reference(int):
    """The number of an indirect object."""


class Dictionary(dict[str, Any]):
    """`[]` follows a reference; `get`, `items` and `values` do not."""

    def __init__(self, entries: dict[str, Any], file: PdfFile) -> None:
        super().__init__(entries)
        self._file = file

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return self._file.object(value) if isinstance(value, Reference) else value


class Array(list[Any]):
    """`[]` follows a reference; iteration does not."""

    def __init__(self, members: list[Any], file: PdfFile) -> None:
        super().__init__(members)
        self._file = file

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        return self._file.object(value) if isinstance(value, Reference) else value


class Stream(Dictionary):
    """The dictionary of a stream, and its bytes."""

    def __init__(self, entries: dict[str, Any], file: PdfFile, raw: bytes) -> None:
        super().__init__(entries, file)
        self._raw = raw

    @property
    def data(self) -> bytes:
        """Decoded. Raises UnreadablePdfError for any filter but Flate without predictor."""
        if "/Filter" not in self:
            return self._raw
        if self["/Filter"] not in ("/FlateDecode", ["/FlateDecode"]) or "/DecodeParms" in self:
            raise UnreadablePdfError("filter")
        try:
            return zlib.decompress(self._raw)
        except zlib.error as error:
            raise UnreadablePdfError("compressed data") from error


class PdfFile:
    """A file of one revision. Raises UnreadablePdfError, here and wherever it is looked into."""

    def __init__(self, pdf: bytes) -> None:
        self._pdf = pdf
        self._found: dict[int, Any] = {}
        end = _START.search(pdf, max(0, len(pdf) - _LONGEST_END))
        table = _TABLE.match(pdf, int(end[1])) if end else None
        if table is None:
            raise UnreadablePdfError("cross-reference table")
        self._size = int(table[1])
        self._lines = table.end()
        trailer = _TRAILER.match(pdf, self._lines + _LINE_OF_TABLE * self._size)
        if trailer is None:
            raise UnreadablePdfError("trailer")
        self.trailer = self._value(trailer.end())[0]
        if not isinstance(self.trailer, Dictionary) or "/Prev" in self.trailer:
            raise UnreadablePdfError("trailer")

    @property
    def encrypted(self) -> bool:
        return "/Encrypt" in self.trailer

    @property
    def root(self) -> Dictionary:
        """The catalog."""
        found = self.trailer["/Root"]
        if not isinstance(found, Dictionary):
            raise UnreadablePdfError("catalog")
        return found

    def object(self, number: int) -> Any:
        """Always the same one for the same number."""
        if number not in self._found:
            self._found[number] = self._read(number)
        return self._found[number]

    def _read(self, number: int) -> Any:
        line = None
        if 0 < number < self._size:
            line = _IN_USE.match(self._pdf, self._lines + _LINE_OF_TABLE * number)
        head = b"%d 0 obj" % number
        if line is None or not self._pdf.startswith(head, int(line[1])):
            raise UnreadablePdfError("object")
        value, end = self._value(int(line[1]) + len(head))
        if _END_OF_OBJECT.match(self._pdf, end):
            return value
        stream = _STREAM.match(self._pdf, end)
        if stream is None or not isinstance(value, Dictionary):
            raise UnreadablePdfError("object")
        length = value["/Length"]
        stop = stream.end() + length
        if length < 0 or not _END_OF_STREAM.match(self._pdf, stop):
            raise UnreadablePdfError("stream")
        return Stream(dict(value.items()), self, self._pdf[stream.end() : stop])

    def _value(self, at: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends."""
        open_ones: list[tuple[bytes, list[Any]]] = []
        while True:
            value: Any
            token = _TOKEN.match(self._pdf, at)
            if token is None:
                raise UnreadablePdfError("syntax")
            at = token.end()
            kind = token.lastgroup
            if kind == "open":
                open_ones.append((token["open"], []))
                continue
            if kind == "close":
                value = self._closed(token["close"], open_ones)
            elif kind == "string":
                value, at = self._string(at)
            else:
                value = _simple(kind, token)
            if not open_ones:
                return value, at
            open_ones[-1][1].append(value)

    def _closed(self, mark: bytes, open_ones: list[tuple[bytes, list[Any]]]) -> Any:
        opened, members = open_ones.pop() if open_ones else (b"", [])
        if (opened, mark) == (b"[", b"]"):
            return Array(members, self)
        names = members[::2]
        if (opened, mark) != (b"<<", b">>") or len(members) % 2:
            raise UnreadablePdfError("syntax")
        if not all(isinstance(name, Name) for name in names):
            raise UnreadablePdfError("dictionary")
        return Dictionary(dict(zip(names, members[1::2], strict=True)), self)

    def _string(self, at: int) -> tuple[str, int]:
        depth, end = 1, at
        while depth:
            piece = _UP_TO_PARENTHESIS.match(self._pdf, end)
            if piece is None:
                raise UnreadablePdfError("string")
            end = piece.end()
            depth += 1 if piece[0].endswith(b"(") else -1
        return _text(_ESCAPE.sub(unescape, self._pdf[at : end - 1])), end


def _simple(kind: str | None, token: re.Match[bytes]) -> Any:
    """A value that is one token."""
    match kind:
        case "integer":
            return int(token["integer"])
        case "name":
            name = token["name"]
            if b"#" in name:
                name = _HASHED.sub(lambda found: bytes.fromhex(found[1].decode()), name)
            return Name(name.decode("utf-8", "replace"))
        case "reference":
            return Reference(token[2])
        case "real":
            return float(token["real"])
        case "hex":
            digits = b"".join(token["hex"].split())
            return _text(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode()))
        case _:
            return _WORDS[token["word"]]


def unescape(match: re.Match[bytes]) -> bytes:
    """What a backslash and what follows it stand for in a string (§7.3.4.2)."""
    escaped = match[1]
    if escaped[:1].isdigit():
        return bytes([int(escaped, 8) & 0xFF])
    return _ESCAPED.get(escaped, escaped)


def _text(string: bytes) -> str:
    if string.startswith(_UTF_16):
        return string[2:].decode("utf-16-be", "replace")
    return string.decode("latin-1")
