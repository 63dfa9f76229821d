"""IAM takes no longer policies: what a role's own policies say together has an end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

_POLICIES = sorted((Path(__file__).parent.parent.parent / ".chalice").glob("policy-*.json"))
_MOST = 10_240
"""Characters of a role's inline policies, spaces not counted (IAM quotas)."""

_STACK = "tra-production-01"
_ACCOUNT = "ap-southeast-1:123456789012"
_ARNS = {
    "Table": f"arn:aws:dynamodb:{_ACCOUNT}:table/{_STACK}-documents",
    "Key": f"arn:aws:kms:{_ACCOUNT}:key/12345678-1234-1234-1234-123456789012",
    "Bucket": f"arn:aws:s3:::{_STACK}-archivebucket-1abcdefghijkl",
    "Queue": f"arn:aws:sqs:{_ACCOUNT}:{_STACK}-dispatch-dead-letters",
    "Topic": f"arn:aws:sns:{_ACCOUNT}:{_STACK}-alarms",
}
_WORDS = {
    "AWS::Partition": "aws",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": _STACK,
}


def _arn(logical_id: str) -> str:
    return next((arn for kind, arn in _ARNS.items() if logical_id.endswith(kind)), _ARNS["Queue"])


def _deployed(value: Any) -> Any:
    """As CloudFormation hands it on to IAM, with names that are rather long."""
    match value:
        case {"Fn::GetAtt": [logical_id, _]}:
            return _arn(logical_id)
        case {"Fn::Sub": text}:
            named = re.sub(r"\$\{(\w+)\.Arn\}", lambda found: _arn(found[1]), text)
            return re.sub(r"\$\{([\w:]+)\}", lambda found: _WORDS.get(found[1], _STACK), named)
        case {"Fn::If": [_, one, other]}:
            return max(_deployed(one), _deployed(other), key=lambda found: len(json.dumps(found)))
        case dict():
            return {name: _deployed(one) for name, one in value.items()}
        case list():
            return [_deployed(one) for one in value]
    return value


@pytest.mark.parametrize("path", _POLICIES, ids=lambda path: path.stem)
def test_a_policy_fits_into_its_role(path: Path) -> None:
    """A deployment that only fails at AWS is found here: least privilege makes policies long."""
    policy = _deployed(json.loads(path.read_text(encoding="utf-8")))
    assert len(json.dumps(policy, separators=(",", ":"))) <= _MOST
