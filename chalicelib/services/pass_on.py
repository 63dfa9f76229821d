"""Pass on: a letter goes to another unit of the agency that has it (issue 6.3, A7)."""

from __future__ import annotations

from chalicelib.domain.deliveries import DeliveryId, Why
from chalicelib.domain.delivery_conflicts import conflict
from chalicelib.domain.delivery_records import DeliveryRecord, Passing
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    DeliveryMovedError,
    FieldFault,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.services.delivery_steps import DeliveryRoom

_HERE = frozenset({DeliveryState.CONSIGNED, DeliveryState.HANDED_OVER})
_GONE = {
    DeliveryState.REJECTED: Why.REJECTED,
    DeliveryState.FAILED: Why.FAILED,
    DeliveryState.RECALLED: Why.RECALLED,
}
_TRIES = 6

MOST_PASSINGS = 100
"""They lie in the delivery's own item, which must not outgrow what a table takes: then nobody
could register the letter any more."""


def pass_on(
    delivery_id: DeliveryId, unit: str, *, by: str, note: str | None = None, room: DeliveryRoom
) -> DeliveryRecord:
    """Pass a letter on to another unit of the recipient; who had it before stays in its history.
    `by` is the clerk's subject.

    Repeatable: a unit that has the letter is not given it again. Raises NotFoundError,
    InvalidRequestError if the agency has no such unit, DeliveryConflictError if the letter is
    not there or was passed on too often, UnavailableError. Dies anywhere: it was passed on or not.
    """
    for attempt in range(_TRIES):
        record = room.deliveries.get(delivery_id)
        if record is None:
            raise NotFoundError
        _demand_possible(record, unit, room)
        if record.unit == unit:
            return record
        if len(record.passed_on) >= MOST_PASSINGS:
            raise conflict(Why.PASSED_ON_TOO_OFTEN)
        passing = Passing(unit=unit, by=by, at=room.clock(), note=note)
        try:
            return room.deliveries.pass_on(delivery_id, passing)
        except DeliveryMovedError:
            room.pause(attempt)
    message = "Others pass this letter on at the same time; repeat the request."
    raise UnavailableError(message)


def _demand_possible(record: DeliveryRecord, unit: str, room: DeliveryRoom) -> None:
    delivery = record.delivery
    agency = room.directory.agency(delivery.recipient)
    if agency is None or agency.unit(unit) is None:
        raise InvalidRequestError([_UNKNOWN_UNIT])
    if delivery.state not in _HERE:
        raise conflict(_GONE.get(delivery.state, Why.NOT_ARRIVED))


_UNKNOWN_UNIT = FieldFault(
    "/unit",
    "unknown_unit",
    "Your agency has no such unit in the directory.",
    "ไม่มีหน่วยงานย่อยนี้ในทะเบียนหน่วยงานของท่าน",
)
