"""Submit: a valid request becomes a document that will end: accepted (P4), or, where officers
have to approve, awaiting them (B7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.domain.approvals import ApprovalCase, ApprovalPolicy, open_case
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import (
    Change,
    Classification,
    Document,
    DocumentState,
    Reason,
    Urgency,
    content_digest,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import CIRCULAR, Book, NumberWish, secret_book
from chalicelib.ports import Clock, DocumentStore, IdempotencyClaim, Ids, WorkQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request as validated at the edge: type known, content valid, recipients exist.
    `circular`: a letter that is numbered in the circular register (หนังสือเวียน). `named`: who
    may read it from the beginning, if it is classified. `approval` is how such documents of the
    agency are approved at this moment; what is changed of it later holds for what is submitted
    later."""

    agency_id: str
    submitted_by: str
    document_type: DocumentType
    content: Mapping[str, Any]
    recipients: tuple[str, ...]
    valid_from: date | None
    valid_until: date | None
    classification: Classification
    urgency: Urgency
    retention_years: int
    wish: NumberWish | None
    per_recipient: bool
    claim: IdempotencyClaim | None
    supersedes: str | None = None
    circular: bool = False
    act_within: datetime | None = None
    named: frozenset[Officer] = frozenset()
    approval: ApprovalPolicy = field(default_factory=ApprovalPolicy)

    @property
    def book(self) -> Book:
        """The book that it is numbered in: its type's, or the circular one; what is classified in
        a book of its own (A13)."""
        name = CIRCULAR if self.circular else self.document_type.book
        return Book(self.agency_id, secret_book(name) if self.is_classified else name)

    @property
    def is_classified(self) -> bool:
        return self.classification is not Classification.NORMAL

    @property
    def content_digest(self) -> str:
        """What the number will bind (P2)."""
        return content_digest(
            agency_id=self.agency_id,
            document_type=self.document_type.name,
            type_version=self.document_type.version,
            content=self.content,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )


def submit(
    submission: Submission,
    *,
    documents: DocumentStore,
    number_queue: WorkQueue,
    clock: Clock,
    ids: Ids,
) -> Document:
    """Accept a document and set its numbering going; or have it await its approvals, of which
    the last one does (`decide_case`).

    Returns the document, or the one that the same Idempotency-Key made
    before, in whatever state it is by now. Raises IdempotencyKeyReusedError,
    UnavailableError.

    Dies before step 2: nothing happened. Dies between 2 and 3: the document is
    accepted and `sweep`, or a repeat with the same key, sends the message.
    """
    # 1. Fix what the number will bind: the digest of the content (P2).
    fresh, *others = _run(submission, clock, ids)

    # 2. Store it, once per Idempotency-Key.
    document = documents.add(fresh, submission.claim, *others)

    # 3. Tell the numbering of its book. A repeat tells it again, which harms nothing.
    if document.state is DocumentState.ACCEPTED:
        number_queue.send([document.document_id], group=document.book.group)
    return document


def repeat(
    claim: IdempotencyClaim, *, documents: DocumentStore, number_queue: WorkQueue
) -> Document | None:
    """The document that this claim made before, set going again if it still waits; None for
    a claim never seen. Raises IdempotencyKeyReusedError.

    Looks at nothing else: what was accepted once stays so, though a number was used, a day
    has passed or a recipient has left meanwhile.
    """
    document = documents.made_by(claim)
    if document is not None and document.state is DocumentState.ACCEPTED:
        number_queue.send([document.document_id], group=document.book.group)
    return document


def _run(submission: Submission, clock: Clock, ids: Ids) -> list[Document]:
    """One document for all recipients, or one for each, to be numbered consecutively. Each has
    a case of its own: an officer may approve what goes to one and not what goes to another."""
    if not submission.per_recipient:
        return [accept(submission, clock=clock, ids=ids)]
    each = [
        accept(replace(submission, recipients=(recipient,)), clock=clock, ids=ids)
        for recipient in submission.recipients
    ]
    run = tuple(document.document_id for document in each)
    return [replace(document, run=run) for document in each]


def accept(submission: Submission, *, clock: Clock, ids: Ids) -> Document:
    """The document a submission asks for, accepted or awaiting approval, stored nowhere."""
    now = clock()
    kind = submission.document_type
    document_id = ids.document_id()
    case = _case(submission, document_id, now)
    state = DocumentState.AWAITING_APPROVAL if case else DocumentState.ACCEPTED
    return Document(
        document_id=document_id,
        agency_id=submission.agency_id,
        document_type=kind.name,
        type_version=kind.version,
        book=submission.book,
        content=submission.content,
        content_digest=submission.content_digest,
        salt=ids.salt(),
        recipients=submission.recipients,
        classification=submission.classification,
        urgency=submission.urgency,
        valid_from=submission.valid_from,
        valid_until=submission.valid_until,
        retention_years=submission.retention_years,
        wish=submission.wish,
        verification_code=ids.verification_code(),
        submitted_at=now,
        submitted_by=submission.submitted_by,
        supersedes=submission.supersedes,
        act_within=submission.act_within,
        named=submission.named,
        approval=case,
        state=state,
        history=(Change(state, now),),
    )


def _case(submission: Submission, document_id: str, now: datetime) -> ApprovalCase | None:
    """None where nobody has to approve."""
    policy = submission.approval
    if not policy.approvers:
        return None
    return open_case(
        document_id=document_id,
        issuer=submission.agency_id,
        content_digest=submission.content_digest,
        classification=submission.classification,
        policy=policy,
        submitted_by=submission.submitted_by,
        at=now,
        expires_at=now + timedelta(days=policy.open_days),
    )


def why_not_superseded(
    old: Document | None,
    *,
    agency_id: str,
    document_type: str,
    classification: Classification,
    now: datetime,
) -> Reason | None:
    """Why a new document of this type cannot replace `old`; None if it can. What another agency
    issued looks non-existent (P6). `seal` looks again, because until then much may happen."""
    if old is None or old.agency_id != agency_id:
        return Reason(
            "unknown_document",
            "There is no such document of your agency.",
            "ไม่มีเอกสารนี้ของหน่วยงานท่าน",
        )
    if old.state is not DocumentState.ISSUED:
        return Reason(
            "not_issued",
            "Only an issued document can be replaced.",
            "แทนที่ได้เฉพาะเอกสารที่ออกแล้ว",
        )
    if old.document_type != document_type:
        return Reason(
            "other_type",
            "A document is replaced by one of its own type.",
            "ต้องแทนที่ด้วยเอกสารประเภทเดียวกัน",
        )
    if old.classification is not classification:
        # The page, events and views of each name the other.
        return Reason(
            "other_classification",
            "A document is replaced by one of its own classification; revoke it, and issue the other "
            "by itself.",
            "ต้องแทนที่ด้วยเอกสารที่มีชั้นความลับเดียวกัน หากต่างชั้นให้เพิกถอนฉบับเดิมแล้วออกฉบับใหม่",
        )
    if old.standing_at(now).standing.final:
        return Reason(
            "already_ended",
            "That document is revoked or replaced already.",
            "เอกสารนั้นถูกเพิกถอนหรือถูกแทนที่แล้ว",
        )
    return None
