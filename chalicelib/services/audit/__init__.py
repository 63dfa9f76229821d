"""Audit: read everything of a register with read-only rights, and find what is wrong (P1-P5, P7).

Memory does not grow with the register: entries, files and logs pass by in pages, and
what must be compared across different orders is summed up (see `outcomes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import count as numbers_from

from chalicelib.domain.errors import TraError
from chalicelib.domain.findings import Fault, Finding, Findings, Report
from chalicelib.domain.registers import ACCESS_BOOK, REGISTER_LOGS, Entry, Head, LogName, Register
from chalicelib.domain.thai import register_year
from chalicelib.domain.tlog import OutcomeLeaf
from chalicelib.ports import LogState
from chalicelib.services.audit.accesses import audit_accesses
from chalicelib.services.audit.approvals import examine_approvals
from chalicelib.services.audit.closing import Tally, examine_closing
from chalicelib.services.audit.deliveries import examine_letters, examine_received
from chalicelib.services.audit.entries import Pair, at, examine_pair, examine_texts, pages
from chalicelib.services.audit.entries import Sequence as NumberSequence
from chalicelib.services.audit.files import examine_files, sift_archive
from chalicelib.services.audit.outcomes import (
    STRETCH,
    OutcomeSums,
    belongs_to,
    expected_of,
    split_by_age,
)
from chalicelib.services.audit.records import examine_records
from chalicelib.services.audit.replay import Replay
from chalicelib.services.audit.room import AuditRoom, Progress
from chalicelib.services.audit.rulings import StatusLines, examine_rulings, sift_rulings

__all__ = ["AuditRoom", "Progress", "Unaudited", "access_logs", "audit", "audit_all"]

_LEAVES = 1_000


def audit(register: Register, *, room: AuditRoom) -> Report:
    """Look at everything of one register and report; nothing is written anywhere.

    Numbers given and documents ended while it runs are not of this audit and no
    findings. Raises UnavailableError if something cannot be read: then nothing is
    known. Repeatable; dies anywhere: nothing happened.
    """
    if register.book == ACCESS_BOOK:
        return audit_accesses(register, room=room)
    visit = _Visit(register, replace(room, is_paused=cache(room.is_paused)))
    # 1. How far everything is. Read first: whatever comes later is newer.
    visit.begin()
    # 2. The outcome log, built again and compared; and summed up by number.
    visit.replay_outcomes()
    # 3. Every entry with its document, its approvals, file, lock, outcomes, and the number log
    #    with it; a letter with all its deliveries, a number of a receive register with its own.
    visit.walk_entries()
    # 4. The archive from its own side: nothing lies there that nobody knows.
    visit.sift_archive()
    # 5. Evidence records are over what was issued, and none is late.
    visit.examine_records()
    # 6. A closed year is still what was stated of it.
    visit.examine_closing()
    return visit.report()


@dataclass(frozen=True, slots=True)
class Unaudited:
    """A register of which nothing is known: it could not be read, or (`error` is None) there
    was no time left for it."""

    register: Register
    error: TraError | None


def audit_all(
    *, room: AuditRoom, in_time: Callable[[], bool] = lambda: True
) -> Iterator[Report | Unaudited]:
    """Audit every register and access log, one report at a time; one that fails holds up no
    other.

    Each day begins with another register, so that where one run's time is too short
    for all (`in_time` says so), none is left out for ever.
    """
    registers = (*room.registers.registers(), *access_logs(room))
    first = room.clock().toordinal() % len(registers) if registers else 0
    for register in (*registers[first:], *registers[:first]):
        if not in_time():
            yield Unaudited(register, None)
            continue
        try:
            yield audit(register, room=room)
        except TraError as error:
            yield Unaudited(register, error)


def access_logs(room: AuditRoom) -> tuple[Register, ...]:
    """Every access log: those with places, those of which the first record still waits, and those
    that were signed for once: a table that was emptied says of none, and all of it is missed."""
    known = {*room.access_log.logs(), *room.access_log.waiting_logs()}
    begun = {*room.registers.registers(), *known}
    agencies = {register.agency_id for register in begun}
    this_year = register_year(room.clock())
    years = range(min((register.year for register in begun), default=this_year), this_year + 1)
    possible = {Register(agency, ACCESS_BOOK, year) for agency in agencies for year in years}
    signed = {log for log in possible - known if room.logs.state(log, LogName.ACCESSES).head.size}
    return tuple(sorted(known | signed))


@dataclass
class _Visit:
    """One audit at work."""

    register: Register
    room: AuditRoom
    counts: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)

    def begin(self) -> None:
        self.findings = Findings(self.register)
        self.started_at = self.room.clock()
        self.limit: datetime = self.started_at - self.room.patience
        self.head: Head = self.room.registers.head(self.register)
        self.states: dict[LogName, LogState] = {
            log: self.room.logs.state(self.register, log) for log in REGISTER_LOGS
        }
        self.sums = OutcomeSums(1, self.head.last_number)
        self._check_hold()

    def _check_hold(self) -> None:
        """A batch has its numbers within minutes; who waits for them longer should know."""
        hold = self.head.hold
        self.counts["held"] = int(hold is not None)
        if hold is not None and hold.at < self.limit:
            number = self.head.last_number
            self.findings.add(Fault.UNFINISHED, number=number, place=f"held by {hold.batch}")

    # -- 2 -------------------------------------------------------------------

    def replay_outcomes(self) -> None:
        replay = self._replay(LogName.OUTCOMES)
        for seq, body in enumerate(self._leaf_bodies()):
            replay.add(body)
            leaf = self._read_leaf(body, seq)
            if leaf is not None:
                self.sums.add(leaf)
                self._check_age(leaf.at, seq, LogName.OUTCOMES)
        replay.finish()
        self.counts["outcome_leaves"] = replay.size
        self.counts["checkpoints"] += replay.checkpoints

    def _leaf_bodies(self) -> Iterator[bytes]:
        for start in numbers_from(0, _LEAVES):
            page = self.room.logs.leaves(
                self.register, LogName.OUTCOMES, start=start, limit=_LEAVES
            )
            yield from page
            self._show("outcome log", start + len(page), self.states[LogName.OUTCOMES].head.size)
            if len(page) < _LEAVES:
                return

    def _read_leaf(self, body: bytes, seq: int) -> OutcomeLeaf | None:
        try:
            leaf = OutcomeLeaf.from_bytes(body)
        except TraError:
            leaf = None
        if leaf is None or not belongs_to(leaf, self.register, seq) or self._is_unheard_of(leaf):
            self.findings.add(Fault.OUTCOME_LOG_MISMATCH, log=LogName.OUTCOMES, place=f"leaf {seq}")
        return leaf

    def _is_unheard_of(self, leaf: OutcomeLeaf) -> bool:
        """Of a number that was never given; one given meanwhile is no finding."""
        return (
            leaf.number > self.head.last_number
            and leaf.number > self.room.registers.head(self.register).last_number
        )

    # -- 3 -------------------------------------------------------------------

    def walk_entries(self) -> None:
        sequence = NumberSequence(self.findings, self.register)
        replay = self._replay(LogName.NUMBERS)
        status_lines = StatusLines(self.register, room=self.room, findings=self.findings)
        family: list[Pair] = []
        for page in pages(self.register, room=self.room):
            known = [pair for pair in page if pair[0].number <= self.head.last_number]
            found, files = examine_files(known, room=self.room)
            ruled, rulings = examine_rulings(known, self.limit, room=self.room)
            approved, decisions = examine_approvals(known, room=self.room)
            texts = examine_texts(known, room=self.room)
            for finding in (*found, *ruled, *approved, *texts, *self._examine_deliveries(known)):
                self.findings.note(finding)
            for pair in known:
                status_lines.take(pair[0])
                self._grow(replay, pair[0], sequence.take(pair[0]))
                if family and family[0][0].number != pair[0].number:
                    self._settle_outcomes(family)
                    family = []
                family.append(pair)
                self._examine(pair)
            self.counts["entries"] += len(known)
            self.counts["files"] += files
            self.counts["rulings"] += rulings
            self.counts["approvals"] += decisions
            self._show("entries", page[-1][0].number, self.head.last_number)
            if len(known) < len(page):
                self._check_beyond(page[len(known)][0])
                break
        if family:
            self._settle_outcomes(family)
        status_lines.end()
        sequence.end(self.head.last_number, room=self.room)
        for _ in range(replay.size, min(self.head.last_number, replay.published)):
            replay.add(None)
        replay.finish()
        self.counts["number_leaves"] = replay.size
        self.counts["checkpoints"] += replay.checkpoints

    def _examine_deliveries(self, page: Sequence[Pair]) -> list[Finding]:
        sent, counts = examine_letters(page, self.limit, room=self.room)
        received, more = examine_received(page, room=self.room)
        self.counts.update(counts + more)
        return [*sent, *received]

    def _grow(self, replay: Replay, entry: Entry, missing: int) -> None:
        """The number log goes on with this entry; lost ones before it are left out."""
        for _ in range(missing):
            replay.add(None)
        if entry.child or entry.number != replay.size + 1:
            return
        replay.add(entry.number_leaf().to_bytes())
        self._check_age(entry.numbered_at, entry.number - 1, LogName.NUMBERS)

    def _examine(self, pair: Pair) -> None:
        entry, document = pair
        self.tally.take(entry)
        self.counts[entry.state.value] += 1
        finding = examine_pair(entry, document, room=self.room)
        if finding is not None:
            self.findings.note(finding)

    def _settle_outcomes(self, family: Sequence[Pair]) -> None:
        """A number and all inserted under it: does the outcome log say so?"""
        first = family[0][0]
        if first.number > self.sums.last:
            self._next_stretch(first.number)
        if first.number < self.sums.first:
            return  # out of order: told already
        leaves = [leaf for entry, document in family for leaf in expected_of(entry, document)]
        if not self.sums.agree(first.number, *split_by_age(leaves, self.limit)):
            self.findings.note(at(first, Fault.OUTCOME_LOG_MISMATCH))

    def _next_stretch(self, number: int) -> None:
        """Read the outcome log again for the next numbers."""
        self.sums = OutcomeSums(number - (number - 1) % STRETCH, self.head.last_number)
        for body in self._leaf_bodies():
            leaf = _leaf_or_none(body)
            if leaf is not None:
                self.sums.add(leaf)

    def _check_beyond(self, entry: Entry) -> None:
        """An entry behind the last number is of a number given meanwhile, or of none."""
        if entry.number > self.room.registers.head(self.register).last_number:
            self.findings.note(at(entry, Fault.HEAD_MISMATCH))

    # -- 4, 5, 6 ----------------------------------------------------------------

    def sift_archive(self) -> None:
        self.counts["keys"] = sift_archive(self.register, room=self.room, findings=self.findings)
        self.counts["keys"] += sift_rulings(self.register, room=self.room, findings=self.findings)
        self._show("archive", self.counts["keys"])

    def examine_records(self) -> None:
        self.counts["evidence_records"] = examine_records(
            self.register, self.started_at, room=self.room, findings=self.findings
        )

    def examine_closing(self) -> None:
        examine_closing(
            self.register,
            self.head,
            self.tally,
            self.states,
            room=self.room,
            findings=self.findings,
        )

    def report(self) -> Report:
        return Report(
            register=self.register,
            started_at=self.started_at,
            ended_at=self.room.clock(),
            counts=dict(self.counts),
            found=dict(self.findings.counted),
            findings=tuple(self.findings.kept),
        )

    # ------------------------------------------------------------------------

    def _replay(self, log: LogName) -> Replay:
        return Replay(self.register, log, self.states[log], room=self.room, findings=self.findings)

    def _check_age(self, instant: datetime, index: int, log: LogName) -> None:
        """The first leaf that is not published, but should have been long ago."""
        if index == self.states[log].head.size and instant < self.limit:
            self.findings.add(Fault.LOG_BEHIND, log=log, place=f"leaf {index}")

    def _show(self, part: str, done: int, total: int = 0) -> None:
        self.room.watch(Progress(part, done, total))


def _leaf_or_none(body: bytes) -> OutcomeLeaf | None:
    try:
        return OutcomeLeaf.from_bytes(body)
    except TraError:
        return None
