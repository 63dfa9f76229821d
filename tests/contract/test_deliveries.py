"""One suite for both stores of deliveries: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.deliveries import DynamoDeliveryStore
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.adapters.memory import MemoryLedger
from chalicelib.adapters.memory_deliveries import MemoryDeliveryStore
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import (
    Delivery,
    DeliveryId,
    Moved,
    Progress,
    SentLetter,
    happen,
    plan,
)
from chalicelib.domain.delivery_events import (
    Consigned,
    DeliveryEvent,
    GaveUp,
    HandedOver,
    NumberCorrected,
    NumberDisputed,
    ReceiptNote,
    Rejected,
    TryFailed,
)
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.delivery_records import (
    MOST_REFUSED,
    DeliveryChange,
    DeliveryRecord,
    FileCheck,
    Passing,
    RefusedAnswer,
)
from chalicelib.domain.documents import Urgency
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    DeliveryMovedError,
    InvalidRequestError,
    NotFoundError,
    RegisterClosedError,
    RegisterConflictError,
)
from chalicelib.domain.letter_marks import LetterMarks
from chalicelib.domain.receipt_judgement import Refusal
from chalicelib.domain.registers import Entry, EntryState, Head, LogName, Register
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.tlog import NumberLeaf, Outcome, OutcomeLeaf, SubjectKind
from chalicelib.ports import DeliveryStore, LetterSearch, LogStore, RegisterStore
from tests.support.delivering import BUDGET, BUSY, ISSUER, LETTER, SENT_AT, later, note, received
from tests.support.samples import SWEEP_AFTER
from tests.support.tables import create_table

SALT = "5a" * 32
DUE = later(60)
INBOX = Register("dga", "receive", 2020)
_COUNT = count()


@dataclass
class Room:
    deliveries: DeliveryStore
    registers: RegisterStore
    logs: LogStore
    tables: Mapping[str, str] = field(default_factory=dict)

    def planned(self, *letters: SentLetter, to: str = "dga", attempt: int = 1) -> list[Delivery]:
        """These letters, on their way to an agency."""
        moved = [_planned(letter, to, attempt) for letter in letters or (LETTER,)]
        self.deliveries.plan(moved, DUE)
        return [delivery for delivery, _, _ in moved]

    def record(self, delivery_id: DeliveryId) -> DeliveryRecord:
        found = self.deliveries.get(delivery_id)
        assert found is not None
        return found

    def take(self, delivery_id: DeliveryId, *events: DeliveryEvent) -> Delivery:
        """Let this happen to it."""
        for event in events:
            self.deliveries.write(change(self.record(delivery_id).delivery, event))
        return self.record(delivery_id).delivery

    def hand_over(self, delivery: Delivery) -> str:
        """Register it with the next number; returns the receipt."""
        head = self.registers.head(INBOX)
        step, entry = registering(delivery, head)
        self.deliveries.register(step, entry, head)
        return str(step.statement)


@pytest.fixture(scope="module")
def room_in_tables(request: pytest.FixtureRequest) -> Room:
    """On tables that each test finds empty: their names stay, and so do the clients."""
    request.getfixturevalue("aws")
    run = uuid4().hex[:8]
    deliveries, registers = f"deliveries-{run}", f"registers-{run}"
    ledger = DynamoRegisterStore(registers, "none", sweep_after=SWEEP_AFTER)
    store = DynamoDeliveryStore(deliveries, registers)
    return Room(store, ledger, ledger, {"DeliveriesTable": deliveries, "RegistersTable": registers})


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    if request.param == "memory":
        ledger = MemoryLedger(sweep_after=SWEEP_AFTER)
        yield Room(MemoryDeliveryStore(ledger), ledger, ledger)
        return
    real: Room = request.getfixturevalue("room_in_tables")
    client: Any = boto3.client("dynamodb")
    for logical_id, name in real.tables.items():
        create_table(client, logical_id, name)
    yield real
    for name in real.tables.values():
        client.delete_table(TableName=name)


def sign(payload: bytes) -> str:
    """In the form of a JWS; never the same twice, as ES256."""
    nonce = hashlib.sha512(str(next(_COUNT)).encode()).digest()
    return ".".join(
        urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg":"ES256","kid":"tra-1"}', payload, nonce)
    )


def letter(which: int, **changes: Any) -> SentLetter:
    """Another letter of the same sender."""
    own = {
        "document_id": f"01HLETTER{which}",
        "number": f"นร ๐๕๐๕/{which}",
        "file_digest": f"{which:064x}",
    }
    return replace(LETTER, **{**own, **changes})


def _planned(
    sent: SentLetter, recipient: str, attempt: int = 1, at: datetime = SENT_AT
) -> tuple[Delivery, str, str]:
    moved = plan(sent, recipient, ChannelKind.HOSTED, at=at, budget=BUDGET, attempt=attempt)
    delivery, (jws,) = give_evidence(moved, issuer=ISSUER, sign=sign)
    return delivery, jws, SALT


def change(
    seen: Delivery,
    event: DeliveryEvent,
    *,
    statement: str | None = None,
    due_at: datetime | None = DUE,
) -> DeliveryChange:
    """The step that this event is, with its evidence."""
    moved = happen(seen, event)
    assert isinstance(moved, Moved), moved
    delivery, evidence = give_evidence(moved, issuer=ISSUER, sign=sign)
    return DeliveryChange(
        seen=seen, delivery=delivery, evidence=evidence, statement=statement, due_at=due_at
    )


def registering(seen: Delivery, head: Head, minutes: float = 30) -> tuple[DeliveryChange, Entry]:
    """The step that registers it as the next line after `head`."""
    number = head.last_number + 1
    receipt = sign(b'{"type":"tra.receipt.v1"}')
    told = ReceiptNote(2020, number, f"ร/ 2563/ {number}", received(), jws_digest(receipt))
    at = head.next_instant(later(minutes))
    entry = Entry(
        register=INBOX,
        number=number,
        subject_kind=SubjectKind.DELIVERY,
        subject_id=hashlib.sha256(str(seen.id).encode()).hexdigest(),
        commitment="c0" * 32,
        document_type="received-letter",
        numbered_at=at,
        document_id=None,
        content_digest=seen.letter.file_digest,
        subject="ขอเชิญประชุม",
        counterpart="สำนักเลขาธิการคณะรัฐมนตรี",
        state=EntryState.ISSUED,
        file_digest=jws_digest(receipt),
        ended_at=at,
        ended_by="clerk-1",
        delivery_id=str(seen.id),
        letter_number=seen.letter.number,
        letter_date=seen.letter.dated,
    )
    return change(seen, HandedOver(at=at, receipt=told), statement=receipt, due_at=DUE), entry


def consigned(minutes: float = 20) -> Consigned:
    return Consigned(at=later(minutes), received=received(minutes))


# -- planning ------------------------------------------------------------------


def test_a_planned_delivery_reads_back_equal(room: Room) -> None:
    """P4: what was planned is there exactly as it was planned, with its first evidence."""
    sent = replace(
        LETTER,
        circular=True,
        subject="ขอเชิญประชุม",
        urgency=Urgency.MOST_EXPRESS,
        act_within=later(600),
        retain_until=later(60000),
    )
    delivery, jws, salt = _planned(sent, "dga")
    room.deliveries.plan([(delivery, jws, salt)], DUE)
    assert room.deliveries.get(delivery.id) == DeliveryRecord(
        delivery=delivery, salt=SALT, due_at=DUE
    )
    assert room.deliveries.evidence(delivery.id) == (jws,)


def test_what_was_never_planned_is_none(room: Room) -> None:
    """P6: an unknown id is no error and no hint, and nothing can be noted about it."""
    nobody = DeliveryId("D1", "dga")
    assert room.deliveries.get(nobody) is None
    assert room.deliveries.evidence(nobody) == ()
    assert room.deliveries.statement(nobody, "00" * 32) is None
    assert not room.deliveries.look_again(_planned(LETTER, "opm")[0], DUE)
    with pytest.raises(NotFoundError):
        room.deliveries.mark_told(nobody, "delivered")
    with pytest.raises(NotFoundError):
        room.deliveries.pass_on(nobody, Passing(unit="u1", by="c", at=DUE))
    with pytest.raises(NotFoundError):
        room.deliveries.refuse(nobody, _refused(1))
    with pytest.raises(DeliveryMovedError):
        room.deliveries.write(change(_planned(LETTER, "opm")[0], consigned()))
    assert room.deliveries.get(nobody) is None


def test_planning_again_keeps_what_is_there(room: Room) -> None:
    """P8: who died while planning plans again; what moved meanwhile stays, the rest is added."""
    first, missing, last = (_planned(LETTER, name) for name in ("aaa", "bbb", "ccc"))
    room.deliveries.plan([first, last], DUE)
    moved = room.take(first[0].id, TryFailed(at=later(1), no=1, reason=BUSY))
    again = [_planned(LETTER, name) for name in ("aaa", "bbb", "ccc", "bbb")]
    room.deliveries.plan(again, later(90))
    assert room.record(first[0].id).delivery == moved
    assert room.deliveries.evidence(first[0].id) == (first[1],)
    assert room.record(last[0].id) == DeliveryRecord(delivery=last[0], salt=SALT, due_at=DUE)
    assert room.deliveries.evidence(missing[0].id) == (again[1][1],)


def test_a_circular_to_a_thousand(room: Room) -> None:
    """Issue 6.7: one letter to a thousand agencies is a thousand deliveries, planned by whoever
    finishes it, and counted without reading them one by one."""
    circular = replace(LETTER, circular=True)
    every = [_planned(circular, f"a{n:04d}") for n in range(1000)]
    room.deliveries.plan(every[430:560], DUE)
    room.deliveries.plan(every, DUE)
    progress = room.deliveries.progress(LETTER.document_id)
    assert progress == Progress(
        total=1000, states={DeliveryState.PLANNED: 1000}, oldest_open=SENT_AT
    )
    page = room.deliveries.of_letter(LETTER.document_id, limit=120)
    more = room.deliveries.of_letter(LETTER.document_id, cursor=page.cursor, limit=30)
    assert [r.delivery for r in (*page.records, *more.records)] == [d for d, _, _ in every[:150]]
    for delivery, _, _ in (every[430], every[999]):
        assert room.deliveries.evidence(delivery.id)


# -- steps ---------------------------------------------------------------------


def test_a_step_writes_state_evidence_and_statement(room: Room) -> None:
    """P5: what happened, its signed evidence and what the agency stated are there together."""
    (planned,) = room.planned()
    came = change(planned, consigned())
    room.deliveries.write(came)
    rejection = sign(b'{"type":"tra.rejection.v1"}')
    event = Rejected(
        at=later(25),
        reason=BUSY,
        received=received(),
        digest=jws_digest(rejection),
        suggested_agency="opm",
    )
    ended = change(came.delivery, event, statement=rejection, due_at=None)
    room.deliveries.write(ended)
    assert room.record(planned.id) == DeliveryRecord(delivery=ended.delivery, salt=SALT)
    assert room.deliveries.evidence(planned.id)[1:] == (*came.evidence, *ended.evidence)
    assert room.deliveries.statement(planned.id, jws_digest(rejection)) == rejection
    assert room.deliveries.statements(planned.id) == (rejection,)
    assert room.deliveries.statement(planned.id, "00" * 32) is None


def test_who_saw_an_older_state_writes_nothing(room: Room) -> None:
    """P5: of two that moved the same delivery one is told to look again; nothing of its step is
    kept. A step that has no evidence is held to the same."""
    (planned,) = room.planned()
    failed = change(planned, TryFailed(at=later(1), no=1, reason=BUSY))
    assert not failed.evidence
    room.deliveries.write(failed)
    before = room.record(planned.id), room.deliveries.evidence(planned.id)
    for late in (failed, change(planned, consigned())):
        with pytest.raises(DeliveryMovedError):
            room.deliveries.write(late)
    assert (room.record(planned.id), room.deliveries.evidence(planned.id)) == before
    assert room.deliveries.first_with("dga", LetterMarks.of(LETTER)) is None


def test_statements_come_in_their_order(room: Room) -> None:
    """B9: the receipt and each correction of it are kept, the first one first."""
    (planned,) = room.planned()
    room.take(planned.id, consigned())
    kept = [room.hand_over(room.record(planned.id).delivery)]
    for number in (7, 3, 5):
        seen = room.record(planned.id).delivery
        assert seen.receipt is not None
        disputed = room.take(planned.id, NumberDisputed(at=later(40), place=seen.receipt.place))
        jws = sign(b"{}")
        told = replace(note(number), digest=jws_digest(jws))
        event = NumberCorrected(at=later(50), receipt=told)
        room.deliveries.write(change(disputed, event, statement=jws))
        kept.append(jws)
    assert room.deliveries.statements(planned.id) == tuple(kept)


# -- marks ---------------------------------------------------------------------


def test_a_letter_is_known_again_by_the_first_that_brought_it(room: Room) -> None:
    """Issue 6.3: a letter with a number or file that came before is recognised, and names the
    delivery that came first; another agency knows nothing of it."""
    first, same_number, same_file = room.planned(
        letter(1), letter(2, number=letter(1).number), letter(3, file_digest=letter(1).file_digest)
    )
    (elsewhere,) = room.planned(letter(1), to="opm")
    for delivery in (first, same_number, same_file, elsewhere):
        room.take(delivery.id, consigned())
    assert room.record(first.id).duplicate_of is None
    assert room.record(same_number.id).duplicate_of == str(first.id)
    assert room.record(same_file.id).duplicate_of == str(first.id)
    assert room.record(elsewhere.id).duplicate_of is None
    assert room.deliveries.first_with("dga", LetterMarks.of(letter(3))) == same_file.id
    assert room.deliveries.first_with("dga", LetterMarks.of(letter(1))) == first.id
    assert room.deliveries.first_with("rd", LetterMarks.of(letter(1))) is None


def test_a_lost_race_for_a_mark_fails_no_step(room: Room) -> None:
    """Issue 6.5: of many deliveries of the same letter that come at once, all arrive, and all but
    the first name one that came before."""
    attempts = [room.planned(attempt=n)[0] for n in range(1, 7)]

    def come(delivery: Delivery) -> None:
        step = change(delivery, consigned())
        while True:
            try:
                return room.deliveries.write(step)
            except DeliveryMovedError:
                continue

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come, attempts))
    records = [room.record(delivery.id) for delivery in attempts]
    assert {r.delivery.state for r in records} == {DeliveryState.CONSIGNED}
    first = room.deliveries.first_with("dga", LetterMarks.of(LETTER))
    assert [r.duplicate_of for r in records if r.delivery.id != first] == [str(first)] * 5
    assert next(r for r in records if r.delivery.id == first).duplicate_of is None


@pytest.mark.aws
@pytest.mark.parametrize("room", ["dynamodb"], indirect=True)
def test_a_mark_put_down_after_the_look(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6.5: whoever loses a mark between looking and writing looks again, and arrives with
    the first one named."""
    first, second = room.planned(letter(1), letter(2, number=letter(1).number))
    room.take(first.id, consigned())
    store: Any = room.deliveries
    found = store._marks_at
    early: list[dict[str, str]] = [{}]
    monkeypatch.setattr(store, "_marks_at", lambda keys: early.pop() if early else found(keys))
    room.take(second.id, consigned())
    assert room.record(second.id).duplicate_of == str(first.id)
    by_file = replace(LetterMarks.of(letter(2)), by_number="")
    assert room.deliveries.first_with("dga", by_file) == second.id


