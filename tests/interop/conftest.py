"""What the tests of other people's validators share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.devservices import DevServices, running
from tests.interop.verdicts import ran_with
from tests.interop.workshop import Workshop
from tests.support.validators import PROGRAM, versions


@pytest.fixture(scope="session")
def results() -> Path:
    """build/interop, emptied but for the validators: `files`, `reports`, and `table-*.md`."""
    if not (PROGRAM / "validators.jar").exists():
        pytest.fail("the validators are not built: run this with `make interop`")
    room = PROGRAM.parent
    for name in ("files", "reports"):
        shutil.rmtree(room / name, ignore_errors=True)
        (room / name).mkdir()
    for old in room.glob("table-*.md"):
        old.unlink()
    (room / "table-0.md").write_text(ran_with(versions()), encoding="utf-8")
    return room


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServices]:
    """The development PKI, answering."""
    with running(tmp_path_factory.mktemp("pki")) as services:
        yield services


@pytest.fixture(scope="session")
def workshop(aws: str, dev: DevServices) -> Workshop:
    return Workshop(dev)
