"""The access log: who saw or did what, when, from where and why it was allowed (C5, P6).

An access is first a *record* by itself; later it gets its place in the log of its agency and year,
and is then a *leaf* (docs/adr/0049). Leaves are private, the checkpoints over them public: nobody
can take an access out of the log or change it.

Records hold ids and stable words only: no name, no subject of a letter, nothing of a content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import MAXYEAR, UTC, datetime
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from chalicelib.domain.access import Action, Actor, Decision, Relation, Resource, Verdict
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.clearance import RANK
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import ACCESS_BOOK, Register
from chalicelib.domain.thai import in_bangkok
from chalicelib.domain.things import Thing, ThingKind
from chalicelib.domain.tlog import (
    DIGEST,
    IDENTIFIER,
    WORD,
    Leaf,
    bad_leaf,
    demand_count,
    demand_instant,
    demand_match,
    member_of,
    read_instant,
)

_SUBJECT = re.compile(r"[!-~]{1,255}")
"""What an issuer may call somebody (OpenID Connect Core 1.0, section 2)."""

_REQUEST = re.compile(r"[!-~]{1,128}")

_KIND_OF: dict[Action, ThingKind] = {
    Action.READ_FILE: ThingKind.DOCUMENT,
    Action.REVOKE_DOCUMENT: ThingKind.DOCUMENT,
    Action.APPROVE_DOCUMENT: ThingKind.DOCUMENT,
    Action.WITHDRAW_DOCUMENT: ThingKind.DOCUMENT,
    Action.OPEN_SECRET: ThingKind.DOCUMENT,
    Action.APPOINT_OFFICER: ThingKind.APPOINTMENT,
    Action.RESET_FACTOR: ThingKind.FACTOR,
    Action.READ_ACCESS_LOG: ThingKind.DOCUMENT_ACCESSES,
    # A proxy is a document: who issued it hears of its uses in the report on it.
    Action.USE_PROXY: ThingKind.DOCUMENT,
}
"""The actions that are recorded whatever the thing's classification, and what they are about
unless the resource says it. Any other action is recorded of classified things alone."""

LOGGED = frozenset(_KIND_OF)


def is_logged(action: Action, resource: Resource) -> bool:
    """Whether an access to this thing has to be recorded before the answer leaves (C5, P6).

    What is only asked to be made is no thing yet: it says itself who made it.
    """
    if not resource.exists:
        return False
    return action in LOGGED or resource.is_classified


def thing_of(action: Action, resource: Resource) -> Thing:
    """What the record of an access names. Raises ValueError if the resource has no name."""
    if resource.thing_id is None:
        raise ValueError(f"{action} is recorded, so its resource needs a thing_id")
    kind = resource.kind or _KIND_OF.get(action, ThingKind.DOCUMENT)
    return Thing(kind, resource.thing_id, resource.agency_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from: the address as the gateway saw it, and an id of the request that
    the gateway gave and nobody else can."""

    address: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord(Leaf):
    """One access that was allowed.

    `access_id` is made of the request (`access_id_of`); the same one again is the same access.
    `salt` (32 random bytes, hex) keeps the hash of a leaf from being guessed. `agency_id` and
    `subject` are who: the log is that agency's. `kind` and `thing_id` are what, `owner` whose it
    is. `reason` and `relation` are why, as `access.decide` said; `appointment_id` by which
    appointment, None of an application.

    Raises LeafError for what does not belong into a log.
    """

    access_id: str
    salt: str
    agency_id: str
    subject: str
    appointment_id: str | None
    clearance: Classification
    action: Action
    kind: ThingKind
    thing_id: str
    owner: str
    classification: Classification
    at: datetime
    address: str
    request_id: str
    relation: Relation
    reason: str

    def __post_init__(self) -> None:
        demand_match(IDENTIFIER, access_id=self.access_id)
        demand_match(_REQUEST, request_id=self.request_id)
        demand_match(WORD, agency_id=self.agency_id, owner=self.owner, reason=self.reason)
        demand_match(DIGEST, salt=self.salt)
        demand_match(_SUBJECT, subject=self.subject, thing_id=self.thing_id)
        if self.appointment_id is not None:
            demand_match(IDENTIFIER, appointment_id=self.appointment_id)
        if self.classification not in RANK:
            raise bad_leaf("classification")
        demand_instant(at=self.at)
        if self.at.year >= MAXYEAR:  # it would have no year in Bangkok
            raise bad_leaf("at")
        _demand_address(self.address)

    @property
    def officer(self) -> Officer:
        return Officer(self.agency_id, self.subject)

    @property
    def thing(self) -> Thing:
        return Thing(self.kind, self.thing_id, self.owner)

    @property
    def log(self) -> Register:
        """The log this belongs to: of the officer's agency, by the calendar of Bangkok."""
        return Register(self.agency_id, ACCESS_BOOK, in_bangkok(self.at).year)

    @property
    def log_id(self) -> str:
        return self.log.register_id

    @property
    def moment(self) -> str:
        """Sorts by time, and is no other record's."""
        return f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{self.access_id}"

    @classmethod
    def _typed(cls, name: str, value: Any) -> Any:
        if name in _WORDS:
            return member_of(_WORDS[name], name, value)
        return read_instant(name, value) if name == "at" else value


