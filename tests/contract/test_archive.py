"""One suite for both archives: the fake in memory and S3 with Object Lock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.archive_inventory import S3ArchiveInventory
from chalicelib.adapters.memory import MemoryArchive
from chalicelib.adapters.memory_inventory import MemoryArchiveInventory
from chalicelib.adapters.s3 import S3Archive
from chalicelib.domain.errors import ArchiveError, UnavailableError
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel
from chalicelib.ports import Archive, ArchiveInventory
from tests.support.samples import NOON

UNTIL = NOON + timedelta(days=3650)


def _bucket(*, lock: bool) -> tuple[Any, str]:
    s3: Any = boto3.client("s3")
    name = f"archive-{uuid4().hex[:8]}"
    s3.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=lock,
        CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name},
    )
    return s3, name


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.aws)])
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    if request.param == "memory":
        yield MemoryArchive()
        return
    request.getfixturevalue("aws")
    yield S3Archive(*_bucket(lock=True))


def test_the_first_bytes_win(archive: Archive) -> None:
    """P2: a second file under the same key changes nothing, and its writer learns of the first."""
    first = archive.put_once("a.pdf", b"first", UNTIL, LockMode.COMPLIANCE)
    later = archive.put_once("a.pdf", b"second", UNTIL + timedelta(days=1), LockMode.COMPLIANCE)
    assert later == first
    assert archive.find("a.pdf") == first
    assert (first.size, first.retain_until) == (5, UNTIL)


def test_a_file_in_pieces_is_archived_once(archive: Archive) -> None:
    """P2, issue 5 item 4: a manifest larger than memory is one file, under the same promises."""
    pieces = [bytes([n]) * 300_000 for n in range(10)]
    media_type = "application/jsonl"
    first = archive.put_pieces_once(
        "m.jsonl", iter(pieces), UNTIL, LockMode.COMPLIANCE, media_type=media_type
    )
    assert (first.size, first.sha256) == (3_000_000, hashlib.sha256(b"".join(pieces)).hexdigest())
    assert archive.find("m.jsonl") == first
    later = archive.put_pieces_once(
        "m.jsonl", [b"other"], UNTIL, LockMode.COMPLIANCE, media_type=media_type
    )
    assert later == first


def test_the_seal_that_won_is_told(archive: Archive) -> None:
    """Issue 4, 5: until when a file proves itself lies with its bytes, so that a repeat goes on
    with the proof of the file that won, not of the one it made itself."""
    first = archive.put_once(
        "s.pdf",
        b"first",
        UNTIL,
        LockMode.COMPLIANCE,
        seal_level=SealLevel.B_LTA,
        proof_until=NOON + timedelta(days=900, microseconds=5),
    )
    later = archive.put_once(
        "s.pdf",
        b"second",
        UNTIL,
        LockMode.COMPLIANCE,
        seal_level=SealLevel.B_T,
        proof_until=NOON + timedelta(days=1),
    )
    assert later == first == archive.find("s.pdf")
    assert later.seal_level is SealLevel.B_LTA
    assert later.proof_until == NOON + timedelta(days=900, microseconds=5)


def test_of_many_at_once_one_wins(archive: Archive) -> None:
    """P2, P8: however many seal at the same moment, all go on with the same file."""
    with ThreadPoolExecutor(8) as pool:
        files = list(
            pool.map(
                lambda n: archive.put_once("b.pdf", b"%d" % n, UNTIL, LockMode.COMPLIANCE),
                range(16),
            )
        )
    assert len(set(files)) == 1


@pytest.fixture
def inventory(archive: Archive) -> ArchiveInventory:
    """The same archive, as an auditor sees it."""
    if isinstance(archive, MemoryArchive):
        return MemoryArchiveInventory(archive)
    assert isinstance(archive, S3Archive)
    return S3ArchiveInventory(archive._client, archive._bucket)


def test_bytes_are_hashed_anew(archive: Archive, inventory: ArchiveInventory) -> None:
    """RFC 4998 §5.2: for another hash algorithm the bytes that lie there are read, and told
    apart from what is not there (any more)."""
    there = archive.put_once("h.pdf", b"bytes", UNTIL, LockMode.COMPLIANCE)
    found = inventory.digests([there, replace(there, key="gone.pdf")], "sha512")
    assert found == (
        (hashlib.sha256(b"bytes").hexdigest(), hashlib.sha512(b"bytes").digest()),
        None,
    )
    assert inventory.read("h.pdf") == b"bytes"
    assert inventory.read("gone.pdf") is None


def test_nothing_is_found_where_nothing_lies(archive: Archive) -> None:
    """P3: no file is made up."""
    assert archive.find("nothing.pdf") is None


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_a_bucket_without_versions_is_refused() -> None:
    """P2: a file that could not be locked is not taken for an archived one."""
    with pytest.raises((ArchiveError, UnavailableError)):
        S3Archive(*_bucket(lock=False)).put_once("a.pdf", b"x", UNTIL, LockMode.COMPLIANCE)
