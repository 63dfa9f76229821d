"""Classified documents and letters through the API, from submission to receipt (A13, A24, C5, P6)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO, StringIO
from typing import Any

import pypdf
import pytest

from chalicelib.domain.access import Action
from chalicelib.domain.documents import Classification, DocumentState
from chalicelib.domain.officers import Ending
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Register
from chalicelib.domain.things import Thing, ThingKind
from chalicelib.ports import AccessSearch
from tests.support.letter_office import LETTER, Office
from tests.support.secret_office import (
    SECRET,
    WORD,
    appoint_registrar,
    one,
    pages,
    registrar,
    secret_office,
    send,
    sent,
)


@pytest.fixture
def office() -> Iterator[Office]:
    """slc and dga have registrars of secrets; onep and opm have none."""
    with secret_office("slc", "dga") as made:
        yield made


def uncleared(agency: str) -> list[dict[str, Any]]:
    """Everybody of an agency who may do much, and must know nothing of what is classified."""
    people = [
        one(agency, role) for role in ("clerk", "approver", "registrar", "supervisor", "auditor")
    ]
    # A clearance that does not reach so far; a clearance without being named; an application that
    # says it is cleared; roles of one appointment do not meet the clearance of another.
    return [
        *people,
        registrar(agency, "confidential"),
        one(agency, "clerk", "secret"),
        {**one(agency, "application", "secret"), "client_id": f"{agency}-app"},
    ]


# -- from one registrar to the other ------------------------------------------------


def test_a_secret_letter_goes_from_registrar_to_registrar(office: Office) -> None:
    """A13: numbered in the sender's register of secrets, read and registered by the recipient's
    registrar in one too; the receipt comes back."""
    document_id = sent(office)
    letter = office.get(
        "/v1/letters/{document_id}", by=registrar("slc"), path={"document_id": document_id}
    ).json
    assert letter["printed_number"] == "นร ๐๕๐๕/ล ๑"
    delivery_id = f"{document_id}.dga.1"
    arrival = office.arrival(delivery_id, by=registrar("dga"))
    assert arrival.status == 200, arrival.text
    assert WORD in arrival.json["subject"]
    receipt = office.does("receipt", delivery_id, by=registrar("dga"))
    assert receipt.status == 201, receipt.text
    assert receipt.json["receive_number"] == "สพร ร(ล)/ ๒๕๖๙/ ๑"
    books = {(register.agency_id, register.book) for register in office.fakes.ledger.registers()}
    assert books == {("slc", "send-secret"), ("dga", "receive-secret")}
    office.rest()
    deliveries = office.get(
        "/v1/letters/{document_id}/deliveries",
        by=registrar("slc"),
        path={"document_id": document_id},
    ).json
    assert deliveries["items"][0]["state"] == "handed_over"


def test_normal_and_secret_letters_are_numbered_beside_each_other(office: Office) -> None:
    """A13, P1: each register counts from 1, and no number can be taken for one of the other."""
    document_id, normal = sent(office), office.sent(LETTER)
    numbers = []
    for one_id in (document_id, normal):
        document = office.fakes.ledger.get(one_id)
        assert document is not None
        assert document.numbering is not None
        numbers.append(document.numbering.printed)
    assert numbers == ["นร ๐๕๐๕/ล ๑", "นร ๐๕๐๕/๑"]
    # The recipient does not take the one for the other either.
    record = office.arrival(f"{normal}.dga.1", by=one("dga", "clerk")).json
    assert record["duplicate_of"] is None


# -- who may propose one -------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        (one("slc", "clerk"), "clearance_missing"),
        (registrar("slc", "confidential"), "clearance_missing"),
        (one("slc", "clerk", "confidential"), "clearance_missing"),
        ({**one("slc", "application", "secret"), "client_id": "slc-app"}, "clearance_missing"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_only_cleared_officers_propose(
    office: Office, by: dict[str, Any], reason: str, *, dry_run: bool
) -> None:
    """A13: neither the uncleared nor an application, whatever clearance its token claims; not even
    for a preview, and nothing is stored."""
    answer = office.send({**SECRET, "dry_run": dry_run}, by=by)
    assert (answer.status, answer.json.get("reason")) == (403, reason)
    as_document = {
        "document_type": "official-letter",
        "content": {"subject": "x"},
        "classification": "secret",
        "dry_run": dry_run,
    }
    assert office.post("/v1/documents", as_document, by=by).status in {403, 422}
    assert not office.fakes.ledger.registers()


@pytest.mark.parametrize("wish", ["use_reserved", "insert_after"])
def test_who_may_not_propose_learns_nothing_of_the_register_of_secrets(
    office: Office, wish: str
) -> None:
    """P6: neither whether it holds a number nor what became of that: refused before it is looked at."""
    sent(office)
    document = next(iter(office.fakes.ledger._documents.values()))
    for number in (1, 2):
        asked = {
            "document_type": "official-letter",
            "content": document.content,
            "recipients": ["dga"],
            "classification": "secret",
            wish: {"year": 2026, "number": number},
            "dry_run": True,
        }
        answer = office.post("/v1/documents", asked, by=one("slc", "clerk"))
        assert (answer.status, answer.json.get("reason")) == (403, "clearance_missing")


def test_who_proposes_reads_it_and_other_cleared_clerks_do_not(office: Office) -> None:
    """A13: a cleared officer proposes a secret letter and is named by that; nobody else is."""
    by = one("slc", "clerk", "secret")
    document_id = sent(office, by=by)
    path = {"document_id": document_id}
    other = one("slc", "clerk", "secret", sub="slc-other")
    assert office.get("/v1/documents/{document_id}", by=by, path=path).status == 200
    assert office.get("/v1/documents/{document_id}", by=other, path=path).status == 404
    assert office.get("/v1/documents/{document_id}", by=registrar("slc"), path=path).status == 200


@pytest.mark.parametrize("by", [registrar("slc"), one("slc", "clerk")])
def test_top_secret_is_refused_with_its_reason(office: Office, by: dict[str, Any]) -> None:
    """A24: at every door, cleared or not, and in a dry run."""
    for dry_run in (True, False):
        answer = office.send({**SECRET, "classification": "top_secret", "dry_run": dry_run}, by=by)
        assert answer.status == 422
        assert answer.json["code"] == "top_secret_refused"
        assert "annex 6" in answer.text
    document = {
        "document_type": "licence",
        "content": {},
        "classification": "top_secret",
    }
    answer = office.post("/v1/documents", document, by=one("slc", "clerk"))
    assert "top_secret_refused" in {fault["code"] for fault in answer.json["errors"]}


def test_a_secret_letter_is_no_circular(office: Office) -> None:
    """A13: each copy of one has somebody who answers for it."""
    answer = office.send({**SECRET, "circular": True, "dry_run": True}, by=registrar("slc"))
    assert answer.status == 422
    assert [(f["pointer"], f["code"]) for f in answer.json["errors"]] == [
        ("/circular", "classified_circular")
    ]


# -- where it may go -------------------------------------------------------------------


def test_no_registrar_no_letter(office: Office) -> None:
    """A13: refused before it is numbered, naming the recipient and what to do; however the agency
    is reached."""
    answer = office.send(
        {**SECRET, "to": ["dga", "onep", "opm"], "addressee": "หัวหน้าส่วนราชการ", "dry_run": True},
        by=registrar("slc"),
    )
    assert answer.status == 422
    assert {(f["pointer"], f["code"]) for f in answer.json["errors"]} == {
        ("/to/1", "no_registrar"),
        ("/to/2", "no_registrar"),
    }
    assert "onep" in answer.text
    assert "appoint" in answer.text


def test_a_registrar_cleared_for_less_does_not_receive(office: Office) -> None:
    """A24: ลับ is received there, ลับมาก is not."""
    appoint_registrar(office, "onep", "confidential")
    body = {**SECRET, "to": ["onep"], "addressee": "เลขาธิการ", "dry_run": True}
    assert office.send(body, by=registrar("slc")).status == 422
    body["classification"] = "confidential"
    assert office.send(body, by=registrar("slc")).status == 200


def test_who_lost_its_registrar_meanwhile_gets_nothing(office: Office) -> None:
    """A13, P1: `number` looks again: no number is spent, and the sender reads why."""
    answer = send(office)
    assert answer.status == 202, answer.text
    who = Officer("dga", registrar("dga")["sub"])
    (held,) = office.fakes.officers.appointments_of(who)
    office.fakes.officers.end(held, Ending(at=office.fakes.clock(), by="head", reason="moved"))
    office.rest()
    document = office.fakes.ledger.get(answer.json["document_id"])
    assert document is not None
    assert document.reason is not None
    assert (document.state, document.reason.code) == (DocumentState.REJECTED, "no_registrar")
    assert "dga" in document.reason.detail
    assert not office.fakes.ledger.registers()


def test_a_recipients_own_system_learns_that_one_waits(office: Office) -> None:
    """A13, P6: the event says that a classified letter waits, and nothing of what it is about."""
    appoint_registrar(office, "opm")
    document_id = sent(office, to=["opm"])
    ((agency, event),) = office.fakes.inboxes.events
    told = json.loads(event)
    assert (agency, told["type"]) == ("opm", "tra.letter.delivered.v1")
    assert told["data"]["classification"] == "secret"
    assert WORD not in event.decode()
    path = {"document_id": document_id}
    app = {**one("opm", "application", "secret"), "client_id": "opm-app"}
    assert office.get("/v1/documents/{document_id}/file", by=app, path=path).status == 404
    # The registrar of the recipient, an officer, reads it here.
    read = office.get("/v1/documents/{document_id}/file", by=registrar("opm"), path=path)
    assert read.status == 200, read.text
    assert WORD in "".join(pages(read.json))


# -- who knows of it ---------------------------------------------------------------------

_OF_DOCUMENT = (
    "/v1/documents/{document_id}",
    "/v1/documents/{document_id}/file",
    "/v1/documents/{document_id}/evidence",
    "/v1/documents/{document_id}/image",
    "/v1/documents/{document_id}/readers",
    "/v1/letters/{document_id}",
    "/v1/letters/{document_id}/deliveries",
    "/v1/letters/{document_id}/deliveries/{delivery_id}",
)
_OF_ARRIVAL = (
    "/v1/inbox/{delivery_id}",
    "/v1/inbox/{delivery_id}/file",
    "/v1/inbox/{delivery_id}/print",
    "/v1/inbox/{delivery_id}/readers",
)


def test_an_id_opens_nothing(office: Office) -> None:
    """P6 (IDOR): whoever is not cleared or not named learns from no route that the letter exists,
    neither at the sender nor at the recipient nor elsewhere."""
    document_id = sent(office)
    delivery_id = f"{document_id}.dga.1"
    ids = {"document_id": document_id, "delivery_id": delivery_id}
    for agency in ("slc", "dga", "onep"):
        for by in uncleared(agency):
            for route in (*_OF_DOCUMENT, *_OF_ARRIVAL):
                path = {name: ids[name] for name in ids if f"{{{name}}}" in route}
                answer = office.get(route, by=by, path=path)
                # 403 says of nobody's thing that the role is missing; never of this one.
                assert answer.status in {403, 404}, (by["sub"], route, answer.text)
                if answer.status == 403:
                    assert answer.json["reason"] in {"role_missing", "scope_missing"}
                assert WORD not in answer.text
            for what in ("receipt", "rejection", "forward"):
                body = {
                    "receipt": None,
                    "rejection": {"reason": "misdirected"},
                    "forward": {"unit": "law"},
                }
                answer = office.does(what, delivery_id, body[what], by=by)
                assert answer.status in {403, 404}, (by["sub"], what, answer.text)
            for what in ("recall", "resend"):
                assert office.on(what, delivery_id, by=by).status in {403, 404}
    # Another agency's registrar of secrets knows nothing of it either.
    appoint_registrar(office, "onep")
    for route in (*_OF_DOCUMENT, *_OF_ARRIVAL):
        path = {name: ids[name] for name in ids if f"{{{name}}}" in route}
        assert office.get(route, by=registrar("onep"), path=path).status == 404


@pytest.mark.parametrize(
    ("agency", "route"), [("slc", "/v1/documents"), ("slc", "/v1/outbox"), ("dga", "/v1/inbox")]
)
def test_no_search_counts_or_finds_it(office: Office, agency: str, route: str) -> None:
    """P6: neither an item, nor a cursor, nor a filter tells the uncleared that one is there; a
    cursor of who may see it opens nothing either."""
    first, second = sent(office), sent(office)
    normal = office.sent(LETTER)
    mine = registrar(agency)
    seen = office.get(route, by=mine).json["items"]
    assert len(seen) == 3
    page = office.get(route, by=mine, limit="1").json
    for by in uncleared(agency):
        for asked in (
            dict[str, Any](),
            {"limit": "1"},
            {"q": WORD},
            {"q": "ล ๑"},
            {"q": "นร"},
            {"cursor": page["cursor"]},
        ):
            answer = office.get(route, by=by, **asked)
            if answer.status == 403:
                assert answer.json["reason"] in {"role_missing", "scope_missing"}
                continue
            assert answer.status == 200, answer.text
            ids = {item["document_id"] for item in answer.json["items"]}
            assert ids <= {normal}, (by["sub"], asked)
            assert answer.json["cursor"] is None
            assert not any(known in answer.text for known in (first, second, WORD))


def test_a_search_for_the_subject_finds_nothing_at_all(office: Office) -> None:
    """A13: what is encrypted is not looked into, not even for the registrar; its number is."""
    document_id = sent(office)
    assert office.get("/v1/documents", by=registrar("slc"), q=WORD).json["items"] == []
    found = office.get("/v1/outbox", by=registrar("slc"), q="ล ๑").json["items"]
    assert [item["document_id"] for item in found] == [document_id]


def test_a_repeat_of_anothers_request_opens_nothing(office: Office) -> None:
    """P6: the same key and body by somebody who may not know of the letter: as if it were none."""
    headers = {"idempotency-key": "key-1"}
    by = registrar("slc")
    digest = office.send({**SECRET, "dry_run": True}, by=by).json["confirmation"]["digest"]
    body = {**SECRET, "confirmation": digest}
    assert office.send(body, by=by, headers=headers).status == 202
    assert office.send(body, by=by, headers=headers).status == 202
    assert office.send(body, by=one("slc", "clerk"), headers=headers).status == 404
    assert len(office.get("/v1/documents", by=by).json["items"]) == 1


# -- registers ------------------------------------------------------------------------------


def _register(office: Office, by: dict[str, Any], book: str, form: str = "", **asked: Any) -> Any:
    agency = by["agency"]
    path = {"agency": agency, "book": book, "year": f"2026{form}"}
    return office.get("/v1/registers/{agency}/{book}/{year}", by=by, path=path, **asked)


@pytest.mark.parametrize(("agency", "book"), [("slc", "send-secret"), ("dga", "receive-secret")])
def test_a_secret_register_shows_number_date_and_classification(
    office: Office, agency: str, book: str
) -> None:
    """A13: to others of the agency, in every form; the cleared registrar reads it all."""
    document_id = sent(office)
    office.does("receipt", f"{document_id}.dga.1", by=registrar("dga"))
    (line,) = _register(office, one(agency, "clerk"), book).json["items"]
    told = {name: value for name, value in line.items() if value not in (None, "")}
    assert told == {
        "running_number": "๑",
        "number": 1,
        "child": 0,
        "dated": "2026-11-21",
        "classification": "secret",
        "subject": "ลับมาก",
        "document_type": "classified",
        "numbered_at": line["numbered_at"],
    }
    (whole,) = _register(office, registrar(agency), book).json["items"]
    assert WORD in whole["subject"]
    assert whole["remarks"].startswith("ชั้นลับมาก")
    for form in (".csv", ".pdf"):
        veiled = _printed(_register(office, one(agency, "clerk"), book, form))
        full = _printed(_register(office, registrar(agency), book, form))
        assert WORD in full
        assert WORD not in veiled
        assert form == ".pdf" or "ลับมาก" in veiled  # shaped Thai cannot be read back
        assert document_id not in veiled


def _printed(answer: Any) -> str:
    assert answer.status == 200, answer.text
    if answer.headers["Content-Type"].startswith("text/csv"):
        return str(answer.text)
    return "".join(pages(answer.json))


@pytest.mark.parametrize("form", ["", ".csv", ".pdf"])
def test_each_line_that_is_shown_whole_is_an_access(office: Office, form: str) -> None:
    """C5: who reads the register of secrets reads of each of its letters; who sees number and date
    alone reads of none."""
    document_id = sent(office)
    store = office.fakes.access_log

    def readings() -> list[str]:
        thing = Thing(ThingKind.DOCUMENT, document_id, "slc")
        found = store.of_thing(thing, AccessSearch()).accesses
        return [one.subject for one in found if one.action is Action.READ_REGISTER]

    assert _register(office, one("slc", "clerk"), "send-secret", form).status == 200
    assert readings() == []
    assert _register(office, registrar("slc"), "send-secret", form).status == 200
    assert readings() == [registrar("slc")["sub"]]
    office.does("receipt", f"{document_id}.dga.1", by=registrar("dga"))
    assert _register(office, registrar("dga"), "receive-secret", form).status == 200
    assert readings() == [registrar("slc")["sub"], registrar("dga")["sub"]]


@pytest.mark.parametrize("asked", [{"subject": WORD}, {"counterpart": "ดิจิทัล"}, {"state": "issued"}])
def test_no_filter_of_a_register_tells_what_a_line_is(
    office: Office, asked: dict[str, str]
) -> None:
    """P6: a search that found a veiled line would say what stands there."""
    sent(office)
    assert _register(office, one("slc", "clerk"), "send-secret", **asked).json["items"] == []
    assert len(_register(office, registrar("slc"), "send-secret", **asked).json["items"]) == 1


def test_numbers_of_secret_registers_are_not_reserved(office: Office) -> None:
    """A13: why a number is reserved would stand there in clear."""
    answer = office.post(
        "/v1/registers/{agency}/{book}/reservations",
        {"count": 1, "reason": "x", "days": 1},
        by=one("slc", "clerk registrar", "secret"),
        agency="slc",
        book="send-secret",
    )
    assert answer.status == 404


# -- named officers ------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["sender", "recipient"])
def test_named_officers_read_until_they_are_named_no_longer(office: Office, side: str) -> None:
    """A13: the registrar opens it to a cleared officer by name, at once, and closes it again; a
    repeat changes nothing."""
    document_id = sent(office)
    delivery_id = f"{document_id}.dga.1"
    agency = "slc" if side == "sender" else "dga"
    by = one(agency, "clerk", "secret")
    if side == "sender":
        path: dict[str, Any] = {"document_id": document_id}
        route = "/v1/documents/{document_id}"
        box = "/v1/documents"
    else:
        route, path = "/v1/inbox/{delivery_id}", {"delivery_id": delivery_id}
        box = "/v1/inbox"
    assert office.get(route, by=by, path=path).status == 404
    for _ in range(2):
        named = office.post(f"{route}/readers", {"add": [by["sub"]]}, by=registrar(agency), **path)
        assert named.status == 200, named.text
        assert by["sub"] in [reader["subject"] for reader in named.json["readers"]]
    assert office.get(route, by=by, path=path).status == 200
    assert office.get(f"{route}/file", by=by, path=path).status == 200
    assert len(office.get(box, by=by).json["items"]) == 1
    # Who reads does not name others, and does not get the sealed file.
    assert office.post(f"{route}/readers", {"add": ["x"]}, by=by, **path).status == 403
    assert office.get(f"{route}/file", by=by, path=path, form="sealed").status == 403
    gone = office.post(f"{route}/readers", {"remove": [by["sub"]]}, by=registrar(agency), **path)
    assert by["sub"] not in [reader["subject"] for reader in gone.json["readers"]]
    assert office.get(route, by=by, path=path).status == 404
    assert office.get(box, by=by).json["items"] == []


def test_a_name_is_worth_nothing_without_the_clearance(office: Office) -> None:
    """A13, A24: named, then cleared for less, or not appointed any more: nothing is open."""
    document_id = sent(office)
    path: dict[str, Any] = {"document_id": document_id}
    by = one("slc", "clerk", "secret")
    office.get("/v1/documents", by=by)  # appointed now
    office.post(
        "/v1/documents/{document_id}/readers", {"add": [by["sub"]]}, by=registrar("slc"), **path
    )
    lower = {**by, "clearance": "confidential"}
    assert office.get("/v1/documents/{document_id}", by=lower, path=path).status == 404
    assert office.get("/v1/documents", by=lower).json["items"] == []
    ended = {**by, "roles": ""}
    assert office.get("/v1/documents/{document_id}", by=ended, path=path).status == 403


@pytest.mark.parametrize("subject", ["slc-clerk-confidential", "slc-clerk-normal", "nobody"])
def test_only_the_cleared_are_named(office: Office, subject: str) -> None:
    """A13: whom the clearance refuses is not named, and the fault says where."""
    document_id = sent(office)
    for clearance in ("confidential", "normal"):
        office.get("/v1/documents", by=one("slc", "clerk", clearance))
    answer = office.post(
        "/v1/documents/{document_id}/readers",
        {"add": [registrar("slc")["sub"], subject]},
        by=registrar("slc"),
        document_id=document_id,
    )
    assert [(f["pointer"], f["code"]) for f in answer.json["errors"]] == [("/add/1", "not_cleared")]


def test_readers_of_another_agency_are_not_named(office: Office) -> None:
    """P6: a subject is somebody of the registrar's own agency; another agency's officer of the same
    name reads nothing."""
    document_id = sent(office)
    twin = one("onep", "clerk", "secret", sub="same")
    mine = one("slc", "clerk", "secret", sub="same")
    office.get("/v1/documents", by=mine)
    office.post(
        "/v1/documents/{document_id}/readers",
        {"add": ["same"]},
        by=registrar("slc"),
        document_id=document_id,
    )
    path = {"document_id": document_id}
    assert office.get("/v1/documents/{document_id}", by=mine, path=path).status == 200
    assert office.get("/v1/documents/{document_id}", by=twin, path=path).status == 404


def test_what_is_not_classified_has_no_readers(office: Office) -> None:
    """A13: a name would promise a secrecy that is not there."""
    document_id = office.sent(LETTER)
    answer = office.post(
        "/v1/documents/{document_id}/readers",
        {"add": [registrar("slc")["sub"]]},
        by=registrar("slc"),
        document_id=document_id,
    )
    assert [f["code"] for f in answer.json["errors"]] == ["not_classified"]


# -- reading ---------------------------------------------------------------------------------


def test_each_reading_names_its_reader_on_every_page(office: Office) -> None:
    """C5: who reads, for which agency, and when, stands on every page; no link is given, no cache
    keeps it, and the sealed file stays as it is."""
    document_id = sent(office, paragraphs=[f"ด้วยมีเรื่อง{WORD} " * 60] * 4)
    delivery_id = f"{document_id}.dga.1"
    before = dict(office.fakes.archive.files)
    for answer, name in (
        (
            office.get(
                "/v1/documents/{document_id}/file",
                by=registrar("slc"),
                path={"document_id": document_id},
            ),
            "Reader of slc",
        ),
        (
            office.arrival(delivery_id, "/file", by=registrar("dga")),
            "Reader of dga",
        ),
        (
            office.arrival(delivery_id, "/print", by=registrar("dga")),
            "Reader of dga",
        ),
    ):
        assert answer.status == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Location" not in answer.headers
        told = pages(answer.json)
        assert len(told) >= 2
        for page in told:
            assert page.count(name) == 4  # across the page, and beside the text
            assert "๒๕๖๙" in page
            assert "๑๒.๐๐ น." in page
    assert dict(office.fakes.archive.files) == before


def test_a_preview_names_its_reader_too(office: Office) -> None:
    """C5: who proposes a secret letter and looks at it first reads it as well."""
    answer = office.send({**SECRET, "dry_run": True}, by=registrar("slc"))
    assert answer.status == 200, answer.text
    (page,) = pages({"pdf_base64": answer.json["preview_base64"]})
    assert "Reader of slc" in page
    assert WORD in page


def test_the_sealed_file_is_the_registrars(office: Office) -> None:
    """A13: by an explicit query, for the cleared registrar of either side: the bytes whose digest
    everybody has."""
    document_id = sent(office)
    document = office.fakes.ledger.get(document_id)
    assert document is not None
    assert document.file is not None
    path = {"document_id": document_id}
    for answer in (
        office.get(
            "/v1/documents/{document_id}/file", by=registrar("slc"), path=path, form="sealed"
        ),
        office.arrival(f"{document_id}.dga.1", "/file", by=registrar("dga"), form="sealed"),
    ):
        sealed = base64.b64decode(answer.json["pdf_base64"])
        assert sha256(sealed).hexdigest() == document.file.sha256
    thing = Thing(ThingKind.DOCUMENT, document_id, "slc")
    found = office.fakes.access_log.of_thing(thing, AccessSearch()).accesses
    opened = [one.subject for one in found if one.action is Action.OPEN_SECRET]
    assert opened == [registrar("slc")["sub"], registrar("dga")["sub"]]


def test_bytes_come_as_pdf_if_that_is_asked_for(office: Office) -> None:
    """C5: application/pdf for who names it first, not to be kept and not to be sniffed at."""
    document_id = sent(office)
    answer = office.get(
        "/v1/documents/{document_id}/file",
        by=registrar("slc"),
        path={"document_id": document_id},
        headers={"accept": "application/pdf"},
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    reader = pypdf.PdfReader(BytesIO(base64.b64decode(answer.text)))
    assert "Reader of slc" in reader.pages[0].extract_text()


def test_what_is_too_large_is_told(office: Office) -> None:
    """P4: no link leads to a classified file, so one that is too large for an answer is told of."""
    document_id = sent(office)
    document = office.fakes.ledger.get(document_id)
    assert document is not None
    assert document.file is not None
    large = replace(document, file=replace(document.file, size=5_000_000))
    office.fakes.ledger._documents[document_id] = large
    answer = office.get(
        "/v1/documents/{document_id}/file",
        by=registrar("slc"),
        path={"document_id": document_id},
    )
    assert (answer.status, answer.json["code"]) == (422, "reading_too_large")


def test_the_file_says_outside_only_number_and_classification(office: Office) -> None:
    """A13: title and author of the file are no place for the subject, and every page says how
    secret it is, above and below."""
    document_id = sent(office)
    answer = office.get(
        "/v1/documents/{document_id}/file",
        by=registrar("slc"),
        path={"document_id": document_id},
        form="sealed",
    )
    reader = pypdf.PdfReader(BytesIO(base64.b64decode(answer.json["pdf_base64"])))
    assert reader.metadata is not None
    assert reader.metadata.title == "นร ๐๕๐๕/ล ๑ ลับมาก"
    assert WORD not in "".join(map(str, reader.metadata.values()))
    for page in reader.pages:
        assert page.extract_text().count("ลับมาก") == 2


# -- what everybody sees ----------------------------------------------------------------------


def test_the_public_learns_number_date_and_classification(office: Office) -> None:
    """A13, P3: behind the QR code, as JSON, as a page, and as status."""
    document_id = sent(office)
    document = office.fakes.ledger.get(document_id)
    assert document is not None
    path = {"code": document.verification_code}
    view = office.get("/v/{code}", by={}, path=path)
    assert view.status == 200, view.text
    assert view.json["classification"] == "secret"
    assert view.json["title_th"] == "เอกสารชั้นลับมาก"
    assert (view.json["valid_from"], view.json["valid_until"]) == (None, None)
    page = office.get("/v/{code}", by={}, path=path, headers={"accept": "text/html"})
    status = office.get("/v1/status/{code}", by={}, path=path)
    for answer in (view, page, status):
        assert answer.status == 200
        assert WORD not in answer.text
        assert "หนังสือภายนอก" not in answer.text
    assert "เอกสารชั้นลับมาก" in page.text


def test_neither_evidence_nor_events_nor_logs_tell(log: StringIO) -> None:
    """A13, P6: nothing that leaves the house, or is written beside the tables, has a word of it,
    its type, or a digest that it could be guessed by."""
    with secret_office("slc", "dga", "opm") as office:
        document_id = sent(
            office, to=["dga", "opm"], addressee=f"หัวหน้าส่วน{WORD}", closing="ขอแสดงความนับถือ"
        )
        office.does("receipt", f"{document_id}.dga.1", by=registrar("dga"))
        refused = office.does(
            "rejection",
            f"{document_id}.opm.1",
            {"reason": "misdirected", "note": WORD},
            by=registrar("opm"),
        )
        assert refused.status in {409, 422}
        office.rest()
        document = office.fakes.ledger.get(document_id)
        assert document is not None
        assert document.evidence is not None
        told = [
            *(event.decode() for _, event in office.fakes.inboxes.events),
            _payload(document.evidence),
            log.getvalue(),
        ]
        for delivery_id in (f"{document_id}.dga.1", f"{document_id}.opm.1"):
            delivery = office.delivery(delivery_id)
            told += map(_payload, office.fakes.deliveries.evidence(delivery.id))
        register = Register("slc", "send-secret", 2026)
        (entry,) = office.fakes.ledger.entries(register)
        told.append(entry.number_leaf().to_bytes().decode())
        assert len(told) > 6
        for text in told:
            assert WORD not in text
            assert "official-letter" not in text
            assert document.content_digest not in text


def _payload(jws: str) -> str:
    body = jws.split(".")[1]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


def test_a_bundle_of_a_secret_letter_still_proves_it(office: Office) -> None:
    """P2, P7: what hides type and digest in the evidence is checked by who holds the bundle."""
    document_id = sent(office)
    bundle = office.get(
        "/v1/documents/{document_id}/evidence",
        by=registrar("slc"),
        path={"document_id": document_id},
    ).json
    assert bundle["register_id"] == "slc/send-secret/2026"
    assert bundle["document_type"] == "classified"
    answer = office.api.call("POST", "/v1/verify", body=bundle, authorizer={})
    wrong = {finding["code"] for finding in answer.json["findings"]}
    assert not {code for code in wrong if "differs" in code or "wrong" in code}, answer.text
    assert WORD not in answer.text


def test_a_rejection_says_no_word_of_it(office: Office) -> None:
    """A13: what a rejection says goes to the sender's system in clear: a code, no note."""
    document_id = sent(office)
    delivery_id = f"{document_id}.dga.1"
    body = {"reason": "misdirected", "note": WORD}
    answer = office.does("rejection", delivery_id, body, by=registrar("dga"))
    assert [(f["pointer"], f["code"]) for f in answer.json["errors"]] == [
        ("/note", "classified_note")
    ]
    body.pop("note")
    assert office.does("rejection", delivery_id, body, by=registrar("dga")).status == 201


