"""Checking what a delivery's outcome rests on: its receipts or rejection, each signed by who
may, each about this delivery, each told of by the event that names it.

`delivery_chain.check_chain` looks at the service's own events; this looks at the statements
beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from chalicelib.domain.bundle_problems import FORMAT, HASH, MISSING, SIGNATURE, Problem
from chalicelib.domain.deliveries import DeliveryId, SentLetter
from chalicelib.domain.delivery_chain import ChainFault
from chalicelib.domain.delivery_evidence import Evidence
from chalicelib.domain.delivery_verdict import (
    REPLY_KEYS_MISSING,
    STATEMENT_DIFFERS,
    STATEMENT_MALFORMED,
    STATEMENT_SIGNATURE_WRONG,
    STATEMENT_STRAY,
    STATEMENT_TIMES,
    SignedBy,
    problem_of_fault,
)
from chalicelib.domain.erds import EventName
from chalicelib.domain.errors import EvidenceSignatureError, TraError
from chalicelib.domain.receipt_judgement import Refusal, why_not_about
from chalicelib.domain.receipts import Receipt, Rejection
from chalicelib.domain.statements import StatementError, jws_digest


class UnknownKeysError(TraError):
    """Nobody said which keys the recipient signs with, so its signature says nothing."""

    code = "reply_keys_missing"


OpenStatement = Callable[[str], tuple[SignedBy, bytes]]
"""Whose key signed a statement for this recipient, and its payload. Raises
EvidenceSignatureError, or UnknownKeysError where that cannot be told."""

_WITH_RECEIPT = frozenset({EventName.CONTENT_HANDOVER, EventName.CORRECTED_ACCEPT_ID})
_RESTING = _WITH_RECEIPT | {EventName.CONSIGNMENT_REJECTION}


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """A receipt that is what it must be. `digest`: hex SHA-256 of its JWS."""

    receipt: Receipt
    digest: str
    signed_by: SignedBy


@dataclass(slots=True)
class StatementsFound:
    """What the statements come to. `receipts`: those that are right, in the order they stood.
    `signed_by`: whose key the last right statement has. `right`: how many are."""

    receipts: list[ProvenReceipt] = field(default_factory=list)
    signed_by: SignedBy | None = None
    right: int = 0
    problems: list[Problem] = field(default_factory=list)


def check_statements(
    events: Sequence[Evidence],
    statements: Sequence[str],
    *,
    delivery_id: DeliveryId,
    letter: SentLetter,
    open_statement: OpenStatement,
) -> StatementsFound:
    """What the receipts and rejections beside a chain prove. `events` are those of the chain
    that were believed, in order. What an event names and is not here was named by
    `check_chain`. Raises nothing."""
    found = StatementsFound()
    there = {jws_digest(jws): jws for jws in statements}
    resting = [event for event in events if event.event in _RESTING]
    for event in resting:
        if event.statement is None:
            found.problems.append(problem_of_fault(ChainFault.STATEMENT_MISSING))
        elif event.statement in there:
            jws = there[event.statement]
            said = _opened(event, jws, found, open_statement)
            if said is not None:
                since = events[0].at
                about = partial(why_not_about, delivery_id=delivery_id, letter=letter, since=since)
                _believe(event, said, about(said.said, until=event.at), found)
    _check_strays(statements, resting, found)
    return found


def _check_strays(
    statements: Sequence[str], resting: Iterable[Evidence], found: StatementsFound
) -> None:
    """Each statement that is kept settled something, and stands here once."""
    named = {event.statement for event in resting}
    digests = [jws_digest(jws) for jws in statements]
    if len(set(digests)) < len(digests) or not named.issuperset(digests):
        found.problems.append(Problem(HASH, STATEMENT_STRAY))


@dataclass(frozen=True, slots=True)
class _Opened:
    """A statement that somebody who may has signed."""

    said: Receipt | Rejection
    digest: str
    signed_by: SignedBy


def _opened(
    event: Evidence, jws: str, found: StatementsFound, open_statement: OpenStatement
) -> _Opened | None:
    try:
        signed_by, payload = open_statement(jws)
        return _Opened(_read(event, payload), jws_digest(jws), signed_by)
    except UnknownKeysError:
        problem = Problem(MISSING, REPLY_KEYS_MISSING)
    except EvidenceSignatureError:
        problem = Problem(SIGNATURE, STATEMENT_SIGNATURE_WRONG)
    except StatementError:
        problem = Problem(FORMAT, STATEMENT_MALFORMED)
    found.problems.append(problem)
    return None


def _believe(
    event: Evidence, opened: _Opened, refusal: Refusal | None, found: StatementsFound
) -> None:
    """Note what is about this delivery, and is what the event says of it."""
    said = opened.said
    if refusal is Refusal.TIME_IMPOSSIBLE:
        found.problems.append(Problem(HASH, STATEMENT_TIMES))
    elif refusal is not None or not _told_by(event, said, found.receipts):
        found.problems.append(Problem(HASH, STATEMENT_DIFFERS))
    else:
        found.right += 1
        found.signed_by = opened.signed_by
        if isinstance(said, Receipt):
            found.receipts.append(ProvenReceipt(said, opened.digest, opened.signed_by))


def _read(event: Evidence, payload: bytes) -> Receipt | Rejection:
    """Raises StatementError, also for a receipt where the event tells of a rejection."""
    if event.event in _WITH_RECEIPT:
        return Receipt.read(payload)
    return Rejection.read(payload)


def _told_by(event: Evidence, said: Receipt | Rejection, before: Sequence[ProvenReceipt]) -> bool:
    """Whether the event says of the statement what it says itself."""
    if isinstance(said, Rejection):
        return (event.reason, event.suggested_agency) == (said.code.value, said.suggested_agency)
    if event.receive_number != (said.year, said.number, said.printed):
        return False
    if event.event is EventName.CONTENT_HANDOVER:
        return said.corrects is None
    # A correction names the receipt that stood, and never changes the time received (A20).
    standing = before[-1] if before else None
    return standing is not None and (said.corrects, said.received) == (
        standing.digest,
        standing.receipt.received,
    )
