"""Batches through the API and the functions, on fakes, with real lines and real validation."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.batches import BatchRef
from chalicelib.domain.registers import Register
from tests.fault.harness import World, audit
from tests.fault.test_batches import REGISTER
from tests.integration.conftest import Answer, Api
from tests.support.batch_files import json_lines
from tests.support.rooms import sample_event
from tests.support.samples import AGENCIES

Body = dict[str, Any]


@pytest.fixture
def world(api: Api) -> World:
    return World(api.fakes)


def _make(api: Api, **changes: object) -> Body:
    body = {"document_type": "licence", "defaults": {"recipients": ["dbd"]}, **changes}
    answer = api.call("POST", "/v1/batches", body=body)
    assert answer.status == 201, answer.text
    made: Body = answer.json
    return made


def _act(api: Api, batch_id: str, what: str) -> Answer:
    return api.call("POST", f"/v1/batches/{{batch_id}}/{what}", path={"batch_id": batch_id})


def _show(api: Api, batch_id: str) -> Body:
    answer = api.call("GET", "/v1/batches/{batch_id}", path={"batch_id": batch_id})
    assert answer.status == 200, answer.text
    shown: Body = answer.json
    return shown


def _checked(api: Api, world: World, content: bytes, **changes: object) -> Body:
    """A batch whose file was uploaded and checked, and what follows by itself."""
    batch_id = _make(api, **changes)["batch_id"]
    world.fakes.batch_files.uploads[BatchRef("diw", batch_id)] = content
    assert _act(api, batch_id, "check").status == 202
    world.run_to_rest()
    return _show(api, batch_id)


def _report(world: World, batch: Body) -> list[Body]:
    kept = world.fakes.batch_files.files[BatchRef("diw", batch["batch_id"]), "report.jsonl"]
    return [json.loads(row) for row in kept.splitlines()]


def _lines(licence: Body, count: int) -> list[Body]:
    made = []
    for n in range(1, count + 1):
        content = json.loads(json.dumps(licence["content"]))
        content["holder"]["name"] = f"บริษัท ทดสอบ {n} จำกัด"
        made.append({"content": content})
    return made


def test_from_file_to_manifest(api: Api, world: World, licence: Body) -> None:
    """Issue 5 item 4: upload, check, numbers in file order, issue, manifest; progress is told."""
    batch = _checked(api, world, json_lines(_lines(licence, 25)))
    assert (batch["state"], batch["percent"]) == ("done", 100)
    counted = ("lines", "valid", "invalid", "numbered", "issued", "void")
    assert [batch[name] for name in counted] == [25, 25, 0, 25, 25, 0]
    assert (batch["first_number"], batch["last_number"]) == (1, 25)
    assert batch["register_id"] == REGISTER.register_id
    assert batch["upload"] is None
    assert audit(world.fakes, REGISTER) == []
    path = {"batch_id": batch["batch_id"]}
    manifest = api.call("GET", "/v1/batches/{batch_id}/manifest", path=path)
    assert manifest.status == 303
    assert "manifest.jsonl" in manifest.headers["Location"]
    found = api.call("GET", "/v1/documents", query={"limit": "1"}).json["items"][0]
    assert found["batch"]["batch_id"] == batch["batch_id"]


@pytest.mark.parametrize(
    ("classification", "code"),
    [
        ("confidential", "classified_in_batch"),
        ("secret", "classified_in_batch"),
        ("top_secret", "top_secret_refused"),
    ],
)
def test_no_line_of_a_batch_is_classified(
    api: Api, world: World, licence: Body, classification: str, code: str
) -> None:
    """A13, A24: who may read a classified document is named one by one, and top secret travels
    nowhere."""
    lines: list[object] = list(_lines(licence, 3))
    lines[1] = {**_lines(licence, 2)[1], "classification": classification}
    batch = _checked(api, world, json_lines(lines))
    assert (batch["state"], batch["invalid"]) == ("refused", 1)
    rows = [(row["line"], row["pointer"], row["code"]) for row in _report(world, batch)]
    assert rows == [(2, "/classification", code)]
    assert world.fakes.ledger.registers() == ()


def test_every_bad_line_is_told_and_no_number_is_spent(
    api: Api, world: World, licence: Body
) -> None:
    """Issue 5 item 4: all or nothing: one report of all bad lines, with pointer and both
    languages, quoting nothing; the register is untouched."""
    lines: list[object] = list(_lines(licence, 5))
    lines[1] = {"content": {"title_th": "ลับเฉพาะ"}}
    lines[3] = {**_lines(licence, 4)[3], "recipients": ["nobody"], "dry_run": True}
    content = json_lines(lines) + b"{not json\n"
    batch = _checked(api, world, content)
    assert (batch["state"], batch["reason"]["code"]) == ("refused", "invalid_lines")
    assert (batch["lines"], batch["valid"], batch["invalid"]) == (6, 3, 3)
    assert world.fakes.ledger.registers() == ()
    rows = _report(world, batch)
    assert {row["line"] for row in rows} == {2, 4, 6}
    told = {(row["line"], row["pointer"], row["code"]) for row in rows}
    assert {
        (2, "/content/holder", "missing"),
        (4, "/recipients/0", "unknown_recipient"),
        (4, "/dry_run", "not_in_batch"),
        (6, "", "malformed_request"),
    } <= told
    assert all(row["detail"] and row["detail_th"] for row in rows)
    assert "ลับเฉพาะ" not in json.dumps(rows, ensure_ascii=False)
    kept = world.fakes.batch_files.files[BatchRef("diw", batch["batch_id"]), "report.csv"]
    sheet = list(csv.reader(io.StringIO(kept.decode("utf-8-sig"), newline="")))
    assert sheet[0] == ["line", "pointer", "code", "detail", "detail_th"]
    assert len(sheet) == len(rows) + 1
    path = {"batch_id": batch["batch_id"]}
    for form in ("jsonl", "csv"):
        answer = api.call("GET", "/v1/batches/{batch_id}/report", path=path, query={"format": form})
        assert answer.status == 303
        assert f"report.{form}" in answer.headers["Location"]
    gone = api.call("GET", "/v1/batches/{batch_id}/manifest", path=path)
    assert gone.status == 410


def test_bad_lines_are_skipped_if_asked_for(api: Api, world: World, licence: Body) -> None:
    """Issue 5 item 4: skip_invalid goes on with the valid ones, whose numbers follow each other."""
    lines: list[object] = list(_lines(licence, 5))
    lines[1] = {"content": {}}
    batch = _checked(api, world, json_lines(lines), on_error="skip_invalid")
    assert (batch["state"], batch["issued"], batch["invalid"]) == ("done", 4, 1)
    numbered = [
        (d.batch.line, d.numbering.number)
        for d in world.fakes.ledger._documents.values()
        if d.batch and d.numbering
    ]
    assert sorted(numbered) == [(1, 1), (3, 2), (4, 3), (5, 4)]
    assert audit(world.fakes, REGISTER) == []


def test_csv_with_a_mapping(api: Api, world: World) -> None:
    """Issue 5 item 4: CSV in TIS-620 becomes documents by the mapping; defaults fill the rest."""
    rows = "ชื่อ;ใช้ได้ถึง\r\nนาย สมชาย ใจดี;2030-12-31\r\nนาง สมหญิง ใจงาม;2030-12-31\r\n"
    kind = json.loads(api.call("GET", "/v1/document-types/{name}", path={"name": "licence"}).text)
    required = kind["content_schema"]["required"]
    mapping = {"ชื่อ": "/content/holder/name", "ใช้ได้ถึง": "/valid_until"}
    batch = _checked(api, world, rows.encode("cp874"), format="csv", mapping=mapping)
    # A licence needs more than these two columns have: each line says what is missing.
    assert batch["state"] == "refused"
    assert batch["lines"] == 2
    missing = {row["pointer"] for row in _report(world, batch) if row["line"] == 2}
    assert missing >= {f"/content/{name}" for name in required if name != "holder"}


def test_what_all_lines_share_is_said_once(api: Api, world: World, licence: Body) -> None:
    """Issue 5 item 4: a CSV has columns for what differs; the content that all lines share is laid
    under each of them, field by field, and lines that say it themselves win."""
    rows = "ชื่อ,ชื่อเอกสาร\r\nบริษัท หนึ่ง จำกัด,\r\nบริษัท สอง จำกัด,ใบอนุญาตอื่น\r\n".encode("cp874")
    mapping = {"ชื่อ": "/content/holder/name", "ชื่อเอกสาร": "/content/title_th"}
    shared = {"content": licence["content"], "recipients": ["dbd"]}
    batch = _checked(api, world, rows, format="csv", mapping=mapping, defaults=shared)
    assert (batch["state"], batch["issued"]) == ("done", 2)
    made = {d.batch.line: d.content for d in world.fakes.ledger._documents.values() if d.batch}
    content = licence["content"]
    assert made[2] == {**content, "holder": {**content["holder"], "name": "บริษัท หนึ่ง จำกัด"}}
    assert made[3]["title_th"] == "ใบอนุญาตอื่น"
    assert made[3]["holder"]["kind"] == content["holder"]["kind"]


def test_a_line_that_no_rule_can_be_applied_to_is_a_bad_line(
    api: Api, world: World, licence: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4: a rule that stumbles over a line, whatever the fault of the rule, ends that line and not
    the batch's progress."""
    stumbled = JsonSchemaContentChecker.faults

    def faults(checker: Any, kind: Any, content: Any) -> Any:
        if content["holder"]["name"] == "บริษัท ทดสอบ 2 จำกัด":
            raise IndexError
        return stumbled(checker, kind, content)

    monkeypatch.setattr(JsonSchemaContentChecker, "faults", faults)
    batch = _checked(api, world, json_lines(_lines(licence, 3)), on_error="skip_invalid")
    assert (batch["state"], batch["issued"], batch["invalid"]) == ("done", 2, 1)
    assert [(row["line"], row["code"]) for row in _report(world, batch)] == [
        (2, "could_not_be_checked")
    ]


