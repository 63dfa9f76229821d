"""Public pages: static, no scripts, Thai and English, readable by a screen reader."""

from __future__ import annotations

import base64
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from chalice.app import Response

from chalicelib.domain.documents import Classification
from chalicelib.domain.standing import Standing
from chalicelib.domain.thai import long_date, long_instant
from chalicelib.handlers.models import PublicVerification

_WEB = Path(__file__).parent.parent / "web"
_CACHE_SECONDS = 30

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # No script, no frame, no request to anywhere: style and font stand in the page.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# What a person should take away, first.
_STATUS = {
    Standing.VALID: ("valid", "เอกสารนี้ออกจริงและอยู่ในอายุ", "This document is genuine and in force"),
    Standing.NOT_YET_VALID: (
        "waiting",
        "เอกสารนี้ออกจริง แต่ยังไม่ถึงวันเริ่มมีผล",
        "This document is genuine but not in force yet",
    ),
    Standing.EXPIRED: (
        "expired",
        "เอกสารนี้ออกจริง แต่หมดอายุแล้ว",
        "This document is genuine but has expired",
    ),
    Standing.SUSPENDED: (
        "suspended",
        "เอกสารนี้ถูกพักใช้ ขณะนี้ใช้ไม่ได้",
        "This document is suspended: it is not in force now",
    ),
    Standing.REVOKED: (
        "revoked",
        "เอกสารนี้ถูกเพิกถอนแล้ว ใช้ไม่ได้",
        "This document has been revoked: it is not valid",
    ),
    Standing.SUPERSEDED: (
        "revoked",
        "เอกสารนี้ถูกแทนที่แล้ว ใช้ไม่ได้",
        "This document has been replaced: it is not valid",
    ),
}


_RULED = frozenset({Standing.SUSPENDED, Standing.REVOKED, Standing.SUPERSEDED})


def verification_page(view: PublicVerification) -> Response:
    """The answer to a QR code whose document was issued."""
    tone, status_th, status_en = _STATUS[view.status]
    texts = {
        "tone": tone,
        "status_th": status_th,
        "status_en": status_en,
        **_note(view),
        "title_th": view.title_th,
        "title_en": view.title_en,
        "agency_th": view.agency_th,
        "agency_en": view.agency_en,
        "printed_number": view.printed_number,
        "issued_th": long_date(view.issued_on),
        "issued_en": view.issued_on.isoformat(),
        **_end(view),
        "file_sha256": view.file_sha256,
        "document_id": view.document_id,
        "checked_th": long_instant(view.checked_at),
        "checked_en": view.checked_at.strftime("%Y-%m-%d %H:%M UTC"),
    }
    return _page("verification.html", texts, status=200, cache_seconds=_CACHE_SECONDS)


def _end(view: PublicVerification) -> dict[str, str]:
    """Until when it holds; of a classified document that is not told (A13)."""
    if view.classification is not Classification.NORMAL:
        return {"valid_until_th": "ไม่เปิดเผย", "valid_until_en": "not told"}
    if view.valid_until is None:
        return {"valid_until_th": "ไม่กำหนด", "valid_until_en": "no end"}
    return {
        "valid_until_th": long_date(view.valid_until),
        "valid_until_en": view.valid_until.isoformat(),
    }


def _note(view: PublicVerification) -> dict[str, str]:
    """Since when it is not in force, and what took its place."""
    if view.status not in _RULED or view.since is None:
        return {"note_th": "", "note_en": ""}
    by_th = f" โดยเอกสารเลขที่ {view.replaced_by}" if view.replaced_by else ""
    by_en = f" by number {view.replaced_by}" if view.replaced_by else ""
    return {
        "note_th": f"ตั้งแต่ {long_instant(view.since)}{by_th}",
        "note_en": f"Since {view.since:%Y-%m-%d %H:%M} UTC{by_en}",
    }


def not_found_page() -> Response:
    """The answer to a code that leads to nothing that was issued."""
    return _page("unknown.html", {}, status=404, cache_seconds=0)


def _page(name: str, texts: dict[str, str], *, status: int, cache_seconds: int) -> Response:
    body = _template(name).substitute({key: escape(text) for key, text in texts.items()})
    caching = f"public, max-age={cache_seconds}" if cache_seconds else "no-store"
    return Response(body, status_code=status, headers={**_HEADERS, "Cache-Control": caching})


@cache
def _template(name: str) -> Template:
    page = (_WEB / name).read_text(encoding="utf-8")
    style = (_WEB / "style.css").read_text(encoding="utf-8").replace("sarabun.woff2", _font())
    return Template(page.replace("/* style.css */", style.replace("$", "$$")))


def _font() -> str:
    """Sarabun, Thai and Latin only, as a data URL: not every device has Thai letters."""
    encoded = base64.b64encode((_WEB / "sarabun.woff2").read_bytes()).decode()
    return f"data:font/woff2;base64,{encoded}"
