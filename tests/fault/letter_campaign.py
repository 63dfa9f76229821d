"""A seeded random campaign with letters: what a bad month does to deliveries.

    python -m tests.fault.campaign --documents 0 [--seed N] [--letters 1000]
                                                  (make campaign LETTERS=1000 SEED=N)

Letters go to agencies of three kinds; functions, clerks and callers of the API die or fail at
random calls; messages come twice, late, in another order or never, and some say nothing anybody
can read; channels are busy, or take a letter and are not heard; recipients answer twice, late, or
with what is no receipt; senders recall, dispute, and send again; and in the middle the year ends
in Bangkok. Then everything comes to rest, the old year is closed, and `audit_letters` judges.

The same seed gives the same campaign.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from chalicelib.adapters.memory import CountingIds
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import (
    DeliveryConflictError,
    ResendRefusedError,
    UnavailableError,
)
from chalicelib.domain.registers import CIRCULAR, Book
from chalicelib.handlers import schedules
from chalicelib.ports import LetterSearch
from chalicelib.services.close import close_all
from chalicelib.services.dispute_receipt import dispute_receipt
from chalicelib.services.recall_letter import recall_letter
from chalicelib.services.resend_letter import resend_letter
from tests.fault.harness import MIDNIGHT, Danger, Killed, Trouble
from tests.fault.letters import (
    HOOKED,
    HOSTED,
    QUEUED,
    SENDER,
    LetterWorld,
    Problem,
    Wrong,
    always_register,
    audit_letters,
)
from tests.support.rooms import CONTEXT, furnished, sample_event

_QUEUES = ("number", "seal", "deliver", "dispatch", "dispatch", "dispatch")
# Most steps of a function have this many moments at which it can die.
_MOMENTS = 40
_SILENT = logging.CRITICAL + 1
_NONSENSE = ("", "{", "[]", '{"receipt": "x"}', '{"receipt": "a.b.c"}', '{"rejection": null}')
_POISON = ("GONE.dbd.1", "no.delivery.at.all", "GONE")
_EVERYTHING = 10**6
# Of the year after the next no holidays are known, so nobody could say when a letter counts.
_LAST_DAY = MIDNIGHT + timedelta(days=250)


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended. `problems` should be none."""

    seed: int
    letters: int
    deliveries: int
    problems: tuple[Problem, ...]
    done: Mapping[str, int]
    seconds: float

    @property
    def clean(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        happened = ", ".join(f"{times} {what}" for what, times in sorted(self.done.items()))
        of = Counter(problem.kind for problem in self.problems)
        lines = [
            f"campaign seed {self.seed}: {self.letters} letters in {self.deliveries} deliveries, {self.seconds:.1f} s",
            f"  {happened}",
            "  " + " / ".join(f"{kind} {of[kind]}" for kind in Wrong),
            *(f"    {problem.kind}: {problem.what}" for problem in self.problems[:20]),
        ]
        if not self.clean:
            lines.append(f"  again with: make campaign SEED={self.seed} LETTERS={self.letters}")
        return "\n".join(lines)


@dataclass
class LetterCampaign:
    """One run. Every choice is `dice`'s, so the seed decides everything."""

    seed: int
    letters: int
    world: LetterWorld = field(default_factory=LetterWorld)
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.ids = CountingIds()
        self.world.fakes.clock.now = MIDNIGHT - timedelta(days=10)
        self.world.hosted_act = self._act
        for system in self.world.systems.values():
            system.act = self._act
        self.submitted: list[str] = []

    def run(self) -> Outcome:
        started = time.perf_counter()
        while len(self.submitted) < self.letters // 2:
            self._act_once()
        self._end_year()
        while len(self.submitted) < self.letters:
            self._act_once()
        for _ in range(40):
            self._act_once(submitting=False)
        self._come_to_rest()
        problems = tuple(audit_letters(self.world))
        return self._outcome(problems, time.perf_counter() - started)

    # -- what happens --------------------------------------------------------

    def _act_once(self, *, submitting: bool = True) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (12 if submitting else 0, self._submit),
            (50, self._step),
            (8, self._visit),
            (8, self._bring),
            (8, self._receive),
            (12, self._disturb),
            (5, self._hinder),
            (3, self._say_again),
            (3, self._recall),
            (3, self._dispute),
            (4, self._resend),
            (3, self._sweep),
            (2, self._wait),
            (2, self._checkpoint),
            (1, self._close),
        ]
        (chosen,) = self.dice.choices([act for _, act in acts], [weight for weight, _ in acts])
        self.world.fakes.clock.advance(timedelta(milliseconds=self.dice.randrange(60_000)))
        chosen()

    def _act(self, _delivery_id: str) -> str:
        """What a recipient does with a letter."""
        (act,) = self.dice.choices(("register", "reject", "forge", "wait"), (80, 10, 6, 4))
        return str(act)

    def _submit(self) -> None:
        for _ in range(self.dice.randrange(1, 4)):
            recipients = self.dice.sample((HOSTED, QUEUED, HOOKED), self.dice.randrange(1, 4))
            made = self.world.letter(self.ids.document_id(), tuple(recipients))
            if self.dice.random() < 0.2:
                made = replace(made, book=Book(SENDER, CIRCULAR))
            self.world.accept(replace(made, salt=self.ids.salt()))
            self.submitted.append(made.document_id)

    def _step(self) -> None:
        name = self.dice.choice(_QUEUES)
        self._dying(lambda danger: self.world.step(name, danger))

    def _visit(self) -> None:
        self._dying(self.world.visit_inbox)

    def _bring(self) -> None:
        self._dying(self.world.bring_answers)

    def _receive(self) -> None:
        self._dying(self.world.receive)

    def _dying(self, work: Callable[[Danger], object]) -> None:
        """Two times in five it may die, or a call may fail and nobody knows whether it worked."""
        kill_at = self.dice.randrange(_MOMENTS) if self.dice.random() < 0.4 else None
        trouble = self.dice.random() < 0.5
        danger = Trouble(kill_at=kill_at) if trouble else Danger(kill_at=kill_at)
        try:
            work(danger)
        except Killed:
            self.done["kills"] += 1
        except UnavailableError:
            self.done["requests failed"] += 1
        if trouble and kill_at is not None and danger.moment > kill_at:
            self.done["calls failed"] += 1

    def _disturb(self) -> None:
        """Messages come twice, in another order, late, never, or say nothing."""
        name = self.dice.choice(_QUEUES)
        messages = getattr(self.world.fakes, f"{name}_queue").messages
        how = self.dice.choice(("doubled", "reordered", "delayed", "lost", "poisoned", "answered"))
        if how == "answered":
            self._disturb_answers()
            return
        if how == "poisoned":
            messages.insert(0, (self.dice.choice(_POISON), f"{SENDER}.send"))
        elif not messages:
            return
        elif how == "doubled":
            messages += messages[:5]
        elif how == "reordered":
            self.dice.shuffle(messages)
        elif how == "delayed":
            messages.append(messages.pop(0))
        else:
            del messages[:3]
        self.done[f"messages {how}"] += 1

    def _disturb_answers(self) -> None:
        """The same in the reply queue, but that it loses nothing: SQS does not."""
        replies = self.world.replies
        replies += [*replies[:3], self.dice.choice(_NONSENSE)]
        self.dice.shuffle(replies)
        self.done["answers disturbed"] += 1

    def _hinder(self) -> None:
        """A system takes nothing for a while, or takes it and is not heard."""
        agency = self.dice.choice((SENDER, QUEUED, HOOKED))
        mood = self.dice.choice(("busy", "deaf"))
        times = self.dice.choice((1, 3, 30))
        self.world.roads.moods.setdefault(agency, []).extend([mood] * times)
        self.done[f"channels {mood}"] += 1

    # -- what people do ------------------------------------------------------

    def _some(self, *states: DeliveryState) -> DeliveryRecord | None:
        """A delivery in one of these states, whichever."""
        search = LetterSearch(agency_id=SENDER, state=self.dice.choice(states), limit=_EVERYTHING)
        found = self.world.fakes.deliveries.outbox(search).records
        return self.dice.choice(found) if found else None

    def _say_again(self) -> None:
        system = self.world.systems[self.dice.choice((QUEUED, HOOKED))]
        if system.answers:
            system.say_again(self.dice.choice(list(system.answers)))
            self.done["answers repeated"] += 1

    def _recall(self) -> None:
        some = self._some(DeliveryState.PLANNED, DeliveryState.CONSIGNED)
        if some is not None:
            self._decide("recalls", some, recall_letter)

    def _dispute(self) -> None:
        some = self._some(DeliveryState.HANDED_OVER)
        if some is None or some.delivery.receipt is None:
            return
        place = some.delivery.receipt.place

        def work(delivery_id: DeliveryId, *, room: object) -> None:
            dispute_receipt(delivery_id, place, room=room)  # type: ignore[arg-type]  # as given

        self._decide("disputes", some, work)

    def _resend(self) -> None:
        some = self._some(DeliveryState.REJECTED, DeliveryState.FAILED)
        if some is None:
            return

        def work(danger: Danger) -> None:
            with suppress(ResendRefusedError):
                resend_letter(some.delivery.id, room=self.world.house(danger).resend_room)
                self.done["resends"] += 1

        self._dying(work)

    def _decide(self, what: str, record: DeliveryRecord, decide: Callable[..., object]) -> None:
        def work(danger: Danger) -> None:
            with suppress(DeliveryConflictError):
                decide(record.delivery.id, room=self.world.house(danger).delivery_room)
                self.done[what] += 1

        self._dying(work)

    # -- schedules and the year ------------------------------------------------

    def _sweep(self) -> None:
        self._dying(self.world.sweep)
        self.done["sweeps"] += 1

    def _wait(self) -> None:
        """Hours pass, or a weekend: channels are given up, recipients reminded."""
        if self.world.fakes.clock() < _LAST_DAY:
            self.world.fakes.clock.advance(timedelta(hours=self.dice.randrange(1, 60)))
            self.done["pauses"] += 1

    def _checkpoint(self) -> None:
        def work(danger: Danger) -> None:
            with furnished(self.world.house(danger)):
                schedules.checkpoint(sample_event("checkpoint"), CONTEXT)

        self._dying(work)

    def _close(self) -> None:
        self._dying(lambda danger: close_all(room=self.world.house(danger).closing_room))

    def _end_year(self) -> None:
        clock = self.world.fakes.clock
        if clock.now < MIDNIGHT:
            clock.now = MIDNIGHT - timedelta(milliseconds=1)
            self._submit()
            self._step()
            self._visit()
            clock.advance(timedelta(milliseconds=1))
            self.done["year changes"] += 1

    # -- rest ----------------------------------------------------------------

    def _come_to_rest(self) -> None:
        """No more deaths: channels answer, recipients register, the old year is closed."""
        world = self.world
        world.roads.moods.clear()
        world.hosted_act = always_register
        for system in world.systems.values():
            system.act = always_register
            system.answer_what_waits()
        world.come_to_rest()
        closed = close_all(room=world.house().closing_room)
        if closed.failed:
            raise closed.failed[0][1]

    def _outcome(self, problems: tuple[Problem, ...], seconds: float) -> Outcome:
        search = LetterSearch(agency_id=SENDER, limit=_EVERYTHING)
        records = self.world.fakes.deliveries.outbox(search).records
        ended = Counter(record.delivery.state.value for record in records)
        self.done.update({f"deliveries {state}": times for state, times in ended.items()})
        refused = (self.world.fakes.deliveries.refused(record.delivery.id) for record in records)
        self.done["answers refused"] = sum(len(each) for each in refused)
        self.done["notices given up"] = sum(
            key.endswith("/untellable") for record in records for key in record.told
        )
        self.done["reminders"] = sum(record.delivery.reminders for record in records)
        return Outcome(
            seed=self.seed,
            letters=len(self.submitted),
            deliveries=len(records),
            problems=problems,
            done=dict(self.done),
            seconds=seconds,
        )


def run(seed: int, letters: int) -> Outcome:
    """One campaign, without the log lines and metrics of thousands of functions."""
    logger = logging.getLogger("tra")
    level = logger.level
    logger.setLevel(_SILENT)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            return LetterCampaign(seed, letters).run()
    finally:
        logger.setLevel(level)
