"""The access log: who saw or did what with a classified document (C5, P6).

An access is first a *record* by itself; later it gets its place in the log of its agency and year,
and is then a *leaf* (docs/adr/0042). Leaves are private, the checkpoints over them public: nobody
can take an access out of the log or change it, and one access can be shown without the others.

Records hold ids and stable words only: no name, no subject, nothing of a document's content.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import MAXYEAR, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from chalicelib.domain.access import Action, Actor, Decision, Relation, Verdict
from chalicelib.domain.clearance import RANK
from chalicelib.domain.documents import Classification
from chalicelib.domain.merkle import Frontier, TreeHead, leaf_hash, verify_inclusion
from chalicelib.domain.officers import Period
from chalicelib.domain.persons import Officer
from chalicelib.domain.thai import in_bangkok
from chalicelib.domain.tlog import (
    DIGEST,
    IDENTIFIER,
    WORD,
    Leaf,
    LeafError,
    bad_leaf,
    demand_count,
    demand_instant,
    demand_match,
    member_of,
    read_instant,
)

BOOK = "access"
"""What stands in a log's name in the place of a book: `<agency>/access/<year>`."""

_SUBJECT = re.compile(r"[!-~]{1,255}")
"""What an issuer may call somebody (OpenID Connect Core 1.0, section 2)."""

