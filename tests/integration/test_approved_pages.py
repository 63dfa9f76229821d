"""What is printed on, and attached to, a document that officers approved (issue 7 item 4; Saraban
regulation, annex 2)."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.approval_records import gist_of
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import Document
from chalicelib.domain.presentation import APPROVAL_FILE, PREVIEW_MARK, present
from chalicelib.domain.registers import Numbering
from chalicelib.services.seal import render_request
from tests.support import samples
from tests.support.approved import approved, approver, delegated, with_case
from tests.support.rendering import AGENCY, NOW, PUBLIC_URL

TYPES = PackagedDocumentTypes().all()
AT = NOW - timedelta(hours=1)

needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"
)


def _document(kind: DocumentType) -> Document:
    """The example of a type, approved by two officers, the second for the director-general."""
    numbering = Numbering(year=2026, number=12, printed="๑๒/๒๕๖๙", numbered_at=NOW)
    document = samples.printable(kind, kind.example["content"], numbering)
    officer = approver(at=AT)
    officers = [approver("first", at=AT, name_th="นางสาวปราณี ตั้งใจ"), officer]
    return approved(document, officers, at=AT, authority=delegated(officer))


def _pdf(document: Document, kind: DocumentType, watermark: str | None = None) -> bytes:
    request = render_request(document, AGENCY, kind, public_url=PUBLIC_URL, watermark=watermark)
    renderer = TypstRenderer()
    return renderer.lint(renderer.render(request), request).pdf


def _text(pdf: bytes, folder: Path) -> str:
    file = folder / "page.pdf"
    file.write_bytes(pdf)
    run = subprocess.run(
        [str(shutil.which("pdftotext")), "-layout", str(file), "-"], capture_output=True, check=True
    )
    return "".join(run.stdout.decode().split())


@needs_poppler
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_who_approved_stands_under_the_document(kind: DocumentType, tmp_path: Path) -> None:
    """Item 1, item 4: name in parentheses, position, ปฏิบัติราชการแทน whose position, of who approved
    last; and where there is room, that it was done electronically. Same case, same bytes (P2)."""
    document = _document(kind)
    pdf = _pdf(document, kind)
    text = _text(pdf, tmp_path)
    for line in ("(นายพรชัยใจซื่อ)", "ผู้อำนวยการสำนักโรงงานอุตสาหกรรม"):
        assert _bare(line) in _bare(text)
    assert _bare("ปฏิบัติราชการแทน") in _bare(text)
    assert _bare("อนุมัติทางอิเล็กทรอนิกส์") in _bare(text) or kind.name == "e-card"
    assert _bare("ปราณี") not in _bare(text)
    assert _pdf(document, kind) == pdf


def _bare(text: str) -> str:
    """Without what extracted Thai text loses or moves: vowels and marks around a consonant."""
    return "".join(
        c for c in text if not "\u0e31" <= c <= "\u0e3a" and not "\u0e47" <= c <= "\u0e4e"
    )


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_the_gist_lies_in_the_file(kind: DocumentType) -> None:
    """C2: `approval.json`, made from the case alone, beside the content."""
    document = _document(kind)
    assert document.approval is not None
    attached = PadesValidator().attached(_pdf(document, kind), APPROVAL_FILE)
    assert attached == gist_of(document.approval)
    assert len(json.loads(attached)["approvals"]) == 2


@needs_poppler
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_preview_shows_the_place(kind: DocumentType, tmp_path: Path) -> None:
    """Item 4: before anybody approved there is a place for it, and no name; nothing is attached."""
    document = with_case(
        replace(_document(kind), numbering=None, approval=None), ApprovalPolicy(approvers=1)
    )
    pdf = _pdf(document, kind, PREVIEW_MARK)
    text = _text(pdf, tmp_path)
    assert "(" + "." * 40 + ")" in text
    assert _bare("พรชัย") not in _bare(text)
    assert PadesValidator().attached(pdf, APPROVAL_FILE) is None


def test_templates_that_know_no_approvals_print_the_approver_too() -> None:
    """Item 4: types that agencies published earlier print `signatory`: then that is who approved."""
    kind = TYPES[0]
    document = _document(kind)
    shown = present(document, AGENCY, kind, verify_url="https://tra.test/v/A")
    assert shown["signatory"] == {
        "name": "นายพรชัย ใจซื่อ",
        "position": "ผู้อำนวยการสำนักโรงงานอุตสาหกรรม ปฏิบัติราชการแทน อธิบดีกรมโรงงานอุตสาหกรรม",
    }
    unapproved = present(
        replace(document, approval=None), AGENCY, kind, verify_url="https://tra.test/v/A"
    )
    assert unapproved["approval"] is None
