"""One deployment on the embedded AWS for all tests of this folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra import client as api
from infra import local
from infra.letter_recipient import ReplyKey, list_with_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from boto3.session import Session


@pytest.fixture(scope="session")
def reply_key() -> ReplyKey:
    """The key that the Revenue Department's own system answers letters with."""
    return ReplyKey()


@pytest.fixture(scope="session")
def deployment(
    reply_key: ReplyKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[local.Deployment]:
    """The whole stack, under a folder and a name of its own."""
    listed = tmp_path_factory.mktemp("agencies") / "agencies.json"
    setup = local.Setup(agencies=_with_approvals(list_with_keys({"rd": reply_key}, listed)))
    with local.running(local.BUILD / "e2e", stack="tra-e2e", setup=setup) as running:
        yield running


def _with_approvals(listed: Path) -> Path:
    """Two officers approve certificates of one agency (test_approvals.py)."""
    agencies = json.loads(listed.read_text(encoding="utf-8"))
    opdc = next(one for one in agencies["agencies"] if one["agency_id"] == "opdc")
    opdc["approvals"] = {"e-certificate": {"approvers": 2}}
    listed.write_text(json.dumps(agencies, ensure_ascii=False), encoding="utf-8")
    return listed


@pytest.fixture(scope="session")
def aws(deployment: local.Deployment) -> Session:
    """Root of the embedded account."""
    return deployment.session()


@pytest.fixture(scope="session")
def sign_in(deployment: local.Deployment) -> Callable[[str], api.Client]:
    """From an agency to a client with a token for it, one per agency."""
    clients: dict[str, api.Client] = {}

    def client(agency: str) -> api.Client:
        if agency not in clients:
            clients[agency] = api.sign_in(deployment.url, deployment.token_url, agency)
        return clients[agency]

    return client


@pytest.fixture
def example() -> Callable[[str], dict[str, Any]]:
    """From a document type to a request that is accepted."""

    def read(document_type: str) -> dict[str, Any]:
        path = local.ROOT / "chalicelib" / "templates" / document_type / "example.json"
        request: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return request

    return read
