"""Check a batch: every line of its file, before any number is spent."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unicodedata import normalize

from chalicelib.domain.batches import (
    MOST_LINES,
    Batch,
    BatchRef,
    Checked,
    CheckedLine,
    Segment,
    body_of,
    spell_lines,
)
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import Classification, Document, Reason
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.pointers import value_at
from chalicelib.ports import BatchFiles, BatchReader, BatchStore, Clock, ReadLine
from chalicelib.services.number_batch import segment_name

REPORT, REPORT_CSV = "report.jsonl", "report.csv"
"""What the report of all bad lines is kept as."""

# A segment is what the check remembers at a time, and what numbering reads at a time.
_SEGMENT_LINES = 1_000
_SEGMENT_BYTES = 1024 * 1024
# Lines that each name a hundred agencies take long: the time left is looked at within a segment.
_LINES_BETWEEN_LOOKS = 100
# A line that is wrong in more ways says no more; the report must not outgrow the file.
_MOST_FAULTS = 10
# The digest of a business key and its line.
_KEY = struct.Struct(">16sI")

NOT_IN_BATCH = frozenset(
    {"use_reserved", "insert_after", "dated", "dry_run", "numbers", "supersedes"}
)
"""Fields of a submission that say something of one document's number (a batch's are a block), or
need a permission of their own."""

CheckLine = Callable[[Batch, Mapping[str, Any]], Document]
"""Validates a body exactly as POST /v1/documents does, into the document it would accept.
Raises InvalidRequestError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRoom:
    """Collaborators of `check`."""

    batches: BatchStore
    files: BatchFiles
    reader: BatchReader
    check_line: CheckLine
    clock: Clock
    sweep_after: timedelta


@dataclass
class _Piece:
    """The lines since the last segment."""

    valid: list[CheckedLine] = field(default_factory=list)
    keys: list[tuple[bytes, int]] = field(default_factory=list)
    faults: list[tuple[int, FieldFault]] = field(default_factory=list)
    lines: int = 0
    invalid: int = 0
    size: int = 0

    @property
    def full(self) -> bool:
        return self.lines >= _SEGMENT_LINES or self.size >= _SEGMENT_BYTES


def check(
    batch: Batch, kind: DocumentType, *, room: CheckRoom, in_time: Callable[[], bool]
) -> Batch:
    """Read and validate the file from where the last run ended, segment by segment.

    Returns the batch as saved: with `checked.complete` once the file's end and the report are
    written, without if time ran out. Each valid line is kept as what will become of it, so that
    the uploaded file is not needed again. Memory holds one segment, and 16 bytes for each
    business key.

    Raises BatchBrokenError if the file was changed since, InvalidRequestError if it cannot be
    read at all or has too many lines, BatchMovedError if somebody else changed the batch.
    Repeatable. Dies anywhere: the next run begins behind the last segment saved, and writes the
    same files again.
    """
    if batch.etag is None:
        raise ValueError("a batch without file cannot be checked")
    etag, ref = batch.etag, batch.ref
    checker = _Checker(batch, kind, _seen(batch, room.files), room)
    lines = room.reader.read(
        lambda start: room.files.read(ref, etag, start),
        batch.file,
        batch.checked.place,
        content_schema=kind.content_schema,
    )
    piece, ended, place = _Piece(), True, batch.checked.place
    for line, place in lines:
        if batch.checked.lines + piece.lines >= MOST_LINES:
            raise InvalidRequestError([_TOO_MANY])
        checker.take(line, piece)
        if piece.full or (piece.lines % _LINES_BETWEEN_LOOKS == 0 and not in_time()):
            batch = _save(batch, piece, place, room)
            piece = _Piece()
            if not in_time():
                ended = False
                break
    if not ended:
        return batch
    if piece.lines:
        batch = _save(batch, piece, place, room)
    _write_report(batch, room.files)
    complete = batch.changed(checked=replace(batch.checked, complete=True))
    room.batches.save(complete)
    return complete


