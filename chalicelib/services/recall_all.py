"""Recall all: the sender takes a letter back from everybody who has not registered it."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.deliveries import Delivery
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import DeliveryConflictError, NotReadyError
from chalicelib.services.delivery_steps import DeliveryRoom
from chalicelib.services.recall_letter import recall_letter

AT_ONCE = 100
"""Deliveries that one request takes back: each needs a signature and a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """Deliveries that are recalled (now or before), those that have another outcome and the word
    why, and where to go on; None at the end."""

    recalled: tuple[Delivery, ...]
    others: tuple[tuple[Delivery, str], ...]
    cursor: str | None


def recall_all(letter: Document, *, cursor: str | None, room: DeliveryRoom) -> Recalled:
    """Take back the next deliveries of a letter, `AT_ONCE` at most.

    Repeatable: what is recalled stays so. Raises NotReadyError while some of its deliveries are
    still to begin, for those would be sent after it was taken back; InvalidRequestError for a cursor that was not given out,
    UnavailableError. Dies half-way: some are recalled, and the repeat recalls the rest.
    """
    if letter.state is not DocumentState.ISSUED:
        raise _not_sent_yet()
    if cursor is None and not _all_begun(letter, room):
        raise _not_sent_yet()
    page = room.deliveries.of_letter(letter.document_id, cursor=cursor, limit=AT_ONCE)
    recalled, others = [], []
    for record in page.records:
        try:
            recalled.append(recall_letter(record.delivery.id, room=room))
        except DeliveryConflictError as conflict:
            others.append((record.delivery, conflict.reason))
    return Recalled(recalled=tuple(recalled), others=tuple(others), cursor=page.cursor)


def _all_begun(letter: Document, room: DeliveryRoom) -> bool:
    """A letter to very many is begun some dozens at a time, and seen in the list a moment later.
    An earlier release told some recipients by itself."""
    owed = len([r for r in letter.recipients if r not in letter.notified])
    return 0 < owed <= room.deliveries.progress(letter.document_id).total


def _not_sent_yet() -> NotReadyError:
    return NotReadyError(
        "The letter is not on its way to all its recipients yet; ask again in a moment.",
        "หนังสือยังไม่ได้ส่งออกถึงผู้รับทุกราย โปรดลองใหม่ในอีกสักครู่",
    )
