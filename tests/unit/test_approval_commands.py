"""`tra approvals`, `tra approve` and so on: what they show, ask and send (issue 7 item 4)."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from chalicelib.cli import main

DIGESTS = {"D1": "a1" * 32, "D2": "b2" * 32}


class Deployment:
    """Answers as the API does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.lefts = [0]

    def get(self, path: str) -> dict[str, Any]:
        if path.startswith("/v1/approvals"):
            return self._page(path)
        document_id = path.split("/")[3]
        pdf = base64.b64encode(f"%PDF {document_id}".encode()).decode()
        return {"content_digest": DIGESTS[document_id], "preview_base64": pdf}

    def _page(self, path: str) -> dict[str, Any]:
        first = "cursor" not in path
        item = {
            "document_id": "D1" if first else "D2",
            "agency_id": "diw",
            "document_type": "licence",
            "approvals": 0,
            "approvers": 1,
            "expires_at": "2026-12-21T05:00:00Z",
            "content_digest": DIGESTS["D1"],
            "subject": "ใบอนุญาต",
            "decided_by_you": not first,
        }
        return {"items": [item], "cursor": "next" if first else None}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/v1/documents":
            return {"document_id": "D9", "state": "awaiting_approval"}
        if path.endswith("/withdrawal"):
            return {"document_id": "D1", "case": "withdrawn"}
        self.bodies.append(body)
        left = self.lefts.pop(0)
        results = [_result(one, refused=one["document_id"] == "D3") for one in body["decisions"]]
        return {"results": results, "left": left}


def _result(decision: dict[str, Any], *, refused: bool) -> dict[str, Any]:
    error = {"code": "not_found", "reason": None, "detail": "nothing here"} if refused else None
    return {
        "document_id": decision["document_id"],
        "outcome": "refused" if refused else "decided",
        "state": None if refused else "accepted",
        "error": error,
    }


@contextmanager
def served(deployment: Deployment) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(lambda: deployment.get(self.path))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(lambda: deployment.post(self.path, json.loads(raw)))

        def _answer(self, make: Callable[[], dict[str, Any]]) -> None:
            told = json.dumps(make()).encode()
            self.send_response(200)
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


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deployment]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRA_TOKEN", "t")
    made = Deployment()
    with served(made) as url:
        monkeypatch.setenv("TRA_URL", url)
        yield made


def test_what_awaits_is_a_table(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    """Item 4: all pages, one line each; or the ids alone, for the next command."""
    assert main(["approvals"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["D1", "D2"]
    assert "2026-12-21" in lines[0]
    assert "decided by you" in lines[1]
    assert main(["approvals", "--ids"]) == 0
    assert capsys.readouterr().out.split() == ["D1", "D2"]
    assert deployment.bodies == []


def test_what_is_seen_is_what_is_approved(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Item 4: each preview is kept and its digest shown, and the decision names that digest."""
    assert main(["approve", "D1", "D2", "D1", "--otp", "123456", "--authority", "U1"]) == 0
    [body] = deployment.bodies
    assert body == {
        "otp": "123456",
        "decisions": [
            {
                "document_id": one,
                "content_digest": DIGESTS[one],
                "decision": "approve",
                "authority_id": "U1",
            }
            for one in ("D1", "D2")
        ],
    }
    assert Path("approvals/D1.pdf").read_bytes() == b"%PDF D1"
    assert DIGESTS["D2"] in capsys.readouterr().out


def test_a_list_is_sent_until_nothing_is_left(deployment: Deployment) -> None:
    """P8: what was not come to in time goes on with the same request."""
    deployment.lefts = [2, 1, 0]
    assert main(["approve", "D1", "--otp", "123456"]) == 0
    assert deployment.bodies == [deployment.bodies[0]] * 3


def test_a_refused_one_is_told(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4: the exit code and the line say that not every decision holds."""
    monkeypatch.setitem(DIGESTS, "D3", "c3" * 32)
    assert main(["refuse", "D1", "D3", "--reason", "ซ้ำ", "--otp", "123456"]) == 1
    assert "not_found: nothing here" in capsys.readouterr().out
    assert [one["reason"] for one in deployment.bodies[0]["decisions"]] == ["ซ้ำ", "ซ้ำ"]


def test_nothing_is_sent_without_a_code(deployment: Deployment) -> None:
    """B7: no terminal to ask at, no code given: no decision."""
    assert main(["return", "D1", "--reason", "แก้วันที่"]) == 1
    assert deployment.bodies == []


def test_a_digest_seen_before_needs_no_preview(deployment: Deployment) -> None:
    """Item 4: who saw the preview elsewhere names its digest; of one document only."""
    seen = "c3" * 32
    assert main(["approve", "D1", "--digest", seen, "--otp", "123456"]) == 0
    assert deployment.bodies[0]["decisions"][0]["content_digest"] == seen
    assert not Path("approvals").exists()
    assert main(["approve", "D1", "D2", "--digest", seen, "--otp", "123456"]) == 2
    too_many = [f"D{n}" for n in range(1001)]
    assert main(["approve", *too_many, "--otp", "123456"]) == 2
    assert len(deployment.bodies) == 1


def test_issuing_does_not_wait_for_officers(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """P4: they may take days; the command says so and ends."""
    (tmp_path / "licence.json").write_text("{}", encoding="utf-8")
    assert main(["issue", "licence.json"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == "D9"
    assert "tra approvals" in told.err


def test_a_preview_is_kept_and_a_document_withdrawn(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Item 4: looking decides nothing; the submitter takes it back."""
    assert main(["preview-approval", "D1"]) == 0
    assert Path("D1-preview.pdf").read_bytes() == b"%PDF D1"
    assert main(["withdraw", "D1"]) == 0
    assert capsys.readouterr().out.split()[-2:] == ["D1", "withdrawn"]
    assert deployment.bodies == []
