"""Four real letters about this programme, as they were written in 2563 (public documents), in
`infra/letters`: what the demo sends and the tests render.

The first of them asks the cabinet for what Tra is; the others are what came of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from chalicelib.domain.documents import Urgency

NAMES = ("dga-186", "mot-154", "opdc-55", "slc-17121")

_ROOM = Path(__file__).resolve().parent / "letters"


@dataclass(frozen=True, slots=True)
class RealLetter:
    """A real letter as content of our type, with what its envelope and register say. `to`: ids
    of agencies."""

    content: dict[str, Any]
    sender: str
    to: tuple[str, ...]
    number: str
    dated: date
    urgency: Urgency


def read(name: str) -> RealLetter:
    raw = read_raw(name)
    salutation, _, addressee = raw["salutation"].partition(" ")
    content = {
        "subject": raw["subject"],
        "salutation": salutation,
        "addressee": addressee,
        "references": raw["references"],
        "enclosures": raw["enclosures"],
        "paragraphs": raw["paragraphs"],
        "closing": raw["closing"],
        "signatory": {"position": raw["signatory_position"]},
        "contact": {"office": raw["office"]},
    }
    return RealLetter(
        content={field: value for field, value in content.items() if value},
        sender=raw["sender"],
        to=tuple(raw["to"]),
        number=raw["number_as_printed"],
        dated=date.fromisoformat(raw["date"]),
        urgency=Urgency(raw["urgency"]),
    )


def read_raw(name: str) -> dict[str, Any]:
    """As it was typed from its source."""
    raw: dict[str, Any] = json.loads((_ROOM / f"{name}.json").read_text(encoding="utf-8"))
    return raw
