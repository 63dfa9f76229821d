"""Who may do what: the one place that decides (P6). Deny by default.

An `Actor` comes from a verified token; a `Resource` says whose the thing is, who else
may know of it, and how secret it is. Things of other agencies, and classified ones
before anybody they are not meant for, look non-existent: the decision says so, and the
handler answers 404, never 403. The rules as a table: docs/access-matrix.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.clearance import RANK, is_cleared
from chalicelib.domain.deliveries import Delivery
from chalicelib.domain.documents import Classification, Document, DocumentState
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.persons import Officer
from chalicelib.domain.things import ThingKind


class Action(StrEnum):
    """What a route or a message asks for; also the name of the OAuth scope it needs."""

    SUBMIT_DOCUMENT = "documents:submit"
    SUPERSEDE_DOCUMENT = "documents:supersede"
    REVOKE_DOCUMENT = "documents:revoke"
    READ_DOCUMENT = "documents:read"
    SEARCH_DOCUMENTS = "documents:search"
    READ_FILE = "files:read"
    READ_REGISTER = "registers:read"
    RESERVE_NUMBERS = "registers:reserve"
    COSIGN_LOG = "logs:cosign"
    SEND_LETTER = "letters:send"
    READ_LETTERS = "letters:read"
    RECALL_LETTER = "letters:recall"
    READ_INBOX = "inbox:read"
    REGISTER_LETTER = "inbox:register"
    REJECT_LETTER = "inbox:reject"
    FORWARD_LETTER = "inbox:forward"
    APPROVE_DOCUMENT = "documents:approve"
    WITHDRAW_DOCUMENT = "documents:withdraw"
    READ_SELF = "me:read"
    READ_OFFICERS = "officers:read"
    APPOINT_OFFICER = "officers:appoint"
    ENROL_FACTOR = "factors:enrol"
    RESET_FACTOR = "factors:reset"
    OPEN_SECRET = "secrets:open"  # noqa: S105 - a scope
    READ_ACCESS_LOG = "access:read"
    USE_PROXY = "proxies:use"


class Role(StrEnum):
    """Roles an officer or an agency application can have."""

    APPLICATION = "application"
    CLERK = "clerk"
    APPROVER = "approver"
    REGISTRAR = "registrar"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    """The head of the agency, or to whom the head gave it to appoint officers."""


_OFFICERS = frozenset(Role) - {Role.APPLICATION}
_READERS = frozenset(Role) - {Role.ADMINISTRATOR}
_SARABAN = frozenset({Role.APPLICATION, Role.CLERK, Role.REGISTRAR})
"""Who sends and receives letters for the agency (A7, A12)."""

_ROLES_FOR: dict[Action, frozenset[Role]] = {
    Action.SUBMIT_DOCUMENT: frozenset({Role.APPLICATION, Role.CLERK}),
    # A submission that ends another document needs a scope of its own.
    Action.SUPERSEDE_DOCUMENT: frozenset({Role.APPLICATION, Role.CLERK}),
    Action.REVOKE_DOCUMENT: frozenset({Role.APPROVER}),
    Action.READ_DOCUMENT: _READERS,
    Action.SEARCH_DOCUMENTS: _READERS,
    Action.READ_FILE: _READERS,
    Action.READ_REGISTER: _READERS - {Role.APPROVER},
    Action.RESERVE_NUMBERS: frozenset({Role.CLERK, Role.REGISTRAR}),
    # A witness acts for its agency on the logs of all: they are public.
    Action.COSIGN_LOG: frozenset({Role.APPLICATION, Role.AUDITOR}),
    # Sending again and disputing a receive number belong to sending.
    Action.SEND_LETTER: _SARABAN,
    Action.READ_LETTERS: _READERS,
    Action.RECALL_LETTER: _SARABAN,
    Action.READ_INBOX: _READERS,
    Action.REGISTER_LETTER: _SARABAN,
    Action.REJECT_LETTER: _SARABAN,
    Action.FORWARD_LETTER: _SARABAN,
    # Nobody but an officer decides (B7).
    Action.APPROVE_DOCUMENT: frozenset({Role.APPROVER}),
    Action.WITHDRAW_DOCUMENT: frozenset({Role.APPLICATION, Role.CLERK}),
    # Everybody may know what oneself may do.
    Action.READ_SELF: frozenset(Role),
    Action.READ_OFFICERS: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR, Role.AUDITOR}),
    Action.APPOINT_OFFICER: frozenset({Role.ADMINISTRATOR}),
    Action.ENROL_FACTOR: _OFFICERS,
    Action.RESET_FACTOR: frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR}),
    # A registrar of secrets names who else may read (A13).
    Action.OPEN_SECRET: frozenset({Role.REGISTRAR}),
    Action.READ_ACCESS_LOG: frozenset({Role.AUDITOR}),
    Action.USE_PROXY: frozenset({Role.APPLICATION, Role.CLERK}),
}


class Relation(StrEnum):
    """What an agency is to a thing; the values are stable, and an allowed decision's reason."""

    OWN_AGENCY = "own_agency"
    PROPOSED = "proposed"
    RECIPIENT_BY_EVENT = "recipient_by_event"
    RECIPIENT_BY_DELIVERY = "recipient_by_delivery"
    CENTRAL_APPROVER = "central_approver"
    STRANGER = "stranger"


