"""A receipt, tax invoice, debit or credit note as XML of ขมธอ. 3-2560 (ER3-2560, v2.0).

The message is a profile of UN/CEFACT's Cross Industry Invoice. What comes in has passed the
schema of `e-receipt`, so each value has the form that the XSD asks for; this module places
them in the XSD's order. Pure, and the same document gives the same bytes (P2, P8).

Money stays as it was submitted, two decimals; times are of the Common Era with +07:00.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.domain.thai import (
    VAT_EXEMPT,
    in_bangkok,
    start_of_day,
    to_arabic_digits,
    vat_on,
    vat_percent,
)

if TYPE_CHECKING:
    from chalicelib.domain.documents import Document

SPECIMEN_ID = "SPECIMEN"
"""What a preview has in place of a number."""

_RSM = "urn:etda:uncefact:data:standard:{message}_CrossIndustryInvoice:2"
_RAM = "urn:etda:uncefact:data:standard:{message}_ReusableAggregateBusinessInformationEntity:2"
_THAILAND = "TH"


@dataclass(frozen=True, slots=True)
class _Form:
    """A kind of document: its message, its code and its name (ขมธอ. 3-2560)."""

    message: str
    type_code: str
    name: str


_FORMS = {
    "receipt": _Form("Receipt", "T01", "ใบเสร็จรับเงิน"),
    "tax_invoice": _Form("TaxInvoice", "388", "ใบกำกับภาษี"),
    "receipt_tax_invoice": _Form("TaxInvoice", "T03", "ใบเสร็จรับเงิน/ใบกำกับภาษี"),
    "debit_note": _Form("DebitCreditNote", "80", "ใบเพิ่มหนี้"),
    "credit_note": _Form("DebitCreditNote", "81", "ใบลดหนี้"),
}

_REFERENCE_CODES = {
    **{kind: form.type_code for kind, form in _FORMS.items()},
    "invoice_tax_invoice": "T02",
    "delivery_tax_invoice": "T04",
}
"""What a receipt or note may refer to."""


def etax_xml(document: Document, *, verify_url: str) -> bytes:
    """The document as `rsm:…_CrossIndustryInvoice`, UTF-8, unsigned.

    Its ID is the number as printed, in Arabic digits (`12/2569`); one without a number is
    a preview and says SPECIMEN. `content` must have passed the schema.
    """
    content = document.content
    form = _FORMS[content["kind"]]
    root = _Element(
        f"rsm:{form.message}_CrossIndustryInvoice",
        (
            _context(),
            _head(document, form, verify_url),
            _el(
                "rsm:SupplyChainTradeTransaction",
                _agreement(content),
                _el("ApplicableHeaderTradeDelivery"),
                _settlement(content),
                *(_line(place, line) for place, line in enumerate(content["lines"], start=1)),
            ),
        ),
        {
            "xmlns:ram": _RAM.format(message=form.message),
            "xmlns:rsm": _RSM.format(message=form.message),
        },
    )
    return "".join(['<?xml version="1.0" encoding="UTF-8"?>\n', *_written(root, "\n")]).encode()


# -- parts of the message ----------------------------------------------------


def _context() -> _Element:
    standard = _el("ID", "ER3-2560", schemeAgencyID="ETDA", schemeVersionID="v2.0")
    parameter = _el("GuidelineSpecifiedDocumentContextParameter", standard)
    return _el("rsm:ExchangedDocumentContext", parameter)


def _head(document: Document, form: _Form, verify_url: str) -> _Element:
    content, numbering = document.content, document.numbering
    purpose = content.get("purpose", {})
    made = document.submitted_at if numbering is None else numbering.numbered_at
    dated = made if numbering is None else numbering.dated or made
    number = SPECIMEN_ID if numbering is None else to_arabic_digits(numbering.printed)
    return _el(
        "rsm:ExchangedDocument",
        _el("ID", number),
        _el("Name", form.name),
        _el("TypeCode", form.type_code),
        _el("IssueDateTime", _instant(dated)),
        _maybe("Purpose", purpose.get("text")),
        _maybe("PurposeCode", purpose.get("code")),
        _el("CreationDateTime", _instant(made)),
        _note("subject", content.get("subject")),
        _note("paid_at", content.get("paid_at")),
        _note("remarks", content.get("remarks")),
        # Whoever has the XML alone finds the register by these (D3, P7).
        _note("verify_url", verify_url),
        _note("content_digest", f"sha-256:{document.content_digest}"),
    )


def _agreement(content: Mapping[str, Any]) -> _Element:
    return _el(
        "ApplicableHeaderTradeAgreement",
        _el("SellerTradeParty", *_party(content["payee"])),
        _el("BuyerTradeParty", *_party(content["payer"])),
        *(_reference(reference) for reference in content.get("references", ())),
    )


def _party(party: Mapping[str, Any]) -> tuple[_Element | None, ...]:
    scheme, number = _registration(party)
    return (
        _el("Name", party["name"]),
        _el("SpecifiedTaxRegistration", _el("ID", number, schemeID=scheme)),
        _contact(party),
        _address(party["address"]) if "address" in party else None,
    )


def _registration(party: Mapping[str, Any]) -> tuple[str, str]:
    """Scheme and number: a taxpayer with branch, a person, a passport, or none of these."""
    match party:
        case {"tax_id": number, "branch": branch}:
            return "TXID", number + branch
        case {"tax_id": number}:
            return "NIDN", number
        case {"passport_no": number}:
            return "CCPT", number
    return "OTHR", "N/A"


def _contact(party: Mapping[str, Any]) -> _Element | None:
    email, phone = party.get("email"), party.get("phone")
    if email is None and phone is None:
        return None
    return _el(
        "DefinedTradeContact",
        None if email is None else _el("EmailURIUniversalCommunication", _el("URIID", email)),
        None
        if phone is None
        else _el("TelephoneUniversalCommunication", _el("CompleteNumber", phone)),
    )


def _address(address: Mapping[str, Any]) -> _Element:
    """District and province are the head of the subdistrict's code (TIS 1099)."""
    place = address.get("subdistrict_code")
    return _el(
        "PostalTradeAddress",
        _maybe("PostcodeCode", address.get("postcode")),
        _el("LineOne", address["text"]),
        _maybe("CityName", place and place[:4]),
        _maybe("CitySubDivisionName", place),
        _el("CountryID", address.get("country", _THAILAND), schemeID="3166-1 alpha-2"),
        _maybe("CountrySubDivisionID", place and place[:2]),
        _maybe("BuildingNumber", address.get("building_number")),
    )


