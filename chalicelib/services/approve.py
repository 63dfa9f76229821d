"""Approve: an officer decides on documents, all with one use of the second factor (B7, C2, C6).

Each decision names the digest of what the officer saw, is signed, and is written by itself, so
that a list that died half-way goes on when the same request is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Protocol

from chalicelib.domain.access import Role
from chalicelib.domain.approval_records import statement_of
from chalicelib.domain.approvals import (
    AlreadySo,
    ApprovalDecision,
    Choice,
    Method,
    NotDecided,
    Why,
    decide,
)
from chalicelib.domain.clearance import is_cleared
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    ApprovalRefusedError,
    NotFoundError,
    TraError,
)
from chalicelib.domain.officers import Appointment, Authority
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import FactorUse
from chalicelib.domain.statements import to_the_millisecond
from chalicelib.ports import EvidenceSigner, OfficerStore
from chalicelib.services.decide_case import CaseRoom, enter_decision, refused, set_going

MOST_DECISIONS = 1_000
"""Documents on one list."""

_CHUNK = 40
"""So many are decided between two looks at the clock and at who the officer still is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an officer wants for one document, seen with this content (hex SHA-256)."""

    document_id: str
    content_digest: str
    choice: Choice
    reason: str | None = None
    authority_id: str | None = None


class Outcome(StrEnum):
    """What came of one decision: it holds, it held before, it has no effect (and never will), or
    it was not come to yet: the same request, made again, goes on with it."""

    DECIDED = "decided"
    ALREADY = "already_so"
    REFUSED = "refused"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is as it is then, where the officer may know of it; `error` why not."""

    asked: Asked
    outcome: Outcome
    document: Document | None = None
    error: TraError | None = None


class Approver(Protocol):
    """Who decides, as the edge knows it."""

    @property
    def officer(self) -> Officer: ...

    def appointments_for(self, documents: Sequence[Document]) -> Sequence[str | TraError]:
        """For each, the appointment that lets the officer decide on it: an access, which is
        recorded. NotFoundError for what the officer may not know of, or ForbiddenError. Raises
        UnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRoom:
    """Collaborators of `approve`. `at_once`: decisions that are signed at the same time."""

    cases: CaseRoom
    officers: OfficerStore
    signer: EvidenceSigner
    public_url: str
    at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A decision that will have an effect, if nothing moves."""

    asked: Asked
    document: Document
    appointment_id: str


def approve(
    list_of: Sequence[Asked],
    approver: Approver,
    use_factor: Callable[[], FactorUse],
    *,
    room: ApprovalRoom,
    in_time: Callable[[], bool],
) -> tuple[Answer, ...]:
    """Decide on each of a list of different documents, in its order.

    Each has an outcome of its own. `use_factor` spends the factor for exactly this list; it is
    asked only if something is left to decide. Raises FactorRefusedError, UnavailableError: then
    nothing was decided.

    Dies before step 3: at most the factor was used, and the same request gets the same use for an
    hour. Dies in it: what was decided holds, and the same request goes on with the rest. Dies
    before step 4: the repeat, or `sweep`, sends the messages.
    """
    # 1. Look at each: is it there, may the officer, is it what was seen, is there anything to do?
    looked = _look(list_of, approver, room)
    ready = [one for one in looked if isinstance(one, _Ready)]
    answers = {one.asked.document_id: one for one in looked if isinstance(one, Answer)}

    # 2. Spend the second factor, once for all of them, before anything is decided.
    if ready:
        use = use_factor()
        # 3. Sign and write each decision, as long as there is time.
        for done in _decide_all(ready, approver.officer, use, room, in_time):
            answers[done.asked.document_id] = done

    # 4. Have numbered what is approved now, in this run or by one that died.
    found = [answers[one.document_id] for one in list_of]
    moved = [one.document for one in found if one.document is not None and _is_done(one)]
    set_going(moved, room=room.cases)
    return tuple(found)


def approve_one(
    asked: Asked,
    approver: Approver,
    use_factor: Callable[[], FactorUse],
    *,
    room: ApprovalRoom,
) -> Document:
    """`approve` for one document, which is returned as it is then. Raises what is in the way:
    NotFoundError, ForbiddenError, ApprovalRefusedError, and as `approve`."""
    [answer] = approve([asked], approver, use_factor, room=room, in_time=lambda: True)
    if answer.error is not None:
        raise answer.error
    if answer.document is None:
        raise NotFoundError
    return answer.document


