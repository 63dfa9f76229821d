"""Real HTTP servers that a test takes down and up again, on the same port."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from infra.devhttp import Answer, Call, Service
from infra.devservices import bind, url_of
from infra.pki import DevelopmentPki, OcspService, PkiService, TimestampService, open_pki
from tests.support.rooms import Clock


class Station:
    """A server that counts its calls. Down, its port refuses connections."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self.calls = 0
        self._services = {prefix: self._counted(service) for prefix, service in services.items()}
        self._server = bind(self._services)
        self._port = self._server.server_port
        self._thread: threading.Thread | None = None
        self._start()

    @property
    def url(self) -> str:
        return url_of(self._server)

    def serve(self, prefix: str, service: Service) -> None:
        """Serve something else from now on."""
        self._services[prefix] = self._counted(service)

    def down(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._thread = None

    def up(self) -> None:
        if self._thread is None:
            self._server = bind(self._services, self._port)
            self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def _counted(self, service: Service) -> Service:
        def counted(call: Call) -> Answer:
            self.calls += 1
            return service(call)

        return counted


@dataclass
class TrustSite:
    """A development PKI whose parts answer from servers of their own."""

    pki: DevelopmentPki
    tsa: Station
    tsa2: Station
    ocsp: Station
    crl: Station

    @property
    def anchors(self) -> tuple[str, ...]:
        return (self.pki.root_pem,)

    @property
    def timestamp_urls(self) -> tuple[str, str]:
        return f"{self.tsa.url}/tsa/", f"{self.tsa2.url}/tsa/"

    def all_up(self) -> None:
        """As at the start, whatever a test did."""
        for station in (self.tsa, self.tsa2, self.ocsp, self.crl):
            station.up()
        self.tsa.serve("/tsa", TimestampService(self.pki.tsa, [self.pki.issuing]))
        self.tsa2.serve("/tsa", TimestampService(self.pki.tsa2, [self.pki.issuing]))
        self.ocsp.serve("/pki", OcspService(self.pki, self.pki.issuing))
        self.crl.serve("/pki", PkiService(self.pki))
        (self.pki.directory / "revoked.json").unlink(missing_ok=True)


@contextmanager
def trust_site(directory: Path) -> Iterator[TrustSite]:
    """All of it running for the length of a `with`."""
    with ExitStack() as stack:
        stations = [Station({"/tsa": _nothing, "/pki": _nothing}) for _ in range(4)]
        for station in stations:
            stack.callback(station.down)
        ocsp, crl = stations[2:]
        pki = open_pki(directory, f"{crl.url}/pki", stage="local", ocsp_url=f"{ocsp.url}/pki/ocsp")
        site = TrustSite(pki, *stations)
        site.all_up()
        yield site


def _nothing(_: Call) -> Answer:
    return Answer(404, "text/plain", b"")


class MovingClock(Clock):
    """The machine's clock, moved by as much as a test likes."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, by: timedelta) -> None:
        self.ahead += by


class Ticks:
    """A monotonic clock that a test can move forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
