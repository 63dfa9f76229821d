"""Seal: a numbered document becomes a sealed file under Object Lock (P2, P3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.documents import (
    ArchivedFile,
    Decision,
    Document,
    DocumentState,
    Reason,
    Waiting,
    archive_key,
)
from chalicelib.domain.errors import (
    LintError,
    NotFoundError,
    RegisterConflictError,
    RenderError,
    SealError,
    StandingConflictError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.evidence import verify_url
from chalicelib.domain.presentation import attached_files, present
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.seals import SealedPdf
from chalicelib.domain.standing import ReasonCode, Replacement, RulingKind
from chalicelib.domain.status_list import status_entries
from chalicelib.ports import (
    Archive,
    Clock,
    Directory,
    DocumentStore,
    DocumentTypes,
    LintedPdf,
    RegisterStore,
    Renderer,
    RenderRequest,
    Sealer,
    WorkQueue,
    XmlSealer,
)
from chalicelib.services.archive_approvals import archive_records
from chalicelib.services.attach import sealed_attachment

# Who voids what no page can be made of: the function itself (P4: reason, actor, time).
_ACTOR = "function:seal"

# A conflict means that somebody ruled, at this moment, on the document that is replaced.
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingRoom:
    """Collaborators of `seal`."""

    documents: DocumentStore
    registers: RegisterStore
    directory: Directory
    types: DocumentTypes
    renderer: Renderer
    sealer: Sealer
    xml_sealer: Callable[[], XmlSealer]
    archive: Archive
    deliver_queue: WorkQueue
    clock: Clock
    public_url: str
    lock_mode: LockMode


def seal(document_id: str, *, room: SealingRoom) -> Document:
    """Make, seal, archive and finalise one document.

    Returns the document as it ended. Raises a retryable TraError if something has to
    heal first; the message then comes back.

    Dies before step 6: nothing outside happened but signatures, and records of approvals were
    archived, which stay. Dies between 6 and 7: the repeat finds the archived bytes and finalises
    with *their* digest, so the first file stays the only one (P2). Dies between 7 and 8: the
    repeat sends the message, or `sweep` does.
    """
    # 1. Read how far it is.
    document = room.documents.get(document_id)
    if document is None:
        raise NotFoundError
    if document.state is DocumentState.NUMBERED:
        document = _make(document, room)

    # 8. Tell the delivery, by this run or a repeat; of the document it replaced, too.
    if document.state is DocumentState.ISSUED and not document.settled:
        replaced = [document.supersedes] if document.supersedes else []
        room.deliver_queue.send([document.document_id, *replaced])
    return document


def _make(document: Document, room: SealingRoom) -> Document:
    try:
        return _seal_and_archive(document, room)
    except TraError as error:
        # Who asks how the document is learns why it is not ready (P4).
        with suppress(TraError):
            waiting = Waiting(Reason.of(error), room.clock())
            room.documents.note_waiting(document, waiting)
        raise


def _seal_and_archive(document: Document, room: SealingRoom) -> Document:
    agency, kind = _authority(document, room), _type_of(document, room)

    # 2. What officers decided lies in the archive before anything is sealed on their word (C2).
    archive_records(document, archive=room.archive, lock_mode=room.lock_mode)
    try:
        # 3. Seal the XML to be attached, if there is any; render and lint. What fails here fails for ever: the number ends as void (P4).
        linted = _render(document, agency, kind, room)
    except (RenderError, LintError) as error:
        return _end_unmade(document, Reason.of(error), room)

    # 4. Seal what was linted, and nothing else.
    sealed = room.sealer.seal(linted, agency.seals, kind.seal)

    # 5. Check the own seal before it can leave.
    room.sealer.verify_own(sealed, linted)

    # 6. Archive, write-once and locked; a file that lies there already wins.
    file = _archive(document, sealed, room)

    # 7. Entry and document become final together, and with them the document they replace.
    return _finalise(document, file, room)


def _finalise(document: Document, file: ArchivedFile, room: SealingRoom) -> Document:
    """Raises UnavailableError if the document to be replaced is ruled on again and again."""
    for _ in range(_TRIES):
        now = room.clock()
        replaced = _replaced(document, room)
        try:
            return room.registers.finalise(document, file, now, replaced=replaced)
        except RegisterConflictError:
            continue
    message = "The document to be replaced is busy; this one waits."
    raise UnavailableError(message)


def _replaced(document: Document, room: SealingRoom) -> Document | None:
    """The document that this one replaces, as it will be; None if it replaces none, or not
    any more: what was revoked or replaced meanwhile stays so."""
    old = room.documents.get(document.supersedes) if document.supersedes else None
    if old is None or document.numbering is None:
        return None
    decision = Decision(
        kind=RulingKind.SUPERSEDED,
        reason_code=ReasonCode.SUPERSEDED,
        reason="",
        by=document.submitted_by,
        agency_id=document.agency_id,
        replaced_by=Replacement(document.document_id, document.numbering.printed),
    )
    try:
        return old.ruled(decision, room.clock())
    except StandingConflictError:
        return None


def _end_unmade(document: Document, reason: Reason, room: SealingRoom) -> Document:
    """Void, unless an earlier run (of an earlier release, say) has archived a file: then
    that file is the document, and the number is its own (P2)."""
    file = room.archive.find(archive_key(document))
    if file is not None:
        return _finalise(document, file, room)
    return room.registers.void(document, reason, by=_ACTOR, at=room.clock())


def _authority(document: Document, room: SealingRoom) -> Agency:
    agency = room.directory.agency(document.agency_id)
    if agency is None or not agency.seals:
        message = f"Agency {document.agency_id} has no seal; onboard it and the document goes on."
        raise SealError(message)
    return agency


def _render(document: Document, agency: Agency, kind: DocumentType, room: SealingRoom) -> LintedPdf:
    request = render_request(document, agency, kind, public_url=room.public_url)
    attachments = tuple(
        sealed_attachment(attachment, agency.seals, kind.seal, xml_sealer=room.xml_sealer)
        for attachment in request.attachments
    )
    request = replace(request, attachments=attachments)
    return room.renderer.lint(room.renderer.render(request), request)


def render_request(
    document: Document,
    agency: Agency,
    kind: DocumentType,
    *,
    public_url: str,
    watermark: str | None = None,
) -> RenderRequest:
    """All that a template gets to know of a document."""
    url = verify_url(document, public_url)
    return RenderRequest(
        document_type=document.document_type,
        type_version=document.type_version,
        max_pages=kind.max_pages,
        paper=kind.paper,
        data=present(document, agency, kind, verify_url=url, watermark=watermark),
        attachments=attached_files(
            document,
            agency,
            kind,
            verify_url=url,
            credential_status=_status_of(document, public_url),
        ),
    )


def _status_of(document: Document, public_url: str) -> list[dict[str, str]]:
    """Where it will be told whether the document still stands; a preview stands nowhere."""
    numbering = document.numbering
    if numbering is None:
        return []
    return status_entries(
        document.register, numbering.number, numbering.child, public_url=public_url
    )


def _type_of(document: Document, room: SealingRoom) -> DocumentType:
    kind = room.types.get(document.document_type, document.type_version)
    if kind is None:
        message = (
            "This version of the document type is not here; publish it and the document goes on."
        )
        raise UnavailableError(message)
    return kind


def _archive(document: Document, sealed: SealedPdf, room: SealingRoom) -> ArchivedFile:
    if document.numbering is None:
        raise ValueError("only a numbered document is archived")
    until = retain_until(document.numbering.numbered_at, document.retention_years)
    key = archive_key(document)
    return room.archive.put_once(
        key,
        sealed.pdf,
        until,
        room.lock_mode,
        seal_level=sealed.level,
        proof_until=sealed.proof_until,
        secret=document.secrecy(key),
    )
