"""HTTP to strangers: so many bytes, so many seconds, no redirects.

Time-stamps and revocation data are signed, so the transport may be plain HTTP; what it
may not do is hold a function up or fill its memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

_OK = 200
_SCHEMES = ("http://", "https://")


class FetchError(Exception):
    """Nothing usable came; the text says why, without quoting what did come."""


class StatusError(FetchError):
    """The answer has another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered with status {status}")
        self.status = status


class BoundedHttp:
    """Safe to share between threads; `connections` to one host are kept open. `timeout`,
    in seconds, is for one whole exchange."""

    def __init__(
        self,
        *,
        timeout: float,
        connections: int = 16,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._monotonic = monotonic
        self._pool = urllib3.PoolManager(
            maxsize=connections, timeout=urllib3.Timeout(total=timeout), retries=False
        )

    def fetch(
        self,
        url: str,
        *,
        limit: int,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a 200, by POST if `body` is given. Raises FetchError."""
        if not url.startswith(_SCHEMES):
            raise FetchError("the address is not an HTTP one")
        deadline = self._monotonic() + self._timeout
        try:
            try:
                return self._fetch(url, limit, body, headers, deadline)
            except ProtocolError:
                # A connection kept open that the other side has closed meanwhile, most
                # likely: a frozen Lambda environment does not notice. Once more.
                return self._fetch(url, limit, body, headers, deadline)
        except HTTPError as error:
            raise FetchError(f"did not answer ({type(error).__name__})") from error

    def _fetch(
        self,
        url: str,
        limit: int,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        deadline: float,
    ) -> bytes:
        answer = self._pool.request(
            "GET" if body is None else "POST",
            url,
            body=body,
            headers=headers,
            preload_content=False,
            redirect=False,
        )
        whole = False
        try:
            if answer.status != _OK:
                raise StatusError(answer.status)
            data = self._read(answer, limit, deadline)
            whole = True
            return data
        finally:
            if not whole:
                answer.close()  # whatever else comes is not read
            answer.release_conn()

    def _read(self, answer: urllib3.BaseHTTPResponse, limit: int, deadline: float) -> bytes:
        data = bytearray()
        while chunk := answer.read1(limit + 1 - len(data)):
            data += chunk
            if len(data) > limit:
                raise FetchError("the answer is too large")
            if self._monotonic() > deadline:
                raise FetchError("the answer came too slowly")
        return bytes(data)
