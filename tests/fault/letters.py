"""Letters between agencies, with everything that can go wrong around the functions.

`LetterWorld` has recipients of three kinds: one hosted here, whose clerk registers through the
service; one with a queue, and one with a webhook, whose own systems (`OwnSystem`) keep registers
of their own, sign with keys of their own, and drop what they have seen. `audit_letters` is what
must hold in the end, whatever died.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.bootstrap import House
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import Received
from chalicelib.domain.delivery_messages import (
    DELIVERED,
    FAILED,
    RECALLED,
    RECEIPT_ISSUED,
    REJECTED,
)
from chalicelib.domain.delivery_notices import notices
from chalicelib.domain.delivery_records import DeliveryRecord, archive_prefix, statement_name
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document, archive_key
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import AnswerRefusedError, ChannelBusyError
from chalicelib.domain.findings import Fault
from chalicelib.domain.receipts import Receipt, Rejection, RejectionReason, print_receive_number
from chalicelib.domain.registers import RECEIVE, SEND, Book
from chalicelib.domain.statements import claimed_payload, to_the_millisecond
from chalicelib.domain.thai import register_year
from chalicelib.ports import LetterSearch, Search
from chalicelib.services.audit import audit
from chalicelib.services.register_letter import Receiver, register_letter
from chalicelib.services.reject_letter import RejectionRequest, reject_letter
from chalicelib.services.take_answer import AnswerKind, take_answer
from tests.fault.harness import Danger, World
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes
from tests.support.samples import AGENCIES, document

SENDER, HOSTED, QUEUED, HOOKED = "diw", "dbd", "rd", "opm"
CLERK = Receiver(name="นางสาวรับ ตัวอย่าง", subject="clerk-7")
BOOK = Book(SENDER, SEND)

_EVERYTHING = 10**6

Act = Callable[[str], str]
"""What a recipient does with a delivery (its id): `register`, `reject`, or `wait`."""


def always_register(_delivery_id: str) -> str:
    return "register"


@dataclass
class OwnSystem:
    """An agency's own system, as an honest one is: what came before it drops, and what it has
    answered it answers again.

    `answers` are its statements as first signed, by delivery; `unsent` are those to be brought,
    and `refused` those that were not believed, with the reason.
    """

    agency_id: str
    clock: Callable[[], datetime]
    act: Act = always_register
    signer: LocalSigner = field(default_factory=LocalSigner)
    taken: dict[str, bytes] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    answers: dict[str, tuple[AnswerKind, str]] = field(default_factory=dict)
    unsent: list[tuple[str, AnswerKind, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def take(self, event: bytes) -> None:
        """A CloudEvent comes in, perhaps again."""
        told = json.loads(event)
        if told["id"] in self.taken:
            if self.taken[told["id"]] != event:
                self.complaints.append(f"{told['id']} came in two versions")
            return
        self.taken[told["id"]] = event
        if told["type"] == DELIVERED:
            self._answer(told["data"])

    def _answer(self, told: Mapping[str, Any]) -> None:
        delivery_id, now = told["delivery_id"], to_the_millisecond(self.clock())
        about = {
            "delivery_id": DeliveryId.parse(delivery_id),
            "sender": told["sender"],
            "letter_number": told["letter_number"],
            "letter_date": date.fromisoformat(told["letter_date"]),
            "file_digest": told["file_digest"].removeprefix("sha-256:"),
            "received": Received(now, now),
        }
        match self.act(delivery_id):
            case "register":
                self._say(delivery_id, AnswerKind.RECEIPT, self._receipt(about, now))
            case "reject":
                said = Rejection(**about, rejected_at=now, code=RejectionReason.ILLEGIBLE)
                self._say(delivery_id, AnswerKind.REJECTION, said)

    def _receipt(self, about: Mapping[str, Any], now: datetime) -> Receipt:
        number, year = len(self.numbers) + 1, register_year(now)
        self.numbers[str(about["delivery_id"])] = number
        return Receipt(
            **about,
            year=year,
            number=number,
            printed=print_receive_number(year, number, None),
            registered_at=now,
            receiver="นายรับเอง ตัวอย่าง",
            agency_name=self.agency_id,
        )

    def _say(self, delivery_id: str, kind: AnswerKind, said: Receipt | Rejection) -> None:
        jws = self.signer.sign(said.payload())
        self.answers[delivery_id] = kind, jws
        self.unsent.append((delivery_id, kind, jws))

    def say_again(self, delivery_id: str) -> None:
        """The same answer, signed anew: other bytes (ECDSA never signs alike)."""
        kind, jws = self.answers[delivery_id]
        self.unsent.append((delivery_id, kind, self.signer.sign(claimed_payload(jws))))


@dataclass
class Roads:
    """Port: Channels, to own systems. `moods` say what a channel does next: `busy` takes
    nothing, `deaf` takes it and is not heard."""

    world: LetterWorld
    moods: dict[str, list[str]] = field(default_factory=dict)

    def hand_in(self, agency: Agency, kind: ChannelKind, event: bytes) -> None:
        if kind is ChannelKind.HOSTED:
            return
        waiting = self.moods.get(agency.agency_id)
        mood = waiting.pop(0) if waiting else ""
        if mood == "busy":
            raise ChannelBusyError("The recipient's system does not answer.")
        self.world.watch(event)
        self.world.systems[agency.agency_id].take(event)
        if mood == "deaf":
            raise ChannelBusyError("The recipient's system did not answer in time.")


class LetterWorld(World):
    """The functions on fakes, and the agencies around them.

    `confirmed` is what each who answered was given as the statement that stands; `wrong` is
    what was seen to be wrong on the way.
    """

    def __init__(self, acts: Mapping[str, Act] | None = None) -> None:
        super().__init__(Fakes(signer=LocalSigner()))
        acts = acts or {}
        self.hosted_act = acts.get(HOSTED, always_register)
        self.systems = {
            agency: OwnSystem(agency, self.fakes.clock, acts.get(agency, always_register))
            for agency in (SENDER, QUEUED, HOOKED)
        }
        self.fakes.directory = MemoryDirectory(self._agencies(), ("root",))
        self.roads = Roads(self)
        self.fakes.channels = self.roads  # type: ignore[assignment]  # in place of the plain fake
        self.confirmed: dict[str, str] = {}
        self.wrong: list[str] = []

    def _agencies(self) -> list[Agency]:
        keys = {name: tuple(one.signer.jwks()["keys"]) for name, one in self.systems.items()}
        hooked = Agency(
            agency_id=HOOKED,
            name_th="สำนักนายกรัฐมนตรี",
            name_en="Office of the Prime Minister",
            channel=ChannelKind.WEBHOOK,
            webhook_url="https://opm.test/tra",
            reply_keys=keys[HOOKED],
        )
        return [
            replace(AGENCIES[0], letter_prefix="อก ๐๓๐๒", reply_keys=keys[SENDER]),
            replace(AGENCIES[1], channel=ChannelKind.HOSTED, inbox_url=None),
            replace(AGENCIES[2], reply_keys=keys[QUEUED]),
            hooked,
        ]

    def house(self, danger: Danger | None = None) -> House:
        """A house whose tries follow each other at once."""
        house = self.fakes.house((danger or Danger()).wrap)
        vars(house)["delivery_room"] = replace(house.delivery_room, pause=lambda _: None)
        return house

    def letter(
        self, document_id: str, recipients: tuple[str, ...] = (HOSTED, QUEUED, HOOKED)
    ) -> Document:
        made = document(document_id, at=self.fakes.clock(), recipients=recipients)
        return replace(made, book=BOOK)

    def record(self, delivery_id: str) -> DeliveryRecord:
        found = self.fakes.deliveries.get(DeliveryId.parse(delivery_id))
        assert found is not None
        return found

    # -- recipients ----------------------------------------------------------

    def visit_inbox(self, danger: Danger | None = None) -> int:
        """The clerk of the hosted agency registers or rejects what lies there; how many."""
        house, settled = self.house(danger), 0
        search = LetterSearch(
            agency_id=HOSTED, state=DeliveryState.CONSIGNED, limit=_EVERYTHING
        )
        for record in self.fakes.deliveries.inbox(search).records:
            act = self.hosted_act(record.delivery.delivery_id)
            if act != "wait":
                self._settle(record.delivery.id, act, house)
                settled += 1
        return settled

    def _settle(self, delivery_id: DeliveryId, act: str, house: House) -> None:
        if act == "register":
            jws = register_letter(delivery_id, receiver=CLERK, room=house.receiving_room).jws
        else:
            request = RejectionRequest(code=RejectionReason.ILLEGIBLE)
            jws = reject_letter(delivery_id, request, room=house.delivery_room).jws
        self._confirm(delivery_id, jws)

    def bring_answers(self, danger: Danger | None = None) -> int:
        """Own systems bring what they have to say, each until it was heard; how many."""
        house, brought = self.house(danger), 0
        for system in self.systems.values():
            while system.unsent:
                delivery_id, kind, jws = system.unsent[0]
                self._bring(system, DeliveryId.parse(delivery_id), kind, jws, house)
                system.unsent.pop(0)
                brought += 1
        return brought

    def _bring(
        self, system: OwnSystem, delivery_id: DeliveryId, kind: AnswerKind, jws: str, house: House
    ) -> None:
        try:
            answered = take_answer(
                jws,
                kind,
                delivery_id=delivery_id,
                brought_by=system.agency_id,
                room=house.answer_room,
            )
        except AnswerRefusedError as error:
            system.refused.append((str(delivery_id), error.reason))
        else:
            self._confirm(delivery_id, answered.jws)

    def _confirm(self, delivery_id: DeliveryId, jws: str) -> None:
        """Whoever asks again gets the original, byte for byte (P5)."""
        if self.confirmed.setdefault(str(delivery_id), jws) != jws:
            self.wrong.append(f"{delivery_id} is confirmed in two versions")

    # -- watching --------------------------------------------------------------

    def watch(self, event: bytes) -> None:
        """Nothing is told before it is safe (P3): asked at the moment it leaves."""
        told = json.loads(event)
        fault = self._too_early(told["type"], told["data"])
        if fault:
            self.wrong.append(f"{told['id']} left too early: {fault}")

    def _too_early(self, kind: str, told: Mapping[str, Any]) -> str:
        letter = self.fakes.ledger.get(told["document_id"])
        if letter is None or letter.file is None:
            return "the letter is not issued"
        if self.fakes.archive.find(archive_key(letter)) != letter.file:
            return "the letter is not in the archive"
        delivery = self.record(told["delivery_id"]).delivery
        if delivery.state not in _TOLD_WHEN.get(kind, _ALL_STATES):
            return f"the delivery is {delivery.state}"
        if kind in {RECEIPT_ISSUED, REJECTED}:
            key = archive_prefix(delivery.id) + statement_name(delivery.statement or "")
            if key not in self.fakes.archive.files:
                return "what was stated is not in the archive"
        return ""

    # -- rest ------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Functions, clerks and systems work until nothing moves, and again after `sweep` has
        looked for what lost its message."""
        for _ in range(40):
            self._work_on()
            if not self.fakes.deliveries.due(self.fakes.clock() + timedelta(days=400), 1):
                if not self._is_anything_unsettled():
                    return
            self.sweep()
        raise AssertionError("the deliveries never come to rest")

    def _work_on(self) -> None:
        while True:
            self.run_to_rest()
            if not self.visit_inbox() + self.bring_answers():
                return

    def _is_anything_unsettled(self) -> bool:
        return bool(self.fakes.ledger.unsettled(self.fakes.clock() + timedelta(days=365), 1))


