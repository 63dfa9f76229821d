"""Events that tell recipients what happened: CloudEvents 1.0 with signed evidence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import ArchivedFile, Document
from chalicelib.domain.registers import Numbering

ISSUED = "tra.document.issued.v1"


def issued_evidence(document: Document, *, public_url: str) -> bytes:
    """Payload of the signed evidence that a document was issued: numbers, digests,
    where to check. No content, no names (the event crosses agencies)."""
    numbering, file = _issued(document)
    return canonical_json(
        {
            "iss": public_url,
            "type": ISSUED,
            "document_id": document.document_id,
            "document_type": document.document_type,
            "agency_id": document.agency_id,
            "register": document.register.register_id,
            "number": numbering.number,
            "child": numbering.child,
            "printed_number": numbering.printed,
            "dated": _utc(numbering.dated) if numbering.dated else None,
            "numbered_at": _utc(numbering.numbered_at),
            "content_digest": f"sha-256:{document.content_digest}",
            "file_digest": f"sha-256:{file.sha256}",
            "archive_version": file.version_id,
            "retain_until": _utc(file.retain_until),
            "issued_at": _utc(document.issued_at),
        }
    )


def issued_event(
    document: Document, recipient: str, evidence: str, *, public_url: str, verify_url: str
) -> bytes:
    """One CloudEvent for one recipient. Same document and recipient, same bytes: the
    `id` is stable over repeats, so the recipient can drop what comes twice (P5)."""
    numbering, file = _issued(document)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{document.document_id}.issued.{recipient}",
        "source": f"/agencies/{document.agency_id}",
        "type": ISSUED,
        "subject": document.document_id,
        "time": _utc(document.issued_at),
        "datacontenttype": "application/json",
        "data": {
            "document_id": document.document_id,
            "document_type": document.document_type,
            "agency_id": document.agency_id,
            "recipient": recipient,
            "register": document.register.register_id,
            "number": numbering.number,
            "child": numbering.child,
            "printed_number": numbering.printed,
            "content_digest": f"sha-256:{document.content_digest}",
            "file_digest": f"sha-256:{file.sha256}",
            "retain_until": _utc(file.retain_until),
            "links": {
                "file": f"{public_url}/v1/documents/{document.document_id}/file",
                "verify": verify_url,
            },
            "evidence": evidence,
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def verify_url(document: Document, public_url: str) -> str:
    """What the QR code holds."""
    return f"{public_url}/v/{document.verification_code}"


def _issued(document: Document) -> tuple[Numbering, ArchivedFile]:
    if document.numbering is None or document.file is None:
        raise ValueError("only an issued document can be told of (P3)")
    return document.numbering, document.file


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
