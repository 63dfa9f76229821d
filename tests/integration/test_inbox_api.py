"""Letters at the recipient's side, through the API: what arrived, and what clerks do with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pypdf
import pytest

from chalicelib.adapters.jws import check_jws
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_records import FileCheck
from chalicelib.domain.receipts import RejectionReason, make_rejection
from chalicelib.services.audit import audit
from tests.support.letter_office import LETTER, TO_ALL, Office, letter_office, officer

INBOX = "/v1/inbox/{delivery_id}"


@pytest.fixture
def office() -> Iterator[Office]:
    with letter_office() as made:
        yield made


def arrived(office: Office, **changes: Any) -> str:
    """A letter that lies in dga's inbox."""
    return f"{office.sent({**LETTER, **changes})}.dga.1"


# -- the whole story -----------------------------------------------------------------


def test_from_sending_to_the_receipt_in_the_outbox(office: Office) -> None:
    """Issue 6.1 to 6.3: sent, numbered, delivered, verified, registered; the sender holds the
    receipt, which verifies under the published keys, and the audit finds nothing."""
    delivery_id = arrived(office)
    (item,) = office.get("/v1/inbox", by=officer("dga")).json["items"]
    assert (item["delivery_id"], item["sender_name"]) == (delivery_id, "สำนักเลขาธิการคณะรัฐมนตรี")
    assert item["trust"]["trusted"] is True
    made = office.does("receipt", delivery_id)
    assert made.status == 201, made.text
    office.rest()
    assert [field["label"] for field in made.json["fields"]] == [
        "ที่",
        "ลงวันที่",
        "เลขทะเบียนรับ",
        "วันเวลาที่รับ",
        "ผู้รับ",
        "ส่วนราชการผู้รับ",
    ]
    assert made.json["stamp"][0] == "เลขที่รับ สพร ร/ ๒๕๖๙/ ๑"
    said = json.loads(check_jws(made.json["receipt"], office.fakes.signer.jwks()))
    assert (said["receiver"], said["delivery_id"]) == ("นางสาวdga ตัวอย่าง", delivery_id)
    (sent,) = office.get("/v1/outbox", by=officer("slc")).json["items"]
    assert (sent["state"], sent["receive_number"]["digest"]) == ("handed_over", made.json["digest"])
    told = [json.loads(event) for _, event in office.fakes.inboxes.events]
    assert not told  # neither of the two has a system of its own
    room = office.fakes.house().audit_room
    for register in office.fakes.ledger.registers():
        report = audit(register, room=room)
        assert report.clean, report


def test_a_letter_that_was_revoked_says_so(office: Office) -> None:
    """Issue 6.3: whose inbox is here gets no message of a ruling, so the letter itself tells."""
    delivery_id = arrived(office)
    shown = {"by": officer("dga"), "path": {"delivery_id": delivery_id}}
    assert office.get("/v1/inbox/{delivery_id}", **shown).json["standing"]["standing"] == "valid"
    head = officer("slc", "approver", scope="documents:revoke")
    ruled = office.post(
        "/v1/documents/{document_id}/revocation",
        {"reason_code": "error", "reason": "ส่งผิดฉบับ"},
        by=head,
        document_id=delivery_id.split(".")[0],
    )
    assert ruled.status == 201, ruled.text
    told = office.get("/v1/inbox/{delivery_id}", **shown)
    assert told.json["standing"]["standing"] == "revoked"
    assert "ส่งผิดฉบับ" not in told.text  # why is for its owner


def test_registered_twice_is_registered_once(office: Office) -> None:
    """P5: a repeat, by another clerk too, gets the receipt that stands, byte for byte."""
    delivery_id = arrived(office)
    first = office.does("receipt", delivery_id)
    office.fakes.clock.advance(timedelta(hours=1))
    again = office.does("receipt", delivery_id, {}, by=officer("dga", "registrar", name="อื่น"))
    assert (first.status, again.status) == (201, 200)
    assert first.text == again.text


def test_an_officer_without_name_is_told_by_the_tokens_subject(office: Office) -> None:
    """A1: a receipt names who received."""
    delivery_id = arrived(office)
    made = office.does("receipt", delivery_id, by=officer("dga", name=""))
    assert made.json["receiver"] == "dga-clerk"


REGISTER = "/v1/registers/{agency}/{book}/{year}"


def line(office: Office, agency: str, book: str) -> dict[str, Any]:
    """The only line of a register."""
    path = {"agency": agency, "book": book, "year": "2026"}
    (only,) = office.get(REGISTER, by=officer(agency), path=path).json["items"]
    found: dict[str, Any] = only
    return found


