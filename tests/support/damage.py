"""What can happen to a sealed file, by accident or on purpose."""

from __future__ import annotations

import re
from io import BytesIO

from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

_CONTENTS = re.compile(rb"/ByteRange\s*\[\s*0\s+(\d+)\s+(\d+)\s+\d+\s*\]")
_OPAQUE = b"q 1 1 1 rg 0 0 595 842 re f Q "


def gaps(pdf: bytes) -> list[tuple[int, int]]:
    """Where each signature's hexadecimal digits lie, oldest first."""
    return [(int(m[1]) + 1, int(m[2]) - 1) for m in _CONTENTS.finditer(pdf)]


def flipped(pdf: bytes, at: int) -> bytes:
    """One bit of the byte at `at` is another."""
    return pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]


def flipped_page(pdf: bytes) -> bytes:
    """In the middle of the first compressed stream of the file."""
    start = pdf.index(b"stream\n")
    return flipped(pdf, (start + pdf.index(b"endstream", start)) // 2)


def flipped_signature(pdf: bytes) -> bytes:
    """In the seal's signature value itself."""
    return _with_other_digit(pdf, *gaps(pdf)[0])


def flipped_document_timestamp(pdf: bytes) -> bytes:
    """In the signature value of the last time-stamp over the document."""
    return _with_other_digit(pdf, *gaps(pdf)[-1])


def appended_bytes(pdf: bytes) -> bytes:
    """Something behind the end."""
    return pdf + b"\n% something more\n"


def appended_page_content(pdf: bytes) -> bytes:
    """A revision that paints over the first page: what is read is not what was sealed."""
    writer = _Appending(BytesIO(pdf))
    page = _first_page(writer)
    drawing = writer.add_object(generic.StreamObject(stream_data=_OPAQUE))
    page[pdf_name("/Contents")] = generic.ArrayObject([page.raw_get("/Contents"), drawing])
    writer.update_container(page)
    return _written(writer)


def appended_annotation(pdf: bytes) -> bytes:
    """A revision that lays a note over the first page."""
    writer = _Appending(BytesIO(pdf))
    page = _first_page(writer)
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (99, 99, 299, 299))),
            pdf_name("/Contents"): generic.pdf_string("cancelled"),
            pdf_name("/DA"): generic.pdf_string("/Helv 12 Tf 0 g"),
            pdf_name("/F"): generic.NumberObject(4),
        }
    )
    notes = generic.ArrayObject(page.get("/Annots", ()))
    notes.append(writer.add_object(note))
    page[pdf_name("/Annots")] = notes
    writer.update_container(page)
    return _written(writer)


def without_seal_timestamp(pdf: bytes) -> bytes:
    """The signature's time-stamp is taken out of its CMS."""
    start, end = gaps(pdf)[0]
    content = _content(pdf[start:end])
    del content["content"]["signer_infos"][0]["unsigned_attrs"]
    return _with_contents(pdf, start, end, content.dump(force=True))


def without_last_revision(pdf: bytes) -> bytes:
    """Cut back to the end of the revision before the last."""
    last = pdf.rindex(b"startxref")
    return pdf[: pdf.rindex(b"%%EOF", 0, last) + len(b"%%EOF")]


def truncated(pdf: bytes) -> bytes:
    """The second half never arrived."""
    return pdf[: len(pdf) // 2]


def broken_xref(pdf: bytes) -> bytes:
    """The last cross-reference is not where the file says."""
    at = pdf.rindex(b"startxref") + len(b"startxref\n")
    return pdf[:at] + (b"8" if pdf[at : at + 1] != b"8" else b"7") + pdf[at + 1 :]


def with_contents_of(pdf: bytes, other: bytes) -> bytes:
    """The seal of another document, by the same agency, in place of the file's own."""
    start, end = gaps(pdf)[0]
    other_start, other_end = gaps(other)[0]
    der = _content(other[other_start:other_end]).dump()
    return _with_contents(pdf, start, end, der)


def _with_other_digit(pdf: bytes, start: int, end: int) -> bytes:
    """Another digit in the middle of the signature value that lies between."""
    content = _content(pdf[start:end])
    signature: bytes = content["content"]["signer_infos"][0]["signature"].native
    at = start + pdf[start:end].lower().index(signature.hex().encode()) + len(signature)
    other = b"1" if pdf[at : at + 1] == b"0" else b"0"
    return pdf[:at] + other + pdf[at + 1 :]


def _with_contents(pdf: bytes, start: int, end: int, der: bytes) -> bytes:
    digits = der.hex().encode()
    return pdf[:start] + digits + b"0" * (end - start - len(digits)) + pdf[end:]


def _content(digits: bytes) -> cms.ContentInfo:
    content: cms.ContentInfo = cms.ContentInfo.load(bytes.fromhex(digits.decode()))
    return content


class _Appending(IncrementalPdfFileWriter):
    """Changes what is meant to be changed, and no metadata with it."""

    def _update_meta(self) -> None:
        pass


def _first_page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    page, _ = writer.find_page_for_modification(0)
    found: generic.DictionaryObject = page.get_object()
    return found


def _written(writer: IncrementalPdfFileWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()
