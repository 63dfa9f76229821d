"""The audit on fakes: silent where nothing is wrong, and right about every planted fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.memory_logs import MemoryLogSigner
from chalicelib.bootstrap import House
from chalicelib.domain.documents import Document
from chalicelib.domain.findings import MOST_KEPT, Fault, Findings, Report
from chalicelib.domain.merkle import TreeHead, root_of
from chalicelib.domain.notes import Checkpoint, Note, sign_checkpoint
from chalicelib.domain.registers import (
    Book,
    Entry,
    EntryState,
    LogName,
    NumberWish,
    Register,
    WishKind,
)
from chalicelib.domain.retention import LockMode
from chalicelib.domain.tlog import OutcomeLeaf
from chalicelib.ports import LogState
from chalicelib.services.audit import audit, outcomes
from chalicelib.services.audit.outcomes import OutcomeSums, expected_of
from chalicelib.services.audit.room import Progress
from chalicelib.services.checkpoint import checkpoint_all, log_key
from chalicelib.services.close import close_all
from chalicelib.services.reserve import ReservationRequest, give_back, reserve
from tests.fault.harness import World
from tests.support.logs import give_numbers
from tests.support.samples import NOON, document, settings

REGISTER = Register("diw", "licence", 2026)
BOOK = Book("diw", "licence")


class Site:
    """A register with everything in it: 1-520 issued, then reserved numbers used (521), given
    back (522) and waiting (523), one inserted number (7/1); checkpoints at several sizes."""

    def __init__(self) -> None:
        self._enter(World())
        self._issue(*(document(f"A{n:03d}") for n in range(7)))
        self._issue(*(document(f"B{n:03d}") for n in range(290)))
        self._issue(*(document(f"C{n:03d}") for n in range(223)))
        request = ReservationRequest(
            book=BOOK, count=3, owner="clerk-1", reason="รอ", expires_at=NOON + timedelta(days=5)
        )
        desk = self.house.reservation_desk
        reserve(request, desk=desk)
        give_back(REGISTER, 522, by="clerk-1", desk=desk)
        used = replace(document("D1"), wish=NumberWish(WishKind.RESERVED, 2026, 521))
        inserted = replace(document("D2"), wish=NumberWish(WishKind.INSERTED, 2026, 7))
        self._issue(used, inserted)

    def copy(self) -> Site:
        """A site of its own: what lies in the fakes is immutable, only their dicts are not."""
        site, world = object.__new__(Site), World()
        for name in ("ledger", "archive", "log_files"):
            there, here = getattr(world.fakes, name), getattr(self.fakes, name)
            vars(there).update({k: _copied(v) for k, v in vars(here).items() if k != "_lock"})
        site._enter(world)
        return site

    def _enter(self, world: World) -> None:
        self.world, self.fakes = world, world.fakes
        self.house: House = self.fakes.house()

    def _issue(self, *documents: Document) -> None:
        self.world.accept(*documents)
        self.world.run_to_rest()
        self.checkpoint()

    def checkpoint(self) -> None:
        assert not checkpoint_all(room=self.house.checkpoint_room).failed

    def audit(self) -> Report:
        return audit(REGISTER, room=self.house.audit_room)

    # -- what a fault is planted with ------------------------------------------

    def entry(self, number: int, child: int = 0) -> Entry:
        return self.fakes.ledger._entries[REGISTER, number, child]

    def change_entry(self, number: int, child: int = 0, **changes: object) -> None:
        changed = replace(self.entry(number, child), **changes)  # type: ignore[arg-type]  # any field
        self.fakes.ledger._entries[REGISTER, number, child] = changed

    def remove_entry(self, number: int) -> None:
        del self.fakes.ledger._entries[REGISTER, number, 0]

    def change_document(self, document_id: str, **changes: object) -> None:
        kept = self.fakes.ledger._documents
        kept[document_id] = replace(kept[document_id], **changes)  # type: ignore[arg-type]  # any field

    def change_lock(self, document_id: str, **changes: object) -> None:
        described = self.fakes.archive._described
        key = f"documents/diw/licence/2026/{document_id}.pdf"
        described[key] = replace(described[key], **changes)  # type: ignore[arg-type]  # any field

    def log_file(self, log: LogName, path: str, data: bytes | None) -> None:
        place = (REGISTER, log, path)
        before = self.fakes.log_files.files.pop(place)
        assert data != before
        if data is not None:
            self.fakes.log_files.files[place] = data

    def read_log_file(self, log: LogName, path: str) -> bytes:
        return self.fakes.log_files.files[REGISTER, log, path]

    def note(self, size: int, root: bytes, signer: MemoryLogSigner) -> Note:
        own = self.fakes.log_signer
        key = log_key(
            REGISTER, LogName.NUMBERS, public_url="https://tra.test", public_key=own.public_key
        )
        return sign_checkpoint(Checkpoint(key.name, size, root), key, signer.sign)

    def publish(self, log: LogName, state: LogState) -> None:
        self.fakes.ledger._logs[REGISTER, log] = state


def _copied(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {k: list(v) if isinstance(v, list) else v for k, v in value.items()}


@pytest.fixture(scope="module")
def built() -> Site:
    return Site()


@pytest.fixture
def site(built: Site) -> Site:
    return built.copy()


def test_an_untouched_register_has_no_findings(site: Site) -> None:
    """P1-P4, P7: the audit raises no false alarm, and says how much it has looked at."""
    report = site.audit()
    assert report.findings == ()
    assert report.clean
    assert report.counts["entries"] == 524
    assert report.counts["issued"] == report.counts["files"] == report.counts["keys"] == 522
    assert (report.counts["void"], report.counts["reserved"]) == (1, 1)
    assert report.counts["number_leaves"] == 523
    assert report.counts["outcome_leaves"] == 522 + 1 + 2
    assert report.counts["checkpoints"] == 4 + 4


def test_what_is_not_checkpointed_yet_is_no_finding(site: Site) -> None:
    """P7: new numbers and outcomes wait for the next checkpoint, and that is no fault."""
    site.world.accept(*(document(f"E{n}") for n in range(3)))
    site.world.run_to_rest()
    assert site.audit().findings == ()


Plant = Callable[[Site], object]

FORGED_ROOT = root_of([bytes(32)] * 7)


def _remove_run(site: Site) -> None:
    for number in (3, 4, 5):
        site.remove_entry(number)


def _swap_file(site: Site) -> None:
    site.fakes.archive.files["documents/diw/licence/2026/A003.pdf"] = b"other bytes"


def _lose_file(site: Site) -> None:
    del site.fakes.archive.files["documents/diw/licence/2026/A003.pdf"]


def _unknown_file(site: Site) -> None:
    key = "documents/diw/licence/2026/X999.pdf"
    site.fakes.archive.put_once(key, b"x", NOON, LockMode.COMPLIANCE)


def _fork_kept(site: Site) -> None:
    note = site.note(7, FORGED_ROOT, site.fakes.log_signer)
    site.log_file(LogName.NUMBERS, "checkpoints/000000000007", note.to_bytes())


def _fork_published(site: Site) -> None:
    note = site.note(523, FORGED_ROOT, site.fakes.log_signer)
    site.publish(LogName.NUMBERS, LogState(TreeHead(523, FORGED_ROOT), note.to_bytes()))


def _foreign_signature(site: Site) -> None:
    state = site.fakes.ledger.state(REGISTER, LogName.NUMBERS)
    note = site.note(523, state.head.root, MemoryLogSigner(bytes([7]) * 32))
    site.log_file(LogName.NUMBERS, "checkpoints/000000000523", note.to_bytes())


def _roll_back(site: Site) -> None:
    """Register and log as they were at 297, but a later checkpoint was signed."""
    for number in range(298, 524):
        site.remove_entry(number)
    ledger = site.fakes.ledger
    ledger._heads[REGISTER] = replace(ledger.head(REGISTER), last_number=297)
    kept = site.read_log_file(LogName.NUMBERS, "checkpoints/000000000297")
    root = Checkpoint.parse(Note.from_bytes(kept).text).root
    site.publish(LogName.NUMBERS, LogState(TreeHead(297, root), kept))


def _edit_outcome(site: Site) -> None:
    leaves = site.fakes.ledger._leaves[REGISTER]
    leaf = OutcomeLeaf.from_bytes(leaves[3])
    leaves[3] = replace(leaf, file_digest="ab" * 32).to_bytes()


def _edit_outcome_everywhere(site: Site) -> None:
    """Before it was published: no signature contradicts it."""
    site.world.accept(document("E1"))
    site.world.run_to_rest()
    site.fakes.ledger.sequence(REGISTER)
    leaves = site.fakes.ledger._leaves[REGISTER]
    leaf = OutcomeLeaf.from_bytes(leaves[-1])
    leaves[-1] = replace(leaf, file_digest="ab" * 32).to_bytes()
    site.checkpoint()


def _double_outcome(site: Site) -> None:
    leaves = site.fakes.ledger._leaves[REGISTER]
    leaves.append(replace(OutcomeLeaf.from_bytes(leaves[9]), seq=len(leaves)).to_bytes())
    site.checkpoint()


def _lose_outcome(site: Site) -> None:
    """One that should be there since long ago."""
    site.world.accept(document("E1"))
    site.world.run_to_rest()
    site.fakes.ledger._pending.clear()
    site.fakes.clock.advance(timedelta(days=2))
    site.checkpoint()


def _truncate(path: str, log: LogName = LogName.NUMBERS) -> Plant:
    return lambda site: site.log_file(log, path, site.read_log_file(log, path)[:-7])


def _change_bundle(site: Site) -> None:
    path = "tile/entries/000"
    data = site.read_log_file(LogName.NUMBERS, path)
    site.log_file(LogName.NUMBERS, path, data.replace(b"A003", b"A004", 1))


def _double_document(site: Site) -> None:
    other = site.entry(2)
    site.change_entry(
        3,
        document_id=other.document_id,
        content_digest=other.content_digest,
        file_digest=other.file_digest,
    )


def _written_after_close(site: Site) -> None:
    ledger = site.fakes.ledger
    ledger._heads[REGISTER] = replace(ledger.head(REGISTER), closing=True, statement="0" * 64)


PLANTED: list[tuple[str, Plant, set[Fault]]] = [
    ("a removed entry", lambda s: s.remove_entry(3), {Fault.GAP}),
    ("a removed run of entries", _remove_run, {Fault.GAP}),
    ("the last entries removed", lambda s: s.remove_entry(523), {Fault.GAP}),
    ("a document twice", _double_document, {Fault.DOUBLE, Fault.OUTCOME_LOG_MISMATCH}),
    (
        "an entry behind the head",
        lambda s: s.fakes.ledger._entries.update(
            {(REGISTER, 524, 0): replace(s.entry(520), number=524)}
        ),
        {Fault.HEAD_MISMATCH},
    ),
    (
        "a changed digest in an entry",
        lambda s: s.change_entry(3, content_digest="0" * 64),
        {Fault.DIGEST_MISMATCH},
    ),
    (
        "a changed commitment",
        lambda s: s.change_entry(300, commitment="0" * 64),
        {Fault.DIGEST_MISMATCH, Fault.NUMBER_LOG_MISMATCH},
    ),
    (
        "a changed content",
        lambda s: s.change_document("A003", content={"holder": {"name": "ผู้อื่น"}}),
        {Fault.DIGEST_MISMATCH},
    ),
    (
        "a changed file digest in an entry",
        lambda s: s.change_entry(3, file_digest="0" * 64),
        {Fault.DIGEST_MISMATCH, Fault.OUTCOME_LOG_MISMATCH},
    ),
    (
        "a changed time",
        lambda s: s.change_entry(3, numbered_at=NOON - timedelta(days=1)),
        {Fault.TIME_ORDER, Fault.NUMBER_LOG_MISMATCH},
    ),
    (
        "a document lost",
        lambda s: s.fakes.ledger._documents.pop("A003"),
        {Fault.ENTRY_WITHOUT_DOCUMENT, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "an entry opened again",
        lambda s: s.change_entry(3, state=EntryState.OPEN, ended_at=None),
        {Fault.STATE_MISMATCH, Fault.OUTCOME_LOG_MISMATCH},
    ),
    (
        "a void number given back to use",
        lambda s: s.change_entry(522, state=EntryState.RESERVED, ended_at=None),
        {Fault.OUTCOME_LOG_MISMATCH},
    ),
    ("a swapped file", _swap_file, {Fault.DIGEST_MISMATCH}),
    ("a file lost", _lose_file, {Fault.ENTRY_WITHOUT_FILE}),
    ("a file nobody knows", _unknown_file, {Fault.FILE_WITHOUT_ENTRY}),
    (
        "another version of a file",
        lambda s: s.change_lock("A003", version_id="other"),
        {Fault.ENTRY_WITHOUT_FILE, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "a shortened lock",
        lambda s: s.change_lock("A003", retain_until=NOON + timedelta(days=365)),
        {Fault.LOCK_TOO_SHORT},
    ),
    (
        "a weaker lock",
        lambda s: s.change_lock("A003", lock_mode=LockMode.GOVERNANCE),
        {Fault.LOCK_WEAKER},
    ),
    ("a lock taken away", lambda s: s.change_lock("A003", lock_mode=None), {Fault.LOCK_MISSING}),
    ("a truncated tile", _truncate("tile/0/000"), {Fault.TILE_DAMAGED}),
    ("a truncated tile of the upper level", _truncate("tile/1/000.p/2"), {Fault.TILE_DAMAGED}),
    ("a truncated partial tile", _truncate("tile/0/001.p/41"), {Fault.TILE_DAMAGED}),
    ("a truncated bundle", _truncate("tile/entries/001"), {Fault.TILE_DAMAGED}),
    (
        "a truncated tile of outcomes",
        _truncate("tile/0/000", LogName.OUTCOMES),
        {Fault.TILE_DAMAGED},
    ),
    (
        "a lost tile",
        lambda s: s.log_file(LogName.NUMBERS, "tile/0/001", None),
        {Fault.TILE_DAMAGED},
    ),
    ("a changed bundle", _change_bundle, {Fault.TILE_DAMAGED}),
    ("a forked log, of old", _fork_kept, {Fault.FORKED_LOG}),
    ("a forked log, now", _fork_published, {Fault.FORKED_LOG}),
    ("a foreign signature", _foreign_signature, {Fault.CHECKPOINT_SIGNATURE}),
    (
        "a lost checkpoint",
        lambda s: s.log_file(LogName.NUMBERS, "checkpoints/000000000523", None),
        {Fault.CHECKPOINT_HISTORY},
    ),
    (
        "a renamed checkpoint",
        lambda s: s.log_file(
            LogName.NUMBERS,
            "checkpoints/000000000007",
            s.read_log_file(LogName.NUMBERS, "checkpoints/000000000297"),
        ),
        {Fault.CHECKPOINT_HISTORY},
    ),
    ("an edited outcome", _edit_outcome, {Fault.OUTCOME_LOG_MISMATCH}),
    ("an outcome edited before", _edit_outcome_everywhere, {Fault.OUTCOME_LOG_MISMATCH}),
    ("an outcome told twice", _double_outcome, {Fault.OUTCOME_LOG_MISMATCH}),
    ("an outcome never told", _lose_outcome, {Fault.OUTCOME_LOG_MISMATCH}),
    ("a statement that is not there", _written_after_close, {Fault.CLOSED_YEAR_WRITTEN}),
    (
        "a number given in another year",
        lambda s: s.change_entry(523, numbered_at=NOON + timedelta(days=100)),
        {Fault.CLOSED_YEAR_WRITTEN, Fault.NUMBER_LOG_MISMATCH},
    ),
]


@pytest.mark.parametrize(
    ("plant", "expected"),
    [pytest.param(plant, expected, id=name) for name, plant, expected in PLANTED],
)
def test_a_planted_fault_is_found_and_named(site: Site, plant: Plant, expected: set[Fault]) -> None:
    """P1, P2, P4, P7: the audit finds exactly this fault, takes it for no other, and misses nothing."""
    plant(site)
    report = site.audit()
    assert set(report.found) == expected
    assert not report.clean


def test_a_rolled_back_register_is_found(site: Site) -> None:
    """P7: whoever restores an old state is contradicted by the checkpoints signed later."""
    _roll_back(site)
    assert Fault.CHECKPOINT_HISTORY in site.audit().found


def test_a_finding_says_where(site: Site) -> None:
    """A28: whoever gets the report knows number and document, in Thai and English."""
    site.change_entry(3, content_digest="0" * 64)
    (finding,) = site.audit().findings
    assert (finding.number, finding.child, finding.document_id) == (3, 0, "A002")
    assert finding.detail
    assert finding.detail_th
    site.change_entry(7, 1, content_digest="0" * 64)
    assert [(f.number, f.child) for f in site.audit().findings] == [(3, 0), (7, 1)]


def test_one_lost_entry_does_not_hide_another_fault(site: Site) -> None:
    """P1, P7: what comes after a gap is still compared with what was published."""
    site.remove_entry(3)
    site.change_entry(300, commitment="0" * 64)
    site.change_entry(510, commitment="0" * 64)
    found = site.audit().findings
    assert {f.number for f in found if f.fault is Fault.NUMBER_LOG_MISMATCH} == {300, 510}
    assert {f.number for f in found if f.fault is Fault.GAP} == {3}


def test_what_rests_too_long_is_a_warning(site: Site) -> None:
    """P4: a number that waits is visible, but is not yet a fault."""
    site.world.accept(document("E1"))
    site.world.step("number")
    site.fakes.clock.advance(timedelta(days=2))
    report = site.audit()
    assert set(report.found) == {Fault.UNFINISHED, Fault.LOG_BEHIND}
    assert report.clean
    assert report.warnings == 2


def test_numbers_given_meanwhile_are_not_of_this_audit(site: Site) -> None:
    """P8: an audit beside a working register raises no false alarm."""
    sent = []

    def work(progress: Progress) -> None:
        sent.append(progress)
        site.world.accept(document(f"M{len(sent):03d}"))
        site.world.run_to_rest()
        site.checkpoint()

    report = audit(REGISTER, room=replace(site.house.audit_room, watch=work))
    assert report.findings == ()
    assert report.counts["entries"] == 524
    assert {progress.part for progress in sent} == {"outcome log", "entries", "archive"}


def test_a_register_longer_than_a_stretch(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: outcomes are compared stretch by stretch, and none falls between two."""
    monkeypatch.setattr(outcomes, "STRETCH", 100)
    monkeypatch.setattr("chalicelib.services.audit.STRETCH", 100)
    assert site.audit().findings == ()
    site.change_entry(301, ended_at=NOON + timedelta(hours=1))
    assert [(f.fault, f.number) for f in site.audit().findings] == [
        (Fault.OUTCOME_LOG_MISMATCH, 301)
    ]


