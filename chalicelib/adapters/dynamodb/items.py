"""The items as they lie in the tables, and their translation to the domain.

Times are ISO 8601 UTC with six decimals, so that text order is time order.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.approval_items import case_of_json, case_to_json
from chalicelib.adapters.dynamodb.connecting import connect_quickly
from chalicelib.adapters.sealed_parts import NoVault, Parts
from chalicelib.domain.documents import (
    ArchivedFile,
    BatchLine,
    Change,
    Classification,
    Document,
    DocumentState,
    Reason,
    Stored,
    Urgency,
    Waiting,
)
from chalicelib.domain.merkle import EMPTY_HEAD, TreeHead
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import (
    Book,
    Entry,
    EntryState,
    Head,
    Hold,
    LogName,
    Numbering,
    NumberWish,
    PendingOutcome,
    Register,
    Reserve,
    WishKind,
)
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.standing import Mark, ReasonCode, Replacement, Ruling, RulingKind
from chalicelib.domain.status_list import Marked
from chalicelib.domain.tlog import Outcome, SubjectKind
from chalicelib.ports import IdempotencyClaim, LogState, Vault

if TYPE_CHECKING:
    from collections.abc import Iterable

_M = TypeVar("_M", bound=Model)

# Sweep looks for unsettled documents in a sparse index; several shards keep one
# partition from carrying every write of the platform (1,000 writes/s each).
UNSETTLED_SHARDS = 8
_ASLEEP = "asleep-"
_AWAITING = "awaiting-"

WAITING = "waiting"
"""The part of a document that says what it waits for, as the vault knows it."""

# Bytes in Base64 (RFC 4648), a photograph say: no person writes that many letters and digits
# without anything between them.
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{256,}={0,2}")

_ZLIB = b"\x78"
"""How compressed JSON begins, and no envelope of the vault."""

# Settings name tables at run time; pynamodb wants a name in the class body.
_UNBOUND = "unbound"


def bind(model: type[_M], table_name: str) -> type[_M]:
    """The model, bound to the table of this deployment."""
    meta = type("Meta", (), {"table_name": table_name})
    bound = type(model.__name__, (model,), {"Meta": meta})
    connect_quickly(bound)
    return bound


def to_text(instant: datetime) -> str:
    """`2026-11-21T06:50:00.000000Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


class SmallJsonAttribute(Attribute[Mapping[str, Any]]):
    """A JSON object, compressed (RFC 1950): of Thai text less than half is left, and DynamoDB
    bills every kilobyte of an item at each of its writes (docs/adr/0033)."""

    attr_type = BINARY

    def serialize(self, value: Mapping[str, Any]) -> bytes:
        return _small(value)

    def deserialize(self, value: bytes) -> Mapping[str, Any]:
        return _grown(value)


class SealableJsonAttribute(Attribute["Mapping[str, Any] | bytes"]):
    """The same, or what is encrypted in its place (`adapters/sealed_parts.py`)."""

    attr_type = BINARY

    def serialize(self, value: Mapping[str, Any] | bytes) -> bytes:
        return value if isinstance(value, bytes) else _small(value)

    def deserialize(self, value: bytes) -> Mapping[str, Any] | bytes:
        return _grown(value) if value[:1] == _ZLIB else value


def _small(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def _grown(value: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(zlib.decompress(value))
    return found


class NumberingMap(MapAttribute[str, object]):
    year = NumberAttribute()
    number = NumberAttribute()
    child = NumberAttribute(default=0)
    printed = UnicodeAttribute()
    numbered_at = UnicodeAttribute()
    dated = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, numbering: Numbering) -> NumberingMap:
        return cls(
            year=numbering.year,
            number=numbering.number,
            child=numbering.child,
            printed=numbering.printed,
            numbered_at=to_text(numbering.numbered_at),
            dated=to_text(numbering.dated) if numbering.dated else None,
        )

    def to_domain(self) -> Numbering:
        return Numbering(
            year=int(self.year),
            number=int(self.number),
            child=int(self.child),
            printed=self.printed,
            numbered_at=to_instant(self.numbered_at),
            dated=to_instant(self.dated) if self.dated else None,
        )


class WishMap(MapAttribute[str, object]):
    kind = UnicodeAttribute()
    year = NumberAttribute()
    number = NumberAttribute()

    @classmethod
    def of(cls, wish: NumberWish) -> WishMap:
        return cls(kind=wish.kind.value, year=wish.year, number=wish.number)

    def to_domain(self) -> NumberWish:
        return NumberWish(WishKind(self.kind), int(self.year), int(self.number))


class FileMap(MapAttribute[str, object]):
    key = UnicodeAttribute()
    version_id = UnicodeAttribute()
    sha256 = UnicodeAttribute()
    size = NumberAttribute()
    lock_mode = UnicodeAttribute()
    retain_until = UnicodeAttribute()
    seal_level = UnicodeAttribute(null=True)
    proof_until = UnicodeAttribute(null=True)
    stored_sha256 = UnicodeAttribute(null=True)
    stored_size = NumberAttribute(null=True)

    @classmethod
    def of(cls, file: ArchivedFile) -> FileMap:
        return cls(
            key=file.key,
            version_id=file.version_id,
            sha256=file.sha256,
            size=file.size,
            lock_mode=file.lock_mode.value,
            retain_until=to_text(file.retain_until),
            seal_level=file.seal_level.value if file.seal_level else None,
            proof_until=to_text(file.proof_until) if file.proof_until else None,
            stored_sha256=file.stored.sha256 if file.stored else None,
            stored_size=file.stored.size if file.stored else None,
        )

    def to_domain(self) -> ArchivedFile:
        return ArchivedFile(
            key=self.key,
            version_id=self.version_id,
            sha256=self.sha256,
            size=int(self.size),
            lock_mode=LockMode(self.lock_mode),
            retain_until=to_instant(self.retain_until),
            seal_level=SealLevel(self.seal_level) if self.seal_level else None,
            proof_until=to_instant(self.proof_until) if self.proof_until else None,
            stored=Stored(self.stored_sha256, int(self.stored_size))
            if self.stored_sha256
            else None,
        )


class ReasonMap(MapAttribute[str, object]):
    code = UnicodeAttribute()
    detail = UnicodeAttribute()
    detail_th = UnicodeAttribute()

    @classmethod
    def of(cls, reason: Reason, parts: Parts, purpose: str = "reason") -> ReasonMap:
        """What went wrong may quote the document."""
        detail, detail_th = parts.keep_texts(purpose, reason.detail, reason.detail_th)
        return cls(code=reason.code, detail=detail, detail_th=detail_th)

    def to_domain(self, parts: Parts, purpose: str = "reason") -> Reason:
        return Reason(self.code, *parts.read_texts(purpose, self.detail, self.detail_th))


class ChangeMap(MapAttribute[str, object]):
    state = UnicodeAttribute()
    at = UnicodeAttribute()

    @classmethod
    def of(cls, change: Change) -> ChangeMap:
        return cls(state=change.state.value, at=to_text(change.at))

    def to_domain(self) -> Change:
        return Change(DocumentState(self.state), to_instant(self.at))


class RulingMap(MapAttribute[str, object]):
    kind = UnicodeAttribute()
    reason_code = UnicodeAttribute()
    reason = UnicodeAttribute()
    by = UnicodeAttribute()
    agency_id = UnicodeAttribute()
    decided_at = UnicodeAttribute()
    effective_at = UnicodeAttribute()
    replaced_by_id = UnicodeAttribute(null=True)
    replaced_by = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, ruling: Ruling, parts: Parts) -> RulingMap:
        by = ruling.replaced_by
        (reason,) = parts.keep_texts(f"ruling {ruling.number}", ruling.reason)
        return cls(
            kind=ruling.kind.value,
            reason_code=ruling.reason_code.value,
            reason=reason,
            by=ruling.by,
            agency_id=ruling.agency_id,
            decided_at=to_text(ruling.decided_at),
            effective_at=to_text(ruling.effective_at),
            replaced_by_id=by.document_id if by else None,
            replaced_by=by.printed_number if by else None,
        )

    def to_domain(self, number: int, parts: Parts) -> Ruling:
        (reason,) = parts.read_texts(f"ruling {number}", self.reason)
        by = Replacement(self.replaced_by_id, self.replaced_by) if self.replaced_by_id else None
        return Ruling(
            number=number,
            kind=RulingKind(self.kind),
            reason_code=ReasonCode(self.reason_code),
            reason=reason,
            by=self.by,
            agency_id=self.agency_id,
            decided_at=to_instant(self.decided_at),
            effective_at=to_instant(self.effective_at),
            replaced_by=by,
        )


class MarkMap(MapAttribute[str, object]):
    kind = UnicodeAttribute()
    reason_code = UnicodeAttribute()
    decided_at = UnicodeAttribute()
    effective_at = UnicodeAttribute()
    replaced_by = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, mark: Mark) -> MarkMap:
        return cls(
            kind=mark.kind.value,
            reason_code=mark.reason_code.value,
            decided_at=to_text(mark.decided_at),
            effective_at=to_text(mark.effective_at),
            replaced_by=mark.replaced_by,
        )

    def to_domain(self, number: int) -> Mark:
        return Mark(
            number=number,
            kind=RulingKind(self.kind),
            reason_code=ReasonCode(self.reason_code),
            decided_at=to_instant(self.decided_at),
            effective_at=to_instant(self.effective_at),
            replaced_by=self.replaced_by,
        )


class ByAgency(GlobalSecondaryIndex["DocumentItem"]):
    class Meta:
        index_name = "by_agency"
        projection = IncludeProjection(
            ["document_type", "state", "search_text", "classification", "named"]
        )

    agency_id = UnicodeAttribute(hash_key=True)
    submitted_key = UnicodeAttribute(range_key=True)


class UnsettledIndex(GlobalSecondaryIndex["DocumentItem"]):
    class Meta:
        index_name = "unsettled"
        projection = IncludeProjection(
            ["document_id", "state", "book_group", "sweeps", "submitted_at"]
        )

    unsettled_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class AwaitingIndex(GlobalSecondaryIndex["DocumentItem"]):
    class Meta:
        index_name = "awaiting"
        projection = IncludeProjection(["document_type", "classification", "named"])

    approving_agency = UnicodeAttribute(hash_key=True)
    awaiting_key = UnicodeAttribute(range_key=True)


class DocumentItem(Model):
    """`pk` = `DOC#<document_id>`. In `unsettled` only while work is left, and, in shards of
    their own, documents that await officers, and those whose recipients will have to be told that
    they expired. `ruled` is
    the number of rulings. In `awaiting` only while officers have to decide; `decisions` is how
    many did, and `approved_digest` what enough of them approved.

    Of a classified document `content`, the case and all texts of reasons lie encrypted, each for
    its place in this item; `search_text` holds its number and nothing else."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    document_id = UnicodeAttribute()
    agency_id = UnicodeAttribute()
    document_type = UnicodeAttribute()
    type_version = NumberAttribute()
    book = UnicodeAttribute()
    book_group = UnicodeAttribute()
    content = SealableJsonAttribute()
    content_digest = UnicodeAttribute()
    salt = UnicodeAttribute()
    recipients: ListAttribute[str] = ListAttribute(of=UnicodeAttribute)  # type: ignore[arg-type]  # pynamodb types `of` by the value
    classification = UnicodeAttribute()
    named = UnicodeSetAttribute(null=True)
    urgency = UnicodeAttribute()
    valid_from = UnicodeAttribute(null=True)
    valid_until = UnicodeAttribute(null=True)
    retention_years = NumberAttribute()
    wish = WishMap(null=True)
    run: ListAttribute[str] = ListAttribute(of=UnicodeAttribute, null=True)  # type: ignore[arg-type]  # pynamodb types `of` by the value
    batch_id = UnicodeAttribute(null=True)
    batch_line = NumberAttribute(null=True)
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
    waits_for = ReasonMap(null=True)
    waiting_since = UnicodeAttribute(null=True)
    evidence = UnicodeAttribute(null=True)
    notified = UnicodeSetAttribute(null=True)
    supersedes = UnicodeAttribute(null=True)
    act_within = UnicodeAttribute(null=True)
    rulings: ListAttribute[RulingMap] = ListAttribute(of=RulingMap, null=True)
    ruled = NumberAttribute(null=True)
    evidences: MapAttribute[str, str] = MapAttribute(default=dict)
    approval = SealableJsonAttribute(null=True)
    decisions = NumberAttribute(null=True)
    approved_digest = UnicodeAttribute(null=True)
    approving_agency = UnicodeAttribute(null=True)
    awaiting_key = UnicodeAttribute(null=True)
    unsettled_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    sweeps = NumberAttribute(default=0)

    by_agency = ByAgency()
    unsettled = UnsettledIndex()
    awaiting = AwaitingIndex()

    @staticmethod
    def key(document_id: str) -> str:
        return f"DOC#{document_id}"

    @classmethod
    def of(cls, document: Document, *, due_at: datetime, vault: Vault) -> DocumentItem:
        """A document as first stored (state accepted, or awaiting approval)."""
        case, parts = document.approval, parts_of(document, vault)
        return cls(
            pk=cls.key(document.document_id),
            document_id=document.document_id,
            agency_id=document.agency_id,
            document_type=document.document_type,
            type_version=document.type_version,
            book=document.book.name,
            book_group=document.book.group,
            content=parts.keep_json("content", document.content),
            content_digest=document.content_digest,
            salt=document.salt,
            recipients=list(document.recipients),
            classification=document.classification.value,
            named={named_text(officer) for officer in document.named} or None,
            urgency=document.urgency.value,
            valid_from=_day_text(document.valid_from),
            valid_until=_day_text(document.valid_until),
            retention_years=document.retention_years,
            wish=WishMap.of(document.wish) if document.wish else None,
            run=list(document.run) or None,
            batch_id=document.batch.batch_id if document.batch else None,
            batch_line=document.batch.line if document.batch else None,
            verification_code=document.verification_code,
            submitted_at=to_text(document.submitted_at),
            submitted_by=document.submitted_by,
            submitted_key=timed_key(document.submitted_at, document.document_id),
            search_text=search_text_of(document),
            state=document.state.value,
            history=[ChangeMap.of(change) for change in document.history],
            supersedes=document.supersedes,
            act_within=to_text(document.act_within) if document.act_within else None,
            approval=parts.keep_json("approval", case_to_json(case)) if case else None,
            decisions=len(case.decisions) if case else None,
            approving_agency=document.decided_by if document.awaits_approval else None,
            awaiting_key=timed_key(case.opened_at, document.document_id)
            if case and document.awaits_approval
            else None,
            unsettled_shard=_first_shard_of(document),
            due_at=to_text(due_at),
        )

    @classmethod
    def of_numbered(cls, document: Document) -> DocumentItem:
        """A document of a batch as first stored (state numbered). Not in `unsettled`: until it
        ends its batch is watched."""
        item = cls.of(document, due_at=document.submitted_at, vault=NoVault())
        if document.numbering is None or not document.is_approved:
            raise ValueError("the document has no number, or must not have one")
        item.numbering = NumberingMap.of(document.numbering)
        item.unsettled_shard = item.due_at = None
        return item

    def to_domain(self, vault: Vault) -> Document:
        """Its content is opened when somebody looks into it, the rest, which is rare, at once.
        Raises SecretUnreadableError, UnavailableError."""
        classification = Classification(self.classification)
        parts = Parts(vault, self.document_id, self.agency_id, classification)
        return Document(
            document_id=self.document_id,
            agency_id=self.agency_id,
            document_type=self.document_type,
            type_version=int(self.type_version),
            book=Book(self.agency_id, self.book),
            content=parts.read_json("content", self.content),
            content_digest=self.content_digest,
            salt=self.salt,
            recipients=tuple(self.recipients),
            classification=classification,
            named=frozenset(officer_of(text) for text in self.named or ()),
            urgency=Urgency(self.urgency),
            valid_from=_day(self.valid_from),
            valid_until=_day(self.valid_until),
            retention_years=int(self.retention_years),
            wish=self.wish.to_domain() if self.wish else None,
            run=tuple(self.run or ()),
            batch=BatchLine(self.batch_id, int(self.batch_line)) if self.batch_id else None,
            verification_code=self.verification_code,
            submitted_at=to_instant(self.submitted_at),
            submitted_by=self.submitted_by,
            state=DocumentState(self.state),
            history=tuple(change.to_domain() for change in self.history),
            numbering=self.numbering.to_domain() if self.numbering else None,
            file=self.file.to_domain() if self.file else None,
            reason=self.reason.to_domain(parts) if self.reason else None,
            waiting=self._waiting(parts),
            evidence=self.evidence,
            notified=frozenset(self.notified or ()),
            supersedes=self.supersedes,
            act_within=to_instant(self.act_within) if self.act_within else None,
            rulings=tuple(r.to_domain(n, parts) for n, r in enumerate(self.rulings or (), 1)),
            evidences=dict(self.evidences.as_dict()) if self.evidences else {},
            approval=case_of_json(parts.read_json("approval", self.approval))
            if self.approval
            else None,
        )

    def _waiting(self, parts: Parts) -> Waiting | None:
        """What was noted stays in the item; it says something only of a numbered document."""
        numbered = self.state == DocumentState.NUMBERED.value
        if not (numbered and self.waits_for and self.waiting_since):
            return None
        return Waiting(self.waits_for.to_domain(parts, WAITING), to_instant(self.waiting_since))


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
    """`pk` = `KEY#<agency>#<SHA-256 of the key>`: what an Idempotency-Key made: a document, or
    the `ruling` of that number on it.

    Kept as long as the document: a repeat after years still makes no second one.
    """

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    document_id = UnicodeAttribute()
    request_digest = UnicodeAttribute()
    ruling = NumberAttribute(null=True)

    @staticmethod
    def key(claim: IdempotencyClaim) -> str:
        # Hashed: clients put customer numbers into keys, and keys appear in traces.
        digest = hashlib.sha256(claim.key.encode()).hexdigest()
        return f"KEY#{claim.agency_id}#{digest}"


