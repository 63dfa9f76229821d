"""Check: everything that would go wrong with a type of one's own, before it is published."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.documents import (
    Classification,
    Document,
    DocumentState,
    Urgency,
    content_digest,
)
from chalicelib.domain.errors import (
    ConfigurationError,
    LintError,
    RenderError,
)
from chalicelib.domain.example_content import FILLS, NoPictureError, least_of, most_of
from chalicelib.domain.pointers import steps
from chalicelib.domain.presentation import PREVIEW_MARK
from chalicelib.domain.published_types import TypeBundle
from chalicelib.domain.registers import (
    ACCESS_BOOK,
    CIRCULAR,
    RECEIVE,
    Book,
    Numbering,
    is_secret_book,
)
from chalicelib.domain.schema_rules import schema_findings
from chalicelib.domain.type_findings import Faint, Finding, TemplateFaultError, TemplateNote
from chalicelib.domain.type_rules import submission_faults
from chalicelib.ports import ContentChecker, ProofPress, RenderRequest
from chalicelib.services.seal import render_request

_TYPE, _SCHEMA, _EXAMPLE, _TEMPLATE = "type.json", "schema.json", "example.json", "template.typ"
_ENVELOPE = frozenset({"document_type", "content", "recipients", "valid_from", "valid_until"})
# A package would be fetched from the network, and a plugin is machine code.
_PACKAGE = re.compile(r'"@[a-z]+/')
_PLUGIN = re.compile(r"\bplugin\s*\(")
_COMMENT = re.compile(r"^\s*//")
_POINTS_PER_MM = 72 / 25.4
_SHOWN = 5
"""Findings of one kind in a file, at most: the first few tell the rest."""

_AGENCY = Agency(
    agency_id="example",
    name_th="หน่วยงานตัวอย่าง",
    name_en="Example Agency",
    signatory_position_th="อธิบดีหน่วยงานตัวอย่าง",
)
# As long as the address of an API Gateway without a name of its own.
_PUBLIC_URL = "https://abcdefghij.execute-api.ap-southeast-7.amazonaws.com/api"
_NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)

_NO_PICTURE = Finding(
    "picture_missing",
    f"{_EXAMPLE}#/content",
    "Give each picture that the schema knows a value here, so that its place can be looked at.",
    "โปรดใส่ภาพให้ครบทุกรายการที่ schema กำหนด เพื่อให้ตรวจตำแหน่งภาพได้",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRoom:
    """Collaborators of the template kit. `schema_fault` says where a value is no JSON Schema;
    `rules` is the schema of type.json, `text_rule` the one rule for printed text."""

    press: ProofPress
    checker: Callable[[], ContentChecker]
    schema_fault: Callable[[Any], tuple[str, str] | None]
    read_type: Callable[[TypeBundle], DocumentType]
    rules: Mapping[str, Any]
    text_rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, and what a document of this type takes."""

    findings: tuple[Finding, ...]
    pages: int = 0
    most_pages: int = 0


def check_type(bundle: TypeBundle, *, room: ProofRoom) -> Checked:
    """Look at everything there is to look at; what could not be looked at because of an
    earlier finding is not told. Raises UnavailableError if the renderer cannot be had."""
    # 1. The files are there and can be read.
    found = list(_unreadable_files(bundle))
    if found:
        return Checked(tuple(found))

    # 2. type.json, schema.json and example.json are what the house demands.
    found = [*_of_rules(bundle, room), *_of_schema(bundle, room)]
    if found:
        return Checked(_short(found))
    try:
        kind = room.read_type(bundle)
    except ConfigurationError as error:
        return Checked((Finding("type_unusable", _TYPE, error.detail, error.detail_th),))
    found = [*_of_pointers(kind), *_of_example(kind, room), *_of_source(bundle)]

    # 3. The example makes pages that pass every rule, archival and accessible.
    if found:
        return Checked(_short(found))
    pages, found = _of_pages(bundle, kind, room)
    if found:
        return Checked(_short(found), pages)

    # 4. So do the least and the most that the schema lets pass, and a preview.
    try:
        most, found = _of_extremes(bundle, kind, room)
    except NoPictureError:
        most, found = 0, [_NO_PICTURE]
    return Checked(_short(found), pages, most)


