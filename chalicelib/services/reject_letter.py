"""Reject: the recipient sends a letter back unregistered, and says why (issue 6.3, E2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import (
    AlreadySo,
    Delivery,
    DeliveryId,
    Impossible,
    Moved,
    Result,
    Why,
    happen,
    why_ended,
)
from chalicelib.domain.delivery_conflicts import conflict
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    FieldFault,
    InvalidRequestError,
    NotFoundError,
    NotHostedError,
)
from chalicelib.domain.receipts import MOST_NOTE, Rejection, RejectionReason, make_rejection
from chalicelib.domain.statements import claimed_payload, is_line
from chalicelib.ports import Directory
from chalicelib.services.delivery_steps import DeliveryRoom, take_step


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRequest:
    """What the clerk says. `suggested_agency`: who is the right one, of a misdirected letter;
    `note`: own words, for the sender alone, demanded where the reason is `other`."""

    code: RejectionReason
    suggested_agency: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedLetter:
    """The rejection that stands, as signed and as read, and its delivery."""

    jws: str
    rejection: Rejection
    delivery: Delivery


def reject_letter(
    delivery_id: DeliveryId, request: RejectionRequest, *, room: DeliveryRoom
) -> RejectedLetter:
    """Reject a letter that lies in the inbox of an agency hosted here.

    Repeatable: rejected for this reason before, the first rejection is returned, byte for byte
    (P5). Raises NotFoundError, NotHostedError, InvalidRequestError, DeliveryConflictError
    (ended otherwise, or not arrived), UnavailableError. Dies half-way: as `take_step`.
    """
    # 1. What is said, of which letter, and whether it can still be said.
    delivery = _hosted(delivery_id, room)
    _demand_sound(request, delivery, room.directory)
    rejection = _rejection(delivery, request, room)
    result: Result = happen(delivery, rejection.event("", room.clock()))
    jws = ""
    if isinstance(result, Moved):
        # 2. The rejection, signed for the agency, and the step that it is.
        jws = room.signer.sign(rejection.payload())
        result = take_step(
            delivery_id,
            lambda _: rejection.event(jws, rejection.rejected_at),
            room=room,
            statement=jws,
        )
    # 3. What stands now.
    match result:
        case Moved():
            return RejectedLetter(jws=jws, rejection=rejection, delivery=result.delivery)
        case AlreadySo():
            return standing_rejection(result.delivery, room=room)
        case Impossible():
            raise conflict(result.why)
        case _:
            assert_never(result)


def standing_rejection(delivery: Delivery, *, room: DeliveryRoom) -> RejectedLetter:
    """The rejection as first kept. Raises NotFoundError if there is none."""
    rejected = delivery.state is DeliveryState.REJECTED and delivery.statement is not None
    jws = room.deliveries.statement(delivery.id, delivery.statement or "") if rejected else None
    if jws is None:
        raise NotFoundError
    rejection = Rejection.read(claimed_payload(jws))
    return RejectedLetter(jws=jws, rejection=rejection, delivery=delivery)


def _hosted(delivery_id: DeliveryId, room: DeliveryRoom) -> Delivery:
    record = room.deliveries.get(delivery_id)
    if record is None:
        raise NotFoundError
    if record.delivery.channel is not ChannelKind.HOSTED:
        raise NotHostedError
    return record.delivery


def _rejection(delivery: Delivery, request: RejectionRequest, room: DeliveryRoom) -> Rejection:
    if delivery.received is None:
        raise conflict(why_ended(delivery) or Why.NOT_ARRIVED)
    return make_rejection(
        delivery,
        received=delivery.received,
        rejected_at=max(room.clock(), delivery.changed_at),
        code=request.code,
        suggested_agency=request.suggested_agency,
        note=request.note,
    )


def _demand_sound(request: RejectionRequest, delivery: Delivery, directory: Directory) -> None:
    """Reason, agency and note go together (`Rejection`), and the agency is one."""
    faults = []
    suggested = request.suggested_agency
    if suggested is not None and request.code is not RejectionReason.MISDIRECTED:
        faults.append(_NOT_MISDIRECTED)
    elif suggested == delivery.recipient:
        faults.append(_SAME_AGENCY)
    elif suggested is not None and directory.agency(suggested) is None:
        faults.append(_UNKNOWN_AGENCY)
    if request.code is RejectionReason.OTHER and not request.note:
        faults.append(_NO_NOTE)
    if request.note is not None and not is_line(request.note, MOST_NOTE):
        faults.append(_BAD_NOTE)
    if faults:
        raise InvalidRequestError(faults)


_NOT_MISDIRECTED = FieldFault(
    "/suggested_agency",
    "not_misdirected",
    "Another agency is suggested for a misdirected letter only.",
    "ระบุหน่วยงานที่ถูกต้องได้เฉพาะกรณีส่งผิดหน่วยงาน",
)
_SAME_AGENCY = FieldFault(
    "/suggested_agency",
    "same_agency",
    "This is the agency that rejects the letter; name the right one.",
    "เป็นหน่วยงานที่ปฏิเสธหนังสือเอง โปรดระบุหน่วยงานที่ถูกต้อง",
)
_UNKNOWN_AGENCY = FieldFault(
    "/suggested_agency",
    "unknown_agency",
    "The directory has no such agency.",
    "ไม่มีหน่วยงานนี้ในทะเบียนหน่วยงาน",
)
_NO_NOTE = FieldFault(
    "/note",
    "missing",
    "A reason that is no other one is said in words.",
    "เหตุอื่นต้องระบุรายละเอียด",
)
_BAD_NOTE = FieldFault(
    "/note",
    "not_one_line",
    f"One line of at most {MOST_NOTE} characters, nothing unseen in it.",
    f"ต้องเป็นข้อความบรรทัดเดียว ไม่เกิน {MOST_NOTE} ตัวอักษร และไม่มีอักขระที่มองไม่เห็น",
)
