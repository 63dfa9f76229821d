"""Letters between agencies, with everything that can go wrong around the functions.

`LetterWorld` has recipients of three kinds: one hosted here, whose clerk registers through the
service; one with a queue, and one with a webhook, whose own systems (`OwnSystem`) keep registers
of their own, sign with keys of their own, and drop what they have seen. `audit_letters` is what
must hold in the end, whatever died.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.bootstrap import House
from chalicelib.domain import delivery_messages
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import Received
from chalicelib.domain.delivery_messages import FAILED, RECALLED, RECEIPT_ISSUED, REJECTED
from chalicelib.domain.delivery_notices import notices
from chalicelib.domain.delivery_records import DeliveryRecord, archive_prefix, statement_name
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document, archive_key
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import AnswerRefusedError, ChannelBusyError, DeliveryConflictError
from chalicelib.domain.findings import Fault
from chalicelib.domain.holidays import Holidays
from chalicelib.domain.receipts import Receipt, Rejection, RejectionReason, print_receive_number
from chalicelib.domain.registers import RECEIVE, SEND, Book
from chalicelib.domain.statements import claimed_payload, jws_digest, to_the_millisecond
from chalicelib.domain.thai import register_year
from chalicelib.handlers import receipts
from chalicelib.ports import LetterSearch, Search
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.register_letter import Receiver, correct_receipt, register_letter
from chalicelib.services.reject_letter import RejectionRequest, reject_letter
from chalicelib.services.take_answer import AnswerKind, take_answer
from tests.fault.harness import Danger, Killed, World
from tests.support.evidence import LocalSigner
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event
from tests.support.samples import AGENCIES, NOON, document

SENDER, HOSTED, QUEUED, HOOKED = "diw", "dbd", "rd", "opm"
CLERK = Receiver(name="นางสาวรับ ตัวอย่าง", subject="clerk-7")
BOOK = Book(SENDER, SEND)

_EVERYTHING = 10**6
_AT_ONCE = 10
_HALF_A_DAY = timedelta(hours=12)

Act = Callable[[str], str]
"""What a recipient does with a delivery (its id): `register`, `reject` or `wait`; a system also
`forge`: its receipt comes after two that are none."""


def always_register(_delivery_id: str) -> str:
    return "register"


@dataclass
class OwnSystem:
    """An agency's own system, as an honest one is: what came before it drops, and what it has
    answered it answers again.

    `answers` are its statements as first signed, by delivery; `unsent` are those to be brought,
    `by_queue` or by the API, and `refused` what the API did not believe, with the reason.
    """

    agency_id: str
    clock: Callable[[], datetime]
    standing: Callable[[str], str]
    act: Act = always_register
    by_queue: bool = False
    signer: LocalSigner = field(default_factory=LocalSigner)
    taken: dict[str, bytes] = field(default_factory=dict)
    last_number: int = 0
    answers: dict[str, tuple[AnswerKind, str]] = field(default_factory=dict)
    unsent: list[tuple[str, AnswerKind, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def take(self, event: bytes) -> None:
        """A CloudEvent comes in, perhaps again."""
        told = json.loads(event)
        if told["id"] in self.taken:
            if self.taken[told["id"]] != event:
                what = f"{told['id']} came in two versions"
                self.problems.append(Problem(Wrong.DOUBLED, what))
            return
        self.taken[told["id"]] = event
        match told["type"]:
            case delivery_messages.DELIVERED:
                self._answer(told["data"])
            case delivery_messages.RECEIPT_DISPUTED:
                self._correct(told["data"]["delivery_id"])

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
            case "forge":
                self._forge(delivery_id, self._receipt(about, now))
            case "reject":
                said = Rejection(**about, rejected_at=now, code=RejectionReason.ILLEGIBLE)
                self._say(delivery_id, AnswerKind.REJECTION, said)

    def answer_what_waits(self) -> None:
        """Somebody opens what was left lying."""
        for event in self.taken.values():
            told = json.loads(event)
            waits = told["data"]["delivery_id"] not in self.answers
            if told["type"] == delivery_messages.DELIVERED and waits:
                self._answer(told["data"])

    def _receipt(self, about: Mapping[str, Any], now: datetime) -> Receipt:
        self.last_number += 1
        year = register_year(now)
        return Receipt(
            **about,
            year=year,
            number=self.last_number,
            printed=print_receive_number(year, self.last_number, None),
            registered_at=now,
            receiver="นายรับเอง ตัวอย่าง",
            agency_name=self.agency_id,
        )

    def _say(self, delivery_id: str, kind: AnswerKind, said: Receipt | Rejection) -> None:
        jws = self.signer.sign(said.payload())
        self.answers[delivery_id] = kind, jws
        self.unsent.append((delivery_id, kind, jws))

    def _forge(self, delivery_id: str, receipt: Receipt) -> None:
        """Somebody else's key, another file, another number's digits; then the right one."""
        wrong = replace(receipt, file_digest="ab" * 32)
        unsent = [LocalSigner().sign(receipt.payload()), self.signer.sign(wrong.payload())]
        self.unsent += [(delivery_id, AnswerKind.RECEIPT, jws) for jws in unsent]
        self._say(delivery_id, AnswerKind.RECEIPT, receipt)

    def _correct(self, delivery_id: str) -> None:
        """The sender disputes the number: the next one, for the same arrival. What is corrected
        is the receipt that stands, as the event's link shows it: if it was signed twice, that
        need not be the one kept here."""
        jws = self.standing(delivery_id)
        before, now = Receipt.read(claimed_payload(jws)), to_the_millisecond(self.clock())
        self.last_number += 1
        receipt = replace(
            before,
            year=register_year(now),
            number=self.last_number,
            printed=print_receive_number(register_year(now), self.last_number, None),
            registered_at=now,
            corrects=jws_digest(jws),
        )
        self._say(delivery_id, AnswerKind.RECEIPT, receipt)

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

    `replies` is the reply queue. `asked` is what the clerk wants and has no answer to yet, `conflicts` what was refused,
    `confirmed` what each who answered was given as the statement that stands; `problems` are what
    was seen to be wrong on the way.
    """

    def __init__(self, acts: Mapping[str, Act] | None = None) -> None:
        super().__init__(Fakes(signer=LocalSigner()))
        acts = acts or {}
        self.hosted_act = acts.get(HOSTED, always_register)
        self.systems = {
            agency: OwnSystem(
                agency, self.fakes.clock, self.standing, acts.get(agency, always_register)
            )
            for agency in (SENDER, QUEUED, HOOKED)
        }
        self.systems[QUEUED].by_queue = True
        self.fakes.directory = MemoryDirectory(self._agencies(), ("root",))
        self.roads = Roads(self)
        self.fakes.channels = self.roads  # type: ignore[assignment]  # in place of the plain fake
        self.replies: list[str] = []
        self.asked: dict[str, str] = {}
        self.conflicts: list[tuple[str, str]] = []
        self.confirmed: dict[str, dict[str, str]] = {}
        self.problems: list[Problem] = []

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

    def copy(self) -> LetterWorld:
        """A world of its own, as this one is now. Locks and keys are shared: neither changes."""
        return deepcopy(self, {id(shared): shared for shared in _shared(self)})

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

    def standing(self, delivery_id: str) -> str:
        """The receipt that stands, as GET shows it to the recipient."""
        delivery = self.record(delivery_id).delivery
        found = self.fakes.deliveries.statement(delivery.id, delivery.statement or "")
        assert found is not None
        return found

    # -- recipients ----------------------------------------------------------

    def visit_inbox(self, danger: Danger | None = None) -> int:
        """The clerk of the hosted agency registers or rejects what lies there, corrects what is
        disputed, and repeats what was not answered; how many."""
        house, settled = self.house(danger), 0
        for record in self._of_hosted(DeliveryState.CONSIGNED):
            name = record.delivery.delivery_id
            self.asked.setdefault(name, self.hosted_act(name))
        for record in self._of_hosted(DeliveryState.HANDED_OVER):
            if record.delivery.disputed:
                self.asked.setdefault(record.delivery.delivery_id, "correct")
        for name, act in list(self.asked.items()):
            if act == "wait":
                del self.asked[name]
                continue
            self._settle(DeliveryId.parse(name), act, house)
            del self.asked[name]
            settled += 1
        return settled

    def _of_hosted(self, state: DeliveryState) -> tuple[DeliveryRecord, ...]:
        search = LetterSearch(agency_id=HOSTED, state=state, limit=_EVERYTHING)
        return self.fakes.deliveries.inbox(search).records

    def _settle(self, delivery_id: DeliveryId, act: str, house: House) -> None:
        try:
            if act == "register":
                jws = register_letter(delivery_id, receiver=CLERK, room=house.receiving_room).jws
            elif act == "correct":
                jws = correct_receipt(delivery_id, receiver=CLERK, room=house.receiving_room).jws
            else:
                request = RejectionRequest(code=RejectionReason.ILLEGIBLE)
                jws = reject_letter(delivery_id, request, room=house.delivery_room).jws
        except DeliveryConflictError as error:
            self.conflicts.append((str(delivery_id), error.reason))
        else:
            self._confirm(delivery_id, jws)

    def bring_answers(self, danger: Danger | None = None) -> int:
        """Own systems bring what they have to say: by the API until it was heard, or once to the
        reply queue; how many."""
        house, brought = self.house(danger), 0
        for system in self.systems.values():
            while system.unsent:
                delivery_id, kind, jws = system.unsent[0]
                if system.by_queue:
                    self.replies.append(json.dumps({kind.value: jws}))
                else:
                    self._bring(system, DeliveryId.parse(delivery_id), kind, jws, house)
                system.unsent.pop(0)
                brought += 1
        return brought

    def receive(self, danger: Danger | None = None) -> int:
        """The function takes some answers from the reply queue; how many. What it does not
        finish comes back."""
        taken, self.replies[:] = self.replies[:_AT_ONCE], self.replies[_AT_ONCE:]
        if not taken:
            return 0
        template = sample_event("receive")["Records"][0]
        records = [{**template, "messageId": str(n), "body": b} for n, b in enumerate(taken)]
        try:
            with furnished(self.house(danger)):
                report = receipts.receive({"Records": records}, CONTEXT)
        except Killed:
            self.replies[:0] = taken
            raise
        failed = {int(each["itemIdentifier"]) for each in report["batchItemFailures"]}
        self.replies[:0] = [body for n, body in enumerate(taken) if n in failed]
        return len(taken)

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
        """Whoever asks again gets the original, byte for byte (P5); of a correction, its own."""
        corrects = json.loads(claimed_payload(jws)).get("corrects") or ""
        known = self.confirmed.setdefault(str(delivery_id), {})
        if known.setdefault(corrects, jws) != jws:
            what = f"{delivery_id} is confirmed in two versions"
            self.problems.append(Problem(Wrong.DOUBLED, what))

    # -- watching --------------------------------------------------------------

    def watch(self, event: bytes) -> None:
        """Nothing is told before it is safe (P3): asked at the moment it leaves."""
        told = json.loads(event)
        fault = self._too_early(told["type"], told["data"])
        if fault:
            self.problems.append(Problem(Wrong.OTHER, f"{told['id']} left too early: {fault}"))

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
        """Functions, clerks and systems work until nothing moves, and again whenever `sweep`
        finds something due, until nothing will ever be."""
        for _ in range(200):
            self._work_on()
            due_at = self._next_due()
            if due_at is None:
                self._publish()
                return
            self.fakes.clock.now = max(self.fakes.clock(), due_at)
            self.sweep()
        raise AssertionError("the deliveries never come to rest")

    def _publish(self) -> None:
        """The audit wonders at logs that nobody has published for a day."""
        if self.fakes.clock() - NOON > _HALF_A_DAY:
            assert not checkpoint_all(room=self.house().checkpoint_room).failed

    def _next_due(self) -> datetime | None:
        some_day = self.fakes.clock() + timedelta(days=400)
        if self.fakes.ledger.unsettled(some_day, 1):
            return self.fakes.clock()
        first = self.fakes.deliveries.due(some_day, 1)
        return self.record(str(first[0])).due_at if first else None

    def _work_on(self) -> None:
        while True:
            self.run_to_rest()
            if not self.visit_inbox() + self.bring_answers() + self.receive():
                return


