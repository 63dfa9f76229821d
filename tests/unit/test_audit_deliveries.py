"""The audit on fakes: letters, deliveries, receive registers, and what lies beside a letter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId, Step
from chalicelib.domain.delivery_events import Recalled, RelayRefused
from chalicelib.domain.delivery_records import archive_prefix
from chalicelib.domain.documents import Document, Reason
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.findings import Fault, Report
from chalicelib.domain.registers import Book, EntryState, Register
from chalicelib.domain.retention import LockMode
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import checkpoint_all
from tests.fault.harness import World
from tests.support.evidence import LocalSigner
from tests.support.letters import Mail
from tests.support.rooms import Fakes
from tests.support.samples import AGENCIES, document

SENT = Register("diw", "send", 2026)
RECEIVED = Register("dbd", "receive", 2026)
GONE = Reason("agency_gone", "The agency left.", "ไม่มีหน่วยงาน")


class Site(World):
    """Four letters of diw to dbd (hosted here) and rd (a queue of its own), all settled but one.

    A: registered by both (dbd's number 1). B: rejected by dbd, sent again and registered (2);
    recalled from rd. C: lies with dbd; rd's channel refused it. D: is numbered, not yet issued.
    """

    def __init__(self) -> None:
        signer = LocalSigner()
        super().__init__(Fakes(signer=signer))
        self.fakes.directory.put_agency(replace(AGENCIES[0], letter_prefix="อก ๐๓๐๒"))
        self.house = self.fakes.house()
        self.mail = Mail(self.house)
        self.accept(*(self._letter(name) for name in "ABC"))
        for function in ("number", "seal"):
            while self.step(function):
                pass
        self._send()
        self.accept(self._letter("D"))
        self.step("number")
        self.checkpoint()

    def checkpoint(self) -> None:
        assert not checkpoint_all(room=self.house.checkpoint_room).failed

    @staticmethod
    def _letter(name: str) -> Document:
        return replace(document(name, recipients=("dbd", "rd")), book=Book("diw", "send"))

    def _send(self) -> None:
        channels = {"dbd": ChannelKind.HOSTED, "rd": ChannelKind.QUEUE}
        ids = {name: self.mail.send(self.document(name), channels) for name in "ABC"}
        for delivery_id in (*ids["A"], ids["B"][0], ids["C"][0]):
            self.mail.arrives(delivery_id)
        self.mail.is_registered(ids["A"][0])
        self.mail.is_registered(ids["A"][1])
        self.mail.is_rejected(ids["B"][0])
        again = self.mail.resend(ids["B"][0])
        self.mail.arrives(again)
        self.mail.is_registered(again)
        now = self.house.clock()
        self.mail.happens(ids["B"][1], Recalled(at=now))
        self.mail.happens(ids["C"][1], RelayRefused(at=now, reason=GONE))
        for delivery_id in (*(i for each in ids.values() for i in each), again):
            self.mail.is_settled(delivery_id)

    def document(self, document_id: str) -> Document:
        return self.fakes.ledger._documents[document_id]

    def audit(self, register: Register = SENT) -> Report:
        return audit(register, room=self.house.audit_room)

    def found(self) -> set[Fault]:
        """By the sender's register and by the recipient's."""
        return {*self.audit().found, *self.audit(RECEIVED).found}

    # -- planting ------------------------------------------------------------

    def kept(self, delivery: str) -> Any:
        return self.fakes.deliveries._kept[DeliveryId.parse(delivery)]

    def change(self, delivery: str, **changes: object) -> None:
        kept = self.kept(delivery)
        changed = replace(kept.record.delivery, **changes)
        kept.record = replace(kept.record, delivery=changed)

    def note(self, delivery: str, **changes: object) -> None:
        kept = self.kept(delivery)
        kept.record = replace(kept.record, **changes)

    def lose(self, delivery: str) -> None:
        del self.fakes.deliveries._kept[DeliveryId.parse(delivery)]

    def change_line(self, number: int, **changes: object) -> None:
        kept = self.fakes.ledger._entries
        entry = replace(kept[RECEIVED, number, 0], **changes)  # type: ignore[arg-type]  # any field
        kept[RECEIVED, number, 0] = entry

    def file(self, delivery: str, name: str) -> str:
        return archive_prefix(DeliveryId.parse(delivery)) + name

    def change_lock(self, key: str, **changes: object) -> None:
        kept = self.fakes.archive._described
        kept[key] = replace(kept[key], **changes)  # type: ignore[arg-type]  # any field

    def remove(self, key: str) -> None:
        del self.fakes.archive.files[key], self.fakes.archive._described[key]


def test_honest_deliveries_raise_no_alarm() -> None:
    """P5: handed over, rejected and sent again, recalled, failed, waiting, and not yet issued."""
    site = Site()
    sent, received = site.audit(), site.audit(RECEIVED)
    assert (sent.findings, received.findings) == ((), ())
    assert sent.counts["deliveries"] == 7
    assert sent.counts["receipts"] == 3
    assert sent.counts["delivery_files"] == sent.counts["evidence"] + 4
    assert received.counts["received"] == received.counts["entries"] == 2


def test_what_is_on_its_way_is_no_finding() -> None:
    """P5: a letter of this moment has no deliveries yet, and a delivery no files; after a day
    both are late."""
    site = Site()
    site.step("seal")
    site.note("C.dbd.1", archived=frozenset())
    assert site.found() == set()
    site.checkpoint()
    site.fakes.clock.advance(timedelta(days=2))
    assert site.found() == {Fault.LETTER_UNSENT, Fault.DELIVERY_FORGOTTEN}


Plant = Callable[[Site], object]

_OTHER = "ab" * 32


def _another_receipt(site: Site) -> None:
    """As if rd's receipt were one of dbd's own number 7: signed, kept, and of no register."""
    kept = site.kept("A.dbd.1")
    theirs = site.kept("A.rd.1")
    site.change("A.dbd.1", receipts=theirs.record.delivery.receipts)
    kept.statements.update(theirs.statements)


def _add_outcome(site: Site) -> None:
    """Handed over, and then failed."""
    delivery = site.kept("A.dbd.1").record.delivery
    step = Step(key="gave_up", at=delivery.changed_at, state=DeliveryState.FAILED, reason=GONE)
    site.change("A.dbd.1", history=(*delivery.history, step))


def _registered_twice(site: Site) -> None:
    ledger = site.fakes.ledger
    first = ledger._entries[RECEIVED, 1, 0]
    ledger.enter(replace(first, number=3), ledger.head(RECEIVED))


def _resent_though_registered(site: Site) -> None:
    site.mail.send(site.document("A"), {"dbd": ChannelKind.HOSTED}, attempt=2)


def _planned_once_more(site: Site) -> str:
    return str(site.mail.resend(DeliveryId("C", "rd")))


def _sent_before_issue(site: Site) -> None:
    issued = site.document("A")
    unsent = replace(issued, document_id="D")
    site.mail.send(unsent, {"dbd": ChannelKind.HOSTED})


def _swap_evidence(site: Site) -> None:
    chain = site.kept("A.dbd.1").evidence
    chain[0], chain[1] = chain[1], chain[0]


def _forge_evidence(site: Site) -> None:
    chain = site.kept("A.dbd.1").evidence
    head, payload, signature = chain[1].split(".")
    chain[1] = f"{head}.{payload}.{signature[::-1]}"


PLANTED: list[tuple[str, Plant, set[Fault]]] = [
    ("a delivery lost", lambda s: s.lose("B.rd.1"), {Fault.FILE_WITHOUT_ENTRY}),
    (
        "a delivery to nobody the letter names",
        lambda s: s.fakes.ledger._documents.update(A=replace(s.document("A"), recipients=("dbd",))),
        {Fault.DELIVERY_MISMATCH},
    ),
    (
        "a delivery of another letter",
        lambda s: s.change(
            "C.dbd.1", letter=replace(s.kept("C.dbd.1").record.delivery.letter, number="อก ๐๓๐๒/๙")
        ),
        {Fault.DELIVERY_MISMATCH, Fault.EVIDENCE_WRONG},
    ),
    ("a delivery of a letter that is not issued", _sent_before_issue, {Fault.DELIVERY_MISMATCH}),
    ("two outcomes", _add_outcome, {Fault.OUTCOME_WRONG}),
    (
        "an outcome taken back",
        lambda s: s.change("B.rd.1", state=DeliveryState.CONSIGNED),
        {Fault.OUTCOME_WRONG, Fault.EVIDENCE_WRONG},
    ),
    (
        "a receipt on a failed delivery",
        lambda s: s.change("C.rd.1", receipts=s.kept("A.rd.1").record.delivery.receipts),
        {Fault.OUTCOME_WRONG, Fault.STATEMENT_MISSING, Fault.STATEMENT_DIFFERS},
    ),
    (
        "a receipt taken out",
        lambda s: s.change("A.dbd.1", receipts=()),
        {Fault.OUTCOME_WRONG, Fault.NUMBER_WITHOUT_RECEIPT},
    ),
    (
        "a receipt of another delivery",
        _another_receipt,
        {
            Fault.RECEIPT_WITHOUT_NUMBER,
            Fault.NUMBER_WITHOUT_RECEIPT,
            Fault.STATEMENT_DIFFERS,
        },
    ),
    (
        "a sent-again delivery lost, with its number",
        lambda s: s.lose("B.dbd.2"),
        {Fault.NUMBER_WITHOUT_RECEIPT, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "a number given twice to one delivery",
        _registered_twice,
        {Fault.NUMBER_WITHOUT_RECEIPT},
    ),
    (
        "a number of no delivery",
        lambda s: s.change_line(2, delivery_id="A.opm.1"),
        {Fault.NUMBER_WITHOUT_RECEIPT, Fault.RECEIPT_WITHOUT_NUMBER},
    ),
    (
        "another subject in the receive register",
        lambda s: s.change_line(1, subject_id=_OTHER),
        {
            Fault.NUMBER_WITHOUT_RECEIPT,
            Fault.RECEIPT_WITHOUT_NUMBER,
            Fault.NUMBER_LOG_MISMATCH,
            Fault.OUTCOME_LOG_MISMATCH,
        },
    ),
    (
        "another file in the receive register",
        lambda s: s.change_line(1, content_digest=_OTHER),
        {Fault.NUMBER_WITHOUT_RECEIPT, Fault.RECEIPT_WITHOUT_NUMBER},
    ),
    (
        "another receipt in the receive register",
        lambda s: s.change_line(1, file_digest=_OTHER),
        {
            Fault.NUMBER_WITHOUT_RECEIPT,
            Fault.RECEIPT_WITHOUT_NUMBER,
            Fault.OUTCOME_LOG_MISMATCH,
        },
    ),
    (
        "a number of the receive register void",
        lambda s: s.change_line(1, state=EntryState.VOID, reason="mistake"),
        {
            Fault.NUMBER_WITHOUT_RECEIPT,
            Fault.RECEIPT_WITHOUT_NUMBER,
            Fault.OUTCOME_LOG_MISMATCH,
        },
    ),
    (
        "a receipt that is not kept",
        lambda s: s.kept("A.rd.1").statements.clear(),
        {Fault.STATEMENT_MISSING, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "a rejection that is not kept",
        lambda s: s.kept("B.dbd.1").statements.clear(),
        {Fault.STATEMENT_MISSING, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "another reason than was signed",
        lambda s: s.change("B.dbd.1", reason=GONE),
        {Fault.STATEMENT_DIFFERS},
    ),
    ("evidence in another order", _swap_evidence, {Fault.EVIDENCE_WRONG, Fault.EVIDENCE_DIFFERS}),
    ("forged evidence", _forge_evidence, {Fault.EVIDENCE_WRONG, Fault.EVIDENCE_DIFFERS}),
    (
        "evidence cut off",
        lambda s: s.kept("A.rd.1").evidence.pop(),
        {Fault.EVIDENCE_WRONG, Fault.FILE_WITHOUT_ENTRY},
    ),
    ("sent again though registered", _resent_though_registered, {Fault.DELIVERY_MISMATCH}),
    (
        "a first attempt lost",
        lambda s: s.lose("B.dbd.1"),
        {Fault.DELIVERY_MISMATCH, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "evidence lost in the archive",
        lambda s: s.remove(s.file("A.dbd.1", "evidence-0001.jws")),
        {Fault.EVIDENCE_MISSING},
    ),
    (
        "other evidence in the archive",
        lambda s: s.fakes.archive.files.update({s.file("A.dbd.1", "evidence-0001.jws"): b"other"}),
        {Fault.EVIDENCE_DIFFERS},
    ),
    (
        "a file that nobody knows",
        lambda s: s.fakes.archive.put_once(
            s.file("A.dbd.1", "note.txt"), b"x", s.fakes.clock(), LockMode.COMPLIANCE
        ),
        {Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "no lock",
        lambda s: s.change_lock(s.file("A.dbd.1", "evidence-0001.jws"), lock_mode=None),
        {Fault.LOCK_MISSING},
    ),
    (
        "a short lock",
        lambda s: s.change_lock(
            s.file("A.dbd.1", "evidence-0001.jws"), retain_until=s.fakes.clock()
        ),
        {Fault.LOCK_TOO_SHORT},
    ),
    (
        "a delivery that was due two days ago",
        lambda s: s.note("C.dbd.1", due_at=s.fakes.clock() - timedelta(days=2)),
        {Fault.DELIVERY_FORGOTTEN},
    ),
    (
        "a delivery on its way that nobody will look at",
        lambda s: s.note(_planned_once_more(s), due_at=None),
        {Fault.DELIVERY_FORGOTTEN},
    ),
]


@pytest.mark.parametrize(
    ("plant", "expected"), [pytest.param(p, e, id=name) for name, p, e in PLANTED]
)
def test_a_planted_fault_is_found_and_named(plant: Plant, expected: set[Fault]) -> None:
    """P5, B9: whoever takes an outcome back, makes a receipt up, or loses evidence, is found."""
    site = Site()
    plant(site)
    assert site.found() == expected
