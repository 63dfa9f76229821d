"""Files the public sends to be verified, in S3 (port: Uploads). The bucket's lifecycle deletes
them after a day; nothing here can list or delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.adapters.aws import status, translated
from chalicelib.domain.errors import NotFoundError
from chalicelib.ports import UploadForm

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LARGEST = 100 * 1024 * 1024
_SECONDS = 900
_PDF = "application/pdf"
_NOT_THERE = frozenset({403, 404})
"""Without the right to list, S3 says 403 of what is not there."""


class S3Uploads:
    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def invite(self, upload_id: str) -> UploadForm:
        """A presigned POST: S3 itself refuses another key, type or size."""
        with translated("upload"):
            form = self._client.generate_presigned_post(
                Bucket=self._bucket,
                Key=_key(upload_id),
                Fields={"Content-Type": _PDF},
                Conditions=[
                    {"Content-Type": _PDF},
                    ["content-length-range", 1, LARGEST],
                ],
                ExpiresIn=_SECONDS,
            )
        return UploadForm(url=form["url"], fields=form["fields"], largest=LARGEST, seconds=_SECONDS)

    def read(self, upload_id: str) -> bytes:
        with translated("upload"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=_key(upload_id))
            except ClientError as error:
                if status(error) in _NOT_THERE:
                    raise NotFoundError from error
                raise
            # One byte more than allowed is enough for the check to say "too large".
            return found["Body"].read(LARGEST + 1)


def _key(upload_id: str) -> str:
    return f"verify/{upload_id}.pdf"
