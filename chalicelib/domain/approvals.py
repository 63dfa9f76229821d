"""Approvals: officers decide, with a second factor, on exactly the content they saw (B7, C2, C6).

`decide` is the only way a case changes, and it is total: a next case, "already so", or "refused"
with a stable word. It knows no clock and looks nobody up: the decision tells what the officer was
at that moment, and whoever makes it has checked that (`domain/officers.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.domain.documents import Classification  # which holds cases itself


MOST_OPEN_DAYS = 365
"""What nobody decided on in a year, nobody will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """How many different officers approve a type's documents (0, 1 or 2). `central` is an agency
    whose approvers decide for several (6.1.1(2) of the proposal); None: the issuer's own.
    `own_submission`: whether an officer may approve what the same officer submitted.
    `open_days`: so long officers may decide; then the document ends (P4)."""

    approvers: int = 0
    central: str | None = None
    own_submission: bool = False
    open_days: int = 30

    def __post_init__(self) -> None:
        if self.approvers not in {0, 1, 2}:
            raise ValueError("none, one or two officers approve")
        if not 1 <= self.open_days <= MOST_OPEN_DAYS:
            raise ValueError(f"a case stays open for 1 to {MOST_OPEN_DAYS} days")

    def at_least(self, demanded: ApprovalPolicy) -> ApprovalPolicy:
        """This policy, but by no fewer officers, by no others, and no more freely than what is
        demanded. Where nobody is demanded, it is as it is."""
        if not demanded.approvers:
            return self
        return replace(
            self,
            approvers=max(self.approvers, demanded.approvers),
            central=demanded.central or self.central,
            own_submission=self.own_submission and demanded.own_submission,
        )

    def agency_of(self, issuer: str) -> str:
        """Whose approvers decide."""
        return self.central or issuer


class Choice(StrEnum):
    """What an officer decides. `return` asks for a correction: the submitter sends another
    document in place of this one."""

    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"


class Method(StrEnum):
    """The second factor that was shown."""

    TOTP = "totp"
    WEBAUTHN = "webauthn"
    RECOVERY_CODE = "recovery_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDecision:
    """Who decided what, with what authority, when and how, on which content (hex SHA-256).

    `factor_use` names the one use of the second factor (a TOTP step, an assertion's counter);
    a code that approves a list is one use for all of the list. `record` is the signed statement
    of this decision (compact JWS), the same bytes for ever (C2).
    """

    choice: Choice
    content_digest: str
    by: str
    agency_id: str
    appointment_id: str
    authority_id: str | None = None
    name_th: str
    position_th: str
    method: Method
    factor_use: str
    at: datetime
    reason: str | None = None
    record: str | None = None

    def __post_init__(self) -> None:
        if self.choice is not Choice.APPROVE and not self.reason:
            raise ValueError("who does not approve says why")