def test_a_file_that_is_no_batch_is_refused(api: Api, world: World) -> None:
    """Bad input: UTF-16, a spreadsheet, nothing at all: refused with a reason, nothing stored."""
    for content, code in (
        ("{}".encode("utf-16"), "utf_16"),
        (b"PK\x03\x04abc", "spreadsheet"),
        (b"\n\n", "empty_file"),
    ):
        batch = _checked(api, world, content)
        assert (batch["state"], batch["reason"]["code"]) == ("refused", code)


def test_a_manual_batch_waits_for_its_start(api: Api, world: World, licence: Body) -> None:
    """Issue 5 items 4 and 6: `manual` is a check and a report, and spends nothing until started."""
    batch = _checked(api, world, json_lines(_lines(licence, 2)), start="manual")
    assert (batch["state"], batch["numbered"]) == ("ready", 0)
    assert _act(api, batch["batch_id"], "start").status == 202
    world.run_to_rest()
    assert _show(api, batch["batch_id"])["state"] == "done"
    assert _act(api, batch["batch_id"], "cancel").status == 409


def test_a_file_changed_after_its_check_began_is_refused(
    api: Api, world: World, licence: Body
) -> None:
    """Issue 5 item 4: what is checked is what was uploaded when the check was asked for."""
    batch_id = _make(api)["batch_id"]
    ref = BatchRef("diw", batch_id)
    world.fakes.batch_files.uploads[ref] = json_lines(_lines(licence, 2))
    assert _act(api, batch_id, "check").status == 202
    world.fakes.batch_files.uploads[ref] = json_lines(_lines(licence, 3))
    world.run_to_rest()
    batch = _show(api, batch_id)
    assert (batch["state"], batch["reason"]["code"]) == ("refused", "batch_broken")


