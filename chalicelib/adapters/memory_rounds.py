"""Fake of RoundStore, with the same promises as the real one."""

from __future__ import annotations

import threading
from dataclasses import replace

from chalicelib.domain.errors import EvidenceRecordError, RegisterConflictError
from chalicelib.domain.evidence_rounds import (
    CoveredSlice,
    Members,
    Round,
    RoundEnd,
    RoundPlan,
    Slice,
)
from chalicelib.domain.registers import Register


class MemoryRounds:
    """Port: RoundStore."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rounds: dict[int, Round] = {}
        self._members: dict[int, Members] = {}
        self._slices: dict[Slice, tuple[int, ...]] = {}

    def rounds(self) -> tuple[Round, ...]:
        with self._lock:
            return tuple(self._rounds[number] for number in sorted(self._rounds))

    def members(self, number: int) -> Members:
        with self._lock:
            if number not in self._members:
                raise EvidenceRecordError(f"There is no round {number}.")
            return self._members[number]

    def plan(self, plan: RoundPlan) -> None:
        with self._lock:
            if plan.number in self._rounds:
                raise RegisterConflictError("Another round was planned meanwhile.")
            self._members[plan.number] = plan.members
            self._rounds[plan.number] = Round(
                number=plan.number,
                kind=plan.kind,
                algorithm=plan.algorithm,
                planned_at=plan.planned_at,
            )

    def finish(self, plan: RoundPlan, end: RoundEnd) -> None:
        with self._lock:
            for one in plan.members.slices:
                rounds = self._slices.get(one, ())
                if plan.number not in rounds:
                    self._slices[one] = (*rounds, plan.number)
            for number in plan.members.covers if plan.members.retires else ():
                self._rounds[number] = replace(self._rounds[number], covered_by=plan.number)
            if self._rounds[plan.number].end is None:
                self._rounds[plan.number] = replace(self._rounds[plan.number], end=end)

    def slices(self, register: Register) -> tuple[CoveredSlice, ...]:
        with self._lock:
            return tuple(
                CoveredSlice(one, rounds)
                for one, rounds in sorted(self._slices.items())
                if one.register == register
            )

    def last_slice(self, register: Register) -> CoveredSlice | None:
        return next(reversed(self.slices(register)), None)

    def slice_of(self, register: Register, place: int) -> CoveredSlice | None:
        return next(
            (s for s in self.slices(register) if s.slice.start <= place < s.slice.end), None
        )
