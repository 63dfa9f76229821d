"""What each function's role may do on the deployed stack, and what it may not (P2, P6).

The embedded AWS enforces IAM, so these are the policies themselves at work.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import local
from tests.support.samples import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_DENIED = {"AccessDenied", "AccessDeniedException"}


@pytest.fixture(scope="module")
def as_function(
    aws: boto3.session.Session, deployment: Deployment
) -> Callable[[str], boto3.session.Session]:
    """From a function's short name to a session with its role; each is made once."""

    @cache
    def assume(function: str) -> boto3.session.Session:
        name = f"{deployment.stack}-{function}"
        role = aws.client("lambda").get_function(FunctionName=name)["Configuration"]["Role"]
        given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        session = boto3.session.Session(
            given["AccessKeyId"],
            given["SecretAccessKey"],
            given["SessionToken"],
            region_name=deployment.region,
        )
        session.client = cache(session.client)  # type: ignore[method-assign]  # slow to make, and the same
        return session

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


@pytest.mark.parametrize(
    ("place", "writer"),
    [
        ("documents", "seal"),
        ("rulings", "deliver"),
        ("deliveries", "dispatch"),
        ("statements", "close"),
        ("evidence-records", "renew"),
        ("batches", "batch"),
        ("access", "checkpoint"),
        ("proxies", "api"),
    ],
)
def test_one_function_writes_each_part_of_the_archive(
    as_function: Callable[[str], boto3.session.Session],
    deployment: Deployment,
    place: str,
    writer: str,
) -> None:
    """P2: sealed files come from `seal` alone, signed rulings from `deliver` alone, evidence of
    deliveries from `dispatch` alone, closing statements from `close` alone, evidence records
    from `renew` alone, manifests of batches from `batch` alone, the access log (C5) from
    `checkpoint` alone, uses of e-Proxies from `api` alone."""
    bucket = deployment.outputs["ArchiveBucket"]
    found = _who_may(
        as_function,
        lambda session: session.client("s3").put_object(
            Bucket=bucket, Key=f"{place}/permission-test", Body=b"x"
        ),
    )
    assert found == {writer}


