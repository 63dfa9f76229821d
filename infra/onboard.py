"""Bring agencies into a deployment: seal key, certificate, inbox, directory entry.

    python -m infra.onboard --stack tra-dev --chains certificates/
    python -m infra.onboard --stack tra-dev --chains certificates/ --rotate diw --key RSA_3072

For each agency of `infra/agencies.json`: a key in KMS that never leaves it (P-256, or what
its `seal_key` says; alias `alias/<stack>-seal-<agency>`, tags `tra-purpose=seal`,
`tra-stack=<stack>`, which is what lets `seal` use it), an SQS queue
`<stack>-inbox-<agency>` only `deliver` and `dispatch` may send to, and the entry in the directory.
An agency whose `channel` is another than `queue`, or that names its own queue (`inbox_url`), gets none.

`--rotate` gives one agency another key (alias `…/2`, `…/3`) and puts its certificate first;
the seal before stays second until it ends, so that no document waits.

Certificates come from `--chains`: `<agency>.pem` and `<agency>-….pem` (seal certificate
first, root left out), found by their key, and `root*.pem` for the trust anchors; or from the
development CA in `--development-pki`. A key whose certificate is not there yet seals nothing:
its public half is written beside, as `<agency>.public.pem`, for the CA.

Repeatable: what exists is found by its name and kept. Channel, keys, units, office hours, closed
days and reminders are taken from the list each time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509 import (
    Certificate,
    load_pem_x509_certificate,
    load_pem_x509_certificates,
)

from chalicelib.adapters.holidays import read_holidays
from chalicelib.adapters.x509_paths import without_development
from chalicelib.config import Stage
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ConfigurationError, InvalidRequestError, TraError
from chalicelib.domain.holidays import Holidays
from chalicelib.domain.seals import KeyAlgorithm, SealCredential
from chalicelib.domain.thai import in_bangkok
from infra.agency_list import AGENCIES, read_agencies, read_keys
from infra.pki import issue_seal_certificate, load_pki

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_sqs import SQSClient

    from chalicelib.ports import Directory

_HOLIDAYS_AHEAD = timedelta(days=120)
"""Lists of the next year are published in its summer or autumn before; reminders look weeks ahead."""

_SENDERS = ("DeliverRole", "DispatchRole")
"""Outputs of the stack that name who may send to agencies' queues."""

Certify = Callable[[Agency, bytes], Sequence[str] | None]
"""From an agency and its public key (DER) to its certificate chain (PEM), if there is one."""


def onboard(
    agencies: Sequence[Agency],
    anchors: Sequence[str],
    *,
    stack: str,
    outputs: Mapping[str, str],
    session: boto3.session.Session,
    directory: Directory,
    certify: Certify,
    keys: Mapping[str, KeyAlgorithm] | None = None,
) -> tuple[Agency, ...]:
    """Onboard `agencies` and make `anchors` (PEM) the roots seals must lead to.

    An agency that is in already keeps its seals in their order; one whose certificate was
    issued anew gets it. `keys` counts for agencies that have no key yet. Dies half-way: some
    agencies are in, each completely or not at all in the directory; running again finishes.
    """
    kms, sqs = session.client("kms"), session.client("sqs")
    directory.put_trust_anchors(anchors)
    done = []
    for agency in agencies:
        algorithm = (keys or {}).get(agency.agency_id, KeyAlgorithm.P_256)
        key_ids = _seal_keys(kms, stack, agency) or [_new_key(kms, stack, agency, algorithm, 1)]
        known = directory.agency(agency.agency_id)
        complete = replace(
            agency,
            inbox_url=_inbox(sqs, stack, agency, outputs),
            seals=_certified(kms, agency, key_ids, known.seals if known else (), certify),
        )
        directory.put_agency(complete)
        done.append(complete)
    return tuple(done)


def rotate(
    agency_id: str,
    *,
    stack: str,
    session: boto3.session.Session,
    directory: Directory,
    certify: Certify,
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
) -> Agency:
    """Give an agency another seal and put it first; those before stay behind it.

    Returns the agency as the directory has it then: unchanged if there is no certificate
    for the new key yet; run it again when there is. Dies half-way: the next run goes on
    with the key that was made. Raises LookupError if the directory has no such agency.
    """
    agency = directory.agency(agency_id)
    if agency is None:
        raise LookupError(f"The directory has no agency {agency_id}; onboard it first.")
    kms = session.client("kms")
    key_ids = _seal_keys(kms, stack, agency)
    in_use = {seal.key_id for seal in agency.seals}
    waiting = [key_id for key_id in key_ids if key_id not in in_use]
    key_id = (
        waiting[-1] if waiting else _new_key(kms, stack, agency, algorithm, place=len(key_ids) + 1)
    )
    chain = certify(agency, kms.get_public_key(KeyId=key_id)["PublicKey"])
    if not chain:
        return agency
    new = SealCredential(key_id=key_id, chain_pem=tuple(chain))
    rotated = replace(agency, seals=(new, *agency.seals))
    directory.put_agency(rotated)
    return rotated


