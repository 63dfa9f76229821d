"""Reserve: take the next numbers ahead (จองเลข), and give back what was not used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.errors import (
    EntryMovedError,
    NotFoundError,
    NumberUsedError,
    RegisterClosedError,
    RegisterConflictError,
    RegisterHeldError,
    UnavailableError,
)
from chalicelib.domain.registers import (
    Book,
    Entry,
    EntryState,
    Register,
    Reserve,
    lay_out_reservation,
)
from chalicelib.ports import Clock, Ids, RegisterStore

MOST_AT_ONCE = 49
"""One block, so that the numbers of a reservation follow each other."""

EXPIRED, GIVEN_BACK = "reservation_expired", "reservation_given_back"
"""Why a reserved number ended as void."""

_TRIES = 6
_SWEEPER = "function:sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationDesk:
    """Collaborators of `reserve` and `give_back`; `pause` as in `number`."""

    registers: RegisterStore
    clock: Clock
    ids: Ids
    pause: Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRequest:
    """How many numbers of which book, for whom, why, and until when at the latest."""

    book: Book
    count: int
    owner: str
    reason: str
    expires_at: datetime


def reserve(request: ReservationRequest, *, desk: ReservationDesk) -> tuple[Entry, ...]:
    """Take the next numbers as visible entries, in one transaction.

    Raises UnavailableError if the register stays busy, RegisterHeldError while a batch gets its
    numbers, RegisterClosedError. Dies before
    the transaction: nothing happened; after it: the numbers are taken, visible, and
    expire if nobody uses them. Not idempotent: a repeat takes further numbers, which
    expire as well.
    """
    terms = Reserve(
        reservation_id=desk.ids.document_id(),
        owner=request.owner,
        reason=request.reason,
        expires_at=request.expires_at,
    )
    salts = [desk.ids.salt() for _ in range(request.count)]
    for attempt in range(_TRIES):
        now = desk.clock()
        if request.expires_at <= now:
            # The year turned since the request was read; its numbers would be void at once.
            message = "The reservation would have expired already; repeat the request."
            raise UnavailableError(message)
        register = request.book.at(now)
        head = desk.registers.head(register)
        if head.closing:
            raise RegisterClosedError("The year of this register is closed.")
        if head.hold is not None:
            raise RegisterHeldError(head.hold.batch)
        block = lay_out_reservation(register, head, terms, salts, now)
        try:
            desk.registers.assign(block, {})
        except RegisterConflictError:
            desk.pause(attempt)
            continue
        return block.entries
    message = "The register is busy; repeat the request."
    raise UnavailableError(message)


def give_back(
    register: Register, number: int, *, by: str, desk: ReservationDesk, reason: str = GIVEN_BACK
) -> Entry:
    """End a reserved number as void: it stays in the register, with reason, actor and time.

    `reason` is a code, because the public outcome log repeats it (P7). Repeatable. Raises
    NotFoundError if no such number was reserved, NumberUsedError if it was used.
    """
    entry = desk.registers.entry(register, number)
    if entry is None or entry.reserve is None:
        raise NotFoundError
    if entry.document_id is not None:
        raise NumberUsedError(
            "The number was used by a document and cannot be given back.",
            "เลขนี้ถูกใช้ออกเอกสารแล้ว จึงคืนไม่ได้",
        )
    if entry.state is not EntryState.VOID:
        desk.registers.release(entry, reason=reason, by=by, at=desk.clock())
    ended = desk.registers.entry(register, number)
    if ended is None:
        raise NotFoundError
    return ended


def expire(*, registers: RegisterStore, clock: Clock, limit: int = 500) -> int:
    """End what was reserved and not used in time. Returns how many were ended.

    Repeatable, and safe beside a use at the same moment: one of the two wins. One that
    cannot be ended now holds up no other. Dies anywhere: the rest is found by the next run.
    """
    ended = 0
    now = clock()
    for entry in registers.expired(now, limit):
        try:
            registers.release(entry, reason=EXPIRED, by=_SWEEPER, at=now)
        except (EntryMovedError, RegisterConflictError, UnavailableError):
            continue
        ended += 1
    return ended
