"""Letters at the sender's side, through the API: send, follow, recall, dispute, resend."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ChannelBusyError
from tests.support.letter_office import LETTER, TO_ALL, Office, letter_office, officer
from tests.support.previews import near_preview
from tests.support.rooms import furnished, sample_event

APPLICATION = officer("slc", "application")
DELIVERIES = "/v1/letters/{document_id}/deliveries"
DELIVERY = "/v1/letters/{document_id}/deliveries/{delivery_id}"


@pytest.fixture
def office() -> Iterator[Office]:
    with letter_office() as made:
        yield made


# -- sending -------------------------------------------------------------------------


def test_a_clerk_sees_the_list_first(office: Office) -> None:
    """Issue 6.6: without the right confirmation nothing is stored, and the answer says to whom
    the letter would go; with it the letter is on its way."""
    refused = office.send(LETTER)
    assert (refused.status, refused.json["code"]) == (409, "confirmation_required")
    assert refused.json["confirmation"]["recipients"] == [
        "๑. สำนักงานพัฒนารัฐบาลดิจิทัล (dga) ทางกล่องรับหนังสือในระบบ"
    ]
    digest = refused.json["confirmation"]["digest"]
    thai = {"accept-language": "th"}
    stale = office.send({**LETTER, "to": ["opm"], "confirmation": digest}, headers=thai)
    assert (stale.status, stale.json["code"]) == (409, "confirmation_stale")
    assert "สำนักนายกรัฐมนตรี" in stale.json["confirmation"]["recipients"][0]
    assert "รายชื่อ" in stale.json["detail"]
    assert office.stored() == ()
    sent = office.send({**LETTER, "confirmation": digest})
    assert sent.status == 202, sent.text
    assert (sent.json["recipients"], sent.json["circular"]) == (1, False)
    assert sent.headers["Location"] == sent.json["links"]["self"]
    assert len(office.stored()) == 1


def test_a_dry_run_shows_list_and_pages(office: Office) -> None:
    """api.md dry_run: the watermarked preview and the digest to send with; no number, nothing
    stored."""
    house = office.fakes.house()
    vars(house)["previewer"] = near_preview()
    with furnished(house):
        body = {**LETTER, "act_within": "2026-11-25T16:30:00+07:00", "dry_run": True}
        shown = office.send(body)
    assert shown.status == 200, shown.text
    assert shown.json["confirmation"]["recipients"][0].startswith("๑. ")
    assert base64.b64decode(shown.json["preview_base64"]).startswith(b"%PDF-")
    assert office.stored() == ()
    digest = shown.json["confirmation"]["digest"]
    assert office.send({**body, "dry_run": False, "confirmation": digest}).status == 202


def test_an_application_confirms_nothing_but_what_it_says(office: Office) -> None:
    """Issue 6.6: the list is for people; an application that names one is held to it."""
    assert office.send({**LETTER, "confirmation": "0" * 64}, by=APPLICATION).status == 409
    assert office.stored() == ()
    assert office.send(LETTER, by=APPLICATION).status == 202


def test_a_key_makes_a_repeat_harmless(office: Office) -> None:
    """api.md: same key and body, same letter; another body 422; a refused one claims nothing."""
    key = {"idempotency-key": "k-1"}
    assert office.send(LETTER, headers=key).status == 409
    first = office.send(LETTER, by=APPLICATION, headers=key)
    again = office.send(LETTER, by=APPLICATION, headers=key)
    assert (first.status, again.status) == (202, 202)
    assert first.json["document_id"] == again.json["document_id"]
    other = office.send({**LETTER, "subject": "อื่น"}, by=APPLICATION, headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert len(office.stored()) == 1


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"to": []}, {("/to", "too_few")}),
        ({"to": "dga"}, {("/to", "wrong_type")}),
        ({"to": ["dga", "nobody", "dga", "slc", "court"], "addressee": "ท่าน"}, {
            ("/to/1", "unknown_recipient"),
            ("/to/2", "repeated"),
            ("/to/3", "own_agency"),
            ("/to/4", "unknown_recipient"),
        }),
        ({"to": [f"a{n}" for n in range(1001)]}, {("/to", "too_many")}),
        ({"to": ["dga", "opm"]}, {("/addressee", "missing")}),
        ({"salutation": "นมัสการ"}, {("/closing", "missing")}),
        ({"subject": 7, "paragraphs": []}, {("/subject", "wrong_type"), ("/paragraphs", "missing")}),
        ({"references": [{"number": "x"}]}, {("/references/0/number", "too_short")}),
        ({"subject": "ก\u202e"}, {("/subject", "control_character")}),
        ({"act_within": "2026-11-20T12:00:00+07:00"}, {("/act_within", "in_the_past")}),
        ({"act_within": "2026-11-30T12:00:00"}, {("/act_within", "wrong_format")}),
        ({"circular": "yes", "extra": 1}, {("/circular", "wrong_type"), ("/extra", "unknown_field")}),
        ({"confirmation": "no"}, {("/confirmation", "wrong_pattern")}),
        ({"use_reserved": {"year": 2026, "number": 5}}, {("/use_reserved", "no_such_number")}),
        ({"retention_years": 1}, {("/retention_years", "retention_shortened")}),
    ],
)  # fmt: skip
def test_bad_input_sends_nothing(
    office: Office, change: dict[str, Any], faults: set[tuple[str, str]]
) -> None:
    """Issue 6.1: every fault at once, each with its place in the letter; nothing is stored."""
    answer = office.send({**LETTER, **change}, by=APPLICATION)
    assert answer.status == 422, answer.text
    told = {(fault["pointer"], fault["code"]) for fault in answer.json["errors"]}
    assert faults <= told
    assert {pointer for pointer, _ in told} == {pointer for pointer, _ in faults}
    assert office.stored() == ()


def test_faults_of_all_kinds_come_together(office: Office) -> None:
    """api.md: one answer names what is wrong with fields, content and recipients."""
    body = {"to": ["nobody"], "subject": "ก" * 500, "urgency": "soon", "extra": 1}
    answer = office.send(body, by=APPLICATION)
    told = {fault["pointer"] for fault in answer.json["errors"]}
    assert told == {"/to/0", "/subject", "/urgency", "/extra", "/paragraphs"}


def test_top_secret_never_travels(office: Office) -> None:
    """C3: refused with its own word, as documents are."""
    answer = office.send({**LETTER, "classification": "top_secret"}, by=APPLICATION)
    assert (answer.status, answer.json["code"]) == (422, "top_secret_refused")


def test_an_agency_without_letter_prefix_sends_none(office: Office) -> None:
    """A16: a letter without number cannot be."""
    answer = office.send({**LETTER, "to": ["opm"]}, by=officer("onep", "application"))
    assert answer.status == 422
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [("", "no_letter_prefix")]


def test_who_may_send(office: Office) -> None:
    """P6, A7: role and scope decide."""
    assert office.send(LETTER, by=officer("slc", "approver")).status == 403
    unscoped = officer("slc", scope="documents:submit letters:read")
    assert office.send(LETTER, by=unscoped).json["reason"] == "scope_missing"


def test_a_letter_by_post_documents_follows_the_same_rules(office: Office) -> None:
    """Issue 6.1, A7: a document of the send register is a letter whoever submits it: agencies whose
    inbox is here may be named, the sender may not, and it may be ด่วนภายใน. It takes the scope of
    sending."""
    content = {
        "subject": "ขอเชิญประชุม",
        "addressee": "ผู้อำนวยการ",
        "paragraphs": ["จึงเรียนมาเพื่อโปรดทราบ"],
        "closing": "ขอแสดงความนับถือ",
        "contact": {"office": "สำนัก"},
    }
    body = {"document_type": "official-letter", "content": content, "recipients": ["dga", "slc"]}
    refused = office.post("/v1/documents", body, by=APPLICATION)
    told = [(e["pointer"], e["code"]) for e in refused.json["errors"]]
    assert told == [("/recipients/1", "own_agency")]
    right = {**body, "recipients": ["dga"], "act_within": "2026-11-30T09:00:00Z"}
    unscoped = officer("slc", "application", scope="documents:submit")
    assert office.post("/v1/documents", right, by=unscoped).json["reason"] == "scope_missing"
    made = office.post("/v1/documents", right, by=APPLICATION)
    assert made.status == 202, made.text
    office.rest()
    (delivery,) = office.deliveries(made.json["document_id"])["items"]
    assert (delivery["state"], delivery["act_within"]) == ("consigned", "2026-11-30T09:00:00Z")


# -- what became of it -----------------------------------------------------------------


def test_the_sender_follows_each_delivery(office: Office) -> None:
    """A23, E2, A1: state, history, both times, number and receipt of each recipient."""
    document_id = office.sent(TO_ALL)
    before = office.deliveries(document_id)
    assert before["progress"]["states"] == {"consigned": 3}
    registered = office.does("receipt", f"{document_id}.dga.1")
    assert registered.status == 201, registered.text
    office.does("rejection", f"{document_id}.onep.1", {"reason": "illegible"})
    office.rest()
    after = office.deliveries(document_id)
    assert after["progress"]["ended"] == 2
    by_name = {item["recipient"]: item for item in after["items"]}
    dga = by_name["dga"]
    assert dga["recipient_name"] == "สำนักงานพัฒนารัฐบาลดิจิทัล"
    # Saturday noon counts on Monday morning.
    assert dga["received"]["entered_at"] == "2026-11-21T05:00:00Z"
    assert dga["received"]["counted_at"] == "2026-11-23T01:30:00Z"
    assert dga["receive_number"]["printed"] == "สพร ร/ ๒๕๖๙/ ๑"
    assert [step["event"] for step in dga["history"]] == ["planned", "consigned", "handed_over"]
    assert by_name["onep"]["reason"]["code"] == "illegible"
    assert by_name["opm"]["channel"] == "queue"
    path = {"document_id": document_id, "delivery_id": f"{document_id}.dga.1"}
    detail = office.get(DELIVERY, by=officer("slc"), path=path).json
    assert [r["receipt"] for r in detail["receipts"]] == [registered.json["receipt"]]
    assert detail["receipts"][0]["receiver"] == "นางสาวdga ตัวอย่าง"
    letter = office.get(
        "/v1/letters/{document_id}", by=officer("slc"), path={"document_id": document_id}
    ).json
    assert (letter["printed_number"], letter["subject"]) == ("นร ๐๕๐๕/๑", "ขอเชิญประชุม")
    assert letter["progress"] == after["progress"]


def test_tries_and_the_next_one_are_told(office: Office) -> None:
    """A23: a sender sees that a recipient's system is not reached, why, and when it is tried
    again."""
    office.fakes.channels.says["opm"] = ChannelBusyError("It does not answer.")
    document_id = office.sent({**LETTER, "to": ["opm"]})
    (delivery,) = office.deliveries(document_id)["items"]
    assert (delivery["state"], delivery["tries"]) == ("planned", 1)
    assert delivery["history"][-1]["reason"]["code"] == "channel_busy"
    assert delivery["next_try"] == "2026-11-21T05:01:00Z"


def test_circulars_have_their_own_numbers(office: Office) -> None:
    """Issue 6.7: one number of the circular register, a delivery for each."""
    document_id = office.sent({**TO_ALL, "circular": True})
    page = office.deliveries(document_id)
    assert {item["letter_number"] for item in page["items"]} == {"นร ๐๕๐๕/ว ๑"}
    assert all(item["circular"] for item in page["items"])
    assert len(office.fakes.archive.files) >= 1


def test_hundreds_of_recipients_page_by_page(office: Office) -> None:
    """Issue 6.7: a letter to hundreds is one letter; its deliveries come in pages."""
    many = [f"a{n:03}" for n in range(120)]
    for agency_id in many:
        office.fakes.directory.put_agency(
            Agency(agency_id=agency_id, name_th=f"หน่วย {agency_id}", name_en=agency_id)
        )
    document_id = office.sent({**TO_ALL, "to": many, "circular": True})
    first = office.deliveries(document_id)
    second = office.deliveries(document_id, cursor=first["cursor"])
    assert (len(first["items"]), len(second["items"]), second["cursor"]) == (100, 20, None)
    assert first["progress"]["total"] == 120
    assert [d["recipient"] for d in (*first["items"], *second["items"])] == many
    whole = office.deliveries(document_id, limit="200")
    assert (len(whole["items"]), whole["cursor"]) == (120, None)


def test_the_outbox_is_searched(office: Office) -> None:
    """Issue 6.8: by state, text, days; in pages; other agencies' letters are not in it."""
    document_id = office.sent(TO_ALL)
    office.fakes.clock.advance(timedelta(days=2))
    office.sent({**LETTER, "subject": "ขอส่งรายงาน"})
    office.does("receipt", f"{document_id}.dga.1")

    def found(**query: Any) -> list[str]:
        answer = office.get("/v1/outbox", by=officer("slc"), **query)
        assert answer.status == 200, answer.text
        return [item["recipient"] for item in answer.json["items"]]

    assert found() == ["dga", "opm", "onep", "dga"]
    assert found(state="handed_over") == ["dga"]
    assert found(q="รายงาน") == ["dga"]
    assert found(q="onep") == ["onep"]
    assert found(to="2026-11-22") == ["opm", "onep", "dga"]
    assert found(from_="2026-11-22") == ["dga"]
    first = office.get("/v1/outbox", by=officer("slc"), limit="3").json
    rest = office.get("/v1/outbox", by=officer("slc"), limit="3", cursor=first["cursor"]).json
    assert (len(first["items"]), len(rest["items"]), rest["cursor"]) == (3, 1, None)
    assert office.get("/v1/outbox", by=officer("dga")).json["items"] == []
    bad: Any
    for bad in ({"state": "lost"}, {"limit": "0"}, {"from_": "2026-13-01"}, {"cursor": "x"}):
        assert office.get("/v1/outbox", by=officer("slc"), **bad).status == 422
    # DynamoDB takes no such range, and 503 would have everybody try again.
    for route in ("/v1/outbox", "/v1/inbox", "/v1/documents"):
        turned = office.get(route, by=officer("slc"), from_="2026-12-02", to="2026-12-01")
        assert (turned.status, turned.json["errors"][0]["pointer"]) == (422, "/to")


