"""Documents that officers have to approve, as an agency's application meets them (B7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.approvals import ApprovalPolicy, Choice
from chalicelib.domain.documents import DocumentState
from chalicelib.domain.registers import Register
from chalicelib.services.decide_case import decide_case, withdraw_case
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support.approving import decision
from tests.support.letter_office import SENDER, TO_ALL, letter_office
from tests.support.samples import AGENCIES, NOON


def _wanting(api: Api, **policies: ApprovalPolicy) -> None:
    api.fakes.directory.put_agency(replace(AGENCIES[0], approvals=policies))


def _shown(api: Api, document_id: str) -> dict[str, Any]:
    path = {"document_id": document_id}
    found: dict[str, Any] = api.call("GET", "/v1/documents/{document_id}", path=path).json
    return found


def _decide(api: Api, document_id: str, by: str, choice: Choice = Choice.APPROVE) -> None:
    seen = api.fakes.ledger.get(document_id)
    assert seen is not None
    room = api.fakes.house().case_room
    decide_case(seen, lambda about: decision(about, by, choice, at=NOON), room=room)


def test_it_is_shown_how_far_it_is(api: Api, licence: dict[str, Any]) -> None:
    """B7, P4: submitted, it awaits two officers; who submitted sees how many are missing, who
    decided, and until when; found by its state; at last it is issued."""
    _wanting(api, licence=ApprovalPolicy(approvers=2, open_days=7))
    answer = api.submit(licence, idempotency_key="k1")
    assert (answer.status, answer.json["state"]) == (202, "awaiting_approval")
    assert api.submit(licence, idempotency_key="k1").json == answer.json
    assert api.fakes.number_queue.messages == []
    name = answer.json["document_id"]
    case = _shown(api, name)["approval"]
    assert (case["state"], case["approvers"], case["missing"]) == ("pending", 2, 2)
    ends = (NOON + timedelta(days=7)).isoformat().replace("+00:00", "Z")
    assert (case["agency_id"], case["expires_at"], case["decisions"]) == ("diw", ends, [])
    found = api.call("GET", "/v1/documents", query={"state": "awaiting_approval"}).json["items"]
    assert [item["document_id"] for item in found] == [name]
    _decide(api, name, "head-1")
    case = _shown(api, name)["approval"]
    assert (case["missing"], case["decisions"][0]["decision"]) == (1, "approve")
    _decide(api, name, "head-2")
    World(api.fakes).run_to_rest()
    shown = _shown(api, name)
    assert [change["state"] for change in shown["history"]] == [
        "awaiting_approval",
        "accepted",
        "numbered",
        "issued",
    ]
    assert (shown["approval"]["state"], shown["approval"]["missing"]) == ("approved", 0)


def test_returned_it_says_what_to_correct(api: Api, licence: dict[str, Any]) -> None:
    """P4: the reason is told in both languages, and the officer's own words beside it."""
    _wanting(api, licence=ApprovalPolicy(approvers=1))
    name = api.submit(licence).json["document_id"]
    _decide(api, name, "head-1", Choice.RETURN)
    shown = _shown(api, name)
    assert (shown["state"], shown["reason"]["code"]) == ("rejected", "approval_returned")
    assert shown["approval"]["decisions"][0]["reason"] == "แก้วันที่"


def test_other_types_and_agencies_are_as_before(api: Api, licence: dict[str, Any]) -> None:
    """Issue 7.4: the default is that nobody has to approve."""
    _wanting(api, permit=ApprovalPolicy(approvers=2))
    answer = api.submit(licence)
    assert answer.json["state"] == "accepted"
    assert _shown(api, answer.json["document_id"])["approval"] is None


def test_batches_of_such_a_type_are_refused(api: Api) -> None:
    """B7: an officer approves what an officer saw; the fault says what to do instead."""
    _wanting(api, licence=ApprovalPolicy(approvers=1))
    body = {"document_type": "licence", "defaults": {"recipients": ["dbd"]}}
    answer = api.call("POST", "/v1/batches", body=body)
    assert answer.status == 422
    (fault,) = answer.json["errors"]
    assert (fault["pointer"], fault["code"]) == ("/document_type", "approval_needed")
    assert "POST /v1/approvals" in fault["detail"]


def test_an_agency_that_is_not_there_approves_nothing(api: Api, licence: dict[str, Any]) -> None:
    """P4: a document that nobody could ever decide on is refused at once."""
    _wanting(api, licence=ApprovalPolicy(approvers=1, central="nobody"))
    (fault,) = api.submit(licence).json["errors"]
    assert (fault["pointer"], fault["code"]) == ("/document_type", "no_central_approver")


def test_a_letter_waits_too() -> None:
    """B7, issue 6: a letter to several agencies, by the same rules: nothing is numbered, and
    nothing reaches anybody, before an officer let it go; a withdrawn one never leaves."""
    with letter_office() as office:
        sender = replace(SENDER, approvals={"official-letter": ApprovalPolicy(approvers=1)})
        office.fakes.directory.put_agency(sender)
        document_id = office.sent(TO_ALL)
        refused_id = office.sent({**TO_ALL, "subject": "อีกเรื่อง"})
        assert office.deliveries(document_id)["items"] == []
        seen, other = (office.fakes.ledger.get(name) for name in (document_id, refused_id))
        assert seen is not None
        assert other is not None
        assert (seen.state, seen.is_letter) == (DocumentState.AWAITING_APPROVAL, True)
        room = office.fakes.house().case_room
        withdraw_case(other, "slc-application", room=room)
        decide_case(seen, lambda about: decision(about, at=NOON), room=room)
        office.rest()
        assert len(office.deliveries(document_id)["items"]) == 3
        assert office.deliveries(refused_id)["items"] == []
        assert len(office.fakes.ledger.entries(Register("slc", "send", 2026))) == 1
