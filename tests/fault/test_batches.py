"""Batches: a block of numbers without a stranger in it, and every function may die anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from chalicelib.adapters.memory import PlainRenderer
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.batches import (
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    OnError,
    Start,
)
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import DocumentState
from chalicelib.domain.errors import (
    BatchMovedError,
    RegisterHeldError,
    RenderError,
    UnavailableError,
)
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import Book, EntryState, NumberWish, Register, WishKind
from chalicelib.handlers import queues
from chalicelib.ports import RenderRequest
from chalicelib.services import batches as desk_of
from chalicelib.services import check_batch
from chalicelib.services.audit import audit as audit_register
from chalicelib.services.batches import BatchRequest
from chalicelib.services.check_batch import REPORT
from chalicelib.services.close import close_all
from chalicelib.services.reserve import ReservationDesk, ReservationRequest, reserve
from tests.fault.harness import QUEUES, Danger, Killed, World, _event, audit
from tests.support.batch_files import json_lines
from tests.support.rooms import CONTEXT, furnished, sample_event
from tests.support.samples import NOON, document

REGISTER = Register("diw", "licence", 2026)
LINES = 45
"""Two blocks of numbers, three chunks."""


@cache
def _body() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sample_event("api")["body"])
    return {"content": body["content"]}


def _file(lines: int = LINES, bad: tuple[int, ...] = ()) -> bytes:
    """Lines that differ in the holder's name; `bad` ones have no content."""
    bodies: list[object] = []
    for n in range(1, lines + 1):
        body = json.loads(json.dumps(_body()))
        body["content"]["holder"]["name"] = f"บริษัท ทดสอบ {n} จำกัด"
        bodies.append({"valid_from": "2026-12-01"} if n in bad else body)
    return json_lines(bodies)


def _desk(world: World) -> desk_of.BatchDesk:
    return world.fakes.house().batch_desk


def _made(
    world: World,
    content: bytes | None = None,
    *,
    start: Start = Start.AUTOMATIC,
    on_error: OnError = OnError.ALL_OR_NOTHING,
    recipients: tuple[str, ...] = ("dbd",),
) -> BatchRef:
    """A batch whose file is uploaded, and whose check was asked for."""
    house = world.fakes.house()
    kind = house.types.get("licence")
    assert kind is not None
    request = BatchRequest(
        agency_id="diw",
        submitted_by="app-1",
        document_type=kind,
        file=BatchFile(format="jsonl"),
        on_error=on_error,
        start=start,
        defaults={"recipients": list(recipients)},
        claim=None,
    )
    desk = replace(house.batch_desk, ids=_Ids(len(world.fakes.ledger._batches)))
    batch = desk_of.create(request, desk=desk)
    world.fakes.batch_files.uploads[batch.ref] = _file() if content is None else content
    desk_of.begin_check(batch.ref, desk=desk)
    return batch.ref


class _Ids:
    """Ids of batches only: one world, many houses."""

    def __init__(self, count: int) -> None:
        self.count = count

    def document_id(self) -> str:
        return f"01BATCH{self.count:019d}"

    def salt(self) -> str:
        return f"{self.count:064x}"

    def verification_code(self) -> str:
        raise AssertionError("a batch derives its codes")


def _batch(world: World, ref: BatchRef) -> Batch:
    found = world.fakes.ledger.batch(ref)
    assert found is not None
    return found


def _numbers(world: World, ref: BatchRef) -> list[int]:
    """Numbers of the batch's documents in the order of its lines."""
    batch = _batch(world, ref)
    found = world.fakes.ledger.get_many([batch.document_id(n) for n in range(batch.numbered)])
    lines = sorted(found.values(), key=lambda d: d.batch.line if d.batch else 0)
    return [d.numbering.number for d in lines if d.numbering]


def _manifest(world: World, ref: BatchRef) -> list[dict[str, Any]]:
    manifest = _batch(world, ref).manifest
    assert manifest is not None
    rows = world.fakes.archive.files[manifest.key].splitlines()
    return [json.loads(row) for row in rows]


