"""Approval records: the signed statement of one decision on exactly one content (B7, C2, C6).

A record is canonical JSON under the service's evidence key (compact JWS). It says who decided
what, in which position, by which appointment and with whose authority, with which use of the
second factor, when, and on which content digest; nothing of the content itself. Of a classified
document it has neither type nor digest, which somebody could guess the content by, nor the
officer's words: it binds content and words under the document's salt (A13).

What is printed under a document and attached to it is made from the records in its case alone,
so that rendering again gives the same bytes (P2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeVar

from chalicelib.domain.approvals import (
    ApprovalCase,
    ApprovalDecision,
    ApprovalPolicy,
    Choice,
    Method,
)
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import Document
from chalicelib.domain.officers import Appointment, Authority, AuthorityKind, printed_lines
from chalicelib.domain.persons import Officer
from chalicelib.domain.statements import (
    Fields,
    StatementError,
    claimed_payload,
    jws_digest,
    read_statement,
    to_the_millisecond,
    write_digest,
    write_instant,
)
from chalicelib.domain.tlog import commit

APPROVAL = "tra.approval.v1"
GIST = "tra.approval-gist.v1"

MOST_REASON = 500
"""Characters of an officer's own words."""

_MOST_ID = 64
_MOST_SUBJECT = 255
_MOST_NAME = 200
_MOST_USE = 300
_MOST_URL = 200

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedAuthority:
    """Whose authority an officer used: as `officers.Authority` had it at that moment."""

    authority_id: str
    kind: AuthorityKind
    position_th: str
    order: str

    @classmethod
    def of(cls, authority: Authority) -> UsedAuthority:
        return cls(
            authority_id=authority.authority_id,
            kind=authority.kind,
            position_th=authority.position_th,
            order=authority.order,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStatement:
    """What a record says. `number` is the decision's place in its case, from 1; `agency_id` the
    document's, `officer` who decided; `order` the instrument that appointed the officer.
    `policy` is what the case demanded. Digests are hex. Of a classified document
    `content_commitment` and `reason_commitment` stand in the place of digest and reason, and
    `document_type` is no type."""

    issuer_url: str
    document_id: str
    document_type: str
    agency_id: str
    content_digest: str | None
    content_commitment: str | None
    policy: ApprovalPolicy
    number: int
    choice: Choice
    reason: str | None
    reason_commitment: str | None
    officer: Officer
    name_th: str
    position_th: str
    appointment_id: str
    order: str
    authority: UsedAuthority | None
    method: Method
    factor_use: str
    at: datetime

    def payload(self) -> bytes:
        """Canonical JSON, to be signed."""
        return canonical_json(
            {"iss": self.issuer_url, "type": APPROVAL, **self._about(), **self._decision()}
        )

    def _about(self) -> dict[str, Any]:
        return {
            "document_id": self.document_id,
            "document_type": self.document_type,
            "agency_id": self.agency_id,
            "content_digest": _written_or_none(self.content_digest),
            "content_commitment": _written_or_none(self.content_commitment),
            "policy": written_policy(self.policy),
        }

    def _decision(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "decision": self.choice.value,
            "reason": self.reason,
            "reason_commitment": _written_or_none(self.reason_commitment),
            "who": {
                "agency_id": self.officer.agency_id,
                "subject": self.officer.subject,
                "name_th": self.name_th,
                "position_th": self.position_th,
            },
            "appointment": {"appointment_id": self.appointment_id, "order": self.order},
            "authority": _written_authority(self.authority),
            "method": self.method.value,
            "factor_use": self.factor_use,
            "decided_at": write_instant(self.at),
        }

    @classmethod
    def from_payload(cls, payload: bytes) -> ApprovalStatement:
        """Strictly: what is not spelled as `payload` spells it is no record. Raises
        StatementError."""
        told = _read(read_statement(payload, APPROVAL))
        if told.payload() != payload:
            raise StatementError("")
        return told


def statement_of(
    document: Document,
    decision: ApprovalDecision,
    *,
    appointment: Appointment,
    authority: Authority | None,
    public_url: str,
) -> ApprovalStatement:
    """The statement of a decision that is about to be made, as the next in its case. Raises
    ValueError for a document that nobody has to approve."""
    case = document.approval
    if case is None:
        raise ValueError("nobody has to approve this")
    words = decision.reason
    secret = document.is_classified
    return ApprovalStatement(
        issuer_url=public_url,
        document_id=document.document_id,
        document_type=document.public_type,
        agency_id=document.agency_id,
        content_digest=None if secret else decision.content_digest,
        content_commitment=document.commitment if secret else None,
        policy=demanded(case.policy),
        number=len(case.decisions) + 1,
        choice=decision.choice,
        reason=None if secret else words,
        reason_commitment=commit_to_words(words, document.salt) if secret and words else None,
        officer=Officer(decision.agency_id, decision.by),
        name_th=decision.name_th,
        position_th=decision.position_th,
        appointment_id=decision.appointment_id,
        order=appointment.order,
        authority=UsedAuthority.of(authority) if authority else None,
        method=decision.method,
        factor_use=decision.factor_use,
        at=to_the_millisecond(decision.at),
    )


def commit_to_words(words: str, salt: str) -> str:
    """Hex; binds an officer's words and shows nothing of them. `salt` is the document's."""
    return commit(bytes.fromhex(salt), sha256(words.encode()).hexdigest())


def record_key(document_id: str, number: int) -> str:
    """Where the record of the `number`-th decision lies in the archive."""
    return f"{records_prefix(document_id)}{number}.jws"


def records_prefix(document_id: str) -> str:
    return f"approvals/{document_id}/"


def statement_in(decision: ApprovalDecision) -> ApprovalStatement | None:
    """What the record of a decision says, whose signature is not looked at; None without record.
    Raises StatementError for what is no record."""
    if decision.record is None:
        return None
    return ApprovalStatement.from_payload(claimed_payload(decision.record))


def authority_used(decision: ApprovalDecision) -> UsedAuthority | None:
    """Whose authority was used, as the record has it. Raises StatementError."""
    told = statement_in(decision)
    return told.authority if told else None


def lines_under(decision: ApprovalDecision) -> tuple[str, ...]:
    """What stands under the signature of who decided. Raises StatementError."""
    used = authority_used(decision)
    acting = (used.kind, used.position_th) if used else None
    return printed_lines(decision.name_th, decision.position_th, acting)


def record_digests(case: ApprovalCase) -> list[str]:
    """What other evidence names the records by, in order."""
    return [write_digest(jws_digest(d.record)) for d in case.decisions if d.record is not None]


def gist_of(case: ApprovalCase) -> bytes:
    """What is attached to the document: who approved it, in which position and with whose
    authority, how, when, and exactly what; and how many had to. Canonical JSON. Raises
    StatementError."""
    return canonical_json(
        {
            "type": GIST,
            "document_id": case.document_id,
            "agency_id": case.issuer,
            "content_digest": write_digest(case.content_digest),
            "policy": written_policy(case.policy),
            "approvals": [_gist(one) for one in case.decisions],
        }
    )


def _gist(decision: ApprovalDecision) -> dict[str, Any]:
    record = decision.record
    return {
        "decision": decision.choice.value,
        "agency_id": decision.agency_id,
        "name_th": decision.name_th,
        "position_th": decision.position_th,
        "authority": _written_authority(authority_used(decision)),
        "method": decision.method.value,
        "decided_at": write_instant(decision.at),
        "record_digest": write_digest(jws_digest(record)) if record else None,
    }


def demanded(policy: ApprovalPolicy) -> ApprovalPolicy:
    """What of a policy says how many officers of which agency approve; the rest is of no concern
    to who holds the record."""
    return ApprovalPolicy(
        approvers=policy.approvers,
        central=policy.central,
        own_submission=policy.own_submission,
    )


def written_policy(policy: ApprovalPolicy) -> dict[str, Any]:
    """As records and bundles spell it."""
    return {
        "approvers": policy.approvers,
        "central": policy.central,
        "own_submission": policy.own_submission,
    }


def _written_or_none(digest: str | None) -> str | None:
    return None if digest is None else write_digest(digest)


def _written_authority(used: UsedAuthority | None) -> dict[str, str] | None:
    if used is None:
        return None
    return {
        "authority_id": used.authority_id,
        "kind": used.kind.value,
        "position_th": used.position_th,
        "order": used.order,
    }


# -- reading -------------------------------------------------------------------


def _read(fields: Fields) -> ApprovalStatement:
    who, appointment = fields.object("who"), fields.object("appointment")
    return ApprovalStatement(
        issuer_url=fields.text("iss", _MOST_URL),
        document_id=fields.text("document_id", _MOST_ID),
        document_type=fields.text("document_type", _MOST_ID),
        agency_id=fields.text("agency_id", _MOST_ID),
        content_digest=fields.digest_or_none("content_digest"),
        content_commitment=fields.digest_or_none("content_commitment"),
        policy=read_policy(fields.object("policy")),
        number=fields.count("number"),
        choice=_word(Choice, fields, "decision"),
        reason=fields.text_or_none("reason", MOST_REASON),
        reason_commitment=fields.digest_or_none("reason_commitment"),
        officer=Officer(who.text("agency_id", _MOST_ID), who.text("subject", _MOST_SUBJECT)),
        name_th=who.text("name_th", _MOST_NAME),
        position_th=who.text("position_th", _MOST_NAME),
        appointment_id=appointment.text("appointment_id", _MOST_ID),
        order=appointment.text("order", _MOST_NAME),
        authority=_read_authority(fields.object_or_none("authority")),
        method=_word(Method, fields, "method"),
        factor_use=fields.text("factor_use", _MOST_USE),
        at=fields.instant("decided_at"),
    )


def read_policy(fields: Fields) -> ApprovalPolicy:
    """As `written_policy` spells it. Raises StatementError."""
    own = fields.truth("own_submission")
    try:
        return ApprovalPolicy(
            approvers=fields.count("approvers", least=0),
            central=fields.text_or_none("central", _MOST_ID),
            own_submission=own,
        )
    except ValueError as error:
        raise StatementError("policy") from error


def _read_authority(fields: Fields | None) -> UsedAuthority | None:
    if fields is None:
        return None
    return UsedAuthority(
        authority_id=fields.text("authority_id", _MOST_ID),
        kind=_word(AuthorityKind, fields, "kind"),
        position_th=fields.text("position_th", _MOST_NAME),
        order=fields.text("order", _MOST_NAME),
    )


def _word(kind: type[_Word], fields: Fields, name: str) -> _Word:
    try:
        return kind(fields.text(name, 40))
    except StatementError:
        raise
    except ValueError as error:
        raise StatementError(name) from error


# -- judging -------------------------------------------------------------------


class RecordFault(StrEnum):
    """What can be wrong with the records of a document that has a number; the values are stable."""

    OTHER_DOCUMENT = "approval_of_other_document"
    OUT_OF_ORDER = "approval_out_of_order"
    NOT_APPROVED = "approval_not_given"
    OTHER_AGENCY = "approval_of_other_agency"
    TOO_FEW = "approval_missing"
    TOO_LATE = "approval_after_numbering"
    OTHER_POLICY = "approval_policy_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What records have to be about; `document_type` as bundles tell it."""

    document_id: str
    document_type: str
    agency_id: str
    content_digest: str
    commitment: str
    numbered_at: datetime


def faults_of(
    told: Sequence[ApprovalStatement], about: Approved, *, policy: ApprovalPolicy | None = None
) -> tuple[RecordFault, ...]:
    """What is wrong with all records of a document together, each fault once. `policy` is what
    is known of it besides; without, the records' own counts. Raises nothing."""
    wanted = demanded(policy or (told[0].policy if told else ApprovalPolicy()))
    agency = wanted.agency_of(about.agency_id)
    checks = {
        RecordFault.OTHER_DOCUMENT: any(not _is_about(one, about) for one in told),
        RecordFault.OUT_OF_ORDER: [one.number for one in told] != list(range(1, len(told) + 1)),
        RecordFault.NOT_APPROVED: any(one.choice is not Choice.APPROVE for one in told),
        RecordFault.OTHER_AGENCY: any(one.officer.agency_id != agency for one in told),
        RecordFault.TOO_FEW: len({one.officer for one in told}) < wanted.approvers,
        RecordFault.TOO_LATE: any(one.at > about.numbered_at for one in told),
        RecordFault.OTHER_POLICY: any(one.policy != wanted for one in told),
    }
    return tuple(fault for fault, wrong in checks.items() if wrong)


def _is_about(told: ApprovalStatement, about: Approved) -> bool:
    same_document = (told.document_id, told.document_type, told.agency_id) == (
        about.document_id,
        about.document_type,
        about.agency_id,
    )
    said = (told.content_digest, told.content_commitment)
    return same_document and said in {(about.content_digest, None), (None, about.commitment)}