def _shared(thing: object) -> Iterator[object]:
    """What cannot be copied, or need not be, below this thing."""
    if isinstance(thing, _SHARED):
        yield thing
    elif isinstance(thing, dict):
        yield from (each for value in thing.values() for each in _shared(value))
    elif type(thing).__module__.startswith(("tests.", "chalicelib.adapters.memory")):
        for value in vars(thing).values():
            if not isinstance(value, LetterWorld):
                yield from _shared(value)


_SHARED = (type(threading.Lock()), type(threading.RLock()), LocalSigner, Holidays)

_ALL_STATES = frozenset(DeliveryState)
_TOLD_WHEN: Mapping[str, frozenset[DeliveryState]] = {
    RECEIPT_ISSUED: frozenset({DeliveryState.HANDED_OVER}),
    REJECTED: frozenset({DeliveryState.REJECTED}),
    FAILED: frozenset({DeliveryState.FAILED}),
    RECALLED: frozenset({DeliveryState.RECALLED}),
}
"""In which states of a delivery what tells its outcome may leave."""


# -- judgement -------------------------------------------------------------------------


class Wrong(StrEnum):
    """Kinds of what can be wrong in the end."""

    LOST = "lost"
    DOUBLED = "doubled"
    UNRECEIPTED = "unreceipted"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    kind: Wrong
    what: str


