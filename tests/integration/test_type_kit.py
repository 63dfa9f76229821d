"""`tra types` at an author's desk: each finding of `check` with its fault planted, and previews."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import bootstrap, cli
from chalicelib.adapters.type_folders import new_folder
from chalicelib.adapters.types import TEMPLATES
from chalicelib.services.check_type import Checked, ProofRoom, check_type

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def room() -> Iterator[ProofRoom]:
    with bootstrap.proof_room() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_folder(tmp_path / "pilot", None)
    return tmp_path / "pilot"


def _check(folder: Path, room: ProofRoom) -> Checked:
    return check_type(bootstrap.type_bundle(folder), room=room)


def _found(folder: Path, room: ProofRoom) -> list[tuple[str, str]]:
    for finding in (found := _check(folder, room).findings):
        assert finding.detail
        assert any("ก" <= letter <= "๛" for letter in finding.detail_th), finding
    return [(finding.code, finding.place) for finding in found]


def _edit(path: Path, change: Change) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")


def _append(folder: Path, text: str) -> int:
    """Add a line to the template, and say which one it is."""
    path = folder / "template.typ"
    lines = [*path.read_text(encoding="utf-8").splitlines(), text]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


# -- check -------------------------------------------------------------------------


def test_what_new_makes_passes(folder: Path, room: ProofRoom) -> None:
    """Issue 5 item 2: the folder that `new` makes passes `check` as it is."""
    checked = _check(folder, room)
    assert checked.findings == ()
    assert (checked.pages, checked.most_pages) == (1, 4)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*/type.json")), ids=lambda p: p.parent.name)
def test_the_types_of_the_house_pass(path: Path, room: ProofRoom) -> None:
    """Issue 5 item 2: what is asked of others is true of ours."""
    assert _check(path.parent, room).findings == ()


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        (lambda t: t.update(colour="red"), "unknown_field", "/colour"),
        (lambda t: t.pop("title_en"), "missing", "/title_en"),
        (lambda t: t.update(title_th="Training"), "wrong_pattern", "/title_th"),
        (lambda t: t.update(book="My Book"), "wrong_pattern", "/book"),
        (lambda t: t.update(book="receive"), "book_taken", "/book"),
        (lambda t: t.update(book="access"), "book_taken", "/book"),
        (lambda t: t.update(retention_years=0), "too_small", "/retention_years"),
        (lambda t: t.update(max_pages=10_000), "too_large", "/max_pages"),
        (lambda t: t.update(requires=["valid_form"]), "not_allowed", "/requires/0"),
        (lambda t: t.update(issuers=["DIW "]), "wrong_pattern", "/issuers/0"),
        (lambda t: t.update(approval={"approvers": 3}), "too_large", "/approval/approvers"),
        (lambda t: t.update(approval={}), "missing", "/approval/approvers"),
        (
            lambda t: t.update(approval={"approvers": 1, "open_days": 0}),
            "too_small",
            "/approval/open_days",
        ),
        (
            lambda t: t.update(approval={"approvers": 1, "central": "OPDC"}),
            "wrong_pattern",
            "/approval/central",
        ),
        (lambda t: t.update(paper={"width": 10}), "too_small", "/paper/width"),
        (lambda t: t.update(seal={"level": "B-X"}), "not_allowed", "/seal/level"),
        (lambda t: t.update(subject_at="/titel"), "pointer_leads_nowhere", "/subject_at"),
        (lambda t: t.update(business_key=["/holder/x"]), "pointer_leads_nowhere", "/business_key"),
    ],
)
def test_faults_of_type_json(
    folder: Path, room: ProofRoom, change: Change, code: str, pointer: str
) -> None:
    """Each field of type.json that is missing, misspelt or out of bounds is told at its place."""
    _edit(folder / "type.json", change)
    assert _found(folder, room) == [(code, f"type.json#{pointer}")]


def test_a_seal_beside_the_paper(folder: Path, room: ProofRoom) -> None:
    """Issue 4: a visible seal lies on its type's paper."""
    place = {"left_mm": 200, "bottom_mm": 10, "width_mm": 50, "height_mm": 20}
    _edit(folder / "type.json", lambda t: t.update(seal={"appearance": place}))
    assert _found(folder, room) == [("type_unusable", "type.json")]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        (lambda p: p.update(course={"type": "strin"}), "not_a_schema", "/properties/course/type"),
        (lambda p: p["course"].pop("maxLength"), "unbounded", "/properties/course"),
        (lambda p: p["hours"].pop("maximum"), "unbounded", "/properties/hours"),
        (lambda p: p["topics"].pop("maxItems"), "unbounded", "/properties/topics"),
        (
            lambda p: p["holder"].pop("additionalProperties"),
            "unknown_fields_pass",
            "/properties/holder",
        ),
        (
            lambda p: p["holder"]["required"].append("x"),
            "required_unknown",
            "/properties/holder/required",
        ),
        (
            lambda p: p["fee_thb"].update(format="baht"),
            "unknown_format",
            "/properties/fee_thb/format",
        ),
        (lambda p: p["hours"].update(maximun=1), "unknown_keyword", "/properties/hours/maximun"),
        (lambda p: p["course"].pop("title"), "title_missing", "/properties/course"),
        (
            lambda p: p["course"].update(description="ไทย"),
            "description_missing",
            "/properties/course",
        ),
        (
            lambda p: p["fee_thb"].update(pattern="^\\d{1,10}[.]\\d{2}$"),
            "thai_digits_pass",
            "/properties/fee_thb/pattern",
        ),
        (lambda p: p["fee_thb"].pop("pattern"), "any_text_passes", "/properties/fee_thb"),
        (lambda p: p["hours"].update(type="number"), "type_missing", "/properties/hours"),
        (
            lambda p: p["course"].update({"$ref": "#/$defs/nothing"}),
            "not_a_schema",
            "",
        ),
        (
            lambda p: p["course"].update({"$ref": "https://example.com/schema"}),
            "not_a_schema",
            "",
        ),
    ],
)
def test_faults_of_the_schema(
    folder: Path, room: ProofRoom, change: Change, code: str, pointer: str
) -> None:
    """P4: whatever has no bound, no meaning or no explanation is told at its place; nothing is
    fetched to find out."""
    _edit(folder / "schema.json", lambda s: change(s["properties"]))
    assert _found(folder, room)[0] == (code, f"schema.json#{pointer}")


