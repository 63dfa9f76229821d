"""Webhooks: an agency's own system is told by HTTPS (C1, docs/guide/channels.md).

A POST of the CloudEvent (structured mode) with the header `Tra-Signature`: a compact JWS over
the body, which it does not repeat (RFC 7515, appendix F), by a key of the published JWKS. Its
protected header says for whom (`aud`: the URL), when (`iat`) and which event (`jti`: the event's
id, the same each time it is sent). So a receiver can tell that the body is Tra's word, to it, and
refuse what is old or was seen before (docs/adr/0034).

An address comes from the directory, so from somebody's list, and its name is looked up by
whoever owns it: nothing is sent but to addresses of the public Internet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from chalicelib.adapters.bounded_http import BoundedHttp, FetchError, Lookup, system_lookup
from chalicelib.adapters.public_addresses import is_loopback, is_public
from chalicelib.domain.channel_settings import is_webhook_url
from chalicelib.domain.errors import ChannelBusyError, ChannelRefusedError

if TYPE_CHECKING:
    import ssl

    from chalicelib.domain.directory import Agency
    from chalicelib.ports import Clock

SIGNATURE_HEADER = "Tra-Signature"
MEDIA_TYPE = "application/cloudevents+json"
SIGNATURE_TYPE = "tra-webhook+jws"
"""`typ` of the signature: it cannot pass for evidence, nor evidence for it (RFC 8725 §3.11)."""

_TIMEOUT_SECONDS = 10.0
_TAKEN = range(200, 300)
_BUSY = {408, 425, 429, *range(500, 600)}
# On a developer's machine the receiver is another process of it.
_LOCAL_URL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?([/?][!-~]*)?|https://.+")


class MessageSigner(Protocol):
    """Signs what is sent, with a key of the published JWKS."""

    def sign_detached(self, payload: bytes, members: Mapping[str, str | int]) -> str:
        """Compact JWS with `members` in its protected header, without the payload. Raises
        UnavailableError, SealError."""


class Webhooks:
    """Sends to webhooks. `local`: this machine may be sent to, by plain HTTP and on any port."""

    def __init__(
        self,
        signer: MessageSigner,
        *,
        clock: Clock,
        local: bool = False,
        timeout: float = _TIMEOUT_SECONDS,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._signer = signer
        self._clock = clock
        self._local = local
        self._resolve = lookup
        self._http = BoundedHttp(timeout=timeout, lookup=self._lookup, tls=tls)

    def send(self, agency: Agency, event: bytes) -> None:
        """Post a CloudEvent to the agency's system. Returning means: it answered 2xx.

        Raises ChannelBusyError (no answer, 408, 425, 429, 5xx), ChannelRefusedError (no or a
        forbidden address, every other answer), UnavailableError and SealError if nothing can be
        signed. Dies half-way: it may have been taken; the repeat has the same `jti`.
        """
        url = self._url_of(agency)
        headers = {
            "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
            "User-Agent": "tra-webhook",
            SIGNATURE_HEADER: self._signer.sign_detached(
                event,
                {
                    "typ": SIGNATURE_TYPE,
                    "iat": int(self._clock().timestamp()),
                    "jti": str(json.loads(event)["id"]),
                    "aud": url,
                },
            ),
        }
        try:
            status = self._http.post(url, event, headers)
        except FetchError as error:
            raise ChannelBusyError(
                f"The webhook of {agency.agency_id} {error}.",
                f"เว็บฮุกของ {agency.agency_id} ไม่ตอบสนอง",
            ) from error
        _judge(agency, status)

    def _url_of(self, agency: Agency) -> str:
        url = agency.webhook_url
        if url is None:
            raise ChannelRefusedError(
                f"The directory has no webhook of {agency.agency_id}.",
                f"ทะเบียนหน่วยงานไม่มีที่อยู่เว็บฮุกของ {agency.agency_id}",
            )
        if not (is_webhook_url(url) or (self._local and _LOCAL_URL.fullmatch(url))):
            raise _forbidden(agency.agency_id)
        return url

    def _lookup(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, if all of them may be sent to: one that is not would be
        reached sooner or later."""
        found = self._resolve(host, port)
        for address in found:
            if not (is_public(address) or (self._local and is_loopback(address))):
                raise _forbidden(host)
        return found


def _judge(agency: Agency, status: int) -> None:
    said = f"The webhook of {agency.agency_id} answered {status}."
    said_th = f"เว็บฮุกของ {agency.agency_id} ตอบ {status}"
    if status in _TAKEN:
        return
    raise (ChannelBusyError if status in _BUSY else ChannelRefusedError)(said, said_th)


def _forbidden(whose: str) -> ChannelRefusedError:
    return ChannelRefusedError(
        f"The webhook of {whose} is not an HTTPS address of the public Internet on port 443.",
        f"เว็บฮุกของ {whose} ไม่ใช่ที่อยู่ HTTPS พอร์ต 443 บนอินเทอร์เน็ตสาธารณะ",
    )