def test_the_receive_register_shows_the_letter(office: Office) -> None:
    """A17: number, letter number and date, from, to, subject, when it came, where it went."""
    delivery_id = arrived(office)
    office.fakes.clock.advance(timedelta(days=2))
    office.does("receipt", delivery_id)
    office.does("forward", delivery_id, {"unit": "law"})
    shown = line(office, "dga", "receive")
    assert (shown["number"], shown["letter_number"], shown["dated"]) == (
        1,
        "นร ๐๕๐๕/๑",
        "2026-11-21",
    )
    assert shown["from"] == "สำนักเลขาธิการคณะรัฐมนตรี"
    assert shown["to"] == "สำนักงานพัฒนารัฐบาลดิจิทัล"
    assert (shown["subject"], shown["action"]) == ("ขอเชิญประชุม", "ส่งต่อฝ่ายกฎหมาย")
    assert shown["remarks"] == "รับเมื่อ ๒๓ พฤศจิกายน ๒๕๖๙ เวลา ๐๘.๓๐ น."
    assert shown["received"]["entered_at"] == "2026-11-21T05:00:00Z"
    assert shown["delivery_id"] == delivery_id


def test_the_send_register_shows_who_gave_a_receipt(office: Office) -> None:
    """Issue 6.8: beside each number how many of its recipients registered it; on paper and for a
    spreadsheet too."""
    document_id = office.sent(TO_ALL)
    assert line(office, "slc", "send")["action"] == "รับแล้ว ๐/๓"
    office.does("receipt", f"{document_id}.dga.1")
    office.does("rejection", f"{document_id}.onep.1", {"reason": "illegible"})
    shown = line(office, "slc", "send")
    assert shown["action"] == "รับแล้ว ๑/๓ ปฏิเสธ ๑"
    assert shown["receipts"]["states"] == {"handed_over": 1, "consigned": 1, "rejected": 1}
    for form in (".csv", ".pdf"):
        path = {"agency": "slc", "book": "send", "year": f"2026{form}"}
        printed = office.get(REGISTER, by=officer("slc"), path=path)
        assert printed.status == 200, printed.text
        assert form == ".pdf" or "รับแล้ว ๑/๓ ปฏิเสธ ๑" in printed.text


def test_a_corrected_number_says_so_in_the_register(office: Office) -> None:
    """A18, InvalidAcceptID: both lines stay, each names the other."""
    delivery_id = arrived(office)
    first = office.does("receipt", delivery_id).json
    office.on("dispute", delivery_id, {"year": first["year"], "number": first["number"]})
    office.does("correction", delivery_id)
    path = {"agency": "dga", "book": "receive", "year": "2026"}
    items = office.get(REGISTER, by=officer("dga"), path=path).json["items"]
    assert "แก้ไขเป็น สพร ร/ ๒๕๖๙/ ๒" in items[0]["remarks"]
    assert "แก้ไขแทนเลขรับ สพร ร/ ๒๕๖๙/ ๑" in items[1]["remarks"]


# -- looking ---------------------------------------------------------------------------


def test_the_inbox_is_searched(office: Office) -> None:
    """Issue 6.8: by state, text, unit, days, in pages; nothing of other agencies."""
    first = arrived(office, subject="ขอเชิญประชุมครั้งแรก")
    office.fakes.clock.advance(timedelta(days=2))
    second = arrived(office)
    office.does("receipt", first)
    office.does("forward", first, {"unit": "law"})

    def found(**query: Any) -> list[str]:
        answer = office.get("/v1/inbox", by=officer("dga"), **query)
        assert answer.status == 200, answer.text
        return [item["delivery_id"] for item in answer.json["items"]]

    assert found() == [second, first]
    assert found(state="consigned") == [second]
    assert found(q="ครั้งแรก") == [first]
    assert found(q="slc") == [second, first]
    assert found(unit="law") == [first]
    assert found(from_="2026-11-22") == [second]
    assert found(to="2026-11-22") == [first]
    page = office.get("/v1/inbox", by=officer("dga"), limit="1").json
    assert found(limit="1", cursor=page["cursor"]) == [first]
    assert office.get("/v1/inbox", by=officer("opm")).json["items"] == []
    bad: Any
    for bad in ({"state": "x"}, {"limit": "201"}, {"to": "tomorrow"}, {"colour": "red"}):
        assert office.get("/v1/inbox", by=officer("dga"), **bad).status == 422


