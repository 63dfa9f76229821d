"""One suite for both stores of published types: the fake in memory, and DynamoDB with S3."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.memory import MemoryTypeStore
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.published_types import (
    BundleDamagedError,
    TypeBundle,
    TypeRecord,
    with_version,
)
from chalicelib.domain.retention import LockMode
from chalicelib.ports import TypeStore
from tests.support.samples import NOON
from tests.support.tables import create_table

UNTIL = NOON + timedelta(days=3650)


def _bundle(version: int = 1, text: bytes = b"one") -> TypeBundle:
    return TypeBundle(
        name="pilot", version=version, files={"template.typ": text}, made_with={"typst": "0"}
    )


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.aws)])
def store(request: pytest.FixtureRequest) -> TypeStore:
    if request.param == "memory":
        return MemoryTypeStore()
    request.getfixturevalue("aws")
    # Here, because pynamodb reads region and endpoint from the environment when imported.
    from chalicelib.adapters.type_store import AwsTypeStore  # noqa: PLC0415 - see above

    unique = uuid4().hex[:8]
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket=f"types-{unique}",
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name},
    )
    table = create_table(boto3.client("dynamodb"), "DirectoryTable", f"directory-{unique}")
    return AwsTypeStore(table, s3, f"types-{unique}")


def _record(bundle: TypeBundle, old: TypeRecord | None = None) -> TypeRecord:
    return with_version(old, bundle, "pilot", (), at=NOON, by="arn:somebody")


def test_nothing_was_published(store: TypeStore) -> None:
    """Issue 5 item 2: what was never published is not there."""
    assert store.record("pilot") is None
    assert store.records() == ()
    with pytest.raises(UnavailableError):
        store.bundle("pilot", _bundle().digest)


def test_a_bundle_comes_back_as_it_was(store: TypeStore) -> None:
    """Issue 5 item 2: what is published is kept byte for byte; keeping it again changes nothing,
    not even what it was made with."""
    store.keep(_bundle(), UNTIL, LockMode.COMPLIANCE)
    store.keep(replace(_bundle(), made_with={"typst": "1"}), UNTIL, LockMode.COMPLIANCE)
    assert store.bundle("pilot", _bundle().digest) == _bundle()


def test_bundles_of_other_bytes_lie_elsewhere(store: TypeStore) -> None:
    """Issue 5 item 2: another file under the same version cannot take a bundle's place."""
    store.keep(_bundle(), UNTIL, LockMode.COMPLIANCE)
    store.keep(_bundle(text=b"two"), UNTIL, LockMode.COMPLIANCE)
    assert store.bundle("pilot", _bundle().digest).files["template.typ"] == b"one"
    assert store.bundle("pilot", _bundle(text=b"two").digest).files["template.typ"] == b"two"


def test_a_record_grows(store: TypeStore) -> None:
    """Issue 5 item 2: each version stays in the record beside the ones before it."""
    first = _record(_bundle())
    store.replace(None, first)
    second = _record(_bundle(2), first)
    store.replace(first, second)
    assert store.record("pilot") == second
    assert store.records() == (second,)
    assert [one.version for one in second.versions] == [1, 2]


def test_of_two_writers_one_is_refused(store: TypeStore) -> None:
    """P8: who looked before somebody else wrote does not undo it."""
    first = _record(_bundle())
    store.replace(None, first)
    with pytest.raises(UnavailableError):
        store.replace(None, _record(_bundle(text=b"other")))
    store.replace(first, _record(_bundle(2), first))
    with pytest.raises(UnavailableError):
        store.replace(first, _record(_bundle(2, b"other"), first))


def test_a_changed_bundle_is_noticed() -> None:
    """Issue 5 item 2: bytes that are not those of the digest are never rendered."""
    stored = _bundle(text=b"two").to_bytes()
    for other in (stored, b"{}", b"\xff", json.dumps([]).encode()):
        with pytest.raises(BundleDamagedError):
            TypeBundle.from_bytes(other, _bundle().digest)
