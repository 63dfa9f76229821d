"""Who may write and read the table of officers: it says who may do what (P6, A7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

_POLICIES = Path(__file__).parent.parent.parent / ".chalice"
_READS = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"}


def _statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Of every function, what its policy says of the table."""
    for path in sorted(_POLICIES.glob("policy-*.json")):
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
            if "OfficersTable" in json.dumps(statement["Resource"]):
                yield path.stem.removeprefix("policy-"), statement


def test_only_the_api_changes_who_may_do_what() -> None:
    """A7: appointments come through the routes, with their checks, or not at all."""
    assert {name for name, one in _statements() if set(one["Action"]) - _READS} == {"api"}


def test_nobody_deletes_or_scans() -> None:
    """A7: what was decided stays; 10,000 officers are never read at once."""
    for _, one in _statements():
        assert not {"dynamodb:DeleteItem", "dynamodb:Scan"} & set(one["Action"])


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("APPOINTMENT#diw", True),
        ("APPOINTMENT#diw!ids", True),
        ("APPOINTMENT#diw!administrator", True),
        ("AUTHORITY#diw!ids", True),
        ("CLIENT#diw-licensing", True),
        ("CLIENTS#diw", True),
        ("BEGUN", False),
    ],
)
def test_no_function_begins_an_agency(key: str, written: bool) -> None:  # noqa: FBT001 - a table
    """A7: the first administrator comes from an operator's own credentials, not from a route."""
    writes = [one for _, one in _statements() if set(one["Action"]) - _READS]
    assert writes
    for one in writes:
        patterns = one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        assert any(fnmatchcase(key, pattern) for pattern in patterns) is written
