"""Function `receive`: what agencies' own systems answer by the reply queue (docs/adr/0041).

Whoever may send to that queue may send anything: nothing is believed of a message but what the
signature of its statement proves. A message is `{"receipt": "<jws>"}`, `{"rejection": "<jws>"}`, or
a CloudEvent with one of these as its data.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.bootstrap import house
from chalicelib.domain.errors import AnswerRefusedError, MalformedRequestError, NotFoundError
from chalicelib.domain.receipt_judgement import Refusal
from chalicelib.domain.statements import MOST_JWS
from chalicelib.domain.strict_json import json_object
from chalicelib.handlers.messages import Message, Report, attempt, report_of
from chalicelib.handlers.telemetry import LogEvent, count, instrumented, logger
from chalicelib.services.take_answer import AnswerKind, take_answer

blueprint = Blueprint(__name__)

# The queue's real name comes with the deployment (infra/resources.yaml).
_REPLIES = "replies"

_LARGEST = 2 * MOST_JWS
"""Characters of a message: one statement, and what lies around it."""

_NO_SUCH_DELIVERY = "no_such_delivery"


@blueprint.on_sqs_message(queue=_REPLIES, batch_size=10, name="receive")
@instrumented
def receive(event: SQSEvent) -> Report:
    """Take the answer of each message. One that can never be believed is let go, and the
    supervisor hears of it (A28); what could be read of it is kept with its delivery."""
    failed: list[Message] = []
    for record in event.to_dict()["Records"]:
        message = Message(record["messageId"], "")
        work = partial(_take, message, record["body"])
        failed += attempt(message, work, delayed=LogEvent.ANSWER_DELAYED)
    return report_of(failed)


def _take(message: Message, body: str) -> None:
    answer = _read(body)
    if answer is None:
        _let_go(message, Refusal.UNREADABLE)
        return
    kind, jws = answer
    try:
        answered = take_answer(jws, kind, room=house().answer_room)
    except AnswerRefusedError as error:
        _let_go(message, error.reason, error.delivery_id)
    except NotFoundError:
        _let_go(message, _NO_SUCH_DELIVERY)
    else:
        count("AnswerTaken")
        extra = {
            "delivery_id": answered.delivery.delivery_id,
            "state": answered.delivery.state,
            "new": answered.new,
        }
        logger.info(LogEvent.ANSWER_TAKEN, extra=extra)


def _read(body: str) -> tuple[AnswerKind, str] | None:
    """The one statement of a message; None if there is no such thing in it."""
    if len(body) > _LARGEST:
        return None
    try:
        told = json_object(body)
    except MalformedRequestError:
        return None
    data: Any = told.get("data") if "specversion" in told else told
    if not isinstance(data, dict):
        return None
    named = [kind for kind in AnswerKind if isinstance(data.get(kind), str)]
    return (named[0], data[named[0]]) if len(named) == 1 else None


def _let_go(message: Message, reason: str, delivery_id: str | None = None) -> None:
    """Coming again it would be refused again. Nothing of what it says is logged."""
    count("AnswerRefused")
    extra = {"message_id": message.message_id, "reason": reason, "delivery_id": delivery_id}
    logger.warning(LogEvent.ANSWER_REFUSED, extra=extra)
