"""How views answer."""

from __future__ import annotations

from chalice.app import Response
from pydantic import BaseModel


def as_json(
    view: BaseModel,
    *,
    status: int = 200,
    cache_seconds: int = 0,
    headers: dict[str, str] | None = None,
) -> Response:
    """A model as JSON. What is about one agency is never cached."""
    caching = f"public, max-age={cache_seconds}" if cache_seconds else "no-store"
    return Response(
        view.model_dump_json(),
        status_code=status,
        headers={
            "Content-Type": "application/json",
            "Cache-Control": caching,
            **(headers or {}),
        },
    )
