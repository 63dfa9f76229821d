"""What a schema can ask of money and quantities: formats, and keywords that calculate.

All is exact: money are decimals with two places, a product is rounded once, and a figure that
is off by one satang is a fault that points at it. What is no money is left to its format.
Formats and keywords are as in `content_rules`, which lists them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from chalicelib.domain.errors import FieldFault
from chalicelib.domain.thai import VAT_EXEMPT, VAT_PERCENT, to_satang, vat_on, vat_percent

_THB = re.compile(r"[0-9]{1,10}\.[0-9]{2}")
_PRICE = re.compile(r"[0-9]{1,10}\.[0-9]{2,5}")
_QUANTITY = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?")
_RATE = re.compile(rf"[0-9]{{1,2}}|{VAT_EXEMPT}")
_WRONG = "wrong_amount"


# -- formats -----------------------------------------------------------------


def is_thb(text: str) -> bool:
    """Baht with exactly two decimals: money is exact to the satang, never rounded."""
    return _THB.fullmatch(text) is not None


def is_price(text: str) -> bool:
    """Baht for one unit: two decimals, or up to five where a unit costs parts of a satang."""
    return _PRICE.fullmatch(text) is not None


def is_quantity(text: str) -> bool:
    """More than nothing, with up to six decimals."""
    return _QUANTITY.fullmatch(text) is not None and Decimal(text) > 0


# -- keywords ----------------------------------------------------------------


def vat_totals(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"vatTotals": {"net": "net_thb", "vat": "vat_thb", "total": "total_thb"}`, with
    `"percent": "10"` where it is not 7, or `"rate": "vat_rate"` where a field says it; without
    `total` there is none: tax is that of the net, total is net and tax (`vat_on` rounds). Each
    wrong figure is pointed at; what is no money or no rate is left to its format."""
    if not isinstance(value, Mapping):
        return
    net, vat, total = (_money(value.get(asked.get(role))) for role in ("net", "vat", "total"))
    percent = _percent(asked, value)
    if net is None or vat is None:
        return
    if percent is not None and vat != vat_on(net, percent):
        yield FieldFault(
            f"/{asked['vat']}",
            _WRONG,
            f"Must be {percent}% of {asked['net']}, rounded half up to the satang.",
            f"ต้องเท่ากับร้อยละ {percent} ของ {asked['net']} โดยปัดเศษตั้งแต่ครึ่งสตางค์ขึ้น",
        )
    if total is not None and total != net + vat:
        yield FieldFault(
            f"/{asked['total']}",
            _WRONG,
            f"Must be {asked['net']} plus {asked['vat']}.",
            f"ต้องเท่ากับ {asked['net']} บวก {asked['vat']}",
        )


def line_amount(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"lineAmount": {"amount": "amount_thb", "quantity": "quantity", "price":
    "unit_price_thb", "less": "discount_thb"}`: the amount of a line is quantity times price,
    rounded once to the satang (`to_satang`), less the discount if there is any."""
    if not isinstance(value, Mapping):
        return
    quantity, price = value.get(asked["quantity"]), value.get(asked["price"])
    if not (isinstance(quantity, str) and is_quantity(quantity)):
        return
    if not (isinstance(price, str) and is_price(price)):
        return
    amount, less = _money(value.get(asked["amount"])), _money(value.get(asked["less"], "0.00"))
    if amount is None or less is None:
        return
    if amount != to_satang(Decimal(quantity) * Decimal(price)) - less:
        yield FieldFault(
            f"/{asked['amount']}",
            _WRONG,
            f"Must be {asked['quantity']} times {asked['price']}, rounded half up to the satang,"
            f" less {asked['less']}.",
            f"ต้องเท่ากับ {asked['quantity']} คูณ {asked['price']} ปัดเศษตั้งแต่ครึ่งสตางค์ขึ้น"
            f" หัก {asked['less']}",
        )


def sums(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"sums": [{"total": "net_thb", "add": ["lines/amount_thb"], "less":
    ["discounts/amount_thb"]}]`: each total is the sum of its terms. A term is a field, or
    `list/field` for that field of every member; what is missing counts nothing."""
    if not isinstance(value, Mapping):
        return
    for rule in asked:
        total, expected = _money(_field(value, rule["total"])), _sum(value, rule)
        if total is not None and expected is not None and total != expected:
            yield FieldFault(f"/{rule['total']}", _WRONG, *_told(rule))


def grouped_sums(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"groupedSums": {"rows": "taxes", "by": "vat_rate", "total": "basis_thb", "add":
    ["lines/amount_thb"], "less": […]}`: as `sums`, of those members alone that have the same
    `by` as the row; each `by` that a member has must have a row."""
    rows = value.get(asked["rows"]) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(rows, list):
        return
    by, keys = asked["by"], []
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            continue
        keys.append(row.get(by))
        total = _money(row.get(asked["total"]))
        expected = _sum(value, asked, only=(by, row.get(by)))
        if total is not None and expected is not None and total != expected:
            pointer = f"/{asked['rows']}/{place}/{asked['total']}"
            yield FieldFault(pointer, _WRONG, *_told(asked, f" ({by})"))
    terms = [term.partition("/")[0] for term in (*asked["add"], *asked.get("less", ()))]
    used = [member[by] for name in terms for member in _members(value.get(name)) if by in member]
    if any(key not in keys for key in used):
        yield FieldFault(
            f"/{asked['rows']}",
            "missing",
            f"Must have an item for every {by} there is.",
            f"ต้องมีรายการของทุก {by} ที่ใช้",
        )


# -- values ------------------------------------------------------------------

_NOTHING = Decimal("0.00")


def _money(text: object) -> Decimal | None:
    return Decimal(text) if isinstance(text, str) and is_thb(text) else None


def _percent(asked: Any, value: Mapping[str, Any]) -> Decimal | None:
    """What the schema says, or a field that it names."""
    if "rate" not in asked:
        return Decimal(asked.get("percent", VAT_PERCENT))
    rate = value.get(asked["rate"])
    return vat_percent(rate) if isinstance(rate, str) and _RATE.fullmatch(rate) else None


def _field(value: Any, path: str) -> object:
    """What lies at `a/b` of objects within objects."""
    for step in path.split("/"):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _members(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [m for m in value if isinstance(m, Mapping)] if isinstance(value, list) else []


def _sum(
    value: Mapping[str, Any], rule: Any, only: tuple[str, Any] | None = None
) -> Decimal | None:
    """None if a term is no money."""
    signed = [(term, 1) for term in rule["add"]] + [(term, -1) for term in rule.get("less", ())]
    total = _NOTHING
    for term, sign in signed:
        amount = _term(value, term, only)
        if amount is None:
            return None
        total += sign * amount
    return total


def _term(value: Mapping[str, Any], term: str, only: tuple[str, Any] | None) -> Decimal | None:
    name, _, field = term.partition("/")
    if not isinstance(value.get(name), list):
        return _money_or_nothing(_field(value, term))
    total = _NOTHING
    for member in _members(value[name]):
        if only is None or member.get(only[0]) == only[1]:
            amount = _money_or_nothing(member.get(field))
            if amount is None:
                return None
            total += amount
    return total


def _money_or_nothing(text: object) -> Decimal | None:
    return _NOTHING if text is None else _money(text)


def _told(rule: Any, also: str = "") -> tuple[str, str]:
    """What a total must be, in English and Thai."""
    terms = " + ".join(rule["add"]) + "".join(f" - {term}" for term in rule.get("less", ()))
    return f"Must be {terms}{also}.", f"ต้องเท่ากับ {terms}{also}"
