"""Who has to be told what of a delivery (A4, A5, A14), and by which bytes.

What is called for follows from the delivery alone, so whoever asks again gets the same
notices. `DeliveryRecord.told` says which of them were given. That the letter lies there is no
notice: handing it to the channel tells it.

An agency that is hosted here gets no message: its inbox and outbox show the delivery itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from chalicelib.domain.deliveries import FAILING_STEPS, Delivery
from chalicelib.domain.delivery_evidence import evidence_place
from chalicelib.domain.delivery_messages import (
    disputed_event,
    escalated_event,
    failed_event,
    recalled_event,
    receipt_event,
    rejected_event,
    reminded_event,
)
from chalicelib.domain.erds import DeliveryState


class NoticeKind(StrEnum):
    """What is told; to the sender, unless it is one of the last three."""

    RECEIPT = "receipt"
    REJECTED = "rejected"
    FAILED = "failed"
    ESCALATED = "escalated"
    REMINDED = "reminded"
    RECALLED = "recalled"
    DISPUTED = "disputed"

    @property
    def for_recipient(self) -> bool:
        return self in {NoticeKind.REMINDED, NoticeKind.RECALLED, NoticeKind.DISPUTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to be told to one agency. `no`: which receipt or reminder (from 1). `since`:
    when it came due. `place`: where in the chain its evidence lies. `statement`: digest (hex
    SHA-256) of the receipt or rejection that goes with it."""

    kind: NoticeKind
    to: str
    since: datetime
    place: int
    no: int | None = None
    statement: str | None = None

    @property
    def key(self) -> str:
        """What `DeliveryRecord.told` holds once it was given: `receipt.1`, `failed`."""
        return self.kind.value if self.no is None else f"{self.kind}.{self.no}"

    @property
    def given_up_key(self) -> str:
        """What `told` holds if nobody can be told this."""
        return f"{self.key}/untellable"


def notices(delivery: Delivery) -> tuple[Notice, ...]:
    """All that the delivery calls for, in the order in which it came due.

    Of several receipts only the one that stands: a sender whose dispute was answered before it
    was told of the first one has no use for that. A reminder is told even if the letter was
    registered meanwhile: evidence says that it was. A recall is told although the letter may
    never have come: nobody knows of a message that was sent before its sender died.
    """
    found = [*_reminders(delivery), *_outcome(delivery)]
    if delivery.disputed:
        found.append(_notice(delivery, NoticeKind.DISPUTED, "disputed", no=len(delivery.receipts)))
    return tuple(sorted(found, key=lambda notice: notice.place))


def untold(delivery: Delivery, told: Collection[str]) -> tuple[Notice, ...]:
    """Those that were neither given nor given up."""
    return tuple(n for n in notices(delivery) if not {n.key, n.given_up_key} & set(told))


def _reminders(delivery: Delivery) -> Iterator[Notice]:
    for step in delivery.history:
        name, _, no = step.key.partition("/")
        if name not in {"reminded", "escalated"}:
            continue
        kinds = [NoticeKind.REMINDED]
        if name == "escalated":
            kinds.append(NoticeKind.ESCALATED)
        for kind in kinds:
            yield _notice(delivery, kind, name, key=step.key, no=int(no))


def _outcome(delivery: Delivery) -> Iterator[Notice]:
    match delivery.state:
        case DeliveryState.HANDED_OVER:
            yield _notice(
                delivery,
                NoticeKind.RECEIPT,
                "handed_over",
                "corrected",
                no=len(delivery.receipts),
                statement=delivery.statement,
            )
        case DeliveryState.REJECTED:
            yield _notice(delivery, NoticeKind.REJECTED, "rejected", statement=delivery.statement)
        case DeliveryState.FAILED:
            yield _notice(delivery, NoticeKind.FAILED, *FAILING_STEPS)
        case DeliveryState.RECALLED:
            yield _notice(delivery, NoticeKind.RECALLED, "recalled")


def _notice(
    delivery: Delivery,
    kind: NoticeKind,
    *steps: str,
    key: str | None = None,
    no: int | None = None,
    statement: str | None = None,
) -> Notice:
    """Of the step with this key, or else of the last one of these names."""
    step = next(s for s in delivery.history if s.key == key) if key else delivery.last(*steps)
    return Notice(
        kind=kind,
        to=delivery.recipient if kind.for_recipient else delivery.letter.sender,
        since=step.at,
        place=evidence_place(delivery, step.key),
        no=no,
        statement=statement,
    )


def notice_event(
    notice: Notice,
    delivery: Delivery,
    chain: Sequence[str],
    *,
    public_url: str,
    statement: str | None = None,
) -> bytes:
    """The CloudEvent of a notice: same notice, same bytes, whatever happened since. `chain` is
    the delivery's evidence, `statement` the JWS that the notice names.

    Raises ValueError if the notice names one and there is none.
    """
    evidence = chain[notice.place]
    if notice.kind in _ABOUT_STATEMENTS:
        if statement is None:
            raise ValueError("what was answered is told with the answer itself (P5)")
        event = partial(_ABOUT_STATEMENTS[notice.kind], delivery, statement)
    elif notice.kind in _ABOUT_REMINDERS:
        event = partial(_ABOUT_REMINDERS[notice.kind], delivery, notice.no)
    else:
        event = partial(_ABOUT_THE_REST[notice.kind], delivery)
    return event(evidence, public_url=public_url)


_ABOUT_STATEMENTS: Mapping[NoticeKind, Callable[..., bytes]] = {
    NoticeKind.RECEIPT: receipt_event,
    NoticeKind.REJECTED: rejected_event,
}
_ABOUT_REMINDERS: Mapping[NoticeKind, Callable[..., bytes]] = {
    NoticeKind.REMINDED: reminded_event,
    NoticeKind.ESCALATED: escalated_event,
}
_ABOUT_THE_REST: Mapping[NoticeKind, Callable[..., bytes]] = {
    NoticeKind.FAILED: failed_event,
    NoticeKind.RECALLED: recalled_event,
    NoticeKind.DISPUTED: disputed_event,
}

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=6)
_TOLD_WITHIN = timedelta(days=14)


def tell_again_at(notice: Notice, now: datetime) -> datetime | None:
    """When to try again to give a notice that was not taken at `now`: after as long as it is
    due already, at most six hours; None after two weeks. The delivery itself is not touched:
    whoever asks the API sees how it stands."""
    waited = now - notice.since
    if waited >= _TOLD_WITHIN:
        return None
    return now + min(max(waited, _FIRST_PAUSE), _LONGEST_PAUSE)
