"""What every route has in common: identity, access, errors, and its place in openapi.json.

A route is declared once, with `operation`, and the declaration is what runs, what
is documented, and what the tests about the whole look at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote

from chalice.app import Blueprint, Request, Response
from pydantic import BaseModel

from chalicelib.bootstrap import House, house
from chalicelib.domain.access import Action, Actor, Resource, Verdict, decide
from chalicelib.domain.appointing import SUBJECT
from chalicelib.domain.errors import (
    AnswerRefusedError,
    FactorLockedError,
    ForbiddenError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    RequestTooLargeError,
    TraError,
)
from chalicelib.domain.strict_json import json_object
from chalicelib.handlers import access_hook
from chalicelib.handlers.authorizer import authorizer, identity_of
from chalicelib.handlers.problems import problem, unexpected
from chalicelib.handlers.telemetry import LogEvent, count, flush, logger, tracer
from chalicelib.services.identify import identify

_T = TypeVar("_T")

# A document's content lies twice, as it is and for searching, in one DynamoDB item (400 kB).
MAX_BODY_BYTES = 128 * 1024


@dataclass(slots=True, kw_only=True)
class Call:
    """One request, as a view sees it.

    `actors` is who asks, once for each appointment that allows the route's action: role and
    clearance must come from one and the same. A public route has none.
    """

    house: House
    request: Request
    path: Mapping[str, str]
    actors: tuple[Actor, ...]
    action: Action | None
    thai: bool
    _caller: Actor | None = field(default=None, init=False)

    @property
    def caller(self) -> Actor:
        """Who asks, as the appointment that allowed what was asked last; only routes that name
        an action have one."""
        if not self.actors:
            raise ValueError("a public route has no caller")
        return self._caller or self.actors[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(self.request.query_params or {})

    def wants_html(self) -> bool:
        """A browser asks: `text/html` is named in Accept before JSON is."""
        accept = str(self.request.headers.get("accept", "")).lower()
        html, plain = accept.find("text/html"), accept.find("application/json")
        return html >= 0 and (plain < 0 or html < plain)

    def names_first(self, media_type: str) -> bool:
        """Whether Accept names this type first: only then the gateway hands its bytes on."""
        accept = str(self.request.headers.get("accept", ""))
        return re.split("[,;]", accept, maxsplit=1)[0].strip().lower() == media_type

    @property
    def media_type(self) -> str:
        """Of the body, without parameters."""
        declared = str(self.request.headers.get("content-type", ""))
        return declared.partition(";")[0].strip().lower()

    def body(self, at_most: int) -> bytes:
        """The bytes of the body. Raises RequestTooLargeError."""
        body = self.request.raw_body or b""
        raw = body.encode() if isinstance(body, str) else body
        if len(raw) > at_most:
            raise RequestTooLargeError(
                f"The body has {len(raw)} bytes; at most {at_most} are accepted.",
                f"เนื้อหามี {len(raw)} ไบต์ รับได้ไม่เกิน {at_most} ไบต์",
            )
        return raw

    def json_object(self) -> dict[str, Any]:
        """The body. Raises RequestTooLargeError, MalformedRequestError."""
        return json_object(self.body(MAX_BODY_BYTES))

    def demand(self, action: Action) -> None:
        """What this request wants besides its route's action. Raises ForbiddenError."""
        self.actors = _permitted(self.actors, action, None)
        if self._caller not in self.actors:
            self._caller = None

    def authorise(self, resource: Resource) -> None:
        """Records the access where that is due (`access_log.is_logged`). Raises NotFoundError for
        what the caller may not know of, ForbiddenError for what it may know of but not do (P6),
        UnavailableError if an access cannot be recorded."""
        if self.action is None:
            raise ValueError("a public route authorises nothing")
        self._caller = _permitted(self.actors, self.action, resource)[0]
        self._record(self.action, [(self._caller, resource)])

    def authorise_each(self, things: Sequence[Resource]) -> list[Actor | TraError]:
        """`authorise` for each of many things: who asks, as the appointment that allows it, or what
        `authorise` would raise. What is allowed is recorded, all of it together. Raises
        UnavailableError if that cannot be."""
        if self.action is None:
            raise ValueError("a public route authorises nothing")
        found = [self._actor_or_error(self.action, thing) for thing in things]
        pairs = zip(found, things, strict=True)
        self._record(self.action, [(a, thing) for a, thing in pairs if isinstance(a, Actor)])
        return found

    def _actor_or_error(self, action: Action, thing: Resource) -> Actor | TraError:
        try:
            return _permitted(self.actors, action, thing)[0]
        except (NotFoundError, ForbiddenError) as error:
            return error

    def note(self, action: Action, resource: Resource) -> None:
        """Record that this request, which was authorised, does something else with the thing as
        well: a letter's file is read where its arrival is shown. Raises UnavailableError."""
        self._record(action, [(self.caller, resource)])

    def reach(self, action: Action, resource: Resource) -> bool:
        """Whether another thing, too, is open to this request for something besides its route's
        action: what a document replaces. Recorded where that is due. Raises UnavailableError if
        it cannot be."""
        actor = self._first_allowed(action, resource)
        if actor is None:
            return False
        asked = access_hook.Asked(action, action, self.request.context)
        access_hook.record([(actor, resource)], asked, house=self.house)
        return True

    def shown(self, items: Iterable[_T], thing_of: Callable[[_T], Resource]) -> list[_T]:
        """Those of a list's items that are open to who asks. Each that is classified is recorded
        by itself: who asks for the accesses to it hears of the list, too (C5). Raises
        UnavailableError if that cannot be."""
        if self.action is None:
            raise ValueError("a public route shows nothing that is not everybody's")
        shown, accesses = [], []
        for item in items:
            thing = thing_of(item)
            actor = self._first_allowed(self.action, thing)
            if actor is not None:
                shown.append(item)
                accesses.append((actor, thing))
        classified = [(a, thing) for a, thing in accesses if thing.is_classified]
        self._record(self.action, classified)
        return shown

    def _record(self, action: Action, accesses: Sequence[access_hook.Access]) -> None:
        if self.action is not None:
            asked = access_hook.Asked(self.action, action, self.request.context)
            access_hook.record(accesses, asked, house=self.house)

    def _first_allowed(self, action: Action, resource: Resource | None) -> Actor | None:
        allowed = (
            actor
            for actor in self.actors
            if decide(actor, action, resource).verdict is Verdict.ALLOW
        )
        return next(allowed, None)

    def may(self, resource: Resource | None = None, action: Action | None = None) -> bool:
        """Whether this is open to who asks (the route's action, unless another one is named):
        what a list leaves out, and what an answer offers. Nothing is refused by it."""
        asked = action or self.action
        return asked is not None and self._first_allowed(asked, resource) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A route as declared; `openapi.py` writes it down."""

    method: str
    path: str
    name: str
    summary: str
    action: Action | None
    also_action: Action | None
    answers: Mapping[int, type[BaseModel] | str]
    also: tuple[type[BaseModel] | str, ...] = ()
    body: type[BaseModel] | None = None
    accepts: tuple[str, ...] = ()
    query: type[BaseModel] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[type[TraError], ...] = ()


OPERATIONS: list[Operation] = []

_OF_A_BODY = (MalformedRequestError, RequestTooLargeError, InvalidRequestError)
"""What every body can be refused with."""

View = Callable[[Call], Response]


def operation(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    summary: str,
    answers: Mapping[int, type[BaseModel] | str],
    also: tuple[type[BaseModel] | str, ...] = (),
    action: Action | None = None,
    also_action: Action | None = None,
    body: type[BaseModel] | None = None,
    accepts: tuple[str, ...] = (),
    query: type[BaseModel] | None = None,
    headers: Mapping[str, str] | None = None,
    errors: tuple[type[TraError], ...] = (),
) -> Callable[[View], View]:
    """Declare a route. Without `action` it is public; `also_action` is what some of its
    requests need besides. `also` are other forms of the 200
    answer: models, or media types of files; `accepts` are other media types of the body. `errors`
    are those of the route itself: what a `body` can be refused with goes without saying."""

    def declare(view: View) -> View:
        OPERATIONS.append(
            Operation(
                method=method,
                path=path,
                name=view.__name__,
                summary=summary,
                action=action,
                also_action=also_action,
                answers=answers,
                also=also,
                body=body,
                accepts=accepts,
                query=query,
                headers=headers or {},
                errors=(*_OF_A_BODY, *errors) if body else errors,
            )
        )

        def routed(**path_values: str) -> Response:
            return _answer(blueprint.current_request, view, action, path_values)

        routed.__name__ = view.__name__
        blueprint.route(
            path,
            methods=[method],
            authorizer=authorizer if action else None,
            content_types=["*/*"],
        )(routed)
        return view

    return declare


@tracer.capture_method(capture_response=False, capture_error=False)
def _answer(
    request: Request, view: View, action: Action | None, path: Mapping[str, str]
) -> Response:
    """The one `try` of all routes: whatever is raised becomes a problem document."""
    thai = _prefers_thai(request.headers.get("accept-language", ""))
    instance = request.context.get("path") or request.path
    logger.clear_state()
    logger.set_correlation_id(request.context.get("requestId"))
    try:
        the_house = house()
        call = Call(
            house=the_house,
            request=request,
            path=path,
            actors=_identify(request, action, the_house),
            action=action,
            thai=thai,
        )
        return view(call)
    except TraError as error:
        answer = problem(error, instance=instance, thai=thai)
        _log_refusal(error, answer.status_code, view)
        return answer
    except Exception as error:  # noqa: BLE001 - the edge: nothing unforeseen may leak out
        count("RequestFailed")
        logger.error(
            LogEvent.REQUEST_FAILED,
            extra={"error": type(error).__name__, "view": view.__name__, "at": _where(error)},
        )
        return unexpected(instance=instance, thai=thai)
    finally:
        flush()


_Asked = Callable[[dict[str, Any], object], dict[str, Any]]


def quiet(work: _Asked) -> _Asked:
    """A function that another one asks, and hands what may be classified: the runtime logs what it
    raises, with its words, and an error that nobody foresaw may quote what it was given."""

    @wraps(work)
    def answered(event: dict[str, Any], context: object) -> dict[str, Any]:
        try:
            return work(event, context)
        except TraError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_answer`
            extra = {"error": type(error).__name__, "view": work.__name__, "at": _where(error)}
            logger.error(LogEvent.REQUEST_FAILED, extra=extra)
        raise RuntimeError("The function failed; its log says where.")

    return answered


def _log_refusal(error: TraError, status: int, view: View) -> None:
    extra: dict[str, Any] = {"code": error.code, "status": status, "view": view.__name__}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        count("RequestFailed")
        logger.error(LogEvent.REQUEST_FAILED, extra={**extra, "detail": error.detail})
    else:
        if isinstance(error, AnswerRefusedError):
            # As from the reply queue: the supervisor hears of it (A28).
            count("AnswerRefused")
            extra |= {"reason": error.reason, "delivery_id": error.delivery_id}
        if isinstance(error, FactorLockedError):
            count("FactorLocked")
        count("RequestRefused")
        logger.info(LogEvent.REQUEST_REFUSED, extra=extra)


def _identify(request: Request, action: Action | None, the_house: House) -> tuple[Actor, ...]:
    """Whom the token names, as each of the appointments that allow the action now."""
    if action is None:
        return ()
    now = the_house.clock()
    context = request.context.get("authorizer") or {}
    identity = identity_of(context, now=now.timestamp())
    if identity.agency_id:
        logger.append_keys(agency_id=identity.agency_id)
    actors = identify(identity, officers=the_house.officers, at=now)
    logger.append_keys(agency_id=actors[0].agency_id)
    return _permitted(actors, action, None)


def _permitted(
    actors: tuple[Actor, ...], action: Action, resource: Resource | None
) -> tuple[Actor, ...]:
    """Those who may; never none. Raises what the first of them is told, and NotFoundError if any
    of them must not know of the thing."""
    decisions = [(actor, decide(actor, action, resource)) for actor in actors]
    allowed = tuple(actor for actor, found in decisions if found.verdict is Verdict.ALLOW)
    if allowed:
        return allowed
    if any(found.verdict is Verdict.HIDE for _, found in decisions):
        raise NotFoundError
    reason = decisions[0][1].reason
    detail, detail_th = _FORBIDDEN[reason]
    raise ForbiddenError(reason, detail.format(action.value), detail_th.format(action.value))


_FORBIDDEN = {
    "scope_missing": (
        "The token lacks the scope {0}. Ask the issuer for a token with it.",
        "โทเคนไม่มีสิทธิ (scope) {0} โปรดขอโทเคนที่มีสิทธินี้",
    ),
    "role_missing": (
        "None of the roles to which you are appointed may do {0}.",
        "บทบาทที่ท่านได้รับแต่งตั้งไม่มีสิทธิ {0}",
    ),
    "clearance_missing": (
        "Your clearance does not reach this classification, so you may not do {0}.",
        "ชั้นความลับที่ท่านเข้าถึงได้ไม่ถึงชั้นความลับนี้ จึงไม่มีสิทธิ {0}",
    ),
    "officer_missing": (
        "Only an officer may do {0} with classified documents, not an application.",
        "เฉพาะเจ้าหน้าที่เท่านั้นที่มีสิทธิ {0} กับเอกสารที่มีชั้นความลับ ระบบงานไม่มีสิทธิ",
    ),
}


_IDENTIFIER = re.compile(r"[0-9A-Za-z-]{1,64}")


def is_identifier(text: str) -> bool:
    """Whether this can be an id or a code; anything else needs no look into the database."""
    return _IDENTIFIER.fullmatch(text) is not None


def named_in_path(call: Call, member: str) -> str:
    """What an issuer calls somebody or something, quoted in the path. Raises NotFoundError for what
    can be no such name: it needs no look into the database."""
    name = unquote(call.path[member])
    if re.fullmatch(SUBJECT, name) is None:
        raise NotFoundError
    return name


def _prefers_thai(accept_language: str) -> bool:
    """Whether Thai stands before English, by quality and then by order (RFC 9110, 12.5.4)."""
    ranked = []
    for position, part in enumerate(accept_language.lower().split(",")):
        tag, _, parameters = part.strip().partition(";")
        quality = _quality(parameters)
        if quality > 0 and tag.split("-")[0] in {"th", "en"}:
            ranked.append((-quality, position, tag.split("-")[0]))
    return bool(ranked) and min(ranked)[2] == "th"


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _where(error: BaseException) -> str:
    """File and line of the fault: enough to find it, and never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