class ReserveMap(MapAttribute[str, object]):
    reservation_id = UnicodeAttribute()
    owner = UnicodeAttribute()
    reason = UnicodeAttribute()
    expires_at = UnicodeAttribute()

    @classmethod
    def of(cls, reserve: Reserve) -> ReserveMap:
        return cls(
            reservation_id=reserve.reservation_id,
            owner=reserve.owner,
            reason=reserve.reason,
            expires_at=to_text(reserve.expires_at),
        )

    def to_domain(self) -> Reserve:
        return Reserve(
            reservation_id=self.reservation_id,
            owner=self.owner,
            reason=self.reason,
            expires_at=to_instant(self.expires_at),
        )


class HeadItem(Model):
    """How far a register is: `line` = `#HEAD`, before all entries."""

    class Meta:
        table_name = _UNBOUND

    LINE = "#HEAD"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    last_number = NumberAttribute()
    last_at = UnicodeAttribute()
    closing = BooleanAttribute(null=True)
    statement = UnicodeAttribute(null=True)
    held_by = UnicodeAttribute(null=True)
    held_after = NumberAttribute(null=True)
    held_at = UnicodeAttribute(null=True)

    def to_domain(self) -> Head:
        return Head(
            int(self.last_number),
            to_instant(self.last_at),
            closing=bool(self.closing),
            statement=self.statement,
            hold=Hold(self.held_by, int(self.held_after), to_instant(self.held_at))
            if self.held_by
            else None,
        )


