"""Published types: records in the directory table, bundles in the archive bucket (port TypeStore)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from pynamodb.exceptions import DoesNotExist, PutError

from chalicelib.adapters import aws
from chalicelib.adapters.dynamodb.faults import is_condition_failure, translated
from chalicelib.adapters.dynamodb.items import DirectoryItem, bind
from chalicelib.adapters.s3 import S3Archive
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.published_types import TypeBundle, TypeRecord
from chalicelib.domain.retention import LockMode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TYPE = "TYPE"


class AwsTypeStore:
    """Bundles lie under the digest of what is in them, locked as sealed files are; the
    record, which says which digest is which version, is only ever replaced by one that
    was made of it."""

    def __init__(self, table_name: str, client: S3Client, bucket: str) -> None:
        self._items = bind(DirectoryItem, table_name)
        self._client = client
        self._bucket = bucket

    def record(self, name: str) -> TypeRecord | None:
        with translated():
            try:
                found = self._items.get(_TYPE, name, consistent_read=True)
            except DoesNotExist:
                return None
        return _record(found.body)

    def records(self) -> tuple[TypeRecord, ...]:
        with translated():
            return tuple(_record(item.body) for item in self._items.query(_TYPE))

    def bundle(self, name: str, digest: str) -> TypeBundle:
        with aws.translated("archive"):
            there = self._client.get_object(Bucket=self._bucket, Key=_key(name, digest))
            stored = there["Body"].read()
        return TypeBundle.from_bytes(stored, digest)

    def keep(self, bundle: TypeBundle, retain_until: datetime, mode: LockMode) -> None:
        """Idempotency key of this write: the object key, which holds the digest."""
        S3Archive(self._client, self._bucket).put_once(
            _key(bundle.name, bundle.digest),
            bundle.to_bytes(),
            retain_until,
            mode,
            media_type="application/json",
        )

    def replace(self, old: TypeRecord | None, new: TypeRecord) -> None:
        """Idempotency: a repeat finds `new` there and is refused as any other late writer."""
        item = self._items(_TYPE, new.name, body=_text(new))
        condition = (
            DirectoryItem.pk.does_not_exist() if old is None else DirectoryItem.body == _text(old)
        )
        with translated():
            try:
                item.save(condition=condition)
            except PutError as error:
                if not is_condition_failure(error):
                    raise
                message = f"Somebody else published {new.name} just now; look and try again."
                raise UnavailableError(message) from error


def _key(name: str, digest: str) -> str:
    return f"types/{name}/{digest}.json"


def _text(record: TypeRecord) -> str:
    return json.dumps(record.to_json(), ensure_ascii=False, sort_keys=True)


def _record(body: str) -> TypeRecord:
    return TypeRecord.from_json(json.loads(body))
