"""XML of receipts and tax invoices: what stands where, and nothing that varies."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.documents import Document
from chalicelib.domain.errors import RenderError
from chalicelib.domain.etax import etax_xml
from chalicelib.domain.presentation import Relationship, attached_files
from chalicelib.domain.registers import Numbering
from tests.support.e_receipts import contents
from tests.support.samples import AGENCIES, printable

_found = PackagedDocumentTypes().get("e-receipt")
assert _found is not None
KIND = _found
EXAMPLE: dict[str, Any] = dict(KIND.example["content"])
URL = "https://tra.test/v/K7QX2M9TNB4HWZC5YRD3"
NUMBERED = Numbering(
    year=2026,
    number=12,
    printed="๑๒/๒๕๖๙",
    numbered_at=datetime(2026, 12, 31, 17, 30, tzinfo=UTC),  # already the next year in Bangkok
)


def _document(content: dict[str, Any], numbering: Numbering = NUMBERED) -> Document:
    return printable(KIND, content, numbering)


def _read(content: dict[str, Any], numbering: Numbering = NUMBERED) -> ET.Element:
    return ET.fromstring(etax_xml(_document(content, numbering), verify_url=URL))


def _texts(root: ET.Element, path: str) -> list[str | None]:
    """Texts of the elements at a path of local names."""
    steps = "/".join(f"{{*}}{step}" for step in path.split("/"))
    return [element.text for element in root.findall(f".//{steps}")]


@pytest.mark.parametrize(
    ("kind", "message", "code", "name"),
    [
        ("receipt", "Receipt", "T01", "ใบเสร็จรับเงิน"),
        ("tax_invoice", "TaxInvoice", "388", "ใบกำกับภาษี"),
        ("receipt_tax_invoice", "TaxInvoice", "T03", "ใบเสร็จรับเงิน/ใบกำกับภาษี"),
        ("debit_note", "DebitCreditNote", "80", "ใบเพิ่มหนี้"),
        ("credit_note", "DebitCreditNote", "81", "ใบลดหนี้"),
    ],
)
def test_each_kind_is_its_message(kind: str, message: str, code: str, name: str) -> None:
    """ขมธอ. 3-2560: root, type code and name belong together (B3)."""
    root = _read({**EXAMPLE, "kind": kind})
    space = f"urn:etda:uncefact:data:standard:{message}_CrossIndustryInvoice:2"
    assert root.tag == f"{{{space}}}{message}_CrossIndustryInvoice"
    assert _texts(root, "ExchangedDocument/TypeCode") == [code]
    assert _texts(root, "ExchangedDocument/Name") == [name]
    (standard,) = root.findall(".//{*}GuidelineSpecifiedDocumentContextParameter/{*}ID")
    assert (standard.text, standard.get("schemeVersionID")) == ("ER3-2560", "v2.0")


def test_number_and_times_are_for_machines() -> None:
    """The number is that of the page in Arabic digits; times are CE at +07:00, of the day in
    Bangkok (A18)."""
    root = _read(EXAMPLE)
    assert _texts(root, "ExchangedDocument/ID") == ["12/2569"]
    assert _texts(root, "ExchangedDocument/IssueDateTime") == ["2027-01-01T00:30:00+07:00"]


def test_a_reserved_number_carries_its_own_date() -> None:
    """The XML is dated as the page is; when it was really made stands beside it."""
    dated = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
    root = _read(EXAMPLE, replace(NUMBERED, dated=dated))
    assert _texts(root, "ExchangedDocument/IssueDateTime") == ["2026-11-21T12:00:00+07:00"]
    assert _texts(root, "ExchangedDocument/CreationDateTime") == ["2027-01-01T00:30:00+07:00"]


def test_a_preview_has_no_number() -> None:
    """A dry run's XML cannot be taken for an invoice: SPECIMEN stands where the number would."""
    preview = replace(_document(EXAMPLE), numbering=None)
    root = ET.fromstring(etax_xml(preview, verify_url=URL))
    assert _texts(root, "ExchangedDocument/ID") == ["SPECIMEN"]


@pytest.mark.parametrize(
    ("registration", "scheme", "number"),
    [
        ({"tax_id": "0115500000003", "branch": "00007"}, "TXID", "011550000000300007"),
        ({"tax_id": "1101700203450"}, "NIDN", "1101700203450"),
        ({"passport_no": "AB123456"}, "CCPT", "AB123456"),
        ({}, "OTHR", "N/A"),
    ],
)
def test_buyers_are_named_by_what_they_have(
    registration: dict[str, str], scheme: str, number: str
) -> None:
    """ขมธอ. 3-2560: taxpayer and branch, person, passport, or none of them."""
    root = _read({**EXAMPLE, "payer": {"name": "ผู้จ่ายเงิน", **registration}})
    (told,) = root.findall(".//{*}BuyerTradeParty/{*}SpecifiedTaxRegistration/{*}ID")
    assert (told.get("schemeID"), told.text) == (scheme, number)


