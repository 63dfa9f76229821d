"""`tra revoke`, `tra suspend`, `tra reinstate`: what they send, and as whom."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from chalicelib.cli import main

MADE = {
    "ruling": {"kind": "revoked", "effective_at": "2026-11-21T05:00:00Z", "number": 1},
    "standing": {"standing": "revoked"},
    "links": {"status": "https://tra.test/v1/status/CODE"},
}


@contextmanager
def deployment(seen: list[tuple[str, bytes]]) -> Iterator[str]:
    """A server that gives tokens and takes rulings, and keeps what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.path, body))
            token = {"access_token": "t"} if self.path == "/token" else MADE
            told = json.dumps(token).encode()
            self.send_response(201)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

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


@pytest.mark.parametrize(
    ("command", "code", "route"),
    [
        ("revoke", "fraud", "revocation"),
        ("suspend", "investigation", "suspension"),
        ("reinstate", "resolved", "reinstatement"),
    ],
)
def test_an_approver_decides(
    command: str,
    code: str,
    route: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Issue 5, item 5: one command, one decision, as an approver if nothing else is said."""
    seen: list[tuple[str, bytes]] = []
    with deployment(seen) as url:
        for name in ("TRA_TOKEN", "TRA_ROLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TRA_URL", url)
        monkeypatch.setenv("TRA_TOKEN_URL", f"{url}/token")
        given = ["--agency", "diw", "--reason-code", code, "--reason", "เหตุผล"]
        assert main([command, "D1", *given, "--effective-at", "2027-01-01T00:00:00Z"]) == 0
    (token, asked), (path, body) = seen
    assert (token, parse_qs(asked.decode())["role"]) == ("/token", ["approver"])
    assert path == f"/v1/documents/D1/{route}"
    assert json.loads(body) == {
        "reason_code": code,
        "reason": "เหตุผล",
        "effective_at": "2027-01-01T00:00:00Z",
    }
    assert "now revoked: https://tra.test/v1/status/CODE" in capsys.readouterr().out


def test_other_commands_keep_their_role(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """P6: a default of one command is not another's: whoever issues is a clerk."""
    seen: list[tuple[str, bytes]] = []
    with deployment(seen) as url:
        for name in ("TRA_TOKEN", "TRA_ROLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TRA_URL", url)
        monkeypatch.setenv("TRA_TOKEN_URL", f"{url}/token")
        assert main(["token", "--agency", "diw"]) == 0
    assert parse_qs(seen[0][1].decode())["role"] == ["clerk"]
    assert capsys.readouterr().out == "t\n"


def test_an_unknown_reason_is_refused_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 5, item 5: the codes that go with a decision are named before anything is sent."""
    with pytest.raises(SystemExit):
        main(["revoke", "D1", "--reason-code", "resolved", "--reason", "x"])
    assert "withdrawn_by_holder" in capsys.readouterr().err
