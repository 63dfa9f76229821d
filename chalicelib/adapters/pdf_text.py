"""Where text lies on the pages of a rendered file: enough of PDF 32000-1 §9 for typst's output.

A line that cannot be broken runs off the page without a warning, and text that is
no language has no break points. So the file itself is measured: glyph widths and
matrices give the left and right end of every piece of text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.adapters.pdf_objects import unescape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Matrix = tuple[float, float, float, float, float, float]

_IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)

# Literal strings may nest balanced parentheses without escape (§7.3.4.2).
_FLAT = rb"(?:\\.|[^\\()])*"
_NESTED = (
    rb"\("
    + _FLAT
    + rb"(?:\("
    + _FLAT
    + rb"(?:\("
    + _FLAT
    + rb"\)"
    + _FLAT
    + rb")*\)"
    + _FLAT
    + rb")*\)"
)
# Most of a page by far, each taken in one: text objects (§9.4.1) as typst writes them, with
# font and place set before each string; and runs of what paints, says how to, or marks
# content (§14.6).
_NUMBER = rb"[+-]?[\d.]++"
_NAME = rb"/[^\s()<>\[\]{}/%]*+"
_END = rb"(?![A-Za-z0-9'\"*])\s*+"
_INSIDE = rb"(?:[^()\\]|\\.)*+"
_ARRAY = rb"(?:\(" + _INSIDE + rb"\)|" + _NUMBER + rb"|\s)*+"


def _show(opening: bytes) -> bytes:
    """Pattern of text shown with font, size and matrix before it; each of them, and the
    string or the array, in a group that begins with `opening`."""
    matrix = rb"(?:" + _NUMBER + rb"\s++){4})\s*+" + opening + _NUMBER + rb")\s++"
    return (
        opening
        + _NAME
        + rb")\s++"
        + opening
        + _NUMBER
        + rb")\s++Tf\s++"
        + opening
        + matrix
        + opening
        + _NUMBER
        + rb")\s++Tm\s*+"
        rb"(?:\(" + opening + _INSIDE + rb")\)\s*+Tj|\[" + opening + _ARRAY + rb")\]\s*+TJ)" + _END
    )


_SHOWN = re.compile(_show(rb"("), re.DOTALL)
_NO_TEXT = (
    rb"(?:(?:"
    rb"(?:" + _NUMBER + rb"\s++)*+(?:re|[mlcvyhSsfFBbnWwJjMi]\*?|SCN|SC|scn|sc|RG|rg|[KkGg]|Tr)"
    rb"|" + _NAME + rb"\s++(?:cs|CS|gs|ri|BMC)"
    rb"|" + _NAME + rb"\s*+<<(?:" + _NAME + rb"|" + _NUMBER + rb"|<[0-9A-Fa-f]*+>|<<|>>|"
    rb"[\s\[\]])*+BDC"
    rb"|EMC)" + _END + rb")"
)
_TOKEN = re.compile(
    rb"(?P<text>BT" + _END + rb"(?:" + _show(rb"(?:") + rb"|" + _NO_TEXT + rb")*+ET" + _END + rb")"
    rb"|(?P<no_text>" + _NO_TEXT + rb"++)"
    rb"|(?P<string>" + _NESTED + rb")"
    rb"|(?P<hex><[0-9A-Fa-f\s]*>)"
    rb"|(?P<name>/[^\s()<>\[\]{}/%]*)"
    rb"|(?P<numbers>[+-]?[\d.]+(?:\s+[+-]?[\d.]+)*)"
    rb"|(?P<operator>[A-Za-z'\"*][A-Za-z0-9'\"*]*)"
    rb"|(?P<other><<|>>|\[|\])",
    re.DOTALL,
)
# The strings and numbers of a TJ array; a two-byte code as it stands in a string.
_PART = re.compile(rb"\((" + _INSIDE + rb")\)|(" + _NUMBER + rb")", re.DOTALL)
_CODE = re.compile(rb"(?:\\[0-7]{3}|\\[^0-7\r\n]|[^\\]){2}", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)

# Text operators that move or stretch text in ways not modelled here.
_UNMODELLED = frozenset({b"Tc", b"Tw", b"Tz", b"Ts", b"TL", b"T*", b"TD", b"Td", b"'", b'"', b"BI"})


class UnreadableTextError(Exception):
    """The content uses an operator this module does not model."""


class Piece(NamedTuple):
    """One piece of text on a page, in points from the lower left corner.

    `upright` text reads from left to right; a turned watermark does not.
    """

    left: float
    right: float
    baseline: float
    size: float
    upright: bool


def pieces_of(page: Mapping[str, Any]) -> Iterator[Piece]:
    """All text pieces of a page, in drawing order. Raises UnreadableTextError."""
    return _pieces(page["/Contents"].data, page["/Resources"], _IDENTITY)


def entry(dictionary: Any, name: str, default: Any) -> Any:
    """An entry with its reference followed, which `get` of pyHanko's dictionaries does not."""
    return dictionary[name] if name in dictionary else default  # noqa: SIM401 - see above


