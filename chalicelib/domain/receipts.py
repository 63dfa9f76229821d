"""Receipts and rejections: what a recipient signs, and what may be believed of it (A1, B9).

A receipt carries the six fields of A1 and what ties them to one delivery of one file. One
made here is written by `Receipt.payload`; one that comes back from an agency's own system is
read strictly and judged against the delivery it claims. The register knows one receipt of a
delivery: the same one again is a duplicate, a different one is refused and kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.delivery_events import ReceiptNote, Received, Rejected
from chalicelib.domain.delivery_evidence import as_told, read_received, write_received
from chalicelib.domain.documents import Reason
from chalicelib.domain.letter_numbers import SECRET, LetterPrefix
from chalicelib.domain.statements import (
    Fields,
    StatementError,
    jws_digest,
    read_statement,
    to_the_millisecond,
    write_digest,
    write_instant,
)
from chalicelib.domain.thai import (
    be_year,
    long_date,
    long_instant,
    register_year,
    to_arabic_digits,
    to_thai_digits,
)

RECEIPT = "tra.receipt.v1"
REJECTION = "tra.rejection.v1"

MOST_NOTE = 500
"""Characters of a clerk's own words beside a reason."""

_MOST_NAME = 200
_MOST_NUMBER = 100


# -- receive-register numbers --------------------------------------------------------


def print_receive_number(
    year: int, number: int, letter_prefix: str | None, *, secret: bool = False
) -> str:
    """A number of the receive register as on a stamp: `สพร ร/ ๒๕๖๓/ ๑๕๗๗`; of that of secret
    letters `สพร ร(ล)/ ๒๕๖๓/ ๑๕๗๗`. `year` is CE.

    `letter_prefix` is the agency's own (ที่); an agency that sends no letters has no letters
    of its own, and its stamp shows none: `ร/ ๒๕๖๓/ ๑๕๗๗`.
    """
    letters = ""
    if letter_prefix is not None:
        prefix = LetterPrefix.parse(letter_prefix)
        letters = f"{prefix.department or prefix.ministry} "
    mark = f"({SECRET})" if secret else ""
    return f"{letters}ร{mark}/ {to_thai_digits(f'{be_year(year)}/ {number}')}"


_DIGITS = re.compile(r"[0-9]+")


def _prints(printed: str, number: int) -> bool:
    """Whether a printed number, in whatever form an agency uses, holds this one."""
    groups = _DIGITS.findall(to_arabic_digits(printed))
    return any(int(group) == number for group in groups if len(group) <= _MOST_DIGITS)


_MOST_DIGITS = 12


