"""ขมธอ. 3-2560 as its publishers wrote it down: XSD and Schematron, and their samples.

They lie beside the project, if anywhere; they are not ours to ship. The Schematron speaks
XPath 1.0, so lxml's own (ISO Schematron by XSLT 1.0) evaluates it as it is.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree, isoschematron

_NEARBY = [folder / "shared/standards/etax" for folder in Path(__file__).parents]
STANDARDS = next((folder for folder in _NEARBY if folder.exists()), _NEARBY[0])
SAMPLES = STANDARDS / "samples"
_SCHEMAS = STANDARDS / "XMLSchemaV2/ETDA/data/standard"
_CODES = STANDARDS / "XMLSchemaV2/ETDA/codelist/standard"

needs_standards = pytest.mark.skipif(
    not STANDARDS.exists(),
    reason="the schemas of ขมธอ. 3-2560 are not here (shared/standards/etax)",
)


def faults(xml: bytes) -> list[str]:
    """What XSD and Schematron of the message say against it; empty if it is valid."""
    root = etree.fromstring(xml)
    message = etree.QName(root).localname.removesuffix("_CrossIndustryInvoice")
    schema, rules = schema_of(message), _schematron_of(message)
    found = [] if schema.validate(root) else [f"XSD: {e.message}" for e in schema.error_log]
    if not rules.validate(root):
        found += [f"Schematron: {_told(entry.message)}" for entry in rules.error_log]
    return found


def _told(report: str) -> str:
    """Rule and reason out of a report in SVRL."""
    return " ".join("".join(map(str, etree.fromstring(report).itertext())).split())


@cache
def schema_of(message: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_SCHEMAS / f"{message}_CrossIndustryInvoice_2p0.xsd"))


@cache
def _schematron_of(message: str) -> isoschematron.Schematron:
    # All its rules are reports: what they find is a fault, which is not lxml's default.
    return isoschematron.Schematron(
        etree.parse(_SCHEMAS / f"{message}_Schematron_2p0.sch"),
        error_finder=isoschematron.Schematron.ASSERTS_AND_REPORTS,
    )


def codes(name: str) -> set[str]:
    """The values of a code list of the standard."""
    return _values(etree.parse(_CODES / f"{name}_1p0.xsd"))


def countries() -> set[str]:
    """The standard's list of countries (ISO 3166-1)."""
    folder = STANDARDS / "XMLSchemaV2/uncefact/identifierlist/standard"
    tree = etree.parse(folder / "ISO_ISOTwo-letterCountryCode_SecondEdition2006.xsd")
    return _values(tree)


def _values(tree: etree._ElementTree) -> set[str]:
    return {str(value) for value in tree.xpath("//*[local-name()='enumeration']/@value")}