@dataclass(slots=True)
class _State:
    """Graphics and text state while reading one content stream."""

    ctm: Matrix
    font: _Font | None = None
    size: float = 0
    text: Matrix = _IDENTITY
    saved: list[tuple[Matrix, _Font | None, float]] = field(default_factory=list)

    def save(self) -> None:
        self.saved.append((self.ctm, self.font, self.size))

    def restore(self) -> None:
        self.ctm, self.font, self.size = self.saved.pop()


def _pieces(content: bytes, resources: Mapping[str, Any], ctm: Matrix) -> Iterator[Piece]:
    state = _State(ctm)
    fonts = _Fonts(resources)
    operands: list[bytes] = []
    for token in _TOKEN.finditer(content):
        kind = token.lastgroup
        if kind == "text":
            yield from _pieces_of_object(token[0], state, fonts)
        elif kind == "operator":
            yield from _operate(token[0], operands, state, fonts)
        elif kind != "no_text":
            if kind != "other":
                operands.append(token[0])
            continue
        operands = []


def _operate(
    operator: bytes, operands: list[bytes], state: _State, fonts: _Fonts
) -> Iterator[Piece]:
    if operator in {b"TJ", b"Tj"}:
        yield _show_alone(state, operands)
    elif operator == b"Do":
        form = fonts.resources["/XObject"][operands[-1].decode()]
        yield from _pieces_of_form(form, state.ctm)
    elif operator in _UNMODELLED:
        raise UnreadableTextError(operator.decode())
    else:
        _apply(operator, operands, state, fonts)


def _apply(operator: bytes, operands: list[bytes], state: _State, fonts: _Fonts) -> None:
    """Change `state` as an operator that shows nothing says; most say nothing of text."""
    match operator:
        case b"q":
            state.save()
        case b"Q":
            state.restore()
        case b"cm":
            state.ctm = _times(_matrix(operands), state.ctm)
        case b"BT":
            state.text = _IDENTITY
        case b"Tm":
            state.text = _matrix(operands)
        case b"Tf":
            state.font, state.size = fonts[operands[-2]], float(operands[-1])


def _pieces_of_form(form: Any, ctm: Matrix) -> Iterator[Piece]:
    if form["/Subtype"] != "/Form":
        return
    matrix = tuple(float(value) for value in entry(form, "/Matrix", _IDENTITY))
    a, b, c, d, e, f = matrix
    yield from _pieces(form.data, entry(form, "/Resources", {}), _times((a, b, c, d, e, f), ctm))


def _pieces_of_object(text: bytes, state: _State, fonts: _Fonts) -> list[Piece]:
    """A whole text object of strings that each come with font and matrix."""
    pieces = []
    ma, mb, mc, md, me, mf = state.ctm
    for name, size, turn, x, y, string, array in _SHOWN.findall(text):
        state.font, state.size = fonts[name], float(size)
        a, b, c, d = _turn(turn)
        e, f = float(x), float(y)
        advance = state.font.advance(array) if array else state.font.width(string)
        pieces.append(
            _piece(
                state.size,
                advance,
                (
                    a * ma + b * mc,
                    a * mb + b * md,
                    c * ma + d * mc,
                    c * mb + d * md,
                    e * ma + f * mc + me,
                    e * mb + f * md + mf,
                ),
            )
        )
    return pieces