def _is_done(answer: Answer) -> bool:
    return answer.outcome in {Outcome.DECIDED, Outcome.ALREADY}


# -- looking -------------------------------------------------------------------


def _look(
    list_of: Sequence[Asked], approver: Approver, room: ApprovalRoom
) -> list[Answer | _Ready]:
    """What was decided by the same officer before stays told, whatever became of it since: a
    central approver reads no more of it, but the repeat of a list must."""
    documents = room.cases.documents.get_many([one.document_id for one in list_of])
    standing = _Standing(approver.officer, list_of, room)
    said = {
        asked.document_id
        for asked in list_of
        if _said_before(asked, documents.get(asked.document_id), approver.officer)
    }
    new = [one for document_id, one in documents.items() if document_id not in said]
    appointments = dict(
        zip((one.document_id for one in new), approver.appointments_for(new), strict=True)
    )
    found: list[Answer | _Ready] = []
    for asked in list_of:
        document = documents.get(asked.document_id)
        if document is None:
            found.append(Answer(asked, Outcome.REFUSED, error=NotFoundError()))
        elif asked.document_id in said:
            found.append(Answer(asked, Outcome.ALREADY, document))
        else:
            by = appointments[asked.document_id]
            found.append(_look_at(asked, document, by, standing))
    return found


def _look_at(
    asked: Asked, document: Document, by: str | TraError, standing: _Standing
) -> Answer | _Ready:
    """Whether a decision has an effect; `by` is the appointment, or why there is none."""
    if isinstance(by, TraError):
        return Answer(asked, Outcome.REFUSED, error=by)
    ready = _Ready(asked=asked, document=document, appointment_id=by)
    try:
        _demand_possible(ready, standing)
    except ApprovalRefusedError as error:
        return Answer(asked, Outcome.REFUSED, document, error)
    return ready


def _said_before(asked: Asked, document: Document | None, officer: Officer) -> bool:
    if document is None or document.approval is None:
        return False
    return any(
        (d.agency_id, d.by, d.choice, d.content_digest)
        == (*officer, asked.choice, asked.content_digest)
        for d in document.approval.decisions
    )


def _demand_possible(ready: _Ready, standing: _Standing) -> None:
    """Raises ApprovalRefusedError for what would have no effect now: nothing is spent for it."""
    case = ready.document.approval
    if case is None:
        raise refused(Why.ENDED)
    result = decide(case, _unsigned(ready, ready.document, standing, _NO_USE))
    if isinstance(result, NotDecided):
        raise _pointed(refused(result.why))


_NO_USE = FactorUse(Method.TOTP, "none")
"""Of what is only tried; it is written nowhere."""


# -- deciding ------------------------------------------------------------------


def _decide_all(
    ready: Sequence[_Ready],
    officer: Officer,
    use: FactorUse,
    room: ApprovalRoom,
    in_time: Callable[[], bool],
) -> Iterator[Answer]:
    """In chunks: what an officer may, ends with the appointment, in the midst of a list too."""
    with ThreadPoolExecutor(room.at_once) as pool:
        for start in range(0, len(ready), _CHUNK):
            chunk = ready[start : start + _CHUNK]
            if not in_time():
                yield from (_not_yet(one) for one in chunk)
                continue
            standing = _Standing(officer, [one.asked for one in chunk], room)
            step = partial(_decide_one, standing=standing, use=use, room=room)
            yield from pool.map(step, chunk)


def _decide_one(
    ready: _Ready, *, standing: _Standing, use: FactorUse, room: ApprovalRoom
) -> Answer:
    """One document, whatever becomes of the others."""
    make = partial(_signed, ready, standing=standing, use=use, room=room)
    try:
        document = enter_decision(ready.document, make, room=room.cases)
    except ApprovalRefusedError as error:
        return Answer(ready.asked, Outcome.REFUSED, ready.document, _pointed(error))
    except TraError as error:
        return _not_yet(ready, error)
    return Answer(ready.asked, Outcome.DECIDED, document)


