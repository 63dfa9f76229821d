"""A type of an agency's own on the deployed stack, from `new` to two versions (issue 5 item 2)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chalicelib.config import Settings
from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_SECONDS = 90


def _tra(
    deployment: Deployment, *arguments: str | Path, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "chalicelib.cli", *map(str, arguments)],
        env={**os.environ, **deployment.environment(), "LANG": "en_US.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == expect, done.stderr
    return done


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _shown(deployment: Deployment, name: str) -> dict[str, Any]:
    told: dict[str, Any] = urllib3.request(
        "GET", f"{deployment.url}/v1/document-types/{name}"
    ).json()
    return told


def _rendered_again(deployment: Deployment, document_id: str) -> bytes:
    """What the template of the document's own version makes of it today, in this process."""
    from chalicelib.adapters.functions import settings_of  # noqa: PLC0415 - pynamodb reads the endpoint
    from chalicelib.bootstrap import House  # noqa: PLC0415 - when it is imported
    from chalicelib.services.seal import render_request  # noqa: PLC0415

    found = settings_of(f"{deployment.stack}-audit", deployment.environment())
    house = House(Settings.from_environment(found))
    document = house.documents.get(document_id)
    assert document is not None
    kind = house.types.get(document.document_type, document.type_version)
    agency = house.directory.agency(document.agency_id)
    assert kind is not None
    assert agency is not None
    request = render_request(document, agency, kind, public_url=house.settings.public_url)
    return house.renderer.render(request)


def test_a_type_of_ones_own(deployment: Deployment, tmp_path: Path) -> None:
    """Issue 5 item 2: a newcomer's type is published, issued and verified without any code being
    deployed; nobody else may issue it; a changed file needs a new version; and the document of
    version 1 still renders, byte for byte, as it was sealed."""
    _tra(deployment, "types", "new", "own-course", "--in", tmp_path, "--agency", "diw")
    folder = tmp_path / "own-course"
    told = _tra(deployment, "types", "publish", "own-course", "--in", tmp_path).stdout
    assert told.splitlines()[-1].startswith("own-course 1 ")
    assert _tra(deployment, "types", "publish", "own-course", "--in", tmp_path).stdout == told

    # Issued, by who may, and in a book of its own.
    issued = _tra(deployment, "issue", folder / "example.json", "--agency", "diw").stdout.split()
    pdf = tmp_path / "one.pdf"
    _tra(deployment, "file", issued[0], "--agency", "diw", "-o", pdf)
    _tra(deployment, "verify", pdf)
    refused = _tra(deployment, "issue", folder / "example.json", "--agency", "dbd", expect=1)
    assert "/document_type" in refused.stderr
    shown = _shown(deployment, "own-course")
    assert (shown["version"], shown["issuers"]) == (1, ["diw"])

    # A preview is set by a function that reads the bundle, too.
    dry = json.loads((folder / "example.json").read_text(encoding="utf-8")) | {"dry_run": True}
    body = tmp_path / "dry.json"
    body.write_text(json.dumps(dry), encoding="utf-8")
    assert '"pages": 1' in _tra(deployment, "issue", body, "--agency", "diw").stdout

    # Another file under the same version is refused; with the next number it is published.
    _edit(folder / "template.typ", "หัวข้อการอบรม", "หัวข้อ")
    again = _tra(deployment, "types", "publish", "own-course", "--in", tmp_path, expect=1)
    assert "to 2" in again.stderr
    _edit(folder / "type.json", '"version": 1', '"version": 2')
    _tra(deployment, "types", "publish", "own-course", "--in", tmp_path)
    _until(lambda: _shown(deployment, "own-course")["version"] == 2)
    second = _tra(deployment, "issue", folder / "example.json", "--agency", "diw").stdout.split()

    # Both render again as they were sealed: the seal came after those bytes.
    assert pdf.read_bytes().startswith(_rendered_again(deployment, issued[0]))
    _tra(deployment, "file", second[0], "--agency", "diw", "-o", pdf)
    assert pdf.read_bytes().startswith(_rendered_again(deployment, second[0]))
    listed = _tra(deployment, "types", "list").stdout
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("own-course")] == [
        "1",
        "2",
    ]

    # Withdrawn, it takes no more.
    _tra(deployment, "types", "withdraw", "own-course")
    _until(lambda: _shown(deployment, "own-course").get("status") == 404)


def test_packaged_types_are_published_with_the_stack(deployment: Deployment) -> None:
    """Issue 5 item 2: every version ever deployed stays, so the stack's own types are published,
    too, and under the digest of the files that were deployed."""
    from chalicelib.adapters.type_folders import packaged_bundles  # noqa: PLC0415

    listed = _tra(deployment, "types", "list").stdout
    for bundle in packaged_bundles():
        assert f"{bundle.digest[:16]}  current" in listed


def test_a_template_that_loops_ends_as_void(deployment: Deployment, tmp_path: Path) -> None:
    """P4: a template that passed its check and loops over some content ends that document with a
    reason, and the next one is made."""
    _tra(deployment, "types", "new", "own-loop", "--in", tmp_path, "--agency", "diw")
    folder = tmp_path / "own-loop"
    with (folder / "template.typ").open("a", encoding="utf-8") as template:
        template.write(
            '#if display.course == "วน" { for a in range(90000) { for b in range(90000) '
            "{ let _ = calc.sin(a + b) } } }\n"
        )
    _tra(deployment, "types", "publish", "own-loop", "--in", tmp_path)
    body = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    body["content"]["course"] = "วน"
    loops = tmp_path / "loops.json"
    loops.write_text(json.dumps(body), encoding="utf-8")
    ended = _tra(deployment, "issue", loops, "--agency", "diw", expect=1)
    assert "void" in ended.stdout
    assert "looping" in ended.stdout
    _tra(deployment, "issue", folder / "example.json", "--agency", "diw")
