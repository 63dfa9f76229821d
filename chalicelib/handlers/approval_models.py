"""Models of approvals: what officers decide, and what they are told."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from chalicelib.domain.approval_records import MOST_REASON, UsedAuthority, authority_used
from chalicelib.domain.approvals import (
    ApprovalCase,
    ApprovalDecision,
    ApprovalPolicy,
    CaseState,
    Choice,
    Method,
)
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import Classification, Document, DocumentState, Urgency
from chalicelib.domain.errors import ApprovalRefusedError, FieldFault, ForbiddenError, TraError
from chalicelib.domain.officers import AuthorityKind
from chalicelib.domain.persons import Officer
from chalicelib.handlers.factor_models import FactorShown
from chalicelib.handlers.models import TypeName, several
from chalicelib.services.approve import MOST_DECISIONS, Answer, Asked, Outcome

_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


# -- requests ------------------------------------------------------------------


class AskApprovals(_Strict):
    """Query of GET /v1/approvals."""

    type: TypeName | None = None
    limit: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|200)$")] = Field(
        default="50", description="1 to 200: at most so many are looked through for one page."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None


class _Decision(_Strict):
    decision: Literal["approve", "reject", "return"] = Field(
        description="`return` asks for a correction: the submitter sends another document."
    )
    content_digest: _Digest = Field(
        description="Of what was seen: GET …/approval and …/preview tell it. A decision on any "
        "other content has no effect."
    )
    reason: str | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_REASON,
        pattern=r"\S",
        description="One line; needed unless it is approved. It stands in the signed record, which "
        "the evidence bundle holds; of a classified document only a commitment to it does.",
    )
    authority_id: _Identifier | None = Field(
        default=None,
        description="The authority that is used (ปฏิบัติราชการแทน and so on), if not that of the own "
        "position: it is printed under the name.",
    )

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.decision != "approve" and self.reason is None:
            raise several([_REASON_MISSING])
        return self

    def asked_for(self, document_id: str) -> Asked:
        return Asked(
            document_id=document_id,
            content_digest=self.content_digest,
            choice=Choice(self.decision),
            reason=self.reason,
            authority_id=self.authority_id,
        )


class DecideDocument(_Decision, FactorShown):
    """An officer's decision on one document, with the second factor."""


class DecideOne(_Decision):
    """One decision of a list."""

    document_id: _Identifier

    @property
    def asked(self) -> Asked:
        return self.asked_for(self.document_id)


class DecideMany(FactorShown):
    """Decisions on a list of different documents, all with one second factor."""

    decisions: list[DecideOne] = Field(min_length=1, max_length=MOST_DECISIONS)

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if len({one.document_id for one in self.decisions}) != len(self.decisions):
            raise several([_TWICE])
        return self

    @property
    def asked(self) -> list[Asked]:
        return [one.asked for one in self.decisions]


class WithdrawDocument(_Strict):
    """Take a document back before it is approved. Says nothing else."""


_REASON_MISSING = FieldFault(
    "/reason",
    "missing",
    "Say why it is not approved.",
    "โปรดระบุเหตุผลที่ไม่อนุมัติ",
)
_TWICE = FieldFault(
    "/decisions",
    "document_twice",
    "Name each document once: an officer decides once on it.",
    "โปรดระบุเอกสารแต่ละฉบับเพียงครั้งเดียว",
)


# -- answers -------------------------------------------------------------------


class PolicyView(_Answer):
    approvers: int = Field(description="So many different officers have to approve.")
    agency_id: str = Field(description="Whose officers decide: the issuer's, or a central one's.")
    own_submission: bool = Field(description="Whether who submitted it may approve it.")

    @classmethod
    def of(cls, policy: ApprovalPolicy, issuer: str) -> Self:
        return cls(
            approvers=policy.approvers,
            agency_id=policy.agency_of(issuer),
            own_submission=policy.own_submission,
        )


class UsedAuthorityView(_Answer):
    authority_id: str
    kind: AuthorityKind
    words: str = Field(description="As printed, such as ปฏิบัติราชการแทน.")
    position_th: str
    order: str = Field(description="The instrument that gave it (คำสั่งที่).")

    @classmethod
    def of(cls, used: UsedAuthority) -> Self:
        return cls(
            authority_id=used.authority_id,
            kind=used.kind,
            words=used.kind.words,
            position_th=used.position_th,
            order=used.order,
        )


class DecisionView(_Answer):
    """One decision, as its signed record says it."""

    decision: Choice
    content_digest: str
    by: str = Field(description="Subject of the officer.")
    agency_id: str
    name_th: str
    position_th: str
    appointment_id: str
    authority: UsedAuthorityView | None
    method: Method = Field(description="The second factor that was used.")
    decided_at: datetime
    reason: str | None
    record: str | None = Field(description="The signed statement (compact JWS, ES256).")

    @classmethod
    def of(cls, decision: ApprovalDecision) -> Self:
        used = authority_used(decision)
        return cls(
            decision=decision.choice,
            content_digest=decision.content_digest,
            by=decision.by,
            agency_id=decision.agency_id,
            name_th=decision.name_th,
            position_th=decision.position_th,
            appointment_id=decision.appointment_id,
            authority=UsedAuthorityView.of(used) if used else None,
            method=decision.method,
            decided_at=decision.at,
            reason=decision.reason,
            record=decision.record,
        )