def _wrong(world: World, ref: BatchRef) -> list[str]:
    """What is wrong with a batch that should be done."""
    found = audit(world.fakes, REGISTER)
    batch = _batch(world, ref)
    if batch.state is not BatchState.DONE:
        found.append(f"the batch is {batch.stands}")
        return found
    numbers = _numbers(world, ref)
    if numbers != list(range(numbers[0], numbers[0] + LINES)):
        found.append(f"the block is {numbers}")
    rows = _manifest(world, ref)
    if [(r["number"], r["state"]) for r in rows] != [(n, "issued") for n in numbers]:
        found.append("the manifest tells something else")
    if world.fakes.ledger.head(REGISTER).hold is not None:
        found.append("the register is held still")
    return found


def _until(world: World, queue: str) -> None:
    """Let everything else work until a message waits here."""
    for _ in range(100):
        if getattr(world.fakes, f"{queue}_queue").messages:
            return
        for other in QUEUES:
            if other != queue and world.step(other):
                break
    raise AssertionError(f"nothing comes to {queue}")


# -- the block ---------------------------------------------------------------


def test_a_batch_runs_from_file_to_manifest() -> None:
    """Issue 5 item 4: checked, numbered as one block in file order, issued, manifest archived."""
    world = World()
    ref = _made(world)
    world.run_to_rest()
    assert _wrong(world, ref) == []
    told = [json.loads(event) for _, event in world.fakes.inboxes.events]
    assert len(told) == LINES
    rows = _manifest(world, ref)
    assert [row["line"] for row in rows] == list(range(1, LINES + 1))
    assert all(row["sha256"] and row["verify"].startswith("https://tra.test/v/") for row in rows)


STEPS = [("batch", 0), ("number", 0), ("batch", 1), ("batch_seal", 0), ("batch_seal", 1)]
"""The functions in the order of a batch's way: check, number, send out chunks, seal them."""


def _prepared(step: int, lines: int = LINES) -> tuple[World, BatchRef]:
    """A world in which it is the turn of that step."""
    world = World()
    ref = _made(world, _file(lines))
    for queue, _ in STEPS[:step]:
        _until(world, queue)
        world.step(queue)
    _until(world, STEPS[step][0])
    return world, ref


def _moments(step: int) -> list[str]:
    danger = Danger()
    world, _ = _prepared(step)
    world.step(STEPS[step][0], danger)
    return danger.seen


CASES = [
    pytest.param(step, moment, id=f"{queue}-{n}-{moment:03d}-{what.replace(' ', '-')}")
    for step, (queue, n) in enumerate(STEPS)
    for moment, what in enumerate(_moments(step))
    # A chunk's documents are sealed as any other (test_kill_at_every_call.py): what matters here
    # is where one ends and what stands around them.
    if queue != "batch_seal" or "batch" in what or moment % 17 == 0
]


@pytest.mark.parametrize(("step", "moment"), CASES)
def test_killed_anywhere_the_message_returns(step: int, moment: int) -> None:
    """P1-P5, P8: check, numbering, dispatch and sealing of a batch die at this moment and run
    again: one block, one file each, one set of events."""
    world, ref = _prepared(step)
    with pytest.raises(Killed):
        world.step(STEPS[step][0], Danger(kill_at=moment))
    world.run_to_rest()
    assert _wrong(world, ref) == []


@pytest.mark.parametrize(("step", "moment"), CASES[::4])
def test_killed_anywhere_and_all_messages_lost(step: int, moment: int) -> None:
    """P4, P8: the sweep alone brings a batch to its end."""
    world, ref = _prepared(step)
    with pytest.raises(Killed):
        world.step(STEPS[step][0], Danger(kill_at=moment))
    for queue in QUEUES:
        getattr(world.fakes, f"{queue}_queue").messages.clear()
    _sweep_to_the_end(world, ref)
    assert _wrong(world, ref) == []


def _sweep_to_the_end(world: World, ref: BatchRef) -> None:
    for _ in range(12):
        world.sweep()
        world.run_to_rest()
        if _batch(world, ref).state.ended:
            world.sweep()
            world.run_to_rest()
            return


def test_the_manifest_may_be_killed_anywhere() -> None:
    """P8: the end of a batch dies at any call; the manifest is written once."""
    danger = Danger()
    world = _about_to_end()[0]
    world.step("batch", danger)
    for moment in range(danger.moment):
        world, ref = _about_to_end()
        with pytest.raises(Killed):
            world.step("batch", Danger(kill_at=moment))
        world.run_to_rest()
        assert _wrong(world, ref) == [], danger.seen[moment]


