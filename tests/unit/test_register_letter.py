"""Registering in the receive register, and correcting a number, on fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import GaveUp, Received
from chalicelib.domain.delivery_records import FileCheck
from chalicelib.domain.documents import Reason
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    ConfigurationError,
    DeliveryConflictError,
    NotFoundError,
    NotHostedError,
    RegisterHeldError,
    UnavailableError,
    UntrustedFileError,
)
from chalicelib.domain.receipts import RejectionReason
from chalicelib.domain.receive_register import opaque_subject, remark_on_number
from chalicelib.domain.registers import EntryState, Head, Hold
from chalicelib.domain.statements import jws_digest
from chalicelib.domain.tlog import SubjectKind, commit
from chalicelib.services.check_arrival import check_arrival
from chalicelib.services.delivery_steps import take_step
from chalicelib.services.dispute_receipt import dispute_receipt
from chalicelib.services.recall_letter import recall_letter
from chalicelib.services.register_letter import (
    Receiver,
    Registered,
    correct_receipt,
    register_letter,
)
from chalicelib.services.reject_letter import RejectionRequest, reject_letter
from tests.fault.harness import Danger, Killed
from tests.support.receiving import CLERK, SENT, Intruder, Post

OTHER_CLERK = Receiver(name="นายอีกคน ตัวอย่าง", subject="clerk-8")


def _register(post: Post, delivery_id: DeliveryId, by: Receiver = CLERK) -> Registered:
    return register_letter(delivery_id, receiver=by, room=post.house().receiving_room)


def _correct(post: Post, delivery_id: DeliveryId) -> Registered:
    return correct_receipt(delivery_id, receiver=CLERK, room=post.house().receiving_room)


def _dispute(post: Post, delivery_id: DeliveryId, place: str) -> None:
    dispute_receipt(delivery_id, place, room=post.house().delivery_room)


# -- what it makes ----------------------------------------------------------------------


def test_a_registered_letter_has_its_number_receipt_and_evidence() -> None:
    """A1, A18, A20, issue 6.3: the next number of the receive register, a signed receipt with the
    six fields, the time the letter arrived and not the time it was registered."""
    post = Post()
    delivery_id = post.arrived()
    post.fakes.clock.advance(timedelta(hours=2))
    done = _register(post, delivery_id)
    delivery = post.delivery(delivery_id)
    assert delivery == done.delivery
    assert delivery.state is DeliveryState.HANDED_OVER
    receipt = done.receipt
    assert (receipt.letter_number, receipt.letter_date) == (
        delivery.letter.number,
        delivery.letter.dated,
    )
    assert (receipt.year, receipt.number, receipt.printed) == (2026, 1, "สพร ร/ ๒๕๖๙/ ๑")
    assert receipt.received.entered_at == SENT
    assert receipt.registered_at == SENT + timedelta(hours=2)
    assert (receipt.receiver, receipt.agency_name) == (CLERK.name, "สำนักงานพัฒนารัฐบาลดิจิทัล")
    assert post.fakes.deliveries.statements(delivery_id) == (done.jws,)
    assert str(delivery_id) in post.fakes.dispatch_queue.messages[-1]
    assert post.faults() == []


def test_the_line_tells_the_public_neither_letter_nor_sender() -> None:
    """P6, P7, ADR 41: the public leaf holds a salted hash and the receipt's digest; what is for
    the agency's own people stands in the table."""
    post = Post()
    delivery_id = post.arrived()
    done = _register(post, delivery_id)
    record = post.record(delivery_id)
    letter = record.delivery.letter
    entry = post.fakes.ledger.entry(post.register(), 1)
    assert entry is not None
    assert (entry.state, entry.subject_kind) == (EntryState.ISSUED, SubjectKind.DELIVERY)
    assert entry.subject_id == opaque_subject(delivery_id, record.salt)
    assert entry.commitment == commit(bytes.fromhex(record.salt), letter.file_digest)
    assert entry.file_digest == jws_digest(done.jws)
    assert (entry.document_id, entry.delivery_id) == (None, str(delivery_id))
    assert (entry.subject, entry.counterpart) == (letter.subject, "สำนักเลขาธิการคณะรัฐมนตรี")
    assert entry.ended_by == CLERK.subject
    public = entry.number_leaf().to_bytes().decode()
    for private in (letter.document_id, letter.file_digest, "slc/", str(delivery_id)):
        assert private not in public


