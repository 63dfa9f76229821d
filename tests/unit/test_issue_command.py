"""The `tra` command against a server that answers as a deployment does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = {"document_id": "0" * 26, "state": "accepted", "reason": None}
WAITING = {
    "code": "timestamp_failed",
    "detail": "No time-stamp could be had.",
    "detail_th": "ขอประทับรับรองเวลาไม่ได้",
    "since": "2026-11-22T01:31:41.836422Z",
}


@contextmanager
def deployment(*answers: dict[str, Any]) -> Iterator[str]:
    """The address of a server that gives these answers, one after the other, then the last."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(left.pop(0) if len(left) > 1 else left[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the names http.server calls

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("language", "word"), [("th_TH.UTF-8", "detail_th"), ("C", "detail")])
def test_it_is_said_what_a_document_waits_for(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    language: str,
    word: str,
) -> None:
    """Issue 4: while no authority answers, `tra issue` says why the document waits and since
    when, once, in the caller's language, and goes on when it is issued."""
    waiting = {**DOCUMENT, "state": "numbered", "waiting": WAITING}
    issued = {
        **DOCUMENT,
        "state": "issued",
        "waiting": None,
        "printed_number": "๑/๒๕๖๙",
        "file": {"sha256": "ab" * 32},
    }
    request = tmp_path / "request.json"
    request.write_text("{}")
    with deployment(DOCUMENT, waiting, waiting, issued) as url:
        monkeypatch.setenv("TRA_URL", url)
        monkeypatch.setenv("TRA_TOKEN", "t")
        monkeypatch.setenv("LANG", language)
        assert main(["issue", str(request)]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("waiting since 2026-11-22T01:31:41Z [timestamp_failed]") == 1
    assert WAITING[word] in shown.err
    assert "๑/๒๕๖๙" in shown.out


def test_a_reader_who_has_enough_is_no_error(tmp_path: Path) -> None:
    """P4: `tra … | head -1` ends without a complaint."""
    answer = {**DOCUMENT, "events": ["x" * 100] * 10_000}
    with deployment(answer) as url:
        environment = {**os.environ, "TRA_URL": url, "TRA_TOKEN": "t"}
        command = [sys.executable, "-m", "chalicelib.cli", "show", "0" * 26]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            child.stdout.close()
            assert child.stderr.read() == b""


def test_a_picture_is_kept_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """E4: `tra image ID -o card.png` writes the picture, and says how large it is."""
    with deployment({"png_base64": "iVBORw0KGgo="}) as url:
        monkeypatch.setenv("TRA_URL", url)
        monkeypatch.setenv("TRA_TOKEN", "a.b.c")
        target = tmp_path / "card.png"
        assert main(["image", "0" * 26, "--side", "both", "-o", str(target)]) == 0
    assert target.read_bytes() == b"\x89PNG\r\n\x1a\n"
    assert f"{target}  8 bytes" in capsys.readouterr().out