def _about_to_end() -> tuple[World, BatchRef]:
    world = World()
    ref = _made(world)
    while not world.fakes.batch_queue.messages or _batch(world, ref).seen == 0:
        moved = [world.step(q) for q in ("number", "batch_seal", "deliver")]
        if _progress(world, ref) == 3:
            break
        if not any(moved):
            world.step("batch")
    return world, ref


def _progress(world: World, ref: BatchRef) -> int:
    return world.fakes.ledger.progress(ref).chunks


def test_chunks_sealed_by_threads_die_together() -> None:
    """P2, P8: a process with several documents at once dies; all end well."""
    for moment in range(0, len(_moments(3)), 47):
        world, ref = _prepared(3)
        world.fakes.seal_at_once = 3
        with pytest.raises(Killed):
            world.step("batch_seal", Danger(kill_at=moment))
        world.run_to_rest()
        assert _wrong(world, ref) == []


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check remembers how far it is after seven lines; one case for each holder."""
    monkeypatch.setattr(check_batch, "_SEGMENT_LINES", 7)
    kinds, one_case = PackagedDocumentTypes(), {"business_key": ("/holder/name",)}

    def get(_self: object, name: str, version: int | None = None) -> DocumentType | None:
        kind = kinds._by_name.get(name)
        return replace(kind, **one_case) if kind and version in {None, kind.version} else None  # type: ignore[arg-type]  # its own field

    monkeypatch.setattr(PackagedDocumentTypes, "get", get)


def _with_repeats() -> bytes:
    """Line 20 says again what line 3 said, line 30 has no content."""
    lines = _file(40, bad=(30,)).splitlines(keepends=True)
    return b"".join([*lines[:19], lines[2], *lines[20:]])


def _faults(world: World, ref: BatchRef) -> list[tuple[int, str]]:
    rows = world.fakes.batch_files.files[ref, REPORT].splitlines()
    return [(row["line"], row["code"]) for row in map(json.loads, rows)]


@pytest.mark.usefixtures("short_segments")
def test_the_check_goes_on_from_segment_to_segment_wherever_it_dies() -> None:
    """Issue 5 item 4, P8: a check of many segments dies at any call: each line is looked at,
    a case repeated in another segment is told with both lines, the others are numbered."""
    danger = Danger()
    world = World()
    _made(world, _with_repeats(), on_error=OnError.SKIP_INVALID)
    world.step("batch", danger)
    for moment in range(danger.moment):
        world = World()
        ref = _made(world, _with_repeats(), on_error=OnError.SKIP_INVALID)
        with pytest.raises(Killed):
            world.step("batch", Danger(kill_at=moment))
        world.run_to_rest()
        batch = _batch(world, ref)
        what = danger.seen[moment]
        assert (batch.checked.lines, batch.checked.invalid, batch.numbered) == (40, 2, 38), what
        assert _faults(world, ref) == [(20, "duplicate_business_key"), (30, "missing")], what
        assert batch.state is BatchState.DONE
        assert audit(world.fakes, REGISTER) == []
    kept = world.fakes.batch_files.files[ref, REPORT].decode()
    assert "line 3:" in kept


@pytest.mark.usefixtures("short_segments")
def test_a_check_that_is_short_of_time_goes_on_with_another_message() -> None:
    """Issue 5 item 4: constant memory and bounded time: one segment at a time is enough."""
    world = World()
    ref = _made(world)
    taken, world.fakes.batch_queue.messages[:] = world.fakes.batch_queue.messages[:1], []
    with furnished(world.fakes.house()):
        queues.batch(_event("batch", taken), CONTEXT)  # a context that is nearly over
    assert _batch(world, ref).checked.lines == 7
    world.run_to_rest()
    assert _wrong(world, ref) == []


def test_time_is_looked_at_within_a_segment_too() -> None:
    """P4, P8: lines that take long to look at (each may name a hundred agencies) must not use up
    an invocation before anything of it is kept: it would begin again for ever."""
    world = World()
    bad = tuple(range(1, 206))  # of these little is kept, so they make a long segment
    ref = _made(world, _file(250, bad), on_error=OnError.SKIP_INVALID)
    taken, world.fakes.batch_queue.messages[:] = world.fakes.batch_queue.messages[:1], []
    with furnished(world.fakes.house()):
        queues.batch(_event("batch", taken), CONTEXT)  # a context that is nearly over
    assert 0 < _batch(world, ref).checked.lines < 250
    world.run_to_rest()
    assert (_batch(world, ref).state, _batch(world, ref).numbered) == (BatchState.DONE, LINES)


# -- strangers ---------------------------------------------------------------


class _Ending:
    """Time that is over after some questions, as at the end of a Lambda's life."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def get_remaining_time_in_millis(self) -> int:
        self.left -= 1
        return 30_000 if self.left >= 0 else 1_000


