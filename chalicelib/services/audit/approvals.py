"""Approvals of numbered documents: complete, by the right officers, in time, and signed (B7, C2).

Nothing is believed: neither the state of a document nor that of its case. The decisions are
counted, held against what their signed records say, and these against the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from chalicelib.domain.approval_records import (
    ApprovalStatement,
    Approved,
    faults_of,
    record_key,
    records_prefix,
)
from chalicelib.domain.approvals import ApprovalCase, ApprovalDecision, CaseState, Choice
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import TraError
from chalicelib.domain.findings import Fault, Finding
from chalicelib.domain.retention import retain_until
from chalicelib.domain.statements import StatementError, to_the_millisecond
from chalicelib.ports import FileVersion
from chalicelib.services.audit.entries import Pair, at
from chalicelib.services.audit.files import unread
from chalicelib.services.audit.room import AuditRoom

_Found = tuple[Fault, str]


def examine_approvals(page: Sequence[Pair], *, room: AuditRoom) -> tuple[list[Finding], int]:
    """What is wrong with the approvals of these documents, and how many decisions were looked
    at. They were all made before the number was given, so nothing here changes meanwhile."""
    numbered = [(e, d) for e, d in page if d is not None and d.numbering is not None]
    found = [
        at(entry, fault, place)
        for entry, document in numbered
        for fault, place in _faults_of(document, room)
    ]
    return found, sum(len(d.approval.decisions) for _, d in numbered if d.approval)


def _faults_of(document: Document, room: AuditRoom) -> Iterator[_Found]:
    case = document.approval
    if case is None:
        if document.history and document.history[0].state is DocumentState.AWAITING_APPROVAL:
            yield Fault.APPROVAL_MISSING, "case"
        return
    if not case.is_complete_for(document.content_digest):
        yield Fault.APPROVAL_MISSING, "case"
    yield from ((Fault.APPROVAL_WRONG, word) for word in _wrong_words(document, case))
    yield from _faults_of_records(document, case, room)


# -- decisions -------------------------------------------------------------------


def _wrong_words(document: Document, case: ApprovalCase) -> Iterator[str]:
    """What no sequence of `decide` makes of a case; stable words."""
    said, agency = case.decisions, case.policy.agency_of(document.agency_id)
    numbered_at = document.numbering.numbered_at if document.numbering else None
    own = (document.agency_id, document.submitted_by)
    checks = {
        "other_document": (case.document_id, case.issuer, case.content_digest)
        != (document.document_id, document.agency_id, document.content_digest),
        "case_not_approved": case.state is not CaseState.APPROVED,
        "refusal": any(d.choice is not Choice.APPROVE for d in said),
        "doubled_officer": len({(d.agency_id, d.by) for d in said}) < len(said),
        "other_agency": any(d.agency_id != agency for d in said),
        "other_content": any(d.content_digest != document.content_digest for d in said),
        "own_submission": not case.policy.own_submission
        and any((d.agency_id, d.by) == own for d in said),
        "after_its_end": any(d.at >= case.expires_at for d in said),
        "after_numbering": numbered_at is not None and any(d.at > numbered_at for d in said),
        "out_of_order": any(later.at < sooner.at for sooner, later in pairwise(said)),
        "too_many": len(said) > case.policy.approvers,
    }
    return (word for word, wrong in checks.items() if wrong)


# -- records ---------------------------------------------------------------------


def _faults_of_records(document: Document, case: ApprovalCase, room: AuditRoom) -> Iterator[_Found]:
    told = []
    for place, decision in enumerate(case.decisions, start=1):
        key = record_key(document.document_id, place)
        said = _said(decision, room)
        if said is None or not _agree(said, decision):
            yield Fault.APPROVAL_RECORD_WRONG, key
        else:
            told.append(said)
    if len(told) == len(case.decisions):
        yield from _faults_together(document, case, told)
    # `seal` archives the records before it seals, or ends, a number.
    if document.state.ended:
        yield from _faults_in_archive(document, case, room)


def _said(decision: ApprovalDecision, room: AuditRoom) -> ApprovalStatement | None:
    """What the record of a decision says, if the service signed it."""
    try:
        return ApprovalStatement.from_payload(room.verify_evidence(decision.record or ""))
    except (TraError, StatementError):
        return None


def _agree(said: ApprovalStatement, decision: ApprovalDecision) -> bool:
    """Whether record and decision tell the same."""
    return (
        said.choice,
        said.officer,
        said.name_th,
        said.position_th,
        said.appointment_id,
        said.authority.authority_id if said.authority else None,
        said.method,
        said.factor_use,
        said.at,
    ) == (
        decision.choice,
        (decision.agency_id, decision.by),
        decision.name_th,
        decision.position_th,
        decision.appointment_id,
        decision.authority_id,
        decision.method,
        decision.factor_use,
        to_the_millisecond(decision.at),
    )


def _faults_together(
    document: Document, case: ApprovalCase, told: Sequence[ApprovalStatement]
) -> Iterator[_Found]:
    """The records are of this document and of nothing else, and the policy in the item is the
    one they were signed under."""
    if document.numbering is None:
        return
    about = Approved(
        document_id=document.document_id,
        document_type=document.public_type,
        agency_id=document.agency_id,
        content_digest=document.content_digest,
        commitment=document.commitment,
        numbered_at=document.numbering.numbered_at,
    )
    for fault in faults_of(told, about, policy=case.policy):
        yield Fault.APPROVAL_RECORD_WRONG, fault.value


# -- the archive -----------------------------------------------------------------


def _faults_in_archive(document: Document, case: ApprovalCase, room: AuditRoom) -> Iterator[_Found]:
    """Every record lies there as it was signed, once, locked as long as the document; and there is
    none that the document knows nothing of."""
    signed = {
        record_key(document.document_id, place): decision.record
        for place, decision in enumerate(case.decisions, start=1)
        if decision.record is not None
    }
    lying: dict[str, list[FileVersion]] = {}
    for version in room.archive.versions(records_prefix(document.document_id)):
        lying.setdefault(version.key, []).append(version)
    for key, record in signed.items():
        if key not in lying:
            yield Fault.APPROVAL_RECORD_MISSING, key
        elif room.archive.read(key) != record.encode():
            yield Fault.APPROVAL_RECORD_DIFFERS, key
    for key, versions in lying.items():
        if key not in signed:
            yield Fault.FILE_WITHOUT_ENTRY, key
        elif len(versions) > 1 or versions[0].deleted:
            yield Fault.MORE_THAN_ONE_VERSION, key
        else:
            yield from ((fault, key) for fault in _faults_of_lock(versions[0], document, room))


def _faults_of_lock(version: FileVersion, document: Document, room: AuditRoom) -> Iterator[Fault]:
    if document.numbering is None:
        return
    until = retain_until(document.numbering.numbered_at, document.retention_years)
    (found,) = room.archive.examine([unread(version)], read_bytes=False)
    if found is None or found.lock_mode is None or found.retain_until is None:
        yield Fault.LOCK_MISSING
    elif found.retain_until < until:
        yield Fault.LOCK_TOO_SHORT
