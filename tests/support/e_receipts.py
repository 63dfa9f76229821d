"""Receipts, tax invoices and notes of any kind, whose figures are right (hypothesis)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from chalicelib.domain.places import COUNTRIES, subdistricts
from chalicelib.domain.thai import BANGKOK, check_digit, to_satang, vat_on, vat_percent

RATES = ("7", "0", "exempt")
_REASONS = {
    "receipt": ("RCTC01", "RCTC04", "RCTC99"),
    "tax_invoice": ("TIVC01", "TIVC99"),
    "receipt_tax_invoice": ("TIVC02", "TIVC99"),
    "debit_note": ("DBNG01", "DBNS99"),
    "credit_note": ("CDNG05", "CDNS04", "CDNG99"),
}
_INVOICES = ("tax_invoice", "invoice_tax_invoice", "receipt_tax_invoice", "delivery_tax_invoice")
_REFERENCES = {
    "receipt": ("receipt",),
    "tax_invoice": _INVOICES,
    "receipt_tax_invoice": _INVOICES,
    "debit_note": (*_INVOICES, "debit_note", "credit_note"),
    "credit_note": (*_INVOICES, "debit_note", "credit_note"),
}
_NOTHING = Decimal("0.00")
_NOTES = ("debit_note", "credit_note")
# Letters that XML, or whoever reads it, could stumble over are among them.
_CELLS = st.sampled_from([*"&<>\"'%;]กฮ๙Zé€", "น้ำ", "ที่", "  ", "]]>", "&amp;", "<br/>", "--"])


def texts(most: int) -> st.SearchStrategy[str]:
    """Texts that the schemas let pass; a space may be double, or last."""
    cells = st.lists(_CELLS, min_size=1, max_size=most)
    return cells.map(lambda parts: "ก".join(["ก", *parts])[:most])


@st.composite
def contents(draw: st.DrawFn, kind: str | None = None) -> dict[str, Any]:
    """Content of `e-receipt`, of every shape that its schema accepts."""
    kind = kind or draw(st.sampled_from(sorted(_REASONS)))
    lines = draw(st.lists(_lines(), min_size=1, max_size=5))
    charges = draw(st.lists(_allowances(), max_size=2))
    discounts = draw(_discounts(lines))
    content: dict[str, Any] = {
        "kind": kind,
        "payee": draw(_payees()),
        "payer": draw(_payers(addressed=kind != "receipt")),
        "lines": lines,
        **({"discounts": discounts} if discounts else {}),
        **({"charges": charges} if charges else {}),
        **_totals(lines, charges, discounts),
        **draw(
            st.fixed_dictionaries(
                {}, optional={"subject": texts(200), "remarks": texts(400), "currency": _thb()}
            )
        ),
    }
    if kind in ("receipt", "receipt_tax_invoice") or draw(st.booleans()):
        content |= {"paid_by": draw(texts(100)), "paid_at": draw(_instants())}
    if kind in _NOTES or draw(st.booleans()):
        content |= draw(_corrections(kind))
    if kind in _NOTES:
        content["adjustment"] = draw(_adjustments(kind, Decimal(content["net_thb"])))
    return content


def _thb() -> st.SearchStrategy[str]:
    return st.just("THB")


def amounts(most: int = 10**8) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most).map(lambda satang: Decimal(satang) / 100)


def _written(amount: Decimal) -> str:
    return f"{amount:.2f}"


@st.composite
def _lines(draw: st.DrawFn) -> dict[str, Any]:
    quantity = draw(st.integers(1, 10**5)) / Decimal(10 ** draw(st.integers(0, 6)))
    price = draw(st.integers(0, 10**6)) / Decimal(10 ** draw(st.integers(2, 5)))
    written_price = f"{price:.{max(2, -int(price.as_tuple().exponent))}f}"
    gross = to_satang(quantity * price)
    line: dict[str, Any] = {
        "description": draw(texts(200)),
        "quantity": f"{quantity:f}",
        "unit_price_thb": written_price,
        "vat_rate": draw(st.sampled_from(RATES)),
        **draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "unit": texts(30),
                    "unit_code": st.sampled_from(["C62", "KGM", "EA"]),
                    "product_code": st.just("A-1"),
                },
            )
        ),
    }
    if draw(st.booleans()):
        discount = draw(amounts(int(gross * 100)))
        line["discount_thb"] = _written(discount)
        gross -= discount
    return {**line, "amount_thb": _written(gross)}


@st.composite
def _allowances(draw: st.DrawFn, most: int = 10**6, rate: str | None = None) -> dict[str, Any]:
    return {
        "reason": draw(texts(120)),
        "amount_thb": _written(draw(amounts(most))),
        "vat_rate": rate or draw(st.sampled_from(RATES)),
    }


@st.composite
def _discounts(draw: st.DrawFn, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Not more than what they are taken from."""
    by_rate = [(rate, _of_rate(lines, rate)) for rate in RATES if draw(st.booleans())]
    return [
        draw(_allowances(most=int(total * 100), rate=rate)) for rate, total in by_rate if total > 0
    ]


