"""What each function's role may do on the deployed stack, and what it may not (P2, P6).

The embedded AWS enforces IAM, so these are the policies themselves at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

FUNCTIONS = ("api", "authorizer", "number", "seal", "deliver", "sweep", "preview")
_DENIED = {"AccessDenied", "AccessDeniedException"}


@pytest.fixture(scope="module")
def as_function(
    aws: boto3.session.Session, deployment: Deployment
) -> Callable[[str], boto3.session.Session]:
    """From a function's short name to a session with its role."""

    def assume(function: str) -> boto3.session.Session:
        name = f"{deployment.stack}-{function}"
        role = aws.client("lambda").get_function(FunctionName=name)["Configuration"]["Role"]
        given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return boto3.session.Session(
            given["AccessKeyId"],
            given["SecretAccessKey"],
            given["SessionToken"],
            region_name=deployment.region,
        )

    return assume


def _allowed(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except ClientError as error:
        if error.response["Error"]["Code"] in _DENIED:
            return False
        raise
    return True


def _who_may(
    as_function: Callable[[str], boto3.session.Session],
    attempt: Callable[[boto3.session.Session], Any],
) -> set[str]:
    return {
        function
        for function in FUNCTIONS
        if _allowed(lambda function=function: attempt(as_function(function)))  # type: ignore[misc] # mypy cannot type a default
    }


def test_only_seal_writes_the_archive(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P2: no function but `seal` puts anything into the archive."""
    bucket = deployment.outputs["ArchiveBucket"]
    found = _who_may(
        as_function,
        lambda session: session.client("s3").put_object(
            Bucket=bucket, Key="documents/permission-test", Body=b"x"
        ),
    )
    assert found == {"seal"}


def test_nobody_deletes_or_unlocks(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P2: no function deletes from the archive or touches its versioning."""
    bucket = deployment.outputs["ArchiveBucket"]
    assert not _who_may(
        as_function,
        lambda session: session.client("s3").delete_object(Bucket=bucket, Key="documents/x"),
    )
    assert not _who_may(
        as_function,
        lambda session: session.client("s3").put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
    )


def test_only_seal_uses_agencies_keys_and_only_deliver_the_evidence_key(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P6: an agency's seal is used by `seal` alone, the evidence key by `deliver` alone."""

    def sign(key: str) -> Callable[[boto3.session.Session], Any]:
        return lambda session: session.client("kms").sign(
            KeyId=key,
            Message=bytes(32),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )

    kms = deployment.session().client("kms")
    seal_key = kms.describe_key(KeyId=f"alias/{deployment.stack}-seal-diw")["KeyMetadata"]["Arn"]
    assert _who_may(as_function, sign(seal_key)) == {"seal"}
    assert _who_may(as_function, sign(deployment.outputs["EvidenceKey"])) == {"deliver"}


def test_only_deliver_sends_to_recipients(
    as_function: Callable[[str], boto3.session.Session],
    aws: boto3.session.Session,
    deployment: Deployment,
) -> None:
    """P3: what lies in a recipient's queue came from `deliver`; not even root puts it there."""
    name = f"{deployment.stack}-inbox-sso"
    url = aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]

    def send(session: boto3.session.Session) -> Any:
        return session.client("sqs").send_message(QueueUrl=url, MessageBody="x")

    assert _who_may(as_function, send) == {"deliver"}
    assert not _allowed(lambda: send(aws))
    aws.client("sqs").purge_queue(QueueUrl=url)


def test_only_numbering_and_sealing_write_registers(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P1: nobody else writes an entry, and nobody deletes one."""
    table = deployment.outputs["RegistersTable"]
    key = {"register_id": {"S": "permission-test"}, "line": {"S": "1"}}
    found = _who_may(
        as_function,
        lambda session: session.client("dynamodb").put_item(TableName=table, Item=dict(key)),
    )
    assert found == {"number", "seal"}
    assert not _who_may(
        as_function,
        lambda session: session.client("dynamodb").delete_item(TableName=table, Key=dict(key)),
    )
