"""Who may write and read the access log (C5, P6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from chalicelib.adapters.dynamodb.access_log import (
    DynamoAccessStore,
    LeafItem,
    LengthItem,
    RecordItem,
)
from chalicelib.domain.access_log import place
from tests.support.accesses import LOG, access, accesses

_POLICIES = Path(__file__).parent.parent.parent / ".chalice"
_RECORD = RecordItem.key(LOG, "A1")[0]
_LEAVES = LeafItem.partition(LOG)


def _statements(function: str = "*") -> Iterator[tuple[str, dict[str, Any]]]:
    """Of functions, what their policies say of the table."""
    for path in sorted(_POLICIES.glob(f"policy-{function}.json")):
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
            if "AccessTable" in json.dumps(statement["Resource"]):
                yield path.stem.removeprefix("policy-"), statement


def _who(action: str) -> set[str]:
    return {name for name, one in _statements() if f"dynamodb:{action}" in one["Action"]}


def test_who_reaches_the_access_log_at_all() -> None:
    """P6: who records, who gives places, who audits; nobody deletes or scans."""
    assert _who("PutItem") == {"api", "checkpoint"}
    assert _who("UpdateItem") == {"checkpoint"}
    assert _who("Query") == _who("BatchGetItem") == {"api", "audit", "checkpoint"}
    everything = {action for _, one in _statements() for action in one["Action"]}
    assert everything == {
        f"dynamodb:{action}"
        for action in ("PutItem", "UpdateItem", "Query", "BatchGetItem", "GetItem")
    }


def _may_write(function: str, action: str, key: str, attributes: set[str]) -> bool:
    return any(
        f"dynamodb:{action}" in one["Action"]
        and any(
            fnmatchcase(key, pattern)
            for pattern in one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        )
        and attributes <= set(one["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])
        for _, one in _statements(function)
    )


@pytest.mark.parametrize(
    ("key", "attributes", "may"),
    [
        (_RECORD, set(RecordItem.of(access()).attribute_values), True),
        (_RECORD, {"pk", "sk", "seq"}, False),
        (_LEAVES, {"pk", "sk", "body"}, False),
        (LOG, {"pk", "sk"}, False),
        ("#LOGS", {"pk", "sk"}, False),
    ],
    ids=["record", "place", "leaf", "length", "logs"],
)
def test_the_api_only_records(key: str, attributes: set[str], may: bool) -> None:  # noqa: FBT001 - a table
    """C5: it cannot give places, write leaves, or change how long a log is."""
    assert _may_write("api", "PutItem", key, attributes) is may


@pytest.mark.parametrize(
    ("action", "key", "attributes", "may"),
    [
        ("UpdateItem", _RECORD, {"pk", "sk", "seq", "waiting"}, True),
        ("UpdateItem", _RECORD, {"pk", "sk", "body"}, False),
        ("UpdateItem", LOG, set(LengthItem.get_attributes()), True),
        ("PutItem", _LEAVES, set(LeafItem.get_attributes()), True),
        ("PutItem", "#LOGS", {"pk", "sk"}, True),
        ("PutItem", _RECORD, {"pk", "sk", "body"}, False),
    ],
)
def test_checkpoint_gives_places_and_says_nothing_else(
    action: str,
    key: str,
    attributes: set[str],
    may: bool,  # noqa: FBT001 - a table
) -> None:
    """C5: it makes no record, and cannot change what one says."""
    assert _may_write("checkpoint", action, key, attributes) is may


def test_the_api_reads_no_more_than_the_two_reports() -> None:
    """P6: by thing and by officer, and the records that these lead to."""
    queried = [
        one["Resource"] for _, one in _statements("api") if "dynamodb:Query" in one["Action"]
    ]
    assert queried == [
        [
            {"Fn::Sub": "${AccessTable.Arn}/index/thing"},
            {"Fn::Sub": "${AccessTable.Arn}/index/officer"},
        ]
    ]


# -- what really goes to DynamoDB ---------------------------------------------------


class _Wire:
    """Keeps what would go to DynamoDB; every write succeeds. The embedded AWS does not evaluate
    conditions on attributes, so the requests themselves are looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-7")
        self.writes: list[tuple[str, dict[str, Any]]] = []
        self.store = DynamoAccessStore("access")
        single = self.store.items._get_connection().connection
        for connection in (self.store.connection, single):
            events = connection.client.meta.events
            events.register("before-call.dynamodb", self._keep)  # type: ignore[arg-type]  # an answer ends the call

    def _keep(self, params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        body = json.loads(params["body"])
        if "TransactItems" in body:
            self.writes += [pair for item in body["TransactItems"] for pair in item.items()]
        else:
            self.writes.append(("Put", body))
        return AWSResponse("", 200, HTTPHeaders(), None), {}

    def demand_allowed(self, function: str) -> None:
        assert self.writes
        for kind, request in self.writes:
            key = request.get("Key") or request["Item"]
            named = {*request.get("Item", {}), *request.get("Key", {})}
            named |= set(request.get("ExpressionAttributeNames", {}).values())
            action = {"Put": "PutItem", "Update": "UpdateItem"}[kind]
            assert _may_write(function, action, key["pk"]["S"], named), (kind, named)


@pytest.mark.parametrize("count", [1, 3])
def test_recording_is_what_the_api_may(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """C5: every attribute that a record's request names is listed for the API."""
    wire = _Wire(monkeypatch)
    wire.store.add(*accesses(count))
    assert len(wire.writes) == count
    wire.demand_allowed("api")


@pytest.mark.parametrize("start", [0, 7])
def test_placing_is_what_checkpoint_may(monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    """C5: the same of places, leaves, the length and the list of logs."""
    wire = _Wire(monkeypatch)
    wire.store.place(place(accesses(2), LOG, start))
    assert len(wire.writes) == 2 * 2 + 1 + (start == 0)
    wire.demand_allowed("checkpoint")
