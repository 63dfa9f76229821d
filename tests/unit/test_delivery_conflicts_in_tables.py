"""What DynamoDB says when it takes no transaction of a delivery, and what that means."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.exceptions import CancellationReason, TransactWriteError, VerboseClientError

from chalicelib.adapters.dynamodb.deliveries import DynamoDeliveryStore
from chalicelib.domain.deliveries import Moved, happen
from chalicelib.domain.delivery_events import HandedOver
from chalicelib.domain.delivery_records import DeliveryChange
from chalicelib.domain.errors import (
    DeliveryMovedError,
    RegisterClosedError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.registers import Entry, EntryState, Head, Register
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.tlog import SubjectKind
from tests.support.delivering import begun, later, note

CONDITION, CONFLICT = "ConditionalCheckFailed", "TransactionConflict"
INBOX = Register("dga", "receive", 2020)
SEEN = Head(7, later(1))

Items = list[dict[str, Any]]


def _key(item: dict[str, Any]) -> str:
    """Partition and place of an item of either table."""
    keys = item.get("Item") or item["Key"]
    names = ("pk", "sk") if "pk" in keys else ("register_id", "line")
    return " ".join(str(keys[name]["S"]) for name in names)


class Refusing:
    """A connection on which every transaction fails, because of the items whose key holds this."""

    def __init__(self, part: str, code: str) -> None:
        self._part, self._code = part, code
        self.keys: list[str] = []

    def transact_write_items(
        self, *, put_items: Items, update_items: Items, **_others: object
    ) -> None:
        self.keys = [_key(item) for item in (*put_items, *update_items)]
        assert sum(self._part in key for key in self.keys) == 1, self.keys
        reasons = [
            CancellationReason(code=self._code) if self._part in key else None for key in self.keys
        ]
        cause = VerboseClientError(
            {"Error": {"Code": "TransactionCanceledException"}},
            "TransactWriteItems",
            {"request_id": "1", "table_name": "deliveries"},
            cancellation_reasons=iter(reasons),
        )
        raise TransactWriteError("Failed", cause)


def _store(monkeypatch: pytest.MonkeyPatch, part: str, code: str, *, closing: bool) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-1")
    store: Any = DynamoDeliveryStore("deliveries", "registers")
    store.connection = Refusing(part, code)
    monkeypatch.setattr(store, "_marks_at", lambda _keys: {})
    monkeypatch.setattr(store._lines, "head", lambda _: Head(8, later(2), closing=closing))
    return store


def _registering() -> tuple[DeliveryChange, Entry, Head]:
    seen = begun().delivery
    moved = happen(seen, HandedOver(at=later(30), receipt=note(8)))
    assert isinstance(moved, Moved)
    entry = Entry(
        register=INBOX,
        number=8,
        subject_kind=SubjectKind.DELIVERY,
        subject_id="5b" * 32,
        commitment="c0" * 32,
        document_type="received-letter",
        numbered_at=later(30),
        document_id=None,
        content_digest=None,
        state=EntryState.ISSUED,
        file_digest=jws_digest("receipt"),
        ended_at=later(30),
    )
    change = DeliveryChange(
        seen=seen, delivery=moved.delivery, evidence=("arrived", "handed"), statement="receipt"
    )
    return change, entry, SEEN


@pytest.mark.parametrize(
    ("part", "code", "closing", "error"),
    [
        ("#STATE", CONDITION, False, DeliveryMovedError),
        ("#STATE", CONFLICT, False, DeliveryMovedError),
        ("#HEAD", CONDITION, False, RegisterConflictError),
        ("#HEAD", CONDITION, True, RegisterClosedError),
        ("#HEAD", CONFLICT, False, RegisterConflictError),
        ("N#0000000008", CONFLICT, False, RegisterConflictError),
        ("N#0000000008", CONDITION, False, UnavailableError),
        ("EVIDENCE#000001", CONDITION, False, UnavailableError),
        ("STATEMENT#", CONDITION, False, UnavailableError),
        ("#number#", CONFLICT, False, DeliveryMovedError),
    ],
)
def test_a_registration_that_failed_says_why(
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    code: str,
    closing: bool,  # noqa: FBT001 - a case of the table
    error: type[Exception],
) -> None:
    """P1, P5: who moved, who numbered, who closed: whoever lost learns what to read again; what
    contradicts the state stops everything."""
    store = _store(monkeypatch, part, code, closing=closing)
    with pytest.raises(error):
        store.register(*_registering())


@pytest.mark.parametrize("code", [CONDITION, CONFLICT])
def test_a_step_that_failed_says_why(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """P5: another writer had this delivery: read it again."""
    store = _store(monkeypatch, "#STATE", code, closing=False)
    change, _, _ = _registering()
    with pytest.raises(DeliveryMovedError):
        store.write(change)


def _planned(store: Any) -> None:
    store.plan([(begun().delivery, "jws", "5a" * 32)], later(60))


@pytest.mark.parametrize("part", ["#STATE", "EVIDENCE#000000"])
def test_planning_that_was_in_the_way_is_repeated(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """P4: another planner of the same letter at this moment: nothing is left out, the message
    comes again."""
    with pytest.raises(UnavailableError):
        _planned(_store(monkeypatch, part, CONFLICT, closing=False))


def test_what_is_planned_already_is_not_planned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """P8: a delivery that is there already is left as it is, at the first refusal."""
    _planned(_store(monkeypatch, "#STATE", CONDITION, closing=False))