def sample_request(
    kind: DocumentType,
    body: Mapping[str, Any],
    *,
    watermark: str | None = None,
    urgency: Urgency = Urgency.ROUTINE,
    classification: Classification = Classification.NORMAL,
) -> RenderRequest:
    """What a template gets for `body` (as POST /v1/documents), numbered and dated by nobody."""
    content = body["content"]
    document = Document(
        document_id="example",
        agency_id=_AGENCY.agency_id,
        document_type=kind.name,
        type_version=kind.version,
        book=Book(_AGENCY.agency_id, kind.book),
        content=content,
        content_digest=content_digest(
            agency_id=_AGENCY.agency_id,
            document_type=kind.name,
            type_version=kind.version,
            content=content,
            valid_from=None,
            valid_until=None,
        ),
        salt="5a" * 32,
        recipients=(),
        classification=classification,
        urgency=urgency,
        valid_from=_day(body.get("valid_from")),
        valid_until=_day(body.get("valid_until")),
        retention_years=kind.retention_years,
        verification_code="K7QX2M9TNB4HWZC5YRD3",
        submitted_at=_NOW,
        submitted_by="example",
        state=DocumentState.NUMBERED,
        history=(),
        numbering=Numbering(year=2026, number=12, printed="๑๒/๒๕๖๙", numbered_at=_NOW),
    )
    return render_request(document, _AGENCY, kind, public_url=_PUBLIC_URL, watermark=watermark)


def faults_of_body(kind: DocumentType, body: Any, room: ProofRoom) -> tuple[Finding, ...]:
    """Every fault of a body of POST /v1/documents, as findings in example.json."""
    return tuple(_of_body(kind, body, room))


def findings_of_error(error: RenderError | LintError, bundle: TypeBundle) -> list[Finding]:
    """What a renderer said, with the place in the template where it knows one."""
    if isinstance(error, TemplateFaultError):
        return [_of_note("template_error", note, bundle) for note in error.notes]
    return [Finding(error.code, _TEMPLATE, error.detail, error.detail_th)]


# -- files -------------------------------------------------------------------------


def _unreadable_files(bundle: TypeBundle) -> Iterator[Finding]:
    for name in (_TYPE, _SCHEMA, _EXAMPLE, _TEMPLATE):
        if name not in bundle.files:
            yield Finding(
                "file_missing",
                name,
                "This file is missing; `tra types new` shows what belongs into it.",
                "ไม่มีไฟล์นี้ ดูตัวอย่างได้จาก `tra types new`",
            )
    for name in (_TYPE, _SCHEMA, _EXAMPLE):
        try:
            json.loads(bundle.files.get(name, b"{}"))
        except json.JSONDecodeError as error:
            yield Finding(
                "not_json",
                f"{name}:{error.lineno}:{error.colno}",
                f"This is not JSON: {error.msg}.",
                "ไม่ใช่ JSON ที่ถูกต้อง โปรดตรวจเครื่องหมายคำพูด จุลภาค และวงเล็บบริเวณนี้",
            )


def _json(bundle: TypeBundle, name: str) -> Any:
    return json.loads(bundle.files[name])


def _of_rules(bundle: TypeBundle, room: ProofRoom) -> Iterator[Finding]:
    rules = _json(bundle, _TYPE)
    ruler = _kind_with_schema(room.rules)
    for fault in room.checker().faults(ruler, rules):
        yield Finding(fault.code, f"{_TYPE}#{fault.pointer}", fault.detail, fault.detail_th)
    if isinstance(rules, dict) and _is_taken(rules.get("book")):
        yield Finding(
            "book_taken",
            f"{_TYPE}#/book",
            "This book belongs to the registers of letters or to the access log; name one of your own.",
            "สมุดนี้เป็นของทะเบียนหนังสือหรือบันทึกการเข้าถึง โปรดตั้งชื่อสมุดของตนเอง",
        )


def _is_taken(book: object) -> bool:
    """Whether it is a book of letters or of the access log, or lies beside another one for what is
    classified."""
    taken = {RECEIVE, CIRCULAR, ACCESS_BOOK}
    return isinstance(book, str) and (book in taken or is_secret_book(book))


def _kind_with_schema(schema: Mapping[str, Any]) -> DocumentType:
    return DocumentType(
        name="type-json",
        version=1,
        title_th="",
        title_en="",
        book="",
        retention_years=1,
        max_pages=1,
        content_schema=schema,
        example={},
    )


def _of_schema(bundle: TypeBundle, room: ProofRoom) -> Iterator[Finding]:
    schema = _json(bundle, _SCHEMA)
    if (fault := room.schema_fault(schema)) is not None:
        pointer, message = fault
        yield Finding(
            "not_a_schema",
            f"{_SCHEMA}#{pointer}",
            f"This is not JSON Schema 2020-12: {message}.",
            f"ไม่เป็นไปตาม JSON Schema 2020-12: {message}",
        )
        return
    yield from schema_findings(schema, room.text_rule)


