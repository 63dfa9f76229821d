"""Deliver: every recipient of an issued document is told, by the same bytes each time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.domain.evidence import issued_event, issued_evidence, verify_url
from chalicelib.ports import Directory, DocumentStore, EvidenceSigner, Inboxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Collaborators of `deliver`."""

    documents: DocumentStore
    directory: Directory
    signer: EvidenceSigner
    inboxes: Inboxes
    public_url: str


def deliver(document_id: str, *, courier: Courier) -> Document:
    """Send each recipient agency its event.

    Raises UnavailableError if somebody could not be told yet; the others were, and are
    not told again. Dies after a send and before its note: that recipient gets the same
    event, with the same id, again.
    """
    # 1. Read how far it is. Nothing leaves before it is final (P3).
    document = courier.documents.get(document_id)
    if document is None:
        raise NotFoundError
    if document.state is not DocumentState.ISSUED:
        return document

    # 2. The evidence is signed once and kept: repeats carry the original (P5).
    evidence = document.evidence or _keep_evidence(document, courier)
    document = replace(document, evidence=evidence)

    # 3. Tell who has not been told, and note it.
    untold = []
    for recipient in document.unnotified:
        try:
            _tell(document, recipient, evidence, courier)
        except UnavailableError as error:
            untold.append(f"{recipient}: {error.detail}")
        else:
            document = courier.documents.mark_notified(document.document_id, recipient)
    if untold:
        raise UnavailableError("Not told yet: " + " ".join(untold))

    # 4. Nothing is left to do.
    courier.documents.settle(document)
    return document


def _keep_evidence(document: Document, courier: Courier) -> str:
    payload = issued_evidence(document, public_url=courier.public_url)
    return courier.documents.keep_evidence(document.document_id, courier.signer.sign(payload))


def _tell(document: Document, recipient: str, evidence: str, courier: Courier) -> None:
    agency = courier.directory.agency(recipient)
    if agency is None:
        raise UnavailableError(f"Agency {recipient} is not in the directory.")
    event = issued_event(
        document,
        recipient,
        evidence,
        public_url=courier.public_url,
        verify_url=verify_url(document, courier.public_url),
    )
    courier.inboxes.send(agency, event)
