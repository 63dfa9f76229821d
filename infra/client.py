"""A small client of Tra's API, for the demo and the tests. Knows nothing but HTTP."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import urllib3

SCOPES = (
    "documents:submit documents:supersede documents:revoke documents:read documents:search "
    "files:read registers:read registers:reserve logs:cosign letters:send letters:read "
    "letters:recall inbox:read inbox:register inbox:reject inbox:forward documents:approve "
    "documents:withdraw me:read officers:read officers:appoint factors:enrol factors:reset secrets:open "
    "access:read proxies:use"
)
ENDED = frozenset({"issued", "rejected", "void"})
_POLL_SECONDS = 0.2
_FOUND = range(200, 300)
_SEE_OTHER = 303


class ClientError(Exception):
    """The API answered something else than was hoped for; the text is its problem document."""


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks for one agency with one token."""

    url: str
    token: str
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=64))

    def submit(self, request: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        """POST /v1/documents with an Idempotency-Key; returns the accepted document."""
        return self.post("/v1/documents", request, key=key)

    def show(self, document_id: str) -> dict[str, Any]:
        return self.get(f"/v1/documents/{document_id}")

    def get(self, path: str) -> dict[str, Any]:
        return _expect(self.call("GET", path))

    def post(self, path: str, request: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        """With an Idempotency-Key."""
        return _expect(self.call("POST", path, json=request, headers={"Idempotency-Key": key}))

    def file(self, document_id: str) -> bytes:
        """The sealed PDF. The link it redirects to is followed without the token. Of a classified
        document there is no link: the answer is a copy that names its reader."""
        answer = self.call("GET", f"/v1/documents/{document_id}/file", redirect=False)
        if answer.status in _FOUND:
            return base64.b64decode(answer.json()["pdf_base64"])
        if answer.status != _SEE_OTHER:
            raise ClientError(f"{answer.status} {answer.data.decode('utf-8', 'replace')}")
        found = self.http.request("GET", answer.headers["Location"])
        if found.status not in _FOUND:
            raise ClientError(f"{found.status} from the archive")
        return found.data

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.http.request(
            method, f"{self.url}{path}", headers={**bearer, **(headers or {})}, **options
        )


def sign_in(
    url: str, token_url: str, agency: str, roles: Iterable[str] = ("clerk",), scope: str = SCOPES
) -> Client:
    """A client with a token of the development issuer: for the first of the agency's people in
    `people.json` who has exactly these roles, or for its application (`application`)."""
    return _signed_in(
        url, token_url, [("agency", agency), *(("role", role) for role in roles)], scope
    )


def sign_in_as(
    url: str, token_url: str, subject: str, scope: str = SCOPES, *, agency: str | None = None
) -> Client:
    """As `sign_in`, for this person of `people.json`, or for anybody else of that agency."""
    named = [("agency", agency)] if agency else []
    return _signed_in(url, token_url, [("sub", subject), *named], scope)


def sign_in_with_secret(
    url: str, token_url: str, client_id: str, secret: str, scope: str = SCOPES
) -> Client:
    """A client of an application, by client credentials."""
    who = [("client_id", client_id), ("client_secret", secret)]
    return _signed_in(url, token_url, who, scope)


def _signed_in(url: str, token_url: str, who: Sequence[tuple[str, str]], scope: str) -> Client:
    http = urllib3.PoolManager(maxsize=64)
    form = [*who, ("scope", scope)]
    answer = http.request("POST", token_url, fields=form, encode_multipart=False)
    return Client(url, _expect(answer)["access_token"], http)


def wait_until_told(
    documents: Sequence[tuple[Client, str]],
    *,
    seconds: float,
    show: Callable[[str], None] = lambda _line: None,
) -> list[dict[str, Any]]:
    """Wait until every document has ended and its recipients were told; returns their last
    views in order. Raises ClientError after `seconds`, saying how far they had come."""
    deadline = time.monotonic() + seconds
    views = [client.show(document_id) for client, document_id in documents]
    while not all(map(_done, views)):
        if time.monotonic() > deadline:
            raise ClientError(f"not done after {seconds:.0f} seconds: {_states(views)}")
        show(_states(views))
        time.sleep(_POLL_SECONDS)
        views = [
            view if _done(view) else client.show(document_id)
            for view, (client, document_id) in zip(views, documents, strict=True)
        ]
    show(_states(views))
    return views


def _done(view: Mapping[str, Any]) -> bool:
    if view["state"] == "issued":
        return set(view["notified"]) == set(view["recipients"])
    return view["state"] in ENDED


def _states(views: Sequence[Mapping[str, Any]]) -> str:
    counted: dict[str, int] = {}
    for view in views:
        counted[view["state"]] = counted.get(view["state"], 0) + 1
    told = sum(len(view["notified"]) for view in views)
    return ", ".join(f"{n} {state}" for state, n in counted.items()) + f", {told} told"


def _expect(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    if answer.status not in _FOUND:
        raise ClientError(f"{answer.status} {answer.data.decode('utf-8', 'replace')}")
    body: dict[str, Any] = answer.json()
    return body
