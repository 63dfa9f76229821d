"""Baht per letter at AWS's list prices, from POST to the receipt, beside the post it replaces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.cost import counted_by, markdown
from tests.bench.cost_model import PARTS, Cost, PriceList, cost
from tests.bench.letter_cost_run import KINDS, LETTERS
from tests.bench.results import SUMMARY, Result

_TABLE = SUMMARY.parent / "cost-per-letter.md"
_COUNTS = SUMMARY.parent / "letter-counts.json"
_AT_ONCE = 10  # TRA_SEAL_AT_ONCE as deployed


def cost_per_letter_thb() -> Result:
    """A letter of one page to one agency hosted here, with its receipt, sent among others. Without
    time-stamps and keeping, as `cost_per_document_thb`; the table has both, and a long letter."""
    counted: list[dict[str, Any]] = counted_by("tests.bench.letter_cost_run")
    prices = PriceList.read()
    rows = {one["letter"]: _costs(one, prices) for one in counted}
    _tell(counted, rows, prices)
    usual, _ = rows[next(iter(KINDS))]
    post = float(prices.raw["registered_post_thb_per_letter"])
    return Result(
        value=float(f"{usual.issued:.3g}"),
        unit="baht",
        target="—",
        against="a registered letter by post (assumed, see prices.json)",
        peer=post,
        ratio=float(f"{post / usual.issued:.3g}"),
        samples=[float(f"{one.issued:.4g}") for pair in rows.values() for one in pair],
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


def _tell(
    counted: Sequence[Mapping[str, Any]],
    rows: Mapping[str, tuple[Cost, Cost]],
    prices: PriceList,
) -> None:
    _COUNTS.parent.mkdir(parents=True, exist_ok=True)
    _COUNTS.write_text(json.dumps(counted, indent=1), encoding="utf-8")
    usual = counted[0]
    text = "\n\n".join(
        [_parts(counted, rows), _functions(usual), _words(usual, rows[usual["letter"]][0], prices)]
    )
    _TABLE.write_text(f"{text}\n", encoding="utf-8")
    print(f"{text}\n\n{_TABLE}, {_COUNTS}\n")


def _parts(counted: Sequence[Mapping[str, Any]], rows: Mapping[str, tuple[Cost, Cost]]) -> str:
    parts = list(PARTS.values())
    head = ["a letter, satang", *parts, "**all**", "alone", "kept", "kB file", "kB in tables"]
    body = []
    for one in counted:
        together, alone = rows[one["letter"]]
        body.append(
            [
                KINDS[one["letter"]],
                *(f"{100 * together.issuing.get(part, 0):.4f}" for part in parts),
                f"**{100 * together.issued:.3f}**",
                f"{100 * alone.issued:.3f}",
                f"{100 * together.kept:.2f}",
                f"{one['pdf_bytes'] / 1000:.0f}",
                f"{sum(one['stored'].values()) / 1000:.1f}",
            ]
        )
    return markdown(head, body)


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
    return markdown(["counted, a letter of one page", *units.values()], body)


def _words(counted: Mapping[str, Any], together: Cost, prices: PriceList) -> str:
    raw = prices.raw
    post, year = raw["registered_post_thb_per_letter"], raw["post_thb_per_year"]
    letters = year / post
    whole = together.issued + together.kept
    return (
        f"A letter of one page, {LETTERS} at once, each to one agency hosted here. With keeping "
        f"({counted['retention_years']} years) {whole:.4f} baht, time-stamps {together.timestamps:.2f}. "
        f"A registered letter: {post:g} baht, {post / whole:,.0f} times as much. The {year:,.0f} baht that "
        f"agencies paid a year are {letters / 1e6:.0f} million such letters, which cost "
        f"{letters * whole / 1e6:.2f} million here."
    )
