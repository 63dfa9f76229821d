"""Verify what a bundle says of a letter's deliveries, offline (P5, ETSI EN 319 522).

Each delivery is judged by itself: the chain of the service's events, the recipient's signed
receipts or rejection, and, where the recipient is hosted here, the line of its receive register
in the public logs. What a bundle says is missing is not believed: what is not there is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain import bundle_verdict
from chalicelib.domain import delivery_verdict as told
from chalicelib.domain.bundle_problems import FORMAT, HASH, MISSING, SIGNATURE, SUSPENDED, Problem
from chalicelib.domain.bundle_verdict import DocumentFacts
from chalicelib.domain.deliveries import DeliveryId, SentLetter
from chalicelib.domain.delivery_chain import ChainFault, ChainReport, check_chain
from chalicelib.domain.delivery_proof import (
    OpenStatement,
    ProvenReceipt,
    StatementsFound,
    UnknownKeysError,
    check_statements,
)
from chalicelib.domain.delivery_verdict import (
    DeliveryFacts,
    DeliveryVerdict,
    SignedBy,
    judge_delivery,
    problem_of_fault,
)
from chalicelib.domain.erds import EventName
from chalicelib.domain.errors import EvidenceSignatureError
from chalicelib.domain.merkle import ProofError
from chalicelib.domain.notes import NoteError, NoteSignatureError
from chalicelib.domain.receive_register import RECEIVED_LETTER, opaque_subject, receive_book
from chalicelib.domain.registers import SENDING, LogName, Register
from chalicelib.domain.statements import jws_digest, jws_kid
from chalicelib.domain.thai import in_bangkok
from chalicelib.domain.tlog import (
    LeafError,
    NumberLeaf,
    Outcome,
    OutcomeLeaf,
    SubjectKind,
    commit,
)
from chalicelib.domain.verdict import Finding
from chalicelib.services.bundle_trust import BundleTrust, as_text, proven_entry

_DISPUTE = frozenset({EventName.INVALID_ACCEPT_ID, EventName.CORRECTED_ACCEPT_ID})


@dataclass(slots=True)
class DeliveriesFound:
    """The verdict on each delivery, all that speaks against any, and what is not there
    (`deliveries/<id>/<part>`, or `deliveries` where the bundle does not have them all)."""

    verdicts: list[DeliveryVerdict] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


EndNow = Callable[[DeliveryId], str | None]
"""How far a delivery is by now: the digest of its last event; None where that is not known."""


def verify_deliveries(
    bundle: Mapping[str, Any],
    facts: DocumentFacts,
    *,
    trust: BundleTrust,
    end_now: EndNow | None = None,
) -> DeliveriesFound:
    """Judge every delivery in the bundle of the document of `facts`. `end_now` is what a
    deployment knows of its own deliveries; offline nobody knows. Raises nothing: any JSON has a
    verdict."""
    found = DeliveriesFound()
    said = bundle.get("deliveries", [])
    if not isinstance(said, list):
        found.problems.append(Problem(FORMAT, told.MALFORMED))
        return found
    if _is_letter(facts) and (not said or bundle.get("cursor") is not None):
        found.missing.append("deliveries")
    seen: set[DeliveryId] = set()
    for one in said:
        try:
            delivery = _read(one, bundle, facts)
        except (KeyError, TypeError, ValueError, OverflowError):
            found.problems.append(Problem(FORMAT, told.MALFORMED))
            continue
        look = _verify(delivery, trust)
        if delivery.id in seen:
            look.wrong(HASH, told.DOUBLED)
        _check_end(look, end_now)
        seen.add(delivery.id)
        found.verdicts.append(look.verdict())
        found.problems += look.problems
        found.missing += [f"deliveries/{delivery.id}/{part}" for part in look.missing]
    return found


def _is_letter(facts: DocumentFacts) -> bool:
    return Register.parse(facts.register_id).book in SENDING


# -- a delivery as the bundle has it ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """What a bundle says of a delivery of `letter`, of which its document part told. `secret`:
    it was numbered in the register of secret letters, so its recipient registers it in one too."""

    id: DeliveryId
    letter: SentLetter
    secret: bool
    recipient: str
    state: str
    events: list[str]
    end: str | None
    statements: list[str]
    entries: list[Any]


def _read(said: Any, bundle: Mapping[str, Any], facts: DocumentFacts) -> _Delivery:
    """Raises KeyError, TypeError, ValueError, OverflowError (a date beyond the calendar)."""
    end = said["evidence_end"]
    return _Delivery(
        id=DeliveryId.parse(as_text(said["delivery_id"])),
        letter=_letter(bundle, facts),
        secret=Register.parse(facts.register_id).is_secret,
        recipient=as_text(said["recipient"]),
        state=as_text(said["state"]),
        events=_texts(said["events"]),
        end=None if end is None else as_text(end),
        statements=_texts(said["statements"]),
        entries=_list(said["receive_entries"]),
    )


def _letter(bundle: Mapping[str, Any], facts: DocumentFacts) -> SentLetter:
    """The letter as its document is proven: what every event and statement must be about."""
    dated = datetime.fromisoformat(as_text(bundle["dated"] or bundle["numbered_at"]))
    return SentLetter(
        document_id=facts.document_id,
        sender=facts.agency_id,
        number=facts.printed_number,
        dated=in_bangkok(dated).date(),
        file_digest=facts.file_sha256 or "",
    )


def _texts(value: Any) -> list[str]:
    return [as_text(one) for one in _list(value)]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


# -- judging one ------------------------------------------------------------------------


@dataclass(slots=True)
class _Look:
    """What was found so far of one delivery."""

    delivery: _Delivery
    facts: DeliveryFacts = field(default_factory=DeliveryFacts)
    problems: list[Problem] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def wrong(self, sub_indication: str, finding: Finding) -> None:
        self.problems.append(Problem(sub_indication, finding))

    def lacks(self, part: str, finding: Finding) -> None:
        self.missing.append(part)
        self.wrong(MISSING, finding)

    def verdict(self) -> DeliveryVerdict:
        return judge_delivery(
            str(self.delivery.id),
            self.delivery.id.recipient,
            self.facts,
            self.problems,
            checked=self.checked,
            missing=self.missing,
        )


def _verify(delivery: _Delivery, trust: BundleTrust) -> _Look:
    look = _Look(delivery)
    if delivery.id.document_id != delivery.letter.document_id:
        look.problems.append(problem_of_fault(ChainFault.OTHER_LETTER))
    if trust.jwks is None:
        look.lacks("jwks", bundle_verdict.NO_JWKS)
        return look
    # 1. What did the service sign, and is that all of it?
    report = _check_events(look, trust, trust.jwks)
    # 2. What did the recipient state, and is it signed by who may?
    found = check_statements(
        report.events,
        delivery.statements,
        delivery_id=delivery.id,
        letter=delivery.letter,
        open_statement=_opener(delivery.id.recipient, trust, trust.jwks),
    )
    _note_statements(found, look)
    look.facts = _facts(report, found)
    # 3. Does the recipient's receive register say the same?
    _check_entries(found.receipts, look, trust)
    return look


def _check_events(look: _Look, trust: BundleTrust, jwks: Mapping[str, Any]) -> ChainReport:
    delivery = look.delivery
    report = check_chain(
        delivery.events,
        verify=lambda jws: trust.check_jws(jws, jwks),
        delivery_id=delivery.id,
        letter=delivery.letter,
        statements=delivery.statements,
    )
    for finding in report.findings:
        look.problems.append(problem_of_fault(finding.fault))
        if finding.fault in _MISSING_PARTS:
            place = "" if finding.seq is None else f"/{finding.seq}"
            look.missing.append(_MISSING_PARTS[finding.fault] + place)
    if (delivery.state, delivery.recipient) != (report.state, delivery.id.recipient):
        look.wrong(HASH, told.DIFFERS)
    if delivery.end is None:
        look.lacks("evidence_end", told.END_MISSING)
    elif not delivery.events or jws_digest(delivery.events[-1]) != delivery.end:
        look.wrong(HASH, told.END_DIFFERS)
    unfinished = problem_of_fault(ChainFault.UNFINISHED)
    if all(problem == unfinished for problem in look.problems):
        look.checked.append("events")
    return report


def _check_end(look: _Look, end_now: EndNow | None) -> None:
    """Only of a delivery that the bundle has evidence of: others learn nothing here."""
    delivery = look.delivery
    if end_now is None or "events" not in look.checked:
        return
    end = end_now(delivery.id)
    if end is not None and end != delivery.end:
        look.wrong(SUSPENDED, told.GOES_ON)


_MISSING_PARTS = {
    ChainFault.MISSING: "events",
    ChainFault.STATEMENT_MISSING: "statements",
    ChainFault.UNFINISHED: "outcome",
}
"""What is not there, by the fault that tells of it; its place in the chain follows."""


def _opener(recipient: str, trust: BundleTrust, jwks: Mapping[str, Any]) -> OpenStatement:
    """Statements of this recipient are signed with its own keys, or for it by the service. Whose
    is never taken from the statement."""

    def opened(jws: str) -> tuple[SignedBy, bytes]:
        try:
            return SignedBy.SERVICE, trust.check_jws(jws, jwks)
        except EvidenceSignatureError:
            keys, keyless = trust.reply_keys(recipient), told.REPLY_KEYS_MISSING
            if keys is None and not _names_one_of(jwks, jws):
                raise UnknownKeysError(keyless.detail, keyless.detail_th) from None
            return SignedBy.RECIPIENT, trust.check_jws(jws, {"keys": list(keys or ())})

    return opened


def _names_one_of(jwks: Mapping[str, Any], jws: str) -> bool:
    kid, keys = jws_kid(jws), jwks.get("keys")
    known = [key.get("kid") for key in keys if isinstance(key, dict)] if keys else []
    return kid is not None and kid in known


def _note_statements(found: StatementsFound, look: _Look) -> None:
    look.problems += found.problems
    if any(problem.finding is told.REPLY_KEYS_MISSING for problem in found.problems):
        look.missing.append("reply_keys")
    if found.right and not found.problems:
        look.checked.append("statements")


def _facts(report: ChainReport, found: StatementsFound) -> DeliveryFacts:
    arrivals = [event.received for event in report.events if event.received]
    disputes = [event.event for event in report.events if event.event in _DISPUTE]
    standing = found.receipts[-1].receipt if found.receipts else None
    return DeliveryFacts(
        state=report.state,
        events=tuple(event.event.value for event in report.events),
        received=arrivals[-1] if arrivals else None,
        receive_number=standing.printed if standing else None,
        signed_by=found.signed_by,
        disputed=disputes[-1:] == [EventName.INVALID_ACCEPT_ID],
    )


# -- the receive register ---------------------------------------------------------------


def _check_entries(receipts: Sequence[ProvenReceipt], look: _Look, trust: BundleTrust) -> None:
    """Each receipt that the service signed stands in a register of this deployment; an agency
    with keys of its own keeps its own register."""
    entries = list(look.delivery.entries)
    for proven in receipts:
        register = _register_of(proven, look.delivery)
        entry = next((one for one in entries if _names(one, register, proven)), None)
        if entry is not None:
            entries.remove(entry)
            _check_entry(entry, proven, look, trust)
        elif proven.signed_by is SignedBy.SERVICE:
            look.lacks("receive_entry", told.RECEIVE_PROOF_MISSING)
    if entries:
        look.wrong(HASH, told.RECEIVE_ENTRY_DIFFERS)


def _register_of(proven: ProvenReceipt, delivery: _Delivery) -> Register:
    receipt = proven.receipt
    return receive_book(receipt.agency, secret=delivery.secret).in_year(receipt.year)


def _names(entry: Any, register: Register, proven: ProvenReceipt) -> bool:
    if not isinstance(entry, dict):
        return False
    place = (entry.get("register_id"), entry.get("number"))
    return place == (register.register_id, proven.receipt.number)


def _check_entry(
    entry: Mapping[str, Any], proven: ProvenReceipt, look: _Look, trust: BundleTrust
) -> None:
    if not trust.log_keys:
        look.lacks("log_key", bundle_verdict.NO_LOG_KEY)
        return
    try:
        number, outcomes = entry["number_log"], _list(entry["outcome_log"])
        expected = _expected(as_text(entry["salt"]), look.delivery, proven)
    except (KeyError, TypeError, ValueError):
        look.wrong(FORMAT, told.MALFORMED)
        return
    if number is None or not outcomes:
        look.lacks("receive_entry", told.RECEIVE_PROOF_MISSING)
    if len(outcomes) > 1:  # a line that is final at once never gets another outcome
        look.wrong(HASH, told.RECEIVE_ENTRY_DIFFERS)
    before = len(look.problems)
    for said, log in [
        *([(number, LogName.NUMBERS)] if number is not None else []),
        *((one, LogName.OUTCOMES) for one in outcomes),
    ]:
        _check_leaf(said, log, expected, look, trust)
    if len(look.problems) == before and number is not None and outcomes:
        look.checked.append("receive_entry")


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the logs must tell of the line of a receive register."""

    register: Register
    number: int
    subject: str
    commitment: str
    receipt: str