_ALL_STATES = frozenset(DeliveryState)
_TOLD_WHEN: Mapping[str, frozenset[DeliveryState]] = {
    RECEIPT_ISSUED: frozenset({DeliveryState.HANDED_OVER}),
    REJECTED: frozenset({DeliveryState.REJECTED}),
    FAILED: frozenset({DeliveryState.FAILED}),
    RECALLED: frozenset({DeliveryState.RECALLED}),
}
"""In which states of a delivery what tells its outcome may leave."""


# -- judgement -------------------------------------------------------------------------


def audit_letters(world: LetterWorld) -> list[str]:
    """What is wrong with any letter, delivery, receipt or register; nothing should be."""
    return [
        *world.wrong,
        *(complaint for system in world.systems.values() for complaint in system.complaints),
        *_audit_registers(world),
        *_audit_letters(world),
        *_audit_messages(world),
        *_audit_answers(world),
    ]


def _audit_registers(world: LetterWorld) -> Iterator[str]:
    """As in production, every register."""
    room = world.fakes.house().audit_room
    for register in world.fakes.ledger.registers():
        for found in audit(register, room=room).findings:
            if found.fault is not Fault.RECORD_BEHIND:  # nobody renews here
                yield f"{register.register_id} {found.fault} at {found.number} {found.place}"


