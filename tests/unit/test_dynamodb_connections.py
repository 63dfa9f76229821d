"""Connections to DynamoDB begin quickly."""

from __future__ import annotations

import pytest
from botocore.loaders import JSONFileLoader

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.items import EntryItem, HeadItem, bind


def test_botocore_reads_its_description_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that wakes up reads botocore's description of DynamoDB once, however many kinds
    of items it knows."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    first = QuickConnection()
    assert first.client.meta.region_name == "ap-southeast-1"
    monkeypatch.setattr(JSONFileLoader, "load_file", _never)
    for connection in (
        QuickConnection(),
        bind(EntryItem, "registers")._get_connection().connection,
        bind(HeadItem, "registers")._get_connection().connection,
    ):
        assert connection.client is not first.client


def _never(*_: object) -> None:
    raise AssertionError("it was read again")
