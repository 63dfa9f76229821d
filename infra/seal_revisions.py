"""What was appended behind a seal: read with pypdf, object by object, and nothing let pass
that EN 319 142-1 does not have there.

Part of the second opinion (`infra.seal_check`); shares no code with the sealing.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pypdf import PdfReader
from pypdf.generic import IndirectObject, NullObject, StreamObject

if TYPE_CHECKING:
    from collections.abc import Iterator

_END = re.compile(rb"startxref\s+\d+\s+%%EOF(?:\r\n|\r|\n)?")

Objects = dict[int, bytes]
"""Object numbers, and the objects as they would be written."""


class Store:
    """The document security store (§5.4.2): DER of its certificates and answers."""

    def __init__(self, reader: PdfReader) -> None:
        store: Any = reader.root_object.get("/DSS", {})
        store = store.get_object()
        self.certificates, self.ocsp_responses, self.crls = (
            [member.get_object().get_data() for member in store.get(name, [])]
            for name in ("/Certs", "/OCSPs", "/CRLs")
        )


def store_of(pdf: bytes) -> Store:
    return Store(_read(pdf))


def ends_behind(pdf: bytes, at: int) -> list[int]:
    """Where the revisions end that were appended behind `at`."""
    return [end.end() for end in _END.finditer(pdf, at)]


def problems_of_store(pdf: bytes, before: int, end: int) -> list[str]:
    """What else than a document security store the revision up to `end` brings."""
    with _complaints() as complaints:
        return _problems_of_store(pdf, before, end) + complaints


def problems_of_stamp(pdf: bytes, before: int, end: int) -> list[str]:
    """What else than a document time-stamp the revision up to `end` brings."""
    with _complaints() as complaints:
        return _problems_of_stamp(pdf, before, end) + complaints


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What pypdf repairs in silence: a file as it should be needs none of it."""
    found: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - that there is one says it
            found.append("a revision is damaged")

    handler = Listening(logging.WARNING)
    logger = logging.getLogger("pypdf")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _problems_of_store(pdf: bytes, before: int, end: int) -> list[str]:
    old, new = _read(pdf[:before]), _read(pdf[:end])
    changed, added = _difference(_objects(old), _objects(new))
    problems = _problems_of_trailer(old, new)
    if changed != {_root_number(new)}:
        problems.append("the revision with the security store changes other objects")
    if _but(new.root_object, "/DSS") != _but(old.root_object, "/DSS"):
        problems.append("the revision with the security store changes the catalog")
    if not added <= _reached(new.root_object.raw_get("/DSS")):
        problems.append("the revision with the security store adds something else")
    if any(_is_stream(new, n) and _dictionary(new, n) - {"/Length", "/Filter"} for n in added):
        problems.append("the security store holds a stream that is more than its data")
    return problems


def _problems_of_stamp(pdf: bytes, before: int, end: int) -> list[str]:
    old, new = _read(pdf[:before]), _read(pdf[:end])
    changed, added = _difference(_objects(old), _objects(new))
    before_form, form = (_form(reader) for reader in (old, new))
    fields = _appended(before_form["/Fields"], form["/Fields"])
    if len(fields) != 1:
        return ["the revision with the document time-stamp does not add one field"]
    field: Any = fields[0].get_object()
    page: Any = field.get("/P")
    allowed = {fields[0].idnum, *_numbers(field.raw_get("/V")), *_looks(field)}
    touched = {*_numbers(new.root_object.raw_get("/AcroForm")), *_numbers(field.raw_get("/P"))}
    problems = _problems_of_trailer(old, new)
    if not added <= allowed or not changed <= {*touched, _root_number(new)}:
        problems.append("the revision with the document time-stamp brings something else")
    if _but(form, "/Fields") != _but(before_form, "/Fields"):
        problems.append("the revision with the document time-stamp changes the form")
    if _but(new.root_object, "/AcroForm") != _but(old.root_object, "/AcroForm"):
        problems.append("the revision with the document time-stamp changes the catalog")
    old_page: Any = old.get_object(IndirectObject(field.raw_get("/P").idnum, 0, old))
    if _but(page, "/Annots") != _but(old_page, "/Annots") or (
        _appended(old_page.get("/Annots", []), page["/Annots"]) != fields
    ):
        problems.append("the revision with the document time-stamp changes the page")
    if any(float(edge) for edge in field["/Rect"]):
        problems.append("the document time-stamp can be seen")
    return problems


