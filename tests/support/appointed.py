"""Who a test's people are: appointments and applications, arranged before they ask.

A test's `authorizer` context says in `roles` (and `clearance`) to what a person is appointed; these
never travel. Without `roles` a context with a `client_id` is that of an application, and one with
neither is left as it is: the test arranged its people itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.access import Action, Role
from chalicelib.domain.documents import Classification
from chalicelib.domain.officers import Appointment, Client, Ending, Period
from chalicelib.domain.persons import Officer
from chalicelib.ports import OfficerStore

_ORDER = "คำสั่งที่ ๑/๒๕๖๙"
_LONG_AGO = timedelta(days=365)


def arranged(context: Mapping[str, Any], officers: OfficerStore, at: datetime) -> dict[str, Any]:
    """The context as the gateway hands it on, with its person appointed, or its application
    registered, in `officers`."""
    told = {name: value for name, value in context.items() if name not in {"roles", "clearance"}}
    roles = context.get("roles")
    if "sub" not in context or "agency" not in context:
        return told
    if roles == Role.APPLICATION or (roles is None and "client_id" in context):
        client_id = _free(officers, context["sub"], context["agency"])
        register(officers, client_id, context["agency"], at=at, name=context.get("name"))
        return {**told, "sub": client_id, "client_id": client_id}
    if roles is None:
        return told
    told.pop("client_id", None)
    appoint(
        officers,
        Officer(context["agency"], context["sub"]),
        frozenset(Role(role) for role in roles.split()),
        clearance=Classification(context.get("clearance", Classification.NORMAL)),
        name=context.get("name"),
        at=at,
    )
    return told


def _free(officers: OfficerStore, client_id: str, agency_id: str) -> str:
    """A client id is one agency's; a test that only changes the agency means another client."""
    known = officers.client(client_id)
    return (
        client_id if known is None or known.agency_id == agency_id else f"{agency_id}.{client_id}"
    )


def appoint(
    officers: OfficerStore,
    officer: Officer,
    roles: frozenset[Role],
    *,
    at: datetime,
    clearance: Classification = Classification.NORMAL,
    name: str | None = None,
) -> None:
    """From now on the officer is exactly this: whatever else held ends."""
    before = officers.appointments_of(officer)
    held = [one for one in before if one.holds(at)]
    meant = [(roles, clearance, name or officer.subject)] if roles else []
    if [(one.roles, one.clearance, one.name_th) for one in held] == meant:
        return
    for one in held:
        officers.end(one, Ending(at=at, by="head", reason="moved"))
    if roles:
        appointment = Appointment(
            appointment_id=f"{officer.subject}-{len(before) + 1}",
            agency_id=officer.agency_id,
            subject=officer.subject,
            name_th=name or officer.subject,
            position_th="เจ้าหน้าที่",
            roles=roles,
            clearance=clearance,
            period=Period(at - _LONG_AGO),
            order=_ORDER,
            appointed_by="head",
            appointed_at=at - _LONG_AGO,
        )
        officers.appoint(appointment)


def register(
    officers: OfficerStore,
    client_id: str,
    agency_id: str,
    *,
    at: datetime,
    name: str | None = None,
    scopes: frozenset[str] = frozenset(Action),
) -> None:
    officers.put_client(
        Client(
            client_id=client_id,
            agency_id=agency_id,
            name_th=name or client_id,
            scopes=scopes,
            registered_by="head",
            registered_at=at - _LONG_AGO,
        ),
        seen=officers.client(client_id),
    )
