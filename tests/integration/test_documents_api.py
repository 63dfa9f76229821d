"""The documents interface as an agency application uses it."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.memory import MarkingSealer, PlainRenderer
from chalicelib.bootstrap import house
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency, Unit
from chalicelib.domain.errors import LintError, TimestampError
from chalicelib.domain.merkle import leaf_hash, verify_inclusion
from chalicelib.domain.notes import Checkpoint, Note
from chalicelib.domain.registers import Book
from chalicelib.domain.seals import SealedPdf
from chalicelib.domain.tlog import NumberLeaf, Outcome, OutcomeLeaf, verify_commitment
from chalicelib.ports import RenderRequest
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.reserve import ReservationRequest, reserve
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support.rooms import sample_event
from tests.support.samples import AGENCIES, NOON

DBD = {
    **sample_event("api")["requestContext"]["authorizer"],
    "agency": "dbd",
    "sub": "dbd-app",
}
RD = {**DBD, "agency": "rd", "sub": "rd-app"}


def _issued(api: Api, body: dict[str, Any]) -> str:
    """Submit, and let the functions work until the document has ended."""
    document_id: str = api.submit(body).json["document_id"]
    World(api.fakes).run_to_rest()
    # World furnishes houses of its own; the test goes on with its own.
    return document_id


def test_a_submission_is_accepted_and_numbered_later(api: Api, licence: dict[str, Any]) -> None:
    """api.md: 202 with document_id, state and links; the number queue is told."""
    answer = api.submit(licence)
    assert answer.status == 202
    body = answer.json
    assert body["state"] == "accepted"
    assert set(body["links"]) == {"self", "file", "verify"}
    assert answer.headers["Location"] == body["links"]["self"]
    assert api.fakes.number_queue.messages == [(body["document_id"], "diw.licence")]


class _StoppedSealer(MarkingSealer):
    """No time-stamp authority answers."""

    def seal(self, *_: Any, **__: Any) -> SealedPdf:
        raise TimestampError("No time-stamp could be had.", "ไม่สามารถขอประทับรับรองเวลาได้")


def test_a_document_says_what_it_waits_for(api: Api, licence: dict[str, Any]) -> None:
    """P4: sealing that cannot go on is visible to the owner, in both languages, until it ends."""
    document_id: str = api.submit(licence).json["document_id"]
    world, api.fakes.sealer = World(api.fakes), _StoppedSealer()
    assert [world.step(name) for name in ("number", "seal")] == [True, True]
    shown = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id}).json
    assert shown["state"] == "numbered"
    assert shown["waiting"]["code"] == "timestamp_failed"
    assert shown["waiting"]["detail_th"] == "ไม่สามารถขอประทับรับรองเวลาได้"
    assert shown["waiting"]["since"] == NOON.isoformat().replace("+00:00", "Z")
    api.fakes.sealer = MarkingSealer()
    world.run_to_rest()
    shown = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id}).json
    assert (shown["state"], shown["waiting"]) == ("issued", None)


def test_a_document_shows_its_way(api: Api, licence: dict[str, Any]) -> None:
    """P4: state, history, number, digest and retention are visible to the owner."""
    document_id = _issued(api, licence)
    with_house = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id})
    shown = with_house.json
    assert shown["state"] == "issued"
    assert [change["state"] for change in shown["history"]] == ["accepted", "numbered", "issued"]
    assert (shown["number"], shown["printed_number"]) == (1, "๑/๒๕๖๙")
    assert re.fullmatch("[0-9a-f]{64}", shown["file"]["sha256"])
    assert shown["retain_until"] == "2036-12-31T16:59:59Z"
    assert shown["notified"] == ["dbd"]


def test_the_file_is_a_short_lived_link(api: Api, licence: dict[str, Any]) -> None:
    """api.md: the sealed PDF comes by a redirect; owner and recipients may have it."""
    document_id = _issued(api, licence)
    route = ("GET", "/v1/documents/{document_id}/file")
    owner = api.call(*route, path={"document_id": document_id})
    assert owner.status == 303
    assert f"{document_id}.pdf" in owner.headers["Location"]
    assert api.call(*route, path={"document_id": document_id}, authorizer=DBD).status == 303


def test_a_file_may_be_kept_longer_than_its_type_demands(api: Api, licence: dict[str, Any]) -> None:
    """A26, issue 5 item 7: the asked-for years are what Object Lock gets; the type's if none are
    asked for."""
    for asked, kept in (({}, 10), ({"retention_years": 10}, 10), ({"retention_years": 15}, 15)):
        document_id = _issued(api, {**licence, **asked})
        document = api.fakes.ledger.get(document_id)
        assert document is not None
        assert document.file is not None
        assert document.file.retain_until.year == NOON.year + kept
        shown = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id})
        assert shown.json["retention_years"] == kept


def test_other_agencies_see_nothing(api: Api, licence: dict[str, Any]) -> None:
    """P6: another agency's document looks exactly like one that does not exist."""
    document_id = _issued(api, licence)
    for resource in ("/v1/documents/{document_id}", "/v1/documents/{document_id}/file"):
        foreign = api.call("GET", resource, path={"document_id": document_id}, authorizer=RD)
        absent = api.call("GET", resource, path={"document_id": "0" * 26}, authorizer=RD)
        assert (foreign.status, foreign.json) == (404, absent.json)
    recipient = api.call(
        "GET", "/v1/documents/{document_id}", path={"document_id": document_id}, authorizer=DBD
    )
    assert recipient.status == 404
    assert api.call("GET", "/v1/documents", authorizer=RD).json["items"] == []


