"""A seeded random campaign: what a bad month does to registers, in a few seconds.

    python -m tests.fault.campaign [--seed N] [--documents 5000] [--letters 1000]
                                                                        (make campaign)

Documents of several agencies and books are submitted, reserved for, inserted; of some, one or
two officers have to approve, who approve, refuse, mistake one for another, or never come; functions
die at random moments; messages come twice, late, in another order, or never; the log is
checkpointed in between, by a function that dies as well; and in the middle the year
ends in Bangkok. Then everything is swept to rest, the old year is closed, and the
audit that also runs in production looks at every register. Letters between agencies have a
campaign of their own, which runs after this one (`letter_campaign.py`).

The same seed gives the same campaign. Whatever fails prints its seed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.adapters.ers_stamps import EmbeddingStamper
from chalicelib.adapters.memory import (
    CountingIds,
    MemoryQueue,
    PlainRenderer,
)
from chalicelib.domain.approval_records import record_key
from chalicelib.domain.approvals import ApprovalDecision, ApprovalPolicy, Choice
from chalicelib.domain.documents import Decision, Document, DocumentState
from chalicelib.domain.errors import (
    ApprovalRefusedError,
    RenderError,
    StandingConflictError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.findings import Fault, Report
from chalicelib.domain.registers import Book, EntryState, NumberWish, Register, WishKind
from chalicelib.domain.standing import REASONS_FOR, RulingKind
from chalicelib.domain.statements import claimed_payload
from chalicelib.handlers import schedules
from chalicelib.ports import RenderRequest, Search
from chalicelib.services.audit import audit
from chalicelib.services.close import close_all
from chalicelib.services.decide_case import decide_case, withdraw_case
from chalicelib.services.renew import renew
from chalicelib.services.reserve import ReservationRequest, give_back, reserve
from chalicelib.services.revoke import rule
from tests.fault import letter_campaign
from tests.fault.harness import MIDNIGHT, Danger, Killed, Trouble, World
from tests.support.approving import decision, waiting_for
from tests.support.decades import Times
from tests.support.rooms import CONTEXT, furnished, sample_event
from tests.support.samples import document

BOOKS = (
    Book("diw", "licence"),
    Book("diw", "e-certificate"),
    Book("dbd", "licence"),
    Book("dbd", "notice"),
)
_QUEUES = ("number", "seal", "deliver")
_DECIDED = (RulingKind.SUSPENDED, RulingKind.REINSTATED, RulingKind.REVOKED)
# Most steps of a function have this many moments at which it can die.
_MOMENTS = 30
UNPRINTABLE = b"unprintable"
_SILENT = logging.CRITICAL + 1


class PickyRenderer(PlainRenderer):
    """Cannot make a page of some contents: their numbers end as void (P4)."""

    def render(self, request: RenderRequest) -> bytes:
        if UNPRINTABLE in request.attachments[0].data:
            raise RenderError("The text does not fit.")
        return super().render(request)


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended. Everything but `done` and `seconds` should be nothing."""

    seed: int
    documents: int
    registers: int
    lost: int
    doubled: int
    gapped: int
    unended: int
    findings: tuple[str, ...]
    done: Mapping[str, int]
    seconds: float

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.gapped or self.unended or self.findings)

    def __str__(self) -> str:
        happened = ", ".join(f"{times} {what}" for what, times in sorted(self.done.items()))
        lines = [
            f"campaign seed {self.seed}: {self.documents} documents in {self.registers} registers, {self.seconds:.1f} s",
            f"  {happened}",
            f"  lost {self.lost} / doubled {self.doubled} / gapped {self.gapped} / unended {self.unended} / other findings {len(self.findings)}",
            *(f"    {finding}" for finding in self.findings[:20]),
        ]
        if not self.clean:
            lines.append(f"  again with: make campaign SEED={self.seed} DOCUMENTS={self.documents}")
        return "\n".join(lines)


