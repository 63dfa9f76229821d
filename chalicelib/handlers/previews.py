"""The function that renders previews for the API, which must not load a renderer."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.bootstrap import house
from chalicelib.handlers.operations import quiet

blueprint = Blueprint(__name__)


@blueprint.lambda_function(name="preview")
@quiet
def preview(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Render and lint one request; stores nothing, may reach nothing."""
    return house().answer_preview(event)
