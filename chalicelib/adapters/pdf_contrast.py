"""How well text stands out from what lies behind it, measured in a rendered file (WCAG 2.2,
1.4.3): enough of ISO 32000-1 §8 and §9 for typst's output.

Each piece of text is held against the last rectangle that was filled under its first letter,
or white paper. Text on a picture is not judged: nobody can say from here what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.adapters.pdf_text import entry
from chalicelib.domain.type_findings import Faint

Colour = tuple[float, float, float]
Matrix = tuple[float, float, float, float, float, float]
_Box = tuple[float, float, float, float]

LEAST, LEAST_LARGE = 4.5, 3.0
"""Contrast ratios (level AA)."""
_LARGE, _LARGE_BOLD = 18.0, 14.0  # points

_WHITE: Colour = (1.0, 1.0, 1.0)
_BLACK: Colour = (0.0, 0.0, 0.0)
_IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)
_TOKEN = re.compile(
    rb"\((?:\\.|[^\\()]|\((?:\\.|[^\\()])*\))*\)|<<|>>|<[0-9A-Fa-f\s]*>|[\[\]]"
    rb"|/[^\s()<>\[\]{}/%]*|[+-]?(?:\d+\.?\d*|\.\d+)|[A-Za-z'\"*][A-Za-z0-9'\"*]*",
    re.DOTALL,
)
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)\Z")
_FILLING = frozenset({b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"})
_ENDING = _FILLING | {b"S", b"s", b"n"}
_COLOURING = frozenset({b"scn", b"sc", b"g", b"rg", b"k"})
_SHOWING = frozenset({b"Tj", b"TJ"})


def faint_text(pages: Sequence[Any]) -> Iterator[Faint]:
    """Text below level AA, in drawing order; what looks alike on a page is told once."""
    for number, page in enumerate(pages, start=1):
        told: set[tuple[str, str, float]] = set()
        walk = _Walk(number, [])
        for faint in walk.through(page["/Contents"].data, page["/Resources"], _State()):
            alike = (faint.text, faint.behind, faint.least)
            if alike not in told:
                told.add(alike)
                yield faint


def ratio(one: Colour, other: Colour) -> float:
    """WCAG 2.2, "contrast ratio": from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(part) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB


@dataclass(frozen=True, slots=True)
class _State:
    """Graphics state as far as colours and places go. `fill` is None for what has no one
    colour (a pattern)."""

    ctm: Matrix = _IDENTITY
    fill: Colour | None = _BLACK
    opacity: float = 1.0
    size: float = 0.0
    bold: bool = False