def _certified(
    kms: KMSClient,
    agency: Agency,
    key_ids: Sequence[str],
    known: Sequence[SealCredential],
    certify: Certify,
) -> tuple[SealCredential, ...]:
    """The seals in the order they are known in, with the certificates there are now; before
    them, newest first, those that have got their first one."""
    chains = {
        key_id: certify(agency, kms.get_public_key(KeyId=key_id)["PublicKey"]) for key_id in key_ids
    }
    order = [seal.key_id for seal in known]
    new = [key_id for key_id in reversed(key_ids) if key_id not in order]
    kept = {seal.key_id: seal.chain_pem for seal in known}
    return tuple(
        SealCredential(key_id=key_id, chain_pem=tuple(chain))
        for key_id in (*new, *order)
        if (chain := chains.get(key_id) or kept.get(key_id))
    )


def _seal_keys(kms: KMSClient, stack: str, agency: Agency) -> list[str]:
    """The ARNs of the agency's seal keys, oldest first."""
    found: list[str] = []
    while True:
        try:
            described = kms.describe_key(KeyId=_alias(stack, agency, len(found) + 1))
        except kms.exceptions.NotFoundException:
            return found
        found.append(described["KeyMetadata"]["Arn"])


def _new_key(
    kms: KMSClient, stack: str, agency: Agency, algorithm: KeyAlgorithm, place: int
) -> str:
    made = kms.create_key(
        Description=f"Seal of {agency.name_en}",
        KeySpec=algorithm.value,
        KeyUsage="SIGN_VERIFY",
        Tags=[
            {"TagKey": "tra-purpose", "TagValue": "seal"},
            {"TagKey": "tra-stack", "TagValue": stack},
            {"TagKey": "tra-agency", "TagValue": agency.agency_id},
        ],
    )["KeyMetadata"]
    kms.create_alias(AliasName=_alias(stack, agency, place), TargetKeyId=made["KeyId"])
    return made["Arn"]


def _alias(stack: str, agency: Agency, place: int) -> str:
    """No agency id has a slash, so no agency's second key is another one's first."""
    first = f"alias/{stack}-seal-{agency.agency_id}"
    return first if place == 1 else f"{first}/{place}"


def _inbox(sqs: SQSClient, stack: str, agency: Agency, outputs: Mapping[str, str]) -> str | None:
    """The URL of the agency's queue: its own, or the one made here for who has none. None if it
    is reached another way."""
    if agency.inbox_url is not None or agency.channel not in {None, ChannelKind.QUEUE}:
        return agency.inbox_url
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
    policy = json.dumps(inbox_policy(arn, [outputs[name] for name in _SENDERS]))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url


def inbox_policy(queue_arn: str, senders: Sequence[str]) -> dict[str, Any]:
    """Nobody but Tra's functions that tell agencies puts anything into an inbox: an event there
    is Tra's word. `senders` are their roles (ARN).

    AWS names a role's session by the role; the embedded AWS by the session itself.
    """
    sessions = [
        role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"
        for role in senders
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTraSends",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": [*senders, *sessions]}},
            }
        ],
    }


# -- certificates from files ---------------------------------------------------


def chains_in(directory: Path) -> Certify:
    """Certificates a real CA issued, as files; see the module's description."""

    def certify(agency: Agency, public_key_der: bytes) -> Sequence[str] | None:
        first = directory / f"{agency.agency_id}.pem"
        others = sorted(directory.glob(f"{agency.agency_id}-*.pem"))
        for path in (first, *others):
            if path.exists() and not path.name.endswith(".public.pem"):
                chain = load_pem_x509_certificates(path.read_bytes())
                if _public_key(chain[0]) == public_key_der:
                    return tuple(c.public_bytes(Encoding.PEM).decode() for c in chain)
        # The name of a later key tells which key it is of; the first has the agency's.
        name = f"-{hashlib.sha256(public_key_der).hexdigest()[:8]}" if first.exists() else ""
        public = directory / f"{agency.agency_id}{name}.public.pem"
        _write_public_key(public, public_key_der)
        chain_path = directory / f"{agency.agency_id}{name}.pem"
        print(f"  {public}: have your CA certify it, put the chain into {chain_path}, run again")
        return None

    return certify