def test_letters_get_the_numbers_in_order_of_registering() -> None:
    """P1, A18: one after the other, without a gap."""
    post = Post()
    ids = [post.arrived(document_id=f"01HLETTER{n}", number=n) for n in (1, 2, 3)]
    assert [_register(post, i).receipt.number for i in reversed(ids)] == [1, 2, 3]
    assert post.faults() == []


def test_registered_twice_is_the_first_receipt_byte_for_byte() -> None:
    """P5: a repeat, by whomever, is told the original receipt."""
    post = Post()
    delivery_id = post.arrived()
    first = _register(post, delivery_id)
    post.fakes.clock.advance(timedelta(days=1))
    again = _register(post, delivery_id, OTHER_CLERK)
    assert (again.jws, again.receipt) == (first.jws, first.receipt)
    assert post.faults() == []


def test_nothing_waits_for_the_working_time_to_be_known() -> None:
    """E2, ADR 40: a receipt is given though the counted time is still to come."""
    post = Post()
    entered = datetime(2035, 1, 8, 3, 0, 0, 123_000, tzinfo=UTC)
    post.fakes.clock.now = entered + timedelta(microseconds=456)
    receipt = _register(post, post.arrived()).receipt
    assert receipt.received == Received(entered)
    assert (receipt.year, receipt.number) == (2035, 1)


# -- what is refused --------------------------------------------------------------------


def test_what_has_not_arrived_is_not_registered() -> None:
    """A20: only what lies in the agency's inbox can be registered."""
    post = Post()
    with pytest.raises(DeliveryConflictError) as raised:
        _register(post, post.planned())
    assert raised.value.reason == "not_arrived"
    with pytest.raises(NotFoundError):
        _register(post, DeliveryId("01HNOTHING", "dga"))
    assert post.fakes.ledger.head(post.register()) == Head()


def test_an_agency_with_its_own_system_gives_its_own_numbers() -> None:
    """Issue 6.2: whoever numbers letters elsewhere is not numbered here as well."""
    post = Post()
    delivery_id = post.arrived("opm")
    with pytest.raises(NotHostedError):
        _register(post, delivery_id)


def _fail(post: Post, delivery_id: DeliveryId) -> None:
    post.fakes.clock.advance(timedelta(days=4))
    over = GaveUp(at=post.fakes.clock(), reason=Reason("gave_up", "Over.", "หมดเวลา"))
    take_step(delivery_id, lambda _: over, room=post.house().delivery_room)


def _recall(post: Post, delivery_id: DeliveryId) -> None:
    recall_letter(delivery_id, room=post.house().delivery_room)


def _reject(post: Post, delivery_id: DeliveryId) -> None:
    request = RejectionRequest(code=RejectionReason.ILLEGIBLE)
    reject_letter(delivery_id, request, room=post.house().delivery_room)


@pytest.mark.parametrize(
    ("begin", "end", "word"),
    [
        (Post.planned, _fail, "delivery_failed"),
        (Post.arrived, _recall, "delivery_recalled"),
        (Post.arrived, _reject, "delivery_rejected"),
    ],
)
def test_what_ended_otherwise_never_gets_a_receipt(
    begin: Callable[[Post], DeliveryId], end: Callable[[Post, DeliveryId], None], word: str
) -> None:
    """P5: one outcome; a failed delivery never gets a receipt, and no number is spent on it."""
    post = Post()
    delivery_id = begin(post)
    end(post, delivery_id)
    with pytest.raises(DeliveryConflictError) as raised:
        _register(post, delivery_id)
    assert raised.value.reason == word
    assert post.delivery(delivery_id).receipt is None
    assert post.fakes.ledger.head(post.register()) == Head()
    assert post.faults() == []


