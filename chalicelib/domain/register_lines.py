"""What a person reads in a register: the columns of the Saraban regulation (A16, A17, A25).

Stored entries are made of ids, digests and UTC instants; this module makes of each one line
of eight texts. Pure: same entry, same line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime

from chalicelib.domain.deliveries import Progress
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.receive_register import remark_on_number
from chalicelib.domain.registers import (
    CIRCULAR,
    RECEIVE,
    RECEIVING,
    SEND,
    Entry,
    EntryState,
    Register,
    book_beside,
    print_number,
)
from chalicelib.domain.standing import Mark, RulingKind
from chalicelib.domain.thai import be_year, in_bangkok, long_date, long_instant, to_thai_digits

HEADS = (
    "เลขทะเบียน",
    "ที่",
    "ลงวันที่",
    "จาก",
    "ถึง",
    "เรื่อง",
    "การปฏิบัติ",
    "หมายเหตุ",
)
"""Titles of the columns, in order."""

_BOOKS = {SEND: "ทะเบียนหนังสือส่ง", RECEIVE: "ทะเบียนหนังสือรับ", CIRCULAR: "ทะเบียนหนังสือเวียน"}

SECRET_TITLE = "ลับ"  # noqa: S105 - a title
"""What the title of a register of classified things ends with, and what stands in its lines in
place of what only the cleared may read."""

_ACTIONS = {
    EntryState.RESERVED: "จองเลข",
    EntryState.OPEN: "กำลังออกเอกสาร",
    EntryState.ISSUED: "ออกเอกสารแล้ว",
    EntryState.VOID: "ยกเลิกเลข",
}

_RECEIVED = "ลงทะเบียนรับแล้ว"
_OTHER_ENDS = {
    DeliveryState.REJECTED: "ปฏิเสธ",
    DeliveryState.FAILED: "ส่งไม่สำเร็จ",
    DeliveryState.RECALLED: "เรียกคืน",
}

# Codes that the public log repeats, as an officer reads them.
_VOID_REASONS = {
    "reservation_expired": "ไม่ได้ใช้ภายในกำหนดที่จอง",
    "reservation_given_back": "คืนเลขที่จอง",
    "reservation_not_needed": "คืนเลขที่จอง เพราะไม่ต้องใช้แล้ว",
    "reservation_mistaken": "คืนเลขที่จอง เพราะจองผิดพลาด",
    "reservation_replaced": "คืนเลขที่จอง เพราะใช้เลขอื่นแทน",
    "render_failed": "จัดหน้าเอกสารไม่ได้",
    "lint_failed": "เอกสารที่จัดหน้าแล้วไม่ผ่านการตรวจ",
}


_RULINGS = {
    RulingKind.SUSPENDED: "พักใช้ตั้งแต่",
    RulingKind.REINSTATED: "คืนสถานะตั้งแต่",
    RulingKind.REVOKED: "เพิกถอนตั้งแต่",
    RulingKind.SUPERSEDED: "ถูกแทนที่เมื่อ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """One line as printed, in the order of `HEADS`; Thai digits, Buddhist years."""

    running_number: str
    letter_number: str
    dated: str
    sender: str
    recipient: str
    subject: str
    action: str
    remarks: str

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry with the instant it is dated by: its own, or that of the entry under which it
    was inserted (เลขแทรก). `veiled`: whoever looks may know its number, its date and that it is
    classified, and nothing else (A13). `arrival`: the letter that a line of the receive register is about;
    `progress`: how far a letter that was sent is with its recipients. Neither is known unless
    somebody looked."""

    entry: Entry
    dated_at: datetime
    arrival: DeliveryRecord | None = None
    progress: Progress | None = None
    veiled: bool = False

    @property
    def dated(self) -> date:
        """The day in Asia/Bangkok; of a letter that was received, the date it bears."""
        own = in_bangkok(self.dated_at).date()
        return own if self.veiled else self.entry.letter_date or own


def columns_of(line: Line, agency: Agency) -> Columns:
    """The eight texts of a line of one of `agency`'s registers."""
    entry = line.entry
    if line.veiled:
        return _veiled_columns(line)
    receives = entry.register.book in RECEIVING
    return Columns(
        running_number=to_thai_digits(_running_number(entry)),
        letter_number=entry.letter_number or printed_number(entry, agency),
        dated=long_date(line.dated),
        sender=entry.counterpart if receives else agency.name_th,
        recipient=agency.name_th if receives else entry.counterpart,
        subject=entry.subject,
        action=_action(line, agency),
        remarks=" ".join(_remarks(line)),
    )