def _of_rate(rows: list[dict[str, Any]], rate: str) -> Decimal:
    return sum((Decimal(r["amount_thb"]) for r in rows if r["vat_rate"] == rate), _NOTHING)


def _totals(
    lines: list[dict[str, Any]], charges: list[dict[str, Any]], discounts: list[dict[str, Any]]
) -> dict[str, Any]:
    taxes = []
    for rate in RATES:
        if any(row["vat_rate"] == rate for row in (*lines, *charges, *discounts)):
            basis = _of_rate(lines, rate) + _of_rate(charges, rate) - _of_rate(discounts, rate)
            vat = vat_on(basis, vat_percent(rate))
            taxes.append({"vat_rate": rate, "basis_thb": _written(basis), "vat_thb": _written(vat)})
    net = sum((Decimal(row["basis_thb"]) for row in taxes), _NOTHING)
    vat = sum((Decimal(row["vat_thb"]) for row in taxes), _NOTHING)
    return {
        "lines_total_thb": _written(sum((_of_rate(lines, rate) for rate in RATES), _NOTHING)),
        "net_thb": _written(net),
        "taxes": taxes,
        "vat_thb": _written(vat),
        "total_thb": _written(net + vat),
    }


def _instants() -> st.SearchStrategy[str]:
    days = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))
    zoned = st.tuples(days, st.sampled_from([UTC, BANGKOK]))
    return zoned.map(lambda at: at[0].replace(tzinfo=at[1]).isoformat(timespec="seconds"))


def _dates() -> st.SearchStrategy[str]:
    return _instants().map(lambda instant: instant[:10])


@st.composite
def _corrections(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    reference = st.fixed_dictionaries(
        {
            "number": texts(35) | st.just("๑๒/๒๕๖๙"),
            "dated": _dates(),
            "kind": st.sampled_from(_REFERENCES[kind]),
        }
    )
    return {
        "purpose": {"code": draw(st.sampled_from(_REASONS[kind])), "text": draw(texts(256))},
        "references": draw(st.lists(reference, min_size=1, max_size=3)),
    }


@st.composite
def _adjustments(draw: st.DrawFn, kind: str, net: Decimal) -> dict[str, str]:
    other = draw(amounts())
    original, correct = (other, other + net) if kind == "debit_note" else (other + net, other)
    return {"original_thb": _written(original), "correct_thb": _written(correct)}


# -- parties -----------------------------------------------------------------


def _numbers(first: str) -> st.SearchStrategy[str]:
    digits = st.text("0123456789", min_size=11, max_size=11)
    return digits.map(lambda rest: first + rest + str(check_digit(first + rest)))


def _names() -> st.SearchStrategy[str]:
    return texts(200).map(lambda text: " ".join(text.split()))


_BRANCHES = st.text("0123456789", min_size=5, max_size=5)
_PLACES = st.sampled_from(sorted(subdistricts()))
_BUILDINGS = st.from_regex(r"\A[0-9A-Za-z][0-9A-Za-z/,. -]{0,15}\Z")
_CONTACT: Mapping[str, st.SearchStrategy[str]] = {
    "phone": st.from_regex(r"\A\+[0-9]{1,3}-[0-9]{4,14}\Z"),
    "email": st.just("tax@cgd.example"),
}


def _payees() -> st.SearchStrategy[dict[str, Any]]:
    address = st.fixed_dictionaries(
        {
            "text": texts(256),
            "building_number": _BUILDINGS,
            "subdistrict_code": _PLACES,
            "postcode": _BRANCHES,
        }
    )
    needed = {"name": _names(), "tax_id": _numbers("0"), "branch": _BRANCHES, "address": address}
    return st.fixed_dictionaries(needed, optional={**_CONTACT})


@st.composite
def _payers(draw: st.DrawFn, *, addressed: bool) -> dict[str, Any]:
    registrations: list[Mapping[str, st.SearchStrategy[str]]] = [
        {"tax_id": _numbers("0"), "branch": _BRANCHES},
        {"tax_id": _numbers("1"), "branch": _BRANCHES},
        {"tax_id": _numbers("3")},
        {"passport_no": st.from_regex(r"\A[A-Z0-9]{1,20}\Z")},
        {},
    ]
    needed = {"name": _names(), **draw(st.sampled_from(registrations))}
    payer: dict[str, Any] = {**draw(st.fixed_dictionaries(needed, optional={**_CONTACT}))}
    if addressed or draw(st.booleans()):
        payer["address"] = draw(_payer_addresses())
    return payer


def _payer_addresses() -> st.SearchStrategy[dict[str, Any]]:
    in_codes = {"building_number": _BUILDINGS, "subdistrict_code": _PLACES}
    at_home = {"text": texts(256), "postcode": _BRANCHES}
    abroad = {"text": texts(256), "country": st.sampled_from(sorted(COUNTRIES - {"TH"}))}
    return (
        st.fixed_dictionaries({**at_home, **in_codes}, optional={"country": st.just("TH")})
        | st.fixed_dictionaries(at_home)
        | st.fixed_dictionaries(abroad, optional={"postcode": st.just("SW1A 1AA")})
    )