def test_the_rule_for_text_is_everybodys(folder: Path, room: ProofRoom) -> None:
    """P4: letters that the fonts lack cannot be let in by a type's own rule."""
    _edit(folder / "schema.json", lambda s: s["$defs"]["text"].update(pattern="^.*$"))
    assert _found(folder, room) == [("text_rule", "schema.json#/$defs/text")]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        (lambda e: e.update(document_type="licence"), "example_of_another_type", "/document_type"),
        (lambda e: e.update(colour="red"), "unknown_field", "/colour"),
        (lambda e: e["content"].pop("course"), "missing", "/content/course"),
        (
            lambda e: e["content"]["holder"].update(national_id="1101700203451"),
            "wrong_check_digit",
            "/content/holder/national_id",
        ),
        (lambda e: e.update(valid_from="1 มกราคม"), "wrong_format", "/valid_from"),
    ],
)
def test_faults_of_the_example(
    folder: Path, room: ProofRoom, change: Change, code: str, pointer: str
) -> None:
    """The example is what integrators copy, so it must be accepted as it is (api.md)."""
    _edit(folder / "example.json", change)
    assert _found(folder, room)[0] == (code, f"example.json#{pointer}")


def test_a_json_file_with_a_slip(folder: Path, room: ProofRoom) -> None:
    """Bad input: the line where the JSON breaks is named."""
    path = folder / "schema.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"type": "object",', '"type": "object"', 1)
    )
    ((code, place),) = _found(folder, room)
    assert code == "not_json"
    assert place.startswith("schema.json:7:")