def test_a_register_that_a_batch_holds_gives_no_number() -> None:
    """P1: while the next numbers are somebody else's, a clerk is told to repeat."""
    post = Post()
    delivery_id = post.arrived()
    house = post.house(lambda name, port: _Held(port) if name == "registers" else port)
    with pytest.raises(RegisterHeldError):
        register_letter(delivery_id, receiver=CLERK, room=house.receiving_room)


@dataclass
class _Held:
    """A register store whose next numbers are a batch's."""

    ledger: Any

    def head(self, _register: object) -> Head:
        return Head(hold=Hold("dga/B1", 0, SENT))


def test_no_number_is_spent_on_a_receipt_that_nobody_could_read() -> None:
    """A1, P1: a receiver without a name that can be read stops it before anything is signed."""
    post = Post()
    delivery_id = post.arrived()
    with pytest.raises(ConfigurationError):
        _register(post, delivery_id, replace(CLERK, name=" "))
    assert post.fakes.ledger.head(post.register()) == Head()


# -- the file ---------------------------------------------------------------------------


def _damage(post: Post, delivery_id: DeliveryId, file: bytes) -> None:
    document = post.fakes.ledger.get(delivery_id.document_id)
    assert document is not None
    assert document.file is not None
    post.fakes.archive.files[document.file.key] = file


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"%PDF- another letter\n%sealed key-slc 1", "digest_differs"),
        (b"no PDF at all", "digest_differs"),
    ],
)
def test_an_untrusted_file_is_not_registered(file: bytes, reason: str) -> None:
    """Issue 6.3: seal, chain and digest are verified before a letter gets a number, and what
    was found stays visible."""
    post = Post()
    delivery_id = post.arrived()
    _damage(post, delivery_id, file)
    with pytest.raises(UntrustedFileError) as raised:
        _register(post, delivery_id)
    assert reason in raised.value.reasons
    check = post.record(delivery_id).check
    assert check is not None
    assert (check.passed, check.indication) == (False, "TOTAL-FAILED")
    assert post.fakes.ledger.head(post.register()) == Head()


def test_a_file_without_seal_is_untrusted_though_its_digest_is_right() -> None:
    """Issue 6.3: the digest alone is not enough."""
    post = Post()
    delivery_id = post.arrived()
    unsealed = b"%PDF-1.7 no seal here"
    document = post.fakes.ledger.get(delivery_id.document_id)
    assert document is not None
    assert document.file is not None
    post.fakes.archive.files[document.file.key] = unsealed
    check = check_arrival(post.record(delivery_id), room=post.house().arrival_room)
    assert not check.passed
    assert check.reasons


def test_what_was_left_open_is_checked_again_and_what_failed_is_not() -> None:
    """Issue 6.3: a missing root heals; a broken file does not."""
    post = Post()
    open_, failed = post.arrived(), post.arrived(document_id="01HOTHER", number=13)
    check = FileCheck(
        passed=False, indication="INDETERMINATE", reasons=("x",), sha256="00" * 32, at=SENT
    )
    post.fakes.deliveries.keep_check(open_, check)
    post.fakes.deliveries.keep_check(failed, replace(check, indication="TOTAL-FAILED"))
    assert _register(post, open_).receipt.number == 1
    with pytest.raises(UntrustedFileError):
        _register(post, failed)


# -- at the same time -------------------------------------------------------------------


def _moments(act: Callable[[Post, DeliveryId, Any], Any], prepare: Callable[..., Any]) -> int:
    """How many moments a run has when nobody interferes."""
    post = Post()
    delivery_id = prepare(post)
    danger = Danger()
    act(post, delivery_id, danger.wrap)
    return danger.moment


