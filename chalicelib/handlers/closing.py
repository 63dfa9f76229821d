"""The end of a register year: the function that closes it, and its statement for everybody."""

from __future__ import annotations

from chalice.app import Blueprint, CloudWatchEvent, Cron, Response

from chalicelib.bootstrap import house
from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.domain.registers import statement_key
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.register_path import register_of
from chalicelib.handlers.telemetry import LogEvent, count, instrumented, logger
from chalicelib.services.close import close_all

blueprint = Blueprint(__name__)

_LINK_SECONDS = 300

# Five past each hour: at 00:05 on 1 January in Bangkok the old year is over, and what has to
# wait for its last documents is closed within the hour they end.
_HOURLY = Cron(5, "*", "*", "*", "?", "*")


@blueprint.schedule(_HOURLY, name="close")
@instrumented
def close(_event: CloudWatchEvent) -> dict[str, int]:
    """Close every register whose year is over (A18, A22)."""
    done = close_all(room=house().closing_room)
    for register, error in done.failed:
        logger.error(
            LogEvent.CLOSING_FAILED,
            extra={"register_id": register.register_id, "code": error.code, "detail": error.detail},
        )
    counts = {"closed": done.closed, "waiting": done.waiting, "failed": len(done.failed)}
    count("RegisterClosed", done.closed)
    count("RegisterClosingFailed", len(done.failed))
    logger.info(LogEvent.CLOSED, extra=counts)
    return counts


@operation(
    blueprint,
    "GET",
    "/v1/registers/{agency}/{book}/{year}/statement",
    summary="The signed statement of a closed register year, by a redirect.",
    answers={303: "Redirect to the statement, a compact JWS (ES256)."},
    errors=(NotFoundError, UnavailableError),
)
def show_statement(call: Call) -> Response:
    register = register_of(call)
    file = call.house.archive.find(statement_key(register))
    if file is None:
        raise NotFoundError
    link = call.house.archive.link(file, filename="closing.jws", seconds=_LINK_SECONDS)
    return Response("", status_code=303, headers={"Location": link})
