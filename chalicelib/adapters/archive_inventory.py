"""Reading S3 for the audit (ports: ArchiveInventory, LogInventory). Nothing here writes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.aws import status, translated
from chalicelib.adapters.log_files import S3LogFiles
from chalicelib.adapters.s3 import secret_of
from chalicelib.adapters.sealed_parts import NoVault
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import SecretUnreadableError
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.retention import LockMode
from chalicelib.domain.secrecy import SecretContext
from chalicelib.ports import Examined, FileVersion, Vault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_THERE = {400, 404}
"""400: a version id that this bucket never gave."""
_CHUNK_BYTES = 64 * 1024
# botocore keeps ten connections; more threads would wait for them.
_THREADS = 10
_ARCHIVE, _LOGS = "archive", "store of log files"


class S3ArchiveInventory:
    """One bucket with Object Lock, read a page and a few files at a time. What is encrypted is
    opened in memory and nowhere else."""

    def __init__(self, client: S3Client, bucket: str, vault: Vault | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._vault = vault or NoVault()

    def versions(self, prefix: str) -> Iterator[FileVersion]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        with translated(_ARCHIVE):
            for page in pages:
                found = [
                    FileVersion(v["Key"], v["VersionId"]) for v in page.get("Versions", ())
                ] + [
                    FileVersion(m["Key"], m["VersionId"], deleted=True)
                    for m in page.get("DeleteMarkers", ())
                ]
                # S3 orders each kind by key, and pages hold both up to one key.
                yield from sorted(found, key=lambda version: version.key)

    def examine(
        self, files: Sequence[ArchivedFile], *, read_bytes: bool
    ) -> tuple[Examined | None, ...]:
        look = self._read if read_bytes else self._look
        with translated(_ARCHIVE), ThreadPoolExecutor(_THREADS) as pool:
            return tuple(pool.map(partial(_or_none, look), files))

    def digests(
        self, files: Sequence[ArchivedFile], algorithm: str
    ) -> tuple[tuple[str, bytes] | None, ...]:
        look = partial(self._digests, algorithm)
        with translated(_ARCHIVE), ThreadPoolExecutor(_THREADS) as pool:
            return tuple(pool.map(partial(_or_none, look), files))

    def read(self, key: str) -> bytes | None:
        with translated(_ARCHIVE):
            found: bytes | None = _or_none(self._newest, key)
            return found

    def _digests(self, algorithm: str, file: ArchivedFile) -> tuple[str, bytes]:
        there = self._client.get_object(
            Bucket=self._bucket, Key=file.key, VersionId=file.version_id
        )
        recorded, other = hashlib.sha256(), hashlib.new(algorithm)
        for chunk in self._clear(file.key, there):
            recorded.update(chunk)
            other.update(chunk)
        return recorded.hexdigest(), other.digest()

    def _newest(self, key: str) -> bytes:
        there = self._client.get_object(Bucket=self._bucket, Key=key)
        return b"".join(self._clear(key, there))

    def _clear(self, key: str, there: Any) -> Iterable[bytes]:
        """The bytes of an answer, decrypted if they are encrypted."""
        secret = secret_of(key, there["Metadata"])
        if secret is None:
            chunks: Iterable[bytes] = there["Body"].iter_chunks(_CHUNK_BYTES)
            return chunks
        return (self._vault.open(there["Body"].read(), secret),)

    def _read(self, file: ArchivedFile) -> Examined:
        there = self._client.get_object(
            Bucket=self._bucket, Key=file.key, VersionId=file.version_id
        )
        secret = secret_of(file.key, there["Metadata"])
        kept, digest, size = bytearray(), hashlib.sha256(), 0
        for chunk in there["Body"].iter_chunks(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if secret is not None:
                kept += chunk
        examined = _examined(there, size, digest.hexdigest())
        if secret is None:
            return examined
        return replace(examined, clear_sha256=self._clear_digest(bytes(kept), secret))

    def _clear_digest(self, sealed: bytes, secret: SecretContext) -> str:
        """Hex; empty if it does not open: then no clear bytes lie there at all."""
        try:
            return hashlib.sha256(self._vault.open(sealed, secret)).hexdigest()
        except SecretUnreadableError:
            return ""

    def _look(self, file: ArchivedFile) -> Examined:
        there = self._client.head_object(
            Bucket=self._bucket,
            Key=file.key,
            VersionId=file.version_id,
            ChecksumMode="ENABLED",
        )
        stated = there.get("ChecksumSHA256")
        sha256 = base64.b64decode(stated).hex() if stated else None
        return _examined(there, there["ContentLength"], sha256)


class S3LogInventory:
    """The bucket of the public logs."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._files = S3LogFiles(client, bucket)

    def paths(self, register: Register, log: LogName, prefix: str) -> Iterator[str]:
        root = f"logs/{register.register_id}/{log}/"
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=root + prefix
        )
        with translated(_LOGS):
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(root)

    def read(
        self, register: Register, log: LogName, paths: Sequence[str]
    ) -> tuple[bytes | None, ...]:
        with ThreadPoolExecutor(_THREADS) as pool:
            return tuple(pool.map(partial(self._files.get, register, log), paths))


def _or_none(read: Any, what: Any) -> Any:
    try:
        return read(what)
    except ClientError as error:
        if status(error) not in _NOT_THERE:
            raise
        return None


def _examined(there: Any, size: int, sha256: str | None) -> Examined:
    mode = there.get("ObjectLockMode")
    until = there.get("ObjectLockRetainUntilDate")
    return Examined(
        size=size,
        sha256=sha256,
        lock_mode=LockMode(mode) if mode else None,
        retain_until=until,
    )