def _arrived(post: Post) -> DeliveryId:
    return post.arrived()


def _disputed(post: Post) -> DeliveryId:
    delivery_id = post.arrived()
    _register(post, delivery_id)
    _dispute(post, delivery_id, "2026/1")
    return delivery_id


def _register_through(post: Post, delivery_id: DeliveryId, wrap: Any) -> Registered:
    return register_letter(delivery_id, receiver=CLERK, room=post.house(wrap).receiving_room)


def _correct_through(post: Post, delivery_id: DeliveryId, wrap: Any) -> Registered:
    return correct_receipt(delivery_id, receiver=CLERK, room=post.house(wrap).receiving_room)


def test_two_clerks_at_once_give_one_number_and_one_receipt() -> None:
    """P1, P5: whenever the second clerk registers the same letter, both are told one receipt."""
    for moment in range(_moments(_register_through, _arrived)):
        post = Post()
        delivery_id = post.arrived()
        second: list[Registered] = []
        intruder = Intruder(
            kill_at=moment,
            act=lambda: second.append(_register(post, delivery_id, OTHER_CLERK)),  # noqa: B023 - called within
        )
        first = _register_through(post, delivery_id, intruder.wrap)
        assert [s.jws for s in second] == [first.jws], moment
        assert post.fakes.ledger.head(post.register()).last_number == 1
        assert post.faults() == []


def test_another_letter_at_once_gets_another_number() -> None:
    """P1: two letters registered at the same moment have two numbers, none left out, and the
    receipt signed for the number that was lost is kept nowhere."""
    for moment in range(_moments(_register_through, _arrived)):
        post = Post()
        mine, other = post.arrived(), post.arrived(document_id="01HOTHER", number=13)
        intruder = Intruder(kill_at=moment, act=partial(_register, post, other, OTHER_CLERK))
        done = _register_through(post, mine, intruder.wrap)
        told = {done.receipt.number, post.delivery(other).receipts[0].number}
        assert told == {1, 2}, moment
        assert post.faults() == []


@pytest.mark.parametrize("end", [_recall, _reject])
def test_who_comes_first_wins(end: Callable[[Post, DeliveryId], None]) -> None:
    """P5, issue 6.6: a recall or rejection at any moment of registering: exactly one happens."""
    for moment in range(_moments(_register_through, _arrived)):
        post = Post()
        delivery_id = post.arrived()
        lost: list[str] = []
        intruder = Intruder(
            kill_at=moment, act=partial(_attempt, partial(end, post, delivery_id), lost)
        )
        _attempt(partial(_register_through, post, delivery_id, intruder.wrap), lost)
        delivery = post.delivery(delivery_id)
        registered = delivery.state is DeliveryState.HANDED_OVER
        assert lost == ["delivery_handed_over" if registered else f"delivery_{delivery.state}"], (
            moment
        )
        assert (delivery.receipt is not None) is registered
        assert post.fakes.ledger.head(post.register()).last_number == int(registered)
        assert post.faults() == []


def _attempt(act: Callable[[], Any], lost: list[str]) -> None:
    try:
        act()
    except DeliveryConflictError as error:
        lost.append(error.reason)


def test_a_register_that_never_rests_is_told_as_busy() -> None:
    """P4: after six tries the clerk is told to repeat; nothing was written."""
    post = Post()
    delivery_id = post.arrived()
    others = iter(post.arrived(document_id=f"01HOTHER{n}", number=n) for n in range(20, 40))

    def wrap(name: str, port: Any) -> Any:
        return (
            _Overtaken(port, lambda: _register(post, next(others)))
            if name == "deliveries"
            else port
        )

    with pytest.raises(UnavailableError):
        _register_through(post, delivery_id, wrap)
    assert post.delivery(delivery_id).state is DeliveryState.CONSIGNED
    assert post.faults() == []