@pytest.mark.parametrize("count", [32, 33, 34, 66])
def test_every_kept_checkpoint_is_looked_at(count: int) -> None:
    """P7: checkpoints are read some dozens at a time, and none falls between two readings
    (found by the campaign, seed 20261121: the published one fell, and was said to be lost)."""
    world = World()
    house = world.fakes.house()
    for _ in range(count):
        give_numbers(world.fakes.ledger, 1, REGISTER)
        assert not checkpoint_all(room=house.checkpoint_room).failed
    report = audit(REGISTER, room=house.audit_room)
    assert [f.fault for f in report.findings if f.log is LogName.NUMBERS] == []
    assert report.counts["checkpoints"] == count


def test_the_report_is_json_and_bounded() -> None:
    """A28: a report of a ruined register is still one that can be sent."""
    findings = Findings(REGISTER)
    for number in range(MOST_KEPT + 5):
        findings.add(Fault.GAP, number=number)
    report = Report(
        register=REGISTER,
        started_at=NOON,
        ended_at=NOON,
        counts={},
        found=dict(findings.counted),
        findings=tuple(findings.kept),
    )
    printed = json.loads(json.dumps(report.to_json()))
    assert printed["found"] == {"gap": MOST_KEPT + 5}
    assert len(printed["findings"]) == MOST_KEPT
    assert printed["findings"][0]["severity"] == "error"


