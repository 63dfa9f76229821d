"""One suite for both places that uploads go to: the fake in memory and S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest
import urllib3

from chalicelib.adapters.memory import MemoryUploads
from chalicelib.adapters.uploads import LARGEST, S3Uploads
from chalicelib.domain.errors import NotFoundError
from chalicelib.ports import UploadForm, Uploads

UPLOAD = "A" * 26


@dataclass(frozen=True)
class Place:
    uploads: Uploads
    send: Callable[[str, UploadForm, bytes], int]


def _post(_: str, form: UploadForm, content: bytes, **changed: str) -> int:
    fields: dict[str, Any] = {**form.fields, **changed}
    fields["file"] = ("file.pdf", content, "application/pdf")
    return urllib3.request("POST", form.url, fields=fields).status


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.aws)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        memory = MemoryUploads()

        def put(upload_id: str, _: UploadForm, content: bytes) -> int:
            memory.files[upload_id] = content
            return 204

        yield Place(memory, put)
        return
    request.getfixturevalue("aws")
    s3: Any = boto3.client("s3")
    name = f"uploads-{uuid4().hex[:8]}"
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
    )
    yield Place(S3Uploads(s3, name), _post)


def test_what_was_invited_is_read(place: Place) -> None:
    """api.md: a file sent with the form is there under its id, byte for byte."""
    form = place.uploads.invite(UPLOAD)
    assert form.largest == LARGEST
    assert place.send(UPLOAD, form, b"%PDF-1.7\n\x00\xff") in {200, 201, 204}
    assert place.uploads.read(UPLOAD) == b"%PDF-1.7\n\x00\xff"


def test_what_is_not_there(place: Place) -> None:
    """P6: an id nobody uploaded to is not found, as any other."""
    place.uploads.invite(UPLOAD)
    with pytest.raises(NotFoundError):
        place.uploads.read(UPLOAD)
