"""Accesses made up for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.access import Action, Relation
from chalicelib.domain.access_log import AccessRecord
from chalicelib.domain.documents import Classification
from chalicelib.domain.things import ThingKind

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
LOG = "diw/access/2026"

ACCESS = AccessRecord(
    access_id="A1",
    salt="00" * 32,
    agency_id="diw",
    subject="somsri@diw.example",
    appointment_id="AP1",
    clearance=Classification.SECRET,
    action=Action.READ_FILE,
    kind=ThingKind.DOCUMENT,
    thing_id="D1",
    owner="dbd",
    classification=Classification.SECRET,
    at=NOON,
    address="203.0.113.7",
    request_id="R1",
    relation=Relation.RECIPIENT_BY_DELIVERY,
    reason="registrar",
)


def access(access_id: str = "A1", **changes: Any) -> AccessRecord:
    """An access, as changed."""
    return replace(ACCESS, access_id=access_id, **changes)


def accesses(count: int, first: int = 0, **changes: Any) -> list[AccessRecord]:
    """So many, a second between them, each with its own salt."""
    return [
        access(f"A{n:05d}", at=NOON + timedelta(seconds=n), salt=f"{n:064x}", **changes)
        for n in range(first, first + count)
    ]
