"""Registers: the yearly books whose numbers run without a gap (P1, A18, A22)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.classification import Classification
from chalicelib.domain.letter_numbers import SECRET as SECRET_MARK
from chalicelib.domain.letter_numbers import LetterNumber, LetterPrefix
from chalicelib.domain.secrecy import SecretContext
from chalicelib.domain.standing import Mark
from chalicelib.domain.thai import be_year, register_year, to_thai_digits
from chalicelib.domain.tlog import NumberLeaf, Outcome, OutcomeLeaf, SubjectKind, commit


@dataclass(frozen=True, slots=True, order=True)
class Book:
    """One agency's purpose for numbers: `send`, `receive`, or a document type's own; each has a
    book beside it for what is classified (`send-secret`; ทะเบียนข้อมูลข่าวสารลับ, A13)."""

    agency_id: str
    name: str

    def __post_init__(self) -> None:
        if self.name == ACCESS_BOOK:
            raise ValueError("no numbers are given in the book of the access log")

    @property
    def is_secret(self) -> bool:
        return is_secret_book(self.name)

    @property
    def group(self) -> str:
        """FIFO message group: numbering is serial per book, parallel between books."""
        return f"{self.agency_id}.{self.name}"

    def in_year(self, year: int) -> Register:
        return Register(self.agency_id, self.name, year)

    def at(self, instant: datetime) -> Register:
        """The register that gives numbers at `instant` (Asia/Bangkok decides the year)."""
        return self.in_year(register_year(instant))


@dataclass(frozen=True, slots=True, order=True)
class Register:
    """A book in one calendar year (CE)."""

    agency_id: str
    book: str
    year: int

    @property
    def is_secret(self) -> bool:
        """Whether it is a register of classified things (ทะเบียนข้อมูลข่าวสารลับ)."""
        return is_secret_book(self.book)

    @property
    def register_id(self) -> str:
        """Stable key: `diw/licence/2026`."""
        return f"{self.agency_id}/{self.book}/{self.year}"

    @classmethod
    def parse(cls, register_id: str) -> Register:
        """Read `register_id`. Raises ValueError unless it prints back the same."""
        agency_id, book, year = register_id.split("/")
        register = cls(agency_id, book, int(year))
        if register.register_id != register_id or not (agency_id and book):
            raise ValueError("a register is named agency/book/year")
        return register


class LogName(StrEnum):
    """The Merkle logs: two of a register year (P7), and one of what an agency's officers had to
    do with in a year (C5)."""

    NUMBERS = "numbers"
    OUTCOMES = "outcomes"
    ACCESSES = "accesses"


REGISTER_LOGS = (LogName.NUMBERS, LogName.OUTCOMES)


class EntryState(StrEnum):
    """Life of an entry: `reserved` until somebody uses it, `open` until its document
    ends, then final."""

    RESERVED = "reserved"
    OPEN = "open"
    ISSUED = "issued"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Why a number was taken ahead (จองเลข): visible in the register until used or void."""

    reservation_id: str
    owner: str
    reason: str
    expires_at: datetime

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the terms: what its numbers commit to until a document comes."""
        terms = {**asdict(self), "expires_at": self.expires_at.isoformat()}
        return hashlib.sha256(canonical_json(terms)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a register.

    `number`, `child`, `subject_kind`, `subject_id`, `commitment`, `document_type` and
    `numbered_at` are fixed at numbering and go into the number log (P7). `child` is 0,
    or the place of an inserted number (12/1) under its parent. `document_id` and
    `content_digest` are there from numbering on, or, for a reservation, from its use
    on; they never change after that (P2). `subject` and `counterpart` are for people
    and stay in the table. So do `letter_number`, `letter_date` (as the sender printed them) and
    `delivery_id` of a line of the receive register: the public logs must not tell who writes to
    whom. `classification` is that of the document or letter, of a reservation the strictest that
    its book takes. `marks` are the rulings on an issued document, in the order they were decided;
    its state stays `issued`.

    Of a classified document `subject` and `counterpart` (and why a number of a secret book was
    reserved) lie encrypted. As read, an entry has them in `sealed`, and they are empty: whoever
    may see them has the store open it (`RegisterStore.opened`). So nothing that only counts, prints numbers or makes logs ever
    holds the clear text, and what is not known is never taken for what is not there.
    """

    register: Register
    number: int
    child: int = 0
    subject_kind: SubjectKind = SubjectKind.DOCUMENT
    subject_id: str
    commitment: str
    document_type: str
    numbered_at: datetime
    document_id: str | None
    content_digest: str | None
    subject: str = ""
    counterpart: str = ""
    state: EntryState = EntryState.OPEN
    reserve: Reserve | None = None
    file_digest: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str | None = None
    delivery_id: str | None = None
    letter_number: str = ""
    letter_date: date | None = None
    marks: tuple[Mark, ...] = ()
    classification: Classification = Classification.NORMAL
    sealed: bytes | None = None

    @property
    def is_classified(self) -> bool:
        return self.classification is not Classification.NORMAL

    @property
    def secrecy(self) -> SecretContext:
        """What its texts are encrypted for, if it is classified. Bound to the line, too: no
        text can be moved to another one."""
        return SecretContext(
            document_id=self.document_id or self.subject_id,
            agency_id=self.register.agency_id,
            classification=self.classification,
            purpose=f"entry {self.register.register_id}/{self.number}/{self.child}",
        )

    @property
    def position(self) -> tuple[int, int]:
        """Where it stands: its number, then its place under it."""
        return self.number, self.child

    def ended_as(
        self, outcome: Outcome, at: datetime, *, ruling: Mark | None = None, **facts: str | None
    ) -> PendingOutcome:
        """What the outcome log will say of this entry."""
        return PendingOutcome(
            number=self.number,
            child=self.child,
            subject_id=self.document_id or self.subject_id,
            outcome=outcome,
            at=at,
            ruling=ruling,
            **facts,
        )

    def issued_at_once(self) -> PendingOutcome:
        """What the outcome log will say of a line that is final from the beginning, as those of
        receive registers are. Raises ValueError for any other."""
        if self.state is not EntryState.ISSUED or self.ended_at is None:
            raise ValueError("this entry is not final")
        at = max(self.ended_at, self.numbered_at)
        return self.ended_as(Outcome.ISSUED, at, file_digest=self.file_digest)

    def ruled_as(self, mark: Mark) -> PendingOutcome:
        """What the outcome log will say of a ruling on this entry's document."""
        return self.ended_as(
            mark.kind.outcome,
            mark.effective_at,
            ruling=mark,
            reason_code=mark.reason_code.value,
        )

    def number_leaf(self) -> NumberLeaf:
        """What the number log says of this entry, at any time the same."""
        if self.child:
            raise ValueError("an inserted number is told by the outcome log")
        return NumberLeaf(
            register_id=self.register.register_id,
            number=self.number,
            subject_kind=self.subject_kind,
            subject_id=self.subject_id,
            commitment=self.commitment,
            document_type=self.document_type,
            numbered_at=self.numbered_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOutcome:
    """What became of an entry, written with it, waiting for its place in the outcome log.

    Outcomes wait in the order of time. A ruling waits by when it was decided, though its leaf
    tells when it holds from: the order of a document's rulings is part of what they say.
    """

    number: int
    child: int
    subject_id: str
    outcome: Outcome
    at: datetime
    commitment: str | None = None
    file_digest: str | None = None
    reason_code: str | None = None
    ruling: Mark | None = None

    @property
    def order(self) -> datetime:
        """When it came to be."""
        return self.ruling.decided_at if self.ruling else self.at

    @property
    def key(self) -> str:
        """Unique within a register: an entry has each outcome once, and each ruling."""
        nth = f"#{self.ruling.number:04d}" if self.ruling else ""
        return f"{self.number:010d}/{self.child:04d}#{self.outcome}{nth}"

    def leaf(self, register: Register, seq: int) -> OutcomeLeaf:
        return OutcomeLeaf(
            register_id=register.register_id,
            seq=seq,
            number=self.number,
            child=self.child,
            outcome=self.outcome,
            subject_id=self.subject_id,
            commitment=self.commitment,
            file_digest=self.file_digest,
            reason_code=self.reason_code,
            at=self.at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """What one document gets: its number, year, printed form and instant (UTC).

    `dated` is the letter date where it is not the day of numbering: an inserted number
    carries its parent's date, and the real time of issue is shown beside it.
    """

    year: int
    number: int
    child: int = 0
    printed: str
    numbered_at: datetime
    dated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A document that wants a number, with the digest that number will bind (P2).
    `document_type` is what everybody may know of its type."""

    document_id: str
    document_type: str
    content_digest: str
    salt: str
    subject: str = ""
    counterpart: str = ""
    classification: Classification = Classification.NORMAL


class WishKind(StrEnum):
    """The two ways to a number that is not simply the next one."""

    RESERVED = "reserved"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True)
class NumberWish:
    """Use this reserved number, or insert after this one; of the document's own book."""

    kind: WishKind
    year: int
    number: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A register given to one batch until all its numbers are given, so that they follow each
    other: whose it is (`agency/batch`), the last number before, and the instant of all its
    numbers (UTC)."""

    batch: str
    after: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """How far a register is: the last number given and when; `closing` once its year is
    being closed, and no number is given any more; `statement` (hex SHA-256) once the
    closing statement lies in the archive; `hold` while the next numbers are one batch's."""

    last_number: int = 0
    last_at: datetime | None = None
    closing: bool = False
    statement: str | None = None
    hold: Hold | None = None

    def next_instant(self, now: datetime) -> datetime:
        """The numbering instant: `now`, but never before the last one, so that time in a
        register never runs backwards, whatever the clocks of its writers say."""
        return now if self.last_at is None else max(now, self.last_at)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive entries of one register, written in one transaction or not at all.

    `after` is the last number the writer saw; the write is conditional on it,
    so two writers can never give the same number nor leave one out (P1).
    """

    register: Register
    after: int
    entries: tuple[Entry, ...]

    @property
    def last(self) -> int:
        return self.after + len(self.entries)


def lay_out_block(register: Register, head: Head, claims: Sequence[Claim], now: datetime) -> Block:
    """Give `claims` the numbers after the head of `register`, in order. While a batch holds the
    register, its instant is that of the hold."""
    at = head.hold.at if head.hold else head.next_instant(now)
    entries = tuple(
        Entry(
            register=register,
            number=number,
            subject_id=claim.document_id,
            commitment=commit(bytes.fromhex(claim.salt), claim.content_digest),
            document_type=claim.document_type,
            numbered_at=at,
            document_id=claim.document_id,
            content_digest=claim.content_digest,
            subject=claim.subject,
            counterpart=claim.counterpart,
            classification=claim.classification,
        )
        for number, claim in enumerate(claims, start=head.last_number + 1)
    )
    return Block(register, head.last_number, entries)


def lay_out_reservation(
    register: Register, head: Head, reserve: Reserve, salts: Sequence[str], now: datetime
) -> Block:
    """Take one number ahead for each of `salts`, for nobody's content yet.

    The commitment is to the terms of the reservation: when a document uses the number, the
    outcome log says so, and leaf *i* of the number log stays what it was.
    """
    at = head.next_instant(now)
    entries = tuple(
        Entry(
            register=register,
            number=number,
            subject_kind=SubjectKind.RESERVATION,
            subject_id=reserve.reservation_id,
            commitment=commit(bytes.fromhex(salt), reserve.digest),
            document_type="reservation",
            numbered_at=at,
            document_id=None,
            content_digest=None,
            subject=reserve.reason,
            state=EntryState.RESERVED,
            reserve=reserve,
            classification=Classification.SECRET if register.is_secret else Classification.NORMAL,
        )
        for number, salt in enumerate(salts, start=head.last_number + 1)
    )
    return Block(register, head.last_number, entries)


def insert_after(parent: Entry, child: int, claim: Claim, now: datetime) -> Entry:
    """The entry of an inserted number (เลขแทรก): a child of `parent`, with its own time."""
    return Entry(
        register=parent.register,
        number=parent.number,
        child=child,
        subject_id=claim.document_id,
        commitment=commit(bytes.fromhex(claim.salt), claim.content_digest),
        document_type=claim.document_type,
        numbered_at=now,
        document_id=claim.document_id,
        content_digest=claim.content_digest,
        subject=claim.subject,
        counterpart=claim.counterpart,
        classification=claim.classification,
    )


MOST_CHILDREN = 9_999
"""Numbers inserted under one: their place has four digits in the register's order."""


def is_over(register: Register, now: datetime) -> bool:
    """Whether the register's year has ended in Asia/Bangkok (A18)."""
    return register.year < register_year(now)


def statement_key(register: Register) -> str:
    """Where the closing statement lies in the archive."""
    return f"statements/{register.register_id}/closing.jws"


SEND, RECEIVE, CIRCULAR = "send", "receive", "circular"
"""Books that every agency has; circulars (ว) have a sequence of their own."""

ACCESS_BOOK = "access"
"""What stands in the name of an access log (`diw/access/2026`), and so is no register's."""

_SECRET = "-secret"  # noqa: S105 - the end of a book's name


def secret_book(book: str) -> str:
    """The book beside `book` that classified things are numbered in (A13)."""
    return book if is_secret_book(book) else book + _SECRET


def is_secret_book(book: str) -> bool:
    return book.endswith(_SECRET)


def book_beside(book: str) -> str:
    """The book of normal things that a secret one lies beside; any other is its own."""
    return book.removesuffix(_SECRET)


SEND_SECRET, RECEIVE_SECRET = secret_book(SEND), secret_book(RECEIVE)
"""Secret letters are no circulars: each copy of one has a reader (A13)."""

SENDING = frozenset({SEND, CIRCULAR, SEND_SECRET})
RECEIVING = frozenset({RECEIVE, RECEIVE_SECRET})


def print_number(register: Register, number: int, child: int, letter_prefix: str | None) -> str:
    """A number as printed: `นร ๐๕๐๕/๑๒` in the send register, `นร ๐๕๐๕/ว ๑๒` in the circular
    one, `นร ๐๕๐๕/ล ๑๒` in that of secret letters, `๑๒/๒๕๖๙` in any other, `ล ๑๒/๒๕๖๙` if it is
    secret; an inserted one as `…/๑๒/๑`, `๑๒/๑/๒๕๖๙`.

    Raises ValueError if a letter is to be numbered for an agency without a prefix.
    """
    if register.book not in SENDING:
        own = f"{number}/{child}" if child else f"{number}"
        mark = f"{SECRET_MARK} " if register.is_secret else ""
        return mark + to_thai_digits(f"{own}/{be_year(register.year)}")
    if letter_prefix is None:
        raise ValueError("an agency without letter prefix sends no letters")
    return LetterNumber(
        prefix=LetterPrefix.parse(letter_prefix),
        number=number,
        circular=register.book == CIRCULAR,
        secret=register.is_secret,
        child=child or None,
    ).printed


def numbering_of(
    entry: Entry, letter_prefix: str | None = None, *, dated: datetime | None = None
) -> Numbering:
    """What the document is told about its entry."""
    return Numbering(
        year=entry.register.year,
        number=entry.number,
        child=entry.child,
        printed=print_number(entry.register, entry.number, entry.child, letter_prefix),
        numbered_at=entry.numbered_at,
        dated=dated,
    )
