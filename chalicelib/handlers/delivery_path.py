"""What routes of outbox and inbox share: the delivery that a path names, searches, names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from chalicelib.domain.access import seen_wholly
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.thai import start_of_day
from chalicelib.handlers.delivery_models import (
    AskInbox,
    AskOutbox,
    ReceiptView,
    RejectionView,
)
from chalicelib.handlers.models import demand_ascending
from chalicelib.handlers.operations import Call, is_identifier
from chalicelib.ports import LetterSearch
from chalicelib.services.show_delivery import statements_of

_LONGEST = 200


def delivery_of(call: Call) -> DeliveryRecord:
    """The delivery that the path names; whose it is, is still to be asked. Raises
    NotFoundError."""
    record = call.house.deliveries.get(_delivery_id(call.path["delivery_id"]))
    if record is None:
        raise NotFoundError
    return record


def _delivery_id(text: str) -> DeliveryId:
    try:
        delivery_id = DeliveryId.parse(text[:_LONGEST])
    except ValueError:
        raise NotFoundError from None
    if not (is_identifier(delivery_id.document_id) and is_identifier(delivery_id.recipient)):
        raise NotFoundError
    return delivery_id


def name_of(call: Call) -> Callable[[str], str]:
    """Names of agencies as the directory has them; of one that is not there any more its id."""

    def name(agency_id: str) -> str:
        agency = call.house.directory.agency(agency_id)
        return agency.name_th if agency else agency_id

    return name


def letter_search(call: Call, asked: AskOutbox) -> LetterSearch:
    """What the caller looks for in its own outbox or inbox. Raises InvalidRequestError."""
    demand_ascending(asked.from_, asked.to)
    return LetterSearch(
        agency_id=call.caller.agency_id,
        state=DeliveryState(asked.state) if asked.state else None,
        text=asked.q,
        unit=asked.unit if isinstance(asked, AskInbox) else None,
        since=start_of_day(date.fromisoformat(asked.from_)) if asked.from_ else None,
        until=_end_of_day(date.fromisoformat(asked.to)) if asked.to else None,
        visible=seen_wholly(call.actors),
        named_for=call.caller.officer,
        limit=int(asked.limit),
        cursor=asked.cursor,
    )


def _end_of_day(day: date) -> datetime:
    return start_of_day(day) + timedelta(days=1, microseconds=-1)


def statements(
    call: Call, record: DeliveryRecord
) -> tuple[list[ReceiptView], RejectionView | None]:
    """What the recipient signed, ready to be shown."""
    stated = statements_of(record.delivery, deliveries=call.house.deliveries)
    receipts = [ReceiptView.of(jws, receipt) for jws, receipt in stated.receipts]
    return receipts, RejectionView.of(*stated.rejection) if stated.rejection else None