def _number_until(world: World, questions: int) -> None:
    """One invocation of `number` that has time for so many blocks."""
    taken, world.fakes.number_queue.messages[:] = world.fakes.number_queue.messages[:10], []
    context = type("Context", (), {**vars(CONTEXT)})()
    context.get_remaining_time_in_millis = _Ending(questions).get_remaining_time_in_millis
    with furnished(world.fakes.house()):
        report = queues.number(_event("number", taken), context)
    assert report == {"batchItemFailures": []}


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_documents_that_come_meanwhile_wait_behind_the_block(blocks: int) -> None:
    """P1, P4: whoever meets the hold helps the batch on, or waits behind it; the block stays
    whole, and nobody's message fails for it."""
    world = World()
    early, late = document("EARLY", recipients=("rd",)), document("LATE", recipients=("rd",))
    world.accept(early)
    world.run_to_rest()
    ref = _made(world)
    _until(world, "number")
    _number_until(world, blocks)
    if blocks < 3:
        assert world.fakes.ledger.head(REGISTER).hold is not None
    world.accept(late)
    # The stranger comes first, as from another queue's poller.
    world.fakes.number_queue.messages.reverse()
    _number_until(world, 1)
    world.run_to_rest()
    assert _wrong(world, ref) == []
    assert _numbers(world, ref)[0] == 2
    found = world.fakes.ledger.get("LATE")
    assert found is not None
    assert found.numbering is not None
    assert found.numbering.number == LINES + 2


def test_two_batches_of_one_book_follow_each_other() -> None:
    """P1: the second waits for the register; each has a block of its own."""
    world = World()
    first, second = _made(world), _made(world)
    world.run_to_rest()
    assert _wrong(world, first) == []
    assert _wrong(world, second) == []
    assert sorted(_numbers(world, first) + _numbers(world, second)) == list(range(1, 91))


def _held(now: datetime = NOON) -> tuple[World, BatchRef]:
    """A document has a number, and the block behind it is half written."""
    world = World()
    world.fakes.clock.now = now
    world.accept(document("D1"))
    world.run_to_rest()
    ref = _made(world)
    _until(world, "number")
    _number_until(world, 2)
    assert world.fakes.ledger.head(REGISTER).hold is not None
    return world, ref


def test_a_reservation_asks_to_wait_and_the_rest_of_the_register_works() -> None:
    """P1, P4: while a batch holds the register, nobody reserves; inserted numbers and ends go on."""
    world, ref = _held()
    house = world.fakes.house()
    desk = ReservationDesk(
        registers=house.registers,
        clock=world.fakes.clock,
        ids=house.ids,
        pause=lambda _n: None,
    )
    request = ReservationRequest(
        book=Book("diw", "licence"),
        count=1,
        owner="clerk",
        reason="รอลงนาม",
        expires_at=world.fakes.clock() + timedelta(hours=1),
    )
    with pytest.raises(RegisterHeldError):
        reserve(request, desk=desk)
    inserted = replace(document("D2"), wish=NumberWish(WishKind.INSERTED, 2026, 1))
    world.accept(inserted)
    world.fakes.number_queue.messages.insert(0, world.fakes.number_queue.messages.pop())
    world.step("number", batch=1)
    found = world.fakes.ledger.get("D2")
    assert found is not None
    assert found.numbering is not None
    assert (found.numbering.number, found.numbering.child) == (1, 1)
    world.run_to_rest()
    assert _wrong(world, ref) == []


def test_a_year_that_ends_splits_no_block() -> None:
    """P1, A18: the hold's year is the block's; the closing of the year waits for it."""
    midnight = datetime(2026, 12, 31, 17, tzinfo=UTC)
    world, ref = _held(midnight - timedelta(minutes=1))
    world.fakes.clock.now = midnight + timedelta(minutes=1)
    closed = close_all(room=world.fakes.house().closing_room)
    assert (closed.closed, closed.waiting, closed.failed) == (0, 1, ())
    world.run_to_rest()
    assert _wrong(world, ref) == []
    assert [d.numbering.year for d in _documents(world, ref) if d.numbering] == [2026] * LINES
    assert close_all(room=world.fakes.house().closing_room).failed == ()


