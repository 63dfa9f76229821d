"""The plan of docs/adr/0041 as a model: writers that interleave and die at any call, over a
table that knows nothing but conditional transactions.

The table here is a model of the plan, not of DynamoDB: it shows that the rules need no more
from a store than the conditions the plan names. The store itself is tested where it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, Moved, happen, plan
from chalicelib.domain.delivery_chain import ChainFault, check_chain
from chalicelib.domain.delivery_events import (
    Consigned,
    DeliveryEvent,
    GaveUp,
    HandedOver,
    NotConsigned,
    Recalled,
)
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.receipts import make_receipt, print_receive_number
from tests.support.delivering import (
    BUDGET,
    BUSY,
    GIVE_UP_AT,
    ISSUER,
    LETTER,
    SENT_AT,
    Signer,
    later,
    received,
)

TRA = Signer()
ENDINGS: dict[int, DeliveryEvent] = {
    1: Recalled(at=later(22)),
    2: GaveUp(at=GIVE_UP_AT, reason=BUSY),
    3: NotConsigned(at=later(22), reason=BUSY),
}
"""Each letter has another adversary."""
DEATH, AGAIN = 0.05, 0.2
Answer = str | None
Writer = Generator[None, None, Answer]
"""Yields before and after each call outside; what it returns is what the caller is told."""


@dataclass
class Table:
    """Items, and one way to write: all or nothing, if every condition holds."""

    items: dict[str, object] = field(default_factory=dict)

    def read(self, key: str) -> object:
        return self.items.get(key)

    def transact(self, conditions: dict[str, object], puts: dict[str, object]) -> bool:
        if any(self.items.get(key) != value for key, value in conditions.items()):
            return False
        self.items.update(puts)
        return True

    def delivery(self, name: str) -> Delivery:
        found = self.items[f"{name}#STATE"]
        assert isinstance(found, Delivery)
        return found

    def chain(self, name: str) -> list[str]:
        found = [self.items.get(f"{name}#EVIDENCE#{seq}") for seq in range(50)]
        return [jws for jws in found if isinstance(jws, str)]

    @property
    def head(self) -> int:
        found = self.items.get("HEAD", 0)
        assert isinstance(found, int)
        return found


def _write(table: Table, read: Delivery, moved: Moved, more: dict[str, object]) -> Writer:
    """State, evidence and what belongs to them in one transaction; the JWS of the last event, or
    None if somebody wrote meanwhile."""
    name, first = read.delivery_id, read.evidence_count
    now, jwss = give_evidence(moved, issuer=ISSUER, sign=TRA.sign)
    yield
    places = {f"{name}#EVIDENCE#{first + n}": jws for n, jws in enumerate(jwss)}
    absent: dict[str, object] = dict.fromkeys([*places, *(k for k in more if k != "HEAD")])
    conditions = {f"{name}#STATE": read, **absent}
    if "HEAD" in more:
        conditions["HEAD"] = int(str(more["HEAD"])) - 1 or None
    written = table.transact(conditions, {f"{name}#STATE": now, **places, **more})
    yield
    return now.evidence_end if written else None


def tell(table: Table, name: str, event: DeliveryEvent) -> Writer:
    """A channel, a sender or a sweep writes what happened."""
    while True:
        read = table.delivery(name)
        yield
        result = happen(read, event)
        if not isinstance(result, Moved):
            return None
        if (yield from _write(table, read, result, {})):
            return None


def register(table: Table, name: str, at: datetime) -> Writer:
    """A clerk registers the letter: the receipt, or None if the delivery ended otherwise."""
    while True:
        read, head = table.delivery(name), table.head
        yield
        if read.receipt is not None:
            return str(table.items[f"{name}#STATEMENT#{read.receipt.digest}"])
        number = head + 1
        receipt = make_receipt(
            read,
            received=read.received or received(),
            year=2020,
            number=number,
            printed=print_receive_number(2020, number, "สพร ๒๕๖๓"),
            registered_at=at,
            receiver="นางสาวรับ ตัวอย่าง",
            agency_name="สำนักงานพัฒนารัฐบาลดิจิทัล",
        )
        jws = TRA.sign(receipt.payload())
        yield
        note = receipt.note(jws)
        result = happen(read, HandedOver(at=at, receipt=note))
        if not isinstance(result, Moved):
            return None
        puts: dict[str, object] = {
            "HEAD": number,
            f"ENTRY#{number}": name,
            f"{name}#STATEMENT#{note.digest}": jws,
        }
        if (yield from _write(table, read, result, puts)):
            return jws


@dataclass
class Running:
    """A message: its writer may die at any call, and then it comes again."""

    start: Callable[[], Writer]
    answers: list[str]
    writer: Writer | None = None

    def step(self) -> bool:
        """Whether it is done."""
        self.writer = self.writer or self.start()
        try:
            next(self.writer)
        except StopIteration as stop:
            if stop.value is not None:
                self.answers.append(stop.value)
            return True
        return False

    def die(self) -> None:
        self.writer = None


def _run(running: Sequence[Running], luck: Random) -> None:
    """All to their end, in an order of chance; one step in twenty is a death."""
    waiting = list(running)
    while waiting:
        message = luck.choice(waiting)
        if luck.random() < DEATH:
            message.die()
        elif message.step():
            waiting.remove(message)
            if luck.random() < AGAIN:  # answered, and the message was not deleted in time
                message.die()
                waiting.append(message)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_outcome_one_number_whoever_writes_and_dies_when(seed: int) -> None:
    """P1, P5, P8: three letters to one register; two clerks each, a channel that is late, a
    sender that recalls, a sweep that gives up. Any of them may die at any call and run again."""
    table = Table()
    answers: dict[str, list[str]] = {}
    running = []
    for number, ending in ENDINGS.items():
        name = _plan(table, number).delivery_id
        answers[name] = []
        came = Consigned(at=later(21), received=received())
        writers = (
            partial(tell, table, name, came),
            partial(register, table, name, later(30)),
            partial(register, table, name, later(31)),
            partial(tell, table, name, ending),
        )
        running += [Running(start, answers[name]) for start in writers]
    _run(running, Random(seed))

    entries = {n: table.read(f"ENTRY#{n}") for n in range(1, table.head + 1)}
    assert None not in entries.values(), "no number without a delivery (P1)"
    assert len(set(entries.values())) == len(entries), "no delivery with two numbers"
    for name, told in answers.items():
        delivery = table.delivery(name)
        assert delivery.state.ended
        handed = delivery.state is DeliveryState.HANDED_OVER
        assert (name in entries.values()) is handed
        assert handed or not told, "only a letter that was handed over has a receipt (P5)"
        assert len(set(told)) <= 1, "every clerk gets the original, byte for byte (P5)"
        if delivery.receipt is not None:
            assert entries[delivery.receipt.number] == name
        report = check_chain(
            table.chain(name),
            verify=TRA.verify,
            delivery_id=delivery.id,
            letter=delivery.letter,
            statements=told,
        )
        faults = {finding.fault for finding in report.findings}
        assert faults <= ({ChainFault.STATEMENT_MISSING} if not told else set())
        assert report.state is delivery.state


def _plan(table: Table, number: int) -> Delivery:
    letter = replace(LETTER, document_id=f"D{number}", file_digest=f"{number:02x}" * 32)
    moved = plan(letter, "dga", ChannelKind.HOSTED, at=SENT_AT, budget=BUDGET)
    delivery, (jws,) = give_evidence(moved, issuer=ISSUER, sign=TRA.sign)
    name = delivery.delivery_id
    table.transact({}, {f"{name}#STATE": delivery, f"{name}#EVIDENCE#0": jws})
    return delivery
