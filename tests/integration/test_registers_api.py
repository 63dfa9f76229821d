"""Registers as officers use them: reading, printing, reserving, inserting, giving back."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.documents import archive_key
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import OutcomeLeaf
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.rooms import sample_event

REGISTER = Register("diw", "licence", 2026)
LINES = "/v1/registers/{agency}/{book}/{year}"
RESERVATIONS = "/v1/registers/{agency}/{book}/reservations"
RELEASE = "/v1/registers/{agency}/{book}/{year}/reservations/{number}/release"

_APPLICATION = sample_event("api")["requestContext"]["authorizer"]
_ALL = "documents:submit documents:read registers:read registers:reserve"
CLERK = {**_APPLICATION, "sub": "clerk-1", "roles": "clerk", "scope": _ALL}
AUDITOR = {**CLERK, "sub": "auditor-1", "roles": "auditor"}
DBD = {**CLERK, "agency": "dbd", "sub": "dbd-clerk"}


def _lines(
    api: Api,
    year: str = "2026",
    *,
    book: str = "licence",
    agency: str = "diw",
    caller: dict[str, Any] = CLERK,
    accept: str = "application/json",
    **query: Any,
) -> Answer:
    path = {"agency": agency, "book": book, "year": year}
    query = {name.rstrip("_"): value for name, value in query.items()}
    headers = {"accept": accept}
    return api.call("GET", LINES, path=path, query=query, authorizer=caller, headers=headers)


def _reserve(
    api: Api, body: dict[str, Any], *, book: str = "licence", caller: dict[str, Any] = CLERK
) -> Answer:
    path = {"agency": "diw", "book": book}
    return api.call("POST", RESERVATIONS, path=path, body=body, authorizer=caller)


def _release(api: Api, number: int, *, caller: dict[str, Any] = CLERK, **body: Any) -> Answer:
    path = {"agency": "diw", "book": "licence", "year": "2026", "number": str(number)}
    body = body or {"reason": "not_needed"}
    return api.call("POST", RELEASE, path=path, body=body, authorizer=caller)


def _submit(api: Api, body: dict[str, Any], **changes: Any) -> Answer:
    return api.call("POST", "/v1/documents", body={**body, **changes}, authorizer=CLERK)


def _issue(api: Api, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Submit, let the functions work, and show the document."""
    answer = _submit(api, body, **changes)
    assert answer.status == 202, answer.text
    World(api.fakes).run_to_rest()
    return _document(api, answer.json["document_id"])


def _document(api: Api, document_id: str) -> dict[str, Any]:
    path = {"document_id": document_id}
    shown: dict[str, Any] = api.call("GET", "/v1/documents/{document_id}", path=path).json
    return shown


def _faults(answer: Answer) -> set[tuple[str, str]]:
    assert answer.status == 422, answer.text
    return {(fault["pointer"], fault["code"]) for fault in answer.json["errors"]}


THREE: dict[str, Any] = {"count": 3, "reason": "คำสั่งประชุมคณะกรรมการ", "days": 3}


# -- the whole story -----------------------------------------------------------------


