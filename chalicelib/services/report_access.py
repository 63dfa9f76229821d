"""Report accesses: who had to do with a document, or with what an officer had to do (C5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.access_log import AccessRecord, is_named_to
from chalicelib.domain.officers import Appointment
from chalicelib.domain.persons import Officer
from chalicelib.domain.things import Thing, ThingKind
from chalicelib.ports import AccessPage, AccessSearch, AccessStore, DocumentStore, OfficerStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRoom:
    """Collaborators of the reports."""

    access_log: AccessStore
    documents: DocumentStore
    officers: OfficerStore


@dataclass(frozen=True, slots=True)
class Told:
    """An access as an agency's auditors are told of it: `named` says whether by whom, `own` whether
    from where, too. `appointment` is the one that allowed it, if it is the own agency's."""

    access: AccessRecord
    named: bool
    own: bool
    appointment: Appointment | None


@dataclass(frozen=True, slots=True)
class ToldPage:
    """Some accesses, oldest first, and where to go on."""

    accesses: tuple[Told, ...]
    cursor: str | None


def report_document(
    document_id: str, search: AccessSearch, *, agency_id: str, room: ReportRoom
) -> ToldPage:
    """Who had to do with a document. Its owner is told of all agencies' accesses; any other agency
    of its own officers' alone, and so of none where it has nothing to do with the document: it
    learns nothing of there being one (P6). Repeatable. Raises InvalidRequestError for a cursor
    that is none, UnavailableError."""
    document = room.documents.get(document_id)
    is_owner = document is not None and document.agency_id == agency_id
    thing = Thing(ThingKind.DOCUMENT, document_id, agency_id)
    seen = search if is_owner else replace(search, agency_id=agency_id)
    return _told(room.access_log.of_thing(thing, seen), agency_id, room)


def report_officer(officer: Officer, search: AccessSearch, *, room: ReportRoom) -> ToldPage:
    """With what an officer had to do. The caller is of the officer's agency. Raises as
    `report_document`."""
    return _told(room.access_log.of_officer(officer, search), officer.agency_id, room)


def _told(page: AccessPage, agency_id: str, room: ReportRoom) -> ToldPage:
    appointments = _appointments(page.accesses, agency_id, room)
    told = tuple(_as_told(one, agency_id, appointments) for one in page.accesses)
    return ToldPage(told, page.cursor)


def _as_told(access: AccessRecord, agency_id: str, appointments: Mapping[str, Appointment]) -> Told:
    own = access.agency_id == agency_id
    return Told(
        access=access,
        named=is_named_to(agency_id, access),
        own=own,
        # Ids are an agency's own: another one's may be called the same.
        appointment=appointments.get(access.appointment_id or "") if own else None,
    )


def _appointments(
    accesses: Sequence[AccessRecord], agency_id: str, room: ReportRoom
) -> dict[str, Appointment]:
    """Of the own officers: each looked up once, however often it stands there."""
    ids = {one.appointment_id for one in accesses if one.agency_id == agency_id}
    found = (room.officers.appointment(agency_id, one) for one in ids if one is not None)
    return {one.appointment_id: one for one in found if one is not None}
