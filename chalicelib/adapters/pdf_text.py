"""Where text lies on the pages of a rendered file: enough of PDF 32000-1 §9 for typst's output.

A line that cannot be broken runs off the page without a warning, and text that is
no language has no break points. So the file itself is measured: glyph widths and
matrices give the left and right end of every piece of text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
_TOKEN = re.compile(
    rb"(?P<string>" + _NESTED + rb")"
    rb"|(?P<hex><[0-9A-Fa-f\s]*>)"
    rb"|(?P<name>/[^\s()<>\[\]{}/%]*)"
    rb"|(?P<numbers>[+-]?[\d.]+(?:\s+[+-]?[\d.]+)*)"
    rb"|(?P<operator>[A-Za-z'\"*][A-Za-z0-9'\"*]*)"
    rb"|(?P<other><<|>>|\[|\])",
    re.DOTALL,
)
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

# Text operators that move or stretch text in ways not modelled here.
_UNMODELLED = frozenset({b"Tc", b"Tw", b"Tz", b"Ts", b"TL", b"T*", b"TD", b"Td", b"'", b'"', b"BI"})


class UnreadableTextError(Exception):
    """The content uses an operator this module does not model."""


@dataclass(frozen=True, slots=True)
class Piece:
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
    for operator, operands in _operations(content):
        if operator in {b"TJ", b"Tj"}:
            yield _show(state, operands)
        elif operator == b"Do":
            form = resources["/XObject"][operands[-1].decode()]
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
        if operand[:1] in b"(<":
            advance += state.font.width(_string(operand))
        else:
            advance -= sum(map(float, operand.split()))
    width = advance * state.size / 1000
    a, b, c, d, e, f = _times(state.text, state.ctm)
    return Piece(
        left=min(e, e + a * width),
        right=max(e, e + a * width),
        baseline=f,
        size=state.size * max(abs(d), abs(c)),
        upright=a > 0 and abs(b) < 1e-6 * a,
    )


def _operations(content: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Operators with their operands; numbers in a row stay one operand, for speed."""
    operands: list[bytes] = []
    for token in _TOKEN.finditer(content):
        kind, text = token.lastgroup, token[0]
        if kind == "operator":
            yield text, operands
            operands = []
        elif kind != "other":
            operands.append(text)


class _Fonts(dict[bytes, "_Font"]):
    """Fonts of one content stream by resource name, each read once."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        super().__init__()
        self._resources = resources

    def __missing__(self, name: bytes) -> _Font:
        font = self[name] = _Font(self._resources["/Font"][name.decode()])
        return font


class _Font:
    """Widths of a composite font with two-byte codes (Identity-H), thousandths of an em."""

    def __init__(self, font: Any) -> None:
        if font["/Encoding"] != "/Identity-H":
            raise UnreadableTextError("font encoding")
        descendant = font["/DescendantFonts"][0]
        self._default = float(entry(descendant, "/DW", 1000))
        self._widths = dict(_widths(list(entry(descendant, "/W", ()))))

    def width(self, codes: bytes) -> float:
        pairs = zip(codes[::2], codes[1::2], strict=True)
        return sum(self._widths.get(high << 8 | low, self._default) for high, low in pairs)


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


def _string(token: bytes) -> bytes:
    if token[:1] == b"<":
        return bytes.fromhex(token[1:-1].decode())
    return _ESCAPE.sub(_unescape, token[1:-1])


def _unescape(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    if escaped[:1].isdigit():
        return bytes([int(escaped, 8) & 0xFF])
    return _ESCAPED.get(escaped, escaped)


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