def test_reserving_using_expiring_giving_back_inserting(api: Api, licence: dict[str, Any]) -> None:
    """Issue 3, items 3 and 4: three numbers are taken ahead; one is used, one expires, one is
    given back, one is inserted under; every number is there once, each with its end (P1, P4)."""
    # Three numbers, visible at once, with owner, reason and end.
    taken = _reserve(api, THREE)
    assert taken.status == 201
    assert [n["number"] for n in taken.json["numbers"]] == [1, 2, 3]
    assert taken.json["numbers"][0]["printed_number"] == "๑/๒๕๖๙"
    assert taken.json["year"] == 2026
    assert taken.json["expires_at"] == "2026-11-23T17:00:00Z"
    assert taken.headers["Location"].endswith("/2026?from_number=1&to_number=3")
    shown = _lines(api).json["items"]
    assert [line["state"] for line in shown] == ["reserved"] * 3
    assert shown[0]["subject"] == THREE["reason"]
    assert shown[0]["reserve"]["owner"] == "clerk-1"

    # The day after, the second becomes a document's, under its date, with the real time.
    api.fakes.clock.advance(timedelta(days=1))
    used = _issue(api, licence, use_reserved={"year": 2026, "number": 2})
    assert (used["state"], used["number"], used["printed_number"]) == ("issued", 2, "๒/๒๕๖๙")
    assert used["numbering"]["dated"] == "2026-11-21"
    assert used["numbering"]["numbered_at"].startswith("2026-11-22")

    # The third is given back; nobody uses the first in time.
    back = _release(api, 3)
    assert (back.status, back.json["state"]) == (200, "void")
    assert back.json["reason"] == "reservation_not_needed"
    api.fakes.clock.advance(timedelta(days=2))
    World(api.fakes).sweep()

    # Under the second, one is inserted: 2/1, with its parent's date.
    inserted = _issue(api, licence, insert_after={"year": 2026, "number": 2})
    assert (inserted["number"], inserted["printed_number"]) == (2, "๒/๑/๒๕๖๙")
    assert inserted["numbering"]["child"] == 1
    assert inserted["numbering"]["dated"] == "2026-11-21"
    assert inserted["numbering"]["numbered_at"].startswith("2026-11-24")

    # The next ordinary number goes on after all of them.
    assert _issue(api, licence)["number"] == 4

    lines = _lines(api).json["items"]
    assert [(i["number"], i["child"], i["state"]) for i in lines] == [
        (1, 0, "void"),
        (2, 0, "issued"),
        (2, 1, "issued"),
        (3, 0, "void"),
        (4, 0, "issued"),
    ]
    assert [line["dated"] for line in lines] == ["2026-11-21"] * 4 + ["2026-11-24"]
    assert "ไม่ได้ใช้ภายในกำหนดที่จอง" in lines[0]["remarks"]
    assert "ใช้เลขที่จองไว้ ออกจริงเมื่อ ๒๒ พฤศจิกายน" in lines[1]["remarks"]
    assert "เลขแทรก ออกเลขจริงเมื่อ ๒๔ พฤศจิกายน" in lines[2]["remarks"]
    assert lines[1]["file_digest"] == used["file"]["sha256"]


def test_the_public_log_tells_the_same_story_without_words(
    api: Api, licence: dict[str, Any]
) -> None:
    """P7: each end has its outcome; neither owner nor reason of a reservation is in a leaf."""
    _reserve(api, THREE)
    _issue(api, licence, use_reserved={"year": 2026, "number": 2})
    _issue(api, licence, insert_after={"year": 2026, "number": 2})
    _release(api, 3, reason="mistaken")
    ledger = api.fakes.ledger
    ledger.sequence(REGISTER)
    numbers = ledger.leaves(REGISTER, LogName.NUMBERS, start=0, limit=9)
    outcomes = ledger.leaves(REGISTER, LogName.OUTCOMES, start=0, limit=9)
    told = [(o.number, o.child, o.outcome.value) for o in map(OutcomeLeaf.from_bytes, outcomes)]
    assert sorted(told) == [
        (2, 0, "issued"),
        (2, 0, "reservation_used"),
        (2, 1, "inserted"),
        (2, 1, "issued"),
        (3, 0, "void"),
    ]
    everything = b"".join((*numbers, *outcomes)).decode()
    assert "clerk-1" not in everything
    assert THREE["reason"] not in everything


def test_printed_pages_show_the_real_time_of_issue(api: Api, licence: dict[str, Any]) -> None:
    """Issue 3, item 3: a reserved or inserted number's document bears the letter date, and
    beside it the real time."""
    _reserve(api, THREE)
    api.fakes.clock.advance(timedelta(days=1, minutes=30))
    wishes = ({"use_reserved": {"year": 2026, "number": 2}},)
    for wish in (*wishes, {"insert_after": {"year": 2026, "number": 2}}):
        shown = _issue(api, licence, **wish)
        document = api.fakes.ledger.get(shown["document_id"])
        assert document is not None
        # The fake renderer's "pages" are what the template was given.
        page = json.loads(api.fakes.archive.files[archive_key(document)].split(b"\n%sealed")[0])
        assert page["date"].replace("\u00a0", " ") == "๒๑ พฤศจิกายน ๒๕๖๙"
        real = page["real_time"].replace("\u00a0", " ")
        assert real == "๒๒ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๓๐ น."
    plain = _issue(api, licence)
    document = api.fakes.ledger.get(plain["document_id"])
    assert document is not None
    page = json.loads(api.fakes.archive.files[archive_key(document)].split(b"\n%sealed")[0])
    assert page["real_time"] is None


def test_the_public_page_shows_an_inserted_number(api: Api, licence: dict[str, Any]) -> None:
    """D3: what the QR code says is what the paper says: number, letter date, real day."""
    _issue(api, licence)
    api.fakes.clock.advance(timedelta(days=1))
    shown = _issue(api, licence, insert_after={"year": 2026, "number": 1})
    code = shown["links"]["verify"].rsplit("/", 1)[1]
    public = api.call("GET", "/v/{code}", path={"code": code}).json
    assert (public["number"], public["child"], public["printed_number"]) == (1, 1, "๑/๑/๒๕๖๙")
    assert (public["dated"], public["issued_on"]) == ("2026-11-21", "2026-11-22")


