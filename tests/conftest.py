"""Fixtures for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.embedded_aws import INTERPRETER, embedded_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_kms import KMSClient


# They build the one package and deploy the one stack of this working copy.
_ONE_AFTER_THE_OTHER = ("tests/e2e/", "tests/browser/", "tests/integration/test_package.py")


class _ByFile(LoadScopeScheduling):
    """Where several processes share the tests, a file stays in one of them, and so does all
    that builds and deploys."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "deployment" if path.startswith(_ONE_AFTER_THE_OTHER) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an embedded AWS (ministack) of this session's own, IAM enforced."""
    if not INTERPRETER.exists():
        pytest.skip("the embedded AWS is not installed (.venv-aws)")
    with embedded_aws(tmp_path_factory.mktemp("aws")) as url:
        yield url


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
