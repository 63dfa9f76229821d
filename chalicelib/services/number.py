"""Number: accepted documents get the next numbers of their book, in one block (P1, P2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.directory import DocumentType
from chalicelib.domain.documents import Classification, Document, DocumentState, Reason
from chalicelib.domain.errors import (
    DocumentMovedError,
    EntryMovedError,
    RegisterClosedError,
    RegisterConflictError,
    RegisterHeldError,
    SecretUnreadableError,
    UnavailableError,
)
from chalicelib.domain.registers import (
    MOST_CHILDREN,
    SENDING,
    Book,
    Claim,
    Entry,
    EntryState,
    NumberWish,
    WishKind,
    insert_after,
    is_over,
    lay_out_block,
    numbering_of,
)
from chalicelib.ports import (
    Clock,
    Directory,
    DocumentStore,
    DocumentTypes,
    OfficerStore,
    RegisterStore,
    WorkQueue,
)

# One transaction holds at most 100 items: the head, at the beginning of a year the
# register's own line, and an entry and a document for each number.
NUMBERS_PER_BLOCK = 49

# The items of a transaction have at most 4 MB together.
BYTES_PER_BLOCK = 3_000_000

# A conflict means that somebody else numbered meanwhile. With one FIFO group per
# book that is rare (a message delivered twice), so a few tries settle it; the
# queue brings back what they do not.
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Numberer:
    """Collaborators of `number`. `pause(attempt)` waits before the next try, longer
    each time and with jitter, so that two writers part."""

    documents: DocumentStore
    registers: RegisterStore
    directory: Directory
    officers: OfficerStore
    types: DocumentTypes
    seal_queue: WorkQueue
    clock: Clock
    pause: Callable[[int], None]


def number(document_ids: Sequence[str], *, to: Numberer) -> None:
    """Number the accepted ones of `document_ids` in the order given; all of one book. What
    awaits approval is left alone, and with it the others of its run: whoever ends its waiting
    sends them on (`decide_case`).

    Raises RegisterHeldError while the next numbers are a batch's, UnavailableError if the block
    could not be written, or not all seal messages sent, SecretUnreadableError for what is encrypted
    and does not open: the others were numbered. Repeatable: who has a number keeps it and is only
    sent on.

    Dies before step 3: nothing happened. Dies after it: documents are numbered, the
    messages come back and step 4 sends them on (P8).
    """
    try:
        _number_together(document_ids, to)
    except SecretUnreadableError:
        if len(document_ids) < 2:  # noqa: PLR2004 - it is the one
            raise
        _number_each(document_ids, to)


def _number_each(document_ids: Sequence[str], to: Numberer) -> None:
    """One that does not open must not hold up, time after time, whatever comes with it."""
    unreadable = None
    for document_id in document_ids:
        try:
            _number_together([document_id], to)
        except SecretUnreadableError as error:
            unreadable = error
    if unreadable is not None:
        raise unreadable


def _number_together(document_ids: Sequence[str], to: Numberer) -> None:
    known = to.documents.get_many(document_ids)
    for block in _blocks(document_ids, known):
        _number_block(block, to, known)


def _blocks(document_ids: Sequence[str], known: Mapping[str, Document]) -> Iterator[list[str]]:
    """Ids in blocks that fit a transaction. The documents of a run stay together, though
    the message of one of them came alone: their numbers follow each other."""
    block: list[str] = []
    weight = 0
    placed: set[str] = set()
    for document_id in document_ids:
        if document_id in placed:
            continue
        document = known.get(document_id)
        together = (document.run or (document_id,)) if document else (document_id,)
        added = len(together) * document.weight if document else 0
        if block and (
            len(block) + len(together) > NUMBERS_PER_BLOCK or weight + added > BYTES_PER_BLOCK
        ):
            yield block
            block, weight = [], 0
        block += together
        weight += added
        placed.update(together)
    if block:
        yield block


def _number_block(document_ids: Sequence[str], to: Numberer, known: Mapping[str, Document]) -> None:
    for attempt in range(_TRIES):
        # 1. Read how far each document is.
        if attempt or not known.keys() >= set(document_ids):
            known = to.documents.get_many(document_ids)
        found = _in_order(document_ids, known)

        try:
            # 2. End what can never be numbered, so that it does not block its register (P4).
            waiting = _reject_impossible(found, to)

            # 3. Head, entries and documents in ONE transaction; those that wish for a
            #    certain number one by one.
            numbered = [*_assign(waiting, to), *_grant(waiting, to)]
        except (RegisterConflictError, DocumentMovedError, EntryMovedError):
            to.pause(attempt)
            continue

        # 4. Send on what is numbered, by this run or an earlier one.
        to.seal_queue.send(
            [d.document_id for d in (*numbered, *found) if d.state is DocumentState.NUMBERED]
        )
        return
    message = f"The register was busy {_TRIES} times in a row."
    raise UnavailableError(message)


def _in_order(document_ids: Sequence[str], found: Mapping[str, Document]) -> list[Document]:
    """Each document once, in order of arrival. An id without document is a message that
    outlived a test stack or was forged: there is nothing to number."""
    return [found[i] for i in dict.fromkeys(document_ids) if i in found]


# -- what can never be numbered --------------------------------------------------


def _reject_impossible(found: Sequence[Document], to: Numberer) -> list[Document]:
    waiting = []
    held = _held_runs(found)
    for document in found:
        if document.state is not DocumentState.ACCEPTED or document.run in held:
            continue
        reason = _impossible(document, to)
        if reason is None:
            waiting.append(document)
        else:
            to.documents.reject(document, reason, to.clock())
    return waiting


def _held_runs(found: Sequence[Document]) -> set[tuple[str, ...]]:
    """Runs of which a document awaits approval still: their numbers follow each other, so none
    is given before it is decided of all. One that was refused is not waited for."""
    return {document.run for document in found if document.run and document.awaits_approval}


def _impossible(document: Document, to: Numberer) -> Reason | None:
    if not document.is_approved:
        # Accepted without enough decisions on exactly this content: somebody wrote past Tra.
        # The transaction would not number it either, and it must not block its register.
        return _NOT_APPROVED
    if to.types.get(document.document_type, document.type_version) is None:
        newest = to.types.get(document.document_type)
        if newest is not None and newest.version < document.type_version:
            # The API is deployed already and this function not yet: wait for it.
            message = "The document's type is newer than this function; the deployment goes on."
            raise UnavailableError(message)
        return _TYPE_WITHDRAWN
    if reason := why_no_letter(document.book, to.directory):
        return reason
    without = without_registrar(
        document.recipients, document.classification, officers=to.officers, at=to.clock()
    )
    if without:
        return no_registrar(without)
    if document.wish is not None:
        return why_not(document.wish, document.book, to=to.registers, clock=to.clock)
    return None


def why_no_letter(book: Book, directory: Directory) -> Reason | None:
    """Why an agency's letters cannot be numbered, or None if they can, or are none."""
    if book.name not in SENDING:
        return None
    agency = directory.agency(book.agency_id)
    return None if agency and agency.letter_prefix else _NO_LETTER_PREFIX


