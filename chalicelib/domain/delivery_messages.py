"""CloudEvents that tell recipient and sender of a delivery (A4, A5, api.md).

Same delivery, same bytes: the `id` is stable over repeats, so who gets it twice can drop it
(P5). Each carries the evidence it tells of, signed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from chalicelib.domain.deliveries import FAILING_STEPS, Delivery
from chalicelib.domain.delivery_evidence import number_of, write_number, write_received
from chalicelib.domain.statements import write_digest, write_instant

DELIVERED = "tra.letter.delivered.v1"
RECEIPT_ISSUED = "tra.receipt.issued.v1"
REJECTED = "tra.delivery.rejected.v1"
FAILED = "tra.delivery.failed.v1"
RECALLED = "tra.delivery.recalled.v1"
RECEIPT_DISPUTED = "tra.receipt.disputed.v1"
REMINDED = "tra.delivery.reminded.v1"
ESCALATED = "tra.delivery.escalated.v1"
"""Types of CloudEvents (api.md names the first four; the others: docs/adr/0041)."""


def delivered_event(delivery: Delivery, evidence: str, *, public_url: str) -> bytes:
    """For the recipient: a letter lies here. `evidence`: JWS of the SubmissionAcceptance. Of a
    classified letter the recipient's system learns that it waits for the registrar of secrets, who
    reads it here as an officer: no event tells what a letter is about, and no system opens one."""
    base = f"{public_url}/v1/inbox/{delivery.delivery_id}"
    return _event(
        delivery,
        DELIVERED,
        "delivered",
        source=delivery.letter.sender,
        at=delivery.planned_at,
        evidence=evidence,
        links={
            "file": f"{public_url}/v1/documents/{delivery.letter.document_id}/file",
            "self": base,
            "receipt": f"{base}/receipt",
            "rejection": f"{base}/rejection",
        },
    )


def receipt_event(delivery: Delivery, receipt: str, evidence: str, *, public_url: str) -> bytes:
    """For the sender: the letter was registered. `receipt`: the receipt that stands, as signed;
    `evidence`: JWS of the ContentHandover, or of the correction.

    Raises ValueError if there is no receipt.
    """
    if delivery.receipt is None:
        raise ValueError("a delivery without receipt has none to tell of (P5)")
    registered = delivery.last("handed_over", "corrected")
    return _event(
        delivery,
        RECEIPT_ISSUED,
        f"receipt.{len(delivery.receipts)}",
        source=delivery.recipient,
        at=registered.at,
        evidence=evidence,
        links=_links_for_sender(delivery, public_url),
        receipt=receipt,
        receive_number=write_number(number_of(delivery.receipt)),
        received=write_received(delivery.receipt.received),
    )


def rejected_event(delivery: Delivery, rejection: str, evidence: str, *, public_url: str) -> bytes:
    """For the sender: the recipient will not register it, and why."""
    return _event(
        delivery,
        REJECTED,
        "rejected",
        source=delivery.recipient,
        at=delivery.last("rejected").at,
        evidence=evidence,
        links=_links_for_sender(delivery, public_url),
        rejection=rejection,
        reason=_reason(delivery),
        suggested_agency=delivery.suggested_agency,
    )


def failed_event(delivery: Delivery, evidence: str, *, public_url: str) -> bytes:
    """For the sender: it could not be delivered (A5)."""
    return _event(
        delivery,
        FAILED,
        "failed",
        source=delivery.letter.sender,
        at=delivery.last(*FAILING_STEPS).at,
        evidence=evidence,
        links=_links_for_sender(delivery, public_url),
        reason=_reason(delivery),
        tries=delivery.tries,
    )


def recalled_event(delivery: Delivery, evidence: str, *, public_url: str) -> bytes:
    """For the recipient: the sender took it back; nothing is to be registered."""
    return _event(
        delivery,
        RECALLED,
        "recalled",
        source=delivery.letter.sender,
        at=delivery.last("recalled").at,
        evidence=evidence,
        links={"self": f"{public_url}/v1/inbox/{delivery.delivery_id}"},
    )


def disputed_event(delivery: Delivery, evidence: str, *, public_url: str) -> bytes:
    """For the recipient: the sender says that its receive-register number is wrong, and waits
    for a corrected receipt.

    Raises ValueError if nothing is disputed.
    """
    if not delivery.disputed:
        raise ValueError("the receipt is not disputed, or was corrected since")
    return _event(
        delivery,
        RECEIPT_DISPUTED,
        f"disputed.{len(delivery.receipts)}",
        source=delivery.letter.sender,
        at=delivery.last("disputed").at,
        evidence=evidence,
        links={"receipt": f"{public_url}/v1/inbox/{delivery.delivery_id}/receipt"},
        receive_number=write_number(number_of(delivery.receipt)),
    )


def reminded_event(delivery: Delivery, no: int, evidence: str, *, public_url: str) -> bytes:
    """For the recipient: for the `no`th time, that the letter waits to be registered.

    `evidence`: JWS of that ConsignmentNotification. Raises ValueError if it was not reminded
    so often.
    """
    base = f"{public_url}/v1/inbox/{delivery.delivery_id}"
    return _event(
        delivery,
        REMINDED,
        f"reminded.{no}",
        source=delivery.letter.sender,
        at=_reminded_at(delivery, no),
        evidence=evidence,
        links={"self": base, "receipt": f"{base}/receipt", "rejection": f"{base}/rejection"},
        reminder=no,
        waiting_since=_waiting_since(delivery),
    )


def escalated_event(delivery: Delivery, no: int, evidence: str, *, public_url: str) -> bytes:
    """For the sender: the letter arrived, the recipient was reminded `no` times, and nobody
    registered it in the time set for that (A14). As `reminded_event`."""
    return _event(
        delivery,
        ESCALATED,
        f"escalated.{no}",
        source=delivery.letter.sender,
        at=_reminded_at(delivery, no),
        evidence=evidence,
        links=_links_for_sender(delivery, public_url),
        reminder=no,
        waiting_since=_waiting_since(delivery),
    )


def _reminded_at(delivery: Delivery, no: int) -> datetime:
    keys = (f"reminded/{no}", f"escalated/{no}")
    for step in delivery.history:
        if step.key in keys:
            return step.at
    raise ValueError("the recipient was not reminded so often")


def _waiting_since(delivery: Delivery) -> str | None:
    """Not when that counts: it may be found later, and a repeat says the same (P5)."""
    return write_instant(delivery.received.entered_at) if delivery.received else None


def _links_for_sender(delivery: Delivery, public_url: str) -> dict[str, str]:
    letter = f"{public_url}/v1/letters/{delivery.letter.document_id}"
    return {"deliveries": f"{letter}/deliveries"}


def _reason(delivery: Delivery) -> dict[str, str] | None:
    reason = delivery.reason
    if reason is None:
        return None
    return {"code": reason.code, "detail": reason.detail, "detail_th": reason.detail_th}


def _event(
    delivery: Delivery,
    kind: str,
    what: str,
    *,
    source: str,
    at: datetime,
    evidence: str,
    links: dict[str, str],
    **more: Any,
) -> bytes:
    """CloudEvents 1.0 JSON. Same delivery, same bytes: the `id` is stable over repeats, so who
    gets it twice can drop it (P5)."""
    letter = delivery.letter
    event = {
        "specversion": "1.0",
        "id": f"{delivery.delivery_id}.{what}",
        "source": f"/agencies/{source}",
        "type": kind,
        "subject": delivery.delivery_id,
        "time": write_instant(at),
        "datacontenttype": "application/json",
        "data": {
            "delivery_id": delivery.delivery_id,
            "attempt": delivery.id.attempt,
            "document_id": letter.document_id,
            "sender": letter.sender,
            "recipient": delivery.recipient,
            "letter_number": letter.number,
            "letter_date": letter.dated.isoformat(),
            "classification": letter.classification.value,
            "file_digest": write_digest(letter.file_digest),
            **more,
            "links": links,
            "evidence": evidence,
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
