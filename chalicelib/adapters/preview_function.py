"""Previews by the `preview` function (port: Previewer), called synchronously.

Both ends of the call live here: what `PreviewFunction` sends, `answer` reads.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import translated
from chalicelib.domain.errors import LintError, RenderError, UnavailableError
from chalicelib.ports import LintedPdf, Renderer, RenderRequest

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_FAULTS = {fault.code: fault for fault in (RenderError, LintError)}


class PreviewFunction:
    """Lambda Invoke, request and response; nothing is stored on the way."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def render(self, request: RenderRequest) -> LintedPdf:
        with translated("preview"):
            reply = self._client.invoke(
                FunctionName=self._function_name, Payload=json.dumps(_to_wire(request)).encode()
            )
            body = reply["Payload"].read()
        if reply.get("FunctionError"):
            raise UnavailableError("The preview failed; repeat the request.")
        return _from_wire(json.loads(body))


def answer(event: dict[str, Any], renderer: Renderer) -> dict[str, Any]:
    """What the function answers to what `PreviewFunction.render` sent."""
    request = RenderRequest(
        document_type=event["document_type"],
        type_version=event["type_version"],
        max_pages=event["max_pages"],
        data=event["data"],
        attachment=base64.b64decode(event["attachment"]),
    )
    try:
        linted = renderer.lint(renderer.render(request), request)
    except (RenderError, LintError) as error:
        return {"fault": error.code, "detail": error.detail, "detail_th": error.detail_th}
    return {"pdf": base64.b64encode(linted.pdf).decode(), "pages": linted.pages}


def _to_wire(request: RenderRequest) -> dict[str, Any]:
    return {
        "document_type": request.document_type,
        "type_version": request.type_version,
        "max_pages": request.max_pages,
        "data": request.data,
        "attachment": base64.b64encode(request.attachment).decode(),
    }


def _from_wire(body: dict[str, Any]) -> LintedPdf:
    if "fault" in body:
        raise _FAULTS[body["fault"]](body["detail"], body["detail_th"])
    return LintedPdf(base64.b64decode(body["pdf"]), body["pages"])
