"""The archive in S3 under Object Lock (port: Archive)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.adapters.aws import status, translated
from chalicelib.adapters.sealed_parts import NoVault
from chalicelib.domain.classification import Classification
from chalicelib.domain.documents import ArchivedFile, Stored
from chalicelib.domain.errors import ArchiveError
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.secrecy import SecretContext
from chalicelib.ports import Vault

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_IN_MEMORY = 1024 * 1024
_LEVEL, _PROOF_UNTIL = "tra-seal-level", "tra-proof-until"
_SECRET_DOCUMENT, _SECRET_AGENCY = "tra-secret-document", "tra-secret-agency"
_SECRET_CLASSIFICATION = "tra-secret-classification"  # noqa: S105 - a name
_ENCRYPTED = "application/octet-stream"


class S3Archive:
    """One bucket with Object Lock. Nothing here can delete, and nothing overwrites.

    Of a classified file only the encryption lies there, made for its key: it opens nowhere else.
    Beside it stand, in clear, document, agency and classification, which lead to the key that
    opens it."""

    def __init__(self, client: S3Client, bucket: str, vault: Vault | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._vault = vault or NoVault()

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
        secret: SecretContext | None = None,
    ) -> ArchivedFile:
        """Idempotency key of this write: the object key.

        One PutObject carries bytes, checksum, condition and lock, so no version ever
        lies there unlocked. Dies after it: the repeat gets 412 and reads what is there.
        """
        if secret is None:
            content, media = sealed, media_type
        else:
            content, media = self._vault.seal(sealed, for_key(secret, key)), _ENCRYPTED
        written = self._put_once(
            key,
            BytesIO(content),
            retain_until,
            mode,
            media_type=media,
            metadata={**_told_of_seal(seal_level, proof_until), **_told_of_secret(secret)},
        )
        if written is None:
            with translated("archive"):
                return self._read(key, secret)
        described = replace(
            written,
            seal_level=seal_level,
            proof_until=proof_until.astimezone(UTC) if proof_until else None,
        )
        return described if secret is None else encrypted_as(described, sealed)

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
            written = self._put_once(key, gathered, retain_until, mode, media_type=media_type)
        if written is not None:
            return written
        with translated("archive"):
            return self._read(key)

    def _put_once(
        self,
        key: str,
        content: IO[bytes],
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> ArchivedFile | None:
        """What was written; None if something lies there already."""
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
                    Metadata=dict(metadata or {}),
                )
            except ClientError as error:
                if status(error) != _PRECONDITION_FAILED:
                    raise
                return None
        if "VersionId" not in written:
            raise ArchiveError("The archive keeps no versions, so it locks nothing (P2).")
        return ArchivedFile(
            key=key,
            version_id=written["VersionId"],
            sha256=digest.hexdigest(),
            size=size,
            lock_mode=mode,
            retain_until=retain_until.astimezone(UTC),
        )

    def find(self, key: str) -> ArchivedFile | None:
        with translated("archive"):
            try:
                return self._read(key)
            except ClientError as error:
                if status(error) != _NOT_FOUND:
                    raise
                return None

    def read(self, file: ArchivedFile) -> bytes:
        with translated("archive"):
            there = self._client.get_object(
                Bucket=self._bucket, Key=file.key, VersionId=file.version_id
            )
            stored = there["Body"].read()
        secret = secret_of(file.key, there["Metadata"])
        clear = stored if secret is None else self._vault.open(stored, secret)
        if hashlib.sha256(clear).hexdigest() != file.sha256:
            raise ArchiveError("The archive holds other bytes than were archived (P2).")
        return clear

    def link(self, file: ArchivedFile, *, filename: str, seconds: int) -> str:
        if file.stored is not None:
            raise ArchiveError("No link leads to a classified file.")
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

    def _read(self, key: str, secret: SecretContext | None = None) -> ArchivedFile:
        """Describe what lies there. Its digest is computed from its bytes, not taken
        from a header, because it becomes the register's word for ever (P2). What is encrypted
        is opened in memory, for `secret` if that is known, else for what it says of itself."""
        there = self._client.get_object(Bucket=self._bucket, Key=key)
        told = there["Metadata"]
        secret = for_key(secret, key) if secret else secret_of(key, told)
        kept, digest, size = bytearray(), hashlib.sha256(), 0
        for piece in there["Body"].iter_chunks(_IN_MEMORY):
            digest.update(piece)
            size += len(piece)
            if secret is not None:
                kept += piece
        if "ObjectLockMode" not in there or "ObjectLockRetainUntilDate" not in there:
            raise ArchiveError("The archive holds a version without lock at this document's key.")
        level, until = told.get(_LEVEL), told.get(_PROOF_UNTIL)
        found = ArchivedFile(
            key=key,
            version_id=there["VersionId"],
            sha256=digest.hexdigest(),
            size=size,
            lock_mode=LockMode(there["ObjectLockMode"]),
            retain_until=there["ObjectLockRetainUntilDate"].astimezone(UTC),
            seal_level=SealLevel(level) if level else None,
            proof_until=datetime.fromisoformat(until) if until else None,
        )
        if secret is None:
            return found
        return encrypted_as(found, self._vault.open(bytes(kept), secret))


def encrypted_as(stored: ArchivedFile, clear: bytes) -> ArchivedFile:
    """The clear file that lies as what is described by `stored`."""
    return replace(
        stored,
        sha256=hashlib.sha256(clear).hexdigest(),
        size=len(clear),
        stored=Stored(stored.sha256, stored.size),
    )


def for_key(secret: SecretContext, key: str) -> SecretContext:
    """An object is encrypted for the place where it lies."""
    return replace(secret, purpose=key)


def secret_of(key: str, told: Mapping[str, str]) -> SecretContext | None:
    """What an object says it is encrypted for; None if it lies in clear. A lie opens nothing."""
    if _SECRET_DOCUMENT not in told:
        return None
    try:
        return SecretContext(
            document_id=told[_SECRET_DOCUMENT],
            agency_id=told[_SECRET_AGENCY],
            classification=Classification(told[_SECRET_CLASSIFICATION]),
            purpose=key,
        )
    except (KeyError, ValueError) as error:
        raise ArchiveError("The archive holds an encrypted file of nobody knows what.") from error


def _told_of_secret(secret: SecretContext | None) -> dict[str, str]:
    if secret is None:
        return {}
    return {
        _SECRET_DOCUMENT: secret.document_id,
        _SECRET_AGENCY: secret.agency_id,
        _SECRET_CLASSIFICATION: secret.classification.value,
    }


def _told_of_seal(level: SealLevel | None, proof_until: datetime | None) -> dict[str, str]:
    """What is known of the seal, as S3 keeps it with the bytes: unchangeable while locked."""
    told: dict[str, str] = {}
    if level is not None:
        told[_LEVEL] = level.value
    if proof_until is not None:
        told[_PROOF_UNTIL] = proof_until.astimezone(UTC).isoformat()
    return told