_KINDS: Mapping[Fault, Wrong] = {
    Fault.DOUBLE: Wrong.DOUBLED,
    Fault.OUTCOME_WRONG: Wrong.DOUBLED,
    Fault.NUMBER_WITHOUT_RECEIPT: Wrong.DOUBLED,
    Fault.GAP: Wrong.LOST,
    Fault.LETTER_UNSENT: Wrong.LOST,
    Fault.STATEMENT_MISSING: Wrong.LOST,
    Fault.EVIDENCE_MISSING: Wrong.LOST,
    Fault.RECEIPT_WITHOUT_NUMBER: Wrong.UNRECEIPTED,
}


def audit_letters(world: LetterWorld) -> list[Problem]:
    """What is wrong with any letter, delivery, receipt or register; nothing should be."""
    return [
        *world.problems,
        *(problem for system in world.systems.values() for problem in system.problems),
        *_audit_registers(world),
        *_audit_letters(world),
        *_audit_messages(world),
        *_audit_answers(world),
    ]


def _audit_registers(world: LetterWorld) -> Iterator[Problem]:
    """As in production, every register."""
    room = world.fakes.house().audit_room
    for register in world.fakes.ledger.registers():
        for found in audit(register, room=room).findings:
            if found.fault is not Fault.RECORD_BEHIND:  # nobody renews here
                what = f"{register.register_id} {found.fault} at {found.number} {found.place}"
                yield Problem(_KINDS.get(found.fault, Wrong.OTHER), what)


