"""Preview: a dry run. Everything is checked and shown; nothing is stored or signed."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.approvals import Why
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import SealError, UnavailableError
from chalicelib.domain.presentation import PREVIEW_MARK
from chalicelib.ports import Clock, CopyPrinter, Directory, DocumentTypes, Ids, LintedPdf, Previewer
from chalicelib.services.decide_case import refused
from chalicelib.services.reading_copy import Reader, reading_sheet
from chalicelib.services.seal import render_request
from chalicelib.services.submit import Submission, accept


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRoom:
    """Collaborators of `preview` and `preview_awaiting`."""

    directory: Directory
    types: DocumentTypes
    copier: CopyPrinter
    previewer: Previewer
    clock: Clock
    ids: Ids
    public_url: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """The watermarked pages, and the digest a real submission would bind."""

    content_digest: str
    linted: LintedPdf


def preview(submission: Submission, reader: Reader, *, room: PreviewRoom) -> Previewed:
    """Render a submission with a watermark and without a number. On a classified one every page
    names its reader and the time (C5).

    Raises RenderError or LintError where a real one would end as void, SealError if
    the agency could not issue at all. No trace is left anywhere.
    """
    agency = _sealing(submission.agency_id, room)
    document = accept(submission, clock=room.clock, ids=room.ids)
    request = render_request(
        document,
        agency,
        submission.document_type,
        public_url=room.public_url,
        watermark=PREVIEW_MARK,
    )
    linted = room.previewer.render(request)
    return Previewed(document.content_digest, _read_by(linted, document, reader, room))


def preview_awaiting(document: Document, reader: Reader, *, room: PreviewRoom) -> LintedPdf:
    """What officers have to decide on, as it will look, with a watermark and without a number. On a
    classified one every page names its reader and the time (A13).

    Raises ApprovalRefusedError if nothing is to be decided any more, RenderError or LintError
    where sealing it would end as void, SealError, UnavailableError. Stores nothing.
    """
    if not document.awaits_approval:
        raise refused(Why.ENDED)
    kind = room.types.get(document.document_type, document.type_version)
    if kind is None:
        message = "This version of the document type is not here."
        raise UnavailableError(message)
    request = render_request(
        document,
        _sealing(document.agency_id, room),
        kind,
        public_url=room.public_url,
        watermark=PREVIEW_MARK,
    )
    return _read_by(room.previewer.render(request), document, reader, room)


def _read_by(linted: LintedPdf, document: Document, reader: Reader, room: PreviewRoom) -> LintedPdf:
    """Pages of a classified document say who read them, and when (C5)."""
    if not document.is_classified:
        return linted
    copy = room.copier.print_copy(linted.pdf, reading_sheet(reader, room.clock()))
    return LintedPdf(copy, linted.pages)


def _sealing(agency_id: str, room: PreviewRoom) -> Agency:
    """Raises SealError for an agency that could issue nothing at all."""
    agency = room.directory.agency(agency_id)
    if agency is None or not agency.seals:
        message = f"Agency {agency_id} has no seal; onboard it first."
        raise SealError(message)
    return agency
