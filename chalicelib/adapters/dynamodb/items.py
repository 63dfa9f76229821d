"""The items as they lie in the tables, and their translation to the domain.

Times are ISO 8601 UTC with six decimals, so that text order is time order.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar

from pynamodb.attributes import (
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from chalicelib.domain.documents import (
    ArchivedFile,
    Change,
    Classification,
    Document,
    DocumentState,
    Reason,
    Urgency,
)
from chalicelib.domain.registers import Book, Entry, EntryState, Numbering, Register
from chalicelib.domain.retention import LockMode

if TYPE_CHECKING:
    from collections.abc import Iterable

_M = TypeVar("_M", bound=Model)

# Sweep looks for unsettled documents in a sparse index; several shards keep one
# partition from carrying every write of the platform (1,000 writes/s each).
UNSETTLED_SHARDS = 8

# Settings name tables at run time; pynamodb wants a name in the class body.
_UNBOUND = "unbound"


def bind(model: type[_M], table_name: str) -> type[_M]:
    """The model, bound to the table of this deployment."""
    meta = type("Meta", (), {"table_name": table_name})
    return type(model.__name__, (model,), {"Meta": meta})


def to_text(instant: datetime) -> str:
    """`2026-11-21T06:50:00.000000Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


class NumberingMap(MapAttribute[str, object]):
    year = NumberAttribute()
    number = NumberAttribute()
    printed = UnicodeAttribute()
    numbered_at = UnicodeAttribute()

    @classmethod
    def of(cls, numbering: Numbering) -> NumberingMap:
        return cls(
            year=numbering.year,
            number=numbering.number,
            printed=numbering.printed,
            numbered_at=to_text(numbering.numbered_at),
        )

    def to_domain(self) -> Numbering:
        return Numbering(
            year=int(self.year),
            number=int(self.number),
            printed=self.printed,
            numbered_at=to_instant(self.numbered_at),
        )


class FileMap(MapAttribute[str, object]):
    key = UnicodeAttribute()
    version_id = UnicodeAttribute()
    sha256 = UnicodeAttribute()
    size = NumberAttribute()
    lock_mode = UnicodeAttribute()
    retain_until = UnicodeAttribute()

    @classmethod
    def of(cls, file: ArchivedFile) -> FileMap:
        return cls(
            key=file.key,
            version_id=file.version_id,
            sha256=file.sha256,
            size=file.size,
            lock_mode=file.lock_mode.value,
            retain_until=to_text(file.retain_until),
        )

    def to_domain(self) -> ArchivedFile:
        return ArchivedFile(
            key=self.key,
            version_id=self.version_id,
            sha256=self.sha256,
            size=int(self.size),
            lock_mode=LockMode(self.lock_mode),
            retain_until=to_instant(self.retain_until),
        )


class ReasonMap(MapAttribute[str, object]):
    code = UnicodeAttribute()
    detail = UnicodeAttribute()
    detail_th = UnicodeAttribute()

    @classmethod
    def of(cls, reason: Reason) -> ReasonMap:
        return cls(code=reason.code, detail=reason.detail, detail_th=reason.detail_th)

    def to_domain(self) -> Reason:
        return Reason(self.code, self.detail, self.detail_th)


class ChangeMap(MapAttribute[str, object]):
    state = UnicodeAttribute()
    at = UnicodeAttribute()

    @classmethod
    def of(cls, change: Change) -> ChangeMap:
        return cls(state=change.state.value, at=to_text(change.at))

    def to_domain(self) -> Change:
        return Change(DocumentState(self.state), to_instant(self.at))


class ByAgency(GlobalSecondaryIndex["DocumentItem"]):
    class Meta:
        index_name = "by_agency"
        projection = AllProjection()

    agency_id = UnicodeAttribute(hash_key=True)
    submitted_key = UnicodeAttribute(range_key=True)


class UnsettledIndex(GlobalSecondaryIndex["DocumentItem"]):
    class Meta:
        index_name = "unsettled"
        projection = IncludeProjection(["document_id", "state", "book_group", "sweeps"])

    unsettled_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class DocumentItem(Model):
    """`pk` = `DOC#<document_id>`. In `unsettled` only while work is left."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    document_id = UnicodeAttribute()
    agency_id = UnicodeAttribute()
    document_type = UnicodeAttribute()
    type_version = NumberAttribute()
    book = UnicodeAttribute()
    book_group = UnicodeAttribute()
    content = UnicodeAttribute()
    content_digest = UnicodeAttribute()
    recipients: ListAttribute[str] = ListAttribute(of=UnicodeAttribute)  # type: ignore[arg-type]  # pynamodb types `of` by the value
    classification = UnicodeAttribute()
    urgency = UnicodeAttribute()
    valid_from = UnicodeAttribute(null=True)
    valid_until = UnicodeAttribute(null=True)
    retention_years = NumberAttribute()
    verification_code = UnicodeAttribute()
    submitted_at = UnicodeAttribute()
    submitted_by = UnicodeAttribute()
    submitted_key = UnicodeAttribute()
    search_text = UnicodeAttribute()
    state = UnicodeAttribute()
    history: ListAttribute[ChangeMap] = ListAttribute(of=ChangeMap)
    numbering = NumberingMap(null=True)
    file = FileMap(null=True)
    reason = ReasonMap(null=True)
    evidence = UnicodeAttribute(null=True)
    notified = UnicodeSetAttribute(null=True)
    unsettled_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    sweeps = NumberAttribute(default=0)

    by_agency = ByAgency()
    unsettled = UnsettledIndex()

    @staticmethod
    def key(document_id: str) -> str:
        return f"DOC#{document_id}"

    @classmethod
    def of(cls, document: Document, *, due_at: datetime) -> DocumentItem:
        """A document as first stored (state accepted)."""
        return cls(
            pk=cls.key(document.document_id),
            document_id=document.document_id,
            agency_id=document.agency_id,
            document_type=document.document_type,
            type_version=document.type_version,
            book=document.book.name,
            book_group=document.book.group,
            content=json.dumps(document.content, ensure_ascii=False, separators=(",", ":")),
            content_digest=document.content_digest,
            recipients=list(document.recipients),
            classification=document.classification.value,
            urgency=document.urgency.value,
            valid_from=_day_text(document.valid_from),
            valid_until=_day_text(document.valid_until),
            retention_years=document.retention_years,
            verification_code=document.verification_code,
            submitted_at=to_text(document.submitted_at),
            submitted_by=document.submitted_by,
            submitted_key=submitted_key(document.submitted_at, document.document_id),
            search_text=_search_text(document),
            state=document.state.value,
            history=[ChangeMap.of(change) for change in document.history],
            unsettled_shard=_shard(document.document_id),
            due_at=to_text(due_at),
        )

    def to_domain(self) -> Document:
        return Document(
            document_id=self.document_id,
            agency_id=self.agency_id,
            document_type=self.document_type,
            type_version=int(self.type_version),
            book=Book(self.agency_id, self.book),
            content=json.loads(self.content),
            content_digest=self.content_digest,
            recipients=tuple(self.recipients),
            classification=Classification(self.classification),
            urgency=Urgency(self.urgency),
            valid_from=_day(self.valid_from),
            valid_until=_day(self.valid_until),
            retention_years=int(self.retention_years),
            verification_code=self.verification_code,
            submitted_at=to_instant(self.submitted_at),
            submitted_by=self.submitted_by,
            state=DocumentState(self.state),
            history=tuple(change.to_domain() for change in self.history),
            numbering=self.numbering.to_domain() if self.numbering else None,
            file=self.file.to_domain() if self.file else None,
            reason=self.reason.to_domain() if self.reason else None,
            evidence=self.evidence,
            notified=frozenset(self.notified or ()),
        )


