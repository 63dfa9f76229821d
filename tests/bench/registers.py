"""Registers: numbers in blocks against one increment per number, and how the audit grows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from chalicelib.domain.documents import Document
from chalicelib.domain.merkle import leaf_hash
from chalicelib.domain.registers import Book, Head, Register, lay_out_block, numbering_of
from chalicelib.services.number import NUMBERS_PER_BLOCK
from infra import local
from tests.bench.growth import Line, Panel, picture
from tests.bench.made_up import PDF
from tests.bench.results import Result, rate, single
from tests.support.samples import claim_of, document

SIZES = (1_000, 10_000, 100_000)
PICTURE = Path("docs/img/growth.svg")

_ROOM = Path("build/bench/registers")
_ROUNDS = 3
_BLOCKS = 20
_SINGLES = 150
_IDS = count()


# -- numbering -------------------------------------------------------------------


def numbering_vs_single_increment() -> Result:
    """Numbers per second, entries and documents written with them, in turns on one server: 49 in
    a transaction through the real adapter, against the usual atomic counter: an UpdateItem
    that increments, then a transaction of its own for each number (and a gap, if it dies
    in between)."""
    with local.running(_ROOM) as deployment:
        ledger = _Ledger(deployment)
        _in_blocks(ledger, 2)  # warm
        _one_by_one(ledger, 20)
        blocks, singles = [], []
        for _ in range(_ROUNDS):
            blocks.append(_in_blocks(ledger, _BLOCKS))
            singles.append(_one_by_one(ledger, _SINGLES))
    result = rate(blocks, singles, target="≥ 20×", against="one increment per transaction")
    return replace(result, unit="numbers/s")


class _Ledger:
    """The two stores on the deployed tables."""

    def __init__(self, deployment: local.Deployment) -> None:
        # Here, because pynamodb reads region and endpoint from the environment when imported.
        from chalicelib.adapters.dynamodb.documents import (  # noqa: PLC0415 - see above
            DynamoDocumentStore,
        )
        from chalicelib.adapters.dynamodb.registers import (  # noqa: PLC0415 - see above
            DynamoRegisterStore,
        )

        tables = deployment.outputs["RegistersTable"], deployment.outputs["DocumentsTable"]
        patience = timedelta(minutes=5)
        self.tables = tables
        self.client: Any = deployment.session().client("dynamodb")
        self.documents = DynamoDocumentStore(tables[1], sweep_after=patience)
        self.registers = DynamoRegisterStore(*tables, sweep_after=patience)


def _in_blocks(ledger: _Ledger, blocks: int) -> float:
    register = Book("diw", f"bench-{next(_IDS)}").at(datetime.now(UTC))
    accepted = [_accepted(ledger, register) for _ in range(blocks * NUMBERS_PER_BLOCK)]
    started = time.perf_counter()
    for start in range(0, len(accepted), NUMBERS_PER_BLOCK):
        head = ledger.registers.head(register)
        _number(ledger, register, head, accepted[start : start + NUMBERS_PER_BLOCK])
    spent = time.perf_counter() - started
    if ledger.registers.head(register).last_number != len(accepted):
        raise RuntimeError("numbers are missing")
    return len(accepted) / spent


def _one_by_one(ledger: _Ledger, numbers: int) -> float:
    """What the entry looks like and what becomes of the document is the same; the requests
    are made beforehand, so that only AWS's work counts against this way."""
    register = Book("diw", f"bench-{next(_IDS)}").at(datetime.now(UTC))
    requests = [_single(ledger, register, number) for number in range(1, numbers + 1)]
    key = {"register_id": {"S": register.register_id}, "line": {"S": "#COUNTER"}}
    started = time.perf_counter()
    for request in requests:
        ledger.client.update_item(
            TableName=ledger.tables[0],
            Key=key,
            UpdateExpression="ADD last_number :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        ledger.client.transact_write_items(TransactItems=request)
    return numbers / (time.perf_counter() - started)


def _single(ledger: _Ledger, register: Register, number: int) -> list[Any]:
    accepted = _accepted(ledger, register)
    now = datetime.now(UTC)
    (entry,) = lay_out_block(register, Head(number - 1, now), [claim_of(accepted)], now).entries
    item = ledger.registers._entries.of(entry).serialize()
    return [
        {
            "Put": {
                "TableName": ledger.tables[0],
                "Item": item,
                "ConditionExpression": "attribute_not_exists(register_id)",
            }
        },
        {
            "Update": {
                "TableName": ledger.tables[1],
                "Key": {"pk": {"S": f"DOC#{accepted.document_id}"}},
                "UpdateExpression": "SET #s = :n, numbering = :m",
                "ConditionExpression": "#s = :a AND content_digest = :d",
                "ExpressionAttributeNames": {"#s": "state"},
                "ExpressionAttributeValues": {
                    ":n": {"S": "numbered"},
                    ":m": {"M": {"number": {"N": str(number)}}},
                    ":a": {"S": "accepted"},
                    ":d": {"S": accepted.content_digest},
                },
            }
        },
    ]


def _number(ledger: _Ledger, register: Register, head: Head, chosen: list[Document]) -> None:
    now = datetime.now(UTC)
    block = lay_out_block(register, head, [claim_of(d) for d in chosen], now)
    numbered = {
        d.document_id: d.numbered(numbering_of(entry))
        for d, entry in zip(chosen, block.entries, strict=True)
    }
    ledger.registers.assign(block, numbered)


def _accepted(ledger: _Ledger, register: Register) -> Document:
    fresh = document(f"BENCH{next(_IDS):09d}", at=datetime.now(UTC))
    return ledger.documents.add(replace(fresh, book=Book("diw", register.book)), None)


# -- the audit -------------------------------------------------------------------


def audit_100k_seconds() -> Result:
    """A register of 100,000 issued entries, made up while it is read (see `made_up`). The limit
    beside it is the hashing alone: every file of 40 kB, and each leaf of both logs in
    tree and bundle."""
    found = [sample["seconds"] for sample in _audits()[SIZES[-1]]]
    limit = _hashing_seconds(SIZES[-1])
    return single(found, [limit], unit="s", target="≤ 60", against="its SHA-256 alone")


def audit_100k_peak_mb() -> Result:
    """Most memory of the auditing process, beside that for 1,000 entries: flat is 1×."""
    found = _audits()
    peaks = {size: [sample["megabytes"] for sample in found[size]] for size in SIZES}
    return single(
        peaks[SIZES[-1]],
        peaks[SIZES[0]],
        unit="MB",
        target="≤ 200, flat",
        against="the same with 1,000 entries",
    )


@cache
def _audits() -> dict[int, list[dict[str, float]]]:
    """Every size in processes of its own; draws the picture of them."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for size in SIZES:
            place = str(Path(folder) / str(size))
            built = time.perf_counter()
            _run("build", place, size)
            built = time.perf_counter() - built
            rounds = 1 if size == SIZES[-1] else _ROUNDS
            found[size] = [
                {**json.loads(_run("audit", place, size)), "built": built} for _ in range(rounds)
            ]
    _draw(found)
    return found


def _run(what: str, place: str, size: int) -> str:
    command = [sys.executable, "-m", "tests.bench.made_up", what, place, str(size)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _draw(found: dict[int, list[dict[str, float]]]) -> None:
    def line(name: str, what: str) -> Line:
        return Line(
            name, tuple((size, min(s[what] for s in samples)) for size, samples in found.items())
        )

    panels = (
        Panel(
            "Time by entries",
            "s",
            (line("audit", "seconds"), line("both logs, 100 checkpoints", "built")),
        ),
        Panel("Peak memory by entries", "MB", (line("audit", "megabytes"),)),
    )
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(panels), encoding="utf-8")


def _hashing_seconds(size: int) -> float:
    """Files once, and each entry of both logs as a leaf and as part of the nodes above it."""
    leaf: Any = bytes(300)
    started = time.perf_counter()
    for _ in range(size):
        hashlib.sha256(PDF).digest()
        for _ in range(4):
            leaf_hash(leaf)
    return time.perf_counter() - started
