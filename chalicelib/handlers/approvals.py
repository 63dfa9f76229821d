"""Approvals: what awaits officers, what they see of it, and what they decide (B7, C2, C6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Actor, Resource, seen_wholly
from chalicelib.domain.approvals import ApprovalCase, CaseState
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import (
    ApprovalRefusedError,
    FactorRefusedError,
    InvalidRequestError,
    LintError,
    NotFoundError,
    RenderError,
    TraError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import FactorUse, ShownFactor
from chalicelib.domain.strict_json import json_object
from chalicelib.handlers.approval_models import (
    ApprovalView,
    AskApprovals,
    AwaitingPage,
    AwaitingView,
    DecideDocument,
    DecideMany,
    ListDecided,
    PreviewedDocument,
    WithdrawDocument,
)
from chalicelib.handlers.documents import authorised
from chalicelib.handlers.factor_models import purpose_of_request
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, is_identifier, operation
from chalicelib.handlers.rendering import PDF, as_json
from chalicelib.handlers.secret_files import reader_of
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.approve import Answer, Outcome, approve, approve_one
from chalicelib.services.decide_case import withdraw_case
from chalicelib.services.preview import preview_awaiting
from chalicelib.services.use_factor import use_factor

blueprint = Blueprint(__name__)

MOST_LIST_BYTES = 4 * 1024 * 1024
"""A thousand decisions, each with a reason as long as it may be."""

# So much is left of the invocation when no further chunk is begun: one chunk, and the answer.
_STOPS_MILLIS = 7_000

_DECIDING = (
    FactorRefusedError,
    UnavailableError,
)


@operation(
    blueprint,
    "GET",
    "/v1/approvals",
    summary="What awaits this agency's approvers, as the issuer or as the central approver of "
    "others; what waits longest comes first.",
    action=Action.APPROVE_DOCUMENT,
    query=AskApprovals,
    answers={200: AwaitingPage},
    errors=(InvalidRequestError, UnavailableError),
)
def list_approvals(call: Call) -> Response:
    query = parse(AskApprovals, call.query)
    page = call.house.documents.awaiting(
        call.caller.agency_id,
        document_type=query.type,
        limit=int(query.limit),
        cursor=query.cursor,
        visible=seen_wholly(call.actors),
        named_for=call.caller.officer,
    )
    # What the caller may not know of is left out; the place to go on tells nothing of it.
    open_to = call.shown(page.documents, Resource.of)
    items = [_awaiting(call, one, one.approval) for one in open_to if one.approval is not None]
    return as_json(AwaitingPage(items=items, cursor=page.cursor))


def _awaiting(call: Call, document: Document, case: ApprovalCase) -> AwaitingView:
    kind = call.house.types.get(document.document_type, document.type_version)
    url = call.house.settings.public_url
    return AwaitingView.of(document, case, kind, call.caller.officer, url)


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}/approval",
    summary="A document's approvals: how many it needs, of whom, and every decision.",
    action=Action.READ_DOCUMENT,
    answers={200: ApprovalView},
    errors=(NotFoundError, UnavailableError),
)
def show_approval(call: Call) -> Response:
    return _case_view(call, authorised(call))


def _case_view(call: Call, document: Document, *, status: int = 200) -> Response:
    if document.approval is None:  # nobody has to approve it
        raise NotFoundError
    view = ApprovalView.of(document, document.approval, call.house.settings.public_url)
    return as_json(view, status=status)


@operation(
    blueprint,
    "GET",
    "/v1/documents/{document_id}/preview",
    summary="What awaits approval, as it will look, with a watermark: application/pdf if Accept "
    "names it first, else PreviewedDocument. The digest beside it is what a decision names.",
    action=Action.APPROVE_DOCUMENT,
    answers={200: PreviewedDocument},
    also=(PDF,),
    errors=(NotFoundError, ApprovalRefusedError, RenderError, LintError, UnavailableError),
)
def preview_document(call: Call) -> Response:
    document = authorised(call)
    linted = preview_awaiting(document, reader_of(call), room=call.house.preview_room)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if call.names_first(PDF):
        told = {"Content-Type": PDF, "Tra-Content-Digest": f"sha-256:{document.content_digest}"}
        return Response(linted.pdf, headers={**headers, **told})
    view = PreviewedDocument.of(document, linted.pdf, linted.pages)
    return as_json(view, headers=headers)


@operation(
    blueprint,
    "POST",
    "/v1/documents/{document_id}/approvals",
    summary="Approve a document, reject it, or return it for correction, with the second factor; "
    "the decision names the digest of what was seen. A repeat changes nothing.",
    action=Action.APPROVE_DOCUMENT,
    body=DecideDocument,
    answers={200: ApprovalView},
    errors=(*_DECIDING, NotFoundError, ApprovalRefusedError),
)
def decide_document(call: Call) -> Response:
    raw = call.json_object()
    body = parse(DecideDocument, raw)
    if not is_identifier(call.path["document_id"]):
        raise NotFoundError
    asked = body.asked_for(call.path["document_id"])
    document = approve_one(
        asked, _Approver(call), _factor(call, raw, body.shown()), room=call.house.approval_room
    )
    _tell([Answer(asked, Outcome.DECIDED, document)])
    # Perhaps a repeat; recorded once, if it is none.
    _as_told(call, [Answer(asked, Outcome.ALREADY, document)])
    return _case_view(call, _part(call, document))


@operation(
    blueprint,
    "POST",
    "/v1/approvals",
    summary="Decide on a list of up to 1,000 documents with one second factor. Each digest is "
    "named, each document may be refused, and each has an outcome of its own; what was not come "
    "to in time goes on when the same request is sent again.",
    action=Action.APPROVE_DOCUMENT,
    body=DecideMany,
    answers={200: ListDecided},
    errors=_DECIDING,
)
def decide_list(call: Call) -> Response:
    raw = json_object(call.body(MOST_LIST_BYTES))
    body = parse(DecideMany, raw)
    answers = approve(
        body.asked,
        _Approver(call),
        _factor(call, raw, body.shown()),
        room=call.house.approval_room,
        in_time=_in_time,
    )
    _tell(answers)
    return as_json(ListDecided.of(_as_told(call, answers), thai=call.thai))


def _as_told(call: Call, answers: Sequence[Answer]) -> list[Answer]:
    """With each document as far as who decided on it may know of it by now. Who repeats a decision
    learns what became of it since: of a classified document that is an access of its own (C5)."""
    repeated = [one.document for one in answers if one.outcome is Outcome.ALREADY and one.document]
    call.shown(repeated, Resource.of)
    return [replace(one, document=one.document and _part(call, one.document)) for one in answers]


def _part(call: Call, document: Document) -> Document:
    """To who decided on it and may know no more of it by now (a central approver, or somebody who
    is not named any more): the own decision, and what came of it just then."""
    case = document.approval
    if case is None or call.may(Resource.of(document)):
        return document
    own = tuple(d for d in case.decisions if (d.agency_id, d.by) == call.caller.officer)
    return replace(
        document,
        document_type=document.public_type,
        recipients=(),
        supersedes=None,
        state=_STATE_AFTER[case.state],
        approval=replace(case, decisions=own),
    )


_STATE_AFTER = {
    CaseState.PENDING: DocumentState.AWAITING_APPROVAL,
    CaseState.APPROVED: DocumentState.ACCEPTED,
    CaseState.REJECTED: DocumentState.REJECTED,
    CaseState.RETURNED: DocumentState.REJECTED,
    CaseState.WITHDRAWN: DocumentState.REJECTED,
    CaseState.EXPIRED: DocumentState.REJECTED,
}


def _factor(call: Call, raw: dict[str, Any], shown: ShownFactor) -> Callable[[], FactorUse]:
    """Spends what was shown, for exactly this request."""
    if call.action is None:
        raise ValueError("a public route needs no factor")
    purpose = purpose_of_request(call.action, call.path, raw)
    officer, room = call.caller.officer, call.house.factor_room
    return partial(use_factor, officer, shown, purpose=purpose, room=room)


def _in_time() -> bool:
    context: Any = blueprint.lambda_context
    return int(context.get_remaining_time_in_millis()) > _STOPS_MILLIS


@dataclass(frozen=True, slots=True)
class _Approver:
    """Who decides, by the appointment that opens each document."""

    call: Call

    @property
    def officer(self) -> Officer:
        return self.call.caller.officer

    def appointments_for(self, documents: Sequence[Document]) -> Sequence[str | TraError]:
        found = self.call.authorise_each([Resource.of(document) for document in documents])
        return [one if isinstance(one, TraError) else _appointment_of(one) for one in found]


def _appointment_of(actor: Actor) -> str | TraError:
    """An application has none: nobody but an officer decides (B7)."""
    return actor.appointment_id or NotFoundError()


def _tell(answers: Sequence[Answer]) -> None:
    for outcome in Outcome:
        number = sum(answer.outcome is outcome for answer in answers)
        if number:
            count(f"Approval{outcome.name.title().replace('_', '')}", number)
    first = answers[0].asked.document_id
    logger.info(LogEvent.APPROVED, extra={"document_id": first, "decisions": len(answers)})


@operation(
    blueprint,
    "POST",
    "/v1/documents/{document_id}/withdrawal",
    summary="Take a document back before it is approved: it ends as rejected. A repeat changes "
    "nothing.",
    action=Action.WITHDRAW_DOCUMENT,
    body=WithdrawDocument,
    answers={200: ApprovalView},
    errors=(
        NotFoundError,
        ApprovalRefusedError,
        UnavailableError,
    ),
)
def withdraw_document(call: Call) -> Response:
    parse(WithdrawDocument, call.json_object())
    document = authorised(call)
    withdrawn = withdraw_case(document, call.caller.subject, room=call.house.case_room)
    count("DocumentWithdrawn")
    logger.info(LogEvent.WITHDRAWN, extra={"document_id": document.document_id})
    return _case_view(call, withdrawn)