def test_young_outcomes_may_be_there_or_not(site: Site) -> None:
    """P4: an outcome on its way is neither demanded nor refused; one too much is."""
    sums = OutcomeSums(1, 10)
    entry = site.entry(521)
    leaves = expected_of(entry, site.fakes.ledger.get("D1"))
    assert len(leaves) == 2
    assert sums.agree(5, [], [replace(leaf, number=5) for leaf in leaves])
    sums.add(replace(leaves[0], number=5))
    assert sums.agree(5, [], [replace(leaf, number=5) for leaf in leaves])
    assert not sums.agree(5, [], [])
    assert not sums.agree(5, [replace(leaf, number=5) for leaf in leaves], [])


def test_the_audit_reads_bytes_unless_told_otherwise(site: Site) -> None:
    """P2: a digest that somebody wrote down is not believed by default."""
    _swap_file(site)
    fast = audit(REGISTER, room=replace(site.house.audit_room, read_bytes=False))
    assert settings().public_url == "https://tra.test"
    assert set(fast.found) == {Fault.DIGEST_MISMATCH}  # the size tells
    key = "documents/diw/licence/2026/A003.pdf"
    size = site.fakes.archive._described[key].size
    site.fakes.archive.files[key] = bytes(size)
    fast = audit(REGISTER, room=replace(site.house.audit_room, read_bytes=False))
    assert fast.clean
    assert not site.audit().clean


def test_a_closed_year_is_held_to_its_statement() -> None:
    """A18, A22: what was stated of a year is compared with the register for as long as both exist."""
    world = World()
    world.accept(*(document(f"A{n}") for n in range(3)))
    world.run_to_rest()
    world.fakes.clock.advance(timedelta(days=60))
    house = world.fakes.house()
    assert close_all(room=house.closing_room).closed == 1
    assert audit(REGISTER, room=house.audit_room).clean
    world.fakes.ledger._entries[REGISTER, 3, 1] = replace(
        world.fakes.ledger._entries[REGISTER, 3, 0], child=1
    )
    found = audit(REGISTER, room=house.audit_room).findings
    places = {f.place for f in found if f.fault is Fault.CLOSED_YEAR_WRITTEN}
    assert places == {
        f"statements/{REGISTER.register_id}/closing.jws {what}" for what in ("inserted", "issued")
    }