def _audit_letters(world: LetterWorld) -> Iterator[Problem]:
    search = Search(agency_id=SENDER, limit=_EVERYTHING)
    for letter in world.fakes.ledger.search(search).documents:
        if not letter.state.ended:
            yield Problem(Wrong.LOST, f"{letter.document_id} rests as {letter.state}")
        if letter.file is None:
            continue
        records = world.fakes.deliveries.of_letter(letter.document_id, limit=_EVERYTHING).records
        if {record.delivery.recipient for record in records} != set(letter.recipients):
            yield Problem(Wrong.LOST, f"{letter.document_id} was not sent to all")
        for record in records:
            yield from _audit_delivery(world, record)


def _audit_delivery(world: LetterWorld, record: DeliveryRecord) -> Iterator[Problem]:
    """Exactly one outcome, all of it archived, and everybody told who has to be."""
    delivery = record.delivery
    name = delivery.delivery_id
    if not delivery.state.ended or delivery.disputed:
        yield Problem(Wrong.UNRECEIPTED, f"{name} rests as {delivery.state}")
    stated = len({*(r.digest for r in delivery.receipts), delivery.statement} - {None})
    if len(record.archived) != delivery.evidence_count + stated:
        yield Problem(Wrong.LOST, f"{name} has {sorted(record.archived)} in the archive")
    for notice in notices(delivery):
        system = world.systems.get(notice.to)
        if notice.given_up_key in record.told:
            continue  # its agency took nothing for two weeks, and the supervisor was told so
        if system is not None and f"{name}.{notice.key}" not in system.taken:
            yield Problem(Wrong.LOST, f"{name}.{notice.key} was never told")


def _audit_messages(world: LetterWorld) -> Iterator[Problem]:
    """What was told is so in the end."""
    for system in world.systems.values():
        for event in system.taken.values():
            told = json.loads(event)
            record = world.fakes.deliveries.get(DeliveryId.parse(told["subject"]))
            state = record.delivery.state if record else None
            if state not in _TOLD_WHEN.get(told["type"], _ALL_STATES):
                what = f"{told['id']} is told, and the delivery is {state}"
                yield Problem(Wrong.DOUBLED if record else Wrong.LOST, what)


def _audit_answers(world: LetterWorld) -> Iterator[Problem]:
    """What a recipient holds for true is what stands here, or was refused and is kept."""
    for system in world.systems.values():
        for delivery_id, (kind, jws) in system.answers.items():
            fault = _fault_of_answer(world, delivery_id, kind, jws)
            if fault:
                yield Problem(Wrong.UNRECEIPTED, f"{delivery_id}: {fault}")
    for register in world.fakes.ledger.registers():
        if register.book == RECEIVE:
            for entry in world.fakes.ledger.entries(register, limit=_EVERYTHING):
                if entry.delivery_id not in world.confirmed:
                    what = f"{entry.delivery_id} has a number, and its clerk no receipt"
                    yield Problem(Wrong.UNRECEIPTED, what)


def _fault_of_answer(world: LetterWorld, delivery_id: str, kind: AnswerKind, jws: str) -> str:
    deliveries = world.fakes.deliveries
    record = deliveries.get(DeliveryId.parse(delivery_id))
    if record is None:
        return "it is an answer to nothing"
    delivery = record.delivery
    said = DeliveryState.HANDED_OVER if kind is AnswerKind.RECEIPT else DeliveryState.REJECTED
    if delivery.state is said:
        # Of an answer that was signed twice the one that came first stands.
        kept = {claimed_payload(stated) for stated in deliveries.statements(delivery.id)}
        stands = claimed_payload(jws) in kept
        return "" if stands else "another statement stands than the recipient's own"
    if jws in {refused.text for refused in deliveries.refused(delivery.id)}:
        return ""
    return f"its {kind} was neither believed nor refused, and it is {delivery.state}"
