"""What an officer can have to do with, as the access log names it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ThingKind(StrEnum):
    """Kinds of things; the values are stable."""

    DOCUMENT = "document"
    BATCH = "batch"
    APPOINTMENT = "appointment"
    AUTHORITY = "authority"
    CLIENT = "client"
    FACTOR = "factor"
    DOCUMENT_ACCESSES = "document_accesses"
    """What the access log tells of a document, or of an officer: reading it is an access too."""
    OFFICER_ACCESSES = "officer_accesses"


_OF_AN_AGENCY = frozenset({ThingKind.CLIENT, ThingKind.FACTOR, ThingKind.OFFICER_ACCESSES})
"""What is named by an agency or an issuer: two agencies may name two things the same."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing. `owner` is the agency whose it is; ids that the service gives need no owner to
    be one thing's."""

    kind: ThingKind
    thing_id: str
    owner: str

    @property
    def key(self) -> str:
        """The same for all accesses to it, whichever agency was looked at as its owner: a letter
        is its sender's in the outbox and its recipient's in the inbox."""
        whose = f"{self.owner}#" if self.kind in _OF_AN_AGENCY else ""
        return f"{self.kind}#{whose}{self.thing_id}"