# -- taking back, disputing, sending again ---------------------------------------------


def test_a_letter_is_taken_back(office: Office) -> None:
    """Issue 6.6: before it is registered; the recipient sees that it was recalled, and its file
    is gone for it."""
    delivery_id = f"{office.sent(LETTER)}.dga.1"
    recalled = office.on("recall", delivery_id)
    assert (recalled.status, recalled.json["state"]) == (200, "recalled")
    assert office.on("recall", delivery_id).status == 200
    office.rest()
    seen = office.arrival(delivery_id).json
    assert (seen["state"], seen["links"]["file"], seen["links"]["print"]) == (
        "recalled",
        None,
        None,
    )
    assert office.arrival(delivery_id, "/file").status == 404
    path = {"document_id": delivery_id.partition(".")[0]}
    file = office.get("/v1/documents/{document_id}/file", by=officer("dga"), path=path)
    assert file.status == 404
    refused = office.does("receipt", delivery_id)
    assert (refused.status, refused.json["reason"]) == (409, "delivery_recalled")


def test_what_is_registered_is_not_taken_back(office: Office) -> None:
    """P5: one outcome; the other side is told which."""
    document_id = office.sent(TO_ALL)
    office.does("receipt", f"{document_id}.dga.1")
    refused = office.on("recall", f"{document_id}.dga.1")
    assert (refused.status, refused.json["code"]) == (409, "delivery_conflict")
    assert refused.json["reason"] == "delivery_handed_over"
    whole = office.post(
        "/v1/letters/{document_id}/recall", by=officer("slc"), document_id=document_id
    )
    assert whole.status == 200, whole.text
    assert whole.json == {
        "recalled": [f"{document_id}.onep.1", f"{document_id}.opm.1"],
        "not_recalled": [
            {
                "delivery_id": f"{document_id}.dga.1",
                "recipient": "dga",
                "reason": "delivery_handed_over",
            }
        ],
        "cursor": None,
    }


