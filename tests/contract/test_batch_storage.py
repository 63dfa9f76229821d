"""One suite for both places that batches' files go to: the fake in memory and S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest
import urllib3

from chalicelib.adapters import batch_storage
from chalicelib.adapters.batch_storage import S3BatchFiles
from chalicelib.adapters.memory_batches import MemoryBatchFiles
from chalicelib.domain.batches import LARGEST_FILE, BatchRef
from chalicelib.domain.errors import BatchBrokenError
from chalicelib.ports import BatchFiles, UploadForm

REF = BatchRef("diw", "01KAJ9R3M0V4Q8Z2X6C1B5N7TC")


@dataclass(frozen=True)
class Place:
    files: BatchFiles
    send: Callable[[UploadForm, bytes], int]


def _post(form: UploadForm, content: bytes) -> int:
    fields: dict[str, Any] = {**form.fields, "file": ("batch", content)}
    return urllib3.request("POST", form.url, fields=fields).status


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.aws)])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "memory":
        memory = MemoryBatchFiles()

        def put(_: UploadForm, content: bytes) -> int:
            memory.uploads[REF] = content
            return 204

        yield Place(memory, put)
        return
    request.getfixturevalue("aws")
    monkeypatch.setattr(batch_storage, "_RANGE", 1000)
    s3: Any = boto3.client("s3")
    name = f"batches-{uuid4().hex[:8]}"
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
    )
    yield Place(S3BatchFiles(s3, name), _post)


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 3000])
def test_what_was_uploaded_is_read_from_any_place(place: Place, size: int) -> None:
    """Issue 5 item 4: range by range, byte for byte, from the beginning or the middle."""
    content = bytes(n % 251 for n in range(size))
    assert place.files.uploaded(REF) is None
    form = place.files.invite(REF)
    assert form.largest == LARGEST_FILE
    assert place.send(form, content) in {200, 201, 204}
    found = place.files.uploaded(REF)
    assert found is not None
    assert found.size == size
    for start in {0, 1, size // 2, size}:
        assert b"".join(place.files.read(REF, found.etag, start)) == content[start:]


def test_a_changed_file_is_not_read(place: Place) -> None:
    """Issue 5 item 4: the check reads what lay there when it began, or nothing."""
    place.send(place.files.invite(REF), b"one")
    found = place.files.uploaded(REF)
    assert found is not None
    place.send(place.files.invite(REF), b"two")
    with pytest.raises(BatchBrokenError):
        b"".join(place.files.read(REF, found.etag, 0))


def test_what_is_kept_is_there_again(place: Place) -> None:
    """P8: a piece kept twice is the same piece; what was not kept is None."""
    for _ in range(2):
        place.files.keep(REF, "segments/00000.jsonl", b"{}\n")
    assert place.files.kept(REF, "segments/00000.jsonl") == b"{}\n"
    assert place.files.kept(REF, "segments/00001.jsonl") is None


@pytest.mark.parametrize("count", [0, 1, 20])
def test_a_file_in_pieces_is_whole(place: Place, count: int) -> None:
    """Issue 5 item 4: small in one request, large in several; what lies there is the file."""
    pieces = [bytes([n]) * (1 << 20) for n in range(count)]
    place.files.write(REF, "report.jsonl", iter(pieces))
    assert place.files.kept(REF, "report.jsonl") == b"".join(pieces)
    assert "report.jsonl" in place.files.link(REF, "report.jsonl", filename="x", seconds=60)
