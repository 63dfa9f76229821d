"""The programme's reference data, laid beside the project where it is present.

Its field names are a suggestion, so small converters give each request the names of our
types; its invented registration numbers get the check digit they lack. Who asks for a file
that is absent is skipped with its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.thai import check_digit

_HOUSE = Path(__file__).parents[3]  # where the project lies
_PLACES = (_HOUSE / "shared", _HOUSE.parent / "shared")  # a checkout, or one kept a level deeper

DOCUMENTS = ("licence", "e-certificate", "e-medical-certificate", "e-proxy", "e-card", "e-receipt")

_ENVELOPE = ("recipients", "valid_from", "valid_until")
_OUTSIDE = {"note", "agency_id", "document_type", "retention_years", *_ENVELOPE}


def document(document_type: str) -> dict[str, Any]:
    """A request of the reference data as a body of POST /v1/documents."""
    files = {"licence": "licence-factory"}
    raw = _read(f"documents/{files.get(document_type, document_type)}.json")
    content = {name: value for name, value in raw.items() if name not in _OUTSIDE}
    convert = _CONVERTERS.get(document_type, dict)
    envelope = {name: raw.get(name) for name in _ENVELOPE}
    return {"document_type": document_type, "content": convert(content), **envelope}


def _read(path: str) -> Any:
    for place in _PLACES:
        if (file := place / "data" / path).is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    pytest.skip(f"the reference data is not present: shared/data/{path}")


def _medical(raw: Mapping[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in raw.items() if name != "sensitive"}
    return {
        **content,
        "consent": {
            "given_by": {"capacity": "patient", "name": raw["patient"]["name"]},
            "given_at": raw["consent"]["given_at"],
            "scope": [
                {"agency_id": agency, "name_th": "หน่วยงานผู้รับ"} for agency in raw["consent"]["scope"]
            ],
        },
    }


def _proxy(raw: Mapping[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in raw.items() if name != "limits"}
    powers = [{"code": f"power.no-{n}", "text": text} for n, text in enumerate(raw["powers"])]
    return {
        **content,
        "principal": _person(raw["principal"]),
        "attorney": _person(raw["attorney"]),
        "powers": powers,
        "exclusions": raw["limits"],
        "sub_delegation": False,
    }


def _card(raw: Mapping[str, Any]) -> dict[str, Any]:
    holder = {name: value for name, value in raw["holder"].items() if name != "kind"}
    content = {name: value for name, value in raw.items() if name != "languages"}
    languages = {"label": "ภาษา", "value": ", ".join(raw["languages"])}
    return {**content, "holder": holder, "particulars": [languages]}


def _receipt(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The reference has no figures but the total, and of addresses only the buyer's text."""
    lines = [{**line, "amount_thb": raw["total_thb"]} for line in raw["lines"]]
    total = raw["total_thb"]
    seller = {
        "text": "ถนนพระรามที่ ๖ แขวงพญาไท เขตพญาไท กรุงเทพมหานคร ๑๐๔๐๐",
        "building_number": "1",
        "subdistrict_code": "101406",
        "postcode": "10400",
    }
    content = {
        name: value for name, value in raw.items() if name not in {"title_th", "xml_standard"}
    }
    return {
        **content,
        "kind": {"ใบเสร็จรับเงิน": "receipt"}[raw["title_th"]],
        "payee": {**_taxpayer(raw["payee"]), "address": seller},
        "payer": {
            **_taxpayer(raw["payer"]),
            "address": {"text": raw["payer"]["address"], "postcode": "10540"},
        },
        "lines": lines,
        "lines_total_thb": total,
        "net_thb": total,
        "taxes": [{"vat_rate": lines[0]["vat_rate"], "basis_thb": total, "vat_thb": "0.00"}],
        "vat_thb": "0.00",
    }


def _taxpayer(raw: Mapping[str, Any]) -> dict[str, Any]:
    number = raw["tax_id"]
    return {**raw, "tax_id": f"{number[:-1]}{check_digit(number[:-1])}"}


def _person(raw: Mapping[str, Any]) -> dict[str, Any]:
    person = {**raw, "kind": {"person": "natural_person"}.get(raw["kind"], raw["kind"])}
    if number := raw.get("registration_no"):
        person["registration_no"] = f"{number[:-1]}{check_digit(number[:-1])}"
    return person


_CONVERTERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "e-medical-certificate": _medical,
    "e-proxy": _proxy,
    "e-card": _card,
    "e-receipt": _receipt,
}
