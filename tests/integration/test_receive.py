"""The function that takes answers from the reply queue, on fakes."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest

from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.statements import MOST_JWS
from chalicelib.handlers import receipts
from tests.integration.conftest import Api
from tests.support.receiving import Post
from tests.support.rooms import CONTEXT, furnished, sample_event


def _receive(post: Post, *bodies: str, wrap: Any = None) -> list[str]:
    """Lets the function take these messages; returns the ids of those that come again."""
    template = sample_event("receive")["Records"][0]
    records = [{**template, "messageId": str(n), "body": body} for n, body in enumerate(bodies)]
    house = post.house(wrap) if wrap else post.house()
    with furnished(house):
        report = receipts.receive({"Records": records}, CONTEXT)
    return [failure["itemIdentifier"] for failure in report["batchItemFailures"]]


def _state(post: Post, delivery_id: DeliveryId) -> DeliveryState:
    return post.delivery(delivery_id).state


def test_receipts_and_rejections_come_by_the_reply_queue() -> None:
    """C1, issue 6.2: plain or as the data of a CloudEvent; a second time is a duplicate."""
    post = Post()
    plain, wrapped = (post.arrived("opm", document_id=f"01HL{n}", number=n) for n in (1, 2))
    receipt = json.dumps({"receipt": post.signed(post.receipt(plain))})
    rejection = {"rejection": post.signed(post.rejection(wrapped))}
    event = json.dumps({"specversion": "1.0", "id": "1", "type": "x", "data": rejection})
    assert _receive(post, receipt, event, receipt) == []
    assert _state(post, plain) is DeliveryState.HANDED_OVER
    assert _state(post, wrapped) is DeliveryState.REJECTED
    assert post.faults() == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "no JSON",
        "{}",
        '{"receipt": 1}',
        '{"receipt": "a.b.c", "rejection": "a.b.c"}',
        '{"receipt": "a.b.c", "receipt": "d.e.f"}',
        '{"specversion": "1.0", "receipt": "a.b.c"}',
        '{"specversion": "1.0", "data": "a.b.c"}',
        '{"receipt": "\\ud800.a.b"}',
        json.dumps({"receipt": "a" * (3 * MOST_JWS)}),
        "[" * 5_000,
    ],
)
def test_what_nobody_can_read_is_let_go(body: str) -> None:
    """P4, P5: it would come back for ever; the others of its batch go on."""
    post = Post()
    delivery_id = post.arrived("opm")
    good = json.dumps({"receipt": post.signed(post.receipt(delivery_id))})
    assert _receive(post, body, good) == []
    assert _state(post, delivery_id) is DeliveryState.HANDED_OVER


def test_a_refused_answer_is_kept_counted_and_not_told_in_logs(
    log: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """P5, A28: kept with the delivery it claims, told to the supervisor by a metric; the log has
    the word and the delivery, nothing of what the answer says."""
    post = Post()
    delivery_id = post.arrived("opm")
    forged = post.signed(post.receipt(delivery_id, receiver="นางสาวปลอม ตัวอย่าง"), by="rd")
    nowhere = post.signed(post.receipt(delivery_id, delivery_id=DeliveryId("01HNOTHING", "opm")))
    bodies = [json.dumps({"receipt": jws}) for jws in (forged, nowhere)]
    assert _receive(post, *bodies) == []
    (kept,) = post.fakes.deliveries.refused(delivery_id)
    assert (kept.text, kept.brought_by) == (forged, None)
    logged = log.getvalue() + capfd.readouterr().out
    assert '"AnswerRefused":[1.0,1.0]' in logged
    for told in ("other_agency", "no_such_delivery", str(delivery_id)):
        assert told in logged
    for private in (forged, forged.split(".")[1][:40], "นางสาวปลอม"):
        assert private not in logged


def test_an_answer_refused_by_the_api_is_counted_alike(
    log: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """P5, A28: whichever way it came, the supervisor hears of it; whoever sent it is told the
    word, and nothing of it is logged."""
    post = Post()
    delivery_id = post.arrived("opm")
    forged = post.signed(post.receipt(delivery_id, file_digest="00" * 32))
    caller = {**sample_event("api")["requestContext"]["authorizer"], "agency": "opm"}
    with furnished(post.house()):
        answered = Api(post.fakes).call(
            "POST",
            "/v1/inbox/{delivery_id}/receipt",
            path={"delivery_id": str(delivery_id)},
            body={"receipt": forged},
            authorizer={**caller, "roles": "application", "scope": "inbox:register"},
        )
    told = answered.json
    assert (answered.status, told["code"]) == (409, "answer_refused")
    assert told["reason"] == "other_digest"
    (kept,) = post.fakes.deliveries.refused(delivery_id)
    assert (kept.text, kept.brought_by) == (forged, "opm")
    logged = log.getvalue() + capfd.readouterr().out
    assert '"AnswerRefused":[1.0]' in logged
    assert "other_digest" in logged
    assert forged not in logged


def test_what_waiting_can_heal_comes_again() -> None:
    """P8: a store that does not answer loses no answer."""
    post = Post()
    delivery_id = post.arrived("opm")
    body = json.dumps({"receipt": post.signed(post.receipt(delivery_id))})

    def wrap(name: str, port: Any) -> Any:
        return _Silent() if name == "deliveries" else port

    assert _receive(post, body, wrap=wrap) == ["0"]
    assert _receive(post, body) == []
    assert _state(post, delivery_id) is DeliveryState.HANDED_OVER


class _Silent:
    """A store that does not answer."""

    def get(self, _delivery_id: DeliveryId) -> None:
        raise UnavailableError("The store does not answer.")


def test_the_sample_event_is_read() -> None:
    """style: tests run on what AWS really sends; the letter it names is none of ours."""
    with furnished(Post().house()):
        assert receipts.receive(sample_event("receive"), CONTEXT) == {"batchItemFailures": []}
