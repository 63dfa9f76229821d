"""Letters that lie with their recipients, on fakes: a hosted agency's inbox, and an agency with
its own system and key. Particulars are invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.jws import check_jws
from chalicelib.adapters.memory import CountingIds, MemoryDirectory
from chalicelib.bootstrap import House
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId, RetryBudget, SentLetter, plan
from chalicelib.domain.delivery_chain import check_chain
from chalicelib.domain.delivery_events import Consigned, Received
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import Agency, Unit
from chalicelib.domain.documents import Change, DocumentState
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.receipts import (
    Receipt,
    Rejection,
    RejectionReason,
    make_receipt,
    make_rejection,
    print_receive_number,
)
from chalicelib.domain.registers import SEND, Book, Numbering, Register
from chalicelib.domain.retention import LockMode
from chalicelib.services.delivery_steps import received_at, take_step
from chalicelib.services.register_letter import Receiver
from tests.fault.harness import Danger
from tests.support.delivering import Signer
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes
from tests.support.samples import document

SENT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
"""A Monday, 10:00 in Bangkok."""

CLERK = Receiver(name="นางสาวรับ ตัวอย่าง", subject="clerk-7")

SENDER = Agency(
    agency_id="slc", name_th="สำนักเลขาธิการคณะรัฐมนตรี", name_en="Cabinet", letter_prefix="นร ๐๕๐๕"
)
HOSTED = Agency(
    agency_id="dga",
    name_th="สำนักงานพัฒนารัฐบาลดิจิทัล",
    name_en="DGA",
    letter_prefix="สพร ๒๕๖๓",
    units=(Unit("saraban", "งานสารบรรณ"), Unit("law", "ฝ่ายกฎหมาย")),
)


def _same(_name: str, port: Any) -> Any:
    return port


@dataclass
class Intruder(Danger):
    """Kills nobody: lets somebody else act, whole, at the chosen moment of a running function."""

    act: Callable[[], Any] = lambda: None

    def pass_by(self, what: str) -> None:
        mine, self.moment = self.moment, self.moment + 1
        if mine == self.kill_at:
            self.act()


@dataclass
class Post:
    """The fakes with a sender, a hosted recipient `dga`, and `opm` and `rd`, whose own systems
    have keys."""

    keys: dict[str, Signer] = field(
        default_factory=lambda: {"opm": Signer("opm-1"), "rd": Signer("rd-1")}
    )
    fakes: Fakes = field(default_factory=lambda: Fakes(signer=LocalSigner()))
    ids: CountingIds = field(default_factory=CountingIds)

    def __post_init__(self) -> None:
        own = [
            Agency(
                agency_id=agency_id,
                name_th=f"หน่วยงาน {agency_id}",
                name_en=agency_id,
                channel=ChannelKind.QUEUE,
                inbox_url=f"memory:{agency_id}",
                reply_keys=tuple(key.jwks["keys"]),
            )
            for agency_id, key in self.keys.items()
        ]
        self.fakes.directory = MemoryDirectory((SENDER, HOSTED, *own), ())
        self.fakes.clock.now = SENT

    def house(self, wrap: Callable[[str, Any], Any] = _same) -> House:
        """The house, whose tries follow each other at once."""
        house = self.fakes.house(wrap)
        vars(house)["ids"] = self.ids
        vars(house)["delivery_room"] = replace(house.delivery_room, pause=lambda _: None)
        return house

    def letter(self, document_id: str = "01HLETTER", number: int = 12) -> SentLetter:
        """An issued letter, its sealed file in the archive."""
        file = self.fakes.archive.put_once(
            f"documents/slc/send/2026/{document_id}.pdf",
            f"%PDF- {document_id}\n%sealed key-slc 1".encode(),
            SENT + timedelta(days=3650),
            LockMode.COMPLIANCE,
        )
        issued = replace(
            document(document_id, agency_id="slc", at=SENT),
            book=Book("slc", SEND),
            state=DocumentState.ISSUED,
            history=(Change(DocumentState.ISSUED, SENT),),
            numbering=Numbering(
                year=2026, number=number, printed=f"นร ๐๕๐๕/{number}", numbered_at=SENT
            ),
            file=file,
        )
        self.fakes.ledger.add(issued, None)
        return SentLetter.of(issued, subject="ขอเชิญประชุม")

    def planned(self, recipient: str = "dga", **letter: Any) -> DeliveryId:
        """A delivery that nobody has sent yet."""
        now = self.fakes.clock()
        moved = plan(
            self.letter(**letter),
            recipient,
            self.agency(recipient).reached_by,
            at=now,
            budget=RetryBudget(now + timedelta(days=3)),
        )
        room = self.house().delivery_room
        delivery, (jws,) = give_evidence(moved, issuer=room.public_url, sign=room.signer.sign)
        salt = self.ids.salt()
        self.fakes.deliveries.plan([(delivery, jws, salt)], now + timedelta(minutes=5))
        return delivery.id

    def arrived(self, recipient: str = "dga", **letter: Any) -> DeliveryId:
        """A delivery that lies in the recipient's system."""
        delivery_id = self.planned(recipient, **letter)
        self.arrive(delivery_id)
        return delivery_id

    def arrive(self, delivery_id: DeliveryId) -> None:
        now, room = self.fakes.clock(), self.house().delivery_room
        received = received_at(self.agency(delivery_id.recipient), now, room=room)
        take_step(delivery_id, lambda _: Consigned(at=now, received=received), room=room)

    def agency(self, agency_id: str) -> Agency:
        agency = self.fakes.directory.agency(agency_id)
        assert agency is not None
        return agency

    def record(self, delivery_id: DeliveryId) -> DeliveryRecord:
        record = self.fakes.deliveries.get(delivery_id)
        assert record is not None
        return record

    def delivery(self, delivery_id: DeliveryId) -> Delivery:
        return self.record(delivery_id).delivery

    def register(self, year: int = 2026) -> Register:
        """The hosted agency's receive register."""
        return Register("dga", "receive", year)

    # -- what an agency's own system says --------------------------------------

    def receipt(self, of: DeliveryId, number: int = 44, **changes: Any) -> Receipt:
        """A receipt as the recipient's system makes it now."""
        delivery, now = self.delivery(of), self.fakes.clock()
        made = make_receipt(
            delivery,
            received=delivery.received or Received(now, now),
            year=2026,
            number=number,
            printed=print_receive_number(2026, number, None),
            registered_at=now,
            receiver="นายรับเอง ตัวอย่าง",
            agency_name="หน่วยงานตัวอย่าง",
        )
        return replace(made, **changes)

    def rejection(self, of: DeliveryId, **changes: Any) -> Rejection:
        delivery, now = self.delivery(of), self.fakes.clock()
        made = make_rejection(
            delivery,
            received=delivery.received or Received(now, now),
            rejected_at=now,
            code=RejectionReason.ILLEGIBLE,
        )
        return replace(made, **changes)

    def signed(self, said: Receipt | Rejection, by: str = "opm") -> str:
        return self.keys[by].sign(said.payload())

    # -- whether all is well ---------------------------------------------------

    def faults(self) -> list[str]:
        """What is wrong with any delivery or with the receive registers; nothing should be."""
        return [
            *(f for record in self._records() for f in self._delivery_faults(record)),
            *(f for year in (2026, 2027) for f in self._register_faults(self.register(year))),
        ]

    def _records(self) -> list[DeliveryRecord]:
        # More than any test makes.
        due = self.fakes.deliveries.due(SENT + timedelta(days=9999), 9999)
        return [self.record(delivery_id) for delivery_id in due]

    def _delivery_faults(self, record: DeliveryRecord) -> list[str]:
        delivery = record.delivery
        statements = self.fakes.deliveries.statements(delivery.id)
        report = check_chain(
            self.fakes.deliveries.evidence(delivery.id),
            delivery_id=delivery.id,
            letter=delivery.letter,
            verify=self._verify,
            statements=statements,
        )
        faults = [f.fault.value for f in report.findings if not f.fault.is_warning]
        if report.state is not delivery.state:
            faults.append(f"the evidence leads to {report.state}, not to {delivery.state}")
        stated = len(delivery.receipts) + (delivery.state is DeliveryState.REJECTED)
        if len(statements) != stated:
            faults.append(f"{len(statements)} statements are kept, and {stated} count")
        return [f"{delivery.id}: {fault}" for fault in faults]

    def _verify(self, jws: str) -> bytes:
        return check_jws(jws, self.fakes.signer.jwks())

    def _register_faults(self, register: Register) -> list[str]:
        entries = self.fakes.ledger.entries(register, limit=9999)
        numbers = [entry.number for entry in entries]
        faults = []
        if numbers != list(range(1, len(numbers) + 1)):
            faults.append(f"{register.register_id} has the numbers {numbers}")
        for entry in entries:
            delivery = self.delivery(DeliveryId.parse(entry.delivery_id or ""))
            notes = {(n.year, n.number): n.digest for n in delivery.receipts}
            if notes.get((register.year, entry.number)) != entry.file_digest:
                faults.append(f"{entry.number} is told by no receipt")
        return faults
