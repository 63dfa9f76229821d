"""Typed models of the registers' interface: lines of a register, and reservations."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import CLASSIFIED_TYPE, Classification
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.register_lines import Columns, Line, columns_of, printed_number
from chalicelib.domain.registers import Entry, EntryState, Register, Reserve
from chalicelib.domain.thai import in_bangkok, start_of_day
from chalicelib.handlers.delivery_models import ProgressView, ReceivedView
from chalicelib.handlers.models import IsoDate, SubmitDocument
from chalicelib.services.print_register import PrintedPdf
from chalicelib.services.register_view import Position, RegisterQuery
from chalicelib.services.reserve import MOST_AT_ONCE

MOST_DAYS = 365

Number = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class _Answer(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=False,
        defer_build=True,
    )


# -- requests ------------------------------------------------------------------


class AskRegister(_Strict):
    """Query of GET /v1/registers/{agency}/{book}/{year}."""

    from_number: Number | None = Field(default=None, description="First number.")
    to_number: Number | None = Field(default=None, description="Last number.")
    from_: IsoDate | None = Field(
        default=None, alias="from", description="First date, Asia/Bangkok, CE."
    )
    to: IsoDate | None = Field(default=None, description="Last date, Asia/Bangkok, CE.")
    subject: Words | None = Field(default=None, description="Part of the subject, any case.")
    counterpart: Words | None = Field(
        default=None, description="Part of the name of the other side, any case."
    )
    state: Literal["reserved", "open", "issued", "void"] | None = None
    limit: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|200)$")] = Field(
        default="50", description="1 to 200 lines; files hold as many as they can."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None

    @field_validator("from_", "to")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        return SubmitDocument._is_a_day(text)  # noqa: SLF001 - the same rule for all dates

    def query_of(self, register: Register, visible: frozenset[Classification]) -> RegisterQuery:
        """`visible`: what whoever asks may read of it. Raises InvalidRequestError for a cursor that was not given out."""
        return RegisterQuery(
            register=register,
            visible=visible,
            from_number=int(self.from_number or 1),
            to_number=int(self.to_number) if self.to_number else None,
            since=start_of_day(date.fromisoformat(self.from_)) if self.from_ else None,
            before=_end_of(self.to) if self.to else None,
            subject=self.subject,
            counterpart=self.counterpart,
            state=EntryState(self.state) if self.state else None,
            limit=int(self.limit),
            after=read_cursor(self.cursor) if self.cursor else None,
        )


# Letters that the printed register has (ADR 0006).
PRINTABLE = r"^[ -~\u00a1-\u00ac\u00ae-\u017e\u0e01-\u0e3a\u0e3f-\u0e5b–—‘’“”•…€™]+$"


class ReserveNumbers(_Strict):
    """Take the next numbers ahead (จองเลข): until `expires_at`, or for some days."""

    count: int = Field(ge=1, le=MOST_AT_ONCE, description="How many; they follow each other.")
    reason: str = Field(
        min_length=1,
        max_length=300,
        pattern=PRINTABLE,
        description="Why; it stands in the register as subject. Thai or Latin letters.",
    )
    expires_at: str | None = Field(
        default=None,
        max_length=40,
        description="ISO 8601 instant with offset, within this calendar year (Asia/Bangkok). "
        "Who has not used a number by then loses it: it ends as void.",
        examples=["2026-12-15T17:00:00+07:00"],
    )
    days: int | None = Field(
        default=None,
        ge=1,
        le=MOST_DAYS,
        description="In place of `expires_at`: so many days, today included, each until midnight "
        "in Asia/Bangkok.",
    )

    def expiry(self, now: datetime) -> datetime:
        """When the reservation ends: after `now`, and within the calendar year of its numbers.
        Raises InvalidRequestError."""
        if (self.expires_at is None) == (self.days is None):
            raise _refused("/expires_at", *_ONE_OF_TWO)
        if self.days is not None:
            expiry = start_of_day(in_bangkok(now).date() + timedelta(days=self.days))
            return _within_year(expiry, now, "/days")
        return _within_year(_instant(self.expires_at or ""), now, "/expires_at")


class ReleaseNumber(_Strict):
    """Give a reserved number back: it ends as void. The reason is public, so it is a code."""

    reason: Literal["not_needed", "mistaken", "replaced"] = Field(
        description="`not_needed`: nothing will be issued; `mistaken`: reserved by mistake; "
        "`replaced`: another number is used."
    )

    @property
    def code(self) -> str:
        return f"reservation_{self.reason}"


# -- answers -------------------------------------------------------------------


class ReserveView(_Answer):
    reservation_id: str
    owner: str
    reason: str
    expires_at: datetime

    @classmethod
    def of(cls, reserve: Reserve) -> Self:
        return cls(
            reservation_id=reserve.reservation_id,
            owner=reserve.owner,
            reason=reserve.reason,
            expires_at=reserve.expires_at,
        )


class LineView(_Answer):
    """One line: the columns of the register as people read them, then facts for machines."""

    running_number: str = Field(description="เลขทะเบียน, in Thai digits.")
    classification: Classification = Field(
        description="Of a classified line the cleared registrar of secrets sees everything, others "
        "of the agency number, date and this; all else is empty or null then."
    )
    letter_number: str = Field(
        description="ที่, as printed; in the receive register, as its sender printed it."
    )
    dated: date = Field(
        description="ลงวันที่, CE, Asia/Bangkok. An inserted number bears its parent's date, a "
        "received letter its own."
    )
    from_: str = Field(serialization_alias="from", description="จาก")
    to: str = Field(description="ถึง")
    subject: str = Field(description="เรื่อง")
    action: str = Field(description="การปฏิบัติ, in Thai.")
    remarks: str = Field(description="หมายเหตุ, in Thai; the real time of issue stands here.")
    number: int
    child: int = Field(description="Place of an inserted number under `number`, else 0.")
    state: EntryState | None
    document_id: str | None
    document_type: str = Field(description="`classified` of what is.")
    numbered_at: datetime = Field(description="The instant this number was really given.")
    ended_at: datetime | None
    reason: str | None = Field(description="Code of why it ended as void.")
    reserve: ReserveView | None
    file_digest: str | None = Field(
        description="Hex SHA-256 of the sealed file; in the receive register, of the receipt."
    )
    delivery_id: str | None = Field(
        description="Of a letter that was received: GET /v1/inbox/{delivery_id} has its receipt."
    )
    received: ReceivedView | None = Field(
        description="Of a letter that was received: when it came."
    )
    receipts: ProgressView | None = Field(
        description="Of a letter that was sent: how far it is with its recipients; `handed_over` "
        "are those that gave a receipt."
    )

    @classmethod
    def of(cls, line: Line, agency: Agency) -> Self:
        entry, columns = line.entry, columns_of(line, agency)
        if line.veiled:
            return cls._veiled(line, columns)
        return cls(
            classification=entry.classification,
            running_number=columns.running_number,
            letter_number=columns.letter_number,
            dated=line.dated,
            from_=columns.sender,
            to=columns.recipient,
            subject=columns.subject,
            action=columns.action,
            remarks=columns.remarks,
            number=entry.number,
            child=entry.child,
            state=entry.state,
            document_id=entry.document_id,
            document_type=entry.document_type,
            numbered_at=entry.numbered_at,
            ended_at=entry.ended_at,
            reason=entry.reason,
            reserve=ReserveView.of(entry.reserve) if entry.reserve else None,
            file_digest=entry.file_digest,
            delivery_id=entry.delivery_id,
            received=ReceivedView.of(line.arrival.delivery.received) if line.arrival else None,
            receipts=ProgressView.of(line.progress) if line.progress else None,
        )

    @classmethod
    def _veiled(cls, line: Line, columns: Columns) -> Self:
        """Number, date and classification (A13)."""
        entry = line.entry
        return cls(
            classification=entry.classification,
            running_number=columns.running_number,
            letter_number=columns.letter_number,
            dated=line.dated,
            from_=columns.sender,
            to=columns.recipient,
            subject=columns.subject,
            action=columns.action,
            remarks=columns.remarks,
            number=entry.number,
            child=entry.child,
            state=None,
            document_id=None,
            document_type=CLASSIFIED_TYPE,
            numbered_at=entry.numbered_at,
            ended_at=None,
            reason=None,
            reserve=None,
            file_digest=None,
            delivery_id=None,
            received=None,
            receipts=None,
        )


class RegisterPage(_Answer):
    register_id: str
    items: list[LineView]
    cursor: str | None = Field(
        description="Pass it on for the next page, also if this one has few items or none; null "
        "at the end."
    )
    links: dict[str, str] = Field(description="The whole register as `csv` and as `pdf`.")


class PrintedRegister(_Answer):
    """A register on paper, for clients that do not ask for application/pdf."""

    register_id: str
    media_type: Literal["application/pdf"] = "application/pdf"
    pdf_base64: str
    next: str | None = Field(description="Where the next file is, if this one is not the last.")

    @classmethod
    def of(cls, printed: PrintedPdf, register: Register, following: str | None) -> Self:
        return cls(
            register_id=register.register_id,
            pdf_base64=base64.b64encode(printed.pdf).decode(),
            next=following,
        )


class ReservedNumber(_Answer):
    number: int
    printed_number: str


class ReservationView(_Answer):
    reservation_id: str
    register_id: str
    year: int = Field(description="Register year, CE: `use_reserved` asks for it.")
    numbers: list[ReservedNumber]
    owner: str
    reason: str
    expires_at: datetime

    @classmethod
    def of(cls, entries: tuple[Entry, ...], agency: Agency) -> Self:
        """Entries of one reservation."""
        register, reserve = entries[0].register, entries[0].reserve
        if reserve is None:
            raise ValueError("these numbers are not reserved")
        return cls(
            reservation_id=reserve.reservation_id,
            register_id=register.register_id,
            year=register.year,
            numbers=[
                ReservedNumber(number=e.number, printed_number=printed_number(e, agency))
                for e in entries
            ],
            owner=reserve.owner,
            reason=reserve.reason,
            expires_at=reserve.expires_at,
        )


# -- cursors -------------------------------------------------------------------


def write_cursor(position: Position | None) -> str | None:
    if position is None:
        return None
    number, child = position
    return base64.urlsafe_b64encode(f"{number}.{child}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Position:
    """Raises InvalidRequestError for what `write_cursor` did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        number, _, child = base64.urlsafe_b64decode(padded.encode()).decode("ascii").partition(".")
        position = int(number), int(child)
    except ValueError as error:
        raise _refused("/cursor", *_BAD_CURSOR) from error
    if write_cursor(position) != cursor or min(position) < 0:
        raise _refused("/cursor", *_BAD_CURSOR)
    return position


