"""Reading copy: what somebody gets who reads a classified document. The sealed file stays where it
is, encrypted; the copy says on every page whose it is (C5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import ReadingTooLargeError
from chalicelib.domain.thai import long_instant
from chalicelib.ports import Archive, Clock, CopyPrinter, StampSheet

MOST_BYTES = 4_000_000
"""What a function can be sent, and can answer with, in Base64 (6 MB)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the officer's name, and that of the agency."""

    name: str
    agency: str

    def at(self, now: datetime) -> str:
        """What stands on every page."""
        return f"{self.name} {self.agency} อ่านเมื่อวันที่ {long_instant(now)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRoom:
    """Collaborators of `reading_copy` and `sealed_bytes`."""

    archive: Archive
    printer: CopyPrinter
    clock: Clock


def reading_copy(file: ArchivedFile, reader: Reader, *, room: ReadingRoom) -> bytes:
    """PDF bytes: every page of the sealed file, with who reads it and when.

    Stores nothing. Raises ReadingTooLargeError, ArchiveError if other bytes lie there than were
    archived, SecretUnreadableError, RenderError, UnavailableError.
    """
    sheet = reading_sheet(reader, room.clock())
    printed = room.printer.print_copy(sealed_bytes(file, room=room), sheet)
    return _answerable(printed)


def reading_sheet(reader: Reader, now: datetime) -> StampSheet:
    """What is laid over every page that somebody reads of a classified document."""
    return StampSheet(
        agency=reader.agency,
        lines=(),
        printed_at=long_instant(now),
        created_at=int(now.timestamp()),
        reader=reader.at(now),
    )


def sealed_bytes(file: ArchivedFile, *, room: ReadingRoom) -> bytes:
    """The sealed file itself, for the registrar of secrets. Raises as `reading_copy`."""
    if file.size > MOST_BYTES:
        raise ReadingTooLargeError
    return room.archive.read(file)


def _answerable(pdf: bytes) -> bytes:
    if len(pdf) > MOST_BYTES:
        raise ReadingTooLargeError
    return pdf
