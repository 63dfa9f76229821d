"""Dry run: everything is checked and shown, and nothing of it stays anywhere (issue 5 item 6)."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pypdf
import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.presentation import PREVIEW_MARK
from tests.integration.conftest import Answer, Api
from tests.support.previews import near_preview
from tests.support.rooms import Fakes, furnished

TYPES = [kind.name for kind in PackagedDocumentTypes().all()]

READS = {
    "documents": {"made_by"},
    "registers": {"entry", "head", "children"},
    "directory": {"agency"},
    "officers": {"client"},
    "previewer": {"render"},
}
"""All that a dry run may ask of the world; whatever else it calls leaves a trace."""


@dataclass
class Watched:
    """A port, and which of its methods were called."""

    name: str
    port: Any
    called: list[tuple[str, str]]

    def __getattr__(self, method: str) -> Any:
        found = getattr(self.port, method)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self.called.append((self.name, method))
            return found(*given, **named)

        return call


@dataclass
class DryRun:
    """The API, and every call to a port that it made."""

    api: Api
    called: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, name: str, **changes: Any) -> Answer:
        kind = PackagedDocumentTypes().get(name)
        assert kind is not None
        body = {**deepcopy(dict(kind.example)), "recipients": [], "dry_run": True, **changes}
        return self.api.submit(body, idempotency_key="dry")

    def traces(self) -> list[tuple[str, str]]:
        return [(port, method) for port, method in self.called if method not in READS.get(port, ())]


def _with_prefix(fakes: Fakes, prefix: str | None) -> None:
    """The letter prefix (ที่) of the agency that asks."""
    agency = fakes.directory.agency("diw")
    assert agency is not None
    fakes.directory.put_agency(replace(agency, letter_prefix=prefix))


@pytest.fixture
def dry_run(fakes: Fakes) -> Iterator[DryRun]:
    called: list[tuple[str, str]] = []
    _with_prefix(fakes, "อก ๐๓๐๒")
    house = fakes.house(lambda name, port: Watched(name, port, called))
    vars(house)["previewer"] = Watched("previewer", near_preview(), called)
    with furnished(house):
        yield DryRun(Api(fakes), called)


@pytest.mark.parametrize("name", TYPES)
def test_dry_run_shows_each_type_and_leaves_nothing(
    dry_run: DryRun, name: str, log: StringIO
) -> None:
    """Every type answers with its marked pages; no port was asked for anything but to read,
    and the log tells nothing of the content."""
    answered = dry_run(name)
    assert answered.status == 200, answered.text[:500]
    assert answered.json["pages"] >= 1
    assert dry_run.traces() == []
    assert ("previewer", "render") in dry_run.called
    assert not dry_run.api.fakes.number_queue.messages
    assert "ก" not in log.getvalue()


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_every_page_of_a_preview_says_what_it_is(
    dry_run: DryRun, name: str, tmp_path: Path
) -> None:
    """No page can be taken for a document: each is marked, none has a seal or a number."""
    pdf = base64.b64decode(dry_run(name).json["preview_base64"])
    file = tmp_path / "preview.pdf"
    file.write_bytes(pdf)
    said = subprocess.run(["pdftotext", "-raw", file, "-"], check=True, capture_output=True)
    pages = said.stdout.decode().split("\f")[:-1]
    for page in pages:
        assert "SPECIMEN" in "".join(page.split())  # turned, so a letter a line
    reader = pypdf.PdfReader(BytesIO(pdf))
    assert reader.metadata is not None
    assert PREVIEW_MARK in str(reader.metadata.title)
    assert "/AcroForm" not in reader.root_object
    assert b"/ByteRange" not in pdf
    attached = json.loads(reader.attachments["content.json"][0])
    assert attached.get("number") is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"content": {}}, "/content/holder"),
        ({"recipients": ["nowhere"]}, "/recipients/0"),
        ({"valid_from": "2027-02-01", "valid_until": "2027-01-01"}, "/valid_until"),
        ({"use_reserved": {"year": 2026, "number": 7}}, "/use_reserved"),
        ({"insert_after": {"year": 2026, "number": 7}}, "/insert_after"),
        ({"dated": "2020-01-01"}, "/dated"),
    ],
)
def test_dry_run_refuses_what_a_submission_would(
    dry_run: DryRun, changes: dict[str, Any], pointer: str
) -> None:
    """The same faults at the same places; nothing is rendered for them."""
    answered = dry_run("licence", **changes)
    assert answered.status == 422, answered.text[:500]
    assert pointer in {fault["pointer"] for fault in answered.json["errors"]}
    assert ("previewer", "render") not in dry_run.called
    assert dry_run.traces() == []


@pytest.mark.parametrize("asked", [{"dry_run": True}, {"dry_run": False}])
def test_letters_that_cannot_be_numbered_are_refused_at_once(
    dry_run: DryRun, asked: dict[str, bool]
) -> None:
    """An agency without letter prefix (ที่) learns it before anything is stored, and not when
    its letter is rejected at numbering."""
    _with_prefix(dry_run.api.fakes, None)
    answered = dry_run("official-letter", **asked)
    assert answered.status == 422, answered.text[:500]
    assert [fault["code"] for fault in answered.json["errors"]] == ["no_letter_prefix"]
    assert dry_run.traces() == []
