"""Letters on their way between agencies, for tests of what reads them. Each step is decided,
signed and written as the services do it; who takes it is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib.bootstrap import House
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId, Moved, RetryBudget, SentLetter, happen, plan
from chalicelib.domain.deliveries import resend as resend_delivery
from chalicelib.domain.delivery_events import Consigned, DeliveryEvent, HandedOver, Received
from chalicelib.domain.delivery_evidence import as_told, give_evidence
from chalicelib.domain.delivery_records import (
    DeliveryChange,
    DeliveryRecord,
    archive_prefix,
    evidence_name,
    statement_name,
)
from chalicelib.domain.documents import Document
from chalicelib.domain.receipts import (
    Receipt,
    RejectionReason,
    make_receipt,
    make_rejection,
    print_receive_number,
)
from chalicelib.domain.receive_register import receive_book, receive_line
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.thai import register_year
from chalicelib.ports import EvidenceSigner
from tests.support.evidence import LocalSigner

_ISSUER = "https://tra.test"
_DUE = timedelta(hours=1)


@dataclass
class Mail:
    """Moves deliveries in the stores of a house."""

    house: House
    own: EvidenceSigner = field(default_factory=LocalSigner)
    """The key of agencies that have a system of their own."""

    def send(
        self, document: Document, channels: Mapping[str, ChannelKind], *, attempt: int = 1
    ) -> list[DeliveryId]:
        """Plan a delivery to each of these agencies."""
        letter, now = SentLetter.of(document, subject="เชิญประชุม"), self.house.clock()
        budget = RetryBudget(now + timedelta(days=3))
        return [
            self._begin(plan(letter, agency, channel, at=now, budget=budget, attempt=attempt))
            for agency, channel in channels.items()
        ]

    def resend(self, delivery_id: DeliveryId) -> DeliveryId:
        now = self.house.clock()
        ended = self.record(delivery_id).delivery
        return self._begin(
            resend_delivery(ended, at=now, budget=RetryBudget(now + timedelta(days=3)))
        )

    def record(self, delivery_id: DeliveryId) -> DeliveryRecord:
        found = self.house.deliveries.get(delivery_id)
        assert found is not None
        return found

    def happens(
        self, delivery_id: DeliveryId, event: DeliveryEvent, statement: str | None = None
    ) -> None:
        self.house.deliveries.write(self._change(delivery_id, event, statement))

    def arrives(self, delivery_id: DeliveryId) -> None:
        now = self.house.clock()
        self.happens(delivery_id, Consigned(at=now, received=as_told(Received(now, now))))

    def is_registered(self, delivery_id: DeliveryId) -> int:
        """By a clerk here, or by the agency's own system; the number it got."""
        record, now = self.record(delivery_id), self.house.clock()
        hosted = record.delivery.channel is ChannelKind.HOSTED
        register = receive_book(delivery_id.recipient).at(now)
        head = self.house.registers.head(register)
        number = head.last_number + 1 if hosted else 4711
        receipt = self._receipt(record, number)
        jws = (self.house.evidence_signer if hosted else self.own).sign(receipt.payload())
        event = HandedOver(at=now, receipt=receipt.note(jws))
        if not hosted:
            self.happens(delivery_id, event, jws)
            return number
        entry = receive_line(record, receipt, jws, at=now, sender_name="กรม", by="clerk-1")
        self.house.deliveries.register(self._change(delivery_id, event, jws), entry, head)
        return number

    def is_rejected(self, delivery_id: DeliveryId) -> None:
        now = self.house.clock()
        rejection = make_rejection(
            self.record(delivery_id).delivery,
            received=Received(now, now),
            rejected_at=now,
            code=RejectionReason.ILLEGIBLE,
        )
        jws = self.house.evidence_signer.sign(rejection.payload())
        self.happens(delivery_id, rejection.event(jws, now), jws)

    def is_settled(self, delivery_id: DeliveryId) -> None:
        """Evidence and statements lie beside the letter, locked as long; nothing is left to do."""
        delivery, deliveries = self.record(delivery_id).delivery, self.house.deliveries
        files = archived_files(deliveries.evidence(delivery_id), deliveries.statements(delivery_id))
        until = delivery.letter.retain_until
        assert until is not None
        for name, jws in files.items():
            key = archive_prefix(delivery_id) + name
            self.house.archive.put_once(
                key,
                jws.encode(),
                until,
                self.house.settings.lock_mode,
                media_type="application/jose",
            )
        deliveries.mark_archived(delivery_id, list(files))
        due_at = None if delivery.state.ended else self.house.clock() + _DUE
        deliveries.look_again(delivery, due_at)

    # ------------------------------------------------------------------------

    def _begin(self, moved: Moved) -> DeliveryId:
        delivery, (evidence,) = give_evidence(
            moved, issuer=_ISSUER, sign=self.house.evidence_signer.sign
        )
        self.house.deliveries.plan(
            [(delivery, evidence, self.house.ids.salt())], self.house.clock() + _DUE
        )
        return delivery.id

    def _change(
        self, delivery_id: DeliveryId, event: DeliveryEvent, statement: str | None
    ) -> DeliveryChange:
        seen = self.record(delivery_id).delivery
        moved = happen(seen, event)
        assert isinstance(moved, Moved), moved
        delivery, evidence = give_evidence(
            moved, issuer=_ISSUER, sign=self.house.evidence_signer.sign
        )
        return DeliveryChange(
            seen=seen,
            delivery=delivery,
            evidence=evidence,
            statement=statement,
            due_at=self.house.clock() + _DUE,
        )

    def _receipt(self, record: DeliveryRecord, number: int) -> Receipt:
        now = self.house.clock()
        year = register_year(now)
        received = record.delivery.received
        assert received is not None
        return make_receipt(
            record.delivery,
            received=received,
            year=year,
            number=number,
            printed=print_receive_number(year, number, None),
            registered_at=now,
            receiver="เจ้าหน้าที่สารบรรณ",
            agency_name=record.delivery.recipient,
        )


def archived_files(chain: tuple[str, ...], statements: tuple[str, ...]) -> dict[str, str]:
    """Names and contents of what lies beside a letter of one delivery."""
    return {
        **{evidence_name(place): jws for place, jws in enumerate(chain)},
        **{statement_name(jws_digest(jws)): jws for jws in statements},
    }
