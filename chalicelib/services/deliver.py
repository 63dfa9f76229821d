"""Deliver: every recipient of an issued document is told what became of it, by the same bytes
each time: that it was issued, each ruling on it, and that it expired. A letter is sent in place
of being told of (`services/send.py`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import (
    APPROVALS,
    EXPIRED,
    ISSUED,
    Document,
    DocumentState,
    archived_mark,
    ruling_key,
    told_mark,
)
from chalicelib.domain.errors import (
    ArchiveError,
    ChannelBusyError,
    ChannelRefusedError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.evidence import (
    expired_event,
    expired_evidence,
    issued_event,
    issued_evidence,
    ruling_event,
    ruling_evidence,
    verify_url,
)
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.standing import Ruling
from chalicelib.ports import (
    Archive,
    Channels,
    Clock,
    Directory,
    DocumentStore,
    EvidenceSigner,
    WorkQueue,
)
from chalicelib.services.archive_approvals import archive_records
from chalicelib.services.send import SendingRoom, send

_MEDIA_TYPE = "application/jose"

_EventOf = Callable[[Document, str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Collaborators of `deliver`."""

    documents: DocumentStore
    directory: Directory
    signer: EvidenceSigner
    archive: Archive
    channels: Channels
    sending: SendingRoom
    deliver_queue: WorkQueue
    clock: Clock
    public_url: str
    lock_mode: LockMode


def deliver(
    document_id: str, *, courier: Courier, in_time: Callable[[], bool] = lambda: True
) -> Document:
    """Send each recipient agency its events, or, of a letter, begin its deliveries. Of a document
    that officers refused, nobody is told; their records are archived.

    Raises UnavailableError if somebody could not be told yet; the others were, and are
    not told again. Dies after a send and before its note: that recipient gets the same
    event, with the same id, again. A letter to more recipients than there is time for
    goes on with another message. A webhook may take its time to say nothing: those there is
    no time for are left to the next run, which begins with another of them.
    """
    # 1. Read how far it is. Nothing leaves before it is final (P3).
    document = courier.documents.get(document_id)
    if document is None:
        raise NotFoundError
    if document.state is DocumentState.REJECTED:
        return _close(document, courier)
    if document.state is not DocumentState.ISSUED:
        return document

    # 2. That it was issued. The evidence is signed once and kept: repeats carry the
    #    original (P5).
    evidence = document.evidence or _sign_issue(document, courier)
    document = replace(document, evidence=evidence)
    untold: list[str] = []
    if document.is_letter:
        document = send(document, room=courier.sending, in_time=in_time)
        if document.unnotified:
            courier.deliver_queue.send([document_id])
            return document
    issue = _issue_of(courier)
    telling = _Telling(courier, in_time, untold)
    document = _tell(document, ISSUED, document.unnotified, issue, telling)

    # 3. Rulings, those of this moment too, and that it expired, if it did.
    tried: set[str] = set()
    while notice := _next_notice(document, tried, courier):
        tried.add(notice)
        document = _give(document, notice, telling)
    if untold:
        raise UnavailableError("Not told yet: " + " ".join(untold))

    # 4. Nothing is left to do, perhaps until it expires.
    courier.documents.settle(document)
    return document


def _close(document: Document, courier: Courier) -> Document:
    """What officers decided is kept, though no document came of it (C2)."""
    if not document.settled:
        archive_records(document, archive=courier.archive, lock_mode=courier.lock_mode)
        mark = archived_mark(APPROVALS)
        document = courier.documents.mark_notified(document.document_id, mark)
    courier.documents.settle(document)
    return document


def _next_notice(document: Document, tried: set[str], courier: Courier) -> str | None:
    return next((n for n in document.due_notices(courier.clock()) if n not in tried), None)


@dataclass(frozen=True, slots=True)
class _Telling:
    """With what, how long, and who could not be told."""

    courier: Courier
    in_time: Callable[[], bool]
    untold: list[str]


