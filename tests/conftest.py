"""Fixtures for all tests."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import boto3
import pytest
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_kms import KMSClient

_INTERPRETER = Path(__file__).parent.parent / ".venv-aws/bin/python"
_START_SECONDS = 60


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


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an embedded AWS (ministack) of this session's own, IAM enforced."""
    if not _INTERPRETER.exists():
        pytest.skip("the embedded AWS is not installed (.venv-aws)")
    room = tmp_path_factory.mktemp("aws")
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
            [_INTERPRETER, "-m", "ministack"],
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = monotonic() + _START_SECONDS
        while not _answers(url):
            if process.poll() is not None or monotonic() > deadline:
                pytest.fail(f"ministack did not start; see {room / 'log'}")
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def aws(aws_endpoint: str) -> Iterator[str]:
    """Point this process's AWS clients, as root, at the session's embedded AWS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", aws_endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "ap-southeast-1")
        patch.delenv("AWS_PROFILE", raising=False)
        yield aws_endpoint


@pytest.fixture(scope="session")
def kms(aws_endpoint: str) -> KMSClient:
    """KMS of the session's embedded AWS, as root."""
    return boto3.client(
        "kms",
        endpoint_url=aws_endpoint,
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
