"""Preview: a dry run. Everything is checked and shown; nothing is stored or signed."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.errors import SealError
from chalicelib.domain.presentation import PREVIEW_MARK
from chalicelib.ports import Clock, Directory, Ids, LintedPdf, Previewer
from chalicelib.services.seal import render_request
from chalicelib.services.submit import Submission, accept


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRoom:
    """Collaborators of `preview`."""

    directory: Directory
    previewer: Previewer
    clock: Clock
    ids: Ids
    public_url: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """The watermarked pages, and the digest a real submission would bind."""

    content_digest: str
    linted: LintedPdf


def preview(submission: Submission, *, room: PreviewRoom) -> Previewed:
    """Render a submission with a watermark and without a number.

    Raises RenderError or LintError where a real one would end as void, SealError if
    the agency could not issue at all. No trace is left anywhere.
    """
    agency = room.directory.agency(submission.agency_id)
    if agency is None or not agency.seals:
        message = f"Agency {submission.agency_id} has no seal; onboard it first."
        raise SealError(message)
    document = accept(submission, clock=room.clock, ids=room.ids)
    request = render_request(
        document,
        agency,
        submission.document_type,
        public_url=room.public_url,
        watermark=PREVIEW_MARK,
    )
    return Previewed(document.content_digest, room.previewer.render(request))
