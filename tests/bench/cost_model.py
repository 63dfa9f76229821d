"""From counted uses to baht: prices, and what each of them is a part of.

Three sums, which differ in kind: issuing (paid once, what the target is about), keeping (paid
every month until the retention ends), and time-stamps (paid to an authority, not to AWS).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PRICES = Path(__file__).with_name("prices.json")
CHALICE = Path(__file__).parents[2] / ".chalice" / "config.json"

ALONE = 3
"""Documents issued each by itself: every function is invoked for it alone."""

TOGETHER = 100
"""Documents of a register issued at once, all between two checkpoints."""

GB = 2**30
MONTHS = 12
_FULL_CORE_MB = 1769
"""Memory at which Lambda gives one whole core; below, a share of it."""

_MEASURED = ("cpu.", "wall.", "calls.", "logs.bytes", "stored.", "timestamp")
"""Units that have no price of their own; others follow from them."""

PARTS: Mapping[str, str] = {
    "gateway": "API Gateway",
    "lambda": "Lambda",
    "dynamodb": "DynamoDB",
    "s3": "S3",
    "sqs": "SQS",
    "kms": "KMS",
    "logs": "Logs",
    "xray": "X-Ray",
}
"""What a unit's first word is called in the table."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Baht per document. `keeping` is for the whole retention, at today's prices."""

    issuing: Mapping[str, float]
    keeping: Mapping[str, float]
    timestamps: float

    @property
    def issued(self) -> float:
        return sum(self.issuing.values())

    @property
    def kept(self) -> float:
        return sum(self.keeping.values())


@dataclass(frozen=True)
class PriceList:
    """`prices.json`, and how functions are deployed."""

    raw: Mapping[str, Any]
    memory_mb: Mapping[str, int]

    @classmethod
    def read(cls) -> PriceList:
        return cls(json.loads(PRICES.read_text(encoding="utf-8")), deployed_memory())

    @cached_property
    def usd(self) -> Mapping[str, float]:
        return {price["unit"]: price["usd"] for price in self.raw["prices"]}

    @property
    def target(self) -> float:
        return float(self.raw["target_thb"])

    def baht(self, unit: str, amount: float) -> float:
        """Raises KeyError for a unit without price."""
        return self.usd[unit] * amount * float(self.raw["baht_per_usd"])


def deployed_memory() -> dict[str, int]:
    """Megabytes of each function, as Chalice deploys it."""
    config = json.loads(CHALICE.read_text(encoding="utf-8"))
    of_each = {
        name: function["lambda_memory_size"]
        for name, function in config["lambda_functions"].items()
    }
    return {"api": config["lambda_memory_size"], **of_each}


def cost(
    uses: Iterable[Mapping[str, Any]],
    stored: Mapping[str, float],
    *,
    prices: PriceList,
    recipients: int,
    retention_years: int,
    at_once: int,
) -> Cost:
    """What a document costs that used `uses` (fields of `metering.Use`, and `amount`) and left
    `stored` bytes in DynamoDB (by table, and by table/index). `at_once` documents of `seal` wait
    at the same time. Raises KeyError for a unit without price."""
    uses = list(uses)
    issuing: Counter[str] = Counter()
    for use in uses:
        if not use["unit"].startswith(_MEASURED):
            _add(issuing, use["unit"], prices.baht(use["unit"], use["amount"]))
    _add(issuing, "lambda", prices.baht("lambda.gb_second", gb_seconds(uses, prices, at_once)))
    # Each recipient reads its message and deletes it, from a queue that we pay for.
    _add(issuing, "sqs", prices.baht("sqs.standard", 2 * recipients))
    logged = _logged(uses, prices)
    _add(issuing, "logs", prices.baht("logs.gb", logged / GB))
    _add(issuing, "xray", prices.baht("xray.trace", prices.raw["assumed"]["traces_recorded"]))

    months = retention_years * MONTHS
    archived = _sum(uses, "stored.s3.bytes")
    in_tables = sum(stored.values())
    # Backups hold the tables; their indexes are made anew.
    backed_up = sum(size for where, size in stored.items() if "/" not in where)
    small = prices.raw["assumed"]["logs_compressed_to"]
    keeping = {
        "DynamoDB": prices.baht("dynamodb.gb_month", in_tables / GB * months),
        "its backup": prices.baht("dynamodb.backup_gb_month", backed_up / GB * months),
        "S3": prices.baht("s3.gb_month", archived / GB * months),
        "Logs": prices.baht("logs.gb_month", logged * small / GB * 400 / 30),
    }
    stamps = _sum(uses, "timestamp") * float(prices.raw["timestamp_thb"])
    return Cost({PARTS[word]: baht for word, baht in issuing.items()}, keeping, stamps)


def gb_seconds(uses: Iterable[Mapping[str, Any]], prices: PriceList, at_once: int) -> float:
    """Memory times billed time: counted CPU, slower where a function has less than a core, and
    its requests' waiting; that one document's CPU fills another's waiting is left out."""
    waits = prices.raw["assumed"]["wait_ms"]
    found = 0.0
    for use in uses:
        memory = prices.memory_mb[use["step"]]
        if use["unit"] == "cpu.ms":
            milliseconds = use["amount"] / min(1.0, memory / _FULL_CORE_MB)
        elif use["unit"] == "timestamp" or use["unit"].startswith("calls."):
            one = waits[use["unit"].removeprefix("calls.")]
            milliseconds = use["amount"] * one / (at_once if use["step"] == "seal" else 1)
        else:
            continue
        found += milliseconds / 1000 * memory / 1024
    return found


def _logged(uses: Iterable[Mapping[str, Any]], prices: PriceList) -> float:
    uses = list(uses)
    platform = float(prices.raw["assumed"]["platform_log_bytes"])
    return _sum(uses, "logs.bytes") + _sum(uses, "lambda.request") * platform


def _sum(uses: Iterable[Mapping[str, Any]], unit: str) -> float:
    return float(sum(use["amount"] for use in uses if use["unit"] == unit))


def _add(to: Counter[str], unit: str, baht: float) -> None:
    to[unit.split(".", 1)[0]] += baht  # type: ignore[assignment]  # a Counter's type wants ints
