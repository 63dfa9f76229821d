"""What was allowed is recorded before its answer leaves, or there is no answer (C5, P6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from chalicelib.bootstrap import House
from chalicelib.domain.access import Action, Actor, Resource, decide
from chalicelib.domain.access_log import Origin, is_logged, record_access
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tlog import LeafError

Allowed = tuple[Actor, Resource]
"""What somebody was allowed to have to do with, and as which appointment."""


def record(
    allowed: Sequence[Allowed], action: Action, context: Mapping[str, Any], *, house: House
) -> None:
    """Record those of the accesses that have to be (`is_logged`), each once for a request that
    the gateway sends again. `context` is the gateway's of the request.

    Raises UnavailableError if that cannot be done: then nothing may be answered. Dies anywhere:
    an access is recorded whose answer never left. Raises ValueError for a thing without name.
    """
    logged = [(actor, thing) for actor, thing in allowed if is_logged(action, thing)]
    if not logged:
        return
    at, origin = house.clock(), _origin(context)
    try:
        records = [
            record_access(
                salt=house.ids.salt(),
                actor=actor,
                action=action,
                decision=decide(actor, action, thing),
                resource=thing,
                origin=origin,
                at=at,
            )
            for actor, thing in logged
        ]
    except LeafError as error:
        raise _unrecorded() from error
    house.access_log.add(*{one.access_id: one for one in records}.values())


def _origin(context: Mapping[str, Any]) -> Origin:
    """Where the request came from, as the gateway saw it: never a header, which anybody can
    write."""
    try:
        address = ip_address((context.get("identity") or {}).get("sourceIp") or "")
        return Origin(address=str(address), request_id=context["requestId"])
    except (KeyError, ValueError) as error:
        raise _unrecorded() from error


def _unrecorded() -> UnavailableError:
    return UnavailableError(
        "This access cannot be recorded just now, so there is no answer; try again.",
        "ขณะนี้บันทึกการเข้าถึงไม่ได้ จึงไม่สามารถให้ข้อมูลได้ โปรดลองใหม่",
    )