@dataclass
class _Overtaken:
    """A store before which somebody else is always faster."""

    store: Any
    other: Callable[[], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def register(self, *args: Any) -> None:
        self.other()
        self.store.register(*args)


# -- the turn of the year ----------------------------------------------------------------

NEW_YEAR = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
"""Midnight in Bangkok."""


def test_numbers_begin_anew_with_the_year_of_bangkok() -> None:
    """A18: the last instant of the year numbers in the old register, the next one in the new."""
    post = Post()
    old, new = post.arrived(), post.arrived(document_id="01HOTHER", number=13)
    post.fakes.clock.now = NEW_YEAR - timedelta(milliseconds=1)
    assert (_register(post, old).receipt.year, _register(post, old).receipt.number) == (2026, 1)
    post.fakes.clock.now = NEW_YEAR
    assert _register(post, new).receipt.printed == "สพร ร/ ๒๕๗๐/ ๑"
    assert post.faults() == []


def test_the_year_turns_and_is_closed_while_a_clerk_registers() -> None:
    """A18, P1: whenever the year turns and its register is closed, the letter gets one number,
    of the old year or of the new one, and its receipt tells that year."""

    def turn(post: Post) -> None:
        post.fakes.clock.now = NEW_YEAR + timedelta(hours=1)
        post.fakes.ledger.begin_closing(post.register())

    def prepare(post: Post) -> DeliveryId:
        post.fakes.clock.now = NEW_YEAR - timedelta(seconds=1)
        _register(post, post.arrived(document_id="01HFIRST", number=11))
        return post.arrived()

    numbers = set()
    for moment in range(_moments(_register_through, prepare)):
        post = Post()
        delivery_id = prepare(post)
        done = _register_through(
            post, delivery_id, Intruder(kill_at=moment, act=partial(turn, post)).wrap
        )
        number = (done.receipt.year, done.receipt.number)
        entry = post.fakes.ledger.entry(post.register(number[0]), number[1])
        assert entry is not None
        assert entry.delivery_id == str(delivery_id)
        numbers.add(number)
        assert post.faults() == []
    assert numbers == {(2026, 2), (2027, 1)}


def test_a_clock_behind_makes_no_receipt_older_than_the_arrival() -> None:
    """A19, A20: clocks differ; what is told stays in order."""
    post = Post()
    delivery_id = post.arrived()
    post.fakes.clock.advance(timedelta(seconds=-30))
    done = _register(post, delivery_id)
    assert done.receipt.registered_at >= done.receipt.received.entered_at
    assert post.faults() == []


# -- deaths ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "prepare", "numbers"),
    [(_register_through, _arrived, 1), (_correct_through, _disputed, 2)],
)
def test_a_death_at_any_call_leaves_nothing_or_everything(
    act: Callable[[Post, DeliveryId, Any], Registered], prepare: Callable[..., Any], numbers: int
) -> None:
    """P1, P5, P8: killed at any call, a repeat ends with the same one number and one receipt, and
    what was written before the death is the one that is told."""
    for moment in range(_moments(act, prepare)):
        post = Post()
        delivery_id = prepare(post)
        with pytest.raises(Killed):
            act(post, delivery_id, Danger(kill_at=moment).wrap)
        assert post.faults() == []
        statements = post.fakes.deliveries.statements(delivery_id)
        done = act(post, delivery_id, lambda _name, port: port)
        if len(statements) == numbers:
            assert done.jws == statements[-1]
        assert post.fakes.ledger.head(post.register()).last_number == numbers
        assert post.faults() == []


# -- corrections --------------------------------------------------------------------------