def _audit_letters(world: LetterWorld) -> Iterator[str]:
    search = Search(agency_id=SENDER, limit=_EVERYTHING)
    for letter in world.fakes.ledger.search(search).documents:
        if not letter.state.ended:
            yield f"{letter.document_id} rests as {letter.state}"
        if letter.file is None:
            continue
        records = world.fakes.deliveries.of_letter(letter.document_id, limit=_EVERYTHING).records
        if {record.delivery.recipient for record in records} != set(letter.recipients):
            yield f"{letter.document_id} was not sent to all"
        for record in records:
            yield from _audit_delivery(world, record)


def _audit_delivery(world: LetterWorld, record: DeliveryRecord) -> Iterator[str]:
    """Exactly one outcome, all of it archived, and everybody told who has to be."""
    delivery = record.delivery
    name = delivery.delivery_id
    if not delivery.state.ended:
        yield f"{name} rests as {delivery.state}"
    stated = len({*(r.digest for r in delivery.receipts), delivery.statement} - {None})
    if len(record.archived) != delivery.evidence_count + stated:
        yield f"{name} has {sorted(record.archived)} in the archive"
    for notice in notices(delivery):
        system = world.systems.get(notice.to)
        if system is not None and f"{name}.{notice.key}" not in system.taken:
            yield f"{name}.{notice.key} was never told"