def _of_pointers(kind: DocumentType) -> Iterator[Finding]:
    """Pointers of type.json must lead to fields of the schema."""
    named = {
        "subject_at": (kind.subject_at,),
        "counterpart_at": (kind.counterpart_at,),
        "recipients_within": (kind.recipients_within,),
        "business_key": kind.business_key,
    }
    for member, pointers in named.items():
        for pointer in filter(None, pointers):
            if not _leads_somewhere(pointer, kind.content_schema):
                yield Finding(
                    "pointer_leads_nowhere",
                    f"{_TYPE}#/{member}",
                    f"{pointer} names no field of the schema.",
                    f"{pointer} ไม่ตรงกับรายการใดใน schema",
                )


def _leads_somewhere(pointer: str, schema: Mapping[str, Any]) -> bool:
    at: Any = schema
    for name in steps(pointer):
        at = at.get("items") if name == "*" else at.get("properties", {}).get(name)
        if not isinstance(at, Mapping):
            return False
    return True


def _of_example(kind: DocumentType, room: ProofRoom) -> Iterator[Finding]:
    body = kind.example
    if not isinstance(body, Mapping) or body.get("document_type") != kind.name:
        yield Finding(
            "example_of_another_type",
            f"{_EXAMPLE}#/document_type",
            f'The example is a whole request: "document_type": "{kind.name}".',
            f'ตัวอย่างคือคำขอทั้งฉบับ: "document_type": "{kind.name}"',
        )
        return
    for name in sorted(set(body) - _ENVELOPE):
        yield Finding(
            "unknown_field",
            f"{_EXAMPLE}#/{name}",
            f"An example has {', '.join(sorted(_ENVELOPE))}.",
            f"ตัวอย่างมีได้เฉพาะ {', '.join(sorted(_ENVELOPE))}",
        )
    yield from _of_body(kind, body, room)


def _of_body(kind: DocumentType, body: Any, room: ProofRoom) -> Iterator[Finding]:
    if not isinstance(body, Mapping) or not isinstance(body.get("content"), Mapping):
        yield Finding(
            "missing", f"{_EXAMPLE}#/content", "Give the content.", "โปรดระบุเนื้อหา (content)"
        )
        return
    for fault in room.checker().faults(kind, body["content"]):
        place = f"{_EXAMPLE}#/content{fault.pointer}"
        yield Finding(fault.code, place, fault.detail, fault.detail_th)
    for fault in submission_faults(kind, body):
        place = f"{_EXAMPLE}#{fault.pointer}"
        yield Finding(fault.code, place, fault.detail, fault.detail_th)
    for name in ("valid_from", "valid_until"):
        try:
            _day(body.get(name))
        except (TypeError, ValueError):
            yield Finding(
                "wrong_format",
                f"{_EXAMPLE}#/{name}",
                "Must be a date, YYYY-MM-DD, CE.",
                "ต้องเป็นวันที่รูปแบบ YYYY-MM-DD ปี ค.ศ.",
            )


def _day(text: Any) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _of_source(bundle: TypeBundle) -> Iterator[Finding]:
    """What typst would refuse only when it gets there, or not at all."""
    for file, data in bundle.files.items():
        if not file.endswith(".typ"):
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
            if _COMMENT.match(line):
                continue
            if _PACKAGE.search(line):
                yield Finding(
                    "package",
                    f"{file}:{number}",
                    "Packages cannot be loaded: templates reach no network. Copy what you need "
                    "into a .typ file of this folder.",
                    "โหลดแพ็กเกจไม่ได้ เพราะแม่แบบใช้เครือข่ายไม่ได้ โปรดคัดลอกส่วนที่ใช้มาเป็นไฟล์ .typ ในโฟลเดอร์นี้",
                )
            if _PLUGIN.search(line):
                yield Finding(
                    "plugin",
                    f"{file}:{number}",
                    "Plugins cannot be used: a template is text, not machine code.",
                    "ใช้ปลั๊กอินไม่ได้ แม่แบบเป็นข้อความ ไม่ใช่โปรแกรม",
                )


# -- pages -------------------------------------------------------------------------


def _of_pages(bundle: TypeBundle, kind: DocumentType, room: ProofRoom) -> tuple[int, list[Finding]]:
    request = sample_request(kind, kind.example)
    try:
        proof = room.press.proof(bundle, request)
        if proof.stray:
            return 0, [_overflow("example.json", proof.stray)]
        linted = room.press.lint(proof.pdf, request)
        accessible = room.press.proof(bundle, request, accessible=True)
    except (RenderError, LintError) as error:
        return 0, findings_of_error(error, bundle)
    found = [_of_note("renderer_warns", note, bundle) for note in accessible.warnings]
    found += [_of_faint(faint, kind) for faint in room.press.faint(proof.pdf)]
    return linted.pages, found


