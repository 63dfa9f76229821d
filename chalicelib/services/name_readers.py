"""Name readers: the registrar of secrets says which cleared officers of the agency may read a
classified document, or a classified letter that came (A13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.domain.clearance import is_cleared
from chalicelib.domain.delivery_records import DeliveryRecord
from chalicelib.domain.documents import Classification, Document
from chalicelib.domain.errors import (
    DeliveryMovedError,
    DocumentMovedError,
    FieldFault,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.ports import Clock, DeliveryStore, DocumentStore, OfficerStore

_TRIES = 6

_Named = TypeVar("_Named", Document, DeliveryRecord)

MOST_READERS = 100
"""Officers that one document is opened to: who has to know is few (regulation on secrets)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRoom:
    """Collaborators of `name_readers` and `name_recipients_readers`."""

    documents: DocumentStore
    deliveries: DeliveryStore
    officers: OfficerStore
    clock: Clock
    pause: Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Subjects of the registrar's own agency: who may read from now on, and who no longer."""

    agency_id: str
    add: Sequence[str] = ()
    remove: Sequence[str] = ()

    def applied_to(self, named: frozenset[Officer]) -> frozenset[Officer]:
        """Who is named for other agencies stays."""
        added = {Officer(self.agency_id, subject) for subject in self.add}
        removed = {Officer(self.agency_id, subject) for subject in self.remove}
        return (named | added) - removed


def name_readers(document: Document, naming: Naming, *, room: ReaderRoom) -> Document:
    """Open a classified document to officers of its agency, and close it to others.

    Repeatable, and two registrars at once both have their way. Raises InvalidRequestError for
    somebody who is not cleared so far now, or if nothing is classified; UnavailableError. Dies
    half-way: nothing or everything was written.
    """
    documents = room.documents
    return _name(
        document,
        naming,
        document.classification,
        write=documents.name_readers,
        read=lambda: documents.get(document.document_id),
        room=room,
    )


def name_recipients_readers(
    record: DeliveryRecord, naming: Naming, *, room: ReaderRoom
) -> DeliveryRecord:
    """The same of a classified letter that came, for officers of its recipient."""
    deliveries = room.deliveries
    return _name(
        record,
        naming,
        record.delivery.letter.classification,
        write=deliveries.name_readers,
        read=lambda: deliveries.get(record.delivery.id),
        room=room,
    )


def _name(
    thing: _Named,
    naming: Naming,
    classification: Classification,
    *,
    write: Callable[[_Named, frozenset[Officer]], _Named],
    read: Callable[[], _Named | None],
    room: ReaderRoom,
) -> _Named:
    """`write` over what was seen, or read it again, as often as somebody else was first."""
    _demand_classified(classification)
    _demand_cleared(naming, classification, room)
    for attempt in range(_TRIES):
        named = _bounded(naming.applied_to(thing.named))
        if named == thing.named:
            return thing
        try:
            return write(thing, named)
        except (DocumentMovedError, DeliveryMovedError):
            room.pause(attempt)
            found = read()
            if found is None:
                raise NotFoundError from None
            thing = found
    raise _busy()


def _demand_classified(classification: Classification) -> None:
    if classification is Classification.NORMAL:
        raise InvalidRequestError([_NOT_CLASSIFIED])


def _demand_cleared(naming: Naming, classification: Classification, room: ReaderRoom) -> None:
    """Who may never read it is not named: a name would promise what the clearance refuses."""
    faults = [
        FieldFault(
            f"/add/{place}",
            "not_cleared",
            "This officer holds no appointment in your agency with clearance for this "
            "classification; appoint and clear the officer first.",
            "เจ้าหน้าที่รายนี้ไม่มีการแต่งตั้งในหน่วยงานของท่านที่เข้าถึงชั้นความลับนี้ได้ ต้องแต่งตั้งและกำหนดชั้นความลับก่อน",
        )
        for place, subject in enumerate(naming.add)
        if not _is_cleared(Officer(naming.agency_id, subject), classification, room)
    ]
    if faults:
        raise InvalidRequestError(faults)


def _is_cleared(officer: Officer, classification: Classification, room: ReaderRoom) -> bool:
    now = room.clock()
    return any(
        one.in_force(now) and is_cleared(one.clearance, classification)
        for one in room.officers.appointments_of(officer)
    )


def _bounded(named: frozenset[Officer]) -> frozenset[Officer]:
    if len(named) > MOST_READERS:
        raise InvalidRequestError([_TOO_MANY])
    return named


def _busy() -> UnavailableError:
    return UnavailableError("Somebody else names readers of this at the moment; repeat it.")


_NOT_CLASSIFIED = FieldFault(
    "",
    "not_classified",
    "This is not classified: whoever may see the agency's documents may read it.",
    "เอกสารนี้ไม่มีชั้นความลับ ผู้มีสิทธิดูเอกสารของหน่วยงานอ่านได้อยู่แล้ว",
)
_TOO_MANY = FieldFault(
    "/add",
    "too_many",
    f"At most {MOST_READERS} officers are named for one document.",
    f"กำหนดผู้อ่านได้ไม่เกิน {MOST_READERS} คนต่อเอกสารหนึ่งฉบับ",
)
