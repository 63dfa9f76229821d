"""A small picture of how time and memory grow, drawn by hand: log-log, two panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

_WIDTH, _HEIGHT = 760, 300
_PANEL, _TOP, _BOTTOM = 300, 50, 250
_LEFTS = (60, 430)
_COLOURS = ("#1f5fa8", "#b3541e", "#3b7a3b")


@dataclass(frozen=True, slots=True)
class Line:
    """One measured quantity: its name and (entries, value) for each size."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share a unit."""

    title: str
    unit: str
    lines: tuple[Line, ...]


def picture(panels: Sequence[Panel]) -> str:
    """SVG text, readable in both light and dark pages."""
    drawn = "".join(_panel(panel, left) for panel, left in zip(panels, _LEFTS, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img">\n'
        f"<title>{escape(' / '.join(panel.title for panel in panels))}</title>\n"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n{drawn}</svg>\n'
    )


def _panel(panel: Panel, left: int) -> str:
    sizes = [size for line in panel.lines for size, _ in line.points]
    values = [value for line in panel.lines for _, value in line.points]
    across = _Scale(min(sizes), max(sizes), left, left + _PANEL)
    up = _Scale(min(values), max(values), _BOTTOM, _TOP)
    parts = [_text(left, 28, f"{panel.title} ({panel.unit})", weight="bold")]
    parts += [_tick(across.at(10**n), _BOTTOM + 18, f"{10**n:,}") for n in across.decades]
    for n in up.decades:
        y = up.at(10**n)
        parts.append(_rule(left, y, left + _PANEL, y))
        parts.append(_tick(left - 6, y + 4, f"{10**n:g}", anchor="end"))
    for row, (line, colour) in enumerate(zip(panel.lines, _COLOURS, strict=False)):
        parts += _curve(line, across, up, colour)
        parts.append(
            _tick(left + 8, _TOP + 14 + 16 * row, line.name, colour=colour, anchor="start")
        )
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Logarithmic, over whole decades."""

    least: float
    most: float
    start: float
    end: float

    @property
    def decades(self) -> range:
        first = floor(log10(self.least))
        return range(first, max(-floor(-log10(self.most)), first + 1) + 1)

    def at(self, value: float) -> float:
        first, last = self.decades[0], self.decades[-1]
        part = (log10(value) - first) / (last - first)
        return self.start + part * (self.end - self.start)


def _curve(line: Line, across: _Scale, up: _Scale, colour: str) -> list[str]:
    places = [(across.at(size), up.at(value), value) for size, value in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>\n' for x, y, _ in places),
        *(_tick(x, y - 8, f"{value:.3g}", colour=colour) for x, y, value in places),
    ]


def _text(x: float, y: float, text: str, *, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(text)}</text>\n'


def _tick(x: float, y: float, text: str, *, anchor: str = "middle", colour: str = "#333333") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>\n"


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="#dddddd"/>\n'