def test_strangers_files_are_read_by_one_function(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P6: what parses strangers' files reads those and reaches nothing else; `api` only lets
    them be put there."""
    bucket = deployment.outputs["UploadsBucket"]
    s3 = deployment.session().client("s3")
    s3.put_object(Bucket=bucket, Key="verify/permission-test.pdf", Body=b"x")
    found = _who_may(
        as_function,
        lambda session: session.client("s3").get_object(
            Bucket=bucket, Key="verify/permission-test.pdf"
        ),
    )
    assert found == {"verify"}
    written = _who_may(
        as_function,
        lambda session: session.client("s3").put_object(
            Bucket=bucket, Key="verify/permission-test.pdf", Body=b"x"
        ),
    )
    assert written == {"api"}
    archive = deployment.outputs["ArchiveBucket"]
    s3.put_object(Bucket=archive, Key="documents/permission-read", Body=b"x")
    readers = _who_may(
        as_function,
        lambda session: session.client("s3").get_object(
            Bucket=archive, Key="documents/permission-read"
        ),
    )
    assert "verify" not in readers


def test_classified_documents_are_opened_by_who_works_on_them(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """A13, C5: data keys of classified documents are made by the functions that write them and
    unwrapped by those that need their text; what parses strangers' files, answers the public,
    makes logs and lists or closes years can do neither."""
    key = deployment.outputs["SecretsKey"]
    context = {
        "document": "01HPERMISSIONTEST",
        "agency": "diw",
        "classification": "secret",
        "purpose": "reason",
    }
    made = (
        deployment.session()
        .client("kms")
        .generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    )

    def opens(session: boto3.session.Session) -> None:
        session.client("kms").decrypt(
            KeyId=key, CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context
        )

    def keeps(session: boto3.session.Session) -> None:
        session.client("kms").generate_data_key(
            KeyId=key, KeySpec="AES_256", EncryptionContext=context
        )

    readers = {"api", "number", "seal", "deliver", "dispatch", "receive", "sweep"}
    assert _who_may(as_function, opens) == readers | {"renew", "audit"}
    assert _who_may(as_function, keeps) == readers


def test_only_the_api_appoints(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """A7: who may do what is changed by the routes alone, and nothing of it is deleted. Which
    partitions the API may write stands in its policy (tests/unit/test_officer_policies.py): the
    embedded AWS does not look at leading keys."""
    item = {"pk": {"S": "APPOINTMENT#permission-test"}, "sk": {"S": "permission-test"}}
    table = deployment.outputs["OfficersTable"]
    assert _who_may(
        as_function,
        lambda session: session.client("dynamodb").put_item(TableName=table, Item=dict(item)),
    ) == {"api"}
    assert not _who_may(
        as_function,
        lambda session: session.client("dynamodb").delete_item(TableName=table, Key=dict(item)),
    )


def test_what_was_checked_is_written_by_who_checks(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P2, issue 5 item 4: `api` lets agencies upload, `batch` keeps what it checked, `number`
    reads that, and nobody else comes near."""
    bucket = deployment.outputs["BatchesBucket"]

    def put(key: str) -> Callable[[boto3.session.Session], Any]:
        return lambda session: session.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")

    assert _who_may(as_function, put("uploads/permission/test")) == {"api"}
    assert _who_may(as_function, put("kept/permission/test/segments/1")) == {"batch"}
    assert _who_may(
        as_function,
        lambda session: session.client("s3").get_object(
            Bucket=bucket, Key="kept/permission/test/segments/1"
        ),
    ) == {"batch", "number"}


def test_published_types_are_read_by_who_needs_them_and_written_by_nobody(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """Issue 5 item 2: only an operator publishes; a function that is taken over cannot put a
    template of its own under a type."""
    bucket = deployment.outputs["ArchiveBucket"]
    s3 = deployment.session().client("s3")
    s3.put_object(Bucket=bucket, Key="types/permission-test.json", Body=b"x")
    readers = _who_may(
        as_function,
        lambda session: session.client("s3").get_object(
            Bucket=bucket, Key="types/permission-test.json"
        ),
    )
    assert readers == {"api", "number", "seal", "batch", "preview"}
    assert not _who_may(
        as_function,
        lambda session: session.client("s3").put_object(
            Bucket=bucket, Key="types/permission-test.json", Body=b"y"
        ),
    )
    table = deployment.outputs["DirectoryTable"]
    assert not _who_may(
        as_function,
        lambda session: session.client("dynamodb").put_item(
            TableName=table, Item={"pk": {"S": "TYPE"}, "sk": {"S": "x"}, "body": {"S": "{}"}}
        ),
    )


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


def test_each_key_is_used_by_its_functions_alone(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P6: an agency's seal is used by `seal` alone, the evidence key by who states evidence; `api`
    signs receipts for agencies hosted here."""

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
    assert _who_may(as_function, sign(deployment.outputs["EvidenceKey"])) == {
        "api",
        "deliver",
        "dispatch",
        "receive",
        "close",
        "status",
    }


def test_second_factors_are_the_apis_alone(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """Issue 7: nobody else reads or writes them, nobody deletes one, and nobody else uses the key
    of their seeds. That `api` needs an officer's context for it, `test_factor_policies.py` reads:
    the embedded AWS does not know it."""
    table, key = deployment.outputs["FactorsTable"], deployment.outputs["FactorsKey"]
    item = {"pk": {"S": "FACTOR#permission#test"}, "sk": {"S": "FACTORS"}}

    def dynamodb(session: boto3.session.Session) -> Any:
        return session.client("dynamodb")

    assert _who_may(
        as_function, lambda session: dynamodb(session).get_item(TableName=table, Key=dict(item))
    ) == {"api"}
    assert _who_may(
        as_function, lambda session: dynamodb(session).put_item(TableName=table, Item=dict(item))
    ) == {"api"}
    assert not _who_may(
        as_function, lambda session: dynamodb(session).delete_item(TableName=table, Key=dict(item))
    )
    context = {"agency": "permission", "subject": "test"}
    assert _who_may(
        as_function,
        lambda session: session.client("kms").encrypt(
            KeyId=key, Plaintext=b"seed", EncryptionContext=context
        ),
    ) == {"api"}


def test_only_who_delivers_sends_to_recipients(
    as_function: Callable[[str], boto3.session.Session],
    aws: boto3.session.Session,
    deployment: Deployment,
) -> None:
    """P3: what lies in a recipient's queue came from `deliver` or `dispatch`; not even root
    puts it there."""
    name = f"{deployment.stack}-inbox-sso"
    url = aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]

    def send(session: boto3.session.Session) -> Any:
        return session.client("sqs").send_message(QueueUrl=url, MessageBody="x")

    assert _who_may(as_function, send) == {"deliver", "dispatch"}
    assert not _allowed(lambda: send(aws))
    aws.client("sqs").purge_queue(QueueUrl=url)


def test_only_who_works_on_registers_writes_them(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P1: nobody else writes into a register, and only who orders outcomes takes anything away.

    On AWS conditions narrow this to attributes and to the line of waiting outcomes; the
    embedded AWS does not evaluate them for writes, `test_deletion_is_for_what_waits` reads them.
    """
    table = deployment.outputs["RegistersTable"]
    key = {"register_id": {"S": "permission-test"}, "line": {"S": "1"}}
    found = _who_may(
        as_function,
        lambda session: session.client("dynamodb").put_item(TableName=table, Item=dict(key)),
    )
    assert found == {
        "api",
        "number",
        "seal",
        "batch",
        "sweep",
        "checkpoint",
        "close",
        "renew",
    }
    assert _who_may(
        as_function,
        lambda session: session.client("dynamodb").delete_item(TableName=table, Key=dict(key)),
    ) == {"checkpoint", "close"}


def test_deletion_is_for_what_waits() -> None:
    """P1: whoever may delete in the registers may so only with outcomes that got their place."""
    allowed = [
        statement
        for path in (local.ROOT / ".chalice").glob("policy-*.json")
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]
        if "dynamodb:DeleteItem" in statement["Action"]
    ]
    assert allowed
    for statement in allowed:
        assert statement["Condition"] == {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*!pending"]}
        }


def test_only_who_publishes_writes_and_signs_logs_and_nobody_deletes_them(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P7: two functions publish (`close` ends a log), and nobody can take it away."""
    bucket = deployment.outputs["LogsBucket"]
    key = "logs/permission-test"

    def sign(session: boto3.session.Session) -> Any:
        return session.client("kms").sign(
            KeyId=deployment.outputs["LogKey"],
            Message=b"permission test",
            MessageType="RAW",
            SigningAlgorithm="ED25519_SHA_512",
        )

    assert _who_may(as_function, sign) == {"checkpoint", "close"}
    assert _who_may(
        as_function,
        lambda session: session.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x"),
    ) == {"checkpoint", "close"}
    assert not _who_may(
        as_function, lambda session: session.client("s3").delete_object(Bucket=bucket, Key=key)
    )


def test_the_audit_only_reads(
    as_function: Callable[[str], boto3.session.Session], deployment: Deployment
) -> None:
    """P7: who audits cannot change what is audited, nor sign for it."""
    session = as_function("audit")
    outputs = deployment.outputs
    dynamodb, s3 = session.client("dynamodb"), session.client("s3")
    entry = {"register_id": {"S": "permission-test"}, "line": {"S": "1"}}
    paper = {"pk": {"S": "permission-test"}}
    attempts: list[Callable[[], Any]] = [
        lambda: dynamodb.put_item(TableName=outputs["RegistersTable"], Item=entry),
        lambda: dynamodb.delete_item(TableName=outputs["RegistersTable"], Key=entry),
        lambda: dynamodb.put_item(TableName=outputs["DocumentsTable"], Item=paper),
        lambda: dynamodb.scan(TableName=outputs["DocumentsTable"]),
        lambda: s3.put_object(Bucket=outputs["ArchiveBucket"], Key="documents/x", Body=b"x"),
        lambda: s3.put_object(Bucket=outputs["LogsBucket"], Key="logs/x", Body=b"x"),
        lambda: s3.delete_object(Bucket=outputs["ArchiveBucket"], Key="documents/x"),
        lambda: session.client("kms").sign(
            KeyId=outputs["LogKey"],
            Message=b"x",
            MessageType="RAW",
            SigningAlgorithm="ED25519_SHA_512",
        ),
    ]
    assert [_allowed(attempt) for attempt in attempts] == [False] * len(attempts)
    assert _allowed(lambda: s3.list_object_versions(Bucket=outputs["ArchiveBucket"]))
