"""Bring agencies into a deployment: seal key, certificate, inbox, directory entry.

    python -m infra.onboard --stack tra-dev --chains certificates/

For each agency of `infra/agencies.json`: a P-256 key in KMS that never leaves it
(alias `alias/<stack>-seal-<agency>`, tags `tra-purpose=seal`, `tra-stack=<stack>`,
which is what lets `seal` use it), an SQS queue `<stack>-inbox-<agency>` only `deliver`
may send to, and the entry in the directory. Certificates: locally from the development
CA; elsewhere from `--chains`, one `<agency>.pem` each (seal certificate first, root
left out) and `root*.pem` for the trust anchors. An agency whose certificate is not
there yet gets everything but its seal, and its public key is written beside, as
`<agency>.public.pem`, for the CA.

Repeatable: what exists is found by its name and kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509 import load_pem_x509_certificates

from chalicelib.domain.directory import Agency
from chalicelib.domain.seals import SealCredential

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_sqs import SQSClient

    from chalicelib.ports import Directory

AGENCIES = Path(__file__).resolve().parent / "agencies.json"

Certify = Callable[[Agency, bytes], Sequence[str] | None]
"""From an agency and its public key (DER) to its certificate chain (PEM), if there is one."""


def read_agencies(path: Path = AGENCIES) -> tuple[Agency, ...]:
    entries = json.loads(path.read_text(encoding="utf-8"))["agencies"]
    return tuple(Agency(**entry) for entry in entries)


def onboard(
    agencies: Sequence[Agency],
    anchors: Sequence[str],
    *,
    stack: str,
    outputs: Mapping[str, str],
    session: boto3.session.Session,
    directory: Directory,
    certify: Certify,
) -> tuple[Agency, ...]:
    """Onboard `agencies` and make `anchors` (PEM) the roots seals must lead to.

    Dies half-way: some agencies are in, each completely or not at all in the
    directory; running again finishes.
    """
    kms, sqs = session.client("kms"), session.client("sqs")
    directory.put_trust_anchors(anchors)
    done = []
    for agency in agencies:
        key_id = _seal_key(kms, stack, agency)
        chain = certify(agency, kms.get_public_key(KeyId=key_id)["PublicKey"])
        complete = replace(
            agency,
            inbox_url=_inbox(sqs, stack, agency, outputs),
            seals=(SealCredential(key_id=key_id, chain_pem=tuple(chain)),) if chain else (),
        )
        directory.put_agency(complete)
        done.append(complete)
    return tuple(done)


def _seal_key(kms: KMSClient, stack: str, agency: Agency) -> str:
    """The ARN of the agency's seal key, made if it is not there."""
    alias = f"alias/{stack}-seal-{agency.agency_id}"
    try:
        return kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
    except kms.exceptions.NotFoundException:
        made = kms.create_key(
            Description=f"Seal of {agency.name_en}",
            KeySpec="ECC_NIST_P256",
            KeyUsage="SIGN_VERIFY",
            Tags=[
                {"TagKey": "tra-purpose", "TagValue": "seal"},
                {"TagKey": "tra-stack", "TagValue": stack},
                {"TagKey": "tra-agency", "TagValue": agency.agency_id},
            ],
        )["KeyMetadata"]
        kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
        return made["Arn"]


def _inbox(sqs: SQSClient, stack: str, agency: Agency, outputs: Mapping[str, str]) -> str:
    """The URL of the agency's inbox, made if it is not there."""
    name = f"{stack}-inbox-{agency.agency_id}"
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError:
        url = sqs.create_queue(
            QueueName=name,
            Attributes={
                "MessageRetentionPeriod": "1209600",
                "KmsMasterKeyId": outputs["DataKey"],
            },
        )["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = json.dumps(_inbox_policy(arn, outputs["DeliverRole"]))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url


def _inbox_policy(queue_arn: str, deliver_role: str) -> dict[str, Any]:
    """Nobody but `deliver` puts anything into an inbox: an event there is Tra's word.

    AWS names a role's session by the role; the embedded AWS by the session itself.
    """
    session = deliver_role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyDeliverSends",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": [deliver_role, session]}},
            }
        ],
    }


# -- certificates from files ---------------------------------------------------


def chains_in(directory: Path) -> Certify:
    """Certificates a real CA issued, as files; see the module's description."""

    def certify(agency: Agency, public_key_der: bytes) -> Sequence[str] | None:
        path = directory / f"{agency.agency_id}.pem"
        if not path.exists():
            _write_public_key(directory / f"{agency.agency_id}.public.pem", public_key_der)
            return None
        return _chain_for(path, public_key_der)

    return certify


def _write_public_key(path: Path, public_key_der: bytes) -> None:
    key = load_der_public_key(public_key_der)
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _chain_for(path: Path, public_key_der: bytes) -> tuple[str, ...]:
    """Raises ValueError if the first certificate is for another key."""
    certificates = load_pem_x509_certificates(path.read_bytes())
    certified = certificates[0].public_key()
    if certified.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public_key_der:
        raise ValueError(f"{path}: the first certificate is not for this agency's key in KMS")
    return tuple(c.public_bytes(Encoding.PEM).decode() for c in certificates)


def main() -> int:
    # Only here, so that importing this module needs no table.
    from chalicelib.adapters.dynamodb.directory import DynamoDirectory  # noqa: PLC0415 - see above

    parser = argparse.ArgumentParser(prog="python -m infra.onboard", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--agencies", type=Path, default=AGENCIES)
    parser.add_argument("--chains", type=Path, required=True)
    arguments = parser.parse_args()
    session = boto3.session.Session()
    stacks = session.client("cloudformation").describe_stacks(StackName=arguments.stack)["Stacks"]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}
    anchors = [path.read_text() for path in sorted(arguments.chains.glob("root*.pem"))]
    agencies = onboard(
        read_agencies(arguments.agencies),
        anchors,
        stack=arguments.stack,
        outputs=outputs,
        session=session,
        directory=DynamoDirectory(outputs["DirectoryTable"]),
        certify=chains_in(arguments.chains),
    )
    for agency in agencies:
        print(f"  {agency.agency_id:8} {'sealed' if agency.seals else 'waits for its certificate'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
