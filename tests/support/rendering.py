"""What the renderer is asked in tests: any content of any type, numbered and dated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.registers import Numbering
from chalicelib.ports import RenderRequest
from chalicelib.services.seal import render_request
from tests.support import samples

# As long as the address of an API Gateway without a name of its own.
PUBLIC_URL = "https://abcdefghij.execute-api.ap-southeast-7.amazonaws.com/api"
AGENCY = Agency(
    agency_id="diw",
    name_th="กรมโรงงานอุตสาหกรรม",
    name_en="Industrial Works",
    signatory_position_th="อธิบดีกรมโรงงานอุตสาหกรรม",
)
NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)


def request_of(
    kind: DocumentType,
    content: Mapping[str, Any] | None = None,
    watermark: str | None = None,
    printed: str = "๑๒/๒๕๖๙",
    **changes: Any,
) -> RenderRequest:
    """The example of `kind`, or other content, as `seal` would have it rendered; `changes`
    are fields of the document."""
    numbering = Numbering(year=2026, number=12, printed=printed, numbered_at=NOW)
    body = content or kind.example["content"]
    document = replace(samples.printable(kind, body, numbering), **changes)
    return render_request(document, AGENCY, kind, public_url=PUBLIC_URL, watermark=watermark)
