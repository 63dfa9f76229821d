"""The API of the furnished house over HTTP on this machine, for commands that speak HTTP. A
bearer token is the name of the agency that acts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalicelib.handlers.operations import OPERATIONS
from tests.integration.conftest import Answer, Api
from tests.support.rooms import Fakes


@contextmanager
def served(
    fakes: Fakes, scope: str, *, role: str = "application", clearance: str = "normal"
) -> Iterator[str]:
    """Within, the API answers at the address this gives. One request at a time, as a container
    of a function has it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            who = {"roles": role, "clearance": clearance}
            answer = _asked(Api(fakes), self, scope, who)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            body = answer.text.encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _asked(api: Api, request: BaseHTTPRequestHandler, scope: str, who: dict[str, str]) -> Answer:
    url = urlsplit(request.path)
    body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
    for operation in OPERATIONS:
        names = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", operation.path), url.path)
        if names and operation.method == request.command:
            return api.call(
                request.command,
                operation.path,
                path=names.groupdict(),
                query=dict(parse_qsl(url.query)),
                body=body.decode() or None,
                headers={name.lower(): value for name, value in request.headers.items()},
                authorizer=_context(request.headers.get("Authorization"), scope, who),
            )
    return Answer(404, {}, "")


def _context(authorization: str | None, scope: str, who: dict[str, str]) -> dict[str, Any]:
    if authorization is None:
        return {}
    agency = authorization.removeprefix("Bearer ")
    return {
        "agency": agency,
        "sub": f"{agency}-{who['roles']}",
        **who,
        "scope": scope,
        "exp": "4102444800",
    }
