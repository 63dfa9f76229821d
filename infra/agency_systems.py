"""Agencies' own systems, in development: webhooks that take everything and show what came.

    POST /<agency>   a webhook (docs/guide/channels.md); answers 204
    GET  /<agency>   what came, newest last: {"items": [{"signature": "…", "body": "…"}]}

Nothing is believed or refused here. Who reads it checks the signature.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import replace

from chalicelib.adapters.webhook import SIGNATURE_HEADER
from chalicelib.domain.directory import Agency
from infra.devhttp import NOT_FOUND, Answer, Call

PREFIX = "/systems"
PLAYED = frozenset({"mot"})
"""Whose webhook answers on a developer's machine. Those of other agencies are addresses that do
not exist: what is sent there fails, and its sender is told so."""

_KEPT = 1000


def played_at(services_url: str, agencies: Iterable[Agency]) -> tuple[Agency, ...]:
    """The agencies, with the webhooks that are played at this address."""
    return tuple(
        replace(agency, webhook_url=f"{services_url}{PREFIX}/{agency.agency_id}")
        if agency.agency_id in PLAYED and agency.webhook_url
        else agency
        for agency in agencies
    )


class AgencySystems:
    """A `Service`; keeps the last thousand messages of each agency, in memory."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._came: dict[str, deque[dict[str, str]]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def __call__(self, call: Call) -> Answer:
        agency_id = call.path.strip("/")
        if not agency_id or "/" in agency_id:
            return NOT_FOUND
        with self._guard:
            if call.method == "GET":
                return Answer.of_json({"items": list(self._came[agency_id])})
            signature = call.headers.get(SIGNATURE_HEADER, "")
            body = call.body.decode("utf-8", "replace")
            self._came[agency_id].append({"signature": signature, "body": body})
        return Answer(204, "application/json", b"")