def test_a_recipient_reads_the_sealed_file(office: Office) -> None:
    """api.md: by the inbox and by the document's own address; nobody else's agency does."""
    delivery_id = arrived(office)
    file = office.arrival(delivery_id, "/file")
    assert (file.status, file.headers["Cache-Control"]) == (303, "no-store")
    path = {"document_id": delivery_id.partition(".")[0]}
    route = "/v1/documents/{document_id}/file"
    assert office.get(route, by=officer("dga"), path=path).status == 303
    assert office.get(route, by=officer("slc"), path=path).status == 303
    assert office.get(route, by=officer("opm"), path=path).status == 404
    shown = office.get("/v1/documents/{document_id}", by=officer("dga"), path=path)
    assert shown.status == 404


def test_the_letter_is_not_there_before_it_arrives(office: Office) -> None:
    """P3, A20: an agency whose inbox is here knows nothing of a letter that is only planned."""
    made = office.send(LETTER, by=officer("slc", "application")).json["document_id"]
    delivery_id = f"{made}.dga.1"
    path = {"document_id": made}
    route = "/v1/documents/{document_id}/file"
    assert office.get(route, by=officer("dga"), path=path).status == 404
    assert office.arrival(delivery_id).status == 404
    office.rest()
    assert office.arrival(delivery_id).status == 200


def test_an_agency_reads_what_its_own_system_was_told_of(office: Office) -> None:
    """ADR 41: a message may be there before our own note of it; then the file is, too."""
    document_id = office.sent({**LETTER, "to": ["opm"]})
    assert office.arrival(f"{document_id}.opm.1", "/file").status == 303
    office.fakes.channels.says["opm"] = ValueError  # type: ignore[assignment]  # never raised: hosted only
    assert office.arrival(f"{document_id}.opm.1").json["state"] == "consigned"


def test_a_letter_that_came_before_is_shown_with_the_first(office: Office) -> None:
    """Issue 6.3: the same letter again is recognised, with a link to where it came first."""
    first = arrived(office)
    office.does("rejection", first, {"reason": "illegible"})
    second = office.on("resend", first).json["delivery_id"]
    office.rest()
    shown = office.arrival(second).json
    assert shown["duplicate_of"] == first
    assert shown["links"]["duplicate_of"] == f"https://tra.test/v1/inbox/{first}"
    assert office.arrival(first).json["duplicate_of"] is None


def test_what_does_not_verify_is_not_registered(office: Office) -> None:
    """Issue 6.3: an untrusted file is shown as such, with reasons, and refused at the register;
    no number is spent."""
    delivery_id = arrived(office)
    record = office.fakes.deliveries.get(DeliveryId.parse(delivery_id))
    assert record is not None
    assert record.check is not None
    bad = FileCheck(
        passed=False,
        indication="TOTAL-FAILED",
        reasons=("digest_differs",),
        sha256="ab" * 32,
        at=record.check.at,
    )
    office.fakes.deliveries.keep_check(record.delivery.id, bad)
    trust = office.arrival(delivery_id).json["trust"]
    assert (trust["trusted"], trust["reasons"]) == (False, ["digest_differs"])
    refused = office.does("receipt", delivery_id)
    assert (refused.status, refused.json["code"]) == (409, "untrusted_file")
    assert refused.json["reasons"] == ["digest_differs"]
    assert office.delivery(delivery_id).receipt is None


# -- rejecting, passing on -----------------------------------------------------------


