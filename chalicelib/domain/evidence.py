"""Events that tell recipients what happened: CloudEvents 1.0 with signed evidence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.approval_records import record_digests
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import ArchivedFile, Document
from chalicelib.domain.registers import Numbering
from chalicelib.domain.standing import Ruling
from chalicelib.domain.status_list import status_entries

ISSUED = "tra.document.issued.v1"
EXPIRED = "tra.document.expired.v1"


def issued_evidence(document: Document, *, public_url: str) -> bytes:
    """Payload of the signed evidence that a document was issued: numbers, digests, those of
    the records of its approvals too, where to check. No content, no names (the event crosses agencies); of a classified document
    not its type either, and no digest that its content could be guessed by (A13)."""
    numbering, file = _issued(document)
    return canonical_json(
        {
            "iss": public_url,
            "type": ISSUED,
            "document_id": document.document_id,
            "document_type": document.public_type,
            "agency_id": document.agency_id,
            "register": document.register.register_id,
            "number": numbering.number,
            "child": numbering.child,
            "printed_number": numbering.printed,
            "dated": _utc(numbering.dated) if numbering.dated else None,
            "numbered_at": _utc(numbering.numbered_at),
            **_of_content(document),
            "file_digest": f"sha-256:{file.sha256}",
            "archive_version": file.version_id,
            "retain_until": _utc(file.retain_until),
            "issued_at": _utc(document.issued_at),
            **_approvals(document),
        }
    )


def _approvals(document: Document) -> dict[str, list[str]]:
    """Nothing at all where nobody had to approve."""
    digests = record_digests(document.approval) if document.approval else []
    return {"approvals": digests} if digests else {}


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
            "document_type": document.public_type,
            "agency_id": document.agency_id,
            "recipient": recipient,
            "register": document.register.register_id,
            "number": numbering.number,
            "child": numbering.child,
            "printed_number": numbering.printed,
            **_of_content(document),
            "file_digest": f"sha-256:{file.sha256}",
            "retain_until": _utc(file.retain_until),
            "credential_status": status_entries(
                document.register, numbering.number, numbering.child, public_url=public_url
            ),
            "links": {
                "file": f"{public_url}/v1/documents/{document.document_id}/file",
                "verify": verify_url,
            },
            "evidence": evidence,
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def content_claim(*, secret: bool, content_digest: str, commitment: str) -> dict[str, str]:
    """What evidence of an issue says of the content: its digest, or, of what is in a secret
    register, the salted commitment that the public log has: who can guess a content could try it
    against a digest."""
    if secret:
        return {"content_commitment": f"sha-256:{commitment}"}
    return {"content_digest": f"sha-256:{content_digest}"}


def _of_content(document: Document) -> dict[str, str]:
    return content_claim(
        secret=document.is_classified,
        content_digest=document.content_digest,
        commitment=document.commitment,
    )


def ruling_type(ruling: Ruling) -> str:
    """`tra.document.revoked.v1` and so on."""
    return f"tra.document.{ruling.kind}.v1"


def ruling_evidence(document: Document, ruling: Ruling, *, public_url: str) -> bytes:
    """Payload of the signed evidence of a ruling: which document, what holds from when, and a
    code of why. Neither the words of the reason nor who decided: it crosses agencies, and lies
    in the archive for years."""
    facts = {**_facts(document), **_of_ruling(ruling)}
    return canonical_json({"iss": public_url, "type": ruling_type(ruling), **facts})


def ruling_event(
    document: Document, ruling: Ruling, recipient: str, evidence: str, *, public_url: str
) -> bytes:
    """One CloudEvent for one recipient, sent when the ruling was decided: `effective_at` may
    be later. Same bytes each time (P5)."""
    return _event(
        document,
        f"{ruling.kind}.{ruling.number}",
        ruling_type(ruling),
        recipient,
        {**_of_ruling(ruling), "evidence": evidence},
        at=ruling.decided_at,
        public_url=public_url,
    )


def expired_evidence(document: Document, *, public_url: str) -> bytes:
    """Payload of the signed evidence that a document's period is over."""
    facts = {**_facts(document), **_of_expiry(document)}
    return canonical_json({"iss": public_url, "type": EXPIRED, **facts})


def expired_event(document: Document, recipient: str, evidence: str, *, public_url: str) -> bytes:
    """One CloudEvent for one recipient: same bytes each time (P5)."""
    return _event(
        document,
        "expired",
        EXPIRED,
        recipient,
        {**_of_expiry(document), "evidence": evidence},
        at=_end(document),
        public_url=public_url,
    )


def _event(
    document: Document,
    what: str,
    event_type: str,
    recipient: str,
    data: dict[str, Any],
    *,
    at: datetime,
    public_url: str,
) -> bytes:
    numbering, _ = _issued(document)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{document.document_id}.{what}.{recipient}",
        "source": f"/agencies/{document.agency_id}",
        "type": event_type,
        "subject": document.document_id,
        "time": _utc(at),
        "datacontenttype": "application/json",
        "data": {
            **_facts(document),
            "recipient": recipient,
            **data,
            "credential_status": status_entries(
                document.register, numbering.number, numbering.child, public_url=public_url
            ),
            "links": {
                "verify": verify_url(document, public_url),
                "status": f"{public_url}/v1/status/{document.verification_code}",
            },
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _facts(document: Document) -> dict[str, Any]:
    """Which document it is, for who has its file or its number."""
    numbering, file = _issued(document)
    return {
        "document_id": document.document_id,
        "document_type": document.public_type,
        "agency_id": document.agency_id,
        "register": document.register.register_id,
        "number": numbering.number,
        "child": numbering.child,
        "printed_number": numbering.printed,
        "file_digest": f"sha-256:{file.sha256}",
    }


def _of_ruling(ruling: Ruling) -> dict[str, Any]:
    replaced_by = ruling.replaced_by
    return {
        "ruling": ruling.number,
        "kind": ruling.kind.value,
        "reason_code": ruling.reason_code.value,
        "decided_at": exact(ruling.decided_at),
        "effective_at": exact(ruling.effective_at),
        "replaced_by": {
            "document_id": replaced_by.document_id,
            "printed_number": replaced_by.printed_number,
        }
        if replaced_by
        else None,
    }


def _of_expiry(document: Document) -> dict[str, Any]:
    day = document.valid_until.isoformat() if document.valid_until else None
    return {"valid_until": day, "expired_at": _utc(_end(document))}


def _end(document: Document) -> datetime:
    if document.expires_at is None:
        raise ValueError("a document without end never expires")
    return document.expires_at


def exact(instant: datetime) -> str:
    """With the fraction, as the outcome log has it: rulings may follow each other quickly."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def verify_url(document: Document, public_url: str) -> str:
    """What the QR code holds."""
    return f"{public_url}/v/{document.verification_code}"


def _issued(document: Document) -> tuple[Numbering, ArchivedFile]:
    if document.numbering is None or document.file is None:
        raise ValueError("only an issued document can be told of (P3)")
    return document.numbering, document.file


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