def test_classified_documents_are_no_pictures_for_phones(office: Office) -> None:
    """A13: a phone keeps what it shows; what is classified is refused as having no picture."""
    document_id = sent(office)
    answer = office.get(
        "/v1/documents/{document_id}/image",
        by=registrar("slc"),
        path={"document_id": document_id},
    )
    assert answer.json["code"] == "no_picture"


def test_what_one_may_not_know_of_cannot_be_replaced(office: Office) -> None:
    """P6: `supersedes` with the id of a secret document is as with the id of none."""
    document_id = sent(office)
    body = {**LETTER, "dry_run": True}
    del body["to"]
    document = office.fakes.ledger.get(document_id)
    assert document is not None
    asked = {
        "document_type": "official-letter",
        "content": {**document.content, "subject": "เรื่องอื่น"},
        "recipients": ["dga"],
        "supersedes": document_id,
        "dry_run": True,
    }
    answer = office.post("/v1/documents", asked, by=one("slc", "clerk"))
    assert [(f["pointer"], f["code"]) for f in answer.json["errors"]] == [
        ("/supersedes", "unknown_document")
    ]
    assert Classification.SECRET is document.classification


# -- documents that are no letters -------------------------------------------------------------


@pytest.fixture
def licence_office(licence: dict[str, Any]) -> Iterator[tuple[Office, dict[str, Any]]]:
    """diw issues licences; dbd and opm are told of them."""
    with secret_office("slc", "dga") as made:
        yield made, {**licence, "recipients": ["opm"], "classification": "confidential"}