def test_a_disputed_number_is_corrected_and_both_lines_stay() -> None:
    """Issue 6.6, A20, e-CMS InvalidAcceptID: the next number, a receipt that names the one it
    corrects and keeps its time received; the register tells what became of the old number."""
    post = Post()
    delivery_id = post.arrived()
    first = _register(post, delivery_id)
    _dispute(post, delivery_id, "2026/1")
    post.fakes.clock.advance(timedelta(days=1))
    second = _correct(post, delivery_id)
    assert (first.receipt.number, second.receipt.number) == (1, 2)
    assert second.receipt.corrects == jws_digest(first.jws)
    assert second.receipt.received == first.receipt.received
    delivery = post.delivery(delivery_id)
    assert not delivery.disputed
    assert delivery.received is not None
    assert delivery.received.entered_at == SENT
    lines = post.fakes.ledger.entries(post.register())
    assert [line.state for line in lines] == [EntryState.ISSUED] * 2
    assert [remark_on_number(line, delivery) for line in lines] == [
        "เลขรับผิด แก้ไขเป็น สพร ร/ ๒๕๖๙/ ๒",
        "แก้ไขแทนเลขรับ สพร ร/ ๒๕๖๙/ ๑",
    ]
    assert post.faults() == []


def test_a_correction_repeated_is_the_first_one_byte_for_byte() -> None:
    """P5: one dispute has one answer; registering again is told what stands, too."""
    post = Post()
    delivery_id = _disputed(post)
    corrected = _correct(post, delivery_id)
    assert _correct(post, delivery_id).jws == corrected.jws
    assert _register(post, delivery_id).jws == corrected.jws
    assert post.fakes.ledger.head(post.register()).last_number == 2


def test_only_what_is_disputed_is_corrected() -> None:
    """Issue 6.6: a number changes only because its sender says it is wrong."""
    post = Post()
    delivery_id = post.arrived()
    with pytest.raises(DeliveryConflictError) as raised:
        _correct(post, delivery_id)
    assert raised.value.reason == "not_handed_over"
    _register(post, delivery_id)
    with pytest.raises(DeliveryConflictError) as raised:
        _correct(post, delivery_id)
    assert raised.value.reason == "not_disputed"


def test_two_corrections_at_once_give_one_number() -> None:
    """P1, P5: the dispute is answered once, whoever answers at the same moment."""
    for moment in range(_moments(_correct_through, _disputed)):
        post = Post()
        delivery_id = _disputed(post)
        second: list[Registered] = []
        intruder = Intruder(
            kill_at=moment,
            act=lambda: second.append(_correct(post, delivery_id)),  # noqa: B023 - called within
        )
        first = _correct_through(post, delivery_id, intruder.wrap)
        assert [s.jws for s in second] == [first.jws], moment
        assert post.fakes.ledger.head(post.register()).last_number == 2
        assert post.faults() == []


def test_a_dispute_names_the_number_that_stands() -> None:
    """Issue 6.6: a repeat of an old dispute does not dispute the correction."""
    post = Post()
    delivery_id = post.arrived()
    with pytest.raises(DeliveryConflictError) as raised:
        _dispute(post, delivery_id, "2026/1")
    assert raised.value.reason == "not_handed_over"
    _register(post, delivery_id)
    with pytest.raises(DeliveryConflictError) as raised:
        _dispute(post, delivery_id, "2026/9")
    assert raised.value.reason == "no_such_receipt"
    _dispute(post, delivery_id, "2026/1")
    _correct(post, delivery_id)
    _dispute(post, delivery_id, "2026/1")
    assert not post.delivery(delivery_id).disputed


def test_a_letter_in_this_inbox_is_registered_here_wherever_the_next_one_goes() -> None:
    """Issue 6.2: the channel that this letter came by decides, not the directory of today."""
    post = Post()
    delivery_id = post.arrived()
    moved = replace(post.agency("dga"), channel=ChannelKind.QUEUE, inbox_url="memory:dga")
    post.fakes.directory.put_agency(moved)
    assert _register(post, delivery_id).receipt.number == 1