# -- one line --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Checker:
    """What lines are held against; `seen` are the business keys of those before, with their
    lines."""

    batch: Batch
    kind: DocumentType
    seen: dict[bytes, int]
    room: CheckRoom

    def take(self, line: ReadLine, piece: _Piece) -> None:
        """Check one line, and put it into `piece` as valid or with what is wrong."""
        piece.lines += 1
        try:
            document = _document(line, self.batch, self.room)
            digest = business_digest(self.kind, document.content, self.batch.secret)
            _demand_first(digest, line.number, self.seen)
        except InvalidRequestError as error:
            piece.invalid += 1
            told = error.faults[:_MOST_FAULTS]
            piece.faults += [(line.number, fault) for fault in told]
            # A pointer holds names that whoever made the file chose, however long.
            piece.size += sum(len(fault.pointer.encode()) for fault in told)
            return
        if digest is not None:
            self.seen[digest] = line.number
            piece.keys.append((digest, line.number))
        piece.valid.append(_checked_line(line.number, document, self.kind))
        piece.size += document.weight


def _document(line: ReadLine, batch: Batch, room: CheckRoom) -> Document:
    if line.body is None:
        raise InvalidRequestError(line.faults)
    faults = [*line.faults, *_envelope_faults(line.body, batch)]
    body = body_of(line.body, batch.defaults)
    body["document_type"] = batch.document_type
    if body.get("classification") in _CLASSIFIED:
        faults.append(_CLASSIFIED_LINE)
    for name in NOT_IN_BATCH:
        body.pop(name, None)
    try:
        document = room.check_line(batch, body)
    except InvalidRequestError as error:
        raise InvalidRequestError([*faults, *error.faults]) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A rule that stumbled over this line would stumble again: the batch ends all the same (P4).
        raise InvalidRequestError([*faults, _NO_RULE]) from error
    if faults:
        raise InvalidRequestError(faults)
    return document


_CLASSIFIED = frozenset({Classification.CONFIDENTIAL, Classification.SECRET})
_CLASSIFIED_LINE = FieldFault(
    "/classification",
    "classified_in_batch",
    "A batch holds no classified documents: who may read each is named one by one. Submit such a "
    "document by itself.",
    "ชุดเอกสารมีเอกสารที่มีชั้นความลับไม่ได้ เพราะต้องกำหนดผู้เข้าถึงเป็นรายฉบับ โปรดส่งเป็นเอกสารเดี่ยว",
)


def _envelope_faults(body: Mapping[str, Any], batch: Batch) -> Iterator[FieldFault]:
    for name in sorted(NOT_IN_BATCH & body.keys()):
        yield FieldFault(
            f"/{name}",
            "not_in_batch",
            "A line of a batch cannot say this: numbers follow each other, and nothing is replaced. "
            "Submit such a document by itself.",
            "บรรทัดในชุดเอกสารระบุรายการนี้ไม่ได้ เลขเรียงต่อกันทั้งชุดและแทนเอกสารเดิมไม่ได้ โปรดส่งเป็นเอกสารเดี่ยว",
        )
    if body.get("document_type", batch.document_type) != batch.document_type:
        yield FieldFault(
            "/document_type",
            "not_in_batch",
            "All documents of a batch are of the batch's own type; leave this out.",
            "เอกสารทุกฉบับในชุดต้องเป็นประเภทเดียวกับชุด โปรดเว้นรายการนี้",
        )


def _demand_first(digest: bytes | None, number: int, seen: Mapping[bytes, int]) -> None:
    if digest is None or digest not in seen:
        return
    first = seen[digest]
    raise InvalidRequestError(
        [
            FieldFault(
                "",
                "duplicate_business_key",
                f"Line {number} is the same case as line {first}: only the first would be issued.",
                f"บรรทัดที่ {number} เป็นเรื่องเดียวกับบรรทัดที่ {first} จะออกเอกสารให้เฉพาะบรรทัดแรก",
            )
        ]
    )


def business_digest(kind: DocumentType, content: Mapping[str, Any], secret: bytes) -> bytes | None:
    """16 bytes that are the same for the same case; None if the type has no business key, or
    the content lacks a part of it."""
    parts = [value_at(content, pointer) for pointer in kind.business_key]
    if not parts or any(part in (None, "") for part in parts):
        return None
    spelled = [normalize("NFC", part).strip() if isinstance(part, str) else part for part in parts]
    return hmac.digest(secret, b"business key\n" + canonical_json(spelled), "sha256")[:16]


def _checked_line(number: int, document: Document, kind: DocumentType) -> CheckedLine:
    return CheckedLine(
        number=number,
        content=document.content,
        recipients=document.recipients,
        classification=document.classification,
        urgency=document.urgency,
        valid_from=document.valid_from,
        valid_until=document.valid_until,
        retention_years=document.retention_years,
        subject=kind.subject_of(document.content),
        counterpart=kind.counterpart_of(document.content),
    )


