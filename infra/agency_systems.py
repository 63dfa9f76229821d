"""Agencies' own systems, in development: webhooks that take everything and show what came.

    POST /<agency>   a webhook (docs/guide/channels.md); answers 204
    GET  /<agency>   what came, newest last: {"items": [{"signature": "…", "body": "…"}]}

Nothing is believed or refused here. Who reads it checks the signature.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque

from chalicelib.adapters.webhook import SIGNATURE_HEADER
from infra.devhttp import NOT_FOUND, Answer, Call

_KEPT = 1000


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
