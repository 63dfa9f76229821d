"""Names of what can happen to a delivery, and in what order (ETSI EN 319 522-1 clause 6,
identifiers of EN 319 522-3 table 2).

Of the standard's events Tra tells those that happen here. Not told: acceptance before
consignment (NotificationForAcceptance and its failure, ConsignmentAcceptance,
AcceptanceRejectionExpiry), because a letter counts as received when it enters the
recipient's system, whether somebody agrees or not (A20, E2); tracking of access and of
notifications, which nobody here observes; relaying to and from services that give no
evidence (RelayToNonERDS and its failure, ReceivedFromNonERDS), which comes with e-mail.

Three names are Tra's own, because the standard has none: Recall, and the correction of a
receive-register number as e-CMS 2.0 knows it (InvalidAcceptID, and the answer to it).
"""

from __future__ import annotations

from enum import StrEnum

_ETSI = "http://uri.etsi.org/19522/Event/"
_OWN = "urn:tra:delivery-event:"


class DeliveryState(StrEnum):
    """planned → relayed → consigned → handed_over, or an end on the way (P5).

    planned: sealed, archived, addressed; no channel has taken it. relayed: a channel took it
    that cannot say yet whether it arrived. consigned: it lies in the recipient's system, and
    the time of that counts (A20, E2). handed_over: it stands in the recipient's receive
    register, and a receipt says so (A1).
    """

    PLANNED = "planned"
    RELAYED = "relayed"
    CONSIGNED = "consigned"
    HANDED_OVER = "handed_over"
    REJECTED = "rejected"
    FAILED = "failed"
    RECALLED = "recalled"

    @property
    def ended(self) -> bool:
        """This is the one outcome; no other state follows."""
        return self in _OUTCOMES


_OUTCOMES = frozenset(
    {
        DeliveryState.HANDED_OVER,
        DeliveryState.REJECTED,
        DeliveryState.FAILED,
        DeliveryState.RECALLED,
    }
)


class EventName(StrEnum):
    """Events that evidence is given of."""

    SUBMISSION_ACCEPTANCE = "SubmissionAcceptance"
    SUBMISSION_REJECTION = "SubmissionRejection"
    RELAY_ACCEPTANCE = "RelayAcceptance"
    RELAY_REJECTION = "RelayRejection"
    RELAY_FAILURE = "RelayFailure"
    CONTENT_CONSIGNMENT = "ContentConsignment"
    CONTENT_CONSIGNMENT_FAILURE = "ContentConsignmentFailure"
    CONSIGNMENT_NOTIFICATION = "ConsignmentNotification"
    CONSIGNMENT_REJECTION = "ConsignmentRejection"
    CONTENT_HANDOVER = "ContentHandover"
    CONTENT_HANDOVER_FAILURE = "ContentHandoverFailure"
    RECALL = "Recall"
    INVALID_ACCEPT_ID = "InvalidAcceptID"
    CORRECTED_ACCEPT_ID = "CorrectedAcceptID"

    @property
    def uri(self) -> str:
        """The standard's identifier of the event, or Tra's where it has none."""
        return f"{_OWN if self in _TRAS_OWN else _ETSI}{self}"


_TRAS_OWN = frozenset(
    {EventName.RECALL, EventName.INVALID_ACCEPT_ID, EventName.CORRECTED_ACCEPT_ID}
)

_PLANNED = frozenset({DeliveryState.PLANNED})
_ON_THE_WAY = frozenset({DeliveryState.PLANNED, DeliveryState.RELAYED})
_ARRIVED = frozenset({DeliveryState.CONSIGNED})
_HANDED_OVER = frozenset({DeliveryState.HANDED_OVER})

_ORDER: dict[EventName, tuple[frozenset[DeliveryState], DeliveryState]] = {
    EventName.RELAY_ACCEPTANCE: (_PLANNED, DeliveryState.RELAYED),
    EventName.RELAY_REJECTION: (_PLANNED, DeliveryState.FAILED),
    EventName.RELAY_FAILURE: (_PLANNED, DeliveryState.FAILED),
    EventName.CONTENT_CONSIGNMENT: (_ON_THE_WAY, DeliveryState.CONSIGNED),
    EventName.CONTENT_CONSIGNMENT_FAILURE: (_ON_THE_WAY, DeliveryState.FAILED),
    EventName.CONSIGNMENT_NOTIFICATION: (_ARRIVED, DeliveryState.CONSIGNED),
    EventName.CONSIGNMENT_REJECTION: (_ARRIVED, DeliveryState.REJECTED),
    EventName.CONTENT_HANDOVER: (_ARRIVED, DeliveryState.HANDED_OVER),
    EventName.CONTENT_HANDOVER_FAILURE: (_ARRIVED, DeliveryState.FAILED),
    EventName.RECALL: (_ON_THE_WAY | _ARRIVED, DeliveryState.RECALLED),
    EventName.INVALID_ACCEPT_ID: (_HANDED_OVER, DeliveryState.HANDED_OVER),
    EventName.CORRECTED_ACCEPT_ID: (_HANDED_OVER, DeliveryState.HANDED_OVER),
}

_FIRST = {
    EventName.SUBMISSION_ACCEPTANCE: DeliveryState.PLANNED,
    EventName.SUBMISSION_REJECTION: DeliveryState.FAILED,
}


def leads_to(event: EventName) -> DeliveryState:
    """Where a delivery is after `event`."""
    return _FIRST[event] if event in _FIRST else _ORDER[event][1]


def follow(state: DeliveryState | None, event: EventName) -> DeliveryState | None:
    """Where `event` leads a delivery in `state` (None: one not begun), or None if it cannot
    happen there. Two outcomes in one chain are impossible by this table alone."""
    if state is None:
        return _FIRST.get(event)
    before, after = _ORDER.get(event, (frozenset(), None))
    return after if state in before else None