def test_places_follow_from_the_subdistrict() -> None:
    """Province, district and subdistrict cannot contradict each other: one code gives all."""
    root = _read(EXAMPLE)
    address = "BuyerTradeParty/PostalTradeAddress"
    assert _texts(root, f"{address}/CountrySubDivisionID") == ["11"]
    assert _texts(root, f"{address}/CityName") == ["1103"]
    assert _texts(root, f"{address}/CitySubDivisionName") == ["110301"]


def test_figures_are_those_of_the_content() -> None:
    """Money goes over as it was checked, not calculated again; exempt is not 0 per cent."""
    root = _read(EXAMPLE)
    tax = "ApplicableHeaderTradeSettlement/ApplicableTradeTax"
    assert _texts(root, f"{tax}/TypeCode") == ["FRE", "VAT"]
    assert _texts(root, f"{tax}/CalculatedAmount") == ["0.00", "130.84"]
    assert _texts(root, "GrandTotalAmount") == ["5000.00"]
    assert _texts(root, "NetIncludingTaxesLineTotalAmount") == ["3000.00", "2000.00"]


def test_a_note_tells_original_correct_and_difference() -> None:
    """ขมธอ. 3-2560: of a note LineTotalAmount is the value as it should have been."""
    note = {
        **EXAMPLE,
        "kind": "credit_note",
        "purpose": {"code": "CDNS03", "text": "คิดเกิน"},
        "references": [{"number": "๗/๒๕๖๙", "dated": "2026-11-21", "kind": "tax_invoice"}],
        "adjustment": {"original_thb": "10000.00", "correct_thb": "5130.84"},
    }
    root = _read(note)
    assert _texts(root, "OriginalInformationAmount") == ["10000.00"]
    assert _texts(root, "LineTotalAmount") == ["5130.84"]
    assert _texts(root, "DifferenceInformationAmount") == ["4869.16"]
    referenced = "AdditionalReferencedDocument"
    assert _texts(root, f"{referenced}/IssuerAssignedID") == ["7/2569"]
    assert _texts(root, f"{referenced}/IssueDateTime") == ["2026-11-21T00:00:00+07:00"]
    assert _texts(root, f"{referenced}/ReferenceTypeCode") == ["388"]


def test_xml_alone_leads_to_the_register() -> None:
    """Whoever has only the XML finds where to check it, and the digest that is bound to the
    number (D3, P2)."""
    notes = _texts(_read(EXAMPLE), "IncludedNote/Content")
    assert {URL, f"sha-256:{_document(EXAMPLE).content_digest}"} <= set(notes)


@given(content=contents())
def test_every_text_comes_back(content: dict[str, Any]) -> None:
    """No letter of a text is markup, and none is lost; the same document, the same bytes (P2)."""
    document = _document(content)
    xml = etax_xml(document, verify_url=URL)
    assert xml == etax_xml(replace(document, content=deepcopy(content)), verify_url=URL)
    root = ET.fromstring(xml)
    names = [line["description"] for line in content["lines"]]
    assert _texts(root, "SpecifiedTradeProduct/Name") == names
    assert _texts(root, "SellerTradeParty/Name") == [content["payee"]["name"]]


@pytest.mark.parametrize("content", [{}, {**EXAMPLE, "kind": "secret"}, {**EXAMPLE, "lines": [{}]}])
def test_content_of_another_shape_ends_with_a_reason(content: dict[str, Any]) -> None:
    """P4: a type of one's own that asks for this XML with another schema fails its documents for
    good, with an error that quotes nothing, and not for ever."""
    with pytest.raises(RenderError, match="cannot be written as XML") as caught:
        attached_files(_document(content), AGENCIES[0], KIND, verify_url=URL)
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)


def test_the_record_comes_first() -> None:
    """What the register speaks of is attached to every document, and the XML beside it."""
    record, xml = attached_files(_document(EXAMPLE), AGENCIES[0], KIND, verify_url=URL)
    assert record.name == "content.json"
    assert (xml.name, xml.media_type) == ("ETDA-invoice.xml", "text/xml")
    assert (record.relationship, xml.relationship) == (Relationship.DATA, Relationship.ALTERNATIVE)
