"""Who asks: the token is verified here, what it allows is decided elsewhere.

The function does not refuse by policy, because the gateway would then answer for
it, with one text for every cause. It hands on either verified claims or the fault
it found, and `operations.py` refuses every request without claims (ADR 0005).
"""

from __future__ import annotations

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib.bootstrap import house
from chalicelib.domain.access import Actor, Role
from chalicelib.domain.errors import UnauthenticatedError, UnavailableError
from chalicelib.handlers.telemetry import LogEvent, logger

blueprint = Blueprint(__name__)

# How long the gateway may reuse an answer for the same token. `operations.py` checks
# `exp` on each request, so a token never outlives itself by this.
_CACHE_SECONDS = 60
_BEARER = "bearer "
_MOST_NAME = 100


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
    """Claims as the gateway carries them: strings only."""
    if not header.lower().startswith(_BEARER):
        raise UnauthenticatedError(
            "malformed",
            "Send the token as 'Authorization: Bearer <token>'.",
            "โปรดส่งโทเคนในรูป 'Authorization: Bearer <token>'",
        )
    claims = house().token_verifier.verify(header[len(_BEARER) :].strip())
    return {
        "sub": str(claims["sub"]),
        "agency": str(claims["agency"]),
        "roles": _spaced(claims.get("roles")),
        "scope": _spaced(claims.get("scope")),
        "exp": str(int(claims["exp"])),
        "name": _name(claims.get("name")),
    }


def _name(claim: object) -> str:
    """An officer's name as it may stand in a receipt: one line that can be printed."""
    text = claim if isinstance(claim, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MOST_NAME]


def _spaced(claim: object) -> str:
    """Issuers write several values as a list, or as one text with spaces (RFC 8693)."""
    return " ".join(map(str, claim)) if isinstance(claim, list) else str(claim or "")


def actor_of(context: dict[str, str], *, now: float) -> Actor:
    """The actor of a request, from the authorizer's context. Raises UnauthenticatedError
    unless there are verified claims that still hold at `now` (seconds since 1970)."""
    if context.get("fault") == UnavailableError.code:
        raise UnavailableError(context["detail"], context["detail_th"])
    if "fault" in context:
        raise UnauthenticatedError(context["fault"], context["detail"], context["detail_th"])
    if not context.get("agency") or not context.get("sub"):
        raise UnauthenticatedError("missing", "Send a token.", "โปรดส่งโทเคน")
    if now >= int(context.get("exp", "0")):
        raise UnauthenticatedError(
            "expired", "The token has expired; get a new one.", "โทเคนหมดอายุแล้ว โปรดขอใหม่"
        )
    known = set(Role)
    return Actor(
        agency_id=context["agency"],
        subject=context["sub"],
        roles=frozenset(Role(role) for role in context.get("roles", "").split() if role in known),
        scopes=frozenset(context.get("scope", "").split()),
        name=context.get("name", ""),
    )