class BegunItem(Model):
    """A register that was begun: `register_id` = `#REGISTERS`, `line` = its id."""

    class Meta:
        table_name = _UNBOUND

    PARTITION = "#REGISTERS"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)

    def to_domain(self) -> Register:
        agency_id, book, year = self.line.split("/")
        return Register(agency_id, book, int(year))


class ExpiringIndex(GlobalSecondaryIndex["EntryItem"]):
    class Meta:
        index_name = "expiring"
        projection = AllProjection()

    expiring = UnicodeAttribute(hash_key=True)
    expires_at = UnicodeAttribute(range_key=True)


class EntryItem(Model):
    """One line of a register: `line` = `N#` and the number in ten digits, and for an
    inserted one `/` and its place in four. In `expiring` only while reserved."""

    class Meta:
        table_name = _UNBOUND

    EXPIRING = "reserved"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    number = NumberAttribute()
    child = NumberAttribute(default=0)
    subject_kind = UnicodeAttribute()
    subject_id = UnicodeAttribute()
    commitment = UnicodeAttribute()
    document_type = UnicodeAttribute()
    numbered_at = UnicodeAttribute()
    document_id = UnicodeAttribute(null=True)
    content_digest = UnicodeAttribute(null=True)
    subject = UnicodeAttribute(null=True)
    counterpart = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    reserve = ReserveMap(null=True)
    children = NumberAttribute(default=0)
    file_digest = UnicodeAttribute(null=True)
    ended_at = UnicodeAttribute(null=True)
    ended_by = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    delivery_id = UnicodeAttribute(null=True)
    letter_number = UnicodeAttribute(null=True)
    letter_date = UnicodeAttribute(null=True)
    classification = UnicodeAttribute(null=True)
    sealed = BinaryAttribute(legacy_encoding=False, null=True)
    marks: ListAttribute[MarkMap] = ListAttribute(of=MarkMap, null=True)
    ruled = NumberAttribute(null=True)
    expiring = UnicodeAttribute(null=True)
    expires_at = UnicodeAttribute(null=True)

    by_expiry = ExpiringIndex()

    @staticmethod
    def line_of(number: int, child: int = 0) -> str:
        return f"N#{number:010d}/{child:04d}" if child else f"N#{number:010d}"

    @classmethod
    def of(cls, entry: Entry) -> EntryItem:
        """An entry as first written; of a classified one as it may lie here (`sealed_entry`)."""
        reserve = entry.reserve
        if entry.is_classified and entry.sealed is None:
            raise ValueError("a classified line lies encrypted")
        return cls(
            register_id=entry.register.register_id,
            line=cls.line_of(*entry.position),
            number=entry.number,
            child=entry.child,
            subject_kind=entry.subject_kind.value,
            subject_id=entry.subject_id,
            commitment=entry.commitment,
            document_type=entry.document_type,
            numbered_at=to_text(entry.numbered_at),
            document_id=entry.document_id,
            content_digest=entry.content_digest,
            subject=entry.subject or None,
            counterpart=entry.counterpart or None,
            state=entry.state.value,
            reserve=ReserveMap.of(reserve) if reserve else None,
            file_digest=entry.file_digest,
            ended_at=to_text(entry.ended_at) if entry.ended_at else None,
            ended_by=entry.ended_by,
            delivery_id=entry.delivery_id,
            letter_number=entry.letter_number or None,
            letter_date=_day_text(entry.letter_date),
            classification=entry.classification.value if entry.is_classified else None,
            sealed=entry.sealed,
            expiring=cls.EXPIRING if reserve else None,
            expires_at=to_text(reserve.expires_at) if reserve else None,
        )

    def to_domain(self, register: Register) -> Entry:
        """A classified line has no texts until it is opened, whatever stands in the item; one whose
        encrypted texts are gone has some that do not open, and never none."""
        classification = self._classification(register)
        secret = classification is not Classification.NORMAL
        return Entry(
            register=register,
            number=int(self.number),
            child=int(self.child),
            subject_kind=SubjectKind(self.subject_kind),
            subject_id=self.subject_id,
            commitment=self.commitment,
            document_type=self.document_type,
            numbered_at=to_instant(self.numbered_at),
            document_id=self.document_id,
            content_digest=self.content_digest,
            subject="" if secret else self.subject or "",
            counterpart="" if secret else self.counterpart or "",
            state=EntryState(self.state),
            reserve=self.reserve.to_domain() if self.reserve else None,
            file_digest=self.file_digest,
            ended_at=to_instant(self.ended_at) if self.ended_at else None,
            ended_by=self.ended_by,
            reason=self.reason,
            delivery_id=self.delivery_id,
            letter_number=self.letter_number or "",
            letter_date=_day(self.letter_date),
            classification=classification,
            sealed=bytes(self.sealed or b"") if secret or self.sealed else None,
            marks=_marks(self.marks),
        )

    def _classification(self, register: Register) -> Classification:
        """Nothing in a register of secrets is normal."""
        if self.classification:
            return Classification(self.classification)
        return Classification.SECRET if register.is_secret else Classification.NORMAL


