"""Queues between accounts: what is shipped for them, made by CloudFormation of the embedded AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import yaml

INFRA = Path(__file__).parents[2] / "infra"
TRA = "111122223333"
ROLES = [f"arn:aws:iam::{TRA}:role/{name}" for name in ("deliver", "dispatch")]
OF_REPLIES = ("RepliesKey", "RepliesQueue", "RepliesDeadLetters", "RepliesQueuePolicy")

pytestmark = [pytest.mark.aws, pytest.mark.usefixtures("aws")]


def _made(template: dict[str, Any], **parameters: str) -> dict[str, str]:
    """Physical ids by logical id."""
    client: Any = boto3.client("cloudformation")
    name = f"stack-{uuid4().hex[:8]}"
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
    client.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
    client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    resources = client.describe_stack_resources(StackName=name)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}


def _attributes(url: str) -> dict[str, str]:
    client: Any = boto3.client("sqs")
    found: dict[str, str] = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return found


def _statements(attributes: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {s["Sid"]: s for s in json.loads(attributes["Policy"])["Statement"]}


def test_an_agencys_own_queue_takes_messages_of_tra_alone() -> None:
    """C1: the template for the recipient's account lets Tra's two functions in and denies
    everybody else, its own administrators included; messages are encrypted by its key, and what
    fails five times waits for a person."""
    template = yaml.safe_load((INFRA / "recipient-queue.yaml").read_text())
    policy = template["Resources"]["InboxPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    over_tls = policy.pop()  # the embedded AWS speaks plain HTTP
    assert (over_tls["Sid"], over_tls["Effect"]) == ("OnlyOverTls", "Deny")
    made = _made(template, QueueName=uuid4().hex[:8], TraAccount=TRA, TraRoles=",".join(ROLES))
    inbox = _attributes(made["Inbox"])
    said = _statements(inbox)
    for sid, test in (("TraSends", "ArnEquals"), ("NobodyElseSends", "ArnNotEquals")):
        assert said[sid]["Action"] == "sqs:SendMessage"
        assert said[sid]["Resource"] == inbox["QueueArn"]
        assert said[sid]["Condition"] == {test: {"aws:PrincipalArn": ROLES}}
    assert said["TraSends"]["Principal"] == {"AWS": f"arn:aws:iam::{TRA}:root"}
    assert said["TraSends"]["Effect"] == "Allow"
    assert said["NobodyElseSends"]["Effect"] == "Deny"
    redrive = json.loads(inbox["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == _attributes(made["InboxDeadLetters"])["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == 5
    assert made["InboxKey"] in inbox["KmsMasterKeyId"]


def _replies() -> dict[str, Any]:
    """The queue for replies and what belongs to it, out of the whole template."""
    whole = yaml.safe_load((INFRA / "resources.yaml").read_text())
    return {
        "Parameters": {
            "Stage": {"Type": "String", "Default": "dev"},
            "ReplyPrincipals": whole["Parameters"]["ReplyPrincipals"],
        },
        "Conditions": {
            name: whole["Conditions"][name] for name in ("IsLocal", "HasReplyPrincipals")
        },
        "Resources": {name: whole["Resources"][name] for name in OF_REPLIES},
    }


def test_named_agencies_may_reply() -> None:
    """Issue 6, 2: who may answer by the queue is a setting; over TLS, and under a key that encrypts
    nothing but replies."""
    made = _made(_replies(), ReplyPrincipals=",".join([TRA, ROLES[0]]))
    queue = _attributes(made["RepliesQueue"])
    (statement,) = _statements(queue).values()
    assert statement == {
        "Sid": "AgenciesReply",
        "Effect": "Allow",
        "Principal": {"AWS": [TRA, ROLES[0]]},
        "Action": "sqs:SendMessage",
        "Resource": queue["QueueArn"],
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    kms: Any = boto3.client("kms")
    policy = json.loads(
        kms.get_key_policy(KeyId=made["RepliesKey"], PolicyName="default")["Policy"]
    )
    replier = next(s for s in policy["Statement"] if s["Sid"] == "AgenciesReply")
    assert replier["Principal"] == {"AWS": [TRA, ROLES[0]]}
    assert set(replier["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}


def test_nobody_may_reply_unless_named() -> None:
    """P6: without the setting no other account gets near the queue or its key."""
    made = _made(_replies())
    assert "RepliesQueuePolicy" not in made
    assert "Policy" not in _attributes(made["RepliesQueue"])
    kms: Any = boto3.client("kms")
    policy = json.loads(
        kms.get_key_policy(KeyId=made["RepliesKey"], PolicyName="default")["Policy"]
    )
    assert [s["Sid"] for s in policy["Statement"]] == [
        "PoliciesOfThisAccountDecide",
        "OnlyThroughTheQueue",
    ]
