"""Decide on a document that awaits approval, withdraw it, or end it because its time is over
(B7, P4).

Who may do so, with which authority and which second factor, is checked before; the decision tells
it. Here the document moves, once, whatever two officers, the submitter and the clock do at the
same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from chalicelib.domain.approvals import (
    AlreadySo,
    ApprovalCase,
    ApprovalDecision,
    Decided,
    Result,
    Why,
    decide,
    expire,
    withdraw,
)
from chalicelib.domain.approved_documents import with_case
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import (
    ApprovalRefusedError,
    DocumentMovedError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.ports import Clock, DocumentStore, WorkQueue

DecisionOn = Callable[[Document], ApprovalDecision]
"""An officer's decision with its signed record, made for the document as it is given: the record
tells the decision's place in the case, so after another officer's it is made anew."""

# A conflict means that somebody else decided on the same document at the same moment; there are
# at most two approvers, the submitter and `sweep`.
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRoom:
    """Collaborators of what happens to cases; `pause` as in `number`."""

    documents: DocumentStore
    number_queue: WorkQueue
    deliver_queue: WorkQueue
    clock: Clock
    pause: Callable[[int], None]


def decide_case(document: Document, decision_on: DecisionOn, *, room: CaseRoom) -> Document:
    """Enter an officer's decision, for ever, and set going what follows from it.

    Returns the document as it is then: still awaiting, accepted (it will be numbered), or
    rejected. The same decision again returns it as it is by now. Raises ApprovalRefusedError,
    whose `reason` is one of `approvals.Why`; UnavailableError.

    Dies before the write: nothing happened. Dies after it: the decision holds, and a repeat, or
    `sweep`, sends the message.
    """
    decided = enter_decision(document, decision_on, room=room)
    set_going([decided], room=room)
    return decided


def enter_decision(document: Document, decision_on: DecisionOn, *, room: CaseRoom) -> Document:
    """`decide_case` without its message: who decides on a list sends those of all at its end
    (`set_going`)."""

    def step(seen: Document, case: ApprovalCase) -> Result:
        return decide(case, decision_on(seen))

    return _move(document, step, room)


def withdraw_case(document: Document, by: str, *, room: CaseRoom) -> Document:
    """The submitter (or who works for the same agency) takes the document back before it is
    approved. Returns, raises and dies as `decide_case`. `by` is the subject of who did."""
    withdrawn = _move(document, lambda _, case: withdraw(case, by), room)
    set_going([withdrawn], room=room)
    return withdrawn


def expire_case(document: Document, *, room: CaseRoom) -> Document:
    """End it if nobody decided in time. Returns the document as it is then, also one that was
    decided meanwhile or has time left. Raises UnavailableError. Dies as `decide_case`."""
    now = room.clock()
    try:
        ended = _move(document, lambda _, case: expire(case, now), room)
    except ApprovalRefusedError:
        return document
    set_going([ended], room=room)
    return ended


def set_going(documents: Sequence[Document], *, room: CaseRoom) -> None:
    """Have numbered what was approved, and the records of what was refused archived. Sends a
    message too many rather than one too few: it finds its work done. Raises UnavailableError."""
    to_number = sorted((d for d in documents if _may_free_a_number(d)), key=_group)
    for group, found in groupby(to_number, key=_group):
        room.number_queue.send([document.document_id for document in found], group=group)
    refused = [d for d in documents if d.state is DocumentState.REJECTED and not d.settled]
    room.deliver_queue.send([document.document_id for document in refused])


def _may_free_a_number(document: Document) -> bool:
    """Of a run none is numbered while another one waits: whichever ends its waiting last, by a
    refusal too, sets going the others."""
    refused = document.state is DocumentState.REJECTED
    return document.state is DocumentState.ACCEPTED or (refused and bool(document.run))


def _group(document: Document) -> str:
    return document.book.group


def _move(
    document: Document, step: Callable[[Document, ApprovalCase], Result], room: CaseRoom
) -> Document:
    for attempt in range(_TRIES):
        if document.approval is None:
            raise refused(Why.ENDED)
        result = step(document, document.approval)
        if isinstance(result, AlreadySo):
            return document
        if not isinstance(result, Decided):
            raise refused(result.why)
        # No step of a history lies before the one before it, whatever two clocks say.
        said = (decision.at for decision in result.case.decisions)
        at = max(room.clock(), document.history[-1].at, *said)
        moved = with_case(document, result.case, at)
        try:
            room.documents.decide(document, moved)
        except DocumentMovedError:
            room.pause(attempt)
            document = _read_again(document, room)
            continue
        return moved
    message = f"The document moved {_TRIES} times in a row; decide again."
    raise UnavailableError(message)


def _read_again(document: Document, room: CaseRoom) -> Document:
    found = room.documents.get(document.document_id)
    if found is None:
        raise NotFoundError
    return found


def refused(why: Why) -> ApprovalRefusedError:
    """In words."""
    return ApprovalRefusedError(why.value, *_WORDS[why])


_WORDS = {
    Why.OTHER_CONTENT: (
        "The digest is not that of this document. Look at it again and decide on what you see.",
        "ค่าแฮชไม่ตรงกับเอกสารนี้ โปรดเปิดดูเอกสารอีกครั้งแล้วพิจารณาตามที่เห็น",
    ),
    Why.OTHER_AGENCY: (
        "The officers of another agency decide on this document.",
        "เอกสารนี้อยู่ในอำนาจอนุมัติของหน่วยงานอื่น",
    ),
    Why.OWN_SUBMISSION: (
        "Nobody approves what the same officer submitted. Ask another officer.",
        "ผู้ยื่นอนุมัติเอกสารของตนเองไม่ได้ โปรดให้ผู้อื่นพิจารณา",
    ),
    Why.DECIDED_OTHERWISE: (
        "You decided otherwise on this document before, and a decision stands.",
        "ท่านพิจารณาเอกสารนี้เป็นอย่างอื่นไปแล้ว และผลการพิจารณาเปลี่ยนไม่ได้",
    ),
    Why.ENDED: (
        "Nothing is to be decided on this document any more.",
        "เอกสารนี้ไม่อยู่ระหว่างรอพิจารณาแล้ว",
    ),
    Why.EXPIRED: (
        "The time to decide on this document is over. Submit it anew if it is still wanted.",
        "พ้นกำหนดพิจารณาเอกสารนี้แล้ว หากยังต้องการ โปรดยื่นใหม่",
    ),
}