def test_a_file_that_is_missing(folder: Path, room: ProofRoom) -> None:
    """Bad input: a folder without its template says so."""
    (folder / "template.typ").unlink()
    assert _found(folder, room) == [("file_missing", "template.typ")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("#let x = (1,", "template_error"),
        ("#display.nothing", "template_error"),
        ('#read("/etc/passwd")', "template_error"),
        ("漢", "template_error"),
        ('#text(font: "Comic Sans")[ก]', "renderer_warns"),
        ('#import "@preview/cetz:0.3.0"', "package"),
        ('#let p = plugin("a.wasm")', "plugin"),
    ],
)
def test_faults_of_the_template(folder: Path, room: ProofRoom, line: str, code: str) -> None:
    """Issue 5, bad input: a syntax error, an unknown field, a file out of reach, a letter
    without glyph, an unknown font, a package: file and line are told."""
    number = _append(folder, line)
    found, place = _found(folder, room)[0]
    assert found == code
    assert place.split(":")[:2] == ["template.typ", str(number)]


def test_an_error_in_a_file_of_its_own(folder: Path, room: ProofRoom) -> None:
    """Bad input: a template may have parts; the part with the slip is named."""
    (folder / "parts.typ").write_text('#let seal = "a" + 1\n', encoding="utf-8")
    _append(folder, '#import "parts.typ": seal')
    assert _found(folder, room) == [("template_error", "parts.typ:1:12")]


def test_text_that_leaves_the_page(folder: Path, room: ProofRoom) -> None:
    """Issue 5 item 2: what is printed beyond the margin is found before it is sealed."""
    _append(folder, "#place(dx: 140mm, box[ข้อความนี้ยาวเกินกว่าที่จะอยู่ในกรอบของหน้ากระดาษได้])")
    ((code, _),) = _found(folder, room)
    assert code == "overflow"


def test_a_long_content_that_does_not_fit(folder: Path, room: ProofRoom) -> None:
    """P4: not the example but the longest content the schema lets pass must fit."""
    _edit(folder / "type.json", lambda t: t.update(max_pages=1))
    checked = _check(folder, room)
    assert [finding.code for finding in checked.findings] == ["template_limit"]
    assert "longest content" in checked.findings[0].detail


def test_a_picture_that_the_example_lacks(folder: Path, room: ProofRoom) -> None:
    """What the template does with a picture can only be seen with one."""
    photo = {
        "title": "ภาพถ่าย",
        "description": "Portrait.",
        "type": "string",
        "maxLength": 4000,
        "pattern": "^[A-Za-z0-9+/]+={0,2}$",
        "picture": {"aspect": [3, 4], "least": [1, 1], "most": [900, 1200], "most_bytes": 3000},
    }
    _edit(folder / "schema.json", lambda s: s["properties"].update(photo=photo))
    assert _found(folder, room) == [("picture_missing", "example.json#/content")]


def test_an_optional_field_that_the_template_demands(folder: Path, room: ProofRoom) -> None:
    """P4: a document without an optional field is as good as the example."""
    number = _append(folder, "#display.hours")
    checked = _check(folder, room)
    assert checked.findings[0].place.startswith(f"template.typ:{number}:")
    assert "optional" in checked.findings[0].detail


def test_a_picture_without_words(folder: Path, room: ProofRoom) -> None:
    """Screen readers: a picture without alternative text is refused (PDF/UA-1)."""
    (folder / "seal.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>'
    )
    number = _append(folder, '#image("seal.svg", width: 5mm)')
    ((code, place),) = _found(folder, room)
    assert code == "template_error"
    assert place.startswith(f"template.typ:{number}")


