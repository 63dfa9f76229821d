"""The page behind the QR code in a real browser, without any Thai font on the machine."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from chalicelib.domain.documents import Classification
from chalicelib.domain.standing import Standing
from chalicelib.handlers.models import PublicVerification
from chalicelib.handlers.pages import not_found_page, verification_page
from tests.support.samples import NOON

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="poppler-utils is not installed"
)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
)


def _view(status: Standing) -> PublicVerification:
    return PublicVerification(
        document_id="01M7ZZC37QN9BN4D6KWRDNVKP4",
        status=status,
        since=NOON,
        replaced_by="๑๓/๒๕๖๙" if status is Standing.SUPERSEDED else None,
        classification=Classification.NORMAL,
        title_th="ใบอนุญาต",
        title_en="Licence",
        agency_id="diw",
        agency_th="กรมโรงงานอุตสาหกรรม <b>",
        agency_en="Department of Industrial Works",
        printed_number="๑๒/๒๕๖๙",
        number=12,
        child=0,
        dated=date(2026, 11, 21),
        issued_on=date(2026, 11, 21),
        valid_from=None,
        valid_until=date(2031, 12, 31),
        file_sha256="ab" * 32,
        checked_at=NOON,
    )


def _printed(html: str, room: Path) -> Path:
    """The page as the browser prints it."""
    page, pdf = room / "page.html", room / "page.pdf"
    page.write_text(html, encoding="utf-8")
    subprocess.run(
        [
            str(CHROMIUM),
            *_FLAGS,
            f"--user-data-dir={room / 'profile'}",
            f"--print-to-pdf={pdf}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return pdf


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_chromium
@needs_poppler
@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Standing.VALID, "genuine and in force"),
        (Standing.NOT_YET_VALID, "not in force yet"),
        (Standing.EXPIRED, "has expired"),
        (Standing.SUSPENDED, "is suspended"),
        (Standing.REVOKED, "has been revoked"),
        (Standing.SUPERSEDED, "has been replaced"),
    ],
)
def test_a_person_reads_the_status_in_both_languages(
    status: Standing, word: str, tmp_path: Path
) -> None:
    """D3, E4: the page says, in Thai letters that it brings itself, what the document is."""
    pdf = _printed(verification_page(_view(status)).body, tmp_path)
    text = _output("pdftotext", pdf, "-")
    assert word in text
    assert "ab" * 16 in text.replace("\n", "")
    assert "<b>" in text
    assert "Sarabun" in _output("pdffonts", pdf)
    ruled = status in {Standing.SUSPENDED, Standing.REVOKED, Standing.SUPERSEDED}
    assert ("Since 2026-11-21 05:00 UTC" in text) is ruled
    assert ("๑๓/๒๕๖๙" in text) is (status is Standing.SUPERSEDED)


@needs_chromium
@needs_poppler
def test_an_unknown_code_says_what_to_do(tmp_path: Path) -> None:
    """D3: who holds a forged document is told to ask the agency."""
    pdf = _printed(not_found_page().body, tmp_path)
    assert "may be forged" in _output("pdftotext", pdf, "-").replace("\n", " ")


@pytest.mark.parametrize("page", [verification_page(_view(Standing.VALID)), not_found_page()])
def test_a_screen_reader_finds_its_way(page: object) -> None:
    """D3: language of page and parts, one heading, a landmark, a status; no script."""
    html = str(page.body)  # type: ignore[attr-defined]  # chalice's Response
    assert html.startswith("<!doctype html>")
    assert '<html lang="th">' in html
    assert html.count("<h1>") == 1
    assert "<main>" in html
    assert 'role="status"' in html
    assert 'lang="en"' in html
    assert "<script" not in html