_CLASSIFIED = frozenset(RANK[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from: the address as the gateway saw it, and the gateway's id of it."""

    address: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """One access that was allowed.

    `access_id` is given by whoever asks for the record; the same one again is the same access.
    `salt` (32 random bytes, hex) keeps the hash of a leaf from being guessed. `agency_id` and
    `subject` are who: the log is that agency's. `owner` is whose document it is. `reason` and
    `relation` are why, as `access.decide` said; `appointment_id` by which appointment, None if
    the token alone said it.

    Raises LeafError for what does not belong into a log.
    """

    access_id: str
    salt: str
    agency_id: str
    subject: str
    appointment_id: str | None
    clearance: Classification
    action: Action
    document_id: str
    owner: str
    classification: Classification
    at: datetime
    address: str
    request_id: str
    relation: Relation
    reason: str

    def __post_init__(self) -> None:
        demand_match(
            IDENTIFIER,
            access_id=self.access_id,
            document_id=self.document_id,
            request_id=self.request_id,
        )
        demand_match(WORD, agency_id=self.agency_id, owner=self.owner, reason=self.reason)
        demand_match(DIGEST, salt=self.salt)
        demand_match(_SUBJECT, subject=self.subject)
        if self.appointment_id is not None:
            demand_match(IDENTIFIER, appointment_id=self.appointment_id)
        if self.classification not in _CLASSIFIED:
            raise bad_leaf("classification")
        demand_instant(at=self.at)
        if self.at.year >= MAXYEAR:  # it would have no year in Bangkok
            raise bad_leaf("at")
        _demand_address(self.address)

    @property
    def officer(self) -> Officer:
        return Officer(self.agency_id, self.subject)

    @property
    def log_id(self) -> str:
        """The log this belongs to: of the officer's agency, by the calendar of Bangkok."""
        return f"{self.agency_id}/{BOOK}/{in_bangkok(self.at).year}"


def record_access(
    *,
    access_id: str,
    salt: bytes,
    actor: Actor,
    action: Action,
    decision: Decision,
    document_id: str,
    owner: str,
    classification: Classification,
    origin: Origin,
    at: datetime,
    appointment_id: str | None = None,
) -> AccessRecord:
    """The record of an access, to be written before the answer leaves.

    Raises ValueError unless the decision allowed it and was about a thing: what was refused is no
    access. Raises LeafError as AccessRecord does, for one of a document that is not classified too.
    """
    if decision.verdict is not Verdict.ALLOW or decision.relation is None:
        raise ValueError("only what was allowed is an access")
    return AccessRecord(
        access_id=access_id,
        salt=salt.hex(),
        agency_id=actor.agency_id,
        subject=actor.subject,
        appointment_id=appointment_id,
        clearance=actor.clearance,
        action=action,
        document_id=document_id,
        owner=owner,
        classification=classification,
        at=at,
        address=origin.address,
        request_id=origin.request_id,
        relation=decision.relation,
        reason=decision.reason,
    )


# -- the log -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLeaf(Leaf, AccessRecord):
    """A record in its place: `seq` is the leaf's own index in its log."""

    seq: int

    def __post_init__(self) -> None:
        AccessRecord.__post_init__(self)
        demand_count(0, seq=self.seq)

    @classmethod
    def _typed(cls, name: str, value: Any) -> Any:
        if name in _WORDS:
            return member_of(_WORDS[name], name, value)
        return read_instant(name, value) if name == "at" else value


_WORDS: dict[str, type[StrEnum]] = {
    "clearance": Classification,
    "action": Action,
    "classification": Classification,
    "relation": Relation,
}


def place(records: Iterable[AccessRecord], log_id: str, start: int) -> tuple[AccessLeaf, ...]:
    """The records that wait, each once, in the places from `start` on: by time, then by id.

    What got its place keeps it; whoever runs this writes the places under a condition before
    anything is hashed (docs/adr/0010). Raises ValueError for a record of another log.
    """
    waiting = {record.access_id: record for record in records}
    if any(record.log_id != log_id for record in waiting.values()):
        raise ValueError("a record of another log")
    ordered = sorted(waiting.values(), key=_by_time)
    return tuple(_placed(record, seq) for seq, record in enumerate(ordered, start))


def verify_access(
    entry: bytes, proof: Sequence[bytes], head: TreeHead, *, log_id: str
) -> AccessLeaf:
    """The access that a log's entry tells, if it is in the log `log_id` as `head` has it.

    Raises LeafError if it is no access or one of another log, ProofError if it is not there.
    """
    leaf = AccessLeaf.from_bytes(entry)
    if leaf.log_id != log_id:
        raise bad_leaf("log_id")
    verify_inclusion(leaf_hash(entry), leaf.seq, proof, head)
    return leaf


class AccessLogFault(StrEnum):
    """What can be wrong with a whole log; the values are stable."""

    MALFORMED = "access_malformed"
    OTHER_LOG = "access_of_other_log"
    OUT_OF_PLACE = "access_out_of_place"
    DOUBLED = "access_doubled"
    MISSING = "access_missing"
    OTHER_HISTORY = "access_history_differs"


@dataclass(frozen=True, slots=True)
class AccessLogFinding:
    """One thing that is wrong, and at which index; None: with the log as a whole."""

    fault: AccessLogFault
    index: int | None = None


def check_access_log(
    entries: Iterable[bytes], head: TreeHead, *, log_id: str
) -> Iterator[AccessLogFinding]:
    """Derive a log anew from its entries and hold it against the head of its checkpoint.

    Streams; remembers the ids of accesses only. Raises nothing: what is wrong is named. Entries
    beyond the head are read, and checked for all but being in the tree.
    """
    tree, seen, size = Frontier(), set[str](), 0
    for index, entry in enumerate(entries):
        size = index + 1
        if index < head.size:
            tree = tree.extended([leaf_hash(entry)])
        fault = _fault_of(entry, index, log_id, seen)
        if fault is not None:
            yield AccessLogFinding(fault, index)
    if size < head.size:
        yield AccessLogFinding(AccessLogFault.MISSING, size)
    elif tree.head != head:
        yield AccessLogFinding(AccessLogFault.OTHER_HISTORY)


def _fault_of(entry: bytes, index: int, log_id: str, seen: set[str]) -> AccessLogFault | None:
    try:
        leaf = AccessLeaf.from_bytes(entry)
    except LeafError:
        return AccessLogFault.MALFORMED
    doubled = leaf.access_id in seen
    seen.add(leaf.access_id)
    faults = (
        (leaf.log_id != log_id, AccessLogFault.OTHER_LOG),
        (leaf.seq != index, AccessLogFault.OUT_OF_PLACE),
        (doubled, AccessLogFault.DOUBLED),
    )
    return next((fault for wrong, fault in faults if wrong), None)


def _placed(record: AccessRecord, seq: int) -> AccessLeaf:
    members = {field.name: getattr(record, field.name) for field in fields(AccessRecord)}
    return AccessLeaf(**members, seq=seq)


# -- reports -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccessReport:
    """Accesses in order of time, each once: who, day, month, year, time (C5)."""

    accesses: tuple[AccessRecord, ...]

    @property
    def times_by_officer(self) -> Counter[Officer]:
        """How often each came, in order of who came first."""
        return Counter(one.officer for one in self.accesses)

    @property
    def times_by_document(self) -> Counter[str]:
        """How often each document was seen, in order of which was first."""
        return Counter(one.document_id for one in self.accesses)


def accesses_to(
    records: Iterable[AccessRecord], document_id: str, within: Period | None = None
) -> AccessReport:
    """Who had to do with a document, in any log: of its own agency and of those who got it.

    Records that have no place yet count as well: an access is one from its record on.
    """
    return _report((one for one in records if one.document_id == document_id), within)


def accesses_by(
    records: Iterable[AccessRecord], officer: Officer, within: Period | None = None
) -> AccessReport:
    """What one officer had to do with, in one agency."""
    return _report((one for one in records if one.officer == officer), within)


def _report(records: Iterable[AccessRecord], within: Period | None) -> AccessReport:
    once = {one.access_id: one for one in records if within is None or within.holds(one.at)}
    return AccessReport(tuple(sorted(once.values(), key=_by_time)))


def _by_time(record: AccessRecord) -> tuple[datetime, str]:
    return record.at, record.access_id


def _demand_address(address: str) -> None:
    """One spelling of an address, and no zone beside it, which could be any text."""
    try:
        canonical = str(ip_address(address))
    except ValueError as error:
        raise bad_leaf("address") from error
    if canonical != address or "%" in address:
        raise bad_leaf("address")
