"""One suite for both stores of uses: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.proxies import DynamoProxyUses
from chalicelib.adapters.memory_proxies import MemoryProxyUses
from chalicelib.domain.errors import RegisterConflictError
from chalicelib.domain.persons import Officer
from chalicelib.domain.proxies import Count, Reason, Refused, Use
from chalicelib.ports import ProxyUseStore
from tests.support.tables import create_table

USE = Use(
    use_id="D1-u1",
    document_id="D1",
    asked_by=Officer("diw", "somsri"),
    at=datetime(2026, 12, 1, 5, 0, 0, 123000, tzinfo=UTC),
    reasons=(),
    request_digest="00",
    statement="a.b.c",
)
FIRST = [Count("D1", "fee.pay", 1)]


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def store(request: pytest.FixtureRequest) -> Iterator[ProxyUseStore]:
    if request.param == "memory":
        yield MemoryProxyUses()
        return
    request.getfixturevalue("aws")
    name = f"registers-{uuid4().hex[:8]}"
    yield DynamoProxyUses(create_table(boto3.client("dynamodb"), "RegistersTable", name))


def test_a_use_comes_back_as_it_was_entered(store: ProxyUseStore) -> None:
    """Item 8: an application can later show on what authority it acted."""
    refused = replace(
        USE, use_id="D1-u2", reasons=(Reason(Refused.USED_UP), Reason(Refused.EXPIRED, 1))
    )
    assert store.enter(USE, FIRST) == USE
    assert store.enter(refused, []) == refused
    assert store.use("D1", "D1-u1") == USE
    assert store.use("D1", "D1-u2") == refused
    assert store.use("D1", "D1-u3") is None
    assert store.use("D2", "D1-u1") is None


def test_what_was_allowed_counts_once(store: ProxyUseStore) -> None:
    """P8: a repeat is the first use, and does not count again; each power for itself."""
    assert store.times("D1", "fee.pay") == 0
    store.enter(USE, FIRST)
    assert store.enter(replace(USE, statement="other"), FIRST) == USE
    assert store.enter(replace(USE, statement="other"), [Count("D1", "fee.pay", 2)]) == USE
    assert (store.times("D1", "fee.pay"), store.times("D1", "other")) == (1, 0)
    assert store.times("D2", "fee.pay") == 0


def test_a_use_meanwhile_is_a_conflict(store: ProxyUseStore) -> None:
    """Item 8: who judged by an old count judges again; nothing is written."""
    store.enter(USE, FIRST)
    another = replace(USE, use_id="D1-u2")
    for stale in (Count("D1", "fee.pay", 1), Count("D1", "fee.pay", 3)):
        with pytest.raises(RegisterConflictError):
            store.enter(another, [Count("D2", "fee.pay", 1), stale])
    assert store.use("D1", "D1-u2") is None
    assert store.times("D2", "fee.pay") == 0
    store.enter(another, [Count("D2", "fee.pay", 1), Count("D1", "fee.pay", 2)])
    assert (store.times("D1", "fee.pay"), store.times("D2", "fee.pay")) == (2, 1)


def test_the_last_use_is_used_once(store: ProxyUseStore) -> None:
    """Item 8: of eight counters that want the one use that is left, one gets it."""

    def enter(number: int) -> bool:
        try:
            store.enter(replace(USE, use_id=f"D1-u{number}"), FIRST)
        except RegisterConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(enter, range(8))).count(True) == 1
    assert store.times("D1", "fee.pay") == 1
