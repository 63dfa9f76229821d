"""Bundle: everything that proves one document, in one file (P2, P7).

What the public log commits to is salted; the salt travels here, so that who holds the
bundle, and nobody else, can show that the number was given to this content.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.approval_records import written_policy
from chalicelib.domain.documents import ArchivedFile, Document, DocumentState
from chalicelib.domain.errors import NotReadyError
from chalicelib.domain.registers import Numbering
from chalicelib.domain.standing import Ruling
from chalicelib.ports import Clock
from chalicelib.services.bundle_deliveries import AskedFor, DeliveriesRoom, bundle_deliveries
from chalicelib.services.proof_json import number_proof, plain_proof
from chalicelib.services.prove import ProvingRoom, prove_outcomes
from chalicelib.services.records import RecordRoom, record_of

TYPE = "tra.evidence.v1"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bundle as JSON, and what is not in it yet (it will be, after a checkpoint)."""

    content: dict[str, Any]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRoom:
    """Collaborators of `bundle`. `record_due_after` is how long after its issue a document
    may be without evidence record."""

    proving: ProvingRoom
    records: RecordRoom
    deliveries: DeliveriesRoom
    clock: Clock
    record_due_after: timedelta


def bundle(document: Document, *, room: BundleRoom, asked: AskedFor | None = None) -> Bundle:
    """What proves `document`: its place in the register, the file's digest, the salt of the
    commitment, proofs that both logs include it, the signed evidence, and the evidence record
    (RFC 4998) that goes on proving when all of that has aged; of a letter also what became of
    its deliveries, as far as who asked may know (default: the sender, of all).

    Raises NotReadyError for a document without number, NotFoundError for a delivery that it
    has not. Reads only.
    """
    if document.numbering is None:
        message = "The document has no number yet, so there is nothing to prove."
        raise NotReadyError(message, "เอกสารยังไม่มีเลข จึงยังไม่มีหลักฐาน")
    number_log = _number_proof(document, document.numbering, room.proving)
    position = (document.numbering.number, document.numbering.child)
    outcomes = [
        plain_proof(one) for one in prove_outcomes(document.register, *position, room=room.proving)
    ]
    parts = {"number_log": number_log, "outcome_log": outcomes, "evidence": document.evidence}
    record = record_of(document, room=room.records)
    missing = tuple(name for name, part in parts.items() if not part)
    rulings = [_ruling(document, ruling) for ruling in document.rulings]
    if not all(ruling["evidence"] for ruling in rulings):
        missing = (*missing, "rulings")
    if record is None and _is_due(document, room):
        missing = (*missing, "evidence_records")
    deliveries = bundle_deliveries(document, asked or AskedFor(), room=room.deliveries)
    missing = (*missing, *deliveries.missing)
    content = {
        "type": TYPE,
        **_facts(document, document.numbering),
        "file": _file(document.file) if document.file else None,
        **parts,
        "approval": _approval(document),
        "rulings": rulings,
        "evidence_records": [base64.b64encode(record).decode()] if record else [],
        "deliveries": deliveries.content,
        "cursor": deliveries.cursor,
        "progress": deliveries.progress,
        "missing": list(missing),
    }
    return Bundle(content, missing)


def _is_due(document: Document, room: BundleRoom) -> bool:
    if document.state is not DocumentState.ISSUED:
        return False
    return document.issued_at + room.record_due_after < room.clock()


def _facts(document: Document, numbering: Numbering) -> dict[str, Any]:
    return {
        "document_id": document.document_id,
        "document_type": document.public_type,
        "agency_id": document.agency_id,
        "state": document.state.value,
        "register_id": document.register.register_id,
        "number": numbering.number,
        "child": numbering.child,
        "printed_number": numbering.printed,
        "numbered_at": _utc(numbering.numbered_at),
        "dated": _utc(numbering.dated) if numbering.dated else None,
        "content_digest": document.content_digest,
        "salt": document.salt,
        "commitment": document.commitment,
        "reason_code": document.reason.code if document.reason else None,
    }


def _file(file: ArchivedFile) -> dict[str, Any]:
    return {
        "sha256": file.sha256,
        "size": file.size,
        "archive_version": file.version_id,
        "lock_mode": file.lock_mode.value,
        "retain_until": _utc(file.retain_until),
    }


def _approval(document: Document) -> dict[str, Any] | None:
    """The signed record of every decision; None where nobody had to approve."""
    case = document.approval
    if case is None:
        return None
    records = [decision.record for decision in case.decisions if decision.record is not None]
    return {"policy": written_policy(case.policy), "records": records}


def _ruling(document: Document, ruling: Ruling) -> dict[str, Any]:
    return {
        "number": ruling.number,
        "kind": ruling.kind.value,
        "reason_code": ruling.reason_code.value,
        "decided_at": _utc(ruling.decided_at),
        "effective_at": _utc(ruling.effective_at),
        "evidence": document.evidences.get(ruling.notice),
    }


def _number_proof(
    document: Document, numbering: Numbering, room: ProvingRoom
) -> dict[str, Any] | None:
    """An inserted number has no leaf of its own there: the outcome log tells of it."""
    if numbering.child:
        return None
    return number_proof(document.register, numbering.number, room=room)


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
