"""What was allowed is recorded before its answer leaves, or there is no answer (C5, P6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from chalicelib.bootstrap import House
from chalicelib.domain.access import Action, Actor, Resource, decide
from chalicelib.domain.access_log import Origin, is_logged, record_access
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tlog import LeafError

Access = tuple[Actor, Resource]
"""With what somebody was allowed to have to do, and as which appointment."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request is: the action that `allowed` it, the one it is recorded as, and what the
    gateway says of it."""

    allowed: Action
    action: Action
    context: Mapping[str, Any]


def record(accesses: Sequence[Access], asked: Asked, *, house: House) -> None:
    """Record those of the accesses that have to be (`is_logged`), each once for a request that
    the gateway sends again.

    Raises UnavailableError if that cannot be done: then nothing may be answered. Dies anywhere:
    an access is recorded whose answer never left. Raises ValueError for a thing without name.
    """
    logged = [(actor, thing) for actor, thing in accesses if is_logged(asked.action, thing)]
    if not logged:
        return
    at, origin = house.clock(), _origin(asked.context)
    try:
        records = [
            record_access(
                salt=house.ids.salt(),
                actor=actor,
                action=asked.action,
                decision=decide(actor, asked.allowed, thing),
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
    """Where the request came from, as the gateway saw it: never a header, which anybody can write.
    The gateway's `requestId` is one (X-Amzn-RequestId): who sent an old one again could hide an
    access behind the one before. Its `extendedRequestId` nobody else can set."""
    try:
        address = ip_address((context.get("identity") or {}).get("sourceIp") or "")
        return Origin(address=str(address), request_id=context["extendedRequestId"])
    except (KeyError, ValueError) as error:
        raise _unrecorded() from error


def _unrecorded() -> UnavailableError:
    return UnavailableError(
        "This access cannot be recorded just now, so there is no answer; try again.",
        "ขณะนี้บันทึกการเข้าถึงไม่ได้ จึงไม่สามารถให้ข้อมูลได้ โปรดลองใหม่",
    )