_REACH: dict[Relation, dict[Action, frozenset[Role]]] = {
    Relation.OWN_AGENCY: _ROLES_FOR,
    Relation.PROPOSED: {
        action: _ROLES_FOR[action]
        for action in (Action.SUBMIT_DOCUMENT, Action.SUPERSEDE_DOCUMENT, Action.SEND_LETTER)
    },
    Relation.RECIPIENT_BY_EVENT: {Action.READ_FILE: _ROLES_FOR[Action.READ_FILE]},
    Relation.RECIPIENT_BY_DELIVERY: {Action.READ_FILE: _ROLES_FOR[Action.READ_FILE]},
    # Who decides for several agencies sees what is to be decided, not what became of it.
    Relation.CENTRAL_APPROVER: {
        Action.READ_DOCUMENT: frozenset({Role.APPROVER}),
        Action.APPROVE_DOCUMENT: frozenset({Role.APPROVER}),
    },
    Relation.STRANGER: {},
}
"""What each relation opens, and to whom. What is not here is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks: whom the token names, with what one appointment gives (`appointment_id`), or an
    agency's application, which has none. `name` is what people call the officer.

    `clearance` holds together with every one of `roles`: an officer with two appointments is two
    actors (docs/adr/0042). Raises ValueError for a clearance that nobody has (A24)."""

    agency_id: str
    subject: str
    roles: frozenset[Role]
    scopes: frozenset[str]
    name: str = ""
    clearance: Classification = Classification.NORMAL
    appointment_id: str | None = None

    def __post_init__(self) -> None:
        if self.clearance not in RANK:
            raise ValueError("nobody is cleared for ลับที่สุด here (A24)")

    @property
    def called(self) -> str:
        """Who it was, for people to read: in a receipt (ผู้รับ, A1), in a register."""
        return self.name or self.subject

    @property
    def officer(self) -> Officer:
        return Officer(self.agency_id, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Whose the thing is, how secret, and which agencies may know of it: `recipients` of a
    document, once it is issued (P3); `delivered_to`, with whom a delivery of a letter lies;
    `central`, whose approvers decide on it, as long as they have to.

    `named` are the officers to whom the registrar of secrets opened a classified thing (A13).
    `thing_id` is what it is called in the access log: a document's id, for most; `kind` what it
    is, where the action alone does not say it (`access_log.thing_of`).
    `exists` is False for what is only asked to be made: of that a refusal may be told."""

    agency_id: str
    recipients: frozenset[str] = frozenset()
    delivered_to: frozenset[str] = frozenset()
    central: str | None = None
    classification: Classification = Classification.NORMAL
    named: frozenset[Officer] = frozenset()
    exists: bool = True
    thing_id: str | None = None
    kind: ThingKind | None = None

    @property
    def is_classified(self) -> bool:
        return self.classification is not Classification.NORMAL

    @classmethod
    def of(cls, document: Document) -> Resource:
        """A letter is its recipients' only by a delivery: see `of_letter`."""
        issued = document.state is DocumentState.ISSUED
        told = document.recipients if issued and not document.is_letter else ()
        return cls(
            agency_id=document.agency_id,
            recipients=frozenset(told),
            central=document.decided_by if document.awaits_approval else None,
            classification=document.classification,
            named=document.named,
            thing_id=document.document_id,
        )

    @classmethod
    def of_letter(cls, document: Document, deliveries: Iterable[Delivery]) -> Resource:
        """A letter, and those of its recipients whose delivery lies with them."""
        return cls(
            agency_id=document.agency_id,
            delivered_to=frozenset(d.recipient for d in deliveries if may_read_file(d)),
            central=document.decided_by if document.awaits_approval else None,
            classification=document.classification,
            named=document.named,
            thing_id=document.document_id,
        )

    @classmethod
    def proposed(cls, agency_id: str, classification: Classification) -> Resource:
        """What an agency's officer or application asks to be made."""
        return cls(agency_id=agency_id, classification=classification, exists=False)

    @classmethod
    def sent(cls, delivery: Delivery) -> Resource:
        """A delivery as its sender has it, in the outbox."""
        return cls(
            agency_id=delivery.letter.sender,
            classification=delivery.letter.classification,
            thing_id=delivery.letter.document_id,
        )

    @classmethod
    def received(cls, delivery: Delivery) -> Resource:
        """A delivery as its recipient has it, in the inbox. All officers of the agency may see
        it: units are for passing it on."""
        return cls(
            agency_id=delivery.recipient,
            classification=delivery.letter.classification,
            thing_id=delivery.letter.document_id,
        )


def is_in_inbox(delivery: Delivery) -> bool:
    """Whether the recipient may know of a delivery: it has arrived (A20), or its system may
    have been told already though our own note is still to be written (docs/adr/0041)."""
    return delivery.received is not None or (
        delivery.channel is not ChannelKind.HOSTED and delivery.state in _ON_THE_WAY
    )


def may_read_file(delivery: Delivery) -> bool:
    """Whether the recipient may read the sealed file: not of a letter that was taken back."""
    return is_in_inbox(delivery) and delivery.state is not DeliveryState.RECALLED


_ON_THE_WAY = frozenset({DeliveryState.PLANNED, DeliveryState.RELAYED})


class Verdict(StrEnum):
    ALLOW = "allow"
    FORBID = "forbid"
    HIDE = "hide"


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is a stable word; `FORBID` may be told, `HIDE` must look like absence. `relation` is
    the one that decided, where a thing was looked at."""

    verdict: Verdict
    reason: str
    relation: Relation | None = None


_SCOPE_MISSING = Decision(Verdict.FORBID, "scope_missing")
_ROLE_MISSING = Decision(Verdict.FORBID, "role_missing")
_NO_THING = Decision(Verdict.ALLOW, "own_agency")
_ALLOWED = {one: Decision(Verdict.ALLOW, one.value, one) for one in Relation}
_OUT_OF_REACH = {
    one: Decision(Verdict.HIDE, "other_agency", one)
    for one in Relation
    if one is not Relation.PROPOSED
} | {Relation.PROPOSED: Decision(Verdict.HIDE, "not_there", Relation.PROPOSED)}


def relations_of(agency_id: str, resource: Resource) -> tuple[Relation, ...]:
    """What an agency is to a thing: the one place that says so. More than one thing perhaps, if
    it is another agency's, and a stranger only where it is nothing else."""
    if agency_id == resource.agency_id:
        return _OWN if resource.exists else _PROPOSED
    found = []
    if agency_id in resource.recipients:
        found.append(Relation.RECIPIENT_BY_EVENT)
    if agency_id in resource.delivered_to:
        found.append(Relation.RECIPIENT_BY_DELIVERY)
    if agency_id == resource.central:
        found.append(Relation.CENTRAL_APPROVER)
    return tuple(found) or _STRANGER


_OWN = (Relation.OWN_AGENCY,)
_PROPOSED = (Relation.PROPOSED,)
_STRANGER = (Relation.STRANGER,)


def decide(actor: Actor, action: Action, resource: Resource | None = None) -> Decision:
    """Decide one question. Without `resource` only role and scope are looked at.

    Scope and role come first and know nothing of the thing, so that their refusal tells nothing
    of it. Classification comes last, and only of what would be open if it were not classified.
    """
    if action.value not in actor.scopes:
        return _SCOPE_MISSING
    if actor.roles.isdisjoint(_ROLES_FOR[action]):
        return _ROLE_MISSING
    if resource is None:
        return _NO_THING
    relations = relations_of(actor.agency_id, resource)
    for relation in relations:
        roles = _REACH[relation].get(action)
        if roles and not actor.roles.isdisjoint(roles):
            if resource.classification is Classification.NORMAL:
                return _ALLOWED[relation]
            return _decide_classified(actor, resource, relation)
    return _OUT_OF_REACH[relations[0]]


def _decide_classified(actor: Actor, resource: Resource, relation: Relation) -> Decision:
    """Only the registrar of secrets and officers who are named, and only as far as they are
    cleared (A13, A24). An application is no officer, whatever roles it has besides."""
    refused = Verdict.HIDE if resource.exists else Verdict.FORBID
    if not is_cleared(actor.clearance, resource.classification):
        return Decision(refused, "clearance_missing", relation)
    if Role.APPLICATION in actor.roles:
        return Decision(refused, "officer_missing", relation)
    if Role.REGISTRAR in actor.roles:
        return Decision(Verdict.ALLOW, "registrar", relation)
    # Who proposes something knows it.
    if actor.officer in resource.named or not resource.exists:
        return Decision(Verdict.ALLOW, "named_officer", relation)
    return Decision(refused, "not_named", relation)


def seen_wholly(actors: Iterable[Actor]) -> frozenset[Classification]:
    """Classifications of which somebody, in one appointment or another, may know of whatever the
    own agency has: of classified things only the registrar of secrets, as far as cleared (A13). Of
    the others one by one, where named."""
    cleared = (
        one.clearance
        for one in actors
        if Role.REGISTRAR in one.roles and Role.APPLICATION not in one.roles
    )
    reach = max(cleared, key=RANK.index, default=Classification.NORMAL)
    return frozenset(RANK[: RANK.index(reach) + 1])


def only_recipient(actor: Actor, resource: Resource) -> str | None:
    """Whose deliveries of a letter may be told: the sender knows of all (None), any other agency
    of those to itself alone. Who else got the letter is not its business (P6)."""
    return None if actor.agency_id == resource.agency_id else actor.agency_id