def _audit_messages(world: LetterWorld) -> Iterator[str]:
    """What was told is so in the end."""
    for system in world.systems.values():
        for event in system.taken.values():
            told = json.loads(event)
            state = world.record(told["subject"]).delivery.state
            if state not in _TOLD_WHEN.get(told["type"], _ALL_STATES):
                yield f"{told['id']} is told, and the delivery is {state}"


def _audit_answers(world: LetterWorld) -> Iterator[str]:
    """What a recipient holds for true is what stands here, or was refused and is kept."""
    for system in world.systems.values():
        for delivery_id, (kind, jws) in system.answers.items():
            fault = _fault_of_answer(world, system, delivery_id, kind, jws)
            if fault:
                yield f"{delivery_id}: {fault}"
    for register in world.fakes.ledger.registers():
        if register.book == RECEIVE:
            for entry in world.fakes.ledger.entries(register, limit=_EVERYTHING):
                if entry.delivery_id not in world.confirmed:
                    yield f"{entry.delivery_id} has a number, and its clerk no receipt"


def _fault_of_answer(
    world: LetterWorld, system: OwnSystem, delivery_id: str, kind: AnswerKind, jws: str
) -> str:
    record = world.record(delivery_id)
    said = DeliveryState.HANDED_OVER if kind is AnswerKind.RECEIPT else DeliveryState.REJECTED
    if record.delivery.state is said:
        kept = world.fakes.deliveries.statements(record.delivery.id)
        return "" if jws in kept else f"not what {system.agency_id} stated stands"
    if delivery_id not in {refused for refused, _ in system.refused}:
        return f"{system.agency_id} said {kind}, and it is {record.delivery.state}"
    if jws not in {each.text for each in world.fakes.deliveries.refused(record.delivery.id)}:
        return "what was refused is not kept"
    return ""
