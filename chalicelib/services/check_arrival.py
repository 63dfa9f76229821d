"""Check arrival: is the file that a delivery brought genuine? (issue 6.3, P2)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.domain.delivery_records import DeliveryRecord, FileCheck
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.verdict import CheckedFile, Indication
from chalicelib.ports import Archive, Clock, DeliveryStore, DocumentStore, FileChecker

DIGEST_DIFFERS = "digest_differs"
"""Reason beside the codes of findings: other bytes lie there than the letter names."""

_LINK_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalRoom:
    """Collaborators of `check_arrival`. `anchors` are the roots that seals must lead to."""

    deliveries: DeliveryStore
    documents: DocumentStore
    archive: Archive
    checker: FileChecker
    anchors: Callable[[], Sequence[str]]
    clock: Clock


def check_arrival(record: DeliveryRecord, *, room: ArrivalRoom) -> FileCheck:
    """Verify the letter's file (seal, chain, digest) and keep what came of it.

    Repeatable: the last word stands. Dies before it is kept: it is checked again. Raises
    UnavailableError, ArchiveError if the letter has no file, which cannot be (P3).
    """
    # 1. The bytes the recipient gets: the archived ones, by a link to exactly that version.
    file = _file_of(record, room)
    link = room.archive.link(file, filename="letter.pdf", seconds=_LINK_SECONDS)
    # 2. Seal and chain, where strangers' files are parsed; then the digest that was sent.
    checked = room.checker.check_linked(link, room.anchors())
    # 3. Keep it.
    check = _judged(checked, record, room)
    room.deliveries.keep_check(record.delivery.id, check)
    return check


def settled_check(record: DeliveryRecord, *, room: ArrivalRoom) -> FileCheck:
    """What is known of the file, checked now if nothing is, or if it was left open: what was
    missing then (a root, an answer about revocation) may be there by now."""
    check = record.check
    if check is None or (not check.passed and check.indication == Indication.INDETERMINATE):
        return check_arrival(record, room=room)
    return check


def _file_of(record: DeliveryRecord, room: ArrivalRoom) -> ArchivedFile:
    document = room.documents.get(record.delivery.letter.document_id)
    if document is None or document.file is None:
        raise ArchiveError("A letter was sent whose file is not in the archive (P3).")
    return document.file


def _judged(checked: CheckedFile, record: DeliveryRecord, room: ArrivalRoom) -> FileCheck:
    verdict = checked.verdict
    same = checked.sha256 == record.delivery.letter.file_digest
    findings = () if verdict.passed else tuple(finding.code for finding in verdict.findings)
    return FileCheck(
        passed=verdict.passed and same,
        indication=verdict.indication if same else Indication.TOTAL_FAILED,
        reasons=findings if same else (DIGEST_DIFFERS, *findings),
        sha256=checked.sha256,
        at=room.clock(),
    )