class CaseState(StrEnum):
    """pending → approved; or pending → rejected, returned, withdrawn, expired. Only an approved
    document gets a number."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        return self is not CaseState.PENDING


_ENDS = {Choice.REJECT: CaseState.REJECTED, Choice.RETURN: CaseState.RETURNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCase:
    """One document on its way through its approvals. `content_digest` is what was submitted, and
    what every decision names: nothing can change between seeing and approving."""

    document_id: str
    issuer: str
    content_digest: str
    classification: Classification
    policy: ApprovalPolicy
    submitted_by: str
    opened_at: datetime
    expires_at: datetime
    state: CaseState = CaseState.PENDING
    decisions: tuple[ApprovalDecision, ...] = ()
    withdrawn_by: str | None = None

    @property
    def approvals(self) -> tuple[ApprovalDecision, ...]:
        return tuple(d for d in self.decisions if d.choice is Choice.APPROVE)

    @property
    def missing(self) -> int:
        """How many more officers have to approve; none once it is decided."""
        if self.state.ended:
            return 0
        return max(0, self.policy.approvers - len(self.approvals))

    def is_complete_for(self, content_digest: str) -> bool:
        """Whether this content may get a number. `number` asks again, of what it numbers: not the
        state is believed but the decisions are counted."""
        officers = {
            decision.by for decision in self.approvals if decision.content_digest == content_digest
        }
        enough = len(officers) >= self.policy.approvers
        unopposed = len(self.approvals) == len(self.decisions)
        undisturbed = self.state in {CaseState.PENDING, CaseState.APPROVED}
        return enough and unopposed and undisturbed and self.content_digest == content_digest


def open_case(
    *,
    document_id: str,
    issuer: str,
    content_digest: str,
    classification: Classification,
    policy: ApprovalPolicy,
    submitted_by: str,
    at: datetime,
    expires_at: datetime,
) -> ApprovalCase:
    """A document before anybody decided; approved at once where nobody has to."""
    return ApprovalCase(
        document_id=document_id,
        issuer=issuer,
        content_digest=content_digest,
        classification=classification,
        policy=policy,
        submitted_by=submitted_by,
        opened_at=at,
        expires_at=expires_at,
        state=CaseState.PENDING if policy.approvers else CaseState.APPROVED,
    )


class Why(StrEnum):
    """Why a decision does nothing; stable words, told to who made it."""

    OTHER_CONTENT = "other_content"
    OTHER_AGENCY = "other_agency"
    OWN_SUBMISSION = "own_submission"
    DECIDED_OTHERWISE = "decided_otherwise"
    ENDED = "approval_ended"
    EXPIRED = "approval_expired"


@dataclass(frozen=True, slots=True)
class Decided:
    """The case as it is next."""

    case: ApprovalCase


@dataclass(frozen=True, slots=True)
class AlreadySo:
    """This officer said the same before: what stands, stands."""

    case: ApprovalCase


@dataclass(frozen=True, slots=True)
class NotDecided:
    """Nothing changes."""

    case: ApprovalCase
    why: Why


Result = Decided | AlreadySo | NotDecided


def decide(case: ApprovalCase, decision: ApprovalDecision) -> Result:
    """What an officer's decision does to a case.

    Raises nothing. Guarantees: an ended case stays as it is; no officer counts twice; no decision
    on other content, nor of another agency's officers, has any effect.
    """
    said = next((d for d in case.decisions if d.by == decision.by), None)
    if said is not None and _is_about(case, decision) is None and said.choice is decision.choice:
        return AlreadySo(case)
    why = _is_about(case, decision) or _why_not(case, decision, said)
    if why is not None:
        return NotDecided(case, why)
    heard = replace(case, decisions=(*case.decisions, decision))
    if decision.choice is not Choice.APPROVE:
        return Decided(replace(heard, state=_ENDS[decision.choice]))
    if heard.is_complete_for(case.content_digest):
        return Decided(replace(heard, state=CaseState.APPROVED))
    return Decided(heard)


def _is_about(case: ApprovalCase, decision: ApprovalDecision) -> Why | None:
    """Why a decision is none about this case."""
    if decision.agency_id != case.policy.agency_of(case.issuer):
        return Why.OTHER_AGENCY
    return Why.OTHER_CONTENT if decision.content_digest != case.content_digest else None


def _why_not(
    case: ApprovalCase, decision: ApprovalDecision, said: ApprovalDecision | None
) -> Why | None:
    if said is not None:
        return Why.DECIDED_OTHERWISE
    if case.state.ended:
        return Why.ENDED
    if decision.at >= case.expires_at:
        return Why.EXPIRED
    # Issuers of two agencies may call two people the same.
    own = (decision.agency_id, decision.by) == (case.issuer, case.submitted_by)
    return Why.OWN_SUBMISSION if own and not case.policy.own_submission else None


def withdraw(case: ApprovalCase, by: str) -> Result:
    """The submitter, or `by` in the submitter's place, takes it back before it is decided."""
    if case.state is CaseState.WITHDRAWN:
        return AlreadySo(case)
    if case.state.ended:
        return NotDecided(case, Why.ENDED)
    return Decided(replace(case, state=CaseState.WITHDRAWN, withdrawn_by=by))


def expire(case: ApprovalCase, at: datetime) -> Result:
    """Nobody decided in time (P4: it ends, and its owner can read why)."""
    if case.state is CaseState.EXPIRED:
        return AlreadySo(case)
    if case.state.ended or at < case.expires_at:
        return NotDecided(case, Why.ENDED)
    return Decided(replace(case, state=CaseState.EXPIRED))
