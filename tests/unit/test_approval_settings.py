"""Policies of approval: read, refused with every fault, written back; what a type demands holds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.types import TEMPLATES, PackagedDocumentTypes
from chalicelib.domain.approval_settings import MAX_TYPES, approvals_data, approvals_of
from chalicelib.domain.approvals import MOST_OPEN_DAYS, ApprovalPolicy
from chalicelib.domain.errors import InvalidRequestError
from tests.support.samples import AGENCIES, LICENCE

POLICIES = st.builds(
    ApprovalPolicy,
    approvers=st.integers(0, 2),
    central=st.none() | st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    own_submission=st.booleans(),
    open_days=st.integers(1, MOST_OPEN_DAYS),
)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True), POLICIES))
def test_policies_are_written_as_they_are_read(policies: dict[str, ApprovalPolicy]) -> None:
    """One form for hand and store: nothing is lost on the way and back."""
    assert approvals_of(approvals_data(policies)) == policies


def test_what_is_not_said_is_the_default() -> None:
    """B7: its own officers decide, none on the own submission, for thirty days."""
    assert approvals_of({"licence": {"approvers": 1}}) == {
        "licence": ApprovalPolicy(approvers=1, central=None, own_submission=False, open_days=30)
    }
    assert approvals_of({}) == {}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([], [("/x", "wrong_type")]),
        ({"Licence!": {"approvers": 1}}, [("/x/Licence!", "wrong_format")]),
        ({"licence": 2}, [("/x/licence", "wrong_type"), ("/x/licence/approvers", "out_of_range")]),
        ({"licence": {}}, [("/x/licence/approvers", "out_of_range")]),
        ({"licence": {"approvers": 3}}, [("/x/licence/approvers", "out_of_range")]),
        ({"licence": {"approvers": True}}, [("/x/licence/approvers", "out_of_range")]),
        ({"licence": {"approvers": 1, "who": 1}}, [("/x/licence/who", "unknown_field")]),
        ({"licence": {"approvers": 1, "central": "A B"}}, [("/x/licence/central", "wrong_format")]),
        (
            {"licence": {"approvers": 1, "own_submission": "no", "open_days": 0}},
            [("/x/licence/own_submission", "wrong_type"), ("/x/licence/open_days", "out_of_range")],
        ),
        ({f"t{n}": {"approvers": 1} for n in range(MAX_TYPES + 1)}, [("/x", "too_many")]),
    ],
)
def test_every_fault_is_told_at_its_place(data: Any, told: list[tuple[str, str]]) -> None:
    """P4: who writes the list by hand learns of every fault at once, in both languages."""
    with pytest.raises(InvalidRequestError) as raised:
        approvals_of(data, "/x")
    assert [(fault.pointer, fault.code) for fault in raised.value.faults] == told
    assert all(fault.detail and fault.detail_th for fault in raised.value.faults)


def test_an_agency_may_want_more_than_the_type() -> None:
    """Issue 7.4: packaged types want nobody; an agency turns approvals on for itself alone."""
    own = ApprovalPolicy(approvers=1, own_submission=True, open_days=5)
    agency = replace(AGENCIES[0], approvals={"licence": own})
    assert LICENCE.approved_by(agency) == own
    assert LICENCE.approved_by(AGENCIES[1]) == ApprovalPolicy()
    assert replace(LICENCE, name="permit").approved_by(agency) == ApprovalPolicy()


@given(POLICIES, POLICIES)
def test_no_agency_sets_lower_what_a_type_demands(
    demanded: ApprovalPolicy, own: ApprovalPolicy
) -> None:
    """B7: not fewer officers, not others than the central ones, not who submitted it."""
    kind = replace(LICENCE, approval=demanded)
    policy = kind.approved_by(replace(AGENCIES[0], approvals={"licence": own}))
    assert policy.approvers >= max(demanded.approvers, own.approvers)
    if demanded.approvers:
        assert demanded.central in {None, policy.central}
        assert demanded.own_submission or not policy.own_submission
    assert kind.approved_by(AGENCIES[0]) == demanded


def test_a_type_says_how_it_is_approved(tmp_path: Path) -> None:
    """Issue 7.4: `approval` in type.json is the least that every agency has to do."""
    folder = tmp_path / "licence"
    shutil.copytree(TEMPLATES / "licence", folder)
    rules = json.loads((folder / "type.json").read_text())
    rules["approval"] = {"approvers": 2, "central": "opdc", "open_days": 7}
    (folder / "type.json").write_text(json.dumps(rules))
    (kind,) = PackagedDocumentTypes(tmp_path).all()
    assert kind.approval == ApprovalPolicy(approvers=2, central="opdc", open_days=7)


def test_packaged_types_want_nobody() -> None:
    """Issue 7.4: everything is as before until an agency, or a type of its own, says otherwise."""
    assert {kind.approval for kind in PackagedDocumentTypes().all()} == {ApprovalPolicy()}
