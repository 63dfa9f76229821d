"""Pages by the `preview` function (ports: Previewer, PagePainter, RegisterPrinter, CopyPrinter),
called synchronously.

Both ends of the call live here: what `PreviewFunction` sends, `answer` reads. A request
without `kind` is a document's preview; `"kind": "register"` is a register on paper,
`"kind": "picture"` a document as a picture, `"kind": "copy"` a received letter with its stamp.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.functions import ask
from chalicelib.adapters.png_stack import stacked
from chalicelib.domain.directory import Paper
from chalicelib.domain.errors import LintError, NoPictureError, RenderError, TemplateLimitError
from chalicelib.domain.presentation import Attachment, Relationship
from chalicelib.ports import (
    CopyPrinter,
    LintedPdf,
    RegisterPrinter,
    RegisterSheet,
    Renderer,
    RenderRequest,
    Side,
    StampSheet,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_REGISTER = "register"
_PICTURE = "picture"
_COPY = "copy"
_BETWEEN_SIDES = 24  # pixels
_FAULTS = {fault.code: fault for fault in (RenderError, TemplateLimitError, LintError)}


class PreviewFunction:
    """Lambda Invoke, request and response; nothing is stored on the way."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def render(self, request: RenderRequest) -> LintedPdf:
        body = self._ask(_to_wire(request))
        return LintedPdf(base64.b64decode(body["pdf"]), body["pages"])

    def paint(self, request: RenderRequest, side: Side, width: int) -> bytes:
        asked = {"kind": _PICTURE, "side": side.value, "width": width}
        png = self._ask({**_to_wire(request), **asked})["png"]
        if png is None:
            raise NoPictureError
        return base64.b64decode(png)

    def print_register(self, sheet: RegisterSheet) -> bytes:
        body = self._ask({"kind": _REGISTER, "sheet": asdict(sheet)})
        return base64.b64decode(body["pdf"])

    def print_copy(self, sealed: bytes, sheet: StampSheet) -> bytes:
        asked = {"kind": _COPY, "sheet": asdict(sheet)}
        body = self._ask({**asked, "pdf": base64.b64encode(sealed).decode()})
        return base64.b64decode(body["pdf"])

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Raises the fault that the function told of, UnavailableError if it told nothing."""
        body: dict[str, Any] = ask(
            self._client,
            self._function_name,
            question,
            doing="preview",
            failed="The preview failed; repeat the request.",
        )
        if "fault" in body:
            raise _FAULTS[body["fault"]](body["detail"], body["detail_th"])
        return body


def answer(
    event: dict[str, Any], renderer: Renderer, printer: RegisterPrinter, copier: CopyPrinter
) -> dict[str, Any]:
    """What the function answers to what `PreviewFunction` sent."""
    try:
        if event.get("kind") == _COPY:
            return _copy(event, copier)
        if event.get("kind") == _REGISTER:
            return _print(event, printer)
        if event.get("kind") == _PICTURE:
            return _paint(event, renderer)
        return _render(event, renderer)
    except (RenderError, LintError) as error:
        return {"fault": error.code, "detail": error.detail, "detail_th": error.detail_th}


def _print(event: Mapping[str, Any], printer: RegisterPrinter) -> dict[str, Any]:
    sheet = event["sheet"]
    rows = tuple(tuple(row) for row in sheet["rows"])
    pdf = printer.print_register(
        RegisterSheet(**{**sheet, "heads": tuple(sheet["heads"]), "rows": rows})
    )
    return {"pdf": base64.b64encode(pdf).decode()}


def _copy(event: Mapping[str, Any], copier: CopyPrinter) -> dict[str, Any]:
    sheet = StampSheet(**{**event["sheet"], "lines": tuple(event["sheet"]["lines"])})
    pdf = copier.print_copy(base64.b64decode(event["pdf"]), sheet)
    return {"pdf": base64.b64encode(pdf).decode()}


def _render(event: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    request = _from_wire(event)
    linted = renderer.lint(renderer.render(request), request)
    return {"pdf": base64.b64encode(linted.pdf).decode(), "pages": linted.pages}


def _paint(event: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    """`png` is None if the document has no such side."""
    pages = renderer.draw(_from_wire(event), event["width"])
    wanted = {Side.FRONT: pages[:1], Side.BACK: pages[1:2], Side.BOTH: pages[:2]}[
        Side(event["side"])
    ]
    png = base64.b64encode(stacked(wanted, between=_BETWEEN_SIDES)).decode() if wanted else None
    return {"png": png}


def _from_wire(event: Mapping[str, Any]) -> RenderRequest:
    return RenderRequest(
        document_type=event["document_type"],
        type_version=event["type_version"],
        max_pages=event["max_pages"],
        paper=Paper(**event["paper"]),
        data=event["data"],
        attachments=tuple(map(_attachment, event["attachments"])),
    )


def _to_wire(request: RenderRequest) -> dict[str, Any]:
    return {
        "document_type": request.document_type,
        "type_version": request.type_version,
        "max_pages": request.max_pages,
        "paper": asdict(request.paper),
        "data": request.data,
        "attachments": [
            {
                "name": attachment.name,
                "media_type": attachment.media_type,
                "relationship": attachment.relationship,
                "data": base64.b64encode(attachment.data).decode(),
            }
            for attachment in request.attachments
        ],
    }


def _attachment(wire: Mapping[str, str]) -> Attachment:
    return Attachment(
        name=wire["name"],
        media_type=wire["media_type"],
        relationship=Relationship(wire["relationship"]),
        data=base64.b64decode(wire["data"]),
    )
