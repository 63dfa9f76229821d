"""Status lists by the `status` function (port: StatusLists), which alone may sign them.

Both ends of the call live here: what `StatusFunction` sends, `answer` reads. A container of the
API keeps a list for a few seconds, so that a list many ask for is signed a few times a minute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.functions import ask
from chalicelib.domain.registers import Register
from chalicelib.domain.status_list import Page, Purpose
from chalicelib.ports import Clock, SignedList

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

Make = Callable[[Register, Purpose, Page], SignedList]

_KEPT_FOR = timedelta(seconds=10)
_MOST_KEPT = 64


class StatusFunction:
    """Lambda Invoke, request and response."""

    def __init__(self, client: LambdaClient, function_name: str, *, clock: Clock) -> None:
        self._client = client
        self._function_name = function_name
        self._clock = clock
        self._kept: OrderedDict[str, tuple[datetime, SignedList]] = OrderedDict()

    def get(self, register: Register, purpose: Purpose, page: Page) -> SignedList:
        key = f"{register.register_id} {purpose} {page}"
        kept = self._kept.get(key)
        if kept is None or not kept[0] <= self._clock() < kept[0] + _KEPT_FOR:
            kept = self._clock(), self._ask(register, purpose, page)
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return kept[1]

    def _ask(self, register: Register, purpose: Purpose, page: Page) -> SignedList:
        question = {
            "register_id": register.register_id,
            "purpose": purpose.value,
            "page": str(page),
        }
        body = ask(
            self._client,
            self._function_name,
            question,
            doing="status list",
            failed="The status list could not be made; repeat the request.",
        )
        return SignedList(body["jwt"], body["etag"])


def answer(event: Mapping[str, Any], make: Make) -> dict[str, Any]:
    """What the function answers to what `StatusFunction` sent. Raises ValueError for anything
    else: nobody but the API asks."""
    page = Page.parse(event["page"])
    if page is None:
        raise ValueError("no page has this name")
    register = Register.parse(event["register_id"])
    made = make(register, Purpose(event["purpose"]), page)
    return {"jwt": made.jwt, "etag": made.etag}
