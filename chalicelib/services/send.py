"""Send: from an issued letter to one delivery for each of its recipients (docs/adr/0041)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, Moved, RetryBudget, SentLetter, plan, refuse
from chalicelib.domain.documents import Document, Reason, planned_mark
from chalicelib.ports import DocumentStore, Ids, RegisterStore
from chalicelib.services.delivery_steps import UNKNOWN_AGENCY, DeliveryRoom, evidenced

# Each is signed for; so many take about a second.
_PLANNED_AT_ONCE = 50

_NO_CHANNEL = Reason(
    "channel_unsupported",
    "Letters cannot be sent by the recipient's channel yet.",
    "ระบบยังไม่รองรับการส่งหนังสือทางช่องทางของหน่วยงานผู้รับ",
)
_BUILT = frozenset({ChannelKind.HOSTED, ChannelKind.QUEUE, ChannelKind.WEBHOOK})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRoom:
    """Collaborators of `send`."""

    steps: DeliveryRoom
    documents: DocumentStore
    registers: RegisterStore
    ids: Ids


def send(
    document: Document, *, room: SendingRoom, in_time: Callable[[], bool] = lambda: True
) -> Document:
    """Plan the deliveries of an issued letter and have each begun, some dozens at a time, until
    all are or `in_time` says stop; the document returned says by `unnotified` what is left.

    A recipient that no channel leads to gets a delivery that failed at once, for the sender to
    see (A5, A23). Repeatable: a delivery that is there already stays as it is. Dies half-way:
    the repeat goes on after the last dozens that were noted; a delivery may be begun twice,
    which finds nothing to do. Raises UnavailableError.
    """
    letter = SentLetter.of(document, subject=_subject(document, room))
    while document.unnotified and in_time():
        upto = min(document.planned + _PLANNED_AT_ONCE, len(document.recipients))
        # An earlier release told each recipient by itself: those have had their message.
        recipients = [
            r for r in document.recipients[document.planned : upto] if r not in document.notified
        ]
        _plan(letter, recipients, room)
        document = room.documents.mark_notified(document.document_id, planned_mark(upto))
    return document


def _plan(letter: SentLetter, recipients: list[str], room: SendingRoom) -> None:
    """First stored, then begun: what the queue loses, `sweep` finds."""
    steps = room.steps
    planned = list(_signed(letter, recipients, room))
    steps.deliveries.plan(planned, steps.clock() + steps.look_after)
    steps.dispatch_queue.send_deliveries([delivery.id for delivery, _, _ in planned])


def _signed(
    letter: SentLetter, recipients: list[str], room: SendingRoom
) -> Iterator[tuple[Delivery, str, str]]:
    """Each delivery with its first evidence and the salt that hides it in public logs."""
    for recipient in recipients:
        moved = _planned(letter, recipient, room)
        delivery, (evidence,) = evidenced(moved, room=room.steps)
        yield delivery, evidence, room.ids.salt()


def _planned(letter: SentLetter, recipient: str, room: SendingRoom) -> Moved:
    now = room.steps.clock()
    budget = RetryBudget.lasting(room.steps.give_up_after, since=now)
    agency = room.steps.directory.agency(recipient)
    channel = agency.reached_by if agency else ChannelKind.HOSTED
    if agency is not None and channel in _BUILT:
        return plan(letter, recipient, channel, at=now, budget=budget)
    reason = _NO_CHANNEL if agency else UNKNOWN_AGENCY
    return refuse(letter, recipient, channel, at=now, budget=budget, reason=reason)


def _subject(document: Document, room: SendingRoom) -> str:
    """As the register has it (เรื่อง)."""
    numbering = document.numbering
    if numbering is None:
        raise ValueError("only an issued letter can be sent (P3)")
    entry = room.registers.entry(document.register, numbering.number, numbering.child)
    return room.registers.opened((entry,))[0].subject if entry else ""
