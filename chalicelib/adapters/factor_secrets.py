"""What is secret of a second factor, under a KMS key of its own (port: FactorSecrets).

The encryption context names agency and subject, so that a ciphertext put into another officer's
item cannot be opened. CloudTrail shows contexts in clear: the subject stands there as its digest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import SecretUnreadableError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from chalicelib.domain.persons import Officer

# KMS says no more than that about a ciphertext that was changed, or of another context.
_UNREADABLE = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsFactorSecrets:
    """Seeds are shorter than the 4 KiB that KMS itself encrypts: no data key is needed."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client, self._key_id = client, key_id

    def seal(self, clear: bytes, officer: Officer) -> bytes:
        try:
            answer = self._client.encrypt(
                KeyId=self._key_id, Plaintext=clear, EncryptionContext=context_of(officer)
            )
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from None  # the request, and the secret with it, stays here
        return answer["CiphertextBlob"]

    def open(self, sealed: bytes, officer: Officer) -> bytes:
        try:
            answer = self._client.decrypt(
                KeyId=self._key_id, CiphertextBlob=sealed, EncryptionContext=context_of(officer)
            )
        except ClientError as error:
            if _code(error) in _UNREADABLE:
                raise SecretUnreadableError(
                    "The seed of this second factor cannot be opened."
                ) from error
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return answer["Plaintext"]


def context_of(officer: Officer) -> dict[str, str]:
    """The encryption context: other members, or none, and KMS refuses (`policy-api.json`)."""
    subject = hashlib.sha256(officer.subject.encode()).hexdigest()
    return {"agency": officer.agency_id, "subject": subject}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _unavailable(error: BotoCoreError | ClientError) -> UnavailableError:
    """Names KMS's code only: a message may carry account ids and roles."""
    name = _code(error) if isinstance(error, ClientError) else type(error).__name__
    return UnavailableError(
        f"KMS did not take the request ({name}).", f"ระบบกุญแจ (KMS) ไม่รับคำขอ ({name})"
    )