@pytest.mark.parametrize(
    ("line", "colours"),
    [
        ("#text(fill: luma(160))[จาง]", "#a0a0a0 on #ffffff"),
        ('#block(fill: rgb("#c00000"), text(fill: rgb("#1d2b53"))[จาง])', "#1d2b53 on #c00000"),
        ("#text(fill: rgb(0, 0, 0, 40))[จาง]", "#d7d7d7 on #ffffff"),
    ],
)
def test_text_too_faint_to_read(folder: Path, room: ProofRoom, line: str, colours: str) -> None:
    """Issue 5 item 2: contrast below WCAG 2.2 AA is told with colours, ratio and place."""
    _append(folder, line)
    (finding,) = _check(folder, room).findings
    assert finding.code == "contrast"
    assert colours in finding.detail
    assert "mm from the left" in finding.detail


def test_light_text_on_a_dark_ground_is_fine(folder: Path, room: ProofRoom) -> None:
    """Contrast is of text against what lies behind it, not against paper."""
    _append(folder, '#block(fill: rgb("#1d2b53"), inset: 2mm, text(fill: white)[ชัดเจน])')
    assert _found(folder, room) == []


def test_a_template_without_end(folder: Path, room: ProofRoom) -> None:
    """Issue 5 item 2: a loop is told as what it is."""
    _append(folder, "#for a in range(90000) { for b in range(90000) { let _ = calc.sin(a + b) } }")
    (finding,) = _check(folder, room).findings
    assert finding.code == "template_limit"
    assert "looping" in finding.detail


# -- the command -------------------------------------------------------------------


def test_from_nothing_to_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5 item 2: two commands from nothing to PDF and PNG; a third says that it is good."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["types", "new", "pilot", "--agency", "diw"]) == 0
    assert cli.main(["types", "preview", "pilot"]) == 0
    out = tmp_path / "build" / "types" / "pilot"
    assert (out / "pilot.pdf").read_bytes().startswith(b"%PDF-1.7")
    assert (out / "pilot-1.png").read_bytes().startswith(b"\x89PNG")
    assert not (out / "pilot-2.png").exists()
    assert cli.main(["types", "check", "pilot"]) == 0
    assert "nothing to mend" in capsys.readouterr().out
    assert cli.main(["types", "new", "pilot"]) == 2
    assert "already" in capsys.readouterr().err


def test_other_content_than_the_example(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5 item 2: a preview of other data; what is wrong with it is told field by field."""
    body = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    data = tmp_path / "data.json"
    body["content"]["course"] = "อีกหลักสูตรหนึ่ง"
    data.write_text(json.dumps(body), encoding="utf-8")
    command = ["types", "preview", "pilot", "--in", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--data", str(data)]) == 0
    body["content"]["course"] = "漢"
    data.write_text(json.dumps(body), encoding="utf-8")
    assert cli.main([*command, "--data", str(data)]) == 1
    assert "#/content/course" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["preview", "check"])
def test_a_type_that_is_not_there(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input: the folder that was looked for is named, with what makes one."""
    assert cli.main(["types", command, "nothing", "--in", str(tmp_path)]) == 1
    assert "tra types new" in capsys.readouterr().err


def test_watching_goes_on_after_an_error(folder: Path, tmp_path: Path) -> None:
    """Issue 5 item 2: `--watch` renders again on each change, says file and line of an error,
    and is there for the next one."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "chalicelib.cli", "types", "preview", "pilot", "--watch"]
    command += ["--in", str(tmp_path), "--out", str(out)]
    log = tmp_path / "log"
    with log.open("w") as told:
        watching = subprocess.Popen(
            command,
            stdout=told,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        )
    try:
        _until(lambda: "watching" in log.read_text())
        template = folder / "template.typ"
        good = template.read_text(encoding="utf-8")
        template.write_text(good + "#display.nothing\n", encoding="utf-8")
        _until(lambda: f"template.typ:{len(good.splitlines()) + 1}:" in log.read_text())
        before = (out / "pilot.pdf").read_bytes()
        template.write_text(good + "เพิ่มเติม\n", encoding="utf-8")
        _until(lambda: (out / "pilot.pdf").read_bytes() != before)
        assert watching.poll() is None
    finally:
        watching.send_signal(signal.SIGINT)
        try:
            assert watching.wait(20) == 130
        finally:
            watching.kill()  # where interrupts are ignored, nothing of the test goes on


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