class MarkedItem(Model):
    """An entry whose document was ever ruled on: `register_id` = `<register>!marked`, `line` =
    the entry's. What status lists are made of: few lines, whatever the register holds."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    number = NumberAttribute()
    child = NumberAttribute(default=0)
    marks: ListAttribute[MarkMap] = ListAttribute(of=MarkMap)

    @staticmethod
    def partition(register: Register) -> str:
        return f"{register.register_id}!marked"

    @classmethod
    def of(cls, register: Register, marked: Marked) -> MarkedItem:
        return cls(
            register_id=cls.partition(register),
            line=EntryItem.line_of(marked.number, marked.child),
            number=marked.number,
            child=marked.child,
            marks=[MarkMap.of(mark) for mark in marked.marks],
        )

    def to_domain(self) -> Marked:
        return Marked(number=int(self.number), child=int(self.child), marks=_marks(self.marks))


class PendingItem(Model):
    """An outcome that waits for its place in the outcome log: `register_id` =
    `<register>!pending`, `line` = when it came to be, and its key."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    number = NumberAttribute()
    child = NumberAttribute(default=0)
    subject_id = UnicodeAttribute()
    outcome = UnicodeAttribute()
    at = UnicodeAttribute()
    commitment = UnicodeAttribute(null=True)
    file_digest = UnicodeAttribute(null=True)
    reason_code = UnicodeAttribute(null=True)

    @staticmethod
    def partition(register: Register) -> str:
        return f"{register.register_id}!pending"

    @classmethod
    def of(cls, register: Register, outcome: PendingOutcome) -> PendingItem:
        return cls(
            register_id=cls.partition(register),
            line=f"{to_text(outcome.order)}#{outcome.key}",
            number=outcome.number,
            child=outcome.child,
            subject_id=outcome.subject_id,
            outcome=outcome.outcome.value,
            at=to_text(outcome.at),
            commitment=outcome.commitment,
            file_digest=outcome.file_digest,
            reason_code=outcome.reason_code,
        )

    def to_domain(self) -> PendingOutcome:
        return PendingOutcome(
            number=int(self.number),
            child=int(self.child),
            subject_id=self.subject_id,
            outcome=Outcome(self.outcome),
            at=to_instant(self.at),
            commitment=self.commitment,
            file_digest=self.file_digest,
            reason_code=self.reason_code,
        )


