"""The archive in S3 under Object Lock (port: Archive)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.adapters.aws import status, translated
from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_IN_MEMORY = 1024 * 1024
_LEVEL, _PROOF_UNTIL = "tra-seal-level", "tra-proof-until"


class S3Archive:
    """One bucket with Object Lock. Nothing here can delete, and nothing overwrites."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put_once(
        self,
        key: str,
        sealed: bytes,
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str = "application/pdf",
        seal_level: SealLevel | None = None,
        proof_until: datetime | None = None,
    ) -> ArchivedFile:
        """Idempotency key of this write: the object key.

        One PutObject carries bytes, checksum, condition and lock, so no version ever
        lies there unlocked. Dies after it: the repeat gets 412 and reads what is there.
        """
        return self._put_once(
            key,
            BytesIO(sealed),
            retain_until,
            mode,
            media_type=media_type,
            seal_level=seal_level,
            proof_until=proof_until,
        )

    def put_pieces_once(
        self,
        key: str,
        pieces: Iterable[bytes],
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str,
    ) -> ArchivedFile:
        """As `put_once`; the pieces are gathered on disk first, because the checksum goes
        before them."""
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as gathered:
            for piece in pieces:
                gathered.write(piece)
            gathered.seek(0)
            return self._put_once(key, gathered, retain_until, mode, media_type=media_type)

    def _put_once(
        self,
        key: str,
        content: IO[bytes],
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str,
        seal_level: SealLevel | None = None,
        proof_until: datetime | None = None,
    ) -> ArchivedFile:
        digest = hashlib.sha256()
        while piece := content.read(_IN_MEMORY):
            digest.update(piece)
        size = content.tell()
        content.seek(0)
        with translated("archive"):
            try:
                written = self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=content,
                    ContentType=media_type,
                    IfNoneMatch="*",
                    ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
                    ObjectLockMode=mode.value,
                    ObjectLockRetainUntilDate=retain_until,
                    Metadata=_metadata(seal_level, proof_until),
                )
            except ClientError as error:
                if status(error) != _PRECONDITION_FAILED:
                    raise
                return self._read(key)
        if "VersionId" not in written:
            raise ArchiveError("The archive keeps no versions, so it locks nothing (P2).")
        return ArchivedFile(
            key=key,
            version_id=written["VersionId"],
            sha256=digest.hexdigest(),
            size=size,
            lock_mode=mode,
            retain_until=retain_until.astimezone(UTC),
            seal_level=seal_level,
            proof_until=proof_until.astimezone(UTC) if proof_until else None,
        )

    def find(self, key: str) -> ArchivedFile | None:
        with translated("archive"):
            try:
                return self._read(key)
            except ClientError as error:
                if status(error) != _NOT_FOUND:
                    raise
                return None

    def link(self, file: ArchivedFile, *, filename: str, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": file.key,
                "VersionId": file.version_id,
                "ResponseContentDisposition": f'inline; filename="{filename}"',
            },
            ExpiresIn=seconds,
        )

    def _read(self, key: str) -> ArchivedFile:
        """Describe what lies there. Its digest is computed from its bytes, not taken
        from a header, because it becomes the register's word for ever (P2)."""
        there = self._client.get_object(Bucket=self._bucket, Key=key)
        digest, size = hashlib.sha256(), 0
        for piece in there["Body"].iter_chunks(_IN_MEMORY):
            digest.update(piece)
            size += len(piece)
        told = there["Metadata"]
        level, until = told.get(_LEVEL), told.get(_PROOF_UNTIL)
        if "ObjectLockMode" not in there or "ObjectLockRetainUntilDate" not in there:
            raise ArchiveError("The archive holds a version without lock at this document's key.")
        return ArchivedFile(
            key=key,
            version_id=there["VersionId"],
            sha256=digest.hexdigest(),
            size=size,
            lock_mode=LockMode(there["ObjectLockMode"]),
            retain_until=there["ObjectLockRetainUntilDate"].astimezone(UTC),
            seal_level=SealLevel(level) if level else None,
            proof_until=datetime.fromisoformat(until) if until else None,
        )


def _metadata(level: SealLevel | None, proof_until: datetime | None) -> dict[str, str]:
    """What is known of the seal, as S3 keeps it with the bytes: unchangeable while locked."""
    told: dict[str, str] = {}
    if level is not None:
        told[_LEVEL] = level.value
    if proof_until is not None:
        told[_PROOF_UNTIL] = proof_until.astimezone(UTC).isoformat()
    return told
