"""The public catalogue: agencies, and document types with schema and example."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.handlers.models import (
    AgencyList,
    AgencyView,
    DocumentTypeDetail,
    DocumentTypeList,
    DocumentTypeView,
)
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.rendering import as_json

blueprint = Blueprint(__name__)

_CACHE_SECONDS = 60


@operation(
    blueprint,
    "GET",
    "/v1/agencies",
    summary="The directory of agencies.",
    answers={200: AgencyList},
    errors=(UnavailableError,),
)
def list_agencies(call: Call) -> Response:
    agencies = call.house.directory.agencies()
    view = AgencyList(items=[AgencyView.of(agency) for agency in agencies])
    return as_json(view, cache_seconds=_CACHE_SECONDS)


@operation(
    blueprint,
    "GET",
    "/v1/document-types",
    summary="The document types that can be issued.",
    answers={200: DocumentTypeList},
    errors=(UnavailableError,),
)
def list_document_types(call: Call) -> Response:
    public_url = call.house.settings.public_url
    items = [DocumentTypeView.of(kind, public_url) for kind in call.house.types.all()]
    return as_json(DocumentTypeList(items=items), cache_seconds=_CACHE_SECONDS)


@operation(
    blueprint,
    "GET",
    "/v1/document-types/{name}",
    summary="One document type, with the schema of its content and an example.",
    answers={200: DocumentTypeDetail},
    errors=(NotFoundError, UnavailableError),
)
def show_document_type(call: Call) -> Response:
    kind = call.house.types.get(call.path["name"])
    if kind is None:
        raise NotFoundError
    view = DocumentTypeDetail.of(kind, call.house.settings.public_url)
    return as_json(view, cache_seconds=_CACHE_SECONDS)
