"""Verify what a bundle says of a document's approvals, offline (B7, C2).

How many officers had to approve is told by the signed records themselves; which records there are
by the signed evidence of the issue, and, where the file is at hand, by what is attached to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain import approval_verdict as told
from chalicelib.domain.approval_records import (
    ApprovalStatement,
    Approved,
    faults_of,
    read_policy,
    written_policy,
)
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.bundle_problems import Problem
from chalicelib.domain.bundle_verdict import DocumentFacts
from chalicelib.domain.errors import EvidenceSignatureError
from chalicelib.domain.presentation import APPROVAL_FILE
from chalicelib.domain.statements import Fields, jws_digest, write_digest
from chalicelib.services.bundle_trust import BundleTrust, as_text

PART = "approvals"


@dataclass(slots=True)
class ApprovalsFound:
    """What speaks against the approvals, and whether they were checked, or are not there."""

    problems: list[Problem] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def verify_approvals(
    bundle: Mapping[str, Any],
    facts: DocumentFacts,
    evidence: Mapping[str, Any] | None,
    *,
    trust: BundleTrust,
    pdf: bytes | None = None,
) -> ApprovalsFound:
    """Judge the approvals in the bundle of the document of `facts`. `evidence` is what the signed
    evidence of its issue says, if its signature holds. Raises nothing: any JSON has a verdict."""
    found = ApprovalsFound()
    expected = _named_by(evidence)
    attached = _attached(pdf, trust)
    said = bundle.get("approval")
    if said is None:
        if expected or attached:
            found.missing.append(PART)
            found.problems.append(told.NOT_THERE)
        return found
    try:
        records, policy = _read(said)
        at = datetime.fromisoformat(as_text(bundle["numbered_at"]))
        about = Approved(
            document_id=facts.document_id,
            document_type=facts.document_type,
            agency_id=facts.agency_id,
            content_digest=facts.content_digest,
            commitment=as_text(bundle["commitment"]),
            numbered_at=at,
        )
        statements = _statements(records, trust, found)
        faults = faults_of(statements, about, policy=policy) if statements is not None else ()
    except (KeyError, TypeError, ValueError):
        found.problems.append(told.NO_RECORD)
        return found
    found.problems += [told.PROBLEMS[fault] for fault in faults]
    digests = [write_digest(jws_digest(record)) for record in records]
    if expected is not None and digests != expected:
        found.problems.append(told.OTHER_RECORDS)
    if attached is not None and not _agrees(attached, digests, policy, facts):
        found.problems.append(told.OTHER_GIST)
    if statements is not None and not found.problems:
        found.checked.append(PART)
    return found


def _named_by(evidence: Mapping[str, Any] | None) -> list[Any] | None:
    """The digests of the records; empty where nobody had to approve, None if nothing says so."""
    if evidence is None:
        return None
    named = evidence.get("approvals", [])
    return named if isinstance(named, list) else [named]


def _attached(pdf: bytes | None, trust: BundleTrust) -> bytes | None:
    if pdf is None or trust.attached is None:
        return None
    return trust.attached(pdf, APPROVAL_FILE)


def _read(said: Any) -> tuple[list[str], ApprovalPolicy]:
    """Raises KeyError, TypeError, ValueError."""
    records = [as_text(record) for record in said["records"]]
    policy = said["policy"]
    if not isinstance(policy, dict):
        raise TypeError("a policy is an object")
    return records, read_policy(Fields(policy))


def _statements(
    records: Sequence[str], trust: BundleTrust, found: ApprovalsFound
) -> list[ApprovalStatement] | None:
    """What the records say under keys that are believed; None where none were given, or one is
    not signed by them. Raises StatementError."""
    if trust.jwks is None:
        found.missing.append(PART)
        return None
    try:
        payloads = [trust.check_jws(record, trust.jwks) for record in records]
    except EvidenceSignatureError:
        found.problems.append(told.NOT_SIGNED)
        return None
    return [ApprovalStatement.from_payload(payload) for payload in payloads]


def _agrees(
    attached: bytes, digests: Sequence[str], policy: ApprovalPolicy, facts: DocumentFacts
) -> bool:
    """Whether the file tells of the same approvals."""
    try:
        gist = json.loads(attached)
        named = [one["record_digest"] for one in gist["approvals"]]
        same = (gist["document_id"], gist["content_digest"], gist["policy"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return False
    content = write_digest(facts.content_digest)
    return named == list(digests) and same == (facts.document_id, content, written_policy(policy))
