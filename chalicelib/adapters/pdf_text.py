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
# Most of a page by far, each taken in one: text shown with font and place set just before,
# as typst does it; and runs of what paints, says how to, or marks content (§14.6).
_NUMBER = rb"[+-]?[\d.]++"
_NAME = rb"/[^\s()<>\[\]{}/%]*+"
_END = rb"(?![A-Za-z0-9'\"*])\s*+"
_INSIDE = rb"(?:[^()\\]|\\.)*+"
_ARRAY = rb"(?:\(" + _INSIDE + rb"\)|" + _NUMBER + rb"|\s)*+"
_SHOW = (
    # Font and size; the first four of the matrix, and its last two; a string or an array.
    rb"(" + _NAME + rb")\s++(" + _NUMBER + rb")\s++Tf\s++"
    rb"((?:" + _NUMBER + rb"\s++){4})(" + _NUMBER + rb")\s++(" + _NUMBER + rb")\s++Tm\s*+"
    rb"(?:\((" + _INSIDE + rb")\)\s*+Tj|\[(" + _ARRAY + rb")\]\s*+TJ)" + _END
)
_NO_TEXT = (
    rb"(?:(?:"
    rb"(?:" + _NUMBER + rb"\s++)*+(?:re|[mlcvyhSsfFBbnWwJjMi]\*?|SCN|SC|scn|sc|RG|rg|[KkGg]|Tr)"
    rb"|" + _NAME + rb"\s++(?:cs|CS|gs|ri|BMC)"
    rb"|" + _NAME + rb"\s*+<<(?:" + _NAME + rb"|" + _NUMBER + rb"|<[0-9A-Fa-f]*+>|<<|>>|"
    rb"[\s\[\]])*+BDC"
    rb"|EMC)" + _END + rb")++"
)
_OPERATOR = rb"([A-Za-z'\"*][A-Za-z0-9'\"*]*+)"
_OPERAND = (
    rb"("
    + _NESTED
    + rb"|<[0-9A-Fa-f\s]*>|"
    + _NAME
    + rb"|"
    + _NUMBER
    + rb"(?:\s++"
    + _NUMBER
    + rb")*+)"
)
# Everything else: what begins and ends arrays and dictionaries among the operands.
_BRACKET = rb"(<<|>>|\[|\])"
_TOKEN = re.compile(
    b"|".join((_SHOW, _NO_TEXT, _OPERATOR, _OPERAND, _BRACKET)),
    re.DOTALL,
)
# The strings and numbers of a TJ array; a two-byte code as it stands in a string.
_PART = re.compile(rb"\((" + _INSIDE + rb")\)|(" + _NUMBER + rb")", re.DOTALL)
_CODE = re.compile(rb"(?:\\[0-7]{3}|\\[^0-7\r\n]|[^\\]){2}", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)

_ALONG_X = b"1 0 "  # how a text matrix begins that neither turns nor stretches along the line
_TOUCHING = 0.01  # points between strings of one line; typst rounds places to 0.001

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
    line: tuple[bytes, bytes, bytes] | None = None  # of the strings from `first` to `end`
    first = end = 0.0
    for font, size, turn, x, y, string, array, *other in _TOKEN.findall(content):
        if font:
            advance = fonts[font].advance(array) if array else fonts[font].width(string)
            start, width = float(x), advance * float(size) / 1000
            # typst shows a line in many strings, one after the other.
            if line != (size, turn, y) or abs(start - end) > _TOUCHING or turn[:4] != _ALONG_X:
                if line:
                    yield _line(state, line, first, end - first)
                line, first = (size, turn, y), start
            end = start + width
            state.font = fonts[font]
            operands = []
            continue
        operator, operand, bracket = other
        if operand:
            operands.append(operand)
        elif not bracket:
            if operator:
                if line:
                    yield _line(state, line, first, end - first)
                    line = None
                yield from _operate(operator, operands, state, fonts)
            operands = []
    if line:
        yield _line(state, line, first, end - first)


def _line(state: _State, line: tuple[bytes, bytes, bytes], first: float, width: float) -> Piece:
    """Strings that touch, from `first` on, so wide together."""
    size, turn, y = line
    state.size, state.text = float(size), (*_turn(turn), first, float(y))
    return _piece(state, width)


def _operate(
    operator: bytes, operands: list[bytes], state: _State, fonts: _Fonts
) -> Iterator[Piece]:
    if operator in {b"TJ", b"Tj"}:
        yield _show(state, operands)
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


def _show(state: _State, operands: list[bytes]) -> Piece:
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
    return _piece(state, advance * state.size / 1000)


def _piece(state: _State, width: float) -> Piece:
    a, b, c, d, e, f = state.text
    ma, mb, mc, md, me, mf = state.ctm
    along, aside, across = a * ma + b * mc, a * mb + b * md, c * mb + d * md
    start = e * ma + f * mc + me
    end = start + along * width
    baseline = e * mb + f * md + mf
    size = state.size * max(abs(across), abs(c * ma + d * mc))
    upright = along > 0 and abs(aside) < 1e-6 * along
    if start <= end:
        return Piece(start, end, baseline, size, upright)
    return Piece(end, start, baseline, size, upright)


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
        self._widths = _Widths(float(entry(descendant, "/DW", 1000)))
        self._widths.update(_widths(list(entry(descendant, "/W", ()))))
        self.advance = cache(self._sum)
        """Of the inside of a TJ array: strings, and corrections between them (§9.4.3)."""

    def width(self, string: bytes) -> float:
        """Of the inside of a literal string."""
        codes = _CODE.findall(string)
        if sum(map(len, codes)) != len(string):  # written in a way that typst does not
            return self.width_of_codes(_unescaped(string))
        return sum(map(self._widths.__getitem__, map(_as_number, codes)))

    def _sum(self, array: bytes) -> float:
        parts = _PART.findall(array)
        strings = b"".join([string for string, _ in parts])
        return self.width(strings) - sum([float(number) for _, number in parts if number])

    def width_of_codes(self, codes: bytes) -> float:
        pairs = zip(codes[::2], codes[1::2], strict=True)
        return sum(self._widths[high << 8 | low] for high, low in pairs)


class _Widths(dict[int, float]):
    """Widths by code; what has none has the default."""

    def __init__(self, default: float) -> None:
        super().__init__()
        self._default = default

    def __missing__(self, code: int) -> float:
        return self._default


@lru_cache(maxsize=0x4000)
def _as_number(code: bytes) -> int:
    """A code as it stands in a string; every file has the same few hundred."""
    high, low = _unescaped(code)
    return high << 8 | low


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