def test_a_classified_document_tells_its_recipient_that_it_is_there(
    licence_office: tuple[Office, dict[str, Any]],
) -> None:
    """A13, P6: refused while the recipient has no registrar; then numbered beside the others, and
    the recipient's system is told by number, never of what kind it is or says."""
    office, licence = licence_office
    by = one("slc", "clerk", "secret")
    answer = office.post("/v1/documents", licence, by=by)
    assert [(f["pointer"], f["code"]) for f in answer.json["errors"]] == [
        ("/recipients/0", "no_registrar")
    ]
    appoint_registrar(office, "opm", "confidential")
    answer = office.post("/v1/documents", licence, by=by)
    assert answer.status == 202, answer.text
    office.rest()
    document = office.fakes.ledger.get(answer.json["document_id"])
    assert document is not None
    assert document.numbering is not None
    assert document.numbering.printed == "ล ๑/๒๕๖๙"
    assert document.register.book == "licence-secret"
    ((agency, event),) = office.fakes.inboxes.events
    told = json.loads(event)["data"]
    assert (agency, told["document_type"]) == ("opm", "classified")
    assert told["content_commitment"] == f"sha-256:{document.commitment}"
    assert "content_digest" not in told
    assert document.content_digest not in event.decode()
    path = {"document_id": document.document_id}
    read = office.get(
        "/v1/documents/{document_id}/file", by=registrar("opm", "confidential"), path=path
    )
    assert read.status == 200, read.text
    for other in uncleared("opm"):
        if other["clearance"] == "confidential":
            continue
        seen = office.get("/v1/documents/{document_id}/file", by=other, path=path)
        assert seen.status == 404, (other["sub"], seen.text)


def test_neither_replaces_a_document_of_another_classification(
    licence_office: tuple[Office, dict[str, Any]],
) -> None:
    """A13: the page behind the QR code, events and views of the one name the other; so a classified
    document replaces no normal one, whose page would tell of what kind it is, nor is replaced by
    one that everybody sees."""
    office, licence = licence_office
    appoint_registrar(office, "opm", "confidential")
    by = one("slc", "clerk", "secret")
    normal = {**licence, "classification": "normal"}
    for first, second in ((normal, licence), (licence, normal)):
        issued = office.post("/v1/documents", first, by=by)
        assert issued.status == 202, issued.text
        office.rest()
        replaces = {"supersedes": issued.json["document_id"], "dry_run": True}
        answer = office.post("/v1/documents", {**second, **replaces}, by=by)
        assert answer.status == 422, answer.text
        assert [(f["pointer"], f["code"]) for f in answer.json["errors"]] == [
            ("/supersedes", "other_classification")
        ]
