"""An agency's own system: a real HTTPS server on loopback, with certificates of its own CA."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "saraban.agency.example"
OTHER_HOST = "other.agency.example"
ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """A running server. A path is its answer: `/204`, `/429`, `/302` (to `/elsewhere`), `/slow`
    (a byte of the head now and then), `/mute` (none), `/endless` (a body without end)."""

    port: int
    trust: ssl.SSLContext
    received: list[Received] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"

    def lookup(self, host: str, port: int) -> Sequence[str]:
        return [ADDRESS]


@contextmanager
def https_site(room: Path, *, certified_for: str = HOST) -> Iterator[Site]:
    """The server, for the length of a `with`; its CA is what `trust` trusts."""
    ca_pem, chain = _certificates(room, certified_for)
    server = _Server((ADDRESS, 0), _Handler)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(chain)
    server.socket = inside.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.site = Site(server.server_port, ssl.create_default_context(cadata=ca_pem))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.site
    finally:
        server.site.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    site: Site
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away, or do not believe the certificate, are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        site = self.server.site
        body = self.rfile.read(int(self.headers["Content-Length"]))
        site.received.append(Received(self.path, dict(self.headers), body))
        kind = self.path[1:]
        if kind.isdigit():
            self._answer(int(kind))
        elif kind == "slow":
            self._drip(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif kind == "mute":
            site.ending.wait()
        elif kind == "endless":
            self._pour()

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self, head: bytes) -> None:
        with suppress(OSError):
            for byte in head:
                self.connection.sendall(bytes([byte]))
                if self.server.site.ending.wait(0.1):
                    return

    def _pour(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.site.ending.is_set():
                self.wfile.write(bytes(65536))
        except OSError:
            self.server.site.hung_up.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        """Nothing."""


def _certificates(room: Path, host: str) -> tuple[str, Path]:
    """The CA (PEM), and a file with key and certificate for a host."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])

    def begin(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    ca = (
        begin(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        begin(x509.Name([]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    chain = room / f"{host}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + leaf.public_bytes(Encoding.PEM))
    return ca.public_bytes(Encoding.PEM).decode(), chain


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