def _problems_of_trailer(old: PdfReader, new: PdfReader) -> list[str]:
    for name in ("/Root", "/Info"):
        trailers = [reader.trailer for reader in (old, new)]
        values = [_written(t.raw_get(name)) if name in t else b"" for t in trailers]
        if values[0] != values[1]:
            return ["a revision exchanges the catalog or the information of the document"]
    return []


# -- small readers -----------------------------------------------------------


def _read(pdf: bytes) -> PdfReader:
    return PdfReader(BytesIO(pdf), strict=True)


def _objects(reader: PdfReader) -> Objects:
    numbers = {number for table in reader.xref.values() for number in table}
    numbers |= set(reader.xref_objStm)
    found = {number: _object(reader, number) for number in numbers if number}
    return {n: _written(value) for n, value in found.items() if not _is_table(value)}


def _is_table(value: Any) -> bool:
    """How a revision says where its objects are, and not one of them: what an object stream
    holds is looked at itself."""
    return isinstance(value, StreamObject) and value.get("/Type") in {"/XRef", "/ObjStm"}


def _object(reader: PdfReader, number: int) -> Any:
    return reader.get_object(IndirectObject(number, 0, reader)) or NullObject()


def _written(value: Any) -> bytes:
    output = BytesIO()
    value.write_to_stream(output)
    return output.getvalue()


def _difference(old: Objects, new: Objects) -> tuple[set[int], set[int]]:
    """Numbers of the objects that changed (or went), and of those that are new."""
    changed = {number for number, text in old.items() if new.get(number) != text}
    return changed, new.keys() - old.keys()


def _but(dictionary: Any, name: str) -> dict[str, bytes]:
    """Entries, except one."""
    return {key: _written(dictionary.raw_get(key)) for key in dictionary if key != name}


def _form(reader: PdfReader) -> Any:
    return reader.root_object["/AcroForm"]


def _appended(old: Any, new: Any) -> list[Any]:
    """What an array has more at its end; nothing if its beginning is not the old one."""
    before, after = list(old.get_object()) if old else [], list(new.get_object())
    same = [_written(member) for member in after[: len(before)]] == [
        _written(member) for member in before
    ]
    return after[len(before) :] if same else []


def _numbers(value: Any) -> set[int]:
    return {value.idnum} if isinstance(value, IndirectObject) else set()


def _looks(field: Any) -> set[int]:
    look = field.get("/AP")
    return _numbers(look.get_object().raw_get("/N")) if look else set()


def _root_number(reader: PdfReader) -> int:
    root: Any = reader.trailer.raw_get("/Root")
    return int(root.idnum)


def _reached(value: Any) -> set[int]:
    """Numbers of all objects that a value leads to."""
    found: set[int] = set()
    waiting = [value]
    while waiting:
        member = waiting.pop()
        if isinstance(member, IndirectObject) and member.idnum not in found:
            found.add(member.idnum)
            waiting.append(member.get_object())
        waiting += _members(member)
    return found


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (value.raw_get(key) for key in value)  # type: ignore[attr-defined]  # pypdf's own
    elif isinstance(value, list):
        yield from value


def _is_stream(reader: PdfReader, number: int) -> bool:
    return isinstance(_object(reader, number), StreamObject)


def _dictionary(reader: PdfReader, number: int) -> set[str]:
    return set(_object(reader, number))