def development_ca(directory: Path, *, stage: str) -> Certify:
    """The development CA whose keys lie in `directory`; it certifies anything. Raises
    ConfigurationError for stage `prod`."""
    pki = load_pki(directory, stage=stage)
    return lambda agency, public_key: issue_seal_certificate(
        pki, public_key, agency.agency_id, agency.name_th, agency.name_en
    )


def roots_in(directory: Path, *, stage: str) -> tuple[str, ...]:
    """The roots that seals and time-stamps must lead to (PEM). Raises ConfigurationError for a
    development root in stage `prod`: who trusts it there believes seals that anybody can make."""
    roots = tuple(path.read_text() for path in sorted(directory.glob("root*.pem")))
    if stage == Stage.PROD and without_development(roots) != roots:
        raise ConfigurationError(f"In production no development root is trusted: {directory}.")
    return roots


def _stage_of(stack: Mapping[str, Any]) -> str:
    """As the stack was deployed; production, if nobody says."""
    given = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", ())}
    return str(given.get("Stage", Stage.PROD))


def _public_key(certificate: Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _write_public_key(path: Path, public_key_der: bytes) -> None:
    key = load_der_public_key(public_key_der)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def main() -> int:
    """Exit codes: 0 done, 1 refused, with what to do."""
    try:
        return _run(_arguments())
    except (LookupError, TraError) as error:
        print(f"onboard: {error}", file=sys.stderr)
        for fault in error.faults if isinstance(error, InvalidRequestError) else ():
            print(f"  {fault.pointer}: {fault.detail}", file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(f"onboard: AWS did not do it: {error}", file=sys.stderr)
    return 1


def _run(arguments: argparse.Namespace) -> int:
    # Only here, so that importing this module needs no table.
    from chalicelib.adapters.dynamodb.directory import DynamoDirectory  # noqa: PLC0415 - see above

    listed = () if arguments.rotate else read_agencies(arguments.agencies)
    session = boto3.session.Session()
    stacks = session.client("cloudformation").describe_stacks(StackName=arguments.stack)["Stacks"]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}
    directory = DynamoDirectory(outputs["DirectoryTable"])
    folder: Path = arguments.chains or arguments.development_pki
    stage = _stage_of(stacks[0])
    certify = chains_in(folder) if arguments.chains else development_ca(folder, stage=stage)
    if arguments.rotate:
        rotated = rotate(
            arguments.rotate,
            stack=arguments.stack,
            session=session,
            directory=directory,
            certify=certify,
            algorithm=KeyAlgorithm(arguments.key),
        )
        agencies: Sequence[Agency] = [rotated]
    else:
        agencies = onboard(
            listed,
            roots_in(folder, stage=stage),
            stack=arguments.stack,
            outputs=outputs,
            session=session,
            directory=directory,
            certify=certify,
            keys=read_keys(arguments.agencies),
        )
    for agency in agencies:
        print(f"  {agency.agency_id:8} {_shown(agency)}")
    print(f"  {holidays_shown(read_holidays(), in_bangkok(datetime.now(UTC)).date())}")
    return 0


def holidays_shown(holidays: Holidays, today: date) -> str:
    """How far ahead working time can be told, and what to do where that is not far."""
    until = holidays.known_until(today)
    if until is None or until - today < _HOLIDAYS_AHEAD:
        last = "not even for this year" if until is None else f"only to {until}"
        return (
            f"public holidays are known {last}: add the next year to {holidays.file}, or what "
            "arrives then has no counted time and no deadline (docs/guide/office-hours.md)"
        )
    unsure = ", ".join(str(year) for year in holidays.provisional() if year >= today.year)
    provisional = (
        f"; provisional: {unsure}, check them against the published list" if unsure else ""
    )
    return f"public holidays are known to {until}{provisional}"


def _shown(agency: Agency) -> str:
    if not agency.seals:
        return "waits for its certificate"
    certificate = load_pem_x509_certificate(agency.seals[0].chain_pem[0].encode())
    behind = f", older seals behind it: {len(agency.seals) - 1}" if len(agency.seals) > 1 else ""
    return f"sealed until {certificate.not_valid_after_utc:%Y-%m-%d}{behind}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m infra.onboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", required=True)
    parser.add_argument("--agencies", type=Path, default=AGENCIES)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--chains", type=Path, help="where certificates lie")
    source.add_argument("--development-pki", type=Path, help="where the development CA lies")
    parser.add_argument("--rotate", metavar="AGENCY", help="give it another seal")
    parser.add_argument(
        "--key", choices=[a.value for a in KeyAlgorithm], default=KeyAlgorithm.P_256.value
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
