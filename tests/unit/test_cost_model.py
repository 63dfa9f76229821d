"""What the benchmark `cost_per_document_thb` makes of counted requests (issue 5)."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from tests.bench.cost_model import GB, PriceList, cost, gb_seconds
from tests.bench.metering import UncountedError, chunks, size_of, units

PRICES = PriceList(
    raw={
        "baht_per_usd": 30.0,
        "timestamp_thb": 2.0,
        "prices": [
            {"unit": "dynamodb.write", "usd": 1.0},
            {"unit": "lambda.request", "usd": 0.0},
            {"unit": "lambda.gb_second", "usd": 1.0},
            {"unit": "sqs.standard", "usd": 0.5},
            {"unit": "logs.gb", "usd": GB},
            {"unit": "logs.gb_month", "usd": 0.0},
            {"unit": "xray.trace", "usd": 0.0},
            {"unit": "s3.gb_month", "usd": GB},
            {"unit": "dynamodb.gb_month", "usd": GB},
            {"unit": "dynamodb.backup_gb_month", "usd": GB},
        ],
        "assumed": {
            "wait_ms": {"dynamodb": 100, "timestamp": 1000},
            "platform_log_bytes": 0,
            "traces_recorded": 0,
            "logs_compressed_to": 0,
        },
    },
    memory_mb={"api": 1024, "seal": 1769, "number": 512},
)


def _use(step: str, unit: str, amount: float) -> dict[str, Any]:
    return {"step": step, "unit": unit, "amount": amount}


def _cost(*uses: dict[str, Any], stored: dict[str, float] | None = None, **given: int) -> Any:
    told = {"recipients": 0, "retention_years": 1, "at_once": 1, **given}
    return cost(uses, stored or {}, prices=PRICES, **told)


def test_every_request_has_a_unit_or_is_refused() -> None:
    """Nothing goes uncounted: a request of an unknown kind stops the benchmark."""
    with pytest.raises(UncountedError, match="s3 RestoreObject"):
        list(units("s3", "RestoreObject", {"Bucket": "b"}, {}))
    with pytest.raises(UncountedError, match="says nothing of capacity"):
        list(units("dynamodb", "PutItem", {}, {}))
    with pytest.raises(KeyError):
        _cost(_use("api", "s3.unknown", 1))


def test_units_are_those_of_the_bill() -> None:
    """Requests become what AWS bills: 64 KiB of messages, a PUT, a signature by kind of key."""
    queue = "https://sqs/1/tra-number.fifo"
    assert chunks({"Entries": [{"MessageBody": "x"}] * 10}) == 1
    assert chunks({"MessageBody": "ก" * 30_000}) == 2
    assert list(units("sqs", "SendMessage", {"QueueUrl": queue, "MessageBody": "x"}, {})) == [
        ("sqs.fifo", "tra-number.fifo", 1)
    ]
    put = {"Bucket": "archive", "Body": BytesIO(b"1234")}
    assert list(units("s3", "PutObject", put, {})) == [
        ("s3.put", "archive", 1),
        ("stored.s3.bytes", "archive", 4),
    ]
    for algorithm, length, unit in (
        ("RSASSA_PKCS1_V1_5_SHA_256", 256, "kms.sign_rsa_2048"),
        ("RSASSA_PKCS1_V1_5_SHA_256", 384, "kms.sign"),
        ("ECDSA_SHA_256", 71, "kms.sign"),
    ):
        sign = {"KeyId": "arn:aws:kms:r:1:key/k", "SigningAlgorithm": algorithm}
        assert list(units("kms", "Sign", sign, {"Signature": bytes(length)})) == [(unit, "k", 1)]


def test_capacity_is_told_by_table_and_index() -> None:
    """What an index costs shows apart from its table; a batch of reads is computed by item."""
    consumed = {
        "TableName": "documents",
        "CapacityUnits": 17.0,
        "GlobalSecondaryIndexes": {"by_agency": {"CapacityUnits": 3.0}},
    }
    assert list(units("dynamodb", "TransactWriteItems", {}, {"ConsumedCapacity": [consumed]})) == [
        ("dynamodb.write", "documents", 14.0),
        ("dynamodb.write", "documents/by_agency", 3.0),
    ]
    asked = {"RequestItems": {"documents": {"Keys": [1, 2], "ConsistentRead": True}}}
    found = {"Responses": {"documents": [{"pk": {"S": "x" * 5_000}}]}}
    assert list(units("dynamodb", "BatchGetItem", asked, found)) == [
        ("dynamodb.read", "documents", 3)
    ]


def test_items_have_the_size_that_is_billed() -> None:
    """Names and values in UTF-8; numbers by two digits; lists and maps with their overhead."""
    assert size_of({"pk": {"S": "กข"}}) == 2 + 6
    assert size_of({"n": {"N": "1234"}, "b": {"BOOL": True}}) == 1 + 3 + 1 + 1
    assert size_of({"l": {"L": [{"S": "ab"}]}, "m": {"M": {"k": {"B": b"1"}}}}) == 1 + 6 + 1 + 6


def test_less_memory_means_a_slower_core() -> None:
    """Lambda gives a function of 512 MB two sevenths of a core, and bills the longer time."""
    full = gb_seconds([_use("seal", "cpu.ms", 1000)], PRICES, 1)
    small = gb_seconds([_use("number", "cpu.ms", 1000)], PRICES, 1)
    assert full == pytest.approx(1769 / 1024)
    assert small == pytest.approx(full)  # memory and time outweigh each other


def test_waiting_is_billed_and_shared_where_documents_wait_together() -> None:
    """A function that waits is paid for; ten documents of `seal` wait at the same time."""
    uses = [_use("seal", "timestamp", 2), _use("api", "calls.dynamodb", 3)]
    alone = gb_seconds(uses, PRICES, 1)
    assert alone == pytest.approx(2.0 * 1769 / 1024 + 0.3)
    assert gb_seconds(uses, PRICES, 10) == pytest.approx(0.2 * 1769 / 1024 + 0.3)


def test_issuing_keeping_and_timestamps_are_apart() -> None:
    """Three sums of different kinds: the target is about the first one."""
    counted = _cost(
        _use("api", "dynamodb.write", 2),
        _use("seal", "stored.s3.bytes", 5),
        _use("seal", "timestamp", 2),
        _use("api", "logs.bytes", 1),
        stored={"documents": 3, "documents/by_agency": 1},
        recipients=1,
        retention_years=10,
    )
    assert counted.issuing["DynamoDB"] == 60
    assert counted.issuing["SQS"] == 30  # the recipient receives and deletes
    assert counted.issuing["Logs"] == 30
    assert counted.keeping == {"DynamoDB": 14_400, "its backup": 10_800, "S3": 18_000, "Logs": 0}
    assert counted.timestamps == 4


def test_the_price_list_is_whole() -> None:
    """Each price says what it is for, where it stands, and whether it was looked up."""
    prices = PriceList.read()
    for price in prices.raw["prices"]:
        assert price["certainty"] in {"checked", "recalled"}
        assert price["source"].startswith("https://aws.amazon.com/")
        assert price["per"]
    assert prices.raw["region"]
    dearer = replace(prices, raw={**prices.raw, "baht_per_usd": 70.0})
    assert dearer.baht("s3.put", 1) == 2 * prices.baht("s3.put", 1)
    assert {"api", "number", "seal", "deliver", "checkpoint"} <= prices.memory_mb.keys()