# -- what is refused -------------------------------------------------------------------


def test_backdating_is_refused_and_both_ways_are_named(api: Api, licence: dict[str, Any]) -> None:
    """A18: a number is never dated back; the refusal says what an officer can do instead."""
    for language, words in (("en", ("use_reserved", "insert_after")), ("th", ("จองไว้", "เลขแทรก"))):
        answer = api.call(
            "POST",
            "/v1/documents",
            body={**licence, "dated": "2026-11-20"},
            authorizer=CLERK,
            headers={"accept-language": language},
        )
        assert _faults(answer) == {("/dated", "backdating_refused")}
        assert all(word in answer.json["errors"][0]["detail"] for word in words)
    assert _submit(api, licence, dated="2026-11-21").status == 202


def test_wishes_that_cannot_come_true_are_refused_at_once(
    api: Api, licence: dict[str, Any]
) -> None:
    """P1, P6: a number is wished for only where it is reserved, in the own agency's book;
    another agency's reservation is as good as none."""
    wish = {"year": 2026, "number": 1}
    assert _faults(_submit(api, licence, use_reserved=wish)) == {
        ("/use_reserved", "no_such_number")
    }
    _reserve(api, THREE)
    foreign = {**licence, "recipients": [], "use_reserved": wish}
    answer = api.call("POST", "/v1/documents", body=foreign, authorizer=DBD)
    assert _faults(answer) == {("/use_reserved", "no_such_number")}
    _issue(api, licence, use_reserved=wish)
    for number, code in ((1, "not_reserved"), (9, "no_such_number")):
        again = _submit(api, licence, use_reserved={"year": 2026, "number": number})
        assert _faults(again) == {("/use_reserved", code)}
    _release(api, 2)
    api.fakes.clock.advance(timedelta(days=3))  # and the third has run out, swept or not
    for number in (2, 3):
        late = _submit(api, licence, use_reserved={"year": 2026, "number": number})
        assert _faults(late) == {("/use_reserved", "not_reserved")}


def test_a_used_number_is_not_given_back(api: Api, licence: dict[str, Any]) -> None:
    """P2: what became a document's stays its; giving back twice is the same as once."""
    _reserve(api, THREE)
    _issue(api, licence, use_reserved={"year": 2026, "number": 2})
    used = _release(api, 2)
    assert (used.status, used.json["code"]) == (409, "number_used")
    assert "Retry-After" not in used.headers
    first, again = _release(api, 3), _release(api, 3, reason="replaced")
    assert first.json == again.json
    assert _release(api, 4).status == 404
    _issue(api, licence)
    assert _release(api, 4).status == 404  # never reserved


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({**THREE, "count": 0}, ("/count", "too_small")),
        ({**THREE, "count": 50}, ("/count", "too_large")),
        ({**THREE, "reason": ""}, ("/reason", "too_short")),
        ({**THREE, "reason": "ก" * 301}, ("/reason", "too_long")),
        ({**THREE, "reason": "เหตุผล 😀"}, ("/reason", "wrong_pattern")),
        ({**THREE, "days": 366}, ("/days", "too_large")),
        ({**THREE, "days": 42}, ("/days", "beyond_year")),
        ({**THREE, "expires_at": "2026-12-01T00:00:00Z"}, ("/expires_at", "one_of_two")),
        ({"count": 1, "reason": "ก"}, ("/expires_at", "one_of_two")),
        ({"count": 1, "reason": "ก", "expires_at": "2026-12-01"}, ("/expires_at", "wrong_format")),
        ({"count": 1, "reason": "ก", "expires_at": "soon"}, ("/expires_at", "wrong_format")),
        (
            {"count": 1, "reason": "ก", "expires_at": "2026-11-21T05:00:00Z"},
            ("/expires_at", "in_the_past"),
        ),
        (
            {"count": 1, "reason": "ก", "expires_at": "2027-01-01T00:00:01+07:00"},
            ("/expires_at", "beyond_year"),
        ),
    ],
)
def test_reservations_out_of_bounds_are_refused(
    api: Api, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    """Issue 3, item 3: at most one block, with a reason, and no longer than the calendar year
    in Asia/Bangkok; the fault is named in both languages."""
    assert _faults(_reserve(api, body)) == {fault}
    assert _lines(api).json["items"] == []


@pytest.mark.parametrize("end", ["2027-01-01T00:00:00+07:00", "2026-12-31T17:00:00Z"])
def test_a_reservation_may_last_until_the_year_ends(api: Api, end: str) -> None:
    """A18: the last instant of the year in Bangkok is still within it."""
    answer = _reserve(api, {"count": 1, "reason": "ก", "expires_at": end})
    assert answer.json["expires_at"] == "2026-12-31T17:00:00Z"


def test_days_count_from_today_until_midnight_in_bangkok(api: Api) -> None:
    """A18: `days: 1` is today, also when UTC is still at yesterday."""
    api.fakes.clock.now = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)  # 22nd, 00:30 in Bangkok
    answer = _reserve(api, {"count": 1, "reason": "ก", "days": 1})
    assert answer.json["expires_at"] == "2026-11-22T17:00:00Z"


