"""Deploy the package through CloudFormation, to AWS or to any endpoint that speaks it.

    python -m infra.deploy --stack tra-dev --stage dev \\
        --parameter PublicUrl=https://tra.example.go.th --parameter OidcIssuer=...

Credentials, region and `AWS_ENDPOINT_URL` come from the environment, as for any AWS
tool. Archives go to a bucket under the digest of their bytes, so what did not change
is neither uploaded nor deployed again. The stack is created or updated in place; dying
half-way leaves CloudFormation to finish or to roll back, and running again is safe.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError, WaiterError

from chalicelib.bootstrap import publish_packaged, refuse_changed_types
from chalicelib.domain.errors import TraError
from infra import package as packaging

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef
    from mypy_boto3_s3 import S3Client

Progress = Callable[[str], None]

DEADLINE_SECONDS = 1800
"""A first deployment to AWS takes a few minutes; key and table creation are slow."""

_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.1
_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


class DeployError(Exception):
    """The stack was not deployed; the text names the resource and the reason."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack and what it says of itself."""

    name: str
    status: str
    outputs: Mapping[str, str]


def deploy(
    package: packaging.Package,
    stack_name: str,
    parameters: Mapping[str, str],
    *,
    session: boto3.session.Session,
    progress: Progress,
) -> Stack:
    """Upload the package and bring the stack to it. Raises DeployError, TypeRefusedError if a
    document type changed and its version did not: then nothing is deployed."""
    s3, cloudformation = session.client("s3"), session.client("cloudformation")
    if _exists(cloudformation, stack_name):
        refuse_changed_types(stack_name, os.environ)
    bucket = _artefact_bucket(session, s3, stack_name)
    template = _upload(package, s3, bucket)
    url = _upload_template(template, s3, bucket)
    started = _start(cloudformation, stack_name, url, parameters)
    if started is None:
        progress("nothing to change")
    else:
        _wait(cloudformation, stack_name, started, progress)
    return _describe(cloudformation, stack_name)


# -- artefacts -----------------------------------------------------------------


def _artefact_bucket(session: boto3.session.Session, s3: S3Client, stack_name: str) -> str:
    account = session.client("sts").get_caller_identity()["Account"]
    region = session.region_name or packaging.DEFAULT_REGION
    bucket = f"{stack_name}-artefacts-{account}-{region}"
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        _create_bucket(s3, bucket, region)
    return bucket


def _create_bucket(s3: S3Client, bucket: str, region: str) -> None:
    if region == "us-east-1":  # the one region that must not be named
        s3.create_bucket(Bucket=bucket)
    else:
        s3.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item] # any region
        )
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    )


def _upload(package: packaging.Package, s3: S3Client, bucket: str) -> dict[str, Any]:
    """The template with its archives' places in the bucket."""
    places = {path.name: _upload_once(path, s3, bucket) for path in package.archives}
    template: dict[str, Any] = json.loads(package.template.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for field in ("CodeUri", "ContentUri"):
            if field in properties:
                properties[field] = places[properties[field].removeprefix("./")]
    return template


def _upload_once(path: Path, s3: S3Client, bucket: str) -> dict[str, str]:
    content = path.read_bytes()
    key = f"{hashlib.sha256(content).hexdigest()}/{path.name}"
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    return {"Bucket": bucket, "Key": key}


def _upload_template(template: Mapping[str, Any], s3: S3Client, bucket: str) -> str:
    """By URL, because a template in the request itself may have 51,200 bytes only."""
    content = json.dumps(template, sort_keys=True).encode()
    key = f"{hashlib.sha256(content).hexdigest()}/template.json"
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    endpoint = str(s3.meta.endpoint_url)
    return f"{endpoint.rstrip('/')}/{bucket}/{key}"


# -- the stack -------------------------------------------------------------------


def _start(
    cloudformation: CloudFormationClient, name: str, url: str, parameters: Mapping[str, str]
) -> str | None:
    """Begin to create or update; returns the stack id, None if nothing would change."""
    given: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    try:
        if not _exists(cloudformation, name):
            return cloudformation.create_stack(
                StackName=name,
                TemplateURL=url,
                Parameters=given,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                OnFailure="ROLLBACK",
            )["StackId"]
        return cloudformation.update_stack(
            StackName=name,
            TemplateURL=url,
            Parameters=given,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )["StackId"]
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return None
        raise DeployError(f"CloudFormation refused the stack {name}: {error}") from error


def _exists(cloudformation: CloudFormationClient, name: str) -> bool:
    """A stack whose first creation failed holds nothing; it is removed to begin again."""
    try:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError:
        return False
    if status == "ROLLBACK_COMPLETE":
        cloudformation.delete_stack(StackName=name)
        try:
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)
        except WaiterError as error:
            raise DeployError(f"the failed stack {name} cannot be removed: {error}") from error
        return False
    return True


def _wait(
    cloudformation: CloudFormationClient, name: str, stack_id: str, progress: Progress
) -> None:
    local = "amazonaws.com" not in str(cloudformation.meta.endpoint_url)
    deadline = time.monotonic() + DEADLINE_SECONDS
    shown = ""
    while time.monotonic() < deadline:
        status = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            break
        done = _progress_line(cloudformation, stack_id)
        if done != shown:
            progress(done)
            shown = done
        time.sleep(_LOCAL_POLL_SECONDS if local else _POLL_SECONDS)
    else:
        raise DeployError(f"the stack {name} was not ready after {DEADLINE_SECONDS} seconds")
    if status not in _GOOD:
        raise DeployError(f"the stack {name} is {status}: {_failures(cloudformation, stack_id)}")


def _progress_line(cloudformation: CloudFormationClient, stack_id: str) -> str:
    resources = cloudformation.describe_stack_resources(StackName=stack_id)["StackResources"]
    ready = sum(r["ResourceStatus"].endswith("_COMPLETE") for r in resources)
    return f"{ready} resources ready"


def _failures(cloudformation: CloudFormationClient, stack_id: str) -> str:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    found = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for page in pages
        for event in page["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]
    # Events come newest first; the oldest failure is the cause of the others.
    return "; ".join(reversed(found)) or "no reason was given"


def _describe(cloudformation: CloudFormationClient, name: str) -> Stack:
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
    return Stack(name, stack["StackStatus"], outputs)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("--stage", default="dev", choices=["dev", "prod"])
    parser.add_argument("--stack", default=None, help="default: tra-STAGE")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    parameters = {"Stage": arguments.stage, **dict(p.split("=", 1) for p in arguments.parameter)}
    try:
        package = packaging.build(arguments.stage, packaging.ROOT / "build" / "package")
        stack = deploy(
            package,
            arguments.stack or f"tra-{arguments.stage}",
            parameters,
            session=boto3.session.Session(),
            progress=lambda line: print(f"  {line}", flush=True),
        )
        published = publish_packaged(stack.name, os.environ)
    except (DeployError, packaging.PackageError, TraError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    print(f"{stack.name}: {stack.status}")
    print(f"  document types published: {', '.join(published)}")
    for key, value in sorted(stack.outputs.items()):
        print(f"  {key} = {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
