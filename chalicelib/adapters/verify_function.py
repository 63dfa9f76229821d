"""Verification by the `verify` function (port: FileChecker), called synchronously.

Both ends of the call live here: what `VerifyFunction` sends, `answer` reads. The function gets
the anchors with the question, and a file of the archive as a short-lived link to that one
version, so that the process that parses strangers' files can reach no table, no key and nothing
else in the archive.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import urllib3

from chalicelib.adapters.functions import ask
from chalicelib.domain.errors import NotFoundError, UnavailableError
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.verdict import (
    Aspect,
    CheckedFile,
    Finding,
    Indication,
    Sealer,
    SealVerdict,
    Verdict,
)
from chalicelib.ports import Uploads

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

Check = Callable[[bytes, Sequence[str]], CheckedFile]

_LARGEST = 100 * 1024 * 1024
_SECONDS = 10.0
_OK = 200


class VerifyFunction:
    """Lambda Invoke, request and response; nothing is stored on the way."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def check(self, pdf: bytes, anchors: Sequence[str]) -> CheckedFile:
        return self._ask({"pdf": base64.b64encode(pdf).decode(), "anchors": list(anchors)})

    def check_upload(self, upload_id: str, anchors: Sequence[str]) -> CheckedFile:
        return self._ask({"upload": upload_id, "anchors": list(anchors)})

    def check_linked(self, link: str, anchors: Sequence[str]) -> CheckedFile:
        return self._ask({"link": link, "anchors": list(anchors)})

    def _ask(self, question: Mapping[str, Any]) -> CheckedFile:
        body: dict[str, Any] = ask(
            self._client,
            self._function_name,
            question,
            doing="verification",
            failed="The verification failed; repeat the request.",
        )
        if body.get("fault") == NotFoundError.code:
            raise NotFoundError
        if body.get("fault") == UnavailableError.code:
            raise UnavailableError("The file could not be fetched; repeat the request.")
        return _from_wire(body)


def fetch(link: str) -> bytes:
    """The file at a link, one byte more than can be checked at most: enough for the check to
    say so. Follows nowhere else. Raises UnavailableError."""
    try:
        answered = urllib3.request(
            "GET", link, timeout=_SECONDS, retries=False, redirect=False, preload_content=False
        )
        try:
            found = answered.read(_LARGEST + 1) if answered.status == _OK else None
        finally:
            answered.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise UnavailableError(f"The link gave no file ({type(error).__name__}).") from error
    if found is None:
        raise UnavailableError("The link gave no file.")
    return found


def answer(
    event: Mapping[str, Any],
    check: Check,
    uploads: Uploads,
    fetch: Callable[[str], bytes] = fetch,
) -> dict[str, Any]:
    """What the function answers to what `VerifyFunction` sent."""
    try:
        pdf = _pdf_of(event, uploads, fetch)
    except (NotFoundError, UnavailableError) as error:
        return {"fault": error.code}
    checked: dict[str, Any] = json.loads(
        json.dumps(asdict(check(pdf, event["anchors"])), default=_told)
    )
    return checked


def _pdf_of(event: Mapping[str, Any], uploads: Uploads, fetch: Callable[[str], bytes]) -> bytes:
    if "link" in event:
        return fetch(event["link"])
    if "upload" in event:
        return uploads.read(event["upload"])
    return base64.b64decode(event["pdf"])


def _told(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(type(value).__name__)
    return value.isoformat()


# -- back from JSON -----------------------------------------------------------------


def _from_wire(body: Mapping[str, Any]) -> CheckedFile:
    verdict = body["verdict"]
    return CheckedFile(
        verdict=Verdict(
            indication=Indication(verdict["indication"]),
            sub_indication=verdict["sub_indication"],
            findings=_findings(verdict["findings"]),
            seals=tuple(_seal(seal) for seal in verdict["seals"]),
        ),
        sha256=body["sha256"],
        size=body["size"],
        claimed_code=body["claimed_code"],
    )


def _findings(told: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(**{**one, "aspect": Aspect(one["aspect"])}) for one in told)


def _seal(told: Mapping[str, Any]) -> SealVerdict:
    return SealVerdict(
        indication=Indication(told["indication"]),
        sub_indication=told["sub_indication"],
        findings=_findings(told["findings"]),
        field=told["field"],
        sealer=Sealer(**told["sealer"]),
        sealed_at=_instant(told["sealed_at"]),
        level=SealLevel(told["level"]),
        document_timestamps=tuple(datetime.fromisoformat(at) for at in told["document_timestamps"]),
        proof_until=_instant(told["proof_until"]),
        notes=_findings(told["notes"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