def _reference(reference: Mapping[str, Any]) -> _Element:
    dated = start_of_day(date.fromisoformat(reference["dated"]))
    return _el(
        "AdditionalReferencedDocument",
        _el("IssuerAssignedID", to_arabic_digits(reference["number"])),
        _el("IssueDateTime", _instant(dated)),
        _el("ReferenceTypeCode", _REFERENCE_CODES[reference["kind"]]),
    )


def _settlement(content: Mapping[str, Any]) -> _Element:
    paid_by = content.get("paid_by")
    return _el(
        "ApplicableHeaderTradeSettlement",
        _el("InvoiceCurrencyCode", "THB", listID="ISO 4217 3A"),
        *(_tax(row["vat_rate"], row["basis_thb"], row["vat_thb"]) for row in content["taxes"]),
        *(_allowance(row, charge=False) for row in content.get("discounts", ())),
        *(_allowance(row, charge=True) for row in content.get("charges", ())),
        None if paid_by is None else _el("SpecifiedTradePaymentTerms", _el("Description", paid_by)),
        _totals(content),
    )


def _totals(content: Mapping[str, Any]) -> _Element:
    """Of a debit or credit note the lines are the difference, and what the standard calls
    the line total is the value as it should have been."""
    adjustment = content.get("adjustment", {})
    correct, original = adjustment.get("correct_thb"), adjustment.get("original_thb")
    return _el(
        "SpecifiedTradeSettlementHeaderMonetarySummation",
        _maybe("OriginalInformationAmount", original),
        _el("LineTotalAmount", correct or content["lines_total_thb"]),
        _maybe("DifferenceInformationAmount", adjustment and content["net_thb"]),
        _maybe("AllowanceTotalAmount", _sum_of(content.get("discounts"))),
        _maybe("ChargeTotalAmount", _sum_of(content.get("charges"))),
        _el("TaxBasisTotalAmount", content["net_thb"]),
        _el("TaxTotalAmount", content["vat_thb"]),
        _el("GrandTotalAmount", content["total_thb"]),
    )