@dataclass(slots=True)
class _Walk:
    """Through one page and the forms on it. `behind`: what was filled so far, in order."""

    page: int
    behind: list[tuple[_Box, Colour | None]]
    saved: list[_State] = field(default_factory=list)

    def through(
        self, content: bytes, resources: Mapping[str, Any], state: _State
    ) -> Iterator[Faint]:
        operands: list[bytes] = []
        path: list[tuple[float, float]] = []
        text = _IDENTITY
        for token in _TOKEN.findall(content):
            if token[:1] in b"(</[]>" or _NUMBER.match(token):
                operands.append(token)
                continue
            numbers = [float(operand) for operand in operands if _NUMBER.match(operand)]
            if token == b"q":
                self.saved.append(state)
            elif token == b"Q":
                state = self.saved.pop()
            elif token == b"Tm":
                text = _matrix(numbers)
            elif token in _SHOWING:
                yield from self._judged(state, text)
            elif token == b"Do":
                yield from self._form(resources["/XObject"][operands[-1].decode()], state)
            elif token in _ENDING:
                self._painted(token, path, state)
                path = []
            else:
                path += _points(token, numbers)
                state = _changed(state, token, operands, numbers, resources)
            operands = []

    def _judged(self, state: _State, text: Matrix) -> Iterator[Faint]:
        matrix = _times(text, state.ctm)
        size = state.size * max(abs(matrix[3]), abs(matrix[1]))
        left, baseline = matrix[4], matrix[5]
        under = self._under(left + size * 0.2, baseline + size * 0.2)
        if under is None or state.fill is None:
            return
        seen = _mixed(state.fill, under, state.opacity)
        least = LEAST_LARGE if size >= (_LARGE_BOLD if state.bold else _LARGE) else LEAST
        if (found := ratio(seen, under)) < least:
            yield Faint(self.page, left, baseline, _hex(seen), _hex(under), found, least)

    def _under(self, x: float, y: float) -> Colour | None:
        for (left, bottom, right, top), colour in reversed(self.behind):
            if left <= x <= right and bottom <= y <= top:
                return colour
        return _WHITE

    def _painted(self, how: bytes, path: list[tuple[float, float]], state: _State) -> None:
        if how not in _FILLING or (box := _rectangle(path, state.ctm)) is None:
            return
        under = self._under((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        known = state.fill is not None and under is not None
        colour = _mixed(state.fill, under, state.opacity) if known else None  # type: ignore[arg-type]
        self.behind.append((box, colour))

    def _form(self, form: Any, state: _State) -> Iterator[Faint]:
        if form["/Subtype"] == "/Image":
            box = _rectangle([(0, 0), (1, 0), (1, 1), (0, 1)], state.ctm)
            if box is not None:
                self.behind.append((box, None))
            return
        matrix = _matrix([float(value) for value in entry(form, "/Matrix", _IDENTITY)])
        inside = replace(state, ctm=_times(matrix, state.ctm))
        yield from self.through(form.data, entry(form, "/Resources", {}), inside)


def _changed(
    state: _State,
    operator: bytes,
    operands: list[bytes],
    numbers: list[float],
    resources: Mapping[str, Any],
) -> _State:
    if operator == b"cm":
        return replace(state, ctm=_times(_matrix(numbers), state.ctm))
    if operator in _COLOURING:
        return replace(state, fill=_colour(numbers))
    if operator == b"Tf":
        font = resources["/Font"][operands[-2].decode()]
        return replace(state, size=numbers[-1], bold="Bold" in str(entry(font, "/BaseFont", "")))
    if operator == b"gs":
        told = resources["/ExtGState"][operands[-1].decode()]
        return replace(state, opacity=float(entry(told, "/ca", state.opacity)))
    return state


def _colour(numbers: list[float]) -> Colour | None:
    """Grey, red-green-blue or cyan-magenta-yellow-black, by how many there are."""
    match numbers:
        case [grey]:
            return (grey, grey, grey)
        case [red, green, blue]:
            return (red, green, blue)
        case [cyan, magenta, yellow, black]:
            return (
                (1 - cyan) * (1 - black),
                (1 - magenta) * (1 - black),
                (1 - yellow) * (1 - black),
            )
    return None


def _points(operator: bytes, numbers: list[float]) -> list[tuple[float, float]]:
    if operator == b"re":
        x, y, width, height = numbers
        return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    if operator in {b"m", b"l", b"c", b"v", b"y"}:
        return list(zip(numbers[::2], numbers[1::2], strict=True))
    return []


def _rectangle(path: list[tuple[float, float]], ctm: Matrix) -> _Box | None:
    """The place of a path whose points are the corners of an upright rectangle."""
    a, b, c, d, e, f = ctm
    points = [(x * a + y * c + e, x * b + y * d + f) for x, y in path]
    across, up = ({round(p[axis], 2) for p in points} for axis in (0, 1))
    if len(across) != 2 or len(up) != 2:  # noqa: PLR2004 - left and right, bottom and top
        return None
    return (min(across), min(up), max(across), max(up))


def _mixed(over: Colour, under: Colour, opacity: float) -> Colour:
    red, green, blue = (o * opacity + u * (1 - opacity) for o, u in zip(over, under, strict=True))
    return (red, green, blue)


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def _matrix(numbers: Sequence[float]) -> Matrix:
    a, b, c, d, e, f = numbers
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
