"""What the public can check: the page behind the QR code, and the keys of evidence."""

from __future__ import annotations

import json
from datetime import date
from hashlib import sha256
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.bootstrap import house
from chalicelib.domain.documents import Classification, Document, DocumentState
from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.domain.status_list import MEDIA_TYPE, Page, Purpose, status_entries
from chalicelib.domain.thai import in_bangkok
from chalicelib.handlers.models import PublicVerification
from chalicelib.handlers.operations import Call, is_identifier, operation
from chalicelib.handlers.pages import not_found_page, verification_page
from chalicelib.handlers.register_path import register_of
from chalicelib.handlers.rendering import as_json, revalidated
from chalicelib.handlers.ruling_models import PublicStatus
from chalicelib.services.status_list import exists

blueprint = Blueprint(__name__)

# What was decided shows within a minute, wherever an answer is kept.
_CACHE_SECONDS = 30


@operation(
    blueprint,
    "GET",
    "/v/{code}",
    summary="What the QR code of a document leads to: JSON, or a page, by Accept.",
    answers={200: PublicVerification},
    errors=(NotFoundError, UnavailableError),
)
def verify_code(call: Call) -> Response:
    document = _issued(call)
    if document is None:
        if call.wants_html():
            return not_found_page()
        raise NotFoundError
    view = _public_view(call, document)
    return (
        verification_page(view)
        if call.wants_html()
        else as_json(view, cache_seconds=_CACHE_SECONDS)
    )


@operation(
    blueprint,
    "GET",
    "/v1/status/{code}",
    summary="What the document behind a QR code is worth now: a small answer for machines, at "
    "most 30 seconds old.",
    answers={200: PublicStatus, 304: "Not modified (If-None-Match)"},
    errors=(NotFoundError, UnavailableError),
)
def show_status(call: Call) -> Response:
    document = _issued(call)
    if document is None:
        raise NotFoundError
    view = _status_of(document, call)
    return revalidated(
        call,
        view.model_dump_json(),
        etag=sha256(view.model_dump_json().encode()).hexdigest()[:32],
        media_type="application/json",
        cache_seconds=_CACHE_SECONDS,
    )


@operation(
    blueprint,
    "GET",
    "/v1/registers/{agency}/{book}/{year}/status/{purpose}/{page}",
    summary="Which documents of a register are revoked (or replaced), or suspended: W3C "
    "Bitstring Status List. Number n has bit n - 1, in pages of 131,072; `under-12` is the page "
    "of what was inserted under 12. At most a minute old.",
    answers={
        200: f"BitstringStatusListCredential as JWT, {MEDIA_TYPE}",
        304: "Not modified (If-None-Match)",
    },
    errors=(NotFoundError, UnavailableError),
)
def show_status_list(call: Call) -> Response:
    register, page = register_of(call), Page.parse(call.path["page"])
    purpose = call.path["purpose"]
    if page is None or purpose not in set(Purpose):
        raise NotFoundError
    if not exists(register, page, registers=call.house.registers):
        raise NotFoundError
    made = call.house.status_lists.get(register, Purpose(purpose), page)
    return revalidated(
        call, made.jwt, etag=made.etag, media_type=MEDIA_TYPE, cache_seconds=_CACHE_SECONDS
    )


@blueprint.lambda_function(name="status")
def status(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Make and sign one status list; whoever asks gets what is true, and nothing else signed."""
    return house().answer_status(event)


@operation(
    blueprint,
    "GET",
    "/.well-known/jwks.json",
    summary="Public keys of the evidence signatures (RFC 7517).",
    answers={200: "JWK Set"},
    errors=(UnavailableError,),
)
def list_keys(call: Call) -> Response:
    return Response(
        json.dumps(call.house.evidence_signer.jwks()),
        headers={
            "Content-Type": "application/jwk-set+json",
            "Cache-Control": "public, max-age=300",
        },
    )


def _issued(call: Call) -> Document | None:
    """Nothing is confirmed before the bytes are locked and the entry is final (P3)."""
    code = call.path["code"].upper()
    document = call.house.documents.by_code(code) if is_identifier(code) else None
    if document is None or document.state is not DocumentState.ISSUED:
        return None
    return document


def _status_of(document: Document, call: Call) -> PublicStatus:
    numbering = document.numbering
    if numbering is None:
        raise UnavailableError("The document cannot be shown just now.")
    secret = document.is_classified
    now = document.standing_at(call.house.clock())
    by = now.ruling.replaced_by if now.ruling else None
    return PublicStatus(
        document_id=document.document_id,
        printed_number=numbering.printed,
        standing=now.standing,
        since=now.since,
        replaced_by=by.printed_number if by else None,
        classification=document.classification,
        valid_from=None if secret else _iso(document.valid_from),
        valid_until=None if secret else _iso(document.valid_until),
        credential_status=status_entries(
            document.register,
            numbering.number,
            numbering.child,
            public_url=call.house.settings.public_url,
        ),
    )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


_CLASSIFIED_TH = {
    Classification.CONFIDENTIAL: "เอกสารชั้นลับ",
    Classification.SECRET: "เอกสารชั้นลับมาก",
}
_CLASSIFIED_EN = {
    Classification.CONFIDENTIAL: "Confidential document",
    Classification.SECRET: "Secret document",
}


def _public_view(call: Call, document: Document) -> PublicVerification:
    """Numbers, dates and digest; no name of a person or holder (PDPA), and of a classified
    document neither what it is nor how long it holds (A13)."""
    kind = call.house.types.get(document.document_type, document.type_version)
    agency = call.house.directory.agency(document.agency_id)
    numbering, file = document.numbering, document.file
    if kind is None or agency is None or numbering is None or file is None:
        raise UnavailableError("The document cannot be shown just now.")
    secret = document.is_classified
    now = call.house.clock()
    worth = document.standing_at(now)
    by = worth.ruling.replaced_by if worth.ruling else None
    return PublicVerification(
        document_id=document.document_id,
        status=worth.standing,
        since=worth.since,
        replaced_by=by.printed_number if by else None,
        classification=document.classification,
        title_th=_CLASSIFIED_TH[document.classification] if secret else kind.title_th,
        title_en=_CLASSIFIED_EN[document.classification] if secret else kind.title_en,
        agency_id=agency.agency_id,
        agency_th=agency.name_th,
        agency_en=agency.name_en,
        printed_number=numbering.printed,
        number=numbering.number,
        child=numbering.child,
        dated=in_bangkok(numbering.dated or numbering.numbered_at).date(),
        issued_on=in_bangkok(numbering.numbered_at).date(),
        valid_from=None if secret else document.valid_from,
        valid_until=None if secret else document.valid_until,
        file_sha256=file.sha256,
        checked_at=now,
    )