def test_a_misdirected_letter_goes_back(office: Office) -> None:
    """E2: with the reason and the right agency, signed; the sender sees all of it."""
    delivery_id = arrived(office)
    body = {"reason": "misdirected", "suggested_agency": "opm", "note": "ไม่ใช่ภารกิจของหน่วยงาน"}
    made = office.does("rejection", delivery_id, body)
    assert made.status == 201, made.text
    again = office.does("rejection", delivery_id, body)
    assert (again.status, again.text) == (200, made.text)
    assert check_jws(made.json["rejection"], office.fakes.signer.jwks())
    (sent,) = office.get("/v1/outbox", by=officer("slc")).json["items"]
    assert (sent["reason"]["code"], sent["suggested_agency"]) == ("misdirected", "opm")
    path = {"document_id": sent["document_id"], "delivery_id": delivery_id}
    route = "/v1/letters/{document_id}/deliveries/{delivery_id}"
    detail = office.get(route, by=officer("slc"), path=path).json
    assert detail["rejection"]["note"] == "ไม่ใช่ภารกิจของหน่วยงาน"
    refused = office.does("receipt", delivery_id)
    assert (refused.status, refused.json["reason"]) == (409, "delivery_rejected")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, ("/reason", "missing")),
        ({"reason": "lost"}, ("/reason", "not_allowed")),
        ({"reason": "other"}, ("/note", "missing")),
        ({"reason": "other", "note": "ก\nข"}, ("/note", "control_character")),
        ({"reason": "other", "note": "ก" * 501}, ("/note", "too_long")),
        ({"reason": "illegible", "suggested_agency": "opm"}, ("/suggested_agency", "not_misdirected")),
        ({"reason": "misdirected", "suggested_agency": "dga"}, ("/suggested_agency", "same_agency")),
        ({"reason": "misdirected", "suggested_agency": "no"}, ("/suggested_agency", "unknown_agency")),
        ({"reason": "misdirected", "by": "me"}, ("/by", "unknown_field")),
        ({"reason": "duplicate", "rejection": "a.b.c"}, ("/reason", "signed_already")),
    ],
)  # fmt: skip
def test_bad_rejections_reject_nothing(
    office: Office, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    """Issue 6.3: each fault has its place; the letter still lies there."""
    delivery_id = arrived(office)
    answer = office.does("rejection", delivery_id, body)
    assert answer.status == 422, answer.text
    assert fault in {(e["pointer"], e["code"]) for e in answer.json["errors"]}
    assert office.delivery(delivery_id).state == "consigned"


def test_a_letter_is_passed_on_to_a_unit(office: Office) -> None:
    """Issue 6.3, A7: where it is, and who had it before, stays with it; the register does not
    change."""
    delivery_id = arrived(office)
    first = office.does("forward", delivery_id, {"unit": "saraban"})
    assert (first.status, first.json["unit"]) == (200, "saraban")
    second = office.does("forward", delivery_id, {"unit": "law", "note": "เพื่อพิจารณา"})
    assert [(p["unit"], p["note"]) for p in second.json["passed_on"]] == [
        ("saraban", None),
        ("law", "เพื่อพิจารณา"),
    ]
    for body, fault in (
        ({}, ("/unit", "missing")),
        ({"unit": "kitchen"}, ("/unit", "unknown_unit")),
        ({"unit": "law", "note": ""}, ("/note", "too_short")),
    ):
        answer = office.does("forward", delivery_id, body)
        assert fault in {(e["pointer"], e["code"]) for e in answer.json["errors"]}


# -- agencies with systems of their own --------------------------------------------------


def test_an_own_system_hands_in_its_receipt(office: Office) -> None:
    """Issue 6.2b, P5: signed with the agency's key; once accepted, a repeat gets it as first
    kept; another number is refused and kept."""
    delivery_id = f"{office.sent(TO_ALL)}.opm.1"
    jws = office.receipt(delivery_id)
    made = office.does("receipt", delivery_id, {"receipt": jws})
    assert (made.status, made.json["receipt"]) == (201, jws)
    again = office.does("receipt", delivery_id, {"receipt": office.receipt(delivery_id)})
    assert (again.status, again.text) == (200, made.text)
    other = office.does("receipt", delivery_id, {"receipt": office.receipt(delivery_id, 45)})
    assert (other.status, other.json["reason"]) == (409, "other_number")
    kept = office.fakes.deliveries.refused(DeliveryId.parse(delivery_id))
    assert [(r.refusal, r.brought_by) for r in kept] == [("other_number", "opm")]
    assert office.does("receipt", delivery_id).json["code"] == "not_hosted_here"


def test_an_own_system_hands_in_its_rejection(office: Office) -> None:
    """Issue 6.2b: the same of a rejection; the clerk's form is for agencies hosted here."""
    delivery_id = f"{office.sent(TO_ALL)}.opm.1"
    delivery = office.delivery(delivery_id)
    assert delivery.received is not None
    said = make_rejection(
        delivery,
        received=delivery.received,
        rejected_at=office.fakes.clock(),
        code=RejectionReason.ILLEGIBLE,
    )
    by_form = office.does("rejection", delivery_id, {"reason": "illegible"})
    assert (by_form.status, by_form.json["code"]) == (409, "not_hosted_here")
    made = office.does("rejection", delivery_id, {"rejection": office.signed(said)})
    assert (made.status, made.json["reason"]["code"]) == (201, "illegible")


@pytest.mark.parametrize("jws", ["x", "a.b.c", "e30.e30.AAAA", "ก"])
def test_what_nobody_signed_settles_nothing(office: Office, jws: str) -> None:
    """P5: a receipt that cannot be read or believed is refused with a word; the letter still
    waits."""
    delivery_id = f"{office.sent(TO_ALL)}.opm.1"
    answer = office.does("receipt", delivery_id, {"receipt": jws})
    assert (answer.status, answer.json["code"]) == (409, "answer_refused")
    assert office.delivery(delivery_id).state == "consigned"


def test_a_signed_receipt_for_an_inbox_here_is_refused(office: Office) -> None:
    """P1: the receive register kept here gives the number, nobody else."""
    delivery_id = arrived(office)
    own = f"{office.sent(TO_ALL)}.opm.1"
    answer = office.does("receipt", delivery_id, {"receipt": office.receipt(own)})
    assert answer.status == 409
    assert office.delivery(delivery_id).receipt is None


# -- printing ----------------------------------------------------------------------------


def test_a_copy_with_the_stamp_on_it() -> None:
    """Issue 6.3 (ตรารับ): every page, marked as a copy, the stamp on the first; the sealed bytes
    stay as they are, and before registering there is a copy without stamp."""
    with letter_office(renderer=TypstRenderer()) as office:
        delivery_id = arrived(office, paragraphs=["ด้วยกรมกำหนดจัดประชุม " * 60] * 3)
        sealed = dict(office.fakes.archive.files)
        plain = office.arrival(delivery_id, "/print")
        assert plain.status == 200, plain.text
        office.does("receipt", delivery_id)
        stamped = office.arrival(delivery_id, "/print")
        as_pdf = office.arrival(delivery_id, "/print", headers={"accept": "application/pdf"})
        before, after = _pages(plain.json), _pages(stamped.json)
        assert len(before) == len(after) == 2
        assert all("เวลา ๑๒.๐๐ น." in page for page in after)  # when it was printed
        assert ["ร/ ๒๕๖๙/ ๑" in page for page in before] == [False, False]
        assert ["ร/ ๒๕๖๙/ ๑" in page for page in after] == [True, False]
        assert as_pdf.headers["Content-Type"] == "application/pdf"
        files = office.fakes.archive.files
        assert {key: files[key] for key in sealed} == sealed


def _pages(view: dict[str, Any]) -> list[str]:
    reader = pypdf.PdfReader(BytesIO(base64.b64decode(view["pdf_base64"])))
    return [page.extract_text() for page in reader.pages]


def test_what_is_too_large_is_not_copied(office: Office) -> None:
    """A function's answer has at most 6 MB: the sealed file is to be had as it is."""
    delivery_id = arrived(office)
    ledger = office.fakes.ledger
    document = ledger.get(delivery_id.partition(".")[0])
    assert document is not None
    assert document.file is not None
    large = replace(document, file=replace(document.file, size=5_000_000))
    ledger._documents[document.document_id] = large  # no letter here is so large
    answer = office.arrival(delivery_id, "/print")
    assert (answer.status, answer.json["code"]) == (409, "copy_too_large")


# -- whose it is -------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["slc", "opm", "onep"])
def test_other_agencies_find_no_arrival(office: Office, other: str) -> None:
    """P6: the recipient's side does not exist for anybody else, the sender included."""
    delivery_id = arrived(office)
    by = officer(other)
    for part in ("", "/file", "/print"):
        assert office.arrival(delivery_id, part, by=by).status == 404
    for what, body in (
        ("receipt", None),
        ("correction", None),
        ("rejection", {"reason": "illegible"}),
        ("forward", {"unit": "law"}),
    ):
        assert office.does(what, delivery_id, body, by=by).status == 404
    assert office.delivery(delivery_id).state == "consigned"


def test_reading_is_not_registering(office: Office) -> None:
    """A7: role and scope decide what an officer of the agency may do."""
    delivery_id = arrived(office)
    assert office.arrival(delivery_id, by=officer("dga", "auditor")).status == 200
    for by in (officer("dga", "auditor"), officer("dga", scope="inbox:read")):
        for what, body in (
            ("receipt", None),
            ("rejection", {"reason": "illegible"}),
            ("forward", {"unit": "law"}),
        ):
            assert office.does(what, delivery_id, body, by=by).status == 403


def test_no_names_in_logs(office: Office, log: StringIO) -> None:
    """PDPA: subject, receiver and note of a rejection are in no log line."""
    office.does("receipt", arrived(office))
    note = {"reason": "other", "note": "หมายเหตุลับเฉพาะ"}
    office.does("rejection", arrived(office), note)
    office.rest()
    told = log.getvalue()
    assert "LETTER" in told or "TRA-API-007" in told
    for secret in ("ตัวอย่าง", "ขอเชิญประชุม", "หมายเหตุลับเฉพาะ"):
        assert secret not in told
        assert json.dumps(secret)[1:-1] not in told
