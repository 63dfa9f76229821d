"""Letters on their way, for tests: deliveries, what may happen to them, and real signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from chalicelib.adapters.jws import check_jws
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import (
    Delivery,
    Impossible,
    Moved,
    RetryBudget,
    SentLetter,
    happen,
    plan,
)
from chalicelib.domain.delivery_events import (
    Consigned,
    Counted,
    DeliveryEvent,
    GaveUp,
    HandedOver,
    NotConsigned,
    NotHandedOver,
    NumberCorrected,
    NumberDisputed,
    Recalled,
    ReceiptNote,
    Received,
    Rejected,
    Relayed,
    RelayRefused,
    Reminded,
    TryFailed,
)
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.documents import Reason

ISSUER = "https://tra.test"
SENT_AT = datetime(2020, 6, 5, 6, 30, tzinfo=UTC)  # 13.30 in Bangkok
GIVE_UP_AT = SENT_AT + timedelta(days=3)
BUDGET = RetryBudget(GIVE_UP_AT, most_tries=3)
BUSY = Reason("channel_busy", "The channel did not answer.", "ช่องทางไม่ตอบสนอง")

LETTER = SentLetter(
    document_id="01HLETTER",
    sender="slc",
    number="นร ๐๕๐๕/๑๗๑๒๑",
    dated=date(2020, 6, 4),
    file_digest="f1" * 32,
)


def later(minutes: float) -> datetime:
    return SENT_AT + timedelta(minutes=minutes)


def begun(channel: ChannelKind = ChannelKind.QUEUE, **changes: Any) -> Moved:
    """A delivery of the letter to `dga`, as planned."""
    letter = replace(LETTER, **changes) if changes else LETTER
    return plan(letter, "dga", channel, at=SENT_AT, budget=BUDGET)


def received(minutes: float = 20) -> Received:
    return Received(later(minutes), later(minutes))


def note(number: int = 1577, minutes: float = 20) -> ReceiptNote:
    return ReceiptNote(2020, number, f"ร/ 2563/ {number}", received(minutes), f"{number:064x}")


def after(delivery: Delivery, *events: DeliveryEvent) -> Delivery:
    """The delivery after what must be possible."""
    for event in events:
        result = happen(delivery, event)
        assert not isinstance(result, Impossible), (event, result.why)
        delivery = result.delivery
    return delivery


# -- anything that may happen ------------------------------------------------------------

_NUMBERS = st.integers(1, 3)
_TIMES = st.integers(0, 5 * 24 * 60).map(later)
_REASONS = st.sampled_from([BUSY, replace(BUSY, code="misdirected")])


@st.composite
def _received(draw: st.DrawFn) -> Received:
    entered = draw(_TIMES)
    closed_for = draw(st.sampled_from([None, 0, 900]))
    counted = None if closed_for is None else entered + timedelta(minutes=closed_for)
    return Received(entered, counted)


_NOTES = st.builds(
    lambda number, came: ReceiptNote(2020, number, f"ร/ 2563/ {number}", came, f"{number:064x}"),
    _NUMBERS,
    _received(),
)

EVENTS: st.SearchStrategy[DeliveryEvent] = st.one_of(
    st.builds(Relayed, at=_TIMES),
    st.builds(TryFailed, at=_TIMES, no=st.integers(1, 4), reason=_REASONS),
    st.builds(RelayRefused, at=_TIMES, reason=_REASONS),
    st.builds(Consigned, at=_TIMES, received=_received()),
    st.builds(Counted, at=_TIMES, counted_at=_TIMES),
    st.builds(NotConsigned, at=_TIMES, reason=_REASONS),
    st.builds(GaveUp, at=_TIMES, reason=_REASONS),
    st.builds(Reminded, at=_TIMES, no=_NUMBERS, escalates=st.booleans()),
    st.builds(HandedOver, at=_TIMES, receipt=_NOTES),
    st.builds(
        Rejected,
        at=_TIMES,
        reason=_REASONS,
        received=_received(),
        digest=st.just("d0" * 32),
        suggested_agency=st.none() | st.just("opm"),
    ),
    st.builds(NotHandedOver, at=_TIMES, reason=_REASONS, received=_received()),
    st.builds(Recalled, at=_TIMES),
    st.builds(NumberDisputed, at=_TIMES, place=_NUMBERS.map(lambda n: f"2020/{n}")),
    st.builds(NumberCorrected, at=_TIMES, receipt=_NOTES),
)


# -- signatures --------------------------------------------------------------------------


class Signer:
    """A P-256 key that signs compact JWS, and the check with its public half."""

    def __init__(self, kid: str = "tra-1") -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        self.jwks = {"keys": [{**public, "kid": kid}]}
        self._kid = kid

    def sign(self, payload: bytes) -> str:
        return jwt.PyJWS().encode(
            payload, self._private, algorithm="ES256", headers={"kid": self._kid}
        )

    def verify(self, jws: str) -> bytes:
        """Raises EvidenceSignatureError."""
        return check_jws(jws, self.jwks)


def evidenced(
    moved: Moved, events: Iterable[DeliveryEvent], sign: Callable[[bytes], str]
) -> tuple[Delivery, list[str]]:
    """The delivery after `events`, whatever each does, and its evidence."""
    delivery, jwss = give_evidence(moved, issuer=ISSUER, sign=sign)
    chain = list(jwss)
    for event in events:
        result = happen(delivery, event)
        if isinstance(result, Moved):
            delivery, jwss = give_evidence(result, issuer=ISSUER, sign=sign)
            chain += jwss
    return delivery, chain