def _documents(world: World, ref: BatchRef) -> list[Any]:
    batch = _batch(world, ref)
    found = world.fakes.ledger.get_many([batch.document_id(n) for n in range(batch.numbered)])
    return list(found.values())


def test_what_was_checked_and_is_gone_frees_the_register() -> None:
    """P4: a batch that can never be numbered on lets go of the book; what it has ends as void."""
    world, ref = _held()
    world.fakes.batch_files.files.clear()
    world.run_to_rest()
    batch = _batch(world, ref)
    assert (batch.state, batch.reason and batch.reason.code) == (
        BatchState.CANCELLED,
        "batch_broken",
    )
    assert world.fakes.ledger.head(REGISTER).hold is None
    assert {d.state for d in _documents(world, ref)} == {DocumentState.VOID}
    assert audit(world.fakes, REGISTER) == []


# -- pause and cancel --------------------------------------------------------


def test_a_paused_batch_seals_nothing_and_goes_on_when_resumed() -> None:
    """Issue 5 item 4: pause stops what is not sealed, however often it is swept; resume ends it."""
    world, ref = _prepared(3)
    world.step("batch_seal", batch=1)
    desk_of.pause(ref, desk=_desk(world))
    world.run_to_rest()
    world.sweep()
    world.run_to_rest()
    assert _batch(world, ref).stands == "paused"
    assert _progress(world, ref) == 1
    desk_of.resume(ref, desk=_desk(world))
    world.run_to_rest()
    assert _wrong(world, ref) == []


def test_numbering_that_has_begun_is_ended_though_the_batch_is_paused() -> None:
    """P1: others wait for the register, so a pause never keeps it."""
    world, ref = _held()
    desk_of.pause(ref, desk=_desk(world))
    world.run_to_rest()
    assert world.fakes.ledger.head(REGISTER).hold is None
    assert (_batch(world, ref).stands, _batch(world, ref).numbered) == ("paused", LINES)
    desk_of.resume(ref, desk=_desk(world))
    world.run_to_rest()
    assert _wrong(world, ref) == []


CANCELLED_AT = ["numbering", "held", "issuing", "half"]


def _cancelled(at: str) -> tuple[World, BatchRef]:
    if at == "held":
        world, ref = _held()
    else:
        step = {"numbering": 1, "issuing": 3, "half": 3}[at]
        world, ref = _prepared(step)
    if at == "half":
        world.step("batch_seal", batch=1)
    desk_of.cancel(ref, by="clerk-9", desk=_desk(world))
    return world, ref


@pytest.mark.parametrize("at", CANCELLED_AT)
def test_a_cancelled_batch_ends_and_leaves_nothing_open(at: str) -> None:
    """Issue 5 item 4, P4: what is not issued ends, with a reason and by whom; what is issued stays."""
    world, ref = _cancelled(at)
    world.run_to_rest()
    _check_cancelled(world, ref)
    batch, found = _batch(world, ref), _documents(world, ref)
    issued = [d for d in found if d.state is DocumentState.ISSUED]
    assert batch.numbered == {"numbering": 0, "held": 32, "issuing": LINES, "half": LINES}[at]
    assert len(issued) == (20 if at == "half" else 0)
    assert {d.reason.code for d in found if d.state is DocumentState.VOID} <= {"batch_cancelled"}
    entries = world.fakes.ledger.entries(REGISTER, limit=1_000)
    assert {e.ended_by for e in entries if e.state is EntryState.VOID} <= {"clerk-9"}


def _check_cancelled(world: World, ref: BatchRef) -> None:
    batch = _batch(world, ref)
    assert (batch.state, batch.cancelled_by) == (BatchState.CANCELLED, "clerk-9")
    assert audit(world.fakes, REGISTER) == []
    if batch.numbered:
        rows = _manifest(world, ref)
        assert len(rows) == batch.numbered
        assert {row["state"] for row in rows} <= {"issued", "void"}


