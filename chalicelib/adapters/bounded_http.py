"""HTTP to strangers: so many bytes, so many seconds, no redirects, no proxy.

Time-stamps and revocation data are signed, so the transport may be plain HTTP; what it
may not do is hold a function up or fill its memory.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError
from urllib3.util.connection import create_connection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_OK = 200
_SCHEMES = ("http://", "https://")

Lookup = Callable[[str, int], Sequence[str]]
"""From a name and a port to the addresses to be tried, in order. Raises OSError or UnicodeError
if the name is not known."""


class FetchError(Exception):
    """Nothing usable came; the text says why, without quoting what did come."""


class StatusError(FetchError):
    """The answer has another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered with status {status}")
        self.status = status


def system_lookup(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows of a name (Lookup)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


class BoundedHttp:
    """Safe to share between threads; `connections` to one host are kept open. `timeout`,
    in seconds, is for one whole exchange, however slowly its bytes come; only looking up
    the name is left to `lookup`, which is asked once for each connection: that goes to one of
    the addresses it gave and to no other. What else `lookup` raises comes through."""

    def __init__(
        self,
        *,
        timeout: float,
        connections: int = 16,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._pool = _Pools(lookup, maxsize=connections, retries=False, ssl_context=tls)

    def fetch(
        self,
        url: str,
        *,
        limit: int,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a 200, by POST if `body` is given. Raises FetchError."""
        ends_at = self._begin(url)
        try:
            try:
                return self._fetch(url, limit, body, headers, ends_at)
            except ProtocolError:
                # A connection kept open that the other side has closed meanwhile, most
                # likely: a frozen Lambda environment does not notice. Once more.
                return self._fetch(url, limit, body, headers, ends_at)
        except (HTTPError, TimeoutError) as error:
            raise FetchError(f"did not answer ({type(error).__name__})") from error

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """POST once, on a connection of its own: the status of the answer, whose body is not
        read. Raises FetchError if there is no answer."""
        ends_at = self._begin(url)
        try:
            answer = self._ask(url, body, headers, ends_at)
        except (HTTPError, TimeoutError) as error:
            raise FetchError(f"did not answer ({type(error).__name__})") from error
        answer.close()
        answer.release_conn()
        return answer.status

    def _begin(self, url: str) -> float:
        """When an exchange that begins now must have ended."""
        if not url.startswith(_SCHEMES):
            raise FetchError("the address is not an HTTP one")
        return time.monotonic() + self._timeout

    def _ask(
        self, url: str, body: bytes | None, headers: Mapping[str, str] | None, ends_at: float
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            "GET" if body is None else "POST",
            url,
            body=body,
            headers=headers,
            preload_content=False,
            redirect=False,
            timeout=urllib3.Timeout(total=_left(ends_at)),
        )

    def _fetch(
        self,
        url: str,
        limit: int,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        ends_at: float,
    ) -> bytes:
        answer = self._ask(url, body, headers, ends_at)
        whole = False
        try:
            if answer.status != _OK:
                raise StatusError(answer.status)
            data = self._read(answer, limit)
            whole = True
            return data
        finally:
            if not whole:
                answer.close()  # whatever else comes is not read
            answer.release_conn()

    def _read(self, answer: urllib3.BaseHTTPResponse, limit: int) -> bytes:
        data = bytearray()
        while chunk := answer.read1(limit + 1 - len(data)):
            data += chunk
            if len(data) > limit:
                raise FetchError("the answer is too large")
        return bytes(data)


# -- one deadline for many bytes ---------------------------------------------


def _left(ends_at: float) -> float:
    """Seconds, more than none. Raises TimeoutError."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _TimedBytes(RawIOBase):
    """What a socket receives until its timeout, counted from now on, not from each byte."""

    def __init__(self, connected: socket.socket) -> None:
        self._ends_at = time.monotonic() + (connected.gettimeout() or 0)
        self._socket = connected
        self._bytes = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._socket.settimeout(_left(self._ends_at))
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        self._bytes.close()
        super().close()


class _TimedAnswer(HTTPResponse):
    """An answer of which status line, headers and body together have the socket's timeout.
    urllib3 sets that, just before, to what is left of the whole exchange."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = BufferedReader(_TimedBytes(sock))


class _Http(HTTPConnection):
    response_class = _TimedAnswer

    def __init__(self, *args: Any, lookup: Lookup, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lookup = lookup

    def _new_conn(self) -> socket.socket:
        """Connected to the first address of the name that takes it. The timeout is for all
        of them, and what it leaves is for a TLS handshake."""
        ends_at = time.monotonic() + (self.timeout or 0)
        failure = OSError("the name has no address")
        for address in self._addresses():
            place = (address, self.port)
            try:
                made = create_connection(place, _left(ends_at), socket_options=self.socket_options)
                made.settimeout(_left(ends_at))
            except OSError as error:
                failure = error
            else:
                return made
        raise NewConnectionError(self, type(failure).__name__) from failure

    def _addresses(self) -> Sequence[str]:
        try:
            return self._lookup(self._dns_host, self.port)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, "the name is not known") from error


class _Https(_Http, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


class _Pools(urllib3.PoolManager):
    """All connections ask the same lookup."""

    def __init__(self, lookup: Lookup, **options: Any) -> None:
        super().__init__(**options)
        self._lookup = lookup
        self.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def _new_pool(
        self,
        scheme: str,
        host: str,
        port: int,
        request_context: dict[str, Any] | None = None,
    ) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.conn_kw["lookup"] = self._lookup
        return pool
