"""The embedded AWS (ministack) as a process of one's own, for tests that need no deployed stack."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import urllib3

INTERPRETER = Path(__file__).parent.parent.parent / ".venv-aws/bin/python"
_START_SECONDS = 60


@contextmanager
def embedded_aws(room: Path) -> Iterator[str]:
    """Its URL, IAM enforced; its files and log lie in `room`."""
    url = f"http://127.0.0.1:{(port := _free_port())}"
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "TMPDIR": str(room),
    }
    with (room / "log").open("w") as log:
        process = subprocess.Popen(
            [INTERPRETER, "-m", "ministack"],
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = monotonic() + _START_SECONDS
        while not _answers(url):
            if process.poll() is not None or monotonic() > deadline:
                raise RuntimeError(f"ministack did not start; see {room / 'log'}")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def environment(url: str) -> dict[str, str]:
    """What points AWS clients there, as root."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "ap-southeast-1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        answer = urllib3.request("GET", f"{url}/_localstack/health", timeout=1, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200
