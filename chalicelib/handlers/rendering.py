"""How views answer."""

from __future__ import annotations

from chalice.app import Response
from pydantic import BaseModel

from chalicelib.handlers.operations import Call

PDF = "application/pdf"


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


def revalidated(
    call: Call, body: str, *, etag: str, media_type: str, cache_seconds: int
) -> Response:
    """A public answer that may be kept for so long and then be asked for anew: 304 without
    body if the caller has what `etag` names (RFC 9110, 13.1.2). The tag is weak: signatures
    differ from time to time though they say the same."""
    tag = f'W/"{etag}"'
    headers: dict[str, str | list[str]] = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={cache_seconds}",
    }
    named = [each.strip() for each in call.request.headers.get("if-none-match", "").split(",")]
    if tag in named or named == ["*"]:
        return Response("", status_code=304, headers=headers)
    return Response(body, headers={**headers, "Content-Type": media_type})
