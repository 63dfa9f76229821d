"""A closed year against what its closing statement says of it (A18, A22)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.findings import Fault, Findings
from chalicelib.domain.registers import Entry, EntryState, Head, LogName, Register, statement_key
from chalicelib.ports import LogState
from chalicelib.services.audit.room import AuditRoom


@dataclass
class Tally:
    """Entries by how they ended, as the statement counts them."""

    states: Counter[EntryState] = field(default_factory=Counter)
    inserted: int = 0

    def take(self, entry: Entry) -> None:
        self.states[entry.state] += 1
        self.inserted += entry.child > 0


def examine_closing(
    register: Register,
    head: Head,
    tally: Tally,
    states: Mapping[LogName, LogState],
    *,
    room: AuditRoom,
    findings: Findings,
) -> None:
    """Whether a closed register still is what was stated. One not closed is let be."""
    if head.statement is None:
        return
    key = statement_key(register)
    signed = room.archive.read(key)
    if signed is None or hashlib.sha256(signed).hexdigest() != head.statement:
        findings.add(Fault.CLOSED_YEAR_WRITTEN, place=key)
        return
    stated = _payload(signed)
    for name, value in _facts(register, head, tally, states).items():
        if stated.get(name) != value:
            findings.add(Fault.CLOSED_YEAR_WRITTEN, place=f"{key} {name}")


def _facts(
    register: Register, head: Head, tally: Tally, states: Mapping[LogName, LogState]
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "register_id": register.register_id,
        "last_number": head.last_number,
        "inserted": tally.inserted,
        "issued": tally.states[EntryState.ISSUED],
        "void": tally.states[EntryState.VOID],
    }
    # The number log is complete; the outcome log goes on, with revocations.
    numbers = states[LogName.NUMBERS].head
    return {**facts, "numbers": {"size": numbers.size, "root": numbers.root.hex()}}


def _payload(signed: bytes) -> dict[str, Any]:
    """The claims of a compact JWS (RFC 7515); none if it cannot be read. Its signature is
    not looked at: the register vouches for these bytes by their digest."""
    try:
        encoded = signed.split(b".")[1]
        stated = json.loads(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
        numbers = stated["logs"]["numbers"]
        return {**stated, "numbers": {name: numbers[name] for name in ("size", "root")}}
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return {}
