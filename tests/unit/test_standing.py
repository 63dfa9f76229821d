"""Rulings on issued documents: what may follow what, and what a document is worth when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.documents import ArchivedFile, Decision, Document
from chalicelib.domain.errors import NotReadyError, StandingConflictError
from chalicelib.domain.registers import Numbering
from chalicelib.domain.retention import LockMode
from chalicelib.domain.standing import (
    MOST_RULINGS,
    REASONS_FOR,
    ReasonCode,
    Replacement,
    RulingKind,
    Standing,
    in_force,
    still_to_come,
)
from tests.support.samples import NOON, document

SUSPENDED, REINSTATED, REVOKED, SUPERSEDED = (
    RulingKind.SUSPENDED,
    RulingKind.REINSTATED,
    RulingKind.REVOKED,
    RulingKind.SUPERSEDED,
)
HOUR = timedelta(hours=1)


def issued(**changes: object) -> Document:
    numbering = Numbering(year=2026, number=1, printed="๑/๒๕๖๙", numbered_at=NOON)
    file = ArchivedFile(
        key="k",
        version_id="v",
        sha256="ab" * 32,
        size=1,
        lock_mode=LockMode.COMPLIANCE,
        retain_until=NOON + timedelta(days=3650),
    )
    made = document().numbered(numbering).issued(file, NOON)
    return replace(made, **changes)  # type: ignore[arg-type]  # any field


def decision(kind: RulingKind, effective_at: datetime | None = None) -> Decision:
    return Decision(
        kind=kind,
        reason_code=REASONS_FOR[kind][0],
        reason="เหตุผล",
        by="approver-1",
        agency_id="diw",
        effective_at=effective_at,
        replaced_by=Replacement("D2", "๒/๒๕๖๙") if kind is SUPERSEDED else None,
    )


def ruled(*steps: tuple[RulingKind, int] | tuple[RulingKind, int, int]) -> Document:
    """(what, decided so many hours after noon, and perhaps in force so many after)."""
    made = issued()
    for kind, decided, *later in steps:
        effective_at = NOON + later[0] * HOUR if later else None
        made = made.ruled(decision(kind, effective_at), NOON + decided * HOUR)
    return made


def standing(made: Document, hours: float) -> Standing:
    return made.standing_at(NOON + hours * HOUR).standing


@pytest.mark.parametrize(
    ("steps", "worth"),
    [
        ([], {0: "valid", 99: "valid"}),
        ([(SUSPENDED, 1)], {0.5: "valid", 1: "suspended", 99: "suspended"}),
        ([(SUSPENDED, 1), (REINSTATED, 2)], {1.5: "suspended", 2: "valid"}),
        ([(REVOKED, 1)], {0.5: "valid", 1: "revoked", 99: "revoked"}),
        ([(SUSPENDED, 1), (REVOKED, 2)], {1.5: "suspended", 2: "revoked"}),
        ([(SUPERSEDED, 1)], {0.5: "valid", 1: "superseded"}),
        ([(SUSPENDED, 1), (SUPERSEDED, 2)], {1: "suspended", 2: "superseded"}),
        # ordered for later
        ([(REVOKED, 1, 5)], {4: "valid", 5: "revoked"}),
        ([(REVOKED, 1, 5), (REINSTATED, 2)], {3: "valid", 5: "valid"}),
        ([(REVOKED, 1, 5), (REVOKED, 2)], {1: "valid", 2: "revoked", 6: "revoked"}),
        ([(REVOKED, 1, 5), (SUPERSEDED, 2)], {2: "superseded", 6: "superseded"}),
        ([(SUSPENDED, 1), (REVOKED, 2, 5)], {3: "suspended", 5: "revoked"}),
        ([(SUSPENDED, 1), (REINSTATED, 2, 5)], {3: "suspended", 5: "valid"}),
        ([(SUSPENDED, 1, 3), (REINSTATED, 2, 5)], {2: "valid", 3: "suspended", 5: "valid"}),
        ([(SUSPENDED, 1), (REINSTATED, 2, 5), (REVOKED, 3)], {2: "suspended", 6: "revoked"}),
        ([(SUSPENDED, 1, 4), (REVOKED, 2, 6)], {3: "valid", 4: "suspended", 6: "revoked"}),
    ],
)
def test_what_a_document_is_worth_when(
    steps: list[tuple[RulingKind, int]], worth: dict[float, str]
) -> None:
    """Issue 5, item 5: the last decision that holds by a time is what counts at that time."""
    made = ruled(*steps)
    assert {hours: standing(made, hours).value for hours in worth} == worth


@pytest.mark.parametrize(
    ("steps", "then"),
    [
        ([(REVOKED, 1)], (REVOKED, 2)),
        ([(REVOKED, 1)], (SUSPENDED, 2)),
        ([(REVOKED, 1)], (REINSTATED, 2)),
        ([(REVOKED, 1)], (SUPERSEDED, 2)),
        ([(SUPERSEDED, 1)], (REVOKED, 2)),
        ([(SUPERSEDED, 1)], (REINSTATED, 2)),
        ([(SUSPENDED, 1)], (SUSPENDED, 2)),
        ([], (REINSTATED, 1)),
        ([(SUSPENDED, 1), (REINSTATED, 2)], (REINSTATED, 3)),
        # what was ordered for later is not ended silently, nor put off
        ([(REVOKED, 1, 5)], (SUSPENDED, 2)),
        ([(REVOKED, 1, 5)], (REVOKED, 2, 6)),
        ([(REVOKED, 1, 5)], (REINSTATED, 2, 6)),
        ([(SUSPENDED, 1, 5)], (SUSPENDED, 2, 6)),
    ],
)
def test_what_may_not_follow(
    steps: list[tuple[RulingKind, int]], then: tuple[RulingKind, int]
) -> None:
    """Issue 5, item 5: revoked and replaced are final; a repeat is a conflict, not a second."""
    with pytest.raises(StandingConflictError):
        ruled(*steps, then)


def test_only_what_is_issued_is_ruled_on() -> None:
    """P3, P4: a document that is being made can be ruled on later; a void one never."""
    with pytest.raises(NotReadyError):
        document().ruled(decision(REVOKED), NOON)
    rejected = document().rejected(reason=None, at=NOON)  # type: ignore[arg-type]  # of no matter here
    with pytest.raises(StandingConflictError):
        rejected.ruled(decision(REVOKED), NOON)


def test_the_way_out_stays_open() -> None:
    """Issue 5: however often a document was suspended, it can be revoked, and its item is
    bounded."""
    made = issued()
    for n in range(MOST_RULINGS // 2):
        made = made.ruled(decision(SUSPENDED), NOON + 2 * n * HOUR)
        made = made.ruled(decision(REINSTATED), NOON + (2 * n + 1) * HOUR)
    later = NOON + 1000 * HOUR
    with pytest.raises(StandingConflictError):
        made.ruled(decision(SUSPENDED), later)
    with pytest.raises(StandingConflictError):
        made.ruled(decision(REVOKED, later + HOUR), later)
    assert made.ruled(decision(REVOKED), later).standing_at(later).standing is Standing.REVOKED


def test_decisions_have_an_order_though_clocks_go_back() -> None:
    """P8: two functions whose clocks differ decide one after the other."""
    made = issued().ruled(decision(SUSPENDED), NOON + HOUR).ruled(decision(REINSTATED), NOON)
    first, second = made.rulings
    assert first.decided_at < second.decided_at
    assert made.standing_at(NOON + 2 * HOUR).standing is Standing.VALID


def test_nothing_holds_before_it_was_decided_or_issued() -> None:
    """Issue 5, item 5: from now on or later, and never before the issue."""
    (ruling,) = issued().ruled(decision(REVOKED, NOON - HOUR), NOON - 2 * HOUR).rulings
    assert ruling.effective_at == ruling.decided_at == NOON


@pytest.mark.parametrize(
    ("steps", "hours", "worth"),
    [
        ([], -24 * 30, "not_yet_valid"),
        ([], 0, "valid"),
        ([], 24 * 30, "expired"),
        ([(SUSPENDED, 1)], 2, "suspended"),
        ([(SUSPENDED, 1)], 24 * 30, "expired"),
        ([(REVOKED, 1)], 24 * 30, "revoked"),
    ],
)
def test_period_and_rulings_together(
    steps: list[tuple[RulingKind, int]], hours: int, worth: str
) -> None:
    """E4: one word for what a document is worth: the gravest first."""
    made = replace(ruled(*steps), valid_from=date(2026, 11, 20), valid_until=date(2026, 11, 30))
    assert standing(made, hours).value == worth


def test_expiry_is_told_at_midnight_in_bangkok_and_only_if_it_matters() -> None:
    """Issue 5, item 5: the last day belongs to the period; who was told of a revocation need not
    be told of the end, and who has no recipients wakes nobody."""
    until = {"valid_until": date(2026, 11, 30), "recipients": ("dbd",)}
    midnight = datetime(2026, 11, 30, 17, tzinfo=UTC)
    assert issued(**until).wakes_at == issued(**until).expires_at == midnight
    assert issued(**{**until, "recipients": ()}).wakes_at is None
    assert issued(**until).ruled(decision(REVOKED), NOON).wakes_at is None
    assert issued(**until).ruled(decision(SUSPENDED), NOON).wakes_at == midnight
    assert issued(**until).due_notices(midnight) == ("expired",)
    assert issued(**until).due_notices(midnight - timedelta(microseconds=1)) == ()


def test_every_reason_is_some_decisions_and_in_thai() -> None:
    """Issue 5, item 5: a small list, each with words an officer reads."""
    assert {code for codes in REASONS_FOR.values() for code in codes} == set(ReasonCode)
    assert set(REASONS_FOR) == set(RulingKind)
    assert len({code.thai for code in ReasonCode}) == len(ReasonCode)


_STEPS = st.lists(
    st.tuples(st.sampled_from(list(RulingKind)), st.integers(0, 3), st.integers(0, 12)), max_size=9
)


@given(_STEPS)
def test_however_decided_an_end_stays_an_end(steps: list[tuple[RulingKind, int, int]]) -> None:
    """Issue 5, item 5: once revoked or replaced, always so; what is still to come is exactly
    what later times will show."""
    made, hours = issued(), 0
    for kind, passed, ahead in steps:
        hours += passed
        now = NOON + hours * HOUR
        try:
            made = made.ruled(decision(kind, now + ahead * HOUR), now)
        except StandingConflictError:
            continue
    seen = [standing(made, at / 2) for at in range(2 * 60)]
    ends = [at for at, worth in enumerate(seen) if worth.final]
    assert not ends or {seen[at] for at in range(ends[0], len(seen))} == {seen[ends[0]]}
    now = NOON + hours * HOUR
    coming = [in_force(made.rulings, r.effective_at) for r in still_to_come(made.rulings, now)]
    assert coming == still_to_come(made.rulings, now)
