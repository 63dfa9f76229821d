"""Documents that officers have to approve, and what officers say of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.adapters.memory import CountingSigner
from chalicelib.domain.approval_records import statement_of
from chalicelib.domain.approvals import (
    ApprovalCase,
    ApprovalDecision,
    ApprovalPolicy,
    Choice,
    Decided,
    Method,
    decide,
    open_case,
)
from chalicelib.domain.approved_documents import with_case
from chalicelib.domain.documents import Change, Document, DocumentState
from chalicelib.ports import EvidenceSigner
from tests.support.approved import PUBLIC_URL, approver
from tests.support.samples import document

ONE, TWO = ApprovalPolicy(approvers=1), ApprovalPolicy(approvers=2)


def awaiting(document_id: str = "D1", policy: ApprovalPolicy = ONE, **changes: Any) -> Document:
    """A licence that officers have to approve, as first stored."""
    return waiting_for(policy, document(document_id, **changes))


def waiting_for(policy: ApprovalPolicy, accepted: Document) -> Document:
    """The document, had its type wanted these approvals."""
    case = open_case(
        document_id=accepted.document_id,
        issuer=accepted.agency_id,
        content_digest=accepted.content_digest,
        classification=accepted.classification,
        policy=policy,
        submitted_by=accepted.submitted_by,
        at=accepted.submitted_at,
        expires_at=accepted.submitted_at + timedelta(days=policy.open_days),
    )
    state = DocumentState.AWAITING_APPROVAL
    history = (Change(state, accepted.submitted_at),)
    return replace(accepted, state=state, history=history, approval=case)


def decision(
    about: Document,
    by: str = "head-1",
    choice: Choice = Choice.APPROVE,
    *,
    at: datetime | None = None,
    signer: EvidenceSigner | None = None,
    **changes: Any,
) -> ApprovalDecision:
    """What an officer of the approving agency says of exactly this document, with its record."""
    agency_id = about.decided_by or about.agency_id
    officer = approver(by, agency_id, at=about.submitted_at)
    said = ApprovalDecision(
        choice=choice,
        content_digest=about.content_digest,
        by=by,
        agency_id=agency_id,
        appointment_id=officer.appointment_id,
        name_th=officer.name_th,
        position_th=officer.position_th,
        method=Method.TOTP,
        factor_use="totp/59000000",
        at=at or about.submitted_at + timedelta(hours=1),
        reason=None if choice is Choice.APPROVE else "แก้วันที่",
    )
    said = replace(said, **changes)
    if about.approval is None:
        return said
    told = statement_of(about, said, appointment=officer, authority=None, public_url=PUBLIC_URL)
    return replace(said, record=(signer or CountingSigner()).sign(told.payload()))


def case_of(waiting: Document) -> ApprovalCase:
    assert waiting.approval is not None
    return waiting.approval


def decided(waiting: Document, *decisions: ApprovalDecision) -> Document:
    """The document after these decisions, each of which has an effect."""
    for each in decisions:
        result = decide(case_of(waiting), each)
        assert isinstance(result, Decided), result
        waiting = with_case(waiting, result.case, each.at)
    return waiting
