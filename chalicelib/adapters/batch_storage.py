"""Files of batches in S3 (port: BatchFiles). The bucket's lifecycle deletes them after some
weeks; nothing here can list or delete.

What the agency uploads lies under `uploads/`, what Tra keeps of it under `kept/`: nobody but
Tra writes there, so what was checked is what is issued.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.adapters.aws import status, translated
from chalicelib.domain.batches import LARGEST_FILE, BatchRef
from chalicelib.domain.errors import BatchBrokenError
from chalicelib.ports import UploadedFile, UploadForm

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_SECONDS = 3600
# Who asks may list: else S3 would say 403 of what is not there, and a wrong policy would look
# like a lost file.
_NOT_THERE = 404
_CHANGED = frozenset({404, 412})
_PAST_THE_END = 416

_RANGE = 4 * 1024 * 1024
# S3 takes no smaller part but the last one.
_PART = 8 * 1024 * 1024


class S3BatchFiles:
    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def invite(self, ref: BatchRef) -> UploadForm:
        """A presigned POST: S3 itself refuses another key or size."""
        with translated("upload"):
            form = self._client.generate_presigned_post(
                Bucket=self._bucket,
                Key=_upload(ref),
                Conditions=[["content-length-range", 1, LARGEST_FILE]],
                ExpiresIn=_SECONDS,
            )
        return UploadForm(
            url=form["url"], fields=form["fields"], largest=LARGEST_FILE, seconds=_SECONDS
        )

    def uploaded(self, ref: BatchRef) -> UploadedFile | None:
        with translated("upload"):
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=_upload(ref))
            except ClientError as error:
                if status(error) == _NOT_THERE:
                    return None
                raise
        return UploadedFile(found["ETag"], found["ContentLength"])

    def read(self, ref: BatchRef, etag: str, start: int) -> Iterator[bytes]:
        """Range by range: a connection that breaks costs one of them, and memory holds one."""
        while content := self._range(ref, etag, start):
            yield content
            if len(content) < _RANGE:
                return
            start += len(content)

    def _range(self, ref: BatchRef, etag: str, start: int) -> bytes:
        with translated("upload"):
            try:
                found = self._client.get_object(
                    Bucket=self._bucket,
                    Key=_upload(ref),
                    IfMatch=etag,
                    Range=f"bytes={start}-{start + _RANGE - 1}",
                )
            except ClientError as error:
                if status(error) == _PAST_THE_END:
                    return b""
                if status(error) in _CHANGED:
                    raise BatchBrokenError(
                        "The file was changed or removed after its check began. Make a new batch.",
                        "ไฟล์ถูกเปลี่ยนหรือลบหลังเริ่มตรวจ โปรดสร้างชุดเอกสารใหม่",
                    ) from error
                raise
            return found["Body"].read()

    def keep(self, ref: BatchRef, name: str, content: bytes) -> None:
        with translated("store of batches"):
            self._client.put_object(Bucket=self._bucket, Key=_kept(ref, name), Body=content)

    def kept(self, ref: BatchRef, name: str) -> bytes | None:
        with translated("store of batches"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=_kept(ref, name))
            except ClientError as error:
                if status(error) == _NOT_THERE:
                    return None
                raise
            return found["Body"].read()

    def write(self, ref: BatchRef, name: str, pieces: Iterable[bytes]) -> None:
        """One PutObject, or a multipart upload that shows nothing before it is whole. Dies
        half-way: the bucket's lifecycle removes the parts."""
        parts = _parts(pieces)
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            self.keep(ref, name, first)
            return
        bucket, key = self._bucket, _kept(ref, name)
        with translated("store of batches"):
            upload = self._client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
            done: list[CompletedPartTypeDef] = []
            for number, part in enumerate(chain((first, second), parts), start=1):
                put = self._client.upload_part(
                    Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part
                )
                done.append({"PartNumber": number, "ETag": put["ETag"]})
            self._client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done}
            )

    def link(self, ref: BatchRef, name: str, *, filename: str, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": _kept(ref, name),
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
            },
            ExpiresIn=seconds,
        )


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts that S3 takes."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _PART:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _upload(ref: BatchRef) -> str:
    return f"uploads/{ref}"


def _kept(ref: BatchRef, name: str) -> str:
    return f"kept/{ref}/{name}"
