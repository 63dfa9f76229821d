"""Letters of `slc` on their way to its recipients, on fakes; particulars are invented."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.bootstrap import House
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.delivery_events import DeliveryEvent
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import ChannelBusyError, ChannelRefusedError
from chalicelib.domain.registers import SEND, Book, Numbering
from chalicelib.domain.retention import LockMode
from chalicelib.services.deliver import deliver
from chalicelib.services.delivery_steps import take_step
from chalicelib.services.dispatch import Dispatched, dispatch
from tests.support.rooms import Fakes
from tests.support.samples import document

MONDAY = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
"""10:00 in Bangkok."""

BUSY = ChannelBusyError("The system does not answer.")
REFUSED = ChannelRefusedError("The system will never take it.")


def agency(agency_id: str, channel: ChannelKind, **more: Any) -> Agency:
    return Agency(
        agency_id=agency_id,
        name_th=f"หน่วยงาน {agency_id}",
        name_en=agency_id,
        channel=channel,
        inbox_url=f"memory:{agency_id}" if channel is ChannelKind.QUEUE else None,
        **more,
    )


AGENCIES = (
    agency("slc", ChannelKind.QUEUE),
    agency("dga", ChannelKind.HOSTED),
    agency("opm", ChannelKind.QUEUE),
    agency("web", ChannelKind.WEBHOOK),
    agency("old", ChannelKind.ECMS),
)


@dataclass
class Sending:
    """The fakes with a sender and its recipients, and what the functions would do there."""

    fakes: Fakes = field(default_factory=Fakes)

    def __post_init__(self) -> None:
        self.fakes.directory = MemoryDirectory(AGENCIES, ("root",))
        self.fakes.clock.now = MONDAY

    def house(self, wrap: Callable[[str, Any], Any] = lambda _name, port: port) -> House:
        """The house; its tries follow each other at once, and it believes every file."""
        house = self.fakes.house(wrap)
        steps = replace(house.delivery_room, pause=lambda _: None)
        vars(house)["delivery_room"] = steps
        vars(house)["dispatch_room"] = replace(house.dispatch_room, check_arrival=lambda _: None)
        return house

    def issue(
        self, *recipients: str, document_id: str = "L1", sender: str = "slc", **changes: Any
    ) -> Document:
        """A letter as `seal` leaves it."""
        file = self.fakes.archive.put_once(
            f"documents/{sender}/send/2026/{document_id}.pdf",
            f"%PDF- {document_id}".encode(),
            MONDAY + timedelta(days=3650),
            LockMode.COMPLIANCE,
        )
        numbering = Numbering(year=2026, number=12, printed="นร ๐๕๐๕/๑๒", numbered_at=MONDAY)
        base = document(document_id, agency_id=sender, at=MONDAY, recipients=recipients)
        letter = replace(base, **{"book": Book(sender, SEND), **changes})
        issued = letter.numbered(numbering)
        issued = issued.issued(file, MONDAY)
        assert issued.state is DocumentState.ISSUED
        self.fakes.ledger.add(issued, None)
        return issued

    def send(self, *recipients: str, **letter: Any) -> DeliveryId:
        """A letter whose deliveries `deliver` has planned; the first of them."""
        issued = self.issue(*recipients, **letter)
        deliver(issued.document_id, courier=self.house().courier)
        return DeliveryId(issued.document_id, recipients[0])

    def dispatch(self, delivery_id: DeliveryId, house: House | None = None) -> Dispatched:
        return dispatch(delivery_id, room=(house or self.house()).dispatch_room)

    def dispatch_until(self, delivery_id: DeliveryId, until: datetime) -> Counter[str]:
        """As `sweep` would have it: look whenever it is due, up to `until`. What the supervisor
        heard of."""
        heard: Counter[str] = Counter()
        for _ in range(1_000):
            due_at = self.record(delivery_id).due_at
            if due_at is None or due_at > until:
                self.fakes.clock.now = max(self.fakes.clock.now, until)
                return heard
            self.fakes.clock.now = max(self.fakes.clock.now, due_at)
            done = self.dispatch(delivery_id)
            heard += Counter(
                failed=done.failed, escalated=done.escalated, untellable=done.untellable
            )
        raise AssertionError("it is due for ever")

    def happens(
        self, delivery_id: DeliveryId, event: DeliveryEvent, statement: str | None = None
    ) -> Delivery:
        room = self.house().delivery_room
        return take_step(delivery_id, lambda _: event, room=room, statement=statement).delivery

    def record(self, delivery_id: DeliveryId) -> DeliveryRecord:
        found = self.fakes.deliveries.get(delivery_id)
        assert found is not None
        return found

    def delivery(self, delivery_id: DeliveryId) -> Delivery:
        return self.record(delivery_id).delivery

    def told(self, agency_id: str) -> list[str]:
        """What an agency's system was told: `<delivery>.<what>`, in order."""
        return [event["id"] for event in self.events(agency_id)]

    def events(self, agency_id: str) -> list[dict[str, Any]]:
        return [json.loads(e) for agency, _, e in self.fakes.channels.events if agency == agency_id]
