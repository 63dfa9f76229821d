"""Every request of this process to AWS, counted in the units in which AWS bills it.

Hooks sit in botocore, so whatever the real adapters send goes through them. DynamoDB is
asked what each request consumed (`ReturnConsumedCapacity=INDEXES`); the embedded AWS computes
that by AWS's rules from the sizes of the items before and after: 1 KB a write unit, twice in
a transaction, an index once for what it keeps and twice where an entry moves; 4 KB a read
unit, half of it where a read may be stale. Of BatchGetItem it says nothing, so that is computed
here. What nobody can price yet is refused, so that
nothing goes uncounted.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import botocore.handlers

_SQS_CHUNK = 64 * 1024
"""Bytes that one billed request of SQS carries."""

_RSA_2048_BYTES = 256

_READ_UNIT = 4 * 1024
"""Bytes of one item that a read unit reads consistently."""

_S3_GETS = frozenset({"GetObject", "HeadObject", "GetObjectRetention"})
_S3_PUTS = frozenset({"PutObject", "ListObjectsV2", "ListObjectVersions"})
_DYNAMODB_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})
_DYNAMODB_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
_WRITE, _READ = "dynamodb.write", "dynamodb.read"


class UncountedError(Exception):
    """A request of a kind that has no unit here; give it one."""


@dataclass(frozen=True, slots=True)
class Use:
    """What was used: in which step, of which billed unit, where, by which operation."""

    step: str
    unit: str
    where: str = ""
    operation: str = ""


@dataclass
class Meter:
    """Counts while a step runs. `seen` is everything since it was last taken."""

    seen: Counter[Use] = field(default_factory=Counter)
    _step: str | None = None
    _within: tuple[float, float, int] = (0.0, 0.0, 0)

    def hooks(self) -> list[tuple[str, Any]]:
        return [("before-parameter-build", self._ask), ("after-call", self._count)]

    def take(self) -> Counter[Use]:
        """What was counted, which is forgotten here."""
        taken, self.seen = self.seen, Counter()
        return taken

    def add(self, unit: str, amount: float = 1, where: str = "", operation: str = "") -> None:
        """Count something that no hook sees. Outside of a step nothing counts."""
        if self._step is not None and amount:
            # A Counter holds any number; its type wants whole ones.
            self.seen[Use(self._step, unit, where, operation)] += amount  # type: ignore[assignment]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One invocation of the function `name`: its CPU, time, and bytes written to
        standard output (which Lambda hands to CloudWatch) are counted too. What a function
        invoked within it uses is that one's."""
        written = _stdout_size()
        outer, self._step = (self._step, self._within), name
        self._within = (0.0, 0.0, 0)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            used = (
                time.process_time() - cpu,
                time.perf_counter() - wall,
                _stdout_size() - written,
            )
            own = [mine - others for mine, others in zip(used, self._within, strict=True)]
            self.add("lambda.request")
            self.add("cpu.ms", 1000 * own[0])
            self.add("wall.ms", 1000 * own[1])
            self.add("logs.bytes", own[2])
            self._step, before = outer
            self._within = (before[0] + used[0], before[1] + used[1], before[2] + used[2])

    # -- hooks ---------------------------------------------------------------

    def _ask(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if self._step is None:
            return
        context["tra-params"] = params
        if model.name in _DYNAMODB_READS | _DYNAMODB_WRITES:
            params["ReturnConsumedCapacity"] = "INDEXES"

    def _count(
        self, http_response: Any, parsed: dict[str, Any], model: Any, context: Any, **_: Any
    ) -> None:
        if self._step is None:
            return
        service, operation = model.service_model.service_name, model.name
        self.add(f"calls.{service}", operation=operation)
        params = context["tra-params"]
        for unit, where, amount in units(service, operation, params, parsed):
            self.add(unit, amount, where, operation)


def units(
    service: str, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[tuple[str, str, float]]:
    """Billed unit, where, and how much, of one request. Raises UncountedError."""
    if service == "dynamodb" and operation == "BatchGetItem":
        yield from _batch_capacity(params, answer)
    elif service == "dynamodb":
        yield from _capacity(operation, answer)
    elif service == "sqs":
        yield _queue(params["QueueUrl"]), _last(params["QueueUrl"]), chunks(params)
    elif service == "s3" and operation in _S3_PUTS:
        yield "s3.put", params["Bucket"], 1
        yield "stored.s3.bytes", params["Bucket"], _length(params.get("Body", b""))
    elif service == "s3" and operation in _S3_GETS:
        yield "s3.get", params["Bucket"], 1
    elif service == "kms" and operation == "Sign":
        yield _signature(params, answer), _last(params["KeyId"]), 1
    elif service == "kms":
        yield "kms.request", _last(params["KeyId"]), 1
    else:
        raise UncountedError(f"{service} {operation}")


def chunks(params: Mapping[str, Any]) -> int:
    """Billed requests of one request to SQS: each 64 KiB of messages is one."""
    bodies = [params.get("MessageBody", "")]
    bodies += [entry.get("MessageBody", "") for entry in params.get("Entries", ())]
    return max(1, math.ceil(sum(len(body.encode()) for body in bodies) / _SQS_CHUNK))


def _capacity(operation: str, answer: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    unit = _WRITE if operation in _DYNAMODB_WRITES else _READ
    if operation not in _DYNAMODB_READS | _DYNAMODB_WRITES:
        raise UncountedError(f"dynamodb {operation}")
    consumed = answer.get("ConsumedCapacity")
    if consumed is None:
        raise UncountedError(f"dynamodb {operation}: the answer says nothing of capacity")
    for table in consumed if isinstance(consumed, list) else [consumed]:
        by_index = {
            name: index["CapacityUnits"]
            for name, index in table.get("GlobalSecondaryIndexes", {}).items()
        }
        yield unit, table["TableName"], table["CapacityUnits"] - sum(by_index.values())
        for name, amount in by_index.items():
            yield unit, f"{table['TableName']}/{name}", amount


def _batch_capacity(
    params: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[tuple[str, str, float]]:
    """Each item by itself, rounded up; a key without item reads a unit too."""
    for table, asked in params["RequestItems"].items():
        found = answer["Responses"].get(table, [])
        amounts = [math.ceil(size_of(item) / _READ_UNIT) for item in found]
        amounts += [1] * (len(asked["Keys"]) - len(found))
        yield _READ, table, sum(amounts) * (1 if asked.get("ConsistentRead") else 0.5)


def size_of(item: Mapping[str, Any]) -> int:
    """Bytes of an item: names and values (DynamoDB developer guide, item sizes and formats)."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    sizes: Mapping[str, Callable[[Any], int]] = {
        "S": lambda text: len(text.encode()),
        "B": len,
        "N": lambda text: math.ceil(len(text.strip("-0.").replace(".", "")) / 2) + 1,
        "SS": lambda texts: sum(len(text.encode()) for text in texts),
        "L": lambda members: 3 + sum(1 + _value_size(member) for member in members),
        "M": lambda members: 3 + len(members) + size_of(members),
        "BOOL": lambda _: 1,
        "NULL": lambda _: 1,
    }
    return sizes[kind](held)


def _queue(url: str) -> str:
    return "sqs.fifo" if url.endswith(".fifo") else "sqs.standard"


def _signature(params: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """RSA-2048 has a price of its own; only it has signatures of 256 bytes."""
    rsa = params["SigningAlgorithm"].startswith("RSA")
    small = rsa and len(answer["Signature"]) == _RSA_2048_BYTES
    return "kms.sign_rsa_2048" if small else "kms.sign"


def _length(body: Any) -> int:
    """Bytes of a body, which botocore has made a file of."""
    return body.getbuffer().nbytes if isinstance(body, BytesIO) else len(body)


def _last(name: str) -> str:
    """The last part of a URL or an ARN."""
    return name.rsplit("/", 1)[-1]


def _stdout_size() -> int:
    """Bytes written so far, if standard output is a file."""
    sys.stdout.flush()
    return os.fstat(sys.stdout.fileno()).st_size


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter in every client of AWS that is made from now on."""
    meter = Meter()
    hooks = meter.hooks()
    botocore.handlers.BUILTIN_HANDLERS.extend(hooks)
    try:
        yield meter
    finally:
        for hook in hooks:
            botocore.handlers.BUILTIN_HANDLERS.remove(hook)
