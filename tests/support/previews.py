"""The `preview` function at the other end of the call, in this process."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from chalicelib.adapters.preview_function import PreviewFunction, answer
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.adapters.typst_copy import TypstCopyPrinter
from chalicelib.adapters.typst_register import TypstRegisterPrinter


class _NearLambda:
    def __init__(self) -> None:
        self._renderer, self._printer = TypstRenderer(), TypstRegisterPrinter()
        self._copier = TypstCopyPrinter()

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == "preview"
        told = answer(json.loads(Payload), self._renderer, self._printer, self._copier)
        return {"Payload": BytesIO(json.dumps(told).encode())}


def near_preview() -> PreviewFunction:
    """As the API has it, but no network between."""
    return PreviewFunction(_NearLambda(), "preview")  # type: ignore[arg-type]  # what is used of it
