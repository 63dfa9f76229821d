"""Open a PDF from anybody, within limits, and find the signatures in it."""

from __future__ import annotations

import re
from io import BytesIO

from asn1crypto import parser
from pyhanko.pdf_utils.decode_limits import (
    DecodeLimits,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from chalicelib.domain.errors import TooLargeToCheckError

MiB = 1024 * 1024

LARGEST_FILE = 100 * MiB
MOST_REVISIONS = 64
MOST_SIGNATURES = 32
MOST_OBJECTS = 250_000
"""Objects a file may have, by the marks that stand before them and in its xref tables. One
costs about 1 kB of memory."""

_DECODING = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=64 * MiB),
    document_budget=DocumentDecodeBudget(base_allowance=192 * MiB, max_ratio=3),
)
_LONGEST_NAME = 200  # characters
_END = re.compile(rb"[\r\n]startxref\s*[0-9]{1,12}\s*%%EOF")
_END_WITHIN = 2048
"""Bytes at the end of a file in which its pointer and mark must stand; readers look for the
mark in the last 1,024 (ISO 32000-1 §7.5.5, implementation note 18)."""
_COVERED = frozenset({SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION})
_BYTE_RANGE_NUMBERS = 4


def open_pdf(pdf: bytes) -> PdfFileReader:
    """Raises TooLargeToCheckError before anything is parsed if the file is beyond the limits;
    pyHanko's errors if it cannot be read."""
    if len(pdf) > LARGEST_FILE:
        raise TooLargeToCheckError("bytes")
    if max(pdf.count(b" obj"), pdf.count(b" 00000 n")) > MOST_OBJECTS:
        raise TooLargeToCheckError("objects")
    if pdf.count(b"startxref") > 2 * MOST_REVISIONS:
        raise TooLargeToCheckError("revisions")
    if not _END.search(pdf[-_END_WITHIN:]):
        # pyHanko would look for it backwards, a byte at a time: 20 seconds for 100 MB in a line.
        raise PdfReadError("The end of the file cannot be found.")
    reader = PdfFileReader(BytesIO(pdf), decode_limits=_DECODING)
    if reader.xrefs.total_revisions > MOST_REVISIONS:
        raise TooLargeToCheckError("revisions")
    return reader


def signatures_in(reader: PdfFileReader) -> list[EmbeddedPdfSignature]:
    """Seals and document time-stamps that have a field, oldest first: also those of a kind that
    nobody can check, which pyHanko's own list leaves out. Raises TooLargeToCheckError."""
    found: list[EmbeddedPdfSignature] = []
    for name, _, field in enumerate_sig_fields(reader, filled_status=True):
        if len(found) == MOST_SIGNATURES:
            raise TooLargeToCheckError("signatures")
        found.append(EmbeddedPdfSignature(reader, field, name))
    return sorted(found, key=covered_end)


def shown(name: object) -> str:
    """What a stranger called something, as it may be shown: a line of a terminal or page, on
    which nothing moves, hides or turns around."""
    text = str(name or "")[:_LONGEST_NAME]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def is_document_timestamp(signature: EmbeddedPdfSignature) -> bool:
    return bool(signature.sig_object_type == "/DocTimeStamp")


def covered_end(signature: EmbeddedPdfSignature) -> int:
    """Where the covered bytes end, as far as the signature says."""
    numbers = [int(number) for number in signature.byte_range]
    return numbers[2] + numbers[3] if len(numbers) == _BYTE_RANGE_NUMBERS else 0


def covers_its_revision(signature: EmbeddedPdfSignature, pdf: bytes) -> bool:
    """Whether the covered bytes are everything up to the end of the signature's revision but
    the signature itself, filled up with zeros, so that nothing else can hide in its room.
    pyHanko compares lengths and xrefs; this compares bytes."""
    if signature.evaluate_signature_coverage() not in _COVERED:
        return False
    start, end_of_first, start_of_second, _ = (int(number) for number in signature.byte_range)
    if start != 0 or not 0 < end_of_first < start_of_second <= covered_end(signature) <= len(pdf):
        return False
    gap = pdf[end_of_first:start_of_second]
    contents = signature.pkcs7_content
    if any(contents[_der_length(contents) :]):
        return False
    return gap.upper() == b"<%s>" % contents.hex().upper().encode("ascii")


def _der_length(data: bytes) -> int:
    """Length of the first DER value in `data`, in bytes."""
    _, _, _, header, content, trailer = parser.parse(data)
    return len(header) + len(content) + len(trailer)