# -- times ---------------------------------------------------------------------


def _end_of(day: str) -> datetime:
    return start_of_day(date.fromisoformat(day) + timedelta(days=1))


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise _refused("/expires_at", *_NO_INSTANT) from error
    if instant.tzinfo is None:
        raise _refused("/expires_at", *_NO_INSTANT)
    return instant


def _within_year(expiry: datetime, now: datetime, pointer: str) -> datetime:
    year_end = start_of_day(date(in_bangkok(now).year + 1, 1, 1))
    if expiry <= now:
        raise _refused(pointer, *_IN_THE_PAST)
    if expiry > year_end:
        raise _refused(pointer, *_BEYOND_YEAR)
    return expiry.astimezone(now.tzinfo)


def _refused(pointer: str, code: str, detail: str, detail_th: str) -> InvalidRequestError:
    return InvalidRequestError([FieldFault(pointer, code, detail, detail_th)])


_ONE_OF_TWO: tuple[Any, ...] = (
    "one_of_two",
    "Say either `expires_at` or `days`.",
    "ระบุ expires_at หรือ days อย่างใดอย่างหนึ่ง",
)
_NO_INSTANT: tuple[Any, ...] = (
    "wrong_format",
    "Use an ISO 8601 instant with offset, such as 2026-12-15T17:00:00+07:00.",
    "โปรดใช้เวลาแบบ ISO 8601 พร้อมเขตเวลา เช่น 2026-12-15T17:00:00+07:00",
)
_IN_THE_PAST: tuple[Any, ...] = (
    "in_the_past",
    "The reservation would end before it begins.",
    "กำหนดสิ้นสุดการจองผ่านไปแล้ว",
)
_BEYOND_YEAR: tuple[Any, ...] = (
    "beyond_year",
    "A reservation ends with its calendar year (Asia/Bangkok) at the latest: numbers begin anew.",
    "เลขทะเบียนเริ่มใหม่ทุกวันที่ 1 มกราคม การจองจึงต้องสิ้นสุดภายในปีปฏิทินเดียวกัน",
)
_BAD_CURSOR: tuple[Any, ...] = (
    "bad_cursor",
    "Use the cursor as given.",
    "cursor ไม่ถูกต้อง",
)
