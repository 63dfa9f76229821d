"""A file of the archive is verified by a link to it: the function that parses it fetches it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pytest

from chalicelib.adapters.memory import MemoryUploads
from chalicelib.adapters.verify_function import VerifyFunction, answer
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.verdict import PASSED, CheckedFile, Indication, Verdict

LETTER = b"%PDF- " + b"a letter with its enclosures " * 300_000
"""More than an invocation can carry as Base64."""


class _Bucket(BaseHTTPRequestHandler):
    """The archive's side of a link."""

    def do_GET(self) -> None:
        status = {"/letter": 200, "/elsewhere": 302}.get(self.path, 403)
        body = LETTER if status == 200 else b""
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/letter")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _check(pdf: bytes, _anchors: Sequence[str]) -> CheckedFile:
    verdict = Verdict(indication=Indication.TOTAL_PASSED, sub_indication=None, findings=(PASSED,))
    return CheckedFile(
        verdict=verdict, sha256=sha256(pdf).hexdigest(), size=len(pdf), claimed_code=None
    )


class _Lambda:
    """The other end of the call, in this process."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == "verify"
        assert len(Payload) < 10_000
        told = answer(json.loads(Payload), _check, MemoryUploads())
        return {"Payload": BytesIO(json.dumps(told).encode())}


def _checked(link: str) -> CheckedFile:
    return VerifyFunction(_Lambda(), "verify").check_linked(link, ())  # type: ignore[arg-type]  # what is used of it


def test_a_file_larger_than_an_invocation_is_checked_by_its_link(bucket: str) -> None:
    """Issue 6.3: the bytes never pass the API, and the function needs no right to the archive."""
    checked = _checked(f"{bucket}/letter")
    assert (checked.sha256, checked.size) == (sha256(LETTER).hexdigest(), len(LETTER))


@pytest.mark.parametrize("path", ["/expired", "/elsewhere"])
def test_a_link_that_gives_no_file_is_no_verdict(bucket: str, path: str) -> None:
    """P4: an expired link is asked again; nothing is followed to another place."""
    with pytest.raises(UnavailableError):
        _checked(f"{bucket}{path}")


def test_an_archive_that_does_not_answer_is_no_verdict() -> None:
    """P4: a file that could not be fetched is neither genuine nor forged."""
    with pytest.raises(UnavailableError):
        _checked("http://127.0.0.1:9/letter")
