"""Documents: what is issued, how it changes state, and what its digest covers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.errors import TraError
from chalicelib.domain.registers import Book, Numbering, NumberWish, Register
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.tlog import commit


class DocumentState(StrEnum):
    """accepted → numbered → issued; or accepted → rejected; or numbered → void (P4)."""

    ACCEPTED = "accepted"
    NUMBERED = "numbered"
    ISSUED = "issued"
    REJECTED = "rejected"
    VOID = "void"

    @property
    def ended(self) -> bool:
        """No later state follows."""
        return self in {DocumentState.ISSUED, DocumentState.REJECTED, DocumentState.VOID}


class Validity(StrEnum):
    """Where a day lies in a document's period."""

    NOT_YET_VALID = "not_yet_valid"
    VALID = "valid"
    EXPIRED = "expired"


class Classification(StrEnum):
    """ชั้นความลับ."""

    NORMAL = "normal"
    CONFIDENTIAL = "confidential"
    SECRET = "secret"  # noqa: S105 - a classification
    TOP_SECRET = "top_secret"  # noqa: S105 - a classification


class Urgency(StrEnum):
    """ชั้นความเร็ว."""

    ROUTINE = "routine"
    EXPRESS = "express"
    VERY_EXPRESS = "very_express"
    MOST_EXPRESS = "most_express"


_WEIGHT_OF_THE_REST = 4_096


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a document ended without being issued, for its owner to read (P4)."""

    code: str
    detail: str
    detail_th: str

    @classmethod
    def of(cls, error: TraError) -> Reason:
        return cls(error.code, error.detail, error.detail_th)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a numbered document last waited for, and since when it waits (P4)."""

    reason: Reason
    since: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a document's history."""

    state: DocumentState
    at: datetime


@dataclass(frozen=True, slots=True)
class BatchLine:
    """Where a document of a batch comes from: the batch, and the line of its file (1-based)."""

    batch_id: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """Sealed bytes under Object Lock: exactly one version of one key (P2).

    `seal_level` and `proof_until` are those of the seal within (see `SealedPdf`); None for
    what carries none, and for files from before they were kept.
    """

    key: str
    version_id: str
    sha256: str
    size: int
    lock_mode: LockMode
    retain_until: datetime
    seal_level: SealLevel | None = None
    proof_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document from acceptance to its end.

    `content` is the agency's data as validated against the type's schema;
    `content_digest` (hex SHA-256, see `content_digest`) is fixed at acceptance
    and bound to the number in the numbering transaction (P2). `salt` (hex, 32 random
    bytes) hides it in the public log: the log holds only a commitment to both (P7).
    `run` names all documents, in order, that get consecutive numbers with this one. `batch`
    says which line of which batch it comes from; while it is numbered, its batch is swept, not it.
    """

    document_id: str
    agency_id: str
    document_type: str
    type_version: int
    book: Book
    content: Mapping[str, Any]
    content_digest: str
    salt: str
    recipients: tuple[str, ...]
    classification: Classification
    urgency: Urgency
    valid_from: date | None
    valid_until: date | None
    retention_years: int
    wish: NumberWish | None = None
    run: tuple[str, ...] = ()
    batch: BatchLine | None = None
    verification_code: str
    submitted_at: datetime
    submitted_by: str
    state: DocumentState
    history: tuple[Change, ...]
    numbering: Numbering | None = None
    file: ArchivedFile | None = None
    reason: Reason | None = None
    waiting: Waiting | None = None
    evidence: str | None = None
    notified: frozenset[str] = field(default_factory=frozenset)

    @property
    def register(self) -> Register:
        """The register that holds this document's entry."""
        if self.numbering is None:
            raise ValueError("a document without number is in no register")
        return self.book.in_year(self.numbering.year)

    @property
    def weight(self) -> int:
        """About how many bytes its item has: content as it is and for searching, and the rest."""
        return 2 * len(canonical_json(self.content)) + _WEIGHT_OF_THE_REST

    @property
    def commitment(self) -> str:
        """What the public log holds in place of the content digest (P7)."""
        return commit(bytes.fromhex(self.salt), self.content_digest)

    @property
    def issued_at(self) -> datetime:
        """When the document became final; only an issued one has this."""
        return next(c.at for c in self.history if c.state is DocumentState.ISSUED)

    @property
    def settled(self) -> bool:
        """Nothing is left to do: ended, and of an issued one the evidence is signed and every
        recipient was told."""
        if self.state is DocumentState.ISSUED:
            return self.evidence is not None and not self.unnotified
        return self.state.ended

    @property
    def unnotified(self) -> tuple[str, ...]:
        """Recipients that have not been told yet, in the order they were named."""
        return tuple(r for r in self.recipients if r not in self.notified)

    def validity_on(self, day: date) -> Validity:
        """Both ends of the period belong to it. `day` is a day in Asia/Bangkok."""
        if self.valid_from is not None and day < self.valid_from:
            return Validity.NOT_YET_VALID
        if self.valid_until is not None and day > self.valid_until:
            return Validity.EXPIRED
        return Validity.VALID

    def numbered(self, numbering: Numbering) -> Document:
        return self._enter(DocumentState.NUMBERED, numbering.numbered_at, numbering=numbering)

    def issued(self, file: ArchivedFile, at: datetime) -> Document:
        return self._enter(DocumentState.ISSUED, at, file=file)

    def rejected(self, reason: Reason, at: datetime) -> Document:
        return self._enter(DocumentState.REJECTED, at, reason=reason)

    def voided(self, reason: Reason, at: datetime) -> Document:
        return self._enter(DocumentState.VOID, at, reason=reason)

    def _enter(self, state: DocumentState, at: datetime, **changes: Any) -> Document:
        history = (*self.history, Change(state, at))
        return replace(self, state=state, history=history, waiting=None, **changes)


def content_digest(
    *,
    agency_id: str,
    document_type: str,
    type_version: int,
    content: Mapping[str, Any],
    valid_from: date | None,
    valid_until: date | None,
) -> str:
    """Hex SHA-256 over everything of a request that can appear on the document (P2)."""
    covered = {
        "agency_id": agency_id,
        "content": content,
        "document_type": document_type,
        "type_version": type_version,
        "valid_from": valid_from.isoformat() if valid_from else None,
        "valid_until": valid_until.isoformat() if valid_until else None,
    }
    return hashlib.sha256(canonical_json(covered)).hexdigest()


def archive_key(document: Document) -> str:
    """Object key: one per document and fixed before sealing, so `If-None-Match` decides
    who was first (P2). Holds no personal data (keys appear in access logs)."""
    register = document.register
    return f"documents/{register.register_id}/{document.document_id}.pdf"
