"""Show picture: an issued document as a picture for the holder's phone (E4)."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import NoPictureError, NotInForceError, SealError, UnavailableError
from chalicelib.domain.standing import Standing
from chalicelib.ports import Clock, Directory, DocumentTypes, PagePainter, Side
from chalicelib.services.seal import render_request

WIDTH = 1080
"""Pixels: as many as most phones have across."""

# A card that is not valid yet may be looked at; its dates are on it.
_SHOWN = frozenset({Standing.VALID, Standing.NOT_YET_VALID})


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRoom:
    """Collaborators of `demand_picture` and `show_picture`."""

    directory: Directory
    types: DocumentTypes
    painter: PagePainter
    clock: Clock
    public_url: str


def demand_picture(document: Document, *, room: PictureRoom) -> DocumentType:
    """The type of a document that may be shown as a picture now.

    Raises NoPictureError if its type has none, or it is classified (a phone keeps pictures), NotInForceError for what is revoked, replaced,
    suspended or expired, UnavailableError if the version of its type is not here.
    """
    kind = room.types.get(document.document_type, document.type_version)
    if kind is None:
        raise UnavailableError("This version of the document type is not here.")
    if not kind.phone_image or document.is_classified:
        raise NoPictureError
    standing = document.standing_at(room.clock()).standing
    if standing not in _SHOWN:
        raise NotInForceError(standing)
    return kind


def show_picture(document: Document, kind: DocumentType, side: Side, *, room: PictureRoom) -> bytes:
    """PNG of one side or both of an issued document, made of what was sealed: the same content,
    number and date, by the version of the type that made it. It proves nothing by itself: its
    QR code leads to what does.

    Raises NoPictureError if it has no such side, RenderError, UnavailableError. Stores nothing.
    """
    agency = room.directory.agency(document.agency_id)
    if agency is None:
        raise SealError(f"Agency {document.agency_id} is not onboarded.")
    request = render_request(document, agency, kind, public_url=room.public_url)
    return room.painter.paint(request, side, WIDTH)
