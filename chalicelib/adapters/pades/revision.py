"""Incremental updates as bytes (ISO 32000-1 §7.5.6), as PDF/A-3 wants them.

Each is built in memory behind a file that is never touched, and ends in a classic
cross-reference table. ISO 19005-3 §6.1.9: every object begins and ends on its own line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEX = 2  # digits of a byte
# "[0 a b c]", each with ten digits at most (§7.5.4), padded with spaces.
_BYTE_RANGE_ROOM = 40


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a file ends: what the next revision has to continue. Numbers are bytes but
    `size`, the first free object number."""

    length: int
    size: int
    table_at: int
    root: int
    info: bytes | None
    first_id: bytes
    ends_with_newline: bool


class Revision:
    """One update being written. Object numbers come from `next_number`, or are those of
    objects that change."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        start = b"" if tail.ends_with_newline else b"\n"
        self._parts = [start]
        self._at = tail.length + len(start)
        self._offsets: dict[int, int] = {}
        self._size = tail.size

    def next_number(self) -> int:
        self._size += 1
        return self._size - 1

    def put(self, number: int, body: bytes) -> None:
        """An object that is not a stream."""
        self._begin(number)
        self._add(b"%b\nendobj\n" % body)

    def put_stream(self, number: int, data: bytes, head: bytes = b"") -> None:
        """A stream; `head` holds entries of its dictionary beside /Length."""
        self._begin(number)
        self._add(b"<<%b/Length %d>>\nstream\n%b\nendstream\nendobj\n" % (head, len(data), data))

    def _begin(self, number: int) -> None:
        self._offsets[number] = self._at
        self._add(b"%d 0 obj\n" % number)

    def _add(self, text: bytes) -> None:
        self._parts.append(text)
        self._at += len(text)

    def close(self, seed: bytes) -> tuple[bytes, Tail]:
        """The bytes to append, and the tail of the longer file. `seed` is what the new
        file identifier is made of (§14.4)."""
        table_at = self._at
        self._add(self._table())
        self._add(self._trailer(table_at, seed))
        return b"".join(self._parts), Tail(
            length=self._at,
            size=self._size,
            table_at=table_at,
            root=self._tail.root,
            info=self._tail.info,
            first_id=self._tail.first_id,
            ends_with_newline=True,
        )

    def _table(self) -> bytes:
        # Object 0 heads every table (§7.5.4); some readers count from it.
        lines = [b"xref\n0 1\n0000000000 65535 f \n"]
        for first, offsets in _sections(self._offsets):
            lines.append(b"%d %d\n" % (first, len(offsets)))
            lines += [b"%010d 00000 n \n" % offset for offset in offsets]
        return b"".join(lines)

    def _trailer(self, table_at: int, seed: bytes) -> bytes:
        tail = self._tail
        info = b"" if tail.info is None else b"/Info " + tail.info
        identifier = hashlib.sha256(seed).hexdigest()[:32].encode()
        return (
            b"trailer\n<</Size %d/Root %d 0 R%b/ID[%b<%b>]/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
            % (
                self._size,
                tail.root,
                info,
                tail.first_id,
                identifier,
                tail.table_at,
                table_at,
            )
        )


def _sections(offsets: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
    """Runs of consecutive object numbers, and where their objects lie."""
    numbered = enumerate(sorted(offsets.items()))
    for _, run in groupby(numbered, key=lambda pair: pair[1][0] - pair[0]):
        members = [member for _, member in run]
        yield members[0][0], [offset for _, offset in members]


class SigningRevision(Revision):
    """An update with one signature in it, whose /Contents stay open (§12.8.1)."""

    def __init__(self, tail: Tail) -> None:
        super().__init__(tail)
        self._room = 0
        self._gap_at = 0
        self._before = 0

    def put_signature(self, number: int, head: bytes, room: int) -> None:
        """The signature dictionary, with `room` bytes for DER. `head` holds its other
        entries. Exactly one per revision."""
        self._begin(number)
        self._add(b"<<%b/Contents " % head)
        self._room, self._gap_at, self._before = room, self._at, len(self._parts)
        self._at += _HEX * room + 2
        self._add(b"/ByteRange" + bytes(_BYTE_RANGE_ROOM))
        self._add(b">>\nendobj\n")

    def close_around_gap(self, seed: bytes) -> Gapped:
        """The update around the open /Contents."""
        _, tail = super().close(seed)
        behind = self._gap_at + _HEX * self._room + 2
        covered = b"[0 %d %d %d]" % (self._gap_at, behind, tail.length - behind)
        self._parts[self._before] = b"/ByteRange" + covered.ljust(_BYTE_RANGE_ROOM)
        return Gapped(
            before=b"".join(self._parts[: self._before]),
            room=self._room,
            after=b"".join(self._parts[self._before :]),
            tail=tail,
        )


@dataclass(frozen=True, slots=True)
class Gapped:
    """A finished update but for its signature, which covers `before` and `after`."""

    before: bytes
    room: int
    after: bytes
    tail: Tail

    def contents(self, der: bytes) -> bytes:
        """/Contents for the gap: hexadecimal, filled up with zeros. Raises ValueError if
        the room does not do."""
        if len(der) > self.room:
            raise ValueError(f"{len(der)} bytes of DER do not fit into {self.room}")
        return b"<%b>" % der.hex().encode().ljust(_HEX * self.room, b"0")