def _show_alone(state: _State, operands: list[bytes]) -> Piece:
    if state.font is None:
        raise UnreadableTextError("text without a font")
    advance = 0.0
    for operand in operands:
        if operand[:1] == b"(":
            advance += state.font.width(operand[1:-1])
        elif operand[:1] == b"<":
            advance += state.font.width_of_codes(bytes.fromhex(operand[1:-1].decode()))
        else:
            advance -= sum(map(float, operand.split()))
    return _piece(state.size, advance, _times(state.text, state.ctm))


def _piece(text_size: float, advance: float, matrix: Matrix) -> Piece:
    a, b, c, d, e, f = matrix
    end = e + a * advance * text_size / 1000
    upright = a > 0 and abs(b) < 1e-6 * a
    size = text_size * max(abs(d), abs(c))
    return Piece(e, end, f, size, upright) if e <= end else Piece(end, e, f, size, upright)


class _Fonts(dict[bytes, "_Font"]):
    """Fonts of one content stream by resource name, each read once."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        super().__init__()
        self.resources = resources

    def __missing__(self, name: bytes) -> _Font:
        font = self[name] = _Font(self.resources["/Font"][name.decode()])
        return font


class _Font:
    """Widths of a composite font with two-byte codes (Identity-H), thousandths of an em."""

    def __init__(self, font: Any) -> None:
        if font["/Encoding"] != "/Identity-H":
            raise UnreadableTextError("font encoding")
        descendant = font["/DescendantFonts"][0]
        self._default = float(entry(descendant, "/DW", 1000))
        self._widths = dict(_widths(list(entry(descendant, "/W", ()))))
        self._width_as_written = cache(self._width_of_one)
        self.advance = cache(self._sum)
        """Of the inside of a TJ array: strings, and corrections between them (§9.4.3)."""

    def width(self, string: bytes) -> float:
        """Of the inside of a literal string."""
        codes = _CODE.findall(string)
        if sum(map(len, codes)) != len(string):  # written in a way that typst does not
            return self.width_of_codes(_unescaped(string))
        return sum(map(self._width_as_written, codes))

    def _sum(self, array: bytes) -> float:
        return sum(
            -float(correction) if correction else self.width(string)
            for string, correction in _PART.findall(array)
        )

    def width_of_codes(self, codes: bytes) -> float:
        pairs = zip(codes[::2], codes[1::2], strict=True)
        return sum(self._widths.get(high << 8 | low, self._default) for high, low in pairs)

    def _width_of_one(self, code: bytes) -> float:
        return self.width_of_codes(_unescaped(code))


def _widths(entries: list[Any]) -> Iterator[tuple[int, float]]:
    """Both forms of §9.7.4.3: `first [w …]` and `first last w`."""
    at = 0
    while at < len(entries):
        first, second = int(entries[at]), entries[at + 1]
        if isinstance(second, list):
            yield from ((first + i, float(width)) for i, width in enumerate(second))
            at += 2
        else:
            width = float(entries[at + 2])
            yield from ((code, width) for code in range(first, int(second) + 1))
            at += 3


def _unescaped(string: bytes) -> bytes:
    """§7.3.4.2."""
    return _ESCAPE.sub(unescape, string)


@lru_cache(maxsize=64)
def _turn(operands: bytes) -> tuple[float, float, float, float]:
    """The first four of a matrix; nearly all text has the same."""
    a, b, c, d = map(float, operands.split())
    return a, b, c, d


def _matrix(operands: list[bytes]) -> Matrix:
    a, b, c, d, e, f = map(float, b" ".join(operands).split())
    return a, b, c, d, e, f


def _times(m: Matrix, n: Matrix) -> Matrix:
    """`m` applied first, then `n` (§8.3.4)."""
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )
