"""XML of receipts and tax invoices before the XSD and Schematron of ขมธอ. 3-2560."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.etax import etax_xml
from chalicelib.domain.places import COUNTRIES, subdistricts
from chalicelib.domain.registers import Numbering
from tests.support import etax, reference
from tests.support.e_receipts import contents
from tests.support.samples import printable

pytestmark = etax.needs_standards

CHECKER = JsonSchemaContentChecker()
NUMBERED = Numbering(
    year=2026,
    number=12,
    printed="๑๒/๒๕๖๙",
    numbered_at=datetime(2026, 11, 21, 5, 0, tzinfo=UTC),
)
URL = "https://tra.test/v/K7QX2M9TNB4HWZC5YRD3"
# What is tried in the place of any value: close to right, and far from it.
_NOT_TEXT: list[Any] = [None, True, 0, -1, [], {}]
_NOT_MONEY = ["", " ", "0", "-1.00", "1.005", "0.00", "9999999999.99", "๑", "NaN", "1e9", "10"]
_NOT_DAYS = ["2569-01-01", "2569-01-01T00:00:00+07:00", "2026-02-30"]
_OTHER_CODES = ["105002", "XX", "TH", "00000", "receipt", "credit_note", "exempt", "1" * 13]
_NOT_XML = ["\x00", "\ufffe", "ก" * 300]
ODD = st.sampled_from([*_NOT_TEXT, *_NOT_MONEY, *_NOT_DAYS, *_OTHER_CODES, *_NOT_XML])


@pytest.fixture(scope="module")
def kind() -> DocumentType:
    found = PackagedDocumentTypes().get("e-receipt")
    assert found is not None
    return found


def _xml(kind: DocumentType, content: dict[str, Any]) -> bytes:
    return etax_xml(printable(kind, content, NUMBERED), verify_url=URL)


# -- the validator itself ----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("INV71600001.xml", None),
        ("DBN71800001.xml", None),
        ("signed-ETDA-invoice.xml", None),
        ("INV71600001_err04.xml", "Element content is not allowed"),
        ("INV71800005.xml", "is not a valid value of the atomic type"),
    ],
)
def test_validator_knows_good_from_bad(name: str, said: str | None) -> None:
    """The publisher's good samples pass and the bad ones fail, each for its own reason."""
    found = etax.faults((etax.SAMPLES / name).read_bytes())
    assert bool(found) is (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        (b"<ram:TypeCode>388", b"<ram:TypeCode>80", "TIV-Document-001"),
        (b">11111</ram:PostcodeCode>", b">1111</ram:PostcodeCode>", "TIV-SellerTradeParty-007"),
        (b'"TXID">0105', b'"NIDN">0105', "TIV-SellerTradeParty-006"),
    ],
)
def test_schematron_is_really_asked(good: bytes, bad: bytes, rule: str) -> None:
    """What only the Schematron forbids is found, with the number of the rule."""
    sample = (etax.SAMPLES / "INV71600001.xml").read_bytes()
    assert good in sample
    assert rule in " ".join(etax.faults(sample.replace(good, bad, 1)))


# -- what Tra writes ---------------------------------------------------------


def test_example_is_valid(kind: DocumentType) -> None:
    """The example shown to integrators makes a valid message (issue 5, item 1)."""
    assert etax.faults(_xml(kind, dict(kind.example["content"]))) == []


def test_reference_request_is_valid(kind: DocumentType) -> None:
    """The programme's own request makes a valid message (B3, B4)."""
    assert etax.faults(_xml(kind, reference.document("e-receipt")["content"])) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=contents())
def test_accepted_content_is_valid(kind: DocumentType, content: dict[str, Any]) -> None:
    """Receipts, tax invoices and notes of every shape pass our schema, XSD and Schematron
    (issue 5, item 1)."""
    assert CHECKER.faults(kind, content) == ()
    assert etax.faults(_xml(kind, content)) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=contents(), data=st.data())
def test_bad_content_is_refused_or_harmless(
    kind: DocumentType, content: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever is put in the place of a value, or left out: it is refused before it costs a
    number, or the message stays valid (P4)."""
    changed = deepcopy(content)
    holder, key = data.draw(st.sampled_from(list(_places(changed))))
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(ODD)
    if CHECKER.faults(kind, changed) == ():
        assert etax.faults(_xml(kind, changed)) == []


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and list, with what holds it."""
    keys = range(len(value)) if isinstance(value, list) else value
    if not isinstance(value, list | dict):
        return []
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


# -- code lists --------------------------------------------------------------


def test_codes_of_places_are_those_of_the_standard() -> None:
    """Every subdistrict, district, province and country that a schema lets pass is one that the
    XSD knows; the standard's list is older and longer."""
    known = etax.codes("TISICitySubDivisionName")
    assert subdistricts() < known
    assert {code[:4] for code in subdistricts()} <= etax.codes("TISICityName")
    assert {code[:2] for code in subdistricts()} <= etax.codes("ThaiISOCountrySubdivisionCode")
    assert not {"105002", "105003", "105004", "105005"} & known
    assert etax.countries() == COUNTRIES
