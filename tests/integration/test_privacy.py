"""No personal data in logs, metrics, queue messages or events (PDPA)."""

from __future__ import annotations

import traceback
from io import StringIO
from typing import Any

import pytest

from chalicelib.bootstrap import house
from chalicelib.handlers import previews, verifying
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support.rooms import sample_event

NAME = "นายสมชาย ใจดีมากเป็นพิเศษ"
NUMBER = "1103700999888"
SUBJECT = "officer-somchai@agency.example"


@pytest.fixture
def personal(licence: dict[str, Any]) -> dict[str, Any]:
    holder = {"kind": "natural_person", "name": NAME, "registration_no": NUMBER}
    return {**licence, "content": {**licence["content"], "holder": holder}}


def test_nothing_personal_leaves_the_document(
    api: Api, personal: dict[str, Any], log: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """PDPA: a planted name, number and officer are found in no log, metric, message or event."""
    context = {**sample_event("api")["requestContext"]["authorizer"], "sub": SUBJECT}
    key = {"idempotency-key": NUMBER}
    accepted = api.call("POST", "/v1/documents", body=personal, headers=key, authorizer=context)
    assert accepted.status == 202
    broken = {**personal, "valid_from": "never"}
    assert api.call("POST", "/v1/documents", body=broken, authorizer=context).status == 422
    queued = str(api.fakes.number_queue.messages)
    World(api.fakes).run_to_rest()
    events = b"".join(event for _, event in api.fakes.inboxes.events).decode()
    metrics = capfd.readouterr()
    everything = log.getvalue() + metrics.out + metrics.err + queued + events
    assert "TRA-SEAL-002" in log.getvalue()
    assert events
    for secret in (NAME, "สมชาย", NUMBER, SUBJECT):
        assert secret not in everything


def test_an_unforeseen_error_tells_nothing(
    api: Api, personal: dict[str, Any], log: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """PDPA: an error that quotes a value is neither answered nor logged with it."""

    class Broken:
        def send(self, *_: object, **__: object) -> None:
            raise RuntimeError(f"cannot handle {NAME}")

    vars(house())["number_queue"] = Broken()
    answer = api.submit(personal)
    metrics = capfd.readouterr()
    assert (answer.status, answer.json["code"]) == (500, "error")
    assert "detail" not in answer.json
    assert "RuntimeError" in log.getvalue()
    assert NAME not in answer.text + log.getvalue() + metrics.out + metrics.err


@pytest.mark.parametrize("function", ["preview", "verify"])
def test_a_function_that_is_asked_fails_quietly(
    api: Api, function: str, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    """PDPA, A13: pages and files are handed to a function as they are; what the runtime would log of
    an unforeseen error there quotes nothing of them, and leads to the place."""

    def broken(_event: object) -> None:
        raise RuntimeError(f"cannot handle {NAME}")

    place = {"preview": "answer_preview", "verify": "answer_verification"}[function]
    monkeypatch.setitem(vars(house()), place, broken)
    handler = {"preview": previews.preview, "verify": verifying.verify}[function]
    with pytest.raises(RuntimeError) as raised:
        handler({}, None)
    told = "".join(traceback.format_exception(raised.value))
    assert NAME not in told + log.getvalue()
    assert "TRA-API-002" in log.getvalue()
