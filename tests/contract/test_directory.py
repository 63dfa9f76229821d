"""One suite for both directories: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.directory import DynamoDirectory
from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency, Unit
from chalicelib.domain.documents import Urgency
from chalicelib.domain.office_hours import ClosedDay, OfficeHours, Span, WorkingDay
from chalicelib.domain.reminders import Reminders, Stage, StageKind
from chalicelib.domain.seals import SealCredential
from chalicelib.ports import Directory
from tests.support.tables import create_table

PLAIN = Agency(agency_id="paper", name_th="หน่วยงานกระดาษ", name_en="Paper only")
FULL = Agency(
    agency_id="diw",
    name_th="กรมโรงงานอุตสาหกรรม",
    name_en="Department of Industrial Works",
    letter_prefix="อก ๐๓๐๒",
    signatory_position_th="อธิบดี",
    channel=ChannelKind.QUEUE,
    inbox_url="queue:diw",
    webhook_url="https://saraban.diw.example/tra",
    reply_keys=(
        {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "kid": "diw-2"},
        {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "kid": "diw-1"},
    ),
    units=(Unit("registry", "งานสารบรรณ", "Registry"), Unit("plan", "กองแผนงาน")),
    seals=(
        SealCredential(key_id="key-2", chain_pem=("a", "b")),
        SealCredential(key_id="key-1", chain_pem=()),
    ),
    witness_key="diw+1+key",
    office=OfficeHours(
        week=((Span.of("08:30", "12:00"), Span.of("13:00", "16:30")), *((),) * 5, (Span(0, 1440),)),
        closed_days=(ClosedDay(date(2026, 11, 27), "วันสถาปนา", "Founding day"),),
        working_days=(WorkingDay(date(2026, 11, 28), (Span.of("09:00", "12:00"),)),),
    ),
    reminders=Reminders(
        stages={
            **Reminders().stages,
            Urgency.ROUTINE: (Stage(timedelta(hours=2), StageKind.REMIND),),
        }
    ),
    approvals={
        "certificate": ApprovalPolicy(approvers=2),
        "factory-licence": ApprovalPolicy(
            approvers=1, central="opdc", own_submission=True, open_days=14
        ),
    },
)


@dataclass(frozen=True)
class Place:
    """`again` opens the same directory anew, as another container would."""

    directory: Directory
    again: Callable[[], Directory]


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        memory = MemoryDirectory()
        yield Place(memory, lambda: memory)
        return
    request.getfixturevalue("aws")
    table = create_table(boto3.client("dynamodb"), "DirectoryTable", f"directory-{uuid4().hex[:8]}")
    yield Place(DynamoDirectory(table), lambda: DynamoDirectory(table))


def test_an_agency_comes_back_as_it_was_put(place: Place) -> None:
    """A14, C1, E2: channel, keys, units, hours, days off, reminders and seals in their order,
    nothing lost or made up."""
    for agency in (FULL, PLAIN):
        place.directory.put_agency(agency)
        assert place.again().agency(agency.agency_id) == agency
    assert place.again().agencies() == (FULL, PLAIN)
    assert place.again().agency("nobody") is None


def test_the_last_word_on_an_agency_stands(place: Place) -> None:
    """P2: put twice is put once, and hours set anew replace those before."""
    for agency in (FULL, FULL, Agency(agency_id="diw", name_th="ก", name_en="A")):
        place.directory.put_agency(agency)
    (found,) = place.again().agencies()
    assert found.office == OfficeHours()
    assert found.seals == ()


def test_trust_anchors_come_back_in_their_order(place: Place) -> None:
    """Issue 4: the roots that seals must lead to are what was put, and put last."""
    place.directory.put_trust_anchors(["one"])
    place.directory.put_trust_anchors(["two", "three"])
    assert place.again().trust_anchors() == ("two", "three")


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_an_entry_from_before_office_hours_has_the_default() -> None:
    """An upgrade needs no migration: what was stored before is read with default hours."""
    client: Any = boto3.client("dynamodb")
    table = create_table(client, "DirectoryTable", f"directory-{uuid4().hex[:8]}")
    body = {"agency_id": "old", "name_th": "ก", "name_en": "A", "seals": []}
    client.put_item(
        TableName=table,
        Item={"pk": {"S": "AGENCY"}, "sk": {"S": "old"}, "body": {"S": json.dumps(body)}},
    )
    assert DynamoDirectory(table).agency("old") == Agency(agency_id="old", name_th="ก", name_en="A")