def test_a_file_changed_after_its_check_changes_nothing(
    api: Api, world: World, licence: Body
) -> None:
    """P2: what was checked was kept; the upload is not read again."""
    batch = _checked(api, world, json_lines(_lines(licence, 2)), start="manual")
    ref = BatchRef("diw", batch["batch_id"])
    world.fakes.batch_files.uploads[ref] = b"something else"
    _act(api, batch["batch_id"], "start")
    world.run_to_rest()
    assert _show(api, batch["batch_id"])["issued"] == 2


def test_a_check_without_file_says_so(api: Api) -> None:
    """P4: nothing is uploaded yet: not ready, and it can be asked again."""
    answer = _act(api, _make(api)["batch_id"], "check")
    assert (answer.status, answer.json["code"]) == (409, "not_ready")


def test_bad_requests_store_nothing(api: Api, world: World) -> None:
    """Bad input: unknown type, a mapping for JSON Lines, defaults that no line may leave to its
    batch or that are wrong: 422 with pointers."""
    for body, pointer in (
        ({"document_type": "nothing"}, "/document_type"),
        ({"document_type": "licence", "mapping": {"a": "/content/b"}}, "/mapping"),
        ({"document_type": "licence", "defaults": {"dry_run": True}}, "/defaults/dry_run"),
        (
            {"document_type": "licence", "defaults": {"recipients": ["nobody"]}},
            "/defaults/recipients/0",
        ),
        (
            {"document_type": "licence", "defaults": {"valid_from": "2569-01-01"}},
            "/defaults/valid_from",
        ),
        (
            {"document_type": "licence", "defaults": {"content": {"titel": "x"}}},
            "/defaults/content/titel",
        ),
        ({"document_type": "licence", "defaults": {"content": []}}, "/defaults/content"),
        ({"document_type": "licence", "on_error": "hope"}, "/on_error"),
    ):
        answer = api.call("POST", "/v1/batches", body=body)
        assert answer.status == 422, body
        assert [e["pointer"] for e in answer.json["errors"]] == [pointer]
    assert world.fakes.ledger._batches == {}