class CodeItem(Model):
    """`pk` = `CODE#<verification code>`: leads the QR code to its document."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    document_id = UnicodeAttribute()

    @staticmethod
    def key(code: str) -> str:
        return f"CODE#{code}"


class IdempotencyItem(Model):
    """`pk` = `KEY#<agency>#<SHA-256 of the key>`: what an Idempotency-Key made.

    Kept as long as the document: a repeat after years still makes no second one.
    """

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    document_id = UnicodeAttribute()
    request_digest = UnicodeAttribute()


class HeadItem(Model):
    """The last number given in a register: `line` = `#HEAD`, before all entries."""

    class Meta:
        table_name = _UNBOUND

    LINE = "#HEAD"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    last_number = NumberAttribute()


class EntryItem(Model):
    """One line of a register: `line` = `N#` and the number in ten digits."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    number = NumberAttribute()
    document_id = UnicodeAttribute()
    document_type = UnicodeAttribute()
    content_digest = UnicodeAttribute()
    numbered_at = UnicodeAttribute()
    state = UnicodeAttribute()
    file_digest = UnicodeAttribute(null=True)
    ended_at = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)

    @staticmethod
    def line_of(number: int) -> str:
        return f"N#{number:010d}"

    @classmethod
    def of(cls, entry: Entry) -> EntryItem:
        return cls(
            register_id=entry.register.register_id,
            line=cls.line_of(entry.number),
            number=entry.number,
            document_id=entry.document_id,
            document_type=entry.document_type,
            content_digest=entry.content_digest,
            numbered_at=to_text(entry.numbered_at),
            state=entry.state.value,
        )

    def to_domain(self, register: Register) -> Entry:
        return Entry(
            register=register,
            number=int(self.number),
            document_id=self.document_id,
            document_type=self.document_type,
            content_digest=self.content_digest,
            numbered_at=to_instant(self.numbered_at),
            state=EntryState(self.state),
            file_digest=self.file_digest,
            ended_at=to_instant(self.ended_at) if self.ended_at else None,
            reason=self.reason,
        )


class DirectoryItem(Model):
    """`pk`/`sk` = `AGENCY`/`<agency id>` or `TRUST`/`ANCHORS`; `body` is JSON."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()


def submitted_key(instant: datetime, document_id: str) -> str:
    return f"{to_text(instant)}#{document_id}"


def shards() -> Iterable[str]:
    return (str(shard) for shard in range(UNSETTLED_SHARDS))


def _shard(document_id: str) -> str:
    # Document ids end in random characters.
    return str(sum(document_id[-4:].encode()) % UNSETTLED_SHARDS)


def _search_text(document: Document) -> str:
    """What `q` looks in: every text of the content, lower case (A2). Stays in this table."""
    texts: list[str] = []
    _gather(document.content, texts)
    return "\n".join(texts).lower()


def _gather(value: object, texts: list[str]) -> None:
    match value:
        case str():
            texts.append(value)
        case dict():
            for member in value.values():
                _gather(member, texts)
        case list():
            for member in value:
                _gather(member, texts)


def _day_text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
