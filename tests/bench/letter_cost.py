"""Baht per letter at AWS's list prices, from POST to the receipt, beside the post it replaces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.bench.cost import counted_by, markdown
from tests.bench.cost_model import PARTS, Cost, PriceList, cost
from tests.bench.letter_cost_run import LETTERS
from tests.bench.results import SUMMARY, Result

_TABLE = SUMMARY.parent / "cost-per-letter.md"
_COUNTS = SUMMARY.parent / "letter-counts.json"
_AT_ONCE = 10  # TRA_SEAL_AT_ONCE as deployed


def cost_per_letter_thb() -> Result:
    """One letter to one agency hosted here, with its receipt, sent among others. Without
    time-stamps and keeping, as `cost_per_document_thb`; the table has both."""
    counted: dict[str, Any] = counted_by("tests.bench.letter_cost_run")
    prices = PriceList.read()
    same = {
        "prices": prices,
        "recipients": counted["recipients"],
        "retention_years": counted["retention_years"],
    }
    together = cost(counted["together"], counted["stored"], at_once=_AT_ONCE, **same)
    alone = cost(counted["alone"], counted["stored"], at_once=1, **same)
    post = float(prices.raw["registered_post_thb_per_letter"])
    _tell(counted, together, alone, prices)
    return Result(
        value=float(f"{together.issued:.3g}"),
        unit="baht",
        target="—",
        against="a registered letter by post (assumed, see prices.json)",
        peer=post,
        ratio=float(f"{post / together.issued:.3g}"),
        samples=[float(f"{one.issued:.4g}") for one in (together, alone)],
        peer_samples=[post],
    )


def _tell(counted: Mapping[str, Any], together: Cost, alone: Cost, prices: PriceList) -> None:
    _COUNTS.parent.mkdir(parents=True, exist_ok=True)
    _COUNTS.write_text(json.dumps(counted, indent=1), encoding="utf-8")
    text = "\n\n".join(
        [_parts(together, alone), _functions(counted), _words(counted, together, prices)]
    )
    _TABLE.write_text(f"{text}\n", encoding="utf-8")
    print(f"{text}\n\n{_TABLE}, {_COUNTS}\n")


def _parts(together: Cost, alone: Cost) -> str:
    parts = list(PARTS.values())
    head = ["a letter, satang", *parts, "**all**"]
    rows = [
        [
            name,
            *(f"{100 * one.issuing.get(part, 0):.4f}" for part in parts),
            f"**{100 * one.issued:.3f}**",
        ]
        for name, one in (("in company", together), ("alone", alone))
    ]
    return markdown(head, rows)


def _functions(counted: Mapping[str, Any]) -> str:
    units = {
        "dynamodb.write": "write units",
        "dynamodb.read": "read units",
        "s3.put": "S3 PUT",
        "kms.sign": "signatures",
        "sqs.standard": "SQS",
        "cpu.ms": "CPU ms",
    }
    body = [
        [one["step"], *(f"{one.get(unit, 0):.3g}" for unit in units)]
        for one in counted["by_function"]
    ]
    return markdown(["counted, a letter", *units.values()], body)


def _words(counted: Mapping[str, Any], together: Cost, prices: PriceList) -> str:
    raw = prices.raw
    post, year = raw["registered_post_thb_per_letter"], raw["post_thb_per_year"]
    letters = year / post
    whole = together.issued + together.kept
    return (
        f"In company: {LETTERS} letters at once, each to one agency hosted here. With keeping "
        f"({counted['retention_years']} years) {whole:.4f} baht, time-stamps {together.timestamps:.2f}. "
        f"A registered letter: {post:g} baht, {post / whole:,.0f} times as much. The {year:,.0f} baht that "
        f"agencies paid a year are {letters / 1e6:.0f} million such letters, which cost "
        f"{letters * whole / 1e6:.2f} million here."
    )