def _line(place: int, line: Mapping[str, Any]) -> _Element:
    net = Decimal(line["amount_thb"])
    vat = vat_on(net, vat_percent(line["vat_rate"]))
    discount = line.get("discount_thb")
    unit_code = {"unitCode": line["unit_code"]} if "unit_code" in line else {}
    return _el(
        "IncludedSupplyChainTradeLineItem",
        _el("AssociatedDocumentLineDocument", _el("LineID", str(place))),
        _el(
            "SpecifiedTradeProduct",
            _maybe("ID", line.get("product_code")),
            _el("Name", line["description"]),
            _note("unit", line.get("unit"), name="InformationNote"),
        ),
        _el(
            "SpecifiedLineTradeAgreement",
            _el("GrossPriceProductTradePrice", _el("ChargeAmount", line["unit_price_thb"])),
        ),
        _el("SpecifiedLineTradeDelivery", _el("BilledQuantity", line["quantity"], **unit_code)),
        _el(
            "SpecifiedLineTradeSettlement",
            _tax(line["vat_rate"], line["amount_thb"], f"{vat}"),
            None if discount is None else _allowance({"amount_thb": discount}, charge=False),
            _el(
                "SpecifiedTradeSettlementLineMonetarySummation",
                _el("TaxTotalAmount", f"{vat}"),
                _el("NetLineTotalAmount", line["amount_thb"]),
                _el("NetIncludingTaxesLineTotalAmount", f"{net + vat}"),
            ),
        ),
    )


def _tax(rate: str, basis: str, vat: str) -> _Element:
    return _el(
        "ApplicableTradeTax",
        _el("TypeCode", "FRE" if rate == VAT_EXEMPT else "VAT"),  # UN/EDIFACT 5153
        _el("CalculatedRate", f"{vat_percent(rate)}"),
        _el("BasisAmount", basis),
        _el("CalculatedAmount", vat),
    )


def _allowance(row: Mapping[str, Any], *, charge: bool) -> _Element:
    return _el(
        "SpecifiedTradeAllowanceCharge",
        _el("ChargeIndicator", "true" if charge else "false"),
        _el("ActualAmount", row["amount_thb"]),
        _maybe("Reason", row.get("reason")),
    )


# -- values ------------------------------------------------------------------


def _sum_of(rows: Any) -> str | None:
    return f"{sum(Decimal(row['amount_thb']) for row in rows)}" if rows else None


def _instant(instant: datetime) -> str:
    return in_bangkok(instant).isoformat(timespec="seconds")


# -- writing -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Element:
    """A name with its prefix, and either a text or elements inside."""

    name: str
    inside: str | tuple[_Element, ...]
    attributes: Mapping[str, str]


def _el(name: str, *inside: str | _Element | None, **attributes: str) -> _Element:
    """`ram:` if the name has no prefix. What is None is left out."""
    qualified = name if ":" in name else f"ram:{name}"
    match inside:
        case (str(text),):
            return _Element(qualified, text, attributes)
    return _Element(qualified, tuple(e for e in inside if isinstance(e, _Element)), attributes)


def _maybe(name: str, text: str | None) -> _Element | None:
    return _el(name, text) if text else None


def _note(subject: str, text: str | None, name: str = "IncludedNote") -> _Element | None:
    return _el(name, _el("Subject", subject), _el("Content", text)) if text else None


_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def _written(element: _Element, margin: str) -> Iterator[str]:
    """One element a line, two spaces further in for what lies within another."""
    attributes = "".join(f' {k}="{_escaped(v)}"' for k, v in element.attributes.items())
    yield f"<{element.name}{attributes}>"
    if isinstance(element.inside, str):
        yield _escaped(element.inside)
    else:
        for child in element.inside:
            yield f"{margin}  "
            yield from _written(child, f"{margin}  ")
        if element.inside:
            yield margin
    yield f"</{element.name}>"


def _escaped(text: str) -> str:
    return text.translate(_MARKUP)