@pytest.mark.parametrize("at", ["held", "half"])
def test_cancelling_may_be_killed_anywhere(at: str) -> None:
    """P4, P8: the end of a cancelled batch dies at any call of the function that makes it."""
    danger = Danger()
    world, _ = _cancelled(at)
    if at == "held":
        world.step("number")
    world.step("batch", danger)
    for moment in range(danger.moment):
        world, ref = _cancelled(at)
        if at == "held":
            world.step("number")
        with pytest.raises(Killed):
            world.step("batch", Danger(kill_at=moment))
        world.run_to_rest()
        _check_cancelled(world, ref)


@pytest.mark.parametrize("moment", range(0, len(_moments(3)) // 2, 23))
def test_cancelled_while_a_chunk_is_being_sealed(moment: int) -> None:
    """P2, P3, P8: a chunk whose worker died when its batch was cancelled: a file that lies in the
    archive is issued, nothing else is, and no file lies there without an entry."""
    world, ref = _prepared(3)
    with pytest.raises(Killed):
        world.step("batch_seal", Danger(kill_at=moment), batch=1)
    desk_of.cancel(ref, by="clerk-9", desk=_desk(world))
    world.run_to_rest()
    _sweep_to_the_end(world, ref)
    _check_cancelled(world, ref)


def test_a_batch_that_has_ended_cannot_be_cancelled() -> None:
    """P4: what is done is done, and the caller is told."""
    world = World()
    ref = _made(world)
    world.run_to_rest()
    with pytest.raises(BatchMovedError):
        desk_of.cancel(ref, by="clerk-9", desk=_desk(world))


def _found(world: World) -> set[tuple[str, str | None]]:
    report = audit_register(REGISTER, room=world.fakes.house().audit_room)
    return {(f.fault.value, f.place) for f in report.findings if f.fault is Fault.UNFINISHED}


def test_the_audit_knows_held_registers_and_paused_batches() -> None:
    """P4: a register that is held for a day, or numbers open for a day, are warnings; those of a
    batch that somebody paused are not."""
    world, ref = _held()
    world.fakes.clock.advance(timedelta(days=2))
    assert ("unfinished", f"held by {ref}") in _found(world)
    desk_of.pause(ref, desk=_desk(world))
    world.run_to_rest()
    assert _found(world) == set()
    desk_of.resume(ref, desk=_desk(world))
    world.fakes.batch_queue.messages.clear()
    world.fakes.clock.advance(timedelta(days=2))
    assert _found(world) == {("unfinished", None)}


# -- what never ends by itself -----------------------------------------------


def test_a_batch_that_nobody_goes_on_with_ends() -> None:
    """P4: no file within a day, no start within two weeks: it ends, and says why."""
    world = World()
    waiting = _made(world, start=Start.MANUAL)
    world.run_to_rest()
    assert _batch(world, waiting).state is BatchState.READY
    world.fakes.clock.advance(timedelta(days=15))
    _sweep_to_the_end(world, waiting)
    batch = _batch(world, waiting)
    assert (batch.state, batch.reason and batch.reason.code) == (
        BatchState.CANCELLED,
        "not_started",
    )


class _Picky(PlainRenderer):
    def render(self, request: RenderRequest) -> bytes:
        if "ทดสอบ 7 จำกัด".encode() in request.attachments[0].data:
            raise RenderError("The text does not fit.")
        return super().render(request)


def test_a_document_that_no_page_can_be_made_of_is_void_and_the_others_go_on() -> None:
    """P4: one void number of a batch holds up nothing, and the manifest says so."""
    world = World()
    world.fakes.renderer = _Picky()
    ref = _made(world)
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
    rows = _manifest(world, ref)
    assert [row["line"] for row in rows if row["state"] == "void"] == [7]
    progress = world.fakes.ledger.progress(ref)
    assert (progress.issued, progress.void) == (LINES - 1, 1)


class _DownRenderer(PlainRenderer):
    down = True

    def render(self, request: RenderRequest) -> bytes:
        if self.down:
            raise UnavailableError("Not now.")
        return super().render(request)


def test_an_outage_of_sealing_heals_by_itself() -> None:
    """P4: chunks that failed until their messages were lost are sent again by the sweep."""
    world, ref = _prepared(3)
    world.fakes.renderer = _DownRenderer()
    world.step("batch_seal")
    world.fakes.batch_seal_queue.messages.clear()
    world.fakes.renderer.down = False
    _sweep_to_the_end(world, ref)
    assert _wrong(world, ref) == []
