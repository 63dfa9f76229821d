"""Grant an officer the authority of another position, and revoke it (A8, docs/adr/0044)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.appointing import demand_another, holder_faults, period_faults
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import (
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
)
from chalicelib.domain.officers import Authority, AuthorityKind, Ending, Period
from chalicelib.domain.persons import Officer
from chalicelib.services.appoint import PersonnelOffice, Prove


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRequest:
    """Who may use whose authority, for what, and by which order. No `since`: from now on."""

    authority_id: str
    by: Officer
    holder: str
    kind: AuthorityKind
    position_th: str
    document_types: frozenset[str]
    most: Classification
    since: datetime | None
    until: datetime | None
    order: str

    def made_at(self, at: datetime) -> Authority:
        return Authority(
            authority_id=self.authority_id,
            agency_id=self.by.agency_id,
            holder=self.holder,
            kind=self.kind,
            position_th=self.position_th,
            document_types=self.document_types,
            most=self.most,
            period=Period(self.since or at, self.until),
            order=self.order,
            granted_by=self.by.subject,
            granted_at=at,
        )


def grant_authority(
    request: AuthorityRequest, prove: Prove, *, office: PersonnelOffice
) -> Authority:
    """Let an officer act with the authority of another position (State Administration Act s. 38,
    46; Civil Service Act s. 68).

    Raises AppointmentRefusedError for who would grant it to oneself, InvalidRequestError for a
    holder who is no officer or a time that is past, IdempotencyKeyReusedError,
    FactorRefusedError. Dies half-way: as `appoint`.
    """
    # 1. A repeat is answered with what was stored, however late it comes.
    stored = office.officers.authority(request.by.agency_id, request.authority_id)
    if stored is not None:
        return _the_same(stored, request)

    # 2. What is refused whoever asks.
    now = office.clock()
    demand_another(request.by, request.holder)
    held = office.officers.appointments_of(Officer(request.by.agency_id, request.holder))
    faults = period_faults(request.since, request.until, now)
    faults += holder_faults(held, request.since or now)
    if faults:
        raise InvalidRequestError(faults)

    # 3. Spent only on what can be done.
    prove()

    # 4. The first with this id stands.
    return _the_same(office.officers.grant(request.made_at(now)), request)


def end_authority(
    agency_id: str, authority_id: str, ending: Ending, prove: Prove, *, office: PersonnelOffice
) -> Authority:
    """Revoke an authority at once. Repeatable: the first end stands. Raises NotFoundError,
    FactorRefusedError. Dies anywhere: it ended, or it did not."""
    found = office.officers.authority(agency_id, authority_id)
    if found is None:
        raise NotFoundError
    if found.ended is not None:
        return found
    prove()
    return office.officers.revoke_authority(found, ending)


def _the_same(stored: Authority, request: AuthorityRequest) -> Authority:
    try:
        asked = request.made_at(stored.granted_at)
    except ValueError as error:  # a period that is none was never stored
        raise IdempotencyKeyReusedError from error
    if asked != replace(stored, ended=None):
        raise IdempotencyKeyReusedError
    return stored
