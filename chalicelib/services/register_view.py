"""View a register: some of its lines, in order, and where to go on. Never a table scan.

A register is one partition in order of number, and time in it never runs backwards, so a day
begins at a number that a binary search finds with a few point reads. What is looked for in
texts is looked for line by line, and one request reads a bounded number of lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.classification import Classification
from chalicelib.domain.register_lines import Line
from chalicelib.domain.registers import Entry, EntryState, Register
from chalicelib.ports import RegisterStore

MOST_READ = 1_000
"""Lines one request reads at most, however few of them match."""

_STEP = 250
_LAST_CHILD = 9_999

Position = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterQuery:
    """Which lines of a register.

    Numbers are inclusive; `since` is inclusive and `before` exclusive, and both are about
    the date a line bears: an inserted number bears its parent's. Texts match any part, in
    any case. `after` is where an earlier page ended. Of what is classified otherwise than
    `visible` number and date are shown, and nothing is looked for in it.
    """

    register: Register
    from_number: int = 1
    to_number: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    subject: str | None = None
    counterpart: str | None = None
    state: EntryState | None = None
    limit: int = 50
    most_read: int = MOST_READ
    visible: frozenset[Classification] = frozenset({Classification.NORMAL})
    after: Position | None = None

    @property
    def picks(self) -> bool:
        """Lines between the first and the last may be left out."""
        return bool(self.subject or self.counterpart or self.state)

    @property
    def looks_into(self) -> bool:
        """What is encrypted has to be opened to know whether it matches."""
        return bool(self.subject or self.counterpart)

    @property
    def partial(self) -> bool:
        """It may be less than the whole register."""
        narrowed = self.from_number > 1 or self.to_number is not None
        return self.picks or narrowed or self.since is not None or self.before is not None


@dataclass(frozen=True, slots=True)
class Found:
    """Matching lines in order; `next` is where to go on, None if nothing can follow. With
    `next`, there may be fewer lines than asked for, even none: ask on."""

    lines: tuple[Line, ...]
    next: Position | None


def view_register(query: RegisterQuery, *, registers: RegisterStore) -> Found:
    """The next lines that match. Reads at most `most_read` lines, and a few single ones to
    find where a day begins. Changes nothing. Raises UnavailableError."""
    # 1. Find where to begin.
    begin = query.after or _beginning(query, registers)

    # 2. Read on until there is enough, or the range ends, or this request read its share.
    found: list[Line] = []
    last = begin
    for line in _lines_after(begin, query, registers):
        if _is_beyond(line, query):
            return Found(_all_opened(found, registers), None)
        if len(found) == query.limit:
            return Found(_all_opened(found, registers), last)
        if query.looks_into:
            line = _opened(line, registers)  # noqa: PLW2901 - the same line, readable
        if _matches(line, query):
            found.append(line)
        last = line.entry.position
    following = last if _goes_on(last, begin, query, registers) else None
    return Found(_all_opened(found, registers), following)


# -- where to begin ------------------------------------------------------------


def _beginning(query: RegisterQuery, registers: RegisterStore) -> Position:
    """The position before the first line of the range."""
    first = query.from_number
    if query.since is not None:
        first = max(first, first_number_since(query.since, query.register, registers))
    return _before(first)


def first_number_since(instant: datetime, register: Register, registers: RegisterStore) -> int:
    """The lowest number given at `instant` or later; one more than the last if there is
    none. At most log2(n) + 1 point reads.

    An entry that is missing, which `audit` reports, only makes the answer earlier.
    """
    low, high = 1, registers.head(register).last_number + 1
    while low < high:
        middle = (low + high) // 2
        entry = registers.entry(register, middle)
        if entry is not None and entry.numbered_at < instant:
            low = middle + 1
        else:
            high = middle
    return low


def _before(number: int) -> Position:
    return (number - 1, _LAST_CHILD) if number > 1 else (0, 0)


# -- reading -------------------------------------------------------------------


def _lines_after(
    position: Position, query: RegisterQuery, registers: RegisterStore
) -> Iterator[Line]:
    """Lines in order, read in steps; ends with the register or after `most_read`."""
    parent: Entry | None = None
    left = query.most_read
    while left > 0:
        # One more than wanted, to see whether anything follows.
        step = min(_STEP, left) if query.picks else min(_STEP, left, query.limit + 1)
        entries = registers.entries(query.register, after=position, limit=step)
        for entry in entries:
            if not entry.child:
                parent = entry
            elif parent is None or parent.number != entry.number:
                parent = registers.entry(query.register, entry.number)
            dated_at = parent.numbered_at if parent else entry.numbered_at
            yield Line(entry, dated_at, veiled=entry.classification not in query.visible)
        if len(entries) < step:
            return
        position = entries[-1].position
        left -= step


def _goes_on(
    last: Position, begin: Position, query: RegisterQuery, registers: RegisterStore
) -> bool:
    """Whether anything may follow `last`, the last line that was read."""
    return last != begin and bool(registers.entries(query.register, after=last, limit=1))


def _opened(line: Line, registers: RegisterStore) -> Line:
    if line.veiled or not line.entry.is_classified:
        return line
    return replace(line, entry=registers.opened([line.entry])[0])


def _all_opened(lines: Sequence[Line], registers: RegisterStore) -> tuple[Line, ...]:
    """What may be read, readable: all at once. What is veiled stays as it lies there."""
    closed = [line.entry for line in lines if line.entry.is_classified and not line.veiled]
    opened = iter(registers.opened(closed) if closed else ())
    return tuple(
        replace(line, entry=next(opened)) if line.entry.is_classified and not line.veiled else line
        for line in lines
    )


# -- which lines ---------------------------------------------------------------


def _is_beyond(line: Line, query: RegisterQuery) -> bool:
    """Neither this line nor any after it is in the range."""
    if query.to_number is not None and line.entry.number > query.to_number:
        return True
    return query.before is not None and line.dated_at >= query.before


def _matches(line: Line, query: RegisterQuery) -> bool:
    entry = line.entry
    if line.veiled and query.picks:
        return False  # a search that found it would tell what it is about
    return (
        (query.since is None or line.dated_at >= query.since)
        and (query.state is None or entry.state is query.state)
        and _contains(entry.subject, query.subject)
        and _contains(entry.counterpart, query.counterpart)
    )


def _contains(text: str, wanted: str | None) -> bool:
    return wanted is None or wanted.casefold() in text.casefold()
