"""Registering on real transactions: the embedded AWS's DynamoDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.deliveries import DynamoDeliveryStore
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.bootstrap import House
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.errors import UnavailableError
from chalicelib.services.dispute_receipt import dispute_receipt
from chalicelib.services.register_letter import Registered, correct_receipt, register_letter
from tests.support.receiving import CLERK, Post
from tests.support.samples import SWEEP_AFTER
from tests.support.tables import create_table

pytestmark = pytest.mark.aws

CLERKS = 2


class _OnTables(Post):
    """The post office with its deliveries and registers in tables."""

    def house(self, wrap: Any = lambda _name, port: port) -> House:
        def in_tables(name: str, port: Any) -> Any:
            return wrap(
                name, {"deliveries": self.deliveries, "registers": self.registers}.get(name, port)
            )

        return super().house(in_tables)

    def begin(self) -> None:
        names = [f"deliveries-{uuid4().hex[:8]}", f"registers-{uuid4().hex[:8]}"]
        client: Any = boto3.client("dynamodb")
        for logical_id, name in zip(("DeliveriesTable", "RegistersTable"), names, strict=True):
            create_table(client, logical_id, name)
        self.deliveries = DynamoDeliveryStore(names[0], names[1])
        self.registers = DynamoRegisterStore(names[1], "none", sweep_after=SWEEP_AFTER)
        self.fakes.deliveries = self.deliveries  # type: ignore[assignment]  # the same port


@pytest.fixture
def post(request: pytest.FixtureRequest) -> _OnTables:
    request.getfixturevalue("aws")
    post = _OnTables()
    post.begin()
    return post


def _register(post: Post, delivery_id: DeliveryId) -> Registered:
    """As a clerk who repeats what was told as busy."""
    while True:
        try:
            return register_letter(delivery_id, receiver=CLERK, room=post.house().receiving_room)
        except UnavailableError:
            continue


def test_clerks_at_once_give_numbers_without_gap_or_double(post: _OnTables) -> None:
    """P1, P5: different letters get 1 to n; the same letter, registered by two, has one number and
    one receipt; a disputed one is corrected by the next number."""
    ids = [post.arrived(document_id=f"01HL{n}", number=n + 1) for n in range(CLERKS)]
    with ThreadPoolExecutor(2 * CLERKS) as pool:
        done = list(pool.map(lambda i: _register(post, i), [*ids, *ids]))
    first, again = done[:CLERKS], done[CLERKS:]
    assert sorted(each.receipt.number for each in first) == list(range(1, CLERKS + 1))
    assert [each.jws for each in again] == [each.jws for each in first]
    place = f"2026/{first[0].receipt.number}"
    dispute_receipt(ids[0], place, room=post.house().delivery_room)
    corrected = correct_receipt(ids[0], receiver=CLERK, room=post.house().receiving_room)
    assert corrected.receipt.number == CLERKS + 1
    entries = post.registers.entries(post.register())
    assert [entry.number for entry in entries] == list(range(1, CLERKS + 2))
    assert {entry.delivery_id for entry in entries} == {str(i) for i in ids}