def test_nothing_is_taken_back_before_it_is_sent(office: Office) -> None:
    """Issue 6.6: a letter without number has no deliveries; who asks is told to wait."""
    made = office.send(LETTER, by=APPLICATION).json["document_id"]
    answer = office.post("/v1/letters/{document_id}/recall", by=officer("slc"), document_id=made)
    assert (answer.status, answer.json["code"]) == (409, "not_ready")


def test_a_wrong_number_is_disputed_and_corrected(office: Office) -> None:
    """Issue 6.6, InvalidAcceptID: the recipient answers with the next number; both receipts are
    kept, and a repeat of either order changes nothing."""
    delivery_id = f"{office.sent(LETTER)}.dga.1"
    first = office.does("receipt", delivery_id).json
    wrong = {"year": first["year"], "number": first["number"]}
    assert office.on("dispute", delivery_id, {**wrong, "number": 99}).json["reason"] == (
        "no_such_receipt"
    )
    assert office.on("dispute", delivery_id, wrong).json["disputed"] is True
    assert office.arrival(delivery_id).json["disputed"] is True
    corrected = office.does("correction", delivery_id)
    assert (corrected.status, corrected.json["number"]) == (201, first["number"] + 1)
    assert corrected.json["corrects"] == first["digest"]
    assert office.does("correction", delivery_id).text == corrected.text
    assert office.on("dispute", delivery_id, wrong).json["disputed"] is False
    path = {"document_id": delivery_id.partition(".")[0], "delivery_id": delivery_id}
    detail = office.get(DELIVERY, by=officer("slc"), path=path).json
    assert [r["receipt"] for r in detail["receipts"]] == [
        first["receipt"],
        corrected.json["receipt"],
    ]
    for bad in ({}, {"year": 2026}, {"year": 2026, "number": "1"}):
        assert office.on("dispute", delivery_id, bad).status == 422


