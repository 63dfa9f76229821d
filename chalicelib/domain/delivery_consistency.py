"""What must hold of a delivery, whatever happened to it and whoever died (P5).

Each function is given what was read, and names what contradicts it. Nothing is read here, and
nothing is repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from chalicelib.domain.deliveries import Delivery, SentLetter
from chalicelib.domain.delivery_chain import ChainFault, check_chain
from chalicelib.domain.delivery_events import ReceiptNote
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.documents import Document
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.findings import Fault
from chalicelib.domain.receipts import Receipt, Rejection
from chalicelib.domain.receive_register import opaque_subject
from chalicelib.domain.registers import Entry, EntryState
from chalicelib.domain.statements import StatementError, claimed_payload, jws_digest
from chalicelib.domain.tlog import SubjectKind, commit

Contradiction = tuple[Fault, str]
"""What is wrong, and where in the delivery."""

_SENT_AGAIN = frozenset({DeliveryState.REJECTED, DeliveryState.FAILED})
_ON_THE_WAY = frozenset({DeliveryState.PLANNED, DeliveryState.RELAYED})


def contradictions(
    record: DeliveryRecord,
    document: Document,
    chain: Sequence[str],
    statements: Collection[str],
    *,
    verify: Callable[[str], bytes],
) -> Iterator[Contradiction]:
    """What is wrong with a delivery of `document`, whose evidence and statements these are.
    `verify` gives the payload of a JWS that the service signed, or raises
    EvidenceSignatureError."""
    delivery = record.delivery
    yield from _about_its_letter(delivery, document)
    yield from _about_its_outcome(delivery)
    yield from _about_its_statements(delivery, statements)
    yield from _about_its_evidence(delivery, chain, statements, verify)


def _about_its_letter(delivery: Delivery, document: Document) -> Iterator[Contradiction]:
    if delivery.recipient not in document.recipients:
        yield Fault.DELIVERY_MISMATCH, "recipient"
    if _identity(delivery.letter) != _identity(SentLetter.of(document)):
        yield Fault.DELIVERY_MISMATCH, "letter"


def _identity(letter: SentLetter) -> tuple[object, ...]:
    """What everybody knows a letter by."""
    return (
        letter.document_id,
        letter.sender,
        letter.number,
        letter.dated,
        letter.file_digest,
        letter.circular,
    )


def _about_its_outcome(delivery: Delivery) -> Iterator[Contradiction]:
    """One outcome, the one that its history tells; a receipt if, and only if, it was handed
    over."""
    ended = [step.state.ended for step in delivery.history]
    outcomes = {step.state for step in delivery.history if step.state.ended}
    if len(outcomes) > 1 or ended != sorted(ended):
        yield Fault.OUTCOME_WRONG, "history"
    if delivery.history[-1].state is not delivery.state:
        yield Fault.OUTCOME_WRONG, "state"
    if bool(delivery.receipts) is not (delivery.state is DeliveryState.HANDED_OVER):
        yield Fault.OUTCOME_WRONG, "receipt"
    if (delivery.reason is not None) is not (delivery.state in _SENT_AGAIN):
        yield Fault.OUTCOME_WRONG, "reason"


def _about_its_statements(
    delivery: Delivery, statements: Collection[str]
) -> Iterator[Contradiction]:
    """Receipts and rejection are kept as they were signed, and say what the delivery says."""
    kept = {jws_digest(jws): jws for jws in statements}
    for note in delivery.receipts:
        yield from _about_receipt(delivery, note, kept.get(note.digest))
    if delivery.receipt is not None and delivery.statement != delivery.receipt.digest:
        yield Fault.STATEMENT_DIFFERS, "standing"
    if delivery.state is DeliveryState.REJECTED:
        yield from _about_rejection(delivery, kept.get(delivery.statement or ""))


def _about_receipt(
    delivery: Delivery, note: ReceiptNote, jws: str | None
) -> Iterator[Contradiction]:
    if jws is None:
        yield Fault.STATEMENT_MISSING, f"receipt {note.place}"
        return
    try:
        receipt = Receipt.read(claimed_payload(jws))
    except StatementError:
        yield Fault.STATEMENT_DIFFERS, f"receipt {note.place}"
        return
    said = (receipt.delivery_id, receipt.file_digest, receipt.note(jws))
    if said != (delivery.id, delivery.letter.file_digest, note):
        yield Fault.STATEMENT_DIFFERS, f"receipt {note.place}"


def _about_rejection(delivery: Delivery, jws: str | None) -> Iterator[Contradiction]:
    if jws is None:
        yield Fault.STATEMENT_MISSING, "rejection"
        return
    try:
        rejection = Rejection.read(claimed_payload(jws))
    except StatementError:
        yield Fault.STATEMENT_DIFFERS, "rejection"
        return
    code = delivery.reason.code if delivery.reason else None
    said = (rejection.delivery_id, rejection.file_digest, rejection.code.value)
    if said != (delivery.id, delivery.letter.file_digest, code):
        yield Fault.STATEMENT_DIFFERS, "rejection"


def _about_its_evidence(
    delivery: Delivery,
    chain: Sequence[str],
    statements: Collection[str],
    verify: Callable[[str], bytes],
) -> Iterator[Contradiction]:
    """The chain is whole and leads to where the delivery is; missing statements are told by
    those that are asked for them."""
    report = check_chain(
        chain,
        verify=verify,
        delivery_id=delivery.id,
        letter=delivery.letter,
        statements=statements,
    )
    for finding in report.findings:
        if not finding.fault.is_warning and finding.fault is not ChainFault.STATEMENT_MISSING:
            yield Fault.EVIDENCE_WRONG, f"{finding.fault} {_place(finding.seq)}".strip()
    end = jws_digest(chain[-1]) if chain else delivery.letter.file_digest
    if (report.state, len(chain), end) != (
        delivery.state,
        delivery.evidence_count,
        delivery.evidence_end,
    ):
        yield Fault.EVIDENCE_WRONG, "end"


def _place(seq: int | None) -> str:
    return "" if seq is None else str(seq)


# -- attempts ------------------------------------------------------------------------


def follows(delivery: Delivery, before: Delivery | None) -> bool:
    """Whether this attempt may come after `before` (the one before it to the same agency):
    only what was rejected or failed is sent again."""
    if before is None:
        return delivery.id.attempt == 1
    return delivery.id.attempt == before.id.attempt + 1 and before.state in _SENT_AGAIN


def left_alone(record: DeliveryRecord) -> bool:
    """On its way, and nobody will ever look at it."""
    return record.due_at is None and record.delivery.state in _ON_THE_WAY


# -- the receive register ------------------------------------------------------------


def is_its_entry(entry: Entry, record: DeliveryRecord) -> bool:
    """Whether a line of a receive register is what a receipt of this delivery speaks of: it
    names the delivery, the letter's file and the receipt, and nothing else."""
    delivery = record.delivery
    note = _note_at(entry, delivery)
    salt, file_digest = bytes.fromhex(record.salt), delivery.letter.file_digest
    return note is not None and _facts(entry) == {
        "agency": delivery.recipient,
        "kind": SubjectKind.DELIVERY,
        "subject": opaque_subject(delivery.id, record.salt),
        "commitment": commit(salt, file_digest),
        "document": None,
        "delivery": delivery.delivery_id,
        "content": file_digest,
        "receipt": note.digest,
        "state": EntryState.ISSUED,
    }


def _note_at(entry: Entry, delivery: Delivery) -> ReceiptNote | None:
    place = (entry.register.year, entry.number)
    return next((n for n in delivery.receipts if (n.year, n.number) == place), None)


def _facts(entry: Entry) -> Mapping[str, object]:
    return {
        "agency": entry.register.agency_id,
        "kind": entry.subject_kind,
        "subject": entry.subject_id,
        "commitment": entry.commitment,
        "document": entry.document_id,
        "delivery": entry.delivery_id,
        "content": entry.content_digest,
        "receipt": entry.file_digest,
        "state": entry.state,
    }
