"""What the policies let `api` and `sweep` write in registers, held against what they write.

The embedded AWS does not evaluate conditions on attributes, so the requests themselves are
looked at: each attribute they name must be listed, and none that binds content may be.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from chalicelib.adapters.dynamodb.deliveries import DynamoDeliveryStore
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Moved, happen
from chalicelib.domain.delivery_events import Consigned, HandedOver
from chalicelib.domain.delivery_records import DeliveryChange
from chalicelib.domain.documents import ArchivedFile, Decision
from chalicelib.domain.registers import (
    Entry,
    EntryState,
    Head,
    Numbering,
    Register,
    Reserve,
    lay_out_reservation,
)
from chalicelib.domain.retention import LockMode
from chalicelib.domain.standing import ReasonCode, RulingKind
from chalicelib.domain.tlog import SubjectKind
from tests.support.delivering import after, begun, later, note, received
from tests.support.samples import FUNCTIONS, NOON, SWEEP_AFTER, document

_POLICIES = Path(__file__).parent.parent.parent / ".chalice"
_RESERVE = Reserve(
    reservation_id="R1", owner="clerk-1", reason="ประชุม", expires_at=NOON + timedelta(days=1)
)
_BINDING = {"document_id", "content_digest", "file_digest", "note", "root", "size"}


def _listed(policy: str, sid: str) -> set[str]:
    statements = json.loads((_POLICIES / policy).read_text(encoding="utf-8"))["Statement"]
    (statement,) = (s for s in statements if s["Sid"] == sid)
    return set(statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])


class _Wire:
    """Keeps what would go to DynamoDB; every write succeeds."""

    def __init__(self, store: DynamoRegisterStore | DynamoDeliveryStore) -> None:
        self.bodies: list[dict[str, Any]] = []
        events = store.connection.client.meta.events
        events.register("before-call.dynamodb", self._keep)  # type: ignore[arg-type]  # an answer ends the call

    def _keep(self, params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        self.bodies.append(json.loads(params["body"]))
        return AWSResponse("", 200, HTTPHeaders(), None), {}

    def requests(self, table: str) -> list[dict[str, Any]]:
        """What would be written to a table, item by item."""
        found = [r for b in self.bodies for item in b["TransactItems"] for r in item.values()]
        return [request for request in found if request["TableName"] == table]

    def attributes(self, table: str | None = None) -> set[str]:
        """All top-level attributes named in items, keys, updates and conditions."""
        named: set[str] = set()
        for body in self.bodies:
            for item in body["TransactItems"]:
                (request,) = item.values()
                if table not in {None, request["TableName"]}:
                    continue
                named |= {*request.get("Item", {}), *request.get("Key", {})}
                named |= set(request.get("ExpressionAttributeNames", {}).values())
        return named


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> DynamoRegisterStore:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-7")
    return DynamoRegisterStore("registers", "documents", sweep_after=SWEEP_AFTER)


@pytest.mark.parametrize("last", [0, 7])
def test_the_api_may_reserve_and_give_back_and_bind_nothing(
    store: DynamoRegisterStore, last: int
) -> None:
    """P2: the API writes reservations and their ends, and no attribute that binds content."""
    wire = _Wire(store)
    listed = _listed("policy-api.json", "ReserveNumbers")
    register = Register("diw", "licence", 2026)
    block = lay_out_reservation(register, Head(last), _RESERVE, ["5a" * 32] * 2, NOON)
    store.assign(block, {})
    store.release(block.entries[0], reason="reservation_mistaken", by="clerk-1", at=NOON)
    assert len(wire.bodies) == 2
    assert {"reserve", "last_number", "outcome", "ended_at"} <= wire.attributes() <= listed
    assert not listed & _BINDING


def test_the_api_may_enter_rulings_and_bind_nothing(store: DynamoRegisterStore) -> None:
    """Issue 5, item 5: a ruling touches what tells of rulings, and no attribute that binds
    content or says how an entry ended."""
    wire = _Wire(store)
    numbering = Numbering(year=2026, number=7, printed="๗/๒๕๖๙", numbered_at=NOON)
    file = ArchivedFile(
        key="k",
        version_id="v",
        sha256="ab" * 32,
        size=1,
        lock_mode=LockMode.COMPLIANCE,
        retain_until=NOON,
    )
    issued = document().numbered(numbering).issued(file, NOON)
    decision = Decision(
        kind=RulingKind.REVOKED,
        reason_code=ReasonCode.ERROR,
        reason="สะกดชื่อผิด",
        by="approver-1",
        agency_id="diw",
    )
    store.rule(issued.ruled(decision, NOON), None)
    listed = _listed("policy-api.json", "EnterRulings")
    assert {"marks", "ruled", "outcome", "state"} <= wire.attributes("registers") <= listed
    assert not listed & (_BINDING | {"ended_at", "ended_by", "file_digest", "last_number"})


@pytest.mark.parametrize("last", [0, 7])
def test_the_api_may_enter_received_letters_and_nothing_else(
    store: DynamoRegisterStore, last: int
) -> None:
    """P2, issue 6.3: registering a letter binds its digest, in receive registers alone; that a
    register has begun is noted as for reservations."""
    assert store  # its fixture sets credentials
    deliveries = DynamoDeliveryStore("deliveries", "registers")
    wire = _Wire(deliveries)
    arrived = after(begun(ChannelKind.HOSTED).delivery, Consigned(at=later(1), received=received()))
    handed_over = happen(arrived, HandedOver(at=later(2), receipt=note()))
    assert isinstance(handed_over, Moved)
    change = DeliveryChange(
        seen=arrived, delivery=handed_over.delivery, evidence=("e",), statement="s"
    )
    register = Register("dga", "receive", 2026)
    entry = Entry(
        register=register,
        number=last + 1,
        subject_kind=SubjectKind.DELIVERY,
        subject_id="ab" * 32,
        commitment="ab" * 32,
        document_type="received-letter",
        document_id=None,
        numbered_at=NOON,
        content_digest="ab" * 32,
        state=EntryState.ISSUED,
        file_digest="ab" * 32,
        ended_at=NOON,
        ended_by="clerk-1",
        delivery_id="D.dga.1",
    )
    deliveries.register(change, entry, Head(last))
    statements = json.loads((_POLICIES / "policy-api.json").read_text(encoding="utf-8"))
    (condition,) = (
        s["Condition"] for s in statements["Statement"] if s["Sid"] == "EnterReceivedLetters"
    )
    patterns = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    begins = _listed("policy-api.json", "ReserveNumbers")
    keys = []
    for request in wire.requests("registers"):
        key = (request.get("Item") or request["Key"])["register_id"]["S"]
        inside = any(fnmatchcase(key, pattern) for pattern in patterns)
        assert inside or set(request["Item"]) <= begins
        keys.append(key)
    assert {register.register_id, f"{register.register_id}!pending"} <= set(keys)
    assert not any(
        fnmatchcase(other, pattern)
        for pattern in patterns
        for other in ("dga/send/2026", "dga/licence/2026!pending", "receive/send/2026")
    )


def test_sweep_may_end_reservations_and_bind_nothing(store: DynamoRegisterStore) -> None:
    """P2: `sweep` ends what expired, and can do nothing else to an entry."""
    wire = _Wire(store)
    listed = _listed("policy-sweep.json", "EndExpired")
    register = Register("diw", "licence", 2026)
    (entry,) = lay_out_reservation(register, Head(), _RESERVE, ["5a" * 32], NOON).entries
    store.release(
        replace(entry), reason="reservation_expired", by="function:sweep", at=_RESERVE.expires_at
    )
    assert {"outcome", "ended_at", "state"} <= wire.attributes() <= listed
    assert not listed & (_BINDING | {"last_number", "closing", "reserve", "subject"})


def _bucket_statements() -> dict[str, set[str]]:
    """From a statement of the bucket policies to the functions it denies something."""
    found: dict[str, set[str]] = {}
    statement = ""
    for line in (_POLICIES.parent / "infra/resources.yaml").read_text().splitlines():
        if named := re.search(r"Sid: (\w+)", line):
            statement = named[1]
        if (role := re.search(r"GetAtt: \[(\w+)Role, Arn\]", line)) and line.startswith(" " * 12):
            function = role[1].removesuffix("Handler").lower()
            found.setdefault(statement, set()).add(function)
    return found


def _writers(bucket: str) -> set[str]:
    """Functions whose own policy lets them put files into a bucket."""
    return {
        path.stem.removeprefix("policy-")
        for path in _POLICIES.glob("policy-*.json")
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]
        if "s3:PutObject" in statement["Action"] and bucket in json.dumps(statement["Resource"])
    }


def test_buckets_deny_to_every_function_what_is_not_its_work() -> None:
    """P2: a new function is not forgotten in the buckets' own policies, and one that has to
    write is not denied it there: both sides say the same."""
    denied, everyone = _bucket_statements(), set(FUNCTIONS)
    assert denied["NobodyUnlocksOrDeletes"] == denied["NobodyDeletes"] == everyone
    assert denied["OnlyWhoArchivesWrites"] == everyone - _writers("ArchiveBucket")
    assert denied["ApiArchivesUsesOfProxiesAlone"] == {"api"}
    assert denied["OnlyCheckpointWrites"] == everyone - _writers("LogsBucket")