def _give(document: Document, notice: str, telling: _Telling) -> Document:
    """Sign, keep, archive, tell: each once, in this order, whatever died in between."""
    courier = telling.courier
    ruling = next((r for r in document.rulings if r.notice == notice), None)
    evidence = document.evidences.get(notice) or _sign(document, notice, ruling, courier)
    document = replace(document, evidences={**document.evidences, notice: evidence})
    if ruling is not None and not document.is_archived(notice):
        _archive(document, ruling, evidence, courier)
        document = courier.documents.mark_notified(document.document_id, archived_mark(notice))
    event = _event_of(notice, ruling, evidence, courier)
    recipients = document.untold(notice)
    return _tell(document, notice, recipients, event, telling)


def _tell(
    document: Document,
    notice: str,
    recipients: tuple[str, ...],
    event: _EventOf,
    telling: _Telling,
) -> Document:
    """Tell who has not been told, and note it; who could not be goes on the list."""
    courier, untold = telling.courier, telling.untold
    quick, slow = _by_pace(recipients, courier)
    for recipient in (*quick, *slow):
        if recipient in slow and not telling.in_time():
            untold.append("webhooks: no time left")
            break
        try:
            _send(event(document, recipient), recipient, courier)
        except (UnavailableError, ChannelBusyError, ChannelRefusedError) as error:
            untold.append(f"{recipient}: {error.detail}")
        else:
            mark = told_mark(notice, recipient)
            document = courier.documents.mark_notified(document.document_id, mark)
    return document


def _by_pace(recipients: tuple[str, ...], courier: Courier) -> tuple[list[str], list[str]]:
    """Those that answer at once, and webhooks. One that never answers must not keep the same
    others from being told, time after time: each run begins with another one."""
    slow = [r for r in recipients if _is_webhook(courier.directory.agency(r))]
    quick = [r for r in recipients if r not in slow]
    first = int(courier.clock().timestamp()) % len(slow) if slow else 0
    return quick, slow[first:] + slow[:first]


def _is_webhook(agency: Agency | None) -> bool:
    return agency is not None and agency.reached_by is ChannelKind.WEBHOOK


def _send(event: bytes, recipient: str, courier: Courier) -> None:
    agency = courier.directory.agency(recipient)
    if agency is None:
        raise UnavailableError(f"Agency {recipient} is not in the directory.")
    courier.channels.hand_in(agency, agency.reached_by, event)


# -- the issue -------------------------------------------------------------------


def _sign_issue(document: Document, courier: Courier) -> str:
    payload = issued_evidence(document, public_url=courier.public_url)
    return courier.documents.keep_evidence(document.document_id, courier.signer.sign(payload))


def _issue_of(courier: Courier) -> _EventOf:
    def event(document: Document, recipient: str) -> bytes:
        return issued_event(
            document,
            recipient,
            document.evidence or "",
            public_url=courier.public_url,
            verify_url=verify_url(document, courier.public_url),
        )

    return event


# -- rulings and the end ---------------------------------------------------------


def _sign(document: Document, notice: str, ruling: Ruling | None, courier: Courier) -> str:
    payload = (
        ruling_evidence(document, ruling, public_url=courier.public_url)
        if ruling is not None
        else expired_evidence(document, public_url=courier.public_url)
    )
    signed = courier.signer.sign(payload)
    return courier.documents.keep_evidence(document.document_id, signed, notice=notice)


def _archive(document: Document, ruling: Ruling, evidence: str, courier: Courier) -> None:
    """Beside the document, locked at least as long: who finds the one must find the other. A
    document can be ruled on after its own lock ran out, and no lock may end in the past."""
    if document.file is None:
        raise ValueError("an issued document has a file")
    until = retain_until(ruling.decided_at, document.retention_years)
    file = courier.archive.put_once(
        ruling_key(document, ruling),
        evidence.encode(),
        max(until, document.file.retain_until),
        courier.lock_mode,
        media_type=_MEDIA_TYPE,
    )
    if file.sha256 != hashlib.sha256(evidence.encode()).hexdigest():
        raise ArchiveError("The archive holds another ruling under this document's key.")


def _event_of(notice: str, ruling: Ruling | None, evidence: str, courier: Courier) -> _EventOf:
    def event(document: Document, recipient: str) -> bytes:
        url = courier.public_url
        if ruling is not None:
            return ruling_event(document, ruling, recipient, evidence, public_url=url)
        return expired_event(document, recipient, evidence, public_url=url)

    if ruling is None and notice != EXPIRED:
        raise ValueError("a notice is of a ruling or of the end")
    return event