@dataclass
class Campaign:
    """One run. Every choice is `dice`'s, so the seed decides everything."""

    seed: int
    documents: int
    world: World = field(default_factory=World)
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.ids = CountingIds()
        self.world.fakes.clock.now = MIDNIGHT - timedelta(days=10)
        self.world.fakes.renderer = PickyRenderer()
        times = Times(self.world.fakes.clock)
        self.world.fakes.stamper = EmbeddingStamper(times, times)
        self.submitted: list[str] = []
        self.awaiting: list[str] = []

    def run(self) -> Outcome:
        started = time.perf_counter()
        # About one submission in three steps; the year ends in the middle.
        while len(self.submitted) < self.documents:
            self._act()
            if len(self.submitted) >= self.documents // 2:
                self._end_year()
        self._come_to_rest()
        reports = [self._audit(r) for r in self.world.fakes.ledger.registers()]
        return self._outcome(reports, time.perf_counter() - started)

    # -- what happens --------------------------------------------------------

    def _act(self) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (30, self._submit),
            (45, self._step),
            (12, self._disturb),
            (4, self._checkpoint),
            (5, self._reserve),
            (12, self._rule),
            (30, self._decide),
            (2, self._withdraw),
            (2, self._sweep),
            (1, self._close),
            (1, self._renew),
        ]
        weights = [weight for weight, _ in acts]
        (chosen,) = self.dice.choices([act for _, act in acts], weights)
        self.world.fakes.clock.advance(timedelta(milliseconds=self.dice.randrange(400)))
        chosen()

    def _submit(self) -> None:
        for _ in range(self.dice.randrange(1, 12)):
            made = self._document()
            self.world.accept(made)
            self.submitted.append(made.document_id)
        self.done["submissions"] += 1

    def _document(self) -> Document:
        book = self.dice.choice(BOOKS)
        fresh = document(
            self.ids.document_id(),
            agency_id=book.agency_id,
            at=self.world.fakes.clock(),
            content=self._content(),
            recipients=tuple(self.dice.sample(("dbd", "rd", "diw"), self.dice.randrange(3))),
        )
        made = replace(
            fresh,
            book=book,
            salt=self.ids.salt(),
            wish=self._wish(book),
            supersedes=self._replaced(book),
        )
        return self._wanting_approval(made)

    def _wanting_approval(self, made: Document) -> Document:
        """One in four; its message to `number` comes all the same, and too early."""
        if self.dice.random() > 0.25:
            return made
        policy = ApprovalPolicy(
            approvers=self.dice.choice((1, 1, 2)),
            central=self.dice.choice((None, None, "opdc")),
            open_days=self.dice.randrange(1, 5),
        )
        self.awaiting.append(made.document_id)
        self.done["cases opened"] += 1
        return waiting_for(policy, made)

    def _replaced(self, book: Book) -> str | None:
        """Mostly none; sometimes a document of the agency, in whatever state it is by then."""
        old = self._any_issued()
        if self.dice.random() > 0.1 or old is None or old.agency_id != book.agency_id:
            return None
        self.done["replacements asked for"] += 1
        return old.document_id

    def _decide(self) -> None:
        """An officer decides on some of what waits; now and then on other content, twice, or
        though the officer submitted it."""
        for document_id in self._some_awaiting(self.dice.randrange(1, 8)):
            by = self.dice.choice(("head-1", "head-2", "head-3", "clerk-1"))
            choice = self.dice.choices(tuple(Choice), (90, 5, 5))[0]
            digest = "00" * 32 if self.dice.random() < 0.03 else None
            self._dying(partial(self._decide_one, document_id, by, choice, digest))

    def _decide_one(
        self, document_id: str, by: str, choice: Choice, digest: str | None, danger: Danger
    ) -> None:
        fakes = self.world.fakes
        seen = fakes.ledger.get(document_id)
        if seen is None:
            return

        def decision_on(about: Document) -> ApprovalDecision:
            said = decision(about, by, choice, at=fakes.clock(), signer=fakes.signer)
            return replace(said, content_digest=digest) if digest else said

        room = replace(fakes.house(danger.wrap).case_room, pause=lambda _attempt: None)
        try:
            decide_case(seen, decision_on, room=room)
        except ApprovalRefusedError as error:
            self.done[f"decisions refused: {error.reason}"] += 1
        else:
            self.done[f"decisions to {choice}"] += 1

    def _withdraw(self) -> None:
        def work(danger: Danger) -> None:
            for document_id in self._some_awaiting(1):
                seen = self.world.fakes.ledger.get(document_id)
                if seen is not None:
                    withdraw_case(
                        seen, "clerk-1", room=self.world.fakes.house(danger.wrap).case_room
                    )
                    self.done["cases withdrawn"] += 1

        with suppress(ApprovalRefusedError):
            self._dying(work)

    def _some_awaiting(self, count: int) -> list[str]:
        """Of what was opened lately; some of it is decided already."""
        lately = self.awaiting[-200:]
        return [self.dice.choice(lately) for _ in range(count)] if lately else []

    def _any_issued(self) -> Document | None:
        if not self.submitted:
            return None
        found = self.world.fakes.ledger.get(self.dice.choice(self.submitted))
        return found if found and found.state is DocumentState.ISSUED else None

    def _rule(self) -> None:
        """An officer decides about some document, at once or for later."""
        made, kind = self._any_issued(), self.dice.choice(_DECIDED)
        if made is None:
            return
        now = self.world.fakes.clock()
        decision = Decision(
            kind=kind,
            reason_code=REASONS_FOR[kind][0],
            reason="เหตุผล",
            by="approver-1",
            agency_id=made.agency_id,
            effective_at=now + timedelta(minutes=self.dice.choice((0, 0, 5, 90))),
        )

        def work(danger: Danger) -> None:
            bench = self.world.fakes.house(danger.wrap).bench
            bench = replace(bench, pause=lambda _attempt: None)
            with suppress(StandingConflictError):
                rule(made.document_id, decision, None, bench=bench)
                self.done[f"documents {kind}"] += 1

        self._dying(work)

    def _content(self) -> dict[str, Any]:
        printable = self.dice.random() > 0.03
        name = "บริษัท ทดสอบ จำกัด" if printable else UNPRINTABLE.decode()
        return {"holder": {"name": name}}

    def _wish(self, book: Book) -> NumberWish | None:
        """Mostly none; sometimes a number that may or may not be had."""
        if self.dice.random() > 0.08:
            return None
        register = book.at(self.world.fakes.clock())
        last = self.world.fakes.ledger.head(register).last_number
        kind = self.dice.choice((WishKind.RESERVED, WishKind.INSERTED))
        self.done[f"wishes for {kind} numbers"] += 1
        return NumberWish(kind, register.year, self._reserved_in(register, kind, last))

    def _reserved_in(self, register: Register, kind: WishKind, last: int) -> int:
        ledger = self.world.fakes.ledger
        tried = [self.dice.randrange(1, last + 2) for _ in range(12)]
        if kind is WishKind.INSERTED:
            return tried[0]
        for number in tried:
            entry = ledger.entry(register, number)
            if entry is not None and entry.state is EntryState.RESERVED:
                return number
        return tried[0]

    def _step(self) -> None:
        """One function takes a batch; two times in five it may die."""
        name = self.dice.choice(_QUEUES)
        self._dying(lambda danger: self.world.step(name, danger))

    def _dying(self, work: Callable[[Danger], object]) -> None:
        kill_at = self.dice.randrange(_MOMENTS) if self.dice.random() < 0.4 else None
        trouble = self.dice.random() < 0.5
        danger = Trouble(kill_at=kill_at) if trouble else Danger(kill_at=kill_at)
        try:
            work(danger)
        except Killed:
            self.done["kills"] += 1
        except UnavailableError:
            self.done["functions failed"] += 1
        if trouble and kill_at is not None and danger.moment > kill_at:
            self.done["calls failed"] += 1

    def _disturb(self) -> None:
        """Messages come twice, in another order, late, or never."""
        queue = self._queue(self.dice.choice(_QUEUES))
        if not queue.messages:
            return
        how = self.dice.choice(("doubled", "reordered", "delayed", "lost"))
        at = self.dice.randrange(len(queue.messages))
        if how == "doubled":
            queue.messages += queue.messages[at : at + 5]
        elif how == "reordered":
            self.dice.shuffle(queue.messages)
        elif how == "delayed":
            queue.messages.append(queue.messages.pop(at))
        else:
            del queue.messages[at : at + 3]
        self.done[f"messages {how}"] += 1

    def _queue(self, name: str) -> MemoryQueue:
        queue: MemoryQueue = getattr(self.world.fakes, f"{name}_queue")
        return queue

    def _checkpoint(self) -> None:
        def work(danger: Danger) -> None:
            with furnished(self.world.fakes.house(danger.wrap)):
                schedules.checkpoint(sample_event("checkpoint"), CONTEXT)

        self._dying(work)
        self.done["checkpoint runs"] += 1

    def _sweep(self) -> None:
        self._dying(self.world.sweep)
        self.done["sweeps"] += 1

    def _close(self) -> None:
        self._dying(lambda danger: close_all(room=self.world.fakes.house(danger.wrap).closing_room))
        self.done["closing runs"] += 1

    def _renew(self) -> None:
        self._dying(lambda danger: renew(room=self.world.fakes.house(danger.wrap).renewal_room))
        self.done["renewal runs"] += 1

    def _reserve(self) -> None:
        """Some numbers ahead, of which some are given back at once."""
        house = self.world.fakes.house()
        house.ids = self.ids
        desk = replace(house.reservation_desk, pause=lambda _attempt: None)
        request = ReservationRequest(
            book=self.dice.choice(BOOKS),
            count=self.dice.randrange(1, 6),
            owner="clerk-1",
            reason="รอลงนาม",
            expires_at=self.world.fakes.clock() + timedelta(minutes=self.dice.randrange(5, 90)),
        )
        entries = reserve(request, desk=desk)
        self.done["numbers reserved"] += len(entries)
        if self.dice.random() < 0.4:
            first = entries[0]
            give_back(first.register, first.number, by="clerk-1", desk=desk)
            self.done["numbers given back"] += 1

    def _end_year(self) -> None:
        clock = self.world.fakes.clock
        if clock.now < MIDNIGHT:
            clock.now = MIDNIGHT - timedelta(milliseconds=1)
            self._submit()
            self._step()
            clock.advance(timedelta(milliseconds=1))
            self.done["year changes"] += 1

    # -- rest ----------------------------------------------------------------

    def _come_to_rest(self) -> None:
        """No more deaths: what was lost is swept, reservations expire, the year is closed."""
        fakes = self.world.fakes
        for _ in range(30):
            self.world.run_to_rest()
            fakes.clock.advance(timedelta(hours=6))
            self.world.sweep()
            waiting = any(self._queue(name).messages for name in _QUEUES)
            if not waiting and not fakes.ledger.waiting_since(DocumentState.AWAITING_APPROVAL):
                break
        self.world.run_to_rest()
        house = fakes.house()
        with furnished(house):
            schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
        closed = close_all(room=house.closing_room)
        if closed.failed:
            raise closed.failed[0][1]
        fakes.clock.advance(timedelta(days=1))
        renew(room=house.renewal_room)

    # -- judgement -----------------------------------------------------------

    def _audit(self, register: Register) -> Report:
        room = self.world.fakes.house().audit_room
        return audit(register, room=replace(room, verify_evidence=claimed_payload))

    def _outcome(self, reports: list[Report], seconds: float) -> Outcome:
        found = Counter[Fault]()
        for report in reports:
            found.update(report.found)
        ledger = self.world.fakes.ledger
        kept = [ledger.get(document_id) for document_id in self.submitted]
        ended = Counter(d.state.value for d in kept if d is not None)
        self.done.update({f"documents {state}": times for state, times in ended.items()})
        others = [
            f"{f.register_id} {f.fault} {f.number}/{f.child} {f.document_id} {f.log} {f.place}"
            for report in reports
            for f in report.findings
            if f.fault not in {Fault.GAP, Fault.DOUBLE}
        ]
        return Outcome(
            seed=self.seed,
            documents=len(self.submitted),
            registers=len(reports),
            lost=sum(d is None for d in kept) + self._untold(),
            doubled=found[Fault.DOUBLE] + self._events_in_two_versions(),
            gapped=found[Fault.GAP],
            unended=sum(d is not None and not d.state.ended for d in kept),
            findings=(*others, *self._wrong_approvals(d for d in kept if d is not None)),
            done=dict(self.done),
            seconds=seconds,
        )

    def _wrong_approvals(self, kept: Iterable[Document]) -> Iterator[str]:
        """What no audit of a register sees, and what it does, counted another way (B7)."""
        for one in kept:
            if one.approval is None:
                continue
            said = one.approval.decisions
            officers = {d.by for d in said if d.choice is Choice.APPROVE}
            numbered = one.numbering is not None
            if len(said) != len({d.by for d in said}):
                yield f"{one.document_id}: an officer counts twice"
            if numbered and len(officers) < one.approval.policy.approvers:
                yield f"{one.document_id}: a number without its approvals"
            if "clerk-1" in {d.by for d in said if d.agency_id == one.agency_id}:
                yield f"{one.document_id}: who submitted it approved it"
            if not one.approval.state.ended:
                yield f"{one.document_id}: a case that nobody ended"
            for place, decided in enumerate(said, start=1):
                lies = self.world.fakes.archive.files.get(record_key(one.document_id, place))
                if decided.record is None or lies != decided.record.encode():
                    yield f"{one.document_id}: record {place} is not archived"
            self.done[f"cases {one.approval.state}"] += 1

    def _untold(self) -> int:
        """Recipients of issued documents that no event reached (P5)."""
        issued = [
            d
            for agency in ("diw", "dbd")
            for d in self.world.fakes.ledger.search(Search(agency_id=agency, limit=10**9)).documents
            if d.state is DocumentState.ISSUED
        ]
        return sum(len(d.unnotified) for d in issued)

    def _events_in_two_versions(self) -> int:
        """An event that came twice came in the same bytes (P5)."""
        return len({e for _, e in self.world.fakes.inboxes.events}) - len(
            {_event_id(e) for _, e in self.world.fakes.inboxes.events}
        )


def _event_id(event: bytes) -> str:

    return str(json.loads(event)["id"])


def run(seed: int, documents: int) -> Outcome:
    """One campaign, without the log lines and metrics of thousands of functions."""
    logger = logging.getLogger("tra")
    level = logger.level
    logger.setLevel(_SILENT)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            return Campaign(seed, documents).run()
    finally:
        logger.setLevel(level)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--letters", type=int, default=1_000)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"campaign seed {seed} …", file=sys.stderr, flush=True)
    campaigns: list[tuple[Callable[[int, int], Any], int]] = [
        (run, options.documents),
        (letter_campaign.run, options.letters),
    ]
    clean = [_told(campaign, seed, size) for campaign, size in campaigns if size]
    return 0 if all(clean) else 1


def _told(campaign: Callable[[int, int], Any], seed: int, size: int) -> bool:
    """Run it, and say how it ended; whether nothing was wrong."""
    try:
        outcome = campaign(seed, size)
    except (TraError, AssertionError) as error:
        print(f"campaign seed {seed}: {type(error).__name__}: {error}")
        return False
    print(outcome)
    return bool(outcome.clean)


if __name__ == "__main__":
    sys.exit(main())
