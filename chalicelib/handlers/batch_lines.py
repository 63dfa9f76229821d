"""Lines of batches at the edge: validated by the very model of POST /v1/documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.bootstrap import House
from chalicelib.domain.access import Action, Actor
from chalicelib.domain.batches import Batch
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import ForbiddenError
from chalicelib.handlers.documents import submission_of
from chalicelib.services.advance_batch import BatchRoom
from chalicelib.services.submit import accept


@dataclass(frozen=True, slots=True)
class _ForBatch:
    """A batch's lines are submitted for its agency, by whoever made it."""

    house: House
    caller: Actor

    def demand(self, action: Action) -> None:
        """What needs a permission of its own is not for lines: it was not asked for."""
        raise ForbiddenError(
            "scope_missing",
            f"A line of a batch cannot do {action.value}.",
            f"บรรทัดในชุดเอกสารทำ {action.value} ไม่ได้",
        )


def batch_room(house: House) -> BatchRoom:
    """What goes on with batches, with the edge's own validation."""
    return house.batch_room(partial(_check_line, house))


def _check_line(house: House, batch: Batch, body: Mapping[str, Any]) -> Document:
    caller = Actor(
        agency_id=batch.agency_id,
        subject=batch.submitted_by,
        roles=frozenset(),
        scopes=frozenset(),
    )
    submission = submission_of(_ForBatch(house, caller), dict(body), batch.type_version)
    return accept(submission, clock=house.clock, ids=house.ids)