class LeafItem(Model):
    """A leaf of the outcome log in its place: `register_id` = `<register>!outcomes`,
    `line` = its index in ten digits."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()

    @staticmethod
    def partition(register: Register) -> str:
        return f"{register.register_id}!outcomes"

    @staticmethod
    def line_of(index: int) -> str:
        return f"{index:010d}"


class PlaceItem(Model):
    """Where an outcome of an entry stands: `register_id` = `<register>!places`, `line` =
    the entry's line, `#`, and the leaf's index in ten digits."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    index = NumberAttribute()

    @staticmethod
    def partition(register: Register) -> str:
        return f"{register.register_id}!places"

    @staticmethod
    def prefix(number: int, child: int) -> str:
        return f"{EntryItem.line_of(number, child)}#"


class LogItem(Model):
    """State of a log: `line` = `#LOG#numbers` or `#LOG#outcomes`."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    sequenced = NumberAttribute(default=0)
    size = NumberAttribute(default=0)
    root = UnicodeAttribute(null=True)
    note = UnicodeAttribute(null=True)
    cosignatures: ListAttribute[str] = ListAttribute(of=UnicodeAttribute, null=True)  # type: ignore[arg-type]  # pynamodb types `of` by the value

    @staticmethod
    def line_of(log: LogName) -> str:
        return f"#LOG#{log}"

    def to_domain(self) -> LogState:
        if self.note is None:
            return LogState(EMPTY_HEAD)
        return LogState(
            TreeHead(int(self.size), bytes.fromhex(self.root)),
            self.note.encode(),
            tuple(self.cosignatures or ()),
        )


class DirectoryItem(Model):
    """`pk`/`sk` = `AGENCY`/`<agency id>` or `TRUST`/`ANCHORS`; `body` is JSON."""

    class Meta:
        table_name = _UNBOUND

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()


def _marks(maps: Iterable[MarkMap] | None) -> tuple[Mark, ...]:
    return tuple(mark.to_domain(number) for number, mark in enumerate(maps or (), 1))


def timed_key(instant: datetime, named: str) -> str:
    """A range key in order of time; `named` makes it one item's."""
    return f"{to_text(instant)}#{named}"