def without_registrar(
    recipients: Sequence[str],
    classification: Classification,
    *,
    officers: OfficerStore,
    at: datetime,
) -> tuple[str, ...]:
    """Recipients where nobody may receive what is classified so: no registrar of secrets is
    cleared so far (A13). Of a normal document none."""
    if classification is Classification.NORMAL:
        return ()
    return tuple(r for r in recipients if not officers.has_registrar(r, classification, at))


def no_registrar(recipients: Sequence[str]) -> Reason:
    """Why a classified document goes to none of its recipients."""
    named = ", ".join(recipients)
    return Reason(
        "no_registrar",
        f"No registrar of secrets cleared for this classification is appointed at: {named}. The "
        "agency appoints one (`tra officers appoint`), or the document goes on paper.",
        f"หน่วยงาน {named} ยังไม่มีนายทะเบียนข้อมูลข่าวสารลับที่เข้าถึงชั้นความลับนี้ได้ "
        "ต้องให้หน่วยงานนั้นแต่งตั้งก่อน หรือส่งเป็นเอกสารกระดาษ",
    )


def why_not(wish: NumberWish, book: Book, *, to: RegisterStore, clock: Clock) -> Reason | None:
    """Why a wished-for number cannot be had, or None if it can."""
    entry = to.entry(book.in_year(wish.year), wish.number)
    if entry is None:
        return _NO_SUCH_NUMBER
    if is_over(entry.register, clock()) or to.head(entry.register).closing:
        return _YEAR_CLOSED
    if wish.kind is WishKind.INSERTED and to.children(entry.register, wish.number) >= MOST_CHILDREN:
        return _TOO_MANY_INSERTED
    if wish.kind is WishKind.RESERVED and (
        entry.state is not EntryState.RESERVED
        or entry.reserve is None
        or entry.reserve.expires_at <= clock()
    ):
        return _NOT_RESERVED
    return None


