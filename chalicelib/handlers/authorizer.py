"""Who asks: the token is verified here; what that person may do is looked up for each request.

The function does not refuse by policy, because the gateway would then answer for
it, with one text for every cause. It hands on either verified claims or the fault
it found, and `operations.py` refuses every request without claims (ADR 0005).
"""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib.bootstrap import house
from chalicelib.domain.errors import UnauthenticatedError, UnavailableError
from chalicelib.domain.identity import Identity
from chalicelib.handlers.telemetry import LogEvent, logger

blueprint = Blueprint(__name__)

# How long the gateway may reuse an answer for the same token. `operations.py` checks
# `exp` on each request, so a token never outlives itself by this.
_CACHE_SECONDS = 60
_BEARER = "bearer "


@blueprint.authorizer(ttl_seconds=_CACHE_SECONDS)
def authorizer(request: AuthRequest) -> AuthResponse:
    """Verify `Authorization: Bearer <JWT>` against the configured issuer."""
    try:
        context = _identified(request.token)
    except UnauthenticatedError as error:
        logger.info(LogEvent.TOKEN_REFUSED, extra={"reason": error.reason})
        context = {"fault": error.reason, "detail": error.detail, "detail_th": error.detail_th}
    except UnavailableError as error:
        logger.warning(LogEvent.ISSUER_UNREACHABLE)
        context = {"fault": error.code, "detail": error.detail, "detail_th": error.detail_th}
    return AuthResponse(routes=["*"], principal_id=context.get("sub", "nobody"), context=context)


def _identified(header: str) -> dict[str, str]:
    """Whom the token names, as the gateway carries it: strings only. Roles are not in it: what
    a token says of them has no effect (docs/adr/0043)."""
    if not header.lower().startswith(_BEARER):
        raise UnauthenticatedError(
            "malformed",
            "Send the token as 'Authorization: Bearer <token>'.",
            "โปรดส่งโทเคนในรูป 'Authorization: Bearer <token>'",
        )
    identity = house().token_verifier.verify(header[len(_BEARER) :].strip())
    told = {
        "sub": identity.subject,
        "agency": identity.agency_id,
        "client_id": identity.client_id,
        "scope": " ".join(sorted(identity.scopes)),
        "exp": str(identity.until),
    }
    return {name: value for name, value in told.items() if value is not None}


def identity_of(context: Mapping[str, str], *, now: float) -> Identity:
    """Whom a request's token named, from the authorizer's context. Raises UnauthenticatedError
    unless there is a verified identity that still holds at `now` (seconds since 1970)."""
    if context.get("fault") == UnavailableError.code:
        raise UnavailableError(context["detail"], context["detail_th"])
    if "fault" in context:
        raise UnauthenticatedError(context["fault"], context["detail"], context["detail_th"])
    agency_id, client_id = context.get("agency") or None, context.get("client_id") or None
    if not context.get("sub") or (agency_id is None and client_id is None):
        raise UnauthenticatedError("missing", "Send a token.", "โปรดส่งโทเคน")
    until = int(context.get("exp", "0"))
    if now >= until:
        raise UnauthenticatedError(
            "expired", "The token has expired; get a new one.", "โทเคนหมดอายุแล้ว โปรดขอใหม่"
        )
    return Identity(
        subject=context["sub"],
        agency_id=agency_id,
        client_id=client_id,
        scopes=frozenset(context.get("scope", "").split()),
        until=until,
    )