def _veiled_columns(line: Line) -> Columns:
    return Columns(
        running_number=to_thai_digits(_running_number(line.entry)),
        letter_number="",
        dated=long_date(line.dated),
        sender="",
        recipient="",
        subject=line.entry.classification.thai,
        action="",
        remarks="",
    )


def _action(line: Line, agency: Agency) -> str:
    """What was done: of a letter that was sent with how many of its recipients gave a receipt,
    of one that was received with where it went."""
    if line.entry.delivery_id:
        unit = agency.unit(line.arrival.unit or "") if line.arrival else None
        return f"ส่งต่อ{unit.name_th}" if unit else _RECEIVED
    if line.progress is None or not line.progress.total:
        return _ACTIONS[line.entry.state]
    return to_thai_digits(" ".join(_ends(line.progress)))


def _ends(progress: Progress) -> Iterable[str]:
    """`รับแล้ว 3/4 ปฏิเสธ 1`."""
    yield f"รับแล้ว {progress.states.get(DeliveryState.HANDED_OVER, 0)}/{progress.total}"
    for state, told in _OTHER_ENDS.items():
        if progress.states.get(state):
            yield f"{told} {progress.states[state]}"


def printed_number(entry: Entry, agency: Agency) -> str:
    """The number as on the document; empty where an agency lost its letter prefix, because no
    other number may stand in its place."""
    try:
        return print_number(entry.register, entry.number, entry.child, agency.letter_prefix)
    except ValueError:
        return ""


def title_of(register: Register, kinds: Iterable[DocumentType]) -> str:
    """The book's name: `ทะเบียนหนังสือส่ง`, or of the types that are numbered in it; `ทะเบียน
    หนังสือส่ง ลับ` of the register of secret ones."""
    book = book_beside(register.book)
    titles = [kind.title_th for kind in kinds if kind.book == book]
    own = "ทะเบียน" + " ".join(titles) if titles else f"ทะเบียน {book}"
    title = _BOOKS.get(book, own)
    return f"{title} {SECRET_TITLE}" if register.is_secret else title


def year_of(register: Register) -> str:
    """`พ.ศ. ๒๕๖๙`."""
    return to_thai_digits(f"พ.ศ. {be_year(register.year)}")


def _running_number(entry: Entry) -> str:
    return f"{entry.number}/{entry.child}" if entry.child else f"{entry.number}"


def _remarks(line: Line) -> Iterable[str]:
    """Whatever makes this line other than an ordinary one, with the real times (A18, A20)."""
    entry = line.entry
    if entry.is_classified:
        yield f"ชั้น{entry.classification.thai}"
    if entry.child:
        yield f"เลขแทรก ออกเลขจริงเมื่อ {long_instant(entry.numbered_at)}"
    if entry.delivery_id:
        yield from _remarks_of_arrival(line)
    if entry.reserve is not None:
        yield from _remarks_of_reservation(entry)
    if entry.state is EntryState.VOID:
        yield _void_reason(entry)
    for mark in entry.marks:
        yield _told_of(mark)


def _remarks_of_arrival(line: Line) -> Iterable[str]:
    arrival = line.arrival.delivery if line.arrival else None
    received = arrival.received.stands_at if arrival and arrival.received else None
    yield f"รับเมื่อ {long_instant(received or line.entry.numbered_at)}"
    if arrival and (corrected := remark_on_number(line.entry, arrival)):
        yield corrected


def _remarks_of_reservation(entry: Entry) -> Iterable[str]:
    reserve = entry.reserve
    if reserve is None:
        return
    if entry.state is EntryState.RESERVED:
        yield f"จองโดย {reserve.owner} ใช้ได้ก่อน {long_instant(reserve.expires_at)}"
    elif entry.document_id is None:
        yield f"จองโดย {reserve.owner}"
    else:
        yield "ใช้เลขที่จองไว้"
        if entry.state is EntryState.ISSUED and entry.ended_at is not None:
            yield f"ออกจริงเมื่อ {long_instant(entry.ended_at)}"


def _told_of(mark: Mark) -> str:
    """`เพิกถอนตั้งแต่ … (ออกโดยผิดพลาด)`; of a replacement the number in its place."""
    when = f"{_RULINGS[mark.kind]} {long_instant(mark.effective_at)}"
    if mark.replaced_by:
        return f"{when} ด้วยเลขที่ {mark.replaced_by}"
    return f"{when} ({mark.reason_code.thai})"


def _void_reason(entry: Entry) -> str:
    code = entry.reason or "unknown"
    told = _VOID_REASONS.get(code, f"เหตุ {code}")
    when = f" เมื่อ {long_instant(entry.ended_at)}" if entry.ended_at else ""
    return f"{told}{when}"
