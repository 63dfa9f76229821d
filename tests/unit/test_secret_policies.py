"""Who may open what is classified, and encrypt it: the policies, statement by statement (A13, C5).

The embedded AWS enforces which function may use the key, but knows no condition on encryption
contexts (`Fn::If IsLocal`); so what they say is held here against what the code asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.vault import _told
from chalicelib.domain.classification import Classification
from chalicelib.domain.secrecy import SecretContext

_POLICIES = Path(__file__).parent.parent.parent / ".chalice"

OPENS, KEEPS = "kms:Decrypt", "kms:GenerateDataKey"


def _statements(action: str) -> dict[str, Mapping[str, Any]]:
    """By function: what lets it do this with the key of classified documents."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(_POLICIES.glob("policy-*.json")):
        for one in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
            if {"Fn::GetAtt": ["SecretsKey", "Arn"]} in one["Resource"]:
                assert len(one["Action"]) == 1
                if one["Action"] == [action]:
                    condition, _, on_aws = one["Condition"]["Fn::If"]
                    assert condition == "IsLocal"
                    found[path.stem.removeprefix("policy-")] = on_aws
    return found


def test_who_opens_and_who_keeps() -> None:
    """C5: least privilege: what writes classified documents encrypts, what shows, moves or checks
    them decrypts, and everybody else has no use of the key."""
    writers = {"api", "number", "seal", "deliver", "dispatch", "receive", "sweep"}
    assert set(_statements(KEEPS)) == writers
    assert set(_statements(OPENS)) == writers | {"renew", "audit"}


def test_no_function_has_the_key_by_a_wildcard() -> None:
    """C5: no statement about all keys lets a function unwrap data keys."""
    for path in _POLICIES.glob("policy-*.json"):
        for one in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
            everywhere = "key/*" in json.dumps(one["Resource"]) or one["Resource"] == ["*"]
            assert not (everywhere and {OPENS, KEEPS, "kms:*"} & set(one["Action"]))


@pytest.mark.parametrize("action", [OPENS, KEEPS])
def test_only_with_the_context_that_the_vault_gives(action: str) -> None:
    """A13: the key works for document, agency, classification and purpose together with nothing
    else, and for what can be classified here."""
    context = SecretContext(
        document_id="D1",
        agency_id="diw",
        classification=Classification.SECRET,
        purpose="content",
    )
    for condition in _statements(action).values():
        names = condition["ForAllValues:StringEquals"]["kms:EncryptionContextKeys"]
        assert set(names) == set(_told(context))
        classifications = condition["StringEquals"]["kms:EncryptionContext:classification"]
        assert set(classifications) == {"confidential", "secret"}
        present = {name.rpartition(":")[2] for name in condition["Null"]}
        assert set(condition["Null"].values()) == {"false"}
        demanded = (
            present | {"classification"} | ({"purpose"} if "StringLike" in condition else set())
        )
        assert demanded == set(_told(context))


@pytest.mark.parametrize(
    ("function", "action", "purpose", "may"),
    [
        ("api", OPENS, "documents/diw/send-secret/2026/D1.pdf", True),
        ("api", KEEPS, "content", True),
        ("api", KEEPS, "entry dga/receive-secret/2026/1/0", True),
        ("api", KEEPS, "documents/diw/send-secret/2026/D1.pdf", False),
        ("seal", KEEPS, "documents/diw/send-secret/2026/D1.pdf", True),
        ("seal", KEEPS, "content", False),
        ("seal", KEEPS, "ruling 1", True),
        ("seal", OPENS, "delivery D1.dga.1", False),
        ("number", KEEPS, "entry diw/send-secret/2026/1/0", True),
        ("number", KEEPS, "content", False),
        ("number", OPENS, "documents/diw/send-secret/2026/D1.pdf", False),
        ("deliver", KEEPS, "delivery D1.dga.1 EVIDENCE#000000", True),
        ("dispatch", KEEPS, "deliveries/D1/D1.dga.1/evidence-0000.jws", True),
        ("receive", OPENS, "content", False),
        ("renew", OPENS, "documents/diw/send-secret/2026/D1.pdf", True),
        ("renew", OPENS, "deliveries/D1/D1.dga.1/evidence-0000.jws", False),
        ("audit", OPENS, "deliveries/D1/D1.dga.1/evidence-0000.jws", True),
    ],
)
def test_each_function_for_its_own_parts(
    function: str,
    action: str,
    purpose: str,
    may: bool,  # noqa: FBT001 - a table
) -> None:
    """C5: a function that was taken over opens no more than its work shows it."""
    patterns = (
        _statements(action)[function]
        .get("StringLike", {})
        .get("kms:EncryptionContext:purpose", ["*"])
    )
    assert any(fnmatchcase(purpose, pattern) for pattern in patterns) is may