def shards() -> Iterable[str]:
    return (str(shard) for shard in range(UNSETTLED_SHARDS))


def ruled_so_often(items: type[DocumentItem | EntryItem], times: int) -> Condition:
    """Nobody ruled meanwhile. What was never ruled on lacks the count."""
    if not times:
        return items.ruled.does_not_exist()
    counted: Condition = items.ruled == times
    return counted


def may_be_numbered(items: type[DocumentItem], content_digest: str) -> Condition:
    """Accepted with this content, and, where officers have to approve, approved by enough of them:
    `approved_digest` is written together with the decision that completes a case."""
    approved = items.approval.does_not_exist() | (items.approved_digest == content_digest)
    may: Condition = (
        (items.state == DocumentState.ACCEPTED.value)
        & (items.content_digest == content_digest)
        & approved
    )
    return may


def _first_shard_of(document: Document) -> str:
    shard = shard_of(document.document_id)
    return f"{_AWAITING}{shard}" if document.awaits_approval else shard


def awaiting_shards() -> Iterable[str]:
    """Apart from what has work left now: these wait for officers, perhaps for weeks."""
    return (f"{_AWAITING}{shard}" for shard in shards())


def sleepers_shards() -> Iterable[str]:
    return (f"{_ASLEEP}{shard}" for shard in shards())


