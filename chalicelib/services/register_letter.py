"""Register: a letter gets the next number of the receive register, and its sender the receipt
(A1, A18, P5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import (
    Delivery,
    DeliveryId,
    Impossible,
    Moved,
    Why,
    happen,
    why_ended,
)
from chalicelib.domain.delivery_conflicts import conflict
from chalicelib.domain.delivery_events import HandedOver, NumberCorrected, ReceiptNote, Received
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import (
    ConfigurationError,
    DeliveryMovedError,
    NotFoundError,
    NotHostedError,
    RegisterClosedError,
    RegisterConflictError,
    RegisterHeldError,
    UnavailableError,
    UntrustedFileError,
)
from chalicelib.domain.receipts import Receipt, make_receipt, print_receive_number
from chalicelib.domain.receive_register import receive_book, receive_line
from chalicelib.domain.statements import StatementError, claimed_payload, to_the_millisecond
from chalicelib.ports import RegisterStore
from chalicelib.services.check_arrival import ArrivalRoom, settled_check
from chalicelib.services.delivery_steps import DeliveryRoom, go_on, signed

# A conflict means that another clerk of the agency registered something at this moment; several
# may, and each of them waits for the answer.
_TRIES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingRoom:
    """Collaborators of `register_letter` and `correct_receipt`."""

    delivering: DeliveryRoom
    registers: RegisterStore
    arrivals: ArrivalRoom


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The receipt that stands, as signed and as read, and its delivery."""

    jws: str
    receipt: Receipt
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who registers: the name that the receipt tells (A1), and the token's subject."""

    name: str
    subject: str


def register_letter(
    delivery_id: DeliveryId, *, receiver: Receiver, room: ReceivingRoom
) -> Registered:
    """Register a letter that lies in the inbox of an agency hosted here.

    Repeatable: once registered, the receipt that stands is returned, byte for byte (P5).
    Raises NotFoundError, NotHostedError, DeliveryConflictError (ended otherwise, or not
    arrived), UntrustedFileError, RegisterHeldError, UnavailableError.

    Dies before the transaction: nothing happened, and the signed receipt never left the
    process. Dies after it: number, receipt and evidence stand; a repeat returns them, and
    `sweep` has the sender told.
    """
    for attempt in range(_TRIES):
        # 1. What the delivery is now; registered by another clerk meanwhile, that stands.
        record = _hosted(delivery_id, room)
        if record.delivery.receipt is not None:
            return standing_receipt(record.delivery, room=room.delivering)
        _demand_registrable(record, room)
        try:
            return _give_number(record, receiver, room)
        except (DeliveryMovedError, RegisterConflictError, RegisterClosedError):
            room.delivering.pause(attempt)
    message = "The receive register is busy; repeat the request."
    raise UnavailableError(message)


def correct_receipt(
    delivery_id: DeliveryId, *, receiver: Receiver, room: ReceivingRoom
) -> Registered:
    """Answer a dispute with the next number of the receive register: a receipt that names the
    one it corrects and keeps its time received (A20). The old line stays as it is.

    Repeatable: a dispute is answered once; after that the correction is returned, byte for
    byte. Raises NotFoundError, NotHostedError, DeliveryConflictError, RegisterHeldError,
    UnavailableError. Dies half-way: as `register_letter`.
    """
    for attempt in range(_TRIES):
        record = _hosted(delivery_id, room)
        delivery = record.delivery
        if delivery.receipt is None:
            raise conflict(Why.NOT_HANDED_OVER)
        if not delivery.disputed:
            if len(delivery.receipts) > 1:
                return standing_receipt(delivery, room=room.delivering)
            raise conflict(Why.NOT_DISPUTED)
        try:
            return _give_number(record, receiver, room, corrects=delivery.receipt)
        except (DeliveryMovedError, RegisterConflictError, RegisterClosedError):
            room.delivering.pause(attempt)
    message = "The receive register is busy; repeat the request."
    raise UnavailableError(message)