def test_only_clerks_and_registrars_reserve(api: Api) -> None:
    """A8: who may read a register may not therefore take its numbers."""
    for caller in (AUDITOR, {**CLERK, "roles": "application"}, {**CLERK, "roles": "supervisor"}):
        assert _lines(api, caller=caller).status == 200
        assert _reserve(api, THREE, caller=caller).json["reason"] == "role_missing"
        assert _release(api, 1, caller=caller).json["reason"] == "role_missing"
    assert _reserve(api, THREE, caller={**CLERK, "roles": "registrar"}).status == 201
    unscoped = {**CLERK, "scope": "documents:read"}
    assert _lines(api, caller=unscoped).json["reason"] == "scope_missing"


def test_another_agencys_register_looks_as_if_it_were_not_there(
    api: Api, licence: dict[str, Any]
) -> None:
    """P6: neither lines nor files nor numbers of another agency, and no hint of them."""
    _reserve(api, THREE)
    _issue(api, licence)
    absent = _lines(api, agency="nobody", caller=DBD)
    assert absent.status == 404
    for year in ("2026", "2026.csv", "2026.pdf", "1999", "never"):
        foreign = _lines(api, year, caller=DBD)
        assert (foreign.status, foreign.json) == (404, absent.json)
    assert _reserve(api, THREE, caller=DBD).status == 404
    assert _release(api, 1, caller=DBD).status == 404
    assert [line["state"] for line in _lines(api).json["items"]] == ["reserved"] * 3 + ["issued"]


def test_a_book_that_does_not_exist_is_not_begun(api: Api) -> None:
    """P1: nobody opens a register by a slip of the pen; letters need a letter prefix, and
    numbers of the receive register are not reserved."""
    for book in ("licences", "send", "circular", "receive", "../x"):
        assert _reserve(api, THREE, book=book).status == 404
    assert api.fakes.ledger.registers() == ()
    assert _lines(api, book="licences").status == 404
    assert _lines(api, book="send").json["items"] == []


@pytest.mark.parametrize("year", ["26", "02026", "2026.txt", "2026.csv.pdf", "๒๕๖๙", "2026 "])
def test_a_year_that_is_none_is_not_found(api: Api, year: str) -> None:
    """api.md: a year, or a year with `.csv` or `.pdf`; nothing else leads anywhere."""
    assert _lines(api, year).status == 404


# -- searching ---------------------------------------------------------------------------


@pytest.fixture
def filled(api: Api, licence: dict[str, Any]) -> Api:
    """Six licences on three days, of two holders, and one reservation."""
    for day in range(3):
        for holder in ("บริษัท น้ำผลไม้บางพลี จำกัด", "Siam Juice"):
            content = {**licence["content"], "title_th": f"ใบอนุญาตวันที่ {day}"}
            content["holder"] = {**content["holder"], "name": holder}
            _issue(api, licence, content=content)
        api.fakes.clock.advance(timedelta(days=1))
    _reserve(api, {"count": 1, "reason": "ประชุม", "days": 1})
    return api


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"from_number": "3", "to_number": "5"}, [3, 4, 5]),
        ({"from_": "2026-11-22", "to": "2026-11-22"}, [3, 4]),
        ({"from_": "2026-11-23"}, [5, 6, 7]),
        ({"to": "2026-11-21"}, [1, 2]),
        ({"from_": "2026-12-01"}, []),
        ({"counterpart": "siam"}, [2, 4, 6]),
        ({"state": "reserved"}, [7]),
        ({"subject": "ประชุม"}, [7]),
        ({"counterpart": "siam", "from_": "2026-11-22", "to_number": "5"}, [4]),
    ],
)
def test_search_by_date_number_subject_counterpart_and_state(
    filled: Api, query: dict[str, Any], numbers: list[int]
) -> None:
    """Issue 3, item 9: each filter, alone and together, page by page."""
    found: list[int] = []
    while query.get("cursor", "") is not None:
        page = _lines(filled, limit="2", **query).json
        found += [line["number"] for line in page["items"]]
        query = {**query, "cursor": page["cursor"]}
    assert found == numbers


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"limit": "201"}, ("/limit", "wrong_pattern")),
        ({"from_number": "0"}, ("/from_number", "wrong_pattern")),
        ({"from_": "2026-02-30"}, ("/from", "wrong_format")),
        ({"state": "accepted"}, ("/state", "not_allowed")),
        ({"cursor": "???"}, ("/cursor", "bad_cursor")),
        ({"sort": "number"}, ("/sort", "unknown_field")),
    ],
)
def test_a_search_that_makes_no_sense_is_told_why(
    api: Api, query: dict[str, Any], fault: tuple[str, str]
) -> None:
    """api.md: errors[] points at the parameter."""
    assert _faults(_lines(api, **query)) == {fault}


