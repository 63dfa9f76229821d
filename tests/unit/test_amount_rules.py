"""Lines, sums and sums by rate: exact to the satang, each wrong figure pointed at."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.amount_rules import grouped_sums, line_amount, sums, vat_totals
from tests.support.e_receipts import contents

LINE = {
    "amount": "amount_thb",
    "quantity": "quantity",
    "price": "unit_price_thb",
    "less": "discount_thb",
}
CHECKER = JsonSchemaContentChecker()
SATANG = Decimal("0.01")
_found = PackagedDocumentTypes().get("e-receipt")
assert _found is not None
KIND = _found


def _line(quantity: str, price: str, amount: str, discount: str | None = None) -> dict[str, str]:
    line = {"quantity": quantity, "unit_price_thb": price, "amount_thb": amount}
    return line if discount is None else {**line, "discount_thb": discount}


@pytest.mark.parametrize(
    "line",
    [
        _line("1", "3000.00", "3000.00"),
        _line("2.5", "747.665", "1869.16"),  # 1869.1625
        _line("3", "0.00500", "0.02"),  # 0.015: halves count up
        _line("3", "0.00499", "0.01"),
        _line("0.000001", "9999999999.99", "10000.00"),
        _line("10", "1.00", "0.00", "10.00"),
    ],
)
def test_right_lines_pass(line: dict[str, str]) -> None:
    """Quantity times price, rounded once, less the discount (item 3)."""
    assert list(line_amount(LINE, line)) == []


@pytest.mark.parametrize(
    "line",
    [
        _line("1", "3000.00", "3000.01"),
        _line("2.5", "747.665", "1869.17"),
        _line("3", "0.005", "0.01"),
        _line("10", "1.00", "0.00", "10.01"),  # would be below nothing
        _line("999999999", "9999999999.99", "9999999999.99"),
    ],
)
def test_lines_off_by_a_satang_are_found(line: dict[str, str]) -> None:
    """A satang too many or too few is pointed at; what is below nothing can never be right."""
    found = list(line_amount(LINE, line))
    assert [(f.pointer, f.code) for f in found] == [("/amount_thb", "wrong_amount")]


def test_what_is_no_number_is_left_to_its_format() -> None:
    """One fault, one correction: a quantity of seven decimals is not told of its sum, too."""
    assert list(line_amount(LINE, _line("1.0000001", "1.00", "5.00"))) == []
    assert list(line_amount(LINE, _line("1", "-1.00", "5.00"))) == []
    assert list(sums([{"total": "a", "add": ["b/c"]}], {"a": "1.00", "b": [{"c": "x"}]})) == []


def test_sums_add_and_take_away() -> None:
    """Fields, and fields of every member of a list; what is not there counts nothing."""
    rule = {"total": "in/total", "add": ["rows/amount", "fee"], "less": ["off/amount"]}
    value = {"in": {"total": "3.00"}, "rows": [{"amount": "1.00"}, {"amount": "2.50"}]}
    assert [f.pointer for f in sums([rule], value)] == ["/in/total"]
    assert list(sums([rule], {**value, "off": [{"amount": "0.50"}]})) == []


def test_each_rate_needs_its_row() -> None:
    """A rate that a line has and no row shows is told; so is a row that takes another's lines."""
    asked = {"rows": "taxes", "by": "rate", "total": "basis", "add": ["lines/amount"]}
    lines = [{"rate": "7", "amount": "100.00"}, {"rate": "0", "amount": "50.00"}]
    both = [{"rate": "7", "basis": "100.00"}, {"rate": "0", "basis": "50.00"}]
    assert list(grouped_sums(asked, {"lines": lines, "taxes": both})) == []
    short = list(grouped_sums(asked, {"lines": lines, "taxes": both[:1]}))
    assert [(f.pointer, f.code) for f in short] == [("/taxes", "missing")]
    mixed = [{"rate": "7", "basis": "150.00"}, {"rate": "0", "basis": "0.00"}]
    found = grouped_sums(asked, {"lines": lines, "taxes": mixed})
    assert [f.pointer for f in found] == ["/taxes/0/basis", "/taxes/1/basis"]


def test_tax_by_a_rate_in_the_content() -> None:
    """7 per cent, 0 per cent and exempt stand side by side on one invoice (item 3)."""
    asked = {"net": "basis", "vat": "vat", "rate": "rate"}
    for rate, vat in (("7", "7.00"), ("0", "0.00"), ("exempt", "0.00")):
        row = {"rate": rate, "basis": "100.00", "vat": vat}
        assert list(vat_totals(asked, row)) == []
        assert [f.pointer for f in vat_totals(asked, {**row, "vat": "7.01"})] == ["/vat"]
    assert list(vat_totals(asked, {"rate": "9e999999", "basis": "1.00", "vat": "1.00"})) == []


# -- whole receipts ----------------------------------------------------------


@given(content=contents(), data=st.data())
def test_every_figure_of_a_receipt_is_checked(content: dict[str, Any], data: st.DataObject) -> None:
    """Whichever amount of a receipt is off by one satang, the receipt is refused (item 3)."""
    assert CHECKER.faults(KIND, content) == ()
    changed = deepcopy(content)
    holder, name = data.draw(st.sampled_from(_figures(changed)))
    holder[name] = f"{Decimal(holder[name]) + SATANG:.2f}"
    assert any(fault.code == "wrong_amount" for fault in CHECKER.faults(KIND, changed))


def _figures(value: Any) -> list[tuple[dict[str, str], str]]:
    """Every amount in baht and what holds it, but for unit prices: with a small quantity
    another price is no other amount."""
    if isinstance(value, list):
        return [figure for member in value for figure in _figures(member)]
    if not isinstance(value, dict):
        return []
    here = [(value, name) for name in value if name.endswith("_thb") and "price" not in name]
    return here + [figure for member in value.values() for figure in _figures(member)]
