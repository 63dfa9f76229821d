"""What a visible seal looks like: drawn by typst once, then copied into each file.

typst sets the Thai text with the fonts of the house, embeds what it used of them and
draws the emblem as lines; its page becomes the widget's form XObject (ISO 32000-1
§8.10). It shows whose seal it is, not when it was made: that is for the time-stamp.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from chalicelib.adapters.pades.plain import NotPlainError, PlainPdf, entries, reference_in
from chalicelib.domain.errors import SealError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.adapters.pades.order import SealOrder
    from chalicelib.adapters.pades.revision import Revision
    from chalicelib.domain.seals import SealAppearance

_ROOM = Path(__file__).parents[2]
_FONTS = _ROOM / "fonts"
_EMBLEM = "/templates/_common/emblem.svg"
_POINTS_PER_MM = 72 / 25.4
_PAGE_MM = (210, 297)  # A4, the largest there is; a type's own paper is asked when it is read
_REFERENCE = re.compile(rb"([0-9]+) 0 R")
_MOST_DRAWINGS = 256  # kept: agencies × document types that a container serves


@dataclass(frozen=True, slots=True)
class _Piece:
    """An object to copy: bytes between references, and what these refer to."""

    head: tuple[bytes, ...]
    refers_to: tuple[int, ...]
    stream: bytes | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A seal's look. `rectangle` is its place on the page and `box` its size, in points;
    `alt` what it says, as PDF string; `page` the one-page PDF it was taken from."""

    rectangle: bytes
    box: bytes
    alt: bytes
    page: bytes
    _pieces: tuple[_Piece, ...]
    _content: bytes
    _content_head: bytes
    _resources: int

    def put(self, revision: Revision) -> int:
        """Write the drawing; the number of its form XObject."""
        form = revision.next_number()
        numbers = [revision.next_number() for _ in self._pieces]
        for number, piece in zip(numbers, self._pieces, strict=True):
            _put_piece(revision, number, piece, numbers)
        revision.put_stream(
            form,
            self._content,
            b"/Type/XObject/Subtype/Form/BBox[%b]/Resources %d 0 R%b"
            % (self.box, numbers[self._resources], self._content_head),
        )
        return form


def drawing_for(order: SealOrder) -> Drawing | None:
    """None for an invisible seal. Drawn once per agency and appearance. Raises SealError."""
    appearance = order.policy.appearance
    return None if appearance is None else _drawn(appearance, order.usable.certificate)


@lru_cache(maxsize=_MOST_DRAWINGS)
def _drawn(appearance: SealAppearance, certificate: bytes) -> Drawing:
    _check_place(appearance)
    agency = _agency(certificate)
    page = _page(appearance, agency)
    try:
        return _taken_over(page, appearance, agency)
    except NotPlainError as error:
        raise SealError("The look of the seal cannot be taken over.") from error


def _check_place(appearance: SealAppearance) -> None:
    left, bottom = appearance.left_mm, appearance.bottom_mm
    width, height = appearance.width_mm, appearance.height_mm
    on_page = left + width <= _PAGE_MM[0] and bottom + height <= _PAGE_MM[1]
    if not (on_page and min(left, bottom) >= 0 and min(width, height) > 0):
        raise SealError(
            "The place of the visible seal is not on the page.", "ตำแหน่งตราประทับอยู่นอกหน้ากระดาษ"
        )


def _agency(certificate: bytes) -> str:
    """Who the certificate says seals: the organisation, or else the common name."""
    subject = x509.load_der_x509_certificate(certificate).subject
    names = [
        *subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
        *subject.get_attributes_for_oid(NameOID.COMMON_NAME),
    ]
    return str(names[0].value) if names else ""


def _page(appearance: SealAppearance, agency: str) -> bytes:
    """One page of the seal's size. Raises SealError if typst cannot make it."""
    import typst  # noqa: PLC0415 - invisible seals do without

    look = {
        "width": appearance.width_mm,
        "height": appearance.height_mm,
        "emblem": appearance.emblem,
        "text": appearance.text,
        "agency": agency,
        "emblem_path": _EMBLEM,
    }
    try:
        page = typst.compile(
            str(_ROOM / "print" / "seal.typ"),
            root=str(_ROOM),
            font_paths=[str(_FONTS)],
            ignore_system_fonts=True,
            sys_inputs={"look": json.dumps(look, ensure_ascii=False)},
            pdf_standards=["a-3u"],
            pdf_tags=False,
            timestamp=0,
        )
    except (typst.TypstError, RuntimeError) as error:
        # typst quotes what it stumbled over: it is not chained.
        raise SealError(
            f"The look of the seal cannot be drawn ({type(error).__name__}).",
            "ไม่สามารถวาดรูปตราประทับได้",
        ) from None
    return page


# -- from typst's page to an appearance --------------------------------------


def _taken_over(page: bytes, appearance: SealAppearance, agency: str) -> Drawing:
    plain = PlainPdf(page)
    catalog = plain.catalog()
    (number,) = plain.pages(catalog)
    leaf = plain.page(number)
    head, content = plain.body_of(reference_in(leaf, b"/Contents"))
    resources = reference_in(leaf, b"/Resources")
    numbers = _reachable(plain, resources)
    place = {number: index for index, number in enumerate(numbers)}
    kept = {name: value for name, value in entries(head).items() if name != b"/Length"}
    size = (appearance.width_mm, appearance.height_mm)
    corner = (appearance.left_mm, appearance.bottom_mm)
    opposite = (corner[0] + size[0], corner[1] + size[1])
    return Drawing(
        rectangle=_points((*corner, *opposite)),
        box=_points((0, 0, *size)),
        alt=_text(f"ประทับตราอิเล็กทรอนิกส์โดย {agency}"),
        page=page,
        _pieces=tuple(_piece(plain, number, place) for number in numbers),
        _content=content or b"",
        _content_head=b"".join(b"%b %b" % entry for entry in kept.items()),
        _resources=place[resources],
    )


def _reachable(plain: PlainPdf, first: int) -> list[int]:
    """Object `first` and all that it leads to."""
    found, waiting = [], [first]
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.append(number)
            head, _ = plain.body_of(number)
            waiting += [int(reference) for reference in _REFERENCE.findall(head)]
    return found


def _piece(plain: PlainPdf, number: int, place: dict[int, int]) -> _Piece:
    head, stream = plain.body_of(number)
    between = _REFERENCE.split(head)  # text, number, text, …
    refers_to = tuple(place[int(reference)] for reference in between[1::2])
    return _Piece(tuple(between[::2]), refers_to, stream)


def _put_piece(revision: Revision, number: int, piece: _Piece, numbers: list[int]) -> None:
    written = [piece.head[0]]
    for target, text in zip(piece.refers_to, piece.head[1:], strict=True):
        written += (b"%d 0 R" % numbers[target], text)
    head = b"".join(written)
    if piece.stream is None:
        revision.put(number, head)
    else:
        # typst's own dictionary, which has the /Length already.
        revision.put(number, b"%b\nstream\n%b\nendstream" % (head, piece.stream))


def _points(millimetres: Iterable[float]) -> bytes:
    return " ".join(f"{value * _POINTS_PER_MM:.3f}" for value in millimetres).encode()


def _text(text: str) -> bytes:
    """A PDF text string (§7.9.2.2)."""
    return b"<FEFF%b>" % text.encode("utf-16-be").hex().upper().encode()
