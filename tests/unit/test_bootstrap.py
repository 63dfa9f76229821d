"""How AWS clients are built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.bootstrap import House
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.retention import LockMode
from tests.support.samples import NOON, settings

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("region", ["ap-southeast-1", "us-east-1", "ap-southeast-7"])
def test_links_are_signed_as_s3_under_kms_wants_them(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: without another endpoint a link has SigV4 and the host of the bucket's region."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    bootstrap.forget_clients()
    file = ArchivedFile(
        key="documents/a.pdf",
        version_id="v1",
        sha256="00" * 32,
        size=1,
        lock_mode=LockMode.COMPLIANCE,
        retain_until=NOON,
    )
    link = House(settings()).archive.link(file, filename="a.pdf", seconds=60)
    bootstrap.forget_clients()
    assert "X-Amz-Signature=" in link
    assert "X-Amz-Credential=AKIDEXAMPLE%2F" in link
    assert region in link
    if region != "us-east-1":
        assert link.startswith(f"https://archive.s3.{region}.amazonaws.com/")


def test_functions_that_are_waited_for_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 4, 6: who waits for `verify` waits as long as it may take, less than it may take
    itself, and does not let the same costly file be checked again meanwhile."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-1")
    deployed = json.loads((_ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
    slowest = max(deployed["lambda_functions"][n]["lambda_timeout"] for n in ("verify", "preview"))
    bootstrap.forget_clients()
    config = bootstrap._client("lambda").meta.config
    bootstrap.forget_clients()
    assert slowest <= config.read_timeout < deployed["lambda_timeout"]
    assert config.retries["total_max_attempts"] == 1
