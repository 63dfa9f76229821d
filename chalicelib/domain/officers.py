"""Officers: who was appointed by the head of an agency, to what, and for how long (A7, A8, A13).

A token says who somebody is; an appointment says what that person may do. Both are needed. An
appointment is never changed: it ends, and another one begins, so that what an officer did can be
held against what held at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.access import Role
from chalicelib.domain.clearance import RANK, is_cleared
from chalicelib.domain.documents import Classification


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` until before `until`; None: until it is ended."""

    since: datetime
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.until <= self.since:
            raise ValueError("a period ends after it began")

    def holds(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why an appointment or an authority holds no longer, before its period was over."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What somebody is given for a period, and what may be ended before it is over."""

    period: Period
    ended: Ending | None = None

    def holds(self, at: datetime) -> bool:
        """It takes effect at once, and so does its end."""
        return self.period.holds(at) and (self.ended is None or at < self.ended.at)

    def in_force(self, at: datetime) -> bool:
        """Whether somebody who asks at `at` may use it: an end that was written holds, whatever the
        clock of who wrote it says."""
        return self.ended is None and self.period.holds(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment(Given):
    """One officer's roles in one agency. `subject` is who the issuer says that person is;
    `order` the instrument (คำสั่งที่) by which the head appointed. `unit` is where the officer
    works, None in the central Saraban unit (A12)."""

    appointment_id: str
    agency_id: str
    subject: str
    name_th: str
    position_th: str
    unit: str | None = None
    roles: frozenset[Role]
    clearance: Classification = Classification.NORMAL
    order: str
    appointed_by: str
    appointed_at: datetime

    def __post_init__(self) -> None:
        if not self.roles:
            raise ValueError("an officer without role is no officer")
        if Role.APPLICATION in self.roles:
            raise ValueError("applications are registered, not appointed")
        if self.clearance not in RANK:
            raise ValueError("what is ลับที่สุด never travels here (A24)")


class AuthorityKind(StrEnum):
    """Whose authority an officer uses, if not that of the own position."""

    DELEGATED = "delegated"
    ACTING = "acting"
    ACTING_IN_POSITION = "acting_in_position"

    @property
    def words(self) -> str:
        """As printed under the position (Saraban regulation, annex 2; State Administration Act
        s. 38 and 46; Civil Service Act s. 68)."""
        return _WORDS[self]


_WORDS = {
    AuthorityKind.DELEGATED: "ปฏิบัติราชการแทน",
    AuthorityKind.ACTING: "รักษาราชการแทน",
    AuthorityKind.ACTING_IN_POSITION: "รักษาการในตำแหน่ง",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority(Given):
    """That an officer acts with the authority of another position: of which documents, up to
    which classification, for how long. No `document_types`: of all."""

    authority_id: str
    agency_id: str
    holder: str
    kind: AuthorityKind
    position_th: str
    document_types: frozenset[str] = frozenset()
    most: Classification = Classification.NORMAL
    order: str
    granted_by: str
    granted_at: datetime

    def covers(self, document_type: str, classification: Classification, at: datetime) -> bool:
        """Whether this may be used for such a document by who asks at that moment."""
        in_scope = not self.document_types or document_type in self.document_types
        return in_scope and self.in_force(at) and is_cleared(self.most, classification)


def signatory_lines(officer: Appointment, authority: Authority | None) -> tuple[str, ...]:
    """What stands under a signature: name in parentheses, own position, and whose authority was
    used. Raises ValueError for an authority of somebody else."""
    if authority is None:
        return printed_lines(officer.name_th, officer.position_th, None)
    if (authority.holder, authority.agency_id) != (officer.subject, officer.agency_id):
        raise ValueError("nobody uses the authority of another officer")
    acting = (authority.kind, authority.position_th)
    return printed_lines(officer.name_th, officer.position_th, acting)


def printed_lines(
    name_th: str, position_th: str, acting: tuple[AuthorityKind, str] | None
) -> tuple[str, ...]:
    """As `signatory_lines`; `acting` is the kind of authority and whose position it is."""
    own = (f"({name_th})", position_th)
    if acting is None:
        return own
    kind, position = acting
    return (*own, f"{kind.words} {position}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an officer may be at one moment: all appointments in the agency that hold then."""

    agency_id: str
    subject: str
    appointments: tuple[Appointment, ...]

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset().union(*(one.roles for one in self.appointments))

    @property
    def clearance(self) -> Classification:
        """The highest of them; NORMAL without any."""
        found = [one.clearance for one in self.appointments]
        return max(found, key=RANK.index, default=Classification.NORMAL)

    def with_role(self, role: Role, classification: Classification) -> Appointment | None:
        """The appointment that gives this role for such a document: role and clearance must be
        of one and the same."""
        fitting = (
            one
            for one in self.appointments
            if role in one.roles and is_cleared(one.clearance, classification)
        )
        return next(fitting, None)


def standing_at(
    appointments: Iterable[Appointment], agency_id: str, subject: str, at: datetime
) -> Standing:
    """What somebody who asks at `at` is in an agency; without appointments nothing."""
    held = tuple(
        one
        for one in appointments
        if (one.agency_id, one.subject) == (agency_id, subject) and one.in_force(at)
    )
    return Standing(agency_id=agency_id, subject=subject, appointments=held)


def end(appointment: Appointment, ending: Ending) -> Appointment:
    """The appointment ended. The first end stands, and none lies before the appointment."""
    if appointment.ended is not None:
        return appointment
    at = max(ending.at, appointment.appointed_at)
    return replace(appointment, ended=replace(ending, at=at))


def revoke(authority: Authority, ending: Ending) -> Authority:
    """The authority ended, as `end`."""
    if authority.ended is not None:
        return authority
    at = max(ending.at, authority.granted_at)
    return replace(authority, ended=replace(ending, at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An agency's application (client credentials, RFC 6749 section 4.4), with the scopes it may
    use at most. What its token asks for besides has no effect."""

    client_id: str
    agency_id: str
    name_th: str
    scopes: frozenset[str]
    registered_by: str
    registered_at: datetime
    ended: Ending | None = None

    @property
    def in_force(self) -> bool:
        """An end that was written holds, whatever the clock of who wrote it says."""
        return self.ended is None