def test_the_same_key_makes_one_batch(api: Api) -> None:
    """api.md: POST with the same Idempotency-Key and body answers with the same batch."""
    body = {"document_type": "licence"}
    headers = {"idempotency-key": "k1"}
    first, second = (
        api.call("POST", "/v1/batches", body=body, headers=headers).json for _ in range(2)
    )
    assert first["batch_id"] == second["batch_id"]
    other = api.call("POST", "/v1/batches", body={**body, "start": "manual"}, headers=headers)
    assert other.json["code"] == "idempotency_key_reused"


def test_other_agencies_batches_do_not_exist(api: Api, world: World) -> None:
    """P6: neither to be seen nor to be touched, nor in the list."""
    batch_id = _make(api)["batch_id"]
    claims = {**sample_event("api")["requestContext"]["authorizer"], "agency": "dbd"}
    shown = api.call(
        "GET", "/v1/batches/{batch_id}", path={"batch_id": batch_id}, authorizer=claims
    )
    assert shown.status == 404
    for what in ("check", "start", "pause", "resume", "cancel"):
        answer = api.call(
            "POST",
            f"/v1/batches/{{batch_id}}/{what}",
            path={"batch_id": batch_id},
            authorizer=claims,
        )
        assert answer.status == 404
    assert api.call("GET", "/v1/batches", authorizer=claims).json["items"] == []
    assert [b["batch_id"] for b in api.call("GET", "/v1/batches").json["items"]] == [batch_id]