def test_before_it_is_issued_there_is_no_file_and_no_verification(
    api: Api, licence: dict[str, Any]
) -> None:
    """P3: no file and no verification answer before the bytes are locked."""
    body = api.submit(licence).json
    file = api.call(
        "GET", "/v1/documents/{document_id}/file", path={"document_id": body["document_id"]}
    )
    assert (file.status, file.json["code"]) == (409, "not_ready")
    assert "Retry-After" in file.headers
    code = body["links"]["verify"].rsplit("/", 1)[1]
    assert api.call("GET", "/v/{code}", path={"code": code}).status == 404


class _Refusing(PlainRenderer):
    def render(self, request: RenderRequest) -> bytes:
        raise LintError("A font is missing.", "ไม่มีแบบอักษร")


def test_a_document_that_cannot_be_made_ends_as_void_with_its_reason(
    api: Api, licence: dict[str, Any]
) -> None:
    """P1, P4: the number stays in the register as void, and the owner reads why."""
    api.fakes.renderer = _Refusing()
    document_id = _issued(api, licence)
    shown = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id}).json
    assert shown["state"] == "void"
    assert shown["number"] == 1
    assert shown["reason"]["detail_th"] == "ไม่มีแบบอักษร"
    file = api.call("GET", "/v1/documents/{document_id}/file", path={"document_id": document_id})
    assert (file.status, file.json["code"]) == (410, "ended_without_file")


def test_the_code_answers_as_json_and_as_a_page(api: Api, licence: dict[str, Any]) -> None:
    """D3, E4: what the QR code leads to, for machines and for people; no holder's name."""
    document_id = _issued(api, licence)
    shown = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id}).json
    code = shown["links"]["verify"].rsplit("/", 1)[1]
    answer = api.call("GET", "/v/{code}", path={"code": code.lower()})
    assert answer.json["printed_number"] == "๑/๒๕๖๙"
    assert answer.json["file_sha256"] == shown["file"]["sha256"]
    page = api.call("GET", "/v/{code}", path={"code": code}, headers={"accept": "text/html"})
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "๑/๒๕๖๙" in page.text
    assert licence["content"]["holder"]["name"] not in page.text + answer.text


def test_an_unknown_code_has_a_page_too(api: Api) -> None:
    """D3: whoever scans a forged code reads what to do."""
    page = api.call(
        "GET", "/v/{code}", path={"code": "<script>"}, headers={"accept": "text/html,*/*"}
    )
    assert page.status == 404
    assert "ไม่พบเอกสาร" in page.text
    assert "<script>" not in page.text


