"""One process with what stands outside Tra in development: PKI, OIDC issuer, agencies' systems.

    python -m infra.devservices --port 8800 --dir build/local/pki --issuer-audience tra

Serves `/pki/…` (see `infra.pki.PkiService`), `/oidc/…` (see `infra.issuer`), `/systems/…` (see
`infra.agency_systems`) and `/healthz`, on 127.0.0.1 only. Ends cleanly on SIGTERM and SIGINT. Port 0 takes a free
one. The line `devservices ready at URL` on standard output says that it answers.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.agency_systems import PREFIX, AgencySystems
from infra.devhttp import NOT_FOUND, Answer, Call, Service
from infra.issuer import DevelopmentIssuer
from infra.pki import DevelopmentPki, PkiService, open_pki

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 1024  # bytes; a time-stamp request has about 100


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the service whose prefix it carries."""

    protocol_version = "HTTP/1.1"  # connections are kept, which halves the cost of a time-stamp
    disable_nagle_algorithm = True  # head and body are two writes; Nagle would add 40 ms
    services: Mapping[str, Service] = {}

    def do_GET(self) -> None:
        self._answer(self._dispatch(b""))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._answer(Answer.of_json({"error": "body_too_large"}, 413))
            return
        self._answer(self._dispatch(self.rfile.read(int(length))))

    def _dispatch(self, body: bytes) -> Answer:
        path = urlsplit(self.path).path
        if path == "/healthz":
            return Answer.of_json({"status": "ok"})
        for prefix, service in self.services.items():
            if path.startswith(f"{prefix}/"):
                return service(
                    Call(self.command, path.removeprefix(prefix), body, dict(self.headers.items()))
                )
        return NOT_FOUND

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")  # unsaid, the next request would be lost
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        """Nothing: token requests would fill the log with names."""


class _Server(ThreadingHTTPServer):
    """Closes the connections that clients keep open when it ends itself: a server that is
    down must not go on answering on them."""

    daemon_threads = True

    def __init__(self, port: int, handler: type[_Handler]) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((_HOST, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was sent away, is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        with self._guard:
            left = list(self._open)
        for connection in left:
            with suppress(OSError):  # gone by itself meanwhile
                connection.shutdown(socket.SHUT_RDWR)


class DevServices:
    """A running server; `url` is its root, `pki` and `issuer` what it serves."""

    def __init__(
        self, server: ThreadingHTTPServer, url: str, pki: DevelopmentPki, issuer: DevelopmentIssuer
    ) -> None:
        self.server = server
        self.url = url
        self.pki = pki
        self.issuer = issuer


def build(port: int, directory: Path, audience: str, *, stage: str) -> DevServices:
    """Bind `port` (0: a free one) and prepare all services; `server.serve_forever()`
    runs them. Raises ConfigurationError for stage `prod`, OSError if the port is taken."""
    services: dict[str, Service] = {}
    server = bind(services, port)
    url = url_of(server)
    try:
        pki = open_pki(directory, f"{url}/pki", stage=stage)
        issuer = DevelopmentIssuer(f"{url}/oidc", audience, stage=stage)
    except BaseException:
        server.server_close()
        raise
    services |= {"/pki": PkiService(pki), "/oidc": issuer, PREFIX: AgencySystems()}
    return DevServices(server, url, pki, issuer)


def bind(services: Mapping[str, Service], port: int = 0) -> ThreadingHTTPServer:
    """A server on loopback for `services` by prefix, not yet answering."""

    class Handler(_Handler):
        """A class of its own, so that two servers in one process do not share services."""

    Handler.services = services
    return _Server(port, Handler)


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://{_HOST}:{server.server_port}"


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[str]:
    """Answer in a thread of this process for the length of a `with`; gives the URL."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield url_of(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(directory: Path, audience: str = "tra", *, port: int = 0) -> Iterator[DevServices]:
    """PKI and issuer in a thread of this process for the length of a `with`."""
    services = build(port, directory, audience, stage="local")
    with answering(services.server):
        yield services


def main() -> None:
    arguments = _arguments()
    services = build(
        arguments.port, arguments.dir, arguments.issuer_audience, stage=arguments.stage
    )

    def stop(_signal: int, _frame: object) -> None:
        # shutdown() waits for the loop to end, so it cannot be called from within it.
        threading.Thread(target=services.server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"devservices ready at {services.url}", flush=True)
    services.server.serve_forever(poll_interval=0.1)
    services.server.server_close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="PKI and OIDC issuer. DEVELOPMENT ONLY.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--dir", type=Path, required=True, help="where PKI keys are kept")
    parser.add_argument("--issuer-audience", required=True, help="`aud` of the tokens")
    parser.add_argument("--stage", default=os.environ.get("TRA_STAGE", "local"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
