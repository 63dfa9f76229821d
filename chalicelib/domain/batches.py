"""Batches: many documents from one file, checked whole, numbered as one block.

A batch's documents are ordinary documents. What identifies them (id, salt, verification code)
is derived from the batch's secret and their place in it, so every step can be repeated, and
nobody has to keep a list of them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

from chalicelib.domain.base32 import base32
from chalicelib.domain.documents import (
    ArchivedFile,
    BatchLine,
    Change,
    Classification,
    Document,
    DocumentState,
    Reason,
    Urgency,
    content_digest,
)
from chalicelib.domain.errors import BatchMovedError
from chalicelib.domain.registers import Book, Head, Hold, Register

MOST_LINES = 100_000
LARGEST_FILE = 512 * 1024 * 1024
"""Bytes of an uploaded file."""

CHUNK = 20
"""Documents that one message of the sealing carries: enough to keep a core busy, and few
enough to end long before the function's time does (docs/benchmarks.md)."""

COUNTERS = 64
"""Places that finished chunks are counted in: one counter for all would be written by every
sealing function at once."""

UPLOAD_TIME = timedelta(hours=24)
START_TIME = timedelta(days=14)
"""How long a batch waits for its file, and for being started, before it ends by itself (P4)."""

CANCELLED_REASON = Reason(
    "batch_cancelled",
    "The batch was cancelled before this document was issued.",
    "ชุดเอกสารถูกยกเลิกก่อนออกเอกสารฉบับนี้",
)
"""Why a number of a cancelled batch is void."""


class BatchState(StrEnum):
    """awaiting_upload → checking → ready → numbering → issuing → done; or it ends as refused
    (nothing was numbered) or cancelled (what was issued stays)."""

    AWAITING_UPLOAD = "awaiting_upload"
    CHECKING = "checking"
    REFUSED = "refused"
    READY = "ready"
    NUMBERING = "numbering"
    ISSUING = "issuing"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """No later state follows."""
        return self in {BatchState.REFUSED, BatchState.DONE, BatchState.CANCELLED}


class OnError(StrEnum):
    """What a bad line does: stop everything before the first number, or only itself."""

    ALL_OR_NOTHING = "all_or_nothing"
    SKIP_INVALID = "skip_invalid"


class Start(StrEnum):
    """Whether numbering begins when the check ends well, or when somebody says so."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, order=True)
class BatchRef:
    """A batch's name everywhere: `diw/01KAJ9…`."""

    agency_id: str
    batch_id: str

    def __str__(self) -> str:
        return f"{self.agency_id}/{self.batch_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        agency_id, batch_id = text.split("/")
        if not (agency_id and batch_id):
            raise ValueError("a batch is named agency/id")
        return cls(agency_id, batch_id)


