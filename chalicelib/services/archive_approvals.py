"""Archive approvals: the signed records of what officers decided lie in the archive (C2), those
that led to no document too."""

from __future__ import annotations

import hashlib

from chalicelib.domain.approval_records import record_key
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.ports import Archive

_MEDIA_TYPE = "application/jose"


def archive_records(document: Document, *, archive: Archive, lock_mode: LockMode) -> None:
    """Write each record once, locked as long as the document itself; of one that was refused, from
    then on.

    Repeatable: what lies there already stays. Dies anywhere: the repeat writes the rest. Raises
    ArchiveError if something else lies under a record's key, UnavailableError.
    """
    case = document.approval
    if case is None:
        return
    numbering = document.numbering
    since = numbering.numbered_at if numbering else document.history[-1].at
    until = retain_until(since, document.retention_years)
    for place, decision in enumerate(case.decisions, start=1):
        if decision.record is None:
            continue
        record = decision.record.encode()
        file = archive.put_once(
            record_key(document.document_id, place),
            record,
            until,
            lock_mode,
            media_type=_MEDIA_TYPE,
        )
        if file.sha256 != hashlib.sha256(record).hexdigest():
            raise ArchiveError("The archive holds another record of this decision.")
