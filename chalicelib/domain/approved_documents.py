"""What a decision of officers makes of the document it is about (B7, P4)."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.approvals import ApprovalCase, CaseState
from chalicelib.domain.documents import Document, Reason


def with_case(document: Document, case: ApprovalCase, at: datetime) -> Document:
    """The document once its case is as given: it goes on waiting, is accepted and will be
    numbered, or ends as rejected, for a reason that its owner can read.

    Raises ValueError if it waits for no decision, or `case` is about something else.
    """
    if document.approval is None or not document.awaits_approval:
        raise ValueError("this document waits for no decision")
    if (case.document_id, case.content_digest) != (document.document_id, document.content_digest):
        raise ValueError("this case is about something else")
    if case.state is CaseState.PENDING:
        return document.deciding(case)
    if case.state is CaseState.APPROVED:
        return document.approved(case, at)
    return document.deciding(case).rejected(reason_of(case), at)


def demand_possible(decided: Document) -> None:
    """What every store asks of what it is to write after a decision. Raises ValueError for a
    document that was accepted without enough decisions: a bug, and no number comes of it."""
    if decided.approval is None:
        raise ValueError("nobody decides on this document")
    if not decided.state.ended and not decided.awaits_approval and not decided.is_approved:
        raise ValueError("this document was not approved")


def reason_of(case: ApprovalCase) -> Reason:
    """Why a document ended without approval. What the officer said stands beside it, in the
    case: it may be as secret as the document."""
    return _REASONS[case.state]


_REASONS = {
    CaseState.REJECTED: Reason(
        "approval_rejected",
        "An approving officer rejected it; the case says why.",
        "ผู้มีอำนาจอนุมัติไม่อนุมัติ ดูเหตุผลในผลการพิจารณา",
    ),
    CaseState.RETURNED: Reason(
        "approval_returned",
        "An approving officer returned it for correction; the case says what is to be corrected. "
        "Submit the corrected document anew.",
        "ผู้มีอำนาจอนุมัติส่งคืนให้แก้ไข ดูข้อแก้ไขในผลการพิจารณา แล้วยื่นเอกสารที่แก้ไขใหม่",
    ),
    CaseState.WITHDRAWN: Reason(
        "approval_withdrawn",
        "It was withdrawn before it was approved.",
        "ผู้ยื่นถอนเอกสารก่อนได้รับอนุมัติ",
    ),
    CaseState.EXPIRED: Reason(
        "approval_expired",
        "Nobody approved it in time. Submit it anew if it is still wanted.",
        "ไม่มีการอนุมัติภายในกำหนด หากยังต้องการ โปรดยื่นใหม่",
    ),
}
