"""Rounds of evidence and their slices in DynamoDB (port: RoundStore).

They lie in the registers' table, in partitions that no register id can name. What they
index lies locked in the archive, so that they can be written anew from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, TransactWriteError, UpdateError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import cancellations, is_condition_failure, translated
from chalicelib.adapters.dynamodb.items import bind, to_instant, to_text
from chalicelib.domain.errors import EvidenceRecordError, RegisterConflictError
from chalicelib.domain.evidence_records import EndReason
from chalicelib.domain.evidence_rounds import (
    CoveredSlice,
    Members,
    Round,
    RoundEnd,
    RoundKind,
    RoundPlan,
    Slice,
    members_json,
    slices_of_json,
)
from chalicelib.domain.registers import Register

_UNBOUND = "unbound"


class RoundItem(Model):
    """How a round stands: `register_id` = `#ROUNDS`, `line` = its number in eight digits."""

    class Meta:
        table_name = _UNBOUND

    PARTITION = "#ROUNDS"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    number = NumberAttribute()
    kind = UnicodeAttribute()
    algorithm = UnicodeAttribute()
    planned_at = UnicodeAttribute()
    stamped_at = UnicodeAttribute(null=True)
    authority = UnicodeAttribute(null=True)
    ends_at = UnicodeAttribute(null=True)
    because = UnicodeAttribute(null=True)
    documents = NumberAttribute(null=True)
    retain_until = UnicodeAttribute(null=True)
    covered_by = NumberAttribute(null=True)

    @staticmethod
    def line_of(number: int) -> str:
        return f"{number:08d}"

    def to_domain(self) -> Round:
        return Round(
            number=int(self.number),
            kind=RoundKind(self.kind),
            algorithm=self.algorithm,
            planned_at=to_instant(self.planned_at),
            end=RoundEnd(
                at=to_instant(self.stamped_at),
                authority=self.authority,
                ends_at=to_instant(self.ends_at),
                because=EndReason(self.because),
                documents=int(self.documents),
                retain_until=to_instant(self.retain_until),
            )
            if self.stamped_at
            else None,
            covered_by=int(self.covered_by) if self.covered_by is not None else None,
        )


class MembersItem(Model):
    """What a round covers: `register_id` = `#ROUNDS!members`; `body` is JSON. Apart from
    how it stands, so that all rounds can be listed without it."""

    class Meta:
        table_name = _UNBOUND

    PARTITION = "#ROUNDS!members"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()


class SliceItem(Model):
    """A slice: `register_id` = `<register>!slices`, `line` = its first place in ten digits."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    start = NumberAttribute()
    end = NumberAttribute()
    rounds: ListAttribute[float] = ListAttribute(of=NumberAttribute)  # type: ignore[arg-type]  # pynamodb types `of` by the value

    @staticmethod
    def partition(register: Register) -> str:
        return f"{register.register_id}!slices"

    @staticmethod
    def line_of(start: int) -> str:
        return f"{start:010d}"

    def to_domain(self, register: Register) -> CoveredSlice:
        return CoveredSlice(
            Slice(register, int(self.start), int(self.end)), tuple(int(n) for n in self.rounds)
        )


