"""Time-stamps from RFC 3161 authorities over HTTP, checked before use.

Nothing is kept: a process that dies half-way has wasted one token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import urllib3
from asn1crypto import cms, core, tsp
from pyhanko.sign.general import ValueErrorWithMessage
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus

from chalicelib.adapters.pades_validation import validation_context
from chalicelib.domain.errors import TimestampError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_GRANTED = frozenset({"granted", "granted_with_mods"})
_OK = 200
_LARGEST_ANSWER = 64 * 1024  # bytes; a token with its chain has about 5 kB
_HEADERS = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
}


class _Response(core.Sequence):
    """TimeStampResp (RFC 3161 §2.4.2); asn1crypto's own insists on the optional token."""

    _fields = [  # noqa: RUF012 - as asn1crypto declares it
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


class _RefusedError(Exception):
    """One authority gave no usable token; says why, for the list of all."""


class TrustedTimeStamper(TimeStamper):
    """Asks the authorities in order and returns the first token that can be trusted.

    `anchors` gives PEMs of the roots a TSA must lead to; it is asked at each stamp, so
    that new roots count at once. `timeout` is for one request, in seconds.
    """

    def __init__(
        self, urls: Sequence[str], *, anchors: Callable[[], Sequence[str]], timeout: float = 5.0
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pyHanko gives it no types
        self._urls = tuple(urls)
        self._anchors = anchors
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=timeout), retries=False)

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """A token over `message_digest` (RFC 3161 §2.4.2), verified: status, nonce,
        imprint, signature, and a chain to an anchor with the purpose timeStamping.
        Raises TimestampError if no authority gave one."""
        refusals = []
        for url in self._urls:
            try:
                return await self._from(url, message_digest, md_algorithm)
            except _RefusedError as refusal:
                refusals.append(f"{url}: {refusal}")
        raise TimestampError(
            "No time-stamp could be had. " + "; ".join(refusals or ["no authority is configured"]),
            "ไม่สามารถขอประทับรับรองเวลาได้จากผู้ให้บริการรายใด",
        )

    async def _from(self, url: str, digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        nonce, request = self.request_cms(digest, md_algorithm)  # type: ignore[no-untyped-call]  # as above
        body = self._post(url, request.dump())
        try:
            token = _token_in(body)
            info = token["content"]["encap_content_info"]["content"].parsed
            if info["nonce"].native != nonce:
                raise _RefusedError("the answer is to another request (nonce)")
            await self._verify(token, digest, md_algorithm)
        except (ValueError, TypeError, KeyError, IndexError, ValueErrorWithMessage) as error:
            # asn1crypto parses on access, so a malformed answer may show anywhere above.
            raise _RefusedError(f"the answer is malformed ({type(error).__name__})") from error
        return token

    def _post(self, url: str, body: bytes) -> bytes:
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers=_HEADERS, preload_content=False, redirect=False
            )
            try:
                data = answer.read(_LARGEST_ANSWER + 1)
            finally:
                answer.drain_conn()
                answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise _RefusedError(f"did not answer ({type(error).__name__})") from error
        if answer.status != _OK:
            raise _RefusedError(f"answered with status {answer.status}")
        if len(data) > _LARGEST_ANSWER:
            raise _RefusedError("the answer is too large")
        return data

    async def _verify(self, token: cms.ContentInfo, digest: bytes, md_algorithm: str) -> None:
        def expected_imprint(algorithm: str) -> bytes:
            # Another hash than the one asked for can only be a wrong answer.
            return digest if algorithm == md_algorithm else b""

        context = validation_context(self._anchors())
        fields = await validate_tst_signed_data(token["content"], context, expected_imprint)
        status = TimestampSignatureStatus(**fields)
        if not (status.intact and status.valid):
            raise _RefusedError("the token does not fit the request (imprint or signature)")
        if not status.trusted:
            problem = status.trust_problem_indic
            name = problem.standard_name if problem else "NO_CERTIFICATE_CHAIN_FOUND"
            raise _RefusedError(f"its certificate is not trusted ({name})")


def _token_in(body: bytes) -> cms.ContentInfo:
    response = _Response.load(body, strict=True)  # type: ignore[no-untyped-call]  # asn1crypto has no types
    status = response["status"]["status"].native
    if status not in _GRANTED:
        raise _RefusedError(f"refused ({status})")
    token: cms.ContentInfo = response["time_stamp_token"]
    return token
