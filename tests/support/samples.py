"""Documents, agencies and settings for tests; particulars are invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.config import Settings
from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.documents import (
    Change,
    Classification,
    Document,
    DocumentState,
    Urgency,
    content_digest,
)
from chalicelib.domain.registers import Book, Claim, Numbering
from chalicelib.domain.seals import SealCredential

NOON = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
"""12:00 in Bangkok."""

SWEEP_AFTER = timedelta(minutes=5)

FUNCTIONS = (
    "api",
    "authorizer",
    "number",
    "seal",
    "deliver",
    "dispatch",
    "receive",
    "batch",
    "sweep",
    "preview",
    "verify",
    "status",
    "checkpoint",
    "close",
    "renew",
    "audit",
)
"""Every function of a deployment."""

LICENCE = DocumentType(
    name="licence",
    version=1,
    title_th="ใบอนุญาต",
    title_en="Licence",
    book="licence",
    retention_years=10,
    max_pages=4,
    content_schema={"type": "object"},
    example={},
)

AGENCIES = (
    Agency(
        agency_id="diw",
        name_th="กรมโรงงานอุตสาหกรรม",
        name_en="Department of Industrial Works",
        inbox_url="memory:diw",
        seals=(SealCredential(key_id="key-diw", chain_pem=()),),
    ),
    Agency(
        agency_id="dbd",
        name_th="กรมพัฒนาธุรกิจการค้า",
        name_en="Department of Business Development",
        inbox_url="memory:dbd",
        seals=(SealCredential(key_id="key-dbd", chain_pem=()),),
    ),
    Agency(agency_id="rd", name_th="กรมสรรพากร", name_en="Revenue", inbox_url="memory:rd"),
    Agency(agency_id="paper", name_th="หน่วยงานกระดาษ", name_en="Paper only"),
)


def settings(**changes: Any) -> Settings:
    """Settings of a deployment that does not exist."""
    environment = {
        "TRA_STAGE": "local",
        "TRA_DOCUMENTS_TABLE": "documents",
        "TRA_REGISTERS_TABLE": "registers",
        "TRA_DIRECTORY_TABLE": "directory",
        "TRA_ARCHIVE_BUCKET": "archive",
        "TRA_LOGS_BUCKET": "logs",
        "TRA_NUMBER_QUEUE_URL": "number",
        "TRA_SEAL_QUEUE_URL": "seal",
        "TRA_DELIVER_QUEUE_URL": "deliver",
        "TRA_DISPATCH_QUEUE_URL": "dispatch",
        "TRA_DELIVERIES_TABLE": "deliveries",
        "TRA_OFFICERS_TABLE": "officers",
        "TRA_FACTORS_TABLE": "factors",
        "TRA_ACCESS_TABLE": "access",
        "TRA_FACTORS_KEY_ID": "factors",
        "TRA_SECRETS_KEY_ID": "secrets",
        "TRA_EVIDENCE_KEY_ID": "evidence",
        "TRA_LOG_KEY_ID": "log",
        "TRA_PREVIEW_FUNCTION": "preview",
        "TRA_VERIFY_FUNCTION": "verify",
        "TRA_STATUS_FUNCTION": "status",
        "TRA_UPLOADS_BUCKET": "uploads",
        "TRA_BATCHES_BUCKET": "batches",
        "TRA_BATCH_QUEUE_URL": "batch",
        "TRA_BATCH_SEAL_QUEUE_URL": "batch-seal",
        "TRA_PUBLIC_URL": "https://tra.test",
        "TRA_OIDC_ISSUER": "https://issuer.test",
        "TRA_OIDC_AUDIENCE": "tra",
        "TRA_TIMESTAMP_URLS": "http://tsa.test",
        "TRA_LOCK_MODE": "COMPLIANCE",
        "TRA_SWEEP_AFTER_SECONDS": str(int(SWEEP_AFTER.total_seconds())),
        "TRA_SEAL_AT_ONCE": "1",
        "TRA_SLICE_DAYS": "1",
        "TRA_RENEWAL_LEAD_DAYS": "365",
        "TRA_TIMESTAMP_PRICE_SATANG": "300",
    }
    return replace(Settings.from_environment(environment), **changes)


def document(
    document_id: str = "D1",
    *,
    agency_id: str = "diw",
    at: datetime = NOON,
    recipients: tuple[str, ...] = (),
    content: Mapping[str, Any] | None = None,
) -> Document:
    """An accepted licence."""
    body = dict(content or {"holder": {"name": "บริษัท น้ำผลไม้บางพลี จำกัด"}})
    return Document(
        document_id=document_id,
        agency_id=agency_id,
        document_type="licence",
        type_version=1,
        book=Book(agency_id, "licence"),
        content=body,
        content_digest=content_digest(
            agency_id=agency_id,
            document_type="licence",
            type_version=1,
            content=body,
            valid_from=None,
            valid_until=None,
        ),
        salt="5a" * 32,
        recipients=recipients,
        classification=Classification.NORMAL,
        urgency=Urgency.ROUTINE,
        valid_from=None,
        valid_until=None,
        retention_years=10,
        verification_code=f"CODE-{document_id}",
        submitted_at=at,
        submitted_by="clerk-1",
        state=DocumentState.ACCEPTED,
        history=(Change(DocumentState.ACCEPTED, at),),
    )


def claim_of(accepted: Document) -> Claim:
    """What a document asks of its register."""
    return Claim(
        document_id=accepted.document_id,
        document_type=accepted.document_type,
        content_digest=accepted.content_digest,
        salt=accepted.salt,
        subject="ใบอนุญาต",
        counterpart="บริษัท น้ำผลไม้บางพลี จำกัด",
        classification=accepted.classification,
    )


def printable(kind: DocumentType, content: Mapping[str, Any], numbering: Numbering) -> Document:
    """A numbered document with all that can be printed: a validity, a code, an addressee."""
    return Document(
        document_id="doc-1",
        agency_id="diw",
        document_type=kind.name,
        type_version=kind.version,
        book=Book("diw", kind.book),
        content=content,
        content_digest="ab" * 32,
        salt="5a" * 32,
        recipients=("dbd",),
        classification=Classification.NORMAL,
        urgency=Urgency.ROUTINE,
        valid_from=date(2027, 1, 1),
        valid_until=date(2031, 12, 31),
        retention_years=10,
        verification_code="K7QX2M9TNB4HWZC5YRD3",
        submitted_at=numbering.numbered_at,
        submitted_by="app",
        state=DocumentState.NUMBERED,
        history=(),
        numbering=numbering,
    )
