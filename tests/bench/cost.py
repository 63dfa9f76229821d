"""Baht per document at AWS's list prices, from counted requests; by type.

Real handlers issue real documents on the embedded AWS (`cost_run`), whose requests are counted
in billed units (`metering`) and priced (`cost_model`, `prices.json`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chalicelib.adapters.functions import settings_of
from infra import local
from tests.bench.cost_model import ALONE, PARTS, TOGETHER, Cost, PriceList, cost
from tests.bench.results import SUMMARY, Result

_ROOM = Path("build/bench/cost")
_TABLE = SUMMARY.parent / "cost-per-document.md"
_COUNTS = SUMMARY.parent / "cost-counts.json"
_AT_ONCE = 10  # TRA_SEAL_AT_ONCE as deployed
_EACH_20_SECONDS = 3 * 60 * 24 * 30  # in a month


def cost_per_document_thb() -> Result:
    """The dearest type, issued among others of its register; the table has all of them, also
    issued alone, and what keeping them costs."""
    counted: list[dict[str, Any]] = counted_by("tests.bench.cost_run")
    prices = PriceList.read()
    rows = {one["document_type"]: _costs(one, prices) for one in counted}
    _tell(counted, rows, prices)
    issued = {name: together.issued for name, (together, _) in rows.items()}
    dearest = max(issued.values())
    post = float(prices.raw["post_thb_per_letter"])
    return Result(
        value=float(f"{dearest:.3g}"),
        unit="baht",
        target=f"≤ {prices.target}",
        against="post, a letter (without time-stamps and keeping; see the table)",
        peer=post,
        ratio=float(f"{post / dearest:.3g}"),
        samples=[float(f"{baht:.4g}") for baht in issued.values()],
        peer_samples=[post],
    )


def _costs(one: Mapping[str, Any], prices: PriceList) -> tuple[Cost, Cost]:
    """In company, and alone."""
    same = {
        "prices": prices,
        "recipients": one["recipients"],
        "retention_years": one["retention_years"],
    }
    together = cost(one["together"], one["stored"], at_once=_AT_ONCE, **same)
    return together, cost(one["alone"], one["stored"], at_once=1, **same)


# -- the measured process ------------------------------------------------------------


def counted_by(module: str) -> Any:
    """What a measured process (`python -m MODULE RESULT`) counted, within a deployment whose
    functions rest."""
    with local.running(_ROOM) as deployment:
        _rest(deployment)
        result, log = _ROOM / "counted.json", _ROOM / "functions.log"
        environment = {
            **os.environ,
            **settings_of(f"{deployment.stack}-seal", os.environ),
            "TRA_TOKEN_URL": deployment.token_url,
        }
        with log.open("wb") as written:
            subprocess.run(
                [sys.executable, "-m", module, str(result)],
                env=environment,
                stdout=written,
                check=True,
            )
        return json.loads(result.read_text(encoding="utf-8"))


def _rest(deployment: local.Deployment) -> None:
    """No queue and no clock invokes a function any more; and who counts may send what only
    the role of `deliver` may."""
    session = deployment.session()
    functions, events = session.client("lambda"), session.client("events")
    for source in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=source["UUID"])
    for rule in events.list_rules()["Rules"]:
        events.disable_rule(Name=rule["Name"])
    sqs = session.client("sqs")
    inboxes = sqs.list_queues(QueueNamePrefix=f"{deployment.stack}-inbox-")
    for url in inboxes["QueueUrls"]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


# -- showing -------------------------------------------------------------------------


def _tell(
    counted: Sequence[Mapping[str, Any]],
    rows: Mapping[str, tuple[Cost, Cost]],
    prices: PriceList,
) -> None:
    """Leave everything that was counted, and the table, in build/bench; print the table."""
    _COUNTS.parent.mkdir(parents=True, exist_ok=True)
    _COUNTS.write_text(json.dumps(counted, indent=1), encoding="utf-8")
    text = "\n\n".join(
        [
            _issuing_table(rows, prices),
            _keeping_table(counted, rows),
            _units_table(counted),
            _words(rows, prices),
        ]
    )
    _TABLE.write_text(f"{text}\n", encoding="utf-8")
    print(f"{text}\n\n{_TABLE}, {_COUNTS}\n")


def _issuing_table(rows: Mapping[str, tuple[Cost, Cost]], prices: PriceList) -> str:
    parts = list(PARTS.values())
    head = ["issuing, satang", *parts, "**all**", "of target", "alone"]
    body = [
        [
            name,
            *(f"{100 * together.issuing.get(part, 0):.4f}" for part in parts),
            f"**{100 * together.issued:.3f}**",
            f"{together.issued / prices.target:.0%}",
            f"{100 * alone.issued:.3f}",
        ]
        for name, (together, alone) in rows.items()
    ]
    return markdown(head, body)


def _keeping_table(
    counted: Sequence[Mapping[str, Any]], rows: Mapping[str, tuple[Cost, Cost]]
) -> str:
    head = ["keeping, satang", "years", "kB file", "kB in tables"]
    parts = list(next(iter(rows.values()))[0].keeping)
    body = []
    for one in counted:
        kept, _ = rows[one["document_type"]]
        body.append(
            [
                one["document_type"],
                str(one["retention_years"]),
                f"{one['pdf_bytes'] / 1000:.0f}",
                f"{sum(one['stored'].values()) / 1000:.1f}",
                *(f"{100 * kept.keeping[part]:.3f}" for part in parts),
                f"**{100 * kept.kept:.2f}**",
                f"{kept.timestamps:.2f}",
            ]
        )
    return markdown([*head, *parts, "**all**", "time-stamps, baht"], body)


def _units_table(counted: Sequence[Mapping[str, Any]]) -> str:
    """What was counted, in company."""
    units = {
        "dynamodb.write": "write units",
        "dynamodb.read": "read units",
        "s3.put": "S3 PUT",
        "sqs.standard": "SQS",
        "sqs.fifo": "SQS FIFO",
        "kms.sign": "signatures",
        "cpu.ms": "CPU ms",
        "logs.bytes": "log bytes",
        "timestamp": "time-stamps",
    }
    body = [[one["document_type"], *_amounts(one["together"], units)] for one in counted]
    return markdown(["counted, a document", *units.values()], body)


def _amounts(uses: Iterable[Mapping[str, Any]], units: Iterable[str]) -> list[str]:
    sums: Counter[str] = Counter()
    for use in uses:
        sums[use["unit"]] += use["amount"]
    return [f"{sums[unit]:.4g}" for unit in units]


def _words(rows: Mapping[str, tuple[Cost, Cost]], prices: PriceList) -> str:
    raw = prices.raw
    dearest = max(together.issued for together, _ in rows.values())
    alone = max(alone.issued for _, alone in rows.values())
    whole = max(together.issued + together.kept for together, _ in rows.values())
    low, high = raw["certificate_thb_per_officer_year"]
    return (
        f"List prices of {raw['region']} as of {raw['as_of']}, {raw['baht_per_usd']} baht a "
        f"dollar. In company: {TOGETHER} documents of a register at once, submitted one by "
        f"one; alone: each function invoked for one document ({ALONE} of them).\n"
        f"Dearest type: {dearest:.5f} baht ({prices.target / dearest:.1f} times below the "
        f"target; alone {alone:.5f}), with keeping {whole:.4f}. Post: "
        f"{raw['post_thb_per_letter']:g} baht a letter, {raw['post_thb_per_letter'] / whole:,.0f} "
        f"times as much. A personal certificate of {low:,} to {high:,} baht a year pays "
        f"{low / whole:,.0f} to {high / whole:,.0f} documents.\n"
        f"Whether or not anything is issued, a month costs {_fixed(prices):,.0f} baht: keys, "
        "alarms, and queues that Lambda asks every 20 seconds."
    )


def _fixed(prices: PriceList) -> float:
    """Baht a month for what is there whether it is used or not."""
    text = (local.ROOT / "infra" / "resources.yaml").read_text(encoding="utf-8")
    resources = yaml.safe_load(text)["Resources"].values()
    kinds = Counter(one.get("Type") for one in resources)
    # What comes back to a dead-letter queue triggers a function; Lambda asks from five places.
    pollers = sum("RedrivePolicy" in one.get("Properties", {}) for one in resources)
    at_least = 5
    agencies = json.loads((local.ROOT / "infra" / "agencies.json").read_text(encoding="utf-8"))
    keys = kinds["AWS::KMS::Key"] + len(agencies["agencies"])
    return (
        prices.baht("fixed.key_month", keys)
        + prices.baht("fixed.alarm_month", kinds["AWS::CloudWatch::Alarm"])
        + prices.baht("sqs.standard", pollers * at_least * _EACH_20_SECONDS)
    )


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