@dataclass(frozen=True, slots=True)
class BatchWork:
    """What a message about a batch says: go on with it, or seal this chunk of it."""

    ref: BatchRef
    chunk: int | None = None

    def __str__(self) -> str:
        return str(self.ref) if self.chunk is None else f"{self.ref}#{self.chunk}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        ref, hash_sign, chunk = text.partition("#")
        return cls(BatchRef.parse(ref), int(chunk) if hash_sign else None)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the checked file: how many valid lines it holds, and the digest (hex SHA-256)
    of the bytes kept of it."""

    valid: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFile:
    """How the file is to be read: `jsonl`, or `csv` with a mapping from column to a JSON
    Pointer into a line's body. `encoding` and `delimiter` are found out where nobody said."""

    format: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How far the check is. `place` says where in the file it goes on (None: at its beginning);
    `retention_years` is the longest of any valid line."""

    lines: int = 0
    invalid: int = 0
    segments: tuple[Segment, ...] = ()
    retention_years: int = 0
    place: Mapping[str, Any] | None = None
    complete: bool = False

    @property
    def valid(self) -> int:
        return sum(segment.valid for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch from its request to its end. `revision` counts its changes: a change is written
    only over the revision it was made of.

    `secret` (32 random bytes) is what its documents' ids, salts and codes are derived from.
    `etag` pins the uploaded file. `hold` is the register's, once the batch has it, and
    `letter_prefix` the agency's at that time; `numbered` documents have the numbers from
    `hold.after + 1` on. `dispatched` once every chunk has its message; `seen` is how many were
    finished, and `looks` how often nothing had moved, when somebody looked last. `due_at` says when `sweep` looks at it
    (None: nobody has to).
    """

    batch_id: str
    agency_id: str
    submitted_by: str
    created_at: datetime
    document_type: str
    type_version: int
    book: Book
    file: BatchFile
    on_error: OnError
    start: Start
    defaults: Mapping[str, Any]
    secret: bytes = field(repr=False)
    state: BatchState
    history: tuple[tuple[BatchState, datetime], ...]
    revision: int = 1
    etag: str | None = None
    size: int | None = None
    checked: Checked = field(default_factory=Checked)
    year: int | None = None
    hold: Hold | None = None
    letter_prefix: str | None = None
    numbered: int = 0
    dispatched: bool = False
    paused: bool = False
    cancelled_by: str | None = None
    reason: Reason | None = None
    manifest: ArchivedFile | None = None
    due_at: datetime | None = None
    seen: int = 0
    looks: int = 0

    @property
    def ref(self) -> BatchRef:
        return BatchRef(self.agency_id, self.batch_id)

    @property
    def register(self) -> Register:
        """The register that holds this batch's numbers."""
        if self.year is None:
            raise ValueError("a batch that holds no register is in none")
        return self.book.in_year(self.year)

    @property
    def may_seal(self) -> bool:
        """Sealing of further chunks may begin."""
        return self.state is BatchState.ISSUING and not self.paused and not self.cancelled_by

    @property
    def chunks(self) -> int:
        """How many messages its sealing takes."""
        return -(-self.numbered // CHUNK)

    @property
    def first_number(self) -> int | None:
        return self.hold.after + 1 if self.hold is not None and self.numbered else None

    @property
    def stands(self) -> str:
        """Its state in one word, as people are told: also that it pauses or is being cancelled."""
        if self.cancelled_by and not self.state.ended:
            return "cancelling"
        return "paused" if self.paused else self.state.value

    def entered_at(self, state: BatchState) -> datetime | None:
        """When it came into `state`, if it ever did."""
        return next((at for entered, at in self.history if entered is state), None)

    # -- its documents -------------------------------------------------------

    def document_id(self, place: int) -> str:
        """Id of the document at `place` (0 for the first valid line): a ULID of the batch's
        time, ordered as in the file."""
        milliseconds = int(self.created_at.timestamp() * 1000)
        chance = int.from_bytes(self._derive("id", place)[:8], "big") >> 1
        return base32(milliseconds << 80 | place << 63 | chance)

    def document_ids(self, chunk: int) -> list[str]:
        """Ids of all documents of a chunk, in order."""
        return [self.document_id(place) for place in self.places(chunk)]

    def places(self, chunk: int) -> range:
        return range(chunk * CHUNK, min((chunk + 1) * CHUNK, self.numbered))

    def document(self, place: int, line: CheckedLine) -> Document:
        """The accepted document that a valid line asks for; every time the same."""
        return Document(
            document_id=self.document_id(place),
            agency_id=self.agency_id,
            document_type=self.document_type,
            type_version=self.type_version,
            book=self.book,
            content=line.content,
            content_digest=content_digest(
                agency_id=self.agency_id,
                document_type=self.document_type,
                type_version=self.type_version,
                content=line.content,
                valid_from=line.valid_from,
                valid_until=line.valid_until,
            ),
            salt=self._derive("salt", place).hex(),
            recipients=line.recipients,
            classification=line.classification,
            urgency=line.urgency,
            valid_from=line.valid_from,
            valid_until=line.valid_until,
            retention_years=line.retention_years,
            verification_code=base32(int.from_bytes(self._derive("code", place)[:17], "big")),
            submitted_at=self.created_at,
            submitted_by=self.submitted_by,
            state=DocumentState.ACCEPTED,
            history=(Change(DocumentState.ACCEPTED, self.created_at),),
            batch=BatchLine(self.batch_id, line.number),
        )

    def _derive(self, purpose: str, place: int) -> bytes:
        return hmac.digest(self.secret, f"{purpose}\n{place}".encode(), sha256)

    # -- changes -------------------------------------------------------------

    def changed(self, **changes: Any) -> Batch:
        """The next revision."""
        return replace(self, revision=self.revision + 1, **changes)

    def entering(self, state: BatchState, at: datetime, **changes: Any) -> Batch:
        """The next revision, in another state. What has ended is due for nothing."""
        if state.ended:
            changes = {"due_at": None, "paused": False, **changes}
        return self.changed(state=state, history=(*self.history, (state, at)), looks=0, **changes)

    def holding(self, hold: Hold, register: Register, letter_prefix: str | None) -> Batch:
        """As it is once it has the register."""
        return self.changed(hold=hold, year=register.year, letter_prefix=letter_prefix)

    def let_go(self, numbered: int, at: datetime, **changes: Any) -> Batch:
        """As it is once its numbers are given and the register is free again."""
        return self.entering(BatchState.ISSUING, at, numbered=numbered, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLine:
    """A valid line as kept until it is numbered: all that becomes of it, whatever happens to
    the uploaded file or the document type meanwhile."""

    number: int
    content: Mapping[str, Any]
    recipients: tuple[str, ...]
    classification: Classification
    urgency: Urgency
    valid_from: date | None
    valid_until: date | None
    retention_years: int
    subject: str
    counterpart: str

    def to_json(self) -> dict[str, Any]:
        return {
            "line": self.number,
            "content": self.content,
            "recipients": list(self.recipients),
            "classification": self.classification.value,
            "urgency": self.urgency.value,
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
            "valid_until": self.valid_until.isoformat() if self.valid_until else None,
            "retention_years": self.retention_years,
            "subject": self.subject,
            "counterpart": self.counterpart,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(
            number=kept["line"],
            content=kept["content"],
            recipients=tuple(kept["recipients"]),
            classification=Classification(kept["classification"]),
            urgency=Urgency(kept["urgency"]),
            valid_from=date.fromisoformat(kept["valid_from"]) if kept["valid_from"] else None,
            valid_until=date.fromisoformat(kept["valid_until"]) if kept["valid_until"] else None,
            retention_years=kept["retention_years"],
            subject=kept["subject"],
            counterpart=kept["counterpart"],
        )


def spell_lines(lines: Sequence[CheckedLine]) -> bytes:
    """A segment's bytes: one JSON object a line."""
    spelled = (
        json.dumps(line.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        for line in lines
    )
    return "".join(f"{text}\n" for text in spelled).encode()


def kept_lines(kept: bytes) -> Iterator[CheckedLine]:
    for text in kept.splitlines():
        yield CheckedLine.from_json(json.loads(text))


def segment_at(batch: Batch, place: int) -> tuple[int, int]:
    """Which segment holds the document at `place`, and the place of its first one."""
    first = 0
    for index, segment in enumerate(batch.checked.segments):
        if place < first + segment.valid:
            return index, first
        first += segment.valid
    raise ValueError("the batch has no document at this place")


def numbers_given(batch: Batch, head: Head) -> int:
    """How many of the batch's documents have their numbers, by the head of its register."""
    if head.hold is not None and head.hold.batch == str(batch.ref):
        return head.last_number - head.hold.after
    return batch.numbered


def counter_of(chunk: int) -> int:
    """Where a finished chunk is counted: neighbours, which end together, at different places."""
    return chunk % COUNTERS


@dataclass(frozen=True, slots=True)
class Progress:
    """What the finished chunks came to."""

    chunks: int = 0
    issued: int = 0
    void: int = 0


def demand_state(batch: Batch, *allowed: BatchState) -> None:
    """Raises BatchMovedError unless the batch is in one of these states."""
    if batch.state not in allowed:
        raise BatchMovedError(
            f"The batch is {batch.state.value} by now; this cannot be done with it any more.",
            f"ชุดเอกสารอยู่ในสถานะ {batch.state.value} แล้ว จึงทำรายการนี้ไม่ได้",
        )


def body_of(line: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A body of POST /v1/documents: what the line says over what all lines share. `content` and
    the objects in it are laid over each other field by field, anything else stands as a whole."""
    body = {**defaults, **line}
    if "content" in defaults and "content" in line:
        body["content"] = _laid_over(defaults["content"], line["content"])
    return body


def _laid_over(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    both = below.keys() & above.keys()
    return {**below, **above, **{name: _laid_over(below[name], above[name]) for name in both}}
