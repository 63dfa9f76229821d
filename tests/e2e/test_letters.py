"""Letters from one agency to others, through the deployed stack."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.adapters.jws import check_jws
from chalicelib.domain.receipts import Receipt
from infra import agency_list, real_letters
from infra import client as api
from infra.demo_letters import SCOPE
from infra.letter_recipient import Recipient

if TYPE_CHECKING:
    from collections.abc import Callable

    from boto3.session import Session

    from infra.letter_recipient import ReplyKey
    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_SECONDS = 90


def _wait(found: Callable[[], Any]) -> Any:
    """What `found` gives once it gives something."""
    deadline = time.monotonic() + _SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return value


def test_letter_comes_back_with_receipts(
    deployment: Deployment, aws: Session, reply_key: ReplyKey
) -> None:
    """A1, A4, A20, A23, P5: a letter of dga goes to slc (hosted here) and rd (own queue, own key).
    One is registered by a clerk, the other answered with a receipt of its own; both are kept byte
    for byte, the sender's queue tells of both, and the bundle names both."""
    sender, hosted = (
        api.sign_in(deployment.url, deployment.token_url, agency, ("clerk",), SCOPE)
        for agency in ("dga", "slc")
    )
    letter = {**real_letters.read("dga-186").content, "to": ["slc", "rd"]}
    letter["addressee"] = "หัวหน้าส่วนราชการ"

    # 1. Nothing leaves before somebody has seen to whom it goes.
    refused = sender.call(
        "POST", "/v1/letters", json=letter, headers={"Idempotency-Key": "e2e-letter"}
    )
    assert refused.status == 409
    seen = refused.json()["confirmation"]
    assert len(seen["recipients"]) == 2
    letter["confirmation"] = seen["digest"]
    document_id = sender.post("/v1/letters", letter, key="e2e-letter")["document_id"]

    # 2. It lies with both, and when it came is fixed.
    def arrived() -> dict[str, Any] | None:
        items = sender.get(f"/v1/letters/{document_id}/deliveries")["items"]
        there = {one["recipient"]: one for one in items if one["state"] == "consigned"}
        return there if len(there) == 2 else None

    deliveries = _wait(arrived)
    assert all(one["received"]["entered_at"] for one in deliveries.values())

    # 3. A clerk registers it; asked again, the receipt is the same.
    own = deliveries["slc"]["delivery_id"]
    _wait(lambda: hosted.get(f"/v1/inbox/{own}")["trust"]["trusted"])
    first = hosted.post(f"/v1/inbox/{own}/receipt", {}, key="e2e-register")
    again = hosted.post(f"/v1/inbox/{own}/receipt", {}, key="e2e-register-again")
    assert again["receipt"] == first["receipt"]

    # 4. The other agency's own system answers; its message came twice.
    jwks = api.Client(deployment.url, "").get("/.well-known/jwks.json")
    agency = next(a for a in agency_list.read_agencies() if a.agency_id == "rd")
    recipient = Recipient(
        client=api.sign_in(deployment.url, deployment.token_url, "rd", ("application",), SCOPE),
        agency=agency,
        key=reply_key,
        jwks=jwks,
    )
    event = _wait(lambda: _event(aws, deployment, "rd", deliveries["rd"]["delivery_id"]))
    answer = recipient.answer(event, datetime.now(UTC))
    assert recipient.answer(event, datetime.now(UTC))["receipt"] == answer["receipt"]

    # 5. The sender is told of both, and believes both.
    told: dict[str, dict[str, Any]] = {}

    def told_both() -> bool:
        for event in _events(aws, deployment, "dga", "tra.receipt.issued.v1"):
            if event["data"]["document_id"] == document_id:
                told[event["data"]["recipient"]] = event["data"]
        return len(told) == 2

    _wait(told_both)
    assert told["slc"]["receipt"] == first["receipt"]
    assert told["rd"]["receipt"] == answer["receipt"]
    for by, keys in (("slc", jwks), ("rd", {"keys": [reply_key.public]})):
        receipt = Receipt.read(check_jws(told[by]["receipt"], keys))
        assert receipt.file_digest == sender.show(document_id)["file"]["sha256"]
        assert told[by]["receive_number"]["number"] == receipt.number
    ended = sender.get(f"/v1/letters/{document_id}/deliveries")["items"]
    assert {one["state"] for one in ended} == {"handed_over"}

    # 6. One bundle proves all of it.
    bundle = sender.get(f"/v1/documents/{document_id}/evidence")
    text = json.dumps(bundle)
    assert first["receipt"] in text
    assert answer["receipt"] in text


def _event(
    aws: Session, deployment: Deployment, agency_id: str, delivery_id: str
) -> dict[str, Any] | None:
    events = _events(aws, deployment, agency_id, "tra.letter.delivered.v1")
    return next((event for event in events if event["subject"] == delivery_id), None)


def _events(
    aws: Session, deployment: Deployment, agency_id: str, kind: str
) -> list[dict[str, Any]]:
    """Events of one kind in an agency's queue, left there: other tests read it too."""
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{deployment.stack}-inbox-{agency_id}")["QueueUrl"]
    received = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=1
    )
    events = [json.loads(message["Body"]) for message in received.get("Messages", [])]
    return [event for event in events if event["type"] == kind]