def test_the_directory_shows_keys_and_no_addresses(api: Api) -> None:
    """C1: anybody can check an agency's receipts and sees its units; where its system is reached
    is nobody's business, for the path of a webhook may be a secret."""
    key = {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "kid": "mot-1"}
    mot = Agency(
        agency_id="mot",
        name_th="กระทรวงคมนาคม",
        name_en="Transport",
        channel=ChannelKind.WEBHOOK,
        webhook_url="https://saraban.mot.example/secret",
        reply_keys=(key,),
        units=(Unit("registry", "งานสารบรรณ", "Registry"),),
    )
    api.fakes.directory.put_agency(mot)
    answer = api.call("GET", "/v1/agencies", authorizer={})
    by_id = {agency["agency_id"]: agency for agency in answer.json["items"]}
    assert by_id["mot"]["channel"] == "webhook"
    assert by_id["mot"]["receives_events"]
    assert by_id["mot"]["reply_keys"] == [{**key, "use": "sig", "alg": "ES256"}]
    assert by_id["mot"]["units"] == [
        {"unit_id": "registry", "name_th": "งานสารบรรณ", "name_en": "Registry"}
    ]
    assert (by_id["paper"]["channel"], by_id["paper"]["receives_events"]) == ("hosted", False)
    assert "secret" not in answer.text
    assert "memory:" not in answer.text


def test_the_catalogue_is_public(api: Api) -> None:
    """api.md: agencies and types are public; the example of each type is accepted. Office hours
    are announced, because they decide when something counts as received (E2)."""
    agencies = api.call("GET", "/v1/agencies", authorizer={}).json["items"]
    assert {"diw", "dbd", "rd", "paper"} == {agency["agency_id"] for agency in agencies}
    office_day = [{"opens": "08:30", "closes": "16:30"}]
    assert agencies[0]["office_hours"] == {
        "week": dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), office_day),
        "closed_days": [],
        "working_days": [],
    }
    with_prefix = replace(AGENCIES[0], letter_prefix="อก ๐๓๐๒")  # without it, no letters
    api.fakes.directory.put_agency(with_prefix)
    for kind in api.call("GET", "/v1/document-types", authorizer={}).json["items"]:
        detail = api.call("GET", "/v1/document-types/{name}", path={"name": kind["name"]}).json
        recipients = [] if detail["recipients_within"] else ["dbd"]
        example = {**detail["example"], "recipients": recipients}
        assert api.submit(example).status == 202
    assert api.call("GET", "/v1/document-types/{name}", path={"name": "no"}).status == 404


def test_search_pages_through_the_agencys_documents(api: Api, licence: dict[str, Any]) -> None:
    """A2: limit and cursor walk through all documents once."""
    made = {api.submit(licence).json["document_id"] for _ in range(5)}
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = api.call("GET", "/v1/documents", query=query).json
        found += [item["document_id"] for item in page["items"]]
        cursor = page["cursor"]
    assert len(found) == 5
    assert set(found) == made


def test_one_number_for_each_recipient(api: Api, licence: dict[str, Any]) -> None:
    """Issue of registers: a run of consecutive numbers, one document per recipient, though
    another request comes between and only one message of the run arrives."""
    body = {**licence, "recipients": ["dbd", "rd"], "numbers": "per_recipient"}
    other = api.submit(licence).json["document_id"]
    run = api.submit(body).json["run"]
    last = api.submit(licence).json["document_id"]
    assert len(run) == 2
    World(api.fakes).run_to_rest()
    route = ("GET", "/v1/documents/{document_id}")
    shown = [api.call(*route, path={"document_id": i}).json for i in (other, *run, last)]
    assert [d["number"] for d in shown] == [1, 2, 3, 4]
    assert [d["notified"] for d in shown[1:3]] == [["dbd"], ["rd"]]
    assert {d["run"] == run for d in shown[1:3]} == {True}


def test_a_run_needs_recipients_and_no_wish(api: Api, licence: dict[str, Any]) -> None:
    """P4: what contradicts itself is pointed at."""
    empty = api.submit({**licence, "recipients": [], "numbers": "per_recipient"})
    assert empty.json["errors"][0]["code"] == "bad_run"
    wish = {"year": 2026, "number": 1}
    both = api.submit({**licence, "numbers": "per_recipient", "use_reserved": wish})
    assert both.json["errors"][0]["code"] == "two_wishes"