# -- registering ---------------------------------------------------------------


def test_registering_writes_line_outcome_and_receipt(room: Room) -> None:
    """P1, A1: number, line of the receive register, waiting outcome and receipt are one write; the
    year begins with the first of them. The logs name neither delivery nor letter."""
    (planned,) = room.planned()
    step, entry = registering(planned, Head())
    room.deliveries.register(step, entry, Head())
    assert room.registers.head(INBOX) == Head(1, entry.numbered_at)
    assert room.registers.registers() == (INBOX,)
    assert room.registers.entry(INBOX, 1) == entry
    assert room.registers.entries(INBOX) == (entry,)
    assert room.record(planned.id).delivery == step.delivery
    assert room.deliveries.statements(planned.id) == (step.statement,)
    assert len(room.deliveries.evidence(planned.id)) == 3, "it had not arrived yet"
    assert room.deliveries.first_with("dga", LetterMarks.of(LETTER)) == planned.id
    assert room.logs.sequence(INBOX) == 1
    (number,) = room.logs.leaves(INBOX, LogName.NUMBERS, start=0, limit=9)
    (outcome,) = room.logs.leaves(INBOX, LogName.OUTCOMES, start=0, limit=9)
    assert NumberLeaf.from_bytes(number) == entry.number_leaf()
    ended = OutcomeLeaf.from_bytes(outcome)
    assert ended.outcome is Outcome.ISSUED
    assert (ended.subject_id, ended.file_digest) == (entry.subject_id, entry.file_digest)
    for leaf in (number, outcome):
        assert b"01HLETTER" not in leaf
        assert LETTER.file_digest.encode() not in leaf


def test_registering_needs_the_head_it_saw(room: Room) -> None:
    """P1: two that took the same number: the second gets none, and nothing of it is written."""
    first, second = room.planned(letter(1), letter(2))
    lost, entry = registering(second, Head())
    room.hand_over(first)
    with pytest.raises(RegisterConflictError):
        room.deliveries.register(lost, entry, Head())
    assert room.record(second.id).delivery == second
    assert room.deliveries.statements(second.id) == ()
    assert room.deliveries.first_with("dga", LetterMarks.of(letter(2))) is None
    assert room.registers.head(INBOX).last_number == 1
    assert room.registers.entry(INBOX, 2) is None


def test_a_closing_register_takes_no_more(room: Room) -> None:
    """A18: no number of a year whose closing began, whether the writer saw that or not."""
    first, second = room.planned(letter(1), letter(2))
    room.hand_over(first)
    seen = room.registers.head(INBOX)
    closing = room.registers.begin_closing(INBOX)
    for head in (seen, closing):
        step, entry = registering(second, head)
        with pytest.raises(RegisterClosedError):
            room.deliveries.register(step, entry, head)
    assert room.record(second.id).delivery == second


def test_a_delivery_that_moved_is_not_registered(room: Room) -> None:
    """P5: recalled, failed or registered meanwhile: no number is taken."""
    (planned,) = room.planned()
    room.take(planned.id, GaveUp(at=later(5000), reason=BUSY))
    step, entry = registering(planned, Head())
    with pytest.raises(DeliveryMovedError):
        room.deliveries.register(step, entry, Head())
    assert room.registers.head(INBOX) == Head()
    assert room.registers.entries(INBOX) == ()


def test_many_clerks_number_without_a_gap(room: Room) -> None:
    """P1: clerks that register different letters at once give the numbers 1 to N, each once."""
    deliveries = room.planned(*map(letter, range(1, 9)))

    def insist(delivery: Delivery) -> None:
        while True:
            try:
                room.hand_over(delivery)
            except RegisterConflictError:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(insist, deliveries))
    entries = room.registers.entries(INBOX)
    assert [entry.number for entry in entries] == list(range(1, 9))
    assert {entry.delivery_id for entry in entries} == {str(d.id) for d in deliveries}
    for entry in entries:
        receipt = room.record(DeliveryId.parse(str(entry.delivery_id))).delivery.receipt
        assert receipt is not None
        assert (receipt.number, receipt.digest) == (entry.number, entry.file_digest)


def test_many_clerks_register_one_letter_once(room: Room) -> None:
    """P5: of many that register the same delivery one succeeds: one number, one receipt."""
    (planned,) = room.planned()

    def attempt(_: int) -> bool:
        try:
            room.hand_over(planned)
        except (RegisterConflictError, DeliveryMovedError):
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(attempt, range(8)))
    # All may have been in each other's way: then nobody wrote, and the next one does.
    if not any(done):
        assert attempt(0)
    assert sum(done) <= 1
    assert room.registers.head(INBOX).last_number == 1
    assert len(room.deliveries.statements(planned.id)) == 1


# -- what was refused ------------------------------------------------------------


def _refused(number: int) -> RefusedAnswer:
    return RefusedAnswer(
        text=f"no.{number}",
        refusal=Refusal.BAD_SIGNATURE,
        field="receive_number/year" if number % 2 else "",
        brought_by="opm" if number % 2 else None,
        at=later(number),
    )


def test_what_was_refused_is_kept_once(room: Room) -> None:
    """P5: an answer that nobody believes is evidence too, in the order it came, and once."""
    (planned,) = room.planned()
    kept = [_refused(2), _refused(1), replace(_refused(3), text="{ไม่ใช่ JWS")]
    for refused in (*kept, replace(_refused(1), at=later(9))):
        room.deliveries.refuse(planned.id, refused)
    assert room.deliveries.refused(planned.id) == (kept[1], kept[0], kept[2])


def test_nobody_fills_a_table_with_refused_answers(room: Room) -> None:
    """B9 and a bound: a hundred refused answers of one delivery are kept, and no more."""
    (planned,) = room.planned()
    for number in range(MOST_REFUSED + 2):
        room.deliveries.refuse(planned.id, _refused(number))
    kept = room.deliveries.refused(planned.id)
    assert kept == tuple(map(_refused, range(MOST_REFUSED)))


# -- what was done about it -------------------------------------------------------


def test_notes_are_kept_beside_the_state(room: Room) -> None:
    """P8: what was told, archived and checked is noted once however often it is said, and no step
    takes it away."""
    (planned,) = room.planned()
    check = FileCheck(
        passed=False,
        indication="TOTAL-FAILED",
        reasons=("HASH_FAILURE",),
        sha256="ab" * 32,
        at=later(3),
    )
    for _ in range(2):
        room.deliveries.mark_told(planned.id, "delivered/dga")
        room.deliveries.mark_archived(planned.id, ["evidence/0", "evidence/1"])
        room.deliveries.keep_check(planned.id, replace(check, passed=True))
    room.deliveries.mark_told(planned.id, "received/slc")
    room.deliveries.mark_archived(planned.id, [])
    moved = room.take(planned.id, consigned())
    room.deliveries.keep_check(planned.id, check)
    assert room.record(planned.id) == DeliveryRecord(
        delivery=moved,
        told=frozenset({"delivered/dga", "received/slc"}),
        archived=frozenset({"evidence/0", "evidence/1"}),
        check=check,
        salt=SALT,
        due_at=DUE,
    )


def test_a_letter_is_passed_on(room: Room) -> None:
    """A7: where the letter is now, and all the way it took within the agency."""
    (planned,) = room.planned()
    way = [
        Passing(unit="legal", by="clerk-1", at=later(30), note="โปรดพิจารณา"),
        Passing(unit="it", by="clerk-2", at=later(31)),
    ]
    room.take(planned.id, consigned())
    room.deliveries.pass_on(planned.id, way[0])
    record = room.deliveries.pass_on(planned.id, way[1])
    assert record.passed_on == tuple(way)
    assert record.unit == "it"
    assert room.record(planned.id) == record
    assert [
        len(room.deliveries.inbox(LetterSearch(agency_id="dga", unit=unit)).records)
        for unit in ("legal", "it")
    ] == [0, 1]


def test_passing_on_loses_nothing(room: Room) -> None:
    """A7: of those that pass a letter on at once each is in its history, or was told no."""
    (planned,) = room.planned()

    def pass_on(number: int) -> bool:
        try:
            room.deliveries.pass_on(planned.id, Passing(unit=f"u{number}", by="c", at=DUE))
        except DeliveryMovedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(pass_on, range(8)))
    assert len(room.record(planned.id).passed_on) == sum(done) > 0


# -- what is due -----------------------------------------------------------------


def test_the_most_overdue_comes_first(room: Room) -> None:
    """P4: sweep finds what nobody looked at in time, the longest overdue first, and no more than
    it asks for."""
    every = [room.planned(letter(n))[0] for n in range(4)]
    for delivery, minutes in zip(every, (40, 10, 30, 20), strict=True):
        assert room.deliveries.look_again(delivery, later(minutes))
    ids = [delivery.id for delivery in every]
    assert room.deliveries.due(later(30), 10) == (ids[1], ids[3], ids[2])
    assert room.deliveries.due(later(30), 2) == (ids[1], ids[3])
    assert room.deliveries.due(later(9), 10) == ()


def test_who_saw_an_older_state_sets_no_time(room: Room) -> None:
    """P4: what a step left to do is not taken from the list by somebody who did not see it."""
    (planned,) = room.planned()
    moved = room.take(planned.id, consigned())
    assert not room.deliveries.look_again(planned, None)
    assert room.deliveries.due(DUE, 10) == (planned.id,)
    assert room.deliveries.look_again(moved, None)
    assert room.deliveries.due(later(10**6), 10) == ()
    assert room.record(planned.id).due_at is None
    assert room.deliveries.look_again(moved, later(5))
    assert room.record(planned.id).due_at == later(5)


def test_open_items_are_counted_by_state(room: Room) -> None:
    """A23, A28: how many wait in each state and since when the oldest is in it, whether somebody
    has to look at them or not; what ended is not open, though something is left to do."""
    every = [room.planned(letter(n))[0] for n in range(5)]
    room.take(every[0].id, TryFailed(at=later(2), no=1, reason=BUSY))
    room.take(every[1].id, consigned(30))
    arrived = room.take(every[2].id, consigned(20))
    room.deliveries.look_again(arrived, None)
    ended = room.take(every[3].id, GaveUp(at=later(5000), reason=BUSY))
    room.take(every[4].id, GaveUp(at=later(5000), reason=BUSY))
    room.deliveries.look_again(ended, None)
    found = room.deliveries.open_items()
    assert found.counts == {"planned": 1, "consigned": 2}
    assert found.oldest == {"planned": SENT_AT, "consigned": later(20)}
    assert room.deliveries.due(DUE, 10) == tuple(sorted((every[n].id for n in (0, 1, 4)), key=str))


# -- searching -------------------------------------------------------------------


def _outbox(room: Room, **wanted: Any) -> list[str]:
    found = room.deliveries.outbox(LetterSearch(agency_id="slc", **wanted))
    return [record.delivery.id.document_id for record in found.records]


def _inbox(room: Room, **wanted: Any) -> list[str]:
    found = room.deliveries.inbox(LetterSearch(agency_id="dga", **wanted))
    return [record.delivery.id.document_id for record in found.records]


def test_outbox_and_inbox_are_searched(room: Room) -> None:
    """A23, P6: newest first; by state, time, and words of number, subject or the other agency;
    nothing of other agencies, and in the inbox only what arrived."""
    meeting = letter(1, subject="ขอเชิญประชุม DGA พ.ศ. ๒๕๖๓")
    report, foreign = letter(2, subject="ส่งรายงาน"), letter(3, sender="rd")
    planned = [
        _planned(sent, to, at=later(n))
        for n, (sent, to) in enumerate([(meeting, "dga"), (report, "opm"), (foreign, "dga")])
    ]
    room.deliveries.plan(planned, DUE)
    ids = [delivery.id for delivery, _, _ in planned]
    assert _outbox(room) == [ids[1].document_id, ids[0].document_id]
    assert _inbox(room) == []
    room.take(ids[2], consigned(10))
    room.take(ids[0], consigned(20))
    assert _inbox(room) == [ids[0].document_id, ids[2].document_id]
    assert _outbox(room, state=DeliveryState.CONSIGNED) == [ids[0].document_id]
    for text in ("เชิญประชุม dga", "2563", "๐๕๐๕/1", "0505/๑"):
        assert _outbox(room, text=text) == [ids[0].document_id], text
    assert _outbox(room, text="OPM") == [ids[1].document_id]
    assert _inbox(room, text="slc") == [ids[0].document_id]
    assert _inbox(room, text="opm") == []
    assert _outbox(room, since=later(1)) == [ids[1].document_id]
    assert _outbox(room, until=later(0)) == [ids[0].document_id]
    assert _inbox(room, since=later(10), until=later(10)) == [ids[2].document_id]
    assert _inbox(room, state=DeliveryState.PLANNED) == []


def test_a_search_goes_on_where_it_stopped(room: Room) -> None:
    """api.md: pages follow each other without a gap or a repeat, though a state is asked for and
    more is sent meanwhile; a made-up cursor is refused."""
    every = [_planned(letter(n), "dga", at=later(n)) for n in range(9)]
    room.deliveries.plan(every, DUE)
    for delivery, _, _ in every[::2]:
        room.take(delivery.id, consigned())
    search = LetterSearch(agency_id="slc", state=DeliveryState.CONSIGNED, limit=2)
    seen: list[str] = []
    while True:
        page = room.deliveries.outbox(search)
        seen += [record.delivery.id.document_id for record in page.records]
        if page.cursor is None:
            break
        room.planned(letter(100 + len(seen)))
        search = replace(search, cursor=page.cursor)
    assert seen == [delivery.id.document_id for delivery, _, _ in every[::-2]]
    for cursor in ("nonsense", "bm9uc2Vuc2U", "!"):
        wrong = replace(search, cursor=cursor)
        with pytest.raises(InvalidRequestError):
            room.deliveries.outbox(wrong)
        with pytest.raises(InvalidRequestError):
            room.deliveries.inbox(wrong)
        with pytest.raises(InvalidRequestError):
            room.deliveries.of_letter(LETTER.document_id, cursor=cursor)


def test_all_attempts_of_a_letter(room: Room) -> None:
    """A23: the sender sees each recipient and attempt, and how far all are; of two attempts the
    last one counts."""
    plans: Sequence[tuple[str, int, int]] = [("opm", 1, 2), ("dga", 2, 1), ("dga", 1, 0)]
    moved = [_planned(LETTER, to, attempt, at=later(at)) for to, attempt, at in plans]
    room.deliveries.plan([*moved, _planned(letter(1), "rd")], DUE)
    room.take(moved[2][0].id, GaveUp(at=later(5000), reason=BUSY))
    page = room.deliveries.of_letter(LETTER.document_id)
    assert [str(r.delivery.id) for r in page.records] == [
        f"{LETTER.document_id}.{which}" for which in ("dga.1", "dga.2", "opm.1")
    ]
    assert page.cursor is None
    assert room.deliveries.progress(LETTER.document_id) == Progress(
        total=2, states={DeliveryState.PLANNED: 2}, oldest_open=later(1)
    )
    assert room.deliveries.progress("nothing").total == 0