_NOT_APPROVED = Reason(
    "not_approved",
    "Its approvals are not complete for this content, so it gets no number. Submit it anew.",
    "เนื้อหานี้ยังได้รับอนุมัติไม่ครบ จึงออกเลขไม่ได้ โปรดยื่นใหม่",
)
_TYPE_WITHDRAWN = Reason(
    "document_type_withdrawn",
    "This version of the document type was never published here, and a newer one is. Submit the "
    "document again.",
    "ประเภทเอกสารรุ่นนี้ไม่เคยเผยแพร่ในระบบ และมีรุ่นใหม่กว่าแล้ว โปรดส่งคำขอใหม่",
)
_NO_LETTER_PREFIX = Reason(
    "no_letter_prefix",
    "The agency has no letter prefix (ที่) in the directory, so its letters cannot be numbered.",
    "หน่วยงานยังไม่มีรหัสตัวพยัญชนะและเลขประจำของเจ้าของเรื่อง (ที่) จึงออกเลขหนังสือไม่ได้",
)
_NO_SUCH_NUMBER = Reason(
    "no_such_number",
    "The register holds no such number.",
    "ไม่มีเลขนี้ในทะเบียน",
)
_NOT_RESERVED = Reason(
    "not_reserved",
    "The number is not reserved, or no longer: it was used, given back, or has expired.",
    "เลขนี้ไม่ได้จองไว้ หรือถูกใช้ คืน หรือหมดอายุการจองแล้ว",
)
_TOO_MANY_INSERTED = Reason(
    "too_many_inserted",
    f"Under one number {MOST_CHILDREN} others were inserted already; choose another.",
    f"เลขนี้มีเลขแทรกครบ {MOST_CHILDREN} เลขแล้ว โปรดเลือกเลขอื่น",
)
_YEAR_CLOSED = Reason(
    "register_closed",
    "The year of this register is closed; no number of it is given any more.",
    "ทะเบียนปีนี้ปิดแล้ว ไม่ออกเลขเพิ่ม",
)


# -- the next numbers --------------------------------------------------------------


def _assign(waiting: Sequence[Document], to: Numberer) -> list[Document]:
    waiting = [document for document in waiting if document.wish is None]
    if not waiting:
        return []
    now = _moment(waiting, to)
    register = _book_of(waiting).at(now)
    head = to.registers.head(register)
    if head.closing:
        message = "This clock still shows a year whose register is closed."
        raise RegisterClosedError(message)
    if head.hold is not None:
        raise RegisterHeldError(head.hold.batch)
    block = lay_out_block(register, head, [_claim(d, to) for d in waiting], now)
    numbered = [
        _numbered(document, entry, to)
        for document, entry in zip(waiting, block.entries, strict=True)
    ]
    to.registers.assign(block, {d.document_id: d for d in numbered})
    return numbered


def _moment(waiting: Sequence[Document], to: Numberer) -> datetime:
    """Now, but no number is older than the approvals that allow it, whatever two clocks say."""
    return max([to.clock(), *(d.history[-1].at for d in waiting if d.approval)])


def _book_of(waiting: Sequence[Document]) -> Book:
    books = {document.book for document in waiting}
    if len(books) != 1:
        raise ValueError("a block belongs to one book")
    return books.pop()


def _claim(document: Document, to: Numberer) -> Claim:
    kind = _type_of(document, to)
    return Claim(
        document_id=document.document_id,
        document_type=document.public_type,
        content_digest=document.content_digest,
        salt=document.salt,
        subject=kind.subject_of(document.content),
        counterpart=kind.counterpart_of(document.content),
        classification=document.classification,
    )


def _type_of(document: Document, to: Numberer) -> DocumentType:
    kind = to.types.get(document.document_type, document.type_version)
    if kind is None:
        raise ValueError("a document of no type was rejected before")
    return kind


def _numbered(document: Document, entry: Entry, to: Numberer) -> Document:
    return document.numbered(numbering_of(entry, _letter_prefix(document, to)))


def _letter_prefix(document: Document, to: Numberer) -> str | None:
    agency = to.directory.agency(document.agency_id)
    return agency.letter_prefix if agency else None


# -- reserved and inserted numbers ----------------------------------------------------


def _grant(waiting: Sequence[Document], to: Numberer) -> list[Document]:
    return [_grant_one(document, document.wish, to) for document in waiting if document.wish]


def _grant_one(document: Document, wish: NumberWish, to: Numberer) -> Document:
    entry = to.registers.entry(document.book.in_year(wish.year), wish.number)
    if entry is None:
        raise EntryMovedError("The wished-for number is not there.")
    if wish.kind is WishKind.RESERVED:
        return _use_reserved(document, entry, to)
    return _insert(document, entry, to)


def _use_reserved(document: Document, entry: Entry, to: Numberer) -> Document:
    """The letter date is the day the number was taken; the day of use stands beside it."""
    claim = _claim(document, to)
    (opened,) = to.registers.opened((entry,))  # of a secret book: why it was reserved
    described = replace(
        opened,
        subject=claim.subject,
        counterpart=claim.counterpart,
        classification=claim.classification,
    )
    numbering = replace(
        numbering_of(entry, _letter_prefix(document, to)),
        numbered_at=_moment([document], to),
        dated=entry.numbered_at,
    )
    numbered = document.numbered(numbering)
    to.registers.use_reserved(described, numbered)
    return numbered


def _insert(document: Document, parent: Entry, to: Numberer) -> Document:
    """The letter date is the parent's; the real time of issue stands beside it."""
    child = to.registers.children(parent.register, parent.number) + 1
    entry = insert_after(parent, child, _claim(document, to), _moment([document], to))
    numbering = numbering_of(entry, _letter_prefix(document, to), dated=parent.numbered_at)
    numbered = document.numbered(numbering)
    to.registers.insert(entry, numbered)
    return numbered
