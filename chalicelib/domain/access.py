"""Who may do what: the one place that decides (P6). Deny by default.

An `Actor` comes from a verified token; a `Resource` says whose the thing is.
Things of other agencies look non-existent: the decision says so, and the
handler answers 404, never 403.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.erds import DeliveryState


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


class Role(StrEnum):
    """Roles an officer or an agency application can have."""

    APPLICATION = "application"
    CLERK = "clerk"
    APPROVER = "approver"
    REGISTRAR = "registrar"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"


_READERS = frozenset(Role)
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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, as the token says. `roles` keeps only roles Tra knows. `name` is what people
    call the officer, empty if the token does not say."""

    agency_id: str
    subject: str
    roles: frozenset[Role]
    scopes: frozenset[str]
    name: str = ""

    @property
    def called(self) -> str:
        """Who it was, for people to read: in a receipt (ผู้รับ, A1), in a register."""
        return self.name or self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Whose the thing is, and which agencies may know of it: the recipients of a document,
    once it is issued (P3)."""

    agency_id: str
    recipients: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Document) -> Resource:
        """A letter is its recipients' only by a delivery: see `of_letter`."""
        issued = document.state is DocumentState.ISSUED
        told = document.recipients if issued and not document.is_letter else ()
        return cls(agency_id=document.agency_id, recipients=frozenset(told))

    @classmethod
    def of_letter(cls, document: Document, deliveries: Iterable[Delivery]) -> Resource:
        """A letter, and those of its recipients whose delivery lies with them."""
        told = frozenset(d.recipient for d in deliveries if may_read_file(d))
        return cls(agency_id=document.agency_id, recipients=told)

    @classmethod
    def sent(cls, delivery: Delivery) -> Resource:
        """A delivery as its sender has it, in the outbox."""
        return cls(agency_id=delivery.letter.sender)

    @classmethod
    def received(cls, delivery: Delivery) -> Resource:
        """A delivery as its recipient has it, in the inbox. All officers of the agency may see
        it: units are for passing it on."""
        return cls(agency_id=delivery.recipient)


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
    """`reason` is a stable word; `FORBID` may be told, `HIDE` must look like absence."""

    verdict: Verdict
    reason: str


def decide(actor: Actor, action: Action, resource: Resource | None = None) -> Decision:
    """Decide one question. Without `resource` only role and scope are looked at."""
    if action.value not in actor.scopes:
        return Decision(Verdict.FORBID, "scope_missing")
    if not actor.roles & _ROLES_FOR[action]:
        return Decision(Verdict.FORBID, "role_missing")
    if resource is None or resource.agency_id == actor.agency_id:
        return Decision(Verdict.ALLOW, "own_agency")
    if action is Action.READ_FILE and actor.agency_id in resource.recipients:
        return Decision(Verdict.ALLOW, "recipient")
    return Decision(Verdict.HIDE, "other_agency")


def only_recipient(actor: Actor, resource: Resource) -> str | None:
    """Whose deliveries of a letter may be told: the sender knows of all (None), any other agency
    of those to itself alone. Who else got the letter is not its business (P6)."""
    return None if actor.agency_id == resource.agency_id else actor.agency_id