class ApprovalView(_Answer):
    """A document on its way through its approvals."""

    document_id: str
    document_type: str
    agency_id: str
    state: DocumentState
    case: CaseState
    classification: Classification
    urgency: Urgency
    recipients: list[str] = Field(description="Who gets it, or is told, once it is issued.")
    supersedes: str | None = Field(description="Id of the document that it takes the place of.")
    content_digest: str
    policy: PolicyView
    submitted_by: str
    opened_at: datetime
    expires_at: datetime = Field(description="Not decided by then, it ends as rejected.")
    decisions: list[DecisionView]
    links: dict[str, str]

    @classmethod
    def of(cls, document: Document, case: ApprovalCase, public_url: str) -> Self:
        base = f"{public_url}/v1/documents/{document.document_id}"
        return cls(
            document_id=document.document_id,
            document_type=document.document_type,
            agency_id=document.agency_id,
            state=document.state,
            case=case.state,
            classification=document.classification,
            urgency=document.urgency,
            recipients=list(document.recipients),
            supersedes=document.supersedes,
            content_digest=case.content_digest,
            policy=PolicyView.of(case.policy, case.issuer),
            submitted_by=case.submitted_by,
            opened_at=case.opened_at,
            expires_at=case.expires_at,
            decisions=[DecisionView.of(one) for one in case.decisions],
            links={
                "self": f"{base}/approval",
                "document": base,
                "preview": f"{base}/preview",
                "decide": f"{base}/approvals",
            },
        )


class AwaitingView(_Answer):
    """A document that this agency's officers have to decide on."""

    document_id: str
    document_type: str
    title_th: str = Field(description="Of its type.")
    subject: str = Field(description="As it will stand in the register (เรื่อง).")
    agency_id: str = Field(description="Who issues it.")
    classification: Classification
    urgency: Urgency
    recipients: int = Field(description="How many; GET …/approval names them.")
    content_digest: str
    submitted_by: str
    opened_at: datetime
    expires_at: datetime
    approvers: int
    approvals: int = Field(description="So many were given.")
    decided_by_you: bool
    links: dict[str, str]

    @classmethod
    def of(
        cls,
        document: Document,
        case: ApprovalCase,
        kind: DocumentType | None,
        caller: Officer,
        public_url: str,
    ) -> Self:
        base = f"{public_url}/v1/documents/{document.document_id}"
        return cls(
            document_id=document.document_id,
            document_type=document.document_type,
            title_th=kind.title_th if kind else document.document_type,
            subject=kind.subject_of(document.content) if kind else "",
            agency_id=document.agency_id,
            classification=document.classification,
            urgency=document.urgency,
            recipients=len(document.recipients),
            content_digest=case.content_digest,
            submitted_by=case.submitted_by,
            opened_at=case.opened_at,
            expires_at=case.expires_at,
            approvers=case.policy.approvers,
            approvals=len(case.approvals),
            decided_by_you=any((d.agency_id, d.by) == caller for d in case.decisions),
            links={"approval": f"{base}/approval", "preview": f"{base}/preview"},
        )


class AwaitingPage(_Answer):
    items: list[AwaitingView] = Field(description="The one that waits longest first.")
    cursor: str | None = Field(description="Pass it on for the next page; null at the end.")


class RefusalView(_Answer):
    code: str
    reason: str | None = Field(description="A stable word: what is in the way.")
    pointer: str | None = Field(description="The member of the request (RFC 6901), if one is.")
    detail: str

    @classmethod
    def of(cls, error: TraError, place: int, *, thai: bool) -> Self:
        reason = error.reason if isinstance(error, ApprovalRefusedError | ForbiddenError) else None
        field = error.field if isinstance(error, ApprovalRefusedError) else ""
        at = f"/decisions/{place}"
        return cls(
            code=error.code,
            reason=reason,
            pointer=f"{at}/{field}" if field else at,
            detail=error.detail_th if thai else error.detail,
        )


class DecisionResult(_Answer):
    """What came of one decision of a list."""

    document_id: str
    outcome: Outcome
    state: DocumentState | None = Field(description="Of the document, as it was just then.")
    error: RefusalView | None

    @classmethod
    def of(cls, answer: Answer, place: int, *, thai: bool) -> Self:
        error = answer.error
        return cls(
            document_id=answer.asked.document_id,
            outcome=answer.outcome,
            state=answer.document.state if answer.document else None,
            error=RefusalView.of(error, place, thai=thai) if error else None,
        )


class ListDecided(_Answer):
    """What came of a list, in its order. `left`: so many were not come to in time; send the same
    request with the same code again, within the hour."""

    results: list[DecisionResult]
    decided: int
    already_so: int
    refused: int
    left: int

    @classmethod
    def of(cls, answers: Sequence[Answer], *, thai: bool) -> Self:
        outcomes = [answer.outcome for answer in answers]
        return cls(
            results=[DecisionResult.of(a, n, thai=thai) for n, a in enumerate(answers)],
            decided=outcomes.count(Outcome.DECIDED),
            already_so=outcomes.count(Outcome.ALREADY),
            refused=outcomes.count(Outcome.REFUSED),
            left=outcomes.count(Outcome.NOT_YET),
        )


class PreviewedDocument(_Answer):
    """What an approver is to see, for clients that do not ask for application/pdf."""

    document_id: str
    content_digest: str
    pages: int
    media_type: Literal["application/pdf"] = "application/pdf"
    preview_base64: str = Field(description="The watermarked PDF, base64.")

    @classmethod
    def of(cls, document: Document, pdf: bytes, pages: int) -> Self:
        return cls(
            document_id=document.document_id,
            content_digest=document.content_digest,
            pages=pages,
            preview_base64=base64.b64encode(pdf).decode(),
        )
