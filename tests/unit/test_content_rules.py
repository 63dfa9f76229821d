"""Formats and keywords that schemas may use, through the checker that the API uses."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.domain.content_rules import FORMAT_FAULTS, FORMATS, KEYWORDS
from chalicelib.domain.thai import check_digit, vat_on
from tests.support import samples

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
TOTALS = {"net": "net_thb", "vat": "vat_thb", "total": "total_thb"}
LINE = {
    "amount": "amount_thb",
    "quantity": "quantity",
    "price": "unit_price_thb",
    "less": "discount_thb",
}
ASKED: Mapping[str, Any] = {
    "ordered": [["from", "until"]],
    "uniqueBy": "code",
    "maxTotalLength": 10,
    "vatTotals": TOTALS,
    "picture": {"aspect": [3, 4], "least": [30, 40], "most": [900, 1200], "most_bytes": 32768},
    "lineAmount": LINE,
    "sums": [{"total": "total_thb", "add": ["net_thb", "vat_thb"], "less": ["rows/less_thb"]}],
    "groupedSums": {
        "rows": "rows",
        "by": "vat_rate",
        "total": "net_thb",
        "add": ["lines/amount_thb"],
    },
}


def _faults(schema: dict[str, Any], content: object) -> list[tuple[str, str]]:
    kind = replace(samples.LICENCE, content_schema=schema)
    found = JsonSchemaContentChecker().faults(kind, content)
    return [(fault.pointer, fault.code) for fault in found]


def _format_faults(form: str, text: str) -> list[tuple[str, str]]:
    return _faults({"properties": {"a": {"type": "string", "format": form}}}, {"a": text})


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("thai-id", "1101700203450"),
        ("juristic-id", "0755560000012"),
        ("tax-id", "0994000617721"),
        ("tax-id", "1101700203450"),
        ("thb", "0.00"),
        ("thb", "9999999999.99"),
        ("date", "2028-02-29"),
        ("date-time", "2026-11-20T10:15:00+07:00"),
        ("date-time", "2026-11-20T03:15:00.5Z"),
        ("digits", "007"),
        ("letter-number", "นร ๐๕๐๖/ว(ล) ๑๑๕๖๑"),
        ("name", "นายคมสัน ท่าเรือ"),
        ("price", "3000.00"),
        ("price", "0.12345"),
        ("quantity", "1"),
        ("quantity", "0.000001"),
        ("quantity", "999999999.999999"),
        ("subdistrict", "110301"),
        ("country", "TH"),
    ],
)
def test_right_values_pass(form: str, text: str) -> None:
    """What people really write is accepted (item 3)."""
    assert _format_faults(form, text) == []


@pytest.mark.parametrize(
    ("form", "text", "code"),
    [
        ("thai-id", "1101700203451", "wrong_check_digit"),
        ("thai-id", "๑๑๐๑๗๐๐๒๐๓๔๕๐", "wrong_check_digit"),
        ("juristic-id", "0755560000013", "wrong_check_digit"),
        ("juristic-id", "1101700203450", "wrong_check_digit"),
        ("tax-id", "0994000617723", "wrong_check_digit"),
        ("thb", "3000", "wrong_format"),
        ("thb", "3000.5", "wrong_format"),
        ("thb", "3,000.00", "wrong_format"),
        ("thb", "๓๐๐๐.๐๐", "wrong_format"),
        ("thb", "-1.00", "wrong_format"),
        ("date", "2026-02-30", "wrong_format"),
        ("date", "2569-01-01", "wrong_format"),
        ("date", "20260101", "wrong_format"),
        ("date", "๒๐๒๖-๐๑-๐๑", "wrong_format"),
        ("date-time", "2026-11-20T10:15:00", "wrong_format"),
        ("date-time", "2569-11-20T10:15:00+07:00", "wrong_format"),
        ("date-time", "2026-11-20 10:15:00+07:00", "wrong_format"),
        ("date-time", "2026-11-20T24:15:00+07:00", "wrong_format"),
        ("digits", "12a", "wrong_format"),
        ("letter-number", "ไม่มีทับ", "wrong_format"),
        ("letter-number", "ก" * 1000, "wrong_format"),
        ("name", "เเสนดี", "not_plain"),
        ("price", "3000", "wrong_format"),
        ("price", "0.123456", "wrong_format"),
        ("price", "-1.00", "wrong_format"),
        ("quantity", "0", "wrong_format"),
        ("quantity", "0.0", "wrong_format"),
        ("quantity", "-1", "wrong_format"),
        ("quantity", "1.0000001", "wrong_format"),
        ("quantity", "1e9", "wrong_format"),
        ("quantity", "007", "wrong_format"),
        ("quantity", "๑", "wrong_format"),
        ("subdistrict", "119999", "unknown_code"),
        ("subdistrict", "105002", "unknown_code"),
        ("country", "XX", "unknown_code"),
    ],
)
def test_wrong_values_are_pointed_at(form: str, text: str, code: str) -> None:
    """Each wrong value is told at its field with a code of its kind (item 3)."""
    assert _format_faults(form, text) == [("/a", code)]


def test_what_has_the_wrong_form_is_told_once() -> None:
    """A number too short is not told of its check digit too: one fault, one correction."""
    field = {"type": "string", "format": "thai-id", "pattern": "^[0-9]{13}$"}
    assert _faults({"properties": {"a": field}}, {"a": "123"}) == [("/a", "wrong_pattern")]


@pytest.mark.parametrize("form", FORMATS)
@given(text=st.text(max_size=40) | st.from_regex(r"\A[0-9T:.+-]{1,25}\Z"))
def test_any_text_is_answered(form: str, text: str) -> None:
    """No text makes a format fail other than by saying no (bad input)."""
    assert FORMATS[form](text) in {True, False}


@pytest.mark.parametrize("name", KEYWORDS)
@given(value=JSON)
def test_any_value_is_answered(name: str, value: object) -> None:
    """No value makes a keyword fail other than by faults within it (bad input)."""
    assert all((f.pointer + "/")[0] == "/" for f in KEYWORDS[name](ASKED[name], value))


def test_every_fault_is_told_in_both_languages_without_the_value() -> None:
    """Messages are in Thai and English and quote nothing personal (item 3, PDPA)."""
    assert set(FORMAT_FAULTS) == set(FORMATS)
    told = [texts for _, *texts in FORMAT_FAULTS.values()]
    secret = {"from": "2027-02-02", "until": "2027-01-01", "net_thb": "100.00", "vat_thb": "9.99"}
    secret |= {"quantity": "2", "unit_price_thb": "9.99", "amount_thb": "1.11"}
    rows = {"lines": [{"vat_rate": "secret"}], "rows": [{"vat_rate": "1", "net_thb": "1.11"}]}
    others = [[{"code": "secret"}, {"code": "secret"}], ["secret" * 3], "secret" * 3]
    for name, keyword in KEYWORDS.items():
        faults_before = len(told)
        for value in ({**secret, **rows, "total_thb": "2.22"}, *others):
            told += [[f.detail, f.detail_th] for f in keyword(ASKED[name], value)]
        assert len(told) > faults_before, name
    for english, thai in told:
        assert re.search("[A-Za-z]", english)
        assert re.search("[ก-ฮ]", thai)
        assert not re.search("secret|2027|9.99|1.11|2.22", english + thai)


# -- keywords ----------------------------------------------------------------


@given(st.dates(), st.dates())
def test_ordered_dates(first: Any, second: Any) -> None:
    """The end of a period is not before its start; equal days are a period of one day."""
    days = {"from": first.isoformat(), "until": second.isoformat()}
    in_time = all(1900 <= day.year <= 2400 for day in (first, second))
    expected = [("/until", "ends_before_start")] if in_time and second < first else []
    assert _faults({"ordered": [["from", "until"]]}, days) == expected


def test_ordered_instants_of_other_offsets() -> None:
    """Times are compared as instants, not as texts."""
    value = {"from": "2026-01-01T01:00:00+07:00", "until": "2025-12-31T19:00:00Z"}
    assert _faults({"ordered": [["from", "until"]]}, value) == []


def test_unique_by_points_at_the_second() -> None:
    """A code named twice is told where it stands the second time, deep in the content."""
    schema = {"properties": {"a": {"items": {"type": "object"}, "uniqueBy": "code"}}}
    content = {"a": [{"code": "x"}, {"code": "y"}, {"code": "x"}, {}]}
    assert _faults(schema, content) == [("/a/2/code", "repeated")]


def test_max_total_length_counts_all_texts() -> None:
    """Many texts together are bounded, whatever each of them is."""
    schema = {"maxTotalLength": 5}
    assert _faults(schema, ["ab", "cde"]) == []
    assert _faults(schema, ["ab", "cdef"]) == [("", "too_long")]


@given(st.integers(min_value=0, max_value=10**11), st.integers(-2, 2), st.integers(-2, 2))
def test_vat_totals_find_every_wrong_figure(satang: int, vat_off: int, total_off: int) -> None:
    """Net, tax and total agree to the satang, and each that does not is pointed at (item 3)."""
    cent = Decimal("0.01")
    net = satang * cent
    vat = max(vat_on(net) + vat_off * cent, Decimal("0.00"))
    total = max(net + vat + total_off * cent, Decimal("0.00"))
    value = {"net_thb": f"{net:.2f}", "vat_thb": f"{vat:.2f}", "total_thb": f"{total:.2f}"}
    expected = set()
    if vat != vat_on(net):
        expected.add(("/vat_thb", "wrong_amount"))
    if total != net + vat:
        expected.add(("/total_thb", "wrong_amount"))
    assert set(_faults({"vatTotals": TOTALS}, value)) == expected


def test_vat_of_another_rate() -> None:
    """A schema may ask for another rate, such as 0 for what is exempt."""
    value = {"net_thb": "3000.00", "vat_thb": "0.00", "total_thb": "3000.00"}
    assert _faults({"vatTotals": {**TOTALS, "percent": "0"}}, value) == []
    assert _faults({"vatTotals": TOTALS}, value) == [("/vat_thb", "wrong_amount")]


def test_several_keywords_under_a_condition() -> None:
    """Keywords and formats hold wherever JSON Schema lets a subschema stand."""
    person = {
        "if": {"properties": {"kind": {"const": "juristic_person"}}},
        "then": {"properties": {"no": {"format": "juristic-id"}}},
        "else": {"properties": {"no": {"format": "thai-id"}}},
    }
    schema = {"properties": {"people": {"items": person, "uniqueBy": "no"}}}
    company = {"kind": "juristic_person", "no": "0755560000012"}
    other = {
        "kind": "natural_person",
        "no": f"110170020345{(check_digit('110170020345') + 1) % 10}",
    }
    assert _faults(schema, {"people": [company, other, company]}) == [
        ("/people/1/no", "wrong_check_digit"),
        ("/people/2/no", "repeated"),
    ]
    assert json.dumps(schema)  # declared as data alone