def _expected(salt: str, delivery: _Delivery, proven: ProvenReceipt) -> _Expected:
    """Raises ValueError for a salt or digest that is none."""
    return _Expected(
        register=_register_of(proven, delivery),
        number=proven.receipt.number,
        subject=opaque_subject(delivery.id, salt),
        commitment=commit(bytes.fromhex(salt), delivery.letter.file_digest),
        receipt=proven.digest,
    )


def _check_leaf(
    said: Any, log: LogName, expected: _Expected, look: _Look, trust: BundleTrust
) -> None:
    try:
        index, raw = proven_entry(said, expected.register, log, trust=trust)
        fits = _tells(index, raw, log, expected)
    except ProofError:
        look.wrong(HASH, told.RECEIVE_PROOF_WRONG)
    except (NoteError, NoteSignatureError):
        look.wrong(SIGNATURE, bundle_verdict.CHECKPOINT_WRONG)
    except LeafError:
        look.wrong(FORMAT, told.RECEIVE_ENTRY_DIFFERS)
    except (KeyError, TypeError, ValueError):
        look.wrong(FORMAT, told.MALFORMED)
    else:
        if not fits:
            look.wrong(HASH, told.RECEIVE_ENTRY_DIFFERS)


def _tells(index: int, raw: bytes, log: LogName, expected: _Expected) -> bool:
    """Raises LeafError."""
    place = (expected.register.register_id, expected.number)
    if log is LogName.NUMBERS:
        number = NumberLeaf.from_bytes(raw)
        given = (number.subject_kind, number.subject_id, number.commitment, number.document_type)
        return (
            (number.register_id, number.number) == place
            and index == expected.number - 1
            and given
            == (SubjectKind.DELIVERY, expected.subject, expected.commitment, RECEIVED_LETTER)
        )
    outcome = OutcomeLeaf.from_bytes(raw)
    ended = (outcome.outcome, outcome.subject_id, outcome.file_digest)
    return (
        (outcome.register_id, outcome.number) == place
        and (outcome.child, outcome.seq) == (0, index)
        and ended == (Outcome.ISSUED, expected.subject, expected.receipt)
    )