class DynamoRounds:
    """In the registers' table."""

    def __init__(self, registers_table: str) -> None:
        self._rounds = bind(RoundItem, registers_table)
        self._members = bind(MembersItem, registers_table)
        self._slices = bind(SliceItem, registers_table)
        self.connection = QuickConnection()

    def rounds(self) -> tuple[Round, ...]:
        with translated():
            found = self._rounds.query(RoundItem.PARTITION, consistent_read=True)
            return tuple(item.to_domain() for item in found)

    def members(self, number: int) -> Members:
        line = RoundItem.line_of(number)
        with translated():
            try:
                item = self._members.get(MembersItem.PARTITION, line, consistent_read=True)
            except DoesNotExist as error:
                raise EvidenceRecordError(f"There is no round {number}.") from error
        told: Mapping[str, Any] = json.loads(item.body)
        return Members(slices_of_json(told["slices"]), tuple(told["covers"]), told["retires"])

    def plan(self, plan: RoundPlan) -> None:
        """Idempotency key of this write: the round's number."""
        line = RoundItem.line_of(plan.number)
        members = plan.members
        body = {
            "slices": members_json(members.slices),
            "covers": list(members.covers),
            "retires": members.retires,
        }
        try:
            with TransactWrite(connection=self.connection) as transaction:
                transaction.save(
                    self._rounds(
                        RoundItem.PARTITION,
                        line,
                        number=plan.number,
                        kind=plan.kind.value,
                        algorithm=plan.algorithm,
                        planned_at=to_text(plan.planned_at),
                    ),
                    condition=self._rounds.register_id.does_not_exist(),
                )
                transaction.save(
                    self._members(
                        MembersItem.PARTITION, line, body=json.dumps(body, separators=(",", ":"))
                    )
                )
        except TransactWriteError as error:
            cancellations(error)
            raise RegisterConflictError("Another round was planned meanwhile.") from error

    def finish(self, plan: RoundPlan, end: RoundEnd) -> None:
        """Idempotency keys of these writes: a slice's first place, the round's number in its
        list, and that the round has no end yet."""
        for one in plan.members.slices:
            self._note_slice(one, plan.number)
        for number in plan.members.covers if plan.members.retires else ():
            self._update(number, self._rounds.covered_by.set(plan.number))
        self._update(
            plan.number,
            self._rounds.stamped_at.set(to_text(end.at)),
            self._rounds.authority.set(end.authority),
            self._rounds.ends_at.set(to_text(end.ends_at)),
            self._rounds.because.set(end.because.value),
            self._rounds.documents.set(end.documents),
            self._rounds.retain_until.set(to_text(end.retain_until)),
            condition=self._rounds.stamped_at.does_not_exist(),
        )

    def slices(self, register: Register) -> tuple[CoveredSlice, ...]:
        with translated():
            found = self._slices.query(SliceItem.partition(register), consistent_read=True)
            return tuple(item.to_domain(register) for item in found)

    def last_slice(self, register: Register) -> CoveredSlice | None:
        return self._before(register, None)

    def slice_of(self, register: Register, place: int) -> CoveredSlice | None:
        found = self._before(register, place)
        return found if found and place < found.slice.end else None

    def _before(self, register: Register, place: int | None) -> CoveredSlice | None:
        """The last slice that begins at or before `place`; of all, if None."""
        wanted = self._slices.line <= SliceItem.line_of(place) if place is not None else None
        with translated():
            found = self._slices.query(
                SliceItem.partition(register),
                wanted,
                consistent_read=True,
                scan_index_forward=False,
                limit=1,
            )
            item = next(iter(found), None)
        return item.to_domain(register) if item else None

    def _note_slice(self, one: Slice, number: int) -> None:
        slices = self._slices
        item = slices(
            SliceItem.partition(one.register),
            SliceItem.line_of(one.start),
            start=one.start,
            end=one.end,
            rounds=[number],
        )
        with translated():
            try:
                item.save(condition=slices.register_id.does_not_exist())
            except PutError as error:
                if not is_condition_failure(error):
                    raise
                self._add_round(item, number)

    def _add_round(self, item: SliceItem, number: int) -> None:
        rounds = self._slices.rounds
        try:
            item.update(
                actions=[rounds.set(rounds.append([number]))],
                condition=~rounds.contains(number),
            )
        except UpdateError as error:
            if not is_condition_failure(error):
                raise

    def _update(self, number: int, *actions: Any, condition: Any = None) -> None:
        item = self._rounds(RoundItem.PARTITION, RoundItem.line_of(number))
        exists = self._rounds.register_id.exists()
        with translated():
            try:
                item.update(
                    actions=list(actions),
                    condition=exists if condition is None else exists & condition,
                )
            except UpdateError as error:
                if not is_condition_failure(error):
                    raise