# -- the receipt ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The recipient's statement that it has the letter and where it stands there (A1).

    The six fields: `letter_number`, `letter_date`, `printed` (with `year`, CE, and `number`),
    `received` (time received, as it was and as it counts, E2), `receiver` (name), and the
    receiving agency (`agency_name`; its id is the delivery's recipient). `registered_at` is
    when it got its number. `corrects` (hex SHA-256 of a JWS): this replaces that receipt,
    whose number was wrong.
    """

    delivery_id: DeliveryId
    sender: str
    letter_number: str
    letter_date: date
    file_digest: str
    year: int
    number: int
    printed: str
    received: Received
    registered_at: datetime
    receiver: str
    agency_name: str
    corrects: str | None = None

    @property
    def agency(self) -> str:
        return self.delivery_id.recipient

    def note(self, jws: str) -> ReceiptNote:
        """What the delivery remembers of it, signed as `jws`."""
        return ReceiptNote(self.year, self.number, self.printed, self.received, jws_digest(jws))

    def payload(self) -> bytes:
        """Canonical JSON, to be signed by the recipient, or for it by the service it uses."""
        return canonical_json(
            {
                "type": RECEIPT,
                **_about(self.delivery_id, self),
                "receive_number": {
                    "year": self.year,
                    "number": self.number,
                    "printed": self.printed,
                },
                "registered_at": write_instant(self.registered_at),
                "receiver": self.receiver,
                "receiving_agency": self.agency,
                "receiving_agency_name": self.agency_name,
                "corrects": write_digest(self.corrects) if self.corrects else None,
            }
        )

    @classmethod
    def read(cls, payload: bytes) -> Receipt:
        """Raises StatementError naming the field that is missing, wrong, or at odds with
        another one."""
        fields = read_statement(payload, RECEIPT)
        place = fields.object("receive_number")
        receipt = cls(
            **_read_about(fields),
            year=place.count("year", least=2000),
            number=place.count("number"),
            printed=place.text("printed", _MOST_NUMBER),
            registered_at=fields.instant("registered_at"),
            receiver=fields.text("receiver", _MOST_NAME),
            agency_name=fields.text("receiving_agency_name", _MOST_NAME),
            corrects=fields.digest_or_none("corrects"),
        )
        if fields.text("receiving_agency", _MOST_NAME) != receipt.agency:
            raise StatementError("receiving_agency")
        if receipt.year != register_year(receipt.registered_at):
            raise StatementError("receive_number/year")
        if not _prints(receipt.printed, receipt.number):
            raise StatementError("receive_number/printed")
        return receipt


def make_receipt(
    delivery: Delivery,
    *,
    received: Received,
    year: int,
    number: int,
    printed: str,
    registered_at: datetime,
    receiver: str,
    agency_name: str,
) -> Receipt:
    """The receipt for `delivery` with the number that it is about to get, times to the
    millisecond. It becomes true, and may leave, only with the transaction that writes that
    number (P3)."""
    letter = delivery.letter
    return Receipt(
        delivery_id=delivery.id,
        sender=letter.sender,
        letter_number=letter.number,
        letter_date=letter.dated,
        file_digest=letter.file_digest,
        year=year,
        number=number,
        printed=printed,
        received=as_told(received),
        registered_at=to_the_millisecond(registered_at),
        receiver=receiver,
        agency_name=agency_name,
    )


# -- the rejection -------------------------------------------------------------------


class RejectionReason(StrEnum):
    """Why a recipient does not register a letter; the values are stable."""

    MISDIRECTED = "misdirected"
    ILLEGIBLE = "illegible"
    WRONG_ATTACHMENT = "wrong_attachment"
    MISSING_ATTACHMENT = "missing_attachment"
    DUPLICATE = "duplicate"
    NOT_TRUSTED = "not_trusted"
    OTHER = "other"

    @property
    def reason(self) -> Reason:
        """In both languages, for the sender to read."""
        return Reason(self.value, *_REJECTIONS[self])


_REJECTIONS: dict[RejectionReason, tuple[str, str]] = {
    RejectionReason.MISDIRECTED: (
        "The letter is for another agency.",
        "หนังสือส่งผิดหน่วยงาน",
    ),
    RejectionReason.ILLEGIBLE: (
        "The letter or an enclosure cannot be read.",
        "หนังสือหรือสิ่งที่ส่งมาด้วยอ่านไม่ได้",
    ),
    RejectionReason.WRONG_ATTACHMENT: (
        "An enclosure is not the one the letter names.",
        "สิ่งที่ส่งมาด้วยไม่ตรงกับที่ระบุในหนังสือ",
    ),
    RejectionReason.MISSING_ATTACHMENT: (
        "An enclosure that the letter names is missing.",
        "ขาดสิ่งที่ส่งมาด้วยตามที่ระบุในหนังสือ",
    ),
    RejectionReason.DUPLICATE: (
        "The letter was received and registered before.",
        "ได้รับและลงทะเบียนหนังสือฉบับนี้ไว้ก่อนแล้ว",
    ),
    RejectionReason.NOT_TRUSTED: (
        "The seal, its certificate or the file's digest does not verify.",
        "ตรวจสอบตราประทับ ใบรับรอง หรือค่าแฮชของไฟล์ไม่ผ่าน",
    ),
    RejectionReason.OTHER: (
        "The recipient refuses the letter; see its note.",
        "หน่วยงานผู้รับไม่รับหนังสือ โปรดดูหมายเหตุ",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """The recipient's statement that it will not register the letter, and why.
    `suggested_agency`: who is the right one (E2); only with a misdirected letter. `note`: the
    clerk's own words, for the sender alone; demanded where the reason is `other`."""

    delivery_id: DeliveryId
    sender: str
    letter_number: str
    letter_date: date
    file_digest: str
    received: Received
    rejected_at: datetime
    code: RejectionReason
    suggested_agency: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.suggested_agency and self.code is not RejectionReason.MISDIRECTED:
            raise ValueError("another agency is suggested for a misdirected letter only")
        if self.code is RejectionReason.OTHER and not self.note:
            raise ValueError("a reason that is no other one is said in words")

    def event(self, jws: str, at: datetime) -> Rejected:
        """What it does to its delivery, signed as `jws` and heard of at `at`."""
        return Rejected(
            at=at,
            reason=self.code.reason,
            received=self.received,
            digest=jws_digest(jws),
            suggested_agency=self.suggested_agency,
        )

    def payload(self) -> bytes:
        """Canonical JSON, to be signed like a receipt."""
        return canonical_json(
            {
                "type": REJECTION,
                **_about(self.delivery_id, self),
                "rejected_at": write_instant(self.rejected_at),
                "reason": self.code.value,
                "suggested_agency": self.suggested_agency,
                "note": self.note,
                "receiving_agency": self.delivery_id.recipient,
            }
        )

    @classmethod
    def read(cls, payload: bytes) -> Rejection:
        """Raises StatementError."""
        fields = read_statement(payload, REJECTION)
        about = _read_about(fields)
        if fields.text("receiving_agency", _MOST_NAME) != about["delivery_id"].recipient:
            raise StatementError("receiving_agency")
        try:
            code = RejectionReason(fields.text("reason", _MOST_NAME))
        except ValueError as error:
            raise StatementError("reason") from error
        suggested = fields.text_or_none("suggested_agency", _MOST_NAME)
        note = fields.text_or_none("note", MOST_NOTE)
        rejected_at = fields.instant("rejected_at")
        try:
            return cls(
                **about,
                rejected_at=rejected_at,
                code=code,
                suggested_agency=suggested,
                note=note,
            )
        except ValueError as error:
            raise StatementError("suggested_agency" if suggested else "note") from error


def make_rejection(
    delivery: Delivery,
    *,
    received: Received,
    rejected_at: datetime,
    code: RejectionReason,
    suggested_agency: str | None = None,
    note: str | None = None,
) -> Rejection:
    """The rejection of `delivery`. Raises ValueError where reason, agency and note do not go
    together."""
    letter = delivery.letter
    return Rejection(
        delivery_id=delivery.id,
        sender=letter.sender,
        letter_number=letter.number,
        letter_date=letter.dated,
        file_digest=letter.file_digest,
        received=as_told(received),
        rejected_at=to_the_millisecond(rejected_at),
        code=code,
        suggested_agency=suggested_agency,
        note=note,
    )


def _about(delivery_id: DeliveryId, said: Receipt | Rejection) -> dict[str, Any]:
    """What both statements say of the delivery, in one spelling."""
    return {
        "delivery_id": str(delivery_id),
        "document_id": delivery_id.document_id,
        "sender": said.sender,
        "letter_number": said.letter_number,
        "letter_date": said.letter_date.isoformat(),
        "file_digest": write_digest(said.file_digest),
        "received": write_received(said.received),
    }


def _read_about(fields: Fields) -> dict[str, Any]:
    try:
        delivery_id = DeliveryId.parse(fields.text("delivery_id", _MOST_NAME))
    except ValueError as error:
        raise StatementError("delivery_id") from error
    return {
        "delivery_id": delivery_id,
        "sender": fields.text("sender", _MOST_NAME),
        "letter_number": fields.text("letter_number", _MOST_NUMBER),
        "letter_date": fields.day("letter_date"),
        "file_digest": fields.digest("file_digest"),
        "received": read_received(fields.object("received")),
    }


# -- the receive stamp -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceiveStamp:
    """ตรารับหนังสือ: what is laid over the first page when it is shown or printed. Never a
    change of the sealed bytes (P2). `lines` in order, as on a real one."""

    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def receive_stamp(receipt: Receipt) -> ReceiveStamp:
    """`เลขที่รับ สพร ร/ ๒๕๖๓/ ๑๕๗๗` `วันที่ ๕ มิถุนายน ๒๕๖๓` `เวลา ๑๓.๕๐ น.` `ผู้รับ …`.

    Day and time are those the letter counts as received (E2), if that is known. Where it
    entered at another time, a line says so.
    """
    counted = long_instant(receipt.received.stands_at)
    day, _, time = counted.partition(" เวลา ")
    lines = [
        f"เลขที่รับ {receipt.printed}",
        f"วันที่ {day}",
        f"เวลา {time}",
        f"ผู้รับ {receipt.receiver}",
    ]
    entered = long_instant(receipt.received.entered_at)
    if entered != counted:
        lines.append(f"เข้าระบบเมื่อ {entered}")
    return ReceiveStamp(tuple(lines))


def receipt_text(receipt: Receipt) -> tuple[tuple[str, str], ...]:
    """The six fields of A1 as a person reads them: Thai heads, Thai digits, Buddhist years."""
    return (
        ("ที่", to_thai_digits(receipt.letter_number)),
        ("ลงวันที่", long_date(receipt.letter_date)),
        ("เลขทะเบียนรับ", to_thai_digits(receipt.printed)),
        ("วันเวลาที่รับ", long_instant(receipt.received.stands_at)),
        ("ผู้รับ", receipt.receiver),
        ("ส่วนราชการผู้รับ", receipt.agency_name),
    )
