"""Who may touch second factors and the key of their seeds: `api` alone (issue 7, item 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POLICIES = Path(__file__).parent.parent.parent / ".chalice"


def _statements(thing: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(_POLICIES.glob("policy-*.json")):
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
            if thing in json.dumps(statement["Resource"]):
                yield path.stem.removeprefix("policy-"), statement


def test_only_the_api_reads_and_writes_factors() -> None:
    """Issue 7: nobody else has a use for them, and nothing of them is ever deleted or scanned."""
    [(name, statement)] = _statements("FactorsTable")
    assert name == "api"
    assert set(statement["Action"]) == {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"}


def test_seeds_are_encrypted_each_for_its_officer() -> None:
    """Issue 7: KMS refuses the key without a context that names agency and subject. The embedded
    AWS does not know these condition keys, so only there the second condition is left out."""
    [(name, statement)] = _statements("FactorsKey")
    assert name == "api"
    assert set(statement["Action"]) == {"kms:Encrypt", "kms:Decrypt"}
    where, locally, elsewhere = statement["Condition"]["Fn::If"]
    assert where == "IsLocal"
    names = {"kms:EncryptionContextKeys": ["agency", "subject"]}
    assert locally == {"ForAllValues:StringEquals": names}
    assert elsewhere == {
        **locally,
        "Null": {f"kms:EncryptionContext:{name}": "false" for name in ("agency", "subject")},
    }
