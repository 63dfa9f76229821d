"""Documents: what is issued, how it changes state, and what its digest covers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.approvals import ApprovalCase
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.classification import Classification as Classification  # noqa: PLC0414 - also read from here
from chalicelib.domain.errors import NotReadyError, StandingConflictError, TraError
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import SENDING, Book, Numbering, NumberWish, Register
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.secrecy import SecretContext
from chalicelib.domain.standing import (
    ReasonCode,
    Replacement,
    Ruling,
    RulingKind,
    Standing,
    demand_possible,
    in_force,
    standing_by,
)
from chalicelib.domain.thai import in_bangkok, start_of_day
from chalicelib.domain.tlog import commit


class DocumentState(StrEnum):
    """accepted → numbered → issued; or accepted → rejected; or numbered → void (P4). Where officers
    have to approve: awaiting_approval → accepted, or awaiting_approval → rejected."""

    AWAITING_APPROVAL = "awaiting_approval"
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


class Urgency(StrEnum):
    """ชั้นความเร็ว."""

    ROUTINE = "routine"
    EXPRESS = "express"
    VERY_EXPRESS = "very_express"
    MOST_EXPRESS = "most_express"


CLASSIFIED_TYPE = "classified"
"""What is told of the type of a classified document, wherever more than the cleared may read."""

_WEIGHT_OF_THE_REST = 4_096
_PER_RECIPIENT = 3

ISSUED, EXPIRED = "issued", "expired"
"""Notices that every issued, and every expired, document gives; each ruling gives its own."""
APPROVALS = "approvals"
"""Told to nobody, but archived: the records of what officers decided."""
_ARCHIVED = "#archive"  # no agency is called so
_PLANNED = "#planned/"  # nor so
_INSTANT = timedelta(microseconds=1)


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
class Decision:
    """What an officer decides about an issued document, before it becomes a ruling. Without
    `effective_at` it holds at once."""

    kind: RulingKind
    reason_code: ReasonCode
    reason: str
    by: str
    agency_id: str
    effective_at: datetime | None = None
    replaced_by: Replacement | None = None


@dataclass(frozen=True, slots=True)
class StandingNow:
    """What a document is worth at the time of asking, since when, and the ruling that says so."""

    standing: Standing
    since: datetime | None
    ruling: Ruling | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What really lies in the archive in place of a classified file: its encryption. `sha256` is
    hex, `size` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """Sealed bytes under Object Lock: exactly one version of one key (P2).

    `seal_level` and `proof_until` are those of the seal within (see `SealedPdf`); None for
    what carries none, and for files from before they were kept. `sha256` and `size` are always
    those of the clear bytes; `stored` is what lies there in their place if they are classified.
    """

    key: str
    version_id: str
    sha256: str
    size: int
    lock_mode: LockMode
    retain_until: datetime
    seal_level: SealLevel | None = None
    proof_until: datetime | None = None
    stored: Stored | None = None

    @property
    def lies_as(self) -> Stored:
        """Digest and size of what lies in the archive: the file itself, or its encryption."""
        return self.stored or Stored(self.sha256, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document from acceptance to its end.

    `content` is the agency's data as validated against the type's schema;
    `content_digest` (hex SHA-256, see `content_digest`) is fixed at acceptance
    and bound to the number in the numbering transaction (P2). `salt` (hex, 32 random
    bytes) hides it in the public log: the log holds only a commitment to both (P7).
    `run` names all documents, in order, that get consecutive numbers with this one. `batch`
    says which line of which batch it comes from; while it is numbered, its batch is swept, not it.
    `supersedes` names the document that this one replaces in the moment it is issued.
    `act_within` is the time of a letter that is "ด่วนภายใน".
    `approval` is the case of a document that officers have to approve, with every decision;
    None where nobody has to. `named` are officers of its own agency to whom the registrar of
    secrets opened a classified document (A13).

    `notified` holds who was told what: an agency's id for the issue, and for other notices
    `<notice>/<agency>`, or `<notice>/#archive` once the evidence lies in the archive.
    `evidences` are the signed statements of those other notices. Of a letter it holds how far
    its deliveries are planned (`planned_mark`), in place of one mark for each recipient.
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
    supersedes: str | None = None
    act_within: datetime | None = None
    rulings: tuple[Ruling, ...] = ()
    evidences: Mapping[str, str] = field(default_factory=dict)
    approval: ApprovalCase | None = None
    named: frozenset[Officer] = frozenset()

    @property
    def awaits_approval(self) -> bool:
        return self.state is DocumentState.AWAITING_APPROVAL

    @property
    def decided_by(self) -> str | None:
        """The agency whose approvers decide; None where nobody has to."""
        return self.approval.policy.agency_of(self.agency_id) if self.approval else None

    @property
    def decided_until(self) -> datetime | None:
        """When it ends if officers do not decide before; None if none has to any more."""
        return self.approval.expires_at if self.approval and self.awaits_approval else None

    @property
    def is_approved(self) -> bool:
        """Whether it may get a number: nobody has to approve, or enough officers approved exactly
        this content. Not the state is believed but their decisions are counted."""
        return self.approval is None or self.approval.is_complete_for(self.content_digest)

    @property
    def has_records(self) -> bool:
        """Officers decided on it: their signed records belong in the archive."""
        return self.approval is not None and bool(self.approval.decisions)

    @property
    def is_classified(self) -> bool:
        return self.classification is not Classification.NORMAL

    def secrecy(self, purpose: str) -> SecretContext | None:
        """What a part of it is encrypted for; None if it is not classified."""
        if not self.is_classified:
            return None
        return SecretContext(
            document_id=self.document_id,
            agency_id=self.agency_id,
            classification=self.classification,
            purpose=purpose,
        )

    @property
    def public_type(self) -> str:
        """What everybody may know of its type: of a classified one nothing (A13)."""
        return CLASSIFIED_TYPE if self.is_classified else self.document_type

    @property
    def register(self) -> Register:
        """The register that holds this document's entry."""
        if self.numbering is None:
            raise ValueError("a document without number is in no register")
        return self.book.in_year(self.numbering.year)

    @property
    def is_letter(self) -> bool:
        """It is numbered in a register of letters: its recipients get deliveries of it
        (docs/adr/0041), not the notice that a document was issued."""
        return self.book.name in SENDING

    @property
    def weight(self) -> int:
        """About how many bytes its item has: content as it is and for searching, and the rest."""
        names = sum(len(recipient) + _PER_RECIPIENT for recipient in self.recipients)
        return 2 * len(canonical_json(self.content)) + names + _WEIGHT_OF_THE_REST

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
        """Nothing is left to do now: ended, and of an issued one the evidence of its issue and
        of each ruling is signed and kept, and every recipient was told. (That it expires is
        told when it does: `wakes_at`.) Of one that officers did not approve their records are
        archived; `seal` archived those of the others."""
        if self.state is DocumentState.ISSUED:
            issue_told = self.evidence is not None and not self.unnotified
            return issue_told and all(self.has_told(r.notice) for r in self.rulings)
        if self.state is DocumentState.REJECTED and self.has_records:
            return self.is_archived(APPROVALS)
        return self.state.ended

    @property
    def unnotified(self) -> tuple[str, ...]:
        """Recipients that have not been told yet, in the order they were named; of a letter,
        those whose delivery is still to be planned."""
        return tuple(r for r in self.recipients[self.planned :] if r not in self.notified)

    @property
    def planned(self) -> int:
        """To how many recipients, in the order they were named, deliveries are on their way."""
        marks = (mark for mark in self.notified if mark.startswith(_PLANNED))
        return max((int(mark.removeprefix(_PLANNED)) for mark in marks), default=0)

    # -- notices other than that of the issue --------------------------------

    def due_notices(self, now: datetime) -> tuple[str, ...]:
        """Notices that have come due and are not given in full."""
        expired = (EXPIRED,) if self.wakes_at is not None and self.wakes_at <= now else ()
        return (*(r.notice for r in self.rulings if not self.has_told(r.notice)), *expired)

    def has_told(self, notice: str) -> bool:
        """The evidence of this notice is signed and archived, and every recipient was told."""
        return (
            notice in self.evidences
            and (notice == EXPIRED or self.is_archived(notice))
            and not self.untold(notice)
        )

    def untold(self, notice: str) -> tuple[str, ...]:
        """Recipients that have not been told this yet, in the order they were named."""
        return tuple(r for r in self.recipients if told_mark(notice, r) not in self.notified)

    def is_archived(self, notice: str) -> bool:
        return archived_mark(notice) in self.notified

    @property
    def expires_at(self) -> datetime | None:
        """The first instant after its period: midnight in Asia/Bangkok."""
        if self.valid_until is None:
            return None
        return start_of_day(self.valid_until + timedelta(days=1))

    @property
    def wakes_at(self) -> datetime | None:
        """When its recipients have to be told that it expired; None if nobody has to be: there
        are none, they were told, by then it is revoked or replaced anyway, or it was refused."""
        at = self.expires_at
        refused = self.state is DocumentState.REJECTED
        if at is None or refused or not self.recipients or self.has_told(EXPIRED):
            return None
        return None if standing_by(self.rulings, at).final else at

    # -- standing --------------------------------------------------------------

    def standing_at(self, now: datetime) -> StandingNow:
        """What it is worth: revoked or replaced before all, then expired, suspended, not yet
        valid, valid."""
        ruling = in_force(self.rulings, now)
        ruled = ruling.kind.standing if ruling else Standing.VALID
        validity = self.validity_on(in_bangkok(now).date())
        if ruling is not None and ruled.final:
            return StandingNow(ruled, ruling.effective_at, ruling)
        if validity is Validity.EXPIRED:
            return StandingNow(Standing.EXPIRED, self.expires_at)
        if ruling is not None and ruled is Standing.SUSPENDED:
            return StandingNow(ruled, ruling.effective_at, ruling)
        if validity is Validity.NOT_YET_VALID:
            return StandingNow(Standing.NOT_YET_VALID, None)
        return StandingNow(Standing.VALID, self._valid_since(ruling), ruling)

    def _valid_since(self, lifted: Ruling | None) -> datetime:
        starts = [self.issued_at]
        if self.valid_from is not None:
            starts.append(start_of_day(self.valid_from))
        if lifted is not None:
            starts.append(lifted.effective_at)
        return max(starts)

    def ruled(self, decision: Decision, now: datetime) -> Document:
        """The document with one more ruling. Raises NotReadyError if it is not issued yet,
        StandingConflictError if the decision does not go with earlier ones."""
        if not self.state.ended:
            raise NotReadyError(
                f"The document is {self.state}; this can be decided once it is issued.",
                f"เอกสารอยู่ในสถานะ {self.state} ดำเนินการได้เมื่อออกเอกสารแล้ว",
            )
        if self.state is not DocumentState.ISSUED:
            raise StandingConflictError(
                f"The document was never issued: it is {self.state}.",
                f"เอกสารนี้ไม่ได้ออกจริง (สถานะ {self.state})",
            )
        # Decisions on one document have an order, whatever the clocks of two functions say.
        decided_at = max(now, self.issued_at, *(r.decided_at + _INSTANT for r in self.rulings))
        ruling = Ruling(
            number=len(self.rulings) + 1,
            kind=decision.kind,
            reason_code=decision.reason_code,
            reason=decision.reason,
            by=decision.by,
            agency_id=decision.agency_id,
            decided_at=decided_at,
            effective_at=max(decision.effective_at or decided_at, decided_at),
            replaced_by=decision.replaced_by,
        )
        demand_possible(self.rulings, ruling)
        return replace(self, rulings=(*self.rulings, ruling))

    def validity_on(self, day: date) -> Validity:
        """Both ends of the period belong to it. `day` is a day in Asia/Bangkok."""
        if self.valid_from is not None and day < self.valid_from:
            return Validity.NOT_YET_VALID
        if self.valid_until is not None and day > self.valid_until:
            return Validity.EXPIRED
        return Validity.VALID

    def deciding(self, case: ApprovalCase) -> Document:
        """With what officers decided so far."""
        return replace(self, approval=case)

    def approved(self, case: ApprovalCase, at: datetime) -> Document:
        return self._enter(DocumentState.ACCEPTED, at, approval=case)

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


def told_mark(notice: str, agency_id: str) -> str:
    """What `Document.notified` holds once this agency was told this."""
    return agency_id if notice == ISSUED else f"{notice}/{agency_id}"


def planned_mark(recipients: int) -> str:
    """What `Document.notified` holds once the deliveries to the first so many recipients of a
    letter are planned and begun."""
    return f"{_PLANNED}{recipients}"


def archived_mark(notice: str) -> str:
    """What `Document.notified` holds once the evidence of this notice lies in the archive."""
    return f"{notice}/{_ARCHIVED}"


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


def rulings_prefix(register: Register) -> str:
    """Below it lie the signed rulings on documents of a register."""
    return f"rulings/{register.register_id}/"


def ruling_key(document: Document, ruling: Ruling) -> str:
    """Object key of a ruling's evidence: fixed, so the first that was signed stays (P5)."""
    return f"{rulings_prefix(document.register)}{document.document_id}/{ruling.number}.jws"
