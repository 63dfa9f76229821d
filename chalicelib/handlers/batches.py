"""Batches: many documents from one uploaded file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action, Resource
from chalicelib.domain.batches import (
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    OnError,
    Start,
    body_of,
)
from chalicelib.domain.batches import numbers_given as numbers_given_to
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.errors import (
    BatchMovedError,
    EndedWithoutFileError,
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    TopSecretRefusedError,
    TraError,
    UnavailableError,
    UnknownDocumentTypeError,
)
from chalicelib.domain.things import ThingKind
from chalicelib.handlers.batch_lines import demand_no_approval
from chalicelib.handlers.batch_models import (
    BatchPage,
    BatchView,
    ListBatches,
    ReportForm,
    SubmitBatch,
    default_faults,
)
from chalicelib.handlers.claims import claim_of
from chalicelib.handlers.documents import approval_of, demand_prefix, demand_sender, known_to
from chalicelib.handlers.models import SubmitDocument, parse
from chalicelib.handlers.operations import Call, is_identifier, operation
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services import batches as desk_of
from chalicelib.services.check_batch import REPORT, REPORT_CSV

blueprint = Blueprint(__name__)

_LINK_SECONDS = 300
_CHANGE_ERRORS: tuple[type[TraError], ...] = (NotFoundError, BatchMovedError, UnavailableError)


@operation(
    blueprint,
    "POST",
    "/v1/batches",
    summary="Make a batch: answers with a form to upload its file with. Then POST …/check.",
    action=Action.SUBMIT_DOCUMENT,
    body=SubmitBatch,
    headers={"Idempotency-Key": "Same key and body: same batch. Same key, other body: 422."},
    answers={201: BatchView},
    errors=(
        UnknownDocumentTypeError,
        TopSecretRefusedError,
        IdempotencyKeyReusedError,
        UnavailableError,
    ),
)
def submit_batch(call: Call) -> Response:
    raw = call.json_object()
    claim = claim_of(call, raw)
    batch = call.house.batches.made_by(claim) if claim else None
    if batch is None:
        body = parse(SubmitBatch, raw, known_to(call))
        kind = call.house.types.get(body.document_type)
        if kind is None:
            raise NotFoundError
        # Lines may name recipients, and are let in by nobody else.
        demand_sender(call, kind.book)
        demand_prefix(call, kind)
        demand_no_approval(approval_of(call, kind))
        _demand_defaults(call, kind, body.defaults)
        request = desk_of.BatchRequest(
            agency_id=call.caller.agency_id,
            submitted_by=call.caller.subject,
            document_type=kind,
            file=BatchFile(
                format=body.format,
                mapping=body.mapping,
                encoding=body.encoding,
                delimiter=body.delimiter,
            ),
            on_error=OnError(body.on_error),
            start=Start(body.start),
            defaults=body.defaults,
            claim=claim,
        )
        batch = desk_of.create(request, desk=call.house.batch_desk)
    view = _view(call, batch)
    _log(batch, "made")
    return as_json(view, status=201, headers={"Location": view.links.self})


@operation(
    blueprint,
    "GET",
    "/v1/batches",
    summary="The agency's own batches, newest first.",
    action=Action.SEARCH_DOCUMENTS,
    query=ListBatches,
    answers={200: BatchPage},
    errors=(InvalidRequestError, UnavailableError),
)
def list_batches(call: Call) -> Response:
    query = parse(ListBatches, call.query)
    limit = int(query.limit)
    found = call.house.batches.of_agency(
        call.caller.agency_id, before=query.cursor, limit=limit + 1
    )
    public_url = call.house.settings.public_url
    items = [BatchView.of(b, public_url, numbered=b.numbered) for b in found[:limit]]
    cursor = items[-1].batch_id if len(found) > limit else None
    return as_json(BatchPage(items=items, cursor=cursor))


@operation(
    blueprint,
    "GET",
    "/v1/batches/{batch_id}",
    summary="How far a batch is.",
    action=Action.READ_DOCUMENT,
    answers={200: BatchView},
    errors=(NotFoundError, UnavailableError),
)
def show_batch(call: Call) -> Response:
    return as_json(_view(call, _found(call)))


@operation(
    blueprint,
    "POST",
    "/v1/batches/{batch_id}/check",
    summary="The file is uploaded: check every line of it, before any number is spent.",
    action=Action.SUBMIT_DOCUMENT,
    answers={202: BatchView},
    errors=(NotFoundError, NotReadyError, UnavailableError),
)
def check_batch(call: Call) -> Response:
    return _changed(call, "checked", desk_of.begin_check)


@operation(
    blueprint,
    "POST",
    "/v1/batches/{batch_id}/start",
    summary="Number and issue a batch that was checked (`start: manual`).",
    action=Action.SUBMIT_DOCUMENT,
    answers={202: BatchView},
    errors=_CHANGE_ERRORS,
)
def start_batch(call: Call) -> Response:
    return _changed(call, "started", desk_of.start)


@operation(
    blueprint,
    "POST",
    "/v1/batches/{batch_id}/pause",
    summary="Seal nothing further until it is resumed. Numbering that has begun is ended.",
    action=Action.SUBMIT_DOCUMENT,
    answers={202: BatchView},
    errors=_CHANGE_ERRORS,
)
def pause_batch(call: Call) -> Response:
    return _changed(call, "paused", desk_of.pause)


@operation(
    blueprint,
    "POST",
    "/v1/batches/{batch_id}/resume",
    summary="Go on with a paused batch.",
    action=Action.SUBMIT_DOCUMENT,
    answers={202: BatchView},
    errors=_CHANGE_ERRORS,
)
def resume_batch(call: Call) -> Response:
    return _changed(call, "resumed", desk_of.resume)


@operation(
    blueprint,
    "POST",
    "/v1/batches/{batch_id}/cancel",
    summary="End a batch: what is issued stays, what only has a number ends as void.",
    action=Action.SUBMIT_DOCUMENT,
    answers={202: BatchView},
    errors=_CHANGE_ERRORS,
)
def cancel_batch(call: Call) -> Response:
    by = call.caller.subject
    return _changed(call, "cancelled", lambda ref, *, desk: desk_of.cancel(ref, by=by, desk=desk))


@operation(
    blueprint,
    "GET",
    "/v1/batches/{batch_id}/report",
    summary="Every bad line with pointer, code and what to do, by a redirect to JSON Lines or "
    "CSV. Kept for 30 days after the upload.",
    action=Action.READ_FILE,
    query=ReportForm,
    answers={303: "Redirect to the report. Do not send the token along."},
    errors=(InvalidRequestError, NotFoundError, NotReadyError, UnavailableError),
)
def download_report(call: Call) -> Response:
    batch, form = _found(call), parse(ReportForm, call.query).format
    if not batch.checked.complete:
        raise NotReadyError(
            f"The batch is {batch.stands}; there is a report once it was checked.",
            f"ชุดเอกสารอยู่ในสถานะ {batch.stands} จะมีรายงานเมื่อตรวจเสร็จ",
        )
    name = REPORT_CSV if form == "csv" else REPORT
    link = call.house.batch_files.link(
        batch.ref, name, filename=f"{batch.batch_id}-{name}", seconds=_LINK_SECONDS
    )
    return _redirect(link)


@operation(
    blueprint,
    "GET",
    "/v1/batches/{batch_id}/manifest",
    summary="What became of each line, by a redirect: number, digest, state and verify link. "
    "Archived, write-once.",
    action=Action.READ_FILE,
    answers={303: "Redirect to the manifest (JSON Lines). Do not send the token along."},
    errors=(NotFoundError, NotReadyError, EndedWithoutFileError, UnavailableError),
)
def download_manifest(call: Call) -> Response:
    batch = _found(call)
    if batch.manifest is None and batch.state.ended:
        raise EndedWithoutFileError(
            f"The batch ended as {batch.state}: no document of it was numbered.",
            f"ชุดเอกสารสิ้นสุดในสถานะ {batch.state} โดยไม่มีการออกเลข",
        )
    if batch.manifest is None:
        raise NotReadyError(
            f"The batch is {batch.stands}; there is a manifest when it has ended.",
            f"ชุดเอกสารอยู่ในสถานะ {batch.stands} จะมีบัญชีผลเมื่อสิ้นสุด",
        )
    link = call.house.archive.link(
        batch.manifest, filename=f"{batch.batch_id}-manifest.jsonl", seconds=_LINK_SECONDS
    )
    return _redirect(link)


# -- parts -----------------------------------------------------------------------


def _ref(call: Call) -> BatchRef:
    """Of the caller's own agency: another one's batches do not exist for it (P6)."""
    batch_id = call.path["batch_id"]
    if not is_identifier(batch_id):
        raise NotFoundError
    return BatchRef(call.caller.agency_id, batch_id)


def _found(call: Call) -> Batch:
    """Raises NotFoundError, ForbiddenError."""
    batch = desk_of.find(_ref(call), desk=call.house.batch_desk)
    call.authorise(
        Resource(agency_id=batch.agency_id, thing_id=batch.batch_id, kind=ThingKind.BATCH)
    )
    return batch


def _changed(call: Call, what: str, change: Callable[..., Batch]) -> Response:
    batch = change(_found(call).ref, desk=call.house.batch_desk)
    _log(batch, what)
    return as_json(_view(call, batch), status=202)


def _log(batch: Batch, what: str) -> None:
    count("BatchAsked")
    logger.info(LogEvent.BATCH_ASKED, extra={"batch": str(batch.ref), "asked": what})


def _view(call: Call, batch: Batch) -> BatchView:
    # Who may only look at a batch gets nothing to put a file there with.
    may_upload = call.may(action=Action.SUBMIT_DOCUMENT)
    waits = batch.state is BatchState.AWAITING_UPLOAD and may_upload
    numbered = batch.numbered
    if batch.hold is not None and not numbered:
        numbered = numbers_given_to(batch, call.house.registers.head(batch.register))
    return BatchView.of(
        batch,
        call.house.settings.public_url,
        numbered=numbered,
        progress=call.house.batches.progress(batch.ref) if batch.numbered else None,
        form=call.house.batch_files.invite(batch.ref) if waits else None,
    )


def _demand_defaults(call: Call, kind: DocumentType, defaults: dict[str, Any]) -> None:
    """Held against the type's own example, so that a bad default is told now and not once for
    each line. What depends on a line's content is told there; of shared content only that it
    is an object with fields that the type has."""
    faults = default_faults(defaults)
    unknown = {fault.pointer for fault in faults}
    body = body_of(defaults, {**kind.example, "recipients": []})
    body["document_type"] = kind.name
    try:
        parse(SubmitDocument, body, known_to(call))
    except InvalidRequestError as error:
        told = (
            FieldFault(f"/defaults{fault.pointer}", fault.code, fault.detail, fault.detail_th)
            for fault in error.faults
            if _of_the_defaults(fault, defaults)
        )
        faults += [fault for fault in told if fault.pointer not in unknown]
    if faults:
        raise InvalidRequestError(faults)


def _of_the_defaults(fault: FieldFault, defaults: dict[str, Any]) -> bool:
    """Whether a fault found beside the example's content is one of what all lines share."""
    name, _, within = fault.pointer[1:].partition("/")
    if name == "content" and within:
        return fault.code == "unknown_field"
    return name in defaults and fault.code != "outside_scope"


def _redirect(link: str) -> Response:
    return Response("", status_code=303, headers={"Location": link, "Cache-Control": "no-store"})