def test_a_rejected_letter_is_sent_again(office: Office) -> None:
    """Issue 6.6: as a new delivery, once; the ended one stays; what is on its way is not sent
    again."""
    delivery_id = f"{office.sent(LETTER)}.dga.1"
    waiting = office.on("resend", delivery_id)
    assert (waiting.status, waiting.json["code"]) == (409, "resend_refused")
    office.does("rejection", delivery_id, {"reason": "missing_attachment"})
    again = office.on("resend", delivery_id)
    assert (again.status, again.json["attempt"]) == (201, 2)
    assert again.headers["Location"] == again.json["links"]["self"]
    assert office.on("resend", delivery_id).json["delivery_id"] == again.json["delivery_id"]
    office.rest()
    page = office.deliveries(delivery_id.partition(".")[0])
    assert [(d["attempt"], d["state"]) for d in page["items"]] == [
        (1, "rejected"),
        (2, "consigned"),
    ]
    assert page["progress"]["states"] == {"consigned": 1}


# -- whose it is -----------------------------------------------------------------------


@pytest.mark.parametrize("other", ["dga", "opm", "onep"])
def test_other_agencies_find_no_letter(office: Office, other: str) -> None:
    """P6: the sender's side of a letter does not exist for anybody else, its recipient included."""
    document_id = office.sent(LETTER)
    delivery_id = f"{document_id}.dga.1"
    by = officer(other)
    path = {"document_id": document_id, "delivery_id": delivery_id}
    for route in ("/v1/letters/{document_id}", DELIVERIES, DELIVERY):
        assert office.get(route, by=by, path=path).status == 404
    for what, body in (
        ("recall", None),
        ("dispute", {"year": 2026, "number": 1}),
        ("resend", None),
    ):
        assert office.on(what, delivery_id, body, by=by).status == 404
    whole = office.post("/v1/letters/{document_id}/recall", by=by, document_id=document_id)
    assert whole.status == 404
    assert office.delivery(delivery_id).state == "consigned"


def test_ids_of_nothing_and_of_other_things(office: Office) -> None:
    """P6: an id that is none, of another letter, or of a document that is no letter, is not
    found."""
    one, other = office.sent(LETTER), office.sent(LETTER)
    by = officer("slc")
    for delivery_id in (f"{other}.dga.1", "x", f"{one}.dga.9", f"{one}.dga.01", "..", "a.b.c.d"):
        path = {"document_id": one, "delivery_id": delivery_id}
        assert office.get(DELIVERY, by=by, path=path).status == 404
    body = {**json.loads(sample_event("api")["body"]), "recipients": []}
    made = office.post("/v1/documents", body, by=APPLICATION)
    assert made.status == 202, made.text
    path = {"document_id": made.json["document_id"]}
    assert office.get("/v1/letters/{document_id}", by=by, path=path).status == 404


def test_reading_is_not_acting(office: Office) -> None:
    """A7: an auditor reads the outbox and takes nothing back."""
    delivery_id = f"{office.sent(LETTER)}.dga.1"
    auditor = officer("slc", "auditor")
    assert office.get("/v1/outbox", by=auditor).status == 200
    assert office.on("recall", delivery_id, by=auditor).status == 403
    assert office.on("resend", delivery_id, by=auditor).status == 403
