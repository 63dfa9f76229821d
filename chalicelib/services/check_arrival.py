"""Check arrival: is the file that a delivery brought genuine? (issue 6.3, P2)"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from chalicelib.domain.delivery_records import DeliveryRecord, FileCheck
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.verdict import CheckedFile, Indication
from chalicelib.ports import Archive, Clock, DeliveryStore, DocumentStore, FileChecker

DIGEST_DIFFERS = "digest_differs"
"""Reason beside the codes of findings: other bytes lie there than the letter names."""

_LINK_SECONDS = 60


class RecentChecks:
    """Files that passed within the last minutes, as this process saw them: a circular is one
    file for hundreds of recipients. Bytes under lock do not change; a certificate may be
    revoked, so nothing is believed for long, and what did not pass is looked at each time."""

    def __init__(self, fresh_for: timedelta = timedelta(minutes=5)) -> None:
        self._fresh_for = fresh_for
        self._lock = threading.Lock()
        self._passed: dict[tuple[str, str], tuple[CheckedFile, datetime]] = {}
        self._checking: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def of(
        self, file: ArchivedFile, check: Callable[[], CheckedFile], clock: Clock
    ) -> tuple[CheckedFile, datetime]:
        """What is known of the file, and since when; `check` finds it out, once for all threads
        that ask for the same file. Raises what `check` does."""
        key = (file.key, file.version_id)
        with self._lock:
            checking = self._checking[key]
        with checking:
            known = self._passed.get(key)
            if known is not None and clock() - known[1] < self._fresh_for:
                return known
            checked, at = check(), clock()
            with self._lock:
                self._forget(at)
                if checked.verdict.passed:
                    self._passed[key] = checked, at
                else:
                    self._checking.pop(key, None)
            return checked, at

    def _forget(self, now: datetime) -> None:
        for key, (_, at) in list(self._passed.items()):
            if now - at >= self._fresh_for:
                del self._passed[key]
                self._checking.pop(key, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalRoom:
    """Collaborators of `check_arrival`. `anchors` are the roots that seals must lead to."""

    deliveries: DeliveryStore
    documents: DocumentStore
    archive: Archive
    checker: FileChecker
    anchors: Callable[[], Sequence[str]]
    clock: Clock
    recent: RecentChecks = field(default_factory=RecentChecks)


def check_arrival(record: DeliveryRecord, *, room: ArrivalRoom) -> FileCheck:
    """Verify the letter's file (seal, chain, digest) and keep what came of it.

    Repeatable: the last word stands. Dies before it is kept: it is checked again. Raises
    UnavailableError, ArchiveError if the letter has no file, which cannot be (P3).
    """
    # 1. The bytes the recipient gets: the archived ones, exactly that version.
    file = _file_of(record, room)
    # 2. Seal and chain, where strangers' files are parsed; then the digest that was sent.
    checked, at = room.recent.of(file, partial(_verified, file, room), room.clock)
    # 3. Keep it.
    check = _judged(checked, record, at)
    room.deliveries.keep_check(record.delivery.id, check)
    return check


def _verified(file: ArchivedFile, room: ArrivalRoom) -> CheckedFile:
    if file.stored is not None:
        # No link leads to a classified file: it is handed over, in memory from end to end.
        return room.checker.check(room.archive.read(file), room.anchors())
    link = room.archive.link(file, filename="letter.pdf", seconds=_LINK_SECONDS)
    return room.checker.check_linked(link, room.anchors())


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


def _judged(checked: CheckedFile, record: DeliveryRecord, at: datetime) -> FileCheck:
    verdict = checked.verdict
    same = checked.sha256 == record.delivery.letter.file_digest
    findings = () if verdict.passed else tuple(finding.code for finding in verdict.findings)
    return FileCheck(
        passed=verdict.passed and same,
        indication=verdict.indication if same else Indication.TOTAL_FAILED,
        reasons=findings if same else (DIGEST_DIFFERS, *findings),
        sha256=checked.sha256,
        at=at,
    )
