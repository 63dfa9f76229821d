"""The local deployment itself: what `make up` promises."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from infra import local
from infra.progress import PhaseError, Phases

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]


def test_environment_file_is_shell(deployment: Deployment) -> None:
    """What `make up` writes to `env` can be sourced and names the deployment."""
    script = f'. {deployment.directory / "env"} && printf %s "$TRA_URL $AWS_ENDPOINT_URL"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == f"{deployment.url} {deployment.endpoint}"


def test_running_deployment_is_found_and_not_started_twice(deployment: Deployment) -> None:
    """A second start in the same folder is refused; it would end the first one's files."""
    assert local.find(deployment.directory).url == deployment.url
    with pytest.raises(local.LocalError, match="running"):
        local.start(deployment.directory, phases=Phases(quiet=True))


def test_failing_start_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing phase ends with everything stopped and its files removed."""

    def fail(*_: object, **__: object) -> None:
        raise local.LocalError("as the test wants it")

    monkeypatch.setattr(local, "_start_services", fail)
    with pytest.raises(PhaseError), local.running(tmp_path / "broken"):
        pytest.fail("it must not come up")
    assert not local._alive(tmp_path / "broken")
    assert not (tmp_path / "broken" / "tmp").exists()
    shown = subprocess.run(["ps", "-e", "-o", "args="], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in shown.stdout
