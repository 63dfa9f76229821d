"""Chromium without a window, driven by its own protocol over a pipe: no driver is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PATIENCE_SECONDS = 60

# The protocol wants its commands from 3, and gives its answers to 4.
_PIPED = """
import os, sys
commands, answers = (os.dup(int(number)) for number in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.set_inheritable(3, True)
os.set_inheritable(4, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass
class Browser:
    """One browser, and the page it shows. Commands wait for their answers."""

    commands: int
    answers: int
    session: str | None = None
    _last: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def send(self, method: str, **params: Any) -> Any:
        """A command of the DevTools protocol. Raises RuntimeError with what the browser says."""
        self._last += 1
        told: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self.session is not None:
            told["sessionId"] = self.session
        os.write(self.commands, json.dumps(told).encode() + b"\0")
        while (answer := self._read()).get("id") != self._last:
            pass
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def show(self, url: str) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.send("Page.enable")
        self.send("Page.navigate", url=url)
        self.run(
            "new Promise(ready => document.readyState == 'complete' ? ready() : "
            "addEventListener('load', ready))"
        )

    def run(self, script: str) -> Any:
        """What a promise in the page comes to. Raises RuntimeError with what it throws."""
        result = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"].get("exception", {})))
        return result["result"].get("value")

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self.answers, 65_536)
            if not more:
                raise RuntimeError("the browser is gone")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; it ends with the block. One that hangs is ended."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()

    command = [program, *_FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [sys.executable, "-c", _PIPED, str(in_read), str(out_write), *command],
        pass_fds=(in_read, out_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(in_read)
    os.close(out_write)
    guard = threading.Timer(_PATIENCE_SECONDS, process.kill)
    guard.start()
    try:
        yield Browser(in_write, out_read)
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        os.close(in_write)
        os.close(out_read)


@contextmanager
def empty_site() -> Iterator[str]:
    """An empty page at `http://localhost:…`, which browsers trust as if it were https."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Tra</title>")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
