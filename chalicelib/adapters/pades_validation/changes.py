"""What followed a seal: only validation data and document time-stamps may (P2).

pyHanko's difference analysis decides whether a later revision can be seen or used (it finds
objects replaced, freed or reached in a new way, and so every known shadow attack and
incremental saving attack). It permits more than Tra does, so three rules stand beside it:
no other seal, no visible time-stamp, no other title or author.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    DiffResult,
    ModificationLevel,
    StandardDiffPolicy,
)

from chalicelib.adapters.pades_validation.reading import (
    covered_end,
    covers_its_revision,
    is_document_timestamp,
)
from chalicelib.domain.verdict import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
    from pyhanko.sign.validation import EmbeddedPdfSignature

# An object that nothing uses cannot be seen, but no honest program leaves one: it is what a
# damaged time-stamp, or a preparation for a later attack, looks like.
_POLICY = StandardDiffPolicy(
    global_rules=DEFAULT_DIFF_POLICY.global_rules,
    form_rule=DEFAULT_DIFF_POLICY.form_rule,
    ignore_orphaned_objects=False,
)

# What programs rewrite when they append anything; a reader is not shown it as the document's.
_INFO_MAY_CHANGE = frozenset({"/ModDate", "/Producer"})
_TOLD_IN_XMP = tuple(
    f"{{{namespace}}}{name}"
    for namespace, names in {
        "http://purl.org/dc/elements/1.1/": ("title", "creator", "description", "subject"),
        "http://ns.adobe.com/pdf/1.3/": ("Keywords",),
    }.items()
    for name in names
)
# The end of a revision that no signature covers: the marker and one end of line.
_LAST_MARKER = re.compile(rb"%%EOF(?:\r\n|\r|\n)?\Z")
_WIDTH, _HEIGHT = (0, 2), (1, 3)


def changes_after(
    seal: EmbeddedPdfSignature, all_of_them: Sequence[EmbeddedPdfSignature], pdf: bytes
) -> tuple[Change, ...]:
    """Everything after `seal` that must not be there, and bytes hidden in its room."""
    found: dict[Change, None] = {}
    if not covers_its_revision(seal, pdf) or not _ends_where_it_should(all_of_them, pdf):
        found[Change.UNCOVERED_BYTES] = None
    reader = seal.reader
    if seal.signed_revision < reader.xrefs.total_revisions - 1:
        later = [s for s in all_of_them if s.signed_revision > seal.signed_revision]
        if any(not is_document_timestamp(signature) for signature in later):
            found[Change.ANOTHER_SEAL] = None
        if _content_changed(seal) or any(_is_visible(signature) for signature in later):
            found[Change.CONTENT] = None
        if _told_otherwise(reader, seal.signed_revision):
            found[Change.METADATA] = None
        if any(not covers_its_revision(stamp, pdf) for stamp in later):
            found[Change.UNCOVERED_BYTES] = None
    return tuple(found)


def _content_changed(seal: EmbeddedPdfSignature) -> bool:
    result = seal.evaluate_modifications(_POLICY)
    if not isinstance(result, DiffResult):  # SuspiciousModification
        return True
    return bool(result.modification_level > ModificationLevel.LTA_UPDATES)


def _ends_where_it_should(signatures: Sequence[EmbeddedPdfSignature], pdf: bytes) -> bool:
    """Nothing follows the last signature, unless whole revisions do; then nothing follows them."""
    end = max(covered_end(signature) for signature in signatures)
    if end >= len(pdf):
        return True
    last = max(signature.signed_revision for signature in signatures)
    follows = signatures[0].reader.xrefs.total_revisions - 1 > last
    return follows and _LAST_MARKER.search(pdf, len(pdf) - 16) is not None


def _is_visible(signature: EmbeddedPdfSignature) -> bool:
    """Whether the field takes room on a page: a time-stamp has nothing to show there."""
    if "/Rect" not in signature.sig_field:
        return False
    corners = [float(number) for number in signature.sig_field["/Rect"]]
    return all(corners[low] != corners[high] for low, high in (_WIDTH, _HEIGHT))


# -- what a reader is told about the document ----------------------------------


def _told_otherwise(reader: PdfFileReader, revision: int) -> bool:
    old = reader.get_historical_resolver(revision)
    new = reader.get_historical_resolver(reader.xrefs.total_revisions - 1)
    return _info(old) != _info(new) or _xmp(old) != _xmp(new)


def _info(revision: HistoricalResolver) -> dict[str, str]:
    # The trailer's references lead to the newest objects; the resolver's to its revision's.
    reference = revision.trailer_view.get_value_as_reference("/Info", optional=True)
    info = revision(reference) if reference is not None else None
    if not isinstance(info, generic.DictionaryObject):
        return {}
    return {str(k): str(v) for k, v in info.items() if str(k) not in _INFO_MAY_CHANGE}


def _xmp(revision: HistoricalResolver) -> list[tuple[str, str]]:
    """The texts of the metadata that programs show. pyHanko has refused what is not XML, and
    entities, before this is asked; what cannot be read here differs from nothing else."""
    reference = revision.root.get_value_as_reference("/Metadata", optional=True)
    stream: Any = revision.get_object(reference) if reference is not None else None
    if not isinstance(stream, generic.StreamObject):
        return []
    data = stream.read_data(DecodePurpose.XMP_METADATA)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return [("doctype", "")]
    try:
        root = ET.fromstring(data)  # noqa: S314 - no document type is let in, size is limited
    except ET.ParseError:
        return [("unreadable", "")]
    found = [
        (name, " ".join("".join(element.itertext()).split()))
        for name in _TOLD_IN_XMP
        for element in root.iter(name)
    ]
    shorthand = [
        (name, element.attrib[name])
        for name in _TOLD_IN_XMP
        for element in root.iter()
        if name in element.attrib
    ]
    return sorted([*found, *shorthand])