def _not_yet(ready: _Ready, error: TraError | None = None) -> Answer:
    return Answer(ready.asked, Outcome.NOT_YET, ready.document, error)


def _signed(
    ready: _Ready, document: Document, *, standing: _Standing, use: FactorUse, room: ApprovalRoom
) -> ApprovalDecision:
    """The decision on the document as it is now, with its record. Nothing is signed that would
    have no effect."""
    decision = _unsigned(ready, document, standing, use)
    case = document.approval
    if case is None or isinstance(decide(case, decision), NotDecided | AlreadySo):
        return decision
    told = statement_of(
        document,
        decision,
        appointment=standing.appointment(ready),
        authority=standing.authority(ready),
        public_url=room.public_url,
    )
    return replace(decision, record=room.signer.sign(told.payload()))


def _unsigned(
    ready: _Ready, document: Document, standing: _Standing, use: FactorUse
) -> ApprovalDecision:
    """Raises ApprovalRefusedError if appointment or authority do not hold at this moment."""
    asked, appointment = ready.asked, standing.appointment(ready)
    authority = standing.authority(ready)
    return ApprovalDecision(
        choice=asked.choice,
        content_digest=asked.content_digest,
        by=appointment.subject,
        agency_id=appointment.agency_id,
        appointment_id=appointment.appointment_id,
        authority_id=authority.authority_id if authority else None,
        name_th=appointment.name_th,
        position_th=appointment.position_th,
        method=use.method,
        factor_use=use.use,
        # Two decisions on one document have an order, whatever the clocks of two functions say.
        at=max(standing.at, to_the_millisecond(document.history[-1].at)),
        reason=asked.reason,
    )


class _Standing:
    """What the officer may at one moment, to decide on some documents: read anew, with strong
    consistency, for each chunk."""

    def __init__(self, officer: Officer, list_of: Sequence[Asked], room: ApprovalRoom) -> None:
        self.at: datetime = to_the_millisecond(room.cases.clock())
        self._officer = officer
        held = room.officers.appointments_of(officer)
        self._appointments = {one.appointment_id: one for one in held}
        wanted = {one.authority_id for one in list_of if one.authority_id is not None}
        self._authorities = {
            authority_id: room.officers.authority(officer.agency_id, authority_id)
            for authority_id in sorted(wanted)
        }

    def appointment(self, ready: _Ready) -> Appointment:
        """Raises ApprovalRefusedError unless it holds, and makes an approver who is cleared for the
        document."""
        found = self._appointments.get(ready.appointment_id)
        if found is None or not found.in_force(self.at) or Role.APPROVER not in found.roles:
            raise ApprovalRefusedError(*_APPOINTMENT_ENDED)
        if not is_cleared(found.clearance, ready.document.classification):
            raise ApprovalRefusedError(*_APPOINTMENT_ENDED)
        return found

    def authority(self, ready: _Ready) -> Authority | None:
        """The one that is to be used, if any. Raises ApprovalRefusedError unless it is the
        officer's own, holds, and covers the document."""
        if ready.asked.authority_id is None:
            return None
        found, document = self._authorities.get(ready.asked.authority_id), ready.document
        covers = (
            found is not None
            and found.holder == self._officer.subject
            and found.covers(document.document_type, document.classification, self.at)
        )
        if not covers:
            raise ApprovalRefusedError(*_NO_AUTHORITY, field="authority_id")
        return found


# -- refusals ------------------------------------------------------------------

_FIELDS = {Why.OTHER_CONTENT.value: "content_digest", Why.DECIDED_OTHERWISE.value: "decision"}


def _pointed(error: ApprovalRefusedError) -> ApprovalRefusedError:
    """With the member of what was asked that is in the way."""
    error.field = error.field or _FIELDS.get(error.reason, "")
    return error


_APPOINTMENT_ENDED = (
    "appointment_ended",
    "The appointment by which you approve does not hold any more.",
    "การแต่งตั้งที่ท่านใช้อนุมัติสิ้นผลแล้ว",
)
_NO_AUTHORITY = (
    "authority_missing",
    "You hold no such authority for this document at this moment.",
    "ขณะนี้ท่านไม่มีอำนาจนี้สำหรับเอกสารฉบับนี้",
)