def test_who_may_only_read_gets_no_form_to_upload_with(api: Api) -> None:
    """P6: the file becomes documents in the name of whoever made the batch; an auditor may look
    at it, and put nothing there."""
    batch_id = _make(api)["batch_id"]
    claims = sample_event("api")["requestContext"]["authorizer"]
    readers = (
        {**claims, "roles": "auditor"},
        {**claims, "scope": "documents:read"},
    )
    for reader in readers:
        shown = api.call(
            "GET", "/v1/batches/{batch_id}", path={"batch_id": batch_id}, authorizer=reader
        )
        assert (shown.status, shown.json["state"]) == (200, "awaiting_upload")
        assert shown.json["upload"] is None
    assert _show(api, batch_id)["upload"] is not None


def test_letters_of_an_agency_that_lost_its_prefix_end_with_a_reason(
    api: Api, world: World
) -> None:
    """P1, P4: between check and numbering the agency loses its letter prefix: the batch ends, and
    the book is not held for numbers that nobody can print."""
    agency = world.fakes.directory.agency("diw")
    assert agency is not None
    world.fakes.directory.put_agency(replace(agency, letter_prefix="อก ๐๓๐๔"))
    kind = json.loads(
        api.call("GET", "/v1/document-types/{name}", path={"name": "official-letter"}).text
    )
    content = json_lines([{"content": kind["example"]["content"]}] * 2)
    made = {"document_type": "official-letter", "start": "manual"}
    batch = _checked(api, world, content, **made)
    assert batch["state"] == "ready"
    world.fakes.directory.put_agency(agency)
    _act(api, batch["batch_id"], "start")
    for _ in range(5):
        world.step("number")
    world.run_to_rest()
    batch = _show(api, batch["batch_id"])
    assert (batch["state"], batch["reason"]["code"]) == ("cancelled", "no_letter_prefix")
    assert world.fakes.ledger.head(Register("diw", "send", 2026)).hold is None


def test_letters_in_a_batch_take_the_scope_of_sending(api: Api) -> None:
    """A7: lines of a batch name recipients; who may issue documents may not therefore send a
    thousand letters."""
    body = {"document_type": "official-letter"}
    unscoped = {**sample_event("api")["requestContext"]["authorizer"], "scope": "documents:submit"}
    answer = api.call("POST", "/v1/batches", body=body, authorizer=unscoped)
    assert (answer.status, answer.json.get("reason")) == (403, "scope_missing")


def test_what_is_told_of_bad_lines_is_kept_in_small_pieces(api: Api, world: World) -> None:
    """Issue 5 item 4, constant memory: names that a stranger chose stand in what is told of a
    line; a file full of long ones must not be remembered whole."""
    long_names = [{"content": {f"{n:03d}{'x' * 100_000}": 1}} for n in range(40)]
    batch = _checked(api, world, json_lines(long_names))
    assert (batch["state"], batch["invalid"]) == ("refused", 40)
    kept = world.fakes.batch_files.files
    pieces = [len(told) for (_, name), told in kept.items() if name.startswith("faults/")]
    assert sum(pieces) > 4_000_000
    assert max(pieces) < 1_500_000


def test_lines_are_refused_once_officers_have_to_approve(
    api: Api, world: World, licence: Body
) -> None:
    """B7: the agency turned approvals on between the upload and the check; no line is numbered
    without them."""
    batch_id = _make(api)["batch_id"]
    agency = replace(AGENCIES[0], approvals={"licence": ApprovalPolicy(approvers=1)})
    world.fakes.directory.put_agency(agency)
    world.fakes.batch_files.uploads[BatchRef("diw", batch_id)] = json_lines(_lines(licence, 2))
    assert _act(api, batch_id, "check").status == 202
    world.run_to_rest()
    report = _report(world, _show(api, batch_id))
    assert {row["code"] for row in report} == {"approval_needed"}
    assert world.fakes.ledger.registers() == ()
