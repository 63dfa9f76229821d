"""What is signed of a decision, what is printed and attached of it, and how it is read and judged
(B7, C2, C6)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.approval_records import (
    ApprovalStatement,
    Approved,
    RecordFault,
    UsedAuthority,
    commit_to_words,
    faults_of,
    gist_of,
    lines_under,
    record_digests,
    record_key,
    statement_of,
)
from chalicelib.domain.approvals import ApprovalPolicy, Choice
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import Classification, Document
from chalicelib.domain.persons import Officer
from chalicelib.domain.statements import StatementError, claimed_payload, jws_digest
from tests.support.approved import approved, approver, decided, delegated, told, with_case
from tests.support.samples import NOON, document

AT = NOON + timedelta(hours=1, microseconds=123456)


def two_approved(**changes: Any) -> Document:
    officer = approver(at=AT)
    waiting = replace(document(), **changes)
    return approved(
        waiting, [approver("first", at=AT), officer], at=AT, authority=delegated(officer)
    )


def about(of: Document) -> Approved:
    return Approved(
        document_id=of.document_id,
        document_type=of.public_type,
        agency_id=of.agency_id,
        content_digest=of.content_digest,
        commitment=of.commitment,
        numbered_at=AT + timedelta(minutes=1),
    )


def test_a_record_says_what_a_decision_is() -> None:
    """B7, C2: who, position, appointment, authority, method, use, time, exactly which content; the
    same when it is read back."""
    document_ = two_approved()
    first, last = told(document_)
    assert last.officer == Officer("diw", "approver-1")
    assert last.content_digest == document_.content_digest
    assert last.authority == UsedAuthority.of(delegated(approver(at=AT)))
    assert (first.number, last.number) == (1, 2)
    assert last.at == datetime(2026, 11, 21, 6, 0, 0, 123000, tzinfo=UTC)
    assert ApprovalStatement.from_payload(last.payload()) == last
    assert b"decided_at" in last.payload()


def test_a_record_holds_nothing_of_the_content() -> None:
    """A13: whatever is in the content, nothing of it is in the record."""
    words = "คำที่ไม่มีที่อื่น"
    for one in told(two_approved(content={"holder": {"name": words}})):
        assert words.encode() not in one.payload()


def test_of_a_secret_nothing_can_be_guessed() -> None:
    """A13: no type, no digest and no words of a classified document; what is there binds them."""
    secret = with_case(
        replace(document(), classification=Classification.SECRET), ApprovalPolicy(approvers=1)
    )
    officer = approver(at=AT)
    rejected = decided(secret, officer, at=AT, choice=Choice.REJECT, reason="ชื่อผิด")
    [record] = told(rejected)
    payload = record.payload().decode()
    assert secret.content_digest not in payload
    assert "licence" not in payload
    assert "ชื่อผิด" not in payload
    assert record.content_commitment == secret.commitment
    assert record.reason_commitment == commit_to_words("ชื่อผิด", secret.salt)


def _changed(payload: bytes, **changes: Any) -> bytes:
    return canonical_json({**json.loads(payload), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "tra.receipt.v1"},
        {"decision": "maybe"},
        {"content_digest": "sha-256:00"},
        {"content_digest": 1},
        {"number": 0},
        {"number": True},
        {"decided_at": "2026-11-21"},
        {"decided_at": "2026-11-21T06:00:00Z"},
        {"who": None},
        {"who": {"subject": "x"}},
        {"appointment": "A1"},
        {"authority": {"kind": "delegated"}},
        {"policy": {"approvers": 7, "central": None, "own_submission": False}},
        {"policy": {"approvers": 1, "central": None, "own_submission": "no"}},
        {"method": "fingerprint"},
        {"reason": "two\nlines"},
        {"more": 1},
    ],
)
def test_what_is_no_record_is_not_read(changes: dict[str, Any]) -> None:
    """Bad input: read strictly, and only in the one spelling that is signed."""
    [_, last] = told(two_approved())
    with pytest.raises(StatementError):
        ApprovalStatement.from_payload(_changed(last.payload(), **changes))
    spaced = json.dumps(json.loads(last.payload()), ensure_ascii=False).encode()
    with pytest.raises(StatementError):
        ApprovalStatement.from_payload(spaced)


def test_good_records_have_no_fault() -> None:
    """C2: two different officers, before numbering; of a classified document too."""
    for classification in (Classification.NORMAL, Classification.SECRET):
        document_ = two_approved(classification=classification)
        assert document_.approval is not None
        policy = document_.approval.policy
        assert faults_of(told(document_), about(document_), policy=policy) == ()


def test_each_fault_is_found_alone() -> None:
    """C2: every way in which records do not approve a document has its own word."""
    document_ = two_approved()
    one, two = told(document_)
    central = ApprovalPolicy(approvers=2, central="opdc")
    cases = {
        RecordFault.OTHER_DOCUMENT: [one, replace(two, document_id="D2")],
        RecordFault.OUT_OF_ORDER: [two, one],
        RecordFault.NOT_APPROVED: [one, replace(two, choice=Choice.REJECT, reason="x")],
        RecordFault.OTHER_AGENCY: [one, replace(two, officer=Officer("dbd", "x"))],
        RecordFault.TOO_FEW: [one],
        RecordFault.TOO_LATE: [one, replace(two, at=AT + timedelta(hours=1))],
        RecordFault.OTHER_POLICY: [one, replace(two, policy=central)],
    }
    for fault, records in cases.items():
        assert faults_of(records, about(document_)) == (fault,), fault
    assert faults_of([one, replace(two, officer=one.officer)], about(document_)) == (
        RecordFault.TOO_FEW,
    )
    for digest in ("0" * 64, None):
        other = [one, replace(two, content_digest=digest)]
        assert faults_of(other, about(document_)) == (RecordFault.OTHER_DOCUMENT,)
    assert set(cases) == set(RecordFault)


def test_none_approve_where_some_have_to() -> None:
    """C2: no record at all is a fault where the policy is known."""
    document_ = two_approved()
    assert faults_of([], about(document_), policy=ApprovalPolicy(approvers=1)) == (
        RecordFault.TOO_FEW,
    )
    assert faults_of([], about(document_)) == ()


def test_the_lines_under_a_document_are_the_regulations() -> None:
    """Item 1: name in parentheses, position, and whose authority was used (Saraban regulation)."""
    document_ = two_approved()
    assert document_.approval is not None
    first, last = document_.approval.decisions
    assert lines_under(first) == ("(นายพรชัย ใจซื่อ)", "ผู้อำนวยการสำนักโรงงานอุตสาหกรรม")
    assert lines_under(last)[2:] == ("ปฏิบัติราชการแทน อธิบดีกรมโรงงานอุตสาหกรรม",)
    assert lines_under(replace(last, record=None)) == lines_under(last)[:2]


def test_the_gist_names_the_records() -> None:
    """C2: what is attached to a file says how many had to approve and who did, names each record by
    its digest, and is the same bytes each time."""
    document_ = two_approved()
    assert document_.approval is not None
    case = document_.approval
    gist = json.loads(gist_of(case))
    assert gist_of(case) == gist_of(replace(case)) == canonical_json(gist)
    assert gist["policy"] == {"approvers": 2, "central": None, "own_submission": False}
    digests = [f"sha-256:{jws_digest(str(d.record))}" for d in case.decisions]
    assert [one["record_digest"] for one in gist["approvals"]] == digests == record_digests(case)
    assert gist["approvals"][1]["authority"]["kind"] == "delegated"


def test_a_statement_is_of_a_document_with_a_case() -> None:
    """B7: nothing is signed where nobody has to approve."""
    document_ = two_approved()
    assert document_.approval is not None
    with pytest.raises(ValueError, match="nobody has to"):
        statement_of(
            document(),
            document_.approval.decisions[0],
            appointment=approver(at=AT),
            authority=None,
            public_url="https://tra.test",
        )


def test_records_lie_under_their_document() -> None:
    """Contract: one key per decision, fixed before it is written."""
    assert record_key("D1", 2) == "approvals/D1/2.jws"


def test_the_payload_is_what_is_signed() -> None:
    """C2: the record is a compact JWS over exactly these bytes."""
    document_ = two_approved()
    assert document_.approval is not None
    for decision, one in zip(document_.approval.decisions, told(document_), strict=True):
        assert claimed_payload(str(decision.record)) == one.payload()
