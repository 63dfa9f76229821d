"""P5, P8 with nothing faked: letters on real tables, buckets, keys and queues.

Every call that registering, and dispatching, make to AWS is found by running them once; then
each is killed before and after each call, on a delivery of its own, and runs again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.verify_function import fetch
from chalicelib.bootstrap import House
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.registers import SEND, Book
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.verdict import CheckedFile
from chalicelib.services.audit import audit
from chalicelib.services.check_file import check_file
from chalicelib.services.dispatch import dispatch
from chalicelib.services.register_letter import Receiver, register_letter
from tests.fault.test_kill_on_aws import FUNCTIONS, Gun, Killed, Site, gun, site
from tests.support.rooms import sample_event
from tests.support.samples import AGENCIES, document

__all__ = ["gun", "site"]

pytestmark = pytest.mark.aws

_CLERK = Receiver(name="นางสาวรับ ตัวอย่าง", subject="clerk-7")
_RECIPIENTS = 40


@dataclass
class CheckedOnce:
    """Port: FileChecker. Really verifies the archived letter, once: all get the same file."""

    known: list[CheckedFile] = field(default_factory=list)

    def check_linked(self, link: str, anchors: Sequence[str]) -> CheckedFile:
        if not self.known:
            self.known.append(check_file(fetch(link), anchors, reader=PadesValidator()))
        return self.known[0]


@dataclass
class Sent:
    """One letter to many agencies that are hosted here, each with a register of its own."""

    house: House
    document_id: str
    unused: Iterator[str]

    def delivery(self) -> DeliveryId:
        """One that nobody has touched."""
        return DeliveryId(self.document_id, next(self.unused))

    def state(self, delivery_id: DeliveryId) -> DeliveryState:
        record = self.house.deliveries.get(delivery_id)
        assert record is not None
        return record.delivery.state


@pytest.fixture(scope="module")
def sent(site: Site) -> Sent:
    house = site.house
    vars(house)["file_checker"] = CheckedOnce()
    seals = house.directory.agency("diw")
    assert seals is not None
    sender = replace(seals, letter_prefix="อก ๐๓๐๒", channel=ChannelKind.HOSTED)
    house.directory.put_agency(sender)
    recipients = tuple(f"r{n}" for n in range(_RECIPIENTS))
    for recipient in recipients:
        house.directory.put_agency(replace(AGENCIES[3], agency_id=recipient))
    letter = replace(
        document(
            house.ids.document_id(),
            recipients=recipients,
            content=json.loads(sample_event("api")["body"])["content"],
            at=datetime.now(UTC),
        ),
        book=Book("diw", SEND),
        verification_code=house.ids.verification_code(),
    )
    house.documents.add(letter, None)
    for function in FUNCTIONS:
        site.run(function, [letter])
    return Sent(house, letter.document_id, iter(recipients))


def _dispatch(sent: Sent, delivery_id: DeliveryId) -> None:
    dispatch(delivery_id, room=sent.house.dispatch_room)


def _register(sent: Sent, delivery_id: DeliveryId) -> str:
    return register_letter(delivery_id, receiver=_CLERK, room=sent.house.receiving_room).jws


Act = Callable[[Sent, DeliveryId], object]

PREPARED: dict[str, tuple[list[Act], Act]] = {
    "dispatch": ([], _dispatch),
    "register": ([_dispatch], _register),
}
"""What came before, and what is killed."""


@pytest.mark.parametrize("what", PREPARED)
def test_killed_before_and_after_every_call_to_aws(what: str, sent: Sent, gun: Gun) -> None:
    """P5, P8, A1: one outcome, one number, one receipt, and the audit finds nothing, whenever
    it dies."""
    before, act = PREPARED[what]
    moments = _moments(sent, before, act, gun)
    assert len(moments) >= 6
    for moment in range(len(moments)):
        delivery_id = sent.delivery()
        for earlier in before:
            earlier(sent, delivery_id)
        with gun.aimed(moment), pytest.raises(Killed):
            act(sent, delivery_id)
        for step in (_dispatch, _register, _dispatch):
            step(sent, delivery_id)
        assert _problems(sent, delivery_id) == [], f"{what} killed {moments[moment]}"


def _moments(sent: Sent, before: list[Act], act: Act, gun: Gun) -> list[str]:
    """What an undisturbed run asks of AWS, once everything is read that is read only once."""
    for _ in range(2):
        delivery_id = sent.delivery()
        for earlier in before:
            earlier(sent, delivery_id)
        with gun.aimed(None):
            act(sent, delivery_id)
    return gun.seen


def _problems(sent: Sent, delivery_id: DeliveryId) -> list[str]:
    """What is wrong with a delivery that was registered, and with its recipient's register."""
    found = []
    register = Book(delivery_id.recipient, "receive").at(datetime.now(UTC))
    entries = sent.house.registers.entries(register)
    receipt = _register(sent, delivery_id)
    if [(e.number, e.file_digest) for e in entries] != [(1, jws_digest(receipt))]:
        found.append(f"the receive register holds {entries}")
    if sent.state(delivery_id) is not DeliveryState.HANDED_OVER:
        found.append(f"the delivery is {sent.state(delivery_id)}")
    report = audit(register, room=sent.house.audit_room)
    return [*found, *(str(finding) for finding in report.findings)]


def test_the_audit_of_the_sender_finds_nothing_afterwards(sent: Sent) -> None:
    """P5, B9: after all these deaths evidence, statements and archive agree for every recipient."""
    register = Book("diw", SEND).at(datetime.now(UTC))
    report = audit(register, room=sent.house.audit_room)
    assert report.findings == ()
    assert report.counts["deliveries"] == _RECIPIENTS
