"""The reader of lint against pyHanko's, and what it refuses."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from chalicelib.adapters.pdf_objects import (
    Array,
    Dictionary,
    PdfFile,
    Reference,
    Stream,
    UnreadablePdfError,
)

HEAD = b"%PDF-1.7\n"


def _file(*objects: bytes, trailer: bytes = b"<</Size %d/Root 1 0 R>>") -> bytes:
    """A file of one revision."""
    parts, lines = [HEAD], [b"0000000000 65535 f\r\n"]
    for number, text in enumerate(objects, start=1):
        lines.append(b"%010d 00000 n\r\n" % sum(map(len, parts)))
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, text))
    size = len(lines)
    end = b"trailer\n%b\nstartxref\n%d\n%%%%EOF" % (
        trailer % size if b"%d" in trailer else trailer,
        sum(map(len, parts)),
    )
    return b"".join([*parts, b"xref\n0 %d\n" % size, *lines, end])


def _plain(value: Any) -> Any:
    """What stands in either reader's objects, references as their numbers."""
    match value:
        case generic.IndirectObject():
            plain: Any = ("reference", value.idnum)
        case Reference():
            plain = ("reference", int(value))
        case generic.StreamObject() | Stream():
            entries = {k: _plain(v) for k, v in value.items() if k != "/Length"}
            plain = [entries, bytes(value.data)]
        case dict():
            plain = {str(name): _plain(member) for name, member in value.items()}
        case list():
            plain = [_plain(member) for member in list.__iter__(value)]
        case generic.NullObject():
            plain = None
        case generic.BooleanObject():
            plain = bool(value)
        case generic.ByteStringObject():
            plain = bytes(value).decode("latin-1")
        case str():
            plain = str(value)
        case _:
            plain = value
    return plain


@pytest.mark.parametrize(
    "text",
    [
        b"<</A 1/B -2.50/C .5/D 7./E +3>>",
        b"<</A(x)/B(\\(\\053\\n\\\\)/C((n(e)s)ted)/D(a\\\nb)/E()/F(\\5)>>",
        b"<</A<FEFF0E01>/B<>/C<4142 43>/D<4>>>",
        b"<</A/Na#20me/B[/X/Y 2 0 R 3 4 true false null]/C<</D[[1][2 0 R]]>>>>",
        b"<<%comment >>\n/A %x\n1>>",
        b"[]",
        b"<</Length 5>>\nstream\nabcde\nendstream",
    ],
)
def test_agrees_with_pyhanko(text: bytes) -> None:
    """Lint sees the same values as the reference reader does (P3)."""
    pdf = _file(b"<</Type/Catalog>>", text)
    reference = PdfFileReader(BytesIO(pdf)).get_object(generic.Reference(2))
    assert _plain(PdfFile(pdf).object(2)) == _plain(reference)


def test_references_are_followed_when_asked_for() -> None:
    """`[]` gives what is referred to, and the same object each time."""
    pdf = PdfFile(_file(b"<</Type/Catalog/A 2 0 R/B[2 0 R]>>", b"<</C 3>>"))
    root = pdf.root
    assert isinstance(root, Dictionary)
    assert isinstance(root["/B"], Array)
    assert root["/A"] == {"/C": 3}
    assert root["/A"] is root["/B"][0]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        HEAD,
        _file(b"<</Type/Catalog>>") + b"more",
        _file(b"<</Type/Catalog>>").replace(b"xref\n0 2", b"xref\n0 3"),
        _file(b"<</Type/Catalog>>", trailer=b"<</Size 2/Root 1 0 R/Prev 9>>"),
        _file(b"<</Type/Catalog>>", trailer=b"[1 0 R]"),
        _file(b"[1 2"),
        _file(b"<</A>>"),
        _file(b"<<(/A) 1>>"),
        _file(b"<</A 1]"),
        _file(b"<</A(>>"),
        _file(b"<</Length 9>>\nstream\nabc\nendstream"),
        _file(b"<</A 1>>").replace(b"1 0 obj", b"2 0 obj"),
        _file(b"/Catalog"),
        _file(b"<</Type/Catalog>>", trailer=b"<</Size 2/Root 7 0 R>>"),
    ],
)
def test_refuses_what_typst_does_not_write(damaged: bytes) -> None:
    """A file that is damaged, appended to or of another make is refused, not guessed at (P3)."""
    with pytest.raises(UnreadablePdfError):
        assert PdfFile(damaged).root is None


@pytest.mark.parametrize(
    "text",
    [
        b"<</Length 3/Filter/FlateDecode>>\nstream\nabc\nendstream",
        b"<</Length 3/Filter/LZWDecode>>\nstream\nabc\nendstream",
        b"<</Length 3/Filter/FlateDecode/DecodeParms<</Predictor 12>>>>\nstream\nabc\nendstream",
    ],
)
def test_refuses_streams_it_cannot_decode(text: bytes) -> None:
    """Bytes that cannot be looked at are not passed (P3)."""
    with pytest.raises(UnreadablePdfError):
        assert PdfFile(_file(text)).root.data is None  # type: ignore[attr-defined]  # a stream
