"""Cases with signed records, as `services/approve.py` makes them; people are invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.adapters.memory import CountingSigner
from chalicelib.domain.access import Role
from chalicelib.domain.approval_records import ApprovalStatement, statement_in, statement_of
from chalicelib.domain.approvals import (
    ApprovalDecision,
    ApprovalPolicy,
    CaseState,
    Choice,
    Method,
    open_case,
)
from chalicelib.domain.documents import Document
from chalicelib.domain.officers import Appointment, Authority, AuthorityKind, Period
from chalicelib.ports import EvidenceSigner

PUBLIC_URL = "https://tra.test"


def approver(
    subject: str = "approver-1",
    agency_id: str = "diw",
    *,
    at: datetime,
    name_th: str = "นายพรชัย ใจซื่อ",
) -> Appointment:
    """An officer who may approve since a year before `at`."""
    return Appointment(
        appointment_id=f"A-{subject}",
        agency_id=agency_id,
        subject=subject,
        name_th=name_th,
        position_th="ผู้อำนวยการสำนักโรงงานอุตสาหกรรม",
        roles=frozenset({Role.APPROVER}),
        period=Period(at - timedelta(days=365)),
        order="คำสั่งกรมโรงงานอุตสาหกรรม ที่ ๑๒๓/๒๕๖๘",
        appointed_by="head",
        appointed_at=at - timedelta(days=365),
    )


def delegated(officer: Appointment) -> Authority:
    """That the officer acts for the director-general."""
    return Authority(
        authority_id=f"U-{officer.subject}",
        agency_id=officer.agency_id,
        holder=officer.subject,
        kind=AuthorityKind.DELEGATED,
        position_th="อธิบดีกรมโรงงานอุตสาหกรรม",
        period=officer.period,
        order="คำสั่งกรมโรงงานอุตสาหกรรม ที่ ๔๕/๒๕๖๙",
        granted_by="head",
        granted_at=officer.appointed_at,
    )


def with_case(
    document: Document,
    policy: ApprovalPolicy,
    *,
    opened_at: datetime | None = None,
    days: int = 7,
) -> Document:
    """The document as it awaits its approvals."""
    at = opened_at or document.submitted_at
    case = open_case(
        document_id=document.document_id,
        issuer=document.agency_id,
        content_digest=document.content_digest,
        classification=document.classification,
        policy=policy,
        submitted_by=document.submitted_by,
        at=at,
        expires_at=at + timedelta(days=days),
    )
    return replace(document, approval=case)


def decided(
    document: Document,
    officer: Appointment,
    *,
    at: datetime,
    authority: Authority | None = None,
    choice: Choice = Choice.APPROVE,
    reason: str | None = None,
    signer: EvidenceSigner | None = None,
) -> Document:
    """The same with one more decision, signed, whether or not the rules would take it."""
    assert document.approval is not None
    case = document.approval
    unsigned = ApprovalDecision(
        choice=choice,
        content_digest=case.content_digest,
        by=officer.subject,
        agency_id=officer.agency_id,
        appointment_id=officer.appointment_id,
        authority_id=authority.authority_id if authority else None,
        name_th=officer.name_th,
        position_th=officer.position_th,
        method=Method.TOTP,
        factor_use="totp/59876543",
        at=at,
        reason=reason,
    )
    told = statement_of(
        document, unsigned, appointment=officer, authority=authority, public_url=PUBLIC_URL
    )
    record = (signer or CountingSigner()).sign(told.payload())
    state = CaseState.APPROVED if choice is Choice.APPROVE else CaseState.REJECTED
    decisions = (*case.decisions, replace(unsigned, record=record))
    return replace(document, approval=replace(case, decisions=decisions, state=state))


def approved(
    document: Document,
    officers: Sequence[Appointment],
    *,
    at: datetime,
    authority: Authority | None = None,
    signer: EvidenceSigner | None = None,
    central: str | None = None,
) -> Document:
    """The document approved by each of them, the last one with that authority."""
    policy = ApprovalPolicy(approvers=len(officers), central=central)
    found = with_case(document, policy, opened_at=at - timedelta(hours=1))
    for officer in officers:
        used = authority if officer is officers[-1] else None
        found = decided(found, officer, at=at, authority=used, signer=signer)
    return found


def told(document: Document) -> list[ApprovalStatement]:
    """What its records say."""
    assert document.approval is not None
    found = [statement_in(one) for one in document.approval.decisions]
    return [one for one in found if one is not None]