def test_the_bundle_proves_the_document_offline(api: Api, licence: dict[str, Any]) -> None:
    """P2, P7: with the salt and the proofs anybody can check that the public logs hold just
    this content under this number, and what became of it."""
    document_id = _issued(api, licence)
    route = ("GET", "/v1/documents/{document_id}/evidence")
    early = api.call(*route, path={"document_id": document_id}).json
    assert early["missing"] == ["number_log", "outcome_log"]
    checkpoint_all(room=house().checkpoint_room)
    found = api.call(*route, path={"document_id": document_id}, authorizer=DBD).json
    assert found["missing"] == []
    verify_commitment(found["commitment"], bytes.fromhex(found["salt"]), found["content_digest"])
    number = NumberLeaf.from_bytes(found["number_log"]["leaf"].encode())
    assert (number.number, number.commitment) == (1, found["commitment"])
    (outcome,) = found["outcome_log"]
    leaf = OutcomeLeaf.from_bytes(outcome["leaf"].encode())
    assert (leaf.outcome, leaf.file_digest) == (Outcome.ISSUED, found["file"]["sha256"])
    for part in (found["number_log"], outcome):
        head = Checkpoint.parse(Note.from_bytes(part["checkpoint"].encode()).text).head
        proof = [base64.b64decode(node) for node in part["proof"]]
        verify_inclusion(leaf_hash(part["leaf"].encode()), part["index"], proof, head)
    assert api.call(*route, path={"document_id": document_id}, authorizer=RD).status == 404
    waiting = api.submit(licence).json["document_id"]
    assert api.call(*route, path={"document_id": waiting}).status == 409


def test_a_repeat_is_answered_though_the_world_moved_on(api: Api, licence: dict[str, Any]) -> None:
    """P8, ADR 7: the reserved number was used by the request's own document, the day has
    passed and the recipient has left: the same key and body still lead to that document."""
    desk = house().reservation_desk
    request = ReservationRequest(
        book=Book("diw", "licence"),
        count=1,
        owner="clerk",
        reason="รอ",
        expires_at=NOON + timedelta(days=9),
    )
    (reserved,) = reserve(request, desk=desk)
    body = {
        **licence,
        "use_reserved": {"year": 2026, "number": reserved.number},
        "dated": "2026-11-21",
    }
    first = api.submit(body, idempotency_key="k1")
    World(api.fakes).run_to_rest()
    api.fakes.clock.advance(timedelta(days=1))
    api.fakes.directory._agencies.pop("dbd")
    again = api.submit(body, idempotency_key="k1")
    assert (again.status, again.json["document_id"]) == (202, first.json["document_id"])
    assert again.json["state"] == "issued"
    other = api.submit({**body, "urgency": "express"}, idempotency_key="k1")
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


def test_recipients_learn_nothing_before_it_is_issued(api: Api, licence: dict[str, Any]) -> None:
    """P3: until a document is final it does not exist for its recipients, evidence included."""
    document_id = api.submit(licence).json["document_id"]
    World(api.fakes).step("number")
    for part in ("file", "evidence"):
        route = ("GET", f"/v1/documents/{{document_id}}/{part}")
        assert api.call(*route, path={"document_id": document_id}, authorizer=DBD).status == 404
    World(api.fakes).run_to_rest()
    route = ("GET", "/v1/documents/{document_id}/evidence")
    assert api.call(*route, path={"document_id": document_id}, authorizer=DBD).status == 200


def test_a_document_without_recipients_has_evidence(api: Api, licence: dict[str, Any]) -> None:
    """P5: evidence is signed for every issued document, and then nothing is swept any more."""
    document_id = _issued(api, {**licence, "recipients": []})
    route = ("GET", "/v1/documents/{document_id}/evidence")
    assert api.call(*route, path={"document_id": document_id}).json["evidence"]
    assert api.fakes.ledger.unsettled(NOON + timedelta(days=9), 10) == ()


def test_no_number_is_inserted_into_a_year_that_is_over(api: Api, licence: dict[str, Any]) -> None:
    """A18: from midnight in Bangkok the old year takes nothing, closed already or not."""
    _issued(api, licence)
    api.fakes.clock.now = datetime(2026, 12, 31, 17, 0, 0, 1000, tzinfo=UTC)
    answer = api.submit({**licence, "insert_after": {"year": 2026, "number": 1}})
    assert [e["code"] for e in answer.json["errors"]] == ["register_closed"]


def test_ids_and_codes_that_can_be_none_are_not_found(api: Api) -> None:
    """P4: whatever stands in the path, the answer is 404 and no alarm rings."""
    for text in ("A" * 3000, "..", "ก", "DOC#1", ""):
        assert api.call("GET", "/v/{code}", path={"code": text}).status == 404
        route = ("GET", "/v1/documents/{document_id}")
        assert api.call(*route, path={"document_id": text}).status == 404
