"""A house on the embedded AWS with everything its functions touch, made anew each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3

from chalicelib.bootstrap import House
from infra.devservices import DevServices
from infra.onboard import onboard
from infra.pki import issue_seal_certificate
from tests.support.samples import AGENCIES, settings
from tests.support.tables import create_table

VISIBLE_AGAIN_SECONDS = 20
"""How long a message is its reader's: who was killed loses it soon."""


def _queue(sqs: Any, name: str, **attributes: str) -> str:
    seconds = {"VisibilityTimeout": str(VISIBLE_AGAIN_SECONDS)}
    return str(sqs.create_queue(QueueName=name, Attributes={**seconds, **attributes})["QueueUrl"])


def _plain_bucket(name: str) -> str:
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
    )
    return name


def aws_house(services: DevServices) -> tuple[House, dict[str, str]]:
    """A house on real tables, buckets, keys and queues, with agencies onboarded; and the queues
    of recipients by agency."""
    run = uuid4().hex[:8]
    dynamodb: Any = boto3.client("dynamodb")
    sqs: Any = boto3.client("sqs")
    kms: Any = boto3.client("kms")
    bucket = f"archive-{run}"
    s3: Any = boto3.client("s3")
    s3.create_bucket(
        Bucket=bucket,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name},
    )
    house = House(
        settings(
            documents_table=create_table(dynamodb, "DocumentsTable", f"documents-{run}"),
            registers_table=create_table(dynamodb, "RegistersTable", f"registers-{run}"),
            directory_table=create_table(dynamodb, "DirectoryTable", f"directory-{run}"),
            deliveries_table=create_table(dynamodb, "DeliveriesTable", f"deliveries-{run}"),
            officers_table=create_table(dynamodb, "OfficersTable", f"officers-{run}"),
            factors_table=create_table(dynamodb, "FactorsTable", f"factors-{run}"),
            access_table=create_table(dynamodb, "AccessTable", f"access-{run}"),
            factors_key_id=kms.create_key()["KeyMetadata"]["Arn"],
            secrets_key_id=kms.create_key()["KeyMetadata"]["Arn"],
            archive_bucket=bucket,
            logs_bucket=_plain_bucket(f"logs-{run}"),
            batches_bucket=_plain_bucket(f"batches-{run}"),
            log_key_id=kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")[
                "KeyMetadata"
            ]["Arn"],
            number_queue_url=_queue(sqs, f"number-{run}.fifo", FifoQueue="true"),
            seal_queue_url=_queue(sqs, f"seal-{run}"),
            deliver_queue_url=_queue(sqs, f"deliver-{run}"),
            dispatch_queue_url=_queue(sqs, f"dispatch-{run}"),
            batch_queue_url=_queue(sqs, f"batch-{run}"),
            batch_seal_queue_url=_queue(sqs, f"batch-seal-{run}"),
            evidence_key_id=kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")[
                "KeyMetadata"
            ]["KeyId"],
            timestamp_urls=(services.pki.timestamp_url,),
        )
    )
    agencies = onboard(
        [replace(a, inbox_url=None) for a in AGENCIES if a.inbox_url],
        [services.pki.root_pem],
        stack=f"tra-{run}",
        outputs={
            "DataKey": kms.create_key()["KeyMetadata"]["Arn"],
            "DeliverRole": "arn:aws:iam::000000000000:role/deliver",
            "DispatchRole": "arn:aws:iam::000000000000:role/dispatch",
        },
        session=boto3.session.Session(),
        directory=house.directory,
        certify=lambda agency, key: issue_seal_certificate(
            services.pki, key, agency.agency_id, agency.name_th, agency.name_en
        ),
    )
    return house, {a.agency_id: str(a.inbox_url) for a in agencies}