# -- segments --------------------------------------------------------------------


def _save(batch: Batch, piece: _Piece, place: Mapping[str, Any] | None, room: CheckRoom) -> Batch:
    """Keep what was found, then say so in the batch: files first, so that what it names is
    there."""
    checked = batch.checked
    index = len(checked.segments)
    spelled = spell_lines(piece.valid)
    room.files.keep(batch.ref, segment_name(index), spelled)
    if piece.keys:
        room.files.keep(batch.ref, _keys_name(index), b"".join(_KEY.pack(*k) for k in piece.keys))
    room.files.keep(batch.ref, _faults_name(index), _spell_faults(piece.faults))
    longest = max((line.retention_years for line in piece.valid), default=0)
    saved = batch.changed(
        checked=Checked(
            lines=checked.lines + piece.lines,
            invalid=checked.invalid + piece.invalid,
            segments=(
                *checked.segments,
                Segment(len(piece.valid), hashlib.sha256(spelled).hexdigest()),
            ),
            retention_years=max(checked.retention_years, longest),
            place=place,
        ),
        due_at=room.clock() + room.sweep_after,
    )
    room.batches.save(saved)
    return saved


def _seen(batch: Batch, files: BatchFiles) -> dict[bytes, int]:
    """Business keys of earlier runs, each with its line."""
    seen: dict[bytes, int] = {}
    for index in range(len(batch.checked.segments)):
        kept = files.kept(batch.ref, _keys_name(index))
        seen.update(_KEY.iter_unpack(kept or b""))
    return seen


def _keys_name(index: int) -> str:
    return f"keys/{index:05d}"


def _faults_name(index: int) -> str:
    return f"faults/{index:05d}.jsonl"


# -- the report ------------------------------------------------------------------


def _spell_faults(faults: Iterable[tuple[int, FieldFault]]) -> bytes:
    rows = (
        {
            "line": line,
            "pointer": fault.pointer,
            "code": fault.code,
            "detail": fault.detail,
            "detail_th": fault.detail_th,
        }
        for line, fault in faults
    )
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def _write_report(batch: Batch, files: BatchFiles) -> None:
    """Every bad line, as JSON Lines and for a spreadsheet. No value of the file is in it."""
    count = len(batch.checked.segments)
    files.write(batch.ref, REPORT, _faults_kept(batch.ref, count, files))
    files.write(batch.ref, REPORT_CSV, _as_csv(_faults_kept(batch.ref, count, files)))


def _faults_kept(ref: BatchRef, count: int, files: BatchFiles) -> Iterator[bytes]:
    for index in range(count):
        yield files.kept(ref, _faults_name(index)) or b""


def _as_csv(pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield "\ufeffline,pointer,code,detail,detail_th\r\n".encode()
    for piece in pieces:
        rows = (json.loads(row) for row in piece.splitlines())
        yield "".join(",".join(map(_cell, row.values())) + "\r\n" for row in rows).encode()


def _cell(value: object) -> str:
    """RFC 4180. A pointer can hold a column's or field's name that a stranger chose: nothing
    may begin as a formula does."""
    text = str(value)
    if text[:1] in {"=", "+", "-", "@", "\t"}:
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


_NO_RULE = FieldFault(
    "",
    "could_not_be_checked",
    "The rules of this document type cannot be applied to this line. Submit it by itself to see "
    "whether it is the line; tell the operators of this deployment if it looks right.",
    "ระบบตรวจบรรทัดนี้ตามกฎของประเภทเอกสารไม่ได้ โปรดลองส่งเป็นเอกสารเดี่ยว และแจ้งผู้ดูแลระบบหากข้อมูลถูกต้องแล้ว",
)
_TOO_MANY = FieldFault(
    "",
    "too_many_lines",
    f"A batch has at most {MOST_LINES:,} lines. Split the file.",
    f"ชุดเอกสารมีได้ไม่เกิน {MOST_LINES:,} บรรทัด โปรดแบ่งไฟล์",
)


def reason_of(error: InvalidRequestError) -> Reason:
    """Why the whole file was refused."""
    fault = error.faults[0]
    return Reason(fault.code, fault.detail, fault.detail_th)
