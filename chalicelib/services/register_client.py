"""Register an agency's applications, and end them (issue 7, item 2; docs/adr/0044)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.appointing import client_taken
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.officers import Client, Ending
from chalicelib.domain.persons import Officer
from chalicelib.services.appoint import PersonnelOffice, Prove


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """Which application, and what it may do at most."""

    client_id: str
    by: Officer
    name_th: str
    scopes: frozenset[str]

    def made_at(self, at: datetime) -> Client:
        return Client(
            client_id=self.client_id,
            agency_id=self.by.agency_id,
            name_th=self.name_th,
            scopes=self.scopes,
            registered_by=self.by.subject,
            registered_at=at,
        )


def register_client(request: ClientRequest, prove: Prove, *, office: PersonnelOffice) -> Client:
    """Register an application, or give one that is registered other scopes: the last word stands,
    and holds at once. Repeatable.

    Raises AppointmentRefusedError for an id that is another agency's, FactorRefusedError,
    UnavailableError if another administrator changed it at the same moment. Dies
    anywhere: it was registered, or it was not.
    """
    client = request.made_at(office.clock())
    stored = office.officers.client(request.client_id)
    if stored is not None and stored.agency_id != client.agency_id:
        raise client_taken()
    if stored is not None and stored == replace(client, registered_at=stored.registered_at):
        return stored
    prove()
    office.officers.put_client(client, seen=stored)
    return client


def end_client(
    agency_id: str, client_id: str, ending: Ending, prove: Prove, *, office: PersonnelOffice
) -> Client:
    """End an application at once: its tokens open nothing from then on. Repeatable: the first end
    stands. Raises NotFoundError, FactorRefusedError, UnavailableError as above. Dies anywhere: it
    ended, or it did not."""
    found = office.officers.client(client_id)
    if found is None or found.agency_id != agency_id:
        raise NotFoundError
    if found.ended is not None:
        return found
    prove()
    ended = replace(found, ended=replace(ending, at=max(ending.at, found.registered_at)))
    office.officers.put_client(ended, seen=found)
    return ended
