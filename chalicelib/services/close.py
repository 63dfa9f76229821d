"""Close: when a year is over, its register ends with a signed statement (A18, A22)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.errors import RegisterHeldError, RegisterNotOverError, TraError
from chalicelib.domain.registers import (
    REGISTER_LOGS,
    Entry,
    EntryState,
    Head,
    LogName,
    Register,
    is_over,
    statement_key,
)
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.tlog import Outcome, OutcomeLeaf
from chalicelib.ports import Archive, Clock, EvidenceSigner, LogState, RegisterStore
from chalicelib.services.checkpoint import CheckpointRoom, extend

RESERVATION_UNUSED = "year_closed"
"""Why a number that was reserved and not used by the end of the year is void."""

# Registers are historic records: kept until they are offered to the National Archives.
STATEMENT_YEARS = 20

_PAGE = 500
_ACTOR = "function:close"
_MEDIA_TYPE = "application/jose"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingRoom:
    """Collaborators of `close_year`."""

    registers: RegisterStore
    checkpoints: CheckpointRoom
    archive: Archive
    signer: EvidenceSigner
    clock: Clock
    lock_mode: LockMode


@dataclass(frozen=True, slots=True)
class Closing:
    """How far a register is: `statement` (hex SHA-256) once closed, else how many of its
    documents have not ended yet (0: a batch still gets numbers)."""

    register: Register
    statement: str | None
    open_entries: int = 0


@dataclass(frozen=True, slots=True)
class ClosedYears:
    """What one run did."""

    closed: int
    waiting: int
    failed: tuple[tuple[Register, TraError], ...]


def close_all(*, room: ClosingRoom) -> ClosedYears:
    """Close every register whose year is over; one that fails holds up no other."""
    closed = waiting = 0
    failed = []
    for register in room.registers.registers():
        if not is_over(register, room.clock()):
            continue
        if room.registers.head(register).statement is not None:
            continue
        try:
            closing = close_year(register, room=room)
        except TraError as error:
            failed.append((register, error))
            continue
        closed += closing.statement is not None
        waiting += closing.statement is None
    return ClosedYears(closed, waiting, tuple(failed))


def close_year(register: Register, *, room: ClosingRoom) -> Closing:
    """Close one register. Raises RegisterNotOverError while its year lasts.

    Repeatable. Dies before step 4: no number is given any more, and the next run goes on.
    Dies between 4 and 5: the next run finds the archived statement, and that one counts.
    While documents have not ended, nothing is stated; the next run looks again.
    """
    if not is_over(register, room.clock()):
        message = f"The year {register.year} is not over in Bangkok."
        raise RegisterNotOverError(message)

    # 1. From now on no number of the old year is given.
    try:
        head = room.registers.begin_closing(register)
    except RegisterHeldError:
        # A batch began in the old year and is about to have all its numbers.
        return Closing(register, None)
    if head.statement is not None:
        return Closing(register, head.statement)

    # 2. What was reserved and not used ends as void; what is being made must end first.
    open_entries = sum(_end_reserved(entry, room) for entry in _entries(register, room))
    if open_entries:
        return Closing(register, None, open_entries)

    # 3. Both logs say everything.
    logs = {log: extend(register, log, room=room.checkpoints) for log in REGISTER_LOGS}

    # 4. State it, sign it, archive it: write-once and locked.
    signed = room.signer.sign(canonical_json(_statement(register, head, logs, room)))
    until = retain_until(room.clock(), STATEMENT_YEARS)
    file = room.archive.put_once(
        statement_key(register), signed.encode(), until, room.lock_mode, media_type=_MEDIA_TYPE
    )

    # 5. The register knows its statement.
    return Closing(register, room.registers.mark_closed(register, file.sha256).statement)


def _entries(register: Register, room: ClosingRoom) -> Iterator[Entry]:
    """All entries in order, a page at a time."""
    after = (0, 0)
    while page := room.registers.entries(register, after=after, limit=_PAGE):
        yield from page
        after = page[-1].position


def _end_reserved(entry: Entry, room: ClosingRoom) -> bool:
    """End a reserved entry; True if the entry is still open."""
    if entry.state is EntryState.RESERVED:
        room.registers.release(entry, reason=RESERVATION_UNUSED, by=_ACTOR, at=room.clock())
    return entry.state is EntryState.OPEN


def _count_outcomes(
    register: Register, outcome: Outcome, state: LogState, room: ClosingRoom
) -> int:
    found = 0
    for start in range(0, state.head.size, _PAGE):
        leaves = room.checkpoints.logs.leaves(register, LogName.OUTCOMES, start=start, limit=_PAGE)
        found += sum(OutcomeLeaf.from_bytes(leaf).outcome is outcome for leaf in leaves)
    return found


def _statement(
    register: Register, head: Head, logs: dict[LogName, LogState], room: ClosingRoom
) -> dict[str, Any]:
    """What is said of the year, for ever. Holds no personal data: numbers and codes."""
    counted: Counter[EntryState] = Counter()
    inserted = 0
    void = []
    for entry in _entries(register, room):
        counted[entry.state] += 1
        inserted += entry.child > 0
        if entry.state is EntryState.VOID:
            void.append({"number": entry.number, "child": entry.child, "reason": entry.reason})
    return {
        "type": "tra.register.closed.v1",
        "register_id": register.register_id,
        "last_number": head.last_number,
        "inserted": inserted,
        "issued": counted[EntryState.ISSUED],
        "void": counted[EntryState.VOID],
        # Revoked documents keep their entry: the outcome log knows of them.
        "revoked": _count_outcomes(register, Outcome.REVOKED, logs[LogName.OUTCOMES], room),
        "void_numbers": void,
        "logs": {
            log.value: {
                "size": state.head.size,
                "root": state.head.root.hex(),
                "checkpoint": (state.note or b"").decode(),
            }
            for log, state in logs.items()
        },
        "closed_at": room.clock().isoformat(),
    }