def standing_receipt(delivery: Delivery, *, room: DeliveryRoom) -> Registered:
    """The receipt that stands, as first kept, with its delivery. Raises NotFoundError if
    there is none."""
    note = delivery.receipt
    jws = room.deliveries.statement(delivery.id, note.digest) if note else None
    if jws is None:
        raise NotFoundError
    receipt = Receipt.read(claimed_payload(jws))
    return Registered(jws=jws, receipt=receipt, delivery=delivery)


def _hosted(delivery_id: DeliveryId, room: ReceivingRoom) -> DeliveryRecord:
    record = room.delivering.deliveries.get(delivery_id)
    if record is None:
        raise NotFoundError
    # What counts is where this letter lies, wherever the next one goes.
    if record.delivery.channel is not ChannelKind.HOSTED:
        raise NotHostedError
    return record


def _demand_registrable(record: DeliveryRecord, room: ReceivingRoom) -> None:
    if (why := why_ended(record.delivery)) is not None:
        raise conflict(why)
    _received(record.delivery)
    check = settled_check(record, room=room.arrivals)
    if not check.passed:
        raise UntrustedFileError(check.reasons)


def _give_number(
    record: DeliveryRecord,
    receiver: Receiver,
    room: ReceivingRoom,
    *,
    corrects: ReceiptNote | None = None,
) -> Registered:
    delivering = room.delivering
    # 2. The next number, by the calendar of Asia/Bangkok at this instant (A18).
    #    No clock that is a little behind makes a receipt older than the arrival it tells of.
    now = max(to_the_millisecond(delivering.clock()), record.delivery.changed_at)
    secret = record.delivery.letter.is_classified
    register = receive_book(record.delivery.recipient, secret=secret).at(now)
    head = room.registers.head(register)
    if head.closing:
        raise RegisterClosedError("This clock still shows a year whose register is closed.")
    if head.hold is not None:
        raise RegisterHeldError(head.hold.batch)
    at = head.next_instant(now)

    # 3. The receipt for it, signed for the agency.
    number = head.last_number + 1
    agency = _agency(record.delivery.recipient, room)
    receipt = make_receipt(
        record.delivery,
        received=corrects.received if corrects else _received(record.delivery),
        year=register.year,
        number=number,
        printed=print_receive_number(register.year, number, agency.letter_prefix, secret=secret),
        registered_at=at,
        receiver=receiver.name,
        agency_name=agency.name_th,
    )
    receipt = replace(receipt, corrects=corrects.digest if corrects else None)
    _demand_readable(receipt)
    jws = delivering.signer.sign(receipt.payload())

    # 4. What that does to the delivery, with evidence of it.
    note = receipt.note(jws)
    event = NumberCorrected(at=at, receipt=note) if corrects else HandedOver(at=at, receipt=note)
    result = happen(record.delivery, event)
    if isinstance(result, Impossible):
        raise conflict(result.why)
    if not isinstance(result, Moved):
        raise DeliveryMovedError("The number was given to this delivery before.")
    change = signed(record.delivery, result, room=delivering, statement=jws)

    # 5. Number, receipt and evidence in ONE transaction, or none of them.
    entry = receive_line(
        record,
        receipt,
        jws,
        at=at,
        sender_name=_agency(record.delivery.letter.sender, room).name_th,
        by=receiver.subject,
    )
    delivering.deliveries.register(change, entry, head)

    # 6. The sender is told, and the receipt archived, by `dispatch`.
    go_on(record.delivery.id, room=delivering)
    return Registered(jws=jws, receipt=receipt, delivery=change.delivery)


def _agency(agency_id: str, room: ReceivingRoom) -> Agency:
    """An agency that sent or got a letter was in the directory then; it never leaves it."""
    agency = room.delivering.directory.agency(agency_id)
    if agency is None:
        raise NotFoundError
    return agency


def _demand_readable(receipt: Receipt) -> None:
    """Nothing is signed that could not be read back: no number is spent on it."""
    try:
        Receipt.read(receipt.payload())
    except StatementError as error:
        message = f"What the directory or the token says cannot stand in a receipt: {error.field}."
        raise ConfigurationError(message) from error


def _received(delivery: Delivery) -> Received:
    if delivery.received is None:
        raise conflict(Why.NOT_ARRIVED)
    return delivery.received
