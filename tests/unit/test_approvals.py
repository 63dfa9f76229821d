"""Approvals: who decided what, on exactly which content (B7, C2, C6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.approvals import (
    AlreadySo,
    ApprovalCase,
    ApprovalDecision,
    ApprovalPolicy,
    CaseState,
    Choice,
    Decided,
    Method,
    NotDecided,
    Result,
    Why,
    decide,
    expire,
    open_case,
    withdraw,
)
from chalicelib.domain.documents import Classification

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SEEN, OTHER = "a1" * 32, "b2" * 32
WRITER = "clerk-1"


def _case(approvers: int = 1, *, central: str | None = None, own: bool = False) -> ApprovalCase:
    return open_case(
        document_id="D1",
        issuer="diw",
        content_digest=SEEN,
        classification=Classification.NORMAL,
        policy=ApprovalPolicy(approvers=approvers, central=central, own_submission=own),
        submitted_by=WRITER,
        at=NOON,
        expires_at=NOON + timedelta(days=7),
    )


def _decision(
    by: str = "head-1",
    choice: Choice = Choice.APPROVE,
    digest: str = SEEN,
    agency: str = "diw",
    hours: float = 1,
) -> ApprovalDecision:
    return ApprovalDecision(
        choice=choice,
        content_digest=digest,
        by=by,
        agency_id=agency,
        appointment_id=f"A-{by}",
        name_th="นายตัวอย่าง",
        position_th="ผู้อำนวยการกอง",
        method=Method.TOTP,
        factor_use="59000000",
        at=NOON + timedelta(hours=hours),
        reason=None if choice is Choice.APPROVE else "แก้วันที่",
    )


def _moved(result: Result) -> ApprovalCase:
    assert isinstance(result, Decided)
    return result.case


def test_without_policy_nothing_waits() -> None:
    """B7: a type whose policy asks for nobody is approved as it comes."""
    assert _case(0).state is CaseState.APPROVED
    assert _case(0).is_complete_for(SEEN)
    assert not _case(0).is_complete_for(OTHER)


def test_two_approvers_are_two_people() -> None:
    """C6: the same officer twice is one officer."""
    once = _moved(decide(_case(2), _decision()))
    assert not once.is_complete_for(SEEN)
    assert isinstance(decide(once, _decision(hours=2)), AlreadySo)
    twice = _moved(decide(once, _decision("head-2")))
    assert twice.state is CaseState.APPROVED
    assert twice.is_complete_for(SEEN)


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        (_decision(digest=OTHER), Why.OTHER_CONTENT),
        (_decision(agency="dbd"), Why.OTHER_AGENCY),
        (_decision(WRITER), Why.OWN_SUBMISSION),
        (_decision(hours=7 * 24), Why.EXPIRED),
    ],
)
def test_what_decides_nothing(decision: ApprovalDecision, why: Why) -> None:
    """C2: other content, another agency, the own submission, or too late: nothing changes."""
    result = decide(_case(), decision)
    assert result == NotDecided(_case(), why)


def test_the_own_submission_where_it_is_allowed() -> None:
    """C6: an agency of one officer may say so."""
    assert _moved(decide(_case(own=True), _decision(WRITER))).state is CaseState.APPROVED


def test_a_central_approver_decides_for_others() -> None:
    """Proposal 6.1.1(2): then the issuer's own approvers do not."""
    case = _case(central="opm")
    assert _moved(decide(case, _decision(agency="opm"))).state is CaseState.APPROVED
    assert decide(case, _decision()) == NotDecided(case, Why.OTHER_AGENCY)


@pytest.mark.parametrize(
    ("choice", "state"), [(Choice.REJECT, CaseState.REJECTED), (Choice.RETURN, CaseState.RETURNED)]
)
def test_one_no_ends_it(choice: Choice, state: CaseState) -> None:
    """P4: who does not approve says why, and no later approval helps."""
    first = _moved(decide(_case(2), _decision()))
    refused = _moved(decide(first, _decision("head-2", choice)))
    assert refused.state is state
    assert not refused.is_complete_for(SEEN)
    assert decide(refused, _decision("head-3")) == NotDecided(refused, Why.ENDED)
    assert decide(refused, _decision("head-2")) == NotDecided(refused, Why.DECIDED_OTHERWISE)
    with pytest.raises(ValueError, match="says why"):
        replace(_decision(), choice=choice)


def test_withdrawn_and_expired_stay_so() -> None:
    """P4: each end is one, and repeating it changes nothing."""
    withdrawn = _moved(withdraw(_case(), WRITER))
    assert isinstance(withdraw(withdrawn, WRITER), AlreadySo)
    assert decide(withdrawn, _decision()) == NotDecided(withdrawn, Why.ENDED)
    assert isinstance(expire(_case(), NOON), NotDecided)
    expired = _moved(expire(_case(), NOON + timedelta(days=7)))
    assert isinstance(expire(expired, NOON + timedelta(days=8)), AlreadySo)
    assert isinstance(withdraw(expired, WRITER), NotDecided)


_DECISIONS = st.builds(
    _decision,
    by=st.sampled_from([WRITER, "head-1", "head-2", "head-3"]),
    choice=st.sampled_from(Choice),
    digest=st.sampled_from([SEEN, SEEN, OTHER]),
    agency=st.sampled_from(["diw", "diw", "dbd"]),
    hours=st.sampled_from([1, 2, 200]),
)


@given(st.integers(0, 2), st.lists(_DECISIONS, max_size=8))
def test_no_number_without_complete_approvals(
    approvers: int, decisions: list[ApprovalDecision]
) -> None:
    """B7: whatever is decided in whatever order, what may be numbered was approved, on this
    content and in time, by as many different officers as the policy asks, none of them its
    submitter; and what had an end keeps it."""
    case = _case(approvers)
    for decision in decisions:
        before = case
        result = decide(case, decision)
        case = result.case
        if before.state.ended:
            assert case == before
        repeated = decide(case, decision)
        assert repeated.case == case
        assert not isinstance(repeated, Decided)
    good = {
        d.by
        for d in case.approvals
        if d.content_digest == SEEN and d.agency_id == "diw" and d.at < case.expires_at
    }
    assert len(good - {WRITER}) == len(case.approvals)
    assert case.is_complete_for(SEEN) is (case.state is CaseState.APPROVED)
    assert not case.is_complete_for(OTHER)
    if case.state is CaseState.APPROVED:
        assert len(good) >= approvers


def test_officers_of_two_agencies_may_be_called_the_same() -> None:
    """B7, 6.1.1(2): the central approver is not the submitter, though two issuers call both so."""
    case = _case(central="opdc")
    approved = _moved(decide(case, _decision(WRITER, agency="opdc")))
    assert approved.state is CaseState.APPROVED


def test_what_is_missing_counts_down() -> None:
    """B7: who submitted sees how many approvals are awaited, and none once it is decided."""
    case = _case(2)
    once = _moved(decide(case, _decision()))
    assert (case.missing, once.missing) == (2, 1)
    assert _moved(decide(once, _decision("head-2"))).missing == 0
    assert _moved(decide(once, _decision("head-2", Choice.REJECT))).missing == 0


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_case_is_not_open_for_ever(days: int) -> None:
    """P4: it ends within a year, and has a day at least."""
    with pytest.raises(ValueError, match="days"):
        ApprovalPolicy(approvers=1, open_days=days)
