"""One suite for both stores of log files: the fake in memory and S3."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest
import urllib3

from chalicelib.adapters.log_files import S3LogFiles
from chalicelib.adapters.memory_logs import MemoryLogFiles
from chalicelib.domain.errors import LogForkError, UnavailableError
from chalicelib.domain.registers import LogName, Register
from chalicelib.ports import LogFiles
from tests.support.logs import REGISTER

NUMBERS, OUTCOMES = LogName.NUMBERS, LogName.OUTCOMES
TILE = "tile/0/000.p/5"


def _bucket() -> tuple[Any, str]:
    s3: Any = boto3.client("s3")
    name = f"logs-{uuid4().hex[:8]}"
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
    )
    return s3, name


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.aws)])
def files(request: pytest.FixtureRequest) -> Iterator[LogFiles]:
    if request.param == "memory":
        yield MemoryLogFiles()
        return
    request.getfixturevalue("aws")
    yield S3LogFiles(*_bucket())


def test_what_was_put_is_there(files: LogFiles) -> None:
    """P7: a file comes back byte for byte; of another log, nothing is found."""
    files.put(REGISTER, NUMBERS, TILE, bytes(range(160)))
    assert files.get(REGISTER, NUMBERS, TILE) == bytes(range(160))
    assert files.get(REGISTER, OUTCOMES, TILE) is None
    assert files.get(Register("diw", "licence", 2027), NUMBERS, TILE) is None
    assert files.get(REGISTER, NUMBERS, "tile/0/000.p/6") is None


def test_the_same_again_is_harmless(files: LogFiles) -> None:
    """P8: a run that was killed writes the same bytes again."""
    files.put(REGISTER, NUMBERS, TILE, b"same")
    files.put(REGISTER, NUMBERS, TILE, b"same")
    assert files.get(REGISTER, NUMBERS, TILE) == b"same"


def test_other_bytes_are_refused(files: LogFiles) -> None:
    """P7: what was published never changes."""
    files.put(REGISTER, NUMBERS, TILE, b"first")
    with pytest.raises(LogForkError):
        files.put(REGISTER, NUMBERS, TILE, b"other")
    assert files.get(REGISTER, NUMBERS, TILE) == b"first"


def test_of_many_at_once_one_wins(files: LogFiles) -> None:
    """P7, P8: however many write at the same moment, all but those of one kind are refused."""

    def put(n: int) -> bytes | None:
        data = b"%d" % (n % 4)
        try:
            files.put(REGISTER, NUMBERS, TILE, data)
        except LogForkError:
            return None
        return data

    with ThreadPoolExecutor(8) as pool:
        accepted = set(pool.map(put, range(16))) - {None}
    assert accepted == {files.get(REGISTER, NUMBERS, TILE)}


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("path", "media_type"),
    [(TILE, "application/octet-stream"), ("checkpoints/000000000005", "text/plain; charset=utf-8")],
)
def test_a_link_leads_to_the_file(path: str, media_type: str) -> None:
    """P7: anybody with the link gets the bytes, and may keep them for ever."""
    files = S3LogFiles(*_bucket())
    files.put(REGISTER, NUMBERS, path, b"data")
    answer = urllib3.request("GET", files.link(REGISTER, NUMBERS, path, seconds=60))
    assert (answer.status, answer.data) == (200, b"data")
    assert answer.headers["Content-Type"] == media_type
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_a_bucket_that_is_not_there_heals_by_waiting() -> None:
    """P4: a store that refuses is an error of ours, without its words."""
    files = S3LogFiles(boto3.client("s3"), f"nowhere-{uuid4().hex[:8]}")
    with pytest.raises(UnavailableError):
        files.put(REGISTER, NUMBERS, TILE, b"x")
