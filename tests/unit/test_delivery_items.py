"""Deliveries as they lie in the table: nothing is lost on the way there and back, and little is
written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.delivery_items import (
    EvidenceItem,
    SealableJwsAttribute,
    StateItem,
    check_body,
    delivery_body,
    delivery_of,
)
from chalicelib.adapters.dynamodb.items import SmallJsonAttribute
from chalicelib.adapters.sealed_parts import NoVault
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.classification import Classification
from chalicelib.domain.delivery_events import Consigned, DeliveryEvent, HandedOver
from chalicelib.domain.delivery_records import FileCheck, evidence_name, statement_name
from chalicelib.domain.documents import Urgency
from tests.support.delivering import (
    EVENTS,
    Signer,
    begun,
    evidenced,
    later,
    note,
    received,
)
from tests.support.samples import NOON

_SUBJECT = "ขอเชิญประชุมคณะกรรมการขับเคลื่อนระบบสารบรรณอิเล็กทรอนิกส์ ครั้งที่ ๑/๒๕๖๓"
_KILOBYTE = 1024


@given(
    st.lists(EVENTS, max_size=12),
    st.sampled_from(ChannelKind),
    st.fixed_dictionaries(
        {
            "circular": st.booleans(),
            "subject": st.text(max_size=9),
            "urgency": st.sampled_from(Urgency),
            "act_within": st.none() | st.just(later(0.5)),
            "retain_until": st.none() | st.just(NOON.replace(microsecond=1)),
        }
    ),
)
@settings(max_examples=60, deadline=None)
def test_a_delivery_survives_its_table(
    events: list[DeliveryEvent], channel: ChannelKind, letter: dict[str, Any]
) -> None:
    """P5: whatever happened to a delivery, it is read as it was written, evidence chain, times
    and all."""
    delivery, _ = evidenced(begun(channel, **letter), events, lambda payload: payload.decode())
    body = SmallJsonAttribute()
    kept = body.deserialize(body.serialize(delivery_body(delivery)))
    assert delivery_of(delivery.id, delivery.letter.sender, Classification.NORMAL, kept) == delivery


@given(st.text() | st.binary().map(lambda noise: f"eyJ9.{noise.hex()}.AA") | st.just("a.b.c"))
def test_a_statement_keeps_its_bytes(text: str) -> None:
    """B9, P5: what was signed is read as it was signed, and what only looks so too."""
    kept = SealableJwsAttribute()
    assert kept.deserialize(kept.serialize(text)) == text


@pytest.mark.parametrize("spelling", ["e30.e30.QQ", "e30.e30.QR", "e30=.e30=.QQ==", "e30.e30"])
def test_base64_that_is_spelled_otherwise(spelling: str) -> None:
    """RFC 7515: two spellings of the same bytes are two texts, with two digests."""
    kept = SealableJwsAttribute()
    assert kept.deserialize(kept.serialize(spelling)) == spelling


def test_a_delivery_stays_small() -> None:
    """DynamoDB bills each kilobyte of an item at each of its writes: an event and a receipt stay
    within one, and a delivery that went all its way within two."""
    first = begun(subject=_SUBJECT, document_id="01JD8XK2M3N4P5Q6R7S8T9V0W1", retain_until=NOON)
    events: list[DeliveryEvent] = [
        Consigned(at=later(20), received=received()),
        HandedOver(at=later(30), receipt=note()),
    ]
    delivery, chain = evidenced(first, events, Signer().sign)
    for jws in chain:
        assert _size(EvidenceItem.of(delivery, 0, jws, NoVault())) < _KILOBYTE
    item = StateItem.planned(delivery, "5a" * 32, NOON, NoVault())
    item.entered_key = item.planned_key
    item.told = {"handed_over/2020/1577", "consigned"}
    item.archived = {*map(evidence_name, range(len(chain))), statement_name("d0" * 32)}
    item.check = check_body(
        FileCheck(passed=True, indication="TOTAL-PASSED", reasons=(), sha256="f1" * 32, at=NOON)
    )
    assert _size(item) < 2 * _KILOBYTE


def _size(item: Model) -> int:
    """As DynamoDB counts it: names and values, nearly."""
    return sum(len(name) + len(str(value).encode()) for name, value in _values(item))


def _values(item: Model) -> Iterator[tuple[str, str]]:
    for name, typed in item.serialize().items():
        for value in typed.values():
            # A byte counts once, however it is shown.
            yield name, "x" * len(value) if isinstance(value, bytes) else "".join(value)
