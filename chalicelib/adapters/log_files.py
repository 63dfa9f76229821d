"""Tiles, entry bundles and checkpoints of old in S3, written once (port LogFiles)."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.adapters.aws import status, translated
from chalicelib.domain.errors import LogForkError
from chalicelib.domain.registers import LogName, Register

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_SERVICE = "store of log files"

# Nothing under a name ever changes, so whoever has it need not ask again (tlog-tiles).
_FOR_EVER = "public, max-age=31536000, immutable"


class S3LogFiles:
    """One bucket, one prefix per log. Nothing here deletes, and nothing overwrites."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, register: Register, log: LogName, path: str, data: bytes) -> None:
        """Idempotency key of this write: the path. Dies after it: the repeat gets 412,
        reads what is there and finds its own bytes. Raises LogForkError, UnavailableError."""
        with translated(_SERVICE):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=_key(register, log, path),
                    Body=data,
                    ContentType=_content_type(path),
                    CacheControl=_FOR_EVER,
                    IfNoneMatch="*",
                    ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                )
            except ClientError as error:
                if status(error) != _PRECONDITION_FAILED:
                    raise
                self._demand_same(register, log, path, data)

    def get(self, register: Register, log: LogName, path: str) -> bytes | None:
        with translated(_SERVICE):
            try:
                there = self._client.get_object(Bucket=self._bucket, Key=_key(register, log, path))
                return there["Body"].read()
            except ClientError as error:
                if status(error) != _NOT_FOUND:
                    raise
                return None

    def link(self, register: Register, log: LogName, path: str, *, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": _key(register, log, path)},
            ExpiresIn=seconds,
        )

    def _demand_same(self, register: Register, log: LogName, path: str, data: bytes) -> None:
        if self.get(register, log, path) != data:
            raise LogForkError(
                f"Other bytes lie at {path} of the {log} log of {register.register_id}.",
                f"พบข้อมูลที่ต่างออกไปที่ {path} ของทะเบียน {register.register_id} ({log})",
            )


def _key(register: Register, log: LogName, path: str) -> str:
    return f"logs/{register.register_id}/{log}/{path}"


def _content_type(path: str) -> str:
    return "application/octet-stream" if path.startswith("tile/") else "text/plain; charset=utf-8"
