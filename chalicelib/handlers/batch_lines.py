"""Lines of batches at the edge: validated by the very model of POST /v1/documents."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from chalicelib.bootstrap import House
from chalicelib.domain.access import Action, Actor, Resource
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.batches import Batch
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import FieldFault, ForbiddenError, InvalidRequestError
from chalicelib.handlers.documents import submission_of
from chalicelib.ports import Directory, DocumentTypes
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

    def reach(self, action: Action, resource: Resource) -> bool:
        """Nor is anything of the agency's opened to them."""
        del action, resource
        return False


def batch_room(house: House) -> BatchRoom:
    """What goes on with batches, with the edge's own validation. An agency or type that a line
    names is looked up once in an invocation, and not again for each of 100,000 lines."""
    remembering = copy(house)
    vars(remembering).update(directory=_Remembered(house.directory), types=_Known(house.types))
    return house.batch_room(partial(_check_line, remembering))


class _Remembered:
    """Port: Directory, as of this invocation."""

    def __init__(self, directory: Directory) -> None:
        self.agency = cache(directory.agency)
        self.agencies = directory.agencies
        self.put_agency = directory.put_agency
        self.trust_anchors = directory.trust_anchors
        self.put_trust_anchors = directory.put_trust_anchors


class _Known:
    """Port: DocumentTypes, as of this invocation."""

    def __init__(self, types: DocumentTypes) -> None:
        self.get = cache(types.get)
        self.all = types.all


def _check_line(house: House, batch: Batch, body: Mapping[str, Any]) -> Document:
    caller = Actor(
        agency_id=batch.agency_id,
        subject=batch.submitted_by,
        roles=frozenset(),
        scopes=frozenset(),
    )
    submission = submission_of(_ForBatch(house, caller), dict(body), batch.type_version)
    # The agency may want approvals since the batch was submitted.
    demand_no_approval(submission.approval)
    return accept(submission, clock=house.clock, ids=house.ids)


def demand_no_approval(policy: ApprovalPolicy) -> None:
    """An officer approves what an officer saw, digest by digest (B7); nobody looks at 100,000
    lines. Raises InvalidRequestError."""
    if policy.approvers:
        raise InvalidRequestError(
            [
                FieldFault(
                    "/document_type",
                    "approval_needed",
                    "Officers approve documents of this type one by one, so they do not come in "
                    "batches. Submit each with POST /v1/documents; one code then approves a list "
                    "of up to 1,000 (POST /v1/approvals).",
                    "เอกสารประเภทนี้ต้องมีผู้อนุมัติเป็นรายฉบับ จึงยื่นเป็นชุดไม่ได้ โปรดยื่นทีละฉบับด้วย "
                    "POST /v1/documents แล้วอนุมัติหลายฉบับพร้อมกันด้วยรหัสเดียว (POST /v1/approvals)",
                )
            ]
        )