def access_id_of(origin: Origin, officer: Officer, action: Action, thing: Thing) -> str:
    """The same for the same request, so that whoever asks twice for its record gets one."""
    parts = (origin.request_id, officer.agency_id, officer.subject, action.value, thing.key)
    return sha256(canonical_json(list(parts))).hexdigest()[:40]


def record_access(
    *,
    salt: str,
    actor: Actor,
    action: Action,
    decision: Decision,
    resource: Resource,
    origin: Origin,
    at: datetime,
) -> AccessRecord:
    """The record of an access, to be written before the answer leaves.

    Raises ValueError unless the decision allowed it and was about a thing that has a name: what
    was refused is no access. Raises LeafError as AccessRecord does.
    """
    if decision.verdict is not Verdict.ALLOW or decision.relation is None:
        raise ValueError("only what was allowed is an access")
    thing = thing_of(action, resource)
    return AccessRecord(
        access_id=access_id_of(origin, actor.officer, action, thing),
        salt=salt,
        agency_id=actor.agency_id,
        subject=actor.subject,
        appointment_id=actor.appointment_id,
        clearance=actor.clearance,
        action=action,
        kind=thing.kind,
        thing_id=thing.thing_id,
        owner=thing.owner,
        classification=resource.classification,
        at=at,
        address=origin.address,
        request_id=origin.request_id,
        relation=decision.relation,
        reason=decision.reason,
    )


# -- the log -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLeaf(AccessRecord):
    """A record in its place: `seq` is the leaf's own index in its log."""

    seq: int

    def __post_init__(self) -> None:
        AccessRecord.__post_init__(self)
        demand_count(0, seq=self.seq)

    @property
    def record(self) -> AccessRecord:
        """What it was before it had a place."""
        members = {field.name: getattr(self, field.name) for field in fields(AccessRecord)}
        return AccessRecord(**members)


_WORDS: dict[str, type[StrEnum]] = {
    "clearance": Classification,
    "action": Action,
    "kind": ThingKind,
    "classification": Classification,
    "relation": Relation,
}


def is_named_to(agency_id: str, record: AccessRecord) -> bool:
    """Whether an agency's auditors are told who it was. The own officers always are. Of another
    agency's they are named to the owner of a classified document, who must know who read it (C5);
    of a normal one that agency knows, and it is enough that it was that agency (PDPA)."""
    return record.agency_id == agency_id or record.classification is not Classification.NORMAL


MOST_PLACED = 49
"""As many records get their places in one transaction: two writes for each, and two more."""


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


LEAST_RETENTION_YEARS = 10
"""Whole calendar years for which archived leaves stay locked, at least: a deployment may keep them
for longer, as it must where it keeps what they are about for longer (docs/adr/0049)."""

# -- what is archived ---------------------------------------------------------------

_SLICE = re.compile(r"access/(?P<log>[a-z0-9-]+/[0-9]{4})/(?P<start>[0-9]{12})-(?P<end>[0-9]{12})")


@dataclass(frozen=True, slots=True, order=True)
class LogSlice:
    """Leaves `start` to before `end` of a log, as they are archived: one a line."""

    start: int
    end: int

    def key(self, log: Register) -> str:
        """Where it lies in the archive."""
        return f"{archive_prefix(log)}{self.start:012d}-{self.end:012d}"

    @classmethod
    def of_key(cls, key: str) -> LogSlice | None:
        """What lies at a key; None if it is none of ours."""
        match = _SLICE.fullmatch(key)
        found = cls(int(match["start"]), int(match["end"])) if match else None
        return found if found and found.start < found.end else None


def archive_prefix(log: Register) -> str:
    """Below it lie the archived leaves of a log, and nothing else."""
    return f"access/{log.agency_id}/{log.year}/"


def slice_bytes(leaves: Sequence[bytes]) -> bytes:
    """Canonical JSON has no line breaks."""
    return b"".join(leaf + b"\n" for leaf in leaves)


def slice_leaves(content: bytes) -> tuple[bytes, ...]:
    return tuple(content.split(b"\n")[:-1])


def read_leaf(entry: bytes, index: int, log_id: str) -> AccessLeaf:
    """The access that stands at `index` of a log. Raises LeafError if it is none, of another log,
    or of another place."""
    leaf = AccessLeaf.from_bytes(entry)
    if leaf.log_id != log_id:
        raise bad_leaf("log_id")
    if leaf.seq != index:
        raise bad_leaf("seq")
    return leaf


def _placed(record: AccessRecord, seq: int) -> AccessLeaf:
    members = {field.name: getattr(record, field.name) for field in fields(AccessRecord)}
    return AccessLeaf(**members, seq=seq)


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