def _of_extremes(
    bundle: TypeBundle, kind: DocumentType, room: ProofRoom
) -> tuple[int, list[Finding]]:
    schema = kind.content_schema
    least = {**kind.example, "content": least_of(kind.example["content"], schema, schema)}
    if room.checker().faults(kind, least["content"]):
        least = dict(kind.example)  # some of what looks optional belongs together
    for name in {"valid_from", "valid_until"} - set(kind.requires):
        least.pop(name, None)
    cases = [
        (
            "the example without its optional fields",
            "ตัวอย่างที่ตัดรายการไม่บังคับออก",
            sample_request(kind, least),
        ),
        (
            "a preview",
            "ฉบับตัวอย่าง (ลายน้ำ)",
            sample_request(kind, kind.example, watermark=PREVIEW_MARK),
        ),
    ]
    cases += [
        (
            f"the longest content ({fill.strip()[:12]}…)",
            f"เนื้อหายาวที่สุด ({fill.strip()[:12]}…)",
            sample_request(
                kind,
                {**kind.example, "content": most_of(schema, fill, kind.example["content"])},
                urgency=Urgency.MOST_EXPRESS,
                classification=Classification.SECRET,
            ),
        )
        for fill in FILLS
    ]
    most = 0
    for what, what_th, request in cases:
        pages, found = _of_case(bundle, request, room)
        if found:
            return most, [_while(finding, what, what_th) for finding in found]
        most = max(most, pages)
    return most, []


def _of_case(
    bundle: TypeBundle, request: RenderRequest, room: ProofRoom
) -> tuple[int, list[Finding]]:
    try:
        proof = room.press.proof(bundle, request)
        if proof.stray:
            return 0, [_overflow(_TEMPLATE, proof.stray)]
        return room.press.lint(proof.pdf, request).pages, []
    except (RenderError, LintError) as error:
        return 0, findings_of_error(error, bundle)


def _while(finding: Finding, what: str, what_th: str) -> Finding:
    return replace(
        finding,
        detail=f"Printing {what}: {finding.detail}",
        detail_th=f"เมื่อพิมพ์{what_th}: {finding.detail_th}",
    )


def _overflow(place: str, stray: tuple[str, ...]) -> Finding:
    return Finding(
        "overflow",
        place,
        f"{'; '.join(stray)}. Give it more room, allow lines to break, or lower `maxLength`.",
        "ข้อความล้นกรอบหรือทับกัน โปรดเพิ่มพื้นที่ ยอมให้ตัดบรรทัด หรือลด `maxLength`",
    )


def _of_note(code: str, note: TemplateNote, bundle: TypeBundle) -> Finding:
    hints = "".join(f" ({hint})" for hint in note.hints)
    place = note.place(bundle.files)
    return Finding(
        code,
        place,
        f"{note.message}{hints}",
        f"แม่แบบผิดพลาดที่ {place}: {note.message}{hints}",
    )


def _of_faint(faint: Faint, kind: DocumentType) -> Finding:
    from_left = faint.left / _POINTS_PER_MM
    from_top = kind.paper.height - faint.baseline / _POINTS_PER_MM
    where = f"page {faint.page}, {from_left:.0f} mm from the left, {from_top:.0f} mm from the top"
    where_th = f"หน้า {faint.page} ห่างขอบซ้าย {from_left:.0f} มม. ขอบบน {from_top:.0f} มม."
    return Finding(
        "contrast",
        _TEMPLATE,
        f"Text at {where} is {faint.text} on {faint.behind}, contrast {faint.ratio:.1f}:1; it must "
        f"be {faint.least:g}:1 (WCAG 2.2 AA). Make it darker, or what lies behind it lighter.",
        f"ข้อความที่{where_th} สี {faint.text} บนพื้น {faint.behind} คอนทราสต์ {faint.ratio:.1f}:1 "
        f"ต้องไม่ต่ำกว่า {faint.least:g}:1 (WCAG 2.2 AA) โปรดใช้สีเข้มขึ้นหรือพื้นอ่อนลง",
    )


def _short(found: list[Finding]) -> tuple[Finding, ...]:
    """Each finding once, and of each code the first few."""
    told: dict[str, int] = {}
    kept = []
    for finding in dict.fromkeys(found):
        told[finding.code] = told.get(finding.code, 0) + 1
        if told[finding.code] <= _SHOWN:
            kept.append(finding)
    return tuple(kept)
