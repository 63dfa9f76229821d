"""What the public can check: the page behind the QR code, and the keys of evidence."""

from __future__ import annotations

import json

from chalice.app import Blueprint, Response

from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.domain.thai import in_bangkok
from chalicelib.handlers.models import PublicVerification
from chalicelib.handlers.operations import Call, is_identifier, operation
from chalicelib.handlers.pages import not_found_page, verification_page
from chalicelib.handlers.rendering import as_json

blueprint = Blueprint(__name__)

_CACHE_SECONDS = 60


@operation(
    blueprint,
    "GET",
    "/v/{code}",
    summary="What the QR code of a document leads to: JSON, or a page, by Accept.",
    answers={200: PublicVerification},
    errors=(NotFoundError, UnavailableError),
)
def verify_code(call: Call) -> Response:
    code = call.path["code"].upper()
    document = call.house.documents.by_code(code) if is_identifier(code) else None
    # Nothing is confirmed before the bytes are locked and the entry is final (P3).
    if document is None or document.state is not DocumentState.ISSUED:
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


def _public_view(call: Call, document: Document) -> PublicVerification:
    """Numbers, dates and digest; no name of a person or holder (PDPA)."""
    kind = call.house.types.get(document.document_type, document.type_version)
    agency = call.house.directory.agency(document.agency_id)
    numbering, file = document.numbering, document.file
    if kind is None or agency is None or numbering is None or file is None:
        raise UnavailableError("The document cannot be shown just now.")
    now = call.house.clock()
    return PublicVerification(
        document_id=document.document_id,
        status=document.validity_on(in_bangkok(now).date()),
        title_th=kind.title_th,
        title_en=kind.title_en,
        agency_id=agency.agency_id,
        agency_th=agency.name_th,
        agency_en=agency.name_en,
        printed_number=numbering.printed,
        number=numbering.number,
        child=numbering.child,
        dated=in_bangkok(numbering.dated or numbering.numbered_at).date(),
        issued_on=in_bangkok(numbering.numbered_at).date(),
        valid_from=document.valid_from,
        valid_until=document.valid_until,
        file_sha256=file.sha256,
        checked_at=now,
    )