def sleepers_shard_of(document_id: str) -> str:
    """Apart from what is unsettled: these are many, and wait for years."""
    return f"{_ASLEEP}{shard_of(document_id)}"


def shard_of(document_id: str) -> str:
    # Document ids end in random characters.
    return str(sum(document_id[-4:].encode()) % UNSETTLED_SHARDS)


def parts_of(document: Document, vault: Vault) -> Parts:
    return Parts(vault, document.document_id, document.agency_id, document.classification)


def named_text(officer: Officer) -> str:
    return f"{officer.agency_id}/{officer.subject}"


def renamed(
    attribute: UnicodeSetAttribute, seen: frozenset[Officer], named: frozenset[Officer]
) -> tuple[Action, Condition]:
    """What writes the officers named for a thing, and the condition that they are as they were
    seen. A set that is empty is none (DynamoDB keeps no empty set)."""
    before = {named_text(officer) for officer in seen}
    after = {named_text(officer) for officer in named}
    return (
        attribute.set(after) if after else attribute.remove(),
        attribute == before if before else attribute.does_not_exist(),
    )


def officer_of(text: str) -> Officer:
    agency_id, _, subject = text.partition("/")
    return Officer(agency_id, subject)


def search_text_of(document: Document) -> str:
    """What `q` looks in: every text of the content, lower case (A2), but no pictures. Stays in
    this table. Of a classified document its number, once it has one."""
    if document.is_classified:
        return document.numbering.printed if document.numbering else ""
    texts: list[str] = []
    _gather(document.content, texts)
    return "\n".join(texts).lower()


def _gather(value: object, texts: list[str]) -> None:
    match value:
        case str():
            if not _ENCODED.fullmatch(value):
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