def test_a_register_is_never_cached(filled: Api) -> None:
    """P6: what is about one agency stays with it."""
    for year in ("2026", "2026.csv"):
        assert _lines(filled, year).headers["Cache-Control"] == "no-store"


# -- files -------------------------------------------------------------------------------


def test_the_csv_has_the_columns_and_obeys_the_filters(filled: Api) -> None:
    """A25: a file that a spreadsheet opens as it is, with Thai heads."""
    answer = _lines(filled, "2026.csv", from_="2026-11-22", to="2026-11-22")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="diw-licence-2026.csv"'
    assert "Link" not in answer.headers
    assert answer.text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(answer.text[1:], newline="")))
    assert [len(row) for row in rows] == [8, 8, 8]
    assert [row[0] for row in rows[1:]] == ["๓", "๔"]


def test_a_formula_in_the_content_reaches_no_spreadsheet(api: Api, licence: dict[str, Any]) -> None:
    """Issue 3, item 8: a holder's name that is a formula stands there as text."""
    content = {**licence["content"]}
    content["holder"] = {**content["holder"], "name": "=1+1"}
    _issue(api, licence, content=content)
    (_, row) = csv.reader(io.StringIO(_lines(api, "2026.csv").text[1:], newline=""))
    assert row[4] == "'=1+1"


def test_a_long_register_leads_from_file_to_file(
    filled: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A25: the Link header leads to the next file, with the filters, until nothing is left."""
    monkeypatch.setattr("chalicelib.services.print_register.MOST_IN_CSV", 2)
    found: list[str] = []
    query: dict[str, Any] = {"counterpart": "siam"}
    for _ in range(9):
        answer = _lines(filled, "2026.csv", **query)
        found += [row[0] for row in csv.reader(io.StringIO(answer.text[1:], newline=""))][1:]
        if "Link" not in answer.headers:
            break
        link = answer.headers["Link"]
        assert link.endswith('>; rel="next"')
        assert "/v1/registers/diw/licence/2026.csv?counterpart=siam&cursor=" in link
        query = {"counterpart": "siam", "cursor": link.split("cursor=")[1].split(">")[0]}
    assert found == ["๒", "๔", "๖"]


def test_the_pdf_comes_as_bytes_or_as_json(filled: Api) -> None:
    """A25: application/pdf for who asks for it first; the gateway would spoil it for others,
    who get the same file in JSON."""
    plain = _lines(filled, "2026.pdf", accept="application/pdf, */*")
    assert (plain.status, plain.headers["Content-Type"]) == (200, "application/pdf")
    pdf = base64.b64decode(plain.text)  # as Lambda hands bytes to the gateway
    assert pdf.startswith(b"%PDF-")
    for accept in ("application/json", "*/*", "text/html, application/pdf"):
        wrapped = _lines(filled, "2026.pdf", accept=accept).json
        assert wrapped["media_type"] == "application/pdf"
        assert base64.b64decode(wrapped["pdf_base64"]) == pdf
        assert wrapped["next"] is None


def test_openapi_names_every_form_of_a_register(api: Api) -> None:
    """api.md: the description names page, spreadsheet and pages to print, and the scope."""
    paths = api.call("GET", "/v1/openapi.json").json["paths"]
    described = paths["/v1/registers/{agency}/{book}/{year}"]["get"]
    content = described["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/csv", "application/pdf"}
    forms = {
        form["$ref"].rsplit("/", 1)[1] for form in content["application/json"]["schema"]["anyOf"]
    }
    assert forms == {"RegisterPage", "PrintedRegister"}
    assert described["security"] == [{"issuer": ["registers:read"]}]
